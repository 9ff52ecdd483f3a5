"""What is known of relays and rates: breakers, rests, figures, buckets that fill by civil time."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from rfs_mail.core.breaker import Breaker, State
from rfs_mail.store import outbox, relays
from rfs_mail.store.database import Store
from rfs_mail.store.relays import Figures, Standing
from rfs_mail.store.tables import TABLES
from tests.recipients import add_delivery, add_person

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
RATE = 600 / 3600
"""Tokens a second: ten a minute."""


OPEN = Breaker(State.OPEN, 0, 2, None, "554 go away", silent=True)


def test_a_breaker_survives_a_restart(store: Store, now: datetime) -> None:
    """Everything of it but the strain, which each process counts for itself; and since when."""
    opened = replace(OPEN, until=now + MINUTE)
    with store.begin() as connection:
        assert relays.standing(connection, "main") == Standing()
        relays.save(connection, "main", replace(opened, strain=3), now=now)
        relays.save(connection, "main", replace(opened, rests=3), now=now + SECOND)
    with store.read() as connection:
        assert {"main": Standing(replace(opened, rests=3))} == relays.standings(connection)
        assert now == relays.rows(connection)["main"].since
        assert relays.standing(connection, "spare") == Standing()
    with store.begin() as connection:
        relays.save(connection, "main", Breaker(), now=now + HOUR)
        assert Standing() == relays.hold(connection, "main")
        assert now + HOUR == relays.rows(connection)["main"].since


def test_a_rest_that_staff_ordered_ends_by_itself(store: Store, now: datetime) -> None:
    """To the microsecond; it leaves the breaker alone, and a new one takes the place of the old."""
    with store.begin() as connection:
        relays.keep(connection, "main", until=now + HOUR, because="a look", by="ana")
        relays.keep(connection, "main", until=now + MINUTE, because="another look", by="bo")
        how = relays.standing(connection, "main")
    assert (how.kept_because, how.kept_by, how.breaker) == ("another look", "bo", Breaker())
    assert [True, False] == [how.rests_at(now + MINUTE - SECOND), how.rests_at(now + MINUTE)]
    with store.begin() as connection:
        relays.keep(connection, "main", until=None, because=None, by=None)
        assert relays.standing(connection, "main") == Standing()


def test_figures_add_up_within_a_day(store: Store, now: datetime) -> None:
    """The first of a new day (UTC) begins at nothing; what was said last stands."""
    with store.begin() as connection:
        relays.count_up(connection, "main", Figures(3, 2, 1, 0, now, 250, "2.0.0 ok"))
        relays.count_up(connection, "main", Figures(1, 0, 0, 1, now + SECOND, None, "silence"))
        relays.count_up(connection, "main", Figures())
        row = relays.rows(connection)["main"]
        assert (4, 2, 1, 1) == (row.sent, row.deferred, row.failed, row.uncertain)
        assert (now + SECOND, None, "silence") == (row.said_at, row.said_code, row.said)
        relays.count_up(connection, "main", Figures(5, 0, 0, 0, now + 24 * HOUR, 250, "2.0.0 ok"))
        row = relays.rows(connection)["main"]
        assert (5, 0, 0, 0) == (row.sent, row.deferred, row.failed, row.uncertain)


def test_what_is_under_way_is_counted_by_relay(store: Store, now: datetime) -> None:
    """Claimed and sending, over all holders; neither what is queued nor what is over."""
    with store.begin() as connection:
        ids = [
            add_delivery(
                connection, add_person(connection, f"p{n}@example.org", now=now), now=now, campaign_id="c",
                step_key="one",
            )
            for n in range(6)
        ]  # fmt: skip
        assert relays.in_flight(connection) == {}
        outbox.claim(connection, ids[:2], relay="main", operator="other", holder="me")
        outbox.claim(connection, ids[2:3], relay="main", operator="google", holder="you")
        outbox.claim(connection, ids[3:5], relay="spare", operator="other", holder=None)
        delivery = TABLES["delivery"]
        for number, state in ((0, "sending"), (1, "sent")):
            connection.execute(delivery.update().where(delivery.c.id == ids[number]).values(state=state))
        assert {"main": 2, "spare": 2} == relays.in_flight(connection)


def test_a_batch_gives_back_what_it_has_not_begun(store: Store, now: datetime) -> None:
    """What is at the wire stays with it; a stale holder gives nothing back."""
    with store.begin() as connection:
        ids = [
            add_delivery(
                connection, add_person(connection, f"p{n}@example.org", now=now), now=now, campaign_id="c",
                step_key="one",
            )
            for n in range(3)
        ]  # fmt: skip
        batch_id = outbox.claim(connection, ids, relay="main", operator="other", holder="me")
        delivery = TABLES["delivery"]
        connection.execute(delivery.update().where(delivery.c.id == ids[0]).values(state="sending"))
        assert outbox.give_back(connection, batch_id, 2) == 0
        assert outbox.give_back(connection, batch_id, 1) == 2
        rows = connection.execute(delivery.select().order_by(delivery.c.id)).all()
        assert [("sending", batch_id), ("queued", None), ("queued", None)] == [(r.state, r.batch_id) for r in rows]


def test_asking_for_tokens_takes_and_fills_none(store: Store, now: datetime) -> None:
    """It says what `refill` would say."""
    with store.begin() as connection:
        assert relays.tokens(connection, "a", rate=RATE, burst=600, now=now) == pytest.approx(10)
        assert relays.states(connection) == []
        relays.refill(connection, "a", rate=RATE, burst=600, now=now)
        relays.spend(connection, "a", 10)
        later = now + 3 * MINUTE
        assert relays.tokens(connection, "a", rate=RATE, burst=600, now=later) == pytest.approx(30)
        assert relays.tokens(connection, "a", rate=RATE, burst=600, now=now) == pytest.approx(0)
        assert relays.refill(connection, "a", rate=RATE, burst=600, now=later) == pytest.approx(30)


def test_a_new_bucket_holds_a_minute(store: Store, now: datetime) -> None:
    """A campaign that just began has no unused hour behind it; at least one mail may go."""
    with store.begin() as connection:
        assert relays.refill(connection, "campaign:a", rate=RATE, burst=600, now=now) == pytest.approx(10)
        assert relays.refill(connection, "campaign:b", rate=1 / 3600, burst=1, now=now) == 1


def test_a_bucket_fills_with_time(store: Store, now: datetime) -> None:
    """Spent to the ground it saves up to an hour, so that coarse ticks come to the same rate."""
    with store.begin() as connection:
        relays.refill(connection, "a", rate=RATE, burst=600, now=now)
        relays.spend(connection, "a", 10)
        assert relays.refill(connection, "a", rate=RATE, burst=600, now=now) == pytest.approx(0)
        assert relays.refill(connection, "a", rate=RATE, burst=600, now=now + 3 * SECOND) == pytest.approx(0.5)
        assert relays.refill(connection, "a", rate=RATE, burst=600, now=now + 15 * MINUTE) == pytest.approx(150)
        relays.spend(connection, "a", 150)
        assert relays.refill(connection, "a", rate=RATE, burst=600, now=now + 9 * HOUR) == pytest.approx(600)


def test_what_was_not_used_is_lost_after_a_minute(store: Store, now: datetime) -> None:
    """A quiet week is no week of tokens; a pause of some seconds costs nothing."""
    with store.begin() as connection:
        relays.refill(connection, "a", rate=RATE, burst=600, now=now)
        relays.spend(connection, "a", 5)
        assert relays.refill(connection, "a", rate=RATE, burst=600, now=now + 6 * SECOND) == pytest.approx(6)
        assert relays.refill(connection, "a", rate=RATE, burst=600, now=now + 99 * HOUR) == pytest.approx(10)


def test_time_that_runs_back_gives_nothing(store: Store, now: datetime) -> None:
    """A clock that was set back neither fills nor empties."""
    with store.begin() as connection:
        relays.refill(connection, "a", rate=RATE, burst=600, now=now)
        relays.spend(connection, "a", 10)
        assert relays.refill(connection, "a", rate=RATE, burst=600, now=now - HOUR) == pytest.approx(0)
