"""The transport that prints."""

import asyncio
import io

import pytest

from rfs_mail.core.verdict import Accepted, Rejected
from rfs_mail.transport.base import Envelope
from rfs_mail.transport.console import ConsoleTransport

MARIA = Envelope("b@example.org", "maria@example.org")


def test_it_prints_what_a_person_wants_to_see(message: bytes) -> None:
    """Day, envelope, author, decoded recipient and subject, and the text with its dots."""
    out = io.StringIO()
    verdict = asyncio.run(ConsoleTransport(out).send(MARIA, message))

    assert isinstance(verdict, Accepted)
    for line in (
        "2026-11-23 15:00 UTC  b@example.org -> maria@example.org",
        "To: María López <maria@example.org>",
        "Subject: María: three days left",
        ".dot",
        "PO Box 1, New York, NY 10001",
    ):
        assert line in out.getvalue().splitlines()


def test_nothing_in_a_message_steers_the_terminal() -> None:
    """Escape sequences, also encoded ones, are shown as question marks."""
    out = io.StringIO()
    raw = b"Subject: =?utf-8?q?=1B[2J_hi?=\r\nTo: \x1b[31m\r\n\r\nclear \x1b[2J \x07 \x9b done\r\n"
    asyncio.run(ConsoleTransport(out).send(MARIA, raw))

    assert not any(letter < " " and letter != "\n" for letter in out.getvalue())
    assert "\x9b" not in out.getvalue()
    assert "done" in out.getvalue()


@pytest.mark.parametrize(
    "raw", [b"\r\n", b"x\r\n", b"Date: nonsense\r\n\r\nx\r\n", b"Content-Type: text/plain; charset=no\r\n\r\nx\r\n"]
)
def test_strange_messages_do_no_harm(raw: bytes) -> None:
    """A message without headers, date or a known character set is still shown."""
    assert isinstance(asyncio.run(ConsoleTransport(io.StringIO()).send(MARIA, raw)), Accepted)


def test_standard_output_is_the_default(message: bytes, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a stream it prints to wherever standard output goes at that moment."""
    asyncio.run(ConsoleTransport().send(MARIA, message))

    assert "maria@example.org" in capsys.readouterr().out


def test_a_hostile_envelope_is_refused(message: bytes) -> None:
    """What no relay would get is not printed either."""
    out = io.StringIO()

    assert isinstance(asyncio.run(ConsoleTransport(out).send(Envelope("", "x\x1b[2J"), message)), Rejected)
    assert out.getvalue() == ""
