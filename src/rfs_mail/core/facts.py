"""What is known about one person when an expression is asked of her: plain values, loaded by `store.facts`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, available_timezones

from rfs_mail.core.interest import Interest
from rfs_mail.core.lifecycle import DeliveryState
from rfs_mail.core.local_time import MIDNIGHT, local_instant

FILED_STATUSES: Final = ("filed", "qualified", "on_ballot", "advanced", "won", "lost")
"""Of a candidacy: the papers were handed in, and were not taken back."""

GOT_STATES: Final = (DeliveryState.SENT.value, DeliveryState.BOUNCED.value, DeliveryState.COMPLAINED.value)
"""A mail that went out: what `mails()` counts."""

RECEIVED_STATES: Final = (DeliveryState.SENT.value, DeliveryState.COMPLAINED.value)
"""A mail that arrived, as far as anyone can know: what `received()` asks."""


@dataclass(frozen=True, slots=True)
class Happening:
    """A row of `event`, or a sign-up as the active event `signup`. `received_at` is when we learnt of it."""

    name: str
    at: datetime
    received_at: datetime
    ref: str = ""
    value: str = ""
    active: bool = False
    campaign_id: str | None = None
    enrollment_id: int | None = None


@dataclass(frozen=True, slots=True)
class MailFact:
    """A delivery that was settled."""

    campaign_id: str
    step_key: str
    enrollment_id: int
    state: str
    settled_at: datetime | None


@dataclass(frozen=True, slots=True)
class EnrollmentFact:
    """That she is or was in a campaign."""

    campaign_id: str
    state: str


@dataclass(frozen=True, slots=True)
class WindowFact:
    """A filing window: its fields by their names in expressions, its milestones as ISO dates."""

    id: str
    fields: Mapping[str, str | int | None] = field(default_factory=dict)
    milestones: Mapping[str, str] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """A field as text, empty where it is not known."""
        return str(self.fields.get(name) or "")


@dataclass(frozen=True, slots=True)
class CandidacyFact:
    """How far she is with one window."""

    status: str
    at: datetime


@dataclass(frozen=True, slots=True)
class OwnEnrollment:
    """
    The enrollment that is asked about.

    `starts`: calendar name -> start of the occurrence that this enrollment is about.
    """

    id: int
    entered_at: datetime
    starts: Mapping[str, datetime] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PersonFacts:
    """
    One person. `fields` are the built-in ones by name (see `vocabulary.PERSON_FIELDS`), instants as aware datetimes.

    `consents` are the entities that may mail her, `topics_left` the topics she left or that are suppressed.
    `window` is the window of the place, `windows` all that may still be ahead.
    """

    person_id: int
    fields: Mapping[str, str | int | bool | datetime | None]
    zone: str = "America/New_York"
    custom: Mapping[str, object] = field(default_factory=dict)
    tags: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    consents: frozenset[str] = frozenset()
    topics_left: frozenset[str] = frozenset()
    happenings: tuple[Happening, ...] = ()
    mails: tuple[MailFact, ...] = ()
    enrollments: tuple[EnrollmentFact, ...] = ()
    interests: tuple[Interest, ...] = ()
    candidacies: Mapping[str, CandidacyFact] = field(default_factory=dict)
    windows: tuple[WindowFact, ...] = ()
    window: WindowFact | None = None
    enrollment: OwnEnrollment | None = None

    def text(self, name: str) -> str | None:
        """A built-in field of text; None where it is not known."""
        value = self.fields.get(name)
        return value if isinstance(value, str) else None


@lru_cache(maxsize=1)
def known_zones() -> frozenset[str]:
    """Every zone name that is a clock here; any other name counts as UTC."""
    return frozenset(available_timezones())


@lru_cache(maxsize=1024)
def clock_of(zone: str) -> ZoneInfo:
    """The clock of a zone name; UTC for a name that is none."""
    return ZoneInfo(zone if zone in known_zones() else "UTC")


def today_in(zone: str, now: datetime) -> date:
    """The calendar day on that clock."""
    return now.astimezone(clock_of(zone)).date()


@lru_cache(maxsize=32768)  # SQL asks it for every zone there is
def day_bounds(day: date, zone: str) -> tuple[datetime, datetime]:
    """The first instants of the day and of the next one, on that clock."""
    clock = clock_of(zone)
    return local_instant(day, MIDNIGHT, clock), local_instant(day + timedelta(days=1), MIDNIGHT, clock)


def window_day(now: datetime) -> date:
    """The day by which a window counts as ahead: the UTC one, the same for every office."""
    return now.astimezone(UTC).date()
