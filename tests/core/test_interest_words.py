"""What somebody wants, read from the cells of a row and from a line that staff type."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfs_mail.core.filing_windows import OFFICE_LEVELS
from rfs_mail.core.interest import Interest
from rfs_mail.core.interest_words import (
    PARTY_PATHS,
    interests_of_cells,
    read_election_year,
    read_incumbent,
    read_party_path,
    read_wants,
    say_interest,
)
from rfs_mail.core.person_fields import Refused
from rfs_mail.core.zones import STATES

# -- cells -------------------------------------------------------------------------------------------------------------


def test_each_office_of_a_row_is_an_interest() -> None:
    """With the state, division, year, path and incumbency of the row."""
    said = interests_of_cells(
        {
            "office_level": "School Board; mayor",
            "office_state": "Wisconsin",
            "office_division": "OCD-Division/country:us/state:wi/place:Madison",
            "election_year": "Spring 2027",
            "party_path": "Independent",
            "incumbent": "no",
        }
    )
    place = "ocd-division/country:us/state:wi/place:madison"
    expected = [Interest(level, "WI", place, 2027, "unaffiliated", False) for level in ("school_board", "municipal")]
    assert (tuple(expected), ()) == said


def test_what_stands_beside_an_office_alone_is_no_interest() -> None:
    """A form that asks everybody for a year or a party has said nothing about an office."""
    assert ((), ()) == interests_of_cells({"election_year": "2027", "party_path": "gop", "incumbent": "yes"})
    assert ((), ()) == interests_of_cells({"office_level": "not sure", "office_state": "WI"})


def test_who_is_not_sure_of_the_rest_still_wants_the_office() -> None:
    """Any year, any of the common ways, and the state she lives in."""
    unsure = {"office_state": "not sure", "election_year": "Undecided", "party_path": "prefer not to say"}
    assert ((Interest("municipal"),), ()) == interests_of_cells({"office_level": "mayor", "incumbent": "no", **unsure})


def test_a_place_alone_is_any_office_there() -> None:
    """The state of an office is apart from where she lives."""
    assert ((Interest(state="TX"),), ()) == interests_of_cells({"office_state": "tx"})


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("office_state", "Ontario"),
        ("election_year", "2026 or 2027"),
        ("party_path", "martian"),
        ("incumbent", "perhaps"),
    ],
)
def test_an_interest_is_taken_whole_or_not_at_all(field: str, text: str) -> None:
    """Without the cell that cannot be read it would be wider than what she said."""
    interests, remarks = interests_of_cells({"office_level": "mayor", field: text})
    assert ((), [(field, text, "dropped")]) == (interests, [one[:3] for one in remarks])


def test_an_office_that_cannot_be_read_is_told() -> None:
    """The others in its cell are taken, and one found among words says as what."""
    interests, remarks = interests_of_cells({"office_level": "dog catcher; Madison school board"})
    assert (Interest("school_board"),) == interests
    assert [("dropped", "dog catcher"), ("mended", "dog catcher; Madison school board")] == [
        (one.kind, one.value) for one in remarks
    ]
    assert "read as school_board" == remarks[1].reason


@pytest.mark.parametrize(
    ("text", "year"), [("2027", 2027), ("April 6, 2027", 2027), ("2027-04-06", 2027), ("2027.0", 2027), ("27", None)]
)
def test_the_year_of_an_election(text: str, year: int | None) -> None:
    """Four digits, wherever they stand."""
    read = read_election_year(text)
    assert (year is None) is isinstance(read, Refused)
    assert year is None or year == read


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("Democratic Party", "major_party"),
        ("republican", "major_party"),
        ("Independent candidate", "unaffiliated"),
        ("No Party Preference", "unaffiliated"),
        ("non-partisan", "nonpartisan"),
        ("Green", "minor_party"),
        ("write-in", "write_in"),
    ],
)
def test_the_way_onto_the_ballot(text: str, path: str) -> None:
    """As people say it -> as filing windows say it."""
    assert path == read_party_path(text)


@pytest.mark.parametrize(
    ("text", "holds"),
    [("Yes", True), ("incumbent", True), ("non_incumbent", False), ("challenger", False), ("sí", True)],
)
def test_incumbency(text: str, holds: bool) -> None:
    """Yes and no, and the words of filing windows."""
    assert holds is read_incumbent(text)


# -- a line ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", []),
        (" ; ", []),
        ("any", [Interest()]),
        ("school_board in WI 2027", [Interest("school_board", "WI", election_year=2027)]),
        ("school_board WI 2027", [Interest("school_board", "WI", election_year=2027)]),
        ("in Texas", [Interest(state="TX")]),
        ("City Council; mayor; Judge in New York", [Interest("municipal"), Interest("judicial", "NY")]),
        ("state house as independent", [Interest("state_lower", party_path="unaffiliated")]),
        ("mayor 2028 at Dane in WI incumbent", [Interest("municipal", "WI", "Dane", 2028, incumbent=True)]),
    ],
)
def test_what_staff_type(text: str, wanted: list[Interest]) -> None:
    """Office, then place, year and path in any order; several with semicolons between them; nothing is nothing."""
    assert tuple(wanted) == read_wants(text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("school_bord in WI", "Nearest: school_board"),
        ("Senate", "write state senate or U.S. senate"),
        ("mayor in Wisconsn", "Nearest: Wisconsin"),
        ("mayor as unafiliated", "Nearest: unaffiliated"),
        ("mayor in", "nothing behind 'in'"),
        ("mayor in WI in TX", "semicolon"),
        ("mayor 2026 2027", "election year"),
        ("2027", "names no office"),
        ("not sure", "names no office"),
        ("mayor; dog catcher", "'dog catcher'"),
    ],
)
def test_what_cannot_be_read_is_refused_whole(text: str, told: str) -> None:
    """In a sentence with what was meant or what to write."""
    read = read_wants(text)
    assert isinstance(read, Refused)
    assert told in read.reason


@given(
    st.builds(
        Interest,
        office_level=st.sampled_from(["", *OFFICE_LEVELS]),
        state=st.sampled_from(["", *STATES]),
        division=st.sampled_from(["", "Dane", "Fond du Lac", "ocd-division/country:us/state:wi/county:dane"]),
        election_year=st.none() | st.integers(2000, 2099),
        party_path=st.sampled_from(["", *PARTY_PATHS.values()]),
        incumbent=st.booleans(),
    )
)
def test_what_is_said_can_be_typed(interest: Interest) -> None:
    """An interest as it is shown is read as that interest."""
    assert (interest,) == read_wants(say_interest(interest))
