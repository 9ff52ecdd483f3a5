"""
Enroll people in campaigns `per: filing_window`: once for windows that close together, by the first that they want.

The walk over all people begins when a door opens, and again when the window says something else; windows whose doors
opened together are walked for together. Beside it `touched` takes in whoever comes to want one meanwhile.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from sqlalchemy import Connection

from rfs_mail.core.reasons import Reason
from rfs_mail.core.script import Script
from rfs_mail.engine.doors import Door, Doorkeeper, doors
from rfs_mail.engine.live import Live
from rfs_mail.store import enrollments
from rfs_mail.store.enrollments import Admission, Crowd, Openings
from rfs_mail.store.types import AnyRow
from rfs_mail.store.windows import Stored

WALK = "occasion:window:"


def walks(opened: Iterable[Door]) -> set[str]:
    """The keys of the walks that look for the people of these doors."""
    return {WALK + door.walk for door in opened}


def touched(
    connection: Connection,
    live: Live,
    script: Script,
    ask: Admission,
    known: Sequence[Stored],
    people: list[int],
    *,
    now: datetime,
) -> int:
    """
    Enroll those of a few people who want one of the `known` windows, where its door is open; returns how many.

    A move is news to those alone who were there, so the walk after it takes all of them in. Who may have qualified
    before the first apply is left to the walk, as `existing` has it.
    """
    if script.campaign.entry.on == "moved":
        return 0
    name, came = script.campaign.id, 0
    applied = live.campaign(name).first_applied_at
    opened = doors(connection, live, name, script, known, now=now)
    came += _take_up(connection, script, ask, opened, Crowd(people), now)
    for group in _by_age([replace(door, entered_at=now) for door in opened]):
        if not group[0].old or script.campaign.entry.existing == "all":
            came += _take_in(connection, script, ask, group, Crowd(people), now)
            continue
        so_far = enrollments.walked_up_to(connection, name)
        reached = min(so_far.get(WALK + door.walk, 0) for door in group)
        walked, rest = [p for p in people if p <= reached], [p for p in people if p > reached]
        came += _take_in(connection, script, ask, group, Crowd(walked), now)
        came += _take_in(connection, script, ask, group, Crowd(rest, since=applied), now)
    return came


def walk_on(
    connection: Connection,
    live: Live,
    script: Script,
    ask: Admission,
    keeper: Doorkeeper,
    walks: Sequence[AnyRow],
    size: int,
    *,
    now: datetime,
) -> tuple[int, bool]:
    """
    One chunk for every window whose walk stands where another does: they began together and look once.

    A walk whose window says something else by now, or has closed, is over; one whose window changed a moment ago waits
    to see which. Returns how many entered, and whether there is more to do now.
    """
    name = script.campaign.id
    by_walk = {WALK + door.walk: door for door in keeper.doors(connection, name, script)}
    over = [walk for walk in walks if walk.key not in by_walk and _window_of(walk.key) not in keeper.settling]
    for walk in over:
        enrollments.close_sweep(connection, walk, now=now)
    left = [walk for walk in walks if walk.key in by_walk]
    existing, today = script.campaign.entry.existing, now.astimezone(UTC).date().isoformat()
    for first in left:
        old = by_walk[first.key].old
        limit: int | None = None
        if old and isinstance(existing, int):
            limit = existing - enrollments.entered_on(connection, name, today)
            if limit <= 0:
                continue
        at = first.after_person_id
        together = [walk for walk in left if walk.after_person_id == at and by_walk[walk.key].old == old]
        group = [by_walk[walk.key] for walk in together]
        last = enrollments.last_person_id(connection)
        up_to, came = min(at + size, last), 0
        again = _take_up(connection, script, ask, group, Crowd(after=at, up_to=up_to), now)
        if old and existing == "skip":
            crowd = Crowd(after=at, up_to=up_to, before=live.campaign(name).first_applied_at)
            for openings in _openings(group):
                enrollments.pass_over_by_window(connection, ask, openings, crowd, now=now)
        else:
            came = _take_in(connection, script, ask, group, Crowd(after=at, up_to=up_to), now, limit)
        reached = at if limit is not None and came >= limit else up_to  # those who are left come another day
        done_at = now if reached >= last else None
        spent = first.entered_today if first.day == today else 0
        enrollments.go_on_together(connection, name, [walk.key for walk in together], after=reached, done_at=done_at)
        enrollments.go_on_sweep(
            connection, name, first.key, after=reached, entered=came, day=today,
            entered_today=spent + (came if limit is not None else 0), done_at=done_at,
        )  # fmt: skip
        return came + again, True
    return 0, bool(over)


def _by_age(opened: list[Door]) -> list[list[Door]]:
    """Doors that were open before the first apply, and the others."""
    groups = ([one for one in opened if one.old], [one for one in opened if not one.old])
    return [group for group in groups if group]


def _take_in(
    connection: Connection,
    script: Script,
    ask: Admission,
    opened: list[Door],
    crowd: Crowd,
    now: datetime,
    limit: int | None = None,
) -> int:
    """Enroll those of a crowd who want one of these windows, at most `limit`; returns how many entered."""
    if crowd.ids is not None and not crowd.ids:
        return 0
    came = 0
    for openings in _openings(opened):
        if openings.moves:
            _end_superseded(connection, script.campaign.id, openings, crowd, now)
        left = None if limit is None else limit - came
        came += enrollments.enroll_by_window(connection, ask, openings, crowd, now=now, limit=left)
        if limit is not None and came >= limit:
            break
    return came


def _take_up(
    connection: Connection, script: Script, ask: Admission, opened: list[Door], crowd: Crowd, now: datetime
) -> int:
    """
    Let those go on whom one of these windows had put out of the campaign by words that it has taken back, and those who
    want it again.
    """
    campaign = script.campaign
    if campaign.entry.on == "moved":
        return 0
    exits = zip(campaign.exit, script.exits, strict=True)
    ended_by = [ending.when for ending, asked in exits if asked.turns_with_window]
    if script.while_ is not None and script.while_.turns_with_window:
        ended_by.append(campaign.while_ or "")
    return sum(
        enrollments.take_up_by_window(connection, ask, openings, crowd, ended_by=ended_by, now=now)
        for openings in _openings(opened)
    )


def _openings(opened: list[Door]) -> list[Openings]:
    """What a statement is asked at a time: everything, but moves by the closing they share."""
    groups: dict[object, list[Door]] = {}
    for door in opened:
        groups.setdefault(door.closing if door.moved is not None else None, []).append(door)
    return [
        Openings(
            {door.window_id: door.entered_at for door in group},
            {door.window_id: door.moved for door in group if door.moved is not None},
        )
        for group in groups.values()
    ]


def _end_superseded(connection: Connection, name: str, openings: Openings, crowd: Crowd, now: datetime) -> None:
    """Whoever is on her way with the news of an older move hears the newer one alone."""
    old = enrollments.superseded(connection, name, openings, crowd)
    newest = ", ".join(str(number) for number in sorted(set(openings.moves.values())))
    enrollments.end(
        connection, old, state="exited", reason=Reason.WINDOW_MOVED, detail={"old": "before", "new": newest}, now=now
    )  # fmt: skip


def _window_of(walk: str) -> str:
    """The window that a walk is about: `occasion:window:ID:vN`, perhaps with a day."""
    return walk.removeprefix(WALK).rpartition(":v")[0]
