"""A page as a reader without a screen sees it: title, heading, text, links, forms with their fields and labels."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin

import httpx

VOID = frozenset({"meta", "link", "input", "br", "img", "hr"})


@dataclass
class Field:
    """One input, select or textarea."""

    tag: str
    attributes: dict[str, str]
    value: str = ""
    in_legend: str = ""

    @property
    def name(self) -> str:
        return self.attributes.get("name", "")

    @property
    def kind(self) -> str:
        return self.attributes.get("type", self.tag)

    @property
    def sent(self) -> bool:
        """Would a browser send it as it stands?"""
        return self.kind not in ("radio", "checkbox") or "checked" in self.attributes


@dataclass
class Form:
    """One form: where it goes and what it holds."""

    attributes: dict[str, str]
    fields: list[Field] = field(default_factory=list)
    buttons: list[str] = field(default_factory=list)

    @property
    def values(self) -> dict[str, str]:
        """What a browser sends when the button is pressed at once."""
        return {one.name: one.value for one in self.fields if one.sent}


class Page(HTMLParser):
    """A parsed answer. Raises AssertionError where tags do not close in order."""

    def __init__(self, response: httpx.Response) -> None:
        super().__init__()
        self.response = response
        self.url = str(response.request.url)
        self.lang = ""
        self.title = ""
        self.headings: list[str] = []
        self.focused: list[str] = []
        self.labels: dict[str, str] = {}
        self.ids: list[str] = []
        self.links: dict[str, str] = {}
        self.forms: list[Form] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.pieces: list[str] = []
        self._open: list[tuple[str, dict[str, str]]] = []
        self._legend = ""
        self.feed(response.text)
        self.close()
        assert self._open == [], f"left open: {self._open}"

    @property
    def text(self) -> str:
        """All that can be read, as one line."""
        return " ".join(" ".join(self.pieces).split())

    @property
    def heading(self) -> str:
        (one,) = self.headings
        return one

    def press(self, number: int = 0, **changes: str | None) -> tuple[str, dict[str, str]]:
        """Where a form goes and what it sends, with some fields changed (None: not sent)."""
        form = self.forms[number]
        values = {**form.values, **changes}
        target = urljoin(self.url, form.attributes["action"]) if "action" in form.attributes else self.url
        return target, {name: value for name, value in values.items() if value is not None}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.tags.append((tag, found))
        if "id" in found:
            self.ids.append(found["id"])
        if "autofocus" in found:
            self.focused.append(tag)
        if tag == "html":
            self.lang = found.get("lang", "")
        if tag == "form":
            self.forms.append(Form(found))
        if tag == "fieldset":
            self._legend = ""
        if tag in ("input", "textarea", "select") and self.forms:
            self.forms[-1].fields.append(Field(tag, found, found.get("value", ""), self._legend))
        if tag == "option" and "selected" in found:
            self.forms[-1].fields[-1].value = found["value"]
        if tag == "h1":
            self.headings.append("")
        if tag == "button" and self.forms:
            self.forms[-1].buttons.append("")
        if tag not in VOID:
            self._open.append((tag, found))

    def handle_endtag(self, tag: str) -> None:
        assert self._open, f"</{tag}> closes nothing"
        opened, _ = self._open.pop()
        assert opened == tag, f"<{opened}> is closed by </{tag}>"

    def handle_data(self, data: str) -> None:
        inside = [tag for tag, _ in self._open]
        if "style" in inside:
            return
        if "title" in inside:
            self.title += data
            return
        self.pieces.append(data)
        if "h1" in inside:
            self.headings[-1] += data
        if "legend" in inside:
            self._legend += data
        if "textarea" in inside:
            self.forms[-1].fields[-1].value += data
        if "button" in inside:
            self.forms[-1].buttons[-1] += data
        for tag, found in self._open:
            if tag == "label":
                self.labels[found["for"]] = " ".join((self.labels.get(found["for"], "") + " " + data).split())
            if tag == "a":
                self.links[found["href"]] = self.links.get(found["href"], "") + data
