"""`rfs-mail campaigns`: list, show, preview, test, pause and resume campaigns; begin a new one."""

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from rfs_mail.app import App, Outlet
from rfs_mail.campaign_files.load import load_project
from rfs_mail.cli.context import current_app, current_folder
from rfs_mail.cli.output import (
    AsCsv,
    AsJson,
    Column,
    count,
    plain,
    print_fields,
    print_json,
    print_list,
    print_table,
    say_time,
)
from rfs_mail.core.verdict import Accepted
from rfs_mail.engine import figures, naming
from rfs_mail.engine import pause as pausing
from rfs_mail.engine.figures import CampaignFigures
from rfs_mail.engine.gate import Rules
from rfs_mail.engine.preview import For, Previewed, compose_test
from rfs_mail.engine.preview import preview as preview_mails
from rfs_mail.engine.preview import send_test as carry_out
from rfs_mail.engine.routing import tiers
from rfs_mail.errors import UsageError
from rfs_mail.settings import load_settings

app = typer.Typer(no_args_is_help=True, add_completion=False, help="List, show, preview, pause and resume campaigns.")

Id = Annotated[str, typer.Argument(metavar="ID", help="As in `campaigns list`.", show_default=False)]
As = Annotated[
    str | None, typer.Option("--as", metavar="EMAIL", help="As this person would get it.", show_default=False)
]
Lang = Annotated[str | None, typer.Option(metavar="CODE", help="In this language.", show_default=False)]
Variant = Annotated[
    str, typer.Option(metavar="NAME", help="This variant; by default the plain one.", show_default=False)
]
At = Annotated[str | None, typer.Option(metavar="TIME", help="As if it were sent then.", show_default=False)]
Window = Annotated[
    str | None,
    typer.Option(metavar="ID", help="About this filing window; by default one of hers.", show_default=False),
]

_COLUMNS = (
    Column("id", "ID"),
    Column("name", "NAME", wraps=True),
    Column("entity", "SPEAKS"),
    Column("state", "STATE", lambda row: row["state"] + (f" by {row['state_by']}" if row["state"] == "paused" else "")),
    Column("revision", "REVISION", right=True),
    Column("active", "IN IT", right=True),
    Column("ended", "THROUGH", right=True),
    Column("holdout", "HELD OUT", right=True),
)


@app.command("list")
def list_(as_json: AsJson = False, as_csv: AsCsv = False) -> None:
    """List campaigns, with how many people are in them."""
    with current_app().store.read() as connection:
        lines = figures.list_campaigns(connection)
    rows = [asdict(line) for line in lines]
    print_list(rows, _COLUMNS, as_json=as_json, as_csv=as_csv, empty="No campaigns.")


@app.command()
def show(campaign: Id, as_json: AsJson = False) -> None:
    """Show a campaign: whom it is for, what each step did, and why mail did not go."""
    app = current_app()
    with app.store.read() as connection:
        found = figures.campaign_figures(connection, campaign, now=app.now())
    if as_json:
        print_json(found)
        return
    line = found.line
    because = f": {line.state_because}" if line.state_because else ""
    by = f" by {line.state_by}{because}" if line.state != "running" else ""
    typer.echo(f"{line.id} ({plain(line.name)}), revision {line.revision}, {line.state}{plain(by)}")
    print_fields(found.about.items(), indent=2)
    typer.echo()
    _print_people(found)
    typer.echo()
    _print_steps(found)
    _print_windows(found)
    _print_reasons(found)


def _print_people(found: CampaignFigures) -> None:
    line = found.line
    held_out = f", {line.holdout:,} held out" if line.holdout else ""
    typer.echo(f"{count(line.active, 'person', 'people')} in it, {line.ended:,} through{held_out}")
    for reason, number in found.endings.items():
        typer.echo(f"  {number:>9,}  {reason.replace('_', ' ')}")


def _print_steps(found: CampaignFigures) -> None:
    """The funnel; a column in which nothing happened yet is left out."""
    told = (
        Column("waiting", "WAITING", right=True),
        Column("queued", "QUEUED", right=True),
        Column("sent", "SENT", right=True),
        Column("clicked", "CLICKED", right=True),
        Column("not_sent", "NOT SENT", right=True),
        Column("uncertain", "UNCERTAIN", right=True),
        Column("done", "DONE", right=True),
    )
    steps = [asdict(step) for step in found.steps]
    for step in steps:
        step["done"] = 0 if step["kind"] == "mail" else step["done"]
    shown = [column for column in told if column.key in ("waiting", "sent") or any(step[column.key] for step in steps)]
    cells = [
        [
            step["key"],
            step["kind"],
            plain(f"{step['when']}, if {step['condition']}" if step["condition"] else step["when"]),
            *(f"{step[column.key]:,}" if step[column.key] else "" for column in shown),
        ]
        for step in steps
    ]
    print_table(cells, (Column("key", "STEP"), Column("kind", ""), Column("when", "WHEN", wraps=True), *shown))


def _print_windows(found: CampaignFigures) -> None:
    """People by filing window; a column in which nobody is is left out."""
    if not found.windows:
        return
    rows = [asdict(line) for line in found.windows]
    amounts = (
        Column("active", "IN IT", right=True),
        Column("goal", "GOAL", right=True),
        Column("finished", "FINISHED", right=True),
        Column("exited", "ENDED", right=True),
        Column("holdout", "HELD OUT", right=True),
    )
    shown = [one for one in amounts if one.key in ("active", "goal", "finished") or any(row[one.key] for row in rows)]
    columns = (Column("window", "WINDOW"), Column("office", "OFFICE", wraps=True), Column("state", ""),
               Column("closes", "CLOSES", wraps=True), *shown)  # fmt: skip
    typer.echo("\nBy filing window, the nearest closing first")
    print_table([[column.cell(row) for column in columns] for row in rows], columns)
    if found.more_windows:
        typer.echo(f"The first {len(rows)} of them; `windows list --all` shows every window.")


def _print_reasons(found: CampaignFigures) -> None:
    for held, title in ((False, "Not sent, by reason"), (True, "Held at present")):
        lines = [line for line in found.reasons if line.held == held]
        if lines:
            typer.echo(f"\n{title}")
            width = max(len(line.step) for line in lines)
            for line in lines:
                typer.echo(f"  {line.number:>9,}  {line.step:<{width}}  {line.reason.replace('_', ' ')}")


# -- pausing -----------------------------------------------------------------------------------------------------------


@app.command()
def pause(
    campaign: Id,
    because: Annotated[
        str, typer.Option(metavar="TEXT", help="Why; `status` shows it to everybody.", show_default=False)
    ],
) -> None:
    """Stop a campaign's mail at once. Time goes on: what becomes too late meanwhile is not sent."""
    app = current_app()
    changed = pausing.pause(app.store, campaign, because=because, by=app.whoami, now=app.now())
    typer.echo(
        f"{campaign} is paused. `campaigns resume {campaign}` lets it go on." if changed
        else f"{campaign} is paused already; nothing changed."
    )  # fmt: skip


@app.command()
def resume(campaign: Id) -> None:
    """Let a campaign go on. Everybody in it joins at the step that is still ahead."""
    app = current_app()
    changed = pausing.resume(app.store, campaign, by=app.whoami, now=app.now())
    typer.echo(f"{campaign} goes on." if changed else f"{campaign} is running; nothing changed.")


# -- before anybody gets it --------------------------------------------------------------------------------------------


@app.command()
def preview(
    campaign: Annotated[str, typer.Argument(metavar="ID", help="A campaign of the files.", show_default=False)],
    step: Annotated[str | None, typer.Argument(metavar="STEP", help="One mail; by default all.")] = None,
    as_: As = None,
    lang: Lang = None,
    variant: Variant = "",
    at: At = None,
    window: Window = None,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the HTML there.", show_default=False)] = None,
    as_json: AsJson = False,
) -> None:
    """
    Show the mails of a campaign as the files are now, applied or not.

    Mails about filing windows are shown for a real one, each at its own time: one of hers, else the nearest ahead.
    """
    app = current_app()
    whom = _whom(app, as_, lang, variant, at, window)
    with app.store.read() as connection:
        mails = preview_mails(connection, load_project(app.settings), app.composer, campaign, step, whom, now=app.now())
    if html is not None:
        if len(mails) != 1:
            raise UsageError("--html writes one mail. Name its step.")
        html.write_text(mails[0].html, encoding="utf-8")
        typer.echo(f"{html}: {mails[0].subject}")
    elif as_json:
        print_json([{name: value for name, value in asdict(mail).items() if name != "composed"} for mail in mails])
    else:
        for number, mail in enumerate(mails):
            _print_mail(mail, first=number == 0, chosen=at is not None)


def _print_mail(mail: Previewed, *, first: bool, chosen: bool) -> None:
    if not first:
        typer.echo("\n" + "-" * 72 + "\n")
    variant = f", variant {mail.variant}" if mail.variant else ""
    typer.echo(f"Step:     {mail.step} ({mail.template}, {mail.language}{variant})")
    typer.echo(f"To:       {plain(mail.composed.rcpt_to)}")
    if mail.window is not None:
        typer.echo(f"Window:   {plain(mail.about)}")
        own = "its own time" if mail.own_time else "it has no time of its own here"
        typer.echo(f"Sent:     {say_time(mail.at, mail.zone)}{'' if chosen else f' ({own})'}")
    typer.echo(f"Subject:  {plain(mail.subject)}\n")
    typer.echo("\n".join(plain(line) for line in mail.text.rstrip().split("\n")))


@app.command("send-test")
def send_test(
    campaign: Annotated[str, typer.Argument(metavar="ID", help="A campaign of the files.", show_default=False)],
    step: Annotated[str, typer.Argument(metavar="STEP", help="Which mail.", show_default=False)],
    to: Annotated[str, typer.Option(metavar="ADDRESS", help="Where to send it.", show_default=False)],
    as_: As = None,
    lang: Lang = None,
    variant: Variant = "",
    at: At = None,
    window: Window = None,
) -> None:
    """Send one mail to yourself by the real relay, its subject marked [test]. It is not recorded as a delivery."""
    app = current_app()
    whom = _whom(app, as_, lang, variant, at, window)
    with app.store.read() as connection:
        mail = compose_test(
            connection, load_project(app.settings), app.composer, campaign, step, to, whom,
            rules=Rules(app.caps, app.settings.only_to), suppression_key=app.suppression_key, now=app.now(),
        )  # fmt: skip
    outlet = _outlet(app, campaign)
    verdict = asyncio.run(carry_out(outlet.transport, mail))
    said = f"{verdict.code or ''} {verdict.text}".strip()
    if not isinstance(verdict, Accepted):
        typer.echo(f"Not sent by {outlet.name}: {plain(said)}", err=True)
        raise typer.Exit(1)
    typer.echo(f"Sent to {mail.composed.rcpt_to} by {outlet.name}: {plain(mail.subject)}")
    typer.echo(f"  {plain(said)}")


def _outlet(app: App, campaign: str) -> Outlet:
    """The relay that takes mail of this campaign's entity before the others."""
    entity = load_project(app.settings).campaigns[campaign].entity
    for tier in tiers(app.routes, entity):
        return app.outlets[tier[0].name]
    raise UsageError(f"No relay takes mail of {entity}. Add it to the `entities` of a [[relay]] in rfs-mail.toml.")


def _whom(app: App, email: str | None, lang: str | None, variant: str, at: str | None, window: str | None) -> For:
    return For(email, lang, variant, naming.moment(at, now=app.now()) if at is not None else None, window)


# -- a new one ---------------------------------------------------------------------------------------------------------


@app.command()
def new(
    campaign: Annotated[str, typer.Argument(metavar="ID", help="Its id: a-z, 0-9 and _.", show_default=False)],
    from_: Annotated[
        str, typer.Option("--from", metavar="KIND", help="series, countdown or broadcast.", show_default=False)
    ],
    entity: Annotated[str | None, typer.Option(metavar="ID", help="Who speaks.", show_default=False)] = None,
) -> None:
    """Write a new campaign file with its templates, to be filled in. Nothing is applied."""
    from rfs_mail.campaign_files.starters import new_campaign, write_starter

    settings = load_settings(current_folder())  # files only: needs no database, like `check`
    starter = new_campaign(load_project(settings), campaign, from_, entity=entity)
    for path in write_starter(settings, starter):
        typer.echo(f"  {path.relative_to(settings.folder)}")
    typer.echo(f"Make the texts yours, then: rfs-mail check, rfs-mail campaigns preview {campaign}, rfs-mail apply")
