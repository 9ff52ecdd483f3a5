"""People and what happened to them, in the database."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, func, select

from rfs_mail.core.person import address_hash, parse_address
from rfs_mail.core.signups import Signup
from rfs_mail.errors import NotFoundError, UsageError
from rfs_mail.store import people
from rfs_mail.store.database import Store
from rfs_mail.store.events import add_event
from rfs_mail.store.signups import merge_signups
from rfs_mail.store.suppressions import live, suppress
from rfs_mail.store.tables import TABLES

SECRET = b"s" * 32


def add_person(connection: Connection, address: str, now: datetime, **fields: str | int) -> int:
    """A person who signed up; her id."""
    parsed = parse_address(address)
    signup = Signup(
        1, parsed, address_hash(SECRET, parsed.key), f"{address} {now}", now, fields, {}, consent_text="Yes"
    )
    merged = merge_signups(connection, [signup], source="test", entity="rfs", now=now)
    return merged.outcomes[0].person_id


def touched(connection: Connection) -> int:
    """How many rows say that somebody has to be asked about again."""
    return connection.execute(select(func.count()).select_from(TABLES["touched"])).scalar_one()


def test_a_person_is_found_by_any_spelling_of_her_address(store: Store, now: datetime) -> None:
    """The identity key is what is looked up; who is not there is None."""
    with store.begin() as connection:
        person_id = add_person(connection, "Maya.O@Example.org", now, state="WI", zip="53703")
        found = people.find_person(connection, " maya.o@EXAMPLE.ORG ")
        assert found is not None
        assert found == people.get_person(connection, person_id)
        assert (found.id, found.mailbox, found.state, found.zone) == (
            person_id,
            "Maya.O@example.org",
            "WI",
            "America/Chicago",
        )
        assert (found.stage, found.signed_up_at, found.source) == ("signed_up", now, "test")
        assert people.find_person(connection, "tom@example.org") is None
        assert people.find_person(connection, "no address") is None
        assert people.get_person(connection, person_id + 1) is None


def test_a_field_that_is_set_wins_and_moves_the_clock(store: Store, now: datetime) -> None:
    """Set now, it is newer than what is stored; the zone follows the place; the person is touched."""
    later = now + timedelta(hours=1)
    with store.begin() as connection:
        person_id = add_person(connection, "maya@example.org", now, state="WI")
        before = touched(connection)
        changes = {"state": "CA", "custom.office": "school_board", "given_name": None}
        changed = people.set_fields(connection, person_id, changes, now=later, source="staff")
        found = people.get_person(connection, person_id)
        assert found is not None
        assert changed == ("state", "custom.office")
        assert (found.state, found.zone, found.custom) == ("CA", "America/Los_Angeles", {"office": "school_board"})
        assert found.provenance["state"] == later.isoformat()
        assert touched(connection) == before + 1


def test_setting_the_same_value_changes_nothing(store: Store, now: datetime) -> None:
    """Nobody is touched, nothing is dated."""
    with store.begin() as connection:
        person_id = add_person(connection, "maya@example.org", now, state="WI")
        before = touched(connection), people.get_person(connection, person_id)
        later = now + timedelta(hours=1)
        assert people.set_fields(connection, person_id, {"state": "WI"}, now=later, source="staff") == ()
        assert (touched(connection), people.get_person(connection, person_id)) == before


def test_a_field_can_be_cleared(store: Store, now: datetime) -> None:
    """None takes a value away, of built-in and custom fields."""
    with store.begin() as connection:
        person_id = add_person(connection, "maya@example.org", now, state="WI")
        people.set_fields(connection, person_id, {"custom.office": "county"}, now=now, source="staff")
        people.set_fields(connection, person_id, {"custom.office": None, "state": None}, now=now, source="staff")
        found = people.get_person(connection, person_id)
        assert found is not None
        assert (found.state, found.custom, found.zone) == (None, {}, "America/New_York")


@pytest.mark.parametrize("name", ["stat", "address", "id", "custom"])
def test_a_field_that_does_not_exist_is_refused(store: Store, now: datetime, name: str) -> None:
    """Only named fields may be set."""
    with store.begin() as connection:
        person_id = add_person(connection, "maya@example.org", now)
        with pytest.raises(UsageError, match="no field"):
            people.set_fields(connection, person_id, {name: "x"}, now=now, source="staff")


def test_nobody_cannot_be_changed(store: Store, now: datetime) -> None:
    """A person who does not exist is told, not made."""
    with store.begin() as connection, pytest.raises(NotFoundError):
        people.set_fields(connection, 77, {"state": "WI"}, now=now, source="staff")


def test_a_stage_leaves_an_event(store: Store, now: datetime) -> None:
    """The event's value is the new stage and its time is when it happened; the same stage again is no event."""
    happened = now - timedelta(days=2)
    with store.begin() as connection:
        person_id = add_person(connection, "maya@example.org", now)
        event_id = people.set_stage(connection, person_id, "onboarded", now=now, at=happened, window_id="wi-2027")
        row = connection.execute(select(TABLES["event"]).where(TABLES["event"].c.id == event_id)).one()
        found = people.get_person(connection, person_id)
        assert found is not None
        assert (row.name, row.value, row.at, row.received_at, row.window_id) == (
            "stage",
            "onboarded",
            happened,
            now,
            "wi-2027",
        )
        assert (found.stage, found.stage_at) == ("onboarded", happened)
        assert people.set_stage(connection, person_id, "onboarded", now=now) is None
        with pytest.raises(UsageError, match="no stage 'onborded'"):
            people.set_stage(connection, person_id, "onborded", now=now)


def test_setting_the_field_stage_moves_the_stage(store: Store, now: datetime) -> None:
    """`stage` among other fields is the stage, with its event."""
    with store.begin() as connection:
        person_id = add_person(connection, "maya@example.org", now)
        changed = people.set_fields(connection, person_id, {"stage": "filed", "state": "WI"}, now=now, source="staff")
        found = people.get_person(connection, person_id)
        assert found is not None
        assert changed == ("stage", "state")
        assert found.stage == "filed"


def test_tags_come_and_go_once(store: Store, now: datetime) -> None:
    """A tag twice is one tag; only a change touches the person."""
    with store.begin() as connection:
        person_id = add_person(connection, "maya@example.org", now)
        before = touched(connection)
        assert people.add_tag(connection, person_id, "recommitted", now=now)
        assert not people.add_tag(connection, person_id, "recommitted", now=now)
        found = people.get_person(connection, person_id)
        assert found is not None
        assert found.tags == ("recommitted",)
        assert people.remove_tag(connection, person_id, "recommitted")
        assert not people.remove_tag(connection, person_id, "recommitted")
        assert touched(connection) == before + 2


def test_an_event_with_a_key_is_one_fact(store: Store, now: datetime) -> None:
    """A webhook delivered twice changes nothing more."""
    with store.begin() as connection:
        person_id = add_person(connection, "maya@example.org", now)
        first = add_event(connection, person_id, "attended", ref="intro_call", at=now, now=now, key="mobilize:7")
        before = touched(connection)
        assert first is not None
        assert add_event(connection, person_id, "attended", at=now, now=now, key="mobilize:7") is None
        assert touched(connection) == before


def test_being_active_ends_a_suppression_for_inactivity_only(store: Store, now: datetime) -> None:
    """An unsubscribe stays; so does an inactivity that came after the act."""
    with store.begin() as connection:
        person_id = add_person(connection, "maya@example.org", now)
        hashed = address_hash(SECRET, "maya@example.org")
        for reason in ("inactive", "unsubscribed"):
            suppress(connection, hashed, scope="entity", scope_id="rfs", reason=reason, source="test", now=now)
        add_event(connection, person_id, "clicked", at=now - timedelta(days=1), now=now, active=True)
        assert [row.reason for row in live(connection, hashed)] == ["inactive", "unsubscribed"]
        add_event(connection, person_id, "clicked", at=now, now=now, active=False)
        assert [row.reason for row in live(connection, hashed)] == ["inactive", "unsubscribed"]
        add_event(connection, person_id, "clicked", at=now, now=now, active=True)
        assert [row.reason for row in live(connection, hashed)] == ["unsubscribed"]


def test_an_event_may_be_about_nobody(store: Store) -> None:
    """A fact whose person is not known is kept, and touches nobody."""
    at = datetime(2026, 11, 23, tzinfo=UTC)
    with store.begin() as connection:
        assert add_event(connection, None, "bounced", at=at, now=at, detail={"code": 550}) is not None
        assert touched(connection) == 0
