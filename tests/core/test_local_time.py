"""What a wall clock says as an instant."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rfs_mail.core.local_time import (
    change_on,
    find_zone,
    in_utc,
    local_date,
    local_day_start,
    local_instant,
    shift_days,
)
from rfs_mail.errors import TimeError

ZONES = (
    "America/New_York",
    "America/Chicago",
    "America/Denver",
    "America/Phoenix",
    "America/Los_Angeles",
    "America/Anchorage",
    "America/Adak",
    "Pacific/Honolulu",
    "America/Menominee",
    "America/Havana",
    "America/St_Johns",
    "America/Asuncion",
    "Africa/Casablanca",
    "Asia/Beirut",
    "Asia/Gaza",
    "Asia/Kathmandu",
    "Australia/Lord_Howe",
    "Antarctica/Troll",
    "Pacific/Apia",
    "Pacific/Chatham",
    "UTC",
)
zones = st.sampled_from(ZONES).map(ZoneInfo)
instants = st.datetimes(datetime(2000, 1, 3), datetime(2037, 12, 28), timezones=st.just(UTC))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("day", "wall", "zone", "expected"),
    [
        ((2026, 12, 8), (10, 0), "America/New_York", "2026-12-08 15:00"),
        ((2026, 7, 8), (10, 0), "America/New_York", "2026-07-08 14:00"),
        ((2026, 7, 8), (10, 0), "America/Phoenix", "2026-07-08 17:00"),
        ((2026, 12, 8), (10, 0), "America/Phoenix", "2026-12-08 17:00"),
        ((2026, 7, 8), (10, 0), "Pacific/Honolulu", "2026-07-08 20:00"),
        ((2027, 1, 5), (17, 0), "America/Menominee", "2027-01-05 23:00"),
        ((2027, 1, 5), (17, 0), "America/Detroit", "2027-01-05 22:00"),
        ((2027, 2, 12), (17, 0), "America/Denver", "2027-02-13 00:00"),
        ((2028, 2, 29), (23, 59), "America/Los_Angeles", "2028-03-01 07:59"),
        ((2026, 12, 31), (23, 30), "America/Chicago", "2027-01-01 05:30"),
    ],
)
def test_a_wall_time_is_read_in_its_place(
    day: tuple[int, int, int], wall: tuple[int, int], zone: str, expected: str
) -> None:
    """The same hour is another instant in another place, in summer, and over the turn of a year."""
    assert local_instant(date(*day), time(*wall), ZoneInfo(zone)) == utc(expected)


@pytest.mark.parametrize("wall", [time(2, 0), time(2, 30), time(2, 59, 59, 999999)])
def test_a_skipped_time_moves_to_the_first_that_exists(wall: time) -> None:
    """On the March day whose clocks jump from 2:00 to 3:00, all between is 3:00."""
    chicago = ZoneInfo("America/Chicago")
    found = local_instant(date(2026, 3, 8), wall, chicago)
    assert found == utc("2026-03-08 08:00")
    assert found.astimezone(chicago).time() == time(3, 0)


@pytest.mark.parametrize(
    ("day", "zone", "first"),
    [
        (date(2026, 3, 8), "America/Havana", time(1, 0)),  # skips midnight itself
        (date(2025, 10, 5), "Australia/Lord_Howe", None),  # half an hour, later in the night
        (date(2011, 12, 30), "Pacific/Apia", time(0, 0)),  # a whole day that never was
    ],
)
def test_odd_changes_are_skipped_over_too(day: date, zone: str, first: time | None) -> None:
    """Midnights, half hours and whole days that a change skips follow the same rule."""
    place = ZoneInfo(zone)
    begins = local_day_start(local_instant(day, time(12), place), place)
    assert begins == local_instant(begins.astimezone(place).date(), time(0), place)
    if first is not None:
        assert local_instant(day, time(0), place).astimezone(place).time() == first
    else:
        half = local_instant(day, time(2, 15), place).astimezone(place)
        assert half.time() == time(2, 30)


def test_a_time_that_happens_twice_is_taken_the_first_time() -> None:
    """On the November day whose clocks go back, 1:30 is the one in daylight time."""
    assert local_instant(date(2026, 11, 1), time(1, 30), ZoneInfo("America/Chicago")) == utc("2026-11-01 06:30")


def test_a_day_keeps_the_wall_time_over_a_change() -> None:
    """A day later is the same hour on the clock, be it 23, 24 or 25 hours away."""
    chicago = ZoneInfo("America/Chicago")
    for before, hours in (("2026-03-07 16:00", 23), ("2026-10-31 15:00", 25), ("2026-06-01 15:00", 24)):
        start = utc(before)
        assert shift_days(start, 1, chicago) - start == timedelta(hours=hours)


def test_no_days_leave_the_second_of_two_equal_hours_alone() -> None:
    """Shifting by 0 days keeps the very instant, even where its wall time happened before."""
    second = utc("2026-11-01 07:30")
    assert shift_days(second, 0, ZoneInfo("America/Chicago")) == second


@given(instants, zones, st.integers(-800, 800))
@settings(max_examples=200, deadline=None)
def test_days_keep_the_wall_time_unless_it_is_skipped(instant: datetime, zone: ZoneInfo, days: int) -> None:
    """Day arithmetic lands on the day meant at the same wall time, or just after the change that skipped it."""
    local = instant.astimezone(zone)
    shifted = shift_days(instant, days, zone).astimezone(zone)
    wanted = (local + timedelta(days=days)).replace(tzinfo=None, fold=0)
    found = shifted.replace(tzinfo=None, fold=0)
    assert found >= wanted
    if found != wanted:
        just_before = shifted.astimezone(UTC) - timedelta(microseconds=1)
        assert just_before.astimezone(zone).replace(tzinfo=None) < wanted
        assert just_before.astimezone(zone).utcoffset() != shifted.utcoffset()


@given(st.dates(date(2000, 1, 3), date(2037, 12, 28)), st.times(), zones)
@settings(max_examples=200, deadline=None)
def test_a_wall_time_is_the_first_instant_that_shows_it(day: date, wall: time, zone: ZoneInfo) -> None:
    """No earlier instant shows the wall time asked for."""
    found = local_instant(day, wall, zone)
    assert found.tzinfo is UTC
    naive = datetime.combine(day, wall)
    for minutes in (30, 60, 120, 1440):
        earlier = (found - timedelta(minutes=minutes)).astimezone(zone).replace(tzinfo=None)
        assert earlier != naive


@given(instants, zones)
@settings(max_examples=200, deadline=None)
def test_a_day_starts_at_or_before_every_instant_of_it(instant: datetime, zone: ZoneInfo) -> None:
    """The start of a local day is in that day, and just before it is another."""
    start = local_day_start(instant, zone)
    assert start <= instant
    assert local_date(start, zone) == local_date(instant, zone)
    assert local_date(start - timedelta(microseconds=1), zone) != local_date(instant, zone)


def test_the_change_of_a_day_is_found() -> None:
    """A day with a clock change names its instant, one far from any has none."""
    chicago = ZoneInfo("America/Chicago")
    assert change_on(date(2026, 3, 8), chicago) == utc("2026-03-08 08:00")
    assert change_on(date(2026, 11, 1), chicago) == utc("2026-11-01 07:00")
    assert change_on(date(2026, 6, 1), chicago) is None
    assert change_on(date(2026, 3, 8), ZoneInfo("America/Phoenix")) is None


@pytest.mark.parametrize("name", ["America/Chicago", "America/Menominee", "America/Indiana/Knox", "UTC"])
def test_zones_are_named_by_place(name: str) -> None:
    """IANA names are taken as they are."""
    assert find_zone(name).key == name


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("EST", "America/New_York"),
        ("cdt", "America/Chicago"),
        ("Mountain", "America/Denver"),
        ("US/Pacific", "America/Los_Angeles"),
        ("america/chicago", "America/Chicago"),
        ("America/Chigaco", "America/Chicago"),
        ("Honolulu", "Pacific/Honolulu"),
        ("New York", "America/New_York"),
        ("Mars/Olympus", None),
        ("../../etc/passwd", None),
        ("America", None),
        ("", None),
        ("a/\0", None),
    ],
)
def test_other_names_are_refused_with_the_nearest(name: str, hint: str | None) -> None:
    """Abbreviations, slips and paths are refused; what was probably meant is the hint."""
    with pytest.raises(TimeError) as refused:
        find_zone(name)
    assert refused.value.hint == hint
    assert "Write" in str(refused.value)


def test_naive_instants_are_refused() -> None:
    """A datetime without a zone has no place on the line of time."""
    with pytest.raises(TimeError, match="no time zone"):
        in_utc(datetime(2026, 12, 8, 10, 0))
    assert in_utc(datetime(2026, 12, 8, 10, tzinfo=ZoneInfo("America/Chicago"))) == utc("2026-12-08 16:00")
