"""
The head of a template and the words of a layout: lines of `key: value`.

A flat, forgiving subset of YAML: every value is text, quoted or not, and may go on in indented lines. What reads here
without a finding reads the same as YAML, except that an unquoted value may begin with `{{` or hold `: `.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from rfs_mail.core.findings import Finding

_KEY: Final = re.compile(r"(?P<key>[A-Za-z_][\w.-]*)\s*:(?:\s+(?P<value>.*))?\Z")
_DOUBLE: Final = re.compile(r'"(?P<text>(?:\\.|[^"\\])*)"\s*(?:#.*)?\Z')
_SINGLE: Final = re.compile(r"'(?P<text>(?:''|[^'])*)'\s*(?:#.*)?\Z")
_ESCAPES: Final = {"n": "\n", "t": "\t", '"': '"', "\\": "\\", "/": "/"}


@dataclass(frozen=True, slots=True)
class Pair:
    """One value and where it begins, counted from 1 in its file."""

    text: str
    line: int
    column: int


@dataclass(slots=True)
class Head:
    """What the head of a file holds, what is wrong with it, and the rest of the file from `body_line` on."""

    pairs: dict[str, Pair] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    body: str = ""
    body_line: int = 1

    def get(self, key: str) -> str | None:
        """The text of a key, or `None`."""
        pair = self.pairs.get(key)
        return None if pair is None else pair.text


def read_template(path: str, text: str) -> Head:
    """A template with its head between two lines of `---`. Never raises; what is wrong is in `findings`."""
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
    if not lines or lines[0].rstrip() != "---":
        return Head(body="\n".join(lines))
    for end in range(1, len(lines)):
        if lines[end].rstrip() == "---":
            head = _pairs(path, lines[1:end], first_line=2)
            head.body = "\n".join(lines[end + 1 :])
            head.body_line = end + 2
            return head
    head = Head(body="", body_line=len(lines) + 1)
    head.findings.append(
        Finding(path, 1, 1, "error", "front-matter", "The head has no end. Write a line of --- after its last entry.")
    )
    return head


def read_words(path: str, text: str) -> Head:
    """A whole file of `key: value` lines."""
    return _pairs(path, text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n"), first_line=1)


def _pairs(path: str, lines: Sequence[str], first_line: int) -> Head:
    head = Head()

    def wrong(line: int, column: int, message: str) -> None:
        head.findings.append(Finding(path, line, column, "error", "front-matter", message))

    at = 0
    while at < len(lines):
        line, number = lines[at], first_line + at
        at += 1
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _KEY.match(line)
        if match is None:
            wrong(number, 1, "Not a line of the head. Write: key: value")
            continue
        value = (match["value"] or "").strip()
        column = match.start("value") + 1 if match["value"] is not None else len(line) + 1
        while at < len(lines) and lines[at][:1] in {" ", "\t"} and lines[at].strip():
            value = f"{value} {lines[at].strip()}".strip()
            at += 1
        key = match["key"]
        if key in head.pairs:
            wrong(number, 1, f"{key} stands here twice. Keep one.")
        if value in {"|", ">", "|-", ">-"} or re.match(r"[|>]-? ", value):
            value = value.lstrip("|>- ")
        plain = _unquoted(value)
        if plain is None:
            wrong(number, column, f'The quotes around {key} do not end, or text follows them. Write: {key}: "..."')
            continue
        if plain is value and re.search(r"\s#", value):
            wrong(number, column, f'A # after a blank begins a comment. Put quotes around it: {key}: "..."')
            continue
        head.pairs[key] = Pair(plain, number, column)
    return head


def _unquoted(value: str) -> str | None:
    """The text of a value as written, or `None` where its quotes are wrong."""
    if value.startswith('"'):
        match = _DOUBLE.match(value)
        return None if match is None else re.sub(r"\\(.)", lambda m: _ESCAPES.get(m[1], m[0]), match["text"])
    if value.startswith("'"):
        match = _SINGLE.match(value)
        return None if match is None else match["text"].replace("''", "'")
    return value
