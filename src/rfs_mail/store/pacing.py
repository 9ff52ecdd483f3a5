"""What is known of receiving operators, of warm-up and of campaigns that go wrong. It survives a restart."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from sqlalchemy import ColumnElement, Connection, func, select, update

from rfs_mail.core.campaign_breaker import Count
from rfs_mail.core.pacing import Flow, Learnt
from rfs_mail.core.warmup import Ramp
from rfs_mail.store.dialect import among, insert
from rfs_mail.store.tables import TABLES
from rfs_mail.store.types import AnyRow

_pace = TABLES["pace"]
_ramp = TABLES["ramp"]
_breaker = TABLES["campaign_breaker"]
_event = TABLES["event"]

Way = tuple[str, str]
"""Relay and receiving operator."""

# -- operators ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Pace:
    """How one operator is sent to by one relay."""

    tokens: float | None = None
    tokens_at: datetime | None = None
    booked_until: datetime | None = None
    flow: Flow = field(default_factory=Flow)
    learnt: Learnt | None = None


def paces(connection: Connection) -> dict[Way, Pace]:
    """Everything that is known, by relay and operator; some dozen rows."""
    return {(row.relay, row.operator): _read_pace(row) for row in connection.execute(select(_pace))}


def pace(connection: Connection, way: Way) -> Pace:
    """
    What is known of one operator at one relay, locked until the end of the transaction.

    For whoever is about to write what was learnt. A new row is made where there is none.
    """
    new = insert(connection, _pace).values(relay=way[0], operator=way[1], flow=0, flow_before=0, strikes=0)
    connection.execute(new.on_conflict_do_nothing())
    return _read_pace(connection.execute(select(_pace).where(_one(way)).with_for_update()).one())


def _one(way: Way) -> ColumnElement[bool]:
    return (_pace.c.relay == way[0]) & (_pace.c.operator == way[1])


def _read_pace(row: AnyRow) -> Pace:
    learnt = None
    if row.rate is not None and row.ceiling is not None and row.rests_until is not None:
        learnt = Learnt(row.rate, row.ceiling, row.rests_until, row.strikes, row.because or "")
    return Pace(row.tokens, row.tokens_at, row.booked_until, Flow(row.flow_at, row.flow, row.flow_before), learnt)


def write_paces(connection: Connection, given: Mapping[Way, Pace]) -> None:
    """What dispatch knows anew: bucket, turns and flow, in one statement. What was learnt stays as it is."""
    if not given:
        return
    statement = insert(connection, _pace).values(
        [
            {
                "relay": relay,
                "operator": operator,
                "tokens": one.tokens,
                "tokens_at": one.tokens_at,
                "booked_until": one.booked_until,
                "flow_at": one.flow.minute,
                "flow": one.flow.count,
                "flow_before": one.flow.before,
                "strikes": 0,
            }
            for (relay, operator), one in sorted(given.items())
        ]
    )
    names = ("tokens", "tokens_at", "booked_until", "flow_at", "flow", "flow_before")
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[_pace.c.relay, _pace.c.operator], set_={name: statement.excluded[name] for name in names}
        )
    )


def write_learnt(connection: Connection, way: Way, learnt: Learnt | None) -> None:
    """What an operator taught us; None forgets it, on staff's word. The row must be there: `pace` makes it."""
    connection.execute(
        update(_pace)
        .where(_one(way))
        .values(
            rate=learnt.rate if learnt else None,
            ceiling=learnt.ceiling if learnt else None,
            rests_until=learnt.rests_until if learnt else None,
            strikes=learnt.strikes if learnt else 0,
            because=learnt.because if learnt else None,
        )
    )


# -- warm-up -----------------------------------------------------------------------------------------------------------

_RAMP = ("started", "on_day", "last_on", "day", "cap", "used", "sent", "hard", "deferred", "complained", "because")


def ramps(connection: Connection, domains: Iterable[str]) -> dict[tuple[str, str], Ramp]:
    """The ramps of these From domains, by domain and operator, locked until the end of the transaction."""
    rows = connection.execute(
        select(_ramp)
        .where(_ramp.c.domain.in_(sorted(domains)))
        .order_by(_ramp.c.domain, _ramp.c.operator)
        .with_for_update()
    )
    return {(row.domain, row.operator): _read_ramp(row) for row in rows}


def all_ramps(connection: Connection) -> dict[tuple[str, str], Ramp]:
    """Every ramp there is, by domain and operator."""
    rows = connection.execute(select(_ramp).order_by(_ramp.c.domain, _ramp.c.operator))
    return {(row.domain, row.operator): _read_ramp(row) for row in rows}


def _read_ramp(row: AnyRow) -> Ramp:
    return Ramp(
        date.fromordinal(row.started), date.fromordinal(row.on_day), date.fromordinal(row.last_on), row.cap, row.day,
        row.used, row.sent, row.hard, row.deferred, row.complained, row.because,
    )  # fmt: skip


def write_ramps(connection: Connection, given: Mapping[tuple[str, str], Ramp]) -> None:
    """Write ramps as they stand, in one statement."""
    if not given:
        return
    statement = insert(connection, _ramp).values(
        [
            {
                "domain": domain,
                "operator": operator,
                "started": ramp.started.toordinal(),
                "on_day": ramp.on.toordinal(),
                "last_on": ramp.last_on.toordinal(),
                "day": ramp.day,
                "cap": ramp.cap,
                "used": ramp.used,
                "sent": ramp.sent,
                "hard": ramp.hard,
                "deferred": ramp.deferred,
                "complained": ramp.complained,
                "because": ramp.because,
            }
            for (domain, operator), ramp in sorted(given.items())
        ]
    )
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[_ramp.c.domain, _ramp.c.operator],
            set_={name: statement.excluded[name] for name in _RAMP},
        )
    )


@dataclass(slots=True)
class Outcome:
    """What became of mails of one From domain at one operator. `back`: given out, and never answered."""

    sent: int = 0
    hard: int = 0
    deferred: int = 0
    complained: int = 0
    back: int = 0


def add_outcome(connection: Connection, domain: str, operator: str, came: Outcome, *, day: date) -> None:
    """
    Count answers towards a ramp, where there is one.

    What came back unsent makes room again only on the day it was given out, `day`; the rest counts for the present one.
    """
    back = came.back
    connection.execute(
        update(_ramp)
        .where(_ramp.c.domain == domain, _ramp.c.operator == operator)
        .values(
            sent=_ramp.c.sent + came.sent,
            hard=_ramp.c.hard + came.hard,
            deferred=_ramp.c.deferred + came.deferred,
            complained=_ramp.c.complained + came.complained,
        )
    )
    if back:
        connection.execute(
            update(_ramp)
            .where(_ramp.c.domain == domain, _ramp.c.operator == operator, _ramp.c.on_day == day.toordinal())
            .values(used=_ramp.c.used - back)
        )


def last_active(connection: Connection, person_ids: Sequence[int]) -> dict[int, datetime]:
    """When each of these people last did something (a click of her own, a form, a reply); who never did is absent."""
    rows = connection.execute(
        select(_event.c.person_id, func.max(_event.c.at).label("at"))
        .where(among(connection, _event.c.person_id, person_ids), _event.c.active)
        .group_by(_event.c.person_id)
    )
    return {row.person_id: row.at for row in rows}


# -- campaigns that go wrong -------------------------------------------------------------------------------------------


def count_answers(connection: Connection, answers: Mapping[str, tuple[int, int]], *, now: datetime) -> dict[str, Count]:
    """
    Add (answered, refused for a dead address) to campaigns' counts; returns how these stand, full blocks rolled on.

    The count is the one before rolling, so that no mail is judged twice or not at all.
    """
    if not answers:
        return {}
    statement = insert(connection, _breaker).values(
        [
            {"campaign_id": name, "since": now, "tried": tried, "hard": hard, "tried_before": 0, "hard_before": 0}
            for name, (tried, hard) in sorted(answers.items())
        ]
    )
    rows = connection.execute(
        statement.on_conflict_do_update(
            index_elements=[_breaker.c.campaign_id],
            set_={
                "tried": _breaker.c.tried + statement.excluded.tried,
                "hard": _breaker.c.hard + statement.excluded.hard,
            },
        ).returning(*_breaker.c)
    ).all()
    counts = {row.campaign_id: Count(row.tried, row.hard, row.tried_before, row.hard_before) for row in rows}
    for name, count in counts.items():
        if (rolled := count.rolled()) != count:
            connection.execute(
                update(_breaker)
                .where(_breaker.c.campaign_id == name)
                .values(
                    tried=rolled.tried,
                    hard=rolled.hard,
                    tried_before=rolled.tried_before,
                    hard_before=rolled.hard_before,
                )
            )
    return counts


def counted_since(connection: Connection, campaign: str) -> datetime | None:
    """When the count of a campaign began; None where nothing was counted yet."""
    found: datetime | None = connection.execute(
        select(_breaker.c.since).where(_breaker.c.campaign_id == campaign)
    ).scalar_one_or_none()
    return found


def count_anew(connection: Connection, campaign: str, *, now: datetime) -> None:
    """Begin a fresh count: what happened before is forgiven."""
    connection.execute(
        update(_breaker)
        .where(_breaker.c.campaign_id == campaign)
        .values(since=now, tried=0, hard=0, tried_before=0, hard_before=0)
    )


def counts(connection: Connection) -> dict[str, Count]:
    """How every campaign's mails were answered."""
    return {
        row.campaign_id: Count(row.tried, row.hard, row.tried_before, row.hard_before)
        for row in connection.execute(select(_breaker))
    }
