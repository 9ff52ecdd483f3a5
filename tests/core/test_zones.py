"""Where a person's clock is."""

from datetime import date, time
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from rfs_mail.core import zones
from rfs_mail.core.local_time import local_date, local_instant
from rfs_mail.core.zones import STATES, state_code, state_of_zip, zone_of


@pytest.mark.parametrize(
    ("state", "county", "zip5", "expected"),
    [
        ("WI", None, None, "America/Chicago"),
        ("TX", "El Paso County", None, "America/Denver"),
        ("TX", None, "79901", "America/Denver"),
        ("TX", None, "79830", "America/Chicago"),
        ("TN", "Marion", "37397", "America/Chicago"),
        ("TN", "Knox", None, "America/New_York"),
        ("TN", None, "37902", "America/New_York"),
        ("MI", "Menominee", None, "America/Menominee"),
        ("MI", None, None, "America/Detroit"),
        ("FL", None, "32501", "America/Chicago"),
        ("FL", "Gulf", "32456", "America/New_York"),
        ("OR", "Malheur", None, "America/Boise"),
        ("ID", None, "83814", "America/Los_Angeles"),
        ("IN", "LaPorte", None, "America/Chicago"),
        ("IN", "La Porte County", None, "America/Chicago"),
        ("AZ", None, None, "America/Phoenix"),
        ("AZ", "Apache", "86515", "America/Denver"),
        ("KS", "Sherman", None, "America/Denver"),
        ("AK", None, "99546", "America/Adak"),
        ("NV", "Elko", "89883", "America/Denver"),
        ("PR", None, None, "America/Puerto_Rico"),
        (None, None, "94110", "America/Los_Angeles"),
        ("NY", None, "94110", "America/New_York"),
        (None, None, None, "America/New_York"),
        ("AE", None, None, "America/New_York"),
    ],
)
def test_a_place_has_a_zone(state: str | None, county: str | None, zip5: str | None, expected: str) -> None:
    """County, then ZIP code, then state, then New York."""
    assert expected == zone_of(state, county, zip5)


@pytest.mark.parametrize(
    ("state", "west", "east"),
    [
        ("AK", ("Aleutians West", "99547"), ("Anchorage", "99501")),
        ("FL", ("Escambia", "32501"), ("Leon", "32301")),
        ("ID", ("Kootenai", "83814"), ("Ada", "83702")),
        ("IN", ("Spencer", "47579"), ("Dubois", "47546")),
        ("KS", ("Wallace", "67758"), ("Logan", "67748")),
        ("KY", ("Adair", "42728"), ("Taylor", "42718")),
        ("MI", ("Menominee", "49858"), ("Marquette", "49855")),
        ("ND", ("Grant", "58533"), ("Morton", "58638")),
        ("NE", ("Keith", "69153"), ("Lincoln", "69101")),
        ("NV", ("Clark", "89101"), ("Elko", "89883")),
        ("OR", ("Multnomah", "97201"), ("Malheur", "97914")),
        ("SD", ("Corson", "57642"), ("Walworth", "57601")),
        ("TN", ("Marion", "37397"), ("Hamilton", "37343")),
        ("TX", ("El Paso", "79901"), ("Culberson", "79855")),
    ],
)
def test_a_line_through_a_state_is_seen_by_county_and_by_code(
    state: str, west: tuple[str, str], east: tuple[str, str]
) -> None:
    """On both sides of the line of each of the fourteen split states, and always an hour apart, west behind east."""
    found = []
    for county, zip5 in (west, east):
        by_code = zone_of(state, None, zip5)
        assert by_code == zone_of(None, None, zip5) == zone_of(state, county, zip5)
        noons = [local_instant(day, time(12), ZoneInfo(by_code)) for day in (date(2027, 1, 5), date(2027, 7, 5))]
        found.append(noons)
    assert [3600, 3600] == [(later - earlier).total_seconds() for later, earlier in zip(*found, strict=True)]


@pytest.mark.parametrize(("state", "county"), sorted(zones._CUT_COUNTIES))
def test_a_county_that_a_line_cuts_says_nothing(state: str, county: str) -> None:
    """Where we only know that it is cut, its people keep the clock of most of the state until a code says more."""
    assert zone_of(state, None, None) == zone_of(state, county, None)


@pytest.mark.parametrize(
    ("county", "zip5", "summer", "winter"),
    [
        ("Maricopa", "85001", 7, 7),
        ("Apache", None, 7, 7),
        ("Apache", "86515", 6, 7),
        ("Coconino", "86045", 6, 7),
        ("Coconino", "86001", 7, 7),
        ("Navajo", "86033", 6, 7),
        ("Navajo", "86043", 7, 7),
    ],
)
def test_arizona_keeps_its_clocks_and_the_navajo_nation_does_not(
    county: str, zip5: str | None, summer: int, winter: int
) -> None:
    """The Nation lies in three counties that it shares; the Hopi villages within it keep Arizona's time."""
    zone = ZoneInfo(zone_of("AZ", county, zip5))
    behind = [local_instant(date(2027, month, 5), time(0), zone).hour for month in (7, 1)]
    assert [summer, winter] == behind


def test_noon_at_a_florida_office_is_eleven_in_the_panhandle() -> None:
    """Qualifying ends at noon in Tallahassee, when clocks in Pensacola show eleven, in winter and in summer."""
    pensacola = ZoneInfo(zone_of("FL", "Escambia County", None))
    for day in (date(2026, 6, 12), date(2026, 12, 11)):
        noon = local_instant(day, time(12), ZoneInfo(zone_of("FL", "Leon", None)))
        assert time(11) == noon.astimezone(pensacola).time()


def test_a_year_ends_hours_apart() -> None:
    """The last minute of the year at an office in El Paso is next year in Dallas, and there is a time for both."""
    el_paso, dallas = (ZoneInfo(zone_of("TX", county, None)) for county in ("El Paso", "Dallas"))
    last = local_instant(date(2026, 12, 31), time(23, 59), el_paso)
    assert (date(2026, 12, 31), date(2027, 1, 1)) == (local_date(last, el_paso), local_date(last, dallas))


@pytest.mark.parametrize(
    ("day", "wall", "expected"),
    [
        (date(2027, 3, 14), time(2, 30), ["07:00", "08:00", "08:00", "09:00", "09:30"]),
        (date(2026, 11, 1), time(1, 30), ["05:30", "06:30", "06:30", "07:30", "08:30"]),
    ],
)
def test_a_clock_change_passes_over_the_zones_one_by_one(day: date, wall: time, expected: list[str]) -> None:
    """An hour that is skipped begins with the first there is, one that comes twice is the first."""
    places = [("MI", None), ("MI", "Menominee"), ("TN", "Marion"), ("TX", "El Paso"), ("AZ", "Maricopa")]
    found = [local_instant(day, wall, ZoneInfo(zone_of(*place, None))) for place in places]
    assert expected == [f"{instant:%H:%M}" for instant in found]
    assert all(earlier <= later for earlier, later in pairwise(found))


def test_every_zone_exists() -> None:
    """No table holds a zone that the machine does not know."""
    named = {
        *zones._STATE_ZONES.values(),
        *zones._COUNTY_ZONES.values(),
        *zones._ZIP_PREFIX_ZONES.values(),
        *zones._ZIP_ZONES.values(),
    }
    assert named == {ZoneInfo(name).key for name in named}


def test_every_zip_code_listed_lies_in_its_state() -> None:
    """A code or prefix that is off its state's zone is in a state that a line splits, Arizona among them."""
    codes = [*zones._ZIP_ZONES, *(f"{prefix}01" for prefix in zones._ZIP_PREFIX_ZONES)]
    states = {state_of_zip(code) for code in codes}
    assert states == {"AK", "AZ", "FL", "ID", "IN", "KS", "KY", "MI", "ND", "NE", "NV", "OR", "SD", "TN", "TX"}


def test_no_code_is_listed_for_what_it_would_be_anyway() -> None:
    """Each entry of the table changes something: it differs from its prefix, or from its state."""
    for code, zone in zones._ZIP_ZONES.items():
        state = state_of_zip(code)
        assert state is not None
        assert zone != zones._ZIP_PREFIX_ZONES.get(code[:3], zones._STATE_ZONES[state]), code


@pytest.mark.parametrize("code", STATES)
def test_a_state_is_known_by_code_and_name(code: str) -> None:
    """Code and name in any case lead to the code."""
    assert [code] * 3 == [state_code(code.lower()), state_code(STATES[code]), state_code(f" {STATES[code].upper()} ")]


@pytest.mark.parametrize(
    ("written", "expected"), [("Wis.", "WI"), ("US-WI", "WI"), ("D.C.", "DC"), ("Ontario", None), ("", None)]
)
def test_states_are_written_in_many_ways(written: str, expected: str | None) -> None:
    """Old abbreviations and ISO codes are read; what is no state is not guessed."""
    assert expected == state_code(written)


@pytest.mark.parametrize(
    ("zip5", "expected"),
    [
        ("02139", "MA"),
        ("00601", "PR"),
        ("53703", "WI"),
        ("06390", "NY"),
        ("00000", None),
        ("2139", None),
        ("abcde", None),
    ],
)
def test_a_zip_code_lies_in_a_state(zip5: str, expected: str | None) -> None:
    """By its first three digits, but for a few codes."""
    assert expected == state_of_zip(zip5)
