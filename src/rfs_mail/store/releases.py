"""
Releases and revisions: what is live, what was, and the rows that one `apply` writes.

A release is the newest row of its table. Revisions never change, so they are read once a process; what stands in a
transaction that is not yet committed is not remembered.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time
from threading import Lock
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Row, and_, func, select, true, update
from sqlalchemy.pool import Pool

from rfs_mail.core.campaign import Calendar, Campaign, ReleaseContent
from rfs_mail.core.local_time import MIDNIGHT, find_zone, local_instant
from rfs_mail.core.mail import MailSource
from rfs_mail.core.release import Draft, Mails, release_digest
from rfs_mail.errors import NotFoundError
from rfs_mail.store.dialect import insert
from rfs_mail.store.tables import TABLES

_release, _revision, _campaign = TABLES["release"], TABLES["revision"], TABLES["campaign"]
_occurrence, _sweep = TABLES["occurrence"], TABLES["sweep"]


@dataclass(frozen=True, slots=True)
class Revision:
    """One applied, immutable version of a campaign. `content` is what it named, as it was."""

    id: int
    campaign_id: str
    number: int
    digest: str
    created_at: datetime
    definition: Campaign
    mails: Mails
    content: ReleaseContent

    def mail(self, template: str, language: str, variant: str = "") -> MailSource | None:
        """The mail in the best language there is: `es-US`, `es`, then the campaign's; the whole message, always."""
        sources = self.mails.get(template, {})
        for tried in (language, language.partition("-")[0], *self.definition.languages, *_languages(sources)):
            for key in (f"{tried}.{variant}", tried) if variant else (tried,):
                if key in sources:
                    return sources[key]
        return None


@dataclass(frozen=True, slots=True)
class LiveCampaign:
    """A campaign of the live release, or one that was removed: its row and its revision."""

    id: str
    state: str
    """running, paused or removed."""
    state_at: datetime
    state_by: str
    state_because: str | None
    first_applied_at: datetime
    revision: Revision

    @property
    def revision_id(self) -> int:
        return self.revision.id

    @property
    def definition(self) -> Campaign:
        return self.revision.definition

    @property
    def mails(self) -> Mails:
        return self.revision.mails

    @property
    def context(self) -> ReleaseContent:
        return self.revision.content


@dataclass(frozen=True, slots=True)
class LiveRelease:
    """What is live together. `campaigns` holds removed ones too, by id."""

    id: int
    digest: str
    content: ReleaseContent
    campaigns: Mapping[str, LiveCampaign]


@dataclass(frozen=True, slots=True)
class ReleaseRow:
    """One release for lists and `rollback`. `revisions`: campaign id -> revision id."""

    id: int
    digest: str
    applied_at: datetime
    applied_by: str
    revisions: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class RevisionRow:
    """One revision for lists, without its mails."""

    id: int
    campaign_id: str
    number: int
    digest: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Saved:
    """What `save_release` did. `release_id` is None where everything was live already."""

    release_id: int | None
    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    revived: tuple[str, ...] = ()
    renamed: tuple[tuple[str, str], ...] = ()
    """(old id, new id), by `was`."""
    moved: tuple[str, ...] = ()
    """Occurrences (`nrfod/nrfod-2026`) whose date, hour or zone changed."""


# -- reading -----------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Memory:
    """What one process knows of one database."""

    revisions: dict[int, Revision] = field(default_factory=dict)
    contents: dict[tuple[int, str], ReleaseContent] = field(default_factory=dict)


_MEMORIES: "WeakKeyDictionary[Pool, _Memory]" = WeakKeyDictionary()
_MEMORY_LOCK = Lock()
_ONE_AT_A_TIME = 0x7266735F6170706C
"""The advisory lock that two applies at the same time take in turn."""

_KEPT_CONTENTS = 8
_KEPT_REVISIONS = 512


def _memory(connection: Connection) -> _Memory:
    """The memory of this database; an empty one inside a transaction that has written releases."""
    if connection.info.get("rfs_release_writes") is connection.get_transaction():
        return _Memory()
    with _MEMORY_LOCK:
        return _MEMORIES.setdefault(connection.engine.pool, _Memory())


_NEWEST = select(_release.c.id, _release.c.digest).order_by(_release.c.id.desc()).limit(1).subquery()
_LIVE = select(_NEWEST.c.id.label("release_id"), _NEWEST.c.digest, _campaign).select_from(
    _NEWEST.outerjoin(_campaign, true())
)


def live(connection: Connection) -> LiveRelease | None:
    """What is live, or None where nothing was ever applied. One small query; revisions are remembered."""
    rows = connection.execute(_LIVE).all()
    if not rows:
        return None
    memory = _memory(connection)
    first = rows[0]
    campaigns = {
        row.id: LiveCampaign(
            row.id,
            row.state,
            row.state_at,
            row.state_by,
            row.state_because,
            row.first_applied_at,
            load_revision(connection, row.revision_id),
        )
        for row in sorted((row for row in rows if row.id is not None), key=lambda row: str(row.id))
    }
    content = memory.contents.get((first.release_id, first.digest))
    if content is None:
        content = load_content(connection, first.release_id)
        if len(memory.contents) >= _KEPT_CONTENTS:
            memory.contents.clear()
        memory.contents[first.release_id, first.digest] = content
    return LiveRelease(first.release_id, first.digest, content, campaigns)


load_release = live


def load_content(connection: Connection, release_id: int) -> ReleaseContent:
    """Entities, topics, segments, fields and calendar of a release. Raises NotFoundError."""
    found = connection.execute(select(_release.c.content).where(_release.c.id == release_id)).scalar_one_or_none()
    if found is None:
        raise NotFoundError(f"There is no release {release_id}. `revisions list` shows what there is.")
    return ReleaseContent.model_validate(found)


def load_revision(connection: Connection, revision_id: int) -> Revision:
    """A revision by id, remembered. Raises NotFoundError."""
    memory = _memory(connection)
    known = memory.revisions.get(revision_id)
    if known is not None:
        return known
    row = connection.execute(select(_revision).where(_revision.c.id == revision_id)).one_or_none()
    if row is None:
        raise NotFoundError(f"There is no revision {revision_id}. `revisions list` shows what there is.")
    if len(memory.revisions) >= _KEPT_REVISIONS:
        memory.revisions.clear()
    memory.revisions[revision_id] = _revision_of(row)
    return memory.revisions[revision_id]


def _revision_of(row: Row[Any]) -> Revision:
    mails = {
        template: {key: MailSource.model_validate(source) for key, source in sources.items()}
        for template, sources in row.mails.items()
    }
    definition = Campaign.model_validate(row.definition)
    content = ReleaseContent.model_validate(row.context)
    return Revision(row.id, row.campaign_id, row.number, row.digest, row.created_at, definition, mails, content)


def list_releases(connection: Connection, limit: int = 50) -> list[ReleaseRow]:
    """The releases, newest first."""
    columns = (_release.c.id, _release.c.digest, _release.c.applied_at, _release.c.applied_by, _release.c.revisions)
    rows = connection.execute(select(*columns).order_by(_release.c.id.desc()).limit(limit))
    return [ReleaseRow(row.id, row.digest, row.applied_at, row.applied_by, row.revisions) for row in rows]


def find_release(connection: Connection, release_id: int) -> ReleaseRow:
    """One release. Raises NotFoundError."""
    columns = (_release.c.id, _release.c.digest, _release.c.applied_at, _release.c.applied_by, _release.c.revisions)
    row = connection.execute(select(*columns).where(_release.c.id == release_id)).one_or_none()
    if row is None:
        raise NotFoundError(f"There is no release {release_id}. `revisions list` shows what there is.")
    return ReleaseRow(row.id, row.digest, row.applied_at, row.applied_by, row.revisions)


def list_revisions(connection: Connection, campaign_id: str | None = None, limit: int = 200) -> list[RevisionRow]:
    """The revisions, newest first; of one campaign where it is named."""
    columns = (_revision.c.id, _revision.c.campaign_id, _revision.c.number, _revision.c.digest, _revision.c.created_at)
    statement = select(*columns).order_by(_revision.c.id.desc()).limit(limit)
    if campaign_id is not None:
        statement = statement.where(_revision.c.campaign_id == campaign_id)
    return [
        RevisionRow(row.id, row.campaign_id, row.number, row.digest, row.created_at)
        for row in connection.execute(statement)
    ]


# -- writing -----------------------------------------------------------------------------------------------------------


def compare(connection: Connection, content: ReleaseContent, drafts: Mapping[str, Draft]) -> Saved:
    """What `save_release` would do, without a release id; writes nothing."""
    current = live(connection)
    rows = dict(current.campaigns) if current else {}
    renamed = tuple(
        (draft.definition.was, name)
        for name, draft in sorted(drafts.items())
        if draft.definition.was in rows and name not in rows and draft.definition.was not in drafts
    )
    for old, new in renamed:
        rows[new] = rows.pop(old)
    present = {name for name, row in rows.items() if row.state != "removed"}
    return Saved(
        None,
        renamed=renamed,
        added=tuple(sorted(name for name in drafts if name not in rows)),
        changed=tuple(
            sorted(name for name in drafts if name in present and rows[name].revision.digest != drafts[name].digest)
        ),
        removed=tuple(sorted(present - set(drafts))),
        revived=tuple(sorted(name for name in drafts if name in rows and name not in present)),
        moved=tuple(_moved(connection, content.calendars)),
    )


def save_release(
    connection: Connection, content: ReleaseContent, drafts: Mapping[str, Draft], *, now: datetime, by: str
) -> Saved:
    """
    Make these campaigns and this content live, in the caller's transaction.

    A revision with the same digest is used again; an occurrence that moved gets version + 1. Where everything is live
    already, nothing is written and `release_id` is None.
    """
    if connection.dialect.name == "postgresql":  # SQLite has one writer at a time anyway
        connection.execute(select(func.pg_advisory_xact_lock(_ONE_AT_A_TIME)))
    whole = release_digest(content, drafts)
    current = live(connection)
    if current is not None and current.digest == whole:
        return Saved(None)
    saved = compare(connection, content, drafts)
    connection.info["rfs_release_writes"] = connection.get_transaction()
    for old, new in saved.renamed:
        _rename(connection, old, new)
    revisions = {name: _keep_revision(connection, name, draft, now) for name, draft in sorted(drafts.items())}
    _write_campaigns(connection, saved, revisions, now=now, by=by)
    _write_calendar(connection, content.calendars)
    release_id = connection.execute(
        _release.insert()
        .values(
            digest=whole, applied_at=now, applied_by=by, content=content.model_dump(mode="json"), revisions=revisions
        )
        .returning(_release.c.id)
    ).scalar_one()
    return replace(saved, release_id=release_id)


def _rename(connection: Connection, old: str, new: str) -> None:
    """Everything that knows a campaign by its id learns the new one."""
    connection.execute(update(_campaign).where(_campaign.c.id == old).values(id=new))
    for name in _KNOW_CAMPAIGNS:
        table = TABLES[name]
        connection.execute(update(table).where(table.c.campaign_id == old).values(campaign_id=new))


_KNOW_CAMPAIGNS = ("revision", "sweep", "enrollment", "delivery", "delivery_stub", "event", "task", "campaign_breaker")


def _keep_revision(connection: Connection, name: str, draft: Draft, now: datetime) -> int:
    """The id of the revision with this digest; a new one, numbered on, where there is none."""
    wanted = draft.digest
    known = connection.execute(
        select(_revision.c.id).where(and_(_revision.c.campaign_id == name, _revision.c.digest == wanted))
    ).scalar_one_or_none()
    if known is not None:
        return int(known)
    last = connection.execute(
        select(func.max(_revision.c.number)).where(_revision.c.campaign_id == name)
    ).scalar_one_or_none()
    mails = {
        template: {key: source.model_dump(mode="json") for key, source in sources.items()}
        for template, sources in draft.mails.items()
    }
    made: int = connection.execute(
        _revision.insert()
        .values(
            campaign_id=name,
            number=(last or 0) + 1,
            digest=wanted,
            created_at=now,
            definition=draft.definition.model_dump(mode="json"),
            mails=mails,
            context=draft.context.model_dump(mode="json"),
        )
        .returning(_revision.c.id)
    ).scalar_one()
    return made


def _write_campaigns(
    connection: Connection, saved: Saved, revisions: Mapping[str, int], *, now: datetime, by: str
) -> None:
    for name, revision_id in revisions.items():
        if name in saved.added:
            connection.execute(
                _campaign.insert().values(
                    id=name, revision_id=revision_id, state="running", state_at=now, state_by=by, first_applied_at=now
                )
            )
            continue
        values: dict[str, Any] = {"revision_id": revision_id}
        if name in saved.revived:
            values |= {"state": "running", "state_at": now, "state_by": by, "state_because": None}
        connection.execute(update(_campaign).where(_campaign.c.id == name).values(**values))
    if saved.removed:
        connection.execute(
            update(_campaign)
            .where(_campaign.c.id.in_(saved.removed))
            .values(state="removed", state_at=now, state_by=by, state_because="not in the files any more")
        )


def _calendar_rows(calendars: Mapping[str, Calendar]) -> dict[tuple[str, str], dict[str, Any]]:
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for name, calendar in calendars.items():
        for spec in calendar.occurrences:
            wall = time.fromisoformat(spec.time) if spec.time else MIDNIGHT
            starts_at = local_instant(date.fromisoformat(spec.on), wall, find_zone(spec.zone))
            rows[name, spec.key] = {"on": spec.on, "time": spec.time, "zone": spec.zone, "starts_at": starts_at}
    return rows


def _moved(connection: Connection, calendars: Mapping[str, Calendar]) -> list[str]:
    rows = _calendar_rows(calendars)
    known = connection.execute(select(_occurrence)).all()
    return sorted(
        f"{row.calendar}/{row.key}"
        for row in known
        if (wanted := rows.get((row.calendar, row.key))) is not None
        and (row.on, row.time, row.zone) != (wanted["on"], wanted["time"], wanted["zone"])
    )


def _write_calendar(connection: Connection, calendars: Mapping[str, Calendar]) -> None:
    """Occurrences by key. One that is gone from the file is deleted: nothing new hangs on it."""
    rows = _calendar_rows(calendars)
    known = {(row.calendar, row.key): row for row in connection.execute(select(_occurrence))}
    for (name, key), values in rows.items():
        row = known.pop((name, key), None)
        if row is None:
            connection.execute(_occurrence.insert().values(calendar=name, key=key, version=1, **values))
        elif (row.on, row.time, row.zone) != (values["on"], values["time"], values["zone"]):
            connection.execute(
                update(_occurrence)
                .where(_occurrence.c.calendar == name, _occurrence.c.key == key)
                .values(version=row.version + 1, **values)
            )
    for name, key in known:
        connection.execute(_occurrence.delete().where(_occurrence.c.calendar == name, _occurrence.c.key == key))


def begin_existing(connection: Connection, campaign_id: str, *, now: datetime) -> None:
    """Let `enroll` walk over those who already qualify; once a campaign, whatever happens to its file later."""
    connection.execute(
        insert(connection, _sweep)
        .values(
            campaign_id=campaign_id,
            key="existing",
            after_person_id=0,
            entered=0,
            day="",
            entered_today=0,
            started_at=now,
        )
        .on_conflict_do_nothing()
    )


def set_campaign_state(
    connection: Connection, campaign_id: str, state: str, *, now: datetime, by: str, because: str | None = None
) -> bool:
    """Pause (`paused`) or resume (`running`) a campaign; False where it is in that state already or not live."""
    done = connection.execute(
        update(_campaign)
        .where(_campaign.c.id == campaign_id, _campaign.c.state != state, _campaign.c.state != "removed")
        .values(state=state, state_at=now, state_by=by, state_because=because)
    )
    return bool(done.rowcount)


def _languages(sources: Mapping[str, MailSource]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(key.partition(".")[0] for key in sources))
