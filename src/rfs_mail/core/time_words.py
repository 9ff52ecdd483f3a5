"""Times in words for people: `closes - 3d @ 10:00` is "3 days before filing closes, 10:00 her time"."""

from typing import Final

from rfs_mail.core.duration import Duration
from rfs_mail.core.times import Anchor, AnchorKind, Clock, TimeExpr

# What happens, and what it is called: "when filing closes", "the day of the election".
_HAPPENS: Final = {
    "opens": "filing opens",
    "closes": "filing closes",
    "petition_opens": "petitions open",
    "petition_due": "petitions are due",
    "challenge_closes": "challenges close",
    "party_registration": "party registration closes",
    "entry": "she enters",
}
_CALLED: Final = {
    "election": "the election",
    "withdrawal": "the deadline to withdraw",
    "signed_up_at": "her sign-up",
}


def describe(expr: TimeExpr | None) -> str:
    """
    A time in words, for `explain`, `agenda` and `plan`; None is a step without `at`.

    Rules of sending are no part of it: a mail may still roll to an open hour.
    """
    if expr is None:
        return "at once"
    kind = expr.anchor.kind
    if not expr.offset:
        return _without_offset(expr)
    side = "before" if expr.counts_down else "after"
    words = f"{in_words(expr.offset)} {side} {_name(expr.anchor)}"
    if expr.wall is None:
        return words
    # Hours and minutes to the next such hour, where they count from an instant.
    first = not expr.offset.days and kind in (AnchorKind.PREVIOUS, AnchorKind.ENTRY)
    return f"the first {_hour(expr)} at least {words}" if first else f"{words}, {_hour(expr)}"


def _without_offset(expr: TimeExpr) -> str:
    kind, name = expr.anchor.kind, _name(expr.anchor)
    happens = expr.anchor.name in _HAPPENS and kind is not AnchorKind.MIDPOINT
    if expr.wall is None:
        if kind is AnchorKind.PREVIOUS:
            return "right after the step above"
        if kind is AnchorKind.LITERAL:
            return f"on {name}"
        return f"when {name}" if happens else f"at {name}"
    if kind in (AnchorKind.PREVIOUS, AnchorKind.ENTRY):
        return f"the first {_hour(expr)} after {name}"
    if kind is AnchorKind.LITERAL:
        return f"{name}, {_hour(expr)}"
    return f"the day {name}, {_hour(expr)}" if happens else f"the day of {name}, {_hour(expr)}"


def _name(anchor: Anchor) -> str:
    if anchor.kind is AnchorKind.PREVIOUS:
        return "the step above"
    if anchor.day is not None:
        return f"{anchor.day.day} {anchor.day:%B %Y}"
    if anchor.kind is AnchorKind.MIDPOINT:
        if (anchor.name, anchor.until) == ("opens", "closes"):
            return "the middle of the filing window"
        return f"the middle between {_plain(anchor.name)} and {_plain(anchor.until)}"
    known = _HAPPENS.get(anchor.name) or _CALLED.get(anchor.name)
    if known:
        return known
    return f"{'her' if anchor.kind is AnchorKind.PERSON else 'the'} {_plain(anchor.name)}"


def _plain(name: str) -> str:
    return name.rpartition(".")[2].replace("_", " ")


def _hour(expr: TimeExpr) -> str:
    assert expr.wall is not None
    if expr.clock is Clock.RECIPIENT:
        whose = "her time"
    elif expr.clock is Clock.OFFICE:
        whose = "office time"
    else:
        whose = f"{expr.zone.rpartition('/')[2].replace('_', ' ')} time"
    return f"{expr.wall:%H:%M} {whose}"


def in_words(duration: Duration) -> str:
    """A duration in words, without its direction: "1 day 12 hours"."""
    hours, minutes = divmod(abs(duration.minutes), 60)
    parts = ((abs(duration.days), "day"), (hours, "hour"), (minutes, "minute"))
    words = [f"{count} {unit}{'' if count == 1 else 's'}" for count, unit in parts if count]
    return " ".join(words) or "0 minutes"
