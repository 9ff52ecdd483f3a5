"""
The deadline of the story: Wisconsin's, which moves by three days while people are counted down to it.

The shipped file of filing windows is imported at the beginning, as `windows import` does it. In the middle a second one
comes in, Wisconsin's rows of it with another day, and what hung on them is compared before and after. What the demo
holds the mails against is read from these two files and not from the store.
"""

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from rfs_mail.app import App
from rfs_mail.cli.windows import tell_import
from rfs_mail.engine import audit
from rfs_mail.engine import windows as engine

SHIPPED = Path("data", "filing_deadlines.csv")
MOVING = Path("windows", "wisconsin.csv")
DIFFERENCE = Path("windows", "wisconsin.txt")
"""What `windows import` says of the file that moves the deadline."""

FILED = "filed.jsonl"
STATE = "WI"
LATER = timedelta(days=3)
"""By how much Wisconsin moves its deadline: the 72 hours that its statute knows too (Wis. Stat. 8.10)."""

NOTICE = {
    "status": "extended",
    "confidence": "official",
    "source": "https://www.example.org/notice-of-new-deadline",
    "notes": "Made up for the demo: three days later, for everybody.",
}
"""What the second file says besides the new day."""


@dataclass(frozen=True, slots=True)
class Stood:
    """What a filing window says from `since` on, until it says something else."""

    window_id: str
    state: str
    since: datetime
    closes_at: datetime
    """Where the file has no hour, the end of that day at the office."""
    closes_on: date
    opens_on: date | None
    days: frozenset[date]
    """Every day that it names: opening, closing, milestones; not the election."""
    zone: str


@dataclass(frozen=True, slots=True)
class Filed:
    """Staff wrote down that somebody has filed, and that was after the receiving server's message `after`."""

    recipient: str
    window_id: str
    left: tuple[str, ...]
    """Windows of hers that she has not filed for."""
    after: int


@dataclass(frozen=True, slots=True)
class Moved:
    """What the move of a deadline did, counted."""

    at: datetime
    before: date
    after: date
    people: int
    """Who wanted one of the windows or was on her way through a campaign about it, as the import says."""
    mails: int
    """Queued mails that had another time or expiry after the next pass."""
    steps: int
    """Next steps of people in flight that had another time after the next pass."""
    passed_by: int
    """Steps that the new date puts into the past, so that nobody gets them."""
    said: str
    """The last line of what `windows import` says."""
    wanting: tuple[str, ...]
    """Who would have been called about one of the windows on that day, by address."""
    warned: tuple[str, ...]
    """Those of them whom the news is for: who has not filed for another office meanwhile."""

    def as_values(self) -> dict[str, Any]:
        """Everything, as JSON keeps it."""
        days = {name: getattr(self, name).isoformat() for name in ("at", "before", "after")}
        return asdict(self) | days

    @classmethod
    def of_values(cls, values: Mapping[str, Any]) -> "Moved":
        """The inverse of `as_values`."""
        days = {name: date.fromisoformat(values[name]) for name in ("before", "after")}
        at = datetime.fromisoformat(values["at"])
        people = {name: tuple(values[name]) for name in ("wanting", "warned")}
        return cls(**{**values, **days, **people, "at": at})


# -- importing ---------------------------------------------------------------------------------------------------------


def import_windows(app: App, path: Path) -> tuple[engine.Import, list[str]]:
    """Import a file of filing windows as `windows import FILE --yes` does it: what it finds, and what it says."""
    found = engine.read_file(app.store, path, now=app.now())
    engine.apply_import(app.store, found, by="demo", now=app.now())
    return found, list(tell_import(found))


def write_moving(folder: Path, on: date) -> Path:
    """Wisconsin's rows of the shipped file that are ahead on a day, with another closing. Returns where they are."""
    with (folder / SHIPPED).open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["state"] == STATE and row["closes_on"] > on.isoformat()]
    for row in rows:
        row.update(NOTICE, as_of=on.isoformat())
        for name in ("closes_on", "petition_due"):
            day, blank, clock = row[name].partition(" ")
            row[name] = f"{date.fromisoformat(day) + LATER}{blank}{clock}"
    path = folder / MOVING
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return path


class Move:
    """The import that moves the deadline, with a look at what hangs on it right before and after the next pass."""

    def __init__(self, app: App, folder: Path) -> None:
        self._app, self._folder, self._at = app, folder, app.now()
        path = write_moving(folder, self._at.date())
        self._now = read_windows(path, self._at)
        ids = [one.window_id for one in self._now]
        to_call = engine.closing(app.store, within=timedelta(days=90), state=STATE, now=self._at)
        self._stages = {row["address"]: row["stage"] for row in to_call if row["window_id"] in ids}
        self._before = audit.hanging(app.store, ids)
        self._found, said = import_windows(app, path)
        (folder / DIFFERENCE).write_text("\n".join(said) + "\n", encoding="utf-8")
        self._said = said[-1]

    def look_again(self) -> Moved:
        """After the pass that followed."""
        ids = [one.window_id for one in self._now]
        after = audit.hanging(self._app.store, ids, since=self._at)
        old = {one.window_id: one for one in read_windows(self._folder / SHIPPED, self._at)}
        return Moved(
            self._at, old[ids[0]].closes_on, self._now[0].closes_on, self._found.people,
            _different(self._before.mails, after.mails), _different(self._before.steps, after.steps), after.passed_by,
            self._said, tuple(sorted(self._stages)),
            tuple(sorted(who for who, stage in self._stages.items() if stage in _ON_THE_WAY)),
        )  # fmt: skip


_ON_THE_WAY = ("signed_up", "onboarded", "exploring", "committed", "circulating")
"""Stages before filing: whom `deadline_moved` speaks to."""


def _different(before: Mapping[Any, object], after: Mapping[Any, object]) -> int:
    """How many are still there and have other times."""
    return sum(1 for key, times in before.items() if key in after and after[key] != times)


# -- reading the files -------------------------------------------------------------------------------------------------


def read_windows(path: Path, since: datetime) -> list[Stood]:
    """The windows of a file, by nothing of the product's own."""
    with path.open(encoding="utf-8", newline="") as file:
        return [_stood(row, since) for row in csv.DictReader(file) if row["closes_on"]]


def _stood(row: Mapping[str, str], since: datetime) -> Stood:
    closes_on, zone = date.fromisoformat(row["closes_on"]), ZoneInfo(row["zone"])
    named = (row[name][:10] for name in _DAYS if row[name])
    closes_at = (
        datetime.combine(closes_on, time.fromisoformat(row["closes_time"]), zone)
        if row["closes_time"]
        else datetime.combine(closes_on + timedelta(days=1), time(), zone)
    )
    return Stood(
        row["window_id"], row["state"], since, closes_at, closes_on,
        date.fromisoformat(row["opens_on"]) if row["opens_on"] else None,
        frozenset(date.fromisoformat(day) for day in named), row["zone"],
    )  # fmt: skip


_DAYS = (
    "opens_on", "closes_on", "party_registration", "petition_opens", "petition_due", "challenge_closes", "withdrawal",
)  # fmt: skip


def what_stood(folder: Path, begun: datetime, moved: Moved | None) -> dict[str, list[Stood]]:
    """Window id -> what it said, the oldest first, from the files that were imported."""
    said: dict[str, list[Stood]] = {}
    for one in [*read_windows(folder / SHIPPED, begun), *(read_windows(folder / MOVING, moved.at) if moved else ())]:
        said.setdefault(one.window_id, []).append(one)
    return said


# -- who has filed -----------------------------------------------------------------------------------------------------


def note_filed(folder: Path, filed: Filed) -> None:
    """Write down that staff wrote down that somebody has filed."""
    with (folder / FILED).open("a", encoding="utf-8") as file:
        line = {"recipient": filed.recipient, "window_id": filed.window_id, "left": filed.left, "after": filed.after}
        file.write(json.dumps(line) + "\n")


def read_filed(folder: Path) -> list[Filed]:
    """Everybody who was written down as filed for a window, in order."""
    path = folder / FILED
    if not path.exists():
        return []
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [Filed(**{**line, "left": tuple(line["left"])}) for line in lines]


def to_file(windows: Iterable[Stood], wanted: Sequence[str], on: date) -> tuple[str | None, tuple[str, ...]]:
    """Of the windows that somebody wants: the first one that is open on a day, and those that are left."""
    open_now = {one.window_id for one in windows if one.opens_on is not None and one.opens_on <= on <= one.closes_on}
    first = next((one for one in wanted if one in open_now), None)
    return first, tuple(one for one in wanted if one != first)
