"""
Writing corrections into YAML files: the few characters that change, and nothing else.

A correction is kept only if the file, read again, says exactly what was meant there and the same everywhere else.
"""

import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from rfs_mail.campaign_files.nodes import Items, Node, Scalar, SourceFile, Table
from rfs_mail.campaign_files.reading import parse


@dataclass(frozen=True, slots=True, order=True)
class Fixed:
    """One correction that was written. `line` and `column` are where the value begins."""

    path: str
    line: int
    column: int
    old: str
    new: str


MOST_MENDS = 50


def write_mends(texts: Mapping[str, SourceFile], folder: Path) -> tuple[Fixed, ...]:
    """Put the quotes in that keep files from being read as YAML, where nothing else could be meant."""
    written: list[Fixed] = []
    for name, file in sorted(texts.items()):
        fixed, text = mend(file)
        path = folder / name
        if fixed and _is_still(path, file):
            _replace(path, _encoded(SourceFile(name, text, file.bom)))
            written.extend(fixed)
    return tuple(sorted(written))


def mend(file: SourceFile) -> tuple[list[Fixed], str]:
    """The edits that let the parser read on, one after the other, and the new text."""
    done: list[Fixed] = []
    document = parse(file)
    for _ in range(MOST_MENDS):
        if document.root is not None or document.edit is None:
            break
        edit, now = document.edit, document.file
        text = now.text[: edit.start] + edit.text + now.text[edit.end :]
        after = parse(SourceFile(file.path, text, file.bom))
        reached = after.findings[0] if after.root is None and after.findings else None
        line, column = now.place(edit.start)
        if reached is not None and (reached.line, reached.column) <= (line, column):
            break
        done.append(Fixed(file.path, line, column, now.text[edit.start : edit.end], edit.text))
        document = after
    return done, document.file.text


def write_fixes(
    texts: Mapping[str, SourceFile], folder: Path, fixes: Iterable[tuple[Scalar, str]]
) -> tuple[Fixed, ...]:
    """
    Write corrections (scalar, new value) into their files below `folder`.

    Files are replaced whole, so that a reader never sees half of one. A file that is not what was read is left alone.
    """
    by_file: dict[str, list[tuple[Scalar, str]]] = {}
    for scalar, value in fixes:
        by_file.setdefault(scalar.file.path, []).append((scalar, value))
    written: list[Fixed] = []
    for name, wanted in sorted(by_file.items()):
        file = texts.get(name)
        path = folder / name
        if file is None or not _is_still(path, file):
            continue
        fixed, text = apply_fixes(file, wanted)
        if fixed:
            _replace(path, _encoded(SourceFile(name, text, file.bom)))
            written.extend(fixed)
    return tuple(sorted(written))


def apply_fixes(file: SourceFile, wanted: Iterable[tuple[Scalar, str]]) -> tuple[list[Fixed], str]:
    """The corrections that could be made, and the new text of the file. From the end, so that places stay true."""
    text, done = file.text, []
    unique = {scalar.start: (scalar, value) for scalar, value in wanted}
    for _start, (scalar, value) in sorted(unique.items(), reverse=True):
        for candidate in _candidates(text, scalar, value):
            if _says(file, text, candidate, scalar, value):
                line, column = scalar.place
                done.append(Fixed(file.path, line, column, scalar.value, value))
                text = candidate
                break
    return sorted(done), text


def _candidates(text: str, scalar: Scalar, value: str) -> Iterator[str]:
    """Ways to write the new value: the smallest change first, the whole value in quotes last."""
    old = scalar.value
    before = 0
    while before < min(len(old), len(value)) and old[before] == value[before]:
        before += 1
    after = 0
    while after < min(len(old), len(value)) - before and old[-1 - after] == value[-1 - after]:
        after += 1
    start = scalar.index_of(before) if before < len(old) else scalar.index_of(len(old))
    # What stands behind the last changed character, so that an escape before it is replaced whole.
    end = scalar.index_of(len(old) - after) if after else scalar.index_of(len(old))
    middle = value[before : len(value) - after]
    if start <= end:
        escaped = middle.replace("\\", "\\\\").replace('"', '\\"')
        for written in dict.fromkeys((middle, escaped, middle.replace("'", "''"))):
            yield text[:start] + written + text[end:]
    if scalar.style not in ("|", ">") and "\n" not in value:
        quoted = value.replace("\\", "\\\\").replace('"', '\\"')
        for whole in (value, "'" + value.replace("'", "''") + "'", f'"{quoted}"'):
            yield text[: scalar.start] + whole + text[scalar.end :]


def _says(file: SourceFile, old: str, new: str, scalar: Scalar, value: str) -> bool:
    """Does the new text say `value` at this place, and all else as before?"""
    before, after = (parse(SourceFile(file.path, text)).root for text in (old, new))
    if before is None or after is None:
        return False
    left, right = list(_values(before)), list(_values(after))
    if len(left) != len(right):
        return False
    for (one, shape, start), (two, other, _start) in zip(left, right, strict=True):
        expected = value if start == scalar.start and shape == "scalar" and one == scalar.value else one
        if (expected, shape) != (two, other):
            return False
    return True


def _values(node: Node) -> Iterator[tuple[str, str, int]]:
    """Everything a document says, in order."""
    match node:
        case Scalar():
            yield node.value, "scalar", node.start
        case Items():
            yield str(len(node.items)), "list", node.start
            for item in node.items:
                yield from _values(item)
        case Table():
            yield str(len(node.entries)), "table", node.start
            for key, value in node.entries:
                yield key.value, "key", key.start
                yield from _values(value)


def _is_still(path: Path, file: SourceFile) -> bool:
    """Is what lies on disk what was read?"""
    try:
        return path.read_bytes() == _encoded(file)
    except OSError:
        return False


def _encoded(file: SourceFile) -> bytes:
    return (b"\xef\xbb\xbf" if file.bom else b"") + file.text.encode("utf-8")


def _replace(path: Path, content: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.chmod(path.stat().st_mode & 0o777)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
