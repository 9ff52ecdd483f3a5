"""An import of sign-ups: the row that says how far it is, and the way its batches are written."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import NamedTuple, TypeVar

from sqlalchemy import Connection, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from rfs_mail.errors import StoreError
from rfs_mail.store.database import Store
from rfs_mail.store.tables import TABLES

T = TypeVar("T")

_import = TABLES["signup_import"]

_TRIES = 4
_DEADLOCKS = frozenset({"40001", "40P01"})
"""SQLSTATE of a serialisation failure and of a deadlock: nothing is wrong, it has to be done again."""


class Figures(NamedTuple):
    """What an import did so far: created + merged + unchanged + rejected = rows."""

    rows: int = 0
    created: int = 0
    merged: int = 0
    unchanged: int = 0
    rejected: int = 0


def begin_import(connection: Connection, *, file: str, source: str, entity: str, now: datetime) -> int:
    """Note that an import has begun; returns its id. One without a `finished_at` was broken off."""
    row = _import.insert().values(file=file, source=source, entity_id=entity, started_at=now).returning(_import.c.id)
    import_id: int = connection.execute(row).scalar_one()
    return import_id


def note_import(
    connection: Connection,
    import_id: int,
    figures: Figures,
    *,
    finished_at: datetime | None = None,
    rejected_file: str | None = None,
) -> None:
    """Write down how far an import is. In the transaction of its batch, so that a crash leaves true figures."""
    values = {**figures._asdict(), "finished_at": finished_at, "rejected_file": rejected_file}
    connection.execute(update(_import).where(_import.c.id == import_id).values(values))


class BatchWriter:
    """Writes batch after batch on one connection, each a transaction of its own."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def write(self, work: Callable[[Connection], T]) -> T:
        """
        Run `work` as one transaction and give its result.

        It is run again where another writer made the same person in the same moment (PostgreSQL; SQLite has one
        writer), so it must change nothing outside the database.
        """
        for _ in range(_TRIES):
            try:
                with self._connection.begin():
                    return work(self._connection)
            except DBAPIError as error:
                if not isinstance(error, IntegrityError) and getattr(error.orig, "sqlstate", "") not in _DEADLOCKS:
                    raise
                met = error
        raise StoreError("Other imports keep making the same people. Let one end, then run this again.") from met


@contextmanager
def batch_writer(store: Store) -> Iterator[BatchWriter]:
    """A `BatchWriter` whose connection is given back at the end."""
    with store.patient_engine.connect() as connection:
        yield BatchWriter(connection)
