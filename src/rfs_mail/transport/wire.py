"""
One SMTP connection after its opening: messages in, one verdict each out.

The conversation is led where the replies arrive, in the event loop's callback, so that a message wakes its sender
once, whatever number of commands it took. Three manners, the best that the relay bears (`<` waits for replies):

    lock-step    MAIL < RCPT < DATA < body . <
    in groups    MAIL RCPT DATA < body . <
    overlapped   MAIL RCPT DATA < body . MAIL RCPT DATA < body . MAIL RCPT DATA < ...

A group ends with DATA, because only its 354 says that the body may follow; the end of a body may begin a group
(RFC 2920 section 3.1). Replies carry no name, so each is taken for the oldest command that has none. What a relay says
that its command cannot mean (354 to RCPT, 250 to DATA, one reply too many) shows that they no longer belong together:
the connection ends, and `Manners` remembers it.
"""

import asyncio
import logging
from collections import deque
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from rfs_mail.core.verdict import Deferred, Phase, Scope, Uncertain, Verdict, connection_failed, from_reply, goes_on
from rfs_mail.transport.base import Envelope

LOG = logging.getLogger(__name__)

_LINE_LIMIT = 8_192
_LINES_LIMIT = 256
"""Octets of a line and lines of a reply; a relay that says more is broken (RFC 5321 section 4.5.3.1.5 allows 512)."""

_FAREWELL_SECONDS = 5.0
"""How long a relay may take to answer QUIT."""

_GIVEN_UP = "given up by us"

_JOIN_LIMIT = 65_536
"""Octets of a body that goes out in one write with the group after it."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """
    Seconds a relay may take in each phase (RFC 5321 section 4.5.3.2; Postfix has the same).

    Sixty seconds at the final dot would make duplicates: the relay takes the mail, and we think it did not.
    """

    connect: float = 30
    command: float = 300
    """The greeting, EHLO, AUTH, MAIL and RCPT."""
    data: float = 120
    body: float = 180
    dot: float = 600
    idle: float = 30
    """How long a connection may lie unused before a new one is better."""
    early: float = 20
    """
    How long a command that went out early may wait while nobody knows whether the relay bears that, and how long a
    message waits behind another before it goes over another connection. Nothing of its body has left by then.
    """


class Overlap(Enum):
    """What is known of a relay that gets the next commands with the end of a body."""

    UNTRIED = "untried"
    TRYING = "trying"
    """One connection tries it; the others wait for what comes of it."""
    PROVEN = "proven"


@dataclass(slots=True)
class Manners:
    """What this process has learnt of a relay, for all connections to it. It forgets with the process."""

    relay: str
    in_step: bool = False
    """It misbehaved with commands that came early: one at a time from then on."""
    groups_proven: bool = False
    """A whole group was answered in order."""
    overlap: Overlap = Overlap.UNTRIED

    def misbehaved(self, why: str) -> None:
        """From now on lock-step, and say so once."""
        if not self.in_step:
            self.in_step = True
            LOG.warning("%s offers PIPELINING and does not bear it (%s): one command at a time", self.relay, why)


class _Extra(Enum):
    """Steps of a conversation that no message waits for."""

    RESET = "rset"
    NOTHING = "nothing"
    """The dot for a relay that said 354 although it had refused the recipient."""


_Step = Phase | _Extra
_GROUP = (Phase.MAIL, Phase.RCPT, Phase.DATA)


@dataclass(slots=True, eq=False)
class Mail:
    """One message on its way through a wire. `body` is dot-stuffed and ends with its dot; `answer` is the verdict."""

    envelope: Envelope
    body: bytes
    answer: "asyncio.Future[Verdict]"
    wire: "Wire | None" = None
    moved: bool = False
    """It was begun on a connection that turned out to be over; that happens to it once."""
    in_step: bool = False
    """Begun one command at a time."""
    early: bool = False
    """Begun while another's final dot was not answered."""
    commands: deque[bytes] = field(default_factory=deque)
    """In lock-step: what is still to be said before the body."""
    failed: Verdict | None = None
    rcpt_taken: bool = False
    written: bool = False
    """Its body was written."""
    dot_left: bool = False
    """Its final dot may have left this process: from here on silence means uncertain."""
    behind_dot: int = 0
    """Octets that were written together with its dot, after it."""

    def resolve(self, verdict: Verdict) -> None:
        """Tell whoever waits, if anybody still does."""
        if not self.answer.done():
            self.answer.set_result(verdict)


class Pool(Protocol):
    """What a wire asks of whoever has the messages."""

    def next_mail(self, wire: "Wire") -> Mail | None:
        """A message that waits for a connection and may go over this one."""

    def rested(self, wire: "Wire") -> None:
        """The wire is between two messages and has nothing to do."""

    def again(self, mail: Mail) -> None:
        """A message of which nothing but commands has left is to go over another connection that is there."""

    def over(self, wire: "Wire", anew: Mail | None) -> None:
        """The connection is over; `anew` is to go over a new one, because this one was over before it came."""


class Wire(asyncio.Protocol):
    """
    Takes over an open connection and carries messages, at most two at a time: one at its dot, one begun behind it.

    `pipelining` and `size` are what EHLO offered; `joins` says
    that the transport can tell exactly how much of what was written is still here (under TLS it cannot).
    """

    def __init__(
        self, transport: asyncio.Transport, pool: Pool, manners: Manners, timeouts: Timeouts, *, pipelining: bool,
        size: bool, joins: bool = True,
    ) -> None:  # fmt: skip
        self.pipelining = pipelining
        self.size = size
        self.sent = 0
        self.idle_since = 0.0
        self._joins = joins
        self._pool = pool
        self._manners = manners
        self._timeouts = timeouts
        self._shortest = min(timeouts.command, timeouts.data, timeouts.body, timeouts.dot, timeouts.early)
        self._loop = asyncio.get_running_loop()
        self._transport = transport
        self._buffer = b""
        self._text: list[bytes] = []
        self._replies: deque[tuple[int, bytes]] = deque()
        self._asked: deque[_Step] = deque()
        """Commands and dots without a reply, the oldest first; those up to the first dot are of `_front`."""
        self._front: Mail | None = None
        self._behind: Mail | None = None
        self._held: tuple[Mail, Verdict] | None = None
        """While overlap is tried: the verdict before the group that shows whether the replies were in order."""
        self._tries = False
        self._has_room = False
        """Nobody waited when the dot had left; a second message may still be begun behind it."""
        self._abandoned = False
        """The one behind was taken away: its replies are still to come, its body never goes."""
        self._needs_reset = False
        self._paused = False
        self._gone = ""
        self._quitting = False
        self._timer: asyncio.TimerHandle | None = None
        self._deadline = 0.0
        self._dot_until = 0.0
        self.closed: asyncio.Future[None] = self._loop.create_future()
        transport.set_protocol(self)
        # Told of the first octet that stays behind. Not 0: asyncio's TLS would then call an empty buffer full.
        transport.set_write_buffer_limits(high=1, low=0)
        if transport.is_closing():
            self.connection_lost(None)

    @property
    def usable(self) -> bool:
        """Whether it is between two messages and can carry another."""
        return not self._gone and not self._quitting and self._front is None and not self._transport.is_closing()

    @property
    def has_room(self) -> bool:
        """Whether a second message may be begun behind the one that is at its dot."""
        return self._has_room and self._may_overlap()

    # --- what the pool calls ---

    def begin(self, mail: Mail) -> None:
        """Begin with a message, behind another where there is one. What comes of it is its `answer`."""
        commands = self._take_on(mail)
        if self._write(commands):
            self._watch()

    def give_up(self, mail: Mail) -> None:
        """Nobody waits for this message any more; nothing of it that has not left leaves."""
        if mail is self._behind:
            self._abandon_behind()
        elif mail is self._front:
            self._lose(_GIVEN_UP)

    def abort(self) -> None:
        """Close at once; what was not sent yet is never sent."""
        self._lose("closed by us")

    def hang_up(self, why: str) -> None:
        """Let go of every message whose final dot cannot have left: the far side said nothing for too long."""
        front, behind = self._front, self._behind
        if behind is not None:
            self._abandon_behind()
            behind.resolve(connection_failed(Phase.MAIL, why))
        if front is not None and not front.dot_left:
            front.moved = True  # so that it is not begun anew here
            self._lose(why)

    def begin_quit(self) -> None:
        """
        Say QUIT, for a connection between two messages; `closed` is done a few seconds later at most.

        From here on nothing is asked of the pool any more.
        """
        self._quitting = True
        self._transport.write(b"QUIT\r\n")
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(_FAREWELL_SECONDS, self._transport.abort)

    # --- called by the event loop ---

    def data_received(self, data: bytes) -> None:
        """Cut what came into replies (RFC 5321 section 4.2.1), then go on with the conversation."""
        if self._quitting:
            self._transport.close()
            return
        if self._gone:
            return
        lines = (self._buffer + data).split(b"\n")
        self._buffer = lines.pop()
        sense = True
        for line in lines:
            mark = line[3:4]
            if not line[:3].isdigit() or mark not in (b" ", b"-", b"\r", b""):
                sense = False
                break
            text = line[4:].rstrip(b"\r")
            if mark == b"-":
                self._text.append(text)
                continue
            if self._text:
                text = b" ".join([*self._text, text])
                self._text.clear()
            self._replies.append((int(line[:3]), text))
        self._converse()
        if not sense:
            self._lose("what came is not SMTP", bad=len(self._asked) > 1)
        elif len(self._buffer) > _LINE_LIMIT or len(self._text) > _LINES_LIMIT:
            self._lose("the reply has no end")

    def eof_received(self) -> bool:
        """The relay closes; so do we."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is over."""
        self._lose(
            f"the connection broke: {exc}" if exc is not None else "the relay closed the connection", closed=True
        )
        if self._timer is not None:
            self._timer.cancel()
        if not self.closed.done():
            self.closed.set_result(None)

    def pause_writing(self) -> None:
        """Some of what was written waits here."""
        self._paused = True

    def resume_writing(self) -> None:
        """Everything has left."""
        self._paused = False
        mail = self._front
        if mail is not None and mail.written and not self._gone:
            mail.behind_dot = 0
            if not mail.dot_left:
                mail.dot_left = True
                self._at_the_dot()
            self._watch()

    # --- the conversation ---

    def _take_on(self, mail: Mail) -> bytes:
        """Make room for a message and note what it asks; returns what to write."""
        mail.wire = self
        mail.early = self._front is not None
        mail.in_step = self._manners.in_step or not self.pipelining
        self.sent += 1
        if self._front is None:
            self._front = mail
        else:
            self._behind = mail
            self._has_room = False
            if self._manners.overlap is Overlap.UNTRIED:
                self._manners.overlap = Overlap.TRYING
                self._tries = True
        envelope = mail.envelope
        # The size is that of the message as it is stored; the dots that were doubled are few (RFC 1870 section 6).
        announced = f" SIZE={len(mail.body)}" if self.size else ""
        first = f"MAIL FROM:<{envelope.mail_from}>{announced}\r\n"
        if not mail.in_step:
            asked = self._asked
            if self._needs_reset:
                self._needs_reset = False
                asked.append(_Extra.RESET)
                first = "RSET\r\n" + first
            asked.extend(_GROUP)
            return f"{first}RCPT TO:<{envelope.rcpt_to}>\r\nDATA\r\n".encode("ascii")
        mail.commands = deque([first.encode("ascii"), f"RCPT TO:<{envelope.rcpt_to}>\r\n".encode("ascii"), b"DATA\r\n"])
        if self._needs_reset:
            self._needs_reset = False
            self._asked.append(_Extra.RESET)
            return b"RSET\r\n"
        self._asked.append(Phase.MAIL)
        return mail.commands.popleft()

    def _write(self, data: bytes) -> bool:
        """Send. False where the connection turns out to be over; then nothing of this has left."""
        transport = self._transport
        if not transport.is_closing():
            transport.write(data)
            if not transport.is_closing():
                return True
        self._lose("the relay closed the connection")
        return False

    def _converse(self) -> None:
        """Match each reply with the oldest command that has none."""
        replies, asked = self._replies, self._asked
        while replies and not self._gone:
            if not asked:
                self._spoke_unasked()
                return
            code, text = replies.popleft()
            step = asked.popleft()
            mail = self._front
            assert mail is not None
            if step is Phase.DOT:
                self._dot_answered(mail, code, text)
            elif step is _Extra.RESET:
                if not 200 <= code < 300:
                    self._lose(f"answered RSET with {code} {_decoded(text)}")
                elif mail.in_step:
                    self._say_next(mail, Phase.MAIL)
            elif step is _Extra.NOTHING:
                self._refused(mail)
            elif mail.failed is not None:
                self._after_refusal(mail, step, code, text)
            elif goes_on(step, code):
                if step is Phase.DATA:
                    self._send_body(mail)
                elif mail.in_step:
                    self._say_next(mail, Phase.RCPT if step is Phase.MAIL else Phase.DATA)
            else:
                self._refuse(mail, step, from_reply(step, code, _decoded(text)))
        if not self._gone:
            self._watch()

    def _say_next(self, mail: Mail, step: Phase) -> None:
        """In lock-step: the next command, now that the one before it is answered."""
        if self._is_ahead():
            return
        self._asked.append(step)
        self._write(mail.commands.popleft())

    def _is_ahead(self) -> bool:
        """Whether the relay said more than it was asked, before something that hangs on its reply: then it is over."""
        if not self._replies and not self._buffer and not self._text:
            return False
        self._spoke_unasked()
        return True

    def _spoke_unasked(self) -> None:
        """421 may come at any time (RFC 5321 section 3.8); anything else is a reply too many."""
        farewell = bool(self._replies) and self._replies[0][0] == 421
        self._lose("the relay spoke unasked", bad=not farewell)

    def _refuse(self, mail: Mail, step: Phase, verdict: Verdict) -> None:
        if isinstance(verdict, Deferred) and verdict.scope is Scope.CONNECTION:
            # 421, or what this command cannot be answered with
            self._lose(verdict.text, verdict, bad=verdict.code != 421 and not mail.in_step)
            return
        mail.failed = verdict
        if step is Phase.DATA or mail.in_step:
            self._refused(mail)

    def _after_refusal(self, mail: Mail, step: Phase, code: int, text: bytes) -> None:
        """
        The rest of a group in which something was refused: its replies are still to be read (RFC 2920 section 3.1).

        A relay that takes DATA although it has no recipient gets a dot and nothing else; one that has a recipient and
        no sender would deliver that, and gets nothing.
        """
        if step is Phase.RCPT:
            mail.rcpt_taken = 200 <= code < 300
        makes_sense = 200 <= code < 300 if mail.rcpt_taken and step is Phase.RCPT else 400 <= code < 600
        if step is Phase.DATA and code == 354 and not mail.rcpt_taken:
            if not self._is_ahead():
                self._asked.append(_Extra.NOTHING)
                self._write(b".\r\n")
        elif not makes_sense or code == 421:
            self._lose(f"{code} {_decoded(text)}", mail.failed, bad=not makes_sense)
        elif step is Phase.DATA:
            self._refused(mail)

    def _refused(self, mail: Mail) -> None:
        """The transaction ended without a body: whatever the relay kept of it is reset before the next."""
        assert mail.failed is not None
        self._needs_reset = True
        self._front = None
        self._release_held()
        mail.resolve(mail.failed)
        self._go_on()

    def _send_body(self, mail: Mail) -> None:
        """The body with its dot and, where another message waits and the relay bears it, that one's group."""
        if self._is_ahead():
            return
        manners = self._manners
        if not mail.in_step:
            manners.groups_proven = True
            if mail.early and self._tries:
                self._tries = False
                manners.overlap = Overlap.PROVEN
        self._release_held()
        mail.written = True
        self._asked.append(Phase.DOT)
        following = None
        if self._joins and len(mail.body) <= _JOIN_LIMIT and self._may_overlap():
            following = self._pool.next_mail(self)
        if following is None:
            if self._write(mail.body):
                mail.dot_left = not self._paused
                if mail.dot_left:
                    self._at_the_dot()
            return
        commands = self._take_on(following)
        if self._write(mail.body + commands):
            mail.dot_left = True
            mail.behind_dot = len(commands) if self._paused else 0
            self._dot_until = self._loop.time() + self._timeouts.dot

    def _at_the_dot(self) -> None:
        """The dot has left: the next message may be begun right behind it."""
        self._dot_until = self._loop.time() + self._timeouts.dot
        if not self._may_overlap():
            return
        following = self._pool.next_mail(self)
        if following is None:
            self._has_room = True
        else:
            self._write(self._take_on(following))

    def _may_overlap(self) -> bool:
        manners = self._manners
        return (
            self.pipelining
            and not manners.in_step
            and self._behind is None
            and (manners.overlap is not Overlap.TRYING or self._tries)
        )

    def _dot_answered(self, mail: Mail, code: int, text: bytes) -> None:
        verdict = from_reply(Phase.DOT, code, _decoded(text))
        self._has_room = False
        if not mail.dot_left or (mail.behind_dot and self._transport.get_write_buffer_size() > mail.behind_dot):
            # The relay answered before the end of the message: it cannot have taken it.
            if not 400 <= code < 600:
                verdict = connection_failed(Phase.DOT, f"answered in the middle of the message: {code} {verdict.text}")
            mail.dot_left = False
            self._lose(verdict.text, verdict)
            return
        if isinstance(verdict, Uncertain) or (isinstance(verdict, Deferred) and verdict.scope is Scope.CONNECTION):
            self._lose(verdict.text, verdict, bad=isinstance(verdict, Uncertain) and self._behind is not None)
            return
        self._front, self._behind = self._behind, None
        if self._front is None:
            mail.resolve(verdict)
            if self._abandoned:
                self._lose(_GIVEN_UP)
            else:
                self._go_on()
        elif self._tries:
            self._held = (mail, verdict)
        else:
            mail.resolve(verdict)

    def _go_on(self) -> None:
        """Between two messages."""
        if self._is_ahead():
            return
        following = self._pool.next_mail(self)
        if following is None:
            self._pool.rested(self)
        else:
            self._write(self._take_on(following))

    def _release_held(self) -> None:
        if self._held is not None:
            mail, verdict = self._held
            self._held = None
            mail.resolve(verdict)

    def _abandon_behind(self) -> None:
        """Take the message behind away: the one before it gets its verdict, then the connection ends."""
        self._behind = None
        self._abandoned = True

    # --- the end of a connection ---

    def _lose(self, why: str, verdict: Verdict | None = None, *, bad: bool = False, closed: bool = False) -> None:
        """
        The connection is over, by whichever side: settle what is on it.

        `verdict` is what the relay said last, for the message in front. `bad`: it does not bear early commands.
        `closed`: nobody has to close it any more.
        """
        if self._gone:
            return
        self._gone = why or "the connection is over"
        self._has_room = False
        front, behind = self._front, self._behind
        phase = self._phase()
        self._front = self._behind = None
        self._learn(front, behind, verdict, bad=bad)
        if self._held is not None:
            mail, said = self._held
            self._held = None
            # Replies that do not belong together leave in doubt what the one before them belonged to.
            mail.resolve(Uncertain(f"{self._gone}; before it: {said.code} {said.text}") if bad else said)
        anew: Mail | None = None
        if front is not None:
            settled = front.failed or verdict
            if settled is None:
                settled = Uncertain(self._gone) if front.dot_left else connection_failed(phase, self._gone)
            if _was_over(settled) and self.sent > 1 and not front.moved and not front.answer.done():
                anew = front
            else:
                front.resolve(settled)
        if behind is not None and not behind.answer.done():
            if behind.moved:
                behind.resolve(connection_failed(Phase.MAIL, self._gone))
            else:
                anew = behind
        self._replies.clear()
        if not closed:
            self._transport.abort()
        if not self._quitting:
            self._pool.over(self, anew)

    def _phase(self) -> Phase:
        step = self._asked[0] if self._asked else Phase.MAIL
        return step if isinstance(step, Phase) else Phase.MAIL

    def _learn(self, front: Mail | None, behind: Mail | None, verdict: Verdict | None, *, bad: bool) -> None:
        """What the end of this connection says about the relay's manners."""
        manners = self._manners
        if bad and self.pipelining:
            manners.misbehaved(self._gone)
        if not self._tries:
            return
        self._tries = False
        manners.overlap = Overlap.UNTRIED
        was_early = behind is not None or self._abandoned or (front is not None and front.early and not front.written)
        if was_early and verdict is None and self._gone != _GIVEN_UP:
            manners.misbehaved(self._gone)  # the very first time, and it broke: do not find out how often

    # --- waiting ---

    def _watch(self) -> None:
        """
        Set the time by which the next reply must be here.

        One timer a connection. It rings at least as often as the shortest phase lasts, and looks; moving it at each
        command would cost more than the command.
        """
        if not self._asked:
            return
        now = self._loop.time()
        mail = self._front
        if mail is not None and mail.written:
            if not mail.dot_left:
                self._deadline = now + self._timeouts.body
            elif self._behind is not None:
                self._deadline = min(now + self._timeouts.early, self._dot_until)
            else:
                self._deadline = self._dot_until
        else:
            self._deadline = now + self._seconds(mail)
        if self._timer is None:
            self._timer = self._loop.call_at(min(self._deadline, now + self._shortest), self._ring)

    def _seconds(self, mail: Mail | None) -> float:
        step = self._asked[0]
        seconds = self._timeouts.data if step is Phase.DATA else self._timeouts.command
        return min(seconds, self._timeouts.early) if self._is_unproven(mail, step) else seconds

    def _is_unproven(self, mail: Mail | None, step: _Step) -> bool:
        """Whether silence may mean that the relay has thrown away what came early."""
        if mail is None or mail.in_step:
            return False
        if mail.early and (step is Phase.MAIL or self._manners.overlap is not Overlap.PROVEN):
            return True  # the dot before it was answered, and its own commands were not
        return step in (Phase.RCPT, Phase.DATA) and not self._manners.groups_proven

    def _ring(self) -> None:
        self._timer = None
        if self._gone or not self._asked:
            return
        now = self._loop.time()
        if now < self._deadline:
            self._timer = self._loop.call_at(min(self._deadline, now + self._shortest), self._ring)
            return
        mail, behind = self._front, self._behind
        if mail is not None and mail.dot_left and behind is not None and now < self._dot_until:
            self._abandon_behind()
            self._watch()
            self._pool.again(behind)
            return
        unproven = self._is_unproven(mail, self._asked[0])
        if unproven and mail is not None and not mail.moved:
            # Nothing of its body has left: over a new connection, one command at a time.
            self._front = None
            self._manners.misbehaved("no answer to what came early")
            self._behind = mail
        self._lose("the relay did not answer in time")


def _was_over(verdict: Verdict) -> bool:
    """Whether a connection turned out to be over when we came back to it: nothing was handed in."""
    return isinstance(verdict, Deferred) and verdict.scope is Scope.CONNECTION and verdict.phase is Phase.MAIL


def _decoded(text: bytes) -> str:
    return text.decode("utf-8", "replace")
