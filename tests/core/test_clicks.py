"""Who followed a link."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfs_mail.core.clicks import TOO_SOON, Judged, Kind, Visit, judge

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 19_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/19.1 Mobile/15E148 Safari/604.1"
)
CUBOT = "Mozilla/5.0 (Linux; Android 13; CUBOT P80) AppleWebKit/537.36 Chrome/140.0.0.0 Mobile Safari/537.36"
LATER = timedelta(hours=3)

MACHINES = [
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 AppleWebKit/537.36 (KHTML, like Gecko; compatible; bingbot/2.0) Chrome/116.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
    "BarracudaCentral/1.0",
    "Mozilla/4.0 (compatible; ms-office; MSOffice 16)",
    "Mimecast URL Protection Scanner",
    "curl/8.5.0",
    "python-requests/2.32.0",
    "Go-http-client/1.1",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) HeadlessChrome/140.0 Safari/537.36",
    "Mozilla/5.0",
    "Slackbot-LinkExpanding 1.0",
]


@pytest.mark.parametrize("agent", [FIREFOX, IPHONE, CUBOT])
def test_a_browser_hours_later_is_a_person(agent: str) -> None:
    """A browser that follows one link long after the mail is a person, whatever her telephone is called."""
    assert judge(Visit("GET", agent, LATER)) == Judged(Kind.HUMAN)


@pytest.mark.parametrize("agent", MACHINES)
def test_what_says_it_is_a_machine_is_one(agent: str) -> None:
    """Scanners, previews and scripts that name themselves are believed."""
    assert judge(Visit("GET", agent, LATER)) == Judged(Kind.MACHINE, "user_agent")


def test_head_is_a_machine() -> None:
    """No browser asks for a link with HEAD when a person presses it."""
    assert judge(Visit("HEAD", FIREFOX, LATER)) == Judged(Kind.MACHINE, "head")


def test_a_link_followed_at_once_is_a_machine() -> None:
    """Within ten seconds of leaving, a mail has not been read."""
    assert judge(Visit("GET", FIREFOX, TOO_SOON - timedelta(microseconds=1))) == Judged(Kind.MACHINE, "too_soon")
    assert judge(Visit("GET", FIREFOX, TOO_SOON)) == Judged(Kind.HUMAN)


def test_mail_sent_ahead_of_time_says_nothing_about_haste() -> None:
    """Where the mail left at a virtual time ahead of ours, the distance proves nothing."""
    assert judge(Visit("GET", FIREFOX, -LATER)) == Judged(Kind.HUMAN)


def test_several_links_in_one_second_are_a_machine() -> None:
    """Who follows several links of one mail in the same second is no person."""
    assert judge(Visit("GET", FIREFOX, LATER, other_links=1)) == Judged(Kind.MACHINE, "many_links")


def test_without_a_user_agent_nobody_can_say() -> None:
    """An empty user agent is neither a person nor surely a machine."""
    assert judge(Visit("GET", " ", LATER)) == Judged(Kind.UNKNOWN, "no_user_agent")


@given(
    st.sampled_from(["GET", "HEAD", "get"]),
    st.text(max_size=60),
    st.none() | st.timedeltas(min_value=timedelta(days=-1), max_value=timedelta(days=400)),
    st.integers(0, 9),
)
def test_only_a_spotless_visit_is_a_person(
    method: str, agent: str, since_sent: timedelta | None, other_links: int
) -> None:
    """Whatever is asked, `human` comes without any reason against it, and every other answer with one."""
    judged = judge(Visit(method, agent, since_sent, other_links))
    assert (judged.kind is Kind.HUMAN) == (judged.because == "")
    if judged.kind is Kind.HUMAN:
        assert (method.upper(), bool(agent.strip()), other_links) == ("GET", True, 0)
