"""
The text of a YAML file as nodes that know where they stand, down to the character.

Every scalar stays text: `at: 10:00`, `no` and `on` mean what they say. Lines and columns count from 1, in characters.
"""

import bisect
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

_BREAK: Final = re.compile(r"\r\n|\n|\r")
_ESCAPES: Final = {
    "0": "\0",
    "a": "\a",
    "b": "\b",
    "t": "\t",
    "\t": "\t",
    "n": "\n",
    "v": "\v",
    "f": "\f",
    "r": "\r",
    "e": "\x1b",
    " ": " ",
    '"': '"',
    "\\": "\\",
    "/": "/",
    "N": "\x85",
    "_": "\xa0",
    "L": "\u2028",
    "P": "\u2029",
}
_WIDTHS: Final = {"x": 2, "u": 4, "U": 8}


@dataclass(frozen=True, slots=True)
class SourceFile:
    """
    A file as it was read.

    `path` is what messages call it; `text` is without the byte order mark that `bom` says it had.
    """

    path: str
    text: str
    bom: bool = False
    starts: tuple[int, ...] = field(default=(), repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "starts", (0, *(found.end() for found in _BREAK.finditer(self.text))))

    def place(self, index: int) -> tuple[int, int]:
        """Line and column of a character, from 1."""
        row = bisect.bisect_right(self.starts, index) - 1
        return row + 1, index - self.starts[row] + 1

    def index(self, line: int, column: int) -> int:
        """The character at a line and column, from 1; the nearest one where there is none."""
        row = min(max(line, 1), len(self.starts)) - 1
        return min(self.starts[row] + max(column, 1) - 1, len(self.text))

    def line(self, number: int) -> str:
        """One line without its end; empty where there is none."""
        if not 1 <= number <= len(self.starts):
            return ""
        end = self.starts[number] if number < len(self.starts) else len(self.text)
        return self.text[self.starts[number - 1] : end].rstrip("\r\n")


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """Something in a file, from `start` up to and without `end` (characters of the file)."""

    file: SourceFile = field(repr=False)
    start: int
    end: int

    @property
    def place(self) -> tuple[int, int]:
        """Line and column, from 1."""
        return self.file.place(self.start)


@dataclass(frozen=True, slots=True, eq=False)
class Scalar(Node):
    """A text. `style` is empty for a plain one, else one of `'`, `"`, `|`, `>`."""

    value: str
    style: str = ""

    @property
    def missing(self) -> bool:
        """Nothing was written at all (`goal:` and the end of the line)."""
        return not self.value and not self.style

    def index_of(self, offset: int) -> int:
        """The character of the file that became character `offset` of the value; the end of the text for its length."""
        places = positions(self)
        return places[min(max(offset, 0), len(places) - 1)]

    def spot(self, line: int = 1, column: int = 1) -> tuple[int, int]:
        """Line and column in the file of a line and column in the value, all from 1."""
        lines = self.value.split("\n")
        row = min(max(line, 1), len(lines)) - 1
        before = sum(len(text) + 1 for text in lines[:row])
        return self.file.place(self.index_of(before + min(max(column - 1, 0), len(lines[row]))))


@dataclass(frozen=True, slots=True, eq=False)
class Items(Node):
    """A list."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Table(Node):
    """A mapping; every key is there once."""

    entries: tuple[tuple[Scalar, Node], ...]

    def get(self, key: str) -> Node | None:
        """The value of a key."""
        return next((value for name, value in self.entries if name.value == key), None)

    def key(self, name: str) -> Scalar | None:
        """The key itself, for its place."""
        return next((key for key, _value in self.entries if key.value == name), None)


def positions(scalar: Scalar) -> list[int]:
    """
    Where each character of the value stands in the file, and behind the last one where the text ends.

    Exact for every visible character, whatever the style; for white space that YAML folded, the place just before.
    """
    if scalar.missing:
        return [scalar.start]
    written = [(char, at) for char, at in _decoded(scalar) if not char.isspace()]
    found: list[int] = []
    last = scalar.start - 1 + (1 if scalar.style in "'\"" and scalar.style else 0)
    upcoming = iter(written)
    for char in scalar.value:
        if char.isspace():
            last += 1
        else:
            known, at = next(upcoming, ("", scalar.start))
            if known != char:  # never seen; a place on the right line is better than none
                return [scalar.start] * (len(scalar.value) + 1)
            last = at
        found.append(min(last, scalar.end))
    found.append(min(last + 1, scalar.end))
    return found


def _decoded(scalar: Scalar) -> Iterator[tuple[str, int]]:
    """Each character as YAML reads it, with its place; line ends and indentation still among them."""
    text, start, end = scalar.file.text, scalar.start, scalar.end
    if scalar.style in ("|", ">"):
        head = _BREAK.search(text, start, end)
        start = head.end() if head else end
    elif scalar.style:
        start, end = start + 1, end - 1
    index = start
    while index < end:
        char = text[index]
        if scalar.style == "'" and char == "'":
            yield "'", index
            index += 2
        elif scalar.style == '"' and char == "\\":
            size, meaning = _escape(text, index)
            yield meaning, index
            index += size
        else:
            yield char, index
            index += 1


def _escape(text: str, index: int) -> tuple[int, str]:
    """Length and meaning of the escape at `index`; an escaped line end means a blank."""
    mark = text[index + 1 : index + 2]
    if mark in _WIDTHS:
        digits = text[index + 2 : index + 2 + _WIDTHS[mark]]
        return 2 + len(digits), chr(int(digits, 16))
    return 2, _ESCAPES.get(mark, " ")
