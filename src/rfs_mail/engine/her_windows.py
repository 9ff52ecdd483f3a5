"""
The filing windows of one person as staff read of them: what she wants, what is ahead of her, how far she is with it.

Everything that shows windows to staff says them in these words, so that `explain`, `people show`, `deliveries show`
and `campaigns preview` agree about a closing and about how sure we are that it is hers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import pairwise

from sqlalchemy import Connection

from rfs_mail.core.facts import FILED_STATUSES, window_day
from rfs_mail.core.filing_windows import DOUBTFUL, FilingWindow, compare, tell_change
from rfs_mail.core.filing_words import office_name
from rfs_mail.core.interest import Interest, same_level
from rfs_mail.core.interest_words import say_interest
from rfs_mail.core.local_time import find_zone, local_date, local_instant
from rfs_mail.core.person import Person
from rfs_mail.core.telling import say_instant
from rfs_mail.render.spoken import say_zone
from rfs_mail.store import dossier, windows
from rfs_mail.store.interests import interests_of
from rfs_mail.store.types import AnyRow
from rfs_mail.store.windows import Stored

BEHIND = timedelta(days=60)
"""A window that she wants is shown for so long after it closed; one that she was on her way to, for good."""


@dataclass(frozen=True, slots=True)
class HerWindow:
    """
    One window and one person.

    `wanted`: what she said she would run for means it. `approximate`: it does by office level and state alone, not by
    her own division. `closes` is the closing in words, on the office's clock.
    """

    id: str
    office: str
    office_level: str
    state: str
    election_on: str
    closes: str
    closes_at: datetime | None
    """UTC; without an hour the start of that office day."""
    days_left: int | None
    """Calendar days on the office's clock, 0 on the closing day; below 0 it has closed."""
    zone: str
    status: str
    confidence: str
    source: str
    version: int
    changed: str
    """What its last version changed, and since when; empty where it is as it was first imported."""
    wanted: bool
    approximate: bool
    candidacy: str | None
    """How far she is with it."""
    evidence: str | None
    """How we know that."""

    @property
    def filed(self) -> bool:
        """Are the papers in?"""
        return self.candidacy in FILED_STATUSES

    @property
    def sure(self) -> str:
        """How we know that it is hers, in words."""
        if not self.wanted:
            return "not by what she says now"
        return "approximate: by office level and state" if self.approximate else "by her own division"


@dataclass(frozen=True, slots=True)
class Wish:
    """One thing that somebody wants to run for. An empty state is the one where she lives."""

    office_level: str
    state: str
    division: str
    election_year: int | None
    party_path: str
    incumbent: bool
    words: str


def her_windows(
    connection: Connection, person: Person, *, now: datetime, also: Sequence[str] = ()
) -> tuple[HerWindow, ...]:
    """
    The windows that a person wants, has a candidacy for, or is about (`also`, by id): those ahead first, the nearest
    closing first, then those that closed, the last one first.

    Of those that she only wants, none that closed longer ago than `BEHIND`, but for the last one where no other is
    left.
    """
    wanted = dossier.wanted_windows(connection, person.id)
    standing = {row.window_id: row for row in dossier.candidacies_of(connection, person.id)}
    stored = windows.listing(connection, ids=sorted({*wanted, *standing, *also}))
    since = (window_day(now) - BEHIND).isoformat()
    bound = {*standing, *also}
    near = [one for one in stored if one.window.id in bound or not one.window.closes_on or one.window.closes_on > since]
    if not near and stored:
        near = [max(stored, key=lambda one: one.window.closes_on)]
    changes = _changes(connection, [one.window.id for one in near if one.version > 1], person.zone, now)
    found = [_hers(one, wanted, standing.get(one.window.id), changes.get(one.window.id, ""), now) for one in near]
    found.sort(key=_nearest_first)
    return tuple(found)


def about_window(connection: Connection, window_id: str, *, now: datetime) -> HerWindow | None:
    """One window in the same words, about nobody; None where it is not there."""
    stored = windows.get(connection, window_id)
    if stored is None:
        return None
    changes = _changes(connection, [window_id] if stored.version > 1 else [], stored.window.zone, now)
    return _hers(stored, {}, None, changes.get(window_id, ""), now)


def wishes(connection: Connection, person: Person) -> tuple[Wish, ...]:
    """What she said she would run for, in the order in which she said it."""
    said = interests_of(connection, [person.id]).get(person.id, ())
    return tuple(
        Wish(one.office_level, one.state, one.division, one.election_year, one.party_path, one.incumbent,
             say_wish(one, person.state))
        for one in said
    )  # fmt: skip


def say_wish(said: Interest, home_state: str | None) -> str:
    """`school_board in WI 2027`, as `people set` reads it; a state that she did not say stands in brackets behind."""
    if said.state:
        return say_interest(said)
    place = f"in {home_state}, where she lives" if home_state else "in no state: hers is not known"
    return f"{say_interest(said)} ({place})"


def no_window(connection: Connection, person: Person) -> tuple[str, str]:
    """
    Why somebody for whom `her_windows` is empty has no window: the sentence, and what to do about it.

    Says which office and state are missing, and what sets apart the windows of that office that there are.
    """
    said = interests_of(connection, [person.id]).get(person.id, ())
    setting = f'`people set {person.address} "wants=OFFICE in STATE"`'
    if not said:
        return "nobody knows which office she wants", f"{setting} says it, with an office level of `windows list`."
    if not any(one.state or person.state for one in said):
        return (
            "what she wants names no state, and where she lives is not known",
            f"`people set {person.address} state=WI`, or {setting}.",
        )
    near: list[str] = []
    for one in said:
        state = one.state or person.state
        of_state = [stored.window for stored in windows.listing(connection, state=state)] if state else []
        near += [
            f"{window.id} {_unlike(one, window)}"
            for window in of_state
            if not one.office_level or same_level(one.office_level, window.office_level)
        ]
    wanted = "; ".join(say_wish(one, person.state) for one in said)
    if near:
        return (
            f"there is none for {wanted}; the nearest are {', '.join(near[-3:])}",
            f"{setting} says another office, year or party; `windows import` adds windows.",
        )
    states = " ".join(f"--state {state}" for state in sorted({one.state or person.state or "" for one in said})[:1])
    return (
        f"there is none for {wanted}",
        f"`windows list --all {states}` shows those that are known, `windows import` adds more; {setting} corrects it.",
    )


def _unlike(said: Interest, window: FilingWindow) -> str:
    """Why this window of her office and state is not hers."""
    if said.election_year is not None and str(said.election_year) != window.election_on[:4]:
        return f"(election {window.election_on or 'not known'})"
    if said.division and window.division and said.division != window.division:
        return f"(of {window.division})"
    if window.incumbency and (window.incumbency == "incumbent") != said.incumbent:
        return f"(for {window.incumbency.replace('_', '-')}s)"
    return f"(for {(window.party_path or 'another way onto the ballot').replace('_', ' ')})"


def say_closing(window: FilingWindow) -> str:
    """`Tue 5 Jan 2027 17:00 Central time`, on the office's clock; says where the hour, or all of it, is not known."""
    return say_closing_of(window.closes_on, window.closes_time, window.zone)


def say_closing_of(closes_on: str, closes_time: str | None, zone: str) -> str:
    """The same of an ISO day (empty: not known), `HH:MM` or None, and an IANA zone."""
    if not closes_on:
        return "closing not known"
    at = local_instant(date.fromisoformat(closes_on), time.fromisoformat(closes_time or "00:00"), find_zone(zone))
    local = at.astimezone(find_zone(zone))
    clock = say_zone(local, "en")
    clock = clock if clock.endswith(" time") else f"{clock} time"
    day = f"{local:%a} {local.day} {local:%b} {local.year}"
    return f"{day} {local:%H:%M} {clock}" if closes_time else f"{day}, no hour known, {clock}"


def say_left(days: int | None) -> str:
    """`in 38 days`, `today`, `3 days ago`; empty where the closing is not known."""
    if days is None:
        return ""
    if days == 0:
        return "today"
    amount = f"{abs(days):,} day{'' if abs(days) == 1 else 's'}"
    return f"in {amount}" if days > 0 else f"{amount} ago"


def say_doubt(window: HerWindow) -> str:
    """What somebody has to find out before any mail goes about this window; empty where nothing."""
    if window.confidence not in DOUBTFUL:
        return ""
    known = "the sources for it disagree" if window.confidence == "conflict" else "nobody knows when it closes"
    return f"{known} (confidence {window.confidence})"


def _hers(stored: Stored, wanted: Mapping[str, bool], row: AnyRow | None, changed: str, now: datetime) -> HerWindow:
    window = stored.window
    today = local_date(now, find_zone(window.zone))
    return HerWindow(
        id=window.id,
        office=office_name(window.office, window.office_level, "en"),
        office_level=window.office_level,
        state=window.state,
        election_on=window.election_on,
        closes=say_closing(window),
        closes_at=window.closes_at(),
        days_left=(date.fromisoformat(window.closes_on) - today).days if window.closes_on else None,
        zone=window.zone,
        status=window.status,
        confidence=window.confidence,
        source=window.source,
        version=stored.version,
        changed=changed,
        wanted=window.id in wanted,
        approximate=not wanted.get(window.id, False),
        candidacy=row.status if row is not None else None,
        evidence=row.evidence if row is not None else None,
    )


def _changes(connection: Connection, window_ids: Sequence[str], zone: str, now: datetime) -> dict[str, str]:
    """Window id -> what its last change of facts was and since when on that clock, of those that changed."""
    said: dict[str, str] = {}
    for window_id, versions in windows.histories(connection, window_ids).items():
        for before, after in pairwise(versions):
            change = compare(before.window, after.window)
            if change is not None and change.moves:
                since = say_instant(after.at, find_zone(zone), now=now, whose="")
                said[window_id] = f"{'; '.join(tell_change(change))}, since {since}"
    return said


def _nearest_first(window: HerWindow) -> tuple[int, int, str]:
    if window.days_left is None:
        return 1, 0, window.id
    return (0, window.days_left, window.id) if window.days_left >= 0 else (2, -window.days_left, window.id)
