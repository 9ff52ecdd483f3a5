"""Batches for this very process: queues in memory, one a lane and rank, behind the three methods."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence

from sqlalchemy import Connection

from rfs_mail.handoff.base import Rank, RunBatch

_INFO = "rfs_after_commit"

Batch = tuple[int, int]

EXPRESS = 2
"""Senders of a lane for the first rank alone: while one waits for the database, a second mail can go its way."""


class _Lane:
    """The batches of one relay that nobody has begun with."""

    def __init__(self) -> None:
        self.queues: dict[Rank, deque[Batch]] = {rank: deque() for rank in Rank}
        self.came = asyncio.Event()

    async def next(self, ranks: Sequence[Rank]) -> Batch:
        """The batch that came first, of the first of these ranks that has one."""
        while True:
            for rank in ranks:
                if self.queues[rank]:
                    return self.queues[rank].popleft()
            self.came.clear()
            await self.came.wait()


class LocalHandOff:
    """
    Queues in the process. `give` may be called in any thread; everything else belongs to one event loop.

    `concurrency` batches of a lane run at a time: enough to keep the connections busy while one renders and another
    settles. They are taken by rank, except that one sender of several takes the lowest rank first, so that nothing
    waits for ever. Beside them `EXPRESS` more of each lane take batches of the first rank only, so that these need not
    wait for a sender. A lane that hangs keeps its own senders and nobody else's.
    """

    def __init__(self, concurrency: int = 4) -> None:
        self._concurrency = concurrency
        self._lanes: dict[str, _Lane] = {}
        self._open = 0
        """Batches on the queues and under way."""
        self._worked_off = asyncio.Event()
        self._worked_off.set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._run_batch: RunBatch | None = None
        self._waiting: list[tuple[str, Rank, list[Batch]]] = []
        self._stopping = False
        self._workers: list[asyncio.Task[None]] = []
        self._ended: asyncio.Future[None] | None = None

    def give(
        self, connection: Connection, batches: Sequence[Batch], *, lane: str, rank: Rank = Rank.REST
    ) -> None:  # fmt: skip
        """Put the batches on their queue once the transaction is committed."""
        given = list(batches)
        later: list[Callable[[], None]] = connection.info[_INFO]
        later.append(lambda: self._put(lane, rank, given))

    def _put(self, lane: str, rank: Rank, batches: list[Batch]) -> None:
        loop = self._loop
        if loop is None:
            self._waiting.append((lane, rank, batches))
            return
        loop.call_soon_threadsafe(self._line_up, lane, rank, batches)

    def _line_up(self, name: str, rank: Rank, batches: list[Batch]) -> None:
        lane = self._lanes.get(name)
        if lane is None:
            lane = self._lanes[name] = _Lane()
            if not self._stopping:
                self._open_lane(lane)
        lane.queues[rank].extend(batches)
        self._open += len(batches)
        if self._open:
            self._worked_off.clear()
        lane.came.set()

    def _done(self, count: int = 1) -> None:
        self._open -= count
        if not self._open:
            self._worked_off.set()

    def _open_lane(self, lane: _Lane) -> None:
        """Set senders to a new lane."""
        by_rank = list(Rank)
        tastes = [by_rank] * self._concurrency
        if self._concurrency > 1:
            tastes[-1] = by_rank[::-1]
        for ranks in tastes + [by_rank[:1]] * EXPRESS:
            worker = asyncio.create_task(self._work(lane, ranks))
            worker.add_done_callback(self._note_end)
            self._workers.append(worker)

    async def _work(self, lane: _Lane, ranks: Sequence[Rank]) -> None:
        assert self._run_batch is not None
        while not self._stopping:
            batch_id, epoch = await lane.next(ranks)
            try:
                await self._run_batch(batch_id, epoch)
            finally:
                self._done()

    def _note_end(self, worker: "asyncio.Task[None]") -> None:
        """A worker that ends by an exception ends the service."""
        ended = self._ended
        if worker.cancelled() or ended is None or ended.done():
            return
        error = worker.exception()
        if error is not None:
            ended.set_exception(error)

    async def serve(self, run_batch: RunBatch) -> None:
        """Run what is given until `stop`. An exception of `run_batch` is a bug and ends the service."""
        self._loop = asyncio.get_running_loop()
        self._run_batch = run_batch
        self._ended = self._loop.create_future()
        waiting, self._waiting = self._waiting, []
        for lane, rank, batches in waiting:
            self._line_up(lane, rank, batches)
        try:
            await asyncio.shield(self._ended)
        except asyncio.CancelledError:
            for worker in self._workers:
                worker.cancel()
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
        for lane in self._lanes.values():
            for queue in lane.queues.values():  # what nobody has begun is let go of by its rows
                self._done(len(queue))
                queue.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._worked_off.wait(), grace)
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(None)
