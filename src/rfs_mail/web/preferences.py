"""
What a person chooses: topics, a pause, "not this time", her language, a correction. One Save.

The page shows what is stored; what she leaves as it is stays. Nothing to log in to: the link in her mail is enough,
and the address is masked because mails are forwarded.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Final

from fastapi import APIRouter, Request
from sqlalchemy import Connection
from starlette.responses import HTMLResponse, Response

from rfs_mail.core.campaign import Entity
from rfs_mail.core.local_time import MIDNIGHT, find_zone, local_date, local_instant
from rfs_mail.core.person import Person
from rfs_mail.core.tokens import Kind
from rfs_mail.engine import feedback
from rfs_mail.engine.recipients import Recipient, find_recipient, topics_of
from rfs_mail.engine.wishes import wishes_of
from rfs_mail.errors import NotFoundError
from rfs_mail.web.forms import LARGE, read_form
from rfs_mail.web.notices import notice
from rfs_mail.web.offices import say_known
from rfs_mail.web.site import Site, Tongue, masked, site_of
from rfs_mail.web.unsubscribe import in_language
from rfs_mail.web.wishes import office_link
from rfs_mail.web.words import LANGUAGES, say_day, say_list, spoken

router = APIRouter(include_in_schema=False)

LONGEST_CORRECTION: Final = 500
"""Characters of what else is wrong."""

LONGEST_PAUSE: Final = timedelta(days=365)


@dataclass(slots=True)
class _Form:
    """What the fields say, as text, and what is wrong with them."""

    topics: dict[str, bool] = field(default_factory=dict)
    again: tuple[str, ...] = ()
    pause_until: str = ""
    not_now: bool = False
    not_now_was: bool = False
    language: str = ""
    correction: str = ""
    wrong: dict[str, str] = field(default_factory=dict)


@router.api_route("/p/{token}", methods=["GET", "HEAD"])
async def show(request: Request) -> Response:
    """The page as stored. Changes nothing."""
    site = site_of(request)
    delivery_id, recipient = await site.recipient(Kind.PREFERENCES, request)
    if recipient.person is None:
        return notice(request, "gone", status=410, recipient=recipient)
    return await _page(request, site, delivery_id, recipient, _stored(recipient, recipient.person))


@router.post("/p/{token}")
async def save(request: Request) -> Response:
    """Save everything, or nothing where a field cannot be read."""
    site = site_of(request)
    delivery_id, recipient = await site.recipient(Kind.PREFERENCES, request)
    fields = await read_form(request, LARGE)
    person, tongue = recipient.person, site.tongue(request, recipient)
    if person is None:
        return notice(request, "gone", status=410, recipient=recipient)
    if fields.get("not_now_was") not in ("yes", "no"):
        return notice(request, "refused", status=400, recipient=recipient)
    form = _read(recipient, fields)
    now = site.app.now()
    until = _pause(form, person, now, tongue)
    if len(form.correction) > LONGEST_CORRECTION:
        form.wrong["correction"] = tongue.say("correction_long", count=LONGEST_CORRECTION)
    if form.wrong:
        return await _page(request, site, delivery_id, recipient, form, status=422)
    wanted = feedback.Preferences(
        topics=form.topics,
        paused_until=until,
        language=form.language or None,
        not_this_time=form.not_now if form.not_now != form.not_now_was else None,
        correction=form.correction or None,
        again={one: _opt_in_text(recipient.content.entities[one], tongue) for one in form.again},
    )
    try:
        await site.write(_save, delivery_id, wanted, now)
    except NotFoundError:
        return notice(request, "gone", status=410, recipient=recipient)
    _, recipient = await site.recipient(Kind.PREFERENCES, request)
    return _saved(request, site, delivery_id, recipient, wanted)


def _save(connection: Connection, delivery_id: int, wanted: feedback.Preferences, now: datetime) -> None:
    recipient = find_recipient(connection, delivery_id)
    if recipient is None or recipient.person is None:
        raise NotFoundError("Nobody is left to have preferences.")
    feedback.save_preferences(
        connection, recipient.person.id, wanted, source="preferences page", now=now, delivery_id=delivery_id,
        campaign_id=recipient.addressee.campaign_id,
    )  # fmt: skip


# -- the fields --------------------------------------------------------------------------------------------------------


def _stored(recipient: Recipient, person: Person) -> _Form:
    not_now = person.stage == "not_now"
    zone = find_zone(person.zone)
    return _Form(
        topics={
            topic.id: topic.id not in recipient.topics_left
            for entity in recipient.sections
            for topic in topics_of(recipient.content, entity.id)
        },
        pause_until=local_date(person.paused_until, zone).isoformat() if person.paused_until else "",
        not_now=not_now,
        not_now_was=not_now,
        language=_mail_language(recipient, person),
    )


def _read(recipient: Recipient, fields: Mapping[str, str]) -> _Form:
    """What was sent, as far as the page offers it: no topic of anybody else, no language we do not write."""
    again = tuple(entity.id for entity in _may_return(recipient) if fields.get(f"again.{entity.id}") == "yes")
    topics = {
        topic.id: fields.get(f"topic.{topic.id}") == "yes"
        for entity in recipient.sections
        if entity.id not in recipient.left
        for topic in topics_of(recipient.content, entity.id)
    }
    language = fields.get("language", "")
    return _Form(
        topics=topics,
        again=again,
        pause_until=fields.get("pause_until", "").strip(),
        not_now=fields.get("not_now") == "yes",
        not_now_was=fields.get("not_now_was") == "yes",
        language=language if language in _mail_languages(recipient) else "",
        correction=" ".join(fields.get("correction", "").replace("\0", " ").split()),
    )


def _pause(form: _Form, person: Person, now: datetime, tongue: Tongue) -> datetime | None:
    """The start of that day on her clock; notes in `wrong` what cannot be."""
    if not form.pause_until:
        return None
    zone = find_zone(person.zone)
    try:
        day = date.fromisoformat(form.pause_until)
    except ValueError:
        form.wrong["pause_until"] = tongue.say("pause_unread")
        return None
    today = local_date(now, zone)
    if person.paused_until is not None and day == local_date(person.paused_until, zone) and day <= today:
        return None  # a pause that is over and that the page still showed
    if day <= today:
        form.wrong["pause_until"] = tongue.say("pause_past")
        return None
    if day > today + LONGEST_PAUSE:
        form.wrong["pause_until"] = tongue.say("pause_far")
        return None
    return local_instant(day, MIDNIGHT, zone)


def _may_return(recipient: Recipient) -> tuple[Entity, ...]:
    """Entities of the page that she has left and may opt in to again."""
    return () if recipient.barred else tuple(one for one in recipient.sections if one.id in recipient.left)


def _opt_in_text(entity: Entity, tongue: Tongue) -> str:
    return tongue.say("opt_in_text", entities=entity.name)


def _mail_languages(recipient: Recipient) -> dict[str, str]:
    """The languages the entity writes, by their own names."""
    return {one: LANGUAGES.get(spoken(one) or "", one) for one in recipient.entity.languages}


def _mail_language(recipient: Recipient, person: Person) -> str:
    offered = _mail_languages(recipient)
    base = (person.lang or "").partition("-")[0]
    return next((one for one in (person.lang, base, recipient.language) if one in offered), next(iter(offered)))


# -- pages -------------------------------------------------------------------------------------------------------------


async def _page(
    request: Request, site: Site, delivery_id: int, recipient: Recipient, form: _Form, *, status: int = 200
) -> HTMLResponse:
    tongue = site.tongue(request, recipient)
    person = recipient.person
    assert person is not None, "the callers have looked"
    wishes = await site.look(wishes_of, person, now=site.app.now())
    today = local_date(site.app.now(), find_zone(person.zone))
    return_to = {one.id for one in _may_return(recipient)}
    sections = [
        {
            "entity": entity,
            "left": entity.id in recipient.left,
            "opt_in": _opt_in_text(entity, tongue) if entity.id in return_to else "",
            "again": entity.id in form.again,
            "topics": [
                {
                    "id": topic.id,
                    "name": in_language(topic.name, tongue),
                    "about": in_language(topic.about, tongue),
                    "wanted": form.topics.get(topic.id, True),
                }
                for topic in topics_of(recipient.content, entity.id)
            ],
        }
        for entity in recipient.sections
    ]
    labels = {"pause_until": tongue.say("pause_until"), "correction": tongue.say("correction")}
    wrong = next(iter(form.wrong), "")
    title = tongue.say("not_saved", field=labels[wrong]) if wrong else tongue.say("preferences_title")
    return site.page(
        "preferences.html",
        tongue,
        title,
        entity=recipient.entity,
        posted=bool(wrong),
        status=status,
        address=masked(recipient),
        barred=recipient.barred,
        sections=sections,
        values=form,
        wrong=form.wrong,
        mail_languages=_mail_languages(recipient),
        earliest=(today + timedelta(days=1)).isoformat(),
        latest=(today + LONGEST_PAUSE).isoformat(),
        longest=LONGEST_CORRECTION,
        known=say_known(person, wishes.interests, tongue),
        fix=office_link(site.link(request, Kind.PREFERENCES, delivery_id, tongue)),
        stop=site.link(request, Kind.UNSUBSCRIBE, delivery_id, tongue) if not recipient.entity_left else "",
    )


def _saved(
    request: Request, site: Site, delivery_id: int, recipient: Recipient, wanted: feedback.Preferences
) -> HTMLResponse:
    """What was saved, in words, in the language she has just chosen."""
    tongue = site.tongue(request, recipient)
    chosen = spoken(wanted.language)
    if chosen in tongue.offered and "lang" not in request.query_params:
        tongue = Tongue(chosen or tongue.code, tongue.offered)
    person, lines = recipient.person, []
    if wanted.again and not recipient.barred:
        names = [recipient.content.entities[one].name for one in wanted.again]
        lines.append(tongue.say("saved_again", entities=say_list(names, tongue.code)))
    if person is not None and wanted.paused_until is not None:
        day = local_date(wanted.paused_until, find_zone(person.zone))
        lines.append(tongue.say("saved_paused", day=say_day(day, tongue.code)))
    if wanted.correction:
        lines.append(tongue.say("saved_correction"))
    lines.append(tongue.say("saved_text"))
    back = site.link(request, Kind.PREFERENCES, delivery_id, tongue)
    return site.page(
        "notice.html", tongue, tongue.say("saved_title"), entity=recipient.entity, posted=True, lines=lines,
        links=[(back, tongue.say("change_more"))],
    )  # fmt: skip
