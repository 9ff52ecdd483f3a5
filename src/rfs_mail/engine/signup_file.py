"""Opening a file of sign-ups: what it is written in, and its rows with a note of how far it is read."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from io import BufferedReader, TextIOWrapper
from pathlib import Path
from typing import Any

from rfs_mail.core.csv_rows import DELIMITERS, MAX_CHARACTERS, BadRow, CsvRows, Row
from rfs_mail.errors import UsageError

_NOT_TEXT = {
    b"PK\x03\x04": "an Excel workbook or a zip archive",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"\x1f\x8b": "compressed",
    b"%PDF": "a PDF",
    b"SQLite format 3": "a database",
}
_CONTROLS = bytes(code for code in range(1, 32) if code not in b"\t\n\r")
"""Not NUL: exports hold some, and UTF-16 many."""
_LOOK = 65536


class SignupFile:
    """An open file of rows. `header` is its first row that is not blank, on `header_line`."""

    def __init__(self, path: Path, octets: "BufferedReader[Any]") -> None:
        head = octets.peek(_LOOK)[:_LOOK]
        for mark, what in _NOT_TEXT.items():
            if head.startswith(mark):
                raise UsageError(f"{path.name} is {what}, not CSV. Save it as CSV (UTF-8) and import that.")
        said = head.replace(b"\0", b"")
        if len(said.translate(None, _CONTROLS)) < 0.95 * len(said):
            raise UsageError(f"{path.name} is not a text file. Save it as CSV (UTF-8) and import that.")
        self._octets = octets
        self.size = os.fstat(octets.fileno()).st_size
        """Bytes; 0 where the file is a pipe."""
        self._wide = _utf16(head)
        # Byte for byte where it is not UTF-16: each line then tells by itself whether it is UTF-8.
        self._text = TextIOWrapper(octets, encoding=self._wide or "latin-1", errors="replace", newline="")
        self.rows = CsvRows(iter(partial(self._text.readline, MAX_CHARACTERS), ""), undecoded=self._wide is None)
        self._walk: Iterator[Row | BadRow] = iter(self.rows)
        first = next(self._walk, None)
        if first is None:
            raise UsageError(f"{path.name} is empty. It needs a header line with the names of its columns.")
        if isinstance(first, BadRow):
            raise UsageError(f"{path.name}, line {first.line}: the header cannot be read. {first.reason}")
        self.header = first.cells
        self.header_line = first.line

    def __iter__(self) -> Iterator[Row | BadRow]:
        """The rows after the header."""
        return self._walk

    @property
    def done(self) -> int:
        """Bytes taken from the file so far."""
        return self._octets.tell() if self.size else 0

    @property
    def delimiter(self) -> str:
        """The name of the delimiter."""
        return DELIMITERS[self.rows.delimiter]

    @property
    def encoding(self) -> str:
        """What the file is written in, as far as it is read."""
        if self._wide is not None:
            return "utf-16"
        lines = self.rows.latin_lines
        return f"utf-8, {lines:,} line{'s' if lines != 1 else ''} latin-1" if lines else "utf-8"


@contextmanager
def open_signup_file(path: Path) -> Iterator[SignupFile]:
    """Open a CSV file. Raises UsageError where it is missing, empty or no text."""
    try:
        with BufferedReader(path.open("rb", buffering=0), _LOOK) as octets:
            yield SignupFile(path, octets)
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from error


def _utf16(head: bytes) -> str | None:
    """The UTF-16 encoding of a file by its mark, or by every second byte being zero; None where it is another."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    pairs = len(head) // 2
    if pairs >= 8:
        if head[1::2].count(0) > 0.6 * pairs:
            return "utf-16-le"
        if head[0::2].count(0) > 0.6 * pairs:
            return "utf-16-be"
    return None
