"""
Which version the database's schema has, which one this program needs, and the way from one to the other.

Alembic does the steps (`migrations/versions`, numbered `0001`, `0002` ...); asking for the version is plain SQL,
because every command asks and Alembic takes longer to import than most commands take to run.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text
from sqlalchemy.exc import DBAPIError

from rfs_mail.errors import StoreError
from rfs_mail.store.tables import TABLES

HEAD = "0006"
"""The schema this program reads and writes; the last file of `migrations/versions`."""

VERSION_TABLE = "alembic_version"

_LOCK_KEY = int.from_bytes(b"rfs-mail", "big")
"""Advisory lock of PostgreSQL under which one process migrates."""

_one_at_a_time = threading.Lock()
"""Alembic keeps the running migration in module globals, so one process runs one at a time."""


def head() -> str:
    """The schema version this program needs, as four digits."""
    return HEAD


def current(engine: Engine) -> str | None:
    """
    The schema version of the database; None where no migration ever ran. Changes nothing.

    Raises StoreError where the database cannot be reached.
    """
    with _look(engine) as connection:
        return _current(connection)


def explain_mismatch(engine: Engine) -> str | None:
    """
    None where database and program fit each other, else a sentence that says what to do. Changes nothing.

    Raises StoreError where the database cannot be reached.
    """
    with _look(engine) as connection:
        found = _current(connection)
        if found == HEAD:
            return None
        refusal = _refusal(connection, found)
    if refusal:
        return refusal
    if found is None:
        return "The database has no tables yet. Run: rfs-mail db upgrade"
    return f"The database has schema {found}, this program needs {HEAD}. Run: rfs-mail db upgrade"


def upgrade(engine: Engine) -> None:
    """
    Bring the schema to `head()`, in one transaction: all of it, or none.

    May be called by many threads and processes at once; the first does it and the others find it done. On SQLite
    BEGIN IMMEDIATE makes them wait for each other, on PostgreSQL an advisory lock. Raises StoreError where the
    database belongs to a newer program or to something else.
    """
    if current(engine) == HEAD:
        return
    with _one_at_a_time, engine.begin() as connection:
        if connection.dialect.name == "postgresql":
            # A step over a large table may take longer than any statement of the running product should.
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_KEY})
        found = _current(connection)
        if found == HEAD:
            return
        refusal = _refusal(connection, found)
        if refusal:
            raise StoreError(refusal)
        _migrate(connection)


@contextmanager
def _look(engine: Engine) -> Iterator[Connection]:
    """A connection for reading. Every command comes by here first, so here it is said that nobody answers."""
    try:
        connection = engine.execution_options(rfs_read=True).connect()
    except DBAPIError as error:
        said = str(error.orig).strip().splitlines()[0]
        where = engine.url.database if engine.dialect.name == "sqlite" else engine.url.render_as_string()
        if "readonly database" in said or ("unable to open database file" in said and _is_there(where)):
            raise StoreError(
                f"The database {where} cannot be opened for writing. Give yourself write rights on that file and on "
                "the folder it lies in, or work as their owner."
            ) from error
        raise StoreError(f"The database {where} cannot be opened: {said}. Is database_url right?") from error
    with connection:
        yield connection


def _is_there(where: str | None) -> bool:
    return where is not None and Path(where).exists()


def _current(connection: Connection) -> str | None:
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    row = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).first()
    return None if row is None else str(row[0])


def _refusal(connection: Connection, found: str | None) -> str | None:
    """Why this database must not be migrated by this program."""
    if found is None:
        present = set(inspect(connection).get_table_names())
        ours = sorted(present & set(TABLES))
        if ours:
            return (
                f"The database already has a table {ours[0]!r} that no migration of rfs-mail made. "
                "Give rfs-mail a database of its own: set database_url in rfs-mail.toml."
            )
        return None
    if not found.isdecimal() or int(found) > int(HEAD):
        return (
            f"The database has schema {found}, this program only knows schemas up to {HEAD}: a newer rfs-mail "
            "upgraded it. Install that version here, too."
        )
    return None


def _migrate(connection: Connection) -> None:
    from alembic import command  # slow to import, and rarely needed
    from alembic.config import Config

    config = Config()
    folder = Path(__file__).with_name("migrations")
    config.set_main_option("script_location", str(folder).replace("%", "%%"))  # Alembic interpolates % in options
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
