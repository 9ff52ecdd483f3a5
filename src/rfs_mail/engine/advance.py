"""
Move every due enrollment on, and where the step is a mail, put a delivery in the outbox.

An enrollment is looked at when its `due_at` comes. If its step has no time yet, the time is computed and written; if
the time has come, the step is taken: the delivery, the record of the step and the new position are one transaction.
`step_done` is the idempotence: a step that is recorded is never taken again.

The enrollments of a chunk share their work: `when`, branches and waits are one statement a step, and each distinct
(anchors, zone) is computed once.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from rfs_mail import clock
from rfs_mail.core.campaign import Branch, ChangeStep, Mail, TaskStep, Wait
from rfs_mail.core.expression import Expression
from rfs_mail.core.filing_windows import Version
from rfs_mail.core.reasons import DATE_UNKNOWN, Reason
from rfs_mail.core.script import Script, StepTimes
from rfs_mail.core.sequence import END, Node
from rfs_mail.core.times import MILESTONES, WINDOW_DATES, TimeExpr
from rfs_mail.core.timing import Anchors, Instant, Moment, Planned, Unplannable, plan_step, resolve
from rfs_mail.engine import changes
from rfs_mail.engine.live import Live, Occurrence, look, moments_of_person, zone_of
from rfs_mail.store import enrollments, outbox, people, windows
from rfs_mail.store.database import Store
from rfs_mail.store.enrollments import Position
from rfs_mail.store.types import AnyRow

CHUNK = 500
"""Enrollments of the first transaction. Half of them are the fewest of any full one: each has a price of its own."""

MOST = 2_000
"""The most enrollments of a transaction."""

HELD_SECONDS = 0.05
"""How long a transaction should hold the database, so that nobody waits long behind it; chunks are sized by it."""

STANDSTILL = timedelta(hours=1)
"""When enrollments of a campaign that stands still are looked at again, unless `replan` calls them sooner."""


@dataclass(frozen=True, slots=True)
class Advanced:
    """What one `advance` did."""

    looked_at: int = 0
    queued: int = 0
    skipped: int = 0
    ended: int = 0

    def plus(self, other: "Advanced") -> "Advanced":
        """The sum of two."""
        return Advanced(
            self.looked_at + other.looked_at,
            self.queued + other.queued,
            self.skipped + other.skipped,
            self.ended + other.ended,
        )


@dataclass(frozen=True, slots=True)
class Foreseen:
    """A step that lies ahead: when it comes if nothing changes, or the reason why it would not."""

    step_key: str
    due_at: datetime | None
    reason: Reason | None = None
    detail: Mapping[str, object] = field(default_factory=dict)
    arm: int | None = None
    """Of a branch: the arm that holds now; the last one is `else`."""
    until: datetime | None = None
    """Of a wait: when it gives up."""


def advance(store: Store, *, now: datetime, pause: Callable[[], None] | None = None) -> Advanced:
    """Move on whatever is due at `now`, until nothing is."""
    total, size = Advanced(), CHUNK
    while True:
        with store.begin(patient=True) as connection:
            began = clock.monotonic()  # now that the database is ours
            done = advance_chunk(connection, now=now, limit=size)
        if done is None:
            return total
        total = total.plus(done)
        if done.looked_at == size:
            fits = size * HELD_SECONDS / max(clock.monotonic() - began, 1e-6)
            size = max(1, CHUNK // 2, min(MOST, round((size + fits) / 2)))
        if pause is not None:
            pause()


def advance_chunk(connection: Connection, *, now: datetime, limit: int) -> Advanced | None:
    """One chunk of at most `limit`, in the caller's transaction; None where nothing is due."""
    live = look(connection)
    if live is None:
        return None
    rows = enrollments.due(connection, now=now, limit=limit)
    if not rows:
        return None
    work = _Work(connection, live, now)
    work.read_windows(row.window_id for row in rows)
    standing: list[int] = []
    for (campaign_id, revision_id), group in _grouped(rows, lambda row: (row.campaign_id, row.revision_id)).items():
        script = live.script_of(connection, campaign_id, revision_id) if campaign_id in live.running else None
        if script is None:  # paused, or removed and perhaps brought back: they keep their place
            standing += [row.id for row in group]
            continue
        work.take(script, [_Traveller.of(row) for row in group])
    enrollments.park(connection, standing, until=now + STANDSTILL)
    work.write()
    return Advanced(len(rows), work.queued, work.skipped, work.ended)


_NO_ANCHORS = Anchors()
_NOTHING_FIXED: Mapping[str, str] = {}
_ENTRY = frozenset({"entry"})
_OF_WINDOWS = frozenset({*WINDOW_DATES, *MILESTONES})


# -- one chunk ---------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Traveller:
    """One enrollment while it is being moved."""

    row: AnyRow
    id: int
    zone: ZoneInfo
    step_key: str
    due_at: datetime | None
    planned: bool
    previous_at: datetime | None
    waiting_on: int | None
    waiting_since: datetime | None
    anchors: dict[str, str]
    not_after: datetime | None = None
    ends: datetime | None = None
    """When the campaign ends for her, where `ends_known`."""
    ends_known: bool = False

    @classmethod
    def of(cls, row: AnyRow) -> "_Traveller":
        return cls(
            row, row.id, zone_of(row.zone), row.step_key, row.due_at, row.planned, row.previous_at, row.waiting_on,
            row.waiting_since, dict(row.anchors or ()),
        )  # fmt: skip

    def position(self) -> Position:
        return Position(
            self.id, self.step_key, self.due_at, self.planned, self.previous_at, self.waiting_on, self.waiting_since,
            self.anchors,
        )  # fmt: skip


@dataclass(slots=True)
class _Work:
    """What a chunk has decided, written together at the end."""

    connection: Connection
    live: Live
    now: datetime
    positions: dict[int, _Traveller] = field(default_factory=dict)
    steps: list[dict[str, Any]] = field(default_factory=list)
    deliveries: list[tuple[_Traveller, dict[str, Any]]] = field(default_factory=list)
    plans: dict[tuple[int, Anchors, datetime | None, ZoneInfo], tuple[StepTimes, Planned | Unplannable]] = field(
        default_factory=dict
    )
    """What `plan_step` said, by the identity of the step's times; they are kept beside it, so that it stays theirs."""
    ending: dict[tuple[int, Anchors, ZoneInfo], tuple[TimeExpr, datetime | None]] = field(default_factory=dict)
    """When a campaign is over, in the same way: for those campaigns that end by the dates of a filing window."""
    dates: dict[str, list[tuple[Occurrence, Anchors]]] = field(default_factory=dict)
    """Calendar name -> its dates ahead, each with itself as the only anchor."""
    windows: dict[str, Anchors] = field(default_factory=dict)
    """Filing window -> its dates and the clock of its office, as they are now."""
    versions: dict[str, int] = field(default_factory=dict)
    """The version that those dates are of; none for a window that is gone."""
    said: dict[str, list[Version]] = field(default_factory=dict)
    """Filing window that changed -> all that it ever said, the oldest first."""
    of_windows: dict[tuple[str, frozenset[str]], Anchors] = field(default_factory=dict)
    """The same, of some names alone: one object for everybody who shares them."""
    queued: int = 0
    skipped: int = 0
    ended: int = 0

    def take(self, script: Script, travellers: list[_Traveller]) -> None:
        """Move these on as far as they get now."""
        for traveller in travellers:
            self.positions[traveller.id] = traveller
        pending = travellers
        while pending:
            pending = self._round(script, pending)

    def _round(self, script: Script, travellers: list[_Traveller]) -> list[_Traveller]:
        """One step for each; returns those that stand at another step and may go on at once."""
        going_on: list[_Traveller] = []
        for key, group in _grouped(travellers, lambda t: t.step_key).items():
            if key == END:
                self._arrive(script, group)
                continue
            node = script.sequence.get(key)
            if node is None:
                going_on += self._hand_over(script, group)
                continue
            going_on += self._at_step(script, node, group)
        return going_on

    # -- where they stand ----------------------------------------------------------------------------------------------

    def _arrive(self, script: Script, group: list[_Traveller]) -> None:
        """
        Behind the last step: finished once nothing is awaited any more.

        Who passed a step of her filing window because its date was not known stays until the campaign ends for her: it
        may become known.
        """
        finished = []
        about = [t.id for t in group if t.row.window_id is not None]
        hoping = enrollments.with_passed_unknown(self.connection, about) if about else set()
        hoping |= {step["enrollment_id"] for step in self.steps if about and step["reason"] in DATE_UNKNOWN}
        for traveller in group:
            ends = self.ends(script, traveller) if traveller.id in hoping else None
            if traveller.waiting_on is not None:
                traveller.due_at, traveller.planned = None, False
            elif ends is not None and ends > self.now:
                traveller.due_at, traveller.planned = ends, True
            else:
                finished.append(traveller.id)
        self.end(finished, "finished", None, {})

    def _hand_over(self, script: Script, group: list[_Traveller]) -> list[_Traveller]:
        """A step that is gone hands its people to the next that is left, by the order of the revision that had it."""
        for traveller in group:
            target = self._next_left(script, traveller)
            self._record(traveller, traveller.step_key, "skipped", Reason.STEP_REMOVED, {})
            _stand_at(traveller, target.step.key if target else END, traveller.previous_at, self.now)
        return group

    def _next_left(self, script: Script, traveller: _Traveller) -> Node | None:
        """The next step that is left behind one that is gone; None: there is none."""
        old = self.live.line_with(self.connection, traveller.row.revision_id, traveller.step_key)
        node = old.get(traveller.step_key) if old is not None else None
        while old is not None and node is not None and node.next != END and script.sequence.get(node.next) is None:
            node = old.get(node.next)
        return script.sequence.get(node.next) if node is not None and node.next != END else None

    def _at_step(self, script: Script, node: Node, group: list[_Traveller]) -> list[_Traveller]:
        for traveller in group:
            traveller.step_key = node.step.key  # a renamed step
        going_on: list[_Traveller] = []
        ready: list[_Traveller] = []
        for traveller in group:
            if self._came_too_late(script, node, traveller):
                continue
            if not self._plan(script, node, traveller):
                going_on.append(traveller)
            elif self._over(script, traveller):
                continue
            elif traveller.due_at is not None and traveller.due_at <= self.now:
                ready.append(traveller)
        return going_on + (self._take_step(script, node, ready) if ready else [])

    # -- when ----------------------------------------------------------------------------------------------------------

    def _plan(self, script: Script, node: Node, traveller: _Traveller) -> bool:
        """
        Give the step its time. False: it has none, or its time was over before she came, and it is skipped.

        A step that waits for the one above to be settled gets its time only then.
        """
        if isinstance(node.step.action, Wait) and traveller.waiting_since is not None:
            return True
        times = script.times[node.step.key]
        if traveller.waiting_on is not None and times.counts_from_above:
            traveller.due_at, traveller.planned = None, False
            return True
        plan, anchors = self.when(script, node, times, traveller)
        if isinstance(plan, Unplannable):
            if self._closing_unknown(traveller):  # everything hangs on it: she stays, and `replan` calls her
                traveller.due_at, traveller.planned = None, False
                return True
            self._pass(traveller, node, plan.reason, plan.detail)
            return False
        if self._missed(script, node, times, traveller, plan):
            self._pass(traveller, node, Reason.MISSED, {"at": plan.due_at.isoformat()})
            return False
        passed_by = self._passed_by(script, times, traveller, plan)
        if passed_by is not None and isinstance(node.step.action, Mail):
            detail = {"old": passed_by - 1, "new": passed_by, "at": plan.due_at.isoformat()}
            self._pass(traveller, node, Reason.WINDOW_MOVED, detail)
            return False
        traveller.anchors.update(anchors)
        traveller.not_after = plan.not_after
        if not traveller.planned:
            traveller.due_at, traveller.planned = plan.due_at, True
        ends = self.ends(script, traveller)
        if ends is not None and traveller.due_at is not None and traveller.due_at > ends:
            traveller.due_at = ends
        return True

    def when(
        self, script: Script, node: Node, times: StepTimes, traveller: _Traveller
    ) -> tuple[Planned | Unplannable, Mapping[str, str]]:
        """The plan of a step, and the occurrences that were fixed for it."""
        free = self._free_calendar(script, times, traveller) if times.names else None
        if free is None:
            anchors = self._anchors(script, times.names, traveller)
            return self._planned(script, node, times, anchors, traveller), _NOTHING_FIXED
        office = self._office(traveller)
        others = times.names - {free}
        moments = self._moments(script, others, traveller) if others else {}
        last: Planned | Unplannable | None = None
        for occurrence, alone in self._ahead(free):
            shared = not moments and office is None
            anchors = alone if shared else Anchors.of({**moments, free: occurrence.moment}, office=office)
            last = self._planned(script, node, times, anchors, traveller)
            if isinstance(last, Planned) and last.not_after > self.now:
                return last, {free: occurrence.key}
        known = Anchors.of(moments, office=office)
        return last or self._planned(script, node, times, known, traveller), _NOTHING_FIXED

    def _planned(
        self, script: Script, node: Node, times: StepTimes, anchors: Anchors, traveller: _Traveller
    ) -> Planned | Unplannable:
        """`plan_step`, computed once for all who share anchors and zone; `ends`, which is each her own, comes after."""
        previous = (traveller.previous_at or traveller.row.entered_at) if times.counts_from_above else None
        key = (id(times), anchors, previous, traveller.zone)
        known = self.plans.get(key)
        if known is None:
            plan = plan_step(
                times.at, not_after=times.not_after, anchors=anchors, previous=previous, zone=traveller.zone,
                rules=script.rules.get(node.step.key), expires_after=script.expires,
            )  # fmt: skip
            self.plans[key] = (times, plan)
        else:
            plan = known[1]
        if script.ends is None or times.not_after is not None or isinstance(plan, Unplannable):
            return plan
        ends = self.ends(script, traveller)
        return plan if ends is None or ends >= plan.not_after else Planned(plan.due_at, ends, plan.rolled)

    def _free_calendar(self, script: Script, times: StepTimes, traveller: _Traveller) -> str | None:
        """The calendar name of a step that is not tied to an occurrence yet: it takes the next one."""
        for name in times.names:
            if name in self.live.calendar or name in self.live.content.calendars:
                if name == script.campaign.entry.calendar and traveller.row.occurrence_key:
                    continue
                if name not in traveller.anchors:
                    return name
        return None

    def _anchors(self, script: Script, names: frozenset[str], traveller: _Traveller) -> Anchors:
        """What these names mean for her, with the clock of her filing office where the campaign is about one."""
        window_id = traveller.row.window_id
        if window_id is None:
            return Anchors.of(self._moments(script, names, traveller)) if names else _NO_ANCHORS
        if names <= _OF_WINDOWS and not names & self.live.content.calendars.keys():
            known = self.of_windows.get((window_id, names))
            if known is None:
                known = self.of_windows[window_id, names] = self._window(window_id).only(names)
            return known
        return Anchors.of(self._moments(script, names, traveller), office=self._office(traveller))

    def _window(self, window_id: str) -> Anchors:
        """The dates of a filing window as they are now; none where it is gone."""
        if window_id not in self.windows:
            self.read_windows([window_id])
        return self.windows[window_id]

    def read_windows(self, window_ids: Iterable[str | None]) -> None:
        """Read the filing windows among these that are not known yet, in one go: dates and version together."""
        new = sorted({one for one in window_ids if one is not None} - self.windows.keys())
        found = {one.window.id: one for one in windows.listing(self.connection, ids=new)} if new else {}
        for window_id in new:
            stored = found.get(window_id)
            self.windows[window_id] = stored.window.anchors() if stored is not None else _NO_ANCHORS
            if stored is not None:
                self.versions[window_id] = stored.version

    def _history(self, window_id: str) -> list[Version] | None:
        """All that a filing window ever said, the oldest first; None where it never changed."""
        self._window(window_id)
        if self.versions.get(window_id, 1) == 1:
            return None
        if window_id not in self.said:
            changed = [one for one, version in self.versions.items() if version > 1 and one not in self.said]
            self.said |= windows.histories(self.connection, changed)
        return self.said.get(window_id)

    def _closing_unknown(self, traveller: _Traveller) -> bool:
        window_id = traveller.row.window_id
        return window_id is not None and self._window(window_id).get("closes") is None

    def _office(self, traveller: _Traveller) -> ZoneInfo | None:
        window_id = traveller.row.window_id
        return self._window(window_id).office if window_id is not None else None

    def _moments(self, script: Script, names: Iterable[str], traveller: _Traveller) -> dict[str, Moment]:
        moments: dict[str, Moment] = {}
        for name in names:
            if name == "entry":
                moments[name] = Instant(traveller.row.entered_at)
            elif name == script.campaign.entry.calendar and traveller.row.occurrence_key:
                self._fix(moments, name, traveller.row.occurrence_key)
            elif name in traveller.anchors:
                self._fix(moments, name, traveller.anchors[name])
            elif name == "signed_up_at" or name.startswith("custom."):
                moments.update(self._dates_of(traveller))
            elif traveller.row.window_id is not None and name not in self.live.content.calendars:
                known = self._window(traveller.row.window_id).get(name)
                if known is not None:
                    moments[name] = known
        return moments

    def _fix(self, moments: dict[str, Moment], name: str, key: str) -> None:
        for occurrence in self.live.calendar.get(name, ()):
            if occurrence.key == key:
                moments[name] = occurrence.moment

    def _dates_of(self, traveller: _Traveller) -> dict[str, Moment]:
        person = people.get_person(self.connection, traveller.row.person_id)
        if person is None:
            return {}
        return moments_of_person(person.signed_up_at, person.custom or {}, traveller.zone)

    def _ahead(self, calendar: str) -> list[tuple[Occurrence, Anchors]]:
        found = self.dates.get(calendar)
        if found is None:
            found = self.dates[calendar] = [
                (occurrence, Anchors.of({calendar: occurrence.moment}))
                for occurrence in self.live.calendar.get(calendar, ())
                if occurrence.starts_at > self.now
            ]
        return found

    def ends(self, script: Script, traveller: _Traveller) -> datetime | None:
        """When the campaign is over for her; None where it has no end, or its date is not known."""
        if script.ends is None:
            return None
        if traveller.ends_known:
            return traveller.ends
        anchors = self._anchors(script, script.ends.names, traveller)
        previous = traveller.previous_at if script.ends.is_relative else None
        if previous is not None or not script.ends.names <= _OF_WINDOWS:
            traveller.ends = self._resolved(script.ends, anchors, previous, traveller.zone)
        else:  # the same for all who share it
            key = (id(script.ends), anchors, traveller.zone)
            if key not in self.ending:
                self.ending[key] = script.ends, self._resolved(script.ends, anchors, None, traveller.zone)
            traveller.ends = self.ending[key][1]
        traveller.ends_known = script.ends.names == _ENTRY  # which never moves
        return traveller.ends

    @staticmethod
    def _resolved(expr: TimeExpr, anchors: Anchors, previous: datetime | None, zone: ZoneInfo) -> datetime | None:
        found = resolve(expr, anchors=anchors, previous=previous, zone=zone)
        return found if isinstance(found, datetime) else None

    def _missed(self, script: Script, node: Node, times: StepTimes, traveller: _Traveller, plan: Planned) -> bool:
        """
        Was this step's time over before she entered? `late: join` goes on at the next one that is still ahead.

        Only dates that the occasion gave count: a step anchored to nothing, to entry, or to a calendar name that takes
        its next occurrence cannot be missed.
        """
        if isinstance(node.step.action, Wait) or not self._is_fixed(script, times, traveller):
            return False
        if plan.due_at >= traveller.row.entered_at:
            return False
        return not (script.campaign.entry.late == "catch_up" and self._is_latest_missed(script, node, traveller, plan))

    def _passed_by(self, script: Script, times: StepTimes, traveller: _Traveller, plan: Planned) -> int | None:
        """
        The version of her window that put this step's time into the past when it came; None: it did not.

        A step that came due while an older version stood, and was not taken only because nobody looked, was not passed
        by: whether it is too late for it, `not_after` says.
        """
        window_id = traveller.row.window_id
        if window_id is None or not times.names & _OF_WINDOWS or not self._is_fixed(script, times, traveller):
            return None
        said = self._history(window_id)
        if said is None or plan.due_at >= said[-1].at:
            return None
        for version, following in pairwise(said):
            known = version.window.anchors().only(times.names)
            then = plan_step(
                times.at, not_after=None, anchors=known, previous=None, zone=traveller.zone,
                rules=script.rules.get(traveller.step_key),
            )  # fmt: skip
            began = datetime.min.replace(tzinfo=UTC) if version is said[0] else version.at
            if isinstance(then, Planned) and began <= then.due_at < following.at:
                return None
        return said[-1].number

    def _is_fixed(self, script: Script, times: StepTimes, traveller: _Traveller) -> bool:
        if times.at is None or times.at.is_relative or times.at.anchor.name == "entry":
            return False
        name = times.at.anchor.name
        return name not in traveller.anchors and (
            name not in self.live.calendar or name == script.campaign.entry.calendar
        )

    def _came_too_late(self, script: Script, node: Node, traveller: _Traveller) -> bool:
        """`late: skip`: who entered when the first step with a date was over is not taken at all."""
        first = node.step.key == script.sequence.first and traveller.previous_at is None
        if script.campaign.entry.late != "skip" or not first or traveller.planned:
            return False
        following: Node | None = node
        while following is not None:
            times = script.times[following.step.key]
            if self._is_fixed(script, times, traveller):
                plan, _ = self.when(script, following, times, traveller)
                if isinstance(plan, Unplannable) or plan.due_at >= traveller.row.entered_at:
                    return False
                self.end([traveller.id], "exited", Reason.LATE, {"at": plan.due_at.isoformat()})
                return True
            following = script.sequence.get(following.next) if following.next != END else None
        return False

    def _is_latest_missed(self, script: Script, node: Node, traveller: _Traveller, plan: Planned) -> bool:
        """`late: catch_up` sends the one latest mail that was missed: this one, where the next mail is still ahead."""
        if not isinstance(node.step.action, Mail) or plan.not_after <= self.now:
            return False
        following = script.sequence.get(node.next) if node.next != END else None
        while following is not None:
            if isinstance(following.step.action, Mail):
                after, _ = self.when(script, following, script.times[following.step.key], traveller)
                return isinstance(after, Unplannable) or after.due_at >= traveller.row.entered_at
            following = script.sequence.get(following.next) if following.next != END else None
        return True

    def _over(self, script: Script, traveller: _Traveller) -> bool:
        """Has the campaign ended for her?"""
        if traveller.due_at is None or traveller.due_at > self.now:
            return False
        ends = self.ends(script, traveller)
        if ends is None or ends > self.now:
            return False
        self.end([traveller.id], "exited", Reason.ENDED, {"at": ends.isoformat()})
        return True

    # -- taking a step -------------------------------------------------------------------------------------------------

    def _take_step(self, script: Script, node: Node, group: list[_Traveller]) -> list[_Traveller]:
        """Those whose time has come take the step; returns those that may go on at once."""
        action = node.step.action
        held = [t for t in group if isinstance(action, Mail) and t.waiting_on is not None]
        for traveller in held:  # its last mail is not settled yet; settling wakes it
            traveller.due_at = None
        ready = [t for t in group if t not in held] if held else group
        repeated = enrollments.steps_done(self.connection, [t.id for t in ready], node.step.key)
        for traveller in ready:
            if traveller.id in repeated:
                _stand_at(traveller, node.next, traveller.previous_at, self.now)
        fresh = [t for t in ready if t.id not in repeated] if repeated else ready
        again = [t for t in ready if t.id in repeated] if repeated else []
        passed = self._ask_when(script, node, fresh)
        taking = [t for t in fresh if t.id not in passed] if passed else fresh
        skipped = [t for t in fresh if t.id in passed] if passed else []
        match action:
            case Mail():
                going_on = self._mail(script, node, action, taking)
            case Wait():
                going_on = self._wait(script, node, taking)
            case Branch():
                going_on = self._branch(script, node, taking)
            case ChangeStep():
                changes.apply_change(
                    self.connection, self.live, script.campaign, action.change, [t.row.person_id for t in taking],
                    enrollments_of={t.row.person_id: t.id for t in taking}, step_key=node.step.key, now=self.now,
                )  # fmt: skip
                going_on = self._done(node, taking)
            case TaskStep():
                changes.make_tasks(
                    self.connection, self.live, script.campaign, action.task,
                    {t.row.person_id: f"{t.id}:{node.step.key}" for t in taking},
                    enrollments_of={t.row.person_id: t.id for t in taking}, now=self.now,
                )  # fmt: skip
                going_on = self._done(node, taking)
        return going_on + skipped + again

    def _ask_when(self, script: Script, node: Node, group: list[_Traveller]) -> set[int]:
        """`when` is asked once, now. Those it does not hold for pass the step by; returns them."""
        condition = script.whens.get(node.step.key)
        if condition is None or not group:
            return set()
        holding = enrollments.holding(self.connection, condition, [t.id for t in group], now=self.now)
        passed = [t for t in group if t.id not in holding]
        for traveller in passed:
            self._pass(traveller, node, Reason.WHEN_FALSE, {"expression": node.step.when or ""})
        return {t.id for t in passed}

    def _mail(self, script: Script, node: Node, action: Mail, group: list[_Traveller]) -> list[_Traveller]:
        """Put a delivery in the outbox. One that is already too late is recorded as such and not queued."""
        going_on = []
        shared = self._shared(script, node, action)
        for traveller in group:
            if traveller.not_after is not None and traveller.not_after < self.now:
                self._pass(
                    traveller, node, Reason.TOO_LATE, {"not_after": traveller.not_after.isoformat(), "by": "the plan"}
                )
                going_on.append(traveller)
                continue
            self._queue(script, node, action, traveller, shared)
        return going_on

    def _shared(self, script: Script, node: Node, action: Mail) -> dict[str, Any]:
        """What all deliveries of a step have in common."""
        campaign = script.campaign
        return {
            "step_key": node.step.key,
            "entity_id": campaign.entity,
            "topic": campaign.topic,
            "deadline": action.priority == "deadline",
            "cap": action.cap,
            "any_hour": action.send is not None,
            "state": "queued",
            "queued_at": self.now,
            "attempt": 0,
            "rescues": 0,
            "resends": 0,
            "epoch": 0,
        }

    def _queue(
        self, script: Script, node: Node, action: Mail, traveller: _Traveller, shared: Mapping[str, Any]
    ) -> None:
        row = traveller.row
        due_at = traveller.due_at or self.now
        own = {
            "enrollment_id": traveller.id,
            "person_id": row.person_id,
            "campaign_id": row.campaign_id,  # as it is called now, whatever the revision she is pinned to called it
            "revision_id": self._revision(script, row),
            "variant": choose_variant(action.variants, traveller.id, node.step.key) or action.subject or "",
            "operator": row.operator,
            "window_id": row.window_id,
            "window_version": row.window_version,
            "due_at": due_at,
            "next_at": due_at,
            "not_after": traveller.not_after or due_at,
        }
        self.deliveries.append((traveller, {**shared, **own}))
        self._record(traveller, node.step.key, "queued", None, {}, planned_at=due_at)
        _stand_at(traveller, node.next, traveller.previous_at, None)

    def _revision(self, script: Script, row: AnyRow) -> int:
        pinned = script.campaign.on_edit == "pin"
        revision_id: int = row.revision_id if pinned else self.live.campaign(script.campaign.id).revision_id
        return revision_id

    def _wait(self, script: Script, node: Node, group: list[_Traveller]) -> list[_Traveller]:
        """Go on with those for whom it holds, or whose time is up; the others begin to wait, or go on waiting."""
        fresh = [t for t in group if t.waiting_since is None]
        until = script.times[node.step.key].until
        assert until is not None
        for traveller in fresh:
            # What counts is what happened since the step above: the turn of the wait came then.
            traveller.waiting_since = traveller.previous_at or traveller.row.entered_at
        # The statement reads `waiting_since` from the row, so it has to be there.
        enrollments.move(self.connection, [t.position() for t in fresh])
        holding = enrollments.holding(
            self.connection, script.waits[node.step.key], [t.id for t in group],
            now=self.now, since=enrollments.since_waiting(),
        )  # fmt: skip
        began = {t.id for t in fresh}
        going_on = []
        for traveller in group:
            if traveller.id in holding:
                self._record(traveller, node.step.key, "done", None, {}, planned_at=traveller.due_at)
                _stand_at(traveller, node.next, self.now, self.now)
                going_on.append(traveller)
                continue
            # Not planned: she was woken by a fact that no longer holds, and waits on to the same end.
            if traveller.id in began or not traveller.planned:
                came = traveller.due_at if traveller.id in began else self._turn_came(script, node, traveller)
                traveller.due_at = self._wait_ends(script, until, traveller, came or self.now)
                traveller.planned = True
                if traveller.due_at is None or traveller.due_at > self.now:
                    continue
            self._record(traveller, node.step.key, "timed_out", None, {}, planned_at=traveller.due_at)
            _stand_at(traveller, node.next, self.now, self.now)
            going_on.append(traveller)
        return going_on

    def _wait_ends(self, script: Script, until: TimeExpr, traveller: _Traveller, came: datetime) -> datetime | None:
        """When a wait whose turn came then gives up; without any known limit she waits for the fact itself."""
        anchors = self._anchors(script, until.names, traveller)
        end = resolve(until, anchors=anchors, previous=came, zone=traveller.zone)
        limits = [at for at in (end, self.ends(script, traveller)) if isinstance(at, datetime)]
        return min(limits) if limits else None  # a date that is not known never becomes "now"

    def _turn_came(self, script: Script, node: Node, traveller: _Traveller) -> datetime | None:
        """When the turn of a wait came that has begun already, by what it was planned from."""
        plan, _ = self.when(script, node, script.times[node.step.key], traveller)
        return plan.due_at if isinstance(plan, Planned) else traveller.waiting_since

    def _branch(self, script: Script, node: Node, group: list[_Traveller]) -> list[_Traveller]:
        """The first arm that holds, else `else`."""
        left = {t.id: t for t in group}
        for arm, condition in enumerate(script.arms[node.step.key]):
            for chosen in enrollments.holding(self.connection, condition, list(left), now=self.now):
                self._enter_arm(node, left.pop(chosen), arm)
        for traveller in left.values():
            self._enter_arm(node, traveller, len(node.arms) - 1)
        return group

    def _enter_arm(self, node: Node, traveller: _Traveller, arm: int) -> None:
        self._record(traveller, node.step.key, "done", None, {"arm": arm}, planned_at=traveller.due_at)
        above = traveller.previous_at if node.step.at is None else self.now
        _stand_at(traveller, node.arms[arm], above, self.now)

    def _done(self, node: Node, group: list[_Traveller]) -> list[_Traveller]:
        for traveller in group:
            self._record(traveller, node.step.key, "done", None, {}, planned_at=traveller.due_at)
            _stand_at(traveller, node.next, self.now, self.now)
        return group

    def _pass(self, traveller: _Traveller, node: Node, reason: Reason, detail: Mapping[str, object]) -> None:
        """Skip this step only; the reason stays on record. The next counts from now, where this one had a time."""
        self._record(traveller, node.step.key, "skipped", reason, detail, planned_at=traveller.due_at)
        self.skipped += 1
        above = self.now if traveller.planned else traveller.previous_at
        _stand_at(traveller, node.next, above, self.now)

    # -- writing -------------------------------------------------------------------------------------------------------

    def _record(
        self,
        traveller: _Traveller,
        step_key: str,
        outcome: str,
        reason: Reason | None,
        detail: Mapping[str, object],
        planned_at: datetime | None = None,
    ) -> None:
        self.steps.append(
            {
                "enrollment_id": traveller.id,
                "step_key": step_key,
                "at": self.now,
                "planned_at": planned_at,
                "outcome": outcome,
                "reason": reason.value if reason else None,
                "detail": dict(detail),
            }
        )

    def end(self, ids: list[int], state: str, reason: Reason | None, detail: Mapping[str, object]) -> None:
        """End these enrollments in this transaction."""
        for one in ids:
            self.positions.pop(one, None)
        self.ended += enrollments.end(self.connection, ids, state=state, reason=reason, detail=detail, now=self.now)

    def backfill(self, script: Script, node: Node, action: Mail, travellers: list[_Traveller]) -> None:
        """Queue a mail for those who are past its place and never came by it; where they stand does not change."""
        past = [t for t in travellers if self._is_past(script, node, t)]
        ids = [t.id for t in past]
        known = enrollments.steps_done(self.connection, ids, node.step.key) if ids else set()
        if ids and node.step.was:
            known |= enrollments.steps_done(self.connection, ids, node.step.was)
        fresh = [t for t in past if t.id not in known]
        passed = self._ask_when(script, node, fresh)
        shared = self._shared(script, node, action)
        for traveller in (t for t in fresh if t.id not in passed):
            plan = self._late_plan(script, node, traveller)
            if isinstance(plan, Unplannable):
                self._pass(traveller, node, plan.reason, plan.detail)
            elif plan.not_after < self.now:
                detail = {"not_after": plan.not_after.isoformat(), "by": "the plan"}
                self._pass(traveller, node, Reason.TOO_LATE, detail)
            else:
                traveller.due_at, traveller.not_after = plan.due_at, plan.not_after
                self._queue(script, node, action, traveller, shared)

    def _is_past(self, script: Script, node: Node, traveller: _Traveller) -> bool:
        """Does she stand behind this step?"""
        if traveller.step_key == END:
            return True
        stands = script.sequence.get(traveller.step_key)
        stands = self._next_left(script, traveller) if stands is None else stands
        return stands is None or stands.position > node.position

    def _late_plan(self, script: Script, node: Node, traveller: _Traveller) -> Planned | Unplannable:
        """When a mail goes to somebody who is past its place: at once, unless it hangs on a date."""
        times = script.times[node.step.key]
        if not _hangs_on_a_date(times):
            times, traveller.previous_at = StepTimes(None, times.not_after, None), self.now
        return self.when(script, node, times, traveller)[0]

    def write_mail(self) -> int:
        """Queue what `backfill` decided, and record it; returns how many mails."""
        outbox.queue(self.connection, [row for _, row in self.deliveries])
        enrollments.record_steps(self.connection, self.steps)
        return len(self.deliveries)

    def write(self) -> None:
        """Deliveries first, for their ids; then the record of the steps; then where everybody stands."""
        ids = outbox.queue(self.connection, [row for _, row in self.deliveries])
        for traveller, _ in self.deliveries:
            traveller.waiting_on = ids[traveller.id]
        self.queued = len(ids)
        enrollments.record_steps(self.connection, self.steps)
        self._plan_ahead()
        enrollments.move(self.connection, [traveller.position() for traveller in self.positions.values()])

    def foresee(self, script: Script, node: Node, traveller: _Traveller) -> tuple[Foreseen, str, datetime | None]:
        """One step ahead, the key of the step that would follow it, and when it would be done."""
        key, action, times, above = node.step.key, node.step.action, script.times[node.step.key], traveller.previous_at
        if isinstance(action, Wait) and traveller.waiting_since is not None:
            return Foreseen(key, traveller.waiting_since, until=traveller.due_at), node.next, traveller.due_at
        plan, anchors = self.when(script, node, times, traveller)
        if isinstance(plan, Unplannable):
            return Foreseen(key, None, plan.reason, plan.detail), node.next, above
        if self._missed(script, node, times, traveller, plan):
            return Foreseen(key, None, Reason.MISSED, {"at": plan.due_at.isoformat()}), node.next, above
        traveller.anchors.update(anchors)
        due_at = traveller.due_at if traveller.planned and traveller.due_at is not None else plan.due_at
        ends = self.ends(script, traveller)
        if ends is not None and due_at > ends:
            return Foreseen(key, None, Reason.ENDED, {"at": ends.isoformat()}), node.next, due_at
        if isinstance(action, Mail) and plan.not_after < max(due_at, self.now):
            return Foreseen(key, None, Reason.TOO_LATE, {"not_after": plan.not_after.isoformat()}), node.next, due_at
        match action:
            case Branch():
                conditions = enumerate(script.arms[key])
                holds = (arm for arm, asked in conditions if self._holds(asked, traveller))
                arm = next(holds, len(node.arms) - 1)
                return Foreseen(key, due_at, arm=arm), node.arms[arm], above if node.step.at is None else due_at
            case Wait() if times.until is not None:
                fixed = self._anchors(script, times.until.names, traveller)
                end = resolve(times.until, anchors=fixed, previous=max(due_at, self.now), zone=traveller.zone)
                limits = [at for at in (end, ends) if isinstance(at, datetime)]
                until = min(limits) if limits else None
                return Foreseen(key, due_at, until=until), node.next, until or due_at
            case _:
                return Foreseen(key, due_at), node.next, max(due_at, self.now)

    def _holds(self, condition: Expression, traveller: _Traveller) -> bool:
        return bool(enrollments.holding(self.connection, condition, [traveller.id], now=self.now))

    def _plan_ahead(self) -> None:
        """
        Give those who just got a mail the time of their next step, so that they are not looked at twice.

        A next step that counts from the mail itself has no time until the mail is settled.
        """
        for traveller, row in self.deliveries:
            script = self.live.scripts.get(row["campaign_id"])
            node = script.sequence.get(traveller.step_key) if script and traveller.step_key != END else None
            if script is None or node is None or script.campaign.on_edit == "pin":
                continue
            times = script.times[node.step.key]
            if times.counts_from_above:
                continue
            plan, anchors = self.when(script, node, times, traveller)
            if isinstance(plan, Planned) and plan.due_at > self.now:
                traveller.anchors.update(anchors)
                ends = self.ends(script, traveller)
                traveller.due_at = plan.due_at if ends is None else min(plan.due_at, ends)
                traveller.planned = True


def backfill(connection: Connection, live: Live, campaign_id: str, *, after: int, up_to: int, now: datetime) -> int:
    """
    Send steps that say `backfill: true` to those of the enrollments in `(after, up_to]` who are past their place.

    A step that counts from entry or from the step above goes at once; one that hangs on a date goes if it is not too
    late for it. Who has it on record, sent or skipped, never gets it again. Returns how many mails were queued.
    """
    script = live.scripts[campaign_id]
    nodes = backfilled(script)
    if not nodes or script.campaign.on_edit == "pin":
        return 0
    queued = 0
    rows = enrollments.active_between(connection, campaign_id, after=after, up_to=up_to)
    for node in nodes:
        work = _Work(connection, live, now)
        assert isinstance(node.step.action, Mail)
        work.backfill(script, node, node.step.action, [_Traveller.of(row) for row in rows])
        queued += work.write_mail()
    return queued


def backfilled(script: Script) -> list[Node]:
    """The steps that say `backfill: true`; inside an arm of a branch it means nothing, and `check` says so."""
    return [node for node in script.sequence.nodes.values() if _is_sent_late(node)]


def move_queued(connection: Connection, live: Live, rows: Iterable[AnyRow], *, now: datetime) -> int:
    """
    Give mail that waits in the queue its time anew, where what the time hangs on has moved; returns how many moved.

    `rows` are those of `outbox.waiting`. What counts from the step above keeps its time, and so does a mail whose date
    is no longer known: it was due once.
    """
    moves = []
    for row in rows:
        script = live.script_of(connection, row.campaign_id, row.revision_id)
        node = script.sequence.get(row.mail_step) if script is not None else None
        if script is None or node is None or script.times[node.step.key].counts_from_above:
            continue
        if _is_sent_late(node) and not _hangs_on_a_date(script.times[node.step.key]):
            continue  # who was past its place gets it at once, whatever its own time says
        work, traveller = _Work(connection, live, now), _Traveller.of(row)
        plan, _ = work.when(script, node, script.times[node.step.key], traveller)
        if not isinstance(plan, Planned):
            continue
        ends = work.ends(script, traveller)
        due_at = plan.due_at if ends is None else min(plan.due_at, ends)
        if (due_at, plan.not_after) != (row.mail_due_at, row.mail_not_after):
            moves.append((row.delivery_id, due_at, max(due_at, row.mail_not_before or due_at), plan.not_after))
    outbox.move_queued(connection, moves)
    return len(moves)


def step_back(connection: Connection, live: Live, rows: Iterable[AnyRow], *, now: datetime) -> int:
    """
    Have enrollments take a step after all that was passed because its date was not known; returns how many do.

    `rows` are those of `enrollments.passed_unknown`: each an enrollment with the step in `passed_step`. Where the date
    is known by now and lies ahead, she stands at that step again, at the first of them; what she did since is on record
    and is not repeated.
    """
    work = _Work(connection, live, now)
    again: dict[int, tuple[int, str]] = {}
    forget: list[tuple[int, str]] = []
    for row in rows:
        script = live.script_of(connection, row.campaign_id, row.revision_id)
        node = script.sequence.get(row.passed_step) if script is not None else None
        if script is None or node is None:
            continue
        plan, _ = work.when(script, node, script.times[node.step.key], _Traveller.of(row))
        if isinstance(plan, Planned) and plan.due_at > now:
            forget.append((row.id, row.passed_step))
            again[row.id] = min(again.get(row.id, (node.position, node.step.key)), (node.position, node.step.key))
    enrollments.stand_again(connection, {one: key for one, (_, key) in again.items()}, forget, now=now)
    return len(again)


class Anchored:
    """
    Times that hang on the dates of a filing window and on nothing else about the person but her zone.

    So everybody who stands before the same step for the same window in the same zone has the same, and each is
    computed once. Lives as long as one transaction: a window is read once, dates and version together.
    """

    def __init__(self, connection: Connection, live: Live, *, now: datetime) -> None:
        self._work = _Work(connection, live, now)
        self._known: dict[tuple[str, int, str, str | None, str], Planned | None] = {}

    def read(self, window_ids: Iterable[str | None]) -> None:
        """Read these windows at once, each as it is now, rather than one after the other."""
        self._work.read_windows(window_ids)

    def plan(self, campaign_id: str, them: AnyRow) -> Planned | None:
        """
        When their step comes and how long it may go, the end of the campaign counted in.

        `them` tells step_key, revision_id and window_id of some enrollments, and the zone of their people. None where
        that cannot be known this way: it hangs on more, or the step has no time, or is there no more.
        """
        key = (campaign_id, them.revision_id, them.step_key, them.window_id, them.zone)
        if key not in self._known:
            self._known[key] = self._plan(campaign_id, them)
        return self._known[key]

    def ends_wait(self, campaign_id: str, them: AnyRow) -> bool:
        """Do these stand at a wait whose end hangs on the dates of their window?"""
        script = self._work.live.script_of(self._work.connection, campaign_id, them.revision_id)
        node = script.sequence.get(them.step_key) if script is not None else None
        if script is None or node is None or them.window_id is None:
            return False
        limits = [one for one in (script.times[node.step.key].until, script.ends) if one is not None]
        return isinstance(node.step.action, Wait) and any(one.names & _OF_WINDOWS for one in limits)

    def version(self, window_id: str | None) -> int | None:
        """The version of a window that its times are planned by; None where it is gone."""
        if window_id is None:
            return None
        self._work._window(window_id)
        return self._work.versions.get(window_id)

    def _plan(self, campaign_id: str, them: AnyRow) -> Planned | None:
        work, key = self._work, them.step_key
        script = work.live.script_of(work.connection, campaign_id, them.revision_id)
        node = script.sequence.get(key) if script is not None else None
        if script is None or node is None or node.step.key != key or them.window_id is None:
            return None
        times, ends = script.times[key], script.ends
        names = times.names if ends is None else times.names | ends.names
        relative = times.counts_from_above or (ends is not None and ends.is_relative)
        if relative or not names <= _OF_WINDOWS or names & work.live.content.calendars.keys():
            return None
        anyone = _Traveller(them, 0, zone_of(them.zone), key, None, False, None, None, None, {})
        plan, _ = work.when(script, node, times, anyone)
        over = work.ends(script, anyone)
        if isinstance(plan, Unplannable):
            return None
        return plan if over is None or over >= plan.due_at else Planned(over, plan.not_after, plan.rolled)


# -- looking ahead -----------------------------------------------------------------------------------------------------


def foresee(
    connection: Connection, live: Live, row: AnyRow, *, settles_at: datetime | None, now: datetime
) -> list[Foreseen]:
    """
    The steps ahead of an active enrollment as `advance` would plan them if nothing happened meanwhile. Writes nothing.

    `row` is the enrollment with the zone of its person; `settles_at` is when the delivery that it waits for is expected
    to go. Branches are asked as of now, a wait is taken to last to its end, and a `when` is not asked ahead.
    """
    script = live.script_of(connection, row.campaign_id, row.revision_id)
    if script is None:
        return []
    work, traveller, ahead = _Work(connection, live, now), _Traveller.of(row), []
    traveller.previous_at = settles_at or traveller.previous_at
    while (node := script.sequence.get(traveller.step_key)) is not None:
        traveller.step_key = node.step.key
        seen, following, above = work.foresee(script, node, traveller)
        ahead.append(seen)
        _stand_at(traveller, following, above, None)
    return ahead


# -- small things ------------------------------------------------------------------------------------------------------


def choose_variant(variants: Mapping[str, int], enrollment_id: int, step_key: str) -> str:
    """The variant of a mail for an enrollment: by weight, the same every time it is asked."""
    total = sum(variants.values())
    if total <= 0:
        return ""
    digest = blake2b(f"{enrollment_id}:{step_key}".encode(), digest_size=8).digest()
    at = int.from_bytes(digest) % total
    for name, weight in variants.items():
        if at < weight:
            return "" if name == "plain" else name
        at -= weight
    return ""


def _hangs_on_a_date(times: StepTimes) -> bool:
    return times.at is not None and not times.at.is_relative and times.at.anchor.name != "entry"


def _is_sent_late(node: Node) -> bool:
    return isinstance(node.step.action, Mail) and node.step.action.backfill and not node.depth


def _stand_at(traveller: _Traveller, key: str, above: datetime | None, look_at: datetime | None) -> None:
    """Stand at a step that has no time yet; `above` is when the one before it was done."""
    traveller.step_key = key
    traveller.previous_at = above
    traveller.due_at = look_at
    traveller.planned = False
    traveller.waiting_since = None
    traveller.not_after = None


def _grouped(items: Iterable[Any], key: Callable[[Any], Any]) -> dict[Any, list[Any]]:
    groups: dict[Any, list[Any]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups
