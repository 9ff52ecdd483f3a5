"""Campaigns as read -> campaigns as they would be applied: every mail compiled, and what they name put beside them."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from rfs_mail.campaign_files.desk import Trail
from rfs_mail.campaign_files.load import Project
from rfs_mail.core.campaign import Branch, Calendar, Campaign, Change, ChangeStep, Mail, ReleaseContent, Step, Wait
from rfs_mail.core.expression import Expression, parse
from rfs_mail.core.findings import Finding
from rfs_mail.core.mail import MailSource
from rfs_mail.core.release import Draft, Mails
from rfs_mail.core.script import time_names, vocabulary
from rfs_mail.core.times import parse_time
from rfs_mail.errors import CampaignFileError, ExpressionError, TimeError
from rfs_mail.render import Compiler

_PLACED = re.compile(r"(?P<path>[^\s:]+):(?P<line>\d+):(?P<column>\d+)\s+(?P<message>.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Compiled:
    """
    What `apply` stores: campaign id -> draft.

    `failures` say why mails could not be compiled, by (campaign file, step); `sources` are those that could, by
    (campaign file, step, language, variant).
    """

    drafts: Mapping[str, Draft]
    failures: Mapping[tuple[str, str], tuple[Finding, ...]] = field(default_factory=dict)
    sources: Mapping[tuple[str, str, str, str], MailSource] = field(default_factory=dict)
    compiler: Compiler | None = None
    """What made them, for who looks at the same mails next."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One mail that a step needs: a variant (empty: the plain one), chosen as a variant or as a second subject."""

    step: str
    template: str
    variant: str
    is_subject: bool


def wanted_mails(steps: Iterator[Step]) -> Iterator[Wanted]:
    """Each mail of each step, once."""
    for step in steps:
        if isinstance(step.action, Mail):
            mail = step.action
            if mail.subject:
                yield Wanted(step.key, mail.template, mail.subject, True)
            for name in mail.variants or {"plain": 1} if not mail.subject else ():
                yield Wanted(step.key, mail.template, "" if name == "plain" else name, False)


def compile_project(project: Project) -> Compiled:
    """Compile every mail of every campaign in every language and variant. Raises nothing; mistakes are findings."""
    failures: dict[tuple[str, str], tuple[Finding, ...]] = {}
    sources: dict[tuple[str, str, str, str], MailSource] = {}
    drafts: dict[str, Draft] = {}
    compiler = Compiler(project.files)
    for draft in project.drafts:
        mails = _compile(project, compiler, draft.path, draft.campaign, failures, sources)
        if draft.whole and project.campaigns.get(draft.campaign.id) is draft.campaign:
            try:
                context = context_of(draft.campaign, project.content, project.campaigns)
            except (ExpressionError, TimeError):
                continue  # `check` says where
            drafts[draft.campaign.id] = Draft(draft.campaign, mails, context)
    return Compiled(drafts, failures, sources, compiler)


def _compile(
    project: Project,
    compiler: Compiler,
    path: str,
    campaign: Campaign,
    failures: dict[tuple[str, str], tuple[Finding, ...]],
    sources: dict[tuple[str, str, str, str], MailSource],
) -> Mails:
    """The mails of one campaign: a language that a mail lacks is left out, the default language never."""
    entity = project.content.entities.get(campaign.entity)
    default = entity.languages[0] if entity else campaign.languages[0]
    mails: dict[str, dict[str, MailSource]] = {}
    for wanted in wanted_mails(campaign.walk()):
        place: Trail = (path, "steps", wanted.step, "mail")
        for language in campaign.languages:
            try:
                source = compiler.mail(
                    wanted.template,
                    language=language,
                    variant="" if wanted.is_subject else wanted.variant,
                    default_language=default,
                    subject=wanted.variant if wanted.is_subject else "",
                )
            except CampaignFileError as error:
                finding = _finding_of(project, error, f"steps.{wanted.step}.mail", place)
                failures[path, wanted.step] = tuple({*failures.get((path, wanted.step), ()), finding})
                continue
            source = source.model_copy(update={"variant": wanted.variant})
            sources[path, wanted.step, language, wanted.variant] = source
            if source.language == language or language == campaign.languages[0]:
                key = f"{language}.{wanted.variant}" if wanted.variant else language
                mails.setdefault(wanted.template, {})[key] = source
    return mails


def _finding_of(project: Project, error: CampaignFileError, label: str, path: Trail) -> Finding:
    """An error of a template as a finding: at its own place where it names one, else at the step that asks for it."""
    found = _PLACED.fullmatch(str(error))
    if found and found["path"] in project.files:
        where = f"{project.places.templates}/{found['path']}"
        return Finding(where, int(found["line"]), int(found["column"]), "error", "compile", found["message"])
    return project.sources.finding("error", "compile", f"{label}: {error}", path)


# -- what a campaign names ---------------------------------------------------------------------------------------------


def context_of(campaign: Campaign, content: ReleaseContent, campaigns: Mapping[str, Campaign]) -> ReleaseContent:
    """
    What a campaign names of its release, so that its revision can be read for ever.

    Calendar names are kept without their dates: a date that moves is no new revision. Raises ExpressionError or
    TimeError where something does not parse.
    """
    names: set[tuple[str, str]] = {("entity", campaign.entity), ("topic", campaign.topic)}
    for expression in expressions_of(campaign, content, campaigns):
        names |= expression.names
    anchors = time_names(content)
    for text in _times_of(campaign):
        for name in parse_time(text, names=anchors).names:
            names.add(("custom", name.removeprefix("custom.")) if name.startswith("custom.") else ("calendar", name))
    if campaign.entry.calendar:
        names.add(("calendar", campaign.entry.calendar))
    for change in _changes_of(campaign):
        names |= {("custom", name.removeprefix("custom.")) for name in change.set if name.startswith("custom.")}
        names |= {("topic", topic) for topic in change.suppress.except_} if change.suppress else set()

    def kept(*kinds: str) -> set[str]:
        return {name for kind, name in names if kind in kinds}

    topics = {name: topic for name, topic in content.topics.items() if name in kept("topic")}
    entities = kept("entity") | {topic.entity for topic in topics.values()}
    return ReleaseContent(
        entities={name: entity for name, entity in content.entities.items() if name in entities},
        topics=topics,
        segments={name: text for name, text in content.segments.items() if name in kept("segment")},
        fields={name: spec for name, spec in content.fields.items() if name in kept("custom", "field")},
        calendars={name: Calendar(name=name) for name in content.calendars if name in kept("calendar")},
    )


def expressions_of(
    campaign: Campaign, content: ReleaseContent, campaigns: Mapping[str, Campaign]
) -> Iterator[Expression]:
    """Every condition of a campaign, parsed. Raises ExpressionError."""
    steps = {name: tuple(step.key for step in each.walk()) for name, each in campaigns.items()}
    plain = vocabulary(campaign, content, steps, in_enrollment=False)
    inside = vocabulary(campaign, content, steps, in_enrollment=True)
    for text in (*campaign.audience, *campaign.exclude, campaign.entry.require):
        if text is not None:
            yield parse(text, plain)
    endings = [campaign.goal.when if campaign.goal else None, campaign.while_, *(exit_.when for exit_ in campaign.exit)]
    for text in endings:
        if text is not None:
            yield parse(text, inside)
    for step in campaign.walk():
        texts = [step.when]
        if isinstance(step.action, Wait):
            texts.append(step.action.wait_for)
        if isinstance(step.action, Branch):
            texts += [arm.when for arm in step.action.arms]
        for text in texts:
            if text is not None:
                yield parse(text, inside)


def _times_of(campaign: Campaign) -> Iterator[str]:
    yield from (text for text in (campaign.entry.from_, campaign.entry.to, campaign.ends) if text is not None)
    for step in campaign.walk():
        action = step.action
        not_after = action.not_after if isinstance(action, Mail) else None
        until = action.until if isinstance(action, Wait) else None
        yield from (text for text in (step.at, not_after, until) if text is not None)


def _changes_of(campaign: Campaign) -> Iterator[Change]:
    for step in campaign.walk():
        if isinstance(step.action, ChangeStep):
            yield step.action.change
        if isinstance(step.action, Mail):
            yield from step.action.answers.values()
