"""Unsubscribes that wait for the database on disk."""

import json
import threading
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from rfs_mail.core.campaign import Entity, ReleaseContent, Topic
from rfs_mail.core.tokens import Keys, Kind, make
from rfs_mail.engine import feedback
from rfs_mail.engine.spool import NAME, Drained, drain_spool, spool_unsubscribe
from rfs_mail.store import outbox, releases
from rfs_mail.store.database import Store
from rfs_mail.store.tables import TABLES
from tests.recipients import add_delivery, add_person, state_of

KEYS = Keys(0, ((0, b"a secret of sixteen octets or more"),))


def entity(name: str, *partners: str) -> Entity:
    """An entity of a release that holds nothing else."""
    return Entity(
        id=name, name=name, from_name=name, from_address=f"hello@{name}.example.org", list_domain="x.example.org",
        bounce_domain="b.example.org", postal_address="100 Example Street", partners=partners,
    )  # fmt: skip


def release(store: Store, now: datetime) -> None:
    """Two entities that are partners, live."""
    content = ReleaseContent(
        entities={"rfs": entity("rfs", "civics"), "civics": entity("civics", "rfs")},
        topics={"running": Topic(id="running", entity="rfs", name={"en": "Running"})},
    )
    with store.begin() as connection:
        releases.save_release(connection, content, {}, now=now, by="ana")


def mailed(store: Store, now: datetime, address: str = "maria@example.org") -> tuple[str, int]:
    """Somebody who was mailed and has another mail waiting: the token of the first, the id of the second."""
    with store.begin() as connection:
        who = add_person(connection, address, now=now, entities=("rfs", "civics"))
        sent = add_delivery(connection, who, now=now, state="sent", step_key="a")
        waiting = add_delivery(connection, who, now=now, step_key="b")
    return make(Kind.UNSUBSCRIBE, sent, KEYS), waiting


def suppressed(store: Store) -> list[tuple[str, datetime, str]]:
    """(entity, when, source) of the live suppressions."""
    with store.read() as connection:
        rows = connection.execute(TABLES["suppression"].select()).all()
    return sorted((row.scope_id, row.at, row.source) for row in rows if row.lifted_at is None)


def test_a_spooled_unsubscribe_is_written_as_of_its_moment(store: Store, now: datetime, tmp_path: Path) -> None:
    """What is drained stops waiting mail and carries the time at which she pressed the button."""
    release(store, now)
    token, waiting = mailed(store, now)
    spool_unsubscribe(tmp_path, token, "partners", at=now)
    assert drain_spool(store, KEYS, tmp_path) == Drained(written=1)
    assert suppressed(store) == [("civics", now, "spool"), ("rfs", now, "spool")]
    with store.read() as connection:
        assert state_of(connection, waiting) == ("skipped", "unsubscribed")
    assert list(tmp_path.glob(f"{NAME}*")) == [tmp_path / f"{NAME}.lock"]
    assert drain_spool(store, KEYS, tmp_path) == Drained()


def test_the_line_holds_token_scope_and_time_and_nothing_else(tmp_path: Path, now: datetime) -> None:
    """No address lies on the disk; only the owner may read the file."""
    spool_unsubscribe(tmp_path, "atoken", "topic", at=now)
    path = tmp_path / NAME
    assert json.loads(path.read_text()) == {"token": "atoken", "scope": "topic", "at": now.isoformat()}
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_clock_that_was_set_back_forgets_no_unsubscribe(store: Store, now: datetime, tmp_path: Path) -> None:
    """Pressed an hour before she agreed, by the clock: but the mail it stands in was made after that."""
    release(store, now)
    token, waiting = mailed(store, now)
    spool_unsubscribe(tmp_path, token, "entity", at=now - timedelta(hours=1))
    assert Drained(written=1) == drain_spool(store, KEYS, tmp_path)
    assert [("rfs", now - timedelta(hours=1), "spool")] == suppressed(store)
    with store.read() as connection:
        assert ("skipped", "unsubscribed") == state_of(connection, waiting)


def test_an_opt_in_since_then_stands(sqlite_store: Store, now: datetime, tmp_path: Path) -> None:
    """She pressed the button, then came back, and only then the database was there to read of both."""
    store = sqlite_store
    release(store, now)
    token, _ = mailed(store, now)
    spool_unsubscribe(tmp_path, token, "entity", at=now + timedelta(minutes=1))
    with store.begin() as connection:
        feedback.opt_in(connection, 1, ("rfs",), text="Yes.", source="undo", now=now + timedelta(minutes=2))
    assert drain_spool(store, KEYS, tmp_path) == Drained(written=1)
    assert suppressed(store) == []


def test_lines_that_cannot_be_read_are_kept_for_staff(sqlite_store: Store, now: datetime, tmp_path: Path) -> None:
    """A line that a crash cut short, or that nobody of ours wrote, stops none of the others and is not lost."""
    store = sqlite_store
    release(store, now)
    token, waiting = mailed(store, now)
    bad = [
        b'{"token": "abc", "scope": "entity", "at": "2026-',
        b"\xff\xfe",
        b"[]",
        json.dumps({"token": "damaged", "scope": "entity", "at": now.isoformat()}).encode(),
        json.dumps({"token": token, "scope": "everything", "at": now.isoformat()}).encode(),
        json.dumps({"token": token, "scope": "entity", "at": "2026-11-23T10:00:00"}).encode(),
    ]
    (tmp_path / NAME).write_bytes(b"\n".join(bad[1:]) + b"\n" + bad[0])
    spool_unsubscribe(tmp_path, token, "entity", at=now)
    assert drain_spool(store, KEYS, tmp_path) == Drained(written=1, unreadable=len(bad))
    kept = (tmp_path / f"{NAME}.unreadable").read_bytes().splitlines()
    assert kept == [*bad[1:], bad[0]]
    with store.read() as connection:
        assert state_of(connection, waiting)[0] == "skipped"


def test_what_could_not_be_written_stays(sqlite_store: Store, now: datetime, tmp_path: Path) -> None:
    """A database that fails in the middle leaves the file for the next time, with whatever came meanwhile."""
    store = sqlite_store
    release(store, now)
    first, _ = mailed(store, now)
    second, _ = mailed(store, now, "joe@example.org")
    spool_unsubscribe(tmp_path, first, "entity", at=now)
    broken = Store(f"sqlite:///{tmp_path / 'empty.db'}")
    with pytest.raises(Exception, match="no such table"):
        drain_spool(broken, KEYS, tmp_path)
    broken.close()
    spool_unsubscribe(tmp_path, second, "entity", at=now)
    assert drain_spool(store, KEYS, tmp_path) == Drained(written=2)
    assert len(suppressed(store)) == 2


def test_nothing_is_lost_between_writers_and_drainers(sqlite_store: Store, now: datetime, tmp_path: Path) -> None:
    """Many threads write while others drain: every unsubscribe arrives."""
    store = sqlite_store
    release(store, now)
    tokens = [mailed(store, now, f"p{number}@example.org")[0] for number in range(60)]
    writers = [
        threading.Thread(
            target=lambda part: [spool_unsubscribe(tmp_path, token, "entity", at=now) for token in part], args=(part,)
        )
        for part in (tokens[::3], tokens[1::3], tokens[2::3])
    ]
    done = threading.Event()

    def drain() -> None:
        while not done.is_set():
            drain_spool(store, KEYS, tmp_path)

    drainers = [threading.Thread(target=drain) for _ in range(2)]
    for thread in (*drainers, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    for thread in drainers:
        thread.join()
    drain_spool(store, KEYS, tmp_path)
    assert len(suppressed(store)) == len(tokens)


def test_a_token_of_no_delivery_is_passed_over(sqlite_store: Store, now: datetime, tmp_path: Path) -> None:
    """Where the database was put back to an older day, its unknown deliveries do no harm."""
    release(sqlite_store, now)
    spool_unsubscribe(tmp_path, make(Kind.UNSUBSCRIBE, 4711, KEYS), "entity", at=now)
    assert drain_spool(sqlite_store, KEYS, tmp_path) == Drained(written=1)
    with sqlite_store.read() as connection:
        assert outbox.addressee(connection, 4711) is None
    assert suppressed(sqlite_store) == []
