"""Times in words for people."""

import pytest

from rfs_mail.core.duration import parse_duration
from rfs_mail.core.time_words import describe, in_words
from rfs_mail.core.times import TimeNames, parse_time

NAMES = TimeNames.of(calendar=["nrfod", "intro_call"], person_dates=["custom.call_date"])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("closes - 3d @ 10:00", "3 days before filing closes, 10:00 her time"),
        ("closes - 1d @ 09:00 office", "1 day before filing closes, 09:00 office time"),
        ("closes - 30h", "30 hours before filing closes"),
        ("closes - 1d 90min", "1 day 1 hour 30 minutes before filing closes"),
        ("closes", "when filing closes"),
        ("closes @ 09:00", "the day filing closes, 09:00 her time"),
        ("petition_due - 7d", "7 days before petitions are due"),
        ("withdrawal - 1d", "1 day before the deadline to withdraw"),
        ("election + 1d", "1 day after the election"),
        ("election @ 08:00", "the day of the election, 08:00 her time"),
        ("election", "at the election"),
        ("midpoint(opens, closes) @ 10:00", "the day of the middle of the filing window, 10:00 her time"),
        (
            "midpoint(petition_opens, petition_due) + 1d",
            "1 day after the middle between petition opens and petition due",
        ),
        ("intro_call - 3h", "3 hours before the intro call"),
        ("nrfod @ 18:00", "the day of the nrfod, 18:00 her time"),
        ("nrfod", "at the nrfod"),
        ("entry + 2d @ 10:00", "2 days after she enters, 10:00 her time"),
        ("entry @ 10:00", "the first 10:00 her time after she enters"),
        ("entry", "when she enters"),
        ("signed_up_at + 2h", "2 hours after her sign-up"),
        ("custom.call_date - 1d", "1 day before her call date"),
        ("+3d", "3 days after the step above"),
        ("+10d @ 10:00", "10 days after the step above, 10:00 her time"),
        ("+5h @ 10:00", "the first 10:00 her time at least 5 hours after the step above"),
        ("@ 10:00", "the first 10:00 her time after the step above"),
        ("+0d", "right after the step above"),
        ("2026-12-03", "on 3 December 2026"),
        ("2026-12-03 @ 10:00 America/New_York", "3 December 2026, 10:00 New York time"),
        ("2026-12-03 - 2d @ 10:00", "2 days before 3 December 2026, 10:00 her time"),
    ],
)
def test_says_it_in_words(text: str, expected: str) -> None:
    """A time reads as a person would say it."""
    assert describe(parse_time(text, names=NAMES)) == expected


def test_no_time_is_at_once() -> None:
    """A step without `at` is due at once."""
    assert describe(None) == "at once"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1d", "1 day"), ("2w", "14 days"), ("1h 1min", "1 hour 1 minute"), ("48h", "48 hours"), ("0d", "0 minutes")],
)
def test_durations_in_words(text: str, expected: str) -> None:
    """A duration counts in days, hours and minutes, in the singular where there is one."""
    assert in_words(parse_duration(text)) == expected
    assert in_words(-parse_duration(text)) == expected
