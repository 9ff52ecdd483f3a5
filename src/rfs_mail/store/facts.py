"""What is known about a few people, loaded for `core.evaluation`: what `explain` and tests ask in Python."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from rfs_mail.core.facts import (
    CandidacyFact,
    EnrollmentFact,
    Happening,
    MailFact,
    OwnEnrollment,
    PersonFacts,
    WindowFact,
    window_day,
)
from rfs_mail.core.interest import Interest
from rfs_mail.core.vocabulary import PERSON_FIELDS, WINDOW_FIELDS
from rfs_mail.store.expressions import WINDOW_COLUMNS
from rfs_mail.store.tables import TABLES

_SETTLED = ("sent", "bounced", "complained")


def load_facts(
    connection: Connection,
    person_ids: Sequence[int],
    *,
    now: datetime,
    enrollment_id: int | None = None,
    window_id: str | None = None,
) -> dict[int, PersonFacts]:
    """
    The facts of these people by id; ids without a person are left out.

    `enrollment_id` names the enrollment that is asked about. Its window is the window, unless `window_id` is given.
    Meant for a handful of people: it reads everything that ever happened to them.
    """
    person = TABLES["person"]
    people = connection.execute(select(person).where(person.c.id.in_(person_ids))).all()
    ids = [row.id for row in people]
    own = _own_enrollment(connection, enrollment_id)
    if own is not None and window_id is None:
        window_id = own[2]
    windows = _windows(connection, now=now, also=window_id)
    rows = {
        name: _by_person(connection, name, ids)
        for name in (
            "person_tag",
            "person_role",
            "consent",
            "topic_left",
            "event",
            "signup",
            "enrollment",
            "interest",
            "candidacy",
        )
    }
    mails = _mails(connection, ids)
    suppressed = _suppressed_topics(connection, [row.address_hash for row in people])
    return {
        row.id: PersonFacts(
            person_id=row.id,
            fields={name: getattr(row, name) for name in PERSON_FIELDS},
            zone=row.zone,
            custom=row.custom,
            tags=frozenset(each.tag for each in rows["person_tag"][row.id]),
            roles=frozenset(each.role for each in rows["person_role"][row.id]),
            consents=frozenset(each.entity_id for each in rows["consent"][row.id] if each.withdrawn_at is None),
            topics_left=frozenset(each.topic for each in rows["topic_left"][row.id]) | suppressed[row.address_hash],
            happenings=tuple(
                sorted(
                    [*map(_happening, rows["event"][row.id]), *map(_signed_up, rows["signup"][row.id])],
                    key=lambda each: each.at,
                )
            ),
            mails=mails[row.id],
            enrollments=tuple(EnrollmentFact(each.campaign_id, each.state) for each in rows["enrollment"][row.id]),
            interests=tuple(
                Interest(
                    each.office_level, each.state, each.division, each.election_year, each.party_path, each.incumbent
                )
                for each in rows["interest"][row.id]
            ),
            candidacies={each.window_id: CandidacyFact(each.status, each.at) for each in rows["candidacy"][row.id]},
            windows=tuple(windows.values()),
            window=windows.get(window_id) if window_id else None,
            enrollment=own[1] if own is not None and own[0] == row.id else None,
        )
        for row in people
    }


def _by_person(connection: Connection, name: str, ids: Iterable[int]) -> defaultdict[int, list[Row[Any]]]:
    table = TABLES[name]
    order = table.c.id if "id" in table.c else table.c.person_id
    found: defaultdict[int, list[Row[Any]]] = defaultdict(list)
    for row in connection.execute(select(table).where(table.c.person_id.in_(ids)).order_by(order)):
        found[row.person_id].append(row)
    return found


def _happening(row: Row[Any]) -> Happening:
    return Happening(
        name=row.name,
        at=row.at,
        received_at=row.received_at,
        ref=row.ref,
        value=row.value,
        active=row.active,
        campaign_id=row.campaign_id,
        enrollment_id=row.enrollment_id,
    )


def _signed_up(row: Row[Any]) -> Happening:
    return Happening(name="signup", at=row.at, received_at=row.received_at, ref=row.source, active=True)


def _mails(connection: Connection, ids: Iterable[int]) -> defaultdict[int, tuple[MailFact, ...]]:
    delivery = TABLES["delivery"]
    found: defaultdict[int, tuple[MailFact, ...]] = defaultdict(tuple)
    for row in connection.execute(
        select(
            delivery.c.person_id,
            delivery.c.campaign_id,
            delivery.c.step_key,
            delivery.c.enrollment_id,
            delivery.c.state,
            delivery.c.settled_at,
        ).where(delivery.c.person_id.in_(ids), delivery.c.state.in_(_SETTLED))
    ):
        found[row.person_id] += (MailFact(*row[1:]),)
    return found


def _suppressed_topics(connection: Connection, hashes: Iterable[bytes]) -> defaultdict[bytes, frozenset[str]]:
    suppression = TABLES["suppression"]
    found: defaultdict[bytes, frozenset[str]] = defaultdict(frozenset)
    for address_hash, topic in connection.execute(
        select(suppression.c.address_hash, suppression.c.scope_id).where(
            suppression.c.address_hash.in_(hashes),
            suppression.c.lifted_at.is_(None),
            suppression.c.scope == "topic",
        )
    ):
        found[bytes(address_hash)] |= {topic}
    return found


def _own_enrollment(connection: Connection, enrollment_id: int | None) -> tuple[int, OwnEnrollment, str | None] | None:
    """Whose it is, the enrollment, and its window."""
    if enrollment_id is None:
        return None
    enrollment, occurrence = TABLES["enrollment"], TABLES["occurrence"]
    row = connection.execute(select(enrollment).where(enrollment.c.id == enrollment_id)).one_or_none()
    if row is None:
        return None
    anchors = {name: key for name, key in row.anchors.items() if isinstance(key, str)}
    starts: dict[str, datetime] = {}
    for each in connection.execute(
        select(occurrence).where(occurrence.c.key.in_([*anchors.values(), row.occurrence_key or ""]))
    ):
        if anchors.get(each.calendar, row.occurrence_key) == each.key:
            starts[each.calendar] = each.starts_at
    return row.person_id, OwnEnrollment(row.id, row.entered_at, starts), row.window_id


def _windows(connection: Connection, *, now: datetime, also: str | None) -> dict[str, WindowFact]:
    """Those that may still be ahead, and the one that is asked about."""
    table, milestone = TABLES["filing_window"], TABLES["milestone"]
    wanted = (table.c.closes_on >= window_day(now).isoformat()) | (table.c.id == (also or ""))
    rows = connection.execute(select(table).where(wanted).order_by(table.c.closes_on, table.c.id)).all()
    milestones: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for each in connection.execute(select(milestone).where(milestone.c.window_id == (also or ""))):
        milestones[each.window_id][each.name] = each.on
    return {
        row.id: WindowFact(
            row.id,
            {name: getattr(row, WINDOW_COLUMNS.get(name, name)) for name in WINDOW_FIELDS},
            milestones[row.id],
        )
        for row in rows
    }
