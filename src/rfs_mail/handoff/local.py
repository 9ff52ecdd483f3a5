"""Batches for this very process: queues in memory, one a rank, behind the three methods."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence

from sqlalchemy import Connection

from rfs_mail.handoff.base import Rank, RunBatch

_INFO = "rfs_after_commit"


class LocalHandOff:
    """
    A queue in the process. `give` may be called in any thread; everything else belongs to one event loop.

    `concurrency` batches run at a time: enough to keep the connections busy while one renders and another settles.
    They are taken by rank, except that one sender of several takes the lowest rank first, so that nothing waits for
    ever. Beside them one more sender takes batches of the first rank only, so that these need not wait for a sender.
    """

    def __init__(self, concurrency: int = 4) -> None:
        self._concurrency = concurrency
        self._queues: dict[Rank, deque[tuple[int, int]]] = {rank: deque() for rank in Rank}
        self._open = 0
        """Batches on the queues and under way."""
        self._came = asyncio.Event()
        self._worked_off = asyncio.Event()
        self._worked_off.set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: list[tuple[Rank, tuple[int, int]]] = []
        self._stopping = False
        self._workers: list[asyncio.Task[None]] = []

    def give(self, connection: Connection, batches: Sequence[tuple[int, int]], *, rank: Rank = Rank.REST) -> None:
        """Put the batches on the queue of their rank once the transaction is committed."""
        given = [(rank, batch) for batch in batches]
        later: list[Callable[[], None]] = connection.info[_INFO]
        later.append(lambda: self._put(given))

    def _put(self, batches: list[tuple[Rank, tuple[int, int]]]) -> None:
        loop = self._loop
        if loop is None:
            self._waiting += batches
            return
        loop.call_soon_threadsafe(self._enqueue, batches)

    def _enqueue(self, batches: list[tuple[Rank, tuple[int, int]]]) -> None:
        for rank, batch in batches:
            self._queues[rank].append(batch)
        self._open += len(batches)
        if self._open:
            self._worked_off.clear()
        self._came.set()

    def _done(self, count: int = 1) -> None:
        self._open -= count
        if not self._open:
            self._worked_off.set()

    async def _next(self, ranks: Sequence[Rank]) -> tuple[int, int]:
        """The batch that came first, of the first of these ranks that has one."""
        while True:
            for rank in ranks:
                if self._queues[rank]:
                    return self._queues[rank].popleft()
            self._came.clear()
            await self._came.wait()

    async def serve(self, run_batch: RunBatch) -> None:
        """Run what is given until `stop`. An exception of `run_batch` is a bug and ends the service."""
        self._loop = asyncio.get_running_loop()
        self._enqueue(self._waiting)
        self._waiting = []

        async def work(ranks: Sequence[Rank]) -> None:
            while not self._stopping:
                batch_id, epoch = await self._next(ranks)
                try:
                    await run_batch(batch_id, epoch)
                finally:
                    self._done()

        by_rank = list(Rank)
        tastes = [by_rank] * self._concurrency
        if self._concurrency > 1:
            tastes[-1] = by_rank[::-1]
        self._workers = [asyncio.create_task(work(ranks)) for ranks in [*tastes, by_rank[:1]]]
        try:
            await asyncio.gather(*self._workers)
        except asyncio.CancelledError:
            if not self._stopping:
                raise

    async def idle(self) -> None:
        """Wait until everything given so far has been worked off; raises what a batch raised."""
        await asyncio.sleep(0)  # let what call_soon_threadsafe brought arrive
        joined = asyncio.create_task(self._worked_off.wait())
        await asyncio.wait({joined, *self._workers}, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.sleep(0)  # a batch that failed is worked off too; its worker ends one turn later
        joined.cancel()
        for worker in self._workers:
            if worker.done():
                worker.result()

    async def stop(self, grace: float) -> None:
        """Take nothing new; wait up to `grace` seconds for what is running, then cancel it."""
        self._stopping = True
        for queue in self._queues.values():  # what nobody has begun is let go of by its rows
            self._done(len(queue))
            queue.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._worked_off.wait(), grace)
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
