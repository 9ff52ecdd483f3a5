"""A hundred people change: how long until everything that hangs on them is asked again, in a list of any size."""

import random
import sqlite3
from contextlib import closing
from pathlib import Path

from benchmarks import folders, people
from benchmarks.clocks import middle, took
from benchmarks.report import Found, say
from benchmarks.run import Run
from rfs_mail.app import open_app
from rfs_mail.engine.react import react

CAMPAIGNS = ("welcome", "everyone", "day", "quiet")
TOUCHED = 100
WARM_UP, ROUNDS = 3, 15


def measure(run: Run) -> Found:
    """
    Fifty sign up again and fifty decide to run; `react` asks goals, exits, waits and entries of four campaigns.

    The middle of several rounds, each with other people.
    """

    def fill(connection: sqlite3.Connection) -> None:
        people.fill_people(connection, run.size)
        people.fill_enrollments(
            connection, "everyone", step="hello", due=str(people.at(folders.NOW) + 86_400_000_000), planned=True
        )
        # What walks over everybody is done: this is about those who change.
        connection.execute("UPDATE sweep SET done_at = started_at, after_person_id = ?", (run.size,))

    chance = random.Random(1)
    with folders.prepared("touched", run.size, CAMPAIGNS, fill, keep=run.keep) as folder:
        database = folder / folders.DATABASE
        app = open_app(folder, environ={})
        try:
            say(f"enroll-touched: {TOUCHED} of {run.size:,} people, {ROUNDS} rounds ...")
            times, cpu, entered, ended = [], [], 0, 0
            for number in range(WARM_UP + ROUNDS):
                _change(database, chance.sample(range(1, run.size + 1), TOUCHED), number)
                done = took(lambda: react(app.store, now=folders.NOW), profile=run.profile and number == WARM_UP)
                if number >= WARM_UP:
                    times.append(done.seconds * 1000)
                    cpu.append(done.cpu * 1000)
                    entered += done.result.entered
                    ended += done.result.ended
        finally:
            app.close()
        if not entered or not ended:
            raise RuntimeError(f"{entered} entered and {ended} ended; both were expected")
        whole = _whole_table(database)
    return Found(
        middle(times), run.size, "the same questions asked of the whole table in bare SQL", whole,
        {"cpu_ms": middle(cpu), "worst_ms": max(times), "rounds": ROUNDS, "entered": entered, "ended": ended},
    )  # fmt: skip


def _change(database: Path, chosen: list[int], number: int) -> None:
    """Half of them sign up again, half decide to run; all of them are touched, as every write to a person does."""
    half = len(chosen) // 2
    with closing(folders.raw(database)) as connection, connection:
        now = people.at(folders.NOW)
        connection.executemany(
            "INSERT INTO signup (person_id, entity_id, source, key, at, received_at)"
            " VALUES (?, 'rfs', 'again', ?, ?, ?)",
            [(one, f"{number}-{one}", now, now) for one in chosen[:half]],
        )
        connection.executemany(
            "UPDATE person SET stage = 'committed', stage_at = ? WHERE id = ?", [(now, one) for one in chosen[half:]]
        )
        connection.executemany("INSERT INTO touched (person_id) VALUES (?)", [(one,) for one in chosen])


def _whole_table(database: Path) -> float:
    """Milliseconds of one pass over everybody: whose goal is reached, and who may enter."""
    mailable = """
        EXISTS (SELECT 1 FROM consent c
                WHERE c.person_id = p.id AND c.entity_id = 'rfs' AND c.withdrawn_at IS NULL)
        AND NOT EXISTS (SELECT 1 FROM suppression s
                        WHERE s.address_hash = p.address_hash AND s.lifted_at IS NULL)
        AND NOT EXISTS (SELECT 1 FROM topic_left t WHERE t.person_id = p.id AND t.topic = 'running')
        AND p.stopped_at IS NULL
    """
    new = "NOT EXISTS (SELECT 1 FROM enrollment e WHERE e.campaign_id = ? AND e.person_id = p.id)"
    reached = """
        SELECT count(*) FROM enrollment e JOIN person p ON p.id = e.person_id
        WHERE e.campaign_id = ? AND e.state = 'active' AND p.stage IN ('committed', 'circulating', 'filed', 'won')
    """
    likely = "p.stage IN ('signed_up', 'onboarded', 'exploring')"
    half_a_year_ago = people.at(folders.NOW) - 180 * 86_400_000_000
    questions: list[tuple[str, tuple[object, ...]]] = [
        (reached, ("everyone",)),
        (reached, ("welcome",)),
        (
            f"SELECT count(*) FROM person p WHERE {likely} AND {mailable} AND {new} AND EXISTS "
            "(SELECT 1 FROM signup u WHERE u.person_id = p.id AND u.at >= ?)",
            ("welcome", people.at(folders.APPLIED)),
        ),
        (
            f"SELECT count(*) FROM person p WHERE {likely} AND json_extract(p.custom, '$.hours_a_week') >= 1 "
            f"AND {mailable} AND {new}",
            ("everyone",),
        ),
        (f"SELECT count(*) FROM person p WHERE {likely} AND {mailable} AND {new}", ("day",)),
        (
            f"SELECT count(*) FROM person p WHERE {likely} AND {mailable} AND {new} AND "
            "(SELECT count(*) FROM delivery d WHERE d.person_id = p.id AND d.settled_at > ?) >= 6 AND NOT EXISTS "
            "(SELECT 1 FROM event v WHERE v.person_id = p.id AND v.active AND v.at > ?)",
            ("quiet", half_a_year_ago, half_a_year_ago),
        ),
    ]
    with closing(folders.raw(database)) as connection:
        return sum(
            took(lambda q=question, v=values: connection.execute(q, v).fetchall()).seconds * 1000  # type: ignore[misc]
            for question, values in questions
        )
