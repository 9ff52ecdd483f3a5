"""
The two state machines, as tables: what an enrollment and a delivery can be, and how each may move.

Only `store.outbox` moves a delivery, only `store.enrollments` an enrollment; both hold to these tables.
"""

from enum import StrEnum


class DeliveryState(StrEnum):
    """Where a delivery stands."""

    QUEUED = "queued"
    CLAIMED = "claimed"
    SENDING = "sending"
    SENT = "sent"
    FAILED = "failed"
    SKIPPED = "skipped"
    EXPIRED = "expired"
    UNCERTAIN = "uncertain"
    BOUNCED = "bounced"
    COMPLAINED = "complained"


class EnrollmentState(StrEnum):
    """Where an enrollment stands."""

    ACTIVE = "active"
    FINISHED = "finished"
    EXITED = "exited"
    HOLDOUT = "holdout"
    PASSED_OVER = "passed_over"
    """She qualified already when a campaign with `existing: skip` was first applied, and does not enter for that."""


_S = DeliveryState

DELIVERY_MOVES: dict[DeliveryState, frozenset[DeliveryState]] = {
    _S.QUEUED: frozenset({_S.CLAIMED, _S.SKIPPED, _S.EXPIRED, _S.QUEUED}),
    _S.CLAIMED: frozenset({_S.SENDING, _S.QUEUED, _S.SKIPPED, _S.EXPIRED, _S.FAILED}),
    _S.SENDING: frozenset({_S.SENT, _S.QUEUED, _S.FAILED, _S.UNCERTAIN, _S.EXPIRED}),
    _S.UNCERTAIN: frozenset({_S.SENT, _S.BOUNCED, _S.COMPLAINED, _S.QUEUED, _S.FAILED, _S.EXPIRED}),
    _S.SENT: frozenset({_S.BOUNCED, _S.COMPLAINED}),
    _S.BOUNCED: frozenset({_S.COMPLAINED}),
    _S.FAILED: frozenset({_S.QUEUED}),  # by a person's word alone, when a template has been mended
    _S.SKIPPED: frozenset(),
    _S.EXPIRED: frozenset(),
    _S.COMPLAINED: frozenset(),
}
"""From -> where it may go."""

OPEN_STATES = (_S.QUEUED, _S.CLAIMED)
"""Not yet at the wire: what an unsubscribe, a goal or an exit still stops."""

IN_FLIGHT = (_S.CLAIMED, _S.SENDING)
"""Held by a batch. A person has at most one of these."""

WENT_OUT = (_S.SENDING, _S.SENT, _S.UNCERTAIN, _S.BOUNCED, _S.COMPLAINED)
"""Counts against the caps: it was, or may have been, received."""

UNSETTLED = (_S.QUEUED, _S.CLAIMED, _S.SENDING)
"""An enrollment waits for these before its next mail."""


def may_move(old: DeliveryState, new: DeliveryState) -> bool:
    """Is this move in the table?"""
    return new in DELIVERY_MOVES[old]
