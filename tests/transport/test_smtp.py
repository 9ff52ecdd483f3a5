"""The SMTP transport against a real server, on both event loops."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from rfs_mail.core.verdict import Accepted, BounceClass, Deferred, Phase, Rejected, Scope, Uncertain, Verdict
from rfs_mail.errors import TransportError
from rfs_mail.transport.base import Envelope
from rfs_mail.transport.relay import Relay, Tls, parse_relay_url
from rfs_mail.transport.smtp import SmtpTransport
from rfs_mail.transport.wire import Timeouts
from tests.transport.certificates import make_certificate
from tests.transport.conftest import Run
from tests.transport.smtp_server import Action, Drop, Hang, Slow, SmtpServer, Stall

MARIA = Envelope("b-abc@bounce.example.org", "maria@example.org")
ANA = Envelope("b-abd@bounce.example.org", "ana@example.org")
IMPATIENT = Timeouts(command=0.1, data=0.1)


def transport_to(server: SmtpServer, query: str = "", user: str = "", **options: object) -> SmtpTransport:
    url = f"smtp://{user}127.0.0.1:{server.port}{query}"
    return SmtpTransport(parse_relay_url(url), **options)  # type: ignore[arg-type]


async def send_all(transport: SmtpTransport, *mails: tuple[Envelope, bytes]) -> list[Verdict]:
    """Open, send one after the other, close."""
    await transport.open()
    try:
        return [await transport.send(envelope, message) for envelope, message in mails]
    finally:
        await transport.close()


@pytest.mark.parametrize("pipelining", [True, False])
def test_the_bytes_arrive_as_they_were(run: Run, message: bytes, pipelining: bool) -> None:
    """A message with dot lines arrives octet for octet, dot-stuffed once, and the connection ends with QUIT."""
    with SmtpServer(pipelining=pipelining) as server:
        verdicts = run(send_all(transport_to(server), (MARIA, message), (ANA, message)))
        server.wait_until_left()

        assert [Accepted(250, "2.0.0", f"2.0.0 queued as {number}") for number in (1, 2)] == verdicts
        assert [message, message] == [received.data for received in server.messages]
        assert message.replace(b"\r\n.", b"\r\n..") == server.messages[0].wire
        assert (
            server.messages[0].mail_from,
            server.messages[0].rcpt_to,
        ) == ("b-abc@bounce.example.org", ("maria@example.org",))
        assert server.connections == 1
        assert server.commands[-1] == (1, "QUIT")
        assert server.violations == []


def test_a_message_that_begins_with_a_dot(run: Run) -> None:
    """A dot in the very first place is doubled too."""
    with SmtpServer() as server:
        verdicts = run(send_all(transport_to(server), (MARIA, b".\r\n.x\r\n")))

        assert [Accepted] == [type(verdict) for verdict in verdicts]
        assert server.messages[0].data == b".\r\n.x\r\n"


def test_the_null_sender(run: Run, message: bytes) -> None:
    """An empty sender goes out as MAIL FROM:<>."""
    with SmtpServer() as server:
        run(send_all(transport_to(server), (Envelope("", "maria@example.org"), message)))

        assert server.messages[0].mail_from == ""


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize(
    ("phase", "reply", "expected"),
    [
        ("mail", "550 5.7.1 go away", (Rejected, Phase.MAIL, Scope.SENDER, BounceClass.POLICY)),
        ("mail", "451 4.3.0 busy", (Deferred, Phase.MAIL, Scope.SENDER, BounceClass.TRANSIENT)),
        ("rcpt", "550 5.1.1 no such user", (Rejected, Phase.RCPT, Scope.RECIPIENT, BounceClass.HARD)),
        ("rcpt", "452 4.2.2 mailbox full", (Deferred, Phase.RCPT, Scope.RECIPIENT, BounceClass.QUOTA)),
        ("data", "451 4.3.0 not now", (Deferred, Phase.DATA, Scope.CONTENT, BounceClass.TRANSIENT)),
        ("data", "554 5.6.0 not this", (Rejected, Phase.DATA, Scope.CONTENT, BounceClass.CONTENT)),
        ("dot", "554 5.7.1 looks like spam", (Rejected, Phase.DOT, Scope.CONTENT, BounceClass.POLICY)),
        ("dot", "451 4.7.1 greylisted, try again", (Deferred, Phase.DOT, Scope.CONTENT, BounceClass.TRANSIENT)),
    ],
)
def test_a_refusal_leaves_the_connection_fit_for_the_next(
    run: Run, message: bytes, pipelining: bool, phase: str, reply: str, expected: tuple[object, ...]
) -> None:
    """Whatever phase refuses one mail, the next goes over the same connection and never falls into its transaction."""
    with SmtpServer(pipelining=pipelining) as server:
        server.on(MARIA.mail_from if phase == "mail" else MARIA.rcpt_to, phase, reply)
        refused, accepted = run(send_all(transport_to(server), (MARIA, message), (ANA, message)))

        assert expected == (type(refused), refused.phase, refused.scope, refused.bounce)
        assert isinstance(accepted, Accepted)
        assert [received.rcpt_to for received in server.messages] == [("ana@example.org",)]
        assert server.connections == 1
        assert server.violations == []


def test_a_relay_that_takes_data_for_nobody(run: Run, message: bytes) -> None:
    """A relay that answers 354 although it refused the recipient gets a dot, and the next mail still goes."""
    with SmtpServer(script={"maria@example.org": {"rcpt": "550 5.1.1 no"}, "*": {"nobody": ["354 well"]}}) as server:
        refused, accepted = run(send_all(transport_to(server), (MARIA, message), (ANA, message)))

        assert (isinstance(refused, Rejected), isinstance(accepted, Accepted)) == (True, True)
        assert [message] == [received.data for received in server.messages]


@pytest.mark.parametrize("pipelining", [True, False])
def test_a_relay_that_cannot_reset(run: Run, message: bytes, pipelining: bool) -> None:
    """Where RSET fails after a refusal, the next mail goes over a new connection."""
    script = {"maria@example.org": {"rcpt": "550 5.1.1 no"}, "*": {"rset": "502 5.5.1 what?"}}
    with SmtpServer(script=script, pipelining=pipelining) as server:
        refused, accepted = run(send_all(transport_to(server), (MARIA, message), (ANA, message)))

        assert (Rejected, Accepted) == (type(refused), type(accepted))
        assert (len(server.messages), server.connections) == (1, 2)


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize("phase", ["connect", "ehlo", "mail", "rcpt", "data"])
@pytest.mark.parametrize("action", [Drop(), "421 4.3.2 going down", "what is this"])
def test_trouble_before_the_final_dot_is_the_connections(
    run: Run, message: bytes, pipelining: bool, phase: str, action: Action
) -> None:
    """A connection that breaks, says 421 or talks nonsense before the dot is requeued without blame; the next goes."""
    with SmtpServer(pipelining=pipelining, script={"*": {phase: [action]}}) as server:
        first, second = run(send_all(transport_to(server), (MARIA, message), (ANA, message)))

        assert (Deferred, Scope.CONNECTION) == (type(first), first.scope)
        assert first.requeue_without_attempt
        assert isinstance(second, Accepted)
        assert [received.rcpt_to for received in server.messages] == [("ana@example.org",)]


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize("phase", ["connect", "ehlo", "mail", "rcpt", "data"])
def test_a_relay_that_falls_silent_before_the_dot(run: Run, message: bytes, pipelining: bool, phase: str) -> None:
    """A relay that never answers a command is left after the time of that phase, and the mail is deferred."""
    with SmtpServer(pipelining=pipelining, script={"*": {phase: Hang()}}) as server:
        (verdict,) = run(send_all(transport_to(server, timeouts=IMPATIENT), (MARIA, message)))

        assert (Deferred, Scope.CONNECTION) == (type(verdict), verdict.scope)
        assert server.messages == []


@pytest.mark.parametrize("action", [Drop(accepted=True), Drop(), Hang(), "what is this"])
def test_silence_after_the_final_dot_is_uncertain(run: Run, message: bytes, action: Action) -> None:
    """Once the dot is out, a relay that breaks off, hangs or talks nonsense leaves the mail uncertain."""
    with SmtpServer(script={"*": {"dot": action}}) as server:
        (verdict,) = run(send_all(transport_to(server, timeouts=Timeouts(dot=0.1)), (MARIA, message)))

        assert isinstance(verdict, Uncertain)
        assert int(action == Drop(accepted=True)) == len(server.messages)


def test_the_pool_goes_on_after_an_uncertain_mail(run: Run, message: bytes) -> None:
    """A connection that broke at the dot is replaced; the mail itself is not sent again."""
    with SmtpServer(script={"*": {"dot": [Drop(accepted=True)]}}) as server:
        first, second = run(send_all(transport_to(server, connections=1), (MARIA, message), (ANA, message)))

        assert (Uncertain, Accepted) == (type(first), type(second))
        assert [received.rcpt_to[0] for received in server.messages] == ["maria@example.org", "ana@example.org"]


def test_421_to_the_final_dot_is_an_answer(run: Run, message: bytes) -> None:
    """421 instead of 250 says that the mail was not taken: deferred, not uncertain."""
    with SmtpServer(script={"maria@example.org": {"dot": ["421 4.3.0 shutting down"]}}) as server:
        first, second = run(send_all(transport_to(server), (MARIA, message), (ANA, message)))

        assert (Deferred, Scope.CONNECTION, 421) == (type(first), first.scope, first.code)
        assert isinstance(second, Accepted)


@pytest.mark.parametrize("action", [Drop(), Stall()])
def test_a_message_that_is_still_here_was_not_sent(run: Run, action: Action) -> None:
    """A connection that breaks or stalls while most of a long message waits here is before the dot: deferred."""
    long = b"Subject: x\r\n\r\n" + (b"y" * 70 + b"\r\n") * 400_000
    with SmtpServer(script={"*": {"body": [action]}}) as server:
        (verdict,) = run(send_all(transport_to(server, timeouts=Timeouts(body=0.3)), (MARIA, long)))

        assert (Deferred, Scope.CONNECTION, Phase.DOT) == (type(verdict), verdict.scope, verdict.phase)
        assert server.messages == []


def test_an_answer_in_the_middle_of_the_message(run: Run) -> None:
    """A relay that refuses a message before its end is believed, and the rest is not sent."""
    long = b"Subject: x\r\n\r\n" + (b"y" * 70 + b"\r\n") * 400_000
    with SmtpServer(script={"*": {"body": "552 5.3.4 too big"}}) as server:
        (verdict,) = run(send_all(transport_to(server), (MARIA, long)))

        assert (Rejected, Scope.CONTENT, 552) == (type(verdict), verdict.scope, verdict.code)


def test_cancelled_in_the_middle_of_the_message(run: Run) -> None:
    """Cancelling closes that connection without the rest of the message, and the next mail goes over a new one."""
    long = b"Subject: x\r\n\r\n" + (b"y" * 70 + b"\r\n") * 400_000

    async def cancel_and_send(server: SmtpServer, transport: SmtpTransport) -> Verdict:
        await transport.open()
        sending = asyncio.ensure_future(transport.send(MARIA, long))
        await asyncio.to_thread(server.wait_for_command, "BODY")
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        try:
            return await transport.send(ANA, b"Subject: x\r\n\r\nhello\r\n")
        finally:
            await transport.close()

    with SmtpServer(script={"maria@example.org": {"body": Slow(0.2)}}) as server:
        verdict = run(cancel_and_send(server, transport_to(server, connections=1)))
        server.wait_until_left()

        assert isinstance(verdict, Accepted)
        assert [received.rcpt_to for received in server.messages] == [("ana@example.org",)]


def test_cancelled_while_waiting_for_a_connection(run: Run, message: bytes) -> None:
    """A task that is cancelled in the queue takes nothing with it: the others get their connections."""

    async def crowd(server: SmtpServer, transport: SmtpTransport) -> list[Verdict | BaseException]:
        await transport.open()
        tasks = [asyncio.ensure_future(transport.send(MARIA, message)) for _ in range(10)]
        await asyncio.to_thread(server.wait_for_command, "MAIL")
        for task in tasks[1:10:2]:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        await transport.close()
        return results

    with SmtpServer(script={"*": {"dot": [Slow(0.05)]}}) as server:
        results = run(crowd(server, transport_to(server, connections=1)))

        assert sum(isinstance(result, Accepted) for result in results) == 5
        assert len(server.messages) == 5


def test_many_tasks_share_few_connections(run: Run, message: bytes) -> None:
    """Two hundred sends at once go over three connections, each mail exactly once."""

    async def crowd(transport: SmtpTransport) -> list[Verdict]:
        await transport.open()
        envelopes = [Envelope("b@example.org", f"p{number}@example.org") for number in range(200)]
        verdicts = await asyncio.gather(*[transport.send(envelope, message) for envelope in envelopes])
        await transport.close()
        return verdicts

    with SmtpServer() as server:
        verdicts = run(crowd(transport_to(server, connections=3)))

        assert {Accepted} == {type(verdict) for verdict in verdicts}
        assert {f"p{number}@example.org" for number in range(200)} == {
            received.rcpt_to[0] for received in server.messages
        }
        assert (len(server.messages), server.connections) == (200, 3)


def test_a_relay_never_sees_more_connections_than_agreed(run: Run, message: bytes) -> None:
    """A connection that is renewed is closed before the next one opens."""

    async def crowd(transport: SmtpTransport) -> None:
        await transport.open()
        await asyncio.gather(*[transport.send(MARIA, message) for _ in range(40)])
        await transport.close()

    with SmtpServer() as server:
        run(crowd(transport_to(server, connections=2, messages_per_connection=3)))

        assert (len(server.messages), server.most_connections) == (40, 2)


def test_a_connection_is_renewed_after_its_share(run: Run, message: bytes) -> None:
    """After so many messages a connection says QUIT and another takes over."""
    with SmtpServer() as server:
        run(send_all(transport_to(server, messages_per_connection=2), *[(MARIA, message)] * 5))

        assert [received.connection for received in server.messages] == [1, 1, 2, 2, 3]
        assert sum(line == "QUIT" for _, line in server.commands) == 3


@pytest.mark.parametrize("idle", [30, 0])
def test_a_relay_that_closes_an_idle_connection_costs_nothing(run: Run, message: bytes, idle: float) -> None:
    """When the relay hung up between two mails, the second goes over a new connection and is accepted."""

    async def with_a_pause(server: SmtpServer, transport: SmtpTransport) -> list[Verdict]:
        await transport.open()
        first = await transport.send(MARIA, message)
        await asyncio.to_thread(server.kick)
        second = await transport.send(ANA, message)
        await transport.close()
        return [first, second]

    with SmtpServer() as server:
        verdicts = run(with_a_pause(server, transport_to(server, timeouts=Timeouts(idle=idle))))

        assert [Accepted, Accepted] == [type(verdict) for verdict in verdicts]
        assert server.connections == 2


def test_421_on_a_used_connection_is_tried_on_a_new_one(run: Run, message: bytes) -> None:
    """421 to MAIL on a connection that has sent before is its limit, not a verdict on the mail."""
    with SmtpServer(script={"*": {"mail": [None, "421 4.7.0 enough on this connection"]}}) as server:
        verdicts = run(send_all(transport_to(server), (MARIA, message), (ANA, message)))

        assert [Accepted, Accepted] == [type(verdict) for verdict in verdicts]
        assert [received.connection for received in server.messages] == [1, 2]


def test_nobody_listens(run: Run, message: bytes) -> None:
    """A relay that is not there defers the mail without blame."""
    with SmtpServer() as server:
        port = server.port
    relay = Relay("127.0.0.1", port, Tls.NONE)

    (verdict,) = run(send_all(SmtpTransport(relay), (MARIA, message)))

    assert (Deferred, Phase.CONNECT, Scope.CONNECTION) == (type(verdict), verdict.phase, verdict.scope)


def test_a_relay_that_refuses_us_at_the_door(run: Run, message: bytes) -> None:
    """554 in place of a greeting is a refusal of the sender, not of the person."""
    with SmtpServer(script={"*": {"connect": "554 5.7.1 not from your address"}}) as server:
        (verdict,) = run(send_all(transport_to(server), (MARIA, message)))

        assert (Rejected, Phase.CONNECT, Scope.SENDER) == (type(verdict), verdict.phase, verdict.scope)


def test_a_relay_without_ehlo(run: Run, message: bytes) -> None:
    """A relay that knows only HELO still gets the mail, step by step."""
    with SmtpServer(ehlo=False, pipelining=False) as server:
        (verdict,) = run(send_all(transport_to(server), (MARIA, message)))

        assert isinstance(verdict, Accepted)
        assert server.violations == []


@pytest.mark.parametrize(
    ("envelope", "scope"),
    [
        (Envelope("b@example.org", "maria@example.org>\r\nRCPT TO:<evil@example.org"), Scope.RECIPIENT),
        (Envelope("b@example.org", "maria@example.org> NOTIFY=NEVER"), Scope.RECIPIENT),
        (Envelope("b@example.org", ""), Scope.RECIPIENT),
        (Envelope("b@example.org", "josé@example.org"), Scope.RECIPIENT),
        (Envelope("b@example.org>\r\nRSET", "maria@example.org"), Scope.CONTENT),
        (Envelope("b@example.org SIZE=1", "maria@example.org"), Scope.CONTENT),
    ],
)
def test_an_envelope_that_carries_commands_never_reaches_the_wire(
    run: Run, message: bytes, envelope: Envelope, scope: Scope
) -> None:
    """An address with a line end, a bracket, a blank or foreign letters is refused here, before any connection."""
    with SmtpServer() as server:
        (verdict,) = run(send_all(transport_to(server), (envelope, message)))

        assert (Rejected, scope, False) == (type(verdict), verdict.scope, verdict.hard)
        assert server.connections == 0


@pytest.mark.parametrize(
    "smuggled",
    [
        b"Subject: x\r\n\r\nhello\n.\nMAIL FROM:<evil@example.org>\r\n",
        b"Subject: x\r\n\r\nhello\n.\r\nMAIL FROM:<evil@example.org>\r\n",
        b"Subject: x\r\n\r\nhello\r.\r\n",
        b"Subject: x\r\n\r\nhello\x00\r\n",
        b"Subject: x\r\n\r\nhello",
    ],
)
def test_a_message_with_bare_line_ends_never_reaches_the_wire(run: Run, smuggled: bytes) -> None:
    """Bytes that some relay could read as the end of the message and a second one are refused here."""
    with SmtpServer() as server:
        (verdict,) = run(send_all(transport_to(server), (MARIA, smuggled)))

        assert (Rejected, Scope.CONTENT) == (type(verdict), verdict.scope)
        assert server.connections == 0


def test_starttls_and_login(run: Run, message: bytes, tmp_path: Path) -> None:
    """Over STARTTLS with a certificate that is verified, the percent-decoded password is accepted."""
    certificate = make_certificate(tmp_path)
    with SmtpServer(starttls=certificate.context, auth={"drip@example.org": "p@ss:w/rd"}) as server:
        query = f"?tls=starttls&ca={certificate.certificate}"
        transport = transport_to(server, query, "drip%40example.org:p%40ss%3Aw%2Frd@")
        verdicts = run(send_all(transport, (MARIA, message), (ANA, message)))

        assert [Accepted, Accepted] == [type(verdict) for verdict in verdicts]
        assert [(received.tls, received.user) for received in server.messages] == [(True, "drip@example.org")] * 2
        assert [message, message] == [received.data for received in server.messages]


def test_tls_from_the_first_byte(run: Run, message: bytes, tmp_path: Path) -> None:
    """With tls=tls the whole conversation is encrypted."""
    certificate = make_certificate(tmp_path)
    with SmtpServer(tls=certificate.context) as server:
        (verdict,) = run(send_all(transport_to(server, f"?tls=tls&ca={certificate.certificate}"), (MARIA, message)))

        assert isinstance(verdict, Accepted)
        assert server.messages[0].tls


def test_a_long_message_over_tls(run: Run, tmp_path: Path) -> None:
    """Several megabytes pass through TLS whole, although the socket fills up on the way."""
    certificate = make_certificate(tmp_path)
    long = b"Subject: x\r\n\r\n" + (b"y" * 70 + b"\r\n") * 40_000
    with SmtpServer(starttls=certificate.context) as server:
        query = f"?tls=starttls&ca={certificate.certificate}"
        verdicts = run(send_all(transport_to(server, query), (MARIA, long), (ANA, long)))

        assert [Accepted, Accepted] == [type(verdict) for verdict in verdicts]
        assert [long, long] == [received.data for received in server.messages]


@pytest.mark.parametrize("mode", ["starttls", "tls"])
@pytest.mark.parametrize("expired", [False, True])
def test_a_certificate_that_is_not_to_be_trusted(
    run: Run, message: bytes, tmp_path: Path, mode: str, expired: bool
) -> None:
    """With an unknown or expired certificate nothing is sent, and the relay is to blame."""
    certificate = make_certificate(tmp_path, expired=expired)
    context = certificate.context
    trust = f"&ca={certificate.certificate}" if expired else ""
    with SmtpServer(starttls=context if mode == "starttls" else None, tls=context if mode == "tls" else None) as server:
        (verdict,) = run(send_all(transport_to(server, f"?tls={mode}{trust}"), (MARIA, message)))

        assert (Rejected, Scope.SENDER) == (type(verdict), verdict.scope)
        assert "certificate" in verdict.text
        assert server.messages == []


def test_a_certificate_of_another_host_is_not_to_be_trusted(run: Run, message: bytes, tmp_path: Path) -> None:
    """Signed by somebody we trust, but for a name that is not the relay's: nothing is sent."""
    certificate = make_certificate(tmp_path, host="mail.example.org", address="127.0.0.2")
    with SmtpServer(starttls=certificate.context) as server:
        query = f"?tls=starttls&ca={certificate.certificate}"
        (verdict,) = run(send_all(transport_to(server, query), (MARIA, message)))

        assert (Rejected, Scope.SENDER) == (type(verdict), verdict.scope)
        assert "certificate" in verdict.text
        assert server.messages == []


def test_verification_can_be_turned_off_by_name(run: Run, message: bytes, tmp_path: Path) -> None:
    """verify=no takes a self-made certificate."""
    with SmtpServer(starttls=make_certificate(tmp_path).context) as server:
        (verdict,) = run(send_all(transport_to(server, "?tls=starttls&verify=no"), (MARIA, message)))

        assert isinstance(verdict, Accepted)


def test_a_relay_without_starttls_is_not_used(run: Run, message: bytes) -> None:
    """Where STARTTLS was asked for and is not offered, nothing is sent in the clear."""
    with SmtpServer() as server:
        (verdict,) = run(send_all(transport_to(server, "?tls=starttls"), (MARIA, message)))

        assert (Rejected, Scope.SENDER) == (type(verdict), verdict.scope)
        assert not any(line.startswith("MAIL") for _, line in server.commands)


@pytest.mark.parametrize("methods", [("PLAIN",), ("LOGIN",), ("PLAIN", "LOGIN")])
def test_login_methods(run: Run, message: bytes, methods: Sequence[str]) -> None:
    """PLAIN and LOGIN both work."""
    with SmtpServer(auth={"drip": "secret-word"}, auth_methods=methods) as server:
        (verdict,) = run(send_all(transport_to(server, user="drip:secret-word@"), (MARIA, message)))

        assert isinstance(verdict, Accepted)
        assert server.messages[0].user == "drip"


def test_a_wrong_password_is_the_senders(run: Run, message: bytes) -> None:
    """535 pauses the relay, blames nobody else, and shows the password nowhere."""
    with SmtpServer(auth={"drip": "secret-word"}) as server:
        transport = transport_to(server, user="drip:wrong-word@")
        (verdict,) = run(send_all(transport, (MARIA, message)))

        assert (Rejected, Phase.AUTH, Scope.SENDER, 535) == (
            type(verdict),
            verdict.phase,
            verdict.scope,
            verdict.code,
        )
        assert "wrong-word" not in f"{verdict!r} {transport.name} {vars(transport)!r}"


def test_a_relay_that_wants_a_login_we_do_not_have(run: Run, message: bytes) -> None:
    """530 to MAIL is a matter of our settings."""
    with SmtpServer(auth={"drip": "secret-word"}) as server:
        (verdict,) = run(send_all(transport_to(server), (MARIA, message)))

        assert (Rejected, Scope.SENDER, 530) == (type(verdict), verdict.scope, verdict.code)


def test_a_message_too_large_for_the_relay(run: Run, message: bytes) -> None:
    """A relay that announces SIZE is told ours, and its refusal is about the message."""
    with SmtpServer(size=100) as server:
        (verdict,) = run(send_all(transport_to(server), (MARIA, message)))

        assert (Rejected, Scope.CONTENT, 552) == (type(verdict), verdict.scope, verdict.code)
        assert not any(line == "BODY" for _, line in server.commands)


def test_closing_waits_for_what_is_under_way(run: Run, message: bytes) -> None:
    """close() lets the mail on the wire end, turns those in the queue away, and leaves with QUIT."""

    async def close_in_between(server: SmtpServer, transport: SmtpTransport) -> list[Verdict]:
        await transport.open()
        tasks = [asyncio.ensure_future(transport.send(MARIA, message)) for _ in range(3)]
        await asyncio.to_thread(server.wait_for_command, "DATA")
        await transport.close()
        late = await transport.send(ANA, message)
        await transport.close()
        return [*await asyncio.gather(*tasks), late]

    with SmtpServer(script={"*": {"dot": [Slow(0.1)]}}, pipelining=False) as server:
        verdicts = run(close_in_between(server, transport_to(server, connections=1)))
        server.wait_until_left()

        assert [Accepted, Deferred, Deferred, Deferred] == [type(verdict) for verdict in verdicts]
        assert len(server.messages) == 1
        assert server.commands[-1][1] == "QUIT"


def test_a_missing_file_of_certificates_is_a_refusal_to_start(run: Run, tmp_path: Path) -> None:
    """open() names the file that cannot be read."""
    relay = Relay("127.0.0.1", 25, Tls.STARTTLS, ca=tmp_path / "nowhere.pem")

    with pytest.raises(TransportError, match=r"nowhere\.pem"):
        run(SmtpTransport(relay).open())


TROUBLE: list[tuple[str, Action]] = [
    *[(phase, Drop()) for phase in ("connect", "ehlo", "mail", "rcpt", "data", "body", "dot")],
    *[(phase, "421 4.3.0 later") for phase in ("connect", "ehlo", "mail", "rcpt", "data", "dot")],
    *[(phase, "451 4.3.0 later") for phase in ("mail", "rcpt", "data", "dot")],
    *[(phase, "554 5.0.0 no") for phase in ("rcpt", "data", "dot")],
    ("dot", Drop(accepted=True)),
    ("dot", "nonsense"),
]


@settings(max_examples=15)
@given(
    st.lists(st.sampled_from(TROUBLE), max_size=30),
    st.integers(1, 5),
    st.integers(1, 8),
    st.booleans(),
    st.sampled_from(["asyncio", "uvloop"]),
)
def test_whatever_happens_the_verdicts_are_true(
    trouble: list[tuple[str, Action]], connections: int, share: int, pipelining: bool, loop: str
) -> None:
    """
    Sixty mails at once through a relay that fails in random ways: what is accepted arrived once, what is deferred or
    rejected did not arrive, only the uncertain may have, and the pool always recovers.
    """
    envelopes = [Envelope("b@example.org", f"p{number}@example.org") for number in range(60)]
    raw = b"Subject: x\r\n\r\n" + b".hello\r\n" * 50

    async def crowd(transport: SmtpTransport) -> list[Verdict]:
        await transport.open()
        verdicts = await asyncio.gather(*[transport.send(envelope, raw) for envelope in envelopes])
        await transport.close()
        return verdicts

    script: dict[str, list[Action]] = {}
    for phase, action in trouble:
        script.setdefault(phase, []).extend([None, action])
    with (
        SmtpServer(script={"*": script}, pipelining=pipelining) as server,
        asyncio.Runner(loop_factory=uvloop.new_event_loop if loop == "uvloop" else None) as runner,
    ):
        verdicts = runner.run(crowd(transport_to(server, connections=connections, messages_per_connection=share)))
        server.wait_until_left()
        arrived = Counter(received.rcpt_to[0] for received in server.messages)
        assert not [violation for violation in server.violations if "MAIL" in violation]

    for envelope, verdict in zip(envelopes, verdicts, strict=True):
        if isinstance(verdict, Accepted):
            assert arrived[envelope.rcpt_to] == 1
        elif isinstance(verdict, Uncertain):
            assert arrived[envelope.rcpt_to] <= 1
        else:
            assert arrived[envelope.rcpt_to] == 0
    assert {raw} >= {received.data for received in server.messages}


@pytest.mark.parametrize("phase", ["connect", "ehlo"])
def test_who_has_no_connection_can_be_turned_away(run: Run, message: bytes, phase: str) -> None:
    """Waiting for one that is being opened, or for a free one: nothing was handed over, so they may go elsewhere."""
    with SmtpServer(script={"*": {phase: [Hang()]}}) as server:

        async def story() -> tuple[list[Verdict], Verdict]:
            transport = transport_to(server, connections=1)
            await transport.open()
            waiting = [asyncio.create_task(transport.send(MARIA, message)) for _ in range(3)]
            await asyncio.to_thread(_wait_for_client, server)
            transport.turn_away("it hangs")
            verdicts = list(await asyncio.gather(*waiting))
            after = await transport.send(ANA, message)
            await transport.close()
            return verdicts, after

        verdicts, after = run(story())
        assert [(Phase.CONNECT, Scope.CONNECTION, "it hangs")] * 3 == [
            (verdict.phase, verdict.scope, verdict.text) for verdict in verdicts if isinstance(verdict, Deferred)
        ]
        assert isinstance(after, Accepted)
        assert 1 == server.accepted


@pytest.mark.parametrize(
    ("phase", "verdict"), [("mail", Deferred), ("rcpt", Deferred), ("data", Deferred), ("dot", Accepted)]
)
def test_a_relay_that_says_nothing_is_hung_up_on(run: Run, message: bytes, phase: str, verdict: type[Verdict]) -> None:
    """Whose final dot may have left waits for its answer; everybody else is told at once that nothing was taken."""
    with SmtpServer(script={"*": {phase: [Slow(0.3)]}}) as server:

        async def story() -> list[Verdict]:
            transport = transport_to(server, connections=1)
            await transport.open()
            sending = [asyncio.create_task(transport.send(MARIA, message)) for _ in range(3)]
            await asyncio.to_thread(server.wait_for_command, "DATA" if phase == "dot" else phase.upper())
            await asyncio.sleep(0.05)
            transport.turn_away("it says nothing", hang_up=True)
            verdicts = list(await asyncio.gather(*sending))
            await transport.close()
            return verdicts

        first, *others = run(story())
        assert isinstance(first, verdict)
        assert [(Deferred, Scope.CONNECTION, "it says nothing")] * 2 == [
            (type(one), getattr(one, "scope", None), one.text) for one in others
        ]


def test_who_has_a_connection_is_not_turned_away(run: Run, message: bytes) -> None:
    """What was begun ends by its own answer."""
    with SmtpServer(script={"*": {"dot": [Slow(0.1)]}}) as server:

        async def story() -> Verdict:
            transport = transport_to(server, connections=1)
            await transport.open()
            sending = asyncio.create_task(transport.send(MARIA, message))
            await asyncio.to_thread(server.wait_for_command, "DATA")
            transport.turn_away("it rests")
            verdict = await sending
            await transport.close()
            return verdict

        assert isinstance(run(story()), Accepted)


def _wait_for_client(server: SmtpServer) -> None:
    """Until somebody has connected."""
    for _ in range(1000):
        if server.connections:
            return
        time.sleep(0.01)
    raise TimeoutError("nobody came")
