"""Processes that live beside a test: an SMTP server with its own log, senders that may be killed at any moment."""

import json
import multiprocessing
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from multiprocessing.process import BaseProcess
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from rfs_mail.app import open_app
from rfs_mail.cli.tick import run_tick
from tests.chaos.mutants import MUTANTS
from tests.project_samples import ROOT

PATIENCE = 30.0
"""Seconds after which a test that waits gives up; on an idle machine it waits for hundredths of one."""


@dataclass(frozen=True)
class Relay:
    """An SMTP server of its own process."""

    port: int
    log: Path

    @property
    def url(self) -> str:
        """What the settings say."""
        return f"smtp://127.0.0.1:{self.port}?tls=none"

    def taken(self) -> list[dict[str, Any]]:
        """What it accepted, in order. A line that is being written is left out."""
        text = self.log.read_text(encoding="utf-8") if self.log.exists() else ""
        return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]

    def copies(self) -> Counter[str]:
        """Address -> how many messages it got."""
        return Counter(message["rcpt_to"][0] for message in self.taken())

    def wait_for(self, count: int) -> None:
        """Wait until it has accepted so many."""
        wait_until(lambda: len(self.taken()) >= count)


@contextmanager
def smtp_process(folder: Path, script: dict[str, dict[str, str]] | None = None) -> Iterator[Relay]:
    """An SMTP server in a process of its own, from `with` to the end of the block."""
    log = folder / "smtp.log"
    command = [sys.executable, "-m", "tests.transport.smtp_server", "--port", "0", "--log", str(log)]
    if script:
        command += ["--script", json.dumps(script)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield Relay(int(server.stdout.readline()), log)
        finally:
            server.terminate()


def wait_until(condition: Any) -> None:
    """Look again and again; raises TimeoutError where it never comes true."""
    ends = monotonic() + PATIENCE
    while not condition():
        if monotonic() > ends:
            raise TimeoutError("it did not come true in time")
        sleep(0.002)


# -- senders -----------------------------------------------------------------------------------------------------------

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["tests.acceptance.processes", "rfs_mail.store.schema", "sqlite3", "uvloop"])


def start_tick(folder: Path, now: datetime, mutant: str = "") -> BaseProcess:
    """What `rfs-mail tick --at NOW` does, in a process that can be killed. It comes of a clean process, quickly."""
    process = _CONTEXT.Process(target=_tick, args=(folder, now, mutant))
    process.start()
    return process


def kill(process: BaseProcess) -> None:
    """Kill -9, and wait until the process is gone."""
    if process.pid is not None and process.is_alive():
        os.kill(process.pid, signal.SIGKILL)
    process.join()


def _tick(folder: Path, now: datetime, mutant: str) -> None:
    app = open_app(folder, environ={})
    if mutant:
        MUTANTS[mutant]()
    try:
        with app.store.sole_sender():
            run_tick(app, now)
    finally:
        app.close()
