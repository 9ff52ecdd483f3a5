"""`rfs-mail doctor` as it is typed."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rfs_mail.cli import app
from tests.network.name_server import NameServer


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A new working folder, whose pages nobody serves."""
    monkeypatch.setenv("RFS_MAIL_BASE_URL", "http://127.0.0.1:1")
    made = CliRunner().invoke(app, ["-C", str(tmp_path), "init", "mine"])
    assert made.exit_code == 0
    return tmp_path / "mine"


def test_a_new_folder_is_fit(folder: Path) -> None:
    """Nothing fails before a relay is set; a line for each check, and below it what to do."""
    with NameServer({}) as server:
        done = CliRunner().invoke(app, ["-C", str(folder), "doctor", "--dns", server.place])
    assert done.exit_code == 0
    assert f"ok       settings: {folder}/rfs-mail.toml, mode 0600\n" in done.output
    assert "warn     release: no campaign was applied yet\n         rfs-mail apply\n" in done.output
    assert done.output.splitlines()[-1].startswith("Fit to send: 14 checks, 1 warning, ")


def test_what_failed_is_exit_code_1(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relay that is not there, as JSON."""
    monkeypatch.setenv("RFS_MAIL_RELAY", "smtp://127.0.0.1:1")
    with NameServer({}) as server:
        done = CliRunner().invoke(app, ["-C", str(folder), "doctor", "--dns", server.place, "--json"])
    assert done.exit_code == 1
    found = json.loads(done.stdout)
    assert found["fit"] is False
    (relay,) = [check for check in found["checks"] if check["name"] == "relay smtp"]
    assert {"name", "outcome", "found", "remedy"} == set(relay)
    assert relay["outcome"] == "fail"


def test_a_folder_without_a_database_is_looked_at_too(tmp_path: Path) -> None:
    """Where other commands refuse to start, doctor says what is missing."""
    with NameServer({}) as server:
        done = CliRunner().invoke(app, ["-C", str(tmp_path), "doctor", "--dns", server.place])
    assert done.exit_code == 1
    assert "FAIL     database: There is no database at" in done.output
    assert "FAIL     secret_key: it is empty" in done.output


def test_a_name_server_without_an_address_is_asked_wrongly(folder: Path) -> None:
    """Exit code 2, and how to write it."""
    done = CliRunner().invoke(app, ["-C", str(folder), "doctor", "--dns", "nine"])
    assert done.exit_code == 2
    assert "Write its address" in done.output
