"""Leaving and taking it back, over HTTP, with the links of a mail that was really sent."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from rfs_mail.core.tokens import Kind, make
from rfs_mail.engine import feedback
from rfs_mail.engine.prune import prune
from rfs_mail.engine.spool import NAME, drain_spool
from rfs_mail.store import outbox, suppressions
from rfs_mail.store.tables import TABLES
from rfs_mail.web import create_web
from rfs_mail.web.unsubscribe import ONE_CLICK_DONE
from tests.recipients import add_delivery
from tests.web.conftest import BASE, Client, Mailed, PostOffice
from tests.web.page import Page

ONE_CLICK = {"List-Unsubscribe": "One-Click"}
OPT_IN = "Yes, Run for Something may e-mail me again."


def left(post: PostOffice) -> set[tuple[str, str]]:
    """(what, reason) of the live suppressions."""
    return {(row.scope_id, row.reason) for row in post.rows("suppression") if row.lifted_at is None}


def queue(post: PostOffice, mailed: Mailed, **about: str) -> int:
    """Another mail to her that is waiting."""
    with post.store.begin() as connection:
        return add_delivery(connection, mailed.person_id, now=post.now, campaign_id="pulse", **about)  # type: ignore[arg-type]


# -- one-click ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["data", "files"])
def test_one_click_as_a_mail_client_does_it(each_post: PostOffice, encoding: str) -> None:
    """RFC 8058: the https URI of the header takes one POST in either form encoding, and she has left the entity."""
    mailed = each_post.mail()
    waiting = queue(each_post, mailed, topic="deadlines")
    (uri,) = re.findall(r"<(https://[^>]+)>", mailed.message["List-Unsubscribe"])
    assert mailed.message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    given: dict[str, Any] = (
        {"data": ONE_CLICK} if encoding == "data" else {"files": [("List-Unsubscribe", (None, "One-Click"))]}
    )
    answers = [each_post.client.post(uri, **given) for _ in range(3)]
    assert [(one.status_code, one.text) for one in answers] == [(200, ONE_CLICK_DONE)] * 3
    for answer in answers:
        assert not {"set-cookie", "location"} & set(answer.headers)
    assert left(each_post) == {("rfs", "unsubscribed")}
    assert each_post.state(waiting) == "skipped"
    assert len(each_post.happened("unsubscribed")) == 1


def test_one_click_is_answered_the_same_to_whoever_has_left_already(post: PostOffice) -> None:
    """Nothing in the answer tells a first press from a tenth, or one mail from another."""
    first, second = post.mail(), post.mail()
    answers = [post.client.post(one.unsubscribe, data=ONE_CLICK) for one in (first, first, second)]
    assert len({(one.status_code, one.text, tuple(sorted(one.headers.items()))) for one in answers}) == 1


def test_one_click_needs_no_content_type_and_minds_no_blank(post: PostOffice) -> None:
    """A body that says it is taken, though the client forgot to say what it is or ended it with a line break."""
    mailed = post.mail()
    answer = post.client.post(mailed.unsubscribe, content=b"List-Unsubscribe=One-Click\r\n")
    assert (answer.status_code, left(post)) == (200, {("rfs", "unsubscribed")})


WRONG: dict[str, dict[str, Any]] = {
    "nothing": {},
    "empty form": {"data": {"a": ""}},
    "another value": {"data": {"List-Unsubscribe": "Two-Click"}},
    "another case": {"data": {"list-unsubscribe": "One-Click"}},
    "json": {"json": ONE_CLICK},
    "plain text": {"content": b"List-Unsubscribe=One-Click", "headers": {"content-type": "text/plain"}},
    "a file": {"files": {"List-Unsubscribe": ("x.txt", b"One-Click")}},
    "no boundary": {"content": b"List-Unsubscribe=One-Click", "headers": {"content-type": "multipart/form-data"}},
    "cut short": {
        "content": b'--x\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne',
        "headers": {"content-type": "multipart/form-data; boundary=x"},
    },
    "not utf-8": {
        "content": b"List-Unsubscribe=One-Click&a=\xff",
        "headers": {"content-type": "application/x-www-form-urlencoded"},
    },
    "unknown scope": {"data": {"scope": "everything"}},
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_body_that_is_no_unsubscribe_changes_nothing(post: PostOffice, wrong: str) -> None:
    """400 with a plain sentence, and nothing happens."""
    mailed = post.mail()
    before = post.facts()
    answer = post.client.post(mailed.unsubscribe, **WRONG[wrong])
    assert (answer.status_code, Page(answer).heading) == (400, "Nothing has changed")
    assert post.facts() == before


def test_a_long_body_is_not_read(post: PostOffice) -> None:
    """Beyond 4 kB the answer is 413 and nothing happens, with or without a Content-Length."""
    mailed = post.mail()
    before = post.facts()
    body = b"List-Unsubscribe=One-Click&a=" + b"x" * 4096

    async def stream() -> Any:
        for start in range(0, len(body), 1000):
            yield body[start : start + 1000]

    for content in (body, stream()):
        answer = post.client.post(
            mailed.unsubscribe, content=content, headers={"content-type": "application/x-www-form-urlencoded"}
        )
        assert answer.status_code == 413
    assert post.facts() == before


# -- looking changes nothing -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_looking_changes_nothing(post: PostOffice, method: str) -> None:
    """Scanners follow every link of a mail: unsubscribe, preferences, answers, the mail itself. Nothing happens."""
    mailed = post.mail()
    before = post.facts()
    for url in (mailed.unsubscribe, mailed.preferences, mailed.view, *map(mailed.answer, ("stop", "filed"))):
        answer = post.client.request(method, url)
        assert (answer.status_code, bool(answer.text)) == (200, method == "GET")
        assert "set-cookie" not in answer.headers
    assert post.facts() == before


def test_an_undo_cannot_be_looked_at(post: PostOffice) -> None:
    """The undo is a button, no link."""
    answer = post.client.get(f"{post.mail().unsubscribe}/undo")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


# -- damaged links -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["u", "p", "v", "a", "c"])
def test_a_damaged_link_is_explained(post: PostOffice, where: str) -> None:
    """404 with a plain sentence and whom to write to; never a bare status, whatever the damage."""
    mailed = post.mail()
    good = make(where, mailed.delivery_id, post.app.keys)
    other_kind = make("v" if where != "v" else "u", mailed.delivery_id, post.app.keys)
    unknown = make(where, 4_000_000_000, post.app.keys)
    changed = good[:-1] + ("a" if good[-1] != "a" else "b")
    tail = {"a": "/filed", "c": "/0"}.get(where, "")
    before = post.facts()
    for token in (good[:-3], changed, good + "x", "%00", "é", "x" * 500, other_kind, unknown):
        for method in ("GET", "POST") if where in "upa" else ("GET",):
            answer = post.client.request(
                method, f"/{where}/{token}{tail}", **({"data": ONE_CLICK} if method == "POST" else {})
            )
            page = Page(answer)
            assert (answer.status_code, page.heading) == (404, "This link is damaged")
            assert page.links["mailto:hello@rfs.example.org?subject=unsubscribe"] == "hello@rfs.example.org"
            assert "mailto:hello@civics.example.org?subject=unsubscribe" in page.links
    assert post.facts() == before


# -- the page ----------------------------------------------------------------------------------------------------------


def test_the_page_says_what_it_does_and_to_whom(post: PostOffice) -> None:
    """Who writes, a masked address, three choices of which the first leaves the entity, one button."""
    mailed = post.mail("maria.lopez@example.org")
    page = Page(post.client.get(mailed.unsubscribe))
    assert page.title == page.heading == "Stop e-mail from Run for Something"
    assert "m•••@example.org" in page.text
    assert "maria" not in post.client.get(mailed.unsubscribe).text.lower()
    (form,) = page.forms
    assert [(one.value, one.sent, one.in_legend) for one in form.fields] == [
        ("entity", True, "What should stop?"),
        ("topic", False, "What should stop?"),
        ("partners", False, "What should stop?"),
    ]
    assert page.labels == {
        "scope-entity": "All e-mail from Run for Something",
        "scope-topic": "Only “Steps toward running” You keep “Ballot deadlines”.",
        "scope-partners": "Also its partner organizations "
        "All e-mail from Run for Something and Run for Something Civics.",
    }
    assert form.buttons == ["Unsubscribe"]


def test_the_button_of_the_page_leaves_the_entity(each_post: PostOffice) -> None:
    """The answer has a new title, the focus on its heading, what may still come, and an undo."""
    mailed = each_post.mail()
    waiting, other = queue(each_post, mailed, topic="deadlines"), queue(each_post, mailed, entity_id="rfs_civics")
    url, values = Page(each_post.client.get(mailed.unsubscribe)).press()
    page = Page(each_post.client.post(url, data=values))
    assert page.response.status_code == 200
    assert page.title == page.heading == "Done. No more e-mail from Run for Something."
    assert page.focused == ["h1"]
    assert "Mail already on its way may still arrive." in page.text
    assert page.forms[0].buttons == ["That was a mistake: undo"]
    assert left(each_post) == {("rfs", "unsubscribed")}
    assert (each_post.state(waiting), each_post.state(other)) == ("skipped", "queued")


def test_leaving_one_topic_keeps_the_other(each_post: PostOffice) -> None:
    """Less than everything: the topic of this mail."""
    mailed = each_post.mail()
    running, deadlines = queue(each_post, mailed), queue(each_post, mailed, topic="deadlines")
    page = Page(each_post.client.post(mailed.unsubscribe, data={"scope": "topic"}))
    assert page.heading == "Done. No more “Steps toward running” e-mail."
    assert "You keep “Ballot deadlines” from Run for Something." in page.text
    assert (each_post.state(running), each_post.state(deadlines), left(each_post)) == ("skipped", "queued", set())
    again = Page(each_post.client.get(mailed.unsubscribe))
    assert "You have already stopped “Steps toward running”." in again.text
    assert [one.value for one in again.forms[1].fields] == ["entity", "partners"]


def test_leaving_the_partners_as_well(each_post: PostOffice) -> None:
    """More than the entity: those it names as partners."""
    mailed = each_post.mail()
    other = queue(each_post, mailed, entity_id="rfs_civics")
    page = Page(each_post.client.post(mailed.unsubscribe, data={"scope": "partners"}))
    assert page.heading == "Done. No more e-mail from Run for Something and Run for Something Civics."
    assert left(each_post) == {("rfs", "unsubscribed"), ("rfs_civics", "unsubscribed")}
    assert each_post.state(other) == "skipped"


def test_the_page_of_somebody_who_has_left_says_so(post: PostOffice) -> None:
    """Opening the old link again shows how things stand, with the undo and without asking again."""
    mailed = post.mail()
    post.client.post(mailed.unsubscribe, data=ONE_CLICK)
    page = Page(post.client.get(mailed.unsubscribe))
    assert page.heading == "You get no e-mail from Run for Something"
    assert [form.buttons for form in page.forms] == [["That was a mistake: undo"]]


# -- undo --------------------------------------------------------------------------------------------------------------


def test_undo_is_a_recorded_opt_in_word_for_word(each_post: PostOffice) -> None:
    """The consent holds exactly the words that stood beside the button, and mail may go again."""
    mailed = each_post.mail()
    asked = Page(each_post.client.post(mailed.unsubscribe, data={"scope": "entity"}))
    assert OPT_IN in asked.text
    url, values = asked.press()
    page = Page(each_post.client.post(url, data=values))
    assert (page.response.status_code, page.focused) == (200, ["h1"])
    assert page.title == page.heading == "Undone. Run for Something may write to you again."
    consents = {row.entity_id: row for row in each_post.rows("consent")}
    assert (consents["rfs"].text, consents["rfs"].withdrawn_at) == (OPT_IN, None)
    assert consents["rfs_civics"].text != OPT_IN
    assert left(each_post) == set()
    (event,) = each_post.happened("opted_in")
    assert event.detail == {"text": OPT_IN, "source": "undo"}
    again = Page(each_post.client.post(url, data=values))
    assert (again.heading, len(each_post.happened("opted_in"))) == (page.heading, 1)


def test_undo_in_spanish_records_the_spanish_words(post: PostOffice) -> None:
    """The language of the page is the language of the record."""
    mailed = post.mail(lang="es")
    asked = Page(post.client.post(mailed.unsubscribe, data={"scope": "entity"}))
    url, values = asked.press()
    post.client.post(url, data=values)
    (consent,) = [row for row in post.rows("consent") if row.entity_id == "rfs"]
    assert consent.text == "Sí, Run for Something puede volver a escribirme."
    assert consent.text in asked.text


def test_undo_brings_back_only_partners_that_she_had_agreed_to(each_post: PostOffice) -> None:
    """Taking back "also its partners" is no consent to one that never had any, nor to one she left before."""
    for entities, words, back in (
        (("rfs", "rfs_civics"), "Run for Something and Run for Something Civics", {"rfs", "rfs_civics"}),
        (("rfs",), "Run for Something", {"rfs"}),
    ):
        mailed = each_post.mail(entities=entities)
        url, values = Page(each_post.client.post(mailed.unsubscribe, data={"scope": "partners"})).press()
        assert values["text"] == f"Yes, {words} may e-mail me again."
        assert Page(each_post.client.post(url, data=values)).heading == f"Undone. {words} may write to you again."
        granted = {
            row.entity_id
            for row in each_post.rows("consent")
            if row.person_id == mailed.person_id and row.withdrawn_at is None
        }
        assert granted == back


def test_undo_of_a_topic(post: PostOffice) -> None:
    """The topic comes back, in words, and the consent is not touched."""
    mailed = post.mail()
    before = post.rows("consent")
    url, values = Page(post.client.post(mailed.unsubscribe, data={"scope": "topic"})).press()
    page = Page(post.client.post(url, data=values))
    assert page.heading == "Undone. You get “Steps toward running” again."
    assert (post.rows("topic_left"), post.rows("consent")) == ([], before)
    (event,) = post.happened("opted_in")
    assert event.detail["text"] == "Yes, send me “Steps toward running” from Run for Something again."


@pytest.mark.parametrize("values", [{"scope": "entity"}, {"scope": "entity", "text": "Yes, anything."}])
def test_undo_with_other_words_is_no_opt_in(post: PostOffice, values: dict[str, str]) -> None:
    """What is recorded was on the page; anything else records nothing and shows the page anew."""
    mailed = post.mail()
    post.client.post(mailed.unsubscribe, data=ONE_CLICK)
    before = post.facts()
    answer = post.client.post(f"{mailed.unsubscribe}/undo", data=values)
    page = Page(answer)
    assert (answer.status_code, page.heading) == (409, "You get no e-mail from Run for Something")
    assert post.facts() == before
    url, values = page.press()
    assert post.client.post(url, data=values).status_code == 200
    assert left(post) == set()


def test_nobody_undoes_a_complaint(post: PostOffice) -> None:
    """After "report spam" no button brings mail back; whom to write to is said."""
    mailed = post.mail()
    asked = Page(post.client.post(mailed.unsubscribe, data={"scope": "entity"}))
    with post.store.begin() as connection:
        addressee = outbox.addressee(connection, mailed.delivery_id)
        assert addressee is not None
        feedback.complain(connection, addressee, source="arf", now=post.now)
    url, values = asked.press()
    page = Page(post.client.post(url, data=values))
    assert "mailto:hello@rfs.example.org?subject=unsubscribe" in page.links
    assert ("", "complained") in left(post)
    assert ("rfs", "unsubscribed") in left(post)
    assert Page(post.client.get(mailed.unsubscribe)).forms == []


# -- languages ---------------------------------------------------------------------------------------------------------


def test_the_page_speaks_the_language_of_the_mail_with_a_switch(post: PostOffice) -> None:
    """Spanish mail, Spanish page; the switch keeps the page's purpose, and its form keeps the language."""
    mailed = post.mail(lang="es-US")
    spanish = Page(post.client.get(mailed.unsubscribe, headers={"accept-language": "en"}))
    assert (spanish.lang, spanish.heading) == ("es", "Dejar de recibir correos de Run for Something")
    assert spanish.links["?lang=en"] == "English"
    english = Page(post.client.get(f"{mailed.unsubscribe}?lang=en"))
    assert (english.lang, english.heading) == ("en", "Stop e-mail from Run for Something")
    url, values = english.press()
    done = Page(post.client.post(url, data=values))
    assert (done.lang, done.heading) == ("en", "Done. No more e-mail from Run for Something.")
    assert Page(post.client.get(f"{mailed.unsubscribe}?lang=es")).heading == "No recibes correos de Run for Something"
    assert Page(post.client.get(f"{mailed.unsubscribe}?lang=xx")).lang == "es"


def test_the_switch_of_an_undone_page_leads_somewhere(post: PostOffice) -> None:
    """The answer to an undo has no page of its own; its switch goes to the page it came from."""
    mailed = post.mail()
    url, values = Page(post.client.post(mailed.unsubscribe, data={"scope": "entity"})).press()
    page = Page(post.client.post(url, data=values))
    token = mailed.unsubscribe.removeprefix("/u/")
    assert f"../{token}?lang=es" in page.links
    (choose,) = [link for link in page.links if "/p/" in link]
    for link in (f"../{token}?lang=es", choose):
        assert post.client.get(str(page.response.request.url.join(link))).status_code == 200


# -- old mail ----------------------------------------------------------------------------------------------------------


def test_a_pruned_mail_still_unsubscribes(each_post: PostOffice) -> None:
    """Years later the log is gone and the link works, with page, button, one-click and undo."""
    mailed = each_post.mail()
    each_post.wait(days=4 * 365)
    prune(each_post.store, now=each_post.now, keep_messages=None)
    assert each_post.rows("delivery") == []
    page = Page(each_post.client.get(mailed.unsubscribe))
    assert page.heading == "Stop e-mail from Run for Something"
    url, values = page.press()
    undo_url, undo_values = Page(each_post.client.post(url, data=values)).press()
    assert left(each_post) == {("rfs", "unsubscribed")}
    each_post.client.post(undo_url, data=undo_values)
    assert left(each_post) == set()
    assert each_post.client.post(mailed.unsubscribe, data=ONE_CLICK).text == ONE_CLICK_DONE


def test_the_mail_of_somebody_erased_still_suppresses_her_address(each_post: PostOffice) -> None:
    """The hash that is left is suppressed; nothing about her is shown, and there is nothing to undo."""
    mailed = each_post.mail()
    address_hash = each_post.person(mailed).address_hash
    with each_post.store.begin() as connection:
        row = {"entity_id": "rfs", "topic": "running", "campaign_id": "pulse", "address_hash": address_hash}
        connection.execute(
            TABLES["delivery_stub"].insert().values(delivery_id=mailed.delivery_id, person_id=None, **row)
        )
        connection.execute(TABLES["person"].delete())
    page = Page(each_post.client.get(mailed.unsubscribe))
    assert "example.org" not in page.text
    done = Page(each_post.client.post(mailed.unsubscribe, data={"scope": "entity"}))
    assert (done.heading, done.forms) == ("Done. No more e-mail from Run for Something.", [])
    with each_post.store.read() as connection:
        assert [row.reason for row in suppressions.live(connection, address_hash)] == ["unsubscribed"]


# -- when the database does not answer ---------------------------------------------------------------------------------


@contextmanager
def locked(post: PostOffice) -> Iterator[None]:
    """Somebody else holds what an unsubscribe has to write."""
    with post.store.engine.connect() as other, other.begin():
        if not post.store.is_sqlite:
            other.execute(text("LOCK TABLE suppression IN EXCLUSIVE MODE"))
        yield


def test_an_unsubscribe_outlives_a_locked_database(each_post: PostOffice) -> None:
    """The answer is the same 200; the wish lies on disk without an address, and is written when the lock is gone."""
    mailed = each_post.mail()
    waiting = queue(each_post, mailed)
    impatient = Client(create_web(each_post.app, patience=timedelta(seconds=0.05)))
    spool = each_post.app.settings.folder / NAME
    with locked(each_post):
        answer = impatient.post(mailed.unsubscribe, data=ONE_CLICK)
        page = Page(impatient.post(mailed.unsubscribe, data={"scope": "partners"}))
        assert each_post.state(waiting) == "queued"
    assert (answer.status_code, answer.text) == (200, ONE_CLICK_DONE)
    assert page.response.status_code == 200
    assert page.focused == ["h1"]
    kept = spool.read_text()
    assert kept.count(make(Kind.UNSUBSCRIBE, mailed.delivery_id, each_post.app.keys)) == 2
    assert "@" not in kept
    drained = drain_spool(each_post.store, each_post.app.keys, each_post.app.settings.folder)
    assert (drained.written, spool.exists()) == (2, False)
    assert left(each_post) == {("rfs", "unsubscribed"), ("rfs_civics", "unsubscribed")}
    assert each_post.state(waiting) == "skipped"
    impatient.close()


def test_an_unsubscribe_outlives_a_database_that_is_gone(each_post: PostOffice) -> None:
    """Page, button and one-click work without it; every other page says to come back."""
    mailed = each_post.mail()
    each_post.store.close()
    page = Page(each_post.client.get(mailed.unsubscribe))
    assert (page.response.status_code, page.heading) == (503, "Stop this e-mail")
    url, values = page.press()
    done = Page(each_post.client.post(url, data=values))
    assert (done.response.status_code, done.heading) == (200, "Done. We have noted it.")
    assert each_post.client.post(mailed.unsubscribe, data=ONE_CLICK).text == ONE_CLICK_DONE
    assert (each_post.app.settings.folder / NAME).read_text().count("entity") == 2
    for url in (mailed.preferences, mailed.view, mailed.answer("filed"), mailed.link(0), "/"):
        answer = each_post.client.get(url)
        assert (answer.status_code, Page(answer).heading) == (503, "Please try again in a moment")
        assert answer.headers["retry-after"] == "60"
    damaged = Page(each_post.client.get("/u/nonsense"))
    assert (damaged.response.status_code, damaged.heading) == (404, "This link is damaged")


def test_links_work_behind_a_proxy_with_a_path(post: PostOffice) -> None:
    """Forms and links are relative, so that a site under https://example.org/mail/ needs no setting for them."""
    mailed = post.mail()
    page = Page(post.client.get(mailed.unsubscribe))
    assert all(not link.startswith(("/", BASE)) for link in page.links)
    assert "action" not in page.forms[0].attributes
    done = Page(post.client.post(mailed.unsubscribe, data={"scope": "entity"}))
    assert done.forms[0].attributes["action"] == f"{mailed.unsubscribe.removeprefix('/u/')}/undo?lang=en"
