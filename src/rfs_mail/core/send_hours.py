"""
When mail may leave: days of the week and a band of hours, on the recipient's clock; and how fast.

A band holds its first moment and not its last: `09:00-20:00` sends at 09:00:00 and no longer at 20:00:00.
"""

import difflib
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from rfs_mail.core.hints import settle
from rfs_mail.core.local_time import MIDNIGHT, change_on, local_instant
from rfs_mail.errors import TimeError

DAY_NAMES: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
DAY_MINUTES: Final = 24 * 60

# Mail moved to an earlier day is planned this long before the hours end: planned for the last moment itself, it would
# find the gate shut and leave after all too late.
LEAD: Final = timedelta(hours=1)

# Long enough for a rule of one hour a week whose one hour a clock change swallows.
_SEARCH_DAYS: Final = 22


@dataclass(frozen=True, slots=True)
class SendHours:
    """A band of the day in minutes after midnight, `start` in 0..1439, `start < end <= 1440`, the end not included."""

    start: int = 0
    end: int = DAY_MINUTES

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end <= DAY_MINUTES:
            raise TimeError(f"Hours begin before they end, within one day: {self.start}..{self.end} minutes do not.")

    def __str__(self) -> str:
        if self == ANY_HOUR:
            return "any"
        return f"{self.start // 60:02}:{self.start % 60:02}-{self.end // 60:02}:{self.end % 60:02}"


ANY_HOUR: Final = SendHours()


@dataclass(frozen=True, slots=True)
class SendDays:
    """Days of the week, Monday 0 to Sunday 6, at least one."""

    weekdays: frozenset[int] = frozenset(range(7))

    def __post_init__(self) -> None:
        if not self.weekdays or not self.weekdays <= frozenset(range(7)):
            raise TimeError("Name at least one day of the week, such as Mon-Sat, or any.")

    def __str__(self) -> str:
        if self == ANY_DAY:
            return "any"
        parts: list[str] = []
        for day in sorted(self.weekdays):
            if day - 1 in self.weekdays:
                parts[-1] = f"{parts[-1].partition('-')[0]}-{DAY_NAMES[day]}"
            else:
                parts.append(DAY_NAMES[day])
        return ",".join(parts)


ANY_DAY: Final = SendDays()


@dataclass(frozen=True, slots=True)
class SendRules:
    """The days and hours at which a mail may leave, on its recipient's clock."""

    days: SendDays = ANY_DAY
    hours: SendHours = ANY_HOUR

    @property
    def opens_at(self) -> time:
        """The first minute of the day at which mail may leave."""
        return time(self.hours.start // 60, self.hours.start % 60)

    def __str__(self) -> str:
        return f"{self.days} {self.hours}"


DEFAULT_RULES: Final = SendRules(SendDays(frozenset(range(6))), SendHours(9 * 60, 20 * 60))


@dataclass(frozen=True, slots=True)
class Rate:
    """So many in so long: `count` at least 1, `seconds` the length of the unit it was given in."""

    count: int
    seconds: int

    @property
    def per_second(self) -> float:
        """Items a second."""
        return self.count / self.seconds

    def __str__(self) -> str:
        unit = next((word for word, seconds in _RATE_UNITS.items() if seconds == self.seconds), f"{self.seconds}s")
        return f"{self.count}/{unit}"


_RATE_UNITS: Final = {"s": 1, "min": 60, "h": 3600, "d": 86400}
_RATE_WORDS: Final = {
    **dict.fromkeys(("s", "sec", "second", "seconds"), "s"),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), "min"),
    **dict.fromkeys(("h", "hr", "hour", "hours"), "h"),
    **dict.fromkeys(("d", "day", "days"), "d"),
}
_HOURS_LIKE = re.compile(r"([0-9:.]+\s*(?:[ap]\.?m\.?)?)\s*(?:-|–|—|to|until)\s*([0-9:.]+\s*(?:[ap]\.?m\.?)?)", re.I)
_CLOCK_LIKE = re.compile(r"(\d{1,2})(?:[:.](\d{2}))?\s*(?:([ap])\.?m\.?)?", re.I)


def read_clock(text: str) -> time | None:
    """
    The hour somebody meant by `9:00`, `9.00`, `9`, `9am` or `5:30 pm`; None where that is no hour of a day.

    For hints: what is accepted is `HH:MM` alone.
    """
    found = _CLOCK_LIKE.fullmatch(text.strip())
    if not found:
        return None
    hour, minute = int(found[1]), int(found[2] or 0)
    if found[3]:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if found[3] in "pP" else 0)
    return time(hour, minute) if hour < 24 and minute < 60 else None


def parse_send_hours(text: str) -> SendHours:
    """
    `09:00-20:00`, or `any`. The end may be 24:00.

    Raises TimeError with a column, and a hint where the meaning can be guessed.
    """
    bare = text.strip()
    if bare == "any":
        return ANY_HOUR
    at = text.find(bare) + 1 if bare else 1
    found = re.fullmatch(r"(\d{1,2}):(\d{2})\s*-\s*(\d{1,2}):(\d{2})", bare)
    if not found:
        hint = _guess_hours(bare)
        advice = f"Write: {hint}" if hint else "Write: 09:00-20:00, or any"
        raise TimeError(f'"{bare}" is no band of hours. {advice}', column=at, hint=hint)
    start, end = int(found[1]) * 60 + int(found[2]), int(found[3]) * 60 + int(found[4])
    for group, minutes, most in ((1, start, DAY_MINUTES - 1), (3, end, DAY_MINUTES)):
        if int(found[group + 1]) > 59 or minutes > most:
            clock = bare[found.start(group) : found.end(group + 1)]
            raise TimeError(f'There is no hour "{clock}".', column=at + found.start(group))
    if start >= end:
        raise TimeError(
            f'The hours "{bare}" end before they begin. A band lies within one day, such as 09:00-20:00.', column=at
        )
    return SendHours(start, end)


def _guess_hours(text: str) -> str | None:
    if text.casefold() in ("any", "all", "always", "24/7", "*"):
        return "any"
    found = _HOURS_LIKE.fullmatch(text)
    start, end = (read_clock(found[1]), read_clock(found[2])) if found else (None, None)
    if start is None or end is None or start >= end:
        return None
    return f"{start:%H:%M}-{end:%H:%M}"


def parse_days(text: str) -> SendDays:
    """
    `Mon-Sat`, `Mon,Wed`, `Sat-Mon`, `Mon-Wed, Fri`, or `any`; upper and lower case alike.

    Raises TimeError with a column, and a hint where the meaning can be guessed.
    """
    try:
        return _read_days(text)
    except TimeError as error:
        hint = settle(error.hint, _read_days)
        advice = f"Write: {hint}" if hint else "Write: Mon-Sat, or Mon,Wed, or any"
        raise TimeError(f"{error}. {advice}", column=error.column, hint=hint) from None


_WHOLE_WEEKS: Final = {
    **dict.fromkeys(("any", "all", "always", "daily", "every day"), "any"),
    **dict.fromkeys(("weekdays", "workdays", "business days"), "Mon-Fri"),
    **dict.fromkeys(("weekend", "weekends"), "Sat,Sun"),
}
_LONG_DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def _read_days(text: str) -> SendDays:
    bare = text.strip()
    if bare == "any":
        return ANY_DAY
    if bare.casefold() in _WHOLE_WEEKS:
        raise TimeError(f'"{bare}" is no list of days', column=text.find(bare) + 1, hint=_WHOLE_WEEKS[bare.casefold()])
    joined = re.sub(r"\s*(?:[–—−]|\bto\b|\bthrough\b)\s*", "-", bare, flags=re.I)
    joined = re.sub(r"\s*(?:\band\b|[;&+])\s*|(?<=[a-z])\s+(?=[a-z])", ",", joined, flags=re.I)
    if joined != bare:
        raise TimeError('Days are joined by "-" and ","', hint=joined)
    chosen: set[int] = set()
    column = 1
    for part in text.split(","):
        ends = part.split("-")
        if len(ends) > 2:
            raise TimeError(f'"{part.strip()}" has two dashes', column=column)
        first = _weekday(text, ends[0], column)
        last = _weekday(text, ends[-1], column + len(part) - len(ends[-1]))
        chosen.update((first + step) % 7 for step in range((last - first) % 7 + 1))
        column += len(part) + 1
    return SendDays(frozenset(chosen))


def _weekday(text: str, word: str, column: int) -> int:
    """The day that `word` names, which stands at `column` of `text`."""
    name = word.strip()
    column += len(word) - len(word.lstrip())
    for number, known in enumerate(DAY_NAMES):
        if name.casefold() == known.casefold():
            return number
    if not name:
        raise TimeError("A day is missing here", column=column)
    near = difflib.get_close_matches(
        name.casefold(), (*_LONG_DAYS, *(day.casefold() for day in DAY_NAMES)), n=1, cutoff=0.6
    )
    hint = None
    if near:
        hint = text[: column - 1] + near[0][:3].capitalize() + text[column - 1 + len(name) :]
    raise TimeError(f'No day "{name}"; there are Mon Tue Wed Thu Fri Sat Sun', column=column, hint=hint)


def parse_rate(text: str) -> Rate:
    """
    `25000/h`: a whole number and a unit of `s min h d`.

    Raises TimeError with a column, and a hint where the meaning can be guessed.
    """
    bare = text.strip()
    column = text.find(bare) + 1 if bare else 1
    found = re.fullmatch(r"(\d+)\s*/\s*(s|min|h|d)", bare)
    if found:
        count = int(found[1])
        if not count:
            raise TimeError("A rate of 0 never sends. Pause the campaign instead.", column=column)
        return Rate(count, _RATE_UNITS[found[2]])
    hint = None
    loose = re.fullmatch(r"(\d[\d,_' ]*)(k?)\s*(?:/|per|an?)\s*([a-z]+)", bare, re.I)
    if loose and loose[3].casefold() in _RATE_WORDS:
        count = int(re.sub(r"\D", "", loose[1])) * (1000 if loose[2] else 1)
        hint = f"{count}/{_RATE_WORDS[loose[3].casefold()]}" if count else None
    advice = f"Write: {hint}" if hint else "Write: 25000/h, with s, min, h or d after the stroke"
    raise TimeError(f'"{bare}" is no rate. {advice}', column=column, hint=hint)


def is_open(instant: datetime, rules: SendRules, zone: ZoneInfo) -> bool:
    """Whether mail to somebody in `zone` may leave at this instant."""
    local = instant.astimezone(zone)
    return (
        rules.hours.start <= local.hour * 60 + local.minute < rules.hours.end and local.weekday() in rules.days.weekdays
    )


def next_opening(instant: datetime, rules: SendRules, zone: ZoneInfo) -> datetime:
    """
    The first instant at or after this one at which mail may leave (UTC).

    Raises OverflowError at the end of the calendar (year 9999).
    """
    if is_open(instant, rules, zone):
        return instant.astimezone(UTC)
    day = instant.astimezone(zone).date()
    for offset in range(_SEARCH_DAYS):
        for opening in _openings(day + timedelta(days=offset), rules, zone):
            if opening >= instant:
                return opening
    raise AssertionError(f"no opening of {rules} in {zone} within {_SEARCH_DAYS} days of {instant}")


def last_opening(instant: datetime, rules: SendRules, zone: ZoneInfo) -> datetime:
    """
    The instant before this one at which mail may leave that fits best what was meant (UTC).

    An instant that is open stays. On a day without mail it is the same hour of the last day with mail. Outside the
    hours, it is LEAD before the last hours end, or their first minute where they are shorter. Raises OverflowError at
    the start of the calendar (year 1).
    """
    if is_open(instant, rules, zone):
        return instant.astimezone(UTC)
    local = instant.astimezone(zone)
    day = local.date()
    if local.weekday() not in rules.days.weekdays:
        for offset in range(1, _SEARCH_DAYS):
            same = local_instant(day - timedelta(days=offset), local.time(), zone)
            if is_open(same, rules, zone):
                return same
    for offset in range(_SEARCH_DAYS):
        earlier = day - timedelta(days=offset)
        for opening in reversed(_openings(earlier, rules, zone)):
            late = _minute_of(earlier, rules.hours.end, zone) - LEAD
            if opening < late <= instant and is_open(late, rules, zone):
                return late
            if opening <= instant:
                return opening
    raise AssertionError(f"no opening of {rules} in {zone} within {_SEARCH_DAYS} days before {instant}")


@lru_cache(maxsize=8192)
def _openings(day: date, rules: SendRules, zone: ZoneInfo) -> tuple[datetime, ...]:
    """
    The instants at which the band opens on this local day, in order: none or one.

    Two on a day whose clocks go back over an edge of the band.
    """
    if day.weekday() not in rules.days.weekdays:
        return ()
    start = _minute_of(day, rules.hours.start, zone)
    candidates = {start}
    change = change_on(day, zone)
    if change is not None:
        again = start.astimezone(zone).replace(fold=1).astimezone(UTC)
        candidates |= {change, again}
    just_before = timedelta(microseconds=1)
    return tuple(
        candidate
        for candidate in sorted(candidates)
        if is_open(candidate, rules, zone)
        and candidate.astimezone(zone).date() == day
        and (candidate == start or not is_open(candidate - just_before, rules, zone))
    )


def _minute_of(day: date, minute: int, zone: ZoneInfo) -> datetime:
    if minute == DAY_MINUTES:
        return local_instant(day + timedelta(days=1), MIDNIGHT, zone)
    return local_instant(day, time(minute // 60, minute % 60), zone)
