"""Enrolling everybody of a segment, in chunks, with the pauses that let others at the database."""

import sqlite3
from contextlib import closing
from pathlib import Path

from benchmarks import folders, people
from benchmarks.clocks import took
from benchmarks.report import Found, say
from benchmarks.run import Run
from rfs_mail import clock
from rfs_mail.app import open_app
from rfs_mail.engine.enroll import enroll


def measure(run: Run) -> Found:
    """`enroll` over all people; then the same rows by one bare INSERT .. SELECT in one piece."""

    def fill(connection: sqlite3.Connection) -> None:
        people.fill_people(connection, run.size)

    with folders.prepared("enroll", run.size, ("everyone",), fill, keep=run.keep) as folder:
        say(f"enroll: {run.size:,} people ...")
        app = open_app(folder, environ={})
        try:
            done = took(lambda: enroll(app.store, now=folders.NOW, pause=clock.breathe), profile=run.profile)
        finally:
            app.close()
        if done.result.total != run.size:
            raise RuntimeError(f"{done.result.total:,} of {run.size:,} people entered")
        bare = _bare(folder)
    return Found(
        done.seconds, run.size, "one INSERT .. SELECT of the same rows in one piece", bare,
        {"cpu_seconds": done.cpu, "people_per_second": run.size / done.seconds},
    )  # fmt: skip


def _bare(folder: Path) -> float:
    with closing(folders.raw(folder / folders.DATABASE)) as connection:
        with connection:
            connection.execute("DELETE FROM enrollment")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

        def insert() -> None:
            with connection:
                due = str(people.at(folders.NOW))
                people.fill_enrollments(connection, "everyone", step="hello", due=due, planned=True)

        return took(insert).seconds
