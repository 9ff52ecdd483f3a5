"""
Days that a mail counts by hand although its step hangs on a deadline.

In a campaign per filing window the day can roll, and the window can move: nothing may be counted by hand there. Beside
a calendar date ("intro_call - 2d") a count is told where it says otherwise than the step's own time. Partials are read
with the mails that include them.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from rfs_mail.campaign_files.campaigns import Draft
from rfs_mail.core.campaign import Branch, Mail, Step, Wait
from rfs_mail.core.findings import Finding
from rfs_mail.core.hand_counted import HandCounted, hand_counted
from rfs_mail.core.times import AnchorKind, TimeExpr
from rfs_mail.engine.checking.bench import Bench
from rfs_mail.engine.checking.times import time_of
from rfs_mail.render.compiling import mail_files
from rfs_mail.render.front_matter import read_template
from rfs_mail.render.partials import find_partial, partials_named

_TAG: Final = re.compile(r"\{\{.*?\}\}|\{%.*?%\}|\{#.*?#\}|\]\([^)]*\)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Due:
    """A mail step and what it counts from: how many days before it, None where that depends."""

    step: Step
    mail: Mail
    anchor: str
    days_before: int | None
    in_window: bool
    at: str


def check_counting(bench: Bench) -> None:
    """Look at every mail whose step hangs on a deadline. A mail that several steps send is told of once."""
    told: set[tuple[str, int, int]] = set()
    for draft in bench.project.drafts:
        for due in _dues(bench, draft, draft.campaign.steps, None):
            for path, line, column, counted in _counts(bench, due.mail.template):
                if (path, line, column) in told or not _is_wrong(due, counted):
                    continue
                told.add((path, line, column))
                place = f"{bench.project.places.templates}/{path}"
                bench.findings.append(Finding(place, line, column, "warning", "counted-by-hand", _advice(due, counted)))


def _is_wrong(due: _Due, counted: HandCounted) -> bool:
    return due.in_window or (due.days_before is not None and counted.days != due.days_before)


def _advice(due: _Due, counted: HandCounted) -> str:
    says_otherwise = due.days_before is not None and counted.days != due.days_before
    if says_otherwise:
        why = f'step {due.step.key} goes at "{due.at}"'
    else:
        why = f"step {due.step.key} may go on another day, and the date may move"
    if due.in_window:
        return f'"{counted.words}" is counted by hand, and {why}. Write: {{{{ window.{due.anchor}_at | office_left }}}}'
    return f'"{counted.words}" is counted by hand, and {why}. Write: {{{{ {due.anchor}.starts | left }}}}'


def _dues(
    bench: Bench, draft: Draft, steps: tuple[Step, ...], above: tuple[TimeExpr, int | None] | None
) -> Iterator[_Due]:
    """The mails that hang on a date of a window or a calendar. `above`: what the step before counts from, and when."""
    for step in steps:
        above = _moved(time_of(bench, draft, step), above)
        match step.action:
            case Mail() if above is not None:
                at, before = above
                yield _Due(step, step.action, _said_date(at), before, at.needs_window, at.text.strip())
            case Wait():
                above = None if above is None else (above[0], None)
            case Branch(arms=arms, otherwise=otherwise):
                for inner in (*(arm.steps for arm in arms), otherwise):
                    yield from _dues(bench, draft, inner, above)
                above = None if above is None else (above[0], None)
            case _:
                pass


def _moved(at: TimeExpr | None, above: tuple[TimeExpr, int | None] | None) -> tuple[TimeExpr, int | None] | None:
    """What a step counts from, and how many days before that it is due."""
    if at is None:
        return above
    if at.is_relative:
        if above is None:
            return None
        base, before = above
        return base, None if before is None or at.offset.minutes else before - at.offset.days
    if at.anchor.kind not in (AnchorKind.WINDOW, AnchorKind.MIDPOINT, AnchorKind.CALENDAR):
        return None
    exact = at.anchor.kind is not AnchorKind.MIDPOINT and not at.offset.minutes
    return at, -at.offset.days if exact else None


def _said_date(at: TimeExpr) -> str:
    """The date whose days a mail of this step would count."""
    if at.anchor.kind is AnchorKind.MIDPOINT:
        return at.anchor.until
    return "closes" if at.anchor.name == "election" else at.anchor.name


def _counts(bench: Bench, template: str) -> Iterator[tuple[str, int, int, HandCounted]]:
    """What the files of a mail count, with path, line and column."""
    files = bench.project.files
    waiting = [(file.path, tuple(filter(None, (file.language,)))) for file in mail_files(files, template)]
    seen: set[str] = set()
    while waiting:
        path, languages = waiting.pop(0)
        if path in seen:
            continue
        seen.add(path)
        head = read_template(path, files[path])
        lines = files[path].split("\n")
        for pair in head.pairs.values():
            quoted = lines[pair.line - 1][pair.column - 1 : pair.column] in "\"'"
            for counted in hand_counted(_untagged(pair.text)):
                yield path, pair.line, pair.column + quoted + counted.start, counted
        for counted in hand_counted(_untagged(head.body)):
            line = head.body.count("\n", 0, counted.start)
            yield path, head.body_line + line, counted.start - head.body.rfind("\n", 0, counted.start), counted
        for named, _offset, _optional in partials_named(head.body):
            partial = find_partial(files, path, named, languages)
            if partial is not None:
                waiting.append((partial, languages))


def _untagged(text: str) -> str:
    """The text with tags and addresses blanked, every other letter at its place."""
    return _TAG.sub(lambda match: re.sub(r"[^\n]", "·", match[0]), text)
