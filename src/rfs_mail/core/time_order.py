"""
Which of two times comes first, whatever the dates turn out to be.

For `check`: file order is law, so a step that is certainly due before one above it is an error. What depends on a date,
on a person or on a clock change is not certain.
"""

from dataclasses import dataclass
from typing import Final

from rfs_mail.core.times import AnchorKind, Clock, TimeExpr

_DAY: Final = 24 * 60
_CHANGE: Final = 3 * 60  # no clock change of a place that files candidates is longer
_ZONES: Final = 26 * 60  # from the first zone of a day to the last


def provably_before(below: TimeExpr | None, above: TimeExpr | None) -> bool | None:
    """
    Whether `below`, which stands under `above` in the file, is certainly due before it.

    True: it is, an error. False: it certainly is not. None: it depends, or the two count from different anchors.
    A step without `at` (None) and one that counts from the step above it never come before it. Rolling to open hours
    is left aside.
    """
    if below is None or below.is_relative:
        return False
    if above is None or above.is_relative:
        return None
    literal = below.anchor.kind is AnchorKind.LITERAL and above.anchor.kind is AnchorKind.LITERAL
    if below.anchor != above.anchor and not literal:
        return None
    if below.wall is None and above.wall is None and below.anchor == above.anchor:
        return _same_hour(below, above)
    first, second = _span(below), _span(above)
    apart = 0 if _clock(below) == _clock(above) else _ZONES
    if first.latest + apart < second.earliest:
        return True
    if first.earliest - apart >= second.latest:
        return False
    return None


def _same_hour(below: TimeExpr, above: TimeExpr) -> bool | None:
    """Both keep the hour of their anchor, so days compare with days and minutes with minutes."""
    days = below.offset.days - above.offset.days
    minutes = below.offset.minutes - above.offset.minutes
    if not days or not minutes or (days < 0) == (minutes < 0):
        return days < 0 or minutes < 0
    total = days * _DAY + minutes
    return None if abs(total) <= _CHANGE else total < 0


@dataclass(frozen=True, slots=True)
class _Span:
    """Minutes from the start of the anchor's day; both ends can be met."""

    earliest: int
    latest: int


def _span(expr: TimeExpr) -> _Span:
    days, minutes = expr.offset.days, expr.offset.minutes
    if expr.anchor.day is not None:
        days += expr.anchor.day.toordinal()
    slack = _CHANGE if minutes else 0
    low, high = days * _DAY + minutes - slack, days * _DAY + minutes + _DAY - 1 + slack
    if expr.wall is None:
        return _Span(low, high)
    wall = expr.wall.hour * 60 + expr.wall.minute
    first, last = low // _DAY, high // _DAY
    # From an instant, an hour that is over on its day is that of the next (see timing.py); elsewhere days may be two.
    if expr.anchor.kind in (AnchorKind.ENTRY, AnchorKind.PERSON) and not expr.offset.days and not expr.counts_down:
        last += 1 if expr.clock is Clock.RECIPIENT else 2
    return _Span(first * _DAY + wall, last * _DAY + wall)


def _clock(expr: TimeExpr) -> str:
    """
    Whose clock shows the hour: that of `@`, else the anchor's own.

    The anchor's own is the office's for a window, the recipient's for a person's times and for a date, and for a
    calendar name one that is not known here.
    """
    if expr.wall is not None:
        return expr.zone or expr.clock.value
    if expr.needs_window:
        return Clock.OFFICE.value
    return "calendar" if expr.anchor.kind is AnchorKind.CALENDAR else Clock.RECIPIENT.value
