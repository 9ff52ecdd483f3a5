"""A relay looked at: everything it shows, and where it ends."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from rfs_mail.clock import now
from rfs_mail.transport.probe import Look, look_at
from rfs_mail.transport.relay import parse_relay_url
from tests.transport.certificates import make_certificate
from tests.transport.smtp_server import Drop, SmtpServer, Stall


def look(server: SmtpServer, rest: str = "", *, user: str = "") -> Look:
    """Look at it as `smtp://USER@localhost:PORT REST` says."""
    relay = parse_relay_url(f"smtp://{user}localhost:{server.port}{rest}")
    return asyncio.run(look_at(relay, "127.0.0.1"))


def test_a_plain_relay_shows_what_it_can() -> None:
    """Greeting and extensions, and it is left with QUIT and without a mail."""
    with SmtpServer(size=1000) as server:
        found = look(server, "?helo=mail.example.org")
        server.wait_until_left()
    assert ("", False, "", None) == (found.failed, found.logged_in, found.tls, found.certificate_ends)
    assert {"PIPELINING": "", "SIZE": "1000"}.items() <= found.extensions.items()
    assert found.greeting
    assert ["EHLO mail.example.org", "QUIT"] == [line for _, line in server.commands]


@pytest.mark.parametrize("way", ["starttls", "tls"])
def test_tls_is_read_with_its_certificate(tmp_path: Path, way: str) -> None:
    """Version, cipher and the day the certificate ends, with TLS from the first byte or from STARTTLS on."""
    made = make_certificate(tmp_path)
    how: dict[str, Any] = {way: made.context}
    with SmtpServer(**how) as server:
        found = look(server, f"?tls={way}&ca={made.certificate}")
    assert ("", "TLSv1.3") == (found.failed, found.tls)
    assert found.cipher.startswith("TLS_")
    assert found.certificate_ends is not None
    assert timedelta(days=300) < found.certificate_ends - now() < timedelta(days=366)


@pytest.mark.parametrize("way", ["starttls", "tls"])
def test_a_certificate_that_is_over_is_the_finding(tmp_path: Path, way: str) -> None:
    """An expired certificate, and one of an authority we do not know, end it there; `verify=no` goes on."""
    made = make_certificate(tmp_path, expired=True)
    how: dict[str, Any] = {way: made.context}
    with SmtpServer(**how) as server:
        over = look(server, f"?tls={way}&ca={made.certificate}")
        unknown = look(server, f"?tls={way}")
        anyway = look(server, f"?tls={way}&verify=no")
        no_file = look(server, f"?tls={way}&ca={tmp_path}/none.pem")
    assert ("certificate", "certificate has expired") == (over.failed, over.said)
    assert "certificate" == unknown.failed
    assert ("", "TLSv1.3", None) == (anyway.failed, anyway.tls, anyway.certificate_ends)
    assert "cannot be read" in no_file.said


@pytest.mark.parametrize("methods", [("PLAIN",), ("LOGIN",), ("LOGIN", "PLAIN")])
def test_a_login_is_tried(methods: tuple[str, ...]) -> None:
    """With the right password it is let in; with a wrong one it says so, and the password is nowhere."""
    with SmtpServer(auth={"ana": "s3cret-å"}, auth_methods=methods) as server:
        assert look(server, "?tls=none", user="ana:s3cret-%C3%A5@").logged_in
        wrong = look(server, "?tls=none", user="ana:guess@")
    assert ("auth", False) == (wrong.failed, wrong.logged_in)
    assert wrong.said.startswith("535")
    with SmtpServer(script={"*": {"auth": "535 5.7.8 guess is wrong"}}, auth={"a": "b"}) as server:
        assert "guess" not in look(server, "?tls=none", user="ana:guess@").said


def test_a_login_that_cannot_be_tried_says_why() -> None:
    """A relay without AUTH, or with a kind we do not try."""
    with SmtpServer() as server:
        assert "it offers no AUTH" in look(server, "?tls=none", user="ana:x@").said
    with SmtpServer(auth={"a": "b"}, auth_methods=("CRAM-MD5",)) as server:
        assert "it offers CRAM-MD5" in look(server, "?tls=none", user="ana:x@").said


@pytest.mark.parametrize(
    ("script", "failed"),
    [
        ({"connect": "554 5.7.1 not from there"}, "greeting"),
        ({"connect": Drop()}, "greeting"),
        ({"ehlo": "550 5.7.1 who are you"}, "ehlo"),
        ({"ehlo": "250 hello"}, "starttls"),
        ({"ehlo": Drop()}, "ehlo"),
    ],
)
def test_it_ends_where_the_relay_ends_it(script: dict[str, Any], failed: str, tmp_path: Path) -> None:
    """A refusal or a break is a finding at its place, with what was said."""
    with SmtpServer(script={"*": script}, starttls=make_certificate(tmp_path).context) as server:
        found = look(server, "?tls=starttls")
    assert failed == found.failed
    assert found.said


def test_nobody_there_is_a_finding() -> None:
    """A closed port."""
    with SmtpServer() as server:
        port = server.port
    relay = parse_relay_url(f"smtp://127.0.0.1:{port}")
    assert "connect" == asyncio.run(look_at(relay, "127.0.0.1")).failed


def test_a_relay_that_says_nothing_is_left() -> None:
    """Cancelled in the middle it closes its connection."""

    async def impatient(port: int) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await look_at(parse_relay_url(f"smtp://127.0.0.1:{port}"), "127.0.0.1")

    with SmtpServer(script={"*": {"connect": Stall()}}) as server:
        asyncio.run(impatient(server.port))
