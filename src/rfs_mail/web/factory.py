"""One FastAPI app of an opened `App`: routes, answers to what goes wrong, and the headers that every answer carries."""

from datetime import timedelta

from fastapi import FastAPI, Request
from fastapi.exception_handlers import http_exception_handler
from starlette.exceptions import HTTPException
from starlette.responses import Response

from rfs_mail.app import App
from rfs_mail.errors import StoreError, TokenError
from rfs_mail.web import notices, public
from rfs_mail.web.forms import FormError
from rfs_mail.web.headers import StandingHeaders, standing_headers
from rfs_mail.web.site import PATIENCE, Site

MACHINES = ("/api/",)
"""Paths that are asked by programs: they get JSON where a person gets a page."""


def create_web(app: App, *, patience: timedelta = PATIENCE) -> FastAPI:
    """
    The web side of an app: nothing starts here and nothing is changed; the server's loop does the rest.

    `patience` is how long a page waits for the database; after that an unsubscribe goes to the spool and every other
    page says that it should be tried again.
    """
    web = FastAPI(title="rfs-mail", docs_url=None, redoc_url=None, openapi_url=None)
    site = Site(app, patience)
    web.state.site = site
    web.include_router(public.router)
    web.add_exception_handler(TokenError, _damaged)
    web.add_exception_handler(StoreError, _later)
    web.add_exception_handler(FormError, _refused)
    web.add_exception_handler(HTTPException, _http)
    headers = standing_headers(site.policy)
    web.add_middleware(StandingHeaders, headers=headers)

    async def broken(request: Request, _error: Exception) -> Response:
        """A mistake of ours: logged by the server, and a page like any other for whoever met it."""
        answer = notices.later(request)
        answer.headers.update(headers)  # this answer is given outside all middleware
        answer.status_code = 500
        return answer

    web.add_exception_handler(Exception, broken)
    return web


async def _damaged(request: Request, _error: Exception) -> Response:
    return await notices.damaged(request)


async def _later(request: Request, _error: Exception) -> Response:
    return notices.later(request)


async def _refused(request: Request, error: Exception) -> Response:
    return notices.notice(request, "refused", status=error.status if isinstance(error, FormError) else 400)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    if request.url.path.startswith(MACHINES):
        return await http_exception_handler(request, error)
    answer = notices.notice(request, "not_found" if error.status_code == 404 else "refused", status=error.status_code)
    for name, value in (error.headers or {}).items():
        answer.headers[name] = value
    return answer
