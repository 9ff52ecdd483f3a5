"""People made at random, with everything that an expression may ask about, for the tests of expressions."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Any

from sqlalchemy import Connection, insert

from rfs_mail.core.vocabulary import STAGE
from rfs_mail.store.tables import TABLES

WINDOWS = tuple(f"window-{number}" for number in range(1, 7))
STATES = ("WI", "GA", "TX")
LEVELS = ("school_board", "county", "state_legislature", "state_lower", "local_any", "")
ZONES = ("America/New_York", "America/Chicago", "Pacific/Honolulu", "Pacific/Auckland", "Nowhere/Land", "UTC")
TEXTS = ("yes", "Dane", "m", "M", "é", "z", "\N{GRINNING FACE}", "ab", "a b", "2026-11-22", "")
FITTING: dict[str, tuple[object, ...]] = {
    "note": TEXTS,
    "hours": (-1, 0, 0.1, 1, 2, 2.5, 2**40),
    "call_date": ("2026-11-01", "2026-11-19", "2026-11-20", "2026-11-22", "2026-11-23", "2026-11-24", "2026-13-99"),
    "volunteer": (True, False),
    "office": ("school_board", "county", "judicial", "gone"),
}
ODD: tuple[object, ...] = (1, 2.5, True, None, ["yes"], {"a": 1}, "1", "true", "2026-11-20 ", "x")
"""What no field should hold."""

HAPPENINGS = (
    ("recommitted", ("",), ("",)),
    ("registered", ("intro_call", "intro_call-2026-11", "intro_callx", "intro_cal", "INTRO_CALL-1"), ("",)),
    ("attended", ("intro_call", "intro_call-2026-11", "intro_callx", "intro_cal", "INTRO_CALL-1"), ("",)),
    ("missed", ("intro_call", "intro_call-2026-12", "nrfod"), ("",)),
    ("answered", ("did_you", "day"), ("filed", "need_help")),
    ("clicked", ("hello", "hi", "day"), ("human", "human", "machine", "unknown")),
    ("stage", ("",), ("committed", "withdrawn", "on_ballot", "exploring")),
    ("signup", ("",), ("",)),
    ("replied", ("",), ("",)),
)
"""Name, what it may be about, what may have been said."""
OF_DANE = "ocd-division/country:us/state:wi/county:dane"
COUNTIES = ("Dane", "Dane County", "dane", "Rock", "", "Doña Ana")
DAYS = (0, 1, 2, 7, 13, 14, 29, 30, 31, 60, 179, 181, 400)


class Crowd:
    """Rows of every table for `size` people (ids from 1), and one enrollment each of the campaign `welcome`."""

    def __init__(self, seed: int, now: datetime, size: int = 8) -> None:
        self.random = Random(seed)
        self.now = now
        self.rows: dict[str, list[dict[str, Any]]] = {name: [] for name in TABLES}
        self._windows()
        for person_id in range(1, size + 1):
            self._person(person_id)

    def insert(self, connection: Connection) -> None:
        """Put all of it into empty tables."""
        for name, rows in self.rows.items():
            if rows:
                connection.execute(insert(TABLES[name]), rows)

    # -- pieces ------------------------------------------------------------------------------------------------------

    def maybe(self, values: Sequence[Any]) -> Any:
        return self.random.choice((None, *values))

    def some(self, most: int) -> range:
        return range(self.random.randint(0, most))

    def instant(self) -> datetime:
        """Mostly at the edges that expressions ask about."""
        near = timedelta(microseconds=self.random.choice((-1, 0, 1)), hours=self.random.choice((0, 0, 5, -6, 12)))
        return self.now - timedelta(days=self.random.choice(DAYS)) + near

    def day(self) -> str:
        return (self.now.date() + timedelta(days=self.random.choice((-30, -3, -1, 0, 1, 3, 59, 60, 61)))).isoformat()

    def _windows(self) -> None:
        for window_id in WINDOWS:
            self.rows["filing_window"].append(
                {
                    "id": window_id,
                    "jurisdiction": "x",
                    "state": self.random.choice((*STATES, "")),
                    "division": self.maybe(("Dane", "", OF_DANE)),
                    "office_level": self.random.choice(LEVELS),
                    "office": "Board",
                    "election_on": self.random.choice(("2026-11-03", "2027-04-06", "")),
                    "opens_on": self.maybe((self.day(), self.day(), self.day(), "")),
                    "closes_on": self.random.choice((self.day(), self.day(), "")),
                    "closes_time": self.maybe(("17:00",)),
                    "zone": "America/Chicago",
                    "status": self.random.choice(("confirmed", "tentative", "cancelled")),
                    "confidence": self.random.choice(("official", "computed", "conflict", "unknown", "odd")),
                    "source": "",
                    "version": self.random.randint(1, 2),
                    "updated_at": self.now,
                }
            )
            for name in ("petition_due", "challenge_closes"):
                if self.random.random() < 0.7:
                    self.rows["milestone"].append(
                        {
                            "window_id": window_id,
                            "name": name,
                            "on": self.random.choice((self.day(), self.day(), "")),
                        }
                    )
        for key in ("intro_call-2026-11", "intro_call-2026-12"):
            self.rows["occurrence"].append(
                {"calendar": "intro_call", "key": key, "on": "", "zone": "UTC", "starts_at": self.instant()}
            )

    def _person(self, person_id: int) -> None:
        random = self.random
        own = {"person_id": person_id}
        self.rows["person"].append(
            {
                "id": person_id,
                "address": f"p{person_id}@example.org",
                "mailbox": f"p{person_id}@example.org",
                "address_hash": f"hash{person_id}".encode(),
                "given_name": self.maybe(TEXTS),
                "family_name": self.maybe(TEXTS),
                "state": self.maybe(STATES),
                "county": self.maybe((*TEXTS, *COUNTIES)),
                "zip": self.maybe(("02139", "53703")),
                "lang": self.maybe(("en", "es", "es-US")),
                "birth_year": self.maybe((1980, 1990, 1991, 1995, 2000)),
                "runs_before": self.maybe((0, 1, 2)),
                "endorsable": self.maybe((True, False)),
                "zone": random.choice(ZONES),
                "signed_up_at": self.maybe((self.instant(), self.instant())),
                "stage": random.choice((*STAGE.values, "no_stage")),
                "stage_at": self.maybe((self.instant(),)),
                "custom": {
                    slug: random.choice(values if random.random() < 0.8 else ODD)
                    for slug, values in FITTING.items()
                    if random.random() < 0.8
                },
                "provenance": {},
                "created_at": self.now,
                "updated_at": self.now,
            }
        )
        if random.random() < 0.5:
            self.rows["person_tag"].append({**own, "tag": random.choice(("vip", "VIP")), "at": self.now})
        if random.random() < 0.5:
            self.rows["person_role"].append({**own, "role": "volunteer"})
        if random.random() < 0.7:
            self.rows["consent"].append(
                {**own, "entity_id": "rfs", "granted_at": self.now, "withdrawn_at": self.maybe((self.now,))}
            )
        if random.random() < 0.3:
            self.rows["topic_left"].append({**own, "topic": "deadlines", "at": self.now})
        if random.random() < 0.5:
            self.rows["suppression"].append(
                {
                    "address_hash": f"hash{person_id}".encode(),
                    "scope": random.choice(("topic", "topic", "entity")),
                    "scope_id": "deadlines",
                    "reason": "unsubscribed",
                    "at": self.now,
                    "lifted_at": self.maybe((self.now,)),
                }
            )
        enrollment_id = self._enrollments(person_id)
        for _ in self.some(8):
            self._event(person_id, enrollment_id)
        for _ in self.some(1):
            self.rows["signup"].append(
                {
                    **own,
                    "source": "form",
                    "key": f"{person_id}",
                    "at": self.instant(),
                    "received_at": self.instant(),
                }
            )
        for _ in self.some(4):
            self._delivery(person_id, enrollment_id)
        for _ in self.some(2):
            self.rows["interest"].append(
                {
                    **own,
                    "office_level": random.choice(LEVELS),
                    "state": random.choice((*STATES, "")),
                    "division": random.choice(("", "Dane", "Rock")),
                    "election_year": self.maybe((2026, 2027)),
                    "party_path": random.choice(("", "", "unaffiliated")),
                    "incumbent": random.random() < 0.3,
                    "at": self.now,
                }
            )
        for window_id in WINDOWS:
            if random.random() < 0.3:
                status = random.choice(("planned", "circulating", "filed", "qualified", "withdrawn", "won"))
                self.rows["candidacy"].append({**own, "window_id": window_id, "status": status, "at": self.instant()})

    def _enrollments(self, person_id: int) -> int:
        random = self.random
        common = {
            "person_id": person_id,
            "revision_id": 1,
            "occasion": "once:1",
            "ended_detail": {},
            "step_key": "",
        }
        self.rows["enrollment"].append(
            {
                **common,
                "id": person_id,
                "campaign_id": "welcome",
                "state": random.choice(("active", "finished", "exited")),
                "entered_at": self.instant(),
                "window_id": self.maybe([*WINDOWS[:-1], "no-window"]),
                "occurrence_key": self.maybe(("intro_call-2026-12",)),
                "anchors": {"intro_call": "intro_call-2026-11"} if random.random() < 0.5 else {},
                "waiting_since": self.instant(),
            }
        )
        if random.random() < 0.5:
            self.rows["enrollment"].append(
                {
                    **common,
                    "id": 1000 + person_id,
                    "campaign_id": "nrfod",
                    "state": random.choice(("active", "finished", "holdout")),
                    "entered_at": self.instant(),
                    "window_id": None,
                    "occurrence_key": None,
                    "anchors": {},
                    "waiting_since": None,
                }
            )
        return person_id

    def _event(self, person_id: int, enrollment_id: int) -> None:
        name, refs, values = self.random.choice(HAPPENINGS)
        self.rows["event"].append(
            {
                "person_id": person_id,
                "name": name,
                "ref": self.random.choice(refs),
                "value": self.random.choice(values),
                "active": self.random.random() < 0.5,
                "at": self.instant(),
                "received_at": self.instant(),
                "campaign_id": self.maybe(("welcome", "nrfod")),
                "enrollment_id": self.maybe((enrollment_id, 999)),
                "detail": {},
            }
        )

    def _delivery(self, person_id: int, enrollment_id: int) -> None:
        state = self.random.choice(("queued", "sent", "sent", "bounced", "complained", "failed", "uncertain"))
        self.rows["delivery"].append(
            {
                "person_id": person_id,
                "enrollment_id": self.random.choice((enrollment_id, 999)),
                "campaign_id": self.random.choice(("welcome", "nrfod")),
                "step_key": self.random.choice(("hello", "hi", "day", "did_you")),
                "revision_id": 1,
                "state": state,
                "queued_at": self.now,
                "due_at": self.now,
                "next_at": self.now,
                "not_after": self.now,
                "settled_at": None if state == "queued" else self.maybe((self.instant(), self.instant())),
            }
        )
