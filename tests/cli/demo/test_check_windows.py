"""Holding mails about deadlines against the files: what holds is said, and every kind of disagreement is told."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from rfs_mail.cli.demo.check import Books
from rfs_mail.cli.demo.check_windows import WindowBooks, compare_windows, count_repeats, days_left_said, days_said
from rfs_mail.cli.demo.deadline import Filed, Moved, Stood
from rfs_mail.cli.demo.maillog import Received
from rfs_mail.core.eligibility import Caps
from rfs_mail.core.lifecycle import DeliveryState
from rfs_mail.engine.audit import Departure, Recorded

MARIA, ANA = "maria@example.org", "Ana@example.org"
MOVED_AT = datetime(2026, 12, 14, 16, tzinfo=UTC)
OLD = Stood(
    "wi", "WI", datetime(2026, 11, 10, 12, tzinfo=UTC), datetime(2027, 1, 5, 23, tzinfo=UTC), date(2027, 1, 5),
    date(2026, 12, 1), frozenset({date(2026, 12, 1), date(2027, 1, 5)}), "America/Chicago",
)  # fmt: skip
NEW = replace(
    OLD, since=MOVED_AT, closes_at=datetime(2027, 1, 8, 23, tzinfo=UTC), closes_on=date(2027, 1, 8),
    days=frozenset({date(2026, 12, 1), date(2027, 1, 8)}),
)  # fmt: skip
MOVED = Moved(
    MOVED_AT, OLD.closes_on, NEW.closes_on, people=2, mails=0, steps=2, passed_by=0, said="2 affected.",
    wanting=(MARIA, "ana@example.org", "cleo@example.org"), warned=(MARIA, "ana@example.org"),
)  # fmt: skip


def received(number: int, to: str, step: str, at: datetime) -> Received:
    """A line of the server's log; the campaign goes by the step."""
    campaign = {"moved": "deadline_moved", "open": "window_opened"}.get(step, "filing_countdown")
    return Received(
        number, "b-x@bounces.rfs.example.org", to, f"{number}@rfs.example.org", at, "hello@rfs.example.org", step,
        campaign, "deadlines", "Hi", 0, 0,
    )  # fmt: skip


def recorded(one: Received, window: str | None = "wi") -> Recorded:
    """The delivery of the store that belongs to a line of the log."""
    return Recorded(
        one.number, one.message_id, DeliveryState.SENT, one.campaign, one.step, "rfs", "deadlines", True, True, 0,
        one.recipient, "America/Chicago", window,
    )  # fmt: skip


LOG = (
    received(1, MARIA, "gather", datetime(2026, 11, 21, 16, tzinfo=UTC)),
    received(2, MARIA, "moved", MOVED_AT),
    received(3, ANA, "moved", MOVED_AT + timedelta(hours=1)),
    received(4, ANA, "t7", datetime(2027, 1, 1, 16, tzinfo=UTC)),
    received(5, ANA, "did_you", datetime(2027, 1, 9, 16, tzinfo=UTC)),
)
TEXTS = {
    1: "Gather before Tuesday, January 5\nThat's in 45 days.",
    2: "It was Tuesday, January\n5. It ends Friday, January 8, in 25 days.",
    3: "Era el martes 5 de enero. Termina el viernes 8 de\nenero, en 25 días.",
    4: "It ends Friday, January 8. That's in 7 days.",
    5: "The time ended Friday, January 8.",
}


def books(*log: Received) -> Books:
    """What the server and the store wrote down."""
    return Books(log, [recorded(one) for one in log], {}, [], [], {}, Caps(1, 2))


def windows(**changed: object) -> WindowBooks:
    """What stood when, what the mails say, whom the news is for."""
    return replace(WindowBooks({"wi": [OLD, NEW]}, TEXTS, MOVED, [Filed(MARIA, "wi", (), 2)]), **changed)  # type: ignore[arg-type]


def against(books: Books, windows: WindowBooks) -> list[str]:
    """What speaks against them."""
    return [one for finding in compare_windows(books, windows) for one in finding.against]


def test_mails_that_hold() -> None:
    """Where every mail says what stood and reaches whom it should, every check holds and says its figures."""
    assert [finding.said for finding in compare_windows(books(*LOG), windows()) if finding.holds] == [
        "0 after the closing", "5 name the deadline that stood, 4 the new one", "2 told once of the move",
        "0 to the 1 who have filed",
    ]  # fmt: skip
    assert count_repeats(books(*LOG)) == 0


def test_without_a_move() -> None:
    """Where nothing moved, nobody has to hear of it."""
    calm = windows(stood={"wi": [OLD]}, moved=None)
    assert [one.said for one in compare_windows(books(LOG[0]), calm)][1:] == [
        "1 name the deadline that stood", "0 to the 1 who have filed",
    ]  # fmt: skip


def test_a_mail_after_the_closing() -> None:
    """A countdown mail at the minute of the closing is told, and so is the question after it that comes before it."""
    late = replace(LOG[3], date=NEW.closes_at)
    early = replace(LOG[4], date=NEW.closes_at - timedelta(minutes=1))
    kept = windows(texts={})
    assert against(books(*LOG[:3], late, early), kept) == [
        "4@rfs.example.org (t7) left after the closing", "5@rfs.example.org (did_you) left before the closing",
    ]  # fmt: skip
    assert against(books(*LOG[:3], replace(LOG[3], date=NEW.closes_at - timedelta(minutes=1))), kept) == []


def test_a_mail_about_a_window_that_nobody_knows() -> None:
    """A mail of these campaigns that is about no window, or about one that was in no file, is told."""
    log = books(*LOG[:3])
    changed = replace(log, recorded=[recorded(LOG[0], None), recorded(LOG[1], "other"), recorded(LOG[2])])
    assert against(changed, windows()) == [f"{n}@rfs.example.org is about no window that is known" for n in (1, 2)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("It ends Tuesday, January 5, in 7 days.", ["does not name 2027-01-08", "names 01-05, which did not stand"]),
        ("It ends soon.", ["does not name 2027-01-08"]),
        ("It ends Friday, January 8, in 4 days.", ["counts 4 days to something"]),
        ("It ends Friday, January 8: tomorrow!", ["counts 1 days to something"]),
        ("Es el 8 de enero, y no el 6 de enero.", ["names 01-06, which did not stand"]),
    ],
)
def test_a_mail_that_says_another_date(text: str, said: list[str]) -> None:
    """The date before the move, none at all, one of nowhere, and days counted to none of them are told."""
    found = against(books(*LOG), windows(texts=TEXTS | {4: text}))
    assert [part in one for one, part in zip(found, said, strict=True)] == [True] * len(said)


def test_the_new_date_before_anybody_knew_it() -> None:
    """A mail that went before the move names the date that stood then."""
    found = against(books(*LOG), windows(texts=TEXTS | {1: "Friday, January 8"}))
    assert found == [
        "1@rfs.example.org (gather) does not name 2027-01-05, which stood when it left",
        "1@rfs.example.org (gather) names 01-08, which did not stand when it left",
    ]


def test_somebody_who_never_heard_of_the_move() -> None:
    """Whom the news is for gets it, unless she left, has filed, is not there any more, or nobody can know."""
    silent = books(*LOG[:2])
    assert against(silent, windows()) == ["never told: ana@example.org"]
    gone = Departure(ANA, "entity", "rfs", frozenset(), "unsubscribed", MOVED_AT, None)
    unsure = replace(recorded(LOG[2]), state=DeliveryState.UNCERTAIN)
    for excused in (
        replace(silent, departures=[gone]),
        replace(silent, refused={550: [ANA]}),
        replace(silent, recorded=[*silent.recorded, unsure]),
    ):
        assert against(excused, windows()) == []
        assert compare_windows(excused, windows())[2].said == "1 told once of the move, 1 cannot be"
    assert against(silent, windows(filed=[Filed(ANA, "wi", (), 9)])) == []
    for excuse in (replace(gone, at=MOVED_AT + timedelta(days=2)), replace(gone, scope="topic", scope_id="running")):
        assert against(replace(silent, departures=[excuse]), windows()) == ["never told: ana@example.org"]


def test_news_for_nobody_or_twice() -> None:
    """Who was not on the way to the window hears nothing of its move, and nobody hears of it twice."""
    stranger, cleo = (received(n, f"{who}@example.org", "moved", MOVED_AT) for n, who in ((6, "bo"), (8, "cleo")))
    again = replace(LOG[1], number=7, message_id="7@rfs.example.org")
    more = windows(texts=TEXTS | dict.fromkeys((6, 7, 8), TEXTS[2]), filed=[])
    assert against(books(*LOG, stranger, again, cleo), more) == [
        "2 times: maria@example.org", "not for bo@example.org, who was not on the way to it",
    ]  # fmt: skip
    assert count_repeats(books(*LOG, stranger, again)) == 1


def test_a_mail_after_filing() -> None:
    """By the order of the log: who has filed hears no more of it, but goes on to another office that she wants."""
    filed = windows(filed=[Filed(ANA, "wi", (), 3)])
    assert [one for one in against(books(*LOG), filed) if "t7" in one] == [
        "4@rfs.example.org (t7) was accepted after its recipient had filed"
    ]
    assert against(books(*LOG), windows(filed=[Filed(ANA, "wi", (), 5)])) == []
    assert against(books(*LOG), windows(filed=[Filed(ANA, "other", ("wi",), 3)])) == []
    assert len(against(books(*LOG), windows(filed=[Filed(ANA, "wi", ("other",), 3)]))) == 2


def test_days_are_read_in_both_languages() -> None:
    """Days and numbers of days are found as readers see them, across line ends and in capitals."""
    assert days_said("MARCH 3, el 12 de\nfebrero, 5 of May, maybe 7") == {(3, 3), (2, 12)}
    assert days_left_said("In 3 days, en 14 días, mañana; hoy") == {3, 14, 1, 0}
