"""Enrollments by the many: how they are found without walking everybody, and what is written for each."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, event, insert, select

from rfs_mail.core.expression import parse
from rfs_mail.store import enrollments
from rfs_mail.store.database import Store
from rfs_mail.store.enrollments import Position
from rfs_mail.store.tables import TABLES
from tests.core.expression_samples import PLAIN

SIGNED_UP = parse('stage in ["signed_up", "onboarded"]', PLAIN)

Ask = Callable[[Connection, datetime], object]
ASKED: dict[str, Ask] = {
    "does it hold": lambda c, now: enrollments.holding(c, SIGNED_UP, list(range(200)), now=now),
    "goals of people": lambda c, now: enrollments.active_of(
        c, "welcome", people=list(range(200)), expression=SIGNED_UP, holds=True, now=now
    ),
    "goals of a range": lambda c, now: enrollments.active_of(
        c, "welcome", after=5_000, up_to=10_000, expression=SIGNED_UP, holds=False, now=now
    ),
    "waits of people": lambda c, now: enrollments.wake_waiting(
        c, "welcome", "heard", list(range(200)), SIGNED_UP, now=now
    ),
    "plans of a range": lambda c, now: enrollments.standing_together(c, "welcome", after=5_000, up_to=10_000, now=now),
    "plans of some": lambda c, now: enrollments.retime(c, {(now, True, 1): list(range(200))}),
    "versions of some": lambda c, now: enrollments.take_versions(c, {1: list(range(200))}),
    "what a window turned": lambda c, now: enrollments.touch_turned(
        c,
        "welcome",
        endings=[(SIGNED_UP, True)],
        waits=["heard"],
        elsewhere=["other"],
        left_behind=["w"],
        after=5_000,
        up_to=10_000,
        now=now,
    ),
}


@contextmanager
def _statements(store: Store) -> Iterator[list[tuple[str, Any]]]:
    """What is sent to the database, with its parameters."""
    sent: list[tuple[str, Any]] = []

    def note(_c: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        sent.append((statement, parameters))

    event.listen(store.engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(store.engine, "before_cursor_execute", note)


@pytest.mark.parametrize("question", ASKED)
def test_a_question_about_some_never_walks_a_whole_campaign_or_stage(
    sqlite_store: Store, now: datetime, question: str
) -> None:
    """SQLite begins with the ids it was given, so that the cost is theirs and not that of the list."""
    with sqlite_store.begin() as connection:
        with _statements(sqlite_store) as sent:
            ASKED[question](connection, now)
        steps = [
            row.detail
            for statement, parameters in sent
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        ]
    assert steps
    steps = [step for step in steps if "VIRTUAL TABLE" not in step]  # the ids that were given
    walks = [step for step in steps if "ix_enrollment_campaign_state" in step or "(stage=?)" in step or "SCAN" in step]
    assert walks == []


def _enrolled(connection: Connection, now: datetime, **values: Any) -> int:
    row = {
        "campaign_id": "welcome", "person_id": 7, "occasion": "once:1", "state": "active", "revision_id": 1,
        "entered_at": now, "anchors": {}, "step_key": "hello", "planned": False, "ended_detail": {}, **values,
    }  # fmt: skip
    made = insert(TABLES["enrollment"]).values(row).returning(TABLES["enrollment"].c.id)
    enrollment_id: int = connection.execute(made).scalar_one()
    return enrollment_id


def test_an_enrollment_stands_where_it_was_moved_to(store: Store, now: datetime) -> None:
    """Every part of a position comes back as it was given, on both databases; nothing given is nothing."""
    wanted = [
        Position(0, "offices", now + timedelta(days=2, microseconds=1), True, now, 41, now, {"intro_call": "señal-1"}),
        Position(0, "", None, False, None),
    ]
    with store.begin() as connection:
        ids = [_enrolled(connection, now, person_id=person) for person in (1, 2)]
        placed = [
            Position(one, *[getattr(p, name) for name in list(p.__slots__)[1:]])
            for one, p in zip(ids, wanted, strict=True)
        ]
        enrollments.move(connection, placed)
        found = connection.execute(select(TABLES["enrollment"]).order_by(TABLES["enrollment"].c.id)).all()
    columns = ("id", "step_key", "due_at", "planned", "previous_at", "waiting_on", "waiting_since", "anchors")
    assert [Position(*(getattr(row, name) for name in columns)) for row in found] == placed


def test_an_enrollment_that_has_ended_is_not_moved(store: Store, now: datetime) -> None:
    """Whoever ended it meanwhile has the last word."""
    with store.begin() as connection:
        ended = _enrolled(connection, now, state="exited")
        enrollments.move(connection, [Position(ended, "offices", now, True, now)])
        row = connection.execute(select(TABLES["enrollment"])).one()
    assert (row.step_key, row.due_at) == ("hello", None)


def test_a_step_is_recorded_once(store: Store, now: datetime) -> None:
    """The first record of a step stays, whatever comes after it."""
    step = {"enrollment_id": 1, "step_key": "hello", "at": now, "planned_at": None, "outcome": "skipped",
            "reason": "too_late", "detail": {"not_after": "gestern, 10 Uhr"}}  # fmt: skip
    with store.begin() as connection:
        enrollments.record_steps(connection, [step])
        later = {**step, "at": now + timedelta(days=1), "planned_at": now, "outcome": "queued", "reason": None}
        enrollments.record_steps(connection, [later, {**later, "step_key": "offices", "detail": {}}])
        found = [dict(row._mapping) for row in connection.execute(select(TABLES["step_done"]).order_by("step_key"))]
    assert found == [step, {**later, "step_key": "offices", "detail": {}}]


def test_only_the_zones_of_the_people_asked_about_are_given(store: Store, now: datetime) -> None:
    """A walk asks for the zones of its chunk; nobody else's count."""
    person = {"address_hash": b"", "custom": {}, "provenance": {}, "created_at": now, "updated_at": now}
    zones = ["America/Chicago", "America/Denver", "America/Denver", "America/Phoenix"]
    with store.begin() as connection:
        rows = [{**person, "id": n, "address": f"{n}@example.org", "zone": zone} for n, zone in enumerate(zones, 1)]
        connection.execute(insert(TABLES["person"]), rows)
        assert enrollments.zones(connection, after=1, up_to=3) == ["America/Denver"]
        assert enrollments.zones(connection, after=4, up_to=9) == []
