"""
Markdown with Jinja tags, read into a small tree that can be written as HTML and as text.

A line that holds nothing but statements (`{% if %}`, `{% endfor %}`) is no paragraph: it becomes a block of its own,
between paragraphs, list items or table rows. Raw HTML in Markdown is text.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.common.normalize_url import normalizeLink
from markdown_it.rules_block import StateBlock
from markdown_it.token import Token
from mdurl import encode

from rfs_mail.render.tags import CLOSE, MARK, OPEN, Tags

_DELIMITERS: Final = re.compile(r"[-:|\s]*-[-:|\s]*")
_UNSAFE_SCHEME: Final = re.compile(r"\s*(javascript|vbscript|data|file):", re.IGNORECASE)
_BUTTON: Final = re.compile(r"\s*button:\s*", re.IGNORECASE)
_ANSWER: Final = re.compile(
    r"\{\{-?\s*answer\(\s*(?P<key>\"[^\"]*\"|'[^']*')\s*,\s*(?P<label>.+?)\s*\)\s*-?\}\}\Z", re.DOTALL
)


@dataclass(slots=True)
class Block:
    """
    One block of a mail.

    `kind`: paragraph heading list item quote table row cell code rule buttons statement. `inline` is its text,
    `level` of a heading, `start` of an ordered list (`None`: bullets), `align` of a cell; `source` is the text of code
    and the tags of a statement.
    """

    kind: str
    children: list["Block"] = field(default_factory=list)
    inline: "list[Inline]" = field(default_factory=list)
    level: int = 0
    start: int | None = None
    tight: bool = False
    align: str = ""
    header: bool = False
    source: str = ""


@dataclass(slots=True)
class Inline:
    """One piece of running text: text break newline em strong strike code link button image answer."""

    kind: str
    text: str = ""
    children: "list[Inline]" = field(default_factory=list)
    target: str = ""
    key: str = ""


def read_markdown(text: str, tags: Tags) -> list[Block]:
    """The blocks of a Markdown text whose tags are protected by `tags`."""
    stream = _parser(tags).parse(text)
    blocks, _ = _blocks(stream, 0, tags)
    return _tidy(blocks, tags)


def _parser(tags: Tags) -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"]).disable(["code"])
    parser.normalizeLink = _normal_target  # type: ignore[method-assign, assignment]
    parser.validateLink = _allowed_target  # type: ignore[method-assign, assignment]

    def statement(state: StateBlock, start: int, end: int, silent: bool) -> bool:
        line = state.src[state.bMarks[start] + state.tShift[start] : state.eMarks[start]]
        if not line.startswith(OPEN) or not tags.only_statements(line):
            return False
        if silent:
            return state.parentType != "table" or not _goes_on(state, tags, start, end)
        token = state.push("statement", "", 0)
        token.content = line
        state.line = start + 1
        return True

    interrupts = ["paragraph", "reference", "blockquote", "list"]
    parser.block.ruler.before("table", "statement", statement, {"alt": interrupts})
    return parser


def _goes_on(state: StateBlock, tags: Tags, start: int, end: int) -> bool:
    """
    Whether a table goes on at a line of statements.

    It does where they close what was opened among its rows, and where they open something that closes after more rows.
    """
    depth = 0
    for line in _table_above(state, start):
        depth += sum(tag.opens - tag.closes for tag in tags.of(line))
    for number in range(start, end):
        line = _line(state, number)
        found = tags.of(line) if tags.only_statements(line) else []
        if not found and ("|" not in line or _DELIMITERS.fullmatch(line)):
            return False
        for tag in found:
            depth += tag.opens - tag.closes
            if depth < 0 or (depth == 0 and tag.word in {"else", "elif"}):
                return False
        if found and depth == 0:
            return True
    return False


def _table_above(state: StateBlock, start: int) -> list[str]:
    """The rows of the table above a line."""
    rows: list[str] = []
    for number in range(start - 1, -1, -1):
        line = _line(state, number)
        if _DELIMITERS.fullmatch(line):
            break
        rows.append(line)
    return [row for row in reversed(rows) if OPEN in row and "|" not in row]


def _line(state: StateBlock, number: int) -> str:
    return state.src[state.bMarks[number] + state.tShift[number] : state.eMarks[number]].strip()


def _normal_target(target: str) -> str:
    """A link target, percent-encoded where it is static."""
    if not MARK.search(target):
        return normalizeLink(target)
    parts = re.split(f"({MARK.pattern.replace('(', '(?:')})", target)
    return "".join(part if MARK.fullmatch(part) else encode(part) for part in parts)


def _allowed_target(target: str) -> bool:
    return not _UNSAFE_SCHEME.match(target)


_CONTAINERS: Final = {
    "bullet_list": "list",
    "ordered_list": "list",
    "list_item": "item",
    "blockquote": "quote",
    "table": "table",
    "thead": "",
    "tbody": "",
    "tr": "row",
}
_LEAVES: Final = {"paragraph": "paragraph", "heading": "heading", "th": "cell", "td": "cell"}


def _blocks(stream: Sequence[Token], at: int, tags: Tags) -> tuple[list[Block], int]:
    """The blocks from a place in the token stream up to the end of their container, and the place after it."""
    blocks: list[Block] = []
    while at < len(stream):
        token = stream[at]
        name = token.type.removesuffix("_open")
        if token.nesting == -1:
            return blocks, at + 1
        if token.type == "statement":
            blocks.append(Block("statement", source=token.content))
            at += 1
        elif token.type in {"fence", "code_block"}:
            blocks.append(Block("code", source=token.content))
            at += 1
        elif token.type == "hr":
            blocks.append(Block("rule"))
            at += 1
        elif name in _LEAVES:
            block = Block(_LEAVES[name], inline=_inline(stream[at + 1].children or [], tags))
            block.level = int(token.tag[1:]) if name == "heading" else 0
            block.tight = token.hidden
            block.header = name == "th"
            block.align = str(token.attrs.get("style", "")).removeprefix("text-align:")
            blocks.append(block)
            at += 3
        else:
            inner, at = _blocks(stream, at + 1, tags)
            kind = _CONTAINERS[name]
            if not kind:
                blocks.extend(inner)
                continue
            block = Block(kind, children=inner)
            if name == "ordered_list":
                block.start = int(token.attrs.get("start", 1))
            blocks.append(block)
    return blocks, at


_WRAPPERS: Final = {"em": "em", "strong": "strong", "s": "strike", "link": "link"}


def _inline(tokens: Iterable[Token], tags: Tags) -> list[Inline]:
    """Running text as a tree."""
    stack: list[list[Inline]] = [[]]
    for token in tokens:
        name = token.type.removesuffix("_open").removesuffix("_close")
        if name in _WRAPPERS:
            if token.nesting == 1:
                opened = Inline(_WRAPPERS[name], target=str(token.attrs.get("href", "")))
                stack[-1].append(opened)
                stack.append(opened.children)
            else:
                stack.pop()
                closed = stack[-1][-1]
                if closed.kind == "link":
                    _make_button(closed)
        elif token.type == "softbreak":
            stack[-1].append(Inline("newline"))
        elif token.type == "hardbreak":
            stack[-1].append(Inline("break"))
        elif token.type == "code_inline":
            stack[-1].append(Inline("code", token.content))
        elif token.type == "image":
            stack[-1].append(Inline("image", token.content, target=str(token.attrs.get("src", ""))))
        elif token.content:
            stack[-1].extend(_split_answers(token.content, tags))
    return stack[0]


def _make_button(link: Inline) -> None:
    first = link.children[0] if link.children else None
    if first is not None and first.kind == "text" and (match := _BUTTON.match(first.text)):
        link.kind = "button"
        first.text = first.text[match.end() :]


def _split_answers(text: str, tags: Tags) -> list[Inline]:
    """Running text with the `answer(...)` tags of it as pieces of their own."""
    pieces: list[Inline] = []
    after = 0
    for mark in MARK.finditer(text):
        tag = tags.items[int(mark[1])]
        call = _ANSWER.match(tag.source) if tag.kind == "print" else None
        if call is None:
            continue
        if text[after : mark.start()]:
            pieces.append(Inline("text", text[after : mark.start()]))
        pieces.append(Inline("answer", mark[0], key=call["key"], target=call["label"]))
        after = mark.end()
    if text[after:]:
        pieces.append(Inline("text", text[after:]))
    return pieces


def _tidy(blocks: list[Block], tags: Tags) -> list[Block]:
    """Statements put where HTML wants them: around paragraphs, inside lists, between rows."""
    for before, block, after in zip([None, *blocks], blocks, [*blocks[1:], None], strict=False):
        block.children = _tidy(block.children, tags)
        if block.kind == "paragraph" and _word(before, tags) == "macro" and _word(after, tags) == "endmacro":
            block.kind = "plain"
    tidied: list[Block] = []
    for block in blocks:
        if block.kind == "row" and (lone := _lone_statement(block, tags)):
            tidied.append(lone)
        elif block.kind == "paragraph" and _only_buttons(block.inline, tags):
            tidied.append(Block("buttons", inline=block.inline))
        elif block.kind == "paragraph" and _only_macros(block.inline, tags):
            tidied.append(Block("plain", inline=block.inline))
        elif block.kind == "paragraph":
            tidied.extend(_unwrapped(block, tags))
        else:
            tidied.append(block)
    return _joined_lists(tidied, tags)


def _word(block: Block | None, tags: Tags) -> str:
    """The word of a block that is one statement."""
    found = tags.of(block.source) if block is not None and block.kind == "statement" else []
    return found[0].word if len(found) == 1 else ""


def _lone_statement(row: Block, tags: Tags) -> Block | None:
    """The statement that a table row consists of, if it does."""
    texts = ["".join(piece.text for piece in cell.inline) for cell in row.children]
    if any(piece.kind != "text" for cell in row.children for piece in cell.inline):
        return None
    told = [text for text in texts if text.strip()]
    return Block("statement", source=told[0]) if len(told) == 1 and tags.only_statements(told[0]) else None


def _only_buttons(inline: Sequence[Inline], tags: Tags) -> bool:
    """Whether a paragraph is nothing but buttons and answers, with statements and blanks between them."""
    if not any(piece.kind in {"button", "answer"} for piece in inline):
        return False
    for piece in inline:
        if piece.kind in {"button", "answer", "newline", "break"}:
            continue
        if piece.kind != "text" or (piece.text.strip() and not tags.only_statements(piece.text)):
            return False
    return True


def _only_macros(inline: Sequence[Inline], tags: Tags) -> bool:
    """Whether a paragraph is nothing but macros on one line each, which print nothing where they stand."""
    depth, found = 0, False
    for piece in inline:
        shown = piece.kind not in {"text", "newline"}
        for part in re.split(f"({OPEN}[^{CLOSE}]*{CLOSE})", piece.text):
            tag = next(iter(tags.of(part)), None)
            if tag is not None and tag.word in {"macro", "endmacro"}:
                depth += tag.opens - tag.closes
                found = True
            elif part.strip():
                shown = True
            if shown and depth == 0:
                return False
            shown = False
    return found


def _unwrapped(paragraph: Block, tags: Tags) -> list[Block]:
    """A paragraph that one statement holds from end to end: the statement goes around it, so that none stays empty."""
    inline = paragraph.inline
    if not inline or inline[0].kind != "text" or inline[-1].kind != "text":
        return [paragraph]
    head = re.match(rf"\s*({MARK.pattern})", inline[0].text)
    tail = re.search(rf"({MARK.pattern})\s*\Z", inline[-1].text)
    if head is None or tail is None or (inline[0] is inline[-1] and head.start(1) == tail.start(1)):
        return [paragraph]
    inside = [tag for piece in _walk(inline) for tag in tags.of(piece.text) if tag.kind == "statement"]
    if not inside or not inside[0].opens or not inside[-1].closes or tags.of(head[1])[0] is not inside[0]:
        return [paragraph]
    depth = 0
    for place, tag in enumerate(inside):
        depth += tag.opens - tag.closes
        if depth == 0 and place < len(inside) - 1:
            return [paragraph]
        if depth == 1 and tag.word in {"else", "elif"}:
            return [paragraph]
    before, after = Block("statement", source=head[1]), Block("statement", source=tail[1])
    inline[-1].text = inline[-1].text[: tail.start(1)]
    inline[0].text = inline[0].text[head.end(1) :]
    return [before, paragraph, after]


def _walk(inline: Iterable[Inline]) -> Iterable[Inline]:
    for piece in inline:
        yield piece
        yield from _walk(piece.children)


def _joined_lists(blocks: list[Block], tags: Tags) -> list[Block]:
    """
    Lists with statements between their items become one list.

    `- a`, `{% if x %}`, `- b`, `{% endif %}` is one list with a conditional item; a list that is all inside a loop
    takes the loop into itself. Only where the statements still nest well inside the list.
    """
    joined: list[Block] = []
    at = 0
    while at < len(blocks):
        run = _run_of_lists(blocks, at)
        merged = _merge(blocks[at : at + run], tags) if run else None
        if merged is None:
            joined.append(blocks[at])
            at += 1
        else:
            joined.extend(merged)
            at += run
    return joined


def _run_of_lists(blocks: Sequence[Block], at: int) -> int:
    """How many blocks from here on are statements or lists of one sort."""
    first: Block | None = None
    length = 0
    for block in blocks[at:]:
        if block.kind == "list":
            if first is not None and (first.start is None) != (block.start is None):
                break
            first = first or block
        elif block.kind != "statement":
            break
        length += 1
    return length if first is not None else 0


def _merge(run: list[Block], tags: Tags) -> list[Block] | None:
    """A run of statements and lists with its lists joined, or `None` where that would tear statements apart."""
    places = [place for place, block in enumerate(run) if block.kind == "list"]
    first, last = places[0], places[-1]
    if first == last and not (
        0 < first < len(run) - 1
        and tags.of(run[first - 1].source)[-1].word == "for"
        and tags.of(run[last + 1].source)[0].word == "endfor"
    ):
        return None
    if first == last:
        first, last = first - 1, last + 1
    while True:
        opened, unclosed = _balance(run[first : last + 1], tags)
        if opened == 0 and unclosed == 0:
            break
        if opened and first > 0:
            first -= 1
        elif unclosed and last < len(run) - 1:
            last += 1
        else:
            return None
    whole = Block("list", start=next(block.start for block in run if block.kind == "list"))
    for block in run[first : last + 1]:
        whole.children.extend(block.children if block.kind == "list" else [block])
    return [*run[:first], whole, *run[last + 1 :]]


def _balance(run: Iterable[Block], tags: Tags) -> tuple[int, int]:
    """How many statements close something opened before the run, and how many stay open after it."""
    missing = depth = 0
    for block in run:
        for tag in tags.of(block.source) if block.kind == "statement" else ():
            if tag.word in {"else", "elif"} and depth == 0:
                missing, depth = missing + 1, depth + 1
            depth += tag.opens - tag.closes
            if depth < 0:
                missing, depth = missing + 1, 0
    return missing, depth
