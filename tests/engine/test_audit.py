"""What the store says it did: every figure counted from the rows, every mail once, every departure with its scope."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from rfs_mail.core.lifecycle import DeliveryState
from rfs_mail.core.send_hours import SendRules
from rfs_mail.engine.advance import advance
from rfs_mail.engine.audit import Departure, Hanging, count_wanting, departures, figures, hanging, recorded, send_rules
from rfs_mail.store import suppressions
from rfs_mail.store.database import Store
from tests.engine.conftest import MakeWorld
from tests.engine.test_advance import drip
from tests.engine.test_filing_windows import COUNCIL, COUNTDOWN, SCHOOLS, day, knows, wants
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


@pytest.fixture
def countdown(store: Store, tmp_path: Path) -> World:
    """Ana's first mail waits in the queue of a countdown, Bo has got his; Cleo wants what no campaign is about yet."""
    made = World(store, tmp_path, {"countdown": COUNTDOWN})
    made.apply(day("2026-11-10 12:00"))
    knows(made, COUNCIL, replace(SCHOOLS, closes_on="2027-03-05"))
    wants(made, "bo", "municipal", zone="America/New_York")
    wants(made, "ana", "municipal")
    wants(made, "cleo", "school_board")
    made.tick(day("2026-11-21 15:00"))
    advance(store, now=day("2026-11-21 16:00"))
    return made


def test_what_hangs_on_a_window(countdown: World) -> None:
    """Queued mail with its times, next steps with theirs; a move shows in both, and what it passed by is counted."""
    store, now = countdown.store, day("2026-11-21 16:00")
    before = hanging(store, [COUNCIL.id])
    assert [(now, day("2026-12-05 23:00"))] == list(before.mails.values())
    assert {("b", day("2027-01-02 15:00")), ("b", day("2027-01-02 16:00"))} == _steps(before)
    countdown.now = now
    knows(countdown, replace(COUNCIL, closes_on="2027-01-08"))
    countdown.tick(now)
    after = hanging(store, [COUNCIL.id], since=now)
    assert before.mails.keys() == after.mails.keys()
    assert [day("2026-12-08 23:00")] == [not_after for _, not_after in after.mails.values()]
    assert {("b", day("2027-01-05 15:00")), ("b", day("2027-01-05 16:00"))} == _steps(after)
    assert 0 == after.passed_by
    countdown.now = day("2027-01-05 14:00")
    knows(countdown, replace(COUNCIL, closes_on="2027-01-05"))
    countdown.tick(countdown.now)
    assert 4 == hanging(store, [COUNCIL.id], since=countdown.now).passed_by  # the two mails ahead of both
    assert 0 == hanging(store, [COUNCIL.id]).passed_by


def _steps(one: Hanging) -> set[tuple[str, datetime]]:
    return {(step, at) for (_, step), at in one.steps.items()}


def test_who_wants_a_window(countdown: World) -> None:
    """Each person once, however many windows she wants; nobody wants a window that nobody knows."""
    assert (2, 1, 3) == (
        count_wanting(countdown.store, [COUNCIL.id]),
        count_wanting(countdown.store, [SCHOOLS.id]),
        count_wanting(countdown.store, [COUNCIL.id, SCHOOLS.id]),
    )
    assert 0 == count_wanting(countdown.store, ["nowhere"])


def test_which_window_a_mail_was_about(countdown: World) -> None:
    """A recorded mail names the window of its campaign."""
    assert [("a", COUNCIL.id)] == [(one.step, one.window_id) for one in recorded(countdown.store)]
