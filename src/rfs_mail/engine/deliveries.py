"""The send log as staff ask it: which deliveries, what became of one; and deciding about some."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from rfs_mail.core.lifecycle import UNSETTLED, DeliveryState
from rfs_mail.core.telling import Told, tell
from rfs_mail.engine import naming
from rfs_mail.engine.compose import is_about_windows
from rfs_mail.engine.her_windows import HerWindow, about_window, her_windows
from rfs_mail.engine.live import look, zone_of
from rfs_mail.engine.windows import find_window
from rfs_mail.errors import NotFoundError, UsageError
from rfs_mail.store import log, outbox, people, releases
from rfs_mail.store.database import Store
from rfs_mail.store.log import Cursor, Page, Wanted
from rfs_mail.store.types import AnyRow


@dataclass(frozen=True, slots=True)
class Asked:
    """Which deliveries, as staff write it. Empty and None do not matter."""

    person: str | None = None
    campaign: str | None = None
    step: str | None = None
    states: tuple[str, ...] = ()
    reason: str | None = None
    since: str | None = None
    until: str | None = None
    window: str | None = None


def wanted_of(connection: Connection, asked: Asked, *, now: datetime) -> Wanted:
    """The same with every name looked up. Raises UsageError or NotFoundError for what is not there."""
    person_id = naming.find_person(connection, asked.person).id if asked.person is not None else None
    live = look(connection)
    step = asked.step
    if live is not None and asked.campaign is not None and asked.campaign not in live.release.campaigns:
        naming.find_campaign(live, asked.campaign)
    return Wanted(
        person_id=person_id,
        campaign_id=asked.campaign,
        step_key=step,
        states=naming.states(asked.states),
        reason=naming.reason(asked.reason),
        since=naming.moment(asked.since, now=now) if asked.since is not None else None,
        until=naming.moment(asked.until, now=now) if asked.until is not None else None,
        window_id=find_window(connection, asked.window).window.id if asked.window is not None else None,
        about_windows=tuple(
            name for name, one in (live.release.campaigns if live else {}).items() if is_about_windows(one.definition)
        ),
    )


def search(store: Store, asked: Asked, *, now: datetime, limit: int = 50, after: str | None = None) -> Page:
    """
    A page of the log, newest first; `after` is the text of the cursor of the page before.

    Raises UsageError or NotFoundError for what is not there.
    """
    try:
        cursor = Cursor.read(after) if after else None
    except ValueError as error:
        raise UsageError(f"{after!r} is no place in the list. Take the one that the page before ended with.") from error
    with store.read() as connection:
        return log.search(connection, wanted_of(connection, asked, now=now), limit=limit, after=cursor)


def why(row: AnyRow, *, now: datetime) -> Told:
    """What the log says about a delivery: the sentence of its reason, on its person's clock."""
    if row.reason is None:
        return Told("")
    return tell(row.reason, row.detail, zone=zone_of(row.zone or "UTC"), now=now)


# -- one ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Shown:
    """One delivery with all that is known of it."""

    row: AnyRow
    told: Told
    revision_number: int | None
    events: tuple[AnyRow, ...]
    window: HerWindow | None = None
    """The filing window it is about, as it is now."""


def show(store: Store, delivery_id: int, *, now: datetime) -> Shown:
    """One delivery. Raises NotFoundError."""
    with store.read() as connection:
        row = get(connection, delivery_id)
        events = tuple(log.events_of(connection, delivery_id))
        number: int | None
        try:
            number = releases.load_revision(connection, row.revision_id).number
        except NotFoundError:
            number = None
        window = _window_of(connection, row, now)
    return Shown(row, why(row, now=now), number, events, window)


def _window_of(connection: Connection, row: AnyRow, now: datetime) -> HerWindow | None:
    """The filing window a delivery is about, with how far its person is; of one that was erased, the window alone."""
    if row.window_id is None:
        return None
    person = people.get_person(connection, row.person_id)
    if person is None:
        return about_window(connection, row.window_id, now=now)
    hers = her_windows(connection, person, now=now, also=[row.window_id])
    return next((one for one in hers if one.id == row.window_id), None)


def get(connection: Connection, delivery_id: int) -> AnyRow:
    """The row of one delivery, with what is known of its person. Raises NotFoundError."""
    row = log.get(connection, delivery_id)
    if row is None:
        raise NotFoundError(f"There is no delivery {delivery_id}. `deliveries list` shows what there is.")
    return row


# -- deciding ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Resolved:
    """How many were decided, and why the others could not be: id -> sentence."""

    done: tuple[int, ...]
    refused: Mapping[int, str]


def resolve_sent(store: Store, ids: Sequence[int], *, by: str) -> Resolved:
    """Say of uncertain deliveries that they arrived."""
    with store.begin() as connection:
        found = log.existing(connection, ids)
        refused = _refused(ids, found, (DeliveryState.UNCERTAIN,))
        done = [one for one in ids if one not in refused]
        outbox.resolve_sent(connection, done, detail={"by": by})
    return Resolved(tuple(done), refused)


def resend(store: Store, ids: Sequence[int], *, now: datetime) -> Resolved:
    """
    Send uncertain or failed deliveries once more, never past their `not_after`, with the same Message-ID.

    The gate is asked again before each goes.
    """
    with store.begin() as connection:
        found = log.existing(connection, ids)
        refused = dict(_refused(ids, found, (DeliveryState.UNCERTAIN, DeliveryState.FAILED)))
        for one, late in log.too_late(connection, ids, now=now).items():
            refused.setdefault(one, f"delivery {one} had to go by {late:%Y-%m-%d %H:%M} UTC; it is too late now")
        open_ = [one for one in ids if one not in refused]
        outbox.resend_uncertain(connection, [one for one in open_ if found[one] == "uncertain"], now=now)
        outbox.resend_failed(connection, [one for one in open_ if found[one] == "failed"], now=now)
    return Resolved(tuple(open_), refused)


def resend_failed(store: Store, asked: Asked, *, now: datetime) -> int:
    """Send again whatever failed and still has time, for a template that was mended; returns how many."""
    done = 0
    while True:
        with store.begin() as connection:
            wanted = wanted_of(connection, asked, now=now)
            ids = log.failed_in_time(connection, wanted, now=now, limit=_CHUNK)
            done += outbox.resend_failed(connection, ids, now=now)
        if len(ids) < _CHUNK:
            return done


_CHUNK = 1_000


def _refused(ids: Sequence[int], found: Mapping[int, str], allowed: Sequence[DeliveryState]) -> dict[int, str]:
    states = {state.value for state in allowed}
    refused = {}
    for one in ids:
        state = found.get(one)
        if state is None:
            refused[one] = f"there is no delivery {one}"
        elif state not in states:
            waits = " and may still go" if state in {each.value for each in UNSETTLED} else ""
            refused[one] = f"delivery {one} is {state}{waits}; there is nothing to decide"
    return refused
