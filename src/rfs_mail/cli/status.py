"""`rfs-mail status`: what is broken."""

import sys
import time
from typing import Annotated

import typer

from rfs_mail.cli.context import current_app
from rfs_mail.cli.output import AsJson, count, plain, print_json, say_time
from rfs_mail.engine.status import Status
from rfs_mail.engine.status import status as look

WATCH_SECONDS = 5.0


def status(
    watch: Annotated[bool, typer.Option("--watch", help="Look again every few seconds, until Ctrl-C.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say what is broken or waits for a person. Exit code 1 if anything does."""
    app = current_app()
    while True:
        with app.store.read() as connection:
            found = look(connection, now=app.now())
        if watch and sys.stdout.isatty():
            typer.echo("\x1b[2J\x1b[H", nl=False)
        if as_json:
            print_json({"fine": found.is_fine, "status": found})
        else:
            _print(found)
        if not watch:
            break
        try:
            time.sleep(WATCH_SECONDS)
        except KeyboardInterrupt:
            break
    if not found.is_fine:
        raise typer.Exit(1)


def _print(found: Status) -> None:
    if found.is_fine:
        typer.echo("Everything is fine.")
    else:
        typer.echo(f"{count(len(found.troubles), 'thing')} to look after")
    for trouble in found.troubles:
        typer.echo(f"  {plain(trouble.what)}")
        if trouble.remedy:
            typer.echo(f"      {plain(trouble.remedy)}")
    running = f"{count(len(found.running), 'campaign')} running" if found.running else "no campaign is running"
    release = f"release {found.release}" if found.release is not None else "nothing applied"
    last = f"last pass {say_time(found.last_pass)}" if found.last_pass is not None else "no pass yet"
    senders = f", {count(len(found.processes), 'process', 'processes')} sending" if found.processes else ""
    typer.echo(f"\n{release}, {running}, {last}{senders}")
