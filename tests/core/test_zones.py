"""Where a person's clock is."""

from zoneinfo import ZoneInfo

import pytest

from rfs_mail.core import zones
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
    """A code or prefix that is off its state's zone is in a state that a line splits, and is not that state's zone."""
    codes = [*zones._ZIP_ZONES, *(f"{prefix}01" for prefix in zones._ZIP_PREFIX_ZONES)]
    states = {state_of_zip(code) for code in codes}
    assert states == {"AK", "AZ", "FL", "ID", "IN", "KY", "ND", "NE", "NV", "OR", "SD", "TN", "TX"}


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
