"""
The reckoning: the relay's log against the database, message by message, and both against the witnesses.

What must hold, for every mail:

- it has one end: sent, uncertain, or failed, skipped or expired with a reason;
- `sent` is in the log (else it is lost); what is in the log is sent or uncertain, or was sent again and refused then;
- one copy, and one more for each time it was sent again, which only `on_uncertain: resend` does, once;
- each copy came from a sender that had marked the mail before, in an attempt that nobody calls unsent since;
- no mark after a suppression of that person was committed;
- each unsubscribe that was answered with 200 is in the database.
"""

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Mapping, Set
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.chaos.installation import name_of
from tests.chaos.server import SILENT

CLOCK = 0.002
"""Seconds by which a trigger's clock, of thousandths, may seem to go after that of the relay."""

ENDS = {"sent", "uncertain", "failed", "skipped", "expired"}


@dataclass(frozen=True)
class Copy:
    """A message that the relay took: when, and what its sender called itself."""

    at: float
    by: str


@dataclass
class Findings:
    """What came out. `broken`: promise -> the mails that show it."""

    mails: int = 0
    states: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    copies: int = 0
    again: int = 0
    """Second copies of mails that their director wanted sent again."""
    suppressions: int = 0
    misdeeds: Counter[str] = field(default_factory=Counter)
    broken: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))


@dataclass
class _Attempt:
    """From a mark to what came of it."""

    at: float
    holder: str
    end: str = "sending"

    @property
    def unsent(self) -> bool:
        """Somebody says that nothing of it arrived."""
        return self.end not in ("sending", "sent", "uncertain")


def read_log(path: Path) -> tuple[dict[str, list[Copy]], Counter[str]]:
    """Address -> the copies that the relay took, in order; misdeed -> how often."""
    copies: dict[str, list[Copy]] = defaultdict(list)
    misdeeds: Counter[str] = Counter()
    for line in path.read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        if "misdeed" in entry:
            misdeeds[entry["misdeed"]] += 1
        else:
            copies[entry["to"]].append(Copy(entry["at"], entry["by"]))
    return copies, misdeeds


def audit(
    database: Path, log: Path, *, mails: int, senders: Mapping[int, int], left: Set[int], window: int, deaths: int
) -> Findings:
    """
    Hold everything against everything. Changes nothing.

    `senders`: process id -> number; `left`: deliveries whose unsubscribe was answered with 200; `deaths`: how often a
    sender or the relay died or slept, each of which may leave a `window` of mails uncertain.
    """
    copies, misdeeds = read_log(log)
    found = Findings(mails, misdeeds=misdeeds, copies=sum(len(came) for came in copies.values()))
    with closing(sqlite3.connect(database)) as raw:
        raw.row_factory = sqlite3.Row
        rows = raw.execute("SELECT d.*, p.address FROM delivery d JOIN person p ON p.id = d.person_id").fetchall()
        moves: dict[int, list[Any]] = defaultdict(list)
        for move in raw.execute("SELECT * FROM chaos_move ORDER BY seq"):
            moves[move["delivery_id"]].append(move)
        _suppressed(raw, found, left)
    if len(rows) != mails or len({row["person_id"] for row in rows}) != mails:
        found.broken["one delivery a person"].append(f"{len(rows)} deliveries of {mails}")
    for row in rows:
        found.states[row["state"]] += 1
        if row["reason"] is not None:
            found.reasons[f"{row['state']}: {row['reason']}"] += 1
        found.again += max(len(copies[row["address"]]) - 1, 0)
        _one(row, copies[row["address"]], _attempts(moves[row["id"]]), senders, found)
    strangers = set(copies) - {row["address"] for row in rows}
    if strangers:
        found.broken["only mails of ours"] += sorted(strangers)
    most = window * deaths + sum(misdeeds[name] for name in SILENT)
    if found.states["uncertain"] > most:
        found.broken["uncertain at most a window a death"].append(f"{found.states['uncertain']} > {most}")
    return found


def _suppressed(raw: sqlite3.Connection, found: Findings, left: Set[int]) -> None:
    """Nothing is marked after a suppression, and no unsubscribe is forgotten."""
    found.suppressions = raw.execute("SELECT COUNT(*) FROM chaos_suppressed").fetchone()[0]
    late = raw.execute(
        "SELECT m.delivery_id FROM chaos_move m JOIN delivery d ON d.id = m.delivery_id "
        "JOIN person p ON p.id = d.person_id JOIN chaos_suppressed s ON s.address_hash = p.address_hash "
        "WHERE m.after = 'sending' AND m.seq > s.seq"
    ).fetchall()
    found.broken["no mark after a suppression"] += [f"delivery {row['delivery_id']}" for row in late]
    gone = {
        row["id"]
        for row in raw.execute(
            "SELECT d.id FROM delivery d JOIN person p ON p.id = d.person_id "
            "JOIN chaos_suppressed s ON s.address_hash = p.address_hash"
        )
    }
    found.broken["no unsubscribe forgotten"] += [f"delivery {one}" for one in sorted(left - gone)]


def _attempts(moves: list[Any]) -> list[_Attempt]:
    attempts: list[_Attempt] = []
    for move in moves:
        if move["after"] == "sending":
            attempts.append(_Attempt(move["at"], move["holder"] or ""))
        elif attempts and move["before"] in ("sending", "uncertain") and not move["resent"]:
            attempts[-1].end = move["after"]
    return attempts


def _one(row: Any, copies: list[Copy], attempts: list[_Attempt], senders: Mapping[int, int], found: Findings) -> None:
    who = f"{row['address']} (delivery {row['id']}, {row['state']}, {row['reason']}, {len(copies)} copies)"
    state, resends = row["state"], row["resends"]
    if state not in ENDS or (state in ("failed", "skipped", "expired") and not row["reason"]):
        found.broken["one end, with its reason"].append(who)
    # The conductor presses buttons in mails that have not come: that one is no proof.
    if state == "sent" and not copies and "proof" not in (row["detail"] or ""):
        found.broken["none lost"].append(who)
    if len(copies) > 1 + resends:
        found.broken["none twice"].append(who)
    if resends > (row["campaign_id"] == "urgent"):
        found.broken["sent again only where it was asked for"].append(who)
    if copies and state not in ("sent", "uncertain") and not resends:
        found.broken["what came is called sent or uncertain"].append(who)
    free = [attempt for attempt in attempts if not attempt.unsent]
    for copy in copies:
        own = [
            one
            for one in free
            if one.at <= copy.at + CLOCK and name_of(senders.get(_process(one.holder), -1)) == copy.by
        ]
        if not own:
            found.broken["each copy was marked before, and is not called unsent"].append(f"{who} by {copy.by}")
        else:
            free.remove(own[-1])


def _process(holder: str) -> int:
    """The process id in a holder's name, `host:pid:letters`."""
    return int(holder.split(":")[1]) if holder.count(":") == 2 else -1
