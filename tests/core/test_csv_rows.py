"""CSV as people send it."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfs_mail.core import csv_rows
from rfs_mail.core.csv_rows import BadRow, CsvRows, Row, find_delimiter


def read(content: bytes) -> tuple[list[Row | BadRow], CsvRows]:
    """The rows of a file's bytes."""
    rows = CsvRows(io.TextIOWrapper(io.BytesIO(content), encoding="latin-1", newline=""))
    return list(rows), rows


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"a,b\r\n1,2\r\n", [(1, ["a", "b"]), (2, ["1", "2"])]),
        (b"a,b\r1,2\r", [(1, ["a", "b"]), (2, ["1", "2"])]),
        ("\ufeffa;b\n1;é\n".encode(), [(1, ["a", "b"]), (2, ["1", "é"])]),
        ("a;b\n1;é\n".encode("latin-1"), [(1, ["a", "b"]), (2, ["1", "é"])]),
        ("a,b\n“1”,é\n".encode("cp1252"), [(1, ["a", "b"]), (2, ["“1”", "é"])]),
        (b"a\tb,c\n1\t2\n", [(1, ["a", "b,c"]), (2, ["1", "2"])]),
        (b"sep=;\na;b\n1;2\n", [(2, ["a", "b"]), (3, ["1", "2"])]),
        (b"\n\na,b\n\n , \n1,2\n", [(3, ["a", "b"]), (6, ["1", "2"])]),
        (b"a,b\n1\0,2\0\n", [(1, ["a", "b"]), (2, ["1", "2"])]),
        (b'a,b\n"1\n1",2\n3,4', [(1, ["a", "b"]), (2, ["1\n1", "2"]), (4, ["3", "4"])]),
        (b"a\n", [(1, ["a"])]),
        (b"", []),
        (b"\n \n", []),
    ],
)
def test_rows_come_out_whatever_they_are_written_in(content: bytes, expected: list[tuple[int, list[str]]]) -> None:
    """Line ends, marks, delimiters, encodings, NUL bytes and blank rows: each row keeps the line it began on."""
    assert expected == [tuple(row) for row in read(content)[0]]


def test_one_file_may_mix_encodings() -> None:
    """A line that is not UTF-8 is read as Latin-1; the others stay UTF-8, and both are counted."""
    rows, source = read("a,b\nJosé,1\n".encode() + "Zoë,2\n".encode("latin-1") + b"x\0,3\n")
    assert [row[1] for row in rows] == [["a", "b"], ["José", "1"], ["Zoë", "2"], ["x", "3"]]
    assert (source.latin_lines, source.nul_lines) == (1, 1)


@pytest.mark.parametrize(
    "content",
    [
        b'a,b\n"x,1\ny,2\nz,3\n',
        b'a,b\n"x,1\ny,2\n"z",3\n',
    ],
)
def test_an_open_quote_costs_its_own_row_only(content: bytes) -> None:
    """The rows after a quote that nobody closed are read as if it were not there."""
    rows, _ = read(content)
    assert [row.line for row in rows] == [1, 2, 3, 4]
    assert isinstance(rows[1], BadRow)
    assert [row.cells for row in rows[2:] if isinstance(row, Row)] == [["y", "2"], ["z", "3"]]


def test_an_open_quote_does_not_run_on_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """After so many lines the row is given up, and the lines are read again as rows."""
    monkeypatch.setattr(csv_rows, "MAX_LINES", 10)
    rows, _ = read(b'a,b\n"x,1\n' + b"y,2\n" * 30)
    assert [BadRow, *[Row] * 30] == [type(row) for row in rows[1:]]
    assert list(range(2, 33)) == [row.line for row in rows[1:]]


def test_a_field_of_ten_megabytes_is_read() -> None:
    """A huge value is a value; what becomes of it is its field's affair."""
    rows, _ = read(b"a,b\n" + b"x" * 10_000_000 + b",2\n3,4\n")
    assert [len(row.cells[0]) for row in rows if isinstance(row, Row)] == [1, 10_000_000, 1]


def test_a_line_without_end_is_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line beyond the limit is a bad row, and the next line is read."""
    monkeypatch.setattr(csv_rows, "MAX_CHARACTERS", 100)
    file = io.StringIO("a,b\n" + "x" * 1000 + ",2\n3,4\n")
    rows = list(CsvRows(iter(lambda: file.readline(100), ""), undecoded=False))
    assert [Row(1, ["a", "b"]), Row(3, ["3", "4"])] == [row for row in rows if isinstance(row, Row)]
    assert "longer than 100 characters" in rows[1][1]


@pytest.mark.parametrize(
    ("header", "expected"),
    [("email,first", ","), ("email;first,last;zip", ";"), ("email\tname", "\t"), ("a|b|c", "|"), ("email", ",")],
)
def test_the_delimiter_is_the_one_that_splits_most(header: str, expected: str) -> None:
    """A comma where nothing splits the header."""
    assert expected == find_delimiter(header)


@given(
    st.lists(
        st.lists(
            st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r\n"), max_size=8),
            min_size=2,
            max_size=2,
        ),
        max_size=20,
    )
)
def test_what_the_csv_module_writes_is_read_back(cells: list[list[str]]) -> None:
    """Every row that is not blank comes back as it was."""
    out = io.StringIO()
    csv.writer(out).writerows([["a", "b"], *cells])
    rows, _ = read(out.getvalue().encode())
    expected = [["a", "b"], *[row for row in cells if "".join(row).strip()]]
    assert expected == [row[1] for row in rows]


def test_it_is_told_which_cells_held_a_nul() -> None:
    """Row by row, over quotes and lines; all cells where a NUL beside a quote makes that unclear."""
    rows = CsvRows(["a,b\n", "1\0,2\n", "3,4\n", '"x\n', '\0y",6\n', '\0"7,7",8\n'])
    found = [(row[1], sorted(rows.nul_cells)) for row in rows]
    assert [
        (["a", "b"], []), (["1", "2"], [0]), (["3", "4"], []), (["x\ny", "6"], [0]), (["7,7", "8"], [0, 1]),
    ] == found  # fmt: skip
