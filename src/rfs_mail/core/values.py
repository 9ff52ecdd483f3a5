"""
The values that expressions and templates share: ordered words, two-valued comparison, read-only records.

A value that is not known is `None`. Comparing is two-valued: `< <= > >= ==` and `in` with a missing value are false,
`a != b` is `not a == b` and `a not in b` is `not a in b`, so that "not" keeps the people without a value.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from enum import StrEnum
from typing import Final


class _Ordered(StrEnum):
    """A closed list of words with an order. Compares with its own words as plain text too."""

    @property
    def rank(self) -> int | None:
        """The place on the line, from 0 up; `None` for a word that is off the line."""
        return _RANKS[type(self)].get(self.value)

    def _ranks(self, other: object) -> tuple[int, int] | None:
        """Both places, or `None` where the two cannot be put in order."""
        ranks = _RANKS[type(self)]
        mine = ranks.get(self.value)
        theirs = ranks.get(other) if isinstance(other, str) else None
        return None if mine is None or theirs is None else (mine, theirs)

    def __lt__(self, other: object) -> bool:
        ranks = self._ranks(other)
        return ranks is not None and ranks[0] < ranks[1]

    def __le__(self, other: object) -> bool:
        ranks = self._ranks(other)
        return ranks is not None and ranks[0] <= ranks[1]

    def __gt__(self, other: object) -> bool:
        ranks = self._ranks(other)
        return ranks is not None and ranks[0] > ranks[1]

    def __ge__(self, other: object) -> bool:
        ranks = self._ranks(other)
        return ranks is not None and ranks[0] >= ranks[1]


class Stage(_Ordered):
    """
    Where a person stands on the way to the ballot.

    `prospect` to `won` are in order. `lost withdrawn disqualified not_now` are off the line: equal to themselves,
    and `< <= > >=` between them and anything, themselves included, is false.
    """

    PROSPECT = "prospect"
    SIGNED_UP = "signed_up"
    ONBOARDED = "onboarded"
    EXPLORING = "exploring"
    COMMITTED = "committed"
    CIRCULATING = "circulating"
    FILED = "filed"
    ON_BALLOT = "on_ballot"
    ADVANCED = "advanced"
    WON = "won"
    LOST = "lost"
    WITHDRAWN = "withdrawn"
    DISQUALIFIED = "disqualified"
    NOT_NOW = "not_now"


class Confidence(_Ordered):
    """How sure a filing window is: `official > corroborated > secondary > computed > conflict > unknown`."""

    UNKNOWN = "unknown"
    CONFLICT = "conflict"
    COMPUTED = "computed"
    SECONDARY = "secondary"
    CORROBORATED = "corroborated"
    OFFICIAL = "official"


STAGES: Final[tuple[str, ...]] = tuple(stage.value for stage in Stage)[:10]
"""The stages on the line, lowest first."""

STAGES_OFF_THE_LINE: Final[frozenset[str]] = frozenset(stage.value for stage in Stage) - frozenset(STAGES)

CONFIDENCES: Final[tuple[str, ...]] = tuple(word.value for word in Confidence)
"""The confidences, lowest first."""

_RANKS: Final[Mapping[type[_Ordered], Mapping[str, int]]] = {
    Stage: {word: rank for rank, word in enumerate(STAGES)},
    Confidence: {word: rank for rank, word in enumerate(CONFIDENCES)},
}


class Record:
    """
    A read-only set of named values: `window.office`, `custom.issue`, `person.state`.

    A name it does not hold is `None`, never an error. Mappings inside it become records too, lists become tuples.
    In Python a field whose name is also a method here is read with `record["name"]`; templates always see the field.
    """

    __slots__ = ("_values",)
    _values: Mapping[str, object]

    def __init__(self, values: Mapping[str, object] | None = None) -> None:
        object.__setattr__(self, "_values", {name: freeze(value) for name, value in (values or {}).items()})

    def get(self, name: str) -> object:
        """The value, or `None`."""
        return self._values.get(name)

    def __getitem__(self, name: str) -> object:
        return self._values.get(name)

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        return self._values.get(name)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a record is read-only: {name} cannot be set")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a record is read-only: {name} cannot be removed")

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __bool__(self) -> bool:
        return True

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def __eq__(self, other: object) -> bool:
        return self._values == other._values if isinstance(other, Record) else NotImplemented

    def __hash__(self) -> int:
        return hash(frozenset(self._values))

    def __reduce__(self) -> tuple[type["Record"], tuple[dict[str, object]]]:
        return Record, (dict(self._values),)

    def __repr__(self) -> str:
        """Names only: a record may hold somebody's data, and reprs end up in logs."""
        return f"Record({', '.join(sorted(self._values))})"


def freeze(value: object) -> object:
    """The same value, unchangeable: mappings as records, lists and sets as tuples (sets in order)."""
    if type(value) in _PLAIN:
        return value
    if isinstance(value, Mapping):
        return Record(value)
    if isinstance(value, list | tuple):
        return tuple(freeze(item) for item in value)
    if isinstance(value, set | frozenset):
        return tuple(sorted((freeze(item) for item in value), key=repr))
    return value


_PLAIN: Final = frozenset({str, int, float, bool, type(None), datetime, date, Stage, Confidence, Record})


def compare(operator: str, left: object, right: object) -> bool:
    """
    One comparison of the expression language, two-valued.

    `operator` is Jinja's word for it: `eq ne lt lteq gt gteq in notin`. Any comparison with `None` is false, except
    the two negated ones, which are then true. A day compares with its ISO text too. Raises `TypeError` for two known
    values that have no order between them (text and a number, a date and an instant): that is a mistake in the text,
    never in a person's data.
    """
    if type(left) is date and isinstance(right, str):
        left = left.isoformat()
    elif type(right) is date and isinstance(left, str):
        right = right.isoformat()
    return _COMPARISONS[operator](left, right)


def _equal(left: object, right: object) -> bool:
    return left is not None and right is not None and bool(left == right)


def _contains(left: object, right: object) -> bool:
    if left is None or right is None:
        return False
    return left in right  # type: ignore[operator]


def _less(left: object, right: object) -> bool:
    return left is not None and right is not None and bool(left < right)  # type: ignore[operator]


def _at_most(left: object, right: object) -> bool:
    return left is not None and right is not None and bool(left <= right)  # type: ignore[operator]


def _more(left: object, right: object) -> bool:
    return left is not None and right is not None and bool(left > right)  # type: ignore[operator]


def _at_least(left: object, right: object) -> bool:
    return left is not None and right is not None and bool(left >= right)  # type: ignore[operator]


_COMPARISONS: Final[Mapping[str, Callable[[object, object], bool]]] = {
    "eq": _equal,
    "ne": lambda left, right: not _equal(left, right),
    "lt": _less,
    "lteq": _at_most,
    "gt": _more,
    "gteq": _at_least,
    "in": _contains,
    "notin": lambda left, right: not _contains(left, right),
}
