"""A window says something else: who shares its dates is planned together, as by herself, and few are asked again."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from rfs_mail.engine import replan as replanning
from rfs_mail.engine.advance import Anchored, advance
from rfs_mail.engine.react import react
from rfs_mail.engine.replan import replan
from rfs_mail.store.database import Store
from rfs_mail.store.tables import TABLES
from tests.engine.test_filing_windows import COUNCIL, COUNTDOWN, SCHOOLS, day, knows, wants
from tests.world import World

EVERYTHING = """\
audience: stage != "filed"
entry: {per: filing_window, from: closes - 45d}
steps:
  - {key: hello, mail: d}
  - {key: a, at: closes - 44d @ 10:00, mail: a, not_after: closes - 31d}
  - {key: heard, at: closes - 40d @ 09:00, wait_for: event("heard"), until: closes - 20d}
  - {key: soon, at: +1d, mail: e}
  - key: route
    at: closes - 15d @ 10:00
    branch:
      - when: window.petition_due is not none
        steps: [{key: papers, at: petition_due - 5d @ 10:00, mail: f, not_after: petition_due}]
    else: [{key: fee, at: entry + 20d @ 10:00, mail: f, not_after: closes - 2d}]
  - {key: b, at: closes - 3d @ 10:00, mail: b, not_after: closes - 30h}
  - {key: c, at: closes - 1d @ 09:00, mail: c, not_after: closes - 3h}
  - {key: after, at: closes + 1d @ 10:00, mail: a}
goal: filed(window)
exit:
  - when: window.status == "cancelled"
ends: closes + 3d
"""
ZONES = ("America/Chicago", "America/Los_Angeles", "America/Phoenix", "America/New_York")


def touched(world: World) -> list[int]:
    """Whom `react` is to ask."""
    return sorted({row.person_id for row in world.rows("touched", "person_id")})


def moves(world: World, closes_on: str, **changes: Any) -> None:
    """The council's window says something else, and everybody is planned anew; nothing else has run yet."""
    knows(world, replace(COUNCIL, closes_on=closes_on, **changes))
    replan(world.store, now=world.now)


# -- as each by herself ------------------------------------------------------------------------------------------------


def played(store: Store, folder: Path, *moved: tuple[str, str, str]) -> Iterator[dict[str, list[Any]]]:
    """Eight people on two ways to the ballot while deadlines move; what the tables say after each pass."""
    world = World(store, folder, {"way": EVERYTHING})
    world.apply(day("2026-11-10 12:00"))
    knows(world, replace(COUNCIL, milestones={"petition_due": "2026-12-28 17:00"}), SCHOOLS)
    people = [
        wants(world, f"p{number}", "municipal" if number % 3 else "school_board", zone=ZONES[number % 4])
        for number in range(8)
    ]
    for number, (when, on, milestone) in enumerate([("2026-11-21 16:00", "2027-01-05", "2026-12-28 17:00"), *moved]):
        world.now = day(when)
        knows(world, replace(COUNCIL, closes_on=on, milestones={"petition_due": milestone} if milestone else {}))
        if number == 1:
            world.event(people[1], "heard")
        world.tick(day(when))
        yield {
            name: [tuple(row) for row in world.rows(name, *columns)]
            for name, columns in {
                "enrollment": ("id", "state", "step_key", "due_at", "planned", "previous_at", "window_version",
                               "waiting_on", "waiting_since"),
                "delivery": ("id", "step_key", "state", "reason", "due_at", "not_before", "next_at", "not_after",
                             "window_version"),
                "step_done": ("enrollment_id", "step_key", "at", "planned_at", "outcome", "reason"),
                "touched": ("person_id",),
            }.items()
        }  # fmt: skip


@contextmanager
def one_by_one() -> Iterator[None]:
    """Nothing is known about several people at once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Anchored, "plan", lambda *_: None)
        yield


LATER = [
    ("2026-11-26 17:00", "2027-01-08", "2026-12-30 17:00"), ("2026-11-29 16:00", "2027-01-08", ""),
    ("2026-12-24 18:00", "2027-01-11", ""), ("2027-01-09 12:00", "2027-01-10", ""),
]  # fmt: skip
CLOSER = [
    ("2026-11-22 18:00", "2027-01-02", "2026-12-20 17:00"), ("2026-12-14 18:00", "2027-01-02", ""),
    ("2026-12-15 18:00", "2027-01-02", ""), ("2026-12-18 17:00", "2026-12-21", ""),
    ("2026-12-20 12:00", "2027-01-04", "2027-01-02 17:00"), ("2027-01-01 16:00", "2027-01-05", ""),
]  # fmt: skip
"""When the council's window closes on which day, with which petitions due."""


@pytest.mark.parametrize(("moved", "late"), [(LATER, "too_late"), (CLOSER, "window_moved")], ids=["later", "closer"])
def test_whoever_shares_dates_is_planned_as_each_by_herself(
    sqlite_template: Path, tmp_path: Path, moved: list[tuple[str, str, str]], late: str
) -> None:
    """Steps on dates, steps on the one above, waits and branches, mail in the queue, and those for whom it is late."""
    stores = []
    for name in ("together", "alone"):
        (tmp_path / name).mkdir()
        shutil.copyfile(sqlite_template, tmp_path / name / "rfs-mail.db")
        stores.append(Store(f"sqlite:///{tmp_path / name / 'rfs-mail.db'}"))
    together = list(played(stores[0], tmp_path / "together", *moved))
    with one_by_one():
        alone = list(played(stores[1], tmp_path / "alone", *moved))
    for store in stores:
        store.close()
    assert alone == together
    assert late in {row[5] for row in together[-1]["step_done"]}


def test_times_that_hang_on_a_window_alone_need_no_second_look(store: Store, tmp_path: Path) -> None:
    """Everybody has her next time when the walk is done, on her own clock, and nothing is left for `advance`."""
    world = World(store, tmp_path, {"countdown": COUNTDOWN})
    world.apply(day("2026-11-10 12:00"))
    knows(world, COUNCIL)
    for zone in ZONES:
        wants(world, zone.partition("/")[2], "municipal", zone=zone)
    world.tick(day("2026-11-21 12:00"))
    moves(world, "2027-01-08")
    found = [(f"{row.due_at:%m-%d %H:%M}", row.planned, row.window_version) for row in world.enrollments()]
    assert [
        ("11-24 16:00", True, 2),
        ("11-24 18:00", True, 2),
        ("11-24 17:00", True, 2),
        ("11-24 15:00", True, 2),
    ] == found


ENDS = """\
audience: stage != "filed"
entry: {per: filing_window, from: closes - 45d}
steps:
  - {key: objections, at: challenge_closes, mail: a}
goal: filed(window)
ends: closes + 3d
"""


def test_nobody_is_planned_beyond_the_end(sqlite_store: Store, tmp_path: Path) -> None:
    """A step after the end of the campaign is looked at when it ends, and the end moves with the window."""
    world = World(sqlite_store, tmp_path, {"countdown": ENDS})
    world.apply(day("2026-11-10 12:00"))
    milestones = {"challenge_closes": "2027-01-20 17:00"}
    knows(world, replace(COUNCIL, milestones=milestones))
    wants(world, "ana", "municipal")
    world.tick(day("2026-11-21 12:00"))
    assert day("2027-01-08 23:00") == world.enrollment().due_at
    moves(world, "2027-01-08", milestones=milestones)
    assert (day("2027-01-11 23:00"), True) == (world.enrollment().due_at, world.enrollment().planned)


def test_what_holds_a_mail_goes_on_holding_it(store: Store, tmp_path: Path) -> None:
    """A mail that waits for tomorrow because of a cap is due by the new plan, and goes no earlier than tomorrow."""
    world = World(store, tmp_path, {"countdown": COUNTDOWN.replace("closes - 45d @ 10:00", "closes - 45d @ 09:00")})
    world.apply(day("2026-11-10 12:00"))
    knows(world, COUNCIL)
    wants(world, "ana", "municipal")
    world.tick(day("2026-11-21 14:00"))
    world.now, held = day("2026-11-21 15:30"), day("2026-11-26 06:00")
    advance(world.store, now=world.now)
    with world.store.begin() as connection:
        connection.execute(TABLES["delivery"].update().values(not_before=held, next_at=held))
    moves(world, "2027-01-06")
    mail = world.delivery("a")
    found = [f"{at:%m-%d %H:%M}" for at in (mail.due_at, mail.next_at, mail.not_after)]
    assert (["11-22 15:00", "11-26 06:00", "12-06 23:00"], 2) == (found, mail.window_version)


def test_chunks_come_to_their_end(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A walk that is cut off goes on where it stopped, and everybody is looked at once."""
    world = World(store, tmp_path, {"countdown": COUNTDOWN})
    world.apply(day("2026-11-10 12:00"))
    knows(world, COUNCIL)
    for number in range(5):
        wants(world, f"p{number}", "municipal")
    world.tick(day("2026-11-21 12:00"))
    knows(world, replace(COUNCIL, closes_on="2027-01-08"))
    monkeypatch.setattr(replanning, "CHUNK", 2)

    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replan(world.store, now=world.now, pause=stop)
    assert [2, 2, 1, 1, 1] == [row.window_version for row in world.enrollments()]
    assert 3 == replan(world.store, now=world.now).enrollments
    assert [2] * 5 == [row.window_version for row in world.enrollments()]


# -- who is asked again ------------------------------------------------------------------------------------------------


def under_way(store: Store, folder: Path, body: str = COUNTDOWN, **others: str) -> World:
    """Ana and Ben are on their way to the council's window, on the first day of its countdown."""
    world = World(store, folder, {"countdown": body, **others})
    world.apply(day("2026-11-10 12:00"))
    knows(world, COUNCIL)
    wants(world, "ana", "municipal", stage="exploring")
    wants(world, "ben", "municipal", stage="committed")
    world.tick(day("2026-11-21 16:00"))
    assert [] == touched(world)
    return world


def test_dates_that_move_leave_those_alone_whose_endings_hang_on_none(sqlite_store: Store, tmp_path: Path) -> None:
    """Nobody is asked again, so no mail is held for it."""
    world = under_way(sqlite_store, tmp_path)
    moves(world, "2027-01-08")
    assert [] == touched(world)


@pytest.mark.parametrize(
    ("change", "body", "asked"),
    [
        ({"status": "cancelled"}, COUNTDOWN, 2),
        ({"milestones": {"petition_due": "2026-12-20"}},
         COUNTDOWN.replace('status == "cancelled"', 'petition_due is not none and stage == "exploring"'), 1),
        ({"confidence": "computed"}, COUNTDOWN + 'while: window.confidence == "official"\n', 2),
        ({"closes_on": "2027-02-01"}, COUNTDOWN.replace("filed(window)", 'window.closes > "2027-01-31"'), 2),
        ({"office_level": "county"}, COUNTDOWN + "while: wants(window)\n", 2),
        ({"closes_on": "2027-01-08"}, COUNTDOWN + "while: wants(window)\n", 0),
    ],
    ids=["cancelled", "milestone", "while", "goal", "not wanted", "still wanted"],
)  # fmt: skip
def test_an_ending_that_hangs_on_the_window_is_asked_of_those_it_is_reached_by(
    sqlite_store: Store, tmp_path: Path, change: dict[str, Any], body: str, asked: int
) -> None:
    """By what the window says now; they end, and the others go on."""
    world = under_way(sqlite_store, tmp_path, body)
    knows(world, replace(COUNCIL, **change))
    replan(world.store, now=world.now)
    assert asked == len(touched(world))
    assert asked == react(world.store, now=world.now).ended
    assert 2 - asked == len([row for row in world.enrollments() if row.state == "active"])


def test_a_wait_for_something_about_the_window_is_woken(sqlite_store: Store, tmp_path: Path) -> None:
    """When it says so."""
    wait = "  - {key: sure, wait_for: window.petition_due is not none, until: closes - 1d}\n  - {key: b,"
    world = under_way(sqlite_store, tmp_path, COUNTDOWN.replace("  - {key: b,", wait))
    assert {"sure"} == {row.step_key for row in world.enrollments()}
    moves(world, COUNCIL.closes_on, milestones={"petition_due": "2026-12-20"})
    world.tick(day("2026-11-21 17:00"))
    assert {"b"} == {row.step_key for row in world.enrollments()}


def test_another_campaign_that_hangs_on_any_window_is_asked_too(sqlite_store: Store, tmp_path: Path) -> None:
    """Of those alone who are in both."""
    other = """\
audience: stage == "committed"
entry: {per: person, existing: all}
steps:
  - {key: one, at: entry + 90d, mail: a}
exit:
  - when: not has_window(closes_within=60d)
ends: entry + 99d
"""
    world = under_way(sqlite_store, tmp_path, other=other)
    moves(world, "2027-03-20")
    assert [row.person_id for row in world.enrollments("other")] == touched(world)
    assert 1 == react(world.store, now=world.now).ended


def test_who_enters_by_any_window_is_asked_too(sqlite_store: Store, tmp_path: Path) -> None:
    """An event of the past counts as soon as the audience lets her in, and no walk would find her."""
    other = """\
audience: not has_window(closes_within=60d)
entry: {event: called}
steps:
  - {key: one, at: entry + 1d, mail: a}
ends: entry + 99d
"""
    world = under_way(sqlite_store, tmp_path, other=other)
    for row in world.enrollments("countdown")[:1]:
        world.event(row.person_id, "called")
    world.tick(day("2026-11-22 12:00"))
    assert [] == world.enrollments("other")
    moves(world, "2027-03-20")
    world.tick(day("2026-11-22 13:00"))
    assert 1 == len(world.enrollments("other"))


def test_who_wants_a_window_that_was_left_behind_is_taken_in_for_it(store: Store, tmp_path: Path) -> None:
    """Two offices were one countdown; one of them closes later now, and the other one goes on being counted down."""
    world = World(store, tmp_path, {"countdown": COUNTDOWN})
    world.apply(day("2026-11-10 12:00"))
    knows(world, COUNCIL, SCHOOLS)
    both = wants(world, "ana", "municipal", "school_board")
    wants(world, "ben", "municipal")
    world.tick(day("2026-11-21 16:00"))
    moves(world, "2027-01-12")
    assert [both] == touched(world)
    world.tick(day("2026-11-21 16:30"))
    found = sorted((row.person_id, row.window_id) for row in world.enrollments())
    assert [(both, COUNCIL.id), (both, SCHOOLS.id)] == found[:2]
    assert 3 == len(found)


def test_a_window_that_changes_while_another_is_walked_loses_nothing(store: Store, tmp_path: Path) -> None:
    """The walk of one takes the version of all, so it asks about all: what was cancelled ends."""
    world = World(store, tmp_path, {"countdown": COUNTDOWN})
    world.apply(day("2026-11-10 12:00"))
    other = replace(SCHOOLS, closes_on="2027-01-06")
    knows(world, COUNCIL, other)
    wants(world, "ana", "municipal")
    gone = wants(world, "ben", "school_board")
    world.tick(day("2026-11-22 18:00"))
    knows(world, replace(COUNCIL, closes_on="2027-01-08"), replace(other, status="cancelled"))
    with world.store.begin() as connection:  # as if the walk of the second had not begun
        sweep = TABLES["sweep"]
        (begun,) = connection.execute(select(sweep.c.key).where(sweep.c.key.like("%school%v2"))).scalars()
        connection.execute(sweep.delete().where(sweep.c.key == begun))
    replan(world.store, now=world.now)
    assert [gone] == touched(world)
    assert {2} == {row.window_version for row in world.enrollments()}


def test_a_file_in_which_many_windows_move_is_one_walk(store: Store, tmp_path: Path) -> None:
    """Everybody gets her time anew once, and not once for each window of the file."""
    world = World(store, tmp_path, {"countdown": COUNTDOWN})
    world.apply(day("2026-11-10 12:00"))
    knows(world, COUNCIL, SCHOOLS)
    wants(world, "ana", "municipal")
    wants(world, "ben", "school_board")
    world.tick(day("2026-12-01 12:00"))
    knows(world, *(replace(one, closes_on="2027-01-08") for one in (COUNCIL, SCHOOLS)))
    assert 2 == replan(world.store, now=world.now).enrollments
    assert 0 == replan(world.store, now=world.now).enrollments
    assert {day("2027-01-05 16:00")} == {row.due_at for row in world.enrollments()}


WAITING = """\
entry: {per: filing_window, from: closes - 45d}
steps:
  - {key: heard, wait_for: event("heard"), until: UNTIL @ 09:00}
  - {key: b, at: closes - 14d @ 10:00, mail: b, not_after: closes - 10d}
"""


@pytest.mark.parametrize(
    ("until", "before", "after", "ends"),
    [
        ("closes - 20d", "2027-01-05", {"closes_on": "2026-12-28"}, "2026-12-08 15:00"),
        ("closes - 20d", "2027-01-05", {"closes_on": "2027-01-20"}, "2026-12-31 15:00"),
        ("petition_due - 2d", "2027-01-05", {"milestones": {"petition_due": "2026-12-10"}}, "2026-12-08 15:00"),
    ],
    ids=["earlier", "later", "known at last"],
)
def test_a_wait_that_has_begun_ends_by_the_new_date(
    store: Store, tmp_path: Path, until: str, before: str, after: dict[str, Any], ends: str
) -> None:
    """Its end is a time as any other: it follows the window, and one that nobody knew is known then."""
    world = World(store, tmp_path, {"waiting": WAITING.replace("UNTIL", until)})
    world.apply(day("2026-11-10 12:00"))
    knows(world, replace(COUNCIL, closes_on=before))
    wants(world, "ana", "municipal")
    world.tick(day("2026-11-28 16:00"))
    knows(world, replace(COUNCIL, **{"closes_on": before} | after))
    world.tick(day("2026-11-28 16:10"))
    assert ("heard", day(ends)) == (world.enrollment().step_key, world.enrollment().due_at)
    world.tick(day(ends))
    assert ("heard", "timed_out", None) in world.steps()
