"""
Senders that break one promise each: what the suite must catch, to prove that it can fail.

Each is named after its sin and changes the running process only. Whatever it takes hold of must be there: where the
engine is rebuilt, an AttributeError says that a mutant has to follow.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from rfs_mail.core.lifecycle import DeliveryState
from rfs_mail.engine import gate, ledger
from rfs_mail.engine.deliver import Deliverer
from rfs_mail.engine.ledger import Ledger, Settlement
from rfs_mail.store import outbox
from rfs_mail.store.outbox import Move


def _marks_after_sending() -> None:
    """Ask the database when the mail is out: the order of many."""
    real_mark, real_record = Ledger.mark, Deliverer._record
    marks: dict[int, Any] = {}

    async def promise(self: Ledger, mark: Any, *, now: Any) -> bool:
        marks[mark.id] = mark
        return True

    async def mark_now(self: Deliverer, news: Any, row: Any, epoch: int, way: Any, verdict: Any) -> None:
        await real_mark(self._ledger, marks[row.id], now=self.now())
        await real_record(self, news, row, epoch, way, verdict)

    Ledger.mark = promise  # type: ignore[method-assign]
    Deliverer._record = mark_now  # type: ignore[method-assign]


def _asks_for_no_epoch() -> None:
    """A holder that slept marks and settles what is another's by now."""
    real = ledger.pass_gate

    def pass_gate(connection: Any, wanted: Any, rules: Any, *, now: Any) -> Any:
        held = {row.id: row for row in outbox.gate_rows(connection, list(wanted))}
        taken = {
            one: replace(mark, batch_id=held[one].batch_id, epoch=held[one].epoch) if one in held else mark
            for one, mark in wanted.items()
        }
        return real(connection, taken, rules, now=now)

    ledger.pass_gate = pass_gate
    assert outbox._holds is not None
    outbox._holds = lambda row, move: row is not None


def _forgets_suppression() -> None:
    """Whoever leaves is written down, and neither what waits is stopped nor the gate asks."""
    real = gate.decide
    assert outbox.skip_open is not None
    outbox.skip_open = lambda *_, **__: 0  # type: ignore[assignment]

    def decide(facts: Any, **rest: Any) -> Any:
        return real(replace(facts, suppressed=None, consented=True, enrollment_state="active", touched=False), **rest)

    gate.decide = decide  # type: ignore[assignment]


def _queues_the_uncertain() -> None:
    """What was at the wire when its holder died is simply sent again."""
    table = outbox.delivery

    def make_queued(connection: Any, held: Any, now: Any) -> tuple[int, ...]:
        connection.execute(table.update().where(held, table.c.state == "sending").values(state="queued", batch_id=None))
        return ()

    assert outbox._make_uncertain is not None
    outbox._make_uncertain = make_queued


def _says_sent_too_soon() -> None:
    """The mark itself says `sent`: whoever dies then has lost the mail."""
    real = Ledger.mark

    async def mark_sent(self: Ledger, mark: Any, *, now: Any) -> bool:
        may = await real(self, mark, now=now)
        if may:
            move = Move(mark.id, 0, DeliveryState.SENT, now, batch_id=mark.batch_id, epoch=mark.epoch)
            await self.settle(Settlement(move, (DeliveryState.SENDING,)))
        return may

    Ledger.mark = mark_sent  # type: ignore[method-assign]


MUTANTS: dict[str, Callable[[], None]] = {
    "marks after sending": _marks_after_sending,
    "asks for no epoch": _asks_for_no_epoch,
    "forgets suppression": _forgets_suppression,
    "queues the uncertain": _queues_the_uncertain,
    "says sent too soon": _says_sent_too_soon,
}
"""Name -> what it does to the process it is called in."""
