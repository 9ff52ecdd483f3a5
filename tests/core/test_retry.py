"""When a deferred delivery is tried again."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfs_mail.core.retry import GiveUp, GiveUpReason, RetryAt, RetryPolicy

FIRST = datetime(2026, 11, 23, 10, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("attempt", "minutes"), [(1, 5), (2, 10), (3, 20), (4, 40), (5, 80), (6, 160), (7, 240), (8, 240), (500, 240)]
)
def test_waits_double_up_to_four_hours(attempt: int, minutes: int) -> None:
    """5 minutes, 10, 20 ... 4 hours, each within a quarter of itself."""
    waits = set()
    for seed in range(300):
        answer = RetryPolicy().next_attempt(attempt, FIRST, FIRST, None, seed)
        assert isinstance(answer, RetryAt)
        waits.add((answer.at - FIRST) / (minutes * MINUTE))

    assert 0.75 <= min(waits) < 0.80
    assert 1.20 < max(waits) <= 1.25


def test_the_seed_settles_the_jitter() -> None:
    """The same delivery gets the same answer, and another delivery or attempt another one."""
    policy = RetryPolicy()

    assert policy.next_attempt(1, FIRST, FIRST, None, 7) == policy.next_attempt(1, FIRST, FIRST, None, 7)
    assert policy.next_attempt(1, FIRST, FIRST, None, 7) != policy.next_attempt(1, FIRST, FIRST, None, 8)


@given(
    st.integers(1, 40),
    st.timedeltas(timedelta(0), timedelta(hours=60)),
    st.none() | st.timedeltas(timedelta(hours=-1), timedelta(hours=60)),
    st.integers(1, 2**63),
)
def test_never_past_the_end(attempt: int, elapsed: timedelta, limit: timedelta | None, seed: int) -> None:
    """No attempt lies more than 48 hours after the first or past not_after, and none lies before now."""
    now = FIRST + elapsed
    not_after = FIRST + limit if limit is not None else None
    answer = RetryPolicy().next_attempt(attempt, FIRST, now, not_after, seed)

    if isinstance(answer, RetryAt):
        assert now + timedelta(minutes=3) <= answer.at <= FIRST + 48 * HOUR
        assert not_after is None or answer.at <= not_after
    else:
        end = min(FIRST + 48 * HOUR, not_after or FIRST + 48 * HOUR)
        assert end - now < timedelta(minutes=10)
        assert answer.reason == (
            GiveUpReason.EXPIRED if end == not_after != FIRST + 48 * HOUR else GiveUpReason.TOO_OLD
        )


def test_a_last_attempt_before_the_end() -> None:
    """When four hours are too long and two are left, the last attempt is five minutes before the end."""
    now = FIRST + 10 * HOUR
    not_after = now + 2 * HOUR

    assert RetryAt(not_after - 5 * MINUTE) == RetryPolicy().next_attempt(9, FIRST, now, not_after, 7)


@pytest.mark.parametrize(
    ("elapsed", "not_after", "reason"),
    [
        (48 * HOUR, None, GiveUpReason.TOO_OLD),
        (48 * HOUR - 6 * MINUTE, None, GiveUpReason.TOO_OLD),
        (HOUR, FIRST + HOUR + 6 * MINUTE, GiveUpReason.EXPIRED),
        (HOUR, FIRST, GiveUpReason.EXPIRED),
        (48 * HOUR, FIRST + 72 * HOUR, GiveUpReason.TOO_OLD),
    ],
)
def test_giving_up_says_why(elapsed: timedelta, not_after: datetime | None, reason: GiveUpReason) -> None:
    """Where no wait fits any more, the reason is the age of the delivery or the mail's own limit, as it falls."""
    assert GiveUp(reason) == RetryPolicy().next_attempt(9, FIRST, FIRST + elapsed, not_after, 7)


def test_a_delivery_is_tried_about_twenty_times() -> None:
    """One delivery that is always deferred comes to its end, with a bounded number of attempts."""
    now, attempt = FIRST, 1
    while isinstance(answer := RetryPolicy().next_attempt(attempt, FIRST, now, None, 7), RetryAt):
        assert answer.at > now
        now, attempt = answer.at, attempt + 1

    assert 12 <= attempt <= 24
    assert now > FIRST + 40 * HOUR


def test_naive_times_and_attempt_zero_are_bugs() -> None:
    """Times without a zone and attempts counted from 0 are refused."""
    with pytest.raises(ValueError, match="zone"):
        RetryPolicy().next_attempt(1, FIRST, FIRST.replace(tzinfo=None), None, 7)
    with pytest.raises(ValueError, match="from 1"):
        RetryPolicy().next_attempt(0, FIRST, FIRST, None, 7)
