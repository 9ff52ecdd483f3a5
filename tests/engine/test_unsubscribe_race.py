"""An unsubscribe that is committed before the mark is never followed by a mail, however the two race."""

import random
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, text

from rfs_mail.core.eligibility import Caps, Decision, Facts, Send, Suppressed, decide
from rfs_mail.engine import feedback
from rfs_mail.store import outbox
from rfs_mail.store.database import Store
from rfs_mail.store.outbox import Mark
from rfs_mail.store.tables import TABLES
from rfs_mail.store.types import AnyRow
from tests.recipients import add_campaign, add_delivery, add_person, state_of

PEOPLE = 300
GROUP = 20
NEW_YORK = ZoneInfo("America/New_York")


@dataclass
class Race:
    """What has been committed so far, as both sides see it."""

    left: set[int] = field(default_factory=set)
    """People whose unsubscribe is committed."""
    broken: list[int] = field(default_factory=list)
    """People who were marked although they had left before."""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def has_left(self, person_id: int) -> None:
        with self.lock:
            self.left.add(person_id)

    def check(self, marked: Sequence[int]) -> None:
        with self.lock:
            self.broken += [person_id for person_id in marked if person_id in self.left]


def gate(row: AnyRow, now: datetime) -> Decision:
    """What the gate says about one row of `gate_rows`."""
    suppressed = (
        Suppressed(row.suppressed_reason, row.suppressed_scope, row.suppressed_at) if row.suppressed_reason else None
    )
    facts = Facts(
        NEW_YORK, row.not_after, entity=row.entity_id, suppressed=suppressed,
        consented=row.granted_at is not None and row.withdrawn_at is None,
    )  # fmt: skip
    return decide(facts, caps=Caps(0, 0), now=now)


def mark_group(connection: Connection, ids: Sequence[int], now: datetime) -> list[int]:
    """Gate and mark a group as delivery does; returns the people whose mail may go to the wire."""
    rows = [row for row in outbox.gate_rows(connection, ids) if isinstance(gate(row, now), Send)]
    marks = [Mark(row.id, row.batch_id, row.epoch, 1, f"<{row.id}@x.example.org>", 1, "main", "{}") for row in rows]
    outbox.mark(connection, marks, now=now)
    return [row.person_id for row in rows]


def leave(connection: Connection, delivery_id: int, now: datetime) -> feedback.Left:
    """One press of the one-click button."""
    addressee = outbox.addressee(connection, delivery_id)
    assert addressee is not None
    return feedback.unsubscribe(connection, addressee, scope="entity", source="one-click", now=now)


def claimed(connection: Connection, person_id: int, now: datetime, *, batch_id: int = 1, step_key: str = "a") -> int:
    """A delivery that a batch has taken."""
    return add_delivery(connection, person_id, now=now, state="claimed", batch_id=batch_id, epoch=1, step_key=step_key)


def test_unsubscribes_race_the_mark(store: Store, now: datetime) -> None:
    """Whoever left before a mark was committed is not marked; the others' mail goes or is skipped, and none is lost."""
    with store.begin() as connection:
        add_campaign(connection, now=now)
        people = {
            claimed(connection, who, now): who
            for number in range(PEOPLE)
            if (who := add_person(connection, f"p{number}@example.org", now=now))
        }
    race = Race()
    order = list(people)
    random.Random(7).shuffle(order)

    def unsubscribe_some(ids: Sequence[int]) -> int:
        skipped = 0
        for delivery_id in ids:
            with store.begin() as connection:
                skipped += leave(connection, delivery_id, now).skipped
            race.has_left(people[delivery_id])
        return skipped

    def mark_some(ids: Sequence[int]) -> int:
        marked = 0
        for start in range(0, len(ids), GROUP):
            with store.begin() as connection:
                who = mark_group(connection, ids[start : start + GROUP], now)
                race.check(who)  # inside the transaction: what left by now must not be among them
            marked += len(who)
        return marked

    half = PEOPLE // 2
    to_mark = sorted(people)
    with ThreadPoolExecutor(4) as threads:
        leaving = [threads.submit(unsubscribe_some, part) for part in (order[:half], order[half:])]
        marking = [threads.submit(mark_some, part) for part in (to_mark[:half], to_mark[half:])]
        skipped, marked = (sum(one.result() for one in side) for side in (leaving, marking))

    with store.read() as connection:
        states = [row.state for row in connection.execute(TABLES["delivery"].select())]
        suppressed = connection.execute(text("SELECT count(*) FROM suppression")).scalar_one()
    assert race.broken == []
    assert (states.count("sending"), states.count("skipped")) == (marked, skipped)
    # Whom the gate itself refused is still claimed here; delivery would settle it as skipped.
    assert states.count("claimed") == PEOPLE - marked - skipped
    assert suppressed == PEOPLE


def test_who_left_before_is_not_marked(store: Store, now: datetime) -> None:
    """The plain order of events, for mail that was queued and claimed after she had left."""
    with store.begin() as connection:
        add_campaign(connection, now=now)
        who = add_person(connection, now=now)
        sent = add_delivery(connection, who, now=now, state="sent")
        leave(connection, sent, now)
    with store.begin() as connection:
        late = claimed(connection, who, now)
    with store.begin() as connection:
        assert mark_group(connection, [late], now) == []


def test_the_gate_waits_for_an_unsubscribe_that_is_under_way(postgres_store: Store, now: datetime) -> None:
    """
    A mail that is queued while an unsubscribe is being committed is no row it could lock; the gate waits all the same.

    On SQLite one write transaction waits for the other anyway.
    """
    store = postgres_store
    with store.begin() as connection:
        add_campaign(connection, now=now)
        who = add_person(connection, now=now)
        sent = add_delivery(connection, who, now=now, state="sent")
    marked: list[int] = []
    looked = threading.Event()

    def mark_late(delivery_id: int) -> None:
        with store.begin() as connection:
            marked.extend(mark_group(connection, [delivery_id], now))
            looked.set()

    with store.engine.connect() as leaving:
        transaction = leaving.begin()
        leave(leaving, sent, now)
        with store.begin() as connection:
            late = claimed(connection, who, now)
        marker = threading.Thread(target=mark_late, args=(late,))
        marker.start()
        with store.engine.connect() as watcher:
            while not looked.is_set() and not _somebody_waits(watcher):
                looked.wait(0.01)
        transaction.commit()
        marker.join()
    assert marked == []


def test_an_unsubscribe_waits_for_a_mark_that_is_under_way(postgres_store: Store, now: datetime) -> None:
    """The mail that was being marked leaves; the unsubscribe comes after it and says that nothing was waiting."""
    store = postgres_store
    with store.begin() as connection:
        add_campaign(connection, now=now)
        who = add_person(connection, now=now)
        sent = add_delivery(connection, who, now=now, state="sent")
        leaving_now = claimed(connection, who, now)
    skipped: list[int] = []

    def unsubscribe() -> None:
        with store.begin() as connection:
            skipped.append(leave(connection, sent, now).skipped)

    with store.engine.connect() as marking:
        transaction = marking.begin()
        marked = mark_group(marking, [leaving_now], now)
        thread = threading.Thread(target=unsubscribe)
        thread.start()
        with store.engine.connect() as watcher:
            while thread.is_alive() and not _somebody_waits(watcher):
                thread.join(0.01)
        assert skipped == []
        transaction.commit()
        thread.join()
    with store.read() as connection:
        assert (marked, skipped, state_of(connection, leaving_now)[0]) == ([who], [0], "sending")


def _somebody_waits(connection: Connection) -> bool:
    waiting = connection.execute(
        text(
            "SELECT count(*) FROM pg_locks WHERE NOT granted AND pid IN "
            "(SELECT pid FROM pg_stat_activity WHERE datname = current_database())"
        )
    ).scalar_one()
    connection.rollback()
    return bool(waiting)
