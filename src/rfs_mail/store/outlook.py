"""What lies ahead for everybody, counted by hour: what is queued, and what enrollments have planned next."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, case, cast, func, literal, select, text, true

from rfs_mail.store.outbox import QUEUED
from rfs_mail.store.tables import TABLES
from rfs_mail.store.types import AnyRow, Instant

delivery = TABLES["delivery"]
enrollment = TABLES["enrollment"]
campaign = TABLES["campaign"]

HOUR = 3_600_000_000


def queued(connection: Connection, *, now: datetime, until: datetime) -> list[AnyRow]:
    """
    Queued deliveries by hour: rows of hour, campaign_id, step_key, state (of the campaign), window_id, number.

    What is overdue counts to the present hour. Reads the index of what is queued.
    """
    at = case((delivery.c.next_at < now, literal(now, Instant())), else_=delivery.c.next_at)
    hour = _hour(connection, at).label("hour")
    return list(
        connection.execute(
            select(
                hour, delivery.c.campaign_id, delivery.c.step_key, campaign.c.state, delivery.c.window_id,
                func.count().label("number"),
            )
            .join(campaign, campaign.c.id == delivery.c.campaign_id)
            .where(QUEUED, delivery.c.next_at < until)
            .group_by(hour, delivery.c.campaign_id, delivery.c.step_key, campaign.c.state, delivery.c.window_id)
        )
    )  # fmt: skip


def planned(connection: Connection, *, now: datetime, until: datetime) -> list[AnyRow]:
    """
    Next steps of active enrollments by hour, as in `queued`. Only the next step of each has a time yet.

    Reads the index of what is due.
    """
    at = case((enrollment.c.due_at < now, literal(now, Instant())), else_=enrollment.c.due_at)
    hour = _hour(connection, at).label("hour")
    active = text("enrollment.state = 'active' AND enrollment.due_at IS NOT NULL")
    return list(
        connection.execute(
            select(
                hour, enrollment.c.campaign_id, enrollment.c.step_key, campaign.c.state, enrollment.c.window_id,
                func.count().label("number"),
            )
            .join(campaign, campaign.c.id == enrollment.c.campaign_id)
            .where(active, enrollment.c.planned == true(), enrollment.c.due_at < until)
            .group_by(hour, enrollment.c.campaign_id, enrollment.c.step_key, campaign.c.state, enrollment.c.window_id)
        )
    )  # fmt: skip


def states_of(connection: Connection, window_ids: Collection[str]) -> dict[str, str]:
    """Window id -> the state it is in, of those that are there."""
    window = TABLES["filing_window"]
    rows = connection.execute(select(window.c.id, window.c.state).where(window.c.id.in_(sorted(window_ids))))
    return {row.id: row.state for row in rows}


def _hour(connection: Connection, at: ColumnElement[datetime]) -> ColumnElement[Any]:
    """The start of the hour (UTC) of an instant."""
    if connection.dialect.name == "postgresql":
        return cast(func.date_trunc("hour", at, "UTC"), Instant())
    micro = cast(at, BigInteger)
    return cast(micro - micro % HOUR, Instant())
