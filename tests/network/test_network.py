"""The DNS and a page, asked for real on this machine."""

import asyncio
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from rfs_mail.core.domain_records import Answer, Question, RecordType, UnknownAnswerError, spf
from rfs_mail.errors import UsageError
from rfs_mail.network import NoAddressError, NoReplyError, Reply, Resolver, addresses, in_background, post_form
from rfs_mail.network import dns as asking
from tests.network.name_server import NameServer
from tests.transport.certificates import make_certificate

ZONE = {
    "TXT example.org": ["v=spf1 include:in.example.org -all", "hello"],
    "TXT long.example.org": ['"v=DKIM1; p=abc" "def"'],
    "TXT in.example.org": ["v=spf1 a -all"],
    "MX example.org": ["20 two.example.org.", "10 one.example.org."],
    "A example.org": ["192.0.2.1"],
    "AAAA example.org": ["2001:db8::1"],
    "AAAA six.example.org": ["2001:db8::6"],
    "PTR 1.2.0.192.in-addr.arpa": ["mail.example.org."],
    "* broken.example.org": "broken",
    "* silent.example.org": "silent",
}


def ask(kind: RecordType, name: str) -> Answer:
    """One question to that zone."""

    async def once(place: str) -> Answer:
        return await Resolver(place).ask(Question(kind, name))

    with NameServer(ZONE) as server:
        return asyncio.run(once(server.place))


@pytest.mark.parametrize(
    ("kind", "name", "values"),
    [
        (RecordType.TXT, "example.org", {"v=spf1 include:in.example.org -all", "hello"}),
        (RecordType.TXT, "long.example.org", {"v=DKIM1; p=abcdef"}),
        (RecordType.MX, "example.org", {"20 two.example.org.", "10 one.example.org."}),
        (RecordType.ADDRESS, "example.org", {"192.0.2.1", "2001:db8::1"}),
        (RecordType.ADDRESS, "six.example.org", {"2001:db8::6"}),
        (RecordType.PTR, "192.0.2.1", {"mail.example.org."}),
        (RecordType.MX, "in.example.org", set()),
        (RecordType.TXT, "gone.example.org", set()),
        (RecordType.TXT, f"{'x' * 60}.example.org", set()),
    ],
)
def test_what_a_name_server_says(kind: RecordType, name: str, values: set[str]) -> None:
    """Records as text, a TXT record's strings joined; no such record and no such name are both none, and known."""
    answer = ask(kind, name)
    assert (values, True) == (set(answer.values), answer.known)


@pytest.mark.parametrize("name", ["broken.example.org", "silent.example.org", f"{'x' * 70}.example.org", "a..b"])
def test_no_answer_is_unknown(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name server in trouble, one that swallows questions, and a name that cannot be, say nothing of the domain."""
    monkeypatch.setattr(asking, "LIFETIME", 0.3)
    answer = ask(RecordType.TXT, name)
    assert ((), False) == (answer.values, answer.known)
    assert answer.why


def test_a_question_is_asked_once() -> None:
    """Whoever asks the same waits for the same answer, and walks share them."""

    async def many(place: str) -> object:
        resolver = Resolver(place)
        await asyncio.gather(*(resolver.ask(Question(RecordType.TXT, "example.org")) for _ in range(20)))
        return await resolver.walk(spf("example.org"))

    with NameServer(ZONE) as server:
        found = asyncio.run(many(server.place))
        assert ["TXT example.org", "TXT in.example.org"] == server.asked
    assert 2 == getattr(found, "lookups", None)


def test_a_walk_that_misses_an_answer_says_so() -> None:
    """It ends in an error that names the record."""

    async def walk(place: str) -> None:
        with pytest.raises(UnknownAnswerError, match=r"TXT of broken\.example\.org could not be looked up"):
            await Resolver(place).walk(spf("broken.example.org"))

    with NameServer(ZONE) as server:
        asyncio.run(walk(server.place))


@pytest.mark.parametrize("server", ["nine", "9.9.9.9:x", "[::1", "", "9.9.9"])
def test_a_name_server_is_an_address(server: str) -> None:
    """Anything else is asked wrongly."""
    with pytest.raises(UsageError, match="Write its address"):
        Resolver(server)


def test_a_host_is_found_and_one_that_is_not_is_named() -> None:
    """An address is itself; a host that cannot exist says so."""
    assert ("192.0.2.1",) == asyncio.run(addresses("192.0.2.1"))
    assert "127.0.0.1" in asyncio.run(addresses("localhost"))
    with pytest.raises(NoAddressError, match=r"no-such-host\.invalid has no address"):
        asyncio.run(addresses("no-such-host.invalid"))


def test_what_hangs_is_left_behind() -> None:
    """Work that does not end keeps neither the caller nor the loop; work that fails fails for its caller."""
    free = threading.Event()

    async def impatient() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await in_background(lambda: free.wait(60))
        with pytest.raises(ZeroDivisionError):
            await in_background(lambda: 1 / 0)

    asyncio.run(impatient())
    free.set()


# -- pages -------------------------------------------------------------------------------------------------------------


@contextmanager
def page(answer: bytes, context: ssl.SSLContext | None = None) -> Iterator[tuple[int, list[bytes]]]:
    """A server that answers everybody the same; its port, and what it was sent."""
    heard: list[bytes] = []
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                plain, _ = listening.accept()
            except OSError:
                return
            try:
                one = context.wrap_socket(plain, server_side=True) if context else plain
            except OSError:
                plain.close()
                continue
            with one:
                request = one.recv(65536)
                while b"\r\n\r\n" not in request or not request.endswith(b"One-Click"):
                    more = one.recv(65536)
                    if not more:
                        break
                    request += more
                heard.append(request)
                one.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield listening.getsockname()[1], heard
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()


FORM = "List-Unsubscribe=One-Click"


@pytest.mark.parametrize(
    ("answer", "reply"),
    [
        (b"HTTP/1.1 200 OK\r\nX-A: b\r\n\r\nhello", Reply(200, {"x-a": "b"}, b"hello")),
        (b"HTTP/1.1 302 Found\r\nLocation: /x\r\n\r\n", Reply(302, {"location": "/x"}, b"")),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n",
            Reply(200, {"transfer-encoding": "chunked"}, b"hello"),
        ),
    ],
)
def test_a_post_is_answered_as_it_comes(answer: bytes, reply: Reply) -> None:
    """No redirect is followed; the request carries a form and no cookie."""
    with page(answer) as (port, heard):
        assert reply == asyncio.run(post_form(f"http://127.0.0.1:{port}/u/abc", FORM))
    (request,) = heard
    assert request.startswith(b"POST /u/abc HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n" % port)
    assert request.endswith(b"\r\n\r\nList-Unsubscribe=One-Click")
    assert b"cookie" not in request.lower()


@pytest.mark.parametrize("answer", [b"", b"220 mail.example.org ESMTP\r\n\r\n", b"HTTP/1.1 yes\r\n\r\n"])
def test_what_is_not_http_is_said(answer: bytes) -> None:
    """Another service behind the port is a sentence."""
    with page(answer) as (port, _), pytest.raises(NoReplyError, match="answered something that is not HTTP"):
        asyncio.run(post_form(f"http://127.0.0.1:{port}/", FORM))


def test_https_checks_the_certificate(tmp_path: Path) -> None:
    """Trusted by its authority it is read; else the certificate is the finding."""
    made = make_certificate(tmp_path)
    with page(b"HTTP/1.1 200 OK\r\n\r\nyes", made.context) as (port, _):
        trust = ssl.create_default_context(cafile=made.certificate)
        reply = asyncio.run(post_form(f"https://localhost:{port}/u/x", FORM, trust=trust))
        assert (200, b"yes") == (reply.status, reply.body)
        with pytest.raises(NoReplyError, match="its certificate is not to be trusted"):
            asyncio.run(post_form(f"https://localhost:{port}/u/x", FORM))


def test_a_closed_port_is_said() -> None:
    """Nobody listens there."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    with pytest.raises(NoReplyError, match=f"no connection to 127.0.0.1:{port}"):
        asyncio.run(post_form(f"http://127.0.0.1:{port}/", FORM))
