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


COMMON_PATHS: Final = ("nonpartisan", "major_party")
"""The ways onto a ballot that somebody means who names none: another one is a choice that she has to tell us."""

WANTS: Final = "wants"
"""In a person's provenance: when all that she wants to run for was last said as a whole."""


@dataclass(frozen=True, slots=True)
class Interest:
    """
    What a person wants to run for. Empty means any, but an empty state is the one she lives in.

    Who names no party path goes the common ones, and who does not say that she holds the office already is new to it.
    """

    office_level: str = ""
    state: str = ""
    division: str = ""
    election_year: int | None = None
    party_path: str = ""
    incumbent: bool = False


def levels_meeting(level: str) -> tuple[str, ...]:
    """The office levels that `same_level` takes for this one, itself the first."""
    wider = (name for name, parts in WIDER_LEVELS.items() if level in parts)
    return (level, *WIDER_LEVELS.get(level, ()), *wider)


def wants_office(interest: Interest, level: str) -> bool:
    """Does this interest mean offices of this level, wherever and whenever? One without a level means any."""
    return not interest.office_level or same_level(interest.office_level, level)


def same_level(one: str, other: str) -> bool:
    """Are these the same office level, or is one of them a wider word for the other?"""
    return one == other or other in WIDER_LEVELS.get(one, ()) or one in WIDER_LEVELS.get(other, ())


def wants(
    interest: Interest,
    home_state: str | None,
    *,
    office_level: str,
    state: str,
    division: str | None,
    election_on: str,
    party_path: str | None = None,
    incumbency: str | None = None,
) -> bool:
    """
    Does this interest mean a window of this office level, state, division, ISO election date and path onto the ballot?

    A window without a division covers every division of its state, and a nonpartisan one is for everybody.
    """
    return (
        (not interest.office_level or same_level(interest.office_level, office_level))
        and bool(state)
        and (interest.state or home_state) == state
        and (not interest.division or not division or interest.division == division)
        and (interest.election_year is None or str(interest.election_year) == election_on[:4])
        and _same_path(interest.party_path, party_path)
        and (not incumbency or (incumbency == "incumbent") == interest.incumbent)
    )


def _same_path(mine: str, theirs: str | None) -> bool:
    if not theirs or theirs == "nonpartisan":
        return True
    return theirs == mine if mine else theirs in COMMON_PATHS


def lives_in(home_state: str | None, county: str | None, *, state: str, division: str | None) -> bool:
    """
    Does somebody of this state and county live where the window is?

    A division is compared with the county, by its name or by its Open Civic Data id; a smaller place is never hers.
    """
    if not state or home_state != state:
        return False
    return not division or division == county or division in county_divisions(state, county or "")


def county_divisions(state: str, county: str) -> tuple[str, ...]:
    """The Open Civic Data ids that a county or parish of this name has: `Dane County` is `.../state:wi/county:dane`."""
    slug = _lower(county).replace(" ", "_")
    for word in COUNTY_WORDS:
        slug = slug.replace(f"_{word}", "")
    place = f"ocd-division/country:us/state:{_lower(state)}"
    return tuple(f"{place}/{word}:{slug}" for word in COUNTY_WORDS) if slug else ()


COUNTY_WORDS: Final = ("county", "parish")


def _lower(text: str) -> str:
    """Lower case as SQLite has it: of ASCII letters alone."""
    return "".join(chr(ord(one) + 32) if "A" <= one <= "Z" else one for one in text)
