"""What people want: there once each, replaced as a whole where she says so herself, and their people asked again."""

from datetime import datetime, timedelta

import pytest

from rfs_mail.core.interest import WANTS, Interest
from rfs_mail.errors import NotFoundError
from rfs_mail.store.database import Store
from rfs_mail.store.interests import add_interests, add_many, interests_of, set_interests
from rfs_mail.store.people import get_person
from rfs_mail.store.tables import TABLES
from tests.recipients import add_person, touched

BOARD = Interest("school_board", "WI", election_year=2027)
COUNCIL = Interest("municipal", party_path="unaffiliated", incumbent=True)


def test_what_was_said_twice_is_there_once(store: Store, now: datetime) -> None:
    """An import that runs again writes nothing and asks nobody again."""
    with store.begin() as connection:
        who, other = (add_person(connection, f"{name}@example.org", now=now) for name in ("maya", "ben"))
        said = [(who, BOARD), (who, COUNCIL), (other, BOARD), (who, BOARD)]
        assert {who, other} == add_interests(connection, said, now=now)
        before = touched(connection)
        assert set() == add_interests(connection, said, now=now)
        assert before == touched(connection)
        assert {who: (BOARD, COUNCIL), other: (BOARD,)} == interests_of(connection, [who, other, other + 1])


def test_who_says_it_herself_replaces_what_we_knew(store: Store, now: datetime) -> None:
    """What stays is not written again, and the same answer changes nothing."""
    with store.begin() as connection:
        who = add_person(connection, "maya@example.org", now=now)
        add_interests(connection, [(who, BOARD), (who, COUNCIL)], now=now)
        assert set_interests(connection, who, [COUNCIL, BOARD], now=now) is False
        assert set_interests(connection, who, [COUNCIL], now=now) is True
        assert {who: (COUNCIL,)} == interests_of(connection, [who])
        assert set_interests(connection, who, [], now=now) is True
        assert {} == interests_of(connection, [who])


def test_many_at_once_are_there_once(store: Store, now: datetime) -> None:
    """With the date each was said; what is there already, and what comes twice in one go, is not written again."""
    with store.begin() as connection:
        who, other = (add_person(connection, f"{name}@example.org", now=now) for name in ("maya", "ben"))
        add_interests(connection, [(who, BOARD)], now=now)
        before, later = touched(connection), now + timedelta(days=1)
        add_many(connection, [(who, BOARD, later), (who, COUNCIL, later), (other, BOARD, later), (other, BOARD, now)])
        add_many(connection, [])
        assert {who: (BOARD, COUNCIL), other: (BOARD,)} == interests_of(connection, [who, other])
        dates = connection.execute(TABLES["interest"].select().order_by(TABLES["interest"].c.id))
        assert [now, later, later] == [row.at for row in dates]
        assert before == touched(connection)


def test_newcomers_are_written_as_what_they_said(store: Store, now: datetime) -> None:
    """Each thing once, in the order in which they said it and with its first date; others beside them are looked up."""
    with store.begin() as connection:
        who, other = (add_person(connection, f"{name}@example.org", now=now) for name in ("maya", "ben"))
        add_interests(connection, [(other, BOARD)], now=now)
        later = now + timedelta(days=1)
        said = [(who, COUNCIL, now), (other, BOARD, now), (who, BOARD, now), (who, COUNCIL, later)]
        add_many(connection, said, newcomers={who})
        assert {who: (COUNCIL, BOARD), other: (BOARD,)} == interests_of(connection, [who, other])
        dates = connection.execute(TABLES["interest"].select().where(TABLES["interest"].c.person_id == who))
        assert [now, now] == [row.at for row in dates]


def test_it_is_noted_when_she_said_it_all(store: Store, now: datetime) -> None:
    """Also where it is what we knew: older rows of an import have nothing to add then."""
    with store.begin() as connection:
        who = add_person(connection, "maya@example.org", now=now, provenance={"state": "2026-01-01"})
        set_interests(connection, who, [], now=now)
        person = get_person(connection, who)
        assert person is not None
        assert {"state": "2026-01-01", WANTS: now.isoformat()} == person.provenance
        with pytest.raises(NotFoundError):
            set_interests(connection, who + 1, [BOARD], now=now)
