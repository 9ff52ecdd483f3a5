"""
One-tap answers: the link in a mail opens a page, the button on the page records the answer.

A scanner that follows the link changes nothing. The answer, the change the step asks for and the goals that become
true with it are one transaction. An answer that says how far she is with a filing window ("Yes, I filed") is about the
window of the mail; where the mail was about several that close together, the page asks her which.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from html.parser import HTMLParser

from sqlalchemy import Connection

from rfs_mail.core.campaign import Change, Mail
from rfs_mail.core.filing_windows import FilingWindow
from rfs_mail.core.sequence import find_step
from rfs_mail.core.tokens import Keys
from rfs_mail.engine import changes, react
from rfs_mail.engine.compose import Composer
from rfs_mail.engine.live import Live
from rfs_mail.engine.recipients import Sent, find_sent
from rfs_mail.errors import RfsMailError
from rfs_mail.store import candidacies, events, outbox
from rfs_mail.store import windows as stored
from rfs_mail.store.outbox import Addressee
from rfs_mail.store.types import AnyRow

EVENT = "answered"


@dataclass(frozen=True, slots=True)
class Choice:
    """A filing window that an answer may be about. `chosen`: her last such answer was, or there is no other."""

    window: FilingWindow
    chosen: bool


@dataclass(frozen=True, slots=True)
class Offer:
    """An answer that a mail offers: what the mail calls it, and the windows it may be about, the mail's own first."""

    label: str
    choices: tuple[Choice, ...] = ()


@dataclass(frozen=True, slots=True)
class Answered:
    """What an answer did. `new` is False where it was the last answer to this mail already."""

    new: bool
    unsubscribed: bool
    """The answer asked us to stop writing."""
    windows: tuple[FilingWindow, ...] = ()
    """The filing windows that it counts for."""
    unclear: bool = False
    """It may be about several windows and named none of them: nothing was recorded."""


def read_offer(connection: Connection, composer: Composer, delivery_id: int, key: str) -> Offer | None:
    """
    What the answer is called in the mail (its key in words where the mail has no such link), and what it may be about.

    None where the mail does not offer this answer, or was pruned.
    """
    sent = find_sent(connection, delivery_id)
    change = _change(sent, key) if sent is not None else None
    if sent is None or change is None:
        return None
    in_words = key.replace("_", " ").strip().capitalize() or key
    keys = Keys(sent.made["key"], composer.keys.secrets)
    answer = composer.urls(delivery_id, keys).answer
    label = ""
    try:
        _, rendered = composer.again(delivery_id, sent.made, sent.material)
        label = link_text(rendered.html, answer(key)) if answer is not None else ""
    except RfsMailError:
        pass
    earlier = events.of_delivery(connection, delivery_id, EVENT)
    about = _may_be_about(connection, sent, change, earlier)
    last = earlier[-1].detail.get("windows", []) if earlier and earlier[-1].value == key else []
    choices = tuple(Choice(one, len(about) == 1 or one.id in last) for one in about)
    return Offer(label or in_words, choices)


def record_answer(
    connection: Connection, live: Live, addressee: Addressee, key: str, *, windows: Sequence[str] = (), now: datetime
) -> Answered | None:
    """
    Record an answer and make the change it stands for; then her goals and exits are asked, in this transaction.

    The same answer again changes nothing. Another answer to the same mail counts as well: people change their mind. One
    that sets a stage takes back what the one before it said of a filing window; one that asks for help with the second
    office leaves the first as it is. `windows` are those that she chose, by id; they need not be named where the mail
    is about one. None where the mail offers no such answer, or where the person or the mail is gone.
    """
    sent = find_sent(connection, addressee.delivery_id)
    change = _change(sent, key) if sent is not None else None
    if sent is None or change is None or addressee.person_id is None:
        return None
    who, campaign, step_key = addressee.person_id, sent.material.campaign, sent.row.step_key
    earlier = events.of_delivery(connection, addressee.delivery_id, EVENT)
    unsubscribed = change.unsubscribe is not None
    offered = _may_be_about(connection, sent, change, earlier)
    chosen = offered if len(offered) == 1 and not windows else tuple(one for one in offered if one.id in windows)
    if offered and not chosen:
        return Answered(new=False, unsubscribed=unsubscribed, unclear=True)
    outbox.close_gate(connection, who)
    outbox.resolve_sent(connection, [addressee.delivery_id], detail={"proof": "answer"})
    named = [one.id for one in chosen]
    last = earlier[-1] if earlier else None
    if last is not None and last.value == key and sorted(last.detail.get("windows", [])) == sorted(named):
        return Answered(new=False, unsubscribed=unsubscribed, windows=chosen)
    # The first time an answer is given its key is plain; a return to it is numbered, so that two presses are one.
    again = f":{len(earlier)}" if any(one.value == key for one in earlier) else ""
    said = next((one for one in reversed(earlier) if one.detail.get("windows")), None)
    before = _before(connection, who, named, said)
    detail = {"windows": named, "before": before} if named else {}
    recorded = events.add_event(
        connection, who, EVENT, ref=step_key, value=key, at=now, now=now, active=True,
        campaign_id=addressee.campaign_id, enrollment_id=addressee.enrollment_id, delivery_id=addressee.delivery_id,
        window_id=sent.row.window_id, key=f"answer:{addressee.delivery_id}:{key}{again}", detail=detail,
    )  # fmt: skip
    if recorded is None:
        return Answered(new=False, unsubscribed=unsubscribed, windows=chosen)
    if said is not None and "stage" in change.set:
        _take_back(connection, who, addressee.delivery_id, said, named, now)
    about = named or ([sent.row.window_id] if sent.row.window_id is not None else [])
    changes.apply_change(
        connection, live, campaign, change, [who],
        enrollments_of={who: addressee.enrollment_id} if addressee.enrollment_id is not None else {},
        step_key=step_key, answer=key, now=now, delivery_id=addressee.delivery_id, active=True,
        windows_of={who: about},
    )  # fmt: skip
    react.ask_again(connection, live, [who], now=now)
    return Answered(new=True, unsubscribed=unsubscribed, windows=chosen)


def _may_be_about(
    connection: Connection, sent: Sent, change: Change, earlier: Sequence[AnyRow]
) -> tuple[FilingWindow, ...]:
    """
    The windows that an answer may be about, the mail's own first; none where it says nothing of a window.

    Those that the mail is about now, and those that an answer to it was about, so that she can correct it.
    """
    if not changes.is_window_stage(sent.material.campaign, change):
        return ()
    found = {one.window.id: one.window for one in stored.of_deliveries(connection, [sent.row.id]).get(sent.row.id, ())}
    told = {name for one in earlier for name in one.detail.get("windows", [])} - found.keys()
    found |= {one.window.id: one.window for one in stored.listing(connection, ids=sorted(told))}
    return tuple(found.values())


def _before(connection: Connection, who: int, named: Sequence[str], said: AnyRow | None) -> dict[str, str]:
    """
    Window -> how far she was with it before she answered this mail at all, of those where she had begun.

    `said` is the last answer to it that was about windows.
    """
    known = dict(candidacies.statuses_of(connection, who, named))
    for name in said.detail["windows"] if said is not None else ():
        known.pop(name, None)
        known |= {name: said.detail["before"][name]} if said is not None and name in said.detail["before"] else {}
    return {name: status for name, status in known.items() if name in named}


def _take_back(
    connection: Connection, who: int, delivery_id: int, said: AnyRow, named: Sequence[str], now: datetime
) -> None:
    """What her last answer about windows said, and the new one does not, is as it was before that."""
    evidence = changes.answer_evidence(delivery_id)
    for name in said.detail["windows"]:
        if name in named or not candidacies.take_back(connection, who, name, evidence=evidence):
            continue
        was = said.detail["before"].get(name)
        if was is not None:
            candidacies.set_status(connection, who, name, was, evidence=f"before {evidence}", now=now)


def _change(sent: Sent, key: str) -> Change | None:
    """What the answer stands for, in the revision the mail was sent by: that is what she has read."""
    step = find_step(sent.material.campaign, sent.row.step_key)
    return step.action.answers.get(key) if step is not None and isinstance(step.action, Mail) else None


def link_text(html: str, url: str) -> str:
    """The text of the first link to `url`, as one line; empty where there is none."""
    finder = _LinkText(url)
    finder.feed(html)
    finder.close()
    return " ".join("".join(finder.pieces).split())


class _LinkText(HTMLParser):
    def __init__(self, url: str) -> None:
        super().__init__()
        self.pieces: list[str] = []
        self._url = url
        self._inside = self._done = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a" and not self._done and dict(attrs).get("href") == self._url:
            self._inside = True

    def handle_endtag(self, tag: str) -> None:
        if tag == "a" and self._inside:
            self._inside, self._done = False, True

    def handle_data(self, data: str) -> None:
        if self._inside:
            self.pieces.append(data)
