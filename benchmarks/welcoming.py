"""
Time to wire: somebody signs up while a broadcast to 100,000 is under way; how long until her welcome mail has left?

`python -m benchmarks.welcoming FOLDER PORT SIGNUPS` is the process that sends: all verbs at the pace of `rfs-mail run`.
It writes the sign-ups itself, as its pages would, and prints when each was committed; the sink says when the mail to
each was accepted. Both read the same monotonic clock.
"""

import asyncio
import json
import logging
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import IO, Any, cast

from sqlalchemy import Connection

from benchmarks import folders, peers, people
from benchmarks.clocks import middle, percentile
from benchmarks.processes import ROOT, child, end
from benchmarks.report import Found, say
from benchmarks.run import Run
from benchmarks.sending import open_folder
from rfs_mail import clock
from rfs_mail.app import App
from rfs_mail.core.person import address_hash, parse_address
from rfs_mail.core.signups import Signup
from rfs_mail.engine.machine import Machine
from rfs_mail.scheduler import schedule
from rfs_mail.store.signups import merge_signups

CAMPAIGNS = ("bulletin", "welcome")
EVERY = 0.25
"""Seconds between two sign-ups, whether or not the welcome before has left."""
WARM_UP = 2.0
PATIENCE = 10.0
"""Seconds that the last welcome may take."""
MARK = "newcomer"


def measure(run: Run) -> Found:
    """p99 of the time from a committed sign-up to its accepted mail."""
    signups = 48 if run.quick else 200

    def fill(connection: sqlite3.Connection) -> None:
        people.fill_people(connection, run.size)
        people.fill_queue(connection, campaign="bulletin")
        connection.execute("UPDATE sweep SET done_at = started_at, after_person_id = ?", (run.size,))

    with folders.prepared("welcome", run.size, CAMPAIGNS, fill, keep=run.keep) as folder:
        _make_due_now(folder / folders.DATABASE)
        say(f"time-to-wire: {signups} sign-ups beside a broadcast to {run.size:,} ...")
        command = [sys.executable, "-m", "benchmarks.sink", "--note", MARK]
        sink = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        try:
            port = int(cast(IO[str], sink.stdout).readline())
            done = child("welcoming", str(folder), str(port), str(signups))
            accepted: dict[str, float] = json.loads(sink.communicate(timeout=20)[0].splitlines()[0])
        finally:
            end(sink)
    if done["left"] == 0:
        raise RuntimeError("the broadcast was over before the last sign-up: take a larger --size")
    missing = done["committed"].keys() - accepted.keys()
    if missing:
        raise RuntimeError(f"{len(missing)} of {signups} welcome mails did not leave within {PATIENCE:g} s")
    waits = [accepted[address] - committed for address, committed in done["committed"].items()]
    return Found(
        percentile(waits, 0.99), run.size, "the median of the same", middle(waits),
        {"worst_s": max(waits), "p90_s": percentile(waits, 0.9), "signups": signups, "broadcast_sent": done["sent"],
         "broadcast_left": done["left"], "cpu_seconds": done["cpu"], "seconds": done["seconds"]},
    )  # fmt: skip


def _make_due_now(database: Path) -> None:
    """The verbs of `run` go by the clock: what was filled for a day of its own is due from now on."""
    now = clock.now()
    with closing(folders.raw(database)) as connection, connection:
        connection.execute(
            "UPDATE delivery SET queued_at = :now, due_at = :now, next_at = :now, not_after = :end",
            {"now": people.at(now), "end": people.at(now + timedelta(days=2))},
        )


# -- the process that sends --------------------------------------------------------------------------------------------


def main(folder: Path, port: int, signups: int) -> dict[str, Any]:
    """Send, take sign-ups on the way, and say when each was committed."""
    logging.basicConfig(level=logging.WARNING)
    app = open_folder(folder, port)
    try:
        done: dict[str, Any] = peers.run(_run(app, app.machine(), signups))
        return done
    finally:
        app.close()


async def _run(app: App, machine: Machine, signups: int) -> dict[str, Any]:
    await machine.replan(clock.now())  # the release has been live for long: what it changed is done
    began, cpu = time.perf_counter(), time.process_time()
    await machine.start()
    scheduler = schedule(app, machine, extra={})
    try:
        await asyncio.sleep(WARM_UP)
        committed: dict[str, float] = {}
        writing: set[asyncio.Task[None]] = set()
        for number in range(signups):
            writing.add(asyncio.create_task(_sign_up(app, number, committed)))
            await asyncio.sleep(EVERY)
        await asyncio.gather(*writing)
        left = await app.store.look(_left)
        sent = machine.tally.sent
        await _wait_for_welcomes(app, signups)
    finally:
        scheduler.shutdown(wait=False)
        await machine.stop()
    return {
        "committed": committed, "left": left, "sent": sent, "cpu": time.process_time() - cpu,
        "seconds": time.perf_counter() - began,
    }  # fmt: skip


async def _sign_up(app: App, number: int, committed: dict[str, float]) -> None:
    """One person fills in the form."""
    address = parse_address(f"{MARK}.{number}@example.org")
    now = clock.now()
    signup = Signup(
        line=number, address=address, hash=address_hash(app.suppression_key, address.key), key=f"form-{number}", at=now,
        fields={"given_name": "Nova"}, custom={}, consent_text="Yes, write to me",
    )  # fmt: skip

    def merge(connection: Connection) -> None:
        merge_signups(connection, [signup], source="form", entity="rfs", now=now)

    await app.store.write(merge)
    committed[address.mailbox] = time.monotonic()


async def _wait_for_welcomes(app: App, signups: int) -> None:
    """Until the last has left, or the patience is over."""
    for _ in range(int(PATIENCE / 0.1)):
        if await app.store.look(_welcomed) >= signups:
            return
        await asyncio.sleep(0.1)


def _left(connection: Connection) -> int:
    found = "SELECT count(*) FROM delivery WHERE campaign_id = 'bulletin' AND state = 'queued'"
    return int(connection.exec_driver_sql(found).scalar_one())


def _welcomed(connection: Connection) -> int:
    found = "SELECT count(*) FROM delivery WHERE campaign_id = 'welcome' AND state = 'sent'"
    return int(connection.exec_driver_sql(found).scalar_one())


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))))
