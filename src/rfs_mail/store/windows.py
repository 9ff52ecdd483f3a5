"""
Filing windows: what they say, what they said before, and who is to be called about them.

A change commits alone, with a version one higher where mail hangs on it: from that moment the gate refuses deliveries
that were planned by the version before. Nothing here touches an enrollment or a delivery; `replan` follows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Select,
    String,
    Text,
    and_,
    case,
    delete,
    func,
    literal,
    or_,
    select,
    union_all,
    update,
)

from rfs_mail.core.facts import FILED_STATUSES, window_day
from rfs_mail.core.filing_windows import (
    DOUBTFUL,
    FilingWindow,
    Version,
    WindowChange,
    last_move,
    split_moment,
    window_of,
)
from rfs_mail.core.values import STAGES_OFF_THE_LINE
from rfs_mail.store.dialect import insert
from rfs_mail.store.expressions import wanted
from rfs_mail.store.json_values import ByCodePoint
from rfs_mail.store.outbox import QUEUED
from rfs_mail.store.tables import TABLES
from rfs_mail.store.types import AnyRow

filing_window = TABLES["filing_window"]
filing_window_version = TABLES["filing_window_version"]
milestone = TABLES["milestone"]
interest = TABLES["interest"]
candidacy = TABLES["candidacy"]
person = TABLES["person"]
enrollment = TABLES["enrollment"]
delivery = TABLES["delivery"]
event = TABLES["event"]

_DIRECT = (
    "id", "jurisdiction", "state", "division", "office_level", "office", "election_on", "party_path", "incumbency",
    "opens_on", "opens_time", "closes_on", "closes_time", "zone", "status", "confidence", "source", "as_of", "notes",
)  # fmt: skip
"""What a window of the core and a row of the table both call so."""

_CALLED_OFF = ("withdrawn", "disqualified")
"""Of a candidacy: nobody calls about its window any more."""

_TERMS = 100
"""Windows a statement: SQLite takes no more than 500 terms of a UNION."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A window as it is kept."""

    window: FilingWindow
    version: int
    updated_at: datetime
    """Since when it says what mail hangs on; another source or note is no change."""


# -- reading -----------------------------------------------------------------------------------------------------------


def get(connection: Connection, window_id: str) -> Stored | None:
    """The window with this id; None where there is none."""
    found = _read(connection, select(filing_window).where(filing_window.c.id == window_id))
    return found[0] if found else None


def listing(
    connection: Connection,
    *,
    state: str | None = None,
    office_level: str | None = None,
    ids: Sequence[str] | None = None,
    closes_from: str | None = None,
    ahead_from: str | None = None,
) -> list[Stored]:
    """
    Windows, the nearest closing first; those whose closing nobody knows stand last.

    `closes_from` leaves out what closed before that ISO date, and keeps what has no closing; `ahead_from` leaves out
    what closed before it and whose election was before it.
    """
    statement = select(filing_window)
    if state is not None:
        statement = statement.where(filing_window.c.state == state)
    if office_level is not None:
        statement = statement.where(filing_window.c.office_level == office_level)
    if ids is not None:
        statement = statement.where(filing_window.c.id.in_(ids))
    if closes_from is not None:
        ahead = ByCodePoint(filing_window.c.closes_on) >= closes_from
        statement = statement.where(or_(ahead, filing_window.c.closes_on == ""))
    if ahead_from is not None:
        statement = statement.where(or_(_not_over(ahead_from), filing_window.c.closes_on == ""))
    unknown_last = filing_window.c.closes_on == ""
    return _read(connection, statement.order_by(unknown_last, filing_window.c.closes_on, filing_window.c.id))


def _not_over(day: str) -> ColumnElement[bool]:
    """Does a window close, or is its election, on this ISO date or later?"""
    return or_(*(ByCodePoint(filing_window.c[name]) >= day for name in ("closes_on", "election_on")))


def _read(connection: Connection, statement: Select[Any]) -> list[Stored]:
    rows = connection.execute(statement).all()
    moments: dict[str, dict[str, str]] = {}
    which = [row.id for row in rows]
    for start in range(0, len(which), 500):
        some = milestone.c.window_id.in_(which[start : start + 500])
        for one in connection.execute(select(milestone).where(some).order_by(milestone.c.window_id, milestone.c.name)):
            moments.setdefault(one.window_id, {})[one.name] = f"{one.on} {one.time}" if one.time else one.on
    return [
        Stored(
            FilingWindow(**{name: row._mapping[name] for name in _DIRECT}, milestones=moments.get(row.id, {})),
            row.version,
            row.updated_at,
        )
        for row in rows
    ]


def versions_of(connection: Connection, window_id: str) -> list[tuple[AnyRow, FilingWindow]]:
    """All that a window ever said, the oldest first: the row (version, file, by, at) and the window as it was then."""
    rows = connection.execute(
        select(filing_window_version)
        .where(filing_window_version.c.window_id == window_id)
        .order_by(filing_window_version.c.id)
    )
    return [(row, window_of(row.facts)) for row in rows]


def last_change(connection: Connection) -> int:
    """A number that grows with every window that is written; 0 where none ever was."""
    return int(connection.execute(select(func.coalesce(func.max(filing_window_version.c.id), 0))).scalar_one())


def histories(connection: Connection, window_ids: Sequence[str]) -> dict[str, list[Version]]:
    """Window id -> all that it ever said, the oldest first. Windows that were never imported are absent."""
    found: dict[str, list[Version]] = {}
    for start in range(0, len(window_ids), 500):
        rows = connection.execute(
            select(filing_window_version)
            .where(filing_window_version.c.window_id.in_(window_ids[start : start + 500]))
            .order_by(filing_window_version.c.id)
        )
        for row in rows:
            found.setdefault(row.window_id, []).append(Version(row.version, row.at, window_of(row.facts)))
    return found


def known_since(connection: Connection, window_ids: Sequence[str]) -> dict[str, datetime]:
    """Window id -> when it was first imported; windows that never were are absent."""
    found: dict[str, datetime] = {}
    for start in range(0, len(window_ids), 500):
        rows = connection.execute(
            select(filing_window_version.c.window_id, func.min(filing_window_version.c.at))
            .where(filing_window_version.c.window_id.in_(window_ids[start : start + 500]))
            .group_by(filing_window_version.c.window_id)
        )
        found |= {row[0]: row[1] for row in rows}
    return found


def doubtful(connection: Connection, *, now: datetime) -> list[AnyRow]:
    """Windows that may still be ahead and that no countdown may trust: id, confidence, closes_on."""
    ahead = or_(ByCodePoint(filing_window.c.closes_on) >= window_day(now).isoformat(), filing_window.c.closes_on == "")
    return list(
        connection.execute(
            select(filing_window.c.id, filing_window.c.confidence, filing_window.c.closes_on)
            .where(ahead, filing_window.c.confidence.in_(DOUBTFUL), filing_window.c.status != "cancelled")
            .order_by(filing_window.c.closes_on, filing_window.c.id)
        )
    )


# -- changing ----------------------------------------------------------------------------------------------------------


def apply_change(connection: Connection, change: WindowChange, *, file: str, by: str, now: datetime) -> int | None:
    """
    Write a window as it is now; returns its version, one higher where mail hangs on what changed.

    None, and nothing is written, where the window is no longer what `change` was made from: somebody else was faster.
    The row is held until the transaction ends, so that the gate sees the version before or the version after.
    """
    new = change.new
    connection.execute(select(filing_window.c.id).where(filing_window.c.id == new.id).with_for_update())
    stored = get(connection, new.id)
    if (stored.window if stored is not None else None) != change.old:
        return None
    version = 1 if stored is None else stored.version + change.moves
    since = now if stored is None or change.moves else stored.updated_at
    values = {name: getattr(new, name) for name in _DIRECT} | {"version": version, "updated_at": since}
    if stored is None:
        if not connection.execute(insert(connection, filing_window).values(values).on_conflict_do_nothing()).rowcount:
            return None
    else:
        connection.execute(update(filing_window).where(filing_window.c.id == new.id).values(values))
    connection.execute(delete(milestone).where(milestone.c.window_id == new.id))
    for name, moment in new.milestones.items():
        day, clock = split_moment(moment)
        connection.execute(milestone.insert().values(window_id=new.id, name=name, on=day, time=clock))
    connection.execute(
        filing_window_version.insert().values(
            window_id=new.id, version=version, facts=new.as_values(), file=file, by=by, at=now
        )
    )
    return version


# -- people ------------------------------------------------------------------------------------------------------------


def _as_rows(windows: Sequence[FilingWindow]) -> FromClause:
    """Windows as a table, whether they are stored or not: what `wanted` compares."""
    names = ("id", "state", "office_level", "division", "election_on", "party_path", "incumbency")
    lines = [select(*(literal(getattr(one, name) or "", Text()).label(name) for name in names)) for one in windows]
    return (union_all(*lines) if len(lines) > 1 else lines[0]).subquery("asked")


def people_of(connection: Connection, windows: Sequence[FilingWindow]) -> dict[str, set[int]]:
    """
    Window id -> who hangs on it: wants it by what she said, or is on her way through a campaign about it.

    The ids of people, for windows that may not be stored yet.
    """
    found: dict[str, set[int]] = {one.id: set() for one in windows}
    for start in range(0, len(windows), _TERMS):
        some = windows[start : start + _TERMS]
        asked = _as_rows(some)
        wanting = (
            select(asked.c.id, interest.c.person_id)
            .select_from(interest)
            .join(person, person.c.id == interest.c.person_id)
            .join(asked, and_(*wanted(interest, person, asked)))
            .distinct()
        )
        under_way = select(enrollment.c.window_id, enrollment.c.person_id).where(
            enrollment.c.state == "active", enrollment.c.window_id.in_([one.id for one in some])
        )
        for statement in (wanting, under_way):
            for window_id, person_id in connection.execute(statement):
                found[window_id].add(person_id)
    return found


def wanted_by(connection: Connection, people: Sequence[int], *, ahead_from: str) -> list[str]:
    """The windows that any of these people want and that are not over before an ISO date, as ids. One statement."""
    return list(
        connection.execute(
            select(filing_window.c.id)
            .select_from(interest)
            .join(person, person.c.id == interest.c.person_id)
            .join(filing_window, and_(*wanted(interest, person, filing_window)))
            .where(interest.c.person_id.in_(people), _not_over(ahead_from))
            .distinct()
            .order_by(filing_window.c.id)
        ).scalars()
    )


def queued_of(connection: Connection, window_ids: Sequence[str]) -> list[AnyRow]:
    """
    Mail that waits and hangs on these windows, counted: window_id, campaign_id, revision_id, step_key, zone, number.

    As many rows as there are steps and zones, however many people wait.
    """
    columns = (
        delivery.c.window_id, delivery.c.campaign_id, delivery.c.revision_id, delivery.c.step_key, person.c.zone,
    )  # fmt: skip
    return list(
        connection.execute(
            select(*columns, func.count().label("number"))
            .join(person, person.c.id == delivery.c.person_id)
            .where(QUEUED, delivery.c.window_id.in_(window_ids))
            .group_by(*columns)
            .order_by(*columns)
        )
    )


def in_flight(connection: Connection, window_ids: Sequence[str]) -> list[AnyRow]:
    """
    Who is on her way about these windows, counted: window_id, campaign_id, revision_id, step_key, zone, number.

    `step_key` is the step she takes next. As many rows as there are steps and zones.
    """
    about = (enrollment.c.window_id, enrollment.c.campaign_id, enrollment.c.revision_id)
    columns = (*about, enrollment.c.step_key, person.c.zone)
    return list(
        connection.execute(
            select(*columns, func.count().label("number"))
            .join(person, person.c.id == enrollment.c.person_id)
            .where(enrollment.c.state == "active", enrollment.c.window_id.in_(window_ids))
            .group_by(*columns)
            .order_by(*columns)
        )
    )


def standing_in(connection: Connection, window_id: str) -> dict[str, int]:
    """How many people are how far with a window: candidacy status -> people."""
    rows = connection.execute(
        select(candidacy.c.status, func.count())
        .where(candidacy.c.window_id == window_id)
        .group_by(candidacy.c.status)
        .order_by(candidacy.c.status)
    )
    return {row[0]: row[1] for row in rows}


def _did() -> ColumnElement[Any]:
    """The last thing a person did herself by mail: a click of hers or an answer. The event's id."""
    return (
        select(event.c.id)
        .where(
            event.c.person_id == person.c.id,
            or_(event.c.name == "answered", and_(event.c.name == "clicked", event.c.value == "human")),
        )
        .order_by(event.c.at.desc(), event.c.id.desc())
        .limit(1)
        .correlate(person)
        .scalar_subquery()
    )


def closing(
    connection: Connection, *, now: datetime, within: timedelta, state: str | None = None, limit: int | None = None
) -> list[AnyRow]:
    """
    Whom to call: who wants a window that closes from today to `within` (whole days) from now, and has not filed for it.

    A row a person and window, the nearest closing first: the window, the person, how far she is with it (`candidacy`),
    and the last thing she did herself (`last_did`, `last_about`, `last_said`, `last_at`). People who said that they do
    not run (`not_now` and the other stages off the line) and those who withdrew from the window are left out. One
    statement.
    """
    today = window_day(now)
    closes = ByCodePoint(filing_window.c.closes_on)
    last = event.alias("last")
    about = (
        select(interest.c.person_id, filing_window.c.id.label("window_id"))
        .select_from(interest)
        .join(person, person.c.id == interest.c.person_id)
        .join(filing_window, and_(*wanted(interest, person, filing_window)))
        .where(
            closes >= today.isoformat(),
            closes <= (today + within).isoformat(),
            filing_window.c.status != "cancelled",
            *([filing_window.c.state == state] if state is not None else []),
        )
        .distinct()
        .subquery("about")
    )
    mine = and_(candidacy.c.person_id == about.c.person_id, candidacy.c.window_id == about.c.window_id)
    statement = (
        select(
            about.c.window_id, filing_window.c.office, filing_window.c.office_level, filing_window.c.jurisdiction,
            filing_window.c.state, filing_window.c.closes_on, filing_window.c.closes_time,
            filing_window.c.zone.label("office_zone"), filing_window.c.confidence, person.c.id.label("person_id"),
            person.c.address, person.c.given_name, person.c.family_name, person.c.stage, person.c.county,
            person.c.zip, person.c.lang, person.c.zone, candidacy.c.status.label("candidacy"),
            last.c.name.label("last_did"), last.c.ref.label("last_about"),
            func.coalesce(last.c.value, literal("", String())).label("last_said"), last.c.at.label("last_at"),
        )
        .select_from(about)
        .join(person, person.c.id == about.c.person_id)
        .join(filing_window, filing_window.c.id == about.c.window_id)
        .outerjoin(candidacy, mine)
        .outerjoin(last, last.c.id == _did())
        .where(
            person.c.stage.not_in(sorted(STAGES_OFF_THE_LINE)),
            or_(candidacy.c.status.is_(None), candidacy.c.status.not_in([*FILED_STATUSES, *_CALLED_OFF])),
        )
        .order_by(filing_window.c.closes_on, about.c.window_id, person.c.address)
    )  # fmt: skip
    return list(connection.execute(statement if limit is None else statement.limit(limit)))


# -- what a mail is about ----------------------------------------------------------------------------------------------


def close_together(one: FromClause, other: FromClause) -> list[ColumnElement[bool]]:
    """The conditions under which two windows are one occasion: they close at one time in one state."""
    return [
        one.c.state == other.c.state,
        one.c.closes_on == other.c.closes_on,
        func.coalesce(one.c.closes_time, "") == func.coalesce(other.c.closes_time, ""),
        one.c.zone == other.c.zone,
    ]


@dataclass(frozen=True, slots=True)
class About:
    """
    A window that a mail is about. `approximate`: found by office level and state, not by her own division.

    `before` is what people were told of it before its closing moved by more than a day; None where it never did.
    """

    window: FilingWindow
    version: int
    approximate: bool
    before: FilingWindow | None = None


def told_before(connection: Connection, window_ids: Sequence[str]) -> dict[str, FilingWindow]:
    """Window id -> the window as people were told it before its last move; those that never moved are absent."""
    moves = {name: last_move(versions) for name, versions in histories(connection, window_ids).items()}
    return {name: move.before for name, move in moves.items() if move is not None}


def of_deliveries(connection: Connection, delivery_ids: Sequence[int]) -> dict[int, tuple[About, ...]]:
    """
    Delivery id -> the windows its mail is about: its own first, then those she wants that close with it.

    What she has filed for is left out, but for the mail's own window. Deliveries about no window are absent.
    """
    if not delivery_ids:
        return {}
    other = filing_window.alias("other")
    exact = and_(other.c.division.is_not(None), other.c.division != "", interest.c.division == other.c.division)
    filed = select(candidacy.c.window_id).where(
        candidacy.c.person_id == delivery.c.person_id, candidacy.c.status.in_(FILED_STATUSES)
    )
    mine = and_(delivery.c.id.in_(delivery_ids), delivery.c.window_id.is_not(None))
    rows = connection.execute(
        select(delivery.c.id, other.c.id.label("window_id"), func.max(case((exact, 1), else_=0)).label("exact"))
        .select_from(delivery)
        .join(filing_window, filing_window.c.id == delivery.c.window_id)
        .join(
            other,
            and_(
                *close_together(other, filing_window),
                other.c.status != "cancelled",
            ),
        )
        .join(person, person.c.id == delivery.c.person_id)
        .join(interest, and_(interest.c.person_id == person.c.id, *wanted(interest, person, other)))
        .where(mine, other.c.id.not_in(filed))
        .group_by(delivery.c.id, other.c.id)
        .order_by(delivery.c.id, other.c.id)
    ).all()
    own = {row.id: row.window_id for row in connection.execute(select(delivery.c.id, delivery.c.window_id).where(mine))}
    exactly = {(row.id, row.window_id): bool(row.exact) for row in rows}
    stored = {one.window.id: one for one in listing(connection, ids=sorted({*own.values(), *(w for _, w in exactly)}))}
    before = told_before(connection, [name for name, one in stored.items() if one.version > 1])
    found: dict[int, tuple[About, ...]] = {}
    for one, first in own.items():
        others = [name for (of, name) in exactly if of == one and name != first]
        found[one] = tuple(
            About(stored[name].window, stored[name].version, not exactly.get((one, name), False), before.get(name))
            for name in (first, *others)
            if name in stored
        )
    return found


def ahead_of(connection: Connection, person_id: int, *, closes_from: str) -> tuple[About, ...]:
    """
    The windows that a person wants, the nearest closing first; those whose closing nobody knows stand last.

    Without those that closed before the ISO date `closes_from`, those that were called off, and what she has filed for.
    """
    exact = and_(filing_window.c.division != "", interest.c.division == filing_window.c.division)
    filed = select(candidacy.c.window_id).where(
        candidacy.c.person_id == person_id, candidacy.c.status.in_(FILED_STATUSES)
    )
    rows = connection.execute(
        select(filing_window.c.id, func.max(case((exact, 1), else_=0)).label("exact"))
        .select_from(interest)
        .join(person, person.c.id == interest.c.person_id)
        .join(filing_window, and_(*wanted(interest, person, filing_window)))
        .where(
            person.c.id == person_id,
            or_(ByCodePoint(filing_window.c.closes_on) >= closes_from, filing_window.c.closes_on == ""),
            filing_window.c.status != "cancelled",
            filing_window.c.id.not_in(filed),
        )
        .group_by(filing_window.c.id)
    ).all()
    exactly = {row.id: bool(row.exact) for row in rows}
    stored = listing(connection, ids=sorted(exactly))
    return tuple(About(one.window, one.version, not exactly[one.window.id]) for one in stored)


# -- official lists ----------------------------------------------------------------------------------------------------

candidate_match = TABLES["candidate_match"]


def hopefuls(connection: Connection, *, state: str, window_ids: Sequence[str]) -> list[AnyRow]:
    """
    Who may stand on an official list of a state: people who want one of these windows and have not filed for it.

    Rows of person_id, window_id, given_name, family_name, county, division (of what she wants).
    """
    mine = and_(candidacy.c.person_id == person.c.id, candidacy.c.window_id == filing_window.c.id)
    return list(
        connection.execute(
            select(
                person.c.id.label("person_id"), filing_window.c.id.label("window_id"), person.c.given_name,
                person.c.family_name, person.c.county, interest.c.division,
            )
            .select_from(interest)
            .join(person, person.c.id == interest.c.person_id)
            .join(filing_window, and_(*wanted(interest, person, filing_window)))
            .outerjoin(candidacy, mine)
            .where(
                filing_window.c.id.in_(window_ids),
                filing_window.c.state == state,
                person.c.family_name.is_not(None),
                or_(candidacy.c.status.is_(None), candidacy.c.status.not_in(FILED_STATUSES)),
            )
            .order_by(filing_window.c.closes_on, filing_window.c.id, person.c.id)
        )
    )  # fmt: skip


def put_match(connection: Connection, row: Mapping[str, Any]) -> bool:
    """Put a possible match before staff; False where the same was put before them already, decided or not."""
    statement = insert(connection, candidate_match).values(**row).on_conflict_do_nothing()
    return connection.execute(statement).rowcount == 1


def matches(connection: Connection, *, state: str | None = "open", ids: Sequence[int] | None = None) -> list[AnyRow]:
    """Possible matches with the address and names of their people, the surest first."""
    statement = (
        select(
            *candidate_match.c, person.c.address, person.c.given_name, person.c.family_name, person.c.stage,
            person.c.county, filing_window.c.office, filing_window.c.closes_on,
        )
        .join(person, person.c.id == candidate_match.c.person_id)
        .join(filing_window, filing_window.c.id == candidate_match.c.window_id)
        .order_by(candidate_match.c.score.desc(), candidate_match.c.id)
    )  # fmt: skip
    if state is not None:
        statement = statement.where(candidate_match.c.state == state)
    if ids is not None:
        statement = statement.where(candidate_match.c.id.in_(ids))
    return list(connection.execute(statement))


def decide(connection: Connection, row: AnyRow, state: str, *, by: str, now: datetime) -> bool:
    """
    Open -> accepted or declined, for a row of `matches`; False where it is not open any more.

    Accepted, other open matches of that person and window ask for nothing more: they become `moot`.
    """
    still = update(candidate_match).where(candidate_match.c.state == "open")
    said = {"decided_at": now, "decided_by": by}
    if not connection.execute(still.where(candidate_match.c.id == row.id).values(state=state, **said)).rowcount:
        return False
    if state == "accepted":
        same = (candidate_match.c.person_id == row.person_id) & (candidate_match.c.window_id == row.window_id)
        connection.execute(still.where(same).values(state="moot", **said))
    return True
