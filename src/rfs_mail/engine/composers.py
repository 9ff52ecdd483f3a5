"""
Where groups of deliveries are composed: in a thread of this process, or, when there is much to do, in processes beside.

Composing is pure work: a claimed row, an immutable revision, the calendar and the time go in, bytes come out. So it can
be given away, and this process keeps its one interpreter for the database and the wire. A process beside that dies, or
that never comes to an end, takes nothing along but the group it had; that group is composed again one by one, so that
the mail that is to blame is known at once and the others go.
"""

import asyncio
import contextlib
import logging
import pickle
import signal
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, BinaryIO

from rfs_mail.core.reasons import Reason
from rfs_mail.engine.compose import Composed, Composer, Material
from rfs_mail.engine.live import Calendar
from rfs_mail.errors import MessageError, RfsMailError
from rfs_mail.store.outbox import Claimed
from rfs_mail.store.windows import About

LOG = logging.getLogger(__name__)

MUCH = 75
"""So many rows waiting at once are worth a process beside this one, which takes half a second to begin."""

PATIENCE = 60.0
"""Seconds of machine time a group may take before the process that composes it is called stuck."""

BEGIN_PATIENCE = 60.0
"""Seconds of machine time a process may take to begin."""

REST_AFTER = 60.0
"""Seconds of machine time without work after which the processes end."""

_KEPT_REVISIONS = 64
_HEADER = 8
_TRIES = 2
"""So many processes may die over one mail before it is given up."""


@dataclass(frozen=True, slots=True)
class Unwritten:
    """No message came of it, and why."""

    reason: Reason
    detail: Mapping[str, Any]


Written = Composed | Unwritten


@dataclass(frozen=True, slots=True)
class Group:
    """Deliveries to compose, and what they are made from."""

    rows: Sequence[Claimed]
    revisions: Mapping[int, int]
    """Delivery id -> the revision it is sent by."""
    materials: Mapping[int, Material]
    """By revision id."""
    calendar: Calendar
    tags: Mapping[int, tuple[str, ...]]
    """By person id; who has none may be absent."""
    now: datetime
    windows: Mapping[int, Sequence[About]] = field(default_factory=dict)
    """Delivery id -> the filing windows its mail is about, its own first; most mail is about none."""


def compose_group(composer: Composer, group: Group) -> list[Written]:
    """Compose each; one that cannot be written keeps nobody else's mail."""
    return [_compose(composer, group, row) for row in group.rows]


def _compose(composer: Composer, group: Group, row: Claimed) -> Written:
    try:
        material = group.materials[group.revisions[row.id]]
        return composer.compose(
            row, material, group.calendar, tags=group.tags.get(row.person_id, ()),
            windows=group.windows.get(row.id, ()), now=group.now,
        )  # fmt: skip
    except RfsMailError as error:
        LOG.error("delivery %d of %s/%s: %s", row.id, row.campaign_id, row.step_key, error)
        refused = isinstance(error, MessageError)
        said = {"error": str(error), "field": getattr(error, "field", "")}
        return Unwritten(Reason.MESSAGE_REFUSED if refused else Reason.RENDER_FAILED, said)
    except Exception as error:  # a bug that one person's values bring out must not keep the others' mail
        LOG.exception("delivery %d of %s/%s could not be written", row.id, row.campaign_id, row.step_key)
        return Unwritten(Reason.RENDER_FAILED, {"error": f"{type(error).__name__}: {error}"})


@dataclass
class Composers:
    """Composes groups. Belongs to one event loop; `processes` is how many may work beside this one, 0 for none."""

    composer: Composer
    processes: int = 0

    def __post_init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="rfs-compose")
        self._beside: list[_Beside] = []
        self._starting: asyncio.Task[None] | None = None
        self._waiting = 0
        self._used = 0.0
        self._resting: asyncio.Task[None] | None = None

    async def compose(self, group: Group) -> list[Written]:
        """Each delivery's message, or why there is none, in order."""
        self._waiting += len(group.rows)
        self._used = asyncio.get_running_loop().time()
        try:
            if not self._beside:
                if self._waiting >= MUCH and self.processes and self._starting is None:
                    self._starting = asyncio.create_task(self._start())
                return await self._here(group)
            beside = min(self._beside, key=lambda one: one.load)
            try:
                return await beside.compose(group)
            except _DiedError as died:
                await self._bury(beside, died)
                return await self._one_by_one(group)
        finally:
            self._waiting -= len(group.rows)

    async def close(self) -> None:
        """End the processes and the thread."""
        for task in (self._starting, self._resting):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        beside, self._beside = self._beside, []
        await asyncio.gather(*(one.end() for one in beside))
        self._thread.shutdown(wait=False)

    async def _here(self, group: Group) -> list[Written]:
        return await asyncio.get_running_loop().run_in_executor(self._thread, compose_group, self.composer, group)

    async def _one_by_one(self, group: Group) -> list[Written]:
        """Those of a group over which a process died, each by itself, so that nobody else dies of the one to blame."""
        written: list[Written] = []
        beside: _Beside | None = None
        for row in group.rows:
            single = replace(group, rows=(row,))
            for _ in range(_TRIES):
                try:
                    beside = beside or await _Beside.begin(self.composer)
                except (OSError, _DiedError) as error:
                    LOG.error("no process can be started to compose in: %s", error)
                    written += await self._here(single)
                    break
                try:
                    written += await beside.compose(single)
                    break
                except _DiedError as died:
                    LOG.error("composing delivery %d of %s/%s: %s", row.id, row.campaign_id, row.step_key, died)
                    await beside.end()
                    beside = None
            else:
                written.append(Unwritten(Reason.POISON, {"times": _TRIES + 1}))
        if beside is not None:
            await beside.end()
        return written

    # -- life ----------------------------------------------------------------------------------------------------------

    async def _start(self) -> None:
        """Begin the processes, while the thread goes on. Where none can be had, the thread is all there is."""
        try:
            begun = [await _Beside.begin(self.composer) for _ in range(self.processes)]
        except (OSError, _DiedError) as error:
            LOG.warning("composing stays in this process, because another one cannot be started: %s", error)
            self.processes = 0
            return
        self._beside = begun
        self._resting = asyncio.create_task(self._rest())

    async def _rest(self) -> None:
        """End the processes when nothing was to do for a while."""
        loop = asyncio.get_running_loop()
        idle = 0.0
        while self._waiting or idle < REST_AFTER:
            await asyncio.sleep(REST_AFTER - idle if not self._waiting else REST_AFTER)
            idle = loop.time() - self._used
        beside, self._beside, self._starting = self._beside, [], None
        await asyncio.gather(*(one.end() for one in beside))

    async def _bury(self, beside: "_Beside", died: Exception) -> None:
        LOG.error("a process that composes is gone: %s; its mails are tried one by one", died)
        if beside in self._beside:
            self._beside.remove(beside)
            await beside.end()
            with contextlib.suppress(OSError, _DiedError):
                self._beside.append(await _Beside.begin(self.composer))
            if not self._beside:
                self._starting = None


class _DiedError(RfsMailError):
    """The process beside is gone, or does not answer."""


@dataclass
class _Beside:
    """One process beside this one. It answers in the order it was asked."""

    process: asyncio.subprocess.Process
    load: int = 0
    _known: set[int] = field(default_factory=set)
    _calendar: Calendar | None = None
    _answers: "asyncio.Queue[asyncio.Future[Any]]" = field(default_factory=asyncio.Queue)
    _reader: "asyncio.Task[None] | None" = None
    _dead: str = ""

    @classmethod
    async def begin(cls, composer: Composer) -> "_Beside":
        """Start one and wait until it is ready. Raises OSError or _DiedError."""
        process = await asyncio.create_subprocess_exec(  # -P: what lies in the working folder is not for import
            sys.executable, "-P", "-m", __name__, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            limit=2**20,
        )  # fmt: skip
        beside = cls(process)
        beside._reader = asyncio.create_task(beside._read())
        try:
            await beside._ask(composer, BEGIN_PATIENCE)
        except BaseException:
            await beside.end()
            raise
        return beside

    async def compose(self, group: Group) -> list[Written]:
        """Have a group composed. Raises _DiedError."""
        if len(self._known) > _KEPT_REVISIONS:
            self._known.clear()
        new = {one: group.materials[one] for one in set(group.revisions.values()) - self._known}
        forget = not self._known
        self._known |= set(new)
        calendar = None if group.calendar is self._calendar else group.calendar
        self._calendar = group.calendar
        revisions = [group.revisions[row.id] for row in group.rows]
        tags = {row.person_id: group.tags[row.person_id] for row in group.rows if row.person_id in group.tags}
        windows = {row.id: group.windows[row.id] for row in group.rows if row.id in group.windows}
        self.load += len(group.rows)
        try:
            work = _Work(list(group.rows), revisions, new, forget, calendar, tags, group.now, windows)
            return list(await self._ask(work, PATIENCE))
        finally:
            self.load -= len(group.rows)

    async def _ask(self, question: Any, patience: float) -> Any:
        if self._dead:
            raise _DiedError(self._dead)
        assert self.process.stdin is not None
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._answers.put_nowait(answer)
        self.process.stdin.write(_frame(question))
        try:
            async with asyncio.timeout(patience):
                with contextlib.suppress(ConnectionError):  # the reader says why
                    await self.process.stdin.drain()
                return await asyncio.shield(answer)
        except TimeoutError:
            self._dies(f"no answer within {patience:.0f} s")
            raise _DiedError(self._dead) from None

    async def _read(self) -> None:
        """Hand answers to those who asked, in order."""
        stdout = self.process.stdout
        assert stdout is not None
        try:
            while True:
                header = await stdout.readexactly(_HEADER)
                answer = pickle.loads(await stdout.readexactly(int.from_bytes(header, "big")))  # noqa: S301 - our own process
                waiting = self._answers.get_nowait()
                if not waiting.done():
                    waiting.set_result(answer)
        except (asyncio.IncompleteReadError, ConnectionError):
            self._dies(f"it ended by itself ({await self.process.wait()})")

    def _dies(self, why: str) -> None:
        self._dead = self._dead or why
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.kill()
        while not self._answers.empty():
            waiting = self._answers.get_nowait()
            if not waiting.done():
                waiting.set_exception(_DiedError(self._dead))
                waiting.exception()  # whoever waited may be gone

    async def end(self) -> None:
        """Close its input, which ends it; kill it where that does not help."""
        self._dead = self._dead or "it was ended"
        if self.process.stdin is not None:
            self.process.stdin.close()
        try:
            async with asyncio.timeout(5):
                await self.process.wait()
        except TimeoutError:
            self.process.kill()
            await self.process.wait()
        if self._reader is not None:
            self._reader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reader


# -- in the process beside ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Work:
    """A group on its way: what the process knows already is not said again."""

    rows: list[Claimed]
    revisions: list[int]
    materials: dict[int, Material]
    forget: bool
    calendar: Calendar | None
    tags: dict[int, tuple[str, ...]]
    now: datetime
    windows: dict[int, Sequence[About]]


def _frame(said: Any) -> bytes:
    data = pickle.dumps(said, protocol=pickle.HIGHEST_PROTOCOL)
    return len(data).to_bytes(_HEADER, "big") + data


def serve(questions: BinaryIO, answers: BinaryIO) -> None:
    """What the process beside does, until its input ends: first the composer, then groups."""
    composer: Composer | None = None
    materials: dict[int, Material] = {}
    calendar: Calendar = {}
    while len(header := questions.read(_HEADER)) == _HEADER:
        said = pickle.loads(questions.read(int.from_bytes(header, "big")))  # noqa: S301 - from the process that began us
        answer: Any
        if isinstance(said, Composer):
            composer = answer = said
            answer = "ready"
        else:
            assert composer is not None
            if said.forget:
                materials.clear()
            materials |= said.materials
            calendar = said.calendar if said.calendar is not None else calendar
            by_delivery = {row.id: revision for row, revision in zip(said.rows, said.revisions, strict=True)}
            answer = compose_group(
                composer, Group(said.rows, by_delivery, materials, calendar, said.tags, said.now, said.windows)
            )  # fmt: skip
        answers.write(_frame(answer))
        answers.flush()


def main() -> None:
    """`python -m rfs_mail.engine.composers`: only the process that sends begins this; it ends with its input."""
    for one in (signal.SIGINT, signal.SIGTERM):  # the process that sends ends in order, and this one after it
        signal.signal(one, signal.SIG_IGN)
    answers = sys.stdout.buffer
    sys.stdout = sys.stderr  # nothing but answers goes out there
    with contextlib.suppress(BrokenPipeError):  # whoever asked was killed
        serve(sys.stdin.buffer, answers)


if __name__ == "__main__":
    from rfs_mail.engine import composers  # classes are unpickled by this name, not as __main__

    composers.main()
