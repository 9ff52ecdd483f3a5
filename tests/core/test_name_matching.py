"""Names of official lists against ours: what agrees, what is merely alike, and how sure it may sound."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfs_mail.core.name_matching import (
    LEAST,
    Name,
    compare_places,
    match_names,
    name_of,
    office_level,
    parse_name,
    place_words,
)


def score(ours: tuple[str, str], theirs: str, place: str = "same") -> int:
    """The score of a match in the same place; 0 for none."""
    found = match_names(name_of(*ours), parse_name(theirs), place)  # type: ignore[arg-type]
    return found.score if found else 0


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("LOPEZ, MARIA J.", Name(("maria", "j"), ("lopez",))),
        ("Maria J. López", Name(("maria", "j"), ("lopez",), ordered=False)),
        ('*Hon. Robert "Bob" O\'Brien, Jr.', Name(("robert",), ("obrien",), ("bob",), ordered=False)),
        ("O’BRIEN JR, ROBERT (BOB)", Name(("robert",), ("obrien",), ("bob",))),
        ("Dr. Ana de la Cruz", Name(("ana",), ("de", "la", "cruz"), ordered=False)),
        ("García-Márquez, José", Name(("jose",), ("garcia", "marquez"))),
        ("Łukasz Søren Æbelø", Name(("lukasz", "soren"), ("aebelo",), ordered=False)),
        ("SMITH, JOHN, III", Name(("john",), ("smith",))),
        ("Judge", Name((), ("judge",), ordered=False)),
        ("V, A", Name(("a",), ("v",))),
        ("  ", Name((), (), ordered=False)),
    ],
)
def test_a_name_is_taken_apart(text: str, name: Name) -> None:
    """Capitals, accents, titles, suffixes, incumbents' stars, nicknames in quotes, particles, commas."""
    assert parse_name(text) == name


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        (("Maria", "Lopez"), "LOPEZ, MARIA", 100),
        (("Maria", "Lopez"), "Maria López", 100),
        (("María", "López"), "MARIA J. LOPEZ", 100),
        (("Maria J.", "Lopez"), "LOPEZ, MARIA JANE", 100),
        (("Robert", "O'Brien"), "OBRIEN JR, ROBERT", 100),
        (("Ana", "de la Cruz"), "DE LA CRUZ, ANA", 100),
        (("Anna Maria", "Lopez"), "LOPEZ, ANNA-MARIA", 100),
        (("Bob", "Smith"), 'Robert "Bob" Smith', 95),
        (("Ana", "de la Cruz"), "Ana Cruz", 95),
        (("Bob", "Smith"), "SMITH, ROBERT", 90),
        (("Kate", "Smith"), "Katherine Smith", 90),
        (("Jose", "Garcia"), "GARCIA, PEPE", 90),
        (("Maria", "Lopez"), "Lopez Maria", 90),
        (("Maria", "Lopez"), "GARCIA LOPEZ, MARIA", 85),
        (("Maria", "Lopez-Garcia"), "Maria Lopez", 85),
        (("Jane", "Lopez"), "LOPEZ, MARIA JANE", 85),
        (("Catherine", "McDonald"), "MACDONALD, CATHERINE", 80),
        (("Maria A.", "Lopez"), "LOPEZ, MARIA JANE", 75),
        (("M.", "Lopez"), "LOPEZ, MARIA", 75),
        (("Jasmine", "Lopez"), "LOPEZ, JASMIE", 75),
    ],
)
def test_names_that_agree(ours: tuple[str, str], theirs: str, expected: int) -> None:
    """Each way in which lists and forms are known to differ, and what it costs."""
    assert score(ours, theirs) == expected


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (("Maria", "Lopez"), "LOPEZ, MARIO"),
        (("Mark", "Lopez"), "LOPEZ, MARCIA"),
        (("Maria", "Lopez"), "LOPEZ, ANA"),
        (("Maria", "Lopez"), "LOPES, MARIA"),  # five letters: too short to be sure of a slip
        (("Maria", "Lopez"), "MARTINEZ, MARIA"),
        (("Maria", "Lopez"), "LOPEZ"),
        (("", "Lopez"), "LOPEZ, MARIA"),
        (("Maria", ""), "LOPEZ, MARIA"),
        (("Christian", "Lopez"), "LOPEZ, CHRISTINA"),
        (("Daniel", "Lopez"), "LOPEZ, DANIELA"),
        (("Ted", "Smith"), "SMITH, TIM"),
        (("Maria", "de la Rosa"), "DE LA CRUZ, MARIA"),
        (("Lee", "Maria"), "LEE, MARIA"),  # with a comma the order is certain
    ],
)
def test_names_that_are_merely_alike(ours: tuple[str, str], theirs: str) -> None:
    """It misses rather than guesses."""
    assert score(ours, theirs) == 0


def test_the_place_says_how_sure_it_may_sound() -> None:
    """Without a place 85 is the most, and a doubtful name is none; another place is no match at all."""
    maria = ("Maria", "Lopez")
    assert [score(maria, "LOPEZ, MARIA", place) for place in ("same", "unknown", "other")] == [100, 85, 0]
    assert [score(("Bob", "Smith"), "SMITH, ROBERT", place) for place in ("same", "unknown")] == [90, 76]
    found = match_names(name_of("Bob", "Smith"), parse_name("SMITH, ROBERT"), "unknown")
    assert found is not None
    assert found.why == "family name, bob for robert, no place to compare"


@given(st.text(max_size=30), st.text(max_size=15), st.text(max_size=15))
def test_any_text_is_a_name_or_none(theirs: str, first: str, last: str) -> None:
    """Nothing breaks it, and a score is never outside its bounds."""
    found = match_names(name_of(first, last), parse_name(theirs))
    assert found is None or LEAST <= found.score <= 85


_WORD = st.text("abcdefghijklmnopqrstuvwxyz", min_size=3, max_size=10)


@given(_WORD, _WORD)
def test_the_same_name_is_sure(first: str, last: str) -> None:
    """Whatever the name, capitals and a comma cost nothing."""
    ours = name_of(first, last)
    if ours.given and ours.family:
        found = match_names(ours, Name(name_of(first.upper(), "").given, name_of("", last.title()).family), "same")
        assert found is not None
        assert found.score == 100


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        (["Dane"], ["Dane County Supervisor, District 5"], "same"),
        (["Dane County"], ["dane"], "same"),
        (["ocd-division/country:us/state:wi/county:eau_claire"], ["Eau Claire County"], "same"),
        ([None, "Dane"], ["City of Madison", "Dane County"], "same"),
        (["Dane"], ["Rock County"], "other"),
        (["Dane"], [""], "unknown"),
        ([None, ""], ["Dane"], "unknown"),
        (["District"], ["Dane"], "unknown"),
        (["District 5"], ["Ward 05"], "same"),
    ],
)
def test_places_are_compared_by_their_names(ours: list[str | None], theirs: list[str], expected: str) -> None:
    """`County`, `City of` and the form of an id do not count; where a side says nothing it is unknown."""
    assert compare_places(ours, theirs) == expected


def test_place_words_of_an_id() -> None:
    """The last part of an Open Civic Data id is the place."""
    assert place_words("ocd-division/country:us/state:wi/place:fond_du_lac") == {"fond", "lac", "du"}


@pytest.mark.parametrize(
    ("office", "level"),
    [
        ("Madison Metropolitan School District Board, Seat 3", "school_board"),
        ("Board of Education", "school_board"),
        ("Circuit Court Judge, Branch 2", "judicial"),
        ("County Supervisor District 5", "county"),
        ("Alderperson District 2", "municipal"),
        ("State Assembly District 76", "state_legislature"),
        ("Representative in Congress", "us_house"),
        ("Governor", "statewide_executive"),
        ("Drain Commissioner of nowhere", "county"),
        ("Something else", None),
    ],
)
def test_an_office_tells_its_level(office: str, level: str | None) -> None:
    """By the words lists use; what says nothing is not guessed."""
    assert office_level(office) == level
