"""The shipped campaigns in windows as states have them: a week in Florida, a Monday without an hour in Mississippi."""

import re
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from rfs_mail.core.interest import Interest
from rfs_mail.engine import windows as importing
from rfs_mail.store.database import Store
from rfs_mail.store.interests import add_interests
from tests.render_samples import ROOT
from tests.world import World

HEAD = (
    "window_id,jurisdiction,state,office_level,office,election_on,opens_on,opens_time,closes_on,closes_time,zone,status,"
    "confidence,source\n"
)
FLORIDA = (
    "fl-2027-county,Florida,FL,county,,2027-08-24,2027-06-07,12:00,2027-06-11,12:00,America/New_York,confirmed,"
    "official,https://x.example\n"
)
MISSISSIPPI = (
    "ms-2027-statewide,Mississippi,MS,statewide_executive,,2027-08-03,,,2027-02-01,,America/Chicago,tentative,secondary,"
    "https://x.example/ms\n"
)


def shipped(store: Store, folder: Path, when: str, row: str) -> World:
    """Both shipped campaigns about windows, with their copy, and one window."""
    texts = {name: (ROOT / "campaigns" / f"{name}.yaml").read_text() for name in ("entities", "fields")}
    campaigns = ("filing_countdown", "window_opened")
    mails = {
        f"{place}/{path.name}": path.read_text()
        for place in (*campaigns, "partials")
        for path in (ROOT / "templates" / place).glob("*.md")
    }
    bodies = {name: (ROOT / f"campaigns/{name}.yaml").read_text() for name in campaigns}
    world = World(store, folder, bodies, mails, segments="{}\n", **texts)
    world.apply(datetime.fromisoformat(when).replace(tzinfo=ZoneInfo("UTC")))
    path = world.folder / "windows.csv"
    path.write_text(HEAD + row, encoding="utf-8")
    found = importing.read_file(world.store, path, now=world.now)
    assert found.problems == ()
    importing.apply_import(world.store, found, by="ana", now=world.now)
    return world


def wants(world: World, name: str, level: str, **fields: object) -> None:
    """Somebody who lives in the state of the window and wants that office."""
    who = world.person(name, **fields)
    with world.store.begin() as connection:
        add_interests(connection, [(who, Interest(level))], now=world.now)


def plays(world: World, zone: str, *times: str) -> None:
    """A pass of every verb at each of these times of a zone."""
    for when in times:
        world.tick(datetime.fromisoformat(when).replace(tzinfo=ZoneInfo(zone)).astimezone(ZoneInfo("UTC")))


def got(world: World, name: str) -> list[tuple[str, str]]:
    """(local day and minute, step) of what somebody got, in order."""
    people = {one.id: one for one in world.rows("person", "id", "address", "zone")}
    mine = [
        (row, people[row.person_id].zone)
        for row in world.deliveries()
        if row.state == "sent" and people[row.person_id].address.startswith(f"{name}@")
    ]
    return sorted((f"{row.settled_at.astimezone(ZoneInfo(zone)):%m-%d %H:%M}", row.step_key) for row, zone in mine)


def text_of(world: World, name: str, which: int = -1) -> str:
    """What one of the mails to somebody says, in one line."""
    mails = [one.message.decode() for one in world.transport.sent if one.envelope.rcpt_to.startswith(f"{name}@")]
    return re.sub(r"\s+", " ", mails[which].replace("=\r\n", ""))


FLORIDAS_WEEK = (
    "2027-04-27 10:00", "2027-04-27 11:00", "2027-05-12 10:00", "2027-05-12 11:00", "2027-05-31 10:00",
    "2027-05-31 11:00", "2027-06-04 10:00", "2027-06-04 11:00", "2027-06-07 13:00", "2027-06-08 10:00",
    "2027-06-08 11:00", "2027-06-10 09:00", "2027-06-10 10:00", "2027-06-12 10:00", "2027-06-12 11:00",
)  # fmt: skip


def test_a_week_in_florida(sqlite_store: Store, tmp_path: Path) -> None:
    """Noon to noon by Tallahassee's clock: who is on her way hears of it by the countdown alone, also in the Panhandle,
    whose clock is an hour behind; who is not gets one mail that it is open, with the last minute."""
    world = shipped(sqlite_store, tmp_path / "folder", "2027-04-01T12:00", FLORIDA)
    wants(world, "tallahassee", "county", state="FL", zone="America/New_York", stage="exploring")
    wants(world, "pensacola", "county", state="FL", zone="America/Chicago", stage="exploring")
    wants(world, "new", "county", state="FL", zone="America/Chicago", stage="signed_up")
    plays(world, "America/New_York", *FLORIDAS_WEEK)
    expected = [
        ("04-27 10:00", "gather"), ("05-12 10:00", "fee"), ("06-04 10:00", "t7"), ("06-08 10:00", "t3"),
        ("06-10 09:00", "t1"), ("06-12 10:00", "did_you"),
    ]  # fmt: skip
    assert expected == got(world, "tallahassee")
    assert expected == got(world, "pensacola")
    assert [("05-31 10:00", "soon"), ("06-07 12:00", "open_short")] == got(world, "new")
    assert "Friday, June 11, 12:00 noon Eastern" in text_of(world, "new")
    assert "time to qualify ends Friday, June 11" in text_of(world, "new")
    assert "Friday, June 11, 12:00 noon Eastern" in text_of(world, "pensacola", -2)


def test_a_monday_without_an_hour_in_mississippi(sqlite_store: Store, tmp_path: Path) -> None:
    """A date from one source and without an hour: every mail says whose date it is and sends her to the clerk; the last
    one goes on Saturday, because nothing goes on Sundays and nothing before a deadline goes late."""
    world = shipped(sqlite_store, tmp_path / "folder", "2026-11-20T12:00", MISSISSIPPI)
    wants(world, "jackson", "statewide_executive", state="MS", zone="America/Chicago", stage="committed")
    plays(
        world, "America/Chicago", "2026-12-18 09:00", "2026-12-18 10:00", "2027-01-02 10:00", "2027-01-18 09:00",
        "2027-01-25 10:00", "2027-01-29 10:00", "2027-01-30 09:00", "2027-01-31 09:00", "2027-02-01 09:00",
        "2027-02-02 10:00", "2027-02-05 10:00",
    )  # fmt: skip
    assert [
        ("01-02 10:00", "fee"), ("01-25 10:00", "t7"), ("01-29 10:00", "t3"), ("01-30 09:00", "t1"),
        ("02-02 10:00", "did_you"), ("12-18 10:00", "gather"),
    ] == got(world, "jackson")  # fmt: skip
    for which in range(5):
        said = text_of(world, "jackson", which)
        assert "February 1" in said
        assert "check it with your clerk" in said
        assert "this source" in said
    last = text_of(world, "jackson", 4)
    assert "ends Monday, February 1. If that's right, it's in 2 days" in last
    assert "tomorrow" not in last
