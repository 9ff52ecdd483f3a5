"""Campaigns about filing windows: who enters, when each step goes, and what happens when a deadline moves."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from rfs_mail.core.filing_windows import FilingWindow, compare
from rfs_mail.core.interest import Interest
from rfs_mail.engine.advance import advance
from rfs_mail.engine.filings import record_status
from rfs_mail.engine.import_signups import import_signups
from rfs_mail.engine.live import look
from rfs_mail.engine.react import react
from rfs_mail.engine.windows import Effect, Import, apply_import
from rfs_mail.engine.wishes import change_wishes
from rfs_mail.store import candidacies, enrollments, events, windows
from rfs_mail.store.database import Store
from rfs_mail.store.interests import add_interests
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


def test_countdowns_to_windows_that_come_to_close_together_are_one_from_then_on(world: World) -> None:
    """The older one speaks of both; the other goes on where the two part, or where she has filed for the first."""
    later = replace(SCHOOLS, closes_on="2027-01-12")
    knows(world, COUNCIL, later)
    ana, ben = (wants(world, name, "municipal", "school_board") for name in ("ana", "ben"))
    world.tick(day("2026-12-01 12:00"))

    def counted(who: int) -> list[tuple[str | None, ...]]:
        return sorted((row.window_id, row.ended_because) for row in world.enrollments() if row.person_id == who)

    for window, ended in ((SCHOOLS, "closes_together"), (later, None), (SCHOOLS, "closes_together")):
        knows(world, window)
        for minutes in (1, 10):
            world.tick(world.now + timedelta(minutes=minutes))
        assert [(COUNCIL.id, None), (SCHOOLS.id, ended)] == counted(ana)
    with world.store.begin() as connection:
        candidacies.set_status(connection, ben, COUNCIL.id, "filed", evidence="a test", now=world.now)
    for when in ("2027-01-02 16:00", "2027-01-03 16:00"):
        world.tick(day(when))
    assert [(COUNCIL.id, "goal_reached"), (SCHOOLS.id, None)] == counted(ben)
    assert [("01-02 16:00", "ana", "b"), ("01-02 16:00", "ben", "b")] == went(world)


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


def test_a_countdown_goes_on_when_its_window_is_not_called_off_after_all(world: World) -> None:
    """At the next step ahead, and with nothing repeated; who does not qualify by now stays out."""
    knows(world, COUNCIL)
    wants(world, "ana", "municipal")
    ben = wants(world, "ben", "municipal")
    world.tick(day("2026-11-21 16:00"))
    knows(world, replace(COUNCIL, status="cancelled"))
    world.tick(day("2026-11-21 17:00"))
    world.stage(ben, "filed")
    knows(world, COUNCIL)
    for when in ("2026-11-21 18:00", "2027-01-02 16:00", "2027-01-04 15:00"):
        world.tick(day(when))
    expected = [("01-02 16:00", "ana", "b"), ("01-04 15:00", "ana", "c"), ("11-21 16:00", "ana", "a")]
    assert expected == [one for one in went(world) if one[1] == "ana"]
    assert ["exited"] == [row.state for row in world.enrollments() if row.person_id == ben]


def test_who_says_again_on_a_form_that_she_wants_an_office_is_counted_down_to_it(world: World) -> None:
    """Also where it was called off when she did; who has filed meanwhile is left in peace."""
    knows(world, COUNCIL)
    people = {name: wants(world, name, "municipal") for name in ("ana", "ben")}
    world.tick(day("2026-11-21 16:00"))
    with world.store.begin() as connection:
        for who in people.values():
            change_wishes(connection, look(connection), who, interests=[], fields={}, source="a test", now=world.now)
    knows(world, replace(COUNCIL, status="cancelled"))
    world.tick(day("2026-11-21 17:00"))
    with world.store.begin() as connection:
        add_interests(connection, [(who, Interest("municipal")) for who in people.values()], now=world.now)
        candidacies.set_status(connection, people["ben"], COUNCIL.id, "filed", evidence="a test", now=world.now)
    world.tick(day("2026-11-21 18:00"))
    assert {"not_wanted"} == {row.ended_because for row in world.enrollments()}
    knows(world, COUNCIL)
    for when in ("2026-11-21 19:00", "2027-01-02 16:00"):
        world.tick(day(when))
    assert [("01-02 16:00", "ana", "b"), ("11-21 16:00", "ana", "a"), ("11-21 16:00", "ben", "a")] == went(world)


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


def test_who_goes_on_for_another_office_gets_its_dates(store: Store, tmp_path: Path) -> None:
    """Two offices close together, but not their petitions; mail that waits follows one that moved a moment ago."""
    body = COUNTDOWN.replace("  - {key: b,", "  - {key: papers, at: petition_due - 2d @ 10:00, mail: d}\n  - {key: b,")
    world = World(store, tmp_path, {"countdown": body})
    world.apply(day("2026-11-10 12:00"))
    first, second = (replace(COUNCIL, milestones={"petition_due": "2026-12-10"}),
                     replace(SCHOOLS, milestones={"petition_due": "2026-12-20"}))  # fmt: skip
    knows(world, first, second)
    people = [wants(world, name, "municipal", "school_board") for name in ("ana", "ben")]
    world.tick(day("2026-12-01 12:00"))
    with world.store.begin() as connection:
        candidacies.set_status(connection, people[0], COUNCIL.id, "filed", evidence="a test", now=world.now)
    for when in ("2026-12-01 13:00", "2026-12-08 16:00", "2026-12-18 16:00"):
        world.tick(day(when))
    assert [("12-08 16:00", "ben", "papers"), ("12-18 16:00", "ana", "papers")] == went(world)
    advance(world.store, now=day("2027-01-02 16:00"))
    knows(world, replace(first, closes_on="2027-01-12"), replace(second, closes_on="2027-01-12"))
    with world.store.begin() as connection:
        candidacies.set_status(connection, people[1], COUNCIL.id, "filed", evidence="a test", now=world.now)
    react(world.store, now=day("2027-01-02 16:00"))  # before `replan` has come
    (waits,) = [row for row in world.deliveries() if row.step_key == "b" and row.person_id == people[1]]
    assert (SCHOOLS.id, day("2027-01-09 16:00"), 2) == (waits.window_id, waits.due_at, waits.window_version)


MOVED = """\
audience: stage != "filed"
entry: {per: filing_window, on: moved, require: window.confidence >= "computed"}
steps:
  - {key: news, mail: a, not_after: closes - 3h}
goal: filed(window)
ends: closes
"""


def moves(store: Store, folder: Path) -> World:
    """A campaign about moved deadlines, applied in November."""
    made = World(store, folder, {"moved": MOVED})
    made.apply(day("2026-11-10 12:00"))
    return made


def test_a_move_of_more_than_a_day_is_told_once(store: Store, tmp_path: Path) -> None:
    """Two offices that move together are one mail; the next move is another; whoever came since hears nothing."""
    world = moves(store, tmp_path)
    knows(world, COUNCIL, SCHOOLS)
    wants(world, "ana", "municipal", "school_board")
    world.tick(day("2026-12-01 12:00"))
    for on, when in (("2027-01-04", "2026-12-14"), ("2027-01-07", "2026-12-16")):
        world.now = day(f"{when} 12:00")
        knows(world, replace(COUNCIL, closes_on=on), replace(SCHOOLS, closes_on=on))
        for hour in ("12:01", "12:10", "13:00"):
            world.tick(day(f"{when} {hour}"))
        wants(world, f"new{on[-1]}", "municipal")
        world.tick(day(f"{when} 14:00"))
    assert [("12-16 12:10", "ana", "news"), ("12-16 12:10", "new4", "news")] == went(world)
    assert {"window:wi-2027-municipal:v3"} == {row.occasion for row in world.enrollments()}


def test_small_moves_add_up_and_doubt_is_told_to_nobody(store: Store, tmp_path: Path) -> None:
    """Twenty hours are no news, forty are; what a window in conflict said in between does not count."""
    world = moves(store, tmp_path)
    knows(world, COUNCIL)
    wants(world, "ana", "municipal")
    steps = [
        replace(COUNCIL, closes_on="2027-01-06", closes_time="13:00"),
        replace(COUNCIL, closes_on="2027-02-01", confidence="conflict"),
        replace(COUNCIL, closes_on="2027-01-07", closes_time="09:00"),
        replace(COUNCIL, closes_on="2027-01-07", closes_time="10:00"),
    ]
    for number, window in enumerate(steps):
        world.now = day(f"2026-12-1{number} 12:00")
        knows(world, window)
        world.tick(day(f"2026-12-1{number} 12:30"))
    assert [("12-12 12:30", "ana", "news")] == went(world)
    assert ["window:wi-2027-municipal:v4"] == [row.occasion for row in world.enrollments()]


def test_a_newer_move_ends_the_news_of_the_older_one(store: Store, tmp_path: Path) -> None:
    """News that waits for the morning is not sent when it is old by then."""
    world = World(store, tmp_path, {"moved": MOVED.replace("mail: a,", "at: +1d, mail: a,")})
    world.apply(day("2026-11-10 12:00"))
    knows(world, COUNCIL)
    wants(world, "ana", "municipal")
    for on, when in (("2027-01-08", "12:00"), ("2027-01-12", "20:00")):
        world.now = day(f"2026-12-14 {when}")
        knows(world, replace(COUNCIL, closes_on=on))
        world.tick(day(f"2026-12-14 {when[:3]}30"))
    world.tick(day("2026-12-16 12:00"))
    assert [("12-16 12:00", "ana", "news")] == went(world)
    found = [(row.occasion[-2:], row.state, row.ended_because) for row in world.enrollments()]
    assert [("v2", "exited", "window_moved"), ("v3", "finished", None)] == found


def test_a_move_from_before_the_first_apply_is_no_news(store: Store, tmp_path: Path) -> None:
    """A campaign that is applied later does not tell what happened weeks ago."""
    world = World(store, tmp_path, {"moved": MOVED})
    world.now = day("2026-11-10 12:00")
    knows(world, COUNCIL)
    knows(world, replace(COUNCIL, closes_on="2027-01-08"))
    wants(world, "ana", "municipal")
    world.apply(day("2026-11-12 12:00"))
    world.tick(day("2026-11-12 13:00"))
    assert [] == world.enrollments()


def listed(store: Store, folder: Path, existing: str) -> World:
    """Three people want a window whose time has come when the countdown is first applied."""
    body = COUNTDOWN.replace("from: closes - 45d,", f"from: closes - 45d, existing: {existing},")
    world = World(store, folder, {"countdown": body})
    world.now = day("2026-12-01 12:00")
    knows(world, COUNCIL)
    for name in ("ana", "ben", "cleo"):
        wants(world, name, "municipal")
    world.apply(day("2026-12-02 12:00"))
    return world


def test_who_wants_an_open_window_at_the_first_apply_is_passed_over(store: Store, tmp_path: Path) -> None:
    """`existing: skip` takes in who comes since, and everybody for the next window."""
    world = listed(store, tmp_path, "skip")
    world.tick(day("2026-12-02 13:00"))
    assert {"passed_over"} == {row.state for row in world.enrollments()}
    wants(world, "dora", "municipal")
    knows(world, replace(COUNCIL, id="wi-2027-fall", closes_on="2027-01-15"))
    world.tick(day("2026-12-03 12:00"))
    world.tick(day("2026-12-03 13:00"))
    names = {row.id: row.address.partition("@")[0] for row in world.rows("person", "id", "address")}
    found = sorted((row.window_id[8:], names[row.person_id]) for row in world.enrollments() if row.state == "active")
    expected = [("fall", name) for name in ("ana", "ben", "cleo", "dora")] + [("municipal", "dora")]
    assert expected == found


def test_a_daily_share_of_an_old_list_comes_in_day_by_day(store: Store, tmp_path: Path) -> None:
    """Two a day of those who were there; who signs up meanwhile does not wait for them."""
    world = listed(store, tmp_path, "2/d")
    world.tick(day("2026-12-02 13:00"))
    assert 2 == len(world.enrollments())
    wants(world, "dora", "municipal")
    for hour in ("14:00", "15:00"):
        world.tick(day(f"2026-12-02 {hour}"))
    assert 3 == len(world.enrollments())
    world.tick(day("2026-12-03 12:00"))
    assert 4 == len(world.enrollments())


def test_another_source_leaves_nobody_of_an_old_list_behind(store: Store, tmp_path: Path) -> None:
    """A window that moved is looked up every day: nothing but the date of that changes, and the walk goes on."""
    world = listed(store, tmp_path, "1/d")
    for number in (2, 3, 4):
        world.now = day(f"2026-12-0{number} 12:58")
        knows(world, replace(COUNCIL, closes_on="2027-01-06", as_of=f"2026-12-0{number}"))
        for hour in ("13:00", "13:10"):
            world.tick(day(f"2026-12-0{number} {hour}"))
        assert number - 1 == len(world.enrollments())


def test_a_move_is_told_to_all_though_its_window_changes_a_little_meanwhile(store: Store, tmp_path: Path) -> None:
    """The walk that tells them stands still while the window settles, and then goes on where it stood."""
    world = moves(store, tmp_path)
    knows(world, COUNCIL)
    wants(world, "ana", "municipal")
    world.tick(day("2026-12-01 12:00"))
    knows(world, replace(COUNCIL, closes_on="2027-01-08"))
    world.tick(day("2026-12-01 12:01"))
    with world.store.begin() as connection:  # it began, and its process died
        enrollments.begin_sweep(connection, "moved", f"occasion:window:{COUNCIL.id}:v2", now=world.now)
    world.now = day("2026-12-01 12:06")
    knows(world, replace(COUNCIL, closes_on="2027-01-08", closes_time="16:30"))
    for hour in ("12:07", "12:20"):
        world.tick(day(f"2026-12-01 {hour}"))
    assert [("12-01 12:20", "ana", "news")] == went(world)


def test_an_audience_that_moves_with_time_is_asked_every_day(store: Store, tmp_path: Path) -> None:
    """Who comes to qualify by waiting enters for a window that is open already."""
    body = COUNTDOWN.replace('audience: stage != "filed"', "audience: age(signed_up_at) > 7d")
    world = World(store, tmp_path, {"countdown": body})
    world.apply(day("2026-11-10 12:00"))
    knows(world, COUNCIL)
    wants(world, "ana", "municipal", signed_up_at=day("2026-11-28 12:00"))
    for when in ("12-01 12:00", "12-05 11:00", "12-06 13:00"):
        world.tick(day(f"2026-{when}"))
        assert ([] if when < "12-06" else ["active"]) == [row.state for row in world.enrollments()]


def test_every_office_somebody_filed_for_begins_its_own_campaign(store: Store, tmp_path: Path) -> None:
    """Two papers handed in between two looks are two enrollments, and a condition about the window is asked of each."""
    body = """\
entry: {stage: filed, per: filing_window, require: window.office_level != "judicial"}
steps:
  - {key: congrats, mail: a, cap: exempt}
"""
    world = World(store, tmp_path, {"after": body})
    world.apply(day("2026-11-10 12:00"))
    bench = replace(COUNCIL, id="wi-2027-judge", office_level="judicial")
    knows(world, COUNCIL, SCHOOLS, bench)
    who = wants(world, "ana")
    with world.store.begin() as connection:
        for number, office in enumerate((COUNCIL, SCHOOLS, bench)):
            record_status(
                connection, None, who, office.id, "filed", evidence="a test", detail={},
                now=world.now + timedelta(minutes=number),
            )  # fmt: skip
    world.tick(day("2026-12-01 13:00"))
    assert {f"window:{COUNCIL.id}", f"window:{SCHOOLS.id}"} == {row.occasion for row in world.enrollments()}


def test_a_second_office_is_counted_down_to_after_the_first_was_filed_for(world: World) -> None:
    """Who files for the council and then decides for the school board as well is taken in for it, though they close
    at the same minute."""
    knows(world, COUNCIL, SCHOOLS)
    who = wants(world, "ana", "municipal")
    world.tick(day("2026-12-01 12:00"))
    with world.store.begin() as connection:
        candidacies.set_status(connection, who, COUNCIL.id, "filed", evidence="a test", now=world.now)
    world.tick(day("2026-12-01 13:00"))
    with world.store.begin() as connection:
        add_interests(connection, [(who, Interest("school_board"))], now=world.now)
    world.tick(day("2026-12-01 14:00"))
    assert [("exited", COUNCIL.id), ("active", SCHOOLS.id)] == [
        (row.state, row.window_id) for row in world.enrollments()
    ]


def test_the_window_of_her_own_division_goes_before_the_others(world: World) -> None:
    """One of the whole state is approximate, so it leads only where there is none of hers."""
    own = replace(COUNCIL, id="wi-2027-zz-dane", division="ocd-division/country:us/state:wi/county:dane")
    knows(world, COUNCIL, own)
    who = wants(world, "ana")
    with world.store.begin() as connection:
        add_interests(connection, [(who, Interest("municipal", division=own.division or ""))], now=world.now)
    world.tick(day("2026-12-01 12:00"))
    assert [own.id] == [row.window_id for row in world.enrollments()]


def test_a_date_behind_the_closing_can_open_a_door(store: Store, tmp_path: Path) -> None:
    """`from: election - 14d` with `to: election` takes people in long after filing has closed."""
    body = "entry: {per: filing_window, from: election - 14d, to: election}\nsteps:\n  - {key: vote, mail: a}\n"
    world = World(store, tmp_path, {"vote": body})
    world.apply(day("2026-11-10 12:00"))
    knows(world, COUNCIL)
    wants(world, "ana", "municipal")
    for when, entered in (("03-22 12:00", 0), ("03-24 12:00", 1)):
        world.tick(day(f"2027-{when}"))
        assert entered == len(world.enrollments())


def test_a_date_that_becomes_known_is_counted_down_to(store: Store, tmp_path: Path) -> None:
    """Who passed every step because nobody knew its date, or its hour, takes those that are known and still ahead."""
    body = """\
entry: {per: filing_window, from: closes - 45d}
steps:
  - {key: papers, at: petition_due - 7d @ 10:00, mail: a}
  - {key: hours, at: closes - 5h, mail: b, priority: deadline}
ends: closes + 3d
"""
    world = World(store, tmp_path, {"countdown": body})
    world.apply(day("2026-11-10 12:00"))
    knows(world, replace(COUNCIL, closes_time=None))
    wants(world, "ana", "municipal")
    world.tick(day("2026-12-01 12:00"))
    assert [("hours", "skipped", "no_closing_time"), ("papers", "skipped", "no_anchor")] == sorted(world.steps())
    knows(world, COUNCIL)
    for when in ("2026-12-01 13:00", "2027-01-05 18:00", "2027-01-08 05:00", "2027-01-08 23:00"):
        world.tick(day(when))
    assert [("01-05 18:00", "ana", "hours")] == went(world)
    assert "finished" == world.enrollment().state


def test_the_next_step_waits_for_a_date_that_was_passed(store: Store, tmp_path: Path) -> None:
    """She stands where she stood before, and nothing that went out is repeated."""
    body = """\
entry: {per: filing_window, from: closes - 45d}
steps:
  - {key: papers, at: petition_due - 7d @ 10:00, mail: a}
  - {key: news, at: closes - 30d @ 10:00, mail: b}
  - {key: hours, at: closes - 5h, mail: c, priority: deadline, send: {hours: any}}
  - {key: after, at: closes + 1d @ 10:00, mail: d}
ends: closes + 3d
"""
    world = World(store, tmp_path, {"countdown": body})
    world.apply(day("2026-11-10 12:00"))
    knows(world, replace(COUNCIL, closes_time=None))
    wants(world, "ana", "municipal")
    for when in ("2026-12-01 12:00", "2026-12-06 16:00", "2026-12-10 12:00"):
        world.tick(day(when))
    assert [("12-06 16:00", "ana", "news")] == went(world)
    knows(world, replace(COUNCIL, milestones={"petition_due": "2026-12-29 12:00"}))
    for when in ("2026-12-10 13:00", "2026-12-22 16:00", "2027-01-05 18:00", "2027-01-06 16:00", "2027-01-09 12:00"):
        world.tick(day(when))
    expected = [
        ("01-05 18:00", "ana", "hours"), ("01-06 16:00", "ana", "after"), ("12-06 16:00", "ana", "news"),
        ("12-22 16:00", "ana", "papers"),
    ]  # fmt: skip
    assert expected == went(world)


def test_a_closing_nobody_knows_any_more_is_waited_for(world: World) -> None:
    """A date that is taken back ends nothing: who counts down to it stays, and goes on when it is known again."""
    knows(world, COUNCIL)
    wants(world, "ana", "municipal")
    world.tick(day("2026-11-21 16:00"))
    world.now = day("2026-12-01 12:00")
    knows(world, replace(COUNCIL, closes_on="", closes_time=None, confidence="unknown"))
    for when in ("2026-12-01 13:00", "2026-12-20 12:00"):
        world.tick(day(when))
    assert "active" == world.enrollment().state
    knows(world, COUNCIL)
    for when in ("2026-12-20 13:00", "2027-01-02 16:00", "2027-01-04 15:00"):
        world.tick(day(when))
    assert [("01-02 16:00", "ana", "b"), ("01-04 15:00", "ana", "c"), ("11-21 16:00", "ana", "a")] == went(world)


def test_mail_is_held_while_its_date_is_in_doubt(world: World) -> None:
    """It goes when somebody has found out, if it is not too late, and never while sources disagree."""
    knows(world, COUNCIL)
    wants(world, "ana", "municipal")
    world.tick(day("2026-11-21 16:00"))
    world.now = day("2027-01-01 12:00")
    knows(world, replace(COUNCIL, confidence="conflict"))
    for when in ("01-01 13:00", "01-02 16:00", "01-02 19:00"):
        world.tick(day(f"2027-{when}"))
    assert [("b", "queued", "held_doubt")] == [
        (row.step_key, row.state, row.reason) for row in world.deliveries() if row.step_key == "b"
    ]
    knows(world, COUNCIL)
    world.tick(day("2027-01-02 20:30"))
    assert ("01-02 20:30", "ana", "b") in went(world)


def test_a_change_during_an_outage_passes_nothing_by(world: World) -> None:
    """A mail that came due while nobody looked, and then a window whose hour was put right: it goes, a little late."""
    knows(world, COUNCIL)
    wants(world, "ana", "municipal")
    world.tick(day("2026-11-21 16:00"))
    world.now = day("2027-01-02 17:00")
    knows(world, replace(COUNCIL, closes_time="16:30"))
    for when in ("01-02 18:00", "01-04 21:00"):
        world.tick(day(f"2027-{when}"))
    assert [("01-02 18:00", "ana", "b"), ("01-04 21:00", "ana", "c"), ("11-21 16:00", "ana", "a")] == went(world)


def test_an_import_takes_people_into_the_countdown(world: World, tmp_path: Path) -> None:
    """Whoever names an office that closes where she lives, or where she says; the others do not enter."""
    knows(world, COUNCIL, SCHOOLS)
    world.now = day("2026-12-01 12:00")
    file = tmp_path / "form.csv"
    file.write_text(
        "email,state,office interest,office state\n"
        "home@example.org,WI,City Council,\n"
        "away@example.org,MN,Junta escolar,Wisconsin\n"
        "other@example.org,WI,Judge,\n"
        "elsewhere@example.org,MN,City Council,\n"
    )
    import_signups(
        world.store, file, source="form", entity="rfs", consent_text="Yes", secret=b"s" * 32, fields={}, now=world.now
    )
    world.tick(day("2026-12-01 12:00"))
    names = {row.id: row.address.partition("@")[0] for row in world.rows("person", "id", "address")}
    entered = [("away", "window:wi-2027-school"), ("home", "window:wi-2027-municipal")]
    assert entered == sorted((names[row.person_id], row.occasion) for row in world.enrollments())


def test_news_of_a_move_is_handed_on_to_no_other_office(store: Store, tmp_path: Path) -> None:
    """She filed for the office that moved; another that closes with it by now never moved, and is no news."""
    world = moves(store, tmp_path)
    knows(world, COUNCIL, replace(SCHOOLS, closes_on="2027-01-08"))
    who = wants(world, "ana", "municipal", "school_board")
    world.tick(day("2026-12-01 12:00"))
    world.apply(moved=MOVED.replace("mail: a,", "at: +1d, mail: a,"))
    knows(world, replace(COUNCIL, closes_on="2027-01-08"))
    world.tick(day("2026-12-01 12:30"))
    assert ["active"] == [row.state for row in world.enrollments()]
    with world.store.begin() as connection:
        candidacies.set_status(connection, who, COUNCIL.id, "filed", evidence="a test", now=world.now)
    world.tick(day("2026-12-03 12:00"))
    assert [("exited", "goal_reached")] == [(row.state, row.ended_because) for row in world.enrollments()]
    assert [] == went(world)


def test_nobody_is_to_be_called_about_a_deadline_that_was_met(store: Store, tmp_path: Path) -> None:
    """The task of a countdown is dropped with it, and the one of somebody else stays."""
    body = """\
entry: {per: filing_window, from: closes - 45d}
steps:
  - {key: call, task: {title: "Call {{ given_name }}", for: region}}
  - {key: last, at: closes - 1d @ 09:00, mail: a}
goal: filed(window)
"""
    world = World(store, tmp_path, {"countdown": body})
    world.apply(day("2026-11-10 12:00"))
    knows(world, COUNCIL)
    who = wants(world, "ana", "municipal")
    wants(world, "ben", "municipal")
    world.tick(day("2026-12-01 12:00"))
    with world.store.begin() as connection:
        candidacies.set_status(connection, who, COUNCIL.id, "filed", evidence="a test", now=world.now)
    world.tick(day("2026-12-01 13:00"))
    found = {
        row.title: (row.state, row.closed_by, row.note)
        for row in world.rows("task", "title", "state", "closed_by", "note")
    }
    expected = {
        "Call Ana": ("dropped", "rfs-mail", "the countdown ended: goal_reached"),
        "Call Ben": ("open", None, None),
    }
    assert expected == found
