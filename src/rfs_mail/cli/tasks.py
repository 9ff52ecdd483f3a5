"""`rfs-mail tasks`: what campaigns ask of staff."""

from typing import Annotated

import typer

from rfs_mail.cli.context import current_app
from rfs_mail.cli.output import AsCsv, AsJson, Column, Row, count, print_list, say, say_time
from rfs_mail.engine import errands

app = typer.Typer(no_args_is_help=True, add_completion=False, help="What campaigns ask of staff.")

Ids = Annotated[list[int], typer.Argument(metavar="ID..", help="As in `tasks list`.", show_default=False)]
Note = Annotated[str | None, typer.Option(metavar="TEXT", help="What came of it.", show_default=False)]


def _name(row: Row) -> str:
    return " ".join(part for part in (row["given_name"], row["family_name"]) if part) or say(None)


@app.command("list")
def list_(
    for_: Annotated[str | None, typer.Option("--for", help="Only those for this group.", show_default=False)] = None,
    closed: Annotated[bool, typer.Option("--all", help="Also what is done or dropped.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = 500,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """List open tasks, the nearest due first."""
    app = current_app()
    now = app.now()
    found = errands.list_tasks(app.store, state=None if closed else "open", for_=for_, limit=limit)
    rows = [{**row._mapping, "overdue": row.state == "open" and bool(row.due_at and row.due_at < now)} for row in found]
    columns = (
        Column("id", "ID"),
        Column("due_at", "DUE", lambda row: say_time(row["due_at"]) + (" overdue" if row["overdue"] else "")),
        Column("for", "FOR"),
        Column("title", "TASK", wraps=True),
        Column("name", "NAME", _name),
        Column("address", "ADDRESS"),
        Column("place", "STATE"),
        *((Column("state", "IS"), Column("closed_by", "BY")) if closed else ()),
    )
    note = f"{count(sum(row['overdue'] for row in rows), 'task')} overdue." if any(r["overdue"] for r in rows) else ""
    print_list(rows, columns, as_json=as_json, as_csv=as_csv, empty="No open tasks.", note=note)


@app.command()
def done(ids: Ids, note: Note = None) -> None:
    """Say that tasks are done."""
    _close(ids, "done", note)


@app.command()
def drop(ids: Ids, note: Note = None) -> None:
    """Say that tasks need not be done."""
    _close(ids, "dropped", note)


def _close(ids: list[int], state: str, note: str | None) -> None:
    app = current_app()
    closed = errands.close_tasks(app.store, ids, state=state, by=app.whoami, note=note, now=app.now())
    typer.echo(f"{count(len(closed), 'task')} {state}.")
