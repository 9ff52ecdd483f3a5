"""`rfs-mail db`: the schema of the database."""

import json
from typing import Annotated

import typer

from rfs_mail.cli.context import current_app
from rfs_mail.errors import StoreError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="The schema of the database: what it is, and bringing it up to date.",
)


@app.command()
def upgrade() -> None:
    """Bring the database to this version of rfs-mail. Makes it where there is none; doing it again changes nothing."""
    store = current_app(open_schema=False).store
    before, needed = store.schema_state()
    store.upgrade()
    done = "nothing to do" if before == needed else f"was {before or 'empty'}"
    typer.echo(f"{_place()}: schema {needed} ({done}).")


@app.command()
def status(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Does the database fit this version of rfs-mail? Exit code 1 where it does not. Changes nothing."""
    store = current_app(open_schema=False).store
    found, needed = store.schema_state()
    try:
        store.check_schema()
        problem = None
    except StoreError as error:
        problem = str(error)
    if as_json:
        typer.echo(json.dumps({"database": _place(), "schema": found, "needed": needed, "problem": problem}))
    else:
        typer.echo(problem or f"{_place()}: schema {found}, as this program needs.")
    if problem:
        raise typer.Exit(1)


def _place() -> str:
    """Where the database is, without its password."""
    store = current_app(open_schema=False).store
    return str(store.path) if store.path is not None else store.url.render_as_string(hide_password=True)
