"""Reasons as staff read them: instants on the person's clock, nothing left in the machine's own writing."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from rfs_mail.core.reasons import WORDINGS, Reason
from rfs_mail.core.telling import say_instant, tell

NOW = datetime(2026, 12, 31, 18, 0, tzinfo=UTC)
CHICAGO = ZoneInfo("America/Chicago")


def test_instants_are_said_on_her_clock() -> None:
    """Weekday, day and hour of the person; the year where it is not the present one of hers."""
    assert say_instant(datetime(2026, 12, 29, 16, 0, tzinfo=UTC), CHICAGO, now=NOW) == "Tue 29 Dec 10:00 her time"
    assert say_instant(datetime(2027, 1, 2, 16, 0, tzinfo=UTC), CHICAGO, now=NOW) == "Sat 2 Jan 2027 10:00 her time"


def test_a_capped_mail_reads_as_the_reference_says() -> None:
    """Two lines: what it was decided on, and what comes next."""
    detail = {"count": 2, "span": "since 29 Dec", "cap": "2 in 7 days", "until": "2026-12-31T16:00:00+00:00"}
    told = tell(Reason.HELD_CAP, detail, zone=CHICAGO, now=NOW)
    assert told.sentence == "capped: she had 2 mails since 29 Dec (the cap is 2 in 7 days)"
    assert told.remedy == "goes Thu 31 Dec 10:00 her time if nothing else is sent first"


def test_since_is_said_on_her_clock_too() -> None:
    """What was stored as text with UTC in it becomes her time."""
    told = tell("unsubscribed", {"entity": "rfs", "since": " since 2026-12-29 16:00 UTC"}, zone=CHICAGO, now=NOW)
    assert told.sentence == "unsubscribed from rfs since Tue 29 Dec 10:00 her time"


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_is_a_sentence_whatever_is_missing(reason: Reason) -> None:
    """The list is closed, and a value that is not there is a question mark, never a failure."""
    told = tell(reason, None, zone=CHICAGO, now=NOW)
    assert told.sentence
    assert "{" not in told.sentence.replace("{{", "")
    assert reason in WORDINGS


def test_other_text_stays_as_it_is() -> None:
    """Only whole instants are times: a reply that quotes one is not touched."""
    told = tell(Reason.REJECTED, {"code": 550, "reply": "no, not at 2026-12-29T16:00:00Z"}, zone=CHICAGO, now=NOW)
    assert told.sentence == "the receiving side refused it: 550 no, not at 2026-12-29T16:00:00Z"
