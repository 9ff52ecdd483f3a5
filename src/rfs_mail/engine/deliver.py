"""
Work off one batch: render each delivery, ask one last time whether it may go, send it, record the answer.

    claimed ── render, build ── mark (the gate, durable) ── SMTP ── verdict (durable) ── slot free

Rendering, building and signing come before the mark (`composers`), so that a broken template costs nothing. From the
mark to the durable verdict a delivery holds one slot; their number is the most that a crash can leave uncertain.
Nothing goes to the wire when the batch's lease is nearly over.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypedDict
from zlib import compress

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from rfs_mail import clock
from rfs_mail.core.lifecycle import DeliveryState
from rfs_mail.core.local_time import local_date
from rfs_mail.core.reasons import Reason
from rfs_mail.core.retry import GiveUp, GiveUpReason, RetryAt, RetryPolicy
from rfs_mail.core.verdict import Accepted, Deferred, Rejected, Uncertain, Verdict
from rfs_mail.engine import pacing
from rfs_mail.engine.compose import Composed, Material, is_about_windows
from rfs_mail.engine.composers import Composers, Group, Unwritten
from rfs_mail.engine.gate import Rules
from rfs_mail.engine.ledger import Ledger, Settlement
from rfs_mail.engine.live import Live, look, zone_of
from rfs_mail.engine.pacing import Answers, News, Pacing, Told
from rfs_mail.engine.relays import PATIENCE, Again, Watch
from rfs_mail.store import outbox, people, relays, releases, windows
from rfs_mail.store.database import Store
from rfs_mail.store.outbox import LEASE, Claimed, Mark, Move
from rfs_mail.store.windows import About
from rfs_mail.transport.base import Envelope, Transport

LOG = logging.getLogger(__name__)

RENEW_EVERY = 15.0
"""Seconds of machine time between signs of life."""

TRUST = 0.8
"""The part of a lease in which a holder may put something on the wire."""

COMPOSED = 25
"""Deliveries of a batch that are composed at a time."""

KEPT_MATERIALS = 64
"""Revisions whose parts are kept at hand."""

_BEFORE = (DeliveryState.CLAIMED,)
_AFTER = (DeliveryState.SENDING, DeliveryState.UNCERTAIN)
"""A verdict may come late, after a rescue has called the delivery uncertain."""


@dataclass(frozen=True, slots=True)
class Way:
    """A relay as delivery uses it. `slots`: deliveries between mark and durable verdict, at most."""

    name: str
    transport: Transport
    slots: int


@dataclass(slots=True)
class Tally:
    """What this process has done since it started."""

    sent: int = 0
    deferred: int = 0
    failed: int = 0
    uncertain: int = 0
    refused: int = 0

    @property
    def settled(self) -> int:
        """Deliveries that moved on, whichever way."""
        return self.sent + self.deferred + self.failed + self.uncertain + self.refused


@dataclass
class Deliverer:
    """Works off batches. One for a process; belongs to one event loop."""

    store: Store
    composers: Composers
    ways: Mapping[str, Way]
    rules: Rules
    holder: str
    now: Callable[[], datetime]
    keep_messages: bool = False
    pacing: Pacing = field(default_factory=Pacing)
    policy: RetryPolicy = field(default_factory=RetryPolicy)
    tally: Tally = field(default_factory=Tally)
    patience: float = PATIENCE
    """Seconds of machine time that a relay may be silent with mail of ours, before the others are set free."""

    def __post_init__(self) -> None:
        self._materials: dict[int, Material] = {}
        self._ledger = Ledger(self.store, self.rules)
        self._watch = Watch(
            self.store, {name: (way.transport, way.slots) for name, way in self.ways.items()}, self.now, self.patience
        )
        self._renewed = clock.monotonic()
        self._slowed: dict[tuple[str, str], datetime] = {}
        """Relay and operator -> until when it wants nothing more from us."""
        self._answers = Answers()
        self._dropped: list[int] = []
        self._opening = asyncio.Lock()
        """One batch at a time is opened and, where processes died over its mails, tried out."""
        self._stopping = False
        self._tasks: list[asyncio.Task[None]] = []

    # -- life ----------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Open the ways out and begin to commit and to renew leases."""
        for way in self.ways.values():
            await way.transport.open()
        self._tasks = [asyncio.create_task(work) for work in (self._ledger.run(), self._renew(), self._watch.run())]

    async def stop(self) -> None:
        """Commit what is entered, close the ways out. Call it when no batch is running any more."""
        self._ledger.end()
        if self._tasks:
            commits, *others = self._tasks
            for task in others:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
            await commits
        await self._watch.tell()
        await self.composers.close()
        for way in self.ways.values():
            await way.transport.close()

    def drain(self) -> None:
        """Begin nothing new: what is at the wire ends, what is only claimed goes back to the queue."""
        self._stopping = True

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(RENEW_EVERY)
            began = clock.monotonic()
            try:
                await self.store.write(outbox.renew, self.holder, leave_out=self._dropped)
            except Exception as error:  # the trust runs out by itself; nothing goes out on a lapsed lease
                LOG.error("the leases could not be renewed: %s", error)
            else:
                self._renewed = began

    @property
    def _trusted(self) -> bool:
        return clock.monotonic() - self._renewed < TRUST * LEASE.total_seconds()

    # -- one batch -----------------------------------------------------------------------------------------------------

    async def run_batch(self, batch_id: int, epoch: int) -> None:
        """Work off one batch; a stale one does nothing."""
        async with self._opening:
            began, as_of = clock.monotonic(), self._watch.changes
            try:
                opened = await self._ledger.write(_open, batch_id, epoch, self.holder, self._materials)
            except DBAPIError as error:
                LOG.error("batch %d could not be opened, its lease brings it back: %s", batch_id, error.orig)
                self._dropped.append(batch_id)
                return
            if opened is None:
                return
            if any(row.rescues for row in opened.rows):
                await self._try_out(opened, batch_id, epoch)
        if not self._trusted:
            self._renewed = began  # an idle process renews nothing; this very lease is fresh
        way = (opened.relay, opened.operator)
        news = pacing.expect(way, opened.rows, self.pacing, opened.live, self._answers, now=self.now())
        self._watch.learns(opened.relay, opened.standing, as_of=as_of)
        try:
            async with asyncio.TaskGroup() as group:
                if not await self._begin(opened, news, epoch, group):
                    await self._give_back(opened, news, batch_id, epoch)
        finally:
            try:
                told = news.take(ended=True)
                await self._ledger.write(_close, batch_id, epoch, told, self.pacing, self.now())
            except DBAPIError as error:
                LOG.error("batch %d could not be closed, its lease brings the rest back: %s", batch_id, error.orig)
                self._dropped.append(batch_id)

    async def _begin(self, opened: "_Opened", news: News, epoch: int, group: asyncio.TaskGroup) -> bool:
        """Begin with each delivery of a batch as slots become free; False where it has to stop before the end."""
        for begin in range(0, len(opened.rows), COMPOSED):
            if not self._may_send(news):
                return False
            rows = opened.rows[begin : begin + COMPOSED]
            for row, written in zip(rows, await self._compose(opened, rows), strict=True):
                if isinstance(written, Unwritten):
                    await self._give_up(row, written)
                    continue
                if not self._may_send(news) or not await self._watch.slot(opened.relay):
                    return False
                group.create_task(self._deliver(opened, news, row, epoch, written))
        return True

    async def _try_out(self, opened: "_Opened", batch_id: int, epoch: int) -> None:
        """
        Write the mails that processes died over, before anything else is done with them, and throw them away.

        If this process dies of one, it dies here, and the rescue knows that it was one of this batch. If it lives,
        they are harmless, and the many that were only near when somebody killed a process are sent like any other.
        """
        await self._compose(opened, opened.rows)  # what cannot be written is settled when its turn comes
        try:
            await self.store.write(outbox.acquit, batch_id, epoch)
        except DBAPIError as error:
            LOG.error("batch %d could not be acquitted: %s", batch_id, error.orig)

    def _may_send(self, news: News) -> bool:
        """Nothing new begins while this process stops, relay or operator rest, or the lease is nearly over."""
        return not self._stopping and self._trusted and self._way_is_open(news)

    def _way_is_open(self, news: News) -> bool:
        slowed = self._slowed.get(news.way)
        resting = news.closed or (slowed is not None and slowed > self.now())
        return not resting and self._watch.may_send(news.way[0])

    async def _give_back(self, opened: "_Opened", news: News, batch_id: int, epoch: int) -> None:
        """Relay or operator rest: what this batch has not begun goes back, also while what was begun hangs."""
        if self._way_is_open(news) or opened.given_back:
            return  # the end of the batch is near, or it was done
        opened.given_back = True
        with contextlib.suppress(DBAPIError):  # the end of the batch brings it back, or its lease
            await self.store.write(outbox.give_back, batch_id, epoch)

    async def _deliver(self, opened: "_Opened", news: News, row: Claimed, epoch: int, composed: Composed) -> None:
        """One delivery, from the mark to its durable verdict. Its slot was taken by the caller."""
        way = self.ways[opened.relay]
        self._ledger.under_way += 1
        try:
            if not self._may_send(news):
                await self._give_back(opened, news, row.batch_id, epoch)
                return
            if not await self._ledger.mark(self._mark(opened, row, epoch, composed), now=self.now()):
                self.tally.refused += 1
                return
            if not self._trusted:  # this process slept, and somebody else may hold the mail by now
                await self._take_back(row, epoch)
                return
            self._watch.begins(way.name)
            try:
                verdict = await way.transport.send(Envelope(composed.mail_from, composed.rcpt_to), composed.message)
            finally:
                self._watch.ends(way.name)
            await self._record(news, row, epoch, way, verdict)
        finally:
            self._ledger.under_way -= 1
            self._watch.give_slot(opened.relay)

    async def _take_back(self, row: Claimed, epoch: int) -> None:
        """Queue again what was marked and never went to the wire."""
        move = Move(
            row.id, row.enrollment_id, DeliveryState.QUEUED, self.now(), blameless=True, batch_id=row.batch_id,
            epoch=epoch,
        )  # fmt: skip
        await self._ledger.settle(Settlement(move, _AFTER))

    async def _compose(self, opened: "_Opened", rows: Sequence[Claimed]) -> list[Composed | Unwritten]:
        return await self.composers.compose(
            Group(
                rows, opened.revisions, opened.materials, opened.live.calendar, opened.tags, self.now(), opened.windows
            )
        )

    async def _give_up(self, row: Claimed, unwritten: Unwritten) -> None:
        """No message came of it."""
        move = Move(
            row.id, row.enrollment_id, DeliveryState.FAILED, self.now(), unwritten.reason, unwritten.detail,
            batch_id=row.batch_id, epoch=row.epoch,
        )  # fmt: skip
        await self._ledger.settle(Settlement(move, _BEFORE))
        self.tally.failed += 1

    def _mark(self, opened: "_Opened", row: Claimed, epoch: int, composed: Composed) -> Mark:
        return Mark(
            id=row.id,
            batch_id=row.batch_id,
            epoch=epoch,
            local_day=local_date(self.now(), zone_of(row.p_zone)).toordinal(),
            message_id=composed.message_id,
            revision_id=opened.revisions[row.id],
            relay=opened.relay,
            made=composed.made,
            message=compress(composed.message) if self.keep_messages else None,
        )

    # -- what came of it -----------------------------------------------------------------------------------------------

    async def _record(self, news: News, row: Claimed, epoch: int, way: Way, verdict: Verdict) -> None:
        again = await self._watch.hears(way.name, verdict)
        now = self.now()
        move, bounce = self._move(row, epoch, verdict, now, again)
        tell_at_once = news.add(row, verdict, now=now)
        await self._ledger.settle(Settlement(move, _AFTER, bounce))
        if tell_at_once:
            await self._slow_down(news, now)

    def _move(self, row: Claimed, epoch: int, verdict: Verdict, now: datetime, again: Again) -> tuple[Move, str | None]:
        fence = _Fence(batch_id=row.batch_id, epoch=epoch)
        code, text = verdict.code, verdict.text
        said = {"code": code or "", "reply": text}
        match verdict:
            case Accepted():
                self.tally.sent += 1
                return Move(row.id, row.enrollment_id, DeliveryState.SENT, now, code=code, reply=text, **fence), None
            case Uncertain():
                self.tally.uncertain += 1
                return Move(
                    row.id, row.enrollment_id, DeliveryState.UNCERTAIN, now, Reason.SILENCE, said, code=code,
                    reply=text, **fence,
                ), None  # fmt: skip
            case Deferred() | Rejected() if verdict.requeue_without_attempt:
                self.tally.deferred += 1
                return self._back(row, fence, now, again, Reason.RELAY, verdict, blameless=True), None
            case Deferred():
                return self._again(row, fence, now, verdict), None
            case Rejected():
                self.tally.failed += 1
                return Move(
                    row.id, row.enrollment_id, DeliveryState.FAILED, now, Reason.REJECTED, said, code=code, reply=text,
                    **fence,
                ), verdict.bounce.value  # fmt: skip

    def _again(self, row: Claimed, fence: "_Fence", now: datetime, verdict: Deferred) -> Move:
        """Try a deferred one again by the policy, or give it up."""
        first = row.first_attempt_at or now
        match self.policy.next_attempt(row.attempt + 1, first, now, row.not_after, row.id):
            case RetryAt(at):
                self.tally.deferred += 1
                return self._back(row, fence, now, Again(at, at), Reason.DEFERRED, verdict, blameless=False)
            case GiveUp(reason):
                self.tally.failed += 1
                said = {"code": verdict.code or "", "reply": verdict.text}
                if reason is GiveUpReason.EXPIRED:
                    late = {"not_after": row.not_after.isoformat(), **said}
                    return Move(
                        row.id, row.enrollment_id, DeliveryState.EXPIRED, now, Reason.TOO_LATE, late,
                        code=verdict.code, reply=verdict.text, **fence,
                    )  # fmt: skip
                hours = round((now - first).total_seconds() / 3600)
                return Move(
                    row.id, row.enrollment_id, DeliveryState.FAILED, now, Reason.GAVE_UP, {"hours": hours, **said},
                    code=verdict.code, reply=verdict.text, **fence,
                )  # fmt: skip

    def _back(
        self, row: Claimed, fence: "_Fence", now: datetime, again: Again, reason: Reason,
        verdict: Deferred | Rejected, *, blameless: bool,
    ) -> Move:  # fmt: skip
        detail = {"code": verdict.code or "", "reply": verdict.text, "until": again.until.isoformat()}
        return Move(
            row.id, row.enrollment_id, DeliveryState.QUEUED, now, reason, detail, not_before=again.at,
            code=verdict.code, reply=verdict.text, blameless=blameless, **fence,
        )  # fmt: skip

    async def _slow_down(self, news: News, now: datetime) -> None:
        """An operator wants less, or a campaign goes wrong: say so at once, to every process."""
        try:
            learnt = await self.store.write(pacing.write, news.take(), self.pacing, now=now)
        except DBAPIError as error:  # the batch is closed all the same; the next one hears it again
            LOG.error("what %s said by %s could not be written: %s", news.way[1], news.way[0], error.orig)
            return
        if learnt is not None:
            self._slowed[news.way] = learnt.rests_until
            LOG.warning("%s rests until %s by %s: %s", news.way[1], learnt.rests_until, news.way[0], learnt.because)


class _Fence(TypedDict):
    """What proves that a batch is still ours."""

    batch_id: int
    epoch: int


@dataclass(slots=True)
class _Opened:
    """A batch and all that rendering its mails needs, read in one transaction."""

    relay: str
    operator: str
    rows: list[Claimed]
    live: Live
    materials: Mapping[int, Material]
    """By revision id."""
    revisions: Mapping[int, int]
    """Delivery id -> the revision it is sent by."""
    tags: Mapping[int, tuple[str, ...]]
    windows: Mapping[int, Sequence[About]]
    standing: relays.Standing
    given_back: bool = False


def _open(connection: Connection, batch_id: int, epoch: int, holder: str, known: dict[int, Material]) -> _Opened | None:
    """Open a batch; `known` remembers what revisions are made from."""
    rows = outbox.open_batch(connection, batch_id, epoch, holder)
    live = look(connection)
    if rows is None or live is None:
        return None
    revisions = {row.id: _revision_of(live, row) for row in rows}
    materials: dict[int, Material] = {}
    if len(known) > KEPT_MATERIALS:
        known.clear()
    for revision_id in set(revisions.values()):
        if revision_id not in known:
            revision = releases.load_revision(connection, revision_id)
            known[revision_id] = Material(revision.definition, revision.mails, revision.content)
        materials[revision_id] = known[revision_id]
    relay, operator = outbox.way_of(connection, batch_id)
    tags = people.tags_of(connection, [row.person_id for row in rows])
    about = windows.of_deliveries(
        connection, [row.id for row in rows if is_about_windows(materials[revisions[row.id]].campaign)]
    )
    standing = relays.standing(connection, relay)
    return _Opened(relay, operator, rows, live, materials, revisions, tags, about, standing)


def _close(connection: Connection, batch_id: int, epoch: int, told: Told, rules: Pacing, now: datetime) -> None:
    """One transaction: what was heard, and the rest of the batch back to the queue."""
    pacing.write(connection, told, rules, now=now)
    outbox.close_batch(connection, batch_id, epoch, now=now)


def _revision_of(live: Live, row: Claimed) -> int:
    """The live revision, which a copy fix reaches at once; the one it was queued by where the campaign pins."""
    script = live.scripts.get(row.campaign_id)
    follows = script is not None and script.campaign.on_edit == "follow"
    if script is not None and follows and script.sequence.get(row.step_key) is not None:
        return live.campaign(row.campaign_id).revision_id
    queued_by: int = row.revision_id
    return queued_by
