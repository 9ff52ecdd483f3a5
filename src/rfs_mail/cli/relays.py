"""`rfs-mail relays`: how the ways out stand, and a rest for one of them."""

from dataclasses import asdict
from typing import Annotated

import typer

from rfs_mail.cli.context import current_app
from rfs_mail.cli.output import AsCsv, AsJson, Column, Row, plain, print_list, say_time
from rfs_mail.core.duration import parse_duration
from rfs_mail.core.pacing import say_rate
from rfs_mail.engine import pacing, relays
from rfs_mail.engine.pacing import OperatorLine, RampLine
from rfs_mail.errors import TimeError, UsageError

app = typer.Typer(no_args_is_help=True, help="The relays: how they stand, what they said.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="Its name in rfs-mail.toml.", show_default=False)]

_WORDS = {
    "working": "works", "spare": "spare", "resting": "rests until {until}", "due": "gets a mail on trial next",
    "on_trial": "one mail on trial", "kept": "rests until {until}, says {by}",
}  # fmt: skip
_AFTER_WAKE = {
    "working": "takes mail again", "spare": "is a spare again", "due": "gets one mail on trial next",
    "on_trial": "has one mail on trial",
}  # fmt: skip


def _state(row: Row) -> str:
    until = say_time(row["until"]) if row["until"] is not None else ""
    return _WORDS[row["state"]].format(until=until, by=row["by"])


def _rate(row: Row) -> str:
    return f"{row['rate']} ({row['tokens']:,} now)" if row["rate"] else ""


def _said(row: Row) -> str:
    if row["said_at"] is None:
        return ""
    return f"{say_time(row['said_at'])} {row['said_code'] or ''} {row['said']}".replace("  ", " ").strip()


_COLUMNS = (
    Column("relay", "RELAY"),
    Column("state", "STATE", _state, wraps=True),
    Column("because", "BECAUSE", wraps=True),
    Column("weight", "WEIGHT", right=True),
    Column("connections", "CONNECTIONS", right=True),
    Column("rate", "RATE", _rate),
    Column("in_flight", "UNDER WAY", right=True),
    Column("sent", "SENT", right=True),
    Column("deferred", "DEFERRED", right=True),
    Column("failed", "FAILED", right=True),
    Column("uncertain", "UNCERTAIN", right=True),
    Column("said", "LAST SAID", _said, wraps=True),
)


def _operator(line: OperatorLine) -> str:
    """One receiving operator: how fast it is sent to now, and what it taught us."""
    limit = "no limit" if line.rate is None else say_rate(line.rate)
    most = f" of {line.outstanding:,}" if line.outstanding is not None else ""
    taught = f", after it said {line.because}" if line.learnt is not None else ""
    return f"{line.operator} by {line.relay}: {limit}{taught}; {line.on_their_way:,}{most} under way"


def _ramp(line: RampLine) -> str:
    """The warm-up of one From domain at one operator."""
    if line.cap is None:
        return f"{line.domain} is warm at {line.operator}"
    return f"{line.domain} warms up at {line.operator}, day {line.day}: {line.used:,} of {line.cap:,} ({line.because})"


@app.command()
def status(as_json: AsJson = False, as_csv: AsCsv = False) -> None:
    """Say how each relay stands, what it did today (UTC) and what it said last. Exit code 1 if one rests by itself."""
    app = current_app()
    with app.store.read() as connection:
        found = relays.relay_status(connection, app.routes, now=app.now())
        operators = pacing.operator_lines(connection, app.pacing, now=app.now())
        ramps = pacing.ramp_lines(connection, app.pacing, now=app.now())
    throttled = [
        f"{one.relay} is slow with {throttle.operator} until {say_time(throttle.until)}: {throttle.because}"
        for one in found
        for throttle in one.throttles
    ]
    rows = [
        asdict(one) | {"operators": [asdict(line) for line in operators if line.relay == one.relay]} for one in found
    ]
    told = [*throttled, *[_operator(line) for line in operators], *[_ramp(line) for line in ramps]]
    print_list(rows, _COLUMNS, as_json=as_json, as_csv=as_csv, note=plain_lines(told))
    if any(one.state in ("resting", "due", "on_trial") for one in found):
        raise typer.Exit(1)


@app.command()
def rest(
    name: Name,
    for_: Annotated[
        str, typer.Option("--for", metavar="DURATION", help="How long: 30min, 2h, 3d.", show_default=False)
    ],
    because: Annotated[str, typer.Option(metavar="TEXT", help="Why; `status` shows it.", show_default=False)],
) -> None:
    """Send nothing by a relay for a while; the others take its mail. What is at the wire ends."""
    app = current_app()
    now = app.now()
    try:
        until = now + parse_duration(for_).nominal
    except TimeError as error:
        raise UsageError(f"--for: {error}") from error
    relays.rest(app.store, app.routes, name, until=until, because=because, by=app.whoami, now=now)
    typer.echo(f"{name} rests until {say_time(until)}.")


@app.command()
def wake(name: Name) -> None:
    """End a relay's rest. One that failed gets one mail on trial before all the others."""
    app = current_app()
    typer.echo(f"{name} {_AFTER_WAKE[relays.wake(app.store, app.routes, name, now=app.now())]}.")


def plain_lines(lines: list[str]) -> str:
    """Lines for a terminal, without control characters in any of them."""
    return "\n".join(plain(line) for line in lines)
