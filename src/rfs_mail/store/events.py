"""Facts about people: append-only, each at most once where it has a key."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, update

from rfs_mail.store.dialect import insert
from rfs_mail.store.tables import TABLES
from rfs_mail.store.types import AnyRow

_event, _touched, _person, _suppression = (TABLES[name] for name in ("event", "touched", "person", "suppression"))


def add_event(
    connection: Connection,
    person_id: int | None,
    name: str,
    *,
    at: datetime,
    now: datetime,
    ref: str = "",
    value: str = "",
    active: bool = False,
    key: str | None = None,
    campaign_id: str | None = None,
    enrollment_id: int | None = None,
    delivery_id: int | None = None,
    window_id: str | None = None,
    detail: Mapping[str, Any] | None = None,
) -> int | None:
    """
    Record that something happened at `at`; the person's goals, exits and waits are asked again.

    Returns the event's id, or None where an event with this `key` is known already: then nothing changes. `active`
    says that the person herself did it, which ends a suppression that only said she was inactive.
    """
    statement = (
        insert(connection, _event)
        .values(
            person_id=person_id,
            name=name,
            ref=ref,
            value=value,
            active=active,
            at=at,
            received_at=now,
            campaign_id=campaign_id,
            enrollment_id=enrollment_id,
            delivery_id=delivery_id,
            window_id=window_id,
            key=key,
            detail=dict(detail or {}),
        )
        .on_conflict_do_nothing(index_elements=["key"])
        .returning(_event.c.id)
    )
    event_id: int | None = connection.execute(statement).scalar_one_or_none()
    if event_id is not None and person_id is not None:
        touch(connection, [person_id])
        if active:
            _end_inactivity(connection, person_id, at, now)
    return event_id


def touch(connection: Connection, person_ids: Iterable[int]) -> None:
    """Have the goals, exits, waits and entries of these people asked again."""
    rows = [{"person_id": person_id} for person_id in person_ids]
    if rows:
        connection.execute(_touched.insert(), rows)


def of_person(connection: Connection, person_id: int, name: str, *, limit: int = 50) -> list[AnyRow]:
    """What happened to a person under this name, the newest first."""
    return list(
        connection.execute(
            select(_event)
            .where(_event.c.person_id == person_id, _event.c.name == name)
            .order_by(_event.c.at.desc(), _event.c.id.desc())
            .limit(limit)
        )
    )


def of_delivery(connection: Connection, delivery_id: int, name: str, *, since: datetime | None = None) -> list[AnyRow]:
    """What happened about a delivery under this name, the oldest first."""
    statement = select(_event).where(_event.c.delivery_id == delivery_id, _event.c.name == name)
    if since is not None:
        statement = statement.where(_event.c.at >= since)
    return list(connection.execute(statement.order_by(_event.c.at, _event.c.id)))


def judge_again(connection: Connection, event_id: int, *, value: str, active: bool, detail: Mapping[str, Any]) -> None:
    """A later fact shows an event in another light: the judgement changes, what was seen stays in `detail`."""
    connection.execute(update(_event).where(_event.c.id == event_id).values(value=value, active=active, detail=detail))


def _end_inactivity(connection: Connection, person_id: int, at: datetime, now: datetime) -> None:
    hash_of = select(_person.c.address_hash).where(_person.c.id == person_id).scalar_subquery()
    connection.execute(
        update(_suppression)
        .where(
            _suppression.c.address_hash == hash_of,
            _suppression.c.reason == "inactive",
            _suppression.c.lifted_at.is_(None),
            _suppression.c.at <= at,
        )
        .values(lifted_at=now, lifted_because="the person was active again")
    )
