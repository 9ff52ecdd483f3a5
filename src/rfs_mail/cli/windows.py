"""`rfs-mail windows`: filing windows in, what they say, whom to call before one closes, who is on an official list."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

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
    print_list,
    say,
    say_time,
)
from rfs_mail.core.duration import parse_duration
from rfs_mail.core.filing_windows import Problem, tell_change
from rfs_mail.engine import candidate_lists as lists
from rfs_mail.engine import windows as engine
from rfs_mail.errors import TimeError, UsageError

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Filing windows: import, list, and who closes soon.")

State = Annotated[str | None, typer.Option("--state", metavar="WI", help="Only of this state.", show_default=False)]

_SHOWN = 20


# -- importing ---------------------------------------------------------------------------------------------------------


@app.command("import")
def import_(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="A CSV file; the format: docs/filing-windows.md.", show_default=False)
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen; write nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """
    Import filing windows: show in people what changes, then change it. The same file again changes nothing.

    Windows are matched by window_id alone; one that is not in the file is left alone. Exit code 1 where rows were bad.
    """
    app = current_app()
    found = engine.read_file(app.store, file, now=app.now())
    applied = None
    if not as_json:
        for line in tell_import(found):
            typer.echo(line)
    if found.effects and not dry_run:
        if not yes:
            if as_json or not sys.stdin.isatty():
                raise UsageError("Nobody is there to be asked. Say `windows import --yes`, or --dry-run.")
            typer.confirm("Change these windows?", abort=True)
        applied = engine.apply_import(app.store, found, by=app.whoami, now=app.now())
    if as_json:
        print_json(_as_json(found, applied))
    elif dry_run:
        typer.echo("Nothing was written.")
    elif applied is not None:
        typer.echo(f"{count(len(applied.versions), 'window')} written. Mail follows with the next pass.")
    if applied is not None and applied.overtaken:
        names = ", ".join(applied.overtaken)
        typer.echo(f"Changed by somebody else meanwhile, and left as they are: {names}. Import again.", err=True)
    if found.problems or (applied is not None and applied.overtaken):
        raise typer.Exit(1)


def tell_import(found: engine.Import) -> Iterator[str]:
    """What importing a file does, line by line; the last one sums it up."""
    yield f"{plain(found.file)}: {count(found.rows, 'row')}, {found.unchanged:,} as they are known"
    for word, effects in (("moved", found.moved), ("new", found.new), ("note", found.restated)):
        for effect in effects[:_SHOWN] if word != "moved" else effects:
            yield plain(f"  {word:<6} {_line(effect)}")
        if word != "moved" and len(effects) > _SHOWN:
            yield f"  {word:<6} and {len(effects) - _SHOWN:,} more"
    if found.kept:
        some = ", ".join(f"{window} {name} {value}" for window, name, value in found.kept[:3])
        more = f" and {len(found.kept) - 3:,} more" if len(found.kept) > 3 else ""
        yield plain(f"Kept where the file is blank: {some}{more}. The word `unknown` in a cell takes one back.")
    if found.absent:
        yield f"{count(found.absent, 'window')} ahead and not in this file: left alone."
    if found.problems:
        bad = len({problem.line for problem in found.problems})
        yield f"{count(bad, 'row')} not taken:"
        for problem in found.problems[:_SHOWN]:
            yield plain(f"  {problem}.")
        if len(found.problems) > _SHOWN:
            yield f"  and {len(found.problems) - _SHOWN:,} more: `--dry-run --json` has them all"
    yield _sum(found)


def _line(effect: engine.Effect) -> str:
    """One window: what it was and is, and whom that is about."""
    people = f": {count(effect.people, 'person', 'people')}" if effect.people else ""
    mails = [
        f"{count(number, 'mail')} {word}"
        for number, word in (
            (effect.mails_move, "moves" if effect.mails_move == 1 else "move"),
            (effect.mails_lost, "not sent any more"),
            (effect.mails_held, "held until somebody has found out"),
        )
        if number
    ]
    return f"{effect.change.new.id}  {'; '.join(tell_change(effect.change))}{', '.join([people, *mails])}"


def _sum(found: engine.Import) -> str:
    if not found.effects:
        return "Nothing changes."
    parts = [
        f"{count(len(found.moved), 'window')} moved",
        f"{len(found.new):,} new",
        *([f"{len(found.restated):,} with another source or note"] if found.restated else []),
        f"{count(found.people, 'person', 'people')} affected",
        f"{count(found.mails_move, 'mail')} {'moves' if found.mails_move == 1 else 'move'}",
        f"{found.mails_lost:,} will not be sent any more",
        *([f"{found.mails_held:,} held until somebody has found out"] if found.mails_held else []),
    ]
    return ", ".join(parts) + "."


def _problem(problem: Problem) -> dict[str, object]:
    return {"line": problem.line, "column": problem.column, "value": problem.value, "reason": problem.reason}


def _as_json(found: engine.Import, applied: engine.Applied | None) -> dict[str, Any]:
    def effect(one: engine.Effect) -> dict[str, Any]:
        return {
            "id": one.change.new.id, "changes": tell_change(one.change), "fields": one.change.fields,
            "people": one.people, "mails_move": one.mails_move, "mails_lost": one.mails_lost,
            "mails_held": one.mails_held,
        }  # fmt: skip

    return {
        "file": found.file,
        "rows": found.rows,
        "unchanged": found.unchanged,
        "moved": [effect(one) for one in found.moved],
        "new": [effect(one) for one in found.new],
        "restated": [effect(one) for one in found.restated],
        "kept": [{"id": window, "field": name, "value": value} for window, name, value in found.kept],
        "absent": found.absent,
        "people": found.people,
        "mails_move": found.mails_move,
        "mails_lost": found.mails_lost,
        "mails_held": found.mails_held,
        "problems": [_problem(problem) for problem in found.problems],
        "written": dict(applied.versions) if applied is not None else {},
        "overtaken": list(applied.overtaken) if applied is not None else [],
    }


# -- looking -----------------------------------------------------------------------------------------------------------


def _when(day: object, clock: object) -> str:
    return " ".join(str(part) for part in (day, clock) if part) or say(None)


_COLUMNS = (
    Column("id", "WINDOW"),
    Column("state", "STATE"),
    Column("office", "OFFICE", lambda row: row["office"] or row["office_level"], wraps=True),
    Column("opens_on", "OPENS", lambda row: _when(row["opens_on"], row["opens_time"])),
    Column("closes_on", "CLOSES", lambda row: _when(row["closes_on"], row["closes_time"])),
    Column("zone", "CLOCK"),
    Column("status", "STATUS"),
    Column("confidence", "CONFIDENCE"),
    Column("people", "PEOPLE", right=True),
)


@app.command("list")
def list_(
    state: State = None,
    level: Annotated[
        str | None, typer.Option(metavar="LEVEL", help="Only of this office level: school_board.", show_default=False)
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Also those that have closed.")] = False,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """List the filing windows that are ahead, the nearest closing first."""
    app = current_app()
    rows = engine.list_windows(app.store, state=state, level=level, everything=everything, now=app.now())
    empty = "No filing window is ahead; --all shows what has closed. Import a file: rfs-mail windows import FILE"
    print_list(rows, _COLUMNS, as_json=as_json, as_csv=as_csv, empty=empty)


@app.command()
def show(
    window_id: Annotated[str, typer.Argument(metavar="ID", help="As in `windows list`.", show_default=False)],
    as_json: AsJson = False,
) -> None:
    """Show a filing window: its dates, its source, all that it ever said, and how far people are with it."""
    card = engine.show_window(current_app().store, window_id)
    window = card.window
    if as_json:
        versions = [
            {"version": one.number, "at": one.at, "by": one.by, "file": one.file,
             "changes": tell_change(one.change), "facts": one.window.as_values()}
            for one in card.versions
        ]  # fmt: skip
        print_json(
            {**window.as_values(), "version": card.version, "updated_at": card.updated_at, "people": card.people,
             "candidacies": dict(card.standing), "versions": versions}
        )  # fmt: skip
        return
    typer.echo(window.id)
    names = (
        ("office", " ".join(part for part in (window.jurisdiction, window.office) if part)),
        ("level", f"{window.office_level}, {window.state}"),
        ("division", window.division or ""),
        ("party", window.party_path or ""),
        ("for", window.incumbency or ""),
        ("opens", _when(window.opens_on, window.opens_time) if window.opens_on else "not known"),
        ("closes", _when(window.closes_on, window.closes_time) if window.closes_on else "not known"),
        *window.milestones.items(),
        ("election", window.election_on),
        ("clock", window.zone),
        ("status", window.status),
        ("confidence", window.confidence),
        ("source", window.source),
        ("as of", window.as_of or ""),
        ("notes", window.notes),
        ("version", str(card.version)),
        ("people", f"{card.people:,} want it or are in a campaign about it"),
    )
    print_fields(names, indent=2)
    typer.echo("\nHow far people are")
    if card.standing:
        print_fields(((status, f"{number:,}") for status, number in card.standing.items()), indent=2)
    else:
        typer.echo("  nobody has begun")
    typer.echo("\nWhat it said")
    for one in card.versions:
        typer.echo(plain(f"  v{one.number}  {say_time(one.at)}  {'; '.join(tell_change(one.change))} ({one.file})"))


def _closes(row: Row) -> str:
    zone = str(row["office_zone"]).rpartition("/")[2].replace("_", " ")
    return f"{_when(row['closes_on'], row['closes_time'])} {zone} ({count(row['days_left'], 'day')})"


def _name(row: Row) -> str:
    return " ".join(part for part in (row["given_name"], row["family_name"]) if part) or say(None)


def _last(row: Row) -> str:
    if row["last_at"] is None:
        return say(None)
    words = [row["last_did"], row["last_about"], row["last_said"] if row["last_did"] == "answered" else ""]
    return f"{' '.join(word for word in words if word)}, {say_time(row['last_at'], row['zone'])}"


_CLOSING = (
    Column("closes_on", "CLOSES", _closes),
    Column("window_id", "WINDOW"),
    Column("given_name", "NAME", _name, wraps=True),
    Column("address", "ADDRESS"),
    Column("stage", "STAGE"),
    Column("candidacy", "THERE"),
    Column("county", "COUNTY"),
    Column("last_at", "LAST DID", _last, wraps=True),
)


@app.command()
def closing(
    within: Annotated[str, typer.Option(metavar="14d", help="Windows that close so soon.")] = "14d",
    state: State = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Whom to call: who wants a window that closes soon and has not filed for it."""
    app = current_app()
    try:
        period = parse_duration(within)
    except TimeError as error:
        raise UsageError(f"--within {within}: {error}") from error
    rows = engine.closing(app.store, within=period.nominal, state=state, now=app.now())
    people = len({row["person_id"] for row in rows})
    note = f"{count(people, 'person', 'people')} to call."
    empty = f"Nobody who wants a window that closes within {within} has still to file."
    print_list(rows, _CLOSING, as_json=as_json, as_csv=as_csv, empty=empty, note=note)


# -- official lists ----------------------------------------------------------------------------------------------------

_MATCHES = (
    Column("id", "N"),
    Column("score", "SCORE", right=True),
    Column("name", "ON THE LIST"),
    Column("listed", "AS", wraps=True),
    Column("address", "OURS", lambda row: f"{_name(row)} {row['address']}", wraps=True),
    Column("window_id", "WINDOW"),
    Column("why", "BECAUSE", wraps=True),
)


@app.command()
def match(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE", help="An official list of candidates, CSV.", show_default=False)
    ] = None,
    window: Annotated[
        str | None, typer.Option(metavar="ID", help="The list is about this filing window.", show_default=False)
    ] = None,
    state: Annotated[
        str | None, typer.Option(metavar="WI", help="The state of rows that name none.", show_default=False)
    ] = None,
    accept: Annotated[
        list[int] | None, typer.Option(metavar="N", help="This match is right: she filed. Repeatable.")
    ] = None,
    decline: Annotated[list[int] | None, typer.Option(metavar="N", help="This is somebody else. Repeatable.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Also what was decided.")] = False,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """
    Who of ours is on an official list of candidates? Shows what may be so; only --accept records anybody as filed.

    Without FILE it shows what still waits for a decision.
    """
    app = current_app()
    for said in (
        *(lists.accept(app.store, accept, by=app.whoami, now=app.now()) if accept else ()),
        *(lists.decline(app.store, decline, by=app.whoami, now=app.now()) if decline else ()),
    ):
        typer.echo(plain(f"{said}."), err=as_json or as_csv)
    read = None
    if file is not None:
        read = lists.match_list(app.store, file, window=window, state=state, now=app.now())
        if not as_json and not as_csv:
            _print_list(read)
    if file is not None or not (accept or decline):
        rows = [dict(row._mapping) for row in lists.open_matches(app.store, everything=everything)]
        shown = (*_MATCHES, Column("state", "IS"), Column("decided_by", "BY")) if everything else _MATCHES
        note = "Nobody is recorded as filed before you say so: rfs-mail windows match --accept N, or --decline N."
        print_list(rows, shown, as_json=as_json, as_csv=as_csv, empty="No match waits for a decision.", note=note)
    if read is not None and read.bad:
        raise typer.Exit(1)


def _print_list(read: lists.Matched) -> None:
    typer.echo(
        f"{plain(read.file)}: {count(read.rows, 'row')}, {read.agreeing:,} may be ours ({read.new:,} new to decide), "
        f"{read.gone:,} withdrawn or out"
    )
    for line, why in read.bad[:_SHOWN]:
        typer.echo(plain(f"  line {line}: {why}."))
    if len(read.bad) > _SHOWN:
        typer.echo(f"  and {len(read.bad) - _SHOWN:,} more rows that cannot be read")
