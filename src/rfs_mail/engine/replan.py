"""
A release changed, a filing window moved, or a campaign goes on after a pause: everybody in flight gets her next time
anew.

A step's time is a cache (`due_at`). What it was computed from may have changed: the step's `at`, the date of a calendar
name, the hours. So each release is followed by one walk over the active enrollments, a chunk a transaction, that tells
`advance` to compute the time again; mail that waits in the queue gets its new time at once, and a new step that says
`backfill: true` goes to those who are past its place. Nothing that was sent is repeated: the steps taken are on record.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection

from rfs_mail.engine.advance import CHUNK as MAILS
from rfs_mail.engine.advance import backfill, backfilled, move_queued, step_back
from rfs_mail.engine.live import Live, look
from rfs_mail.store import enrollments, outbox, ticks
from rfs_mail.store.database import Store

CHUNK = 5_000
"""Enrollments a transaction."""

KEY = "replan:"
WINDOW = "window:"


@dataclass(frozen=True, slots=True)
class Replanned:
    """How many enrollments get their next time anew."""

    enrollments: int = 0


def replan(store: Store, *, now: datetime, pause: Callable[[], None] | None = None) -> Replanned:
    """Walk on with whatever has to be planned anew, to its end."""
    with store.begin() as connection:
        live = look(connection)
        if live is None:
            return Replanned()
        if ticks.said(connection, "replan") != str(live.release.id):
            for name in live.scripts:
                plan_anew(connection, name, why=f"release-{live.release.id}", now=now)
            ticks.note(connection, "replan", civil=now, said=str(live.release.id))
        walking = enrollments.campaigns_swept(connection)
    total = 0
    for name in live.running:
        while name in walking:
            with store.begin(patient=True) as connection:
                looked = _chunk(connection, live, name, now)
            if looked is None:
                break
            total += looked
            if pause is not None:
                pause()
    return Replanned(total)


def plan_anew(connection: Connection, campaign_id: str, *, why: str, now: datetime) -> None:
    """Have everybody in flight in a campaign get her next time anew; once for each `why`."""
    enrollments.begin_sweep(connection, campaign_id, KEY + why, now=now)


def window_walk(window_id: str, version: int) -> str:
    """Why everybody is planned anew, where a filing window moved: `window:ID:vN`, once for each version."""
    return f"{WINDOW}{window_id}:v{version}"


def walked_window(key: str) -> str | None:
    """The window that a walk is about; None for a walk about something else."""
    if not key.startswith(KEY + WINDOW):
        return None
    return key.removeprefix(KEY + WINDOW).rpartition(":")[0]


def _chunk(connection: Connection, live: Live, name: str, now: datetime) -> int | None:
    """One chunk of the oldest open walk of a campaign; None where there is none."""
    for walk in enrollments.open_sweeps(connection, name):
        if not walk.key.startswith(KEY):
            continue
        last = enrollments.last_enrollment_id(connection)
        size = min(CHUNK, MAILS) if backfilled(live.scripts[name]) else CHUNK
        up_to = min(walk.after_person_id + size, last)
        if (window := walked_window(walk.key)) is not None:
            enrollments.take_window_versions(connection, name, after=walk.after_person_id, up_to=up_to)
            enrollments.touch_window(connection, name, window, after=walk.after_person_id, up_to=up_to)
        unknown = enrollments.passed_unknown(connection, name, after=walk.after_person_id, up_to=up_to)
        step_back(connection, live, unknown, now=now)
        looked = enrollments.forget_plans(connection, name, after=walk.after_person_id, up_to=up_to, now=now)
        backfill(connection, live, name, after=walk.after_person_id, up_to=up_to, now=now)
        queued = outbox.waiting(connection, name, after=walk.after_person_id, up_to=up_to)
        move_queued(connection, live, queued, now=now)
        enrollments.go_on_sweep(
            connection, name, walk.key, after=up_to, entered=0, day=now.astimezone(UTC).date().isoformat(),
            entered_today=0, done_at=now if up_to >= last else None,
        )  # fmt: skip
        return looked
    return None
