"""One SMTP connection after its opening: commands out, replies in, in the order of the commands."""

import asyncio
from collections import deque

from rfs_mail.errors import TransportError

_LINE_LIMIT = 8_192
_LINES_LIMIT = 256
"""Octets of a line and lines of a reply; a relay that says more is broken (RFC 5321 section 4.5.3.1.5 allows 512)."""

_FAREWELL_SECONDS = 5.0
"""How long a relay may take to answer QUIT."""


class WireGoneError(TransportError):
    """The connection is closed, or what came over it is not SMTP."""


class WireSilentError(TransportError):
    """The relay did not answer in time."""


class Wire(asyncio.Protocol):
    """
    Takes over an open connection, speaks for one task at a time.

    `paused` is True while bytes that were written are still here: when it is False, everything went to the system
    (under TLS, to the layer that encrypts), and may have arrived. `pipelining` and `size` are what EHLO offered.
    """

    def __init__(self, transport: asyncio.Transport, *, pipelining: bool, size: bool) -> None:
        self.pipelining = pipelining
        self.size = size
        self.paused = False
        self.needs_reset = False
        self.sent = 0
        self.idle_since = 0.0
        self._loop = asyncio.get_running_loop()
        self._transport = transport
        self._buffer = b""
        self._text: list[bytes] = []
        self._replies: deque[tuple[int, str]] = deque()
        self._expected = 0
        self._gone = ""
        self._quitting = False
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._deadline = 0.0
        self.closed: asyncio.Future[None] = self._loop.create_future()
        transport.set_protocol(self)
        # Told of the first octet that stays behind. Not 0: asyncio's TLS would then call an empty buffer full.
        transport.set_write_buffer_limits(high=1, low=0)
        if transport.is_closing():
            self.connection_lost(None)

    @property
    def usable(self) -> bool:
        """Whether it can carry another message."""
        return not self._gone and not self._quitting and self._expected == 0 and not self._transport.is_closing()

    @property
    def has_reply(self) -> bool:
        """Whether a reply is here already."""
        return bool(self._replies)

    def write(self, data: bytes, replies: int) -> None:
        """Send bytes that so many replies will answer. Raises WireGoneError where nothing can be sent any more."""
        if self._gone:
            raise WireGoneError(self._gone)
        self._expected += replies
        self._transport.write(data)

    async def reply(self, seconds: float) -> tuple[int, str]:
        """The next reply: its code, and its text with a blank between lines. Raises WireGoneError, WireSilentError."""
        while not self._replies:
            await self._wait(seconds)
        self._expected -= 1
        return self._replies.popleft()

    async def drained(self, seconds: float) -> None:
        """Wait until everything written has left, or a reply came before. Raises WireGoneError, WireSilentError."""
        while self.paused and not self._replies:
            await self._wait(seconds)

    def abort(self) -> None:
        """Close at once; what was not sent yet is never sent."""
        self._lose("closed by us")
        self._transport.abort()

    async def quit(self) -> None:
        """Say QUIT and wait, for a few seconds, until the connection is closed."""
        self.begin_quit()
        await asyncio.shield(self.closed)

    def begin_quit(self) -> None:
        """Say QUIT, and close when the relay answers or takes too long. For a connection between two messages."""
        if self._quitting or self._gone:
            return
        self._quitting = True
        self._transport.write(b"QUIT\r\n")
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(_FAREWELL_SECONDS, self._transport.abort)

    # --- called by the event loop ---

    def data_received(self, data: bytes) -> None:
        """Cut what came into replies (RFC 5321 section 4.2.1)."""
        if self._quitting:
            self._transport.close()
            return
        lines = (self._buffer + data).split(b"\n")
        self._buffer = lines.pop()
        for line in lines:
            if not line[:3].isdigit() or line[3:4] not in (b" ", b"-", b"\r", b""):
                self._break("what came is not SMTP")
                return
            self._text.append(line[4:].rstrip(b"\r"))
            if line[3:4] == b"-":
                continue
            text = b" ".join(self._text) if len(self._text) > 1 else self._text[0]
            self._text.clear()
            self._replies.append((int(line[:3]), text.decode("utf-8", "replace")))
        if len(self._buffer) > _LINE_LIMIT or len(self._text) > _LINES_LIMIT:
            self._break("the reply has no end")
        elif len(self._replies) > self._expected:
            self._break("the relay spoke unasked")
        elif self._replies:
            self._wake()

    def eof_received(self) -> bool:
        """The relay closes; so do we."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is over."""
        self._lose(f"the connection broke: {exc}" if exc is not None else "the relay closed the connection")
        if self._timer is not None:
            self._timer.cancel()
        if not self.closed.done():
            self.closed.set_result(None)

    def pause_writing(self) -> None:
        """Some of what was written waits here."""
        self.paused = True

    def resume_writing(self) -> None:
        """Everything has left."""
        self.paused = False
        self._wake()

    # --- waiting ---

    async def _wait(self, seconds: float) -> None:
        """Until something happens. One timer a connection, moved only when it would ring too late."""
        if self._gone:
            raise WireGoneError(self._gone)
        self._deadline = self._loop.time() + seconds
        if self._timer is None or self._timer.when() > self._deadline:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_at(self._deadline, self._ring)
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _ring(self) -> None:
        self._timer = None
        if self._waiter is None or self._waiter.done():
            return
        if self._loop.time() < self._deadline:
            self._timer = self._loop.call_at(self._deadline, self._ring)
            return
        self._waiter.set_exception(WireSilentError("the relay did not answer in time"))

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _break(self, why: str) -> None:
        self._replies.clear()
        self._lose(why)
        self._transport.abort()

    def _lose(self, why: str) -> None:
        if self._gone:
            return
        self._gone = why
        if self._waiter is not None and not self._waiter.done():
            if self._replies:
                self._waiter.set_result(None)
            else:
                self._waiter.set_exception(WireGoneError(why))
