"""What every transport is: something that carries a finished message out and says what became of it."""

from dataclasses import dataclass
from typing import Protocol

from rfs_mail.core.headers import is_address
from rfs_mail.core.verdict import Rejected, Scope, Verdict, refused_here


@dataclass(frozen=True, slots=True)
class Envelope:
    """Who sends to whom: bare ASCII addresses. `mail_from` "" is the null sender (RFC 5321 section 4.5.5)."""

    mail_from: str
    rcpt_to: str


class Transport(Protocol):
    """
    Carries messages out. Opened once, used by many tasks at once, closed once.

    `send` answers every outcome as a verdict and raises nothing but CancelledError; `message` is finished bytes with
    CRLF line ends, which no transport changes.
    """

    @property
    def name(self) -> str:
        """What logs and pages call it: never with a password."""
        ...

    async def open(self) -> None:
        """Get ready. Raises TransportError where it can never work as configured."""
        ...

    async def send(self, envelope: Envelope, message: bytes) -> Verdict:
        """Carry one message to one recipient, and wait for what the far side says."""
        ...

    def turn_away(self, why: str, *, hang_up: bool = False) -> None:
        """
        Answer at once, with a failed connection, all who wait and of whose message nothing was handed over yet.

        `hang_up`: also those that were begun and cannot have been taken, because their end has not left.
        """
        ...

    async def close(self) -> None:
        """Let what is under way end, then let go of everything. A second call does nothing."""
        ...


def refusal(envelope: Envelope, message: bytes) -> Rejected | None:
    """
    Why this must not be put on any wire, or None.

    An address with a line end, a bracket or a blank in it could carry commands; a bare CR or LF in a message could
    end it early for a reader who counts lines otherwise. Every transport asks this first, so that tests see what
    relays would.
    """
    if not is_address(envelope.rcpt_to):
        return refused_here(Scope.RECIPIENT, f"not an address for RCPT: {envelope.rcpt_to[:80]!a}")
    if envelope.mail_from and not is_address(envelope.mail_from):
        return refused_here(Scope.CONTENT, f"not an address for MAIL: {envelope.mail_from[:80]!a}")
    ends = message.count(b"\r\n")
    if message.count(b"\n") != ends or message.count(b"\r") != ends or b"\0" in message or message[-2:] != b"\r\n":
        return refused_here(Scope.CONTENT, "the message has a bare CR, a bare LF, a NUL or no final line end")
    return None
