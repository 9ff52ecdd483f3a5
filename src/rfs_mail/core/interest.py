"""Which filing windows somebody wants: what she said she would run for, and a window."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

WIDER_LEVELS: Final[Mapping[str, tuple[str, ...]]] = {
    "state_legislature": ("state_upper", "state_lower"),
    "statewide_any": ("statewide_executive",),
    "federal": ("us_house", "us_senate"),
    "local_any": ("county", "municipal", "school_board", "special_district"),
}
"""An office level that stands for several. Windows are listed as coarsely as their source lists them."""


@dataclass(frozen=True, slots=True)
class Interest:
    """What a person wants to run for. Empty means any, but an empty state is the one she lives in."""

    office_level: str = ""
    state: str = ""
    division: str = ""
    election_year: int | None = None


def same_level(one: str, other: str) -> bool:
    """Are these the same office level, or is one of them a wider word for the other?"""
    return one == other or other in WIDER_LEVELS.get(one, ()) or one in WIDER_LEVELS.get(other, ())


def wants(
    interest: Interest, home_state: str | None, *, office_level: str, state: str, division: str | None, election_on: str
) -> bool:
    """
    Does this interest mean a window of this office level, state, division and ISO election date?

    A window without a division covers every division of its state.
    """
    return (
        (not interest.office_level or same_level(interest.office_level, office_level))
        and bool(state)
        and (interest.state or home_state) == state
        and (not interest.division or not division or interest.division == division)
        and (interest.election_year is None or str(interest.election_year) == election_on[:4])
    )


def lives_in(home_state: str | None, county: str | None, *, state: str, division: str | None) -> bool:
    """Does somebody of this state and county live where the window is? A division is compared with the county."""
    return bool(state) and home_state == state and (not division or division == county)
