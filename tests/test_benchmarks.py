"""The measurements: that they measure what they say, in the form that was promised. Never how long anything took."""

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import IO, cast

import pytest

from benchmarks import folders, peers
from benchmarks.__main__ import main
from benchmarks.catalogue import BY_NAME, MEASURED, PROMISES
from benchmarks.clocks import percentile
from benchmarks.pipelining import show as show_pipelining
from benchmarks.processes import ROOT, end
from benchmarks.report import Found, line

NAMES = [
    "send", "send-signed", "send-postgres", "enroll", "enroll-touched", "advance-idle", "advance-due", "import",
    "unsubscribe", "webhook", "replan", "simulate", "log-search", "time-to-wire", "memory",
]  # fmt: skip
KEYS = ["bench", "value", "unit", "bar", "goal", "peer", "peer_value", "ratio", "machine"]


@pytest.fixture(autouse=True)
def _out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Databases of these tests are not those of the next measurement."""
    monkeypatch.setattr(folders, "OUT", tmp_path)


def test_there_is_a_measurement_for_every_promise() -> None:
    """The names are those of the design; no goal is easier than its bar, no quick run larger than the whole."""
    assert sorted(promise.name for promise in PROMISES) == sorted(NAMES)
    for promise in PROMISES:
        assert promise.is_met(promise.goal, promise.size)
        assert promise.goal != promise.bar
        assert promise.quick_size <= promise.size


@pytest.mark.parametrize("name", MEASURED)
def test_what_is_listed_as_measured_can_be_measured(name: str) -> None:
    """Each name leads to a function that measures."""
    assert callable(import_module(f"benchmarks.{BY_NAME[name].module}").measure)


def test_the_list_says_what_is_not_measured_yet(capsys: pytest.CaptureFixture[str]) -> None:
    """One line a promise, with its bar or with the fact that there is no figure."""
    assert main(["--list"]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert sorted(row.split()[0] for row in rows) == sorted(NAMES)
    assert [row.split()[0] for row in rows if "not measured yet" in row] == [
        promise.name for promise in PROMISES if not promise.module
    ]


@pytest.mark.parametrize("name", [*(promise.name for promise in PROMISES if not promise.module), "sned"])
def test_what_cannot_be_measured_is_refused_in_a_sentence(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Asked wrongly: exit code 2, nothing on standard output, and the names there are."""
    assert main([name]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert name in said.err
    assert "send" in said.err


def test_a_measurement_prints_one_line_of_json(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The keys of the design in their order, figures as numbers; nothing is left behind but the kept database."""
    assert main(["advance-idle", "--quick", "--size", "50"]) == 0
    rows = capsys.readouterr().out.splitlines()
    assert len(rows) == 1
    said = json.loads(rows[0])
    assert list(said)[: len(KEYS)] == KEYS
    assert (said["bench"], said["unit"], said["size"]) == ("advance-idle", "ms", 50)
    assert all(isinstance(said[key], float | int) for key in ("value", "bar", "goal", "peer_value", "ratio"))
    assert said["ratio"] == pytest.approx(said["value"] / said["peer_value"], rel=0.01)
    assert isinstance(said["met"], bool)
    assert [path.name.rsplit("-", 1)[0] for path in tmp_path.iterdir()] == ["waiting-50"]


def test_a_deadline_that_moves_is_measured_on_the_real_thing(capsys: pytest.CaptureFixture[str]) -> None:
    """It refuses a result that is not right, so a figure says: everybody planned anew, a third with mail, in chunks."""
    assert main(["replan", "--size", "12"]) == 0
    detail = json.loads(capsys.readouterr().out)["detail"]
    assert (detail["walked"], detail["mails"]) == (12, 4)
    assert detail["transactions"] >= 1


def test_a_measurement_that_fails_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1 and no figure: a file of one row has nobody to merge."""
    assert main(["import", "--size", "1"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "not what was in the file" in said.err


@pytest.mark.parametrize(
    ("name", "value", "size", "bar", "met"),
    [
        ("enroll", 19.0, 1_000_000, 20.0, True),
        ("enroll", 2.5, 100_000, 2.0, False),
        ("send", 2_400.0, 20_000, 2_500.0, False),
        ("send", 2_600.0, 20_000, 2_500.0, True),
        ("advance-idle", 21.0, 1_000, 20.0, False),
    ],
)
def test_a_bar_is_met_or_missed(name: str, value: float, size: int, bar: float, *, met: bool) -> None:
    """More or less is better, as the promise says; the bar of a whole lot shrinks with the lot, others do not."""
    said = json.loads(line(BY_NAME[name], Found(value, size, "peer", 10.0)))
    assert (said["bar"], said["met"]) == (bar, met)


def test_a_percentile_is_one_of_the_values() -> None:
    """The nearest rank: 99 of 100 do not exceed the p99, and of a few it is the worst."""
    assert percentile([float(n) for n in range(100, 0, -1)], 0.99) == 99.0
    assert percentile([3.0, 1.0, 2.0], 0.99) == 3.0
    assert percentile([3.0, 1.0, 2.0], 0.5) == 2.0


def test_the_gain_of_early_commands_is_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    """A row for each distance, a figure and a ratio for each manner; the first is what the others are held against."""
    show_pipelining(0.5)
    rows = [row.strip("| ").split(" | ") for row in capsys.readouterr().out.splitlines() if row.startswith("| ")]
    assert [row[0] for row in rows] == ["round trip", "20 ms", "80 ms"]
    assert all(len(row) == 7 and row[2] == "1.00" for row in rows[1:])
    assert all(float(figure) > 0 for row in rows[1:] for figure in row[1:])


def test_the_sink_notes_when_whose_mail_came() -> None:
    """Recipients that were asked for, once their message was taken; nobody else."""
    command = [sys.executable, "-m", "benchmarks.sink", "--note", "person"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        port = int(cast(IO[str], process.stdout).readline())
        peers.pipelined(port, b"Subject: x\r\n\r\nx\r\n", 3)
        said, _ = process.communicate(timeout=20)
    finally:
        end(process)
    noted, taken = said.splitlines()
    assert ([peers.RECIPIENT], "3") == (list(json.loads(noted)), taken)


@pytest.mark.parametrize("client", [peers.pipelined, peers.plain])
def test_a_peer_sends_as_many_as_it_says(client: object) -> None:
    """What the sink counted is what the rate was reckoned from, also where connections get unequal shares."""
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.sink"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    try:
        port = int(cast(IO[str], process.stdout).readline())
        assert client(port, b"Subject: x\r\n\r\n" + b"y" * 70 + b"\r\n", 47) > 0  # type: ignore[operator]
        taken, _ = process.communicate(timeout=20)
    finally:
        end(process)
    assert int(taken) == 47
