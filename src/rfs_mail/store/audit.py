"""What is recorded about all mail, for somebody who holds it against a receiving side's own log. Only reads."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, and_, case, func, or_, select

from rfs_mail.core.reasons import Reason
from rfs_mail.store.enrollments import ACTIVE
from rfs_mail.store.outbox import QUEUED
from rfs_mail.store.tables import TABLES
from rfs_mail.store.types import AnyRow

delivery = TABLES["delivery"]
enrollment = TABLES["enrollment"]
event = TABLES["event"]
person = TABLES["person"]
signup_import = TABLES["signup_import"]
step_done = TABLES["step_done"]
suppression = TABLES["suppression"]
topic_left = TABLES["topic_left"]


def marked(connection: Connection) -> list[AnyRow]:
    """Every delivery that was ever on its way, with mailbox and zone of its person (None where she was erased)."""
    names = (
        "id", "message_id", "state", "reason", "campaign_id", "step_key", "entity_id", "topic", "cap", "deadline",
        "resends", "window_id",
    )  # fmt: skip
    return list(
        connection.execute(
            select(*(delivery.c[name] for name in names), person.c.mailbox, person.c.zone)
            .outerjoin(person, person.c.id == delivery.c.person_id)
            .where(delivery.c.message_id.is_not(None))
            .order_by(delivery.c.id)
        )
    )


def states(connection: Connection) -> list[AnyRow]:
    """How many deliveries stand where and why: rows of campaign_id, state, reason, number."""
    columns = (delivery.c.campaign_id, delivery.c.state, delivery.c.reason)
    return list(connection.execute(select(*columns, func.count().label("number")).group_by(*columns)))


def departures(connection: Connection) -> list[AnyRow]:
    """
    Who left what, when: rows of mailbox, scope (all, entity, topic), scope_id, except_topics, reason, at, lifted_at.

    People whose address was erased are not among them: their mailbox is not known any more.
    """
    left = select(
        person.c.mailbox, suppression.c.scope, suppression.c.scope_id, suppression.c.except_topics,
        suppression.c.reason, suppression.c.at, suppression.c.lifted_at,
    ).join(person, person.c.address_hash == suppression.c.address_hash)  # fmt: skip
    topics = select(person.c.mailbox, topic_left.c.topic, topic_left.c.at).join(
        person, person.c.id == topic_left.c.person_id
    )
    return [*connection.execute(left), *connection.execute(topics)]


def entered(connection: Connection) -> list[AnyRow]:
    """Campaign -> how many are or were in it, and how many ended at its goal, without holdout and passed over."""
    reached = and_(enrollment.c.state == "exited", enrollment.c.ended_because == Reason.GOAL_REACHED.value)
    return list(
        connection.execute(
            select(
                enrollment.c.campaign_id,
                func.count().label("entered"),
                func.sum(case((reached, 1), else_=0)).label("goals"),
            )
            .where(enrollment.c.state.not_in(("holdout", "passed_over")))
            .group_by(enrollment.c.campaign_id)
        )
    )


def rows_imported(connection: Connection) -> AnyRow:
    """The figures of all imports together: files, rows, created, merged, unchanged, rejected."""
    names = ("rows", "created", "merged", "unchanged", "rejected")
    sums = (func.coalesce(func.sum(signup_import.c[name]), 0).label(name) for name in names)
    return connection.execute(select(func.count().label("files"), *sums)).one()


def rejected_files(connection: Connection) -> list[str]:
    """Where the rejected rows of all imports are."""
    wanted = select(signup_import.c.rejected_file).where(signup_import.c.rejected_file.is_not(None))
    return list(connection.execute(wanted.order_by(signup_import.c.id)).scalars())


def count_people(connection: Connection) -> int:
    """How many people there are."""
    return int(connection.execute(select(func.count()).select_from(person)).scalar_one())


def happened(connection: Connection) -> list[AnyRow]:
    """How often what happened: rows of name, value (of clicks, answers and stages), number."""
    said = case((or_(*(event.c.name == name for name in ("clicked", "answered", "stage"))), event.c.value), else_="")
    return list(
        connection.execute(
            select(event.c.name, said.label("value"), func.count().label("number")).group_by(event.c.name, said)
        )
    )


def steps_of_windows(connection: Connection, window_ids: Sequence[str]) -> list[AnyRow]:
    """Who is on her way to these windows and has a time for her next step: rows of id, step_key, due_at."""
    return list(
        connection.execute(
            select(enrollment.c.id, enrollment.c.step_key, enrollment.c.due_at).where(
                ACTIVE, enrollment.c.window_id.in_(window_ids), enrollment.c.due_at.is_not(None)
            )
        )
    )


def mails_of_windows(connection: Connection, window_ids: Sequence[str], *, since: datetime | None) -> list[AnyRow]:
    """Mail about these windows that waits in the queue or was settled from `since` on: id, due_at, not_after."""
    there = or_(QUEUED, delivery.c.settled_at >= since) if since is not None else QUEUED
    columns = (delivery.c.id, delivery.c.due_at, delivery.c.not_after)
    return list(connection.execute(select(*columns).where(there, delivery.c.window_id.in_(window_ids))))


def count_passed_by(connection: Connection, window_ids: Sequence[str], *, since: datetime) -> int:
    """Steps and queued mails that a moved date put into the past, from `since` on."""
    gone = Reason.WINDOW_MOVED.value
    steps = (
        select(func.count())
        .select_from(step_done)
        .join(enrollment, enrollment.c.id == step_done.c.enrollment_id)
        .where(enrollment.c.window_id.in_(window_ids), step_done.c.reason == gone, step_done.c.at >= since)
    )
    mails = select(func.count()).where(
        delivery.c.window_id.in_(window_ids), delivery.c.reason == gone, delivery.c.settled_at >= since
    )
    return sum(int(connection.execute(one).scalar_one()) for one in (steps, mails))
