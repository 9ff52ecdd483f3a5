"""One-tap answers that say how far somebody is with a filing window: for which one, and for no other."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from rfs_mail.campaign_files.load import Project, load_project
from rfs_mail.core.filing_windows import FilingWindow, compare
from rfs_mail.core.interest import Interest
from rfs_mail.engine.compiling import Compiled, compile_project
from rfs_mail.engine.windows import Effect, Import, apply_import
from rfs_mail.settings import Settings
from rfs_mail.store import candidacies
from rfs_mail.store.database import Store
from rfs_mail.store.interests import add_interests
from tests.recipients import add_person
from tests.web.conftest import ROOT, Mailed, PostOffice, open_office
from tests.web.page import Page

RACE = """\
id: race
entity: rfs
topic: deadlines
languages: [en, es]
audience: stage != "lost"
entry: {per: filing_window, from: closes - 60d}
steps:
  - key: did_you
    at: entry
    mail: did_you
    send: {hours: any, days: any}
    cap: exempt
    answers:
      filed: {set: {stage: filed}}
      out: {set: {stage: withdrawn}}
      not_now: {set: {stage: not_now}}
      need_help: {task: {title: "Ask about {{ window.office }}", for: region}}
  - {key: later, at: closes - 1d @ 10:00, mail: later, not_after: closes - 3h}
goal: filed(window)
---
id: after
entity: rfs
topic: running
entry: {stage: filed, per: filing_window}
steps: [{key: well_done, at: +1d, mail: later}]
---
id: believer
entity: rfs
topic: running
audience: stage == "exploring"
entry: {per: filing_window, from: closes - 60d}
steps: [{key: noted, at: entry, set: {stage: circulating}}, {key: bye, at: +9d, mail: later}]
"""

DID_YOU = """\
---
subject: "{{ office.names }}"
preheader: "One tap"
---
{{ answer("filed", "Yes, I filed") }}

{{ answer("out", "I am out") }}

{{ answer("not_now", "Not now") }}

{{ answer("need_help", "Help") }}
"""
CLERK = FilingWindow(
    id="wi-2027-clerk", state="WI", office_level="municipal", closes_on="2027-01-05", zone="America/Chicago",
    confidence="official", source="https://example.org/wi", closes_time="17:00", election_on="2027-04-06",
    office="City clerk", jurisdiction="Wisconsin",
)  # fmt: skip
SCHOOLS = replace(CLERK, id="wi-2027-school", office_level="school_board", office="School board")
LATER = replace(CLERK, id="wi-2027-county", office_level="county", office="County board", closes_on="2027-01-12")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> tuple[Project, Compiled]:
    """A campaign about filing windows with answers, and what begins when somebody has filed."""
    folder = tmp_path_factory.mktemp("windows")
    for name in ("campaigns", "data"):
        (folder / name).mkdir()
    shutil.copy(ROOT / "campaigns" / "entities.yaml", folder / "campaigns")
    bodies = RACE.split("---\n")
    for name, body in zip(("race", "after", "believer"), bodies, strict=True):
        (folder / "templates" / name).mkdir(parents=True)
        (folder / "campaigns" / f"{name}.yaml").write_text(body, encoding="utf-8")
        for lang in ("", ".es"):
            text = '---\nsubject: "Later"\npreheader: "Later"\n---\nLater.\n'
            (folder / "templates" / name / f"later{lang}.md").write_text(text, encoding="utf-8")
            if name == "race":
                said = DID_YOU.replace("Yes, I filed", "Sí, los entregué") if lang else DID_YOU
                (folder / "templates" / name / f"did_you{lang}.md").write_text(said, encoding="utf-8")
    for layout in (ROOT / "templates").glob("_layout*"):
        shutil.copy(layout, folder / "templates")
    loaded = load_project(Settings(folder=folder))
    return loaded, compile_project(loaded)


class Races(PostOffice):
    """A post office that knows three filing windows; two of them close at the same minute."""

    def knows(self, *known: FilingWindow) -> None:
        changes = [compare(None, one) for one in known]
        found = Import("w.csv", len(known), tuple(Effect(one) for one in changes if one), (), (), 0, 0, 0)
        apply_import(self.store, found, by="ana", now=self.now)

    def races(self, *levels: str, **fields: Any) -> Mailed:
        """A new person who wants these offices, and the mail she got."""
        self.people += 1
        with self.store.begin() as connection:
            values = {"given_name": "María", "state": "WI", "zone": "America/Chicago", **fields}
            who = add_person(connection, f"maria{self.people}@example.org", now=self.now, **values)
            add_interests(connection, [(who, Interest(level)) for level in levels], now=self.now)
        self.tick()
        (row,) = [one for one in self.rows("delivery") if one.person_id == who and one.step_key == "did_you"]
        assert "sent" == row.state, (row.reason, row.detail)
        return Mailed(who, row.id, self.app.composer.urls(row.id, self.app.keys), None)  # type: ignore[arg-type]

    def standing(self) -> dict[str, str]:
        """Window -> how far she is."""
        return {row.window_id: row.status for row in self.rows("candidacy")}

    def ways(self, campaign: str = "race") -> dict[str, str]:
        """Window -> state of her enrollment."""
        return {row.window_id: row.state for row in self.rows("enrollment") if row.campaign_id == campaign}


@contextmanager
def opened(store: Store, project: tuple[Project, Compiled], folder: Path, now: datetime) -> Iterator[Races]:
    """An office where the three windows are known."""
    with open_office(store, project, folder, now) as office:
        races = Races(office.app, office.client, office.now, office.transport)
        races.app.civil_clock = lambda: races.now
        races.knows(CLERK, SCHOOLS, LATER)
        yield races


@pytest.fixture
def post(sqlite_store: Store, project: tuple[Project, Compiled], tmp_path: Path, now: datetime) -> Iterator[Races]:
    """The office on SQLite."""
    with opened(sqlite_store, project, tmp_path, now) as races:
        yield races


@pytest.fixture
def each_post(store: Store, project: tuple[Project, Compiled], tmp_path: Path, now: datetime) -> Iterator[Races]:
    """The office on each database, for what hangs on transactions."""
    with opened(store, project, tmp_path, now) as races:
        yield races


def test_an_answer_is_about_the_window_of_its_mail(each_post: Races) -> None:
    """Her papers for one office end that countdown with her own answer as evidence, and not the one beside it."""
    post = each_post
    mailed = post.races("municipal")
    with post.store.begin() as connection:
        add_interests(connection, [(mailed.person_id, Interest("county"))], now=post.now)
    post.tick()
    page = Page(post.client.get(mailed.answer("filed")))
    assert "For: City clerk, Wisconsin" in page.text
    url, values = page.press()
    for _ in range(2):
        done = Page(post.client.post(url, data=values))
        assert "Thank you. We have noted: Yes, I filed" == done.heading
        assert "For: City clerk, Wisconsin" in done.text
    (row,) = post.rows("candidacy")
    expected = ("wi-2027-clerk", "filed", f"her own answer to delivery {mailed.delivery_id}")
    assert expected == (row.window_id, row.status, row.evidence)
    assert {"wi-2027-clerk": "exited", "wi-2027-county": "active"} == post.ways()
    assert {"wi-2027-clerk": "active"} == post.ways("after")
    (event,) = post.happened("stage")
    assert ("filed", "wi-2027-clerk", True, mailed.delivery_id) == (
        event.value, event.window_id, event.active, event.delivery_id,
    )  # fmt: skip


def test_a_mail_about_several_asks_which(post: Races) -> None:
    """A box for each office that closes together, none ticked; a press without any says what is missing."""
    mailed = post.races("municipal", "school_board")
    assert {"wi-2027-clerk": "active"} == post.ways()
    page = Page(post.client.get(mailed.answer("filed")))
    boxes = [(one.name, one.kind, one.sent, one.in_legend) for one in page.forms[0].fields]
    legend = "Which office is this about?"
    assert [(f"window.{name}", "checkbox", False, legend) for name in ("wi-2027-clerk", "wi-2027-school")] == boxes
    assert "City clerk, Wisconsin Deadline: January 5, 2027" == page.labels["window-wi-2027-clerk"]
    answer = post.client.post(mailed.answer("filed"), data={"window.wi-1999": "yes"})
    page = Page(answer)
    assert (422, "Not sent yet: please choose an office", ["h1"]) == (answer.status_code, page.heading, page.focused)
    assert "which-wrong" in page.ids
    assert ([], {}) == (post.happened("answered"), post.standing())


def test_the_countdown_goes_on_for_the_office_that_is_left(post: Races) -> None:
    """Of two offices that close together she filed for one: the enrollment is about the other from then on."""
    mailed = post.races("municipal", "school_board")
    url, values = Page(post.client.get(mailed.answer("filed"))).press(**{"window.wi-2027-clerk": "yes"})
    post.client.post(url, data=values)
    assert {"wi-2027-clerk": "filed"} == post.standing()
    assert {"wi-2027-school": "active"} == post.ways()
    post.client.post(mailed.answer("need_help"), data={"a": ""})
    assert ["Ask about City clerk"] == [row.title for row in post.rows("task")]
    assert {"wi-2027-clerk": "filed"} == post.standing()


def test_both_offices_end_the_countdown(post: Races) -> None:
    """Both ticked is both filed: nothing is left to count down to, and each begins what comes after."""
    mailed = post.races("municipal", "school_board")
    both = {"window.wi-2027-clerk": "yes", "window.wi-2027-school": "yes"}
    done = Page(post.client.post(mailed.answer("filed"), data=both))
    assert "For: City clerk, Wisconsin and School board, Wisconsin" in done.text
    assert {"wi-2027-clerk": "filed", "wi-2027-school": "filed"} == post.standing()
    assert ["exited"] == list(post.ways().values())
    assert {"wi-2027-clerk", "wi-2027-school"} == post.ways("after").keys()


def test_what_she_said_of_an_office_can_be_corrected(each_post: Races) -> None:
    """The same answer for other offices counts anew, and takes back what the one before it said; so does another."""
    post = each_post
    mailed = post.races("municipal", "school_board")
    with post.store.begin() as connection:
        candidacies.set_status(connection, mailed.person_id, CLERK.id, "circulating", evidence="staff", now=post.now)
    both = {"window.wi-2027-clerk": "yes", "window.wi-2027-school": "yes"}
    post.client.post(mailed.answer("filed"), data=both)
    page = Page(post.client.get(mailed.answer("filed")))
    assert both == page.forms[0].values
    post.client.post(mailed.answer("filed"), data={"window.wi-2027-school": "yes"})
    assert {"wi-2027-clerk": "circulating", "wi-2027-school": "filed"} == post.standing()
    post.client.post(mailed.answer("not_now"), data={"a": ""})
    assert {"wi-2027-clerk": "circulating"} == post.standing()
    assert ["filed", "filed", "not_now"] == [row.value for row in post.happened("answered")]
    assert "not_now" == post.person(mailed).stage


def test_withdrawing_is_about_a_window_too_and_a_task_names_it(post: Races) -> None:
    """Stages that are about a window are written for it; the title of a task reads the window of the mail."""
    mailed = post.races("municipal")
    post.client.post(mailed.answer("need_help"), data={"a": ""})
    assert ["Ask about City clerk"] == [row.title for row in post.rows("task")]
    post.client.post(mailed.answer("out"), data={"a": ""})
    assert {"wi-2027-clerk": "withdrawn"} == post.standing()
    assert "withdrawn" == post.person(mailed).stage


def test_the_page_asks_in_spanish(post: Races) -> None:
    """Words, office and day in the language of the mail."""
    page = Page(post.client.get(post.races("municipal", "school_board", lang="es").answer("filed")))
    assert ("es", "¿De qué cargo se trata?") == (page.lang, page.forms[0].fields[0].in_legend)
    assert "Junta escolar, Wisconsin Fecha límite: 5 de enero de 2027" == page.labels["window-wi-2027-school"]
    assert ["Enviar: Sí, los entregué"] == page.forms[0].buttons


def test_a_late_answer_takes_nobody_off_the_ballot(post: Races) -> None:
    """What is known to be further along stays, for the window and for her stage."""
    mailed = post.races("municipal")
    with post.store.begin() as connection:
        candidacies.set_status(connection, mailed.person_id, CLERK.id, "on_ballot", evidence="a list", now=post.now)
    post.wait(minutes=1)
    post.client.post(mailed.answer("filed"), data={"a": ""})
    assert {"wi-2027-clerk": "on_ballot"} == post.standing()


def test_a_set_step_writes_the_window_of_its_enrollment(post: Races) -> None:
    """`set: {stage: circulating}` inside a campaign about windows says so of that window, with the step as evidence."""
    post.races("municipal", stage="exploring")
    post.now += timedelta(minutes=1)
    (row,) = post.rows("candidacy")
    assert ("wi-2027-clerk", "circulating", "campaign believer, step noted") == (
        row.window_id, row.status, row.evidence,
    )  # fmt: skip
