"""
A checked expression as a tree of values: what is asked, with every name resolved and every type known.

Conditions are `And Or Not Always Segment Holds Missing Compare OneOf Asked`; values are `Field Constant Length Today
Age Count`. Two-valued throughout: `!=`, `not in` and `is not none` are a `Not` around the positive form.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from functools import cached_property
from typing import Final, Literal

from rfs_mail.core.vocabulary import FieldType

Operator = Literal["==", "<", "<=", ">", ">="]

FLIPPED: Final[dict[Operator, Operator]] = {"==": "==", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
"""`a op b` is `b FLIPPED[op] a`."""


# -- values ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Field:
    """A field of the person, of her custom fields, of the window, or a milestone of the window."""

    scope: Literal["person", "custom", "window", "milestone"]
    name: str
    type: FieldType

    def __str__(self) -> str:
        scope = {"person": "", "custom": "custom.", "window": "window.", "milestone": "window."}[self.scope]
        return scope + self.name


@dataclass(frozen=True, slots=True)
class Constant:
    """A written value: text, a word of a closed list, a number, or a date as ISO text."""

    value: str | int | float
    type: FieldType

    def __str__(self) -> str:
        return quoted(self.value) if isinstance(self.value, str) else f"{Decimal(repr(self.value)):f}"


@dataclass(frozen=True, slots=True)
class Length:
    """A written duration. `days` is its size in whole days, None where it was written in hours or minutes."""

    text: str
    span: timedelta
    days: int | None

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Today:
    """The calendar day on the person's clock."""

    def __str__(self) -> str:
        return "today"


@dataclass(frozen=True, slots=True)
class Age:
    """How long ago a moment was; for a date, in whole days on the person's clock."""

    field: Field

    def __str__(self) -> str:
        return f"age({self.field})"


@dataclass(frozen=True, slots=True)
class Period:
    """Which happenings count: not longer ago than `within`, and not before the entry."""

    within: Length | None = None
    since_entry: bool = False

    def words(self) -> list[str]:
        """As keyword arguments."""
        return [f"within={self.within}"] * (self.within is not None) + ["since=entry"] * self.since_entry


EVER: Final = Period()


@dataclass(frozen=True, slots=True)
class Count:
    """How many mails the person got."""

    period: Period = EVER

    def __str__(self) -> str:
        return f"mails({', '.join(self.period.words())})"


Value = Field | Constant | Length | Today | Age | Count


# -- conditions --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Always:
    """`true` or `false`."""

    value: bool

    def __str__(self) -> str:
        return "true" if self.value else "false"


@dataclass(frozen=True, slots=True)
class And:
    """All hold."""

    items: tuple["Condition", ...]

    def __str__(self) -> str:
        return " and ".join(f"({item})" if isinstance(item, And | Or) else str(item) for item in self.items)


@dataclass(frozen=True, slots=True)
class Or:
    """At least one holds."""

    items: tuple["Condition", ...]

    def __str__(self) -> str:
        return " or ".join(f"({item})" if isinstance(item, Or) else str(item) for item in self.items)


@dataclass(frozen=True, slots=True)
class Not:
    """It does not hold."""

    item: "Condition"

    def __str__(self) -> str:
        if isinstance(self.item, Compare) and self.item.operator == "==":
            return f"{self.item.left} != {self.item.right}"
        if isinstance(self.item, OneOf):
            return f"{self.item.value} not in {self.item.written}"
        if isinstance(self.item, Missing):
            return f"{self.item.value} is not none"
        return f"not ({self.item})" if isinstance(self.item, And | Or) else f"not {self.item}"


@dataclass(frozen=True, slots=True)
class Segment:
    """A named condition, with what it stands for."""

    name: str
    body: "Condition"

    def __str__(self) -> str:
        return f"segment({quoted(self.name)})"


@dataclass(frozen=True, slots=True)
class Holds:
    """A yes-or-no field has this value; a missing one has neither."""

    field: Field
    wanted: bool = True

    def __str__(self) -> str:
        return str(self.field) if self.wanted else f"{self.field} == false"


@dataclass(frozen=True, slots=True)
class Missing:
    """A field has no value."""

    value: Field

    def __str__(self) -> str:
        return f"{self.value} is none"


@dataclass(frozen=True, slots=True)
class Compare:
    """Two values of one type; false where either is missing. A constant or a length stands on the right."""

    left: Value
    operator: Operator
    right: Value

    def __str__(self) -> str:
        return f"{self.left} {self.operator} {self.right}"


@dataclass(frozen=True, slots=True)
class OneOf:
    """The value is one of these; false where it is missing."""

    value: Value
    items: tuple[Constant, ...]

    @property
    def written(self) -> str:
        """The list."""
        return f"[{', '.join(map(str, self.items))}]"

    def __str__(self) -> str:
        return f"{self.value} in {self.written}"


@dataclass(frozen=True, slots=True)
class Asked:
    """
    A function of `vocabulary.FUNCTIONS` that gives yes or no.

    `arguments` are the names asked for. `received clicked answered` have `keys`, the step key and its former ones, and
    `campaign`, empty for this enrollment. `here`: `window` is the window of this place, else any that is still ahead.
    """

    function: str
    arguments: tuple[str, ...] = ()
    period: Period = EVER
    closes_within: Length | None = None
    here: bool = False
    campaign: str = ""
    keys: tuple[str, ...] = ()

    def __str__(self) -> str:
        words = [quoted(argument) for argument in self.arguments]
        if self.keys:
            words.insert(0, quoted(f"{self.campaign}/{self.keys[0]}" if self.campaign else self.keys[0]))
        if self.function in WINDOW_FUNCTIONS:
            words.append("window")
        words += self.period.words()
        if self.closes_within is not None:
            words.append(f"closes_within={self.closes_within}")
        return f"{self.function}({', '.join(words)})"


WINDOW_FUNCTIONS: Final = frozenset({"filed", "wants", "lives_in"})
_TELLING_FUNCTIONS: Final = frozenset({"wants", "lives_in", "has_window"})
"""Those whose answer hangs on what a window says."""

Condition = Always | And | Or | Not | Segment | Holds | Missing | Compare | OneOf | Asked
Leaf = Always | Holds | Missing | Compare | OneOf | Asked


# -- the whole ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Expression:
    """A checked expression. `text` is what was written, `root` what it means."""

    text: str
    root: Condition

    def __str__(self) -> str:
        return self.text

    @property
    def canonical(self) -> str:
        """The meaning written again: the same for texts that differ in spaces and quotes only."""
        return str(self.root)

    @cached_property
    def leaves(self) -> tuple[Leaf, ...]:
        """What is asked, without the words that join it; segments opened."""
        return tuple(_leaves(self.root))

    @cached_property
    def atoms(self) -> tuple[tuple[str, Condition], ...]:
        """Text and condition of each part that `explain` answers on a line of its own; a `not` stays with its part."""
        return tuple((str(atom), atom) for atom in _atoms(self.root))

    @cached_property
    def depends_on_time(self) -> bool:
        """May it change without any write: by `age`, `today`, `within=` or windows that come closer."""
        return any(_depends_on_time(leaf) for leaf in self.leaves)

    @cached_property
    def uses_window(self) -> bool:
        """Does it need the window of its place."""
        return any(field.scope in ("window", "milestone") for leaf in self.leaves for field in fields_of(leaf)) or any(
            isinstance(leaf, Asked) and leaf.here for leaf in self.leaves
        )

    @cached_property
    def asks_any_window(self) -> bool:
        """Does it ask about windows that are not that of its place: `has_window()`, `wants(window)` in a segment."""
        return any(
            isinstance(leaf, Asked) and leaf.function in _TELLING_FUNCTIONS and not leaf.here for leaf in self.leaves
        )

    @cached_property
    def turns_with_window(self) -> bool:
        """
        May it turn because of what a filing window says. `filed(window)` does not: it asks for a candidacy, by id.
        """
        return any(field.scope in ("window", "milestone") for leaf in self.leaves for field in fields_of(leaf)) or any(
            isinstance(leaf, Asked) and leaf.function in _TELLING_FUNCTIONS for leaf in self.leaves
        )

    @cached_property
    def uses_enrollment(self) -> bool:
        """Does it need the enrollment: `received("step")`, `since=entry`."""
        return any(_uses_enrollment(leaf) for leaf in self.leaves)

    @cached_property
    def names(self) -> frozenset[tuple[str, str]]:
        """
        What it names, as (kind, name), those inside segments too.

        Kinds: field custom window segment entity topic event calendar step campaign stage tag role answer.
        """
        return frozenset(_names(self.root))


def quoted(text: str) -> str:
    """Text as it is written in an expression."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\t", "\\t")
    return f'"{escaped}"'


def walk(condition: Condition) -> Iterator[Condition]:
    """The condition and everything below it, segments opened."""
    yield condition
    match condition:
        case And(items) | Or(items):
            for item in items:
                yield from walk(item)
        case Not(item):
            yield from walk(item)
        case Segment(body=body):
            yield from walk(body)


def fields_of(leaf: Condition) -> tuple[Field, ...]:
    """The fields that a leaf looks at."""
    match leaf:
        case Holds(field=value) | Missing(value=value) | OneOf(value=value):
            values: tuple[Value, ...] = (value,)
        case Compare(left=left, right=right):
            values = (left, right)
        case _:
            values = ()
    inner = (value.field if isinstance(value, Age) else value for value in values)
    return tuple(value for value in inner if isinstance(value, Field))


def period_of(leaf: Condition) -> Period:
    """The period a leaf counts in."""
    if isinstance(leaf, Asked):
        return leaf.period
    if isinstance(leaf, OneOf) and isinstance(leaf.value, Count):
        return leaf.value.period
    if isinstance(leaf, Compare):
        for value in (leaf.left, leaf.right):
            if isinstance(value, Count):
                return value.period
    return EVER


def _leaves(condition: Condition) -> Iterator[Leaf]:
    for each in walk(condition):
        if isinstance(each, Always | Holds | Missing | Compare | OneOf | Asked):
            yield each


def _atoms(condition: Condition) -> Iterator[Condition]:
    match condition:
        case And(items) | Or(items):
            for item in items:
                yield from _atoms(item)
        case Segment(body=body) | Not(item=Segment(body=body)):
            yield from _atoms(body)
        case Not(item=And() | Or() | Not() as inner):
            yield from _atoms(inner)
        case _:
            yield condition


def _depends_on_time(leaf: Leaf) -> bool:
    if period_of(leaf).within is not None:
        return True
    match leaf:
        case Asked(function="has_window"):
            return True
        case Asked(function="wants" | "lives_in", here=here):
            return not here
        case Compare(left=left, right=right):
            return any(isinstance(value, Age | Today) for value in (left, right))
        case OneOf(value=value):
            return isinstance(value, Today)
        case _:
            return False


def _uses_enrollment(leaf: Leaf) -> bool:
    return period_of(leaf).since_entry or (isinstance(leaf, Asked) and bool(leaf.keys) and not leaf.campaign)


_ARGUMENT_KINDS: Final = {
    "tag": "tag",
    "role": "role",
    "consented": "entity",
    "topic": "topic",
    "event": "event",
    "registered": "calendar",
    "attended": "calendar",
    "missed": "calendar",
    "reached": "stage",
    "in_campaign": "campaign",
    "finished": "campaign",
}


def _names(root: Condition) -> Iterator[tuple[str, str]]:
    for each in walk(root):
        for field in fields_of(each):
            yield {"person": "field", "milestone": "window"}.get(field.scope, field.scope), field.name
        if isinstance(each, Segment):
            yield "segment", each.name
        elif isinstance(each, Asked):
            if each.keys:
                prefix = f"{each.campaign}/" if each.campaign else ""
                yield "step", prefix + each.keys[0]
                for answer in each.arguments:
                    yield "answer", answer
            elif each.function in _ARGUMENT_KINDS:
                yield _ARGUMENT_KINDS[each.function], each.arguments[0]
