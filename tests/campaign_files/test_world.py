"""Entities, topics, segments, fields and the calendar, as values and with their mistakes."""

from pathlib import Path

import pytest

from rfs_mail.core.campaign import Calendar, FieldSpec, OccurrenceSpec, Topic
from rfs_mail.core.vocabulary import PERSON_FIELDS
from rfs_mail.engine.checking.names import SETTABLE
from rfs_mail.store.people import FIELDS
from tests.project_samples import CALENDAR, ENTITIES, make_project


def _said(folder: Path, **files: str) -> str:
    findings = make_project(folder, **files).findings
    assert findings
    return "\n".join(map(str, findings))


def test_the_world_is_read(tmp_path: Path) -> None:
    """Typed values, by name, in the order of the files."""
    content = make_project(tmp_path).content
    rfs = content.entities["rfs"]
    assert (rfs.tax_status, rfs.from_address, rfs.languages) == ("c4", "hello@rfs.example.org", ("en", "es"))
    assert rfs.disclaimer == {"en": "Paid for by Run for Something.", "es": "Pagado por Run for Something."}
    assert content.topics["day"] == Topic(id="day", entity="rfs_civics", name={"en": "The day"})
    assert content.segments == {
        "wisconsin": 'state == "WI"',
        "ready": 'segment("wisconsin") and stage >= "committed"',
    }
    assert content.fields == {
        "office_interest": FieldSpec(slug="office_interest", type="choice", values=("school_board", "council")),
        "call_date": FieldSpec(slug="call_date", type="date"),
        "hours_a_week": FieldSpec(slug="hours_a_week", type="number"),
    }
    zone = "America/New_York"
    call = OccurrenceSpec(key="intro_call-2026-12", on="2026-12-08", time="19:00", zone=zone)
    assert content.calendars["intro_call"] == Calendar(name="intro_call", occurrences=(call,))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("    postal_address: 100 Example Street, Washington, DC 20001\n", "", '"postal_address" is missing'),
        ("hello@rfs.example.org", "hello at rfs", "entities.rfs.from_address:"),
        ("list_domain: rfs.example.org", "list_domain: https://rfs", "no domain in lower case"),
        ("tax_status: c4", "tax_status: c5", 'entities.rfs.tax_status: "c5" is not one of: c4, c3, partner.'),
        ("languages: [en, es]", "languages: [english]", '"english" is no language'),
        ("entity: rfs_civics, name", "entity: rfs_civic, name", 'there is no entity "rfs_civic" in this file'),
        ("name: {en: The day}", "name: The day", "topics.day.name: say in which language. Write: en: The day"),
        ("name: {en: The day}", "name: {es: Día}", "recipients who read en see no name"),
        ("en: Ballot deadlines, es: Fechas", "en: Ballot deadlines", "recipients who read es see no name"),
        ("    website", "    web", ""),
        ("  rfs_civics:\n", "  RFS-civics:\n", 'entities: "RFS-civics" is no name'),
    ],
)
def test_mistakes_in_entities(tmp_path: Path, old: str, new: str, said: str) -> None:
    """Missing and impossible values are told by entity and key."""
    assert said in _said(tmp_path, entities=ENTITIES.replace(old, new) if old in ENTITIES else "entities: {}\n")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("entry: {zone: UTC, occurrences: []}\n", '"entry" means something else in times and templates'),
        ("stage: {zone: UTC, occurrences: []}\n", '"stage" means something else'),
        ("call: {zone: EST, occurrences: []}\n", 'call.zone: No time zone "EST". Write: America/New_York'),
        ("call: {occurrences: []}\n", '"zone" is missing'),
        ("call: {zone: UTC}\n", '"occurrences" is missing'),
        ("call: {zone: UTC, occurrences: [{key: a}]}\n", '"date" is missing'),
        ("call: {zone: UTC, occurrences: [{key: a, date: 11/10/2026}]}\n", '"11/10/2026" is no date'),
        ("call: {zone: UTC, occurrences: [{key: a, date: 2026-02-30}]}\n", '"2026-02-30" is no date'),
        ("call: {zone: UTC, occurrences: [{key: a, date: 2026-11-10, time: 7pm}]}\n", "Write: 19:00"),
        ("call: {zone: UTC, occurrences: [{key: A, date: 2026-11-10}]}\n", '"A" is no key'),
        (
            "call: {zone: UTC, occurrences: [{key: a, date: 2026-11-10}, {key: a, date: 2026-12-10}]}\n",
            'the key "a" is here twice; a new date is a new key',
        ),
    ],
)
def test_mistakes_in_the_calendar(tmp_path: Path, text: str, said: str) -> None:
    """Names that are taken, zones, keys, dates and hours are checked."""
    assert said in _said(tmp_path, calendar=CALENDAR + text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: {type: choice}\n", "a choice needs its values. Write: values: [one, two]"),
        ("a: {type: text, values: [x]}\n", "only a choice has values"),
        ("a: {type: choice, values: [x, x]}\n", "a value is here twice"),
        ("a: {type: boolean}\n", '"boolean" is not one of: text, number, date, yes_no, choice.'),
        ("a: {about: x}\n", '"type" is missing'),
        ("a: text\n", "keys and values belong here, not a text. Write: type: ..."),
    ],
)
def test_mistakes_in_fields(tmp_path: Path, text: str, said: str) -> None:
    """A field has a type, a choice its values, and nothing else has."""
    assert said in _said(tmp_path, fields=text)


def test_mistakes_in_segments(tmp_path: Path) -> None:
    """A segment has a condition."""
    said = _said(tmp_path, segments="a: {about: x}\nB: endorsable\nc:\n")
    assert 'a: "where" is missing' in said
    assert 'segment: "B" is no name' in said
    assert "c: has no value." in said


def test_empty_files_beside_the_campaigns_are_no_mistake(tmp_path: Path) -> None:
    """No segments, fields or calendar yet: a file with comments alone is fine."""
    project = make_project(tmp_path, segments="# none yet\n", fields="", calendar="# soon\n")
    assert project.findings == ()


def test_what_a_step_may_set_is_what_the_store_can_set() -> None:
    """`check` allows the fields that people have and `set_fields` writes, and no other."""
    assert set(SETTABLE) == {"stage", *FIELDS}
    assert set(SETTABLE) < set(PERSON_FIELDS)
