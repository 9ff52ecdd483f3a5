"""What is broken or waits for a person: what staff look at every morning."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection

from rfs_mail.core.breaker import State
from rfs_mail.core.reasons import Reason
from rfs_mail.core.telling import tell
from rfs_mail.engine.live import Live, look, zone_of
from rfs_mail.store import health, problems, relays, ticks, windows
from rfs_mail.store.database import machine_now

RECENT = timedelta(days=7)
"""How long a failure or a rejected row is worth telling."""

LATE = timedelta(minutes=15)
"""A mail that has been due for so long is late."""

SILENT = timedelta(hours=1)
"""After so long without a pass, nobody is sending."""

_OURS = (Reason.RENDER_FAILED, Reason.MESSAGE_REFUSED, Reason.POISON)


@dataclass(frozen=True, slots=True)
class Trouble:
    """
    One thing to look after.

    `kind` is nothing_applied, silent, late, uncertain, paused, template, relay, task, import, window or other. `since`
    is when it began, where that is known.
    """

    kind: str
    what: str
    remedy: str = ""
    number: int = 1
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Status:
    """Everything to look after, the most pressing first, and how the machine is doing."""

    troubles: tuple[Trouble, ...]
    release: int | None
    running: tuple[str, ...]
    """Campaigns that run."""
    last_pass: datetime | None
    """When a verb last ran, by the machine's clock."""
    processes: tuple[str, ...]
    """Processes that send, as far as they said."""
    at: datetime

    @property
    def is_fine(self) -> bool:
        """Nothing has to be looked after."""
        return not self.troubles


def status(connection: Connection, *, now: datetime) -> Status:
    """Look at everything that may be wrong. Reads only."""
    live = look(connection)
    machine = machine_now(connection)
    last = max((row.machine_at for row in ticks.all_ticks(connection) if row.machine_at is not None), default=None)
    troubles = [
        *_silent(live, last, machine),
        *_uncertain(connection),
        *_failing(connection, now),
        *_resting(connection, now),
        *_late(connection, now),
        *_paused(live),
        *_tasks(connection, now),
        *_imports(connection, now),
        *_windows(connection, now),
        *_others(connection),
    ]
    return Status(
        tuple(troubles),
        live.release.id if live is not None else None,
        tuple(live.running) if live is not None else (),
        last,
        tuple(row.id for row in ticks.holders(connection) if machine - row.seen_at < SILENT),
        now,
    )


def _silent(live: Live | None, last: datetime | None, machine: datetime) -> Iterator[Trouble]:
    if live is None:
        yield Trouble("nothing_applied", "no campaign was applied yet", "rfs-mail apply")
    elif last is None:
        yield Trouble("silent", "nothing has run yet: nobody is enrolled, nothing is sent", "rfs-mail run")
    elif machine - last > SILENT:
        what = f"nothing has run since {last.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
        yield Trouble("silent", what, "Start `rfs-mail run`, or see why it ended.", since=last)


def _uncertain(connection: Connection) -> Iterator[Trouble]:
    for row in health.uncertain(connection):
        what = f"{_count(row.number, 'mail')} of {row.campaign_id}: nobody knows whether they arrived"
        remedy = f"`deliveries list --state uncertain --campaign {row.campaign_id}`, then `deliveries resolve`"
        yield Trouble("uncertain", what, remedy, row.number, row.since)


def _failing(connection: Connection, now: datetime) -> Iterator[Trouble]:
    rows = health.failed(connection, reasons=[reason.value for reason in _OURS], since=now - RECENT)
    details = health.details(connection, [row.last for row in rows])
    for row in rows:
        told = tell(row.reason, details.get(row.last), zone=zone_of("UTC"), now=now)
        what = f"{row.campaign_id} {row.step_key}: {_count(row.number, 'mail')} failed: {told.sentence}"
        again = f"`deliveries resolve --failed --resend --campaign {row.campaign_id} --step {row.step_key}`"
        yield Trouble("template", what, f"Mend it, `apply`, then {again}", row.number)


def _resting(connection: Connection, now: datetime) -> Iterator[Trouble]:
    for name, how in sorted(relays.standings(connection).items()):
        breaker, remedy = how.breaker, "`relays status`"
        if how.is_kept(now):
            what = f"{how.kept_by} lets relay {name} rest until {how.kept_until:%Y-%m-%d %H:%M} UTC"
            yield Trouble("relay", f"{what}: {how.kept_because}", f"`relays wake {name}`")
        elif breaker.rests_at(now):
            yield Trouble("relay", f"relay {name} rests until {breaker.until:%H:%M} UTC: {breaker.because}", remedy)
        elif breaker.state is not State.CLOSED:
            yield Trouble("relay", f"relay {name} gets one mail on trial: {breaker.because}", remedy)
    for row in health.resting_operators(connection, now=now):
        what = f"{row.operator} rests until {row.rests_until:%H:%M} UTC by {row.relay}: {row.because}"
        yield Trouble("relay", what, "Nothing to do: its mail goes by itself, slower. `relays status` shows how fast.")


def _late(connection: Connection, now: datetime) -> Iterator[Trouble]:
    for row in health.late(connection, before=now - LATE):
        what = f"{_count(row.number, 'mail')} of {row.campaign_id} should have gone by now"
        yield Trouble("late", what, "`deliveries list --state queued` shows what holds them.", row.number, row.since)


def _paused(live: Live | None) -> Iterator[Trouble]:
    for name in live.paused if live is not None else ():
        assert live is not None
        row = live.campaign(name)
        because = f": {row.state_because}" if row.state_because else ""
        what = f"{name} is paused by {row.state_by} since {row.state_at:%Y-%m-%d %H:%M} UTC{because}"
        yield Trouble("paused", what, f"`campaigns resume {name}`", since=row.state_at)


def _tasks(connection: Connection, now: datetime) -> Iterator[Trouble]:
    for row in health.overdue_tasks(connection, now=now):
        whom = f" for {row.for_}" if row.for_ else ""
        option = f" --for {row.for_}" if row.for_ else ""
        yield Trouble(
            "task", f"{_count(row.number, 'task')}{whom} overdue", f"`tasks list{option}`", row.number, row.since
        )


def _imports(connection: Connection, now: datetime) -> Iterator[Trouble]:
    for row in health.recent_imports(connection, since=now - RECENT):
        if row.rejected:
            where = f"They are in {row.rejected_file}." if row.rejected_file else ""
            yield Trouble(
                "import", f"{_count(row.rejected, 'row')} of {row.file} rejected", where, row.rejected, row.started_at
            )
        if row.finished_at is None and now - row.started_at > SILENT:
            what = f"the import of {row.file} was broken off after {_count(row.rows, 'row')}"
            yield Trouble("import", what, "Import it again: rows that are in change nothing.", since=row.started_at)


def _windows(connection: Connection, now: datetime) -> Iterator[Trouble]:
    """Windows ahead that no countdown may trust: somebody has to find out before the day has passed."""
    found = windows.doubtful(connection, now=now)
    if found:
        named = ", ".join(f"{row.id} ({row.confidence})" for row in found[:3])
        more = f" and {len(found) - 3:,} more" if len(found) > 3 else ""
        what = f"{_count(len(found), 'filing window')} ahead with dates nobody may trust: {named}{more}"
        yield Trouble("window", what, f"`windows show {found[0].id}`, find out, import", len(found))


def _others(connection: Connection) -> Iterator[Trouble]:
    for row in problems.open_problems(connection):
        if row.kind != "relay":  # said above while the relay rests; over when it works again
            yield Trouble(
                "other", f"{row.kind} {row.ref}: {row.message}", number=row._mapping["count"], since=row.first_at
            )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
