"""Advancing everybody at once: each gets a mail, and the time of the step after it."""

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

from benchmarks import folders, people
from benchmarks.clocks import took
from benchmarks.report import Found, say
from benchmarks.run import Run
from rfs_mail import clock
from rfs_mail.app import open_app
from rfs_mail.engine.advance import advance


def measure(run: Run) -> Found:
    """
    `advance` over a series: one half stands at its first mail, whose next step counts from that mail; the other at its
    second, whose next step hangs on a date of the calendar. Then as many bare rows into the outbox.
    """

    def fill(connection: sqlite3.Connection) -> None:
        people.fill_people(connection, run.size)
        now = people.at(folders.NOW)
        people.fill_enrollments(
            connection, "welcome", step="hello", due=f"{now} - id", planned=False, where="id % 2",
            entered_at=folders.NOW - timedelta(minutes=1),
        )  # fmt: skip
        above = people.at(folders.NOW - timedelta(days=2, hours=1))
        people.fill_enrollments(
            connection, "welcome", step="offices", due=f"{now} - id", planned=True, where="id % 2 = 0",
            previous_at=f"{above} - id",
        )  # fmt: skip

    with folders.prepared("due", run.size, ("welcome",), fill, keep=run.keep) as folder:
        say(f"advance-due: {run.size:,} enrollments are due ...")
        app = open_app(folder, environ={})
        try:
            done = took(lambda: advance(app.store, now=folders.NOW, pause=clock.breathe), profile=run.profile)
        finally:
            app.close()
        if done.result.queued != run.size:
            raise RuntimeError(f"{done.result} instead of {run.size:,} mails")
        bare = _bare(folder)
    return Found(
        done.seconds, run.size, "executemany of as many bare delivery rows", bare,
        {"cpu_seconds": done.cpu, "cpu_us_each": done.cpu / run.size * 1e6, "each_second": run.size / done.seconds},
    )  # fmt: skip


def _bare(folder: Path) -> float:
    with closing(folders.raw(folder / folders.DATABASE)) as connection:
        columns = [row[1] for row in connection.execute("PRAGMA table_info(delivery)").fetchall() if row[1] != "id"]
        listed = ", ".join(columns)
        rows = connection.execute(f"SELECT {listed} FROM delivery").fetchall()
        with connection:
            connection.execute("DELETE FROM delivery")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        statement = f"INSERT INTO delivery ({listed}) VALUES ({', '.join('?' * len(columns))})"

        def insert() -> None:
            with connection:
                connection.executemany(statement, rows)

        return took(insert).seconds
