"""The transport that keeps messages."""

import asyncio

from rfs_mail.core.verdict import Accepted, Phase, Rejected, Uncertain, Verdict, from_reply
from rfs_mail.transport.base import Envelope, Transport
from rfs_mail.transport.memory import MemoryTransport

MARIA = Envelope("b@example.org", "maria@example.org")
ANA = Envelope("b@example.org", "ana@example.org")


def test_it_keeps_what_it_gets(message: bytes) -> None:
    """Messages are kept in order with their envelopes, and accepted; it is a Transport."""

    async def send() -> tuple[Transport, list[Verdict]]:
        transport: Transport = MemoryTransport()
        await transport.open()
        verdicts = [await transport.send(MARIA, message), await transport.send(ANA, message)]
        await transport.close()
        return transport, verdicts

    transport, verdicts = asyncio.run(send())

    assert isinstance(transport, MemoryTransport)
    assert [Accepted, Accepted] == [type(verdict) for verdict in verdicts]
    assert [(MARIA, message), (ANA, message)] == [(sent.envelope, sent.message) for sent in transport.sent]
    assert transport.name == "memory"


def test_answers_can_be_laid_down(message: bytes) -> None:
    """A recipient's answers come one after the other, then the usual one; an answer may be a function."""
    greylisted = from_reply(Phase.RCPT, 451, "4.7.1 later")
    transport = MemoryTransport()
    transport.script("maria@example.org", greylisted, lambda envelope, raw: Uncertain(f"{envelope.rcpt_to} {len(raw)}"))

    async def send() -> list[Verdict]:
        return [await transport.send(envelope, message) for envelope in (MARIA, ANA, MARIA, MARIA)]

    first, other, second, third = asyncio.run(send())

    assert (greylisted, Uncertain(f"maria@example.org {len(message)}")) == (first, second)
    assert [Accepted, Accepted] == [type(other), type(third)]
    assert [sent.envelope.rcpt_to for sent in transport.accepted] == ["ana@example.org", "maria@example.org"]


def test_it_refuses_what_a_relay_would_not_get(message: bytes) -> None:
    """An envelope or a message that never goes on a wire is refused here too, so that tests see it."""
    transport = MemoryTransport()

    async def send() -> list[Verdict]:
        return [
            await transport.send(Envelope("b@example.org", "x>\r\nDATA"), message),
            await transport.send(MARIA, b"a\nb\r\n"),
        ]

    assert [Rejected, Rejected] == [type(verdict) for verdict in asyncio.run(send())]
    assert transport.accepted == []
