"""Enrollments by themselves: entering once, moving, ending, walks that remember how far they came."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection

from rfs_mail.core.expression import parse
from rfs_mail.core.reasons import Reason
from rfs_mail.store import enrollments
from rfs_mail.store.database import Store
from rfs_mail.store.enrollments import Admission, Position, Start
from rfs_mail.store.tables import TABLES
from rfs_mail.store.types import AnyRow
from tests.core.expression_samples import PLAIN
from tests.recipients import add_campaign, add_delivery, add_person, state_of

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ENROLLMENT = TABLES["enrollment"]


def door(**changes: Any) -> Admission:
    """Who may enter: whoever the entity may mail."""
    values = {"campaign_id": "drip", "revision_id": 3, "entity_id": "rfs", "topic": "running", "first_step": "one"}
    return Admission(**{**values, **changes})


def crowd(connection: Connection, count: int, now: datetime, **fields: Any) -> list[int]:
    """People who may be mailed."""
    return [add_person(connection, f"p{number}@example.org", now=now, **fields) for number in range(count)]


def everybody(connection: Connection) -> list[AnyRow]:
    """All enrollments, in the order of people and occasions."""
    return list(connection.execute(ENROLLMENT.select().order_by(ENROLLMENT.c.person_id, ENROLLMENT.c.id)))


def test_an_enrollment_begins_at_the_first_step(store: Store, now: datetime) -> None:
    """By the revision of the day, due at once, under its occasion."""
    with store.begin() as connection:
        found = crowd(connection, 2, now)
        assert enrollments.enroll_people(connection, door(), Start(now), now=now, ids=found[:1]) == (1, 0)
        assert enrollments.enroll_people(
            connection, door(), Start(now - DAY, "calendar:nrfod-2026", "nrfod-2026"), now=now, after=0, up_to=found[1]
        ) == (2, found[1])
        first, second, third = everybody(connection)
        assert (first.occasion, first.step_key, first.state, first.revision_id) == ("once:1", "one", "active", 3)
        assert (first.entered_at, first.due_at, first.planned, first.occurrence_key) == (now, now, False, None)
        assert (second.occasion, second.entered_at, second.due_at) == ("calendar:nrfod-2026", now - DAY, now)
        assert third.person_id == found[1]
        assert enrollments.of_people(connection, [first.id, third.id]) == {first.id: found[0], third.id: found[1]}


def test_a_start_may_know_the_first_step_by_zone(store: Store, now: datetime) -> None:
    """Zones that it does not know are left to `advance`."""
    with store.begin() as connection:
        crowd(connection, 1, now)
        add_person(connection, "la@example.org", now=now, zone="America/Los_Angeles")
        start = Start(now, due_by_zone={"America/New_York": now + DAY})
        enrollments.enroll_people(connection, door(), start, now=now, up_to=99)
        assert [(row.due_at, row.planned) for row in everybody(connection)] == [(now + DAY, True), (now, False)]
        assert sorted(enrollments.zones(connection, after=0, up_to=99)) == ["America/Los_Angeles", "America/New_York"]


def test_the_audience_decides(store: Store, now: datetime) -> None:
    """All of `must`, none of `must_not`."""
    with store.begin() as connection:
        good, *_ = [
            add_person(connection, f"{state}{stage}@example.org", now=now, state=state, stage=stage)
            for state, stage in (("WI", "onboarded"), ("TX", "onboarded"), ("WI", "filed"))
        ]
        ask = door(must=(parse('state == "WI"', PLAIN),), must_not=(parse('stage == "filed"', PLAIN),))
        assert enrollments.enroll_people(connection, ask, Start(now), now=now, up_to=99)[0] == 1
        assert [row.person_id for row in everybody(connection)] == [good]


def test_a_limit_says_where_to_go_on(store: Store, now: datetime) -> None:
    """By the last one taken in, whoever else is in the campaign already."""
    with store.begin() as connection:
        found = crowd(connection, 6, now)
        enrollments.enroll_people(connection, door(), Start(now), now=now, ids=found[5:])
        entered, looked = enrollments.enroll_people(connection, door(), Start(now), now=now, up_to=found[5], limit=2)
        assert (entered, looked) == (2, found[1])
        entered, looked = enrollments.enroll_people(
            connection, door(), Start(now), now=now, after=looked, up_to=found[5], limit=9
        )
        assert (entered, looked) == (3, found[5])
        assert len(everybody(connection)) == 6


def test_entering_at_once_from_two_sides_is_entering_once(store: Store, now: datetime) -> None:
    """The unique key decides."""
    with store.begin() as connection:
        found = crowd(connection, 20, now)

    def enter(_number: int) -> int:
        with store.begin() as connection:
            return enrollments.enroll_people(connection, door(), Start(now), now=now, ids=found)[0]

    with ThreadPoolExecutor(3) as threads:
        entered = list(threads.map(enter, range(3)))
    with store.read() as connection:
        assert (sum(entered), len(everybody(connection))) == (20, 20)


def test_coming_again_needs_an_end_long_enough_ago(store: Store, now: datetime) -> None:
    """Active, held out and lately ended ones block; without `reentry` any does."""
    with store.begin() as connection:
        found = crowd(connection, 4, now)
        enrollments.enroll_people(connection, door(), Start(now - 90 * DAY), now=now, ids=found)
        for who, (state, ended) in zip(
            found, [("active", None), ("holdout", now - 90 * DAY), ("finished", now - DAY), ("exited", now - 80 * DAY)],
            strict=True,
        ):  # fmt: skip
            connection.execute(
                ENROLLMENT.update().where(ENROLLMENT.c.person_id == who).values(state=state, ended_at=ended)
            )
        assert enrollments.enroll_people(connection, door(), Start(now), now=now, ids=found)[0] == 0
        again = door(reentry_cut=now - 30 * DAY)
        assert enrollments.enroll_people(connection, again, Start(now), now=now, ids=found)[0] == 1
        assert [(row.person_id, row.occasion) for row in everybody(connection)][-1] == (found[3], "once:2")


def test_only_what_is_due_is_taken_and_by_one_at_a_time(postgres_store: Store, now: datetime) -> None:
    """While one transaction moves an enrollment, another does not see it; afterwards it sees the new time."""
    store = postgres_store
    with store.begin() as connection:
        found = crowd(connection, 3, now)
        enrollments.enroll_people(connection, door(), Start(now), now=now, ids=found[:2])
        enrollments.enroll_people(connection, door(), Start(now + DAY), now=now, ids=found[2:])
    with store.begin() as first, store.begin() as second:
        mine = enrollments.due(first, now=now, limit=1)
        others = enrollments.due(second, now=now, limit=9)
        assert ({row.person_id for row in mine} | {row.person_id for row in others}) == set(found[:2])
        assert {row.id for row in mine}.isdisjoint(row.id for row in others)


def test_a_move_writes_where_somebody_stands(store: Store, now: datetime) -> None:
    """And leaves alone who has been ended meanwhile."""
    with store.begin() as connection:
        found = crowd(connection, 2, now)
        enrollments.enroll_people(connection, door(), Start(now), now=now, ids=found)
        one, two = everybody(connection)
        enrollments.end(connection, [two.id], state="exited", reason=Reason.EXITED, detail={"expression": "x"}, now=now)
        place = {"step_key": "two", "due_at": now + DAY, "planned": True, "previous_at": now, "waiting_on": 7,
                 "waiting_since": now, "anchors": {"nrfod": "nrfod-2026"}}  # fmt: skip
        enrollments.move(connection, [Position(each.id, **place) for each in (one, two)])
        moved, ended = everybody(connection)
        assert {name: getattr(moved, name) for name in place} == place
        assert (ended.step_key, ended.state, ended.due_at, ended.ended_because, ended.ended_detail) == (
            "one", "exited", None, "exited", {"expression": "x"},
        )  # fmt: skip
        assert enrollments.next_due(connection) == now + DAY


def test_an_end_skips_what_waits_in_the_same_breath(store: Store, now: datetime) -> None:
    """Finishing skips nothing: there is nothing left. Ending twice is ending once."""
    with store.begin() as connection:
        add_campaign(connection, now=now)
        (who,) = crowd(connection, 1, now)
        waiting = add_delivery(connection, who, now=now)
        (row,) = everybody(connection)
        how: dict[str, Any] = {
            "state": "exited",
            "reason": Reason.GOAL_REACHED,
            "detail": {"expression": "x"},
            "now": now,
        }
        assert [enrollments.end(connection, [row.id], **how) for _ in range(2)] == [1, 0]
        assert state_of(connection, waiting) == ("skipped", "goal_reached")
        assert enrollments.end(connection, [], **how) == 0


def test_a_step_is_recorded_once(store: Store, now: datetime) -> None:
    """The first record stays."""
    step = {"enrollment_id": 1, "step_key": "one", "planned_at": None, "reason": None, "detail": {}}
    with store.begin() as connection:
        enrollments.record_steps(connection, [{**step, "at": now, "outcome": "queued"}])
        enrollments.record_steps(connection, [{**step, "at": now + DAY, "outcome": "skipped"}])
        assert [(row.at, row.outcome) for row in connection.execute(TABLES["step_done"].select())] == [(now, "queued")]
        assert enrollments.steps_done(connection, [1, 2], "one") == {1}
        assert enrollments.steps_done(connection, [1, 2], "two") == set()


def test_touched_people_are_taken_once(store: Store, now: datetime) -> None:
    """Each once, in order, so many rows at a time; who is touched again comes again."""
    touched = TABLES["touched"]
    with store.begin() as connection:
        connection.execute(touched.delete())
        connection.execute(touched.insert(), [{"person_id": who} for who in (3, 1, 3, 2)])
        assert enrollments.take_touched(connection, 3) == [3, 1]
        connection.execute(touched.insert().values(person_id=3))
        assert enrollments.take_touched(connection, 9) == [2, 3]
        assert enrollments.take_touched(connection, 9) == []


def test_a_walk_remembers_how_far_it_came(store: Store, now: datetime) -> None:
    """Beginning it again changes nothing; a done one is not open."""
    with store.begin() as connection:
        for _ in range(2):
            enrollments.begin_sweep(connection, "drip", "existing", now=now)
        enrollments.begin_sweep(connection, "drip", "daily:2026-11-24", now=now + DAY)
        for entered, done in ((3, None), (4, now)):
            enrollments.go_on_sweep(
                connection, "drip", "existing", after=50, entered=entered, day="2026-11-23", entered_today=entered,
                done_at=done,
            )  # fmt: skip
            if done is None:
                assert [row.key for row in enrollments.open_sweeps(connection, "drip")] == [
                    "existing", "daily:2026-11-24",
                ]  # fmt: skip
        assert [row.key for row in enrollments.open_sweeps(connection, "drip")] == ["daily:2026-11-24"]
        walk = enrollments.get_sweep(connection, "drip", "existing")
        assert walk is not None
        assert (walk.after_person_id, walk.entered, walk.entered_today, walk.done_at) == (50, 7, 4, now)
        assert enrollments.get_sweep(connection, "drip", "nothing") is None


@pytest.mark.parametrize("share", [0.0, 0.05, 0.5])
def test_a_holdout_is_near_its_share(sqlite_store: Store, now: datetime, share: float) -> None:
    """Another campaign keeps others out, so that it is not always the same people who get nothing."""
    with sqlite_store.begin() as connection:
        found = crowd(connection, 400, now)
        kept = []
        for salt in (1, 500_000):
            ask = door(campaign_id=f"drip{salt}", holdout=share, holdout_salt=salt)
            enrollments.enroll_people(connection, ask, Start(now), now=now, ids=found)
            kept.append({
                row.person_id for row in everybody(connection)
                if row.campaign_id == ask.campaign_id and row.state == "holdout"
            })  # fmt: skip
        assert all(abs(len(out) / 400 - share) < 0.06 for out in kept)
        assert share == 0 or kept[0] != kept[1]
