"""Reading the receiving server's log: what it accepted, in which order, and the messages themselves."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import Message
from email.utils import parsedate_to_datetime
from html import unescape
from pathlib import Path
from zlib import decompress

from rfs_mail.cli.demo.mailserver import ACCEPTED, MESSAGES, REFUSED


@dataclass(frozen=True, slots=True)
class Received:
    """One message as the receiving server wrote it down."""

    number: int
    """The order in which it was accepted, from 1."""
    mail_from: str
    recipient: str
    message_id: str
    date: datetime
    """What the message says of itself, UTC."""
    sender: str
    """The address of From, without the name."""
    step: str
    campaign: str
    topic: str
    subject: str
    at: int
    size: int


class MailLog:
    """The log of one server. Remembers how far it was read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read = 0
        self.all: list[Received] = []

    def count(self) -> int:
        """How many were accepted by now, without reading them."""
        path = self._folder / ACCEPTED
        if not path.exists():
            return 0
        with path.open("rb") as file:
            file.seek(self._read)
            return len(self.all) + file.read().count(b"\n")

    def news(self) -> list[Received]:
        """What came since the last call, in order."""
        path = self._folder / ACCEPTED
        if not path.exists():
            return []
        with path.open("rb") as file:
            file.seek(self._read)
            data = file.read()
        whole = data[: data.rfind(b"\n") + 1]
        self._read += len(whole)
        fresh = [_received(json.loads(line)) for line in whole.splitlines()]
        self.all += fresh
        return fresh

    def refused(self) -> dict[int, list[str]]:
        """Reply code -> the recipients that got it, in order."""
        path = self._folder / REFUSED
        found: dict[int, list[str]] = {}
        if path.exists():
            for line in path.read_text(encoding="ascii").splitlines():
                told = json.loads(line)
                found.setdefault(told["code"], []).append(told["to"])
        return found

    def message(self, received: Received) -> bytes:
        """The message, octet for octet."""
        with (self._folder / MESSAGES).open("rb") as file:
            file.seek(received.at)
            return decompress(file.read(received.size))


def _received(told: dict[str, object]) -> Received:
    step, campaign, topic, *_ = f"{told.get('feedback', '')}:::".split(":")
    sender = str(told.get("sender", "")).rpartition("<")[2].rstrip(">")
    date = parsedate_to_datetime(str(told["date"])).astimezone(UTC)
    return Received(
        int(str(told["n"])), str(told["from"]), str(told["to"]), str(told.get("id", "")).strip("<>"),
        date, sender, step, campaign, topic, str(told.get("subject", "")), int(str(told["at"])), int(str(told["size"])),
    )  # fmt: skip


# -- inside a message --------------------------------------------------------------------------------------------------


def parse(message: bytes) -> Message:
    """The message as the standard library reads it: headers as they stand, bodies undone on demand."""
    return message_from_bytes(message)


def html_of(message: Message) -> str:
    """Its HTML body."""
    return _body(message, "text/html")


def text_of(message: Message) -> str:
    """Its plain body without what stands below the line of two dashes, its foot."""
    return re.split(r"^-- ?\r?$", _body(message, "text/plain"), maxsplit=1, flags=re.MULTILINE)[0]


def _body(message: Message, content_type: str) -> str:
    for part in message.walk():
        if part.get_content_type() == content_type:
            body = part.get_payload(decode=True)
            return body.decode("utf-8", "replace") if isinstance(body, bytes) else ""
    return ""


_LINK = re.compile(r"""<a\s[^>]*?href=(["'])(.*?)\1""", re.IGNORECASE | re.DOTALL)


def links_of(html: str) -> Iterator[str]:
    """Where its links lead, in order, as the reader's program would see them."""
    for found in _LINK.finditer(html):
        yield unescape(found[2])


def one_click_url(message: Message) -> str | None:
    """The address of the header's one-click unsubscribe (RFC 8058 section 3.1); None where it is not offered."""
    if str(message.get("List-Unsubscribe-Post", "")).strip() != "List-Unsubscribe=One-Click":
        return None
    found = re.search(r"<(https?://[^>]+)>", "".join(str(message.get("List-Unsubscribe", "")).split()))
    return found[1] if found else None


def header_of(message: Message, name: str) -> str:
    """A header in the letters of its reader."""
    return str(make_header(decode_header(str(message.get(name, "")))))
