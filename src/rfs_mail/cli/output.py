"""
One way to print: a table on a terminal, aligned text elsewhere, JSON and CSV for programs.

JSON and CSV carry every value as it is, instants in UTC; tables carry what a person wants to read. Values of people are
written as they stand, without control characters: a name cannot move the cursor of whoever reads it.
"""

import csv
import json
import sys
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from datetime import date, datetime
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from rfs_mail.core.local_time import find_zone
from rfs_mail.errors import UsageError

Row = Mapping[str, Any]

AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]
AsCsv = Annotated[bool, typer.Option("--csv", help="As CSV.")]

UNKNOWN = "-"
"""What stands for a value that is not there."""


@dataclass(frozen=True, slots=True)
class Column:
    """
    A column of a table: the row's key, its title, and how its cell reads where that is not simply the value.

    `right` is for amounts, which get commas for thousands; ids do not. `wraps`: the text of this column may take
    several lines on a narrow terminal.
    """

    key: str
    title: str
    text: Callable[[Row], str] | None = None
    right: bool = False
    wraps: bool = False

    def cell(self, row: Row) -> str:
        """What stands in the table."""
        if self.text is not None:
            return plain(self.text(row))
        value = row[self.key]
        return f"{value:,}" if self.right and isinstance(value, int) else plain(say(value))


# -- lists -------------------------------------------------------------------------------------------------------------


def print_list(
    rows: Sequence[Row],
    columns: Sequence[Column],
    *,
    as_json: bool = False,
    as_csv: bool = False,
    empty: str = "Nothing to show.",
    note: str = "",
) -> None:
    """
    Print rows. JSON is one array, CSV has every key of the rows; a table has the columns alone.

    `empty` is said in place of a table without rows, `note` below one with rows. Raises UsageError where both formats
    are asked for.
    """
    if as_json and as_csv:
        raise UsageError("--json and --csv exclude each other.")
    if as_json:
        print_json(rows)
    elif as_csv:
        print_csv(rows, columns)
    elif not rows:
        typer.echo(empty)
    else:
        print_table([[column.cell(row) for column in columns] for row in rows], columns)
        if note:
            typer.echo(f"\n{note}")


def print_table(cells: Sequence[Sequence[str]], columns: Sequence[Column]) -> None:
    """Print cells that are text already: a table on a terminal, aligned text elsewhere."""
    if sys.stdout.isatty():
        _print_rich(cells, columns)
    else:
        _print_aligned(cells, columns)


def print_fields(fields: Iterable[tuple[str, str]], *, indent: int = 0) -> None:
    """Print `label  value` lines with the values below each other; empty values are left out."""
    shown = [(label, plain(value)) for label, value in fields if value]
    width = max((len(label) for label, _ in shown), default=0)
    for label, value in shown:
        typer.echo(f"{'':{indent}}{label:<{width}}  {value}")


def print_json(value: object) -> None:
    """Print one JSON document."""
    typer.echo(json.dumps(_json(value), ensure_ascii=False, indent=2))


def print_json_line(value: object) -> None:
    """Print one JSON document on one line, for what comes little by little."""
    typer.echo(json.dumps(_json(value), ensure_ascii=False))


def _json(value: object) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return _json(asdict(value))
    if isinstance(value, Mapping):
        return {str(_json(key)): _json(each) for key, each in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        each = list(value)
        return [_json(one) for one in (sorted(each) if isinstance(value, set | frozenset) else each)]
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Path):
        return str(value)
    return value


def print_csv(rows: Iterable[Row], columns: Sequence[Column]) -> None:
    """Print rows as CSV while they come; every row has the keys of the first, those of the columns in their order."""
    keys = [column.key for column in columns]
    writer = csv.writer(sys.stdout, lineterminator="\n")
    names: list[str] = []
    for row in rows:
        if not names:
            names = [*(key for key in keys if key in row), *(name for name in row if name not in keys)]
            writer.writerow(names)
        writer.writerow([_csv_cell(row.get(name)) for name in names])
    if not names:
        writer.writerow(keys)


def _csv_cell(value: object) -> object:
    """
    A value for a spreadsheet. Text that a spreadsheet would run as a formula gets an apostrophe before it (OWASP, CSV
    injection): names come from forms that anybody fills in.
    """
    value = _json(value)
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r"):
        return f"'{value}"
    return value


def _print_rich(cells: Sequence[Sequence[str]], columns: Sequence[Column]) -> None:
    """A table as wide as the terminal; where it cannot be made to fit, lines run over rather than lose a letter."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    needed = 0
    for place, column in enumerate(columns):
        width = max(width_of(column.title), *(width_of(row[place]) for row in cells))
        least = min(width, _NARROWEST) if column.wraps else width
        needed += least + 3
        justify: Literal["left", "right"] = "right" if column.right else "left"
        table.add_column(column.title, justify=justify, overflow="fold", no_wrap=not column.wraps, min_width=least)
    for row in cells:
        table.add_row(*(Text(cell) for cell in row))
    console.width = max(console.width, needed)
    console.print(table)


_NARROWEST = 16
"""Columns of a terminal that a wrapping column keeps."""


def _print_aligned(cells: Sequence[Sequence[str]], columns: Sequence[Column]) -> None:
    lines = [[column.title for column in columns], *cells]
    widths = [max(width_of(line[place]) for line in lines) for place in range(len(columns))]
    for line in lines:
        pieces = []
        for cell, width, column in zip(line, widths, columns, strict=True):
            gap = " " * (width - width_of(cell))
            pieces.append(gap + cell if column.right else cell + gap)
        typer.echo("  ".join(pieces).rstrip())


# -- values in words ---------------------------------------------------------------------------------------------------


def say(value: object) -> str:
    """A value as a cell: `-` for none, yes and no, instants in UTC."""
    match value:
        case None | "":
            return UNKNOWN
        case bool():
            return "yes" if value else "no"
        case datetime():
            return say_time(value)
        case Enum():
            return str(value.value)
        case list() | tuple() | set() | frozenset():
            return ", ".join(map(say, value)) or UNKNOWN
        case _:
            return str(value)


def say_time(instant: datetime | None, zone: str = "UTC") -> str:
    """`2026-11-23 10:00 EST`: on the clock of that zone, which is always named. `-` for none."""
    if instant is None:
        return UNKNOWN
    local = instant.astimezone(find_zone(zone))
    name = local.strftime("%Z")
    return f"{local:%Y-%m-%d %H:%M} {'UTC' + name if name[:1] in '+-' else name}"


def plain(text: str) -> str:
    """Text on one line and without control characters, invisible direction marks among them."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        " " if char in "\n\r\t" else char
        for char in text
        if char in "\n\r\t" or unicodedata.category(char) not in ("Cc", "Cf", "Cs", "Zl", "Zp")
    )


def width_of(text: str) -> int:
    """How many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )


def count(number: int, noun: str, plural: str = "") -> str:
    """`1 person`, `1,200 people`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
