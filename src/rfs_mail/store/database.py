"""
The database: one `Store`, transactions, migrations, the lock of the one sending process.

Whole transactions are one synchronous function, run in a thread by `Store.write`: a thread hop a statement would cost
more than the statement. On SQLite all writes of a process queue at one thread, so they wait for each other in order
instead of by polling; between processes BEGIN IMMEDIATE and `busy_timeout` do the rest.
"""

import asyncio
import fcntl
import json
import os
import socket
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from datetime import datetime
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import ColumnElement, Connection, Engine, create_engine, event, func, literal_column, select
from sqlalchemy.engine import make_url
from sqlalchemy.pool import QueuePool

from rfs_mail.errors import HeldError, StoreError
from rfs_mail.store.turns import Turns
from rfs_mail.store.types import Instant

P = ParamSpec("P")
T = TypeVar("T")

BUSY_SECONDS = 30
_COUNTED = {"preserve_rowcount": True}
"""Without it SQLAlchemy says -1 for the rows of an INSERT on PostgreSQL, and "was it new?" is always answered no."""
_AFTER_COMMIT = "rfs_after_commit"


class Store:
    """
    One database, SQLite or PostgreSQL.

    `url` is an SQLAlchemy url: `sqlite:///rfs-mail.db`, `postgresql+psycopg://...`; relative SQLite paths count from
    `base`. Opening does not create or change anything; `upgrade()` does.
    """

    def __init__(self, url: str, *, base: Path | None = None) -> None:
        parsed = make_url(url)
        if parsed.drivername in ("postgresql", "postgres"):
            parsed = parsed.set(drivername="postgresql+psycopg")
        self.path: Path | None = None
        if parsed.get_backend_name() == "sqlite":
            if not parsed.database or parsed.database == ":memory:":
                raise StoreError(
                    "SQLite in memory cannot be shared between threads. Give a file: sqlite:///rfs-mail.db"
                )
            self.path = ((base or Path.cwd()) / parsed.database).resolve()
            parsed = parsed.set(database=str(self.path))
        elif parsed.get_backend_name() != "postgresql":
            raise StoreError(f"database_url: {parsed.get_backend_name()} is not supported. Use sqlite or postgresql.")
        self.url = parsed
        self.is_sqlite = self.path is not None
        self._turns = Turns(self.path.with_name(f"{self.path.name}.turn.lock")) if self.path is not None else None
        self.engine = _sqlite_engine(parsed, self._turns) if self._turns is not None else _postgres_engine(parsed)
        self.patient_engine = self.engine.execution_options(rfs_patient=True)
        """The same connections; what they write waits until nobody else does (see `begin`)."""
        # SQLite reads a snapshot by nature; PostgreSQL has to be asked.
        isolation = {} if self.is_sqlite else {"isolation_level": "REPEATABLE READ"}
        self._reader = self.engine.execution_options(rfs_read=True, **isolation)
        workers = 1 if self.is_sqlite else 4
        self._writers = ThreadPoolExecutor(workers, thread_name_prefix="rfs-store")
        self._readers = ThreadPoolExecutor(4, thread_name_prefix="rfs-read")

    # -- transactions --------------------------------------------------------------------------------------------------

    @contextmanager
    def begin(self, *, patient: bool = False) -> Iterator[Connection]:
        """
        A write transaction: committed at the end, rolled back on an exception. Never held across the network.

        `patient` is for a chunk of long work: on SQLite it lets everybody go first who waits for the database.
        What `after_commit` was given runs once the commit is durable, and not at all after a rollback.
        """
        turn = self._turns.within(BUSY_SECONDS) if self._turns is not None and not patient else nullcontext()
        with turn, (self.patient_engine if patient else self.engine).connect() as connection:
            later: list[Callable[[], None]] = []
            connection.info[_AFTER_COMMIT] = later
            with connection.begin():
                yield connection
        for work in later:
            work()

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A read transaction: one snapshot, takes no write lock."""
        with self._reader.begin() as connection:
            yield connection

    async def write(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `work(connection, ...)` as one write transaction in a store thread."""

        def transaction() -> T:
            with self.begin() as connection:
                return work(connection, *args, **kwargs)

        return await asyncio.get_running_loop().run_in_executor(self._writers, transaction)

    async def look(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `work(connection, ...)` as one read transaction in a reader thread."""

        def transaction() -> T:
            with self.read() as connection:
                return work(connection, *args, **kwargs)

        return await asyncio.get_running_loop().run_in_executor(self._readers, transaction)

    def close(self) -> None:
        """End the threads and the connections."""
        self._writers.shutdown(wait=True)
        self._readers.shutdown(wait=True)
        self.engine.dispose()

    # -- schema --------------------------------------------------------------------------------------------------------

    def upgrade(self) -> None:
        """Bring the schema to this version of the product; creates the database file where there is none."""
        from rfs_mail.store.schema import upgrade  # Alembic is slow to import and rarely needed

        upgrade(self.engine)

    def schema_state(self) -> tuple[str | None, str]:
        """The schema version of the database (None: no tables yet) and the one this program needs. Changes nothing."""
        from rfs_mail.store.schema import current, head

        if self.path is not None and not self.path.exists():
            return None, head()
        return current(self.engine), head()

    def check_schema(self) -> None:
        """Refuse a missing, older or newer schema with what to do about it."""
        from rfs_mail.store.schema import explain_mismatch

        if self.path is not None and not self.path.exists():
            advice = "Run: rfs-mail db upgrade (or rfs-mail init in a new folder)"
            raise StoreError(f"There is no database at {self.path}. {advice}")
        problem = explain_mismatch(self.engine)
        if problem:
            raise StoreError(problem)

    # -- one sender ----------------------------------------------------------------------------------------------------

    @contextmanager
    def sole_sender(self) -> Iterator[None]:
        """
        Hold the lock of the one process that may send from a SQLite database; a second one is told who holds it.

        The lock is the kernel's (flock), so a killed holder leaves nothing behind. On PostgreSQL it is not needed.
        """
        if self.path is None:
            yield
            return
        lock_path = self.path.with_name(self.path.name + ".lock")
        with lock_path.open("a+", encoding="utf-8") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                handle.seek(0)
                raise HeldError(_held_by(handle.read(), self.path)) from error
            handle.seek(0)
            handle.truncate()
            json.dump({"pid": os.getpid(), "host": socket.gethostname()}, handle)
            handle.flush()
            try:
                yield
            finally:
                handle.seek(0)
                handle.truncate()


def after_commit(connection: Connection, work: Callable[[], None]) -> None:
    """Run `work` when the transaction of `Store.begin` that is open on this connection has been committed."""
    connection.info[_AFTER_COMMIT].append(work)


def only_one(connection: Connection, name: str) -> bool:
    """
    True where this transaction is the one that may do `name` now; it ends with the transaction.

    On SQLite every write transaction is alone. On PostgreSQL it is an advisory lock of the transaction, so that it goes
    with a crash and needs no session (PgBouncer).
    """
    if connection.dialect.name != "postgresql":
        return True
    return bool(connection.execute(select(func.pg_try_advisory_xact_lock(func.hashtext(f"rfs-mail {name}")))).scalar())


def machine_time(connection: Connection) -> ColumnElement[datetime]:
    """
    The database's own clock as an expression: what leases and signs of life are measured by, never virtual.

    On PostgreSQL it moves within a transaction (clock_timestamp), as a clock should.
    """
    return MACHINE_TIME[connection.dialect.name]


MACHINE_TIME: Mapping[str, ColumnElement[datetime]] = {
    "postgresql": literal_column("clock_timestamp()", Instant()),
    "sqlite": literal_column("CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER)", Instant()),
}
"""By dialect, for statements that are built once."""


def machine_now(connection: Connection) -> datetime:
    """The database's clock, read once."""
    return connection.execute(select(machine_time(connection))).scalar_one()


def _held_by(text: str, path: Path) -> str:
    try:
        holder = json.loads(text)
        who = f"process {holder['pid']} on {holder['host']}"
    except (ValueError, KeyError, TypeError):
        who = "another process"
    return f"{who} is already sending from {path}. Wait for it to end or stop it; `rfs-mail status` shows what it does."


def _sqlite_engine(url: Any, turns: Turns) -> Engine:
    engine = create_engine(
        url,
        poolclass=QueuePool,
        pool_size=8,
        max_overflow=8,
        connect_args={"check_same_thread": False, "timeout": BUSY_SECONDS},
        query_cache_size=2000,
        execution_options=_COUNTED,
    )

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves
        cursor = connection.cursor()
        _use_wal(cursor)
        for pragma in (
            "synchronous=FULL",  # a forgotten `sending` would break the promise of the mark
            f"busy_timeout={BUSY_SECONDS * 1000}",
            "cache_size=-65536",
            "temp_store=MEMORY",
            "foreign_keys=ON",
            "wal_autocheckpoint=4000",  # 16 MB: pages written again and again go to the file once
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        if options.get("rfs_read"):
            connection.exec_driver_sql("BEGIN")
            return
        raw: Any = connection.connection.driver_connection
        raw.execute("PRAGMA busy_timeout=0")  # we wait by ourselves
        try:
            if not turns.take(raw, patient=bool(options.get("rfs_patient")), seconds=BUSY_SECONDS):
                connection.exec_driver_sql("BEGIN IMMEDIATE")  # once more, and it says that the database is locked
        finally:
            raw.execute(f"PRAGMA busy_timeout={BUSY_SECONDS * 1000}")

    return engine


def _use_wal(cursor: sqlite3.Cursor) -> None:
    """Switch to WAL. Of all statements this one does not wait for others that open the same new file; so we do."""
    for attempt in range(BUSY_SECONDS * 20):
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or attempt == BUSY_SECONDS * 20 - 1:
                raise
            time.sleep(0.05)


def _postgres_engine(url: Any) -> Engine:
    return create_engine(
        url,
        pool_size=8,
        max_overflow=8,
        pool_pre_ping=True,
        query_cache_size=2000,
        execution_options=_COUNTED,
        connect_args={
            "options": "-c statement_timeout=120s -c idle_in_transaction_session_timeout=30s",
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
        },
    )
