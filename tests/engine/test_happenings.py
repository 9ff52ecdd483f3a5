"""News about people from outside the mail: recorded once, by their own time, and asked about by `react`."""

from datetime import timedelta

import pytest

from rfs_mail.engine.happenings import Happening, Recorded, record_happenings
from rfs_mail.engine.react import react
from rfs_mail.errors import UsageError
from rfs_mail.store import events, people
from rfs_mail.store.database import Store
from tests.engine.conftest import MakeWorld
from tests.engine.test_advance import drip
from tests.world import at


def test_each_piece_of_news_is_recorded_once(make_world: MakeWorld, store: Store) -> None:
    """The same list read twice is one fact each; strangers are named."""
    world = make_world({"drip": drip("{key: one, mail: a}")}, store=store)
    world.apply("11-23 10:00")
    maria = world.person("maria")
    news = [
        Happening("Maria@Example.org", "attended", at("11-22 19:00"), ref="intro_call-2026-11", key="list:1"),
        Happening("nobody@example.org", "attended", at("11-22 19:00"), ref="intro_call-2026-11", key="list:2"),
    ]
    first, second = (record_happenings(store, news, source="attendance list", now=world.now) for _ in range(2))
    assert first == Recorded(1, 0, ("nobody@example.org",))
    assert second == Recorded(0, 1, ("nobody@example.org",))
    with store.read() as connection:
        (row,) = events.of_person(connection, maria, "attended")
    assert (row.ref, row.at, row.received_at, row.active) == ("intro_call-2026-11", at("11-22 19:00"), world.now, True)
    assert row.detail == {"source": "attendance list"}


def test_a_stage_is_reached_when_it_was_and_moves_her_campaigns(make_world: MakeWorld, store: Store) -> None:
    """`stage` moves the person as of its own time, and her goals are asked again."""
    world = make_world({"drip": drip("{key: one, mail: a}") + 'goal: stage == "filed"\n'}, store=store)
    world.apply("11-23 10:00")
    maria = world.signs_up("maria", "11-23 10:00")
    world.ticks("11-23 10:00")
    filed = Happening("maria@example.org", "stage", world.now - timedelta(hours=2), value="filed")
    assert record_happenings(store, [filed, filed], source="staff", now=world.now) == Recorded(1, 1, ())
    react(store, now=world.now)
    with store.read() as connection:
        person = people.get_person(connection, maria)
    assert person is not None
    assert (person.stage, person.stage_at) == ("filed", world.now - timedelta(hours=2))


def test_a_stage_that_does_not_exist_is_refused(make_world: MakeWorld, store: Store) -> None:
    """The error names the stages, and nothing of that list is recorded."""
    world = make_world({"drip": drip("{key: one, mail: a}")}, store=store)
    world.apply("11-23 10:00")
    maria = world.person("maria")
    news = [
        Happening("maria@example.org", "referred", world.now),
        Happening("maria@example.org", "stage", world.now, value="field"),
    ]
    with pytest.raises(UsageError, match="There is no stage 'field'"):
        record_happenings(store, news, source="staff", now=world.now)
    with store.read() as connection:
        assert events.of_person(connection, maria, "referred") == []
