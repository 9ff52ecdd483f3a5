"""
Somebody filed, was certified, withdrew: written with its evidence, and every countdown to that window ends at once.

A candidacy is about one window. Her stage is its summary; a stage reached for the second time, for another window, is
an event of its own, so that `post_filing` begins for each. Goals and exits are asked in the same transaction, and what
they end is taken out of the queue there.
"""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection

from rfs_mail.core.values import STAGES
from rfs_mail.engine.live import Live
from rfs_mail.engine.react import ask_again
from rfs_mail.store import candidacies, events, people


def record_status(
    connection: Connection,
    live: Live | None,
    person_id: int,
    window_id: str,
    status: str,
    *,
    evidence: str,
    detail: Mapping[str, str],
    now: datetime,
    forward_only: bool = False,
) -> bool:
    """
    Write how far somebody is with a window; returns whether her stage is another one now.

    `status` is a stage that is about a window. `forward_only` leaves a stage that is further along the line as it is:
    who is on the ballot for one office and files for another is still on the ballot.
    """
    news = candidacies.status_of(connection, person_id, window_id) != status
    candidacies.set_status(connection, person_id, window_id, status, evidence=evidence, now=now)
    person = people.get_person(connection, person_id)
    moved = False
    if not (forward_only and person is not None and _is_past(person.stage, status)):
        moved = people.set_stage(connection, person_id, status, now=now, window_id=window_id, detail=detail) is not None
    if news and not moved:
        events.add_event(
            connection, person_id, "stage", value=status, at=now, now=now, window_id=window_id, detail=detail
        )
    if live is not None:
        ask_again(connection, live, [person_id], now=now)
    return moved


def _is_past(stage: str, other: str) -> bool:
    return stage in STAGES and other in STAGES and STAGES.index(stage) > STAGES.index(other)
