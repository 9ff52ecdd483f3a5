"""One-tap answers: the link opens a page with one button, and only the button counts."""

from datetime import datetime

from fastapi import APIRouter, Request
from sqlalchemy import Connection
from starlette.responses import Response

from rfs_mail.core.tokens import Kind
from rfs_mail.engine.answers import Answered, read_label, record_answer
from rfs_mail.engine.live import look
from rfs_mail.engine.recipients import find_recipient
from rfs_mail.web.forms import read_form
from rfs_mail.web.notices import notice
from rfs_mail.web.site import masked, site_of

router = APIRouter(include_in_schema=False)


@router.api_route("/a/{token}/{key}", methods=["GET", "HEAD"])
async def show(request: Request) -> Response:
    """The page with the button. Changes nothing."""
    site = site_of(request)
    delivery_id, recipient = await site.recipient(Kind.ANSWER, request)
    label = await site.look(read_label, site.app.composer, delivery_id, request.path_params["key"])
    if label is None or recipient.person is None:
        return notice(request, "old" if recipient.addressee.step_key is None else "not_found", status=404,
                      recipient=recipient)  # fmt: skip
    tongue = site.tongue(request, recipient)
    return site.page(
        "answer.html", tongue, tongue.say("answer_title"), entity=recipient.entity, label=label,
        address=masked(recipient),
    )  # fmt: skip


@router.post("/a/{token}/{key}")
async def record(request: Request) -> Response:
    """Record the answer; the same one again is said to be noted as well."""
    site = site_of(request)
    delivery_id, recipient = await site.recipient(Kind.ANSWER, request)
    await read_form(request)
    key = request.path_params["key"]
    label = await site.look(read_label, site.app.composer, delivery_id, key)
    answered = await site.write(_record, delivery_id, key, site.app.now()) if label is not None else None
    if answered is None:
        return notice(request, "old" if recipient.addressee.step_key is None else "not_found", status=404,
                      recipient=recipient, posted=True)  # fmt: skip
    tongue = site.tongue(request, recipient)
    lines = [tongue.say("answer_stopped")] if answered.unsubscribed else []
    return site.page(
        "notice.html", tongue, tongue.say("answer_done", label=label), entity=recipient.entity, posted=True,
        lines=[*lines, tongue.say("answer_change")],
        links=[(site.link(request, Kind.PREFERENCES, delivery_id, tongue), tongue.say("choose"))],
    )  # fmt: skip


def _record(connection: Connection, delivery_id: int, key: str, now: datetime) -> Answered | None:
    recipient, live = find_recipient(connection, delivery_id), look(connection)
    if recipient is None or live is None:
        return None
    return record_answer(connection, live, recipient.addressee, key, now=now)
