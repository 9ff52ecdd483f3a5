"""
What sending is held against: clients that only send, the same finished bytes again and again.

`pipelined` is the least a Python program can do: MAIL, RCPT, DATA of the next mail go out with the end of the one
before (RFC 2920). `plain` is aiosmtplib as most programs use it. `smtp_source` is Postfix's own, in C.
"""

import asyncio
import subprocess
import time
from collections.abc import Coroutine
from typing import Any, cast

import aiosmtplib

from benchmarks.processes import which

CONNECTIONS = 20
SENDER, RECIPIENT = "bounce@bounces.rfs.example.org", "person@example.org"


def pipelined(port: int, message: bytes, count: int) -> float:
    """Mails a second of a bare pipelined client."""
    return _rate(_pipelined(port, message, count), count)


def plain(port: int, message: bytes, count: int) -> float:
    """Mails a second of aiosmtplib's `sendmail`, a loop on each connection."""
    return _rate(_plain(port, message, count), count)


def smtp_source(port: int, size: int, count: int) -> float | None:
    """Mails a second of Postfix's `smtp-source`; None where it is not installed."""
    binary = which("smtp-source")
    if binary is None:
        return None
    command = [binary, "-d", "-s", str(CONNECTIONS), "-m", str(count), "-l", str(size), f"127.0.0.1:{port}"]
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=120)
    return count / (time.perf_counter() - began)


def _rate(work: Coroutine[Any, Any, None], count: int) -> float:
    began = time.perf_counter()
    run(work)
    return count / (time.perf_counter() - began)


def run(work: Coroutine[Any, Any, Any]) -> Any:
    """Run on uvloop, as the product does, where there is one."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(work)
    return uvloop.run(work)


class _Client(asyncio.Protocol):
    """One connection that has `left` mails to send."""

    def __init__(self, message: bytes, left: int) -> None:
        self._opening = f"MAIL FROM:<{SENDER}>\r\nRCPT TO:<{RECIPIENT}>\r\nDATA\r\n".encode()
        self._body = message + b".\r\n"
        self._left = left
        self._waiting = 2  # the greeting and EHLO
        self._greeted = False
        self._rest = b""
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(b"EHLO bench.example.org\r\n")

    def data_received(self, data: bytes) -> None:
        lines = (self._rest + data).split(b"\r\n")
        self._rest = lines.pop()
        for line in lines:
            if line[3:4] == b"-":
                continue
            if not self._greeted:
                self._waiting -= 1
                if self._waiting == 0:
                    self._greeted = True
                    self._transport.write(self._opening)
            elif line.startswith(b"354"):
                self._left -= 1
                self._transport.write(self._body + (self._opening if self._left else b"QUIT\r\n"))
            elif line.startswith(b"221"):
                self._transport.close()
            elif not line.startswith(b"250"):
                self.done.set_exception(RuntimeError(f"the sink said {line!r}"))

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_result(None)


async def _pipelined(port: int, message: bytes, count: int) -> None:
    loop = asyncio.get_running_loop()
    clients = [_Client(message, share) for share in _shares(count)]
    for client in clients:
        await loop.create_connection(lambda client=client: client, "127.0.0.1", port)  # type: ignore[misc]
    await asyncio.gather(*(client.done for client in clients))


async def _plain(port: int, message: bytes, count: int) -> None:
    async def one(share: int) -> None:
        async with aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False) as client:
            for _ in range(share):
                await client.sendmail(SENDER, [RECIPIENT], message)

    await asyncio.gather(*(one(share) for share in _shares(count)))


def _shares(count: int) -> list[int]:
    each, left = divmod(count, CONNECTIONS)
    return [share for number in range(CONNECTIONS) if (share := each + (number < left))]
