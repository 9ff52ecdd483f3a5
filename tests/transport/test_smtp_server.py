"""The scripted server itself: that what other tests build on does what it says."""

import json
import signal
import smtplib
import subprocess
import sys
from pathlib import Path

import pytest

from tests.transport.smtp_server import Drop, SmtpServer

RAW = b"Subject: x\r\nMessage-ID: <1@example.org>\r\n\r\n.one\r\n..two\r\n.\r\nthree\r\n"


def test_it_keeps_what_a_foreign_client_sends() -> None:
    """The standard library's client delivers, and the server undoes its dot-stuffing."""
    with SmtpServer(pipelining=False) as server, smtplib.SMTP("127.0.0.1", server.port) as client:
        client.sendmail("a@example.org", ["b@example.org", "c@example.org"], RAW)
        (received,) = server.messages

        assert (received.mail_from, received.rcpt_to) == ("a@example.org", ("b@example.org", "c@example.org"))
        assert received.data == RAW
        assert server.violations == []


def test_a_script_is_used_up_in_order() -> None:
    """A list of actions is used one a time, None being the default, and afterwards the default remains."""
    with SmtpServer(script={"b@example.org": {"rcpt": ["451 4.7.1 later", None, Drop()]}}) as server:
        for expected in (smtplib.SMTPRecipientsRefused, None, smtplib.SMTPServerDisconnected, None):
            with smtplib.SMTP("127.0.0.1", server.port) as client:
                if expected is None:
                    client.sendmail("a@example.org", "b@example.org", RAW)
                else:
                    with pytest.raises(expected):
                        client.sendmail("a@example.org", "b@example.org", RAW)
        server.wait_for(2)

        assert [received.number for received in server.messages] == [1, 2]


def test_it_notices_what_no_client_may_do() -> None:
    """Bare line feeds in a message are kept and noted."""
    with SmtpServer() as server, smtplib.SMTP("127.0.0.1", server.port) as client:
        client.docmd("MAIL FROM:<a@example.org>")
        client.docmd("RCPT TO:<b@example.org>")
        client.docmd("DATA")
        client.send(b"one\ntwo\r\n.\r\n")
        client.getreply()

        assert server.messages[0].data == b"one\ntwo\r\n"
        assert server.violations == ["a bare CR or LF in a message"]


def test_as_a_process_it_logs_before_it_answers(tmp_path: Path) -> None:
    """As a process of its own it prints its port, and the log has a message as soon as the client has its answer."""
    log = tmp_path / "accepted.jsonl"
    command = [sys.executable, "-m", "tests.transport.smtp_server", "--log", str(log)]
    script = json.dumps({"no@example.org": {"rcpt": "550 5.1.1 no"}})
    with subprocess.Popen([*command, "--script", script], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        client = smtplib.SMTP("127.0.0.1", port)
        client.sendmail("a@example.org", "b@example.org", RAW)
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            client.sendmail("a@example.org", "no@example.org", RAW)
        (line,) = log.read_text().splitlines()
        client.close()
        process.send_signal(signal.SIGTERM)

        assert process.wait(10) == 0
    record = json.loads(line)
    assert record["rcpt_to"] == ["b@example.org"]
    assert (record["number"], record["message_id"]) == (1, "<1@example.org>")
