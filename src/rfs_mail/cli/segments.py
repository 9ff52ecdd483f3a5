"""`rfs-mail segments`: named groups of people, and how many they are."""

from dataclasses import asdict
from typing import Annotated

import typer

from rfs_mail.cli.context import current_app
from rfs_mail.cli.output import AsCsv, AsJson, Column, count, plain, print_json, print_list
from rfs_mail.engine import roster

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Named groups of people, and how many they are.")

_COLUMNS = (
    Column("name", "SEGMENT"),
    Column("people", "PEOPLE", right=True),
    Column("where", "WHERE", wraps=True),
)


@app.command("list")
def list_(as_json: AsJson = False, as_csv: AsCsv = False) -> None:
    """Every segment of the live release, with how many people are in it now."""
    app = current_app()
    rows = [asdict(segment) for segment in roster.list_segments(app.store, now=app.now())]
    print_list(
        rows, _COLUMNS, as_json=as_json, as_csv=as_csv, empty="No segments. Write them in campaigns/segments.yaml."
    )


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="As in `segments list`.", show_default=False)], as_json: AsJson = False
) -> None:
    """What a segment says, and how many people are in it now."""
    app = current_app()
    segment = roster.find_segment(app.store, name, now=app.now())
    if as_json:
        print_json(segment)
        return
    typer.echo(f"{segment.name}: {count(segment.people or 0, 'person', 'people')}")
    typer.echo(f"  {plain(segment.where)}")
    typer.echo(f"`people list --segment {segment.name}` shows who.")


@app.command("count")
def count_(
    expression: Annotated[
        str, typer.Argument(help='Such as: state == "WI" and stage >= "exploring"', show_default=False)
    ],
    as_json: AsJson = False,
) -> None:
    """How many people a condition holds for."""
    app = current_app()
    people = roster.count_people(app.store, expression, now=app.now())
    if as_json:
        print_json({"expression": expression, "people": people})
    else:
        typer.echo(count(people, "person", "people"))
