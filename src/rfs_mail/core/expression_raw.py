"""An expression as it was written, parsed but not checked: every node with its place, names and types unknown."""

from dataclasses import dataclass
from typing import Literal

from rfs_mail.core.expression_tree import Length

RawOperator = Literal["eq", "ne", "lt", "lteq", "gt", "gteq", "in", "notin"]


@dataclass(frozen=True, slots=True)
class RawName:
    """`stage`, `custom.office`."""

    path: tuple[str, ...]
    start: int
    end: int

    @property
    def dotted(self) -> str:
        """As written."""
        return ".".join(self.path)


@dataclass(frozen=True, slots=True)
class RawConst:
    """A text, a number, `true`, `none`, a duration."""

    value: str | int | float | bool | Length | None
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class RawList:
    """`["a", "b"]`."""

    items: tuple["Raw", ...]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class RawCall:
    """`event("name", within=30d)`."""

    function: RawName
    arguments: tuple["Raw", ...]
    keywords: tuple[tuple[str, "Raw"], ...]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class RawCompare:
    """`a < b`, `a < b < c`: the first operand, then operator and operand."""

    first: "Raw"
    rest: tuple[tuple[RawOperator, "Raw"], ...]
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class RawIsNone:
    """`a is none`."""

    item: "Raw"
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class RawNot:
    """`not a`."""

    item: "Raw"
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class RawJoin:
    """`a and b and c`, `a or b`."""

    word: Literal["and", "or"]
    items: tuple["Raw", ...]
    start: int
    end: int


Raw = RawName | RawConst | RawList | RawCall | RawCompare | RawIsNone | RawNot | RawJoin
