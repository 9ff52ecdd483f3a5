"""Importing a CSV of sign-ups: read, checked, merged, durable."""

import csv
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from hashlib import blake2b
from itertools import islice
from pathlib import Path

from benchmarks import folders, people
from benchmarks.clocks import took
from benchmarks.report import Found, say
from benchmarks.run import Run
from rfs_mail.app import App, open_app
from rfs_mail.engine.import_signups import ImportReport, import_signups

HEADER = ("email", "first_name", "last_name", "zip", "state", "language", "birth_year", "signed_up_at",
          "office_interest", "hours_a_week")  # fmt: skip
TWICE = 20
"""Every twentieth row is a person who is in the file already: 5 %."""


def measure(run: Run) -> Found:
    """`import_signups` of a file into an empty database; then csv.reader and bare inserts of the same file."""
    with folders.prepared("import", 0, ("everyone",), lambda connection: None) as folder:
        file = folder / "signups.csv"
        write_file(file, run.size)
        say(f"import: {run.size:,} rows, {file.stat().st_size / 1e6:,.0f} MB ...")
        app = open_app(folder, environ={})
        try:
            done = took(lambda: import_file(app, file, source="bench"), profile=run.profile)
        finally:
            app.close()
        said = done.result
        if said.rows != run.size or said.rejected or not said.merged:
            raise RuntimeError(f"not what was in the file: {said}")
        bare = took(lambda: _bare(folder, file)).seconds
    return Found(
        done.seconds, run.size, "csv.reader and executemany of bare rows into person", bare,
        {"cpu_seconds": done.cpu, "cpu_us_a_row": done.cpu / run.size * 1e6, "rows_per_second": run.size / done.seconds,
         "created": said.created, "merged": said.merged},
    )  # fmt: skip


def import_file(app: App, file: Path, *, source: str) -> ImportReport:
    """Import as the command does."""
    release = app.release()
    return import_signups(
        app.store, file, source=source, entity="rfs", consent_text="I want to hear from you",
        secret=app.suppression_key, fields=release.fields if release else {}, now=folders.NOW,
    )  # fmt: skip


def write_file(path: Path, rows: int, *, first: int = 1) -> None:
    """A file of sign-ups; one in twenty is about a person further up, with a new postcode and capital letters."""
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(HEADER)
        for number in range(first, first + rows):
            again = number % TWICE == 0 and number - first > TWICE
            who = number - 11 if again else number
            state, zip_code, _ = people.PLACES[who % len(people.PLACES)]
            mailbox = people.address(who)
            writer.writerow((
                mailbox.upper() if again else mailbox, people.GIVEN[who % len(people.GIVEN)],
                people.FAMILY[who % len(people.FAMILY)], "" if again else zip_code, state, "en", 1960 + who % 45,
                f"{people.signed_up_at(number):%Y-%m-%d %H:%M:%S}", people.INTERESTS[who % 4], 1 + who % 9,
            ))  # fmt: skip


def _bare(folder: Path, file: Path) -> None:
    """The least that could be called an import: no checks, no merging, no consent, one transaction."""
    with closing(folders.raw(folder / "bare.db")) as connection:
        with closing(sqlite3.connect(folder / folders.DATABASE)) as filled:
            made = "SELECT sql FROM sqlite_master WHERE tbl_name = 'person' AND sql IS NOT NULL"
            for (statement,) in filled.execute(made).fetchall():
                connection.execute(statement)
        with file.open(encoding="utf-8", newline="") as handle, connection:
            rows = csv.reader(handle)
            next(rows)
            shaped = _rows(rows)
            while chunk := list(islice(shaped, 10_000)):
                connection.executemany(
                    "INSERT OR IGNORE INTO person (address, mailbox, address_hash, given_name, family_name, zip, state,"
                    " lang, birth_year, custom, provenance, created_at, updated_at)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, '{}', '{}', 0, 0)",
                    chunk,
                )


def _rows(rows: Iterator[list[str]]) -> Iterator[tuple[object, ...]]:
    for email, given, family, zip_code, state, lang, born, *_ in rows:
        key = email.lower()
        yield key, email, blake2b(key.encode(), digest_size=32).digest(), given, family, zip_code, state, lang, born
