"""Official lists against those who want to run: who is asked about, what staff say, and what follows; on both."""

from pathlib import Path
from typing import Any

import pytest

from rfs_mail.core.filing_windows import FilingWindow, compare
from rfs_mail.engine import candidate_lists as lists
from rfs_mail.errors import NotFoundError, UsageError
from rfs_mail.store import windows
from rfs_mail.store.database import Store
from rfs_mail.store.tables import TABLES
from tests.recipients import add_delivery
from tests.world import World

COUNTDOWN = """
entry: {per: filing_window, from: closes - 45d}
steps:
  - {key: t7, at: closes - 7d @ 10:00, mail: a, not_after: closes - 4d}
goal: filed(window)
"""
AFTER = "entry: {stage: filed, per: filing_window}\nsteps:\n  - {key: congrats, mail: a}\n"


@pytest.fixture
def world(store: Store, tmp_path: Path) -> World:
    """Three windows in Wisconsin and one in Ohio; Maria and Bob want school board, Ada any local office."""
    world = World(store, tmp_path / "folder", {"countdown": COUNTDOWN, "after": AFTER})
    world.apply("11-23 09:00")
    for name, level, closes, state in (
        ("wi-board", "school_board", "2026-12-01", "WI"), ("wi-county", "county", "2026-12-01", "WI"),
        ("wi-later", "school_board", "2027-12-01", "WI"), ("oh-board", "school_board", "2026-12-01", "OH"),
    ):  # fmt: skip
        window = FilingWindow(
            id=name, state=state, office_level=level, closes_on=closes, zone="America/Chicago", confidence="official",
            source="https://x.example",
        )  # fmt: skip
        change = compare(None, window)
        assert change is not None
        with store.begin() as connection:
            windows.apply_change(connection, change, file="f.csv", by="ana", now=world.now)
    for name, family, county, level in (
        ("maria", "López", "Dane", "school_board"), ("bob", "Smith", None, "school_board"),
        ("ada", "Lopez", "Rock", ""),
    ):  # fmt: skip
        wants(world, world.person(name, "11-23 10:00", family_name=family, state="WI", county=county), level)
    return world


def wants(world: World, who: int, level: str) -> None:
    with world.store.begin() as connection:
        connection.execute(TABLES["interest"].insert().values(person_id=who, office_level=level, at=world.now))


def match(world: World, text: str, **how: Any) -> lists.Matched:
    path = world.folder / "list.csv"
    path.write_text(text, encoding="utf-8")
    return lists.match_list(world.store, path, **{"window": None, "state": None, "now": world.now, **how})


def shown(world: World, *, everything: bool = False) -> list[tuple[str, str, int]]:
    rows = lists.open_matches(world.store, everything=everything)
    return [(row.address.partition("@")[0], row.window_id, row.score) for row in rows]


LIST = """\
Candidate Name,Office,County,State,Status
"LOPEZ, MARIA J.",School Board Seat 3,Dane County,WI,Active
"SMITH, ROBERT",School Board,,WI,Active
"LOPEZ, ADA",Sheriff,Rock,WI,Active
"LOPEZ, ADA",Sheriff,Rock,WI,Withdrawn
"LOPEZ, MARIA",School Board,Rock,WI,Active
"LOPEZ, MARIA",School Board,Dane,OH,Active
"NOBODY, AT ALL",School Board,Dane,WI,Active
Cher,School Board,Dane,WI,Active
"LOPEZ, MARIA",School Board,Dane,Wisco,Active
"""


def test_a_list_is_put_before_staff_once(world: World) -> None:
    """By name, place, state and office, for the window that is at hand; the same again is known."""
    read = match(world, LIST)
    assert shown(world) == [("maria", "wi-board", 100), ("ada", "wi-county", 100), ("bob", "wi-board", 76)]
    assert (read.rows, read.agreeing, read.gone, read.new) == (9, 3, 1, 3)
    assert read.bad == ((9, "'Cher' is no whole name"), (10, "WISCO is no state"))
    again = match(world, LIST)
    assert (again.agreeing, again.new, len(shown(world))) == (3, 0, 3)
    assert world.rows("candidacy", "person_id") == []


def test_accepting_ends_that_countdown_with_the_line_as_evidence(world: World) -> None:
    """Filed for that window, her queued mail skipped, what follows a filing begun; a later list does not ask again."""
    match(world, LIST)
    maria = next(row.id for row in world.rows("person", "id", "address") if row.address.startswith("maria"))
    with world.store.begin() as connection:
        revision = next(
            row.revision_id for row in connection.execute(TABLES["campaign"].select()) if row.id == "countdown"
        )
        for window in ("wi-board", "wi-later"):
            made = add_delivery(
                connection, maria, now=world.now, campaign_id="countdown", step_key="t7", window_id=window,
                window_version=1, revision_id=revision, occasion=f"window:{window}",
            )  # fmt: skip
            table = TABLES["enrollment"]
            connection.execute(table.update().where(table.c.waiting_on == made).values(window_id=window))
    first = lists.open_matches(world.store, everything=False)[0]
    assert lists.accept(world.store, [first.id], by="ana", now=world.now) == ("maria@example.org filed for wi-board",)
    ((window, status, evidence),) = world.rows("candidacy", "window_id", "status", "evidence")
    assert (window, status) == ("wi-board", "filed")
    assert evidence == ("list.csv line 2: LOPEZ, MARIA J. (School Board Seat 3, Dane County, WI); accepted by ana")
    assert {row.window_id: row.state for row in world.deliveries()} == {"wi-board": "skipped", "wi-later": "queued"}
    assert [row.occasion for row in world.enrollments("after")] == ["window:wi-board"]
    assert match(world, LIST.replace("Seat 3", "Seat 4")).new == 0
    with pytest.raises(NotFoundError, match="no open match"):
        lists.accept(world.store, [first.id], by="ana", now=world.now)


def test_declining_records_nothing_but_the_decision(world: World) -> None:
    """Somebody else: nobody filed, the same line asks nobody again. All of several, or none."""
    match(world, LIST)
    first, second, _ = [row.id for row in lists.open_matches(world.store, everything=False)]
    with pytest.raises(NotFoundError):
        lists.decline(world.store, [first, 999], by="ana", now=world.now)
    assert len(shown(world)) == 3
    assert lists.decline(world.store, [first, second], by="ana", now=world.now) == (
        "maria@example.org is not LOPEZ, MARIA J.", "ada@example.org is not LOPEZ, ADA",
    )  # fmt: skip
    assert match(world, LIST).new == 0
    assert (len(shown(world)), len(shown(world, everything=True))) == (1, 3)
    assert world.rows("candidacy", "person_id") == []


def test_one_yes_settles_the_other_lines_about_it(world: World) -> None:
    """Two lines that may be she for one window: accepted by one, the other asks for nothing more."""
    match(world, LIST)
    match(world, 'name,office,county,state\n"Maria Lopez",School Board,Dane,WI\n')
    mine = [row.id for row in lists.open_matches(world.store, everything=False) if row.address.startswith("maria")]
    assert len(mine) == 2
    lists.accept(world.store, mine[:1], by="ana", now=world.now)
    assert [name for name, *_ in shown(world)] == ["ada", "bob"]


def test_who_is_further_along_stays_there(world: World) -> None:
    """On the ballot for one office and filed for another: her stage stays, the candidacy is written."""
    maria = next(row.id for row in world.rows("person", "id", "address") if row.address.startswith("maria"))
    world.stage(maria, "on_ballot")
    match(world, LIST)
    lists.accept(world.store, [lists.open_matches(world.store, everything=False)[0].id], by="ana", now=world.now)
    assert {row.stage for row in world.rows("person", "id", "stage") if row.id == maria} == {"on_ballot"}
    assert [row.status for row in world.rows("candidacy", "status")] == ["filed"]


def test_a_list_may_be_about_one_window(world: World) -> None:
    """Of columns in other words, without a state; the later window only where it is named."""
    text = "last_name,first_name\nLopez,Maria\n"
    assert match(world, text).bad == ((2, "says no state. Add a column `state`, or say --state WI"),)
    match(world, text, state="wi")
    match(world, text, window="wi-later")
    assert shown(world) == [("maria", "wi-board", 85), ("maria", "wi-later", 85)]
    with pytest.raises(NotFoundError, match="Did you mean wi-board"):
        match(world, text, window="wi-bord")
    with pytest.raises(UsageError, match="no column of names"):
        match(world, "who,what\na,b\n")
    with pytest.raises(UsageError, match="no state"):
        match(world, text, state="Wisco")
