"""The queue in the process: batches go with the commit or not at all, several at a time, until it stops."""

import asyncio
import threading
from collections.abc import Awaitable, Callable

import pytest

from rfs_mail.handoff.base import Rank
from rfs_mail.handoff.local import LocalHandOff
from rfs_mail.store.database import Store

Given = tuple[int, int]


async def serving(handoff: LocalHandOff, run_batch: Callable[[int, int], Awaitable[None]]) -> "asyncio.Task[None]":
    """Serve in the background, from now on."""
    task = asyncio.create_task(handoff.serve(run_batch))
    await asyncio.sleep(0)
    return task


def give(
    store: Store, handoff: LocalHandOff, *batches: Given, fail: bool = False, lane: str = "main", rank: Rank = Rank.REST
) -> None:
    """Give in a transaction that is committed, or not."""
    with store.begin() as connection:
        handoff.give(connection, batches, lane=lane, rank=rank)
        if fail:
            raise RuntimeError("the machine went down")


def test_what_is_committed_is_run(sqlite_store: Store) -> None:
    """In the order it was given, from any thread, before and after the service begins."""
    done: list[Given] = []

    async def run_batch(batch_id: int, epoch: int) -> None:
        done.append((batch_id, epoch))

    async def story() -> None:
        handoff = LocalHandOff(concurrency=1)
        give(sqlite_store, handoff, (1, 1))
        task = await serving(handoff, run_batch)
        await asyncio.to_thread(give, sqlite_store, handoff, (2, 1), (3, 4))
        await handoff.idle()
        await handoff.stop(1)
        await task

    asyncio.run(story())
    assert done == [(1, 1), (2, 1), (3, 4)]


def test_what_is_rolled_back_is_never_given(sqlite_store: Store) -> None:
    """A batch without its rows would be a lie."""
    done: list[int] = []

    async def run_batch(batch_id: int, _epoch: int) -> None:
        done.append(batch_id)

    async def story() -> None:
        handoff = LocalHandOff()
        task = await serving(handoff, run_batch)
        with pytest.raises(RuntimeError):
            give(sqlite_store, handoff, (1, 1), fail=True)
        give(sqlite_store, handoff, (2, 1))
        await handoff.idle()
        await handoff.stop(1)
        await task

    asyncio.run(story())
    assert done == [2]


def test_several_run_at_a_time_and_no_more(sqlite_store: Store) -> None:
    """As many as `concurrency` says."""
    most = running = 0
    release = threading.Event()

    async def run_batch(_batch_id: int, _epoch: int) -> None:
        nonlocal most, running
        running += 1
        most = max(most, running)
        while not release.is_set():
            await asyncio.sleep(0)
            if most == 3:
                release.set()
        running -= 1

    async def story() -> None:
        handoff = LocalHandOff(concurrency=3)
        task = await serving(handoff, run_batch)
        give(sqlite_store, handoff, *[(number, 1) for number in range(9)])
        await handoff.idle()
        await handoff.stop(1)
        await task

    asyncio.run(story())
    assert (most, running) == (3, 0)


def test_the_first_rank_does_not_wait_for_a_sender(sqlite_store: Store) -> None:
    """While every other sender is busy for as long as it takes, a batch of the first rank is worked off."""
    done: list[int] = []

    async def story() -> None:
        handoff = LocalHandOff(concurrency=2)
        welcomed = asyncio.Event()

        async def run_batch(batch_id: int, _epoch: int) -> None:
            if batch_id == 4:
                welcomed.set()
            else:
                await welcomed.wait()
            done.append(batch_id)

        task = await serving(handoff, run_batch)
        give(sqlite_store, handoff, (1, 1), (2, 1), (3, 1))
        give(sqlite_store, handoff, (4, 1), rank=Rank.FEW)
        await handoff.idle()
        await handoff.stop(1)
        await task

    asyncio.run(story())
    assert (done[0], sorted(done)) == (4, [1, 2, 3, 4])


def test_deadline_mail_overtakes_the_rest(sqlite_store: Store) -> None:
    """Whatever came before it and has not begun."""
    done: list[int] = []

    async def story() -> None:
        handoff = LocalHandOff(concurrency=1)
        begun, go_on = asyncio.Event(), asyncio.Event()

        async def run_batch(batch_id: int, _epoch: int) -> None:
            begun.set()
            await go_on.wait()
            done.append(batch_id)

        task = await serving(handoff, run_batch)
        give(sqlite_store, handoff, (1, 1), (2, 1))
        await begun.wait()
        give(sqlite_store, handoff, (3, 1), (4, 1), rank=Rank.DEADLINE)
        await asyncio.sleep(0)
        go_on.set()
        await handoff.idle()
        await handoff.stop(1)
        await task

    asyncio.run(story())
    assert done == [1, 3, 4, 2]


@pytest.mark.parametrize("rank", [Rank.FEW, Rank.DEADLINE])
def test_the_rest_is_not_overtaken_for_ever(sqlite_store: Store, rank: Rank) -> None:
    """One of several senders takes the rest first, however much comes that would overtake it."""
    done: list[int] = []

    async def story() -> None:
        handoff = LocalHandOff(concurrency=3)

        async def run_batch(batch_id: int, _epoch: int) -> None:
            done.append(batch_id)
            if batch_id < 200:  # for each one that is done another comes
                give(sqlite_store, handoff, (batch_id + 10, 1), rank=rank)
            await asyncio.sleep(0)

        task = await serving(handoff, run_batch)
        give(sqlite_store, handoff, *[(number, 1) for number in range(10)], rank=rank)
        give(sqlite_store, handoff, (1001, 1), (1002, 1), (1003, 1))
        await handoff.idle()
        await handoff.stop(1)
        await task

    asyncio.run(story())
    assert {1001, 1002, 1003} <= set(done[:40])
    assert len(done) == 213


def test_a_stop_waits_for_what_runs_and_begins_nothing_new(sqlite_store: Store) -> None:
    """What nobody has begun is dropped: its rows bring it back."""
    ended: list[int] = []

    async def story() -> None:
        handoff = LocalHandOff(concurrency=1)
        begun, go_on = asyncio.Event(), asyncio.Event()

        async def run_batch(batch_id: int, _epoch: int) -> None:
            begun.set()
            await go_on.wait()
            ended.append(batch_id)

        task = await serving(handoff, run_batch)
        give(sqlite_store, handoff, (1, 1), (2, 1))
        await begun.wait()
        stopping = asyncio.create_task(handoff.stop(30))
        await asyncio.sleep(0)
        assert not stopping.done()
        go_on.set()
        await stopping
        await task

    asyncio.run(story())
    assert ended == [1]


def test_a_stop_without_patience_ends_what_runs(sqlite_store: Store) -> None:
    """It is told, and may put its things in order."""
    told: list[int] = []

    async def story() -> None:
        handoff = LocalHandOff(concurrency=1)
        begun = asyncio.Event()

        async def run_batch(batch_id: int, _epoch: int) -> None:
            begun.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                told.append(batch_id)
                raise

        task = await serving(handoff, run_batch)
        give(sqlite_store, handoff, (7, 1))
        await begun.wait()
        await handoff.stop(0)
        await task

    asyncio.run(story())
    assert told == [7]


def test_a_batch_that_raises_is_a_bug_and_is_heard_of(sqlite_store: Store) -> None:
    """`idle` and the service raise what it raised."""

    async def story() -> None:
        handoff = LocalHandOff()

        async def run_batch(_batch_id: int, _epoch: int) -> None:
            raise LookupError("a bug")

        task = await serving(handoff, run_batch)
        give(sqlite_store, handoff, (1, 1))
        with pytest.raises(LookupError):
            await handoff.idle()
        with pytest.raises(LookupError):
            await task
        await handoff.stop(1)

    asyncio.run(story())


def test_a_lane_that_hangs_holds_up_nobody_else(sqlite_store: Store) -> None:
    """All workers of one relay wait for ever; the other one's batches are run, every one of them."""
    done: list[int] = []

    async def story() -> None:
        handoff = LocalHandOff(concurrency=2)
        hanging = asyncio.Event()

        async def run_batch(batch_id: int, _epoch: int) -> None:
            if batch_id < 100:
                await hanging.wait()
            done.append(batch_id)
            if len(done) == 5:
                hanging.set()

        task = await serving(handoff, run_batch)
        give(sqlite_store, handoff, *[(number, 1) for number in range(6)], lane="hangs")
        give(sqlite_store, handoff, *[(100 + number, 1) for number in range(5)], lane="goes")
        await handoff.idle()
        await handoff.stop(1)
        await task

    asyncio.run(story())
    assert [100, 101, 102, 103, 104] == done[:5]
    assert 11 == len(done)
