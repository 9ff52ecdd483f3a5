"""All verbs together: a tick goes on until nothing moves, keeps to its time, and ends in order."""

import asyncio
from collections import Counter
from datetime import timedelta

import pytest

from rfs_mail.core.verdict import Uncertain
from rfs_mail.engine.dispatch import Pool
from rfs_mail.engine.machine import check_civil
from rfs_mail.errors import UsageError
from rfs_mail.store import ticks
from rfs_mail.store.database import Store, machine_now
from rfs_mail.store.tables import TABLES
from tests.engine.conftest import MakeWorld
from tests.engine.test_advance import drip
from tests.world import World, at

ONE = drip("{key: one, mail: a}")


def test_a_tick_goes_on_until_nothing_that_is_due_can_move(make_world: MakeWorld, store: Store) -> None:
    """A change touches her, that starts another campaign, whose mail goes: one pass."""
    world = make_world({
        "first": drip("{key: tagged, tag: ready}\n{key: move, set: {stage: onboarded}}"),
        "second": 'entry: {per: person, existing: all}\naudience:\n  - tag("ready") and stage == "onboarded"\n'
        "steps:\n  - {key: one, mail: a}\n",
    }, store=store)  # fmt: skip
    world.apply("11-23 10:00")
    world.crowd(3, "11-23 10:00")
    report = world.tick()
    assert (report.entered, report.sent) == (6, 3)
    assert {row.state for row in world.enrollments()} == {"finished"}


def test_a_tick_is_not_held_up_by_a_small_pool(make_world: MakeWorld) -> None:
    """More than the pool holds, all of it sent, or all of it refused: to the end."""
    world = make_world({"drip": ONE})
    world.apply("11-23 10:00")
    world.crowd(60, "11-23 10:00")

    async def tick(only_to: bool) -> None:
        world.settings_are(only_to=("@nobody.example.org",) if only_to else ())
        machine = world.machine()
        machine.pool = Pool(machine.pool.routes, size=8)
        await machine.start()
        await machine.tick(world.now)
        await machine.stop()

    asyncio.run(tick(only_to=True))
    assert Counter((row.state, row.reason) for row in world.deliveries()) == {("skipped", "not_only_to"): 60}
    world.now = at("11-24 10:00")
    with world.store.begin() as connection:
        connection.execute(TABLES["delivery"].update().values(state="queued", reason=None, settled_at=None))
    asyncio.run(tick(only_to=False))
    assert Counter(row.state for row in world.deliveries()) == {"sent": 60}


def test_a_tick_ends_where_something_stays_held(make_world: MakeWorld) -> None:
    """What this tick cannot bring about does not keep it going for ever."""
    world = make_world({"drip": ONE})
    world.apply("11-23 10:00")
    world.signs_up("maria", "11-23 10:00")
    world.tick()
    with world.store.begin() as connection:  # the window it is about has moved, and nobody plans anew
        connection.execute(
            TABLES["delivery"].update().values(state="queued", settled_at=None, window_id="wi-2027", window_version=7)
        )
    assert world.tick("11-24 10:00").sent == 0
    assert world.log == [("maria", "one", "queued", "held_window")]


def test_a_tick_says_what_it_did(make_world: MakeWorld) -> None:
    """Each figure is the store's."""
    world = make_world({"drip": ONE})
    world.settings_are(only_to=("@example.org",))
    world.apply("11-23 10:00")
    world.transport.script("p1@example.org", Uncertain("?"))
    world.crowd(3, "11-23 10:00")
    world.signs_up("elsewhere", domain="example.com")
    report = world.tick()
    assert (report.at, report.entered, report.queued) == (world.now, 4, 4)
    assert (report.sent, report.uncertain, report.held_or_skipped, report.failed) == (2, 1, 1, 0)


def test_time_does_not_run_back(make_world: MakeWorld, store: Store) -> None:
    """The same time again is fine, an earlier one is refused with what to do."""
    world = make_world({"drip": ONE}, store=store)
    world.apply("11-23 10:00")
    world.tick("11-24 10:00")
    check_civil(store, at("11-24 10:00"), may_run_ahead=True)
    with pytest.raises(UsageError, match="time does not run back to 2026-11-24 14:59:59"):
        check_civil(store, at("11-24 10:00") - timedelta(seconds=1), may_run_ahead=True)


def test_mail_that_leaves_the_machine_is_not_sent_ahead_of_the_clock(store: Store) -> None:
    """Five minutes at most, by the database's clock."""
    with store.read() as connection:
        machine = machine_now(connection)
    check_civil(store, machine + timedelta(minutes=4), may_run_ahead=False)
    check_civil(store, machine + timedelta(days=900), may_run_ahead=True)
    with pytest.raises(UsageError, match="--really-send-ahead"):
        check_civil(store, machine + timedelta(minutes=6), may_run_ahead=False)


def test_a_process_is_known_while_it_lives(make_world: MakeWorld, store: Store) -> None:
    """And forgotten when it ends in order."""
    world: World = make_world({"drip": ONE}, store=store)
    world.apply("11-23 10:00")

    async def live() -> None:
        machine = world.machine()
        await machine.start()
        with store.begin() as connection:
            world.app.note_alive(connection, machine.deliverer.holder, "here", 7, world.now)
        with store.read() as connection:
            assert [row.pid for row in ticks.holders(connection)] == [7]
        await machine.stop()

    asyncio.run(live())
    with store.read() as connection:
        assert ticks.holders(connection) == []


def test_a_dispatch_that_comes_late_gives_nothing_out(make_world: MakeWorld, store: Store) -> None:
    """The scheduler's last run may still be under way when the machine stops; it finds that it is over."""
    world = make_world({"drip": ONE}, store=store)
    world.apply("11-23 10:00")
    world.crowd(3, "11-23 10:00")

    async def stop() -> int:
        machine = world.machine()
        await machine.start()
        await machine.react(world.now)
        await machine.advance(world.now)
        await machine.stop()
        return (await machine.dispatch(world.now)).deliveries

    assert asyncio.run(stop()) == 0
    assert {row.state for row in world.deliveries()} == {"queued"}
