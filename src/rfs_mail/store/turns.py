"""
Whose turn it is to write to an SQLite file, over all processes.

SQLite has one write lock and no queue before it: who finds it taken sleeps and tries again, and its own busy handler
sleeps longer and longer, up to a tenth of a second. A short transaction then loses again and again against a long job
that lets go for some milliseconds only. So we wait by ourselves, with short sleeps, and whoever waits says so: it holds
a shared lock (flock) on a file beside the database. A patient writer, which works through a million people chunk by
chunk, looks there before each chunk and stands aside while somebody waits.

The kernel's locks go with their process: one that is killed while it waits leaves nothing behind.
"""

import fcntl
import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import IO

from rfs_mail import clock

SLEEP_SECONDS = 0.001
"""Between two tries; each is a few microseconds of work. Half of it up or down at random, so that two never march."""

ASIDE_SECONDS = 2.0
"""So long does a patient writer stand aside at most before a chunk: work that never comes to an end helps nobody."""


class Turns:
    """The queue of one database file. `lock` is the file that those who wait hold; it is made where it is missing."""

    def __init__(self, lock: Path) -> None:
        self._lock = lock

        self._thread = Lock()

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """
        The threads of one process wait for each other here, and need not poll the database.

        Who waits here says so to patient writers too. A patient one does not come here: it would hold up the others of
        its process while it waits for another. After `seconds` the database itself has the last word.
        """
        mine = self._thread.acquire(blocking=False)
        if not mine:
            with self._lock.open("ab") as sign:
                _locked(sign, fcntl.LOCK_SH)
                mine = self._thread.acquire(timeout=seconds)
        try:
            yield
        finally:
            if mine:
                self._thread.release()

    def take(self, connection: sqlite3.Connection, *, patient: bool, seconds: float) -> bool:
        """
        BEGIN IMMEDIATE as soon as it can be; False where the database was not free within `seconds`.

        Whoever is not `patient` goes first. Errors other than a busy database are the driver's.
        """
        if not patient and _try(connection):
            return True
        began = clock.monotonic()
        with self._lock.open("ab") as sign:
            said = False
            while True:
                waited = clock.monotonic() - began
                if patient:
                    if (waited > ASIDE_SECONDS or not _somebody_waits(sign)) and _try(connection):
                        return True
                else:
                    said = said or _locked(sign, fcntl.LOCK_SH)
                    if _try(connection):
                        return True
                if waited >= seconds:
                    return False
                time.sleep(SLEEP_SECONDS * random.uniform(0.5, 1.5))


def _try(connection: sqlite3.Connection) -> bool:
    try:
        connection.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:  # the low byte is what it is, the rest says more
            raise
        return False
    return True


def _somebody_waits(sign: IO[bytes]) -> bool:
    """Looks by taking the file for itself; whoever comes to wait in that moment tries again after its next sleep."""
    if not _locked(sign, fcntl.LOCK_EX):
        return True
    fcntl.flock(sign, fcntl.LOCK_UN)
    return False


def _locked(sign: IO[bytes], kind: int) -> bool:
    try:
        fcntl.flock(sign, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
