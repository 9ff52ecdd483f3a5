"""`rfs-mail signups import`: what it answers."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from rfs_mail.cli import app
from rfs_mail.core.interest import Interest
from rfs_mail.store.database import Store
from rfs_mail.store.interests import interests_of
from rfs_mail.store.people import find_person

ROOT = Path(__file__).parents[2]
CONSENT = ("--source", "tabling", "--entity", "rfs", "--consent", "I agree")


@pytest.fixture
def folder(sqlite_store: Store, tmp_path: Path) -> Path:
    """A working folder with a database and the shipped entities and fields; nothing is applied."""
    (tmp_path / "rfs-mail.toml").write_text(f'campaigns = "{ROOT / "campaigns"}"\nsuppression_key = "a long secret"\n')
    (tmp_path / "campaigns").symlink_to(ROOT / "campaigns")
    return tmp_path


def run(folder: Path, content: str, *words: str) -> Result:
    """`rfs-mail -C FOLDER signups import FILE WORDS`."""
    path = folder / "in.csv"
    path.write_text(content)
    return CliRunner().invoke(app, ["-C", str(folder), "signups", "import", str(path), *words])


def test_the_report_adds_up_and_says_who_may_be_mailed(folder: Path) -> None:
    """The sum in one line, then people by entity, columns, and what was rejected; exit code 1 for rejected rows."""
    maya = "maya@example.org,Maya,2139,9"
    content = f"email,first_name,zip,shoe\n{maya}\ntom@example.org,Tom,,\n{maya}\nno,,,\n"
    result = run(folder, content, *CONSENT)
    assert result.exit_code == 1, result.output
    assert "2 created + 0 merged + 1 unchanged + 1 rejected = 4" in result.output
    assert "Run for Something (rfs)  2" in result.output
    assert "not used: shoe" in result.output
    assert "zip: leading zeros put back (line 2: '2139')" in result.output
    assert f"All rejected rows: {folder / 'in.rejected-1.csv'}" in result.output


def test_people_without_consent_are_told(folder: Path) -> None:
    """They are stored, and nobody may mail them."""
    result = run(folder, "email\nmaya@example.org\n", "--source", "s", "--entity", "rfs", "--no-consent")
    assert result.exit_code == 0, result.output
    assert "Run for Something (rfs)  0" in result.output
    assert "1  for want of consent" in result.output


def test_a_dry_run_writes_nothing_and_says_so(folder: Path, sqlite_store: Store) -> None:
    """It speaks of what would be."""
    result = run(folder, "email\nmaya@example.org\n", *CONSENT, "--dry-run")
    assert result.exit_code == 0, result.output
    assert "1 would be created + 0 merged" in result.output
    assert result.output.rstrip().endswith("Nothing was written.")
    with sqlite_store.read() as connection:
        assert find_person(connection, "maya@example.org") is None


def test_json_is_one_document_with_the_same_figures(folder: Path) -> None:
    """Nothing else is printed."""
    result = run(folder, "email\nmaya@example.org\nno\n", *CONSENT, "--json")
    said = json.loads(result.stdout)
    assert result.exit_code == 1
    assert [said[name] for name in ("rows", "created", "merged", "unchanged", "rejected")] == [2, 1, 0, 0, 1]
    assert said["may_be_mailed_by"] == {"rfs": 1}


def test_columns_and_dates_are_taken_from_the_command(folder: Path, sqlite_store: Store) -> None:
    """--map by name and number, --signed-up-at for rows without a date."""
    words = (
        "--map",
        "email=Who",
        "--map",
        "how_heard=#2",
        "--map",
        "office_level=Run for",
        "--signed-up-at",
        "2026-03-01",
    )
    result = run(folder, "Who,What,Run for\nmaya@example.org,Friend,School Board\n", *CONSENT, *words)
    assert result.exit_code == 0, result.output
    with sqlite_store.read() as connection:
        maya = find_person(connection, "maya@example.org")
        assert maya is not None
        assert interests_of(connection, [maya.id]) == {maya.id: (Interest("school_board"),)}
    assert maya.custom == {"how_heard": "friend"}
    assert maya.signed_up_at is not None
    assert maya.signed_up_at.isoformat() == "2026-03-01T05:00:00+00:00"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--source", "s", "--entity", "rfs"), "--no-consent"),
        ((*CONSENT, "--no-consent"), "--no-consent"),
        (("--source", "s", "--entity", "rfs", "--consent", " "), "--consent is empty"),
        (("--source", " ", "--entity", "rfs", "--no-consent"), "--source names"),
        (("--source", "s", "--entity", "rsf", "--no-consent"), "Entities: rfs, rfs_civics"),
        ((*CONSENT, "--format", "xlsx"), "Formats: csv"),
        ((*CONSENT, "--map", "email"), "write FIELD=COLUMN"),
        ((*CONSENT, "--map", "email=Mail"), "there is no column 'Mail'"),
        ((*CONSENT, "--signed-up-at", "soon"), "--signed-up-at soon"),
    ],
)
def test_what_is_asked_wrongly_is_exit_code_two_and_changes_nothing(
    folder: Path, sqlite_store: Store, words: tuple[str, ...], told: str
) -> None:
    """One sentence says what to write."""
    result = run(folder, "email\nmaya@example.org\n", *words)
    assert result.exit_code == 2, result.output
    assert told in result.output
    with sqlite_store.read() as connection:
        assert find_person(connection, "maya@example.org") is None


def test_without_a_terminal_progress_is_plain_lines(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows so far and the share of the file, on stderr."""
    monkeypatch.setattr("rfs_mail.cli.signups._LINES_EVERY", 1)
    result = run(folder, "email\nmaya@example.org\n", *CONSENT)
    assert result.stderr == "1 row (100 %)\n"
    assert "row (" not in result.stdout
