"""What holds for every answer, and the pages that every web server has."""

import base64
import hashlib
import re
from datetime import date
from pathlib import Path
from string import Formatter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfs_mail.web import create_web, words
from tests.web.conftest import Client, PostOffice
from tests.web.page import Page

VOID_OF_SCRIPT = re.compile(r"<script|javascript:|\son[a-z]+=", re.IGNORECASE)


def test_home_names_who_writes_and_nothing_else(post: PostOffice) -> None:
    """Names of the entities; no form, no link, nobody's data."""
    page = Page(post.client.get("/"))
    assert page.response.status_code == 200
    assert "Run for Something Civics" in page.text
    assert (page.forms, set(page.links)) == ([], {"?lang=es"})


def test_health_and_robots(each_post: PostOffice) -> None:
    """200 while the database answers, 503 when it is gone; no page is for search engines."""
    post = each_post
    assert (post.client.get("/healthz").text, post.client.head("/healthz").status_code) == ("ok\n", 200)
    assert post.client.get("/robots.txt").text == "User-agent: *\nDisallow: /\n"
    post.store.close()
    assert post.client.get("/healthz").status_code == 503


def test_every_answer_carries_the_standing_headers(post: PostOffice) -> None:
    """No frame, no script, no referrer, no sniffing, no cache, no index and no cookie, whatever the answer is."""
    mailed = post.mail()
    answers = [
        post.client.get("/"),
        post.client.get("/healthz"),
        post.client.get("/nothing/here"),
        post.client.get(mailed.unsubscribe),
        post.client.get(mailed.preferences),
        post.client.get(mailed.answer("filed")),
        post.client.get(mailed.link(0)),
        post.client.get(mailed.view),
        post.client.get("/u/nonsense"),
        post.client.request("PUT", mailed.unsubscribe),
        post.client.post(mailed.unsubscribe, data={"x": "y"}),
        post.client.post(mailed.unsubscribe, data={"List-Unsubscribe": "One-Click"}),
    ]
    assert sorted({answer.status_code for answer in answers}) == [200, 302, 400, 404, 405]
    for answer in answers:
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "script-src" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["x-robots-tag"] == "noindex, nofollow"
        assert "no-store" in answer.headers["cache-control"]
        assert "set-cookie" not in answer.headers
        if "text/html" in answer.headers.get("content-type", ""):
            assert not VOID_OF_SCRIPT.search(answer.text)


def test_the_policy_names_the_style_it_allows(post: PostOffice) -> None:
    """The one style sheet inside the page is allowed by its hash; no style attribute is left."""
    answer = post.client.get(post.mail().unsubscribe)
    (style,) = re.findall(r"<style>(.*?)</style>", answer.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in answer.headers["content-security-policy"]
    assert " style=" not in answer.text


def test_an_unknown_path_is_a_page_for_people_and_json_for_programs(post: PostOffice) -> None:
    """Nobody gets a bare status."""
    assert Page(post.client.get("/nothing")).heading == "There is no such page"
    assert post.client.get("/api/nothing").json() == {"detail": "Not Found"}


def test_a_mistake_of_ours_is_a_page_too(post: PostOffice) -> None:
    """An exception nobody foresaw: a plain sentence, status 500, the same headers, and no detail of it."""
    web = create_web(post.app)

    async def boom() -> None:
        raise RuntimeError("a secret in a traceback")

    web.add_api_route("/boom", boom)
    client = Client(web, raises=False)
    answer = client.get("/boom")
    assert (answer.status_code, Page(answer).heading) == (500, "Please try again in a moment")
    assert "secret" not in answer.text
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    client.close()


def pages(post: PostOffice) -> list[Page]:
    """Every page there is, in both languages."""
    mailed, other, third = post.mail(), post.mail(), post.mail()
    found = []
    for lang in ("en", "es"):
        got = [mailed.unsubscribe, mailed.preferences, mailed.answer("filed"), "/u/nonsense", "/", "/nothing"]
        found += [Page(post.client.get(f"{url}?lang={lang}")) for url in got]
        for scope, one in (("entity", other), ("topic", third), ("partners", post.mail())):
            left = Page(post.client.post(f"{one.unsubscribe}?lang={lang}", data={"scope": scope}))
            url, values = left.press()
            found += [left, Page(post.client.get(f"{one.unsubscribe}?lang={lang}"))]
            found.append(Page(post.client.post(url, data=values)))
        url, values = Page(post.client.get(f"{mailed.preferences}?lang={lang}")).press(pause_until="2026-12-24")
        found.append(Page(post.client.post(url, data=values)))
        found.append(Page(post.client.post(url, data={**values, "pause_until": "2020-01-01", "correction": "x" * 600})))
        found.append(Page(post.client.post(f"{mailed.answer('yes_still')}?lang={lang}", data={"a": ""})))
    return found


def test_every_page_is_well_made(post: PostOffice) -> None:
    """A language, a title, one heading, real labels, a legend around choices, unique ids, no colour alone."""
    for page in pages(post):
        assert page.lang in ("en", "es")
        assert len(page.headings) == 1
        assert page.title.startswith(page.heading)
        assert ("h1", "-1") in [(tag, found.get("tabindex")) for tag, found in page.tags]
        assert page.focused == (
            ["h1"] if page.response.request.method == "POST" and page.response.status_code != 404 else []
        )
        assert len(page.ids) == len(set(page.ids))
        for form in page.forms:
            assert form.attributes["method"] == "post"
            assert all(button.strip() for button in form.buttons)
            for field in form.fields:
                if field.kind == "hidden":
                    continue
                assert page.labels[field.attributes["id"]]
                if field.kind in ("radio", "checkbox"):
                    assert field.in_legend
                for described in field.attributes.get("aria-describedby", "").split():
                    assert described in page.ids
        assert all(text.strip() for text in page.links.values())
        switch = [found for tag, found in page.tags if found.get("aria-current")]
        assert [found["lang"] for found in switch] == [page.lang]


def test_what_people_typed_is_never_markup(post: PostOffice) -> None:
    """Names, corrections and query strings come back as text."""
    mailed = post.mail()
    evil = "<script>alert(1)</script>"
    url, values = Page(post.client.get(mailed.preferences)).press(pause_until=evil, correction=evil)
    answer = post.client.post(url, data=values)
    assert answer.status_code == 422
    assert "<script" not in answer.text
    assert "<script" not in post.client.get(mailed.unsubscribe, params={"lang": evil}).text


# -- words -------------------------------------------------------------------------------------------------------------


def test_every_language_says_the_same_things() -> None:
    """The same keys with the same placeholders, none empty, none left in English by oversight."""

    def placeholders(text: str) -> set[str]:
        return {name for _, name, _, _ in Formatter().parse(text) if name}

    english = words.WORDS["en"]
    assert list(words.WORDS) == list(words.LANGUAGES)
    for texts in words.WORDS.values():
        assert list(texts) == list(english)
        for key, text in texts.items():
            assert text.strip() == text != ""
            assert placeholders(text) == placeholders(english[key])
    assert [key for key, text in words.WORDS["es"].items() if text == english[key]] == []


def test_every_word_is_said_somewhere() -> None:
    """A key that no page uses is a sentence nobody reads."""
    folder = Path(words.__file__).parent
    sources = "".join(path.read_text() for path in folder.rglob("*") if path.suffix in (".py", ".html"))
    sources = sources.replace((folder / "words.py").read_text(), "")
    notices = ("refused", "later", "gone", "old", "not_found")
    said = {f"{name}_{part}" for name in notices for part in ("title", "text")}
    assert [key for key in words.WORDS["en"] if f'"{key}"' not in sources.replace("'", '"') and key not in said] == []


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("es-MX,es;q=0.9,en;q=0.8", "es"),
        ("en;q=0.5, es;q=0.7", "es"),
        ("de, fr;q=0.9, es;q=0.1", "es"),
        ("es;q=0, en;q=0.1", "en"),
        ("es;q=x, *", "en"),
    ],
)
def test_a_browser_says_which_language_it_prefers(header: str, language: str) -> None:
    """The weights of RFC 9110 decide among the languages we speak."""
    assert words.preferred(header) == language


@given(st.text(max_size=80))
def test_any_accept_language_is_answered(header: str) -> None:
    """Whatever a client sends, a language of ours comes out."""
    assert words.preferred(header) in words.WORDS


def test_days_and_lists_are_said_as_people_say_them() -> None:
    """Month names and "and" in each language."""
    assert words.say_day(date(2027, 1, 5), "en") == "January 5, 2027"
    assert words.say_day(date(2027, 12, 5), "es") == "5 de diciembre de 2027"
    assert [words.say_list(names, "en") for names in (["A"], ["A", "B"], ["A", "B", "C"])] == [
        "A",
        "A and B",
        "A, B and C",
    ]
    assert words.say_list(["A", "B"], "es") == "A y B"


# -- colours -----------------------------------------------------------------------------------------------------------


def _luminance(colour: str) -> float:
    """Relative luminance, WCAG 2.2."""
    parts = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_contrast_is_enough_in_both_schemes() -> None:
    """Text 4.5:1 and edges of fields 3:1 on every ground they stand on (WCAG 2.2, 1.4.3 and 1.4.11)."""
    css = (Path(words.__file__).parent / "pages" / "site.css").read_text()
    schemes = [
        dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", block)) for block in re.findall(r":root \{(.*?)\}", css, re.S)
    ]
    assert len(schemes) == 2
    assert set(schemes[0]) == set(schemes[1])
    assert re.findall(r"#[0-9a-fA-F]{3,8}", css[css.index("*, *::before") :]) == []
    for scheme in schemes:
        for text in ("ink", "quiet", "accent", "warn"):
            for ground in ("paper", "card"):
                assert _contrast(scheme[text], scheme[ground]) >= 4.5, (text, ground)
        assert _contrast(scheme["on-accent"], scheme["accent"]) >= 4.5
        for ground in ("paper", "card"):
            assert _contrast(scheme["line"], scheme[ground]) >= 3.0
