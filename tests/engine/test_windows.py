"""Importing filing windows, on both databases: what a file would do in people, and that it does just that."""

import threading
from pathlib import Path

import pytest

from rfs_mail.core.filing_windows import FilingWindow
from rfs_mail.core.interest import Interest
from rfs_mail.engine import windows as engine
from rfs_mail.engine.windows import Applied, Import
from rfs_mail.store import windows
from rfs_mail.store.database import Store
from rfs_mail.store.interests import add_interests
from rfs_mail.store.tables import TABLES
from tests.recipients import add_delivery
from tests.world import World, at

COUNTDOWN = """
entry: {per: filing_window, from: closes - 45d}
steps:
  - {key: opened, at: opens @ 10:00, mail: c}
  - {key: t7, at: closes - 7d @ 10:00, mail: a, not_after: closes - 4d}
  - {key: due, at: petition_due - 2h, mail: d}
  - {key: later, at: +1d, mail: e}
  - {key: t1, at: closes - 1d @ 09:00, mail: b, not_after: closes - 3h}
goal: filed(window)
ends: closes + 3d
"""
HEAD = (
    "window_id,state,office_level,opens_on,closes_on,closes_time,petition_due,zone,confidence,source,"
    "election_on,office,status\n"
)
ROW = "{},WI,school_board,2026-12-01,{},17:00,{},America/Chicago,official,https://x.example,2027-04-06,board,{}\n"


@pytest.fixture
def world(store: Store, tmp_path: Path) -> World:
    """A countdown that is live, and one window of Wisconsin."""
    world = World(store, tmp_path / "folder", {"countdown": COUNTDOWN})
    world.apply("11-23 09:00")
    assert imports(world, row()).versions == {"wi": 1}
    return world


def row(name: str = "wi", closes: str = "2027-01-05", due: str = "2027-01-05 17:00", status: str = "") -> str:
    return ROW.format(name, closes, due, status)


def read(world: World, *rows: str) -> Import:
    path = world.folder / "windows.csv"
    path.write_text(HEAD + "".join(rows), encoding="utf-8")
    return engine.read_file(world.store, path, now=world.now)


def imports(world: World, *rows: str) -> Applied:
    return engine.apply_import(world.store, read(world, *rows), by="ana", now=world.now)


def queue(world: World, step: str, zone: str = "America/New_York") -> None:
    """Somebody on her way to the window, with a mail of this step that waits."""
    who = world.person(f"{step}-{zone[-4:].lower()}", zone=zone)
    with world.store.begin() as connection:
        (revision,) = [one.revision_id for one in connection.execute(TABLES["campaign"].select())]
        made = add_delivery(
            connection, who, now=world.now, campaign_id="countdown", step_key=step, window_id="wi", window_version=1,
            revision_id=revision, occasion="window:wi",
        )  # fmt: skip
        table = TABLES["enrollment"]
        connection.execute(table.update().where(table.c.waiting_on == made).values(window_id="wi", window_version=1))


@pytest.mark.parametrize(
    ("now", "closes", "due", "status", "move", "lost"),
    [
        ("12-28 10:00", "2027-01-08", "2027-01-05 17:00", "", 2, 0),  # t7 and t1 follow the closing
        ("12-28 10:00", "2027-01-05", "2027-01-08 17:00", "", 1, 0),  # what counts from the petition alone
        ("12-28 10:00", "2027-01-01", "2027-01-01 17:00", "", 3, 0),  # t7 may go until 17:00 in Chicago that day
        ("12-28 18:00", "2027-01-01", "2027-01-01 17:00", "", 2, 1),
        ("12-31 14:00", "2027-01-01", "2027-01-01 17:00", "", 2, 1),  # t1 is due on New Year's Eve
        ("12-31 16:00", "2026-12-31", "2026-12-31 17:00", "", 1, 2),  # the petition alone may still be told of
        ("12-28 10:00", "2027-01-05", "2027-01-05 17:00", "cancelled", 0, 5),
    ],
)
def test_queued_mail_is_told_by_what_becomes_of_it(
    world: World, now: str, closes: str, due: str, status: str, move: int, lost: int
) -> None:
    """Another time, too late for the new date, or as it was: by each step's own dates, for each zone."""
    for step in ("opened", "t7", "due", "later", "t1"):
        queue(world, step)
    world.now = at(now)
    found = read(world, row(closes=closes, due=due, status=status))
    assert (found.people, found.mails_move, found.mails_lost) == (5, move, lost)


def test_a_file_does_what_it_said(world: World) -> None:
    """New, moved, restated and unchanged windows; the same file again does nothing; all versions are kept."""
    found = read(world, row(closes="2027-01-08"), row("other"))
    assert ([one.change.new.id for one in found.moved], [one.change.new.id for one in found.new]) == (["wi"], ["other"])
    assert engine.apply_import(world.store, found, by="ana", now=world.now) == Applied({"wi": 2, "other": 1})
    again = read(world, row(closes="2027-01-08"), row("other"))
    assert (again.effects, again.unchanged) == ((), 2)
    noted = read(world, row(closes="2027-01-08").replace("x.example", "y.example"))
    assert (len(noted.restated), noted.moved, noted.absent) == (1, (), 1)
    engine.apply_import(world.store, noted, by="ben", now=world.now)
    card = engine.show_window(world.store, "wi")
    assert [(one.number, one.by) for one in card.versions] == [(1, "ana"), (2, "ana"), (2, "ben")]
    assert [one["id"] for one in engine.list_windows(
        world.store, state="wi", level=None, everything=False, now=world.now
    )] == ["other", "wi"]  # fmt: skip


def test_an_import_made_from_old_news_is_refused(world: World) -> None:
    """Between looking and saying yes somebody else moved the window: hers stands, and it is named."""
    mine = read(world, row(closes="2027-01-08"))
    imports(world, row(closes="2027-01-07"))
    assert engine.apply_import(world.store, mine, by="ana", now=world.now) == Applied({}, ("wi",))
    with world.store.read() as connection:
        stored = windows.get(connection, "wi")
    assert stored is not None
    assert (stored.window.closes_on, stored.version) == ("2027-01-07", 2)


def test_two_at_once_write_a_new_window_once(world: World) -> None:
    """Two imports of the same new and the same moved window at one moment: one version each, no exception."""
    found = read(world, row(closes="2027-01-08"), row("new"))
    together, done = threading.Barrier(2), []
    url = world.store.url.render_as_string(hide_password=False)

    def work() -> None:
        store = Store(url)
        try:
            together.wait(30)
            done.append(engine.apply_import(store, found, by="ana", now=world.now))
        finally:
            store.close()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(name for one in done for name in one.versions) == ["new", "wi"]
    assert sorted(name for one in done for name in one.overtaken) == ["new", "wi"]
    assert {row.window_id: row.version for row in world.rows("filing_window_version", "window_id", "version")} == {
        "wi": 2, "new": 1,
    }  # fmt: skip


def test_a_row_is_held_against_what_is_stored(world: World) -> None:
    """A closing that comes before the opening that is known, though the file leaves that blank, is not taken."""
    found = read(world, row(closes="2026-11-30", due="").replace("2026-12-01", ""))
    assert [(problem.column, problem.line) for problem in found.problems] == [("closes_on", 2)]
    assert found.effects == ()


def test_a_window_is_stored_as_the_core_reads_it(world: World) -> None:
    """The same value out as in, so that the same file again is no change."""
    with world.store.read() as connection:
        stored = windows.get(connection, "wi")
    assert stored is not None
    assert stored.window == FilingWindow(
        id="wi", state="WI", office_level="school_board", opens_on="2026-12-01", closes_on="2027-01-05",
        closes_time="17:00", zone="America/Chicago", confidence="official", source="https://x.example",
        election_on="2027-04-06", office="board", milestones={"petition_due": "2027-01-05 17:00"},
    )  # fmt: skip


def test_who_wanted_it_as_it_was_is_affected_too(world: World) -> None:
    """A window that is for another office now is news for those who wanted the old one as for those of the new one."""
    for name, level in (("ada", "school_board"), ("ben", "judicial"), ("cleo", "county")):
        who = world.person(name, state="WI")
        with world.store.begin() as connection:
            connection.execute(TABLES["interest"].insert().values(person_id=who, office_level=level, at=world.now))
    found = read(world, row().replace("school_board", "judicial"))
    assert ([one.people for one in found.moved], found.people) == ([2], 2)


def test_a_date_in_doubt_is_a_task_until_somebody_found_out(world: World) -> None:
    """One task a version, done by itself when a file says what is right; a window that is over asks for nothing."""
    head = HEAD.replace("confidence,source", "source,confidence")
    line = "{},WI,school_board,2026-12-01,{},17:00,,America/Chicago,https://x.example,{},2027-04-06,board,\n"

    def says(closes: str, confidence: str, name: str = "wi") -> None:
        path = world.folder / "windows.csv"
        path.write_text(head + line.format(name, closes, confidence), encoding="utf-8")
        engine.apply_import(world.store, engine.read_file(world.store, path, now=world.now), by="ana", now=world.now)

    says("2027-01-05", "conflict")
    says("2027-01-06", "conflict")
    says("2026-11-02", "unknown", name="old")
    found = [(row.key, row.state) for row in world.rows("task", "key", "state")]
    assert [("window:wi:v2", "done"), ("window:wi:v3", "open")] == found
    says("2027-01-06", "official")
    assert {"done"} == {row.state for row in world.rows("task", "state")}
    (first, *_) = world.rows("task", "title")
    assert "Find out when filing closes for board in WI (sources disagree), then `windows import`: wi" == first.title


def test_the_next_mail_of_everybody_in_flight_counts(world: World) -> None:
    """Nothing waits in the queue, and yet a move changes what everybody gets next and what nobody gets any more."""
    for name in ("ana", "ben"):
        who = world.person(name, zone="America/Chicago", state="WI")
        with world.store.begin() as connection:
            add_interests(connection, [(who, Interest("school_board"))], now=world.now)
    world.tick("12-08 10:00")
    found = read(world, row(closes="2027-01-08"))
    assert (2, 2, 0) == (found.people, found.mails_move, found.mails_lost)
    found = read(world, row(closes="2026-12-09", due="2026-12-09 12:00"))
    assert (2, 2, 2) == (found.people, found.mails_move, found.mails_lost)
    doubt = row().replace("official", "conflict")
    found = read(world, doubt)
    assert (2, 0, 0, 2) == (found.people, found.mails_move, found.mails_lost, found.mails_held)


def test_a_mail_that_was_due_before_the_move_is_not_passed_by(world: World) -> None:
    """A mail that came due while the old date stood, and that nobody looked at, still goes: no import calls it lost."""
    who = world.person("ana", zone="America/Chicago", state="WI")
    with world.store.begin() as connection:
        add_interests(connection, [(who, Interest("school_board"))], now=world.now)
    world.tick("12-08 10:00")
    world.now = at("12-30 20:00")
    assert (1, 0) == ((later := read(world, row(closes="2027-01-09"))).mails_move, later.mails_lost)
    found = read(world, row(closes="2027-01-06"))
    assert (1, 0, 0) == (found.people, found.mails_move, found.mails_lost)
    engine.apply_import(world.store, found, by="ana", now=world.now)
    world.tick("12-30 20:00")
    assert ("t7", "queued", None) in world.steps()
