"""When each verb last ran, by both clocks, and which processes are alive."""

from datetime import datetime

from sqlalchemy import Connection, delete, select

from rfs_mail.store.database import machine_time
from rfs_mail.store.dialect import insert
from rfs_mail.store.tables import TABLES
from rfs_mail.store.types import AnyRow

tick = TABLES["tick"]
holder = TABLES["holder"]


def last_civil(connection: Connection, name: str) -> datetime | None:
    """The civil time a verb last ran at; None where it never did."""
    return connection.execute(select(tick.c.civil_at).where(tick.c.name == name)).scalar_one_or_none()


def said(connection: Connection, name: str) -> str | None:
    """What a verb noted when it last ran."""
    return connection.execute(select(tick.c.note).where(tick.c.name == name)).scalar_one_or_none()


def note(connection: Connection, name: str, *, civil: datetime, said: str | None = None) -> None:
    """This verb ran now, for this civil time."""
    statement = insert(connection, tick).values(
        name=name, civil_at=civil, machine_at=machine_time(connection), note=said
    )
    connection.execute(
        statement.on_conflict_do_update(
            index_elements=[tick.c.name],
            set_={"civil_at": civil, "machine_at": machine_time(connection), "note": said},
        )
    )


def all_ticks(connection: Connection) -> list[AnyRow]:
    """Every verb that ever ran."""
    return list(connection.execute(select(tick).order_by(tick.c.name)))


def sign_of_life(connection: Connection, name: str, *, host: str, pid: int) -> None:
    """This process lives."""
    now = machine_time(connection)
    statement = insert(connection, holder).values(id=name, host=host, pid=pid, started_at=now, seen_at=now)
    connection.execute(statement.on_conflict_do_update(index_elements=[holder.c.id], set_={"seen_at": now}))


def gone(connection: Connection, name: str) -> None:
    """This process has ended in order."""
    connection.execute(delete(holder).where(holder.c.id == name))


def holders(connection: Connection) -> list[AnyRow]:
    """Processes that said they live and did not say that they ended."""
    return list(connection.execute(select(holder).order_by(holder.c.started_at)))
