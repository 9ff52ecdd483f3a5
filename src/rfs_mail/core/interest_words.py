"""
What somebody wants to run for, from text: the cells of a row, or one line that staff type.

An interest is taken whole or not at all: where the state or the year of it cannot be read, leaving that part out would
make it wider than what was said, and somebody would be counted down to a deadline of another place.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Final, Literal, NamedTuple

from rfs_mail.core.filing_windows import OFFICE_LEVELS
from rfs_mail.core.interest import Interest
from rfs_mail.core.office_words import ANY, UNKNOWN, Offices, nearest_office, read_offices, says_nothing
from rfs_mail.core.person_fields import Refused, read_name, read_state, read_yes_no
from rfs_mail.core.zones import STATES

OFFICE_COLUMNS: Final = ("office_level", "office_state", "office_division", "election_year", "party_path", "incumbent")
"""The fields of a sign-up that say what somebody wants to run for. None of them is about where she lives."""

_NAMING: Final = ("office_level", "office_state", "office_division")
"""Those that make an interest. A year or a party alone is nothing that anybody wants to run for."""


class Remark(NamedTuple):
    """Something about one cell: dropped where it is not taken, mended where it was read out of more words."""

    field: str
    value: str
    kind: Literal["dropped", "mended"]
    reason: str


class Said(NamedTuple):
    """What the cells of a row come to."""

    interests: tuple[Interest, ...]
    remarks: tuple[Remark, ...]


NOTHING: Final = Said((), ())


def interests_of_cells(cells: Mapping[str, str]) -> Said:
    """
    The interests that cells (`OFFICE_COLUMNS` -> text that is not blank) say: one for each office level named.

    A row whose level is blank means any office of the state or division it names. In the other cells `not sure` is as
    good as blank.
    """
    cells = {name: text for name, text in cells.items() if not says_nothing(text) or name == "office_level"}
    if not any(name in cells for name in _NAMING):
        return NOTHING
    remarks: list[Remark] = []
    offices = read_offices(cells["office_level"]) if "office_level" in cells else Offices((ANY,), False, ())
    remarks += [Remark("office_level", one.text, "dropped", one.reason) for one in offices.unread]
    if offices.among_words:
        reason = f"read as {', '.join(offices.levels)}"
        remarks.append(Remark("office_level", cells["office_level"], "mended", reason))
    values: dict[str, str | int | bool] = {}
    for name, reader in _READERS.items():
        if name in cells:
            read = reader(cells[name])
            if isinstance(read, Refused):
                remarks.append(Remark(name, cells[name], "dropped", read.reason))
                continue
            values[_PARTS[name]] = read
    if any(name in cells and part not in values for name, part in _PARTS.items()):
        return Said((), tuple(remarks))
    return Said(tuple(_interest(level, values) for level in offices.levels), tuple(remarks))


def _interest(level: str, values: Mapping[str, str | int | bool]) -> Interest:
    return Interest(level, **values)  # type: ignore[arg-type]


# -- one cell ----------------------------------------------------------------------------------------------------------

_YEAR: Final = re.compile(r"(?<![0-9])20[0-9]{2}(?![0-9])")


def read_election_year(text: str) -> int | Refused:
    """The year of an election, also out of `Spring 2027` or `2027-04-06`; two years in one text are refused."""
    years = set(_YEAR.findall(text))
    return int(years.pop()) if len(years) == 1 else Refused("names no single election year; write 2027")


PARTY_PATHS: Final[Mapping[str, str]] = {
    name: path
    for path, names in {
        "major_party": "major_party major party democrat democratic democrata republican republicano republicana gop",
        "minor_party": "minor_party minor third_party libertarian green verde",
        "unaffiliated": "unaffiliated independent independiente no_party no_party_preference npp sin_partido",
        "nonpartisan": "nonpartisan non_partisan no_partidista apartidista",
        "write_in": "write_in",
    }.items()
    for name in names.split()
}
"""Ways onto the ballot as people write them -> the word that filing windows have for them."""


def read_party_path(text: str) -> str | Refused:
    """The way onto the ballot: a word of `PARTY_PATHS`, in any case, with or without `party` or `candidate` behind."""
    words = [word for word in re.split(r"[^a-z]+", text.casefold()) if word]
    name = "_".join(words)
    short = "_".join(word for word in words if word not in ("party", "candidate", "partido"))
    paths = ", ".join(dict.fromkeys(PARTY_PATHS.values()))
    return (
        PARTY_PATHS.get(name)
        or PARTY_PATHS.get(short)
        or Refused(f"names no way onto the ballot; write one of: {paths}")
    )


def read_incumbent(text: str) -> bool | Refused:
    """Does she hold the office? Yes or no in any spelling, or `incumbent`, `non_incumbent`, `challenger`, `titular`."""
    word = re.sub(r"[^a-z]", "", text.casefold())
    if word in ("incumbent", "titular"):
        return True
    return False if word in ("nonincumbent", "challenger", "new", "open") else read_yes_no(text)


def read_division(text: str) -> str | Refused:
    """An Open Civic Data id (small letters), or the name of a place as it stands."""
    read = read_name(text)
    if isinstance(read, str) and read.casefold().startswith("ocd-division/"):
        return read.casefold()
    return read


_PARTS: Final = {
    "office_state": "state", "office_division": "division", "election_year": "election_year",
    "party_path": "party_path", "incumbent": "incumbent",
}  # fmt: skip
_READERS: Final[Mapping[str, Callable[[str], str | int | bool | Refused]]] = {
    "office_state": read_state, "office_division": read_division, "election_year": read_election_year,
    "party_path": read_party_path, "incumbent": read_incumbent,
}  # fmt: skip


# -- one line ----------------------------------------------------------------------------------------------------------

GRAMMAR: Final = "OFFICE [in STATE] [at DIVISION] [YEAR] [as PARTY_PATH] [incumbent]"
"""How staff write an interest; several with semicolons between them."""

_KEYWORDS: Final = {"in": "office_state", "at": "office_division", "as": "party_path"}


def read_wants(text: str) -> tuple[Interest, ...] | Refused:
    """
    Interests as staff type them: `GRAMMAR`, several with semicolons between; blank text is nothing wanted.

    The office may be written in people's own words; `any` is any office. Refused where a piece cannot be read whole.
    """
    found: dict[Interest, None] = {}
    for piece in text.split(";"):
        if not piece.strip():
            continue
        cells = _cells(piece.split())
        if isinstance(cells, Refused):
            return cells
        said = interests_of_cells(cells)
        wrong = next((one for one in said.remarks if one.kind == "dropped"), None)
        if wrong is not None:
            near = _nearest(wrong)
            offices = f". Offices: any, {', '.join(OFFICE_LEVELS)}" if wrong.reason == UNKNOWN else ""
            return Refused(f"{wrong.value!r} {wrong.reason}" + (f". Nearest: {near}" if near else "") + offices)
        if not said.interests:
            return Refused(f"{piece.strip()!r} names no office; write {GRAMMAR}, such as school_board in WI 2027")
        found.update(dict.fromkeys(said.interests))
    return tuple(found)


def _nearest(wrong: Remark) -> str | None:
    """What was meant, where somebody mistyped a word of a closed list."""
    if wrong.field == "office_level":
        return nearest_office(wrong.value) if wrong.reason == UNKNOWN else None
    known = {"office_state": {name.casefold(): name for name in STATES.values()}, "party_path": PARTY_PATHS}
    words = known.get(wrong.field, {})
    near = get_close_matches(wrong.value.casefold(), words, 1)
    return words[near[0]] if near else None


def _cells(words: Sequence[str]) -> dict[str, str] | Refused:
    """The words of a piece by what they say: those before any keyword are the office."""
    cells: dict[str, list[str]] = {}
    field = "office_level"
    for word in words:
        if word in _KEYWORDS:
            field = _KEYWORDS[word]
            if field in cells:
                return Refused(f"says {word!r} twice; put a semicolon between two offices")
            cells[field] = []
        elif re.fullmatch(_YEAR, word):
            cells.setdefault("election_year", []).append(word)
        elif word == "incumbent" and cells:
            cells["incumbent"] = ["yes"]
        else:
            cells.setdefault(field, []).append(word)
    empty = next((word for word, field in _KEYWORDS.items() if cells.get(field) == []), None)
    if empty is not None:
        return Refused(f"has nothing behind {empty!r}; write {GRAMMAR}")
    office = cells.get("office_level", [])
    if "office_state" not in cells and len(office) > 1 and re.fullmatch("[A-Z]{2}", office[-1]):
        cells["office_state"] = [office.pop()]  # as it is shown: school_board WI 2027
    return {name: " ".join(words) for name, words in cells.items()}


def say_interest(interest: Interest) -> str:
    """An interest in a line that `read_wants` reads again: `school_board in WI 2027`."""
    parts = (
        interest.office_level or "any",
        f"in {interest.state}" if interest.state else "",
        f"at {interest.division}" if interest.division else "",
        str(interest.election_year or ""),
        f"as {interest.party_path}" if interest.party_path else "",
        "incumbent" if interest.incumbent else "",
    )
    return " ".join(part for part in parts if part)
