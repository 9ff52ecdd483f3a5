"""Entering campaigns: occasions, who may, who already qualifies, who comes again, who is kept out."""

from collections import Counter
from datetime import timedelta

import pytest

from rfs_mail.core.eligibility import Caps
from rfs_mail.engine import enroll as enrolling
from rfs_mail.engine.enroll import enroll
from rfs_mail.engine.explain import explain
from rfs_mail.engine.figures import list_campaigns
from rfs_mail.engine.gate import Rules
from rfs_mail.engine.react import react
from rfs_mail.store import people, suppressions
from rfs_mail.store.database import Store
from rfs_mail.store.tables import TABLES
from tests.engine.conftest import MakeWorld
from tests.engine.test_advance import DAY, OCCASION, drip
from tests.world import World, at, local

ONE = drip("{key: one, at: entry + 30d, mail: a}")
PERSON = 'entry: {per: person%s}\naudience:\n  - state == "WI"\nsteps:\n  - {key: one, at: entry + 30d, mail: a}\n'


def entered(world: World, campaign: str | None = None) -> list[tuple[int, str, str]]:
    """(person, occasion, when) of the enrollments, in order."""
    return [(row.person_id, row.occasion, local(row.entered_at)) for row in world.enrollments(campaign)]


def crowd(world: World, count: int, **fields: object) -> list[int]:
    """Several people to whom nothing happens."""
    return [world.person(f"p{number}", **fields) for number in range(count)]


# -- occasions ---------------------------------------------------------------------------------------------------------


def test_a_signup_is_the_occasion(make_world: MakeWorld, store: Store) -> None:
    """Once a person, however often she signs up; asking again enrolls nobody again."""
    world = make_world({"drip": ONE}, store=store)
    world.apply("11-23 10:00")
    who = world.signs_up("maria", "11-23 11:00")
    world.tick()
    world.signup(who, "11-24 12:00")
    world.ticks("11-24 12:00", "11-24 12:00")
    assert entered(world) == [(who, "event:signup-1", "11-23 11:00")]


def test_another_event_is_its_own_occasion(make_world: MakeWorld) -> None:
    """Any name a webhook sends may start a campaign, by its own time."""
    world = make_world({"drip": ONE.replace("event: signup", "event: recommitted")})
    world.apply("11-23 10:00")
    who = world.person("maria", "11-23 10:00")
    world.event(who, "recommitted", "11-24 08:00")
    world.tick("11-24 09:00")
    assert entered(world) == [(who, "event:1", "11-24 08:00")]


def test_a_stage_that_is_reached_is_an_event(make_world: MakeWorld) -> None:
    """`entry: {stage: filed}` counts the moment, not the state."""
    world = make_world({"drip": ONE.replace("event: signup", "stage: filed")})
    world.person("before", "11-23 09:00", stage="filed")
    world.apply("11-23 10:00")
    who = world.person("maria", "11-23 11:00")
    world.stage(who, "filed", "11-24 08:00")
    world.tick("11-24 09:00")
    assert [(row[0], row[2]) for row in entered(world)] == [(who, "11-24 08:00")]


def test_events_count_from_the_first_apply_on(make_world: MakeWorld) -> None:
    """A late import counts by the row's own date, so old sign-ups do not start a welcome."""
    world = make_world({"drip": ONE})
    early = world.signs_up("early", "11-22 10:00")
    world.apply("11-23 10:00")
    imported = world.person("imported", "11-24 10:00")
    world.signup(imported, "11-20 10:00")
    late = world.signs_up("late", "11-24 11:00")
    world.tick()
    assert [row[0] for row in entered(world)] == [late]
    assert early < imported < late


def test_existing_all_takes_in_those_who_signed_up_before(make_world: MakeWorld) -> None:
    """`existing: all` on an event looks back."""
    world = make_world({"drip": ONE.replace("event: signup", "event: signup, existing: all")})
    early = world.signs_up("early", "11-22 10:00")
    world.apply("11-23 10:00")
    world.tick()
    assert entered(world) == [(early, "event:signup-1", "11-22 10:00")]


def test_a_calendar_date_is_an_occasion_each(make_world: MakeWorld, store: Store) -> None:
    """Everybody who qualifies when it opens, once; next year is another occasion."""
    two = DAY + "    - {key: nrfod-2027, date: 2026-12-20}\n"
    world = make_world({"drip": OCCASION % ""}, store=store, calendar=two)
    world.apply("11-23 10:00")
    crowd(world, 3)
    world.ticks("11-30 23:00", "12-01 01:00", "12-13 01:00")
    assert Counter(row[1] for row in entered(world)) == {"calendar:nrfod-2026": 3, "calendar:nrfod-2027": 3}
    assert {row[2] for row in entered(world)} == {"12-01 00:00", "12-13 00:00"}


def test_who_qualifies_while_an_occasion_is_open_enters_then(make_world: MakeWorld) -> None:
    """By her own time, which `late` is measured by; after `to` nobody enters."""
    world = make_world({"drip": OCCASION % ""}, calendar=DAY)
    world.apply("11-23 10:00")
    world.tick("12-01 01:00")
    who = world.person("maria", "12-05 12:00")
    world.tick()
    world.person("late", "12-08 18:30")
    world.ticks("12-08 18:30", "12-09 10:00")
    assert entered(world) == [(who, "calendar:nrfod-2026", "12-05 12:00")]


def test_a_first_step_is_planned_on_each_clock_at_entry(make_world: MakeWorld) -> None:
    """So that a million enrollments are not looked at one by one on the day."""
    world = make_world({"drip": OCCASION % ""}, calendar=DAY)
    world.apply("11-23 10:00")
    world.person("ny", "11-24 10:00")
    world.person("la", "11-24 10:00", zone="America/Los_Angeles")
    enroll(world.store, now=at("12-01 03:30"))
    assert [(local(row.due_at), row.planned) for row in world.enrollments()] == [
        ("12-02 10:00", True), ("12-02 13:00", True),
    ]  # fmt: skip


# -- who may -----------------------------------------------------------------------------------------------------------


def test_audience_and_exclude_decide_at_entry(make_world: MakeWorld) -> None:
    """All of the one, none of the other; later changes of the audience change nothing."""
    body = ONE + 'audience:\n  - state == "WI"\n  - stage == "signed_up"\nexclude:\n  - tag("staff")\n'
    world = make_world({"drip": body})
    world.apply("11-23 10:00")
    good = world.signs_up("good", "11-23 11:00", state="WI")
    world.signs_up("far", "11-23 11:00", state="TX")
    world.signs_up("on", "11-23 11:00", state="WI", stage="committed")
    staff = world.signs_up("staff", "11-23 11:00", state="WI")
    with world.store.begin() as connection:
        people.add_tag(connection, staff, "staff", now=world.now)
    world.tick()
    world.stage(good, "committed", "11-24 10:00")
    world.tick()
    assert [(row.person_id, row.state) for row in world.enrollments()] == [(good, "active")]


def test_nobody_enters_who_already_meets_goal_or_exit(make_world: MakeWorld) -> None:
    """It would end at once."""
    body = ONE + 'goal: stage >= "exploring"\nexit:\n  - when: state == "TX"\n'
    world = make_world({"drip": body})
    world.apply("11-23 10:00")
    world.signs_up("there", "11-23 11:00", stage="committed")
    world.signs_up("out", "11-23 11:00", state="TX")
    who = world.signs_up("new", "11-23 11:00")
    world.tick()
    assert [row[0] for row in entered(world)] == [who]


def test_nobody_enters_who_cannot_be_mailed(make_world: MakeWorld) -> None:
    """No consent, suppressed, left the topic, stopped: not enrolled, and `explain` can say so."""
    world = make_world({"drip": ONE})
    world.apply("11-23 10:00")
    world.signs_up("never", "11-23 11:00", entities=())
    gone = world.signs_up("gone", "11-23 11:00")
    topic = world.signs_up("topic", "11-23 11:00")
    world.signs_up("stopped", "11-23 11:00", stopped_at=world.now, stopped_because="asked by phone")
    with world.store.begin() as connection:
        person = people.get_person(connection, gone)
        assert person is not None
        suppressions.suppress(
            connection, person.address_hash, scope="all", reason="hard_bounce", source="x", now=world.now
        )
        suppressions.leave_topic(connection, topic, "running", now=world.now)
    world.tick()
    assert entered(world) == []


def test_a_holdout_is_stable_logged_and_gets_nothing(make_world: MakeWorld) -> None:
    """A part of the people is kept out for comparison: the same ones whenever they are asked."""
    world = make_world({"drip": drip("{key: one, mail: a}", holdout="20%")})
    world.apply("11-23 10:00")
    for who in crowd(world, 60):
        world.signup(who, "11-23 11:00")
    world.tick("11-23 11:00")
    states = Counter(row.state for row in world.enrollments())
    assert states["holdout"] + states["finished"] == 60
    assert 3 <= states["holdout"] <= 24
    kept_out = {row.person_id for row in world.enrollments() if row.state == "holdout"}
    assert kept_out.isdisjoint(row.person_id for row in world.deliveries())
    assert {row.ended_because for row in world.enrollments() if row.state == "holdout"} == {"holdout"}
    world.tick("11-24 11:00")
    assert kept_out == {row.person_id for row in world.enrollments() if row.state == "holdout"}


# -- per person --------------------------------------------------------------------------------------------------------


def test_per_person_enters_as_soon_as_the_audience_holds(make_world: MakeWorld, store: Store) -> None:
    """`existing: all` is the default there is for dates; here it is said."""
    world = make_world({"drip": PERSON % ", existing: all"}, store=store)
    early = world.person("early", "11-22 10:00", state="WI")
    other = world.person("other", "11-22 10:00", state="TX")
    world.apply("11-23 10:00")
    world.tick("11-23 11:00")
    with store.begin() as connection:
        people.set_fields(connection, other, {"state": "WI"}, now=at("11-24 09:00"), source="staff")
    world.tick("11-24 10:00")
    assert entered(world) == [(early, "once:1", "11-23 11:00"), (other, "once:1", "11-24 10:00")]


def test_an_old_list_comes_in_at_its_daily_pace(make_world: MakeWorld, store: Store) -> None:
    """`existing: 3/d`: three a day, whoever is touched meanwhile; afterwards everybody at once."""
    world = make_world({"drip": PERSON % ", existing: 3/d"}, store=store)
    world.now = at("11-22 10:00")
    crowd(world, 8, state="WI")
    world.apply("11-23 10:00")
    counts = []
    for when in ("11-23 11:00", "11-23 15:00", "11-24 11:00", "11-25 11:00", "11-26 11:00"):
        world.event(8, "replied", when)
        world.tick()
        counts.append(len(entered(world)))
    assert counts == [3, 3, 6, 8, 8]
    assert sorted(row[0] for row in entered(world)) == list(range(1, 9))
    new = world.person("new", "11-27 10:00", state="WI")
    world.tick()
    assert entered(world)[-1][0] == new


def test_who_qualifies_while_an_old_list_comes_in_is_not_forgotten(make_world: MakeWorld) -> None:
    """The walk has passed her by; what changes about her afterwards counts."""
    world = make_world({"drip": PERSON % ", existing: 1/d"})
    world.now = at("11-22 10:00")
    first = world.person("first", state="TX")
    crowd(world, 5, state="WI")
    world.apply("11-23 10:00")
    world.tick("11-23 11:00")
    with world.store.begin() as connection:
        people.set_fields(connection, first, {"state": "WI"}, now=at("11-23 12:00"), source="staff")
    world.tick("11-23 12:00")
    assert [row[0] for row in entered(world)] == [2, first]


# -- existing: skip ----------------------------------------------------------------------------------------------------


def inside(world: World) -> list[int]:
    """Who is in the campaign, in the order of entering."""
    return [row.person_id for row in world.enrollments() if row.state == "active"]


def moves(world: World, who: int, state: str, when: str) -> None:
    """Somebody lives in another state now."""
    with world.store.begin() as connection:
        people.set_fields(connection, who, {"state": state}, now=at(when), source="staff")
    world.tick(when)


def test_existing_skip_leaves_out_who_qualified_before(make_world: MakeWorld, store: Store) -> None:
    """Whatever changes about her; until she has once stopped qualifying. Who qualifies later enters at once."""
    world = make_world({"drip": PERSON % ", existing: skip"}, store=store)
    early = world.person("early", "11-22 10:00", state="WI")
    other = world.person("other", "11-22 10:00", state="TX")
    world.apply("11-23 10:00")
    world.tick("11-23 11:00")
    world.event(early, "replied", "11-23 12:00")
    world.ticks("11-23 12:00", "11-24 10:00")
    assert inside(world) == []
    moves(world, other, "WI", "11-24 11:00")
    assert inside(world) == [other]
    moves(world, early, "TX", "11-24 12:00")
    moves(world, early, "WI", "11-24 13:00")
    assert inside(world) == [other, early]


def test_who_comes_between_apply_and_the_first_pass_enters(make_world: MakeWorld) -> None:
    """She was not known at the first apply."""
    world = make_world({"drip": PERSON % ", existing: skip"})
    world.person("early", "11-22 10:00", state="WI")
    world.apply("11-23 10:00")
    late = world.person("late", "11-23 10:30", state="WI")
    world.tick("11-23 11:00")
    assert inside(world) == [late]


def test_existing_skip_is_not_undone_by_the_daily_look(make_world: MakeWorld, store: Store) -> None:
    """Time alone takes in who comes to qualify, and nobody who did before."""
    world = make_world({"drip": AGED % "skip"}, store=store)
    world.person("early", "11-01 10:00")
    young = world.person("young", "11-22 10:00")
    world.apply("11-23 10:00")
    world.ticks("11-23 11:00", "11-24 11:00", "11-28 11:00")
    assert inside(world) == []
    world.tick("11-30 11:00")
    assert inside(world) == [young]


def test_who_was_passed_over_was_never_in_it(make_world: MakeWorld) -> None:
    """Neither in her timeline nor in the figures; and she is told why."""
    world = make_world({"drip": PERSON % ", existing: skip"})
    world.person("maria", "11-22 10:00", state="WI")
    world.apply("11-23 10:00")
    world.tick("11-23 11:00")
    with world.store.read() as connection:
        (line,) = list_campaigns(connection)
        told = explain(connection, "maria@example.org", campaign="drip", rules=Rules(Caps()), now=world.now)
    assert (0, 0, 0) == (line.active, line.ended, line.holdout)
    assert [] == list(told.campaigns[0].enrollments)
    assert "`existing: skip` leaves her out" in told.campaigns[0].obstacles[0].told.sentence


AGED = (
    "entry: {per: person, existing: %s}\naudience:\n  - age(signed_up_at) > 7d\n"
    "steps:\n  - {key: one, at: entry + 30d, mail: a}\n"
)


def test_time_alone_brings_people_in_by_the_daily_look(make_world: MakeWorld) -> None:
    """Nothing about her changed; a week has passed."""
    world = make_world({"drip": AGED % "all"})
    world.apply("11-23 10:00")
    who = world.person("maria", "11-23 11:00")
    world.ticks("11-23 11:00", "11-29 11:00")
    assert entered(world) == []
    world.tick("12-01 11:00")
    assert [row[0] for row in entered(world)] == [who]


def test_the_daily_look_keeps_to_the_pace_of_the_old_list(make_world: MakeWorld) -> None:
    """Two walks over the same people are not twice the pace."""
    world = make_world({"drip": AGED % "3/d"})
    world.now = at("11-01 10:00")
    crowd(world, 8)
    world.apply("11-23 10:00")
    counts = []
    for when in ("11-23 11:00", "11-23 15:00", "11-24 11:00", "11-25 11:00", "11-26 11:00"):
        world.tick(when)
        counts.append(len(entered(world)))
    assert counts == [3, 3, 6, 8, 8]


def test_a_walk_in_small_chunks_looks_at_everybody_once(make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """How far it came is written with each chunk, so that a crash goes on from there."""
    world = make_world({"drip": PERSON % ", existing: all"})
    for number in range(23):
        world.person(f"p{number}", "11-22 10:00", state="WI" if number % 2 else "TX")
    world.apply("11-23 10:00")
    with world.store.begin() as connection:
        connection.execute(TABLES["touched"].delete())
    pauses: list[int] = []
    monkeypatch.setattr(enrolling, "CHUNK", 5)
    done = enroll(world.store, now=at("11-23 11:00"), pause=lambda: pauses.append(1))
    assert done.entered == {"drip": 11}
    assert len(pauses) == 5
    assert enroll(world.store, now=at("11-23 12:00")).total == 0


def test_coming_again_takes_the_time_the_campaign_asks_for(make_world: MakeWorld) -> None:
    """`reentry: after 90d` from the end of the last one; the occasions are numbered."""
    world = make_world({"drip": drip("{key: one, mail: a}", reentry="after 90d")})
    world.apply("11-23 10:00")
    who = world.signs_up("maria", "11-23 11:00")
    world.tick()
    world.signup(who, at("11-23 11:00") + timedelta(days=89))
    world.tick(at("11-23 11:00") + timedelta(days=89))
    world.signup(who, at("11-23 11:00") + timedelta(days=91))
    world.tick(at("11-23 11:00") + timedelta(days=91))
    assert [row[1] for row in entered(world)] == ["event:signup-1", "event:signup-3"]


def test_coming_again_once_a_person_is_numbered(make_world: MakeWorld) -> None:
    """`once:2` is another enrollment of the same person."""
    world = make_world({"drip": PERSON.replace("at: entry + 30d, ", "") % ", existing: all" + "reentry: after 90d\n"})
    world.apply("11-23 10:00")
    who = world.person("maria", "11-23 11:00", state="WI")
    world.tick()
    world.event(who, "replied", at("11-23 11:00") + timedelta(days=100))
    world.tick()
    assert [row[1] for row in entered(world)] == ["once:1", "once:2"]


def test_without_reentry_once_is_once(make_world: MakeWorld) -> None:
    """However long ago."""
    world = make_world({"drip": PERSON.replace("at: entry + 30d, ", "") % ", existing: all"})
    world.apply("11-23 10:00")
    who = world.person("maria", "11-23 11:00", state="WI")
    world.tick()
    world.event(who, "replied", at("11-23 11:00") + timedelta(days=1000))
    world.tick()
    assert [row[1] for row in entered(world)] == ["once:1"]


# -- pauses, and twice -------------------------------------------------------------------------------------------------


def test_a_pause_stops_sending_and_not_time(make_world: MakeWorld) -> None:
    """Who signs up meanwhile is enrolled, and gets what is still worth sending when it goes on."""
    world = make_world({"drip": drip("{key: one, mail: a}\n{key: two, at: entry + 3d, mail: b}")})
    world.apply("11-23 10:00")
    world.pause("drip", "11-23 10:30")
    world.signs_up("maria", "11-23 11:00")
    world.ticks("11-23 11:00", "11-24 11:00")
    assert (world.log, len(entered(world))) == ([], 1)
    world.resume("drip", "11-26 12:00")
    world.tick()
    assert world.sent == [("11-26 12:00", "maria", "two")]
    assert ("one", "skipped", "too_late") in world.steps()


def test_an_occasion_that_passes_during_a_pause_has_its_people(make_world: MakeWorld) -> None:
    """They are enrolled all the same; what is too late by then says so."""
    world = make_world({"drip": OCCASION % ""}, calendar=DAY)
    world.apply("11-23 10:00")
    crowd(world, 2)
    world.pause("drip", "11-24 10:00")
    world.ticks("12-01 01:00", "12-02 10:00")
    world.resume("drip", "12-03 10:00")
    world.ticks("12-03 10:00", "12-04 10:00")
    assert len(entered(world)) == 2
    assert sorted(world.sent) == [
        ("12-03 10:00", "p0", "first"), ("12-03 10:00", "p1", "first"),
        ("12-04 10:00", "p0", "second"), ("12-04 10:00", "p1", "second"),
    ]  # fmt: skip


def test_enrolling_twice_changes_nothing(make_world: MakeWorld, store: Store) -> None:
    """The unique keys are the idempotence, for the walks as for who was touched."""
    world = make_world({"drip": PERSON % ", existing: all", "day": OCCASION % ""}, store=store, calendar=DAY)
    world.now = at("11-22 10:00")
    crowd(world, 4, state="WI")
    world.apply("11-23 10:00")
    now = at("12-01 10:00")
    enroll(store, now=now)
    react(store, now=now)
    before = world.enrollments()
    with store.begin() as connection:
        connection.execute(TABLES["sweep"].delete())
        connection.execute(TABLES["touched"].insert(), [{"person_id": who} for who in range(1, 5)])
    enroll(store, now=now)
    react(store, now=now)
    assert len(before) == 8
    assert world.enrollments() == before
