"""
Watching over the relays while mail goes out: who rests, who hangs, what each said, and what staff may order.

Every verdict passes here on its way to the store. A relay that fails opens its breaker (`core.breaker`): what is
claimed for it goes back to the queue at once and may go by another, and nothing new is begun. One that says nothing at
all for a minute is not waited for either: what hangs, hangs on, and everything else is set free.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from rfs_mail import clock
from rfs_mail.core.breaker import Breaker, BreakerPolicy, State, before_the_mail, sign_of, verdict_phase
from rfs_mail.core.verdict import Accepted, Deferred, Uncertain, Verdict
from rfs_mail.engine import routing
from rfs_mail.engine.routing import Route
from rfs_mail.errors import NotFoundError, UsageError
from rfs_mail.store import health, problems, relays
from rfs_mail.store.database import Store
from rfs_mail.store.relays import Figures, Standing
from rfs_mail.store.types import AnyRow
from rfs_mail.transport.base import Transport

LOG = logging.getLogger(__name__)

LOOK_EVERY = 1.0
"""Seconds of machine time between two looks at the relays: at what others found out, and at who hangs."""

PATIENCE = 60.0
"""Seconds of machine time after which a relay that has mail of ours and says nothing is no longer waited for."""

CONNECTION_WAIT = timedelta(minutes=1)
"""How long a mail waits whose connection broke while it was handed over: it may itself be the cause."""


class Slots:
    """
    The deliveries of one relay between mark and durable verdict, at most `free` of them. In the order they came.

    Unlike a semaphore it can send away all who wait, when the relay is not to be used any more.
    """

    def __init__(self, free: int) -> None:
        self._free = free
        self._waiting: deque[asyncio.Future[bool]] = deque()

    async def take(self) -> bool:
        """Wait for a slot; False where those who wait were sent away. One that was taken is given back by `give`."""
        if self._free > 0:
            self._free -= 1
            return True
        waiting: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiting)
        try:
            return await waiting
        except asyncio.CancelledError:
            if waiting.done() and not waiting.cancelled() and waiting.result():
                self.give()
            raise

    def give(self) -> None:
        """Give a slot back, to whoever waits longest."""
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_result(True)
                return
        self._free += 1

    def send_away(self) -> None:
        """Nobody who waits now gets one."""
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_result(False)


@dataclass(slots=True)
class _Heard:
    """What was heard from a relay since it was told last; counted for each mail, so as cheaply as can be."""

    sent: int = 0
    deferred: int = 0
    failed: int = 0
    uncertain: int = 0
    at: datetime | None = None
    last: Verdict | None = None

    def add(self, verdict: Verdict, now: datetime) -> None:
        """Count one more."""
        self.at, self.last = now, verdict
        if isinstance(verdict, Accepted):
            self.sent += 1
        elif isinstance(verdict, Uncertain):
            self.uncertain += 1
        elif isinstance(verdict, Deferred) or verdict.requeue_without_attempt:
            self.deferred += 1
        else:
            self.failed += 1

    def figures(self) -> Figures:
        """As the store takes them."""
        code, text = (self.last.code, self.last.text) if self.last is not None else (0, "")
        return Figures(self.sent, self.deferred, self.failed, self.uncertain, self.at, code or None, text)


@dataclass(slots=True)
class _Seen:
    """What this process knows of one relay."""

    transport: Transport
    slots: Slots
    standing: Standing = field(default_factory=Standing)
    in_doubt: bool = True
    """`status` may still call it out of order; the first mail that goes clears that."""
    at_wire: int = 0
    heard_at: float = 0.0
    """Machine time of the last answer, or of the moment from which one was due."""
    heard: _Heard = field(default_factory=_Heard)
    changed: int = 0
    """The number of the change that was made here last; what was read before it is older."""


@dataclass(frozen=True, slots=True)
class Again:
    """When a mail that went back blamelessly is tried again: not before `at`, and not by this relay before `until`."""

    at: datetime
    until: datetime


@dataclass
class Watch:
    """The relays of one process. Belongs to one event loop; `run` should be going."""

    store: Store
    ways: Mapping[str, tuple[Transport, int]]
    """Name -> its transport, and how many deliveries may be between mark and durable verdict."""
    now: Callable[[], datetime]
    patience: float = PATIENCE
    policy: BreakerPolicy = field(default_factory=BreakerPolicy)

    def __post_init__(self) -> None:
        self._seen = {name: _Seen(transport, Slots(slots)) for name, (transport, slots) in self.ways.items()}
        self.changes = 0
        """How often this process found out something; see `learns`."""

    # -- asked by deliver ----------------------------------------------------------------------------------------------

    def may_send(self, name: str) -> bool:
        """Whether something new may begin by this relay: it does not rest, neither by itself nor on staff's word."""
        how = self._seen[name].standing
        return how.breaker.state is not State.OPEN and not how.is_kept(self.now())

    def learns(self, name: str, standing: Standing, *, as_of: int) -> None:
        """
        What the store said of a relay; `as_of` is `changes` from before it was asked.

        What this process found out after that is newer. What it counted is kept for as long as the relay is used.
        """
        seen = self._seen.get(name)
        if seen is None or seen.changed > as_of:
            return
        breaker = standing.breaker
        if breaker.state is State.CLOSED:
            breaker = replace(breaker, strain=seen.standing.breaker.strain)
        else:
            seen.in_doubt = True
        seen.standing = replace(standing, breaker=breaker)
        if not self.may_send(name):
            self._set_free(seen, standing.kept_because or breaker.because)

    async def slot(self, name: str) -> bool:
        """Wait for a slot of a relay; False where it is not to be used any more. Given back by `give_slot`."""
        if not await self._seen[name].slots.take():
            return False
        if self.may_send(name):
            return True
        self.give_slot(name)
        return False

    def give_slot(self, name: str) -> None:
        """A verdict is durable, or nothing was sent."""
        self._seen[name].slots.give()

    def begins(self, name: str) -> None:
        """A mail is handed to the transport: from now on an answer is due."""
        seen = self._seen[name]
        if not seen.at_wire:
            seen.heard_at = clock.monotonic()
        seen.at_wire += 1

    def ends(self, name: str) -> None:
        """The transport gave a verdict, or was broken off."""
        seen = self._seen[name]
        seen.at_wire -= 1
        seen.heard_at = clock.monotonic()

    async def hears(self, name: str, verdict: Verdict) -> Again:
        """
        Take a verdict in, and say when this mail may be tried again where it goes back blamelessly.

        One that was over before the mail was named, or that made the relay rest, may go by another at once; where
        there is none, it waits in the queue until the relay is used. Else the mail may itself be the cause, and waits.
        """
        seen = self._seen[name]
        now = self.now()
        seen.heard.add(verdict, now)
        if isinstance(verdict, Accepted) and not seen.in_doubt and not seen.standing.breaker.strain:
            return Again(now, now)  # nearly always
        because = f"{verdict.code or verdict_phase(verdict).value} {verdict.text}".strip()
        before = seen.standing.breaker
        after = self.policy.after(before, sign_of(verdict), because, now, name)
        seen.standing = replace(seen.standing, breaker=after)
        if after.state is State.OPEN and after != before:
            await self._rests(name, seen, because, now)
        elif after.state is State.CLOSED and (
            before.state is not State.CLOSED or (seen.in_doubt and isinstance(verdict, Accepted))
        ):
            await self._works(name, seen, now)
        breaker = seen.standing.breaker
        if breaker.state is State.OPEN:
            return Again(now, breaker.until or now)
        at = now if before_the_mail(verdict) else now + CONNECTION_WAIT
        return Again(at, at)

    # -- what follows --------------------------------------------------------------------------------------------------

    async def _rests(self, name: str, seen: _Seen, because: str, now: datetime, *, silent: bool = False) -> None:
        """It is left alone, by all processes; who waits for it here is set free."""
        LOG.error("relay %s rests until %s: %s", name, seen.standing.breaker.until, because)
        seen.in_doubt = True
        self._set_free(seen, because, hang_up=silent)
        await self._write(name, seen, _open, self.policy, because, now, silent)

    async def _works(self, name: str, seen: _Seen, now: datetime) -> None:
        """It takes mail, or takes it again."""
        seen.in_doubt = False
        await self._write(name, seen, _close, now)

    async def _write(self, name: str, seen: _Seen, work: Callable[..., Standing], *arguments: object) -> None:
        """Tell the others. Where the database is away, this process goes by what it knows itself."""
        self.changes += 1
        seen.changed = self.changes
        try:
            seen.standing = await self.store.write(work, name, *arguments)
        except DBAPIError as error:
            LOG.error("how relay %s stands could not be written: %s", name, error.orig)
            seen.in_doubt = True
        if seen.standing.breaker.state is not State.CLOSED:
            seen.in_doubt = True
        self.changes += 1
        seen.changed = self.changes

    @staticmethod
    def _set_free(seen: _Seen, because: str, *, hang_up: bool = False) -> None:
        seen.slots.send_away()
        seen.transport.turn_away(because, hang_up=hang_up)

    # -- looking -------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await asyncio.sleep(min(LOOK_EVERY, self.patience))
            try:
                await self.look()
            except DBAPIError as error:
                LOG.error("the relays could not be looked at: %s", error.orig)

    async def look(self) -> None:
        """One look: who hangs, what other processes and staff say, and the figures of what was heard since."""
        now, machine = self.now(), clock.monotonic()
        for name, seen in self._seen.items():
            quiet = seen.at_wire and machine - seen.heard_at >= self.patience
            if quiet and seen.standing.breaker.state is not State.OPEN:
                because = f"it has {seen.at_wire} of our mails and has said nothing for {self.patience:g} s"
                breaker = self.policy.opened(seen.standing.breaker, because, now, name, silent=True)
                seen.standing = replace(seen.standing, breaker=breaker)
                await self._rests(name, seen, because, now, silent=True)
        as_of = self.changes
        standings = await self.store.look(relays.standings)
        for name in self._seen:
            self.learns(name, standings.get(name, Standing()), as_of=as_of)
        await self.tell()

    async def tell(self) -> None:
        """Add what was heard to the figures of the day."""
        told = {name: seen.heard.figures() for name, seen in self._seen.items() if seen.heard.at is not None}
        if not told:
            return
        for name in told:
            self._seen[name].heard = _Heard()
        with contextlib.suppress(DBAPIError):  # figures for people; the send log has each mail
            await self.store.write(_count_up, told)


def _open(
    connection: Connection, name: str, policy: BreakerPolicy, because: str, now: datetime, silent: bool
) -> Standing:
    how = relays.hold(connection, name)
    breaker = policy.opened(how.breaker, because, now, name, silent=silent)
    relays.save(connection, name, breaker, now=now)
    problems.note(connection, "relay", name, because, now=now)
    return replace(how, breaker=breaker)


def _close(connection: Connection, name: str, now: datetime) -> Standing:
    how = relays.hold(connection, name)
    if how.breaker.state is State.OPEN and not how.breaker.silent:
        return how  # another process found it out of order meanwhile
    if how.breaker != Breaker():
        relays.save(connection, name, Breaker(), now=now)
    problems.clear(connection, "relay", name, now=now)
    return replace(how, breaker=Breaker())


def _count_up(connection: Connection, told: Mapping[str, Figures]) -> None:
    for name, figures in sorted(told.items()):
        relays.count_up(connection, name, figures)


# -- staff -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Throttle:
    """A receiving operator that a relay is slow with, or leaves alone until then."""

    operator: str
    until: datetime
    because: str


@dataclass(frozen=True, slots=True)
class RelayStatus:
    """
    One relay as staff see it.

    `state` is `working`, `spare`, `resting`, `due` (its rest is over, the next mail is its trial), `on_trial` or
    `kept` (staff let it rest). `until` and `because` go with a rest. The figures are of today, in UTC.
    """

    relay: str
    state: str
    until: datetime | None
    because: str
    by: str
    weight: int
    entities: tuple[str, ...]
    stands_in: bool
    connections: int
    messages_per_connection: int
    rate: str
    tokens: int | None
    """How many its rate leaves for now; None without a rate."""
    in_flight: int
    sent: int
    deferred: int
    failed: int
    uncertain: int
    said_at: datetime | None
    said_code: int | None
    said: str
    throttles: tuple[Throttle, ...] = ()


def relay_status(connection: Connection, routes: Sequence[Route], *, now: datetime) -> list[RelayStatus]:
    """How every relay of the settings stands at civil time `now`. Reads only."""
    known, held, standing = relays.rows(connection), relays.in_flight(connection), relays.standings(connection)
    throttles: dict[str, list[Throttle]] = {}
    for row in health.resting_operators(connection, now=now):
        throttles.setdefault(row.relay, []).append(Throttle(row.operator, row.rests_until, row.because or ""))
    return [
        _status(
            route, standing.get(route.name, Standing()), known.get(route.name), held.get(route.name, 0),
            routing.tokens_left(connection, route, now=now), tuple(throttles.get(route.name, ())), now,
        )
        for route in routes
    ]  # fmt: skip


def _status(
    route: Route, how: Standing, row: AnyRow | None, in_flight: int, tokens: int | None,
    throttles: tuple[Throttle, ...], now: datetime,
) -> RelayStatus:  # fmt: skip
    state, until, because = _state(route, how, now)
    today = row if row is not None and row.day == now.astimezone(UTC).date().toordinal() else None
    return RelayStatus(
        relay=route.name,
        state=state,
        until=until,
        because=because,
        by=how.kept_by if state == "kept" else "",
        weight=route.weight,
        entities=route.entities,
        stands_in=route.stands_in,
        connections=route.connections,
        messages_per_connection=route.messages_per_connection,
        rate=str(route.rate or ""),
        tokens=tokens,
        in_flight=in_flight,
        sent=today.sent if today is not None else 0,
        deferred=today.deferred if today is not None else 0,
        failed=today.failed if today is not None else 0,
        uncertain=today.uncertain if today is not None else 0,
        said_at=row.said_at if row is not None else None,
        said_code=row.said_code if row is not None else None,
        said=(row.said or "") if row is not None else "",
        throttles=throttles,
    )


def _state(route: Route, how: Standing, now: datetime) -> tuple[str, datetime | None, str]:
    breaker = how.breaker
    if how.is_kept(now):
        return "kept", how.kept_until, how.kept_because
    match breaker.state:
        case State.CLOSED:
            return ("working" if route.weight else "spare"), None, ""
        case State.HALF_OPEN:
            return "on_trial", None, breaker.because
    return ("resting" if breaker.rests_at(now) else "due"), breaker.until, breaker.because


def rest(
    store: Store, routes: Sequence[Route], name: str, *, until: datetime, because: str, by: str, now: datetime
) -> None:
    """Let a relay rest until then, on staff's word. Raises NotFoundError or UsageError."""
    _need(routes, name)
    if not because.strip():
        raise UsageError("Say why: --because TEXT. `relays status` shows it to everybody until the rest is over.")
    if until <= now:
        raise UsageError("A rest has to end later than now: --for 2h.")
    with store.begin() as connection:
        relays.keep(connection, name, until=until, because=because.strip(), by=by)


def wake(store: Store, routes: Sequence[Route], name: str, *, now: datetime) -> str:
    """
    End a relay's rest, whoever ordered it; returns how it stands now, as `RelayStatus.state`.

    One that rested because it failed gets one mail on trial first. Raises NotFoundError.
    """
    route = _need(routes, name)
    with store.begin() as connection:
        how = relays.hold(connection, name)
        relays.keep(connection, name, until=None, because=None, by=None)
        breaker = how.breaker
        if breaker.rests_at(now):
            breaker = replace(breaker, until=now)
            relays.save(connection, name, breaker, now=now)
        return _state(route, Standing(breaker), now)[0]


def _need(routes: Sequence[Route], name: str) -> Route:
    for route in routes:
        if route.name == name:
            return route
    known = ", ".join(route.name for route in routes)
    raise NotFoundError(f"There is no relay {name!r} in rfs-mail.toml. There are: {known}.")
