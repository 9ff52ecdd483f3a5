"""What templates are told of a filing window at the moment the mail goes, and how they say it."""

import json
from datetime import UTC, date, datetime
from typing import Any

import pytest

from rfs_mail.core.mail import MailSource
from rfs_mail.core.values import Record
from rfs_mail.render import Renderer, compile_mail, context_from_json, lint_mail, variables_json, window_record
from tests.render_samples import PLAIN_URLS, WINDOW, body_of, context_for, files_with

COUNTED = "{{ window.closes_at | office_left }}|{{ window.closes_at | office_soon }}|{{ window.days_left | days }}"


def _source(body: str, language: str = "en") -> MailSource:
    """One mail of this body, in both languages alike."""
    spanish = {"demo/mail.es.md": f"---\nsubject: Hola\n---\n{body}"}
    return compile_mail(files_with(body, **spanish), "demo/mail", language=language)


def _said(body: str, sent_at: datetime, language: str = "en", **more: Any) -> str:
    context = context_for(sent_at=sent_at, language=language, **({"sent_on": sent_at.date()} | more))
    return body_of(Renderer().render(_source(body, language), context).text)


@pytest.mark.parametrize(
    ("sent_at", "english", "spanish"),
    [
        ((2026, 12, 29, 16), "in 7 days|on Tuesday, January 5|7 days", "en 7 días|el martes 5 de enero|7 días"),
        ((2027, 1, 2, 16), "in 3 days|on Tuesday|3 days", "en 3 días|el martes|3 días"),
        ((2027, 1, 4, 16), "tomorrow|tomorrow|1 day", "mañana|mañana|1 día"),
        ((2027, 1, 5, 5, 59), "tomorrow|tomorrow|1 day", "mañana|mañana|1 día"),
        ((2027, 1, 5, 6), "today|today|0 days", "hoy|hoy|0 días"),
        ((2027, 1, 6, 5, 59), "today|today|0 days", "hoy|hoy|0 días"),
        ((2027, 1, 6, 16), "yesterday|yesterday|-1 days", "ayer|ayer|-1 días"),
        ((2027, 1, 8, 16), "3 days ago|on Tuesday, January 5|-3 days", "hace 3 días|el martes 5 de enero|-3 días"),
    ],
)
def test_days_are_counted_on_the_clock_of_the_office(sent_at: tuple[int, ...], english: str, spanish: str) -> None:
    """Midnight in Chicago turns tomorrow into today, wherever the recipient is and whatever her day is."""
    moment = datetime(*sent_at, tzinfo=UTC)  # type: ignore[misc, arg-type]
    for zone in ("America/New_York", "Pacific/Honolulu", "Pacific/Guam"):
        assert english == _said(COUNTED, moment, zone=zone)
        assert spanish == _said(COUNTED, moment, "es", zone=zone)


def test_a_call_is_counted_on_the_clock_of_who_joins_it() -> None:
    """Calendar dates go by her own day: the evening call in New York is today in Honolulu, tomorrow in Guam."""
    sent_at = datetime(2026, 12, 8, 12, tzinfo=UTC)
    for zone, day, expected in (
        ("America/New_York", 8, "today today"),
        ("Pacific/Honolulu", 8, "today today"),
        ("Pacific/Guam", 8, "tomorrow tomorrow"),
    ):
        body = "{{ intro_call.starts | left }} {{ intro_call.starts | soon }}"
        assert expected == _said(body, sent_at, sent_on=date(2026, 12, day), zone=zone)


def test_open_days_leave_out_weekends_and_holidays_of_the_state() -> None:
    """Before the New Year in Wisconsin seven days hold three on which the office is likely open."""
    body = "{{ window.days_left }} {{ window.open_days_left }}"
    assert "7 3" == _said(body, datetime(2026, 12, 29, 16, tzinfo=UTC))


def test_the_same_mail_comes_of_what_was_stored() -> None:
    """Days left, terms and the office's day are kept with the delivery, so that another day renders the same bytes."""
    body = (
        COUNTED + " {{ office.filing_term }} {{ office.names }} {{ window.certain }} {{ window.open_days_left }}"
        "{% for each in windows %} {{ each.office }} {{ each.days_left }}{% endfor %}"
    )
    for language in ("en", "es"):
        source = _source(body, language)
        context = context_for(
            sent_at=datetime(2027, 1, 5, 6, tzinfo=UTC),
            sent_on=date(2027, 1, 4),
            zone="Pacific/Honolulu",
            language=language,
        )
        stored = json.loads(json.dumps(variables_json(context, source, urls=False)))
        again = context_from_json(stored, urls=PLAIN_URLS)
        assert Renderer().render(source, context) == Renderer().render(source, again)
        assert ("today" if language == "en" else "hoy") in Renderer().render(source, again).text


def test_one_mail_speaks_for_several_windows() -> None:
    """The offices are one phrase, and the first window is as certain as the least certain of them."""
    board = {**WINDOW, "id": "b", "office": "School board", "office_level": "school_board", "confidence": "computed"}
    body = "{{ office.names }}: {{ window.certain }}{% for w in windows %} {{ w.certain }}{% endfor %}"
    said = _said(body, datetime(2026, 12, 29, tzinfo=UTC), windows=[WINDOW, board])
    assert "Mayor and School board: False True False" == said


@pytest.mark.parametrize(
    ("confidence", "certain"),
    [
        ("official", True),
        ("corroborated", True),
        ("secondary", False),
        ("computed", False),
        ("conflict", False),
        (None, False),
    ],
)
def test_two_sources_make_a_date_certain(confidence: str | None, certain: bool) -> None:
    """Nothing below corroborated is stated as a fact."""
    context = context_for(windows=[{**WINDOW, "confidence": confidence}])
    window = context["window"]
    assert isinstance(window, Record)
    assert certain is window["certain"]


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        ({"office_level": "municipal"}, True),
        ({"office_level": "municipal", "division": "ocd-division/country:us/state:wi/place:madison"}, False),
        ({"office_level": "state_legislature"}, False),
        ({"office_level": "state_legislature", "approximate": True}, True),
    ],
)
def test_a_local_office_without_a_place_is_approximate(window: dict[str, object], expected: bool) -> None:
    """The date of a whole state need not be that of each city; whoever matched it may know better."""
    found = context_for(windows=[{**WINDOW, **window}])["window"]
    assert isinstance(found, Record)
    assert expected is found["approximate"]


def test_a_window_made_before_is_counted_anew() -> None:
    """A record that is shared by many mails says what is left at the moment of each."""
    shared = window_record(WINDOW)
    for day, expected in ((3, "2"), (5, "0")):
        sent_at = datetime(2027, 1, day, 18, tzinfo=UTC)
        assert expected == _said("{{ window.days_left }}", sent_at, windows=[shared])


def test_the_state_decides_the_word_unless_the_caller_knows_better() -> None:
    """Wisconsin submits nomination papers for a mayor; a word that is given wins, in any language."""
    sent_at = datetime(2026, 12, 29, tzinfo=UTC)
    assert "submit nomination papers" == _said("{{ office.filing_term }}", sent_at)
    assert "inscribirte" == _said("{{ office.filing_term }}", sent_at, "es", windows=[{**WINDOW, "state": "FL"}])
    assert "file" == _said("{{ office.filing_term }}", sent_at, office={"filing_term": "file"})


def test_offices_with_different_words_get_the_plain_one() -> None:
    """Where one seat asks for nomination papers and another may not, one mail for both does not say so."""
    board = {**WINDOW, "id": "b", "office": "School board", "office_level": "school_board"}
    sent_at = datetime(2026, 12, 29, tzinfo=UTC)
    assert "hand in your papers" == _said("{{ office.filing_term }}", sent_at, windows=[WINDOW, board])


def test_days_of_anything_else_are_refused() -> None:
    """`check` names a field that does not exist; a value that is no number is a fault of the template."""
    findings = lint_mail(files_with("{{ window.days_lefft }} {{ office.filing_tern }}"), "demo/mail", windows=True)
    assert {"unknown-field"} == {finding.code for finding in findings if finding.severity == "error"}
