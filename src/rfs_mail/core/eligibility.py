"""
May this delivery go out now? The last gate before the wire.

Pure: facts in, decision out. The facts are columns, read in the transaction that marks the delivery; no expression is
evaluated here, so the gate is quick and means the same on every machine.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from rfs_mail.core.local_time import local_date, local_day_start, shift_days
from rfs_mail.core.reasons import Reason
from rfs_mail.core.send_hours import SendRules, is_open, next_opening

WEEK = timedelta(days=7)

LOOK_AGAIN = timedelta(hours=1)
"""After so long a mail is asked about again whose filing window is in doubt."""


@dataclass(frozen=True, slots=True)
class Suppressed:
    """A live suppression that covers this delivery."""

    reason: str
    """unsubscribed, complained, hard_bounce, inactive, staff, imported, erased."""
    scope: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Urgent:
    """A deadline mail to the same person that is due on the same day of hers."""

    campaign: str
    step: str
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Caps:
    """How many mails a person may get; 0 is no limit."""

    per_day: int = 1
    per_week: int = 2


@dataclass(frozen=True, slots=True)
class Facts:
    """All that the gate looks at, for one delivery."""

    zone: ZoneInfo
    not_after: datetime
    entity: str = ""
    topic: str = ""
    campaign: str = ""
    campaign_state: str = "running"
    campaign_state_by: str = ""
    campaign_state_because: str = ""
    enrollment_state: str = "active"
    step_removed: bool = False
    """The campaign was edited since, and this step is gone."""
    ended_because: str | None = None
    ended_detail: Mapping[str, object] = field(default_factory=dict)
    suppressed: Suppressed | None = None
    consented: bool = True
    topic_left_at: datetime | None = None
    stopped_because: str | None = None
    paused_until: datetime | None = None
    touched: bool = False
    window_version: int | None = None
    current_window_version: int | None = None
    doubtful_window: str = ""
    """The filing window that it counts down to, where nobody may trust its dates."""
    window_confidence: str = ""
    rules: SendRules | None = None
    """None: any day, any hour."""
    deadline: bool = False
    counts: bool = True
    """Counts against the caps, and waits for them."""
    sent: tuple[datetime, ...] = ()
    """Counting mails that went out, or may have, in the last seven days; ascending."""
    urgent: Urgent | None = None
    allowed: bool = True
    """`only_to` lets mail go to this address."""
    only_to: str = ""


@dataclass(frozen=True, slots=True)
class Send:
    """It may go now."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Try again at `until`. Does not count as an attempt. `until` None: as soon as something changes."""

    reason: Reason
    until: datetime | None
    detail: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Skip:
    """It must not go, now or later."""

    reason: Reason
    detail: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Expire:
    """Its time is over."""

    late_by: timedelta
    detail: Mapping[str, object] = field(default_factory=dict)


Decision = Send | Hold | Skip | Expire


def decide(facts: Facts, *, caps: Caps, now: datetime) -> Decision:
    """May this delivery go out now? Suppression first: no other rule may outvote it."""
    refusal = _refuse(facts)
    if refusal is not None:
        return refusal
    if now > facts.not_after:
        return Expire(now - facts.not_after, {"not_after": facts.not_after.isoformat()})
    return _hold(facts, caps, now) or Send()


def _refuse(facts: Facts) -> Skip | None:
    """Whatever ends the delivery, whatever the hour."""
    if facts.suppressed is not None:
        return _suppressed(facts, facts.suppressed)
    if facts.stopped_because is not None:
        return Skip(Reason.STOPPED, {"because": facts.stopped_because})
    if not facts.consented:
        return Skip(Reason.NO_CONSENT, {"entity": facts.entity})
    if facts.topic_left_at is not None:
        return Skip(Reason.TOPIC_LEFT, {"topic": facts.topic, "since": _since(facts.topic_left_at)})
    if facts.enrollment_state != "active":
        return Skip(_known(facts.ended_because), facts.ended_detail)
    if facts.campaign_state == "removed":
        return Skip(Reason.CAMPAIGN_REMOVED)
    if facts.step_removed:
        return Skip(Reason.STEP_REMOVED)
    if not facts.allowed:
        return Skip(Reason.NOT_ONLY_TO, {"only_to": facts.only_to})
    return None


def _hold(facts: Facts, caps: Caps, now: datetime) -> Decision | None:
    """Whatever puts it off. A hold that would end after `not_after` is decided at once, not left to rot."""
    if facts.touched:
        return Hold(Reason.HELD_FACTS, None)
    if facts.window_version != facts.current_window_version:
        return Hold(Reason.HELD_WINDOW, None, {"old": facts.window_version, "new": facts.current_window_version})
    if facts.doubtful_window:
        detail = {"window": facts.doubtful_window, "confidence": facts.window_confidence}
        return Hold(Reason.HELD_DOUBT, min(now + LOOK_AGAIN, facts.not_after), detail)
    if facts.campaign_state == "paused":
        return Hold(
            Reason.HELD_PAUSED_CAMPAIGN,
            None,
            {
                "by": facts.campaign_state_by,
                "because": facts.campaign_state_because,
                "campaign": facts.campaign,
            },
        )
    if facts.paused_until is not None and facts.paused_until > now:
        return _until(Reason.HELD_PAUSED_PERSON, facts.paused_until, facts)
    if facts.rules is not None and not is_open(now, facts.rules, facts.zone):
        opens = next_opening(now, facts.rules, facts.zone)
        return _until(Reason.HELD_HOURS, opens, facts, hours=str(facts.rules.hours), days=str(facts.rules.days))
    if facts.counts:
        if facts.urgent is not None and not facts.deadline:
            return _until(
                Reason.HELD_MORE_URGENT,
                max(facts.urgent.due_at, now) + timedelta(minutes=1),
                facts,
                campaign=facts.urgent.campaign,
                step=facts.urgent.step,
            )
        return _capped(facts, caps, now)
    return None


def _capped(facts: Facts, caps: Caps, now: datetime) -> Decision | None:
    """
    The caps: one number a calendar day of the person, one a rolling week. A deadline mail may break the weekly one.

    Held until it fits; where it would fit only after `not_after`, it is skipped now.
    """
    today = local_date(now, facts.zone)
    fits_at, detail = now, {}
    sent_today = sum(1 for at in facts.sent if local_date(at, facts.zone) == today)
    if caps.per_day and sent_today >= caps.per_day:
        fits_at = local_day_start(shift_days(now, 1, facts.zone), facts.zone)
        detail = {"count": sent_today, "span": "today", "cap": f"{caps.per_day} a day"}
    week = [at for at in facts.sent if at > now - WEEK]
    if caps.per_week and not facts.deadline and len(week) >= caps.per_week:
        free = week[len(week) - caps.per_week] + WEEK
        if free > fits_at:
            fits_at = free
            first = local_date(week[0], facts.zone)
            detail = {
                "count": len(week),
                "span": f"since {first.day} {first:%b}",
                "cap": f"{caps.per_week} in 7 days",
            }
    if not detail:
        return None
    if facts.rules is not None:
        fits_at = next_opening(fits_at, facts.rules, facts.zone)
    if fits_at > facts.not_after:
        return Skip(Reason.CAPPED, {**detail, "fits_at": fits_at.isoformat()})
    return Hold(Reason.HELD_CAP, fits_at, {**detail, "until": fits_at.isoformat()})


def _until(reason: Reason, until: datetime, facts: Facts, **detail: object) -> Decision:
    """Hold until then, or say now that it will be too late by then."""
    if until > facts.not_after:
        return Skip(
            Reason.TOO_LATE,
            {"not_after": facts.not_after.isoformat(), "held_by": reason.value, "until": until.isoformat(), **detail},
        )
    return Hold(reason, until, {"until": until.isoformat(), **detail})


def _suppressed(facts: Facts, suppression: Suppressed) -> Skip:
    since = _since(suppression.at)
    if suppression.reason == "unsubscribed":
        return Skip(Reason.UNSUBSCRIBED, {"entity": facts.entity, "since": since})
    if suppression.reason == "erased":
        return Skip(Reason.ERASED)
    return Skip(
        Reason.SUPPRESSED,
        {"because": suppression.reason.replace("_", " "), "scope": suppression.scope, "since": since},
    )


def _since(at: datetime | None) -> str:
    return f" since {at:%Y-%m-%d %H:%M} UTC" if at is not None else ""


def _known(because: str | None) -> Reason:
    try:
        return Reason(because or Reason.EXITED)
    except ValueError:
        return Reason.EXITED
