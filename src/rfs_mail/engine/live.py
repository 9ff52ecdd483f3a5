"""
What is live now: the release as stored, each campaign read once, the dates its calendar names mean.

Every verb begins by asking for this. Scripts are remembered by the digests of revision and release.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from functools import lru_cache
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from rfs_mail.core.campaign import Campaign, OccurrenceSpec, ReleaseContent
from rfs_mail.core.local_time import MIDNIGHT, find_zone, local_instant
from rfs_mail.core.script import Script, read_script
from rfs_mail.core.sequence import Sequence, sequence
from rfs_mail.core.timing import Civil, Instant, Moment
from rfs_mail.errors import ExpressionError, TimeError
from rfs_mail.store import releases
from rfs_mail.store.releases import LiveCampaign, LiveRelease

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One date of a calendar name."""

    calendar: str
    key: str
    moment: Civil
    starts_at: datetime
    """Start of the day in its zone where no hour is known."""


Calendar = Mapping[str, tuple[Occurrence, ...]]
"""Calendar name -> occurrences by start."""


@dataclass(frozen=True, slots=True)
class Live:
    """The release, its campaigns read, its calendar."""

    release: LiveRelease
    scripts: Mapping[str, Script]
    """Campaign id -> script of the current revision, removed campaigns left out."""
    calendar: Calendar = field(default_factory=dict)

    @property
    def content(self) -> ReleaseContent:
        """Entities, topics, segments, fields and calendars."""
        return self.release.content

    def campaign(self, campaign_id: str) -> LiveCampaign:
        """The stored state of a campaign."""
        return self.release.campaigns[campaign_id]

    @property
    def running(self) -> dict[str, Script]:
        """The scripts of campaigns that are neither paused nor removed."""
        return {name: script for name, script in self.scripts.items() if self.campaign(name).state == "running"}

    @property
    def paused(self) -> tuple[str, ...]:
        """Campaigns that stand still."""
        return tuple(name for name, campaign in self.release.campaigns.items() if campaign.state == "paused")

    @property
    def deadline_steps(self) -> tuple[tuple[str, str], ...]:
        """(campaign, step key) of every live deadline mail."""
        return tuple((name, key) for name, script in self.scripts.items() for key in script.deadline_steps)

    def script_of(self, connection: Connection, campaign_id: str, revision_id: int) -> Script | None:
        """The script an enrollment follows: the current one, or the one it entered where it says `on_edit: pin`."""
        current = self.scripts.get(campaign_id)
        if current is None or current.campaign.on_edit == "follow":
            return current
        if revision_id == self.campaign(campaign_id).revision_id:
            return current
        return self.old_script(connection, revision_id) or current

    def old_script(self, connection: Connection, revision_id: int) -> Script | None:
        """
        The script of an earlier revision, with the segments and fields it was applied with.

        None where it asks for a campaign or a step of another campaign that is gone since.
        """
        revision = releases.load_revision(connection, revision_id)
        carried = _Carried(revision.definition, revision.content, _steps(self.release))
        try:
            return _script(revision.digest, self.release.digest, carried)
        except (ExpressionError, TimeError) as error:
            LOG.warning("revision %d of %s no longer reads: %s", revision.number, revision.campaign_id, error)
            return None

    def line_with(self, connection: Connection, revision_id: int, step_key: str) -> Sequence | None:
        """The steps of the given revision, or else of the newest one of its campaign, that has this step."""
        entered = releases.load_revision(connection, revision_id)
        newest_first = (row.id for row in releases.list_revisions(connection, entered.campaign_id))
        for one in (revision_id, *newest_first):
            line = sequence(releases.load_revision(connection, one).definition)
            if line.get(step_key) is not None:
                return line
        return None


def look(connection: Connection) -> Live | None:
    """What is live, or None where nothing was ever applied. Cheap: all but one small query is remembered."""
    release = releases.live(connection)
    if release is None:
        return None
    steps = _steps(release)
    scripts = {
        name: _script(campaign.revision.digest, release.digest, _Carried(campaign.definition, release.content, steps))
        for name, campaign in release.campaigns.items()
        if campaign.state != "removed"
    }
    return Live(release, scripts, _calendar(release.content, release.digest))


def _steps(release: LiveRelease) -> dict[str, tuple[str, ...]]:
    """Campaign -> its step keys; of removed ones too, because old mail may be asked about."""
    return {
        name: tuple(step.key for step in campaign.definition.walk()) for name, campaign in release.campaigns.items()
    }


@dataclass(frozen=True, slots=True)
class _Carried:
    """What a script is read from. No part of the cache key: the digests of revision and release stand for it."""

    definition: Campaign
    content: ReleaseContent
    steps: Mapping[str, tuple[str, ...]]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Carried)

    def __hash__(self) -> int:
        return 0


@lru_cache(maxsize=512)
def _script(revision: str, release: str, carried: _Carried) -> Script:
    return read_script(carried.definition, carried.content, carried.steps)


@dataclass(frozen=True, slots=True)
class _Dates:
    """The calendars of a release; no part of the cache key, as above."""

    content: ReleaseContent

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Dates)

    def __hash__(self) -> int:
        return 0


def _calendar(content: ReleaseContent, digest: str) -> Calendar:
    return _occurrences(digest, _Dates(content))


@lru_cache(maxsize=64)
def _occurrences(digest: str, dates: _Dates) -> Calendar:
    return {
        name: tuple(sorted((_occurrence(name, spec) for spec in calendar.occurrences), key=lambda o: o.starts_at))
        for name, calendar in dates.content.calendars.items()
    }


def _occurrence(calendar: str, spec: OccurrenceSpec) -> Occurrence:
    zone = find_zone(spec.zone)
    wall = time.fromisoformat(spec.time) if spec.time else None
    day = date.fromisoformat(spec.on)
    return Occurrence(calendar, spec.key, Civil(day, wall, zone), local_instant(day, wall or MIDNIGHT, zone))


def zone_of(name: str) -> ZoneInfo:
    """The zone of a person; the store holds valid names only."""
    return find_zone(name)


def moments_of_person(signed_up_at: datetime | None, custom: Mapping[str, object], zone: ZoneInfo) -> dict[str, Moment]:
    """The date fields of a person as anchors; what is missing or is no date is left out."""
    moments: dict[str, Moment] = {}
    if signed_up_at is not None:
        moments["signed_up_at"] = Instant(signed_up_at)
    for slug, value in custom.items():
        if isinstance(value, str):
            try:
                moments[f"custom.{slug}"] = Civil(date.fromisoformat(value[:10]), None, zone)
            except ValueError:
                continue
    return moments
