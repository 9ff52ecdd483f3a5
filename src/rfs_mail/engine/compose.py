"""
One delivery -> the finished message: its mail source, its values, its links, its headers. And the way back.

What a message was made from is stored at the mark (`made`): language, Date, the values the template read, the number
of the key its links are sealed with, the SHA-256 of the bytes. From that the same mail can be shown, or built, again.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, lru_cache
from hashlib import sha256
from importlib.metadata import version
from typing import Any

from rfs_mail.core.campaign import Campaign, Entity, Mail, ReleaseContent, Topic
from rfs_mail.core.dkim import Signers, sign, stamp
from rfs_mail.core.filing_windows import split_moment
from rfs_mail.core.local_time import local_date
from rfs_mail.core.mail import MailSource, Rendered
from rfs_mail.core.message import HeaderTemplate, MessageParts, build, header_template
from rfs_mail.core.reproduction import sketch
from rfs_mail.core.sequence import find_step
from rfs_mail.core.tokens import (
    Keys,
    Kind,
    make,
    make_message_id,
    make_return_path,
    make_unsubscribe_address,
)
from rfs_mail.core.values import Record
from rfs_mail.engine.live import Calendar, Occurrence, zone_of
from rfs_mail.errors import NotFoundError
from rfs_mail.render import (
    Renderer,
    Urls,
    build_context,
    context_from_json,
    occurrence_record,
    spoken_record,
    variables_json,
)
from rfs_mail.store.dialect import json_text
from rfs_mail.store.outbox import Claimed
from rfs_mail.store.types import AnyRow
from rfs_mail.store.windows import About

BUILD = "1"
"""Changes when the way a message is written changes, so that an old one is not expected to come out the same."""


@cache
def build_id() -> str:
    """What writes messages here: `BUILD`, and the versions of the libraries that have a say in their bytes."""
    return " ".join([BUILD, *(f"{name}-{version(name)}" for name in ("jinja2", "css-inline"))])


PERSON_COLUMNS = (
    "given_name", "family_name", "state", "county", "zip", "lang", "birth_year", "runs_before", "endorsement",
    "endorsable", "source", "signed_up_at", "stage", "custom",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Composed:
    """A message that is ready to go, and what it was made from."""

    message: bytes
    mail_from: str
    rcpt_to: str
    message_id: str
    made: str
    """What it was made from, as JSON for the store."""


@dataclass(frozen=True, slots=True)
class Material:
    """The immutable parts a mail of one revision is made from."""

    campaign: Campaign
    mails: Mapping[str, Mapping[str, MailSource]]
    content: ReleaseContent
    _records: dict[tuple[str, ...], Record] = field(default_factory=dict, repr=False, compare=False)

    def __reduce__(self) -> tuple[type["Material"], tuple[Campaign, object, ReleaseContent]]:
        """Another process makes the records itself."""
        return Material, (self.campaign, self.mails, self.content)

    @property
    def campaign_record(self) -> Record:
        """What templates read as `campaign`."""
        return self._once(("campaign",), lambda: Record({"id": self.campaign.id, "name": self.campaign.name}))

    def spoken_entity(self, entity_id: str, language: str) -> Record:
        """What templates read as `entity`, in a language."""
        entity = self.content.entities[entity_id]
        return self._once(("entity", entity_id, language), lambda: spoken_record(_words(entity), language))

    def spoken_topic(self, topic_id: str, language: str) -> Record | None:
        """What templates read as `topic`, in a language."""
        topic = self.content.topics.get(topic_id)
        if topic is None:
            return None
        return self._once(("topic", topic_id, language), lambda: spoken_record(_topic_words(topic), language))

    def _once(self, key: tuple[str, ...], make_record: Callable[[], Record]) -> Record:
        record = self._records.get(key)
        if record is None:
            record = self._records[key] = make_record()
        return record


@lru_cache(maxsize=1024)
def _step_record(key: str) -> Record:
    return Record({"key": key})


@lru_cache(maxsize=1024)
def _spoken_occurrence(occurrence: Occurrence) -> Record | None:
    moment = occurrence.moment
    return occurrence_record({"key": occurrence.key, "on": moment.day, "time": moment.wall, "zone": str(moment.zone)})


@dataclass(frozen=True, slots=True)
class Composer:
    """Writes messages. `base_url` has no slash at its end; `signers` are empty where mail is not signed here."""

    renderer: Renderer
    keys: Keys
    base_url: str
    signers: Signers = field(default_factory=Signers)

    def compose(
        self,
        row: Claimed,
        material: Material,
        calendar: Calendar,
        *,
        tags: Sequence[str] = (),
        windows: Sequence[About] = (),
        now: datetime,
    ) -> Composed:
        """
        Render and build one delivery. `row` is a row of `outbox.open_batch`, `calendar` the one that is live.

        Raises RenderError or MessageError for this one delivery.
        """
        mail = mail_step(material.campaign, row.step_key)
        source = choose_source(material, mail, row.p_lang, row.variant)
        entity = material.content.entities[row.entity_id]
        topic = material.content.topics.get(row.topic)
        zone = zone_of(row.p_zone)
        person = {name: getattr(row, f"p_{name}") for name in PERSON_COLUMNS}
        urls = self.urls(row.id, self.keys)
        context = build_context(
            {**person, "tags": list(tags)},
            entity=material.spoken_entity(row.entity_id, source.language),
            topic=material.spoken_topic(row.topic, source.language),
            campaign=material.campaign_record,
            step=_step_record(row.step_key),
            language=source.language,
            urls=urls,
            zone=zone,
            sent_on=local_date(now, zone),
            sent_at=now,
            calendar=occurrences_for(calendar, row, now),
            windows=[window_values(one) for one in windows] if is_about_windows(material.campaign) else None,
            signup_source=_in_language(entity.sources.get(row.p_source or "", {}), source.language) or None,
        )
        rendered = self.renderer.render(source, context)
        # An attempt before this one had the same, whatever key is current now.
        message_id = row.message_id or make_message_id(row.id, self.keys, entity.list_domain)
        parts = _parts(row.id, rendered, entity, row.p_mailbox, _to_name(person), message_id, now, urls, self.keys)
        signers = self.signers.of(entity.from_address)
        message = sign(
            signers, build(parts, self._headers(row.campaign_id, row.step_key, source, entity, topic)), now=now
        )
        made = {
            "mail": mail.template,
            "lang": source.language,
            "variant": source.variant,
            "date": now.isoformat(),
            "vars": variables_json(context, source, urls=False),
            "key": self.keys.current,
            "key_mark": self.keys.mark,
            "base": self.base_url,
            "campaign": row.campaign_id,
            "to": row.p_mailbox,
            "to_name": _to_name(person),
            "build": build_id(),
            "dkim": stamp(signers),
            "sha256": sha256(message).hexdigest(),
            "size": len(message),
            "sketch": sketch(message),
        }
        return Composed(
            message,
            make_return_path(row.id, self.keys, entity.bounce_domain),
            row.p_mailbox,
            message_id,
            json_text(made),
        )

    def again(self, delivery_id: int, made: Mapping[str, Any], material: Material) -> tuple[MailSource, Rendered]:
        """Render what was sent, from what was stored. Raises NotFoundError where the mail is not in the revision."""
        source, context = self._kept(delivery_id, made, material)
        return source, self.renderer.render(source, context)

    def link_target(self, delivery_id: int, made: Mapping[str, Any], material: Material, number: int) -> str:
        """Where tracked link `number` of a sent mail leads. Raises RenderError where there is no such link."""
        source, context = self._kept(delivery_id, made, material)
        return self.renderer.link_target(source, number, context)

    def _kept(
        self, delivery_id: int, made: Mapping[str, Any], material: Material
    ) -> tuple[MailSource, dict[str, object]]:
        source = material.mails.get(made["mail"], {}).get(source_key(made["lang"], made["variant"]))
        if source is None:
            raise NotFoundError(f"The revision no longer holds the mail {made['mail']} in {made['lang']}.")
        keys = Keys(made["key"], self.keys.secrets)
        return source, context_from_json(made["vars"], urls=self.urls(delivery_id, keys))

    def rebuild(self, row: AnyRow, mailbox: str, made: Mapping[str, Any], material: Material) -> bytes:
        """
        The bytes of a sent delivery again; `row` is its row, `mailbox` the address it went to.

        Without its signature, where a key that signed it is not here any more (`Signers.again`).
        """
        source, rendered = self.again(row.id, made, material)
        entity = material.content.entities[row.entity_id]
        keys = Keys(made["key"], self.keys.secrets)
        parts = _parts(
            row.id, rendered, entity, mailbox, made["to_name"], row.message_id, datetime.fromisoformat(made["date"]),
            self.urls(row.id, keys), keys,
        )  # fmt: skip
        headers = self._headers(
            made.get("campaign", material.campaign.id), row.step_key, source, entity,
            material.content.topics.get(row.topic),
        )  # fmt: skip
        return sign(self.signers.again(made.get("dkim")) or (), build(parts, headers), now=parts.date)

    def urls(self, delivery_id: int, keys: Keys) -> Urls:
        """The addresses in one delivery."""
        base = self.base_url
        return Urls(
            base=base,
            unsubscribe=f"{base}/u/{make(Kind.UNSUBSCRIBE, delivery_id, keys)}",
            preferences=f"{base}/p/{make(Kind.PREFERENCES, delivery_id, keys)}",
            view=f"{base}/v/{make(Kind.VIEW, delivery_id, keys)}",
            answer=_numbered(base, Kind.ANSWER, delivery_id, keys),
            link=_numbered(base, Kind.CLICK, delivery_id, keys),
        )

    def _headers(
        self, campaign_id: str, step_key: str, source: MailSource, entity: Entity, topic: Topic | None
    ) -> HeaderTemplate:
        disclaimer = _in_language(entity.disclaimer, source.language)
        return _headers(
            entity.from_name, entity.from_address, entity.reply_to or "", entity.name, entity.list_domain,
            topic.id if topic else "mail", campaign_id, step_key, entity.postal_address, disclaimer,
        )  # fmt: skip


def _numbered(base: str, kind: Kind, delivery_id: int, keys: Keys) -> Callable[[object], str]:
    """The addresses of one kind; most mails have none, so the token is made when the first one is asked for."""
    token = ""

    def address(which: object) -> str:
        nonlocal token
        token = token or make(kind, delivery_id, keys)
        return f"{base}/{kind}/{token}/{which}"

    return address


def _parts(
    delivery_id: int, rendered: Rendered, entity: Entity, mailbox: str, to_name: str, message_id: str, date: datetime,
    urls: Urls, keys: Keys,
) -> MessageParts:  # fmt: skip
    return MessageParts(
        to_address=mailbox,
        to_name=to_name,
        subject=rendered.subject,
        text=rendered.text,
        html=rendered.html,
        date=date,
        message_id=message_id,
        unsubscribe_url=urls.unsubscribe,
        unsubscribe_address=make_unsubscribe_address(delivery_id, keys, entity.bounce_domain),
    )


@lru_cache(maxsize=1024)
def _headers(
    from_name: str, from_address: str, reply_to: str, list_name: str, list_domain: str, topic: str, campaign_id: str,
    step_key: str, postal_address: str, disclaimer: str,
) -> HeaderTemplate:  # fmt: skip
    return header_template(
        from_name=from_name,
        from_address=from_address,
        reply_to=reply_to,
        list_name=list_name,
        list_id=f"{topic.replace('_', '-')}.{list_domain}",
        feedback_id=(*_told_apart(step_key, campaign_id, topic), _SENDER),
        postal_address=postal_address,
        disclaimer=disclaimer,
    )


_SENDER = "rfsmail"
"""The last word of every Feedback-ID."""


def _told_apart(step_key: str, campaign_id: str, topic: str) -> tuple[str, str, str]:
    """Step, campaign and topic for the Feedback-ID: receivers count by each word, so that none may name two things."""
    step = f"{step_key}.step" if step_key in (campaign_id, topic, _SENDER) else step_key
    campaign = f"{campaign_id}.campaign" if campaign_id in (topic, _SENDER) else campaign_id
    return step, campaign, f"{topic}.topic" if topic == _SENDER else topic


def is_about_windows(campaign: Campaign) -> bool:
    """Do its mails read `window`, `windows` and `office`?"""
    return campaign.entry.kind == "filing_window" or campaign.entry.per_window


def window_values(about: About) -> dict[str, object]:
    """A filing window as templates are given it; `approximate` where it was found by level and state alone."""
    before = (
        {"closed_before_on": about.before.closes_on, "closed_before_time": about.before.closes_time}
        if about.before
        else {}
    )
    moments = {name: split_moment(text) for name, text in about.window.milestones.items()}
    return {
        **about.window.as_values(),
        "milestones": {name: {"on": day, "time": clock} for name, (day, clock) in moments.items()},
        "approximate": about.approximate,
        "version": about.version,
        **before,
    }


def mail_step(campaign: Campaign, key: str) -> Mail:
    """The mail of a step key. Raises NotFoundError where the campaign has no such mail step."""
    step = find_step(campaign, key)
    if step is None or not isinstance(step.action, Mail):
        raise NotFoundError(f"Campaign {campaign.id} has no mail step {key!r}.")
    return step.action


def choose_source(material: Material, mail: Mail, lang: str | None, variant: str) -> MailSource:
    """The mail in the person's language where the campaign has it, else in its default: es-US -> es -> en."""
    sources = material.mails.get(mail.template, {})
    offered = material.campaign.languages
    tries = [lang, (lang or "").partition("-")[0], offered[0] if offered else "en"]
    for language in tries:
        if language and language in offered:
            for wanted in (variant, ""):
                source = sources.get(source_key(language, wanted))
                if source is not None:
                    return source
    raise NotFoundError(f"Revision of {material.campaign.id}: no mail {mail.template} in {', '.join(offered)}.")


def source_key(language: str, variant: str) -> str:
    """How a revision names a mail of one language and variant."""
    return f"{language}.{variant}" if variant else language


def occurrences_for(calendar: Calendar, row: Claimed, now: datetime) -> dict[str, Record | None]:
    """Each calendar name as this enrollment knows it: the date it is about, else the next; None where there is none."""
    fixed: Mapping[str, str] = row.anchors or {}
    found: dict[str, Record | None] = {}
    for name, dates in calendar.items():
        key = fixed.get(name)
        if key is None and row.occurrence_key is not None and any(o.key == row.occurrence_key for o in dates):
            key = row.occurrence_key
        chosen = next((o for o in dates if (o.key == key if key else o.starts_at > now)), None)
        found[name] = _spoken_occurrence(chosen) if chosen else None
    return found


def _words(entity: Entity) -> dict[str, object]:
    return {
        "id": entity.id, "name": entity.name, "from_name": entity.from_name, "website": entity.website,
        "postal_address": entity.postal_address, "disclaimer": dict(entity.disclaimer),
    }  # fmt: skip


def _topic_words(topic: Topic) -> dict[str, object]:
    return {"id": topic.id, "name": dict(topic.name), "about": dict(topic.about)}


def _in_language(texts: Mapping[str, str], language: str) -> str:
    for tried in (language, language.partition("-")[0], "en"):
        if tried in texts:
            return texts[tried]
    return next(iter(texts.values()), "")


def _to_name(person: Mapping[str, Any]) -> str:
    return " ".join(part for part in (person["given_name"], person["family_name"]) if part)
