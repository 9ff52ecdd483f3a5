"""After a holder died: claims go back, what was at the wire is uncertain, what kills its holder is given up."""

import asyncio
from collections import Counter
from typing import Any

import pytest

from rfs_mail.core.verdict import Uncertain
from rfs_mail.engine.compose import Composed, Composer
from rfs_mail.engine.dispatch import dispatch
from rfs_mail.engine.machine import Machine
from rfs_mail.engine.rescue import RescueReport, rescue
from rfs_mail.store import outbox
from rfs_mail.store.database import Store
from rfs_mail.store.outbox import Claimed
from rfs_mail.store.tables import TABLES
from tests.engine.conftest import MakeWorld
from tests.engine.test_advance import drip
from tests.engine.test_outbox_machine import Hands
from tests.world import World, at

ONE = drip("{key: one, mail: a}")
DELIVERY, BATCH = TABLES["delivery"], TABLES["batch"]


def given_out(make_world: MakeWorld, store: Store, count: int = 6, steps: str = ONE) -> World:
    """Several mails, claimed by a holder that has begun on them."""
    world = make_world({"drip": steps}, store=store)
    world.apply("11-23 10:00")
    world.crowd(count, "11-23 10:00")
    give_out(world)
    with store.begin() as connection:
        for row in connection.execute(BATCH.select()).all():
            assert outbox.open_batch(connection, row.id, row.epoch, row.holder) is not None
    return world


def give_out(world: World) -> None:
    """Everything up to the hand-off; nobody begins."""

    async def verbs(machine: Machine) -> None:
        await machine.react(world.now)
        await machine.advance(world.now)
        await machine.dispatch(world.now)

    asyncio.run(verbs(world.machine()))


def lapse(store: Store) -> None:
    """A minute passes at the database, without a sign of life."""
    with store.begin() as connection:
        connection.execute(BATCH.update().values(lease_until=at("01-01 00:00")))


def states(world: World) -> Counter[str]:
    """State -> deliveries."""
    return Counter(row.state for row in world.deliveries())


def test_a_live_holder_is_left_alone(make_world: MakeWorld, store: Store) -> None:
    """Its lease is good by the database's clock, whatever the civil time is."""
    world = given_out(make_world, store)
    assert rescue(store, now=at("12-31 10:00")) == RescueReport()
    assert states(world) == {"claimed": 6}


def test_claims_of_a_dead_holder_go_back(make_world: MakeWorld, store: Store) -> None:
    """Each counts; the batch is dead and its number has gone on."""
    world = given_out(make_world, store)
    lapse(store)
    assert rescue(store, now=world.now) == RescueReport(requeued=6)
    assert states(world) == {"queued": 6}
    assert {(row.rescues, row.batch_id) for row in world.deliveries()} == {(1, None)}
    assert [(row.state, row.epoch) for row in world.rows("batch", "state", "epoch")] == [("dead", 2)]
    assert rescue(store, now=world.now) == RescueReport()


def test_what_was_at_the_wire_is_uncertain(make_world: MakeWorld, store: Store) -> None:
    """Nobody can know; the enrollment does not wait for a person's word."""
    world = given_out(make_world, store, steps=drip("{key: one, mail: a}\n{key: two, at: +1d, mail: b}"))
    with store.begin() as connection:
        connection.execute(DELIVERY.update().where(DELIVERY.c.id <= 2).values(state="sending", sending_at=world.now))
    lapse(store)
    assert rescue(store, now=world.now) == RescueReport(requeued=4, uncertain=2)
    assert [row[1:] for row in world.log][:2] == [("one", "uncertain", "holder_died")] * 2
    world.ticks("11-23 11:00", "11-24 11:00")
    assert Counter((row[1], row[2]) for row in world.log) == {
        ("one", "uncertain"): 2, ("one", "sent"): 4, ("two", "sent"): 6,
    }  # fmt: skip


def test_standing_in_line_counts_for_nothing(make_world: MakeWorld, store: Store) -> None:
    """A holder that died of something else does not taint what it had not begun."""
    world = make_world({"drip": ONE}, store=store)
    world.apply("11-23 10:00")
    world.crowd(3, "11-23 10:00")
    for _ in range(5):
        give_out(world)
        lapse(store)
        assert rescue(store, now=world.now).requeued == 3
    assert {row.rescues for row in world.deliveries()} == {0}
    world.tick()
    assert states(world) == {"sent": 3}


def test_what_kills_its_holder_is_given_up_and_takes_nobody_along(
    make_world: MakeWorld, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever writes the mail to p3 dies of it. The process starts anew, again and again; the others get their mail."""
    world = make_world({"drip": ONE}, store=store)
    world.apply("11-23 10:00")
    world.crowd(25, "11-23 10:00")
    real = Composer.compose

    class Killed(BaseException):
        """The end of the process, as far as one test can have it."""

    def deadly(self: Composer, row: Claimed, *rest: Any, **named: Any) -> Composed:
        if row.person_id == 4:
            raise Killed
        return real(self, row, *rest, **named)

    async def until_death() -> bool:
        hands, machine = Hands(), world.machine()
        await machine.deliverer.start()
        await machine.react(world.now)
        await machine.advance(world.now)
        while dispatch(store, hands, machine.pool, now=world.now, holder=machine.deliverer.holder).deliveries:
            given, hands.given = hands.given, []
            for batch_id, epoch in given:
                try:
                    await machine.deliverer.run_batch(batch_id, epoch)
                except (Killed, BaseExceptionGroup):
                    return True
        await machine.deliverer.stop()
        return False

    monkeypatch.setattr(Composer, "compose", deadly)
    monkeypatch.setattr(outbox, "close_batch", lambda *_, **__: None)  # the dead close nothing
    deaths = 0
    while asyncio.run(until_death()):
        deaths += 1
        lapse(store)
        rescue(store, now=world.now)
    assert deaths == 4
    assert [row.id for row in world.deliveries() if row.state == "failed"] == [4]
    assert world.deliveries()[3].reason == "poison"
    # What was marked when the process died is uncertain; all the others were sent.
    assert set(states(world)) <= {"sent", "failed", "uncertain"}
    assert states(world)["sent"] == len(world.transport.sent)


def test_blind_kills_do_not_add_up(make_world: MakeWorld, store: Store) -> None:
    """A mail that is written and waits for its turn at a slow relay was not what its holder died of, however often."""
    world = given_out(make_world, store, 3)
    lapse(store)
    assert rescue(store, now=world.now).requeued == 3

    async def killed_while_all_wait() -> None:
        hands, machine = Hands(), world.machine()
        await machine.deliverer.start()
        dispatch(store, hands, machine.pool, now=world.now, holder=machine.deliverer.holder)
        (way,) = machine.deliverer.ways.values()
        for _ in range(way.slots):
            assert await machine.deliverer._watch.slot(way.name)
        batches = [asyncio.create_task(machine.deliverer.run_batch(*one)) for one in hands.given]
        while {row.rescues for row in world.deliveries()} != {0}:
            await asyncio.sleep(0)
        for batch in batches:
            batch.cancel()
        await asyncio.gather(*batches, return_exceptions=True)

    real, outbox.close_batch = outbox.close_batch, lambda *_, **__: None  # the dead close nothing
    try:
        for _ in range(6):
            asyncio.run(killed_while_all_wait())
            lapse(store)
            assert RescueReport(requeued=3) == rescue(store, now=world.now)
            assert {1} == {row.rescues for row in world.deliveries()}
    finally:
        outbox.close_batch = real
    world.tick()
    assert states(world) == {"sent": 3}


def test_a_batch_is_tried_out_alone(make_world: MakeWorld, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one suspect is written no other batch is open: a death is held against nobody else."""
    world = make_world({"drip": ONE}, store=store)
    world.apply("11-23 10:00")
    world.crowd(4, "11-23 10:00")
    give_out(world)
    with store.begin() as connection:
        connection.execute(DELIVERY.update().values(state="queued", batch_id=None, rescues=2))
    real, seen = Composer.compose, []

    def watched(self: Composer, row: Claimed, *rest: Any, **named: Any) -> Composed:
        suspects = [one.batch_id for one in world.deliveries() if one.rescues and one.state == "claimed"]
        seen.append({one.id for one in world.rows("batch", "id", "state") if one.state == "open"} & set(suspects))
        return real(self, row, *rest, **named)

    monkeypatch.setattr(Composer, "compose", watched)
    world.tick()
    assert states(world) == {"sent": 4}
    assert 1 == max(len(on_trial) for on_trial in seen)


def test_the_only_sender_of_a_sqlite_database_waits_for_no_lease(make_world: MakeWorld, sqlite_store: Store) -> None:
    """Its lock proves that nobody else lives."""
    world = given_out(make_world, sqlite_store)
    assert rescue(sqlite_store, now=world.now, everything=True).requeued == 6
    world.tick()
    assert states(world) == {"sent": 6}


def test_an_uncertain_mail_of_a_removed_campaign_is_not_sent_again(make_world: MakeWorld) -> None:
    """Nobody is left who wants it."""
    steps = drip("{key: one, mail: a}") + "on_uncertain: resend\n"
    world = make_world({"drip": steps, "other": drip("{key: x, at: entry + 99d, mail: a}")})
    world.apply("11-23 10:00")
    world.transport.script("maria@example.org", Uncertain("?"))
    world.signs_up("maria", "11-23 10:00")
    give_out(world)
    with world.store.begin() as connection:
        connection.execute(DELIVERY.update().values(state="uncertain", sending_at=world.now, settled_at=world.now))
    world.remove("drip")
    world.tick()
    assert world.log == [("maria", "one", "uncertain", None)]
