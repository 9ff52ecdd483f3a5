"""
Somebody's facts changed: ask her goals, exits, waits and entries again.

Every write to a person, a consent or an event adds her to `touched` in its own transaction; the gate holds her mail
until she was asked. The cost is that of the people who changed, whatever the size of the list. Conditions that turn
with time alone are asked once a day, in chunks.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection

from rfs_mail.core.reasons import Reason
from rfs_mail.core.script import Script
from rfs_mail.engine import changes
from rfs_mail.engine.advance import move_queued
from rfs_mail.engine.enroll import enroll_touched
from rfs_mail.engine.live import Live, look
from rfs_mail.store import enrollments, outbox
from rfs_mail.store.database import Store

CHUNK = 500
"""People a transaction."""

DAILY_CHUNK = 5_000
"""Enrollments a transaction of the daily look."""


@dataclass(frozen=True, slots=True)
class Reacted:
    """What came of it."""

    people: int = 0
    ended: int = 0
    woken: int = 0
    entered: int = 0


def react(store: Store, *, now: datetime, pause: Callable[[], None] | None = None) -> Reacted:
    """Ask about everybody who was touched; then, once a day, about what time alone has turned."""
    total = Reacted()
    while True:
        with store.begin(patient=True) as connection:
            live = look(connection)
            people = enrollments.take_touched(connection, CHUNK)
            if not people:
                break
            if live is not None:
                total = _plus(total, ask_again(connection, live, people, now=now))
        if pause is not None:
            pause()
    if live is None:
        return total
    for name, script in live.running.items():
        if script.ending_moves_with_time:
            total = _plus(total, _daily(store, live, name, script, now, pause))
    return total


def ask_again(connection: Connection, live: Live, people: Sequence[int], *, now: datetime) -> Reacted:
    """
    Ask these people's goals, exits and `while`, then their waits, then who may enter, in the caller's transaction.

    What writes a few people's facts may call this at once, so that a goal ends the enrollment in the same transaction.
    """
    ended = woken = 0
    standing = enrollments.standing(connection, people)
    for name, script in live.scripts.items():
        if name not in standing:
            continue
        ended += _end_reached(connection, live, name, script, now, people=people)
        _plan_again(connection, live, name, script, people, standing[name], now)
        for key, condition in script.waits.items():
            if key in standing[name]:
                woken += enrollments.wake_waiting(connection, name, key, people, condition, now=now)
    entered = sum(enroll_touched(connection, live, list(people), now=now).values())
    return Reacted(len(people), ended, woken, entered)


def _plan_again(
    connection: Connection, live: Live, name: str, script: Script, people: Sequence[int], standing: set[str],
    now: datetime,
) -> None:  # fmt: skip
    """A date of hers may be another now: what hangs on it gets its time anew, in the queue too."""
    hanging = script.steps_on_her_dates
    if hanging & standing:
        enrollments.forget_plans_of(connection, name, people, hanging, now=now)
    if hanging:
        rows = outbox.waiting(connection, name, people=people)
        move_queued(connection, live, [row for row in rows if row.mail_step in hanging], now=now)


def _end_reached(
    connection: Connection,
    live: Live,
    name: str,
    script: Script,
    now: datetime,
    *,
    people: Sequence[int] | None = None,
    after: int = 0,
    up_to: int = 0,
) -> int:
    """End the enrollments whose goal or exit has come true, or whose `while` has turned false."""
    campaign = script.campaign
    ended = 0
    if script.goal is not None and campaign.goal is not None and campaign.goal.then == "end":
        reached = enrollments.active_of(
            connection, name, people=people, after=after, up_to=up_to, expression=script.goal, holds=True, now=now
        )
        if script.goal.uses_window and campaign.entry.kind == "filing_window":
            onward = hand_on(connection, live, name, reached, now=now)
            reached = [one for one in reached if one not in onward]
        detail = {"expression": campaign.goal.when}
        ended += enrollments.end(
            connection, reached, state="exited", reason=Reason.GOAL_REACHED, detail=detail, now=now
        )
    for ending, condition in zip(campaign.exit, script.exits, strict=True):
        out = enrollments.active_of(
            connection, name, people=people, after=after, up_to=up_to, expression=condition, holds=True, now=now
        )
        if not out:
            continue
        ended += enrollments.end(
            connection, out, state="exited", reason=Reason.EXITED, detail={"expression": ending.when}, now=now
        )
        if ending.task is not None:
            who = enrollments.of_people(connection, out)
            changes.make_tasks(
                connection, live, campaign, ending.task, {person: f"{one}:exit" for one, person in who.items()},
                enrollments_of={person: one for one, person in who.items()}, now=now,
            )  # fmt: skip
    if script.while_ is not None:
        no_longer = enrollments.active_of(
            connection, name, people=people, after=after, up_to=up_to, expression=script.while_, holds=False, now=now
        )
        ended += enrollments.end(
            connection, no_longer, state="exited", reason=Reason.WHILE_ENDED,
            detail={"expression": campaign.while_ or ""}, now=now,
        )  # fmt: skip
    return ended


def hand_on(connection: Connection, live: Live, name: str, ids: Sequence[int], *, now: datetime) -> set[int]:
    """
    Let countdowns of a campaign that are over for one window go on for another that closes with it.

    What hangs on other dates of it than the closing gets its time anew, in the queue too. News of a move goes on for
    none: the other one may never have moved. Returns those that go on.
    """
    script = live.scripts[name]
    if script.campaign.entry.on == "moved":
        return set()
    never = [one for one in (script.goal, *script.exits) if one is not None]
    must = [script.require] if script.require is not None else []
    onward = enrollments.hand_on(connection, ids, never=never, must=must, now=now)
    if onward:
        people = sorted(set(enrollments.of_people(connection, sorted(onward)).values()))
        rows = outbox.waiting(connection, name, people=people)
        move_queued(connection, live, [row for row in rows if row.id in onward], now=now)
    return onward


def _daily(
    store: Store, live: Live, name: str, script: Script, now: datetime, pause: Callable[[], None] | None
) -> Reacted:
    """Once a day, a walk over the active enrollments of a campaign whose goal, exit or `while` turns with time."""
    today = now.astimezone(UTC).date().isoformat()
    key = f"endings:{today}"
    ended = 0
    while True:
        with store.begin(patient=True) as connection:
            enrollments.begin_sweep(connection, name, key, now=now)
            walk = enrollments.get_sweep(connection, name, key)
            if walk is None or walk.done_at is not None:
                return Reacted(ended=ended)
            last = enrollments.last_enrollment_id(connection)
            up_to = min(walk.after_person_id + DAILY_CHUNK, last)
            ended += _end_reached(connection, live, name, script, now, after=walk.after_person_id, up_to=up_to)
            enrollments.go_on_sweep(
                connection, name, key, after=up_to, entered=0, day=today, entered_today=0,
                done_at=now if up_to >= last else None,
            )  # fmt: skip
        if pause is not None:
            pause()


def _plus(one: Reacted, other: Reacted) -> Reacted:
    return Reacted(
        one.people + other.people, one.ended + other.ended, one.woken + other.woken, one.entered + other.entered
    )
