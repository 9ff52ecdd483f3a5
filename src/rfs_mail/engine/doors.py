"""
Which filing windows take people into a campaign now.

A window takes people in from the campaign's `from` until its `to`, or else until it closes: it has a door that is open.
A campaign `on: moved` has doors only where the closing moved by more than a day, from that moment on: one for each such
move. A window whose dates do not say when its door opens takes nobody in.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from rfs_mail.core.filing_windows import last_move
from rfs_mail.core.local_time import MIDNIGHT, local_instant
from rfs_mail.core.script import Script
from rfs_mail.core.timing import Anchors, Civil, Unplannable, days_of, resolve
from rfs_mail.engine.live import Live
from rfs_mail.store import windows
from rfs_mail.store.windows import Stored

SETTLING = timedelta(minutes=5)
"""For so long a window that changed takes nobody in: those that close with it may be about to change as well."""

BEHIND = timedelta(days=7)
"""A window whose last date is longer ago takes nobody in, whatever `to` says."""

_UTC = ZoneInfo("UTC")
_EVER = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Door:
    """A window that takes people in now."""

    window_id: str
    moved: int | None
    """The version that moved it by more than a day, where the campaign is `on: moved`."""
    walk: str
    """Names the walk that looks for its people: another one once the window says something else."""
    entered_at: datetime
    """From when the steps of those count who qualified when it opened."""
    closing: tuple[str, ...]
    """State, day, hour and clock. Windows that share it are one occasion to who wants several of them."""
    old: bool
    """It stood open before the campaign was first applied: `existing` says what becomes of those who want it."""


def listing(connection: Connection, *, now: datetime, ids: Sequence[str] | None = None) -> list[Stored]:
    """The windows that may have a door, all or of these ids."""
    if ids is not None and not ids:
        return []
    return windows.listing(connection, ids=ids, ahead_from=(now - BEHIND).date().isoformat())


def doors(
    connection: Connection, live: Live, name: str, script: Script, known: Sequence[Stored], *, now: datetime
) -> list[Door]:
    """The open doors of a campaign among the windows of `listing`."""
    entry, applied = script.campaign.entry, live.campaign(name).first_applied_at
    moves = _moves(connection, known) if entry.on == "moved" else {}
    since = windows.known_since(connection, [one.window.id for one in known]) if entry.existing != "all" else {}
    today = f"@{now.astimezone(UTC).date().isoformat()}" if script.audience_moves_with_time else ""
    found: list[Door] = []
    for stored in known:
        window = stored.window
        if not window.closes_on or window.status == "cancelled":
            continue
        if is_settling(stored, now):
            continue
        when = span(script, window.anchors())
        version, number = stored.version, None
        if entry.on == "moved":
            moved = moves.get(window.id)
            if moved is None or when is None or moved[1] < applied:
                continue
            version = number = moved[0]
            when = (moved[1], when[1])
        if when is None or not when[0] <= now < when[1]:
            continue
        # Whoever qualified when it opened did not come late, even if the walk did.
        in_time = when[0] >= max(applied, stored.updated_at)
        found.append(
            Door(
                window.id, number, f"{window.id}:v{version}{today}", when[0] if in_time else now,
                window.closing,
                old=when[0] < applied and since.get(window.id, _EVER) < applied,
            )
        )  # fmt: skip
    return found


class Doorkeeper:
    """The open doors of all campaigns at one moment. They are worked out again only where a window has changed."""

    def __init__(self, live: Live, now: datetime) -> None:
        self._live, self._now = live, now
        self._change = -1
        self._known: list[Stored] = []
        self.settling: frozenset[str] = frozenset()
        """Windows that changed a moment ago, when `doors` was last asked."""
        self._doors: dict[str, list[Door]] = {}

    def doors(self, connection: Connection, name: str, script: Script) -> list[Door]:
        """The open doors of a campaign, as the windows are in this transaction."""
        change = windows.last_change(connection)
        if change != self._change:
            self._change, self._doors = change, {}
            self._known = listing(connection, now=self._now)
            self.settling = frozenset(one.window.id for one in self._known if is_settling(one, self._now))
        if name not in self._doors:
            self._doors[name] = doors(connection, self._live, name, script, self._known, now=self._now)
        return self._doors[name]


def is_settling(stored: Stored, now: datetime) -> bool:
    """Did the window change a moment ago, so that it takes nobody in yet?"""
    return stored.version > 1 and now < stored.updated_at + SETTLING


def _moves(connection: Connection, known: Sequence[Stored]) -> dict[str, tuple[int, datetime]]:
    """Window -> the version of its last move and when that was, where it has moved at all."""
    history = windows.histories(connection, [one.window.id for one in known if one.version > 1])
    found = {window_id: last_move(versions) for window_id, versions in history.items()}
    return {window_id: (move.number, move.at) for window_id, move in found.items() if move is not None}


def enters_from(script: Script, anchors: Anchors) -> datetime | Unplannable:
    """From when people enter for a window by the campaign's `from`: a day counts from its start at the office."""
    if script.enters is None:
        return _EVER
    return resolve(script.enters, anchors=days_of(script.enters, anchors), zone=anchors.office or _UTC)


def span(script: Script, anchors: Anchors) -> tuple[datetime, datetime] | None:
    """From when until when people enter for a window, on its office's clock; None where its dates do not say."""
    zone = anchors.office or _UTC
    begins = enters_from(script, anchors)
    closes = anchors.get("closes")
    if isinstance(closes, Civil) and script.leaves is None:
        ends: object = local_instant(closes.day, closes.wall or MIDNIGHT, zone)
    else:
        ends = resolve(script.leaves, anchors=anchors, zone=zone) if script.leaves else None
    if not isinstance(begins, datetime) or not isinstance(ends, datetime):
        return None
    return begins, ends if ends > begins or script.leaves else begins + timedelta(days=1)
