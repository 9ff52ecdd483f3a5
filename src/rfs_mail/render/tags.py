"""
Jinja tags kept out of the way while text around them is changed.

Every `{{ }}` and `{% %}` becomes a mark of two private-use characters around a number, which Markdown, escaping and
wrapping leave alone; afterwards the marks become tags again. `{# #}` comments are dropped.
"""

import re
from dataclasses import dataclass, field
from typing import Final

OPEN: Final = "\ue000"
CLOSE: Final = "\ue001"

_STRING = r"\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'"
_TAG: Final = re.compile(
    r"(?P<raw>\{%[-+]?\s*raw\s*[-+]?%\}(?P<raw_text>.*?)\{%[-+]?\s*endraw\s*[-+]?%\})"
    r"|(?P<comment>\{#.*?#\})"
    rf"|(?P<print>\{{\{{(?:{_STRING}|[^\"'])*?\}}\}})"
    rf"|(?P<statement>\{{%[-+]?\s*(?P<word>\w+)(?:{_STRING}|[^\"'])*?%\}})",
    re.DOTALL,
)
_COMMENT_LINE: Final = re.compile(r"^[ \t]*(?:\{#(?:(?!#\}).)*?#\}[ \t]*)+(?:\n|\Z)", re.DOTALL | re.MULTILINE)
MARK: Final = re.compile(f"{OPEN}(\\d+){CLOSE}")
_ONLY_MARKS: Final = re.compile(rf"\s*(?:{OPEN}\d+{CLOSE}\s*)+\Z")
_BARE_BRACE: Final = re.compile(r"\{(?=[{%#]|\Z)")

_OPENERS: Final = {word: f"end{word}" for word in ("if", "for", "macro", "with", "call", "filter")}
_CLOSERS: Final = frozenset(_OPENERS.values())


@dataclass(frozen=True, slots=True)
class Tag:
    """
    One tag. `kind` is `print`, `statement` or `static` (the inside of a raw block); `word` is a statement's first word.

    `in_text` is what stands for it in a text part, where that differs from HTML.
    """

    source: str
    kind: str
    word: str = ""
    in_text: str | None = None

    @property
    def opens(self) -> bool:
        """Whether a closing statement must follow."""
        return self.kind == "statement" and self.word in _OPENERS

    @property
    def closes(self) -> bool:
        """Whether it ends what another statement opened."""
        return self.kind == "statement" and self.word in _CLOSERS

    @property
    def plain_source(self) -> str:
        """The tag without whitespace control, for statements that stand on a line of their own."""
        return re.sub(r"[-+](?=[%}]\}\Z)", "", re.sub(r"\A(\{[{%])[-+]", r"\1", self.source))


@dataclass(slots=True)
class Tags:
    """The tags of one mail, by number."""

    items: list[Tag] = field(default_factory=list)

    def add(self, tag: Tag) -> str:
        """The mark that stands for a tag."""
        self.items.append(tag)
        return f"{OPEN}{len(self.items) - 1}{CLOSE}"

    def protect(self, text: str) -> str:
        """The text with marks for tags, without comments."""

        def mark(match: re.Match[str]) -> str:
            if match["comment"] is not None:
                return ""
            if match["raw"] is not None:
                return self.add(Tag(match["raw_text"], "static"))
            if match["print"] is not None:
                return self.add(Tag(match["print"], "print"))
            return self.add(Tag(match["statement"], "statement", match["word"]))

        clean = text.replace(OPEN, "").replace(CLOSE, "")
        return _TAG.sub(mark, _COMMENT_LINE.sub("", clean))

    def html(self, text: str) -> str:
        """Protected text as HTML source: what is static is escaped, and the tags are back."""
        return self.html_tags(static_html(text))

    def text(self, text: str) -> str:
        """Protected text as the source of a text part: the tags are back."""
        return self.text_tags(static_text(text))

    def html_tags(self, markup: str) -> str:
        """Markup with its tags back."""

        def source(match: re.Match[str]) -> str:
            tag = self.items[int(match[1])]
            return static_html(tag.source) if tag.kind == "static" else tag.source

        return MARK.sub(source, markup)

    def text_tags(self, text: str) -> str:
        """The text with its tags back."""

        def source(match: re.Match[str]) -> str:
            tag = self.items[int(match[1])]
            if tag.kind == "static":
                return static_text(tag.source)
            return tag.source if tag.in_text is None else tag.in_text

        return MARK.sub(source, text)

    def of(self, text: str) -> list[Tag]:
        """The tags whose marks stand in a text, in order."""
        return [self.items[int(number)] for number in MARK.findall(text)]

    def only_statements(self, text: str) -> bool:
        """Whether a text is nothing but statements and blanks."""
        return _ONLY_MARKS.match(text) is not None and all(tag.kind == "statement" for tag in self.of(text))

    def plain_statements(self, text: str) -> str:
        """Statements alone, as tags without whitespace control."""
        return "".join(tag.plain_source for tag in self.of(text))


def static_html(text: str) -> str:
    """Static text in HTML: escaped, and with no brace that Jinja could read."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
    return _BARE_BRACE.sub("&#123;", text)


def static_text(text: str) -> str:
    """Static text in a text part or a subject, with no brace that Jinja could read."""
    return _BARE_BRACE.sub('{{ "{" }}', text)


def in_html(text: str) -> str:
    """Text with Jinja tags (a subject, a preheader) as it stands inside HTML: what is static is escaped."""
    tags = Tags()
    return tags.html(tags.protect(text))
