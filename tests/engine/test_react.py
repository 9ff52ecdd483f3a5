"""Something changed about somebody: goals, exits, waits and entries are asked again, for her alone."""

from datetime import timedelta

import pytest

from rfs_mail.engine import react as reacting
from rfs_mail.engine.react import Reacted, react
from rfs_mail.store import people, tasks
from rfs_mail.store.database import Store
from rfs_mail.store.tables import TABLES
from tests.engine.conftest import MakeWorld
from tests.engine.test_advance import drip
from tests.world import World, at

TWO = "{key: one, mail: a}\n{key: two, at: entry + 1h, mail: b}\n{key: three, at: entry + 9d, mail: c}"


def held(make_world: MakeWorld, more: str, store: Store | None = None) -> World:
    """Maria has had one mail, the second waits in the outbox, the third is planned."""
    world = make_world({"drip": drip(TWO) + more}, store=store)
    world.apply("11-23 10:00")
    world.signs_up("maria", "11-23 10:00", state="WI")
    world.ticks("11-23 10:00", "11-23 11:00")
    assert world.log == [("maria", "one", "sent", None), ("maria", "two", "queued", "held_cap")]
    return world


def ending(world: World) -> tuple[str, str | None, object]:
    """State, reason and detail of the only enrollment."""
    row = world.enrollment()
    return row.state, row.ended_because, row.ended_detail.get("expression")


def test_a_goal_ends_the_enrollment_and_skips_what_waits(make_world: MakeWorld, store: Store) -> None:
    """In one transaction; the delivery says why."""
    world = held(make_world, 'goal: stage == "filed"\n', store)
    world.stage(1, "filed", "11-23 12:00")
    react(store, now=world.now)
    assert ending(world) == ("exited", "goal_reached", 'stage == "filed"')
    assert world.log[1] == ("maria", "two", "skipped", "goal_reached")


def test_a_goal_stops_what_is_claimed_too(make_world: MakeWorld, store: Store) -> None:
    """Not yet at the wire is not yet sent."""
    world = held(make_world, 'goal: stage == "filed"\n', store)
    with store.begin() as connection:
        table = TABLES["delivery"]
        connection.execute(table.update().where(table.c.state == "queued").values(state="claimed", batch_id=1, epoch=1))
    world.stage(1, "filed", "11-23 12:00")
    react(store, now=world.now)
    assert world.log[1] == ("maria", "two", "skipped", "goal_reached")


def test_a_goal_that_lets_go_on_ends_nothing(make_world: MakeWorld) -> None:
    """`then: continue` is for counting."""
    world = held(make_world, 'goal: {when: stage == "filed", then: continue}\n')
    world.stage(1, "filed", "11-23 12:00")
    world.ticks("11-24 10:00", "12-02 10:00")
    assert [row[2] for row in world.sent] == ["one", "two", "three"]


def test_an_exit_ends_with_its_task(make_world: MakeWorld) -> None:
    """One task, however often she is asked again."""
    more = 'exit:\n  - when: stage == "withdrawn"\n    task: {title: "Talk to {{ given_name }}", for: region}\n'
    world = held(make_world, more)
    world.stage(1, "withdrawn", "11-23 12:00")
    world.tick()
    world.event(1, "replied", "11-23 13:00")
    world.tick()
    assert ending(world) == ("exited", "exited", 'stage == "withdrawn"')
    with world.store.read() as connection:
        assert [row.title for row in connection.execute(tasks.TABLES["task"].select())] == ["Talk to Maria"]


def test_while_ends_when_it_turns_false(make_world: MakeWorld) -> None:
    """Leaving the audience alone changes nothing; `while` is what has to stay true."""
    world = held(make_world, 'while: state == "WI"\n')
    world.event(1, "replied", "11-23 12:00")
    world.tick()
    assert ending(world)[0] == "active"
    with world.store.begin() as connection:
        people.set_fields(connection, 1, {"state": "MN"}, now=world.now, source="staff")
    world.tick("11-23 13:00")
    assert ending(world) == ("exited", "while_ended", 'state == "WI"')
    assert world.log[1] == ("maria", "two", "skipped", "while_ended")


def test_leaving_the_audience_changes_nothing(make_world: MakeWorld) -> None:
    """It was asked at the door."""
    world = held(make_world, 'audience:\n  - state == "WI"\n')
    with world.store.begin() as connection:
        people.set_fields(connection, 1, {"state": "MN"}, now=world.now, source="staff")
    world.tick("11-24 10:00")
    assert world.log[1] == ("maria", "two", "sent", None)


def test_a_goal_since_entry_does_not_count_what_was_before(make_world: MakeWorld) -> None:
    """`since=entry` is this enrollment's own."""
    world = make_world({"drip": drip(TWO) + 'goal: event("replied", since=entry)\n'})
    world.apply("11-23 10:00")
    who = world.person("maria", "11-23 09:00")
    world.event(who, "replied", "11-23 09:30")
    world.signup(who, "11-23 10:00")
    world.now = at("11-23 10:00")
    world.tick()
    assert ending(world)[0] == "active"
    world.event(who, "replied", "11-23 12:00")
    world.tick()
    assert ending(world)[:2] == ("exited", "goal_reached")


def test_a_goal_ends_a_paused_campaigns_enrollment_too(make_world: MakeWorld) -> None:
    """A pause stops mail, not what people do."""
    world = held(make_world, 'goal: stage == "filed"\n')
    world.pause("drip", "11-23 11:30")
    world.stage(1, "filed", "11-23 12:00")
    world.tick()
    assert ending(world)[:2] == ("exited", "goal_reached")


def test_time_alone_turns_a_condition_at_the_daily_look(make_world: MakeWorld) -> None:
    """Nobody touched her; the day came. It is asked once a day."""
    world = held(make_world, "exit:\n  - when: age(signed_up_at) > 5d\n")
    world.tick("11-27 11:00")
    assert ending(world)[0] == "active"
    world.tick("11-29 11:00")
    assert ending(world)[:2] == ("exited", "exited")
    assert [row[1] for row in world.log] == ["one", "two"]


def test_only_those_who_were_touched_are_asked(make_world: MakeWorld, store: Store) -> None:
    """The cost is that of the people who changed."""
    world = make_world({"drip": drip(TWO) + 'goal: stage == "filed"\n'}, store=store)
    world.apply("11-23 10:00")
    world.crowd(6, "11-23 10:00")
    world.tick()
    with store.begin() as connection:  # behind everybody's back: nobody is touched
        connection.execute(TABLES["person"].update().values(stage="filed"))
    assert react(store, now=at("11-23 11:00")) == Reacted()
    world.event(3, "replied", "11-23 11:00")
    assert react(store, now=at("11-23 11:00")).ended == 1
    assert [row.person_id for row in world.enrollments() if row.state == "exited"] == [3]


def test_reacting_in_chunks_takes_everybody_once(make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """And lets others at the database in between."""
    world = make_world({"drip": drip(TWO)})
    world.apply("11-23 10:00")
    world.crowd(23, "11-23 10:00")
    monkeypatch.setattr(reacting, "CHUNK", 5)
    pauses: list[int] = []
    done = react(world.store, now=world.now, pause=lambda: pauses.append(1))
    assert (done.entered, len(world.enrollments())) == (23, 23)
    assert len(pauses) >= 5
    assert world.rows("touched", "id") == []


def test_an_answer_in_a_wait_is_heard_at_once(make_world: MakeWorld) -> None:
    """Woken in the same pass, by the row of her own."""
    steps = '{key: one, mail: a}\n{key: heard, wait_for: tag("yes"), until: +9d}\n{key: two, mail: b, cap: exempt}'
    world = make_world({"drip": drip(steps)})
    world.apply("11-23 10:00")
    world.crowd(2, "11-23 10:00")
    world.tick()
    with world.store.begin() as connection:
        people.add_tag(connection, 2, "yes", now=world.now)
    done = react(world.store, now=world.now + timedelta(hours=1))
    assert done.woken == 1
    world.tick("11-23 12:00")
    assert [row[1:] for row in world.sent][2:] == [("p1", "two")]


@pytest.mark.parametrize("at_", ["", "at: +1d, ", "at: entry + 1d, "])
def test_a_fact_that_is_taken_back_wakes_nobody_for_good(make_world: MakeWorld, store: Store, at_: str) -> None:
    """A tag by mistake, gone before the next look: she waits on, to the end that was hers."""
    steps = f'{{key: one, mail: a}}\n{{key: heard, {at_}wait_for: tag("yes"), until: +3d}}\n{{key: two, mail: b}}'
    world = make_world({"drip": drip(steps)}, store=store)
    world.apply("11-23 10:00")
    who = world.signs_up("maria", "11-23 10:00")
    world.ticks("11-23 10:00", "11-24 10:00", "11-24 11:00")
    before = world.enrollment()
    assert before.waiting_since is not None
    with world.store.begin() as connection:
        people.add_tag(connection, who, "yes", now=world.now)
    assert react(world.store, now=world.now).woken == 1
    with world.store.begin() as connection:
        people.remove_tag(connection, who, "yes")
    world.tick("11-24 12:00")
    assert (before.due_at, before.waiting_since) == (world.enrollment().due_at, world.enrollment().waiting_since)
    world.tick("11-27 10:00")
    assert world.steps()[1][:2] == ("heard", "timed_out")
