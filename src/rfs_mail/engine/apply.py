"""
Make the campaign files live: one release, in one transaction.

Only what is applied sends. Applying the same files again changes nothing.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from rfs_mail.campaign_files.load import Project
from rfs_mail.core.campaign import ReleaseContent
from rfs_mail.core.findings import Finding
from rfs_mail.core.release import Draft, release_digest
from rfs_mail.engine.check import check_project
from rfs_mail.engine.compiling import Compiled, compile_project
from rfs_mail.errors import CampaignFileError
from rfs_mail.settings import Caps
from rfs_mail.store import releases
from rfs_mail.store.database import Store
from rfs_mail.store.releases import Saved


@dataclass(frozen=True, slots=True)
class ApplyResult:
    """What became live. `release_id` is None where nothing had changed. Names are campaign ids, sorted."""

    release_id: int | None
    added: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    revived: tuple[str, ...] = ()
    """Back in the files after they were removed."""
    renamed: tuple[tuple[str, str], ...] = ()
    """(old id, new id), by `was`."""
    moved: tuple[str, ...] = ()
    """Occurrences (`nrfod/nrfod-2026`) whose date, hour or zone changed."""
    findings: tuple[Finding, ...] = ()
    """Warnings; with errors nothing is applied."""

    @property
    def nothing(self) -> bool:
        """Everything was live already."""
        return self.release_id is None

    @property
    def quiet(self) -> bool:
        """No campaign is added, changed, removed or renamed: what changed lies beside them."""
        return not (self.added or self.changed or self.removed or self.revived or self.renamed or self.moved)


def apply(
    store: Store,
    project: Project,
    compiled: Compiled | None = None,
    *,
    now: datetime,
    by: str,
    caps: Caps | None = None,
    findings: tuple[Finding, ...] | None = None,
) -> ApplyResult:
    """
    Store a release of these files; `by` is who did it.

    `findings` are those of `check_project` for this very project, where they are known; else it is asked. Raises
    CampaignFileError, naming the first, where there is an error: then nothing is written.
    """
    compiled = compiled or compile_project(project)
    if findings is None:
        findings = check_project(project, compiled=compiled, caps=caps)
    refuse_errors(findings)
    with store.begin() as connection:
        saved = releases.save_release(connection, project.content, compiled.drafts, now=now, by=by)
        if saved.release_id is not None:
            _begin_walks(connection, compiled, now)
    return _result(saved, findings)


def preview(store: Store, project: Project, compiled: Compiled) -> ApplyResult:
    """What `apply` would change, without writing; `release_id` is always None. `nothing` is not decided here."""
    with store.read() as connection:
        return _result(releases.compare(connection, project.content, compiled.drafts), ())


def is_live(store: Store, project: Project, compiled: Compiled) -> bool:
    """Are exactly these files live?"""
    with store.read() as connection:
        current = releases.live(connection)
    return current is not None and current.digest == release_digest(project.content, compiled.drafts)


def rollback(store: Store, release_id: int, *, now: datetime, by: str) -> ApplyResult:
    """
    Make an earlier release live again, as a new release: its campaigns, its content, its calendar.

    Raises NotFoundError where there is no such release.
    """
    with store.begin() as connection:
        content, drafts = _as_it_was(connection, release_id)
        saved = releases.save_release(connection, content, drafts, now=now, by=by)
    return _result(saved, ())


def preview_rollback(store: Store, release_id: int) -> ApplyResult:
    """What `rollback` would change, without writing. Raises NotFoundError where there is no such release."""
    with store.read() as connection:
        content, drafts = _as_it_was(connection, release_id)
        return _result(releases.compare(connection, content, drafts), ())


def _as_it_was(connection: Connection, release_id: int) -> tuple[ReleaseContent, dict[str, Draft]]:
    wanted = releases.find_release(connection, release_id)
    drafts: dict[str, Draft] = {}
    for name, revision_id in wanted.revisions.items():
        revision = releases.load_revision(connection, revision_id)
        drafts[name] = Draft(revision.definition, revision.mails, revision.content)
    return releases.load_content(connection, release_id), drafts


def refuse_errors(findings: tuple[Finding, ...]) -> None:
    """Raise CampaignFileError, naming the first and counting the rest, where there is a finding that is an error."""
    errors = [finding for finding in findings if finding.severity == "error"]
    if errors:
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        first = str(errors[0]).rstrip(".")
        raise CampaignFileError(f"{first}{more}. Mend it first; `rfs-mail check` shows everything.")


def _begin_walks(connection: Connection, compiled: Compiled, now: datetime) -> None:
    """
    People who qualify already are walked over once a campaign: they enter, or are put down as passed over.

    Events before the first apply start nothing by their date, so `existing: skip` needs no walk there.

    Calendar names and filing windows need no walk here: each occasion makes its own.
    """
    for name, draft in compiled.drafts.items():
        entry = draft.definition.entry
        if entry.kind == "person" or (entry.kind == "event" and entry.existing != "skip"):
            releases.begin_existing(connection, name, now=now)


def _result(saved: Saved, findings: tuple[Finding, ...]) -> ApplyResult:
    return ApplyResult(
        saved.release_id,
        saved.added,
        saved.changed,
        saved.removed,
        saved.revived,
        saved.renamed,
        saved.moved,
        findings,
    )
