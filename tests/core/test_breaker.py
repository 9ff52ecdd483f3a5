"""When a relay is left alone and when it is tried again: every state with every sign, and what each verdict says."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfs_mail.core.breaker import (
    Breaker,
    BreakerPolicy,
    Sign,
    State,
    before_the_mail,
    is_greylisting,
    sign_of,
    verdict_phase,
)
from rfs_mail.core.verdict import (
    Accepted,
    Phase,
    Scope,
    Uncertain,
    Verdict,
    connection_failed,
    from_reply,
    refused_here,
    relay_refused,
)

NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
POLICY = BreakerPolicy(jitter=0)
SEED = "main"

WORKING = Breaker()
STRAINED = Breaker(strain=4)
RESTING = Breaker(State.OPEN, 0, 2, NOW + MINUTE, "554 go away")
SILENT = replace(RESTING, silent=True)
RESTED = Breaker(State.OPEN, 0, 2, NOW, "554 go away")
SILENT_RESTED = replace(RESTED, silent=True)
ON_TRIAL = Breaker(State.HALF_OPEN, 0, 2, NOW, "554 go away")
LONGER = Breaker(State.OPEN, 0, 3, NOW + 4 * MINUTE, "new")
FIRST = Breaker(State.OPEN, 0, 1, NOW + MINUTE, "new")

TABLE = {
    (WORKING, Sign.WORKS): WORKING,
    (WORKING, Sign.NOTHING): WORKING,
    (WORKING, Sign.STRAINS): Breaker(strain=1),
    (WORKING, Sign.FAILS): Breaker(strain=4),
    (WORKING, Sign.REFUSES): FIRST,
    (STRAINED, Sign.WORKS): WORKING,
    (STRAINED, Sign.NOTHING): STRAINED,
    (STRAINED, Sign.STRAINS): Breaker(strain=5),
    (STRAINED, Sign.FAILS): Breaker(strain=8),
    (STRAINED, Sign.REFUSES): FIRST,
    **{(RESTING, sign): RESTING for sign in Sign},
    **{(SILENT, sign): SILENT for sign in Sign},
    (SILENT, Sign.WORKS): WORKING,
    (RESTED, Sign.WORKS): RESTED,
    (RESTED, Sign.NOTHING): RESTED,
    (RESTED, Sign.STRAINS): RESTED,
    (RESTED, Sign.FAILS): LONGER,
    (RESTED, Sign.REFUSES): LONGER,
    (SILENT_RESTED, Sign.WORKS): WORKING,
    (SILENT_RESTED, Sign.NOTHING): SILENT_RESTED,
    (SILENT_RESTED, Sign.STRAINS): SILENT_RESTED,
    (SILENT_RESTED, Sign.FAILS): LONGER,
    (SILENT_RESTED, Sign.REFUSES): LONGER,
    (ON_TRIAL, Sign.WORKS): WORKING,
    (ON_TRIAL, Sign.NOTHING): ON_TRIAL,
    (ON_TRIAL, Sign.STRAINS): LONGER,
    (ON_TRIAL, Sign.FAILS): LONGER,
    (ON_TRIAL, Sign.REFUSES): LONGER,
}
"""Every kind of state with every sign -> what follows."""


@pytest.mark.parametrize(("before", "sign"), TABLE)
def test_every_state_with_every_sign(before: Breaker, sign: Sign) -> None:
    """The whole machine, one line a case."""
    assert TABLE[before, sign] == POLICY.after(before, sign, "new", NOW, SEED)


def test_the_table_is_whole() -> None:
    """No state and no sign is left out."""
    states = {before for before, _ in TABLE}
    assert set(State) == {before.state for before in states}
    assert {(before, sign) for before in states for sign in Sign} == set(TABLE)


@pytest.mark.parametrize(("sign", "number"), [(Sign.FAILS, 5), (Sign.STRAINS, 20)])
def test_trouble_in_a_row_opens_it(sign: Sign, number: int) -> None:
    """Five failures or twenty deferred mails, and not one fewer."""
    breaker = Breaker()
    states = []
    for _ in range(number):
        breaker = POLICY.after(breaker, sign, "new", NOW, SEED)
        states.append(breaker.state)
    assert [State.CLOSED] * (number - 1) + [State.OPEN] == states


def test_a_success_between_begins_the_count_anew() -> None:
    """A relay that drops every fifth connection is a relay that works."""
    breaker = Breaker()
    for sign in [*[Sign.FAILS] * 4, Sign.WORKS] * 10:
        breaker = POLICY.after(breaker, sign, "new", NOW, SEED)
    assert breaker == Breaker()


def test_rests_grow_to_half_an_hour() -> None:
    """A minute, two, four .. and never more than thirty; a success begins at one minute again."""
    breaker, now, rests = Breaker(), NOW, []
    for _ in range(8):
        breaker = POLICY.after(breaker, Sign.REFUSES, "535", now, SEED)
        assert breaker.until is not None
        rests.append((breaker.until - now) / MINUTE)
        now = breaker.until
        breaker = POLICY.tried(breaker, now)
    assert [1, 2, 4, 8, 16, 30, 30, 30] == rests
    breaker = POLICY.after(breaker, Sign.WORKS, "", now, SEED)
    breaker = POLICY.after(breaker, Sign.REFUSES, "535", now, SEED)
    assert now + MINUTE == breaker.until


def test_a_trial_comes_when_the_rest_is_over_and_not_before() -> None:
    """To the microsecond; what does not rest is left as it is."""
    assert POLICY.tried(RESTING, NOW) == RESTING
    assert replace(RESTING, state=State.HALF_OPEN) == POLICY.tried(RESTING, NOW + MINUTE)
    assert [POLICY.tried(one, NOW) for one in (WORKING, STRAINED, ON_TRIAL)] == [WORKING, STRAINED, ON_TRIAL]


def test_the_jitter_is_within_a_quarter_and_settled() -> None:
    """Two relays do not come back at one moment; the same relay at the same time always does."""
    policy = BreakerPolicy()
    rests = [policy.opened(Breaker(), "new", NOW, str(seed)).until for seed in range(300)]
    parts = [(until - NOW) / MINUTE for until in rests if until is not None]
    assert 0.75 <= min(parts) < 0.80
    assert 1.20 < max(parts) <= 1.25
    assert policy.opened(Breaker(), "new", NOW, "7") == policy.opened(Breaker(), "new", NOW, "7")


SIGNS = st.lists(st.tuples(st.sampled_from(Sign), st.timedeltas(timedelta(0), timedelta(hours=1))), max_size=60)


@given(SIGNS)
def test_it_closes_by_a_success_alone(signs: list[tuple[Sign, timedelta]]) -> None:
    """Whatever comes in whatever order: an open one closes only by a sign that it works, and only where that counts."""
    breaker, now = Breaker(), NOW
    for sign, passed in signs:
        now += passed
        before = POLICY.tried(breaker, now)
        breaker = POLICY.after(before, sign, "new", now, SEED)
        if before.state is not State.CLOSED and breaker.state is State.CLOSED:
            assert sign is Sign.WORKS
            assert before.state is State.HALF_OPEN or before.silent
        assert (breaker.until is None) == (breaker.state is State.CLOSED)
        assert 0 <= breaker.strain < 20
        assert breaker.until is None or breaker.until - now <= 30 * MINUTE


GREY = "4.7.1 Greylisted, try again in 5 minutes"

VERDICTS: list[tuple[Verdict, Sign]] = [
    (Accepted(), Sign.WORKS),
    (Uncertain("silence"), Sign.FAILS),
    (from_reply(Phase.RCPT, 550, "5.1.1 no such user"), Sign.WORKS),
    (from_reply(Phase.DOT, 554, "5.6.0 a bad message"), Sign.WORKS),
    (from_reply(Phase.MAIL, 552, "5.3.4 too large"), Sign.WORKS),
    (from_reply(Phase.RCPT, 450, GREY), Sign.NOTHING),
    (from_reply(Phase.RCPT, 452, "4.2.2 mailbox full"), Sign.NOTHING),
    (from_reply(Phase.RCPT, 451, "4.7.1 too fast"), Sign.STRAINS),
    (from_reply(Phase.DOT, 451, "4.3.0 later"), Sign.STRAINS),
    (from_reply(Phase.MAIL, 451, "4.7.0 too fast"), Sign.FAILS),
    (from_reply(Phase.CONNECT, 421, "4.3.2 too many connections"), Sign.FAILS),
    (from_reply(Phase.DATA, 421, "4.4.2 closing"), Sign.FAILS),
    (from_reply(Phase.DATA, 250, "what?"), Sign.FAILS),
    (connection_failed(Phase.CONNECT, "refused"), Sign.FAILS),
    (connection_failed(Phase.DOT, "reset by peer"), Sign.FAILS),
    (from_reply(Phase.AUTH, 454, "4.7.0 not now"), Sign.FAILS),
    (from_reply(Phase.AUTH, 535, "5.7.8 wrong password"), Sign.REFUSES),
    (from_reply(Phase.RCPT, 530, "5.7.0 authentication required"), Sign.REFUSES),
    (from_reply(Phase.CONNECT, 554, "5.7.1 go away"), Sign.REFUSES),
    (from_reply(Phase.EHLO, 550, "5.7.1 who are you"), Sign.REFUSES),
    (from_reply(Phase.MAIL, 550, "5.7.1 not you"), Sign.REFUSES),
    (from_reply(Phase.RCPT, 554, "5.7.1 relaying denied"), Sign.REFUSES),
    (relay_refused(Phase.STARTTLS, "its certificate is not to be trusted"), Sign.REFUSES),
    (refused_here(Scope.RECIPIENT, "not an address"), Sign.NOTHING),
    (refused_here(Scope.CONTENT, "a bare LF"), Sign.NOTHING),
]


@pytest.mark.parametrize(("verdict", "sign"), VERDICTS)
def test_what_a_verdict_says_about_the_relay(verdict: Verdict, sign: Sign) -> None:
    """A refusal of one mail is an answer; a refusal of us opens at once; the rest is counted."""
    assert sign == sign_of(verdict)


@pytest.mark.parametrize("phase", Phase)
def test_what_ends_before_the_mail_is_not_its_fault(phase: Phase) -> None:
    """Up to AUTH nobody knew which mail it was."""
    early = {Phase.CONNECT, Phase.EHLO, Phase.STARTTLS, Phase.AUTH}
    assert (phase in early) == before_the_mail(connection_failed(phase, "broke"))
    assert verdict_phase(Accepted()) is Phase.DOT


@pytest.mark.parametrize(
    ("text", "expected"), [(GREY, True), ("4.7.1 GRAYLISTED", True), ("4.7.1 try again later", False), ("", False)]
)
def test_greylisting_is_told_by_its_word(text: str, expected: bool) -> None:
    """The one deferral that wants the same way again."""
    assert expected == is_greylisting(text)
