"""The campaign breaker: when a campaign's mail goes so wrong that only a person may let it go on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfs_mail.core.campaign_breaker import BLOCK, FEWEST, Count, unauthenticated
from rfs_mail.core.verdict import Accepted, Phase, Uncertain, from_reply


@pytest.mark.parametrize(
    ("tried", "hard", "trips"),
    [
        (0, 0, False),
        (1, 1, False),
        (4, 4, False),
        (5, 5, True),
        (99, 5, True),
        (100, 5, False),
        (200, 10, False),
        (200, 11, True),
        (1000, 50, False),
        (1000, 51, True),
    ],
)
def test_more_than_five_in_a_hundred_and_five_at_least(tried: int, hard: int, trips: bool) -> None:
    """A campaign of a few mails does not stop by accident."""
    assert trips is (Count(tried, hard).trips() is not None)


def test_it_says_why() -> None:
    """The numbers, and where to look."""
    expected = (
        "11 of the last 200 mails bounced for good (5.5 %, more than 5 %): look at where these addresses came from"
    )
    assert expected == Count(200, 11).trips()


def test_later_the_last_one_to_two_thousand_count() -> None:
    """A good past does not hide a bad present, and a bad hour is not diluted by a year."""
    full = Count(BLOCK, 10, 900, 900)
    assert Count(0, 0, BLOCK, 10) == full.rolled()
    assert Count(BLOCK - 1, 10) == Count(BLOCK - 1, 10).rolled()
    count = full.rolled()
    assert Count(count.tried + 200, count.hard + 51, count.tried_before, count.hard_before).trips() is not None
    assert Count(count.tried + 200, count.hard + 50, count.tried_before, count.hard_before).trips() is None


@given(st.lists(st.booleans(), max_size=3_000))
def test_no_mail_is_counted_twice_or_not_at_all(answers: list[bool]) -> None:
    """The window holds the last one to two thousand answers, exactly as they were."""
    count = Count()
    for hard in answers:
        count = Count(count.tried + 1, count.hard + hard, count.tried_before, count.hard_before).rolled()
    held = count.tried + count.tried_before
    assert held == len(answers) if len(answers) < BLOCK else BLOCK <= held < 2 * BLOCK
    assert count.hard + count.hard_before == sum(answers[len(answers) - held :])
    assert FEWEST <= count.hard + count.hard_before or count.trips() is None


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (550, "5.7.26 This mail has been blocked because the sender is unauthenticated."),
        (550, "5.7.515 Access denied, sending domain example.org does not meet the required authentication level."),
        (550, "Unauthenticated email from example.org is not accepted (5.7.26)"),
    ],
)
def test_mail_that_fails_authentication_stops_at_once(code: int, text: str) -> None:
    """Google's code and Microsoft's, wherever in the reply they stand."""
    because = unauthenticated(from_reply(Phase.DOT, code, text))
    assert because is not None
    assert text in because


def test_what_is_no_failure_of_authentication() -> None:
    """Other refusals, other numbers, and everything that was taken."""
    assert unauthenticated(from_reply(Phase.DOT, 550, "5.7.1 blocked")) is None
    assert unauthenticated(from_reply(Phase.DOT, 550, "5.7.260 5.7.5150 15.7.26")) is None
    assert unauthenticated(Accepted(text="5.7.26")) is None
    assert unauthenticated(Uncertain("5.7.26")) is None
