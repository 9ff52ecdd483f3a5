"""Corrections written into files: the span that changes, and every other byte as it was."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfs_mail.campaign_files.fixing import Fixed, apply_fixes, mend, write_fixes
from rfs_mail.campaign_files.nodes import Items, Node, Scalar, SourceFile, Table
from rfs_mail.campaign_files.reading import parse


def _first(node: Node | None, value: str) -> Scalar:
    match node:
        case Scalar() if node.value == value:
            return node
        case Items():
            children = list(node.items)
        case Table():
            children = [inner for _key, inner in node.entries]
        case _:
            children = []
    for child in children:
        try:
            return _first(child, value)
        except LookupError:
            continue
    raise LookupError(value)


def _fixed(text: str, old: str, new: str) -> str:
    file = SourceFile("f.yaml", text)
    done, result = apply_fixes(file, [(_first(parse(file).root, old), new)])
    assert len(done) == 1
    return result


@pytest.mark.parametrize(
    ("text", "old", "new", "expected"),
    [
        (
            'a: stage = "filed"   # why\n',
            'stage = "filed"',
            'stage == "filed"',
            'a: stage == "filed"   # why\n',
        ),
        ("a: stage == filed\r\n", "stage == filed", 'stage == "filed"', 'a: stage == "filed"\r\n'),
        ('a: "stage == filed"\n', "stage == filed", 'stage == "filed"', 'a: "stage == \\"filed\\""\n'),
        ("a: 'stage == filed'\n", "stage == filed", 'stage == "filed"', "a: 'stage == \"filed\"'\n"),
        ("a: 'x == 1 && y'\n", "x == 1 && y", "x == 1 and y", "a: 'x == 1 and y'\n"),
        (
            "- {when: stage == filed, b: c}\n",
            "stage == filed",
            'stage == "filed"',
            '- {when: stage == "filed", b: c}\n',
        ),
        ("- {when: tag(x), b: c}\n", "tag(x)", 'tag("x", "y")', '- {when: \'tag("x", "y")\', b: c}\n'),
        ("a: >-\n  one &&\n  two\nb: c\n", "one && two", "one and two", "a: >-\n  one and\n  two\nb: c\n"),
        ("a: |\n  one && two\n", "one && two\n", "one and two\n", "a: |\n  one and two\n"),
        ('a: "!x"\n', "!x", "not x", 'a: "not x"\n'),
        ("a: 'don''t = 1'\n", "don't = 1", "don't == 1", "a: 'don''t == 1'\n"),
    ],
)
def test_only_the_span_is_replaced(text: str, old: str, new: str, expected: str) -> None:
    """In every style of YAML, comments, line ends and all other bytes stay."""
    assert expected == _fixed(text, old, new)


def test_several_corrections_of_one_file() -> None:
    """Earlier ones do not move the places of later ones."""
    file = SourceFile("f.yaml", "a: [one, one]\nb: one\n")
    table = parse(file).root
    assert isinstance(table, Table)
    items = table.get("a")
    assert isinstance(items, Items)
    wanted = [(item, "three") for item in items.items if isinstance(item, Scalar)]
    wanted.append((_first(table.get("b"), "one"), "two words"))
    done, text = apply_fixes(file, wanted)
    assert text == "a: [three, three]\nb: two words\n"
    assert [(one.line, one.column) for one in done] == [(1, 5), (1, 10), (2, 4)]


LINE = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=20).filter(
    lambda text: bool(text.strip())
)


@given(LINE, LINE, st.sampled_from(['a: "{}"\nb: c\n', "a: '{}'\n", "- {{a: '{}', b: c}}\n", "a: |\n  {}\nb: c\n"]))
def test_a_correction_says_what_was_meant_or_is_not_made(old: str, new: str, form: str) -> None:
    """Read again, the file says the new value there and the same elsewhere, or it is unchanged."""
    inside = old.replace("'", "''") if "'{}'" in form else old
    inside = inside.replace("\\", "\\\\").replace('"', '\\"') if '"{}"' in form else inside
    file = SourceFile("f.yaml", form.format(inside.strip() or "x"))
    root = parse(file).root
    if root is None:
        return
    scalar = _any(root)
    value = new + "\n" if scalar.value.endswith("\n") else new
    done, text = apply_fixes(file, [(scalar, value)])
    again = parse(SourceFile("f.yaml", text)).root
    assert again is not None
    assert _any(again).value == (value if done else scalar.value)
    assert _keys(again) == _keys(root)


def _keys(node: Node) -> list[str]:
    match node:
        case Table():
            return [key.value for key, _value in node.entries]
        case Items():
            return _keys(node.items[0])
        case _:
            return []


def _any(node: Node) -> Scalar:
    match node:
        case Table():
            return _any(node.entries[0][1])
        case Items():
            return _any(node.items[0])
        case _:
            assert isinstance(node, Scalar)
            return node


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('when: "WI" in x # c\nb: c\n', "when: '\"WI\" in x' # c\nb: c\n"),
        ('audience:\n  - "a" == x\n  - "b" == x\n', "audience:\n  - '\"a\" == x'\n  - '\"b\" == x'\n"),
        ('- {key: x, when: a in ["b"], mail: m}\n', "- {key: x, when: 'a in [\"b\"]', mail: m}\n"),
        ("title: Call her: now\n", 'title: "Call her: now"\n'),
        ("at: @ 10:00\n", 'at: "@ 10:00"\n'),
        ('when: !tag("x")\n', 'when: not tag("x")\n'),
        ("when: !endorsable\n", "when: not endorsable\n"),
        ('name: "Run" now\n', 'name: "Run" now\n'),
        ("a: 'it's'\n", "a: 'it's'\n"),
        ("a: [b\n", "a: [b\n"),
    ],
)
def test_quotes_that_are_missing_are_put_in(text: str, expected: str) -> None:
    """Where only one thing can be meant; what a person has to decide stays."""
    assert expected == mend(SourceFile("f.yaml", text))[1]


@given(st.text("ab:-{}[]\"'#&*!|>%@`, \n", max_size=40))
def test_mending_never_raises_and_never_reads_less(text: str) -> None:
    """Every edit lets the parser get further, or there is none."""
    done, result = mend(SourceFile("f.yaml", text))
    assert (result != text) == bool(done)


def test_files_are_written_whole_and_with_their_mark(tmp_path: Path) -> None:
    """The byte order mark and the mode of the file stay; a file that changed meanwhile is left alone."""
    path = tmp_path / "f.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: one\r\n")
    path.chmod(0o640)
    file = SourceFile("f.yaml", "a: one\r\n", bom=True)
    scalar = _first(parse(file).root, "one")
    assert write_fixes({"f.yaml": file}, tmp_path, [(scalar, "two")]) == (Fixed("f.yaml", 1, 4, "one", "two"),)
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"\xef\xbb\xbfa: two\r\n", 0o640)
    assert write_fixes({"f.yaml": file}, tmp_path, [(scalar, "three")]) == ()
    assert path.read_bytes() == b"\xef\xbb\xbfa: two\r\n"
    assert [entry.name for entry in tmp_path.iterdir()] == ["f.yaml"]
