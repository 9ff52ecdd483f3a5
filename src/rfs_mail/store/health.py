"""What staff have to look after, counted: read off small indexes, whatever the size of the log."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, func, literal_column, select

from rfs_mail.store.outbox import QUEUED, UNCERTAIN
from rfs_mail.store.tables import TABLES
from rfs_mail.store.types import AnyRow

delivery = TABLES["delivery"]
campaign = TABLES["campaign"]
task = TABLES["task"]
signup_import = TABLES["signup_import"]
pace = TABLES["pace"]


def uncertain(connection: Connection) -> list[AnyRow]:
    """Uncertain deliveries: rows of campaign_id, number, since."""
    return list(
        connection.execute(
            select(
                delivery.c.campaign_id,
                func.count().label("number"),
                func.min(delivery.c.settled_at).label("since"),
            )
            .where(UNCERTAIN)
            .group_by(delivery.c.campaign_id)
            .order_by(delivery.c.campaign_id)
        )
    )


def failed(connection: Connection, *, reasons: Sequence[str], since: datetime) -> list[AnyRow]:
    """What failed on our side since then: rows of campaign_id, step_key, reason, number, last (a delivery id)."""
    return list(
        connection.execute(
            select(
                delivery.c.campaign_id,
                delivery.c.step_key,
                delivery.c.reason,
                func.count().label("number"),
                func.max(delivery.c.id).label("last"),
            )
            # Literal: SQLite uses a partial index only where it sees that the condition implies the index's own.
            .where(
                delivery.c.state == literal_column("'failed'"),
                delivery.c.settled_at >= since,
                delivery.c.reason.in_(reasons),
            )
            .group_by(delivery.c.campaign_id, delivery.c.step_key, delivery.c.reason)
            .order_by(delivery.c.campaign_id, delivery.c.step_key)
        )
    )


def details(connection: Connection, ids: Sequence[int]) -> dict[int, dict[str, object]]:
    """Delivery id -> the values behind its reason."""
    rows = connection.execute(select(delivery.c.id, delivery.c.detail).where(delivery.c.id.in_(ids)))
    return {row.id: row.detail or {} for row in rows}


def overdue_tasks(connection: Connection, *, now: datetime) -> list[AnyRow]:
    """Open tasks whose time is over: rows of for_, number, since."""
    return list(
        connection.execute(
            select(task.c["for"].label("for_"), func.count().label("number"), func.min(task.c.due_at).label("since"))
            .where(task.c.state == "open", task.c.due_at < now)
            .group_by(task.c["for"])
            .order_by(task.c["for"])
        )
    )


def recent_imports(connection: Connection, *, since: datetime) -> list[AnyRow]:
    """Imports of sign-ups since then, the newest first."""
    return list(
        connection.execute(
            select(signup_import).where(signup_import.c.started_at >= since).order_by(signup_import.c.id.desc())
        )
    )


def resting_operators(connection: Connection, *, now: datetime) -> list[AnyRow]:
    """Receiving operators that want nothing from us at present: relay, operator, rests_until, because."""
    return list(
        connection.execute(select(pace).where(pace.c.rests_until > now).order_by(pace.c.operator, pace.c.relay))
    )


def late(connection: Connection, *, before: datetime) -> list[AnyRow]:
    """Queued deliveries of running campaigns that were due before then: rows of campaign_id, number, since."""
    return list(
        connection.execute(
            select(delivery.c.campaign_id, func.count().label("number"), func.min(delivery.c.next_at).label("since"))
            .join(campaign, campaign.c.id == delivery.c.campaign_id)
            .where(QUEUED, campaign.c.state == "running", delivery.c.next_at < before)
            .group_by(delivery.c.campaign_id)
            .order_by(delivery.c.campaign_id)
        )
    )
