"""A release or a resume changes what times were computed from: everybody in flight gets hers anew, nothing twice."""

import pytest

from rfs_mail.engine import replan as replanning
from rfs_mail.engine.replan import replan
from tests.engine.conftest import MakeWorld
from tests.engine.test_advance import CALENDAR, INVITE, drip

TWO = drip("{key: one, mail: a}\n{key: two, at: entry + 3d, mail: b}")


def test_a_step_that_moved_takes_its_people_along(make_world: MakeWorld) -> None:
    """Later, and earlier too."""
    world = make_world({"drip": TWO})
    world.apply("11-23 10:00")
    world.signs_up("maria", "11-23 10:00")
    world.tick()
    world.apply("11-24 10:00", drip=TWO.replace("entry + 3d", "entry + 5d"))
    world.ticks("11-24 10:00", "11-26 10:00")
    assert [row[2] for row in world.sent] == ["one"]
    world.apply("11-26 11:00", drip=TWO.replace("entry + 3d", "entry + 4d"))
    world.ticks("11-26 11:00", "11-27 10:00")
    assert world.sent[1] == ("11-27 10:00", "maria", "two")


def test_a_date_that_moved_takes_its_people_along(make_world: MakeWorld) -> None:
    """The occurrence is known by its key, so it is the same call on another day."""
    world = make_world({"drip": INVITE}, calendar=CALENDAR)
    world.apply("11-23 08:00")
    world.signs_up("maria", "11-23 09:00")
    world.tick()
    world.files["calendar"] = CALENDAR.replace("date: 2026-11-25", "date: 2026-11-30")
    world.apply("11-23 10:00")
    world.ticks("11-23 10:00", "11-24 10:00", "11-29 10:00", "12-01 10:00")
    assert world.sent == [("11-29 10:00", "maria", "invite"), ("12-01 10:00", "maria", "after")]


def test_a_release_that_changes_nothing_repeats_nothing(make_world: MakeWorld) -> None:
    """Who has had a mail has had it."""
    world = make_world({"drip": TWO})
    world.apply("11-23 10:00")
    world.crowd(3, "11-23 10:00")
    world.tick()
    for when in ("11-24 10:00", "11-25 10:00"):
        world.apply(when, drip=TWO + f"name: The {when}\n")
        world.tick()
    world.tick("11-26 10:00")
    assert [row[2] for row in world.sent] == ["one"] * 3 + ["two"] * 3


def test_a_wait_that_has_begun_keeps_its_end(make_world: MakeWorld) -> None:
    """A release does not make anybody wait longer, nor hear less."""
    wait = drip('{key: one, mail: a}\n{key: heard, wait_for: tag("yes"), until: +3d}\n{key: two, mail: b}')
    world = make_world({"drip": wait})
    world.apply("11-23 10:00")
    world.signs_up("maria", "11-23 10:00")
    world.tick()
    world.apply("11-25 10:00", drip=wait + "name: Another\n")
    world.ticks("11-25 10:00", "11-26 09:59")
    assert [row[2] for row in world.sent] == ["one"]
    world.tick("11-26 10:00")
    assert world.sent[1] == ("11-26 10:00", "maria", "two")


def test_a_resume_looks_again_at_once(make_world: MakeWorld) -> None:
    """Who stood still goes on at the first pass, not an hour later."""
    world = make_world({"drip": TWO})
    world.apply("11-23 10:00")
    world.signs_up("maria", "11-23 10:00")
    world.tick()
    world.pause("drip", "11-25 10:00")
    world.ticks("11-26 10:00", "11-26 10:30")
    world.resume("drip", "11-26 10:40")
    world.tick()
    assert world.sent[1] == ("11-26 10:40", "maria", "two")


def test_replanning_in_chunks_comes_to_its_end(make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each release once, however often it is asked."""
    world = make_world({"drip": TWO})
    world.apply("11-23 10:00")
    world.crowd(7, "11-23 10:00")
    world.tick()
    world.apply("11-24 10:00", drip=TWO.replace("entry + 3d", "entry + 5d"))
    monkeypatch.setattr(replanning, "CHUNK", 2)
    pauses: list[int] = []
    assert replan(world.store, now=world.now, pause=lambda: pauses.append(1)).enrollments == 7
    assert len(pauses) == 4
    assert replan(world.store, now=world.now).enrollments == 0
