"""
Forgetting a person: every row about her goes. What stays says only that this address must not be mailed.

Of her deliveries stubs stay, without her id, so that the links in her old mail still lead to a page and an
unsubscribe from one is still heard.
"""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Table, delete, func, literal, null, select, update

from rfs_mail.core.reasons import Reason
from rfs_mail.store import outbox, suppressions
from rfs_mail.store.dialect import insert
from rfs_mail.store.dossier import BY_PERSON
from rfs_mail.store.tables import TABLES
from rfs_mail.store.types import BigId

person = TABLES["person"]
delivery = TABLES["delivery"]
enrollment = TABLES["enrollment"]
suppression = TABLES["suppression"]
stub = TABLES["delivery_stub"]
step_done = TABLES["step_done"]
kept_message = TABLES["kept_message"]


def in_flight(connection: Connection, person_id: int) -> int:
    """How many of her mails are at the wire at this moment."""
    statement = select(func.count()).select_from(delivery)
    found = connection.execute(statement.where(delivery.c.person_id == person_id, delivery.c.state == "sending"))
    return int(found.scalar_one())


def forget(connection: Connection, person_id: int, *, source: str, now: datetime) -> Mapping[str, int]:
    """
    Delete every row about a person and suppress her address, by its keyed hash, for the reason `erased`.

    Returns how many rows went, by table. Suppressions that are live stay, without notes. The caller has made sure that
    none of her mails is at the wire.
    """
    outbox.close_gate(connection, person_id)
    outbox.skip_open(connection, delivery.c.person_id == person_id, reason=Reason.ERASED, detail=None, now=now)
    address_hash = connection.execute(select(person.c.address_hash).where(person.c.id == person_id)).scalar_one()
    _leave_stubs(connection, person_id)
    mails = select(delivery.c.id).where(delivery.c.person_id == person_id)
    gone = {"kept_message": _delete(connection, kept_message, kept_message.c.delivery_id.in_(mails))}
    entered = select(enrollment.c.id).where(enrollment.c.person_id == person_id)
    gone["step_done"] = _delete(connection, step_done, step_done.c.enrollment_id.in_(entered))
    for name in (*BY_PERSON, "touched"):
        table = TABLES[name]
        gone[name] = _delete(connection, table, table.c.person_id == person_id)
    gone["person"] = _delete(connection, person, person.c.id == person_id)
    ended = suppression.c.lifted_at.is_not(None)
    gone["suppression"] = _delete(connection, suppression, (suppression.c.address_hash == address_hash) & ended)
    connection.execute(
        update(suppression).where(suppression.c.address_hash == address_hash).values(note=None, delivery_id=None)
    )
    suppressions.suppress(connection, address_hash, scope="all", reason=Reason.ERASED.value, source=source, now=now)
    return {name: number for name, number in gone.items() if number}


def _leave_stubs(connection: Connection, person_id: int) -> None:
    names = ["delivery_id", "person_id", "entity_id", "topic", "campaign_id", "address_hash"]
    rows = (
        select(
            delivery.c.id,
            literal(None, BigId),
            delivery.c.entity_id,
            delivery.c.topic,
            delivery.c.campaign_id,
            person.c.address_hash,
        )
        .join(person, person.c.id == delivery.c.person_id)
        .where(delivery.c.person_id == person_id, delivery.c.sending_at.is_not(None))
    )
    # A WHERE keeps SQLite's parser from reading ON CONFLICT as a join condition.
    connection.execute(insert(connection, stub).from_select(names, rows).on_conflict_do_nothing())
    connection.execute(update(stub).where(stub.c.person_id == person_id).values(person_id=null()))


def _delete(connection: Connection, table: Table, condition: ColumnElement[bool]) -> int:
    return connection.execute(delete(table).where(condition)).rowcount
