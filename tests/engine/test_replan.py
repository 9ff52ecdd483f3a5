"""A release or a resume changes what times were computed from: everybody in flight gets hers anew, nothing twice."""

import pytest

from rfs_mail.engine import replan as replanning
from rfs_mail.engine.desk import set_fields
from rfs_mail.engine.react import react
from rfs_mail.engine.replan import replan
from rfs_mail.store.database import Store
from tests.engine.conftest import MakeWorld
from tests.engine.test_advance import CALENDAR, INVITE, drip
from tests.world import World, at, local

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


def sets(world: World, *assignments: str) -> None:
    """Staff write something about Maria."""
    set_fields(world.store, "maria@example.org", assignments, window=None, by="ana", now=world.now)


def queued_behind_the_cap(make_world: MakeWorld, second: str, store: Store | None = None, **files: str) -> World:
    """Maria has had her mail of today; this second one is due and waits in the queue."""
    world = make_world({"drip": drip(f"{{key: one, mail: a}}\n{second}")}, store=store, **files)
    world.apply("11-24 09:00")
    world.signs_up("maria", "11-24 09:00", custom={"call_date": "2026-11-25"})
    world.ticks("11-24 09:00", "11-24 10:00")
    assert world.log == [("maria", "one", "sent", None), ("maria", "two", "queued", "held_cap")]
    return world


def test_a_date_that_moved_takes_queued_mail_along(make_world: MakeWorld, store: Store) -> None:
    """What waits behind the cap goes before the new date, not before the old one, and no later than it may."""
    two = "{key: two, at: intro_call - 1d @ 10:00, mail: b, not_after: intro_call - 3h}"
    world = queued_behind_the_cap(make_world, two, store, calendar=CALENDAR)
    world.files["calendar"] = CALENDAR.replace("date: 2026-11-25", "date: 2026-11-30")
    world.apply("11-24 11:00")
    world.ticks("11-24 11:00", "11-25 10:00", "11-28 10:00", "11-29 09:59")
    assert world.delivery("two").not_after == at("11-30 16:00")
    world.tick("11-29 10:00")
    assert world.sent[1:] == [("11-29 10:00", "maria", "two")]


def test_mail_in_the_queue_is_not_sent_behind_a_date_that_came_nearer(make_world: MakeWorld) -> None:
    """Mail that the cap keeps back for longer than the new date lasts is not sent behind it."""
    two = "{key: two, at: intro_call - 1d @ 10:00, mail: b, not_after: intro_call - 3h}"
    world = queued_behind_the_cap(make_world, two, calendar=CALENDAR)
    world.files["calendar"] = CALENDAR.replace("date: 2026-11-25, time: 19:00", "date: 2026-11-24, time: 20:00")
    world.apply("11-24 11:00")
    world.ticks("11-24 11:00", "11-25 10:00")
    assert world.log[1] == ("maria", "two", "expired", "too_late")


def test_a_step_that_moved_takes_queued_mail_along(make_world: MakeWorld) -> None:
    """The same for a step's own time; what counts from the step above stays as it was."""
    world = queued_behind_the_cap(make_world, "{key: two, at: entry + 1h, mail: b}")
    world.apply("11-24 11:00", drip=world.campaigns["drip"].replace("entry + 1h", "entry + 3d"))
    world.ticks("11-24 11:00", "11-25 10:00", "11-27 09:00")
    assert world.sent[1:] == [("11-27 09:00", "maria", "two")]


def test_queued_mail_keeps_its_time_where_nothing_moved(make_world: MakeWorld) -> None:
    """A release that says the same changes nothing about the queue."""
    world = queued_behind_the_cap(make_world, "{key: two, at: entry + 1h, mail: b}")
    before = world.delivery("two")
    world.apply("11-24 11:00", drip=world.campaigns["drip"] + "name: Another\n")
    replan(world.store, now=world.now)
    assert before == world.delivery("two")


def test_queued_mail_gets_the_new_words(make_world: MakeWorld) -> None:
    """A mistake that is mended reaches everybody whose mail has not left."""
    world = queued_behind_the_cap(make_world, "{key: two, at: entry + 1h, mail: b}")
    world.mails["drip/b.md"] = "---\nsubject: Mended\n---\nHello.\n"
    world.apply("11-24 11:00")
    world.ticks("11-24 11:00", "11-25 10:00")
    assert [b"Subject: Mended" in mail.message for mail in world.transport.sent] == [False, True]


# -- steps that are added behind people --------------------------------------------------------------------------------

LINE = "{key: one, mail: a}\n{key: three, at: entry + 9d, mail: c}"
NEW = "{key: two, at: entry + 1h, mail: b, backfill: true}"


def grown(make_world: MakeWorld, new: str, store: Store | None = None) -> World:
    """Maria has had `one` and waits for `three`; a release puts a step between them, behind her."""
    world = make_world({"drip": drip(LINE)}, store=store)
    world.apply("11-23 10:00")
    world.signs_up("maria", "11-23 10:00", state="WI")
    world.tick()
    world.apply("11-25 12:00", drip=drip(LINE.replace("\n", f"\n{new}\n")))
    return world


def test_a_step_behind_somebody_is_not_sent(make_world: MakeWorld) -> None:
    """Unless it says so."""
    world = grown(make_world, NEW.replace(", backfill: true", ""))
    world.ticks("11-25 12:00", "12-02 10:00")
    assert [row[2] for row in world.sent] == ["one", "three"]


def test_a_step_that_says_backfill_is_sent_once_to_those_past_it(make_world: MakeWorld, store: Store) -> None:
    """At once, whatever is released afterwards, and the plan of what lies ahead stays."""
    world = grown(make_world, NEW, store)
    world.tick()
    world.apply("11-26 12:00", drip=world.campaigns["drip"] + "name: Another\n")
    world.ticks("11-26 12:00", "12-02 10:00")
    assert world.sent == [
        ("11-23 10:00", "maria", "one"), ("11-25 12:00", "maria", "two"), ("12-02 10:00", "maria", "three"),
    ]  # fmt: skip
    assert [row.state for row in world.enrollments()] == ["finished"]


def test_who_comes_by_it_gets_it_the_usual_way(make_world: MakeWorld) -> None:
    """Backfill is for those who are past it; everybody else gets it in turn, once."""
    world = grown(make_world, NEW)
    world.signs_up("ann", "11-25 12:00")
    world.ticks("11-25 12:00", "11-26 12:00", "12-04 12:00", "12-05 12:00")
    assert [row[2] for row in world.sent if row[1] == "ann"] == ["one", "two", "three"]


def test_a_renamed_step_is_no_new_step(make_world: MakeWorld) -> None:
    """Who had it under its old name does not get it again."""
    world = make_world({"drip": drip(LINE)})
    world.apply("11-23 10:00")
    world.signs_up("maria", "11-23 10:00")
    world.tick()
    world.apply("11-25 12:00", drip=drip("{key: uno, was: one, mail: a, backfill: true}\n" + LINE.split("\n")[1]))
    world.ticks("11-25 12:00", "12-02 10:00")
    assert [row[2] for row in world.sent] == ["one", "three"]


def test_a_condition_is_asked_of_those_past_it_too(make_world: MakeWorld) -> None:
    """And stays on record as asked."""
    world = grown(make_world, NEW.replace("mail: b", 'when: state == "TX", mail: b'))
    world.tick()
    sets(world, "state=TX")
    world.apply("11-26 12:00", drip=world.campaigns["drip"] + "name: Another\n")
    world.ticks("11-26 12:00", "12-02 10:00")
    assert [row[2] for row in world.sent] == ["one", "three"]
    assert ("two", "skipped", "when_false") in world.steps()


@pytest.mark.parametrize(("at_", "sent"), [("2026-11-24 @ 10:00", []), ("2026-11-25 @ 10:00", ["two"])])
def test_a_step_on_a_date_is_sent_where_it_is_not_too_late(make_world: MakeWorld, at_: str, sent: list[str]) -> None:
    """Two days are what a mail may be late, unless it says otherwise."""
    world = grown(make_world, NEW.replace("entry + 1h", at_).replace("backfill", "not_after: 2026-11-25, backfill")
                  if not sent else NEW.replace("entry + 1h", at_))  # fmt: skip
    world.tick()
    assert [row[2] for row in world.sent[1:]] == sent


def test_who_pins_keeps_the_version_entered(make_world: MakeWorld) -> None:
    """`on_edit: pin` outvotes `backfill`."""
    world = make_world({"drip": drip(LINE) + "on_edit: pin\n"})
    world.apply("11-23 10:00")
    world.signs_up("maria", "11-23 10:00")
    world.tick()
    world.apply("11-25 12:00", drip=drip(LINE.replace("\n", f"\n{NEW}\n")) + "on_edit: pin\n")
    world.ticks("11-25 12:00", "12-02 10:00")
    assert [row[2] for row in world.sent] == ["one", "three"]


# -- dates of the person -----------------------------------------------------------------------------------------------

HERS = "{key: two, at: custom.call_date - 1d @ 10:00, mail: b}"


@pytest.mark.parametrize(("day", "sent"), [("2026-12-04", "12-03 10:00"), ("2026-11-28", "11-27 10:00")])
def test_her_own_date_moves_what_hangs_on_it(make_world: MakeWorld, store: Store, day: str, sent: str) -> None:
    """Later or nearer: the plan follows at the next pass, and the step is taken once."""
    world = make_world({"drip": drip(f"{{key: one, mail: a}}\n{HERS}")}, store=store)
    world.apply("11-24 09:00")
    world.signs_up("maria", "11-24 09:00", custom={"call_date": "2026-12-01"})
    world.tick()
    sets(world, f"custom.call_date={day}")
    world.tick()
    assert local(world.enrollment().due_at) == sent
    world.ticks("11-27 10:00", "11-30 10:00", "12-03 10:00", "12-10 10:00")
    assert world.sent[1:] == [(sent, "maria", "two")]


def test_her_own_date_moves_mail_in_the_queue(make_world: MakeWorld) -> None:
    """What waits behind the cap waits for the new date."""
    world = queued_behind_the_cap(make_world, HERS)
    sets(world, "custom.call_date=2026-11-30")
    world.ticks("11-24 10:00", "11-25 10:00", "11-29 10:00")
    assert world.sent[1:] == [("11-29 10:00", "maria", "two")]


def test_a_date_that_is_taken_back_sends_nothing(make_world: MakeWorld) -> None:
    """No date never becomes "now": the step is passed by."""
    world = make_world({"drip": drip(f"{{key: one, mail: a}}\n{HERS}")})
    world.apply("11-24 09:00")
    world.signs_up("maria", "11-24 09:00", custom={"call_date": "2026-12-01"})
    world.tick()
    sets(world, "custom.call_date=")
    world.ticks("11-24 10:00", "11-30 10:00")
    assert world.steps()[1] == ("two", "skipped", "no_anchor")


def test_what_hangs_on_no_date_of_hers_keeps_its_time(make_world: MakeWorld) -> None:
    """Something else about her changed, and nothing is planned anew."""
    world = make_world({"drip": TWO})
    world.apply("11-24 09:00")
    world.signs_up("maria", "11-24 09:00")
    world.tick()
    before = world.enrollment()
    sets(world, "custom.call_date=2026-12-01", "state=WI")
    react(world.store, now=world.now)
    assert before == world.enrollment()


# -- the walk ----------------------------------------------------------------------------------------------------------


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
