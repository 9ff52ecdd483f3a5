"""Setting the stage: the folder, the server, the pages; then the story, the check and the screen."""

import asyncio
import json
import shutil
import signal
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer

from rfs_mail import clock as machine_clock
from rfs_mail.app import App, open_app
from rfs_mail.campaign_files.load import load_project
from rfs_mail.cli.demo.browser import Browser
from rfs_mail.cli.demo.check import Books, compare, lost
from rfs_mail.cli.demo.inbox import with_inbox
from rfs_mail.cli.demo.maillog import MailLog, html_of, parse
from rfs_mail.cli.demo.mailserver import MAILBOXES, ServerProcess
from rfs_mail.cli.demo.pages import Pages, listen
from rfs_mail.cli.demo.people import FULL, MARIA, QUICK, make_people
from rfs_mail.cli.demo.screen import Accident, Outcome, lines
from rfs_mail.cli.demo.story import Clock, Story, read_receipts
from rfs_mail.cli.init import make_folder
from rfs_mail.engine import audit
from rfs_mail.engine.apply import apply
from rfs_mail.errors import UsageError
from rfs_mail.settings import FILE_NAME

MARKER = "made-by-rfs-mail-demo"
"""A file that says a folder is ours to wipe."""

TOLD = "told.json"
APPLIED_AT = datetime(2026, 11, 2, 12, tzinfo=UTC)
"""The campaigns were made live a week before the story begins."""

CONNECTIONS = 20
"""To the relay: few, because what they hold is what a crash can leave uncertain."""


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for."""

    folder: Path
    serve: bool
    quick: bool
    keep: bool
    port: int
    web_port: int


async def perform(options: Options) -> Outcome:
    """The demo from end to end. Raises UsageError where the folder is not ours or the port is taken."""
    return await (_show_again(options) if options.keep else _perform(options))


async def _perform(options: Options) -> Outcome:
    began = machine_clock.monotonic()
    size = QUICK if options.quick else FULL
    folder = options.folder
    _clear(folder)
    _write_mailboxes(folder, make_people(size))
    listening = listen(options.web_port)
    server = ServerProcess(folder / "server", options.port)
    clock = Clock(APPLIED_AT)
    app: App | None = None
    try:
        base_url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        make_folder(folder, examples=True)
        _settle(folder / FILE_NAME, base_url, server.port)
        app = open_app(folder, environ={}, civil_clock=clock)
        apply(app.store, load_project(app.settings), now=clock.now, by="demo")
        log = MailLog(folder / "server")
        pages, browser = await _open_pages(app, listening, log)
        story = Story(app, clock, size, folder, log=log, browser=browser, say=_progress)
        told = await story.play()
        browser.close()
        _progress("")
        _save(folder / TOLD, {
            "start": told.start.isoformat(), "end": told.end.isoformat(), "port": server.port,
            "seconds": machine_clock.monotonic() - began, "web_port": listening.getsockname()[1],
            "crash": None if told.crash is None else {"at": told.crash.at.isoformat(), "killed": told.crash.killed},
            "uncertain": told.uncertain, "odd_answers": told.odd_answers, "ticks": told.ticks,
            "requests": told.requests,
        })  # fmt: skip
        _save_mails(folder / "mail", log)
        outcome = _judge(app, folder, log)
        _print(outcome)
        if options.serve:
            await _serve(base_url)
        await pages.stop()
        return outcome
    finally:
        server.stop()
        listening.close()
        if app is not None:
            app.close()


async def _show_again(options: Options) -> Outcome:
    """Check and show what the last run left."""
    folder = options.folder
    if not (folder / TOLD).exists():
        raise UsageError(f"There is no finished run in {folder}. Run `rfs-mail demo` without --keep first.")
    told = json.loads((folder / TOLD).read_text(encoding="utf-8"))
    app = open_app(folder, environ={}, civil_clock=Clock(datetime.fromisoformat(told["end"])))
    log = MailLog(folder / "server")
    log.news()
    try:
        outcome = _judge(app, folder, log)
        _print(outcome)
        if options.serve:
            listening = listen(told["web_port"])
            try:
                pages, browser = await _open_pages(app, listening, log)
                browser.close()
                await _serve(f"http://127.0.0.1:{listening.getsockname()[1]}")
                await pages.stop()
            finally:
                listening.close()
        return outcome
    finally:
        app.close()


# -- the folder --------------------------------------------------------------------------------------------------------


def _clear(folder: Path) -> None:
    """An empty folder with our mark. One without it is somebody else's, and stays as it is."""
    if folder.exists():
        if not (folder / MARKER).exists():
            raise UsageError(f"{folder} was not made by the demo, so it is left alone. Move it away, or use -C DIR.")
        shutil.rmtree(folder)
    (folder / "server").mkdir(parents=True)
    (folder / "signups").mkdir()
    (folder / "mail").mkdir()
    (folder / MARKER).write_text("`rfs-mail demo` wipes this folder and makes it anew.\n", encoding="utf-8")


def _write_mailboxes(folder: Path, people: list[Any]) -> None:
    boxes = {
        "dead": sorted(one.address.casefold() for one in people if one.dead),
        "slow": sorted(one.address.casefold() for one in people if one.slow),
    }
    _save(folder / "server" / MAILBOXES, boxes)


def _settle(settings: Path, base_url: str, port: int) -> None:
    """Lead the working folder's links to our pages and its mail to our server."""
    text = settings.read_text(encoding="utf-8")
    text = "\n".join(f'base_url = "{base_url}"' if line.startswith("base_url") else line for line in text.split("\n"))
    relay = f'\n[[relay]]\nurl = "smtp://127.0.0.1:{port}"\nconnections = {CONNECTIONS}\n'
    settings.write_text(text + relay, encoding="utf-8")


def _save(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def _save_mails(folder: Path, log: MailLog) -> None:
    """Maria's mails as pages, to be opened in a browser."""
    for received in log.all:
        if received.recipient == MARIA:
            html = html_of(parse(log.message(received)))
            (folder / f"maria-{received.step.replace('_', '-')}.html").write_text(html, encoding="utf-8")


# -- pages -------------------------------------------------------------------------------------------------------------


async def _open_pages(app: App, listening: Any, log: MailLog) -> tuple[Pages, Browser]:
    from rfs_mail.web import create_web

    host, port = listening.getsockname()
    pages = Pages(with_inbox(create_web(app), log), listening)
    await pages.start()
    return pages, Browser(host, port)


async def _serve(base_url: str) -> None:
    """Until Ctrl-C or SIGTERM."""
    typer.echo(f"The pages are up. All mails: {base_url}/demo/inbox   (Ctrl-C ends it)")
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await stop.wait()


# -- judging and showing -----------------------------------------------------------------------------------------------


def _judge(app: App, folder: Path, log: MailLog) -> Outcome:
    told = json.loads((folder / TOLD).read_text(encoding="utf-8"))
    end = datetime.fromisoformat(told["end"])
    books = Books(
        log.all, audit.recorded(app.store), log.refused(), audit.departures(app.store), read_receipts(folder),
        audit.send_rules(app.store), app.caps,
    )  # fmt: skip
    findings = compare(books)
    figures = audit.figures(app.store, now=end)
    accident = None
    if told["crash"] is not None:
        accident = Accident(
            datetime.fromisoformat(told["crash"]["at"]), told["crash"]["killed"], lost(books, figures.stuck),
            len(findings[1].against), told["uncertain"],
        )  # fmt: skip
    shown = next((one for one in ("maria-offices.html", "maria-hello.html") if (folder / "mail" / one).exists()), None)
    return Outcome(
        datetime.fromisoformat(told["start"]), end, told["port"], told["seconds"], folder, figures,
        _gather_rejected(folder, figures.rejected_files), accident, findings, told["odd_answers"],
        str(folder / "mail" / shown) if shown else None, _command(),
    )  # fmt: skip


def _gather_rejected(folder: Path, files: tuple[str, ...]) -> str | None:
    """One file of all rejected rows, each under the name of the file it came in; None where there are none."""
    found = [Path(file) for file in files]
    if not found:
        return None
    target = folder / "rejected.csv"
    with target.open("w", encoding="utf-8", newline="") as out:
        out.write("file,line,field,reason,value\r\n")
        for path in found:
            for row in _rows(path):
                _write_row(out, [path.name.partition(".rejected")[0], *row[:4]])
    return str(target)


def _rows(path: Path) -> list[list[str]]:
    import csv

    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))[1:]


def _write_row(out: Any, row: list[str]) -> None:
    import csv

    csv.writer(out).writerow(row)


def _command() -> str:
    """How this very program is called."""
    program = Path(sys.argv[0])
    if program.name != "rfs-mail":
        return f"{Path(sys.executable).name} -m rfs_mail"
    try:
        return str(program.absolute().relative_to(Path.cwd()))
    except ValueError:
        return "rfs-mail"


def _progress(said: str) -> None:
    """One line that is written over, for whoever watches a terminal."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[K{said}")
        sys.stderr.flush()


def _print(outcome: Outcome) -> None:
    for line in lines(outcome):
        typer.echo(line)
