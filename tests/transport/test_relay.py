"""Reading a relay's url."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfs_mail.errors import TransportError
from rfs_mail.transport.relay import Relay, Tls, is_loopback, parse_relay_url


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtp://mail.example.org", Relay("mail.example.org", 587, Tls.STARTTLS)),
        ("smtp://mail.example.org:25", Relay("mail.example.org", 25, Tls.STARTTLS)),
        ("smtp://mail.example.org:465", Relay("mail.example.org", 465, Tls.TLS)),
        ("smtps://mail.example.org", Relay("mail.example.org", 465, Tls.TLS)),
        ("smtp://mail.example.org:25?tls=none", Relay("mail.example.org", 25, Tls.NONE)),
        ("smtp://127.0.0.1:2525", Relay("127.0.0.1", 2525, Tls.NONE)),
        ("smtp://localhost:2525/", Relay("localhost", 2525, Tls.NONE)),
        ("smtp://[::1]:2525", Relay("::1", 2525, Tls.NONE)),
        ("smtp://127.0.0.1:2525?tls=starttls", Relay("127.0.0.1", 2525, Tls.STARTTLS)),
        (
            "smtp://drip%40example.org:p%40ss%3Aw%2Frd@mail.example.org:587?tls=starttls",
            Relay("mail.example.org", 587, Tls.STARTTLS, "drip@example.org", "p@ss:w/rd"),
        ),
        (
            "smtp://mail.example.org?verify=no&ca=/etc/ca.pem&helo=out.example.org",
            Relay("mail.example.org", 587, Tls.STARTTLS, verify=False, ca=Path("/etc/ca.pem"), helo="out.example.org"),
        ),
    ],
)
def test_urls(url: str, expected: Relay) -> None:
    """Host, port, privacy and login are read; what is not said is safe, and plain only on this machine."""
    assert expected == parse_relay_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "mail.example.org",
        "http://mail.example.org",
        "smtp://",
        "smtp://:25",
        "smtp://mail.example.org:port",
        "smtp://mail.example.org:99999",
        "smtp://mail_host.example.org",
        "smtp://mail.example.org/inbox",
        "smtp://mail.example.org?tls=maybe",
        "smtp://mail.example.org?ssl=yes",
        "smtp://mail.example.org?verify=maybe",
        "smtp://mail.example.org?helo=a%20b",
        "smtps://mail.example.org?tls=none",
        "smtp://u:secret#word@mail.example.org",
        "smtp://u:secret/word@mail.example.org",
        "smtp://u:secretword@[bad",
        "smtp://mail.example.org\r\nx",
    ],
)
def test_what_cannot_be_read_is_refused_without_the_password(url: str) -> None:
    """A wrong url is refused with the right form, and the message shows no part of a password."""
    with pytest.raises(TransportError) as caught:
        parse_relay_url(url)

    assert "secret" not in str(caught.value)


@given(st.text(min_size=1, max_size=30), st.text(min_size=12, max_size=30))
def test_a_password_is_read_and_never_shown(username: str, password: str) -> None:
    """Any name and password come through percent-encoding, and no representation shows the password."""
    encoded = "".join(f"%{octet:02X}" for octet in password.encode("utf-8", "replace"))
    name = "".join(f"%{octet:02X}" for octet in username.encode("utf-8", "replace"))
    relay = parse_relay_url(f"smtp://{name}:{encoded}@mail.example.org")

    assert password.encode("utf-8", "replace").decode() == relay.password
    assert relay.password not in f"{relay!r} {relay.name}".replace(relay.username, "")


@pytest.mark.parametrize(
    ("host", "expected"),
    [("localhost", True), ("127.9.9.9", True), ("::1", True), ("mail.example.org", False), ("10.0.0.1", False)],
)
def test_loopback(host: str, expected: bool) -> None:
    """This machine is known by its names and addresses."""
    assert expected == is_loopback(host)


def test_names() -> None:
    """A relay's name holds host and port only."""
    assert parse_relay_url("smtp://u:p@mail.example.org:25").name == "smtp://mail.example.org:25"
    assert parse_relay_url("smtp://[::1]:25").name == "smtp://[::1]:25"
