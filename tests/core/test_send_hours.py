"""Days and hours at which mail may leave, and rates."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rfs_mail.core.send_hours import (
    ANY_DAY,
    ANY_HOUR,
    DEFAULT_RULES,
    LEAD,
    Rate,
    SendDays,
    SendHours,
    SendRules,
    is_open,
    last_opening,
    next_opening,
    parse_days,
    parse_rate,
    parse_send_hours,
    read_clock,
)
from rfs_mail.errors import TimeError

NEW_YORK = ZoneInfo("America/New_York")
CHICAGO = ZoneInfo("America/Chicago")
ZONES = (
    "America/New_York",
    "America/Chicago",
    "America/Phoenix",
    "America/Havana",
    "America/Asuncion",
    "Africa/Casablanca",
    "Asia/Beirut",
    "Australia/Lord_Howe",
    "Antarctica/Troll",
    "Pacific/Apia",
    "Pacific/Honolulu",
    "UTC",
)
zones = st.sampled_from(ZONES).map(ZoneInfo)
instants = st.datetimes(datetime(2005, 1, 3), datetime(2037, 11, 28), timezones=st.just(UTC))
days = st.frozensets(st.integers(0, 6), min_size=1).map(SendDays)
quarters = st.lists(st.integers(0, 96), min_size=2, max_size=2, unique=True).map(sorted)
hours = quarters.map(lambda ends: SendHours(ends[0] * 15, ends[1] * 15))
rules = st.builds(SendRules, days, hours)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# -- reading -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("09:00-20:00", SendHours(540, 1200)),
        (" 9:00 - 20:30 ", SendHours(540, 1230)),
        ("00:00-24:00", ANY_HOUR),
        ("any", ANY_HOUR),
        ("23:59-24:00", SendHours(1439, 1440)),
    ],
)
def test_reads_hours(text: str, expected: SendHours) -> None:
    """A band of hours is two times of one day, the end up to midnight."""
    assert parse_send_hours(text) == expected


@pytest.mark.parametrize(
    ("text", "column", "hint", "words"),
    [
        ("", 1, None, "no band"),
        ("9-20", 1, "09:00-20:00", "no band"),
        ("9am-8pm", 1, "09:00-20:00", "no band"),
        (" 9 am to 5:30 pm", 2, "09:00-17:30", "no band"),
        ("09:00–20:00", 1, "09:00-20:00", "no band"),
        ("Any", 1, "any", "no band"),
        ("always", 1, "any", "no band"),
        ("09:00", 1, None, "no band"),
        ("20:00-09:00", 1, None, "before they begin"),
        ("09:00-09:00", 1, None, "before they begin"),
        ("8pm-9am", 1, None, "no band"),
        ("09:00-25:00", 7, None, "25:00"),
        ("09:75-20:00", 1, None, "09:75"),
        ("24:00-24:00", 1, None, "24:00"),
        ("09:00-24:01", 7, None, "24:01"),
    ],
)
def test_refuses_other_hours(text: str, column: int, hint: str | None, words: str) -> None:
    """Bands that are written otherwise, turned round or off the clock are refused with column and hint."""
    with pytest.raises(TimeError) as refused:
        parse_send_hours(text)
    assert (refused.value.column, refused.value.hint) == (column, hint)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Mon-Sat", {0, 1, 2, 3, 4, 5}),
        ("Mon,Wed", {0, 2}),
        ("mon - wed, FRI", {0, 1, 2, 4}),
        ("Sat-Mon", {5, 6, 0}),
        ("Sun", {6}),
        ("any", set(range(7))),
        ("Mon-Mon", {0}),
    ],
)
def test_reads_days(text: str, expected: set[int]) -> None:
    """Days come one by one, in ranges that may pass the weekend, and in any case."""
    assert parse_days(text) == SendDays(frozenset(expected))


@pytest.mark.parametrize(
    ("text", "column", "hint"),
    [
        ("", 1, None),
        ("Monday-Saturday", 1, "Mon-Sat"),
        ("Mon-Satt", 5, "Mon-Sat"),
        ("Mon,Wedn", 5, "Mon,Wed"),
        ("Mon–Sat", 1, "Mon-Sat"),
        ("Mon to Sat", 1, "Mon-Sat"),
        ("Mon Wed", 1, "Mon,Wed"),
        ("Mon, Wed and Fri", 1, "Mon, Wed,Fri"),
        ("Sat - Mond, Wedns", 7, "Sat - Mon, Wed"),
        ("every day", 1, "any"),
        ("Monday and Friday", 1, "Mon,Fri"),
        ("weekdays", 1, "Mon-Fri"),
        ("Any", 1, "any"),
        ("Mon,", 5, None),
        ("Mon,,Tue", 5, None),
        ("Mon-Wed-Fri", 1, None),
        ("Xyz", 1, None),
    ],
)
def test_refuses_other_days(text: str, column: int, hint: str | None) -> None:
    """Days that are written otherwise are refused, with the corrected list where it can be guessed."""
    with pytest.raises(TimeError) as refused:
        parse_days(text)
    assert (refused.value.column, refused.value.hint) == (column, hint)
    assert hint is None or parse_days(hint)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("25000/h", Rate(25000, 3600)),
        ("500/d", Rate(500, 86400)),
        ("10 / s", Rate(10, 1)),
        ("600/min", Rate(600, 60)),
    ],
)
def test_reads_rates(text: str, expected: Rate) -> None:
    """A rate is a whole number and the unit it is counted in."""
    assert parse_rate(text) == expected
    assert parse_rate(str(expected)) == expected
    assert expected.per_second * expected.seconds == pytest.approx(expected.count)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("25,000/h", "25000/h"),
        ("25k/h", "25000/h"),
        ("500 per day", "500/d"),
        ("100 an hour", "100/h"),
        ("60/m", "60/min"),
        ("25000", None),
        ("0/h", None),
        ("-5/h", None),
        ("fast", None),
        ("", None),
        ("10/week", None),
    ],
)
def test_refuses_other_rates(text: str, hint: str | None) -> None:
    """Rates that are written otherwise, or never send, are refused."""
    with pytest.raises(TimeError) as refused:
        parse_rate(text)
    assert (refused.value.column, refused.value.hint) == (1, hint)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("9", time(9)),
        ("9.30", time(9, 30)),
        ("12am", time(0)),
        ("12 pm", time(12)),
        ("5:30 p.m.", time(17, 30)),
        ("13pm", None),
        ("24", None),
        ("10:61", None),
        ("noon", None),
    ],
)
def test_guesses_an_hour(text: str, expected: time | None) -> None:
    """Hours in other spellings are understood, so that a hint can be given."""
    assert read_clock(text) == expected


@given(rules)
@settings(max_examples=100, deadline=None)
def test_their_text_reads_back(rule: SendRules) -> None:
    """The text of days and hours reads back as the same days and hours."""
    assert SendRules(parse_days(str(rule.days)), parse_send_hours(str(rule.hours))) == rule


def test_impossible_values_are_refused() -> None:
    """Nobody can build a rule under which no mail may ever leave."""
    for build in (lambda: SendDays(frozenset()), lambda: SendDays(frozenset({7})), lambda: SendHours(600, 600)):
        with pytest.raises(TimeError):
            build()


# -- deciding ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("local", "expected"),
    [
        ("2026-12-08 08:59:59.999999", False),
        ("2026-12-08 09:00", True),
        ("2026-12-08 19:59:59.999999", True),
        ("2026-12-08 20:00", False),
        ("2026-12-06 12:00", False),  # a Sunday
        ("2026-12-05 12:00", True),
    ],
)
def test_the_band_holds_its_start_and_not_its_end(local: str, expected: bool) -> None:
    """By default mail leaves from 9:00 until just before 20:00, Monday to Saturday, on the recipient's clock."""
    instant = datetime.fromisoformat(local).replace(tzinfo=NEW_YORK).astimezone(UTC)
    assert is_open(instant, DEFAULT_RULES, NEW_YORK) is expected


def test_whose_clock_it_is_matters() -> None:
    """At 9:30 in New York it is too early in Phoenix."""
    instant = utc("2026-12-08 14:30")
    assert is_open(instant, DEFAULT_RULES, NEW_YORK)
    assert next_opening(instant, DEFAULT_RULES, ZoneInfo("America/Phoenix")) == utc("2026-12-08 16:00")


@pytest.mark.parametrize(
    ("local", "later", "earlier"),
    [
        ("2026-12-08 10:00", "2026-12-08 10:00", "2026-12-08 10:00"),
        ("2026-12-08 08:00", "2026-12-08 09:00", "2026-12-07 19:00"),
        ("2026-12-08 21:00", "2026-12-09 09:00", "2026-12-08 19:00"),
        ("2026-12-06 10:00", "2026-12-07 09:00", "2026-12-05 10:00"),  # Sunday: Monday, or the same hour of Saturday
        ("2026-12-06 22:00", "2026-12-07 09:00", "2026-12-05 19:00"),  # Sunday night: an hour that no day has
        ("2026-12-07 08:00", "2026-12-07 09:00", "2026-12-05 19:00"),  # before Monday opens
        ("2026-12-31 23:30", "2027-01-01 09:00", "2026-12-31 19:00"),  # over the turn of the year
        ("2028-02-29 22:00", "2028-03-01 09:00", "2028-02-29 19:00"),
    ],
)
def test_the_nearest_permitted_times(local: str, later: str, earlier: str) -> None:
    """Later is the next opening; earlier the same hour of a day with mail, or an hour before the last hours end."""

    def at(text: str) -> datetime:
        return datetime.fromisoformat(text).replace(tzinfo=NEW_YORK).astimezone(UTC)

    assert next_opening(at(local), DEFAULT_RULES, NEW_YORK) == at(later)
    assert last_opening(at(local), DEFAULT_RULES, NEW_YORK) == at(earlier)


def test_hours_shorter_than_the_lead_begin_at_their_first_minute() -> None:
    """Where the hours are shorter than the time to send, earlier means their first minute."""
    rule = SendRules(ANY_DAY, SendHours(600, 630))
    assert timedelta(minutes=30) < LEAD
    assert last_opening(utc("2026-12-08 12:00"), rule, ZoneInfo("UTC")) == utc("2026-12-08 10:00")


def test_hours_that_a_change_swallows_open_on_another_day() -> None:
    """A band inside the hour that clocks skip opens the next permitted day; one that is cut short opens late."""
    whole = SendRules(ANY_DAY, SendHours(120, 180))
    part = SendRules(ANY_DAY, SendHours(150, 300))
    before = utc("2026-03-08 07:00")  # 1:00 in Chicago, an hour before the change
    assert next_opening(before, whole, CHICAGO).astimezone(CHICAGO) == datetime(2026, 3, 9, 2, 0, tzinfo=CHICAGO)
    assert next_opening(before, part, CHICAGO) == utc("2026-03-08 08:00")


def test_hours_open_twice_where_clocks_go_back_over_their_start() -> None:
    """After the first 1:30 to 2:00 the band from 1:30 closes for the half hour that repeats, then opens again."""
    rule = SendRules(ANY_DAY, SendHours(90, 300))
    assert is_open(utc("2026-11-01 06:45"), rule, CHICAGO)
    assert not is_open(utc("2026-11-01 07:10"), rule, CHICAGO)
    assert next_opening(utc("2026-11-01 07:10"), rule, CHICAGO) == utc("2026-11-01 07:30")


@given(instants, rules, zones)
@settings(max_examples=200, deadline=None)
def test_the_next_opening_is_open_not_earlier_and_final(instant: datetime, rule: SendRules, zone: ZoneInfo) -> None:
    """The next opening is open, never before what was asked for, and its own next opening."""
    opening = next_opening(instant, rule, zone)
    assert is_open(opening, rule, zone)
    assert opening >= instant
    assert next_opening(opening, rule, zone) == opening
    assert opening.tzinfo is UTC


@given(instants, rules, zones)
@settings(max_examples=200, deadline=None)
def test_the_last_opening_is_open_not_later_and_final(instant: datetime, rule: SendRules, zone: ZoneInfo) -> None:
    """Rolling earlier finds an open instant, never after what was asked for, and stays there."""
    opening = last_opening(instant, rule, zone)
    assert is_open(opening, rule, zone)
    assert opening <= instant
    assert last_opening(opening, rule, zone) == opening


CHANGES = [
    (CHICAGO, utc("2026-03-08 08:00")),
    (CHICAGO, utc("2026-11-01 07:00")),
    (ZoneInfo("America/Havana"), utc("2026-03-08 05:00")),
    (ZoneInfo("America/Havana"), utc("2026-11-01 05:00")),
    (ZoneInfo("Australia/Lord_Howe"), utc("2026-04-04 15:00")),
    (ZoneInfo("Antarctica/Troll"), utc("2026-10-25 01:00")),
    (ZoneInfo("Pacific/Apia"), utc("2011-12-30 10:00")),
]


@given(st.sampled_from(CHANGES), st.integers(-1500, 1500), rules)
@settings(max_examples=60, deadline=None)
def test_no_opening_is_passed_over(change: tuple[ZoneInfo, datetime], minutes: int, rule: SendRules) -> None:
    """Near a clock change no minute between the time asked for and the next opening is open."""
    zone, moment = change
    instant = moment + timedelta(minutes=minutes)
    opening = next_opening(instant, rule, zone)
    probe = instant
    while probe < min(opening, instant + timedelta(days=2)):
        assert not is_open(probe, rule, zone)
        probe += timedelta(minutes=5)
