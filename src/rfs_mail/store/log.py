"""
The send log: deliveries found again in milliseconds, however many there are.

A list is walked along one index and stops at its limit; which one is decided here, because a planner without
statistics takes the wrong one. Pages go on from a key, never from an offset.

    by person                 (person, settled)
    in a span of time         (settled); what is queued by (campaign, deadline, next)
    by campaign or state      (campaign, step, state, id): a short walk for each of these triples that exists
    all of it                 the primary key

A reason has no index of its own: it is looked for among the states that it can have. A rare reason among millions of
skipped deliveries is therefore slow unless person, campaign and step, or time is given too; so are a rare campaign and
a rare state in a long span of time. A filing window has none either: it is looked for among the mail of the campaigns
that are about windows.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    case,
    func,
    literal,
    literal_column,
    or_,
    select,
    union_all,
)

from rfs_mail.core.lifecycle import UNSETTLED, DeliveryState
from rfs_mail.core.reasons import Reason
from rfs_mail.store.json_values import ByCodePoint
from rfs_mail.store.tables import TABLES
from rfs_mail.store.types import AnyRow, Instant

delivery = TABLES["delivery"]
person = TABLES["person"]
campaign = TABLES["campaign"]
enrollment = TABLES["enrollment"]
step_done = TABLES["step_done"]
event = TABLES["event"]
window = TABLES["filing_window"]
kept = TABLES["kept_message"]

_S = DeliveryState
_OPEN = tuple(state.value for state in UNSETTLED)
_ALL = tuple(state.value for state in DeliveryState)
_SETTLED = tuple(state.value for state in DeliveryState if state not in UNSETTLED)
_FEW = (_S.UNCERTAIN.value, _S.FAILED.value)
"""Settled states with an index of their own, because somebody has to look after them."""

COLUMNS = (
    "id", "person_id", "enrollment_id", "campaign_id", "step_key", "variant", "revision_id", "entity_id", "topic",
    "deadline", "state", "reason", "detail", "queued_at", "due_at", "next_at", "not_after", "sending_at", "settled_at",
    "attempt", "relay", "code", "reply", "message_id", "window_id", "window_version",
)  # fmt: skip
"""What a list has of a delivery, beside the address and the zone of its person."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """
    Which deliveries. What is None does not matter.

    `since` (inclusive) and `until` (exclusive) are about when a delivery was settled, for one that is not settled about
    when it is due. Without `states` a time means settled deliveries: who got what, and who did not.
    """

    person_id: int | None = None
    campaign_id: str | None = None
    step_key: str | None = None
    states: tuple[str, ...] = ()
    reason: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    window_id: str | None = None
    about_windows: tuple[str, ...] = ()
    """The campaigns whose mail is about windows: where a window is asked about, no other is looked at."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a page ended. `at` is None where the list is in the order of ids."""

    at: datetime | None
    id: int

    def __str__(self) -> str:
        return f"{self.id}" if self.at is None else f"{self.at.isoformat()}/{self.id}"

    @classmethod
    def read(cls, text: str) -> "Cursor":
        """The cursor of its text. Raises ValueError."""
        at, _, number = text.rpartition("/")
        return cls(datetime.fromisoformat(at) if at else None, int(number))


@dataclass(frozen=True, slots=True)
class Page:
    """Deliveries, newest first. `next` is None at the end."""

    rows: tuple[AnyRow, ...]
    next: Cursor | None = None


def search(connection: Connection, wanted: Wanted, *, limit: int = 50, after: Cursor | None = None) -> Page:
    """
    A page of deliveries, newest first, with `address` and `zone` of their people (None where one was erased).

    Lists of a person or a span of time are in the order in which deliveries were settled or are due, all others in the
    order in which they were queued.
    """
    by_time = wanted.person_id is not None or wanted.since is not None or wanted.until is not None
    looks = _by_time(connection, wanted, limit, after) if by_time else _by_id(connection, wanted, limit, after)
    found = [tuple(row) for few in _few(looks) for row in connection.execute(union_all(*few))]
    picked = sorted(found, reverse=True)[:limit]
    rows = connection.execute(
        select(*(delivery.c[name] for name in COLUMNS), person.c.address, person.c.zone)
        .outerjoin(person, person.c.id == delivery.c.person_id)
        .where(delivery.c.id.in_([number for _, number in picked]))
    )
    by_id = {row.id: row for row in rows}
    page = tuple(by_id[number] for _, number in picked)
    if len(picked) < limit:
        return Page(page)
    at, last = picked[-1]
    return Page(page, Cursor(at if by_time else None, last))


_TERMS = 200
"""Walks in one statement; SQLite refuses more than 500."""


def _few(looks: Sequence[Select[Any]]) -> Iterator[list[Select[Any]]]:
    """The walks, some at a time, each wrapped so that it keeps its own order and limit."""
    for start in range(0, len(looks), _TERMS):
        yield [select(look.subquery()) for look in looks[start : start + _TERMS]]


def _at() -> ColumnElement[datetime]:
    """When a delivery was settled, else when it is due: only what is unsettled has no `settled_at`."""
    return func.coalesce(delivery.c.settled_at, delivery.c.next_at, type_=Instant())


def _is(state: str) -> ColumnElement[bool]:
    """Literal and not bound: SQLite uses a partial index only where it sees that the condition implies the index's."""
    return delivery.c.state == literal_column(f"'{DeliveryState(state).value}'")


def _aside(column: ColumnElement[Any], value: str) -> ColumnElement[bool]:
    """A condition that is looked at on the way and never chosen as the way."""
    return func.coalesce(column, "") == value


def _others(wanted: Wanted, *, campaign: bool = True) -> list[ColumnElement[bool]]:
    """What filters along the way."""
    conditions = []
    if campaign and wanted.campaign_id is not None:
        conditions.append(_aside(delivery.c.campaign_id, wanted.campaign_id))
    if wanted.step_key is not None:
        conditions.append(_aside(delivery.c.step_key, wanted.step_key))
    if wanted.reason is not None:
        conditions.append(delivery.c.reason == wanted.reason)
    if wanted.window_id is not None:
        conditions.append(delivery.c.window_id == wanted.window_id)
    return conditions


# -- in the order of time ----------------------------------------------------------------------------------------------


def _by_time(connection: Connection, wanted: Wanted, limit: int, after: Cursor | None) -> list[Select[Any]]:
    """The walks to a page in the order of `_at`."""
    if wanted.person_id is not None:
        hers = [delivery.c.person_id == wanted.person_id, *_others(wanted)]
        if wanted.states:
            hers.append(func.coalesce(delivery.c.state, "").in_(wanted.states))
        return [_look(_at(), hers, wanted, limit, after)]
    states = wanted.states or states_of(wanted.reason) or _SETTLED
    looks: list[Select[Any]] = []
    if _S.QUEUED.value in states:
        looks += _queued(connection, wanted, limit, after)
    for state in (_S.CLAIMED.value, _S.SENDING.value):
        if state in states:  # never more than the pool of a few seconds
            looks.append(_look(delivery.c.next_at, [_is(state), *_others(wanted)], wanted, limit, after))
    settled = [state for state in states if state not in _OPEN]
    if len(settled) == 1 and settled[0] in _FEW:
        looks.append(_look(delivery.c.settled_at, [_is(settled[0]), *_others(wanted)], wanted, limit, after))
    elif settled:
        among = [] if len(settled) == len(_SETTLED) else [func.coalesce(delivery.c.state, "").in_(settled)]
        known = [delivery.c.settled_at.is_not(None), *among, *_others(wanted)]
        looks.append(_look(delivery.c.settled_at, known, wanted, limit, after))
    return looks


def _queued(connection: Connection, wanted: Wanted, limit: int, after: Cursor | None) -> list[Select[Any]]:
    """One walk for each campaign and urgency: what is queued has an index for nothing else."""
    names = [wanted.campaign_id] if wanted.campaign_id else list(connection.execute(select(campaign.c.id)).scalars())
    return [
        _look(
            delivery.c.next_at,
            [
                _is(_S.QUEUED.value),
                delivery.c.campaign_id == name,
                delivery.c.deadline == urgent,
                *_others(wanted, campaign=False),
            ],
            wanted,
            limit,
            after,
        )
        for name in names
        for urgent in (True, False)
    ]


def _look(
    at: ColumnElement[Any], conditions: Sequence[ColumnElement[bool]], wanted: Wanted, limit: int, after: Cursor | None
) -> Select[Any]:
    """The first ids along one index, newest first."""
    conditions = list(conditions)
    if wanted.since is not None:
        conditions.append(at >= wanted.since)
    if wanted.until is not None:
        conditions.append(at < wanted.until)
    if after is not None and after.at is not None:
        conditions.append(at <= after.at)  # the part that an index can use
        conditions.append(or_(at < after.at, delivery.c.id < after.id))
    return (
        select(at.label("at"), delivery.c.id.label("id"))
        .where(*conditions)
        .order_by(at.desc(), delivery.c.id.desc())
        .limit(limit)
    )


# -- in the order of ids -----------------------------------------------------------------------------------------------


def _by_id(connection: Connection, wanted: Wanted, limit: int, after: Cursor | None) -> list[Select[Any]]:
    """The walks to a page in the order in which deliveries were queued."""
    newest = select(literal(0).label("at"), delivery.c.id.label("id")).order_by(delivery.c.id.desc()).limit(limit)
    if after is not None:
        newest = newest.where(delivery.c.id < after.id)
    if wanted.reason is not None:
        newest = newest.where(delivery.c.reason == wanted.reason)
    states = wanted.states or states_of(wanted.reason)
    names: list[str | None] = [wanted.campaign_id]
    if wanted.window_id is not None:
        newest = newest.where(delivery.c.window_id == wanted.window_id)
        names = [name for name in wanted.about_windows if wanted.campaign_id in (None, name)]
    elif wanted.campaign_id is None and wanted.step_key is None and not states:
        return [newest]
    return [
        newest.where(delivery.c.campaign_id == name, delivery.c.step_key == step, delivery.c.state == state)
        for one in names
        for name, step in steps_of(connection, one)
        if wanted.step_key in (None, step)
        for state in states or _ALL
    ]


def steps_of(connection: Connection, campaign_id: str | None = None) -> list[tuple[str, str]]:
    """
    The pairs of campaign and step that have deliveries, in one campaign or in all.

    Each step is found by a jump in the index from the one before, so it costs one look-up for each.
    """

    def first(of: ColumnElement[str], *behind: ColumnElement[bool]) -> ColumnElement[str]:
        return select(func.min(delivery.c.step_key)).where(delivery.c.campaign_id == of, *behind).scalar_subquery()

    begin = select(campaign.c.id.label("campaign_id"), first(campaign.c.id).label("step_key"))
    if campaign_id is not None:
        begin = begin.where(campaign.c.id == campaign_id)
    found = begin.cte("found", recursive=True)
    following = first(found.c.campaign_id, delivery.c.step_key > found.c.step_key)
    found = found.union_all(select(found.c.campaign_id, following).where(found.c.step_key.is_not(None)))
    rows = connection.execute(select(found.c.campaign_id, found.c.step_key).where(found.c.step_key.is_not(None)))
    return [(row.campaign_id, row.step_key) for row in rows]


# -- what a reason says about the state --------------------------------------------------------------------------------

_STATES: Mapping[Reason, tuple[DeliveryState, ...]] = {
    **dict.fromkeys((Reason.DEFERRED, Reason.RELAY), (_S.QUEUED, _S.EXPIRED)),
    **dict.fromkeys((Reason.SILENCE, Reason.HOLDER_DIED), (_S.UNCERTAIN,)),
    **dict.fromkeys(
        (Reason.RENDER_FAILED, Reason.MESSAGE_REFUSED, Reason.POISON, Reason.REJECTED, Reason.GAVE_UP), (_S.FAILED,)
    ),
    Reason.BOUNCED: (_S.BOUNCED,),
    Reason.COMPLAINED: (_S.COMPLAINED,),
    Reason.TOO_LATE: (_S.EXPIRED, _S.SKIPPED),
}


def states_of(reason: str | None) -> tuple[str, ...]:
    """The states that a delivery with this reason may be in; empty for no reason."""
    if reason is None:
        return ()
    known = Reason(reason)
    held = (_S.QUEUED, _S.EXPIRED) if known.value.startswith("held_") else (_S.SKIPPED, _S.EXPIRED)
    return tuple(state.value for state in _STATES.get(known, held))


# -- one ---------------------------------------------------------------------------------------------------------------


def get(connection: Connection, delivery_id: int) -> AnyRow | None:
    """One delivery, all columns, with address, mailbox, name and zone of its person; None where there is none."""
    return connection.execute(
        select(
            *delivery.c, person.c.address, person.c.mailbox, person.c.given_name, person.c.family_name, person.c.zone
        )
        .outerjoin(person, person.c.id == delivery.c.person_id)
        .where(delivery.c.id == delivery_id)
    ).one_or_none()


def events_of(connection: Connection, delivery_id: int) -> list[AnyRow]:
    """What happened to a delivery after it went out: clicks, answers, bounces; in order."""
    return list(
        connection.execute(select(event).where(event.c.delivery_id == delivery_id).order_by(event.c.at, event.c.id))
    )


def existing(connection: Connection, ids: Sequence[int]) -> dict[int, str]:
    """Delivery id -> state, of those that exist."""
    rows = connection.execute(select(delivery.c.id, delivery.c.state).where(delivery.c.id.in_(ids)))
    return {row.id: row.state for row in rows}


def too_late(connection: Connection, ids: Sequence[int], *, now: datetime) -> dict[int, datetime]:
    """Delivery id -> its `not_after`, of those for which that is over."""
    rows = connection.execute(
        select(delivery.c.id, delivery.c.not_after).where(delivery.c.id.in_(ids), delivery.c.not_after < now)
    )
    return {row.id: row.not_after for row in rows}


def failed_in_time(connection: Connection, wanted: Wanted, *, now: datetime, limit: int) -> list[int]:
    """Failed deliveries that may still go, by id. Reads the index of what failed."""
    statement = select(delivery.c.id).where(_is(_S.FAILED.value), delivery.c.not_after >= now, *_others(wanted))
    if wanted.person_id is not None:
        statement = statement.where(delivery.c.person_id == wanted.person_id)
    if wanted.since is not None:
        statement = statement.where(delivery.c.settled_at >= wanted.since)
    if wanted.until is not None:
        statement = statement.where(delivery.c.settled_at < wanted.until)
    return list(connection.execute(statement.order_by(delivery.c.id).limit(limit)).scalars())


def kept_message(connection: Connection, delivery_id: int) -> bytes | None:
    """The compressed bytes that went out, where they were kept."""
    found = connection.execute(select(kept.c.message).where(kept.c.delivery_id == delivery_id))
    message: bytes | None = found.scalar_one_or_none()
    return message


# -- figures -----------------------------------------------------------------------------------------------------------


def _number() -> ColumnElement[int]:
    return func.count().label("number")


def figures(connection: Connection, campaign_id: str) -> list[AnyRow]:
    """How many deliveries of a campaign stand where: rows of step_key, state, number. Read off one index."""
    return list(
        connection.execute(
            select(delivery.c.step_key, delivery.c.state, _number())
            .where(delivery.c.campaign_id == campaign_id)
            .group_by(delivery.c.step_key, delivery.c.state)
        )
    )


def reasons(connection: Connection, campaign_id: str) -> list[AnyRow]:
    """
    Why deliveries of a campaign did not go, or have not gone yet: rows of step_key, state, reason, number.

    Looks at those that were not sent, one index range for each pair of step and state.
    """
    counted = [
        select(literal(step).label("step_key"), literal(state).label("state"), delivery.c.reason, _number())
        .where(
            delivery.c.campaign_id == campaign_id,
            delivery.c.step_key == step,
            delivery.c.state == state,
            delivery.c.reason.is_not(None),
        )
        .group_by(delivery.c.reason)
        for _, step in steps_of(connection, campaign_id)
        for state in _ALL
        if state != _S.SENT.value
    ]
    return list(connection.execute(union_all(*counted))) if counted else []


def passed_steps(connection: Connection, campaign_id: str) -> list[AnyRow]:
    """What became of each step of a campaign: rows of step_key, outcome, reason, number."""
    return list(
        connection.execute(
            select(step_done.c.step_key, step_done.c.outcome, step_done.c.reason, _number())
            .join(enrollment, enrollment.c.id == step_done.c.enrollment_id)
            .where(enrollment.c.campaign_id == campaign_id)
            .group_by(step_done.c.step_key, step_done.c.outcome, step_done.c.reason)
        )
    )


def clicked_steps(connection: Connection, campaign_id: str) -> dict[str, int]:
    """Step -> how many people clicked in its mail; only clicks that a human may have made."""
    rows = connection.execute(
        select(event.c.ref, func.count(func.distinct(event.c.person_id)).label("number"))
        .where(event.c.name == "clicked", event.c.campaign_id == campaign_id, event.c.value == "human")
        .group_by(event.c.ref)
    )
    return {row.ref: row.number for row in rows}


def enrollment_figures(connection: Connection, campaign_id: str | None = None) -> list[AnyRow]:
    """How many enrollments stand where: rows of campaign_id, state, number. Read off one index."""
    statement = select(enrollment.c.campaign_id, enrollment.c.state, _number())
    if campaign_id is not None:
        statement = statement.where(enrollment.c.campaign_id == campaign_id)
    return list(connection.execute(statement.group_by(enrollment.c.campaign_id, enrollment.c.state)))


def endings(connection: Connection, campaign_id: str) -> list[AnyRow]:
    """Why enrollments of a campaign ended: rows of ended_because, number."""
    return list(
        connection.execute(
            select(enrollment.c.ended_because, _number())
            .where(
                enrollment.c.campaign_id == campaign_id,
                enrollment.c.state.in_(("exited", "holdout")),
                enrollment.c.ended_because.is_not(None),
            )
            .group_by(enrollment.c.ended_because)
        )
    )


def by_window(connection: Connection, campaign_id: str, *, today: str, limit: int) -> list[AnyRow]:
    """
    Who is where, window by window: rows of window_id, office, office_level, state, closes_on, closes_time, zone,
    active, finished, goal, exited and holdout (people), the nearest closing from `today` (ISO) on first, then the last
    closed. One statement.
    """

    def people(*conditions: ColumnElement[bool]) -> ColumnElement[int]:
        return func.coalesce(func.sum(case((and_(*conditions), 1), else_=0)), 0)

    exited, reached = enrollment.c.state == "exited", enrollment.c.ended_because == Reason.GOAL_REACHED.value
    not_reached = or_(enrollment.c.ended_because.is_(None), ~reached)
    about = (
        select(
            enrollment.c.window_id,
            people(enrollment.c.state == "active").label("active"),
            people(enrollment.c.state == "finished").label("finished"),
            people(exited, reached).label("goal"),
            people(exited, not_reached).label("exited"),
            people(enrollment.c.state == "holdout").label("holdout"),
        )
        .where(
            enrollment.c.campaign_id == campaign_id,
            enrollment.c.window_id.is_not(None),
            enrollment.c.state.in_(("active", "finished", "exited", "holdout")),
        )
        .group_by(enrollment.c.window_id)
        .subquery("about")
    )
    closes = func.coalesce(window.c.closes_on, "")
    ahead = ByCodePoint(closes) >= today
    named = [window.c[name] for name in ("office", "office_level", "state", "closes_on", "closes_time", "zone")]
    statement = (
        select(*about.c, *named)
        .outerjoin(window, window.c.id == about.c.window_id)
        .order_by(
            case((ahead, 0), else_=1),
            case((ahead, closes), else_=""),
            case((ahead, ""), else_=closes).desc(),
            about.c.window_id,
        )
        .limit(limit)
    )
    return list(connection.execute(statement))


def waiting_at(connection: Connection, campaign_id: str) -> dict[str, int]:
    """Step -> how many active enrollments stand before it. Read off one index."""
    rows = connection.execute(
        select(enrollment.c.step_key, _number())
        .where(enrollment.c.campaign_id == campaign_id, enrollment.c.state == "active")
        .group_by(enrollment.c.step_key)
    )
    return {row.step_key: row.number for row in rows}
