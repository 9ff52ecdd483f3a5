"""A filing deadline moves: how long until everybody on her way to it, and all her mail that waits, has its new time."""

import csv
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from benchmarks import folders, people
from benchmarks.clocks import took
from benchmarks.report import Found, say
from benchmarks.run import Run
from rfs_mail import clock
from rfs_mail.app import open_app
from rfs_mail.engine.advance import Advanced, advance
from rfs_mail.engine.enroll import enroll
from rfs_mail.engine.react import Reacted, react
from rfs_mail.engine.replan import Replanned, replan
from rfs_mail.engine.windows import apply_import, read_file
from rfs_mail.store.database import Store

WINDOW = "wi-2027-municipal"
CLOSES = date(2026, 12, 22)
"""Six weeks after NOW: the first mail of `countdown` is due today, at ten on each recipient's own clock."""
MOVED = timedelta(days=3)
MAIL_WAITS = ("NY", "GA")
"""Where it has struck ten: their first mail is in the outbox, a third of all. For the others it is planned."""
HOUR = timedelta(hours=1)


def measure(run: Run) -> Found:
    """
    People of five time zones are enrolled and advanced by the engine's own verbs; then the window closes three days
    later. From the commit of that change, `replan`, `react` and `advance` as one pass has them, until nothing is left.
    """

    def fill(connection: sqlite3.Connection) -> None:
        people.fill_people(connection, run.size)
        connection.execute(
            "INSERT INTO interest (person_id, office_level, state, division, party_path, incumbent, at)"
            " SELECT id, 'municipal', 'WI', '', '', 0, signed_up_at FROM person ORDER BY id"
        )

    with folders.prepared("replan", run.size, ("countdown",), fill, keep=run.keep) as folder:
        app = open_app(folder, environ={})
        try:
            say(f"replan: enrolling {run.size:,} people and queueing the mail of a third ...")
            _import(app.store, folder, CLOSES, now=folders.NOW - timedelta(days=9))
            replan(app.store, now=folders.NOW)  # of the first release
            entered = enroll(app.store, now=folders.NOW, pause=clock.breathe).total
            advance(app.store, now=folders.NOW, pause=clock.breathe)
            waiting = _check(folder, run.size, CLOSES, version=1)
            if entered != run.size:
                raise RuntimeError(f"{entered:,} of {run.size:,} people entered")
            say("replan: the window moves ...")
            now = folders.NOW + HOUR / 4
            _import(app.store, folder, CLOSES + MOVED, now=now)
            pauses = _Pauses()
            done = took(lambda: _settle(app.store, now, pauses), profile=run.profile)
        finally:
            app.close()
        still = _check(folder, run.size, CLOSES + MOVED, version=2)
        if still != waiting:
            raise RuntimeError(f"{waiting:,} mails waited, and then {still:,}")
        bare = _bare(folder)
    replanned, reacted, advanced = done.result
    return Found(
        done.seconds, run.size, "one bare UPDATE of the same enrollments and one of the same mails", bare,
        {"cpu_seconds": done.cpu, "cpu_us_each": done.cpu / run.size * 1e6, "mails": waiting,
         "walked": replanned.enrollments, "asked_again": reacted.people, "advanced": advanced.looked_at,
         "transactions": pauses.count, "longest_ms": pauses.longest * 1000},
    )  # fmt: skip


def _settle(store: Store, now: datetime, pause: Callable[[], None]) -> tuple[Replanned, Reacted, Advanced]:
    """The verbs in the order of one pass, each to its end; `enroll` has nothing to do with those in flight."""
    walked = replan(store, now=now, pause=pause)
    asked = react(store, now=now, pause=pause)
    return walked, asked, advance(store, now=now, pause=pause)


class _Pauses:
    """The pause between two chunks; notes how long a chunk took, which is how long anybody else had to wait."""

    def __init__(self) -> None:
        self.count, self.longest, self._since = 0, 0.0, time.perf_counter()

    def __call__(self) -> None:
        self.count += 1
        self.longest = max(self.longest, time.perf_counter() - self._since)
        clock.breathe()
        self._since = time.perf_counter()


def _import(store: Store, folder: Path, closes: date, *, now: datetime) -> None:
    """The file of one window, read and applied as `windows import` does."""
    file = folder / "windows.csv"
    values = {
        "window_id": WINDOW, "jurisdiction": "Madison", "state": "WI", "office_level": "municipal",
        "office": "city council", "election_on": "2027-04-06", "opens_on": "2026-11-01",
        "closes_on": closes.isoformat(), "closes_time": "17:00", "zone": "America/Chicago",
        "status": "confirmed", "confidence": "official",
        "source": "https://www.example.org/clerk", "as_of": now.date().isoformat(),
    }  # fmt: skip
    with file.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(values)
        writer.writerow(values.values())
    found = read_file(store, file, now=now)
    if found.problems:
        raise RuntimeError(f"{found.problems}")
    if list(apply_import(store, found, by="benchmarks", now=now).versions) != [WINDOW]:
        raise RuntimeError("the window was not written")


def _check(folder: Path, size: int, closes: date, *, version: int) -> int:
    """
    Is everybody planned, and all mail timed, by this closing, once? Returns how many mails wait.

    Worked out here once more, from what the campaign's file says: gather six weeks before at ten, route thirty days.
    """
    with closing(folders.raw(folder / folders.DATABASE)) as connection:
        found = connection.execute(
            """
            SELECT p.zone, e.step_key, e.due_at, e.planned, e.state, e.window_version, d.id IS NOT NULL,
                   d.due_at, d.next_at, d.not_after, d.window_version, d.state, count(*)
            FROM enrollment AS e JOIN person AS p ON p.id = e.person_id
            LEFT JOIN delivery AS d ON d.enrollment_id = e.id
            GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12
            """
        ).fetchall()
        (touched,) = connection.execute("SELECT count(*) FROM touched").fetchone()
    office, waits = ZoneInfo("America/Chicago"), {zone for state, _, zone in people.PLACES if state in MAIL_WAITS}
    expected = set()
    for zone in {zone for _, _, zone in people.PLACES}:
        gather, route = (_at(closes - timedelta(days=days), 10, ZoneInfo(zone)) for days in (42, 30))
        limit = _at(closes - timedelta(days=31), 17, office)
        mail = (1, gather, gather, limit, version, "queued") if zone in waits else (0, None, None, None, None, None)
        step = ("route", route) if zone in waits else ("gather", gather)
        expected.add((zone, *step, 1, "active", version, *mail))
    if {row[:-1] for row in found} != expected:
        raise RuntimeError(f"instead of {sorted(expected, key=str)} there is {found}")
    if (people_there := sum(row[-1] for row in found)) != size or touched:
        raise RuntimeError(f"{people_there:,} of {size:,} are on their way once, {touched:,} are to be asked")
    return sum(row[-1] for row in found if row[6])


def _at(day: date, hour: int, zone: ZoneInfo) -> int:
    return people.at(datetime(day.year, day.month, day.day, hour, tzinfo=zone))


def _bare(folder: Path) -> float:
    """Seconds of moving the same rows once more, by as much, in one transaction that asks nothing."""
    later = int(MOVED / timedelta(microseconds=1))
    with closing(folders.raw(folder / folders.DATABASE)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")

        def move() -> None:
            with connection:
                connection.execute(
                    "UPDATE enrollment SET due_at = due_at + ?, window_version = window_version + 1"
                    " WHERE window_id = ? AND state = 'active'",
                    (later, WINDOW),
                )
                connection.execute(
                    "UPDATE delivery SET due_at = due_at + ?, next_at = next_at + ?, not_after = not_after + ?,"
                    " window_version = window_version + 1 WHERE window_id = ? AND state = 'queued'",
                    (later, later, later, WINDOW),
                )

        return took(move).seconds
