"""One-tap answers, over HTTP."""

from datetime import timedelta

import pytest

from rfs_mail.engine.prune import prune
from tests.recipients import add_delivery
from tests.web.conftest import PostOffice
from tests.web.page import Page


def test_the_page_names_the_answer_as_the_mail_does(post: PostOffice) -> None:
    """One button with the words of the link that was tapped, escaped, in the language of the mail."""
    english, spanish = post.mail(), post.mail(lang="es")
    page = Page(post.client.get(english.answer("yes_still")))
    assert page.heading == "Is this your answer?"
    assert [form.buttons for form in page.forms] == [["Send: I'm still <thinking> about it"]]
    assert "m•••@example.org" in page.text
    page = Page(post.client.get(spanish.answer("stop")))
    assert (page.lang, page.forms[0].buttons) == ("es", ["Enviar: Ya no me escriban"])


def test_the_button_records_the_answer_and_makes_its_change(each_post: PostOffice) -> None:
    """Event, tag and the next look at her goals, in one transaction; pressing twice is one answer."""
    post = each_post
    mailed = post.mail()
    url, values = Page(post.client.get(mailed.answer("yes_still"))).press()
    for _ in range(2):
        page = Page(post.client.post(url, data=values))
        assert page.heading == "Thank you. We have noted: I'm still <thinking> about it"
        assert page.focused == ["h1"]
    (event,) = post.happened("answered")
    assert (event.ref, event.value, event.active, event.delivery_id) == ("ask", "yes_still", True, mailed.delivery_id)
    assert (event.campaign_id, event.key) == ("pulse", f"answer:{mailed.delivery_id}:yes_still")
    assert [row.tag for row in post.rows("person_tag")] == ["recommitted"]


def test_an_answer_that_reaches_the_goal_ends_the_campaign_at_once(each_post: PostOffice) -> None:
    """Goal, enrollment and waiting mail are settled when the page is shown; no tick is needed."""
    post = each_post
    mailed = post.mail()
    (enrollment,) = post.rows("enrollment")
    with post.store.begin() as connection:
        waiting = add_delivery(connection, mailed.person_id, now=post.now, campaign_id="pulse", step_key="later")
        connection.exec_driver_sql(f"UPDATE delivery SET enrollment_id = {enrollment.id} WHERE id = {waiting}")
    assert enrollment.state == "active"
    post.client.post(mailed.answer("filed"), data={"a": ""})
    assert post.person(mailed).stage == "filed"
    ended = next(row for row in post.rows("enrollment") if row.id == enrollment.id)
    assert (ended.state, ended.ended_because) == ("exited", "goal_reached")
    assert post.state(waiting) == "skipped"


def test_an_answer_may_make_a_task(post: PostOffice) -> None:
    """Once, whoever presses how often."""
    mailed = post.mail()
    for _ in range(2):
        assert post.client.post(mailed.answer("need_help"), data={"a": ""}).status_code == 200
    (task,) = post.rows("task")
    assert (task.title, task.for_ if hasattr(task, "for_") else task._mapping["for"]) == (
        "María asks for help",
        "region",
    )
    assert task.due_at == post.now + timedelta(days=2)


def test_an_answer_may_stop_the_mail(each_post: PostOffice) -> None:
    """ "Please stop" is an unsubscribe like any other: it suppresses and skips what waits."""
    post = each_post
    mailed = post.mail()
    with post.store.begin() as connection:
        waiting = add_delivery(connection, mailed.person_id, now=post.now, campaign_id="pulse", topic="deadlines")
    page = Page(post.client.post(mailed.answer("stop"), data={"a": ""}))
    assert "You get no more of this e-mail." in page.text
    assert [(row.scope_id, row.reason) for row in post.rows("suppression")] == [("rfs", "unsubscribed")]
    assert post.state(waiting) == "skipped"
    (gone,) = post.happened("unsubscribed")
    assert gone.detail == {"source": "campaign pulse, step ask, answer stop"}


def test_people_change_their_mind(post: PostOffice) -> None:
    """The last answer counts, also when it is the first again."""
    mailed = post.mail(stage="exploring")
    stages = []
    for key in ("not_now", "yes_still", "not_now", "not_now", "filed", "not_now"):
        post.wait(minutes=1)
        post.client.post(mailed.answer(key), data={"a": ""})
        stages.append(post.person(mailed).stage)
    assert [row.value for row in post.happened("answered")] == ["not_now", "yes_still", "not_now", "filed", "not_now"]
    assert stages == ["not_now", "not_now", "not_now", "not_now", "filed", "not_now"]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_answer_the_mail_does_not_offer(post: PostOffice, method: str) -> None:
    """404 in a sentence; nothing is recorded."""
    mailed = post.mail()
    before = post.facts()
    for key in ("resign", "yes_still'", "..", "é"):
        given = {"data": {"a": ""}} if method == "POST" else {}
        answer = post.client.request(method, mailed.answer(key), **given)
        assert (answer.status_code, len(Page(answer).headings)) == (404, 1)
    assert post.facts() == before


def test_an_answer_to_a_mail_that_was_pruned(post: PostOffice) -> None:
    """Too old to be answered: said in a sentence, with the way to the organization."""
    mailed = post.mail()
    post.wait(days=4 * 365)
    prune(post.store, now=post.now, keep_messages=None)
    for answer in (post.client.get(mailed.answer("filed")), post.client.post(mailed.answer("filed"), data={"a": ""})):
        page = Page(answer)
        assert (answer.status_code, page.heading) == (404, "This e-mail is too old")
        assert page.links["https://www.example.org"] == "Go to www.example.org"


def test_an_answer_proves_that_the_mail_arrived(post: PostOffice) -> None:
    """Nobody knew whether it had gone out; her answer says so."""
    mailed = post.mail()
    with post.store.begin() as connection:
        connection.exec_driver_sql("UPDATE delivery SET state = 'uncertain'")
    post.client.post(mailed.answer("yes_still"), data={"a": ""})
    assert post.state(mailed.delivery_id) == "sent"
