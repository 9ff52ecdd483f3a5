"""Advancing while nothing is due, whatever the number that waits."""

import sqlite3

from benchmarks import folders, people
from benchmarks.clocks import middle, percentile, took
from benchmarks.report import Found, say
from benchmarks.run import Run
from rfs_mail.app import open_app
from rfs_mail.engine.advance import advance

DAY = 86_400_000_000
WARM_UP, ROUNDS = 20, 200


def measure(run: Run) -> Found:
    """`advance` with every enrollment waiting for a later day; then `SELECT 1` the same way."""

    def fill(connection: sqlite3.Connection) -> None:
        people.fill_people(connection, run.size)
        due = f"{people.at(folders.NOW)} + {DAY} * (1 + id % 30)"
        people.fill_enrollments(connection, "everyone", step="hello", due=due, planned=True)

    with folders.prepared("waiting", run.size, ("everyone",), fill, keep=run.keep, pristine=True) as folder:
        app = open_app(folder, environ={})
        try:
            say(f"advance-idle: {run.size:,} enrollments wait, {ROUNDS} looks ...")

            def look() -> None:
                if advance(app.store, now=folders.NOW).looked_at:
                    raise RuntimeError("something was due")

            def select() -> None:
                with app.store.read() as connection:
                    connection.exec_driver_sql("SELECT 1").scalar_one()

            looks = [took(look) for _ in range(WARM_UP + ROUNDS)][WARM_UP:]
            selects = [took(select) for _ in range(WARM_UP + ROUNDS)][WARM_UP:]
        finally:
            app.close()
    times = [one.seconds * 1000 for one in looks]
    return Found(
        middle(times), run.size, "SELECT 1 through the same store", middle([one.seconds * 1000 for one in selects]),
        {"p99_ms": percentile(times, 0.99), "cpu_ms": middle([one.cpu * 1000 for one in looks])},
    )  # fmt: skip
