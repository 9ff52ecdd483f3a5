"""Other processes of a measurement: started by us, ended by us, one by one."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class Sink:
    """A process that takes mail and throws it away."""

    name: str
    port: int


@contextmanager
def sink() -> Iterator[Sink]:
    """`smtp-sink` of Postfix where it is installed, else our own; ends with the block."""
    binary = which("smtp-sink")
    if binary is not None:
        with _postfix_sink(binary) as found:
            yield found
        return
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.sink"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    try:
        yield Sink("benchmarks.sink", int(cast(IO[str], process.stdout).readline()))
    finally:
        end(process)


@contextmanager
def _postfix_sink(binary: str) -> Iterator[Sink]:
    port = _free_port()
    user = ["-u", "nobody"] if os.geteuid() == 0 else []
    process = subprocess.Popen([binary, *user, f"127.0.0.1:{port}", "200"], stdout=subprocess.DEVNULL)
    try:
        _wait_for(port, process)
        yield Sink("smtp-sink", port)
    finally:
        end(process)


def child(module: str, *arguments: str) -> dict[str, Any]:
    """Run `python -m benchmarks.MODULE` to its end; it prints one line of JSON. Raises RuntimeError where it fails."""
    process = subprocess.Popen(
        [sys.executable, "-m", f"benchmarks.{module}", *arguments], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    try:
        said, _ = process.communicate()
    finally:
        end(process)
    if process.returncode != 0:
        raise RuntimeError(f"benchmarks.{module} ended with {process.returncode}")
    found: dict[str, Any] = json.loads(said.splitlines()[-1])
    return found


@contextmanager
def beside(module: str, *commands: Sequence[str]) -> Iterator[list["subprocess.Popen[str]"]]:
    """Processes that work beside us for as long as the block lasts. Each prints a line once it is under way."""
    running: list[subprocess.Popen[str]] = []
    try:
        for arguments in commands:
            command = [sys.executable, "-m", f"benchmarks.{module}", *arguments]
            pipe = subprocess.PIPE
            process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=ROOT)
            running.append(process)  # one by one: what has begun is ended, whatever comes
        for process in running:
            if not cast(IO[str], process.stdout).readline():
                raise RuntimeError(f"benchmarks.{module} ended before it began")
        yield running
    finally:
        for process in running:
            end(process)


def end(process: "subprocess.Popen[str] | subprocess.Popen[bytes]", patience: float = 10.0) -> None:
    """End one process of ours: its standard input closes, then SIGTERM, then SIGKILL."""
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.close()
    for stop in (process.terminate, process.kill):
        if process.poll() is None:
            if stop is process.kill or process.stdin is None:
                stop()
            try:
                process.wait(patience)
            except subprocess.TimeoutExpired:
                stop()
    process.wait()
    if process.stdout is not None:
        process.stdout.close()


def which(name: str) -> str | None:
    """A program of the system; Postfix keeps its own in places that are not on every PATH."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/libexec/postfix:/usr/lib/postfix/sbin")


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def _wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    for _ in range(100):
        if process.poll() is not None:
            raise RuntimeError(f"smtp-sink ended with {process.returncode}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.05)
    raise RuntimeError("smtp-sink does not answer")
