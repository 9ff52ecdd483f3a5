"""
Enrollments: created once an occasion, found when due, moved, ended. Every statement here works on sets of people.

Nothing else writes an enrollment, but for `outbox.wake`, which tells one that its delivery is settled.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from math import inf
from operator import attrgetter, itemgetter
from typing import Any

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Connection,
    FromClause,
    Integer,
    Select,
    String,
    Update,
    and_,
    bindparam,
    case,
    cast,
    delete,
    exists,
    false,
    func,
    literal,
    literal_column,
    or_,
    select,
    true,
    update,
)

from rfs_mail.core.expression import Expression
from rfs_mail.core.facts import FILED_STATUSES
from rfs_mail.core.lifecycle import UNSETTLED, EnrollmentState
from rfs_mail.core.reasons import DATE_UNKNOWN, Reason
from rfs_mail.store import outbox, tasks
from rfs_mail.store.dialect import among as one_of
from rfs_mail.store.dialect import (
    among_bound,
    among_value,
    gathered,
    insert_many,
    instants,
    json_text,
    mapped,
    mapped_instant,
    update_many,
)
from rfs_mail.store.dialect import insert as upsert
from rfs_mail.store.expressions import compile_expression, wanted
from rfs_mail.store.json_values import ByCodePoint, JsonValue
from rfs_mail.store.tables import TABLES
from rfs_mail.store.types import AnyRow, BigId, Instant, Json
from rfs_mail.store.windows import close_together

person = TABLES["person"]
enrollment = TABLES["enrollment"]
step_done = TABLES["step_done"]
consent = TABLES["consent"]
suppression = TABLES["suppression"]
topic_left = TABLES["topic_left"]
signup = TABLES["signup"]
event = TABLES["event"]
touched = TABLES["touched"]
sweep = TABLES["sweep"]
filing_window = TABLES["filing_window"]
interest = TABLES["interest"]
candidacy = TABLES["candidacy"]
delivery = TABLES["delivery"]

PASSED_OVER = EnrollmentState.PASSED_OVER.value

# Literal and not bound: SQLite uses a partial index only where it can see that the condition implies the index's own.
ACTIVE = enrollment.c.state == literal_column("'active'")

# SQLite keeps no statistics here: any equality looks to it like a handful of rows, and it would walk a whole campaign,
# or everybody of a stage, to find the few who are asked about. An expression in place of a column keeps it from using
# that column's index, so that it begins with the ids it is given.
_HER = person.c.id == enrollment.c.person_id + 0
_IS_ACTIVE = func.coalesce(enrollment.c.state, "") == "active"


# -- entering ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Admission:
    """Who may enter a campaign: all of `must`, none of `must_not`, and mailable by its entity on its topic."""

    campaign_id: str
    revision_id: int
    entity_id: str
    topic: str
    first_step: str
    must: tuple[Expression, ...] = ()
    must_not: tuple[Expression, ...] = ()
    holdout: float = 0.0
    """Share kept out, 0 to 1."""
    holdout_salt: int = 0
    reentry_cut: datetime | None = None
    """Earlier enrollments that ended before this do not count; None: one is one too many."""


@dataclass(frozen=True, slots=True)
class Start:
    """What the new enrollments begin with."""

    entered_at: datetime
    occasion: str = ""
    """Empty: `once:N`, counted for each person."""
    occurrence_key: str | None = None
    due_by_zone: Mapping[str, datetime] = field(default_factory=dict)
    """Zone -> due time of the first step, where it is the same for everybody of a zone; else `advance` plans it."""


def zones(connection: Connection, *, after: int, up_to: int) -> list[str]:
    """The zones that the people with ids in `(after, up_to]` live in."""
    among = select(person.c.zone).where(person.c.id > after, person.c.id <= up_to)
    return list(connection.execute(among.distinct()).scalars())


def last_person_id(connection: Connection) -> int:
    """The highest person id there is; 0 where nobody is."""
    return int(connection.execute(select(func.coalesce(func.max(person.c.id), 0))).scalar_one())


def enroll_people(
    connection: Connection,
    admission: Admission,
    start: Start,
    *,
    now: datetime,
    ids: Sequence[int] | None = None,
    after: int = 0,
    up_to: int = 0,
    limit: int | None = None,
) -> tuple[int, int]:
    """
    Enroll whoever qualifies among `ids`, or among the ids in `(after, up_to]`.

    Returns how many entered and the last person id that was looked at. With a `limit` the walk may stop early: the
    second figure says where to go on. One statement: INSERT .. SELECT with the unique key as the idempotence.
    """
    among = person.c.id.in_(ids) if ids is not None else and_(person.c.id > after, person.c.id <= up_to)
    chosen = select(
        person.c.id.label("person_id"),
        _occasion(admission, start.occasion).label("occasion"),
        person.c.zone.label("zone"),
    ).where(among, *_admits(admission, now=now))
    if start.occasion:
        previous = enrollment.alias("previous")
        chosen = chosen.where(
            ~exists().where(
                previous.c.campaign_id == admission.campaign_id,
                previous.c.person_id == person.c.id,
                previous.c.occasion == start.occasion,
            )
        )
    else:
        chosen = chosen.where(_may_come_again(admission, person.c.id))
    if limit is not None:
        chosen = chosen.order_by(person.c.id).limit(limit)
    picked = chosen.subquery("picked")
    due: ColumnElement[Any] = literal(start.entered_at if start.entered_at > now else now, Instant())
    planned: ColumnElement[Any] = literal(False)
    if start.due_by_zone:
        due = case(
            *[(picked.c.zone == zone, literal(at, Instant())) for zone, at in start.due_by_zone.items()], else_=due
        )
        planned = case((picked.c.zone.in_(list(start.due_by_zone)), true()), else_=false())
    entered, highest = _insert(
        connection,
        admission,
        select(
            picked.c.person_id,
            picked.c.occasion,
            literal(start.entered_at, Instant()),
            literal(start.occurrence_key, String()),
            due,
            planned,
        ),
        tell_highest=limit is not None,
    )
    stopped_early = limit is not None and entered >= limit
    return entered, highest if stopped_early and highest is not None else up_to


def pass_over(
    connection: Connection, admission: Admission, *, now: datetime, known_before: datetime, after: int, up_to: int
) -> int:
    """
    Put down who of the ids in `(after, up_to]` qualifies now, so that she does not enter for that; returns how many.

    `existing: skip` leaves out who qualified at the first apply; who was not known before it is no such person. One row
    a person, in the state `passed_over`, which no other enrollment of hers in this campaign can pass.
    """
    qualifies = select(person.c.id).where(
        person.c.id > after, person.c.id <= up_to, person.c.created_at < known_before, *_admits(admission, now=now)
    )
    who = qualifies.where(_may_come_again(admission, person.c.id)).subquery("who")
    return _put_down(connection, admission, who.c.id, literal(PASSED_OVER), literal(None, String()), now=now)


def _put_down(
    connection: Connection,
    admission: Admission,
    who: ColumnElement[int],
    occasion: ColumnElement[str],
    window_id: ColumnElement[Any],
    *,
    now: datetime,
) -> int:
    """Write people of a statement down as passed over; who is in the campaign by that occasion stays as she is."""
    rows = select(
        literal(admission.campaign_id), who, occasion, window_id, literal(PASSED_OVER),
        literal(admission.revision_id, BigId), literal(now, Instant()), literal(admission.first_step), literal(False),
        literal({}, Json), literal({}, Json),
    )  # fmt: skip
    names = [
        "campaign_id", "person_id", "occasion", "window_id", "state", "revision_id", "entered_at", "step_key",
        "planned", "anchors", "ended_detail",
    ]  # fmt: skip
    statement = upsert(connection, enrollment).from_select(names, rows.where(true()), include_defaults=False)
    return connection.execute(statement.on_conflict_do_nothing()).rowcount


def forget_passed_over(
    connection: Connection,
    admission: Admission,
    *,
    now: datetime,
    ids: Sequence[int] | None = None,
    after: int = 0,
    up_to: int = 0,
) -> int:
    """Who was passed over and no longer qualifies may enter when she next does; returns how many these are."""
    among = person.c.id.in_(ids) if ids is not None else and_(person.c.id > after, person.c.id <= up_to)
    mine = (
        enrollment.c.person_id.in_(ids)
        if ids is not None
        else and_(enrollment.c.person_id > after, enrollment.c.person_id <= up_to)
    )
    still = select(person.c.id).where(among, *_admits(admission, now=now))
    return connection.execute(
        delete(enrollment).where(
            enrollment.c.campaign_id == admission.campaign_id,
            enrollment.c.occasion == PASSED_OVER,
            mine,
            enrollment.c.person_id.not_in(still),
        )
    ).rowcount


_PEOPLE: Any = bindparam("people", expanding=True)
_SINCE = bindparam("since", type_=Instant())
_NOT_IN = ~exists().where(
    enrollment.c.campaign_id == bindparam("campaign"), enrollment.c.person_id == literal_column("happened.person_id")
)


def _any_signup(*, newcomers: bool) -> Select[Any]:
    happened = signup.alias("happened")
    found = select(happened.c.id).where(happened.c.person_id.in_(_PEOPLE), happened.c.at >= _SINCE).limit(1)
    return found.where(_NOT_IN) if newcomers else found


def _any_event(*, newcomers: bool, stage: bool) -> Select[Any]:
    happened = event.alias("happened")
    found = select(happened.c.id).where(
        happened.c.person_id.in_(_PEOPLE), happened.c.at >= _SINCE, happened.c.name == bindparam("name")
    )
    if stage:
        found = found.where(happened.c.value == bindparam("stage"))
    return (found.where(_NOT_IN) if newcomers else found).limit(1)


_ANY_SIGNUP = {newcomers: _any_signup(newcomers=newcomers) for newcomers in (True, False)}
_ANY_EVENT = {
    (newcomers, stage): _any_event(newcomers=newcomers, stage=stage)
    for newcomers in (True, False)
    for stage in (True, False)
}


def may_have_begun(
    connection: Connection,
    people: Sequence[int],
    campaign_id: str,
    *,
    name: str,
    stage: str | None,
    since: datetime,
    once: bool,
) -> bool:
    """
    Did the event that starts a campaign happen to any of these people at all?

    With `once`, to any who is not and was not in the campaign. Most of the time it did not, and then nothing is asked
    about audiences.
    """
    values = {"people": list(people), "since": since} | ({"campaign": campaign_id} if once else {})
    if name == "signup":
        statement = _ANY_SIGNUP[once]
    else:
        statement = _ANY_EVENT[once, stage is not None]
        values |= {"name": "stage", "stage": stage} if stage is not None else {"name": name}
    return connection.execute(statement, values).first() is not None


def enroll_by_event(
    connection: Connection,
    admission: Admission,
    *,
    name: str,
    stage: str | None,
    since: datetime,
    now: datetime,
    per_window: bool = False,
    ids: Sequence[int] | None = None,
    after: int = 0,
    up_to: int = 0,
) -> int:
    """
    Enroll the people to whom an event happened (`signup`, a name, or a stage reached), by the event's own time.

    The latest such event of a person counts, of each window where it is `per_window`, and only one since `since`.
    Returns how many entered.
    """
    among = person.c.id.in_(ids) if ids is not None else and_(person.c.id > after, person.c.id <= up_to)
    if name == "signup":
        happened, when = signup, signup.c.at
        latest = (
            select(signup.c.id)
            .where(signup.c.person_id == person.c.id, signup.c.at >= since)
            .order_by(signup.c.at.desc(), signup.c.id.desc())
        )
        key = literal("event:signup-")
        window: ColumnElement[Any] = literal(None, String())
    else:
        happened, when = event, event.c.at

        def matches(one: FromClause) -> list[ColumnElement[bool]]:
            what = and_(one.c.name == "stage", one.c.value == stage) if stage is not None else one.c.name == name
            return [one.c.person_id == person.c.id, one.c.at >= since, what]

        last = event.alias("last")
        latest = select(last.c.id).where(*matches(last)).order_by(last.c.at.desc(), last.c.id.desc())
        if per_window:
            latest = latest.where(func.coalesce(last.c.window_id, "") == func.coalesce(event.c.window_id, ""))
        key = literal("event:")
        window = event.c.window_id
    occasion = key + cast(happened.c.id, String)
    its_latest = happened.c.id == latest.limit(1).correlate(person, event).scalar_subquery()
    if per_window and name != "signup":
        occasion = case((event.c.window_id.is_not(None), literal("window:") + event.c.window_id), else_=occasion)
        its_latest = and_(*matches(event), its_latest)
    source = person.join(happened, its_latest)
    if per_window:
        source = source.outerjoin(filing_window, filing_window.c.id == window)
    picked = (
        select(
            person.c.id.label("person_id"),
            occasion.label("occasion"),
            when.label("at"),
            window.label("window_id"),
        )
        .select_from(source)
        .where(among, *_admits(admission, now=now))
    )
    if not per_window:
        picked = picked.where(_may_come_again(admission, person.c.id))
    found = picked.subquery("picked")
    entered, _ = _insert(
        connection,
        admission,
        select(
            found.c.person_id,
            found.c.occasion,
            found.c.at,
            literal(None, String()),
            case((found.c.at > literal(now, Instant()), found.c.at), else_=literal(now, Instant())),
            literal(False),
            found.c.window_id,
        ),
    )
    return entered


@dataclass(frozen=True, slots=True)
class Openings:
    """
    Filing windows that a campaign takes people in for: window id -> since when the steps of those who enter count.

    `moves` maps them to the versions that moved them, where the occasions are moves; all that share a closing belong
    into one then.
    """

    entered_at: Mapping[str, datetime]
    moves: Mapping[str, int] = field(default_factory=dict)

    @property
    def window_ids(self) -> list[str]:
        """The windows."""
        return list(self.entered_at)

    @property
    def occasions(self) -> list[str]:
        """Of moves: `window:ID:vN` of each."""
        return [f"window:{window_id}:v{number}" for window_id, number in self.moves.items()]

    def occasion(self, connection: Connection, window_id: ColumnElement[str]) -> ColumnElement[str]:
        """The occasion of a column of window ids."""
        named = literal("window:", String()) + window_id
        if not self.moves:
            return named
        return named + ":v" + cast(mapped(connection, window_id, self.moves), String)


@dataclass(frozen=True, slots=True)
class Crowd:
    """Among whom to look: these `ids`, or the person ids in `(after, up_to]`; `since` and `before` say known when."""

    ids: Sequence[int] | None = None
    after: int = 0
    up_to: int = 0
    since: datetime | None = None
    before: datetime | None = None

    def holds(self, who: ColumnElement[int]) -> ColumnElement[bool]:
        """The condition on a column of person ids."""
        if self.ids is not None:
            return who.in_(self.ids)
        return and_(who > self.after, who <= self.up_to)

    def all_of(self) -> list[ColumnElement[bool]]:
        """The conditions on `person`."""
        known = [person.c.created_at >= self.since] if self.since is not None else []
        known += [person.c.created_at < self.before] if self.before is not None else []
        return [self.holds(person.c.id), *known]


def enroll_by_window(
    connection: Connection,
    admission: Admission,
    openings: Openings,
    crowd: Crowd,
    *,
    now: datetime,
    limit: int | None = None,
) -> int:
    """
    Enroll the people of a crowd who want one of these windows, at most `limit`; returns how many entered.

    A person enters once for windows that share state and closing time, for the first of them that she wants and that
    the conditions let in, one of her own division before the others. Windows that she was enrolled for count as they
    close now, so that a date that moves enrolls nobody again; of moves, only an enrollment by one of them keeps her
    out. One statement, whatever the number of windows.
    """
    if not openings.entered_at:
        return 0
    chosen = _wanting(connection, admission, openings, crowd, now=now)
    if limit is not None:
        chosen = chosen.order_by(person.c.id).limit(limit)
    wanting = chosen.subquery("wanting")
    window_id = func.substr(wanting.c.found, 2)
    entered, _ = _insert(
        connection,
        admission,
        select(
            wanting.c.person_id,
            openings.occasion(connection, window_id),
            mapped_instant(connection, window_id, openings.entered_at),
            literal(None, String()),
            literal(now, Instant()),
            literal(False),
            window_id,
        ),
    )
    return entered


def pass_over_by_window(
    connection: Connection, admission: Admission, openings: Openings, crowd: Crowd, *, now: datetime
) -> int:
    """
    Put down who of a crowd wants one of these windows and qualifies now, so that she does not enter for it.

    That is `existing: skip` for windows that were open before the first apply. Returns how many these are.
    """
    if not openings.entered_at:
        return 0
    wanting = _wanting(connection, admission, openings, crowd, now=now).subquery("wanting")
    window_id = func.substr(wanting.c.found, 2)
    occasion = openings.occasion(connection, window_id)
    return _put_down(connection, admission, wanting.c.person_id, occasion, window_id, now=now)


def _wanting(
    connection: Connection, admission: Admission, openings: Openings, crowd: Crowd, *, now: datetime
) -> Select[Any]:
    """(person_id, found): who enters for which window; `found` is its id behind a digit that sorts."""
    window, said, previous = filing_window.alias("about"), interest.alias("said"), enrollment.alias("previous")
    its = filing_window.alias("its")

    def holds(expression: Expression) -> ColumnElement[bool]:
        return compile_expression(expression, person=person, now=now, window=window)

    own = and_(said.c.division != "", said.c.division == window.c.division)
    hers = [previous.c.campaign_id == admission.campaign_id, previous.c.person_id == person.c.id]
    if openings.moves:
        been = exists().where(*hers, one_of(connection, previous.c.occasion, openings.occasions))
    else:
        # Who has filed for one, or whose one was called off, may begin again for another that closes with it.
        over = and_(
            previous.c.state == "exited",
            or_(previous.c.ended_because == Reason.GOAL_REACHED.value, its.c.status == "cancelled"),
        )
        same = or_(previous.c.occasion == literal("window:") + window.c.id, previous.c.window_id == window.c.id)
        beside = and_(*close_together(its, window), ~func.coalesce(over, false()))
        been = exists(
            select(literal_column("1"))
            .select_from(previous)
            .outerjoin(its, its.c.id == previous.c.window_id)
            .where(*hers, or_(same, beside))
            .correlate(person, window)
        )
    return (
        select(person.c.id.label("person_id"), func.min(case((own, "0"), else_="1") + window.c.id).label("found"))
        .select_from(said)
        .join(person, person.c.id == said.c.person_id)
        .join(window, and_(*wanted(said, person, window)))
        .where(
            # Without an index, so that the windows of her state are looked at and not all that are open.
            one_of(connection, func.coalesce(window.c.id, ""), openings.window_ids),
            crowd.holds(said.c.person_id),
            *crowd.all_of(),
            *map(holds, admission.must),
            *(~holds(never) for never in admission.must_not),
            *_mailable(admission.entity_id, admission.topic),
            ~been,
        )
        .group_by(person.c.id, window.c.closes_on, window.c.closes_time, window.c.zone, window.c.state)
    )


def superseded(connection: Connection, campaign_id: str, openings: Openings, crowd: Crowd) -> list[int]:
    """Active enrollments of a crowd that an older move of one of these windows began, as ids."""
    return list(
        connection.execute(
            select(enrollment.c.id).where(
                _of_campaign(campaign_id),
                crowd.holds(enrollment.c.person_id),
                _IS_ACTIVE,
                one_of(connection, enrollment.c.window_id, openings.window_ids),
                ~one_of(connection, enrollment.c.occasion, openings.occasions),
            )
        ).scalars()
    )


def _insert(
    connection: Connection, admission: Admission, chosen: Select[Any], *, tell_highest: bool = False
) -> tuple[int, int | None]:
    """
    INSERT .. SELECT of (person, occasion, entered_at, occurrence, due, planned[, window]).

    Returns how many are new, and, only where asked, the highest person id among them.
    """
    who = chosen.subquery("chosen")
    columns = list(who.c)
    held_out = _held_out(admission, columns[0])
    window = columns[6] if len(columns) > 6 else literal(None, String())
    version = select(filing_window.c.version).where(filing_window.c.id == window).scalar_subquery()
    rows = select(
        literal(admission.campaign_id),
        columns[0],
        columns[1],
        case((held_out, literal("holdout")), else_=literal("active")),
        literal(admission.revision_id, BigId),
        columns[2],
        columns[3],
        window,
        version,
        literal(admission.first_step),
        case((held_out, literal(None, Instant())), else_=columns[4]),
        columns[5],
        literal({}, Json),
        case((held_out, literal({"share": f"{admission.holdout * 100:g}%"}, Json)), else_=literal({}, Json)),
        case((held_out, columns[2]), else_=literal(None, Instant())),
        case((held_out, literal(Reason.HOLDOUT.value)), else_=literal(None, String())),
    )
    names = [
        "campaign_id", "person_id", "occasion", "state", "revision_id", "entered_at", "occurrence_key", "window_id",
        "window_version", "step_key", "due_at", "planned", "anchors", "ended_detail", "ended_at", "ended_because",
    ]  # fmt: skip
    # A WHERE keeps SQLite's parser from reading ON CONFLICT as a join condition.
    statement = upsert(connection, enrollment).from_select(names, rows.where(true()), include_defaults=False)
    statement = statement.on_conflict_do_nothing()
    if tell_highest:
        new = connection.execute(statement.returning(enrollment.c.person_id)).scalars().all()
        return len(new), max(new, default=None)
    return connection.execute(statement).rowcount, None


def _admits(admission: Admission, *, now: datetime) -> list[ColumnElement[bool]]:
    """The conditions of entering, on `person`."""
    rules = [_of_person(must, now) for must in admission.must]
    rules += [~_of_person(never, now) for never in admission.must_not]
    return [*rules, *_mailable(admission.entity_id, admission.topic)]


def _of_person(expression: Expression, now: datetime) -> ColumnElement[bool]:
    """An expression as a condition on `person`, and on the `filing_window` of the statement where it asks about one."""
    if expression.uses_window:
        return compile_expression(expression, person=person, now=now, window=filing_window)
    return (
        compile_expression(expression, person=person, now=now) if expression.depends_on_time else _timeless(expression)
    )


@lru_cache(maxsize=512)
def _timeless(expression: Expression) -> ColumnElement[bool]:
    """Built once: it does not change with time."""
    return compile_expression(expression, person=person, now=_ANY_TIME)


_ANY_TIME = datetime(1970, 1, 1, tzinfo=UTC)


@lru_cache(maxsize=512)
def _mailable(entity_id: str, topic: str) -> tuple[ColumnElement[bool], ...]:
    """On `person`: the entity may mail her on this topic. Built once, because building costs more than asking."""
    return (
        exists().where(
            consent.c.person_id == person.c.id,
            consent.c.entity_id == entity_id,
            consent.c.withdrawn_at.is_(None),
        ),
        ~exists().where(
            suppression.c.address_hash == person.c.address_hash,
            suppression.c.lifted_at.is_(None),
            or_(
                suppression.c.scope == "all",
                and_(suppression.c.scope == "entity", suppression.c.scope_id == entity_id),
                and_(suppression.c.scope == "topic", suppression.c.scope_id == topic),
            ),
            suppression.c.except_topics.not_like(f"%|{topic}|%"),
        ),
        ~exists().where(topic_left.c.person_id == person.c.id, topic_left.c.topic == topic),
        person.c.stopped_at.is_(None),
    )


def _occasion(admission: Admission, given: str) -> ColumnElement[str]:
    if given:
        return literal(given)
    if admission.reentry_cut is None:
        return literal("once:1")  # one is one too many, so nobody who is asked has had one
    earlier = enrollment.alias("earlier")
    count = (
        select(func.count())
        .where(earlier.c.campaign_id == admission.campaign_id, earlier.c.person_id == person.c.id)
        .correlate(person)
        .scalar_subquery()
    )
    return literal("once:") + cast(count + 1, String)


def _may_come_again(admission: Admission, who: ColumnElement[int]) -> ColumnElement[bool]:
    """No earlier enrollment, or, with `reentry: after`, none that is still active or ended too recently."""
    earlier = enrollment.alias("earlier")
    blocks = and_(earlier.c.campaign_id == admission.campaign_id, earlier.c.person_id == who)
    if admission.reentry_cut is not None:
        blocks = and_(
            blocks,
            or_(
                earlier.c.state == "active",
                earlier.c.state == "holdout",
                earlier.c.ended_at.is_(None),
                earlier.c.ended_at > admission.reentry_cut,
            ),
        )
    return ~exists().where(blocks)


def _held_out(admission: Admission, who: ColumnElement[int]) -> ColumnElement[bool]:
    """A stable random part of the people: a multiplicative hash of person and campaign, the same in every database."""
    if admission.holdout <= 0:
        return false()
    prime = 1_000_003
    hashed = ((who % prime) * 7_368_787 + admission.holdout_salt) % prime
    return hashed < int(admission.holdout * prime)


# -- due ---------------------------------------------------------------------------------------------------------------

_OF_THE_ENDED = ("ended_at", "ended_because", "ended_detail")


def due(connection: Connection, *, now: datetime, limit: int) -> list[AnyRow]:
    """
    Active enrollments whose time has come, the longest due, by id, with zone and operator of their people.

    Theirs alone who asks: on PostgreSQL they are locked, and those that another transaction moves are left out.
    """
    # By id they are written page after page.
    return sorted(connection.execute(_DUE, {"now": now, "at_most": limit}), key=attrgetter("id"))


_DUE = (
    select(*[column for column in enrollment.c if column.name not in _OF_THE_ENDED], person.c.zone, person.c.operator)
    .join(person, person.c.id == enrollment.c.person_id)
    .where(ACTIVE, enrollment.c.due_at.is_not(None), enrollment.c.due_at <= bindparam("now", type_=Instant()))
    .order_by(enrollment.c.due_at)
    .limit(bindparam("at_most", type_=Integer()))
    .with_for_update(of=enrollment, skip_locked=True)
)


def active_between(connection: Connection, campaign_id: str, *, after: int, up_to: int) -> list[AnyRow]:
    """The active enrollments of a campaign with ids in `(after, up_to]`, as `due` gives them. Locks nothing."""
    statement = (
        select(*enrollment.c, person.c.zone, person.c.operator)
        .join(person, person.c.id == enrollment.c.person_id)
        .where(enrollment.c.id > after, enrollment.c.id <= up_to, _of_campaign(campaign_id), _IS_ACTIVE)
    )
    return list(connection.execute(statement))


def holding(
    connection: Connection,
    expression: Expression,
    ids: Sequence[int],
    *,
    now: datetime,
    since: ColumnElement[datetime] | None = None,
) -> set[int]:
    """Those of the enrollments for whose person the expression holds."""
    if not ids:
        return set()
    condition = compile_expression(expression, person=person, now=now, enrollment=enrollment, since=since)
    return set(
        connection.execute(
            select(enrollment.c.id).join(person, _HER).where(enrollment.c.id.in_(ids), condition)
        ).scalars()
    )


def since_waiting() -> ColumnElement[datetime]:
    """From when facts count in a `wait_for`: since the wait began."""
    return enrollment.c.waiting_since


@dataclass(frozen=True, slots=True)
class Position:
    """Where an enrollment stands after a look at it."""

    id: int
    step_key: str
    due_at: datetime | None
    planned: bool
    previous_at: datetime | None
    waiting_on: int | None = None
    waiting_since: datetime | None = None
    anchors: Mapping[str, str] = field(default_factory=dict)


_POSITION = ("step_key", "due_at", "planned", "previous_at", "waiting_on", "waiting_since", "anchors")
_STEP = ("enrollment_id", "step_key", "at", "planned_at", "outcome", "reason", "detail")
_in_order = itemgetter(*_STEP)


def move(connection: Connection, positions: Sequence[Position]) -> None:
    """Write where the enrollments stand now; one that has ended meanwhile stays as it is."""
    at = instants(connection)
    update_many(
        connection, enrollment, _POSITION,
        [(p.step_key, at(p.due_at), p.planned, at(p.previous_at), p.waiting_on, at(p.waiting_since),
          json_text(p.anchors), p.id) for p in positions],
        state="active",
    )  # fmt: skip


def record_steps(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write `step_done`; a step that was recorded before stays as it was. Rows name every column."""
    at = instants(connection)
    insert_many(
        connection, step_done, _STEP,
        [(one, key, at(when), at(planned_at), outcome, reason, json_text(detail))
         for one, key, when, planned_at, outcome, reason, detail in map(_in_order, rows)],
        again="ignore",
    )  # fmt: skip


def steps_done(connection: Connection, ids: Sequence[int], step_key: str) -> set[int]:
    """Those of the enrollments that have taken this step already."""
    return set(
        connection.execute(
            select(step_done.c.enrollment_id).where(
                one_of(connection, step_done.c.enrollment_id, ids), step_done.c.step_key == step_key
            )
        ).scalars()
    )


def passed_unknown(connection: Connection, campaign_id: str, *, after: int, up_to: int) -> list[AnyRow]:
    """
    Steps that active enrollments with ids in `(after, up_to]` passed because a date was not known.

    Rows as `due` gives them, with the step in `passed_step`.
    """
    return list(
        connection.execute(
            select(*enrollment.c, person.c.zone, person.c.operator, step_done.c.step_key.label("passed_step"))
            .join(person, person.c.id == enrollment.c.person_id)
            .join(step_done, step_done.c.enrollment_id == enrollment.c.id)
            .where(
                enrollment.c.id > after, enrollment.c.id <= up_to, _of_campaign(campaign_id), _IS_ACTIVE,
                step_done.c.enrollment_id > after, step_done.c.enrollment_id <= up_to,
                step_done.c.reason.in_(_UNKNOWN),
            )
        )
    )  # fmt: skip


_UNKNOWN = tuple(sorted(reason.value for reason in DATE_UNKNOWN))


def with_passed_unknown(connection: Connection, ids: Sequence[int]) -> set[int]:
    """Those of the enrollments that passed a step because a date was not known."""
    passed = select(step_done.c.enrollment_id).where(
        one_of(connection, step_done.c.enrollment_id, ids), step_done.c.reason.in_(_UNKNOWN)
    )
    return set(connection.execute(passed).scalars())


def stand_again(
    connection: Connection, steps: Mapping[int, str], forget: Sequence[tuple[int, str]], *, now: datetime
) -> None:
    """Have enrollments stand before these steps again, and take the records `forget` (enrollment, step) away."""
    for enrollment_id, step_key in forget:
        mine = (step_done.c.enrollment_id == enrollment_id) & (step_done.c.step_key == step_key)
        connection.execute(delete(step_done).where(mine))
    for enrollment_id, step_key in steps.items():
        connection.execute(
            update(enrollment)
            .where(enrollment.c.id == enrollment_id, _IS_ACTIVE)
            .values(step_key=step_key, planned=False, due_at=now, waiting_since=None)
        )


# -- ending ------------------------------------------------------------------------------------------------------------


def end(
    connection: Connection,
    ids: Sequence[int],
    *,
    state: str,
    reason: Reason | None,
    detail: Mapping[str, Any] | None,
    now: datetime,
) -> int:
    """
    End active enrollments and skip what they still have in the outbox, in the caller's transaction.

    With a reason, what staff were still to do on the way to a filing window is dropped: nobody calls about a deadline
    that was met or called off. Returns how many were active.
    """
    if not ids:
        return 0
    ended = connection.execute(
        update(enrollment)
        .where(enrollment.c.id.in_(ids), enrollment.c.state == "active")
        .values(
            state=state,
            ended_at=now,
            ended_because=reason.value if reason else None,
            ended_detail=dict(detail or {}),
            due_at=None,
            waiting_since=None,
        )
    ).rowcount
    if reason is not None:
        outbox.skip_open(connection, outbox.delivery.c.enrollment_id.in_(ids), reason=reason, detail=detail, now=now)
        about_windows = select(enrollment.c.id).where(enrollment.c.id.in_(ids), enrollment.c.window_id.is_not(None))
        tasks.drop_of(connection, about_windows, note=f"the countdown ended: {reason.value}", now=now)
    return ended


def hand_on(
    connection: Connection,
    ids: Sequence[int],
    *,
    never: Sequence[Expression],
    must: Sequence[Expression],
    now: datetime,
) -> set[int]:
    """
    Let countdowns that reached their end for one window go on for another that she wants and that closes with it.

    For the first by id for which all of `must` hold and none of `never`, and that she is not in this campaign for
    already; mail that waits is about that one then, and the next step is planned anew: other dates than the closing may
    differ. Returns the enrollments that go on.
    """
    if not ids:
        return set()
    this, other, said = filing_window.alias("this"), filing_window.alias("other"), interest.alias("said")
    beside = enrollment.alias("beside")

    def holds(expression: Expression) -> ColumnElement[bool]:
        return compile_expression(expression, person=person, now=now, enrollment=enrollment, window=other)

    rows = connection.execute(
        select(enrollment.c.id, func.min(other.c.id).label("window_id"))
        .join(person, _HER)
        .join(this, this.c.id == enrollment.c.window_id)
        .join(
            other,
            and_(
                other.c.id != this.c.id,
                *close_together(other, this),
                other.c.status != "cancelled",
            ),
        )
        .join(said, and_(said.c.person_id == person.c.id, *wanted(said, person, other)))
        .where(enrollment.c.id.in_(ids), *map(holds, must), *(~holds(one) for one in never))
        .where(
            ~exists().where(
                beside.c.person_id == enrollment.c.person_id,
                beside.c.campaign_id == enrollment.c.campaign_id,
                beside.c.window_id == other.c.id,
            )
        )
        .group_by(enrollment.c.id)
    ).all()
    versions = select(filing_window.c.version)
    for row in rows:
        version = versions.where(filing_window.c.id == row.window_id).scalar_subquery()
        values = {"window_id": row.window_id, "window_version": version}
        mine = update(enrollment).where(enrollment.c.id == row.id)
        connection.execute(mine.values(**values))
        timed = (enrollment.c.due_at.is_not(None), enrollment.c.waiting_since.is_(None))
        connection.execute(mine.where(*timed).values(due_at=now, planned=False))
        outbox.hand_on(connection, row.id, values)
    return {row.id for row in rows}


def closing_together(connection: Connection, campaign_id: str, *, after: int, up_to: int) -> list[AnyRow]:
    """
    Active enrollments of a campaign, with ids in `(after, up_to]`, of people who are in it by an older one for a window
    that closes together with theirs.

    Rows of id and window_id: that of the older one.
    """
    about, its = filing_window.alias("about"), filing_window.alias("its")
    beside = enrollment.alias("beside")
    older = (
        beside.c.campaign_id == campaign_id, beside.c.person_id == enrollment.c.person_id,
        beside.c.id < enrollment.c.id, func.coalesce(beside.c.state, "") == "active",
    )  # fmt: skip
    # Few people are in a campaign twice, so the windows are looked at for them alone.
    twice = select(enrollment.c.id).where(
        enrollment.c.id > after, enrollment.c.id <= up_to, _of_campaign(campaign_id), _IS_ACTIVE, exists().where(*older)
    )
    ids = list(connection.execute(twice).scalars())
    if not ids:
        return []
    return list(
        connection.execute(
            select(enrollment.c.id, func.min(its.c.id).label("window_id"))
            .join(about, about.c.id == enrollment.c.window_id)
            .join(beside, and_(*older))
            .join(its, and_(its.c.id == beside.c.window_id, *close_together(its, about)))
            .where(one_of(connection, enrollment.c.id, ids), about.c.closes_on != "")
            .group_by(enrollment.c.id)
        )
    )


def unwanted(connection: Connection, person_id: int, campaign_ids: Sequence[str]) -> list[AnyRow]:
    """
    Active enrollments of a person in these campaigns, for a window that nothing she wants means any more.

    Rows of id, campaign_id and window_id. What she has filed for is hers, whatever she says that she wants.
    """
    about, said = filing_window.alias("about"), interest.alias("said")
    return list(
        connection.execute(
            select(enrollment.c.id, enrollment.c.campaign_id, enrollment.c.window_id)
            .join(person, _HER)
            .join(about, about.c.id == enrollment.c.window_id)
            .where(
                enrollment.c.person_id == person_id,
                enrollment.c.campaign_id.in_(campaign_ids),
                _IS_ACTIVE,
                ~exists().where(said.c.person_id == person.c.id, *wanted(said, person, about)),
                ~exists().where(
                    candidacy.c.person_id == person.c.id,
                    candidacy.c.window_id == about.c.id,
                    candidacy.c.status.in_(FILED_STATUSES),
                ),
            )
            .order_by(enrollment.c.id)
        )
    )


def take_up_again(
    connection: Connection, person_id: int, campaign_ids: Sequence[str], *, closes_from: str, now: datetime
) -> set[int]:
    """
    Let countdowns go on that ended because she no longer wanted their window, where she wants it again.

    Or another that closes with it: a person is in a campaign once for all of them. Each stands where it stood and joins
    at the next step ahead, as somebody who enters now; what was skipped stays so. Windows that closed before the ISO
    date `closes_from` are over. Returns the enrollments that go on.
    """
    this, other, said = filing_window.alias("this"), filing_window.alias("other"), interest.alias("said")
    beside, its = enrollment.alias("beside"), filing_window.alias("its")
    in_it_already = exists(
        select(literal_column("1"))
        .select_from(beside)
        .join(its, its.c.id == beside.c.window_id)
        .where(
            beside.c.id != enrollment.c.id,
            beside.c.person_id == enrollment.c.person_id,
            beside.c.campaign_id == enrollment.c.campaign_id,
            or_(its.c.id == other.c.id, and_(beside.c.state == "active", *close_together(its, this))),
        )
        .correlate(enrollment, this, other)
    )
    rows = connection.execute(
        select(
            enrollment.c.id,
            func.max(case((other.c.id == this.c.id, other.c.id), else_=None)).label("same"),
            func.min(other.c.id).label("window_id"),
        )
        .join(person, _HER)
        .join(this, this.c.id == enrollment.c.window_id)
        .join(other, and_(*close_together(other, this), other.c.status != "cancelled"))
        .join(said, and_(said.c.person_id == person.c.id, *wanted(said, person, other)))
        .where(
            enrollment.c.person_id == person_id,
            enrollment.c.campaign_id.in_(campaign_ids),
            enrollment.c.state == "exited",
            enrollment.c.ended_because == Reason.NOT_WANTED.value,
            ByCodePoint(this.c.closes_on) >= closes_from,
            ~in_it_already,
        )
        .group_by(enrollment.c.id)
    ).all()
    for row in rows:
        _go_on(connection, row.id, row.same or row.window_id, now=now)
    return {row.id for row in rows}


def take_up_by_window(
    connection: Connection,
    admission: Admission,
    openings: Openings,
    crowd: Crowd,
    *,
    ended_by: Sequence[str],
    now: datetime,
) -> int:
    """
    Let countdowns of a crowd go on that ended because somebody wanted their window no more and wants it again, because
    another closed with it, or by an exit or `while` about it, such as `cancelled`, that holds no longer.

    `ended_by` are those expressions as they are written. Only who qualifies now goes on, and not who counts down to
    another window that closes with it by now. Each stands where it stood and joins at the next step ahead. Returns how
    many go on.
    """
    about, said = filing_window.alias("about"), interest.alias("said")
    beside, its = enrollment.alias("beside"), filing_window.alias("its")

    def holds(expression: Expression) -> ColumnElement[bool]:
        return compile_expression(expression, person=person, now=now, window=about)

    in_it_already = exists(
        select(literal_column("1"))
        .select_from(beside)
        .join(its, its.c.id == beside.c.window_id)
        .where(
            beside.c.person_id == enrollment.c.person_id,
            beside.c.campaign_id == enrollment.c.campaign_id,
            beside.c.state == "active",
            *close_together(its, about),
        )
        .correlate(enrollment, about)
    )
    first_of_a_closing = connection.execute(
        select(func.min(enrollment.c.id))
        .join(person, _HER)
        .join(about, about.c.id == enrollment.c.window_id)
        .where(
            enrollment.c.campaign_id == admission.campaign_id,
            crowd.holds(enrollment.c.person_id),
            one_of(connection, func.coalesce(enrollment.c.window_id, ""), openings.window_ids),
            func.coalesce(enrollment.c.state, "") == "exited",
            or_(
                enrollment.c.ended_because.in_([Reason.NOT_WANTED.value, Reason.CLOSES_TOGETHER.value]),
                and_(
                    enrollment.c.ended_because.in_([Reason.EXITED.value, Reason.WHILE_ENDED.value]),
                    JsonValue(enrollment.c.ended_detail, "expression", "text").in_(ended_by),
                ),
            ),
            exists().where(said.c.person_id == person.c.id, *wanted(said, person, about)),
            *map(holds, admission.must),
            *(~holds(never) for never in admission.must_not),
            *_mailable(admission.entity_id, admission.topic),
            ~in_it_already,
        )
        .group_by(enrollment.c.person_id, about.c.closes_on, about.c.closes_time, about.c.zone, about.c.state)
    ).scalars()
    again = windows_of(connection, list(first_of_a_closing))
    for enrollment_id, window_id in again.items():
        _go_on(connection, enrollment_id, window_id, now=now)
    return len(again)


def _go_on(connection: Connection, enrollment_id: int, window_id: str, *, now: datetime) -> None:
    """An enrollment that had ended is active again where it stood, about this window, as if she entered now."""
    unsettled = exists().where(
        delivery.c.id == enrollment.c.waiting_on, delivery.c.state.in_([one.value for one in UNSETTLED])
    )
    version = select(filing_window.c.version).where(filing_window.c.id == window_id).scalar_subquery()
    connection.execute(
        update(enrollment)
        .where(enrollment.c.id == enrollment_id)
        .values(
            state="active", window_id=window_id, window_version=version, entered_at=now, due_at=now, planned=False,
            waiting_on=case((unsettled, enrollment.c.waiting_on), else_=None), ended_at=None, ended_because=None,
            ended_detail={},
        )
    )  # fmt: skip


_STANDING = (
    select(enrollment.c.campaign_id, enrollment.c.step_key)
    .where(enrollment.c.person_id.in_(bindparam("people", expanding=True)), _IS_ACTIVE)
    .distinct()
)


def standing(connection: Connection, people: Sequence[int]) -> dict[str, set[str]]:
    """Campaign -> the steps that these people stand before. Campaigns that none of them is in are left out."""
    found: dict[str, set[str]] = {}
    for campaign_id, step_key in connection.execute(_STANDING, {"people": list(people)}):
        found.setdefault(campaign_id, set()).add(step_key)
    return found


def active_of(
    connection: Connection,
    campaign_id: str,
    *,
    people: Sequence[int] | None = None,
    after: int = 0,
    up_to: int = 0,
    expression: Expression,
    holds: bool,
    now: datetime,
) -> list[int]:
    """
    Active enrollments of a campaign for which the expression holds (or does not), as ids.

    Among these people, or among the enrollment ids in `(after, up_to]`.
    """
    condition = compile_expression(expression, person=person, now=now, enrollment=enrollment)
    among = (
        and_(enrollment.c.campaign_id == campaign_id, enrollment.c.person_id.in_(people))
        if people is not None
        else and_(_of_campaign(campaign_id), enrollment.c.id > after, enrollment.c.id <= up_to)
    )
    return list(
        connection.execute(
            select(enrollment.c.id).join(person, _HER).where(among, _IS_ACTIVE, condition if holds else ~condition)
        ).scalars()
    )


def _of_campaign(campaign_id: str) -> ColumnElement[bool]:
    """For a walk over a range of ids, which the campaign's own index must not replace."""
    return func.coalesce(enrollment.c.campaign_id, "") == campaign_id


def wake_waiting(
    connection: Connection,
    campaign_id: str,
    step_key: str,
    people: Sequence[int],
    expression: Expression,
    *,
    now: datetime,
) -> int:
    """
    Let `advance` look at once at those whose `wait_for` has come true; returns how many.

    They are no longer planned, so that who was woken for nothing is told from who has waited to the end.
    """
    condition = compile_expression(expression, person=person, now=now, enrollment=enrollment, since=since_waiting())
    ready = list(
        connection.execute(
            select(enrollment.c.id)
            .join(person, _HER)
            .where(
                enrollment.c.campaign_id == campaign_id,
                enrollment.c.person_id.in_(people),
                enrollment.c.step_key == step_key,
                _IS_ACTIVE,
                enrollment.c.waiting_since.is_not(None),
                condition,
            )
        ).scalars()
    )
    if ready:
        connection.execute(update(enrollment).where(enrollment.c.id.in_(ready)).values(due_at=now, planned=False))
    return len(ready)


def standing_together(
    connection: Connection, campaign_id: str, *, after: int, up_to: int, now: datetime
) -> list[AnyRow]:
    """
    The active enrollments of a campaign with ids in `(after, up_to]`: a row for all who share what times may hang on.

    Rows of step_key, revision_id, window_id, window_version, zone of the person, `timed` (their next step is to have a
    time; the others are in a wait that has begun, or wait for a delivery to be settled), `to_enter` (they are to enter
    later than now), and the ids. Theirs alone who asks: on PostgreSQL they are locked.
    """
    statement = _standing_together(connection.dialect.name == "postgresql")
    return list(connection.execute(statement, {"campaign": campaign_id, "after": after, "up_to": up_to, "now": now}))


@lru_cache(maxsize=2)
def _standing_together(on_postgresql: bool) -> Select[Any]:
    them = (
        select(
            enrollment.c.id, enrollment.c.step_key, enrollment.c.revision_id, enrollment.c.window_id,
            enrollment.c.window_version, person.c.zone,
            and_(
                enrollment.c.waiting_since.is_(None),
                or_(enrollment.c.due_at.is_not(None), enrollment.c.waiting_on.is_(None)),
            ).label("timed"),
            (enrollment.c.entered_at > bindparam("now", type_=Instant())).label("to_enter"),
        )
        .join(person, _HER)
        .where(
            enrollment.c.id > bindparam("after"),
            enrollment.c.id <= bindparam("up_to"),
            func.coalesce(enrollment.c.campaign_id, "") == bindparam("campaign"),
            _IS_ACTIVE,
        )
        .with_for_update(of=enrollment)
        .subquery("them")
    )  # fmt: skip
    names = ("step_key", "revision_id", "window_id", "window_version", "zone", "timed", "to_enter")
    shared = [them.c[name] for name in names]
    return select(*shared, gathered(them.c.id, on_postgresql=on_postgresql).label("ids")).group_by(*shared)


def take_versions(connection: Connection, versions: Mapping[int | None, Sequence[int]]) -> None:
    """Note for active enrollments which version of her window each is planned by: version -> the enrollments."""
    outbox.write_versions(connection, enrollment, _IS_ACTIVE, versions)


def retime(connection: Connection, times: Mapping[tuple[datetime, bool, int | None], Sequence[int]]) -> None:
    """
    Give active enrollments another next time: (due_at, planned, version of the window or None: as it is) -> whom.

    Where they stand stays as it is.
    """
    statement = _retime(connection.dialect.name == "postgresql")
    given = [
        {"due": due_at, "is_planned": planned, "version": version, "ids": among_value(connection, ids)}
        for (due_at, planned, version), ids in times.items()
    ]
    if given:
        connection.execute(statement, given)


@lru_cache(maxsize=2)
def _retime(on_postgresql: bool) -> Update:
    due, planned = bindparam("due", type_=Instant()), bindparam("is_planned", type_=Boolean())
    version = func.coalesce(outbox.VERSION, enrollment.c.window_version)
    return (
        update(enrollment)
        .where(
            among_bound(enrollment.c.id, "ids", on_postgresql=on_postgresql), _IS_ACTIVE,
            or_(
                enrollment.c.due_at.is_distinct_from(due), enrollment.c.planned != planned,
                enrollment.c.window_version.is_distinct_from(version),
            ),
        )
        .values(due_at=due, planned=planned, window_version=version)
    )  # fmt: skip


def touch_turned(
    connection: Connection,
    campaign_id: str,
    *,
    endings: Sequence[tuple[Expression, bool]] = (),
    waits: Collection[str] = (),
    elsewhere: Collection[str] = (),
    left_behind: Collection[str] = (),
    everybody: bool = False,
    after: int,
    up_to: int,
    now: datetime,
) -> int:
    """
    Have those asked again, by enrollment ids in `(after, up_to]`, whose window says something else than it did.

    Everybody; or those for whom one of `endings` holds (or, with False, does not), who wait at one of the steps
    `waits`, who are in one of the campaigns `elsewhere` too, or who want one of the windows `left_behind`. To be asked
    before they take its version, and after it was read: what turns later belongs to a later one. Returns how many.
    """
    about, beside = filing_window.alias("about"), enrollment.alias("beside")
    turned: list[ColumnElement[bool]] = [true()] if everybody else []
    for ending, holds in endings:
        condition = compile_expression(ending, person=person, now=now, enrollment=enrollment, window=about)
        turned.append(condition if holds else ~condition)
    if waits:
        turned.append(and_(enrollment.c.waiting_since.is_not(None), enrollment.c.step_key.in_(sorted(waits))))
    if elsewhere:
        hers = (beside.c.person_id == enrollment.c.person_id, func.coalesce(beside.c.state, "") == "active")
        turned.append(exists().where(*hers, beside.c.campaign_id.in_(sorted(elsewhere))))
    if left_behind:
        other, said = filing_window.alias("other"), interest.alias("said")
        others = (one_of(connection, other.c.id, sorted(left_behind)), other.c.id != enrollment.c.window_id)
        turned.append(exists().where(said.c.person_id == person.c.id, *others, *wanted(said, person, other)))
    if not turned:
        return 0
    who = (
        select(enrollment.c.person_id)
        .join(person, _HER)
        .join(about, about.c.id == enrollment.c.window_id)
        .where(
            enrollment.c.id > after,
            enrollment.c.id <= up_to,
            _of_campaign(campaign_id),
            _IS_ACTIVE,
            enrollment.c.window_version.is_distinct_from(about.c.version),
            or_(*turned),
        )
    )
    return connection.execute(touched.insert().from_select(["person_id"], who.distinct())).rowcount


def forget_plans_of(
    connection: Connection, campaign_id: str, people: Sequence[int], step_keys: Collection[str], *, now: datetime
) -> int:
    """
    Have the next step of these people planned anew, where they stand before one of these steps; returns how many.

    Waits that have begun, and those who wait for a delivery to be settled, keep what they wait for.
    """
    return connection.execute(
        update(enrollment)
        .where(
            enrollment.c.campaign_id == campaign_id,
            enrollment.c.person_id.in_(people),
            enrollment.c.step_key.in_(sorted(step_keys)),
            _IS_ACTIVE,
            enrollment.c.waiting_since.is_(None),
            enrollment.c.due_at.is_not(None),
        )
        .values(planned=False, due_at=now)
    ).rowcount


def park(connection: Connection, ids: Sequence[int], *, until: datetime) -> None:
    """Do not look at these again before then: their campaign stands still."""
    connection.execute(update(enrollment).where(enrollment.c.id.in_(ids)).values(due_at=until))


def last_enrollment_id(connection: Connection) -> int:
    """The highest enrollment id there is; 0 where there is none."""
    return int(connection.execute(select(func.coalesce(func.max(enrollment.c.id), 0))).scalar_one())


def of_people(connection: Connection, ids: Sequence[int]) -> dict[int, int]:
    """Enrollment id -> person id."""
    rows = connection.execute(select(enrollment.c.id, enrollment.c.person_id).where(enrollment.c.id.in_(ids)))
    return {row.id: row.person_id for row in rows}


def windows_of(connection: Connection, ids: Sequence[int]) -> dict[int, str]:
    """Enrollment id -> the filing window it is about; those about none are absent."""
    about = select(enrollment.c.id, enrollment.c.window_id)
    about = about.where(enrollment.c.id.in_(ids), enrollment.c.window_id.is_not(None))
    return {row.id: row.window_id for row in connection.execute(about)}


def next_due(connection: Connection) -> datetime | None:
    """When the next active enrollment is due; None where none is."""
    found: datetime | None = connection.execute(
        select(func.min(enrollment.c.due_at)).where(ACTIVE, enrollment.c.due_at.is_not(None))
    ).scalar_one()
    return found


# -- touched and sweeps ------------------------------------------------------------------------------------------------


def take_touched(connection: Connection, limit: int) -> list[int]:
    """Take up to `limit` touched rows off the list; returns the people, each once. Part of the caller's transaction."""
    rows = connection.execute(select(touched.c.id, touched.c.person_id).order_by(touched.c.id).limit(limit)).all()
    if rows:
        # By id and not "up to the highest": on PostgreSQL a lower id may be committed later.
        connection.execute(touched.delete().where(touched.c.id.in_([row.id for row in rows])))
    return list(dict.fromkeys(row.person_id for row in rows))


def get_sweep(connection: Connection, campaign_id: str, key: str) -> AnyRow | None:
    """One walk, or None where it has not begun."""
    return connection.execute(select(sweep).where(sweep.c.campaign_id == campaign_id, sweep.c.key == key)).one_or_none()


_OPEN_SWEEPS = (
    select(sweep)
    .where(sweep.c.campaign_id == bindparam("campaign"), sweep.c.done_at.is_(None))
    .order_by(sweep.c.started_at, sweep.c.key)
)


def open_sweeps(connection: Connection, campaign_id: str) -> list[AnyRow]:
    """The walks of a campaign that are not done, oldest first."""
    return list(connection.execute(_OPEN_SWEEPS, {"campaign": campaign_id}))


_SWEPT = select(sweep.c.campaign_id).where(sweep.c.done_at.is_(None)).distinct()


def campaigns_swept(connection: Connection) -> set[str]:
    """The campaigns that have a walk that is not done: most of the time none, and then there is nothing to begin."""
    return set(connection.execute(_SWEPT).scalars())


def walks_begun(connection: Connection, campaign_id: str) -> set[str]:
    """The keys of all walks of a campaign, done or not."""
    return set(connection.execute(select(sweep.c.key).where(sweep.c.campaign_id == campaign_id)).scalars())


def walked_up_to(connection: Connection, campaign_id: str) -> dict[str, float]:
    """The key of each walk of a campaign -> the person id up to which it has looked; endless where it is done."""
    columns = (sweep.c.key, sweep.c.after_person_id, sweep.c.done_at)
    rows = connection.execute(select(*columns).where(sweep.c.campaign_id == campaign_id))
    return {key: inf if done_at is not None else after for key, after, done_at in rows}


def entered_on(connection: Connection, campaign_id: str, day: str) -> int:
    """How many people the walks of a campaign let in that have a share of a day (ISO, UTC)."""
    counted = select(func.coalesce(func.sum(sweep.c.entered_today), 0))
    return int(connection.execute(counted.where(sweep.c.campaign_id == campaign_id, sweep.c.day == day)).scalar_one())


def begin_sweep(connection: Connection, campaign_id: str, key: str, *, now: datetime) -> None:
    """Begin a walk; one that exists stays as it is."""
    begin_sweeps(connection, campaign_id, [key], now=now)


def begin_sweeps(connection: Connection, campaign_id: str, keys: Collection[str], *, now: datetime) -> None:
    """Begin many walks; those that exist stay as they are."""
    rows = [
        {"campaign_id": campaign_id, "key": key, "after_person_id": 0, "entered": 0, "day": "", "entered_today": 0,
         "started_at": now}
        for key in sorted(keys)
    ]  # fmt: skip
    if rows:
        connection.execute(upsert(connection, sweep).on_conflict_do_nothing(), rows)


def go_on_sweep(
    connection: Connection,
    campaign_id: str,
    key: str,
    *,
    after: int,
    entered: int,
    day: str,
    entered_today: int,
    done_at: datetime | None,
) -> None:
    """Write how far a walk has come, in the transaction of its chunk."""
    connection.execute(
        update(sweep)
        .where(sweep.c.campaign_id == campaign_id, sweep.c.key == key)
        .values(
            after_person_id=after,
            entered=sweep.c.entered + entered,
            day=day,
            entered_today=entered_today,
            done_at=done_at,
        )
    )


def go_on_together(
    connection: Connection, campaign_id: str, keys: Sequence[str], *, after: int, done_at: datetime | None
) -> None:
    """Write how far walks have come that look at the same people at once; what they found stands with one of them."""
    mine = (sweep.c.campaign_id == campaign_id, one_of(connection, sweep.c.key, keys))
    connection.execute(update(sweep).where(*mine).values(after_person_id=after, done_at=done_at))


def close_sweep(connection: Connection, walk: AnyRow, *, now: datetime) -> None:
    """End a walk where it stands: what it looks for is over."""
    mine = (sweep.c.campaign_id == walk.campaign_id) & (sweep.c.key == walk.key)
    connection.execute(update(sweep).where(mine).values(done_at=now))


def close_sweeps_beside(connection: Connection, walk: AnyRow, *, prefix: str, now: datetime) -> None:
    """End the other walks of a campaign whose keys begin with `prefix` and that stand where this one stands."""
    beside = (
        sweep.c.campaign_id == walk.campaign_id, func.substr(sweep.c.key, 1, len(prefix)) == prefix,
        sweep.c.key != walk.key, sweep.c.after_person_id == walk.after_person_id, sweep.c.done_at.is_(None),
    )  # fmt: skip
    connection.execute(update(sweep).where(*beside).values(done_at=now))
