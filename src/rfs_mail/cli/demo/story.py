"""
The two months, told once through: files come in, the engine ticks, mail goes over SMTP, people react over HTTP.

Everything of the product runs as it does in earnest; only the clock is ours. Time jumps from tick to tick, several a
day, and what people do in between happens at its own time.
"""

import asyncio
import heapq
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from functools import partial
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

from rfs_mail.app import App
from rfs_mail.cli.demo.behaviour import Act, Reaction, react
from rfs_mail.cli.demo.browser import GATEWAY, MAIL_PROGRAM, Browser
from rfs_mail.cli.demo.crash import Crash, kill_in_mid_send
from rfs_mail.cli.demo.deadline import SHIPPED, Filed, Move, Moved, import_windows, note_filed, read_windows, to_file
from rfs_mail.cli.demo.life import Call, Life, News
from rfs_mail.cli.demo.maillog import MailLog, Received, html_of, links_of, one_click_url, parse
from rfs_mail.cli.demo.people import (
    FIRST_DAY,
    MARIA,
    SignupFile,
    Size,
    Someone,
    make_files,
    make_people,
    returning_file,
)
from rfs_mail.core.campaign import Mail
from rfs_mail.engine import windows
from rfs_mail.engine.audit import figures
from rfs_mail.engine.desk import set_fields
from rfs_mail.engine.happenings import Happening, record_happenings
from rfs_mail.engine.import_signups import import_signups
from rfs_mail.engine.machine import Machine

TICKS = (time(13, 5), time(15), time(16), time(17), time(18), time(20), time(22), time(1))
"""When the engine looks, UTC: every hour or two while the day passes over the country, and not at night."""

MOVES_AT = time(15, 30)
"""When another deadline comes in, UTC, with a look of its own: half an hour before mail goes at 10:00 in Wisconsin."""

A_YEAR = timedelta(days=365)
RECEIPTS = "receipts.jsonl"


@dataclass
class Clock:
    """The civil time of the story."""

    now: datetime

    def __call__(self) -> datetime:
        return self.now


@dataclass(frozen=True, slots=True)
class Receipt:
    """The page said that somebody has left, and that was after the receiving server's message `after`."""

    recipient: str
    sender: str
    topic: str
    scope: str
    after: int


@dataclass
class Told:
    """What came of it, beyond what store and server have written down."""

    start: datetime
    end: datetime
    windows: int = 0
    """Filing windows that came in at the beginning."""
    ahead: tuple[str, ...] = ()
    """Those of them that had not closed then."""
    moved: Moved | None = None
    crash: Crash | None = None
    uncertain: int = 0
    """Deliveries of which nobody could know, right after the restart."""
    ticks: int = 0
    requests: int = 0
    oddities: list[str] = field(default_factory=list)
    """What was not as it should be, pages that answered otherwise above all; empty when all is well."""


class Story:
    """One telling."""

    def __init__(
        self, app: App, clock: Clock, size: Size, folder: Path, *, log: MailLog, browser: Browser,
        say: Callable[[str], None],
    ) -> None:  # fmt: skip
        self.app, self.clock, self.size, self.folder = app, clock, size, folder
        self.log, self.browser, self.say = log, browser, say
        self.people = make_people(size)
        self.by_mailbox = {one.address.casefold(): one for one in self.people}
        self.by_address = {one.address: one for one in self.people}
        start = datetime.combine(FIRST_DAY, time(12), UTC)
        self.told = Told(start, start + timedelta(days=size.days))
        self._order = count()
        self._ahead: list[tuple[datetime, int, Callable[[], Awaitable[None]]]] = []
        self._left: dict[str, Someone] = {}
        self._news: list[News] = []
        self._move: Move | None = None

    # -- the agenda ----------------------------------------------------------------------------------------------------

    def _at(self, moment: datetime, what: Callable[[], Awaitable[None]]) -> None:
        if moment < self.told.end:
            heapq.heappush(self._ahead, (moment, next(self._order), what))

    def _plan(self) -> None:
        """Put into the agenda what does not depend on mail."""
        self._at(self.told.start, self._import_windows)
        for file in make_files(self.people, self.size):
            if not self._is_burst(file):
                self._at(file.at, partial(self._import, file))
        live = self.app.live()
        assert live is not None, "the campaigns were applied first"
        self._answerable = {
            (name, step.key)
            for name, script in live.scripts.items()
            for step in script.campaign.walk()
            if isinstance(step.action, Mail) and step.action.answers
        }
        calls = [
            Call(one.key, one.starts_at)
            for one in live.calendar.get("intro_call", ())
            if self.told.start < one.starts_at < self.told.end
        ]
        self.life = Life(self.size, calls, self.by_address)
        self._tell(self.life.begin())
        for at in self.life.lists():
            self._at(at, partial(self._attendance, at))
        self._at(self._moves_at, self._move_deadline)
        late = self.told.start + timedelta(days=self.size.days * 5 // 6)
        self._at(late, self._come_again)

    def _is_burst(self, file: SignupFile) -> bool:
        return file.name.endswith("evening.csv")

    def _tell(self, news: list[News]) -> None:
        for one in news:
            self._at(max(one.at, self.clock.now), partial(self._hear, one))

    # -- telling -------------------------------------------------------------------------------------------------------

    async def play(self) -> Told:
        """From the first file to the last tick."""
        self._plan()
        evening = next(file for file in make_files(self.people, self.size) if self._is_burst(file))
        await self._play_until(evening.at)
        await self._accident(evening)
        await self._play_until(self.told.end)
        self.clock.now = self.told.end
        self.told.requests = self.browser.requests
        return self.told

    async def _play_until(self, end: datetime) -> None:
        """Tick on with one machine until `end`, as the one sending process."""
        with self.app.store.sole_sender():
            machine = self.app.machine(now=self.clock)
            await machine.start()
            try:
                for moment in self._ticks(end):
                    await self._live_until(moment)
                    await self._tick(machine, moment)
            finally:
                await machine.stop()
        await self._live_until(end)

    def _ticks(self, end: datetime) -> list[datetime]:
        first = self.clock.now
        days = range((end - self.told.start).days + 2)
        moments = [datetime.combine(FIRST_DAY + timedelta(days=day), at, UTC) for day in days for at in TICKS]
        besides = (self.told.start + timedelta(minutes=16), self._moves_at)
        return sorted(moment for moment in {*moments, *besides} if first < moment < end)

    @property
    def _moves_at(self) -> datetime:
        return datetime.combine(self.size.moves_on, MOVES_AT, UTC)

    async def _live_until(self, moment: datetime) -> None:
        """What people, staff and files do before `moment`, each at its own time."""
        while self._ahead and self._ahead[0][0] <= moment:
            at, _, what = heapq.heappop(self._ahead)
            self.clock.now = max(self.clock.now, at)
            await what()
        await self._hand_in()
        await self.app.store.write(_nothing)  # a click is written after its answer; wait for the last

    async def _tick(self, machine: Machine, moment: datetime) -> None:
        self.clock.now = moment
        await machine.tick(moment)
        self.told.ticks += 1
        if self._move is not None:
            self.told.moved = await asyncio.to_thread(self._move.look_again)
            self._move = None
        for received in self.log.news():
            self._plan_reactions(received)
        self.say(f"{moment:%d %b %Y %H:%M}  {len(self.log.all):,} mails")

    def _plan_reactions(self, received: Received) -> None:
        answers = (received.campaign, received.step) in self._answerable
        for reaction in react(received, self.by_mailbox.get(received.recipient.casefold()), answers=answers):
            self._at(reaction.at, partial(self._do, reaction))

    # -- the accident --------------------------------------------------------------------------------------------------

    async def _accident(self, evening: SignupFile) -> None:
        """A rush of sign-ups; the process that welcomes them is killed in the middle of it."""
        self.clock.now = evening.at
        await self._import(evening)
        self.say("a tick of its own process, killed in mid-send")
        at = evening.at + timedelta(minutes=1)
        crash = await kill_in_mid_send(self.folder, self.log, at=at, after=self.size.burst // 8)
        self.told.crash = crash
        if crash.code != 0 and not crash.killed:
            self.told.oddities.append(f"the process that was to be killed ended by itself with code {crash.code}")
        self.clock.now = at + timedelta(minutes=1)
        with self.app.store.sole_sender():
            machine = self.app.machine(now=self.clock)
            await machine.start()
            try:
                await self._tick(machine, at + timedelta(minutes=5))
                self.told.uncertain = figures(self.app.store, now=self.clock.now).uncertain
            finally:
                await machine.stop()

    # -- files and news ------------------------------------------------------------------------------------------------

    async def _import(self, file: SignupFile) -> None:
        path = self.folder.resolve() / "signups" / file.name
        path.write_text(file.text, encoding="utf-8", newline="")
        content = self.app.release()
        assert content is not None, "the campaigns were applied first"
        await asyncio.to_thread(
            import_signups, self.app.store, path, source=file.source, entity=file.entity, consent_text=file.consent,
            secret=self.app.suppression_key, fields=content.fields, now=self.clock.now, mapping=file.mapping,
        )  # fmt: skip

    async def _import_windows(self) -> None:
        """The shipped deadlines, which nobody hangs on yet."""
        path = self.folder / SHIPPED
        found, _ = await asyncio.to_thread(import_windows, self.app, path)
        ahead = await asyncio.to_thread(
            windows.list_windows, self.app.store, state=None, level=None, everything=False, now=self.clock.now
        )
        self.told.windows, self.told.ahead = len(found.new), tuple(row["id"] for row in ahead)
        self._windows = read_windows(path, self.clock.now)

    async def _move_deadline(self) -> None:
        """Wisconsin's rows come in with another day; the pass that follows takes everybody along."""
        self._move = await asyncio.to_thread(Move, self.app, self.folder)

    async def _come_again(self) -> None:
        """A partner's list with everybody who has left so far."""
        left = [self._left[address] for address in sorted(self._left)]
        if left:
            await self._import(returning_file(left, self.clock.now))

    async def _hear(self, news: News) -> None:
        """Staff and forms hand in what they have at the next tick, each piece with its own time."""
        if news.filed:
            await asyncio.to_thread(self._write_down, self.by_address[news.filed])
        else:
            self._news.append(news)

    def _write_down(self, one: Someone) -> None:
        """`people set EMAIL stage=filed --window ID`, with the window from the list of whom to call."""
        anywhere = any(known.state == one.state and known.window_id in self.told.ahead for known in self._windows)
        to_call = (
            windows.closing(self.app.store, within=A_YEAR, state=one.state, now=self.clock.now) if anywhere else []
        )
        wanted = [row["window_id"] for row in to_call if row["address"].casefold() == one.address.casefold()]
        first, left = to_file(self._windows, wanted, self.clock.now.date())
        if wanted and first is None:
            return  # what she wants is not open yet
        set_fields(self.app.store, one.address, ["stage=filed"], window=first, by="demo", now=self.clock.now)
        if first is not None:
            note_filed(self.folder, Filed(one.address, first, left, self.log.count()))

    async def _hand_in(self) -> None:
        news, self._news = self._news, []
        by_source: dict[str, list[Happening]] = {}
        for one in news:
            by_source.setdefault(one.source, []).extend(one.happenings)
        for source, happenings in by_source.items():
            await asyncio.to_thread(record_happenings, self.app.store, happenings, source=source, now=self.clock.now)

    async def _attendance(self, at: datetime) -> None:
        news, later = self.life.attendance(at)
        await self._hear(news)
        self._tell(later)

    # -- people and their mail -----------------------------------------------------------------------------------------

    async def _do(self, reaction: Reaction) -> None:
        message = parse(self.log.message(reaction.received))
        links = list(links_of(html_of(message)))
        match reaction.act:
            case Act.CLICK:
                await self._click(reaction, _of_kind(links, "c"))
            case Act.SCAN:
                for url in _of_kind(links, "c"):
                    await self._expect(await_status=302, url=url, agent=GATEWAY)
            case Act.VIEW:
                for url in _of_kind(links, "v")[:1]:
                    await self._expect(await_status=200, url=url)
            case Act.ANSWER:
                answers = _of_kind(links, "a")
                if answers:
                    url = answers[int(reaction.pick * len(answers))]
                    self._check(url, (await self.browser.press(url, which=True)).status, 200)
            case Act.PREFERENCES:
                for url in _of_kind(links, "p")[:1]:
                    self._check(url, (await self.browser.press(url)).status, 200)
            case Act.STOP_PAGE:
                for url in _of_kind(links, "u")[:1]:
                    answer = await self.browser.press(url, {"scope": reaction.choice})
                    self._check(url, answer.status, 200)
                    self._note_departure(reaction)
            case Act.ONE_CLICK:
                wanted = one_click_url(message)
                if wanted is None:
                    self.told.oddities.append(f"no one-click in {reaction.received.message_id}")
                    return
                answer = await self.browser.post(wanted, {"List-Unsubscribe": "One-Click"}, MAIL_PROGRAM)
                self._check(wanted, answer.status, 200)
                self._note_departure(reaction)

    async def _click(self, reaction: Reaction, links: list[str]) -> None:
        if not links:
            return
        await self._expect(await_status=302, url=links[int(reaction.pick * len(links))])
        received, at = reaction.received, self.clock.now + timedelta(minutes=5)
        someone = self.by_mailbox.get(received.recipient.casefold())
        if someone is None:
            return
        eager = someone.address == MARIA
        match received.campaign, received.step:
            case "welcome", "hello" | "invite" | "missed_it":
                if eager or reaction.pick < 0.5:
                    self._tell(self.life.register(someone, at))
            case "welcome", "offices" | "not_yet":
                if reaction.pick < 0.35 and not eager:
                    self._tell(self.life.pick_office(someone, at))
            case "nrfod", "day" | "again":
                if eager or reaction.pick < 0.4:
                    self._tell(self.life.raise_hand(someone, at))
            case "endorsement", _:
                if eager or reaction.pick < 0.6:
                    self._tell(self.life.apply(someone, at))

    async def _expect(self, *, url: str, await_status: int, agent: str | None = None) -> None:
        answer = await (self.browser.get(url, agent) if agent is not None else self.browser.get(url))
        self._check(url, answer.status, await_status)

    def _check(self, url: str, status: int, wanted: int) -> None:
        if status != wanted:
            self.told.oddities.append(f"{status} for {urlsplit(url).path}")

    def _note_departure(self, reaction: Reaction) -> None:
        received = reaction.received
        receipt = {
            "recipient": received.recipient, "sender": received.sender, "topic": received.topic,
            "scope": reaction.choice or "entity", "after": self.log.count(),
        }  # fmt: skip
        with (self.folder / RECEIPTS).open("a", encoding="utf-8") as file:
            file.write(json.dumps(receipt) + "\n")
        someone = self.by_mailbox.get(received.recipient.casefold())
        if someone is not None and receipt["scope"] != "topic" and received.sender.endswith("rfs.example.org"):
            self._left[someone.address] = someone


def read_receipts(folder: Path) -> list[Receipt]:
    """Who left, as the pages answered."""
    path = folder / RECEIPTS
    if not path.exists():
        return []
    return [Receipt(**json.loads(line)) for line in path.read_text(encoding="utf-8").splitlines()]


def _of_kind(links: list[str], kind: str) -> list[str]:
    """The links to our own pages of one kind: the first part of their path says which."""
    return [url for url in links if urlsplit(url).path.startswith(f"/{kind}/")]


def _nothing(_connection: object) -> None:
    """A transaction that only waits for its turn."""
