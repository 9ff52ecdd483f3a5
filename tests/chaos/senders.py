"""
The processes of the product in a run: the sender, which is `rfs-mail run`, and the web pages.

Two seams, both set in the child before anything runs: the civil clock is the shared one (`clock.now`, the only reader
of the time), and machine times are short, so that a lease lapses in seconds and a locked database is felt.
"""

import asyncio
import multiprocessing
import os
import signal
import socket
import threading
import time
from dataclasses import dataclass
from datetime import timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from tests.chaos.civil import CivilClock

BUSY = 1
"""Seconds a writer waits for the database; 30 in the product."""

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(
    [
        "tests.chaos.senders",
        "tests.chaos.mutants",
        "rfs_mail.cli.run",
        "rfs_mail.web",
        "rfs_mail.store.schema",
        "uvloop",
    ]
)


@dataclass(frozen=True)
class Child:
    """A process that we started. `number` is its name at the relay."""

    process: BaseProcess
    number: int

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self.process.pid is not None
        return self.process.pid

    @property
    def lives(self) -> bool:
        """Has it not ended?"""
        return self.process.is_alive()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, where it still lives."""
        if self.lives:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill -9, and wait until it is gone."""
        self.signal(signal.SIGKILL)
        self.process.join()


def start_sender(folder: Path, number: int, *, lease: float, mutant: str = "") -> Child:
    """
    `rfs-mail run --no-web` in a process that can be killed. It comes of a clean process, quickly.

    `lease`: seconds that a batch belongs to its holder without a sign of life; 60 in the product.
    """
    return _start(_send, folder, number, lease, mutant)


def start_web(folder: Path, mutant: str = "") -> tuple[Child, int]:
    """The recipients' pages in a process of their own; its port."""
    listening = socket.create_server(("127.0.0.1", 0))
    child = _start(_serve_pages, folder, 0, listening, mutant)
    port: int = listening.getsockname()[1]
    listening.close()
    return child, port


def _start(target: Any, folder: Path, number: int, *more: Any) -> Child:
    process = _CONTEXT.Process(target=target, args=(folder, *more), daemon=True)
    process.start()
    return Child(process, number)


def _send(folder: Path, lease: float, mutant: str) -> None:
    from rfs_mail import scheduler
    from rfs_mail.app import open_app
    from rfs_mail.cli import run
    from rfs_mail.engine import deliver
    from rfs_mail.store import outbox

    civil = _set_up(folder, "sender.log", mutant)
    for module in (outbox, deliver):
        _replace(module, "LEASE", timedelta(seconds=lease))
    _replace(deliver, "RENEW_EVERY", lease / 4)
    scheduler.PACE["rescue"] = lease / 10
    app = open_app(folder, environ={}, civil_clock=civil.now)
    run.set_up()
    with app.store.sole_sender():
        run._loop_run(run._main(app, None))
    app.close()


def _serve_pages(folder: Path, listening: socket.socket, mutant: str) -> None:
    import uvicorn

    from rfs_mail.app import open_app
    from rfs_mail.web import create_web

    civil = _set_up(folder, "web.log", mutant)
    app = open_app(folder, environ={}, civil_clock=civil.now)
    web = create_web(app, patience=timedelta(seconds=2))
    server = uvicorn.Server(uvicorn.Config(web, log_config=None, access_log=False, lifespan="off"))
    asyncio.run(server.serve(sockets=[listening]))


def _set_up(folder: Path, log: str, mutant: str) -> CivilClock:
    """The seams, the mutant, a file for what is said, and an end with whoever started us."""
    from rfs_mail import clock
    from rfs_mail.store import database
    from tests.chaos.mutants import MUTANTS

    said = os.open(folder.parent / log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.dup2(said, 1)
    os.dup2(said, 2)
    civil = CivilClock(folder.parent / "civil")
    _replace(clock, "now", civil.now)
    _replace(database, "BUSY_SECONDS", BUSY)
    if mutant:
        MUTANTS[mutant]()
    parent = os.getppid()

    def end_with_parent() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()
    return civil


def _replace(module: Any, name: str, value: Any) -> None:
    assert hasattr(module, name), f"{module.__name__} has no {name} any more; the seam has to follow"
    setattr(module, name, value)
