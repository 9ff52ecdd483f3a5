"""Pacing: which answers mean "slow down", what each teaches, how a speed comes back, and whose turn is when."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfs_mail.core.pacing import (
    HORIZON,
    LONGEST_REST,
    SLOWEST,
    STEP,
    Flow,
    Learnt,
    Throttled,
    learn,
    rate_at,
    refill,
    say_rate,
    throttled,
    turns,
)
from rfs_mail.core.verdict import Accepted, Phase, Uncertain, connection_failed, from_reply

NOW = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)
SLOW = Throttled("rate limited", 5 * MINUTE)


def heard(known: Learnt | None, said: Throttled = SLOW, *, seen: float = 8, limit: float | None = None,
          now: datetime = NOW) -> Learnt:  # fmt: skip
    """What is learnt when an operator complains."""
    return learn(known, said, seen=seen, limit=limit, now=now, because="451 slow down")


# -- hearing it --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "text", "rule", "minutes"),
    [
        (421, "4.7.0 [TSS04] Messages from 192.0.2.1 temporarily deferred due to unexpected volume", "TSS04", 120),
        (451, "4.7.0 [TSS05] Messages temporarily deferred", "TSS05", 240),
        (421, "4.7.0 [TS03] All messages from 192.0.2.1 will be temporarily deferred", "TSS", 60),
        (
            421,
            "4.7.28 Our system has detected an unusual rate of unsolicited mail originating from",
            "unusual rate",
            30,
        ),
        (451, "4.7.500 Server busy. Please try again later from [192.0.2.1]. (S77719)", "server busy", 15),
        (
            421,
            "RP-001 The mail server IP connecting to Outlook.com server has exceeded the rate limit",
            "reputation",
            60,
        ),
        (451, "4.7.650 The mail server [192.0.2.1] has been temporarily held", "4.7.65x", 15),
        (421, "4.1.0 192.0.2.1 Throttled - try again later. RL000001", "RL", 15),
        (450, "4.7.1 Rate limited", "rate limited", 5),
        (451, "Messages temporarily deferred", "rate limited", 5),
        (452, "4.3.1 Too many messages from you, slow down", "rate limited", 5),
        (421, "4.7.0 Too many concurrent connections", "rate limited", 5),
        (450, "4.7.1 You have exceeded the maximum message rate", "rate limited", 5),
        (451, "4.7.1 Sending rate exceeded", "rate limited", 5),
        (450, "you are sending mail too fast", "rate limited", 5),
    ],
)
@pytest.mark.parametrize("phase", [Phase.MAIL, Phase.RCPT, Phase.DATA, Phase.DOT])
def test_a_slow_down_is_heard(phase: Phase, code: int, text: str, rule: str, minutes: int) -> None:
    """By the words of each operator, from the recipient on or with a 421, with the rest that is known to help."""
    expected = Throttled(rule, minutes * MINUTE) if phase is not Phase.MAIL or code == 421 else None
    assert expected == throttled(from_reply(phase, code, text))


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (450, "4.2.0 <maria@example.org>: Recipient address rejected: Greylisted, see http://example.org/"),
        (451, "4.7.1 Greylisting in action, please come back later"),
        (451, "4.7.1 graylisted; rate limited"),
        (450, "4.2.1 The user you are trying to contact is receiving mail at a rate that prevents additional messages"),
        (452, "4.2.2 The email account that you tried to reach is over quota"),
        (452, "4.2.2 mailbox full, too many messages"),
        (452, "4.5.3 Too many recipients"),
        (452, "Too many recipients this hour, rate limited"),
        (452, "4.3.1 Insufficient system storage"),
        (451, "4.3.0 Temporary lookup failure"),
        (450, "4.1.8 Sender address rejected: Domain not found"),
        (451, "4.7.1 Please try again later"),
        (455, "rate limited"),
        (550, "5.7.1 rate limited"),
        (554, "5.7.9 Message temporarily deferred - [TSS04]"),
    ],
)
def test_what_is_no_slow_down(code: int, text: str) -> None:
    """Greylisting, her mailbox, the size of one mail, a fault of theirs, and every refusal."""
    assert throttled(from_reply(Phase.RCPT, code, text)) is None


def test_only_an_answer_in_a_transaction_is_an_operators() -> None:
    """What the relay says in its greeting is about the relay; silence and acceptance say nothing."""
    assert throttled(from_reply(Phase.CONNECT, 421, "too many connections")) is None
    assert throttled(from_reply(Phase.EHLO, 451, "server busy")) is None
    assert throttled(connection_failed(Phase.RCPT, "server busy")) is None
    assert throttled(Accepted(text="rate limited")) is None
    assert throttled(Uncertain("rate limited")) is None


# -- learning ----------------------------------------------------------------------------------------------------------


def test_the_first_time_halves_what_was_seen_and_rests() -> None:
    """Not what the settings allow, where less than that was too much already."""
    assert Learnt(4, 8, NOW + 5 * MINUTE, 1, "451 slow down") == heard(None)
    assert heard(None, limit=100).rate == 4
    assert heard(None, limit=2).rate == 1


def test_a_lonely_mail_is_no_measure() -> None:
    """Nobody is slowed to one mail in two minutes because one mail was all there was."""
    assert heard(None, seen=0).rate == pytest.approx(5 / 60)


def test_what_was_under_way_is_the_same_throttling() -> None:
    """A hundred deferrals in a second halve once; a rule that asks for a longer rest gets it."""
    once = heard(None)
    assert once == heard(once, now=NOW + SECOND, seen=3)
    longer = heard(once, Throttled("TSS05", 240 * MINUTE), now=NOW + SECOND)
    assert (longer.rate, longer.rests_until) == (once.rate, NOW + SECOND + 240 * MINUTE)


def test_again_halves_again_and_rests_twice_as_long() -> None:
    """Until the slowest speed and the longest rest; what was too much stays what it was."""
    known = heard(None)
    rests, rates = [5 * MINUTE], [4.0]
    at = NOW
    for _ in range(12):
        at = known.rests_until
        known = heard(known, now=at)
        rests.append(known.rests_until - at)
        rates.append(known.rate)
    assert rests[:7] == [5 * MINUTE * 2**n for n in range(6)] + [LONGEST_REST]
    assert rests[-1] == LONGEST_REST
    assert rates[:4] == [4, 2, 1, 0.5]
    assert (rates[-1], known.ceiling, known.strikes) == (SLOWEST, 8, 13)


def test_a_rule_may_rest_longer_than_the_longest() -> None:
    """The longest rest bounds the doubling, not what an operator is known to want."""
    assert heard(None, Throttled("new", 300 * MINUTE)).rests_until == NOW + 300 * MINUTE


def test_a_speed_comes_back_step_by_step() -> None:
    """A twentieth of what was too much every five minutes from the end of the rest, and free at twice that."""
    known = heard(None)
    begin = known.rests_until
    assert rate_at(known, None, NOW) == 4
    assert rate_at(known, None, begin + STEP - SECOND) == 4
    assert rate_at(known, None, begin + STEP) == pytest.approx(4.4)
    assert rate_at(known, None, begin + 10 * STEP) == pytest.approx(8)
    assert rate_at(known, None, begin + 29 * STEP) == pytest.approx(15.6)
    assert rate_at(known, None, begin + 30 * STEP) is None
    assert rate_at(None, None, NOW) is None


def test_a_limit_of_the_settings_frees_earlier() -> None:
    """Where the speed has come back to what is allowed anyway."""
    known = heard(None, limit=10)
    assert rate_at(known, 10, known.rests_until + 14 * STEP) == pytest.approx(9.6)
    assert rate_at(known, 10, known.rests_until + 15 * STEP) is None


def test_who_was_free_again_begins_anew() -> None:
    """One strike, and the speed of today is the measure."""
    free = heard(None).rests_until + 40 * STEP
    assert Learnt(10, 20, free + 5 * MINUTE, 1, "451 slow down") == heard(heard(None), seen=20, now=free)


@given(
    st.lists(st.tuples(st.integers(0, 20_000), st.sampled_from([5, 15, 60, 240])), max_size=30),
    st.floats(0, 1000),
    st.none() | st.floats(0.1, 1000),
)
def test_whatever_is_heard_the_bounds_hold(times: list[tuple[int, int]], seen: float, limit: float | None) -> None:
    """Never slower than the slowest, never faster than was too much while it is learnt, always an end of the rest."""
    known, now = None, NOW
    for seconds, minutes in times:
        now += seconds * SECOND
        before = rate_at(known, limit, now)
        rested = known is not None and now < known.rests_until
        known = heard(known, Throttled("x", minutes * MINUTE), seen=seen, limit=limit, now=now)
        assert SLOWEST <= known.rate <= max(known.ceiling, SLOWEST)
        assert now < known.rests_until <= now + max(LONGEST_REST, minutes * MINUTE)
        if before is not None and not rested:
            assert known.rate <= max(before / 2, SLOWEST)
        rate = rate_at(known, limit, now)
        assert rate is not None
        assert rate >= SLOWEST


# -- the flow ----------------------------------------------------------------------------------------------------------


def test_the_flow_counts_whole_minutes() -> None:
    """The faster of this minute and the one before; older ones are forgotten."""
    flow = Flow().add(30, NOW).add(30, NOW + 59 * SECOND)
    assert flow.per_second(NOW + 59 * SECOND) == 1
    assert flow.add(6, NOW + MINUTE).per_second(NOW + MINUTE) == 1
    assert flow.add(6, NOW + MINUTE).per_second(NOW + 2 * MINUTE) == pytest.approx(0.1)
    assert flow.per_second(NOW + 3 * MINUTE) == 0


# -- keeping to it -----------------------------------------------------------------------------------------------------


def test_a_new_bucket_holds_a_second() -> None:
    """At least one, or a slow operator would never begin."""
    assert (100, 1) == (refill(None, None, 100, NOW), refill(None, None, 0.1, NOW))


def test_a_bucket_that_waited_for_mail_saves_nothing() -> None:
    """Whoever had nothing to send does not send an hour's worth at once."""
    assert refill(50, NOW, 100, NOW + timedelta(hours=1)) == 100


def test_an_empty_bucket_gains_its_time() -> None:
    """So that a tick every quarter of an hour sends as much as one that runs; for an hour at most."""
    assert refill(0, NOW, 0.1, NOW + 15 * MINUTE) == pytest.approx(90)
    assert refill(0.5, NOW, 1, NOW + timedelta(days=1)) == 3601
    assert refill(0.5, NOW, 1, NOW - SECOND) == 0.5


@given(st.floats(0.02, 500), st.lists(st.integers(1, 3_000), min_size=2, max_size=60))
def test_a_rate_holds_over_any_span(rate: float, pauses: list[int]) -> None:
    """However it is asked, with a backlog: never more than the rate and a second's worth."""
    now, tokens, since, given_out = NOW, None, None, 0
    for pause in pauses:
        now += timedelta(milliseconds=pause)
        tokens = refill(tokens, since, rate, now)
        given_out += int(tokens)
        tokens, since = tokens - int(tokens), now
    span = (now - NOW).total_seconds()
    assert given_out <= rate * span + max(1.0, rate) + 1e-6


def test_turns_follow_the_rate_behind_those_given_before() -> None:
    """In order, and never later than the horizon."""
    first = turns(rate=2, room=None, booked=None, now=NOW)
    assert [first.at(n) - NOW for n in range(3)] == [0.5 * SECOND, SECOND, 1.5 * SECOND]
    behind = turns(rate=2, room=None, booked=first.at(9), now=NOW)
    assert behind.at(0) == NOW + 5.5 * SECOND
    end = [behind.at(n) for n in (5_000, 5_001)]
    assert end == [NOW + HORIZON + timedelta(microseconds=n) for n in (5_000, 5_001)]
    assert turns(rate=2, room=None, booked=NOW - MINUTE, now=NOW).at(0) == NOW + 0.5 * SECOND


def test_turns_follow_the_room_where_that_is_less() -> None:
    """As many a pass as may be on their way; of rate and room the slower counts."""
    assert turns(rate=None, room=5, booked=None, now=NOW).step == timedelta(milliseconds=50)
    assert turns(rate=1, room=5, booked=None, now=NOW).step == SECOND
    assert turns(rate=1000, room=5, booked=None, now=NOW).step == timedelta(milliseconds=50)
    with pytest.raises(ValueError, match="neither"):
        turns(rate=None, room=None, booked=None, now=NOW)


@pytest.mark.parametrize(
    ("rate", "expected"), [(100, "100/s"), (2.5, "2.5/s"), (0.5, "30/min"), (1 / 60, "1/min"), (1234.5, "1,234/s")]
)
def test_a_rate_is_said_as_people_say_it(rate: float, expected: str) -> None:
    """A second's where there is one at least."""
    assert expected == say_rate(rate)
