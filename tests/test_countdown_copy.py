"""
The countdown to a filing deadline as people get it: what is known of a window decides what a mail may claim.

Windows are those the mail meets: a state that publishes day and hour, a day that was worked out, a date that moved.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from rfs_mail.core.mail import MailSource, Rendered
from rfs_mail.core.values import CONFIDENCES
from rfs_mail.render import Renderer, compile_mail
from tests.render_samples import ADA, NOBODY, ROOT, body_of, context_for, read_folder

FILES = read_folder(ROOT / "templates")
RENDERER = Renderer()
DAYS_FROM_CLOSING = {"gather": -45, "signatures": -30, "fee": -30, "t7": -7, "t3": -3, "t1": -1, "did_you": 1}
MAILS = sorted(DAYS_FROM_CLOSING)
LANGUAGES = ("en", "es")
CLOSES = date(2027, 1, 5)
WISCONSIN: Mapping[str, object] = {
    "id": "wi-school_board-2027",
    "office": "School board",
    "office_level": "school_board",
    "state": "WI",
    "division": "ocd-division/country:us/state:wi/school_district:madison",
    "zone": "America/Chicago",
    "opens": "2026-12-01",
    "closes": CLOSES.isoformat(),
    "closes_time": "17:00",
    "status": "confirmed",
    "confidence": "official",
    "source": "https://elections.example.org/calendar",
    "milestones": {"petition_due": {"on": "2026-12-30", "time": "17:00"}},
}
WORKED_OUT = {
    **WISCONSIN,
    "opens": None,
    "closes_time": None,
    "confidence": "computed",
    "milestones": {"petition_due": "2026-12-30"},
}
WIDEST = {
    **WISCONSIN,
    "closes": "2026-09-30",
    "closes_time": "12:30",
    "zone": "America/Adak",
    "milestones": {"petition_due": "2026-09-30"},
}
"""The day and the clock that take the most letters to say, in both languages."""

SAID = {
    "en": {"day": "Tuesday, January 5", "time": "5:00 pm Central", "ask": r"\bclerk\b", "moved": "has moved"},
    "es": {
        "day": "martes 5 de enero",
        "time": "5:00 p. m. del Centro",
        "ask": r"\boficina electoral\b",
        "moved": "fecha cambió",
    },
}
TERMS = {
    "en": ("file", "qualify", "submit nomination papers"),
    "es": ("presentar tu candidatura", "inscribirte", "entregar tus hojas de firmas"),
}


@cache
def _source(name: str, language: str, variant: str) -> MailSource:
    answers = ("filed", "need_help", "not_this_time") if name == "did_you" else ()
    return compile_mail(FILES, f"filing_countdown/{name}", language=language, variant=variant, answers=answers)


def _mail(
    name: str,
    language: str,
    window: Mapping[str, object] = WISCONSIN,
    *,
    term: str | None = None,
    person: Mapping[str, object] = ADA,
    variant: str = "",
    others: Sequence[Mapping[str, object]] = (),
    earlier: int = 0,
) -> Rendered:
    """The mail as it goes at ten in the morning of its day, or `earlier` days before. `term` stands for the state's."""
    source = _source(name, language, variant)
    more: dict[str, Any] = {"windows": [window, *others], "language": language}
    if term is not None:
        more["office"] = {"filing_term": term}
    sent_on = date.fromisoformat(str(window["closes"])) + timedelta(days=DAYS_FROM_CLOSING[name] - earlier)
    sent_at = datetime.combine(sent_on, time(10), ZoneInfo("America/New_York"))
    return RENDERER.render(source, context_for(person, sent_on=sent_on, sent_at=sent_at, **more))


def _said(mail: Rendered) -> str:
    """Everything an author wrote, on one line."""
    return " ".join([mail.subject, mail.preheader, *body_of(mail.text).split()])


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("confidence", ["official", "corroborated"])
@pytest.mark.parametrize("name", MAILS)
def test_a_date_two_sources_agree_on_is_stated(name: str, confidence: str, language: str) -> None:
    """Day and hour on the office's clock, and no word of doubt about them."""
    said = _said(_mail(name, language, {**WISCONSIN, "confidence": confidence}))
    words = SAID[language]
    assert f"{words['day']}, {words['time']}" in said
    assert str(WISCONSIN["source"]) not in said
    assert re.findall(r"isn't certain|no es del todo segura", said) == []


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("confidence", ["secondary", "computed"])
@pytest.mark.parametrize("name", MAILS)
def test_a_date_we_are_less_sure_of_is_for_the_clerk_to_confirm(name: str, confidence: str, language: str) -> None:
    """The date is said as ours, with where it comes from and whom to ask; looking back, whom to ask is enough."""
    said = _said(_mail(name, language, {**WORKED_OUT, "confidence": confidence}))
    words = SAID[language]
    assert words["day"] in said
    assert re.search(words["ask"], said)
    assert re.search(r"by our records|según nuestros datos", said)
    assert (str(WORKED_OUT["source"]) in said) == (name != "did_you")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", MAILS)
def test_every_confidence_that_may_enter_gets_a_whole_mail(name: str, language: str) -> None:
    """Whatever else is not known: the hour, the source, the milestones, the person's name, the state's word."""
    for confidence in CONFIDENCES[CONFIDENCES.index("computed") :]:
        bare = {**WORKED_OUT, "confidence": confidence, "source": None, "milestones": {}}
        said = _said(_mail(name, language, bare, person=NOBODY))
        assert SAID[language]["day"] in said
        assert re.findall(r"None|\{\{|\{%|\(\s*\)|\s[,.]", said) == []


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", [name for name in MAILS if name != "did_you"])
def test_an_hour_we_do_not_know_is_something_to_ask(name: str, language: str) -> None:
    """Nobody is told midnight, and nobody is left to think that any hour will do."""
    for window in (WORKED_OUT, {**WISCONSIN, "closes_time": None}):
        said = _said(_mail(name, language, window))
        assert re.search(r"ask for the hour|don't have the hour|pregunta también la hora|No tenemos la hora", said)
        assert "12:00" not in said


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", [name for name in MAILS if name != "did_you"])
def test_a_date_that_moved_is_said_to_have_moved(name: str, language: str) -> None:
    """Somebody who read the old date must not go on trusting it; nobody else hears of a change."""
    moved = _said(_mail(name, language, {**WISCONSIN, "status": "moved"}))
    assert SAID[language]["moved"] in moved
    assert SAID[language]["moved"] not in _said(_mail(name, language))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", MAILS)
def test_the_word_is_that_of_the_state(name: str, language: str) -> None:
    """People file, qualify or submit papers: the office's own word is said, and file never of our own accord."""
    for term in TERMS[language]:
        said = re.sub(r"https://\S+", "", _said(_mail(name, language, term=term)))
        assert term in said
        assert term == "file" or re.findall(r"\bfil(?:e|es|ed|ing)\b", said, re.I) == []


COUNTED = re.compile(
    r"tomorrow|yesterday|\btoday\b|in \d+ days|days left|a week|a month|mañana|ayer|\bhoy\b|en \d+ días|semana(?! ni)",
    re.I,
)
"""Words that say how far off a day is."""


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", [name for name in MAILS if name != "did_you"])
def test_the_days_left_are_those_of_the_day_on_which_it_goes(name: str, language: str) -> None:
    """A mail that rolled earlier, or a deadline that moved closer, changes the number and never leaves an old one."""
    planned = -DAYS_FROM_CLOSING[name]
    for days in {planned, planned + 1, planned + 2, 2, 1, 0}:
        expected = {
            "en": {0: "today", 1: "tomorrow"}.get(days, f"in {days} days"),
            "es": {0: "hoy", 1: "mañana"}.get(days, f"en {days} días"),
        }[language]
        for window in (WISCONSIN, WORKED_OUT):
            said = _said(_mail(name, language, window, earlier=days - planned))
            assert {expected} == {found.lower() for found in COUNTED.findall(said)}


@pytest.mark.parametrize("language", LANGUAGES)
def test_looking_back_nothing_is_counted(language: str) -> None:
    """The question afterwards goes a day late where the day was a Sunday, so it names the day alone."""
    assert [] == COUNTED.findall(_said(_mail("did_you", language)))


@pytest.mark.parametrize(
    ("earlier", "english", "spanish"),
    [
        (
            0,
            "Not counting weekends and holidays, it's 3 days.",
            "Sin contar fines de semana ni feriados, quedan 3 días.",
        ),
        (
            5,
            "Not counting weekends and holidays, it's 5 days.",
            "Sin contar fines de semana ni feriados, quedan 5 días.",
        ),
        (
            -4,
            "Not counting weekends and holidays, it's 2 days.",
            "Sin contar fines de semana ni feriados, quedan 2 días.",
        ),
    ],
)
def test_days_on_which_the_office_is_closed_are_left_out(earlier: int, english: str, spanish: str) -> None:
    """Around New Year a week holds three working days in Wisconsin; from Saturday to Tuesday it is two."""
    assert english in _said(_mail("t7", "en", earlier=earlier))
    assert spanish in _said(_mail("t7", "es", earlier=earlier))
    assert "weekends" not in _said(_mail("t1", "en"))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", MAILS)
def test_several_windows_are_one_mail(name: str, language: str) -> None:
    """All offices that close together are named, in the plain word where theirs differ; one doubt is a doubt."""
    council = {**WISCONSIN, "id": "wi-council-2027", "office": "", "office_level": "municipal"}
    both = {
        "en": ("School board and City or town office", "hand in your papers"),
        "es": ("Junta escolar y Cargo municipal", "entregar tus papeles"),
    }[language]
    said = _said(_mail(name, language, others=[council]))
    assert all(words in said for words in both)
    assert re.findall(r"by our records|según nuestros datos, el plazo", said) == []
    doubtful = _said(_mail(name, language, others=[{**council, "confidence": "computed"}]))
    assert re.search(r"by our records|según nuestros datos", doubtful)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", [name for name in MAILS if name != "did_you"])
def test_the_date_of_a_state_is_not_said_to_be_that_of_a_town(name: str, language: str) -> None:
    """Where we know only the kind of a local office, its clerk is named, with where the date comes from."""
    said = _said(_mail(name, language, {**WISCONSIN, "division": None}))
    assert str(WISCONSIN["source"]) in said
    assert {"en": "so check with your clerk", "es": "confírmala en tu oficina electoral"}[language] in said
    assert {"en": "so check with your clerk", "es": "El tuyo puede tener otra"}[language] not in _said(
        _mail(name, language)
    )


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", MAILS)
def test_subjects_fit_with_the_widest_day_and_clock(name: str, language: str) -> None:
    """Sixty letters of subject and ninety of preheader, in every variant, whoever reads it and however sure we are."""
    for variant in ("", "urgent") if name == "t3" else ("",):
        for confidence in ("official", "computed"):
            window = {**WIDEST, "confidence": confidence}
            for person in ({**ADA, "given_name": "Christopher"}, NOBODY):
                mail = _mail(name, language, window, person=person, variant=variant)
                assert 0 < len(mail.subject) <= 60, mail.subject
                assert 0 < len(mail.preheader) <= 90, mail.preheader


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_two_reminders_have_the_same_subject(language: str) -> None:
    """Mail programs would show them as one conversation, and the last would go unseen."""
    for window in (WISCONSIN, WORKED_OUT):
        subjects = [_mail(name, language, window).subject for name in MAILS]
        subjects.append(_mail("t3", language, window, variant="urgent").subject)
        assert len(set(subjects)) == len(subjects)


@pytest.mark.parametrize("language", LANGUAGES)
def test_signatures_have_their_own_day(language: str) -> None:
    """The mail on signatures says when they are due, beside the day on which all is over."""
    said = _said(_mail("signatures", language))
    assert {"en": "Wednesday, December 30, 5:00 pm Central", "es": "miércoles 30 de diciembre, 5:00 p. m. del Centro"}[
        language
    ] in said
    assert SAID[language]["day"] in said


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_opening_is_told_while_it_lies_ahead(language: str) -> None:
    """A window that is open already, or whose opening nobody knows, is not said to start."""
    starts = {"en": "It starts Tuesday, December 1.", "es": "Empieza el martes 1 de diciembre."}[language]
    open_already = {**WISCONSIN, "opens": "2026-10-01"}
    assert starts in _said(_mail("gather", language))
    assert re.findall("It starts|Empieza el", _said(_mail("gather", language, open_already))) == []
    assert re.findall("It starts|Empieza el", _said(_mail("gather", language, {**WISCONSIN, "opens": None}))) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_only_an_encrypted_address_becomes_a_link(language: str) -> None:
    """A source that is a paragraph of law, or anything else, is printed as what it is."""
    for source in ("Wis. Stat. 8.10(2)(a)", "javascript:alert(1)", "http://elections.example.org"):
        mail = _mail("gather", language, {**WORKED_OUT, "source": source})
        assert f'href="{source}' not in mail.html
        assert source in _said(mail)
