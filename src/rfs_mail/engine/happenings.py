"""
What happened outside the mail, told by staff, a form or another system: a call attended, a stage reached, an event.

Each is recorded once: the same news with the same key again changes nothing. The person's goals, exits and waits are
asked again by `react`, as after any other fact.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from rfs_mail.store import events, people
from rfs_mail.store.database import Store

CHUNK = 200
"""Pieces of news a transaction."""

STAGE = "stage"
"""The name of an event that moves a person to the stage in its `value`."""


@dataclass(frozen=True, slots=True)
class Happening:
    """
    One piece of news about a person.

    `name` is `registered`, `attended` or `missed` (`ref` names the calendar), `stage` (`value` is the new one), or any
    name that campaigns ask for. `at` is when it happened. `active`: she herself did it.
    """

    address: str
    name: str
    at: datetime
    ref: str = ""
    value: str = ""
    key: str | None = None
    active: bool = True
    window_id: str | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of the news."""

    new: int
    known: int
    """Recorded before, or nothing new: she was at that stage already."""
    strangers: tuple[str, ...]
    """Addresses that are nobody's."""


def record_happenings(store: Store, news: Sequence[Happening], *, source: str, now: datetime) -> Recorded:
    """Record the news; `source` says who told us. Raises UsageError for a stage that does not exist."""
    new = 0
    strangers: list[str] = []
    for start in range(0, len(news), CHUNK):
        with store.begin() as connection:
            for one in news[start : start + CHUNK]:
                person = people.find_person(connection, one.address)
                if person is None:
                    strangers.append(one.address)
                else:
                    new += _record(connection, person.id, one, source, now)
    return Recorded(new, len(news) - new - len(strangers), tuple(strangers))


def _record(connection: Connection, person_id: int, one: Happening, source: str, now: datetime) -> bool:
    if one.name == STAGE:
        moved = people.set_stage(
            connection, person_id, one.value, now=now, at=one.at, active=one.active, window_id=one.window_id,
            detail={"source": source},
        )  # fmt: skip
        return moved is not None
    recorded = events.add_event(
        connection, person_id, one.name, ref=one.ref, value=one.value, at=one.at, now=now, active=one.active,
        key=one.key, window_id=one.window_id, detail={"source": source},
    )  # fmt: skip
    return recorded is not None
