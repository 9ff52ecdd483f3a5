"""
A file of filing windows: read it, show what it would do in people, then change one window after the other.

The file is matched by `window_id` alone. A window that is not in it is left alone. Each change commits by itself with
the next version; the gate refuses mail of the version before from that moment, and one walk a campaign, `replan`,
gives everybody in flight her next time anew. Rows that cannot be taken are named, and the others go on.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from rfs_mail.core.campaign import Mail
from rfs_mail.core.facts import window_day
from rfs_mail.core.filing_windows import (
    DOUBTFUL,
    OFFICE_LEVELS,
    FilingWindow,
    Given,
    Problem,
    WindowChange,
    compare,
    faults,
    merge,
    read_header,
    read_windows,
    settle,
)
from rfs_mail.core.times import MILESTONES
from rfs_mail.core.timing import Planned, plan_step, resolve
from rfs_mail.core.zones import STATES
from rfs_mail.engine import naming
from rfs_mail.engine.live import Live, look, zone_of
from rfs_mail.engine.replan import plan_anew, window_walk
from rfs_mail.engine.signup_file import open_signup_file
from rfs_mail.errors import NotFoundError, UsageError
from rfs_mail.store import tasks, windows
from rfs_mail.store.database import Store
from rfs_mail.store.types import AnyRow

FINDERS = "research"
"""Who gets the task to find out a date."""

FOUND_WITHIN = timedelta(days=2)

PAST_TOLD = timedelta(days=1)
"""A window that closed longer ago is passed over where people are counted."""


@dataclass(frozen=True, slots=True)
class Effect:
    """What a change of one window does: people who hang on it, mails that move, mails that are not sent any more."""

    change: WindowChange
    people: int = 0
    mails_move: int = 0
    mails_lost: int = 0
    mails_held: int = 0
    """Everybody's next one, where nobody may trust the dates any more."""


@dataclass(frozen=True, slots=True)
class Import:
    """A file of windows against what is stored. `effects` are the windows that are new or different, in its order."""

    file: str
    rows: int
    effects: tuple[Effect, ...]
    problems: tuple[Problem, ...]
    kept: tuple[tuple[str, str, str], ...]
    """(window, fact, value) that are known here and blank in the file: they stay."""
    unchanged: int
    absent: int
    """Windows that may still be ahead and are not in the file: they are left alone."""
    people: int
    """Whom the new and the moved windows are about, each person once."""

    @property
    def new(self) -> tuple[Effect, ...]:
        """Windows that were not known."""
        return tuple(effect for effect in self.effects if effect.change.old is None)

    @property
    def moved(self) -> tuple[Effect, ...]:
        """Windows of which a fact changes that mail hangs on."""
        return tuple(effect for effect in self.effects if effect.change.moves)

    @property
    def restated(self) -> tuple[Effect, ...]:
        """Windows of which only the source, a note or a name changes."""
        return tuple(one for one in self.effects if one.change.old is not None and not one.change.moves)

    @property
    def mails_move(self) -> int:
        """Mails, in the queue or somebody's next, that get another time."""
        return sum(effect.mails_move for effect in self.effects)

    @property
    def mails_lost(self) -> int:
        """Mails that will not be sent any more."""
        return sum(effect.mails_lost for effect in self.effects)

    @property
    def mails_held(self) -> int:
        """Mails that are held until somebody has found out."""
        return sum(effect.mails_held for effect in self.effects)


@dataclass(frozen=True, slots=True)
class Applied:
    """What an import wrote: window id -> version, and the windows that somebody else changed meanwhile."""

    versions: Mapping[str, int]
    overtaken: tuple[str, ...] = ()


# -- importing ---------------------------------------------------------------------------------------------------------


def read_file(store: Store, path: Path, *, now: datetime) -> Import:
    """
    What importing a file would do. Writes nothing.

    Raises UsageError where the file cannot be read or its header is not that of docs/filing-windows.md; what is wrong
    with single rows is in `problems`.
    """
    with open_signup_file(path) as opened:
        header, wrong = read_header(opened.header, opened.header_line)
        if wrong:
            said = "\n".join(f"  {problem}." for problem in wrong)
            raise UsageError(f"{path.name} is no file of filing windows.\n{said}\nThe format: docs/filing-windows.md.")
        reading = read_windows(header, opened)
    with store.read() as connection:
        stored = {one.window.id: one.window for one in windows.listing(connection)}
        live = look(connection)
        problems = list(reading.problems)
        changes: list[WindowChange] = []
        kept: list[tuple[str, str, str]] = []
        unchanged = 0
        for given in reading.given:
            old = stored.get(given.window.id)
            new = settle(merge(old, given))
            bad = [Problem(given.line, *fault) for fault in faults(new)]
            if bad:
                problems += bad
                continue
            kept += _kept(old, given, new, header)
            change = compare(old, new)
            if change is None:
                unchanged += 1
            else:
                changes.append(change)
        today = window_day(now).isoformat()
        absent = sum(1 for name, one in stored.items() if one.closes_on >= today and name not in reading.named)
        effects, people = _effects(connection, live, changes, now)
    lines = {given.line for given in reading.given} | {problem.line for problem in problems}
    problems.sort(key=lambda one: (one.line, one.column))
    return Import(path.name, len(lines), effects, tuple(problems), tuple(kept), unchanged, absent, people)


def _kept(
    old: FilingWindow | None, given: Given, new: FilingWindow, header: Sequence[str]
) -> Iterator[tuple[str, str, str]]:
    """Facts that a column of the file leaves blank and that stay as they are known."""
    if old is None:
        return
    for name in header:
        said = given.window.milestones.get(name, getattr(given.window, name, None))
        known = new.milestones.get(name, getattr(new, name, None))
        if not said and known and name not in ("window_id", "status"):
            yield given.window.id, name, str(known)


def _effects(
    connection: Connection, live: Live | None, changes: Sequence[WindowChange], now: datetime
) -> tuple[tuple[Effect, ...], int]:
    """What the changes do, and how many people they are about, each once."""
    horizon = (window_day(now) - PAST_TOLD).isoformat()
    told = [one for one in changes if (one.old is None or one.moves) and _last_day(one) >= horizon]
    about = windows.people_of(connection, [one.new for one in told])
    before = windows.people_of(connection, [one.old for one in told if one.old is not None])
    hanging = {name: about[name] | before.get(name, set()) for name in about}
    mails: dict[str, tuple[int, int, int]] = {}
    moved = {one.new.id: one for one in changes if one.moves}
    if moved and live is not None:
        plans: dict[tuple[object, ...], str] = {}
        waiting = [(row, [row.step_key], False) for row in windows.queued_of(connection, list(moved))]
        ahead = [(row, _mails_ahead(connection, live, row), True) for row in windows.in_flight(connection, list(moved))]
        for row, steps, planned in (*waiting, *ahead):
            move, lost, held = mails.get(row.window_id, (0, 0, 0))
            fates = []
            for step in steps:
                same = (row.window_id, row.campaign_id, row.revision_id, step, row.zone, planned)
                if same not in plans:
                    plans[same] = _fate(connection, live, moved[row.window_id], row, step, now, planned=planned)
                fates.append(plans[same])
            lost += row.number * fates.count("lost")
            first = next((fate for fate in fates if fate != "lost"), "stays")
            move += row.number if first == "moves" else 0
            held += row.number if first == "held" else 0
            mails[row.window_id] = move, lost, held
    effects = tuple(Effect(one, len(hanging.get(one.new.id, ())), *mails.get(one.new.id, (0, 0, 0))) for one in changes)
    return effects, len(set().union(*hanging.values())) if hanging else 0


def _last_day(change: WindowChange) -> str:
    return max(change.new.closes_on, change.old.closes_on if change.old is not None else "")


def _mails_ahead(connection: Connection, live: Live, row: AnyRow) -> list[str]:
    """The mail steps from where these enrollments stand on, in order; of a branch nobody knows the arm."""
    script = live.script_of(connection, row.campaign_id, row.revision_id)
    found: list[str] = []
    node = script.sequence.get(row.step_key) if script is not None else None
    while script is not None and node is not None:
        if isinstance(node.step.action, Mail):
            found.append(node.step.key)
        node = script.sequence.get(node.next)
    return found


def _fate(
    connection: Connection, live: Live, change: WindowChange, row: AnyRow, step: str, now: datetime, *, planned: bool
) -> str:
    """
    What becomes of the mails of one step and zone: `stays`, `moves`, `lost`, or `held` while its date is in doubt.

    They wait in the queue, or are `planned`: then one whose new time is over is passed by, but for one that was due
    before the move as well and is still to be taken.
    """
    assert change.old is not None
    if change.new.status == "cancelled":
        return "lost"
    script = live.scripts.get(row.campaign_id)
    if change.new.confidence in DOUBTFUL and script is not None and script.campaign.entry.kind == "filing_window":
        return "held"
    script = live.script_of(connection, row.campaign_id, row.revision_id)
    node = script.sequence.get(step) if script is not None else None
    if script is None or node is None:
        return "stays"
    times, zone = script.times[node.step.key], zone_of(row.zone)

    def plan(window: FilingWindow) -> Planned | None:
        anchors = window.anchors()
        ends = resolve(script.ends, anchors=anchors, zone=zone) if script.ends is not None else None
        found = plan_step(
            times.at, not_after=times.not_after, anchors=anchors, previous=None, zone=zone,
            rules=script.rules.get(node.step.key), expires_after=script.expires,
            ends=ends if isinstance(ends, datetime) else None,
        )  # fmt: skip
        return found if isinstance(found, Planned) else None

    before, after = plan(change.old), plan(change.new)
    if after is None or before == after:
        return "stays"  # counts from the step above, or from a date that did not move
    if after.not_after <= now:
        return "lost"
    if not planned or after.due_at >= now:
        return "moves"
    return "stays" if before is not None and before.due_at <= now else "lost"


def apply_import(
    store: Store, found: Import, *, by: str, now: datetime, pause: Callable[[], None] | None = None
) -> Applied:
    """
    Write the windows of an import, each in a transaction of its own, and have everybody in flight planned anew.

    A window that somebody else changed since `read_file` is left as it is and named.
    """
    versions: dict[str, int] = {}
    overtaken: list[str] = []
    for effect in found.effects:
        change = effect.change
        with store.begin() as connection:
            version = windows.apply_change(connection, change, file=found.file, by=by, now=now)
            if version is None:
                overtaken.append(change.new.id)
            else:
                versions[change.new.id] = version
                _have_found_out(connection, change.new, version, by=by, now=now)
                if change.moves:
                    _begin_replan(connection, change.new.id, version, now)
        if pause is not None:
            pause()
    return Applied(versions, tuple(overtaken))


def _have_found_out(connection: Connection, window: FilingWindow, version: int, *, by: str, now: datetime) -> None:
    """A window ahead whose dates nobody may trust is a task, until a later version says what is right."""
    tasks.settle(connection, f"window:{window.id}:", by=by, note=f"version {version} was imported", now=now)
    over = window.closes_on and window.closes_on < window_day(now).isoformat()
    if window.confidence not in DOUBTFUL or window.status == "cancelled" or over:
        return
    what = " ".join(part for part in (window.office or window.office_level, "in", window.jurisdiction or window.state))
    why = "sources disagree" if window.confidence == "conflict" else "nobody knows"
    closes = window.closes_at()
    tasks.make(
        connection,
        [
            {
                "key": f"window:{window.id}:v{version}",
                "person_id": 0,
                "title": f"Find out when filing closes for {what} ({why}), then `windows import`: {window.id}",
                "for": FINDERS,
                "due_at": min(now + FOUND_WITHIN, closes)
                if closes is not None and closes > now
                else now + FOUND_WITHIN,
                "state": "open",
                "created_at": now,
            }
        ],
    )


def _begin_replan(connection: Connection, window_id: str, version: int, now: datetime) -> None:
    """Have every campaign about windows walk over those in flight."""
    live = look(connection)
    for name, script in live.scripts.items() if live is not None else ():
        if script.campaign.entry.kind == "filing_window" or script.campaign.entry.per_window:
            plan_anew(connection, name, why=window_walk(window_id, version), now=now)


# -- looking -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Version:
    """One thing a window said: from when on, by whose import, and what was different from the one before."""

    number: int
    at: datetime
    by: str
    file: str
    change: WindowChange
    window: FilingWindow


@dataclass(frozen=True, slots=True)
class Card:
    """All about one window."""

    window: FilingWindow
    version: int
    updated_at: datetime
    versions: tuple[Version, ...]
    people: int
    """Who wants it, or is on her way through a campaign about it."""
    standing: Mapping[str, int]
    """Candidacy status -> people."""


def list_windows(
    store: Store, *, state: str | None, level: str | None, everything: bool, now: datetime
) -> list[dict[str, Any]]:
    """
    Windows that may still be ahead (or all), the nearest closing first, each with the people who hang on it.

    Raises UsageError for a state or an office level that is none.
    """
    state, level = _state(state), _level(level)
    with store.read() as connection:
        found = windows.listing(
            connection, state=state, office_level=level,
            closes_from=None if everything else window_day(now).isoformat(),
        )  # fmt: skip
        ahead = [one.window for one in found if one.window.closes_on >= window_day(now).isoformat()]
        people = windows.people_of(connection, ahead)
    return [
        {
            **{name: value for name, value in one.window.as_values().items() if name != "milestones"},
            **{name: one.window.milestones.get(name) for name in MILESTONES},
            "version": one.version,
            "people": len(people[one.window.id]) if one.window.id in people else None,
        }
        for one in found
    ]


def show_window(store: Store, window_id: str) -> Card:
    """All about one window. Raises NotFoundError."""
    with store.read() as connection:
        stored = find_window(connection, window_id)
        versions: list[Version] = []
        last: FilingWindow | None = None
        for row, window in windows.versions_of(connection, window_id):
            change = compare(last, window) or WindowChange(last, window, ())
            versions.append(Version(row.version, row.at, row.by, row.file, change, window))
            last = window
        return Card(
            stored.window, stored.version, stored.updated_at, tuple(versions),
            len(windows.people_of(connection, [stored.window])[window_id]),
            windows.standing_in(connection, window_id),
        )  # fmt: skip


def find_window(connection: Connection, window_id: str) -> windows.Stored:
    """The window with this id. Raises NotFoundError, with the nearest id where one is near."""
    stored = windows.get(connection, window_id)
    if stored is None:
        known = [one.window.id for one in windows.listing(connection)]
        more = naming.hint(window_id, known) or (
            " `windows list --all` shows them." if known else " Import them: rfs-mail windows import FILE"
        )
        raise NotFoundError(f"There is no filing window {window_id}.{more}")
    return stored


def closing(store: Store, *, within: timedelta, state: str | None, now: datetime) -> list[dict[str, Any]]:
    """Whom to call: who wants a window that closes soon and has not filed. Raises UsageError for what is no state."""
    state = _state(state)
    with store.read() as connection:
        rows = windows.closing(connection, now=now, within=within, state=state)
    today = window_day(now)
    return [{**row._mapping, "days_left": (date.fromisoformat(row.closes_on) - today).days} for row in rows]


def _state(text: str | None) -> str | None:
    if text is None:
        return None
    code = text.strip().upper()
    if code not in STATES:
        raise UsageError(f"There is no state {text!r}. Write its two letters, such as WI.")
    return code


def _level(text: str | None) -> str | None:
    if text is not None and text not in OFFICE_LEVELS:
        raise UsageError(
            f"There is no office level {text!r}.{naming.hint(text, OFFICE_LEVELS)} Levels: {', '.join(OFFICE_LEVELS)}."
        )
    return text
