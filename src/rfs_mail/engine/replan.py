"""
A release changed, a filing window moved, or a campaign goes on after a pause: everybody in flight gets her next time
anew.

A step's time is a cache (`due_at`). What it was computed from may have changed: the step's `at`, the date of a calendar
name, the hours, the closing of a window. So each of these is followed by one walk over the active enrollments, a chunk
a transaction. Where a time hangs on the dates of a filing window alone, it is computed once for all who share it, and
written at once; `advance` is told to compute all others again, and to say what became of a step whose time is over now.
Mail that waits in the queue gets its new time at once, and a new step that says `backfill: true` goes to those who are
past its place. Nothing that was sent is repeated: the steps taken are on record.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection

from rfs_mail import clock
from rfs_mail.core.expression import Expression
from rfs_mail.core.reasons import Reason
from rfs_mail.core.script import Script
from rfs_mail.engine.advance import CHUNK as MAILS
from rfs_mail.engine.advance import Anchored, backfill, backfilled, move_queued, step_back
from rfs_mail.engine.live import Live, look
from rfs_mail.store import enrollments, outbox, ticks, windows
from rfs_mail.store.database import Store
from rfs_mail.store.types import AnyRow

CHUNK = 5_000
"""The most enrollments a transaction looks at."""

SMALLEST = 250
"""But not fewer than these: each transaction has a price of its own."""

HELD_SECONDS = 0.04
"""How long a transaction should hold the database, so that nobody waits long behind it; chunks are sized by it."""

KEY = "replan:"


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
    total, size = 0, min(4 * SMALLEST, CHUNK)  # until it is known how fast this machine is
    for name in live.running:
        while name in walking:
            with store.begin(patient=True) as connection:
                began = clock.monotonic()  # now that the database is ours
                looked = _chunk(connection, live, name, size, now)
            if looked is None:
                break
            total += looked
            fits = size * HELD_SECONDS / max(clock.monotonic() - began, 1e-6)
            size = max(min(SMALLEST, CHUNK), min(CHUNK, round((size + fits) / 2)))
            if pause is not None:
                pause()
    return Replanned(total)


def plan_anew(connection: Connection, campaign_id: str, *, why: str, now: datetime) -> None:
    """Have everybody in flight in a campaign get her next time anew; once for each `why`."""
    enrollments.begin_sweep(connection, campaign_id, KEY + why, now=now)


def window_walk(window_id: str, version: int) -> str:
    """Why everybody is planned anew, where a filing window moved: `window:ID:vN`, once for each version."""
    return f"window:{window_id}:v{version}"


def _chunk(connection: Connection, live: Live, name: str, size: int, now: datetime) -> int | None:
    """
    One chunk of the oldest open walk of a campaign; None where there is none.

    A walk gives everybody her time by all that holds now, so it stands for all others that have come just as far: a
    file in which a thousand windows move is one walk. They end before anything is read, so that it reads what they are
    about.
    """
    for walk in enrollments.open_sweeps(connection, name):
        if not walk.key.startswith(KEY):
            continue
        enrollments.close_sweeps_beside(connection, walk, prefix=KEY, now=now)
        last = enrollments.last_enrollment_id(connection)
        after = walk.after_person_id
        up_to = min(after + (min(size, MAILS) if backfilled(live.scripts[name]) else size), last)
        unknown = enrollments.passed_unknown(connection, name, after=after, up_to=up_to)
        step_back(connection, live, unknown, now=now)
        looked = _Chunk(connection, live, name, after, up_to, now).plan_anew()
        _join(connection, live.scripts[name], after=after, up_to=up_to, now=now)
        backfill(connection, live, name, after=after, up_to=up_to, now=now)
        enrollments.go_on_sweep(
            connection, name, walk.key, after=up_to, entered=0, day=now.astimezone(UTC).date().isoformat(),
            entered_today=0, done_at=now if up_to >= last else None,
        )  # fmt: skip
        return looked
    return None


def _join(connection: Connection, script: Script, *, after: int, up_to: int, now: datetime) -> None:
    """Countdowns of one person to windows that came to close together are one from now on: the oldest."""
    entry = script.campaign.entry
    if entry.kind != "filing_window" or entry.on is not None:
        return
    for row in enrollments.closing_together(connection, script.campaign.id, after=after, up_to=up_to):
        enrollments.end(
            connection, [row.id], state="exited", reason=Reason.CLOSES_TOGETHER, detail={"window": row.window_id},
            now=now,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Chunk:
    """The active enrollments of a campaign with ids in `(after, up_to]`, and their mail."""

    connection: Connection
    live: Live
    name: str
    after: int
    up_to: int
    now: datetime

    def plan_anew(self) -> int:
        """
        Give them and their queued mail the next time anew, here or by `advance`; returns how many enrollments.

        With it goes the version of the window that it is planned by; the gate holds mail of any other. So the window is
        read first and endings are asked after it: what it says later has a walk of its own.
        """
        anchored = Anchored(self.connection, self.live, now=self.now)
        standing = enrollments.standing_together(
            self.connection, self.name, after=self.after, up_to=self.up_to, now=self.now
        )
        anchored.read({them.window_id for them in standing})
        times, versions = self._plans(anchored, standing)
        queued = outbox.waiting_together(self.connection, self.name, after=self.after, up_to=self.up_to)
        mail_times, mail_versions, others = self._mails(anchored, queued)
        self._touch({them.window_id for them in standing if them.window_version != anchored.version(them.window_id)})
        enrollments.retime(self.connection, times)
        enrollments.take_versions(self.connection, versions)
        outbox.retime(self.connection, mail_times)
        outbox.take_versions(self.connection, mail_versions)
        if others:
            waiting = outbox.waiting(self.connection, self.name, after=self.after, up_to=self.up_to)
            move_queued(self.connection, self.live, [row for row in waiting if row.delivery_id in others], now=self.now)
        return sum(len(them.ids) for them in standing if them.timed)

    def _plans(
        self, anchored: Anchored, standing: Sequence[AnyRow]
    ) -> tuple[dict[tuple[datetime, bool, int | None], list[int]], dict[int | None, list[int]]]:
        """When the next step comes, of whom. And who keeps what she waits for: the version of her window alone."""
        times: dict[tuple[datetime, bool, int | None], list[int]] = {}
        versions: dict[int | None, list[int]] = {}
        for them in standing:
            version = anchored.version(them.window_id)
            if not them.timed and not anchored.ends_wait(self.name, them):
                versions.setdefault(version, []).extend(them.ids)
                continue
            # Who waits already is looked at once, as if a fact had woken her, and waits on to the end as it is now.
            plan = anchored.plan(self.name, them) if them.timed else None
            # What is over, and who comes after it, is for `advance`: it knows what `late` says, and has the reason.
            is_ahead = plan is not None and plan.due_at > self.now and not them.to_enter
            time = (plan.due_at, True, version) if plan is not None and is_ahead else (self.now, False, version)
            times.setdefault(time, []).extend(them.ids)
        return times, versions

    def _mails(
        self, anchored: Anchored, queued: Sequence[AnyRow]
    ) -> tuple[dict[tuple[datetime, datetime, int | None], list[int]], dict[int | None, list[int]], set[int]]:
        """When queued mails go, and until when. And those whose time is to be computed for each by itself."""
        times: dict[tuple[datetime, datetime, int | None], list[int]] = {}
        versions: dict[int | None, list[int]] = {}
        others: set[int] = set()
        for them in queued:
            version = anchored.version(them.about)
            plan = anchored.plan(self.name, them)
            if plan is None:
                versions.setdefault(version, []).extend(them.ids)
                others.update(them.ids)
            else:
                times.setdefault((plan.due_at, plan.not_after, version), []).extend(them.ids)
        return times, versions, others

    def _touch(self, changed: set[str]) -> None:
        """
        Have `react` ask those for whom something may have turned because one of these windows says something else.

        That is a fact about everybody on her way to it, but most conditions hang on none of its words: who would be
        asked for nothing is left alone.
        """
        if not changed:
            return
        script = self.live.scripts[self.name]
        others = {name: one for name, one in self.live.scripts.items() if name != self.name}
        enrollments.touch_turned(
            self.connection, self.name,
            endings=[(one, holds) for one, holds in _endings(script) if one.turns_with_window],
            waits=[key for key, one in script.waits.items() if one.turns_with_window],
            elsewhere=[name for name, one in others.items() if _goes_on_by_any_window(one)],
            left_behind=_left_behind(self.connection, changed),
            everybody=any(map(_takes_in_by_any_window, self.live.scripts.values())),
            after=self.after, up_to=self.up_to, now=self.now,
        )  # fmt: skip


def _endings(script: Script) -> list[tuple[Expression, bool]]:
    """What ends an enrollment, and whether it does so by holding or by holding no longer."""
    goal = script.goal if script.campaign.goal is not None and script.campaign.goal.then == "end" else None
    ends = [(one, True) for one in (goal, *script.exits) if one is not None]
    return ends if script.while_ is None else [*ends, (script.while_, False)]


def _goes_on_by_any_window(script: Script) -> bool:
    """May somebody's way through this campaign hang on a window that it is not about?"""
    asked = [*(one for one, _ in _endings(script)), *script.waits.values()]
    return any(one.asks_any_window for one in asked)


def _takes_in_by_any_window(script: Script) -> bool:
    """May somebody enter this campaign because of a window, where no walk of `enroll` would find her?"""
    asked = [*script.audience, *script.exclude, *(one for one, _ in _endings(script))]
    return script.campaign.entry.kind in ("event", "calendar") and any(one.asks_any_window for one in asked)


def _left_behind(connection: Connection, changed: set[str]) -> list[str]:
    """
    The windows with which one of these closed once and closes no longer.

    Who wants both was on her way to both at once, and now may be taken in for the other one too.
    """
    left: set[tuple[str, str, str, str]] = set()
    for versions in windows.histories(connection, sorted(changed)).values():
        left |= {one.window.closing for one in versions} - {versions[-1].window.closing}
    states = sorted({state for state, *_ in left})
    beside = (one.window for state in states for one in windows.listing(connection, state=state))
    return sorted(one.id for one in beside if one.closing in left)
