"""
What all our pages share: the opened app, the template engine, the language, and a patience with the database.

A page is one function of a request: it reads or writes in one transaction and renders. Nothing is kept between two
requests, and nothing is stored in the browser.
"""

import asyncio
import logging
from base64 import b64encode
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from fastapi import Request
from fastapi.templating import Jinja2Templates
from sqlalchemy import Connection
from starlette.responses import HTMLResponse

from rfs_mail.app import App
from rfs_mail.core.campaign import Entity
from rfs_mail.core.tokens import Kind, make, read
from rfs_mail.engine.recipients import Recipient, find_recipient
from rfs_mail.errors import RfsMailError, StoreError, TokenError
from rfs_mail.web.words import LANGUAGES, WORDS, preferred, spoken

P = ParamSpec("P")
T = TypeVar("T")

log = logging.getLogger(__name__)

PATIENCE: Final = timedelta(seconds=5)
"""How long a page waits for the database before it says so; an unsubscribe goes to the spool then."""

PAGES: Final = Path(__file__).parent / "pages"


class UnavailableError(StoreError):
    """The database did not answer, or not in time. Try again later."""


@dataclass(frozen=True, slots=True)
class Tongue:
    """The language of one page, and those it can be switched to."""

    code: str
    offered: Mapping[str, str]

    def say(self, key: str, **values: object) -> str:
        """The words of a key with its placeholders filled. The template escapes them."""
        return WORDS[self.code][key].format(**values)


@dataclass
class Site:
    """The pages of one app."""

    app: App
    patience: timedelta = PATIENCE
    templates: Jinja2Templates = field(default_factory=lambda: Jinja2Templates(directory=PAGES))
    _unfinished: set["asyncio.Task[Any]"] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.templates.env.trim_blocks = self.templates.env.lstrip_blocks = True
        self.css = (PAGES / "site.css").read_text(encoding="utf-8")
        digest = b64encode(sha256(self.css.encode()).digest()).decode()
        self.policy = (
            f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:; form-action 'self'; "
            "base-uri 'none'; frame-ancestors 'none'"
        )

    # -- the database --------------------------------------------------------------------------------------------------

    async def look(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """One read transaction. Raises UnavailableError."""
        return await self._in_time(self.app.store.look(work, *args, **kwargs))

    async def write(self, work: Callable[Concatenate[Connection, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """One write transaction. Raises UnavailableError; what was only too slow may still be written after that."""
        return await self._in_time(self.app.store.write(work, *args, **kwargs))

    async def _in_time(self, work: Coroutine[Any, Any, T]) -> T:
        task = asyncio.ensure_future(work)
        done, _ = await asyncio.wait({task}, timeout=self.patience.total_seconds())
        if not done:
            self._unfinished.add(task)
            task.add_done_callback(self._let_go)
            raise UnavailableError("The database did not answer in time. Try again later.")
        try:
            return task.result()
        except RfsMailError:
            raise
        except Exception as error:
            log.exception("the database does not answer a page")
            raise UnavailableError("The database does not answer. Try again later.") from error

    def _let_go(self, task: "asyncio.Task[Any]") -> None:
        self._unfinished.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("what a page waited for has failed: %s", task.exception())

    async def recipient(self, kind: Kind, request: Request) -> tuple[int, Recipient]:
        """
        Delivery id and recipient of the token in the path.

        Raises TokenError for a token that we did not make, or whose delivery we do not know; UnavailableError.
        """
        delivery_id = self.delivery_id(kind, request)
        found = await self.look(find_recipient, delivery_id)
        if found is None:
            raise TokenError("No mail belongs to this link. Copy the whole link from the mail.")
        return delivery_id, found

    def delivery_id(self, kind: Kind, request: Request) -> int:
        """The delivery id of the token in the path. Raises TokenError."""
        return read(kind, request.path_params["token"], self.app.keys)

    # -- pages ---------------------------------------------------------------------------------------------------------

    def tongue(self, request: Request, recipient: Recipient | None = None) -> Tongue:
        """`?lang=` where we speak it, else the language of the mail, else what the browser prefers."""
        offered = dict(LANGUAGES)
        if recipient is not None:
            theirs = [code for name in recipient.entity.languages if (code := spoken(name))]
            offered = {code: LANGUAGES[code] for code in dict.fromkeys(theirs)} or offered
        asked = (
            spoken(request.query_params.get("lang")),
            spoken(recipient.language) if recipient is not None else None,
            preferred(request.headers.get("accept-language", "")),
        )
        code = next((one for one in asked if one in offered), None) or next(iter(offered))
        return Tongue(code, offered)

    def page(
        self,
        template: str,
        tongue: Tongue,
        title: str,
        *,
        entity: Entity | None = None,
        posted: bool = False,
        status: int = 200,
        here: str = "",
        **values: object,
    ) -> HTMLResponse:
        """Render a page. `posted`: it answers a form, so the heading takes the focus. `here`: where GET shows it."""
        html = self.templates.get_template(template).render(
            css=self.css,
            lang=tongue.code,
            languages=tongue.offered,
            say=tongue.say,
            title=title,
            brand=entity.name if entity is not None else "",
            entity=entity,
            posted=posted,
            here=here,
            **values,
        )
        return HTMLResponse(html, status_code=status)

    def link(self, request: Request, kind: Kind, delivery_id: int, tongue: Tongue) -> str:
        """A relative address of another page of the same delivery, in the same language."""
        return f"{root_of(request)}{kind.value}/{make(kind, delivery_id, self.app.keys)}?lang={tongue.code}"


def site_of(request: Request) -> Site:
    """The site a request came to."""
    site: Site = request.app.state.site
    return site


def root_of(request: Request) -> str:
    """The way up from this page to the root, as a relative address, whatever path a proxy has put before us."""
    path = str(request.scope["path"]).removeprefix(str(request.scope.get("root_path", "")))
    return "../" * (path.count("/") - 1) or "./"


def masked(recipient: Recipient) -> str:
    """`m•••@example.org`: enough to know one's own address by; empty where she was erased."""
    if recipient.person is None:
        return ""
    local, _, domain = recipient.person.mailbox.rpartition("@")
    return f"{local[:1]}•••@{domain}"
