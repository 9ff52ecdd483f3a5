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
    state: str = ""
    """Of a mail about filing windows: the state that they are in. Such mail has a slot for each state."""
    windows: tuple[str, ...] = ()
    """The windows that the mail is about, by id."""


def agenda(connection: Connection, *, days: int, now: datetime) -> list[Slot]:
    """
    The mails of the next days by hour, campaign and step, in order; mail about filing windows by their state, too.

    Three statements, however many people. Of an enrollment only its next step has a time yet, so later steps are not in
    it; caps may hold what is.
    """
    live = look(connection)
    if live is None:
        return []
    until = now + timedelta(days=days)
    planned = [row for row in outlook.planned(connection, now=now, until=until) if _is_mail(live, row)]
    rows = [*outlook.queued(connection, now=now, until=until), *planned]
    states = outlook.states_of(connection, {row.window_id for row in rows if row.window_id is not None})
    slots: dict[tuple[datetime, str, str, str], Slot] = {}
    for row in rows:
        state = states.get(row.window_id, "")
        key = (row.hour, row.campaign_id, row.step_key, state)
        before = slots.get(key)
        people = row.number + (before.people if before is not None else 0)
        about = {*(before.windows if before is not None else ()), *([row.window_id] if row.window_id else [])}
        slots[key] = Slot(*key[:3], people, row.state == "paused", state, tuple(sorted(about)))
    return [slots[key] for key in sorted(slots)]


def _is_mail(live: Live, row: AnyRow) -> bool:
    script = live.scripts.get(row.campaign_id)
    step = find_step(script.campaign, row.step_key) if script is not None else None
    return step is not None and isinstance(step.action, Mail)
