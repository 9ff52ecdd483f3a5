"""
A transport over SMTP: a pool of connections to one relay, kept open and used again.

aiosmtplib opens each connection (greeting, EHLO, STARTTLS, AUTH); then our own `Wire` takes over. Where the relay
offers PIPELINING (RFC 2920), MAIL, RCPT and DATA go out in one write. Every outcome becomes a verdict: what is known
to have happened before the final dot is deferred, and silence after it is uncertain.
"""

import asyncio
import socket
import ssl
from collections import deque
from dataclasses import dataclass
from typing import cast

import aiosmtplib

from rfs_mail.core.headers import is_domain
from rfs_mail.core.verdict import (
    Deferred,
    Phase,
    Scope,
    Uncertain,
    Verdict,
    connection_failed,
    from_reply,
    goes_on,
    relay_refused,
)
from rfs_mail.errors import TransportError
from rfs_mail.transport.base import Envelope, refusal
from rfs_mail.transport.relay import Relay, Tls
from rfs_mail.transport.wire import Wire, WireGoneError, WireSilentError

_RESET = b"RSET\r\n"


@dataclass(frozen=True, slots=True)
class Timeouts:
    """
    Seconds a relay may take in each phase (RFC 5321 section 4.5.3.2; Postfix has the same).

    Sixty seconds at the final dot would make duplicates: the relay takes the mail, and we think it did not.
    """

    connect: float = 30
    command: float = 300
    """The greeting, EHLO, AUTH, MAIL and RCPT."""
    data: float = 120
    body: float = 180
    dot: float = 600
    idle: float = 30
    """How long a connection may lie unused before a new one is better."""


class SmtpTransport:
    """
    Sends over at most `connections` connections, each for at most `messages_per_connection` messages, then a new one.

    Any number of tasks may `send` at once; they wait for a free connection in the order they came.
    """

    def __init__(
        self,
        relay: Relay,
        *,
        connections: int = 20,
        messages_per_connection: int = 1000,
        timeouts: Timeouts | None = None,
    ) -> None:
        self._relay = relay
        self._limit = connections
        self._messages_per_connection = messages_per_connection
        self._timeouts = timeouts if timeouts is not None else Timeouts()
        self._tls_context: ssl.SSLContext | None = None
        self._is_open = False
        self._idle: list[Wire] = []
        self._count = 0
        self._waiting: deque[asyncio.Future[Wire | None]] = deque()
        self._quitting: set[asyncio.Task[None]] = set()
        self._all_back: asyncio.Future[None] | None = None

    @property
    def name(self) -> str:
        """`smtp://host:port`."""
        return self._relay.name

    async def open(self) -> None:
        """Read the certificates to trust. Connections are made when they are needed. Raises TransportError."""
        if self._relay.tls is not Tls.NONE:
            self._tls_context = await asyncio.to_thread(_tls_context, self._relay)
        self._is_open = True

    async def send(self, envelope: Envelope, message: bytes) -> Verdict:
        """Carry one message to one recipient. Cancelled in the middle, it closes that connection."""
        refused = refusal(envelope, message)
        if refused is not None:
            return refused
        if not self._is_open:
            return connection_failed(Phase.CONNECT, "the transport is closed")
        body = _dot_stuffed(message)
        try:
            wire = await self._take()
        except WireGoneError as error:
            return connection_failed(Phase.CONNECT, str(error))
        try:
            if wire is not None:
                verdict = await self._transact(wire, envelope, body)
                if not _was_stale(verdict):
                    return verdict
                wire = None
            opened = await self._connect()
            if not isinstance(opened, Wire):
                return opened
            wire = opened
            return await self._transact(wire, envelope, body)
        except BaseException:
            if wire is not None:
                wire.abort()
            raise
        finally:
            self._give_back(wire)

    async def close(self) -> None:
        """Refuse new messages, let those under way end, then say QUIT on every connection."""
        self._is_open = False
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_exception(WireGoneError("the transport is closed"))
        while self._idle:
            self._give_back(self._idle.pop())
        if self._count:
            if self._all_back is None or self._all_back.done():
                self._all_back = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._all_back)

    # --- the pool ---

    async def _take(self) -> Wire | None:
        """An idle connection, or None for the right to open one; either is to be given back."""
        loop = asyncio.get_running_loop()
        while self._idle:
            wire = self._idle.pop()
            if wire.usable and loop.time() - wire.idle_since < self._timeouts.idle:
                return wire
            self._let_go(wire)
        if self._count < self._limit:
            self._count += 1
            return None
        waiting: asyncio.Future[Wire | None] = loop.create_future()
        self._waiting.append(waiting)
        try:
            return await waiting
        except asyncio.CancelledError:
            if waiting.done() and not waiting.cancelled() and waiting.exception() is None:
                self._give_back(waiting.result())
            raise

    def _give_back(self, wire: Wire | None) -> None:
        """Pass a connection, or the right to open one, to whoever waits longest."""
        if wire is not None and (not self._is_open or not wire.usable or wire.sent >= self._messages_per_connection):
            self._let_go(wire)
            return
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_result(wire)
                return
        if wire is not None:
            wire.idle_since = asyncio.get_running_loop().time()
            self._idle.append(wire)
            return
        self._count -= 1
        if not self._count and self._all_back is not None and not self._all_back.done():
            self._all_back.set_result(None)

    def _let_go(self, wire: Wire) -> None:
        """Close a connection; its place is free when it is closed, so that the relay never sees more than agreed."""
        if not wire.usable:
            wire.abort()
            self._give_back(None)
            return
        task = asyncio.ensure_future(self._quit(wire))
        self._quitting.add(task)
        task.add_done_callback(self._quitting.discard)

    async def _quit(self, wire: Wire) -> None:
        await wire.quit()
        self._give_back(None)

    # --- one message ---

    async def _transact(self, wire: Wire, envelope: Envelope, body: bytes) -> Verdict:
        """MAIL, RCPT, DATA, the message and its dot. Leaves the connection ready for the next, or closed."""
        phase = Phase.MAIL
        written = False
        wire.sent += 1
        try:
            failed: Verdict | None = None
            steps = _steps(wire, envelope, len(body))
            if wire.pipelining:
                wire.write(b"".join([command for _, command in steps]), len(steps))
            for phase, command in steps:
                if not wire.pipelining:
                    wire.write(command, 1)
                code, text = await wire.reply(self._timeouts.data if phase is Phase.DATA else self._timeouts.command)
                if failed is None:
                    if goes_on(phase, code):
                        continue
                    if command == _RESET:
                        wire.abort()
                        return connection_failed(phase, f"answered RSET with {code} {text}")
                    failed = from_reply(phase, code, text)
                    if _ends_connection(failed):
                        wire.abort()
                        return failed
                elif phase is Phase.DATA and code == 354:
                    await self._send_nothing(wire)
                if not wire.pipelining:
                    break
            if failed is not None:
                wire.needs_reset = True
                return failed
            wire.needs_reset = False
            phase = Phase.DOT
            wire.write(body, 1)
            written = True
            if wire.paused:
                await wire.drained(self._timeouts.body)
            dot_is_out = not wire.paused
            code, text = await wire.reply(self._timeouts.dot)
            verdict = from_reply(phase, code, text)
            if not dot_is_out:
                # The relay answered before the end of the message: it cannot have taken it.
                wire.abort()
                if not 400 <= code < 600:
                    return connection_failed(phase, f"answered in the middle of the message: {code} {text}")
            elif isinstance(verdict, Uncertain) or _ends_connection(verdict):
                wire.abort()
            return verdict
        except (WireGoneError, WireSilentError) as error:
            may_have_arrived = written and not wire.paused  # asked now: the dot may have left while the error came
            wire.abort()
            return Uncertain(str(error)) if may_have_arrived else connection_failed(phase, str(error))

    async def _send_nothing(self, wire: Wire) -> None:
        """A relay that takes DATA although it refused the recipient gets a dot and nothing else (RFC 2920)."""
        wire.write(b".\r\n", 1)
        await wire.reply(self._timeouts.dot)

    # --- opening ---

    async def _connect(self) -> Wire | Verdict:
        """A new connection, ready for MAIL, or why there is none."""
        relay, seconds = self._relay, self._timeouts
        phase = Phase.CONNECT
        client: aiosmtplib.SMTP | None = None
        try:
            async with asyncio.timeout(seconds.connect):
                sock = await _connected_socket(relay.host, relay.port)
            client = aiosmtplib.SMTP(
                hostname=relay.host,
                sock=sock,
                local_hostname=relay.helo or _own_name(sock),
                timeout=seconds.command,
                use_tls=relay.tls is Tls.TLS,
                start_tls=False,
                tls_context=self._tls_context,
            )
            await client.connect()
            phase = Phase.EHLO
            await _greet(client)
            if relay.tls is Tls.STARTTLS:
                phase = Phase.STARTTLS
                await client.starttls(server_hostname=relay.host)
                phase = Phase.EHLO
                await _greet(client)
            if relay.username:
                phase = Phase.AUTH
                await client.login(relay.username, relay.password)
            transport = client.transport
            if transport is None or not client.is_connected:
                return connection_failed(phase, "the relay closed the connection")
            return Wire(
                cast(asyncio.Transport, transport),
                pipelining=client.supports_extension("pipelining"),
                size=client.supports_extension("size"),
            )
        except (aiosmtplib.SMTPException, OSError, TimeoutError) as error:
            if client is not None:
                client.close()
            return self._open_failed(phase, error)
        except BaseException:
            if client is not None:
                client.close()
            raise

    def _open_failed(self, phase: Phase, error: Exception) -> Verdict:
        if isinstance(error, aiosmtplib.SMTPResponseException):
            text = error.message
            if self._relay.password:
                text = text.replace(self._relay.password, "***")
            if not goes_on(phase, error.code):
                return from_reply(phase, error.code, text)
            return connection_failed(phase, f"{error.code} {text}")
        cause = error if isinstance(error, ssl.SSLError) else error.__cause__
        if isinstance(cause, ssl.SSLCertVerificationError):
            return relay_refused(phase, f"its certificate is not to be trusted: {cause.verify_message}")
        if isinstance(error, aiosmtplib.SMTPServerDisconnected | aiosmtplib.SMTPConnectError | OSError):
            return connection_failed(phase, str(error) or "no answer in time")
        return relay_refused(phase, str(error))


def _steps(wire: Wire, envelope: Envelope, size: int) -> list[tuple[Phase, bytes]]:
    announced = f" SIZE={size}" if wire.size else ""
    steps = [
        (Phase.MAIL, f"MAIL FROM:<{envelope.mail_from}>{announced}\r\n".encode("ascii")),
        (Phase.RCPT, f"RCPT TO:<{envelope.rcpt_to}>\r\n".encode("ascii")),
        (Phase.DATA, b"DATA\r\n"),
    ]
    if wire.needs_reset:
        steps.insert(0, (Phase.MAIL, _RESET))
    return steps


def _dot_stuffed(message: bytes) -> bytes:
    """The message as it goes over the wire, with its final dot (RFC 5321 section 4.5.2); its lines end in CRLF."""
    stuffed = message.replace(b"\r\n.", b"\r\n..")
    return (b"." if stuffed[:1] == b"." else b"") + stuffed + b".\r\n"


def _ends_connection(verdict: Verdict) -> bool:
    return isinstance(verdict, Deferred) and verdict.scope is Scope.CONNECTION


def _was_stale(verdict: Verdict) -> bool:
    """Whether a connection turned out to be over when we came back to it: nothing was handed in."""
    return isinstance(verdict, Deferred) and verdict.scope is Scope.CONNECTION and verdict.phase is Phase.MAIL


async def _greet(client: aiosmtplib.SMTP) -> None:
    """EHLO; HELO for a relay that does not know it (RFC 5321 section 3.2)."""
    try:
        await client.ehlo()
    except aiosmtplib.SMTPHeloError as error:
        if error.code not in (500, 502, 504) or not client.is_connected:
            raise
        await client.helo()


async def _connected_socket(host: str, port: int) -> socket.socket:
    loop = asyncio.get_running_loop()
    last: OSError | None = None
    for family, kind, protocol, _, address in await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            await loop.sock_connect(sock, address)
        except OSError as error:
            sock.close()
            last = error
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise last if last is not None else OSError(f"{host} has no address")


def _own_name(sock: socket.socket) -> str:
    """What we call ourselves in EHLO: a full host name, or else the address literal (RFC 5321 section 4.1.4)."""
    name = socket.gethostname()
    if "." in name and is_domain(name):
        return name
    address = sock.getsockname()[0]
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"


def _tls_context(relay: Relay) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=relay.ca)
    except OSError as error:
        raise TransportError(
            f"The file of certificates of {relay.name}, {relay.ca}, cannot be read. Mend its ca option."
        ) from error
    if not relay.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
