"""`rfs-mail apply`: make the campaign files live, as one release."""

import sys
from typing import Annotated

import typer

from rfs_mail.campaign_files.load import load_project
from rfs_mail.cli.check import say_finding, summary
from rfs_mail.cli.context import current_app
from rfs_mail.cli.output import AsJson, print_json
from rfs_mail.engine import apply as engine
from rfs_mail.engine.check import check_project
from rfs_mail.engine.compiling import compile_project
from rfs_mail.errors import UsageError


def apply(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make the campaign files live. Only what is applied is sent; the same files again change nothing."""
    app = current_app()
    project = load_project(app.settings)
    compiled = compile_project(project)
    findings = check_project(project, compiled=compiled, caps=app.settings.caps)
    if any(finding.severity == "error" for finding in findings):
        if as_json:
            print_json({"applied": False, "findings": findings})
        else:
            for finding in findings:
                typer.echo(say_finding(finding))
            typer.echo(f"Nothing was applied: {summary(list(findings))}.")
        raise typer.Exit(1)
    if engine.is_live(app.store, project, compiled):
        if as_json:
            print_json({"applied": False, "release": None, "findings": findings})
        else:
            typer.echo("Nothing to apply: these files are live.")
        return
    if not as_json:
        for finding in findings:
            typer.echo(say_finding(finding))
        for line in changes(engine.preview(app.store, project, compiled)):
            typer.echo(line)
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError("Nobody is there to be asked. Say `apply --yes`.")
        typer.confirm("Apply?", abort=True)
    result = engine.apply(app.store, project, compiled, now=app.now(), by=app.whoami, findings=findings)
    if as_json:
        print_json({"applied": not result.nothing, "release": result.release_id, **_as_json(result)})
    elif result.nothing:
        typer.echo("Nothing to apply: these files are live.")
    else:
        typer.echo(f"Release {result.release_id} is live.")


def changes(result: engine.ApplyResult) -> list[str]:
    """What an apply does to campaigns and dates, a line each."""
    lines = [f"  renamed  {old} -> {new}" for old, new in result.renamed]
    for word, names in (
        ("new", result.added),
        ("changed", result.changed),
        ("back", result.revived),
        ("removed", result.removed),
        ("moved", result.moved),
    ):
        lines += [f"  {word:<8} {name}" for name in names]
    return lines or ["  no campaign changes; entities, topics, segments, fields or dates do"]


def _as_json(result: engine.ApplyResult) -> dict[str, object]:
    return {
        "added": result.added,
        "changed": result.changed,
        "removed": result.removed,
        "back": result.revived,
        "renamed": result.renamed,
        "moved": result.moved,
        "findings": result.findings,
    }
