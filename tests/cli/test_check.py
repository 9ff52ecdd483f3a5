"""`rfs-mail check`, `apply`, `revisions` and `rollback`: what they print, and how they end."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from rfs_mail.cli import app
from tests.project_samples import WELCOME, WELCOME_MAILS, make_folder


def run(folder: Path, *words: str) -> Result:
    """`rfs-mail -C FOLDER WORDS`."""
    return CliRunner().invoke(app, ["-C", str(folder), *words])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working folder with one good campaign and an empty database."""
    make_folder(tmp_path)
    assert run(tmp_path, "db", "upgrade").exit_code == 0
    return tmp_path


def _write(folder: Path, text: str) -> None:
    (folder / "campaigns" / "welcome.yaml").write_text(text, encoding="utf-8")


def test_nothing_found(folder: Path) -> None:
    """One closing line and exit code 0."""
    result = run(folder, "check")
    assert (result.exit_code, result.output) == (0, "1 campaign, 2 mails in 2 languages: no findings\n")


def test_errors_by_file_line_and_column(folder: Path) -> None:
    """A line each, the number of those that --fix mends, exit code 1."""
    _write(folder, WELCOME.replace("stage in", "stagee in").replace("goal: stage >=", "goal: stage ="))
    result = run(folder, "check")
    assert result.exit_code == 1
    assert result.output.splitlines() == [
        "campaigns/welcome.yaml:5:5  audience: No field stagee; nearest: stage",
        'campaigns/welcome.yaml:10:13  goal: "=" compares nothing. Write: stage == "exploring"',
        "`rfs-mail check --fix` mends 1 of these.",
        "1 campaign, 2 mails in 2 languages: 2 errors",
    ]


def test_warnings_are_no_failure(folder: Path) -> None:
    """What may stay is marked, and the exit code is 0."""
    (folder / "templates" / "welcome" / "extra.md").write_text("---\nsubject: x\n---\nA line.\n")
    result = run(folder, "check")
    assert result.exit_code == 0
    assert result.output == (
        "templates/welcome/extra.md:1:1  warning: no step sends this mail.\n"
        "1 campaign, 2 mails in 2 languages: 1 warning\n"
    )


def test_only_what_was_asked_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file or a folder limits what is shown, and with it the exit code; a path that is not there is refused."""
    _write(folder, WELCOME.replace("stage in", "stagee in"))
    assert run(folder, "check", "campaigns/welcome.yaml").exit_code == 1
    assert run(folder, "check", "campaigns").exit_code == 1
    assert run(folder, "check", "templates").exit_code == 0
    monkeypatch.chdir(folder / "campaigns")
    assert run(folder, "check", "welcome.yaml").exit_code == 1
    result = run(folder, "check", "nothing.yaml")
    assert (result.exit_code, result.output) == (2, "There is no file or folder nothing.yaml.\n")
    assert run(folder, "check", "/").exit_code == 2


def test_findings_as_json(folder: Path) -> None:
    """A program reads path, line, column, severity, code and message."""
    _write(folder, WELCOME.replace("stage in", "stagee in"))
    result = run(folder, "check", "--json")
    assert result.exit_code == 1
    assert json.loads(result.output) == {
        "findings": [
            {
                "path": "campaigns/welcome.yaml",
                "line": 5,
                "column": 5,
                "severity": "error",
                "code": "expression",
                "message": "audience: No field stagee; nearest: stage",
            }
        ],
        "errors": 1,
    }


def test_fix_writes_and_says_what(folder: Path) -> None:
    """The correction is shown, the file holds it, and nothing is left to find."""
    _write(folder, WELCOME.replace("goal: stage >=", "goal: stage ="))
    result = run(folder, "check", "--fix")
    assert result.exit_code == 0
    fixed = 'campaigns/welcome.yaml:10:7  fixed: stage = "exploring"  ->  stage == "exploring"'
    assert result.output.splitlines() == [fixed, "1 campaign, 2 mails in 2 languages: no findings"]
    expected = WELCOME.replace("goal: stage >=", "goal: stage ==")
    assert (folder / "campaigns" / "welcome.yaml").read_text(encoding="utf-8") == expected


def test_apply_shows_what_changes_and_makes_it_live(folder: Path) -> None:
    """New, changed and removed campaigns by name; the same files again are nothing."""
    first = run(folder, "apply", "--yes")
    assert (first.exit_code, first.output) == (0, "  new      welcome\nRelease 1 is live.\n")
    again = run(folder, "apply", "--yes")
    assert (again.exit_code, again.output) == (0, "Nothing to apply: these files are live.\n")
    _write(folder, WELCOME.replace("2d", "3d"))
    second = run(folder, "apply", "--yes", "--json")
    said = json.loads(second.output)
    assert (said["applied"], said["release"], said["changed"]) == (True, 2, ["welcome"])


def test_apply_asks_first(folder: Path) -> None:
    """Where nobody can be asked it refuses, and nothing is live."""
    result = run(folder, "apply")
    assert result.exit_code == 2
    assert "Nobody is there to be asked. Say `apply --yes`." in result.output
    assert "Nothing was applied yet" in run(folder, "revisions", "list").output


def test_apply_refuses_errors(folder: Path) -> None:
    """The findings, one closing line, exit code 1."""
    _write(folder, WELCOME.replace("stage in", "stagee in"))
    result = run(folder, "apply", "--yes")
    assert result.exit_code == 1
    assert result.output.splitlines() == [
        "campaigns/welcome.yaml:5:5  audience: No field stagee; nearest: stage",
        "Nothing was applied: 1 error.",
    ]
    assert json.loads(run(folder, "apply", "--yes", "--json").output)["applied"] is False


def test_revisions_and_back(folder: Path) -> None:
    """List, show, diff, and a rollback that says what it does."""
    run(folder, "apply", "--yes")
    _write(folder, WELCOME.replace("2d", "3d"))
    run(folder, "apply", "--yes")
    rows = json.loads(run(folder, "revisions", "list", "--json").output)
    assert [(row["id"], row["number"], row["release"], row["live"]) for row in rows] == [
        (2, 2, 2, True),
        (1, 1, 1, False),
    ]
    shown = run(folder, "revisions", "show", "1")
    assert "welcome, number 1" in shown.output
    assert "mail welcome/hello (en):" in shown.output
    assert json.loads(run(folder, "revisions", "show", "1", "--json").output)["definition"]["id"] == "welcome"
    diff = run(folder, "revisions", "diff", "1", "2").output
    assert "-    at: entry + 2d @ 10:00\n+    at: entry + 3d @ 10:00\n" in diff
    assert run(folder, "revisions", "diff", "1", "1").output == "The two are the same.\n"
    back = run(folder, "rollback", "1", "--yes")
    assert back.output == (
        "  changed  welcome\nRelease 3 is live: what release 1 was. The files still say otherwise.\n"
    )
    assert run(folder, "rollback", "--release", "3", "--yes").output.endswith("release 3 is what is live.\n")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("revisions", "show", "9"), "There is no revision 9."),
        (("rollback", "9", "--yes"), "There is no revision 9."),
        (("rollback", "--yes"), "Name one: a revision of `revisions list`"),
        (("rollback", "--release", "9", "--yes"), "There is no release 9."),
        (("revisions", "list", "nobody"), 'No campaign "nobody" was ever applied.'),
    ],
)
def test_what_is_asked_wrongly(folder: Path, words: tuple[str, ...], said: str) -> None:
    """One sentence and exit code 2."""
    result = run(folder, *words)
    assert result.exit_code == 2
    assert said in result.output


def test_check_needs_no_database(tmp_path: Path) -> None:
    """It reads files and makes none."""
    make_folder(tmp_path, mails=WELCOME_MAILS)
    before = sorted(tmp_path.rglob("*"))
    assert run(tmp_path, "check").exit_code == 0
    assert before == sorted(tmp_path.rglob("*"))
