"""
Others at the database: `python -m benchmarks.crowd enroll FOLDER` or `... import FOLDER`.

Works without a pause of its own until its standard input closes, and prints how much it did.
"""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from benchmarks import folders
from benchmarks.importing import import_file, write_file
from rfs_mail import clock
from rfs_mail.app import App, open_app
from rfs_mail.engine.enroll import enroll

ROWS = 100_000
"""Rows of one file; the next one is about other people."""


class _OverError(Exception):
    """The measurement is over."""


def main(what: str, folder: Path) -> None:
    """Work until the other side closes our standard input."""
    app = open_app(folder, environ={})
    over = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: over.set())
    threading.Thread(target=_until_closed, args=(over,), daemon=True).start()
    work: dict[str, Callable[[App, Path, threading.Event], int]] = {"enroll": _enroll, "import": _import}
    try:
        print(f"{what}ed {work[what](app, folder, over):,}", flush=True)
    finally:
        app.close()


def _until_closed(over: threading.Event) -> None:
    sys.stdin.read()
    over.set()


def _enroll(app: App, folder: Path, over: threading.Event) -> int:
    """Walk over everybody, once for each date of the calendar."""
    chunks = 0

    def pause() -> None:
        nonlocal chunks
        chunks += 1
        if chunks == 1:
            print("enrolling", flush=True)
        if over.is_set():
            raise _OverError
        clock.breathe()

    with contextlib.suppress(_OverError):
        enroll(app.store, now=folders.NOW, pause=pause)
    return chunks


def _import(app: App, folder: Path, over: threading.Event) -> int:
    """File after file."""
    rows, number = 0, 0
    file = folder / f"crowd-{os.getpid()}.csv"
    while not over.is_set():
        write_file(file, ROWS, first=10_000_000 + number * ROWS)
        if number == 0:
            print("importing", flush=True)
        number += 1
        # A file is a second or two; what is under way when the measurement ends comes to its end.
        rows += import_file(app, file, source=f"crowd-{number}").rows
    return rows


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
