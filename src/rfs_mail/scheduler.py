"""
Which verb runs how often, in every process. The only file that imports APScheduler.

Jobs live in memory, never overlap, and a run that was missed is run once and not caught up with. Whoever comes first
does the work: each verb's transaction decides that in the database, so any number of processes may run them all.

A verb that made work for the next one does not leave it to that one's turn: who signs up is entered by `react`, queued
by `advance` and given out by `dispatch` in one go.
"""

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TypeVar

from apscheduler.schedulers.asyncio import AsyncIOScheduler

from rfs_mail import clock
from rfs_mail.app import App
from rfs_mail.engine.machine import Machine

T = TypeVar("T")

LOG = logging.getLogger(__name__)

PACE = {
    "react": 0.5,
    "replan": 2.0,
    "enroll": 5.0,
    "advance": 0.5,
    "dispatch": 0.5,
    "rescue": 5.0,
    "look_up": 5.0,
    "alive": 10.0,
    "prune": 3600.0,
}
"""Verb -> seconds between two runs."""


def schedule(
    app: App, machine: Machine, *, extra: dict[str, tuple[float, Callable[[], Awaitable[object]]]]
) -> AsyncIOScheduler:
    """
    Start every verb at its pace, in the running event loop.

    `extra`: name -> (seconds, what to do), for jobs of the entry point itself.
    """
    # A verb that is still at work when its next turn comes is meant to skip that turn; it is no news.
    logging.getLogger("apscheduler.scheduler").setLevel(logging.ERROR)
    scheduler = AsyncIOScheduler(
        timezone="UTC", job_defaults={"max_instances": 1, "coalesce": True, "misfire_grace_time": None}
    )
    react = _then(machine.react, lambda done: done.entered + done.woken, "advance", scheduler)
    advance = _then(machine.advance, lambda done: done.queued, "dispatch", scheduler)
    verbs: dict[str, Callable[[datetime], Awaitable[object]]] = {
        "react": react,
        "replan": machine.replan,
        "enroll": machine.enroll,
        "advance": advance,
        "dispatch": machine.dispatch,
        "rescue": machine.rescue,
        "look_up": machine.look_up,
        "prune": machine.prune,
        "alive": lambda now: _alive(app, machine, now),
    }
    for name, verb in verbs.items():
        scheduler.add_job(_guarded(name, _at_now(verb)), "interval", seconds=PACE[name], id=name)
    for name, (seconds, work) in extra.items():
        scheduler.add_job(_guarded(name, work), "interval", seconds=seconds, id=name)
    scheduler.start()
    return scheduler


def _then(
    verb: Callable[[datetime], Awaitable[T]], made: Callable[[T], int], following: str, scheduler: AsyncIOScheduler
) -> Callable[[datetime], Awaitable[T]]:
    """Where a verb made work for another, bring that one's turn forward to now."""

    async def run(now: datetime) -> T:
        done = await verb(now)
        if made(done):
            scheduler.modify_job(following, next_run_time=clock.waking())
        return done

    return run


def _at_now(verb: Callable[[datetime], Awaitable[object]]) -> Callable[[], Awaitable[object]]:
    return lambda: verb(clock.now())


def _guarded(name: str, work: Callable[[], Awaitable[object]]) -> Callable[[], Awaitable[None]]:
    """A verb that fails is logged and runs again at its next turn; the others go on."""

    async def run() -> None:
        try:
            await work()
        except asyncio.CancelledError:
            raise
        except Exception:
            LOG.exception("%s failed; it runs again in %s s", name, PACE.get(name, "a few"))

    return run


async def _alive(app: App, machine: Machine, now: datetime) -> None:
    """Say that this process lives, and when its verbs last ran."""
    await app.store.write(app.note_alive, machine.deliverer.holder, socket.gethostname(), os.getpid(), now)
