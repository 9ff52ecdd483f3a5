"""A person and a filing window: how far she is with it, and how we know."""

from datetime import datetime

from sqlalchemy import Connection, select

from rfs_mail.store.dialect import insert
from rfs_mail.store.events import touch
from rfs_mail.store.tables import TABLES

candidacy = TABLES["candidacy"]


def status_of(connection: Connection, person_id: int, window_id: str) -> str | None:
    """How far she is with a window; None where nothing is known."""
    mine = (candidacy.c.person_id == person_id) & (candidacy.c.window_id == window_id)
    return connection.execute(select(candidacy.c.status).where(mine)).scalar_one_or_none()


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
