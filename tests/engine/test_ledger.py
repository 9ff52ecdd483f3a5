"""Group commit: a mark answers when it is durable, a verdict outlives an outage of the database."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from rfs_mail.engine import ledger as ledgers
from rfs_mail.store.database import Store
from tests.engine.conftest import MakeWorld
from tests.engine.test_advance import drip
from tests.world import World

ONE = drip("{key: one, mail: a}")


def outage(store: Store, monkeypatch: pytest.MonkeyPatch, broken: Callable[[Any], bool], times: int) -> list[int]:
    """Let the next transactions of the ledger that are `broken` fail, so often; returns the sizes of those groups."""
    real, sizes = ledgers._write, []

    def write(connection: Any, rules: Any, group: Any) -> Any:
        if len(sizes) < times and broken(group):
            sizes.append(len(group))
            raise OperationalError("INSERT", {}, Exception("the disk is full"))
        return real(connection, rules, group)

    monkeypatch.setattr(ledgers, "_write", write)
    return sizes


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    """Some people who are about to get a mail."""
    world = make_world({"drip": ONE})
    world.apply("11-23 10:00")
    world.crowd(12, "11-23 10:00")
    return world


def test_a_verdict_outlives_an_outage(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is kept in memory and written when the database is there again; nothing is sent twice."""
    failed = outage(world.store, monkeypatch, lambda group: any(entry.settlement for entry in group), times=3)
    world.tick()
    assert len(failed) == 3
    assert Counter(row.state for row in world.deliveries()) == {"sent": 12}
    assert len(world.transport.sent) == 12


def test_a_mark_that_is_not_durable_is_none(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mail stays where it is and goes later; not a byte went out."""
    failed = outage(world.store, monkeypatch, lambda group: any(entry.mark for entry in group), times=1)
    world.tick()
    assert len(failed) == 1
    assert Counter(row.state for row in world.deliveries()) == {"sent": 12}
    assert len(world.transport.sent) == 12


def test_a_bug_in_a_group_is_told_to_those_who_wait(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the ledger goes on for the others, so that a stop does not hang."""

    def broken(*_: Any) -> Any:
        raise LookupError("a bug")

    monkeypatch.setattr(ledgers, "_write", broken)

    async def tick() -> None:
        machine = world.machine()
        await machine.start()
        with pytest.raises(LookupError):
            await machine.tick(world.now)
        await machine.stop()

    asyncio.run(tick())
    assert {row.state for row in world.deliveries()} == {"queued"}
    assert world.transport.sent == []
