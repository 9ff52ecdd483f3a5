"""A transport that prints each message: for a first look, and for running without a relay."""

import sys
from typing import TextIO

from rfs_mail.core.verdict import Accepted, Verdict
from rfs_mail.transport.base import Envelope, refusal
from rfs_mail.transport.reading import glimpse

_RULE = "-" * 72


class ConsoleTransport:
    """Prints envelope, author, subject and text of each message to `stream` (None: standard output)."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream

    @property
    def name(self) -> str:
        """`console`."""
        return "console"

    async def open(self) -> None:
        """Nothing to get ready."""

    async def send(self, envelope: Envelope, message: bytes) -> Verdict:
        """Print it. Whatever a name or a subject holds, the terminal gets printable text only."""
        refused = refusal(envelope, message)
        if refused is not None:
            return refused
        seen = glimpse(message)
        when = f"{seen.date:%Y-%m-%d %H:%M} UTC" if seen.date is not None else "no date"
        out = self._stream if self._stream is not None else sys.stdout
        out.write(
            f"{_RULE}\n{when}  {envelope.mail_from or '<>'} -> {envelope.rcpt_to}\n"
            f"From: {seen.sender}\nTo: {seen.to}\nSubject: {seen.subject}\n\n{seen.text.rstrip()}\n{_RULE}\n"
        )
        out.flush()
        return Accepted(250, "2.0.0", "printed")

    def turn_away(self, why: str, *, hang_up: bool = False) -> None:
        """Nobody waits here."""

    async def close(self) -> None:
        """Nothing to let go of."""
