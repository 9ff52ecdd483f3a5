"""What staff should see in `status`: one row a kind and thing, counted, until somebody clears it."""

from datetime import datetime

from sqlalchemy import Connection, insert, select, update

from rfs_mail.store.tables import TABLES
from rfs_mail.store.types import AnyRow

problem = TABLES["problem"]


def note(connection: Connection, kind: str, ref: str, message: str, *, now: datetime) -> None:
    """Note a problem, or count it up where it is open already."""
    counted = connection.execute(
        update(problem)
        .where(problem.c.kind == kind, problem.c.ref == ref, problem.c.cleared_at.is_(None))
        .values(message=message, count=problem.c.count + 1, last_at=now)
    )
    if counted.rowcount == 0:
        connection.execute(
            insert(problem).values(kind=kind, ref=ref, message=message, count=1, first_at=now, last_at=now)
        )


def clear(connection: Connection, kind: str, ref: str, *, now: datetime) -> None:
    """It is over."""
    connection.execute(
        update(problem)
        .where(problem.c.kind == kind, problem.c.ref == ref, problem.c.cleared_at.is_(None))
        .values(cleared_at=now)
    )


def open_problems(connection: Connection) -> list[AnyRow]:
    """What is wrong now, the newest first."""
    return list(
        connection.execute(select(problem).where(problem.c.cleared_at.is_(None)).order_by(problem.c.last_at.desc()))
    )
