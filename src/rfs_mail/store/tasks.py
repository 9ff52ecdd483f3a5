"""Tasks for staff: made by steps and answers, once an occasion, done or dropped by a person."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, select, update

from rfs_mail.store.dialect import insert
from rfs_mail.store.tables import TABLES
from rfs_mail.store.types import AnyRow

task = TABLES["task"]
person = TABLES["person"]


def make(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> int:
    """Make tasks; one whose key exists already stays as it is. Returns how many are new."""
    made = 0
    for row in rows:
        made += connection.execute(insert(connection, task).values(**row).on_conflict_do_nothing()).rowcount
    return made


def search(
    connection: Connection, *, state: str | None = "open", for_: str | None = None, limit: int = 500
) -> list[AnyRow]:
    """Tasks with the address and names of their people, if they are about one, the nearest due first."""
    statement = select(
        *task.c, person.c.address, person.c.given_name, person.c.family_name, person.c.state.label("place")
    )
    statement = (
        statement.outerjoin(person, person.c.id == task.c.person_id).order_by(task.c.due_at, task.c.id).limit(limit)
    )
    if state is not None:
        statement = statement.where(task.c.state == state)
    if for_ is not None:
        statement = statement.where(task.c["for"] == for_)
    return list(connection.execute(statement))


def close(connection: Connection, task_id: int, *, state: str, by: str, note: str | None, now: datetime) -> bool:
    """Open -> done or dropped; False where there is no such open task."""
    statement = update(task).where(task.c.id == task_id, task.c.state == "open")
    return connection.execute(statement.values(state=state, closed_at=now, closed_by=by, note=note)).rowcount == 1


def drop_of(connection: Connection, enrollments: Select[tuple[int]], *, note: str, now: datetime) -> None:
    """Drop the open tasks of these enrollments: what they ask for is of no use any more."""
    still = (task.c.enrollment_id.in_(enrollments)) & (task.c.state == "open")
    said = {"state": "dropped", "closed_at": now, "closed_by": "rfs-mail", "note": note}
    connection.execute(update(task).where(still).values(said))


def settle(connection: Connection, key_prefix: str, *, by: str, note: str, now: datetime) -> int:
    """Close the open tasks whose key begins so: what they ask for is answered. Returns how many were open."""
    mine = (task.c.key >= key_prefix) & (task.c.key < key_prefix + "~")
    statement = update(task).where(mine, task.c.state == "open")
    return connection.execute(statement.values(state="done", closed_at=now, closed_by=by, note=note)).rowcount
