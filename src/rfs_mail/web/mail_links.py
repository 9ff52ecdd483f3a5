"""What the other links of a mail lead to: a tracked link to its target, "view in browser" to the mail itself."""

import logging
import re
from typing import Final

from fastapi import APIRouter, Request
from sqlalchemy import Connection
from starlette.background import BackgroundTask
from starlette.responses import HTMLResponse, RedirectResponse, Response

from rfs_mail.core.tokens import Kind
from rfs_mail.engine.clicks import Request as Followed
from rfs_mail.engine.clicks import find_target, record_click
from rfs_mail.engine.compose import Composer
from rfs_mail.engine.recipients import find_sent
from rfs_mail.errors import RfsMailError
from rfs_mail.web.notices import notice
from rfs_mail.web.site import Site, site_of

log = logging.getLogger(__name__)
router = APIRouter(include_in_schema=False)

MAIL_POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src https: http: data:; form-action 'none'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
"""A mail brings its own styles and pictures; nothing else of it may do anything."""

_HEAD: Final = re.compile(r"<head\b[^>]*>", re.IGNORECASE)


@router.api_route("/c/{token}/{number}", methods=["GET", "HEAD"])
async def follow(request: Request) -> Response:
    """To the target of a link of this mail. The click is written after the answer, so that nobody waits for it."""
    site = site_of(request)
    delivery_id, recipient = await site.recipient(Kind.CLICK, request)
    text = request.path_params["number"]
    number = int(text) if re.fullmatch(r"[0-9]{1,4}", text) else -1
    target = await site.look(find_target, site.app.composer, delivery_id, number)
    if target is None:
        words = "old" if recipient.addressee.step_key is None else "not_found"
        return notice(request, words, status=404, recipient=recipient)
    followed = Followed(request.method, request.headers.get("user-agent", ""))
    record = BackgroundTask(_record, site, delivery_id, number, followed)
    return RedirectResponse(target, status_code=302, background=record)


async def _record(site: Site, delivery_id: int, number: int, followed: Followed) -> None:
    """A click that cannot be written is lost; the person is where she wanted to go."""
    try:
        await site.write(record_click, delivery_id, number, followed, now=site.app.now())
    except RfsMailError as error:
        log.warning("a click is lost: %s", error, extra={"delivery": delivery_id})


@router.api_route("/v/{token}", methods=["GET", "HEAD"])
async def view(request: Request) -> Response:
    """The mail as it was sent, from the values that were stored with it."""
    site = site_of(request)
    delivery_id, recipient = await site.recipient(Kind.VIEW, request)
    html = await site.look(_render, site.app.composer, delivery_id)
    if html is None:
        return notice(request, "old", status=404, recipient=recipient)
    return HTMLResponse(html, headers={"Content-Security-Policy": MAIL_POLICY})


def _render(connection: Connection, composer: Composer, delivery_id: int) -> str | None:
    sent = find_sent(connection, delivery_id)
    if sent is None:
        return None
    try:
        _, rendered = composer.again(delivery_id, sent.made, sent.material)
    except RfsMailError as error:
        log.warning("a mail cannot be shown again: %s", error, extra={"delivery": delivery_id})
        return None
    return _HEAD.sub(lambda head: head[0] + '<meta name="robots" content="noindex, nofollow">', rendered.html, count=1)
