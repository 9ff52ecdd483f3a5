"""A working folder with people who have all just signed up, and the witnesses in its database."""

import sqlite3
from datetime import datetime, timedelta
from pathlib import Path

from rfs_mail.app import open_app
from rfs_mail.campaign_files.load import load_project
from rfs_mail.cli.init import make_folder
from rfs_mail.engine.apply import apply
from rfs_mail.store import events
from rfs_mail.store.tables import TABLES
from tests.project_samples import make_folder as write_files
from tests.recipients import add_person
from tests.world import HEAD

CONNECTIONS, WINDOW = 4, 2
SLOTS = CONNECTIONS * WINDOW
"""The most that one death may leave uncertain."""

URGENT_STATE, URGENT_EVERY = "WI", 4
"""Every so manieth person lives there and gets deadline mail, which is sent once more when it is uncertain."""

CALM = HEAD.format(id="calm") + (
    f'audience: state != "{URGENT_STATE}"\nentry: {{event: signup}}\nsteps:\n  - {{key: one, mail: a}}\n'
)
URGENT = HEAD.format(id="urgent") + (
    f'audience: state == "{URGENT_STATE}"\nentry: {{event: signup}}\n'
    "steps:\n  - {key: one, mail: a, priority: deadline, not_after: entry + 6d}\n"
)

WITNESSES = """
CREATE TABLE chaos_move (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, delivery_id INTEGER, before TEXT, after TEXT, resent INTEGER, holder TEXT,
    at REAL
);
CREATE TABLE chaos_suppressed (seq INTEGER, address_hash BLOB, reason TEXT);
CREATE TRIGGER chaos_moves AFTER UPDATE OF state ON delivery WHEN OLD.state <> NEW.state BEGIN
    INSERT INTO chaos_move (delivery_id, before, after, resent, holder, at) VALUES (
        NEW.id, OLD.state, NEW.state, NEW.resends - OLD.resends,
        (SELECT holder FROM batch WHERE id = NEW.batch_id), (julianday('now') - 2440587.5) * 86400.0
    );
END;
CREATE TRIGGER chaos_suppressions AFTER INSERT ON suppression BEGIN
    INSERT INTO chaos_suppressed VALUES (
        (SELECT COALESCE(MAX(seq), 0) FROM chaos_move), NEW.address_hash, NEW.reason
    );
END;
"""
"""SQLite writes one transaction after the other, so the numbers are the order of the commits."""


def install(folder: Path, mails: int, *, now: datetime, composers: int = 1) -> None:
    """Make the folder, with one mail due for each of so many people. `composers`: processes that compose beside."""
    make_folder(folder, examples=False)
    settings = folder / "rfs-mail.toml"
    own = f"composers = {composers}\nwindow = {WINDOW}\n"
    settings.write_text(own + settings.read_text(encoding="utf-8"), encoding="utf-8")
    text = "---\nsubject: A subject\n---\nA line.\n"
    write_files(folder, {"calm": CALM, "urgent": URGENT}, {"calm/a.md": text, "urgent/a.md": text})
    app = open_app(folder, environ={})
    apply(app.store, load_project(app.settings), now=now - timedelta(hours=1), by="ana")
    for start in range(0, mails, 2000):
        with app.store.begin() as connection:
            people = [
                add_person(
                    connection, f"p{number}@example.org", now=now - timedelta(minutes=1),
                    state=URGENT_STATE if number % URGENT_EVERY == 0 else "OH",
                )
                for number in range(start, min(start + 2000, mails))
            ]  # fmt: skip
            when = {"at": now, "received_at": now}
            rows = [{"person_id": who, "entity_id": "rfs", "source": "form", "key": str(who), **when} for who in people]
            connection.execute(TABLES["signup"].insert(), rows)
            events.touch(connection, people)
    app.close()
    with sqlite3.connect(folder / "rfs-mail.db") as raw:
        raw.executescript(WITNESSES)
    raw.close()


def point_to(folder: Path, port: int, number: int) -> None:
    """Write the settings of the sender of this number: the relay will know it by its name."""
    path = folder / "rfs-mail.toml"
    head, *_ = path.read_text(encoding="utf-8").partition("\n[[relay]]\n")
    url = f"smtp://127.0.0.1:{port}?tls=none&helo={name_of(number)}"
    relay = f"\n[[relay]]\nurl = '{url}'\nconnections = {CONNECTIONS}\n"
    path.write_text(head + relay, encoding="utf-8")


def name_of(number: int) -> str:
    """What a sender calls itself in EHLO."""
    return f"s{number}.example.org"
