"""From an empty folder to a log that answers everything: the whole product by its commands and a real relay."""

import asyncio
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from rfs_mail.app import open_app
from rfs_mail.cli import app
from rfs_mail.web.factory import create_web
from tests.project_samples import make_folder as write_files
from tests.transport.smtp_server import SmtpServer

WELCOME = """\
id: welcome
entity: rfs
topic: running
languages: [en]
audience:
  - state in ["WI", "MN"]
entry: {event: signup}
send: {days: Mon-Sun, hours: any}
steps:
  - {key: hello, mail: hello, cap: exempt}
  - {key: second, at: entry + 2d, mail: second}
  - {key: only_mn, at: entry + 3d, when: state == "MN", mail: second}
  - {key: last, at: entry + 4d, mail: last}
goal: stage >= "exploring"
"""

MAILS = {
    "welcome/hello.md": "---\nsubject: 'Hello {{ given_name or \"there\" }}'\n---\nHello.\n",
    "welcome/second.md": "---\nsubject: The second\n---\nHello again.\n",
    "welcome/last.md": "---\nsubject: The last\n---\nBye.\n",
}

AGREED = """\
email,first_name,state
maria@example.org,María,WI
bo@example.org,Bo,WI
dora@example.org,Dora,MN
eva@example.org,Eva,WI
gone@example.org,Gone,WI
tex@example.org,Tex,TX
not an address,Nobody,WI
"""

SILENT = "email,first_name,state\nquiet@example.org,Quiet,WI\n"


class Desk:
    """Somebody at the keyboard, in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def types(self, *words: str, code: int = 0) -> str:
        """`rfs-mail -C FOLDER WORDS`; gives what it printed."""
        result = CliRunner().invoke(app, ["-C", str(self.folder), *words])
        assert result.exit_code == code, result.output
        return result.stdout

    def reads(self, *words: str) -> Any:
        """The same with --json."""
        return json.loads(self.types(*words, "--json"))

    def log(self) -> dict[tuple[str, str], tuple[str, str | None]]:
        """(who, step) -> state and reason, by the send log."""
        return {
            (row["address"].partition("@")[0], row["step_key"]): (row["state"], row["reason"])
            for row in self.reads("deliveries", "list")
        }


@pytest.fixture
def relay(monkeypatch: pytest.MonkeyPatch) -> Iterator[SmtpServer]:
    """A relay that knows no mailbox called gone."""
    with SmtpServer(script={"gone@example.org": {"rcpt": "550 5.1.1 no such user here"}}) as server:
        monkeypatch.setenv("RFS_MAIL_RELAY", f"smtp://127.0.0.1:{server.port}?tls=none")
        yield server


def got(relay: SmtpServer) -> list[tuple[str, str]]:
    """(who, subject) of what the relay took, sorted."""
    return sorted(
        (message.rcpt_to[0].partition("@")[0], str(message_from_bytes(message.data, policy=default)["Subject"]))
        for message in relay.messages
    )


def press_unsubscribe(folder: Path, message: bytes) -> None:
    """What a mail client does for "Unsubscribe": a POST to the address in the header, nothing more (RFC 8058)."""
    header = str(message_from_bytes(message, policy=default)["List-Unsubscribe"])
    url = re.search(r"<(https?://[^>]+)>", header)
    assert url is not None
    opened = open_app(folder)

    async def press() -> list[int]:
        pages = httpx.ASGITransport(create_web(opened))
        async with httpx.AsyncClient(transport=pages) as client:
            answers = [await client.post(url[1], data={"List-Unsubscribe": "One-Click"}) for _ in range(2)]
        return [answer.status_code for answer in answers]

    try:
        assert asyncio.run(press()) == [200, 200]
    finally:
        opened.close()


def test_the_whole_story(tmp_path: Path, relay: SmtpServer) -> None:
    """init, check, apply, import, tick, unsubscribe, tick: the log says who got what, and why the others did not."""
    CliRunner().invoke(app, ["init", "--bare", str(tmp_path)])
    write_files(tmp_path, {"welcome": WELCOME}, MAILS)
    desk = Desk(tmp_path)
    desk.types("check")
    desk.types("apply", "--yes")
    (tmp_path / "agreed.csv").write_text(AGREED, encoding="utf-8")
    (tmp_path / "silent.csv").write_text(SILENT, encoding="utf-8")
    how = ("--source", "fair", "--entity", "rfs")
    desk.types("signups", "import", str(tmp_path / "agreed.csv"), *how, "--consent", "Write to me.", code=1)
    desk.types("signups", "import", str(tmp_path / "silent.csv"), *how, "--no-consent")
    start = datetime.now(UTC)

    def tick(days: float) -> None:
        desk.types("tick", "--at", (start + timedelta(days=days)).isoformat())

    # The day itself.
    tick(0)
    hello = [("bo", "Hello Bo"), ("dora", "Hello Dora"), ("eva", "Hello Eva"), ("maria", "Hello María")]
    assert got(relay) == hello
    assert relay.violations == []

    # Bo presses the button, Eva moves on, and time passes.
    bo = next(message.data for message in relay.messages if message.rcpt_to == ("bo@example.org",))
    press_unsubscribe(tmp_path, bo)
    desk.types("people", "set", "eva@example.org", "stage=exploring")
    for days in (1, 2.01, 3.01, 4.01, 5):
        tick(days)
    later = [("dora", "The second"), ("dora", "The second"), ("maria", "The second"), ("maria", "The last")]
    assert got(relay) == sorted([*hello, *later])

    # The log answers for everybody.
    assert desk.log() == {
        ("maria", "hello"): ("sent", None),
        ("maria", "second"): ("sent", None),
        ("maria", "last"): ("sent", None),
        ("dora", "hello"): ("sent", None),
        ("dora", "second"): ("sent", None),
        ("dora", "only_mn"): ("sent", None),
        ("dora", "last"): ("skipped", "capped"),
        ("bo", "hello"): ("sent", None),
        ("bo", "second"): ("skipped", "unsubscribed"),
        ("bo", "last"): ("skipped", "unsubscribed"),
        ("eva", "hello"): ("sent", None),
        ("gone", "hello"): ("failed", "rejected"),
        ("gone", "second"): ("skipped", "suppressed"),
        ("gone", "last"): ("skipped", "suppressed"),
    }
    told = {who: desk.types("explain", f"{who}@example.org", "welcome") for who in ("tex", "quiet", "eva", "maria")}
    assert 'the audience does not hold: state in ["WI", "MN"]' in told["tex"]
    assert "no consent for rfs is recorded" in told["quiet"]
    assert 'the goal was reached: stage >= "exploring"' in told["eva"]
    assert 'its `when` was false: state == "MN"' in told["maria"]
    assert "unsubscribed from rfs" in desk.types("deliveries", "list", "--person", "bo@example.org")


def test_the_same_import_and_the_same_tick_again_change_nothing(tmp_path: Path, relay: SmtpServer) -> None:
    """Somebody runs every command twice."""
    CliRunner().invoke(app, ["init", "--bare", str(tmp_path)])
    write_files(tmp_path, {"welcome": WELCOME}, MAILS)
    desk = Desk(tmp_path)
    (tmp_path / "agreed.csv").write_text(AGREED, encoding="utf-8")
    desk.types("apply", "--yes")
    for _ in range(2):
        desk.types("apply", "--yes")
        how = ("--source", "fair", "--entity", "rfs", "--consent", "Yes")
        desk.types("signups", "import", str(tmp_path / "agreed.csv"), *how, code=1)
        at = (datetime.now(UTC) + timedelta(minutes=1)).isoformat()
        for _ in range(2):
            desk.types("tick", "--at", at)
    assert [who for who, _ in got(relay)] == ["bo", "dora", "eva", "maria"]
