"""What people do with mail: the same every time, at the promised rates, by a browser that sends what it sees."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from rfs_mail.cli.demo.behaviour import Act, react
from rfs_mail.cli.demo.browser import Form, read_forms
from rfs_mail.cli.demo.crash import without_settings
from rfs_mail.cli.demo.life import Call, Life
from rfs_mail.cli.demo.maillog import Received
from rfs_mail.cli.demo.people import FULL, MARIA, QUICK, Size, make_people

NOON = datetime(2026, 11, 16, 18, tzinfo=UTC)


def mail(to: str, campaign: str = "welcome", step: str = "hello") -> Received:
    """A mail as the server wrote it down."""
    return Received(1, "b-1@x.test", to, "1@x.test", NOON, "hello@rfs.example.org", step, campaign, "running", "", 0, 0)


def test_the_same_mail_has_the_same_effect() -> None:
    """Nothing but address, campaign and step decides what somebody does."""
    people = make_people(FULL)[:200]
    once, again = ([react(mail(one.address), one, answers=True) for one in people] for _ in range(2))
    assert once == again


@pytest.mark.parametrize(("campaign", "step", "share"), [("welcome", "hello", 0.12), ("nrfod", "day", 0.021)])
def test_clicks_are_as_many_as_promised(campaign: str, step: str, share: float) -> None:
    """Over 5,000 people the share of those who click is near the rate."""
    done = [react(mail(one.address, campaign, step), one, answers=False) for one in make_people(FULL)]
    clicked = sum(1 for each in done if any(reaction.act is Act.CLICK for reaction in each))
    assert clicked / len(done) == pytest.approx(share, rel=0.25)


def test_a_gateway_is_there_before_its_owner() -> None:
    """Where links are scanned, that comes first and at once; no one else reacts within the first minutes."""
    for one in make_people(FULL):
        done = react(mail(one.address), one, answers=True)
        scans = [reaction for reaction in done if reaction.act is Act.SCAN]
        assert len(scans) == (1 if one.scanned else 0)
        assert all(reaction.at - NOON > timedelta(minutes=3) for reaction in done if reaction.act is not Act.SCAN)


def test_nobody_answers_a_mail_without_answers() -> None:
    """An answer is only given where the mail offers one."""
    people = make_people(FULL)[:300]
    offered, not_offered = (
        {reaction.act for one in people for reaction in react(mail(one.address), one, answers=answers)}
        for answers in (True, False)
    )
    assert Act.ANSWER in offered
    assert Act.ANSWER not in not_offered


def test_who_registered_came_or_missed_it() -> None:
    """The attendance list has everybody who registered, once; who came is onboarded, Maria among them."""
    people = {one.address: one for one in make_people(FULL)}
    call = Call("intro_call-2026-11", datetime(2026, 11, 18, tzinfo=UTC))
    life = Life(FULL, [call], people)
    life.begin()
    assert life.register(people[MARIA], NOON) != []
    assert life.register(people[MARIA], NOON) == []
    news, _ = life.attendance(call.starts_at + timedelta(hours=16))
    came = [one.address for one in news.happenings if one.name == "attended"]
    missed = [one.address for one in news.happenings if one.name == "missed"]
    onboarded = [one.address for one in news.happenings if one.name == "stage"]
    assert MARIA in came
    assert came == onboarded
    assert set(came) & set(missed) == set()
    assert len(came) > len(missed) > 0


@pytest.mark.parametrize("size", [FULL, QUICK], ids=["full", "quick"])
def test_nobody_files_before_papers_are_taken(size: Size) -> None:
    """From the first of December on, each person once, Maria among them, and in the full story after the move."""
    life = Life(size, [], {one.address: one for one in make_people(size)})
    filed = [(news.filed, news.at) for news in life.begin() if news.filed]
    assert len({who for who, _ in filed}) == len(filed) > 1
    assert min(at for _, at in filed) >= datetime(2026, 12, 1, 15, tzinfo=UTC)
    assert (dict(filed)[MARIA].date() > size.moves_on) is (size is FULL)


def test_a_form_is_sent_as_it_stands() -> None:
    """Hidden fields, ticked choices and typed values are sent; what is not ticked, and buttons, are not."""
    (form,) = read_forms(
        '<form action="/search"><input name="q"></form><form method="post" action="undo">'
        '<input type="hidden" name="text" value="a &amp; b"><input type="radio" name="scope" value="entity" checked>'
        '<input type="radio" name="scope" value="topic"><input type="checkbox" name="t1" value="1">'
        '<input type="submit" name="go" value="Go"></form>'
    )
    assert form.action == "undo"
    assert form.values == {"text": "a & b", "scope": "entity"}
    assert form.choices == {"scope": ["entity", "topic"]}
    assert form.boxes == {"t1": "1"}


def test_a_form_is_filled_in_where_it_offers_something() -> None:
    """Choices that it does not have are not sent; asked which of several, somebody ticks the first, unless one is."""
    form = Form("", {"scope": "entity"}, {"scope": ["entity", "topic"]}, {"t1": "1", "t2": "1"})
    assert form.filled({"scope": "topic", "other": "x"}) == {"scope": "topic"}
    assert form.filled({"scope": "all"}, which=True) == {"scope": "entity", "t1": "1"}
    assert replace(form, values={"t2": "1"}).filled({}, which=True) == {"t2": "1"}
    assert Form("").filled({}, which=True) == {}


def test_nobody_s_own_relay_reaches_the_demo() -> None:
    """Settings of the environment are left out of what the demo starts; the rest of it stays."""
    assert without_settings({"RFS_MAIL_RELAY": "smtp://x", "PATH": "/bin"}) == {"PATH": "/bin"}
