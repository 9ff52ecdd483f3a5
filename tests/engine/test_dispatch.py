"""Giving out: what goes first, who waits for whom, how much at a time, and by which relay."""

from collections import Counter
from datetime import datetime, timedelta

import pytest

from rfs_mail.engine import dispatch as dispatching
from rfs_mail.engine.dispatch import Dispatched, Pool, dispatch
from rfs_mail.engine.routing import Route
from rfs_mail.handoff.base import Rank
from rfs_mail.store import relays
from rfs_mail.store.database import Store
from rfs_mail.store.tables import TABLES
from rfs_mail.store.types import AnyRow
from tests.engine.conftest import MakeWorld
from tests.engine.test_advance import drip
from tests.engine.test_outbox_machine import Hands
from tests.recipients import add_delivery, add_person
from tests.world import HEAD, World, at, local

ONE = drip("{key: one, mail: a}")
URGENT = drip("{key: last, mail: a, priority: deadline, not_after: entry + 9d}")
MAIN = (Route("main"),)


def queue(world: World, campaign: str, count: int, *, name: str = "", **fields: object) -> list[int]:
    """Deliveries of a campaign, each to somebody of her own; returns their ids."""
    with world.store.begin() as connection:
        return [
            add_delivery(
                connection, add_person(connection, f"{name or campaign}{number}@example.org", now=world.now),
                now=world.now, campaign_id=campaign, **{"step_key": "one", **fields},
            )
            for number in range(count)
        ]  # fmt: skip


def give(
    world: World, *, routes: tuple[Route, ...] = MAIN, size: int = 4_000, now: datetime | None = None
) -> Dispatched:
    """One pass."""
    return dispatch(world.store, Hands(), Pool(routes, size), now=now or world.now, holder="me")


def claimed(world: World) -> list[AnyRow]:
    """What is claimed."""
    return [row for row in world.deliveries() if row.state == "claimed"]


def settle(world: World, count: int) -> None:
    """So many of what was claimed first are sent."""
    ids = [row.id for row in claimed(world)][:count]
    table = TABLES["delivery"]
    with world.store.begin() as connection:
        connection.execute(table.update().where(table.c.id.in_(ids)).values(state="sent"))


@pytest.fixture
def world(make_world: MakeWorld, store: Store) -> World:
    """Three campaigns that are live; nobody is in them."""
    world = make_world({"small": ONE, "large": ONE, "urgent": URGENT}, store=store)
    world.apply("11-23 10:00")
    return world


# -- what and in which order -------------------------------------------------------------------------------------------


def test_only_what_is_due_is_given_out(world: World) -> None:
    """A hold or a plan in the future waits."""
    queue(world, "small", 1)
    queue(world, "large", 1, next_at=world.now + timedelta(seconds=1))
    assert give(world).by_campaign == {"small": 1}
    assert give(world).deliveries == 0
    assert give(world, now=world.now + timedelta(seconds=1)).by_campaign == {"large": 1}


def test_a_small_campaign_does_not_wait_for_a_large_one(world: World) -> None:
    """Each gets an equal share of the pool; what one leaves goes to the others."""
    queue(world, "large", 60)
    queue(world, "small", 5)
    assert give(world, size=20).by_campaign == {"large": 15, "small": 5}


def test_deadline_mail_goes_first(world: World) -> None:
    """Whatever else is waiting, and however long."""
    queue(world, "large", 30, next_at=world.now - timedelta(hours=5))
    queue(world, "urgent", 8, step_key="last", deadline=True)
    assert give(world, size=10).by_campaign == {"urgent": 8, "large": 2}


def test_the_pool_is_never_overfilled(world: World) -> None:
    """What is claimed or at the wire counts, over all holders."""
    queue(world, "large", 30)
    assert [give(world, size=10).deliveries for _ in range(2)] == [10, 0]
    with world.store.begin() as connection:
        table = TABLES["delivery"]
        connection.execute(table.update().where(table.c.id == claimed(world)[0].id).values(state="sent"))
    assert give(world, size=10).deliveries == 1


def test_the_first_few_of_a_campaign_find_room_in_a_full_pool(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broadcast never fills the last tenth; ten mails of another campaign go at the next pass, before any of it."""
    monkeypatch.setattr(dispatching, "FEW", 10)
    queue(world, "large", 300)
    assert give(world, size=100).by_campaign == {"large": 90}
    assert give(world, size=100).deliveries == 0
    queue(world, "small", 10)
    assert give(world, size=100).by_campaign == {"small": 10}
    settle(world, 40)
    queue(world, "small", 4, name="more")
    assert give(world, size=100).by_campaign == {"large": 26, "small": 4}  # up to ninety in flight


def test_a_deadline_broadcast_leaves_room_for_the_first_few_of_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Deadline mail goes first, and takes half of the reserve at most where it is many."""
    monkeypatch.setattr(dispatching, "FEW", 10)
    queue(world, "urgent", 300, step_key="last", deadline=True)
    queue(world, "large", 300)
    queue(world, "small", 2)
    assert give(world, size=100).by_campaign == {"urgent": 95, "small": 2, "large": 3}


def test_a_few_deadline_mails_find_room_beside_a_deadline_broadcast(
    make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reserve is theirs before it is anybody else's."""
    monkeypatch.setattr(dispatching, "FEW", 10)
    world = make_world({"urgent": URGENT, "closing": URGENT, "small": ONE})
    world.apply("11-23 10:00")
    queue(world, "urgent", 300, step_key="last", deadline=True)
    give(world, size=100)
    queue(world, "closing", 4, step_key="last", deadline=True)
    queue(world, "small", 4)
    assert give(world, size=100).by_campaign == {"closing": 4, "small": 1}


def test_nobody_starves(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """However much deadline mail keeps coming, each campaign gets something out at every pass."""
    monkeypatch.setattr(dispatching, "FEW", 10)
    queue(world, "large", 300)
    queue(world, "small", 300)
    for number in range(5):
        queue(world, "urgent", 120, name=f"u{number}-", step_key="last", deadline=True)
        assert give(world, size=100).by_campaign.keys() == {"urgent", "large", "small"}
        settle(world, 100)


def test_what_overtakes_what(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first few of each campaign have batches of their own, before deadline mail, and that before the rest."""
    monkeypatch.setattr(dispatching, "FEW", 10)
    queue(world, "urgent", 30, step_key="last", deadline=True, operator="google")
    queue(world, "large", 50, operator="google")
    queue(world, "small", 10, operator="google")
    hands = Hands()
    dispatch(world.store, hands, Pool(MAIN, 4_000), now=world.now, holder="me")
    campaigns = {
        rank: Counter(row.campaign_id for row in claimed(world) if (row.batch_id, 1) in batches)
        for rank, batches in hands.ranks.items()
    }
    assert list(campaigns) == [Rank.FEW, Rank.DEADLINE, Rank.REST]
    assert campaigns == {
        Rank.FEW: {"urgent": 10, "small": 10, "large": 10}, Rank.DEADLINE: {"urgent": 20}, Rank.REST: {"large": 40},
    }  # fmt: skip


def test_nobody_has_two_at_a_time_and_the_most_urgent_goes(world: World) -> None:
    """Of one person's due mails: deadline first, then the one whose time ends first."""
    with world.store.begin() as connection:
        who = add_person(connection, "maria@example.org", now=world.now)
        later = add_delivery(connection, who, now=world.now, campaign_id="small", step_key="one")
        sooner = add_delivery(
            connection,
            who,
            now=world.now,
            campaign_id="large",
            step_key="one",
            not_after=world.now + timedelta(hours=2),
        )
        deadline = add_delivery(
            connection, who, now=world.now, campaign_id="urgent", step_key="last", deadline=True,
            not_after=world.now + timedelta(days=5),
        )  # fmt: skip
    order = []
    for _ in range(4):
        given = give(world)
        order += [row.id for row in claimed(world)]
        with world.store.begin() as connection:
            table = TABLES["delivery"]
            connection.execute(table.update().where(table.c.state == "claimed").values(state="sent"))
        assert given.deliveries <= 1
    assert order == [deadline, sooner, later]


def test_a_paused_campaign_gives_nothing_out(world: World) -> None:
    """And takes no room from the others."""
    queue(world, "large", 5)
    queue(world, "small", 5)
    world.pause("large")
    assert give(world).by_campaign == {"small": 5}


def test_more_campaigns_than_a_statement_has_places(make_world: MakeWorld) -> None:
    """The people already chosen are left out in every campaign's look; their number has no limit in SQL."""
    world = make_world({f"c{number}": ONE for number in range(12)})
    world.apply("11-23 10:00")
    with world.store.begin() as connection:
        people = [add_person(connection, f"p{number}@example.org", now=world.now) for number in range(300)]
        for number in range(12):
            for who in people[number * 20 : number * 20 + 60]:
                add_delivery(connection, who, now=world.now, campaign_id=f"c{number}", step_key="one")
    given = give(world)
    assert given.deliveries == len({row.person_id for row in world.deliveries()})
    assert len({row.person_id for row in claimed(world)}) == given.deliveries


# -- batches and relays ------------------------------------------------------------------------------------------------


def test_a_batch_is_of_one_relay_and_one_operator(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a connection is used again and again; large groups are cut."""
    monkeypatch.setattr(dispatching, "BATCH", (10, 1))
    queue(world, "large", 25, operator="google")
    queue(world, "small", 5, operator="yahoo")
    hands = Hands()
    dispatch(world.store, hands, Pool(MAIN, 4_000), now=world.now, holder="me")
    sizes = Counter((row.operator, row.size) for row in world.rows("batch", "operator", "size"))
    assert sizes == {("google", 10): 2, ("google", 5): 1, ("yahoo", 5): 1}
    assert len(hands.given) == 4


def test_what_a_process_died_over_goes_in_ever_smaller_batches(world: World) -> None:
    """At last alone, so that a mail that kills its sender takes nobody along."""
    for rescues, name in ((0, "fine"), (1, "odd"), (2, "bad"), (3, "worse")):
        queue(world, "large", 12, name=name, rescues=rescues)
    give(world)
    assert {12: 1, 10: 1, 2: 1, 1: 24} == Counter(row.size for row in world.rows("batch", "size"))


def test_relays_share_by_weight(world: World) -> None:
    """Three quarters and one quarter, the same for the same delivery."""
    queue(world, "large", 200)
    give(world, routes=(Route("big", weight=3), Route("small", weight=1)))
    sizes: Counter[str] = Counter()
    for row in world.rows("batch", "relay", "size"):
        sizes[row.relay] += row.size
    assert abs(sizes["big"] - 150) <= 2
    assert sizes["big"] + sizes["small"] == 200


def test_an_entity_with_a_relay_of_its_own_uses_that_one(world: World) -> None:
    """And one whose relays all rest waits, without taking room from the others."""
    routes = (Route("all"), Route("civics", entities=("rfs_civics",)))
    queue(world, "large", 3)
    assert give(world, routes=routes).deliveries == 3
    assert {row.relay for row in world.rows("batch", "relay")} == {"all"}
    queue(world, "small", 3)
    assert give(world, routes=(Route("civics", entities=("rfs_civics",)),)).deliveries == 0


def test_a_relay_that_rests_is_left_out(world: World) -> None:
    """Until its pause is over, by the civil clock; the other one takes the mail."""
    queue(world, "large", 4)
    with world.store.begin() as connection:
        relays.keep(connection, "one", until=world.now + timedelta(minutes=5), because="a look", by="ana")
    assert give(world, routes=(Route("one"),)).deliveries == 0
    assert give(world, routes=(Route("one"), Route("two"))).deliveries == 4
    assert {row.relay for row in world.rows("batch", "relay")} == {"two"}
    queue(world, "small", 1)
    assert give(world, routes=(Route("one"),), now=world.now + timedelta(minutes=5)).deliveries == 1


# -- rates -------------------------------------------------------------------------------------------------------------

RATED = HEAD.format(id="rated").replace("hours: any", "hours: any, rate: 600/h") + ONE


def test_a_rate_holds_over_any_hour(make_world: MakeWorld) -> None:
    """600 an hour: ten at once, then ten a minute, asked every forty seconds or every quarter of an hour."""
    world = make_world({"rated": RATED})
    world.apply("11-23 10:00")
    queue(world, "rated", 800)
    moments = [world.now + timedelta(seconds=40 * step) for step in range(45)]
    moments += [world.now + timedelta(minutes=30 + 15 * step) for step in range(4)]
    given = [(moment, give(world, now=moment).deliveries) for moment in moments]
    for start, _ in given:
        hour = sum(count for moment, count in given if start <= moment < start + timedelta(hours=1))
        assert hour <= 600 + 10
    assert given[0][1] == 10
    assert 725 <= sum(count for _, count in given) <= 760  # an hour and a quarter


def test_a_rate_does_not_save_up_while_there_is_nothing_to_send(make_world: MakeWorld) -> None:
    """Five quiet days are no five days of tokens."""
    world = make_world({"rated": RATED})
    world.apply("11-23 10:00")
    queue(world, "rated", 3, name="early")
    give(world)
    queue(world, "rated", 40)
    assert give(world, now=world.now + timedelta(days=5)).deliveries == 10


# -- caps --------------------------------------------------------------------------------------------------------------


def hours(campaign: str, *steps: str, topic: str = "running") -> str:
    """A campaign that a sign-up starts, whose mails go at these times."""
    head = HEAD.format(id=campaign).replace("topic: running", f"topic: {topic}")
    return head + drip("\n".join(f"{{key: {key}, at: entry + {when}, mail: a{more}}}" for key, when, more in
                                 (step.split("|") for step in steps)))  # fmt: skip


def test_one_a_day_and_the_nearest_deadline_first(make_world: MakeWorld) -> None:
    """Two campaigns want the same morning: the mail that ends sooner goes, the other one tomorrow."""
    world = make_world({
        "one": hours("one", "long|1d|, not_after: entry + 6d"), "two": hours("two", "short|1d|, not_after: entry + 2d"),
    })  # fmt: skip
    world.apply("11-23 10:00")
    world.signs_up("maria", "11-23 10:00")
    world.ticks("11-23 10:00", "11-24 10:00", "11-25 00:00")
    assert world.sent == [("11-24 10:00", "maria", "short"), ("11-25 00:00", "maria", "long")]


def test_two_a_week_and_then_held_until_it_fits(make_world: MakeWorld) -> None:
    """The third waits until the first is seven days old, and says when it goes."""
    world = make_world({"one": hours("one", "a|0d|", "b|1d|", "c|2d|, not_after: entry + 20d")})
    world.apply("11-23 10:00")
    world.signs_up("maria", "11-23 10:00")
    world.ticks("11-23 10:00", "11-24 10:00", "11-25 10:00")
    row = world.delivery("c")
    assert (row.state, row.reason, local(row.next_at)) == ("queued", "held_cap", "11-30 10:00")
    assert (row.detail["count"], row.detail["cap"]) == (2, "2 in 7 days")
    world.ticks("11-30 09:59", "11-30 10:00")
    assert world.sent[2] == ("11-30 10:00", "maria", "c")


def test_what_cannot_fit_any_more_is_skipped_at_once(make_world: MakeWorld) -> None:
    """Nobody waits a week to learn that it was too late."""
    world = make_world({"one": hours("one", "a|0d|", "b|1d|", "c|2d|")})
    world.apply("11-23 10:00")
    world.signs_up("maria", "11-23 10:00")
    world.ticks("11-23 10:00", "11-24 10:00", "11-25 10:00")
    assert world.log[2] == ("maria", "c", "skipped", "capped")


def test_deadline_mail_breaks_the_weekly_cap_and_never_the_daily_one(make_world: MakeWorld) -> None:
    """The third mail of a week goes; the second of a day waits for the next day."""
    deadline = ", priority: deadline, not_after: entry + 9d"
    world = make_world({"one": hours("one", "a|0d|", "b|1d|", f"c|2d|{deadline}", f"d|2d|{deadline}")})
    world.apply("11-23 10:00")
    world.signs_up("maria", "11-23 10:00")
    world.ticks("11-23 10:00", "11-24 10:00", "11-25 10:00", "11-25 20:00", "11-26 00:00")
    assert [row[::2] for row in world.sent] == [
        ("11-23 10:00", "a"), ("11-24 10:00", "b"), ("11-25 10:00", "c"), ("11-26 00:00", "d"),
    ]  # fmt: skip


def test_exempt_mail_neither_counts_nor_waits(make_world: MakeWorld) -> None:
    """It goes beside another of the day, and the next one does not see it."""
    world = make_world({"one": hours("one", "a|0d|", "b|1h|, cap: exempt", "c|1d|")})
    world.apply("11-23 10:00")
    world.signs_up("maria", "11-23 10:00")
    world.ticks("11-23 10:00", "11-23 11:00", "11-24 10:00")
    assert [row[2] for row in world.sent] == ["a", "b", "c"]


def test_a_lesser_mail_waits_for_a_deadline_mail_of_the_day(make_world: MakeWorld) -> None:
    """Planned for the afternoon, not even queued: the morning's mail gives way, and goes tomorrow."""
    world = make_world({
        "calm": hours("calm", "news|1d|, not_after: entry + 5d"),
        "late": hours("late", "last|30h|, priority: deadline, not_after: entry + 5d"),
    })  # fmt: skip
    world.apply("11-23 10:00")
    world.signs_up("maria", "11-23 10:00")
    world.ticks("11-23 10:00", "11-24 10:00")
    assert world.log[0] == ("maria", "news", "queued", "held_more_urgent")
    world.ticks("11-24 16:00", "11-24 16:05", "11-25 00:00")
    assert world.sent == [("11-24 16:00", "maria", "last"), ("11-25 00:00", "maria", "news")]


def test_the_day_is_the_recipients(make_world: MakeWorld) -> None:
    """Her day ends at her midnight: five hours earlier in London."""
    world = make_world({"one": hours("one", "a|0d|", "b|3h|")})
    world.apply("11-23 10:00")
    world.signs_up("ny", "11-23 20:00")
    world.signs_up("london", "11-23 20:00", zone="Europe/London")
    world.ticks("11-23 20:00", "11-23 23:00", "11-24 00:00", "11-24 19:00")
    assert world.sent[2:] == [("11-24 00:00", "ny", "b"), ("11-24 19:00", "london", "b")]


def test_hours_and_days_are_on_the_recipients_clock(make_world: MakeWorld) -> None:
    """Nine in the morning is nine where she lives; Sunday is no day for it."""
    head = HEAD.format(id="one").replace("days: Mon-Sun, hours: any", "days: Mon-Sat, hours: 09:00-20:00")
    world = make_world({"one": head + drip("{key: a, at: entry + 4d, mail: a}")})
    world.apply("11-23 10:00")
    world.signs_up("ny", "11-25 02:00")  # plus four days: a Sunday
    world.signs_up("la", "11-25 02:00", zone="America/Los_Angeles")  # there it is a Saturday, after hours
    world.ticks("11-25 02:00", "11-29 02:00", "11-29 12:00", "11-30 08:59", "11-30 09:00", "11-30 12:00")
    assert world.sent == [("11-30 09:00", "ny", "a"), ("11-30 12:00", "la", "a")]
    assert at("11-30 12:00") == world.now
