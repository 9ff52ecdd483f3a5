"""The grammar of times in campaign files."""

from datetime import date, time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rfs_mail.core.duration import Duration
from rfs_mail.core.times import Anchor, AnchorKind, Clock, TimeExpr, TimeNames, parse_time
from rfs_mail.errors import TimeError

NAMES = TimeNames.of(calendar=["nrfod", "intro_call", "endorsement_class"], person_dates=["custom.call_date"])
CLOSES = Anchor(AnchorKind.WINDOW, "closes")
NRFOD = Anchor(AnchorKind.CALENDAR, "nrfod")
ENTRY = Anchor(AnchorKind.ENTRY, "entry")
ABOVE = Anchor(AnchorKind.PREVIOUS)
THIRD = Anchor(AnchorKind.LITERAL, day=date(2026, 12, 3))
TEN = time(10)


def parse(text: str) -> TimeExpr:
    return parse_time(text, names=NAMES)


@pytest.mark.parametrize(
    ("text", "anchor", "offset", "wall", "tidy"),
    [
        ("closes", CLOSES, Duration(), None, "closes"),
        ("closes - 45d @ 10:00", CLOSES, Duration(-45), TEN, "closes - 45d @ 10:00"),
        ("  closes-45d@10:00 ", CLOSES, Duration(-45), TEN, "closes - 45d @ 10:00"),
        ("closes - 30h", CLOSES, Duration(0, -1800), None, "closes - 30h"),
        ("closes + 1d @ 9:00", CLOSES, Duration(1), time(9), "closes + 1d @ 09:00"),
        ("closes - 1w", CLOSES, Duration(-7), None, "closes - 7d"),
        ("closes - 1d 12h", CLOSES, Duration(-1, -720), None, "closes - 1d 12h"),
        ("closes @ 00:00", CLOSES, Duration(), time(0), "closes @ 00:00"),
        ("closes - 90min", CLOSES, Duration(0, -90), None, "closes - 1h 30min"),
        ("opens", Anchor(AnchorKind.WINDOW, "opens"), Duration(), None, "opens"),
        ("election + 1d", Anchor(AnchorKind.WINDOW, "election"), Duration(1), None, "election + 1d"),
        ("petition_due - 7d", Anchor(AnchorKind.WINDOW, "petition_due"), Duration(-7), None, "petition_due - 7d"),
        ("nrfod @ 18:00", NRFOD, Duration(), time(18), "nrfod @ 18:00"),
        ("nrfod - 5d @ 11:00", NRFOD, Duration(-5), time(11), "nrfod - 5d @ 11:00"),
        ("entry + 2d @ 10:00", ENTRY, Duration(2), TEN, "entry + 2d @ 10:00"),
        ("entry", ENTRY, Duration(), None, "entry"),
        ("+3d", ABOVE, Duration(3), None, "+3d"),
        ("+ 3d @ 10:00", ABOVE, Duration(3), TEN, "+3d @ 10:00"),
        ("+36h @ 10:00", ABOVE, Duration(0, 2160), TEN, "+36h @ 10:00"),
        ("@ 10:00", ABOVE, Duration(), TEN, "@ 10:00"),
        ("+0d", ABOVE, Duration(), None, "+0d"),
        ("2026-12-03", THIRD, Duration(), None, "2026-12-03"),
        ("2026-12-03 @ 10:00", THIRD, Duration(), TEN, "2026-12-03 @ 10:00"),
        ("2026-12-03-2d @ 10:00", THIRD, Duration(-2), TEN, "2026-12-03 - 2d @ 10:00"),
        (
            "custom.call_date - 1d",
            Anchor(AnchorKind.PERSON, "custom.call_date"),
            Duration(-1),
            None,
            "custom.call_date - 1d",
        ),
        ("person.signed_up_at + 1d", Anchor(AnchorKind.PERSON, "signed_up_at"), Duration(1), None, "signed_up_at + 1d"),
        (
            "midpoint(opens, closes) @ 10:00",
            Anchor(AnchorKind.MIDPOINT, "opens", "closes"),
            Duration(),
            TEN,
            "midpoint(opens, closes) @ 10:00",
        ),
        (
            "midpoint ( petition_opens,petition_due ) - 1d",
            Anchor(AnchorKind.MIDPOINT, "petition_opens", "petition_due"),
            Duration(-1),
            None,
            "midpoint(petition_opens, petition_due) - 1d",
        ),
    ],
)
def test_reads_every_form(text: str, anchor: Anchor, offset: Duration, wall: time | None, tidy: str) -> None:
    """Every anchor, sign, duration and hour is read, spaces are free, and the tidy text says the same."""
    expr = parse(text)
    assert (expr.anchor, expr.offset, expr.wall, expr.clock) == (anchor, offset, wall, Clock.RECIPIENT)
    assert expr.text == text
    assert str(expr) == tidy
    assert parse(tidy) == expr


@pytest.mark.parametrize(
    ("text", "clock", "zone"),
    [
        ("closes - 1d @ 09:00", Clock.RECIPIENT, ""),
        ("closes - 1d @ 09:00 office", Clock.OFFICE, ""),
        ("+1d @ 09:00 office", Clock.OFFICE, ""),
        ("2026-12-03 @ 10:00 office", Clock.OFFICE, ""),
        ("2026-12-03 @ 10:00 America/Chicago", Clock.ZONE, "America/Chicago"),
        ("2026-12-03 - 1d @ 10:00 America/Port-au-Prince", Clock.ZONE, "America/Port-au-Prince"),
        ("2026-12-03 @ 10:00 UTC", Clock.ZONE, "UTC"),
    ],
)
def test_reads_whose_clock(text: str, clock: Clock, zone: str) -> None:
    """An hour is the recipient's, or the office's; of a date, a named zone's."""
    expr = parse(text)
    assert (expr.clock, expr.zone) == (clock, zone)
    assert str(expr) == text


@pytest.mark.parametrize(
    ("text", "column", "hint", "words"),
    [
        # nothing, or nothing known
        ("", 1, None, "missing"),
        ("   ", 1, None, "missing"),
        ("$", 1, None, "no time"),
        ("foo - 3d", 1, None, "There are: entry, opens, closes"),
        ("today", 1, None, "No anchor"),
        # anchors
        ("Closes - 3d", 1, "closes - 3d", "nearest: closes"),
        ("  clozes - 3d", 3, "closes - 3d", "nearest: closes"),
        ("deadline - 3d", 1, "closes - 3d", "nearest: closes"),
        ("petition_deu", 1, "petition_due", "nearest: petition_due"),
        ("nrfd @ 09:00", 1, "nrfod @ 09:00", "nearest: nrfod"),
        ("call_date - 1d", 1, "custom.call_date - 1d", "nearest: custom.call_date"),
        ("signup + 1d", 1, "signed_up_at + 1d", "nearest: signed_up_at"),
        ("midpoint(opens)", 9, "midpoint(opens, closes)", "two dates"),
        ("midpoint()", 9, "midpoint(opens, closes)", "two dates"),
        ("midpoint(opens, opens)", 9, "midpoint(opens, closes)", "two dates"),
        ("midpoint(opens, nrfod)", 17, None, "no date of the window"),
        ("midpoint(opens, 3d)", 17, None, "no date of the window"),
        ("midpoint(opens, clozes)", 17, "midpoint(opens, closes)", "nearest: closes"),
        ("midpoint(opens, closes", 9, None, "not closed"),
        ("middle(opens, closes)", 1, "midpoint(opens, closes)", "no brackets"),
        ("next(nrfod)", 1, None, "no brackets"),
        # dates
        ("2026-02-29", 1, None, "no day 2026-02-29"),
        ("2026-13-01", 1, None, "no day 2026-13-01"),
        ("2026-2-8 @ 10:00", 1, "2026-02-08 @ 10:00", "two digits"),
        ("0206-12-03", 1, None, "year 206"),
        ("2026/12/3 @ 10:00", 1, "2026-12-03 @ 10:00", "year-month-day"),
        ("12/03/2026", 1, None, "year-month-day"),
        ("3.12.2026 @ 10:00", 1, None, "year-month-day"),
        # the sign
        ("3d", 1, "+3d", "begins with +"),
        ("3 days @ 10am", 1, "+3d @ 10:00", "begins with +"),
        ("closes 3d", 8, "closes - 3d", "before"),
        ("nrfod 2d @ 10:00", 7, "nrfod - 2d @ 10:00", "before"),
        ("entry 2d", 7, "entry + 2d", "after"),
        ("closes – 3d", 8, "closes - 3d", "dash"),
        ("−3d", 1, "+3d", "dash"),
        ("-3d", 1, "+3d", "before the step above"),
        ("entry - 2d", 7, "entry + 2d", "before a person entered"),
        ("3d before closes", 1, "closes - 3d", "anchor comes first"),
        ("3 days before closes @ 10am", 1, "closes - 3d @ 10:00", "anchor comes first"),
        ("1 week after entry", 1, "entry + 1w", "anchor comes first"),
        ("closes and more", 8, None, "not understood"),
        # durations
        ("closes - 3m", 11, "closes - 3min", "minutes or months"),
        ("closes - 3", 10, "closes - 3d", "no unit"),
        ("closes - 3 @ 10:00", 10, "closes - 3d @ 10:00", "no unit"),
        ("closes - 3 days", 10, "closes - 3d", "not how"),
        ("closes - 1 month @ 10:00", 12, "closes - 30d @ 10:00", "differ in length"),
        ("closes - 1.5d", 10, "closes - 36h", "whole number"),
        ("closes - 2h 3d", 10, "closes - 3d 2h", "large to small"),
        ("closes - 3d - 2h", 13, "closes - 3d 2h", "One sign"),
        ("closes - 2d 3d", 13, None, "twice"),
        ("closes -", 9, None, "duration is missing"),
        ("closes - @ 10:00", 10, None, "duration is missing"),
        ("closes - ten days", 10, None, "no duration"),
        ("closes--3d", 8, None, "no duration"),
        ("closes - 99999d", 10, None, "ten years"),
        ("closes - 3d office @ 10:00", 13, "closes - 3d @ 10:00 office", "behind the hour"),
        ("closes - 3d sharp", 13, None, "not understood"),
        # the hour
        ("10:00", 1, "@ 10:00", "behind @"),
        ("10am", 1, "@ 10:00", "behind @"),
        ("closes 10:00", 8, "closes @ 10:00", "behind @"),
        ("closes - 3d 10:00", 13, "closes - 3d @ 10:00", "behind @"),
        ("closes - 3d 10am", 13, "closes - 3d @ 10:00", "behind @"),
        ("2026-12-03 10:00", 12, "2026-12-03 @ 10:00", "behind @"),
        ("2026-12-03T10:00", 11, "2026-12-03 @ 10:00", "behind @"),
        ("2026-12-03T10:00:00", 11, "2026-12-03 @ 10:00", "behind @"),
        ("closes @", 8, None, "stands an hour"),
        ("closes @ noon", 10, None, "stands an hour"),
        ("closes @ 10", 10, "closes @ 10:00", "how an hour"),
        ("closes @ 10am", 10, "closes @ 10:00", "how an hour"),
        ("closes @ 5:30 pm office", 10, "closes @ 17:30 office", "how an hour"),
        ("closes @ 10.30", 10, "closes @ 10:30", "how an hour"),
        ("closes @ 24:00", 10, None, "no hour 24:00"),
        ("closes @ 10:60", 10, None, "no hour 10:60"),
        ("closes @ 10:000", 10, None, "stands an hour"),
        ("closes @ 10:00 @ 11:00", 16, None, "One @"),
        ("closes @ 10:00 - 3d", 16, "closes - 3d @ 10:00", "before the hour"),
        ("@ 10:00 + 3d", 9, "+ 3d @ 10:00", "before the hour"),
        # whose clock
        ("closes @ 10:00 ofice", 16, "closes @ 10:00 office", "no clock"),
        ("closes @ 10:00 Office", 16, "closes @ 10:00 office", "no clock"),
        ("closes @ 10:00 her time", 16, "closes @ 10:00", "recipient's clock already"),
        ("closes @ 10:00 America/Chicago", 16, "closes @ 10:00 office", "with a date alone"),
        ("closes @ 10:00 EST", 16, "closes @ 10:00 office", "with a date alone"),
        ("2026-12-03 @ 10:00 EST", 20, "2026-12-03 @ 10:00 America/New_York", "No time zone"),
        ("2026-12-03 @ 10:00 Chicago", 20, "2026-12-03 @ 10:00 America/Chicago", "No time zone"),
        ("2026-12-03 @ 10:00 Mars/Olympus", 20, None, "No time zone"),
        # several at once
        ("Closes 3 days @ 10am", 1, "closes - 3d @ 10:00", "nearest: closes"),
        ("clozes – 1 weeks @ 9am ofice", 1, "closes - 1w @ 09:00 office", "nearest: closes"),
        ("clozes - 3d @ 25:00", 1, None, "nearest: closes"),
    ],
)
def test_refuses_in_plain_words(text: str, column: int, hint: str | None, words: str) -> None:
    """A mistake is named with its column; the hint is the whole text corrected, and can be read."""
    with pytest.raises(TimeError) as refused:
        parse(text)
    error = refused.value
    assert (error.column, error.hint) == (column, hint)
    assert words in str(error)
    assert (f"Write: {hint}" if hint else "Write") in str(error)
    assert hint is None or parse(hint)


@given(st.text(alphabet="closes entry nrfod midpoint(opens,) +-–@:0123456789dhwmin./T", max_size=24))
@settings(max_examples=300, deadline=None)
def test_never_fails_otherwise(text: str) -> None:
    """Whatever is written is read or refused inside its own text, and a hint can always be read."""
    try:
        expr = parse(text)
    except TimeError as error:
        column, hint = error.column, error.hint
    else:
        assert parse(str(expr)) == expr
        return
    assert 1 <= column <= len(text) + 1
    assert hint is None or isinstance(parse(hint), TimeExpr)


anchors = st.sampled_from(
    ["", "entry", "opens", "closes", "election", "nrfod", "custom.call_date", "2028-02-29", "midpoint(opens, closes)"]
)
amounts = st.builds(Duration, st.integers(0, 400), st.integers(0, 4000))


@given(anchors, st.sampled_from("+-"), amounts, st.none() | st.times(), st.sampled_from(["", " office"]))
@settings(max_examples=200, deadline=None)
def test_its_text_reads_back(anchor: str, sign: str, amount: Duration, wall: time | None, whose: str) -> None:
    """The tidy text of any time reads back as the same time."""
    sign = "+" if anchor in ("", "entry") else sign
    hour = "" if wall is None else f" @ {wall:%H:%M}{whose}"
    expr = parse(f"{anchor} {sign} {amount}{hour}")
    assert parse(str(expr)) == expr
    assert expr.offset in (amount, -amount)
    assert str(parse(str(expr))) == str(expr)


@pytest.mark.parametrize(
    ("text", "relative", "window", "office", "down", "names"),
    [
        ("closes - 3d", False, True, False, True, {"closes"}),
        ("midpoint(opens, closes) @ 10:00 office", False, True, True, False, {"opens", "closes"}),
        ("election + 1d", False, True, False, False, {"election"}),
        ("nrfod - 3h", False, False, False, True, {"nrfod"}),
        ("entry + 2d", False, False, False, False, {"entry"}),
        ("+3d", True, False, False, False, set()),
        ("@ 10:00", True, False, False, False, set()),
        ("2026-12-03 - 1d", False, False, False, True, set()),
        ("custom.call_date - 1d", False, False, False, True, {"custom.call_date"}),
    ],
)
def test_says_what_it_needs(text: str, relative: bool, window: bool, office: bool, down: bool, names: set[str]) -> None:
    """A time tells what it counts from, and what must be known before it means anything."""
    expr = parse(text)
    assert (expr.is_relative, expr.needs_window, expr.needs_office) == (relative, window, office)
    assert (expr.counts_down, set(expr.names)) == (down, names)


def test_a_name_of_calendar_and_window_is_the_calendars() -> None:
    """`endorsement_class` is a calendar name where the calendar has it, and a milestone of the window elsewhere."""
    assert parse("endorsement_class").anchor.kind is AnchorKind.CALENDAR
    assert parse_time("endorsement_class", names=TimeNames()).anchor.kind is AnchorKind.WINDOW


def test_spaces_make_no_difference() -> None:
    """Two times that say the same are one value, whatever their spacing."""
    assert parse("closes-3d@10:00") == parse("closes  -  3d @ 10:00")
    assert hash(parse("closes-3d")) == hash(parse("closes - 3d"))
    assert parse("closes - 3d") != parse("closes - 72h")
