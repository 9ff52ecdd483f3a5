"""
The language of times in campaign files: `[ANCHOR] [+|- DURATION] [@ HH:MM [office]]`.

One grammar for `at`, `from`, `to`, `until`, `not_after` and `ends`. An anchor is one of

    entry  opens  closes  election  midpoint(opens, closes)  a milestone of the window  a calendar name
    a date field of the person (signed_up_at, custom.call_date)  a date (2026-12-03)

and none means: when the step above was done, skipped or timed out. `@ 10:00` is the recipient's clock,
`@ 10:00 office` that of the filing office; after a date a zone name may stand in its place. Names and words are written
in lower case, spaces are free. This file knows what a time says; `timing.py` computes when that is.
"""

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, time
from enum import StrEnum
from functools import lru_cache, partial
from typing import Final

from rfs_mail.core.duration import Duration, parse_duration, read_duration
from rfs_mail.core.hints import settle
from rfs_mail.core.local_time import find_zone
from rfs_mail.core.send_hours import read_clock
from rfs_mail.errors import TimeError

WINDOW_DATES: Final = ("opens", "closes", "election")
MILESTONES: Final = (
    "party_registration",
    "petition_opens",
    "petition_due",
    "challenge_closes",
    "withdrawal",
    "endorsement_class",
)
PERSON_DATES: Final = ("signed_up_at",)
NO_OFFSET: Final = Duration()


class AnchorKind(StrEnum):
    """What a time counts from."""

    PREVIOUS = "previous"  # the step above: done, skipped or timed out
    ENTRY = "entry"
    WINDOW = "window"  # opens, closes, election or a milestone
    MIDPOINT = "midpoint"  # halfway between two of them
    CALENDAR = "calendar"
    PERSON = "person"
    LITERAL = "literal"


class Clock(StrEnum):
    """Whose clock `@ HH:MM` is read from."""

    RECIPIENT = "recipient"
    OFFICE = "office"
    ZONE = "zone"


@dataclass(frozen=True, slots=True)
class Anchor:
    """
    What a time counts from.

    `name` is the name in `Anchors` (`closes`, `nrfod`, `custom.call_date`), "" for the step above and for a date;
    `until` the second name of a midpoint; `day` the date of a literal.
    """

    kind: AnchorKind
    name: str = ""
    until: str = ""
    day: date | None = None

    def __str__(self) -> str:
        if self.kind is AnchorKind.MIDPOINT:
            return f"midpoint({self.name}, {self.until})"
        return self.day.isoformat() if self.day else self.name


@dataclass(frozen=True, slots=True)
class TimeExpr:
    """
    One parsed time. Two that say the same are equal, however they were spaced; `str()` is the tidy text.

    `wall` is the hour after `@`, read from the clock that `clock` names (`zone` holds the IANA name for Clock.ZONE).
    """

    text: str = field(compare=False)
    anchor: Anchor
    offset: Duration = NO_OFFSET
    wall: time | None = None
    clock: Clock = Clock.RECIPIENT
    zone: str = ""
    is_relative: bool = field(init=False, repr=False, compare=False)
    """Whether it counts from the step above."""
    counts_down: bool = field(init=False, repr=False, compare=False)
    """Whether it lies before its anchor: `closes - 3d`. Such mail rolls earlier, all other later."""
    names: frozenset[str] = field(init=False, repr=False, compare=False)
    """The names it needs of `Anchors`: `{"closes"}`; empty for the step above and for a date."""

    def __post_init__(self) -> None:
        # Worked out once: they are asked for every person.
        object.__setattr__(self, "is_relative", self.anchor.kind is AnchorKind.PREVIOUS)
        object.__setattr__(self, "counts_down", self.offset.days < 0 or self.offset.minutes < 0)
        names = (self.anchor.name, self.anchor.until)
        object.__setattr__(self, "names", frozenset(name for name in names if name))

    @property
    def needs_window(self) -> bool:
        """Whether it means something only in a campaign `per: filing_window`."""
        return self.anchor.kind in (AnchorKind.WINDOW, AnchorKind.MIDPOINT)

    @property
    def needs_office(self) -> bool:
        """Whether it is read from the filing office's clock by `@ HH:MM office`."""
        return self.clock is Clock.OFFICE

    def __str__(self) -> str:
        parts = [] if self.is_relative else [str(self.anchor)]
        if self.offset:
            sign = "-" if self.counts_down else "+"
            parts.append(f"{sign}{self.offset}" if self.is_relative else f"{sign} {self.offset}")
        if self.wall is not None:
            parts.append(f"@ {self.wall:%H:%M}")
        if self.clock is not Clock.RECIPIENT:
            parts.append(self.zone or "office")
        return " ".join(parts) or "+0d"


@dataclass(frozen=True, slots=True)
class TimeNames:
    """
    The names a time may use besides `entry`: calendar names, milestones of windows, date fields of people.

    A name that is both a calendar name and a milestone (`endorsement_class`) is the calendar's.
    """

    calendar: frozenset[str] = frozenset()
    milestones: frozenset[str] = frozenset(MILESTONES)
    person_dates: frozenset[str] = frozenset(PERSON_DATES)

    @classmethod
    def of(
        cls,
        *,
        calendar: Iterable[str] = (),
        milestones: Iterable[str] = MILESTONES,
        person_dates: Iterable[str] = PERSON_DATES,
    ) -> "TimeNames":
        """The same from any iterables; `signed_up_at` is always a date of the person."""
        return cls(frozenset(calendar), frozenset(milestones), frozenset(person_dates) | frozenset(PERSON_DATES))

    def kind_of(self, name: str) -> AnchorKind | None:
        """The kind of an anchor name, or None for a name that is unknown."""
        if name == "entry":
            return AnchorKind.ENTRY
        if name in WINDOW_DATES:
            return AnchorKind.WINDOW
        if name in self.calendar:
            return AnchorKind.CALENDAR
        if name in self.milestones:
            return AnchorKind.WINDOW
        return AnchorKind.PERSON if name in self.person_dates else None

    def known(self) -> tuple[str, ...]:
        """Every name, in the order in which they are shown."""
        mine = sorted(self.calendar | self.milestones | self.person_dates)
        return tuple(dict.fromkeys(("entry", *WINDOW_DATES, *mine)))


_ADVICE: Final = "Write a time such as closes - 3d @ 10:00, +3d or @ 10:00"
_DASHES: Final = "–—−"
_SYNONYMS: Final = {
    **dict.fromkeys(("deadline", "closing", "close", "closes_at", "filing_closes"), "closes"),
    **dict.fromkeys(("opening", "open", "opens_at", "filing_opens"), "opens"),
    **dict.fromkeys(("start", "entered", "enrolled"), "entry"),
    **dict.fromkeys(("signup", "signed_up"), "signed_up_at"),
    "election_day": "election",
}
_NAME = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")
_DATE = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})(?!\d)")
_OTHER_DATE = re.compile(r"(\d{4})[/.](\d{1,2})[/.](\d{1,2})(?!\d)")
_BACKWARDS = re.compile(r"\s*(\d[\d\sA-Za-z]*?)\s+(before|after)\s+(.*)", re.I | re.S)
_HOUR = re.compile(r"\s*(\d{1,2}):(\d{2})(?!\d)(?!\s*[ap]\.?m\b)", re.I)
_LOOSE_HOUR = re.compile(r"\s*([\d:.]+\s*(?:[ap]\.?m\b\.?)?)", re.I)


@lru_cache(maxsize=4096)
def parse_time(text: str, *, names: TimeNames) -> TimeExpr:
    """
    One time of a campaign file.

    Raises TimeError in plain words with a column (from 1) and, where the meaning can be guessed, the corrected text
    as `hint`.
    """
    try:
        return _parse(text, names)
    except TimeError as error:
        hint = settle(error.hint, partial(_parse, names=names))
        advice = f"Write: {hint}" if hint else _ADVICE
        raise TimeError(f"{error}. {advice}", column=error.column, hint=hint) from None


# Below, errors say what is wrong and leave the advice to parse_time; their `hint` is the text with this one thing
# mended.


def _parse(text: str, names: TimeNames) -> TimeExpr:
    if not text.strip():
        raise TimeError("A time is missing")
    if found := _BACKWARDS.match(text):
        raise TimeError("The anchor comes first", column=found.start(1) + 1, hint=_turned(found))
    head, at_sign, tail = text.partition("@")
    anchor, end = _read_anchor(text, head, names)
    offset = _read_offset(text, head, end, anchor)
    if not at_sign:
        return TimeExpr(text, anchor, offset)
    wall, clock, zone = _read_hour(text, len(head) + 1, tail, anchor)
    return TimeExpr(text, anchor, offset, wall, clock, zone)


def _turned(found: re.Match[str]) -> str:
    """`3 days before closes @ 10:00` as `closes - 3d @ 10:00`."""
    amount, word, rest = found.groups()
    try:
        parse_duration(amount)
    except TimeError as error:
        amount = error.hint or amount
    anchor, at_sign, tail = rest.partition("@")
    sign = "-" if word.casefold() == "before" else "+"
    return " ".join(f"{anchor} {sign} {amount} {at_sign}{tail}".split())


def _skip(text: str, at: int) -> int:
    """The next place that is no space."""
    return len(text) - len(text[at:].lstrip())


def _replaced(text: str, start: int, end: int, new: str) -> str:
    return (text[:start] + new + text[end:]).strip()


def _read_anchor(text: str, head: str, names: TimeNames) -> tuple[Anchor, int]:
    """What stands before the sign (PREVIOUS where there is nothing), and where it ends."""
    at = _skip(head, 0)
    if at == len(head) or head[at] in "+-" + _DASHES:
        return Anchor(AnchorKind.PREVIOUS), at
    if found := _DATE.match(head, at):
        return Anchor(AnchorKind.LITERAL, day=_read_date(text, found)), found.end()
    if head[at].isdigit():
        raise _number_first(text, head, at)
    name = _NAME.match(head, at)
    if not name:
        raise TimeError(f'"{head[at:].strip()}" is no time', column=at + 1)
    if head[_skip(head, name.end()) :].startswith("("):
        return _read_midpoint(text, head, name, names)
    kind, known = _look_up(text, name, names)
    return Anchor(kind, known), name.end()


def _read_date(text: str, found: re.Match[str]) -> date:
    column = found.start() + 1
    year, month, day = int(found[1]), int(found[2]), int(found[3])
    if not 2000 <= year < 2200:
        raise TimeError(f"The year {year} cannot be meant; years run from 2000 to 2199", column=column)
    try:
        result = date(year, month, day)
    except ValueError:
        raise TimeError(f"There is no day {found[0]} in the calendar", column=column) from None
    if found[0] != result.isoformat():
        hint = _replaced(text, found.start(), found.end(), result.isoformat())
        raise TimeError("A date has two digits for month and day", column=column, hint=hint)
    return result


def _number_first(text: str, head: str, at: int) -> TimeError:
    """What is wrong where a time begins with a digit and is no date."""
    rest = head[at:].strip()
    if found := _OTHER_DATE.match(text, at):
        hint = _replaced(text, at, found.end(), f"{found[1]}-{found[2]:0>2}-{found[3]:0>2}")
        return TimeError("A date is written year-month-day", column=at + 1, hint=hint)
    if re.match(r"\d+[/.-]\d+[/.-]\d+", rest):
        return TimeError("A date is written year-month-day, such as 2026-12-03", column=at + 1)
    if re.search(r"\D", rest) and read_clock(rest) is not None:
        return TimeError("An hour stands behind @", column=at + 1, hint="@ " + text[at:].strip())
    signed = "+" + text[at:].strip() if re.match(r"\d+([.,]\d+)?\s*[A-Za-z]", rest) else None
    return TimeError(f'"{rest}" has no anchor, and a time without one begins with +', column=at + 1, hint=signed)


def _look_up(text: str, found: re.Match[str], names: TimeNames) -> tuple[AnchorKind, str]:
    """The kind and the name of an anchor; TimeError with the nearest known name."""
    name = found[0].removeprefix("person.")
    kind = names.kind_of(name)
    if kind is not None:
        return kind, name
    folded = name.casefold()
    near = difflib.get_close_matches(folded, names.known(), n=1, cutoff=0.6)
    fields = {known.rpartition(".")[2]: known for known in names.person_dates}
    for guess in (folded, _SYNONYMS.get(folded), fields.get(folded), *near):
        if guess is not None and names.kind_of(guess):
            hint = _replaced(text, found.start(), found.end(), guess)
            raise TimeError(f'No anchor "{found[0]}"; nearest: {guess}', column=found.start() + 1, hint=hint)
    choices = ", ".join(names.known())
    raise TimeError(f'No anchor "{found[0]}". There are: {choices}, and dates', column=found.start() + 1)


def _read_midpoint(text: str, head: str, name: re.Match[str], names: TimeNames) -> tuple[Anchor, int]:
    column = name.start() + 1
    call = re.compile(r"\s*\(([^()]*)\)").match(head, name.end())
    if not call:
        raise TimeError(f'The bracket of "{name[0]}(" is not closed', column=name.end() + 1)
    if name[0] != "midpoint":
        near = difflib.get_close_matches(name[0].casefold(), ("midpoint", "middle", "mid", "between"), n=1)
        hint = _replaced(text, name.start(), name.end(), "midpoint") if near else None
        raise TimeError(f'"{name[0]}" takes no brackets; midpoint(opens, closes) does', column=column, hint=hint)
    parts = [part.strip() for part in call[1].split(",")]
    if len(parts) != 2 or not all(parts) or parts[0] == parts[1]:
        hint = _replaced(text, name.end(), call.end(), "(opens, closes)")
        raise TimeError("midpoint takes two dates of the window", column=name.end() + 1, hint=hint)
    chosen: list[str] = []
    place = call.start(1)
    for part in parts:
        place = head.index(part, place)
        word = _NAME.fullmatch(head, place, place + len(part))
        known = _look_up(text, word, names)[1] if word else part
        if known not in WINDOW_DATES and known not in names.milestones:
            raise TimeError(f'"{part}" is no date of the window; midpoint takes two of those', column=place + 1)
        chosen.append(known)
        place += len(part)
    return Anchor(AnchorKind.MIDPOINT, chosen[0], chosen[1]), call.end()


def _read_offset(text: str, head: str, end_of_anchor: int, anchor: Anchor) -> Duration:
    """What stands between the anchor and `@`: nothing, or a sign and a duration. Signed."""
    at = _skip(head, end_of_anchor)
    if at == len(head):
        return NO_OFFSET
    if head[at] in _DASHES:
        raise TimeError(f'"{head[at]}" is a dash, not a minus', column=at + 1, hint=_replaced(text, at, at + 1, "-"))
    if head[at] not in "+-":
        raise _no_sign(text, head, at, anchor)
    if head[at] == "-" and anchor.kind in (AnchorKind.PREVIOUS, AnchorKind.ENTRY):
        past = "the step above was done" if anchor.kind is AnchorKind.PREVIOUS else "a person entered"
        hint = _replaced(text, at, at + 1, "+")
        raise TimeError(f"Nothing can be due before {past}", column=at + 1, hint=hint)
    start = _skip(head, at + 1)
    try:
        duration, end = read_duration(head, start)
    except TimeError as error:
        mended = f"{error.hint} {text[len(head) :]}".strip() if error.hint else None
        raise TimeError(str(error), column=error.column, hint=mended) from None
    rest = _skip(head, end)
    if rest < len(head):
        raise _after_offset(text, head, end, rest)
    return -duration if head[at] == "-" else duration


def _no_sign(text: str, head: str, at: int, anchor: Anchor) -> TimeError:
    """What is wrong where a sign should stand."""
    rest = head[at:].strip()
    if not re.fullmatch(r"\d+", rest) and read_clock(rest.removeprefix("T").removesuffix(":00")) is not None:
        hour = rest.removeprefix("T").removesuffix(":00") if rest.count(":") == 2 else rest.removeprefix("T")
        hint = _replaced(text, at, len(head.rstrip()), f" @ {hour}")
        return TimeError("An hour stands behind @", column=at + 1, hint=" ".join(hint.split()))
    if rest[0].isdigit():
        sign = "-" if anchor.kind in (AnchorKind.WINDOW, AnchorKind.MIDPOINT, AnchorKind.CALENDAR) else "+"
        hint = _replaced(text, at, at, f"{sign} ")
        return TimeError("Between anchor and duration stands - (before) or + (after)", column=at + 1, hint=hint)
    return TimeError(f'"{rest}" is not understood behind an anchor', column=at + 1)


def _after_offset(text: str, head: str, end: int, at: int) -> TimeError:
    """What is wrong behind a duration."""
    rest = head[at:].strip()
    if rest[0] in "+-":
        hint = _replaced(text, end, _skip(head, at + 1), " ")
        return TimeError("One sign is enough; the parts of a duration stand side by side", column=at + 1, hint=hint)
    if read_clock(rest) is not None:
        return TimeError("An hour stands behind @", column=at + 1, hint=_replaced(text, at, at, "@ "))
    if rest == "office" and text[len(head) :]:
        return TimeError(
            '"office" stands behind the hour', column=at + 1, hint=_replaced(text, end, len(head), " ") + " office"
        )
    return TimeError(f'"{rest}" is not understood behind a duration', column=at + 1)


def _read_hour(text: str, start: int, tail: str, anchor: Anchor) -> tuple[time, Clock, str]:
    """The hour behind `@`, whose clock shows it, and the zone name where one is given. `tail` is `text[start:]`."""
    written = _HOUR.match(tail)
    if not written:
        raise _no_hour(text, start, tail)
    hour, minute = int(written[1]), int(written[2])
    if hour > 23 or minute > 59:
        message = f"There is no hour {written[0].strip()}; hours run from 00:00 to 23:59"
        raise TimeError(message, column=start + written.start(1) + 1)
    wall = time(hour, minute)
    rest = tail[written.end() :].strip()
    if rest in ("", "office"):
        return wall, Clock.OFFICE if rest else Clock.RECIPIENT, ""
    return wall, Clock.ZONE, _read_zone(text, _skip(text, start + written.end()), anchor)


def _no_hour(text: str, start: int, tail: str) -> TimeError:
    column = _skip(text, start) + 1
    loose = _LOOSE_HOUR.match(tail)
    meant = read_clock(loose[1]) if loose else None
    if loose is None or meant is None:
        return TimeError(f'Behind @ stands an hour, not "{tail.strip()}"', column=min(column, len(text)))
    hint = _replaced(text, start, start + loose.end(), f" {meant:%H:%M}")
    return TimeError(f'"{loose[1].strip()}" is not how an hour is written', column=column, hint=hint)


def _read_zone(text: str, at: int, anchor: Anchor) -> str:
    """The zone name that stands behind an hour; TimeError for all the other things that may stand there."""
    rest, before, column = text[at:].strip(), text[:at].strip(), at + 1
    if "@" in rest:
        raise TimeError("One @ is enough", column=text.index("@", at) + 1)
    if rest[0] in "+-" + _DASHES:
        head, _, hour = before.partition("@")
        raise TimeError("The duration stands before the hour", column=column, hint=f"{head}{rest} @{hour}".strip())
    if rest.casefold() in ("recipient", "local", "her time", "his time", "their time", "local time"):
        raise TimeError("@ means the recipient's clock already", column=column, hint=before)
    if difflib.get_close_matches(rest.casefold(), ("office", "office time", "office's"), n=1, cutoff=0.6):
        raise TimeError(f'"{rest}" is no clock', column=column, hint=f"{before} office")
    if anchor.kind is not AnchorKind.LITERAL:
        message = f'"{rest}" is no clock; a time zone goes with a date alone, elsewhere it is office or nothing'
        raise TimeError(message, column=column, hint=f"{before} office")
    try:
        return find_zone(rest).key
    except TimeError as error:
        hint = f"{before} {error.hint}" if error.hint else None
        raise TimeError(f'No time zone "{rest}"', column=column, hint=hint) from None
