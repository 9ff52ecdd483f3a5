"""Filing windows in the database: changes with versions, who hangs on them, whom to call; the same on both."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Connection, select

from rfs_mail.core.filing_windows import FilingWindow, compare
from rfs_mail.core.interest import Interest, wants
from rfs_mail.store import enrollments, outbox, windows
from rfs_mail.store.database import Store
from rfs_mail.store.events import add_event
from rfs_mail.store.interests import add_interests
from rfs_mail.store.tables import TABLES
from tests.recipients import add_campaign, add_delivery, add_person, touched


def a_window(name: str = "wi-2027-board", **changes: Any) -> FilingWindow:
    values: dict[str, Any] = {
        "state": "WI", "office_level": "school_board", "closes_on": "2027-01-05", "closes_time": "17:00",
        "zone": "America/Chicago", "confidence": "official", "source": "https://x.example",
        "election_on": "2027-04-06", "milestones": {"petition_due": "2027-01-05 17:00", "withdrawal": "2027-01-12"},
    }  # fmt: skip
    return FilingWindow(id=name, **(values | changes))


def put(store: Store, window: FilingWindow, now: datetime, old: FilingWindow | None = None) -> int | None:
    change = compare(old, window)
    assert change is not None
    with store.begin() as connection:
        return windows.apply_change(connection, change, file="f.csv", by="ana", now=now)


def a_person(store: Store, name: str, now: datetime, *interests: Interest, **fields: Any) -> int:
    with store.begin() as connection:
        who = add_person(connection, f"{name}@example.org", now=now, **fields)
        add_interests(connection, [(who, one) for one in interests], now=now)
        return who


def test_a_window_comes_back_as_it_went_in(store: Store, now: datetime) -> None:
    """All facts, milestones with and without an hour, and the first version of its history."""
    assert put(store, a_window(), now) == 1
    with store.read() as connection:
        found = windows.get(connection, "wi-2027-board")
        assert found is not None
        assert (found.window, found.version, found.updated_at) == (a_window(), 1, now)
        ((row, said),) = windows.versions_of(connection, "wi-2027-board")
        assert ((row.version, row.by, row.file, row.at), said) == ((1, "ana", "f.csv", now), a_window())
        assert windows.get(connection, "other") is None


def test_a_version_grows_where_mail_hangs_on_it(store: Store, now: datetime) -> None:
    """A move is the next version, a source the same one; every one is kept, and a milestone taken back is gone."""
    moved = a_window(closes_on="2027-01-08", milestones={"petition_due": "2027-01-08 17:00"})
    sourced = a_window(closes_on="2027-01-08", milestones=moved.milestones, source="https://y.example")
    put(store, a_window(), now)
    assert put(store, moved, now, a_window()) == 2
    assert put(store, sourced, now, moved) == 2
    with store.read() as connection:
        found = windows.get(connection, "wi-2027-board")
        assert found is not None
        assert (found.window, found.version) == (sourced, 2)
        history = windows.versions_of(connection, "wi-2027-board")
        assert [(row.version, window.closes_on, window.source) for row, window in history] == [
            (1, "2027-01-05", "https://x.example"), (2, "2027-01-08", "https://x.example"),
            (2, "2027-01-08", "https://y.example"),
        ]  # fmt: skip


def test_who_was_slower_changes_nothing(store: Store, now: datetime) -> None:
    """A change made from what is no longer stored writes nothing, a new window that exists among it."""
    put(store, a_window(), now)
    assert put(store, a_window(), now) is None
    put(store, a_window(status="moved"), now, a_window())
    assert put(store, a_window(closes_on="2027-01-07"), now, a_window()) is None
    with store.read() as connection:
        assert [row.version for row, _ in windows.versions_of(connection, "wi-2027-board")] == [1, 2]


def test_windows_are_listed_by_their_closing(store: Store, now: datetime) -> None:
    """The nearest first, those without a closing last; narrowed by state, level and day."""
    put(store, a_window("b", closes_on="2027-02-01"), now)
    put(store, a_window("a", closes_on="", closes_time=None, confidence="conflict", state="OH"), now)
    put(store, a_window("c", closes_on="2026-11-22", office_level="judicial"), now)

    def ids(**how: Any) -> list[str]:
        with store.read() as connection:
            return [one.window.id for one in windows.listing(connection, **how)]

    assert ids() == ["c", "b", "a"]
    assert ids(closes_from="2026-11-23") == ["b", "a"]
    assert (ids(state="OH"), ids(office_level="judicial"), ids(ids=["b", "x"])) == (["a"], ["c"], ["b"])
    with store.read() as connection:
        assert [row.id for row in windows.doubtful(connection, now=now)] == ["a"]


LEVELS = ("", "school_board", "local_any", "judicial", "state_lower", "state_legislature")


def test_who_wants_a_window_is_the_same_in_sql_and_python(store: Store, now: datetime) -> None:
    """Over levels, states, divisions, years and paths, `people_of` finds whom `core.interest.wants` says."""
    asked = [
        a_window("w1"), a_window("w2", office_level="local_any", state="OH"), a_window("w3", office_level="judicial"),
        a_window("w4", office_level="state_legislature", division="north", election_on="2028-11-07"),
        a_window("w5", office_level="municipal", election_on=""),
        a_window("w6", party_path="unaffiliated", election_on="2028-11-07"),
        a_window("w7", party_path="major_party"), a_window("w8", incumbency="incumbent", election_on="2028-11-07"),
        a_window("w9", incumbency="non_incumbent", party_path="nonpartisan"),
    ]  # fmt: skip
    expected: dict[str, set[int]] = {one.id: set() for one in asked}
    number = 0
    for level in LEVELS:
        for state, home in (("", "WI"), ("OH", "WI"), ("", None)):
            for division, year, path, incumbent in (
                ("", None, "", False), ("north", 2028, "unaffiliated", True), ("", 2027, "major_party", False),
            ):  # fmt: skip
                number += 1
                mine = Interest(level, state, division, year, path, incumbent)
                who = a_person(store, f"p{number}", now, mine, state=home)
                for one in asked:
                    if wants(
                        mine, home, office_level=one.office_level, state=one.state, division=one.division,
                        election_on=one.election_on, party_path=one.party_path, incumbency=one.incumbency,
                    ):  # fmt: skip
                        expected[one.id].add(who)
    with store.read() as connection:
        assert windows.people_of(connection, asked) == expected
        assert windows.people_of(connection, []) == {}
    assert all(expected[name] for name in ("w1", "w2", "w4", "w6", "w7", "w8", "w9"))


def test_who_is_under_way_hangs_on_the_window(store: Store, now: datetime) -> None:
    """An active enrollment about a window counts, an ended one does not; waiting mail is counted by step and zone."""
    put(store, a_window(), now)
    with store.begin() as connection:
        add_campaign(connection, "countdown", now=now)
        found = []
        for number, (zone, state) in enumerate(
            (("America/Chicago", "queued"), ("America/Chicago", "queued"), ("America/Denver", "queued"),
             ("America/Denver", "sent"))
        ):  # fmt: skip
            who = add_person(connection, f"p{number}@example.org", now=now, zone=zone)
            add_delivery(
                connection, who, now=now, state=state, campaign_id="countdown", step_key="t3",
                window_id="wi-2027-board", window_version=1,
            )  # fmt: skip
            found.append(who)
        table = TABLES["enrollment"]
        connection.execute(table.update().values(window_id="wi-2027-board"))
        connection.execute(table.update().where(table.c.person_id == found[3]).values(state="finished"))
    with store.read() as connection:
        assert windows.people_of(connection, [a_window()]) == {"wi-2027-board": set(found[:3])}
        queued = windows.queued_of(connection, ["wi-2027-board", "other"])
        assert [(row.step_key, row.zone, row.number) for row in queued] == [
            ("t3", "America/Chicago", 2), ("t3", "America/Denver", 1),
        ]  # fmt: skip


def test_whom_to_call_before_a_window_closes(store: Store, now: datetime) -> None:
    """Who wants it and has not filed, once for each window; not who withdrew, filed, or said she does not run."""
    put(store, a_window(closes_on="2026-12-07"), now)
    put(store, a_window("wi-2027-other", closes_on="2026-12-07"), now)
    put(store, a_window("wi-late", closes_on="2026-12-08"), now)
    put(store, a_window("wi-off", closes_on="2026-12-01", status="cancelled"), now)
    put(store, a_window("wi-over", closes_on="2026-11-22"), now)
    board = Interest("school_board")
    twice = (board, Interest("", "WI"))
    ada = a_person(store, "ada", now, *twice, state="WI")
    ben = a_person(store, "ben", now, board, state="WI")
    a_person(store, "cleo", now, board, state="WI", stage="not_now")
    a_person(store, "dora", now, board, state="OH")
    a_person(store, "elsa", now, state="WI")
    with store.begin() as connection:
        for who, window, status in (
            (ben, "wi-2027-board", "filed"), (ben, "wi-2027-other", "withdrawn"), (ada, "wi-2027-board", "circulating"),
        ):  # fmt: skip
            connection.execute(
                TABLES["candidacy"].insert().values(person_id=who, window_id=window, status=status, at=now)
            )
        for name, value, at in (
            ("clicked", "human", now - timedelta(days=3)), ("answered", "need_help", now - timedelta(days=2)),
            ("clicked", "machine", now - timedelta(days=1)),
        ):  # fmt: skip
            connection.execute(
                TABLES["event"]
                .insert()
                .values(person_id=ada, name=name, ref="t7", value=value, active=False, at=at, received_at=at, detail={})
            )
    with store.read() as connection:
        rows = windows.closing(connection, now=now, within=timedelta(days=14))
        assert [(row.window_id, row.person_id, row.candidacy) for row in rows] == [
            ("wi-2027-board", ada, "circulating"), ("wi-2027-other", ada, None),
        ]  # fmt: skip
        assert (rows[0].last_did, rows[0].last_said, rows[0].last_at) == (
            "answered", "need_help", now - timedelta(days=2),
        )  # fmt: skip
        assert windows.closing(connection, now=now, within=timedelta(days=13)) == []
        assert windows.closing(connection, now=now, within=timedelta(days=14), state="OH") == []
        assert windows.standing_in(connection, "wi-2027-board") == {"circulating": 1, "filed": 1}


@pytest.mark.parametrize("count", [1, 101])
def test_many_windows_are_asked_at_once(store: Store, now: datetime, count: int) -> None:
    """More windows than one statement takes are asked in several."""
    who = a_person(store, "ada", now, Interest("school_board"), state="WI")
    asked = [a_window(f"w{number}") for number in range(count)]
    with store.read() as connection:
        assert windows.people_of(connection, asked) == {one.id: {who} for one in asked}


def on_their_way(connection: Connection, now: datetime, *ways: tuple[str | None, str, str]) -> list[tuple[int, int]]:
    """(enrollment, mail) of each (window, campaign, state of the mail), planned by the first version of the window."""
    made = []
    for number, (window, campaign, state) in enumerate(ways):
        who = add_person(connection, f"p{number}@example.org", now=now)
        about = {"window_id": window, "window_version": 1 if window else None}
        mail = add_delivery(connection, who, now=now, state=state, campaign_id=campaign, **about)
        mine = TABLES["enrollment"].c.waiting_on == mail
        connection.execute(TABLES["enrollment"].update().where(mine).values(step_key="t7", due_at=now, **about))
        one = connection.execute(select(TABLES["enrollment"].c.id).where(mine)).scalar_one()
        made.append((one, mail))
    return made


BOARD = "wi-2027-board"


def test_a_walk_finds_together_who_shares_a_plan(store: Store, now: datetime) -> None:
    """Of a range of a campaign: enrollments and their waiting mail by step, window and zone; nobody is left out."""
    with store.begin() as connection:
        ways = [(BOARD, "countdown", "queued"), (BOARD, "countdown", "sent"), ("other", "countdown", "queued"),
                (BOARD, "after", "queued"), (BOARD, "countdown", "queued")]  # fmt: skip
        first, second, third, fourth, fifth = on_their_way(connection, now, *ways)
        waits = TABLES["enrollment"].c.id == second[0]
        connection.execute(TABLES["enrollment"].update().where(waits).values(waiting_since=now))
        standing = enrollments.standing_together(connection, "countdown", after=0, up_to=fourth[0], now=now)
        waiting = outbox.waiting_together(connection, "countdown", after=0, up_to=fifth[0])
    assert sorted((row.window_id, row.window_version, row.timed, sorted(row.ids)) for row in standing) == [
        ("other", 1, True, [third[0]]), (BOARD, 1, False, [second[0]]), (BOARD, 1, True, [first[0]]),
    ]  # fmt: skip
    assert sorted((row.about, row.window_id, sorted(row.ids)) for row in waiting) == [
        ("other", "other", [third[1]]), (BOARD, BOARD, [first[1], fifth[1]]),
    ]  # fmt: skip


def test_what_is_planned_anew_says_by_which_version(store: Store, now: datetime) -> None:
    """Times and versions are written where they differ; who has ended, and mail that has left, keep theirs."""
    later, limit = now + timedelta(days=3), now + timedelta(days=5)
    delivery, enrollment = TABLES["delivery"], TABLES["enrollment"]
    with store.begin() as connection:
        ways = [(BOARD, "countdown", "queued"), (BOARD, "countdown", "sent"), (BOARD, "countdown", "queued")]
        made = on_their_way(connection, now, *ways)
        held = later + timedelta(days=1)
        connection.execute(delivery.update().where(delivery.c.id == made[0][1]).values(not_before=held))
        connection.execute(enrollment.update().where(enrollment.c.id == made[1][0]).values(state="exited"))
        enrollments.retime(connection, {(later, True, 2): [one for one, _ in made[:2]]})
        enrollments.take_versions(connection, {3: [made[2][0]], None: [made[0][0]]})
        outbox.retime(connection, {(later, limit, 2): [mail for _, mail in made[:2]]})
        outbox.take_versions(connection, {3: [made[2][1]], None: [made[0][1]]})
        mails = select(delivery.c.due_at, delivery.c.next_at, delivery.c.not_after, delivery.c.window_version)
        before = connection.execute(mails.where(delivery.c.id == made[2][1])).one()
        ways_now = select(enrollment.c.due_at, enrollment.c.planned, enrollment.c.window_version)
        assert [tuple(row) for row in connection.execute(ways_now.order_by(enrollment.c.id))] == [
            (later, True, 2), (now, False, 1), (now, False, 3),
        ]  # fmt: skip
        rows = [tuple(row) for row in connection.execute(mails.order_by(delivery.c.id))]
        assert rows[0] == (later, held, limit, 2)
        assert rows[1][0] != later
        assert rows[2] == (now, *before[1:3], 3)


def test_only_who_has_an_older_version_is_asked_again(store: Store, now: datetime) -> None:
    """Nobody twice, and nobody where nothing is asked for."""
    put(store, a_window(), now)
    put(store, a_window(status="moved"), now, a_window())
    with store.begin() as connection:
        made = on_their_way(connection, now, (BOARD, "countdown", "queued"), (BOARD, "countdown", "queued"))
        last = made[-1][0]
        assert enrollments.touch_turned(connection, "countdown", after=0, up_to=last, now=now) == 0
        enrollments.take_versions(connection, {2: [made[0][0]]})
        assert enrollments.touch_turned(connection, "countdown", everybody=True, after=0, up_to=last, now=now) == 1
        assert touched(connection) == set(enrollments.of_people(connection, [last]).values())


def test_who_enters_about_a_window_has_its_version(store: Store, now: datetime) -> None:
    """An enrollment that begins with a stage about a window is planned by the version that window has."""
    put(store, a_window(), now)
    put(store, a_window(status="moved"), now, a_window())
    who = a_person(store, "ada", now)
    admission = enrollments.Admission("after", 1, "rfs", "running", "congrats")
    with store.begin() as connection:
        add_event(connection, who, "stage", value="filed", at=now, now=now, window_id="wi-2027-board")
        entered = enrollments.enroll_by_event(
            connection, admission, name="stage", stage="filed", since=now, now=now, per_window=True, ids=[who]
        )
        (row,) = connection.execute(select(TABLES["enrollment"]))
        assert (entered, row.window_id, row.window_version) == (1, "wi-2027-board", 2)
