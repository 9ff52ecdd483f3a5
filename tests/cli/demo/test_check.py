"""Comparing the two books: what holds is said, and every kind of disagreement is told."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from rfs_mail.cli.demo.check import Books, compare, lost
from rfs_mail.cli.demo.maillog import Received
from rfs_mail.cli.demo.story import Receipt
from rfs_mail.core.eligibility import Caps
from rfs_mail.core.lifecycle import DeliveryState
from rfs_mail.core.send_hours import DEFAULT_RULES
from rfs_mail.engine.audit import Departure, Recorded

MONDAY = datetime(2026, 11, 16, 16, tzinfo=UTC)
"""10:00 in Chicago."""

MARIA, ANA = "maria@example.org", "Ana@example.org"


def received(number: int, to: str = MARIA, step: str = "offices", at: datetime = MONDAY) -> Received:
    """A line of the server's log."""
    return Received(
        number, "b-x@bounces.rfs.example.org", to, f"{number}@rfs.example.org", at, "hello@rfs.example.org", step,
        "welcome", "running", "Hi", 0, 0,
    )  # fmt: skip


def recorded(number: int, to: str = MARIA, step: str = "offices", state: str = "sent") -> Recorded:
    """A delivery of the store."""
    return Recorded(
        number, f"{number}@rfs.example.org", DeliveryState(state), "welcome", step, "rfs", "running", True, False, 0,
        to, "America/Chicago",
    )  # fmt: skip


def books() -> Books:
    """Two books that agree: two mails accepted, one refused."""
    return Books(
        [received(1), received(2, ANA)],
        [recorded(1), recorded(2, ANA), recorded(3, "dead@example.org", state="failed")],
        {550: ["dead@example.org"]},
        [],
        [],
        {("welcome", "offices"): DEFAULT_RULES},
        Caps(1, 2),
    )


def against(changed: Books) -> list[str]:
    """What speaks against the books."""
    return [one for finding in compare(changed) for one in finding.against]


def test_books_that_agree() -> None:
    """Where both say the same, every check holds and says its figures."""
    said = [finding.said for finding in compare(books())]
    assert against(books()) == []
    assert said[0] == "2 accepted = 2 recorded"
    assert said[-1] == "1 refused = 1 bounced"
    assert lost(books(), 0) == 0


def test_a_mail_the_store_does_not_know() -> None:
    """A mail that the server accepted and the store believes unsent would be sent again."""
    changed = replace(books(), recorded=[recorded(1), recorded(2, ANA, state="queued"), *books().recorded[2:]])
    assert against(changed) == ["accepted, and the store does not know: 2@rfs.example.org"]


def test_a_mail_that_never_arrived() -> None:
    """A mail that is recorded as sent and that the server never saw is lost."""
    changed = replace(books(), received=[received(1)])
    assert against(changed) == ["recorded as sent, and never accepted: 2@rfs.example.org"]
    assert lost(changed, 0) == 1


def test_an_uncertain_mail_may_have_arrived_or_not() -> None:
    """Of an uncertain mail nobody claims anything, so it contradicts nothing; that it arrived is counted apart."""
    rows = [recorded(1), recorded(2, ANA, state="uncertain"), recorded(9, "bo@example.org", state="uncertain")]
    changed = replace(books(), recorded=[*rows, books().recorded[2]])
    assert against(changed) == []
    assert compare(changed)[0].said == "2 accepted = 1 recorded + 1 uncertain that did arrive"


@pytest.mark.parametrize("second", [received(1), received(3)])
def test_a_mail_twice(second: Received) -> None:
    """The same message twice is told, and so is the same step to the same person under another Message-ID."""
    changed = replace(books(), received=[received(1), second, received(2, ANA)])
    assert any("2 times" in one for one in against(changed))


@pytest.mark.parametrize(
    ("scope", "forbids"), [("entity", True), ("partners", True), ("topic", True)], ids=["entity", "partners", "topic"]
)
def test_a_mail_after_leaving_by_the_order_of_the_log(scope: str, forbids: bool) -> None:
    """A mail accepted after the page said "done" is told, whatever the clocks say."""
    receipt = Receipt(ANA, "hello@rfs.example.org", "running", scope, 1)
    gone = Departure(ANA, "entity", "rfs", frozenset(), "unsubscribed", MONDAY + timedelta(days=9), None)
    told = against(replace(books(), receipts=[receipt], departures=[gone]))
    assert (told == ["2@rfs.example.org was accepted after its recipient had left"]) is forbids
    assert against(replace(books(), receipts=[replace(receipt, after=2)], departures=[gone])) == []


def test_leaving_one_topic_or_one_entity_leaves_the_others() -> None:
    """Whoever left another topic, or another entity, may get this mail."""
    other = Receipt(ANA, "hello@civics.example.org", "run_for_office_day", "entity", 0)
    gone = Departure(ANA, "entity", "rfs_civics", frozenset(), "unsubscribed", MONDAY - timedelta(days=9), None)
    assert against(replace(books(), receipts=[other, replace(other, scope="topic")], departures=[gone])) == []


def test_a_departure_that_the_store_forgot() -> None:
    """Whoever was told that she has left stands in the store as somebody who left."""
    receipt = Receipt(ANA, "hello@rfs.example.org", "running", "entity", 2)
    assert against(replace(books(), receipts=[receipt])) == [
        "ana@example.org was told that she has left, and the store does not know"
    ]


def test_a_mail_after_leaving_by_the_clock() -> None:
    """A mail dated after its recipient was suppressed is told; one before it, or on an excepted topic, is not."""
    gone = Departure(ANA, "entity", "rfs", frozenset(), "unsubscribed", MONDAY - timedelta(hours=1), None)
    assert against(replace(books(), departures=[gone])) == ["2@rfs.example.org left after its recipient was suppressed"]
    for harmless in (
        replace(gone, at=MONDAY + timedelta(hours=1)),
        replace(gone, except_topics=frozenset({"running"})),
        replace(gone, back=MONDAY - timedelta(minutes=1)),
    ):
        assert against(replace(books(), departures=[harmless])) == []


@pytest.mark.parametrize(
    ("at", "said"),
    [
        (MONDAY.replace(hour=14, minute=59), "Mon 08:59"),
        (MONDAY.replace(day=17, hour=2), "Mon 20:00"),
        (MONDAY.replace(day=15), "Sun 10:00"),
    ],
)
def test_a_mail_outside_its_hours(at: datetime, said: str) -> None:
    """Too early, too late and on a Sunday are told, on the recipient's clock."""
    changed = replace(books(), received=[received(1, at=at), received(2, ANA)])
    assert against(changed) == [f"1@rfs.example.org left at {said} in America/Chicago"]


def test_more_than_the_caps_allow() -> None:
    """A second mail on a day and a third within seven days are told."""
    same_day = replace(
        books(),
        received=[received(1), received(2, MARIA, "invite", MONDAY + timedelta(hours=1))],
        recorded=[recorded(1), recorded(2, MARIA, "invite"), books().recorded[2]],
        rules={("welcome", one): DEFAULT_RULES for one in ("offices", "invite", "not_yet")},
    )
    assert against(same_day) == ["2 on 2026-11-16 to one person"]
    three = replace(
        same_day,
        received=[
            received(1), received(2, step="invite", at=MONDAY + timedelta(days=2)),
            received(4, step="not_yet", at=MONDAY + timedelta(days=4)),
        ],
        recorded=[*same_day.recorded, recorded(4, step="not_yet")],
    )  # fmt: skip
    assert against(three) == ["4@rfs.example.org is number 3 within seven days"]


def test_refusals_are_held_against_bounces() -> None:
    """A refusal that is not recorded, a bounce that never was, and a second try after a bounce are told."""
    assert against(replace(books(), refused={550: ["dead@example.org", "gone@example.org"]})) == [
        "refused, and not recorded: gone@example.org"
    ]
    assert against(replace(books(), refused={})) == ["recorded as refused, and it was not: dead@example.org"]
    again = recorded(4, "dead@example.org", "invite", "failed")
    twice = replace(books(), refused={550: ["dead@example.org"] * 2}, recorded=[*books().recorded, again])
    assert against(twice) == ["refused 2 times, and tried again: dead@example.org"]
