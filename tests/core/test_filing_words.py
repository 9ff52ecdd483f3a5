"""What filing is called where, and on how many days an office is open."""

import csv
from datetime import date, timedelta
from pathlib import Path

import pytest

from rfs_mail.core.filing_words import PLAIN, filing_term, listed, office_name
from rfs_mail.core.office_days import is_open_day, open_days_until
from rfs_mail.core.zones import STATES

ROOT = Path(__file__).resolve().parents[2]
LEVELS = ("state_legislature", "statewide_executive", "county", "municipal", "school_board", "judicial", "")


@pytest.mark.parametrize(
    ("state", "level", "english", "spanish"),
    [
        ("FL", "county", "qualify", "inscribirte"),
        ("GA", "state_legislature", "qualify", "inscribirte"),
        ("LA", "municipal", "qualify", "inscribirte"),
        ("MS", "statewide_executive", "qualify", "inscribirte"),
        ("AL", "state_legislature", "qualify", "inscribirte"),
        ("TX", "school_board", "apply to be on the ballot", "solicitar ir en la boleta"),
        ("WI", "municipal", "submit nomination papers", "entregar tus firmas"),
        ("WI", "school_board", "hand in your papers", "entregar tus papeles"),
        ("WA", "local_any", "declare your candidacy", "declarar tu candidatura"),
        ("NY", "state_legislature", "submit your petitions", "entregar tus peticiones"),
        ("OH", "state_legislature", "hand in your papers", "entregar tus papeles"),
        (None, None, "hand in your papers", "entregar tus papeles"),
    ],
)
def test_each_state_has_its_word(state: str | None, level: str | None, english: str, spanish: str) -> None:
    """By state and office level, in both languages; the plain word where we know none, and for any other language."""
    assert [english, english, spanish, spanish] == [
        filing_term(state, level, language) for language in ("en", "pl", "es", "es-US")
    ]


@pytest.mark.parametrize("language", ["en", "es"])
def test_no_term_says_file_and_each_fits_a_subject(language: str) -> None:
    """In five states a bare "file" means something else, so nobody reads it; 28 letters leave room for a name."""
    for state in STATES:
        for level in LEVELS:
            term = filing_term(state, level, language)
            assert 0 < len(term) <= 28
            assert not term.startswith(("file", "to ", "a "))
    assert PLAIN.en == filing_term("XX", "mayor", "en")


@pytest.mark.parametrize(
    ("office", "level", "language", "expected"),
    [
        ("Madison School Board, Seat 3", "school_board", "es", "Madison School Board, Seat 3"),
        ("School board", "school_board", "es", "Junta escolar"),
        ("school board", "school_board", "en", "School board"),
        ("", "municipal", "es", "Cargo municipal"),
        (None, "state_lower", "en", "State house"),
        (None, None, "en", "This office"),
    ],
)
def test_an_office_is_named_in_the_language_of_the_mail(
    office: str | None, level: str | None, language: str, expected: str
) -> None:
    """Its own name stays as it is; a name that only says the level is translated."""
    assert expected == office_name(office, level, language)


@pytest.mark.parametrize(
    ("names", "language", "expected"),
    [
        (["Mayor"], "en", "Mayor"),
        (["Mayor", "Mayor", "Clerk"], "en", "Mayor and Clerk"),
        (["Mayor", "Clerk", "Judge"], "en", "Mayor, Clerk and Judge"),
        (["Cargo municipal", "Junta escolar"], "es", "Cargo municipal y Junta escolar"),
        (["Junta escolar", "Intendencia"], "es", "Junta escolar e Intendencia"),
        (["Agua", "Hielo"], "es-US", "Agua y Hielo"),
        ([], "en", ""),
    ],
)
def test_several_offices_are_one_phrase(names: list[str], language: str, expected: str) -> None:
    """Each once, with the word between the last two; Spanish says e before the sound of i."""
    assert expected == listed(names, language)


@pytest.mark.parametrize(
    ("today", "last", "state", "expected"),
    [
        ("2027-01-04", "2027-01-05", "WI", 1),
        ("2027-01-05", "2027-01-05", "WI", 0),
        ("2027-01-06", "2027-01-05", "WI", 0),
        ("2027-01-29", "2027-02-01", "MS", 1),  # a Friday, and the Monday after
        ("2026-12-23", "2027-01-05", "WI", 5),  # Christmas Eve and New Year's Eve are holidays in Wisconsin
        ("2026-12-23", "2027-01-05", "FL", 7),  # and not in Florida
        ("2026-02-13", "2026-02-18", "LA", 1),  # Washington's Birthday, then Mardi Gras
        ("2026-07-02", "2026-07-06", "OH", 1),  # July 4 on a Saturday is observed on Friday
        ("2026-12-31", "2027-01-04", "??", 1),  # an unknown state keeps the federal ones
    ],
)
def test_open_days_are_weekdays_without_holidays(today: str, last: str, state: str, expected: int) -> None:
    """After today and up to the last day, on the calendar of that state, over the end of a year."""
    assert expected == open_days_until(date.fromisoformat(today), date.fromisoformat(last), state)


def test_open_days_add_up() -> None:
    """From day to day the count falls by one on an open day and not at all on any other."""
    last = date(2027, 2, 12)
    for ahead in range(1, 90):
        day = last - timedelta(days=ahead)
        tomorrow = day + timedelta(days=1)
        left = open_days_until(day, last, "TX") - open_days_until(tomorrow, last, "TX")
        assert int(is_open_day(tomorrow, "TX")) == left


def test_every_office_of_the_shipped_file_is_said_in_both_languages() -> None:
    """A mail in Spanish names none of them in English."""
    with (ROOT / "data" / "filing_deadlines.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    english = {office_name(row["office"], row["office_level"], "es") for row in rows} & {row["office"] for row in rows}
    assert set() == english
    assert 88 == len(rows)
