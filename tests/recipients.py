"""People with consent, and mail to them in every state: the rows that tests of feedback and of the pages start from."""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from rfs_mail.core.operators import operator
from rfs_mail.core.person import address_hash, parse_address
from rfs_mail.store import outbox, suppressions
from rfs_mail.store.tables import TABLES

SECRET = b"the key of the suppression list of the tests"


def add_person(
    connection: Connection,
    address: str = "maria@example.org",
    *,
    now: datetime,
    entities: tuple[str, ...] = ("rfs",),
    **fields: Any,
) -> int:
    """A person who agreed to hear from these entities; returns her id."""
    read = parse_address(address)
    values = {
        "address": read.key,
        "mailbox": read.mailbox,
        "address_hash": address_hash(SECRET, read.key),
        "operator": operator(read.domain),
        "stage": "signed_up",
        "signed_up_at": now,
        "created_at": now,
        "updated_at": now,
        "zone": "America/New_York",
        "custom": {},
        "provenance": {},
        **fields,
    }
    table = TABLES["person"]
    person_id: int = connection.execute(table.insert().values(values).returning(table.c.id)).scalar_one()
    for entity in entities:
        suppressions.grant(connection, person_id, entity, text="Yes, write to me.", source="form", now=now)
    return person_id


def add_campaign(connection: Connection, campaign_id: str = "welcome", *, now: datetime, revision_id: int = 1) -> None:
    """A campaign that runs, as the gate joins it."""
    connection.execute(
        TABLES["campaign"]
        .insert()
        .values(id=campaign_id, revision_id=revision_id, state="running", state_at=now, state_by="ana",
                first_applied_at=now)
    )  # fmt: skip


def add_delivery(
    connection: Connection,
    person_id: int,
    *,
    now: datetime,
    state: str = "queued",
    campaign_id: str = "welcome",
    entity_id: str = "rfs",
    topic: str = "running",
    step_key: str = "hello",
    occasion: str = "",
    **fields: Any,
) -> int:
    """A delivery in this state, and the enrollment it belongs to; returns its id. `touched` is left empty."""
    enrollment = TABLES["enrollment"]
    enrollment_id = connection.execute(
        enrollment.insert()
        .values(
            campaign_id=campaign_id, person_id=person_id, occasion=occasion or f"{entity_id}/{topic}/{step_key}",
            state="active", revision_id=1, entered_at=now, step_key="", due_at=None, planned=False, anchors={},
            ended_detail={},
        )
        .returning(enrollment.c.id)
    ).scalar_one()  # fmt: skip
    row = {
        "enrollment_id": enrollment_id,
        "campaign_id": campaign_id,
        "person_id": person_id,
        "step_key": step_key,
        "revision_id": 1,
        "entity_id": entity_id,
        "topic": topic,
        "state": state,
        "queued_at": now,
        "due_at": now,
        "next_at": now,
        "not_after": now + timedelta(days=2),
        "operator": "other",
        **fields,
    }
    if state not in ("queued", "claimed"):
        row = {"sending_at": now, "settled_at": now, **row}
    (delivery_id,) = outbox.queue(connection, [row]).values()
    connection.execute(
        TABLES["enrollment"].update().where(enrollment.c.id == enrollment_id).values(waiting_on=delivery_id)
    )
    connection.execute(TABLES["touched"].delete().where(TABLES["touched"].c.person_id == person_id))
    return delivery_id


def state_of(connection: Connection, delivery_id: int) -> tuple[str, str | None]:
    """State and reason of a delivery."""
    row = outbox.get(connection, delivery_id)
    assert row is not None
    return row.state, row.reason


def touched(connection: Connection) -> set[int]:
    """The people whose goals and exits are to be asked again."""
    return {row.person_id for row in connection.execute(TABLES["touched"].select())}
