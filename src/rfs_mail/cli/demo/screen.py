"""The one screen: what happened, in figures of the store, and whether the receiving server agrees."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from rfs_mail.cli.demo.check import Finding
from rfs_mail.cli.demo.deadline import Moved
from rfs_mail.engine.audit import CampaignFigures, Figures

WIDTH = 116


@dataclass(frozen=True, slots=True)
class Accident:
    """What the killed process left behind."""

    at: datetime
    killed: bool
    lost: int
    twice: int
    uncertain: int


@dataclass(frozen=True, slots=True)
class WindowFigures:
    """The deadlines that came in at the beginning, and who wants one."""

    known: int
    ahead: int
    people: int
    """Who wants one of those ahead, or is or was on her way to one."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """The deadline that moved: what hung on it, and who got anything twice by the receiving server's log."""

    moved: Moved
    repeats: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """All that the screen says."""

    start: datetime
    end: datetime
    port: int
    seconds: float
    folder: Path
    figures: Figures
    rejected_file: str | None
    windows: WindowFigures
    deadline: Deadline | None
    accident: Accident | None
    findings: Sequence[Finding]
    oddities: Sequence[str]
    mail_shown: str | None
    """A mail that was saved to be looked at."""
    command: str
    """How `rfs-mail` is called from here."""
    serve_command: str

    @property
    def holds(self) -> bool:
        """Did everything hold?"""
        sound = self.accident is None or not (self.accident.lost or self.accident.twice)
        sound = sound and (self.deadline is None or not self.deadline.repeats)
        return sound and not self.oddities and all(finding.holds for finding in self.findings)


def lines(outcome: Outcome) -> Iterator[str]:
    """The screen, line by line."""
    figures = outcome.figures
    span = f"{_day(outcome.start)} -> {_day(outcome.end)}"
    said = f"rfs-mail demo   {span}, virtual time, real SMTP on 127.0.0.1:{outcome.port}"
    yield f"{said}{f'{outcome.seconds:,.0f} s':>{max(WIDTH - len(said), 4)}}"
    rows = (
        f"{figures.rows:,} rows = {figures.created:,} new + {figures.merged:,} merged + "
        f"{figures.unchanged:,} unchanged + {figures.rejected:,} rejected"
    )
    yield f"People     {rows}" + (f" ({outcome.rejected_file})" if outcome.rejected_file else "")
    yield f"Mail       {_mail(figures)}"
    yield f"Back       {_back(figures)}"
    yield "Campaign            entered    sent   goal   next"
    yield from (_campaign(one, outcome.end) for one in figures.campaigns)
    yield f"Windows    {_windows(outcome.windows)}"
    if outcome.deadline is not None:
        yield from _deadline(outcome.deadline)
    if outcome.accident is not None:
        yield _accident(outcome.accident)
    yield "Checked against the server's own log"
    yield from _checks(outcome.findings)
    yield from (f"  NOT ok   {oddity}" for oddity in outcome.oddities[:5])
    yield f"Try   {outcome.command} -C {outcome.folder} explain maria@example.org"
    shown = f"open {outcome.mail_shown}" if outcome.mail_shown else ""
    yield f"      {shown:<44}   {outcome.serve_command}"


def _day(moment: datetime) -> str:
    return f"{moment.day} {moment:%b %Y}"


def _mail(figures: Figures) -> str:
    """What went and what did not, with as many reasons as there is room for."""
    left = [f"{figures.uncertain:,} uncertain"] if figures.uncertain else []
    left += [f"{figures.waiting:,} waiting"] if figures.waiting else []
    more = [", ".join(left)] if left else []
    not_sent = sum(figures.not_sent.values())
    reasons = list(figures.not_sent.items())
    for shown in range(min(len(reasons), 5), -1, -1):
        said = [f"{number:,} {reason.replace('_', ' ')}" for reason, number in reasons[:shown]]
        rest = sum(number for _, number in reasons[shown:])
        said += [f"{rest:,} other"] if rest and shown else []
        why = f": {', '.join(said)}" if said else ""
        line = " | ".join([f"{figures.sent:,} sent", f"{not_sent:,} not sent{why}", *more])
        if len(line) + 11 <= WIDTH:
            break
    return line


def _back(figures: Figures) -> str:
    happened = figures.happened
    filed = happened.get(("stage", "filed"), 0)
    names = (
        ("clicked", "human", "clicks by people"), ("clicked", "machine", "by scanners"),
        ("unsubscribed", "", "unsubscribed"), ("bounced", "", "bounced"), ("attended", "", "came to a call"),
    )  # fmt: skip
    said = [f"{happened.get((name, value), 0):,} {words}" for name, value, words in names]
    return ", ".join([*said, f"{filed:,} filed"])


def _campaign(one: CampaignFigures, now: datetime) -> str:
    goal = f"{one.goals / one.entered:.0%}" if one.goals is not None and one.entered else "-"
    return f"  {one.campaign:<17}{one.entered:>8,}{one.sent:>8,}{goal:>7}   {_next(one, now)}"


def _next(one: CampaignFigures, now: datetime) -> str:
    if one.next_at is None:
        return "-"
    day = "today" if one.next_at.date() == now.date() else f"{one.next_at:%a} {one.next_at.day} {one.next_at:%b}"
    return f"{one.next_count:,} {day} {one.next_at:%H:%M} UTC"


def _windows(one: WindowFigures) -> str:
    return f"{one.known:,} imported, {one.ahead:,} of them ahead; {one.people:,} people want one of those"


def _deadline(one: Deadline) -> Iterator[str]:
    """What the move of a deadline did, counted; below it what `windows import` had said of it."""
    moved = one.moved
    days = (moved.after - moved.before).days
    mails = f"{moved.mails + moved.steps:,} mails moved ({moved.mails:,} queued, {moved.steps:,} planned)"
    when = f"On {moved.at.day} {moved.at:%b}"
    yield f"{when}  Wisconsin moved its deadline by {days} days: {moved.people:,} people hang on it, {mails},"
    yield f"           {moved.passed_by:,} steps passed by, {one.repeats:,} repeats. `windows import` had said:"
    yield f"           {moved.said}"


def _accident(one: Accident) -> str:
    when = f"On {one.at.day} {one.at:%b}"
    if not one.killed:
        return f"{when}  the process was done before it could be killed: nothing is shown by that"
    listed = " (listed for staff)" if one.uncertain else ""
    return (
        f"{when}  killed in mid-send, restarted: {one.lost:,} lost, {one.twice:,} twice, "
        f"{one.uncertain:,} uncertain{listed}"
    )


def _checks(findings: Sequence[Finding]) -> Iterator[str]:
    """Those that hold, beside each other; those that do not, each with what speaks against it."""
    row = ""
    for finding in findings:
        if not finding.holds:
            continue
        cell = f"  ok  {finding.said}"
        if row and len(row) + len(cell) + 3 > WIDTH:
            yield row
            row = ""
        row += f"   {cell}" if row else cell
    if row:
        yield row
    for finding in findings:
        if not finding.holds:
            yield f"  NOT ok   {finding.said}: {len(finding.against):,} speak against it, such as {finding.against[0]}"
