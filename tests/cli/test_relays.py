"""`rfs-mail relays`: how the relays stand, and what staff may order."""

import csv
import io
from datetime import timedelta

from rfs_mail.core.breaker import Breaker, State
from rfs_mail.settings import Settings
from rfs_mail.store import relays
from rfs_mail.store.relays import Figures
from rfs_mail.store.tables import TABLES
from tests.cli.conftest import Desk, MakeDesk
from tests.engine.test_advance import drip

ONE = drip("{key: one, mail: a}")
RELAYS = [
    {"name": "main", "url": "memory:", "connections": 5, "rate": "14/s"},
    {"name": "spare", "url": "memory:", "weight": 0},
    {"name": "own", "url": "memory:", "entities": ["rfs_civics"]},
]


def desk_with_relays(make_desk: MakeDesk) -> Desk:
    """Three relays; nothing was sent yet."""
    desk = make_desk(drip=ONE)
    desk.world.apply("11-23 10:00")
    desk.world.settings_are(relay=Settings.model_validate({"relay": RELAYS}).relay)
    return desk


def test_relays_that_work_say_so(make_desk: MakeDesk) -> None:
    """With their figures of today and what they said last."""
    desk = desk_with_relays(make_desk)
    world = desk.world
    with world.store.begin() as connection:
        relays.count_up(connection, "main", Figures(12, 3, 1, 0, world.now, 250, "2.0.0 queued"))
    found = desk.json("relays", "status")
    assert [("main", "working"), ("spare", "spare"), ("own", "working")] == [(r["relay"], r["state"]) for r in found]
    main = found[0]
    assert (12, 3, 1, 0, 5, "14/s", 7) == tuple(
        main[key] for key in ("sent", "deferred", "failed", "uncertain", "connections", "rate", "tokens")
    )
    assert (250, "2.0.0 queued") == (main["said_code"], main["said"])
    said = desk.says("relays", "status")
    assert "14/s (7 now)" in said
    assert "2026-11-23 15:00 UTC 250 2.0.0 queued" in said


def test_a_relay_that_rests_by_itself_says_until_when_and_why(make_desk: MakeDesk) -> None:
    """Exit code 1; the csv has the same."""
    desk = desk_with_relays(make_desk)
    world = desk.world
    until = world.now + timedelta(minutes=4)
    with world.store.begin() as connection:
        relays.save(connection, "main", Breaker(State.OPEN, 0, 2, until, "535 5.7.8 wrong"), now=world.now)
    said = desk.says("relays", "status", code=1)
    assert "rests until 2026-11-23 15:04 UTC" in said
    assert "535 5.7.8 wrong" in said
    row = next(csv.DictReader(io.StringIO(desk.says("relays", "status", "--csv", code=1))))
    assert ("main", "resting", "535 5.7.8 wrong") == (row["relay"], row["state"], row["because"])
    assert "relay main rests until 15:04 UTC: 535 5.7.8 wrong" in desk.says("status", code=1)
    world.now = until
    assert "gets a mail on trial next" in desk.says("relays", "status", code=1)
    assert "relay main gets one mail on trial" in desk.says("status", code=1)


def test_staff_let_a_relay_rest_and_wake_it(make_desk: MakeDesk) -> None:
    """Everybody sees who, until when and why; a rest on somebody's word is no trouble of the relay."""
    desk = desk_with_relays(make_desk)
    assert "main rests until 2026-11-23 17:00 UTC." in desk.says(
        "relays", "rest", "main", "--for", "2h", "--because", "they move house"
    )
    said = desk.says("relays", "status")
    assert "they move house" in said
    assert f"rests until 2026-11-23 17:00 UTC, says {desk.world.app.whoami}" in said
    assert "they move house" in desk.says("status", code=1)
    assert "main takes mail again." in desk.says("relays", "wake", "main")
    assert "they move house" not in desk.says("relays", "status")


def test_orders_that_make_no_sense_are_refused(make_desk: MakeDesk) -> None:
    """Exit code 2, and what to write."""
    desk = desk_with_relays(make_desk)
    assert "There are: main, spare, own." in desk.says("relays", "wake", "nobody", code=2)
    assert "--for" in desk.says("relays", "rest", "main", "--for", "soon", "--because", "x", code=2)
    assert "--because" in desk.says("relays", "rest", "main", "--for", "2h", "--because", " ", code=2)


def test_what_is_slow_with_one_operator_is_shown(make_desk: MakeDesk) -> None:
    """Below the table, and with the relay for programs."""
    desk = desk_with_relays(make_desk)
    world = desk.world
    with world.store.begin() as connection:
        connection.execute(
            TABLES["pace"].insert().values(
                relay="main", operator="yahoo", rests_until=world.now + timedelta(hours=2), because="421 [TSS04]",
                rate=0.5, ceiling=1.0, strikes=1, flow=0, flow_before=0,
            )
        )  # fmt: skip
    said = desk.says("relays", "status")
    assert "main is slow with yahoo until 2026-11-23 17:00 UTC: 421 [TSS04]" in said
    assert "yahoo by main: 0/min, after it said 421 [TSS04]; 0 of 200 under way" in said
    assert [{"operator": "yahoo", "until": "2026-11-23T17:00:00+00:00", "because": "421 [TSS04]"}] == desk.json(
        "relays", "status"
    )[0]["throttles"]
