"""
An expression asked of one person, in Python: what `explain` shows, and what holds the SQL to its meaning.

`store.expressions` says the same in SQL; a property test keeps the two together.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

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
    Happening,
    PersonFacts,
    WindowFact,
    clock_of,
    day_bounds,
    today_in,
    window_day,
)
from rfs_mail.core.interest import lives_in, wants, wants_office
from rfs_mail.core.values import STAGES
from rfs_mail.core.vocabulary import LINE

Scalar = str | int | float | bool | datetime


@dataclass(frozen=True, slots=True)
class AtomResult:
    """One line of an explanation: what was asked, the answer, and what was looked at, in words."""

    text: str
    value: bool
    seen: str


def evaluate(expression: Expression, facts: PersonFacts, *, now: datetime, since: datetime | None = None) -> bool:
    """
    Does it hold for this person at this instant?

    `since` is when a `wait_for` began: happenings count from when we learnt of them after that. Raises ValueError where
    the expression needs an enrollment or a window that the facts do not have.
    """
    return _Asking(facts, now, since).holds(expression.root)


def explain(
    expression: Expression, facts: PersonFacts, *, now: datetime, since: datetime | None = None
) -> tuple[AtomResult, ...]:
    """Each part of the expression with its answer, in the order it is written."""
    asking = _Asking(facts, now, since)
    return tuple(AtomResult(text, *asking.seen(atom)) for text, atom in expression.atoms)


_ISO_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

_ORDER: Final[dict[Operator, Callable[[float], bool]]] = {
    "==": lambda sign: sign == 0,
    "<": lambda sign: sign < 0,
    "<=": lambda sign: sign <= 0,
    ">": lambda sign: sign > 0,
    ">=": lambda sign: sign >= 0,
}


class _Asking:
    """One person at one instant."""

    def __init__(self, facts: PersonFacts, now: datetime, since: datetime | None) -> None:
        self.facts = facts
        self.now = now
        self.since = since

    def holds(self, condition: Condition) -> bool:
        match condition:
            case And(items):
                return all(self.holds(item) for item in items)
            case Or(items):
                return any(self.holds(item) for item in items)
            case Not(item):
                return not self.holds(item)
            case Segment(body=body):
                return self.holds(body)
            case _:
                return self.seen(condition)[0]

    def seen(self, condition: Condition) -> tuple[bool, str]:
        """The answer and what it rests on."""
        match condition:
            case Not(item):
                value, words = self.seen(item)
                return not value, words
            case Always(value):
                return value, "always" if value else "never"
            case Holds(field, wanted):
                found = self.field(field)
                return found is wanted, self.say(field, found)
            case Missing(field):
                found = self.field(field)
                return found is None, self.say(field, found)
            case Compare():
                return self.compared(condition), self.say_sides(condition)
            case OneOf(value, items):
                found = self.value(value)
                return found is not None and found in [item.value for item in items], self.say(value, found)
            case Asked():
                return _QUESTIONS[condition.function](self, condition)
            case _:
                return self.holds(condition), ""

    # -- values ------------------------------------------------------------------------------------------------------

    def value(self, value: Value) -> Scalar | None:
        match value:
            case Field():
                return self.field(value)
            case Constant(value=written):
                return written
            case Today():
                return self.today.isoformat()
            case Count(period):
                return sum(
                    mail.state in GOT_STATES and self.in_period(mail.settled_at, period) for mail in self.facts.mails
                )
            case Age(field):
                return self.field(field)
            case Length():
                return None

    @property
    def today(self) -> date:
        return today_in(self.facts.zone, self.now)

    def field(self, field: Field) -> Scalar | None:
        match field.scope:
            case "person":
                return self.facts.fields.get(field.name)
            case "custom":
                return _typed(field, self.facts.custom.get(field.name))
            case "window":
                return self.window.fields.get(field.name) or None
            case "milestone":
                return self.window.milestones.get(field.name) or None

    @property
    def window(self) -> WindowFact:
        if self.facts.window is not None:
            return self.facts.window
        if self.facts.enrollment is None:
            raise ValueError("the expression asks about its window, and these facts have none")
        return WindowFact("")  # somebody entered without one: everything about it is missing

    def compared(self, asked: Compare) -> bool:
        left, operator, right = asked.left, asked.operator, asked.right
        if isinstance(left, Age):
            assert isinstance(right, Length)
            return self.aged(left, FLIPPED[operator], right)
        one, other = self.value(left), self.value(right)
        if one is None or other is None:
            return False
        if isinstance(one, datetime) and isinstance(other, datetime):
            return _in_order(one, operator, other)
        if isinstance(one, datetime):
            return self.on_day(one, operator, str(other))
        if isinstance(other, datetime):
            return self.on_day(other, FLIPPED[operator], str(one))
        line = LINE.get(left.type.kind) if isinstance(left, Field) else None
        if line is not None and operator != "==":
            return one in line and other in line and _in_order(line.index(str(one)), operator, line.index(str(other)))
        return _in_order(one, operator, other)

    def aged(self, age: Age, operator: Operator, length: Length) -> bool:
        """The operator compares the moment with the instant or day that lies `length` back."""
        moment = self.field(age.field)
        if moment is None:
            return False
        if isinstance(moment, datetime):
            return _in_order(moment, operator, self.now - length.span)
        assert length.days is not None
        return _in_order(str(moment), operator, (self.today - timedelta(days=length.days)).isoformat())

    def on_day(self, instant: datetime, operator: Operator, day: str) -> bool:
        """A moment compared with a day: where it lies on the person's calendar."""
        start, end = day_bounds(date.fromisoformat(day), self.facts.zone)
        return _ORDER[operator](-1 if instant < start else int(instant >= end))

    # -- happenings --------------------------------------------------------------------------------------------------

    def in_period(self, at: datetime | None, period: Period) -> bool:
        if period.within is not None and (at is None or at < self.now - period.within.span):
            return False
        return not period.since_entry or (at is not None and at >= self.entered_at)

    @property
    def entered_at(self) -> datetime:
        if self.facts.enrollment is None:
            raise ValueError("the expression asks about its enrollment, and these facts have none")
        return self.facts.enrollment.entered_at

    @property
    def enrollment_id(self) -> int:
        if self.facts.enrollment is None:
            raise ValueError("the expression asks about its enrollment, and these facts have none")
        return self.facts.enrollment.id

    def learnt(self, happening: Happening, start: datetime | None = None) -> bool:
        """In a wait: did we learn of it since the wait began, or since `start` where that is earlier?"""
        if self.since is None or happening.received_at >= self.since:
            return True
        return start is not None and happening.received_at >= start

    def latest(
        self, asked: Asked, matches: Callable[[Happening], bool], start: datetime | None = None
    ) -> tuple[bool, str]:
        found = [
            each.at
            for each in self.facts.happenings
            if matches(each) and self.in_period(each.at, asked.period) and self.learnt(each, start)
        ]
        return bool(found), self.say_latest(found, asked.period)

    def event(self, asked: Asked) -> tuple[bool, str]:
        (name,) = asked.arguments
        return self.latest(asked, lambda each: each.name == name)

    def of_calendar(self, asked: Asked) -> tuple[bool, str]:
        (calendar,) = asked.arguments
        start = self.facts.enrollment.starts.get(calendar) if self.facts.enrollment else None
        return self.latest(
            asked,
            lambda each: each.name == asked.function and (each.ref == calendar or each.ref.startswith(calendar + "-")),
            start,
        )

    def of_step(self, asked: Asked) -> Callable[[Happening], bool]:
        def mine(each: Happening) -> bool:
            if each.ref not in asked.keys:
                return False
            return each.campaign_id == asked.campaign if asked.campaign else each.enrollment_id == self.enrollment_id

        return mine

    def answered(self, asked: Asked) -> tuple[bool, str]:
        mine, (answer,) = self.of_step(asked), asked.arguments
        return self.latest(asked, lambda each: each.name == "answered" and each.value == answer and mine(each))

    def clicked(self, asked: Asked) -> tuple[bool, str]:
        mine = self.of_step(asked)
        return self.latest(asked, lambda each: each.name == "clicked" and each.value == "human" and mine(each))

    def active(self, asked: Asked) -> tuple[bool, str]:
        return self.latest(asked, lambda each: each.active)

    def received(self, asked: Asked) -> tuple[bool, str]:
        found = [
            mail.settled_at
            for mail in self.facts.mails
            if mail.state in RECEIVED_STATES
            and mail.step_key in asked.keys
            and (mail.campaign_id == asked.campaign if asked.campaign else mail.enrollment_id == self.enrollment_id)
            and self.in_period(mail.settled_at, asked.period)
            and (self.since is None or (mail.settled_at is not None and mail.settled_at >= self.since))
        ]
        return bool(found), self.say_latest([at for at in found if at is not None], asked.period)

    def reached(self, asked: Asked) -> tuple[bool, str]:
        wanted = at_or_past(asked.arguments[0])
        stage = self.facts.fields.get("stage")
        since = self.facts.fields.get("stage_at")
        at = since if isinstance(since, datetime) else None
        if stage in wanted and (asked.period == Period() or (at is not None and self.in_period(at, asked.period))):
            return True, f"stage is {stage}"
        found = [
            each.at
            for each in self.facts.happenings
            if each.name == "stage" and each.value in wanted and self.in_period(each.at, asked.period)
        ]
        return bool(found), f"reached {self.say_latest(found, asked.period)}" if found else f"stage is {stage}"

    # -- windows -----------------------------------------------------------------------------------------------------

    def filed(self, asked: Asked) -> tuple[bool, str]:
        candidacies = self.facts.candidacies
        looked = {self.window.id: candidacies.get(self.window.id)} if asked.here else dict(candidacies)
        for window_id, candidacy in looked.items():
            if candidacy and candidacy.status in FILED_STATUSES and self.in_period(candidacy.at, asked.period):
                return True, f"{candidacy.status} for {window_id}"
        known = [f"{candidacy.status} for {window_id}" for window_id, candidacy in looked.items() if candidacy]
        return False, known[0] if known else "no papers that we know of"

    def ahead(self) -> Iterable[WindowFact]:
        day = window_day(self.now).isoformat()
        return (
            each for each in self.facts.windows if each.text("closes") >= day and each.text("status") != "cancelled"
        )

    def wanted(self, window: WindowFact) -> bool:
        return any(
            wants(
                interest,
                self.facts.text("state"),
                office_level=window.text("office_level"),
                state=window.text("state"),
                division=window.text("division"),
                election_on=window.text("election"),
                party_path=window.text("party_path"),
                incumbency=window.text("incumbency"),
            )
            for interest in self.facts.interests
        )

    def lived_in(self, window: WindowFact) -> bool:
        return lives_in(
            self.facts.text("state"),
            self.facts.text("county"),
            state=window.text("state"),
            division=window.text("division"),
        )

    def wants(self, asked: Asked) -> tuple[bool, str]:
        return self.some_window([self.window] if asked.here else self.ahead(), self.wanted, "wants")

    def wants_office(self, asked: Asked) -> tuple[bool, str]:
        (level,) = asked.arguments
        held = any(wants_office(interest, level) for interest in self.facts.interests)
        said = ", ".join(interest.office_level or "any office" for interest in self.facts.interests)
        return held, f"wants {said or 'nothing that we know of'}"

    def lives_in(self, asked: Asked) -> tuple[bool, str]:
        return self.some_window([self.window] if asked.here else self.ahead(), self.lived_in, "lives in")

    def has_window(self, asked: Asked) -> tuple[bool, str]:
        windows = self.ahead()
        if asked.closes_within is not None:
            assert asked.closes_within.days is not None
            last = (window_day(self.now) + timedelta(days=asked.closes_within.days)).isoformat()
            windows = (each for each in windows if each.text("closes") <= last)
        return self.some_window(windows, self.wanted, "wants")

    def some_window(
        self, windows: Iterable[WindowFact], fits: Callable[[WindowFact], bool], verb: str
    ) -> tuple[bool, str]:
        found = next((each for each in windows if fits(each)), None)
        return found is not None, f"{verb} {found.id}" if found else "no window"

    # -- what she is -------------------------------------------------------------------------------------------------

    def tag(self, asked: Asked) -> tuple[bool, str]:
        return _among(asked.arguments[0], self.facts.tags, "tags")

    def role(self, asked: Asked) -> tuple[bool, str]:
        return _among(asked.arguments[0], self.facts.roles, "roles")

    def consented(self, asked: Asked) -> tuple[bool, str]:
        (entity,) = asked.arguments
        held = entity in self.facts.consents
        return held, f"{'consented' if held else 'no consent'} to {entity}"

    def topic(self, asked: Asked) -> tuple[bool, str]:
        (topic,) = asked.arguments
        left = topic in self.facts.topics_left
        return not left, f"{'left' if left else 'did not leave'} {topic}"

    def in_campaign(self, asked: Asked) -> tuple[bool, str]:
        return self.enrolled(asked.arguments[0], "active", "is in")

    def finished(self, asked: Asked) -> tuple[bool, str]:
        return self.enrolled(asked.arguments[0], "finished", "finished")

    def enrolled(self, campaign: str, state: str, verb: str) -> tuple[bool, str]:
        states = [each.state for each in self.facts.enrollments if each.campaign_id == campaign]
        if state in states:
            return True, f"{verb} {campaign}"
        return False, f"{campaign}: {states[-1]}" if states else f"never in {campaign}"

    # -- words -------------------------------------------------------------------------------------------------------

    def say(self, value: Value, found: Scalar | None) -> str:
        """`stage is signed_up`, `2 mails in 180 days`."""
        if isinstance(value, Count):
            count = f"{found} mail" if found == 1 else f"{found} mails"
            return count + self.say_period(value.period)
        named = value.field if isinstance(value, Age) else value
        if found is None:
            return f"{named} is not known"
        if isinstance(found, datetime):
            return f"{named} is {self.say_instant(found)}"
        if isinstance(found, bool):
            return f"{named} is {'yes' if found else 'no'}"
        return f"{named} is {found}"

    def say_sides(self, asked: Compare) -> str:
        sides = [value for value in (asked.left, asked.right) if not isinstance(value, Constant | Length)]
        return ", ".join(self.say(value, self.value(value)) for value in sides)

    def say_instant(self, instant: datetime) -> str:
        local = instant.astimezone(clock_of(self.facts.zone))
        return f"{local:%Y-%m-%d %H:%M} ({self.say_ago(instant)})"

    def say_ago(self, instant: datetime) -> str:
        days = abs(self.now - instant) // timedelta(days=1)
        size = "less than a day" if not days else f"{days} day{'s' * (days != 1)}"
        return f"{size} ago" if instant <= self.now else f"in {size}"

    def say_latest(self, found: list[datetime], period: Period) -> str:
        if not found:
            return "never" if period == Period() and self.since is None else f"not{self.say_period(period)}"
        return f"last on {self.say_instant(max(found))}"

    def say_period(self, period: Period) -> str:
        words = []
        if period.within is not None:
            days = period.within.days
            words.append(f" in {days} days" if days is not None and days != 1 else f" in {period.within}")
        if period.since_entry:
            words.append(" since entry")
        if self.since is not None:
            words.append(" since the wait began")
        return "".join(words)


_QUESTIONS: Final[dict[str, Callable[[_Asking, Asked], tuple[bool, str]]]] = {
    "tag": _Asking.tag,
    "role": _Asking.role,
    "consented": _Asking.consented,
    "topic": _Asking.topic,
    "event": _Asking.event,
    "registered": _Asking.of_calendar,
    "attended": _Asking.of_calendar,
    "missed": _Asking.of_calendar,
    "answered": _Asking.answered,
    "reached": _Asking.reached,
    "filed": _Asking.filed,
    "wants": _Asking.wants,
    "lives_in": _Asking.lives_in,
    "wants_office": _Asking.wants_office,
    "has_window": _Asking.has_window,
    "active": _Asking.active,
    "received": _Asking.received,
    "clicked": _Asking.clicked,
    "in_campaign": _Asking.in_campaign,
    "finished": _Asking.finished,
}


def at_or_past(stage: str) -> tuple[str, ...]:
    """The stages that count as having reached this one; off the line, only itself."""
    return STAGES[STAGES.index(stage) :] if stage in STAGES else (stage,)


def _among(name: str, held: frozenset[str], what: str) -> tuple[bool, str]:
    return name in held, f"{what}: {', '.join(sorted(held))}" if held else f"no {what}"


def _typed(field: Field, value: object) -> Scalar | None:
    """A custom value of its declared type; one of another type is missing."""
    match field.type.kind:
        case "yes_no":
            return value if isinstance(value, bool) else None
        case "number":
            return value if isinstance(value, int | float) and not isinstance(value, bool) else None
        case "date":
            return value if isinstance(value, str) and _ISO_DATE.fullmatch(value) else None
        case _:
            return value if isinstance(value, str) else None


def _in_order(one: Scalar, operator: Operator, other: Scalar) -> bool:
    if one == other:
        return _ORDER[operator](0)
    return _ORDER[operator](-1 if one < other else 1)  # type: ignore[operator]  # the checker saw that both are of one type
