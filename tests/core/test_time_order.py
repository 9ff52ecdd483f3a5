"""Which of two times comes first, whatever the dates turn out to be."""

import pytest

from rfs_mail.core.time_order import provably_before
from rfs_mail.core.times import TimeNames, parse_time

NAMES = TimeNames.of(calendar=["nrfod"], person_dates=["custom.call_date"])


@pytest.mark.parametrize(
    ("above", "below", "expected"),
    [
        # the same anchor and clock
        ("closes - 7d @ 10:00", "closes - 3d @ 10:00", False),
        ("closes - 3d @ 10:00", "closes - 7d @ 10:00", True),
        ("closes - 3d @ 10:00", "closes - 3d @ 09:00", True),
        ("closes - 3d @ 10:00", "closes - 3d @ 10:00", False),
        ("closes - 3d", "closes - 4d", True),
        ("closes - 3d", "closes - 3d", False),
        ("closes - 5h", "closes - 6h", True),
        ("closes - 6h", "closes - 5h", False),
        ("closes + 1d", "closes - 1d", True),
        ("closes - 1d @ 10:00 office", "closes - 1d @ 09:00 office", True),
        ("midpoint(opens, closes)", "midpoint(opens, closes) - 1d", True),
        ("nrfod @ 09:00", "nrfod - 5d @ 11:00", True),
        # days and hours mixed: a clock change may lie between
        ("closes - 1d", "closes - 24h", None),
        ("closes - 1d", "closes - 30h", True),
        ("closes - 30h", "closes - 1d", False),
        ("closes - 1d", "closes - 1d 1h", True),
        # an hour against none: the anchor's own hour is not known
        ("closes - 3d @ 10:00", "closes - 3d", None),
        ("closes - 3d @ 10:00", "closes - 4d", None),
        ("closes - 3d @ 10:00", "closes - 6d", True),
        ("closes - 3d @ 10:00 office", "closes - 4d", True),
        ("closes - 6d", "closes - 3d @ 10:00", False),
        # different clocks
        ("closes - 3d @ 10:00", "closes - 3d @ 09:00 office", None),
        ("closes - 3d @ 10:00", "closes - 5d @ 09:00 office", True),
        # entry is an instant: an hour of its own day may be over
        ("entry @ 10:00", "entry @ 09:00", None),
        ("entry @ 10:00", "entry + 1d @ 09:00", None),
        ("entry + 2d @ 10:00", "entry + 1d @ 10:00", True),
        ("entry + 2d", "entry + 1d @ 10:00", True),
        ("entry + 1d @ 10:00", "entry + 1d", None),
        ("custom.call_date", "custom.call_date - 1d", True),
        # dates
        ("2026-12-03 @ 10:00", "2026-12-01 @ 10:00", True),
        ("2026-12-01 @ 10:00", "2026-12-03 @ 10:00", False),
        ("2026-12-03 @ 10:00", "2026-12-04 - 2d @ 10:00", True),
        ("2026-12-03 @ 10:00 America/Chicago", "2026-12-03 @ 09:00 America/Chicago", True),
        ("2026-12-03 @ 10:00 America/Chicago", "2026-12-03 @ 09:00 America/Denver", None),
        ("2026-12-03", "2026-12-03 @ 08:00", None),
        # different anchors
        ("closes - 3d", "opens", None),
        ("nrfod", "closes - 90d", None),
        ("entry + 3d", "signed_up_at", None),
        # the step above
        ("closes - 3d", "+1d", False),
        ("+5d @ 10:00", "@ 09:00", False),
        ("+3d", "closes - 3d", None),
        (None, "closes - 3d", None),
        ("closes - 3d", None, False),
        (None, None, False),
    ],
)
def test_order_is_proved_or_left_open(above: str | None, below: str | None, expected: bool | None) -> None:
    """A time below another is certainly before it, certainly not, or it depends."""
    first, second = (parse_time(text, names=NAMES) if text is not None else None for text in (above, below))
    assert provably_before(second, first) is expected
