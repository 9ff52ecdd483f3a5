"""Reading the shapes of a document: what is wrong goes on a list, what is right goes on."""

import difflib
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

from rfs_mail.campaign_files.keys import WORD_FOR
from rfs_mail.campaign_files.nodes import Items, Node, Scalar, Table
from rfs_mail.core.findings import Finding, Severity
from rfs_mail.errors import TimeError

T = TypeVar("T")

Trail = tuple[str | int, ...]
"""The keys that lead to a value: (file, "steps", key, "at")."""

ID: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")


@dataclass(frozen=True, slots=True)
class Sources:
    """Where values stand in the files, by path; conditions, times and titles of tasks are what `check` reads on."""

    nodes: Mapping[Trail, Node] = field(default_factory=dict)
    expressions: Mapping[Trail, Scalar] = field(default_factory=dict)
    times: Mapping[Trail, Scalar] = field(default_factory=dict)
    titles: Mapping[Trail, Scalar] = field(default_factory=dict)

    def node(self, path: Trail) -> Node | None:
        """The node of a path, or of the nearest thing that holds it."""
        for length in range(len(path), 0, -1):
            found = self.nodes.get(path[:length])
            if found is not None:
                return found
        return None

    def finding(
        self, severity: Severity, code: str, message: str, path: Trail, *, line: int = 1, column: int = 1
    ) -> Finding:
        """A finding at a path. `line` and `column` count from 1 inside the value, where the path names one exactly."""
        node = self.node(path)
        if node is None:
            return Finding(str(path[0]) if path else "", 1, 1, severity, code, one_line(message))
        inside = isinstance(node, Scalar) and self.nodes.get(path) is node
        place = node.spot(line, column) if inside and isinstance(node, Scalar) else node.place
        return Finding(node.file.path, *place, severity, code, one_line(message))


class Desk:
    """Collects the findings and the sources of documents as they are read."""

    def __init__(self) -> None:
        self.findings: list[Finding] = []
        self.nodes: dict[Trail, Node] = {}
        self.expressions: dict[Trail, Scalar] = {}
        self.times: dict[Trail, Scalar] = {}
        self.titles: dict[Trail, Scalar] = {}

    def sources(self) -> Sources:
        """What was noted so far."""
        return Sources(dict(self.nodes), dict(self.expressions), dict(self.times), dict(self.titles))

    def error(self, node: Node, code: str, message: str, *, column: int = 1) -> None:
        """A mistake at a node, or at a column of its text."""
        place = node.spot(1, column) if isinstance(node, Scalar) and column > 1 else node.place
        self.findings.append(Finding(node.file.path, *place, "error", code, one_line(message)))

    def warning(self, node: Node, code: str, message: str) -> None:
        """Something that is allowed and probably not meant."""
        self.findings.append(Finding(node.file.path, *node.place, "warning", code, one_line(message)))

    def note(self, path: Trail, node: Node) -> None:
        """Remember where a value stands; the first of two wins."""
        self.nodes.setdefault(path, node)

    # -- shapes --------------------------------------------------------------------------------------------------------

    def table(self, node: Node, what: str, keys: Collection[str] | None) -> Table | None:
        """A mapping with these keys alone (None: any); unknown ones are told with the nearest right one."""
        if not isinstance(node, Table):
            if isinstance(node, Scalar) and node.missing:
                self.error(node, "no-value", f"{what}: has no value.{_hash_hint(node)}")
            else:
                shape = "a list" if isinstance(node, Items) else "a text"
                example = f" Write: {next(iter(keys))}: ..." if keys else ""
                self.error(node, "shape", f"{what}: keys and values belong here, not {shape}.{example}")
            return None
        if keys is not None:
            for key, value in node.entries:
                if key.value not in keys:
                    self.unknown_key(key, value, what, keys, node)
        return node

    def unknown_key(self, key: Scalar, value: Node, what: str, keys: Collection[str], table: Table) -> None:
        """Say that a key does not exist here; a comma inside `{ }` that cut an expression in two is told as such."""
        before = [item for name, item in table.entries if name.start < key.start]
        cut = before[-1] if before else None
        if isinstance(value, Scalar) and value.missing and isinstance(cut, Scalar) and _unbalanced(cut.value):
            message = (
                f"{what}: inside {{ }} the value ended at the comma, so {shown(key.value)} reads as a key of its own. "
                "Put the expression on a line of its own, or quotes around it."
            )
            self.error(cut, "cut-value", message)
            return
        self.error(key, "unknown-key", f"{what}: there is no key {shown(key.value)}.{nearest(key.value, keys)}")

    def rows(self, node: Node, what: str) -> tuple[Node, ...]:
        """The entries of a list."""
        if isinstance(node, Items):
            return node.items
        if isinstance(node, Scalar) and node.missing:
            self.error(node, "no-value", f"{what}: has no value.{_hash_hint(node)}")
        else:
            self.error(node, "shape", f'{what}: a list belongs here. Begin each entry with "- ".')
        return ()

    def one_or_more(self, node: Node) -> tuple[Node, ...]:
        """The entries of a list, or the one thing that stands in its place."""
        return node.items if isinstance(node, Items) else (node,)

    def text(self, node: Node | None, what: str) -> Scalar | None:
        """A text that is not empty."""
        if node is None:
            return None
        if not isinstance(node, Scalar):
            shape = "a list" if isinstance(node, Items) else "keys and values"
            advice = " Put quotes around it." if node.file.text[node.start : node.start + 1] in "{[" else ""
            self.error(node, "shape", f"{what}: one text belongs here, not {shape}.{advice}")
            return None
        if not node.value.strip():
            self.error(node, "no-value", f"{what}: has no value.{_hash_hint(node)}")
            return None
        return node

    def texts(self, node: Node | None, what: str) -> tuple[Scalar, ...]:
        """One text or a list of them."""
        if node is None:
            return ()
        found = (self.text(item, what) for item in self.one_or_more(node))
        return tuple(item for item in found if item is not None)

    def identifier(self, node: Node | None, what: str) -> str | None:
        """A name of a-z, 0-9 and _, beginning with a letter, at most 64 long."""
        scalar = self.text(node, what)
        if scalar is None:
            return None
        if ID.fullmatch(scalar.value):
            return scalar.value
        hint = as_id(scalar.value)
        advice = f" Write: {hint}" if hint else ""
        self.error(
            scalar,
            "bad-id",
            f"{what}: {shown(scalar.value)} is no name; names are a-z, 0-9 and _, from a letter on.{advice}",
        )
        return None

    def word(self, node: Node | None, what: str, words: Collection[str]) -> str | None:
        """One of a closed list of words."""
        scalar = self.text(node, what)
        if scalar is None:
            return None
        if scalar.value in words:
            return scalar.value
        listed = ", ".join(words)
        self.error(
            scalar,
            "bad-word",
            f"{what}: {shown(scalar.value)} is not one of: {listed}.{_did_you_mean(scalar.value, words)}",
        )
        return None

    def yes_no(self, node: Node | None, what: str) -> bool:
        """True or false; `yes` and `no` too."""
        scalar = self.text(node, what)
        if scalar is None:
            return False
        if scalar.value.lower() in ("true", "yes", "on"):
            return True
        if scalar.value.lower() not in ("false", "no", "off"):
            self.error(scalar, "bad-word", f"{what}: {shown(scalar.value)} is neither true nor false.")
        return False

    def parsed(self, node: Node | None, what: str, parse: Callable[[str], object]) -> str | None:
        """A text that one of the core's parsers of times understands; the text itself."""
        scalar = self.text(node, what)
        if scalar is None:
            return None
        try:
            parse(scalar.value)
        except TimeError as error:
            self.error(scalar, "time", f"{what}: {error}", column=error.column)
            return None
        return scalar.value

    def expression(self, node: Node | None, what: str, path: Trail) -> str | None:
        """A condition; what it says is judged by `check`, with the names that are known there."""
        scalar = self.text(node, what)
        if scalar is None:
            return None
        self.note(path, scalar)
        self.expressions.setdefault(path, scalar)
        return scalar.value

    def time(self, node: Node | None, what: str, path: Trail) -> str | None:
        """A time such as `closes - 3d @ 10:00`; judged by `check`."""
        scalar = self.text(node, what)
        if scalar is None:
            return None
        self.note(path, scalar)
        self.times.setdefault(path, scalar)
        return scalar.value


def shown(text: str) -> str:
    """A text of a file in quotes, on one line and not too long."""
    line = " ".join(text.split())
    return f'"{line if len(line) <= 60 else line[:57] + "..."}"'


def one_line(message: str) -> str:
    """A message on one line."""
    return re.sub(r"\s*\n\s*", " ", message).strip()


def nearest(word: str, known: Iterable[str]) -> str:
    """` Did you mean "x"?`, else the words there are."""
    words = list(known)
    hint = _did_you_mean(word, words)
    if hint:
        return hint
    if WORD_FOR.get(word.lower()) in words:
        return f' Did you mean "{WORD_FOR[word.lower()]}"?'
    return f" There are: {', '.join(words[:24])}{', ...' if len(words) > 24 else ''}." if words else ""


def _did_you_mean(word: str, known: Iterable[str]) -> str:
    folded = {name.lower().replace("-", "_"): name for name in known}
    close = difflib.get_close_matches(word[:80].lower().replace("-", "_").replace(" ", "_"), folded, 1, 0.65)
    return f' Did you mean "{folded[close[0]]}"?' if close else ""


def as_id(text: str) -> str:
    """The nearest valid id of a text; empty where there is none."""
    hint = re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")[:64]
    return hint if ID.fullmatch(hint) else ""


def _unbalanced(text: str) -> bool:
    return any(text.count(left) > text.count(right) for left, right in ("()", "[]"))


def _hash_hint(node: Scalar) -> str:
    rest = node.file.text[node.start :].split("\n", 1)[0].strip()
    return ' A "#" begins a comment; put quotes around the value.' if rest.startswith("#") else ""
