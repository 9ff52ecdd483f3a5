"""Batches for this very process: an asyncio queue behind the three methods."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence

from sqlalchemy import Connection

from rfs_mail.handoff.base import RunBatch

_INFO = "rfs_after_commit"


class LocalHandOff:
    """
    A queue in the process. `give` may be called in any thread; everything else belongs to one event loop.

    `concurrency` batches run at a time: enough to keep the connections busy while one renders and another settles.
    """

    def __init__(self, concurrency: int = 4) -> None:
        self._concurrency = concurrency
        self._queue: asyncio.Queue[tuple[int, int]] = asyncio.Queue()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: list[tuple[int, int]] = []
        self._stopping = False
        self._workers: list[asyncio.Task[None]] = []

    def give(self, connection: Connection, batches: Sequence[tuple[int, int]]) -> None:
        """Put the batches on the queue once the transaction is committed."""
        given = list(batches)
        later: list[Callable[[], None]] = connection.info[_INFO]
        later.append(lambda: self._put(given))

    def _put(self, batches: list[tuple[int, int]]) -> None:
        loop = self._loop
        if loop is None:
            self._waiting += batches
            return
        for one in batches:
            loop.call_soon_threadsafe(self._queue.put_nowait, one)

    async def serve(self, run_batch: RunBatch) -> None:
        """Run what is given until `stop`. An exception of `run_batch` is a bug and ends the service."""
        self._loop = asyncio.get_running_loop()
        for one in self._waiting:
            self._queue.put_nowait(one)
        self._waiting = []

        async def work() -> None:
            while not self._stopping:
                batch_id, epoch = await self._queue.get()
                try:
                    await run_batch(batch_id, epoch)
                finally:
                    self._queue.task_done()

        self._workers = [asyncio.create_task(work()) for _ in range(self._concurrency)]
        try:
            await asyncio.gather(*self._workers)
        except asyncio.CancelledError:
            if not self._stopping:
                raise

    async def idle(self) -> None:
        """Wait until everything given so far has been worked off; raises what a batch raised."""
        await asyncio.sleep(0)  # let what call_soon_threadsafe brought arrive
        joined = asyncio.create_task(self._queue.join())
        await asyncio.wait({joined, *self._workers}, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.sleep(0)  # a batch that failed is worked off too; its worker ends one turn later
        joined.cancel()
        for worker in self._workers:
            if worker.done():
                worker.result()

    async def stop(self, grace: float) -> None:
        """Take nothing new; wait up to `grace` seconds for what is running, then cancel it."""
        self._stopping = True
        while not self._queue.empty():  # what nobody has begun is let go of by its rows
            self._queue.get_nowait()
            self._queue.task_done()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._queue.join(), grace)
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
