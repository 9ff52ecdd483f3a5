"""Everything that is stored about one person: for her timeline, for `explain`, and for whoever asks what we know."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, Table, and_, case, func, select

from rfs_mail.store.expressions import wanted
from rfs_mail.store.tables import TABLES
from rfs_mail.store.types import AnyRow

person = TABLES["person"]
enrollment = TABLES["enrollment"]
delivery = TABLES["delivery"]
step_done = TABLES["step_done"]
suppression = TABLES["suppression"]
sweep = TABLES["sweep"]

BY_PERSON = (
    "person_tag", "person_role", "identifier", "signup", "consent", "topic_left", "interest", "candidacy",
    "candidate_match", "enrollment", "delivery", "event", "task",
)  # fmt: skip
"""The tables whose rows are about one person by `person_id`."""


def enrollments_of(connection: Connection, person_id: int) -> list[AnyRow]:
    """Her enrollments with her zone, the oldest first; where she was passed over she was never in it."""
    return list(
        connection.execute(
            select(*enrollment.c, person.c.zone, person.c.operator)
            .join(person, person.c.id == enrollment.c.person_id)
            .where(enrollment.c.person_id == person_id, enrollment.c.state != "passed_over")
            .order_by(enrollment.c.entered_at, enrollment.c.id)
        )
    )


def is_passed_over(connection: Connection, person_id: int, campaign_id: str) -> bool:
    """Did she qualify already when this campaign, which leaves such people out, was first applied?"""
    found = select(enrollment.c.id).where(
        enrollment.c.person_id == person_id,
        enrollment.c.campaign_id == campaign_id,
        enrollment.c.state == "passed_over",
    )
    return connection.execute(found).first() is not None


def steps_of(connection: Connection, enrollment_ids: Sequence[int]) -> list[AnyRow]:
    """The steps that these enrollments have taken, in the order of their recording."""
    return list(
        connection.execute(
            select(step_done).where(step_done.c.enrollment_id.in_(enrollment_ids)).order_by(step_done.c.at)
        )
    )


def deliveries_of(connection: Connection, person_id: int) -> list[AnyRow]:
    """Her deliveries, all columns, the oldest first."""
    return _rows(connection, delivery, person_id)


def events_of(connection: Connection, person_id: int) -> list[AnyRow]:
    """What happened to her, in order."""
    return _rows(connection, TABLES["event"], person_id, "at")


def signups_of(connection: Connection, person_id: int) -> list[AnyRow]:
    """Her sign-ups, in order."""
    return _rows(connection, TABLES["signup"], person_id, "at")


def tasks_of(connection: Connection, person_id: int) -> list[AnyRow]:
    """What staff were asked to do about her."""
    return _rows(connection, TABLES["task"], person_id, "created_at")


def candidacies_of(connection: Connection, person_id: int) -> list[AnyRow]:
    """How far she is with each window, with the office."""
    table, window = TABLES["candidacy"], TABLES["filing_window"]
    return list(
        connection.execute(
            select(*table.c, window.c.office, window.c.closes_on, window.c.state)
            .outerjoin(window, window.c.id == table.c.window_id)
            .where(table.c.person_id == person_id)
            .order_by(table.c.window_id)
        )
    )


def wanted_windows(connection: Connection, person_id: int) -> dict[str, bool]:
    """Window id -> by her own division?, of all windows that she wants by what she said; closed ones among them."""
    interest, window = TABLES["interest"], TABLES["filing_window"]
    own = case((and_(window.c.division != "", window.c.division == interest.c.division), 1), else_=0)
    rows = connection.execute(
        select(window.c.id, func.max(own).label("own"))
        .select_from(interest)
        .join(person, person.c.id == interest.c.person_id)
        .join(window, and_(*wanted(interest, person, window)))
        .where(interest.c.person_id == person_id)
        .group_by(window.c.id)
    )
    return {row.id: bool(row.own) for row in rows}


def passed_over_windows(connection: Connection, person_id: int, campaign_id: str) -> set[str]:
    """The windows for which this campaign leaves her out, because she qualified before it was first applied."""
    mine = (enrollment.c.person_id == person_id, enrollment.c.campaign_id == campaign_id)
    found = select(enrollment.c.window_id).where(*mine, enrollment.c.state == "passed_over")
    return set(connection.execute(found.where(enrollment.c.window_id.is_not(None))).scalars())


def everything(connection: Connection, person_id: int) -> dict[str, list[RowMapping]]:
    """Every row there is about her, by table, whole."""
    rows: dict[str, list[RowMapping]] = {}
    rows["person"] = list(connection.execute(select(person).where(person.c.id == person_id)).mappings())
    for name in BY_PERSON:
        table = TABLES[name]
        found = connection.execute(select(table).where(table.c.person_id == person_id).order_by(*_order(table)))
        rows[name] = list(found.mappings())
    steps = select(step_done).join(enrollment, enrollment.c.id == step_done.c.enrollment_id)
    steps = steps.where(enrollment.c.person_id == person_id).order_by(step_done.c.enrollment_id, step_done.c.at)
    rows["step_done"] = list(connection.execute(steps).mappings())
    hers = select(person.c.address_hash).where(person.c.id == person_id).scalar_subquery()
    suppressed = select(suppression).where(suppression.c.address_hash == hers).order_by(suppression.c.id)
    rows["suppression"] = list(connection.execute(suppressed).mappings())
    return rows


def _rows(connection: Connection, table: Table, person_id: int, order: str = "id") -> list[AnyRow]:
    statement = select(table).where(table.c.person_id == person_id).order_by(table.c[order], *_order(table))
    return list(connection.execute(statement))


def _order(table: Table) -> list[Any]:
    return list(table.primary_key.columns)


def open_walk(connection: Connection, campaign_id: str, key: str) -> AnyRow | None:
    """A walk over all people that has not come to its end; None where there is none."""
    return connection.execute(
        select(sweep).where(sweep.c.campaign_id == campaign_id, sweep.c.key == key, sweep.c.done_at.is_(None))
    ).one_or_none()


def is_walk_open(connection: Connection, campaign_id: str, key: str) -> bool:
    """Has a walk over all people not come to its end? One that has not begun has not either."""
    done = select(sweep.c.done_at).where(sweep.c.campaign_id == campaign_id, sweep.c.key == key)
    row = connection.execute(done).one_or_none()
    return row is None or row.done_at is None
