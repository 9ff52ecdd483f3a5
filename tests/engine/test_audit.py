"""What the store says it did: every figure counted from the rows, every mail once, every departure with its scope."""

from datetime import timedelta

import pytest

from rfs_mail.core.lifecycle import DeliveryState
from rfs_mail.core.send_hours import SendRules
from rfs_mail.engine.audit import Departure, departures, figures, recorded, send_rules
from rfs_mail.store import suppressions
from rfs_mail.store.database import Store
from tests.engine.conftest import MakeWorld
from tests.engine.test_advance import drip
from tests.world import World, at

TWO = "{key: one, mail: a}\n{key: two, at: entry + 1h, mail: b}\n{key: three, at: entry + 9d, mail: c}"


@pytest.fixture
def world(make_world: MakeWorld, store: Store) -> World:
    """Maria has one mail, the second waits for the cap, the third is planned; Ana filed before her second."""
    made = make_world({"drip": drip(TWO) + 'goal: stage == "filed"\n'}, store=store)
    made.apply("11-23 10:00")
    made.signs_up("maria", "11-23 10:00")
    ana = made.signs_up("ana", "11-23 10:00")
    made.ticks("11-23 10:00", "11-23 11:00")
    made.stage(ana, "filed", "11-23 12:00")
    made.ticks("11-23 12:00")
    return made


def test_figures_add_up(world: World) -> None:
    """Sent, not sent, uncertain, waiting and stuck are all the deliveries, for the whole and for the campaign."""
    found = figures(world.store, now=world.now)
    (drips,) = found.campaigns
    assert found.people == 2
    assert (found.sent, found.uncertain, found.waiting, found.stuck) == (2, 0, 1, 0)
    assert found.not_sent == {"goal_reached": 1}
    assert found.sent + sum(found.not_sent.values()) + found.waiting == found.deliveries == 4
    assert (drips.campaign, drips.entered, drips.sent, drips.goals) == ("drip", 2, 2, 1)
    assert found.happened["stage", "filed"] == 1


def test_the_next_mail_is_the_nearest_hour(world: World) -> None:
    """What is held and what is planned count, the nearest hour first."""
    (drips,) = figures(world.store, now=world.now).campaigns
    with world.store.read() as connection:
        (held,) = connection.exec_driver_sql("SELECT count(*) FROM delivery WHERE state = 'queued'").one()
    assert held == drips.next_count == 1
    assert drips.next_at == at("11-24 00:00")


def test_every_mail_that_was_on_its_way(world: World) -> None:
    """One row a delivery that was ever marked, with whom it went to and on whose clock."""
    found = recorded(world.store)
    assert [(one.step, one.mailbox, one.state, one.arrived) for one in found] == [
        ("one", "maria@example.org", DeliveryState.SENT, True),
        ("one", "ana@example.org", DeliveryState.SENT, True),
    ]
    assert {one.zone for one in found} == {"America/New_York"}
    assert len({one.message_id for one in found}) == 2


def test_who_left_what(world: World) -> None:
    """A suppression and a topic that was left are departures; a lifted one has its end."""
    with world.store.begin() as connection:
        suppressions.leave_topic(connection, 1, "running", now=world.now)
        person = connection.exec_driver_sql("SELECT address_hash FROM person WHERE id = 2").scalar_one()
        suppressions.suppress(
            connection, bytes(person), scope="entity", scope_id="rfs", reason="unsubscribed", source="page",
            now=world.now,
        )  # fmt: skip
    left = {one.mailbox: one for one in departures(world.store)}
    assert left["maria@example.org"] == Departure(
        "maria@example.org", "topic", "running", frozenset(), "topic_left", world.now, None
    )
    assert left["ana@example.org"].covers("rfs", "running", world.now + timedelta(seconds=1))
    assert not left["ana@example.org"].covers("rfs", "running", world.now)
    assert not left["ana@example.org"].covers("rfs_civics", "running", world.now + timedelta(seconds=1))


def test_rules_of_the_live_release(world: World) -> None:
    """Each mail step has its days and hours; these tests send at any hour of any day."""
    assert send_rules(world.store) == {("drip", step): SendRules() for step in ("one", "two", "three")}


def test_nothing_applied(sqlite_store: Store) -> None:
    """Before anything is applied there are no campaigns and no rules, and every figure is 0."""
    found = figures(sqlite_store, now=at("11-23 10:00"))
    assert (found.people, found.rows, found.deliveries, found.campaigns) == (0, 0, 0, ())
    assert send_rules(sqlite_store) == {}
