"""Deleting what is old, a chunk a transaction. What a link needs stays behind as a stub."""

from datetime import datetime

from sqlalchemy import Connection, delete, select

from rfs_mail.core.lifecycle import UNSETTLED
from rfs_mail.store.dialect import insert
from rfs_mail.store.tables import TABLES

delivery = TABLES["delivery"]
person = TABLES["person"]
stub = TABLES["delivery_stub"]
kept_message = TABLES["kept_message"]
batch = TABLES["batch"]


def forget_deliveries(connection: Connection, *, before: datetime, limit: int) -> int:
    """Replace settled deliveries from before then by stubs; returns how many."""
    ids = list(
        connection.execute(
            select(delivery.c.id)
            .where(delivery.c.settled_at < before, delivery.c.state.not_in([state.value for state in UNSETTLED]))
            .order_by(delivery.c.settled_at)
            .limit(limit)
        ).scalars()
    )
    if not ids:
        return 0
    rows = (
        select(
            delivery.c.id, delivery.c.person_id, delivery.c.entity_id, delivery.c.topic, delivery.c.campaign_id,
            person.c.address_hash,
        )
        .outerjoin(person, person.c.id == delivery.c.person_id)
        .where(delivery.c.id.in_(ids))
    )  # fmt: skip
    names = ["delivery_id", "person_id", "entity_id", "topic", "campaign_id", "address_hash"]
    connection.execute(insert(connection, stub).from_select(names, rows).on_conflict_do_nothing())
    connection.execute(delete(kept_message).where(kept_message.c.delivery_id.in_(ids)))
    return connection.execute(delete(delivery).where(delivery.c.id.in_(ids))).rowcount


def forget_messages(connection: Connection, *, before: datetime, limit: int) -> int:
    """Delete kept message bytes from before then; returns how many."""
    ids = select(kept_message.c.delivery_id).where(kept_message.c.at < before).limit(limit)
    return connection.execute(delete(kept_message).where(kept_message.c.delivery_id.in_(ids))).rowcount


def forget_batches(connection: Connection) -> int:
    """Delete batches that are over and hold nothing; returns how many."""
    held = select(delivery.c.batch_id).where(
        delivery.c.state.in_(("claimed", "sending")), delivery.c.batch_id.is_not(None)
    )
    return connection.execute(
        delete(batch).where(batch.c.state.in_(("done", "dead")), batch.c.id.not_in(held))
    ).rowcount
