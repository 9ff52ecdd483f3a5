"""
Enroll people in campaigns `per: filing_window`: once for windows that close together, by the first that they want.

The walk over all people begins when a door opens, and again when the window says something else; windows whose doors
opened together are walked for together. Beside it `touched` takes in whoever comes to want one meanwhile.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from math import inf

from sqlalchemy import Connection

from rfs_mail.core.reasons import Reason
from rfs_mail.core.script import Script
from rfs_mail.engine.doors import Door, doors, listing
from rfs_mail.engine.live import Live
from rfs_mail.store import enrollments
from rfs_mail.store.enrollments import Admission, Crowd, Opening
from rfs_mail.store.types import AnyRow
from rfs_mail.store.windows import Stored

WALK = "occasion:window:"

_ONE_CALL = 100
"""Windows that one statement asks about."""


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
    for group in _by_age([replace(door, entered_at=now) for door in opened]):
        if not group[0].old or script.campaign.entry.existing == "all":
            came += _take_in(connection, script, ask, group, Crowd(people), now)
            continue
        reached = min(_reached(connection, name, door) for door in group)
        walked, rest = [p for p in people if p <= reached], [p for p in people if p > reached]
        came += _take_in(connection, script, ask, group, Crowd(walked), now)
        came += _take_in(connection, script, ask, group, Crowd(rest, since=applied), now)
    return came


def walk_on(
    connection: Connection,
    live: Live,
    script: Script,
    ask: Admission,
    walks: Sequence[AnyRow],
    size: int,
    *,
    now: datetime,
) -> tuple[int, bool]:
    """
    One chunk for every window whose walk stands where another does: they began together and look once.

    A walk whose window says something else by now, or has closed, is over. Returns how many entered, and whether there
    is more to do now.
    """
    name = script.campaign.id
    named = sorted({_window_of(walk.key) for walk in walks})
    open_now = doors(connection, live, name, script, listing(connection, now=now, ids=named), now=now)
    by_walk = {WALK + door.walk: door for door in open_now}
    for walk in walks:
        if walk.key not in by_walk:
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
        if old and existing == "skip":
            crowd = Crowd(after=at, up_to=up_to, before=live.campaign(name).first_applied_at)
            for openings in _openings(group, of_moves=False):
                enrollments.pass_over_by_window(connection, ask, openings, crowd, now=now)
        else:
            came = _take_in(connection, script, ask, group, Crowd(after=at, up_to=up_to), now, limit)
        reached = at if limit is not None and came >= limit else up_to  # those who are left come another day
        for number, walk in enumerate(together):
            mine = came if not number else 0
            spent = walk.entered_today if walk.day == today else 0
            enrollments.go_on_sweep(
                connection, name, walk.key, after=reached, entered=mine, day=today,
                entered_today=spent + (mine if limit is not None else 0), done_at=now if reached >= last else None,
            )  # fmt: skip
        return came, True
    return 0, bool(len(walks) > len(left))


def _reached(connection: Connection, name: str, door: Door) -> float:
    """The person id up to which the walk of a door has looked."""
    walk = enrollments.get_sweep(connection, name, WALK + door.walk)
    if walk is None:
        return 0
    return inf if walk.done_at is not None else walk.after_person_id


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
    of_moves, came = script.campaign.entry.on == "moved", 0
    for openings in _openings(opened, of_moves=of_moves):
        if of_moves:
            _end_superseded(connection, script.campaign.id, openings, crowd, now)
        left = None if limit is None else limit - came
        came += enrollments.enroll_by_window(
            connection, ask, openings, crowd, now=now, of_moves=of_moves, limit=left
        )  # fmt: skip
        if limit is not None and came >= limit:
            break
    return came


def _openings(opened: list[Door], *, of_moves: bool) -> list[list[Opening]]:
    """What a statement is asked at a time: moves by the closing they share, anything else in pieces of one size."""
    groups: dict[object, list[Opening]] = {}
    for number, door in enumerate(sorted(opened, key=lambda one: (one.closing, one.window_id))):
        key: object = door.closing if of_moves else number // _ONE_CALL
        groups.setdefault(key, []).append(Opening(door.window_id, door.occasion, door.entered_at))
    return list(groups.values())


def _end_superseded(connection: Connection, name: str, openings: list[Opening], crowd: Crowd, now: datetime) -> None:
    """Whoever is on her way with the news of an older move hears the newer one alone."""
    old = enrollments.superseded(connection, name, openings, crowd)
    newest = ", ".join(sorted({one.occasion.rpartition(":v")[2] for one in openings}))
    enrollments.end(
        connection, old, state="exited", reason=Reason.WINDOW_MOVED, detail={"old": "before", "new": newest}, now=now
    )  # fmt: skip


def _window_of(walk: str) -> str:
    """The window that a walk is about: `occasion:window:ID:vN`, perhaps with a day."""
    return walk.removeprefix(WALK).rpartition(":v")[0]
