"""Everything done twice, one after the other or at once, gives the mails of once."""

import asyncio
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from rfs_mail.engine.advance import advance
from rfs_mail.engine.dispatch import dispatch
from rfs_mail.engine.enroll import enroll
from rfs_mail.engine.machine import Machine
from rfs_mail.engine.react import react
from rfs_mail.engine.replan import replan
from rfs_mail.engine.rescue import rescue
from rfs_mail.store.database import Store
from rfs_mail.store.tables import TABLES
from tests.acceptance import test_kill
from tests.acceptance.processes import Relay, smtp_process, start_tick
from tests.engine.test_advance import drip
from tests.world import World, at

PEOPLE = 150

STEPS = drip("""
    {key: tagged, tag: seen}
    {key: one, mail: a}
    {key: call, task: {title: "Call {{ given_name }}"}}
""")


def test_two_ticks_after_each_other(store: Store, tmp_path: Path) -> None:
    """The second of the same time finds nothing left to do."""
    world = World(store, tmp_path, {"drip": STEPS})
    world.apply("11-23 10:00")
    world.crowd(20, "11-23 10:00")
    first, second = world.tick(), world.tick()
    assert (first.sent, second.sent, second.advanced, second.entered) == (20, 0, 0, 0)
    assert len(world.transport.sent) == 20


def test_two_processes_at_once_on_sqlite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock lets one of them send; the other one says so or finds everything done."""
    monkeypatch.setattr(test_kill, "MAILS", PEOPLE)
    with smtp_process(tmp_path) as relay:
        test_kill.installation(tmp_path, relay)
        both = [start_tick(tmp_path, test_kill.NOW) for _ in range(2)]
        for process in both:
            process.join()
        assert sorted(process.exitcode or 0 for process in both) in ([0, 0], [0, 1])
        assert _copies(relay) == {1: PEOPLE}


def test_two_senders_at_once_on_postgresql(postgres_store: Store, tmp_path: Path) -> None:
    """No lock of the process holds them apart, only the rows: every person once, every task once."""
    world = World(postgres_store, tmp_path, {"drip": STEPS})
    world.apply("11-23 10:00")
    world.crowd(PEOPLE, "11-23 10:00")

    async def tick(machine: Machine) -> None:
        await machine.start()
        for _ in range(3):
            await machine.tick(world.now)
        await machine.stop()

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda machine: asyncio.run(tick(machine)), [world.machine() for _ in range(2)]))
    world.tick()
    assert Counter(row.state for row in world.deliveries()) == {"sent": PEOPLE}
    assert Counter(Counter(sent.envelope.rcpt_to for sent in world.transport.sent).values()) == {1: PEOPLE}
    assert len(world.rows("task", "id")) == PEOPLE
    assert {row.state for row in world.enrollments()} == {"finished"}


def test_every_verb_twice_changes_nothing(store: Store, tmp_path: Path) -> None:
    """Each of them, in any state of things, with nothing new to do."""
    world = World(store, tmp_path, {"drip": drip("{key: one, mail: a}\n{key: two, at: +1d, mail: b}")})
    world.apply("11-23 10:00")
    world.crowd(5, "11-23 10:00")
    world.tick()
    world.now = at("11-23 12:00")
    machine = world.machine()
    before = _everything(world)
    for _ in range(2):
        react(store, now=world.now)
        replan(store, now=world.now)
        enroll(store, now=world.now)
        advance(store, now=world.now)
        dispatch(store, machine.handoff, machine.pool, now=world.now)
        rescue(store, now=world.now)
    assert _everything(world) == before


def _everything(world: World) -> list[object]:
    names = ("enrollment", "step_done", "delivery", "batch", "event", "task", "suppression")
    with world.store.read() as connection:
        return [connection.execute(TABLES[name].select()).all() for name in names]


def _copies(relay: Relay) -> dict[int, int]:
    return dict(Counter(relay.copies().values()))
