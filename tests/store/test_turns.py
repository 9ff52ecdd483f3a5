"""Whose turn it is to write to SQLite: those who are not patient go first, and nobody waits for the dead."""

import fcntl
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from rfs_mail.store import database, turns
from rfs_mail.store.database import Store

PATIENCE = 30
"""Seconds until something that should have happened long ago is given up."""


@pytest.fixture
def other(sqlite_store: Store) -> Iterator[Store]:
    """A second store on the same file, as another process would open it."""
    second = Store(sqlite_store.url.render_as_string())
    yield second
    second.close()


def sign_of(store: Store) -> Path:
    """The file that those who wait hold."""
    assert store.path is not None
    return store.path.with_name(f"{store.path.name}.turn.lock")


def wait_until_somebody_waits(store: Store) -> None:
    """Come back when somebody holds the sign."""
    for _ in range(PATIENCE * 100):
        with sign_of(store).open("ab") as sign:
            try:
                fcntl.flock(sign, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return
        threading.Event().wait(0.01)
    pytest.fail("nobody waits")


def write_in_a_thread(store: Store, said: list[str], name: str, *, patient: bool) -> threading.Thread:
    """A thread that writes as soon as it may, and says so while the database is its own."""

    def work() -> None:
        with store.begin(patient=patient):
            said.append(name)

    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_a_patient_writer_lets_others_go_first(
    sqlite_store: Store, other: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who came later and is not patient writes before a patient one who has waited for long."""
    monkeypatch.setattr(turns, "ASIDE_SECONDS", PATIENCE)
    said: list[str] = []
    with sqlite_store.begin():
        patient = write_in_a_thread(other, said, "patient", patient=True)
        patient.join(0.1)
        urgent = write_in_a_thread(sqlite_store, said, "urgent", patient=False)
        wait_until_somebody_waits(sqlite_store)
    for thread in (urgent, patient):
        thread.join(PATIENCE)
    assert said == ["urgent", "patient"]


def test_a_patient_writer_does_not_stand_aside_for_ever(sqlite_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while it takes its turn although others never cease to wait."""
    monkeypatch.setattr(turns, "ASIDE_SECONDS", 0.05)
    with sign_of(sqlite_store).open("ab") as sign:
        fcntl.flock(sign, fcntl.LOCK_SH)
        with sqlite_store.begin(patient=True) as connection:
            connection.execute(text("INSERT INTO tick (name) VALUES ('enroll')"))
    with sqlite_store.read() as connection:
        assert connection.execute(text("SELECT name FROM tick")).scalar_one() == "enroll"


@pytest.mark.parametrize("patient", [True, False])
def test_a_database_that_stays_busy_is_given_up(
    sqlite_store: Store, other: Store, monkeypatch: pytest.MonkeyPatch, *, patient: bool
) -> None:
    """Nobody waits longer than the store says; then the driver's own error tells it, and the next try works."""
    with sqlite_store.read(), other.read():  # opening takes a patience of its own
        pass
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)
    with (
        sqlite_store.begin(),
        pytest.raises(OperationalError, match="database is locked"),
        other.begin(patient=patient),
    ):
        pytest.fail("two write at once")
    with other.begin(patient=patient) as connection:
        assert connection.execute(text("SELECT 1")).scalar_one() == 1


def test_a_busy_wait_leaves_readers_as_patient_as_before(sqlite_store: Store) -> None:
    """The driver's own patience, which readers need while a file is opened or closed, is back after each BEGIN."""
    for patient in (True, False):
        with sqlite_store.begin(patient=patient) as connection:
            assert connection.execute(text("PRAGMA busy_timeout")).scalar_one() == 30_000


WAITER = """
import sys
from rfs_mail.store.database import Store
store = Store(sys.argv[1])
with store.begin():
    pass
"""


def test_who_is_killed_while_waiting_is_not_waited_for(
    sqlite_store: Store, other: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sign of a process goes with the process: a patient writer goes on."""
    monkeypatch.setattr(turns, "ASIDE_SECONDS", 10 * PATIENCE)
    said: list[str] = []
    with sqlite_store.begin():
        with subprocess.Popen([sys.executable, "-c", WAITER, sqlite_store.url.render_as_string()]) as process:
            wait_until_somebody_waits(sqlite_store)
            patient = write_in_a_thread(other, said, "patient", patient=True)
            process.send_signal(signal.SIGKILL)
        assert said == []
    patient.join(PATIENCE)
    assert said == ["patient"]
