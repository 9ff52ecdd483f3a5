"""The receiving server: it speaks SMTP, writes down what it accepts, and refuses whom it should."""

import json
import smtplib
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rfs_mail.cli.demo.maillog import MailLog, html_of, links_of, one_click_url, parse
from rfs_mail.cli.demo.mailserver import MAILBOXES, ServerProcess
from rfs_mail.errors import UsageError

MESSAGE = (
    b"From: Run for Something <hello@rfs.example.org>\r\n"
    b"To: Maria <maria@example.org>\r\n"
    b"Subject: Three days\r\n left\r\n"
    b"Date: Mon, 16 Nov 2026 10:00:00 -0600\r\n"
    b"Message-ID: <m-1@rfs.example.org>\r\n"
    b"List-Unsubscribe: <http://127.0.0.1/u/token>, <mailto:u-1@bounces.rfs.example.org>\r\n"
    b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
    b"Feedback-ID: t3:filing_countdown:deadlines:rfsmail\r\n"
    b"Content-Type: text/html; charset=utf-8\r\n"
    b"\r\n"
    b'<p><a class="x" href="http://127.0.0.1/c/token/1?a=1&amp;b=2">There</a></p>\r\n'
    b".a line with a dot before it\r\n"
    b"..and one with two\r\n"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of a server that knows one mailbox to be dead and one to be slow."""
    made = tmp_path_factory.mktemp("server")
    boxes = {"dead": ["dead@example.org"], "slow": ["slow@example.org"]}
    (made / MAILBOXES).write_text(json.dumps(boxes), encoding="utf-8")
    return made


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[ServerProcess]:
    """The server on a free port."""
    with ServerProcess.running(folder, 0) as running:
        yield running


@pytest.fixture
def log(server: ServerProcess, folder: Path) -> MailLog:
    """Its log, read as far as it goes."""
    opened = MailLog(folder)
    opened.news()
    return opened


def send(server: ServerProcess, *recipients: str) -> list[int]:
    """Hand MESSAGE in for each recipient on one connection; returns the codes of the replies."""
    codes = []
    with smtplib.SMTP("127.0.0.1", server.port, timeout=10) as client:
        for recipient in recipients:
            try:
                client.sendmail("b-1@bounces.rfs.example.org", [recipient], MESSAGE)
                codes.append(250)
            except smtplib.SMTPRecipientsRefused as refused:
                codes.append(refused.recipients[recipient][0])
    return codes


def test_what_is_accepted_is_written_down(server: ServerProcess, log: MailLog) -> None:
    """The log has recipient, Message-ID, campaign, step and the octets as they were handed in."""
    before = len(log.all)
    assert send(server, "Maria@example.org") == [250]
    assert log.count() == before + 1
    (received,) = log.news()
    assert log.news() == []
    assert (received.number, received.recipient) == (before + 1, "Maria@example.org")
    assert received.message_id == "m-1@rfs.example.org"
    assert (received.campaign, received.step, received.topic) == ("filing_countdown", "t3", "deadlines")
    assert received.date == datetime(2026, 11, 16, 16, tzinfo=UTC)
    assert received.sender == "hello@rfs.example.org"
    assert log.message(received) == MESSAGE


def test_the_dead_and_the_slow(server: ServerProcess, log: MailLog) -> None:
    """A mailbox that does not exist is refused for good, a slow one once; both are written down, neither as a mail."""
    before = log.refused()
    assert send(server, "DEAD@example.org", "slow@example.org", "slow@example.org") == [550, 451, 250]
    assert [one.recipient for one in log.news()] == ["slow@example.org"]
    assert log.refused() == {
        550: [*before.get(550, []), "DEAD@example.org"],
        451: [*before.get(451, []), "slow@example.org"],
    }


def test_commands_out_of_order_are_refused(server: ServerProcess) -> None:
    """DATA without a recipient, RCPT without MAIL and an unknown word get an error, and the session goes on."""
    with smtplib.SMTP("127.0.0.1", server.port, timeout=10) as client:
        client.ehlo()
        assert client.docmd("RCPT", "TO:<maria@example.org>")[0] == 503
        assert client.docmd("DATA")[0] == 503
        assert client.docmd("VRFY", "maria")[0] == 502
        assert client.docmd("MAIL", "FROM:<>")[0] == 250
        assert client.docmd("RCPT", "TO:<maria@example.org>")[0] == 250
        assert client.docmd("RCPT", "TO:<ana@example.org>")[0] == 452
        assert client.docmd("RSET")[0] == 250
        assert client.docmd("DATA")[0] == 503


def test_pipelined_commands_are_all_answered(server: ServerProcess) -> None:
    """A whole transaction in one write, and another behind it, get their replies in order."""
    words = b"MAIL FROM:<a@example.org>\r\nRCPT TO:<%s>\r\nDATA\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as wire, wire.makefile("rb") as replies:
        wire.sendall(b"EHLO x\r\n" + words % b"maria@example.org")
        codes = [replies.readline()[:4] for _ in range(9)]
        assert codes == [b"220 ", *[b"250-"] * 4, b"250 ", b"250 ", b"250 ", b"354 "]
        wire.sendall(MESSAGE + b".\r\n" + words % b"dead@example.org")
        assert [replies.readline()[:3] for _ in range(4)] == [b"250", b"250", b"550", b"503"]


def test_a_taken_port_is_refused_in_a_sentence(server: ServerProcess, folder: Path) -> None:
    """A port that is asked for and taken is an error that names the way out."""
    with pytest.raises(UsageError, match="--port 0 takes any free one"):
        ServerProcess(folder, server.port)


def test_reading_what_is_inside() -> None:
    """Links come as a reader's program sees them, and the one-click address only where it is offered."""
    message = parse(MESSAGE)
    assert list(links_of(html_of(message))) == ["http://127.0.0.1/c/token/1?a=1&b=2"]
    assert one_click_url(message) == "http://127.0.0.1/u/token"
    assert one_click_url(parse(MESSAGE.replace(b"List-Unsubscribe-Post", b"X-Other"))) is None
