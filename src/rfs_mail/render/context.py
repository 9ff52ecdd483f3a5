"""
The names a template may read, for one person and one step; kept as JSON so that the same mail can be rendered again.

Values are plain: text, numbers, days, instants, stages, records of these. What is not known is `None`. Instants of a
window or a calendar name carry the zone of their place, so that `office_time` knows it.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo

from jinja2 import nodes

from rfs_mail.core.filing_words import LOCAL_LEVELS, filing_term, listed, office_name
from rfs_mail.core.local_time import local_date
from rfs_mail.core.mail import MailSource
from rfs_mail.core.office_days import open_days_until
from rfs_mail.core.values import Confidence, Record, Stage
from rfs_mail.render.compiling import answer_keys
from rfs_mail.render.environment import TEXT

PERSON_FIELDS: Final = (
    "given_name", "family_name", "state", "county", "zip", "lang", "birth_year", "runs_before", "endorsement",
    "endorsable", "stage", "signed_up_at", "source",
)  # fmt: skip
"""The fields of a person that stand in templates under their own name."""

PAGES: Final = ("unsubscribe_url", "preferences_url", "view_url", "base_url")

_MOMENTS: Final = ("opens", "closes", "closed_before")


@dataclass(frozen=True, slots=True)
class Urls:
    """
    The addresses of one delivery. All are whole https addresses without anybody's e-mail address in them.

    `answer` gives the one-tap page of an answer's key, `link` the tracked address of a link number; `None` where the
    step has no answers, or where links are not tracked.
    """

    base: str
    unsubscribe: str
    preferences: str
    view: str
    answer: Callable[[str], str] | None = None
    link: Callable[[int], str] | None = None

    def names(self) -> dict[str, object]:
        """The names that templates read them by."""
        return {
            "base_url": self.base,
            "unsubscribe_url": self.unsubscribe,
            "preferences_url": self.preferences,
            "view_url": self.view,
            "_answer": self.answer,
            "_link": self.link,
        }


def build_context(
    person: Mapping[str, object],
    *,
    entity: Mapping[str, object] | Record,
    campaign: Mapping[str, object] | Record,
    step: Mapping[str, object] | Record,
    language: str,
    urls: Urls,
    zone: ZoneInfo | str,
    sent_on: date,
    sent_at: datetime | None = None,
    topic: Mapping[str, object] | Record | None = None,
    calendar: Mapping[str, Mapping[str, object] | Record | None] | None = None,
    windows: Sequence[Mapping[str, object] | Record] | None = None,
    office: Mapping[str, object] | None = None,
    signup_source: str | None = None,
    facts: Mapping[str, Callable[..., object]] | None = None,
) -> dict[str, object]:
    """
    Everything a template of this step may name.

    `person` holds the fields of `PERSON_FIELDS`, `custom` (a mapping) and `tags`; a field it lacks is `None`. `entity`
    and `topic` may say `disclaimer`, `name` and `about` by language; the mail's language is taken. `calendar` maps each
    calendar name to its occurrence (`key`, `date` or `on`, `time`, `zone`; or `starts` and `zone`) or to `None`.
    `windows` is only given in a campaign that is `per: filing_window`, the nearest first: `zone`, `opens`, `closes`
    (days; `opens_on`, `closes_on` too), `closes_time` ..., `milestones` (name to a day, an instant or
    `{on, time}`), and any other fields. `office` adds to what the window says of its office, or says it otherwise.
    `zone` is the recipient's, `sent_on` the day on her clock, and `sent_at` the moment from which days are counted on
    the office's clock; without it they are counted from `sent_on`. `facts` are functions of expressions by name
    (`attended` ...); a mail that calls one cannot be rendered again from its stored variables alone. Records that
    `spoken_record`, `occurrence_record` and `window_record` made before are taken as they are, which is cheaper for
    many people.
    """
    fields = {name: person.get(name) for name in PERSON_FIELDS}
    fields["stage"] = _ordered(Stage, fields["stage"])
    tags = person.get("tags")
    fields["tags"] = tuple(sorted(tags)) if isinstance(tags, list | tuple | set | frozenset) else ()
    custom = person.get("custom")
    fields["custom"] = Record(custom if isinstance(custom, Mapping) else {})
    context: dict[str, object] = {
        "topic": None,
        **{name: occurrence_record(occurrence) for name, occurrence in (calendar or {}).items()},
        **(facts or {}),
        **fields,
        "person": Record(fields),
        "entity": spoken_record(entity, language),
        "campaign": campaign if isinstance(campaign, Record) else Record(campaign),
        "step": step if isinstance(step, Record) else Record(step),
        "language": language,
        "sent_on": sent_on,
        "signup_source": signup_source,
        "_zone": zone if isinstance(zone, ZoneInfo) else ZoneInfo(zone),
        **urls.names(),
    }
    if topic is not None:
        context["topic"] = spoken_record(topic, language)
    if windows is not None:
        spoken = tuple(_counted_window(window_record(window), language, sent_on, sent_at) for window in windows)
        context |= {"windows": spoken, "window": _nearest(spoken)}
        context["office"] = Record({**_office(spoken, language), **(office or {})})
        if spoken:
            context["_office_today"] = _office_today(spoken[0], sent_on, sent_at)
    return context


def spoken_record(words: Mapping[str, object] | Record, language: str) -> Record:
    """An entity or a topic: a record whose texts by language (`{en: ..., es: ...}`) are those of one language."""
    if isinstance(words, Record):
        return words
    return Record({name: _in_language(value, language) for name, value in words.items()})


def _in_language(value: object, language: str) -> object:
    if not isinstance(value, Mapping):
        return value
    if not value:
        return None  # said in no language: not there, as `or ""` of a layout expects
    for tried in (language, language.partition("-")[0], "en"):
        if tried in value:
            return value[tried]
    return next(iter(value.values()))


def _ordered(kind: type[Stage] | type[Confidence], value: object) -> object:
    try:
        return None if value is None else kind(str(value))
    except ValueError:
        return value


def occurrence_record(given: Mapping[str, object] | Record | None) -> Record | None:
    """A calendar occurrence: `key day starts has_time zone`. Where no time is known, `starts` is the day alone."""
    if given is None or isinstance(given, Record):
        return given
    try:
        return _occurrence_of(tuple(given.items()))
    except TypeError:  # a value that cannot be a key of the cache
        return _occurrence(given)


@lru_cache(maxsize=1024)
def _occurrence_of(items: tuple[tuple[str, object], ...]) -> Record:
    return _occurrence(dict(items))


def _occurrence(given: Mapping[str, object]) -> Record:
    zone = _zone(given.get("zone"))
    at = given.get("starts")
    if isinstance(at, datetime) and given.get("has_time") is not False:
        moment: date | datetime | None = at.astimezone(zone)
    elif isinstance(at, datetime):
        moment = at.astimezone(zone).date()
    else:
        moment = _moment(_first(given, "date", "on", "day"), given.get("time"), zone)
    known = isinstance(moment, datetime)
    day = moment.date() if isinstance(moment, datetime) else moment
    rest = {name: value for name, value in given.items() if name not in {"date", "on", "time"}}
    return Record({**rest, "starts": moment, "day": day, "has_time": known, "zone": str(zone)})


def window_record(given: Mapping[str, object] | Record) -> Record:
    """
    A filing window as templates see it.

    Each of its moments (`opens`, `closes`, `closed_before`, every milestone) stands twice: `closes` is the day,
    `closes_at` the instant on the office's clock, or the day again where no time is known.
    """
    if isinstance(given, Record):
        return given
    zone = _zone(given.get("zone"))
    moments: dict[str, tuple[object, object]] = {
        name: (_first(given, name, f"{name}_on"), given.get(f"{name}_time")) for name in _MOMENTS
    }
    milestones = given.get("milestones")
    if isinstance(milestones, Mapping):
        for name, value in milestones.items():
            part = value if isinstance(value, Mapping) else {"on": value}
            moments[str(name)] = (_first(part, "on", "date"), part.get("time"))
    fields = {name: value for name, value in given.items() if name != "milestones"}
    fields["election"] = _day(_first(given, "election", "election_on"))
    fields["confidence"] = _ordered(Confidence, given.get("confidence"))
    for name, (day, clock) in moments.items():
        ready = given.get(f"{name}_at")
        moment = ready.astimezone(zone) if isinstance(ready, datetime) else _moment(day, clock, zone)
        fields[f"{name}_at"] = moment
        fields[name] = moment.date() if isinstance(moment, datetime) else moment
    return Record({**fields, "zone": str(zone)})


def _nearest(windows: Sequence[Record]) -> Record | None:
    """The first window, no more certain than the least certain of them: one mail speaks for all."""
    if not windows:
        return None
    doubt = {
        "certain": all(window["certain"] for window in windows),
        "approximate": any(window["approximate"] for window in windows),
    }
    return Record({**_values(windows[0]), **doubt})


def _counted_window(window: Record, language: str, sent_on: date, sent_at: datetime | None) -> Record:
    """
    A window with its office in the mail's language, how sure we are, and what is left of it.

    `days_left` are calendar days on the office's clock, 0 on the closing day; `open_days_left` those of them, the
    closing day counted, on which offices of the state are likely open. `certain` is a date that two sources or the
    office itself give, `approximate` one for a whole state where the office is a local one.
    """
    level, state = window["office_level"], window["state"]
    today, closes = _office_today(window, sent_on, sent_at), window["closes"]
    confidence, approximate = window["confidence"], window["approximate"]
    said: dict[str, object] = {
        "office": office_name(window["office"], level, language),
        "certain": isinstance(confidence, Confidence) and confidence >= Confidence.CORROBORATED,
        "approximate": level in LOCAL_LEVELS and not window["division"] if approximate is None else approximate,
        "days_left": None,
        "open_days_left": None,
    }
    if isinstance(closes, date):
        said["days_left"] = (closes - today).days
        said["open_days_left"] = open_days_until(today, closes, str(state or ""))
    return Record({**_values(window), **said})


def _office_today(window: Record, sent_on: date, sent_at: datetime | None) -> date:
    """The day that calendars at the office show when the mail goes."""
    return sent_on if sent_at is None else local_date(sent_at, _zone(window["zone"]))


def _values(record: Record) -> dict[str, object]:
    return {name: record[name] for name in record}


def _office(windows: Sequence[Record], language: str) -> dict[str, object]:
    """What is known of the office, from its windows: `names` are those of all of them in one phrase."""
    first = windows[0] if windows else Record()
    terms = {filing_term(window["state"], window["office_level"], language) for window in windows}
    return {
        "name": first["office"],
        "names": listed((str(window["office"]) for window in windows), language),
        "level": first["office_level"],
        "state": first["state"],
        "zone": first["zone"],
        "jurisdiction": first["jurisdiction"],
        "division": first["division"],
        "filing_term": terms.pop() if len(terms) == 1 else filing_term(None, None, language),
    }


def _first(given: Mapping[str, object], *names: str) -> object:
    return next((given[name] for name in names if given.get(name) is not None), None)


def _zone(name: object) -> ZoneInfo:
    return name if isinstance(name, ZoneInfo) else ZoneInfo(str(name) if name else "UTC")


def _day(value: object) -> date | None:
    if isinstance(value, str):
        return date.fromisoformat(value[:10]) if value else None
    if isinstance(value, datetime):
        return value.date()
    return value if isinstance(value, date) else None


def _moment(day: object, clock: object, zone: ZoneInfo) -> date | datetime | None:
    """A day and perhaps a time on a place's clock; an instant is put on that clock."""
    if isinstance(day, datetime):
        return day.astimezone(zone)
    known = _day(day)
    at = time.fromisoformat(clock) if isinstance(clock, str) and clock else clock
    if known is None or not isinstance(at, time):
        return known
    return datetime.combine(known, at.replace(tzinfo=None), tzinfo=zone)


# --- what a mail reads, kept and given back ---------------------------------------------------------------------------


@lru_cache(maxsize=1024)
def needed(source: MailSource) -> frozenset[str]:
    """
    What a mail reads: `given_name`, `entity.name`, `custom.pronouns`, `window.closes_at`, `windows`.

    A record that is only read through its fields stands as those fields, else under its own name alone.
    """
    paths: set[str] = set()
    for text in (source.subject, source.preheader, source.html, source.text, *source.links):
        paths |= _paths(text)
    known = set(source.variables)
    paths = {path for path in paths if path.partition(".")[0] in known}
    whole = {path for path in paths if "." not in path}
    return frozenset(path for path in paths if path in whole or path.partition(".")[0] not in whole)


def _paths(text: str) -> set[str]:
    """Each name a text reads, with its first field where it is read through one."""
    tree = TEXT.parse(text)
    paths: set[str] = set()
    inside: set[int] = set()
    for read in tree.find_all(nodes.Getattr):
        if isinstance(read.node, nodes.Name):
            paths.add(f"{read.node.name}.{read.attr}")
            inside.add(id(read.node))
    for asked in _asked(tree):
        if any(path.startswith(f"{asked.name}.") for path in paths):
            inside.add(id(asked))
    paths |= {name.name for name in tree.find_all(nodes.Name) if name.ctx == "load" and id(name) not in inside}
    return paths


def _asked(tree: nodes.Template) -> Iterator[nodes.Name]:
    """The names that are only asked whether they are there: `{% if window and ... %}`, `window is none`."""
    open_tests: list[nodes.Node] = [branch.test for branch in tree.find_all(nodes.If)]
    open_tests += [choice.test for choice in tree.find_all(nodes.CondExpr)]
    while open_tests:
        test = open_tests.pop()
        if isinstance(test, nodes.Name):
            yield test
        elif isinstance(test, nodes.And | nodes.Or):
            open_tests += [test.left, test.right]
        elif isinstance(test, nodes.Not) or (isinstance(test, nodes.Test) and test.name in {"none", "defined"}):
            open_tests.append(test.node)


def variables_json(
    context: Mapping[str, object], source: MailSource, *, urls: bool = True, leave_out: Collection[str] = ()
) -> dict[str, Any]:
    """
    The part of a context that a mail reads, as JSON values: small, and enough to render the same bytes again.

    With `urls=False` the addresses of the delivery are left out, with `leave_out` names that are the same for many
    (`{"entity", "campaign"}`); `context_from_json` takes both back. Raises TypeError for a value that is no template
    value.
    """
    stored: dict[str, Any] = {"_zone": str(context.get("_zone") or "UTC"), "sent_on": pack(context.get("sent_on"))}
    if "_office_today" in context:
        stored["_office_today"] = pack(context["_office_today"])
    for name, attributes in _plan(source):
        if name not in context or name in leave_out or (not urls and name in PAGES):
            continue
        value = context[name]
        if attributes and isinstance(value, Record):
            stored[name] = {"$": "record", "of": {attribute: pack(value[attribute]) for attribute in attributes}}
        elif not callable(value):
            stored[name] = pack(value)
    if urls:
        stored |= _addresses(context, source)
    return stored


@lru_cache(maxsize=1024)
def _plan(source: MailSource) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """What a mail reads, as names with the fields that are read through them (none: the value itself)."""
    plan: dict[str, list[str]] = {}
    for path in sorted(needed(source)):
        name, dot, attribute = path.partition(".")
        plan.setdefault(name, []).extend([attribute] if dot else [])
    return tuple((name, tuple(attributes)) for name, attributes in plan.items())


def _addresses(context: Mapping[str, object], source: MailSource) -> dict[str, Any]:
    answer, link = context.get("_answer"), context.get("_link")
    keys = dict.fromkeys(key for text in (source.html, source.text) for key in answer_keys(text))
    stored: dict[str, Any] = {}
    if callable(answer) and keys:
        stored["_answer"] = {key: answer(key) for key in keys}
    if callable(link) and source.links:
        stored["_link"] = [link(number) for number in range(len(source.links))]
    return stored


def context_from_json(
    stored: Mapping[str, Any], *, urls: Urls | None = None, more: Mapping[str, object] | None = None
) -> dict[str, object]:
    """
    The context that `variables_json` kept.

    Rendering the same source with it gives the same bytes. `urls` gives the addresses where they were not kept,
    `more` the values that were left out, as `build_context` made them.
    """
    context: dict[str, object] = {**(more or {}), **({} if urls is None else urls.names())}
    for name, value in stored.items():
        match name:
            case "_zone":
                context[name] = ZoneInfo(value)
            case "_answer":
                context[name] = dict(value).__getitem__
            case "_link":
                context[name] = list(value).__getitem__
            case _:
                context[name] = unpack(value)
    return context


def pack(value: object) -> Any:
    """A template value as JSON. Raises TypeError for anything that is not one."""
    if type(value) is str:
        return value
    match value:
        case None | bool() | int() | float():
            return value
        case Stage():
            return {"$": "stage", "of": value.value}
        case Confidence():
            return {"$": "confidence", "of": value.value}
        case str():
            return str(value)
        case datetime():
            if value.tzinfo is None:
                raise TypeError("a time without a zone cannot be kept")
            zone = getattr(value.tzinfo, "key", None) or "UTC"
            return {"$": "at", "of": value.astimezone(UTC).isoformat(), "zone": zone}
        case date():
            return {"$": "day", "of": value.isoformat()}
        case Record():
            return {"$": "record", "of": {name: pack(value[name]) for name in value}}
        case Mapping():
            return {"$": "record", "of": {str(name): pack(item) for name, item in value.items()}}
        case tuple() | list():
            return [pack(item) for item in value]
        case _:
            raise TypeError(f"a {type(value).__name__} cannot be kept with a delivery")


def unpack(stored: Any) -> object:
    """What `pack` made JSON of."""
    if isinstance(stored, list):
        return tuple(unpack(item) for item in stored)
    if not isinstance(stored, dict):
        return stored
    inside = stored["of"]
    match stored["$"]:
        case "stage":
            return Stage(inside)
        case "confidence":
            return Confidence(inside)
        case "at":
            return datetime.fromisoformat(inside).astimezone(ZoneInfo(stored["zone"]))
        case "day":
            return date.fromisoformat(inside)
        case _:
            return Record({name: unpack(item) for name, item in inside.items()})
