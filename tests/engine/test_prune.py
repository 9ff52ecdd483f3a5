"""Forgetting: old deliveries become stubs whose links still work, kept bytes go after their time."""

from datetime import timedelta

import pytest

from rfs_mail.engine import prune as pruning
from rfs_mail.engine.prune import KEEP_LOG, Pruned, prune
from rfs_mail.store import outbox
from rfs_mail.store.database import Store
from rfs_mail.store.tables import TABLES
from tests.engine.conftest import MakeWorld
from tests.engine.test_advance import drip

ONE = drip("{key: one, mail: a}")


def test_old_mail_becomes_a_stub_whose_links_still_work(make_world: MakeWorld, store: Store) -> None:
    """Whoever finds a mail of four years ago can still leave."""
    world = make_world({"drip": ONE}, store=store)
    world.apply("11-23 10:00")
    world.crowd(3, "11-23 10:00")
    world.tick()
    with store.read() as connection:
        before = outbox.addressee(connection, 1)
    assert prune(store, now=world.now + KEEP_LOG, keep_messages=None).deliveries == 0
    later = world.now + KEEP_LOG + timedelta(seconds=1)
    assert prune(store, now=later, keep_messages=None) == Pruned(deliveries=3)
    assert world.deliveries() == []
    assert len(world.rows("delivery_stub", "delivery_id")) == 3
    with store.read() as connection:
        after = outbox.addressee(connection, 1)
    assert before is not None
    assert after is not None
    assert (after.person_id, after.entity_id, after.address_hash) == (
        before.person_id, before.entity_id, before.address_hash,
    )  # fmt: skip
    assert prune(store, now=later, keep_messages=None).deliveries == 0


def test_what_is_not_settled_is_never_forgotten(make_world: MakeWorld, store: Store) -> None:
    """However old its plan is."""
    world = make_world({"drip": drip("{key: one, mail: a}\n{key: two, at: entry + 1h, mail: b}")}, store=store)
    world.apply("11-23 10:00")
    world.signs_up("maria", "11-23 10:00")
    world.ticks("11-23 10:00", "11-23 11:00")
    prune(store, now=world.now + 2 * KEEP_LOG, keep_messages=None)
    assert [row.step_key for row in world.deliveries()] == ["two"]


def test_kept_bytes_go_after_their_time(make_world: MakeWorld, store: Store) -> None:
    """And all of them where nothing is to be kept any more."""
    world = make_world({"drip": drip("{key: one, mail: a}\n{key: two, at: +9d, mail: b}")}, store=store)
    world.settings_are(keep_messages="30d")
    world.apply("11-23 10:00")
    world.crowd(2, "11-23 10:00")
    world.ticks("11-23 10:00", "12-02 10:00")
    month = timedelta(days=30)
    assert len(world.rows("kept_message", "delivery_id")) == 4
    assert prune(store, now=world.now + timedelta(days=22), keep_messages=month).messages == 2
    assert prune(store, now=world.now + timedelta(days=22), keep_messages=None).messages == 2


def test_batches_go_when_nothing_hangs_on_them(
    make_world: MakeWorld, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that are worked on stay; small chunks come to the same end."""
    world = make_world({"drip": ONE}, store=store)
    world.apply("11-23 10:00")
    world.crowd(7, "11-23 10:00")
    world.tick()
    with store.begin() as connection:
        connection.execute(
            TABLES["batch"].insert().values(
                epoch=1, state="open", relay="memory", operator="other", holder="x", size=1, lease_until=world.now
            )
        )  # fmt: skip
    monkeypatch.setattr(pruning, "CHUNK", 2)
    pauses: list[int] = []
    done = prune(
        store, now=world.now + 2 * KEEP_LOG, keep_messages=None, pause=lambda: pauses.append(1)
    )  # fmt: skip
    assert (done.deliveries, done.batches, len(pauses)) == (7, 1, 3)
    assert [row.state for row in world.rows("batch", "state")] == ["open"]
