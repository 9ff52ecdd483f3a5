"""`rfs-mail demo --quick`: it holds, its screen says what store and server say, and it harms nothing."""

import csv
import json
import os
import re
import sqlite3
import subprocess
import sys
import zlib
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from rfs_mail.cli import app
from rfs_mail.cli.demo.stage import MARKER

MOVED_AT = datetime(2026, 12, 2, 15, 30, tzinfo=UTC)
"""When the quick story's Wisconsin moves its deadline, from 5 January to 8 January."""

_OLD, _NEW = (re.compile(rf"January {day}\b|\b{day} de enero", re.IGNORECASE) for day in (5, 8))


@dataclass(frozen=True)
class Run:
    """One run of the command, and what it left."""

    code: int
    screen: str
    errors: str
    folder: Path

    def number(self, words: str) -> int:
        """The number that stands before these words on the screen."""
        found = re.search(rf"([\d,]+) {words}", self.screen)
        assert found is not None, f"{words!r} is not on the screen"
        return int(found[1].replace(",", ""))

    def ask(self, query: str) -> int:
        """One number of the database."""
        with closing(sqlite3.connect(self.folder / "rfs-mail.db")) as database:
            (answer,) = database.execute(query).fetchone()
        return int(answer)

    def accepted(self) -> list[dict[str, Any]]:
        """What the receiving server wrote down, in order."""
        return [json.loads(line) for line in self.lines("server/accepted.jsonl")]

    def lines(self, name: str) -> list[str]:
        """The lines of a file that the run left."""
        return (self.folder / name).read_text(encoding="utf-8").splitlines()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The quick demo, once for all tests of this file, in the middle of somebody's own settings."""
    place = tmp_path_factory.mktemp("demo")
    command = [sys.executable, "-m", "rfs_mail", "-C", str(place), "demo", "--quick", "--port", "0", "--web-port", "0"]
    environ = {**os.environ, "RFS_MAIL_RELAY": "smtp://192.0.2.1:25", "RFS_MAIL_BASE_URL": "https://real.example.org"}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=300, check=False)
    return Run(done.returncode, done.stdout, done.stderr, place / ".demo")


def test_it_holds(run: Run) -> None:
    """Exit code 0, nothing on stderr, and no check that says no."""
    assert (run.code, run.errors) == (0, "")
    assert "NOT ok" not in run.screen
    assert run.screen.count("  ok  ") == 10


def test_the_figures_of_the_rows_add_up(run: Run) -> None:
    """Rows are new, merged, unchanged or rejected, as many as the store has people and the file has rejected rows."""
    parts = [run.number(word) for word in ("new", "merged", "unchanged", "rejected")]
    assert sum(parts) == run.number("rows")
    assert parts[0] == run.ask("SELECT count(*) FROM person") == 500
    assert sum(parts[:2]) == run.ask("SELECT count(*) FROM signup")
    with (run.folder / "rejected.csv").open(encoding="utf-8", newline="") as file:
        assert parts[3] == len(list(csv.DictReader(file)))


def test_the_figures_of_the_mail_are_the_store_s_and_the_server_s(run: Run) -> None:
    """Sent, not sent, uncertain and waiting are all the deliveries; what is accepted stands in the server's log."""
    sent, not_sent = run.number("sent"), run.number("not sent")
    uncertain = run.ask("SELECT count(*) FROM delivery WHERE state = 'uncertain'")
    waiting = run.ask("SELECT count(*) FROM delivery WHERE state = 'queued'")
    assert sent == run.ask("SELECT count(*) FROM delivery WHERE state IN ('sent', 'bounced', 'complained')")
    assert not_sent == run.ask("SELECT count(*) FROM delivery WHERE state IN ('skipped', 'expired', 'failed')")
    assert sent + not_sent + uncertain + waiting == run.ask("SELECT count(*) FROM delivery")
    accepted = [json.loads(line)["id"].strip("<>") for line in run.lines("server/accepted.jsonl")]
    assert run.number("accepted") == len(accepted) == len(set(accepted))
    by_campaign = re.findall(r"^  (\w+) +([\d,]+) +([\d,]+) ", run.screen, re.MULTILINE)
    assert sum(int(figure.replace(",", "")) for _, _, figure in by_campaign) == sent


def test_the_server_knows_what_the_store_says_was_sent(run: Run) -> None:
    """Message-ID by Message-ID, asked without any of the demo's own code."""
    accepted = {json.loads(line)["id"].strip("<>") for line in run.lines("server/accepted.jsonl")}
    with closing(sqlite3.connect(run.folder / "rfs-mail.db")) as database:
        rows = database.execute("SELECT message_id, state FROM delivery WHERE message_id IS NOT NULL").fetchall()
    sent = {message_id for message_id, state in rows if state in ("sent", "bounced", "complained")}
    unsure = {message_id for message_id, state in rows if state == "uncertain"}
    assert sent - accepted == set()
    assert accepted - sent - unsure == set()


def test_people_did_react(run: Run) -> None:
    """Clicks, unsubscribes, bounces and a crash are in the story, so the checks had something to check."""
    for event in ("clicked", "unsubscribed", "bounced", "registered", "attended"):
        assert run.ask(f"SELECT count(*) FROM event WHERE name = '{event}'") > 0
    assert len(run.lines("receipts.jsonl")) == run.ask("SELECT count(*) FROM event WHERE name = 'unsubscribed'")
    assert "killed in mid-send, restarted: 0 lost, 0 twice" in run.screen or "nothing is shown" in run.screen


def test_the_windows_are_in_and_somebody_wants_them(run: Run) -> None:
    """As many as the shipped file has rows, and as many people as wrote an office of a state where one is ahead."""
    with (run.folder / "data" / "filing_deadlines.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert run.number("imported") == len(rows) == run.ask("SELECT count(*) FROM filing_window")
    assert run.number("of them ahead") == sum(1 for row in rows if row["closes_on"] >= "2026-11-10")
    assert run.number("people want one of those") == run.ask(
        "SELECT count(DISTINCT person_id) FROM interest JOIN person ON person.id = person_id "
        "WHERE person.state || '/' || office_level IN ('WI/', 'WI/county', 'WI/judicial', 'WI/municipal', "
        "'WI/school_board', 'TX/', 'TX/municipal', 'TX/school_board', 'TX/special_district', 'MS/')"
    )


def test_the_deadline_moved_with_everybody(run: Run) -> None:
    """The line on the screen says what the import said, and the mails that the server got say what the line says."""
    said = run.lines("windows/wisconsin.txt")
    assert f" repeats. `windows import` had said:\n           {said[-1]}\n" in run.screen
    foreseen = re.match(r"4 windows moved, 0 new, (\d+) people affected, (\d+) mails move, 0 will", said[-1])
    assert foreseen is not None
    assert run.number("people hang on it") == int(foreseen[1])
    assert 0 < run.number("mails moved") == run.number("queued, ") + run.number("planned") <= int(foreseen[2])
    assert "\n           0 steps passed by, 0 repeats." in run.screen
    news = [told for told in run.accepted() if ":deadline_moved:" in told["feedback"]]
    assert run.number("told once of the move") == len(news) == len({told["to"] for told in news}) > 0


def test_mails_about_the_deadline_name_the_one_that_stood(run: Run) -> None:
    """5 January before Wisconsin moved it and 8 January from then on, asked without any of the demo's own code."""
    named: Counter[tuple[str, bool, bool]] = Counter()
    with (run.folder / "server" / "messages.bin").open("rb") as file:
        for told in run.accepted():
            campaign = told["feedback"].split(":")[1]
            if campaign not in ("filing_countdown", "window_opened", "deadline_moved"):
                continue
            file.seek(told["at"])
            message = message_from_bytes(zlib.decompress(file.read(told["size"])), policy=policy.default)
            body = message.get_body(("plain",))
            assert body is not None
            text = " ".join(body.get_content().split())
            when = "before" if message["date"].datetime < MOVED_AT else campaign
            named[when, bool(_OLD.search(text)), bool(_NEW.search(text))] += 1
    assert set(named) <= {
        ("before", True, False), ("window_opened", False, True), ("filing_countdown", False, True),
        ("deadline_moved", True, True),
    }  # fmt: skip
    assert named["before", True, False] > 0
    assert named["deadline_moved", True, True] > 0


def test_who_has_filed_hears_no_more_of_the_deadline(run: Run) -> None:
    """Maria filed on the first day of filing: she heard of the deadline before, and not of its opening or its move."""
    assert run.ask("SELECT count(*) FROM candidacy WHERE status = 'filed'") == run.number("who have filed") > 0
    told = [one for one in run.accepted() if one["to"] == "maria@example.org"]
    assert [one["feedback"].split(":")[0] for one in told if ":deadlines:" in one["feedback"]] == ["gather"]
    assert told[-1]["feedback"].startswith("congrats:post_filing:")


def test_the_same_again_without_telling_it_again(run: Run) -> None:
    """`--keep` checks and shows what the last run left, and changes nothing of it."""
    before = (run.folder / "server" / "accepted.jsonl").read_bytes()
    again = CliRunner().invoke(app, ["-C", str(run.folder.parent), "demo", "--keep"])
    checks = slice(1, -2)
    assert again.exit_code == 0
    assert again.output.splitlines()[checks] == run.screen.splitlines()[checks]
    assert (run.folder / "server" / "accepted.jsonl").read_bytes() == before


def test_the_commands_of_the_last_lines_work(run: Run) -> None:
    """`explain` tells of Maria, and the mail that is to be opened is a whole page."""
    told = CliRunner().invoke(app, ["-C", str(run.folder), "explain", "maria@example.org"])
    assert told.exit_code == 0
    assert "welcome" in told.output
    page = (run.folder / "mail" / "maria-offices.html").read_text(encoding="utf-8")
    assert page.lstrip().startswith("<!DOCTYPE html>")
    assert "/u/" in page


def test_a_folder_that_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    """A `.demo` without our mark is somebody's own: it is refused and stays as it is."""
    theirs = tmp_path / ".demo"
    theirs.mkdir()
    (theirs / "letters.txt").write_text("dear", encoding="utf-8")
    refused = CliRunner().invoke(app, ["-C", str(tmp_path), "demo", "--quick", "--port", "0"])
    assert refused.exit_code == 2
    assert "was not made by the demo" in refused.output
    assert [path.name for path in theirs.iterdir()] == ["letters.txt"]
    assert not (theirs / MARKER).exists()


def test_nothing_to_keep(tmp_path: Path) -> None:
    """Without an earlier run `--keep` says what to do."""
    refused = CliRunner().invoke(app, ["-C", str(tmp_path), "demo", "--keep"])
    assert refused.exit_code == 2
    assert "without --keep first" in refused.output
