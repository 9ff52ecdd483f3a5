"""
One-tap answers: the link in a mail opens a page, the button on the page records the answer.

A scanner that follows the link changes nothing. The answer, the change the step asks for and the goals that become
true with it are one transaction.
"""

from dataclasses import dataclass
from datetime import datetime
from html.parser import HTMLParser

from sqlalchemy import Connection

from rfs_mail.core.campaign import Change, Mail
from rfs_mail.core.sequence import find_step
from rfs_mail.core.tokens import Keys
from rfs_mail.engine import changes, react
from rfs_mail.engine.compose import Composer
from rfs_mail.engine.live import Live
from rfs_mail.engine.recipients import Sent, find_sent
from rfs_mail.errors import RfsMailError
from rfs_mail.store import events, outbox
from rfs_mail.store.outbox import Addressee

EVENT = "answered"


@dataclass(frozen=True, slots=True)
class Answered:
    """What an answer did. `new` is False where it was the last answer to this mail already."""

    new: bool
    unsubscribed: bool
    """The answer asked us to stop writing."""


def read_label(connection: Connection, composer: Composer, delivery_id: int, key: str) -> str | None:
    """
    What the answer is called in the mail; its key in words where the mail has no such link.

    None where the mail does not offer this answer, or was pruned.
    """
    sent = find_sent(connection, delivery_id)
    if sent is None or _change(sent, key) is None:
        return None
    in_words = key.replace("_", " ").strip().capitalize() or key
    keys = Keys(sent.made["key"], composer.keys.secrets)
    answer = composer.urls(delivery_id, keys).answer
    try:
        _, rendered = composer.again(delivery_id, sent.made, sent.material)
    except RfsMailError:
        return in_words
    return (link_text(rendered.html, answer(key)) if answer is not None else "") or in_words


def record_answer(
    connection: Connection, live: Live, addressee: Addressee, key: str, *, now: datetime
) -> Answered | None:
    """
    Record an answer and make the change it stands for; then her goals and exits are asked, in this transaction.

    The same answer again changes nothing. Another answer to the same mail counts as well: people change their mind.
    None where the mail offers no such answer, or where the person or the mail is gone.
    """
    sent = find_sent(connection, addressee.delivery_id)
    change = _change(sent, key) if sent is not None else None
    if sent is None or change is None or addressee.person_id is None:
        return None
    who, campaign, step_key = addressee.person_id, sent.material.campaign, sent.row.step_key
    outbox.close_gate(connection, who)
    outbox.resolve_sent(connection, [addressee.delivery_id], detail={"proof": "answer"})
    earlier = events.of_delivery(connection, addressee.delivery_id, EVENT)
    unsubscribed = change.unsubscribe is not None
    if earlier and earlier[-1].value == key:
        return Answered(new=False, unsubscribed=unsubscribed)
    # The first time an answer is given its key is plain; a return to it is numbered, so that two presses are one.
    again = f":{len(earlier)}" if any(one.value == key for one in earlier) else ""
    recorded = events.add_event(
        connection, who, EVENT, ref=step_key, value=key, at=now, now=now, active=True,
        campaign_id=addressee.campaign_id, enrollment_id=addressee.enrollment_id, delivery_id=addressee.delivery_id,
        key=f"answer:{addressee.delivery_id}:{key}{again}",
    )  # fmt: skip
    if recorded is None:
        return Answered(new=False, unsubscribed=unsubscribed)
    changes.apply_change(
        connection, live, campaign, change, [who],
        enrollments_of={who: addressee.enrollment_id} if addressee.enrollment_id is not None else {},
        step_key=step_key, answer=key, now=now, delivery_id=addressee.delivery_id, active=True,
    )  # fmt: skip
    react.ask_again(connection, live, [who], now=now)
    return Answered(new=True, unsubscribed=unsubscribed)


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
