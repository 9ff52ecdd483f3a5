"""One person from the first sign-up to what is planned: what happened, in order, and what lies ahead."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from rfs_mail.core.campaign import Mail
from rfs_mail.core.lifecycle import UNSETTLED, DeliveryState
from rfs_mail.core.person import Person
from rfs_mail.core.sequence import find_step
from rfs_mail.core.telling import tell
from rfs_mail.engine.advance import foresee
from rfs_mail.engine.her_windows import HerWindow, Wish, her_windows, wishes
from rfs_mail.engine.live import Live, look, zone_of
from rfs_mail.store import dossier, suppressions
from rfs_mail.store.types import AnyRow


@dataclass(frozen=True, slots=True)
class Moment:
    """
    One line: when, what kind of thing, and a sentence.

    `kind` is signup, consent, suppression, entered, ended, mail, step, event or task. `ahead`: it is planned, not past.
    """

    at: datetime
    kind: str
    what: str
    campaign: str | None = None
    step: str | None = None
    delivery_id: int | None = None
    ahead: bool = False


@dataclass(frozen=True, slots=True)
class Enrolled:
    """One way of hers through a campaign."""

    id: int
    campaign: str
    window_id: str | None
    """The filing window it is about."""
    occasion: str
    state: str
    entered_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Life:
    """A person and her timeline, oldest first; what is ahead comes last."""

    person: Person
    consents: tuple[tuple[str, bool, datetime], ...]
    """Entity, whether it may mail her, since when."""
    topics_left: tuple[str, ...]
    suppressed: tuple[str, ...]
    """Live suppressions in words."""
    wants: tuple[Wish, ...]
    """What she said she would run for."""
    windows: tuple[HerWindow, ...]
    """Her filing windows with how far she is: those ahead, then what she had to do with before."""
    enrollments: tuple[Enrolled, ...]
    """The campaigns that she is or was in, each occasion once."""
    moments: tuple[Moment, ...]


def life(connection: Connection, person: Person, *, now: datetime) -> Life:
    """All about one person, for staff. Reads only."""
    live = look(connection)
    enrollments = dossier.enrollments_of(connection, person.id)
    deliveries = dossier.deliveries_of(connection, person.id)
    past = [
        *_signed_up(connection, person),
        *_consented(connection, person),
        *_entered(enrollments, person, now),
        *_steps(connection, enrollments),
        *_mails(deliveries, person, now),
        *_events(connection, person),
        *_tasks(connection, person),
    ]
    ahead = [*_queued(deliveries, person, now), *_planned(connection, live, enrollments, deliveries, now)]
    past.sort(key=lambda moment: moment.at)
    ahead.sort(key=lambda moment: moment.at)
    return Life(
        person,
        tuple(
            (row.entity_id, row.withdrawn_at is None, row.withdrawn_at or row.granted_at)
            for row in suppressions.consents_of(connection, person.id)
        ),
        tuple(sorted(suppressions.topics_left(connection, person.id))),
        tuple(_scope(row) for row in suppressions.live(connection, person.address_hash)),
        wishes(connection, person),
        her_windows(connection, person, now=now, also=sorted({row.window_id for row in enrollments if row.window_id})),
        tuple(
            Enrolled(row.id, row.campaign_id, row.window_id, row.occasion, row.state, row.entered_at, row.ended_at)
            for row in enrollments
        ),
        (*past, *ahead),
    )


# -- what happened -----------------------------------------------------------------------------------------------------


def _signed_up(connection: Connection, person: Person) -> Iterator[Moment]:
    for row in dossier.signups_of(connection, person.id):
        consent = "with consent" if row.consent_text else "without consent"
        yield Moment(row.at, "signup", f"signed up with {row.entity_id or '?'} at {row.source or '?'}, {consent}")


def _consented(connection: Connection, person: Person) -> Iterator[Moment]:
    for row in suppressions.consents_of(connection, person.id):
        if row.basis != "none":
            yield Moment(row.granted_at, "consent", f"agreed to mail from {row.entity_id} ({row.source or row.basis})")
        if row.withdrawn_at is not None:
            yield Moment(row.withdrawn_at, "consent", f"no longer agrees to mail from {row.entity_id}")
    for row in suppressions.live(connection, person.address_hash):
        yield Moment(row.at, "suppression", _scope(row))
    if person.stopped_at is not None:
        yield Moment(person.stopped_at, "suppression", f"staff stopped all mail: {person.stopped_because}")


def _entered(enrollments: list[AnyRow], person: Person, now: datetime) -> Iterator[Moment]:
    zone = zone_of(person.zone)
    for row in enrollments:
        words = "kept out of" if row.state == "holdout" else "entered"
        why = " (holdout group)" if row.state == "holdout" else ""
        yield Moment(row.entered_at, "entered", f"{words} {row.campaign_id}{_for(row)}{why}", row.campaign_id)
        if row.ended_at is not None and row.state != "holdout":
            because = ""
            if row.ended_because is not None:
                because = f": {tell(row.ended_because, row.ended_detail, zone=zone, now=now).sentence}"
            word = "finished" if row.state == "finished" else "left"
            yield Moment(row.ended_at, "ended", f"{word} {row.campaign_id}{_for(row)}{because}", row.campaign_id)


def _for(row: AnyRow) -> str:
    """Which window an enrollment or a mail is about, where it is about one."""
    return f" for {row.window_id}" if row.window_id is not None else ""


def _steps(connection: Connection, enrollments: list[AnyRow]) -> Iterator[Moment]:
    """Steps that made no mail; what branches and waits did is for `explain`."""
    campaigns = {row.id: row.campaign_id for row in enrollments}
    zones = {row.id: row.zone for row in enrollments}
    for row in dossier.steps_of(connection, list(campaigns)):
        if row.outcome == "skipped" and row.reason is not None:
            campaign, zone = campaigns[row.enrollment_id], zone_of(zones[row.enrollment_id])
            said = tell(row.reason, row.detail, zone=zone, now=row.at).sentence
            yield Moment(row.at, "step", f"{campaign} {row.step_key} passed by: {said}", campaign, row.step_key)


def _mails(deliveries: list[AnyRow], person: Person, now: datetime) -> Iterator[Moment]:
    zone = zone_of(person.zone)
    for row in deliveries:
        if row.state in UNSETTLED or row.settled_at is None:
            continue
        said = f"{row.campaign_id} {row.step_key} {_OUTCOMES[DeliveryState(row.state)]}"
        if row.reason is not None:
            said += f": {tell(row.reason, row.detail, zone=zone, now=now).sentence}"
        yield Moment(row.settled_at, "mail", said, row.campaign_id, row.step_key, row.id)


_OUTCOMES = {
    DeliveryState.SENT: "sent",
    DeliveryState.FAILED: "failed",
    DeliveryState.SKIPPED: "not sent",
    DeliveryState.EXPIRED: "not sent",
    DeliveryState.UNCERTAIN: "uncertain",
    DeliveryState.BOUNCED: "bounced",
    DeliveryState.COMPLAINED: "reported as spam",
}


def _events(connection: Connection, person: Person) -> Iterator[Moment]:
    for row in dossier.events_of(connection, person.id):
        if row.name not in ("bounced", "complained"):  # the mail says so itself
            yield Moment(row.at, "event", _event(row), row.campaign_id, None, row.delivery_id)


def _event(row: AnyRow) -> str:
    about = f"{row.campaign_id} {row.ref}" if row.campaign_id and row.ref else row.ref
    match row.name:
        case "stage":
            return f"stage became {row.value}{_for(row)}"
        case "clicked":
            return f"clicked in {about}" + ("" if row.value == "human" else f" ({row.value})")
        case "answered":
            return f'answered "{row.value}" to {about}'
        case "unsubscribed":
            return f"unsubscribed from {row.ref}"
        case "opted_in":
            return f"opted in to {row.ref}"
        case "preferences":
            return "saved the preferences page"
        case name:
            return " ".join(part for part in (name.replace("_", " "), about, row.value) if part)


def _tasks(connection: Connection, person: Person) -> Iterator[Moment]:
    for row in dossier.tasks_of(connection, person.id):
        yield Moment(row.created_at, "task", f"task for {row._mapping['for'] or 'staff'}: {row.title}", row.campaign_id)
        if row.closed_at is not None:
            yield Moment(row.closed_at, "task", f"task {row.state} by {row.closed_by}: {row.title}", row.campaign_id)


# -- what lies ahead ---------------------------------------------------------------------------------------------------


def _queued(deliveries: list[AnyRow], person: Person, now: datetime) -> Iterator[Moment]:
    zone = zone_of(person.zone)
    for row in deliveries:
        if row.state in UNSETTLED:
            said = f"{row.campaign_id} {row.step_key} queued"
            if row.reason is not None:
                said += f": {tell(row.reason, row.detail, zone=zone, now=now).sentence}"
            at = max(row.next_at, now)
            yield Moment(at, "mail", said, row.campaign_id, row.step_key, row.id, ahead=True)


def _planned(
    connection: Connection, live: Live | None, enrollments: list[AnyRow], deliveries: list[AnyRow], now: datetime
) -> Iterator[Moment]:
    """The mails ahead in the campaigns that she is in, if nothing changes."""
    waits: Mapping[int, AnyRow] = {row.id: row for row in deliveries}
    for row in enrollments:
        script = live.scripts.get(row.campaign_id) if live is not None else None
        if live is None or script is None or row.state != "active":
            continue
        mail = waits.get(row.waiting_on or 0)
        settles_at = max(mail.next_at, now) if mail is not None else None
        for one in foresee(connection, live, row, settles_at=settles_at, now=now):
            step = find_step(script.campaign, one.step_key)
            if one.due_at is not None and step is not None and isinstance(step.action, Mail):
                condition = f", if then {step.when}" if step.when else ""
                said = f"{row.campaign_id} {one.step_key} planned{condition}"
                yield Moment(one.due_at, "mail", said, row.campaign_id, one.step_key, ahead=True)


def _scope(row: AnyRow) -> str:
    where = "everywhere" if row.scope == "all" else f"{row.scope} {row.scope_id}"
    kept = f", except {', '.join(row.except_topics.strip('|').split('|'))}" if row.except_topics else ""
    return f"suppressed ({row.reason.replace('_', ' ')}): {where}{kept}"
