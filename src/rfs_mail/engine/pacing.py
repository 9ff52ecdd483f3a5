"""
How fast receiving operators are sent to, and who waits: limits, what they taught us, warm-up, the campaign breaker.

    dispatch ── admit: tokens, outstanding and ramps are taken in its transaction, so they hold for every process;
                who gets none has a later turn, with its reason, and stands in nobody's way
    deliver  ── a batch keeps what it heard (`News`) and writes it with its end; a "slow down" or a mail that fails
                authentication is written at once, and nothing of that batch goes any more
    feedback ── bounces and complaints that come back later

The rules are `core.pacing`, `core.warmup` and `core.campaign_breaker`; what was learnt is in the store.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import Connection

from rfs_mail.core import campaign_breaker, warmup
from rfs_mail.core.operators import KNOWN, OTHER, Limits
from rfs_mail.core.pacing import Learnt, Throttled, Turns, learn, rate_at, refill, say_rate, throttled, turns
from rfs_mail.core.reasons import Reason
from rfs_mail.core.verdict import Accepted, BounceClass, Deferred, Rejected, Scope, Verdict
from rfs_mail.core.warmup import Ramp, RampRules
from rfs_mail.engine.live import Live
from rfs_mail.store import outbox, pacing, releases
from rfs_mail.store.outbox import Candidate, Claimed
from rfs_mail.store.pacing import Outcome, Pace, Way

BY = "rfs-mail"
"""Who pauses a campaign whose mail goes wrong."""

_NEARLY = 1e-6
"""A token that lacks no more than this is whole: turns are given to the microsecond."""


@dataclass(frozen=True, slots=True)
class Pacing:
    """What the installation allows. The default is what operators are known to take, and no warm-up."""

    limits: Mapping[str, Limits] = field(default_factory=lambda: KNOWN)
    """By receiving operator, through one relay."""
    ramps: Mapping[str, RampRules] = field(default_factory=dict)
    """By From domain, lower case."""
    by_mx: bool = False
    """Do the MX records of a domain say who receives for it, where the table does not know?"""

    def of(self, operator: str) -> Limits:
        """The limits of one operator."""
        return self.limits.get(operator, self.limits.get(OTHER, Limits()))


def from_domain(live: Live, entity_id: str) -> str:
    """The domain an entity writes from; empty where the entity is not live any more."""
    entity = live.content.entities.get(entity_id)
    return entity.from_address.rpartition("@")[2].lower() if entity is not None else ""


def utc_day(now: datetime) -> date:
    """The day of a ramp."""
    return now.astimezone(UTC).date()


# -- giving out --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Admitted:
    """Who goes now, by relay and operator; and how many were given a later turn or had expired by now."""

    ways: Mapping[Way, list[Candidate]]
    put_off: int = 0


@dataclass(slots=True)
class _Wait:
    """Deliveries that wait, for what, and when each has its turn."""

    rows: list[Candidate]
    turns: Turns
    reason: Reason
    detail: dict[str, object]


def admit(
    connection: Connection,
    ways: Mapping[Way, Sequence[Candidate]],
    flying: Mapping[Way, int],
    rules: Pacing,
    live: Live,
    *,
    now: datetime,
) -> Admitted:
    """
    Let through what ramps, learnt speeds, rates and the number on their way allow; take the tokens; put off the rest.

    `flying` is what is on its way already. Reads and writes a few rows whatever the number of deliveries: one statement
    more for each operator that has to wait.
    """
    waits: list[_Wait] = []
    groups = {way: sorted(group, key=lambda one: one.urgency) for way, group in ways.items()}
    places = _Places()
    if rules.ramps:
        groups = _by_ramp(connection, groups, rules, live, now, waits, places)
    known = pacing.paces(connection)
    written: dict[Way, Pace] = {}
    for way, group in groups.items():
        pace = known.get(way, Pace())
        goes, anew, late = _by_pace(way, group, pace, rules.of(way[1]), flying.get(way, 0), now)
        groups[way] = goes
        waits += late
        places.give_back(one.id for wait in late for one in wait.rows)
        if way[1] != OTHER and goes:
            anew = replace(anew, flow=anew.flow.add(len(goes), now))
        if anew != pace:
            written[way] = anew
    pacing.write_paces(connection, written)
    pacing.write_ramps(connection, places.changed())
    for wait in waits:
        _put_off(connection, wait, now)
    return Admitted({way: group for way, group in groups.items() if group}, sum(len(wait.rows) for wait in waits))


class _Places:
    """Places of ramps that are taken in this pass, and what the ramps were before."""

    def __init__(self) -> None:
        self._stored: dict[tuple[str, str], Ramp | None] = {}
        self._ramps: dict[tuple[str, str], Ramp] = {}
        self._taken: dict[int, tuple[str, str]] = {}

    def take(self, key: tuple[str, str], stored: Ramp | None, ramp: Ramp, ids: Iterable[int]) -> None:
        """These go as far as the ramp is concerned."""
        self._stored[key], self._ramps[key] = stored, ramp
        self._taken |= dict.fromkeys(ids, key)

    def give_back(self, ids: Iterable[int]) -> None:
        """These do not go after all: their operator takes no more."""
        for one in ids:
            self._taken.pop(one, None)

    def changed(self) -> dict[tuple[str, str], Ramp]:
        """The ramps as they stand at the end of the pass, where that is something new."""
        used = Counter(self._taken.values())
        ramps = {key: warmup.taken(ramp, used[key]) for key, ramp in self._ramps.items()}
        return {key: ramp for key, ramp in ramps.items() if ramp != self._stored[key]}


def _by_pace(
    way: Way, group: list[Candidate], pace: Pace, limits: Limits, flying: int, now: datetime
) -> tuple[list[Candidate], Pace, list[_Wait]]:
    """Who of a group goes, how the pace stands then, and who waits."""
    learnt = pace.learnt
    if learnt is not None and now < learnt.rests_until:
        until = learnt.rests_until
        return (
            [],
            pace,
            [_wait(way, group, Turns(until, timedelta(0), until), f"it rests after it said {learnt.because}")],
        )
    slowed = rate_at(learnt, limits.rate, now)
    rate = limits.rate if slowed is None else min(slowed, limits.rate or slowed)
    room = len(group) if limits.outstanding is None else max(0, limits.outstanding - flying)
    said = f"{limits.outstanding} may be on their way at a time"
    again: list[Candidate] = []
    if rate is not None:
        since = max(pace.tokens_at, learnt.rests_until) if pace.tokens_at and slowed and learnt else pace.tokens_at
        tokens = refill(pace.tokens, since, rate, now)
        whole = max(0, int(tokens + _NEARLY))
        if whole < room:
            room = whole
            again = [one for one in group[room:] if one.reason == Reason.HELD_OPERATOR.value]
            said = f"{say_rate(rate)}" + (f", since it said {learnt.because}" if learnt and slowed is not None else "")
        pace = replace(pace, tokens=tokens - min(room, len(group)), tokens_at=now)
    goes, late = group[:room], [one for one in group[room:] if not again or one.reason != Reason.HELD_OPERATOR.value]
    waits = []
    if again:  # something more urgent took their token: they are next, and not behind everybody
        waits.append(_wait(way, again, turns(rate=rate, room=limits.outstanding, booked=None, now=now), said))
    if late:
        given = turns(rate=rate, room=limits.outstanding, booked=pace.booked_until, now=now)
        waits.append(_wait(way, late, given, said))
        pace = replace(pace, booked_until=given.at(len(late) - 1))
    return goes, pace, waits


def _wait(way: Way, rows: list[Candidate], given: Turns, because: str) -> _Wait:
    until = given.at(len(rows) - 1)
    detail: dict[str, object] = {"operator": way[1], "because": because, "until": until.isoformat()}
    return _Wait(rows, given, Reason.HELD_OPERATOR, detail)


def _put_off(connection: Connection, wait: _Wait, now: datetime) -> None:
    """Each its turn; whoever waited until it was too late expires here and costs no rendering."""
    over = [one.id for one in wait.rows if one.not_after < now]
    if over:
        outbox.expire(connection, over, held_by=wait.reason, detail=wait.detail, now=now)
    given = wait.turns
    waiting = [one.id for one in wait.rows if one.not_after >= now]
    outbox.put_off(
        connection, waiting, first=given.first, step=given.step, latest=given.latest, reason=wait.reason,
        detail=wait.detail,
    )  # fmt: skip


def _by_ramp(
    connection: Connection,
    groups: Mapping[Way, list[Candidate]],
    rules: Pacing,
    live: Live,
    now: datetime,
    waits: list[_Wait],
    places: _Places,
) -> dict[Way, list[Candidate]]:
    """Let through what the ramps of the day allow: deadline mail, then whoever was active last, then the oldest."""
    day = utc_day(now)
    left: dict[Way, list[Candidate]] = {way: [] for way in groups}
    by_ramp: dict[tuple[str, str], list[tuple[Way, Candidate]]] = {}
    for way, group in groups.items():
        for one in group:
            domain = from_domain(live, one.entity_id)
            if domain in rules.ramps and day >= rules.ramps[domain].started:
                by_ramp.setdefault((domain, way[1]), []).append((way, one))
            else:
                left[way].append(one)
    if not by_ramp:
        return left
    known = pacing.ramps(connection, {domain for domain, _ in by_ramp})
    for key, wanted in by_ramp.items():
        ramp = warmup.today(known.get(key), rules.ramps[key[0]], day)
        room = len(wanted) if ramp.room is None else ramp.room
        if len(wanted) > room:
            wanted = _most_engaged_first(connection, wanted)
        for way, one in wanted[:room]:
            left[way].append(one)
        places.take(key, known.get(key), ramp, [one.id for _, one in wanted[:room]])
        if len(wanted) > room:
            waits.append(_wait_for_ramp(key, ramp, [one for _, one in wanted[room:]], day))
    return {way: sorted(group, key=lambda one: one.urgency) for way, group in left.items()}


def _most_engaged_first(connection: Connection, wanted: list[tuple[Way, Candidate]]) -> list[tuple[Way, Candidate]]:
    active = pacing.last_active(connection, [one.person_id for _, one in wanted])
    return sorted(
        wanted,
        key=lambda pair: (
            not pair[1].deadline,
            -active[pair[1].person_id].timestamp() if pair[1].person_id in active else 0.0,
            pair[1].urgency,
        ),
    )


def _wait_for_ramp(key: tuple[str, str], ramp: Ramp, rows: list[Candidate], day: date) -> _Wait:
    tomorrow = datetime.combine(day + timedelta(days=1), time(), UTC)
    detail: dict[str, object] = {
        "domain": key[0], "operator": key[1], "day": ramp.day, "cap": ramp.cap, "until": tomorrow.isoformat(),
    }  # fmt: skip
    by_turn = sorted(rows, key=lambda one: one.urgency)
    return _Wait(by_turn, Turns(tomorrow, timedelta(0), tomorrow), Reason.HELD_WARM_UP, detail)


# -- hearing -----------------------------------------------------------------------------------------------------------


class Answers:
    """
    What campaigns' mails were answered and nobody wrote yet, over all batches of a process.

    Not by batch: forty batches are worked on at a time, and a list of dead addresses must not have to wait for the
    first of them to end.
    """

    def __init__(self) -> None:
        self._counts: dict[str, tuple[int, int]] = {}

    def add(self, campaign: str, *, hard: bool) -> bool:
        """One more; True where so many were refused for dead addresses that it should be written at once."""
        tried, dead = self._counts.get(campaign, (0, 0))
        self._counts[campaign] = (tried + 1, dead + hard)
        return hard and dead + 1 >= campaign_breaker.FEWEST

    def take(self) -> dict[str, tuple[int, int]]:
        """Campaign -> (answered yes or no, refused for a dead address); nothing is left."""
        taken, self._counts = self._counts, {}
        return taken


@dataclass
class News:
    """What one batch heard and did not write yet. Belongs to one event loop."""

    way: Way
    day: date
    given: dict[str, int]
    """From domain with a ramp -> how many of its mails the batch was given."""
    domains: Mapping[int, str]
    """Delivery id -> From domain with a ramp."""
    answers: Answers
    outcomes: dict[str, Outcome] = field(default_factory=dict)
    slow_down: tuple[Throttled, str, datetime] | None = None
    stops: dict[str, str] = field(default_factory=dict)
    """Campaign -> why it must stop at once."""
    closed: bool = False
    """Nothing more of this batch may go: its operator said so, or a campaign of it stops."""

    def add(self, row: Claimed, verdict: Verdict, *, now: datetime) -> bool:
        """Take a verdict in; True where it should be written at once."""
        domain = self.domains.get(row.id)
        outcome = self.outcomes.setdefault(domain, Outcome()) if domain is not None else Outcome()
        hard = False
        match verdict:
            case Accepted():
                outcome.sent += 1
            case Rejected(bounce=BounceClass.HARD):
                outcome.hard += 1
                hard = True
            case Deferred(scope=Scope.RECIPIENT | Scope.CONTENT):
                outcome.deferred += 1
        if domain is not None and self._used(verdict):
            self.given[domain] -= 1
        at_once = False
        if isinstance(verdict, Accepted) or (isinstance(verdict, Rejected) and not verdict.requeue_without_attempt):
            at_once = self.answers.add(row.campaign_id, hard=hard)
        because = campaign_breaker.unauthenticated(verdict)
        if because is not None:
            self.stops.setdefault(row.campaign_id, because)
        said = throttled(verdict) if self.way[1] != OTHER else None
        if said is not None and (self.slow_down is None or said.rest > self.slow_down[0].rest):
            self.slow_down = (said, f"{verdict.code} {verdict.text}"[:200], now)
        if not self.closed and (because is not None or said is not None):
            self.closed = at_once = True
        return at_once

    @staticmethod
    def _used(verdict: Verdict) -> bool:
        """Whether the operator saw this mail: its place in the ramp is used."""
        return not isinstance(verdict, Deferred | Rejected) or not verdict.requeue_without_attempt

    def take(self, *, ended: bool = False) -> "Told":
        """What there is to write; `ended` gives back the places of those that never went."""
        told = Told(self.way, self.day, self.answers.take(), self.outcomes, self.slow_down, self.stops)
        if ended:
            for domain, count in self.given.items():
                if count > 0:
                    told.outcomes.setdefault(domain, Outcome()).back = count
        self.outcomes, self.stops, self.slow_down = {}, {}, None
        return told


@dataclass(frozen=True, slots=True)
class Told:
    """What was heard, ready to be written."""

    way: Way
    day: date
    answers: Mapping[str, tuple[int, int]]
    outcomes: dict[str, Outcome]
    slow_down: tuple[Throttled, str, datetime] | None
    stops: Mapping[str, str]


def expect(way: Way, rows: Sequence[Claimed], rules: Pacing, live: Live, answers: Answers, *, now: datetime) -> News:
    """Ready to hear about the deliveries of a batch."""
    domains: dict[int, str] = {}
    given: dict[str, int] = {}
    if rules.ramps:
        for row in rows:
            domain = from_domain(live, row.entity_id)
            if domain in rules.ramps:
                domains[row.id] = domain
                given[domain] = given.get(domain, 0) + 1
    return News(way, utc_day(now), given, domains, answers)


def write(connection: Connection, told: Told, rules: Pacing, *, now: datetime) -> Learnt | None:
    """
    Write what was heard, in the caller's transaction; returns what an operator taught us, where it did.

    Pauses campaigns that go wrong: from here on the gate refuses their mail.
    """
    learnt = None
    if told.slow_down is not None:
        said, because, at = told.slow_down
        pace = pacing.pace(connection, told.way)
        limit = rules.of(told.way[1]).rate
        learnt = learn(pace.learnt, said, seen=pace.flow.per_second(at), limit=limit, now=at, because=because)
        pacing.write_learnt(connection, told.way, learnt)
    for domain, outcome in sorted(told.outcomes.items()):
        pacing.add_outcome(connection, domain, told.way[1], outcome, day=told.day)
    counts = pacing.count_answers(connection, told.answers, now=now)
    stops = {name: why for name, count in counts.items() if (why := count.trips()) is not None}
    for name, why in sorted({**stops, **told.stops}.items()):
        _stop(connection, name, why, now)
    return learnt


def _stop(connection: Connection, campaign: str, because: str, now: datetime) -> None:
    """Pause a campaign; only a person's `campaigns resume` lets it go on."""
    releases.set_campaign_state(connection, campaign, "paused", now=now, by=BY, because=because)


def bounced_later(connection: Connection, delivery_id: int, campaign: str, *, now: datetime) -> None:
    """A mail that had been taken came back for a dead address: it counts, unless it went before the last resume."""
    row = outbox.get(connection, delivery_id)
    since = pacing.counted_since(connection, campaign)
    if row is None or since is None or row.sending_at is None or row.sending_at < since:
        return
    # It was counted as answered when it was taken.
    because = pacing.count_answers(connection, {campaign: (0, 1)}, now=now)[campaign].trips()
    if because is not None:
        _stop(connection, campaign, because, now)


def complained_later(connection: Connection, delivery_id: int, live: Live | None, *, now: datetime) -> None:
    """A complaint counts against the ramp of the From domain, where it has one."""
    row = outbox.get(connection, delivery_id)
    if row is not None and live is not None:
        domain = from_domain(live, row.entity_id)
        pacing.add_outcome(connection, domain, row.operator, Outcome(complained=1), day=utc_day(now))


# -- telling -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OperatorLine:
    """One receiving operator at one relay, for `relays status`. Rates are deliveries a second; None: no limit."""

    relay: str
    operator: str
    on_their_way: int
    outstanding: int | None
    limit: float | None
    """What the settings or what is known of it allow."""
    rate: float | None
    """What holds now: the lesser of that and of what was learnt."""
    learnt: float | None
    rests_until: datetime | None
    """Nothing goes before, where that is still to come."""
    strikes: int
    because: str
    """What it said."""
    flow: float
    """Deliveries a second, in the faster of the last two minutes."""


@dataclass(frozen=True, slots=True)
class RampLine:
    """The warm-up of one From domain at one operator, for `relays status`."""

    domain: str
    operator: str
    day: int
    cap: int | None
    """None: warm."""
    used: int
    sent: int
    hard: int
    deferred: int
    complained: int
    because: str


def operator_lines(connection: Connection, rules: Pacing, *, now: datetime) -> list[OperatorLine]:
    """Every operator that mail went to, or that was learnt about, by relay."""
    flying = outbox.in_flight_by_way(connection)
    known = pacing.paces(connection)
    lines = []
    for relay, operator in sorted({*known, *flying}):
        pace, limits = known.get((relay, operator), Pace()), rules.of(operator)
        learnt = pace.learnt
        slowed = rate_at(learnt, limits.rate, now)
        rests = learnt is not None and now < learnt.rests_until
        held = learnt if slowed is not None else None
        lines.append(
            OperatorLine(
                relay, operator, flying.get((relay, operator), 0), limits.outstanding, limits.rate,
                0.0 if rests else min((rate for rate in (slowed, limits.rate) if rate is not None), default=None),
                slowed, held.rests_until if held is not None and rests else None,
                held.strikes if held is not None else 0, held.because if held is not None else "",
                pace.flow.per_second(now),
            )
        )  # fmt: skip
    return lines


def ramp_lines(connection: Connection, rules: Pacing, *, now: datetime) -> list[RampLine]:
    """Every ramp of the domains that the settings warm up, as it stands today."""
    return [
        RampLine(
            domain, operator, ramp.day, ramp.cap, ramp.used, ramp.sent, ramp.hard, ramp.deferred, ramp.complained,
            ramp.because,
        )
        for (domain, operator), stored in pacing.all_ramps(connection).items()
        if domain in rules.ramps
        for ramp in (warmup.today(stored, rules.ramps[domain], utc_day(now)),)
    ]  # fmt: skip


def forget(connection: Connection, way: Way) -> bool:
    """Drop what an operator taught us, on staff's word; False where it had taught us nothing."""
    if pacing.pace(connection, way).learnt is None:
        return False
    pacing.write_learnt(connection, way, None)
    return True
