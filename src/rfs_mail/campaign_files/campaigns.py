"""One campaign file -> `core.campaign.Campaign`, with every mistake in it told at its place."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from rfs_mail.campaign_files import keys
from rfs_mail.campaign_files.desk import Desk, Trail, as_id, shown
from rfs_mail.campaign_files.nodes import Node, Scalar, Table
from rfs_mail.campaign_files.steps import StepReader
from rfs_mail.core.campaign import Campaign, Entity, Entry, Exit, Goal, Send
from rfs_mail.core.duration import parse_duration
from rfs_mail.core.send_hours import parse_days, parse_rate, parse_send_hours

RESERVED_IDS: Final = frozenset({"entities", "segments", "fields", "campaign", "calendar", "tests"})
"""Names of other files of the folder."""

_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Z]{2})?")
_HOLDOUT = re.compile(r"(\d{1,3}(?:\.\d{1,4})?)\s*%")
_PER_DAY = re.compile(r"(\d{1,9})\s*/\s*d")
_REENTRY = re.compile(r"after\s+(\S.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Draft:
    """
    A campaign as far as its file could be understood.

    `whole` is false where something had to be left out; `check` still looks at the rest, and nothing else may use it.
    `path` is the file, the first part of every path in `Sources`.
    """

    path: str
    campaign: Campaign
    whole: bool
    step_keys: tuple[str, ...] = ()
    """Every key that stands in the file, also of steps that were left out."""


def read_campaign(desk: Desk, root: Node, defaults: Table | None, entities: Mapping[str, Entity]) -> Draft | None:
    """
    A document -> a draft; None where it is not even a mapping with an id.

    `defaults` is the mapping of `_defaults.yaml`; what the campaign says itself wins, key by key in `send` and `entry`.
    """
    file = root.file.path
    before = len(desk.findings)
    own = desk.table(root, "campaign", keys.CAMPAIGN)
    if own is None:
        return None
    desk.note((file,), root)
    for key, _value in own.entries:
        desk.note((file, key.value), own.get(key.value) or key)
    _missing(desk, own, defaults)
    table = _merged(own, defaults)
    campaign_id = _identity(desk, own)
    given = own.get("id")
    folder = campaign_id or (as_id(given.value) if isinstance(given, Scalar) else "")
    reader = StepReader(desk, file, folder)
    entity = desk.identifier(table.get("entity"), "entity")
    topic = desk.identifier(table.get("topic"), "topic")
    languages = _languages(desk, table.get("languages"))
    if not languages:
        languages = entities[entity].languages if entity and entity in entities else ("en",)
    name = desk.text(table.get("name"), "name")
    steps_node = table.get("steps")
    steps = reader.steps(steps_node, "steps") if steps_node is not None else ()
    if steps_node is not None and not steps and len(desk.findings) == before:
        desk.error(steps_node, "no-steps", "steps: there is none. Write: - {key: hello, mail: hello}")
    entry = _entry(desk, table.get("entry"), file)
    goal, exits = _goal(desk, table.get("goal"), file), _exits(desk, table.get("exit"), file, reader)
    uncertain = desk.word(table.get("on_uncertain"), "on_uncertain", ("hold", "resend"))
    on_edit = desk.word(table.get("on_edit"), "on_edit", ("follow", "pin"))
    campaign = Campaign(
        id=campaign_id or "",
        name=name.value if name else "",
        was=desk.identifier(table.get("was"), "was"),
        entity=entity or "",
        topic=topic or "",
        languages=languages,
        audience=_conditions(desk, table.get("audience"), "audience", file),
        exclude=_conditions(desk, table.get("exclude"), "exclude", file),
        entry=entry or Entry(kind="event"),
        send=_send(desk, table.get("send")),
        holdout=_holdout(desk, table.get("holdout")),
        steps=steps,
        goal=goal,
        exit=exits,
        while_=desk.expression(table.get("while"), "while", (file, "while")) if table.get("while") else None,
        ends=desk.time(table.get("ends"), "ends", (file, "ends")) if table.get("ends") else None,
        reentry=_reentry(desk, table.get("reentry")),
        on_edit="pin" if on_edit == "pin" else "follow",
        on_uncertain="hold" if uncertain == "hold" else "resend" if uncertain == "resend" else None,
    )
    broken = any(finding.severity == "error" for finding in desk.findings[before:])
    whole = reader.whole and not broken and bool(campaign_id and entry and steps)
    return Draft(file, campaign, whole, tuple(reader.seen))


def _missing(desk: Desk, own: Table, defaults: Table | None) -> None:
    examples = {"id": "welcome", "entity": "rfs", "topic": "running", "entry": "{event: signup}", "steps": "..."}
    for key, example in examples.items():
        given = own.get(key) is not None or (key != "entry" and defaults is not None and defaults.get(key) is not None)
        if not given:
            desk.error(own, "missing-key", f"{key}: is missing. Write: {key}: {example}")


def _merged(own: Table, defaults: Table | None) -> Table:
    """The campaign over the defaults: whole values, except key by key in `send` and `entry`."""
    if defaults is None:
        return own
    entries = {key.value: (key, value) for key, value in defaults.entries if key.value in keys.DEFAULTS}
    for name in ("send", "entry"):
        ours, theirs = own.get(name), defaults.get(name)
        if name in entries and ours is None and name == "entry":
            del entries[name]
        elif isinstance(ours, Table) and isinstance(theirs, Table):
            inner = {key.value: (key, value) for key, value in (*theirs.entries, *ours.entries)}
            merged = Table(ours.file, ours.start, ours.end, tuple(inner.values()))
            entries[name] = (own.key(name) or defaults.entries[0][0], merged)
    kept = {key.value: (key, value) for key, value in own.entries}
    for name in ("send", "entry"):
        if isinstance(own.get(name), Table) and name in entries:
            kept[name] = entries[name]
    return Table(own.file, own.start, own.end, tuple({**entries, **kept}.values()))


def _identity(desk: Desk, own: Table) -> str | None:
    node = own.get("id")
    campaign_id = desk.identifier(node, "id")
    if campaign_id in RESERVED_IDS and node is not None:
        desk.error(node, "reserved-id", f'id: "{campaign_id}" is the name of another file here. Choose another.')
        return None
    return campaign_id


def _languages(desk: Desk, node: Node | None) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for scalar in desk.texts(node, "languages"):
        desk.note((scalar.file.path, "languages", scalar.value), scalar)
        if not _LANGUAGE.fullmatch(scalar.value):
            desk.error(
                scalar, "bad-language", f"languages: {shown(scalar.value)} is no language. Write en, es or es-US."
            )
        elif scalar.value in found:
            desk.error(scalar, "duplicate-language", f'languages: "{scalar.value}" is here twice.')
        else:
            found[scalar.value] = None
    return tuple(found)


def _conditions(desk: Desk, node: Node | None, what: str, file: str) -> tuple[str, ...]:
    found: list[str] = []
    for number, item in enumerate(desk.one_or_more(node) if node is not None else ()):
        label = what if item is node else f"{what}[{number + 1}]"
        text = desk.expression(item, label, (file, what, len(found)))
        if text is not None:
            found.append(text)
    return tuple(found)


# -- entry -------------------------------------------------------------------------------------------------------------


def _entry(desk: Desk, node: Node | None, file: str) -> Entry | None:
    if node is None:
        return None
    if isinstance(node, Scalar) and not node.missing:
        desk.error(node, "shape", f"entry: say what starts it. Write: entry: {{event: {node.value[:40]}}}")
        return None
    table = desk.table(node, "entry", keys.ENTRY)
    if table is None:
        return None
    path: Trail = (file, "entry")
    for key, value in table.entries:
        desk.note((*path, key.value), value)
    kind, calendar = _entry_kind(desk, table)
    if kind is None:
        return None
    per_window = kind == "event" and table.get("per") is not None
    _entry_strangers(desk, table, kind, per_window)
    dated = kind in ("filing_window", "calendar")
    late = desk.word(table.get("late"), "entry.late", ("join", "catch_up", "skip"))
    event, stage = (desk.identifier(table.get(key), f"entry.{key}") for key in ("event", "stage"))
    if kind == "event" and event is None and stage is None:
        return None
    return Entry(
        kind=kind,
        event=event,
        stage=stage,
        per_window=per_window,
        calendar=calendar,
        from_=desk.time(table.get("from"), "entry.from", (*path, "from")) if dated and table.get("from") else None,
        to=desk.time(table.get("to"), "entry.to", (*path, "to")) if dated and table.get("to") else None,
        on="moved" if desk.word(table.get("on"), "entry.on", ("moved",)) == "moved" else None,
        require=desk.expression(table.get("require"), "entry.require", (*path, "require"))
        if kind == "filing_window" or per_window
        else None,
        existing=_existing(desk, table.get("existing"), kind),
        late="catch_up" if late == "catch_up" else "skip" if late == "skip" else "join",
    )


_Kind = Literal["event", "person", "filing_window", "calendar"]


def _entry_kind(desk: Desk, table: Table) -> tuple[_Kind | None, str | None]:
    event, stage, per = table.get("event"), table.get("stage"), table.get("per")
    if event is not None and stage is not None:
        desk.error(table.key("stage") or table, "two-starts", "entry: event and stage both start it. Keep one.")
        return None, None
    per_word = desk.identifier(per, "entry.per") if per is not None else None
    if event is not None or stage is not None:
        if per is not None and (per_word != "filing_window" or stage is None):
            desk.error(
                table.key("per") or table,
                "two-starts",
                "entry: beside an event nothing else starts it; only {stage: ..., per: filing_window} goes together.",
            )
            return None, None
        return "event", None
    if per is None:
        desk.error(
            table,
            "no-start",
            "entry: nothing starts it. Write one of {event: signup}, {stage: filed}, {per: person}, "
            "{per: filing_window, from: closes - 45d}",
        )
        return None, None
    if per_word == "person":
        return "person", None
    if per_word == "filing_window":
        return "filing_window", None
    return ("calendar", per_word) if per_word else (None, None)


def _entry_strangers(desk: Desk, table: Table, kind: str, per_window: bool) -> None:
    for key in ("from", "to"):
        place = table.key(key)
        if place is not None and kind in ("event", "person"):
            desk.error(
                place,
                "stray-key",
                f"entry.{key}: belongs to {{per: filing_window}} and to calendar names. Take it out.",
            )
    place = table.key("require")
    if place is not None and kind != "filing_window" and not per_window:
        desk.error(place, "stray-key", "entry.require: asks about filing windows. Use audience: for people.")
    moved = table.key("on")
    if moved is not None and kind != "filing_window":
        desk.error(moved, "stray-key", "entry.on: belongs to {per: filing_window}. Take it out.")
    begins = table.key("from")
    if moved is not None and begins is not None:
        said = "entry: people enter from a date or on a move. Keep one of from and on."
        desk.error(begins, "two-starts", said)
    if begins is None and moved is None and kind in ("filing_window", "calendar"):
        per = table.get("per")
        name = "closes" if kind == "filing_window" else per.value if isinstance(per, Scalar) else "nrfod"
        desk.error(
            table, "missing-key", f'entry: "from" is missing: from when on do people enter? Write: from: {name} - 5d'
        )


def _existing(desk: Desk, node: Node | None, kind: str) -> Literal["skip", "all"] | int:
    fallback: Literal["skip", "all"] = "skip" if kind == "event" else "all"
    scalar = desk.text(node, "entry.existing")
    if scalar is None:
        return fallback
    if scalar.value in ("skip", "all"):
        return "skip" if scalar.value == "skip" else "all"
    found = _PER_DAY.fullmatch(scalar.value)
    if found and int(found[1]):
        return int(found[1])
    desk.error(
        scalar, "bad-word", f"entry.existing: {shown(scalar.value)} is not one of: skip, all, so many a day (500/d)."
    )
    return fallback


# -- the smaller keys --------------------------------------------------------------------------------------------------


def _send(desk: Desk, node: Node | None) -> Send:
    table = desk.table(node, "send", keys.SEND) if node is not None else None
    if table is None:
        return Send()
    given = {
        "days": desk.parsed(table.get("days"), "send.days", parse_days),
        "hours": desk.parsed(table.get("hours"), "send.hours", parse_send_hours),
        "rate": desk.parsed(table.get("rate"), "send.rate", parse_rate),
        "expires": desk.parsed(table.get("expires"), "send.expires", parse_duration),
    }
    return Send.model_validate({key: value for key, value in given.items() if value is not None})


def _holdout(desk: Desk, node: Node | None) -> float:
    scalar = desk.text(node, "holdout")
    if scalar is None:
        return 0.0
    found = _HOLDOUT.fullmatch(scalar.value.strip())
    if found and float(found[1]) < 100:
        return float(found[1]) / 100
    desk.error(scalar, "bad-share", f"holdout: {shown(scalar.value)} is no share of people. Write: holdout: 5%")
    return 0.0


def _reentry(desk: Desk, node: Node | None) -> str | None:
    scalar = desk.text(node, "reentry")
    if scalar is None or scalar.value == "never":
        return None
    found = _REENTRY.fullmatch(scalar.value.strip())
    if not found:
        desk.error(scalar, "bad-word", f"reentry: {shown(scalar.value)} is not one of: never, after 90d.")
        return None
    return desk.parsed(scalar, "reentry", lambda text: parse_duration(found[1])) and found[1]


def _goal(desk: Desk, node: Node | None, file: str) -> Goal | None:
    if node is None:
        return None
    if not isinstance(node, Table):
        when = desk.expression(node, "goal", (file, "goal"))
        return Goal(when=when) if when else None
    table = desk.table(node, "goal", keys.GOAL)
    then = desk.word(node.get("then"), "goal.then", ("end", "continue"))
    if node.get("when") is None:
        desk.error(node, "missing-key", 'goal: "when" is missing. Write: goal: {when: ..., then: continue}')
    when = desk.expression(node.get("when"), "goal.when", (file, "goal", "when")) if table else None
    return Goal(when=when, then="continue" if then == "continue" else "end") if when else None


def _exits(desk: Desk, node: Node | None, file: str, reader: StepReader) -> tuple[Exit, ...]:
    found: list[Exit] = []
    for number, item in enumerate(desk.one_or_more(node) if node is not None else ()):
        path: Trail = (file, "exit", len(found))
        label = f"exit[{number + 1}]"
        if not isinstance(item, Table):
            when = desk.expression(item, label, (*path, "when"))
            task = None
        else:
            desk.table(item, label, keys.EXIT)
            if item.get("when") is None:
                desk.error(item, "missing-key", f'{label}: "when" is missing.')
            when = desk.expression(item.get("when"), f"{label}.when", (*path, "when"))
            task = reader.task(item.get("task"), f"{label}.task", (*path, "task"))
        if when:
            found.append(Exit(when=when, task=task))
    return tuple(found)
