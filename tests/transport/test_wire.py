"""One connection by itself: cutting a stream of octets into replies, and what a broken or lying relay makes of it."""

import asyncio
from collections import deque
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfs_mail.core.verdict import Accepted, Deferred, Phase, Rejected, Scope, Uncertain, Verdict
from rfs_mail.transport.base import Envelope
from rfs_mail.transport.wire import Mail, Manners, Timeouts, Wire

BODY = b"Subject: x\r\n\r\nhello\r\n.\r\n"


class Loopback(asyncio.Transport):
    """A transport that leads nowhere, notes what is written, and keeps back what it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.aborted = False
        self.breaks = False
        self.kept = 0

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Taken."""

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Taken."""

    def get_write_buffer_size(self) -> int:
        """What is kept back."""
        return self.kept

    def is_closing(self) -> bool:
        """Closed once aborted."""
        return self.aborted

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Noted, unless the system refuses it, which closes."""
        self.aborted = self.aborted or self.breaks
        if not self.aborted:
            self.written += bytes(data)

    def abort(self) -> None:
        """Noted."""
        self.aborted = True


class Queue:
    """A pool of one connection: the mails that wait for it, and what became of it."""

    def __init__(self) -> None:
        self.waiting: deque[Mail] = deque()
        self.ended = False
        self.anew: Mail | None = None

    def next_mail(self, wire: Wire) -> Mail | None:
        """The first that waits."""
        return self.waiting.popleft() if self.waiting else None

    def rested(self, wire: Wire) -> None:
        """Fine."""

    def again(self, mail: Mail) -> None:
        """It waits again."""
        self.waiting.appendleft(mail)

    def over(self, wire: Wire, anew: Mail | None) -> None:
        """Noted."""
        self.ended, self.anew = True, anew


class Talk:
    """A wire with `count` mails to carry, all given at once; `say` is what the relay answers."""

    def __init__(self, count: int, *, pipelining: bool = True) -> None:
        self.transport = Loopback()
        self.pool = Queue()
        self.manners = Manners("smtp://relay.example.org:25")
        self.wire = Wire(self.transport, self.pool, self.manners, Timeouts(), pipelining=pipelining, size=False)
        future = asyncio.get_running_loop().create_future
        envelopes = [Envelope("b@example.org", f"p{number}@example.org") for number in range(count)]
        self.mails = [Mail(envelope, BODY, future()) for envelope in envelopes]
        self.pool.waiting += self.mails[1:]
        if self.mails:
            self.wire.begin(self.mails[0])

    def say(self, *replies: str) -> None:
        """One packet."""
        self.wire.data_received(b"".join(reply.encode() + b"\r\n" for reply in replies))

    @property
    def verdicts(self) -> list[Verdict | None]:
        """What is known so far."""
        return [mail.answer.result() if mail.answer.done() else None for mail in self.mails]


LINES = st.lists(
    st.text(st.characters(exclude_categories=["C", "Z"], codec="utf-8"), min_size=1, max_size=20),
    min_size=1,
    max_size=4,
)


@given(st.lists(LINES, min_size=1, max_size=5), st.sampled_from([b"\r\n", b"\n"]), st.booleans(), st.data())
def test_replies_come_out_whole_however_they_are_cut(
    texts: list[list[str]], end: bytes, pipelining: bool, data: st.DataObject
) -> None:
    """Replies of one line or many, several in a packet or one in pieces of any size, reach the mail they are for."""

    def reply(code: int, lines: Sequence[str]) -> bytes:
        last = len(lines) - 1
        return b"".join(
            b"%d%b%b%b" % (code, b" " if at == last else b"-", line.encode(), end) for at, line in enumerate(lines)
        )

    async def feed() -> list[Verdict | None]:
        talk = Talk(len(texts), pipelining=pipelining)
        stream, answered, open_mails, in_body = b"", 0, 0, False
        while True:  # answer what has been asked since, as a relay would, and send it in pieces
            asked = talk.transport.written[answered:]
            answered += len(asked)
            for line in asked.splitlines(keepends=True):
                if in_body:
                    if line == b".\r\n":
                        in_body = False
                        stream += reply(250, texts[open_mails])
                        open_mails += 1
                elif line == b"DATA\r\n":
                    in_body = True
                    stream += reply(354, texts[open_mails])
                else:
                    stream += reply(250, texts[open_mails])
            if not stream:
                return talk.verdicts
            cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
            for begin, stop in zip([0, *cuts], [*cuts, len(stream)], strict=True):
                talk.wire.data_received(stream[begin:stop])
            stream = b""

    verdicts = asyncio.run(feed())

    assert [(Accepted, " ".join(lines)) for lines in texts] == [
        (type(verdict), verdict.text if verdict else None) for verdict in verdicts
    ]


def test_every_place_to_cut_a_pipelined_conversation() -> None:
    """Two packets, cut at each octet of two mails' replies: the same verdicts."""
    stream = b"250-2.0.0 one\r\n250 two\r\n250 2.1.0 ok\r\n550-5.1.1 no\r\n550 5.1.1 such user\r\n554 nobody\r\n"

    async def feed(at: int) -> list[Verdict | None]:
        talk = Talk(2)
        talk.say("250 ok", "250 ok", "354 go")
        talk.wire.data_received(stream[:at])
        talk.wire.data_received(stream[at:])
        return talk.verdicts

    for at in range(len(stream) + 1):
        first, second = asyncio.run(feed(at))
        assert Accepted(250, "2.0.0", "2.0.0 one two") == first
        assert isinstance(second, Rejected)
        assert (Phase.RCPT, "5.1.1 no 5.1.1 such user") == (second.phase, second.text)


@pytest.mark.parametrize(
    "noise", [b"hello\r\n", b"2\r\n", b"250_x\r\n", b"\r\n", b"25x ok\r\n", b"250-x\r\n" * 20_000, b"2" * 100_000]
)
def test_what_is_not_smtp_ends_the_connection(noise: bytes) -> None:
    """Nonsense and replies without an end break the connection instead of being waited for or kept."""

    async def feed() -> tuple[bool, list[Verdict | None]]:
        talk = Talk(1)
        talk.wire.data_received(noise)
        return talk.transport.aborted, talk.verdicts

    aborted, (verdict,) = asyncio.run(feed())

    assert (True, Deferred) == (aborted, type(verdict))


def test_a_relay_that_speaks_unasked_is_left() -> None:
    """A reply that no command asked for would be taken for the next one: the connection ends."""

    async def feed() -> tuple[bool, bool, bool]:
        talk = Talk(0)
        talk.say("250 surprise")
        return talk.transport.aborted, talk.wire.usable, talk.pool.ended

    assert (True, False, True) == asyncio.run(feed())


@pytest.mark.parametrize("pipelining", [True, False])
def test_a_reply_too_many_before_the_body_holds_the_body_back(pipelining: bool) -> None:
    """What would be taken for the answer to the dot, said before the body left, keeps it from leaving."""

    async def feed() -> Talk:
        talk = Talk(1, pipelining=pipelining)
        if pipelining:
            talk.say("250 ok", "250 ok", "354 go", "250 taken")
        else:
            talk.say("250 ok")
            talk.say("250 ok")
            talk.say("354 go", "250 taken")
        return talk

    talk = asyncio.run(feed())

    assert [(Deferred, True)] == [(type(verdict), verdict.requeue_without_attempt) for verdict in talk.verdicts]  # type: ignore[union-attr]
    assert BODY not in talk.transport.written
    assert pipelining == talk.manners.in_step


def test_replies_that_came_before_the_end_count() -> None:
    """What a relay said before it closed is its verdict; who had none is deferred."""

    async def feed() -> Talk:
        talk = Talk(2)
        talk.say("250 ok", "250 ok", "354 go")
        talk.say("550 5.7.1 no")
        talk.wire.connection_lost(ConnectionResetError("reset"))
        return talk

    talk = asyncio.run(feed())

    assert isinstance(talk.verdicts[0], Rejected)
    assert (None, talk.mails[1]) == (talk.verdicts[1], talk.pool.anew)


def test_text_that_is_no_utf8_is_kept_readable() -> None:
    """A relay's Latin-1 does no harm."""

    async def feed() -> list[Verdict | None]:
        talk = Talk(1)
        talk.wire.data_received(b"250 ok\r\n550 inconnu \xe9\r\n554 no\r\n")
        return talk.verdicts

    (verdict,) = asyncio.run(feed())

    assert isinstance(verdict, Rejected)
    assert (550, "inconnu �") == (verdict.code, verdict.text)


def test_a_recipient_without_a_sender_gets_no_empty_message() -> None:
    """A relay that refused MAIL, took RCPT and DATA all the same would deliver a lone dot: it gets nothing."""

    async def feed() -> Talk:
        talk = Talk(1)
        talk.say("451 4.3.0 busy", "250 ok", "354 go")
        return talk

    talk = asyncio.run(feed())

    assert [Deferred] == [type(verdict) for verdict in talk.verdicts]
    assert b"\r\n.\r\n" not in talk.transport.written
    assert (True, True) == (talk.transport.aborted, talk.manners.in_step)


def test_the_order_is_proven_before_an_early_verdict_is_believed() -> None:
    """The first mail with another behind it has its verdict when that one's 354 shows that nothing was mixed up."""

    async def feed() -> tuple[list[Verdict | None], list[Verdict | None], list[Verdict | None]]:
        talk = Talk(4)
        talk.say("250 ok", "250 ok", "354 go")
        talk.say("250 taken", "250 ok")
        before = talk.verdicts
        talk.say("250 ok", "354 go")
        after = talk.verdicts
        talk.say("250 taken")
        return before, after, talk.verdicts

    before, after, later = asyncio.run(feed())

    assert [None, None, None, None] == before
    assert [Accepted, type(None)] == [type(verdict) for verdict in after[:2]]
    assert [Accepted, Accepted] == [type(verdict) for verdict in later[:2]]


@pytest.mark.parametrize(
    "replies",
    [
        ["250 MAIL", "250 RCPT", "354 DATA", "550 the dot, late"],
        ["250 MAIL", "550 the dot, late", "250 RCPT", "354 DATA"],
        ["250 too", "250 much", "250 said", "250 here"],
        ["250 dot", "354 DATA", "250 MAIL", "250 RCPT"],
    ],
)
def test_replies_that_do_not_belong_together_leave_the_one_before_in_doubt(replies: list[str]) -> None:
    """An order that no relay may answer in (RFC 2920 section 3.2): uncertain, deferred, and lock-step from then on."""

    async def feed() -> Talk:
        talk = Talk(2)
        talk.say("250 ok", "250 ok", "354 go")
        talk.say(*replies)
        return talk

    talk = asyncio.run(feed())

    assert isinstance(talk.verdicts[0], Uncertain)
    assert talk.transport.written.count(BODY) == 1
    assert talk.verdicts[1] is None or isinstance(talk.verdicts[1], Deferred | Rejected)
    assert (True, True) == (talk.transport.aborted, talk.manners.in_step)


@pytest.mark.parametrize(("kept", "expected"), [(0, Accepted), (10, Accepted), (200, Deferred)])
def test_a_reply_while_some_of_the_write_is_still_here(kept: int, expected: type) -> None:
    """Where the dot and the next commands went out in one write, what is still here says whether the dot has left."""

    async def feed() -> Talk:
        talk = Talk(0)
        talk.manners.groups_proven = True
        future = asyncio.get_running_loop().create_future
        talk.mails = [Mail(Envelope("b@example.org", f"p{n}@example.org"), BODY, future()) for n in range(2)]
        talk.pool.waiting.append(talk.mails[1])
        talk.wire.begin(talk.mails[0])
        write = talk.transport.write

        def short(data: bytes | bytearray | memoryview) -> None:
            write(data)
            talk.transport.kept = kept
            talk.wire.pause_writing()

        talk.transport.write = short  # type: ignore[method-assign]
        talk.say("250 ok", "250 ok", "354 go")
        talk.say("250 taken", "250 ok", "250 ok", "354 go")
        return talk

    talk = asyncio.run(feed())

    assert expected is type(talk.verdicts[0])


@pytest.mark.parametrize("before", [True, False], ids=["closed", "closes at the write"])
def test_a_write_on_a_closed_connection_sent_nothing(before: bool) -> None:
    """A body that was given to a connection which is over by then is deferred, not uncertain."""

    async def feed() -> Talk:
        talk = Talk(1)
        talk.say("250 ok", "250 ok")
        talk.transport.aborted, talk.transport.breaks = before, not before
        talk.say("354 go")
        return talk

    talk = asyncio.run(feed())

    (verdict,) = talk.verdicts
    assert isinstance(verdict, Deferred)
    assert (Scope.CONNECTION, Phase.DOT) == (verdict.scope, verdict.phase)
