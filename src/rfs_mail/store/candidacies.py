"""A person and a filing window: how far she is with it, and how we know."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, delete, select

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


def statuses_of(connection: Connection, person_id: int, window_ids: Sequence[str]) -> dict[str, str]:
    """Window id -> how far she is with it, of these windows; those with which she has not begun are absent."""
    mine = (candidacy.c.person_id == person_id) & candidacy.c.window_id.in_(window_ids)
    rows = connection.execute(select(candidacy.c.window_id, candidacy.c.status).where(mine))
    return {row.window_id: row.status for row in rows}


def take_back(connection: Connection, person_id: int, window_id: str, *, evidence: str) -> bool:
    """Forget a candidacy that is known by this evidence alone; False where something else is known since."""
    mine = (candidacy.c.person_id == person_id) & (candidacy.c.window_id == window_id)
    gone = connection.execute(delete(candidacy).where(mine, candidacy.c.evidence == evidence)).rowcount
    if gone:
        touch(connection, [person_id])
    return bool(gone)
