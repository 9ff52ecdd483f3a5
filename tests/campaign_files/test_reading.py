"""YAML files as nodes with places, and what keeps a file from being read."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfs_mail.campaign_files.nodes import Items, Node, Scalar, SourceFile, Table
from rfs_mail.campaign_files.reading import MAX_BYTES, Document, decode, parse, read_text


def _parsed(text: str) -> Document:
    return parse(SourceFile("f.yaml", text))


def _message(text: str) -> str:
    (finding,) = _parsed(text).findings
    return str(finding)


def _scalar(text: str, key: str = "a") -> Scalar:
    root = _parsed(text).root
    assert isinstance(root, Table)
    node = root.get(key)
    assert isinstance(node, Scalar)
    return node


def test_every_scalar_stays_text() -> None:
    """Hours, yes, no, on, numbers and dates mean what they say."""
    root = _parsed("at: 10:00\nflag: no\non: on\nnumber: 007\nday: 2026-11-10\nnothing: null\n").root
    assert isinstance(root, Table)
    written = {key.value: value.value for key, value in root.entries if isinstance(value, Scalar)}
    assert written == {"at": "10:00", "flag": "no", "on": "on", "number": "007", "day": "2026-11-10", "nothing": "null"}


@pytest.mark.parametrize(
    ("text", "word", "place"),
    [
        ("a: one two\n", "two", (1, 8)),
        ('a: "one two"\n', "two", (1, 9)),
        ("a: 'it''s two'\n", "two", (1, 11)),
        ('a: "\\u00e9 \\"two\\""\n', "two", (1, 14)),
        ("a: |\n  one\n  two\n", "two", (3, 3)),
        ("a: >-   # folded\n    one\n    and two\n", "two", (3, 9)),
        ("a: |2\n    one\n  two\n", "two", (3, 3)),
        ("a: one\n  two\n", "two", (2, 3)),
        ("- x\n- {b: [one, two]}\n", "two", (2, 13)),
        ("a: 😀 two\r\nb: c\r\n", "two", (1, 6)),
        ("b: c\r\na:  two\r\n", "two", (2, 5)),
    ],
)
def test_a_word_in_a_value_has_a_place_in_the_file(text: str, word: str, place: tuple[int, int]) -> None:
    """Line and column are exact in plain, quoted, folded and literal scalars."""
    file = SourceFile("f.yaml", text)
    found = [
        node.file.place(node.index_of(node.value.index(word)))
        for node in _nodes(parse(file).root)
        if isinstance(node, Scalar) and word in node.value
    ]
    assert [place] == found


def test_lines_and_columns_of_a_block_count_inside_the_value() -> None:
    """What a parser says about line and column of its own text is translated."""
    scalar = _scalar("a: |\n  one\n  two three\n")
    assert scalar.spot(2, 5) == (3, 7)
    assert scalar.spot() == (2, 3)
    assert scalar.spot(2, 99) == (3, 12)


@given(
    st.lists(
        st.text(
            st.characters(min_codepoint=32, max_codepoint=0x2027, exclude_categories=["Cc", "Cs", "Zl"]), max_size=20
        ),
        min_size=1,
        max_size=4,
    )
)
def test_every_visible_character_is_found_where_it_stands(lines: list[str]) -> None:
    """In any literal block, the character at the place of a visible one is that character."""
    text = "a: |\n" + "".join(f"  {line}\n" for line in ["x", *lines])
    document = _parsed(text)
    if document.root is None:
        return
    scalar = _scalar(text)
    for offset, char in enumerate(scalar.value):
        if not char.isspace():
            assert char == text[scalar.index_of(offset)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            'when: "WI" in x\n',
            'f.yaml:1:12  YAML takes "WI" for the whole value. Put the expression on a line of its own',
        ),
        ("when: 'WI' in x\n", "f.yaml:1:12  YAML takes 'WI' for the whole value. Put the expression on a line of its"),
        ('- "WI" in x\n', 'f.yaml:1:8  YAML takes "WI" for the whole value'),
        ('a: {when: a in ["b", "c"]}\n', 'inside { } a value ends at a comma, a bracket or ": ". Put the expression'),
        ('a: {when: a in ["b", "c"]}\n', 'of its own: "when: a in ["b", "c"]"'),
        (
            '- {key: x, when: f("a", "b"), mail: m}\n',
            '"- key: ..." on one line; below it, further in, "when: f("a", "b")"',
        ),
        (
            "title: Call her: now\n",
            'f.yaml:1:16  ": " cannot stand inside a value. Put quotes around it: title: "Call her:',
        ),
        ("a:\n\tb: c\n", "f.yaml:2:1  a tab stands here. YAML indents with blanks"),
        ("at: @ 10:00\n", 'f.yaml:1:5  a value cannot begin with @. Put quotes around it: at: "@ 10:00"'),
        ("when: > 5\n", 'f.yaml:1:7  a value cannot begin with ">". Put quotes around it: when: "> 5"'),
        ('when: !tag("x")\n', 'f.yaml:1:7  "!" negates nothing here. Write: not tag("x")'),
        ("when: !endorsable\n", 'f.yaml:1:7  "!" negates nothing here. Write: not endorsable'),
        ("steps\n  - key: x\n", 'a ":" is missing on the line above: steps:'),
        ("a: b\n c: d\n", "f.yaml:2:3  this line is further in than the one above"),
        ("steps:\n  - key: a\n   mail: b\n", "f.yaml:3:4  this line begins after 3 blanks and fits no level above it"),
        ("a: b\n- c\n", 'list entries ("- ...") and keys ("key: ...") cannot stand side by side'),
        ('a: "x\n', 'f.yaml:1:4  the quote " that opens here is never closed'),
        ("a: 'it's'\n", "an apostrophe is written twice"),
        ('a: "\\q"\n', "a backslash inside"),
        ('a: "\\U99999999"\n', "names a character that does not exist"),
        ("a: [b\nc: d\n", "a comma is missing before this"),
        ("a: {b: c\n", "f.yaml:1:4  the { that opens here is never closed. Add }"),
        ("a: [b]]\n", "] closes or parts nothing here"),
        ("{a: b}}\n", "one closing bracket too many"),
        ("c: - x\n", "a list begins on a line of its own"),
        ("key: a\nname\nb: c\n", 'f.yaml:2:1  a ":" is missing: "name" is neither a key nor a list entry'),
        ("a: &x 1\n", "f.yaml:1:4  & and * are not used here"),
        ("a: *x\n", "f.yaml:1:4  * and & are not used here"),
        ("<<: x\n", "f.yaml:1:1  << (merge) is not used here"),
        ("a: !!python/object:os.system x\n", "Put quotes around the value"),
        ("a: 1\n---\nb: 2\n", 'f.yaml:2:1  a file holds one thing. Put what follows "---"'),
        ("a: 1\nb: 2\na: 3\n", 'f.yaml:3:1  "a" is here twice; it is on line 1 already'),
        ("? [a]\n: b\n", "a name has to stand before the colon"),
        ("", "f.yaml:1:1  the file is empty"),
        ("# nothing\n", "the file is empty"),
        ("a: b\x00\n", "f.yaml:1:5  an invisible character (U+0000)"),
        ("a: \u2028\n", "f.yaml:1:4  an invisible character (U+2028)"),
        ("a: b\ufeff\n", "an invisible character (U+FEFF)"),
        ('a: "\\0"\n', "f.yaml:1:4  the text holds an invisible character (U+0000)"),
        ('a: "\\ud800"\n', "the text holds an invisible character (U+D800)"),
        ("a: " + "[" * 50 + "\n", "more than 40 levels inside one another"),
    ],
)
def test_what_cannot_be_read_is_said_in_plain_words(text: str, said: str) -> None:
    """One sentence with place and fix, in the words of the file and never of the parser."""
    assert said in _message(text)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"a: \xe9\n", "f.yaml:1:4  byte 0xe9 is not UTF-8. Save the file as UTF-8."),
        ("a: b".encode("utf-16"), "f.yaml:1:1  is saved as UTF-16. Save it as UTF-8."),
        (b"#" * (MAX_BYTES + 1), "f.yaml:1:1  is larger than 256 kB. Split it."),
    ],
)
def test_bytes_that_are_no_text_are_refused(raw: bytes, said: str) -> None:
    """Not UTF-8, UTF-16 and a huge file are findings."""
    file, findings = decode(raw, "f.yaml")
    assert [said] == [str(finding) for finding in findings]
    assert file.text == ""


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    """Windows editors write one; places count without it."""
    file, findings = decode(b"\xef\xbb\xbfa: b\n", "f.yaml")
    assert (findings, file.bom, file.text) == ((), True, "a: b\n")


def test_a_file_that_is_not_there_is_a_finding(tmp_path: Path) -> None:
    """Nothing is raised for a missing file."""
    _file, findings = read_text(tmp_path / "no.yaml", "no.yaml")
    assert [str(finding) for finding in findings] == ["no.yaml:1:1  cannot be read: No such file or directory"]


@given(st.text(max_size=200) | st.text("abc:-{}[]\"'#&*!|>%@`,\n \t?~\\", max_size=60))
def test_reading_never_raises(text: str) -> None:
    """Any text gives a document or a finding, and places lie inside the text."""
    document = _parsed(text)
    assert (document.root is None) <= bool(document.findings)
    for node in _nodes(document.root):
        assert 0 <= node.start <= node.end <= len(text)
        if isinstance(node, Scalar):
            assert node.index_of(10**6) <= len(text)
            assert node.spot(99, 99) >= (1, 1)


@given(st.binary(max_size=200))
def test_bytes_never_raise(raw: bytes) -> None:
    """Any bytes give a text or a finding."""
    file, findings = decode(raw, "f.yaml")
    assert findings or file.text.encode() == raw.removeprefix(b"\xef\xbb\xbf")


def _nodes(node: Node | None) -> list[Node]:
    match node:
        case Items():
            return [node, *(inner for item in node.items for inner in _nodes(item))]
        case Table():
            return [node, *(inner for key, value in node.entries for inner in (key, *_nodes(value)))]
        case None:
            return []
        case _:
            return [node]
