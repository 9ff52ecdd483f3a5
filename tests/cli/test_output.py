"""What lists look like: aligned, in JSON, in CSV; and what a name from a form cannot do to a terminal."""

import csv
import io
import json
import sys
from datetime import UTC, datetime

import pytest

from rfs_mail.cli.output import Column, count, plain, print_fields, print_list, say, say_time, width_of
from rfs_mail.core.lifecycle import DeliveryState
from rfs_mail.errors import UsageError

WHEN = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
ROWS = [
    {"id": 7, "name": "Ana", "mails": 1200, "at": WHEN},
    {"id": 12, "name": "José Ñandú", "mails": 3, "at": None},
]
COLUMNS = (
    Column("id", "ID"),
    Column("name", "NAME"),
    Column("mails", "MAILS", right=True),
    Column("at", "AT", lambda row: say_time(row["at"], "America/New_York")),
)


def test_a_list_is_aligned(capsys: pytest.CaptureFixture[str]) -> None:
    """Columns stand below each other, amounts to the right and with commas, ids without; times name their zone."""
    print_list(ROWS, COLUMNS)
    assert capsys.readouterr().out == (
        "ID  NAME        MAILS  AT\n7   Ana         1,200  2026-11-23 10:00 EST\n12  José Ñandú      3  -\n"
    )


def test_json_carries_values_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    """JSON is one array, instants in UTC."""
    print_list(ROWS, COLUMNS, as_json=True)
    assert json.loads(capsys.readouterr().out) == [
        {"id": 7, "name": "Ana", "mails": 1200, "at": "2026-11-23T15:00:00+00:00"},
        {"id": 12, "name": "José Ñandú", "mails": 3, "at": None},
    ]


def test_csv_is_safe_for_spreadsheets(capsys: pytest.CaptureFixture[str]) -> None:
    """Text that a spreadsheet would run as a formula stays text; numbers stay numbers."""
    print_list([{"name": '=HYPERLINK("x")', "mails": -5}], (Column("name", "N"), Column("mails", "M")), as_csv=True)
    rows = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert rows == [["name", "mails"], ['\'=HYPERLINK("x")', "-5"]]


def test_csv_of_nothing_still_has_its_header(capsys: pytest.CaptureFixture[str]) -> None:
    """A program that reads an empty list finds the names it expects."""
    print_list([], COLUMNS, as_csv=True)
    assert capsys.readouterr().out == "id,name,mails,at\n"


def test_nothing_is_said_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    """An empty table is a sentence."""
    print_list([], COLUMNS, empty="Nobody.")
    assert capsys.readouterr().out == "Nobody.\n"


def test_two_formats_at_once_are_refused() -> None:
    """--json and --csv cannot both be meant."""
    with pytest.raises(UsageError, match="exclude each other"):
        print_list(ROWS, COLUMNS, as_json=True, as_csv=True)


def test_a_terminal_gets_a_table(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """On a terminal the same cells stand in a table, with no markup read into them."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    print_list([{"name": "[bold]Ana[/bold]"}], (Column("name", "NAME"),))
    assert "[bold]Ana[/bold]" in capsys.readouterr().out


def test_a_narrow_terminal_loses_nothing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """What may wrap, wraps; addresses and ids stay whole, and lines run over where there is no room."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "40")
    row = {"address": "a.very.long.address@example.org", "why": "one two three four five six", "n": 1234567}
    columns = (Column("address", "TO"), Column("why", "WHY", wraps=True), Column("n", "N", right=True))
    print_list([row], columns)
    out = capsys.readouterr().out
    assert all(word in out for word in ("a.very.long.address@example.org", "1,234,567", "one", "six"))


def test_control_characters_do_not_reach_the_terminal() -> None:
    """A name cannot move the cursor, turn text around or add a line."""
    assert plain("Ana\x1b[2J\n\u202eevil\u200b") == "Ana[2J evil"


def test_fields_leave_out_what_is_empty(capsys: pytest.CaptureFixture[str]) -> None:
    """Labels stand below each other; nothing is said about nothing."""
    print_fields([("name", "Ana"), ("county", ""), ("stage", "filed")], indent=2)
    assert capsys.readouterr().out == "  name   Ana\n  stage  filed\n"


@pytest.mark.parametrize(
    ("value", "said"),
    [(None, "-"), ("", "-"), (True, "yes"), (False, "no"), (3, "3"), (["a", "b"], "a, b"), ([], "-"),
     (DeliveryState.SENT, "sent"), (WHEN, "2026-11-23 15:00 UTC")],
)  # fmt: skip
def test_values_as_cells(value: object, said: str) -> None:
    """How a value reads where nothing else was said."""
    assert say(value) == said


def test_zones_without_a_name_say_their_offset() -> None:
    """Where a zone has no letters, the offset names it."""
    assert say_time(WHEN, "America/Sao_Paulo") == "2026-11-23 12:00 UTC-03"


def test_wide_letters_take_two_columns() -> None:
    """Tables stay aligned whatever alphabet a name is in."""
    assert [width_of(text) for text in ("Ana", "張", "é", "e\u0301")] == [3, 2, 1, 1]


def test_counting_in_words() -> None:
    """One is singular, and thousands have commas."""
    assert [count(1, "person", "people"), count(0, "mail"), count(1200, "person", "people")] == [
        "1 person", "0 mails", "1,200 people",
    ]  # fmt: skip
