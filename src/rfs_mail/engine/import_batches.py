"""
How an import shares the database: how large its batches are, in which order its rows come, and when others get in.

Its transactions are patient: whoever else waits for the database goes first. Between two of them it is left free for a
while, too, so that other long work gets its share; that while is spent reading the next rows.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from sqlalchemy import Connection

from rfs_mail import clock
from rfs_mail.core.signups import Signup
from rfs_mail.store.imports import BatchWriter

T = TypeVar("T")

CHUNK = 30_000
"""Rows that are read before any is merged: sorted among each other they touch far fewer pages of the database."""

BATCH = 2_000
"""The most rows merged in one transaction."""

FIRST = 500
"""Rows of the first transaction, before it is known how fast this machine is."""

HELD_SECONDS = 0.07
"""How long a transaction should hold the database; batches get smaller where it takes longer."""

FREE_SHARE = 0.2
"""
After a batch the database is left free for at least this part of the time the batch held it: other patient writers try
now and then, and must have a fair chance to find it free.
"""


class Turns:
    """Shares the database with others: how large a batch may be, and when the next may begin."""

    def __init__(self, pause: Callable[[float], None], *, first: int | None = None) -> None:
        """`first`: the size to begin with; None: the largest, for who holds nobody up."""
        self._pause = pause
        self._free_until = 0.0
        self.size = BATCH if first is None else min(first, BATCH)

    def take(self, writer: BatchWriter, work: Callable[[Connection], T]) -> T:
        """Wait for our turn, do the work in a transaction, and give way."""
        left = self._free_until - clock.monotonic()
        if left > 0:
            self._pause(left)
        began = 0.0

        def timed(connection: Connection) -> T:
            nonlocal began
            began = clock.monotonic()  # now that the database is ours: waiting for it is nobody's loss
            return work(connection)

        done = writer.write(timed)
        ended = clock.monotonic()
        held = ended - began
        self._free_until = ended + FREE_SHARE * held
        fits = self.size * HELD_SECONDS / max(held, 1e-6)
        self.size = max(1, BATCH // 8, min(BATCH, round((self.size + fits) / 2)))
        return done


class _Slices:
    """Sign-ups to be given out piece by piece; those that do not fit into one piece in the order of their hashes."""

    def __init__(self, signups: list[Signup]) -> None:
        if len(signups) > BATCH:
            signups.sort(key=lambda signup: signup.hash)
        self._signups = signups
        self._next = 0

    @property
    def left(self) -> bool:
        """Is there any to give?"""
        return self._next < len(self._signups)

    def take(self, size: int) -> list[Signup]:
        """The next so many."""
        piece = self._signups[self._next : self._next + size]
        self._next += size
        return piece


def in_batches(signups: Iterable[Signup], turns: Turns) -> Iterator[Sequence[Signup]]:
    """
    The sign-ups in batches of the size that `turns` says, those of a chunk in the order of their hashes.

    Rows of one person keep their order. A file that fits into one batch keeps it altogether. While the batches of one
    chunk are given out, as many rows of the next are read after each.
    """
    ready = _Slices([])
    chunk: list[Signup] = []
    due = 0
    for signup in signups:
        chunk.append(signup)
        if len(chunk) >= due and ready.left:
            batch = ready.take(turns.size)
            due += len(batch)
            yield batch
        if len(chunk) == CHUNK:
            while ready.left:
                yield ready.take(turns.size)
            ready, chunk, due = _Slices(chunk), [], 0
    for rest in (ready, _Slices(chunk)):
        while rest.left:
            yield rest.take(turns.size)
