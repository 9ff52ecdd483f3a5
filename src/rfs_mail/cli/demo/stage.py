"""Setting the stage: the folder, the server, the pages; then the story, the check and the screen."""

import asyncio
import csv
import fcntl
import json
import shutil
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TextIO

import typer

from rfs_mail import clock as machine_clock
from rfs_mail.app import App, open_app
from rfs_mail.campaign_files.load import load_project
from rfs_mail.cli.demo.browser import Browser
from rfs_mail.cli.demo.check import Books, compare, lost
from rfs_mail.cli.demo.check_windows import COUNTDOWN, WindowBooks, compare_windows, count_repeats
from rfs_mail.cli.demo.deadline import Moved, read_filed, what_stood
from rfs_mail.cli.demo.inbox import with_inbox
from rfs_mail.cli.demo.maillog import MailLog, header_of, html_of, parse, text_of
from rfs_mail.cli.demo.mailserver import MAILBOXES, ServerProcess
from rfs_mail.cli.demo.pages import Pages, listen
from rfs_mail.cli.demo.people import FULL, MARIA, QUICK, Size, Someone, make_people
from rfs_mail.cli.demo.screen import Accident, Deadline, Outcome, WindowFigures, lines
from rfs_mail.cli.demo.story import Clock, Story, Told, read_receipts
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

CONNECTIONS = 8
"""To the relay: few, because what they hold is what a crash can leave uncertain."""

PATIENCE = timedelta(seconds=60)
"""How long a page waits for the database: nobody sits before it, and a busy machine is no reason to put anybody off."""


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for."""

    folder: Path
    serve: bool
    quick: bool
    keep: bool
    port: int | None
    """None: 2525, or any that is free where that is taken."""
    web_port: int


async def perform(options: Options) -> Outcome:
    """The demo from end to end. Raises UsageError where the folder is not ours or the port is taken."""
    return await (_show_again(options) if options.keep else _tell(options))


async def _tell(options: Options) -> Outcome:
    began = machine_clock.monotonic()
    size = QUICK if options.quick else FULL
    folder = options.folder
    with _cleared(folder):
        _write_mailboxes(folder, make_people(size))
        with listen(options.web_port) as listening, ServerProcess.running(folder / "server", options.port) as server:
            base_url = f"http://127.0.0.1:{listening.getsockname()[1]}"
            make_folder(folder, examples=True)
            _settle(folder / FILE_NAME, base_url, server.port)
            clock = Clock(APPLIED_AT)
            app = open_app(folder, environ={}, civil_clock=clock)
            try:
                apply(app.store, load_project(app.settings), now=clock.now, by="demo")
                log = MailLog(folder / "server")
                async with _pages(app, listening, log) as browser:
                    told = await _play(app, clock, size, folder, log, browser)
                    facts = _facts(told, server.port, listening.getsockname()[1])
                    _save_mails(folder / "mail", log)
                    outcome = _judge(app, folder, log, facts)
                    facts["seconds"] = machine_clock.monotonic() - began
                    _save(folder / TOLD, facts)
                    outcome = replace(outcome, seconds=facts["seconds"])
                    _print(outcome)
                    if options.serve:
                        await _serve(base_url)
                return outcome
            finally:
                app.close()


async def _play(app: App, clock: Clock, size: Size, folder: Path, log: MailLog, browser: Browser) -> Told:
    try:
        return await Story(app, clock, size, folder, log=log, browser=browser, say=_progress).play()
    finally:
        _progress("")


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
        outcome = _judge(app, folder, log, told)
        _print(outcome)
        if options.serve:
            # The links of the mails name this port, so no other will do.
            with listen(told["web_port"], or_any=False) as listening:
                async with _pages(app, listening, log):
                    await _serve(app.settings.base_url)
        return outcome
    finally:
        app.close()


# -- the folder --------------------------------------------------------------------------------------------------------


@contextmanager
def _cleared(folder: Path) -> Iterator[None]:
    """
    An empty folder with our mark, ours alone meanwhile. One without the mark is somebody else's, and stays as it is.

    Raises UsageError.
    """
    marker = folder / MARKER
    if folder.is_symlink() or (folder.exists() and not marker.exists()):
        raise UsageError(f"{folder} was not made by the demo, so it is left alone. Move it away, or use -C DIR.")
    if folder.exists():
        with marker.open() as held:
            _lock(held, folder)
            shutil.rmtree(folder)
    for name in ("server", "signups", "windows", "mail"):
        (folder / name).mkdir(parents=True)
    with marker.open("w", encoding="utf-8") as held:
        held.write("`rfs-mail demo` wipes this folder and makes it anew.\n")
        held.flush()
        _lock(held, folder)
        yield


def _lock(file: TextIO, folder: Path) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise UsageError(f"A demo is running in {folder}. End it first, or use -C DIR.") from error


def _write_mailboxes(folder: Path, people: Sequence[Someone]) -> None:
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


def _facts(told: Told, port: int, web_port: int) -> dict[str, Any]:
    """What the screen needs besides the two books, as it is kept for `--keep`."""
    crash = {"at": told.crash.at.isoformat(), "killed": told.crash.killed} if told.crash is not None else None
    return {
        "start": told.start.isoformat(), "end": told.end.isoformat(), "port": port, "web_port": web_port,
        "seconds": 0.0, "crash": crash, "uncertain": told.uncertain, "oddities": told.oddities, "ticks": told.ticks,
        "requests": told.requests, "windows": told.windows, "ahead": told.ahead,
        "moved": told.moved.as_values() if told.moved is not None else None,
    }  # fmt: skip


def _save_mails(folder: Path, log: MailLog) -> None:
    """Maria's mails as pages, to be opened in a browser."""
    for received in log.all:
        if received.recipient == MARIA:
            html = html_of(parse(log.message(received)))
            (folder / f"maria-{received.step.replace('_', '-')}.html").write_text(html, encoding="utf-8")


# -- pages -------------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def _pages(app: App, listening: socket.socket, log: MailLog) -> AsyncIterator[Browser]:
    """The pages, answering meanwhile, and a browser to visit them with."""
    from rfs_mail.web import create_web

    pages = Pages(with_inbox(create_web(app, patience=PATIENCE), log), listening)
    await pages.start()
    browser = Browser(*listening.getsockname())
    try:
        yield browser
    finally:
        browser.close()
        await pages.stop()


async def _serve(base_url: str) -> None:
    """Until Ctrl-C or SIGTERM."""
    typer.echo(f"The pages are up. All mails: {base_url}/demo/inbox   (Ctrl-C ends it)")
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await stop.wait()


# -- judging and showing -----------------------------------------------------------------------------------------------


def _judge(app: App, folder: Path, log: MailLog, told: Mapping[str, Any]) -> Outcome:
    """Compare the books, and gather what the screen says."""
    end = datetime.fromisoformat(told["end"])
    books = Books(
        log.all, audit.recorded(app.store), log.refused(), audit.departures(app.store), read_receipts(folder),
        audit.send_rules(app.store), app.caps,
    )  # fmt: skip
    moved = Moved.of_values(told["moved"]) if told["moved"] is not None else None
    stood = what_stood(folder, datetime.fromisoformat(told["start"]), moved)
    about_windows = WindowBooks(stood, _texts(log), moved, read_filed(folder))
    findings = [*compare(books), *compare_windows(books, about_windows)]
    figures = audit.figures(app.store, now=end)
    deadline = Deadline(moved, count_repeats(books)) if moved is not None else None
    accident = None
    if told["crash"] is not None:
        accident = Accident(
            datetime.fromisoformat(told["crash"]["at"]), told["crash"]["killed"], lost(books, figures.stuck),
            len(findings[1].against), told["uncertain"],
        )  # fmt: skip
    command = _command()
    best = ("maria-moved.html", "maria-offices.html", "maria-hello.html")
    shown = next((one for one in best if (folder / "mail" / one).exists()), None)
    return Outcome(
        datetime.fromisoformat(told["start"]), end, told["port"], told["seconds"], folder, figures,
        _gather_rejected(folder, figures.rejected_files),
        WindowFigures(told["windows"], len(told["ahead"]), audit.count_wanting(app.store, told["ahead"])), deadline,
        accident, findings, told["oddities"],
        str(folder / "mail" / shown) if shown else None, command,
        "make demo ARGS=--serve" if Path("Makefile").exists() else f"{command} demo --serve",
    )  # fmt: skip


def _texts(log: MailLog) -> dict[int, str]:
    """What the mails about deadlines say, subject and text, by the number of the message."""
    texts = {}
    for one in log.all:
        if one.campaign in COUNTDOWN:
            message = parse(log.message(one))
            texts[one.number] = f"{header_of(message, 'Subject')}\n{text_of(message)}"
    return texts


def _gather_rejected(folder: Path, files: tuple[str, ...]) -> str | None:
    """One file of all rejected rows, each under the name of the file it came in; None where there are none."""
    found = [Path(file) for file in files]
    if not found:
        return None
    target = folder / "rejected.csv"
    with target.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["file", "line", "field", "reason", "value"])
        for path in found:
            with path.open(encoding="utf-8", newline="") as rows:
                _, *rejected = csv.reader(rows)
                writer.writerows([path.name.partition(".rejected")[0], *row[:4]] for row in rejected)
    return str(target)


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
