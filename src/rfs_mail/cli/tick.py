"""`rfs-mail tick`: one pass of every verb, as of a time. How a test or a cron drives the engine."""

import asyncio
import json
import shutil
import sqlite3
import tempfile
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from rfs_mail.app import App
from rfs_mail.cli.context import current_app
from rfs_mail.engine.machine import TickReport, check_civil
from rfs_mail.engine.spool import drain_spool
from rfs_mail.errors import UsageError
from rfs_mail.settings import Relay


def tick(
    at: Annotated[
        str | None, typer.Option("--at", help="Civil time of the pass: 2026-12-03T10:00Z. Default: now.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="On a copy of the database, sending nothing.")] = False,
    really: Annotated[
        bool, typer.Option("--really-send-ahead", help="Send to a real relay ahead of the clock.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Run every verb once, as of a time, until nothing that is due then can move any more."""
    app = current_app()
    now = parse_instant(at) if at is not None else app.now()
    if dry_run:
        report = _dry_run(app, now)
    else:
        check_civil(app.store, now, may_run_ahead=app.sends_locally or really)
        with app.store.sole_sender():
            drain_spool(app.store, app.keys, app.settings.folder)
            report = run_tick(app, now)
    if as_json:
        typer.echo(json.dumps({**asdict(report), "at": report.at.isoformat(), "dry_run": dry_run}))
        return
    would = "would be " if dry_run else ""
    typer.echo(
        f"{now:%Y-%m-%d %H:%M} UTC: {report.entered} entered, {report.sent} {would}sent, "
        f"{report.held_or_skipped} held or skipped, {report.deferred} deferred, {report.failed} failed, "
        f"{report.uncertain} uncertain."
    )


def run_tick(app: App, now: datetime) -> TickReport:
    """One tick with a machine of its own."""

    async def once() -> TickReport:
        machine = app.machine(now=lambda: now)
        await machine.start()
        try:
            return await machine.tick(now)
        finally:
            await machine.stop()

    return asyncio.run(once())


def parse_instant(text: str) -> datetime:
    """
    An instant: ISO 8601 with an offset or Z. Without one it is UTC.

    Raises UsageError with an example.
    """
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"--at {text}: write a time such as 2026-12-03T10:00Z or 2026-12-03T10:00-06:00.") from error
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


def _dry_run(app: App, now: datetime) -> TickReport:
    """The same tick on a copy of the database, with a transport that only counts."""
    if app.store.path is None:
        raise UsageError(
            "--dry-run works on a copy of a SQLite database. On PostgreSQL, `rfs-mail agenda` shows what is due."
        )
    with tempfile.TemporaryDirectory(prefix="rfs-mail-dry-run-") as name:
        copy = Path(name) / "copy.db"
        with sqlite3.connect(app.store.path) as source, sqlite3.connect(copy) as target:
            source.backup(target)
        source.close()
        target.close()
        if shutil.disk_usage(name).free < copy.stat().st_size:
            raise UsageError(f"There is too little space in {name} for a dry run.")
        memory = Relay.model_validate({"url": "memory:"})
        settings = app.settings.model_copy(update={"database_url": f"sqlite:///{copy}", "relay": (memory,)})
        rehearsal = App(settings, type(app.store)(settings.database_url), app.renderer, app.civil_clock)
        try:
            return run_tick(rehearsal, now)
        finally:
            rehearsal.close()
