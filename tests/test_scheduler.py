"""The scheduler: who does not wait for whose turn."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rfs_mail import clock, scheduler
from rfs_mail.store.database import Store
from tests.engine.test_advance import drip
from tests.world import World


@pytest.mark.parametrize("ahead", [timedelta(0), timedelta(hours=3)])
def test_a_welcome_does_not_wait_for_the_turns_of_the_verbs(
    sqlite_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ahead: timedelta
) -> None:
    """Where `advance` and `dispatch` have their next turn in an hour, a sign-up brings its mail at once."""
    monkeypatch.setattr(clock, "now", lambda: datetime.now(UTC) + ahead)
    for name in scheduler.PACE:
        monkeypatch.setitem(scheduler.PACE, name, 0.05 if name == "react" else 3600.0)
    world = World(sqlite_store, tmp_path, {"welcome": drip("{key: hello, mail: a}")})
    world.now = clock.now()  # the scheduler's verbs go by the clock
    world.apply()

    async def story() -> None:
        machine = world.machine()
        await machine.start()
        running = scheduler.schedule(world.app, machine, extra={})
        try:
            await asyncio.to_thread(world.signs_up, "maria")
            async with asyncio.timeout(60):
                while not world.transport.accepted:
                    await asyncio.sleep(0.05)
        finally:
            running.shutdown(wait=False)
            await machine.stop()

    asyncio.run(story())
    assert ["maria@example.org"] == [sent.envelope.rcpt_to for sent in world.transport.accepted]
