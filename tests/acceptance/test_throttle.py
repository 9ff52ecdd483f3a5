"""An operator that wants less, over real SMTP and virtual time: the others' mail goes, its own goes later, in order."""

from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest

from rfs_mail.engine import pacing
from rfs_mail.settings import Operator, Settings
from rfs_mail.store.database import Store
from tests.engine.test_advance import drip
from tests.transport.smtp_server import SmtpServer
from tests.world import World, at

PEOPLE = 40
LATER = "421 4.7.0 [TSS04] Messages from 127.0.0.1 temporarily deferred due to unexpected volume"
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


@pytest.fixture
def world(store: Store, tmp_path: Path) -> World:
    """A campaign of one mail, good for two days."""
    world = World(store, tmp_path, {"drip": drip("{key: one, mail: a, not_after: entry + 2d}")})
    world.apply("11-23 10:00")
    return world


def test_a_throttled_operator_delays_nobody_and_loses_nothing(world: World) -> None:
    """Two hours of rest, then half the speed: every mail arrives once, those that waited in the order they were due."""
    slow = [f"slow{number}@example.com" for number in range(PEOPLE)]
    with SmtpServer(script={address: {"rcpt": LATER} for address in slow}) as server:
        relay = [{"url": f"smtp://127.0.0.1:{server.port}", "connections": 1, "name": "main"}]
        settings = {
            "relay": Settings.model_validate({"relay": relay}).relay,
            "operators": {"yahoo": Operator(rate="12/min")},
            "window": 1,
        }
        world.settings_are(**settings)
        for number in range(PEOPLE):
            world.signs_up(f"slow{number}", domain="example.com", operator="yahoo")
            world.signs_up(f"other{number}")
        for step in range(10):
            world.tick(at("11-23 10:00") + 30 * step * SECOND)
        assert {f"other{number}@example.org" for number in range(PEOPLE)} == {
            message.rcpt_to[0] for message in server.messages
        }
        asked = [line for _, line in server.commands if line.startswith("RCPT TO:<slow")]
        assert asked == ["RCPT TO:<slow0@example.com>"]
        world.tick("11-23 11:59")
        assert len(server.messages) == PEOPLE

        for address in slow:
            server.on(address, "rcpt", None)
        world.settings_are(**settings)  # as after a restart
        now = at("11-23 12:00")
        while any(row.state == "queued" for row in world.deliveries()) and now < at("11-23 16:00"):
            world.tick(now)
            now += MINUTE

        assert Counter(row.state for row in world.deliveries()) == {"sent": 2 * PEOPLE}
        arrived = [message.rcpt_to[0] for message in server.messages]
        assert slow == [address for address in arrived if address in slow]
        assert len(arrived) == 2 * PEOPLE
        by_minute = Counter(row.sending_at for row in world.deliveries() if row.operator == "yahoo")
        assert max(by_minute.values()) <= 7  # half of what was too much, and what was left in the bucket
        with world.store.read() as connection:
            lines = {one.operator: one for one in pacing.operator_lines(connection, world.app.pacing, now=now)}
        assert (lines["yahoo"].relay, lines["yahoo"].strikes, lines["yahoo"].on_their_way) == ("main", 1, 0)
        assert "TSS04" in lines["yahoo"].because
