"""Warm-up: how many mails a new From domain may send, day after day."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfs_mail.core.warmup import Ramp, RampRules, taken, today

MONDAY = date(2026, 11, 23)
DAY = timedelta(days=1)
RULES = RampRules(MONDAY)


def day_of(cap: int | None = 50, **figures: int) -> Ramp:
    """Monday's ramp, used up to what was sent."""
    used = figures.pop("used", sum(figures.get(name, 0) for name in ("sent", "hard", "deferred")))
    return Ramp(MONDAY, MONDAY, MONDAY, cap, used=used, **figures)


def test_it_begins_with_the_cap() -> None:
    """On the first day anything is to be sent."""
    ramp = today(None, RULES, MONDAY + 3 * DAY)
    assert (ramp.cap, ramp.room, ramp.day, ramp.because) == (50, 50, 1, "the first day")
    assert taken(ramp, 48).room == 2
    assert taken(ramp, 51).room == 0


def test_a_good_day_grows_it() -> None:
    """Half as many again, rounded up, with counts that begin at nothing."""
    ramp = today(day_of(sent=50), RULES, MONDAY + DAY)
    assert (ramp.cap, ramp.day, ramp.used, ramp.sent, ramp.on) == (75, 2, 0, 0, MONDAY + DAY)
    assert today(day_of(75, sent=75), RULES, MONDAY + DAY).cap == 113


def test_fourteen_good_days_make_it_warm() -> None:
    """50, 75, 113 .. to 10,000: from then on nothing holds it."""
    ramp, caps = today(None, RULES, MONDAY), []
    for number in range(1, 30):
        caps.append(ramp.cap)
        if ramp.cap is None:
            break
        ramp = today(replace(taken(ramp, ramp.cap), sent=ramp.cap), RULES, MONDAY + number * DAY)
    assert caps[:5] == [50, 75, 113, 170, 255]
    assert (len(caps), caps[-1], ramp.room, ramp.because) == (15, None, None, "warm")
    assert today(taken(ramp, 5), RULES, ramp.on + DAY).cap is None


@pytest.mark.parametrize(
    ("figures", "cap", "because"),
    [
        ({"sent": 999, "hard": 1}, 1500, "grown: 999 went well the day before"),
        ({"sent": 980, "hard": 20}, 1000, "held: 20 of 1000 bounced for good"),
        ({"sent": 961, "hard": 39}, 1000, "held: 39 of 1000 bounced for good"),
        ({"sent": 960, "hard": 40}, 500, "halved: 40 of 1000 bounced for good"),
        ({"sent": 951, "deferred": 49}, 1500, "grown: 951 went well the day before"),
        ({"sent": 950, "deferred": 50}, 1000, "held: 50 of 1000 were deferred"),
        ({"sent": 900, "deferred": 100}, 500, "halved: 100 of 1000 were deferred"),
        ({"sent": 1000, "complained": 1}, 1000, "held: 1 of 1000 were reported as spam"),
        ({"sent": 1000, "complained": 2}, 1000, "held: 2 of 1000 were reported as spam"),
        ({"sent": 1000, "complained": 3}, 500, "halved: 3 of 1000 were reported as spam"),
        ({"sent": 499}, 1000, "held: only 499 of 1000 went the day before"),
        ({"sent": 500}, 1500, "grown: 500 went well the day before"),
        ({}, 1000, "held: only 0 of 1000 went the day before"),
        ({"hard": 2}, 1000, "held: 2 of 2 bounced for good"),
        ({"hard": 3}, 500, "halved: 3 of 3 bounced for good"),
    ],
)
def test_the_day_before_decides(figures: dict[str, int], cap: int, because: str) -> None:
    """Grown, held at a limit, halved at twice the limit; a day of little mail proves nothing."""
    ramp = today(day_of(1000, **figures), RULES, MONDAY + DAY)
    assert (ramp.cap, ramp.because) == (cap, because)


def test_it_is_never_halved_to_nothing() -> None:
    """A fifth of the first cap stays, at least one mail."""
    assert today(day_of(12, hard=12), RULES, MONDAY + DAY).cap == 10
    assert today(day_of(1, hard=3), RampRules(MONDAY, cap=1), MONDAY + DAY).cap == 1


def test_the_same_day_changes_nothing() -> None:
    """Asked again, or asked about yesterday."""
    ramp = day_of(sent=20)
    assert ramp == today(ramp, RULES, MONDAY)
    assert ramp == today(ramp, RULES, MONDAY - DAY)


def test_thirty_idle_days_begin_it_anew() -> None:
    """Also where it was warm; twenty-nine do not."""
    warm = replace(day_of(None, sent=5000), day=40)
    assert today(warm, RULES, MONDAY + 29 * DAY).cap is None
    again = today(warm, RULES, MONDAY + 30 * DAY)
    assert (again.cap, again.day, again.because) == (50, 1, "no mail for 30 days: it begins anew")


def test_idle_days_are_counted_from_the_last_mail() -> None:
    """Pages that were turned in between, with nothing sent, do not count as mail."""
    ramp = today(day_of(sent=50), RULES, MONDAY + DAY)
    assert ramp.last_on == MONDAY
    assert today(ramp, RULES, MONDAY + 29 * DAY).day == 3
    assert today(ramp, RULES, MONDAY + 30 * DAY).day == 1


def test_another_start_in_the_settings_begins_it_anew() -> None:
    """That is how a director says: this domain is new again."""
    ramp = today(day_of(1000, sent=1000), RampRules(MONDAY + DAY), MONDAY + DAY)
    assert (ramp.cap, ramp.day, ramp.started) == (50, 1, MONDAY + DAY)


@given(
    st.lists(
        st.tuples(st.integers(1, 40), st.integers(0, 100), st.integers(0, 30), st.integers(0, 30), st.integers(0, 5)),
        max_size=40,
    )
)
def test_whatever_happens_it_stays_between_its_bounds(days: list[tuple[int, int, int, int, int]]) -> None:
    """At least a fifth of the first cap, and never more than half as many again as the day before."""
    ramp, day = today(None, RULES, MONDAY), MONDAY
    for apart, sent, hard, deferred, complained in days:
        day += apart * DAY
        before = taken(replace(ramp, sent=sent, hard=hard, deferred=deferred, complained=complained), sent)
        ramp = today(before, RULES, day)
        assert ramp.cap is None or 10 <= ramp.cap < 10_000
        if ramp.cap is not None and before.cap is not None and ramp.day > 1:
            assert ramp.cap <= before.cap * 1.5 + 1
