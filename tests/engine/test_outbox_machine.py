"""
The outbox under everything at once: senders that sleep, crash and come back late, against a model that remembers.

Hypothesis makes up the order of things; what must hold is checked after each of them.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Connection, event

from rfs_mail.core.eligibility import Caps
from rfs_mail.core.lifecycle import DeliveryState, may_move
from rfs_mail.engine import feedback, gate
from rfs_mail.engine import rescue as rescuing
from rfs_mail.engine.dispatch import Pool, Route, dispatch
from rfs_mail.engine.gate import Rules, pass_gate
from rfs_mail.engine.live import look
from rfs_mail.handoff.base import Rank, RunBatch
from rfs_mail.store import outbox, releases
from rfs_mail.store.database import Store, after_commit
from rfs_mail.store.outbox import Mark, Move
from rfs_mail.store.tables import TABLES
from tests.engine.conftest import MakeWorld
from tests.engine.test_advance import drip
from tests.recipients import add_delivery, add_person
from tests.world import at

T = TypeVar("T")

PEOPLE = 3
POOL = Pool((Route("main"),), size=4)
RULES = Rules(Caps(0, 0))

_S = DeliveryState

PICK = st.integers(0, 11)


def _one(things: Sequence[T], pick: int) -> T:
    return things[pick % len(things)]


@dataclass
class Held:
    """What a sender has in its memory about one delivery, whatever the database says by now."""

    id: int
    enrollment_id: int
    batch_id: int
    epoch: int
    at_the_wire: bool = False


class Hands:
    """A hand-off that remembers what was given."""

    def __init__(self) -> None:
        self.given: list[tuple[int, int]] = []
        self.ranks: dict[Rank, list[tuple[int, int]]] = {}

    def give(self, connection: Connection, batches: Any, *, lane: str, rank: Rank = Rank.REST) -> None:
        """Keep them once they are committed, and in which order they go."""
        after_commit(connection, lambda: self.ranks.setdefault(rank, []).extend(batches))
        after_commit(connection, lambda: self.given.extend(batches))

    async def serve(self, run_batch: RunBatch) -> None:
        """Never used: the rules are the senders."""

    async def stop(self, grace: float) -> None:
        """Nothing to stop."""


class OutboxMachine(RuleBasedStateMachine):
    """The rules. `store` has two live campaigns: `calm`, and `urgent`, which resends."""

    store: Store

    def __init__(self) -> None:
        super().__init__()
        self.now = at("11-24 10:00")
        self.hands = Hands()
        self.held: list[Held] = []
        self.states: dict[int, str] = {}
        self.copies: Counter[int] = Counter()
        """Delivery -> how often the far side took it."""
        self.left: set[int] = set()
        self.paused: set[str] = set()
        self.people: list[int] = []
        self.lapsed = False

    @initialize()
    def begin(self) -> None:
        with self.store.begin() as connection:
            for name in ("delivery", "enrollment", "batch", "person", "consent", "suppression", "event", "touched"):
                connection.execute(TABLES[name].delete())
            connection.execute(TABLES["campaign"].update().values(state="running"))
            self.people = [add_person(connection, f"p{n}@example.org", now=self.now) for n in range(PEOPLE)]
            connection.execute(TABLES["touched"].delete())

    # -- what happens --------------------------------------------------------------------------------------------------

    @precondition(lambda self: len(self.states) < 8)
    @rule(who=st.integers(0, PEOPLE - 1), urgent=st.booleans())
    def queue(self, who: int, urgent: bool) -> None:
        """A step came."""
        with self.store.begin() as connection:
            add_delivery(
                connection, self.people[who], now=self.now, campaign_id="urgent" if urgent else "calm", step_key="one",
                deadline=urgent, occasion=f"{len(self.states)}", not_after=self.now + timedelta(hours=12),
            )  # fmt: skip
        self._look()

    @precondition(lambda self: "queued" in self.states.values())
    @rule(marks=st.integers(0, 3))
    def give_out(self, marks: int = 0) -> None:
        """Dispatch, and a sender opens what it was given and asks for some of it at once."""
        self.hands.given.clear()
        dispatch(self.store, self.hands, POOL, now=self.now)
        self._look()
        for batch_id, epoch in self.hands.given:
            with self.store.begin() as connection:
                for row in outbox.open_batch(connection, batch_id, epoch, "me") or []:
                    self.held.append(Held(row.id, row.enrollment_id, batch_id, epoch))
        for one in [one for one in self.held if not one.at_the_wire][:marks]:
            self._ask(one)

    @precondition(lambda self: any(not one.at_the_wire for one in self.held))
    @rule(pick=PICK)
    def mark(self, pick: int) -> None:
        """A sender, perhaps one that slept, asks whether a mail may go."""
        self._ask(_one([one for one in self.held if not one.at_the_wire], pick))

    def _ask(self, one: Held) -> None:
        mark = Mark(one.id, one.batch_id, one.epoch, 1, f"<{one.id}@rfs.example.org>", 1, "main", "{}")
        before = self._row(one.id)
        with self.store.begin() as connection:
            may_go = pass_gate(connection, {one.id: mark}, RULES, now=self.now)[one.id]
        self._look()
        if not may_go:
            self.held.remove(one)
            return
        one.at_the_wire = True
        assert before.person_id not in self.left, "marked after a committed unsubscribe"
        assert before.campaign_id not in self.paused, "marked while the campaign is paused"
        assert (before.batch_id, before.epoch) == (one.batch_id, one.epoch), "marked what another holds"
        assert self.now <= before.not_after, "marked when it was too late"

    @precondition(lambda self: any(one.at_the_wire for one in self.held))
    @rule(pick=PICK, said=st.sampled_from(["accept", "defer", "drop", "reject", "silence", "silence, arrived"]))
    def answer(self, pick: int, said: str) -> None:
        """The far side answers, perhaps long after the sender was called dead."""
        one = _one([one for one in self.held if one.at_the_wire], pick)
        self.held.remove(one)
        self.copies[one.id] += said in ("accept", "silence, arrived")
        state = {"accept": _S.SENT, "defer": _S.QUEUED, "drop": _S.QUEUED, "reject": _S.FAILED}.get(said, _S.UNCERTAIN)
        move = Move(
            one.id, one.enrollment_id, state, self.now, not_before=self.now + timedelta(minutes=5),
            blameless=said == "drop", batch_id=one.batch_id, epoch=one.epoch,
        )  # fmt: skip
        before = self._row(one.id)
        with self.store.begin() as connection:
            moved = outbox.settle(connection, [move], origin=(_S.SENDING, _S.UNCERTAIN))
        self._look()
        if (before.batch_id, before.epoch) != (one.batch_id, one.epoch):
            assert moved == set(), "a verdict moved what another holds"

    @precondition(lambda self: any(one.at_the_wire for one in self.held))
    @rule()
    def all_arrive(self) -> None:
        """The far side takes whatever is at the wire."""
        for _ in [one for one in self.held if one.at_the_wire]:
            self.answer(0, "accept")

    @precondition(lambda self: self.held)
    @rule(pick=PICK, arrived=st.booleans())
    def crash(self, pick: int, arrived: bool) -> None:
        """A sender dies with what it had in its hands; of what was at the wire nobody knows."""
        batch = _one(sorted({one.batch_id for one in self.held}), pick)
        for one in [one for one in self.held if one.batch_id == batch]:
            self.copies[one.id] += arrived and one.at_the_wire
            self.held.remove(one)
        self._lapse(batch)

    @precondition(lambda self: self.held)
    @rule(pick=PICK)
    def sleep(self, pick: int) -> None:
        """A sender sleeps through its lease, and will wake up without knowing it."""
        self._lapse(_one(sorted({one.batch_id for one in self.held}), pick))

    @precondition(lambda self: self.lapsed)
    @rule()
    def rescue(self) -> None:
        """Settle what lapsed."""
        with self.store.begin() as connection:
            outbox.rescue(connection, now=self.now)
        self.lapsed = False
        self._look()

    @precondition(lambda self: "uncertain" in self.states.values())
    @rule()
    def send_again(self) -> None:
        """Uncertain mails whose campaign wants it are queued once more."""
        with self.store.begin() as connection:
            live = look(connection)
            assert live is not None
            rescuing._resend(connection, live, self.now)
        self._look()

    @precondition(lambda self: any(not one.at_the_wire for one in self.held))
    @rule(pick=PICK)
    def close(self, pick: int) -> None:
        """A sender is done with a batch: nothing of it is at the wire any more."""
        batch = _one(sorted({one.batch_id for one in self.held}), pick)
        mine = [one for one in self.held if one.batch_id == batch]
        if any(one.at_the_wire for one in mine):
            return
        self.held = [one for one in self.held if one.batch_id != batch]
        with self.store.begin() as connection:
            outbox.close_batch(connection, batch, mine[0].epoch, now=self.now)
        self._look()

    @precondition(lambda self: self.held and len(self.states) > 3 and len(self.left) < PEOPLE - 1)
    @rule(pick=PICK)
    def unsubscribe(self, pick: int) -> None:
        """Somebody presses the button of any mail she has."""
        delivery_id = _one(sorted(self.states), pick)
        with self.store.begin() as connection:
            addressee = outbox.addressee(connection, delivery_id)
            assert addressee is not None
            feedback.unsubscribe(connection, addressee, scope="entity", source="one-click", now=self.now)
            connection.execute(TABLES["touched"].delete())
        self.left.add(self._row(delivery_id).person_id)
        self._look()

    @precondition(lambda self: self.paused or self.held)
    @rule(campaign=st.sampled_from(["calm", "urgent"]))
    def pause_or_resume(self, campaign: str) -> None:
        """Staff change their mind."""
        state = "running" if campaign in self.paused else "paused"
        with self.store.begin() as connection:
            releases.set_campaign_state(connection, campaign, state, now=self.now, by="ana", because="a look")
        self.paused ^= {campaign}

    @precondition(lambda self: self.states)
    @rule(minutes=st.sampled_from([1, 6, 60, 600]))
    def time_passes(self, minutes: int) -> None:
        """Civil time; leases do not care."""
        self.now += timedelta(minutes=minutes)

    # -- what must hold ------------------------------------------------------------------------------------------------

    @invariant()
    def nobody_has_two_in_flight(self) -> None:
        """At most one claimed or sending a person."""
        busy = [row.person_id for row in self._rows() if row.state in ("claimed", "sending")]
        assert len(busy) == len(set(busy))

    @invariant()
    def nothing_comes_oftener_than_it_was_sent_again(self) -> None:
        """One copy, and one more for each time that somebody had to decide without knowing."""
        for row in self._rows():
            assert self.copies[row.id] <= 1 + row.resends, f"{row.id} came {self.copies[row.id]} times"
            assert row.resends <= (row.campaign_id == "urgent"), "sent again though nobody asked for it"

    @invariant()
    def what_is_called_sent_or_failed_is_so(self) -> None:
        """A row that says `sent` came; one that says `skipped` or `expired` without a second try did not."""
        for row in self._rows():
            if row.state == "sent" and row.detail is None:
                assert self.copies[row.id] >= 1
            if row.state in ("skipped", "expired", "queued", "claimed") and not row.resends:
                assert self.copies[row.id] == 0, f"{row.state}, though it came"

    def _look(self) -> None:
        """Compare each row with what it was: only moves of the table, and no row lost."""
        rows = {row.id: row.state for row in self._rows()}
        assert self.states.keys() <= rows.keys()
        for one, state in rows.items():
            before = self.states.get(one, "queued")
            assert before == state or may_move(_S(before), _S(state)), f"{one}: {before} -> {state}"
        self.states = rows

    def _rows(self) -> list[Any]:
        with self.store.read() as connection:
            return list(connection.execute(TABLES["delivery"].select()))

    def _row(self, delivery_id: int) -> Any:
        (found,) = [row for row in self._rows() if row.id == delivery_id]
        return found

    def _lapse(self, batch_id: int) -> None:
        table = TABLES["batch"]
        with self.store.begin() as connection:
            connection.execute(table.update().where(table.c.id == batch_id).values(lease_until=at("01-01 00:00")))
        self.lapsed = True


def prepared(make_world: MakeWorld) -> type[OutboxMachine]:
    """The machine on a database with its two campaigns."""
    urgent = "{key: one, mail: a, priority: deadline, not_after: entry + 2d}"
    world = make_world({"calm": drip("{key: one, mail: a}"), "urgent": drip(urgent)})
    world.apply("11-23 10:00")
    world.store.engine.dispose()
    event.listen(world.store.engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous=OFF"))
    return type("Prepared", (OutboxMachine,), {"store": world.store})


def run(machine: type[OutboxMachine], *, examples: int, steps: int = 40) -> None:
    """Try so many histories."""
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples, stateful_step_count=steps, deadline=None, suppress_health_check=list(HealthCheck),
            phases=[Phase.generate], report_multiple_bugs=False, print_blob=False, database=None,
        ),
    )  # fmt: skip


def test_the_outbox_keeps_its_promises(make_world: MakeWorld) -> None:
    """Whatever the order of sleeping, crashing, answering, leaving and pausing."""
    run(prepared(make_world), examples=15, steps=30)


def _no_fence(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(outbox, "_holds", lambda row, move: row is not None)


def _no_suppression(patch: pytest.MonkeyPatch) -> None:
    real = gate.decide

    def blind(facts: Any, **rest: Any) -> Any:
        return real(replace(facts, suppressed=None, consented=True), **rest)

    patch.setattr(gate, "decide", blind)
    patch.setattr(outbox, "skip_open", lambda *_, **__: 0)


def _rescue_as_queued(patch: pytest.MonkeyPatch) -> None:
    def sent_again(connection: Connection, held: Any, now: datetime) -> tuple[int, ...]:
        table = TABLES["delivery"]
        connection.execute(table.update().where(held, table.c.state == "sending").values(state="queued", batch_id=None))
        return ()

    patch.setattr(outbox, "_make_uncertain", sent_again)


def _sleeper(machine: OutboxMachine) -> None:
    """A sender wakes up with a verdict on a mail that another has at the wire by now."""
    machine.queue(0, urgent=True)
    machine.give_out()
    machine.mark(0)
    machine.sleep(0)
    machine.rescue()
    machine.send_again()
    machine.give_out()
    machine.mark(0)
    machine.answer(0, "defer")


def _leaver(machine: OutboxMachine) -> None:
    """Somebody leaves between the claim and the mark."""
    machine.queue(0, urgent=False)
    machine.give_out()
    machine.unsubscribe(0)
    machine.mark(0)


def _crash(machine: OutboxMachine) -> None:
    """A sender dies with a mail at the wire that arrives; the next one sends what it finds."""
    machine.queue(0, urgent=False)
    machine.give_out()
    machine.mark(0)
    machine.crash(0, arrived=True)
    machine.rescue()
    machine.give_out()
    if machine.held:
        machine.mark(0)
        machine.answer(0, "accept")


HISTORIES = [(_no_fence, _sleeper), (_no_suppression, _leaver), (_rescue_as_queued, _crash)]


@pytest.mark.parametrize(("mutant", "history"), HISTORIES)
def test_a_broken_outbox_is_found_out(
    make_world: MakeWorld,
    monkeypatch: pytest.MonkeyPatch,
    mutant: Callable[[pytest.MonkeyPatch], None],
    history: Callable[[OutboxMachine], None],
) -> None:
    """Without the fence, the last question or the uncertain state, these histories go wrong, and the rules see it."""

    def live_through(machine: OutboxMachine) -> None:
        machine.begin()
        history(machine)
        machine.nobody_has_two_in_flight()
        machine.nothing_comes_oftener_than_it_was_sent_again()
        machine.what_is_called_sent_or_failed_is_so()

    prepare = prepared(make_world)
    live_through(prepare())
    mutant(monkeypatch)
    with pytest.raises(AssertionError):
        live_through(prepare())
