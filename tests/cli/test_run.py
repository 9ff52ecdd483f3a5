"""`rfs-mail run`: a real process that sends by itself, serves the pages, and ends in order."""

import re
import signal
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from tests.acceptance import test_kill
from tests.acceptance.processes import Relay, smtp_process, wait_until
from tests.acceptance.test_kill import installation, outcome
from tests.project_samples import ROOT

MAILS = 120


class Running:
    """One `rfs-mail run`, and what it has said so far."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.said = folder / f"run-{len(list(folder.glob('run-*')))}.log"
        command = [sys.executable, "-m", "rfs_mail", "-C", str(folder), "run", *options]
        with self.said.open("w") as log:
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)

    def text(self) -> str:
        """All that it printed."""
        return self.said.read_text(encoding="utf-8")

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ask it to stop, and give its exit code."""
        self.process.send_signal(number)
        return self.process.wait(60)


@contextmanager
def running(folder: Path, *options: str) -> Iterator[Running]:
    """Start it, and see that it is gone at the end."""
    one = Running(folder, *options)
    try:
        yield one
    finally:
        if one.process.poll() is None:
            one.process.kill()
        one.process.wait()


@pytest.fixture
def relay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Relay]:
    """A relay that takes its time, and a folder whose people have just signed up."""
    monkeypatch.setattr(test_kill, "MAILS", MAILS)
    with smtp_process(tmp_path, {"*": {"dot": "slow 0.02"}}) as relay:
        installation(tmp_path, relay, now=datetime.now(UTC))
        yield relay


def test_sigterm_drains(tmp_path: Path, relay: Relay) -> None:
    """What is at the wire ends, nothing stays claimed, and the next start goes on from there."""
    with running(tmp_path, "--no-web") as first:
        relay.wait_for(10)
        assert first.stop() == 0
    states, copies = outcome(tmp_path, relay)
    counted = Counter(states.values())
    assert set(counted) == {"sent", "queued"}
    assert counted["sent"] == sum(copies.values()) < MAILS
    with running(tmp_path, "--no-web") as second:
        relay.wait_for(MAILS)
        assert second.stop(signal.SIGINT) == 0
    states, copies = outcome(tmp_path, relay)
    assert Counter(states.values()) == {"sent": MAILS}
    assert set(copies.values()) == {1}
    assert "stopped; " in second.text()


def test_the_pages_are_served_until_the_end(tmp_path: Path, relay: Relay) -> None:
    """The links of the mails lead somewhere while it runs; a stop ends the pages too."""
    with running(tmp_path, "--port", "0") as one:
        relay.wait_for(1)
        place = re.search(r"pages on (http://127\.0\.0\.1:\d+)", one.text())
        assert place is not None
        answer = httpx.get(f"{place[1]}/u/damaged")
        assert (answer.status_code, "<html" in answer.text) == (404, True)
        assert one.stop() == 0


def test_a_second_sender_is_refused(tmp_path: Path, relay: Relay) -> None:
    """It names the holder and changes nothing."""
    with running(tmp_path, "--no-web") as first:
        wait_until(lambda: "running" in first.text())
        for command in (["run", "--no-web"], ["tick"]):
            second = subprocess.run(
                [sys.executable, "-m", "rfs_mail", "-C", str(tmp_path), *command],
                cwd=ROOT, capture_output=True, text=True,
            )  # fmt: skip
            assert second.returncode == 1
            assert f"process {first.process.pid} on " in second.stderr
        assert first.stop() == 0
    assert len(relay.taken()) == sum(relay.copies().values())


def test_a_port_that_is_taken_is_said_in_a_sentence(tmp_path: Path, relay: Relay) -> None:
    """Before anything is sent."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with running(tmp_path, "--port", port) as one:
            assert one.process.wait(60) == 2
        assert f"The pages cannot listen on 127.0.0.1:{port}" in one.text()
    assert relay.taken() == []
