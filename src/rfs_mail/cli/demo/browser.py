"""
What recipients use: a browser that opens the links of their mail, and a mail program that presses unsubscribe.

Real HTTP to the very addresses that stand in the mail. Forms are sent as the page wrote them: the fields it has, the
choice it had ticked unless another is made.
"""

import asyncio
import http.client
from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urlencode, urljoin, urlsplit

PEOPLE = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
GATEWAY = "Example-Mail-Gateway/3.2 (link scanner)"
MAIL_PROGRAM = "Example-Mail/11.4"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    location: str
    text: str


@dataclass(slots=True)
class Form:
    """A form of a page: where it goes and what it would send as it stands."""

    action: str
    values: dict[str, str] = field(default_factory=dict)
    choices: dict[str, list[str]] = field(default_factory=dict)
    """Name of a group of radio buttons -> their values."""
    boxes: dict[str, str] = field(default_factory=dict)
    """Box to tick -> its value, whether it is ticked or not."""

    def filled(self, choice: Mapping[str, str], *, which: bool = False) -> dict[str, str]:
        """What it sends with these choices, where it offers them; with `which` at least its first box is ticked."""
        values = self.values | {name: value for name, value in choice.items() if value in self.choices.get(name, ())}
        if which and not self.boxes.keys() & values.keys():
            values |= dict(list(self.boxes.items())[:1])
        return values


class Browser:
    """One kept connection to the pages. Requests go one after the other."""

    def __init__(self, host: str, port: int) -> None:
        self._connection = http.client.HTTPConnection(host, port, timeout=60)
        self.requests = 0

    async def get(self, url: str, agent: str = PEOPLE) -> Answer:
        """Open an address. Redirects are not followed: they lead out of this machine."""
        return await asyncio.to_thread(self._ask, "GET", url, None, agent)

    async def post(self, url: str, form: Mapping[str, str], agent: str = PEOPLE) -> Answer:
        """Send a form."""
        return await asyncio.to_thread(self._ask, "POST", url, urlencode(form), agent)

    async def press(self, url: str, choice: Mapping[str, str] | None = None, *, which: bool = False) -> Answer:
        """
        Open a page and press the button of its first form, making these choices where it offers them.

        `which`: where it asks which of several she means, she means the first.
        """
        page = await self.get(url)
        forms = read_forms(page.text)
        if page.status != 200 or not forms:
            return page
        form = forms[0]
        values = form.filled(choice or {}, which=which)
        return await self.post(urljoin(url, form.action) if form.action else url, values)

    def close(self) -> None:
        """Let the connection go."""
        self._connection.close()

    def _ask(self, method: str, url: str, body: str | None, agent: str) -> Answer:
        parts = urlsplit(url)
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        headers = {"User-Agent": agent, "Accept-Language": "en"}
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        self.requests += 1
        try:
            self._connection.request(method, path, body, headers)
            answer = self._connection.getresponse()
        except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError):
            self._connection.close()  # it lay idle too long; the next request opens a new one
            self._connection.request(method, path, body, headers)
            answer = self._connection.getresponse()
        text = answer.read().decode("utf-8", "replace")
        return Answer(answer.status, answer.headers.get("Location", ""), text)


def read_forms(html: str) -> list[Form]:
    """The forms of a page that are sent with POST."""
    reader = _Forms()
    reader.feed(html)
    reader.close()
    return reader.found


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[Form] = []
        self._open: Form | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        if tag == "form":
            self._open = Form(said.get("action", ""))
            if said.get("method", "get").lower() == "post":
                self.found.append(self._open)
        elif tag == "input" and self._open is not None and said.get("name"):
            name, value = said["name"], said.get("value", "")
            kind = said.get("type", "text").lower()
            if kind == "radio":
                self._open.choices.setdefault(name, []).append(value)
            if kind == "checkbox":
                self._open.boxes[name] = value
            if kind not in ("radio", "checkbox", "submit") or "checked" in said:
                self._open.values[name] = value

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._open = None
