"""Suppressions and consent: who must not be mailed, who may."""

from datetime import datetime, timedelta

import pytest

from rfs_mail.store import suppressions
from rfs_mail.store.database import Store
from tests.recipients import add_person, touched

HASH = b"0123456789abcdef"
OTHER = b"fedcba9876543210"


def test_the_same_suppression_is_there_once(store: Store, now: datetime) -> None:
    """Suppressing twice for the same reason and scope is one row; another reason or scope is another row."""
    with store.begin() as connection:
        new = [
            suppressions.suppress(
                connection, HASH, scope=scope, scope_id=scope_id, reason=reason, source="test", now=now
            )
            for scope, scope_id, reason in [
                ("entity", "rfs", "unsubscribed"),
                ("entity", "rfs", "unsubscribed"),
                ("entity", "rfs_civics", "unsubscribed"),
                ("all", "", "complained"),
                ("all", "", "complained"),
            ]
        ]
        found = [(row.scope, row.scope_id, row.reason) for row in suppressions.live(connection, HASH)]
    assert new == [True, False, True, True, False]
    assert sorted(found) == [
        ("all", "", "complained"),
        ("entity", "rfs", "unsubscribed"),
        ("entity", "rfs_civics", "unsubscribed"),
    ]


def test_topics_that_stay_allowed_are_kept_for_the_gate(store: Store, now: datetime) -> None:
    """Excepted topics stand between bars, so that one topic's name inside another's does not match."""
    with store.begin() as connection:
        suppressions.suppress(
            connection, HASH, scope="entity", scope_id="rfs", reason="inactive", source="test", now=now,
            except_topics=("deadlines", "running"),
        )  # fmt: skip
        (row,) = suppressions.live(connection, HASH)
    assert row.except_topics == "|deadlines|running|"


def test_lifting_names_reasons_and_an_entity(store: Store, now: datetime) -> None:
    """Only the named reasons of that entity, and of all, are lifted; the row stays with who said so, and may return."""
    with store.begin() as connection:
        for scope, scope_id, reason in [
            ("entity", "rfs", "unsubscribed"),
            ("entity", "rfs_civics", "unsubscribed"),
            ("all", "", "hard_bounce"),
            ("all", "", "complained"),
        ]:
            suppressions.suppress(
                connection, HASH, scope=scope, scope_id=scope_id, reason=reason, source="test", now=now
            )
        suppressions.suppress(connection, OTHER, scope="all", reason="hard_bounce", source="test", now=now)
        lifted = suppressions.lift(
            connection, HASH, reasons=suppressions.LIFTED_BY_OPT_IN, because="opt-in", now=now, entity_id="rfs"
        )
        left = [(row.scope_id, row.reason) for row in suppressions.live(connection, HASH)]
        again = suppressions.suppress(
            connection, HASH, scope="entity", scope_id="rfs", reason="unsubscribed", source="test", now=now
        )
        others = suppressions.count(connection)
    assert lifted == 2
    assert sorted(left) == [("", "complained"), ("rfs_civics", "unsubscribed")]
    assert again
    assert others == 4


def test_no_list_of_reasons_that_a_person_or_staff_lift_holds_a_complaint() -> None:
    """A complaint is in no list of what may be lifted, and staff lift no unsubscribe."""
    assert "complained" not in suppressions.LIFTED_BY_OPT_IN
    assert {"complained", "unsubscribed"} == set(suppressions.STICKY)


def test_the_list_shows_addresses_that_are_still_known(store: Store, now: datetime) -> None:
    """The newest comes first, with the address where the person is still there."""
    with store.begin() as connection:
        person_id = add_person(connection, now=now)
        hashed = suppressions.consents_of(connection, person_id) and HASH
        row = connection.execute(suppressions.person.select()).one()
        suppressions.suppress(connection, hashed, scope="all", reason="imported", source="file", now=now)
        suppressions.suppress(
            connection, row.address_hash, scope="all", reason="staff", source="ana", now=now + timedelta(hours=1)
        )
        found = [(one.reason, one.address) for one in suppressions.search(connection)]
    assert found == [("staff", "maria@example.org"), ("imported", None)]


def test_consent_is_granted_withdrawn_and_granted_anew(store: Store, now: datetime) -> None:
    """Withdrawing keeps the text of the consent; granting again replaces it and clears the withdrawal."""
    later, latest = now + timedelta(days=1), now + timedelta(days=2)
    with store.begin() as connection:
        person_id = add_person(connection, now=now)
        suppressions.withdraw(connection, person_id, ("rfs",), now=later)
        suppressions.withdraw(connection, person_id, ("rfs",), now=latest)
        (withdrawn,) = suppressions.consents_of(connection, person_id)
        suppressions.grant(connection, person_id, "rfs", text="Again, please.", source="page", now=latest)
        (granted,) = suppressions.consents_of(connection, person_id)
    assert (withdrawn.text, withdrawn.granted_at, withdrawn.withdrawn_at) == ("Yes, write to me.", now, later)
    assert (granted.text, granted.source, granted.granted_at, granted.withdrawn_at) == (
        "Again, please.", "page", latest, None,
    )  # fmt: skip


def test_withdrawing_what_was_never_given_is_recorded(store: Store, now: datetime) -> None:
    """A no to an entity that never had a yes is a row too, so that a later import of consent can see it."""
    with store.begin() as connection:
        person_id = add_person(connection, now=now, entities=())
        suppressions.withdraw(connection, person_id, ("rfs_civics",), now=now)
        (row,) = suppressions.consents_of(connection, person_id)
    assert (row.entity_id, row.basis, row.withdrawn_at) == ("rfs_civics", "none", now)


def test_topics_are_left_and_taken_back(store: Store, now: datetime) -> None:
    """Each says whether anything changed."""
    with store.begin() as connection:
        person_id = add_person(connection, now=now)
        answers = [
            suppressions.leave_topic(connection, person_id, "running", now=now),
            suppressions.leave_topic(connection, person_id, "running", now=now),
            suppressions.topics_left(connection, person_id) == {"running"},
            suppressions.join_topic(connection, person_id, "running"),
            suppressions.join_topic(connection, person_id, "running"),
            suppressions.topics_left(connection, person_id) == set(),
        ]
    assert answers == [True, False, True, True, False, True]


@pytest.mark.parametrize(
    "change",
    [
        lambda c, who, now: suppressions.set_stopped(c, who, "asked on the phone", now=now),
        lambda c, who, now: suppressions.set_pause(c, who, now + timedelta(days=30), now=now),
        lambda c, who, now: suppressions.grant(c, who, "rfs", text="Yes.", source="form", now=now),
        lambda c, who, now: suppressions.withdraw(c, who, ("rfs",), now=now),
        lambda c, who, now: suppressions.leave_topic(c, who, "running", now=now),
        lambda c, who, now: suppressions.join_topic(c, who, "running"),
    ],
)
def test_every_change_of_what_is_allowed_has_the_person_asked_again(sqlite_store: Store, now: datetime, change) -> None:  # type: ignore[no-untyped-def]
    """Goals, exits and entries may hang on consent and topics, so each change leaves the person touched."""
    with sqlite_store.begin() as connection:
        person_id = add_person(connection, now=now, entities=())
        connection.execute(suppressions.consent.delete())
        before = touched(connection)
        change(connection, person_id, now)
        after = touched(connection)
    assert (before, after) == (set(), {person_id})
