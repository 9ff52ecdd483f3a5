"""People by condition or segment: who they are, how many, and what a segment says."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from rfs_mail.core.expression import Expression
from rfs_mail.engine import naming
from rfs_mail.engine.live import look
from rfs_mail.errors import NotFoundError, UsageError
from rfs_mail.store import roster
from rfs_mail.store.database import Store
from rfs_mail.store.types import AnyRow

CHUNK = 2_000
"""People a statement, where all are wanted."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A named condition, and how many people it holds for now (None: nobody counted)."""

    name: str
    where: str
    people: int | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """Some people, and whether there are more."""

    rows: tuple[AnyRow, ...]
    more: bool


def list_people(store: Store, *, where: str | None, segment: str | None, limit: int, now: datetime) -> Listed:
    """
    The first people by id, or the first for whom `where` or the segment holds.

    Raises UsageError for a condition that cannot be read, NotFoundError for no such segment.
    """
    wanted = _wanted(store, where, segment)
    with store.read() as connection:
        rows = roster.people(connection, wanted, now=now, limit=limit + 1)
    return Listed(tuple(rows[:limit]), more=len(rows) > limit)


def everybody(store: Store, *, where: str | None, segment: str | None, now: datetime) -> Iterator[AnyRow]:
    """All of them, while they come: a million take no more memory than a few. Raises as `list_people`."""
    wanted = _wanted(store, where, segment)
    after = 0
    while True:
        with store.read() as connection:
            rows = roster.people(connection, wanted, now=now, limit=CHUNK, after=after)
        yield from rows
        if len(rows) < CHUNK:
            return
        after = rows[-1].id


def count_people(store: Store, where: str, *, now: datetime) -> int:
    """How many people the condition holds for. Raises UsageError for one that cannot be read."""
    wanted = _wanted(store, where, None)
    with store.read() as connection:
        return roster.number(connection, wanted, now=now)


def list_segments(store: Store, *, now: datetime) -> list[Segment]:
    """Every segment of the live release, with how many people are in it."""
    with store.read() as connection:
        live = naming.need_live(connection)
        return [
            Segment(name, where, roster.number(connection, naming.condition(live, where), now=now))
            for name, where in sorted(live.content.segments.items())
        ]


def find_segment(store: Store, name: str, *, now: datetime) -> Segment:
    """One segment with its count. Raises NotFoundError."""
    with store.read() as connection:
        live = naming.need_live(connection)
        where = live.content.segments.get(name)
        if where is None:
            raise NotFoundError(f"There is no segment {name}.{naming.hint(name, live.content.segments)}")
        return Segment(name, where, roster.number(connection, naming.condition(live, where), now=now))


def _wanted(store: Store, where: str | None, segment: str | None) -> Expression | None:
    if where is not None and segment is not None:
        raise UsageError(f"--where and --segment exclude each other. Write: --where 'segment(\"{segment}\") and ...'")
    if where is None and segment is None:
        return None
    with store.read() as connection:
        live = naming.need_live(connection) if segment is not None else look(connection)
    if live is None:
        raise NotFoundError("Conditions need the names of a release, and none was applied yet. Run: rfs-mail apply")
    if segment is not None:
        where = live.content.segments.get(segment)
        if where is None:
            raise NotFoundError(f"There is no segment {segment}.{naming.hint(segment, live.content.segments)}")
    assert where is not None
    return naming.condition(live, where)
