"""
What people want to run for.

An interest is a fact of its own, apart from where somebody lives: she may say several, and each is there once. Whoever
writes them has her goals, exits and entries asked again in the same transaction.
"""

from collections.abc import Container, Iterable, Sequence
from datetime import datetime
from operator import attrgetter

from sqlalchemy import Connection, bindparam, delete, exists, select

from rfs_mail.core.interest import WANTS, Interest
from rfs_mail.store.dialect import execute_ready, insert_many, instants
from rfs_mail.store.events import touch
from rfs_mail.store.people import date_field
from rfs_mail.store.tables import TABLES
from rfs_mail.store.types import BigId, Instant

interest = TABLES["interest"]

_SAID = ("office_level", "state", "division", "election_year", "party_path", "incumbent")
_values = attrgetter(*_SAID)


def interests_of(connection: Connection, person_ids: Sequence[int]) -> dict[int, tuple[Interest, ...]]:
    """Person id -> what she wants to run for, in the order in which she said it. Who said nothing is absent."""
    found: dict[int, list[Interest]] = {}
    rows = connection.execute(
        select(interest.c.person_id, *(interest.c[name] for name in _SAID))
        .where(interest.c.person_id.in_(person_ids))
        .order_by(interest.c.person_id, interest.c.id)
    )
    for person_id, *said in rows:
        found.setdefault(person_id, []).append(Interest(*said))
    return {person_id: tuple(mine) for person_id, mine in found.items()}


_same = [interest.c[name].is_not_distinct_from(bindparam(name, type_=interest.c[name].type)) for name in _SAID]
_ADD = interest.insert().from_select(
    ["person_id", *_SAID, "at"],
    select(
        bindparam("person", type_=BigId),
        *(bindparam(name, type_=interest.c[name].type) for name in _SAID),
        bindparam("now", type_=Instant()),
    ).where(~exists().where(interest.c.person_id == bindparam("person", type_=BigId), *_same)),
)  # fmt: skip


def add_interests(connection: Connection, said: Iterable[tuple[int, Interest]], *, now: datetime) -> set[int]:
    """
    Write what people (by id) say they want beside what they said before; returns those for whom it is news.

    What somebody has said already is not written again.
    """
    news: set[int] = set()
    for person_id, one in said:
        values = {name: getattr(one, name) for name in _SAID} | {"person": person_id, "now": now}
        if connection.execute(_ADD, values).rowcount:
            news.add(person_id)
    touch(connection, sorted(news))
    return news


def add_many(
    connection: Connection, said: Sequence[tuple[int, Interest, datetime]], *, newcomers: Container[int] = ()
) -> None:
    """
    Write what many people (by id) said, and when, beside what they said before, by a statement for all of them.

    What somebody has said already is not written again; of `newcomers` nothing is looked up, since they are as new as
    this transaction. Touching them is the caller's.
    """
    at = instants(connection)
    firsts: dict[tuple[int, Interest], datetime] = {}
    for person_id, one, when in said:
        if person_id in newcomers:
            firsts.setdefault((person_id, one), when)
    insert_many(
        connection,
        interest,
        ("person_id", *_SAID, "at"),
        [(person_id, *_values(one), at(when)) for (person_id, one), when in firsts.items()],
    )
    said = [row for row in said if row[0] not in newcomers] if firsts else said
    if said:
        execute_ready(
            connection,
            _ADD,
            [
                {"person": person_id, "now": at(when), **dict(zip(_SAID, _values(one), strict=True))}
                for person_id, one, when in said
            ],
        )


def set_interests(connection: Connection, person_id: int, wanted: Sequence[Interest], *, now: datetime) -> bool:
    """
    Have somebody want exactly this; False where she does already, and then no interest is written.

    Either way it is noted that she said it now: what an import brings from before that day adds nothing.
    """
    date_field(connection, person_id, WANTS, now=now)
    before = interests_of(connection, [person_id]).get(person_id, ())
    if set(before) == set(wanted):
        return False
    gone = [one for one in before if one not in wanted]
    for one in gone:
        same = [interest.c[name].is_not_distinct_from(getattr(one, name)) for name in _SAID]
        connection.execute(delete(interest).where(interest.c.person_id == person_id, *same))
    add_interests(connection, [(person_id, one) for one in dict.fromkeys(wanted)], now=now)
    if gone:
        touch(connection, [person_id])
    return True
