"""
All verbs of one process, and the order in which one `tick` runs them.

`tick` repeats them as of one civil time until nothing that is due then can move any more. The scheduler runs the same
verbs, each at its own pace, as of now.
"""

import asyncio
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock

from sqlalchemy import Connection

from rfs_mail.engine.advance import Advanced, advance
from rfs_mail.engine.deliver import Deliverer, Tally
from rfs_mail.engine.dispatch import Dispatched, Pool, dispatch
from rfs_mail.engine.enroll import Enrolled, enroll
from rfs_mail.engine.prune import Pruned, prune
from rfs_mail.engine.react import Reacted, react
from rfs_mail.engine.receivers import LookedUp, look_up
from rfs_mail.engine.replan import Replanned, replan
from rfs_mail.engine.rescue import RescueReport, rescue
from rfs_mail.errors import UsageError
from rfs_mail.handoff.local import LocalHandOff
from rfs_mail.network import Resolver
from rfs_mail.store import outbox, ticks
from rfs_mail.store.database import Store, machine_now

AHEAD = timedelta(minutes=5)
"""How far before the machine's clock a tick may run when mail leaves this machine."""


@dataclass(frozen=True, slots=True)
class TickReport:
    """What one tick did."""

    at: datetime
    entered: int = 0
    advanced: int = 0
    queued: int = 0
    sent: int = 0
    held_or_skipped: int = 0
    deferred: int = 0
    failed: int = 0
    uncertain: int = 0
    rescued: int = 0


def new_holder() -> str:
    """The name of this process as a holder of batches."""
    return f"{socket.gethostname()}:{os.getpid()}:{os.urandom(4).hex()}"


@dataclass
class Machine:
    """The verbs of one process. `start` and `stop` belong to one event loop."""

    store: Store
    handoff: LocalHandOff
    deliverer: Deliverer
    pool: Pool
    pause: Callable[[], None]
    """Lets others at the database between two chunks."""
    keep_messages: timedelta | None = None
    resolver: Callable[[], Resolver] | None = None
    """Makes whoever asks for MX records; None: nobody does."""

    def __post_init__(self) -> None:
        self._dispatching = Lock()
        self._stopping = False

    @property
    def tally(self) -> Tally:
        """What this process has sent and refused so far."""
        return self.deliverer.tally

    async def start(self) -> None:
        """Open the ways out and serve what dispatch gives."""
        await self.deliverer.start()
        self.serving = asyncio.create_task(self.handoff.serve(self.deliverer.run_batch))
        await asyncio.sleep(0)

    async def stop(self, grace: float = 30.0) -> None:
        """End in order: nothing new begins, what is at the wire ends, nothing stays claimed."""
        self._stopping = True
        await asyncio.to_thread(self._wait_for_dispatch)
        self.deliverer.drain()
        await self.handoff.stop(grace)
        await asyncio.gather(self.serving, return_exceptions=True)
        await self.deliverer.stop()
        await self.store.write(_gone, self.deliverer.holder, self.deliverer.now())

    def _wait_for_dispatch(self) -> None:
        with self._dispatching:  # whoever comes after this finds that we stop
            pass

    # -- the verbs, each in a thread of its own ------------------------------------------------------------------------

    async def react(self, now: datetime) -> Reacted:
        """Ask again about everybody whose facts changed."""
        return await asyncio.to_thread(react, self.store, now=now, pause=self.pause)

    async def enroll(self, now: datetime) -> Enrolled:
        """Walk on with every walk that is due."""
        return await asyncio.to_thread(enroll, self.store, now=now, pause=self.pause)

    async def replan(self, now: datetime) -> Replanned:
        """Plan anew what a release or a resume changed."""
        return await asyncio.to_thread(replan, self.store, now=now, pause=self.pause)

    async def advance(self, now: datetime) -> Advanced:
        """Move every due enrollment on."""
        return await asyncio.to_thread(advance, self.store, now=now, pause=self.pause)

    async def dispatch(self, now: datetime) -> Dispatched:
        """Give due deliveries out."""
        return await asyncio.to_thread(self._dispatch, now)

    def _dispatch(self, now: datetime) -> Dispatched:
        with self._dispatching:
            if self._stopping:
                return Dispatched()
            return dispatch(self.store, self.handoff, self.pool, now=now, holder=self.deliverer.holder)

    async def rescue(self, now: datetime, *, everything: bool = False) -> RescueReport:
        """Settle what dead processes left."""
        return await asyncio.to_thread(rescue, self.store, now=now, everything=everything)

    async def prune(self, now: datetime) -> Pruned:
        """Forget what is old."""
        return await asyncio.to_thread(prune, self.store, now=now, keep_messages=self.keep_messages, pause=self.pause)

    async def look_up(self, now: datetime) -> LookedUp:
        """Ask who receives mail for the domains that dispatch met, where the settings want that."""
        if self.resolver is None:
            return LookedUp()
        return await look_up(self.store, self.resolver(), now=now)

    # -- one pass ------------------------------------------------------------------------------------------------------

    async def tick(self, now: datetime) -> TickReport:
        """Every verb as of `now`, again and again until nothing that is due then can move."""
        begun = _copy(self.tally)
        rescued = await self.rescue(now, everything=self.store.is_sqlite)
        entered = advanced = queued = idle = due_before = 0
        while idle < 3:
            before = _copy(self.tally)
            await self.replan(now)
            reacted = await self.react(now)
            enrolled = await self.enroll(now)
            moved = await self.advance(now)
            given = await self.dispatch(now)
            if given.deliveries:
                await self.handoff.idle()
            entered += enrolled.total + reacted.entered
            advanced += moved.looked_at
            queued += moved.queued
            left = await self.store.look(outbox.count_due, now=now)
            went = self.tally.settled - before.settled > self.tally.refused - before.refused
            if reacted.people or enrolled.total or moved.looked_at or went or given.put_off or left < due_before:
                idle = 0
            elif given.deliveries:
                idle += 1  # held for something that this tick cannot bring about
            else:
                break
            due_before = left
        await self.look_up(now)  # for the next tick: this one's mail waited for nobody
        await self.rescue(now)
        await self.store.write(ticks.note, "tick", civil=now)
        return TickReport(
            now, entered, advanced, queued,
            sent=self.tally.sent - begun.sent,
            held_or_skipped=self.tally.refused - begun.refused,
            deferred=self.tally.deferred - begun.deferred,
            failed=self.tally.failed - begun.failed,
            uncertain=self.tally.uncertain - begun.uncertain,
            rescued=rescued.requeued + rescued.uncertain,
        )  # fmt: skip


def check_civil(store: Store, now: datetime, *, may_run_ahead: bool) -> None:
    """
    Refuse a tick that goes back in time, or one that runs ahead of the clock with mail that leaves this machine.

    Raises UsageError with what to do.
    """
    with store.begin() as connection:
        last = ticks.last_civil(connection, "tick")
        machine = machine_now(connection)
    if last is not None and now < last:
        said = f"{last:%Y-%m-%d %H:%M:%S} UTC; time does not run back to {now:%Y-%m-%d %H:%M:%S}."
        raise UsageError(f"The last tick was at {said}")
    if not may_run_ahead and now > machine + AHEAD:
        raise UsageError(
            f"{now:%Y-%m-%d %H:%M} UTC is ahead of the clock ({machine:%Y-%m-%d %H:%M}), and mail leaves this machine. "
            "Use an inbox or a local relay, or say --really-send-ahead."
        )


def _gone(connection: Connection, holder: str, now: datetime) -> None:
    outbox.let_go(connection, holder, now=now)
    ticks.gone(connection, holder)


def _copy(tally: Tally) -> Tally:
    return Tally(tally.sent, tally.deferred, tally.failed, tally.uncertain, tally.refused)
