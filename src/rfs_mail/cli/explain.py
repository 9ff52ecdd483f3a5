"""`rfs-mail explain`: why somebody got a mail, or did not."""

from typing import Annotated

import typer

from rfs_mail.cli.context import current_app
from rfs_mail.cli.output import AsJson, plain, print_json, say_time, width_of
from rfs_mail.engine.explain import CampaignAnswer, EnrollmentAnswer, Explanation, Line, StepAnswer
from rfs_mail.engine.explain import explain as ask
from rfs_mail.engine.gate import Rules

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
    if not answer.entered:
        _print_never_entered(answer)
    for number, enrollment in enumerate(answer.enrollments):
        typer.echo(f"  {plain(enrollment.sentence)}")
        if number == 0:
            for obstacle in answer.obstacles:
                typer.echo(f"  nothing more goes: {plain(obstacle.told.sentence)}")
                if obstacle.told.remedy:
                    typer.echo(f"                     {plain(obstacle.told.remedy)}")
        if closely or (number == 0 and enrollment.state != "holdout"):
            _print_steps(enrollment, zone, closely=closely)


def _print_never_entered(answer: CampaignAnswer) -> None:
    if not answer.obstacles:
        typer.echo("  not entered yet: nothing stands in the way, the next pass takes her in")
    for number, obstacle in enumerate(answer.obstacles):
        lead = "not entered: " if number == 0 else "and: "
        typer.echo(f"  {lead}{plain(obstacle.told.sentence)}")
        if obstacle.told.remedy:
            typer.echo(f"  {'':{len(lead)}}{plain(obstacle.told.remedy)}")
    if answer.lines and any(one.role in ("audience", "exclude") for one in answer.lines):
        _print_lines(answer.lines, indent=4)


def _print_steps(enrollment: EnrollmentAnswer, zone: str, *, closely: bool) -> None:
    steps = [one for one in enrollment.steps if closely or one.kind == "mail" or one.state not in _HIDDEN]
    if not closely:
        steps = [one for one in steps if one.state != "not reached"]
    keys = max((width_of(one.key) for one in steps), default=0)
    states = max((len(one.state) for one in steps), default=0)
    for one in steps:
        first, *rest = _said(one, zone)
        typer.echo(f"    {one.key:<{keys}}  {one.state:<{states}}  {first}".rstrip())
        for line in rest:
            typer.echo(f"    {'':{keys}}  {'':{states}}  {line}")
        _print_lines(one.lines, indent=6 + keys + 2 + states)


def _said(step: StepAnswer, zone: str) -> list[str]:
    """When, and why: the lines beside a step."""
    when = say_time(step.at, zone) if step.at is not None else ""
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
