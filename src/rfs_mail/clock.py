"""The only file that reads the time. Everything else takes `now` as an argument."""

import time
from datetime import UTC, datetime


def now() -> datetime:
    """The civil time, aware, UTC."""
    return datetime.now(UTC)


def waking() -> datetime:
    """The time by which this process's own scheduler wakes, aware, UTC: the machine's, also where `now` is another."""
    return datetime.now(UTC)


def monotonic() -> float:
    """Seconds for measuring a wait inside this process. Never stored."""
    return time.monotonic()


def breathe() -> None:
    """A moment between two chunks of work, so that others get in: those who wait for SQLite try every millisecond."""
    time.sleep(0.002)
