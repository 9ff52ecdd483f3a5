"""The database: transactions that keep their word, one sender, and instants that survive."""

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Column, Connection, Integer, MetaData, Table, insert, select, text, update
from sqlalchemy.exc import StatementError

from rfs_mail.errors import HeldError, StoreError
from rfs_mail.store.database import Store, machine_now, machine_time
from rfs_mail.store.dialect import among
from rfs_mail.store.tables import TABLES
from rfs_mail.store.types import Instant, from_microseconds, to_microseconds
from tests.recipients import add_person

NOTE = Table("note", MetaData(), Column("id", Integer, primary_key=True), Column("at", Instant))
COUNTER = Table("counter", MetaData(), Column("id", Integer, primary_key=True), Column("value", Integer))

MOMENTS = st.datetimes(
    min_value=datetime(1900, 1, 1),
    max_value=datetime(2200, 1, 1),
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=-5)), timezone(timedelta(hours=5, minutes=45))]),
)


def again(store: Store) -> Store:
    """A second store on the same database, as another process would open it."""
    return Store(store.url.render_as_string(hide_password=False))


@pytest.fixture
def other(store: Store) -> Iterator[Store]:
    """A second store on the database of `store`."""
    second = again(store)
    yield second
    second.close()


@pytest.fixture
def notes(store: Store) -> Store:
    """A database with an empty table of instants."""
    with store.begin() as connection:
        NOTE.create(connection)
    return store


@pytest.fixture
def counter(store: Store) -> Store:
    """A database with one counter at 0."""
    with store.begin() as connection:
        COUNTER.create(connection)
        connection.execute(insert(COUNTER).values(id=1, value=0))
    return store


def value_of(connection: Connection) -> int:
    """What the counter says."""
    return connection.execute(select(COUNTER.c.value)).scalar_one()


def add_one(connection: Connection) -> None:
    """Read, then write: what loses counts when two do it at once without waiting for each other."""
    value = connection.execute(select(COUNTER.c.value).with_for_update()).scalar_one()
    connection.execute(update(COUNTER).values(value=value + 1))


def write_then_fail(connection: Connection) -> None:
    """A transaction that goes wrong after it wrote."""
    connection.execute(update(COUNTER).values(value=7))
    raise ZeroDivisionError


# -- instants ----------------------------------------------------------------------------------------------------------


@given(MOMENTS)
def test_microseconds_are_exact(moment: datetime) -> None:
    """An instant comes back from its microseconds as the same instant."""
    assert from_microseconds(to_microseconds(moment)) == moment


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])  # rows are replaced each time
@given(moments=st.lists(MOMENTS, min_size=1, max_size=5))
def test_an_instant_comes_back_as_it_went(notes: Store, moments: list[datetime]) -> None:
    """What is stored is the instant to the microsecond, in UTC, and it sorts as time does."""
    with notes.begin() as connection:
        connection.execute(NOTE.delete())
        connection.execute(insert(NOTE), [{"at": moment} for moment in moments])
    with notes.read() as connection:
        found = list(connection.execute(select(NOTE.c.at).order_by(NOTE.c.at)).scalars())
    assert found == sorted(moments)
    assert {moment.utcoffset() for moment in found} == {timedelta(0)}


def test_no_instant_is_none(notes: Store) -> None:
    """A missing instant stays missing."""
    with notes.begin() as connection:
        connection.execute(insert(NOTE).values(at=None))
        assert connection.execute(select(NOTE.c.at)).scalar_one() is None


def test_a_naive_instant_is_refused(notes: Store) -> None:
    """A datetime without a zone is not stored and not compared with."""
    naive = datetime(2026, 11, 23, 15, 0)
    with pytest.raises(StatementError, match="naive datetime"), notes.begin() as connection:
        connection.execute(insert(NOTE).values(at=naive))
    with pytest.raises(StatementError, match="naive datetime"), notes.read() as connection:
        connection.execute(select(NOTE.c.id).where(NOTE.c.at < naive))
    with pytest.raises(ValueError, match="naive datetime"):
        to_microseconds(naive)


def test_machine_time_is_the_databases_clock(notes: Store) -> None:
    """It is an aware instant near this machine's, can be stored by an expression, and moves on."""
    with notes.begin() as connection:
        before = machine_now(connection)
        connection.execute(insert(NOTE).values(at=machine_time(connection)))
        after = machine_now(connection)
        stored = connection.execute(select(NOTE.c.at)).scalar_one()
        late = connection.execute(select(NOTE.c.id).where(NOTE.c.at > machine_time(connection))).first()
    assert before <= stored <= after
    assert late is None
    assert abs(before - datetime.now(UTC)) < timedelta(minutes=10)


# -- transactions ------------------------------------------------------------------------------------------------------


def test_an_exception_takes_everything_back(counter: Store) -> None:
    """A transaction that raises leaves nothing."""
    with pytest.raises(ZeroDivisionError), counter.begin() as connection:
        write_then_fail(connection)
    with counter.read() as connection:
        assert value_of(connection) == 0


def test_readers_see_what_is_committed(counter: Store, other: Store) -> None:
    """A reader is not stopped by a writer and does not see what is not committed."""
    with counter.begin() as writing:
        writing.execute(update(COUNTER).values(value=7))
        with other.read() as reading:
            assert value_of(reading) == 0
    with other.read() as reading:
        assert value_of(reading) == 7


def test_a_read_is_one_snapshot(counter: Store, other: Store) -> None:
    """A reader that began before a commit goes on seeing what was there when it first looked."""
    with counter.read() as reading:
        assert value_of(reading) == 0
        with other.begin() as writing:
            writing.execute(update(COUNTER).values(value=7))
        assert value_of(reading) == 0


def test_a_busy_database_is_waited_for(counter: Store, other: Store) -> None:
    """A second writer waits for the first one to commit, and then sees what it wrote."""
    holding, release = threading.Event(), threading.Event()

    def hold() -> None:
        with other.begin() as connection:
            add_one(connection)
            holding.set()
            release.wait(30)

    def wait() -> None:
        with counter.begin() as connection:
            add_one(connection)

    holder, waiter = threading.Thread(target=hold), threading.Thread(target=wait)
    holder.start()
    assert holding.wait(30)
    waiter.start()
    waiter.join(0.2)
    assert waiter.is_alive()
    release.set()
    waiter.join(30)
    holder.join(30)
    with counter.read() as connection:
        assert value_of(connection) == 2


def test_threads_of_one_process_lose_nothing(counter: Store) -> None:
    """Two threads that read and then write the same row, many times, count every time."""

    def work() -> None:
        for _ in range(50):
            with counter.begin() as connection:
                add_one(connection)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with counter.read() as connection:
        assert value_of(connection) == 100


def test_coroutines_lose_nothing(counter: Store) -> None:
    """`write` and `look` run whole transactions beside the event loop, any number at once."""

    async def work() -> int:
        await asyncio.gather(*(counter.write(add_one) for _ in range(40)))
        return await counter.look(value_of)

    assert asyncio.run(work()) == 40


def test_write_hands_over_arguments_result_and_error(counter: Store) -> None:
    """`write` gives the work its arguments and gives back its result, or its exception with everything undone."""

    def add(connection: Connection, by: int, *, fail: bool = False) -> int:
        connection.execute(update(COUNTER).values(value=COUNTER.c.value + by))
        if fail:
            raise ZeroDivisionError
        return value_of(connection)

    async def work() -> int:
        first = await counter.write(add, 3)
        with pytest.raises(ZeroDivisionError):
            await counter.write(add, 4, fail=True)
        assert await counter.look(value_of) == first
        return first

    assert asyncio.run(work()) == 3


def test_sqlite_is_durable_and_lets_readers_read(sqlite_store: Store) -> None:
    """The settings the promises rest on hold on every connection: WAL, full sync, a patient lock."""
    with sqlite_store.read() as connection:
        found = {
            name: connection.execute(text(f"PRAGMA {name}")).scalar_one()
            for name in ("journal_mode", "synchronous", "busy_timeout", "foreign_keys")
        }
    assert found == {"journal_mode": "wal", "synchronous": 2, "busy_timeout": 30_000, "foreign_keys": 1}


# -- opening -----------------------------------------------------------------------------------------------------------


def test_a_new_file_that_another_process_is_writing_is_waited_for(tmp_path: Path) -> None:
    """Two processes may open the same new database at once: the later one waits instead of failing."""
    path = tmp_path / "new.db"
    first = sqlite3.connect(path, isolation_level=None)
    first.execute("BEGIN IMMEDIATE")
    first.execute("CREATE TABLE made_by_the_first (id INTEGER)")
    store, found = Store(f"sqlite:///{path}"), []

    def look() -> None:
        with store.read() as connection:
            found.extend(connection.execute(text("SELECT name FROM sqlite_master")).scalars())

    waiter = threading.Thread(target=look)
    waiter.start()
    waiter.join(0.2)
    assert waiter.is_alive()
    first.execute("COMMIT")
    waiter.join(30)
    first.close()
    store.close()
    assert found == ["made_by_the_first"]


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://me@db.test/mail"])
def test_what_cannot_work_is_refused(url: str) -> None:
    """A database that threads cannot share, or of a kind we do not speak, is refused at once."""
    with pytest.raises(StoreError):
        Store(url)


def test_a_relative_file_counts_from_the_base(tmp_path: Path) -> None:
    """`sqlite:///rfs-mail.db` lies in the folder of the settings, not where the command was typed."""
    store = Store("sqlite:///rfs-mail.db", base=tmp_path)
    assert store.path == tmp_path / "rfs-mail.db"
    assert not store.path.exists()
    store.close()


def test_postgresql_may_be_spelt_as_others_spell_it(postgres_store: Store) -> None:
    """`postgresql://` and `postgres://` mean our driver, so that a provider's url works as it is given."""
    for scheme in ("postgres", "postgresql", "postgresql+psycopg"):
        store = Store(postgres_store.url.set(drivername=scheme).render_as_string(hide_password=False))
        with store.read() as connection:
            assert connection.execute(text("SELECT 1")).scalar_one() == 1
        store.close()


# -- one sender --------------------------------------------------------------------------------------------------------

HOLDER = """
import sys, time
from rfs_mail.store.database import Store
store = Store(sys.argv[1])
with store.sole_sender():
    print("held", flush=True)
    sys.stdin.readline()
store.close()
"""


@pytest.fixture
def holder(sqlite_store: Store) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the sender's lock, until a line is written to it."""
    url = sqlite_store.url.render_as_string()
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_sender_is_told_who_holds(sqlite_store: Store, holder: subprocess.Popen[str]) -> None:
    """A second process is refused, with the number of the process that sends."""
    with pytest.raises(HeldError, match=f"process {holder.pid} on "), sqlite_store.sole_sender():
        pytest.fail("two processes hold the lock")


def test_readers_and_writers_need_no_lock(sqlite_store: Store, holder: subprocess.Popen[str]) -> None:
    """While another process sends, this one may read and write."""
    assert holder.poll() is None
    with sqlite_store.begin() as connection:
        connection.execute(text("INSERT INTO tick (name) VALUES ('enroll')"))
    with sqlite_store.read() as connection:
        assert connection.execute(text("SELECT name FROM tick")).scalar_one() == "enroll"


def test_a_sender_that_ended_leaves_nothing(sqlite_store: Store, holder: subprocess.Popen[str]) -> None:
    """After an orderly end the next process holds the lock."""
    holder.communicate("end\n", timeout=30)
    with sqlite_store.sole_sender():
        assert sqlite_store.path is not None
        lock = sqlite_store.path.with_name(sqlite_store.path.name + ".lock")
        assert json.loads(lock.read_text())["pid"] == os.getpid()
    assert lock.read_text() == ""


def test_a_killed_sender_leaves_nothing(sqlite_store: Store, holder: subprocess.Popen[str]) -> None:
    """After a kill the next process holds the lock; nobody has to remove a file."""
    holder.send_signal(signal.SIGKILL)
    holder.wait(30)
    with sqlite_store.sole_sender():
        pass


def test_one_process_cannot_send_twice(sqlite_store: Store) -> None:
    """The lock also keeps a second store of the same process out."""
    second = again(sqlite_store)
    with (
        sqlite_store.sole_sender(),
        pytest.raises(HeldError, match=f"process {os.getpid()} on "),
        second.sole_sender(),
    ):
        pytest.fail("held twice")
    second.close()


def test_on_postgresql_many_may_send(postgres_store: Store) -> None:
    """There the rows decide who sends what, so the lock is free for all."""
    second = again(postgres_store)
    with postgres_store.sole_sender(), second.sole_sender():
        pass
    second.close()


@pytest.mark.parametrize(
    ("column", "values", "expected"), [("mailbox", [], 0), ("mailbox", ["maya@example.org"], 1), ("id", [], 0)]
)
def test_a_list_may_be_empty(store: Store, now: datetime, column: str, values: list[str], expected: int) -> None:
    """Of texts or of numbers, nobody is among none of them, on both databases."""
    with store.begin() as connection:
        add_person(connection, "maya@example.org", now=now)
        person = TABLES["person"]
        found = connection.execute(select(person.c.id).where(among(connection, person.c[column], values))).all()
    assert expected == len(found)
