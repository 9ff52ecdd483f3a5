"""
Settle what dead processes left behind: claims go back to the queue, mails that were on their way become uncertain.
What a pause kept until it was too late expires.

Nobody can know whether an uncertain mail arrived. `on_uncertain` says what then: `hold` waits for a person's word (or
for a bounce, click or unsubscribe that proves it), `resend`, the default of deadline mail, sends it once more with the
same Message-ID, never past its `not_after`.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from rfs_mail.engine.live import Live, look
from rfs_mail.store import outbox
from rfs_mail.store.database import Store


@dataclass(frozen=True, slots=True)
class RescueReport:
    """What a rescue found and did."""

    requeued: int = 0
    poisoned: int = 0
    uncertain: int = 0
    resent: int = 0
    expired: int = 0


def rescue(store: Store, *, now: datetime, everything: bool = False) -> RescueReport:
    """
    One pass over batches whose lease has lapsed by the database's clock.

    `everything`: all live batches, for the one process whose lock proves that nobody else sends.
    """
    total = RescueReport()
    while True:
        with store.begin() as connection:
            found = outbox.rescue(connection, now=now, everything=everything)
        total = RescueReport(
            total.requeued + found.requeued, total.poisoned + found.poisoned, total.uncertain + len(found.uncertain)
        )
        if not found.batches:
            break
    with store.begin() as connection:
        live = look(connection)
        resent = _resend(connection, live, now) if live is not None else 0
        expired = outbox.expire_paused(connection, now=now) if live is not None and live.paused else 0
    return RescueReport(total.requeued, total.poisoned, total.uncertain, resent, expired)


def _resend(connection: Connection, live: Live, now: datetime) -> int:
    """Send uncertain mails once more where their campaign wants it."""
    said = {name: script.campaign.on_uncertain for name, script in live.scripts.items()}
    ids = outbox.uncertain(
        connection,
        always=[name for name, word in said.items() if word == "resend"],
        deadline_only=[name for name, word in said.items() if word is None],
        now=now,
    )
    return outbox.resend_uncertain(connection, ids, now=now) if ids else 0
