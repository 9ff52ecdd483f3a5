"""
What the YAML parser stumbled over, in the words of somebody who writes campaigns.

Where putting quotes around a value mends it, that is given too, for `check --fix`.
"""

import re
from dataclasses import dataclass
from typing import Final

import yaml

from rfs_mail.campaign_files.nodes import SourceFile

_KEY = re.compile(r"""^\s*(?:- +)*(?P<key>[A-Za-z_][\w. -]*?): +(?P<value>\S.*?)\s*$""")
_ITEM = re.compile(r"""^\s*- +(?P<value>["'].*?)\s*$""")
_EXPRESSION_KEYS: Final = ("when", "wait_for", "while", "goal", "audience", "exclude", "exit", "require", "where")
_OWN_LINE: Final = "Put the expression on a line of its own"


@dataclass(frozen=True, slots=True)
class Edit:
    """New text for the characters from `start` up to and without `end`."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Blame:
    """The character that is to blame, a sentence with what to write, and the edit that does it, where one does."""

    index: int
    message: str
    edit: Edit | None = None


def in_plain_words(file: SourceFile, error: yaml.MarkedYAMLError) -> Blame:
    """What is wrong, and what to do about it."""
    index, message = _blame(file, error)
    return Blame(index, message, _mended(file, error, index))


def _mended(file: SourceFile, error: yaml.MarkedYAMLError, index: int) -> Edit | None:
    """Quotes around the value that was meant, or `not` for an exclamation mark."""
    if file.text[index : index + 1] == "!" and re.match(r"![A-Za-z_(]", file.text[index : index + 2]):
        return Edit(index, index + 1, "not ")
    number, _column = file.place(index)
    line = file.line(number)
    begun = file.starts[number - 1]
    if (error.context or "").startswith("while parsing a flow"):
        opened = error.context_mark.index if error.context_mark else index
        for key in reversed(_flow_keys(file.text[opened:index])):
            value = _value_from(file, opened, index, key)
            start = file.text.find(value, file.text.rfind(f"{key}:", opened, index)) if value else -1
            return Edit(start, start + len(value), _in_quotes(value)) if start >= 0 else None
        return None
    found = _KEY.match(line) or _ITEM.match(line)
    if found is None or "\t" in line:
        return None
    if found["value"][0] in "\"'" and found.groupdict().get("key", "when") not in _EXPRESSION_KEYS:
        return None  # the quotes may be part of the text, or end too early
    value = re.sub(r"\s+#.*\Z", "", found["value"])
    if '"' not in found["value"].split("#")[0] and "'" in value:
        return None
    start = begun + found.start("value")
    return Edit(start, start + len(value), _in_quotes(value)) if start <= index < start + len(value) else None


def _in_quotes(value: str) -> str:
    if '"' not in value and "\\" not in value:
        return f'"{value}"'
    return "'" + value.replace("'", "''") + "'"


def _flow_keys(piece: str) -> list[str]:
    return [key for key in re.findall(r"[{,]\s*(\w+):", piece) if key in _EXPRESSION_KEYS]


def _blame(file: SourceFile, error: yaml.MarkedYAMLError) -> tuple[int, str]:
    problem = error.problem or "this is not YAML"
    mark = error.problem_mark or error.context_mark
    index = min(mark.index, len(file.text)) if mark else 0
    line_number, column = file.place(index)
    line = file.line(line_number)
    begun = error.context_mark.index if error.context_mark else index

    if "'\\t'" in problem or "tab" in problem:
        return index, "a tab stands here. YAML indents with blanks: two for each level."
    if "quoted scalar" in (error.context or ""):
        if "unknown escape" in problem:
            return index, r'a backslash inside "..." has a meaning of its own. Use single quotes, or write \\.'
        if "end of stream" in problem or "document separator" in problem:
            quote = file.text[begun : begun + 1]
            return begun, f"the quote {quote} that opens here is never closed."
        return index, "the text between the quotes cannot be read here."
    if "found character" in problem:
        char = file.text[index : index + 1]
        return index, f"a value cannot begin with {char}. {_quote_it(line)}"
    if (error.context or "") == "while scanning a block scalar":
        return begun, f'a value cannot begin with "{file.text[begun : begun + 1]}". {_quote_it(line)}'
    if error.context in ("while scanning a tag", "while parsing a node") and file.text[begun : begun + 1] == "!":
        rest = file.text[begun + 1 :].splitlines()[0].strip() if begun + 1 < len(file.text) else ""
        return begun, f'"!" negates nothing here. Write: not {rest}' if rest else '"!" means nothing here.'
    if error.context in ("while scanning an anchor", "while scanning an alias"):
        return begun, f'a value cannot begin with "{file.text[begun : begun + 1]}". {_quote_it(line)}'
    if "mapping values are not allowed" in problem:
        return index, _colon(file, line_number, column, line)
    if "sequence entries are not allowed" in problem:
        return index, 'a list begins on a line of its own: a "-" cannot follow "key: ".'
    if (error.context or "").startswith("while parsing a flow"):
        return _flow(file, begun, index, line)
    quoted = _after_quote(file, index, line)
    if quoted:
        return index, quoted
    if "expected ':'" in problem:
        line_number, _column = file.place(begun)
        return begun, f'a ":" is missing: "{_short(file.line(line_number).strip())}" is neither a key nor a list entry.'
    if "document start" in problem:
        if file.text[index : index + 1] in "]}":
            return index, "there is one closing bracket too many."
        return index, "this cannot stand here: it belongs to nothing above it."
    if "found ']'" in problem or "found '}'" in problem or "found ','" in problem:
        return (
            index,
            f"{file.text[index : index + 1]} closes or parts nothing here. Take it out, or quote the value.",
        )
    if problem.startswith("expected <block end>"):
        return index, _indentation(file, line_number, line)
    return index, f"this cannot be read as YAML: {problem}."


def _colon(file: SourceFile, line_number: int, column: int, line: str) -> str:
    before = line[: column - 1]
    found = _KEY.match(line)
    if found and ": " in before and found.start("value") < column - 1:
        key, value = found["key"], found["value"]
        return f'": " cannot stand inside a value. Put quotes around it: {key}: {_quoted(value)}'
    above = next((file.line(n) for n in range(line_number - 1, 0, -1) if file.line(n).strip()), "").strip()
    if above and not above.endswith(":") and ": " not in above:
        return f'a ":" is missing on the line above: {above}:'
    return "this line is further in than the one above. Give both the same number of blanks before them."


def _flow(file: SourceFile, begun: int, index: int, line: str) -> tuple[int, str]:
    """Inside { } or [ ]."""
    bracket = file.text[begun : begun + 1]
    closing = "}" if bracket == "{" else "]"
    piece = file.text[begun:index]
    keys = _flow_keys(piece)
    if keys:
        value = _value_from(file, begun, index, keys[-1]) or "..."
        line_of_its_own = f'"{keys[-1]}: {_short(value)}"'
        if "key" in re.findall(r"[{,]\s*(\w+):", piece):
            line_of_its_own = f'"- key: ..." on one line; below it, further in, {line_of_its_own}'
        return index, f'inside {{ }} a value ends at a comma, a bracket or ": ". {_OWN_LINE}: {line_of_its_own}.'
    if index >= len(file.text.rstrip()):
        return begun, f"the {bracket} that opens here is never closed. Add {closing}"
    return (
        index,
        f"inside {bracket} {closing} a comma is missing before this, or the value needs quotes: {_short(line.strip())}",
    )


def _value_from(file: SourceFile, begun: int, index: int, key: str) -> str:
    """The expression that was meant, as far as it can be seen on its line."""
    at = file.text.rfind(f"{key}:", begun, index)
    rest = file.text[at + len(key) + 1 :].splitlines()[0] if at >= 0 else ""
    depth, quote = 0, ""
    for place, char in enumerate(rest):
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        elif char in "([{":
            depth += 1
        elif char in ")]}":
            if not depth:
                return rest[:place].strip()
            depth -= 1
        elif char == "," and not depth:
            return rest[:place].strip()
    return "" if depth or quote else rest.strip()


def _after_quote(file: SourceFile, index: int, line: str) -> str:
    """`when: "WI" in x`: YAML takes the quoted word for the whole value."""
    found = _KEY.match(line)
    item = _ITEM.match(line)
    value = found["value"] if found else item["value"] if item else ""
    if value[:1] not in ("'", '"'):
        return ""
    quote = value[0]
    end = value.find(quote, 1)
    if end < 0 or not value[end + 1 :].strip():
        return ""
    word = value[: end + 1]
    if quote == "'" and not re.match(r"\s*(==|!=|<|>|=|in\b|not\b|and\b|or\b|is\b|\|)", value[end + 1 :]):
        return f"YAML takes {word} for the whole value. Inside '...' an apostrophe is written twice: ''"
    if found and found["key"] not in _EXPRESSION_KEYS:
        return f"YAML takes {word} for the whole value and cannot read the rest. Put quotes around all of it."
    start = f"{found['key']}: >-" if found else "- >-"
    return (
        f"YAML takes {word} for the whole value. {_OWN_LINE}: "
        f'"{start}" here, and on the next line, further in, {_short(value)}'
    )


def _indentation(file: SourceFile, line_number: int, line: str) -> str:
    own = len(line) - len(line.lstrip(" "))
    above = next((n for n in range(line_number - 1, 0, -1) if _content(file.line(n))), 0)
    if above:
        deep = len(file.line(above)) - len(file.line(above).lstrip(" "))
        if deep == own:
            return 'list entries ("- ...") and keys ("key: ...") cannot stand side by side. Move one further in.'
        return (
            f"this line begins after {own} blanks and fits no level above it "
            f"(line {above} begins after {deep}). Line it up."
        )
    return "this line does not line up with those above it."


def _content(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


def _quote_it(line: str) -> str:
    found = _KEY.match(line)
    if found and not re.search(r"[\"'{\[]", found["value"]):
        return f"Put quotes around it: {found['key']}: {_quoted(found['value'])}"
    return "Put quotes around the value."


def _quoted(value: str) -> str:
    return _in_quotes(_short(value))


def _short(text: str) -> str:
    return text if len(text) <= 80 else text[:77] + "..."
