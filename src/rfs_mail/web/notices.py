"""Pages that say in a plain sentence what went wrong, and what to do. Never a bare status."""

from urllib.parse import quote

from fastapi import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response

from rfs_mail.core.campaign import Entity
from rfs_mail.engine.live import look
from rfs_mail.engine.recipients import Recipient, find_own
from rfs_mail.web.site import Site, Tongue, UnavailableError, site_of

Contact = tuple[str, str, str]
"""Name, mailto address, and the address as it is read."""


def contact_of(entity: Entity) -> Contact | None:
    """Where to write to leave an entity by hand; None where it has no address."""
    address = entity.reply_to or entity.from_address
    return (entity.name, f"mailto:{quote(address, safe='@')}?subject=unsubscribe", address) if address else None


async def damaged(request: Request, status: int = 404) -> HTMLResponse:
    """A link that we did not make: a sentence, and whom to write to, since nobody knows whose mail it was from."""
    site, tongue = site_of(request), site_of(request).tongue(request)
    contacts = await _all_contacts(site)
    return site.page(
        "notice.html",
        tongue,
        tongue.say("damaged_title"),
        status=status,
        lines=[tongue.say("damaged_text")],
        help=tongue.say("damaged_help") if contacts else "",
        contacts=contacts,
    )


async def _all_contacts(site: Site) -> list[Contact]:
    try:
        live = await site.look(look)
    except UnavailableError:
        return []
    entities = find_own(live.content) if live is not None else ()
    return [contact for entity in entities if (contact := contact_of(entity)) is not None]


def notice(
    request: Request,
    words: str,
    *,
    status: int,
    recipient: Recipient | None = None,
    tongue: Tongue | None = None,
    posted: bool = False,
) -> HTMLResponse:
    """A title and a sentence, `words` being their key without `_title` and `_text`; and the entity's website."""
    site = site_of(request)
    tongue = tongue or site.tongue(request, recipient)
    entity = recipient.entity if recipient is not None else None
    links = []
    if entity is not None and entity.website.startswith(("https://", "http://")):
        shown = entity.website.partition("://")[2].rstrip("/")
        links.append((entity.website, tongue.say("website", website=shown)))
    return site.page(
        "notice.html",
        tongue,
        tongue.say(f"{words}_title"),
        entity=entity,
        status=status,
        posted=posted,
        lines=[tongue.say(f"{words}_text")],
        links=links,
    )


def later(request: Request) -> Response:
    """Our side is not working: say so, and when to come back."""
    answer = notice(request, "later", status=503)
    answer.headers["Retry-After"] = "60"
    return answer


def plain(text: str, status: int = 200) -> PlainTextResponse:
    """A few words for a machine."""
    return PlainTextResponse(text, status_code=status)
