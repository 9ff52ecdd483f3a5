"""
Somebody filed, was certified, withdrew: written with its evidence, and every countdown to that window ends at once.

Goals and exits are asked in the same transaction, and what they end is taken out of the queue there.
"""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection

from rfs_mail.engine.live import Live
from rfs_mail.engine.react import ask_again
from rfs_mail.engine.standing import write_standing


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

    `status` is one of `standing.WINDOW_STAGES`. `forward_only` leaves a stage that is further along the line as it is.
    """
    moved = write_standing(
        connection, person_id, window_id, status, evidence=evidence, detail=detail, now=now, forward_only=forward_only
    )
    if live is not None:
        ask_again(connection, live, [person_id], now=now)
    return moved
