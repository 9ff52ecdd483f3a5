"""
Put people into campaigns. Running it twice enrolls nobody twice: the occasion is the key.

Three things start an enrollment. Somebody's facts changed (`react` asks for her, a few people at a time). An occasion
came: a calendar date, or the first apply of a campaign with people who already qualify. Time alone moved: an audience
such as `age(signed_up_at) > 30d` is asked once a day. The last two walk over all people in chunks, remember how far
they came in the transaction of each chunk, and pause between chunks so that an unsubscribe never waits for them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from rfs_mail import clock
from rfs_mail.core.duration import Duration
from rfs_mail.core.script import Script
from rfs_mail.core.times import TimeExpr
from rfs_mail.core.timing import Anchors, Instant, Moment, Planned, plan_step, resolve, shift
from rfs_mail.engine import enroll_windows
from rfs_mail.engine.doors import BEHIND, Doorkeeper, listing
from rfs_mail.engine.live import Live, Occurrence, look, zone_of
from rfs_mail.store import enrollments, windows
from rfs_mail.store.database import Store, only_one
from rfs_mail.store.enrollments import Admission, Start
from rfs_mail.store.types import AnyRow
from rfs_mail.store.windows import Stored

CHUNK = 5_000
"""The most people a transaction looks at."""

HELD_SECONDS = 0.06
"""How long a transaction should hold the database, so that nobody waits long behind it; chunks get smaller by it."""

SMALLEST = 250
"""But not smaller than this: each has a price of its own."""

_UTC = ZoneInfo("UTC")


@dataclass(frozen=True, slots=True)
class Enrolled:
    """How many entered, by campaign."""

    entered: Mapping[str, int]

    @property
    def total(self) -> int:
        """All of them."""
        return sum(self.entered.values())


def enroll(store: Store, *, now: datetime, pause: Callable[[], None] | None = None) -> Enrolled:
    """Walk on with every walk that is due at `now`, to its end or to its daily share."""
    entered: dict[str, int] = {}
    with store.begin() as connection:
        live = look(connection)
        if live is None:
            return Enrolled({})
        keeper = Doorkeeper(live, now)
        for name, script in live.scripts.items():  # a pause stops sending, not time
            due = _walks_due(connection, live, name, script, keeper, now)
            if due:
                enrollments.begin_sweeps(connection, name, due - enrollments.walks_begun(connection, name), now=now)
        walking = enrollments.campaigns_swept(connection)
    size = min(4 * SMALLEST, CHUNK)  # until it is known how fast this machine is
    for name in live.scripts:
        while name in walking:
            with store.begin(patient=True) as connection:
                began = clock.monotonic()  # now that the database is ours
                came, more = _walk_on(connection, live, name, keeper, size, now)
            size = _fitting(size, clock.monotonic() - began)
            entered[name] = entered.get(name, 0) + came
            if not more:
                break
            if pause is not None:
                pause()
    return Enrolled({name: count for name, count in entered.items() if count})


def enroll_touched(connection: Connection, live: Live, people: list[int], *, now: datetime) -> dict[str, int]:
    """Enroll those of a few people who now qualify, in the caller's transaction. Campaign -> how many."""
    entered: dict[str, int] = {}
    wanted: list[Stored] | None = None
    for name, script in live.scripts.items():  # a pause stops sending, not time: people still enter
        entry = script.campaign.entry
        ask = admission(live, name, script, now=now)
        if entry.kind == "event":
            event, since = entry.event or "stage", _counts_from(live, name)
            once = not entry.per_window and ask.reentry_cut is None
            if enrollments.may_have_begun(
                connection, people, name, name=event, stage=entry.stage, since=since, once=once
            ):
                entered[name] = enrollments.enroll_by_event(
                    connection, ask, name=event, stage=entry.stage, since=since, now=now, per_window=entry.per_window,
                    ids=people,
                )  # fmt: skip
        elif entry.kind == "person":
            # Those who already qualified come in at their own pace, or not at all.
            looked_at = people if entry.existing == "all" else _walked_past(connection, name, people)
            if not looked_at:
                continue
            if entry.existing == "skip":
                enrollments.forget_passed_over(connection, ask, now=now, ids=looked_at)
            entered[name], _ = enrollments.enroll_people(connection, ask, Start(now), now=now, ids=looked_at)
        elif entry.kind == "calendar":
            for occurrence in _open_occurrences(live, script, now):
                start = Start(now, f"calendar:{occurrence.key}", occurrence.key)
                came, _ = enrollments.enroll_people(connection, ask, start, now=now, ids=people)
                entered[name] = entered.get(name, 0) + came
        elif entry.kind == "filing_window":
            if wanted is None:
                wanted = listing(connection, now=now, ids=_wanted_by(connection, people, now))
            if wanted:
                entered[name] = enroll_windows.touched(connection, live, script, ask, wanted, people, now=now)
    return {name: count for name, count in entered.items() if count}


def admission(live: Live, name: str, script: Script, *, now: datetime) -> Admission:
    """Who may enter: the audience, none of the excludes, and nobody who already meets goal or exit."""
    campaign = script.campaign
    already = [ending for ending in (script.goal, *script.exits) if ending is not None and not ending.uses_enrollment]
    must = list(script.audience)
    if script.while_ is not None and not script.while_.uses_enrollment:
        must.append(script.while_)
    if script.require is not None:
        must.append(script.require)
    return Admission(
        campaign_id=name,
        revision_id=live.campaign(name).revision_id,
        entity_id=campaign.entity,
        topic=campaign.topic,
        first_step=script.sequence.first,
        must=tuple(must),
        must_not=(*script.exclude, *already),
        holdout=campaign.holdout,
        holdout_salt=int.from_bytes(blake2b(name.encode(), digest_size=4).digest()) % 1_000_003,
        reentry_cut=shift(now, _back(script.reentry), _UTC) if script.reentry else None,
    )


# -- walks -------------------------------------------------------------------------------------------------------------


def _walks_due(
    connection: Connection, live: Live, name: str, script: Script, keeper: Doorkeeper, now: datetime
) -> set[str]:
    """The keys of the walks over all people that should have begun by now. The daily one waits for those before it."""
    entry = script.campaign.entry
    if entry.kind == "calendar":
        return {f"occasion:calendar:{occurrence.key}" for occurrence in _open_occurrences(live, script, now)}
    if entry.kind == "filing_window":
        return enroll_windows.walks(keeper.doors(connection, name, script))
    if entry.kind == "person" and script.audience_moves_with_time and not _open_walks(connection, name):
        return {f"daily:{now.astimezone(UTC).date().isoformat()}"}
    return set()


def _wanted_by(connection: Connection, people: list[int], now: datetime) -> list[str]:
    return windows.wanted_by(connection, people, ahead_from=(now - BEHIND).date().isoformat())


def _fitting(size: int, held: float) -> int:
    """A size of chunks that holds the database as long as it should, by the seconds that one of `size` held it."""
    fits = size * HELD_SECONDS / max(held, 1e-6)
    return max(min(SMALLEST, CHUNK), min(CHUNK, round((size + fits) / 2)))


def _walk_on(
    connection: Connection, live: Live, name: str, keeper: Doorkeeper, size: int, now: datetime
) -> tuple[int, bool]:
    """One chunk of the oldest open walk of a campaign: how many entered, and is there more to do now?"""
    if not only_one(connection, f"enroll {name}"):
        return 0, False
    script = live.scripts[name]
    today = now.astimezone(UTC).date().isoformat()
    walks = _open_walks(connection, name)
    if script.campaign.entry.kind == "filing_window":
        ask = admission(live, name, script, now=now)
        return enroll_windows.walk_on(connection, live, script, ask, keeper, walks, size, now=now)
    for walk in walks:
        start = _start_of(live, script, walk.key, walk.started_at, now)
        if start is None:  # its occasion is over
            enrollments.close_sweep(connection, walk, now=now)
            continue
        entry = script.campaign.entry
        share, spent = entry.existing, walk.entered_today if walk.day == today else 0
        limit = share - spent if isinstance(share, int) and walk.key == "existing" else None
        if limit is not None and limit <= 0:
            continue
        last = enrollments.last_person_id(connection)
        up_to = min(walk.after_person_id + size, last)
        if entry.kind == "person" and entry.existing == "skip":
            ask, after = admission(live, name, script, now=now), walk.after_person_id
            if walk.key == "existing":
                enrollments.pass_over(connection, ask, now=now, known_before=walk.started_at, after=after, up_to=up_to)
            else:
                enrollments.forget_passed_over(connection, ask, now=now, after=after, up_to=up_to)
        came, looked = _take_chunk(connection, live, name, script, start, walk.after_person_id, up_to, limit, now)
        enrollments.go_on_sweep(
            connection, name, walk.key, after=looked, entered=came, day=today, entered_today=spent + came,
            done_at=now if looked >= last else None,
        )  # fmt: skip
        return came, True
    return 0, False


def _open_walks(connection: Connection, name: str) -> list[AnyRow]:
    """The walks that enroll people and are not done; `react` and `replan` keep theirs in the same table."""
    return [
        walk for walk in enrollments.open_sweeps(connection, name) if not walk.key.startswith(("endings:", "replan:"))
    ]


def _take_chunk(
    connection: Connection,
    live: Live,
    name: str,
    script: Script,
    start: Start,
    after: int,
    up_to: int,
    limit: int | None,
    now: datetime,
) -> tuple[int, int]:
    ask = admission(live, name, script, now=now)
    entry = script.campaign.entry
    if entry.kind == "event":
        since = datetime(1970, 1, 1, tzinfo=UTC)
        came = enrollments.enroll_by_event(
            connection, ask, name=entry.event or "stage", stage=entry.stage, since=since, now=now,
            per_window=entry.per_window, after=after, up_to=up_to,
        )  # fmt: skip
        return came, up_to
    planned = replace(start, due_by_zone=_first_step_by_zone(connection, live, script, start, after, up_to, now))
    return enrollments.enroll_people(connection, ask, planned, now=now, after=after, up_to=up_to, limit=limit)


def _start_of(live: Live, script: Script, key: str, started_at: datetime, now: datetime) -> Start | None:
    """What the people of this walk begin with; None where the occasion is over."""
    if not key.startswith("occasion:calendar:"):
        return Start(now)
    wanted = key.removeprefix("occasion:calendar:")
    for occurrence in _open_occurrences(live, script, now):
        if occurrence.key == wanted:
            began = _began(script, occurrence)
            # Whoever qualified when the occasion began did not come late, even if this walk did.
            in_time = began is not None and live.campaign(script.campaign.id).first_applied_at <= began
            entered_at = began if began is not None and in_time else started_at
            return Start(entered_at, f"calendar:{wanted}", wanted)
    return None


def _first_step_by_zone(
    connection: Connection, live: Live, script: Script, start: Start, after: int, up_to: int, now: datetime
) -> dict[str, datetime]:
    """
    The due time of the first step for every zone of these people, where it depends on nothing else about the person.

    A first step in the past is left to `advance`, which knows what `late` says.
    """
    node = script.sequence.get(script.sequence.first)
    if node is None:
        return {}
    times = script.times[node.step.key]
    moments: dict[str, Moment] = {"entry": Instant(start.entered_at)}
    for wanted in (times.names | (script.ends.names if script.ends else frozenset())) - {"entry"}:
        if wanted != script.campaign.entry.calendar:
            return {}
        moments[wanted] = next(o.moment for o in live.calendar[wanted] if o.key == start.occurrence_key)
    anchors = Anchors.of(moments)
    planned: dict[str, datetime] = {}
    for name in enrollments.zones(connection, after=after, up_to=up_to):
        zone = zone_of(name)
        ends = resolve(script.ends, anchors=anchors, zone=zone) if script.ends else None
        plan = plan_step(
            times.at, not_after=times.not_after, anchors=anchors, previous=None, zone=zone,
            rules=script.rules.get(node.step.key), expires_after=script.expires,
            ends=ends if isinstance(ends, datetime) else None,
        )  # fmt: skip
        if not isinstance(plan, Planned) or plan.due_at < max(now, start.entered_at):
            continue
        if ends is None or (isinstance(ends, datetime) and plan.due_at <= ends):
            planned[name] = plan.due_at
    return planned


# -- occasions ---------------------------------------------------------------------------------------------------------


def _open_occurrences(live: Live, script: Script, now: datetime) -> list[Occurrence]:
    """Occurrences of the campaign's calendar name whose `from` has come and whose `to` has not."""
    open_now = []
    for occurrence in live.calendar.get(script.campaign.entry.calendar or "", ()):
        began = _began(script, occurrence)
        ends = _at(script.leaves, occurrence) if script.leaves else occurrence.starts_at + timedelta(days=1)
        if began is not None and ends is not None and began <= now < ends:
            open_now.append(occurrence)
    return open_now


def _began(script: Script, occurrence: Occurrence) -> datetime | None:
    return _at(script.enters, occurrence) if script.enters else occurrence.starts_at


def _at(expr: TimeExpr, occurrence: Occurrence) -> datetime | None:
    """`from` or `to` of an occurrence, on the calendar's own clock; None where it cannot be known."""
    zone = occurrence.moment.zone or _UTC
    found = resolve(expr, anchors=Anchors.of({occurrence.calendar: occurrence.moment}), zone=zone)
    return found if isinstance(found, datetime) else None


def _counts_from(live: Live, name: str) -> datetime:
    """Events count from the first apply on."""
    return live.campaign(name).first_applied_at


def _walked_past(connection: Connection, name: str, people: list[int]) -> list[int]:
    """Those of the people whom the walk over those who already qualified has looked at; it comes to the others."""
    walk = enrollments.get_sweep(connection, name, "existing")
    if walk is None or walk.done_at is not None:
        return people
    return [person for person in people if person <= walk.after_person_id]


def _back(duration: Duration) -> Duration:
    return Duration(days=-duration.days, minutes=-duration.minutes)
