"""
An expression as SQL: the condition of segments, audiences, goals, exits and waits, for a person or for a million.

It means exactly what `core.evaluation` says in Python; a property test holds the two together. The result is true or
false, never NULL, so it may stand under NOT, in a SELECT list, in UPDATE and in INSERT .. SELECT. Plain comparisons
stay plain predicates, happenings are correlated EXISTS along the indexes, times are computed here, not in the database.
"""

import operator as op
from collections.abc import Callable
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any, Final, assert_never

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    Text,
    and_,
    bindparam,
    case,
    cast,
    false,
    func,
    literal,
    literal_column,
    or_,
    select,
    true,
)

from rfs_mail.core.evaluation import at_or_past
from rfs_mail.core.expression_tree import (
    FLIPPED,
    Age,
    Always,
    And,
    Asked,
    Compare,
    Condition,
    Constant,
    Count,
    Expression,
    Field,
    Holds,
    Length,
    Missing,
    Not,
    OneOf,
    Operator,
    Or,
    Period,
    Segment,
    Today,
    Value,
)
from rfs_mail.core.facts import (
    FILED_STATUSES,
    GOT_STATES,
    RECEIVED_STATES,
    day_bounds,
    known_zones,
    today_in,
    window_day,
)
from rfs_mail.core.interest import COMMON_PATHS, COUNTY_WORDS, WIDER_LEVELS, levels_meeting
from rfs_mail.core.vocabulary import LINE
from rfs_mail.store.json_values import ByCodePoint, JsonKind, JsonValue, Number
from rfs_mail.store.tables import TABLES
from rfs_mail.store.types import Instant

Since = datetime | ColumnElement[datetime]


def compile_expression(
    expression: Expression,
    *,
    person: FromClause,
    now: datetime,
    enrollment: FromClause | None = None,
    window: FromClause | None = None,
    since: Since | None = None,
) -> ColumnElement[bool]:
    """
    The expression as a condition on a row of `person` (the table or an alias of it), true or false, never NULL.

    `enrollment` and `window` are tables or aliases of the enclosing statement; without `window` it is the one of the
    enrollment. `since` is when a `wait_for` began, an instant or a column. Raises ValueError where the expression needs
    an enrollment or a window that is not given.
    """
    return _Writer(person, now, enrollment, window, since).condition(expression.root)


WINDOW_COLUMNS: Final = {"election": "election_on", "opens": "opens_on", "closes": "closes_on"}
_ALWAYS_THERE: Final = frozenset({"stage"})
_JSON_KINDS: Final[dict[str, JsonKind]] = {"number": "number", "date": "date", "yes_no": "yes_no"}
_COMPARE: Final[dict[Operator, Callable[[Any, Any], Any]]] = {
    "==": op.eq,
    "<": op.lt,
    "<=": op.le,
    ">": op.gt,
    ">=": op.ge,
}


class _Writer:
    """The condition of one expression in one statement."""

    def __init__(
        self,
        person: FromClause,
        now: datetime,
        enrollment: FromClause | None,
        window: FromClause | None,
        since: Since | None,
    ) -> None:
        self.person = person
        self.now = now
        self.given_enrollment = enrollment
        self.given_window = window
        self.since = since

    def condition(self, condition: Condition) -> ColumnElement[bool]:
        match condition:
            case And(items):
                return and_(*map(self.condition, items))
            case Or(items):
                return or_(*map(self.condition, items))
            case Not(item):
                return ~self.condition(item)
            case Segment(body=body):
                return self.condition(body)
            case Always(value):
                return true() if value else false()
            case Holds(field, wanted):
                return self.holds(field, wanted)
            case Missing(field):
                return self.field(field).is_(None)
            case Compare():
                return self.compared(condition)
            case OneOf(value, items):
                return self.one_of(value, items)
            case Asked():
                return _QUESTIONS[condition.function](self, condition)
            case _:
                assert_never(condition)

    # -- values ------------------------------------------------------------------------------------------------------

    def field(self, field: Field) -> ColumnElement[Any]:
        match field.scope:
            case "person":
                return self.person.c[field.name]
            case "custom":
                return JsonValue(self.person.c.custom, field.name, _JSON_KINDS.get(field.type.kind, "text"))
            case "window":
                column = self.window_column(WINDOW_COLUMNS.get(field.name, field.name))
                return column if field.type.kind == "number" else func.nullif(column, "", type_=Text())
            case "milestone":
                milestone = TABLES["milestone"].alias()
                found = select(func.nullif(milestone.c.on, "", type_=Text())).where(
                    milestone.c.window_id == self.window_id, milestone.c.name == field.name
                )
                return found.correlate_except(milestone).scalar_subquery()

    def value(self, value: Value) -> ColumnElement[Any]:
        match value:
            case Field():
                return self.field(value)
            case Constant(value=written):
                return literal(written, Text()) if isinstance(written, str) else literal(written, Number())
            case Count(period):
                return self.mails(period)
            case Today():
                return self.by_zone(lambda zone: today_in(zone, self.now).isoformat())
            case Age() | Length():
                raise AssertionError(f"{value} has no value of its own")

    def two_valued(self, predicate: ColumnElement[bool], *values: Value) -> ColumnElement[bool]:
        """The predicate, false where one of its values is missing."""
        fields = [value for value in values if isinstance(value, Field)]
        if all(field.scope == "person" for field in fields):
            known = [self.field(field).is_not(None) for field in fields if field.name not in _ALWAYS_THERE]
            return and_(predicate, *known)
        return func.coalesce(predicate, false())

    def holds(self, field: Field, wanted: bool) -> ColumnElement[bool]:
        column = self.field(field)
        if field.scope == "custom":
            return func.coalesce(column == ("true" if wanted else "false"), false())
        return column.is_(true() if wanted else false())

    # -- comparing ---------------------------------------------------------------------------------------------------

    def compared(self, asked: Compare) -> ColumnElement[bool]:
        left, operator, right = asked.left, asked.operator, asked.right
        if isinstance(left, Age):
            assert isinstance(right, Length)
            return self.aged(left.field, FLIPPED[operator], right)
        if isinstance(left, Today) or isinstance(right, Today):
            return self.against_today(left, operator, right)
        assert isinstance(left, Field | Count)
        if isinstance(left, Field) and left.type.kind == "instant":
            if isinstance(right, Constant):
                day = date.fromisoformat(str(right.value))
                return self.on_day(left, operator, lambda zone: day_bounds(day, zone))
            return self.two_valued(_COMPARE[operator](self.field(left), self.value(right)), left, right)
        line = LINE.get(left.type.kind) if isinstance(left, Field) else None
        if line is not None and operator != "==":
            assert isinstance(left, Field)
            return self.on_the_line(left, operator, right, line)
        one, other = self.value(left), self.value(right)
        if operator != "==" and isinstance(left, Field) and left.type.kind != "number":
            one = ByCodePoint(one)
        return self.two_valued(_COMPARE[operator](one, other), left, right)

    def on_the_line(self, left: Field, operator: Operator, right: Value, line: tuple[str, ...]) -> ColumnElement[bool]:
        """Ordered words: those that qualify, or their places on the line."""
        if isinstance(right, Constant):
            place = line.index(str(right.value))
            words = [word for rank, word in enumerate(line) if _COMPARE[operator](rank, place)]
            return self.two_valued(self.field(left).in_(words), left) if words else false()
        ranks = {word: rank for rank, word in enumerate(line)}
        one, other = (case(ranks, value=self.value(side)) for side in (left, right))
        return func.coalesce(_COMPARE[operator](one, other), false())

    def aged(self, field: Field, operator: Operator, length: Length) -> ColumnElement[bool]:
        """The operator compares the moment with what lies `length` back."""
        if field.type.kind == "instant":
            back = literal(self.now - length.span, Instant())
            return self.two_valued(_COMPARE[operator](self.field(field), back), field)
        assert length.days is not None
        days = timedelta(days=length.days)
        day = self.by_zone(lambda zone: (today_in(zone, self.now) - days).isoformat())
        return func.coalesce(_COMPARE[operator](ByCodePoint(self.field(field)), day), false())

    def against_today(self, left: Value, operator: Operator, right: Value) -> ColumnElement[bool]:
        if isinstance(left, Today) and isinstance(right, Today):
            return true() if _COMPARE[operator](0, 0) else false()
        if isinstance(left, Today):
            left, operator, right = right, FLIPPED[operator], left
        if isinstance(left, Constant):
            day = str(left.value)
            return self.zone_is(lambda zone: bool(_COMPARE[operator](day, today_in(zone, self.now).isoformat())))
        if isinstance(left, Field) and left.type.kind == "instant":
            return self.on_day(left, operator, lambda zone: day_bounds(today_in(zone, self.now), zone))
        return func.coalesce(_COMPARE[operator](ByCodePoint(self.value(left)), self.value(right)), false())

    def on_day(
        self, field: Field, operator: Operator, bounds: Callable[[str], tuple[datetime, datetime]]
    ) -> ColumnElement[bool]:
        """A moment compared with a day of the person's calendar, which begins and ends at `bounds(zone)`."""

        def from_start() -> ColumnElement[bool]:
            return self.not_before(field, lambda zone: bounds(zone)[0])

        def from_end() -> ColumnElement[bool]:
            return self.not_before(field, lambda zone: bounds(zone)[1])

        match operator:
            case ">=":
                found = from_start()
            case ">":
                found = from_end()
            case "<":
                found = ~from_start()
            case "<=":
                found = ~from_end()
            case "==":
                found = and_(from_start(), ~from_end())
        return self.two_valued(found, field)

    def not_before(self, field: Field, edge: Callable[[str], datetime]) -> ColumnElement[bool]:
        """Not before an instant that hangs on the person's zone; asks for the zone only where it matters."""
        column = self.field(field)
        edges = _by_value(edge).keys()
        first, last = literal(min(edges), Instant()), literal(max(edges), Instant())
        return and_(column >= first, or_(column >= last, column >= self.by_zone(edge)))

    def one_of(self, value: Value, items: tuple[Constant, ...]) -> ColumnElement[bool]:
        written = [item.value for item in items]
        if isinstance(value, Today):
            return self.zone_is(lambda zone: today_in(zone, self.now).isoformat() in written)
        if isinstance(written[0], str):
            return self.two_valued(self.value(value).in_(written), value)
        return self.two_valued(self.value(value).in_([literal(number, Number()) for number in written]), value)

    # -- clocks ------------------------------------------------------------------------------------------------------

    def by_zone(self, value_of: Callable[[str], Any]) -> ColumnElement[Any]:
        """A value that hangs on the person's zone; a zone that is none counts as UTC."""
        groups = _by_value(value_of)
        default = value_of("UTC")
        kind = Instant() if isinstance(default, datetime) else Text()
        arms = [
            (_among(self.person.c.zone, zones), literal(value, kind))
            for value, zones in groups.items()
            if value != default
        ]
        return case(*arms, else_=literal(default, kind)) if arms else literal(default, kind)

    def zone_is(self, fits: Callable[[str], bool]) -> ColumnElement[bool]:
        """Does the person's zone fit? Mostly all do or none, and then nothing is asked."""
        groups = _by_value(fits)
        if len(groups) == 1:
            return true() if True in groups else false()
        if fits("UTC"):
            return ~_among(self.person.c.zone, groups[False])
        return _among(self.person.c.zone, groups[True])

    # -- happenings --------------------------------------------------------------------------------------------------

    @property
    def enrollment(self) -> FromClause:
        if self.given_enrollment is None:
            raise ValueError("the expression asks about its enrollment, and none is given")
        return self.given_enrollment

    def in_period(self, at: ColumnElement[Any], period: Period) -> list[ColumnElement[bool]]:
        conditions: list[ColumnElement[bool]] = []
        if period.within is not None:
            conditions.append(at >= literal(self.now - period.within.span, Instant()))
        if period.since_entry:
            conditions.append(at >= self.enrollment.c.entered_at)
        return conditions

    def learnt(self, received_at: ColumnElement[Any]) -> list[ColumnElement[bool]]:
        """In a wait: only what we learnt of since it began."""
        return [] if self.since is None else [received_at >= self.since]

    def happened(self, period: Period, *conditions: Callable[[FromClause], ColumnElement[bool]]) -> ColumnElement[bool]:
        """An event of the person for which the conditions hold."""
        event = TABLES["event"].alias()
        return _any(
            [event],
            event.c.person_id == self.person.c.id,
            *[condition(event) for condition in conditions],
            *self.in_period(event.c.at, period),
        )

    def just_learnt(self, event: FromClause) -> ColumnElement[bool]:
        return and_(true(), *self.learnt(event.c.received_at))

    def signed_up(self, period: Period) -> ColumnElement[bool]:
        signup = TABLES["signup"].alias()
        return _any(
            [signup],
            signup.c.person_id == self.person.c.id,
            *self.in_period(signup.c.at, period),
            *self.learnt(signup.c.received_at),
        )

    def event(self, asked: Asked) -> ColumnElement[bool]:
        (name,) = asked.arguments
        found = self.happened(asked.period, lambda event: event.c.name == name, self.just_learnt)
        return or_(self.signed_up(asked.period), found) if name == "signup" else found

    def active(self, asked: Asked) -> ColumnElement[bool]:
        found = self.happened(asked.period, lambda event: event.c.active.is_(true()), self.just_learnt)
        return or_(found, self.signed_up(asked.period))

    def of_calendar(self, asked: Asked) -> ColumnElement[bool]:
        """`registered attended missed`: of the calendar name, or of an occurrence of it by its key."""
        (calendar,) = asked.arguments

        def about(event: FromClause) -> ColumnElement[bool]:
            ref = ByCodePoint(event.c.ref)  # "." follows "-": together the two say "begins with NAME-"
            return or_(event.c.ref == calendar, and_(ref >= f"{calendar}-", ref < f"{calendar}."))

        def learnt(event: FromClause) -> ColumnElement[bool]:
            """In a wait also what we learnt since the occurrence of this enrollment began."""
            since = self.learnt(event.c.received_at)
            if since and self.given_enrollment is not None:
                since.append(event.c.received_at >= self.occurrence_start(calendar))
            return or_(*since) if since else true()

        return self.happened(asked.period, lambda event: event.c.name == asked.function, about, learnt)

    def occurrence_start(self, calendar: str) -> ColumnElement[Any]:
        occurrence = TABLES["occurrence"].alias()
        key = func.coalesce(JsonValue(self.enrollment.c.anchors, calendar, "text"), self.enrollment.c.occurrence_key)
        return (
            select(occurrence.c.starts_at)
            .where(occurrence.c.calendar == calendar, occurrence.c.key == key)
            .correlate_except(occurrence)
            .scalar_subquery()
        )

    def of_step(self, asked: Asked) -> Callable[[FromClause], ColumnElement[bool]]:
        """Of a step of this enrollment, or ever of a campaign's."""

        def mine(event: FromClause) -> ColumnElement[bool]:
            whose = (
                event.c.campaign_id == asked.campaign
                if asked.campaign
                else event.c.enrollment_id == self.enrollment.c.id
            )
            return and_(event.c.ref.in_(asked.keys), whose)

        return mine

    def answered(self, asked: Asked) -> ColumnElement[bool]:
        (answer,) = asked.arguments
        return self.happened(
            asked.period,
            lambda event: and_(event.c.name == "answered", event.c.value == answer),
            self.of_step(asked),
            self.just_learnt,
        )

    def clicked(self, asked: Asked) -> ColumnElement[bool]:
        return self.happened(
            asked.period,
            lambda event: and_(event.c.name == "clicked", event.c.value == "human"),
            self.of_step(asked),
            self.just_learnt,
        )

    def received(self, asked: Asked) -> ColumnElement[bool]:
        delivery = TABLES["delivery"].alias()
        whose = (
            [delivery.c.person_id == self.person.c.id, delivery.c.campaign_id == asked.campaign]
            if asked.campaign
            else [delivery.c.enrollment_id == self.enrollment.c.id]
        )
        return _any(
            [delivery],
            *whose,
            delivery.c.step_key.in_(asked.keys),
            delivery.c.state.in_(RECEIVED_STATES),
            *self.in_period(delivery.c.settled_at, asked.period),
            *self.learnt(delivery.c.settled_at),
        )

    def mails(self, period: Period) -> ColumnElement[int]:
        delivery = TABLES["delivery"].alias()
        return (
            select(func.count())
            .select_from(delivery)
            .where(
                delivery.c.person_id == self.person.c.id,
                delivery.c.state.in_(GOT_STATES),
                *self.in_period(delivery.c.settled_at, period),
            )
            .correlate_except(delivery)
            .scalar_subquery()
        )

    def reached(self, asked: Asked) -> ColumnElement[bool]:
        stages = at_or_past(asked.arguments[0])
        when = self.person.c.stage_at
        in_time = [when.is_not(None), *self.in_period(when, asked.period)] if asked.period != Period() else []
        is_there = and_(self.person.c.stage.in_(stages), *in_time)
        was_there = self.happened(asked.period, lambda event: and_(event.c.name == "stage", event.c.value.in_(stages)))
        return or_(is_there, was_there)

    # -- windows -----------------------------------------------------------------------------------------------------

    @property
    def window_id(self) -> ColumnElement[Any]:
        if self.given_window is not None:
            return self.given_window.c.id
        if self.given_enrollment is not None:
            return self.given_enrollment.c.window_id
        raise ValueError("the expression asks about its window, and none is given")

    def window_column(self, name: str) -> ColumnElement[Any]:
        if self.given_window is not None:
            return self.given_window.c[name]
        window = TABLES["filing_window"].alias()
        found = select(window.c[name]).where(window.c.id == self.window_id)
        return found.correlate_except(window).scalar_subquery()

    def filed(self, asked: Asked) -> ColumnElement[bool]:
        candidacy = TABLES["candidacy"].alias()
        return _any(
            [candidacy],
            candidacy.c.person_id == self.person.c.id,
            *([candidacy.c.window_id == self.window_id] if asked.here else []),
            candidacy.c.status.in_(FILED_STATUSES),
            *self.in_period(candidacy.c.at, asked.period),
        )

    def some_window(
        self, asked: Asked, fits: Callable[[FromClause], list[ColumnElement[bool]]], *others: FromClause
    ) -> ColumnElement[bool]:
        """The window of the place, or any that is still ahead, for which the conditions hold."""
        window = TABLES["filing_window"].alias()
        if asked.here:
            which: list[ColumnElement[bool]] = [window.c.id == self.window_id]
        else:
            today = window_day(self.now)
            closes = ByCodePoint(window.c.closes_on)
            which = [closes >= today.isoformat(), window.c.status != "cancelled"]
            if asked.closes_within is not None:
                assert asked.closes_within.days is not None
                which.append(closes <= (today + timedelta(days=asked.closes_within.days)).isoformat())
        return _any([window, *others], *which, *fits(window))

    def wants(self, asked: Asked) -> ColumnElement[bool]:
        interest = TABLES["interest"].alias()

        def fits(window: FromClause) -> list[ColumnElement[bool]]:
            return [interest.c.person_id == self.person.c.id, *wanted(interest, self.person, window)]

        return self.some_window(asked, fits, interest)

    def lives_in(self, asked: Asked) -> ColumnElement[bool]:
        county = self.person.c.county
        slug = func.replace(func.lower(county), " ", "_")
        for word in COUNTY_WORDS:
            slug = func.replace(slug, f"_{word}", "")
        place = literal("ocd-division/country:us/state:") + func.lower(self.person.c.state)
        of_county = [place + f"/{word}:" + func.nullif(slug, "") for word in COUNTY_WORDS]

        def fits(window: FromClause) -> list[ColumnElement[bool]]:
            division = window.c.division
            return [
                window.c.state != "",
                window.c.state == self.person.c.state,
                or_(division.is_(None), division == "", division == county, *(division == one for one in of_county)),
            ]

        return self.some_window(asked, fits)

    def wants_office(self, asked: Asked) -> ColumnElement[bool]:
        interest = TABLES["interest"].alias()
        levels = ("", *levels_meeting(asked.arguments[0]))
        return _any([interest], interest.c.person_id == self.person.c.id, interest.c.office_level.in_(levels))

    # -- what she is -------------------------------------------------------------------------------------------------

    def tag(self, asked: Asked) -> ColumnElement[bool]:
        tag = TABLES["person_tag"].alias()
        return _any([tag], tag.c.person_id == self.person.c.id, tag.c.tag == asked.arguments[0])

    def role(self, asked: Asked) -> ColumnElement[bool]:
        role = TABLES["person_role"].alias()
        return _any([role], role.c.person_id == self.person.c.id, role.c.role == asked.arguments[0])

    def consented(self, asked: Asked) -> ColumnElement[bool]:
        consent = TABLES["consent"].alias()
        return _any(
            [consent],
            consent.c.person_id == self.person.c.id,
            consent.c.entity_id == asked.arguments[0],
            consent.c.withdrawn_at.is_(None),
        )

    def topic(self, asked: Asked) -> ColumnElement[bool]:
        (topic,) = asked.arguments
        left, suppression = TABLES["topic_left"].alias(), TABLES["suppression"].alias()
        return and_(
            ~_any([left], left.c.person_id == self.person.c.id, left.c.topic == topic),
            ~_any(
                [suppression],
                suppression.c.address_hash == self.person.c.address_hash,
                suppression.c.lifted_at.is_(None),
                suppression.c.scope == "topic",
                suppression.c.scope_id == topic,
            ),
        )

    def in_campaign(self, asked: Asked) -> ColumnElement[bool]:
        return self.enrolled(asked.arguments[0], "active")

    def finished(self, asked: Asked) -> ColumnElement[bool]:
        return self.enrolled(asked.arguments[0], "finished")

    def enrolled(self, campaign: str, state: str) -> ColumnElement[bool]:
        other = TABLES["enrollment"].alias()
        return _any(
            [other],
            other.c.campaign_id == campaign,
            other.c.person_id == self.person.c.id,
            other.c.state == state,
        )


_QUESTIONS: Final[dict[str, Callable[[_Writer, Asked], ColumnElement[bool]]]] = {
    "tag": _Writer.tag,
    "role": _Writer.role,
    "consented": _Writer.consented,
    "topic": _Writer.topic,
    "event": _Writer.event,
    "registered": _Writer.of_calendar,
    "attended": _Writer.of_calendar,
    "missed": _Writer.of_calendar,
    "answered": _Writer.answered,
    "reached": _Writer.reached,
    "filed": _Writer.filed,
    "wants": _Writer.wants,
    "lives_in": _Writer.lives_in,
    "has_window": _Writer.wants,
    "wants_office": _Writer.wants_office,
    "active": _Writer.active,
    "received": _Writer.received,
    "clicked": _Writer.clicked,
    "in_campaign": _Writer.in_campaign,
    "finished": _Writer.finished,
}


def _any(tables: list[FromClause], *conditions: ColumnElement[bool]) -> ColumnElement[bool]:
    """There is a row; every other table named is that of the enclosing statement."""
    found: Select[Any] = select(literal_column("1")).select_from(*tables).where(*conditions)
    return found.correlate_except(*tables).exists()


def wanted(interest: FromClause, person: FromClause, window: FromClause) -> list[ColumnElement[bool]]:
    """
    The conditions under which a row of `interest`, of this person, means this window: `core.interest.wants` in SQL.

    `window` needs the columns state, office_level, division, election_on, party_path and incumbency.
    """
    mine, theirs = interest.c.office_level, window.c.office_level
    wider = [
        both
        for wide, narrow in WIDER_LEVELS.items()
        for both in (and_(mine == wide, theirs.in_(narrow)), and_(theirs == wide, mine.in_(narrow)))
    ]
    where = case((interest.c.state == "", person.c.state), else_=interest.c.state)
    path = func.coalesce(window.c.party_path, "")
    incumbency = func.coalesce(window.c.incumbency, "")
    return [
        or_(mine == "", mine == theirs, *wider),
        window.c.state != "",
        window.c.state == where,  # an equality, so that an index leads from a person to the windows of her state
        or_(
            interest.c.division == "",
            window.c.division.is_(None),
            window.c.division == "",
            interest.c.division == window.c.division,
        ),
        or_(
            interest.c.election_year.is_(None),
            cast(interest.c.election_year, Text) == func.substr(window.c.election_on, 1, 4),
        ),
        or_(
            path.in_(("", "nonpartisan")),
            path == interest.c.party_path,
            and_(interest.c.party_path == "", path.in_(COMMON_PATHS)),
        ),
        or_(incumbency == "", (incumbency == "incumbent") == interest.c.incumbent),
    ]


def _by_value(value_of: Callable[[str], Any]) -> dict[Any, list[str]]:
    """The zones grouped by what they give."""
    groups: dict[Any, list[str]] = {}
    for zone in _zones():
        groups.setdefault(value_of(zone), []).append(zone)
    return groups


@lru_cache(maxsize=1)
def _zones() -> tuple[str, ...]:
    return tuple(sorted(known_zones()))


def _among(zone: ColumnElement[str], zones: list[str]) -> ColumnElement[bool]:
    """Written into the statement, because a few hundred parameters a comparison would soon be too many."""
    return zone.in_(bindparam(None, zones, expanding=True, literal_execute=True, type_=Text(), unique=True))
