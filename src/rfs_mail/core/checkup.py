"""One line of a check-up: what was looked at, what was found, what to do."""

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARN = "warn"
    """Mail goes out, and something about it is not as it should be."""
    FAIL = "fail"
    """Mail does not go out, or receivers have a reason to refuse it."""
    SKIPPED = "skipped"
    """It could not be looked at, or does not matter here; `found` says why."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check. `name` is what was looked at, `found` a sentence without its full stop, `remedy` what to do."""

    name: str
    outcome: Outcome
    found: str
    remedy: str = ""


def ok(name: str, found: str) -> Check:
    """All is well."""
    return Check(name, Outcome.OK, found)


def warn(name: str, found: str, remedy: str) -> Check:
    """It works, and should be better."""
    return Check(name, Outcome.WARN, found, remedy)


def fail(name: str, found: str, remedy: str) -> Check:
    """It has to be mended."""
    return Check(name, Outcome.FAIL, found, remedy)


def skipped(name: str, found: str, remedy: str = "") -> Check:
    """Not looked at."""
    return Check(name, Outcome.SKIPPED, found, remedy)
