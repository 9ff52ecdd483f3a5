"""
The conductor: starts the sender, the relay and the pages, does them harm in an order that the seed decides, and waits
for the end. It kills nothing that it did not start, and gives up, loudly, after `patience` seconds.
"""

import contextlib
import http.client
import os
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rfs_mail.app import open_app
from rfs_mail.core import tokens
from rfs_mail.core.tokens import Keys, Kind
from tests.chaos.audit import Findings, audit
from tests.chaos.civil import CivilClock
from tests.chaos.installation import SLOTS, install, point_to
from tests.chaos.senders import Child, start_sender, start_web
from tests.project_samples import ROOT

Say = Callable[[str], None]

STALLED = 0.8
"""Seconds without a mail after which the civil clock leaps on, to what was put off."""

STEP = 360.0
"""Seconds of civil time of such a leap."""


@dataclass(frozen=True)
class Plan:
    """How much of what. The shares of other harm follow from the kills unless they are given."""

    mails: int
    kills: int
    seed: int
    harm: tuple[tuple[str, int], ...]
    """Name of another harm -> how often."""
    often: float = 1.0
    """How much the relay misbehaves by itself; 0: not at all."""
    slow: float = 0.01
    """Seconds the relay takes over a final dot, at most."""
    leaving: float = 0.05
    """The share of people who press the button."""
    lease: float = 5.0
    """Seconds of machine time that a claim holds without a sign of life."""
    mutant: str = ""
    patience: float = 900.0
    """Seconds after which the run gives up."""


OTHER_HARM = ("sleeps", "twins", "relay restarts", "locked database", "full disk", "clock jumps")


def plan(mails: int, kills: int, seed: int) -> Plan:
    """The usual mixture: for every ten kills, one or two of each other harm."""
    shares = (0.08, 0.08, 0.2, 0.1, 0.06, 0.1)
    return Plan(
        mails, kills, seed,
        tuple((name, max(1, round(kills * share))) for name, share in zip(OTHER_HARM, shares, strict=True)),
    )  # fmt: skip


@dataclass
class Outcome:
    """What was done, and what came of it."""

    findings: Findings
    done: Counter[str]
    seconds: float
    most_sending: int
    """The most deliveries that one death found at the wire."""
    ended: list[str] = field(default_factory=list)
    """When the sender ended by itself: the last line it said."""

    @property
    def broken(self) -> dict[str, list[str]]:
        """Promise -> what shows that it is broken."""
        return {promise: shown for promise, shown in self.findings.broken.items() if shown}


class GaveUpError(Exception):
    """The run did not come to its end in time: something is stuck."""


class Conductor:
    """
    One run in a folder of its own, which it fills, or takes over from `template`, an installation of as many mails.
    """

    def __init__(self, folder: Path, asked: Plan, say: Say = lambda _: None, *, template: Path | None = None) -> None:
        self.template = template
        self.base, self.folder = folder, folder / "work"
        self.plan, self.say = asked, say
        self.log, self.database = folder / "relay.log", self.folder / "rfs-mail.db"
        self.civil = CivilClock(folder / "civil")
        self.chance = random.Random(asked.seed)
        self.done: Counter[str] = Counter()
        self.senders: dict[int, int] = {}
        self.left: set[int] = set()
        self.ended: list[str] = []
        self.most_sending = 0
        self.started = self.moved = time.monotonic()
        self._number = 0
        self._server: subprocess.Popen[str] | None = None
        self._port = 0
        self._sender: Child | None = None
        self._twin: Child | None = None
        self._seen = self._read_to = self._leaps = 0
        self._healing = False
        self._over = threading.Event()

    # -- the run -------------------------------------------------------------------------------------------------------

    def run(self) -> Outcome:
        """Everything, from the installation to the reckoning."""
        with contextlib.ExitStack() as stack:
            self.full = stack.enter_context(small_disk(self.folder, self.plan))
            if self.template is None:
                install(self.folder, self.plan.mails, now=self.civil.now())
            else:
                shutil.copytree(self.template, self.folder, dirs_exist_ok=True)
            app = open_app(self.folder, environ={})
            keys = app.keys
            app.close()
            stack.callback(self._end)
            self._start_server()
            web, port = start_web(self.folder, self.plan.mutant)
            stack.callback(web.kill)
            self._wait(lambda: answers(port))
            leaver = threading.Thread(target=self._leave, args=(keys, port), daemon=True)
            stack.callback(leaver.join)
            stack.callback(self._over.set)
            self._start_sender()
            leaver.start()
            for harm, after in self._order():
                self._wait(lambda after=after: self.accepted() >= after or self._late or self._leaps > 2)
                if self._late:
                    self.say(f"{self._at()}: three quarters of the time are over, which leaves the rest undone")
                    break
                getattr(self, "_" + harm.replace(" ", "_"))()
                self.done[harm] += 1
                if harm != "kills" or self.done[harm] % 10 == 0:
                    self.say(f"{self._at()}: {self.done['kills']} kills, {self.accepted()} mails taken; {harm}")
            self.say(f"{self._at()}: no more harm; waiting for the rest")
            self._healing = True
            if self.done["twins"]:  # what a dead twin still holds would wait for its lease
                self._kill_sender()
                self.done["kills at the end"] += 1
            self._wait(self._nothing_left)
            self._over.set()
            leaver.join()
            self._wait(self._nothing_left)
            self._stop_in_order()
            took = time.monotonic() - self.started
            outcome = Outcome(self._reckon(), self.done, took, self.most_sending, self.ended)
            if outcome.broken:  # the small disk goes with the run
                shutil.copytree(self.folder, self.base / "broken")
            return outcome

    def _order(self) -> list[tuple[str, int]]:
        """(harm, after so many mails): every harm somewhere in the first nine tenths."""
        harms = ["kills"] * self.plan.kills + [name for name, count in self.plan.harm for _ in range(count)]
        self.chance.shuffle(harms)
        share = self.plan.mails * 0.9 / max(len(harms), 1)
        return [(harm, round(share * (number + self.chance.random()))) for number, harm in enumerate(harms)]

    def _reckon(self) -> Findings:
        deaths = ("kills", "kills at the start", "kills at the end", "twins", "relay restarts", "sleeps")
        found = audit(
            self.database, self.log, mails=self.plan.mails, senders=self.senders, left=self.left, window=SLOTS,
            deaths=sum(self.done[name] for name in deaths) + len(self.ended),
        )  # fmt: skip
        if self.most_sending > SLOTS:
            found.broken["uncertain at most a window a death"].append(f"{self.most_sending} > {SLOTS} at one death")
        return found

    @property
    def _late(self) -> bool:
        return time.monotonic() - self.started > 0.75 * self.plan.patience

    def _at(self) -> str:
        return f"{time.monotonic() - self.started:4.0f} s"

    # -- looking -------------------------------------------------------------------------------------------------------

    def accepted(self) -> int:
        """Messages the relay has taken so far."""
        with contextlib.suppress(FileNotFoundError), self.log.open("rb") as file:
            file.seek(self._read_to)
            piece = file.read()
            piece = piece[: piece.rfind(b"\n") + 1]
            self._read_to += len(piece)
            came = piece.count(b'"by"')
            if came:
                self._seen += came
                self._leaps = 0
                self.moved = time.monotonic()
        return self._seen

    def _wait(self, condition: Callable[[], bool]) -> None:
        """Wait for it; meanwhile a sender that ends is started again, and time that only passes is skipped."""
        while not condition():
            if time.monotonic() - self.started > self.plan.patience:
                raise GaveUpError(f"stuck after {self.accepted()} mails: {self._states()}; look into {self.base}")
            self._revive()
            self.accepted()
            if time.monotonic() - self.moved > STALLED:
                self._leap()
            time.sleep(0.01)

    def _leap(self) -> None:
        """To when the next mail that was put off is due, or a few minutes on."""
        self.moved = time.monotonic()
        self.civil.leap(STEP)
        self._leaps += 1  # after some of them there is nothing left that could come
        self.done["leaps of time"] += 1
        if self._healing:
            soonest = self._ask("SELECT MIN(next_at) FROM delivery WHERE state = 'queued'")
            if soonest is not None:
                self.civil.leap(max(0.0, soonest / 1e6 - self.civil.now().timestamp()))

    def _ask(self, question: str) -> int | None:
        """One number from the database, as it is on disk."""
        with closing(sqlite3.connect(self.database, timeout=30)) as raw:
            answer: int | None = raw.execute(question).fetchone()[0]
            return answer

    def _locked(self) -> bool:
        """Is somebody in the middle of writing?"""
        with closing(sqlite3.connect(self.database, timeout=0.2, isolation_level=None)) as raw:
            try:
                raw.execute("BEGIN IMMEDIATE")
                raw.execute("ROLLBACK")
            except sqlite3.OperationalError:
                return True
            return False

    def _states(self) -> dict[str, int]:
        with closing(sqlite3.connect(self.database, timeout=30)) as raw:
            return dict(raw.execute("SELECT state, COUNT(*) FROM delivery GROUP BY state"))

    def _nothing_left(self) -> bool:
        time.sleep(0.05)
        if any(self.folder.glob("unsubscribe.spool*[!k]")):
            return False
        states = self._states()
        return sum(states.values()) >= self.plan.mails and not {"queued", "claimed", "sending"} & set(states)

    # -- processes -----------------------------------------------------------------------------------------------------

    def _start_server(self) -> None:
        command = [sys.executable, "-m", "tests.chaos.server", "--port", str(self._port), "--log", str(self.log)]
        command += ["--seed", str(self.chance.random()), "--often", str(self.plan.often), "--slow", str(self.plan.slow)]
        self._server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert self._server.stdout is not None
        self._port = int(self._server.stdout.readline())

    def _kill_server(self) -> None:
        assert self._server is not None
        self._server.kill()
        self._server.wait()
        assert self._server.stdout is not None
        self._server.stdout.close()

    def _start_sender(self) -> None:
        self._number += 1
        point_to(self.folder, self._port, self._number)
        self._sender = start_sender(self.folder, self._number, lease=self.plan.lease, mutant=self.plan.mutant)
        self.senders[self._sender.pid] = self._number
        self.moved = time.monotonic()

    def _revive(self) -> None:
        if self._sender is not None and not self._sender.lives:
            self._sender.process.join()
            said = (self.base / "sender.log").read_text(encoding="utf-8", errors="replace").splitlines()
            self.ended.append(said[-1][:160] if said else "")
            self.say(f"{self._at()}: the sender ended by itself: {self.ended[-1]}")
            time.sleep(0.2)
            self._start_sender()

    def _stop_in_order(self) -> None:
        """SIGTERM: what is claimed goes back, nothing stays at the wire."""
        assert self._sender is not None
        self._sender.signal(signal.SIGTERM)
        self._sender.process.join(30)

    def _end(self) -> None:
        for child in (self._sender, self._twin):
            if child is not None:
                child.signal(signal.SIGCONT)
                child.kill()
        self._kill_server()

    # -- harm ----------------------------------------------------------------------------------------------------------

    def _kills(self) -> None:
        """Kill -9 wherever it is, at times again while it starts."""
        self._kill_sender()
        if self.chance.random() < 0.1:
            time.sleep(self.chance.uniform(0, 0.5))
            self._kill_sender()
            self.done["kills at the start"] += 1

    def _kill_sender(self) -> None:
        assert self._sender is not None
        self._sender.kill()
        sending = self._ask(
            "SELECT COUNT(*) FROM delivery d JOIN batch b ON b.id = d.batch_id "
            f"WHERE d.state = 'sending' AND b.holder LIKE '%:{self._sender.pid}:%'"
        ) or 0  # fmt: skip
        self.most_sending = max(self.most_sending, sending)
        self._start_sender()

    def _sleeps(self) -> None:
        """SIGSTOP for longer than the lease: it wakes up with verdicts and marks that are out of date."""
        assert self._sender is not None
        self._sender.signal(signal.SIGSTOP)
        time.sleep(self.plan.lease * self.chance.uniform(1.1, 1.5))
        self._sender.signal(signal.SIGCONT)

    def _twins(self) -> None:
        """
        A stopped sender whose lock no longer holds, as on a network disk; a second one; then both at once.

        Only batch and epoch stand between the two.
        """
        first = self._sender
        assert first is not None
        self._twin = first
        first.signal(signal.SIGSTOP)
        while self._locked():  # stopped inside a transaction, it would keep the second one from everything
            first.signal(signal.SIGCONT)
            time.sleep(0.01)
            first.signal(signal.SIGSTOP)
        self.database.with_name(self.database.name + ".lock").unlink(missing_ok=True)
        self._start_sender()
        before, ends = self.accepted(), time.monotonic() + self.plan.lease
        enough = min(self.chance.randint(1, 40), max((self.plan.mails - before) // 4, 1))
        while self.accepted() < before + enough and time.monotonic() < ends:
            time.sleep(0.01)
        first.signal(signal.SIGCONT)
        time.sleep(self.chance.uniform(0.2, 1.0))
        first.kill()
        self._twin = None

    def _relay_restarts(self) -> None:
        """Kill -9 of the relay in the middle of its conversations."""
        self._kill_server()
        time.sleep(self.chance.uniform(0, 0.3))
        self._start_server()

    def _locked_database(self) -> None:
        """Somebody else holds a write transaction, longer than anybody wants to wait."""
        with closing(sqlite3.connect(self.database, timeout=30, isolation_level=None)) as raw:
            raw.execute("BEGIN IMMEDIATE")
            time.sleep(self.chance.uniform(0.5, 3.0))
            raw.execute("ROLLBACK")

    def _full_disk(self) -> None:
        """Nothing can be written for a while."""
        with self.full(self._sender):
            time.sleep(self.chance.uniform(0.5, 2.0))

    def _clock_jumps(self) -> None:
        """The civil clock goes an hour off, and back. Leases are none of its business."""
        hour = self.chance.choice((-3600.0, 3600.0))
        self.civil.leap(hour)
        time.sleep(self.chance.uniform(0.3, 1.5))
        self.civil.leap(-hour)

    # -- leaving -------------------------------------------------------------------------------------------------------

    def _leave(self, keys: Keys, port: int) -> None:
        """People press the button all the time, most of them while their mail is on its way."""
        chance = random.Random(self.plan.seed + 1)
        wanted = round(self.plan.mails * self.plan.leaving)
        while not self._over.is_set() and self.done["unsubscribes"] < wanted:
            delivery_id = self._about_to_go(chance)
            if delivery_id is not None:
                self.done["unsubscribes"] += 1
                if one_click(port, tokens.make(Kind.UNSUBSCRIBE, delivery_id, keys)):
                    self.left.add(delivery_id)
                else:
                    self.done["unsubscribes refused"] += 1
            ahead = self.done["unsubscribes"] / max(wanted, 1) - self._seen / self.plan.mails
            self._over.wait(0.005 if ahead < 0 else 0.1)

    def _about_to_go(self, chance: random.Random) -> int | None:
        state = chance.choice(("sending", "claimed", "claimed", "queued"))
        with contextlib.suppress(sqlite3.Error), closing(sqlite3.connect(self.database, timeout=5)) as raw:
            rows = raw.execute("SELECT id FROM delivery WHERE state = ? ORDER BY id LIMIT 60", (state,)).fetchall()
            return chance.choice(rows)[0] if rows else None
        return None


def answers(port: int) -> bool:
    """Do the pages answer yet?"""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def one_click(port: int, token: str) -> bool:
    """What a mail client posts (RFC 8058); was it answered with 200?"""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        connection.request("POST", f"/u/{token}", "List-Unsubscribe=One-Click", kind)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


# -- a disk that can be full -------------------------------------------------------------------------------------------

Fill = Callable[[Child | None], contextlib.AbstractContextManager[None]]


@contextmanager
def small_disk(folder: Path, asked: Plan) -> Iterator[Fill]:
    """
    A place for the database that can be filled: a file system in memory where we may mount one, else a limit.

    The limit is that of the sender (RLIMIT_FSIZE): no file of its grows beyond what the log of the database has now.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wanted = asked.mails >= 5000 and dict(asked.harm).get("full disk")
    size = f"size={64 + asked.mails // 100}m"
    mounted = wanted and os.geteuid() == 0 and _done(["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(folder)])
    try:
        yield lambda sender: _ballast(folder) if mounted else _limit(sender, folder / "rfs-mail.db-wal")
    finally:
        if mounted:
            _done(["umount", "-l", str(folder)])


def _done(command: list[str]) -> bool:
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@contextmanager
def _ballast(folder: Path) -> Iterator[None]:
    path = folder / "ballast"
    try:
        with contextlib.suppress(OSError), path.open("wb", buffering=0) as file:
            while True:
                file.write(b"\0" * 65536)
        with contextlib.suppress(OSError), path.open("ab", buffering=0) as file:
            while True:
                file.write(b"\0" * 512)
        yield
    finally:
        path.unlink(missing_ok=True)


@contextmanager
def _limit(sender: Child | None, growing: Path) -> Iterator[None]:
    assert sender is not None
    with contextlib.suppress(ProcessLookupError, FileNotFoundError):
        resource.prlimit(sender.pid, resource.RLIMIT_FSIZE, (growing.stat().st_size // 2, resource.RLIM_INFINITY))
    yield
    with contextlib.suppress(ProcessLookupError):
        resource.prlimit(sender.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
