"""
What comes back: unsubscribes, preferences, answers, clicks, bounces, complaints. Each stops what must stop, at once.

The fact and the skipping of what is queued are one transaction, so that the row lock of the outbox decides the race
with the mark: a fact committed before the mark is never followed by a mail.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection

from rfs_mail.core.digest import digest
from rfs_mail.core.person import Person
from rfs_mail.core.reasons import Reason
from rfs_mail.core.values import Stage
from rfs_mail.engine import pacing
from rfs_mail.engine.live import look
from rfs_mail.errors import NotFoundError
from rfs_mail.store import events, outbox, people, releases, suppressions, tasks
from rfs_mail.store.outbox import Addressee


@dataclass(frozen=True, slots=True)
class Left:
    """What an unsubscribe did."""

    already: bool
    skipped: int
    """Deliveries that were waiting and now never go."""


# -- leaving -----------------------------------------------------------------------------------------------------------

SCOPES = ("entity", "topic", "partners")
"""What a link or a page can ask to stop."""


def unsubscribe_by_link(
    connection: Connection, delivery_id: int, *, scope: str, source: str, now: datetime
) -> Left | None:
    """Leave by the link of a mail; partners are those of the live release. None where we made no such delivery."""
    addressee = outbox.addressee(connection, delivery_id)
    if addressee is None:
        return None
    partners = _partners(connection, addressee.entity_id) if scope == "partners" else ()
    return unsubscribe(connection, addressee, scope=scope, source=source, now=now, partners=partners)


def _partners(connection: Connection, entity_id: str) -> tuple[str, ...]:
    release = releases.live(connection)
    entity = release.content.entities.get(entity_id) if release is not None else None
    return tuple(name for name in entity.partners if name != entity_id) if entity is not None else ()


def unsubscribe(
    connection: Connection,
    addressee: Addressee,
    *,
    scope: str,
    source: str,
    now: datetime,
    partners: tuple[str, ...] = (),
) -> Left:
    """
    Leave, by the token of a mail: `scope` is entity, topic or partners (the entity and its partner organisations).

    The header's one-click leaves the entity (RFC 8058: one POST, nothing asked). Doing it again changes nothing.
    """
    entity_ids = (addressee.entity_id, *partners) if scope == "partners" else (addressee.entity_id,)
    outbox.resolve_sent(connection, [addressee.delivery_id], detail={"proof": "unsubscribe"})
    if addressee.person_id is None or people.get_person(connection, addressee.person_id) is None:
        # Erased: the hash of the address is all that is left, and all that is needed.
        already = not _suppress_all(connection, addressee.address_hash, entity_ids, source, now, addressee.delivery_id)
        return Left(already, 0)
    return unsubscribe_person(
        connection, addressee.person_id, scope="topic" if scope == "topic" else "entity", entity_ids=entity_ids,
        topic=addressee.topic, source=source, now=now, delivery_id=addressee.delivery_id,
        campaign_id=addressee.campaign_id,
    )  # fmt: skip


def unsubscribe_person(
    connection: Connection,
    person_id: int,
    *,
    scope: str,
    entity_ids: tuple[str, ...],
    topic: str,
    source: str,
    now: datetime,
    delivery_id: int | None = None,
    campaign_id: str | None = None,
) -> Left:
    """Leave entities or one topic: the fact, the suppression, and what is queued, in this transaction."""
    person = people.get_person(connection, person_id)
    if person is None:
        return Left(already=True, skipped=0)
    outbox.close_gate(connection, person_id)
    if scope == "topic":
        changed = suppressions.leave_topic(connection, person_id, topic, now=now)
        skipped = outbox.skip_open(
            connection,
            (outbox.delivery.c.person_id == person_id) & (outbox.delivery.c.topic == topic),
            reason=Reason.TOPIC_LEFT,
            detail={"topic": topic},
            now=now,
        )
    else:
        changed = _suppress_all(connection, person.address_hash, entity_ids, source, now, delivery_id)
        suppressions.withdraw(connection, person_id, entity_ids, now=now)
        skipped = outbox.skip_open(
            connection,
            (outbox.delivery.c.person_id == person_id) & outbox.delivery.c.entity_id.in_(entity_ids),
            reason=Reason.UNSUBSCRIBED,
            detail={"entity": ", ".join(entity_ids)},
            now=now,
        )
    if changed:
        events.add_event(
            connection, person_id, "unsubscribed", ref=topic if scope == "topic" else ",".join(entity_ids),
            value=scope, at=now, now=now, delivery_id=delivery_id, campaign_id=campaign_id, detail={"source": source},
        )  # fmt: skip
    return Left(already=not changed, skipped=skipped)


def _suppress_all(
    connection: Connection,
    address_hash: bytes | None,
    entity_ids: tuple[str, ...],
    source: str,
    now: datetime,
    delivery_id: int | None,
) -> bool:
    if address_hash is None:
        return False
    new = [
        suppressions.suppress(
            connection, address_hash, scope="entity", scope_id=entity_id, reason="unsubscribed", source=source,
            now=now, delivery_id=delivery_id,
        )
        for entity_id in entity_ids
    ]  # fmt: skip
    return any(new)


# -- coming back and choosing ------------------------------------------------------------------------------------------


def opt_in(
    connection: Connection, person_id: int, entity_ids: tuple[str, ...], *, text: str, source: str, now: datetime
) -> bool:
    """
    A fresh opt-in by the person herself, word for word: grants consent and lifts her unsubscribe. Never a complaint.

    Returns whether these entities may mail her now; False where something stays that only staff, or nobody, lifts.
    """
    person = people.get_person(connection, person_id)
    if person is None:
        return False
    for entity_id in entity_ids:
        suppressions.lift(
            connection, person.address_hash, reasons=suppressions.LIFTED_BY_OPT_IN, because=f"opt-in: {source}",
            now=now, entity_id=entity_id,
        )  # fmt: skip
        suppressions.grant(connection, person_id, entity_id, text=text, source=source, now=now)
    events.add_event(
        connection, person_id, "opted_in", ref=",".join(entity_ids), at=now, now=now, active=True,
        detail={"text": text, "source": source},
    )  # fmt: skip
    if person.stopped_at is not None:
        return False
    return not any(
        row.scope == "all" or (row.scope == "entity" and row.scope_id in entity_ids)
        for row in suppressions.live(connection, person.address_hash)
    )


def rejoin_topic(connection: Connection, person_id: int, topic: str, *, text: str, source: str, now: datetime) -> bool:
    """Take a topic back that was left, word for word; False where it was not left."""
    if not suppressions.join_topic(connection, person_id, topic):
        return False
    events.add_event(
        connection, person_id, "opted_in", ref=topic, value="topic", at=now, now=now, active=True,
        detail={"text": text, "source": source},
    )  # fmt: skip
    return True


@dataclass(frozen=True, slots=True)
class Preferences:
    """One press of Save: the topics she wants, and the rest of the page."""

    topics: Mapping[str, bool]
    """Topic -> wanted; topics that are not named stay as they are."""
    paused_until: datetime | None = None
    """None: no pause, also where there was one."""
    language: str | None = None
    """None leaves it."""
    not_this_time: bool | None = None
    """True: stage `not_now`; False: back to the stage before, where she is at `not_now`; None leaves it."""
    correction: str | None = None
    """What she wrote about anything else that is wrong: a task for staff."""
    again: Mapping[str, str] = field(default_factory=dict)
    """Entities she had left and opts in to again -> the text she agreed to, word for word."""


def save_preferences(
    connection: Connection,
    person_id: int,
    wanted: Preferences,
    *,
    source: str,
    now: datetime,
    delivery_id: int | None = None,
    campaign_id: str | None = None,
) -> None:
    """Write what a person chose, and skip what is queued against it. Raises NotFoundError for no such person."""
    person = people.get_person(connection, person_id)
    if person is None:
        raise NotFoundError(f"There is no person with the id {person_id}.")
    outbox.close_gate(connection, person_id)
    for entity_id, text in wanted.again.items():
        opt_in(connection, person_id, (entity_id,), text=text, source=source, now=now)
    for topic, wants in wanted.topics.items():
        if wants:
            suppressions.join_topic(connection, person_id, topic)
        elif suppressions.leave_topic(connection, person_id, topic, now=now):
            outbox.skip_open(
                connection,
                (outbox.delivery.c.person_id == person_id) & (outbox.delivery.c.topic == topic),
                reason=Reason.TOPIC_LEFT, detail={"topic": topic}, now=now,
            )  # fmt: skip
    if wanted.language is not None:
        people.set_fields(connection, person_id, {"lang": wanted.language}, now=now, source=source)
    if wanted.paused_until != person.paused_until:
        suppressions.set_pause(connection, person_id, wanted.paused_until, now=now)
    if wanted.not_this_time is not None:
        _not_this_time(connection, person, wanted.not_this_time, source, now, delivery_id)
    if wanted.correction:
        ask_to_correct(connection, person, wanted.correction, now, campaign_id)
    events.add_event(
        connection, person_id, "preferences", at=now, now=now, active=True, delivery_id=delivery_id,
        campaign_id=campaign_id,
        detail={"topics": dict(wanted.topics), "language": wanted.language, "correction": wanted.correction,
                "not_this_time": wanted.not_this_time, "source": source,
                "paused_until": wanted.paused_until.isoformat() if wanted.paused_until else None},
    )  # fmt: skip


def _not_this_time(
    connection: Connection, person: Person, not_now: bool, source: str, now: datetime, delivery_id: int | None
) -> None:
    """To `not_now`, or from there back to where she stood before."""
    is_there = person.stage == Stage.NOT_NOW.value
    if not_now and not is_there:
        people.set_stage(
            connection, person.id, Stage.NOT_NOW.value, now=now, active=True, delivery_id=delivery_id,
            detail={"before": person.stage, "source": source},
        )  # fmt: skip
    elif is_there and not not_now:
        history = events.of_person(connection, person.id, "stage")
        before = next((row.value for row in history if row.value != Stage.NOT_NOW.value), None)
        before = before or (history[0].detail.get("before") if history else None) or Stage.SIGNED_UP.value
        people.set_stage(
            connection, person.id, before, now=now, active=True, delivery_id=delivery_id, detail={"source": source}
        )


def ask_to_correct(connection: Connection, person: Person, text: str, now: datetime, campaign_id: str | None) -> None:
    """A task for staff; the same words of the same person are one task."""
    name = " ".join(part for part in (person.given_name, person.family_name) if part) or person.address
    tasks.make(
        connection,
        [
            {
                "key": f"correction:{person.id}:{digest(text)}",
                "person_id": person.id,
                "campaign_id": campaign_id,
                "enrollment_id": None,
                "title": f"Check the state and office of {name}, who writes: {text}",
                "for": "",
                "due_at": None,
                "state": "open",
                "created_at": now,
            }
        ],
    )


# -- clicks ------------------------------------------------------------------------------------------------------------


def click(
    connection: Connection, addressee: Addressee, *, link: int, kind: str, now: datetime, detail: Mapping[str, object]
) -> None:
    """
    Record a click: `kind` is human, machine or unknown, by a versioned rule (`detail` says which and why).

    Raw events are kept; only a human's click counts for `clicked()` and `active()`.
    """
    outbox.resolve_sent(connection, [addressee.delivery_id], detail={"proof": "click"})
    if addressee.person_id is None:
        return
    events.add_event(
        connection, addressee.person_id, "clicked", ref=addressee.step_key or "", value=kind, at=now, now=now,
        active=kind == "human", campaign_id=addressee.campaign_id, enrollment_id=addressee.enrollment_id,
        delivery_id=addressee.delivery_id, detail={"link": link, **detail},
    )  # fmt: skip


# -- bounces and complaints --------------------------------------------------------------------------------------------


def bounce(
    connection: Connection,
    addressee: Addressee,
    *,
    kind: str,
    code: int | None,
    reply: str,
    now: datetime,
    key: str | None = None,
) -> bool:
    """
    A bounce: `kind` is hard, inactive, quota, policy, content or transient. Only hard suppresses at once.

    Our own reputation (policy, content) never suppresses a person. Returns False for one that was recorded before.
    """
    if addressee.person_id is None:
        return False
    recorded = events.add_event(
        connection, addressee.person_id, "bounced", ref=addressee.step_key or "", value=kind, at=now, now=now,
        campaign_id=addressee.campaign_id, enrollment_id=addressee.enrollment_id, delivery_id=addressee.delivery_id,
        key=key or f"bounce:{addressee.delivery_id}:{kind}", detail={"code": code, "reply": reply},
    )  # fmt: skip
    if recorded is None:
        return False
    returned = outbox.mark_returned(connection, addressee.delivery_id, state="bounced", reply=reply, code=code)
    if kind == "hard" and returned:
        pacing.bounced_later(connection, addressee.delivery_id, addressee.campaign_id, now=now)
    if kind == "hard" and addressee.address_hash is not None:
        suppress_everywhere(
            connection, addressee.person_id, addressee.address_hash, reason="hard_bounce", source="bounce",
            now=now, delivery_id=addressee.delivery_id, note=reply[:200],
        )  # fmt: skip
    return True


def complain(
    connection: Connection, addressee: Addressee, *, source: str, now: datetime, key: str | None = None
) -> bool:
    """A complaint: suppressed everywhere, and nothing lifts it. Returns False for one that was recorded before."""
    recorded = events.add_event(
        connection, addressee.person_id, "complained", ref=addressee.step_key or "", at=now, now=now,
        campaign_id=addressee.campaign_id, delivery_id=addressee.delivery_id,
        key=key or f"complaint:{addressee.delivery_id}", detail={"source": source},
    )  # fmt: skip
    if recorded is None:
        return False
    outbox.mark_returned(connection, addressee.delivery_id, state="complained", reply=source, code=None)
    pacing.complained_later(connection, addressee.delivery_id, look(connection), now=now)
    if addressee.address_hash is not None:
        suppress_everywhere(
            connection, addressee.person_id, addressee.address_hash, reason="complained", source=source, now=now,
            delivery_id=addressee.delivery_id,
        )  # fmt: skip
    return True


def suppress_everywhere(
    connection: Connection,
    person_id: int | None,
    address_hash: bytes,
    *,
    reason: str,
    source: str,
    now: datetime,
    delivery_id: int | None = None,
    note: str | None = None,
) -> bool:
    """Never mail this address again, whoever speaks; what is queued is skipped. False where it was so already."""
    if person_id is not None:
        outbox.close_gate(connection, person_id)
    new = suppressions.suppress(
        connection, address_hash, scope="all", reason=reason, source=source, now=now, delivery_id=delivery_id, note=note
    )
    if person_id is not None:
        outbox.skip_open(
            connection, outbox.delivery.c.person_id == person_id, reason=Reason.SUPPRESSED,
            detail={"because": reason.replace("_", " "), "scope": "all"}, now=now,
        )  # fmt: skip
        events.touch(connection, [person_id])
    return new


def stop_person(connection: Connection, person_id: int, *, because: str, now: datetime) -> int:
    """Staff stop all mail to a person; returns how many deliveries were waiting."""
    outbox.close_gate(connection, person_id)
    suppressions.set_stopped(connection, person_id, because, now=now)
    return outbox.skip_open(
        connection,
        outbox.delivery.c.person_id == person_id,
        reason=Reason.STOPPED,
        detail={"because": because},
        now=now,
    )
