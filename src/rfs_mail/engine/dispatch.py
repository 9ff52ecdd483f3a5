"""
Give due deliveries out in batches: one relay and one receiving operator each, fair across campaigns.

One transaction, one dispatcher at a time. It fills a bounded pool of a few seconds of sending and never the whole
backlog, so that a pause takes effect at once. Deadline mail goes first; of a person's due mails the most urgent goes,
and nobody has two in flight.

A broadcast never fills the pool to the brim. The first few of every campaign have a reserve in it and overtake what is
claimed already, so that a welcome does not wait for a pool of somebody else's mail.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection

from rfs_mail.core.script import Script
from rfs_mail.engine import pacing, receivers, routing
from rfs_mail.engine.live import look
from rfs_mail.engine.pacing import Admitted, Pacing
from rfs_mail.engine.routing import Route
from rfs_mail.handoff.base import HandOff, Rank
from rfs_mail.store import outbox, relays
from rfs_mail.store.database import Store, only_one
from rfs_mail.store.outbox import Candidate

BATCH = (100, 10, 1)
"""Deliveries a batch, at most: of those that no process died over, that one did, that more than one did."""


FEW = 100
"""So many deliveries in flight each campaign may have before it counts as a large one."""


@dataclass(frozen=True, slots=True)
class Pool:
    """How much may be out at a time, and by which ways."""

    routes: tuple[Route, ...]
    size: int = 4_000
    """Deliveries claimed or sending, over all holders: a few seconds of sending."""
    reserve: float = 0.1
    """The part that is left free for the first few of each campaign; deadline mail may take half of it."""
    pacing: Pacing = field(default_factory=Pacing)
    """What receiving operators take."""


@dataclass(frozen=True, slots=True)
class Dispatched:
    """What went out to the senders."""

    batches: int = 0
    deliveries: int = 0
    by_campaign: Mapping[str, int] = field(default_factory=dict)
    put_off: int = 0
    """Deliveries that were due and got a later turn, because their operator takes no more at present."""


def dispatch(store: Store, handoff: HandOff, pool: Pool, *, now: datetime, holder: str | None = None) -> Dispatched:
    """One pass: claim what fits into the pool and hand it over with the commit."""
    with store.begin() as connection:
        if not only_one(connection, "dispatch"):
            return Dispatched()
        return _dispatch(connection, handoff, pool, now, holder)


def _dispatch(connection: Connection, handoff: HandOff, pool: Pool, now: datetime, holder: str | None) -> Dispatched:
    live = look(connection)
    if live is None:
        return Dispatched()
    ways = routing.look_at_ways(connection, pool.routes, size=pool.size, now=now)
    room = min(ways.free, sum(ways.rooms.values()))
    if room <= 0:
        return Dispatched()
    fits = {
        name: room_for
        for name in outbox.campaigns_with_due(connection, now=now)
        if (room_for := ways.room_for(live.campaign(name).definition.entity)) > 0
    }
    allowed = {name: _allowance(connection, name, live.scripts.get(name), fit, now) for name, fit in fits.items()}
    busy = outbox.in_flight(connection)
    chosen = _choose(connection, allowed, busy, room, ways.reserve(pool.reserve, room), now)
    if pool.pacing.by_mx:
        chosen = receivers.told_apart(connection, chosen, now=now)
    went = ways.assign(chosen)
    number = 0
    by_campaign: dict[str, int] = {}
    by_relay: dict[str, int] = {}
    admitted = pacing.admit(
        connection, _by_way([one for one in chosen if one.id in went], went), outbox.in_flight_by_way(connection),
        pool.pacing, live, now=now,
    )  # fmt: skip
    for rank, ranked in _by_rank(_only(chosen, admitted), busy).items():
        for (relay, operator), group in _by_way(ranked, went).items():
            batches = [
                (outbox.claim(connection, ids, relay=relay, operator=operator, holder=holder), 1)
                for ids in _batches(group)
            ]
            handoff.give(connection, batches, lane=relay, rank=rank)
            number += len(batches)
            by_relay[relay] = by_relay.get(relay, 0) + len(group)
            for one in group:
                by_campaign[one.campaign_id] = by_campaign.get(one.campaign_id, 0) + 1
    routing.record(connection, ways, by_relay, now=now)
    for name, count in by_campaign.items():
        script = live.scripts.get(name)
        if script is not None and script.rate is not None:
            relays.spend(connection, _bucket(name), count)
    return Dispatched(number, sum(by_relay.values()), by_campaign, admitted.put_off)


def _choose(
    connection: Connection, allowed: dict[str, int], busy: Mapping[str, int], room: int, reserve: int, now: datetime
) -> list[Candidate]:
    """
    Deadline mail first, then the rest; of each the first few of every campaign, then what else they have.

    Each time an equal share of the room for each campaign, and what one leaves to the others. Of one person's mails
    only the most urgent is taken.
    """
    chosen: dict[int, Candidate] = {}
    few = {name: FEW - busy.get(name, 0) for name in allowed}
    turns = (
        (True, few, room),
        (True, allowed, room - reserve // 2),
        (False, few, room),
        (False, allowed, room - reserve),
    )
    for deadline, quota, space in turns:
        hungry = {name: min(quota[name], allowed[name]) for name in allowed}
        while space > len(chosen) and hungry:
            share = max(1, (space - len(chosen)) // len(hungry))
            shares = {name: min(share, left) for name, left in hungry.items() if left > 0}
            found = outbox.due(connection, shares, deadline=deadline, now=now, leave_out=list(chosen))
            came: dict[str, int] = {}
            for one in sorted(found, key=lambda candidate: candidate.urgency):
                came[one.campaign_id] = came.get(one.campaign_id, 0) + 1
                if one.person_id not in chosen and len(chosen) < space:
                    chosen[one.person_id] = one
                    allowed[one.campaign_id] -= 1
                    few[one.campaign_id] -= 1
            # Who filled her share may have more; who did not is done.
            still = {name: min(quota[name], allowed[name]) for name in shares if came.get(name, 0) == shares[name]}
            hungry = {name: left for name, left in still.items() if left > 0}
    return list(chosen.values())


def _by_rank(chosen: Sequence[Candidate], busy: Mapping[str, int]) -> dict[Rank, list[Candidate]]:
    """What overtakes what: the first few of each campaign, deadline mail, the rest; in this order."""
    ranks: dict[Rank, list[Candidate]] = {rank: [] for rank in Rank}
    out = dict(busy)
    for one in chosen:
        count = out[one.campaign_id] = out.get(one.campaign_id, 0) + 1
        rank = Rank.FEW if count <= FEW else Rank.DEADLINE if one.deadline else Rank.REST
        ranks[rank].append(one)
    return {rank: ranked for rank, ranked in ranks.items() if ranked}


def _only(chosen: Sequence[Candidate], admitted: Admitted) -> list[Candidate]:
    """Those that their operator takes now, the most urgent first as they were."""
    going = {one.id for group in admitted.ways.values() for one in group}
    return [one for one in chosen if one.id in going]


def _allowance(connection: Connection, name: str, script: Script | None, room: int, now: datetime) -> int:
    """How many of a campaign may go out now, by its `rate`."""
    if script is None or script.rate is None:
        return room
    hour = timedelta(hours=1)
    per_hour = int(script.rate.per_second * hour.total_seconds())
    tokens = relays.refill(connection, _bucket(name), rate=script.rate.per_second, burst=max(per_hour, 1), now=now)
    return min(room, int(tokens))


def _bucket(campaign: str) -> str:
    return f"campaign:{campaign}"


def _batches(group: Sequence[Candidate]) -> list[list[int]]:
    """In batches, the smaller the oftener a process died over them: a culprit is alone at last."""
    batches: list[list[int]] = []
    for rescues, size in enumerate(BATCH):
        last = rescues == len(BATCH) - 1
        ids = [one.id for one in group if one.rescues == rescues or (last and one.rescues > rescues)]
        batches += [ids[start : start + size] for start in range(0, len(ids), size)]
    return batches


def _by_way(chosen: Sequence[Candidate], went: Mapping[int, tuple[str, str]]) -> dict[tuple[str, str], list[Candidate]]:
    """By relay and receiving operator, as they were assigned."""
    ways: dict[tuple[str, str], list[Candidate]] = {}
    for one in chosen:
        ways.setdefault(went[one.id], []).append(one)
    return ways
