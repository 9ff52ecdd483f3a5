"""
Forget what is no longer needed. Links in old mail keep working: a stub of every delivery stays.

Deliveries, their steps and kept messages go after `KEEP_LOG`; people, consents, suppressions and events stay.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from rfs_mail.store import retention
from rfs_mail.store.database import Store

KEEP_LOG = timedelta(days=3 * 365)
"""How long the send log answers in full."""

KEEP_BATCHES = timedelta(days=7)
CHUNK = 1_000


@dataclass(frozen=True, slots=True)
class Pruned:
    """How much was forgotten."""

    deliveries: int = 0
    messages: int = 0
    batches: int = 0


def prune(
    store: Store,
    *,
    now: datetime,
    keep_messages: timedelta | None,
    keep_log: timedelta = KEEP_LOG,
    pause: Callable[[], None] | None = None,
) -> Pruned:
    """Forget in small transactions; `keep_messages` None keeps no bytes at all."""
    deliveries = messages = 0
    while True:
        with store.begin(patient=True) as connection:
            gone = retention.forget_deliveries(connection, before=now - keep_log, limit=CHUNK)
        deliveries += gone
        if gone < CHUNK:
            break
        if pause is not None:
            pause()
    while True:
        with store.begin(patient=True) as connection:
            gone = retention.forget_messages(connection, before=now - (keep_messages or timedelta()), limit=CHUNK)
        messages += gone
        if gone < CHUNK:
            break
        if pause is not None:
            pause()
    with store.begin() as connection:
        batches = retention.forget_batches(connection)
    return Pruned(deliveries, messages, batches)
