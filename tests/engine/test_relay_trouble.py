"""Two relays over real connections, one of them in trouble: everything that can go by the other one goes."""

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from rfs_mail.core.breaker import State
from rfs_mail.engine.machine import Machine
from rfs_mail.settings import Settings
from rfs_mail.store import relays
from rfs_mail.store.database import Store
from tests.engine.conftest import MakeWorld
from tests.engine.test_advance import drip
from tests.transport.smtp_server import Action, Drop, Hang, SmtpServer, Stall
from tests.world import World

ONE = drip("{key: one, mail: a}")
CONNECTIONS = 3
PATIENCE = 0.3
"""Seconds; what is asserted is how many went, never how soon."""


def world_with(
    make_world: MakeWorld, people: int, *relay: dict[str, Any], store: Store | None = None, **more: Any
) -> World:
    """So many people have a mail due, and these are the relays."""
    world = make_world({"drip": ONE}, store=store)
    given = [{"connections": CONNECTIONS, **one} for one in relay]
    world.settings_are(relay=Settings.model_validate({"relay": given}).relay, **more)
    world.apply("11-23 10:00")
    for number in range(people):
        world.signs_up(f"p{number}")
    return world


def to(server: SmtpServer, name: str, **more: Any) -> dict[str, Any]:
    """A relay of the settings."""
    return {"name": name, "url": f"smtp://127.0.0.1:{server.port}", **more}


async def sends_until(machine: Machine, world: World, enough: Callable[[], bool]) -> None:
    """Dispatch again and again, as the scheduler does, until it is enough; raises TimeoutError after a long while."""
    async with asyncio.timeout(60):
        while not enough():
            await machine.dispatch(world.now)
            await asyncio.sleep(0.02)


def run(world: World, story: Callable[[Machine], Any], *, patience: float = PATIENCE) -> None:
    """Run a story with a machine that sends; at its end nothing is waited for that hangs."""

    async def whole() -> None:
        machine = world.app.machine(now=lambda: world.now, patience=patience)
        await machine.start()
        try:
            await machine.react(world.now)
            await machine.enroll(world.now)
            await machine.advance(world.now)
            await story(machine)
        finally:
            await machine.stop(0.1)

    asyncio.run(whole())


def states(world: World) -> Counter[str]:
    """How many deliveries are in which state."""
    return Counter(row.state for row in world.deliveries())


def waiting(world: World) -> int:
    """How many deliveries are queued for later."""
    return sum(row.state == "queued" and row.next_at > world.now for row in world.deliveries())


def breaker(world: World, name: str) -> State:
    """How a relay stands in the store."""
    with world.store.read() as connection:
        return relays.standing(connection, name).breaker.state


@pytest.mark.parametrize(
    ("phase", "action", "stuck"),
    [
        ("connect", Hang(), 0), ("ehlo", Hang(), 0), ("mail", Hang(), 0), ("rcpt", Stall(), 0), ("data", Hang(), 0),
        ("body", Stall(), CONNECTIONS), ("dot", Hang(), CONNECTIONS),
    ],
)  # fmt: skip
def test_a_relay_that_hangs_holds_what_may_have_arrived_and_no_more(
    make_world: MakeWorld, phase: str, action: Action, stuck: int
) -> None:
    """At most one mail a connection, whose end has left; all the others go by the other relay, while it still hangs."""
    with SmtpServer() as good, SmtpServer(script={"*": {phase: action}}) as hung:
        world = world_with(make_world, 150, to(hung, "hung"), to(good, "good"))

        async def story(machine: Machine) -> None:
            await sends_until(machine, world, lambda: good.accepted >= 150 - stuck)
            await sends_until(machine, world, lambda: states(world)["sent"] == good.accepted)
            assert set(states(world)) <= {"sent", "sending"}
            assert states(world)["sending"] <= stuck
            assert breaker(world, "hung") is State.OPEN

        run(world, story)
        assert hung.accepted == 0
        assert good.accepted == len({message.rcpt_to for message in good.messages})  # nobody got it twice


@pytest.mark.parametrize(
    "script",
    [
        {"connect": "421 4.3.2 too busy"},
        {"connect": "554 5.7.1 go away"},
        {"connect": Drop()},
        {"ehlo": "550 5.7.1 who are you"},
        {"mail": "451 4.7.0 too fast"},
        {"mail": "421 4.7.0 too fast"},
        {"mail": "550 5.7.1 not you"},
        {"mail": Drop()},
        {"rcpt": "530 5.7.0 authentication required"},
        {"rcpt": Drop()},
        {"data": "421 4.3.0 shutting down"},
        {"data": "250 what?"},
    ],
    ids=str,
)
def test_a_relay_that_fails_is_left_alone_and_costs_nobody_an_attempt(
    make_world: MakeWorld, script: dict[str, Action]
) -> None:
    """It refuses, resets, throttles or talks nonsense: the other takes all the mail, with no attempt more than one."""
    with SmtpServer() as good, SmtpServer(script={"*": script}) as bad:
        world = world_with(make_world, 60, to(bad, "bad"), to(good, "good"))

        async def story(machine: Machine) -> None:
            await sends_until(machine, world, lambda: breaker(world, "bad") is State.OPEN)
            await sends_until(machine, world, lambda: good.accepted + waiting(world) == 60)
            assert waiting(world) <= 2 * CONNECTIONS  # broken off in the middle, before the breaker opened
            with world.store.begin() as connection:
                relays.keep(connection, "bad", until=world.now + timedelta(days=1), because="a look", by="ana")
            world.now += timedelta(minutes=1)
            await sends_until(machine, world, lambda: states(world)["sent"] == 60)

        run(world, story, patience=60)
        assert bad.accepted == 0
        assert Counter({("sent", "good", 1): 60}) == Counter((r.state, r.relay, r.attempt) for r in world.deliveries())


def test_a_relay_that_defers_everything_is_left_alone_after_twenty(make_world: MakeWorld) -> None:
    """Each deferred mail has had an attempt, and goes by the other relay when its wait is over."""
    with SmtpServer() as good, SmtpServer(script={"*": {"rcpt": "451 4.7.1 slow down"}}) as slow:
        world = world_with(make_world, 100, to(slow, "slow"), to(good, "good"))

        async def story(machine: Machine) -> None:
            await sends_until(machine, world, lambda: breaker(world, "slow") is State.OPEN)
            await sends_until(machine, world, lambda: good.accepted + waiting(world) == 100)
            assert 20 <= waiting(world) <= 20 + 2 * CONNECTIONS
            with world.store.begin() as connection:
                relays.keep(connection, "slow", until=world.now + timedelta(days=1), because="a look", by="ana")
            world.now += timedelta(minutes=7)
            await sends_until(machine, world, lambda: good.accepted == 100)

        run(world, story, patience=60)
        assert slow.accepted == 0
        assert {"good"} == {row.relay for row in world.deliveries()}


def test_a_wrong_password_opens_at_once_and_one_trial_closes(make_world: MakeWorld, store: Store) -> None:
    """One relay alone: everything waits, nobody is blamed; one mail goes first, and only then the others."""
    with SmtpServer(auth={"rfs": "right"}) as server:
        url = f"smtp://rfs:wrong@127.0.0.1:{server.port}"
        world = world_with(make_world, 20, {"name": "main", "url": url}, store=store)

        async def refused(machine: Machine) -> None:
            await sends_until(machine, world, lambda: breaker(world, "main") is State.OPEN)
            await sends_until(machine, world, lambda: states(world)["queued"] == 20)
            assert (await machine.dispatch(world.now)).deliveries == 0

        run(world, refused)
        assert {(0, "relay")} <= {(row.attempt, row.reason) for row in world.deliveries()}
        assert {0} == {row.attempt for row in world.deliveries()}

        # The process was restarted with the right password; the rest is not over, and then one mail goes.
        right = [{"name": "main", "url": f"smtp://rfs:right@127.0.0.1:{server.port}", "connections": CONNECTIONS}]
        world.settings_are(relay=Settings.model_validate({"relay": right}).relay)

        async def mended(machine: Machine) -> None:
            assert (await machine.dispatch(world.now)).deliveries == 0
            world.now += timedelta(minutes=2)
            assert (await machine.dispatch(world.now)).deliveries == 1
            assert breaker(world, "main") is State.HALF_OPEN
            await machine.handoff.idle()
            assert server.accepted == 1
            assert breaker(world, "main") is State.CLOSED
            assert (await machine.dispatch(world.now)).deliveries == 19
            await machine.handoff.idle()

        run(world, mended)
        assert Counter({"sent": 20}) == states(world)
        assert [row.cleared_at for row in world.rows("problem", "cleared_at")] != [None]


def test_a_trial_that_fails_costs_one_mail_a_rest(make_world: MakeWorld) -> None:
    """Each rest is longer than the one before, and the relay sees one connection at its end."""
    with SmtpServer(script={"*": {"connect": "554 5.7.1 go away"}}) as server:
        world = world_with(make_world, 20, to(server, "main", connections=1))

        async def story(machine: Machine) -> None:
            await machine.dispatch(world.now)
            await machine.handoff.idle()
            seen = [server.connections]
            rests = []
            for _ in range(5):
                with world.store.read() as connection:
                    until = relays.standing(connection, "main").breaker.until
                assert until is not None
                rests.append(until - world.now)
                world.now = until
                assert (await machine.dispatch(world.now)).deliveries == 1
                await machine.handoff.idle()
                seen.append(server.connections)
            assert [1] * 5 == [after - before for before, after in pairwise(seen)]
            assert sorted(rests) == rests

        run(world, story)
        assert Counter({("queued", 0): 20}) == Counter((row.state, row.attempt) for row in world.deliveries())


def test_staff_let_a_relay_rest_in_the_middle(make_world: MakeWorld) -> None:
    """What it has in hand ends; what was only claimed for it goes by the other."""
    with SmtpServer() as good, SmtpServer(script={"*": {"dot": Hang()}}) as kept:
        world = world_with(make_world, 100, to(kept, "kept"), to(good, "good"))

        async def story(machine: Machine) -> None:
            await machine.dispatch(world.now)
            await asyncio.to_thread(kept.wait_for_command, "DATA")
            until = world.now + timedelta(hours=2)
            with world.store.begin() as connection:
                relays.keep(connection, "kept", until=until, because="a look", by="ana")
            await sends_until(machine, world, lambda: good.accepted >= 100 - 2 * CONNECTIONS)
            assert states(world)["claimed"] == 0
            assert breaker(world, "kept") is State.CLOSED

        run(world, story, patience=60)


def test_only_so_many_messages_go_over_a_connection(make_world: MakeWorld) -> None:
    """`messages_per_connection`: then a new one, and never more than `connections` at a time."""
    with SmtpServer() as server:
        world = world_with(make_world, 40, to(server, "main", messages_per_connection=4))

        async def story(machine: Machine) -> None:
            await sends_until(machine, world, lambda: server.accepted == 40)

        run(world, story)
        a_connection = Counter(message.connection for message in server.messages)
        assert max(a_connection.values()) <= 4
        assert server.most_connections <= CONNECTIONS
