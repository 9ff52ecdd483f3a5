"""
A YAML file -> nodes with places, or one plain sentence about why not.

Of YAML, what a campaign needs: mappings, lists and texts. Anchors, tags, merge keys and second documents are refused,
so that a file means what it shows; with them go the ways in which a small file can become a huge value.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import yaml

from rfs_mail.campaign_files.desk import one_line, shown
from rfs_mail.campaign_files.nodes import Items, Node, Scalar, SourceFile, Table
from rfs_mail.campaign_files.plain_words import Edit, in_plain_words
from rfs_mail.core.findings import Finding

MAX_BYTES: Final = 256 * 1024
"""The largest file that is read. A campaign of fifty steps has a tenth of it."""

MAX_DEPTH: Final = 40

# What YAML and editors count as lines must be the same, and nothing may hide in a file.
_ODD = re.compile(r"[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Document:
    """What a file holds. `root` is None where it could not be read: `findings` says why, `edit` may mend it."""

    file: SourceFile
    root: Node | None
    findings: tuple[Finding, ...] = ()
    edit: Edit | None = None


class _Refused(Exception):
    """One mistake that ends the reading of a file."""

    def __init__(self, code: str, message: str, index: int, edit: Edit | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.index = index
        self.edit = edit


def read_text(path: Path, name: str) -> tuple[SourceFile, tuple[Finding, ...]]:
    """
    The text of a file; `name` is what messages call it.

    A file that is not there, too large or not UTF-8 gives an empty text and a finding. Raises nothing.
    """
    try:
        if path.exists() and not path.is_file() and not path.is_dir():  # a pipe would be waited for
            return SourceFile(name, ""), (_finding(name, "unreadable", "is no file. Take it away."),)
        with path.open("rb") as handle:
            raw = handle.read(MAX_BYTES + 1)
    except OSError as error:
        said = f"cannot be read: {error.strerror or error}"
        if path.is_symlink() and isinstance(error, FileNotFoundError):
            said = f"is a link to {path.readlink()}, which is not there. Mend the link, or take it away."
        return SourceFile(name, ""), (_finding(name, "unreadable", said),)
    return decode(raw, name)


def decode(raw: bytes, name: str) -> tuple[SourceFile, tuple[Finding, ...]]:
    """Bytes -> text. A UTF-8 byte order mark is left out of the text and remembered."""
    if len(raw) > MAX_BYTES:
        return SourceFile(name, ""), (_finding(name, "too-large", f"is larger than {MAX_BYTES // 1024} kB. Split it."),)
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        message = "is saved as UTF-16. Save it as UTF-8."
        return SourceFile(name, ""), (_finding(name, "not-utf-8", message),)
    bom = raw.startswith(b"\xef\xbb\xbf")
    body = raw[3:] if bom else raw
    try:
        return SourceFile(name, body.decode("utf-8"), bom), ()
    except UnicodeDecodeError as error:
        before = SourceFile(name, body[: error.start].decode("utf-8", "replace"))
        line, column = before.place(len(before.text))
        message = f"byte {body[error.start]:#04x} is not UTF-8. Save the file as UTF-8."
        return SourceFile(name, ""), (Finding(name, line, column, "error", "not-utf-8", message),)


def read_file(path: Path, name: str) -> Document:
    """Read and parse one YAML file. Raises nothing; mistakes are findings."""
    file, findings = read_text(path, name)
    return Document(file, None, findings) if findings else parse(file)


def parse(file: SourceFile) -> Document:
    """Parse the text of a YAML file. Raises nothing; the first mistake of the YAML itself is a finding."""
    odd = _ODD.search(file.text)
    if odd:
        line, column = file.place(odd.start())
        message = f"an invisible character (U+{ord(odd[0]):04X}) stands here. Delete it."
        return Document(file, None, (Finding(file.path, line, column, "error", "odd-character", message),))
    try:
        root, findings = _Builder(file).build()
    except _Refused as refused:
        line, column = file.place(refused.index)
        finding = Finding(file.path, line, column, "error", refused.code, one_line(str(refused)))
        return Document(file, None, (finding,), refused.edit)
    except yaml.MarkedYAMLError as error:
        blame = in_plain_words(file, error)
        line, column = file.place(blame.index)
        return Document(file, None, (Finding(file.path, line, column, "error", "yaml", blame.message),), blame.edit)
    except (ValueError, OverflowError):  # the parser makes numbers of escapes without asking whether they can be
        message = r'a backslash inside "..." names a character that does not exist. Write \\ for a backslash.'
        return Document(file, None, (_finding(file.path, "yaml", message),))
    except (yaml.YAMLError, RecursionError, IndexError, AssertionError):
        return Document(file, None, (_finding(file.path, "yaml", "cannot be read as YAML."),))
    return Document(file, root, findings)


def _finding(path: str, code: str, message: str) -> Finding:
    return Finding(path, 1, 1, "error", code, message)


def _span(event: yaml.Event) -> tuple[int, int]:
    assert event.start_mark is not None
    assert event.end_mark is not None
    return event.start_mark.index, event.end_mark.index


class _Builder:
    """Events of the YAML parser -> nodes, without recursion."""

    def __init__(self, file: SourceFile) -> None:
        self.file = file
        self.findings: list[Finding] = []
        self.open: list[tuple[yaml.Event, list[Node]]] = []
        self.root: Node | None = None
        self.documents = 0

    def build(self) -> tuple[Node, tuple[Finding, ...]]:
        for event in yaml.parse(self.file.text, Loader=yaml.BaseLoader):
            self.take(event)
        if self.root is None or (isinstance(self.root, Scalar) and self.root.missing):
            raise _Refused("empty", "the file is empty.", 0)
        return self.root, tuple(self.findings)

    def take(self, event: yaml.Event) -> None:
        start, end = _span(event)
        if isinstance(event, yaml.DocumentStartEvent):
            self.documents += 1
            if self.documents > 1:
                message = 'a file holds one thing. Put what follows "---" into a file of its own.'
                raise _Refused("second-document", message, start)
        elif isinstance(event, yaml.AliasEvent):
            raise _Refused("alias", "* and & are not used here. Write the value out, or put quotes around it.", start)
        elif isinstance(event, yaml.ScalarEvent):
            self.refuse_extras(event)
            self.put(self.scalar(event))
        elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
            self.refuse_extras(event)
            if len(self.open) >= MAX_DEPTH:
                raise _Refused("too-deep", f"more than {MAX_DEPTH} levels inside one another. Split it.", start)
            self.open.append((event, []))
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            begun, children = self.open.pop()
            first, last = _span(begun)[0], end
            if isinstance(event, yaml.SequenceEndEvent):
                self.put(Items(self.file, first, last, tuple(children)))
            else:
                self.put(Table(self.file, first, last, self.entries(children)))

    def refuse_extras(self, event: yaml.NodeEvent) -> None:
        start, _end = _span(event)
        if getattr(event, "anchor", None) is not None:
            raise _Refused("anchor", "& and * are not used here. Write the value out, or put quotes around it.", start)
        tag = getattr(event, "tag", None)
        if tag is not None and tag != "!":
            message = f"YAML reads {shown(tag)} as a tag. Put quotes around the value."
            if tag.startswith("!") and len(tag) > 1:
                message = f'"!" negates nothing here. Write: not {tag[1:]}'
                raise _Refused("tag", message, start, Edit(start, start + 1, "not "))
            raise _Refused("tag", message, start)

    def scalar(self, event: yaml.ScalarEvent) -> Scalar:
        start, end = _span(event)
        control = _CONTROL.search(event.value)
        if control:
            message = f"the text holds an invisible character (U+{ord(control[0]):04X}). Take it out."
            line, column = self.file.place(start)
            self.findings.append(Finding(self.file.path, line, column, "error", "odd-character", message))
        style = event.style or ""
        return Scalar(self.file, start, end, _CONTROL.sub(" ", event.value), style if style in "'\"|>" else "")

    def put(self, node: Node) -> None:
        if self.open:
            self.open[-1][1].append(node)
        else:
            self.root = node

    def entries(self, children: list[Node]) -> tuple[tuple[Scalar, Node], ...]:
        kept: dict[str, tuple[Scalar, Node]] = {}
        for key, value in zip(children[::2], children[1::2], strict=True):
            line, column = key.place
            if not isinstance(key, Scalar):
                message = "a name has to stand before the colon."
                self.findings.append(Finding(self.file.path, line, column, "error", "odd-key", message))
            elif key.value == "<<":
                message = "<< (merge) is not used here. Write the keys out; what all have is in _defaults.yaml."
                self.findings.append(Finding(self.file.path, line, column, "error", "merge-key", message))
            elif key.value in kept:
                first = kept[key.value][0].place[0]
                message = f'"{key.value}" is here twice; it is on line {first} already. Keep one.'
                self.findings.append(Finding(self.file.path, line, column, "error", "duplicate-key", message))
            else:
                kept[key.value] = (key, value)
        return tuple(kept.values())
