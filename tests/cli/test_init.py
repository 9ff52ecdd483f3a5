"""`rfs-mail init`: a working folder from nothing, and never over what is there."""

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
    """Settings, an up-to-date database, examples; what it says next can be typed and works."""
    folder = tmp_path / "new" / "one"
    said = rfs_mail("init", str(folder))
    assert said.exit_code == 0
    assert {"rfs-mail.toml", "campaigns/welcome.yaml", "templates/_layout.html", "data/calendar.yaml"} <= files(folder)
    opened = open_app(folder, environ={})
    assert (opened.live(), opened.sends_locally) == (None, True)
    opened.close()
    commands = [
        line.split("rfs-mail", 1)[1].split("  #")[0].split() for line in said.stdout.splitlines() if "-C" in line
    ]
    assert [words[2] for words in commands] == ["check", "apply", "signups", "tick", "deliveries"]
    assert all(words[:2] == ["-C", str(folder)] for words in commands)
    assert rfs_mail("-C", str(folder), "check").exit_code == 0


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
