"""A mail's blocks as HTML and as text: one source, two bodies, the same tracked links in both."""

import re
from collections.abc import Sequence
from typing import Final

from rfs_mail.render.links import Links
from rfs_mail.render.markdown import Block, Inline
from rfs_mail.render.tags import MARK, Tag, Tags, static_html

WIDTH: Final = 76
"""Lines of a text part are folded here, never inside a word or an address."""

_PREFIX: Final = re.compile(r"(?:> ?|\s+|[-*] |\d{1,3}[.)] )*")


# --- HTML -------------------------------------------------------------------------------------------------------------


class HtmlWriter:
    """Blocks as HTML source. Classes only; the layout's style sheet says what they look like."""

    def __init__(self, tags: Tags, links: Links) -> None:
        self._tags = tags
        self._links = links

    def write(self, blocks: Sequence[Block]) -> str:
        """The blocks one below another, as Jinja source."""
        return self._tags.html_tags("".join(self._block(block) for block in blocks))

    def _block(self, block: Block) -> str:
        inside = self._inline(block.inline)
        match block.kind:
            case "statement":
                return self._tags.plain_statements(block.source)
            case "paragraph":
                return inside + "\n" if block.tight else f"<p>{inside}</p>\n"
            case "plain":
                return inside
            case "heading":
                return f"<h{block.level}>{inside}</h{block.level}>\n"
            case "buttons":
                return self._buttons(block.inline)
            case "quote":
                return f"<blockquote>\n{self._all(block)}</blockquote>\n"
            case "list":
                tag = "ul" if block.start is None else "ol"
                start = f' start="{block.start}"' if block.start not in {None, 1} else ""
                return f"<{tag}{start}>\n{self._all(block)}</{tag}>\n"
            case "item":
                return f"<li>{self._all(block).rstrip()}</li>\n"
            case "table":
                return self._table(block)
            case "row":
                return f"<tr>{self._all(block)}</tr>\n"
            case "cell":
                tag = "th" if block.header else "td"
                side = block.align or ("left" if block.header else "")
                align = f' align="{side}"' if side else ""
                return f"<{tag}{align}>{inside}</{tag}>"
            case "code":
                return f"<pre>{static_html(block.source)}</pre>\n"
            case _:
                return "<hr>\n"

    def _all(self, block: Block) -> str:
        return "".join(self._block(child) for child in block.children)

    def _table(self, table: Block) -> str:
        head = [row for row in table.children if any(cell.header for cell in row.children)]
        body = [row for row in table.children if row not in head]
        rows = "".join(map(self._block, body))
        return (
            f'<table class="data">\n<thead>\n{"".join(map(self._block, head))}</thead>\n'
            f"<tbody>\n{rows}</tbody>\n</table>\n"
        )

    def _inline(self, pieces: Sequence[Inline]) -> str:
        return "".join(self._piece(piece) for piece in pieces)

    def _piece(self, piece: Inline) -> str:
        inside = self._inline(piece.children)
        match piece.kind:
            case "text":
                return static_html(piece.text)
            case "newline":
                return "\n"
            case "break":
                return "<br>\n"
            case "em" | "strong":
                return f"<{piece.kind}>{inside}</{piece.kind}>"
            case "strike":
                return f"<s>{inside}</s>"
            case "code":
                return f"<code>{static_html(piece.text)}</code>"
            case "image":
                return f'<img src="{static_html(piece.target)}" alt="{static_html(piece.text)}">'
            case "button":
                return f'<a class="go" href="{self._href(piece)}">{inside}</a>'
            case _:
                return f'<a href="{self._href(piece)}">{inside or self._label(piece)}</a>'

    def _href(self, piece: Inline) -> str:
        if piece.kind == "answer":
            return f"{{{{ answer({piece.key}) }}}}"
        return static_html(self._links.mark(piece.target))

    def _label(self, piece: Inline) -> str:
        return f"{{{{ {piece.target} }}}}" if piece.kind == "answer" else ""

    def _buttons(self, pieces: Sequence[Inline]) -> str:
        """
        Buttons that also hold in Outlook: the colour is the cell's, the height is the link's border.

        Each is a table of its own, so that they wrap on a narrow screen and statements may stand between them.
        """
        written: list[str] = []
        for piece in pieces:
            if piece.kind == "text":
                written.append(self._tags.plain_statements(piece.text))
            elif piece.kind in {"button", "answer"}:
                label = self._inline(piece.children) or self._label(piece)
                written.append(
                    f'<table role="presentation" class="button" cellpadding="0" cellspacing="0"><tbody><tr><td>'
                    f'<a href="{self._href(piece)}">{label}</a></td></tr></tbody></table>\n'
                )
        return "".join(written)


# --- text -------------------------------------------------------------------------------------------------------------


class TextWriter:
    """Blocks as the source of a text part: one line a paragraph where tags stand in it, folded after rendering."""

    def __init__(self, tags: Tags, links: Links) -> None:
        self._tags = tags
        self._links = links

    def write(self, blocks: Sequence[Block]) -> str:
        """The blocks one below another, as Jinja source."""
        return self._tags.text(self._blocks(blocks))

    def _blocks(self, blocks: Sequence[Block], between: str = "\n\n") -> str:
        """Blocks with blank lines between them; statements stand directly before what they hold."""
        return "".join(
            self._again(block.source)
            if block.kind == "statement"
            else self._block(block) + ("" if block.kind == "plain" else between)
            for block in blocks
        )

    def _again(self, marks: str) -> str:
        """The same statements as marks without whitespace control."""
        return "".join(self._tags.add(Tag(tag.plain_source, tag.kind, tag.word)) for tag in self._tags.of(marks))

    def _block(self, block: Block) -> str:
        inside = self._inline(block.inline)
        match block.kind:
            case "heading":
                length = min(WIDTH, len(MARK.sub("12345678", inside)))
                return f"{inside}\n{('=' if block.level == 1 else '-') * length}"
            case "buttons":
                return self._buttons(block.inline)
            case "quote":
                return _prefixed(self._blocks(block.children).rstrip("\n"), "> ", "> ")
            case "list":
                return self._list(block)
            case "table":
                return self._blocks(block.children, between="\n").rstrip("\n")
            case "row":
                return " | ".join(self._inline(cell.inline) for cell in block.children)
            case "code":
                return _prefixed(block.source.rstrip("\n"), "    ", "    ")
            case "rule":
                return "-" * 20
            case _:
                return inside  # the finished text is folded, once, when the list's own indent is known

    def _list(self, block: Block) -> str:
        count = _Count(block.start)
        written: list[str] = []
        for item in block.children:
            if item.kind == "statement":
                written.append(self._again(item.source))
                for tag in self._tags.of(item.source):
                    count.pass_statement(tag)
                continue
            bullet = count.next_bullet(self._tags)
            tight = all(child.tight or child.kind in {"list", "statement"} for child in item.children)
            inside = self._blocks(item.children, between="\n" if tight else "\n\n").rstrip("\n")
            written.append(_prefixed(inside, bullet, " " * len(MARK.sub("1", bullet))) + "\n")
        return "".join(written).rstrip("\n")

    def _inline(self, pieces: Sequence[Inline]) -> str:
        return "".join(self._piece(piece) for piece in pieces)

    def _piece(self, piece: Inline) -> str:
        inside = self._inline(piece.children)
        match piece.kind:
            case "text" | "code":
                return piece.text
            case "newline":
                return " "
            case "break":
                return "\n"
            case "image":
                return f"[{piece.text}]" if piece.text else ""
            case "link":
                return self._link(inside, piece.target)
            case "button":
                return f"{inside}: {self._links.mark(piece.target)}"
            case "answer":
                return piece.text
            case _:
                return inside

    def _link(self, inside: str, target: str) -> str:
        """`text (address)`, or the address alone where the text is the address."""
        address = self._links.mark(target)
        if inside.strip() in {"", target, target.removeprefix("mailto:"), target.removeprefix("tel:")}:
            return inside.strip() if not target.startswith("http") and inside.strip() else address
        if target.startswith("#"):
            return inside
        return f"{inside} ({address.removeprefix('mailto:').removeprefix('tel:')})"

    def _buttons(self, pieces: Sequence[Inline]) -> str:
        written: list[str] = []
        for piece in pieces:
            if piece.kind == "text":
                written.append(self._again(piece.text))
            elif piece.kind in {"button", "answer"}:
                written.append(self._piece(piece) + "\n")
        return "".join(written).rstrip("\n")


class _Count:
    """The numbers of a list's items: the arms of a condition count alike, a loop counts its turns."""

    def __init__(self, start: int | None) -> None:
        self._number = start
        self._open: list[tuple[str, int | None]] = []

    def pass_statement(self, tag: Tag) -> None:
        """Note a statement between two items."""
        if tag.opens:
            self._open.append((tag.word, self._number))
        elif tag.word in {"else", "elif"} and self._open:
            self._number = self._open[-1][1]
        elif tag.closes and self._open:
            self._open.pop()

    def next_bullet(self, tags: Tags) -> str:
        """`- `, or the next number."""
        number = self._number
        if number is None:
            return "- "
        self._number = number + 1
        if self._open and self._open[-1][0] == "for":
            return tags.add(Tag(f"{{{{ loop.index0 + {number} }}}}", "print")) + ". "
        return f"{number}. "


def _prefixed(text: str, first: str, rest: str) -> str:
    return first + text.replace("\n", f"\n{rest}")


def fold(text: str) -> str:
    """
    The text with no line over 76 characters, except where one word (an address) is longer.

    A line that begins as a list item or a quotation goes on under its own text.
    """
    if len(text) <= WIDTH:
        return text
    return "\n".join(line if len(line) <= WIDTH else _folded(line) for line in text.split("\n"))


def _folded(line: str) -> str:
    prefix = _PREFIX.match(line)
    first = prefix[0] if prefix is not None and len(prefix[0]) <= WIDTH // 2 else ""
    rest = re.sub(r"[^>]", " ", first)
    lines: list[str] = []
    begin = len(first)
    while len(line) > WIDTH:
        cut = line.rfind(" ", begin, WIDTH + 1)
        if cut <= begin:
            cut = line.find(" ", WIDTH)
            if cut == -1:
                break
        lines.append(line[:cut].rstrip())
        line = rest + line[cut + 1 :].lstrip(" ")
    return "\n".join([*lines, line])


def finished_text(text: str) -> str:
    """A rendered text part: folded, one blank line at a time at most, none at the end, no blanks at line ends."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    while " \n" in text:
        text = text.replace(" \n", "\n")
    while "\n\n\n" in text:
        text = text.replace("\n\n\n", "\n\n")
    return fold(text).strip() + "\n"
