"""A working folder -> everything its campaign files say, in one value."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from rfs_mail.campaign_files.campaigns import Draft, read_campaign
from rfs_mail.campaign_files.desk import Desk, Sources
from rfs_mail.campaign_files.keys import DEFAULTS
from rfs_mail.campaign_files.nodes import Node, SourceFile, Table
from rfs_mail.campaign_files.reading import Document, read_file, read_text
from rfs_mail.campaign_files.world import read_calendar, read_entities, read_fields, read_segments
from rfs_mail.core.campaign import Campaign, ReleaseContent
from rfs_mail.core.findings import Finding
from rfs_mail.settings import Settings

NOT_CAMPAIGNS: Final = frozenset({"entities", "segments", "fields", "calendar"})
YAML_ENDINGS: Final = (".yaml", ".yml")
TEMPLATE_ENDINGS: Final = (".md", ".html", ".txt", ".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class Places:
    """What messages call the files and folders: paths from the working folder."""

    campaigns: str
    templates: str
    entities: str
    segments: str
    fields: str
    defaults: str
    calendar: str


@dataclass(frozen=True, slots=True)
class Project:
    """
    All campaign files of a working folder, as read.

    `campaigns` are those that were understood whole, by id; `drafts` all, for `check`. `files` are the template files,
    by path inside the templates folder. `findings` are the mistakes in shape; `engine.check` adds the rest.
    `sources` says where each value stands, `texts` holds the YAML files by path.
    """

    places: Places
    campaigns: Mapping[str, Campaign]
    drafts: tuple[Draft, ...]
    content: ReleaseContent
    files: Mapping[str, str]
    findings: tuple[Finding, ...]
    sources: Sources
    texts: Mapping[str, SourceFile] = field(default_factory=dict, repr=False)

    def file_of(self, campaign_id: str) -> str:
        """The file of a campaign; empty where there is none."""
        return next((draft.path for draft in self.drafts if draft.campaign.id == campaign_id), "")


def load_project(settings: Settings) -> Project:
    """
    Read all campaign files and templates of `settings`. Mistakes are findings; nothing is raised for what files hold.
    """
    return _Loader(settings).load()


class _Loader:
    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.desk = Desk()
        self.texts: dict[str, SourceFile] = {}
        campaigns = settings.campaigns_dir
        self.places = Places(
            campaigns=self.name(campaigns),
            templates=self.name(settings.templates_dir),
            entities=self.name(settings.entities_file),
            segments=self.name(_either(campaigns / "segments")),
            fields=self.name(_either(campaigns / "fields")),
            defaults=self.name(_either(campaigns / "_defaults")),
            calendar=self.name(_either(settings.data_dir / "calendar")),
        )

    def name(self, path: Path) -> str:
        """What messages call a path."""
        try:
            return path.relative_to(self.settings.folder).as_posix()
        except ValueError:
            return path.as_posix()

    def load(self) -> Project:
        content = self.content()
        drafts = self.drafts(content)
        files = self.templates()
        whole: dict[str, Campaign] = {}
        for draft in drafts:
            if draft.whole:
                whole.setdefault(draft.campaign.id, draft.campaign)
        return Project(
            places=self.places,
            campaigns=whole,
            drafts=drafts,
            content=content,
            files=files,
            findings=tuple(sorted(set(self.desk.findings))),
            sources=self.desk.sources(),
            texts=self.texts,
        )

    def document(self, path: Path, *, needed: bool = False) -> Node | None:
        """The root of a YAML file; None where it cannot be read (with findings), or is not there and need not be."""
        if not needed and not os.path.lexists(path):
            return None
        document: Document = read_file(path, self.name(path))
        self.texts[document.file.path] = document.file
        self.desk.findings.extend(document.findings)
        if document.root is None and not needed and all(finding.code == "empty" for finding in document.findings):
            self.desk.findings[:] = [found for found in self.desk.findings if found not in document.findings]
        return document.root

    def content(self) -> ReleaseContent:
        campaigns = self.settings.campaigns_dir
        entities = self.document(self.settings.entities_file, needed=True)
        segments = self.document(_either(campaigns / "segments"))
        fields = self.document(_either(campaigns / "fields"))
        calendar = self.document(_either(self.settings.data_dir / "calendar"))
        named, topics = read_entities(self.desk, entities) if entities is not None else ({}, {})
        return ReleaseContent(
            entities=named,
            topics=topics,
            segments=read_segments(self.desk, segments) if segments is not None else {},
            fields=read_fields(self.desk, fields) if fields is not None else {},
            calendars=read_calendar(self.desk, calendar) if calendar is not None else {},
        )

    def drafts(self, content: ReleaseContent) -> tuple[Draft, ...]:
        defaults_root = self.document(_either(self.settings.campaigns_dir / "_defaults"))
        defaults = self.desk.table(defaults_root, "_defaults", DEFAULTS) if defaults_root is not None else None
        found: list[Draft] = []
        for path in self.campaign_paths():
            root = self.document(path, needed=True)
            draft = read_campaign(self.desk, root, _table(defaults), content.entities) if root is not None else None
            if draft is not None:
                found.append(draft)
        self.same_ids(found)
        return tuple(found)

    def campaign_paths(self) -> Iterator[Path]:
        for path in self.listed(self.settings.campaigns_dir, "*"):
            is_campaign = path.stem not in NOT_CAMPAIGNS and not path.name.startswith(("_", "."))
            if is_campaign and path.suffix in YAML_ENDINGS and path != self.settings.entities_file:
                yield path  # also a link to nowhere or a folder: passed over, its campaign would count as removed

    def listed(self, folder: Path, pattern: str) -> list[Path]:
        """What lies in a folder, sorted; nothing, with a finding, where it cannot be listed."""
        try:
            if folder.is_dir():
                return sorted(folder.glob(pattern))
            said = "there is no such folder. Run: rfs-mail init"
        except OSError as error:
            said = f"cannot be read: {error.strerror or error}"
        self.desk.findings.append(Finding(self.name(folder), 1, 1, "error", "unreadable", said))
        return []

    def same_ids(self, drafts: list[Draft]) -> None:
        """Two files with one id: both places are named."""
        first: dict[str, Draft] = {}
        for draft in drafts:
            other = first.setdefault(draft.campaign.id, draft)
            if other is draft or not draft.campaign.id:
                continue
            for mine, theirs in ((draft, other), (other, draft)):
                node = self.desk.nodes.get((mine.path, "id"))
                there = self.desk.nodes.get((theirs.path, "id"))
                if node is not None and there is not None:
                    place = f"{theirs.path}:{there.place[0]}"
                    self.desk.error(node, "same-id", f'id: "{mine.campaign.id}" is the id of {place} too. Change one.')

    def templates(self) -> dict[str, str]:
        """The template files by path inside their folder."""
        folder = self.settings.templates_dir
        found: dict[str, str] = {}
        for path in self.listed(folder, "**/*"):
            inside = path.relative_to(folder)
            if path.suffix not in TEMPLATE_ENDINGS or any(part.startswith(".") for part in inside.parts):
                continue
            if path.is_file():
                file, findings = read_text(path, self.name(path))
                self.desk.findings.extend(findings)
                found[inside.as_posix()] = file.text
        return found


def _either(stem: Path) -> Path:
    """`NAME.yaml`, or `NAME.yml` where only that is there."""
    for ending in YAML_ENDINGS:
        path = stem.with_name(stem.name + ending)
        if os.path.lexists(path):
            return path
    return stem.with_name(stem.name + YAML_ENDINGS[0])


def _table(node: Node | None) -> Table | None:
    return node if isinstance(node, Table) else None
