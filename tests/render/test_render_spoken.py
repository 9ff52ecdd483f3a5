"""Days and clocks in words."""

from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfs_mail.render import spoken

CENTRAL = ZoneInfo("America/Chicago")


@pytest.mark.parametrize(
    ("language", "expected"),
    [
        ("en", "Tuesday, December 8"),
        ("es", "martes 8 de diciembre"),
        ("es-US", "martes 8 de diciembre"),
        ("fr", "Tuesday, December 8"),
    ],
)
def test_a_day_is_said_in_the_language_of_the_mail(language: str, expected: str) -> None:
    """A language without words of its own gets English."""
    assert spoken.say_day(date(2026, 12, 8), language) == expected


@pytest.mark.parametrize(
    ("today", "language", "expected"),
    [
        (date(2026, 12, 1), "en", "Friday, January 8"),
        (date(2025, 12, 1), "en", "Friday, January 8, 2027"),
        (date(2025, 12, 1), "es", "viernes 8 de enero de 2027"),
    ],
)
def test_a_day_far_away_is_said_with_its_year(today: date, language: str, expected: str) -> None:
    """A date of the next cycle must not read as one of this."""
    assert spoken.say_day(date(2027, 1, 8), language, today) == expected


@pytest.mark.parametrize(
    ("hour", "minute", "english", "spanish"),
    [
        (0, 0, "12:00 am Central", "12:00 a. m. del Centro"),
        (9, 5, "9:05 am Central", "9:05 a. m. del Centro"),
        (12, 0, "12:00 noon Central", "12:00 del mediodía, hora del Centro"),
        (23, 59, "11:59 pm Central", "11:59 p. m. del Centro"),
    ],
)
def test_a_clock_has_twelve_hours_and_a_place(hour: int, minute: int, english: str, spanish: str) -> None:
    """The place by the name people use, the same in summer and winter."""
    moment = datetime(2026, 7, 8, hour, minute, tzinfo=CENTRAL)
    assert (spoken.say_clock(moment, "en"), spoken.say_clock(moment, "es")) == (english, spanish)


@pytest.mark.parametrize(
    ("zone", "english", "spanish"),
    [
        ("America/New_York", "Eastern", "del Este"),
        ("America/Indiana/Indianapolis", "Eastern", "del Este"),
        ("America/Phoenix", "Arizona time", "de Arizona"),
        ("America/Anchorage", "Alaska", "de Alaska"),
        ("Pacific/Honolulu", "Hawaii", "de Hawái"),
        ("America/Puerto_Rico", "Atlantic", "del Atlántico"),
        ("Pacific/Guam", "Chamorro time", "de Guam"),
        ("UTC", "UTC", "UTC"),
        ("Europe/Madrid", "CET", "CET"),
        ("America/Sao_Paulo", "UTC-03", "UTC-03"),
    ],
)
def test_zones_have_the_names_that_people_use(zone: str, english: str, spanish: str) -> None:
    """American ones by name, others by abbreviation or offset."""
    moment = datetime(2026, 1, 8, tzinfo=ZoneInfo(zone))
    assert (spoken.say_zone(moment, "en"), spoken.say_zone(moment, "es")) == (english, spanish)


def test_an_offset_without_a_name_is_said_as_one() -> None:
    """Any tzinfo can be said."""
    assert spoken.say_zone(datetime(2026, 1, 8, tzinfo=timezone(timedelta(hours=-3))), "en") == "UTC-03:00"


@given(st.datetimes(min_value=datetime(2020, 1, 1), max_value=datetime(2040, 1, 1)), st.sampled_from(["en", "es"]))
def test_what_is_said_names_the_day_and_the_minute(moment: datetime, language: str) -> None:
    """Day of the month and minute are always in the words."""
    said = spoken.say_day_and_time(moment.replace(tzinfo=UTC), language)
    assert str(moment.day) in said
    assert f":{moment.minute:02d} " in said


def test_a_time_without_a_zone_cannot_be_said() -> None:
    """Naive datetimes are refused everywhere."""
    with pytest.raises(ValueError, match="zone"):
        spoken.on_clock(datetime(2026, 1, 1), CENTRAL)
