"""
How far somebody is with a filing window, written with its evidence. Who writes it has her goals asked after that.

A candidacy is about one window. Her stage is its summary; a stage reached for the second time, for another window, is
an event of its own, so that `post_filing` begins for each.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from sqlalchemy import Connection

from rfs_mail.core.values import STAGES, Stage
from rfs_mail.store import candidacies, events, people

WINDOW_STAGES: Final = tuple(
    stage.value
    for stage in (
        Stage.COMMITTED, Stage.CIRCULATING, Stage.FILED, Stage.ON_BALLOT, Stage.ADVANCED, Stage.WON, Stage.LOST,
        Stage.WITHDRAWN, Stage.DISQUALIFIED,
    )
)  # fmt: skip
"""Stages that are about one filing window."""


def write_standing(
    connection: Connection,
    person_id: int,
    window_id: str,
    status: str,
    *,
    evidence: str,
    detail: Mapping[str, object],
    now: datetime,
    forward_only: bool = False,
    active: bool = False,
    campaign_id: str | None = None,
    enrollment_id: int | None = None,
    delivery_id: int | None = None,
) -> bool:
    """
    Write how far somebody is with a window (one of WINDOW_STAGES); returns whether her stage is another one now.

    `forward_only` leaves what is further along the line as it is, the candidacy and the stage each for itself: who is
    on the ballot for one office and files for another is still on the ballot. `active`: she said so herself. The ids
    say by which mail or step.
    """
    before = candidacies.status_of(connection, person_id, window_id)
    if forward_only and before is not None and _is_past(before, status):
        return False
    news = before != status
    candidacies.set_status(connection, person_id, window_id, status, evidence=evidence, now=now)
    person = people.get_person(connection, person_id)
    moved = False
    if not (forward_only and person is not None and _is_past(person.stage, status)):
        event = people.set_stage(
            connection, person_id, status, now=now, active=active, window_id=window_id, detail=detail,
            campaign_id=campaign_id, enrollment_id=enrollment_id, delivery_id=delivery_id,
        )  # fmt: skip
        moved = event is not None
    if news and not moved:
        events.add_event(
            connection, person_id, "stage", value=status, at=now, now=now, active=active, window_id=window_id,
            detail=detail, campaign_id=campaign_id, enrollment_id=enrollment_id, delivery_id=delivery_id,
        )  # fmt: skip
    return moved


def _is_past(stage: str, other: str) -> bool:
    return stage in STAGES and other in STAGES and STAGES.index(stage) > STAGES.index(other)
