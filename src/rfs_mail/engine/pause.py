"""
Pause and resume a campaign: who did it, when and why is kept.

Pausing stops sending, not time. On resume everybody in flight gets her next time anew, so that each joins at the step
that is still ahead; what became too late meanwhile is not sent.
"""

from datetime import datetime

from rfs_mail.engine import naming, replan
from rfs_mail.errors import UsageError
from rfs_mail.store import pacing, releases
from rfs_mail.store.database import Store


def pause(store: Store, campaign: str, *, because: str, by: str, now: datetime) -> bool:
    """Stop a campaign's mail at once; False where it is paused already. Raises NotFoundError or UsageError."""
    if not because.strip():
        raise UsageError("Say why: --because TEXT. `status` shows it to everybody until the campaign is resumed.")
    return _set(store, campaign, "paused", because=because.strip(), by=by, now=now)


def resume(store: Store, campaign: str, *, by: str, now: datetime) -> bool:
    """Let a campaign's mail go again; False where it is running. Raises NotFoundError or UsageError."""
    return _set(store, campaign, "running", because=None, by=by, now=now)


def _set(store: Store, campaign: str, state: str, *, because: str | None, by: str, now: datetime) -> bool:
    with store.begin() as connection:
        found = naming.find_campaign(naming.need_live(connection), campaign)
        if found.state == "removed":
            raise UsageError(f"{campaign} is not in the files any more, so it neither runs nor rests. Apply it first.")
        if state == "running":
            pacing.count_anew(connection, campaign, now=now)
        changed = releases.set_campaign_state(connection, campaign, state, now=now, by=by, because=because)
        if changed and state == "running":
            replan.plan_anew(connection, campaign, why=f"resume-{now.isoformat()}", now=now)
        return changed
