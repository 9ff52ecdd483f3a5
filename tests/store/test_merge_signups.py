"""Sign-ups into people."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, func, select

from rfs_mail.core.person import address_hash, parse_address
from rfs_mail.core.signups import Signup
from rfs_mail.store.database import Store
from rfs_mail.store.people import find_person, set_fields
from rfs_mail.store.signups import Merged, merge_signups
from rfs_mail.store.suppressions import consents_of, grant, set_stopped, suppress, withdraw
from rfs_mail.store.tables import TABLES

SECRET = b"s" * 32


def row(address: str, at: datetime, key: str = "", **said: Any) -> Signup:
    """A checked row; its key is its address and date unless given."""
    parsed = parse_address(address)
    built_in = {"line": 1, "fields": {}, "custom": {}, "consent_text": "I agree", **said}
    return Signup(
        address=parsed, hash=address_hash(SECRET, parsed.key), key=key or f"{parsed.key} {at}", at=at, **built_in
    )


def merge(connection: Connection, rows: Iterable[Signup], now: datetime, **more: Any) -> Merged:
    """Merge rows of one source for rfs."""
    return merge_signups(connection, list(rows), **{"source": "web", "entity": "rfs", "now": now, **more})


def kinds(merged: Merged) -> list[str]:
    """What became of each row."""
    return [outcome.kind for outcome in merged.outcomes]


def why_not(merged: Merged) -> list[str]:
    """Why rfs may not mail the people, in the rows' order."""
    return [standing.why_not for _, standing in merged.standings.values()]


def size(connection: Connection, table: str) -> int:
    """How many rows a table has."""
    return connection.execute(select(func.count()).select_from(TABLES[table])).scalar_one()


def test_a_batch_makes_people_with_all_that_belongs_to_them(store: Store, now: datetime) -> None:
    """Person, sign-up, consent, stage event, identifier, tags, and one touch each."""
    with store.begin() as connection:
        rows = [
            row("maya@example.org", now, fields={"state": "WI"}, external_id="7", tags=("a", "b")),
            row("tom@gmail.com", now, consent_text=None, custom={"office": "county"}),
        ]
        merged = merge(connection, rows, now, import_id=None)
        maya, tom = find_person(connection, "maya@example.org"), find_person(connection, "tom@gmail.com")
        assert maya is not None
        assert tom is not None
        assert kinds(merged) == ["created", "created"]
        assert [outcome.person_id for outcome in merged.outcomes] == [maya.id, tom.id]
        assert (maya.stage, maya.signed_up_at, maya.tags, maya.zone) == (
            "signed_up",
            now,
            ("a", "b"),
            "America/Chicago",
        )
        assert (tom.stage, tom.signed_up_at, tom.custom, tom.operator) == (
            "prospect",
            None,
            {"office": "county"},
            "google",
        )
        assert [(one.entity_id, one.text, one.withdrawn_at) for one in consents_of(connection, maya.id)] == [
            ("rfs", "I agree", None)
        ]
        assert consents_of(connection, tom.id) == []
        sizes = {table: size(connection, table) for table in ("signup", "event", "identifier", "touched", "consent")}
        assert sizes == {"signup": 2, "event": 1, "identifier": 1, "touched": 2, "consent": 1}
        assert why_not(merged) == ["", "no_consent"]


def test_the_same_rows_again_change_nothing(store: Store, now: datetime) -> None:
    """Not a row anywhere, not a date."""
    rows = [row("maya@example.org", now, fields={"state": "WI"}, tags=("a",)), row("tom@example.org", now)]
    with store.begin() as connection:
        merge(connection, rows, now)
    tables = ("person", "signup", "event", "identifier", "touched", "consent", "person_tag")
    with store.begin() as connection:
        before = {name: connection.execute(select(TABLES[name])).all() for name in tables}
        again = merge(connection, rows, now + timedelta(days=1))
        assert kinds(again) == ["unchanged", "unchanged"]
        assert {name: connection.execute(select(TABLES[name])).all() for name in tables} == before
        assert why_not(again) == ["", ""]


def test_rows_of_one_person_in_one_batch_become_one_person(store: Store, now: datetime) -> None:
    """The first makes her, the next are merged, a copy is unchanged."""
    later = now + timedelta(hours=1)
    with store.begin() as connection:
        merged = merge(
            connection,
            [
                row("maya@example.org", now, fields={"state": "WI"}),
                row("Maya@example.org", later, fields={"state": "TX", "given_name": "Maya"}),
                row("maya@example.org", now, fields={"state": "WI"}),
            ],
            now,
        )
        maya = find_person(connection, "maya@example.org")
        assert maya is not None
        assert kinds(merged) == ["created", "merged", "unchanged"]
        assert len({outcome.person_id for outcome in merged.outcomes}) == 1
        assert (maya.state, maya.given_name, maya.signed_up_at) == ("TX", "Maya", now)
        assert (size(connection, "signup"), size(connection, "touched")) == (2, 1)


def test_a_blank_never_erases_and_older_never_overwrites(store: Store, now: datetime) -> None:
    """Fields are weighed one by one by the rows' own dates, whatever the order they come in."""
    with store.begin() as connection:
        merge(connection, [row("maya@example.org", now, fields={"state": "WI", "given_name": "Maya"})], now)
        older = row("maya@example.org", now - timedelta(days=9), fields={"state": "TX", "zip": "53703"})
        newer = row("maya@example.org", now + timedelta(days=1), fields={"given_name": "May"}, custom={"office": "x"})
        assert kinds(merge(connection, [older, newer], now)) == ["merged", "merged"]
        maya = find_person(connection, "maya@example.org")
        assert maya is not None
        assert (maya.state, maya.zip, maya.given_name, maya.custom) == ("WI", "53703", "May", {"office": "x"})
        assert maya.signed_up_at == now - timedelta(days=9)


def test_what_staff_set_is_weighed_too(store: Store, now: datetime) -> None:
    """A row from before the change does not undo it, one from after does."""
    with store.begin() as connection:
        person_id = merge(connection, [row("maya@example.org", now, fields={"state": "WI"})], now).outcomes[0].person_id
        set_fields(connection, person_id, {"state": "TX"}, now=now + timedelta(days=2), source="staff")
        for days, expected in ((1, "TX"), (3, "CA")):
            merge(connection, [row("maya@example.org", now + timedelta(days=days), fields={"state": "CA"})], now)
            maya = find_person(connection, "maya@example.org")
            assert maya is not None
            assert maya.state == expected


def test_consent_is_granted_once_and_never_renewed(store: Store, now: datetime) -> None:
    """Who withdrew stays withdrawn; who agreed keeps the first words and date."""
    later = now + timedelta(days=1)
    with store.begin() as connection:
        people = merge(connection, [row("maya@example.org", now), row("tom@example.org", now)], now).outcomes
        withdraw(connection, people[0].person_id, ("rfs",), now=now)
        again = [row(name, later, consent_text="Other words") for name in ("maya@example.org", "tom@example.org")]
        merged = merge(connection, again, later)
        kept = [consents_of(connection, person.person_id)[0] for person in people]
        assert [(one.text, one.withdrawn_at) for one in kept] == [("I agree", now), ("I agree", None)]
        assert why_not(merged) == ["unsubscribed", ""]


@pytest.mark.parametrize(
    ("scope", "scope_id", "reason", "expected"),
    [
        ("all", "", "complained", "suppressed"),
        ("all", "", "hard_bounce", "suppressed"),
        ("entity", "rfs", "unsubscribed", "unsubscribed"),
        ("entity", "rfs_civics", "unsubscribed", ""),
        ("topic", "deadlines", "unsubscribed", ""),
    ],
)
def test_an_import_never_lifts_a_suppression(
    store: Store, now: datetime, scope: str, scope_id: str, reason: str, expected: str
) -> None:
    """By the hash of the address, also where the person was erased or never known: no consent, no stage."""
    with store.begin() as connection:
        hashed = address_hash(SECRET, "maya@gmail.com")
        suppress(connection, hashed, scope=scope, scope_id=scope_id, reason=reason, source="test", now=now)
        merged = merge(connection, [row("M.aya+x@gmail.com", now)], now)
        maya = find_person(connection, "m.aya+x@gmail.com")
        assert maya is not None
        assert merged.standings["m.aya+x@gmail.com"][1].why_not == expected
        assert maya.stage == ("signed_up" if not expected else "prospect")
        assert len(consents_of(connection, maya.id)) == (0 if expected else 1)
        live = (
            select(func.count()).select_from(TABLES["suppression"]).where(TABLES["suppression"].c.lifted_at.is_(None))
        )
        assert connection.execute(live).scalar_one() == 1


def test_who_may_be_mailed_by_whom_is_told(store: Store, now: datetime) -> None:
    """Every entity with a live consent, none of it for somebody whom staff stopped."""
    with store.begin() as connection:
        people = merge(connection, [row("maya@example.org", now), row("tom@example.org", now)], now).outcomes
        grant(connection, people[0].person_id, "rfs_civics", text="Yes", source="web", now=now)
        set_stopped(connection, people[1].person_id, "asked by phone", now=now)
        rows = [row("maya@example.org", now, "2", consent_text=None), row("tom@example.org", now, "3")]
        standings = merge(connection, rows, now).standings
        assert standings["maya@example.org"][1].entities == {"rfs", "rfs_civics"}
        assert standings["tom@example.org"][1] == (frozenset(), "stopped")


def test_consent_for_another_entity_is_another_sign_up(store: Store, now: datetime) -> None:
    """The same person may be mailed by two, after two imports."""
    with store.begin() as connection:
        merge(connection, [row("maya@example.org", now, "1")], now)
        merged = merge(connection, [row("maya@example.org", now, "2")], now, entity="rfs_civics")
        assert kinds(merged) == ["merged"]
        assert merged.standings["maya@example.org"][1].entities == {"rfs", "rfs_civics"}


def test_a_prospect_who_agrees_has_signed_up(store: Store, now: datetime) -> None:
    """From that row's date; somebody further on stays where she is."""
    later = now + timedelta(days=1)
    with store.begin() as connection:
        person_id = merge(connection, [row("maya@example.org", now, consent_text=None)], now).outcomes[0].person_id
        merge(connection, [row("maya@example.org", later)], later)
        maya = find_person(connection, "maya@example.org")
        assert maya is not None
        assert (maya.stage, maya.stage_at, maya.signed_up_at) == ("signed_up", later, later)
        set_fields(connection, person_id, {"stage": "filed"}, now=later, source="staff")
        merge(connection, [row("maya@example.org", later + timedelta(days=1))], later)
        maya = find_person(connection, "maya@example.org")
        assert maya is not None
        assert maya.stage == "filed"


@pytest.mark.parametrize("in_one_batch", [True, False])
def test_one_id_is_one_person(store: Store, now: datetime, in_one_batch: bool) -> None:
    """A second address under an id that is taken is rejected; its row makes nobody."""
    rows = [
        row("maya@example.org", now, "7", external_id="7"),
        row("tom@example.org", now, "7", external_id="7"),
        row("maya@example.org", now, "7", external_id="7"),
    ]
    with store.begin() as connection:
        if in_one_batch:
            merged = kinds(merge(connection, rows, now))
        else:
            merged = [kinds(merge(connection, [one], now))[0] for one in rows]
        assert merged == ["created", "rejected", "unchanged"]
        assert find_person(connection, "tom@example.org") is None


def test_an_id_stays_with_a_person_whose_address_changed(store: Store, now: datetime) -> None:
    """The old row again is rejected rather than making the old address a new person."""
    with store.begin() as connection:
        merge(connection, [row("maya@example.org", now, "7", external_id="7")], now)
        person = TABLES["person"]
        connection.execute(person.update().values(address="maya@example.com", mailbox="maya@example.com"))
        merged = merge(connection, [row("maya@example.org", now, "7", external_id="7")], now)
        assert kinds(merged) == ["rejected"]
        assert size(connection, "person") == 1


def test_a_row_whose_person_has_a_new_address_is_unchanged(store: Store, now: datetime) -> None:
    """Its key is known, so the old address does not become a person again."""
    with store.begin() as connection:
        merge(connection, [row("maya@example.org", now)], now)
        connection.execute(TABLES["person"].update().values(address="maya@example.com"))
        merged = merge(connection, [row("maya@example.org", now)], now)
        assert kinds(merged) == ["unchanged"]
        assert size(connection, "person") == 1


def test_a_row_of_somebody_who_was_erased_makes_her_anew(store: Store, now: datetime) -> None:
    """A sign-up that was left behind is no person; consent is a matter of suppression, as always."""
    with store.begin() as connection:
        rows = [row("maya@example.org", now), row("tom@example.org", now)]
        merge(connection, rows, now)
        connection.execute(TABLES["person"].delete().where(TABLES["person"].c.address == "maya@example.org"))
        assert kinds(merge(connection, rows, now)) == ["created", "unchanged"]
        assert find_person(connection, "maya@example.org") is not None


def test_a_trial_writes_nothing(store: Store, now: datetime) -> None:
    """It tells the same outcomes and needs no write transaction."""
    rows = [row("maya@example.org", now), row("maya@example.org", now + timedelta(days=1)), row("tom@example.org", now)]
    with store.read() as connection:
        tried = merge(connection, rows, now, dry_run=True)
    with store.begin() as connection:
        assert size(connection, "person") == 0
        done = merge(connection, rows, now)
        assert kinds(tried) == kinds(done) == ["created", "merged", "created"]
        assert why_not(tried) == why_not(done)


def test_ids_are_never_given_twice(store: Store, now: datetime) -> None:
    """The id of somebody who was erased is not the next one's."""
    with store.begin() as connection:
        gone = merge(connection, [row("maya@example.org", now)], now).outcomes[0].person_id
        connection.execute(TABLES["person"].delete())
        assert merge(connection, [row("tom@example.org", now)], now).outcomes[0].person_id > gone


def test_what_is_equal_and_not_the_same_stays_apart(store: Store, now: datetime) -> None:
    """1, 1.0, yes and "1" are stored each as what it is, though what many people say is encoded only once."""
    said: list[Any] = [1, True, 1.0, "1", 0, False]
    with store.begin() as connection:
        merge(connection, [row(f"p{n}@example.org", now, custom={"hours": value}) for n, value in enumerate(said)], now)
        found = [find_person(connection, f"p{n}@example.org") for n in range(len(said))]
    stored = [person.custom["hours"] for person in found if person is not None]
    assert [(type(value), value) for value in stored] == [
        # PostgreSQL keeps 1.0 as the number it is; both read it as the same number.
        (type(value) if not isinstance(value, float) else type(kept), value)
        for value, kept in zip(said, stored, strict=True)
    ]
