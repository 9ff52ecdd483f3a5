"""
Filing windows as a file of them is read: rows in, windows or problems out.

The format is ours and written down in docs/filing-windows.md: one row a window, the first column a slug that never
changes. A blank cell says nothing: the window keeps what was known of it, and a new one does not know it. The word
`unknown` in a cell takes back what was known. So a blank opening is an opening nobody knows, never one that has begun.

Dates and times stay text (`2027-01-05`, `17:00`), on the clock of the filing office, as they were published: nothing
here rolls a date over a weekend. `moves` names the facts that mail hangs on; a window whose source, date of checking,
notes or names alone change is the same window.
"""

import difflib
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Any, Final

from rfs_mail.core.csv_rows import BadRow, Row
from rfs_mail.core.local_time import MIDNIGHT, find_zone, local_instant
from rfs_mail.core.times import MILESTONES
from rfs_mail.core.timing import Anchors, Civil
from rfs_mail.core.values import CONFIDENCES
from rfs_mail.core.vocabulary import WINDOW_FIELDS
from rfs_mail.core.zones import STATES, clocks_of
from rfs_mail.errors import TimeError

OFFICE_LEVELS: Final = (
    "state_upper", "state_lower", "state_legislature", "statewide_executive", "statewide_any", "county", "municipal",
    "school_board", "special_district", "judicial", "local_any", "party_office", "federal", "us_house", "us_senate",
)  # fmt: skip
"""Office levels a window may have; `core.interest.WIDER_LEVELS` says which stand for several."""

STATUSES: Final = WINDOW_FIELDS["status"].values
INCUMBENCIES: Final = ("incumbent", "non_incumbent")
DOUBTFUL: Final = ("conflict", "unknown")
"""Confidences that fire no countdown: somebody has to find out."""

COLUMNS: Final = (
    "window_id", "jurisdiction", "state", "division", "office_level", "office", "election_on", "party_path",
    "incumbency", "opens_on", "opens_time", "closes_on", "closes_time", "zone", "status", *MILESTONES, "confidence",
    "source", "as_of", "notes",
)  # fmt: skip
"""The columns of a file. The order is free behind the first."""

NEEDED: Final = ("window_id", "state", "office_level", "closes_on", "zone", "confidence", "source")
"""Columns that a file has to have."""

UNKNOWN_WORD: Final = "unknown"
MAX_TEXT: Final = 2_000
MAX_DIVISION: Final = 200


@dataclass(frozen=True, slots=True)
class FilingWindow:
    """
    When filing opens and closes for an office level, somewhere, once.

    Days are ISO text, times `HH:MM` on the office's clock (`zone`, an IANA name); None is not known. `closes_on` is
    empty where nobody knows it. A milestone is `2026-05-11` or `2026-05-11 12:00`.
    """

    id: str
    state: str
    office_level: str
    closes_on: str
    zone: str
    confidence: str
    source: str
    jurisdiction: str = ""
    division: str | None = None
    office: str = ""
    election_on: str = ""
    party_path: str | None = None
    incumbency: str | None = None
    opens_on: str | None = None
    opens_time: str | None = None
    closes_time: str | None = None
    status: str = "confirmed"
    milestones: Mapping[str, str] = field(default_factory=dict)
    as_of: str | None = None
    notes: str = ""

    def anchors(self) -> Anchors:
        """The dates of the window as anchors of times, on the office's clock."""
        zone = find_zone(self.zone)
        given = {"opens": (self.opens_on, self.opens_time), "closes": (self.closes_on, self.closes_time)}
        given |= {"election": (self.election_on, None)}
        given |= {name: split_moment(value) for name, value in self.milestones.items()}
        moments = {
            name: Civil(date.fromisoformat(day), time.fromisoformat(clock) if clock else None, zone)
            for name, (day, clock) in given.items()
            if day
        }
        return Anchors.of({**moments}, office=zone)

    @property
    def closing(self) -> tuple[str, str, str, str]:
        """State, day, hour and clock of the closing: windows that share it are one occasion to who wants several."""
        return self.state, self.closes_on, self.closes_time or "", self.zone

    def closes_at(self) -> datetime | None:
        """The closing as an instant (UTC); without a time the start of that office day; None where it is not known."""
        return _at(self.closes_on, self.closes_time, self.zone)

    def as_values(self) -> dict[str, Any]:
        """All facts by name, as JSON keeps them."""
        return {**asdict(self), "milestones": dict(self.milestones)}


def window_of(values: Mapping[str, Any]) -> FilingWindow:
    """The inverse of `as_values`; names that are no facts of a window are passed over."""
    known = {one.name for one in fields(FilingWindow)}
    return FilingWindow(**{name: value for name, value in values.items() if name in known})


def split_moment(text: str) -> tuple[str, str | None]:
    """Day and time of `2026-05-11 12:00`; None for a day alone."""
    day, _, clock = text.partition(" ")
    return day, clock or None


def _at(day: str | None, clock: str | None, zone: str) -> datetime | None:
    if not day:
        return None
    return local_instant(date.fromisoformat(day), time.fromisoformat(clock) if clock else MIDNIGHT, find_zone(zone))


# -- reading -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Problem:
    """A row that was not taken: its line, the column to blame, what stands there, and what to do."""

    line: int
    column: str
    value: str
    reason: str

    def __str__(self) -> str:
        where = f"line {self.line}" + (f", {self.column}" if self.column else "")
        return f"{where}: {self.value!r} {self.reason}" if self.value else f"{where}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Given:
    """A row that can be read: the window it says, and the facts that it takes back with the word `unknown`."""

    line: int
    window: FilingWindow
    taken_back: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Reading:
    """A file of windows as read: the rows that are good, what is wrong with the others, and every id that was named."""

    given: tuple[Given, ...]
    problems: tuple[Problem, ...]
    named: frozenset[str] = frozenset()


class _Wrong(Exception):
    """A cell that cannot be taken."""

    def __init__(self, column: str, value: str, reason: str) -> None:
        super().__init__(reason)
        self.column, self.value, self.reason = column, value, reason


def read_header(cells: Sequence[str], line: int = 1) -> tuple[tuple[str, ...], tuple[Problem, ...]]:
    """
    The columns of a header line, or what is wrong with it.

    A column that is not known is a problem and not passed over: a misspelt milestone would be lost in silence.
    """
    names = tuple(cell.strip().casefold() for cell in cells)
    while names and not names[-1]:
        names = names[:-1]
    problems: list[Problem] = []
    if not names or names[0] != "window_id":
        problems.append(Problem(line, "", names[0] if names else "", "is not the first column: that is window_id"))
    for name, number in Counter(names).items():
        if name not in COLUMNS:
            near = difflib.get_close_matches(name, COLUMNS, n=1)
            advice = f"Write {near[0]}" if near else f"Columns are: {', '.join(COLUMNS)}"
            problems.append(Problem(line, "", name or "(blank)", f"is no column of this format. {advice}"))
        elif number > 1:
            problems.append(Problem(line, "", name, "is there twice. Leave one"))
    missing = [name for name in NEEDED if name not in names and name != "window_id"]
    if missing:
        problems.append(Problem(line, "", "", f"columns are missing: {', '.join(missing)}"))
    return names, tuple(problems)


def read_windows(header: Sequence[str], rows: Iterable[Row | BadRow]) -> Reading:
    """
    Read the rows of a file under a header that `read_header` found good.

    Never raises for what stands in a row: a bad one is a problem, and the good ones go on. Two rows of one id are both
    left out, because nobody can know which is meant.
    """
    found: defaultdict[str, list[Given]] = defaultdict(list)
    problems: list[Problem] = []
    named: set[str] = set()
    for row in rows:
        if isinstance(row, BadRow):
            problems.append(Problem(row.line, "", "", row.reason))
            continue
        if len(row.cells) > len(header) and any(cell.strip() for cell in row.cells[len(header) :]):
            reason = f"has {len(row.cells)} values under {len(header)} columns. Quote values with commas in them"
            problems.append(Problem(row.line, "", "", reason))
            continue
        cells = dict(zip(header, (" ".join(cell.split()) for cell in row.cells), strict=False))
        named.add(cells.get("window_id", ""))
        try:
            given = _read(row.line, cells)
        except _Wrong as wrong:
            problems.append(Problem(row.line, wrong.column, wrong.value, wrong.reason))
            continue
        found[given.window.id].append(given)
    good: list[Given] = []
    for name, rows_of in found.items():
        if len(rows_of) > 1:
            lines = " and ".join(str(one.line) for one in rows_of)
            reason = f"stands on lines {lines}. None of them was taken: leave one, or give each an id of its own"
            problems += [Problem(one.line, "window_id", name, reason) for one in rows_of]
        else:
            good += rows_of
    return Reading(
        tuple(sorted(good, key=lambda one: one.line)),
        tuple(sorted(problems, key=lambda one: (one.line, one.column))),
        frozenset(named),
    )


_SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
_OCD = re.compile(r"ocd-division/country:us(?:/[a-z_]+:[a-z0-9._~\-]+)+")
_OCD_HOME = re.compile(r"ocd-division/country:us/(?:state|district|territory):([a-z]+)")
_PATH = re.compile(r"[a-z][a-z0-9_]*")
_OPTIONAL: Final = (
    "division", "election_on", "party_path", "incumbency", "opens_on", "opens_time", "closes_on", "closes_time",
    *MILESTONES, "as_of",
)  # fmt: skip
"""What may be unknown, and so may be taken back."""


def _read(line: int, cells: Mapping[str, str]) -> Given:
    back = frozenset(name for name in _OPTIONAL if cells.get(name, "").casefold() == UNKNOWN_WORD)

    def cell(name: str) -> str:
        return "" if name in back else cells.get(name, "")

    slug = cell("window_id")
    if not _SLUG.fullmatch(slug):
        raise _Wrong("window_id", slug, "is no slug. Write small letters, digits and hyphens: wi-2027-spring-judicial")
    for name in ("state", "office_level", "zone", "confidence", "source"):
        if not cell(name):
            raise _Wrong(name, "", "is blank. It has to be known of every window")
    state = cell("state").upper()
    if state not in STATES:
        raise _Wrong("state", cell("state"), "is no state. Write its two letters: WI")
    try:
        zone = find_zone(cell("zone")).key
    except TimeError as error:
        raise _Wrong("zone", cell("zone"), f"is no time zone. {error.args[0].partition('. ')[2]}") from None
    clocks = sorted(clocks_of(state))
    if _hours(zone) not in {_hours(clock) for clock in clocks}:
        raise _Wrong("zone", cell("zone"), f"is no clock of {state}. Write the filing office's: {' or '.join(clocks)}")
    for name in ("jurisdiction", "office", "source", "notes", "division"):
        most = MAX_DIVISION if name == "division" else MAX_TEXT
        if len(cell(name)) > most:
            raise _Wrong(name, f"{cell(name)[:20]}..", f"is longer than {most:,} characters. Shorten it")
    division = cell("division")
    if division.startswith("ocd-") and not _OCD.fullmatch(division):
        example = "ocd-division/country:us/state:wi/county:dane"
        raise _Wrong("division", division, f"is no Open Civic Data id. Write it as in {example}")
    home = _OCD_HOME.match(division)
    if home and home[1].upper() != state:
        raise _Wrong("division", division, f"is not in {state}. Put the state or the division right")
    party_path = cell("party_path")
    if party_path and not _PATH.fullmatch(party_path):
        raise _Wrong("party_path", party_path, "is not one word. Write one such as major_party or unaffiliated")
    moments = {name: _moment(name, cell(name)) for name in MILESTONES if cell(name)}
    window = FilingWindow(
        id=slug,
        jurisdiction=cell("jurisdiction"),
        state=state,
        division=division or None,
        office_level=_word("office_level", cell("office_level"), OFFICE_LEVELS),
        office=cell("office"),
        election_on=_day("election_on", cell("election_on")) or "",
        party_path=party_path or None,
        incumbency=_word("incumbency", cell("incumbency"), INCUMBENCIES) or None,
        opens_on=_day("opens_on", cell("opens_on")),
        opens_time=_clock("opens_time", cell("opens_time")),
        closes_on=_day("closes_on", cell("closes_on")) or "",
        closes_time=_clock("closes_time", cell("closes_time")),
        zone=zone,
        status=_word("status", cell("status"), STATUSES),
        milestones=moments,
        confidence=_word("confidence", cell("confidence"), CONFIDENCES),
        source=cell("source"),
        as_of=_day("as_of", cell("as_of")),
        notes=cell("notes"),
    )
    return Given(line, window, back)


@lru_cache(maxsize=256)
def _hours(zone: str) -> tuple[timedelta | None, ...]:
    """What a zone's clock says against UTC in winter and in summer: zones of one clock have several names."""
    clock = find_zone(zone)
    return tuple(datetime(2026, month, 15, tzinfo=clock).utcoffset() for month in (1, 7))


def _word(name: str, text: str, known: Sequence[str]) -> str:
    word = text.casefold()
    if word and word not in known:
        near = difflib.get_close_matches(word, known, n=1)
        advice = f"Write {near[0]}" if near else f"Write one of: {', '.join(known)}"
        raise _Wrong(name, text, f"is not known here. {advice}")
    return word


def _day(name: str, text: str) -> str | None:
    if not text:
        return None
    try:
        if _DATE.fullmatch(text) and 2000 <= date.fromisoformat(text).year < 2200:
            return text
    except ValueError:
        raise _Wrong(name, text, "is no day of the calendar") from None
    raise _Wrong(name, text, "is no date. Write year-month-day: 2027-01-05")


def _clock(name: str, text: str) -> str | None:
    if text and not _CLOCK.fullmatch(text):
        raise _Wrong(name, text, "is no time. Write HH:MM of 24 hours, with no zone: 17:00")
    return text or None


def _moment(name: str, text: str) -> str:
    day, clock = split_moment(text.replace("T", " "))
    return " ".join(part for part in (_day(name, day), _clock(name, clock or "")) if part)


# -- what is known together --------------------------------------------------------------------------------------------


def merge(stored: FilingWindow | None, given: Given) -> FilingWindow:
    """The window as it is after a row: blank cells keep what is stored, the word `unknown` takes it back."""
    said = given.window
    if stored is None:
        return said
    keep: dict[str, Any] = {
        name: getattr(stored, name)
        for name in ("jurisdiction", "office", "notes", *_OPTIONAL)
        if name not in MILESTONES and not getattr(said, name) and name not in given.taken_back
    }
    if not said.status:
        keep["status"] = stored.status
    kept = {name: value for name, value in stored.milestones.items() if name not in given.taken_back}
    return replace(said, **keep, milestones={**kept, **said.milestones})


def settle(window: FilingWindow) -> FilingWindow:
    """The window with what goes without saying: a new one is confirmed unless its row says otherwise."""
    return window if window.status else replace(window, status="confirmed")


def faults(window: FilingWindow) -> Iterator[tuple[str, str, str]]:
    """What cannot be true of a window: (column, value, what to do)."""
    if not window.closes_on and window.confidence not in DOUBTFUL:
        yield "closes_on", "", f"is blank. Only a window with confidence {' or '.join(DOUBTFUL)} may not know its end"
    for name, day, clock in (
        ("opens_time", window.opens_on, window.opens_time), ("closes_time", window.closes_on, window.closes_time),
    ):  # fmt: skip
        if clock and not day:
            yield name, clock, "has no day. Write the date beside it, or leave both blank"
    opens, closes = _text(window.opens_on, window.opens_time), _text(window.closes_on, window.closes_time)
    if window.opens_on and window.closes_on and not _in_order(opens, closes):
        yield "closes_on", closes, f"is not after the opening ({opens})"
    if window.election_on and window.closes_on >= window.election_on:
        yield "closes_on", window.closes_on, f"is not before the election ({window.election_on})"
    for name, moment in window.milestones.items():
        if window.election_on and split_moment(moment)[0] > window.election_on and name != "withdrawal":
            yield name, moment, f"is after the election ({window.election_on})"
    first, last = window.milestones.get("petition_opens"), window.milestones.get("petition_due")
    if first and last and not _in_order(first, last):
        yield "petition_due", last, f"is not after petition_opens ({first})"


def _text(day: str | None, clock: str | None) -> str:
    return " ".join(part for part in (day, clock) if part)


def _in_order(first: str, last: str) -> bool:
    """Is the first before the last? On one day both need an hour to tell; without, they may be."""
    (day, clock), (other, hour) = split_moment(first), split_moment(last)
    return day < other or (day == other and (not clock or not hour or clock < hour))


# -- what changes ------------------------------------------------------------------------------------------------------

_FACTS: Final = (
    "state", "division", "office_level", "election_on", "party_path", "incumbency", "opens_on", "opens_time",
    "closes_on", "closes_time", "zone", "status", "confidence", "milestones",
)  # fmt: skip
"""What mail hangs on: when it is due, whom it is for, and how sure it may sound."""

_SAID: Final = ("jurisdiction", "office", "source", "as_of", "notes")
"""What mail only says, or nobody is told."""


@dataclass(frozen=True, slots=True)
class WindowChange:
    """One window of an import. `old` None: it is new. `fields` names what is different."""

    old: FilingWindow | None
    new: FilingWindow
    fields: tuple[str, ...]

    @property
    def moves(self) -> bool:
        """A fact that mail hangs on is another: the version grows and everything is planned anew."""
        return self.old is not None and any(name in _FACTS for name in self.fields)


def compare(old: FilingWindow | None, new: FilingWindow) -> WindowChange | None:
    """What is different, or None where nothing is."""
    names = (*_FACTS, *_SAID)
    if old is None:
        return WindowChange(None, new, ())
    different = tuple(name for name in names if getattr(old, name) != getattr(new, name))
    return WindowChange(old, new, different) if different else None


DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Version:
    """What a window said from `at` on."""

    number: int
    at: datetime
    window: FilingWindow


@dataclass(frozen=True, slots=True)
class Move:
    """A closing that moved by more than a day: the version that says so, since when, and the window as it was told."""

    number: int
    at: datetime
    before: FilingWindow


def last_move(versions: Iterable[Version]) -> Move | None:
    """
    The last time that a closing moved by more than a day from what people were told; None where it never did.

    `versions` are all of one window, the oldest first. Small moves add up. What a doubtful or cancelled window said was
    told to nobody.
    """
    told: FilingWindow | None = None
    found: Move | None = None
    for version in versions:
        window = version.window
        if not window.closes_on or window.confidence in DOUBTFUL or window.status == "cancelled":
            continue
        if told is None:
            told = window
        elif _apart(told, window) > DAY:
            found, told = Move(version.number, version.at, told), window
    return found


def _apart(one: FilingWindow, other: FilingWindow) -> timedelta:
    """How far two closings are from each other; by the day where one of them has no hour."""
    first, last = one.closes_at(), other.closes_at()
    if one.closes_time and other.closes_time and first is not None and last is not None:
        return abs(last - first)
    return abs(date.fromisoformat(other.closes_on) - date.fromisoformat(one.closes_on))


def tell_change(change: WindowChange) -> list[str]:
    """
    What moved, a phrase a fact: `closes 2027-01-05 17:00 -> 2027-01-08 17:00 (3 days later)`.

    For a new window what it says. The first phrase is the most important one.
    """
    new, old = change.new, change.old
    if old is None:
        opens = f", opens {_text(new.opens_on, new.opens_time)}" if new.opens_on else ""
        return [f"closes {_text(new.closes_on, new.closes_time) or 'not known'}{opens}"]
    said: list[str] = []
    if "status" in change.fields:
        said.append(f"{old.status} -> {new.status}")
    for word in ("closes", "opens"):
        day, clock = f"{word}_on", f"{word}_time"
        if {day, clock, "zone"} & set(change.fields):
            was = (getattr(old, day), getattr(old, clock), old.zone)
            now = (getattr(new, day), getattr(new, clock), new.zone)
            if was[:2] != now[:2] or (was[1] and now[1]):  # another zone alone moves what has an hour
                said.append(f"{word} {_arrow(_text(*was[:2]), _text(*now[:2]))}{_by_how_much(was, now)}")
    if "zone" in change.fields:
        said.append(f"zone {old.zone} -> {new.zone}")
    for name in dict.fromkeys((*old.milestones, *new.milestones)):
        before, after = old.milestones.get(name), new.milestones.get(name)
        if before != after:
            said.append(f"{name} {_arrow(before, after)}")
    plain = ("election_on", "confidence", "state", "division", "office_level", "party_path", "incumbency")
    said += [f"{name} {_arrow(getattr(old, name), getattr(new, name))}" for name in plain if name in change.fields]
    return said or [f"another {', '.join(change.fields)}"]


def _arrow(before: str | None, after: str | None) -> str:
    return f"{before or 'not known'} -> {after or 'not known'}"


def _by_how_much(was: tuple[str | None, str | None, str], now: tuple[str | None, str | None, str]) -> str:
    """` (3 days later)`; nothing where one of the two is not known, or an hour appears or goes."""
    first, last = _at(*was), _at(*now)
    if first is None or last is None:
        return ""
    days = (date.fromisoformat(now[0] or "") - date.fromisoformat(was[0] or "")).days
    if days:
        return f" ({_count(abs(days), 'day')} {'later' if days > 0 else 'earlier'})"
    if not was[1] or not now[1]:
        return ""
    minutes = int((last - first).total_seconds()) // 60
    if not minutes:
        return ""
    hours, rest = divmod(abs(minutes), 60)
    amount = " ".join(part for part in (_count(hours, "hour") if hours else "", f"{rest} min" if rest else "") if part)
    return f" ({amount} {'later' if minutes > 0 else 'earlier'})"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
