"""`rfs-mail suppressions`: addresses that must not be mailed."""

from pathlib import Path
from typing import Annotated

import typer

from rfs_mail.cli.context import current_app
from rfs_mail.cli.output import AsCsv, AsJson, Column, Row, count, plain, print_json, print_list
from rfs_mail.engine import blocklist

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Addresses that must not be mailed, why, and since when."
)

Address = Annotated[str, typer.Argument(metavar="ADDRESS", show_default=False)]


def _cut(text: str) -> str:
    return text if len(text) <= 60 else text[:59] + "…"


def _scope(row: Row) -> str:
    scope = "everything" if row["scope"] == "all" else f"{row['scope']} {row['scope_id']}"
    kept = row["except_topics"].strip("|").replace("|", ", ")
    return f"{scope}, except {kept}" if kept else scope


_COLUMNS = (
    Column("address", "ADDRESS", lambda row: row["address"] or "(nobody here)"),
    Column("reason", "BECAUSE", lambda row: row["reason"].replace("_", " ")),
    Column("scope", "OF", _scope, wraps=True),
    Column("at", "SINCE"),
    Column("source", "BY", wraps=True),
    Column("note", "NOTE", lambda row: row["note"] or "", wraps=True),
)


@app.command("list")
def list_(
    address: Annotated[str | None, typer.Argument(help="Only this address.", show_default=False)] = None,
    reason: Annotated[
        str | None, typer.Option(help=f"Only these: {', '.join(blocklist.REASONS)}.", show_default=False)
    ] = None,
    lifted: Annotated[bool, typer.Option("--lifted", help="Also those that were lifted.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 200,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """List suppressions, the newest first. Only hashes are kept, so an address is shown where its person is known."""
    app = current_app()
    found = blocklist.search(
        app.store, address=address, reason=reason, lifted=lifted, limit=limit, key=app.suppression_key
    )
    rows = [{name: value for name, value in row._mapping.items() if name != "address_hash"} for row in found]
    columns = (*_COLUMNS, Column("lifted_at", "LIFTED"), Column("lifted_because", "WHY")) if lifted else _COLUMNS
    print_list(rows, columns, as_json=as_json, as_csv=as_csv, empty="No suppressions.")


@app.command()
def add(
    address: Address,
    because: Annotated[str | None, typer.Option(metavar="TEXT", help="Why.", show_default=False)] = None,
) -> None:
    """Never mail an address again, whoever speaks. It need not be anybody's here."""
    app = current_app()
    new, known = blocklist.add(
        app.store, address, because=because, by=app.whoami, key=app.suppression_key, now=app.now()
    )
    whose = "" if known else " Nobody here has it; an import will not change that."
    typer.echo(f"{address} is suppressed.{whose}" if new else f"{address} was suppressed by staff already.")


@app.command()
def remove(
    address: Address,
    because: Annotated[str, typer.Option(metavar="TEXT", help="Why; it is kept.", show_default=False)],
) -> None:
    """Lift a suppression: a bounce, a list, staff's own word. Never a complaint or an unsubscribe."""
    app = current_app()
    lifted = blocklist.remove(app.store, address, because=because, key=app.suppression_key, now=app.now())
    if lifted.number:
        typer.echo(f"{address}: {count(lifted.number, 'suppression')} lifted.")
    for reason, why in lifted.staying:
        typer.echo(f"{address} stays suppressed ({reason}): {why}.", err=True)
    if lifted.staying:
        raise typer.Exit(1)


@app.command("import")
def import_(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="One address a line, or a CSV file with a column of them.")
    ],
    as_json: AsJson = False,
) -> None:
    """Suppress every address of a file. Doing it again changes nothing. Exit code 1 where lines were rejected."""
    app = current_app()
    done = blocklist.import_list(app.store, file, key=app.suppression_key, now=app.now())
    if as_json:
        print_json(done)
    else:
        rows = count(done.rows, "address", "addresses")
        typer.echo(f"{done.new:,} new + {done.known:,} known + {done.rejected:,} rejected = {rows}")
        if done.skipped:
            typer.echo(f"{count(done.skipped, 'mail')} that waited will not go.")
        for line, text, why in done.first:
            typer.echo(f"  line {line}: {_cut(plain(text)) or '(blank)'}: {why}")
        if done.rejected > len(done.first):
            typer.echo(f"  and {done.rejected - len(done.first):,} more")
    if done.rejected:
        raise typer.Exit(1)
