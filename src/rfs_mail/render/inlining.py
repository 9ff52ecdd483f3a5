"""
CSS moved from the style sheet into the elements, because many mail clients drop style sheets.

Where it is certain to give the same result, it is done once on the template, with its tags set aside; otherwise after
every rendering. It is certain when no selector looks at neighbours or counts children, no tag stands inside an HTML
tag outside an attribute's value or in a class, id or style, and every statement closes in the element it opened in.
"""

import re
from html.parser import HTMLParser
from typing import Final

from css_inline import CSSInliner

from rfs_mail.render.tags import CLOSE, MARK, OPEN, Tags

_INLINER: Final = CSSInliner(load_remote_stylesheets=False, keep_at_rules=True, keep_style_tags=False)
_STYLE: Final = re.compile(r"<style\b[^>]*>(?P<css>.*?)</style\s*>", re.DOTALL | re.IGNORECASE)
# The inliner puts what is left of the style sheet before everything else, where it pushes the character set down.
_STYLE_FIRST: Final = re.compile(r"(<head>)(<style>.*?</style>)(.*?)(</head>)", re.DOTALL)
_COUNTING: Final = re.compile(r":(?:first|last|only|nth|empty|not|has|is|where|root)\b|[+~]|\[", re.IGNORECASE)
_PIECE: Final = re.compile(
    r"(?P<comment><!--.*?-->)"
    r"|(?P<opaque><(?P<name>style|script|textarea|title)\b.*?</(?P=name)\s*>)"
    r"|(?P<tag></?[a-z!](?:\"[^\"]*\"|'[^']*'|[^\"'>])*>)",
    re.DOTALL | re.IGNORECASE,
)
_ATTRIBUTE: Final = re.compile(r"([^\s=\"'<>/]+)\s*=\s*(\"[^\"]*\"|'[^']*')")
_TAG_LIKE: Final = re.compile(r"\{(?=[{%#])")
_COMMENTED_MARK: Final = re.compile(f"<!--({OPEN}\\d+{CLOSE})-->")
_VOID: Final = frozenset({"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"})


def inline(html: str) -> str:
    """A finished HTML document with its style sheet moved into the elements. Reads nothing but its argument."""
    return _STYLE_FIRST.sub(r"\1\3\2\4", _INLINER.inline(html), count=1)


def has_rules(html: str) -> bool:
    """Whether a document has style rules to move (`@media` and the like stay in the style sheet)."""
    return any(_without_at_rules(style["css"]).strip() for style in _STYLE.finditer(html))


def _without_at_rules(css: str) -> str:
    css = re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL)
    kept: list[str] = []
    at = 0
    while (start := css.find("@", at)) != -1:
        kept.append(css[at:start])
        brace, end = css.find("{", start), css.find(";", start)
        if end != -1 and (brace == -1 or end < brace):
            at = end + 1
            continue
        depth, at = 0, len(css) if brace == -1 else brace
        while at < len(css):
            depth += (css[at] == "{") - (css[at] == "}")
            at += 1
            if depth == 0:
                break
    return "".join([*kept, css[at:]])


def inline_template(html: str) -> str:
    """A template with its style sheet moved, or unchanged where that is better done after rendering."""
    tags = Tags()
    protected = tags.protect(html)
    if not has_rules(protected):
        return html
    if any(_COUNTING.search(_selectors(style["css"])) for style in _STYLE.finditer(protected)):
        return html
    skeleton = _skeleton(protected)
    if skeleton is None:
        return html
    inlined = inline(skeleton)
    if MARK.findall(inlined) != MARK.findall(protected) or not _nests(inlined, tags):
        return html
    # The inliner writes the escaped braces of the text as braces; they must not be read as tags.
    return tags.html_tags(_TAG_LIKE.sub("&#123;", _COMMENTED_MARK.sub(r"\1", inlined)))


def _selectors(css: str) -> str:
    """The selectors of a style sheet, without what stands in braces."""
    return re.sub(r"\{[^{}]*\}", "", _without_at_rules(css))


def _skeleton(protected: str) -> str | None:
    """The document with its marks where an HTML parser leaves them alone, or `None` where there is no such place."""
    written: list[str] = []
    after = 0
    for piece in _PIECE.finditer(protected):
        written.append(_in_comments(protected[after : piece.start()]))
        after = piece.end()
        if MARK.search(piece[0]) and not _keeps_marks(piece):
            return None
        written.append(piece[0])
    written.append(_in_comments(protected[after:]))
    return "".join(written)


def _in_comments(text: str) -> str:
    return MARK.sub(lambda mark: f"<!--{mark[0]}-->", text)


def _keeps_marks(piece: re.Match[str]) -> bool:
    if piece["tag"] is None:
        return (piece["name"] or "").lower() == "title"
    for attribute in _ATTRIBUTE.finditer(piece["tag"]):
        if attribute[1].lower() in {"class", "id", "style"} and MARK.search(attribute[2]):
            return False
    return not MARK.search(_ATTRIBUTE.sub("", piece["tag"]))


class _Nesting(HTMLParser):
    """Notes in which element each statement stands."""

    def __init__(self, tags: Tags) -> None:
        super().__init__()
        self._tags = tags
        self._path: list[int] = [0]
        self._names: list[str] = [""]
        self._elements = 0
        self._open: list[int] = []
        self.sound = True

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _VOID:
            self._elements += 1
            self._path.append(self._elements)
            self._names.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self._names:
            while self._names.pop() != tag:
                self._path.pop()
            self._path.pop()

    def handle_comment(self, data: str) -> None:
        for tag in self._tags.of(data):
            if tag.opens:
                self._open.append(self._path[-1])
            elif tag.word in {"else", "elif"}:
                self.sound &= bool(self._open) and self._open[-1] == self._path[-1]
            elif tag.closes:
                self.sound &= bool(self._open) and self._open.pop() == self._path[-1]


def _nests(inlined: str, tags: Tags) -> bool:
    parser = _Nesting(tags)
    parser.feed(inlined)
    parser.close()
    return parser.sound
