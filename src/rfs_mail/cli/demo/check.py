"""
Two books are compared: what the store says it sent, and what the receiving server wrote down.

The server knows nothing of the store. A mail counts once it stands in both; everything that stands in one only is told.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from rfs_mail.cli.demo.maillog import Received
from rfs_mail.cli.demo.story import Receipt
from rfs_mail.core.eligibility import Caps
from rfs_mail.core.lifecycle import DeliveryState
from rfs_mail.core.send_hours import SendRules
from rfs_mail.engine.audit import Departure, Recorded

WEEK = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was checked: what it says when it holds, and what speaks against it."""

    said: str
    against: tuple[str, ...] = ()

    @property
    def holds(self) -> bool:
        """Nothing speaks against it."""
        return not self.against


@dataclass(frozen=True, slots=True)
class Books:
    """Both books, and the rules to read them by."""

    received: Sequence[Received]
    recorded: Sequence[Recorded]
    refused: Mapping[int, Sequence[str]]
    departures: Sequence[Departure]
    receipts: Sequence[Receipt]
    rules: Mapping[tuple[str, str], SendRules]
    caps: Caps


def compare(books: Books) -> list[Finding]:
    """Every check, in the order of the screen."""
    return [
        _accepted_is_recorded(books),
        _none_twice(books),
        _none_after_leaving(books),
        _none_outside_hours(books),
        _none_above_caps(books),
        _refused_is_recorded(books),
    ]


def _accepted_is_recorded(books: Books) -> Finding:
    """Every accepted mail is recorded as sent or as uncertain, and every one recorded as sent was accepted."""
    accepted = {one.message_id for one in books.received}
    sent = {one.message_id for one in books.recorded if one.arrived}
    unsure = {one.message_id for one in books.recorded if one.state is DeliveryState.UNCERTAIN}
    against = [f"accepted, and the store does not know: {one}" for one in sorted(accepted - sent - unsure)]
    against += [f"recorded as sent, and never accepted: {one}" for one in sorted(sent - accepted)]
    arrived = len(accepted & unsure)
    both = f"{len(accepted):,} accepted = {len(sent):,} recorded"
    return Finding(f"{both} + {arrived:,} uncertain that did arrive" if arrived else both, tuple(against))


def _none_twice(books: Books) -> Finding:
    """No message twice, and no step of a campaign twice to one address."""
    by_id = Counter(one.message_id for one in books.received)
    by_step = Counter((one.recipient.casefold(), one.campaign, one.step) for one in books.received)
    against = [f"{number} times: {one}" for one, number in by_id.items() if number > 1]
    against += [f"{number} times: {' '.join(one)}" for one, number in by_step.items() if number > 1]
    return Finding("0 sent twice", tuple(against))


def _none_after_leaving(books: Books) -> Finding:
    """
    Nothing to anybody who had left: by the order of the server's log, and by the store's own times.

    The first asks what the page answered and nothing of the store.
    """
    gone: dict[str, list[Receipt]] = {}
    for receipt in books.receipts:
        gone.setdefault(receipt.recipient.casefold(), []).append(receipt)
    left: dict[str, list[Departure]] = {}
    for departure in books.departures:
        left.setdefault(departure.mailbox.casefold(), []).append(departure)
    against = [f"{who} was told that she has left, and the store does not know" for who in gone.keys() - left.keys()]
    recorded = {one.message_id: one for one in books.recorded}
    for one in books.received:
        who = one.recipient.casefold()
        for receipt in gone.get(who, ()):
            left_it = {
                "entity": receipt.sender == one.sender, "partners": True, "topic": receipt.topic == one.topic,
            }[receipt.scope]  # fmt: skip
            if left_it and one.number > receipt.after:
                against.append(f"{one.message_id} was accepted after its recipient had left")
        mail = recorded.get(one.message_id)
        if mail is not None and any(d.covers(mail.entity, mail.topic, one.date) for d in left.get(who, ())):
            against.append(f"{one.message_id} left after its recipient was suppressed")
    return Finding("0 after an unsubscribe", tuple(against))


def _none_outside_hours(books: Books) -> Finding:
    """Each mail left within the days and hours of its step, on its recipient's clock, by its own Date."""
    zones = {one.message_id: one.zone for one in books.recorded}
    against = []
    for one in books.received:
        zone, rules = zones.get(one.message_id), books.rules.get((one.campaign, one.step))
        if zone is None or rules is None:
            against.append(f"{one.message_id}: no zone or no rules are known")
            continue
        local = one.date.astimezone(ZoneInfo(zone))
        minute = local.hour * 60 + local.minute
        if local.weekday() not in rules.days.weekdays or not rules.hours.start <= minute < rules.hours.end:
            against.append(f"{one.message_id} left at {local:%a %H:%M} in {zone}")
    return Finding("0 outside hours", tuple(against))


def _none_above_caps(books: Books) -> Finding:
    """Nobody got more than the caps allow, by the server's log: so many a day of hers, so many in seven days."""
    recorded = {one.message_id: one for one in books.recorded}
    days: Counter[tuple[str, date]] = Counter()
    weeks: dict[str, list[datetime]] = {}
    against = []
    for one in sorted(books.received, key=lambda one: one.date):
        mail = recorded.get(one.message_id)
        if mail is None or not mail.counts:
            continue
        who = one.recipient.casefold()
        days[who, one.date.astimezone(ZoneInfo(mail.zone or "UTC")).date()] += 1
        within = [at for at in weeks.get(who, ()) if at > one.date - WEEK]
        if books.caps.per_week and not mail.deadline and len(within) >= books.caps.per_week:
            against.append(f"{one.message_id} is number {len(within) + 1} within seven days")
        weeks[who] = [*within, one.date]
    if books.caps.per_day:
        most = books.caps.per_day
        against += [f"{number} on {day} to one person" for (_, day), number in days.items() if number > most]
    return Finding("0 above the caps", tuple(against))


def _refused_is_recorded(books: Books) -> Finding:
    """
    Every mail that the server refused for good is recorded as bounced, and its mailbox is not tried again.

    Of a mail that is uncertain nobody knows whether it was refused, so that its mailbox may be tried once more.
    """
    refused = Counter(one.casefold() for one in books.refused.get(550, ()))
    failed, unsure = (
        Counter((one.mailbox or "").casefold() for one in books.recorded if one.state is state)
        for state in (DeliveryState.FAILED, DeliveryState.UNCERTAIN)
    )
    against = [f"refused {failed[one]} times, and tried again: {one}" for one in failed if failed[one] > 1]
    against += [f"refused, and not recorded: {one}" for one in refused if refused[one] > failed[one] + unsure[one]]
    against += [f"recorded as refused, and it was not: {one}" for one in failed if not refused[one]]
    said = f"{refused.total():,} refused = {failed.total():,} bounced"
    more = refused.total() - failed.total()
    return Finding(f"{said} + {more:,} uncertain" if more > 0 else said, tuple(against))


def lost(books: Books, stuck: int) -> int:
    """Mails that nobody has and nobody will send: recorded as sent and never accepted, or left lying half-way."""
    accepted = {one.message_id for one in books.received}
    return stuck + sum(1 for one in books.recorded if one.arrived and one.message_id not in accepted)
