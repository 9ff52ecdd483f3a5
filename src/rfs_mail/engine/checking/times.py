"""Every time: its anchor exists where it stands, and the steps come in the order of the file."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from rfs_mail.campaign_files.campaigns import Draft
from rfs_mail.core.campaign import Branch, Mail, Step, Wait
from rfs_mail.core.time_order import provably_before
from rfs_mail.core.times import Anchor, AnchorKind, TimeExpr
from rfs_mail.engine.checking.bench import Bench, in_window, step_path

_ENTRY = Anchor(AnchorKind.ENTRY, "entry")


@dataclass(frozen=True, slots=True)
class _Timed:
    """A step that says when."""

    step: Step
    at: TimeExpr


def check_times(bench: Bench) -> None:
    """Look at every time of every campaign."""
    for draft in bench.project.drafts:
        _anchors(bench, draft)
        _entry(bench, draft)
        _order(bench, draft, draft.campaign.steps, ())
        _steps(bench, draft, draft.campaign.steps, None)
        _ends(bench, draft)


def time_of(bench: Bench, draft: Draft, step: Step) -> TimeExpr | None:
    """The `at` of a step, or None."""
    return bench.time(step_path(draft, step.key, "at"), step.at)


def _anchors(bench: Bench, draft: Draft) -> None:
    """Read every time, and see whether its anchor means anything in this campaign."""
    for path, scalar in bench.project.sources.times.items():
        if path[0] != draft.path:
            continue
        expr = bench.time(path, scalar.value)
        if expr is None:
            continue
        if not in_window(draft.campaign):
            if expr.needs_window:
                bench.tell(
                    "error",
                    "no-window",
                    path,
                    f'"{expr.anchor}" is a date of a filing window, and this campaign has none. '
                    "Write: entry: {per: filing_window, from: ...}, or count from entry.",
                )
            elif expr.needs_office and expr.anchor.kind is not AnchorKind.CALENDAR:
                bench.tell(
                    "error", "no-window", path, '"office" is the clock of a filing office, and this campaign has none.'
                )
        if path[1:] == ("ends",) and expr.is_relative:
            bench.tell(
                "error",
                "no-anchor",
                path,
                f"no step stands above it to count from. Write: {replace(expr, anchor=_ENTRY)}",
            )


def _entry(bench: Bench, draft: Draft) -> None:
    """`from` and `to` count from what the campaign is about, and in this order."""
    entry = draft.campaign.entry
    begin = bench.time((draft.path, "entry", "from"), entry.from_)
    end = bench.time((draft.path, "entry", "to"), entry.to)
    allowed = {"filing_window": "closes", "calendar": entry.calendar or ""}
    for name, expr in (("from", begin), ("to", end)):
        if expr is None or entry.kind not in allowed:
            continue
        literal = expr.anchor.kind is AnchorKind.LITERAL
        own = expr.needs_window if entry.kind == "filing_window" else expr.anchor.name == entry.calendar
        if not (literal or own):
            what = str(expr.anchor) or "the step above"
            bench.tell(
                "error",
                "entry-anchor",
                (draft.path, "entry", name),
                f"nobody has entered yet, so it cannot count from {what}. Write: {allowed[entry.kind]} - 5d",
            )
    if entry.kind == "filing_window" and not any("window.status" in one.when for one in draft.campaign.exit):
        bench.tell(
            "warning",
            "no-cancel",
            (draft.path, "entry", "per"),
            "a window that is called off ends nothing here. Write: exit: [{when: 'window.status == \"cancelled\"'}]",
        )
    if begin is not None and end is not None and provably_before(end, begin):
        bench.tell("error", "order", (draft.path, "entry", "to"), "comes before `from`, so nobody could enter.")


def _order(bench: Bench, draft: Draft, steps: tuple[Step, ...], above: tuple[_Timed, ...]) -> tuple[_Timed, ...]:
    """File order is law. Returns the timed steps of the list and of those above it, arms included."""
    for step in steps:
        at = time_of(bench, draft, step)
        if at is not None:
            _against(bench, draft, _Timed(step, at), above)
            above = (*above, _Timed(step, at))
        if isinstance(step.action, Branch):
            # An arm is not above its sibling; what follows the branch is below them all.
            below = [_order(bench, draft, arm.steps, above) for arm in step.action.arms]
            below.append(_order(bench, draft, step.action.otherwise, above))
            above = (*above, *(timed for found in below for timed in found[len(above) :]))
    return above


def _against(bench: Bench, draft: Draft, below: _Timed, above: tuple[_Timed, ...]) -> None:
    path = step_path(draft, below.step.key, "at")
    if below.at.is_relative:
        return
    for earlier in reversed(above):
        if provably_before(below.at, earlier.at):
            bench.tell(
                "error",
                "order",
                path,
                f'"{below.at.text.strip()}" is before "{earlier.at.text.strip()}" of step {earlier.step.key}, which '
                "stands above it. Steps stand in the order in which they are due.",
            )
            return
    nearest = next((timed for timed in reversed(above) if not timed.at.is_relative), None)
    if nearest is None or _same_line(below.at, nearest.at) or _guarded(below.step):
        return
    bench.tell(
        "warning",
        "mixed-anchors",
        path,
        f"counts from {below.at.anchor}, and step {nearest.step.key} above it from {nearest.at.anchor}: "
        "which comes first differs from person to person. Count both from one date, or give the mail a not_after.",
    )


def _same_line(one: TimeExpr, other: TimeExpr) -> bool:
    """Do both count from dates whose order is known: one anchor, one filing window, or written dates."""
    if one.needs_window and other.needs_window:
        return True
    literal = AnchorKind.LITERAL
    return one.anchor == other.anchor or (one.anchor.kind is literal and other.anchor.kind is literal)


def _guarded(step: Step) -> bool:
    """Does the step itself say when it is too late?"""
    return isinstance(step.action, Mail) and step.action.not_after is not None


def _steps(bench: Bench, draft: Draft, steps: tuple[Step, ...], before: _Timed | None) -> None:
    """Each step's own limits lie behind its time; `before` is the last timed step above it."""
    for step in steps:
        at = time_of(bench, draft, step)
        base = _Timed(step, at) if at is not None and not at.is_relative else before
        for name, text, sentence in _limits(step):
            path = step_path(draft, step.key, name)
            limit = bench.time(path, text)
            if limit is not None and base is not None and provably_before(limit, base.at):
                where = "its own time" if base.step is step else f"step {base.step.key} above it"
                said = f'"{limit.text.strip()}" is before {where}, "{base.at.text.strip()}"'
                bench.tell("error", "order", path, f"{said}: {sentence}")
        if isinstance(step.action, Branch):
            for arm in step.action.arms:
                _steps(bench, draft, arm.steps, base)
            _steps(bench, draft, step.action.otherwise, base)
        before = base


def _limits(step: Step) -> Iterator[tuple[str, str, str]]:
    if isinstance(step.action, Mail) and step.action.not_after is not None:
        yield "not_after", step.action.not_after, "the mail would never go."
    if isinstance(step.action, Wait):
        yield "until", step.action.until, "it would not wait at all."


def _ends(bench: Bench, draft: Draft) -> None:
    """The end lies behind the last step, and nobody enters after a step is due."""
    ends = bench.time((draft.path, "ends"), draft.campaign.ends)
    begin = bench.time((draft.path, "entry", "from"), draft.campaign.entry.from_)
    for step in draft.campaign.walk():
        at = time_of(bench, draft, step)
        if at is None or at.is_relative:
            continue
        if ends is not None and provably_before(ends, at):
            said = f'"{ends.text.strip()}" is before step {step.key} ("{at.text.strip()}")'
            bench.tell("error", "order", (draft.path, "ends"), f"{said}, which would never be taken.")
        if begin is not None and provably_before(at, begin):
            bench.tell(
                "warning",
                "before-entry",
                step_path(draft, step.key, "at"),
                f'"{at.text.strip()}" is before anyone enters ("{begin.text.strip()}").',
            )
