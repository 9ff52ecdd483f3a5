"""The root command: what it lists, what it imports, and how it refuses."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from rfs_mail import __version__
from rfs_mail.cli import app, context
from rfs_mail.cli import main as root
from rfs_mail.errors import HeldError, NotFoundError, RfsMailError, SettingsError, UsageError
from rfs_mail.store.database import Store

ENTRIES = sys.modules["rfs_mail.cli.main"].ENTRIES


def test_help_names_every_command_and_imports_none() -> None:
    """`--help` lists the nouns without importing a database, a template engine or a mail client."""
    script = (
        "import sys, json; from typer.testing import CliRunner; from rfs_mail.cli import app;"
        "result = CliRunner().invoke(app, ['--help']);"
        "heavy = [m for m in ('sqlalchemy', 'jinja2', 'pydantic', 'aiosmtplib', 'fastapi') if m in sys.modules];"
        "print(json.dumps([result.exit_code, result.output, heavy]))"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    code, output, heavy = json.loads(said)
    assert (code, heavy) == (0, [])
    for name in ("people", "explain", "deliveries", "status", "campaigns", "signups", "check", "apply", "db", "init"):
        assert f" {name} " in output


def test_version() -> None:
    """`--version` says which version this is."""
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.output) == (0, f"rfs-mail {__version__}\n")


def test_a_command_that_is_no_command_gets_the_nearest() -> None:
    """A slip of the finger is asked wrongly, and answered with what was meant."""
    result = CliRunner().invoke(app, ["delivries"])
    assert result.exit_code == 2
    assert "deliveries" in result.output


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    """-C DIR has to be a folder."""
    result = CliRunner().invoke(app, ["-C", str(tmp_path / "no"), "status"])
    assert (result.exit_code, result.output) == (2, f"There is no folder {tmp_path / 'no'}.\n")


def test_a_folder_without_a_database_says_what_to_run(tmp_path: Path) -> None:
    """The first mistake of all gets the command that mends it, and no traceback."""
    result = CliRunner().invoke(app, ["-C", str(tmp_path), "status"])
    assert result.exit_code == 1
    assert "Run: rfs-mail db upgrade" in result.output
    assert result.stdout == ""


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("Asked wrongly."), 2),
        (SettingsError("Set wrongly."), 2),
        (NotFoundError("Not there."), 2),
        (HeldError("Held."), 1),
        (RfsMailError("Wrong."), 1),
    ],
)
def test_refusals_are_one_sentence_on_stderr(
    error: RfsMailError, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every error of the product is its own sentence; asked wrongly is 2, everything else is 1."""

    def refuse(*_args: object, **_more: object) -> None:
        raise error

    monkeypatch.setattr(context, "open_app", refuse)
    result = CliRunner().invoke(app, ["-C", str(tmp_path), "status"])
    assert (result.exit_code, result.stderr, result.stdout) == (code, f"{error}\n", "")


def test_every_entry_is_a_command_of_its_name() -> None:
    """Each file on the shelf has what the root says it has."""
    group = typer.main.get_command(app)
    names = {name: command.name for name, command in group.commands.items()}  # type: ignore[attr-defined]
    assert names == {name: name for name in names}
    assert set(names) <= {entry.name for entry in ENTRIES}


def test_the_entry_point_runs() -> None:
    """`python -m rfs_mail` is `rfs-mail`."""
    said = subprocess.run(
        [sys.executable, "-m", "rfs_mail", "--version"], capture_output=True, text=True, check=True
    ).stdout
    assert said == f"rfs-mail {__version__}\n"
    assert callable(root)


def test_completion_is_offered_once() -> None:
    """The options of a shell's completion do not stand in the help of every noun."""
    for name in ("people", "deliveries", "signups"):
        assert "completion" not in CliRunner().invoke(app, [name, "--help"]).output


def test_an_id_that_is_none_is_said_in_a_sentence(tmp_path: Path) -> None:
    """In our words, not in those of a library; asked wrongly."""
    result = CliRunner().invoke(app, ["-C", str(tmp_path), "deliveries", "show", "x"])
    said = "'x' is no id of a delivery. `deliveries list` shows them: numbers such as 17.\n"
    assert (2, said) == (result.exit_code, result.output)


def test_a_database_without_write_rights_is_about_rights(tmp_path: Path) -> None:
    """A command that cannot write says whose rights are missing, and does not doubt the address of the database."""
    path = tmp_path / "read.db"
    Store(f"sqlite:///{path}").upgrade()
    script = (
        "import sqlite3, sys\n"
        "from sqlalchemy.exc import OperationalError\n"
        "from rfs_mail.cli.main import _database_trouble\n"
        "try:\n"
        "    sqlite3.connect(f'file:{sys.argv[1]}?mode=ro', uri=True).execute('CREATE TABLE x (y)')\n"
        "except sqlite3.OperationalError as error:\n"
        "    print(_database_trouble(OperationalError('', {}, error)))\n"
    )
    said = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True, check=True).stdout
    assert said.startswith("The database cannot be written. Give yourself write rights on its file")
    assert "database_url" not in said
