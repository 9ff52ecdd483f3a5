"""What is learnt about relays and rates: pauses that end, buckets that fill by civil time."""

from datetime import datetime, timedelta

import pytest

from rfs_mail.store import relays
from rfs_mail.store.database import Store

SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
RATE = 600 / 3600
"""Tokens a second: ten a minute."""


def test_a_pause_ends_by_itself(store: Store, now: datetime) -> None:
    """To the second; a new one takes the place of the old."""
    with store.begin() as connection:
        relays.pause(connection, "main", until=now + MINUTE, because="421 later")
        relays.pause(connection, "main", until=now + HOUR, because="554 go away")
        relays.pause(connection, "spare", until=now + MINUTE, because="421 later")
        assert relays.paused(connection, now=now) == {"main", "spare"}
        assert relays.paused(connection, now=now + MINUTE) == {"main"}
        assert relays.paused(connection, now=now + HOUR) == set()
        assert [(row.relay, row.because) for row in relays.states(connection)] == [
            ("main", "554 go away"), ("spare", "421 later"),
        ]  # fmt: skip


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
