"""People by a condition: a page of them, and how many there are."""

from datetime import datetime

from sqlalchemy import Connection, func, select

from rfs_mail.core.expression import Expression
from rfs_mail.store.expressions import compile_expression
from rfs_mail.store.tables import TABLES
from rfs_mail.store.types import AnyRow

person = TABLES["person"]

COLUMNS = (
    "id", "address", "given_name", "family_name", "stage", "state", "county", "zip", "lang", "source", "zone",
    "signed_up_at", "stopped_at",
)  # fmt: skip


def people(
    connection: Connection, condition: Expression | None, *, now: datetime, limit: int | None, after: int = 0
) -> list[AnyRow]:
    """The people for whom the condition holds, by id, those behind `after`. Walks the primary key."""
    statement = select(*(person.c[name] for name in COLUMNS)).where(person.c.id > after).order_by(person.c.id)
    if condition is not None:
        statement = statement.where(compile_expression(condition, person=person, now=now))
    return list(connection.execute(statement if limit is None else statement.limit(limit)))


def number(connection: Connection, condition: Expression | None, *, now: datetime) -> int:
    """How many people the condition holds for; all of them without one. Looks at everybody."""
    statement = select(func.count()).select_from(person)
    if condition is not None:
        statement = statement.where(compile_expression(condition, person=person, now=now))
    return int(connection.execute(statement).scalar_one())
