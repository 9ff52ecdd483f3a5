"""Templates and people that the tests of rendering share."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from rfs_mail.core.mail import MailSource, Rendered
from rfs_mail.render import Renderer, Urls, build_context, compile_mail

ROOT = Path(__file__).parents[1]

ENTITY: Mapping[str, Any] = {
    "id": "rfs",
    "name": "Run for Something",
    "website": "https://www.example.org",
    "postal_address": "Run for Something, 100 Example Street, Washington, DC 20001",
    "disclaimer": {"en": "Paid for by Run for Something.", "es": "Pagado por Run for Something."},
}
ADA: Mapping[str, object] = {
    "given_name": "Ada",
    "state": "WI",
    "stage": "exploring",
    "signed_up_at": datetime(2026, 11, 2, 12, tzinfo=UTC),
    "custom": {"pronouns": "she/her"},
    "tags": ["mentor"],
}
NOBODY: Mapping[str, object] = {"stage": "signed_up", "signed_up_at": datetime(2026, 11, 2, 12, tzinfo=UTC)}
WINDOW: Mapping[str, object] = {
    "id": "wi-mayor-2027",
    "office": "Mayor",
    "office_level": "municipal",
    "state": "WI",
    "zone": "America/Chicago",
    "opens": "2026-12-01",
    "closes": "2027-01-05",
    "closes_time": "17:00",
    "confidence": "official",
    "milestones": {"petition_due": None, "challenge_closes": "2027-01-08"},
}
CALL: Mapping[str, object] = {
    "key": "intro_call-2026-12",
    "date": "2026-12-08",
    "time": "19:00",
    "zone": "America/New_York",
}
PLAIN_URLS = Urls(
    base="https://m.example.org",
    unsubscribe="https://m.example.org/u/TOKEN",
    preferences="https://m.example.org/p/TOKEN",
    view="https://m.example.org/v/TOKEN",
    answer=lambda key: f"https://m.example.org/a/TOKEN/{key}",
)
TRACKED_URLS = Urls(
    base=PLAIN_URLS.base,
    unsubscribe=PLAIN_URLS.unsubscribe,
    preferences=PLAIN_URLS.preferences,
    view=PLAIN_URLS.view,
    answer=PLAIN_URLS.answer,
    link=lambda number: f"https://m.example.org/c/TOKEN/{number}",
)


def read_folder(folder: Path) -> dict[str, str]:
    """The template files of a folder, by their path inside it."""
    return {
        path.relative_to(folder).as_posix(): path.read_text("utf-8") for path in folder.rglob("*") if path.is_file()
    }


LAYOUT = {name: text for name, text in read_folder(ROOT / "templates").items() if name.startswith("_layout")}
DEMO = LAYOUT | read_folder(ROOT / "tests" / "fixtures" / "templates")


def files_with(body: str, *, subject: str = "Hello", **more: str) -> dict[str, str]:
    """The layout and one mail, `demo/mail`, with this body."""
    return LAYOUT | {"demo/mail.md": f"---\nsubject: {subject}\n---\n{body}"} | more


def compiled(body: str, **more: Any) -> MailSource:
    """One mail of this body, compiled in English."""
    return compile_mail(files_with(body), "demo/mail", language="en", **more)


def context_for(person: Mapping[str, object] = ADA, *, urls: Urls = PLAIN_URLS, **more: Any) -> dict[str, object]:
    """What the templates of the demo may read, for one person."""
    given: dict[str, Any] = {
        "entity": ENTITY,
        "campaign": {"id": "demo", "name": "Demo"},
        "step": {"key": "full"},
        "language": "en",
        "zone": "America/New_York",
        "sent_on": date(2026, 12, 1),
        "calendar": {"intro_call": CALL, "nrfod": None},
        "windows": [WINDOW],
        "signup_source": "www.example.org",
    }
    return build_context(person, urls=urls, **(given | more))


def rendered(body: str, person: Mapping[str, object] = ADA, **more: Any) -> Rendered:
    """One mail of this body for one person."""
    return Renderer().render(compiled(body), context_for(person, **more))


def card(html: str) -> str:
    """The part of a mail that its author wrote, without styles and line ends."""
    import re

    begin = html.index(">", html.index('<td class="card"')) + 1
    inside = html[begin : html.index('<tr><td class="foot"')].rpartition("</td></tr>")[0]
    return re.sub(r' style="[^"]*"', "", inside).replace("\n", "")


def body_of(text: str) -> str:
    """The part of a text part that its author wrote."""
    return text.partition("\n--\n")[0].strip()
