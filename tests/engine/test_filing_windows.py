"""Campaigns about filing windows: who enters, when each step goes, and what happens when a deadline moves."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rfs_mail.core.filing_windows import FilingWindow, compare
from rfs_mail.engine.windows import Effect, Import, apply_import
from rfs_mail.store import candidacies, events, windows
from rfs_mail.store.database import Store
from rfs_mail.store.tables import TABLES
from tests.world import World

COUNTDOWN = """\
audience: stage != "filed"
entry: {per: filing_window, from: closes - 45d, require: window.confidence >= "computed"}
steps:
  - {key: a, at: closes - 45d @ 10:00, mail: a, not_after: closes - 31d}
  - {key: b, at: closes - 3d @ 10:00, mail: b, not_after: closes - 30h}
  - {key: c, at: closes - 1d @ 09:00, mail: c, not_after: closes - 3h}
goal: filed(window)
exit:
  - when: window.status == "cancelled"
ends: closes + 3d
"""

COUNCIL = FilingWindow(
    id="wi-2027-municipal", state="WI", office_level="municipal", closes_on="2027-01-05", zone="America/Chicago",
    confidence="official", source="https://example.org/wi", closes_time="17:00", opens_on="2026-12-01",
    election_on="2027-04-06", office="City council",
)  # fmt: skip
SCHOOLS = replace(COUNCIL, id="wi-2027-school", office_level="school_board", office="School board")


def day(text: str) -> datetime:
    """`2027-01-02 16:00` in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def knows(world: World, *new: FilingWindow) -> None:
    """The windows are imported as they are now."""
    with world.store.read() as connection:
        old = {one.window.id: one.window for one in windows.listing(connection)}
    changes = [change for one in new if (change := compare(old.get(one.id), one)) is not None]
    found = Import("windows.csv", len(new), tuple(map(Effect, changes)), (), (), 0, 0, 0)
    assert not apply_import(world.store, found, by="ana", now=world.now).overtaken


def wants(world: World, name: str, *levels: str, **fields: object) -> int:
    """Somebody in Wisconsin who said what she would run for."""
    fields.setdefault("zone", "America/Chicago")
    who = world.person(name, state="WI", **fields)
    with world.store.begin() as connection:
        for level in levels:
            connection.execute(TABLES["interest"].insert().values(person_id=who, office_level=level, at=world.now))
        events.touch(connection, [who])
    return who


def went(world: World) -> list[tuple[str, str, str]]:
    """(UTC, who, step) of every mail that was accepted."""
    names = {row.id: row.address.partition("@")[0] for row in world.rows("person", "id", "address")}
    rows = [row for row in world.deliveries() if row.state == "sent"]
    return sorted((f"{row.settled_at:%m-%d %H:%M}", names[row.person_id], row.step_key) for row in rows)


@pytest.fixture
def world(store: Store, tmp_path: Path) -> World:
    """A countdown, applied in November before anybody's time has come."""
    made = World(store, tmp_path, {"countdown": COUNTDOWN})
    made.apply(day("2026-11-10 12:00"))
    return made


def test_the_deadline_is_on_the_offices_clock_and_the_hour_on_the_recipients(world: World) -> None:
    """Each mail goes on its day at the hour of whoever reads it, and the countdown begins when its time comes."""
    knows(world, COUNCIL)
    wants(world, "chi", "municipal")
    wants(world, "la", "municipal", zone="America/Los_Angeles")
    wants(world, "elsewhere", "school_board")
    world.tick(day("2026-11-20 12:00"))
    assert [] == world.enrollments()
    for when in ("11-21 15:00", "11-21 16:00", "11-21 18:00"):
        world.tick(day(f"2026-{when}"))
    for when in ("01-02 16:00", "01-02 18:00", "01-04 15:00", "01-04 17:00", "01-09 00:00"):
        world.tick(day(f"2027-{when}"))
    expected = [
        ("01-02 16:00", "chi", "b"), ("01-02 18:00", "la", "b"), ("01-04 15:00", "chi", "c"),
        ("01-04 17:00", "la", "c"), ("11-21 16:00", "chi", "a"), ("11-21 18:00", "la", "a"),
    ]  # fmt: skip
    assert expected == went(world)


def test_windows_that_close_together_are_one_countdown(world: World) -> None:
    """Who wants two offices that close at the same minute enters once, and never again when the date moves."""
    knows(world, COUNCIL, SCHOOLS)
    wants(world, "ana", "municipal", "school_board")
    world.tick(day("2026-12-01 12:00"))
    assert ["window:wi-2027-municipal"] == [row.occasion for row in world.enrollments()]
    later = "2027-01-08"
    knows(world, replace(COUNCIL, closes_on=later), replace(SCHOOLS, closes_on=later))
    world.tick(day("2026-12-01 13:00"))
    world.tick(day("2026-12-02 13:00"))
    assert ["window:wi-2027-municipal"] == [row.occasion for row in world.enrollments()]


def test_who_comes_late_joins_at_the_next_step_ahead(world: World) -> None:
    """Three days before the deadline in the evening, only the last mail is still ahead."""
    knows(world, COUNCIL)
    world.now = day("2027-01-02 23:00")
    wants(world, "late", "municipal")
    for when in ("01-02 23:00", "01-04 15:00"):
        world.tick(day(f"2027-{when}"))
    assert [("01-04 15:00", "late", "c")] == went(world)
    assert [("a", "skipped", "missed"), ("b", "skipped", "missed")] == world.steps()[:2]


def test_a_deadline_that_moves_takes_everything_along(world: World) -> None:
    """Times, expiries and queued mail follow the new date, and what was sent is not sent again."""
    knows(world, COUNCIL)
    wants(world, "ana", "municipal")
    world.tick(day("2026-11-21 16:00"))
    world.tick(day("2027-01-02 16:00"))
    knows(world, replace(COUNCIL, closes_on="2027-01-08"))
    for when in ("01-02 17:00", "01-04 15:00", "01-05 16:00", "01-07 15:00", "01-12 00:00"):
        world.tick(day(f"2027-{when}"))
    assert [("01-02 16:00", "ana", "b"), ("01-07 15:00", "ana", "c"), ("11-21 16:00", "ana", "a")] == went(world)


def test_a_deadline_that_comes_closer_skips_what_it_passed(world: World) -> None:
    """Who stands before a mail whose time is over now does not get it late, and the reason says so."""
    knows(world, COUNCIL)
    wants(world, "ana", "municipal")
    world.tick(day("2026-11-21 16:00"))
    world.tick(day("2026-12-20 12:00"))
    knows(world, replace(COUNCIL, closes_on="2026-12-21"))
    for when in ("12-20 13:00", "12-20 15:00", "12-21 12:00", "12-25 12:00"):
        world.tick(day(f"2026-{when}"))
    assert [("11-21 16:00", "ana", "a"), ("12-20 15:00", "ana", "c")] == went(world)
    assert ("b", "skipped", "window_moved") in world.steps()


def test_a_cancelled_window_ends_its_countdown(world: World) -> None:
    """Nobody hears any more of a window that was called off."""
    knows(world, COUNCIL)
    wants(world, "ana", "municipal")
    world.tick(day("2026-11-21 16:00"))
    knows(world, replace(COUNCIL, status="cancelled"))
    world.tick(day("2026-11-21 17:00"))
    assert ("exited", "exited") == (world.enrollment().state, world.enrollment().ended_because)


def test_a_window_nobody_is_sure_of_starts_nothing(world: World) -> None:
    """`require` is asked of the window, and again when it changed."""
    knows(world, replace(COUNCIL, confidence="conflict"))
    wants(world, "ana", "municipal")
    world.tick(day("2026-12-01 12:00"))
    assert [] == world.enrollments()
    knows(world, COUNCIL)
    world.tick(day("2026-12-01 13:00"))
    assert ["window:wi-2027-municipal"] == [row.occasion for row in world.enrollments()]


def test_filing_for_one_office_leaves_the_countdown_of_another(world: World) -> None:
    """A candidacy ends the countdown of its own window and no other."""
    knows(world, COUNCIL, replace(SCHOOLS, closes_on="2027-01-12"))
    who = wants(world, "ana", "municipal", "school_board")
    world.tick(day("2026-12-01 12:00"))
    with world.store.begin() as connection:
        candidacies.set_status(connection, who, COUNCIL.id, "filed", evidence="a test", now=world.now)
    world.tick(day("2026-12-01 13:00"))
    found = {row.window_id: (row.state, row.ended_because) for row in world.enrollments()}
    assert {COUNCIL.id: ("exited", "goal_reached"), SCHOOLS.id: ("active", None)} == found


def test_a_mail_says_which_windows_it_is_about(store: Store, tmp_path: Path) -> None:
    """Templates read the window, those that close with it, and the office; what was sent is kept as it was."""
    mail = """\
---
subject: "{{ office.name }} closes {{ window.closes | day }}"
preheader: By five
---
{% for one in windows %}{{ one.office }}{% if one.approximate %} (ask your clerk){% endif %}; {% endfor %}
"""
    world = World(store, tmp_path, {"countdown": COUNTDOWN}, {"countdown/a.md": mail})
    world.apply(day("2026-11-10 12:00"))
    knows(world, COUNCIL, SCHOOLS)
    wants(world, "ana", "municipal", "school_board")
    world.tick(day("2026-11-21 16:00"))
    (sent,) = world.transport.sent
    text = " ".join(sent.message.decode().replace("=\r\n", "").split())
    assert "City council closes" in text
    assert "City council (ask your clerk); School board (ask your clerk);" in " ".join(
        text.replace("=\r\n", "").split()
    )
    knows(world, replace(COUNCIL, closes_on="2027-01-08"))
    with world.store.read() as connection:
        made = connection.execute(TABLES["delivery"].select()).one().made
    assert "2027-01-05" in str(made)


def test_one_countdown_for_two_offices_goes_on_for_the_one_that_is_left(world: World) -> None:
    """Who files for the council hears of the school board until she filed there too, and no mail comes twice."""
    knows(world, COUNCIL, SCHOOLS)
    who = wants(world, "ana", "municipal", "school_board")
    world.tick(day("2026-11-21 16:00"))
    for office, when in ((COUNCIL, "2026-12-01 13:00"), (SCHOOLS, "2027-01-03 13:00")):
        if office is SCHOOLS:
            world.tick(day("2027-01-02 16:00"))
        with world.store.begin() as connection:
            candidacies.set_status(connection, who, office.id, "filed", evidence="a test", now=world.now)
        world.tick(day(when))
        enrolled = world.enrollment()
        expected = ("active", None) if office is COUNCIL else ("exited", "goal_reached")
        assert (SCHOOLS.id, *expected) == (enrolled.window_id, enrolled.state, enrolled.ended_because)
    world.tick(day("2027-01-04 15:00"))
    assert [("01-02 16:00", "ana", "b"), ("11-21 16:00", "ana", "a")] == went(world)
