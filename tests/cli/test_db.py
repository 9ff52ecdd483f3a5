"""`rfs-mail db`: asked, it answers and changes nothing; told, it brings the schema up."""

import json
from pathlib import Path

import pytest
import typer
from sqlalchemy import text
from typer.testing import CliRunner, Result

from rfs_mail.cli import app, context
from rfs_mail.store import schema
from rfs_mail.store.database import Store

HEAD = schema.head()


def run(folder: Path, *words: str) -> Result:
    """`rfs-mail -C FOLDER db WORDS`."""
    return CliRunner().invoke(app, ["-C", str(folder), "db", *words])


def test_status_of_nothing_says_what_to_run(tmp_path: Path) -> None:
    """Without a database the answer is the command that makes one, exit code 1, and no file."""
    result = run(tmp_path, "status")
    assert result.exit_code == 1
    assert "Run: rfs-mail db upgrade" in result.output
    assert list(tmp_path.iterdir()) == []


def test_upgrade_makes_the_database_and_says_what_it_did(tmp_path: Path) -> None:
    """The first upgrade makes the database, the second has nothing to do, and status is content."""
    first, second = run(tmp_path, "upgrade"), run(tmp_path, "upgrade")
    path = tmp_path / "rfs-mail.db"
    assert (first.exit_code, first.output) == (0, f"{path}: schema {HEAD} (was empty).\n")
    assert (second.exit_code, second.output) == (0, f"{path}: schema {HEAD} (nothing to do).\n")
    status = run(tmp_path, "status")
    assert (status.exit_code, status.output) == (0, f"{path}: schema {HEAD}, as this program needs.\n")


def test_status_as_json(tmp_path: Path) -> None:
    """With --json a program reads place, found, needed and what is wrong."""
    store = Store(f"sqlite:///{tmp_path / 'rfs-mail.db'}")
    store.upgrade()
    with store.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0000'"))
    store.close()
    result = run(tmp_path, "status", "--json")
    said = json.loads(result.output)
    assert result.exit_code == 1
    assert said == {
        "database": str(tmp_path / "rfs-mail.db"),
        "schema": "0000",
        "needed": HEAD,
        "problem": f"The database has schema 0000, this program needs {HEAD}. Run: rfs-mail db upgrade",
    }


def test_a_password_is_not_shown(postgres_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The place of a PostgreSQL database is shown without its password."""
    url = postgres_store.url.set(password="s3cret").render_as_string(hide_password=False)
    monkeypatch.setenv("RFS_MAIL_DATABASE_URL", url)
    result = run(tmp_path, "status")
    assert result.exit_code == 0
    assert "s3cret" not in result.output
    assert postgres_store.url.database is not None
    assert postgres_store.url.database in result.output


def test_outside_a_command_there_is_no_application() -> None:
    """Asking for the application of a command that does not run is a mistake of ours and says so."""
    with pytest.raises(RuntimeError, match="no command is running"):
        context.current_app()


def test_the_application_is_opened_once_and_closed(tmp_path: Path) -> None:
    """A command gets one application however often it asks, and it is closed when the command ends."""
    root, seen = typer.Typer(), []

    @root.callback()
    def main(ctx: typer.Context) -> None:
        context.set_folder(ctx, tmp_path)

    @root.command()
    def look() -> None:
        first = context.current_app(open_schema=False)
        seen.extend([first is context.current_app(), context.current_folder(), first.store])

    assert CliRunner().invoke(root, ["look"]).exit_code == 0
    assert seen[:2] == [True, tmp_path]
    assert seen[2]._writers._shutdown
    assert context.current_folder() == Path.cwd()
