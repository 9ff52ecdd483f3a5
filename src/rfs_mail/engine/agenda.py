"""What goes out, hour by hour: what is queued, and what enrollments have planned next."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from rfs_mail.core.campaign import Mail
from rfs_mail.core.sequence import find_step
from rfs_mail.engine.live import Live, look
from rfs_mail.store import outlook
from rfs_mail.store.types import AnyRow


@dataclass(frozen=True, slots=True)
class Slot:
    """One hour of one mail step. `hour` is its start, UTC; what is overdue counts to the present hour."""

    hour: datetime
    campaign: str
    step: str
    people: int
    paused: bool
    """The campaign is paused: these wait, and expire in time."""


def agenda(connection: Connection, *, days: int, now: datetime) -> list[Slot]:
    """
    The mails of the next days by hour, campaign and step, in order. Two statements, however many people.

    Of an enrollment only its next step has a time yet, so later steps are not in it; caps may hold what is.
    """
    live = look(connection)
    if live is None:
        return []
    until = now + timedelta(days=days)
    slots: dict[tuple[datetime, str, str], Slot] = {}
    planned = [row for row in outlook.planned(connection, now=now, until=until) if _is_mail(live, row)]
    for row in (*outlook.queued(connection, now=now, until=until), *planned):
        key = (row.hour, row.campaign_id, row.step_key)
        before = slots[key].people if key in slots else 0
        slots[key] = Slot(*key, before + row.number, row.state == "paused")
    return [slots[key] for key in sorted(slots)]


def _is_mail(live: Live, row: AnyRow) -> bool:
    script = live.scripts.get(row.campaign_id)
    step = find_step(script.campaign, row.step_key) if script is not None else None
    return step is not None and isinstance(step.action, Mail)
