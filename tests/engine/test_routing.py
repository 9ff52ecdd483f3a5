"""By which relay a mail goes: entities, weights, spares, rates, trials, and what a relay may hold."""

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import pytest

from rfs_mail.core.breaker import Breaker, BreakerPolicy, State
from rfs_mail.core.send_hours import parse_rate
from rfs_mail.engine import routing
from rfs_mail.engine.dispatch import Dispatched, Pool, dispatch
from rfs_mail.engine.routing import Route, tiers
from rfs_mail.store import relays
from rfs_mail.store.database import Store
from rfs_mail.store.outbox import Candidate
from rfs_mail.store.tables import TABLES
from tests.engine.conftest import MakeWorld
from tests.engine.test_advance import drip
from tests.engine.test_dispatch import queue
from tests.engine.test_outbox_machine import Hands
from tests.world import World

ONE = drip("{key: one, mail: a}")
URGENT = drip("{key: last, mail: a, priority: deadline, not_after: entry + 9d}")
HOUR = timedelta(hours=1)


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    """Two campaigns that are live; nobody is in them."""
    return live(make_world({"drip": ONE, "urgent": URGENT}))


@pytest.fixture
def world_anywhere(make_world: MakeWorld, store: Store) -> World:
    """The same on both databases."""
    return live(make_world({"drip": ONE, "urgent": URGENT}, store=store))


def live(world: World) -> World:
    """Its campaigns run."""
    world.apply("11-23 10:00")
    return world


def give(world: World, *routes: Route, size: int = 4_000, now: datetime | None = None) -> Dispatched:
    """One pass."""
    return dispatch(world.store, Hands(), Pool(routes, size), now=now or world.now, holder="me")


def by_relay(world: World) -> Counter[str]:
    """How many deliveries were given to each relay so far."""
    counted: Counter[str] = Counter()
    for row in world.rows("batch", "relay", "size"):
        counted[row.relay] += row.size
    return counted


def settle(world: World, state: str = "sent") -> None:
    """Everything that is claimed has come to its end."""
    with world.store.begin() as connection:
        table = TABLES["delivery"]
        connection.execute(table.update().where(table.c.state == "claimed").values(state=state))


def stands(world: World, name: str, breaker: Breaker) -> None:
    """This is how the breaker of a relay stands."""
    with world.store.begin() as connection:
        relays.save(connection, name, breaker, now=world.now)


def resting(world: World, minutes: float = 5) -> Breaker:
    """It rests for so long."""
    return Breaker(State.OPEN, 0, 1, world.now + timedelta(minutes=minutes), "554 go away")


def candidate(number: int, **more: Any) -> Candidate:
    """A mail that is due."""
    at = datetime.fromisoformat("2026-11-23T15:00:00+00:00")
    given = {"entity_id": "rfs", "operator": "other", "deadline": False, "due_at": at, "not_after": at + HOUR, **more}
    return Candidate(number, number, "drip", **given)


def ways(*routes: Route, rooms: int = 10_000) -> routing.Ways:
    """All of them work and have room."""
    names = [route.name for route in routes]
    return routing.Ways(routes, dict.fromkeys(names, rooms), frozenset(names), free=100_000)


def shares(went: dict[int, tuple[str, str]]) -> dict[str, int]:
    """Relay -> how many mails it got."""
    return dict(Counter(relay for relay, _operator in went.values()))


# -- whose mail --------------------------------------------------------------------------------------------------------

MAIN, SECOND = Route("main"), Route("second", weight=3)
SPARE = Route("spare", weight=0)
OWN, OWN_SPARE = Route("own", entities=("civics",)), Route("own_spare", weight=0, entities=("civics", "other"))
STAND_IN = Route("stand_in", stands_in=True)


def test_the_order_of_the_ways() -> None:
    """Own relays, own spares, and nothing else, unless one for everybody says that it stands in."""
    routes = (MAIN, SPARE, SECOND, OWN, OWN_SPARE)
    assert [[OWN], [OWN_SPARE]] == tiers(routes, "civics")
    assert [[OWN_SPARE]] == tiers(routes, "other")
    assert [[MAIN, SECOND], [SPARE]] == tiers(routes, "rfs")
    assert [[OWN], [STAND_IN]] == tiers((MAIN, OWN, STAND_IN), "civics")
    assert [[MAIN, STAND_IN]] == tiers((MAIN, OWN, STAND_IN), "rfs")
    assert tiers((OWN,), "rfs") == []


def test_mail_of_an_entity_with_relays_of_its_own_waits_for_them(world: World) -> None:
    """While they rest it goes by no relay that is everybody's; it would come from a stranger's servers."""
    queue(world, "drip", 6)  # of the entity rfs
    own = Route("own", entities=("rfs",))
    stands(world, "own", resting(world))
    assert give(world, Route("main"), own).deliveries == 0
    assert give(world, Route("main", stands_in=True), own).deliveries == 6
    assert {"main": 6} == by_relay(world)


def test_a_stand_in_gets_nothing_while_the_own_relay_works(world: World) -> None:
    """Also when that one has no room at the moment."""
    queue(world, "drip", 300)
    given = give(world, Route("own", entities=("rfs",), connections=1), Route("main", stands_in=True))
    assert given.deliveries == routing.A_CONNECTION
    assert {"own": routing.A_CONNECTION} == by_relay(world)


# -- weights and spares ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [1, 2, 3, 7, 10, 64])
def test_shares_follow_the_weights_whichever_ids_come(step: int) -> None:
    """Six, three and one of ten, within half a percent, also of every second or tenth delivery."""
    routes = [Route("six", weight=6), Route("three", weight=3), Route("one", weight=1)]
    given = shares(ways(*routes).assign([candidate(number * step) for number in range(1, 10_001)]))
    assert [60, 30, 10] == [round(given[name] / 100) for name in ("six", "three", "one")]


def test_the_same_mail_goes_the_same_way() -> None:
    """So that a batch that was lost is given out as before."""
    routes = [Route(name, weight=weight) for name, weight in (("a", 2), ("b", 1))]
    mails = [candidate(number) for number in range(200)]
    assert ways(*routes).assign(mails) == ways(*routes).assign(mails)


def test_a_spare_is_used_while_all_the_others_rest(world_anywhere: World) -> None:
    """And not a moment longer: one that works again takes everything."""
    world = world_anywhere
    queue(world, "drip", 10, name="a")
    routes = (Route("main"), Route("second"), SPARE)
    stands(world, "main", resting(world))
    assert give(world, *routes).deliveries == 10
    assert {"second": 10} == by_relay(world)
    settle(world)
    stands(world, "second", resting(world))
    queue(world, "drip", 10, name="b")
    assert give(world, *routes).deliveries == 10
    assert {"second": 10, "spare": 10} == by_relay(world)
    settle(world)
    stands(world, "second", Breaker())
    queue(world, "drip", 10, name="c")
    assert give(world, *routes).deliveries == 10
    assert {"second": 20, "spare": 10} == by_relay(world)


def test_a_spare_alone_is_used() -> None:
    """There are no others that could work."""
    assert {"spare": 5} == shares(ways(SPARE).assign([candidate(number) for number in range(5)]))


# -- after a deferral --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reason", "reply", "ways_taken"),
    [
        ("deferred", "4.7.1 too fast", {"second"}),
        ("relay", "421 closing", {"second"}),
        ("deferred", "4.7.1 Greylisted, come back", {"main"}),
        ("held_cap", None, {"main", "second"}),
        (None, None, {"main", "second"}),
    ],
)
def test_what_one_relay_could_not_take_goes_by_another(reason: str, reply: str, ways_taken: set[str]) -> None:
    """Greylisting wants the same way again; a hold has nothing to do with the relay."""
    mails = [candidate(number, reason=reason, reply=reply, relay="main") for number in range(50)]
    assert ways_taken == set(shares(ways(Route("main"), Route("second")).assign(mails)))


def test_where_there_is_no_other_it_goes_the_same_way() -> None:
    """Better than not at all."""
    assert {"main": 1} == shares(ways(MAIN).assign([candidate(1, reason="deferred", relay="main")]))


# -- how much a relay may hold -----------------------------------------------------------------------------------------


def test_a_relay_that_gives_nothing_back_fills_its_part_of_the_pool(world: World) -> None:
    """Whatever comes after that goes by the other one."""
    queue(world, "drip", 400)
    routes = (Route("hung"), Route("good"))
    for _ in range(12):
        give(world, *routes, size=100)
        with world.store.begin() as connection:
            table, batch = TABLES["delivery"], TABLES["batch"]
            good = batch.select().with_only_columns(batch.c.id).where(batch.c.relay == "good")
            connection.execute(
                table.update().where(table.c.state == "claimed", table.c.batch_id.in_(good)).values(state="sent")
            )
    assert {"hung": 50, "good": 350} == by_relay(world)


def test_a_relay_holds_no_more_than_its_connections_can_carry(world: World) -> None:
    """A few seconds of sending, so that what it holds when it breaks is soon free again."""
    queue(world, "drip", 500)
    give(world, Route("small", connections=1))
    assert {"small": routing.A_CONNECTION * 9 // 10} == by_relay(world)


def test_the_first_few_of_a_campaign_find_room_in_a_relay_that_a_broadcast_fills(world: World) -> None:
    """A tenth of what a relay may hold is kept for them, also of one with few connections."""
    queue(world, "drip", 500)
    give(world, Route("small", connections=1))
    queue(world, "urgent", 5, step_key="last")
    assert give(world, Route("small", connections=1)).by_campaign == {"urgent": 5}


# -- rates -------------------------------------------------------------------------------------------------------------


def rated(text: str, name: str = "main", **more: Any) -> Route:
    """A relay with a rate."""
    return Route(name, rate=parse_rate(text), **more)


def test_a_rate_a_second_holds_for_all_processes(world_anywhere: World) -> None:
    """Two dispatchers in turn, four times a second: in any second at most the rate and half as much."""
    world = world_anywhere
    queue(world, "drip", 200)
    route = rated("14/s")
    given = []
    for quarter in range(33):
        now = world.now + timedelta(seconds=quarter / 4)
        given.append(
            (now, dispatch(world.store, Hands(), Pool((route,)), now=now, holder=f"h{quarter % 2}").deliveries)
        )
        settle(world)
    for start, _ in given:
        assert sum(count for at, count in given if start <= at < start + timedelta(seconds=1)) <= 21
    assert 14 * 8 + 7 - 2 <= sum(count for _, count in given) <= 14 * 8 + 7


def test_a_rate_an_hour_may_be_used_by_a_tick_from_time_to_time(world: World) -> None:
    """Every quarter of an hour: a quarter of it, and in no hour more than the rate and a minute."""
    queue(world, "drip", 1_500)
    given = []
    for quarter in range(9):
        now = world.now + timedelta(minutes=15 * quarter)
        given.append((now, give(world, rated("600/h"), now=now).deliveries))
        settle(world)
    assert [10, *[150] * 8] == [count for _, count in given]


def test_what_one_relay_has_no_tokens_for_goes_by_another(world: World) -> None:
    """The one with a rate takes what it may, and the other the rest; only what was given out is paid for."""
    queue(world, "drip", 100)
    give(world, rated("20/s", "slow"), Route("fast"))
    assert {"slow": 10, "fast": 90} == by_relay(world)
    with world.store.read() as connection:
        assert routing.tokens_left(connection, rated("20/s", "slow"), now=world.now) == 0


def test_what_finds_no_room_costs_its_campaign_no_tokens(make_world: MakeWorld) -> None:
    """It stays in the queue, and the campaign's own rate is not spent for it."""
    from tests.world import HEAD

    body = HEAD.format(id="rated").replace("hours: any", "hours: any, rate: 600/h") + ONE
    world = make_world({"rated": body})
    world.apply("11-23 10:00")
    queue(world, "rated", 50)
    assert give(world, rated("4/s")).by_campaign == {"rated": 2}
    settle(world)
    assert give(world, Route("main")).by_campaign == {"rated": 8}


def test_a_slow_relay_does_not_save_up_for_a_fast_moment(world: World) -> None:
    """No more than a second of its rate is under way, however long it takes."""
    queue(world, "drip", 200)
    total = 0
    for second in range(10):
        total += give(world, rated("14/s"), now=world.now + timedelta(seconds=second)).deliveries
    assert total == 14


@pytest.mark.parametrize(
    ("text", "most"), [("14/s", 7), ("1/s", 1), ("60/min", 15), ("2/min", 1), ("600/h", 600), ("50000/d", 50_000)]
)
def test_how_much_a_bucket_holds(text: str, most: float) -> None:
    """Half of a second, a quarter of a minute, an hour, a day; never less than one mail."""
    assert most == routing.burst(parse_rate(text))


# -- trials ------------------------------------------------------------------------------------------------------------


def test_after_its_rest_a_relay_gets_one_mail_and_not_the_most_urgent(world_anywhere: World) -> None:
    """The others go on; until that one is settled, no second one is tried."""
    world = world_anywhere
    queue(world, "urgent", 5, step_key="last", deadline=True)
    calm = queue(world, "drip", 5)
    stands(world, "main", resting(world, minutes=0))
    routes = (Route("main"), Route("second"))
    assert give(world, *routes).deliveries == 10
    assert {"main": 1, "second": 9} == by_relay(world)
    batches = {row.id: row.relay for row in world.rows("batch", "id", "relay")}
    (tried,) = [row.id for row in world.deliveries() if row.batch_id and batches[row.batch_id] == "main"]
    assert tried in calm
    queue(world, "drip", 5, name="more")
    assert give(world, *routes).deliveries == 5
    assert {"main": 1, "second": 14} == by_relay(world)
    with world.store.read() as connection:
        assert relays.standing(connection, "main").breaker.state is State.HALF_OPEN


def test_a_trial_that_came_to_nothing_is_followed_by_another(world: World) -> None:
    """The mail was skipped at the gate, or its process died: nothing is under way, and the relay still on trial."""
    queue(world, "drip", 5)
    stands(world, "main", resting(world, minutes=0))
    assert [give(world, MAIN).deliveries for _ in range(2)] == [1, 0]
    settle(world, "skipped")
    assert [give(world, MAIN).deliveries for _ in range(2)] == [1, 0]


def test_what_is_still_under_way_is_waited_for_before_a_trial(world: World) -> None:
    """So that its answer is not taken for that of the trial."""
    queue(world, "drip", 3)
    give(world, MAIN)
    queue(world, "drip", 3, name="more")
    stands(world, "main", resting(world, minutes=0))
    assert give(world, MAIN).deliveries == 0
    settle(world)
    assert give(world, MAIN).deliveries == 1


def test_a_relay_that_staff_let_rest_is_not_tried_either(world: World) -> None:
    """Their word counts for more."""
    queue(world, "drip", 3)
    stands(world, "main", resting(world, minutes=0))
    with world.store.begin() as connection:
        relays.keep(connection, "main", until=world.now + HOUR, because="a look", by="ana")
    assert give(world, MAIN).deliveries == 0
    assert give(world, MAIN, now=world.now + HOUR).deliveries == 1


def test_a_closed_breaker_gives_everything_out_again(world: World) -> None:
    """After the one success."""
    queue(world, "drip", 9)
    stands(world, "main", BreakerPolicy().tried(resting(world, minutes=0), world.now))
    assert give(world, MAIN).deliveries == 1
    settle(world)
    stands(world, "main", Breaker())
    assert give(world, MAIN).deliveries == 8
