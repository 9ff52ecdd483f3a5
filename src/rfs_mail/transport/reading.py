"""Reading a finished message back for people: its subject, its day, its text."""

from dataclasses import dataclass
from datetime import UTC, datetime
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser


@dataclass(frozen=True, slots=True)
class Glimpse:
    """What a person wants to see of a message. `date` is aware, or None where the message has none that can be read."""

    sender: str
    to: str
    subject: str
    date: datetime | None
    text: str


def glimpse(message: bytes) -> Glimpse:
    """Read a message for showing; never fails on a strange one. Control characters are made visible, line ends kept."""
    parsed = BytesParser(policy=policy.default).parsebytes(message)
    assert isinstance(parsed, EmailMessage)
    return Glimpse(
        sender=_header(parsed, "From"),
        to=_header(parsed, "To"),
        subject=_header(parsed, "Subject"),
        date=_date(parsed),
        text=_text(parsed),
    )


def shown(text: str) -> str:
    """Text that may go to a terminal: line ends and tabs as they are, every other control character as `?`."""
    lines = text.replace("\r\n", "\n").expandtabs(8).split("\n")
    return "\n".join("".join([letter if letter.isprintable() else "?" for letter in line]) for line in lines)


def _header(message: EmailMessage, name: str) -> str:
    try:
        return shown(str(message.get(name, ""))).replace("\n", " ")
    except (ValueError, LookupError, IndexError, TypeError, AttributeError):
        return ""  # the standard parser stumbles over some broken headers


def _date(message: EmailMessage) -> datetime | None:
    try:
        date = getattr(message["Date"], "datetime", None)
    except (ValueError, LookupError, IndexError, TypeError, AttributeError):
        return None
    if not isinstance(date, datetime):
        return None
    return date.astimezone(UTC) if date.tzinfo is not None else date.replace(tzinfo=UTC)


def _text(message: EmailMessage) -> str:
    try:
        part = message.get_body(("plain", "html"))
        return shown(part.get_content()) if part is not None else ""
    except (ValueError, LookupError, TypeError, AttributeError):
        return ""
