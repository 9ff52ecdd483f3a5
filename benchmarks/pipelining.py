"""
What commands that go out early (RFC 2920) gain over a relay that is not next door: mails a second and connection.

Our transport sends to sinks in this very process that are 20 and 80 ms away: what comes in is read half a round trip
late, and what is answered leaves half a round trip late. The three manners of `transport/wire.py` run side by side for
the same seconds; all that they do is wait, so they do not take time from each other.
"""

import asyncio
import itertools
from collections import deque
from collections.abc import Callable
from typing import cast

from benchmarks.peers import RECIPIENT, SENDER, run
from benchmarks.report import machine
from benchmarks.sink import Sink
from rfs_mail.core.verdict import Accepted
from rfs_mail.transport.base import Envelope
from rfs_mail.transport.relay import Relay, Tls
from rfs_mail.transport.smtp import SmtpTransport
from rfs_mail.transport.wire import Manners, Overlap

ROUND_TRIPS = (0.020, 0.080)
CONNECTIONS = 4
WINDOW = 2
"""Mails on their way, a connection: what the product has by default."""
MESSAGE = b"Subject: x\r\n\r\n" + (b"y" * 70 + b"\r\n") * 52


def _lock_step(manners: Manners) -> None:
    manners.in_step = True


def _groups(manners: Manners) -> None:
    manners.overlap = Overlap.TRYING  # by nobody: so all wait for what comes of it


def _overlapped(manners: Manners) -> None:
    """As it is by itself."""


MANNERS: tuple[tuple[str, Callable[[Manners], None]], ...] = (
    ("lock-step", _lock_step),
    ("in groups", _groups),
    ("overlapped", _overlapped),
)


def show(seconds: float) -> None:
    """Measure for so many seconds and print a table."""
    rates = run(_measure(seconds))
    print(f"{machine()}; {CONNECTIONS} connections each, {WINDOW} mails a connection on their way, {seconds:g} s\n")
    print("| round trip | " + " | ".join(f"{name}, mails/s and connection | ratio" for name, _ in MANNERS) + " |")
    print("|---|" + "---:|---:|" * len(MANNERS))
    for round_trip in ROUND_TRIPS:
        slowest = rates[round_trip, MANNERS[0][0]]
        cells = [f"{rates[round_trip, name]:.1f} | {rates[round_trip, name] / slowest:.2f}" for name, _ in MANNERS]
        print(f"| {round_trip * 1000:.0f} ms | " + " | ".join(cells) + " |")


async def _measure(seconds: float) -> dict[tuple[float, str], float]:
    cases = list(itertools.product(ROUND_TRIPS, MANNERS))
    rates = await asyncio.gather(*(_rate(round_trip, change, seconds) for round_trip, (_, change) in cases))
    return {(round_trip, name): rate for (round_trip, (name, _)), rate in zip(cases, rates, strict=True)}


async def _rate(round_trip: float, change: Callable[[Manners], None], seconds: float) -> float:
    """Mails a second and connection, from the second second of a warm pool on."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Far(round_trip / 2), "127.0.0.1", 0)
    transport = SmtpTransport(Relay("127.0.0.1", server.sockets[0].getsockname()[1], Tls.NONE), connections=CONNECTIONS)
    change(transport.manners)
    await transport.open()
    counted_from = loop.time() + 1
    end = counted_from + seconds

    async def sender() -> int:
        count = 0
        while (now := loop.time()) < end:
            verdict = await transport.send(Envelope(SENDER, RECIPIENT), MESSAGE)
            if not isinstance(verdict, Accepted):
                raise RuntimeError(f"the sink said {verdict}")
            count += now >= counted_from
        return count

    counts = await asyncio.gather(*(sender() for _ in range(CONNECTIONS * WINDOW)))
    await transport.close()
    server.close()
    return sum(counts) / seconds / CONNECTIONS


class _Far(Sink):
    """A sink at the end of a long line. `delay`: seconds one way."""

    def __init__(self, delay: float) -> None:
        self._delay = delay
        self._coming: deque[bytes] = deque()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(cast(asyncio.BaseTransport, _Line(cast(asyncio.Transport, transport), self._delay)))

    def data_received(self, data: bytes) -> None:
        self._coming.append(data)  # a queue, because timers of the same moment may ring in any order
        asyncio.get_running_loop().call_later(self._delay, self._arrived)

    def _arrived(self) -> None:
        super().data_received(self._coming.popleft())


class _Line:
    """What is written leaves later, in order; so does the end."""

    def __init__(self, transport: asyncio.Transport, delay: float) -> None:
        self._transport = transport
        self._delay = delay
        self._going: deque[bytes] = deque()

    def write(self, data: bytes) -> None:
        self._going.append(data)
        asyncio.get_running_loop().call_later(self._delay, lambda: self._transport.write(self._going.popleft()))

    def close(self) -> None:
        asyncio.get_running_loop().call_later(self._delay + 0.002, self._transport.close)
