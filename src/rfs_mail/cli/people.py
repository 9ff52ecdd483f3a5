"""`rfs-mail people`: find people, show one, change, stop, export, erase."""

import sys
from typing import Annotated

import typer

from rfs_mail.cli.context import current_app
from rfs_mail.cli.output import (
    AsCsv,
    AsJson,
    Column,
    Row,
    count,
    plain,
    print_csv,
    print_fields,
    print_json,
    print_list,
    say,
    say_time,
)
from rfs_mail.engine import desk, naming, roster
from rfs_mail.engine.erase import erase as erase_person
from rfs_mail.engine.erase import export as export_person
from rfs_mail.engine.her_windows import say_left
from rfs_mail.engine.timeline import Life, Moment, life
from rfs_mail.errors import UsageError

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Find people, show what they got, change, stop, export, erase."
)

Email = Annotated[str, typer.Argument(metavar="EMAIL", help="Whom it is about.", show_default=False)]


def _name(row: Row) -> str:
    return " ".join(part for part in (row["given_name"], row["family_name"]) if part) or say(None)


_COLUMNS = (
    Column("address", "ADDRESS"),
    Column("name", "NAME", _name, wraps=True),
    Column("stage", "STAGE"),
    Column("state", "STATE"),
    Column("zip", "ZIP"),
    Column("lang", "LANG"),
    Column("source", "SOURCE", wraps=True),
    Column("signed_up_at", "SIGNED UP", lambda row: say_time(row["signed_up_at"], row["zone"])),
)


@app.command("list")
def list_(
    where: Annotated[
        str | None, typer.Option(metavar="EXPR", help="Only these: --where 'state == \"WI\"'.", show_default=False)
    ] = None,
    segment: Annotated[
        str | None, typer.Option(metavar="NAME", help="Only the people of a segment.", show_default=False)
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 50,
    everybody: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """List people, or those for whom a condition holds."""
    app = current_app()
    if everybody:
        people = (
            dict(row._mapping) for row in roster.everybody(app.store, where=where, segment=segment, now=app.now())
        )
        if as_csv and not as_json:
            print_csv(people, _COLUMNS)
        else:
            print_list(list(people), _COLUMNS, as_json=as_json, as_csv=as_csv, empty="Nobody.")
        return
    found = roster.list_people(app.store, where=where, segment=segment, limit=limit, now=app.now())
    rows = [dict(row._mapping) for row in found.rows]
    note = f"The first {count(len(rows), 'person', 'people')}; --all shows everybody." if found.more else ""
    print_list(rows, _COLUMNS, as_json=as_json, as_csv=as_csv, empty="Nobody.", note=note)


# -- one person --------------------------------------------------------------------------------------------------------


@app.command()
def show(email: Email, as_json: AsJson = False) -> None:
    """Show who somebody is, what she agreed to, what happened, and what lies ahead."""
    app = current_app()
    with app.store.read() as connection:
        person = naming.find_person(connection, email)
        found = life(connection, person, now=app.now())
    if as_json:
        print_json(found)
        return
    _print_card(found)
    if found.windows:
        _print_windows(found)
    past = [moment for moment in found.moments if not moment.ahead]
    ahead = [moment for moment in found.moments if moment.ahead]
    typer.echo("\nWhat happened")
    _print_moments(past, found.person.zone, "Nothing yet.")
    barred = ". What she is suppressed for, above, does not go" if ahead and found.suppressed else ""
    typer.echo(f"\nWhat lies ahead, if nothing changes{barred}")
    _print_moments(ahead, found.person.zone, "Nothing.")


def _print_card(found: Life) -> None:
    person = found.person
    zone = person.zone
    typer.echo(plain(person.address))
    place = ", ".join(part for part in (person.county, person.state, person.zip) if part)
    custom = ", ".join(f"{slug} {say(value)}" for slug, value in sorted(person.custom.items()))
    consents = ", ".join(
        f"{entity} {'' if granted else 'withdrawn '}since {say_time(at, zone)}"
        for entity, granted, at in found.consents
    )
    stopped = f"{person.stopped_because} ({say_time(person.stopped_at, zone)})" if person.stopped_at else ""
    fields = [
        ("name", " ".join(part for part in (person.given_name, person.family_name) if part)),
        ("stage", person.stage + (f" since {say_time(person.stage_at, zone)}" if person.stage_at else "")),
        ("place", place),
        ("clock", zone),
        ("language", person.lang or ""),
        ("born", str(person.birth_year or "")),
        ("ran before", "" if person.runs_before is None else str(person.runs_before)),
        ("endorsement", person.endorsement or ""),
        ("source", person.source or ""),
        ("tags", ", ".join(person.tags)),
        ("roles", ", ".join(person.roles)),
        ("fields", custom),
        ("wants", "; ".join(one.words for one in found.wants) or "not known"),
        ("consent", consents or "none"),
        ("left topics", ", ".join(found.topics_left)),
        ("paused", f"until {say_time(person.paused_until, zone)}" if person.paused_until else ""),
        ("stopped", stopped),
        ("suppressed", "; ".join(found.suppressed)),
        ("number", str(person.id)),
    ]
    print_fields(fields, indent=2)


def _print_windows(found: Life) -> None:
    """Her filing windows: when each closes, how sure it is that it is hers, how far she is, the campaigns about it."""
    typer.echo("\nHer filing windows")
    for window in found.windows:
        left = f" ({say_left(window.days_left)})" if window.days_left is not None else ""
        closes = f"closes {window.closes}{left}" if window.closes_at is not None else window.closes
        typer.echo(plain(f"  {window.id}: {window.office}, {window.state}, {closes}"))
        campaigns = [
            f"{one.campaign} {'in it' if one.state == 'active' else one.state}"
            for one in found.enrollments
            if one.window_id == window.id
        ]
        how_far = f"{window.candidacy.replace('_', ' ')} ({window.evidence})" if window.candidacy else "has not begun"
        fields = [
            ("known", f"{window.status}, {window.confidence}; {window.sure}"),
            ("she", how_far),
            ("campaigns", ", ".join(campaigns)),
        ]
        print_fields(fields, indent=4)


def _print_moments(moments: list[Moment], zone: str, nothing: str) -> None:
    if not moments:
        typer.echo(f"  {nothing}")
    for moment in moments:
        delivery = f"  (delivery {moment.delivery_id})" if moment.kind == "mail" and moment.delivery_id else ""
        typer.echo(f"  {say_time(moment.at, zone)}  {plain(moment.what)}{delivery}")


@app.command("set")
def set_(
    email: Email,
    assignments: Annotated[
        list[str],
        typer.Argument(metavar="FIELD=VALUE..", help='stage=filed state=WI "wants=school_board in WI" tag=WORD'),
    ],
    window: Annotated[
        str | None, typer.Option(metavar="ID", help="The filing window a stage is about.", show_default=False)
    ] = None,
) -> None:
    """Set fields of a person. FIELD= clears a field; tag=WORD and untag=WORD put a tag on and take it off.

    wants="OFFICE [in STATE] [at DIVISION] [YEAR] [as PARTY_PATH] [incumbent]; ..." is all that somebody wants to run
    for; wants+= adds to it, and wants= takes everything back.
    """
    app = current_app()
    changed = desk.set_fields(app.store, email, assignments, window=window, by=app.whoami, now=app.now())
    if changed.fields:
        typer.echo(f"{changed.address}: {', '.join(changed.fields)} set.")
    elif window is None:
        typer.echo(f"{changed.address}: it was so already; nothing changed.")
    if changed.wants is not None:
        typer.echo(f"{changed.address} wants {plain('; '.join(changed.wants)) or 'nothing that we know of'}.")
    if window is not None:
        typer.echo(f"{changed.address}: noted for the filing window {window}.")


@app.command()
def stop(
    email: Email,
    because: Annotated[str, typer.Option(metavar="TEXT", help="Why, for whoever reads it later.", show_default=False)],
) -> None:
    """Stop all mail to a person, whoever speaks."""
    app = current_app()
    waiting = desk.stop(app.store, email, because=because, now=app.now())
    was = f" {count(waiting, 'mail')} that waited will not go." if waiting else ""
    typer.echo(f"{email}: all mail is stopped.{was} `people restart {email}` lifts it.")


@app.command()
def restart(email: Email) -> None:
    """Let mail to a person begin again. Unsubscribes and complaints stay as they are."""
    app = current_app()
    lifted = desk.restart(app.store, email, now=app.now())
    typer.echo(f"{email}: mail may go again." if lifted else f"{email}: staff had not stopped it; nothing changed.")


# -- what we know, and forgetting it -----------------------------------------------------------------------------------


@app.command()
def export(email: Email) -> None:
    """Print everything that is stored about a person, as JSON."""
    print_json(export_person(current_app().store, email))


@app.command()
def erase(
    email: Email,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Forget a person. Only a keyed hash stays, so that an import cannot bring her back."""
    app = current_app()
    with app.store.read() as connection:
        person = naming.find_person(connection, email)
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError("This cannot be undone, and there is nobody to ask. Say --yes.")
        if not typer.confirm(f"Forget {person.address} and everything about her? This cannot be undone."):
            typer.echo("Nothing was changed.")
            raise typer.Exit(1)
    erased = erase_person(app.store, email, by=app.whoami, now=app.now())
    typer.echo(f"{erased.address} is forgotten: {count(erased.total, 'row')} deleted.")
    typer.echo("Her address stays suppressed by a keyed hash. Files that were imported are yours to clear.")
