"""Choosing: topics, pause, not this time, language, a correction; one Save."""

from datetime import UTC, datetime

import pytest

from rfs_mail.engine import feedback
from rfs_mail.store import outbox
from rfs_mail.store.tables import TABLES
from tests.recipients import add_delivery
from tests.web.conftest import PostOffice
from tests.web.page import Page


def pause(post: PostOffice, until: datetime) -> None:
    """Everybody has asked for a pause."""
    with post.store.begin() as connection:
        connection.execute(TABLES["person"].update().values(paused_until=until))


def test_the_page_shows_what_is_stored(post: PostOffice) -> None:
    """Topics of the entity and of partners she agreed to, by public name; nothing else is hers to choose."""
    mailed = post.mail(lang="en")
    pause(post, datetime(2026, 12, 8, 5, 0, tzinfo=UTC))
    page = Page(post.client.get(mailed.preferences))
    assert page.title == "Choose what you get · Run for Something"
    assert page.heading == "Choose what you get"
    (form,) = page.forms
    assert [one.name for one in form.fields] == [
        "topic.running", "topic.deadlines", "topic.run_for_office_day", "pause_until", "not_now_was", "not_now",
        "language", "correction",
    ]  # fmt: skip
    assert page.labels["topic-running"].startswith("Steps toward running A few emails on finding an office")
    assert form.fields[2].in_legend == "E-mail from Run for Something Civics"
    assert form.values == {
        "topic.running": "yes", "topic.deadlines": "yes", "topic.run_for_office_day": "yes",
        "pause_until": "2026-12-08", "not_now_was": "no", "language": "en", "correction": "",
    }  # fmt: skip
    assert (form.fields[3].attributes["min"], form.fields[3].attributes["max"]) == ("2026-11-24", "2027-11-23")
    assert form.buttons == ["Save"]


def test_partners_without_consent_are_not_shown(post: PostOffice) -> None:
    """Nobody is signed up to a partner by a page she opened for something else."""
    mailed = post.mail(entities=("rfs",))
    url, values = Page(post.client.get(mailed.preferences)).press()
    assert "topic.run_for_office_day" not in values
    post.client.post(url, data={**values, "topic.run_for_office_day": "yes", "again.rfs_civics": "yes"})
    assert [row.entity_id for row in post.rows("consent")] == ["rfs"]
    assert post.rows("topic_left") == []


def test_one_save_keeps_everything(each_post: PostOffice) -> None:
    """Topic, pause, stage, language and correction in one transaction, and said back in words."""
    post = each_post
    mailed = post.mail(lang="en", stage="exploring")
    with post.store.begin() as connection:
        waiting = add_delivery(connection, mailed.person_id, now=post.now, campaign_id="pulse")
    url, values = Page(post.client.get(mailed.preferences)).press(
        **{
            "topic.running": None,
            "pause_until": "2027-01-15",
            "not_now": "yes",
            "correction": "I moved\nto\0Ohio <now>",
        }
    )
    page = Page(post.client.post(url, data=values))
    assert (page.response.status_code, page.heading, page.focused) == (200, "Saved", ["h1"])
    assert "No e-mail before January 15, 2027." in page.text
    assert "Somebody will look at what you wrote." in page.text
    person = post.person(mailed)
    assert (person.stage, person.paused_until) == ("not_now", datetime(2027, 1, 15, 5, 0, tzinfo=UTC))
    assert [row.topic for row in post.rows("topic_left")] == ["running"]
    (task,) = post.rows("task")
    assert task.title == "Check the state and office of María, who writes: I moved to Ohio <now>"
    assert (task.person_id, task.campaign_id, task.state) == (mailed.person_id, "pulse", "open")
    assert post.state(waiting) == "skipped"
    (back,) = [link for link in page.links if "/p/" in link]
    shown = Page(post.client.get(str(page.response.request.url.join(back))))
    assert shown.forms[0].values == {
        "topic.deadlines": "yes", "topic.run_for_office_day": "yes", "pause_until": "2027-01-15",
        "not_now_was": "yes", "not_now": "yes", "language": "en", "correction": "",
    }  # fmt: skip


def test_saving_what_is_shown_changes_nothing(post: PostOffice) -> None:
    """Whoever only looks and presses Save leaves topics, pause, stage, language and tasks as they were."""
    mailed = post.mail(stage="exploring", lang="en")
    before = post.facts()
    url, values = Page(post.client.get(mailed.preferences)).press()
    post.client.post(url, data=values)
    after = post.facts()
    for name in ("suppression", "consent", "topic_left", "delivery", "task", "person"):
        assert after[name] == before[name]
    assert [row.active for row in post.happened("preferences")] == [True]


def test_not_this_time_is_taken_back(post: PostOffice) -> None:
    """The box shows the stage, and unticking it brings the old one back."""
    mailed = post.mail(stage="committed")
    url, values = Page(post.client.get(mailed.preferences)).press(not_now="yes")
    post.client.post(url, data=values)
    assert post.person(mailed).stage == "not_now"
    post.wait(days=1)
    url, values = Page(post.client.get(mailed.preferences)).press(not_now=None)
    post.client.post(url, data=values)
    assert post.person(mailed).stage == "committed"


def test_an_old_page_does_not_undo_what_staff_have_set_since(post: PostOffice) -> None:
    """A box that she did not touch says nothing, even where the stage has changed behind the page."""
    mailed = post.mail(stage="exploring")
    url, values = Page(post.client.get(mailed.preferences)).press()
    with post.store.begin() as connection:
        connection.execute(TABLES["person"].update().values(stage="not_now"))
    post.client.post(url, data=values)
    assert post.person(mailed).stage == "not_now"


def test_the_language_she_chooses_is_the_language_of_the_answer(post: PostOffice) -> None:
    """Saving Spanish answers in Spanish, and her next mail is Spanish."""
    mailed = post.mail(lang="en")
    url, values = Page(post.client.get(mailed.preferences)).press(language="es")
    page = Page(post.client.post(url, data=values))
    assert (page.lang, page.heading) == ("es", "Guardado")
    assert post.person(mailed).lang == "es"
    url, values = Page(post.client.get(f"{mailed.preferences}?lang=en")).press()
    assert values["language"] == "es"
    assert Page(post.client.post(url, data={**values, "language": "tlh"})).lang == "en"
    assert post.person(mailed).lang == "es"


@pytest.mark.parametrize(
    ("day", "said"),
    [
        ("2026-11-23", "This day is over or is today"),
        ("2025-01-01", "This day is over or is today"),
        ("2027-11-24", "This is more than a year away"),
        ("9999-12-31", "This is more than a year away"),
        ("tomorrow", "This is no date we can read"),
    ],
)
def test_a_pause_that_cannot_be_is_explained_and_nothing_is_saved(post: PostOffice, day: str, said: str) -> None:
    """The page comes back with what she wrote, the mistake in words beside the field, and the focus on the title."""
    mailed = post.mail()
    before = post.facts()
    url, values = Page(post.client.get(mailed.preferences)).press(
        **{"pause_until": day, "correction": "Ohio", "topic.running": None}
    )
    answer = post.client.post(url, data=values)
    page = Page(answer)
    assert (answer.status_code, page.heading) == (422, "Not saved yet: please look at “Pause until”")
    assert page.focused == ["h1"]
    assert said in page.text
    (field,) = [one for one in page.forms[0].fields if one.name == "pause_until"]
    assert (field.attributes["aria-invalid"], "pause-wrong" in field.attributes["aria-describedby"]) == ("true", True)
    assert "pause-wrong" in page.ids
    assert page.forms[0].values == values
    assert post.facts() == before


def test_a_pause_of_a_year_to_the_day_is_fine(post: PostOffice) -> None:
    """The last day of the field is a day that can be saved, and it begins on her own clock."""
    mailed = post.mail(zone="America/Los_Angeles")
    url, values = Page(post.client.get(mailed.preferences)).press(pause_until="2027-11-23")
    assert Page(post.client.post(url, data=values)).heading == "Saved"
    assert post.person(mailed).paused_until == datetime(2027, 11, 23, 8, 0, tzinfo=UTC)


def test_a_pause_is_ended_by_emptying_the_field(post: PostOffice) -> None:
    """No date, no pause."""
    mailed = post.mail()
    pause(post, datetime(2026, 12, 8, 5, 0, tzinfo=UTC))
    url, values = Page(post.client.get(mailed.preferences)).press(pause_until="")
    post.client.post(url, data=values)
    assert post.person(mailed).paused_until is None


def test_a_pause_that_is_over_does_not_block_the_page(post: PostOffice) -> None:
    """An old date that the page still showed is saved as no pause."""
    mailed = post.mail(paused_until=datetime(2026, 11, 20, 5, 0, tzinfo=UTC))
    url, values = Page(post.client.get(mailed.preferences)).press(pause_until="2026-11-20")
    assert Page(post.client.post(url, data=values)).heading == "Saved"
    assert post.person(mailed).paused_until is None


def test_a_correction_has_its_limit(post: PostOffice) -> None:
    """Beyond 500 characters it is asked for a shorter one; nothing is cut off in silence."""
    mailed = post.mail()
    url, values = Page(post.client.get(mailed.preferences)).press(correction="ñ" * 501)
    page = Page(post.client.post(url, data=values))
    assert (page.response.status_code, post.rows("task")) == (422, [])
    assert "Please use at most 500 characters." in page.text
    assert post.client.post(url, data={**values, "correction": "ñ" * 500}).status_code == 200
    assert len(post.rows("task")) == 1


def test_who_left_the_entity_may_come_back_here(post: PostOffice) -> None:
    """The topics give way to one box with the opt-in in words; ticking it records them."""
    mailed = post.mail()
    post.client.post(mailed.unsubscribe, data={"scope": "entity"})
    page = Page(post.client.get(mailed.preferences))
    text = "Yes, Run for Something may e-mail me again."
    assert page.labels["again-rfs"] == text
    assert "You have unsubscribed from Run for Something." in page.text
    url, values = page.press()
    assert Page(post.client.post(url, data=values)).heading == "Saved"
    assert [row.lifted_at for row in post.rows("suppression")] == [None]
    done = Page(post.client.post(url, data={**values, "again.rfs": "yes"}))
    assert "Run for Something may write to you again." in done.text
    assert [row.lifted_at for row in post.rows("suppression")] == [post.now]
    assert {row.entity_id: row.text for row in post.rows("consent")}["rfs"] == text
    assert post.rows("topic_left") == []


def test_nobody_comes_back_from_a_complaint_here(post: PostOffice) -> None:
    """The page says that nothing is sent, offers no box, and a box made up does nothing."""
    mailed = post.mail()
    post.client.post(mailed.unsubscribe, data={"scope": "entity"})
    with post.store.begin() as connection:
        addressee = outbox.addressee(connection, mailed.delivery_id)
        assert addressee is not None
        feedback.complain(connection, addressee, source="arf", now=post.now)
    page = Page(post.client.get(mailed.preferences))
    assert "At the moment nothing is sent to this address." in page.text
    url, values = page.press()
    post.client.post(url, data={**values, "again.rfs": "yes"})
    assert [row.lifted_at for row in post.rows("suppression")] == [None, None]


def test_a_form_of_somebody_else_is_refused(post: PostOffice) -> None:
    """Without the page's own fields nothing is saved: an empty POST must not untick everything."""
    mailed = post.mail()
    before = post.facts()
    for given in ({}, {"data": {"topic.running": "yes"}}, {"json": {"not_now_was": "no"}}):
        assert post.client.post(mailed.preferences, **given).status_code == 400
    assert post.facts() == before


def test_somebody_erased_has_nothing_to_choose(post: PostOffice) -> None:
    """410, in a sentence, for looking and for saving."""
    mailed = post.mail()
    with post.store.begin() as connection:
        row = {"entity_id": "rfs", "topic": "running", "campaign_id": "pulse", "address_hash": b"0" * 16}
        connection.execute(
            TABLES["delivery_stub"].insert().values(delivery_id=mailed.delivery_id, person_id=None, **row)
        )
        connection.execute(TABLES["person"].delete())
    for answer in (
        post.client.get(mailed.preferences),
        post.client.post(mailed.preferences, data={"not_now_was": "no"}),
    ):
        assert (answer.status_code, Page(answer).heading) == (410, "There is nothing here any more")
