"""
Lengths of time as directors write them: `3d`, `48h`, `1d 12h`, `2w`, `30min`.

Whole numbers with `w d h min`, largest first. `w` and `d` are calendar days and keep the wall time; `h` and `min` are
exact. `m` is refused, because it reads as minutes to some and as months to others.
"""

import difflib
import re
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Final

from rfs_mail.core.hints import settle
from rfs_mail.errors import TimeError

LONGEST_DAYS: Final = 3660  # ten years: beyond is a slip of the keyboard


@dataclass(frozen=True, slots=True)
class Duration:
    """
    Calendar days, then exact minutes. Both count in one direction: negative is backwards.

    A calendar day keeps the wall time, so it may have 23 or 25 hours: `1d` and `24h` are two things.
    """

    days: int = 0
    minutes: int = 0

    def __neg__(self) -> "Duration":
        return Duration(-self.days, -self.minutes)

    def __bool__(self) -> bool:
        return bool(self.days or self.minutes)

    @property
    def nominal(self) -> timedelta:
        """Its length where every day has 24 hours: for sorting and limits, never for computing an instant."""
        return timedelta(days=self.days, minutes=self.minutes)

    def __str__(self) -> str:
        """The text of its size, without a sign: `1d 12h`."""
        hours, minutes = divmod(abs(self.minutes), 60)
        parts = ((abs(self.days), "d"), (hours, "h"), (minutes, "min"))
        return " ".join(f"{count}{unit}" for count, unit in parts if count) or "0min"


_DAYS_OF: Final = {"w": 7, "d": 1}
_MINUTES_OF: Final = {"h": 60, "min": 1}
_UNITS: Final = (*_DAYS_OF, *_MINUTES_OF)
_UNIT_WORDS: Final = {
    **dict.fromkeys(("week", "weeks", "wk", "wks"), "w"),
    **dict.fromkeys(("day", "days"), "d"),
    **dict.fromkeys(("hour", "hours", "hr", "hrs"), "h"),
    **dict.fromkeys(("minute", "minutes", "mins", "m"), "min"),
}
_UNEVEN: Final = {
    **dict.fromkeys(("month", "months", "mo", "mon"), 30),
    **dict.fromkeys(("year", "years", "y", "yr", "yrs"), 365),
}
_PART = re.compile(r"(\d+)([.,]\d+)?(\s*)([A-Za-z]*)")
_HOUR = re.compile(r"\d+(?::\d|\s*[ap]\.?m\b)", re.I)  # `3d 10:00`: what follows is no part of the duration
_ADVICE: Final = "Write a whole number and a unit of w d h min, such as 3d"


@lru_cache(maxsize=4096)
def parse_duration(text: str) -> Duration:
    """
    A duration, never negative.

    Raises TimeError with a column (from 1) and, where the meaning can be guessed, the corrected text as `hint`.
    """
    try:
        return _parse(text)
    except TimeError as error:
        hint = settle(error.hint, _parse)
        advice = f"Write: {hint}" if hint else _ADVICE
        raise TimeError(f"{error}. {advice}", column=error.column, hint=hint) from None


def _parse(text: str) -> Duration:
    start = len(text) - len(text.lstrip())
    if start < len(text) and text[start] in "+-–—−":
        raise TimeError("A duration has no sign", column=start + 1, hint=text[start + 1 :].strip())
    duration, end = read_duration(text, start)
    rest = text[end:].strip()
    if rest:
        column = text.index(rest, end) + 1
        raise TimeError(f'Nothing may follow a duration, but "{rest}" does', column=column, hint=text[start:end])
    return duration


def read_duration(text: str, start: int) -> tuple[Duration, int]:
    """
    The duration that begins at `start` of a longer text, and where it ends.

    Raises TimeError whose message leaves the advice to its caller, with the whole text mended as `hint`.
    """
    amounts: dict[str, int] = {}
    at, end = start, start
    while (found := _PART.match(text, at)) and not (amounts and _HOUR.match(text, at)):
        unit = _read_unit(text, found)
        if unit in amounts:
            raise TimeError(f'"{unit}" stands twice in this duration, add the two up', column=at + 1)
        amounts[unit] = int(found[1])
        end = found.end()
        at = end + len(text[end:]) - len(text[end:].lstrip())
    if not amounts:
        word = text[start:].split(maxsplit=1)
        raise TimeError(f'"{word[0]}" is no duration' if word else "A duration is missing here", column=start + 1)
    in_order = [unit for unit in _UNITS if unit in amounts]
    if list(amounts) != in_order:
        tidy = " ".join(f"{amounts[unit]}{unit}" for unit in in_order)
        hint = (text[:start] + tidy + text[end:]).strip()
        raise TimeError("The parts of a duration go from large to small", column=start + 1, hint=hint)
    days = sum(amounts.get(unit, 0) * count for unit, count in _DAYS_OF.items())
    minutes = sum(amounts.get(unit, 0) * count for unit, count in _MINUTES_OF.items())
    if days + minutes / 1440 > LONGEST_DAYS:
        raise TimeError(f'"{text[start:end]}" is longer than ten years', column=start + 1)
    return Duration(days, minutes), end


def _read_unit(text: str, found: re.Match[str]) -> str:
    """The unit of one part; TimeError where number or unit are written another way."""
    count, fraction, _, word = found.groups()
    folded = word.casefold()
    unit = folded if folded in _UNITS else _UNIT_WORDS.get(folded, "")
    column, of_unit = found.start() + 1, found.start(4) + 1
    if fraction:
        raise _mistake(text, found, f'"{found[0].strip()}" is no whole number', column, _whole(found, unit))
    if not word:
        raise _mistake(text, found, f"{count} has no unit", column, None if text[found.end() :] else f"{count}d")
    if folded == "m":
        message = '"m" may be minutes or months: minutes are min, and months are written in days'
        raise _mistake(text, found, message, of_unit, f"{count}min")
    if folded in _UNEVEN:
        message = f'"{word}" is no unit, because they differ in length'
        raise _mistake(text, found, message, of_unit, f"{int(count) * _UNEVEN[folded]}d")
    if not unit:
        near = difflib.get_close_matches(folded, (*_UNITS, *_UNIT_WORDS), n=1, cutoff=0.5)
        guess = f"{count}{_UNIT_WORDS.get(near[0], near[0])}" if near else None
        raise _mistake(text, found, f'No unit "{word}"; there are w d h min', of_unit, guess)
    if found[0] != count + unit:
        raise _mistake(text, found, f'"{found[0]}" is not how a duration is written', column, count + unit)
    return unit


def _whole(found: re.Match[str], unit: str) -> str | None:
    """`1.5d` as `36h`: the same length in whole numbers of a smaller unit, or None."""
    amount = float(f"{found[1]}.{found[2][1:]}")
    minutes = amount * (_DAYS_OF.get(unit, 0) * 1440 + _MINUTES_OF.get(unit, 0))
    if not minutes or not minutes.is_integer():
        return None
    return f"{int(minutes) // 60}h" if minutes % 60 == 0 else f"{int(minutes)}min"


def _mistake(text: str, found: re.Match[str], message: str, column: int, fixed: str | None) -> TimeError:
    hint = None if fixed is None else (text[: found.start()] + fixed + text[found.end() :]).strip()
    return TimeError(message, column=column, hint=hint)
