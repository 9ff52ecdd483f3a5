"""What templates may read, and that it can be kept."""

import json
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rfs_mail.core.values import Confidence, Record, Stage
from rfs_mail.render import (
    Renderer,
    compile_mail,
    context_from_json,
    needed,
    occurrence_record,
    spoken_record,
    variables_json,
    window_record,
)
from rfs_mail.render.context import PERSON_FIELDS, pack, unpack
from tests.render_samples import ADA, CALL, DEMO, ENTITY, NOBODY, TRACKED_URLS, WINDOW, compiled, context_for

NEW_YORK = {"key": "intro_call-2026-12", "zone": "America/New_York"}
FULL = compile_mail(DEMO, "demo/full", language="en")


def test_every_field_of_a_person_is_there() -> None:
    """Known or `None`, under its own name and under `person.`."""
    context = context_for(NOBODY)
    person = context["person"]
    assert isinstance(person, Record)
    for name in PERSON_FIELDS:
        assert context[name] == person[name]
    assert context["stage"] is Stage.SIGNED_UP
    assert context["county"] is None
    assert context["custom"] == Record()
    assert context["tags"] == ()


def test_texts_by_language_are_those_of_the_mail() -> None:
    """The entity's disclaimer and the topic's name, with English where a language is missing."""
    topic = {"id": "running", "name": {"en": "Steps", "es": "Pasos"}}
    for language, disclaimer, name in (("es-US", "Pagado por", "Pasos"), ("fr", "Paid for", "Steps")):
        context = context_for(language=language, topic=topic)
        entity, said = context["entity"], context["topic"]
        assert isinstance(entity, Record)
        assert isinstance(said, Record)
        assert str(entity.disclaimer).startswith(disclaimer)
        assert said.name == name


@pytest.mark.parametrize(
    ("given_occurrence", "starts", "has_time"),
    [
        (CALL, datetime(2026, 12, 9, 0, tzinfo=UTC), True),
        ({**CALL, "time": None}, date(2026, 12, 8), False),
        ({**NEW_YORK, "starts": datetime(2026, 12, 9, 0, tzinfo=UTC)}, datetime(2026, 12, 9, 0, tzinfo=UTC), True),
        ({**NEW_YORK, "starts": datetime(2026, 12, 8, 5, tzinfo=UTC), "has_time": False}, date(2026, 12, 8), False),
    ],
)  # fmt: skip
def test_an_occurrence_starts_at_a_time_or_on_a_day(
    given_occurrence: dict[str, object], starts: object, has_time: bool
) -> None:
    """Where no time is known `starts` is the day, so that nobody is told midnight."""
    call = context_for(calendar={"intro_call": given_occurrence})["intro_call"]
    assert isinstance(call, Record)
    assert (call.starts, call.day, call.has_time) == (starts, date(2026, 12, 8), has_time)


def test_a_window_has_days_and_instants_on_the_clock_of_its_office() -> None:
    """`closes` is the day, `closes_at` the instant, or the day where no time is known; milestones alike."""
    window = window_record(WINDOW)
    assert window.closes == date(2027, 1, 5)
    assert window.closes_at == datetime(2027, 1, 5, 23, tzinfo=UTC)
    assert (window.opens, window.opens_at) == (date(2026, 12, 1), date(2026, 12, 1))
    assert (window.challenge_closes, window.petition_due) == (date(2027, 1, 8), None)
    assert window.confidence is Confidence.OFFICIAL
    row = {"closes_on": "2027-01-05", "closes_time": "17:00", "zone": "America/Chicago", "election_on": "2027-04-06"}
    assert window_record(row).closes_at == window.closes_at
    assert window_record(row).election == date(2027, 4, 6)
    with_time = window_record({**WINDOW, "milestones": {"petition_due": {"on": "2026-12-20", "time": "12:00"}}})
    assert with_time.petition_due_at == datetime(2026, 12, 20, 18, tzinfo=UTC)


def test_the_office_is_what_the_window_says_and_what_is_added() -> None:
    """`office.filing_term` comes from whoever knows it."""
    office = context_for(office={"filing_term": "file"})["office"]
    assert isinstance(office, Record)
    assert (office.name, office.state, office.filing_term) == ("Mayor", "WI", "file")


def test_what_is_said_in_no_language_is_not_there() -> None:
    """An entity without a disclaimer has none: `entity.disclaimer or ""` of a layout prints nothing."""
    assert spoken_record({"name": "Civics", "disclaimer": {}}, "en") == Record({"name": "Civics", "disclaimer": None})


def test_records_made_before_are_taken_as_they_are() -> None:
    """One record for many people gives the same context as a mapping for each."""
    ready = context_for(
        entity=spoken_record(ENTITY, "en"),
        calendar={"intro_call": occurrence_record(CALL), "nrfod": None},
        windows=[window_record(WINDOW)],
    )
    fresh = context_for()
    assert {name: ready[name] for name in ("entity", "intro_call", "window", "windows", "office")} == {
        name: fresh[name] for name in ("entity", "intro_call", "window", "windows", "office")
    }


def test_a_campaign_without_windows_has_no_window() -> None:
    """The name does not exist there, so that a template which reads it fails in `check`."""
    assert "window" not in context_for(windows=None)
    assert context_for(windows=[])["window"] is None


@pytest.mark.parametrize(
    ("body", "read"),
    [
        ("{{ state }} {{ custom.pronouns }}", {"state", "custom.pronouns"}),
        ("{% if window and window.closes %}{{ window.office }}{% endif %}", {"window.closes", "window.office"}),
        ("{% for w in windows %}{{ w.office }}{% endfor %}", {"windows"}),
        ("{{ person.state }}{{ person }}", {"person"}),
        ("{% if window is none %}x{% endif %}", {"window"}),
        ("[a](https://a.example.org/{{ zip }})", {"zip"}),
        ('{{ answer("filed", "Yes " ~ (lang or "")) }}', {"lang"}),
    ],
)
def test_needed_is_what_a_mail_reads(body: str, read: set[str]) -> None:
    """Fields of a record one by one, unless the whole of it is used."""
    layout = needed(compiled("x"))
    assert needed(compiled(body)) - layout == read


@pytest.mark.parametrize("person", [ADA, NOBODY], ids=["ada", "nobody"])
@pytest.mark.parametrize("language", ["en", "es"])
def test_a_mail_can_be_rendered_again_from_its_variables(person: dict[str, object], language: str) -> None:
    """The same four parts, byte for byte, after a round through JSON."""
    source = compile_mail(DEMO, "demo/full", language=language)
    context = context_for(person, urls=TRACKED_URLS, language=language, zone="America/Denver")
    stored = json.dumps(variables_json(context, source))
    renderer = Renderer()
    assert renderer.render(source, context_from_json(json.loads(stored))) == renderer.render(source, context)


def test_what_is_the_same_for_many_can_be_left_out() -> None:
    """Addresses and the entity come back from where they are known."""
    context = context_for(urls=TRACKED_URLS)
    stored = variables_json(context, FULL, urls=False, leave_out={"entity"})
    assert "example.org" not in json.dumps({name: value for name, value in stored.items() if name != "signup_source"})
    again = context_from_json(stored, urls=TRACKED_URLS, more={"entity": context["entity"]})
    assert Renderer().render(FULL, again) == Renderer().render(FULL, context)


def test_only_what_is_read_is_kept() -> None:
    """A person's other fields do not end up in the deliveries."""
    person = {**ADA, "family_name": "Lovelace", "birth_year": 1815, "custom": {"pronouns": "she", "issue": "housing"}}
    stored = json.dumps(variables_json(context_for(person), compiled('{{ custom.pronouns or "" }}')))
    for absent in ("Lovelace", "1815", "housing", "Ada"):
        assert absent not in stored
    assert "she" in stored


INSTANTS = st.datetimes(
    min_value=datetime(2000, 1, 1), max_value=datetime(2050, 1, 1), timezones=st.sampled_from(
        [UTC, ZoneInfo("America/Chicago"), ZoneInfo("America/Phoenix")]
    ), allow_imaginary=False,
)  # fmt: skip
LEAVES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(max_size=8), st.dates(), INSTANTS,
    st.sampled_from(list(Stage)), st.sampled_from(list(Confidence)),
)  # fmt: skip
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(tuple), st.dictionaries(st.text(max_size=4), inner, max_size=3).map(Record)
    ),
    max_leaves=8,
)


@settings(max_examples=150)
@given(VALUES)
def test_every_template_value_survives_json(value: object) -> None:
    """Instants with their zone, days, stages and records come back as what they were."""
    again = unpack(json.loads(json.dumps(pack(value))))
    assert again == value
    assert type(again) is type(value)


@given(INSTANTS)
def test_an_instant_comes_back_on_the_same_clock(moment: datetime) -> None:
    """Not only the same instant: the same wall."""
    again = unpack(pack(moment))
    assert isinstance(again, datetime)
    assert again.isoformat() == moment.isoformat()


@pytest.mark.parametrize("value", [object(), datetime(2026, 1, 1), {1}])
def test_what_is_no_template_value_is_refused(value: object) -> None:
    """A naive time or a foreign object cannot be kept, and is found at once."""
    with pytest.raises(TypeError):
        pack(value)
