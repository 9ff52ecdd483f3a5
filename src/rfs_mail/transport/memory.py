"""A transport that keeps messages in memory: for tests, for a look before sending, for simulation."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from rfs_mail.core.verdict import Accepted, Verdict
from rfs_mail.transport.base import Envelope, refusal

Answer = Verdict | Callable[[Envelope, bytes], Verdict]


@dataclass(frozen=True, slots=True)
class Sent:
    """One call of `send`: what was given, and what was answered."""

    envelope: Envelope
    message: bytes
    verdict: Verdict


class MemoryTransport:
    """
    Keeps every message in `sent`, in order, and answers `answer`, or what `script` laid down for the recipient.

    >>> transport = MemoryTransport()
    >>> transport.script("maria@example.org", from_reply(Phase.RCPT, 451, "4.7.1 later"))    # then as always
    """

    def __init__(self, answer: Answer | None = None, *, name: str = "memory") -> None:
        self._name = name
        self._answer: Answer = answer if answer is not None else Accepted(250, "2.0.0", "kept in memory")
        self._scripts: dict[str, deque[Answer]] = {}
        self.sent: list[Sent] = []
        self.is_open = False

    @property
    def name(self) -> str:
        """`memory`, or the name it was given."""
        return self._name

    @property
    def accepted(self) -> list[Sent]:
        """What was accepted, in order."""
        return [sent for sent in self.sent if isinstance(sent.verdict, Accepted)]

    def script(self, rcpt_to: str, *answers: Answer) -> None:
        """Answer the next messages to this recipient so, one after the other; after them as always."""
        self._scripts.setdefault(rcpt_to, deque()).extend(answers)

    async def open(self) -> None:
        """Get ready; keeps what is there."""
        self.is_open = True

    async def send(self, envelope: Envelope, message: bytes) -> Verdict:
        """Keep it, and answer."""
        verdict: Verdict | None = refusal(envelope, message)
        if verdict is None:
            scripted = self._scripts.get(envelope.rcpt_to)
            answer = scripted.popleft() if scripted else self._answer
            verdict = answer(envelope, message) if callable(answer) else answer
        self.sent.append(Sent(envelope, message, verdict))
        return verdict

    def turn_away(self, why: str, *, hang_up: bool = False) -> None:
        """Nobody waits here."""

    async def close(self) -> None:
        """Stop; keeps what is there."""
        self.is_open = False
