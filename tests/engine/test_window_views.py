"""What staff see of filing windows: explain, the timeline, figures, agenda and previews say which window, and why."""

from dataclasses import replace
from pathlib import Path

import pytest

from rfs_mail.core.filing_windows import FilingWindow
from rfs_mail.core.interest import Interest
from rfs_mail.core.timing import Civil
from rfs_mail.engine import deliveries, figures, naming
from rfs_mail.engine.agenda import agenda
from rfs_mail.engine.deliveries import Asked
from rfs_mail.engine.doors import enters_from, span
from rfs_mail.engine.explain import CampaignAnswer, WindowAnswer, explain
from rfs_mail.engine.filings import record_status
from rfs_mail.engine.gate import Rules
from rfs_mail.engine.her_windows import her_windows, say_closing, say_wish
from rfs_mail.engine.live import look
from rfs_mail.engine.timeline import life
from rfs_mail.store.database import Store
from rfs_mail.store.interests import add_interests
from tests.engine.test_filing_windows import COUNCIL, COUNTDOWN, SCHOOLS, day, knows, wants
from tests.world import World

COUNTY = replace(COUNCIL, id="wi-2027-county", office_level="county", office="County board", closes_on="2027-01-12",
                 division="Dane")  # fmt: skip
NO_HOUR = replace(COUNCIL, id="wi-2027-judge", office_level="judicial", office="Judge", closes_time=None)


@pytest.fixture
def world(sqlite_store: Store, tmp_path: Path) -> World:
    """A countdown, applied in November before anybody's time has come."""
    made = World(sqlite_store, tmp_path, {"countdown": COUNTDOWN})
    made.apply(day("2026-11-10 12:00"))
    return made


def asked(world: World, name: str = "ana", campaign: str | None = "countdown") -> CampaignAnswer:
    with world.store.read() as connection:
        rules = Rules(world.app.caps, world.app.settings.only_to)
        found = explain(connection, f"{name}@example.org", campaign=campaign, rules=rules, now=world.now)
    return next(one for one in found.campaigns if one.campaign == "countdown")


def of(answer: CampaignAnswer) -> dict[str, WindowAnswer]:
    return {one.window.id: one for one in answer.windows}


def why(answer: CampaignAnswer | WindowAnswer) -> list[str]:
    return [one.told.sentence.removeprefix("nothing started it: ") for one in answer.obstacles]


# -- explain -----------------------------------------------------------------------------------------------------------


def test_each_window_of_hers_says_how_it_stands(world: World) -> None:
    """One block a window: closing in the office's words, whether it is hers for sure, from when people enter."""
    knows(world, COUNCIL, COUNTY)
    who = wants(world, "ana", "municipal", zone="America/New_York")
    with world.store.begin() as connection:
        add_interests(connection, [(who, Interest("county", division="Dane"))], now=world.now)
    world.tick(day("2026-11-21 06:30"))
    answer = asked(world)
    council, county = answer.windows
    assert ("wi-2027-municipal", "Tue 5 Jan 2027 17:00 Central time", 45, True) == (
        council.window.id, council.window.closes, council.window.days_left, council.window.approximate,
    )  # fmt: skip
    assert (True, "Sat 21 Nov 2026 on (45 days before filing closes)") == (council.entered, council.enters)
    (enrollment,) = answer.enrollments
    assert ("wi-2027-municipal", "America/Chicago") == (enrollment.window_id, enrollment.office_zone)
    assert ["a", "b", "c"] == [one.key for one in enrollment.steps]
    assert (False, False) == (county.entered, county.window.approximate)
    assert [
        "for the window wi-2027-county it takes people in from Sat 28 Nov 2026 on (45 days before filing closes)"
    ] == why(county)


def test_the_day_people_enter_is_the_one_enroll_takes(world: World) -> None:
    """`from: closes - 45d` of a closing at 17:00 is that day from its start, for whoever asks."""
    with world.store.read() as connection:
        live = look(connection)
    assert live is not None
    script, anchors = live.scripts["countdown"], COUNCIL.anchors()
    opened = span(script, anchors)
    assert opened is not None
    assert day("2026-11-21 06:00") == enters_from(script, anchors) == opened[0]
    assert isinstance(anchors.get("closes"), Civil)
    knows(world, COUNCIL)
    wants(world, "ana", "municipal")
    world.tick(day("2026-11-21 05:59"))
    assert [] == world.enrollments()
    world.now = day("2026-11-21 06:00")
    assert ([], None) == (why(of(asked(world))[COUNCIL.id]), of(asked(world))[COUNCIL.id].together)
    world.tick()
    assert [COUNCIL.id] == [row.window_id for row in world.enrollments()]


def test_no_window_says_what_is_missing_and_the_command(world: World) -> None:
    """Nothing wanted, no state, no window of that office, the wrong year: each has its sentence and what to do."""
    knows(world, COUNCIL)
    wants(world, "ana")
    who = world.person("bo", state=None)
    cy, dee = world.person("cy", state="WI"), world.person("dee", state="WI")
    with world.store.begin() as connection:
        said = [
            (who, Interest("municipal")),
            (cy, Interest("county")),
            (dee, Interest("municipal", election_year=2031)),
        ]
        add_interests(connection, said, now=world.now)
    told = {name: asked(world, name).obstacles[0].told for name in ("ana", "bo", "cy", "dee")}
    assert {
        "ana": "no filing window of hers is known: nobody knows which office she wants",
        "bo": "no filing window of hers is known: what she wants names no state, and where she lives is not known",
        "cy": "no filing window of hers is known: there is none for county (in WI, where she lives)",
        "dee": "no filing window of hers is known: there is none for municipal 2031 (in WI, where she "
        "lives); the nearest are wi-2027-municipal (election 2027-04-06)",
    } == {name: one.sentence for name, one in told.items()}
    assert 'people set ana@example.org "wants=OFFICE in STATE"' in told["ana"].remedy
    assert "people set bo@example.org state=WI" in told["bo"].remedy
    assert "windows list --all --state WI" in told["cy"].remedy


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"confidence": "conflict"}, "the sources for it disagree (confidence conflict); mend its row"),
        ({"confidence": "unknown", "closes_on": "", "closes_time": None}, "nobody knows when it closes"),
        ({"status": "cancelled"}, 'an exit condition held: window.status == "cancelled"'),
        ({"closes_on": "2026-11-12"}, "wi-2027-municipal closed Thu 12 Nov 2026 17:00 Central time"),
    ],
)
def test_a_window_that_takes_nobody_in_says_why(world: World, change: dict[str, str], said: str) -> None:
    """In doubt, called off, or closed: the reason stands under the window."""
    knows(world, replace(COUNCIL, **change))  # type: ignore[arg-type]
    wants(world, "ana", "municipal")
    world.tick(day("2026-11-22 12:00"))
    assert said in " ".join(why(of(asked(world))[COUNCIL.id]))


def test_who_has_filed_and_who_does_not_qualify(world: World) -> None:
    """Papers for one window keep her out of that one alone; what keeps her out of all is said under each."""
    later = replace(SCHOOLS, closes_on="2027-01-12")
    knows(world, COUNCIL, later)
    who = wants(world, "ana", "municipal", "school_board")
    with world.store.begin() as connection:
        record_status(connection, None, who, COUNCIL.id, "filed", evidence="the list", detail={}, now=world.now)
    world.tick(day("2026-11-30 12:00"))
    answer = asked(world)
    council = of(answer)[COUNCIL.id]
    assert ["the goal was reached: filed(window)"] == why(council)
    assert ("filed", "the list") == (council.window.candidacy, council.window.evidence)
    assert 'the audience does not hold: stage != "filed"' in why(answer)
    assert [] == why(of(answer)[later.id])


def test_windows_that_close_together_are_one_occasion(world: World) -> None:
    """The second names the first; when she files for the first, the enrollment is shown with the one that is left."""
    knows(world, COUNCIL, SCHOOLS)
    who = wants(world, "ana", "municipal", "school_board")
    assert [None, COUNCIL.id] == [one.together for one in asked(world).windows]
    world.tick(day("2026-11-30 12:00"))
    answer = of(asked(world))
    assert (True, False) == (answer[COUNCIL.id].entered, answer[SCHOOLS.id].entered)
    assert COUNCIL.id == answer[SCHOOLS.id].together
    with world.store.begin() as connection:
        live = look(connection)
        record_status(connection, live, who, COUNCIL.id, "filed", evidence="the list", detail={}, now=world.now)
    said = asked(world)
    assert f"(for the filing window {COUNCIL.id}, handed on to {SCHOOLS.id}), goes on" in said.enrollments[0].sentence
    answer = of(said)
    assert (False, True) == (answer[COUNCIL.id].entered, answer[SCHOOLS.id].entered)
    assert ["the goal was reached: filed(window)"] == [one for one in why(answer[COUNCIL.id]) if "goal" in one]


def test_a_window_that_was_called_off_serves_no_other(world: World) -> None:
    """Who was in it for one that is cancelled enters for the one that closes with it, and `explain` says so."""
    knows(world, COUNCIL, SCHOOLS)
    wants(world, "ana", "municipal", "school_board")
    world.tick(day("2026-11-22 12:00"))
    knows(world, replace(COUNCIL, status="cancelled"))
    answer = of(asked(world))[SCHOOLS.id]
    assert (None, []) == (answer.together, why(answer))
    world.tick(day("2026-11-22 13:00"))
    assert of(asked(world))[SCHOOLS.id].entered


def test_being_in_it_for_one_window_does_not_hide_what_keeps_her_out_of_the_next(world: World) -> None:
    """She no longer qualifies, goes on with the first, and would not enter for the second."""
    later = replace(SCHOOLS, closes_on="2027-01-12")
    knows(world, COUNCIL, later)
    who = wants(world, "ana", "municipal", "school_board")
    world.tick(day("2026-11-22 12:00"))
    world.stage(who, "filed")
    world.tick(day("2026-11-29 12:00"))
    answer = of(asked(world))
    assert (True, []) == (answer[COUNCIL.id].entered, why(answer[COUNCIL.id]))
    assert ['the audience does not hold: stage != "filed"'] == why(answer[later.id])


def test_steps_that_did_not_go_say_why(world: World) -> None:
    """A deadline that came closer, and a step in hours without an hour to count from, keep their reasons."""
    knows(world, COUNCIL)
    wants(world, "ana", "municipal")
    world.tick(day("2026-11-21 16:00"))
    world.tick(day("2026-12-20 12:00"))
    knows(world, replace(COUNCIL, closes_on="2026-12-21"))
    world.tick(day("2026-12-20 13:00"))
    answer = asked(world)
    steps = {one.key: one for one in answer.enrollments[0].steps}
    assert ("not sent", "the filing window moved (version 1 to 2)") == (steps["b"].state, steps["b"].sentence)
    changed = "closes 2027-01-05 17:00 -> 2026-12-21 17:00 (15 days earlier), since Sun 20 Dec 06:00"
    assert (2, changed) == (answer.windows[0].window.version, answer.windows[0].window.changed)


def test_who_wanted_it_before_the_first_apply(sqlite_store: Store, tmp_path: Path) -> None:
    """`existing: skip` leaves her out for that window, and a share of a day has not come to her yet: both are told."""
    for existing, said in (
        ("skip", "she wanted it before the first apply, and `existing: skip` leaves her out"),
        ("1/d", "those who wanted it before the first apply come in 1 a day, and it is not her turn yet"),
    ):
        entry = f"entry: {{per: filing_window, from: closes - 45d, existing: {existing}"
        body = COUNTDOWN.replace("entry: {per: filing_window, from: closes - 45d", entry)
        world = World(sqlite_store, tmp_path, {"countdown": body})
        if existing == "skip":
            world.now = day("2026-11-25 12:00")
            knows(world, COUNCIL)
            wants(world, "bo", "municipal")
            wants(world, "ana", "municipal")
        else:
            world.campaigns = {"countdown": body, "other": body}
        world.apply(day("2026-11-26 12:00"))
        world.tick(day("2026-11-26 13:00"))
        world.tick(day("2026-11-26 14:00"))
        with world.store.read() as connection:
            rules = Rules(world.app.caps, world.app.settings.only_to)
            found = explain(connection, "ana@example.org", rules=rules, now=world.now).campaigns
        wanted = "countdown" if existing == "skip" else "other"
        assert [said] == why(next(one for one in found if one.campaign == wanted).windows[0])


def test_news_of_a_move_is_for_those_who_were_there(sqlite_store: Store, tmp_path: Path) -> None:
    """A campaign `on: moved` says that nothing moved yet, and to who came later that it went to the others."""
    body = COUNTDOWN.replace("from: closes - 45d", "on: moved")
    world = World(sqlite_store, tmp_path, {"countdown": body})
    world.apply(day("2026-11-10 12:00"))
    knows(world, COUNCIL)
    wants(world, "ana", "municipal")
    assert why(asked(world).windows[0])[0].startswith(
        "the closing of wi-2027-municipal has not moved by more than a day"
    )
    world.now = day("2026-11-11 12:00")
    knows(world, replace(COUNCIL, closes_on="2027-01-08"))
    assert ["wi-2027-municipal changed a moment ago and takes people in again at once"] == why(asked(world).windows[0])
    world.tick(day("2026-11-11 13:00"))
    assert "for the move of wi-2027-municipal to version 2" in asked(world).enrollments[0].sentence
    wants(world, "late", "municipal")
    world.tick(day("2026-11-11 14:00"))
    assert ["the last move of wi-2027-municipal was told to those who wanted it then"] == why(
        asked(world, "late").windows[0]
    )


# -- people, deliveries, figures, agenda -------------------------------------------------------------------------------


def test_a_timeline_names_windows(world: World) -> None:
    """What she wants in words, her windows with days left, enrollments with their window."""
    knows(world, COUNCIL, SCHOOLS)
    wants(world, "ana", "municipal", "school_board")
    world.tick(day("2026-11-21 16:00"))
    with world.store.read() as connection:
        found = life(connection, naming.find_person(connection, "ana@example.org"), now=world.now)
    assert ["municipal (in WI, where she lives)", "school_board (in WI, where she lives)"] == [
        one.words for one in found.wants
    ]
    assert [(COUNCIL.id, 45), (SCHOOLS.id, 45)] == [(one.id, one.days_left) for one in found.windows]
    assert [("countdown", COUNCIL.id, "active")] == [
        (one.campaign, one.window_id, one.state) for one in found.enrollments
    ]
    assert f"entered countdown for {COUNCIL.id}" in [one.what for one in found.moments]


def test_interests_say_which_state_is_meant() -> None:
    """As staff type them, with what goes without saying."""
    assert "municipal in MI 2027" == say_wish(Interest("municipal", "MI", election_year=2027), "WI")
    assert "any (in WI, where she lives)" == say_wish(Interest(), "WI")
    assert "school_board (in no state: hers is not known)" == say_wish(Interest("school_board"), None)


@pytest.mark.parametrize(
    ("window", "said"),
    [
        (COUNCIL, "Tue 5 Jan 2027 17:00 Central time"),
        (NO_HOUR, "Tue 5 Jan 2027, no hour known, Central time"),
        (replace(COUNCIL, zone="America/Phoenix"), "Tue 5 Jan 2027 17:00 Arizona time"),
        (replace(COUNCIL, closes_on=""), "closing not known"),
    ],
)
def test_a_closing_in_words(window: FilingWindow, said: str) -> None:
    """On the office's clock by the name people use for it, never an hour that nobody published."""
    assert said == say_closing(window)


def test_old_windows_are_left_out_but_for_those_she_had_to_do_with(world: World) -> None:
    """What closed long ago is shown where she was on her way to it, or where there is no other."""
    old = replace(COUNCIL, id="wi-2025-municipal", closes_on="2025-01-07", election_on="2025-04-01")
    knows(world, old)
    wants(world, "ana", "municipal")
    with world.store.read() as connection:
        ana = naming.find_person(connection, "ana@example.org")
        assert [old.id] == [one.id for one in her_windows(connection, ana, now=world.now)]
    knows(world, COUNCIL)
    with world.store.read() as connection:
        assert [COUNCIL.id] == [one.id for one in her_windows(connection, ana, now=world.now)]
        both = her_windows(connection, ana, now=world.now, also=[old.id])
    assert [COUNCIL.id, old.id] == [one.id for one in both]


def test_figures_agenda_and_log_go_by_window(store: Store, tmp_path: Path) -> None:
    """People by window with the nearest first, an agenda that names windows not queued yet, the log of one window."""
    world = World(store, tmp_path, {"countdown": COUNTDOWN})
    world.apply(day("2026-11-10 12:00"))
    elsewhere = replace(COUNCIL, id="mn-2027-municipal", state="MN")
    knows(world, COUNCIL, COUNTY, elsewhere)
    for name, level in (("ana", "municipal"), ("bo", "municipal"), ("cy", "county")):
        who = wants(world, name, level)
    minnie = wants(world, "minnie", "municipal")
    with world.store.begin() as connection:
        connection.exec_driver_sql(f"UPDATE person SET state = 'MN' WHERE id = {minnie}")
    world.tick(day("2026-11-28 16:00"))
    with world.store.begin() as connection:
        live = look(connection)
        record_status(connection, live, who, COUNTY.id, "filed", evidence="the list", detail={}, now=world.now)
        found = figures.campaign_figures(connection, "countdown", now=world.now)
        slots = agenda(connection, days=40, now=world.now)
    assert [("mn-2027-municipal", 1, 0), ("wi-2027-municipal", 2, 0), ("wi-2027-county", 0, 1)] == [
        (one.window, one.active, one.goal) for one in found.windows
    ]
    assert "Tue 12 Jan 2027 17:00 Central time" == found.windows[2].closes
    assert [(day("2027-01-02 16:00"), "b", "MN", ("mn-2027-municipal",), 1),
            (day("2027-01-02 16:00"), "b", "WI", ("wi-2027-municipal",), 2)] == [
        (one.hour, one.step, one.state, one.windows, one.people) for one in slots
    ]  # fmt: skip
    assert [COUNCIL.id] == [one.window.id for one in asked(world).windows]
    world.tick(day("2027-01-02 16:00"))
    page = deliveries.search(world.store, Asked(window="mn-2027-municipal"), now=world.now)
    assert [("b", "mn-2027-municipal", 1)] == [(row.step_key, row.window_id, row.window_version) for row in page.rows]
    since = deliveries.search(world.store, Asked(window=COUNCIL.id, since="2027-01-01"), now=world.now)
    assert [COUNCIL.id] * 2 == [row.window_id for row in since.rows]
    shown = deliveries.show(world.store, page.rows[0].id, now=world.now)
    assert ("mn-2027-municipal", True) == (shown.window and shown.window.id, shown.window and shown.window.wanted)
