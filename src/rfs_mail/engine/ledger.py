"""
Group commit: marks and verdicts of many deliveries, one durable transaction.

Each commit takes whatever has come in while the one before it ran, so the groups grow with the load by themselves.
A mark answers only when it is durable; a verdict frees its slot only when it is durable. Verdicts outlive an outage of
the database in memory; marks do not, because a mail that is not marked may simply wait.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Concatenate, ParamSpec, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from rfs_mail.core.lifecycle import DeliveryState
from rfs_mail.engine import feedback
from rfs_mail.engine.gate import Rules, pass_gate
from rfs_mail.store import outbox
from rfs_mail.store.database import Store
from rfs_mail.store.outbox import Mark, Move

P = ParamSpec("P")
T = TypeVar("T")

LOG = logging.getLogger(__name__)

GROUP = 256
"""Marks and verdicts a transaction, at most: it stays far below 100 ms."""


ENOUGH = 20
"""So many are committed at once; fewer wait for others to come along, because a commit costs more than a mail."""

LINGER = 0.005
"""Seconds of machine time that a smaller group waits, at most."""


@dataclass(frozen=True, slots=True)
class Settlement:
    """A verdict, or a failure before the mark, as a move; `bounce` is its class where it is about the person."""

    move: Move
    origin: tuple[DeliveryState, ...]
    bounce: str | None = None


@dataclass(slots=True)
class _Entry:
    answer: "asyncio.Future[Any]"
    mark: tuple[Mark, datetime] | None = None
    settlement: Settlement | None = None
    work: Callable[[Connection], Any] | None = None


class Ledger:
    """Commits marks, settlements and what else there is in groups. Belongs to one event loop; `run` must be going."""

    def __init__(self, store: Store, rules: Rules) -> None:
        self._store = store
        self._rules = rules
        self._entries: list[_Entry] = []
        self._some = asyncio.Event()
        self._enough = asyncio.Event()
        self._ended = False
        self.under_way = 0
        """Deliveries that have something to enter yet: nobody else is waited for."""

    async def mark(self, mark: Mark, *, now: datetime) -> bool:
        """May this delivery's bytes go to the wire? Durable when it answers yes."""
        may: bool = await self._enter(_Entry(asyncio.get_running_loop().create_future(), mark=(mark, now)))
        return may

    async def settle(self, settlement: Settlement) -> bool:
        """Record what became of it; False where somebody else had settled it. Durable when it answers."""
        moved: bool = await self._enter(_Entry(asyncio.get_running_loop().create_future(), settlement=settlement))
        return moved

    async def write(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """
        Run `work(connection, ...)` with the next group: opening and closing a batch needs no transaction of its own.

        What it raises is raised here, and the others of the group do not notice.
        """
        answer = asyncio.get_running_loop().create_future()
        done: T = await self._enter(_Entry(answer, work=lambda connection: work(connection, *args, **kwargs)))
        return done

    async def _enter(self, entry: _Entry) -> Any:
        self._entries.append(entry)
        self._some.set()
        if len(self._entries) >= min(ENOUGH, self.under_way):
            self._enough.set()
        return await entry.answer

    async def run(self) -> None:
        """Commit until `end`; whatever was entered before is committed first."""
        while True:
            await self._some.wait()
            if not self._ended:
                await self._linger()
            group, self._entries = self._entries[:GROUP], self._entries[GROUP:]
            if not self._entries:
                self._some.clear()
            if group:
                await self._commit(group)
            elif self._ended:
                return
            if self._ended:
                self._some.set()

    async def _linger(self) -> None:
        self._enough.clear()
        if len(self._entries) < min(ENOUGH, self.under_way):
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._enough.wait(), LINGER)

    def end(self) -> None:
        """Come to an end once everything entered is durable."""
        self._ended = True
        self._some.set()
        self._enough.set()

    async def _commit(self, group: Sequence[_Entry]) -> None:
        wait = 0.1
        while True:
            try:
                answers = await self._store.write(_write, self._rules, group)
                break
            except DBAPIError as error:
                LOG.error("the database refused a group of %d: %s", len(group), error.orig)
                for entry in group:
                    if entry.answer.done() or entry.settlement is not None:
                        continue
                    if entry.mark is not None:  # it must not go; its lease or release brings it back
                        entry.answer.set_result(False)
                    else:
                        entry.answer.set_exception(error)
                group = [entry for entry in group if entry.settlement is not None]
                if not group:
                    return
                await asyncio.sleep(wait)
                wait = min(wait * 2, 5.0)
            except Exception as error:  # a bug: those who wait are told, the ledger goes on for the others
                LOG.exception("a group of %d could not be written", len(group))
                for entry in group:
                    if not entry.answer.done():
                        entry.answer.set_exception(error)
                return
        for entry, answer in zip(group, answers, strict=True):
            if entry.answer.done():
                continue
            if isinstance(answer, _Failed):
                entry.answer.set_exception(answer.error)
            else:
                entry.answer.set_result(answer)


@dataclass(frozen=True, slots=True)
class _Failed:
    """What a piece of work raised; the group goes on without it."""

    error: Exception


def _write(connection: Connection, rules: Rules, group: Sequence[_Entry]) -> list[Any]:
    """One transaction: verdicts first, so that a slot that became free counts against the caps it used."""
    settled: set[int] = set()
    by_origin: dict[tuple[DeliveryState, ...], list[Settlement]] = {}
    for entry in group:
        if entry.settlement is not None:
            by_origin.setdefault(entry.settlement.origin, []).append(entry.settlement)
    for origin, settlements in by_origin.items():
        moved = outbox.settle(connection, [one.move for one in settlements], origin=origin)
        settled |= moved
        for one in settlements:
            if one.bounce is not None and one.move.id in moved:
                _refused_at_the_wire(connection, one)
    marks: dict[datetime, dict[int, Mark]] = {}
    for entry in group:
        if entry.mark is not None:
            mark, at = entry.mark
            marks.setdefault(at, {})[mark.id] = mark
    passed: dict[int, bool] = {}
    for now, wanted in marks.items():
        passed |= pass_gate(connection, wanted, rules, now=now)
    return [_answer(connection, entry, passed, settled) for entry in group]


def _answer(connection: Connection, entry: _Entry, passed: Mapping[int, bool], settled: Container[int]) -> Any:
    if entry.mark is not None:
        return passed.get(entry.mark[0].id, False)
    if entry.settlement is not None:
        return entry.settlement.move.id in settled
    assert entry.work is not None, "an entry is a mark, a settlement or a piece of work"
    try:
        with connection.begin_nested():
            return entry.work(connection)
    except DBAPIError:
        raise
    except Exception as error:
        return _Failed(error)


def _refused_at_the_wire(connection: Connection, one: Settlement) -> None:
    addressee = outbox.addressee(connection, one.move.id)
    if addressee is not None and one.bounce is not None:
        feedback.bounce(
            connection, addressee, kind=one.bounce, code=one.move.code, reply=one.move.reply or "", now=one.move.at,
            key=f"wire:{one.move.id}",
        )  # fmt: skip
