"""What staff type, found or answered with a hint."""

from datetime import UTC, datetime, timedelta

import pytest

from rfs_mail.engine import naming
from rfs_mail.errors import UsageError

NOW = datetime(2026, 11, 23, 15, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("today", datetime(2026, 11, 23, tzinfo=UTC)),
        ("Yesterday", datetime(2026, 11, 22, tzinfo=UTC)),
        ("tomorrow", datetime(2026, 11, 24, tzinfo=UTC)),
        ("now", NOW),
        ("3d", NOW - timedelta(days=3)),
        ("12h", NOW - timedelta(hours=12)),
        ("2026-11-20", datetime(2026, 11, 20, tzinfo=UTC)),
        ("2026-11-20T10:00-05:00", datetime(2026, 11, 20, 15, 0, tzinfo=UTC)),
        ("2026-11-20 10:00", datetime(2026, 11, 20, 10, 0, tzinfo=UTC)),
    ],
)
def test_moments_are_read_as_staff_write_them(text: str, expected: datetime) -> None:
    """Days begin at midnight UTC, lengths count back from now, and a zone is kept."""
    assert naming.moment(text, now=NOW) == expected


@pytest.mark.parametrize("text", ["", "soon", "3m", "2026-13-01", "d3"])
def test_what_is_no_moment_says_what_would_be(text: str) -> None:
    """The answer is what to write instead."""
    with pytest.raises(UsageError):
        naming.moment(text, now=NOW)


def test_words_of_closed_lists_get_the_nearest() -> None:
    """A state and a reason that do not exist are answered with the list."""
    assert naming.states(["sent", "queued"]) == ("sent", "queued")
    assert naming.reason(None) is None
    with pytest.raises(UsageError, match="Did you mean skipped"):
        naming.states(["skiped"])
    with pytest.raises(UsageError, match="Did you mean unsubscribed"):
        naming.reason("unsubscribe")
