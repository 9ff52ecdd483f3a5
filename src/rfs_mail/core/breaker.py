"""
When a relay is left alone, and when it is tried again.

    closed ── five failures in a row, or one refusal of us ──▶ open ── its rest is over ──▶ half-open
      ▲                                                        ▲ │                            │   │
      ├───────────── it answers after all (silence only) ──────┼─┘                            │   │
      │                                                        └───────── the trial failed ───┘   │
      └────────────────────────────── the trial mail went ────────────────────────────────────────┘

Each rest is twice as long as the one before it. Half-open lets one mail through, and only what becomes of that one
closes the breaker. Nothing here is about people: a relay in trouble never costs a delivery an attempt.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from hashlib import sha256

from rfs_mail.core.verdict import Accepted, BounceClass, Deferred, Phase, Rejected, Scope, Uncertain, Verdict


class Sign(StrEnum):
    """What one verdict says about the relay that gave it."""

    WORKS = "works"
    """It took a mail, or refused this one mail: it does its work."""
    NOTHING = "nothing"
    """We refused the mail ourselves, or the receiving side asks for patience with this one."""
    STRAINS = "strains"
    """It deferred a mail. One is nothing; one after the other is a relay that wants to be left alone."""
    FAILS = "fails"
    """No connection, 421, 4xx before RCPT, silence."""
    REFUSES = "refuses"
    """It refuses us, whatever we send: 535, 5xx before RCPT, a certificate that is not to be trusted."""


class State(StrEnum):
    """Where a breaker stands."""

    CLOSED = "closed"
    """The relay is used."""
    OPEN = "open"
    """It rests."""
    HALF_OPEN = "half_open"
    """Its rest is over: one mail is on trial."""


@dataclass(frozen=True, slots=True)
class Breaker:
    """
    How a relay stands. The default is one that works.

    `strain` counts trouble in a row while closed, in points of the policy. `rests` counts rests without a success
    between; `until` is the end of the last one (aware), `because` why it began. `silent`: it rests because it said
    nothing, so that any answer is proof enough that it lives.
    """

    state: State = State.CLOSED
    strain: int = 0
    rests: int = 0
    until: datetime | None = None
    because: str = ""
    silent: bool = False

    def rests_at(self, now: datetime) -> bool:
        """Whether it is not to be used at all at this civil time, not even for a trial."""
        return self.state is State.OPEN and self.until is not None and now < self.until


_FAILURE = 4
"""Points of a failure: four deferred mails weigh as much."""


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """
    When a breaker opens, and for how long.

    `failures` in a row open it, or four times as many deferred mails in a row. Rests double from `first` to
    `longest`, each moved by up to `jitter` of itself either way, so that a fleet does not come back at one moment.
    """

    failures: int = 5
    first: timedelta = timedelta(minutes=1)
    longest: timedelta = timedelta(minutes=30)
    jitter: float = 0.25

    def after(self, breaker: Breaker, sign: Sign, because: str, now: datetime, seed: str) -> Breaker:
        """
        How a relay stands after a verdict that came at civil time `now`. `seed`, its name, settles the jitter.

        Verdicts of mails that were under way when it opened change nothing while it rests, with one exception: where
        it rests for its silence, an answer closes it.
        """
        match sign:
            case Sign.NOTHING:
                return breaker
            case Sign.WORKS:
                return breaker if breaker.state is State.OPEN and not breaker.silent else Breaker()
            case Sign.REFUSES:
                return self.opened(breaker, because, now, seed)
        if breaker.state is State.CLOSED:
            strain = breaker.strain + (_FAILURE if sign is Sign.FAILS else 1)
            if strain < self.failures * _FAILURE:
                return replace(breaker, strain=strain)
        if breaker.state is State.OPEN and sign is Sign.STRAINS:
            return breaker
        return self.opened(breaker, because, now, seed)

    def opened(self, breaker: Breaker, because: str, now: datetime, seed: str, *, silent: bool = False) -> Breaker:
        """Let it rest from `now` on, for longer than the last time. One that rests already goes on resting."""
        if breaker.rests_at(now):
            return breaker
        rest = min(self.first * 2 ** min(breaker.rests, 30), self.longest)
        spread = _spread(f"{seed}:{breaker.rests}:{now.isoformat()}")
        until = now + rest * (1 + self.jitter * spread)
        return Breaker(State.OPEN, 0, breaker.rests + 1, until, because, silent)

    def tried(self, breaker: Breaker, now: datetime) -> Breaker:
        """Half-open where its rest is over at `now`, so that a mail may go on trial; else as it was."""
        if breaker.state is not State.OPEN or breaker.rests_at(now):
            return breaker
        return replace(breaker, state=State.HALF_OPEN)


def sign_of(verdict: Verdict) -> Sign:
    """
    What a verdict says about the relay.

    A refusal of a recipient or of a content is an answer of a relay that works. So is greylisting, quota and the like,
    except that it does not prove that mail gets through. Silence after the final dot is a failure of the relay.
    """
    match verdict:
        case Accepted():
            return Sign.WORKS
        case Uncertain():
            return Sign.FAILS
        case Rejected(scope=Scope.SENDER):
            return Sign.REFUSES
        case Rejected(code=0):
            return Sign.NOTHING  # refused here: no relay was asked
        case Rejected():
            return Sign.WORKS
        case Deferred(scope=Scope.SENDER | Scope.CONNECTION):
            return Sign.FAILS
        case Deferred(bounce=BounceClass.QUOTA):
            return Sign.NOTHING
    return Sign.NOTHING if is_greylisting(verdict.text) else Sign.STRAINS


def before_the_mail(verdict: Verdict) -> bool:
    """Whether it was over before this mail was so much as named: then the mail cannot be the cause."""
    return verdict_phase(verdict) in (Phase.CONNECT, Phase.EHLO, Phase.STARTTLS, Phase.AUTH)


def verdict_phase(verdict: Verdict) -> Phase:
    """The phase a verdict came in; acceptance comes at the dot."""
    return Phase.DOT if isinstance(verdict, Accepted) else verdict.phase


def is_greylisting(text: str) -> bool:
    """Whether a deferral asks for the same mail by the same way again (RFC 6647 section 2)."""
    low = text.lower()
    return "greylist" in low or "graylist" in low or "grey-list" in low or "gray-list" in low


def _spread(seed: str) -> float:
    """A number from -1 to 1 that looks random and is not."""
    return int.from_bytes(sha256(seed.encode()).digest()[:8], "big") / 2**63 - 1
