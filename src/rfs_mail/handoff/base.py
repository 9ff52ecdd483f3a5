"""
Handing batches from the dispatcher to whoever sends them: three methods, and nothing in the rows depends on which.

The rows are the only truth. A batch that is lost is a lapsed lease; a batch given twice is a stale epoch.
"""

from collections.abc import Awaitable, Callable, Sequence
from enum import IntEnum
from typing import Protocol

from sqlalchemy import Connection

RunBatch = Callable[[int, int], Awaitable[None]]
"""Works off one batch: (batch id, epoch)."""


class Rank(IntEnum):
    """What overtakes what: the lower goes first. Nothing waits for ever: one sender takes the rest first."""

    FEW = 0
    """The first few of a campaign: a welcome, a test, the beginning of a broadcast."""
    DEADLINE = 1
    REST = 2


class HandOff(Protocol):
    """What carries batches between the dispatcher and the senders."""

    def give(
        self, connection: Connection, batches: Sequence[tuple[int, int]], *, lane: str, rank: Rank = Rank.REST
    ) -> None:
        """
        Give batches out, inside the dispatch transaction: they go with its commit or not at all.

        Those of one `lane`, which is a relay, never wait for those of another.
        """
        ...

    async def serve(self, run_batch: RunBatch) -> None:
        """Run what is given, several at a time, until `stop`."""
        ...

    async def stop(self, grace: float) -> None:
        """Take nothing new; wait up to `grace` seconds for what is running."""
        ...
