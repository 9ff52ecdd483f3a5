"""Cutting a stream of octets into replies, however it comes."""

import asyncio
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfs_mail.transport.wire import Wire, WireGoneError


class Loopback(asyncio.Transport):
    """A transport that leads nowhere and notes what happens to it."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.aborted = False

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Taken."""

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Taken."""

    def is_closing(self) -> bool:
        """Closed once aborted."""
        return self.aborted

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Noted."""
        self.written += bytes(data)

    def abort(self) -> None:
        """Noted."""
        self.aborted = True


REPLIES = st.lists(
    st.tuples(
        st.integers(200, 599),
        st.lists(
            st.text(st.characters(exclude_categories=["Cc", "Cs"], codec="utf-8"), max_size=20), min_size=1, max_size=4
        ),
    ),
    min_size=1,
    max_size=5,
)


@given(REPLIES, st.sampled_from([b"\r\n", b"\n"]), st.data())
def test_replies_come_out_whole_however_they_are_cut(
    replies: list[tuple[int, list[str]]], end: bytes, data: st.DataObject
) -> None:
    """Several replies, of one line or many, in pieces of any size, come out in order."""
    stream = b"".join(
        b"%d%b%b%b" % (code, b" " if line is lines[-1] and number == len(lines) - 1 else b"-", line.encode(), end)
        for code, lines in replies
        for number, line in enumerate(lines)
    )
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))

    async def feed() -> list[tuple[int, str]]:
        wire = Wire(Loopback(), pipelining=True, size=False)
        wire.write(b"x", len(replies))
        for begin, stop in zip([0, *cuts], [*cuts, len(stream)], strict=True):
            wire.data_received(stream[begin:stop])
        return [await wire.reply(1) for _ in replies]

    assert [(code, " ".join(lines)) for code, lines in replies] == asyncio.run(feed())


@pytest.mark.parametrize(
    "noise", [b"hello\r\n", b"2\r\n", b"250_x\r\n", b"\r\n", b"25x ok\r\n", b"250-x\r\n" * 20_000, b"2" * 100_000]
)
def test_what_is_not_smtp_ends_the_connection(noise: bytes) -> None:
    """Nonsense and replies without an end break the connection instead of being waited for or kept."""

    async def feed() -> bool:
        transport = Loopback()
        wire = Wire(transport, pipelining=True, size=False)
        wire.write(b"x", 1)
        wire.data_received(noise)
        with pytest.raises(WireGoneError):
            await wire.reply(1)
        return transport.aborted

    assert asyncio.run(feed())


def test_a_relay_that_speaks_unasked_is_left() -> None:
    """A reply that no command asked for would be taken for the next one: the connection ends."""

    async def feed() -> tuple[bool, bool]:
        transport = Loopback()
        wire = Wire(transport, pipelining=True, size=False)
        wire.data_received(b"250 surprise\r\n")
        return transport.aborted, wire.usable

    assert asyncio.run(feed()) == (True, False)


def test_replies_that_came_before_the_end_are_still_read() -> None:
    """What a relay said before it closed is read first; then the connection is gone."""

    async def feed() -> tuple[int, str]:
        wire = Wire(Loopback(), pipelining=True, size=False)
        wire.write(b"x", 2)
        wire.data_received(b"550 no\r\n")
        wire.connection_lost(ConnectionResetError("reset"))
        first = await wire.reply(1)
        with pytest.raises(WireGoneError):
            await wire.reply(1)
        with pytest.raises(WireGoneError):
            wire.write(b"x", 1)
        return first

    assert asyncio.run(feed()) == (550, "no")


def test_text_that_is_no_utf8_is_kept_readable() -> None:
    """A relay's Latin-1 does no harm."""

    async def feed() -> tuple[int, str]:
        wire = Wire(cast(asyncio.Transport, Loopback()), pipelining=True, size=False)
        wire.write(b"x", 1)
        wire.data_received(b"550 inconnu \xe9\r\n")
        return await wire.reply(1)

    assert asyncio.run(feed()) == (550, "inconnu �")
