"""
`rfs-mail demo`: the whole product on sample people, with real SMTP and real HTTP, in virtual time.

    people.py      who they are, and the files they come in    mailserver.py     the receiving server, its own process
    behaviour.py   what they do with a mail                    maillog.py        reading that server's log
    life.py        what happens to them besides                crash.py          killing a sender in mid-send
    browser.py     what they do it with                        check.py          holding the two books together
    deadline.py    the deadline that moves                     check_windows.py  holding mails against deadlines
    story.py       the two months                              screen.py         the one screen
"""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from rfs_mail.cli.context import current_folder


def demo(
    serve: Annotated[
        bool, typer.Option("--serve", help="Keep the pages up afterwards, with an inbox to look at the mails.")
    ] = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="500 people and three weeks instead of 5,000 and two months.")
    ] = False,
    keep: Annotated[
        bool, typer.Option("--keep", help="Do not tell it again: check and show what the last run left in .demo.")
    ] = False,
    port: Annotated[
        int | None,
        typer.Option("--port", min=0, max=65535, show_default="2525", help="Of the SMTP server; 0 is any free one."),
    ] = None,
    web_port: Annotated[
        int, typer.Option("--web-port", min=0, max=65535, help="Of the pages; any free one where it is taken.")
    ] = 8025,
) -> None:
    """
    Tell two months with 5,000 synthetic people: imports, mail, clicks, unsubscribes, a deadline that moves, a crash.

    Everything is in the folder .demo afterwards. Exit code 1 where the store and the receiving server disagree.
    """
    from rfs_mail.cli.demo.stage import Options, perform

    folder = current_folder() / ".demo"
    outcome = asyncio.run(perform(Options(_shown(folder), serve, quick, keep, port, web_port)))
    if not outcome.holds:
        raise typer.Exit(1)


def _shown(folder: Path) -> Path:
    """As short as it can be written from here."""
    try:
        return folder.relative_to(Path.cwd())
    except ValueError:
        return folder
