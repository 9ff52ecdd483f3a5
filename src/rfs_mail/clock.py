"""The only file that reads the time. Everything else takes `now` as an argument."""

import time
from datetime import UTC, datetime


def now() -> datetime:
    """The civil time, aware, UTC."""
    return datetime.now(UTC)


def monotonic() -> float:
    """Seconds for measuring a wait inside this process. Never stored."""
    return time.monotonic()
