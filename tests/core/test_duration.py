"""Durations as directors write them."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rfs_mail.core.duration import LONGEST_DAYS, Duration, parse_duration
from rfs_mail.errors import TimeError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3d", Duration(days=3)),
        ("2w", Duration(days=14)),
        ("48h", Duration(minutes=2880)),
        ("30min", Duration(minutes=30)),
        ("0d", Duration()),
        ("1d 12h", Duration(days=1, minutes=720)),
        ("1d12h", Duration(days=1, minutes=720)),
        ("1w 2d 3h 4min", Duration(days=9, minutes=184)),
        ("  90d ", Duration(days=90)),
        ("007d", Duration(days=7)),
    ],
)
def test_reads_every_unit(text: str, expected: Duration) -> None:
    """Weeks and days become calendar days, hours and minutes exact minutes, alone or several together."""
    assert parse_duration(text) == expected


@pytest.mark.parametrize(
    ("text", "column", "hint", "words"),
    [
        ("", 1, None, "missing"),
        ("   ", 4, None, "missing"),
        ("3m", 2, "3min", "minutes or months"),
        ("3M", 2, "3min", "minutes or months"),
        ("3", 1, "3d", "no unit"),
        ("3D", 1, "3d", "not how"),
        ("3 d", 1, "3d", "not how"),
        ("3 days", 1, "3d", "not how"),
        ("1 week", 1, "1w", "not how"),
        ("2 hrs 5 minutes", 1, "2h 5min", "not how"),
        ("1 month", 3, "30d", "differ in length"),
        ("2y", 2, "730d", "differ in length"),
        ("1.5d", 1, "36h", "whole number"),
        ("0,5h", 1, "30min", "whole number"),
        ("1.3333d", 1, None, "whole number"),
        ("1.5 months", 1, None, "whole number"),
        ("12h 1d", 1, "1d 12h", "large to small"),
        ("1d 2d", 4, None, "twice"),
        ("3x", 2, None, "No unit"),
        ("3dd", 2, "3d", "No unit"),
        ("3houers", 2, "3h", "No unit"),
        ("three days", 1, None, "no duration"),
        ("-3d", 1, "3d", "no sign"),
        ("+ 3 days", 1, "3d", "no sign"),
        ("3d before closes", 4, "3d", "follow"),
        ("3d 10:00", 4, "3d", "follow"),
        ("3661d", 1, None, "ten years"),
        ("99999999999999999999h", 1, None, "ten years"),
    ],
)
def test_refuses_in_plain_words(text: str, column: int, hint: str | None, words: str) -> None:
    """What cannot be read is refused with its column and, where it can be guessed, with the corrected text."""
    with pytest.raises(TimeError) as refused:
        parse_duration(text)
    assert (refused.value.column, refused.value.hint) == (column, hint)
    assert words in str(refused.value)
    assert "Write" in str(refused.value)


@given(st.integers(0, LONGEST_DAYS - 40), st.integers(0, 50_000))
@settings(max_examples=100, deadline=None)
def test_its_text_reads_back(days: int, minutes: int) -> None:
    """The text of a duration reads back as the same duration."""
    duration = Duration(days, minutes)
    assert parse_duration(str(duration)) == duration


@given(st.text(alphabet="0123456789 dhwmin.,+-xDT:", max_size=12))
@settings(max_examples=200, deadline=None)
def test_never_fails_otherwise(text: str) -> None:
    """Whatever is written is read or refused, and a hint is always a duration itself."""
    try:
        parse_duration(text)
        return
    except TimeError as error:
        column, hint = error.column, error.hint
    assert 1 <= column <= len(text) + 1
    assert hint is None or isinstance(parse_duration(hint), Duration)


def test_days_and_hours_are_two_things() -> None:
    """A calendar day is not 24 hours, though both have the same nominal length."""
    assert parse_duration("1d") != parse_duration("24h")
    assert parse_duration("1d").nominal == parse_duration("24h").nominal == timedelta(days=1)


def test_backwards_is_negative_and_nothing_is_false() -> None:
    """A duration can be turned round, and only an empty one is false."""
    assert -parse_duration("1d 2h") == Duration(-1, -120)
    assert str(-parse_duration("1d 2h")) == "1d 2h"
    assert [bool(parse_duration(text)) for text in ("0d", "1min")] == [False, True]
