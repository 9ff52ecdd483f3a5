"""
Recipients with real mail: a small release is applied, people enter it, and one tick sends to a transport in memory.

`post` is the post office: its app, its browser-less client, and the mails it sends on request.
"""

import asyncio
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import select
from starlette.types import ASGIApp

from rfs_mail.app import App
from rfs_mail.campaign_files.load import Project, load_project
from rfs_mail.core.person import Person
from rfs_mail.engine.apply import apply
from rfs_mail.engine.compiling import Compiled, compile_project
from rfs_mail.render import Renderer, Urls
from rfs_mail.settings import Relay, Settings
from rfs_mail.store import events, people
from rfs_mail.store.database import Store
from rfs_mail.store.tables import TABLES
from rfs_mail.transport.memory import MemoryTransport
from rfs_mail.web import create_web
from tests.recipients import add_person, state_of

ROOT = Path(__file__).parents[2]
BASE = "https://mail.example.org"

PULSE = """\
id: pulse
entity: rfs
topic: running
audience:
  - stage != "lost"
entry: {event: asked}
steps:
  - key: ask
    mail: ask
    send: {hours: any, days: any}
    cap: exempt
    answers:
      yes_still: {tag: recommitted}
      filed: {set: {stage: filed}}
      need_help: {task: {title: "{{ given_name }} asks for help", for: region, due: 2d}}
      not_now: {set: {stage: not_now}}
      stop: {unsubscribe: entity}
  - {key: later, at: +30d @ 10:00, mail: later}
goal: stage == "filed"
ends: entry + 90d
"""

COUNT = """\
id: count
entity: rfs
topic: running
entry: {per: filing_window, from: closes - 60d}
steps:
  - {key: soon, at: closes - 3d @ 10:00, mail: pulse/later}
goal: filed(window)
"""

ASK = """\
---
subject: "{{ given_name or 'Hello' }}, where are you with it?"
preheader: "One tap is enough."
---
Hi {{ given_name or "there" }},

Have a look at [the guide](https://www.example.org/guide?for={{ state or "all" }}) first.

{{ answer("yes_still", "I'm still <thinking> about it") }}

{{ answer("filed", "Yes, I filed") }}

{{ answer("need_help", "I need help") }}

{{ answer("not_now", "Not right now") }}

{{ answer("stop", "Please stop e-mailing me") }}

[button: Find your office](https://www.example.org/offices)
"""

PREGUNTA = """\
---
subject: "{{ given_name or 'Hola' }}, ¿cómo vas?"
preheader: "Basta un toque."
---
Hola {{ given_name or "" }}:

{{ answer("yes_still", "Lo sigo pensando") }}

{{ answer("filed", "Sí, ya entregué mis papeles") }}

{{ answer("need_help", "Necesito ayuda") }}

{{ answer("not_now", "Por ahora no") }}

{{ answer("stop", "Ya no me escriban") }}
"""

LATER = """\
---
subject: "Still there?"
preheader: "Later."
---
Hi {{ given_name or "there" }}, this one comes later.
"""


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Compiled]:
    """The shipped entities and layout with two campaigns of our own, compiled once."""
    folder = tmp_path_factory.mktemp("pages")
    (folder / "campaigns").mkdir()
    (folder / "data").mkdir()
    (folder / "templates" / "pulse").mkdir(parents=True)
    shutil.copy(ROOT / "campaigns" / "entities.yaml", folder / "campaigns")
    for layout in (ROOT / "templates").glob("_layout*"):
        shutil.copy(layout, folder / "templates")
    for campaign, text in {"pulse": PULSE, "count": COUNT}.items():
        (folder / "campaigns" / f"{campaign}.yaml").write_text(text, encoding="utf-8")
    for name, text in {"ask.md": ASK, "ask.es.md": PREGUNTA, "later.md": LATER}.items():
        (folder / "templates" / "pulse" / name).write_text(text, encoding="utf-8")
    loaded = load_project(Settings(folder=folder))
    return loaded, compile_project(loaded)


@dataclass
class Mailed:
    """One person and the mail she got."""

    person_id: int
    delivery_id: int
    urls: Urls
    message: EmailMessage

    @property
    def unsubscribe(self) -> str:
        return self.urls.unsubscribe.removeprefix(BASE)

    @property
    def preferences(self) -> str:
        return self.urls.preferences.removeprefix(BASE)

    @property
    def office(self) -> str:
        return f"{self.preferences}/office"

    @property
    def view(self) -> str:
        return self.urls.view.removeprefix(BASE)

    def answer(self, key: str) -> str:
        assert self.urls.answer is not None
        return self.urls.answer(key).removeprefix(BASE)

    def link(self, number: int) -> str:
        assert self.urls.link is not None
        return self.urls.link(number).removeprefix(BASE)


class Client:
    """A mail client or a browser without a screen: no cookies of its own making, no redirects followed."""

    def __init__(self, web: ASGIApp, *, raises: bool = True) -> None:
        self._runner = asyncio.Runner()
        transport = httpx.ASGITransport(app=web, raise_app_exceptions=raises)
        self._http = httpx.AsyncClient(transport=transport, base_url=BASE, follow_redirects=False)

    def request(self, method: str, url: str, **given: Any) -> httpx.Response:
        return self._runner.run(self._http.request(method, url, **given))

    def get(self, url: str, **given: Any) -> httpx.Response:
        return self.request("GET", url, **given)

    def head(self, url: str, **given: Any) -> httpx.Response:
        return self.request("HEAD", url, **given)

    def post(self, url: str, **given: Any) -> httpx.Response:
        return self.request("POST", url, **given)

    def close(self) -> None:
        self._runner.run(self._http.aclose())
        self._runner.close()


@dataclass
class PostOffice:
    """An app with a clock that is set by hand, a client of its pages, and what it takes to look behind them."""

    app: App
    client: Client
    now: datetime
    transport: MemoryTransport
    people: int = 0

    @property
    def store(self) -> Store:
        return self.app.store

    def wait(self, **span: float) -> None:
        """Let civil time pass."""
        self.now += timedelta(**span)

    def tick(self) -> None:
        """Every verb, once."""

        async def run() -> None:
            machine = self.app.machine()
            await machine.start()
            try:
                await machine.tick(self.now)
            finally:
                await machine.stop(grace=5)

        asyncio.run(run())

    def mail(self, address: str = "", *, entities: tuple[str, ...] = ("rfs", "rfs_civics"), **fields: Any) -> Mailed:
        """A new person, asked and mailed; `client` may follow every link of her mail."""
        self.people += 1
        address = address or f"maria{self.people}@example.org"
        with self.store.begin() as connection:
            who = add_person(
                connection, address, now=self.now, entities=entities, **{"given_name": "María", "state": "OH", **fields}
            )
            events.add_event(connection, who, "asked", at=self.now, now=self.now)
        self.tick()
        delivery = TABLES["delivery"]
        with self.store.read() as connection:
            row = connection.execute(select(delivery).where(delivery.c.person_id == who)).one()
        assert row.state == "sent", (row.state, row.reason, row.detail)
        message = message_from_bytes(self.transport.sent[-1].message, policy=default)
        assert isinstance(message, EmailMessage)
        return Mailed(who, row.id, self.app.composer.urls(row.id, self.app.keys), message)

    def person(self, mailed: Mailed) -> Person:
        """The person as she is stored now."""
        with self.store.read() as connection:
            found = people.get_person(connection, mailed.person_id)
        assert found is not None
        return found

    def state(self, delivery_id: int) -> str:
        """The state of a delivery."""
        with self.store.read() as connection:
            return state_of(connection, delivery_id)[0]

    def rows(self, name: str) -> list[Any]:
        """All rows of a table."""
        table = TABLES[name]
        with self.store.read() as connection:
            return list(connection.execute(select(table).order_by(*table.primary_key.columns)))

    def happened(self, name: str) -> list[Any]:
        """The events of a name."""
        return [row for row in self.rows("event") if row.name == name]

    def facts(self) -> dict[str, list[Any]]:
        """Everything a page could have changed."""
        names = (
            "suppression", "consent", "topic_left", "event", "delivery", "task", "person", "person_tag", "touched",
            "interest", "enrollment",
        )  # fmt: skip
        return {name: self.rows(name) for name in names}


@pytest.fixture
def post(sqlite_store: Store, project: tuple[Project, Compiled], tmp_path: Path, now: datetime) -> Iterator[PostOffice]:
    """A post office on SQLite, with the release applied."""
    with open_office(sqlite_store, project, tmp_path, now) as office:
        yield office


@pytest.fixture
def each_post(store: Store, project: tuple[Project, Compiled], tmp_path: Path, now: datetime) -> Iterator[PostOffice]:
    """A post office on each database, for what hangs on transactions."""
    with open_office(store, project, tmp_path, now) as office:
        yield office


@contextmanager
def open_office(
    store: Store, project: tuple[Project, Compiled], folder: Path, now: datetime, *, base: str = BASE
) -> Iterator[PostOffice]:
    """An opened app on this store and what it takes to try it."""
    apply(store, project[0], project[1], now=now - timedelta(days=1), by="ana")
    settings = Settings(
        folder=folder, base_url=base, secret_key=SecretStr("s" * 40), suppression_key=SecretStr("k" * 40),
        relay=(Relay(url=SecretStr("memory:")),),
    )  # fmt: skip
    app = App(settings, store, Renderer({"base_url": base}))
    transport = app.outlets["memory"].transport
    assert isinstance(transport, MemoryTransport)
    client = Client(create_web(app))
    office = PostOffice(app, client, now, transport)
    app.civil_clock = lambda: office.now
    yield office
    client.close()
