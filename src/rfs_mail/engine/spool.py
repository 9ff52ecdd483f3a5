"""
Unsubscribes that could not be written to the database are kept in a file, and written as soon as they can be.

Whoever pressed the button has done her part; that our database was locked or down is not hers to know. One line an
unsubscribe: token, scope, time; no address. A line is on the disk (fsync) before the answer is given.
"""

import fcntl
import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from rfs_mail.core import tokens
from rfs_mail.core.tokens import Keys, Kind
from rfs_mail.engine import feedback
from rfs_mail.errors import TokenError
from rfs_mail.store import outbox, suppressions
from rfs_mail.store.database import Store

log = logging.getLogger(__name__)

NAME = "unsubscribe.spool"


@dataclass(frozen=True, slots=True)
class Drained:
    """What a pass over the spool did."""

    written: int = 0
    unreadable: int = 0
    """Lines that nobody wrote like this; they are kept in `unsubscribe.spool.unreadable`."""


def spool_unsubscribe(folder: Path, token: str, scope: str, *, at: datetime) -> None:
    """Keep an unsubscribe until the database is there again; it is on the disk when this returns. Raises OSError."""
    line = json.dumps({"token": token, "scope": scope, "at": at.isoformat()}).encode("ascii")
    with _locked(folder / NAME) as handle:
        # A line that a crash cut short must not swallow this one.
        os.write(handle, b"\n" + line + b"\n")
        os.fsync(handle)
    _sync_folder(folder)


def drain_spool(store: Store, keys: Keys, folder: Path) -> Drained:
    """
    Write what the spool holds to the database, each in a transaction of its own, and forget it.

    Safe to call from several processes at once and at any time: new lines go to a new file meanwhile, and after a
    crash the old file is read again from its start, which changes nothing. Raises what the database raises; what was
    not written stays.
    """
    taken = folder / f"{NAME}.taken"
    if not taken.exists() and not (folder / NAME).exists():
        return Drained()
    with _alone(folder / f"{NAME}.lock") as alone:
        if not alone:
            return Drained()
        total = _work_off(store, keys, taken)
        if (folder / NAME).exists():
            with _locked(folder / NAME):
                (folder / NAME).rename(taken)
            more = _work_off(store, keys, taken)
            total = Drained(total.written + more.written, total.unreadable + more.unreadable)
    if total.written:
        log.info("kept unsubscribes are written", extra={"unsubscribes": total.written})
    return total


def _work_off(store: Store, keys: Keys, path: Path) -> Drained:
    if not path.exists():
        return Drained()
    written = 0
    unreadable: list[bytes] = []
    for line in path.read_bytes().splitlines():
        if not line.strip():
            continue
        entry = _read(line, keys)
        if entry is None:
            unreadable.append(line)
            continue
        with store.begin() as connection:
            _unsubscribe(connection, *entry)
        written += 1
    if unreadable:
        log.error("lines of the unsubscribe spool cannot be read", extra={"lines": len(unreadable)})
        with path.with_name(f"{NAME}.unreadable").open("ab") as kept:
            kept.write(b"\n".join(unreadable) + b"\n")
            kept.flush()
            os.fsync(kept.fileno())
    path.unlink()
    return Drained(written, len(unreadable))


def _read(line: bytes, keys: Keys) -> tuple[int, str, datetime] | None:
    try:
        entry: Any = json.loads(line)
        delivery_id = tokens.read(Kind.UNSUBSCRIBE, entry["token"], keys)
        at = datetime.fromisoformat(entry["at"])
        if entry["scope"] not in feedback.SCOPES or at.tzinfo is None:
            return None
    except (ValueError, KeyError, TypeError, AttributeError, TokenError):
        return None
    return delivery_id, entry["scope"], at


def _unsubscribe(connection: Connection, delivery_id: int, scope: str, at: datetime) -> None:
    """
    As of the moment she pressed the button: an opt-in that she gave since then stands.

    No button is pressed before its mail was there, whatever a clock that was set back says.
    """
    addressee = outbox.addressee(connection, delivery_id)
    if addressee is not None and addressee.person_id is not None:
        mail = outbox.get(connection, delivery_id)
        pressed = at if mail is None else max(at, mail.queued_at)
        consents = suppressions.consents_of(connection, addressee.person_id)
        if any(one.entity_id == addressee.entity_id and one.granted_at > pressed for one in consents):
            return
    feedback.unsubscribe_by_link(connection, delivery_id, scope=scope, source="spool", now=at)


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    """Open a file for appending, alone; never one that was renamed away between opening and locking it."""
    while True:
        handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            if _is(path, handle):
                yield handle
                return
        finally:
            os.close(handle)


@contextmanager
def _alone(path: Path) -> Iterator[bool]:
    """True for one process at a time."""
    with path.open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


def _is(path: Path, handle: int) -> bool:
    try:
        there = path.stat()
    except FileNotFoundError:
        return False
    opened = os.fstat(handle)
    return (there.st_dev, there.st_ino) == (opened.st_dev, opened.st_ino)


def _sync_folder(folder: Path) -> None:
    """A new name is only durable when its folder is."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
