"""
An official list of candidates against the people who want to run: who of ours filed? A person decides, never a score.

Each line of the list is compared with those who want a window of its state (and of its office, where the list says one
that is known) and have not filed for it. What agrees well enough is put before staff, once: the same line of a later
list asks nobody again. Accepted, it is recorded as filed with the line as evidence, and her countdown ends.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection

from rfs_mail.core.csv_rows import BadRow, Row
from rfs_mail.core.digest import digest
from rfs_mail.core.facts import window_day
from rfs_mail.core.interest import same_level
from rfs_mail.core.name_matching import (
    Match,
    Name,
    compare_places,
    match_names,
    name_of,
    office_level,
    parse_name,
)
from rfs_mail.core.zones import STATES
from rfs_mail.engine.filings import record_status
from rfs_mail.engine.live import look
from rfs_mail.engine.signup_file import open_signup_file
from rfs_mail.engine.windows import find_window
from rfs_mail.errors import NotFoundError, UsageError
from rfs_mail.store import windows
from rfs_mail.store.database import Store
from rfs_mail.store.types import AnyRow

BEFORE, AFTER = timedelta(days=180), timedelta(days=60)
"""A list is about windows that closed at most so long ago, or close so soon: candidates file before the last day."""

GONE = ("withdrawn", "withdrew", "deceased", "disqualified", "denied", "rejected", "removed")
"""Status words of lists that say that somebody is not a candidate any more."""

_COLUMNS: Mapping[str, tuple[str, ...]] = {
    "name": ("name", "candidate", "candidate name", "ballot name", "name on ballot", "full name"),
    "given": ("first name", "given name", "first", "candidate first name"),
    "family": ("last name", "family name", "surname", "last", "candidate last name"),
    "office": ("office", "contest", "office title", "office name", "race", "contest name"),
    "division": ("division", "district", "jurisdiction", "municipality", "district name"),
    "county": ("county", "county name"),
    "state": ("state",),
    "status": ("status", "candidate status", "filing status"),
}


@dataclass(frozen=True, slots=True)
class Matched:
    """What came of reading a list: rows = unknown + agreeing + gone + bad."""

    file: str
    rows: int
    agreeing: int
    """Rows that may be somebody of ours."""
    gone: int
    """Rows of candidates who withdrew or are out."""
    new: int
    """Matches that were not put before staff yet."""
    bad: tuple[tuple[int, str], ...]
    """(line, why) of rows that cannot be read."""


@dataclass(frozen=True, slots=True)
class _Entry:
    line: int
    name: Name
    written: str
    office: str
    places: tuple[str, ...]
    state: str

    @property
    def listed(self) -> str:
        return ", ".join(part for part in (self.office, *self.places, self.state) if part)


class _Bad(Exception):
    """A row that cannot be read."""


def match_list(store: Store, path: Path, *, window: str | None, state: str | None, now: datetime) -> Matched:
    """
    Compare a list with those who want to run, and put what agrees before staff.

    `window` narrows it to one filing window, `state` is that of rows without one. Raises UsageError for a file without
    names, NotFoundError for no such window.
    """
    entries: list[_Entry] = []
    bad: list[tuple[int, str]] = []
    gone = rows = 0
    if state is not None and state.upper() not in STATES:
        raise UsageError(f"There is no state {state!r}. Write its two letters, such as WI.")
    with store.read() as connection:
        home = find_window(connection, window).window.state if window is not None else (state or "").upper()
    with open_signup_file(path) as opened:
        columns = _find_columns(opened.header, path.name)
        for row in opened:
            rows += 1
            try:
                entry = _read(row, columns, home)
            except _Bad as reason:
                bad.append((row.line, str(reason)))
                continue
            if entry is None:
                gone += 1
            else:
                entries.append(entry)
    with store.read() as connection:
        found = list(_compare(connection, entries, window, now))
    new = 0
    for start in range(0, len(found), 500):
        with store.begin() as connection:
            for entry, person_id, window_id, match in found[start : start + 500]:
                key = digest({"name": entry.name.given + entry.name.family, "listed": entry.listed})
                new += windows.put_match(
                    connection,
                    {"person_id": person_id, "window_id": window_id, "key": key, "name": entry.written,
                     "listed": entry.listed, "file": path.name, "line": entry.line, "score": match.score,
                     "why": match.why, "state": "open", "at": now},
                )  # fmt: skip
    return Matched(path.name, rows, len({entry.line for entry, *_ in found}), gone, new, tuple(bad))


def _find_columns(header: Sequence[str], file: str) -> dict[str, int]:
    """Which column is what, by the names that election offices use."""
    names = [" ".join(cell.replace("_", " ").casefold().split()) for cell in header]
    columns = {
        field: names.index(name)
        for field, known in _COLUMNS.items()
        for name in [next((one for one in known if one in names), None)]
        if name is not None
    }
    if "name" not in columns and not {"given", "family"} <= columns.keys():
        raise UsageError(f"{file} has no column of names. Call one `name`, or two `first_name` and `last_name`.")
    return columns


def _read(row: Row | BadRow, columns: Mapping[str, int], home: str) -> _Entry | None:
    """A candidate of the list; None for one who is out. Raises _Bad."""
    if isinstance(row, BadRow):
        raise _Bad(row.reason)

    def cell(field: str) -> str:
        place = columns.get(field)
        return " ".join(row.cells[place].split()) if place is not None and place < len(row.cells) else ""

    if cell("status").casefold() in GONE:
        return None
    state = (cell("state") or home).upper()
    codes = {name.upper(): code for code, name in STATES.items()}
    state = codes.get(state, state)
    if state not in STATES:
        raise _Bad("says no state. Add a column `state`, or say --state WI" if not state else f"{state} is no state")
    if "family" in columns and (cell("family") or "name" not in columns):
        name, written = name_of(cell("given"), cell("family")), f"{cell('family')}, {cell('given')}"
    else:
        name, written = parse_name(cell("name")), cell("name")
    if not name.family or not (name.given or name.also):
        raise _Bad(f"{written!r} is no whole name")
    places = tuple(place for place in (cell("division"), cell("county")) if place)
    return _Entry(row.line, name, written, cell("office"), places, state)


def _compare(
    connection: Connection, entries: Sequence[_Entry], window: str | None, now: datetime
) -> Iterator[tuple[_Entry, int, str, Match]]:
    """Each entry with those of ours who may be meant: the entry, a person, the window, and how sure it is."""
    by_state: defaultdict[str, list[_Entry]] = defaultdict(list)
    for entry in entries:
        by_state[entry.state].append(entry)
    today = window_day(now)
    for state, some in by_state.items():
        chosen = {
            one.window.id: one.window
            for one in windows.listing(connection, state=state, closes_from=(today - BEFORE).isoformat())
            if window == one.window.id
            or (window is None and one.window.closes_on and one.window.closes_on <= (today + AFTER).isoformat())
        }
        ours = _by_letters(windows.hopefuls(connection, state=state, window_ids=list(chosen)))
        for entry in some:
            level = office_level(entry.office)
            seen: dict[tuple[int, str], Match] = {}
            for row in {id(row): row for word in _words(entry.name) for row in ours[word[:1]]}.values():
                if level is not None and not same_level(level, chosen[row.window_id].office_level):
                    continue
                place = compare_places((row.county, row.division), (*entry.places, entry.office))
                match = match_names(name_of(row.given_name, row.family_name), entry.name, place)
                key = row.person_id, row.window_id
                if match is not None and (key not in seen or seen[key].score < match.score):
                    seen[key] = match
            for (person_id, window_id), match in seen.items():
                yield entry, person_id, window_id, match


def _words(name: Name) -> set[str]:
    return {*name.given, *name.family, *name.also}


def _by_letters(rows: Sequence[AnyRow]) -> defaultdict[str, list[AnyRow]]:
    """Our people by the first letters of their family names: a slip of a first letter is not looked for."""
    found: defaultdict[str, list[AnyRow]] = defaultdict(list)
    for row in rows:
        for letter in {word[0] for word in name_of(None, row.family_name).family}:
            found[letter].append(row)
    return found


# -- deciding ----------------------------------------------------------------------------------------------------------


def open_matches(store: Store, *, everything: bool) -> list[AnyRow]:
    """What waits for a decision (or all there ever was), the surest first."""
    with store.read() as connection:
        return windows.matches(connection, state=None if everything else "open")


def accept(store: Store, ids: Sequence[int], *, by: str, now: datetime) -> tuple[str, ...]:
    """
    Say that these matches are right: each person filed for that window, with the list's line as evidence.

    All or none. Returns a sentence for each. Raises NotFoundError for one that is not open.
    """
    with store.begin() as connection:
        live = look(connection)
        said = []
        for row in _decide(connection, ids, "accepted", by, now):
            evidence = f"{row.file} line {row.line}: {row.name} ({row.listed}); accepted by {by}"
            record_status(
                connection, live, row.person_id, row.window_id, "filed", evidence=evidence,
                detail={"source": f"official list, accepted by {by}"}, now=now, forward_only=True,
            )  # fmt: skip
            said.append(f"{row.address} filed for {row.window_id}")
    return tuple(said)


def decline(store: Store, ids: Sequence[int], *, by: str, now: datetime) -> tuple[str, ...]:
    """Say that these are other people. All or none; raises NotFoundError for one that is not open."""
    with store.begin() as connection:
        rows = _decide(connection, ids, "declined", by, now)
        return tuple(f"{row.address} is not {row.name}" for row in rows)


def _decide(connection: Connection, ids: Sequence[int], state: str, by: str, now: datetime) -> list[AnyRow]:
    rows = {row.id: row for row in windows.matches(connection, ids=ids)}
    for one in ids:
        if one not in rows or not windows.decide(connection, rows[one], state, by=by, now=now):
            raise NotFoundError(f"There is no open match {one}. Nothing was changed; `windows match` shows them.")
    return [rows[one] for one in ids]
