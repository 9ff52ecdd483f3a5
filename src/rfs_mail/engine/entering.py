"""What keeps a person out of a campaign: whether she may be mailed, what is asked at the door, what has to start it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from rfs_mail.core.eligibility import Caps, Facts, Skip, Suppressed, decide
from rfs_mail.core.expression import Expression, evaluate
from rfs_mail.core.facts import PersonFacts
from rfs_mail.core.filing_windows import FilingWindow
from rfs_mail.core.local_time import MIDNIGHT, find_zone, local_instant
from rfs_mail.core.person import Person
from rfs_mail.core.reasons import Reason
from rfs_mail.core.script import Script
from rfs_mail.core.telling import Told, say_instant, tell
from rfs_mail.core.time_words import describe
from rfs_mail.core.times import TimeExpr
from rfs_mail.core.timing import Anchors, resolve
from rfs_mail.engine.doors import doors, enters_from, is_settling, span
from rfs_mail.engine.enroll_windows import WALK
from rfs_mail.engine.her_windows import HerWindow, her_windows, no_window, say_closing, say_doubt
from rfs_mail.engine.live import Live, Occurrence, zone_of
from rfs_mail.store import dossier, suppressions, windows
from rfs_mail.store.suppressions import consents_of
from rfs_mail.store.windows import Stored

_UTC = ZoneInfo("UTC")

Found = tuple[Reason, dict[str, object]]


@dataclass(frozen=True, slots=True)
class Obstacle:
    """One reason why she is not in it."""

    reason: Reason
    detail: dict[str, object]
    told: Told


def obstacles(
    connection: Connection, live: Live, name: str, script: Script, person: Person, facts: PersonFacts, *, now: datetime
) -> list[Obstacle]:
    """
    Everything that keeps her out, the most decisive first. Empty: nothing does, and she enters at the next pass.

    A campaign that is paused takes nobody in, which is said last. Of a campaign `per: filing_window` it is what holds
    for every window; `window_obstacles` says the rest.
    """
    found = [
        *_may_not_be_mailed(connection, script, person, now),
        *_at_the_door(script, facts, now),
        *_not_started(connection, live, name, script, person, facts, now),
        *_paused(live, name),
    ]
    return [_told(one, person, now) for one in found]


def mail_obstacles(
    connection: Connection, live: Live, name: str, script: Script, person: Person, *, now: datetime
) -> list[Obstacle]:
    """What keeps back all mail of a campaign that she is in."""
    found = [*_may_not_be_mailed(connection, script, person, now), *_paused(live, name)]
    return [_told(one, person, now) for one in found]


def _told(found: Found, person: Person, now: datetime) -> Obstacle:
    reason, detail = found
    return Obstacle(reason, detail, tell(reason, detail, zone=zone_of(person.zone), now=now))


def _paused(live: Live, name: str) -> Iterator[Found]:
    row = live.campaign(name)
    if row.state == "paused":
        because = row.state_because or "no reason given"
        yield Reason.HELD_PAUSED_CAMPAIGN, {"by": row.state_by, "because": because, "campaign": name}


def _may_not_be_mailed(connection: Connection, script: Script, person: Person, now: datetime) -> Iterator[Found]:
    """What the gate would say of any mail of this campaign to her, whatever the hour."""
    entity, topic = script.campaign.entity, script.campaign.topic
    covering = [
        row
        for row in suppressions.live(connection, person.address_hash)
        if (row.scope == "all" or (row.scope, row.scope_id) in (("entity", entity), ("topic", topic)))
        and f"|{topic}|" not in row.except_topics
    ]
    first = covering[0] if covering else None
    consent = next((row for row in consents_of(connection, person.id) if row.entity_id == entity), None)
    left = topic in suppressions.topics_left(connection, person.id)
    facts = Facts(
        zone=zone_of(person.zone),
        not_after=now + timedelta(days=1),
        entity=entity,
        topic=topic,
        suppressed=Suppressed(first.reason, first.scope, first.at) if first is not None else None,
        consented=consent is not None and consent.withdrawn_at is None,
        topic_left_at=now if left else None,
        stopped_because=person.stopped_because if person.stopped_at is not None else None,
        counts=False,
    )
    match decide(facts, caps=Caps(0, 0), now=now):
        case Skip(Reason.TOPIC_LEFT, detail):
            yield Reason.TOPIC_LEFT, {**detail, "since": ""}
        case Skip(reason, detail):
            yield reason, dict(detail)


def _at_the_door(script: Script, facts: PersonFacts, now: datetime) -> Iterator[Found]:
    """Audience and excludes, and who already meets goal, exit or the opposite of `while`."""

    def holds(expression: Expression) -> bool | None:
        if expression.uses_enrollment or (expression.uses_window and facts.window is None):
            return None
        return evaluate(expression, facts, now=now)

    for one in script.audience:
        if holds(one) is False:
            yield Reason.AUDIENCE, {"expression": one.text}
    for one in script.exclude:
        if holds(one):
            yield Reason.EXCLUDED, {"expression": one.text}
    if script.goal is not None and holds(script.goal):
        yield Reason.GOAL_REACHED, {"expression": script.goal.text}
    for one in script.exits:
        if holds(one):
            yield Reason.EXITED, {"expression": one.text}
    if script.while_ is not None and holds(script.while_) is False:
        yield Reason.WHILE_ENDED, {"expression": script.while_.text}


# -- what has to start it ----------------------------------------------------------------------------------------------


def _not_started(
    connection: Connection, live: Live, name: str, script: Script, person: Person, facts: PersonFacts, now: datetime
) -> Iterator[Found]:
    match script.campaign.entry.kind:
        case "event":
            yield from _no_event(live, name, script, facts)
        case "calendar":
            yield from _no_occurrence(live, script, person, now)
        case "filing_window":
            yield from _no_window(connection, person, now)
        case "person":
            yield from _not_walked(connection, name, script, person)


def _no_event(live: Live, name: str, script: Script, facts: PersonFacts) -> Iterator[Found]:
    entry = script.campaign.entry
    if entry.stage is not None:
        happened = [each.at for each in facts.happenings if each.name == "stage" and each.value == entry.stage]
        missing = f'she has not reached the stage "{entry.stage}"'
    else:
        happened = [each.at for each in facts.happenings if each.name == entry.event]
        missing = "no sign-up of hers is known" if entry.event == "signup" else f'"{entry.event}" has not happened'
    applied = live.campaign(name).first_applied_at
    if not happened:
        yield Reason.NOT_STARTED, {"what": missing}
    elif max(happened) < applied and entry.existing == "skip":
        yield Reason.BEFORE_FIRST_APPLY, {"at": max(happened).isoformat(), "applied": applied.isoformat()}


def _no_occurrence(live: Live, script: Script, person: Person, now: datetime) -> Iterator[Found]:
    calendar = script.campaign.entry.calendar or ""
    spans = [(_begins(script, one), _ends(script, one)) for one in live.calendar.get(calendar, ())]
    if any(begins is not None and ends is not None and begins <= now < ends for begins, ends in spans):
        return
    ahead = [begins for begins, _ in spans if begins is not None and begins > now]
    if ahead:
        when = say_instant(min(ahead), zone_of(person.zone), now=now)
        yield Reason.NOT_STARTED, {"what": f"the campaign takes people in from {when} on"}
    elif spans:
        yield Reason.NOT_STARTED, {"what": f"the last date of {calendar} is over; add the next to data/calendar.yaml"}
    else:
        yield Reason.NO_ANCHOR, {"anchor": calendar}


def _begins(script: Script, occurrence: Occurrence) -> datetime | None:
    return _at(script.enters, occurrence) if script.enters else occurrence.starts_at


def _ends(script: Script, occurrence: Occurrence) -> datetime | None:
    return _at(script.leaves, occurrence) if script.leaves else occurrence.starts_at + timedelta(days=1)


def _at(expr: TimeExpr, occurrence: Occurrence) -> datetime | None:
    zone = occurrence.moment.zone or _UTC
    found = resolve(expr, anchors=Anchors.of({occurrence.calendar: occurrence.moment}), zone=zone)
    return found if isinstance(found, datetime) else None


def _no_window(connection: Connection, person: Person, now: datetime) -> Iterator[Found]:
    """No window at all is hers; what keeps her out of those that are is for `window_obstacles`."""
    if not her_windows(connection, person, now=now):
        what, do = no_window(connection, person)
        yield Reason.NEEDS_WINDOW, {"what": what, "do": do}


def _not_walked(connection: Connection, name: str, script: Script, person: Person) -> Iterator[Found]:
    """Those who qualified before the first apply come in at their own pace, or not at all."""
    share = script.campaign.entry.existing
    walk = dossier.open_walk(connection, name, "existing")
    if isinstance(share, int) and walk is not None and walk.after_person_id < person.id:
        what = f"those who qualified before the first apply come in {share} a day, and it is not her turn yet"
        yield Reason.NOT_STARTED, {"what": what}
    if share == "skip" and dossier.is_passed_over(connection, person.id, name):
        what = "she qualified before the first apply, and `existing: skip` leaves her out until she once does not"
        yield Reason.NOT_STARTED, {"what": what}


# -- one window --------------------------------------------------------------------------------------------------------


def window_obstacles(
    connection: Connection,
    live: Live,
    name: str,
    script: Script,
    person: Person,
    window: HerWindow,
    facts: PersonFacts,
    *,
    now: datetime,
) -> list[Obstacle]:
    """
    What keeps her out of a campaign `per: filing_window` for one window; `facts` are hers with this window.

    Empty where the door of the window is open to her. What is not about a window is for `obstacles`.
    """
    found = list(_about_window(script, window, facts, now))
    stored = windows.get(connection, window.id)
    if stored is not None:
        found += _at_its_door(connection, live, name, script, person, stored, now, asked=not found)
    return [_told(one, person, now) for one in found]


def takes_in_from(script: Script, window: FilingWindow) -> datetime | None:
    """From when people enter a campaign for a window (UTC), as `enroll` has it; None where its dates do not say."""
    found = enters_from(script, window.anchors()) if script.enters is not None else None
    return found if isinstance(found, datetime) else None


def _about_window(script: Script, window: HerWindow, facts: PersonFacts, now: datetime) -> Iterator[Found]:
    """What is asked of a window and of her way to it: goal, exits, `while`, `require`."""
    if not window.wanted:
        yield Reason.NOT_STARTED, {"what": f"what she wants to run for does not mean {window.id}"}
    for reason, one, keeps_out in (
        (Reason.GOAL_REACHED, script.goal, True),
        *((Reason.EXITED, ending, True) for ending in script.exits),
        (Reason.WHILE_ENDED, script.while_, False),
    ):
        if one is None or not one.uses_window or one.uses_enrollment:
            continue
        if evaluate(one, facts, now=now) is keeps_out:
            yield reason, {"expression": one.text}
    if script.require is not None and not evaluate(script.require, facts, now=now):
        doubt = say_doubt(window)
        more = f": {doubt}; mend its row and `windows import`" if doubt else ""
        yield Reason.NOT_STARTED, {"what": f"the window {window.id} does not meet {script.require.text}{more}"}


def _at_its_door(
    connection: Connection, live: Live, name: str, script: Script, person: Person, stored: Stored, now: datetime,
    *, asked: bool,
) -> Iterator[Found]:  # fmt: skip
    """Is the door of the window open, and open to her? `asked`: nothing else keeps her out."""
    window = stored.window
    span_of = span(script, window.anchors())
    begins = enters_from(script, window.anchors())
    if not window.closes_on:
        yield Reason.NO_ANCHOR, {"anchor": f"closes of {window.id}"}
    elif not isinstance(begins, datetime):
        yield Reason.NO_ANCHOR, {"anchor": f"{begins.anchor} of {window.id}"}
    elif begins > now and script.enters is not None:
        when = say_day_of(begins, window)
        what = f"for the window {window.id} it takes people in from {when} on ({describe(script.enters)})"
        yield Reason.NOT_STARTED, {"what": what}
    elif span_of is not None and span_of[1] <= now:
        over = f"{window.id} closed {say_closing(window)}"
        if script.leaves is not None:
            over = f"for {window.id} it took people in until {say_day_of(span_of[1], window)}"
        yield Reason.NOT_STARTED, {"what": over}
    elif window.id in dossier.passed_over_windows(connection, person.id, name):
        what = "she wanted it before the first apply, and `existing: skip` leaves her out"
        yield Reason.NOT_STARTED, {"what": what}
    elif asked:
        yield from _behind_its_door(connection, live, name, script, person, stored, now)


def _behind_its_door(
    connection: Connection, live: Live, name: str, script: Script, person: Person, stored: Stored, now: datetime
) -> Iterator[Found]:
    """Its time has come: does the door take people in, and has the walk come to her?"""
    entry, window = script.campaign.entry, stored.window
    open_now = doors(connection, live, name, script, [stored], now=now)
    if is_settling(stored, now):
        yield Reason.NOT_STARTED, {"what": f"{window.id} changed a moment ago and takes people in again at once"}
    elif not open_now:
        since = say_instant(live.campaign(name).first_applied_at, zone_of(person.zone), now=now)
        what = f"the closing of {window.id} has not moved by more than a day since the first apply ({since})"
        yield Reason.NOT_STARTED, {"what": what}
    elif entry.on == "moved" and not dossier.is_walk_open(connection, name, WALK + open_now[0].walk):
        yield Reason.NOT_STARTED, {"what": f"the last move of {window.id} was told to those who wanted it then"}
    elif (
        open_now[0].old
        and isinstance(entry.existing, int)
        and dossier.is_walk_open(connection, name, WALK + open_now[0].walk)
    ):
        share = f"those who wanted it before the first apply come in {entry.existing} a day"
        yield Reason.NOT_STARTED, {"what": f"{share}, and it is not her turn yet"}


def say_day_of(at: datetime, window: FilingWindow) -> str:
    """`Sat 21 Nov 2026`, on the office's clock, with the hour where it is not the start of that day."""
    zone = find_zone(window.zone)
    local = at.astimezone(zone)
    hour = "" if local_instant(local.date(), MIDNIGHT, zone) == at else f" {local:%H:%M} {local:%Z}"
    return f"{local:%a} {local.day} {local:%b} {local.year}{hour}"
