"""
A real SMTP server for tests: it keeps to the protocol, and misbehaves exactly as its script says.

In a test:

    with SmtpServer(script={"full@example.org": {"rcpt": "452 4.2.2 mailbox full"}}) as server:
        ...                                             # send to 127.0.0.1, server.port
        assert ["ok@example.org"] == [message.rcpt_to[0] for message in server.messages]

As a process of its own, which outlives a client that is killed:

    python -m tests.transport.smtp_server --port 0 --log FILE      # prints its port, then serves until SIGTERM

A script maps an address to what happens in a phase, `"*"` to what happens to everybody else:

    phase    asked by                 default
    connect  "*"                      220
    ehlo     "*"                      250 and the extensions
    auth     "*"                      235 or 535, by the passwords
    mail     the sender, "*"          250 2.1.0
    rcpt     the recipient, "*"       250 2.1.5
    data     the last recipient, "*"  354
    body     the last recipient, "*"  read on
    dot      the last recipient, "*"  250 2.0.0, and the message is kept
    rset, noop, quit  "*"             250, 250, 221

What happens is a reply (`"550 5.1.1 no such user"`, several lines with `\\r\\n`; 421 closes), `Drop()`, `Hang()`,
`Stall()`, `Slow(seconds)`, `Forget()`, `Late()`, `IfEarly(..)`, None for the default, or a list of these, one a time,
and then the default. A message is kept where the reply to its dot begins with 2, and where `Drop(accepted=True)` takes
it and breaks off.

`cuts` ends connections in the middle, one entry a connection; `dribble` sends replies in pieces of so many octets.
"""

import argparse
import asyncio
import base64
import binascii
import json
import re
import signal
import ssl
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True)
class Drop:
    """Break the connection off without an answer; at the dot, `accepted` keeps the message before."""

    accepted: bool = False


@dataclass(frozen=True)
class Hang:
    """Never answer, and read on."""


@dataclass(frozen=True)
class Stall:
    """Never answer, and read nothing more."""


@dataclass(frozen=True)
class Slow:
    """Answer after so many seconds, `reply` or the default."""

    seconds: float
    reply: str | None = None


@dataclass(frozen=True)
class Forget:
    """Answer, `reply` or the default, and throw away whatever the client said early."""

    reply: str | None = None


@dataclass(frozen=True)
class Late:
    """Keep this reply back until another has gone out before it."""

    reply: str | None = None


@dataclass(frozen=True)
class IfEarly:
    """At the dot: `action` where the client has said something behind it already, else the default."""

    action: "str | Drop | Hang | Stall | Slow | Forget | Late"


@dataclass(frozen=True)
class Cut:
    """Close a connection once so many octets of replies were `sent`, or so many of commands and messages `read`."""

    sent: int | None = None
    read: int | None = None


Action = str | Drop | Hang | Stall | Slow | Forget | Late | IfEarly | None
Script = Mapping[str, Mapping[str, Action | Sequence[Action]]]

_MAIL = re.compile(rb"MAIL FROM:<([^<>\s]*)>((?: \S+)*)", re.IGNORECASE)
_RCPT = re.compile(rb"RCPT TO:<([^<>\s]+)>((?: \S+)*)", re.IGNORECASE)
_END = b"\r\n.\r\n"


@dataclass(frozen=True)
class Received:
    """One accepted message. `data` is what was meant, `wire` has its dots doubled; `at` is monotonic seconds."""

    number: int
    mail_from: str
    rcpt_to: tuple[str, ...]
    data: bytes
    wire: bytes
    at: float
    connection: int
    tls: bool
    user: str | None


class _Gone(Exception):
    """The connection ends now."""


@dataclass
class _Session:
    """One connection as the server sees it."""

    number: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    tls: bool = False
    user: str | None = None
    mail_from: str | None = None
    rcpt_to: list[str] = field(default_factory=list)
    buffer: bytearray = field(default_factory=bytearray)
    out: bytearray = field(default_factory=bytearray)
    late: bytes = b""
    cut: Cut | None = None
    read: int = 0
    sent: int = 0
    unanswered: list[tuple[int, str]] = field(default_factory=list)
    """Accepted messages whose reply is not out yet: where in the stream of replies it ends, and the recipient."""


class SmtpServer:
    """
    Serves on 127.0.0.1 from a thread of its own, from `with` to the end of the block.

    `messages` holds what was accepted, in order; `commands` (connection, line) of everything that was said, passwords
    left out; `violations` what no client may do (pipelining unasked, a bare line feed). `starttls` and `tls` take a
    server's TLS context; `auth` maps names to passwords and makes them needed; `size` is announced and held.
    """

    def __init__(
        self,
        *,
        script: Script | None = None,
        port: int = 0,
        pipelining: bool = True,
        ehlo: bool = True,
        starttls: ssl.SSLContext | None = None,
        tls: ssl.SSLContext | None = None,
        auth: Mapping[str, str] | None = None,
        auth_methods: Sequence[str] = ("PLAIN", "LOGIN"),
        size: int | None = None,
        log: Path | None = None,
        keep: bool = True,
        cuts: Sequence[Cut | None] = (),
        dribble: int = 0,
    ) -> None:
        self.port = port
        self.messages: list[Received] = []
        self.answered: list[str] = []
        """Recipients of accepted messages, in order, once the last octet of the reply was sent."""
        self.commands: list[tuple[int, str]] = []
        self.violations: list[str] = []
        self.connections = 0
        self.open_connections = 0
        self.most_connections = 0
        self.accepted = 0
        self.early = 0
        """Dots that came with something behind them."""
        self._script: dict[tuple[str, str], Action | list[Action]] = {}
        for address, phases in (script or {}).items():
            for phase, action in phases.items():
                self.on(address, phase, action)
        self._pipelining = pipelining
        self._ehlo = ehlo
        self._starttls = starttls
        self._tls = tls
        self._auth = auth
        self._auth_methods = tuple(auth_methods)
        self._size = size
        self._log_path = log
        self._log: Any = None
        self._keep = keep
        self._cuts = list(cuts)
        self._dribble = dribble
        self._changed = threading.Condition()
        self._ready = threading.Event()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._sessions: dict[int, _Session] = {}
        self._failure: BaseException | None = None

    # --- for tests ---

    def on(self, address: str, phase: str, action: Action | Sequence[Action]) -> None:
        """Change the script, also while serving."""
        is_list = isinstance(action, Sequence) and not isinstance(action, str)
        self._script[address, phase] = list(action) if is_list else action  # type: ignore[arg-type, assignment]

    def wait_for(self, count: int, seconds: float = 10) -> None:
        """Wait until so many messages were accepted; raises TimeoutError."""
        with self._changed:
            if not self._changed.wait_for(lambda: self.accepted >= count, seconds):
                raise TimeoutError(f"{self.accepted} of {count} messages came")

    def wait_for_command(self, verb: str, seconds: float = 10) -> None:
        """Wait until somebody has said a line that begins so; `BODY` is the first piece of a message."""
        with self._changed:
            found = self._changed.wait_for(lambda: any(line.startswith(verb) for _, line in self.commands), seconds)
        if not found:
            raise TimeoutError(f"nobody said {verb}")

    def wait_until_left(self, seconds: float = 10) -> None:
        """Wait until every client is gone."""
        with self._changed:
            if not self._changed.wait_for(lambda: self.open_connections == 0, seconds):
                raise TimeoutError(f"{self.open_connections} connections are open")

    def kick(self, reply: str = "421 4.4.2 idle for too long") -> None:
        """Say this to every client that is connected, unasked, and close."""
        assert self._loop is not None
        done = threading.Event()

        def kick() -> None:
            for session in self._sessions.values():
                session.writer.write(reply.encode() + b"\r\n")
                session.writer.close()
            done.set()

        self._loop.call_soon_threadsafe(kick)
        done.wait(10)

    # --- life ---

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run, name="smtp-server", daemon=True)
        self._thread.start()
        self._ready.wait(10)
        if self._failure is not None:
            raise self._failure
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._loop is not None
        assert self._thread is not None
        self._loop.call_soon_threadsafe(self.stop)
        self._thread.join(10)
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        try:
            asyncio.run(self.serve(self._ready.set))
        except BaseException as error:
            self._failure = error
        finally:
            self._ready.set()

    def stop(self) -> None:
        """End `serve`; from its own thread."""
        assert self._stop is not None
        self._stop.set()

    async def serve(self, ready: Callable[[], None]) -> None:
        """Serve until stopped; `ready` is called once the port is known."""
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        tasks: set[asyncio.Task[None]] = set()

        async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            tasks.add(task)
            try:
                await self._client(reader, writer)
            except asyncio.CancelledError:
                pass  # the server stops
            finally:
                tasks.discard(task)

        if self._log_path is not None:
            self._log = self._log_path.open("a", encoding="utf-8")
        server = await asyncio.start_server(client, "127.0.0.1", self.port, ssl=self._tls, backlog=512)
        self.port = server.sockets[0].getsockname()[1]
        ready()
        try:
            await self._stop.wait()
        finally:
            server.close()
            for session in self._sessions.values():
                session.writer.transport.abort()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if self._log is not None:
                self._log.close()

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        session = _Session(self.connections, reader, writer, tls=self._tls is not None)
        session.cut = self._cuts.pop(0) if self._cuts else None
        self._sessions[session.number] = session
        with self._changed:
            self.open_connections += 1
            self.most_connections = max(self.most_connections, self.open_connections)
        try:
            await self._talk(session)
        except (_Gone, ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            pass
        finally:
            del self._sessions[session.number]
            if session.out and not writer.is_closing():
                writer.write(bytes(session.out))
            writer.close()
            with self._changed:
                self.open_connections -= 1
                self._changed.notify_all()

    # --- the conversation ---

    async def _talk(self, session: _Session) -> None:
        await self._answer(session, "connect", "220 test.example.org ESMTP", "*")
        while True:
            line = await self._line(session)
            verb = line[:4].upper()
            if verb == b"EHLO" and self._ehlo:
                await self._greet(session)
            elif verb in (b"HELO", b"EHLO"):
                await self._answer(session, "helo", "250 hello" if verb == b"HELO" else "502 5.5.1 what?", "*")
            elif line.upper() == b"STARTTLS" and self._starttls is not None and not session.tls:
                await self._secure(session)
            elif verb == b"AUTH" and self._auth is not None:
                await self._authenticate(session, line)
            elif verb == b"MAIL":
                await self._mail(session, line)
            elif verb == b"RCPT":
                await self._rcpt(session, line)
            elif line.upper() == b"DATA":
                await self._data(session)
            elif verb == b"RSET":
                session.mail_from = None
                session.rcpt_to.clear()
                await self._answer(session, "rset", "250 2.0.0 reset", "*")
            elif verb == b"NOOP":
                await self._answer(session, "noop", "250 2.0.0 well", "*")
            elif verb == b"QUIT":
                await self._answer(session, "quit", "221 2.0.0 bye", "*")
                raise _Gone
            else:
                self._say(session, "502 5.5.1 what?")

    async def _greet(self, session: _Session) -> None:
        lines = ["test.example.org", "ENHANCEDSTATUSCODES"]
        if self._pipelining:
            lines.append("PIPELINING")
        if self._starttls is not None and not session.tls:
            lines.append("STARTTLS")
        if self._auth is not None:
            lines.append(f"AUTH {' '.join(self._auth_methods)}")
        if self._size is not None:
            lines.append(f"SIZE {self._size}")
        text = "\r\n".join(f"250{'-' if line != lines[-1] else ' '}{line}" for line in lines)
        await self._answer(session, "ehlo", text, "*")

    async def _secure(self, session: _Session) -> None:
        await self._answer(session, "starttls", "220 2.0.0 go ahead", "*")
        await self._flush(session)
        session.buffer.clear()
        await session.writer.start_tls(self._starttls)  # type: ignore[arg-type]
        session.tls = True

    async def _authenticate(self, session: _Session, line: bytes) -> None:
        _, _, rest = line.partition(b" ")
        method, _, first = rest.partition(b" ")
        try:
            if method.upper() == b"PLAIN":
                answer = first or await self._challenge(session, b"")
                _, name, password = base64.b64decode(answer).decode().split("\0")
            elif method.upper() == b"LOGIN":
                name = base64.b64decode(first or await self._challenge(session, b"Username:")).decode()
                password = base64.b64decode(await self._challenge(session, b"Password:")).decode()
            else:
                self._say(session, "504 5.5.4 no such method")
                return
        except (binascii.Error, ValueError):
            self._say(session, "501 5.5.2 cannot read that")
            return
        assert self._auth is not None
        known = self._auth.get(name) == password
        reply = "235 2.7.0 welcome" if known else "535 5.7.8 wrong name or password"
        if known and await self._answer(session, "auth", reply, "*") == reply:
            session.user = name
        elif not known:
            self._say(session, reply)

    async def _challenge(self, session: _Session, text: bytes) -> bytes:
        self._say(session, f"334 {base64.b64encode(text).decode()}")
        return await self._line(session, secret=True)

    async def _mail(self, session: _Session, line: bytes) -> None:
        match = _MAIL.fullmatch(line)
        if match is None:
            self._say(session, "501 5.5.4 syntax")
        elif self._auth is not None and session.user is None:
            self._say(session, "530 5.7.0 authentication required")
        elif session.mail_from is not None:
            self.violations.append("MAIL inside a transaction")
            self._say(session, "503 5.5.1 nested MAIL")
        else:
            sender = match[1].decode()
            size = re.search(rb" SIZE=(\d+)", match[2], re.IGNORECASE)
            if self._size is not None and size is not None and int(size[1]) > self._size:
                self._say(session, "552 5.3.4 message too large")
            elif (await self._answer(session, "mail", "250 2.1.0 ok", sender, "*")).startswith("2"):
                session.mail_from = sender

    async def _rcpt(self, session: _Session, line: bytes) -> None:
        match = _RCPT.fullmatch(line)
        if match is None:
            self._say(session, "501 5.5.4 syntax")
        elif session.mail_from is None:
            self._say(session, "503 5.5.1 MAIL first")
        else:
            recipient = match[1].decode()
            if (await self._answer(session, "rcpt", "250 2.1.5 ok", recipient, "*")).startswith("2"):
                session.rcpt_to.append(recipient)

    async def _data(self, session: _Session) -> None:
        if session.mail_from is None or not session.rcpt_to:
            reply = await self._answer(session, "nobody", "554 5.5.1 no valid recipients", "*")
            if reply.startswith("354"):
                await self._body(session)
                self._say(session, "554 5.5.1 no valid recipients")
            return
        address = session.rcpt_to[-1]
        if not (await self._answer(session, "data", "354 go ahead", address, "*")).startswith("354"):
            return
        await self._flush(session)
        action = self._action("body", address, "*")
        if action is not None:
            session.buffer += await session.reader.read(1024)
            self._note(session, "BODY")
            await self._act(session, action, "")
        wire = await self._body(session)
        if re.search(rb"[\r\n]", wire.replace(b"\r\n", b"")):
            self.violations.append("a bare CR or LF in a message")
        await self._settle(session, wire, address)
        session.mail_from = None
        session.rcpt_to.clear()

    async def _settle(self, session: _Session, wire: bytes, address: str) -> None:
        self.early += bool(session.buffer)
        action = self._action("dot", address, "*")
        if isinstance(action, IfEarly):
            action = action.action if session.buffer else None
        if isinstance(action, Drop) and action.accepted:
            self._accept(session, wire)
        if isinstance(action, Slow):
            await self._flush(session)
            await asyncio.sleep(action.seconds)
            action = action.reply
        reply = action if isinstance(action, str) else f"250 2.0.0 queued as {self.accepted + 1}"
        if isinstance(action, Drop | Hang | Stall):
            await self._act(session, action, reply)
        if isinstance(action, Forget | Late):
            reply = action.reply or reply
        if reply.startswith("2"):
            self._accept(session, wire)
        if isinstance(action, Late):
            session.late = reply.encode() + b"\r\n"
            return
        if isinstance(action, Forget):
            await self._forget(session)
        self._say(session, reply)
        if reply.startswith("2"):
            session.unanswered.append((session.sent + len(session.out), session.rcpt_to[0]))
        if reply.startswith("421"):
            raise _Gone

    async def _forget(self, session: _Session) -> None:
        """Throw away what came early, and what of it is still on its way here."""
        await asyncio.sleep(0.02)
        session.buffer.clear()
        # StreamReader has no public way to look whether something is there already.
        session.reader._buffer.clear()  # type: ignore[attr-defined]

    async def _body(self, session: _Session) -> bytes:
        """Everything up to the final dot, as it came, without the dot."""
        buffer = session.buffer
        while True:
            if buffer.startswith(b".\r\n"):
                del buffer[:3]
                return b""
            end = buffer.find(_END)
            if end >= 0:
                wire = bytes(buffer[: end + 2])
                del buffer[: end + len(_END)]
                return wire
            await self._fill(session)

    def _accept(self, session: _Session, wire: bytes) -> None:
        self.accepted += 1
        data = (b"\r\n" + wire).replace(b"\r\n.", b"\r\n")[2:]
        assert session.mail_from is not None
        received = Received(
            self.accepted,
            session.mail_from,
            tuple(session.rcpt_to),
            data,
            wire,
            time.monotonic(),
            session.number,
            session.tls,
            session.user,
        )
        if self._keep:
            self.messages.append(received)
        if self._log is not None:
            message_id = re.search(rb"(?im)^Message-ID:\s*(\S+)", data)
            record = {
                "number": received.number,
                "at": time.time(),
                "mail_from": received.mail_from,
                "rcpt_to": list(received.rcpt_to),
                "message_id": message_id[1].decode("ascii", "replace") if message_id else None,
                "size": len(data),
            }
            self._log.write(json.dumps(record) + "\n")
            self._log.flush()
        with self._changed:
            self._changed.notify_all()

    # --- replies ---

    def _action(self, phase: str, *addresses: str) -> Action:
        for address in addresses:
            action = self._script.get((address, phase))
            if isinstance(action, list):
                if action:
                    return action.pop(0)
            elif action is not None:
                return action
        return None

    async def _answer(self, session: _Session, phase: str, default: str, *addresses: str) -> str:
        return await self._act(session, self._action(phase, *addresses), default)

    async def _act(self, session: _Session, action: Action, default: str) -> str:
        if isinstance(action, Stall):
            await self._flush(session)
            await asyncio.Event().wait()
            raise _Gone
        if isinstance(action, Slow):
            await self._flush(session)
            await asyncio.sleep(action.seconds)
            action = action.reply
        if isinstance(action, Hang):
            await self._flush(session)
            while await session.reader.read(65536):
                pass
            raise _Gone
        if isinstance(action, Drop):
            session.out.clear()
            session.writer.transport.abort()
            raise _Gone
        if isinstance(action, Late):
            reply = action.reply or default
            session.late = reply.encode() + b"\r\n"
            return reply
        if isinstance(action, Forget):
            await self._forget(session)
            action = action.reply
        assert not isinstance(action, IfEarly), "only at the dot"
        reply = default if action is None else action
        if reply:
            self._say(session, reply)
            if reply.startswith("421"):
                raise _Gone
        return reply

    def _say(self, session: _Session, reply: str) -> None:
        session.out += reply.encode() + b"\r\n" + session.late
        session.late = b""

    async def _flush(self, session: _Session) -> None:
        while session.out:
            piece = bytes(session.out[: self._dribble or len(session.out)])
            del session.out[: len(piece)]
            ends = session.cut is not None and session.cut.sent is not None
            if ends and session.sent + len(piece) >= session.cut.sent:  # type: ignore[union-attr, operator]
                piece = piece[: session.cut.sent - session.sent]  # type: ignore[union-attr, operator]
                session.out.clear()
            else:
                ends = False
            session.writer.write(piece)
            await session.writer.drain()
            session.sent += len(piece)
            while session.unanswered and session.unanswered[0][0] <= session.sent:
                self.answered.append(session.unanswered.pop(0)[1])
            if ends:
                await self._hang_up(session)
            if self._dribble:
                await asyncio.sleep(0)

    async def _hang_up(self, session: _Session) -> None:
        """Close so that everything sent arrives: a socket that is closed with something unread would reset instead."""
        if session.writer.can_write_eof():
            session.writer.write_eof()
            while await session.reader.read(65536):
                pass
        raise _Gone

    # --- input ---

    async def _line(self, session: _Session, *, secret: bool = False) -> bytes:
        while True:
            end = session.buffer.find(b"\n")
            if end >= 0:
                line = bytes(session.buffer[: end + 1])
                del session.buffer[: end + 1]
                if not line.endswith(b"\r\n"):
                    self.violations.append("a bare line feed in a command")
                if session.buffer and not self._pipelining:
                    self.violations.append("pipelining without being asked")
                text = line.rstrip(b"\r\n")
                self._note(session, "***" if secret else text.decode("latin-1"))
                return text
            if len(session.buffer) > 65536:
                raise _Gone
            await self._fill(session)

    async def _fill(self, session: _Session) -> None:
        await self._flush(session)
        most = 262144
        if session.cut is not None and session.cut.read is not None:
            most = session.cut.read - session.read
            if most <= 0:
                await self._hang_up(session)
        piece = await session.reader.read(most)
        if not piece:
            raise _Gone
        session.read += len(piece)
        session.buffer += piece

    def _note(self, session: _Session, line: str) -> None:
        if line[:4].upper() == "AUTH":
            line = " ".join(line.split(" ")[:2])
        if self._keep:
            with self._changed:
                self.commands.append((session.number, line))
                self._changed.notify_all()


def _script_from_json(text: str) -> Script:
    words: dict[str, Action] = {"drop": Drop(), "drop-accepted": Drop(accepted=True), "hang": Hang(), "stall": Stall()}
    raw: dict[str, dict[str, str | list[str]]] = json.loads(text)

    def action(value: str) -> Action:
        return Slow(float(value.removeprefix("slow "))) if value.startswith("slow ") else words.get(value, value)

    return {
        address: {
            phase: [action(item) for item in value] if isinstance(value, list) else action(value)
            for phase, value in phases.items()
        }
        for address, phases in raw.items()
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve as a process: print the port, then stay until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(description="An SMTP server for tests.")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--log", type=Path, help="append a JSON line for each accepted message")
    parser.add_argument("--script", type=_script_from_json, help='JSON, such as {"a@example.org": {"dot": "drop"}}')
    parser.add_argument("--no-pipelining", action="store_true")
    parser.add_argument("--keep", action="store_true", help="keep messages in memory as well")
    options = parser.parse_args(arguments)
    server = SmtpServer(
        script=options.script,
        port=options.port,
        log=options.log,
        pipelining=not options.no_pipelining,
        keep=options.keep,
    )

    def announce() -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, server.stop)
        sys.stdout.write(f"{server.port}\n")
        sys.stdout.flush()

    asyncio.run(server.serve(announce))


if __name__ == "__main__":
    main()
