"""One click on "unsubscribe" while others enroll and import: how long until it is durable and answered."""

import asyncio
import logging
import sqlite3
import time
from collections.abc import MutableMapping
from typing import Any

from benchmarks import folders, peers, people
from benchmarks.clocks import middle, percentile
from benchmarks.processes import beside
from benchmarks.report import Found, say
from benchmarks.run import Run
from rfs_mail.app import App, open_app
from rfs_mail.core.tokens import Kind, make
from rfs_mail.engine.spool import NAME
from rfs_mail.web import create_web

CAMPAIGNS = ("letter", "drill")
EVERY = 0.2
"""Seconds between two presses, whether or not the one before is answered: waiting shows, it does not thin them out."""
BODY = b"List-Unsubscribe=One-Click"
"""What a mail program posts (RFC 8058 section 3.2)."""


def measure(run: Run) -> Found:
    """p99 of the POST, through the pages' own application; first alone, then beside a walk and an import."""
    logging.getLogger("rfs_mail.web.unsubscribe").setLevel(logging.ERROR)  # it is counted below
    alone, crowded = (25, 100) if run.quick else (100, 500)

    def fill(connection: sqlite3.Connection) -> None:
        people.fill_people(connection, run.size)
        people.fill_queue(connection, state="sent", count=alone + crowded)

    with folders.prepared("unsubscribe", run.size, CAMPAIGNS, fill, keep=run.keep) as folder:
        app = open_app(folder, environ={})
        try:
            say(f"unsubscribe: {alone} presses on an idle database ...")
            idle = peers.run(_press(app, range(1, alone + 1)))
            say(f"unsubscribe: {crowded} presses while others enroll and import ...")
            with beside("crowd", ("enroll", str(folder)), ("import", str(folder))) as others:
                busy = peers.run(_press(app, range(alone + 1, alone + crowded + 1)))
                gone = [process.args for process in others if process.poll() is not None]
            written, kept = _count(app)
        finally:
            app.close()
    if written + kept < alone + crowded:
        raise RuntimeError(f"of {alone + crowded} unsubscribes {written} were written and {kept} kept")
    if gone:
        raise RuntimeError(f"the database was not as busy as it should have been: {gone} ended")
    return Found(
        percentile(busy, 0.99), run.size, "p99 of the same on an idle database", percentile(idle, 0.99),
        {"median_ms": middle(busy), "worst_ms": max(busy), "idle_median_ms": middle(idle),
         "presses": len(busy), "kept_in_the_spool": kept},
    )  # fmt: skip


async def _press(app: App, deliveries: range) -> list[float]:
    """Press at a steady pace; milliseconds from the press to the answer."""
    web = create_web(app)
    await asyncio.gather(*(_post(web, "/u/none") for _ in range(2)))  # the first answer builds the application

    async def one(delivery_id: int) -> float:
        began = time.perf_counter()
        status = await _post(web, f"/u/{make(Kind.UNSUBSCRIBE, delivery_id, app.keys)}")
        if status != 200:
            raise RuntimeError(f"the answer was {status}")
        return (time.perf_counter() - began) * 1000

    pressed = []
    for delivery_id in deliveries:
        pressed.append(asyncio.create_task(one(delivery_id)))
        await asyncio.sleep(EVERY)
    return list(await asyncio.gather(*pressed))


async def _post(web: Any, path: str) -> int:
    """One POST to an ASGI application, as a server would pass it on; its status."""
    status = 0
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http",
        "path": path, "raw_path": path.encode(), "query_string": b"", "root_path": "",
        "headers": [(b"host", b"127.0.0.1"), (b"content-type", b"application/x-www-form-urlencoded"),
                    (b"content-length", str(len(BODY)).encode())],
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 8025),
    }  # fmt: skip
    given = False

    async def receive() -> MutableMapping[str, Any]:
        nonlocal given
        if given:
            return {"type": "http.disconnect"}
        given = True
        return {"type": "http.request", "body": BODY, "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        nonlocal status
        if message["type"] == "http.response.start":
            status = message["status"]

    await web(scope, receive, send)
    return status


def _count(app: App) -> tuple[int, int]:
    """How many were written, and how many were kept in the spool because the database did not answer in time."""
    with app.store.read() as connection:
        done = connection.exec_driver_sql("SELECT count(*) FROM suppression WHERE reason = 'unsubscribed'").scalar_one()
    spool = app.settings.folder / NAME
    return done, sum(1 for row in spool.read_bytes().splitlines() if row) if spool.exists() else 0
