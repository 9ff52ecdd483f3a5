"""When a step is due, until when, and when it cannot be planned."""

import copy
import pickle
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rfs_mail.core.duration import Duration, parse_duration
from rfs_mail.core.reasons import Reason, sentence
from rfs_mail.core.send_hours import ANY_DAY, DEFAULT_RULES, SendHours, SendRules, is_open, parse_days
from rfs_mail.core.time_order import provably_before
from rfs_mail.core.times import TimeExpr, TimeNames, parse_time
from rfs_mail.core.timing import (
    Anchors,
    Civil,
    Instant,
    Moment,
    Planned,
    Unknown,
    Unplannable,
    instant_of,
    plan_step,
    resolve,
    shift,
)
from rfs_mail.errors import TimeError

NAMES = TimeNames.of(calendar=["nrfod", "intro_call"], person_dates=["custom.call_date"])
NEW_YORK = ZoneInfo("America/New_York")
CHICAGO = ZoneInfo("America/Chicago")
DENVER = ZoneInfo("America/Denver")
PHOENIX = ZoneInfo("America/Phoenix")
LOS_ANGELES = ZoneInfo("America/Los_Angeles")
HONOLULU = ZoneInfo("Pacific/Honolulu")
MENOMINEE = ZoneInfo("America/Menominee")


def parse(text: str) -> TimeExpr:
    return parse_time(text, names=NAMES)


def at(text: str, zone: ZoneInfo) -> datetime:
    """A wall time of a place, as an instant."""
    return datetime.fromisoformat(text).replace(tzinfo=zone).astimezone(UTC)


# Wisconsin, spring 2027: closes Tuesday 5 January 17:00 in Madison; opening and petition dates without an hour.
WISCONSIN = Anchors.of(
    {
        "opens": Civil(date(2026, 12, 1), None, CHICAGO),
        "closes": Civil(date(2027, 1, 5), time(17), CHICAGO),
        "petition_due": Civil(date(2027, 1, 4), None, CHICAGO),
        "challenge_closes": Unknown("the source gives no challenge date"),
        "election": Civil(date(2027, 4, 6), None, CHICAGO),
        "nrfod": Civil(date(2026, 11, 10), None, NEW_YORK),
        "intro_call": Civil(date(2026, 12, 8), time(19), NEW_YORK),
        "entry": Instant(at("2026-11-21 15:00", CHICAGO)),
        "signed_up_at": Instant(at("2026-11-20 22:30", NEW_YORK)),
        "custom.call_date": Civil(date(2026, 12, 10)),
    },
    office=CHICAGO,
)


def due(
    text: str | None,
    zone: ZoneInfo = CHICAGO,
    *,
    anchors: Anchors = WISCONSIN,
    previous: datetime | None = None,
    rules: SendRules | None = None,
) -> datetime:
    planned = plan_step(
        parse(text) if text is not None else None,
        not_after=None,
        anchors=anchors,
        previous=previous,
        zone=zone,
        rules=rules,
    )
    assert isinstance(planned, Planned)
    return planned.due_at


def mail(
    text: str, zone: ZoneInfo = CHICAGO, *, previous: datetime | None = None, anchors: Anchors = WISCONSIN
) -> Planned:
    planned = plan_step(parse(text), not_after=None, anchors=anchors, previous=previous, zone=zone, rules=DEFAULT_RULES)
    assert isinstance(planned, Planned)
    return planned


def refusal(text: str, *, not_after: str | None = None, anchors: Anchors = WISCONSIN) -> Unplannable:
    answer = plan_step(
        parse(text),
        not_after=parse(not_after) if not_after else None,
        anchors=anchors,
        previous=None,
        zone=CHICAGO,
        rules=DEFAULT_RULES,
    )
    assert isinstance(answer, Unplannable)
    return answer


# -- anchors, days and hours -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "zone", "expected", "place"),
    [
        # a deadline with an hour, on the office's clock
        ("closes", LOS_ANGELES, "2027-01-05 17:00", CHICAGO),
        ("closes - 3d", LOS_ANGELES, "2027-01-02 17:00", CHICAGO),
        ("closes + 1w", LOS_ANGELES, "2027-01-12 17:00", CHICAGO),
        ("closes - 5h", LOS_ANGELES, "2027-01-05 12:00", CHICAGO),
        ("closes - 1d 12h", LOS_ANGELES, "2027-01-04 05:00", CHICAGO),
        ("closes - 90min", LOS_ANGELES, "2027-01-05 15:30", CHICAGO),
        # @ is the recipient's clock on the day that results
        ("closes - 3d @ 10:00", CHICAGO, "2027-01-02 10:00", CHICAGO),
        ("closes - 3d @ 10:00", LOS_ANGELES, "2027-01-02 10:00", LOS_ANGELES),
        ("closes - 3d @ 10:00", MENOMINEE, "2027-01-02 10:00", CHICAGO),
        ("closes - 3d @ 10:00", DENVER, "2027-01-02 10:00", DENVER),  # El Paso keeps Denver's time
        ("closes - 3d @ 10:00 office", LOS_ANGELES, "2027-01-02 10:00", CHICAGO),
        ("closes - 30h @ 10:00", CHICAGO, "2027-01-04 10:00", CHICAGO),
        ("closes - 6d @ 10:00", CHICAGO, "2026-12-30 10:00", CHICAGO),  # over the turn of the year
        # a date without an hour
        ("opens", LOS_ANGELES, "2026-12-01 00:00", CHICAGO),
        ("opens - 7d", LOS_ANGELES, "2026-11-24 00:00", CHICAGO),
        ("opens @ 10:00", LOS_ANGELES, "2026-12-01 10:00", LOS_ANGELES),
        ("opens @ 08:00 office", LOS_ANGELES, "2026-12-01 08:00", CHICAGO),
        ("midpoint(opens, closes)", LOS_ANGELES, "2026-12-18 00:00", CHICAGO),
        ("midpoint(opens, closes) + 1d @ 10:00", LOS_ANGELES, "2026-12-19 10:00", LOS_ANGELES),
        # the calendar
        ("nrfod @ 09:00", HONOLULU, "2026-11-10 09:00", HONOLULU),
        ("nrfod - 5d @ 11:00", PHOENIX, "2026-11-05 11:00", PHOENIX),
        ("intro_call - 3h", LOS_ANGELES, "2026-12-08 16:00", NEW_YORK),
        ("intro_call + 1d", LOS_ANGELES, "2026-12-09 19:00", NEW_YORK),
        # a person's own times, on her clock
        ("entry", LOS_ANGELES, "2026-11-21 15:00", CHICAGO),
        ("entry + 2d @ 10:00", CHICAGO, "2026-11-23 10:00", CHICAGO),
        ("entry + 36h", CHICAGO, "2026-11-23 03:00", CHICAGO),
        ("signed_up_at + 1d @ 10:00", NEW_YORK, "2026-11-21 10:00", NEW_YORK),
        ("signed_up_at + 1d @ 10:00", LOS_ANGELES, "2026-11-21 10:00", LOS_ANGELES),
        ("custom.call_date", PHOENIX, "2026-12-10 00:00", PHOENIX),
        ("custom.call_date - 1d @ 10:00", HONOLULU, "2026-12-09 10:00", HONOLULU),
        # dates written out
        ("2026-12-03 @ 10:00", HONOLULU, "2026-12-03 10:00", HONOLULU),
        ("2026-12-03 @ 10:00 America/Chicago", HONOLULU, "2026-12-03 10:00", CHICAGO),
        ("2026-12-03 @ 10:00 office", HONOLULU, "2026-12-03 10:00", CHICAGO),
        ("2026-12-03", HONOLULU, "2026-12-03 00:00", HONOLULU),
        ("2028-03-01 - 1d @ 10:00", CHICAGO, "2028-02-29 10:00", CHICAGO),
        ("2027-03-01 - 1d @ 10:00", CHICAGO, "2027-02-28 10:00", CHICAGO),
        ("2028-02-29 + 365d @ 10:00", CHICAGO, "2029-02-28 10:00", CHICAGO),
    ],
)
def test_an_anchor_becomes_an_instant(text: str, zone: ZoneInfo, expected: str, place: ZoneInfo) -> None:
    """Days are counted on the anchor's clock, hours exactly, and `@` is read on the clock it names."""
    assert due(text, zone) == at(expected, place)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, "2026-12-01 15:00"),
        ("+0d", "2026-12-01 15:00"),
        ("+3d", "2026-12-04 15:00"),
        ("+5h", "2026-12-01 20:00"),
        ("+3d @ 10:00", "2026-12-04 10:00"),
        ("+1d 6h @ 10:00", "2026-12-02 10:00"),
        ("@ 16:00", "2026-12-01 16:00"),
        ("@ 15:00", "2026-12-01 15:00"),
        ("@ 10:00", "2026-12-02 10:00"),  # 10:00 was over
        ("+0d @ 10:00", "2026-12-02 10:00"),
        ("+5h @ 10:00", "2026-12-02 10:00"),  # five hours at least
        ("+18h @ 10:00", "2026-12-02 10:00"),
        ("+20h @ 10:00", "2026-12-03 10:00"),
        ("@ 23:00 office", "2026-12-01 22:00"),
    ],
)
def test_without_an_anchor_it_counts_from_the_step_above(text: str | None, expected: str) -> None:
    """No anchor counts from when the step above was done, and never comes before it."""
    office = Anchors(office=NEW_YORK)
    assert due(text, anchors=office, previous=at("2026-12-01 15:00", CHICAGO)) == at(expected, CHICAGO)


def test_the_hour_that_follows_is_found_across_distant_clocks() -> None:
    """An office hour is never before the step above, even where the office is a day ahead of the recipient."""
    guam, samoa = ZoneInfo("Pacific/Guam"), ZoneInfo("Pacific/Pago_Pago")
    done = at("2026-12-07 23:00", samoa)
    assert due("@ 09:00 office", samoa, anchors=Anchors(office=guam), previous=done) == at("2026-12-09 09:00", guam)


@pytest.mark.parametrize("text", [None, "+0d", "entry"])
def test_a_first_step_counts_from_entry(text: str | None) -> None:
    """Where nothing was done before, the enrollment's beginning is what a step counts from."""
    assert due(text) == at("2026-11-21 15:00", CHICAGO)


def test_noon_in_florida_is_eleven_in_the_panhandle() -> None:
    """A deadline at noon Eastern counts in hours from 11:00 Central, while `@` and days stay on the reader's clock."""
    florida = Anchors.of({"closes": Civil(date(2026, 6, 12), time(12), NEW_YORK)}, office=NEW_YORK)
    assert due("closes - 3h", CHICAGO, anchors=florida) == at("2026-06-12 08:00", CHICAGO)
    assert due("closes - 1d @ 09:00", CHICAGO, anchors=florida) == at("2026-06-11 09:00", CHICAGO)
    assert due("closes - 1d @ 09:00 office", CHICAGO, anchors=florida) == at("2026-06-11 08:00", CHICAGO)


def test_states_without_summer_time_drift_against_the_office() -> None:
    """An Arizona deadline is two hours from New York in winter and three in summer, by the same file."""
    for day, hours in ((date(2026, 1, 20), 2), (date(2026, 7, 20), 3)):
        arizona = Anchors.of({"closes": Civil(day, time(17), PHOENIX)}, office=PHOENIX)
        clock = due("closes", NEW_YORK, anchors=arizona).astimezone(NEW_YORK)
        assert clock.hour == 17 + hours


def test_days_keep_the_office_hour_over_a_clock_change_and_hours_do_not() -> None:
    """Seven days before a deadline is the same hour on the office's clock; 168 hours before is another."""
    spring = Anchors.of({"closes": Civil(date(2026, 3, 10), time(17), CHICAGO)}, office=CHICAGO)
    assert due("closes - 7d", anchors=spring) == at("2026-03-03 17:00", CHICAGO)
    assert due("closes - 168h", anchors=spring) == at("2026-03-03 16:00", CHICAGO)


def test_a_skipped_hour_moves_and_a_double_one_comes_first() -> None:
    """`@ 02:30` in the March night is 3:00; `@ 01:30` in the November night is the first of the two."""
    assert due("2026-03-08 @ 02:30") == at("2026-03-08 03:00", CHICAGO)
    assert due("2026-03-08 @ 02:30", PHOENIX) == at("2026-03-08 02:30", PHOENIX)
    assert due("2026-11-01 @ 01:30") == datetime(2026, 11, 1, 6, 30, tzinfo=UTC)
    assert due("+1d", previous=at("2026-03-07 02:30", CHICAGO)) == at("2026-03-08 03:00", CHICAGO)


def test_the_office_is_that_of_the_occasion_else_of_the_date() -> None:
    """`office` is the filing office; where there is none, the clock of the calendar date; else it is not known."""
    call = WISCONSIN.get("intro_call")
    assert call is not None
    loose = Anchors.of({"intro_call": call, "entry": Instant(at("2026-11-21 15:00", CHICAGO))})
    assert due("intro_call @ 08:00 office", LOS_ANGELES, anchors=loose) == at("2026-12-08 08:00", NEW_YORK)
    assert due("intro_call @ 08:00 office", LOS_ANGELES) == at("2026-12-08 08:00", CHICAGO)
    answer = refusal("entry + 1d @ 08:00 office", anchors=loose)
    assert (answer.reason, answer.anchor) == (Reason.NO_ANCHOR, "office")


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (Civil(date(2026, 6, 8), time(12), NEW_YORK), Civil(date(2026, 6, 12), time(12), NEW_YORK), "2026-06-10 12:00"),
        (Civil(date(2026, 6, 8), time(12), NEW_YORK), Civil(date(2026, 6, 12), None, NEW_YORK), "2026-06-10 00:00"),
        (Civil(date(2026, 6, 8), None, NEW_YORK), Civil(date(2026, 6, 11), time(12), NEW_YORK), "2026-06-09 00:00"),
        (Instant(at("2026-06-08 12:00", NEW_YORK)), Instant(at("2026-06-09 12:00", NEW_YORK)), "2026-06-09 00:00"),
    ],
)
def test_halfway_is_exact_where_both_hours_are_known(first: Moment, second: Moment, expected: str) -> None:
    """Between two hours the middle has an hour, between days it is the earlier of two middle days."""
    window = Anchors.of({"opens": first, "closes": second})
    assert due("midpoint(opens, closes)", anchors=window) == at(expected, NEW_YORK)


# -- what is not known -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "anchor", "why"),
    [
        ("challenge_closes - 1d", "challenge_closes", "the source gives no challenge date"),
        ("withdrawal", "withdrawal", "the filing window does not give it"),
        ("midpoint(petition_opens, closes)", "midpoint(petition_opens, closes)", "the filing window does not give it"),
        ("midpoint(opens, withdrawal)", "midpoint(opens, withdrawal)", "the filing window does not give it"),
        (
            "midpoint(opens, challenge_closes)",
            "midpoint(opens, challenge_closes)",
            "the source gives no challenge date",
        ),
    ],
)
def test_a_missing_date_is_a_reason_and_never_now(text: str, anchor: str, why: str) -> None:
    """A blank date leaves the step unplanned, with the name to blame."""
    answer = refusal(text)
    assert answer == Unplannable(Reason.NO_ANCHOR, anchor, why)
    assert answer.detail == {"anchor": anchor, "why": why}
    assert anchor in sentence(answer.reason, answer.detail)


@pytest.mark.parametrize(
    ("text", "anchor"),
    [
        ("nrfod @ 09:00", "nrfod"),
        ("entry + 1d", "entry"),
        ("+3d", "the step above"),
        ("custom.call_date", "custom.call_date"),
        ("closes", "closes"),
        ("closes @ 10:00 office", "closes"),
    ],
)
def test_nothing_given_is_nothing_planned(text: str, anchor: str) -> None:
    """With no anchors at all every time is a reason."""
    answer = refusal(text, anchors=Anchors())
    assert (answer.reason, answer.anchor) == (Reason.NO_ANCHOR, anchor)
    assert answer.why


@pytest.mark.parametrize("text", ["opens - 5h", "opens + 30min", "opens - 1d 2h", "petition_due - 5h @ 10:00"])
def test_hours_need_a_closing_hour(text: str) -> None:
    """A step timed in hours on a date without an hour cannot be planned."""
    answer = refusal(text)
    assert answer.reason is Reason.NO_CLOSING_TIME
    assert "closing hour" in sentence(answer.reason, answer.detail)


def test_an_unknown_limit_leaves_the_step_unplanned() -> None:
    """A mail whose `not_after` is not known is not planned: nobody could say when it is too late."""
    answer = refusal("closes - 3d @ 10:00", not_after="challenge_closes - 1d")
    assert (answer.reason, answer.anchor) == (Reason.NO_ANCHOR, "challenge_closes")


@pytest.mark.parametrize("day", [date(1, 1, 1), date(9999, 12, 31)])
def test_the_ends_of_the_calendar_are_a_reason(day: date) -> None:
    """A date that cannot be computed with is a reason, not a crash."""
    far = Anchors.of({"custom.call_date": Civil(day)})
    for text in ("custom.call_date - 400d @ 10:00", "custom.call_date + 400d @ 10:00"):
        answer = plan_step(parse(text), not_after=None, anchors=far, previous=None, zone=CHICAGO, rules=DEFAULT_RULES)
        assert isinstance(answer, Unplannable | Planned)
    out = "custom.call_date - 400d" if day.year == 1 else "custom.call_date + 400d"
    assert refusal(out, anchors=far).anchor == "custom.call_date"
    beyond = resolve(parse(out), anchors=far, zone=CHICAGO)
    assert isinstance(beyond, Unplannable)


# -- rolling -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected", "rolled"),
    [
        ("closes - 3d @ 10:00", "2027-01-02 10:00", None),  # a Saturday
        ("closes - 2d @ 10:00", "2027-01-02 10:00", "earlier"),  # Sunday: Saturday at that hour
        ("closes - 1d @ 08:00", "2027-01-02 19:00", "earlier"),  # too early on Monday: Saturday
        ("closes - 1d @ 21:00", "2027-01-04 19:00", "earlier"),
        ("closes - 10h", "2027-01-04 19:00", "earlier"),
        ("closes + 1h", "2027-01-05 18:00", None),
        ("closes + 4h", "2027-01-06 09:00", "later"),
        ("closes @ 08:00", "2027-01-05 09:00", "later"),
        ("nrfod + 5d @ 10:00", "2026-11-16 09:00", "later"),  # Sunday: Monday
        ("entry + 1d @ 10:00", "2026-11-23 09:00", "later"),  # entered on Saturday
        ("2026-12-06 @ 10:00", "2026-12-07 09:00", "later"),
        ("2026-12-07 - 1d @ 10:00", "2026-12-05 10:00", "earlier"),
        ("custom.call_date - 4d @ 10:00", "2026-12-05 10:00", "earlier"),
        ("custom.call_date @ 07:00", "2026-12-10 09:00", "later"),
    ],
)
def test_mail_rolls_to_permitted_hours(text: str, expected: str, rolled: Literal["earlier", "later"] | None) -> None:
    """Counting down rolls to the last permitted time before, with an hour left to send; all else to the next."""
    planned = mail(text)
    assert (planned.due_at, planned.rolled) == (at(expected, CHICAGO), rolled)


@pytest.mark.parametrize(
    ("text", "expected", "rolled"),
    [
        ("opens", "2026-12-01 09:00", None),
        ("opens - 7d", "2026-11-24 09:00", None),
        ("opens - 9d", "2026-11-21 09:00", "earlier"),  # a Sunday
        ("opens + 5d", "2026-12-07 09:00", "later"),  # a Sunday
        ("nrfod", "2026-11-10 09:00", None),
    ],
)
def test_a_day_without_an_hour_goes_when_its_hours_begin(
    text: str, expected: str, rolled: Literal["earlier", "later"] | None
) -> None:
    """A mail for a day goes at the first permitted hour of that day on the recipient's clock, never the eve of it."""
    for zone in (CHICAGO, HONOLULU, NEW_YORK):
        planned = mail(text, zone)
        assert (planned.due_at, planned.rolled) == (at(expected, zone), rolled)


def test_other_steps_do_not_roll() -> None:
    """Without rules a step keeps its time, on Sunday and at night."""
    assert due("closes - 2d @ 03:00") == at("2027-01-03 03:00", CHICAGO)


def test_rules_without_limits_change_nothing() -> None:
    """`hours: any, days: any` leaves every time where it is."""
    assert due("closes - 2d @ 03:00", rules=SendRules()) == at("2027-01-03 03:00", CHICAGO)


def test_a_roll_earlier_may_lie_in_the_past_of_entry() -> None:
    """Where only Mondays are permitted, a Friday's mail before a deadline goes the Monday before."""
    mondays = SendRules(parse_days("Mon"), DEFAULT_RULES.hours)
    assert due("closes - 4d @ 10:00", rules=mondays) == at("2026-12-28 10:00", CHICAGO)


# -- until when --------------------------------------------------------------------------------------------------------


def limit_of(
    text: str,
    not_after: str | None = None,
    *,
    expires: str = "48h",
    ends: datetime | None = None,
    zone: ZoneInfo = CHICAGO,
    previous: datetime | None = None,
) -> datetime:
    planned = plan_step(
        parse(text),
        not_after=parse(not_after) if not_after else None,
        anchors=WISCONSIN,
        previous=previous,
        zone=zone,
        rules=DEFAULT_RULES,
        expires_after=parse_duration(expires),
        ends=ends,
    )
    assert isinstance(planned, Planned)
    return planned.not_after


@pytest.mark.parametrize(
    ("not_after", "expected", "place"),
    [
        ("closes - 30h", "2027-01-04 11:00", CHICAGO),
        ("closes - 1d", "2027-01-04 17:00", CHICAGO),
        ("petition_due", "2027-01-04 00:00", CHICAGO),  # a date counts from the start of its day at the office
        ("petition_due - 6h", "2027-01-03 18:00", CHICAGO),
        ("petition_due - 7d", "2026-12-28 00:00", CHICAGO),
        ("petition_due @ 12:00", "2027-01-04 12:00", NEW_YORK),
        ("petition_due @ 12:00 office", "2027-01-04 12:00", CHICAGO),
        ("2027-01-03", "2027-01-03 00:00", NEW_YORK),  # a date written out is the recipient's day
        ("entry + 20d", "2026-12-11 15:00", CHICAGO),
    ],
)
def test_not_after_is_read_like_any_time(not_after: str, expected: str, place: ZoneInfo) -> None:
    """What is written is kept, and a date without an hour counts as the start of its day."""
    assert limit_of("closes - 3d @ 10:00", not_after, zone=NEW_YORK) == at(expected, place)


def test_without_not_after_a_mail_is_good_for_a_while() -> None:
    """A mail expires 48 hours after its time, counted from where it rolled to, unless the campaign says otherwise."""
    assert limit_of("entry + 2d @ 10:00") == at("2026-11-25 10:00", CHICAGO)
    assert limit_of("entry + 1d @ 10:00") == at("2026-11-25 09:00", CHICAGO)  # rolled to Monday 9:00
    assert limit_of("entry + 2d @ 10:00", expires="6h") == at("2026-11-23 16:00", CHICAGO)


def test_the_end_of_the_campaign_comes_first_where_it_is_earlier() -> None:
    """`ends` cuts the 48 hours short, and never lengthens them."""
    soon, late = at("2026-11-24 00:00", CHICAGO), at("2027-11-24 00:00", CHICAGO)
    assert limit_of("entry + 2d @ 10:00", ends=soon) == soon
    assert limit_of("entry + 2d @ 10:00", ends=late) == at("2026-11-25 10:00", CHICAGO)
    assert limit_of("entry + 2d @ 10:00", "entry + 30d", ends=soon) == at("2026-12-21 15:00", CHICAGO)


def test_a_countdown_is_worthless_after_what_it_counts_down_to() -> None:
    """ "Tomorrow it closes" never goes once it has closed, though 48 hours are not over."""
    assert limit_of("closes - 1d @ 10:00") == at("2027-01-05 17:00", CHICAGO)
    assert limit_of("opens - 1d @ 10:00", expires="1w") == at("2026-12-01 00:00", CHICAGO)
    assert limit_of("closes - 3d @ 10:00") == at("2027-01-04 10:00", CHICAGO)
    assert limit_of("closes + 1d @ 10:00") == at("2027-01-08 10:00", CHICAGO)
    assert limit_of("closes - 1d @ 10:00", "closes + 2h") == at("2027-01-05 19:00", CHICAGO)


def test_a_limit_before_the_time_is_reported_as_it_is() -> None:
    """A mail that rolled past its own limit is planned with both: lateness is for others to judge."""
    planned = plan_step(
        parse("entry + 1d @ 10:00"),
        not_after=parse("entry + 1d @ 18:00"),
        anchors=WISCONSIN,
        previous=None,
        zone=CHICAGO,
        rules=DEFAULT_RULES,
    )
    assert planned == Planned(at("2026-11-23 09:00", CHICAGO), at("2026-11-22 18:00", CHICAGO), "later")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("closes - 45d", "2026-11-21 17:00"),
        ("opens", "2026-12-01 00:00"),
        ("opens - 6h", "2026-11-30 18:00"),
        ("nrfod @ 18:00", "2026-11-10 18:00"),
        ("+3d", "2026-12-04 15:00"),
    ],
)
def test_resolves_the_other_times_of_a_campaign(text: str, expected: str) -> None:
    """`from`, `to`, `until` and `ends` become instants, days from their start."""
    answer = resolve(parse(text), anchors=WISCONSIN, previous=at("2026-12-01 15:00", CHICAGO), zone=CHICAGO)
    assert answer == at(expected, CHICAGO)


# -- values ------------------------------------------------------------------------------------------------------------


def test_anchors_are_one_value_whatever_their_order() -> None:
    """The same anchors are equal and hash alike, copied and sent elsewhere too; narrowed ones are smaller."""
    turned = Anchors.of(dict(reversed(WISCONSIN.moments)), office=CHICAGO)
    assert turned == WISCONSIN
    assert {WISCONSIN: 1}[turned] == 1
    assert pickle.loads(pickle.dumps(WISCONSIN)) == WISCONSIN == copy.deepcopy(WISCONSIN)
    narrow = WISCONSIN.only(parse("midpoint(opens, closes)").names)
    assert narrow.moments == (("closes", WISCONSIN.get("closes")), ("opens", WISCONSIN.get("opens")))
    assert narrow.get("entry") is None
    assert narrow != WISCONSIN


def test_instants_are_kept_in_utc_and_naive_ones_refused() -> None:
    """An instant is the same value whatever zone it came in, and a naive one is an error at once."""
    assert Instant(datetime(2026, 12, 1, 9, tzinfo=CHICAGO)) == Instant(datetime(2026, 12, 1, 15, tzinfo=UTC))
    assert Instant(datetime(2026, 12, 1, 9, tzinfo=CHICAGO)).at.tzinfo is UTC
    with pytest.raises(TimeError):
        Instant(datetime(2026, 12, 1, 9))
    with pytest.raises(TimeError):
        due("+1d", previous=datetime(2026, 12, 1, 9))


def test_the_instant_of_an_anchor() -> None:
    """An anchor alone is an instant, the start of its day, or nothing."""
    assert instant_of(Civil(date(2027, 1, 5), time(17), CHICAGO), NEW_YORK) == at("2027-01-05 17:00", CHICAGO)
    assert instant_of(Civil(date(2027, 1, 5), None, CHICAGO), NEW_YORK) == at("2027-01-05 00:00", CHICAGO)
    assert instant_of(Civil(date(2027, 1, 5)), NEW_YORK) == at("2027-01-05 00:00", NEW_YORK)
    assert instant_of(Instant(at("2027-01-05 17:00", CHICAGO)), NEW_YORK) == at("2027-01-05 17:00", CHICAGO)
    assert instant_of(Unknown("blank"), NEW_YORK) is None


# -- what holds for all ------------------------------------------------------------------------------------------------

zones = st.sampled_from(
    [
        NEW_YORK,
        CHICAGO,
        DENVER,
        PHOENIX,
        HONOLULU,
        MENOMINEE,
        ZoneInfo("America/Havana"),
        ZoneInfo("Australia/Lord_Howe"),
    ]
)
days = st.dates(date(2020, 1, 1), date(2035, 12, 31))
walls = st.none() | st.builds(time, st.integers(0, 23), st.integers(0, 59))
windows = st.builds(
    lambda day, wall, zone, entry: Anchors.of(
        {"closes": Civil(day, wall, zone), "nrfod": Civil(day, wall, zone), "entry": Instant(entry)}, office=zone
    ),
    days,
    walls,
    zones,
    st.datetimes(datetime(2020, 1, 2), datetime(2035, 12, 30), timezones=st.just(UTC)),
)
expressions = st.builds(
    lambda anchor, sign, offset, hour: parse(f"{anchor} {'+' if anchor == 'entry' else sign} {offset}{hour}"),
    st.sampled_from(["closes", "nrfod", "entry"]),
    st.sampled_from("+-"),
    st.builds(Duration, st.integers(0, 50), st.sampled_from([0, 0, 0, 30, 300, 1800])),
    st.sampled_from(["", " @ 00:30", " @ 02:30", " @ 10:00", " @ 23:00", " @ 09:00 office", " @ 17:00 office"]),
)
rules = st.builds(
    lambda chosen, start, length: SendRules(
        parse_days(chosen), SendHours(start * 60, min(1440, (start + length) * 60))
    ),
    st.sampled_from(["Mon-Sat", "Mon-Fri", "Wed", "Sat,Sun", "any"]),
    st.integers(0, 22),
    st.integers(1, 12),
)


@given(expressions, windows, zones, rules)
@settings(max_examples=300, deadline=None)
def test_a_plan_is_open_and_rolls_the_right_way(
    expr: TimeExpr, anchors: Anchors, zone: ZoneInfo, rule: SendRules
) -> None:
    """Whatever is planned is at a permitted time, earlier only when counting down, and the same when asked again."""
    free = plan_step(expr, not_after=None, anchors=anchors, previous=None, zone=zone, rules=None)
    planned = plan_step(expr, not_after=None, anchors=anchors, previous=None, zone=zone, rules=rule)
    if isinstance(free, Unplannable):
        assert planned == free
        assert free.reason is Reason.NO_CLOSING_TIME
        return
    assert isinstance(planned, Planned)
    assert is_open(planned.due_at, rule, zone)
    if planned.rolled is not None:
        assert planned.rolled == ("earlier" if expr.counts_down else "later")
    if expr.wall is not None or expr.anchor.name == "entry":
        difference = planned.due_at - free.due_at
        assert {"earlier": difference < timedelta(0), "later": difference > timedelta(0), None: not difference}[
            planned.rolled
        ]
    again = plan_step(expr, not_after=None, anchors=anchors, previous=None, zone=zone, rules=rule)
    assert again == planned


@given(expressions, windows, zones)
@settings(max_examples=200, deadline=None)
def test_an_hour_is_shown_by_the_clock_it_was_asked_of(expr: TimeExpr, anchors: Anchors, zone: ZoneInfo) -> None:
    """`@ HH:MM` shows on the clock it names, except where a change skips it."""
    planned = plan_step(expr, not_after=None, anchors=anchors, previous=None, zone=zone, rules=None)
    if isinstance(planned, Unplannable) or expr.wall is None:
        return
    clock = anchors.office if expr.needs_office else zone
    assert clock is not None
    local = planned.due_at.astimezone(clock)
    if local.time() != expr.wall:
        before = (planned.due_at - timedelta(microseconds=1)).astimezone(clock)
        assert before.time() < expr.wall < local.time() or before.date() < local.date()
        assert before.utcoffset() != local.utcoffset()


@given(expressions, expressions, windows, zones)
@settings(max_examples=400, deadline=None)
def test_what_is_proved_about_order_is_so(below: TimeExpr, above: TimeExpr, anchors: Anchors, zone: ZoneInfo) -> None:
    """Where the order of two times is proved, no window, person and clock contradicts it."""
    proved = provably_before(below, above)
    answers = [
        plan_step(expr, not_after=None, anchors=anchors, previous=None, zone=zone, rules=None)
        for expr in (below, above)
    ]
    first, second = answers
    if proved is None or isinstance(first, Unplannable) or isinstance(second, Unplannable):
        return
    assert first.due_at <= second.due_at if proved else first.due_at >= second.due_at


@given(windows, zones, st.integers(-60, 60), st.integers(-3000, 3000))
@settings(max_examples=100, deadline=None)
def test_shifting_is_days_then_minutes(anchors: Anchors, zone: ZoneInfo, days: int, minutes: int) -> None:
    """A shift is its days on the clock and then its minutes exactly."""
    entry = anchors.get("entry")
    assert isinstance(entry, Instant)
    both = shift(entry.at, Duration(days, minutes), zone)
    assert both == shift(shift(entry.at, Duration(days), zone), Duration(0, minutes), zone)
    assert shift(entry.at, Duration(0, minutes), zone) - entry.at == timedelta(minutes=minutes)


def test_every_day_is_permitted_under_any() -> None:
    """Days alone may be limited, or hours alone."""
    nights = SendRules(ANY_DAY, SendHours(0, 60))
    assert due("closes - 2d @ 10:00", rules=nights) == at("2027-01-03 00:00", CHICAGO)
