"""The text of an expression and its places: errors with line and column, and the corrected text they propose."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from rfs_mail.errors import ExpressionError


@dataclass(frozen=True, slots=True)
class Edit:
    """Put `text` in the place of the characters from `start` up to `end`."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Source:
    """What was written."""

    text: str

    def error(self, message: str, at: int, edits: Iterable[Edit] = (), *, say: bool = True) -> ExpressionError:
        """
        An error at an offset. With edits it carries the corrected text, and its message ends in the corrected line
        unless `say` is false because the message shows it already. Edits that leave a bracket open are not proposed.
        """
        line = self.text.count("\n", 0, at) + 1
        column = at - (self.text.rfind("\n", 0, at) + 1) + 1
        changes = sorted(edits, key=lambda edit: edit.start)
        if not changes or any(_balance(self.text[each.start : each.end]) != _balance(each.text) for each in changes):
            return ExpressionError(message, line=line, column=column)
        fixed = apply_edits(self.text, changes)
        if say:
            joint = "" if message.endswith((".", "?")) else "."
            message = f"{message}{joint} Write: {_line_at(fixed, changes[0].start)}"
        return ExpressionError(message, line=line, column=column, hint=fixed.strip())


def apply_edits(text: str, edits: Iterable[Edit]) -> str:
    """The text with the edits made; they are in order and do not overlap."""
    parts: list[str] = []
    at = 0
    for edit in edits:
        parts += (text[at : edit.start], edit.text)
        at = edit.end
    return "".join((*parts, text[at:]))


_QUOTED: Final = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""", re.S)


def _balance(text: str) -> tuple[int, int]:
    """How many brackets of either kind a piece leaves open."""
    bare = _QUOTED.sub("", text)
    return bare.count("(") - bare.count(")"), bare.count("[") - bare.count("]")


def _line_at(text: str, offset: int) -> str:
    """The line of a place, without the space around it; the one before where the place is at the end of the text."""
    begin = text.rfind("\n", 0, offset) + 1
    end = text.find("\n", offset)
    return text[begin : end if end >= 0 else len(text)].strip()
