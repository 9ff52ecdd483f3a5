"""Office words as people write them, read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfs_mail.core.filing_windows import OFFICE_LEVELS
from rfs_mail.core.office_words import ANY, nearest_office, read_offices


@pytest.mark.parametrize(
    ("text", "levels"),
    [
        ("School Board", "school_board"),
        ("board of education", "school_board"),
        ("city council", "municipal"),
        ("Mayor", "municipal"),
        ("council", "municipal"),
        ("State House", "state_lower"),
        ("State Rep.", "state_lower"),
        ("state senate", "state_upper"),
        ("State Legislature", "state_legislature"),
        ("county commissioner", "county"),
        ("Clerk of Courts", "county"),
        ("Judge", "judicial"),
        ("Municipal court judge", "judicial"),
        ("Lt. Governor", "statewide_executive"),
        ("Library Board", "special_district"),
        ("U.S. Senate", "us_senate"),
        ("Congress", "us_house"),
        ("local", "local_any"),
        ("junta escolar", "school_board"),
        ("Alcaldía", "municipal"),
        ("CONCEJAL", "municipal"),
        ("comisionada del condado", "county"),
        ("jueza", "judicial"),
    ],
)
def test_one_office(text: str, levels: str) -> None:
    """By its usual names, in English and Spanish, whatever its case, accents and points."""
    assert ((levels,), False, ()) == read_offices(text)


def test_every_office_level_is_its_own_name() -> None:
    """With a low line and with a blank."""
    for level in OFFICE_LEVELS:
        assert ((level,), False, ()) == read_offices(level) == read_offices(level.replace("_", " "))


@pytest.mark.parametrize(
    "text",
    [
        "School board; City council",
        "school board, mayor",
        "School Board / Town Council",
        '["school_board","municipal"]',
        "School Board and City Council",
        "school board\ncity council\nschool committee",
        "Junta escolar o concejo municipal",
        "City council, District 5; school board; at large",
    ],
)
def test_several_offices(text: str) -> None:
    """Between semicolons, commas, slashes, line ends and `and`, or as a list; each once."""
    read = read_offices(text)
    assert {"school_board", "municipal"} == set(read.levels)
    assert (2, False, ()) == (len(read.levels), *read[1:])


@pytest.mark.parametrize(
    ("text", "among"),
    [
        ("City Council Member - District 5", False),
        ("I want to run for school board", False),
        ("County Commission Seat No. 3", False),
        ("Quiero postularme para la junta escolar", False),
        ("Madison school board", True),
        ("state legislature, if my kids agree to the school board", True),
    ],
)
def test_a_name_among_other_words_is_taken_and_told(text: str, among: bool) -> None:
    """Words that may stand beside any office are nothing to tell."""
    read = read_offices(text)
    assert read.levels
    assert among == read.among_words


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("dog catcher", "names no office"),
        ("Senate", "state senate or U.S. senate"),
        ("House of Representatives", "state house or U.S. house"),
        ("County Judge", "judicial or county"),
        ("State Board of Education", "statewide"),
        ("not school board", "names no office"),
        ("no quiero junta escolar", "names no office"),
        ("District 5", "names no office"),
        ("commissioner", "names no office"),
        ("my sister who sat on the school board told me that I should think about it", "too long"),
    ],
)
def test_what_could_be_wrong_is_not_taken(text: str, told: str) -> None:
    """It is shown as it was written, with what to write."""
    read = read_offices(text)
    assert ((), False, [text]) == (*read[:2], [one.text for one in read.unread])
    assert told in read.unread[0].reason


def test_what_cannot_be_read_takes_nothing_else_along() -> None:
    """The other offices of the cell are taken."""
    read = read_offices("School board; dog catcher; Senate")
    assert (("school_board",), ["dog catcher", "Senate"]) == (read.levels, [one.text for one in read.unread])


@pytest.mark.parametrize(
    ("text", "levels"), [("Any", (ANY,)), ("cualquiera", (ANY,)), ("Not sure yet", ()), ("No sé", ())]
)
def test_any_office_and_none(text: str, levels: tuple[str, ...]) -> None:
    """Who is open to all is told apart from who does not know, and neither is a mistake."""
    assert (levels, False, ()) == read_offices(text)


@given(st.text(max_size=60))
def test_any_text_can_be_read(text: str) -> None:
    """Whatever is written gives office levels that exist, and pieces that stood in it."""
    read = read_offices(text)
    assert set(read.levels) <= {ANY, *OFFICE_LEVELS}
    assert read.levels or read.unread or not read.among_words
    assert all(one.text in " ".join(text.split()) for one in read.unread)


@pytest.mark.parametrize(
    ("text", "near"), [("school_bord", "school_board"), ("county comissioner", "county commissioner"), ("xyzzy", None)]
)
def test_the_nearest_name(text: str, near: str | None) -> None:
    """For whoever mistyped one."""
    assert near == nearest_office(text)
