"""An expression asked of one person: what holds, and what `explain` says it saw."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rfs_mail.core.evaluation import evaluate, explain
from rfs_mail.core.expression import parse
from rfs_mail.core.facts import (
    CandidacyFact,
    EnrollmentFact,
    Happening,
    MailFact,
    OwnEnrollment,
    PersonFacts,
    WindowFact,
)
from rfs_mail.core.interest import Interest
from rfs_mail.core.values import STAGES, STAGES_OFF_THE_LINE
from rfs_mail.core.vocabulary import PERSON_FIELDS
from tests.core.expression_samples import FULL, PLAIN

NOW = datetime(2026, 11, 23, 4, 30, tzinfo=UTC)  # the 22nd, 23:30 in New York
DAY = timedelta(days=1)


def facts(fields: dict[str, Any] | None = None, **more: Any) -> PersonFacts:
    """Somebody who signed up, with these facts."""
    return PersonFacts(1, {**dict.fromkeys(PERSON_FIELDS), "stage": "signed_up", **(fields or {})}, **more)


def holds(text: str, who: PersonFacts, *, since: datetime | None = None) -> bool:
    """The answer, inside a campaign."""
    return evaluate(parse(text, FULL), who, now=NOW, since=since)


def seen(text: str, who: PersonFacts, *, since: datetime | None = None) -> list[tuple[str, bool, str]]:
    """What explain says."""
    found = explain(parse(text, FULL), who, now=NOW, since=since)
    return [(each.text, each.value, each.seen) for each in found]


def happened(name: str, days_ago: float = 0, **more: Any) -> Happening:
    """An event that many days ago, learnt of at once."""
    at = NOW - days_ago * DAY
    return Happening(name, at=at, received_at=more.pop("received_at", at), **more)


@pytest.mark.parametrize(
    "text",
    [
        'state == "WI"',
        'state < "X"',
        'state >= ""',
        'state in ["WI"]',
        "birth_year < 1990",
        "age(signed_up_at) < 7d",
        "age(signed_up_at) >= 7d",
        'signed_up_at <= "2026-01-01"',
        "endorsable",
        "endorsable == false",
        "custom.volunteer",
        "custom.hours >= 0",
    ],
)
def test_a_missing_value_makes_every_comparison_false_and_its_not_true(text: str) -> None:
    """Nobody is included, and nobody lost by a "not", for a value that we do not have."""
    assert (holds(text, facts()), holds(f"not ({text})", facts())) == (False, True)


def test_stages_compare_by_their_order() -> None:
    """Along the line, whatever the alphabet says."""
    for place, stage in enumerate(STAGES):
        who = facts({"stage": stage})
        below = [other for other in STAGES if holds(f'stage > "{other}"', who)]
        assert below == list(STAGES[:place])


def test_stages_off_the_line_are_neither_below_nor_above_anything() -> None:
    """`lost` is not less than `filed`, nor more; it is only itself."""
    for stage in STAGES_OFF_THE_LINE:
        who = facts({"stage": stage})
        found = [holds(f'stage {sign} "{other}"', who) for other in STAGES for sign in ("<", "<=", ">", ">=")]
        assert (any(found), holds(f'stage == "{stage}"', who)) == (False, True)


def test_an_age_ends_at_its_instant() -> None:
    """Exactly seven days is not less than seven days."""
    for age, expected in ((7 * DAY, False), (7 * DAY - timedelta(microseconds=1), True)):
        assert holds("age(signed_up_at) < 7d", facts({"signed_up_at": NOW - age})) is expected


def test_within_includes_its_edge() -> None:
    """What happened exactly thirty days ago was within thirty days."""
    assert holds('event("x", within=30d)', facts(happenings=(happened("x", 30),)))
    assert not holds('event("x", within=30d)', facts(happenings=(happened("x", 30.0001),)))


def test_a_moment_is_compared_with_a_day_on_the_persons_calendar() -> None:
    """03:00 UTC on the 23rd is still the 22nd in New York."""
    who = facts({"signed_up_at": datetime(2026, 11, 23, 3, 0, tzinfo=UTC)})
    there = facts({"signed_up_at": datetime(2026, 11, 23, 3, 0, tzinfo=UTC)}, zone="Pacific/Auckland")
    for text, expected in {
        'signed_up_at == "2026-11-22"': (True, False),
        'signed_up_at <= "2026-11-22"': (True, False),
        'signed_up_at > "2026-11-22"': (False, True),
        "signed_up_at == today": (True, True),
    }.items():
        assert (holds(text, who), holds(text, there)) == expected, text


def test_a_day_begins_at_its_midnight() -> None:
    """Midnight in New York is the first instant of the new day, and no longer the old one."""
    midnight = datetime(2026, 11, 22, 5, 0, tzinfo=UTC)
    for instant, expected in ((midnight, "2026-11-22"), (midnight - timedelta(microseconds=1), "2026-11-21")):
        who = facts({"signed_up_at": instant})
        found = [day for day in ("2026-11-21", "2026-11-22") if holds(f'signed_up_at == "{day}"', who)]
        assert found == [expected]
        assert holds(f'signed_up_at >= "{expected}" and signed_up_at <= "{expected}"', who)


def test_reached_is_for_ever() -> None:
    """Whoever withdrew has reached what she reached; a stage off the line counts for itself only."""
    who = facts({"stage": "withdrawn"}, happenings=(happened("stage", 5, value="on_ballot"),))
    found = {
        stage: holds(f'reached("{stage}")', who) for stage in ("filed", "on_ballot", "advanced", "withdrawn", "lost")
    }
    assert found == {"filed": True, "on_ballot": True, "advanced": False, "withdrawn": True, "lost": False}


def test_reached_since_counts_the_change_not_the_state() -> None:
    """A stage she has had for long was not reached in the last month."""
    for days, expected in ((40, False), (10, True)):
        who = facts({"stage": "filed", "stage_at": NOW - days * DAY})
        assert holds('reached("filed", within=30d)', who) is expected


def test_only_clicks_of_people_count() -> None:
    """A scanner's click is no click."""
    own = OwnEnrollment(5, NOW - DAY)
    for value, enrollment_id, expected in (
        ("human", 5, True),
        ("machine", 5, False),
        ("unknown", 5, False),
        ("human", 6, False),
    ):
        click = happened("clicked", ref="day", value=value, enrollment_id=enrollment_id)
        assert holds('clicked("day")', facts(happenings=(click,), enrollment=own)) is expected


def test_received_means_that_it_arrived() -> None:
    """A bounced mail went out but was not received; one that was complained about was."""
    own = OwnEnrollment(5, NOW)
    for state, expected in (("sent", True), ("complained", True), ("bounced", False)):
        who = facts(mails=(MailFact("welcome", "day", 5, state, NOW),), enrollment=own)
        assert (holds('received("day")', who), holds("mails() == 1", who)) == (expected, True)


def test_filed_is_about_this_window() -> None:
    """Papers for another race do not count here, and taken back they do not count at all."""
    for candidacies, expected in (
        ({"w1": CandidacyFact("filed", NOW)}, True),
        ({"w1": CandidacyFact("won", NOW)}, True),
        ({"w1": CandidacyFact("planned", NOW)}, False),
        ({"w1": CandidacyFact("withdrawn", NOW)}, False),
        ({"w2": CandidacyFact("filed", NOW)}, False),
    ):
        assert holds("filed(window)", facts(candidacies=candidacies, window=WindowFact("w1"))) is expected


def test_an_interest_without_a_state_means_the_one_she_lives_in() -> None:
    """Otherwise she would want the school boards of every state."""
    window = WindowFact("w1", {"state": "WI", "office_level": "school_board", "election": "2027-04-06"})
    wants = (Interest("school_board"),)
    for home, expected in (("WI", True), ("GA", False), (None, False)):
        assert holds("wants(window)", facts({"state": home}, interests=wants, window=window)) is expected


def test_a_level_and_the_wider_word_for_it_are_the_same() -> None:
    """A source that lists the legislature as one also means the lower house."""
    for wanted, listed, expected in (
        ("state_lower", "state_legislature", True),
        ("state_legislature", "state_upper", True),
        ("state_lower", "state_upper", False),
        ("", "county", True),
    ):
        window = WindowFact("w1", {"state": "WI", "office_level": listed})
        who = facts(interests=(Interest(wanted, "WI"),), window=window)
        assert holds("wants(window)", who) is expected


@pytest.mark.parametrize(
    ("said", "asked", "expected"),
    [
        ("school_board", "school_board", True),
        ("school_board", "local_any", True),
        ("state_legislature", "state_lower", True),
        ("state_lower", "state_upper", False),
        ("", "judicial", True),
        (None, "judicial", False),
    ],
)
def test_an_office_level_is_asked_across_its_wider_words(said: str | None, asked: str, expected: bool) -> None:
    """Wherever and whenever; who is open to any office wants each, and who said nothing wants none."""
    who = facts({}, interests=() if said is None else (Interest(said, "TX", election_year=2020),))
    assert holds(f'wants_office("{asked}")', who) is expected


def test_another_path_onto_the_ballot_has_to_be_said() -> None:
    """Who names no party path means the common ones; nonpartisan offices are for everybody."""
    for mine, path, incumbency, expected in (
        (Interest(), "major_party", None, True),
        (Interest(), "unaffiliated", None, False),
        (Interest(party_path="unaffiliated"), "unaffiliated", None, True),
        (Interest(party_path="unaffiliated"), "major_party", None, False),
        (Interest(party_path="unaffiliated"), "nonpartisan", None, True),
        (Interest(), None, "incumbent", False),
        (Interest(), None, "non_incumbent", True),
        (Interest(incumbent=True), None, "incumbent", True),
        (Interest(incumbent=True), None, "non_incumbent", False),
    ):
        fields = {"state": "WI", "party_path": path, "incumbency": incumbency}
        who = facts({"state": "WI"}, interests=(mine,), window=WindowFact("w1", fields))
        assert holds("wants(window)", who) is expected, (mine, path, incumbency)


def test_who_lives_in_a_county_lives_in_its_division() -> None:
    """By the name of the county or by its Open Civic Data id; a place within it may not be hers."""
    dane = "ocd-division/country:us/state:wi/county:dane"
    for county, division, expected in (
        ("Dane", dane, True), ("Dane County", dane, True), ("Rock", dane, False), (None, dane, False),
        ("Dane", "Dane", True), ("Dane", f"{dane}/council_district:4", False), ("Dane", None, True),
        ("Orleans Parish", "ocd-division/country:us/state:wi/parish:orleans", True),
    ):  # fmt: skip
        window = WindowFact("w1", {"state": "WI", "division": division})
        assert holds("lives_in(window)", facts({"state": "WI", "county": county}, window=window)) is expected, county


def test_only_windows_ahead_count_without_one() -> None:
    """Closed and cancelled ones do not, and `closes_within` looks at the day."""
    interests = (Interest("county", "WI"),)
    for closes, status, expected in (
        ("2026-11-22", "confirmed", False),
        ("2026-11-23", "confirmed", True),
        ("2027-01-22", "confirmed", True),
        ("2027-01-23", "confirmed", False),
        ("2026-12-01", "cancelled", False),
    ):
        window = WindowFact("w", {"state": "WI", "office_level": "county", "closes": closes, "status": status})
        who = facts(interests=interests, windows=(window,))
        assert evaluate(parse("has_window(closes_within=60d)", PLAIN), who, now=NOW) is expected, closes


def test_what_the_facts_do_not_have_is_a_bug_that_says_so() -> None:
    """Asking about an enrollment or window that was not loaded is refused."""
    for text in ('received("day")', "active(since=entry)", "window.closes is none", "filed(window)"):
        who = facts(happenings=(happened("x", active=True),), mails=(MailFact("nrfod", "day", 5, "sent", NOW),))
        with pytest.raises(ValueError, match="these facts have none"):
            holds(text, who)


def test_a_window_that_nobody_knows_is_missing_in_everything() -> None:
    """An enrollment may have begun without one: its dates are none, and nothing was filed for it."""
    who = facts(enrollment=OwnEnrollment(5, NOW))
    asked = ("window.closes is none", "window.petition_due is not none", "filed(window)", "wants(window)")
    assert [holds(text, who) for text in asked] == [True, False, False, False]


def test_explain_shows_what_was_looked_at() -> None:
    """One line for each part, in words a director reads."""
    who = facts(
        {"state": "WI", "birth_year": 1994, "signed_up_at": NOW - 3 * DAY, "endorsable": True},
        custom={"hours": 4},
        tags=frozenset({"vip"}),
        consents=frozenset({"rfs"}),
        happenings=(happened("registered", 10, ref="intro_call-2026-11"), happened("clicked", 200, active=True)),
        mails=(
            MailFact("welcome", "hello", 5, "sent", NOW - DAY),
            MailFact("welcome", "day", 5, "sent", NOW - 2 * DAY),
        ),
        enrollments=(EnrollmentFact("nrfod", "finished"),),
        candidacies={"w1": CandidacyFact("planned", NOW)},
        window=WindowFact("w1", {"confidence": "official"}, {"petition_due": "2026-12-01"}),
        enrollment=OwnEnrollment(5, NOW - 5 * DAY),
    )
    cases = {
        'stage in ["onboarded"]': (False, "stage is signed_up"),
        'state != "WI"': (False, "state is WI"),
        "county is none": (True, "county is not known"),
        "birth_year < 1990": (False, "birth_year is 1994"),
        "endorsable": (True, "endorsable is yes"),
        "not endorsable": (False, "endorsable is yes"),
        "custom.hours > 3": (True, "custom.hours is 4"),
        "age(signed_up_at) < 7d": (True, "signed_up_at is 2026-11-19 23:30 (3 days ago)"),
        'today == "2026-11-22"': (True, "today is 2026-11-22"),
        "mails(within=180d) >= 6": (False, "2 mails in 180 days"),
        "mails(since=entry) == 2": (True, "2 mails since entry"),
        "not active(within=180d)": (True, "not in 180 days"),
        "active()": (True, "last on 2026-05-07 00:30 (200 days ago)"),
        'attended("intro_call")': (False, "never"),
        'registered("intro_call")': (True, "last on 2026-11-12 23:30 (10 days ago)"),
        'tag("vip")': (True, "tags: vip"),
        'role("volunteer")': (False, "no roles"),
        'consented("rfs_civics")': (False, "no consent to rfs_civics"),
        'topic("deadlines")': (True, "did not leave deadlines"),
        'in_campaign("nrfod")': (False, "nrfod: finished"),
        'finished("welcome")': (False, "never in welcome"),
        'reached("filed")': (False, "stage is signed_up"),
        "filed(window)": (False, "planned for w1"),
        'window.confidence >= "computed"': (True, "window.confidence is official"),
        "window.petition_due is not none": (True, "window.petition_due is 2026-12-01"),
        'received("day", within=1d)': (False, "not in 1d"),
        "wants(window)": (False, "no window"),
    }
    for text, (value, words) in cases.items():
        assert seen(text, who) == [(text, value, words)]


def test_explain_opens_segments_and_keeps_order() -> None:
    """All parts are answered, also those that no longer matter."""
    who = facts({"stage": "committed"}, happenings=(happened("x", 1),))
    assert seen('event("x", within=2d) or segment("ready")', who) == [
        ('event("x", within=2d)', True, "last on 2026-11-21 23:30 (1 day ago)"),
        ('stage in ["committed", "circulating"]', True, "stage is committed"),
        ("has_window(closes_within=60d)", False, "no window"),
    ]


def test_explain_says_that_a_wait_counts_from_its_beginning() -> None:
    """An attendance of last year does not end a wait, and explain shows why."""
    who = facts(happenings=(happened("attended", 300, ref="intro_call"),), enrollment=OwnEnrollment(5, NOW - 9 * DAY))
    assert seen('attended("intro_call")', who, since=NOW - DAY) == [
        ('attended("intro_call")', False, "not since the wait began")
    ]
