"""`rfs-mail init`: a working folder from nothing, and never over what is there."""

import shlex
import stat
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from rfs_mail.app import open_app
from rfs_mail.cli import app


def rfs_mail(*words: str) -> Result:
    """One command."""
    return CliRunner().invoke(app, list(words))


def files(folder: Path) -> set[str]:
    """Every file in it, the database's own apart."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and ".db" not in path.name}


def test_a_new_folder_is_complete(tmp_path: Path) -> None:
    """Settings, an up-to-date database, examples; nothing is live and nothing leaves the machine yet."""
    folder = tmp_path / "new" / "one"
    assert rfs_mail("init", str(folder)).exit_code == 0
    assert {"rfs-mail.toml", "campaigns/welcome.yaml", "templates/_layout.html"} <= files(folder)
    assert {"data/calendar.yaml", "data/filing_deadlines.csv"} <= files(folder)
    opened = open_app(folder, environ={})
    assert (opened.live(), opened.sends_locally) == (None, True)
    opened.close()


def test_what_it_says_next_can_be_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Word for word, to the first mails in the inbox on the disk."""
    folder = tmp_path / "one"
    said = rfs_mail("init", str(folder)).stdout.splitlines()
    commands = [line.strip() for line in said[said.index("Next:") + 1 :]]
    assert commands.pop(0) == f"cd {folder}"
    monkeypatch.chdir(folder)
    for command in commands:
        words = shlex.split(command, comments=True)
        assert words.pop(0) == "rfs-mail"
        done = rfs_mail(*words, *(["--yes"] if words[0] in ("apply", "windows") else []))  # a person would be asked
        assert done.exit_code == (1 if "1 rejected" in done.output else 0), done.output
    assert len(list((folder / "inbox").glob("*.eml"))) > 0


def test_secrets_are_new_each_time_and_for_their_owner(tmp_path: Path) -> None:
    """Nobody else on the machine reads them."""
    keys = []
    for name in ("one", "two"):
        assert rfs_mail("init", "--bare", str(tmp_path / name)).exit_code == 0
        path = tmp_path / name / "rfs-mail.toml"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
        keys += [settings["secret_key"], settings["suppression_key"]]
    assert len(set(keys)) == 4
    assert all(len(key) >= 40 for key in keys)


def test_bare_has_no_examples(tmp_path: Path) -> None:
    """Only what every folder needs."""
    rfs_mail("init", "--bare", str(tmp_path))
    assert files(tmp_path) == {"rfs-mail.toml"}


def test_a_folder_that_has_settings_is_left_alone(tmp_path: Path) -> None:
    """Asked wrongly; not a byte changes."""
    rfs_mail("init", "--bare", str(tmp_path))
    before = (tmp_path / "rfs-mail.toml").read_bytes()
    again = rfs_mail("init", str(tmp_path))
    assert again.exit_code == 2
    assert "Nothing was changed" in again.output
    assert (tmp_path / "rfs-mail.toml").read_bytes() == before
    assert files(tmp_path) == {"rfs-mail.toml"}


def test_a_directors_file_is_never_overwritten(tmp_path: Path) -> None:
    """Examples fill in what is missing beside it."""
    own = tmp_path / "campaigns" / "welcome.yaml"
    own.parent.mkdir()
    own.write_text("mine\n", encoding="utf-8")
    assert rfs_mail("init", str(tmp_path)).exit_code == 0
    assert own.read_text(encoding="utf-8") == "mine\n"
    assert (tmp_path / "campaigns" / "nrfod.yaml").exists()


def test_here_is_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what it says next needs no folder then."""
    monkeypatch.chdir(tmp_path)
    said = rfs_mail("init", "--bare")
    assert said.exit_code == 0
    assert "-C" not in said.stdout
    assert (tmp_path / "rfs-mail.toml").exists()


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    """Where a file has the name, or nothing may be written, it says so and shows no traceback."""
    (tmp_path / "taken").touch()
    for name in ("taken", "taken/inside"):
        result = rfs_mail("init", str(tmp_path / name))
        assert (1, "") == (result.exit_code, result.stdout)
        assert result.stderr.startswith(f"{tmp_path / 'taken'}")
        assert "cannot be used" in result.stderr


def test_files_come_before_the_database(tmp_path: Path) -> None:
    """A campaign can be begun and checked where there is no database yet, and none is made for it."""
    folder = tmp_path / "one"
    assert rfs_mail("init", str(folder)).exit_code == 0
    (folder / "rfs-mail.db").unlink()
    assert rfs_mail("-C", str(folder), "campaigns", "new", "first", "--from", "series").exit_code == 0
    assert "placeholder" in rfs_mail("-C", str(folder), "check").output
    assert not (folder / "rfs-mail.db").exists()
