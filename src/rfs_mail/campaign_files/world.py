"""What campaigns stand on: entities and topics, segments, fields, the calendar. Documents -> values of the core."""

import re
from collections.abc import Mapping
from datetime import date
from typing import Final

from rfs_mail.campaign_files.desk import Desk, Trail, shown
from rfs_mail.campaign_files.nodes import Node, Scalar, Table
from rfs_mail.core.campaign import Calendar, Entity, FieldSpec, OccurrenceSpec, Topic
from rfs_mail.core.local_time import find_zone
from rfs_mail.core.send_hours import read_clock
from rfs_mail.core.times import WINDOW_DATES
from rfs_mail.core.vocabulary import FUNCTIONS, PERSON_FIELDS
from rfs_mail.errors import TimeError

ENTITY_KEYS: Final[Mapping[str, str]] = {
    "name": "The organisation's name.",
    "tax_status": "c4, c3 or partner.",
    "from_name": "Who the mail is from.",
    "from_address": "The address it is from.",
    "reply_to": "Where replies go.",
    "list_domain": "Domain of List-Id and Message-ID.",
    "bounce_domain": "Domain of the return path.",
    "postal_address": "The address in every footer.",
    "disclaimer": "Language -> text of the footer.",
    "languages": "Languages it writes in, the default first.",
    "partners": "Ids of entities it works with.",
    "website": "Its website.",
    "sources": "Source of a sign-up -> language -> where that was, in public words.",
}
TOPIC_KEYS: Final[Mapping[str, str]] = {
    "entity": "Whose topic it is.",
    "name": "Language -> public name.",
    "about": "Language -> a line about it.",
}
FIELD_KEYS: Final[Mapping[str, str]] = {
    "type": "text, number, date, yes_no or choice.",
    "values": "The values of a choice.",
    "about": "What it means.",
}
CALENDAR_KEYS: Final[Mapping[str, str]] = {
    "about": "What happens then.",
    "zone": "An IANA time zone.",
    "occurrences": "Its dates.",
}
OCCURRENCE_KEYS: Final[Mapping[str, str]] = {
    "key": "Its name for good; the date may move.",
    "date": "Year-month-day.",
    "time": "HH:MM on the calendar's clock.",
    "note": "A line for staff.",
}
SEGMENT_KEYS: Final[Mapping[str, str]] = {"where": "The condition.", "about": "Who they are."}

FIELD_TYPES: Final = ("text", "number", "date", "yes_no", "choice")

TAKEN: Final = frozenset(
    {
        *WINDOW_DATES, *PERSON_FIELDS, *FUNCTIONS,
        "entry", "midpoint", "office", "window", "windows", "person", "filing_window", "entity", "campaign", "topic",
        "step", "custom", "tags", "today", "language", "answer", "sent_on", "signup_source", "base_url", "view_url",
        "unsubscribe_url", "preferences_url", "true", "false", "none", "and", "or", "not", "in", "is", "if", "else",
    }
)  # fmt: skip
"""Names that templates, times or expressions use already, so that a calendar name cannot."""

_ADDRESS = re.compile(r"[^\s@<>,;\"]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
_DOMAIN = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+")
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Z]{2})?")
_KEY = re.compile(r"[a-z0-9][a-z0-9_-]{0,79}")


def read_entities(desk: Desk, root: Node) -> tuple[dict[str, Entity], dict[str, Topic]]:
    """`entities.yaml`: `entities:` and `topics:`, by id."""
    file = root.file.path
    table = desk.table(root, file, ("entities", "topics"))
    if table is None:
        return {}, {}
    for needed in ("entities", "topics"):
        if table.get(needed) is None:
            desk.error(table, "missing-key", f"{needed}: is missing.")
    entities: dict[str, Entity] = {}
    topics: dict[str, Topic] = {}
    for name, key, inner in _named(desk, table.get("entities"), "entities", ENTITY_KEYS):
        desk.note((file, "entities", name), key)
        entity = _entity(desk, name, key, inner)
        if entity is not None:
            entities[name] = entity
    for name, entity in entities.items():
        for partner in entity.partners:
            if partner not in entities:
                node = desk.nodes[(file, "entities", name)]
                desk.error(node, "unknown-entity", f'entities.{name}.partners: there is no entity "{partner}".')
    for name, key, inner in _named(desk, table.get("topics"), "topics", TOPIC_KEYS):
        desk.note((file, "topics", name), key)
        topic = _topic(desk, name, key, inner, entities)
        if topic is not None:
            topics[name] = topic
    return entities, topics


def _named(desk: Desk, node: Node | None, what: str, keys: Mapping[str, str]) -> list[tuple[str, Scalar, Table]]:
    """The mappings of a mapping, by id."""
    table = desk.table(node, what, None) if node is not None else None
    found: list[tuple[str, Scalar, Table]] = []
    for key, value in table.entries if table else ():
        name = desk.identifier(key, what)
        inner = desk.table(value, f"{what}.{key.value}", keys)
        if name is not None and inner is not None:
            found.append((name, key, inner))
    return found


def _entity(desk: Desk, name: str, key: Scalar, table: Table) -> Entity | None:
    what = f"entities.{name}"
    required = ("name", "from_name", "from_address", "list_domain", "bounce_domain", "postal_address")
    texts = {field: desk.text(table.get(field), f"{what}.{field}") for field in (*required, "reply_to", "website")}
    for field in required:
        if table.get(field) is None:
            desk.error(key, "missing-key", f'{what}: "{field}" is missing: {ENTITY_KEYS[field]}')
    values = {field: scalar.value.strip() for field, scalar in texts.items() if scalar is not None}
    for field, pattern, example in (
        ("from_address", _ADDRESS, "hello@rfs.example.org"),
        ("reply_to", _ADDRESS, "hello@rfs.example.org"),
        ("list_domain", _DOMAIN, "rfs.example.org"),
        ("bounce_domain", _DOMAIN, "bounces.rfs.example.org"),
    ):
        scalar = texts[field]
        if scalar is not None and not pattern.fullmatch(scalar.value.strip()):
            kind = "address" if pattern is _ADDRESS else "domain in lower case"
            desk.error(
                scalar, "bad-value", f"{what}.{field}: {shown(scalar.value)} is no {kind}. Write one like {example}"
            )
            values.pop(field, None)
    status = desk.word(table.get("tax_status"), f"{what}.tax_status", ("c4", "c3", "partner"))
    languages = tuple(
        scalar.value
        for scalar in desk.texts(table.get("languages"), f"{what}.languages")
        if _language(desk, scalar, what)
    )
    partners = tuple(
        partner
        for scalar in desk.texts(table.get("partners"), f"{what}.partners")
        if (partner := desk.identifier(scalar, f"{what}.partners")) is not None
    )
    if any(field not in values for field in required):
        return None
    return Entity(
        id=name,
        name=values["name"],
        tax_status="c3" if status == "c3" else "partner" if status == "partner" else "c4",
        from_name=values["from_name"],
        from_address=values["from_address"],
        reply_to=values.get("reply_to"),
        list_domain=values["list_domain"],
        bounce_domain=values["bounce_domain"],
        postal_address=values["postal_address"],
        disclaimer=_by_language(desk, table.get("disclaimer"), f"{what}.disclaimer"),
        languages=languages or ("en",),
        partners=partners,
        website=values.get("website", ""),
        sources=_sources(desk, table.get("sources"), f"{what}.sources"),
    )


def _sources(desk: Desk, node: Node | None, what: str) -> dict[str, dict[str, str]]:
    """Public words for the `--source` of imports and forms."""
    table = desk.table(node, what, None) if node is not None else None
    return (
        {key.value: _by_language(desk, value, f"{what}.{key.value}") for key, value in table.entries} if table else {}
    )


def _topic(desk: Desk, name: str, key: Scalar, table: Table, entities: Mapping[str, Entity]) -> Topic | None:
    what = f"topics.{name}"
    for needed in ("entity", "name"):
        if table.get(needed) is None:
            desk.error(key, "missing-key", f'{what}: "{needed}" is missing: {TOPIC_KEYS[needed]}')
    entity = desk.identifier(table.get("entity"), f"{what}.entity")
    names = _by_language(desk, table.get("name"), f"{what}.name")
    if entity is None:
        return None
    if entity not in entities:
        desk.error(
            table.get("entity") or key, "unknown-entity", f'{what}.entity: there is no entity "{entity}" in this file.'
        )
    elif table.get("name") is not None:
        for language in entities[entity].languages:
            if language not in names:
                message = f"{what}.name: recipients who read {language} see no name. Write: {language}: ..."
                default = language == entities[entity].languages[0]
                (desk.error if default else desk.warning)(key, "missing-language", message)
    return Topic(id=name, entity=entity, name=names, about=_by_language(desk, table.get("about"), f"{what}.about"))


def _by_language(desk: Desk, node: Node | None, what: str) -> dict[str, str]:
    if node is None:
        return {}
    if isinstance(node, Scalar) and not node.missing:
        desk.error(node, "shape", f"{what}: say in which language. Write: en: {node.value[:60]}")
        return {}
    table = desk.table(node, what, None)
    found: dict[str, str] = {}
    for key, value in table.entries if table else ():
        scalar = desk.text(value, f"{what}.{key.value}")
        if _language(desk, key, what) and scalar is not None:
            found[key.value] = scalar.value.strip()
    return found


def _language(desk: Desk, scalar: Scalar, what: str) -> bool:
    if _LANGUAGE.fullmatch(scalar.value):
        return True
    desk.error(scalar, "bad-language", f"{what}: {shown(scalar.value)} is no language. Write en, es or es-US.")
    return False


# -- segments and fields -----------------------------------------------------------------------------------------------


def read_segments(desk: Desk, root: Node) -> dict[str, str]:
    """`segments.yaml`: name -> condition, or {where, about}."""
    file = root.file.path
    table = desk.table(root, file, None)
    found: dict[str, str] = {}
    for key, value in table.entries if table else ():
        name = desk.identifier(key, "segment")
        path: Trail = (file, key.value)
        desk.note(path, key)
        where: Node | None = value
        if isinstance(value, Table):
            desk.table(value, key.value, SEGMENT_KEYS)
            where = value.get("where")
            if where is None:
                desk.error(key, "missing-key", f'{key.value}: "where" is missing. Write: where: state == "WI"')
            about = value.get("about")
            if about is not None:
                desk.text(about, f"{key.value}.about")
        text = desk.expression(where, key.value, (*path, "where"))
        if name is not None and text is not None:
            found[name] = text
    return found


def read_fields(desk: Desk, root: Node) -> dict[str, FieldSpec]:
    """`fields.yaml`: slug -> {type, values, about}."""
    found: dict[str, FieldSpec] = {}
    for name, key, table in _named(desk, root, "fields", FIELD_KEYS):
        desk.note((root.file.path, name), key)
        kind = desk.word(table.get("type"), f"{name}.type", FIELD_TYPES)
        values = tuple(scalar.value for scalar in desk.texts(table.get("values"), f"{name}.values"))
        about = desk.text(table.get("about"), f"{name}.about")
        if table.get("type") is None:
            desk.error(key, "missing-key", f'{name}: "type" is missing: {", ".join(FIELD_TYPES)}.')
        if kind == "choice" and not values:
            desk.error(key, "missing-key", f"{name}: a choice needs its values. Write: values: [one, two]")
        if kind is not None and kind != "choice" and table.get("values") is not None:
            desk.error(table.key("values") or key, "stray-key", f"{name}.values: only a choice has values.")
        if len(set(values)) < len(values):
            desk.error(table.key("values") or key, "duplicate-key", f"{name}.values: a value is here twice.")
        if kind is not None:
            found[name] = FieldSpec.model_validate(
                {"slug": name, "type": kind, "values": values, "about": about.value if about else ""}
            )
    return found


# -- calendar ----------------------------------------------------------------------------------------------------------


def read_calendar(desk: Desk, root: Node) -> dict[str, Calendar]:
    """`calendar.yaml`: name -> {about, zone, occurrences}."""
    file = root.file.path
    found: dict[str, Calendar] = {}
    for name, key, table in _named(desk, root, "calendar", CALENDAR_KEYS):
        desk.note((file, name), key)
        if name in TAKEN:
            desk.error(
                key, "reserved-id", f'"{name}" means something else in times and templates. Choose another name.'
            )
            continue
        zone = _zone(desk, table, name, key)
        rows = table.get("occurrences")
        if rows is None:
            desk.error(key, "missing-key", f'{name}: "occurrences" is missing: its dates.')
            continue
        specs: dict[str, OccurrenceSpec] = {}
        for number, row in enumerate(desk.rows(rows, f"{name}.occurrences"), 1):
            spec = _occurrence(desk, row, f"{name}.occurrences[{number}]", zone or "UTC")
            if spec is None:
                continue
            if spec.key in specs:
                desk.error(
                    row, "duplicate-key", f'{name}: the key "{spec.key}" is here twice; a new date is a new key.'
                )
                continue
            desk.note((file, name, spec.key), row)
            specs[spec.key] = spec
        about = desk.text(table.get("about"), f"{name}.about")
        found[name] = Calendar(name=name, about=about.value if about else "", occurrences=tuple(specs.values()))
    return found


def _zone(desk: Desk, table: Table, name: str, key: Scalar) -> str | None:
    node = table.get("zone")
    if node is None:
        desk.error(key, "missing-key", f'{name}: "zone" is missing. Write: zone: America/New_York')
    return desk.parsed(node, f"{name}.zone", find_zone)


def _occurrence(desk: Desk, row: Node, what: str, zone: str) -> OccurrenceSpec | None:
    table = desk.table(row, what, OCCURRENCE_KEYS)
    if table is None:
        return None
    for needed in ("key", "date"):
        if table.get(needed) is None:
            desk.error(row, "missing-key", f'{what}: "{needed}" is missing: {OCCURRENCE_KEYS[needed]}')
    key = desk.text(table.get("key"), f"{what}.key")
    if key is not None and not _KEY.fullmatch(key.value):
        desk.error(
            key, "bad-id", f"{what}.key: {shown(key.value)} is no key; keys are a-z, 0-9, _ and -, such as nrfod-2026."
        )
        key = None
    on = desk.parsed(table.get("date"), f"{what}.date", _iso_date)
    wall = desk.parsed(table.get("time"), f"{what}.time", _clock)
    note = desk.text(table.get("note"), f"{what}.note")
    if key is None or on is None:
        return None
    return OccurrenceSpec(key=key.value, on=on, time=wall, zone=zone, note=note.value if note else "")


def _iso_date(text: str) -> None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise TimeError(f'"{text}" is no date. Write year-month-day, such as 2026-11-10') from None
    if day.isoformat() != text or not 2000 <= day.year < 2200:
        raise TimeError(f'"{text}" is no date of our time. Write year-month-day, such as 2026-11-10')


def _clock(text: str) -> None:
    if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", text):
        meant = read_clock(text)
        advice = f" Write: {meant:%H:%M}" if meant else " Write: 19:00"
        raise TimeError(f'"{text}" is no time of day.{advice}')
