"""The shipped countdown to Wisconsin's deadline of 5 January 2027, 17:00 Central, as two people live through it."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from rfs_mail.engine import reproduce
from rfs_mail.engine import windows as importing
from rfs_mail.engine.advance import advance
from rfs_mail.engine.filings import record_status
from rfs_mail.engine.live import look
from rfs_mail.store.database import Store
from rfs_mail.store.tables import TABLES
from tests.render_samples import ROOT
from tests.world import World

HEAD = (
    "window_id,jurisdiction,state,office_level,office,election_on,opens_on,closes_on,closes_time,petition_due,zone,"
    "status,confidence,source\n"
)
ROW = "{},Wisconsin,WI,{},{},2027-04-06,2026-12-01,{},17:00,{},America/Chicago,confirmed,official,https://x.example\n"
BOARD = ("wi-2027-spring-school-board", "school_board", "school board")
COUNCIL = ("wi-2027-spring-municipal", "municipal", "city council")

ZONES = {"chi": "America/Chicago", "ny": "America/New_York"}


def central(text: str) -> datetime:
    """`2027-01-05 17:00` in Wisconsin."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("America/Chicago")).astimezone(UTC)


def shipped(store: Store, folder: Path) -> World:
    """The shipped countdown with its copy, not applied yet."""
    texts = {name: (ROOT / "campaigns" / f"{name}.yaml").read_text() for name in ("entities", "fields")}
    texts["segments"] = "{}\n"
    mails = {
        f"{place}/{path.name}": path.read_text()
        for place in ("filing_countdown", "partials")
        for path in (ROOT / "templates" / place).glob("*.md")
    }
    body = (ROOT / "campaigns/filing_countdown.yaml").read_text()
    return World(store, folder, {"filing_countdown": body}, mails, **texts)


@pytest.fixture
def world(store: Store, tmp_path: Path) -> World:
    """The shipped countdown, live before its windows take anybody in."""
    world = shipped(store, tmp_path / "folder")
    world.apply(central("2026-11-18 09:00"))
    return world


def imports(world: World, when: str, *offices: tuple[str, str, str], closes: str = "2027-01-05", due: str = "") -> None:
    """Staff import windows that close on that day."""
    world.now = central(when)
    path = world.folder / "windows.csv"
    rows = "".join(ROW.format(*one, closes, due or f"{closes} 17:00") for one in offices)
    path.write_text(HEAD + rows, encoding="utf-8")
    found = importing.read_file(world.store, path, now=world.now)
    assert found.problems == ()
    assert importing.apply_import(world.store, found, by="ana", now=world.now).overtaken == ()


def wants(world: World, name: str, *levels: str, when: str | None = None, **fields: Any) -> int:
    """Somebody of Wisconsin who wants these offices."""
    who = world.person(
        name, central(when) if when else None, state="WI",
        **{"zone": ZONES.get(name, "America/Chicago"), "stage": "committed", **fields},
    )  # fmt: skip
    with world.store.begin() as connection:
        for level in levels:
            connection.execute(
                TABLES["interest"].insert().values(
                    person_id=who, office_level=level, state="WI", division="", election_year=2027, at=world.now
                )
            )  # fmt: skip
    return who


def plays(world: World, *times: str) -> None:
    """A pass of every verb at each of these times in Wisconsin."""
    for when in times:
        world.tick(central(when))


def sent(world: World) -> list[tuple[str, str, str]]:
    """(who, step, when by her own clock) of every mail that went out."""
    people = {one.id: one for one in world.rows("person", "id", "address", "zone")}
    found = [(people[row.person_id], row) for row in world.deliveries() if row.state == "sent"]
    return sorted(
        (who.address.partition("@")[0], row.step_key, f"{row.settled_at.astimezone(ZoneInfo(who.zone)):%m-%d %H:%M}")
        for who, row in found
    )


def by_day(world: World, name: str) -> list[tuple[str, str]]:
    """(when, step) of what one person got, in order."""
    return sorted((when, step) for who, step, when in sent(world) if who == name)


def test_wisconsin_is_counted_down_on_everybodys_own_clock_and_follows_a_deadline_that_moves(world: World) -> None:
    """Each mail goes on its right local day and hour; the extension by 72 hours moves the rest and repeats nothing."""
    imports(world, "2026-11-18 10:00", BOARD)
    wants(world, "chi", "school_board")
    wants(world, "ny", "school_board", stage="exploring")
    plays(
        world, "2026-11-20 23:59", "2026-11-21 00:00", "2026-11-21 09:00", "2026-11-21 10:00", "2026-12-06 10:00",
        "2026-12-07 08:00", "2026-12-07 09:00", "2026-12-22 17:00", "2026-12-29 09:00", "2026-12-29 10:00",
    )  # fmt: skip
    imports(world, "2026-12-30 12:00", BOARD, closes="2027-01-08")
    plays(
        world, "2026-12-30 12:01", "2027-01-02 10:00", "2027-01-04 09:00", "2027-01-05 09:00", "2027-01-05 10:00",
        "2027-01-07 08:00", "2027-01-07 09:00", "2027-01-09 09:00", "2027-01-09 10:00", "2027-01-11 17:00",
    )  # fmt: skip
    expected = [
        ("01-05 10:00", "t3"), ("01-07 09:00", "t1"), ("01-09 10:00", "did_you"), ("11-21 10:00", "gather"),
        ("12-07 09:00", "signatures"), ("12-29 10:00", "t7"),
    ]  # fmt: skip
    assert expected == by_day(world, "chi")
    assert expected == by_day(world, "ny")
    assert [("window:wi-2027-spring-school-board", 2)] * 2 == [
        (row.occasion, row.window_version) for row in world.enrollments()
    ]
    assert ["Call Chi: School board closes Tuesday, January 5, 5:00 pm Central"] == [
        row.title for row in world.rows("task", "title")
    ]


def test_a_deadline_that_comes_closer_skips_what_is_too_late_and_moves_what_waits(world: World) -> None:
    """What the new date has passed by is skipped with its reason, and the rest goes by the new date, each once."""
    imports(world, "2026-11-18 10:00", BOARD)
    wants(world, "chi", "school_board")
    plays(world, "2026-11-21 10:00", "2026-12-07 09:00", "2026-12-22 17:00")
    imports(world, "2026-12-28 09:00", BOARD, closes="2026-12-31")
    plays(world, "2026-12-28 09:00", "2026-12-28 10:00", "2026-12-30 09:00", "2027-01-01 10:00", "2027-01-06 10:00")
    assert [
        ("gather", "11-21 10:00"), ("signatures", "12-07 09:00"), ("t3", "12-28 10:00"), ("t1", "12-30 09:00"),
        ("did_you", "01-01 10:00"),
    ] == [(row.step_key, f"{row.settled_at.astimezone(ZoneInfo('America/Chicago')):%m-%d %H:%M}")
          for row in world.deliveries() if row.state == "sent"]  # fmt: skip
    assert ("t7", "skipped", "window_moved") in world.steps()


def test_mail_that_waits_in_the_queue_follows_its_window(world: World) -> None:
    """A mail that was queued before the window moved gets the new due time, expiry and version, and goes once."""
    imports(world, "2026-11-18 10:00", BOARD)
    wants(world, "chi", "school_board")
    plays(world, "2026-11-21 10:00", "2026-12-07 09:00", "2026-12-22 17:00")
    world.now = central("2026-12-29 10:00")
    world.pause("filing_countdown")
    world.resume("filing_countdown")
    advance(world.store, now=world.now)
    (before,) = [row for row in world.deliveries() if row.step_key == "t7"]
    assert ("queued", 1, central("2027-01-01 17:00")) == (before.state, before.window_version, before.not_after)
    imports(world, "2026-12-29 10:01", BOARD, closes="2027-01-08")
    plays(world, "2026-12-29 10:02")
    (after,) = [row for row in world.deliveries() if row.step_key == "t7"]
    assert ("queued", 2, central("2027-01-01 10:00"), central("2027-01-04 17:00")) == (
        after.state, after.window_version, after.due_at, after.not_after,
    )  # fmt: skip
    plays(world, "2027-01-01 10:00")
    assert ("01-01 10:00", "t7") in by_day(world, "chi")


OFFICES = """\
---
subject: "{{ windows | length }} offices"
---
{% for one in windows %}{{ one.office }} closes {{ one.closes_at | office_time }}.
{% endfor %}{{ office.name }} in {{ office.state }}
"""


def test_who_says_not_this_time_is_left_alone_until_she_takes_it_back(world: World) -> None:
    """Her mails promise it; what went by meanwhile does not come back."""
    imports(world, "2026-11-18 10:00", BOARD)
    who = wants(world, "chi", "school_board")
    plays(world, "2026-11-21 10:00")
    for stage, times in (
        ("not_now", ("2026-12-07 10:00", "2026-12-29 10:00", "2027-01-02 10:00")),
        ("committed", ("2027-01-04 09:00",)),
    ):
        with world.store.begin() as connection:
            connection.execute(TABLES["person"].update().values(stage=stage).where(TABLES["person"].c.id == who))
        plays(world, *times)
    assert [("01-04 09:00", "t1"), ("11-21 10:00", "gather")] == by_day(world, "chi")


def files(world: World, who: int, office: tuple[str, str, str], when: str) -> None:
    """The clerk has her papers for this office."""
    world.now = central(when)
    with world.store.begin() as connection:
        record_status(
            connection, look(connection), who, office[0], "filed", evidence="the clerk", detail={}, now=world.now
        )


def test_two_offices_with_one_deadline_are_one_countdown_until_she_files_for_both(world: World) -> None:
    """Her mail names what she has not filed for; filing for one office leaves the countdown to the other."""
    world.mails |= {f"filing_countdown/{name}.md": OFFICES for name in ("gather", "t7")}
    world.apply(central("2026-11-18 09:00"))
    imports(world, "2026-11-18 10:00", BOARD, COUNCIL)
    who = wants(world, "chi", "school_board", "municipal")
    plays(world, "2026-11-21 10:00", "2026-12-07 09:00")
    assert ["window:wi-2027-spring-municipal"] == [row.occasion for row in world.enrollments()]
    files(world, who, COUNCIL, "2026-12-20 12:00")
    plays(world, "2026-12-20 12:01", "2026-12-22 17:00", "2026-12-29 10:00")
    assert [("window:wi-2027-spring-municipal", "wi-2027-spring-school-board", "active")] == [
        (row.occasion, row.window_id, row.state) for row in world.enrollments()
    ]
    gather, _, t7 = world.deliveries()
    assert ["city council", "School board"] == [one["of"]["office"] for one in gather.made["vars"]["windows"]]
    assert ["School board"] == [one["of"]["office"] for one in t7.made["vars"]["windows"]]
    found = reproduce.message(world.store, world.app.composer, gather.id)
    assert found.exact
    assert world.transport.sent[0].message == found.message
    files(world, who, BOARD, "2026-12-30 12:00")
    plays(world, "2027-01-02 10:00", "2027-01-06 10:00")
    assert [("goal_reached", 3)] == [(row.ended_because, len(world.deliveries())) for row in world.enrollments()]


def test_windows_that_nobody_may_trust_or_that_come_late_take_people_in_as_they_should(world: World) -> None:
    """Who comes late joins at the next step ahead; who filed already, or has no interest in the place, never enters."""
    imports(world, "2026-11-18 10:00", BOARD)
    plays(world, "2026-11-21 10:00")
    wants(world, "late", "school_board", when="2026-12-28 12:00")
    wants(world, "elsewhere", "county")
    plays(world, "2026-12-28 12:01", "2026-12-29 10:00")
    assert [("late", "t7", "12-29 10:00")] == sent(world)
    assert {("gather", "skipped", "missed"), ("call_them", "skipped", "missed")} <= set(world.steps())
    imports(world, "2026-12-29 11:00", BOARD)  # the same again: nothing happens
    plays(world, "2026-12-29 11:01")
    assert 1 == len(world.enrollments())


def test_who_filed_once_is_counted_down_to_another_office(world: World) -> None:
    """Filed for the council, she hears of the school board that opens later, and of nothing that she filed for."""
    imports(world, "2026-11-18 10:00", COUNCIL)
    who = wants(world, "chi", "municipal", "school_board")
    plays(world, "2026-11-21 10:00")
    files(world, who, COUNCIL, "2026-12-01 12:00")
    imports(world, "2026-12-02 10:00", BOARD, closes="2027-01-26")
    plays(world, "2026-12-02 10:01", "2026-12-12 10:00")
    assert [("11-21 10:00", "gather"), ("12-12 10:00", "gather")] == by_day(world, "chi")
    assert {(COUNCIL[0], "exited"), (BOARD[0], "active")} == {(one.window_id, one.state) for one in world.enrollments()}
