"""Suppressions in bulk, and how they are looked through."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, select

from rfs_mail.core.reasons import Reason
from rfs_mail.store import outbox
from rfs_mail.store.dialect import insert
from rfs_mail.store.events import touch
from rfs_mail.store.tables import TABLES
from rfs_mail.store.types import AnyRow

suppression = TABLES["suppression"]
person = TABLES["person"]


def suppress_many(
    connection: Connection, hashes: Sequence[bytes], *, reason: str, source: str, now: datetime
) -> tuple[int, int]:
    """
    Suppress addresses everywhere, by their hashes, and skip what is queued to them.

    Returns how many were not suppressed for this reason before, and how many deliveries were skipped.
    """
    rows = [
        {
            "address_hash": hashed, "scope": "all", "scope_id": "", "except_topics": "", "reason": reason,
            "source": source, "at": now,
        }
        for hashed in dict.fromkeys(hashes)
    ]  # fmt: skip
    if not rows:
        return 0, 0
    statement = insert(connection, suppression).values(rows).on_conflict_do_nothing().returning(suppression.c.id)
    new = len(connection.execute(statement).all())
    people = list(connection.execute(select(person.c.id).where(person.c.address_hash.in_(hashes))).scalars())
    for one in people:
        outbox.close_gate(connection, one)
    skipped = 0
    if people:
        skipped = outbox.skip_open(
            connection,
            outbox.delivery.c.person_id.in_(people),
            reason=Reason.SUPPRESSED,
            detail={"because": reason.replace("_", " "), "scope": "all"},
            now=now,
        )
        touch(connection, people)
    return new, skipped


def search(
    connection: Connection, *, address_hash: bytes | None, reason: str | None, lifted: bool, limit: int
) -> list[AnyRow]:
    """Suppressions, the newest first, with the address and the id of whoever is still known by it."""
    statement = (
        select(*suppression.c, person.c.address, person.c.id.label("person_id"))
        .outerjoin(person, person.c.address_hash == suppression.c.address_hash)
        .order_by(suppression.c.id.desc())
        .limit(limit)
    )
    if not lifted:
        statement = statement.where(suppression.c.lifted_at.is_(None))
    if address_hash is not None:
        statement = statement.where(suppression.c.address_hash == address_hash)
    if reason is not None:
        statement = statement.where(suppression.c.reason == reason)
    return list(connection.execute(statement))
