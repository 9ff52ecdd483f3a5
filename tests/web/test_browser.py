"""
The pages in a real browser: small screens, dark mode, keyboards, no CSS and no JavaScript.

Skipped, with one line that says so, where there is no Chromium or no Playwright. RFS_SCREENSHOTS=FOLDER keeps pictures.
"""

import asyncio
import os
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import uvicorn

from rfs_mail.campaign_files.load import Project
from rfs_mail.engine.compiling import Compiled
from rfs_mail.store.database import Store
from rfs_mail.web import create_web
from tests.acceptance.processes import wait_until
from tests.web.conftest import Mailed, PostOffice, open_office

playwright_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: no browser tests")
CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
if CHROMIUM is None:
    pytest.skip("there is no chromium on this machine: no browser tests", allow_module_level=True)

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # nothing outside this machine is ever asked
]
SMALLEST = {"width": 320, "height": 640}
WIDE = {"width": 1280, "height": 900}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """One Chromium for all tests of this file."""
    with playwright_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=FLAGS)
        yield running
        running.close()


@dataclass
class Served:
    """A post office behind a real server."""

    post: PostOffice
    base: str

    def url(self, path: str) -> str:
        return self.base + path


@pytest.fixture
def served(sqlite_store: Store, project: tuple[Project, Compiled], tmp_path: Path, now: datetime) -> Iterator[Served]:
    """The pages on a port that the machine chose."""
    listener = socket.create_server(("127.0.0.1", 0))
    base = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with in_another_thread(open_office, sqlite_store, project, tmp_path, now, base=base) as post:
        server = uvicorn.Server(uvicorn.Config(create_web(post.app), log_level="error", lifespan="off", ws="none"))
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])))
        thread.start()
        yield Served(post, base)
        server.should_exit = True
        thread.join()


@contextmanager
def in_another_thread(make: Any, *given: Any, **named: Any) -> Iterator[Any]:
    """Playwright keeps a loop running in the thread of the test, so that nothing else may run one there."""
    manager = make(*given, **named)
    yield elsewhere(manager.__enter__)
    elsewhere(manager.__exit__, None, None, None)


def elsewhere(work: Any, *given: Any, **named: Any) -> Any:
    """Do this in a thread that has no loop yet."""
    answer: list[Any] = []
    thread = threading.Thread(target=lambda: answer.append(work(*given, **named)))
    thread.start()
    thread.join()
    return answer[0]


def mailed(served: Served, **fields: Any) -> Mailed:
    """A person with a mail."""
    found = elsewhere(served.post.mail, **fields)
    found.urls = served.post.app.composer.urls(found.delivery_id, served.post.app.keys)
    return found  # type: ignore[no-any-return]


@contextmanager
def opened(browser: Any, url: str, *, viewport: dict[str, int] = WIDE, **options: Any) -> Iterator[Any]:
    """A page in a context of its own; anything the console complains about fails the test."""
    context = browser.new_context(viewport=viewport, **options)
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(url)
    yield page
    assert context.cookies() == []
    assert [said for said in complaints if "status of 4" not in said] == []
    context.close()


def picture(page: Any, name: str) -> None:
    """Keep a picture where somebody wants to look."""
    folder = os.environ.get("RFS_SCREENSHOTS")
    if folder:
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)


def focused(page: Any) -> str:
    """The element that has the focus, and its text."""
    return str(page.evaluate("`${document.activeElement.tagName} ${document.activeElement.textContent.trim()}`"))


def all_urls(one: Mailed, base: str) -> dict[str, str]:
    """A name and an address for each kind of page."""
    assert one.urls.answer is not None
    return {
        "stop": one.urls.unsubscribe,
        "preferences": one.urls.preferences,
        "office": f"{one.urls.preferences}/office",
        "answer": one.urls.answer("yes_still"),
        "damaged": f"{base}/u/nonsense",
        "home": f"{base}/",
    }


def test_leaving_and_coming_back_with_the_keyboard(browser: Any, served: Served) -> None:
    """Tab, arrow, Enter: choose less, read the new heading, undo, choose everything. No mouse, no script of ours."""
    one = mailed(served)
    with opened(browser, one.urls.unsubscribe) as page:
        page.focus("#scope-entity")
        page.keyboard.press("ArrowDown")
        assert page.evaluate("document.activeElement.value") == "topic"
        page.keyboard.press("Tab")
        assert focused(page) == "BUTTON Unsubscribe"
        page.keyboard.press("Enter")
        page.wait_for_selector("text=Done.")
        assert focused(page) == "H1 Done. No more “Steps toward running” e-mail."
        assert page.title().startswith("Done. No more “Steps toward running” e-mail.")
        page.keyboard.press("Tab")
        assert focused(page) == "BUTTON That was a mistake: undo"
        page.keyboard.press("Enter")
        page.wait_for_selector("text=Undone.")
        assert focused(page) == "H1 Undone. You get “Steps toward running” again."
    with opened(browser, one.urls.unsubscribe) as page:
        page.get_by_label("All e-mail from Run for Something", exact=True).check()
        page.get_by_role("button", name="Unsubscribe").click()
        page.wait_for_selector("text=Done. No more e-mail from Run for Something.")
    live = [row.scope_id for row in served.post.rows("suppression") if row.lifted_at is None]
    assert live == ["rfs"]


def test_preferences_in_a_browser(browser: Any, served: Served) -> None:
    """The labels lead to their fields, Save says what was saved, a mistake gets the focus."""
    one = mailed(served, lang="en")
    with opened(browser, one.urls.preferences) as page:
        page.get_by_label("Ballot deadlines").uncheck()
        page.get_by_label("Pause until").fill("2027-03-15")
        page.get_by_label("Not running this time").check()
        page.get_by_label("Language of your e-mail").select_option("es")
        page.get_by_label("Is something else wrong? Tell us").fill("My name is Mia")
        page.get_by_role("button", name="Save").click()
        page.wait_for_selector("text=Guardado")
        assert focused(page) == "H1 Guardado"
        assert "15 de marzo de 2027" in page.inner_text("main")
    assert [row.topic for row in served.post.rows("topic_left")] == ["deadlines"]
    person = served.post.person(one)
    assert (person.stage, person.lang) == ("not_now", "es")
    with opened(browser, f"{one.urls.preferences}?lang=en") as page:
        page.evaluate("document.querySelector('form').noValidate = true")
        page.get_by_label("Pause until").fill("2020-01-01")
        page.get_by_role("button", name="Save").click()
        page.wait_for_selector("text=This day is over")
        assert focused(page) == "H1 Not saved yet: please look at “Pause until”"
        assert page.get_by_label("Pause until").get_attribute("aria-invalid") == "true"
        picture(page, "preferences-wrong")


def test_state_and_office_with_the_keyboard_and_without_a_script(browser: Any, served: Served) -> None:
    """From the preferences to the form, by labels and keys alone; the answer has the focus and says what is known."""
    one = mailed(served, lang="en")
    with opened(browser, one.urls.preferences, java_script_enabled=False) as page:
        page.route("**/*", lambda route: _without_style(route))
        page.get_by_role("link", name="Wrong state or office? Fix it").press("Enter")
        page.wait_for_selector("text=Your state and your office")
        page.get_by_label("State", exact=True).select_option("Wisconsin")
        page.get_by_label("ZIP code (optional)").fill("53703")
        page.get_by_label("School board").press("Space")
        page.get_by_role("group", name="What you want to run for").get_by_label("Judge").press("Space")
        page.get_by_label("Year of the election (optional)").fill("1066")
        page.get_by_role("button", name="Save").press("Enter")
        page.wait_for_selector("text=Please write a year from 2026 to 2036")
        assert page.get_by_label("Year of the election (optional)").get_attribute("aria-invalid") == "true"
        page.get_by_label("Year of the election (optional)").fill("2027")
        page.get_by_role("button", name="Save").press("Enter")
        page.wait_for_selector("text=You want to run for: School board, Wisconsin, 2027; Judge, Wisconsin, 2027.")
        assert page.evaluate("document.activeElement.tagName") == "H1"
    assert served.post.person(one).zone == "America/Chicago"
    assert {row.office_level for row in served.post.rows("interest")} == {"school_board", "judicial"}


def test_an_answer_in_a_browser(browser: Any, served: Served) -> None:
    """Looking is nothing, the button is the answer."""
    one = mailed(served)
    assert one.urls.answer is not None
    with opened(browser, one.urls.answer("filed")) as page:
        assert served.post.happened("answered") == []
        page.get_by_role("button", name="Send: Yes, I filed").click()
        page.wait_for_selector("text=Thank you.")
        assert focused(page) == "H1 Thank you. We have noted: Yes, I filed"
    assert served.post.person(one).stage == "filed"


def tour(browser: Any, served: Served, one: Mailed, **options: Any) -> Iterator[tuple[str, Any]]:
    """Every kind of page in both languages, one after the other in one window."""
    urls = all_urls(one, served.base)
    with opened(browser, served.url("/"), **options) as page:
        for lang in ("en", "es"):
            for name, url in urls.items():
                page.goto(f"{url}?lang={lang}")
                assert page.evaluate("document.documentElement.lang") == lang
                yield f"{name}-{lang}", page


def test_the_smallest_screen_holds_every_page(browser: Any, served: Served) -> None:
    """At 320 px nothing is cut off or scrolls sideways, and what is pressed is at least 44 px high and wide."""
    one = mailed(served)
    for name, page in tour(browser, served, one, viewport=SMALLEST):
        for scheme in ("dark", "light") if os.environ.get("RFS_SCREENSHOTS") else ():
            page.emulate_media(color_scheme=scheme)
            picture(page, f"{name}-320-{scheme}")
        assert page.evaluate("document.documentElement.scrollWidth") <= SMALLEST["width"], name
        assert _cut_off(page) == [], name
        assert _too_small(page) == [], name


def _cut_off(page: Any) -> list[str]:
    """Elements that stick out of the screen."""
    return list(
        page.evaluate(
            """[...document.querySelectorAll('main *, header *, footer *')]
            .filter(e => { const b = e.getBoundingClientRect(); return b.width && (b.left < -0.5 || b.right > 320.5) })
            .map(e => e.outerHTML.slice(0, 80))"""
        )
    )


def _too_small(page: Any) -> list[str]:
    """What is pressed and smaller than 44 px; a box or a dot counts with the row that its label fills."""
    return list(
        page.evaluate(
            """[...document.querySelectorAll('a, button, select, textarea, input:not([type=hidden])')]
            .map(e => [e, (['radio', 'checkbox'].includes(e.type) ? e.closest('.choice') : e).getBoundingClientRect()])
            .filter(([e, b]) => b.height < 43.99 || b.width < 43.99)
            .map(([e, b]) => `${e.outerHTML.slice(0, 80)} ${b.width} x ${b.height}`)"""
        )
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_dark_and_light_are_what_the_system_says(browser: Any, served: Served, scheme: str) -> None:
    """The colours follow the system, and what is shown has the contrast that the style sheet promises."""
    one = mailed(served)
    for name, page in tour(browser, served, one, color_scheme=scheme):
        picture(page, f"{name}-1280-{scheme}")
        ground = page.evaluate("getComputedStyle(document.querySelector('main')).backgroundColor")
        dark = [int(part) for part in ground.removeprefix("rgb(").rstrip(")").split(", ")] < [100, 100, 100]
        assert dark == (scheme == "dark"), name
        assert _faint(page) == [], name


def _faint(page: Any) -> list[str]:
    """Texts whose computed colours are below 4.5:1 (WCAG 2.2, 1.4.3)."""
    return list(
        page.evaluate(
            """(() => {
              const rgba = c => (c.match(/[0-9.]+/g) || []).map(Number);
              const light = c => { const [r, g, b] = c.map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92
                : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b };
              const ground = e => { for (; e; e = e.parentElement) {
                const c = rgba(getComputedStyle(e).backgroundColor);
                if (c.length === 3 || c[3] === 1) return c.slice(0, 3) } return [255, 255, 255] };
              const found = [];
              for (const e of document.querySelectorAll('body *')) {
                const own = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
                if (!own && e.tagName !== 'INPUT') continue;
                const [a, b] = [light(rgba(getComputedStyle(e).color).slice(0, 3)), light(ground(e))];
                const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
                if (ratio < 4.5) found.push(`${e.outerHTML.slice(0, 60)} ${ratio.toFixed(2)}`);
              }
              return found })()"""
        )
    )


def test_twice_the_size_still_fits(browser: Any, served: Served) -> None:
    """At 200 % text on a screen of 640 px, which is 320 px of layout, nothing scrolls sideways."""
    one = mailed(served)
    for name, page in tour(browser, served, one, viewport={"width": 640, "height": 900}):
        page.evaluate("document.documentElement.style.fontSize = '200%'")
        assert page.evaluate("document.documentElement.scrollWidth") <= 640, name


def test_without_css_and_without_javascript(browser: Any, served: Served) -> None:
    """The plain document reads in order and its forms work."""
    one = mailed(served)
    with opened(browser, one.urls.unsubscribe, java_script_enabled=False) as page:
        page.route("**/*", lambda route: _without_style(route))
        page.reload()
        picture(page, "stop-without-css")
        said = page.inner_text("body")
        order = [
            said.index(part) for part in ("Stop e-mail", "What should stop?", "All e-mail", "Unsubscribe", "Choose")
        ]
        assert order == sorted(order)
        page.get_by_role("button", name="Unsubscribe").click()
        page.wait_for_selector("text=Done. No more e-mail from Run for Something.")
    assert [row.reason for row in served.post.rows("suppression")] == ["unsubscribed"]


def _without_style(route: Any) -> None:
    answer = route.fetch()
    text = answer.text()
    start, end = text.index("<style>"), text.index("</style>")
    route.fulfill(response=answer, body=text[:start] + text[end + len("</style>") :])


def test_forced_colours_keep_the_focus_visible(browser: Any, served: Served) -> None:
    """In high contrast the focused button still has an outline."""
    one = mailed(served)
    with opened(browser, one.urls.unsubscribe, forced_colors="active") as page:
        page.focus("#scope-entity")
        page.keyboard.press("Tab")
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"


def test_the_language_switch_keeps_the_page(browser: Any, served: Served) -> None:
    """From English to Spanish and on to the button, and the answer is Spanish."""
    one = mailed(served)
    with opened(browser, one.urls.unsubscribe) as page:
        page.get_by_role("link", name="Español").click()
        page.wait_for_selector("text=Dejar de recibir correos")
        assert page.evaluate("document.documentElement.lang") == "es"
        page.get_by_role("button", name="Cancelar la suscripción").click()
        page.wait_for_selector("text=Listo. No recibirás más correos de Run for Something.")
        picture(page, "done-1280-es")
        page.set_viewport_size(SMALLEST)
        picture(page, "done-320-es")
        page.get_by_role("link", name="English").click()
        page.wait_for_selector("text=You get no e-mail from Run for Something")


def test_the_mail_in_the_browser(browser: Any, served: Served) -> None:
    """The mail shows with its styles, its links lead on, and nothing in it runs."""
    one = mailed(served)
    served.post.wait(hours=1)
    for viewport, name in ((SMALLEST, "320"), (WIDE, "1280")):
        with opened(browser, one.urls.view, viewport=viewport) as page:
            picture(page, f"view-{name}")
            assert "where are you with it?" in page.title()
            assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
            assert page.evaluate("getComputedStyle(document.querySelector('.button a')).color") == "rgb(255, 255, 255)"
            page.get_by_role("link", name="Yes, I filed").click()
            page.wait_for_selector("text=Is this your answer?")


def test_a_click_of_a_person_in_a_browser(browser: Any, served: Served) -> None:
    """A pressed link leads to its target without a cookie or a referrer, and is counted once, as a person's."""
    one = mailed(served)
    served.post.wait(hours=1)
    assert one.urls.link is not None
    context = browser.new_context(user_agent="Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/140.0")
    page = context.new_page()
    asked: list[tuple[str, bool]] = []
    page.on("request", lambda request: asked.append((request.url, "referer" in request.headers)))
    page.goto(one.urls.view)
    with pytest.raises(playwright_api.Error, match="ERR_NAME_NOT_RESOLVED"):
        page.goto(one.urls.link(1))
    assert asked[-2:] == [(one.urls.link(1), False), ("https://www.example.org/offices", False)]
    assert context.cookies() == []
    context.close()
    # The click is written after the answer, so that nobody waits for it; here the test does.
    wait_until(lambda: bool(served.post.happened("clicked")))
    assert [(row.value, row.detail["link"]) for row in served.post.happened("clicked")] == [("human", 1)]


def test_pause_has_its_limits_in_the_field(browser: Any, served: Served) -> None:
    """The browser's own date field refuses what the server would refuse."""
    one = mailed(served)
    with opened(browser, one.urls.preferences) as page:
        for day, fits in (("2026-11-23", False), ("2026-11-24", True), ("2027-11-23", True), ("2027-11-24", False)):
            page.get_by_label("Pause until").fill(day)
            assert page.evaluate("document.querySelector('#pause_until').checkValidity()") is fits
    assert served.post.now + timedelta(days=365) == datetime.fromisoformat("2027-11-23T15:00:00+00:00")
