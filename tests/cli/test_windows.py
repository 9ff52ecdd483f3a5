"""Filing windows on the command line: imported, shown in people, moved, and whom to call before one closes."""

from pathlib import Path
from typing import Any

import pytest

from rfs_mail.store.tables import TABLES
from tests.cli.conftest import Desk, MakeDesk
from tests.recipients import add_delivery
from tests.world import at

COUNTDOWN = """
entry: {per: filing_window, from: closes - 45d}
steps:
  - {key: t7, at: closes - 7d @ 10:00, mail: a, not_after: closes - 4d}
  - {key: t1, at: closes - 1d @ 09:00, mail: b, priority: deadline, not_after: closes - 3h}
goal: filed(window)
exit:
  - when: window.status == "cancelled"
"""
AFTER = """
entry: {stage: filed, per: filing_window}
steps:
  - {key: congrats, mail: a}
"""

HEAD = "window_id,state,office_level,office,election_on,opens_on,closes_on,closes_time,zone,confidence,source\n"
BOARD = (
    "wi-2027-board,WI,school_board,school board,2027-04-06,2026-12-01,{},17:00,America/Chicago,{},https://x.example\n"
)
COUNCIL = (
    "wi-2027-council,WI,municipal,council,2027-04-06,,2027-01-05,17:00,America/Chicago,official,https://x.example\n"
)


@pytest.fixture
def desk(make_desk: MakeDesk) -> Desk:
    """Campaigns about windows, live; Maria wants school board and council in Wisconsin, Ben in Ohio."""
    desk = make_desk(countdown=COUNTDOWN, after=AFTER)
    desk.world.apply("11-23 09:00")
    wants(desk, desk.world.person("maria", "11-23 10:00", family_name="Lopez", state="WI", county="Dane"))
    wants(desk, desk.world.person("ben", "11-23 10:00", state="OH"))
    return desk


def wants(desk: Desk, who: int, *levels: str) -> None:
    with desk.world.store.begin() as connection:
        for level in levels or ("school_board", "municipal"):
            connection.execute(TABLES["interest"].insert().values(person_id=who, office_level=level, at=desk.world.now))


def write(desk: Desk, *rows: str, name: str = "windows.csv") -> str:
    """A file of windows; its path."""
    path = desk.world.folder / name
    path.write_text(HEAD + "".join(rows), encoding="utf-8")
    return str(path)


def board(closes: str = "2027-01-05", confidence: str = "official") -> str:
    return BOARD.format(closes, confidence)


def queue(desk: Desk, who: int, step: str, window: str = "wi-2027-board", campaign: str = "countdown") -> int:
    """A mail of a campaign about a window that waits, as `advance` queues it for version 1."""
    with desk.world.store.begin() as connection:
        revision = next(
            row.revision_id for row in connection.execute(TABLES["campaign"].select()) if row.id == campaign
        )
        made = add_delivery(
            connection, who, now=desk.world.now, campaign_id=campaign, step_key=step, window_id=window,
            window_version=1, revision_id=revision, occasion=f"window:{window}",
        )  # fmt: skip
        enrollment = TABLES["enrollment"]
        connection.execute(
            enrollment.update()
            .where(enrollment.c.waiting_on == made)
            .values(window_id=window, window_version=1, revision_id=revision)
        )
    return made


def stored(desk: Desk, window: str = "wi-2027-board") -> Any:
    (row,) = [row for row in desk.world.rows("filing_window", *FIELDS) if row.id == window]
    return row


FIELDS = ("id", "closes_on", "closes_time", "status", "version", "source")


# -- importing ---------------------------------------------------------------------------------------------------------


def test_windows_come_in_once(desk: Desk) -> None:
    """New windows are told with the people who want them; the same file again changes nothing."""
    file = write(desk, board(), COUNCIL)
    said = desk.says("windows", "import", file, "--yes")
    assert "  new    wi-2027-board  closes 2027-01-05 17:00, opens 2026-12-01: 1 person\n" in said
    assert said.endswith(
        "0 windows moved, 2 new, 1 person affected, 0 mails move, 0 will not be sent any more.\n"
        "2 windows written. Mail follows with the next pass.\n"
    )
    assert desk.says("windows", "import", file, "--yes") == (
        "windows.csv: 2 rows, 2 as they are known\nNothing changes.\n"
    )
    assert [row.version for row in desk.world.rows("filing_window_version", "version")] == [1, 1]


def test_nothing_is_written_unasked(desk: Desk) -> None:
    """Without --yes and without a terminal nobody can agree; a dry run says all and writes nothing."""
    file = write(desk, board())
    assert "Say `windows import --yes`" in desk.says("windows", "import", file, code=2)
    assert desk.says("windows", "import", file, "--dry-run").endswith("Nothing was written.\n")
    assert desk.json("windows", "import", file, "--dry-run")["new"][0]["people"] == 1
    assert desk.world.rows("filing_window", "id") == []


def test_a_bad_row_is_named_and_the_others_go_on(desk: Desk) -> None:
    """Each with line, column and fix, exit code 1; what is good is written."""
    said = desk.says("windows", "import", write(desk, board("2026-11-01"), COUNCIL), "--yes", code=1)
    assert "1 row not taken:\n  line 2, closes_on: '2026-11-01 17:00' is not after the opening (2026-12-01).\n" in said
    assert [row.id for row in desk.world.rows("filing_window", "id")] == ["wi-2027-council"]
    again = desk.json("windows", "import", write(desk, COUNCIL.replace("official", "sure")), "--dry-run", code=1)
    assert (again["absent"], again["problems"][0]["column"]) == (0, "confidence")


def test_a_file_of_something_else_is_refused(desk: Desk, tmp_path: Path) -> None:
    """A header that is not ours: nothing is read, and it is said what is missing."""
    path = tmp_path / "x.csv"
    path.write_text("state,closes\nWI,2027-01-05\n", encoding="utf-8")
    said = desk.says("windows", "import", str(path), "--yes", code=2)
    assert said.startswith("x.csv is no file of filing windows.\n  line 1: 'state' is not the first column")
    assert "docs/filing-windows.md" in said
    assert "cannot be read" in desk.says("windows", "import", str(tmp_path / "none.csv"), code=2)


def test_a_move_is_shown_in_people_and_mails(desk: Desk) -> None:
    """Who hangs on it, which mails move, which are too late for the new date; others are left alone."""
    desk.says("windows", "import", write(desk, board(), COUNCIL), "--yes")
    for name, step in (("p1", "t7"), ("p2", "t7"), ("p3", "t1")):
        queue(desk, desk.world.person(name, "12-29 10:00"), step)
    found = desk.json("windows", "import", write(desk, board("2027-01-08")), "--dry-run")
    assert (found["people"], found["mails_move"], found["mails_lost"], found["absent"]) == (4, 3, 0, 1)
    said = desk.says("windows", "import", write(desk, board("2026-12-31")), "--dry-run")
    assert said.splitlines()[1:] == [
        "  moved  wi-2027-board  closes 2027-01-05 17:00 -> 2026-12-31 17:00 (5 days earlier): 4 people, "
        "1 mail moves, 2 mails not sent any more",
        "1 window ahead and not in this file: left alone.",
        "1 window moved, 0 new, 4 people affected, 1 mail moves, 2 will not be sent any more.",
        "Nothing was written.",
    ]


def test_a_move_commits_alone_and_the_gate_refuses_the_old_version(desk: Desk) -> None:
    """Version 2; nobody's mail is touched by the import, and none of version 1 goes until it is planned anew."""
    desk.says("windows", "import", write(desk, board()), "--yes")
    made = queue(desk, desk.world.person("p1", "12-29 10:00"), "t7")
    before = desk.world.delivery("t7")
    desk.says("windows", "import", write(desk, board("2027-01-08")), "--yes")
    assert (stored(desk).closes_on, stored(desk).version) == ("2027-01-08", 2)
    assert desk.world.delivery("t7") == before
    keys = {(row.campaign_id, row.key) for row in desk.world.rows("sweep", "campaign_id", "key")}
    assert {("countdown", "replan:window:wi-2027-board:v2"), ("after", "replan:window:wi-2027-board:v2")} <= keys
    assert made == before.id


def test_a_source_alone_moves_nobody(desk: Desk) -> None:
    """Another source or note: the same version, no walk, and the history has it."""
    desk.says("windows", "import", write(desk, board()), "--yes")
    said = desk.says("windows", "import", write(desk, board().replace("x.example", "y.example")), "--yes")
    assert "0 windows moved, 0 new, 1 with another source or note, 0 people affected" in said
    assert (stored(desk).version, stored(desk).source) == (1, "https://y.example")
    assert len(desk.world.rows("filing_window_version", "id")) == 2
    assert [row.key for row in desk.world.rows("sweep", "key") if "window:" in row.key] == []


def test_a_blank_keeps_what_is_known_and_says_so(desk: Desk) -> None:
    """Rule: blank input never erases."""
    desk.says("windows", "import", write(desk, board()), "--yes")
    said = desk.says("windows", "import", write(desk, board().replace("17:00", "")), "--yes")
    assert "Kept where the file is blank: wi-2027-board closes_time 17:00." in said
    assert stored(desk).closes_time == "17:00"
    desk.says("windows", "import", write(desk, board().replace("17:00", "unknown")), "--yes")
    assert (stored(desk).closes_time, stored(desk).version) == (None, 2)


# -- looking -----------------------------------------------------------------------------------------------------------


def test_windows_are_listed_and_shown(desk: Desk) -> None:
    """What is ahead, with people; all that one ever said, and how far people are."""
    desk.says("windows", "import", write(desk, board()), "--yes")
    desk.says("windows", "import", write(desk, board("2027-01-08")), "--yes")
    assert desk.says("windows", "list").splitlines()[1].split() == [
        "wi-2027-board", "WI", "school", "board", "2026-12-01", "2027-01-08", "17:00", "America/Chicago", "confirmed",
        "official", "1",
    ]  # fmt: skip
    assert desk.json("windows", "list", "--state", "oh") == []
    assert [row["id"] for row in desk.json("windows", "list", "--level", "school_board")] == ["wi-2027-board"]
    assert "Did you mean school_board?" in desk.says("windows", "list", "--level", "schoolboard", code=2)
    assert "no state" in desk.says("windows", "list", "--state", "Wisco", code=2)
    assert desk.says("windows", "list", "--csv").startswith("id,state,office,opens_on,closes_on,")
    card = desk.says("windows", "show", "wi-2027-board")
    assert "1 want it or are in a campaign about it\n" in card
    assert card.splitlines()[-2:] == [
        "  v1  2026-11-23 15:00 UTC  closes 2027-01-05 17:00, opens 2026-12-01 (windows.csv)",
        "  v2  2026-11-23 15:00 UTC  closes 2027-01-05 17:00 -> 2027-01-08 17:00 (3 days later) (windows.csv)",
    ]
    assert [one["version"] for one in desk.json("windows", "show", "wi-2027-board")["versions"]] == [1, 2]
    assert "Did you mean wi-2027-board?" in desk.says("windows", "show", "wi-2027-bord", code=2)


def test_closing_says_whom_to_call(desk: Desk) -> None:
    """Who wants it, has not filed and did not say no, with the last thing she did; nobody too early."""
    desk.says("windows", "import", write(desk, board(), COUNCIL), "--yes")
    maria = next(row.id for row in desk.world.rows("person", "id", "address") if row.address == "maria@example.org")
    wants(desk, desk.world.person("ada", "11-24 10:00", state="WI", stage="not_now"))
    assert desk.json("windows", "closing") == []
    desk.world.event(maria, "clicked", "12-20 10:00", ref="t7", value="machine")
    desk.world.event(maria, "clicked", "12-19 10:00", ref="t7", value="human")
    desk.world.now = at("12-23 10:00")
    rows = desk.json("windows", "closing", "--within", "14d", "--state", "WI")
    assert [(row["window_id"], row["address"], row["days_left"]) for row in rows] == [
        ("wi-2027-board", "maria@example.org", 13), ("wi-2027-council", "maria@example.org", 13),
    ]  # fmt: skip
    assert (rows[0]["last_did"], rows[0]["last_at"][:10]) == ("clicked", "2026-12-19")
    assert "phone" not in rows[0]
    said = desk.says("windows", "closing")
    assert "clicked t7, 2026-12-19 10:00 EST" in said
    assert said.endswith("1 person to call.\n")
    desk.says("people", "set", "maria@example.org", "stage=filed", "--window", "wi-2027-board")
    assert [row["window_id"] for row in desk.json("windows", "closing")] == ["wi-2027-council"]
    assert desk.says("windows", "closing", "--csv").startswith("closes_on,window_id,given_name,address,")
    assert desk.says("windows", "closing", "--within", "soon", code=2).startswith("--within soon: ")


# -- filing ------------------------------------------------------------------------------------------------------------


def test_filing_for_one_window_ends_that_countdown_alone(desk: Desk) -> None:
    """Her queued mail of that window is skipped at once, the other's stays, and what follows a filing begins."""
    desk.says("windows", "import", write(desk, board(), COUNCIL), "--yes")
    maria = next(row.id for row in desk.world.rows("person", "id", "address") if row.address == "maria@example.org")
    queue(desk, maria, "t7")
    queue(desk, maria, "t1", window="wi-2027-council")
    said = desk.says("people", "set", "maria@example.org", "stage=filed", "--window", "wi-2027-board")
    assert said == "maria@example.org: stage set.\nmaria@example.org: noted for the filing window wi-2027-board.\n"
    states = {row.step_key: (row.state, row.reason) for row in desk.world.deliveries()}
    assert states == {"t7": ("skipped", "goal_reached"), "t1": ("queued", None)}
    ended = {row.window_id: row.ended_because for row in desk.world.enrollments("countdown")}
    assert ended == {"wi-2027-board": "goal_reached", "wi-2027-council": None}
    assert [(row.occasion, row.window_id) for row in desk.world.enrollments("after")] == [
        ("window:wi-2027-board", "wi-2027-board")
    ]
    assert "filed" in desk.says("windows", "show", "wi-2027-board")


def test_filing_for_the_second_window_is_news_too(desk: Desk) -> None:
    """Her stage is filed already; the other window's countdown ends all the same, and its own follow-up begins."""
    desk.says("windows", "import", write(desk, board(), COUNCIL), "--yes")
    for window in ("wi-2027-board", "wi-2027-council", "wi-2027-council"):
        desk.says("people", "set", "maria@example.org", "stage=filed", "--window", window)
        desk.world.now = at("11-24 10:00") if window == "wi-2027-board" else desk.world.now
    assert {row.occasion for row in desk.world.enrollments("after")} == {
        "window:wi-2027-board", "window:wi-2027-council",
    }  # fmt: skip
    assert len([row for row in desk.world.rows("event", "name", "window_id") if row.name == "stage"]) == 2


def test_an_unknown_window_is_named(desk: Desk) -> None:
    """A slip gets a hint; without any window it is said how to import them."""
    said = desk.says("people", "set", "ben@example.org", "stage=filed", "--window", "wi", code=2)
    assert said == "There is no filing window wi. Import them: rfs-mail windows import FILE\n"


def test_status_tells_windows_nobody_may_trust(desk: Desk) -> None:
    """A window ahead whose sources disagree is somebody's work; one that has closed is not."""
    desk.says("windows", "import", write(desk, board(confidence="conflict"), COUNCIL), "--yes")
    troubles = [one for one in desk.json("status", code=1)["status"]["troubles"] if one["kind"] == "window"]
    assert [(one["number"], one["remedy"]) for one in troubles] == [
        (1, "`windows show wi-2027-board`, find out, import")
    ]
    desk.world.now = at("12-31 10:00")
    desk.says("windows", "import", write(desk, board()), "--yes")
    assert [one for one in desk.json("status", code=1)["status"]["troubles"] if one["kind"] == "window"] == []


# -- official lists ----------------------------------------------------------------------------------------------------


def test_a_list_of_candidates_is_decided_by_staff(desk: Desk) -> None:
    """Shown with scores, accepted or declined by number; nothing is recorded before."""
    desk.says("windows", "import", write(desk, board(), COUNCIL), "--yes")
    desk.world.now = at("12-20 10:00")
    path = desk.world.folder / "list.csv"
    path.write_text('name,office,county\n"LOPEZ, MARIA",School Board,Dane\nCher,,\n', encoding="utf-8")
    said = desk.says("windows", "match", str(path), "--state", "WI", code=1)
    assert said.startswith("list.csv: 2 rows, 1 may be ours (1 new to decide), 0 withdrawn or out\n  line 3: 'Cher'")
    assert "100  LOPEZ, MARIA  School Board, Dane, WI  Maria Lopez maria@example.org  wi-2027-board  " in said
    assert desk.world.rows("candidacy", "window_id") == []
    (number,) = [row["id"] for row in desk.json("windows", "match")]
    assert "no open match 99" in desk.says("windows", "match", "--accept", "99", code=2)
    assert desk.says("windows", "match", "--accept", str(number)) == "maria@example.org filed for wi-2027-board.\n"
    assert desk.says("windows", "match") == "No match waits for a decision.\n"
    assert [row["state"] for row in desk.json("windows", "match", "--all")] == ["accepted"]
    assert [row.status for row in desk.world.rows("candidacy", "status")] == ["filed"]


# -- with the verbs ----------------------------------------------------------------------------------------------------


def test_mail_about_a_window_goes_before_and_after_it_moves(desk: Desk) -> None:
    """What follows a filing is sent; what waits when a window moves is planned anew, takes the version, and goes."""
    desk.says("windows", "import", write(desk, board(), COUNCIL), "--yes")
    desk.says("people", "set", "maria@example.org", "stage=filed", "--window", "wi-2027-board")
    desk.world.tick("11-24 10:00")
    assert desk.world.sent == [("11-24 10:00", "maria", "congrats")]
    queue(desk, desk.world.person("p1", "11-25 10:00"), "congrats", campaign="after")
    desk.says("windows", "import", write(desk, board("2027-01-08")), "--yes")
    desk.world.tick("11-25 11:00")
    assert desk.world.sent == [("11-24 10:00", "maria", "congrats"), ("11-25 11:00", "p1", "congrats")]
    assert [row.window_version for row in desk.world.deliveries()] == [1, 2]


def test_the_old_version_is_held_where_nobody_planned_anew(desk: Desk) -> None:
    """The gate alone refuses it: a delivery of version 1 of a window that is at version 2 does not leave."""
    desk.says("windows", "import", write(desk, board()), "--yes")
    desk.world.tick("11-23 11:00")  # the walk after the release is over
    desk.says("people", "set", "maria@example.org", "stage=filed", "--window", "wi-2027-board")
    table = TABLES["filing_window"]
    with desk.world.store.begin() as connection:
        connection.execute(table.update().values(version=2))
        connection.execute(TABLES["enrollment"].update().values(window_version=1))
    desk.world.tick("11-24 10:00")
    assert [(row.state, row.reason) for row in desk.world.deliveries()] == [("queued", "held_window")]


def test_a_cancelled_window_ends_its_countdown(desk: Desk) -> None:
    """The next pass asks the exits of everybody on her way to it: what waits is skipped, other windows' mail is not."""
    desk.says("windows", "import", write(desk, board(), COUNCIL), "--yes")
    for name, window in (("p1", "wi-2027-board"), ("p2", "wi-2027-council")):
        queue(desk, desk.world.person(name, "12-29 11:00"), "t7", window=window)
    path = desk.world.folder / "off.csv"
    path.write_text(HEAD.strip() + ",status\n" + board().strip() + ",cancelled\n", encoding="utf-8")
    said = desk.says("windows", "import", str(path), "--yes")
    assert "confirmed -> cancelled: 2 people, 1 mail not sent any more\n" in said
    desk.world.tick("12-29 12:00")
    assert {row.window_id: (row.state, row.reason) for row in desk.world.deliveries()} == {
        "wi-2027-board": ("skipped", "exited"), "wi-2027-council": ("sent", None),
    }  # fmt: skip


def test_who_filed_is_said_with_the_office(desk: Desk) -> None:
    """Without it her countdown would go on; who wants nothing that is ahead has no office to name."""
    desk.says("windows", "import", write(desk, board(), COUNCIL), "--yes")
    said = desk.says("people", "set", "maria@example.org", "stage=filed", code=2)
    assert "She wants wi-2027-board, wi-2027-council. Say it: --window wi-2027-board" in " ".join(said.split())
    assert "stage" in desk.says("people", "set", "ben@example.org", "stage=filed")
