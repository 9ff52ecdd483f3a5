"""The mails about a window that opens, as people get them: short of what is known, long enough to act on."""

import re
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from rfs_mail.campaign_files.load import load_project
from rfs_mail.core.mail import MailSource, Rendered
from rfs_mail.engine.check import check_project
from rfs_mail.render import Renderer, compile_mail
from rfs_mail.settings import Settings
from tests.render_samples import ADA, NOBODY, ROOT, body_of, context_for, read_folder

FILES = read_folder(ROOT / "templates")
RENDERER = Renderer()
LANGUAGES = ("en", "es")
DAYS_FROM_OPENING = {"soon": -7, "open": 0, "open_short": 0, "half": 17}
MAILS = sorted(DAYS_FROM_OPENING)
OPENS = date(2026, 12, 1)
WISCONSIN: Mapping[str, object] = {
    "id": "wi-municipal-2027",
    "office": "",
    "office_level": "municipal",
    "state": "WI",
    "zone": "America/Chicago",
    "opens": OPENS.isoformat(),
    "closes": "2027-01-05",
    "closes_time": "17:00",
    "status": "confirmed",
    "confidence": "official",
    "source": "https://elections.example.org/calendar",
}
UNSURE = {**WISCONSIN, "confidence": "secondary", "closes_time": None}


@cache
def _source(name: str, language: str) -> MailSource:
    answers = ("tell_me", "not_this_time") if name == "half" else ()
    return compile_mail(FILES, f"window_opened/{name}", language=language, answers=answers)


def _mail(
    name: str, language: str, window: Mapping[str, object] = WISCONSIN, *, late: int = 0, **more: Any
) -> Rendered:
    day = OPENS + timedelta(days=DAYS_FROM_OPENING[name] + late)
    sent_at = datetime.combine(day, time(13), ZoneInfo("America/Chicago"))
    person = more.pop("person", ADA)
    context = context_for(person, sent_on=day, sent_at=sent_at, windows=[window], language=language, **more)
    return RENDERER.render(_source(name, language), context)


def _said(mail: Rendered) -> str:
    return " ".join([mail.subject, mail.preheader, *body_of(mail.text).split()])


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", MAILS)
def test_a_certain_window_is_stated(name: str, language: str) -> None:
    """Office, the state's word, and the last minute on the office's clock, with how far off it is."""
    said = _said(_mail(name, language))
    left = 35 - DAYS_FROM_OPENING[name]
    for words in {
        "en": [
            "City or town office",
            "submit nomination papers",
            "Tuesday, January 5, 5:00 pm Central",
            f"in {left} days",
        ],
        "es": ["Cargo municipal", "entregar tus firmas", "martes 5 de enero, 5:00 p. m. del Centro", f"en {left} días"],
    }[language]:
        assert words in said
    assert re.findall(r"by our records|según nuestros datos|as far as we know|hasta donde sabemos", said, re.I) == []


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", MAILS)
@pytest.mark.parametrize("person", [ADA, NOBODY], ids=["ada", "nobody"])
def test_an_uncertain_window_is_for_the_clerk_to_confirm(
    name: str, language: str, person: Mapping[str, object]
) -> None:
    """One source is not enough to say that it is open: the mail says whose date it is, and whom to ask."""
    mail = _mail(name, language, UNSURE, person=person)
    said = _said(mail)
    assert re.search(r"by our records|as far as we know|según nuestros datos|hasta donde sabemos", said, re.I)
    assert re.search(r"your clerk|oficina electoral", said)
    assert str(UNSURE["source"]) in said
    assert re.findall(r"It's open|It opens|Se abrió|Ya puedes|None|\{\{", said) == []
    assert 0 < len(mail.subject) <= 60
    assert 0 < len(mail.preheader) <= 90


@pytest.mark.parametrize(("language", "days"), [("en", ["in 7 days", "tomorrow"]), ("es", ["en 7 días", "mañana"])])
def test_the_opening_is_as_far_off_as_it_is_when_the_mail_goes(language: str, days: list[str]) -> None:
    """A mail that waited does not say that a week is left."""
    for late, expected in zip((0, 6), days, strict=True):
        said = _said(_mail("soon", language, late=late))
        assert {"en": f"That's {expected}.", "es": f"Es {expected}."}[language] in said


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("state", ["FL", "GA", "WI", "TX", "WA", "NY", "OH"])
def test_subjects_fit_in_every_state(state: str, language: str) -> None:
    """Whatever filing is called there, the subject stays within sixty letters."""
    for name in MAILS:
        for window in ({**WISCONSIN, "state": state}, {**UNSURE, "state": state}):
            assert 0 < len(_mail(name, language, window).subject) <= 60


def test_all_that_is_shipped_passes_the_check() -> None:
    """Not a finding, not even a warning, in any campaign or mail of ours."""
    found = check_project(load_project(Settings(folder=ROOT)))
    assert [] == [str(finding) for finding in found]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("status", ["moved", "extended"])
def test_a_moved_deadline_is_told_once_and_plainly(status: str, language: str) -> None:
    """The new date stands in subject and body, how sure we are decides the words, and the move is said one time."""
    source = compile_mail(FILES, "deadline_moved/moved", language=language)
    for window in ({**WISCONSIN, "status": status}, {**UNSURE, "status": status}):
        sent_at = datetime(2026, 12, 14, 15, tzinfo=ZoneInfo("America/Chicago"))
        context = context_for(
            ADA, sent_on=sent_at.date(), sent_at=sent_at, windows=[window], language=language, step={"key": "moved"}
        )
        mail = RENDERER.render(source, context)
        said = _said(mail)
        assert {"en": "Tuesday, January 5", "es": "martes 5 de enero"}[language] in said
        assert {"en": "in 22 days", "es": "en 22 días"}[language] in said
        assert re.findall(r"this date has moved|Atención", said) == []
        assert 0 < len(mail.subject) <= 60
        assert {"en": "your clerk", "es": "oficina electoral"}[language] in said


@pytest.mark.parametrize(
    ("language", "told", "silent"),
    [("en", "it was Tuesday, January 5.", "it was"), ("es", "era el martes 5 de enero.", "era el")],
)
def test_news_of_a_move_says_what_it_was_before(language: str, told: str, silent: str) -> None:
    """Both dates, so that she knows which one to cross out; without the old one the sentence ends before it."""
    source = compile_mail(FILES, "deadline_moved/moved", language=language)
    moved = {**WISCONSIN, "closes": "2027-01-08", "status": "moved"}

    def said(window: Mapping[str, object]) -> str:
        return _said(RENDERER.render(source, context_for(ADA, sent_on=OPENS, windows=[window], language=language)))

    assert told in said({**moved, "closed_before_on": "2027-01-05", "closed_before_time": "17:00"})
    assert silent not in said(moved)
