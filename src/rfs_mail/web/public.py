"""The pages that recipients reach from their mail, and the few that every web server has."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from rfs_mail.engine.live import look
from rfs_mail.engine.recipients import find_own
from rfs_mail.web import answers, mail_links, preferences, unsubscribe, wishes
from rfs_mail.web.notices import plain
from rfs_mail.web.site import UnavailableError, site_of

router = APIRouter(include_in_schema=False)


@router.api_route("/", methods=["GET", "HEAD"])
async def home(request: Request) -> Response:
    """Who writes from here, and nothing else."""
    site = site_of(request)
    tongue = site.tongue(request)
    live = await site.look(look)
    names = [entity.name for entity in find_own(live.content)] if live is not None else []
    return site.page(
        "notice.html", tongue, tongue.say("home_title"), lines=[tongue.say("home_text")] if names else [], names=names
    )


@router.api_route("/healthz", methods=["GET", "HEAD"])
async def health(request: Request) -> Response:
    """200 where the database answers, 503 where it does not."""
    try:
        await site_of(request).look(look)
    except UnavailableError:
        return plain("the database does not answer\n", 503)
    return plain("ok\n")


@router.api_route("/robots.txt", methods=["GET", "HEAD"])
async def robots(request: Request) -> Response:
    """Nothing here is for a search engine."""
    return plain("User-agent: *\nDisallow: /\n")


for part in (unsubscribe, preferences, wishes, answers, mail_links):
    router.include_router(part.router)
