"""
How fast one receiving operator is sent to, and what its "slow down" teaches.

Halve at once, recover slowly: a throttled operator rests, starts again at half the speed it was getting, and gains a
twentieth of the old speed every five minutes. Everything is worked out from what was stored at the last throttling and
the time, so that nothing has to be written while it recovers, and a restart forgets nothing.
"""

import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from rfs_mail.core.verdict import Deferred, Phase, Scope, Verdict

SLOWEST: Final = 1 / 60
"""Mails a second that are tried however often an operator complained: somebody has to ask whether it is over."""

LEAST_SEEN: Final = 10 / 60
"""The least speed, a second, that an operator is taken to have had: one lonely mail is no measure."""

STEP: Final = timedelta(minutes=5)
"""How often a speed goes up again."""

GAIN: Final = 1 / 20
"""By how much of the old speed."""

FREE_AT: Final = 2.0
"""The learnt speed is dropped where it has come to so many times what was too much."""

LONGEST_REST: Final = timedelta(hours=4)

PASS: Final = timedelta(milliseconds=250)
"""How often dispatch gives out: what is on its way may have arrived by the next pass, not before."""

HORIZON: Final = timedelta(minutes=10)
"""Nothing is put off for longer than this because of a speed: it may have changed by then."""


# -- hearing it --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Throttled:
    """An operator said that we are too fast. `rest`: how long nothing goes to it, the first time."""

    rule: str
    rest: timedelta


_RULES: Final = tuple(
    (rule, re.compile(pattern, re.IGNORECASE), timedelta(minutes=minutes))
    for rule, pattern, minutes in (
        # Yahoo names its rules; https://senders.yahooinc.com/smtp-error-codes/
        ("TSS05", r"\[TSS?05\]", 240),
        ("TSS04", r"\[TSS?04\]", 120),
        ("TSS", r"\[TSS?\d\d\]", 60),
        # Google: 4.7.0 / 4.7.28, "unusual rate of unsolicited mail originating from your IP address"
        ("unusual rate", r"unusual (?:rate|amount|volume)", 30),
        # Microsoft: 421 RP-001..003, 4.7.500 "Server busy", 4.7.650 and on
        ("reputation", r"rate.?limited due to ip reputation|\bRP-00\d\b", 60),
        ("server busy", r"server (?:is )?(?:too )?busy", 15),
        ("4.7.65x", r"\b4\.7\.(?:500|65\d)\b", 15),
        # Comcast: RL000001..3
        ("RL", r"\bRL\d{6}\b", 15),
        (
            "rate limited",
            r"rate.?limit|throttl|temporarily deferred|slow(?:ing)? down|too (?:fast|quickly)"
            r"|too (?:many|much) (?:messages|mails?|e-?mails?|connections|concurrent|requests|deliver|sessions|traffic)"
            r"|(?:messages?|connections?|sending|delivery|mail) (?:rate|limit)s? (?:\w+ )?exceeded"
            r"|exceed\w* (?:\w+ ){0,4}(?:messages?|connections?|sending|rate|hourly)[ -](?:\w+ )?(?:rate|limit|quota)",
            5,
        ),
    )
)

_NO_THROTTLE: Final = re.compile(
    r"gr[ea]y-?list"  # told to come back, as everybody is the first time
    r"|user you are trying to contact is (?:receiving|getting)|inbox is receiving"  # about her mailbox
    r"|too many recipients|mail ?box (?:is )?full|over ?quota|storage",
    re.IGNORECASE,
)


def throttled(verdict: Verdict) -> Throttled | None:
    """
    Whether this answer says that the operator wants less from us; None for every other answer.

    Only 421, 450, 451 and 452 in a transaction can say it; what is said before a recipient was named is the relay's
    own, but for 421, which may come at any time (RFC 5321 section 3.8). Greylisting, a full mailbox, a mailbox that
    gets too much from everybody, and too many recipients in one mail are not about our speed.
    """
    if not isinstance(verdict, Deferred) or verdict.code not in (421, 450, 451, 452):
        return None
    if verdict.phase not in (Phase.MAIL, Phase.RCPT, Phase.DATA, Phase.DOT) or verdict.scope is Scope.SENDER:
        return None
    if verdict.status in ("4.2.2", "4.5.3") or _NO_THROTTLE.search(verdict.text):
        return None
    for rule, pattern, rest in _RULES:
        if pattern.search(verdict.text):
            return Throttled(rule, rest)
    return None


# -- learning from it --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Learnt:
    """What an operator taught us at its last throttling."""

    rate: float
    """Deliveries a second, from `rests_until` on."""
    ceiling: float
    """What was too much."""
    rests_until: datetime
    """Nothing goes before; recovery counts from here."""
    strikes: int = 1
    """Throttlings since it was last free; each doubles the rest."""
    because: str = ""


def learn(
    known: Learnt | None, said: Throttled, *, seen: float, limit: float | None, now: datetime, because: str
) -> Learnt:
    """
    Halve the speed and rest. `seen`: deliveries a second that went there lately; `limit`: what the settings allow.

    What comes while it rests was under way already and is one throttling with the first; it can only make the rest
    longer, where another rule asks for more.
    """
    if known is not None and now < known.rests_until:
        longer = now + said.rest
        return replace(known, rests_until=longer) if longer - known.rests_until > STEP else known
    slowed = rate_at(known, limit, now)
    if known is None or slowed is None:
        ceiling, strikes = max(LEAST_SEEN, seen if limit is None else min(seen, limit)), 1
        before = ceiling
    else:
        ceiling, strikes, before = known.ceiling, known.strikes + 1, slowed
    rest = min(said.rest * 2 ** min(strikes - 1, 10), max(LONGEST_REST, said.rest))
    return Learnt(max(SLOWEST, before / 2), ceiling, now + rest, strikes, because)


def rate_at(known: Learnt | None, limit: float | None, now: datetime) -> float | None:
    """The speed that was learnt, as it is by now, a second; None where nothing slows the operator any more."""
    if known is None:
        return None
    steps = max(0, (now - known.rests_until) // STEP)
    rate = known.rate + steps * known.ceiling * GAIN
    free = known.ceiling * FREE_AT if limit is None else min(limit, known.ceiling * FREE_AT)
    return None if steps and rate >= free else rate


@dataclass(frozen=True, slots=True)
class Flow:
    """What was given out lately: counted in whole minutes of civil time, this one and the one before."""

    minute: datetime | None = None
    count: int = 0
    before: int = 0

    def add(self, count: int, now: datetime) -> "Flow":
        """So many more were given out."""
        current = self._at(now)
        return replace(current, count=current.count + count)

    def per_second(self, now: datetime) -> float:
        """The faster of the last two minutes, a second."""
        current = self._at(now)
        return max(current.count, current.before) / 60

    def _at(self, now: datetime) -> "Flow":
        minute = now.replace(second=0, microsecond=0)
        if self.minute is None or minute - self.minute > timedelta(minutes=1):
            return Flow(minute)
        return Flow(minute, 0, self.count) if minute > self.minute else self


# -- keeping to it -----------------------------------------------------------------------------------------------------


def refill(tokens: float | None, since: datetime | None, rate: float, now: datetime) -> float:
    """
    What a bucket holds by now. `rate` a second; None: a new one.

    A new bucket, and one that had nothing to give out for, holds a second's worth, at least one. One that was empty
    gains all that its time brought, for an hour at most: whoever ticks now and then gets the same rate as who runs.
    """
    second = max(1.0, rate)
    if tokens is None or since is None:
        return second
    gained = tokens + max(0.0, (now - since).total_seconds()) * rate
    return min(gained, second) if tokens >= 1 else min(gained, second + rate * 3600)


@dataclass(frozen=True, slots=True)
class Turns:
    """When those that are put off have their turn: the first at `first`, each next one `step` later."""

    first: datetime
    step: timedelta
    latest: datetime
    """No turn is later; who would be comes then, in order."""

    def at(self, place: int) -> datetime:
        """The turn of the one at this place, from 0."""
        tick = timedelta(microseconds=1)
        return min(self.first + self.step * place, self.latest + tick * place)


def turns(*, rate: float | None, room: int | None, booked: datetime | None, now: datetime) -> Turns:
    """
    Turns for those that an operator does not take now, behind those that have one already (`booked`).

    At `rate` a second, and no more than `room` on their way at a time. One of the two must be given.
    """
    steps = []
    if rate is not None:
        steps.append(timedelta(seconds=1 / rate))
    if room is not None:
        steps.append(PASS / max(room, 1))
    if not steps:
        raise ValueError("Nothing holds them: neither a rate nor a number on their way.")
    latest = now + HORIZON
    step = max(steps)
    return Turns(min(max(now, booked or now) + step, latest), step, latest)


def say_rate(rate: float) -> str:
    """A speed as people say it: `100/s`, `12/min`, `1.5/min`."""
    number, unit = (rate, "s") if rate >= 1 else (rate * 60, "min")
    return f"{number:.3g}/{unit}" if number < 100 else f"{number:,.0f}/{unit}"
