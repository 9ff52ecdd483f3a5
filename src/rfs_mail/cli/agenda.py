"""`rfs-mail agenda`: what goes out, hour by hour."""

from dataclasses import asdict
from typing import Annotated

import typer

from rfs_mail.cli.context import current_app
from rfs_mail.cli.output import AsCsv, AsJson, Column, Row, count, print_list, say_time
from rfs_mail.core.local_time import find_zone
from rfs_mail.engine.agenda import agenda as look_ahead
from rfs_mail.errors import TimeError, UsageError


def agenda(
    days: Annotated[int, typer.Option(min=1, max=365, help="So many days ahead.")] = 1,
    zone: Annotated[str, typer.Option(help="Whose clock the hours are on.")] = "UTC",
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Show hour by hour which mails go to how many people. Only the next step of each person has a time yet."""
    try:
        find_zone(zone)
    except TimeError as error:
        raise UsageError(str(error)) from error
    app = current_app()
    with app.store.read() as connection:
        slots = look_ahead(connection, days=days, now=app.now())
    columns = (
        Column("hour", "HOUR", lambda row: say_time(row["hour"], zone)),
        Column("campaign", "CAMPAIGN"),
        Column("step", "STEP"),
        *([Column("windows", "WINDOW", _windows)] if any(slot.windows for slot in slots) else []),
        Column("people", "PEOPLE", right=True),
        Column("paused", "", lambda row: "paused: waits" if row["paused"] else ""),
    )
    total = sum(slot.people for slot in slots if not slot.paused)
    span = "the next day" if days == 1 else f"the next {days} days"
    print_list(
        [asdict(slot) for slot in slots],
        columns,
        as_json=as_json,
        as_csv=as_csv,
        empty=f"Nothing is planned for {span}.",
        note=f"{count(total, 'mail')} in {span}.",
    )


def _windows(row: Row) -> str:
    """The filing window that the mail is about, or the state and how many of its windows."""
    windows = row["windows"]
    if len(windows) > 1:
        return f"{row['state']}, {len(windows)} windows"
    return windows[0] if windows else ""
