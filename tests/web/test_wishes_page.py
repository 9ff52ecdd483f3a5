"""Wrong state or office? Fix it: what the page shows, what it saves, what it says then, and what it bears."""

from dataclasses import replace

import pytest

from rfs_mail.core.filing_windows import FilingWindow, compare
from rfs_mail.core.interest import WANTS, Interest
from rfs_mail.engine.advance import advance
from rfs_mail.engine.windows import Effect, Import, apply_import
from rfs_mail.engine.wishes import Wishes
from rfs_mail.store.interests import add_interests, interests_of
from rfs_mail.store.tables import TABLES
from rfs_mail.store.windows import About
from rfs_mail.web.offices import say_closings
from rfs_mail.web.site import Tongue
from rfs_mail.web.words import LANGUAGES
from tests.web.conftest import Mailed, PostOffice
from tests.web.page import Page

BOARD = FilingWindow(
    id="wi-2027-school", state="WI", office_level="school_board", office="School board", closes_on="2027-01-05",
    closes_time="17:00", zone="America/Chicago", confidence="official", source="https://elections.example.org/wi?a=1&b=2",
    election_on="2027-04-06",
)  # fmt: skip
JUDGE = replace(BOARD, id="wi-2027-judge", office_level="judicial", office="Judge")
TEXAS = replace(BOARD, id="tx-2027-school", state="TX", closes_on="2027-02-19", confidence="secondary")


def knows(post: PostOffice, *new: FilingWindow) -> None:
    """The windows are imported."""
    effects = tuple(Effect(change) for one in new if (change := compare(None, one)) is not None)
    found = Import("windows.csv", len(new), effects, (), (), 0, 0, 0)
    assert not apply_import(post.store, found, by="ana", now=post.now).overtaken


def wants(post: PostOffice, mailed: Mailed, *said: Interest) -> None:
    """An import brings what she wants."""
    with post.store.begin() as connection:
        add_interests(connection, [(mailed.person_id, one) for one in said], now=post.now)


def wanted(post: PostOffice, mailed: Mailed) -> set[Interest]:
    """What she wants now."""
    with post.store.read() as connection:
        return set(interests_of(connection, [mailed.person_id]).get(mailed.person_id, ()))


def sends(post: PostOffice, mailed: Mailed, lang: str = "en", **changes: str | None) -> Page:
    """She opens the page, changes these fields and presses Save."""
    url, values = Page(post.client.get(f"{mailed.office}?lang={lang}")).press(**changes)
    return Page(post.client.post(url, data=values))


def test_the_page_shows_what_is_known(post: PostOffice) -> None:
    """State, ZIP code and county, a box for each office level, and no federal ones; every field has its label."""
    mailed = post.mail(lang="en", state="WI", zip="53703", county="Dane")
    wants(post, mailed, Interest("school_board", election_year=2027), Interest("judicial", election_year=2027))
    page = Page(post.client.get(mailed.office))
    assert (page.title, page.heading) == (
        "Your state and your office · Run for Something",
        "Your state and your office",
    )
    (form,) = page.forms
    assert {name: value for name, value in form.values.items() if name != "shown"} == {
        "state_was": "WI", "zip_was": "53703", "county_was": "Dane", "run_state_was": "",
        "state": "WI", "zip": "53703", "county": "Dane",
        "level.school_board": "yes", "level.judicial": "yes", "run_state": "", "year": "2027", "note": "",
    }  # fmt: skip
    assert [one.name for one in form.fields if one.name.startswith("level.")] == [
        f"level.{level}"
        for level in (
            "school_board", "municipal", "county", "special_district", "state_lower", "state_upper",
            "statewide_executive", "judicial", "party_office",
        )
    ]  # fmt: skip
    shown = [one for one in form.fields if one.kind != "hidden"]
    assert [one.name for one in shown if not page.labels.get(one.attributes["id"])] == []
    assert len(page.ids) == len(set(page.ids))
    assert page.labels["level-municipal"] == "City or town: council, mayor, clerk"
    assert form.buttons == ["Save"]


def test_the_preferences_lead_there(post: PostOffice) -> None:
    """They say what is known, and the link keeps the language."""
    mailed = post.mail(state=None)
    page = Page(post.client.get(f"{mailed.preferences}?lang=es"))
    assert "Todavía no sabemos en qué estado vives. Todavía no sabemos a qué quieres postularte." in page.text
    (link,) = [link for link, words in page.links.items() if words == "¿Estado o cargo equivocado? Corrígelo"]
    office = Page(post.client.get(str(page.response.request.url.join(link))))
    assert (office.lang, office.heading) == ("es", "Tu estado y tu cargo")
    wants(post, mailed, Interest("school_board", "WI"))
    page = Page(post.client.get(f"{mailed.preferences}?lang=en"))
    assert "You want to run for: School board, Wisconsin." in page.text


def test_who_moved_is_counted_down_to_her_own_deadline(each_post: PostOffice) -> None:
    """Place, clock and office are saved, the old countdown ends with its mail, the new one begins, and she reads it."""
    post = each_post
    knows(post, BOARD, TEXAS)
    mailed = post.mail(lang="en", state="WI", zip="53703", zone="America/Chicago")
    wants(post, mailed, Interest("school_board"))
    post.tick()
    post.wait(days=40, hours=2)
    advance(post.store, now=post.now)
    (waiting,) = [row.id for row in post.rows("delivery") if row.campaign_id == "count"]
    assert post.state(waiting) == "queued"
    page = sends(post, mailed, state="TX", zip="79901", county="El Paso")
    assert (page.response.status_code, page.heading, page.focused) == (200, "Saved", ["h1"])
    assert "You live in Texas. You want to run for: School board, Texas." in page.text
    assert (
        "School board in Texas: we believe that the time to apply to be on the ballot ends Friday, February 19, 2027, "
        "5:00 pm Central. Please check with your clerk."
    ) in page.text
    assert "https://elections.example.org/wi?a=1&b=2" in page.links
    person = post.person(mailed)
    assert (person.state, person.zip, person.county, person.zone) == ("TX", "79901", "El Paso", "America/Denver")
    assert post.state(waiting) == "skipped"
    standing = {row.window_id: row.state for row in post.rows("enrollment") if row.campaign_id == "count"}
    assert standing == {BOARD.id: "exited", TEXAS.id: "active"}
    (event,) = post.happened("changed_wishes")
    assert (event.active, event.delivery_id, event.detail["source"]) == (True, mailed.delivery_id, "preferences page")


@pytest.mark.parametrize(
    ("lang", "window", "said"),
    [
        ("en", JUDGE, "Judge in Wisconsin: the time to submit nomination papers ends Tuesday, January 5, 2027, 5:00"),
        ("es", replace(JUDGE, office=""), "Cargo judicial en Wisconsin: el tiempo para entregar tus firmas termina el"),
        ("es", JUDGE, "martes 5 de enero de 2027, 5:00 p. m. del Centro."),
        ("en", replace(JUDGE, closes_time=None), "ends Tuesday, January 5, 2027. A city, county or district may have"),
        ("en", replace(JUDGE, division="D5", confidence="corroborated"), "5:00 pm Central."),
        ("en", replace(JUDGE, confidence="computed"), "we believe that the time to submit nomination papers ends Tue"),
        ("en", replace(JUDGE, confidence="conflict"), "nobody knows for sure yet when the time to submit nomination"),
        ("es", replace(JUDGE, confidence="unknown", closes_on=""), "todavía nadie sabe con certeza cuándo termina"),
        ("en", replace(JUDGE, confidence="secondary", source="a leaflet <b>"), "We have this date from: a leaflet <b>"),
    ],
)
def test_what_is_said_of_the_next_window(lang: str, window: FilingWindow, said: str) -> None:
    """Date and hour of the office where they are sure; else that we believe it, or that nobody knows."""
    about = About(window, 1, approximate=not window.division)
    lines, _ = say_closings(Wishes((Interest("judicial"),), ((about,),)), Tongue(lang, LANGUAGES))
    text = " ".join(lines)
    assert said in text
    unsure = window.confidence not in ("official", "corroborated") or not window.division
    assert unsure == (Tongue(lang, LANGUAGES).say("check_clerk") in text)


@pytest.mark.parametrize(
    ("lang", "said"),
    [("en", "We know no date for this yet."), ("es", "Todavía no conocemos ninguna fecha para esto.")],
)
def test_where_no_date_is_known_the_page_says_so(post: PostOffice, lang: str, said: str) -> None:
    """Another state's window is none of hers."""
    knows(post, JUDGE, replace(JUDGE, id="mn-2026-judge", state="MN", closes_on="2026-11-20"))
    mailed = post.mail(state="MN")
    page = sends(post, mailed, lang, **{"level.judicial": "yes"})
    assert said in page.text
    assert (page.lang, page.heading) == (lang, {"en": "Saved", "es": "Guardado"}[lang])


def test_windows_that_close_together_are_said_together(post: PostOffice) -> None:
    """Two offices, one sentence."""
    knows(post, BOARD, JUDGE)
    mailed = post.mail(state="WI")
    page = sends(post, mailed, **{"level.school_board": "yes", "level.judicial": "yes"})
    assert "Judge and School board in Wisconsin: the time to hand in your papers ends Tuesday" in page.text


def test_saving_what_is_shown_and_saving_it_again_changes_nothing(post: PostOffice) -> None:
    """Whatever an import brought is there afterwards, word for word; no event, nobody to ask again."""
    knows(post, BOARD)
    mailed = post.mail(lang="en", state="WI", zip="75201", county="Dane")
    wants(
        post, mailed, Interest("school_board", "WI", election_year=2019, party_path="unaffiliated", incumbent=True),
        Interest("school_board", "WI", "ocd-division/country:us/state:wi/county:eau_claire"), Interest("us_house"),
        Interest(), Interest("state_legislature"), Interest("municipal"),
    )  # fmt: skip
    post.tick()
    person, before = post.person(mailed), post.facts()
    url, values = Page(post.client.get(mailed.office)).press()
    for _ in range(2):
        assert post.client.post(url, data=values).status_code == 200
    after = post.facts()
    said = replace(person, provenance={**person.provenance, WANTS: post.now.isoformat()})  # that she said so now
    assert (post.person(mailed), {**after, "person": ()}) == (said, {**before, "person": ()})


def test_the_same_press_twice_is_one(post: PostOffice) -> None:
    """Also where she moved, and where an interest had a box of its own before and has none now."""
    mailed = post.mail(state="WI", zip="53703", county="Dane")
    wants(post, mailed, Interest("school_board", "WI"), Interest("municipal", "TX"))
    url, values = Page(post.client.get(mailed.office)).press(**{"level.school_board": None, "state": "TX"})
    first = post.client.post(url, data=values)
    before = post.facts()
    again = post.client.post(url, data=values)
    assert (first.status_code, again.text) == (200, first.text)
    assert post.facts() == before
    assert wanted(post, mailed) == {Interest("municipal", "TX")}


def test_what_the_boxes_cannot_say_is_shown_and_stays(post: PostOffice) -> None:
    """A division and a federal office have a box each; unticked they go, and what an import brought since stays."""
    mailed = post.mail(lang="en", state="WI")
    division = "ocd-division/country:us/state:wi/county:eau_claire"
    house, place, since = Interest("us_house"), Interest("county", "", division), Interest("county", "MN")
    wants(post, mailed, Interest("school_board"), house, place)
    page = Page(post.client.get(mailed.office))
    kept = {words: name for name, words in page.labels.items() if name.startswith("keep-")}
    assert set(kept) == {"U.S. House, Wisconsin", "County office, Eau Claire, Wisconsin"}
    url, values = page.press(**{kept["U.S. House, Wisconsin"].replace("-", ".", 1): None, "level.judicial": "yes"})
    wants(post, mailed, since)
    post.client.post(url, data=values)
    assert wanted(post, mailed) == {Interest("school_board"), Interest("judicial"), place, since}


def test_an_office_where_she_lives_moves_with_her(post: PostOffice) -> None:
    """Wisconsin, said by somebody who lives there, is "where I live"; another state stays what it is."""
    mailed = post.mail(lang="en", state="WI")
    wants(post, mailed, Interest("school_board", "WI"))
    assert Page(post.client.get(mailed.office)).forms[0].values["run_state"] == ""
    sends(post, mailed, **{"level.judicial": "yes"})
    assert wanted(post, mailed) == {Interest("school_board", "WI"), Interest("judicial", "WI")}
    assert "School board, Texas; Judge, Texas." in sends(post, mailed, state="TX").text
    assert wanted(post, mailed) == {Interest("school_board"), Interest("judicial")}
    sends(post, mailed, run_state="OH")
    sends(post, mailed, state="MN")
    assert wanted(post, mailed) == {Interest("school_board", "OH"), Interest("judicial", "OH")}


def test_a_place_she_left_behind_is_taken_out(post: PostOffice) -> None:
    """Another state with the old ZIP code and county: they are not hers any more, and the page says so."""
    mailed = post.mail(lang="en", state="TX", zip="79901", county="El Paso", zone="America/Denver")
    page = sends(post, mailed, state="OH")
    assert "Your ZIP code or county was in Texas, so we have taken it out." in page.text
    person = post.person(mailed)
    assert (person.state, person.zip, person.county, person.zone) == ("OH", None, None, "America/New_York")


WRONG = [
    ({"state": "Atlantis"}, "state", "Please choose a state from the list."),
    ({"state": ""}, "state", "Please choose a state from the list."),
    ({"zip": "<b>1</b>"}, "zip", "This is no ZIP code that we know."),
    ({"zip": "00000"}, "zip", "This is no ZIP code that we know."),
    ({"zip": "75201"}, "zip", "This ZIP code is in Texas."),
    ({"county": "x" * 201}, "county", "Please write the county in at most 200 characters"),
    ({"run_state": "'; DROP"}, "run_state", "Please choose a state from the list."),
    ({"year": "2025"}, "year", "Please write a year from 2026 to 2036"),
    ({"year": "next <i>"}, "year", "Please write a year from 2026 to 2036"),
    ({"note": "ñ" * 501}, "note", "Please use at most 500 characters."),
]


def test_what_cannot_be_read_is_explained_and_nothing_is_lost(post: PostOffice) -> None:
    """The page comes back with all that she wrote, the mistake in words beside the field; nothing is saved."""
    mailed = post.mail(lang="en", state="WI")
    wants(post, mailed, Interest("school_board"), Interest("us_house"))
    before = post.facts()
    url, values = Page(post.client.get(mailed.office)).press()
    (kept,) = [one for one in values if one.startswith("keep.")]
    del values[kept], values["level.school_board"]
    values |= {"county": "Da'ne & <Co>", "level.judicial": "yes", "incumbent": "yes", "year": "2028"}
    for changes, name, said in WRONG:
        typed = {**values, **changes}
        page = Page(post.client.post(url, data=typed))
        assert (page.response.status_code, page.focused) == (422, ["h1"]), changes
        assert page.heading.startswith("Not saved yet: please look at “")
        assert said in page.text
        (field,) = [one for one in page.forms[0].fields if one.name == name]
        described = field.attributes["aria-describedby"].split()
        assert (field.attributes["aria-invalid"], f"{name}-wrong" in described) == ("true", True)
        assert set(described) <= set(page.ids)
        shown_again = {"state": "WI", "run_state": ""}.get(name, typed[name])  # a list cannot show what is not on it
        assert page.forms[0].values == {**typed, name: shown_again}
    assert post.facts() == before


def test_an_office_needs_a_state(post: PostOffice) -> None:
    """Where nobody knows her state, one of the two is asked for; without an office it may stay open."""
    mailed = post.mail(lang="es", state=None)
    page = sends(post, mailed, "es", **{"level.school_board": "yes"})
    assert "Elige el estado donde vives o el estado donde quieres postularte." in page.text
    assert sends(post, mailed, "es").heading == "Guardado"
    assert sends(post, mailed, **{"level.school_board": "yes", "run_state": "WI"}).heading == "Saved"
    assert (wanted(post, mailed), post.person(mailed).state) == ({Interest("school_board", "WI")}, None)


def test_a_zip_code_tells_the_state_that_nobody_knows(post: PostOffice) -> None:
    """As in an import; and the same press again is not a mistake because the state is known now."""
    mailed = post.mail(lang="en", state=None)
    url, values = Page(post.client.get(mailed.office)).press(zip="53703", **{"level.judicial": "yes"})
    first, again = (post.client.post(url, data=values) for _ in range(2))
    assert "You live in Wisconsin. You want to run for: Judge, Wisconsin." in Page(first).text
    assert (again.status_code, again.text) == (200, first.text)
    person = post.person(mailed)
    assert (person.state, person.zone, wanted(post, mailed)) == ("WI", "America/Chicago", {Interest("judicial")})


def test_the_way_onto_the_ballot_is_asked_where_dates_differ_by_it(post: PostOffice) -> None:
    """Only there, in plain words; what was chosen stays where she stays, and goes where she moves away."""
    party = replace(TEXAS, party_path="major_party")
    alone = replace(TEXAS, id="tx-2027-alone", party_path="unaffiliated", closes_on="2027-01-15")
    knows(post, BOARD, party, alone, replace(alone, id="tx-2027-x", party_path="by_<lot>"))
    mailed = post.mail(lang="en", state="WI")
    assert "path" not in Page(post.client.get(mailed.office)).forms[0].values
    page = sends(post, mailed, state="TX", **{"level.school_board": "yes"})
    assert "In Texas the date can depend on how you get on the ballot." in page.text
    assert "ends Friday, February 19, 2027" in page.text
    page = Page(post.client.get(mailed.office))
    assert "I do not know yet by <lot> In the primary of a major party As an independent, without a party" in page.text
    page = sends(post, mailed, path="unaffiliated")
    assert "ends Friday, January 15, 2027" in page.text
    assert wanted(post, mailed) == {Interest("school_board", party_path="unaffiliated")}
    sends(post, mailed, path=None)
    assert wanted(post, mailed) == {Interest("school_board", party_path="unaffiliated")}
    sends(post, mailed, path="by_magic")
    assert wanted(post, mailed) == {Interest("school_board")}
    sends(post, mailed, path="unaffiliated")
    sends(post, mailed, state="WI")
    assert wanted(post, mailed) == {Interest("school_board")}


def test_a_note_is_read_by_a_person(each_post: PostOffice) -> None:
    """An office that is not on the list becomes a task, in one line without what cannot be seen or stored."""
    post = each_post
    mailed = post.mail(lang="en", state="WI")
    page = sends(post, mailed, note="Town\nclerk\0 <of> Lodi", county="Co\0lumbia \u202e")
    assert post.person(mailed).county == "Co lumbia"
    assert "Somebody will look at what you wrote." in page.text
    assert [row.title for row in post.rows("task")] == [
        "Check the state and office of María, who writes: Town clerk <of> Lodi"
    ]


def test_nothing_hostile_reaches_the_page(post: PostOffice) -> None:
    """Whatever stands in names, divisions, counties and windows is text and no markup; unknown fields are ignored."""
    evil = '"><script>alert(1)</script>'
    knows(post, replace(BOARD, office=evil, confidence="secondary", source="javascript:alert(1)"))
    mailed = post.mail(lang="en", state="WI", county=evil)
    wants(post, mailed, Interest("school_board", division=evil))
    for answer in (
        post.client.get(mailed.office),
        post.client.get(mailed.preferences),
        sends(post, mailed, **{"level.president": "yes", "stage": "won", "keep.nobody": "yes", "x": evil}).response,
    ):
        assert answer.status_code == 200
        assert "<script" not in answer.text
        assert 'href="javascript:' not in answer.text
    assert post.person(mailed).stage == "signed_up"
    assert wanted(post, mailed) == {Interest("school_board", division=evil)}


def test_looking_changes_nothing(post: PostOffice) -> None:
    """GET and HEAD, whatever stands behind the question mark."""
    mailed = post.mail(state="WI")
    before = post.facts()
    for method in ("GET", "HEAD"):
        assert post.client.request(method, f"{mailed.office}?state=TX&level.judicial=yes&shown=").status_code == 200
    assert post.facts() == before


def test_a_link_that_is_not_hers_opens_nothing(post: PostOffice) -> None:
    """A changed token, one of another page, and the link of a mail nobody got."""
    mailed, other = post.mail(state="WI"), post.mail(state="OH")
    before = post.facts()
    token = mailed.preferences.removeprefix("/p/")
    swapped = token[:-1] + ("A" if token[-1] != "A" else "B")
    form = {"shown": "", "state": "TX", "level.judicial": "yes"}
    for one in (swapped, mailed.unsubscribe.removeprefix("/u/"), "x" * 300):
        for answer in (post.client.get(f"/p/{one}/office"), post.client.post(f"/p/{one}/office", data=form)):
            assert (answer.status_code, Page(answer).heading) == (404, "This link is damaged")
    assert post.facts() == before
    assert post.client.post(mailed.office, data=form).status_code == 200
    assert (post.person(mailed).state, post.person(other).state) == ("TX", "OH")


def test_a_form_that_is_not_ours_is_refused(post: PostOffice) -> None:
    """Without the page's own fields nothing is unticked; a body without an end is not read."""
    mailed = post.mail(state="WI")
    wants(post, mailed, Interest("school_board"))
    before = post.facts()
    for given in ({}, {"data": {"state": "TX"}}, {"json": {"shown": ""}}):
        assert post.client.post(mailed.office, **given).status_code == 400
    assert post.client.post(mailed.office, data={"shown": "", "county": "x" * 40_000}).status_code == 413
    assert post.facts() == before


def test_who_was_erased_has_nothing_to_fix(post: PostOffice) -> None:
    """410, in a sentence, for looking and for saving."""
    mailed = post.mail()
    with post.store.begin() as connection:
        row = {"entity_id": "rfs", "topic": "running", "campaign_id": "pulse", "address_hash": b"0" * 16}
        connection.execute(
            TABLES["delivery_stub"].insert().values(delivery_id=mailed.delivery_id, person_id=None, **row)
        )
        connection.execute(TABLES["person"].delete())
    for answer in (post.client.get(mailed.office), post.client.post(mailed.office, data={"shown": ""})):
        assert (answer.status_code, Page(answer).heading) == (410, "There is nothing here any more")


def test_a_list_longer_than_the_page_is_not_cut(post: PostOffice) -> None:
    """An import may say more than fits into a form: what has no box stays."""
    mailed = post.mail(state="WI")
    many = {Interest("county", division=f"Place {number}") for number in range(120)}
    wants(post, mailed, *many)
    page = sends(post, mailed)
    assert page.response.status_code == 200
    assert wanted(post, mailed) == many
