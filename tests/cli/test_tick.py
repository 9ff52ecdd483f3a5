"""`rfs-mail tick`: one pass as of a time, a rehearsal that changes nothing, and what it refuses."""

import json
from datetime import UTC, datetime

import pytest
from pydantic import SecretStr

from rfs_mail.cli.tick import parse_instant
from rfs_mail.errors import UsageError
from rfs_mail.settings import Settings
from tests.cli.conftest import Desk, MakeDesk
from tests.engine.test_advance import drip
from tests.world import at

TWO = drip("{key: one, mail: a}\n{key: two, at: +1d, mail: b}")


@pytest.fixture
def desk(make_desk: MakeDesk) -> Desk:
    """Two people who have just signed up for a campaign that is live."""
    desk = make_desk(drip=TWO)
    desk.world.apply("11-23 09:00")
    desk.world.crowd(2, "11-23 10:00")
    return desk


def states(desk: Desk) -> list[tuple[str, str]]:
    """(step, state) of every delivery."""
    return [(row.step_key, row.state) for row in desk.world.deliveries()]


def test_a_tick_says_what_it_did(desk: Desk) -> None:
    """In one line; the clock is the machine's where no time is given."""
    assert desk.says("tick") == (
        "2026-11-23 15:00 UTC: 2 entered, 2 sent, 0 held or skipped, 0 deferred, 0 failed, 0 uncertain.\n"
    )
    assert states(desk) == [("one", "sent")] * 2


def test_a_tick_at_a_time_is_as_of_that_time(desk: Desk) -> None:
    """Twice the same time is once; the figures are there for programs."""
    first = desk.json("tick", "--at", "2026-11-23T15:00Z")
    assert (first["at"], first["sent"], first["entered"], first["dry_run"]) == (
        "2026-11-23T15:00:00+00:00", 2, 2, False,
    )  # fmt: skip
    again = desk.json("tick", "--at", "2026-11-23T10:00-05:00")
    assert (again["sent"], again["advanced"]) == (0, 0)
    assert desk.json("tick", "--at", "2026-11-24 15:00")["sent"] == 2


def test_time_does_not_run_back(desk: Desk) -> None:
    """Asked wrongly, and told why."""
    desk.says("tick", "--at", "2026-11-24T15:00Z")
    said = desk.run("tick", "--at", "2026-11-24T14:59Z")
    assert said.exit_code == 2
    assert "time does not run back" in said.output


def test_a_rehearsal_changes_nothing(desk: Desk) -> None:
    """On a copy, with nobody to send to; it may look ahead of the clock and be repeated."""
    for _ in range(2):
        said = desk.json("tick", "--dry-run", "--at", "2027-01-01T00:00Z")
        assert (said["entered"], said["dry_run"]) == (2, True)
    assert states(desk) == []
    assert desk.world.enrollments() == []
    assert "2 would be sent" in desk.says("tick", "--dry-run")


def test_real_mail_is_not_sent_ahead_of_the_clock(desk: Desk) -> None:
    """Unless somebody says so in many words."""
    relay = {"relay": [{"url": SecretStr("smtp://192.0.2.1:25?tls=none")}]}
    desk.world.settings_are(relay=Settings.model_validate(relay).relay)
    said = desk.run("tick", "--at", "2999-01-01T00:00Z")
    assert said.exit_code == 2
    assert "--really-send-ahead" in said.output
    assert states(desk) == []


def test_a_second_sender_is_told_who_sends(desk: Desk) -> None:
    """The lock is held by this very process here."""
    with desk.world.store.sole_sender():
        said = desk.run("tick")
    assert said.exit_code == 1
    assert "is already sending from" in said.output
    assert json.loads(desk.run("tick", "--json").stdout)["sent"] == 2


@pytest.mark.parametrize("text", ["tomorrow", "2026-13-01", "10:00"])
def test_a_time_that_is_none_is_refused_with_an_example(text: str) -> None:
    """With how to write it."""
    with pytest.raises(UsageError, match="2026-12-03T10:00Z"):
        parse_instant(text)


def test_times_are_read_with_their_offset() -> None:
    """Without one it is UTC."""
    assert parse_instant("2026-12-03T10:00-06:00") == datetime(2026, 12, 3, 16, tzinfo=UTC)
    assert parse_instant("2026-12-03T10:00") == datetime(2026, 12, 3, 10, tzinfo=UTC)
    assert at("12-03 05:00") == datetime(2026, 12, 3, 10, tzinfo=UTC)
