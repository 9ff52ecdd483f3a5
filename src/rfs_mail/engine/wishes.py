"""
Somebody says where she lives and what she wants to run for: herself on a page, or staff for her.

What she says replaces what we knew. A countdown to a window that nothing she wants means any more ends in the same
transaction, and what waits for it is not sent; one that counts down to several goes on for those that are left. Where
she wants a window again that she had given up, its countdown goes on at the next step ahead, because nobody is enrolled
twice for one window. An import ends nothing: it only adds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import groupby

from sqlalchemy import Connection

from rfs_mail.core.interest import Interest
from rfs_mail.core.local_time import find_zone, local_date
from rfs_mail.core.person import Person
from rfs_mail.core.reasons import Reason
from rfs_mail.core.script import Script
from rfs_mail.engine.live import Live
from rfs_mail.engine.react import ask_again, hand_on
from rfs_mail.store import enrollments, events, outbox, people, windows
from rfs_mail.store.interests import interests_of, set_interests
from rfs_mail.store.windows import About

EVENT = "changed_wishes"


@dataclass(frozen=True, slots=True)
class Changed:
    """What came of it. All is empty where she had said the same before."""

    fields: tuple[str, ...] = ()
    """The names of her fields that have another value now."""
    interests: bool = False
    """She wants something else now."""
    given_up: tuple[str, ...] = ()
    """Windows whose countdown has ended."""
    handed_on: int = 0
    """Countdowns that go on for another window that closes at the same minute."""
    taken_up: int = 0
    """Countdowns that had ended and go on."""
    entered: int = 0
    """Campaigns she has entered."""


def change_wishes(
    connection: Connection,
    live: Live | None,
    person_id: int,
    *,
    interests: Sequence[Interest] | None,
    fields: Mapping[str, object],
    source: str,
    now: datetime,
    herself: bool = False,
    delivery_id: int | None = None,
    campaign_id: str | None = None,
) -> Changed:
    """
    Have somebody want exactly these `interests` (None: what she wants already), and set her `fields`.

    Fields are as `people.set_fields` takes them: read and checked, None clears, the zone follows the place. `herself`
    says that she did it, by the link of `delivery_id`. The same again changes nothing. Raises NotFoundError for no such
    person, UsageError for no such field.
    """
    outbox.close_gate(connection, person_id)
    changed = people.set_fields(connection, person_id, fields, now=now, source=source)
    news = interests is not None and set_interests(connection, person_id, interests, now=now)
    if not changed and not news:
        return Changed()
    detail = {"source": source, "fields": list(changed), "wants": _as_words(connection, person_id) if news else None}
    events.add_event(
        connection, person_id, EVENT, at=now, now=now, active=herself, delivery_id=delivery_id,
        campaign_id=campaign_id, detail=detail,
    )  # fmt: skip
    followed = follow_wishes(connection, live, person_id, now=now) if live is not None else Changed()
    return replace(followed, fields=changed, interests=news)


def follow_wishes(connection: Connection, live: Live, person_id: int, *, now: datetime) -> Changed:
    """
    Have a person's countdowns follow what she wants and where she lives now; to be asked after either was written.

    Asking again changes nothing more.
    """
    outbox.close_gate(connection, person_id)
    given_up, handed_on = _give_up(connection, live, person_id, now)
    countdowns = [name for name, script in _about_windows(live).items() if script.campaign.entry.on is None]
    taken_up = enrollments.take_up_again(connection, person_id, countdowns, closes_from=_from(now), now=now)
    reacted = ask_again(connection, live, [person_id], now=now)
    return Changed(given_up=given_up, handed_on=handed_on, taken_up=len(taken_up), entered=reacted.entered)


def _give_up(connection: Connection, live: Live, person_id: int, now: datetime) -> tuple[tuple[str, ...], int]:
    """End what counts down to windows she wants no more; the windows, and how many countdowns go on for another."""
    unwanted = enrollments.unwanted(connection, person_id, list(_about_windows(live)))
    onward: set[int] = set()
    for name, rows in groupby(sorted(unwanted, key=lambda row: (row.campaign_id, row.id)), lambda row: row.campaign_id):
        onward |= hand_on(connection, live, name, [row.id for row in rows], now=now)
    over = [row for row in unwanted if row.id not in onward]
    for row in over:
        enrollments.end(
            connection, [row.id], state="exited", reason=Reason.NOT_WANTED, detail={"window": row.window_id}, now=now
        )
    return tuple(dict.fromkeys(row.window_id for row in over)), len(onward)


def _about_windows(live: Live) -> dict[str, Script]:
    """The campaigns that people enter for each filing window they want; paused ones too."""
    return {name: script for name, script in live.scripts.items() if script.campaign.entry.kind == "filing_window"}


def _as_words(connection: Connection, person_id: int) -> list[list[object]]:
    """What she wants, as an event keeps it."""
    return [
        [one.office_level, one.state, one.division, one.election_year, one.party_path, one.incumbent]
        for one in interests_of(connection, [person_id]).get(person_id, ())
    ]


def _from(now: datetime) -> str:
    """The day from which a window may still be ahead, wherever its office is."""
    return (now - timedelta(days=1)).date().isoformat()


# -- what is known -----------------------------------------------------------------------------------------------------

Closing = tuple[About, ...]
"""Windows that close at one time in one state."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What somebody wants to run for, and which filing windows that means."""

    interests: tuple[Interest, ...]
    closings: tuple[Closing, ...]
    """What is ahead, the nearest first; where nobody knows the closing, last."""


def wishes_of(connection: Connection, person: Person, *, now: datetime) -> Wishes:
    """What a person wants, and the filing windows of it that have not closed and that she has not filed for."""
    ahead = windows.ahead_of(connection, person.id, closes_from=_from(now))
    still = [about for about in ahead if not _is_over(about, now)]
    closings = tuple(
        tuple(group) for _, group in groupby(sorted(still, key=_order), lambda about: about.window.closing)
    )
    return Wishes(interests_of(connection, [person.id]).get(person.id, ()), closings)


def paths_in(connection: Connection, state: str, *, now: datetime) -> tuple[str, ...]:
    """The ways onto the ballot that windows ahead in a state tell apart; one or none: they do not."""
    stored = windows.listing(connection, state=state, closes_from=_from(now))
    return tuple(sorted({one.window.party_path for one in stored if one.window.party_path}))


def _order(about: About) -> tuple[object, ...]:
    closes = about.window.closes_at()
    return closes is None, closes.isoformat() if closes is not None else "", about.window.closing, about.window.id


def _is_over(about: About, now: datetime) -> bool:
    """A closing without an hour is over when its day is, on the clock of the office."""
    window, closes = about.window, about.window.closes_at()
    if closes is None:
        return False
    if window.closes_time:
        return closes <= now
    return date.fromisoformat(window.closes_on) < local_date(now, find_zone(window.zone))
