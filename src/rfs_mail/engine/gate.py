"""
The gate: what the mark asks, in the transaction that marks.

It reads columns, lets `core.eligibility` decide, and writes what came of it: sending, held, skipped or expired, each
refusal with its reason and the values it was decided on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from rfs_mail.core.eligibility import (
    WEEK,
    Caps,
    Decision,
    Expire,
    Facts,
    Hold,
    Send,
    Skip,
    Suppressed,
    Urgent,
    decide,
)
from rfs_mail.core.filing_windows import DOUBTFUL
from rfs_mail.core.lifecycle import DeliveryState
from rfs_mail.core.local_time import local_date, local_day_start, shift_days
from rfs_mail.core.reasons import Reason
from rfs_mail.core.send_hours import SendRules
from rfs_mail.engine.live import Live, look, zone_of
from rfs_mail.store import outbox
from rfs_mail.store.outbox import Mark, Move
from rfs_mail.store.types import AnyRow


@dataclass(frozen=True, slots=True)
class Rules:
    """What the installation allows, whoever asks."""

    caps: Caps
    only_to: tuple[str, ...] = ()
    """Whole addresses or `@domain`; empty lets everyone through."""

    def allows(self, mailbox: str) -> bool:
        """Does `only_to` let mail go to this address?"""
        if not self.only_to:
            return True
        address = mailbox.casefold()
        return any(
            address.endswith(one.casefold()) if one.startswith("@") else address == one.casefold()
            for one in self.only_to
        )


def pass_gate(connection: Connection, wanted: Mapping[int, Mark], rules: Rules, *, now: datetime) -> dict[int, bool]:
    """
    Mark those of the claimed deliveries that may go now, and move the others where they belong.

    `wanted` maps delivery id to what a mark would write. Returns delivery id -> may its bytes go to the wire, once
    this transaction is committed.
    """
    live = look(connection)
    rows = outbox.gate_rows(connection, list(wanted)) if live is not None else []
    marks: list[Mark] = []
    moves: list[Move] = []
    for row, facts in _facts(connection, live, rows, rules, now) if live is not None else ():
        mark = wanted[row.id]
        if (row.batch_id, row.epoch) != (mark.batch_id, mark.epoch):
            continue
        match decide(facts, caps=rules.caps, now=now):
            case Send():
                marks.append(mark)
            case refusal:
                moves.append(_refused(row, refusal, now))
    outbox.mark(connection, marks, now=now)
    outbox.settle(connection, moves, origin=(DeliveryState.CLAIMED,))
    marked = {mark.id for mark in marks}
    return {one: one in marked for one in wanted}


def ask_gate(
    connection: Connection, delivery_ids: Sequence[int], rules: Rules, *, now: datetime
) -> dict[int, Decision]:
    """What the gate would say at `now` of deliveries that are queued or claimed. Changes nothing."""
    live = look(connection)
    rows = outbox.gate_rows(connection, delivery_ids, only_ask=True) if live is not None and delivery_ids else []
    asked = _facts(connection, live, rows, rules, now) if live is not None else []
    return {row.id: decide(facts, caps=rules.caps, now=now) for row, facts in asked}


def _refused(row: AnyRow, refusal: Hold | Skip | Expire, now: datetime) -> Move:
    fence = {"batch_id": row.batch_id, "epoch": row.epoch}
    match refusal:
        case Hold(reason, until, detail):
            return Move(row.id, row.enrollment_id, DeliveryState.QUEUED, now, reason, detail, not_before=until, **fence)
        case Skip(reason, detail):
            return Move(row.id, row.enrollment_id, DeliveryState.SKIPPED, now, reason, detail, **fence)
        case Expire(late_by, detail):
            late = {**detail, "late_by": str(late_by)}
            return Move(row.id, row.enrollment_id, DeliveryState.EXPIRED, now, Reason.TOO_LATE, late, **fence)


def _facts(
    connection: Connection, live: Live, rows: Sequence[AnyRow], rules: Rules, now: datetime
) -> list[tuple[AnyRow, Facts]]:
    people = [row.person_id for row in rows]
    sent = outbox.counted_sends(connection, people, since=now - WEEK - timedelta(days=1))
    urgent = _urgent(connection, live, rows, now)
    return [
        (
            row,
            Facts(
                zone=zone_of(row.zone),
                not_after=row.not_after,
                entity=row.entity_id,
                topic=row.topic,
                campaign=row.campaign_id,
                campaign_state=row.campaign_state,
                campaign_state_by=row.state_by or "",
                campaign_state_because=row.state_because or "",
                enrollment_state=_counts_as(row),
                step_removed=_step_removed(live, row),
                ended_because=row.ended_because,
                ended_detail=row.ended_detail or {},
                suppressed=Suppressed(row.suppressed_reason, row.suppressed_scope, row.suppressed_at)
                if row.suppressed_reason is not None
                else None,
                consented=row.granted_at is not None and row.withdrawn_at is None,
                topic_left_at=row.topic_left_at,
                stopped_because=(row.stopped_because or "no reason given") if row.stopped_at is not None else None,
                paused_until=row.paused_until,
                touched=row.touched,
                window_version=row.window_version,
                current_window_version=row.current_window_version,
                doubtful_window=row.window_id if _counts_down_to_doubt(live, row) else "",
                window_confidence=row.window_confidence or "",
                rules=_send_rules(connection, live, row),
                deadline=row.deadline,
                counts=row.cap == "count",
                sent=sent.get(row.person_id, ()),
                urgent=urgent.get(row.id),
                allowed=rules.allows(row.mailbox),
                only_to=", ".join(rules.only_to),
            ),
        )
        for row in rows
    ]


def _counts_down_to_doubt(live: Live, row: AnyRow) -> bool:
    """Is this mail about a date that nobody may trust? One about papers that were handed in hangs on none."""
    script = live.scripts.get(row.campaign_id)
    return script is not None and script.campaign.entry.kind == "filing_window" and row.window_confidence in DOUBTFUL


def _counts_as(row: AnyRow) -> str:
    """An enrollment that came to its end in peace still sends its last mail; one that was ended does not."""
    return "active" if row.enrollment_state in ("active", "finished") else str(row.enrollment_state)


def _step_removed(live: Live, row: AnyRow) -> bool:
    script = live.scripts.get(row.campaign_id)
    return script is not None and script.campaign.on_edit == "follow" and script.sequence.get(row.step_key) is None


def _send_rules(connection: Connection, live: Live, row: AnyRow) -> SendRules | None:
    """The hours of the step as it is now, whatever it was called; of the revision entered where the campaign pins."""
    script = live.script_of(connection, row.campaign_id, row.revision_id)
    node = script.sequence.get(row.step_key) if script is not None else None
    return script.rules.get(node.step.key) if script is not None and node is not None else None


def _urgent(connection: Connection, live: Live, rows: Sequence[AnyRow], now: datetime) -> dict[int, Urgent]:
    """Delivery id -> a deadline mail to the same person that is due on the same day of hers and counts as well."""
    lesser = [row for row in rows if not row.deadline and row.cap == "count"]
    steps = live.deadline_steps
    if not lesser or not steps:
        return {}
    ends = {row.id: local_day_start(shift_days(now, 1, zone_of(row.zone)), zone_of(row.zone)) for row in lesser}
    others: dict[int, list[AnyRow]] = {}
    for other in outbox.urgent_mails(connection, [row.person_id for row in lesser], steps, until=max(ends.values())):
        others.setdefault(other.person_id, []).append(other)
    found: dict[int, Urgent] = {}
    for row in lesser:
        today = local_date(now, zone_of(row.zone))
        for other in others.get(row.person_id, ()):
            if other.due_at < ends[row.id] and local_date(max(other.due_at, now), zone_of(row.zone)) == today:
                found[row.id] = Urgent(other.campaign_id, other.step_key, other.due_at)
    return found
