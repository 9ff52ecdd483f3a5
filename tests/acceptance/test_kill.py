"""kill -9 in mid-send, again and again: no mail is lost, none comes twice, and those in flight are called uncertain."""

import random
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from rfs_mail.app import open_app
from rfs_mail.campaign_files.load import load_project
from rfs_mail.cli.init import make_folder
from rfs_mail.engine.apply import apply
from rfs_mail.store import events
from rfs_mail.store.tables import TABLES
from tests.acceptance.processes import Relay, kill, smtp_process, start_tick, wait_until
from tests.project_samples import make_folder as write_files
from tests.recipients import add_person
from tests.world import HEAD, at

KILLS = 7
MAILS = 240
CONNECTIONS, WINDOW = 4, 2
NOW = at("11-23 10:00")

DRIP = HEAD.format(id="drip") + "entry: {event: signup}\nsteps:\n  - {key: one, mail: a}\n"


def installation(folder: Path, relay: Relay, campaign: str = DRIP, *, now: datetime = NOW) -> None:
    """A folder whose people have all just signed up, nothing sent yet."""
    make_folder(folder, examples=False)
    write_files(folder, {"drip": campaign}, {"drip/a.md": "---\nsubject: A subject\n---\nA line.\n"})
    with (folder / "rfs-mail.toml").open("a", encoding="utf-8") as settings:
        settings.write(f"\n[[relay]]\nurl = '{relay.url}'\nconnections = {CONNECTIONS}\n")
    app = open_app(folder, environ={})
    apply(app.store, load_project(app.settings), now=now - timedelta(hours=1), by="ana")
    with app.store.begin() as connection:
        people = [add_person(connection, f"p{number}@example.org", now=now) for number in range(MAILS)]
        connection.execute(
            TABLES["signup"].insert(),
            [
                {"person_id": who, "entity_id": "rfs", "source": "form", "key": str(who), "at": now, "received_at": now}
                for who in people
            ],
        )
        events.touch(connection, people)
    app.close()


def kill_often(folder: Path, relay: Relay, mutant: str = "", kills: int = KILLS) -> None:
    """Start a sender, kill it after some mails more, start the next; the last one comes to its end."""
    chance = random.Random(11)
    for number in range(kills):
        process = start_tick(folder, _later(number), mutant)
        enough = min(len(relay.taken()) + chance.randint(5, MAILS // kills - 5), MAILS - 5)
        wait_until(lambda process=process, enough=enough: len(relay.taken()) >= enough or not process.is_alive())
        kill(process)
    last = start_tick(folder, _later(kills), mutant)
    last.join()
    assert last.exitcode == 0


def _later(number: int) -> datetime:
    return NOW + timedelta(minutes=number)


def outcome(folder: Path, relay: Relay) -> tuple[dict[str, str], Counter[str]]:
    """Address -> state of its delivery, by the database; address -> copies, by the relay."""
    app = open_app(folder, environ={})
    with app.store.read() as connection:
        rows = connection.execute(
            TABLES["delivery"].select().join(TABLES["person"], TABLES["person"].c.id == TABLES["delivery"].c.person_id)
            .with_only_columns(TABLES["person"].c.address, TABLES["delivery"].c.state)
        ).all()  # fmt: skip
    app.close()
    assert len(rows) == MAILS
    return {row.address: row.state for row in rows}, relay.copies()


@pytest.fixture
def relay(tmp_path: Path) -> Relay:
    """A relay that takes its time over the final dot, so that every kill finds mails at the wire."""
    with smtp_process(tmp_path, {"*": {"dot": "slow 0.004"}}) as relay:
        yield relay


def test_killed_senders_lose_nothing_and_repeat_nothing(tmp_path: Path, relay: Relay) -> None:
    """Every mail went out once or is called uncertain; of those, at most a window a kill."""
    installation(tmp_path, relay)
    kill_often(tmp_path, relay)
    states, copies = outcome(tmp_path, relay)
    twice = {address for address, count in copies.items() if count > 1}
    uncertain = {address for address, state in states.items() if state == "uncertain"}
    said_sent = {address for address, state in states.items() if state == "sent"}
    assert said_sent | uncertain == set(states)
    assert twice == set()
    assert said_sent <= set(copies)
    assert 0 < len(uncertain) <= KILLS * CONNECTIONS * WINDOW


def test_an_uncertain_deadline_mail_goes_once_more(tmp_path: Path, relay: Relay) -> None:
    """Where the director wants it: twice for those in flight at a kill, and never a third time."""
    installation(tmp_path, relay, DRIP.replace("mail: a}", "mail: a, priority: deadline, not_after: entry + 2d}"))
    kill_often(tmp_path, relay, kills=4)
    states, copies = outcome(tmp_path, relay)
    assert set(states.values()) <= {"sent", "uncertain"}
    assert {address for address, state in states.items() if state == "sent"} <= set(copies)
    assert max(copies.values()) <= 2
    assert sum(copies.values()) - len(copies) <= 4 * CONNECTIONS * WINDOW
    # A kill may hit the second try as well; after that it waits for a person's word.
    assert Counter(states.values())["uncertain"] <= CONNECTIONS * WINDOW


def test_a_sender_that_marks_after_sending_is_caught(tmp_path: Path, relay: Relay) -> None:
    """The same test finds that such a sender repeats mails; so it would find it here."""
    installation(tmp_path, relay)
    kill_often(tmp_path, relay, "marks after sending", kills=3)
    _, copies = outcome(tmp_path, relay)
    assert max(copies.values()) > 1
