"""
Leaving: the one-click of RFC 8058, the page behind the link in the body, and its undo.

The same address serves both: a mail client posts `List-Unsubscribe=One-Click` and wants no page; a person opens it,
chooses and presses the button. Opening it changes nothing, because software follows links too.
"""

import asyncio
import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from fastapi import APIRouter, Request
from sqlalchemy import Connection
from starlette.responses import HTMLResponse, Response

from rfs_mail.core.tokens import PROBE, Kind
from rfs_mail.engine import feedback
from rfs_mail.engine.recipients import Recipient, find_recipient
from rfs_mail.engine.spool import spool_unsubscribe
from rfs_mail.errors import StoreError, TokenError
from rfs_mail.web.forms import read_form
from rfs_mail.web.notices import contact_of, notice, plain
from rfs_mail.web.site import Site, Tongue, UnavailableError, masked, site_of
from rfs_mail.web.words import say_list

log = logging.getLogger(__name__)
router = APIRouter(include_in_schema=False)

ONE_CLICK_DONE: Final = "You are unsubscribed.\n"
"""What a mail client gets, each time the same (RFC 8058 section 3.1: no redirect, no cookie, nothing to log in to)."""


@router.api_route("/u/{token}", methods=["GET", "HEAD"])
async def show(request: Request) -> Response:
    """The page behind the link. Changes nothing."""
    site = site_of(request)
    try:
        delivery_id, recipient = await site.recipient(Kind.UNSUBSCRIBE, request)
    except UnavailableError:
        return _plain_page(request, site)
    return _page(request, site, delivery_id, recipient)


@router.post("/u/{token}")
async def leave(request: Request) -> Response:
    """
    One-click, or the button of the page. Raises FormError for a body that is neither, and nothing happens.

    Where the database does not answer, the unsubscribe is kept on disk and the answer is the same.
    """
    site = site_of(request)
    delivery_id = site.delivery_id(Kind.UNSUBSCRIBE, request)
    form = await read_form(request)
    if form.get("List-Unsubscribe", "").strip() == "One-Click":
        if delivery_id == PROBE:  # only this installation can seal it, and there is nothing to change
            return plain(ONE_CLICK_DONE)
        await _leave(site, request, delivery_id, "entity", "one-click")
        return plain(ONE_CLICK_DONE)
    scope = form.get("scope")
    if scope not in feedback.SCOPES:
        return notice(request, "refused", status=400)
    await _leave(site, request, delivery_id, scope, "unsubscribe page")
    try:
        _, recipient = await site.recipient(Kind.UNSUBSCRIBE, request)
    except UnavailableError:
        return _kept_page(request, site)
    return _left_page(request, site, delivery_id, recipient, scope)


@router.post("/u/{token}/undo")
async def undo(request: Request) -> Response:
    """
    Take it back: a recorded opt-in, with the words that stood beside the button.

    Where the words have changed since the page was shown, nothing is recorded and the page is shown anew.
    """
    site = site_of(request)
    delivery_id, recipient = await site.recipient(Kind.UNSUBSCRIBE, request)
    form = await read_form(request)
    tongue = site.tongue(request, recipient)
    scope = form.get("scope")
    if scope not in ("entity", "topic"):
        return notice(request, "refused", status=400, recipient=recipient)
    undone = await site.write(_undo, delivery_id, scope, form.get("text", ""), tongue, now=site.app.now())
    _, recipient = await site.recipient(Kind.UNSUBSCRIBE, request)
    if undone is None:
        return _page(request, site, delivery_id, recipient, status=409)
    return _back_page(request, site, delivery_id, recipient, scope, undone)


# -- transactions ------------------------------------------------------------------------------------------------------


async def _leave(site: Site, request: Request, delivery_id: int, scope: str, source: str) -> None:
    """Unsubscribe, in the database or else in the spool. Raises TokenError for a delivery that is not known."""
    now = site.app.now()
    try:
        done = await site.write(feedback.unsubscribe_by_link, delivery_id, scope=scope, source=source, now=now)
    except StoreError:
        log.warning("an unsubscribe is kept in the spool", extra={"delivery": delivery_id})
        token = request.path_params["token"]
        await asyncio.to_thread(spool_unsubscribe, site.app.settings.folder, token, scope, at=now)
        return
    if done is None:
        raise TokenError("No mail belongs to this link. Copy the whole link from the mail.")


@dataclass(frozen=True, slots=True)
class _Undone:
    """What an undo came to."""

    mailable: bool
    names: tuple[str, ...]
    """Who may write again."""


def _undo(
    connection: Connection, delivery_id: int, scope: str, agreed_to: str, tongue: Tongue, *, now: datetime
) -> _Undone | None:
    """None where she did not agree to these words, or where nobody is left to agree."""
    recipient = find_recipient(connection, delivery_id)
    if recipient is None or recipient.person is None:
        return None
    text = _undo_text(recipient, scope, tongue)
    if text is None:  # it was undone before, or cannot be
        return _Undone(not recipient.barred and not recipient.entity_left, (recipient.entity.name,))
    if agreed_to != text:
        return None
    if scope == "topic":
        topic = recipient.addressee.topic
        feedback.rejoin_topic(connection, recipient.person.id, topic, text=text, source="undo", now=now)
        return _Undone(not recipient.barred, (recipient.entity.name,))
    back = recipient.returns_to
    mailable = feedback.opt_in(
        connection, recipient.person.id, tuple(one.id for one in back), text=text, source="undo", now=now
    )
    return _Undone(mailable, tuple(one.name for one in back))


def _undo_text(recipient: Recipient, scope: str, tongue: Tongue) -> str | None:
    """What the button records, word for word; None where there is nothing to take back."""
    if scope == "topic":
        if recipient.topic is None or recipient.topic.id not in recipient.topics_left or recipient.entity_left:
            return None
        if recipient.person is None:
            return None
        name = in_language(recipient.topic.name, tongue)
        return tongue.say("opt_in_topic_text", topic=name, entity=recipient.entity.name)
    back = recipient.returns_to
    return tongue.say("opt_in_text", entities=say_list([one.name for one in back], tongue.code)) if back else None


# -- pages -------------------------------------------------------------------------------------------------------------


def _page(request: Request, site: Site, delivery_id: int, recipient: Recipient, *, status: int = 200) -> HTMLResponse:
    """The page as it is now: what can be stopped, or that it is stopped."""
    tongue = site.tongue(request, recipient)
    entity = recipient.entity
    if recipient.entity_left:
        return site.page(
            "stopped.html", tongue, tongue.say("is_left", entity=entity.name), entity=entity, status=status,
            address=masked(recipient), lines=[tongue.say("is_left_text")],
            undo=_undo_form(request, recipient, "entity", tongue), preferences=None,
            here=_here(request),
        )  # fmt: skip
    topic_undo = _undo_form(request, recipient, "topic", tongue)
    topic_left = topic_undo is not None and recipient.topic is not None
    return site.page(
        "stop.html", tongue, tongue.say("stop_title", entity=entity.name), entity=entity, status=status,
        address=masked(recipient), choices=_choices(recipient, tongue),
        note=tongue.say("topic_is_left", topic=in_language(recipient.topic.name, tongue))
        if topic_left and recipient.topic
        else "",
        undo=topic_undo, preferences=_preferences(request, site, delivery_id, recipient, tongue),
        here=_here(request),
    )  # fmt: skip


def _choices(recipient: Recipient, tongue: Tongue) -> list[dict[str, str]]:
    entity = recipient.entity
    choices = [{"value": "entity", "label": tongue.say("scope_entity", entity=entity.name), "help": ""}]
    if recipient.topic is not None and recipient.other_topics and recipient.topic.id not in recipient.topics_left:
        kept = [f"“{in_language(one.name, tongue)}”" for one in recipient.other_topics]
        choices.append(
            {
                "value": "topic",
                "label": tongue.say("scope_topic", topic=in_language(recipient.topic.name, tongue)),
                "help": tongue.say("scope_topic_keeps", topics=say_list(kept, tongue.code)),
            }
        )
    if recipient.partners:
        names = [entity.name, *(one.name for one in recipient.partners)]
        choices.append(
            {
                "value": "partners",
                "label": tongue.say("scope_partners"),
                "help": tongue.say("scope_partners_names", entities=say_list(names, tongue.code)),
            }
        )
    return choices


def _left_page(request: Request, site: Site, delivery_id: int, recipient: Recipient, scope: str) -> HTMLResponse:
    tongue = site.tongue(request, recipient)
    entity, lines = recipient.entity, [tongue.say("on_its_way")]
    if scope == "topic":
        name = in_language(recipient.topic.name, tongue) if recipient.topic else recipient.addressee.topic
        title = tongue.say("done_topic", topic=name)
        kept = [
            f"“{in_language(one.name, tongue)}”"
            for one in recipient.other_topics
            if one.id not in recipient.topics_left
        ]
        if kept and not recipient.entity_left:
            lines.insert(0, tongue.say("goes_on", topics=say_list(kept, tongue.code), entity=entity.name))
    else:
        left = [entity.name] + ([one.name for one in recipient.partners] if scope == "partners" else [])
        title = tongue.say("done_entity", entities=say_list(left, tongue.code))
    return site.page(
        "stopped.html", tongue, title, entity=entity, posted=True, address=masked(recipient), lines=lines,
        undo=_undo_form(request, recipient, "topic" if scope == "topic" else "entity", tongue),
        preferences=_preferences(request, site, delivery_id, recipient, tongue) if scope == "topic" else None,
        here=_here(request),
    )  # fmt: skip


def _back_page(
    request: Request, site: Site, delivery_id: int, recipient: Recipient, scope: str, undone: _Undone
) -> HTMLResponse:
    tongue = site.tongue(request, recipient)
    entity, here = recipient.entity, _here(request)
    if not undone.mailable:
        contact = contact_of(entity)
        return site.page(
            "notice.html", tongue, tongue.say("barred_title"), entity=entity, posted=True, here=here,
            lines=[], help=tongue.say("barred_text"), contacts=[contact] if contact else [],
        )  # fmt: skip
    if scope == "topic" and recipient.topic is not None:
        title = tongue.say("back_topic_title", topic=in_language(recipient.topic.name, tongue))
    else:
        title = tongue.say("back_title", entities=say_list(undone.names, tongue.code))
    return site.page(
        "stopped.html", tongue, title, entity=entity, posted=True, here=here, address=masked(recipient),
        lines=[tongue.say("back_text")], preferences=_preferences(request, site, delivery_id, recipient, tongue),
    )  # fmt: skip


def _plain_page(request: Request, site: Site) -> HTMLResponse:
    """The page where the database does not answer: without names, but with a button that works."""
    tongue = site.tongue(request)
    choice = {"value": "entity", "label": tongue.say("scope_entity_plain"), "help": ""}
    return site.page(
        "stop.html", tongue, tongue.say("stop_plain_title"), status=503, choices=[choice],
        note=tongue.say("later_button_works"),
    )  # fmt: skip


def _kept_page(request: Request, site: Site) -> HTMLResponse:
    tongue = site.tongue(request)
    return site.page("stopped.html", tongue, tongue.say("done_plain"), posted=True, lines=[tongue.say("on_its_way")])


def _undo_form(request: Request, recipient: Recipient, scope: str, tongue: Tongue) -> dict[str, str] | None:
    text = _undo_text(recipient, scope, tongue)
    if text is None:
        return None
    token = request.path_params["token"]
    action = "undo" if request.url.path.endswith("/undo") else f"{token}/undo"
    return {"action": f"{action}?lang={tongue.code}", "text": text, "scope": scope}


def _preferences(request: Request, site: Site, delivery_id: int, recipient: Recipient, tongue: Tongue) -> str | None:
    """The address of her preferences; None where nobody is left to have any."""
    return site.link(request, Kind.PREFERENCES, delivery_id, tongue) if recipient.person is not None else None


def _here(request: Request) -> str:
    """Where GET shows this page: the answer to an undo has no page of its own."""
    return f"../{request.path_params['token']}" if request.url.path.endswith("/undo") else ""


def in_language(texts: dict[str, str], tongue: Tongue) -> str:
    """A text of an entity or a topic in the page's language, else in English, else in whatever there is."""
    return texts.get(tongue.code) or texts.get("en") or next(iter(texts.values()), "")
