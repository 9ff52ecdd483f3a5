"""What the store says it did, in a form that can be held against the log of whoever received it. Only reads."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from rfs_mail.core.lifecycle import DeliveryState
from rfs_mail.core.reasons import Reason
from rfs_mail.core.send_hours import SendRules
from rfs_mail.engine.live import look
from rfs_mail.store import audit, outlook, windows
from rfs_mail.store.database import Store

_S = DeliveryState
_ARRIVED = (_S.SENT, _S.BOUNCED, _S.COMPLAINED)
_NOT_SENT = (_S.SKIPPED, _S.EXPIRED, _S.FAILED)
_AHEAD = timedelta(days=366)


@dataclass(frozen=True, slots=True)
class Recorded:
    """One delivery that was on its way at least once, as the store has it."""

    id: int
    message_id: str
    state: DeliveryState
    campaign: str
    step: str
    entity: str
    topic: str
    counts: bool
    """Counts against the caps."""
    deadline: bool
    resends: int
    mailbox: str | None
    zone: str | None
    window_id: str | None = None
    """The filing window that its campaign is about."""

    @property
    def arrived(self) -> bool:
        """Does the store hold it for accepted by the other side?"""
        return self.state in _ARRIVED


@dataclass(frozen=True, slots=True)
class Departure:
    """Somebody left: everything (`all`), an entity or a topic, from `at` until `back` (None: for good)."""

    mailbox: str
    scope: str
    scope_id: str
    except_topics: frozenset[str]
    reason: str
    at: datetime
    back: datetime | None

    def covers(self, entity: str, topic: str, at: datetime) -> bool:
        """Does it forbid a mail of this entity and topic that leaves at `at`?"""
        if not self.at < at or (self.back is not None and self.back <= at) or topic in self.except_topics:
            return False
        return self.scope == "all" or self.scope_id == (entity if self.scope == "entity" else topic)


@dataclass(frozen=True, slots=True)
class CampaignFigures:
    """One campaign in figures."""

    campaign: str
    entered: int
    sent: int
    goals: int | None
    """Enrollments that ended at the goal; None where the campaign has no goal that ends it."""
    next_count: int
    next_at: datetime | None
    """The hour in which mail is planned next."""


@dataclass(frozen=True, slots=True)
class Figures:
    """The whole store in figures."""

    people: int
    files: int
    rows: int
    created: int
    merged: int
    unchanged: int
    rejected: int
    rejected_files: tuple[str, ...]
    deliveries: int
    sent: int
    not_sent: Mapping[str, int]
    """Reason -> deliveries that ended without being sent."""
    uncertain: int
    waiting: int
    """Deliveries that are still to go."""
    stuck: int
    """Deliveries that are in somebody's hands; where nobody sends any more, nobody's."""
    campaigns: tuple[CampaignFigures, ...]
    happened: Mapping[tuple[str, str], int]
    """(event, value) -> how often."""


def recorded(store: Store) -> list[Recorded]:
    """Every delivery that was ever on its way."""
    with store.read() as connection:
        return [
            Recorded(
                row.id, row.message_id, DeliveryState(row.state), row.campaign_id, row.step_key, row.entity_id,
                row.topic, row.cap == "count", row.deadline, row.resends, row.mailbox, row.zone, row.window_id,
            )
            for row in audit.marked(connection)
        ]  # fmt: skip


def departures(store: Store) -> list[Departure]:
    """Everybody who left, and what."""
    found = []
    with store.read() as connection:
        for row in audit.departures(connection):
            if len(row) == 3:
                found.append(Departure(row.mailbox, "topic", row.topic, frozenset(), "topic_left", row.at, None))
                continue
            excepted = frozenset(part for part in row.except_topics.split("|") if part)
            found.append(Departure(row.mailbox, row.scope, row.scope_id, excepted, row.reason, row.at, row.lifted_at))
    return found


def send_rules(store: Store) -> dict[tuple[str, str], SendRules]:
    """(campaign, step) -> the days and hours that the live release gives a mail, on its recipient's clock."""
    with store.read() as connection:
        live = look(connection)
    if live is None:
        return {}
    return {(name, step): rules for name, script in live.scripts.items() for step, rules in script.rules.items()}


@dataclass(frozen=True, slots=True)
class Hanging:
    """What hangs on some filing windows at one moment."""

    mails: Mapping[int, tuple[datetime, datetime]]
    """Delivery that waits in the queue, or has been settled since -> when it is due, and when it expires."""
    steps: Mapping[tuple[int, str], datetime]
    """(enrollment, next step) -> when that is due, where it has a time."""
    passed_by: int
    """Steps and queued mails that nobody gets because their window moved."""


def hanging(store: Store, window_ids: Sequence[str], *, since: datetime | None = None) -> Hanging:
    """
    What hangs on these windows now.

    With `since`, mail that has been settled from then on is among it, and `passed_by` counts from then on.
    """
    with store.read() as connection:
        return Hanging(
            {
                row.id: (row.due_at, row.not_after)
                for row in audit.mails_of_windows(connection, window_ids, since=since)
            },
            {(row.id, row.step_key): row.due_at for row in audit.steps_of_windows(connection, window_ids)},
            audit.count_passed_by(connection, window_ids, since=since) if since is not None else 0,
        )


def count_wanting(store: Store, window_ids: Sequence[str]) -> int:
    """How many people want one of these windows or are on their way to one, each person once."""
    with store.read() as connection:
        stored = [one.window for one in windows.listing(connection, ids=window_ids)]
        return len(set().union(*windows.people_of(connection, stored).values()))


def figures(store: Store, *, now: datetime) -> Figures:
    """Everything counted, in one snapshot."""
    with store.read() as connection:
        live = look(connection)
        states = audit.states(connection)
        enrolled = {row.campaign_id: row for row in audit.entered(connection)}
        span = {"now": now, "until": now + _AHEAD}
        ahead = [*outlook.queued(connection, **span), *outlook.planned(connection, **span)]
        imported = audit.rows_imported(connection)
        rejected_files = tuple(audit.rejected_files(connection))
        people = audit.count_people(connection)
        happened = {(row.name, row.value): row.number for row in audit.happened(connection)}
    by_state: Counter[str] = Counter()
    not_sent: Counter[str] = Counter()
    sent_by: Counter[str] = Counter()
    for row in states:
        by_state[row.state] += row.number
        if row.state in _NOT_SENT:
            not_sent[row.reason or Reason.STAFF] += row.number
        elif row.state in _ARRIVED:
            sent_by[row.campaign_id] += row.number
    campaigns = []
    for name, script in (live.scripts if live is not None else {}).items():
        goal = script.campaign.goal
        hours: Counter[datetime] = Counter()
        for row in ahead:
            if row.campaign_id == name and row.step_key in script.rules:
                hours[row.hour] += row.number
        first = min(hours, default=None)
        count = enrolled.get(name)
        campaigns.append(
            CampaignFigures(
                name,
                count.entered if count is not None else 0,
                sent_by[name],
                (count.goals if count is not None else 0) if goal is not None and goal.then == "end" else None,
                hours[first] if first is not None else 0,
                first,
            )
        )
    return Figures(
        people, imported.files, imported.rows, imported.created, imported.merged, imported.unchanged, imported.rejected,
        rejected_files, by_state.total(), sum(by_state[state] for state in _ARRIVED), dict(not_sent.most_common()),
        by_state[_S.UNCERTAIN], by_state[_S.QUEUED], by_state[_S.CLAIMED] + by_state[_S.SENDING], tuple(campaigns),
        happened,
    )  # fmt: skip
