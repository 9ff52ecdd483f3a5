"""People, sign-ups, enrollments and deliveries by the hundred thousand, written straight into the tables."""

import json
import sqlite3
from collections.abc import Iterator
from datetime import datetime, timedelta
from hashlib import blake2b
from itertools import islice
from typing import Any

from benchmarks.folders import NOW
from rfs_mail.core.sequence import END
from rfs_mail.store.types import to_microseconds

GIVEN = ("Ada", "Bea", "Cora", "Dena", "Elif", "Femi", "Gita", "Hana", "Ines", "Joan", "Kofi", "Lena", "Maya", "Noor")
FAMILY = ("Abara", "Brandt", "Castillo", "Dubois", "Eriksen", "Fuentes", "Garza", "Haddad", "Ito", "Jansen", "Kowal")
PLACES = (
    ("NY", "10001", "America/New_York"), ("WI", "53703", "America/Chicago"), ("TX", "79901", "America/Denver"),
    ("CA", "94102", "America/Los_Angeles"), ("AZ", "85001", "America/Phoenix"), ("GA", "30303", "America/New_York"),
)  # fmt: skip
STAGES = ("signed_up",) * 12 + ("onboarded",) * 5 + ("exploring",) * 3
OPERATORS = ("google",) * 10 + ("microsoft",) * 4 + ("yahoo",) * 3 + ("apple",) + ("other",) * 2
INTERESTS = ("school_board", "city_council", "county", "not_sure")
MICROSECOND = timedelta(microseconds=1)
CHUNK = 20_000


def at(instant: datetime) -> int:
    """An instant as the tables hold it."""
    return to_microseconds(instant)


def address(number: int) -> str:
    """The address of person `number`."""
    return f"{GIVEN[number % len(GIVEN)].lower()}.{FAMILY[number % len(FAMILY)].lower()}.{number}@example.org"


def signed_up_at(number: int) -> datetime:
    """Spread over the year before now, no two at once."""
    return NOW - timedelta(days=number % 364, seconds=number % 80_000, microseconds=number)


def fill_people(connection: sqlite3.Connection, count: int) -> None:
    """`count` people with ids from 1, each with a sign-up and a consent for `rfs`."""
    people = (_person(number) for number in range(1, count + 1))
    _insert(connection, "person", _PERSON, people)
    _insert(
        connection, "consent", ("person_id", "entity_id", "basis", "text", "source", "granted_at"),
        ((number, "rfs", "opt_in", "I want to hear from you", "site", at(signed_up_at(number)))
         for number in range(1, count + 1)),
    )  # fmt: skip
    _insert(
        connection, "signup", ("person_id", "entity_id", "source", "key", "consent_text", "at", "received_at"),
        ((number, "rfs", "site", f"row-{number}", "I want to hear from you", at(signed_up_at(number)), at(NOW))
         for number in range(1, count + 1)),
    )  # fmt: skip


_PERSON = (
    "id", "address", "mailbox", "address_hash", "operator", "given_name", "family_name", "state", "zip", "lang",
    "birth_year", "source", "zone", "signed_up_at", "stage", "stage_at", "custom", "provenance", "created_at",
    "updated_at",
)  # fmt: skip


def _person(number: int) -> tuple[Any, ...]:
    mailbox = address(number)
    state, zip_code, zone = PLACES[number % len(PLACES)]
    signed_up = at(signed_up_at(number))
    custom = {"hours_a_week": 1 + number % 9, "office_interest": INTERESTS[number % len(INTERESTS)]}
    return (
        number, mailbox, mailbox, blake2b(number.to_bytes(8, "big"), digest_size=32).digest(),
        OPERATORS[number % len(OPERATORS)], GIVEN[number % len(GIVEN)], FAMILY[number % len(FAMILY)], state, zip_code,
        "en", 1960 + number % 45, "site", zone, signed_up, STAGES[number % len(STAGES)], signed_up,
        json.dumps(custom), "{}", signed_up, signed_up,
    )  # fmt: skip


def revision_of(connection: sqlite3.Connection, campaign: str) -> int:
    """The live revision of a campaign."""
    return int(connection.execute("SELECT revision_id FROM campaign WHERE id = ?", (campaign,)).fetchone()[0])


def fill_enrollments(
    connection: sqlite3.Connection,
    campaign: str,
    *,
    step: str,
    due: str,
    planned: bool,
    where: str = "1",
    entered_at: datetime = NOW - timedelta(days=2),
    waiting_on: str = "NULL",
    previous_at: str = "NULL",
) -> None:
    """
    One active enrollment for each person that `where` chooses, in the order of their ids.

    `due`, `waiting_on` and `previous_at` are SQL over `person`. No two enter at the same microsecond.
    """
    connection.execute(
        f"""
        INSERT INTO enrollment (campaign_id, person_id, occasion, state, revision_id, entered_at, anchors, step_key,
                                due_at, planned, previous_at, waiting_on, ended_detail)
        SELECT ?, id, 'once:1', 'active', ?, ? - id, '{{}}', ?, {due}, ?, {previous_at}, {waiting_on}, '{{}}'
        FROM person WHERE {where} ORDER BY id
        """,
        (campaign, revision_of(connection, campaign), at(entered_at), step, planned),
    )


def fill_queue(
    connection: sqlite3.Connection, *, state: str = "queued", count: int = 2**62, campaign: str = "letter"
) -> None:
    """
    The one mail of a campaign for the first `count` people: enrollment, step and delivery as `advance` leaves them.

    The ids of person, enrollment and delivery are the same. `state` sent: as the mark and the verdict leave it.
    """
    fill_enrollments(
        connection, campaign, step=END, due="NULL", planned=False, where=f"id <= {count}",
        waiting_on="id" if state == "queued" else "NULL",
    )  # fmt: skip
    connection.execute(
        f"""
        INSERT INTO step_done (enrollment_id, step_key, at, planned_at, outcome, detail)
        SELECT id, 'first', entered_at, entered_at, 'queued', '{{}}' FROM enrollment WHERE id <= {count}
        """
    )
    now, end = at(NOW), at(NOW + timedelta(days=2))
    connection.execute(
        f"""
        INSERT INTO delivery (id, enrollment_id, campaign_id, person_id, step_key, revision_id, entity_id, topic,
                              variant, deadline, cap, any_hour, operator, state, queued_at, due_at, next_at, not_after,
                              attempt, rescues, resends, epoch, sending_at, settled_at)
        SELECT e.id, e.id, :campaign, p.id, 'first', e.revision_id, 'rfs', 'running', '', 0, 'exempt', 1, p.operator,
               :state, :now, :now, :now, :end, :sent, 0, 0, 0,
               CASE WHEN :sent THEN :now END, CASE WHEN :sent THEN :now END
        FROM enrollment AS e JOIN person AS p ON p.id = e.person_id WHERE e.id <= {count} ORDER BY e.id
        """,
        {"state": state, "now": now, "end": end, "sent": state == "sent", "campaign": campaign},
    )


def _insert(
    connection: sqlite3.Connection, table: str, columns: tuple[str, ...], rows: Iterator[tuple[Any, ...]]
) -> None:
    statement = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
    while chunk := list(islice(rows, CHUNK)):
        connection.executemany(statement, chunk)
