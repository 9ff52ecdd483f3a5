"""What a person's fields may hold."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rfs_mail.core.campaign import FieldSpec
from rfs_mail.core.local_time import local_instant
from rfs_mail.core.person_fields import (
    Mended,
    Refused,
    custom_reader,
    read_birth_year,
    read_endorsement,
    read_instant,
    read_lang,
    read_name,
    read_runs_before,
    read_tags,
    read_text,
    read_value,
    read_zip,
)

NOW = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
FIELDS = {
    "office": FieldSpec(slug="office", type="choice", values=("school_board", "city_council")),
    "hours": FieldSpec(slug="hours", type="number"),
}


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("02139", "02139"),
        ("02139-4307", "02139"),
        ("02139 4307", "02139"),
        ("021394307", "02139"),
        ("53703.0", "53703"),
        ("2139", Mended("02139", "leading zeros put back")),
        ("21394307", Mended("02139", "leading zeros put back")),
        ("601", Mended("00601", "leading zeros put back")),
    ],
)
def test_a_zip_code_gets_its_five_digits(written: str, expected: object) -> None:
    """ZIP+4 is cut, and zeros that a spreadsheet took are put back and told."""
    assert read_zip(written) == expected


@pytest.mark.parametrize("written", ["12", "K1A 0B1", "00000", "0042", "537034307123", "abcde", "５３７０３"])
def test_what_is_no_zip_code_is_refused(written: str) -> None:
    """Foreign codes and numbers that no code begins with are not guessed at."""
    assert isinstance(read_zip(written), Refused)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("en", "en"),
        ("ES", "es"),
        ("es_us", "es-US"),
        ("Español", "es"),
        ("English", "en"),
        ("zh-hant-tw", "zh-Hant-TW"),
    ],
)
def test_a_language_is_a_tag(written: str, expected: str) -> None:
    """Tags are written as RFC 5646 does, names of common languages are known."""
    assert read_lang(written) == expected


@pytest.mark.parametrize("written", ["Klingon dialect", "e", "en-", "12"])
def test_what_is_no_language_is_refused(written: str) -> None:
    """A language is not guessed."""
    assert isinstance(read_lang(written), Refused)


@pytest.mark.parametrize(
    ("written", "expected"),
    [("1998", 1998), ("04/05/1998", 1998), ("1998-04-05", 1998), ("April 5, 1998", 1998), ("1998.0", 1998)],
)
def test_of_a_birthday_only_the_year_is_kept(written: str, expected: int) -> None:
    """The year is enough for what it is asked for."""
    assert read_birth_year(written, 2026) == expected


@pytest.mark.parametrize("written", ["98", "2025", "1850", "born in 1998", "1998-2001"])
def test_what_is_no_birth_year_is_refused(written: str) -> None:
    """Two digits, two years, and years that no candidate was born in."""
    assert isinstance(read_birth_year(written, 2026), Refused)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2026-11-03T14:05:00-05:00", (3, 19, 5)),
        ("2026-11-03T14:05:00Z", (3, 14, 5)),
        ("2026-11-03 14:05:00 UTC", (3, 14, 5)),
        ("2026-11-03 14:05:00 EST", (3, 19, 5)),
        ("2026-11-03 14:05:00 -0500", (3, 19, 5)),
        ("2026-11-03 14:05", (3, 19, 5)),
        ("2026-11-03", (3, 5, 0)),
        ("11/3/2026", (3, 5, 0)),
        ("11/03/26 2:05 PM", (3, 19, 5)),
        ("11/3/2026 12:05 am", (3, 5, 5)),
        ("Nov 3, 2026", (3, 5, 0)),
        ("Tuesday, November 3, 2026 2:05 p.m.", (3, 19, 5)),
        ("1793714700", (3, 14, 5)),
        ("1793714700000", (3, 14, 5)),
    ],
)
def test_a_date_is_read_as_it_is_usually_written(written: str, expected: tuple[int, int, int]) -> None:
    """ISO 8601, US dates and Unix seconds; what names no zone is on New York's clock."""
    found = read_instant(written, now=NOW)
    assert found == datetime(2026, 11, *expected, tzinfo=UTC)


@given(st.datetimes(datetime(1991, 1, 1), datetime(2026, 11, 20)))
@example(datetime(2026, 3, 8, 2, 30))
@example(datetime(2025, 11, 2, 1, 30))
def test_a_time_without_a_zone_is_on_the_clock_of_new_york(naive: datetime) -> None:
    """Every day of the year, those of a clock change too."""
    expected = local_instant(naive.date(), naive.time(), ZoneInfo("America/New_York"))
    assert read_instant(naive.isoformat(), now=NOW) == expected


@pytest.mark.parametrize(
    "written",
    ["13/11/2026", "2/29/2026", "45964", "yesterday", "2026-13-01", "11/3/2026 14:05 PM", "0001-01-01", "9999-12-31",
     "1899-12-30", "2026-11-26", "2026-11-03 14:05 XYZ", "Foo 3, 2026"],
)  # fmt: skip
def test_a_date_that_cannot_be_is_refused(written: str) -> None:
    """Days that do not exist, cells that lost their format, years of empty cells, and the future."""
    assert isinstance(read_instant(written, now=NOW), Refused)


@given(st.text(max_size=30))
def test_no_text_breaks_a_reader(text: str) -> None:
    """Every reader gives a value or a refusal, never an exception."""
    for read in (read_zip, read_lang, read_name, read_text, read_runs_before, read_tags, read_endorsement):
        read(text)
    read_birth_year(text, 2026)
    read_instant(text, now=NOW)
    for kind in ("text", "number", "date", "yes_no"):
        custom_reader(FieldSpec(slug="x", type=kind))(text)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("  Maya  Sol ", "Maya Sol"),
        ("Zoe\u0308", "Zoë"),
        ("Ma\u202eya\nX", "Ma ya X"),
        ("O'Neill-Sánchez", "O'Neill-Sánchez"),
    ],
)
def test_a_name_is_cleaned(written: str, expected: str) -> None:
    """Blanks are single, and nothing is left that is not seen."""
    assert read_name(written) == expected


def test_a_name_of_ten_megabytes_is_refused() -> None:
    """The refusal says how long it is and how long it may be."""
    assert read_name("x" * 10_000_000) == Refused("10,000,000 characters; at most 200 fit")


@pytest.mark.parametrize(
    ("spec", "written", "expected"),
    [
        (FIELDS["office"], "School Board", "school_board"),
        (FIELDS["office"], "CITY-COUNCIL", "city_council"),
        (FIELDS["hours"], "1,200", 1200),
        (FIELDS["hours"], "-2.5", -2.5),
        (FieldSpec(slug="d", type="date"), "11/3/2026", "2026-11-03"),
        (FieldSpec(slug="d", type="date"), "2026-11-03", "2026-11-03"),
        (FieldSpec(slug="y", type="yes_no"), "Sí", True),
        (FieldSpec(slug="y", type="yes_no"), "FALSE", False),
        (FieldSpec(slug="t", type="text"), " two\r\nlines ", "two\nlines"),
    ],
)
def test_a_custom_value_is_coerced(spec: FieldSpec, written: str, expected: object) -> None:
    """To the declared type, in the declared spelling."""
    assert custom_reader(spec)(written.strip()) == expected


@pytest.mark.parametrize(
    ("spec", "written"),
    [
        (FIELDS["office"], "dog catcher"),
        (FIELDS["hours"], "a few"),
        (FIELDS["hours"], "1e999"),
        (FIELDS["hours"], "nan"),
        (FieldSpec(slug="d", type="date"), "soon"),
        (FieldSpec(slug="y", type="yes_no"), "maybe"),
        (FieldSpec(slug="t", type="text"), "x" * 10_001),
    ],
)
def test_a_custom_value_that_does_not_fit_is_refused(spec: FieldSpec, written: str) -> None:
    """The refusal says what would fit."""
    assert isinstance(custom_reader(spec)(written), Refused)


@pytest.mark.parametrize(
    ("name", "written", "expected"),
    [("state", "Wisconsin", "WI"), ("zip", "2139", "02139"), ("custom.office", "City Council", "city_council")],
)
def test_a_field_is_read_by_its_name(name: str, written: str, expected: object) -> None:
    """Built-in fields and declared custom ones."""
    assert read_value(name, written, FIELDS, now=NOW) == expected


@pytest.mark.parametrize(
    ("name", "written"), [("stat", "WI"), ("custom.shoe", "9"), ("state", " "), ("state", "Ontario")]
)
def test_a_field_that_is_not_there_is_refused(name: str, written: str) -> None:
    """Unknown names and blank texts are told, not stored."""
    assert isinstance(read_value(name, written, FIELDS, now=NOW), Refused)


def test_tags_are_split_and_kept_once() -> None:
    """Commas and semicolons, blanks trimmed, doubles dropped."""
    assert read_tags(" volunteer, nrfod ;volunteer,, ") == ("volunteer", "nrfod")
