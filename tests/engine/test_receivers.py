"""Who receives mail for a school or a firm: asked at a real name server, and never while mail waits."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest

from rfs_mail.core.operators import Limits
from rfs_mail.engine.dispatch import Pool, Route, dispatch
from rfs_mail.engine.pacing import Pacing
from rfs_mail.engine.receivers import AGAIN_AFTER, GOOD_FOR, LookedUp, look_up
from rfs_mail.network import Resolver
from rfs_mail.network import dns as asking
from rfs_mail.settings import Settings
from rfs_mail.store import mail_domains
from rfs_mail.store.database import Store
from tests.engine.conftest import MakeWorld
from tests.engine.test_advance import drip
from tests.engine.test_outbox_machine import Hands
from tests.network.name_server import NameServer
from tests.recipients import add_delivery, add_person
from tests.world import World

ZONE = {
    "MX school.example.org": ["10 aspmx.l.google.com.", "20 alt1.aspmx.l.google.com."],
    "MX firm.example.org": ["10 mail.firm.example.org."],
    "* broken.example.org": "broken",
    "* silent.example.org": "silent",
}
RULES = Pacing({"google": Limits(outstanding=1), "other": Limits()}, by_mx=True)
MOMENT = timedelta(seconds=10)


@pytest.fixture
def world(make_world: MakeWorld, store: Store) -> World:
    """A campaign that is live; nobody is in it."""
    world = make_world({"drip": drip("{key: one, mail: a, not_after: entry + 9d}")}, store=store)
    world.apply("11-23 10:00")
    return world


def queue(world: World, *addresses: str) -> None:
    """A mail to each is due."""
    with world.store.begin() as connection:
        for address in addresses:
            person = add_person(connection, address, now=world.now)
            add_delivery(connection, person, now=world.now, campaign_id="drip", step_key="one")


def give(world: World, rules: Pacing = RULES) -> tuple[int, int]:
    """One pass: given out, put off."""
    given = dispatch(world.store, Hands(), Pool((Route("main"),), pacing=rules), now=world.now, holder="me")
    return given.deliveries, given.put_off


def ask(world: World, place: str) -> LookedUp:
    """One pass of the background."""
    return asyncio.run(look_up(world.store, Resolver(place), now=world.now))


def wanted(world: World) -> list[str]:
    """Domains that are to be asked about."""
    with world.store.read() as connection:
        return mail_domains.wanted(connection, now=world.now, limit=100)


def test_a_domain_counts_where_its_mail_is_hosted(world: World) -> None:
    """The first mail waits for no answer; those after it keep the limits of the operator that the MX records name."""
    queue(world, "one@school.example.org", "one@firm.example.org", "one@gmail.com")
    assert give(world) == (3, 0)
    assert wanted(world) == ["firm.example.org", "school.example.org"]
    with NameServer(ZONE) as server:
        assert LookedUp(answered=2) == ask(world, server.place)
        assert LookedUp() == ask(world, server.place)
        assert ["MX firm.example.org", "MX school.example.org"] == sorted(server.asked)
    queue(world, "two@school.example.org", "two@firm.example.org")
    assert give(world) == (1, 1)
    operators = {row.operator for row in world.deliveries() if row.state == "queued"}
    assert {"google"} == operators


def test_a_domain_of_the_table_is_not_asked_about(world: World) -> None:
    """Also where its mail was queued before the table knew it."""
    queue(world, "one@gmail.com", "two@gmail.com")
    assert give(world) == (1, 1)
    assert [] == wanted(world)


def test_an_answer_is_asked_for_again_when_it_is_old(world: World) -> None:
    """After some days, and only where mail is due; until the new answer comes the old one counts."""
    queue(world, "one@school.example.org")
    give(world)
    with NameServer(ZONE) as server:
        ask(world, server.place)
        world.now += GOOD_FOR + MOMENT
        assert [] == wanted(world)
        queue(world, "two@school.example.org", "three@school.example.org")
        assert give(world) == (1, 1)
        assert ["school.example.org"] == wanted(world)


@pytest.mark.parametrize("name", ["broken.example.org", "silent.example.org"])
def test_no_answer_means_the_table(world: World, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name server in trouble holds no mail; the domain is asked about again an hour later."""
    monkeypatch.setattr(asking, "LIFETIME", 0.3)
    queue(world, f"one@{name}")
    assert give(world) == (1, 0)
    with NameServer(ZONE) as server:
        assert LookedUp(silent=1) == ask(world, server.place)
    queue(world, f"two@{name}", f"three@{name}")
    assert give(world) == (2, 0)
    assert [] == wanted(world)
    world.now += AGAIN_AFTER + MOMENT
    queue(world, f"four@{name}")
    assert give(world) == (1, 0)
    assert [name] == wanted(world)


def test_nobody_is_asked_about_unless_the_settings_say_so(world: World) -> None:
    """It is off by default."""
    assert not Settings().mx_lookup
    assert not world.app.pacing.by_mx
    assert world.machine().resolver is None
    queue(world, "one@school.example.org")
    assert give(world, Pacing()) == (1, 0)
    assert [] == wanted(world)


def test_a_tick_asks_when_its_mail_is_out(world: World) -> None:
    """And the next one knows."""
    world.app.settings = world.app.settings.model_copy(update={"mx_lookup": True})
    queue(world, "one@school.example.org")

    async def story(make: Callable[[], Resolver]) -> None:
        machine = world.machine()
        machine.resolver = make
        await machine.start()
        try:
            await machine.tick(world.now)
        finally:
            await machine.stop()

    with NameServer(ZONE) as server:
        asyncio.run(story(lambda: Resolver(server.place)))
        assert ["MX school.example.org"] == server.asked
    with world.store.begin() as connection:
        known = mail_domains.operators(connection, ["school.example.org"], now=world.now)
    assert {"school.example.org": "google"} == known
