"""
Warm-up: a From domain that nobody knows yet begins small at each operator and grows while it is welcome.

No standard says how; what is published begins with 10 to 50 a day and comes to hundreds within two or three weeks. Here
each day allows half as many again as the day before, if the day before went well.
"""

import math
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Final

HARD: Final = 0.02
DEFERRED: Final = 0.05
COMPLAINED: Final = 0.001
"""A day on which no share reaches its limit went well; twice the limit is bad."""

BAD_NUMBER: Final = 3
"""So many at least make a day bad: one complaint of fifty is no share of anything."""

IDLE: Final = timedelta(days=30)
"""After so long without mail an operator has forgotten us."""


@dataclass(frozen=True, slots=True)
class RampRules:
    """What the settings say about one From domain."""

    started: date
    """The first day (UTC). Another day begins every ramp of the domain anew."""
    cap: int = 50
    """Mails an operator on the first day."""
    growth: float = 1.5
    """Times so many on the day after one that went well; above 1."""
    enough: int = 10_000
    """From so many a day on it is warm, and no cap holds any more."""


@dataclass(frozen=True, slots=True)
class Ramp:
    """Where one From domain stands with one operator on the day `on` (UTC)."""

    started: date
    on: date
    last_on: date
    """The last day on which mail went there."""
    cap: int | None
    """Mails that may go that day; None: it is warm."""
    day: int = 1
    """The how-manieth day of the ramp."""
    used: int = 0
    """Given out that day, less what came back unsent."""
    sent: int = 0
    hard: int = 0
    deferred: int = 0
    complained: int = 0
    because: str = ""
    """Why the cap is what it is."""

    @property
    def room(self) -> int | None:
        """How many more may go that day; None: no limit."""
        return None if self.cap is None else max(0, self.cap - self.used)


def today(ramp: Ramp | None, rules: RampRules, day: date) -> Ramp:
    """
    The ramp as it stands on `day`: as it was, or with the page turned and the cap grown, held or halved.

    A day in the past changes nothing: time may stand still, it does not run back.
    """
    if ramp is None or ramp.started != rules.started:
        return Ramp(rules.started, day, day, rules.cap, because="the first day")
    if day <= ramp.on:
        return ramp
    last_on = ramp.on if ramp.used else ramp.last_on
    if day - last_on >= IDLE:
        idle = f"no mail for {(day - last_on).days} days: it begins anew"
        return Ramp(rules.started, day, day, rules.cap, because=idle)
    cap, because = (None, "warm") if ramp.cap is None else _next(ramp, ramp.cap, rules)
    return Ramp(rules.started, day, last_on, cap, ramp.day + 1, because=because)


def _next(ramp: Ramp, cap: int, rules: RampRules) -> tuple[int | None, str]:
    """The next day's cap, by how this day went."""
    tried = ramp.sent + ramp.hard + ramp.deferred
    shares = [
        ("bounced for good", ramp.hard, tried, HARD),
        ("were deferred", ramp.deferred, tried, DEFERRED),
        ("were reported as spam", ramp.complained, max(ramp.sent, ramp.complained), COMPLAINED),
    ]
    for what, count, of, limit in shares:
        if count >= BAD_NUMBER and count >= 2 * limit * of:
            return max(1, rules.cap // 5, cap // 2), f"halved: {count} of {of} {what}"
    for what, count, of, limit in shares:
        if count and count >= limit * of:
            return cap, f"held: {count} of {of} {what}"
    if 2 * ramp.sent < cap:
        return cap, f"held: only {ramp.sent} of {cap} went the day before"
    grown = math.ceil(cap * rules.growth)
    return (None, "warm") if grown >= rules.enough else (grown, f"grown: {ramp.sent} went well the day before")


def taken(ramp: Ramp, count: int) -> Ramp:
    """So many were given out."""
    return replace(ramp, used=ramp.used + count, last_on=ramp.on if count else ramp.last_on)
