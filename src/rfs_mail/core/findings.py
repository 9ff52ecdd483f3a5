"""What `check` finds in campaign files and templates."""

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """
    One thing to mend in one file, in the order a reader meets them.

    `line` and `column` count from 1. `code` is a short stable word (`no-fallback`), `message` one sentence that says
    what to write instead. Only findings of severity `error` keep a revision from being applied.
    """

    path: str
    line: int
    column: int
    severity: Severity
    code: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}  {self.message}"
