"""Tracked links and the mail in the browser, over HTTP."""

import re

import pytest

from rfs_mail.engine.prune import prune
from tests.web.conftest import BASE, PostOffice
from tests.web.page import Page

FIREFOX = {"user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}


def test_a_link_leads_where_the_mail_said(each_post: PostOffice) -> None:
    """302 to the target with her own values in it, no cookie, no referrer; the click is recorded as a person's."""
    post = each_post
    mailed = post.mail(state="OH")
    html = mailed.message.get_body(("html",))
    assert html is not None
    written = re.findall(rf'href="{BASE}(/c/[^"]+)"', html.get_content())
    assert written == [mailed.link(0), mailed.link(1)]
    post.wait(hours=2)
    answer = post.client.get(mailed.link(0), headers=FIREFOX)
    assert (answer.status_code, answer.headers["location"]) == (302, "https://www.example.org/guide?for=OH")
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "set-cookie" not in answer.headers
    (event,) = post.happened("clicked")
    assert (event.value, event.ref, event.active, event.delivery_id) == ("human", "ask", True, mailed.delivery_id)
    assert event.detail == {
        "link": 0, "rule": "1", "because": "", "method": "GET", "user_agent": FIREFOX["user-agent"],
    }  # fmt: skip


def test_a_target_cannot_be_given(post: PostOffice) -> None:
    """Nothing in the request says where to go: there is no open redirect."""
    mailed = post.mail()
    answer = post.client.get(f"{mailed.link(1)}?url=https://evil.example.com&next=//evil.example.com")
    assert answer.headers["location"] == "https://www.example.org/offices"


@pytest.mark.parametrize("number", ["2", "-1", "x", "0x0", "99999", "1e0", "٣"])
def test_an_unknown_link_is_a_page(post: PostOffice, number: str) -> None:
    """404 with a sentence, and nothing is recorded."""
    mailed = post.mail()
    answer = post.client.get(mailed.link(0)[:-1] + number)
    page = Page(answer)
    assert (answer.status_code, page.heading) == (404, "There is no such page")
    assert page.links["https://www.example.org"] == "Go to www.example.org"
    assert post.happened("clicked") == []


def test_machines_are_told_apart_and_kept(post: PostOffice) -> None:
    """HEAD, haste, scanners and silence: each click is kept with what it was taken for; the redirect is the same."""
    mailed = post.mail()
    post.client.get(mailed.link(0), headers=FIREFOX)
    post.wait(hours=1)
    post.client.head(mailed.link(0), headers=FIREFOX)
    post.wait(hours=1)
    post.client.get(mailed.link(0), headers={"user-agent": "Mozilla/5.0 (compatible; Googlebot/2.1)"})
    post.wait(hours=1)
    silent = post.client.get(mailed.link(0), headers={"user-agent": ""})
    assert silent.status_code == 302
    found = [(row.value, row.active, row.detail["because"]) for row in post.happened("clicked")]
    assert found == [
        ("machine", False, "too_soon"),
        ("machine", False, "head"),
        ("machine", False, "user_agent"),
        ("unknown", False, "no_user_agent"),
    ]


def test_whoever_follows_all_links_at_once_is_a_scanner(each_post: PostOffice) -> None:
    """The first click of such a second is judged again when the second comes; the same link twice is no sign."""
    post = each_post
    mailed = post.mail()
    post.wait(hours=1)
    for number in (0, 0, 1):
        post.client.get(mailed.link(number), headers=FIREFOX)
        post.wait(milliseconds=200)
    post.wait(seconds=30)
    post.client.get(mailed.link(1), headers=FIREFOX)
    clicks = post.happened("clicked")
    assert [(row.value, row.active) for row in clicks] == [("machine", False)] * 3 + [("human", True)]
    assert clicks[0].detail["first_seen_as"] == "human"


def test_a_click_that_cannot_be_written_still_leads_there(post: PostOffice) -> None:
    """The person is where she wanted to go before the click is written; another's lock is not hers to wait for."""
    mailed = post.mail()
    with post.store.begin() as connection:
        connection.exec_driver_sql("DROP TABLE event")
    assert post.client.get(mailed.link(1), headers=FIREFOX).headers["location"] == "https://www.example.org/offices"


def test_a_link_of_a_pruned_mail_offers_the_website(post: PostOffice) -> None:
    """The target is forgotten with the mail; the organization is not."""
    mailed = post.mail()
    post.wait(days=4 * 365)
    prune(post.store, now=post.now, keep_messages=None)
    for url in (mailed.link(0), mailed.view):
        page = Page(post.client.get(url))
        assert (page.response.status_code, page.heading) == (404, "This e-mail is too old")
        assert "https://www.example.org" in page.links


def test_the_mail_in_the_browser_is_the_mail_that_was_sent(each_post: PostOffice) -> None:
    """The same HTML to the letter, but for the note to search engines; not kept by anybody on the way."""
    post = each_post
    mailed = post.mail(given_name="María <b>")
    body = mailed.message.get_body(("html",))
    assert body is not None
    with post.store.begin() as connection:  # what has changed since does not change what was sent
        connection.exec_driver_sql("UPDATE person SET given_name = 'Other'")
    answer = post.client.get(mailed.view)
    note = '<meta name="robots" content="noindex, nofollow">'
    assert answer.text.count(note) == 1
    assert answer.text.replace(note, "").split() == body.get_content().split()
    assert answer.headers["cache-control"] == "private, no-store"
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; img-src ")
    assert "script" not in policy


def test_a_mail_that_was_never_made_cannot_be_seen(post: PostOffice) -> None:
    """A delivery that was skipped before it was written has nothing to show."""
    mailed = post.mail()
    with post.store.begin() as connection:
        connection.exec_driver_sql("UPDATE delivery SET made = NULL")
    assert post.client.get(mailed.view).status_code == 404
