"""
Lines of a CSV file as people really send them -> rows, one at a time.

Takes what spreadsheets and CRMs write: a byte order mark, semicolons or tabs, Latin-1 between UTF-8, NUL bytes, quoted
values over several lines. What cannot be read costs its own row and no other: a quote that is never closed does not
swallow the rest of the file, and a line without end is let go.
"""

import csv
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final, NamedTuple

MAX_CHARACTERS: Final = 16 * 1024 * 1024
"""The longest row that is read, in characters; more is a broken file."""

MAX_LINES: Final = 1000
"""The most lines one row may take: more is a quote that nobody closed."""

DELIMITERS: Final = {",": "comma", ";": "semicolon", "\t": "tab", "|": "pipe"}


class Row(NamedTuple):
    """A row and the line it begins on, counted from 1."""

    line: int
    cells: list[str]


class BadRow(NamedTuple):
    """A row that cannot be read: the line it begins on, and why, with what to do."""

    line: int
    reason: str


class _Unreadable(Exception):
    """Stops the csv reader in the middle of a row."""


def decode(line: str) -> tuple[str, bool]:
    """
    Text of a line that was read byte for byte (as Latin-1); True where it is not UTF-8.

    UTF-8 where it is valid, else Windows-1252, which is what Latin-1 files really are; its five unassigned bytes stay
    Latin-1. Asked line by line, because exports joined by hand mix both.
    """
    if line.isascii():
        return line, False
    octets = line.encode("latin-1")
    try:
        return octets.decode("utf-8"), False
    except UnicodeDecodeError:
        try:
            return octets.decode("cp1252"), True
        except UnicodeDecodeError:
            return line, True


def find_delimiter(header: str) -> str:
    """The delimiter of a header line: the one that gives most columns, of equals the tab; a comma where none does."""

    def columns(delimiter: str) -> int:
        return len(next(csv.reader([header], delimiter=delimiter), []))

    best = max(("\t", ",", ";", "|"), key=columns)  # the first of equals; a tab is never part of a name
    return best if columns(best) > 1 else ","


class CsvRows:
    """
    The rows of a file, streamed; blank ones are passed over.

    `lines` are the file's lines with their ends, read byte for byte as Latin-1 where `undecoded`, as text otherwise; a
    line may come in pieces of no less than `MAX_CHARACTERS`. After the first row `delimiter` is known; the counters
    grow as rows are taken.
    """

    def __init__(self, lines: Iterable[str], *, undecoded: bool = True) -> None:
        self._lines: Iterator[str] = iter(lines)
        self._undecoded = undecoded
        self._held: list[str] = []
        """The lines of the row being read, as they came: they may have to be read again."""
        self._line = 0
        self.delimiter = ","
        self.latin_lines = 0
        """Lines that were not UTF-8."""
        self.nul_lines = 0
        """Lines from which NUL bytes were taken."""
        self.nul_cells: frozenset[int] = frozenset()
        """Which cells of the row that came last held NUL bytes, from 0; all where that cannot be told."""
        self.blank_rows = 0

    def __iter__(self) -> Iterator[Row | BadRow]:
        first = self._first_line()
        if first is None:
            return
        # One limit for the whole process, 128 KiB to begin with; raising it takes nothing from anyone.
        csv.field_size_limit(max(csv.field_size_limit(), 2 * MAX_CHARACTERS))
        source: Iterator[str] = chain([first], self._lines)
        width = 0
        while True:
            reader = csv.reader(self._feed(source), delimiter=self.delimiter)
            held = self._held
            try:
                for cells in reader:
                    width = width or len(cells)
                    if len(held) > 1 and (len(cells) != width or not self._well_quoted()):
                        raise _Unreadable(
                            f"A quote opened here runs over {len(held)} lines and the columns no longer fit. Close it, "
                            "or double it if it belongs to the text."
                        )
                    start = self._line - len(held) + 1
                    if self.nul_lines:
                        self.nul_cells = self._with_nul(len(cells))
                    held.clear()
                    if cells and (cells[0].strip() or "".join(cells).strip()):
                        yield Row(start, cells)
                    else:
                        self.blank_rows += 1
                return
            except (_Unreadable, csv.Error) as error:
                problem = str(error)
            # One row is lost; those after its first line are read again.
            start = self._line - len(held) + 1
            yield BadRow(start, problem)
            again = held[1:]
            held.clear()
            self._line = start
            source = chain(again, source)

    def _first_line(self) -> str | None:
        """The first line with anything in it: what the delimiter is told by. Excel's `sep=;` line is obeyed."""
        told: str | None = None
        for line in self._lines:
            self._line += 1
            bare = line.removeprefix("\u00ef\u00bb\u00bf").removeprefix("\ufeff") if self._line == 1 else line
            text = bare.replace("\0", "").strip("\r\n")
            if text.lower().startswith("sep=") and len(text) == 5 and text[4] in DELIMITERS:
                told = text[4]
            elif text.strip():
                self._line -= 1
                self.delimiter = told or find_delimiter(decode(text)[0] if self._undecoded else text)
                return bare
        return None

    def _with_nul(self, width: int) -> frozenset[int]:
        """The cells of the lines held that have a NUL in them."""
        if not any("\0" in line for line in self._held):
            return frozenset()
        cells = next(csv.reader(self._held, delimiter=self.delimiter), [])
        if len(cells) != width:  # a NUL beside a quote: it reads otherwise than without
            return frozenset(range(width))
        return frozenset(number for number, cell in enumerate(cells) if "\0" in cell)

    def _well_quoted(self) -> bool:
        """Does each quote of the lines held open before a value and close after one?"""
        try:
            return len(list(csv.reader(self._held, delimiter=self.delimiter, strict=True))) == 1
        except csv.Error:
            return False

    def _feed(self, source: Iterator[str]) -> Iterator[str]:
        """The lines for the csv reader, cleaned, while it is told how far one row may go."""
        held, undecoded, size = self._held, self._undecoded, 0
        for raw in source:
            self._line += 1
            line = raw
            if undecoded and not line.isascii():
                line, foreign = decode(line)
                self.latin_lines += foreign
            if "\0" in line:
                line = line.replace("\0", "")
                self.nul_lines += 1
            if held:
                size += len(raw)
                held.append(raw)
                if len(held) > MAX_LINES or size > MAX_CHARACTERS:
                    raise _Unreadable(
                        f"A quote opened here is not closed within {MAX_LINES:,} lines. Close it, or double it if it "
                        "belongs to the text."
                    )
            else:
                size = len(raw)
                held.append(raw)
                if size >= MAX_CHARACTERS:
                    while not held[0].endswith(("\n", "\r")):  # the rest of this line, piece by piece
                        held[0] = next(source, "\n")
                    raise _Unreadable(f"This line is longer than {MAX_CHARACTERS:,} characters. Shorten it.")
            yield line
        if held:
            raise _Unreadable("A quote opened here is never closed. Close it, or double it if it belongs to the text.")
