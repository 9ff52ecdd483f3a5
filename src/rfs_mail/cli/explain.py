"""`rfs-mail explain`: why somebody got a mail, or did not."""

from typing import Annotated

import typer

from rfs_mail.cli.context import current_app
from rfs_mail.cli.output import AsJson, plain, print_fields, print_json, say_time, width_of
from rfs_mail.core.local_time import find_zone
from rfs_mail.engine.entering import Obstacle
from rfs_mail.engine.explain import (
    CampaignAnswer,
    EnrollmentAnswer,
    Explanation,
    Line,
    StepAnswer,
    WindowAnswer,
)
from rfs_mail.engine.explain import explain as ask
from rfs_mail.engine.gate import Rules
from rfs_mail.engine.her_windows import say_doubt, say_left

_HIDDEN = ("done", "not reached")
"""Steps of little interest, unless one campaign is asked about."""


def explain(
    email: Annotated[str, typer.Argument(help="Whom it is about.")],
    campaign: Annotated[str | None, typer.Argument(help="One campaign; by default all of them.")] = None,
    step: Annotated[str | None, typer.Argument(help="One step of it, with its conditions.")] = None,
    as_json: AsJson = False,
) -> None:
    """Say of every campaign whether this person is in it, what became of each step, and why not."""
    app = current_app()
    rules = Rules(app.caps, app.settings.only_to)
    with app.store.read() as connection:
        answer = ask(connection, email, campaign=campaign, step=step, rules=rules, now=app.now())
    if as_json:
        print_json(answer)
        return
    _print_person(answer)
    for one in answer.campaigns:
        typer.echo()
        _print_campaign(one, answer.zone, closely=campaign is not None)


def _print_person(answer: Explanation) -> None:
    parts = [answer.address, answer.name, f"stage {answer.stage}", answer.place, answer.zone]
    typer.echo("  ".join(plain(part) for part in parts if part))


def _print_campaign(answer: CampaignAnswer, zone: str, *, closely: bool) -> None:
    name = f" ({answer.name})" if answer.name != answer.campaign else ""
    state = "" if answer.state == "running" else f"  [{answer.state}]"
    typer.echo(f"{answer.campaign}{name}{state}")
    if answer.windows:
        _print_windows(answer, zone, closely=closely)
        return
    if not answer.entered:
        _print_never_entered(answer)
    for number, enrollment in enumerate(answer.enrollments):
        typer.echo(f"  {plain(enrollment.sentence)}")
        if number == 0:
            _print_kept_back(answer)
        if closely or (number == 0 and enrollment.state != "holdout"):
            _print_steps(enrollment, zone, closely=closely)


def _print_kept_back(answer: CampaignAnswer) -> None:
    for obstacle in answer.obstacles:
        typer.echo(f"  nothing more goes: {plain(obstacle.told.sentence)}")
        if obstacle.told.remedy:
            typer.echo(f"                     {plain(obstacle.told.remedy)}")


def _print_never_entered(answer: CampaignAnswer) -> None:
    if not answer.obstacles:
        typer.echo("  not entered yet: nothing stands in the way, the next pass takes her in")
    _print_obstacles(answer.obstacles)
    if answer.lines and any(one.role in ("audience", "exclude") for one in answer.lines):
        _print_lines(answer.lines, indent=4)


def _print_obstacles(obstacles: tuple[Obstacle, ...], *, indent: int = 2) -> None:
    for number, obstacle in enumerate(obstacles):
        lead = "not entered: " if number == 0 else "and: "
        typer.echo(f"{'':{indent}}{lead}{plain(obstacle.told.sentence)}")
        if obstacle.told.remedy:
            typer.echo(f"{'':{indent + len(lead)}}{plain(obstacle.told.remedy)}")


# -- window by window --------------------------------------------------------------------------------------------------


def _print_windows(answer: CampaignAnswer, zone: str, *, closely: bool) -> None:
    """A block for each window: what it is, from when people enter, and her way to it or why there is none."""
    kept_back = answer.entered and bool(answer.obstacles)
    if kept_back:
        _print_kept_back(answer)
    elif answer.obstacles:
        _print_never_entered(answer)
    known = {one.window.id for one in answer.windows}
    shown, left = (answer.windows, 0) if closely else _short(answer.windows)
    inside = {one.window.id for one in answer.windows if one.entered}
    printed = 0
    for one in shown:
        _print_window(one, closely=closely)
        hers = [each for each in answer.enrollments if each.window_id == one.window.id]
        doubt = say_doubt(one.window)
        if doubt and any(enrollment.state == "active" for enrollment in hers):
            typer.echo(f"    held: no mail of it goes while {doubt}. Find out and `windows import`")
        for enrollment in hers:
            typer.echo(f"    {plain(enrollment.sentence)}")
            if closely or (printed == 0 and enrollment.state != "holdout"):
                _print_steps(enrollment, zone, closely=closely, indent=6)
            printed += 1
        if not hers:
            _print_outside(one, inside, kept_out=bool(answer.obstacles) and not kept_back, closely=closely)
    for enrollment in answer.enrollments:
        if enrollment.window_id not in known:
            typer.echo(f"  {plain(enrollment.sentence)}")
            if closely:
                _print_steps(enrollment, zone, closely=closely)
    if left:
        typer.echo(f"  and {left} more: rfs-mail explain EMAIL {answer.campaign}")


_FEW = 3


def _short(windows: tuple[WindowAnswer, ...]) -> tuple[tuple[WindowAnswer, ...], int]:
    """Those that she is in the campaign for, and the first few others; how many are left out."""
    others = [one for one in windows if not one.entered]
    hidden = {one.window.id for one in others[_FEW:]}
    return tuple(one for one in windows if one.window.id not in hidden), len(hidden)


def _print_window(answer: WindowAnswer, *, closely: bool) -> None:
    window = answer.window
    left = f", {say_left(window.days_left)}" if window.days_left is not None else ""
    closes = f"closes {window.closes}{left}" if window.closes_at is not None else window.closes
    typer.echo(f"  {window.id}: {plain(window.office)}, {window.state}, {closes}")
    if not closely:
        return
    fields = [
        ("known", f"{window.status}, {window.confidence}, version {window.version}"),
        ("hers", window.sure),
        ("changed", window.changed),
        ("she", f"{(window.candidacy or '').replace('_', ' ')} ({window.evidence})" if window.candidacy else ""),
        ("enters", f"from {answer.enters}" if answer.enters else ""),
        ("source", window.source),
    ]
    print_fields(fields, indent=4)


def _print_outside(answer: WindowAnswer, inside: set[str], *, kept_out: bool, closely: bool) -> None:
    if answer.together is not None:
        served = "she is in it for" if answer.together in inside else "the same as for"
        typer.echo(f"    {served} {answer.together}, and they close together: one occasion")
    elif answer.obstacles:
        _print_obstacles(answer.obstacles, indent=4)
    elif not kept_out:
        typer.echo("    not entered yet: nothing stands in the way, the next pass takes her in")
    else:
        typer.echo("    not entered: see above; nothing about this window stands in the way")
    if closely:
        _print_lines(answer.lines, indent=6)


# -- her steps ---------------------------------------------------------------------------------------------------------


def _print_steps(enrollment: EnrollmentAnswer, zone: str, *, closely: bool, indent: int = 4) -> None:
    steps = [one for one in enrollment.steps if closely or one.kind == "mail" or one.state not in _HIDDEN]
    if not closely:
        steps = [one for one in steps if one.state != "not reached"]
    keys = max((width_of(one.key) for one in steps), default=0)
    states = max((len(one.state) for one in steps), default=0)
    for one in steps:
        first, *rest = _said(one, zone, enrollment.office_zone)
        typer.echo(f"{'':{indent}}{one.key:<{keys}}  {one.state:<{states}}  {first}".rstrip())
        for line in rest:
            typer.echo(f"{'':{indent}}{'':{keys}}  {'':{states}}  {line}")
        _print_lines(one.lines, indent=indent + 2 + keys + 2 + states)


def _said(step: StepAnswer, zone: str, office_zone: str) -> list[str]:
    """When, and why: the lines beside a step. What lies ahead is said on the office's clock too, where it differs."""
    when = say_time(step.at, zone) if step.at is not None else ""
    if step.at is not None and office_zone and step.state in ("planned", "waiting"):
        there = step.at.astimezone(find_zone(office_zone))
        if there.utcoffset() != step.at.astimezone(find_zone(zone)).utcoffset():
            when += f" ({there:%H:%M} at the office)"
    if step.state in ("not sent", "skipped", "not reached"):
        lines = [step.sentence, step.remedy]
    elif step.state == "queued":
        lines = [step.sentence]
    else:
        lines = [f"{when}  {step.sentence}".strip(), step.remedy]
    if step.delivery_id is not None:
        lines[0] = f"{lines[0]}  (delivery {step.delivery_id})"
    return [plain(line) for line in lines if line] or [""]


def _print_lines(lines: tuple[Line, ...], *, indent: int) -> None:
    """Conditions, each part with its answer and with what was looked at."""
    rows = []
    for line in lines:
        for number, part in enumerate(line.parts):
            rows.append((line.role if number == 0 else "", "yes" if part.holds else "no", part.text, part.seen))
    roles = max((len(role) for role, *_ in rows), default=0)
    texts = min(max((width_of(text) for *_, text, _ in rows), default=0), 60)
    for role, holds, text, seen in rows:
        said = f"{'':{indent}}{role:<{roles}}  {holds:<3}  {plain(text):<{texts}}  {plain(seen)}"
        typer.echo(said.rstrip())
