"""
Commands that go out early (RFC 2920), against a real server: refusals, breaks and lies in every place.

The judge is always the server's own log: what is accepted is in it once, what is deferred or rejected is not in it,
and only a mail whose final dot may have left is uncertain.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from rfs_mail.core.verdict import Accepted, Deferred, Phase, Rejected, Scope, Uncertain, Verdict
from rfs_mail.transport.base import Envelope
from rfs_mail.transport.relay import parse_relay_url
from rfs_mail.transport.smtp import SmtpTransport
from rfs_mail.transport.wire import Timeouts
from tests.transport.certificates import Certificate, make_certificate
from tests.transport.conftest import Run
from tests.transport.smtp_server import Action, Cut, Drop, Forget, Hang, IfEarly, Late, Script, Slow, SmtpServer

RAW = b"Subject: x\r\n\r\n.hello\r\n"
LONG = b"Subject: x\r\n\r\n" + (b"y" * 70 + b"\r\n") * 2_000
HASTY = Timeouts(command=5, data=5, dot=5, early=0.15)


def envelope(number: int) -> Envelope:
    return Envelope(f"b{number}@bounce.example.org", f"p{number}@example.org")


def transport_to(server: SmtpServer, **options: object) -> SmtpTransport:
    options.setdefault("connections", 1)
    return SmtpTransport(parse_relay_url(f"smtp://127.0.0.1:{server.port}"), **options)  # type: ignore[arg-type]


async def crowd(transport: SmtpTransport, count: int, raw: bytes = RAW) -> list[Verdict]:
    """So many mails at once, so that each has another behind it; ends when all have their verdicts."""
    await transport.open()
    try:
        async with asyncio.timeout(20):
            return await asyncio.gather(*[transport.send(envelope(number), raw) for number in range(count)])
    finally:
        await transport.close()


def arrived(server: SmtpServer) -> list[str]:
    return [received.rcpt_to[0] for received in server.messages]


def judge(server: SmtpServer, verdicts: Sequence[Verdict], raw: bytes = RAW, *, answers_arrive: bool = False) -> None:
    """
    Hold the verdicts against the server's log.

    `answers_arrive`: the server never throws a reply away that it has sent, so that a mail whose 250 went out in full
    has to be accepted.
    """
    count = Counter(arrived(server))
    for number, verdict in enumerate(verdicts):
        name = envelope(number).rcpt_to
        match verdict:
            case Accepted():
                assert (name, 1) == (name, count[name])
            case Uncertain():
                assert count[name] <= 1
                if answers_arrive:
                    assert name not in server.answered
            case _:
                assert (name, 0) == (name, count[name])
    assert {raw} >= {received.data for received in server.messages}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """One for all."""
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.mark.parametrize("raw", [RAW, LONG], ids=["short", "long"])
def test_the_next_mail_begins_behind_the_dot(run: Run, raw: bytes) -> None:
    """Five mails at once over one connection: the commands of four come with the dot before, and all is as it was."""
    with SmtpServer() as server:
        verdicts = run(crowd(transport_to(server), 5, raw))

        assert [Accepted] * 5 == [type(verdict) for verdict in verdicts]
        assert [f"2.0.0 queued as {number}" for number in range(1, 6)] == [verdict.text for verdict in verdicts]
        assert [envelope(number).rcpt_to for number in range(5)] == arrived(server)
        assert [raw] * 5 == [received.data for received in server.messages]
        assert (1, [], 5) == (server.connections, server.violations, len(server.answered))
        if raw is RAW:
            assert server.early == 4


def test_a_mail_that_comes_while_another_is_at_its_dot_begins_at_once(run: Run) -> None:
    """Nobody waited when the body left: the next mail's commands still need not wait for the answer to the dot."""

    async def two(server: SmtpServer, transport: SmtpTransport) -> list[Verdict]:
        await transport.open()
        first = asyncio.ensure_future(transport.send(envelope(0), RAW + b"y\r\n" * 1_000))
        await asyncio.to_thread(server.wait_for_command, "BODY")  # its first 1,024 octets were read
        second = asyncio.ensure_future(transport.send(envelope(1), RAW))
        verdicts = [await first, await second]
        await transport.close()
        return verdicts

    with SmtpServer(script={"p0@example.org": {"body": Slow(0.1, "")}}) as server:
        verdicts = run(two(server, transport_to(server)))

        assert [Accepted, Accepted] == [type(verdict) for verdict in verdicts]
        assert (1, 1) == (server.connections, server.early)


@pytest.mark.parametrize("position", range(4))
@pytest.mark.parametrize(
    ("phase", "reply", "expected"),
    [
        ("mail", "550 5.7.1 go away", (Rejected, Phase.MAIL, Scope.SENDER)),
        ("mail", "452 4.3.1 full", (Deferred, Phase.MAIL, Scope.SENDER)),
        ("rcpt", "550-5.1.1 no such\r\n550 5.1.1 user", (Rejected, Phase.RCPT, Scope.RECIPIENT)),
        ("rcpt", "450 4.2.0 greylisted", (Deferred, Phase.RCPT, Scope.RECIPIENT)),
        ("data", "554 5.6.0 not this", (Rejected, Phase.DATA, Scope.CONTENT)),
        ("data", "451 4.3.0 not now", (Deferred, Phase.DATA, Scope.CONTENT)),
        ("dot", "554 5.7.1 looks like spam", (Rejected, Phase.DOT, Scope.CONTENT)),
        ("dot", "451 4.3.0 disk", (Deferred, Phase.DOT, Scope.CONTENT)),
    ],
)
@pytest.mark.parametrize("nobody", [None, "354 well"], ids=["", "354 for nobody"])
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_a_refusal_anywhere_is_of_its_own_mail(
    run: Run, certificate: Certificate, position: int, phase: str, reply: str, expected: tuple[object, ...],
    nobody: str | None, tls: bool,
) -> None:  # fmt: skip
    """
    The first, the second, the last mail refused at any command: it alone, on the same connection.

    Also where the relay takes DATA although it took no recipient: that mail's body never leaves.
    """
    mail = envelope(position)
    script: Script = {mail.mail_from if phase == "mail" else mail.rcpt_to: {phase: reply}, "*": {"nobody": nobody}}
    with SmtpServer(script=script, tls=certificate.context if tls else None) as server:
        query = f"smtp://127.0.0.1:{server.port}" + (f"?tls=tls&ca={certificate.certificate}" if tls else "")
        verdicts = run(crowd(SmtpTransport(parse_relay_url(query), connections=1), 4))

        refused = verdicts.pop(position)
        assert expected == (type(refused), refused.phase, refused.scope)
        assert [Accepted] * 3 == [type(verdict) for verdict in verdicts]
        assert [envelope(number).rcpt_to for number in range(4) if number != position] == arrived(server)
        assert (1, []) == (server.connections, server.violations)


@pytest.mark.parametrize("position", range(4))
@pytest.mark.parametrize("phase", ["mail", "rcpt", "data", "dot"])
@pytest.mark.parametrize("action", ["421 4.3.2 going down", Drop()], ids=["421", "drop"])
def test_a_connection_that_ends_anywhere(run: Run, position: int, phase: str, action: Action) -> None:
    """
    421 or a break at any command of any mail: each mail has its own verdict, the others are accepted, none twice.

    Before its own RCPT a mail goes over a new connection, where the one it was begun on had served another.
    """
    mail = envelope(position)
    where = mail.mail_from if phase == "mail" else mail.rcpt_to
    with SmtpServer(script={where: {phase: [action]}}) as server:
        verdicts = run(crowd(transport_to(server), 4))

        judge(server, verdicts, answers_arrive=isinstance(action, str))
        hit = verdicts.pop(position)
        if phase == "dot":
            assert isinstance(hit, Uncertain if action == Drop() else Deferred)
        elif phase == "mail" and position:
            assert isinstance(hit, Accepted)
        elif action == Drop() and position:  # the server threw away its answer to MAIL with the rest
            assert isinstance(hit, Accepted | Deferred)
        else:
            assert (Deferred, True) == (type(hit), hit.requeue_without_attempt)
        if isinstance(action, str):  # a server that breaks off throws away what it said last
            assert [Accepted] * 3 == [type(verdict) for verdict in verdicts]
        else:
            assert {Accepted, Uncertain} >= {type(verdict) for verdict in verdicts}


def conversation(server: SmtpServer) -> int:
    return sum(len(line) + 2 for _, line in server.commands) + sum(len(one.wire) + 3 for one in server.messages)


@pytest.mark.parametrize("early", [True, False], ids=["pipelined", "lock-step"])
def test_a_connection_that_dies_after_every_octet_of_the_replies(early: bool) -> None:
    """
    The first connection ends after n octets of replies, for every n of a conversation of three mails.

    Whose 250 went out in full is accepted, whose dot may have left without one is uncertain, nobody is sent twice.
    """
    with SmtpServer(pipelining=early) as server, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        seen: set[str] = set()
        for sent in range(600):
            server.messages.clear()
            server.answered.clear()
            connections = server.connections
            server._cuts[:] = [Cut(sent=sent)]
            verdicts = runner.run(crowd(transport_to(server), 3))
            server.wait_until_left()
            judge(server, verdicts, answers_arrive=True)
            kinds = " ".join(type(verdict).__name__ for verdict in verdicts)
            seen.add(kinds)
            if kinds == "Accepted Accepted Accepted" and server.connections == connections + 1:
                break  # everything was said before the cut
        assert "Deferred Accepted Accepted" in seen
        assert "Uncertain Accepted Accepted" in seen
        assert "Accepted Uncertain Accepted" in seen
        assert "Accepted Accepted Uncertain" in seen


@pytest.mark.parametrize("early", [True, False], ids=["pipelined", "lock-step"])
def test_a_connection_that_dies_after_every_octet_of_ours(early: bool) -> None:
    """The first connection ends when the server has read n octets, for every n of a conversation of three mails."""
    with SmtpServer(pipelining=early) as server, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        verdicts = runner.run(crowd(transport_to(server), 3))
        assert [Accepted] * 3 == [type(verdict) for verdict in verdicts]
        seen: set[str] = set()
        for read in range(conversation(server) + 1):
            server.messages.clear()
            server.answered.clear()
            server._cuts[:] = [Cut(read=read)]
            verdicts = runner.run(crowd(transport_to(server), 3))
            judge(server, verdicts, answers_arrive=True)
            seen.add(" ".join(type(verdict).__name__ for verdict in verdicts))
        assert {"Deferred Accepted Accepted", "Uncertain Accepted Accepted", "Accepted Accepted Accepted"} <= seen


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_replies_in_pieces_of_one_octet(run: Run, certificate: Certificate, tls: bool) -> None:
    """Replies of several lines that come octet by octet, refusals among them, reach their mails."""
    script = {
        "*": {"mail": "250-one\r\n250-two\r\n250 three", "dot": "250-2.0.0 taken\r\n250 2.0.0 and kept"},
        "p1@example.org": {"rcpt": "550-5.1.1 no\r\n550-5.1.1 such\r\n550 5.1.1 user"},
    }
    with SmtpServer(script=script, dribble=1, tls=certificate.context if tls else None) as server:
        query = f"smtp://127.0.0.1:{server.port}" + (f"?tls=tls&ca={certificate.certificate}" if tls else "")
        verdicts = run(crowd(SmtpTransport(parse_relay_url(query), connections=1), 4))

        taken, refused = "2.0.0 taken 2.0.0 and kept", "5.1.1 no 5.1.1 such 5.1.1 user"
        assert [taken, refused, taken, taken] == [verdict.text for verdict in verdicts]
        judge(server, verdicts, answers_arrive=True)


@pytest.mark.parametrize(
    ("phase", "actions"),
    [
        ("mail", [Forget()]),
        ("mail", [None, Forget()]),
        ("rcpt", [Forget()]),
        ("dot", [Forget()]),
        ("dot", [None, Forget()]),
    ],
)
def test_a_relay_that_throws_away_what_came_early(run: Run, phase: str, actions: list[Action]) -> None:
    """It answers, and forgets the commands behind: every mail still goes, once, and in lock-step from then on."""
    with SmtpServer(script={"*": {phase: actions}}) as server:
        transport = transport_to(server, timeouts=HASTY)
        verdicts = run(crowd(transport, 4))

        assert [Accepted] * 4 == [type(verdict) for verdict in verdicts]
        judge(server, verdicts)
        assert transport.manners.in_step
        assert server.connections == 2


@pytest.mark.parametrize(
    ("phase", "actions"),
    [
        ("rcpt", [Late()]),
        ("rcpt", [None, Late()]),
        ("dot", [Late()]),
        ("dot", [Late("550 5.7.1 spam")]),
        ("mail", ["250 ok\r\n250 ok"]),
        ("mail", [None, "250 ok\r\n250 ok"]),
        ("rcpt", ["250 ok\r\n250 ok"]),
        ("rcpt", [None, "250 ok\r\n250 ok"]),
        ("data", ["354 go\r\n250 ok"]),
        ("data", [None, "354 go\r\n250 ok"]),
        ("dot", ["250 ok\r\n250 ok"]),
        ("dot", ["550 5.7.1 spam\r\n250 ok"]),
        ("data", ["250 ok"]),
        ("data", [None, "250 ok"]),
        ("data", [None, None, "250 ok"]),
        ("rcpt", [None, "354 what"]),
        ("mail", [None, "354 what"]),
    ],
)
def test_a_relay_that_answers_wrongly(run: Run, phase: str, actions: list[Action]) -> None:
    """Out of order, too much, 250 to DATA: nothing is believed that may be another's, and the rest goes its way."""
    with SmtpServer(script={"*": {phase: actions}}) as server:
        transport = transport_to(server, timeouts=HASTY)
        verdicts = run(crowd(transport, 5))

        judge(server, verdicts)
        assert isinstance(verdicts[-1], Accepted)
        assert sum(isinstance(verdict, Accepted) for verdict in verdicts) >= 3
        mixed_up = not (phase == "dot" and actions == [Late()])  # four replies that look as if they were in order
        assert mixed_up == transport.manners.in_step


def test_a_refusal_before_the_body_was_read(run: Run) -> None:
    """A relay that closes with 421 in place of reading the body is believed: deferred, and the next goes."""
    with SmtpServer(script={"*": {"body": ["421 4.3.1 no room"]}}) as server:
        verdicts = run(crowd(transport_to(server), 3))

        assert [Deferred, Accepted, Accepted] == [type(verdict) for verdict in verdicts]
        judge(server, verdicts)


def test_an_answer_to_the_dot_and_then_another(run: Run) -> None:
    """250 before the body was read, and 250 again after it: the message is there once, and the connection is left."""
    with SmtpServer(script={"*": {"body": ["250 2.0.0 surely"]}}, pipelining=False) as server:
        verdicts = run(crowd(transport_to(server), 3))
        server.wait_for(3)

        judge(server, verdicts)
        assert [Accepted] * 3 == [type(verdict) for verdict in verdicts]


def test_a_relay_that_breaks_off_at_early_commands_costs_one_mail(run: Run) -> None:
    """The first connection that tries it breaks before the answer to a dot: that one mail is uncertain, no other."""
    with SmtpServer(script={"*": {"dot": IfEarly(Drop(accepted=True))}}) as server:
        transport = transport_to(server, connections=5)
        verdicts = run(crowd(transport, 60))

        assert {"Uncertain": 1, "Accepted": 59} == Counter(type(verdict).__name__ for verdict in verdicts)
        judge(server, verdicts)
        assert transport.manners.in_step


def test_a_mail_does_not_wait_for_the_end_of_a_hung_dot(run: Run) -> None:
    """A mail that was begun behind a dot without an answer is taken away and goes over another connection."""

    async def three(transport: SmtpTransport) -> tuple[Verdict, bool, Verdict]:
        await transport.open()
        async with asyncio.timeout(20):
            hung = asyncio.ensure_future(transport.send(envelope(0), RAW))
            behind = await transport.send(envelope(1), RAW)
            was_done = hung.done()
            verdicts = await hung, was_done, behind
        await transport.close()
        return verdicts

    async def with_one_free(server: SmtpServer, transport: SmtpTransport) -> tuple[Verdict, bool, Verdict]:
        await transport.open()
        other = asyncio.ensure_future(transport.send(envelope(2), RAW))
        await asyncio.to_thread(server.wait_for_command, "BODY")
        result = await three(transport)
        assert isinstance(await other, Accepted)
        return result

    script: Script = {"p0@example.org": {"dot": Hang()}, "p2@example.org": {"body": Slow(0.4, "")}}
    with SmtpServer(script=script) as server:
        transport = transport_to(server, connections=2, timeouts=Timeouts(dot=2, early=0.1))
        hung, was_done, behind = run(with_one_free(server, transport))

        assert (Uncertain, False, Accepted) == (type(hung), was_done, type(behind))
        assert ["p1@example.org", "p2@example.org"] == sorted(arrived(server))


def test_a_mail_that_nobody_waits_for_any_more(run: Run) -> None:
    """Cancelled behind a dot: the one at the dot has its verdict, the cancelled one's body never leaves."""

    async def cancel(server: SmtpServer, transport: SmtpTransport) -> list[Verdict]:
        await transport.open()
        tasks = [asyncio.ensure_future(transport.send(envelope(number), RAW)) for number in range(3)]
        await asyncio.to_thread(server.wait_for_command, "BODY")
        tasks[1].cancel()
        with pytest.raises(asyncio.CancelledError):
            await tasks[1]
        verdicts = [await tasks[0], await tasks[2]]
        await transport.close()
        return verdicts

    with SmtpServer(script={"p0@example.org": {"body": Slow(0.2, "")}}) as server:
        verdicts = run(cancel(server, transport_to(server)))

        assert [Accepted, Accepted] == [type(verdict) for verdict in verdicts]
        assert ["p0@example.org", "p2@example.org"] == arrived(server)


def test_closing_lets_the_one_behind_end_too(run: Run) -> None:
    """close() while one is at its dot and one is begun: both end, the third is turned away."""

    async def close(server: SmtpServer, transport: SmtpTransport) -> list[Verdict]:
        await transport.open()
        tasks = [asyncio.ensure_future(transport.send(envelope(number), RAW)) for number in range(3)]
        await asyncio.to_thread(server.wait_for_command, "BODY")
        await transport.close()
        return await asyncio.gather(*tasks)

    with SmtpServer(script={"p0@example.org": {"body": Slow(0.2, "")}}) as server:
        verdicts = run(close(server, transport_to(server)))
        server.wait_until_left()

        assert [Accepted, Accepted, Deferred] == [type(verdict) for verdict in verdicts]
        assert server.commands[-1] == (1, "QUIT")


REPLIES: dict[str, list[Action]] = {
    "mail": ["250-2.1.0 a\r\n250 2.1.0 b", "451 4.3.0 busy", "550 5.7.1 no", "421 4.3.2 bye", Drop()],
    "rcpt": ["250 2.1.5 ok", "450 4.2.0 grey", "550-5.1.1 no\r\n550 5.1.1 such", "421 4.3.2 bye", Drop()],
    "data": ["354-go\r\n354 on", "451 4.3.0 no", "554 5.6.0 no", "421 4.3.2 bye", Drop()],
    "dot": ["250-2.0.0 a\r\n250 2.0.0 b", "451 4.7.1 later", "554 5.7.1 spam", "421 4.3.2 bye", Drop(accepted=True)],
    "nobody": ["554 5.5.1 no", "503 5.5.1 no", "354 well"],
    "rset": ["250 2.0.0 ok", "502 5.5.1 what"],
}  # fmt: skip


@settings(max_examples=120)
@given(
    st.fixed_dictionaries(
        {phase: st.lists(st.one_of(st.none(), st.sampled_from(actions)), max_size=12)
         for phase, actions in REPLIES.items()}
    ),
    st.lists(st.one_of(st.none(), st.builds(Cut, sent=st.integers(0, 900)), st.builds(Cut, read=st.integers(0, 900))),
             max_size=4),
    st.integers(1, 3),
    st.integers(1, 9),
    st.sampled_from([0, 0, 1, 7]),
    st.booleans(),
    st.sampled_from(["asyncio", "uvloop"]),
)  # fmt: skip
def test_the_verdicts_and_the_servers_log_agree(
    script: dict[str, list[Action]], cuts: list[Cut | None], connections: int, share: int, dribble: int,
    pipelining: bool, loop: str,
) -> None:  # fmt: skip
    """
    Twelve mails through a relay that refuses, breaks off and dies in random places, but answers in order.

    Accepted: in its log, once. Deferred or rejected: not in it. In it, and its 250 was sent: accepted.
    """
    factory = uvloop.new_event_loop if loop == "uvloop" else None
    with (
        SmtpServer(script={"*": script}, pipelining=pipelining, cuts=cuts, dribble=dribble) as server,
        asyncio.Runner(loop_factory=factory) as runner,
    ):
        breaks_off = any(isinstance(action, Drop) for actions in script.values() for action in actions)
        transport = transport_to(server, connections=connections, messages_per_connection=share)
        verdicts = runner.run(crowd(transport, 12))
        server.wait_until_left()

        judge(server, verdicts, answers_arrive=not breaks_off)
        assert pipelining or server.violations == []


def test_lock_step_is_remembered_for_the_process_only(run: Run, tmp_path: Path) -> None:
    """Another transport to the same relay tries again."""
    with SmtpServer(script={"*": {"data": ["250 ok"]}}) as server:
        transport = transport_to(server)
        run(crowd(transport, 2))
        again = transport_to(server)
        verdicts = run(crowd(again, 2))

        assert (True, False) == (transport.manners.in_step, again.manners.in_step)
        assert [Accepted, Accepted] == [type(verdict) for verdict in verdicts]
