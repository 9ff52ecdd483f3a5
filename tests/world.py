"""A whole installation in one object: campaign files, people, a clock that is moved by hand, a transport that keeps."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

from pydantic import SecretStr
from sqlalchemy import Connection, select

from rfs_mail.app import App
from rfs_mail.campaign_files.load import load_project
from rfs_mail.engine import feedback
from rfs_mail.engine.apply import ApplyResult, apply
from rfs_mail.engine.machine import Machine, TickReport
from rfs_mail.engine.pause import pause, resume
from rfs_mail.render import Renderer
from rfs_mail.settings import Settings
from rfs_mail.store import events, outbox, people
from rfs_mail.store.database import Store
from rfs_mail.store.tables import TABLES
from rfs_mail.store.types import AnyRow
from rfs_mail.transport.memory import MemoryTransport
from tests.project_samples import PLAIN_MAIL, make_folder
from tests.recipients import add_person

NAMES = ("a", "b", "c", "d", "e", "f")
"""The mails every campaign of these tests may use: `mail: a`."""

HEAD = """\
id: {id}
entity: rfs
topic: running
languages: [en]
send: {{days: Mon-Sun, hours: any}}
"""


def at(text: str) -> datetime:
    """`11-23 10:00` of 2026 in New York before the clocks change in March, as an instant (UTC)."""
    day, _, clock = text.partition(" ")
    read = datetime.fromisoformat(f"2026-{day}T{clock or '00:00'}:00").replace(tzinfo=UTC)
    return read + timedelta(hours=5)


def local(instant: datetime) -> str:
    """The inverse of `at`."""
    return f"{instant - timedelta(hours=5):%m-%d %H:%M}"


class World:
    """
    One installation. `campaigns` maps id -> the file without its head (id, entity, topic, any hour of any day).

    A body that has a line `id:` of its own is taken as it is. `mails` replace templates, `files` those of the folder.
    """

    def __init__(
        self,
        store: Store,
        folder: Path,
        campaigns: Mapping[str, str],
        mails: Mapping[str, str] | None = None,
        **files: str,
    ) -> None:
        self.store = store
        self.folder = folder
        self.files = files
        self.mails = dict(mails or {})
        self._signups = 0
        self.campaigns = dict(campaigns)
        self.settings = self._write()
        self.app = self._open()
        self.now = at("11-23 10:00")

    def _write(self) -> Settings:
        for old in (self.folder / "campaigns").glob("*.yaml"):
            old.unlink()
        texts = {
            name: body if body.startswith("id:") or "\nid:" in body else HEAD.format(id=name) + body
            for name, body in self.campaigns.items()
        }
        mails = {f"{campaign}/{name}.md": PLAIN_MAIL for campaign in self.campaigns for name in NAMES}
        return make_folder(self.folder, texts, mails | self.mails, **self.files)

    def _open(self, **settings: Any) -> App:
        keys = {"secret_key": SecretStr("a secret of the tests"), "suppression_key": SecretStr("another one")}
        relay = Settings.model_validate({"relay": [{"url": "memory:", "connections": 4}]}).relay
        changed = self.settings.model_copy(update={**keys, "relay": relay, **settings})
        return App(changed, self.store, Renderer({"base_url": changed.base_url}), lambda: self.now)

    def settings_are(self, **settings: Any) -> None:
        """Open the installation again with other settings."""
        self.app = self._open(**settings)

    # -- files ---------------------------------------------------------------------------------------------------------

    def apply(self, when: str | datetime | None = None, **campaigns: str) -> ApplyResult:
        """Write the files again, with these bodies in the place of others, and make them live."""
        self.campaigns |= campaigns
        self._write()
        return self.apply_files(when)

    def remove(self, campaign: str, when: str | datetime | None = None) -> ApplyResult:
        """Take a campaign's file away, and make what is left live."""
        del self.campaigns[campaign]
        self._write()
        return self.apply_files(when)

    def apply_files(self, when: str | datetime | None = None) -> ApplyResult:
        """Make the files live as they are."""
        self._goes_to(when)
        return apply(self.store, load_project(self.app.settings), now=self.now, by="ana")

    # -- people --------------------------------------------------------------------------------------------------------

    def person(self, name: str = "maria", when: str | datetime | None = None, **fields: Any) -> int:
        """Somebody who agreed to hear from us; nothing else happened to her."""
        self._goes_to(when)
        with self.store.begin() as connection:
            domain = fields.pop("domain", "example.org")
            fields.setdefault("given_name", name.capitalize())
            who = add_person(connection, f"{name}@{domain}", now=self.now, **fields)
            events.touch(connection, [who])
        return who

    def signs_up(self, name: str = "maria", when: str | datetime | None = None, **fields: Any) -> int:
        """Somebody new fills in the form."""
        who = self.person(name, when, **fields)
        self.signup(who)
        return who

    def signup(self, who: int, when: str | datetime | None = None) -> None:
        """Somebody fills in the form; `when` is the row's own date and may lie in the past."""
        happened = self._instant(when) if when is not None else self.now
        with self.store.begin() as connection:
            self._add_signup(connection, who, happened)

    def crowd(self, count: int, when: str | datetime | None = None, **fields: Any) -> list[int]:
        """Several people fill in the form: p0, p1 .. at example.org."""
        self._goes_to(when)
        with self.store.begin() as connection:
            found = [add_person(connection, f"p{n}@example.org", now=self.now, **fields) for n in range(count)]
            for who in found:
                self._add_signup(connection, who, self.now)
        return found

    def _add_signup(self, connection: Connection, who: int, happened: datetime) -> None:
        self._signups += 1
        connection.execute(
            TABLES["signup"].insert().values(
                person_id=who, entity_id="rfs", source="form", key=str(self._signups), at=happened,
                received_at=self.now,
            )
        )  # fmt: skip
        events.touch(connection, [who])

    def event(self, who: int, name: str, when: str | datetime | None = None, **values: Any) -> None:
        """Something happens to somebody."""
        self._goes_to(when)
        with self.store.begin() as connection:
            events.add_event(connection, who, name, at=self.now, now=self.now, **values)

    def stage(self, who: int, stage: str, when: str | datetime | None = None) -> None:
        """Somebody moves on."""
        self._goes_to(when)
        with self.store.begin() as connection:
            people.set_stage(connection, who, stage, now=self.now)

    def unsubscribe(self, who: int, when: str | datetime | None = None) -> None:
        """Somebody leaves by the button of the last mail she got."""
        self._goes_to(when)
        with self.store.begin() as connection:
            last = max(row.id for row in self._deliveries(connection) if row.person_id == who)
            addressee = outbox.addressee(connection, last)
            assert addressee is not None
            feedback.unsubscribe(connection, addressee, scope="entity", source="one-click", now=self.now)

    def pause(self, campaign: str, when: str | datetime | None = None) -> None:
        """Staff pause a campaign."""
        self._goes_to(when)
        assert pause(self.store, campaign, because="a look", by="ana", now=self.now)

    def resume(self, campaign: str, when: str | datetime | None = None) -> None:
        """Staff resume a campaign."""
        self._goes_to(when)
        assert resume(self.store, campaign, by="ana", now=self.now)

    # -- time ----------------------------------------------------------------------------------------------------------

    def tick(self, when: str | datetime | None = None) -> TickReport:
        """One pass of every verb."""
        self._goes_to(when)

        async def once() -> TickReport:
            machine = self.machine()
            await machine.start()
            try:
                return await machine.tick(self.now)
            finally:
                await machine.stop()

        return asyncio.run(once())

    def ticks(self, *times: str) -> None:
        """Several passes."""
        for when in times:
            self.tick(when)

    def machine(self) -> Machine:
        """The verbs, not started."""
        return self.app.machine(now=lambda: self.now)

    def _instant(self, when: str | datetime) -> datetime:
        return at(when) if isinstance(when, str) else when

    def _goes_to(self, when: str | datetime | None) -> None:
        if when is not None:
            self.now = self._instant(when)

    # -- looking -------------------------------------------------------------------------------------------------------

    @property
    def transport(self) -> MemoryTransport:
        """The way out."""
        return cast(MemoryTransport, self.app.outlets["memory"].transport)

    @property
    def sent(self) -> list[tuple[str, str, str]]:
        """(when, who, step) of every mail that was accepted, by the clock of the person."""
        return sorted(
            (local(row.settled_at), self._names()[row.person_id], row.step_key)
            for row in self.deliveries()
            if row.state == "sent"
        )

    @property
    def log(self) -> list[tuple[str, str, str, str | None]]:
        """(who, step, state, reason) of every delivery, in the order they were queued."""
        return [(self._names()[row.person_id], row.step_key, row.state, row.reason) for row in self.deliveries()]

    def deliveries(self) -> list[AnyRow]:
        """All deliveries, in the order they were queued."""
        with self.store.read() as connection:
            return self._deliveries(connection)

    def delivery(self, step: str) -> AnyRow:
        """The only delivery of a step."""
        (found,) = [row for row in self.deliveries() if row.step_key == step]
        return found

    @staticmethod
    def _deliveries(connection: Connection) -> list[AnyRow]:
        return list(connection.execute(TABLES["delivery"].select().order_by(TABLES["delivery"].c.id)))

    def enrollments(self, campaign: str | None = None) -> list[AnyRow]:
        """All enrollments (of a campaign), in the order they began."""
        table = TABLES["enrollment"]
        with self.store.read() as connection:
            rows = list(connection.execute(table.select().order_by(table.c.id)))
        return [row for row in rows if campaign in (None, row.campaign_id)]

    def enrollment(self) -> AnyRow:
        """The only enrollment there is."""
        (found,) = self.enrollments()
        return found

    def steps(self, enrollment_id: int | None = None) -> list[tuple[str, str, str | None]]:
        """(step, outcome, reason) of what was taken, in order."""
        table = TABLES["step_done"]
        with self.store.read() as connection:
            rows = connection.execute(table.select().order_by(table.c.at, table.c.planned_at, table.c.step_key)).all()
        return [(r.step_key, r.outcome, r.reason) for r in rows if enrollment_id in (None, r.enrollment_id)]

    def rows(self, table: str, *columns: str) -> Sequence[AnyRow]:
        """Columns of a table, as they lie there."""
        with self.store.read() as connection:
            return connection.execute(select(*[TABLES[table].c[name] for name in columns])).all()

    def _names(self) -> dict[int, str]:
        return {row.id: row.address.partition("@")[0] for row in self.rows("person", "id", "address")}
