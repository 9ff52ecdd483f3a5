"""
A transport over SMTP: a pool of connections to one relay, kept open and used again.

aiosmtplib opens each connection (greeting, EHLO, STARTTLS, AUTH); then our own `Wire` takes over. Messages wait in one
queue, in the order they came, and a connection takes the next when it can begin it: when it has nothing to do, or,
where the relay offers PIPELINING (RFC 2920) and bears it, when the final dot of the one before has left. Every outcome
becomes a verdict: what is known to have happened before the final dot is deferred, and silence after it is uncertain.
"""

import asyncio
import socket
import ssl
from collections import deque
from collections.abc import Coroutine
from typing import cast

import aiosmtplib

from rfs_mail.core.verdict import Phase, Verdict, connection_failed, from_reply, goes_on, relay_refused
from rfs_mail.errors import TransportError
from rfs_mail.transport.base import Envelope, refusal
from rfs_mail.transport.relay import Relay, Tls, own_name
from rfs_mail.transport.wire import Mail, Manners, Timeouts, Wire


class SmtpTransport:
    """
    Sends over at most `connections` connections, each for at most `messages_per_connection` messages, then a new one.

    Any number of tasks may `send` at once. A message goes over an idle connection, else over a new one, else behind
    another; it waits where none of these is to be had.
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
        self.manners = Manners(relay.name)
        """What was learnt of the relay so far; all connections share it."""
        self._tls_context: ssl.SSLContext | None = None
        self._is_open = False
        self._wires: set[Wire] = set()
        self._idle: list[Wire] = []
        self._count = 0
        """Places taken: connections, and those that are being opened or closed."""
        self._waiting: deque[Mail] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._opening: dict[asyncio.Task[None], Mail] = {}
        """Connections that are being opened, and for which message."""
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
        """Carry one message to one recipient. Cancelled in the middle, nothing more of it leaves."""
        refused = refusal(envelope, message)
        if refused is not None:
            return refused
        if not self._is_open:
            return _closed()
        mail = Mail(envelope, _dot_stuffed(message), asyncio.get_running_loop().create_future())
        self._place(mail)
        try:
            return await mail.answer
        except asyncio.CancelledError:
            if mail.wire is not None:
                mail.wire.give_up(mail)
            raise

    def turn_away(self, why: str, *, hang_up: bool = False) -> None:
        """
        Let nobody wait for a connection any more, nor for one to be opened.

        Messages that have a connection go on; with `hang_up` only those whose final dot may have left.
        """
        verdict = connection_failed(Phase.CONNECT, why)
        while self._waiting:
            self._waiting.popleft().resolve(verdict)
        for task, mail in self._opening.items():
            mail.resolve(verdict)
            task.cancel()
        if hang_up:
            for wire in list(self._wires):
                wire.hang_up(why)

    async def close(self) -> None:
        """Refuse new messages, let those under way end, then say QUIT on every connection."""
        self._is_open = False
        while self._waiting:
            self._waiting.popleft().resolve(_closed())
        while self._idle:
            self._let_go(self._idle.pop())
        if self._count:
            if self._all_back is None or self._all_back.done():
                self._all_back = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._all_back)

    # --- the pool ---

    def _place(self, mail: Mail) -> None:
        """Give a message to a connection, or let it wait."""
        wire = self._idle_wire()
        if wire is not None:
            wire.begin(mail)
            return
        if self._count < self._limit:
            self._count += 1
            self._start(self._open_for(mail))
            return
        for wire in self._wires:
            if wire.has_room and wire.sent < self._messages_per_connection:
                wire.begin(mail)
                return
        self._waiting.append(mail)

    def _idle_wire(self) -> Wire | None:
        while self._idle:
            wire = self._idle.pop()
            if wire.usable and asyncio.get_running_loop().time() - wire.idle_since < self._timeouts.idle:
                return wire
            self._let_go(wire)
        return None

    async def _open_for(self, mail: Mail) -> None:
        """Fill a place with a new connection, for this message first; or give the place on to the next."""
        task = asyncio.current_task()
        assert task is not None
        self._opening[task] = mail
        try:
            opened = await self._connect()
        except BaseException as error:
            mail.resolve(connection_failed(Phase.CONNECT, f"{type(error).__name__}: {error}"))
            self._leave_place()
            raise
        finally:
            del self._opening[task]
        if not isinstance(opened, Wire):
            mail.resolve(opened)
            self._leave_place()
            return
        self._wires.add(opened)
        if not mail.answer.done():
            opened.begin(mail)
            return
        following = self.next_mail(opened)
        if following is not None:
            opened.begin(following)
        else:
            self.rested(opened)

    def _leave_place(self) -> None:
        """A place without a connection goes to whoever waits longest."""
        while self._waiting:
            mail = self._waiting.popleft()
            if not mail.answer.done():
                self._start(self._open_for(mail))
                return
        self._count -= 1
        if not self._count and self._all_back is not None and not self._all_back.done():
            self._all_back.set_result(None)

    def _let_go(self, wire: Wire) -> None:
        """Close a connection; its place is free when it is closed, so that the relay never sees more than agreed."""
        if wire.usable:
            self._wires.discard(wire)
            wire.begin_quit()
            self._start(self._leave_place_of(wire))
        else:
            wire.abort()

    async def _leave_place_of(self, wire: Wire) -> None:
        await asyncio.shield(wire.closed)
        self._leave_place()

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- what a wire asks ---

    def next_mail(self, wire: Wire) -> Mail | None:
        """The message that waits longest, if this connection may carry one more."""
        if wire.sent >= self._messages_per_connection:
            return None
        while self._waiting:
            mail = self._waiting.popleft()
            if not mail.answer.done():
                return mail
        return None

    def rested(self, wire: Wire) -> None:
        """Keep a connection for the next message, or close it where it has done its share."""
        if not self._is_open or wire.sent >= self._messages_per_connection:
            self._let_go(wire)
            return
        wire.idle_since = asyncio.get_running_loop().time()
        self._idle.append(wire)

    def again(self, mail: Mail) -> None:
        """A message waited too long behind another: it is the first to go over the next connection."""
        if not self._is_open:
            mail.resolve(_closed())
        elif self._idle or self._count < self._limit:
            self._place(mail)
        else:
            self._waiting.appendleft(mail)

    def over(self, wire: Wire, anew: Mail | None) -> None:
        """A connection is over: its place goes to the message it was over for, or to whoever waits longest."""
        self._wires.discard(wire)
        if wire in self._idle:
            self._idle.remove(wire)
        if anew is None:
            self._leave_place()
        elif not self._is_open:
            anew.resolve(_closed())
            self._leave_place()
        else:
            anew.moved = True
            self._start(self._open_for(anew))

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
                local_hostname=relay.helo or own_name(sock.getsockname()[0]),
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
                self,
                self.manners,
                seconds,
                pipelining=client.supports_extension("pipelining"),
                size=client.supports_extension("size"),
                joins=relay.tls is Tls.NONE,
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


def _dot_stuffed(message: bytes) -> bytes:
    """The message as it goes over the wire, with its final dot (RFC 5321 section 4.5.2); its lines end in CRLF."""
    stuffed = message.replace(b"\r\n.", b"\r\n..")
    return (b"." if stuffed[:1] == b"." else b"") + stuffed + b".\r\n"


def _closed() -> Verdict:
    return connection_failed(Phase.CONNECT, "the transport is closed")


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
