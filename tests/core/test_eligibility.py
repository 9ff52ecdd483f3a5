"""The last question before the wire: what refuses a mail, what holds it, in which order, and what it is told."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfs_mail.core.eligibility import Caps, Decision, Expire, Facts, Hold, Send, Skip, Suppressed, Urgent, decide
from rfs_mail.core.local_time import local_date
from rfs_mail.core.reasons import Reason, remedy, sentence
from rfs_mail.core.send_hours import SendRules, is_open, parse_days, parse_send_hours

NEW_YORK = ZoneInfo("America/New_York")
NOW = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
"""A Monday, ten in the morning in New York."""

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
OFFICE_HOURS = SendRules(parse_days("Mon-Fri"), parse_send_hours("09:00-17:00"))
FREE = Facts(NEW_YORK, NOW + 3 * DAY, entity="rfs", topic="running", campaign="drip")
CAPS = Caps(1, 2)


def ask(facts: Facts = FREE, *, now: datetime = NOW, caps: Caps = CAPS, **more: object) -> Decision:
    """Decide about these facts, some of them changed."""
    return decide(replace(facts, **more), caps=caps, now=now)  # type: ignore[arg-type]


def test_nothing_against_it_is_yes() -> None:
    """A mail goes unless something speaks against it."""
    assert ask() == Send()


REFUSALS: list[tuple[dict[str, object], Reason]] = [
    ({"suppressed": Suppressed("unsubscribed", "entity", NOW)}, Reason.UNSUBSCRIBED),
    ({"suppressed": Suppressed("erased", "all")}, Reason.ERASED),
    ({"suppressed": Suppressed("hard_bounce", "all", NOW)}, Reason.SUPPRESSED),
    ({"stopped_because": "asked by phone"}, Reason.STOPPED),
    ({"consented": False}, Reason.NO_CONSENT),
    ({"topic_left_at": NOW}, Reason.TOPIC_LEFT),
    ({"enrollment_state": "exited", "ended_because": "goal_reached", "ended_detail": {"expression": "x"}},
     Reason.GOAL_REACHED),
    ({"enrollment_state": "exited", "ended_because": "a word of a later version"}, Reason.EXITED),
    ({"enrollment_state": "exited"}, Reason.EXITED),
    ({"campaign_state": "removed"}, Reason.CAMPAIGN_REMOVED),
    ({"step_removed": True}, Reason.STEP_REMOVED),
    ({"allowed": False, "only_to": "@example.org"}, Reason.NOT_ONLY_TO),
]  # fmt: skip


@pytest.mark.parametrize(("facts", "reason"), REFUSALS)
def test_a_refusal_is_for_ever(facts: dict[str, object], reason: Reason) -> None:
    """Each says why."""
    said = ask(**facts)
    assert isinstance(said, Skip)
    assert said.reason is reason


def test_suppression_outvotes_everything() -> None:
    """Whatever else speaks for or against it, and however late it is."""
    everything: dict[str, object] = {}
    for facts, _ in reversed(REFUSALS):
        everything |= facts
    everything |= {"suppressed": Suppressed("complained", "all", NOW), "deadline": True, "counts": False}
    said = ask(**everything, now=NOW + 30 * DAY)
    assert (type(said), getattr(said, "reason", None)) == (Skip, Reason.SUPPRESSED)
    assert sentence(Reason.SUPPRESSED, said.detail) == (  # type: ignore[union-attr]
        "the address is suppressed (complained since 2026-11-23 15:00 UTC)"
    )


def test_its_time_is_over_only_behind_not_after() -> None:
    """To the very instant it may go."""
    assert ask(now=FREE.not_after) == Send()
    late = ask(now=FREE.not_after + timedelta(microseconds=1))
    assert late == Expire(timedelta(microseconds=1), {"not_after": FREE.not_after.isoformat()})


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"touched": True}, Reason.HELD_FACTS),
        ({"window_version": 1, "current_window_version": 2}, Reason.HELD_WINDOW),
        ({"campaign_state": "paused", "campaign_state_by": "ana"}, Reason.HELD_PAUSED_CAMPAIGN),
    ],
)
def test_some_holds_end_with_a_change(facts: dict[str, object], reason: Reason) -> None:
    """No time is known for them."""
    said = ask(**facts)
    assert (type(said), said.reason, said.until) == (Hold, reason, None)  # type: ignore[union-attr]


def test_a_date_in_doubt_holds_until_somebody_found_out() -> None:
    """It is asked again every hour, and never behind the time after which it must not go."""
    doubt = {"doubtful_window": "wi-1", "window_confidence": "conflict"}
    detail = {"window": "wi-1", "confidence": "conflict"}
    assert Hold(Reason.HELD_DOUBT, NOW + HOUR, detail) == ask(**doubt)
    last = FREE.not_after - timedelta(minutes=5)
    assert Hold(Reason.HELD_DOUBT, FREE.not_after, detail) == ask(**doubt, now=last)
    assert isinstance(ask(**doubt, now=FREE.not_after + timedelta(seconds=1)), Expire)


def test_a_pause_of_the_person_holds_or_ends() -> None:
    """By whether the mail is still good when it is over; one that is over holds nothing."""
    assert ask(paused_until=NOW + DAY) == Hold(Reason.HELD_PAUSED_PERSON, NOW + DAY, {"until": (NOW + DAY).isoformat()})
    said = ask(paused_until=NOW + 4 * DAY)
    assert (type(said), said.reason, said.detail["held_by"]) == (  # type: ignore[union-attr]
        Skip, Reason.TOO_LATE, "held_paused_person",
    )  # fmt: skip
    assert ask(paused_until=NOW) == Send()


def test_hours_hold_until_they_open() -> None:
    """On her clock; a mail that would be too late by then is refused now."""
    evening = NOW + 9 * HOUR
    said = ask(rules=OFFICE_HOURS, now=evening)
    assert (type(said), said.until) == (Hold, datetime(2026, 11, 24, 14, 0, tzinfo=UTC))  # type: ignore[union-attr]
    assert ask(rules=OFFICE_HOURS) == Send()
    said = ask(rules=OFFICE_HOURS, now=evening, not_after=evening + HOUR)
    assert (type(said), said.reason) == (Skip, Reason.TOO_LATE)  # type: ignore[union-attr]


# -- caps --------------------------------------------------------------------------------------------------------------


def test_one_a_day_of_hers() -> None:
    """The next one fits when her next day begins; yesterday's late mail does not count."""
    said = ask(sent=(NOW - HOUR,))
    assert isinstance(said, Hold)
    assert (said.reason, said.until) == (Reason.HELD_CAP, datetime(2026, 11, 24, 5, 0, tzinfo=UTC))
    assert ask(sent=(NOW - 11 * HOUR,)) == Send()  # eleven at night, the day before


def test_two_in_any_seven_days() -> None:
    """The third fits when the first of the two is seven days old; more than two count the same."""
    sent = (NOW - 5 * DAY, NOW - 3 * DAY)
    said = ask(sent=sent)
    assert isinstance(said, Hold)
    assert (said.until, said.detail["count"], said.detail["cap"]) == (NOW + 2 * DAY, 2, "2 in 7 days")
    assert ask(sent=sent, now=NOW + 2 * DAY) == Send()
    more = ask(sent=(NOW - 6 * DAY, *sent))
    assert isinstance(more, Hold)
    assert more.until == NOW + 2 * DAY


def test_what_never_fits_is_refused_at_once() -> None:
    """It is not left to rot in the queue."""
    said = ask(sent=(NOW - 2 * DAY, NOW - DAY))
    assert isinstance(said, Skip)
    assert (said.reason, said.detail["fits_at"]) == (Reason.CAPPED, (NOW + 5 * DAY).isoformat())


def test_deadline_mail_breaks_the_week_and_never_the_day() -> None:
    """Nobody gets two mails on one day."""
    week = (NOW - 3 * DAY, NOW - 2 * DAY)
    assert ask(sent=week, deadline=True) == Send()
    assert isinstance(ask(sent=(*week, NOW - HOUR), deadline=True), Hold)


def test_exempt_mail_neither_waits_nor_gives_way() -> None:
    """Whatever she has had, and whatever is to come."""
    urgent = Urgent("countdown", "t1", NOW + HOUR)
    assert ask(sent=(NOW - HOUR,) * 5, urgent=urgent, counts=False) == Send()


def test_a_cap_of_nothing_is_no_cap() -> None:
    """0 means no limit."""
    assert ask(sent=(NOW - HOUR,) * 5, caps=Caps(0, 0)) == Send()


def test_a_lesser_mail_gives_way_to_a_deadline_of_the_day() -> None:
    """Until that one is due and a minute more; a deadline mail does not give way to another."""
    urgent = Urgent("countdown", "t1", NOW + 2 * HOUR)
    said = ask(urgent=urgent)
    assert isinstance(said, Hold)
    assert (said.reason, said.until) == (Reason.HELD_MORE_URGENT, NOW + 2 * HOUR + timedelta(minutes=1))
    assert ask(urgent=urgent, deadline=True) == Send()


def test_a_held_mail_waits_for_the_hours_as_well() -> None:
    """The cap ends at midnight, the office opens at nine."""
    said = ask(sent=(NOW - HOUR,), rules=OFFICE_HOURS)
    assert isinstance(said, Hold)
    assert said.until == datetime(2026, 11, 24, 14, 0, tzinfo=UTC)


# -- properties --------------------------------------------------------------------------------------------------------

_instants = st.datetimes(datetime(2026, 10, 1), datetime(2026, 12, 31)).map(lambda at: at.replace(tzinfo=UTC))
_zones = st.sampled_from(["America/New_York", "America/Los_Angeles", "Pacific/Auckland", "Asia/Kathmandu"]).map(
    ZoneInfo
)
_reasons = st.sampled_from(["unsubscribed", "complained", "hard_bounce", "inactive", "erased"])
_facts = st.builds(
    Facts,
    zone=_zones,
    not_after=_instants,
    entity=st.just("rfs"),
    topic=st.just("running"),
    campaign=st.just("drip"),
    campaign_state=st.sampled_from(["running", "running", "paused", "removed"]),
    campaign_state_by=st.just("ana"),
    campaign_state_because=st.just("a look"),
    enrollment_state=st.sampled_from(["active", "active", "exited"]),
    ended_because=st.sampled_from([None, "goal_reached", "ended", "while_ended"]),
    ended_detail=st.just({"expression": "x", "at": "then"}),
    suppressed=st.none() | st.none() | st.builds(Suppressed, _reasons, st.sampled_from(["all", "entity"]), _instants),
    consented=st.sampled_from([True, True, False]),
    paused_until=st.none() | _instants,
    rules=st.none() | st.just(OFFICE_HOURS),
    deadline=st.booleans(),
    counts=st.booleans(),
    sent=st.lists(_instants, max_size=6).map(lambda found: tuple(sorted(found))),
    urgent=st.none() | st.builds(Urgent, st.just("countdown"), st.just("t1"), _instants),
)


@given(_facts, _instants, st.builds(Caps, st.integers(0, 2), st.integers(0, 3)))
def test_what_is_said_holds_whatever_the_facts(facts: Facts, now: datetime, caps: Caps) -> None:
    """A yes keeps every promise; a hold ends in the future and not too late; every sentence has its values."""
    facts = replace(facts, sent=tuple(at for at in facts.sent if at <= now))
    said = decide(facts, caps=caps, now=now)
    match said:
        case Send():
            assert facts.suppressed is None
            assert facts.consented
            assert now <= facts.not_after
            assert facts.rules is None or is_open(now, facts.rules, facts.zone)
            if facts.counts and caps.per_day:
                today = [at for at in facts.sent if local_date(at, facts.zone) == local_date(now, facts.zone)]
                assert len(today) < caps.per_day
            if facts.counts and caps.per_week and not facts.deadline:
                assert len([at for at in facts.sent if at > now - 7 * DAY]) < caps.per_week
        case Hold(until=until):
            assert until is None or now < until <= facts.not_after
        case Skip():
            pass
        case Expire(late_by):
            assert late_by == now - facts.not_after
    if isinstance(said, Hold | Skip):
        assert "?" not in sentence(said.reason, said.detail) + remedy(said.reason, said.detail)


@given(_facts, _instants)
def test_a_hold_by_the_clock_is_good_when_it_ends(facts: Facts, now: datetime) -> None:
    """Nobody is held for the same hours or the same cap twice."""
    facts = replace(facts, urgent=None, sent=tuple(at for at in facts.sent if at <= now))
    said = decide(facts, caps=CAPS, now=now)
    if isinstance(said, Hold) and said.until is not None and said.reason is not Reason.HELD_PAUSED_PERSON:
        again = decide(facts, caps=CAPS, now=said.until)
        assert not (isinstance(again, Hold) and again.reason is said.reason)
