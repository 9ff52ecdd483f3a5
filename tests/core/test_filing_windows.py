"""Files of filing windows: what is taken, what is refused and why, what counts as a move, and how it is told."""

import csv
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfs_mail.core.csv_rows import BadRow, Row
from rfs_mail.core.facts import known_zones
from rfs_mail.core.filing_windows import (
    COLUMNS,
    NEEDED,
    FilingWindow,
    Given,
    Problem,
    compare,
    faults,
    merge,
    read_header,
    read_windows,
    settle,
    split_moment,
    tell_change,
    window_of,
)
from rfs_mail.core.times import MILESTONES
from rfs_mail.core.timing import Civil

SHIPPED = Path(__file__).resolve().parents[2] / "data" / "filing_deadlines.csv"

WISCONSIN = {
    "window_id": "wi-2027-spring-judicial", "jurisdiction": "Wisconsin", "state": "WI", "office_level": "judicial",
    "office": "judge", "election_on": "2027-04-06", "opens_on": "2026-12-01", "closes_on": "2027-01-05",
    "closes_time": "17:00", "zone": "America/Chicago", "petition_due": "2027-01-05 17:00", "confidence": "official",
    "source": "https://elections.example/wi",
}  # fmt: skip


def window(**changes: Any) -> FilingWindow:
    """Wisconsin's window for judges as the file says it, with other facts."""
    (one,) = read_windows(COLUMNS, [line(**changes)]).given
    return settle(one.window)


def line(number: int = 2, **changes: str) -> Row:
    """A row under all columns."""
    values = WISCONSIN | changes
    return Row(number, [values.get(name, "") for name in COLUMNS])


def problems(*rows: Row | BadRow) -> list[str]:
    return [str(problem) for problem in read_windows(COLUMNS, rows).problems]


# -- reading -----------------------------------------------------------------------------------------------------------


def test_a_row_becomes_a_window() -> None:
    """Every column arrives; what is blank is not known, least of all an opening."""
    read = window(opens_on="", state=" wi ", status="", division="ocd-division/country:us/state:wi/county:dane")
    assert (read.id, read.state, read.opens_on, read.opens_time) == ("wi-2027-spring-judicial", "WI", None, None)
    assert (read.closes_on, read.closes_time, read.zone) == ("2027-01-05", "17:00", "America/Chicago")
    assert read.milestones == {"petition_due": "2027-01-05 17:00"}
    assert (read.status, read.confidence, read.incumbency) == ("confirmed", "official", None)
    assert window_of(read.as_values()) == read


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"window_id": "WI 2027"}, "line 2, window_id: 'WI 2027' is no slug. Write small letters, digits and hyphens"),
        ({"state": "Wisconsin"}, "line 2, state: 'Wisconsin' is no state. Write its two letters: WI"),
        ({"state": ""}, "line 2, state: is blank. It has to be known of every window"),
        ({"zone": "CST"}, "line 2, zone: 'CST' is no time zone. Write: America/Chicago"),
        ({"zone": "America/Madison"}, "line 2, zone: 'America/Madison' is no time zone."),
        ({"zone": "America/Los_Angeles"}, "line 2, zone: 'America/Los_Angeles' is no clock of WI. Write the"),
        (
            {"state": "TX", "zone": "Europe/Berlin"},
            "line 2, zone: 'Europe/Berlin' is no clock of TX. Write the filing office's: America/Chicago or America/D",
        ),
        (
            {"division": "ocd-division/country:us/state:mi/county:dane"},
            "line 2, division: 'ocd-division/country:us/state:mi/county:dane' is not in WI.",
        ),
        ({"closes_on": "1/5/2027"}, "line 2, closes_on: '1/5/2027' is no date. Write year-month-day: 2027-01-05"),
        ({"closes_on": "2027-02-30"}, "line 2, closes_on: '2027-02-30' is no day of the calendar"),
        ({"closes_on": "20270105"}, "line 2, closes_on: '20270105' is no date."),
        ({"closes_time": "5pm"}, "line 2, closes_time: '5pm' is no time. Write HH:MM of 24 hours"),
        ({"closes_time": "24:00"}, "line 2, closes_time: '24:00' is no time."),
        ({"closes_time": "17:00:00"}, "line 2, closes_time: '17:00:00' is no time."),
        ({"petition_due": "2027-01-05 noon"}, "line 2, petition_due: 'noon' is no time."),
        ({"petition_due": "next week"}, "line 2, petition_due: 'next' is no date."),
        ({"office_level": "schoolboard"}, "line 2, office_level: 'schoolboard' is not known here. Write school_board"),
        ({"confidence": "sure"}, "line 2, confidence: 'sure' is not known here. Write one of: unknown, conflict"),
        ({"status": "moveed"}, "line 2, status: 'moveed' is not known here. Write moved"),
        ({"source": ""}, "line 2, source: is blank."),
        ({"division": "ocd-division/wi"}, "line 2, division: 'ocd-division/wi' is no Open Civic Data id."),
        ({"party_path": "Major Party"}, "line 2, party_path: 'Major Party' is not one word."),
        ({"notes": "x" * 2_001}, "line 2, notes: 'xxxxxxxxxxxxxxxxxxxx..' is longer than 2,000 characters."),
        ({"division": "x" * 201}, "line 2, division: 'xxxxxxxxxxxxxxxxxxxx..' is longer than 200 characters."),
    ],
)  # fmt: skip
def test_a_bad_cell_names_line_column_and_fix(changes: dict[str, str], said: str) -> None:
    """What cannot be taken is named with its place and what to write instead."""
    (found,) = problems(line(**changes))
    assert found.startswith(said)


def test_the_good_rows_go_on() -> None:
    """A bad row, one that cannot be read and one with too many values cost nobody else anything."""
    rows = [
        line(2, closes_on="soon"), BadRow(3, "A quote opened here is never closed."),
        line(4, window_id="wi-2027-spring-county"), Row(5, [*line().cells, "more"]),
    ]  # fmt: skip
    read = read_windows(COLUMNS, rows)
    assert [one.window.id for one in read.given] == ["wi-2027-spring-county"]
    assert [(problem.line, problem.column) for problem in read.problems] == [(2, "closes_on"), (3, ""), (5, "")]


def test_two_rows_of_one_window_are_both_left_out() -> None:
    """Nobody can know which of two rows is meant; two windows of one office and one closing are fine."""
    read = read_windows(COLUMNS, [line(2), line(3, closes_on="2027-01-08"), line(4, window_id="wi-2027-other")])
    assert [one.window.id for one in read.given] == ["wi-2027-other"]
    assert [problem.line for problem in read.problems] == [2, 3]
    assert "stands on lines 2 and 3. None of them was taken" in str(read.problems[0])


@pytest.mark.parametrize(
    ("header", "said"),
    [
        (["state", *NEEDED], "is not the first column: that is window_id"),
        ([*NEEDED, "petition_dew"], "'petition_dew' is no column of this format. Write petition_due"),
        ([*NEEDED, "state"], "'state' is there twice"),
        (["window_id", "state"], "columns are missing: office_level, closes_on, zone, confidence, source"),
        ([], "is not the first column"),
    ],
)
def test_a_header_that_is_not_ours_is_refused(header: list[str], said: str) -> None:
    """A column in the wrong place, unknown, doubled or missing: nothing of the file is taken, and it is said why."""
    _, wrong = read_header(header)
    assert any(said in str(problem) for problem in wrong)


def test_the_order_of_columns_is_free_behind_the_first() -> None:
    """Columns that a file does not need may be missing, stand anywhere, and end in blanks."""
    names, wrong = read_header(["Window_ID ", *reversed(NEEDED[1:]), "", ""])
    assert ((), NEEDED[0], NEEDED[-1]) == (wrong, names[0], names[1])


@given(st.lists(st.text(max_size=12), min_size=len(COLUMNS), max_size=len(COLUMNS)))
def test_no_row_whatever_breaks_the_reading(cells: list[str]) -> None:
    """Any text in any cell is a window or a problem, never an exception."""
    read = read_windows(COLUMNS, [Row(2, cells)])
    assert len(read.given) + len({problem.line for problem in read.problems}) == 1


# -- what is known together --------------------------------------------------------------------------------------------


def test_a_blank_cell_never_erases() -> None:
    """What is blank stays as it was known; the word unknown takes it back; a status is not reset."""
    stored = window(status="moved", opens_time="09:00")
    row = line(opens_on="", closes_time="", petition_due="", office="")
    (given_,) = read_windows(COLUMNS, [row]).given
    assert settle(merge(stored, given_)) == stored
    row = line(opens_on="unknown", opens_time="Unknown", petition_due="unknown")
    (given_,) = read_windows(COLUMNS, [row]).given
    now = settle(merge(stored, given_))
    assert (now.opens_on, now.opens_time, now.milestones, now.status) == (None, None, {}, "moved")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"closes_on": "2026-11-30"}, "closes_on '2026-11-30 17:00' is not after the opening (2026-12-01)"),
        (
            {"opens_on": "2027-01-05", "opens_time": "17:00"},
            "closes_on '2027-01-05 17:00' is not after the opening (2027-01-05 17:00)",
        ),
        ({"election_on": "2027-01-05"}, "closes_on '2027-01-05' is not before the election (2027-01-05)"),
        ({"challenge_closes": "2027-04-07"}, "challenge_closes '2027-04-07' is after the election (2027-04-06)"),
        ({"petition_opens": "2027-01-06"}, "petition_due '2027-01-05 17:00' is not after petition_opens (2027-01-06)"),
        ({"closes_on": ""}, "closes_on '' is blank. Only a window with confidence conflict or unknown"),
        ({"opens_on": "", "opens_time": "12:00"}, "opens_time '12:00' has no day."),
    ],
)
def test_what_cannot_be_true_is_a_fault(changes: dict[str, str], said: str) -> None:
    """Closing after opening, before the election, petitions in order, an hour with its day."""
    (found,) = [f"{name} {value!r} {reason}" for name, value, reason in faults(window(**changes)) if name in said]
    assert found.startswith(said)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"opens_on": "2027-01-05", "opens_time": "09:00"},  # a window of one day
        {"opens_on": "2027-01-05"},
        {"closes_on": "", "closes_time": "", "confidence": "conflict"},
        {"election_on": ""},
        {"withdrawal": "2027-05-01"},
    ],
)
def test_what_may_be_true_is_no_fault(changes: dict[str, str]) -> None:
    """Short windows, unknown elections and unknown closings of doubtful windows are taken."""
    assert list(faults(window(**changes))) == []


def test_a_window_gives_its_dates_as_anchors() -> None:
    """On the office's clock, with hours where they are known; what is not known is no anchor."""
    anchors = window(opens_on="", withdrawal="2027-01-12").anchors()
    assert (anchors.get("opens"), str(anchors.office)) == (None, "America/Chicago")
    closes, due, late = (anchors.get(name) for name in ("closes", "petition_due", "withdrawal"))
    assert [isinstance(one, Civil) and str(one.wall) for one in (closes, due, late)] == ["17:00:00", "17:00:00", "None"]
    assert str(window().closes_at()) == "2027-01-05 23:00:00+00:00"


# -- moves -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "moves", "said"),
    [
        ({"closes_on": "2027-01-08"}, True, "closes 2027-01-05 17:00 -> 2027-01-08 17:00 (3 days later)"),
        ({"closes_on": "2027-01-04"}, True, "closes 2027-01-05 17:00 -> 2027-01-04 17:00 (1 day earlier)"),
        ({"closes_time": "12:00"}, True, "closes 2027-01-05 17:00 -> 2027-01-05 12:00 (5 hours earlier)"),
        ({"closes_time": "16:30"}, True, "closes 2027-01-05 17:00 -> 2027-01-05 16:30 (30 min earlier)"),
        ({"opens_on": "2026-12-15"}, True, "opens 2026-12-01 -> 2026-12-15 (14 days later)"),
        ({"opens_on": ""}, True, "opens 2026-12-01 -> not known"),
        ({"status": "cancelled"}, True, "confirmed -> cancelled"),
        ({"confidence": "conflict"}, True, "confidence official -> conflict"),
        ({"petition_due": "2027-01-04"}, True, "petition_due 2027-01-05 17:00 -> 2027-01-04"),
        ({"division": "Dane"}, True, "division not known -> Dane"),
        ({"source": "https://other.example"}, False, "another source"),
        ({"as_of": "2026-12-24", "notes": "seen"}, False, "another as_of, notes"),
        ({"office": "circuit judge"}, False, "another office"),
    ],
)
def test_only_what_mail_hangs_on_moves(changes: dict[str, str], moves: bool, said: str) -> None:
    """A date, a status, a confidence, whom it is for: a move. A source or a name alone moves nobody."""
    change = compare(window(), window(**changes))
    assert change is not None
    assert (change.moves, "; ".join(tell_change(change))) == (moves, said)


def test_another_clock_moves_the_closing() -> None:
    """The same wall time on another clock is another moment."""
    change = compare(window(), replace(window(), zone="America/Denver"))
    assert change is not None
    assert tell_change(change) == [
        "closes 2027-01-05 17:00 -> 2027-01-05 17:00 (1 hour later)",
        "zone America/Chicago -> America/Denver",
    ]


def test_the_same_again_is_no_change() -> None:
    """A window that says what is stored changes nothing; a new one is no move."""
    assert compare(window(), window()) is None
    new = compare(None, window())
    assert new is not None
    assert (new.moves, tell_change(new)) == (False, ["closes 2027-01-05 17:00, opens 2026-12-01"])


@given(st.sampled_from(sorted(WISCONSIN)), st.sampled_from(["", "unknown", "2027-01-06", "17:30", "moved"]))
def test_taking_a_row_twice_changes_nothing_more(name: str, text: str) -> None:
    """Whatever a row says, the second time it is as it is known."""
    read = read_windows(COLUMNS, [line(**{name: text})])
    for given_ in read.given:
        once = settle(merge(window(), given_))
        assert compare(once, settle(merge(once, given_))) is None


# -- what we ship ------------------------------------------------------------------------------------------------------


def _shipped() -> list[FilingWindow]:
    with SHIPPED.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    names, wrong = read_header(header)
    read = read_windows(names, [Row(number, cells) for number, cells in enumerate(rows, 2)])
    assert (wrong, read.problems) == ((), ())
    assert len(rows) == len(read.given)
    return [settle(merge(None, one)) for one in read.given]


def test_the_shipped_file_is_good() -> None:
    """88 windows, each with a source that can be looked up, none with a fault, none twice."""
    shipped = _shipped()
    assert len(shipped) == 88
    assert [fault for one in shipped for fault in faults(one)] == []
    assert [one.id for one in shipped if not one.source.startswith("http")] == []
    assert {one.zone for one in shipped} <= known_zones()
    assert max(Counter(one.id for one in shipped).values()) == 1


def test_the_shipped_file_has_what_the_campaigns_need() -> None:
    """Wisconsin's four windows are one office's day; Mississippi knows no hour; a conflict is in it, and said so."""
    by_id = {one.id: one for one in _shipped()}
    spring = [one for name, one in by_id.items() if name.startswith("wi-2027-spring-")]
    assert {(one.opens_on, one.closes_on, one.closes_time, one.zone) for one in spring} == {
        ("2026-12-01", "2027-01-05", "17:00", "America/Chicago")
    }
    assert len(spring) == 4
    mississippi = by_id["ms-2027-primary-statewide-executive"]
    assert (mississippi.closes_on, mississippi.closes_time) == ("2027-02-01", None)
    assert [one.id for one in by_id.values() if one.confidence == "conflict"] == ["va-2026-primary-us-house"]
    assert [one.id for one in by_id.values() if one.confidence == "computed" and one.status == "confirmed"] == []
    assert {name for one in by_id.values() for name in one.milestones} <= set(MILESTONES)


def test_moments_are_split() -> None:
    """A milestone is a day, with an hour or without."""
    assert split_moment("2026-05-11 12:00") == ("2026-05-11", "12:00")
    assert split_moment("2026-05-11") == ("2026-05-11", None)


def test_a_problem_reads_as_a_sentence() -> None:
    """Without a column and a value too."""
    assert str(Problem(3, "", "", "cannot be read")) == "line 3: cannot be read"
    assert replace(window(), notes="x") != window()
    assert Given(2, window()).taken_back == frozenset()
