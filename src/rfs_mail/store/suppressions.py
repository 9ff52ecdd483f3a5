"""
Suppressions and consent: who must not be mailed, who may, and since when. Suppression outvotes everything.

A suppression is kept by the keyed hash of the address: it outlives the person, and a re-import stays blocked.
"""

from datetime import datetime

from sqlalchemy import Connection, and_, delete, func, or_, select, update

from rfs_mail.store.dialect import insert
from rfs_mail.store.events import touch
from rfs_mail.store.tables import TABLES
from rfs_mail.store.types import AnyRow

suppression = TABLES["suppression"]
consent = TABLES["consent"]
topic_left = TABLES["topic_left"]
person = TABLES["person"]

LIFTED_BY_OPT_IN = ("unsubscribed", "hard_bounce", "inactive", "imported")
"""What a fresh opt-in of the person lifts. A complaint, and staff's own word, it does not."""

STICKY = ("complained", "unsubscribed")
"""What staff cannot lift: a complaint by nothing, an unsubscribe by the person alone."""


def suppress(
    connection: Connection,
    address_hash: bytes,
    *,
    scope: str,
    scope_id: str = "",
    reason: str,
    source: str,
    now: datetime,
    except_topics: tuple[str, ...] = (),
    note: str | None = None,
    delivery_id: int | None = None,
) -> bool:
    """Add a suppression; False where the same one is live already. The caller skips what is queued."""
    kept = "|" + "|".join(except_topics) + "|" if except_topics else ""
    statement = (
        insert(connection, suppression)
        .values(
            address_hash=address_hash,
            scope=scope,
            scope_id=scope_id,
            except_topics=kept,
            reason=reason,
            source=source,
            note=note,
            delivery_id=delivery_id,
            at=now,
        )
        .on_conflict_do_nothing()
    )
    return connection.execute(statement).rowcount == 1


def lift(
    connection: Connection,
    address_hash: bytes,
    *,
    reasons: tuple[str, ...],
    because: str,
    now: datetime,
    entity_id: str | None = None,
) -> int:
    """Lift live suppressions for these reasons (of one entity and of all, where `entity_id` is given); how many."""
    statement = update(suppression).where(
        suppression.c.address_hash == address_hash,
        suppression.c.lifted_at.is_(None),
        suppression.c.reason.in_(reasons),
    )
    if entity_id is not None:
        statement = statement.where(
            or_(
                suppression.c.scope == "all",
                and_(suppression.c.scope == "entity", suppression.c.scope_id == entity_id),
            )
        )
    return connection.execute(statement.values(lifted_at=now, lifted_because=because)).rowcount


def live(connection: Connection, address_hash: bytes) -> list[AnyRow]:
    """The live suppressions of an address, oldest first."""
    return list(
        connection.execute(
            select(suppression)
            .where(suppression.c.address_hash == address_hash, suppression.c.lifted_at.is_(None))
            .order_by(suppression.c.at, suppression.c.id)
        )
    )


def search(connection: Connection, *, limit: int = 200) -> list[AnyRow]:
    """The newest live suppressions, with the address where the person is still known."""
    return list(
        connection.execute(
            select(*suppression.c, person.c.address)
            .outerjoin(person, person.c.address_hash == suppression.c.address_hash)
            .where(suppression.c.lifted_at.is_(None))
            .order_by(suppression.c.at.desc(), suppression.c.id.desc())
            .limit(limit)
        )
    )


def count(connection: Connection) -> int:
    """How many live suppressions there are."""
    return connection.execute(
        select(func.count()).select_from(suppression).where(suppression.c.lifted_at.is_(None))
    ).scalar_one()


def set_stopped(connection: Connection, person_id: int, because: str | None, *, now: datetime) -> None:
    """Staff stop all mail to a person, with the reason; None lets it start again."""
    stopped_at = now if because is not None else None
    connection.execute(
        update(person)
        .where(person.c.id == person_id)
        .values(stopped_at=stopped_at, stopped_because=because, updated_at=now)
    )
    touch(connection, [person_id])


def set_pause(connection: Connection, person_id: int, until: datetime | None, *, now: datetime) -> None:
    """The person wants no mail until then; None ends the pause."""
    connection.execute(update(person).where(person.c.id == person_id).values(paused_until=until, updated_at=now))
    touch(connection, [person_id])


# -- consent -----------------------------------------------------------------------------------------------------------


def grant(
    connection: Connection,
    person_id: int,
    entity_id: str,
    *,
    text: str,
    source: str,
    now: datetime,
    basis: str = "opt_in",
) -> None:
    """Record that the person agreed; a withdrawn consent is granted anew."""
    statement = insert(connection, consent).values(
        person_id=person_id, entity_id=entity_id, basis=basis, text=text, source=source, granted_at=now
    )
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[consent.c.person_id, consent.c.entity_id],
            set_={"basis": basis, "text": text, "source": source, "granted_at": now, "withdrawn_at": None},
        )
    )
    touch(connection, [person_id])


def withdraw(connection: Connection, person_id: int, entity_ids: tuple[str, ...], *, now: datetime) -> None:
    """Record that the person no longer agrees; consent that was never given is recorded as withdrawn too."""
    for entity_id in entity_ids:
        statement = insert(connection, consent).values(
            person_id=person_id, entity_id=entity_id, basis="none", text="", source="", granted_at=now, withdrawn_at=now
        )
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=[consent.c.person_id, consent.c.entity_id],
                set_={"withdrawn_at": now},
                where=consent.c.withdrawn_at.is_(None),
            )
        )
    touch(connection, [person_id])


def consents_of(connection: Connection, person_id: int) -> list[AnyRow]:
    """What a person agreed to, an entity a row."""
    return list(connection.execute(select(consent).where(consent.c.person_id == person_id)))


def leave_topic(connection: Connection, person_id: int, topic: str, *, now: datetime) -> bool:
    """Leave a topic; False where she left it already."""
    statement = insert(connection, topic_left).values(person_id=person_id, topic=topic, at=now).on_conflict_do_nothing()
    changed = connection.execute(statement).rowcount == 1
    touch(connection, [person_id])
    return changed


def join_topic(connection: Connection, person_id: int, topic: str) -> bool:
    """Take a topic back; False where she had not left it."""
    gone = connection.execute(
        delete(topic_left).where(topic_left.c.person_id == person_id, topic_left.c.topic == topic)
    ).rowcount
    touch(connection, [person_id])
    return gone == 1


def topics_left(connection: Connection, person_id: int) -> set[str]:
    """The topics a person has left."""
    return set(connection.execute(select(topic_left.c.topic).where(topic_left.c.person_id == person_id)).scalars())
