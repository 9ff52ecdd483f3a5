"""
Wisconsin's window of 1 December 2026 to 5 January 2027, 17:00 Central, by the commands that a director and staff type.

The whole shipped project: every campaign, its copy in two languages, the caps. Eight people in four zones live through
a deadline that comes closer and is then extended by 72 hours, through an outage, and one of them files in between.
"""

import csv
import json
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from functools import partial
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest
from typer.testing import CliRunner

from rfs_mail.app import open_app
from rfs_mail.cli import app, context
from rfs_mail.store.tables import TABLES

CENTRAL = ZoneInfo("America/Chicago")

SIGNUPS = """\
email,first_name,zip,state,language,office_interest,office_state,election_year,signed_up_at
ana@example.org,Ana,53703,WI,en,School board; City council,,2027,2026-10-02
luz@example.org,Luz,53703,WI,es,school_board,,2027,2026-10-02
mae@example.org,Mae,49858,MI,en,city council,WI,2027,2026-10-02
nick@example.org,Nick,10001,NY,en,School board,WI,2027,2026-10-02
dee@example.org,Dee,80202,CO,es,junta escolar,WI,2027,2026-10-02
lou@example.org,Lou,90001,CA,en,County,WI,2027,2026-10-02
fay@example.org,Fay,53703,WI,en,School board,,2027,2026-10-02
pia@example.org,Pia,53703,WI,en,Judge,,2027,2026-10-02
ohio@example.org,Otto,43004,OH,en,School board,,2027,2026-10-02
"""
PEOPLE = ("ana", "luz", "mae", "nick", "dee", "lou", "fay", "pia", "ohio")


class Staff:
    """Somebody at the keyboard of one installation, at a time of the clock on her wall in Wisconsin."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = datetime(2026, 11, 18, 15, tzinfo=UTC)

    def types(self, *words: str, at: str | None = None) -> str:
        """`rfs-mail -C FOLDER WORDS` at a time in Wisconsin; gives what it printed."""
        if at is not None:
            self.now = datetime.fromisoformat(at).replace(tzinfo=CENTRAL).astimezone(UTC)
        result = CliRunner().invoke(app, ["-C", str(self.folder), *words])
        assert result.exit_code == 0, (words, result.output)
        return result.output

    def reads(self, *words: str) -> Any:
        """The same with --json."""
        return json.loads(self.types(*words, "--json"))

    def waits_until(self, *times: str) -> None:
        """A pass of every verb at each of these times in Wisconsin."""
        for when in times:
            self.types("tick", "--at", datetime.fromisoformat(when).replace(tzinfo=CENTRAL).isoformat(), at=when)

    def moves(self, closes: str, *, at: str, status: str) -> str:
        """Wisconsin's four windows close on another day, by a file as staff would write it."""
        with (self.folder / "data" / "filing_deadlines.csv").open(encoding="utf-8") as file:
            rows = [row for row in csv.DictReader(file) if row["window_id"].startswith("wi-2027-spring-")]
        changed = {"closes_on": closes, "status": status, "confidence": "official", "petition_due": f"{closes} 17:00"}
        path = self.folder / "wisconsin.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows([row | changed for row in rows])
        return self.types("windows", "import", str(path), "--yes", at=at)

    def pauses(self, name: str, *, until: str) -> None:
        """Somebody asks on her preferences page to be left alone until then."""
        opened = open_app(self.folder)
        with opened.store.begin() as connection:
            person = TABLES["person"]
            at = datetime.fromisoformat(until).replace(tzinfo=CENTRAL).astimezone(UTC)
            mine = person.c.address == f"{name}@example.org"
            connection.execute(person.update().where(mine).values(paused_until=at))
        opened.close()

    def mails(self) -> list[EmailMessage]:
        """All that lies in the inbox on disk."""
        return [
            cast(EmailMessage, message_from_bytes(path.read_bytes(), policy=default))
            for path in sorted((self.folder / "inbox").rglob("*.eml"))
        ]


@pytest.fixture
def staff(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Staff:
    """A fresh installation with all that is shipped, windows and people imported."""
    folder = tmp_path / "office"
    CliRunner().invoke(app, ["init", str(folder)])
    staff = Staff(folder)
    monkeypatch.setattr(context, "open_app", partial(open_app, civil_clock=lambda: staff.now))
    staff.types("windows", "import", "data/filing_deadlines.csv", "--yes", at="2026-11-18 09:00")
    staff.types("apply", "--yes")
    (folder / "people.csv").write_text(SIGNUPS, encoding="utf-8")
    staff.types(
        "signups",
        "import",
        str(folder / "people.csv"),
        "--source",
        "fair",
        "--entity",
        "rfs",
        "--consent",
        "Write to me.",
    )
    for name in PEOPLE:
        staff.types(
            "people", "set", f"{name}@example.org", f"stage={'committed' if name in 'ana fay' else 'exploring'}"
        )
    return staff


def test_wisconsin(staff: Staff) -> None:
    """Each mail on its right local day and minute, none late, none twice, and each that was not sent has its reason."""
    staff.waits_until(
        "2026-11-20 23:59", "2026-11-21 09:00", "2026-11-21 10:00", "2026-11-21 11:00", "2026-11-21 12:00",
        "2026-12-01 12:59", "2026-12-01 13:00", "2026-12-06 10:00", "2026-12-07 08:00", "2026-12-07 09:00",
        "2026-12-07 10:00", "2026-12-07 11:00",
    )  # fmt: skip
    said = staff.moves("2026-12-30", at="2026-12-14 12:00", status="moved")
    assert "closes 2027-01-05 17:00 -> 2026-12-30 17:00 (6 days earlier)" in said
    assert "4 windows moved, 0 new, 8 people affected, 16 mails move, 0 will not be sent any more." in said
    staff.waits_until("2026-12-14 12:01", "2026-12-14 12:06", "2026-12-16 00:00")
    filed = ("people", "set", "fay@example.org", "stage=filed", "--window", "wi-2027-spring-school-board")
    staff.types(*filed, at="2026-12-20 12:00")
    staff.waits_until(
        "2026-12-21 09:00", "2026-12-23 09:00", "2026-12-23 10:00", "2026-12-23 11:00", "2026-12-23 12:00",
        "2026-12-26 09:00", "2026-12-26 10:00", "2026-12-26 11:00", "2026-12-26 12:00", "2026-12-29 08:00",
    )  # fmt: skip
    staff.pauses("pia", until="2026-12-30 12:00")
    staff.waits_until("2026-12-29 09:00", "2026-12-29 15:00")  # six hours in which nothing ran
    staff.waits_until("2026-12-30 09:59", "2026-12-30 16:00")  # and again on the last day
    staff.moves("2027-01-02", at="2026-12-30 17:30", status="extended")
    staff.waits_until(
        "2026-12-30 17:31", "2026-12-30 17:36", "2027-01-01 09:00", "2027-01-02 09:00", "2027-01-03 10:00",
        "2027-01-04 08:00", "2027-01-04 09:00", "2027-01-04 10:00", "2027-01-04 11:00", "2027-01-06 12:00",
    )  # fmt: skip

    log = staff.reads("deliveries", "list", "--limit", "1000")
    assert {"ohio", *PEOPLE} == set(PEOPLE)
    assert expected_log() == sorted(of_windows(log))
    assert [("pia", "t1", "expired", "too_late")] == [
        (who(row), row["step_key"], row["state"], row["reason"]) for row in log if row["state"] != "sent"
    ]
    assert "too late" in staff.types("explain", "pia@example.org", "filing_countdown", "t1")
    assert "filing_countdown" in staff.types("explain", "ohio@example.org", "filing_countdown")
    mails = staff.mails()
    assert len(mails) == sum(row["state"] == "sent" for row in log)
    for mail in mails:
        reads_true(mail)
    languages = {str(mail["To"]): mail.get_body(("plain",)).get_content()[:4] for mail in mails}  # type: ignore[union-attr]
    assert {"Hola"} == {start for to, start in languages.items() if "luz@" in to or "dee@" in to}
    assert staff.types("tick", at="2027-01-06 12:00").count(" 0 sent") == 1


def who(row: dict[str, Any]) -> str:
    """The name before the at sign."""
    return str(row["address"]).partition("@")[0]


def of_windows(log: list[dict[str, Any]]) -> Iterator[tuple[str, str, str]]:
    """(who, step, when by her own clock) of what went out about the window."""
    for row in log:
        if row["state"] == "sent" and row["campaign_id"] != "post_filing":
            at = datetime.fromisoformat(row["settled_at"]).astimezone(CLOCKS.get(who(row), CENTRAL))
            yield who(row), row["step_key"], f"{at:%m-%d %H:%M}"


CLOCKS = {
    "nick": ZoneInfo("America/New_York"), "dee": ZoneInfo("America/Denver"), "lou": ZoneInfo("America/Los_Angeles"),
    "mae": ZoneInfo("America/Menominee"),
}  # fmt: skip


def expected_log() -> list[tuple[str, str, str]]:
    """What each of them should have got, on her own clock."""
    hours_behind = {"nick": -1, "dee": 1, "lou": 2}

    def central(name: str, hour: str) -> str:
        at = datetime.fromisoformat(f"2026-{hour}") - timedelta(hours=hours_behind.get(name, 0))
        return f"{at:%m-%d %H:%M}"

    found = []
    for name in ("ana", "luz", "mae", "nick", "dee", "lou", "fay", "pia"):
        found += [
            (name, "gather", "11-21 10:00"),
            (name, "open", central(name, "12-01 13:00")),
            (name, "signatures", "12-07 09:00"),
            (name, "moved", central(name, "12-14 12:06")),
        ]
        if name == "fay":  # she filed on the twentieth
            continue
        found += [(name, "t7", "12-23 10:00"), (name, "t3", "12-26 10:00")]  # the 27th is a Sunday
        if name in ("dee", "lou"):
            found.append((name, "t1", central(name, "12-29 15:00")))  # when the machine was back
        elif name != "pia":
            found.append((name, "t1", "12-29 09:00"))
        found += [(name, "moved", central(name, "12-30 17:36")), (name, "did_you", "01-04 09:00")]
    return sorted(found)


DATES = (
    (datetime(2026, 12, 14, 12, tzinfo=CENTRAL), date(2027, 1, 5), ("January 5", "5 de enero")),
    (datetime(2026, 12, 30, 17, 30, tzinfo=CENTRAL), date(2026, 12, 30), ("December 30", "30 de diciembre")),
    (datetime(2027, 12, 31, tzinfo=CENTRAL), date(2027, 1, 2), ("January 2", "2 de enero")),
)
"""Until when a deadline stood, the day, and how a mail says it."""


def reads_true(mail: EmailMessage) -> None:
    """It names the deadline that stood when it went, and says "tomorrow" only on the day before, by the office."""
    body = mail.get_body(("plain",))
    assert body is not None
    text = " ".join([str(mail["Subject"]), *str(body.get_content()).split()])
    sent = mail["Date"].datetime.astimezone(CENTRAL)
    closes, names = next((day, names) for until, day, names in DATES if sent < until)
    if "post_filing" in str(mail["Feedback-ID"]):
        return
    assert any(name in text for name in names), (sent, text)
    tomorrow = re.search(r"\btomorrow\b|\bmañana\b", text)
    assert bool(tomorrow) == ((closes - sent.date()).days == 1), (sent, text)
    assert re.search(r"\btoday\b|\bhoy\b", text) is None, (sent, text)
