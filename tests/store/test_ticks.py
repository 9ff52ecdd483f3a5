"""When each verb last ran, and who is alive."""

from datetime import datetime, timedelta

from rfs_mail.store import ticks
from rfs_mail.store.database import Store, machine_now


def test_the_last_civil_time_is_kept_by_verb(store: Store, now: datetime) -> None:
    """Beside it stands the machine's own time, which is never virtual."""
    later = now + timedelta(days=400)
    with store.begin() as connection:
        assert (ticks.last_civil(connection, "tick"), ticks.said(connection, "tick")) == (None, None)
        ticks.note(connection, "tick", civil=now)
        ticks.note(connection, "tick", civil=later, said="release 3")
        ticks.note(connection, "prune", civil=now)
        assert (ticks.last_civil(connection, "tick"), ticks.said(connection, "tick")) == (later, "release 3")
        assert [(row.name, row.civil_at) for row in ticks.all_ticks(connection)] == [("prune", now), ("tick", later)]
        machine = machine_now(connection)
        assert all(machine - row.machine_at < timedelta(minutes=5) for row in ticks.all_ticks(connection))


def test_processes_come_and_go(store: Store) -> None:
    """One row each, however often it says that it lives; gone when it ended in order."""
    with store.begin() as connection:
        for _ in range(2):
            ticks.sign_of_life(connection, "here:7:a", host="here", pid=7)
        ticks.sign_of_life(connection, "there:8:b", host="there", pid=8)
        assert [(row.id, row.pid) for row in ticks.holders(connection)] == [("here:7:a", 7), ("there:8:b", 8)]
        assert all(row.seen_at >= row.started_at for row in ticks.holders(connection))
        ticks.gone(connection, "here:7:a")
        ticks.gone(connection, "here:7:a")
        assert [row.id for row in ticks.holders(connection)] == ["there:8:b"]
