"""`rfs-mail deliveries`: the send log."""

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from email import policy
from email.parser import BytesParser
from typing import Annotated, Any

import typer

from rfs_mail.app import App
from rfs_mail.cli.context import current_app
from rfs_mail.cli.output import (
    AsCsv,
    AsJson,
    Column,
    Row,
    count,
    plain,
    print_fields,
    print_json,
    print_json_line,
    print_list,
    say_time,
)
from rfs_mail.engine import deliveries, reproduce
from rfs_mail.engine.deliveries import Asked, Resolved, Shown
from rfs_mail.errors import NotFoundError, UsageError

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="The send log: who got what, and why the others did not."
)

FOLLOW_SECONDS = 2.0

_COLUMNS = (
    Column("id", "ID"),
    Column("at", "WHEN", lambda row: say_time(row["at"], row["zone"] or "UTC")),
    Column("address", "TO", lambda row: row["address"] or "(erased)"),
    Column("campaign_id", "CAMPAIGN"),
    Column("step_key", "STEP"),
    Column("state", "STATE"),
    Column("why", "WHY", lambda row: row["why"] or "", wraps=True),
)


@app.command("list")
def list_(
    person: Annotated[str | None, typer.Option(metavar="EMAIL", help="To this person.", show_default=False)] = None,
    campaign: Annotated[str | None, typer.Option(metavar="ID", help="Of this campaign.", show_default=False)] = None,
    step: Annotated[str | None, typer.Option(metavar="KEY", help="Of this step.", show_default=False)] = None,
    state: Annotated[
        list[str] | None, typer.Option(help="In this state: sent, skipped, queued ... Repeatable.", show_default=False)
    ] = None,
    reason: Annotated[
        str | None, typer.Option(help="For this reason: capped, unsubscribed ...", show_default=False)
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="WHEN", help="From then on: yesterday, 3d, 2026-11-23. Days are UTC.", show_default=False),
    ] = None,
    until: Annotated[str | None, typer.Option(metavar="WHEN", help="Until then.", show_default=False)] = None,
    window: Annotated[
        str | None, typer.Option(metavar="ID", help="About this filing window.", show_default=False)
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
    after: Annotated[
        str | None, typer.Option(metavar="PLACE", help="Go on where a list ended.", show_default=False)
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", help="Go on showing what comes, until Ctrl-C.")] = False,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """List deliveries, the newest first. A time asks about those that were settled then: sent, skipped, failed."""
    app = current_app()
    asked = Asked(person, campaign, step, tuple(state or ()), reason, since, until, window)
    if follow:
        if as_csv or after:
            raise UsageError("--follow goes with --json or alone.")
        _follow(app, asked, as_json=as_json)
        return
    page = deliveries.search(app.store, asked, now=app.now(), limit=limit, after=after)
    rows = _rows(page.rows, app.now())
    note = f"There are more: --after {page.next}" if page.next is not None else ""
    print_list(rows, _COLUMNS, as_json=as_json, as_csv=as_csv, empty="No such deliveries.", note=note)


def _rows(found: Sequence[Any], now: datetime) -> list[Row]:
    rows: list[Row] = []
    for row in found:
        told = deliveries.why(row, now=now)
        at = row.settled_at or row.next_at
        rows.append({**row._mapping, "at": at, "why": told.sentence, "remedy": told.remedy})
    return rows


def _follow(app: App, asked: Asked, *, as_json: bool) -> None:
    """Print what is settled from now on, oldest first."""
    since = app.now() if asked.since is None else None
    seen: set[int] = set()
    if not as_json:
        typer.echo("Following the log. Ctrl-C ends it.", err=True)
    while True:
        wanted = asked if since is None else _since(asked, since)
        page = deliveries.search(app.store, wanted, now=app.now(), limit=500)
        fresh = [row for row in reversed(page.rows) if row.id not in seen]
        for row in _rows(fresh, app.now()):
            if as_json:
                print_json_line(row)
                continue
            when, why = say_time(row["at"], row["zone"] or "UTC"), f": {row['why']}" if row["why"] else ""
            said = f"{row['campaign_id']} {row['step_key']} {row['state']}{why}"
            typer.echo(f"{when}  {plain(row['address'] or '(erased)')}  {plain(said)}")
        seen |= {row.id for row in fresh}
        try:
            time.sleep(FOLLOW_SECONDS)
        except KeyboardInterrupt:
            return


def _since(asked: Asked, since: datetime) -> Asked:
    return replace(asked, since=since.isoformat())


# -- one ---------------------------------------------------------------------------------------------------------------


def _number(text: str) -> int:
    """The id of a delivery. Raises UsageError."""
    if not (text.isascii() and text.isdecimal() and len(text) <= 18):
        raise UsageError(f"{text!r} is no id of a delivery. `deliveries list` shows them: numbers such as 17.")
    return int(text)


@app.command()
def show(
    delivery_id: Annotated[
        int, typer.Argument(metavar="ID", help="As in `deliveries list`.", show_default=False, parser=_number)
    ],
    message: Annotated[bool, typer.Option("--message", help="The message itself, built again.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show one delivery: what became of it, when, why; with --message the bytes that went out."""
    app = current_app()
    if message:
        _print_message(app, delivery_id, as_json=as_json)
        return
    found = deliveries.show(app.store, delivery_id, now=app.now())
    row, told = found.row, found.told
    if as_json:
        events = [dict(event._mapping) for event in found.events]
        about = {"window": found.window} if row.window_id is not None else {}
        print_json({**row._mapping, **about, "why": told.sentence, "remedy": told.remedy, "events": events})
        return
    zone = row.zone or "UTC"
    name = " ".join(part for part in (row.given_name, row.family_name) if part)
    typer.echo(
        f"Delivery {row.id}: {row.campaign_id} {row.step_key} to {plain(row.address or '(erased)')}, {row.state}"
    )
    reply = " ".join(str(part) for part in (row.code, row.reply) if part)
    fields = [
        ("why", told.sentence),
        ("", told.remedy),
        ("name", name),
        ("subject", _subject(app, delivery_id) if row.made is not None else ""),
        ("language", (row.made or {}).get("lang", "")),
        ("variant", row.variant),
        ("revision", str(found.revision_number or "")),
        ("window", _window(found)),
        ("she", _how_far(found)),
        ("queued", say_time(row.queued_at, zone)),
        ("due", say_time(row.due_at, zone)),
        ("not before", say_time(row.not_before, zone) if row.not_before else ""),
        ("not after", say_time(row.not_after, zone)),
        ("to the wire", say_time(row.sending_at, zone) if row.sending_at else ""),
        ("settled", say_time(row.settled_at, zone) if row.settled_at else ""),
        ("attempts", str(row.attempt) if row.attempt > 1 else ""),
        ("sent again", str(row.resends) if row.resends else ""),
        ("priority", "deadline" if row.deadline else ""),
        ("relay", row.relay or ""),
        ("answer", reply),
        ("Message-ID", row.message_id or ""),
    ]
    print_fields(fields, indent=2)
    for event in found.events:
        value = f" ({event.value})" if event.value else ""
        typer.echo(f"  {say_time(event.at, zone)}  {plain(event.name)}{plain(value)}")


def _window(found: Shown) -> str:
    """The filing window a delivery is about, the version it was planned by, and what that window says now."""
    row, window = found.row, found.window
    if row.window_id is None:
        return ""
    said = f"{row.window_id}, version {row.window_version}"
    if window is None:
        return f"{said}, which is gone"
    newer = f"; version {window.version} now" if window.version != row.window_version else ""
    return f"{said}{newer}: {window.office}, {window.state}, closes {window.closes}"


def _how_far(found: Shown) -> str:
    window = found.window
    return f"{window.candidacy} ({window.evidence})" if window is not None and window.candidacy else ""


def _subject(app: App, delivery_id: int) -> str:
    """The subject that went out, where the message can be had."""
    try:
        again = reproduce.message(app.store, app.composer, delivery_id)
    except NotFoundError:
        return ""
    return str(BytesParser(policy=policy.default).parsebytes(again.message, headersonly=True)["Subject"] or "")


def _print_message(app: App, delivery_id: int, *, as_json: bool) -> None:
    again = reproduce.message(app.store, app.composer, delivery_id)
    if as_json:
        text = again.message.decode("utf-8", "replace")
        print_json(
            {
                "exact": again.exact, "kept": again.kept, "differs": list(again.differs),
                "because": list(again.because), "message": text,
            }
        )  # fmt: skip
    else:
        how = "kept since it was sent" if again.kept else "built again"
        typer.echo(f"{'exact' if again.exact else 'not exact'} ({how}, {count(len(again.message), 'byte')})", err=True)
        if again.kept:
            typer.echo("built again, it differs:" if again.differs else "built again, it is the same", err=True)
        for difference in again.differs:
            typer.echo(f"  {plain(str(difference))}", err=True)
        for cause in again.because:
            typer.echo(f"  because: {plain(cause)}", err=True)
        typer.echo(again.message.replace(b"\r\n", b"\n").decode("utf-8", "replace"))
    if not again.exact:
        raise typer.Exit(1)


# -- deciding ----------------------------------------------------------------------------------------------------------


@app.command()
def resolve(
    ids: Annotated[list[int] | None, typer.Argument(metavar="ID..", help="Which.", show_default=False)] = None,
    resend: Annotated[bool, typer.Option("--resend", help="Send them once more.")] = False,
    sent: Annotated[bool, typer.Option("--sent", help="They arrived; leave it at that.")] = False,
    failed: Annotated[bool, typer.Option("--failed", help="All that failed and still have time.")] = False,
    campaign: Annotated[
        str | None, typer.Option(metavar="ID", help="With --failed: of this campaign.", show_default=False)
    ] = None,
    step: Annotated[
        str | None, typer.Option(metavar="KEY", help="With --failed: of this step.", show_default=False)
    ] = None,
    reason: Annotated[str | None, typer.Option(help="With --failed: for this reason.", show_default=False)] = None,
) -> None:
    """Decide about deliveries that nobody knows the end of, and send again what failed."""
    app = current_app()
    if resend == sent:
        raise UsageError("Say --resend or --sent.")
    if failed:
        if ids or sent:
            raise UsageError("--failed --resend takes all that failed, so it goes without ids.")
        asked = Asked(campaign=campaign, step=step, reason=reason)
        done = deliveries.resend_failed(app.store, asked, now=app.now())
        typer.echo(f"{count(done, 'delivery', 'deliveries')} queued again.")
        return
    if not ids:
        raise UsageError("Name the deliveries by id; `deliveries list --state uncertain` shows them.")
    if sent:
        _print_resolved(deliveries.resolve_sent(app.store, ids, by=app.whoami), "noted as sent")
    else:
        _print_resolved(deliveries.resend(app.store, ids, now=app.now()), "queued again")


def _print_resolved(resolved: Resolved, what: str) -> None:
    if resolved.done:
        typer.echo(f"{count(len(resolved.done), 'delivery', 'deliveries')} {what}.")
    for sentence in resolved.refused.values():
        typer.echo(f"Not decided: {sentence}.", err=True)
    if resolved.refused:
        raise typer.Exit(1)
