"""Somebody lives elsewhere or wants another office: countdowns that are not hers any more end, hers begin or go on."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from rfs_mail.core.interest import Interest
from rfs_mail.core.reasons import sentence
from rfs_mail.engine.advance import advance
from rfs_mail.engine.desk import set_fields
from rfs_mail.engine.live import look
from rfs_mail.engine.react import react
from rfs_mail.engine.wishes import Changed, Wishes, change_wishes, paths_in, wishes_of
from rfs_mail.store import candidacies, people
from rfs_mail.store.database import Store
from tests.engine.test_filing_windows import COUNCIL, COUNTDOWN, SCHOOLS, day, knows, wants, went
from tests.recipients import touched
from tests.world import World

TEXAS = replace(COUNCIL, id="tx-2027-municipal", state="TX", closes_on="2027-01-11", source="https://example.org/tx")
LATER = replace(SCHOOLS, closes_on="2027-01-12")
COUNCIL_SEAT, BOARD_SEAT = Interest("municipal"), Interest("school_board")


@pytest.fixture
def world(store: Store, tmp_path: Path) -> World:
    """A countdown, applied in November; the three windows are known."""
    made = World(store, tmp_path, {"countdown": COUNTDOWN})
    made.apply(day("2026-11-10 12:00"))
    return made


def change(world: World, who: int, interests: Sequence[Interest] | None, **fields: object) -> Changed:
    """Somebody says it now."""
    with world.store.begin() as connection:
        return change_wishes(
            connection, look(connection), who, interests=interests, fields=fields, source="a test", now=world.now
        )


def standing(world: World) -> dict[str, tuple[str, str | None]]:
    """Window -> state of its countdown and why it ended."""
    return {row.window_id: (row.state, row.ended_because) for row in world.enrollments()}


def test_who_moved_leaves_one_countdown_and_enters_another(world: World) -> None:
    """In one transaction: nothing of the old office is sent any more, and that of the new one has begun."""
    knows(world, COUNCIL, TEXAS)
    who = wants(world, "ana", "municipal")
    world.now = day("2026-11-27 17:00")
    react(world.store, now=world.now)
    advance(world.store, now=world.now)
    world.tick(day("2027-01-01 12:00"))
    world.now = day("2027-01-02 16:00")
    advance(world.store, now=world.now)
    assert [("b", "queued")] == [(row.step_key, row.state) for row in world.deliveries()]
    assert Changed(("state",), False, (COUNCIL.id,), 0, 0, 1) == change(world, who, None, state="TX")
    assert {COUNCIL.id: ("exited", "not_wanted"), TEXAS.id: ("active", None)} == standing(world)
    (mail,) = world.deliveries()
    assert ("skipped", "not_wanted", {"window": COUNCIL.id}) == (mail.state, mail.reason, mail.detail)
    assert f"the filing window {COUNCIL.id} any more" in sentence(mail.reason, mail.detail)
    for when in ("01-04 15:00", "01-08 16:00", "01-10 15:00"):
        world.tick(day(f"2027-{when}"))
    assert [("01-08 16:00", "ana", "b"), ("01-10 15:00", "ana", "c")] == went(world)
    with world.store.read() as connection:
        found = people.get_person(connection, who)
    assert found is not None
    assert "America/Chicago" == found.zone


def test_the_same_again_changes_nothing(world: World) -> None:
    """No event, nobody to ask again, and the countdown goes on."""
    knows(world, COUNCIL)
    who = wants(world, "ana", "municipal")
    world.tick(day("2026-11-27 17:00"))
    assert Changed() == change(world, who, [COUNCIL_SEAT], state="WI")
    assert Changed() == change(world, who, None)
    assert [] == [row for row in world.rows("event", "name") if row.name == "changed_wishes"]
    with world.store.read() as connection:
        assert set() == touched(connection)
    assert {COUNCIL.id: ("active", None)} == standing(world)


def test_one_countdown_for_two_offices_goes_on_for_the_one_she_still_wants(world: World) -> None:
    """They close at one minute: the mail that waits is about the other office then, and nothing ends."""
    knows(world, COUNCIL, SCHOOLS)
    who = wants(world, "ana", "municipal", "school_board")
    world.tick(day("2026-12-01 12:00"))
    world.now = day("2027-01-02 16:00")
    advance(world.store, now=world.now)
    said = change(world, who, [BOARD_SEAT])
    assert Changed((), True, (), 1, 0, 0) == said
    assert {SCHOOLS.id: ("active", None)} == standing(world)
    world.tick()
    assert [(SCHOOLS.id, "sent")] == [(row.window_id, row.state) for row in world.deliveries()]


def test_two_countdowns_are_told_apart(world: World) -> None:
    """Giving up the council ends the council's and no other."""
    knows(world, COUNCIL, LATER)
    who = wants(world, "ana", "municipal", "school_board")
    world.tick(day("2026-12-01 12:00"))
    assert (COUNCIL.id,) == change(world, who, [BOARD_SEAT]).given_up
    assert {COUNCIL.id: ("exited", "not_wanted"), LATER.id: ("active", None)} == standing(world)


def test_who_changes_her_mind_again_goes_on_at_the_next_step_ahead(world: World) -> None:
    """Nobody is enrolled twice for one window, so its countdown is taken up where it stood; nothing comes late."""
    knows(world, COUNCIL)
    who = wants(world, "ana", "municipal")
    world.tick(day("2026-11-21 16:00"))
    change(world, who, [])
    world.tick(day("2027-01-02 16:00"))
    assert {COUNCIL.id: ("exited", "not_wanted")} == standing(world)
    world.now = day("2027-01-03 12:00")
    assert 1 == change(world, who, [COUNCIL_SEAT]).taken_up
    for when in ("01-03 13:00", "01-04 15:00"):
        world.tick(day(f"2027-{when}"))
    assert [("01-04 15:00", "ana", "c"), ("11-21 16:00", "ana", "a")] == went(world)
    assert ("b", "skipped", "missed") in world.steps()


def test_what_was_skipped_when_she_gave_up_does_not_come_back(world: World) -> None:
    """A mail that waited and was skipped stays skipped; the next one waits for nothing that is settled."""
    knows(world, COUNCIL)
    who = wants(world, "ana", "municipal")
    world.tick(day("2026-11-21 16:00"))
    world.now = day("2027-01-02 16:00")
    advance(world.store, now=world.now)
    change(world, who, [])
    change(world, who, [COUNCIL_SEAT])
    for when in ("01-02 17:00", "01-04 15:00"):
        world.tick(day(f"2027-{when}"))
    assert [("a", "sent"), ("b", "skipped"), ("c", "sent")] == [(row.step_key, row.state) for row in world.deliveries()]


def test_another_office_that_closes_with_it_takes_its_countdown_up(world: World) -> None:
    """A person is in a campaign once for all windows of one closing."""
    knows(world, COUNCIL, SCHOOLS)
    who = wants(world, "ana", "municipal")
    world.tick(day("2026-12-01 12:00"))
    change(world, who, [])
    assert 1 == change(world, who, [BOARD_SEAT]).taken_up
    assert {SCHOOLS.id: ("active", None)} == standing(world)
    assert Changed((), True, (), 0, 0, 0) == change(world, who, [COUNCIL_SEAT, BOARD_SEAT])


def test_her_own_window_comes_before_those_that_close_with_it(world: World) -> None:
    """What is taken up is what it was, where she wants that again."""
    knows(world, COUNCIL, SCHOOLS)
    who = wants(world, "ana", "school_board")
    world.tick(day("2026-12-01 12:00"))
    change(world, who, [])
    assert 1 == change(world, who, [COUNCIL_SEAT, BOARD_SEAT]).taken_up
    assert {SCHOOLS.id: ("active", None)} == standing(world)


def test_nothing_is_taken_up_beside_a_countdown_to_the_same_minute(world: World) -> None:
    """Two windows that closed apart close together now: one countdown speaks for both."""
    knows(world, COUNCIL, LATER)
    who = wants(world, "ana", "municipal", "school_board")
    world.tick(day("2026-12-01 12:00"))
    change(world, who, [COUNCIL_SEAT])
    knows(world, replace(COUNCIL, closes_on=LATER.closes_on))
    world.tick(day("2026-12-01 13:00"))
    assert 0 == change(world, who, [COUNCIL_SEAT, BOARD_SEAT]).taken_up
    assert {COUNCIL.id: ("active", None), LATER.id: ("exited", "not_wanted")} == standing(world)


def test_the_news_of_a_move_is_not_told_again(store: Store, tmp_path: Path) -> None:
    """What happened once is over when she comes back to the window; only countdowns go on."""
    moved = "entry: {per: filing_window, on: moved}\nsteps:\n  - {key: a, at: entry + 1h, mail: a}\n"
    world = World(store, tmp_path, {"moved": moved})
    world.apply(day("2026-11-10 12:00"))
    knows(world, COUNCIL)
    who = wants(world, "ana", "municipal")
    world.tick(day("2026-12-01 12:00"))
    knows(world, replace(COUNCIL, closes_on="2027-01-08"))
    world.tick(day("2026-12-01 12:30"))
    assert {COUNCIL.id: ("active", None)} == standing(world)
    assert (COUNCIL.id,) == change(world, who, []).given_up
    assert 0 == change(world, who, [COUNCIL_SEAT]).taken_up
    world.tick(day("2026-12-01 15:00"))
    assert [] == went(world)


def test_a_window_that_has_closed_is_not_taken_up(world: World) -> None:
    """There is nothing left to count down to."""
    knows(world, COUNCIL)
    who = wants(world, "ana", "municipal")
    world.tick(day("2026-12-01 12:00"))
    change(world, who, [])
    world.now = day("2027-01-08 12:00")
    assert Changed((), True, (), 0, 0, 0) == change(world, who, [COUNCIL_SEAT])
    assert {COUNCIL.id: ("exited", "not_wanted")} == standing(world)


def test_what_she_has_filed_for_is_hers(store: Store, tmp_path: Path) -> None:
    """Whatever she says that she wants, what a campaign tells candidates about their window goes on."""
    tips = COUNTDOWN.replace("goal: filed(window)\n", "").replace('stage != "filed"', "true")
    world = World(store, tmp_path, {"tips": tips.replace("audience: true\n", "")})
    world.apply(day("2026-11-10 12:00"))
    knows(world, COUNCIL)
    who = wants(world, "ana", "municipal")
    world.tick(day("2026-12-01 12:00"))
    with world.store.begin() as connection:
        candidacies.set_status(connection, who, COUNCIL.id, "on_ballot", evidence="a test", now=world.now)
    assert () == change(world, who, []).given_up
    assert {COUNCIL.id: ("active", None)} == standing(world)


def test_what_staff_write_down_does_the_same(world: World) -> None:
    """Another office or another state ends a countdown, and what they add takes it up."""
    knows(world, COUNCIL)
    wants(world, "ana", "municipal")
    world.tick(day("2026-12-01 12:00"))
    over, on = ("exited", "not_wanted"), ("active", None)
    for said, then in (("wants=judge", over), ("wants+=municipal", on), ("state=TX", over), ("state=WI", on)):
        set_fields(world.store, "ana@example.org", [said], window=None, by="ana", now=world.now)
        assert {COUNCIL.id: then} == standing(world)


def test_a_paused_campaign_gives_up_as_well(world: World) -> None:
    """A pause stops sending, not what she says."""
    knows(world, COUNCIL)
    who = wants(world, "ana", "municipal")
    world.tick(day("2026-12-01 12:00"))
    world.pause("countdown")
    assert (COUNCIL.id,) == change(world, who, []).given_up


def test_what_is_known_of_her_windows(world: World) -> None:
    """Those that close together are one, the nearest first; closed, called off and filed for are left out."""
    gone = replace(COUNCIL, id="wi-2026-old", closes_on="2026-11-30")
    off = replace(COUNCIL, id="wi-2027-off", closes_on="2026-12-30", status="cancelled")
    today = replace(COUNCIL, id="wi-2026-today", closes_on="2026-12-01", closes_time=None)
    unknown = replace(COUNCIL, id="wi-2028", closes_on="", closes_time=None, opens_on=None, confidence="unknown")
    other = replace(SCHOOLS, party_path="unaffiliated")
    knows(world, COUNCIL, LATER, gone, off, today, unknown, replace(TEXAS, party_path="major_party"))
    who = wants(world, "ana", "municipal", "school_board")
    world.now = day("2026-12-01 23:30")

    def known() -> Wishes:
        with world.store.read() as connection:
            person = people.get_person(connection, who)
            assert person is not None
            return wishes_of(connection, person, now=world.now)

    def ids() -> list[list[str]]:
        return [[about.window.id for about in closing] for closing in known().closings]

    assert (COUNCIL_SEAT, BOARD_SEAT) == known().interests
    assert [["wi-2026-today"], [COUNCIL.id], [LATER.id], ["wi-2028"]] == ids()
    world.now = day("2026-12-02 06:30")
    knows(world, SCHOOLS)
    assert [[COUNCIL.id, SCHOOLS.id], ["wi-2028"]] == ids()
    with world.store.begin() as connection:
        candidacies.set_status(connection, who, COUNCIL.id, "filed", evidence="a test", now=world.now)
    knows(world, other)
    assert [["wi-2028"]] == ids()
    with world.store.read() as connection:
        found = [paths_in(connection, state, now=world.now) for state in ("WI", "TX", "OH")]
    assert [("unaffiliated",), ("major_party",), ()] == found
