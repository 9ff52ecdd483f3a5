"""
One-tap answers: the link opens a page with one button, and only the button counts.

Where an answer is about a filing window and the mail was about several, she ticks those that she means.
"""

from datetime import date, datetime

from fastapi import APIRouter, Request
from sqlalchemy import Connection
from starlette.responses import Response

from rfs_mail.core.filing_windows import FilingWindow
from rfs_mail.core.filing_words import office_name
from rfs_mail.core.tokens import Kind
from rfs_mail.core.zones import STATES
from rfs_mail.engine.answers import Answered, Offer, read_offer, record_answer
from rfs_mail.engine.live import look
from rfs_mail.engine.recipients import Recipient, find_recipient
from rfs_mail.web.forms import read_form
from rfs_mail.web.notices import notice
from rfs_mail.web.site import Site, Tongue, masked, site_of
from rfs_mail.web.words import say_day, say_list

router = APIRouter(include_in_schema=False)


@router.api_route("/a/{token}/{key}", methods=["GET", "HEAD"])
async def show(request: Request) -> Response:
    """The page with the button. Changes nothing."""
    site = site_of(request)
    delivery_id, recipient = await site.recipient(Kind.ANSWER, request)
    offer = await site.look(read_offer, site.app.composer, delivery_id, request.path_params["key"])
    if offer is None or recipient.person is None:
        return notice(request, "old" if recipient.addressee.step_key is None else "not_found", status=404,
                      recipient=recipient)  # fmt: skip
    return _ask(request, site, recipient, offer)


@router.post("/a/{token}/{key}")
async def record(request: Request) -> Response:
    """Record the answer; the same one again is said to be noted as well."""
    site = site_of(request)
    delivery_id, recipient = await site.recipient(Kind.ANSWER, request)
    form = await read_form(request)
    key = request.path_params["key"]
    chosen = [name.removeprefix(FIELD) for name in form if name.startswith(FIELD)]
    offer = await site.look(read_offer, site.app.composer, delivery_id, key)
    answered = await site.write(_record, delivery_id, key, chosen, site.app.now()) if offer is not None else None
    if offer is None or answered is None:
        return notice(request, "old" if recipient.addressee.step_key is None else "not_found", status=404,
                      recipient=recipient, posted=True)  # fmt: skip
    if answered.unclear:
        return _ask(request, site, recipient, offer, unclear=True)
    tongue = site.tongue(request, recipient)
    lines = [tongue.say("answer_stopped")] if answered.unsubscribed else []
    if answered.windows:
        names = say_list([_name(one, tongue) for one in answered.windows], tongue.code)
        lines.append(tongue.say("answer_for", offices=names))
    return site.page(
        "notice.html", tongue, tongue.say("answer_done", label=offer.label), entity=recipient.entity, posted=True,
        lines=[*lines, tongue.say("answer_change")],
        links=[(site.link(request, Kind.PREFERENCES, delivery_id, tongue), tongue.say("choose"))],
    )  # fmt: skip


def _ask(request: Request, site: Site, recipient: Recipient, offer: Offer, *, unclear: bool = False) -> Response:
    """The page with the button and, where the mail was about several offices, a box to tick for each."""
    tongue = site.tongue(request, recipient)
    offices = [
        {
            "field": FIELD + one.window.id,
            "id": one.window.id,
            "name": _name(one.window, tongue),
            "closes": _closes(one.window, tongue),
            "chosen": one.chosen and not unclear,
        }
        for one in offer.choices
    ]
    return site.page(
        "answer.html", tongue, tongue.say("answer_which_title" if unclear else "answer_title"),
        entity=recipient.entity, label=offer.label, address=masked(recipient), offices=offices, unclear=unclear,
        posted=unclear, status=422 if unclear else 200,
    )  # fmt: skip


FIELD = "window."
"""What the names of the boxes begin with; the id of a filing window follows."""


def _name(window: FilingWindow, tongue: Tongue) -> str:
    """`School board, Wisconsin`."""
    office = office_name(window.office, window.office_level, tongue.code)
    office = office[:1].upper() + office[1:]
    return ", ".join(part for part in (office, window.jurisdiction or STATES.get(window.state, window.state)) if part)


def _closes(window: FilingWindow, tongue: Tongue) -> str:
    if not window.closes_on:
        return ""
    return tongue.say("answer_deadline", day=say_day(date.fromisoformat(window.closes_on), tongue.code))


def _record(connection: Connection, delivery_id: int, key: str, chosen: list[str], now: datetime) -> Answered | None:
    recipient, live = find_recipient(connection, delivery_id), look(connection)
    if recipient is None or live is None:
        return None
    return record_answer(connection, live, recipient.addressee, key, windows=chosen, now=now)
