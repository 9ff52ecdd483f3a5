"""
When a step is due. Pure: anchors, zones and rules in; the plan, or the reason why there is none, out.

`times.py` says what a time means in words; here it becomes an instant:

1. The anchor is an instant (`entry`, the step above) or a day on somebody's calendar, perhaps with an hour (`closes`).
2. Days are counted on the anchor's clock and keep its hour; hours and minutes are exact.
3. `@ 10:00` is that hour of the day that results, on the recipient's clock or the office's. Counted from an instant by
   less than a day, it is the first such hour that is not over: `@ 10:00` after a step done at 15:00 is tomorrow's.
4. A mail that falls on a forbidden day or hour rolls to a permitted one: earlier if it counts down to something, else
   later. A day without an hour is no hour missed: the mail goes when that day's hours begin.

What is not known stays not known: no date ever becomes "now".
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Final, Literal
from zoneinfo import ZoneInfo

from rfs_mail.core.duration import Duration
from rfs_mail.core.local_time import MIDNIGHT, find_zone, in_utc, local_date, local_instant, shift_days
from rfs_mail.core.reasons import Reason
from rfs_mail.core.send_hours import SendRules, is_open, last_opening, next_opening
from rfs_mail.core.times import Anchor, AnchorKind, Clock, TimeExpr

DEFAULT_EXPIRES: Final = Duration(minutes=48 * 60)


# -- what an anchor is -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Instant:
    """A moment of the world, kept in UTC; its days are counted on the recipient's clock. Naive values are refused."""

    at: datetime

    def __post_init__(self) -> None:
        if self.at.tzinfo is not UTC:
            object.__setattr__(self, "at", in_utc(self.at))


@dataclass(frozen=True, slots=True)
class Civil:
    """A published date, with its hour where one is known, on the clock of `zone` (None: each recipient's own)."""

    day: date
    wall: time | None = None
    zone: ZoneInfo | None = None


@dataclass(frozen=True, slots=True)
class Unknown:
    """No date. `why` is a sentence for people: "the source gives no opening date"."""

    why: str


Moment = Instant | Civil | Unknown


@dataclass(frozen=True, slots=True)
class Anchors:
    """
    What the anchor names of one occasion mean, by name, and the clock of its filing office.

    Hashable; the hash is taken once. `only` narrows it to the names that some times need, so that what is remembered
    for one person serves all who share those values.
    """

    moments: tuple[tuple[str, Moment], ...] = ()
    office: ZoneInfo | None = None
    _by_name: dict[str, Moment] = field(init=False, repr=False, compare=False, hash=False)
    _hash: int = field(init=False, repr=False, compare=False, hash=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_name", dict(self.moments))
        object.__setattr__(self, "_hash", hash((self.moments, self.office)))

    def __hash__(self) -> int:
        return self._hash

    def __reduce__(self) -> tuple[type["Anchors"], tuple[object, ...]]:
        return Anchors, (self.moments, self.office)  # hashes of text differ from process to process

    @classmethod
    def of(cls, moments: Mapping[str, Moment], *, office: ZoneInfo | None = None) -> "Anchors":
        """From a mapping, in any order."""
        return cls(tuple(sorted(moments.items())), office)

    def get(self, name: str) -> Moment | None:
        """The moment of a name, or None where nothing was given for it."""
        return self._by_name.get(name)

    def only(self, names: Iterable[str]) -> "Anchors":
        """The same, of these names alone."""
        wanted = frozenset(names)
        return Anchors(tuple(pair for pair in self.moments if pair[0] in wanted), self.office)


# -- what comes out ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Planned:
    """
    When a step is due and until when it is still worth doing; both UTC.

    `rolled` says which way sending hours moved it. `not_after` may lie before `due_at`, and both in the past: what to
    do about lateness is decided elsewhere.
    """

    due_at: datetime
    not_after: datetime
    rolled: Literal["earlier", "later"] | None = None


@dataclass(frozen=True, slots=True)
class Unplannable:
    """
    A step that has no time. `reason` is NO_ANCHOR or NO_CLOSING_TIME, `anchor` the name to blame, `why` a sentence.
    """

    reason: Reason
    anchor: str
    why: str

    @property
    def detail(self) -> dict[str, object]:
        """What is stored beside the reason."""
        return {"anchor": self.anchor, "why": self.why}


@dataclass(frozen=True, slots=True)
class _Day:
    """A day without an hour, and the clock on which it was counted."""

    day: date
    zone: ZoneInfo


# -- computing ---------------------------------------------------------------------------------------------------------


def shift(instant: datetime, duration: Duration, zone: ZoneInfo) -> datetime:
    """The instant (UTC) this much later, or earlier: days on the clock of `zone`, then hours and minutes exactly."""
    shifted = shift_days(instant, duration.days, zone)
    return shifted + timedelta(minutes=duration.minutes) if duration.minutes else shifted


def instant_of(moment: Moment, zone: ZoneInfo) -> datetime | None:
    """The instant of an anchor (UTC), a date without an hour as the start of its day; None where it is not known."""
    match moment:
        case Instant(at):
            return at
        case Civil(day, wall, own):
            return local_instant(day, wall or MIDNIGHT, own or zone)
        case Unknown():
            return None


def days_of(expr: TimeExpr, anchors: Anchors) -> Anchors:
    """
    The anchors for `from`: counted in whole days and without an hour, it is the day that is meant, from its start.

    So a step `at: closes - 45d @ 10:00` is not over for who enters `from: closes - 45d` of a closing at 17:00.
    """
    if expr.wall is not None or expr.offset.minutes:
        return anchors
    days = {name: replace(at, wall=None) if isinstance(at, Civil) else at for name, at in anchors.moments}
    return Anchors.of(days, office=anchors.office)


def resolve(
    expr: TimeExpr, *, anchors: Anchors, previous: datetime | None = None, zone: ZoneInfo
) -> datetime | Unplannable:
    """
    The instant (UTC) of `not_after`, `from`, `to`, `until` or `ends`: a day without an hour counts from its start.

    `zone` is the recipient's, `previous` when the step above was done (else `entry` of `anchors` counts).
    """
    try:
        placed = _place(expr, anchors, previous, zone, limit=True)
        return local_instant(placed.day, MIDNIGHT, placed.zone) if isinstance(placed, _Day) else placed
    except OverflowError:
        return _beyond(expr)


def plan_step(
    at: TimeExpr | None,
    *,
    not_after: TimeExpr | None,
    anchors: Anchors,
    previous: datetime | None,
    zone: ZoneInfo,
    rules: SendRules | None,
    expires_after: Duration = DEFAULT_EXPIRES,
    ends: datetime | None = None,
) -> Planned | Unplannable:
    """
    When a step is due, and until when it may still go.

    `at` None is at once: when the step above was done (`previous`), for a first step when the enrollment began (`entry`
    of `anchors`). `zone` is the recipient's. `rules` None leaves the time as it is, for steps that are no mail.
    Without `not_after` a step expires `expires_after` its time or at `ends`, whichever is first, and one that counts
    down never later than what it counts down to.
    """
    try:
        return _plan(at or _AT_ONCE, not_after, anchors, previous, zone, rules, expires_after, ends)
    except OverflowError:
        return _beyond(at or _AT_ONCE)


_AT_ONCE: Final = TimeExpr("", Anchor(AnchorKind.PREVIOUS))


def _plan(
    at: TimeExpr,
    not_after: TimeExpr | None,
    anchors: Anchors,
    previous: datetime | None,
    zone: ZoneInfo,
    rules: SendRules | None,
    expires_after: Duration,
    ends: datetime | None,
) -> Planned | Unplannable:
    placed = _place(at, anchors, previous, zone, limit=False)
    if isinstance(placed, Unplannable):
        return placed
    rolled: Literal["earlier", "later"] | None = None
    if isinstance(placed, _Day):
        due = local_instant(placed.day, MIDNIGHT, placed.zone if rules is None else zone)
    else:
        due = placed
    if rules is not None and not is_open(due, rules, zone):
        opening = next_opening(due, rules, zone)
        if isinstance(placed, _Day) and local_date(opening, zone) == placed.day:
            due = opening
        elif at.counts_down:
            if isinstance(placed, _Day):
                due = local_instant(
                    placed.day, rules.opens_at, zone
                )  # of a day without an hour, the first that mail has
            due, rolled = last_opening(due, rules, zone), "earlier"
        else:
            due, rolled = opening, "later"
    if not_after is None:
        limit = _expiry(at, due, anchors, zone, expires_after, ends)
    else:
        given = resolve(not_after, anchors=anchors, previous=previous, zone=zone)
        if isinstance(given, Unplannable):
            return given
        limit = given
    return Planned(due, limit, rolled)


def _expiry(
    at: TimeExpr, due: datetime, anchors: Anchors, zone: ZoneInfo, expires_after: Duration, ends: datetime | None
) -> datetime:
    limit = shift(due, expires_after, zone)
    if ends is not None:
        limit = min(limit, in_utc(ends))
    if at.counts_down:
        goal = instant_of(_moment(at.anchor, anchors), zone)
        limit = limit if goal is None else min(limit, goal)
    return limit


def _place(
    expr: TimeExpr, anchors: Anchors, previous: datetime | None, zone: ZoneInfo, *, limit: bool
) -> datetime | _Day | Unplannable:
    """The instant a time means, or the day where no hour is said. `limit`: hours may count from the start of a day."""
    if expr.anchor.kind is AnchorKind.PREVIOUS:
        moment: Moment = Instant(previous) if previous is not None else anchors.get("entry") or _NOTHING_ABOVE
    else:
        moment = _moment(expr.anchor, anchors)
    match moment:
        case Unknown(why):
            return Unplannable(Reason.NO_ANCHOR, str(expr.anchor) or "the step above", why)
        case Instant(at):
            base = shift(at, expr.offset, zone)
            if expr.wall is None:
                return base
            clock = zone
            day = local_date(base, zone)
        case Civil(start, wall, own):
            clock = own or zone
            day = start + timedelta(days=expr.offset.days)
            if wall is None and expr.offset.minutes and not limit:
                return Unplannable(Reason.NO_CLOSING_TIME, str(expr.anchor), f"{expr.anchor} has a date and no hour")
            if expr.offset.minutes or (wall is not None and expr.wall is None):
                base = local_instant(day, wall or MIDNIGHT, clock) + timedelta(minutes=expr.offset.minutes)
                if expr.wall is None:
                    return base
                day = local_date(base, clock)
            if expr.wall is None:
                return _Day(day, clock)
    hour = _hour_zone(expr, anchors, moment, zone)
    if hour is None:
        return Unplannable(Reason.NO_ANCHOR, "office", "no filing office belongs to this campaign")
    result = local_instant(day, expr.wall, hour)
    if isinstance(moment, Instant) and not expr.offset.days and not expr.counts_down:
        while result < base:
            day += timedelta(days=1)
            result = local_instant(day, expr.wall, hour)
    return result


_NOTHING_ABOVE: Final = Unknown("no step above was done, and when the enrollment began is not known")


def _hour_zone(expr: TimeExpr, anchors: Anchors, moment: Moment, zone: ZoneInfo) -> ZoneInfo | None:
    """Whose clock shows the hour behind `@`. The office's is the occasion's, else that of the date counted from."""
    if expr.clock is Clock.RECIPIENT:
        return zone
    if expr.clock is Clock.ZONE:
        return find_zone(expr.zone)
    return anchors.office or (moment.zone if isinstance(moment, Civil) else None)


_WHY_UNKNOWN: Final = {
    AnchorKind.ENTRY: "when the enrollment began is not known",
    AnchorKind.WINDOW: "the filing window does not give it",
    AnchorKind.MIDPOINT: "the filing window does not give it",
    AnchorKind.CALENDAR: "the calendar has no next date for it",
    AnchorKind.PERSON: "the person has no date there",
}


def _moment(anchor: Anchor, anchors: Anchors) -> Moment:
    """What an anchor means here: Unknown, with the reason in words, where nothing was given for it."""
    if anchor.day is not None:
        return Civil(anchor.day)
    moment = anchors.get(anchor.name)
    if moment is None:
        return Unknown(_WHY_UNKNOWN[anchor.kind])
    if anchor.kind is not AnchorKind.MIDPOINT:
        return moment
    other = anchors.get(anchor.until)
    return Unknown(_WHY_UNKNOWN[anchor.kind]) if other is None else _midpoint(moment, other)


@lru_cache(maxsize=1024)
def _midpoint(first: Moment, second: Moment) -> Moment:
    """
    Halfway between two dates of a window: a day, the earlier of two; with an hour where both have one.

    The days are counted on the clock of the first.
    """
    match first, second:
        case (Unknown(), _):
            return first
        case (_, Unknown()):
            return second
        case (Civil(start, None, zone), Civil(end, _, _)) | (Civil(start, _, zone), Civil(end, None, _)):
            return Civil(start + (end - start) // 2, None, zone)
        case (Civil(start, begins, ZoneInfo() as zone), Civil(end, stops, ZoneInfo() as other)):
            assert begins is not None
            assert stops is not None
            low, high = local_instant(start, begins, zone), local_instant(end, stops, other)
            middle = (low + (high - low) / 2).replace(microsecond=0).astimezone(zone)
            return Civil(middle.date(), middle.time(), zone)
        case (Instant(low), Instant(high)):
            return Instant(low + (high - low) / 2)
        case _:
            return Unknown("its two dates are on different clocks")


def _beyond(expr: TimeExpr) -> Unplannable:
    return Unplannable(Reason.NO_ANCHOR, str(expr.anchor), "the date lies beyond the calendar")
