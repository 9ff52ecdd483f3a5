"""What every check works on: the project, the names there are, a list for what is found."""

from dataclasses import dataclass, field
from functools import cached_property

from rfs_mail.campaign_files.campaigns import Draft
from rfs_mail.campaign_files.desk import Trail
from rfs_mail.campaign_files.load import Project
from rfs_mail.core.campaign import Campaign
from rfs_mail.core.findings import Finding, Severity
from rfs_mail.core.script import time_names
from rfs_mail.core.times import TimeExpr, TimeNames, parse_time
from rfs_mail.errors import TimeError


@dataclass
class Bench:
    """A project under examination."""

    project: Project
    findings: list[Finding] = field(default_factory=list)
    times: dict[Trail, TimeExpr] = field(default_factory=dict)
    """The times that could be read, by path."""

    @cached_property
    def names(self) -> TimeNames:
        """The anchors there are."""
        return time_names(self.project.content)

    @cached_property
    def campaigns(self) -> dict[str, Campaign]:
        """Every campaign that has an id, also those that are not whole: others may name them."""
        return {draft.campaign.id: draft.campaign for draft in reversed(self.project.drafts) if draft.campaign.id}

    def tell(self, severity: Severity, code: str, path: Trail, message: str, *, line: int = 1, column: int = 1) -> None:
        """Add a finding; the message begins with what the path names."""
        label = label_of(path, self.project)
        self.findings.append(
            self.project.sources.finding(severity, code, f"{label}: {message}", path, line=line, column=column)
        )

    def time(self, path: Trail, text: str | None) -> TimeExpr | None:
        """A time of a campaign, parsed; None where there is none or it cannot be read, which is told once."""
        if text is None:
            return None
        if path in self.times:
            return self.times[path]
        try:
            self.times[path] = parse_time(text, names=self.names)
        except TimeError as error:
            self.tell("error", "time", path, str(error), column=error.column)
            return None
        return self.times[path]


def label_of(path: Trail, project: Project) -> str:
    """`steps.t3.when`, `audience[2]`: what messages call a path. Numbers are shown where there are several."""
    sources = project.sources.nodes
    label = ""
    for place, part in enumerate(path[1:], 1):
        if part == "value" and place > 1 and path[place - 2] == "set":
            continue
        if isinstance(part, str):
            label += f".{part}" if label else part
        elif (*path[:place], 1) in sources or (*path[:place], 1, "when") in sources or part > 0:
            label += f"[{part + 1}]"
    return label or str(path[0])


def in_window(campaign: Campaign) -> bool:
    """Is an enrollment of this campaign about one filing window?"""
    return campaign.entry.kind == "filing_window" or campaign.entry.per_window


def step_path(draft: Draft, key: str, *rest: str | int) -> Trail:
    """Where a step, or something of it, stands."""
    return (draft.path, "steps", key, *rest)
