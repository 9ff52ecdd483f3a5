"""
The mails about filing windows are held against the files that the windows came in.

Which window a mail is about is all that is asked of the store. What the window said when the mail went, the demo knows
from the files; what the mail says stands in the message that the receiving server got.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from rfs_mail.cli.demo.check import Books, Finding
from rfs_mail.cli.demo.deadline import Filed, Moved, Stood
from rfs_mail.cli.demo.maillog import Received

COUNTDOWN = ("filing_countdown", "window_opened", "deadline_moved")
"""The campaigns that speak of a deadline ahead."""

AFTERWARDS = ("filing_countdown", "did_you")
"""The one mail that is for the day after the closing."""

NEWS = ("deadline_moved", "moved")
NEWS_FROM = ("rfs", "deadlines")
"""Entity and topic of the news."""

NEWS_WITHIN = timedelta(days=1)
"""It goes at once, within the hours of whoever gets it."""


@dataclass(frozen=True, slots=True)
class WindowBooks:
    """What the windows said, what the mails about them say, and who must hear of the move or hear nothing more."""

    stood: Mapping[str, Sequence[Stood]]
    """Window id -> what it said, the oldest first."""
    texts: Mapping[int, str]
    """Number of a message -> its subject and text, without the foot."""
    moved: Moved | None
    filed: Sequence[Filed]


def compare_windows(books: Books, windows: WindowBooks) -> list[Finding]:
    """Every check about windows, in the order of the screen."""
    mails = list(_mails(books, windows))
    return [
        _none_after_closing(mails),
        _dates_that_stood(mails, windows),
        *([_told_of_the_move(books, windows, windows.moved)] if windows.moved is not None else ()),
        _none_after_filing(books, windows),
    ]


def count_repeats(books: Books) -> int:
    """To how many people the server accepted a step of these campaigns more than once, by its own log alone."""
    got = Counter((one.recipient.casefold(), one.campaign, one.step) for one in books.received)
    return len({who for (who, campaign, _), number in got.items() if campaign in COUNTDOWN and number > 1})


@dataclass(frozen=True, slots=True)
class _Mail:
    """A mail about a window, and what that said when the mail went; None where nobody knows of such a window."""

    received: Received
    stood: Stood | None
    before: Stood | None
    """What it said before that."""


def _mails(books: Books, windows: WindowBooks) -> Iterator[_Mail]:
    about = {one.message_id: one.window_id for one in books.recorded}
    for one in books.received:
        if one.campaign in COUNTDOWN:
            said = [was for was in windows.stood.get(about.get(one.message_id) or "", ()) if was.since <= one.date]
            yield _Mail(one, said[-1] if said else None, said[-2] if len(said) > 1 else None)


def _none_after_closing(mails: Sequence[_Mail]) -> Finding:
    """Everything left before the closing that stood when it left, and the question after it really came after it."""
    against = []
    for one in mails:
        if one.stood is None:
            against.append(f"{one.received.message_id} is about no window that is known")
            continue
        afterwards = (one.received.campaign, one.received.step) == AFTERWARDS
        if (one.received.date >= one.stood.closes_at) is not afterwards:
            when = "before" if afterwards else "after"
            against.append(f"{one.received.message_id} ({one.received.step}) left {when} the closing")
    return Finding("0 after the closing", tuple(against))


# -- what the mails say ------------------------------------------------------------------------------------------------

_MONTHS = (
    ("january", "enero"), ("february", "febrero"), ("march", "marzo"), ("april", "abril"), ("may", "mayo"),
    ("june", "junio"), ("july", "julio"), ("august", "agosto"), ("september", "septiembre"), ("october", "octubre"),
    ("november", "noviembre"), ("december", "diciembre"),
)  # fmt: skip
_MONTH = {name: number for number, names in enumerate(_MONTHS, 1) for name in names}
_ENGLISH = re.compile(rf"\b({'|'.join(english for english, _ in _MONTHS)}) (\d\d?)\b", re.IGNORECASE)
_SPANISH = re.compile(rf"\b(\d\d?) de ({'|'.join(spanish for _, spanish in _MONTHS)})\b", re.IGNORECASE)
_LEFT = re.compile(r"\b(?:in (\d+) days?|en (\d+) días?|(tomorrow|mañana)|(today|hoy))\b", re.IGNORECASE)


def days_said(text: str) -> set[tuple[int, int]]:
    """Every day that a text names, in English or Spanish, as (month, day)."""
    plain = " ".join(text.split())
    english = {(_MONTH[month.lower()], int(day)) for month, day in _ENGLISH.findall(plain)}
    return english | {(_MONTH[month.lower()], int(day)) for day, month in _SPANISH.findall(plain)}


def days_left_said(text: str) -> set[int]:
    """Every number of days that a text counts to something: `in 3 days`, `mañana`."""
    found = _LEFT.findall(" ".join(text.split()))
    return {int(english or spanish or (1 if next_day else 0)) for english, spanish, next_day, _ in found}


def _dates_that_stood(mails: Sequence[_Mail], windows: WindowBooks) -> Finding:
    """
    Each mail names the closing that stood when it left, and no day beside it but others of the window at that time.

    The news of a move names the closing before it too. Days that are counted are counted to one of those that it names.
    """
    against, new = [], 0
    for one in mails:
        text = windows.texts.get(one.received.number)
        if one.stood is None or text is None:
            continue  # told above, or not there to be read
        known = set(one.stood.days)
        if (one.received.campaign, one.received.step) == NEWS and one.before is not None:
            known |= one.before.days
        said = days_said(text)
        which = f"{one.received.message_id} ({one.received.step})"
        if _day(one.stood.closes_on) not in said:
            against.append(f"{which} does not name {one.stood.closes_on}, which stood when it left")
        against += [
            f"{which} names {month:02}-{day:02}, which did not stand when it left"
            for month, day in sorted(said - {_day(day) for day in known})
        ]
        counted = days_left_said(text) - _left(one.stood, one.received.date)
        against += [f"{which} counts {days} days to something" for days in sorted(counted)]
        new += one.before is not None
    named = f", {new:,} the new one" if windows.moved is not None else ""
    return Finding(f"{len(mails):,} name the deadline that stood{named}", tuple(against))


def _day(day: date) -> tuple[int, int]:
    return day.month, day.day


def _left(stood: Stood, at: datetime) -> set[int]:
    """How many days there are to each day of a window, on the calendar of its office."""
    today = at.astimezone(ZoneInfo(stood.zone)).date()
    return {(day - today).days for day in stood.days}


# -- who hears what ----------------------------------------------------------------------------------------------------


def _told_of_the_move(books: Books, windows: WindowBooks, moved: Moved) -> Finding:
    """The news went once to each whom it is for and who can be reached, and to nobody else."""
    times = Counter(one.recipient.casefold() for one in books.received if (one.campaign, one.step) == NEWS)
    for_whom = {address.casefold() for address in moved.warned}
    against = [f"{number} times: {who}" for who, number in times.items() if number > 1]
    strangers = times.keys() - {address.casefold() for address in moved.wanting}
    against += [f"not for {who}, who was not on the way to it" for who in sorted(strangers)]
    excused = set(_cannot_hear(books, windows, moved.at + NEWS_WITHIN))
    missing = sorted(for_whom - times.keys())
    against += [f"never told: {who}" for who in missing if who not in excused]
    rest = f", {len(missing):,} cannot be" if missing else ""
    return Finding(f"{len(times):,} told once of the move{rest}", tuple(against))


def _cannot_hear(books: Books, windows: WindowBooks, by: datetime) -> Iterator[str]:
    """Who had left by then, whose mailbox is dead, who has filed, and of whose mail nobody knows."""
    yield from (one.mailbox.casefold() for one in books.departures if one.covers(*NEWS_FROM, by))
    yield from (address.casefold() for address in books.refused.get(550, ()))
    yield from (one.recipient.casefold() for one in windows.filed)
    news = (one for one in books.recorded if (one.campaign, one.step) == NEWS and not one.arrived)
    yield from ((one.mailbox or "").casefold() for one in news)


def _none_after_filing(books: Books, windows: WindowBooks) -> Finding:
    """
    Who has filed hears nothing more of it, by the order of the server's log.

    Whoever wants another office besides goes on to that one alone.
    """
    about = {one.message_id: one.window_id for one in books.recorded}
    filed: dict[str, list[Filed]] = {}
    for one in windows.filed:
        filed.setdefault(one.recipient.casefold(), []).append(one)
    against = []
    for mail in books.received:
        if mail.campaign not in COUNTDOWN:
            continue
        against += [
            f"{mail.message_id} ({mail.step}) was accepted after its recipient had filed"
            for one in filed.get(mail.recipient.casefold(), ())
            if mail.number > one.after and (not one.left or about.get(mail.message_id) == one.window_id)
        ]
    return Finding(f"0 to the {len(filed):,} who have filed", tuple(against))
