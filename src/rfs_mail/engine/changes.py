"""
Changes to people that a step or a one-tap answer asks for: stage and fields, tags, leaving, suppression, tasks.

One meaning for both, in the caller's transaction. In a campaign about filing windows a stage that is about one (filed,
withdrawn ..) is written for the window of her enrollment, or for those that her answer names.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from rfs_mail.core.campaign import Campaign, Change, TaskSpec
from rfs_mail.core.duration import parse_duration
from rfs_mail.core.local_time import find_zone, local_date
from rfs_mail.core.person import Person
from rfs_mail.core.person_fields import Refused, read_value
from rfs_mail.core.timing import shift
from rfs_mail.engine import feedback
from rfs_mail.engine.compose import is_about_windows, window_values
from rfs_mail.engine.live import Live
from rfs_mail.engine.standing import WINDOW_STAGES, write_standing
from rfs_mail.errors import RenderError
from rfs_mail.render import Renderer, Urls, build_context
from rfs_mail.render.context import PERSON_FIELDS
from rfs_mail.store import enrollments, people, suppressions, tasks, windows
from rfs_mail.store.windows import About

_UTC = ZoneInfo("UTC")


def apply_change(
    connection: Connection,
    live: Live,
    campaign: Campaign,
    change: Change,
    person_ids: Sequence[int],
    *,
    enrollments_of: Mapping[int, int],
    step_key: str,
    now: datetime,
    delivery_id: int | None = None,
    answer: str | None = None,
    active: bool = False,
    windows_of: Mapping[int, Sequence[str]] | None = None,
) -> None:
    """
    Make one change to each of these people. `active`: the person asked for it herself, by this `answer`.

    `windows_of`: person -> the filing windows it is about; without it, that of her enrollment.
    """
    source = f"campaign {campaign.id}, step {step_key}" + (f", answer {answer}" if answer is not None else "")
    about = windows_of
    if about is None and is_window_stage(campaign, change):
        named = enrollments.windows_of(connection, list(enrollments_of.values()))
        about = {who: (named[one],) for who, one in enrollments_of.items() if one in named}
    for who in person_ids:
        fields = dict(change.set)
        stage = fields.pop("stage", None)
        if stage is not None and is_window_stage(campaign, change) and about and about.get(who):
            for window_id in about[who]:
                write_standing(
                    connection, who, window_id, stage,
                    evidence=answer_evidence(delivery_id) if answer is not None and delivery_id else source,
                    detail={"source": source}, now=now, forward_only=True, active=active, campaign_id=campaign.id,
                    enrollment_id=enrollments_of.get(who), delivery_id=delivery_id,
                )  # fmt: skip
        elif stage is not None:
            people.set_stage(
                connection, who, stage, now=now, active=active, campaign_id=campaign.id,
                enrollment_id=enrollments_of.get(who), delivery_id=delivery_id,
            )  # fmt: skip
        typed = {name: _typed(live, name, text, now) for name, text in fields.items()}
        if typed:
            people.set_fields(connection, who, typed, now=now, source=source)
        for tag in change.tag:
            people.add_tag(connection, who, tag, now=now)
        for tag in change.untag:
            people.remove_tag(connection, who, tag)
        if change.unsubscribe is not None:
            feedback.unsubscribe_person(
                connection, who, scope=change.unsubscribe, entity_ids=(campaign.entity,), topic=campaign.topic,
                source=source, now=now, delivery_id=delivery_id, campaign_id=campaign.id,
            )  # fmt: skip
        if change.suppress is not None:
            person = people.get_person(connection, who)
            if person is not None:
                suppressions.suppress(
                    connection, person.address_hash, scope=change.suppress.scope,
                    scope_id=campaign.entity if change.suppress.scope == "entity" else "",
                    except_topics=change.suppress.except_, reason=change.suppress.because, source=source, now=now,
                )  # fmt: skip
    if change.task is not None:
        occasion = f"answer:{delivery_id}:{answer}" if answer is not None else step_key
        keys = {who: f"{enrollments_of.get(who, who)}:{occasion}" for who in person_ids}
        make_tasks(
            connection, live, campaign, change.task, keys, enrollments_of=enrollments_of, now=now, windows_of=windows_of
        )  # fmt: skip


def is_window_stage(campaign: Campaign, change: Change) -> bool:
    """Does this change say how far somebody is with a filing window?"""
    return is_about_windows(campaign) and change.set.get("stage") in WINDOW_STAGES


def answer_evidence(delivery_id: int) -> str:
    """The evidence of a candidacy that she told us of by a one-tap answer."""
    return f"her own answer to delivery {delivery_id}"


def _typed(live: Live, name: str, text: str, now: datetime) -> object:
    """The value that a `set:` writes; `check` has refused what is none, so a refusal here is a changed field."""
    value = read_value(name, text, live.content.fields, now=now)
    return text if isinstance(value, Refused) else value


def make_tasks(
    connection: Connection,
    live: Live,
    campaign: Campaign,
    spec: TaskSpec,
    keys: Mapping[int, str],
    *,
    enrollments_of: Mapping[int, int],
    now: datetime,
    windows_of: Mapping[int, Sequence[str]] | None = None,
) -> None:
    """
    Make a task about each person; `keys` are the idempotence: person id -> key.

    The title reads the filing window of her enrollment, or the first that `windows_of` has for her.
    """
    due_at = shift(now, parse_duration(spec.due), _UTC) if spec.due else None
    rows = []
    named = enrollments.windows_of(connection, list(enrollments_of.values())) if is_about_windows(campaign) else {}
    hers = {who: named[one] for who, one in enrollments_of.items() if one in named}
    hers |= {who: those[0] for who, those in (windows_of or {}).items() if those}
    about = _windows_of(connection, campaign, hers)
    for who, key in keys.items():
        person = people.get_person(connection, who)
        if person is None:
            continue
        rows.append(
            {
                "key": key,
                "person_id": who,
                "campaign_id": campaign.id,
                "enrollment_id": enrollments_of.get(who),
                "title": _title(live, campaign, spec, person, about.get(who), now),
                "for": spec.for_,
                "due_at": due_at,
                "state": "open",
                "created_at": now,
            }
        )
    tasks.make(connection, rows)


_TITLES = Renderer()
"""Renders the titles of tasks; safe to share between threads."""

_NO_PAGES = Urls("", "", "", "")


def _windows_of(connection: Connection, campaign: Campaign, hers: Mapping[int, str]) -> dict[int, dict[str, object]]:
    """Person id -> the filing window her task is about, as templates are given it; `hers` has its id."""
    if not hers or not is_about_windows(campaign):
        return {}
    known = {one.window.id: one for one in windows.listing(connection, ids=sorted(set(hers.values())))}
    said = {name: window_values(About(one.window, one.version, False)) for name, one in known.items()}
    return {who: said[name] for who, name in hers.items() if name in said}


def _title(
    live: Live, campaign: Campaign, spec: TaskSpec, person: Person, window: dict[str, object] | None, now: datetime
) -> str:
    """The title for staff. One that cannot be rendered is shown as it is written, with the address: a task is made."""
    try:
        context = build_context(
            {**_fields(person), "custom": person.custom, "tags": person.tags},
            entity=_names(live, campaign), campaign={"id": campaign.id, "name": campaign.name}, step={}, language="en",
            urls=_NO_PAGES, zone=person.zone, sent_on=local_date(now, find_zone(person.zone)), sent_at=now,
            windows=[window] if window is not None else None,
        )  # fmt: skip
        return _TITLES.render_text(spec.title, context, path=f"task of {campaign.id}")
    except RenderError:
        return f"{spec.title} ({person.address})"


def _fields(person: Person) -> dict[str, object]:
    return {name: getattr(person, name, None) for name in PERSON_FIELDS}


def _names(live: Live, campaign: Campaign) -> dict[str, object]:
    entity = live.content.entities.get(campaign.entity)
    return {"id": campaign.entity, "name": entity.name if entity else campaign.entity}
