"""Every name a campaign uses exists: entity, topic, languages, calendar, stages, fields, former keys."""

import re
from collections.abc import Iterator

from rfs_mail.campaign_files.campaigns import Draft
from rfs_mail.campaign_files.desk import Trail, nearest
from rfs_mail.core.campaign import Change, ChangeStep, Mail
from rfs_mail.core.values import Stage
from rfs_mail.core.vocabulary import PERSON_FIELDS, FieldType
from rfs_mail.engine.checking.bench import Bench, step_path

STAGES = tuple(stage.value for stage in Stage)

SETTABLE = tuple(name for name in PERSON_FIELDS if name not in ("stage_at", "signed_up_at"))
"""Fields of a person that a step may set; the two moments are facts."""

KNOWN_EVENTS = ("signup", "replied", "clicked", "answered", "registered", "attended", "missed", "unsubscribed")
"""Events that the product itself records; any other name is allowed."""

_NUMBER = re.compile(r"-?\d{1,15}(\.\d{1,6})?")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")


def check_names(bench: Bench) -> None:
    """Look up the names of every campaign."""
    for draft in bench.project.drafts:
        _speaker(bench, draft)
        _entry(bench, draft)
        _former(bench, draft)
        for path, change in _changes(draft):
            _change(bench, draft, path, change)


def _speaker(bench: Bench, draft: Draft) -> None:
    content, campaign = bench.project.content, draft.campaign
    entity = content.entities.get(campaign.entity)
    if campaign.entity and entity is None and content.entities:
        hint = nearest(campaign.entity, content.entities)
        bench.tell("error", "unknown-entity", (draft.path, "entity"), f'there is no entity "{campaign.entity}".{hint}')
    topic = content.topics.get(campaign.topic)
    if campaign.topic and topic is None and content.topics:
        own = [name for name, one in content.topics.items() if one.entity == campaign.entity] or list(content.topics)
        hint = nearest(campaign.topic, own)
        bench.tell("error", "unknown-topic", (draft.path, "topic"), f'there is no topic "{campaign.topic}".{hint}')
    if topic is not None and entity is not None and topic.entity != campaign.entity:
        own = [name for name, one in content.topics.items() if one.entity == campaign.entity]
        there = f" Topics of {campaign.entity}: {', '.join(own)}." if own else ""
        said = f'"{topic.id}" is a topic of {topic.entity}, and {campaign.entity} speaks here.{there}'
        bench.tell("error", "foreign-topic", (draft.path, "topic"), said)
    for language in campaign.languages if entity is not None else ():
        if entity is not None and language not in entity.languages:
            offered = ", ".join(entity.languages)
            bench.tell(
                "error",
                "foreign-language",
                (draft.path, "languages", language),
                f"{campaign.entity} does not write in {language}; it writes in {offered} (entities.yaml).",
            )


def _entry(bench: Bench, draft: Draft) -> None:
    entry, path = draft.campaign.entry, (draft.path, "entry")
    calendars = bench.project.content.calendars
    if entry.kind == "calendar" and entry.calendar not in calendars:
        hint = nearest(entry.calendar or "", ["person", "filing_window", *calendars])
        said = f'"{entry.calendar}" is neither person nor filing_window nor a name of the calendar.{hint}'
        bench.tell("error", "unknown-calendar", (*path, "per"), said)
    elif entry.kind == "calendar" and not calendars[entry.calendar or ""].occurrences:
        bench.tell("warning", "no-dates", (*path, "per"), f"{entry.calendar} has no dates in the calendar.")
    if entry.stage is not None and entry.stage not in STAGES:
        bench.tell(
            "error", "unknown-stage", (*path, "stage"), f'no stage "{entry.stage}".{nearest(entry.stage, STAGES)}'
        )
    if entry.event is not None and entry.event not in KNOWN_EVENTS:
        hint = nearest(entry.event, KNOWN_EVENTS)
        if "Did you mean" in hint:
            said = f'"{entry.event}" happens only if another system reports it by this name.{hint}'
            bench.tell("warning", "odd-event", (*path, "event"), said)


def _former(bench: Bench, draft: Draft) -> None:
    """`was` names what is there no more, and each former name once."""
    keys = {step.key for step in draft.campaign.walk()} | set(draft.step_keys)
    seen: dict[str, str] = {}
    for step in draft.campaign.walk():
        if step.was is None:
            continue
        path = step_path(draft, step.key, "was")
        if step.was in keys:
            said = "is its own key" if step.was == step.key else "is still a step"
            bench.tell("error", "orphan-was", path, f'"{step.was}" {said}; `was` names a key that is gone.')
        elif step.was in seen:
            bench.tell("error", "orphan-was", path, f'step {seen[step.was]} says already that it was "{step.was}".')
        seen.setdefault(step.was, step.key)
    was = draft.campaign.was
    if was is not None and was in bench.campaigns:
        said = "is its own id" if was == draft.campaign.id else f"is still a campaign ({bench.project.file_of(was)})"
        bench.tell("error", "orphan-was", (draft.path, "was"), f'"{was}" {said}; `was` names an id that is gone.')
    others = [other for other in bench.project.drafts if was is not None and other.campaign.was == was]
    if len(others) > 1 and others[0] is not draft:
        said = f'{others[0].path} says already that it was "{was}".'
        bench.tell("error", "orphan-was", (draft.path, "was"), said)


# -- changes -----------------------------------------------------------------------------------------------------------


def _changes(draft: Draft) -> Iterator[tuple[Trail, Change]]:
    for step in draft.campaign.walk():
        if isinstance(step.action, ChangeStep):
            yield step_path(draft, step.key), step.action.change
        if isinstance(step.action, Mail):
            for key, change in step.action.answers.items():
                yield step_path(draft, step.key, "answers", key), change


def _change(bench: Bench, draft: Draft, path: Trail, change: Change) -> None:
    for name, value in change.set.items():
        _setting(bench, (*path, "set", name), name, value)
    if change.suppress is not None:
        topics = bench.project.content.topics
        for number, topic in enumerate(change.suppress.except_):
            if topic not in topics and topics:
                place: Trail = (*path, "suppress", "except", number)
                bench.tell("error", "unknown-topic", place, f'there is no topic "{topic}".{nearest(topic, topics)}')


def _setting(bench: Bench, path: Trail, name: str, value: str) -> None:
    """One field to set: it exists and the value fits its type."""
    custom = bench.project.content.fields
    kind: FieldType | None = None
    if name.startswith("custom."):
        spec = custom.get(name.removeprefix("custom."))
        kind = FieldType(spec.type, spec.values) if spec else None
    elif name in SETTABLE:
        kind = PERSON_FIELDS.get(name)
    if kind is None:
        there = [*SETTABLE, *(f"custom.{slug}" for slug in custom)]
        bench.tell("error", "unknown-field", path, f'there is no field "{name}" to set.{nearest(name, there)}')
        return
    if kind.values and value not in kind.values:
        bench.tell("error", "bad-value", (*path, "value"), f'no {name} "{value}".{nearest(value, kind.values)}')
    fits = {
        "number": bool(_NUMBER.fullmatch(value)),
        "date": bool(_DATE.fullmatch(value)),
        "yes_no": value in ("true", "false", "yes", "no"),
    }
    if not fits.get(kind.kind, True):
        bench.tell("error", "bad-value", (*path, "value"), f'{name} is {kind.in_words}, and "{value}" is not.')
