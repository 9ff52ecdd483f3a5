"""What people want: there once each, replaced as a whole where she says so herself, and their people asked again."""

from datetime import datetime

from rfs_mail.core.interest import Interest
from rfs_mail.store.database import Store
from rfs_mail.store.interests import add_interests, interests_of, set_interests
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
