"""`rfs-mail doctor`: is this installation fit to send?"""

import asyncio
from typing import Annotated

import typer

from rfs_mail.cli.context import current_app
from rfs_mail.cli.output import AsJson, count, plain, print_json
from rfs_mail.core.checkup import Outcome
from rfs_mail.engine.doctor import Report, examine

_WORDS = {Outcome.OK: "ok", Outcome.WARN: "warn", Outcome.FAIL: "FAIL", Outcome.SKIPPED: "skipped"}


def doctor(
    dns: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Ask this name server, not this machine's.", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Look at settings, database, relays, DNS and the one-click page; say per line what to do. Changes nothing."""
    app = current_app(open_schema=False)
    report = asyncio.run(examine(app.installation(), dns))
    if as_json:
        print_json({"fit": report.is_fit, "checks": list(report.checks)})
    else:
        _print(report)
    if not report.is_fit:
        raise typer.Exit(1)


def _print(report: Report) -> None:
    width = max(len(word) for word in _WORDS.values())
    for check in report.checks:
        typer.echo(f"{_WORDS[check.outcome]:<{width}}  {plain(check.name)}: {plain(check.found)}")
        if check.remedy:
            typer.echo(f"{'':{width}}  {plain(check.remedy)}")
    failed, warned = report.count(Outcome.FAIL), report.count(Outcome.WARN)
    skipped = f", {report.count(Outcome.SKIPPED)} skipped" if report.count(Outcome.SKIPPED) else ""
    verdict = "Fit to send" if report.is_fit else f"{count(failed, 'check')} failed"
    typer.echo(f"\n{verdict}: {count(len(report.checks), 'check')}, {count(warned, 'warning')}{skipped}.")
