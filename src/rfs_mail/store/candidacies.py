"""A person and a filing window: how far she is with it, and how we know."""

from datetime import datetime

from sqlalchemy import Connection, select

from rfs_mail.store.dialect import insert
from rfs_mail.store.events import touch
from rfs_mail.store.tables import TABLES

candidacy = TABLES["candidacy"]
filing_window = TABLES["filing_window"]


def knows_window(connection: Connection, window_id: str) -> bool:
    """Is there such a filing window?"""
    found = connection.execute(select(filing_window.c.id).where(filing_window.c.id == window_id))
    return found.scalar_one_or_none() is not None


def set_status(
    connection: Connection, person_id: int, window_id: str, status: str, *, evidence: str, now: datetime
) -> None:
    """Write how far she is with a window; her goals and exits are asked again."""
    values = {"status": status, "evidence": evidence, "at": now}
    statement = insert(connection, candidacy).values(person_id=person_id, window_id=window_id, **values)
    connection.execute(
        statement.on_conflict_do_update(index_elements=[candidacy.c.person_id, candidacy.c.window_id], set_=values)
    )
    touch(connection, [person_id])
