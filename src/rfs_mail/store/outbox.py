"""
The outbox: the deliveries, and the only code that moves their state.

The moves are those of `core.lifecycle`. Every move after the claim carries batch and epoch, so that a holder that
slept through its lease changes nothing. A move that ends a delivery wakes the enrollment that waits for it.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import repeat
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Connection,
    Double,
    FromClause,
    Integer,
    Interval,
    Select,
    Table,
    Update,
    and_,
    bindparam,
    case,
    cast,
    exists,
    func,
    insert,
    literal,
    literal_column,
    or_,
    select,
    true,
    type_coerce,
    union_all,
    update,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.sql.schema import ScalarElementColumnDefault

from rfs_mail.core.lifecycle import OPEN_STATES, UNSETTLED, WENT_OUT, DeliveryState
from rfs_mail.core.reasons import Reason
from rfs_mail.store.database import MACHINE_TIME, machine_time
from rfs_mail.store.dialect import (
    among_bound,
    among_value,
    execute_ready,
    gathered,
    insert_many,
    instants,
    json_text,
    new_ids,
    update_many,
)
from rfs_mail.store.tables import TABLES
from rfs_mail.store.types import AnyRow, BigId, Instant, to_microseconds

delivery = TABLES["delivery"]
batch = TABLES["batch"]
enrollment = TABLES["enrollment"]
person = TABLES["person"]
suppression = TABLES["suppression"]
consent = TABLES["consent"]
topic_left = TABLES["topic_left"]
touched = TABLES["touched"]
campaign = TABLES["campaign"]
filing_window = TABLES["filing_window"]
kept_message = TABLES["kept_message"]
stub = TABLES["delivery_stub"]

LEASE = timedelta(seconds=60)
"""How long a batch belongs to its holder without a sign of life, by the database's clock."""

POISON_AFTER = 4
"""So many times in a row may a process die while it tries to write a delivery; the last two times it was alone."""

_PERSON_LOCK = 0x7266736D
"""The class of our advisory locks, one a person."""

_LOCKS = 2**31 - 1
"""How many there are; two people who share one wait for each other now and then, nothing more."""

_S = DeliveryState

# Literal and not bound: SQLite uses a partial index only where it can see that the condition implies the index's own.
QUEUED = delivery.c.state == literal_column("'queued'")
UNCERTAIN = delivery.c.state == literal_column("'uncertain'")


def _in_flight(table: FromClause) -> ColumnElement[bool]:
    states: list[ColumnElement[str]] = [literal_column("'claimed'"), literal_column("'sending'")]
    return table.c.state.in_(states)


# -- queue -------------------------------------------------------------------------------------------------------------


def queue(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> dict[int, int]:
    """
    Put deliveries in the outbox, at most one an enrollment a call; returns enrollment id -> delivery id.

    All rows name the same columns, those of the first; the others get their defaults.
    """
    if not rows:
        return {}
    at, ids = instants(connection), new_ids(connection, delivery, len(rows))
    values: dict[str, Iterable[Any]] = {"id": ids}
    for name in rows[0]:
        given = [row[name] for row in rows]
        values[name] = [at(value) for value in given] if isinstance(delivery.c[name].type, Instant) else given
    for column in delivery.c:
        if column.name not in values and isinstance(column.default, ScalarElementColumnDefault):
            values[column.name] = repeat(column.default.arg, len(rows))
    insert_many(connection, delivery, tuple(values), list(zip(*values.values(), strict=True)))
    return {row["enrollment_id"]: made for row, made in zip(rows, ids, strict=True)}


# -- dispatch ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Candidate:
    """A queued delivery whose time has come."""

    id: int
    person_id: int
    campaign_id: str
    entity_id: str
    operator: str
    deadline: bool
    due_at: datetime
    not_after: datetime
    rescues: int = 0
    """How often a process died while it worked on this one."""
    reason: str | None = None
    """Why it is in the queue again: `deferred`, `relay`, a hold."""
    relay: str | None = None
    """The relay that it was last handed to, and what that said."""
    reply: str | None = None

    @property
    def urgency(self) -> tuple[bool, datetime, datetime, int]:
        """Sorts the most urgent first: deadline mail, then the nearest end, then the oldest plan."""
        return (not self.deadline, self.not_after, self.due_at, self.id)


def due(
    connection: Connection,
    shares: Mapping[str, int],
    *,
    deadline: bool,
    now: datetime,
    leave_out: Sequence[int] = (),
) -> list[Candidate]:
    """
    Queued deliveries whose time has come: at most `shares[campaign]` a campaign, the longest due first.

    One indexed look a campaign, so that a million waiting mails of one cost another nothing. People who have a
    delivery in flight are left out, and those named in `leave_out`: nobody has two at a time.
    """
    asked = {name: share for name, share in shares.items() if share > 0}
    if not asked:
        return []
    statement = _due(tuple(asked), deadline, connection.dialect.name == "postgresql")
    values: dict[str, Any] = {f"share_{place}": share for place, share in enumerate(asked.values())}
    values |= {"now": now, "left": among_value(connection, leave_out)}
    return [Candidate(*row) for row in connection.execute(statement, values)]


@lru_cache(maxsize=256)
def _due(campaigns: tuple[str, ...], deadline: bool, on_postgresql: bool) -> CompoundSelect[Any]:
    """The statement of `due`: built once, because building costs more than asking."""
    busy = delivery.alias("busy")
    columns = [delivery.c[name] for name in Candidate.__dataclass_fields__]
    return union_all(
        *[
            select(
                select(*columns)
                .where(
                    delivery.c.campaign_id == literal(name),
                    delivery.c.deadline == deadline,
                    QUEUED,
                    delivery.c.next_at <= bindparam("now", type_=delivery.c.next_at.type),
                    ~exists().where(busy.c.person_id == delivery.c.person_id, _in_flight(busy)),
                    ~among_bound(delivery.c.person_id, "left", on_postgresql=on_postgresql),
                )
                .order_by(delivery.c.next_at)
                .limit(bindparam(f"share_{place}", type_=Integer()))
                .subquery()
            )
            for place, name in enumerate(campaigns)
        ]
    )


def campaigns_with_due(connection: Connection, *, now: datetime) -> list[str]:
    """Campaigns that have a queued delivery whose time has come; one indexed look a campaign."""
    ready = exists().where(
        delivery.c.campaign_id == campaign.c.id,
        delivery.c.deadline.in_((True, False)),
        QUEUED,
        delivery.c.next_at <= now,
    )
    return list(connection.execute(select(campaign.c.id).where(campaign.c.state != "paused", ready)).scalars())


def count_due(connection: Connection, *, now: datetime) -> int:
    """How many queued deliveries of campaigns that are not paused may go by now."""
    return connection.execute(
        select(func.count())
        .select_from(delivery)
        .join(campaign, campaign.c.id == delivery.c.campaign_id)
        .where(campaign.c.state != "paused", QUEUED, delivery.c.next_at <= now)
    ).scalar_one()


def in_flight(connection: Connection) -> dict[str, int]:
    """How many deliveries of each campaign are claimed or sending, over all holders."""
    found = select(delivery.c.campaign_id, func.count()).where(_in_flight(delivery)).group_by(delivery.c.campaign_id)
    return {row[0]: row[1] for row in connection.execute(found)}


def in_flight_by_way(connection: Connection) -> dict[tuple[str, str], int]:
    """How many deliveries are claimed or sending, by relay and receiving operator, over all holders."""
    # By batch first: the partial index holds all that this asks for.
    held = (
        select(delivery.c.batch_id, func.count().label("number"))
        .where(_in_flight(delivery))
        .group_by(delivery.c.batch_id)
        .subquery()
    )
    rows = connection.execute(
        select(batch.c.relay, batch.c.operator, func.sum(held.c.number).label("number"))
        .join(held, held.c.batch_id == batch.c.id)
        .group_by(batch.c.relay, batch.c.operator)
    )
    return {(row.relay, row.operator): int(row.number) for row in rows}


def put_off(
    connection: Connection,
    ids: Sequence[int],
    *,
    first: datetime,
    step: timedelta,
    latest: datetime,
    reason: Reason,
    detail: Mapping[str, Any],
) -> None:
    """
    Give queued deliveries a later turn, in the order of `ids`: the first at `first`, each next one `step` later.

    None later than `latest`, and none later than the moment it expires, so that it expires like every other. One
    statement for all of them.
    """
    if not ids:
        return
    tick = timedelta(microseconds=1)
    turn: Any
    end: Any
    if connection.dialect.name == "postgresql":
        given: Any = bindparam(None, list(ids), type_=postgresql.ARRAY(BigId))
        listed = func.unnest(given).table_valued("id", with_ordinality="place", name="listed").render_derived()
        one, place = listed.c.id, listed.c.place - 1
        turn = literal(first, Instant()).op("+")(_seconds(step, place))
        end = literal(latest, Instant()).op("+")(_seconds(tick, place))
        turn = func.least(turn, end, delivery.c.not_after.op("+")(_seconds(tick, 1)))
    else:
        listed = func.json_each(json.dumps(list(ids))).table_valued("key", "value", name="listed")
        one, place = listed.c.value, cast(listed.c.key, BigId)
        turn = literal(to_microseconds(first), BigId) + literal(step // tick, BigId) * place
        end = literal(to_microseconds(latest), BigId) + place
        turn = func.min(turn, end, type_coerce(delivery.c.not_after, BigId) + 1)
    connection.execute(
        update(delivery)
        .where(delivery.c.id == one, QUEUED)
        .values(not_before=turn, next_at=turn, reason=reason.value, detail=dict(detail))
    )


def _seconds(step: timedelta, times: Any) -> Any:
    """So many times `step` as an interval of PostgreSQL."""
    seconds: Any = literal(step.total_seconds(), Double()) * cast(times, Double())
    return func.make_interval(0, 0, 0, 0, 0, 0, seconds, type_=Interval())


def expire(
    connection: Connection, ids: Sequence[int], *, held_by: Reason, detail: Mapping[str, Any], now: datetime
) -> None:
    """Move queued -> expired: these had to wait until it was too late. `held_by` and `detail` say for what."""
    rows = connection.execute(
        select(delivery.c.id, delivery.c.enrollment_id, delivery.c.not_after).where(delivery.c.id.in_(ids), QUEUED)
    ).all()
    _expire(connection, rows, {**detail, "held_by": held_by.value}, now)


def claim(connection: Connection, ids: Sequence[int], *, relay: str, operator: str, holder: str | None) -> int:
    """Make a batch of queued deliveries under a fresh lease; returns the batch id. Its epoch is 1."""
    is_postgresql = connection.dialect.name == "postgresql"
    statement = _new_batch(is_postgresql)
    values = {"relay": relay, "operator": operator, "holder": holder, "size": len(ids)}
    made: int = connection.execute(statement, values).scalar_one()
    connection.execute(_claim(is_postgresql), {"batch": made, "ids": among_value(connection, ids)})
    return made


@lru_cache(maxsize=2)
def _new_batch(on_postgresql: bool) -> Any:
    return (
        insert(batch)
        .values(
            epoch=1, state="live", relay=bindparam("relay"), operator=bindparam("operator"),
            holder=bindparam("holder"), lease_until=_lease_end(on_postgresql), size=bindparam("size"),
        )
        .returning(batch.c.id)
    )  # fmt: skip


@lru_cache(maxsize=2)
def _claim(on_postgresql: bool) -> Any:
    return (
        update(delivery)
        .where(among_bound(delivery.c.id, "ids", on_postgresql=on_postgresql), QUEUED)
        .values(state="claimed", batch_id=bindparam("batch"), epoch=1, reason=None, detail=None)
    )


# -- deliver -----------------------------------------------------------------------------------------------------------


class Claimed(NamedTuple):
    """
    A claimed delivery with its person and enrollment (`p_...`, anchors): what delivering reads, and nothing else.

    Plain values in a plain tuple, so that another process can be given it.
    """

    id: int
    enrollment_id: int
    person_id: int
    campaign_id: str
    step_key: str
    revision_id: int
    entity_id: str
    topic: str
    variant: str
    operator: str
    batch_id: int
    epoch: int
    attempt: int
    rescues: int
    first_attempt_at: datetime | None
    due_at: datetime
    not_after: datetime
    message_id: str | None
    anchors: dict[str, str] | None
    occurrence_key: str | None
    p_mailbox: str
    p_zone: str
    p_given_name: str | None
    p_family_name: str | None
    p_state: str | None
    p_county: str | None
    p_zip: str | None
    p_lang: str | None
    p_birth_year: int | None
    p_runs_before: int | None
    p_endorsement: str | None
    p_endorsable: bool | None
    p_source: str | None
    p_signed_up_at: datetime | None
    p_stage: str
    p_custom: dict[str, Any]


def _claimed_column(name: str) -> ColumnElement[Any]:
    if name.startswith("p_"):
        return person.c[name[2:]].label(name)
    return enrollment.c[name] if name in ("anchors", "occurrence_key") else delivery.c[name]


_CLAIMED = (
    select(*[_claimed_column(name) for name in Claimed._fields])
    .select_from(delivery)
    .join(person, person.c.id == delivery.c.person_id)
    .join(enrollment, enrollment.c.id == delivery.c.enrollment_id)
    .where(
        delivery.c.batch_id == bindparam("batch"),
        delivery.c.epoch == bindparam("epoch"),
        _in_flight(delivery),
        delivery.c.state == "claimed",
    )
    .order_by(delivery.c.id)
)


def open_batch(connection: Connection, batch_id: int, epoch: int, holder: str) -> list[Claimed] | None:
    """
    Take a batch into this process: its claimed deliveries joined with their people, or None where it is another's.

    A batch run twice is a stale epoch or has no claimed rows left, and does nothing.
    """
    values = {"batch": batch_id, "of": epoch, "me": holder}
    taken = connection.execute(_take(connection.dialect.name == "postgresql"), values)
    if taken.rowcount == 0:
        return None
    return [Claimed._make(row) for row in connection.execute(_CLAIMED, {"batch": batch_id, "epoch": epoch})]


@lru_cache(maxsize=2)
def _take(on_postgresql: bool) -> Any:
    return (
        update(batch)
        .where(batch.c.id == bindparam("batch"), batch.c.epoch == bindparam("of"), batch.c.state == "live")
        .where(or_(batch.c.holder.is_(None), batch.c.holder == bindparam("me")))
        .values(state="open", holder=bindparam("me"), lease_until=_lease_end(on_postgresql))
    )


def acquit(connection: Connection, batch_id: int, epoch: int) -> None:
    """
    Hold nothing against the deliveries of a batch any more: they were all written, and the process lives.

    What a later death finds of them starts from nothing, so blind kills do not add up.
    """
    connection.execute(
        update(delivery)
        .where(delivery.c.batch_id == batch_id, delivery.c.epoch == epoch, delivery.c.state == "claimed")
        .values(rescues=0)
    )


def way_of(connection: Connection, batch_id: int) -> tuple[str, str]:
    """The relay a batch goes by, and the receiving operator it is for."""
    row = connection.execute(select(batch.c.relay, batch.c.operator).where(batch.c.id == batch_id)).one()
    return str(row.relay), str(row.operator)


def _gate() -> Select[Any]:
    """The columns of the gate, for the deliveries `ids`: built once, because building costs more than asking."""
    covers = and_(
        suppression.c.address_hash == person.c.address_hash,
        suppression.c.lifted_at.is_(None),
        or_(
            suppression.c.scope == "all",
            and_(suppression.c.scope == "entity", suppression.c.scope_id == delivery.c.entity_id),
            and_(suppression.c.scope == "topic", suppression.c.scope_id == delivery.c.topic),
        ),
        or_(
            suppression.c.except_topics == "",
            func.coalesce(suppression.c.except_topics, "").not_like("%|" + delivery.c.topic + "|%"),
        ),
    )
    first = select(func.min(suppression.c.id)).where(covers).correlate(person, delivery).scalar_subquery()
    found = suppression.alias("found")
    return (
        select(
            delivery.c.id,
            delivery.c.state,
            delivery.c.batch_id,
            delivery.c.epoch,
            delivery.c.person_id,
            delivery.c.enrollment_id,
            delivery.c.campaign_id,
            delivery.c.revision_id,
            delivery.c.step_key,
            delivery.c.entity_id,
            delivery.c.topic,
            delivery.c.deadline,
            delivery.c.cap,
            delivery.c.not_after,
            delivery.c.window_id,
            delivery.c.window_version,
            person.c.zone,
            person.c.mailbox,
            person.c.stopped_at,
            person.c.stopped_because,
            person.c.paused_until,
            found.c.reason.label("suppressed_reason"),
            found.c.scope.label("suppressed_scope"),
            found.c.at.label("suppressed_at"),
            consent.c.granted_at,
            consent.c.withdrawn_at,
            topic_left.c.at.label("topic_left_at"),
            enrollment.c.state.label("enrollment_state"),
            enrollment.c.ended_because,
            enrollment.c.ended_detail,
            campaign.c.state.label("campaign_state"),
            campaign.c.state_by,
            campaign.c.state_because,
            filing_window.c.version.label("current_window_version"),
            filing_window.c.confidence.label("window_confidence"),
            exists().where(touched.c.person_id == delivery.c.person_id).label("touched"),
        )
        .select_from(delivery)
        .join(person, person.c.id == delivery.c.person_id)
        .join(enrollment, enrollment.c.id == delivery.c.enrollment_id)
        .join(campaign, campaign.c.id == delivery.c.campaign_id)
        .outerjoin(found, found.c.id == first)
        .outerjoin(consent, and_(consent.c.person_id == person.c.id, consent.c.entity_id == delivery.c.entity_id))
        .outerjoin(topic_left, and_(topic_left.c.person_id == person.c.id, topic_left.c.topic == delivery.c.topic))
        .outerjoin(filing_window, filing_window.c.id == delivery.c.window_id)
        .where(delivery.c.id.in_(bindparam("ids", expanding=True)))
    )


_GATE = _gate()


def gate_rows(connection: Connection, ids: Sequence[int], *, only_ask: bool = False) -> list[AnyRow]:
    """
    All the columns the gate decides on, one row a claimed delivery, locked until the end of the transaction.

    `only_ask` gives those that are still queued too, and locks nothing: for whoever wants to know what the gate would
    say.

    On PostgreSQL the people and the rows are locked first and read after, so that a suppression committed before the
    lock is seen and one committed after it waits for this mark.
    """
    if connection.dialect.name == "postgresql" and not only_ask:
        about = select(delivery.c.person_id).where(delivery.c.id.in_(ids)).order_by(delivery.c.person_id).subquery()
        connection.execute(select(func.pg_advisory_xact_lock_shared(_PERSON_LOCK, _lock_number(about.c.person_id))))
        connection.execute(
            select(delivery.c.id).where(delivery.c.id.in_(ids)).order_by(delivery.c.id).with_for_update()
        )
    states = ("queued", "claimed") if only_ask else ("claimed",)
    rows = connection.execute(_GATE, {"ids": list(ids)}).all()
    # By key alone, so that no planner walks all that is claimed to find these few.
    return [row for row in rows if row.state in states]


def close_gate(connection: Connection, person_id: int) -> None:
    """
    Let nothing of this person through the gate until the transaction has ended; call it before `skip_open`.

    The rows that `skip_open` moves are locked anyway; this is for a mail that is queued and claimed while the
    transaction is open, which has no row yet to be locked. On SQLite a write transaction is alone.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_PERSON_LOCK, person_id % _LOCKS)))


def _lock_number(person_id: Any) -> Any:
    return cast(person_id % _LOCKS, Integer)


_COUNTED = (
    select(delivery.c.person_id, delivery.c.sending_at)
    .where(
        delivery.c.person_id.in_(bindparam("ids", expanding=True)),
        delivery.c.state.in_([state.value for state in WENT_OUT]),
        delivery.c.cap == "count",
        delivery.c.sending_at > bindparam("since", type_=delivery.c.sending_at.type),
    )
    .order_by(delivery.c.sending_at)
)


def counted_sends(
    connection: Connection, person_ids: Sequence[int], *, since: datetime
) -> dict[int, tuple[datetime, ...]]:
    """When counting mails went out to each person, or may have, since then; ascending. Who got none is absent."""
    rows = connection.execute(_COUNTED, {"ids": list(person_ids), "since": since}).all()
    sent: dict[int, list[datetime]] = {}
    for row in rows:
        sent.setdefault(row.person_id, []).append(row.sending_at)
    return {who: tuple(at) for who, at in sent.items()}


def urgent_mails(
    connection: Connection, person_ids: Sequence[int], steps: Sequence[tuple[str, str]], *, until: datetime
) -> list[AnyRow]:
    """
    Deadline mails of these people that are queued, or planned by an enrollment, to go before `until`.

    `steps` are the (campaign, step key) of all live deadline steps. Rows: person_id, campaign_id, step_key, due_at.
    """
    if not steps:
        return []
    return list(connection.execute(_urgent_mails(tuple(steps)), {"people": list(person_ids), "until": until}))


@lru_cache(maxsize=64)
def _urgent_mails(steps: tuple[tuple[str, str], ...]) -> CompoundSelect[Any]:
    """The statement of `urgent_mails`: built once a release, because building costs more than asking."""
    people: Any = bindparam("people", expanding=True)
    until = bindparam("until", type_=Instant())
    queued = select(delivery.c.person_id, delivery.c.campaign_id, delivery.c.step_key, delivery.c.due_at).where(
        delivery.c.person_id.in_(people),
        delivery.c.state.in_([state.value for state in OPEN_STATES]),
        delivery.c.deadline == true(),
        delivery.c.due_at < until,
    )
    planned = select(
        enrollment.c.person_id, enrollment.c.campaign_id, enrollment.c.step_key, enrollment.c.due_at
    ).where(
        enrollment.c.person_id.in_(people),
        enrollment.c.state == "active",
        enrollment.c.planned == true(),
        enrollment.c.due_at < until,
        or_(*[and_(enrollment.c.campaign_id == name, enrollment.c.step_key == key) for name, key in steps]),
    )
    return union_all(queued, planned)


_MARK = (
    update(delivery)
    .where(
        delivery.c.id == bindparam("b_id"),
        delivery.c.batch_id == bindparam("b_batch"),
        delivery.c.epoch == bindparam("b_epoch"),
        delivery.c.state == "claimed",
    )
    .values(
        state="sending",
        attempt=delivery.c.attempt + 1,
        first_attempt_at=func.coalesce(
            delivery.c.first_attempt_at, bindparam("b_now", type_=delivery.c.sending_at.type)
        ),
        sending_at=bindparam("b_now", type_=delivery.c.sending_at.type),
        local_day=bindparam("b_day"),
        message_id=bindparam("b_message_id"),
        revision_id=bindparam("b_revision"),
        relay=bindparam("b_relay"),
        made=bindparam("b_made", type_=delivery.c.made.type),
        reason=None,
        detail=None,
    )
)


@dataclass(frozen=True, slots=True)
class Mark:
    """What a mark writes: this delivery is about to go to the wire, made like this."""

    id: int
    batch_id: int
    epoch: int
    local_day: int
    message_id: str
    revision_id: int
    relay: str
    made: str
    """JSON, as `engine.compose` wrote it."""
    message: bytes | None = None
    """Compressed bytes, where they are to be kept."""


def mark(connection: Connection, marks: Sequence[Mark], *, now: datetime) -> None:
    """
    Move claimed -> sending; committed before a byte goes out.

    The rows must have come from `gate_rows` in this transaction.
    """
    if not marks:
        return
    at = instants(connection)(now)
    execute_ready(
        connection,
        _MARK,
        [
            {
                "b_id": m.id,
                "b_batch": m.batch_id,
                "b_epoch": m.epoch,
                "b_now": at,
                "b_day": m.local_day,
                "b_message_id": m.message_id,
                "b_revision": m.revision_id,
                "b_relay": m.relay,
                "b_made": m.made,
            }
            for m in marks
        ],
    )
    kept = [{"delivery_id": m.id, "message": m.message, "at": now} for m in marks if m.message is not None]
    if kept:
        ids = [row["delivery_id"] for row in kept]
        connection.execute(kept_message.delete().where(kept_message.c.delivery_id.in_(ids)))
        connection.execute(insert(kept_message), kept)


@dataclass(frozen=True, slots=True)
class Move:
    """One delivery's next state, as a verb decided it. `batch_id` and `epoch` fence it; None: not held by a batch."""

    id: int
    enrollment_id: int
    state: DeliveryState
    at: datetime
    reason: Reason | None = None
    detail: Mapping[str, Any] | None = None
    not_before: datetime | None = None
    code: int | None = None
    reply: str | None = None
    blameless: bool = False
    """A deferral that does not count as an attempt (421, a dropped connection)."""
    batch_id: int = 0
    epoch: int = 0


_ENDING = (_S.SENT, _S.FAILED, _S.SKIPPED, _S.EXPIRED, _S.UNCERTAIN)


def settle(connection: Connection, moves: Sequence[Move], *, origin: Sequence[DeliveryState]) -> set[int]:
    """
    Move claimed or sending deliveries on. Returns the ids that moved; the others had been moved by somebody else.

    `origin` names the states they may come from: `(CLAIMED,)` for a refusal at the gate, `(SENDING, UNCERTAIN)` for a
    verdict, which may come late, after a rescue called it uncertain.
    """
    if not moves:
        return set()
    from_states = {state.value for state in origin}
    open_now = {
        row.id: row
        for row in connection.execute(_HELD, {"ids": [m.id for m in moves]}).all()
        if row.state in from_states
    }
    mine = [m for m in moves if _holds(open_now.get(m.id), m)]
    ending = [m for m in mine if m.state in _ENDING]
    back = [m for m in mine if m.state is _S.QUEUED]
    if ending:
        ready = instants(connection)
        execute_ready(
            connection,
            _END,
            [
                {
                    "b_id": m.id,
                    "b_state": m.state.value,
                    "b_at": ready(m.at),
                    "b_reason": m.reason.value if m.reason else None,
                    "b_detail": json_text(m.detail) if m.detail is not None else None,
                    "b_code": m.code,
                    "b_reply": m.reply,
                }
                for m in ending
            ],
        )
        # An uncertain mail is settled for its enrollment too: the next step must not wait for a person's word.
        wake(connection, {m.id: m.enrollment_id for m in ending}, at={m.id: m.at for m in ending})
    if back:
        connection.execute(
            _REQUEUE,
            [
                {
                    "b_id": m.id,
                    "b_not_before": m.not_before,
                    "b_reason": m.reason.value if m.reason else None,
                    "b_detail": dict(m.detail) if m.detail is not None else None,
                    "b_code": m.code,
                    "b_reply": m.reply,
                    "b_back": 1 if m.blameless else 0,
                }
                for m in back
            ],
        )
    return {m.id for m in mine}


# Locked where there are locks a row, so that nobody moves them between this look and the move.
_HELD = (
    select(delivery.c.id, delivery.c.state, delivery.c.batch_id, delivery.c.epoch)
    .where(delivery.c.id.in_(bindparam("ids", expanding=True)))
    .order_by(delivery.c.id)
    .with_for_update()
)


def _holds(row: AnyRow | None, move: Move) -> bool:
    return row is not None and row.batch_id == move.batch_id and row.epoch == move.epoch


_END = (
    update(delivery)
    .where(delivery.c.id == bindparam("b_id"))
    .values(
        state=bindparam("b_state"),
        settled_at=bindparam("b_at", type_=delivery.c.settled_at.type),
        reason=bindparam("b_reason"),
        detail=bindparam("b_detail", type_=delivery.c.detail.type),
        code=bindparam("b_code"),
        reply=bindparam("b_reply"),
    )
)

_REQUEUE = (
    update(delivery)
    .where(delivery.c.id == bindparam("b_id"))
    .values(
        state="queued",
        batch_id=None,
        not_before=func.coalesce(bindparam("b_not_before", type_=delivery.c.not_before.type), delivery.c.not_before),
        next_at=case(
            (
                bindparam("b_not_before", type_=delivery.c.not_before.type) > delivery.c.due_at,
                bindparam("b_not_before", type_=delivery.c.not_before.type),
            ),
            else_=delivery.c.next_at,
        ),
        attempt=delivery.c.attempt - bindparam("b_back"),
        # An attempt that counts for nothing does not begin the life of a delivery either.
        first_attempt_at=case((delivery.c.attempt - bindparam("b_back") > 0, delivery.c.first_attempt_at), else_=None),
        reason=bindparam("b_reason"),
        detail=bindparam("b_detail", type_=delivery.c.detail.type),
        code=bindparam("b_code"),
        reply=bindparam("b_reply"),
    )
)

_WAKE = (
    update(enrollment)
    .where(
        enrollment.c.id == bindparam("b_id"),
        enrollment.c.state == "active",
        enrollment.c.waiting_on == bindparam("b_delivery"),
    )
    .values(
        waiting_on=None,
        previous_at=bindparam("b_at", type_=enrollment.c.previous_at.type),
        due_at=case(
            (and_(enrollment.c.planned == true(), enrollment.c.due_at.is_not(None)), enrollment.c.due_at),
            else_=bindparam("b_at", type_=enrollment.c.due_at.type),
        ),
    )
)


def wake(connection: Connection, settled: Mapping[int, int], *, at: datetime | Mapping[int, datetime]) -> None:
    """
    Tell enrollments that a delivery is settled: the step above was done then. `settled`: delivery -> its enrollment.

    Only those that wait for this very delivery are moved: the truth about an uncertain one may come much later.
    """
    ready = instants(connection)
    execute_ready(
        connection,
        _WAKE,
        [
            {"b_delivery": one, "b_id": who, "b_at": ready(at if isinstance(at, datetime) else at[one])}
            for one, who in settled.items()
        ],
    )


_HELD_BATCH = batch.c.state.in_(("live", "open"))


def renew(connection: Connection, holder: str, *, leave_out: Sequence[int] = ()) -> int:
    """Renew the lease of every batch this holder has, but for those it has dropped; returns how many there are."""
    return connection.execute(
        update(batch)
        .where(batch.c.holder == holder, _HELD_BATCH, batch.c.id.not_in(leave_out))
        .values(lease_until=_lease_end(connection.dialect.name == "postgresql"))
    ).rowcount


def close_batch(connection: Connection, batch_id: int, epoch: int, *, now: datetime) -> None:
    """
    The batch is worked off; whatever it still claims goes back to the queue, blameless.

    A row that is still in `sending` has no verdict, and nobody is left to bring one: it becomes uncertain.
    """
    if connection.execute(_SOME_LEFT, {"of": batch_id}).first() is None:
        connection.execute(_DONE, {"of": batch_id, "by": epoch})
        return
    mine = select(batch.c.id).where(batch.c.id == batch_id, batch.c.epoch == epoch, _HELD_BATCH)
    _let_go(connection, mine, now=now)


_SOME_LEFT = select(delivery.c.id).where(delivery.c.batch_id == bindparam("of"), _in_flight(delivery)).limit(1)
_DONE = (
    update(batch)
    .where(batch.c.id == bindparam("of"), batch.c.epoch == bindparam("by"), _HELD_BATCH)
    .values(state="done")
)


def let_go(connection: Connection, holder: str, *, now: datetime) -> None:
    """This holder ends in order: what it has claimed and not begun goes back to the queue at once."""
    _let_go(connection, select(batch.c.id).where(batch.c.holder == holder, _HELD_BATCH), now=now)


def give_back(connection: Connection, batch_id: int, epoch: int) -> int:
    """
    Move claimed -> queued for the rest of a batch that goes on; what is at the wire stays. Returns how many.

    For a batch whose relay rests: the mail may go by another at once, and need not wait for what hangs.
    """
    return connection.execute(
        update(delivery)
        .where(delivery.c.batch_id == batch_id, delivery.c.epoch == epoch, _in_flight(delivery))
        .where(delivery.c.state == "claimed")
        .values(state="queued", batch_id=None)
    ).rowcount


def _let_go(connection: Connection, batches: Select[tuple[int]], *, now: datetime) -> None:
    ids = list(connection.execute(batches).scalars())
    held = and_(delivery.c.batch_id.in_(ids), _in_flight(delivery))
    connection.execute(
        update(delivery).where(held, delivery.c.state == "claimed").values(state="queued", batch_id=None)
    )
    _make_uncertain(connection, held, now)
    connection.execute(update(batch).where(batch.c.id.in_(ids)).values(state="done"))


def _make_uncertain(connection: Connection, held: ColumnElement[bool], now: datetime) -> tuple[int, ...]:
    """Move sending -> uncertain: whoever sent it will not tell any more. Returns their ids."""
    rows = connection.execute(
        update(delivery)
        .where(held, delivery.c.state == "sending")
        .values(state="uncertain", settled_at=now, reason=Reason.HOLDER_DIED.value)
        .returning(delivery.c.id, delivery.c.enrollment_id)
    ).all()
    wake(connection, {row.id: row.enrollment_id for row in rows}, at=now)
    return tuple(row.id for row in rows)


# -- moving what is queued ---------------------------------------------------------------------------------------------


def waiting(
    connection: Connection,
    campaign_id: str,
    *,
    after: int = 0,
    up_to: int = 0,
    people: Sequence[int] | None = None,
) -> list[AnyRow]:
    """
    The queued mails of a campaign, each with its enrollment (as `enrollments.due` gives it) and the zone of the person.

    Those of these people, or of the enrollments with ids in `(after, up_to]`. The mail's own columns are `delivery_id`,
    `mail_step`, `mail_due_at`, `mail_not_after` and `mail_not_before`.
    """
    mine = (
        delivery.c.person_id.in_(people)
        if people is not None
        else and_(delivery.c.enrollment_id > after, delivery.c.enrollment_id <= up_to)
    )
    return list(
        connection.execute(
            select(
                *enrollment.c, person.c.zone, person.c.operator,
                delivery.c.id.label("delivery_id"), delivery.c.step_key.label("mail_step"),
                delivery.c.due_at.label("mail_due_at"), delivery.c.not_after.label("mail_not_after"),
                delivery.c.not_before.label("mail_not_before"),
            )
            .join(enrollment, enrollment.c.id == delivery.c.enrollment_id)
            .join(person, person.c.id == delivery.c.person_id)
            .where(QUEUED, func.coalesce(delivery.c.campaign_id, "") == campaign_id, mine)
        )
    )  # fmt: skip


def hand_on(connection: Connection, enrollment_id: int, values: Mapping[str, Any]) -> None:
    """
    Mail of an enrollment that has not left is about another filing window now: its id and version.

    What a sender has claimed goes back to the queue: it may be written about the old one already.
    """
    still = delivery.c.state.in_([state.value for state in OPEN_STATES])
    connection.execute(
        update(delivery)
        .where(delivery.c.enrollment_id == enrollment_id, still)
        .values(**values, state="queued", batch_id=None)
    )


def waiting_together(connection: Connection, campaign_id: str, *, after: int, up_to: int) -> list[AnyRow]:
    """
    The queued mails of the enrollments with ids in `(after, up_to]`: a row for all who share what times may hang on.

    Rows of step_key, about (the window of the mail), zone, revision_id and window_id of the enrollment, and the ids.
    """
    statement = _waiting_together(connection.dialect.name == "postgresql")
    return list(connection.execute(statement, {"campaign": campaign_id, "after": after, "up_to": up_to}))


@lru_cache(maxsize=2)
def _waiting_together(on_postgresql: bool) -> Select[Any]:
    shared = (
        delivery.c.step_key, delivery.c.window_id, person.c.zone, enrollment.c.revision_id, enrollment.c.window_id,
    )  # fmt: skip
    return (
        select(
            delivery.c.step_key, delivery.c.window_id.label("about"), person.c.zone, enrollment.c.revision_id,
            enrollment.c.window_id, gathered(delivery.c.id, on_postgresql=on_postgresql).label("ids"),
        )
        .join(enrollment, enrollment.c.id == delivery.c.enrollment_id)
        .join(person, person.c.id == delivery.c.person_id)
        .where(
            QUEUED, func.coalesce(delivery.c.campaign_id, "") == bindparam("campaign"),
            delivery.c.enrollment_id > bindparam("after"), delivery.c.enrollment_id <= bindparam("up_to"),
        )
        .group_by(*shared)
    )  # fmt: skip


def take_versions(connection: Connection, versions: Mapping[int | None, Sequence[int]]) -> None:
    """Note for queued mails the version of its window that each is planned by: version -> the mails; None: as it is."""
    write_versions(connection, delivery, _STILL_QUEUED, versions)


_STILL_QUEUED = delivery.c.state == "queued"
"""Not `QUEUED`: the rows are found by their ids."""

VERSION = bindparam("version", type_=Integer())


def write_versions(
    connection: Connection, table: Table, still: ColumnElement[bool], versions: Mapping[int | None, Sequence[int]]
) -> None:
    """`take_versions` of deliveries or enrollments, of those for which `still` holds."""
    statement = _write_versions(table, still, connection.dialect.name == "postgresql")
    given = [{"version": one, "ids": among_value(connection, ids)} for one, ids in versions.items() if one is not None]
    if given:
        connection.execute(statement, given)


@lru_cache(maxsize=4)
def _write_versions(table: Table, still: ColumnElement[bool], on_postgresql: bool) -> Update:
    mine = among_bound(table.c.id, "ids", on_postgresql=on_postgresql)
    return (
        update(table)
        .where(mine, still, table.c.window_version.is_distinct_from(VERSION))
        .values(window_version=VERSION)
    )


def retime(connection: Connection, times: Mapping[tuple[datetime, datetime, int | None], Sequence[int]]) -> None:
    """
    Give queued mails another time: (due_at, not_after, version of the window or None: as it is) -> the mails.

    What holds one until later goes on holding it, and one that left the queue keeps its own time.
    """
    statement = _retime(connection.dialect.name == "postgresql")
    given = [
        {"due": due_at, "limit": not_after, "version": version, "ids": among_value(connection, ids)}
        for (due_at, not_after, version), ids in times.items()
    ]
    if given:
        connection.execute(statement, given)


@lru_cache(maxsize=2)
def _retime(on_postgresql: bool) -> Update:
    due, limit = bindparam("due", type_=Instant()), bindparam("limit", type_=Instant())
    version = func.coalesce(VERSION, delivery.c.window_version)
    return (
        update(delivery)
        .where(
            among_bound(delivery.c.id, "ids", on_postgresql=on_postgresql), delivery.c.state == "queued",
            or_(
                delivery.c.due_at != due, delivery.c.not_after != limit,
                delivery.c.window_version.is_distinct_from(version),
            ),
        )
        .values(
            due_at=due, not_after=limit, window_version=version,
            next_at=case((delivery.c.not_before > due, delivery.c.not_before), else_=due),
        )
    )  # fmt: skip


def move_queued(connection: Connection, moves: Sequence[tuple[int, datetime, datetime, datetime]]) -> None:
    """Give queued mails another time: (id, due_at, next_at, not_after). One that left the queue keeps its own."""
    at = instants(connection)
    update_many(
        connection, delivery, ("due_at", "next_at", "not_after"),
        [(at(due_at), at(next_at), at(not_after), one) for one, due_at, next_at, not_after in moves],
        state="queued",
    )  # fmt: skip


# -- stopping what is not yet at the wire ------------------------------------------------------------------------------


def skip_open(
    connection: Connection,
    condition: Any,
    *,
    reason: Reason,
    detail: Mapping[str, Any] | None,
    now: datetime,
) -> int:
    """
    Move queued or claimed -> skipped where `condition` holds, as part of the transaction of the fact itself.

    The row lock decides the race with the mark: committed before it, the mail stays; after it, it was already leaving.
    Returns how many were skipped.
    """
    rows = connection.execute(
        update(delivery)
        .where(delivery.c.state.in_([s.value for s in OPEN_STATES]), condition)
        .values(
            state="skipped",
            reason=reason.value,
            detail=dict(detail) if detail is not None else None,
            settled_at=now,
        )
        .returning(delivery.c.id, delivery.c.enrollment_id)
    ).all()
    wake(connection, {row.id: row.enrollment_id for row in rows}, at=now)
    return len(rows)


def expire_paused(connection: Connection, *, now: datetime, limit: int = 2000) -> int:
    """Move queued -> expired where the time ran out while the campaign is paused: no dispatch looks at these."""
    rows = connection.execute(
        select(delivery.c.id, delivery.c.enrollment_id, delivery.c.not_after)
        .join(campaign, campaign.c.id == delivery.c.campaign_id)
        .where(campaign.c.state == "paused", QUEUED, delivery.c.not_after < now)
        .limit(limit)
        .with_for_update(of=delivery, skip_locked=True)
    ).all()
    _expire(connection, rows, {"held_by": Reason.HELD_PAUSED_CAMPAIGN.value}, now)
    return len(rows)


def _expire(connection: Connection, rows: Sequence[AnyRow], detail: Mapping[str, Any], now: datetime) -> None:
    if rows:
        connection.execute(
            _EXPIRE,
            [
                {"b_id": row.id, "b_at": now, "b_detail": {**detail, "not_after": row.not_after.isoformat()}}
                for row in rows
            ],
        )
        wake(connection, {row.id: row.enrollment_id for row in rows}, at=now)


_EXPIRE = (
    update(delivery)
    .where(delivery.c.id == bindparam("b_id"), QUEUED)
    .values(
        state="expired",
        settled_at=bindparam("b_at", type_=delivery.c.settled_at.type),
        reason=Reason.TOO_LATE.value,
        detail=bindparam("b_detail", type_=delivery.c.detail.type),
    )
)


# -- rescue ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Rescued:
    """What a rescue found."""

    batches: int = 0
    requeued: int = 0
    poisoned: int = 0
    uncertain: tuple[int, ...] = ()


def rescue(connection: Connection, *, now: datetime, everything: bool = False) -> Rescued:
    """
    Settle what dead holders left: claimed rows go back to the queue, rows in `sending` become uncertain.

    A holder is dead when its lease has lapsed by the database's clock; `everything` is for the one sender of a SQLite
    database, whose lock proves that no other holder lives.

    A rescue counts against the rows of a batch that was being worked on, because one of them may have killed the
    holder. Dispatch gives such rows out in smaller batches, and their holder tries them out one batch at a time
    (`acquit`); one that was alone twice and whose holder died both times is given up. Rows that only stood in line are
    as innocent as before.
    """
    lapsed = select(batch.c.id, batch.c.state, batch.c.size).where(_HELD_BATCH)
    if not everything:
        lapsed = lapsed.where(batch.c.lease_until < machine_time(connection))
    found = connection.execute(lapsed.order_by(batch.c.id).limit(500).with_for_update(skip_locked=True)).all()
    if not found:
        return Rescued()
    dead = [row.id for row in found]
    begun = [row.id for row in found if row.state == "open"]
    alone = [row.id for row in found if row.state == "open" and row.size == 1]
    connection.execute(update(batch).where(batch.c.id.in_(dead)).values(state="dead", epoch=batch.c.epoch + 1))
    held = and_(delivery.c.batch_id.in_(dead), _in_flight(delivery))
    poisoned = connection.execute(
        update(delivery)
        .where(held, delivery.c.state == "claimed", delivery.c.rescues >= POISON_AFTER - 1)
        .where(delivery.c.batch_id.in_(alone))
        .values(
            state="failed",
            rescues=delivery.c.rescues + 1,
            reason=Reason.POISON.value,
            detail={"times": POISON_AFTER},
            settled_at=now,
        )
        .returning(delivery.c.id, delivery.c.enrollment_id)
    ).all()
    wake(connection, {row.id: row.enrollment_id for row in poisoned}, at=now)
    requeued = connection.execute(
        update(delivery)
        .where(held, delivery.c.state == "claimed")
        .values(
            state="queued",
            batch_id=None,
            rescues=case((delivery.c.batch_id.in_(begun), delivery.c.rescues + 1), else_=delivery.c.rescues),
        )
    ).rowcount
    return Rescued(len(dead), requeued, len(poisoned), _make_uncertain(connection, held, now))


def uncertain(
    connection: Connection, *, always: Sequence[str], deadline_only: Sequence[str], now: datetime, limit: int = 1000
) -> list[int]:
    """
    Uncertain deliveries that were not sent again yet and still have time, the oldest first.

    All of the campaigns `always`, and the deadline mail of `deadline_only`.
    """
    wanted = or_(
        delivery.c.campaign_id.in_(always),
        and_(delivery.c.campaign_id.in_(deadline_only), delivery.c.deadline == true()),
    )
    found = select(delivery.c.id).where(UNCERTAIN, delivery.c.resends == 0, delivery.c.not_after >= now, wanted)
    return list(connection.execute(found.order_by(delivery.c.settled_at).limit(limit)).scalars())


def resend_uncertain(connection: Connection, ids: Sequence[int], *, now: datetime) -> int:
    """
    Move uncertain -> queued, once, with the same Message-ID, where `not_after` allows it; returns how many.

    The caller has decided that the campaign or a person of the staff wants it.
    """
    return connection.execute(
        update(delivery)
        .where(delivery.c.id.in_(ids), delivery.c.state == "uncertain", delivery.c.not_after >= now)
        .values(
            state="queued",
            batch_id=None,
            resends=delivery.c.resends + 1,
            not_before=now,
            next_at=case((delivery.c.due_at > now, delivery.c.due_at), else_=literal(now, Instant())),
            settled_at=None,
            reason=None,
            detail=None,
        )
    ).rowcount


def resolve_sent(connection: Connection, ids: Sequence[int], *, detail: Mapping[str, Any]) -> int:
    """Move uncertain -> sent, on a person's word or because a bounce, click or unsubscribe proved it."""
    return connection.execute(
        update(delivery)
        .where(delivery.c.id.in_(ids), delivery.c.state == "uncertain")
        .values(
            state="sent",
            reason=None,
            detail=dict(detail),
            settled_at=func.coalesce(delivery.c.sending_at, delivery.c.settled_at),
        )
    ).rowcount


def resend_failed(connection: Connection, ids: Sequence[int], *, now: datetime) -> int:
    """Move failed -> queued, for a template that has been mended; returns how many still had time."""
    return connection.execute(
        update(delivery)
        .where(delivery.c.id.in_(ids), delivery.c.state == "failed", delivery.c.not_after >= now)
        .values(
            state="queued",
            batch_id=None,
            next_at=now,
            not_before=now,
            settled_at=None,
            reason=None,
            detail=None,
            rescues=0,
        )
    ).rowcount


def mark_returned(connection: Connection, delivery_id: int, *, state: str, reply: str, code: int | None) -> bool:
    """Move sent or uncertain -> bounced or complained: what came back is proof that it went out."""
    moved = connection.execute(
        update(delivery)
        .where(
            delivery.c.id == delivery_id,
            delivery.c.state.in_(("sent", "uncertain", "bounced") if state == "complained" else ("sent", "uncertain")),
        )
        .values(state=state, reason=state, detail={"reply": reply[:500]}, reply=reply[:500], code=code)
    )
    return moved.rowcount == 1


# -- questions ---------------------------------------------------------------------------------------------------------


def get(connection: Connection, delivery_id: int) -> AnyRow | None:
    """One delivery, all columns; None where it does not exist."""
    return connection.execute(select(delivery).where(delivery.c.id == delivery_id)).one_or_none()


@dataclass(frozen=True, slots=True)
class Addressee:
    """Whom a delivery was for, and about what: what a token in a link or a return path leads to."""

    delivery_id: int
    person_id: int | None
    """None where the person was erased."""
    entity_id: str
    topic: str
    campaign_id: str
    address_hash: bytes | None
    enrollment_id: int | None = None
    step_key: str | None = None


def addressee(connection: Connection, delivery_id: int) -> Addressee | None:
    """The addressee of a delivery, or of what `prune` left of it; None where we never made such a delivery."""
    row: AnyRow | None = connection.execute(
        select(
            delivery.c.id, delivery.c.person_id, delivery.c.entity_id, delivery.c.topic, delivery.c.campaign_id,
            person.c.address_hash, delivery.c.enrollment_id, delivery.c.step_key,
        )
        .join(person, person.c.id == delivery.c.person_id)
        .where(delivery.c.id == delivery_id)
    ).one_or_none()  # fmt: skip
    if row is not None:
        return Addressee(*row)
    left: AnyRow | None = connection.execute(
        select(
            stub.c.delivery_id, stub.c.person_id, stub.c.entity_id, stub.c.topic, stub.c.campaign_id,
            stub.c.address_hash,
        ).where(stub.c.delivery_id == delivery_id)
    ).one_or_none()  # fmt: skip
    return Addressee(*left) if left is not None else None


def unsettled_of(connection: Connection, enrollment_ids: Iterable[int]) -> set[int]:
    """Those of the enrollments that have a delivery which is not settled."""
    ids = list(enrollment_ids)
    return set(
        connection.execute(
            select(delivery.c.enrollment_id).where(
                delivery.c.enrollment_id.in_(ids), delivery.c.state.in_([s.value for s in UNSETTLED])
            )
        ).scalars()
    )


def next_due(connection: Connection) -> datetime | None:
    """When the next queued delivery of a campaign that is not paused is due; None where nothing is queued."""
    found: datetime | None = connection.execute(
        select(func.min(delivery.c.next_at))
        .join(campaign, campaign.c.id == delivery.c.campaign_id)
        .where(QUEUED, campaign.c.state != "paused")
    ).scalar_one()
    return found


def in_flight_of(connection: Connection, holder: str) -> int:
    """How many deliveries this holder still has claimed or sending."""
    return connection.execute(
        select(func.count())
        .select_from(delivery)
        .join(batch, batch.c.id == delivery.c.batch_id)
        .where(batch.c.holder == holder, _in_flight(delivery))
    ).scalar_one()


def _lease_end(on_postgresql: bool) -> Any:
    if on_postgresql:
        return MACHINE_TIME["postgresql"] + literal(LEASE, Interval())
    return MACHINE_TIME["sqlite"].op("+")(literal(int(LEASE / timedelta(microseconds=1)), BigId))
