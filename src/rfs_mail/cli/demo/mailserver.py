"""
The receiving side of the demo: a real SMTP server in a process of its own, with a log of its own.

It knows nothing of campaigns, of the store or of the story's time. It writes down every message it accepts before it
says so, so that its log can be held against what the sender believes, also after the sender was killed. It refuses
mailboxes that do not exist (550 5.1.1) and puts off a few the first time it sees them (451 4.7.1), as servers do.

Run as `python -m rfs_mail.cli.demo.mailserver FOLDER PORT`; it prints its port and serves until its input closes.
"""

import asyncio
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast
from zlib import compress

from rfs_mail.errors import UsageError

ACCEPTED = "accepted.jsonl"
REFUSED = "refused.jsonl"
MESSAGES = "messages.bin"
MAILBOXES = "mailboxes.json"
USUAL_PORT = 2525

_ADDRESS = re.compile(rb"<([^>]*)>")
_HEADER = re.compile(rb"^([A-Za-z-]+):[ \t]*((?:.*)(?:\r\n[ \t].*)*)", re.MULTILINE)
_KEPT = {b"from": "sender", b"to": "addressee", b"subject": "subject", b"date": "date", b"message-id": "id",
         b"feedback-id": "feedback"}  # fmt: skip

_HELLO = b"250-post.test\r\n250-PIPELINING\r\n250-SIZE 10485760\r\n250-ENHANCEDSTATUSCODES\r\n250 8BITMIME\r\n"


class Post:
    """What has come in: the log of what was accepted, of what was refused, and the messages themselves."""

    def __init__(self, folder: Path) -> None:
        boxes = json.loads((folder / MAILBOXES).read_text(encoding="utf-8"))
        self.dead: frozenset[str] = frozenset(boxes["dead"])
        self._slow: set[str] = set(boxes["slow"])
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        self._accepted, self._refused, self._messages = (
            os.open(folder / name, flags, 0o600) for name in (ACCEPTED, REFUSED, MESSAGES)
        )
        self._at = os.fstat(self._messages).st_size
        self._count = 0

    def close(self) -> None:
        """Let the files go."""
        for file in (self._accepted, self._refused, self._messages):
            os.close(file)

    def answer_recipient(self, address: str) -> bytes:
        """The reply to RCPT."""
        box = address.casefold()
        if box in self.dead:
            self._refuse(550, address)
            return b"550 5.1.1 No such user here\r\n"
        if box in self._slow:
            self._slow.discard(box)
            self._refuse(451, address)
            return b"451 4.7.1 Greylisted, please try again in a few minutes\r\n"
        return b"250 2.1.5 Ok\r\n"

    def _refuse(self, code: int, address: str) -> None:
        _write(self._refused, {"code": code, "to": address})

    def accept(self, mail_from: str, recipient: str, message: bytes) -> bytes:
        """Write a message down, then say so."""
        head = message.partition(b"\r\n\r\n")[0]
        told = {
            _KEPT[name.lower()]: value.decode("ascii", "replace").strip()
            for name, value in _HEADER.findall(head)
            if name.lower() in _KEPT
        }
        packed = compress(message, 1)
        os.write(self._messages, packed)
        self._count += 1
        _write(
            self._accepted,
            {"n": self._count, "from": mail_from, "to": recipient, **told, "at": self._at, "size": len(packed)},
        )
        self._at += len(packed)
        return b"250 2.0.0 Ok: queued as %d\r\n" % self._count


def _write(file: int, line: dict[str, object]) -> None:
    os.write(file, json.dumps(line).encode("ascii") + b"\n")


class Session(asyncio.Protocol):
    """One connection (RFC 5321), with PIPELINING (RFC 2920)."""

    def __init__(self, post: Post) -> None:
        self._post = post
        self._held = b""
        self._in_data = False
        self._start_over()

    def _start_over(self) -> None:
        self._mail_from: str | None = None
        self._recipient: str | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.write(b"220 post.test ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        """Answer whatever is complete."""
        self._held += data
        out: list[bytes] = []
        while True:
            end, gap = (self._held.find(b"\r\n.\r\n"), 5) if self._in_data else (self._held.find(b"\r\n"), 2)
            if self._in_data and self._held.startswith(b".\r\n"):
                end, gap = 0, 3
            if end < 0:
                break
            piece, self._held = self._held[:end], self._held[end + gap :]
            if self._in_data:
                out.append(self._take(piece))
            else:
                reply = self._obey(piece)
                out.append(reply)
                if reply.startswith(b"221"):
                    self._transport.write(b"".join(out))
                    self._transport.close()
                    return
        if out:
            self._transport.write(b"".join(out))

    def _take(self, body: bytes) -> bytes:
        self._in_data = False
        if body.startswith(b".."):
            body = body[1:]
        message = body.replace(b"\r\n..", b"\r\n.") + b"\r\n"
        assert self._mail_from is not None, "DATA is taken after MAIL"
        assert self._recipient is not None, "and after RCPT"
        reply = self._post.accept(self._mail_from, self._recipient, message)
        self._start_over()
        return reply

    def _obey(self, line: bytes) -> bytes:
        verb = line[:4].upper()
        match verb:
            case b"EHLO":
                self._start_over()
                return _HELLO
            case b"HELO" | b"RSET" | b"NOOP":
                self._start_over()
                return b"250 2.0.0 Ok\r\n"
            case b"MAIL":
                self._start_over()
                self._mail_from = _address(line)
                return b"250 2.1.0 Ok\r\n"
            case b"RCPT":
                return self._recipient_named(line)
            case b"DATA" if self._mail_from is not None and self._recipient is not None:
                self._in_data = True
                return b"354 End with a dot on a line of its own\r\n"
            case b"DATA":
                return b"503 5.5.1 No valid recipient\r\n"
            case b"QUIT":
                return b"221 2.0.0 Bye\r\n"
            case _:
                return b"502 5.5.2 Not known here\r\n"

    def _recipient_named(self, line: bytes) -> bytes:
        if self._mail_from is None:
            return b"503 5.5.1 MAIL comes first\r\n"
        if self._recipient is not None:
            return b"452 4.5.3 One recipient a message\r\n"
        address = _address(line)
        reply = self._post.answer_recipient(address)
        if reply.startswith(b"250"):
            self._recipient = address
        return reply


def _address(line: bytes) -> str:
    found = _ADDRESS.search(line)
    return found[1].decode("utf-8", "replace") if found else ""


class ServerProcess:
    """The server, started by the demo and ended with it."""

    def __init__(self, folder: Path, port: int) -> None:
        """Start it. Raises UsageError where the port is taken."""
        command = [sys.executable, "-m", "rfs_mail.cli.demo.mailserver", str(folder), str(port)]
        # A session of its own: Ctrl-C is for the demo, which then ends this one by closing its input.
        self._process = subprocess.Popen(  # noqa: S603  (our own module)
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        assert self._process.stdout is not None
        told = self._process.stdout.readline().strip()
        if not told:
            self.stop()
            raise UsageError(f"Port {port} of 127.0.0.1 cannot be used. Name another; --port 0 takes any free one.")
        self.port = int(told)

    @classmethod
    @contextmanager
    def running(cls, folder: Path, port: int | None) -> Iterator["ServerProcess"]:
        """The server, for as long as the block lasts: on this port; on None, the usual one or else any."""
        server = cls(folder, port if port is not None else _free_port(USUAL_PORT))
        try:
            yield server
        finally:
            server.stop()

    def stop(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


def _free_port(wanted: int) -> int:
    """This port where nobody has it, else 0, which is any."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            return 0
    return wanted


async def serve(folder: Path, port: int, *, opened: Callable[[int], None], until: Callable[[], object]) -> None:
    """Serve on loopback; `opened` is told the port, and the server ends when `until`, run in a thread, comes back."""
    loop = asyncio.get_running_loop()
    post = Post(folder)
    server = await loop.create_server(lambda: Session(post), "127.0.0.1", port)
    opened(server.sockets[0].getsockname()[1])
    await loop.run_in_executor(None, until)
    server.close()
    post.close()


def main() -> None:
    """The process: FOLDER and PORT from the command line, the port on standard output, until standard input closes."""
    folder, port = Path(sys.argv[1]), int(sys.argv[2])

    def opened(number: int) -> None:
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()

    try:
        asyncio.run(serve(folder, port, opened=opened, until=sys.stdin.read))
    except OSError as error:
        sys.exit(f"127.0.0.1:{port}: {error.strerror}")


if __name__ == "__main__":
    main()
