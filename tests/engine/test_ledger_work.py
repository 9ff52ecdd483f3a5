"""Work that rides in the ledger's groups: one transaction for all, and nobody pays for what another's work does."""

import asyncio

import pytest
from sqlalchemy import Connection

from rfs_mail.core.eligibility import Caps
from rfs_mail.engine.gate import Rules
from rfs_mail.engine.ledger import Ledger
from rfs_mail.store.database import Store
from rfs_mail.store.tables import TABLES

TICK = TABLES["tick"]


def note(connection: Connection, subject: str) -> str:
    """Write a row that is easy to find again."""
    connection.execute(TICK.insert().values(name=subject))
    return subject


def fail(connection: Connection, subject: str) -> str:
    """Write, then find a bug."""
    note(connection, subject)
    raise ZeroDivisionError(subject)


def names(store: Store) -> set[str]:
    """What was written."""
    with store.read() as connection:
        return {row.name for row in connection.execute(TICK.select())}


def run(store: Store, *works: object) -> list[object]:
    """Enter all of it at once; what each answered or raised."""

    async def together() -> list[object]:
        ledger = Ledger(store, Rules(Caps(0, 0)))
        going = asyncio.create_task(ledger.run())
        answers = await asyncio.gather(
            *(ledger.write(work, f"work-{number}") for number, work in enumerate(works)),  # type: ignore[arg-type]
            return_exceptions=True,
        )
        ledger.end()
        await going
        return list(answers)

    return asyncio.run(together())


def test_each_gets_its_own_answer(store: Store) -> None:
    """In whatever order they were committed."""
    before = names(store)
    assert run(store, note, note, note) == ["work-0", "work-1", "work-2"]
    assert names(store) - before == {"work-0", "work-1", "work-2"}


def test_a_bug_of_one_undoes_its_own_rows_only(store: Store) -> None:
    """It is raised where the work was asked for; the others of the group are written."""
    before = names(store)
    first, second, third = run(store, note, fail, note)
    assert (first, third) == ("work-0", "work-2")
    assert isinstance(second, ZeroDivisionError)
    assert names(store) - before == {"work-0", "work-2"}


@pytest.mark.parametrize("broken", [False, True])
def test_what_the_database_refuses_is_said(sqlite_store: Store, broken: bool) -> None:
    """A row that is there already fails its whole group, as a full disk would; nothing hangs."""
    assert run(sqlite_store, note) == ["work-0"]
    (answer,) = run(sqlite_store, note if broken else lambda connection, subject: subject)
    assert isinstance(answer, Exception) is broken
