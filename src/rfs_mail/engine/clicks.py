"""
A tracked link is followed: where it leads, and who it was.

The destination is looked up by delivery and number, never taken from the request, so that nobody can send people
elsewhere through us.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from rfs_mail.core import clicks
from rfs_mail.engine import feedback
from rfs_mail.engine.compose import Composer
from rfs_mail.engine.recipients import find_sent
from rfs_mail.errors import RfsMailError
from rfs_mail.store import events, outbox

LONGEST_AGENT = 300
"""Characters of a user agent that are kept."""


def find_target(connection: Connection, composer: Composer, delivery_id: int, number: int) -> str | None:
    """Where link `number` of a mail leads; None where there is no such link, or no such mail any more."""
    sent = find_sent(connection, delivery_id)
    if sent is None:
        return None
    try:
        return composer.link_target(delivery_id, sent.made, sent.material, number)
    except RfsMailError:
        return None


@dataclass(frozen=True, slots=True)
class Request:
    """What is known of whoever followed a link. No address of a machine: it is not needed."""

    method: str
    user_agent: str


def record_click(
    connection: Connection, delivery_id: int, number: int, request: Request, *, now: datetime
) -> clicks.Judged | None:
    """
    Record a click with what the rule says of it; None where the delivery is gone.

    Several links in one second are a scanner's: then the earlier ones of that second are judged again as well.
    """
    row = outbox.get(connection, delivery_id)
    addressee = outbox.addressee(connection, delivery_id)
    if row is None or addressee is None:
        return None
    near = events.of_delivery(connection, delivery_id, "clicked", since=now - clicks.SAME_MOMENT)
    others = [one for one in near if one.at <= now and one.detail.get("link") != number]
    sent_at = row.sending_at or row.settled_at
    agent = request.user_agent[:LONGEST_AGENT]
    visit = clicks.Visit(
        request.method,
        agent,
        now - sent_at if sent_at is not None else None,
        len({one.detail.get("link") for one in others}),
    )
    judged = clicks.judge(visit)
    detail = {"rule": clicks.RULE, "because": judged.because, "method": request.method, "user_agent": agent}
    feedback.click(connection, addressee, link=number, kind=judged.kind.value, now=now, detail=detail)
    for one in others:
        if one.value != clicks.Kind.MACHINE:
            known = {**one.detail, "rule": clicks.RULE, "because": "many_links", "first_seen_as": one.value}
            events.judge_again(connection, one.id, value=clicks.Kind.MACHINE.value, active=False, detail=known)
    return judged
