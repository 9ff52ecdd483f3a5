"""What was applied and what changed between two versions, in the words of the files."""

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from pydantic import BaseModel

from rfs_mail.errors import NotFoundError
from rfs_mail.store import releases
from rfs_mail.store.database import Store
from rfs_mail.store.releases import Revision


@dataclass(frozen=True, slots=True)
class Listed:
    """One revision. `live`: it is what its campaign sends now. `release_id`: the newest release that had it."""

    id: int
    campaign_id: str
    number: int
    created_at: datetime
    release_id: int | None
    applied_by: str
    live: bool


def list_revisions(store: Store, campaign_id: str | None = None, *, limit: int = 200) -> list[Listed]:
    """The revisions, newest first; of one campaign where it is named. Raises NotFoundError for an unknown campaign."""
    with store.read() as connection:
        rows = releases.list_revisions(connection, campaign_id, limit)
        known = releases.list_releases(connection, 1_000)
        current = releases.live(connection)
    if campaign_id is not None and not rows:
        raise NotFoundError(f'No campaign "{campaign_id}" was ever applied. `revisions list` shows what was.')
    newest: dict[int, releases.ReleaseRow] = {}
    for release in known:
        for revision_id in release.revisions.values():
            newest.setdefault(revision_id, release)
    live = {one.revision_id for one in current.campaigns.values() if one.state != "removed"} if current else set()
    return [
        Listed(
            row.id,
            row.campaign_id,
            row.number,
            row.created_at,
            newest[row.id].id if row.id in newest else None,
            newest[row.id].applied_by if row.id in newest else "",
            row.id in live,
        )
        for row in rows
    ]


def show_revision(store: Store, revision_id: int) -> Revision:
    """A revision. Raises NotFoundError."""
    with store.read() as connection:
        return releases.load_revision(connection, revision_id)


def release_of(store: Store, revision_id: int) -> int:
    """The newest release in which a revision was live. Raises NotFoundError."""
    show_revision(store, revision_id)
    for row in list_revisions(store):
        if row.id == revision_id and row.release_id is not None:
            return row.release_id
    raise NotFoundError(f"Revision {revision_id} is in no release that is kept. `revisions list` shows what is.")


def as_lines(revision: Revision) -> list[str]:
    """A revision as lines: the campaign, what it names, and every mail."""
    lines = list(_lines(_slim(revision.definition), 0))
    for title, values in (
        ("segments", revision.content.segments),
        ("fields", revision.content.fields),
        ("entities", revision.content.entities),
        ("topics", revision.content.topics),
    ):
        if values:
            lines += ["", f"{title}:", *_lines({name: _slim(value) for name, value in values.items()}, 1)]
    for template, sources in sorted(revision.mails.items()):
        for key, source in sorted(sources.items()):
            lines += ["", f"mail {template} ({key}):", f"  subject: {source.subject}"]
            lines += [f"  preheader: {source.preheader}"] if source.preheader else []
            lines += [f"  | {line}" for line in source.text.splitlines()]
    return lines


def diff_revisions(store: Store, old: int, new: int) -> list[str]:
    """What differs, as a unified diff; empty where nothing does. Raises NotFoundError."""
    before, after = show_revision(store, old), show_revision(store, new)
    names = [f"{one.campaign_id} revision {one.number} ({one.id})" for one in (before, after)]
    found = list(difflib.unified_diff(as_lines(before), as_lines(after), names[0], names[1], lineterm="", n=2))
    hidden = not found and before.digest != after.digest
    return found or (["The same but for the HTML of the mails or the layout."] if hidden else [])


def _slim(value: object) -> object:
    """A model without what it does not say."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return value


def _lines(value: object, depth: int) -> Iterator[str]:
    """Nested values as indented lines, one fact a line, so that a diff shows what changed and no more."""
    indent = "  " * depth
    if isinstance(value, Mapping):
        for key, item in value.items():
            if isinstance(item, Mapping | list) and item:
                yield f"{indent}{key}:"
                yield from _lines(item, depth + 1)
            else:
                yield f"{indent}{key}: {_said(item)}"
    elif isinstance(value, list):
        for item in value:
            if isinstance(item, Mapping):
                inner = list(_lines(item, depth + 1))
                yield f"{indent}- {inner[0].strip()}" if inner else f"{indent}-"
                yield from inner[1:]
            else:
                yield f"{indent}- {_said(item)}"
    else:
        yield f"{indent}{_said(value)}"


def _said(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else " ".join(str(value).split())
