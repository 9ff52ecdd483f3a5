"""
By which relay a mail goes, and how many may be under way by each.

A relay that names an entity takes that entity's mail and nobody else's; mail of an entity that has relays of its own
goes by no other, unless one for everybody says that it stands in. Among those that work, weights share the mail; a
spare (weight 0) takes it while all the others rest. A relay whose rest is over gets one mail on trial.

What a relay may hold is bounded: by its part of the pool, by its connections, by its rate. So one that hangs fills its
own part and no more, and the mail goes by the others.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection

from rfs_mail.core.breaker import BreakerPolicy, State, is_greylisting
from rfs_mail.core.reasons import Reason
from rfs_mail.core.send_hours import Rate
from rfs_mail.store import relays
from rfs_mail.store.outbox import Candidate
from rfs_mail.store.relays import Standing

A_CONNECTION = 200
"""Deliveries that may be claimed for each connection of a relay: a few seconds of sending, however fast it is."""

_AGAIN = (Reason.DEFERRED.value, Reason.RELAY.value)
_GOLDEN = (math.sqrt(5) - 1) / 2


@dataclass(frozen=True, slots=True)
class Route:
    """A relay as dispatch sees it."""

    name: str
    weight: int = 1
    """Its share; 0: a spare, used while the others rest."""
    entities: tuple[str, ...] = ()
    """Whose mail it takes; empty: everybody's, but for entities that have relays of their own."""
    connections: int = 20
    """Of each process that sends."""
    rate: Rate | None = None
    messages_per_connection: int = 1000
    stands_in: bool = False
    """One for everybody that takes the mail of entities with relays of their own as well, while all of those rest."""


def tiers(routes: Sequence[Route], entity: str) -> list[list[Route]]:
    """The ways of an entity's mail, those to be used first first; the next are for when all of one tier rest."""
    own = [one for one in routes if entity in one.entities]
    everybodys = [one for one in routes if not one.entities]
    shared = own or everybodys
    found = [[one for one in shared if one.weight], [one for one in shared if not one.weight]]
    if own:
        found.append([one for one in everybodys if one.stands_in])
    return [tier for tier in found if tier]


@dataclass(slots=True)
class Ways:
    """The relays in one pass of dispatch: which work, which are to be tried, and how many more each may hold."""

    routes: tuple[Route, ...]
    rooms: dict[str, int] = field(default_factory=dict)
    working: frozenset[str] = frozenset()
    on_trial: frozenset[str] = frozenset()
    """Their rest is over, and nothing is under way by them: each may have one mail."""
    free: int = 0
    """What is left of the pool."""
    capacity: int = 0
    """How many may be under way by all relays that work, whatever their rates say."""
    space: int = 0
    """How many of these are not."""

    def open_to(self, entity: str) -> tuple[list[Route], list[Route]]:
        """Where an entity's mail may go now: relays that work, of the first tier that has any; relays on trial."""
        trials: list[Route] = []
        for tier in tiers(self.routes, entity):
            trials += [one for one in tier if one.name in self.on_trial]
            working = [one for one in tier if one.name in self.working]
            if working:
                return working, trials
        return [], trials

    def room_for(self, entity: str) -> int:
        """How many mails of an entity may be given out in this pass."""
        working, trials = self.open_to(entity)
        return min(self.free, sum(self.rooms[one.name] for one in [*working, *trials]))

    def reserve(self, part: float, room: int) -> int:
        """How much of `room` is to be left free, so that this part of the capacity is; rates leave some free anyway."""
        return max(0, int(part * self.capacity) - max(0, self.space - room))

    def assign(self, chosen: Sequence[Candidate]) -> dict[int, tuple[str, str]]:
        """
        Delivery id -> the relay and the operator it goes to. What finds no room is left out, and stays in the queue.

        On trial goes the least urgent mail there is. The rest is shared by weight: the golden ratio spreads ids more
        evenly than chance would, whichever part of them comes. A mail that was deferred goes by another relay if
        there is one, unless the reply was greylisting.
        """
        went: dict[int, tuple[str, str]] = {}
        for name in sorted(self.on_trial):
            for one in reversed(chosen):
                fits = one.id not in went and any(route.name == name for route in self.open_to(one.entity_id)[1])
                if fits and self._take(name):
                    went[one.id] = (name, one.operator)
                    break
        known: dict[str, list[Route]] = {}
        for one in chosen:
            if one.id in went:
                continue
            working = known.setdefault(one.entity_id, self.open_to(one.entity_id)[0])
            picked = _pick(one, [route for route in working if self.rooms[route.name] > 0])
            if picked is not None and self._take(picked):
                went[one.id] = (picked, one.operator)
        return went

    def _take(self, name: str) -> bool:
        if self.free <= 0 or self.rooms[name] <= 0:
            return False
        self.free -= 1
        self.rooms[name] -= 1
        return True


def look_at_ways(connection: Connection, routes: tuple[Route, ...], *, size: int, now: datetime) -> Ways:
    """The relays as they stand at civil time `now`, for a pool of `size`. Fills the buckets of those with a rate."""
    standing = relays.standings(connection)
    held = relays.in_flight(connection)
    part = max(1, size // max(1, len(routes)))
    ways = Ways(routes, free=size - sum(held.values()))
    working, on_trial = set(), set()
    for route in routes:
        how = standing.get(route.name, Standing())
        under_way = held.get(route.name, 0)
        room = 0
        if how.breaker.state is State.CLOSED and not how.is_kept(now):
            working.add(route.name)
            most = min(part, A_CONNECTION * route.connections)
            room = most - under_way
            ways.capacity += most
            ways.space += max(0, room)
            if route.rate is not None:
                room = min(room, _tokens(connection, route, route.rate, now), _backlog(route.rate) - under_way)
        elif not how.rests_at(now) and not under_way and _has_token(connection, route, now):
            on_trial.add(route.name)
            room = 1
        ways.rooms[route.name] = max(0, room)
    ways.capacity, ways.space = min(size, ways.capacity), min(ways.free, ways.space)
    ways.working, ways.on_trial = frozenset(working), frozenset(on_trial)
    return ways


def record(connection: Connection, ways: Ways, taken: dict[str, int], *, now: datetime) -> None:
    """Take the tokens of what is given out, and note which relays are on trial; in the transaction of the claims."""
    for route in ways.routes:
        count = taken.get(route.name, 0)
        if count and route.rate is not None:
            relays.spend(connection, bucket(route.name), count)
        if count and route.name in ways.on_trial:
            breaker = relays.hold(connection, route.name).breaker
            relays.save(connection, route.name, BreakerPolicy().tried(breaker, now), now=now)


def bucket(relay: str) -> str:
    """The name of a relay's token bucket."""
    return f"relay:{relay}"


def burst(rate: Rate) -> float:
    """
    The most a relay's bucket holds.

    An hour's or a day's rate may be used up at once by whoever runs `tick` from time to time. A rate a second or a
    minute is a promise about that second: half of a second, a quarter of a minute.
    """
    if rate.seconds >= 3600:
        return float(rate.count)
    return max(1.0, rate.count / (2 if rate.seconds == 1 else 4))


def tokens_left(connection: Connection, route: Route, *, now: datetime) -> int | None:
    """How many mails a relay's rate leaves for this moment; None where it has no rate. Reads only."""
    rate = route.rate
    if rate is None:
        return None
    return int(relays.tokens(connection, bucket(route.name), rate=rate.per_second, burst=burst(rate), now=now))


def _tokens(connection: Connection, route: Route, rate: Rate, now: datetime) -> int:
    return int(relays.refill(connection, bucket(route.name), rate=rate.per_second, burst=burst(rate), now=now))


def _has_token(connection: Connection, route: Route, now: datetime) -> bool:
    return route.rate is None or _tokens(connection, route, route.rate, now) > 0


def _backlog(rate: Rate) -> int:
    """How many may be under way by a relay with this rate: a slow one must not save up for a fast moment."""
    return max(1, rate.count) if rate.seconds < 3600 else 1_000_000


def _pick(one: Candidate, routes: list[Route]) -> str | None:
    """One of the routes, by weight; the same for the same mail."""
    if one.reason in _AGAIN and len(routes) > 1:
        before = [route for route in routes if route.name == one.relay]
        if before and is_greylisting(one.reply or ""):
            return before[0].name
        routes = [route for route in routes if route.name != one.relay]
    if len(routes) < 2:
        return routes[0].name if routes else None
    weights = [route.weight for route in routes]
    if not any(weights):
        weights = [1] * len(routes)
    at = (one.id * _GOLDEN) % 1.0 * sum(weights)
    for route, weight in zip(routes, weights, strict=True):
        if at < weight:
            return route.name
        at -= weight
    return routes[-1].name
