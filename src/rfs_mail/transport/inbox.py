"""A transport that puts each message into a folder as an .eml file: the inbox of a set-up without a relay."""

import asyncio
import os
import re
import unicodedata
from pathlib import Path

from rfs_mail.core.verdict import Accepted, Phase, Verdict, connection_failed
from rfs_mail.errors import TransportError
from rfs_mail.transport.base import Envelope, refusal
from rfs_mail.transport.reading import glimpse

_UNSAFE = re.compile(r"[^a-z0-9@._-]+")
_DOTS = re.compile(r"\.{2,}")
_LIMIT = 60


class InboxTransport:
    """
    Writes each message to `folder`, as TIME_RECIPIENT_SUBJECT.eml, TIME being the message's own Date in UTC.

    A file appears whole or not at all, is on disk before the message is accepted, and never takes the place of another.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def name(self) -> str:
        """`inbox`."""
        return "inbox"

    async def open(self) -> None:
        """Make the folder. Raises TransportError where that cannot be."""
        try:
            await asyncio.to_thread(self._folder.mkdir, parents=True, exist_ok=True)
        except OSError as error:
            raise TransportError(
                f"Cannot make the inbox folder {self._folder}: {error.strerror}. Choose another."
            ) from error

    async def send(self, envelope: Envelope, message: bytes) -> Verdict:
        """Write the bytes as they are. A full disk defers the message."""
        refused = refusal(envelope, message)
        if refused is not None:
            return refused
        try:
            name = await asyncio.to_thread(_write, self._folder, file_stem(envelope, message), message)
        except OSError as error:
            return connection_failed(Phase.CONNECT, f"the inbox folder cannot be written: {error.strerror}")
        return Accepted(250, "2.0.0", name)

    def turn_away(self, why: str, *, hang_up: bool = False) -> None:
        """Nobody waits here."""

    async def close(self) -> None:
        """Nothing to let go of: every file is on disk."""


def file_stem(envelope: Envelope, message: bytes) -> str:
    """The name of a message's file without its ending: time, recipient and subject, safe for any folder."""
    seen = glimpse(message)
    when = f"{seen.date:%Y%m%dT%H%M%SZ}" if seen.date is not None else "undated"
    return "_".join(part for part in (when, _slug(envelope.rcpt_to), _slug(seen.subject)) if part)


def _slug(text: str) -> str:
    """A piece of a file name: lower-case letters, digits and `@._-`; no leading dot, at most 60 octets."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii").lower()
    return _DOTS.sub(".", _UNSAFE.sub("-", plain))[:_LIMIT].strip(".-")


def _write(folder: Path, stem: str, message: bytes) -> str:
    """
    Write and sync the message, then give it its name.

    NAME.part, which only one writer can make, reserves NAME.eml: whoever holds it looks whether the name is taken,
    and if it is not, nobody else can take it before the rename.
    """
    number = 1
    while True:
        name = f"{stem}.eml" if number == 1 else f"{stem}_{number}.eml"
        part = folder / f"{name}.part"
        number += 1
        try:
            with part.open("xb") as file:
                taken = (folder / name).exists()
                if not taken:
                    file.write(message)
                    file.flush()
                    os.fsync(file.fileno())
            if taken:
                part.unlink()
                continue
            part.replace(folder / name)
        except FileExistsError:
            continue
        except OSError:
            part.unlink(missing_ok=True)
            raise
        _sync_folder(folder)
        return name


def _sync_folder(folder: Path) -> None:
    """Make the new name itself durable, where the system lets a folder be opened."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
