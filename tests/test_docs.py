"""What the documentation says is so: its examples pass `check`, its commands exist, its links lead somewhere."""

import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from pydantic import BaseModel, SecretStr
from typer.main import get_command

from rfs_mail.campaign_files import keys
from rfs_mail.campaign_files.load import Project, load_project
from rfs_mail.campaign_files.world import (
    CALENDAR_KEYS,
    ENTITY_KEYS,
    FIELD_KEYS,
    OCCURRENCE_KEYS,
    SEGMENT_KEYS,
    TOPIC_KEYS,
)
from rfs_mail.cli import app as command_line
from rfs_mail.core.campaign import Branch, Mail, Step
from rfs_mail.core.expression import Vocabulary, parse
from rfs_mail.core.findings import Finding
from rfs_mail.core.reasons import Reason
from rfs_mail.core.script import time_names
from rfs_mail.core.times import parse_time
from rfs_mail.core.vocabulary import FUNCTIONS, PERSON_FIELDS, WINDOW_FIELDS
from rfs_mail.engine.check import check_project
from rfs_mail.errors import ExpressionError
from rfs_mail.render import lint_mail
from rfs_mail.render.environment import FILTER_NAMES
from rfs_mail.settings import Caps, Dkim, Relay, Settings

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
REFERENCE = DOCS / "campaigns.md"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]

_FENCE = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: what stands behind its backticks, what it holds, and where it begins."""

    page: Path
    line: int
    info: str
    body: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def _blocks(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    for match in _FENCE.finditer(text):
        yield Block(page, text.count("\n", 0, match.start()) + 1, match["info"].strip(), match["body"])


def _prose(page: Path) -> str:
    """The text of a page without its fenced blocks."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


BLOCKS = [block for page in PAGES for block in _blocks(page)]
YAML = [block for block in BLOCKS if block.info.startswith("yaml")]


def _project() -> Project:
    """What we ship, as read."""
    return load_project(Settings(folder=ROOT))


# -- campaign files ----------------------------------------------------------------------------------------------------

_FRAME = {
    "id": "id: example",
    "entity": "entity: rfs",
    "topic": "topic: running",
    "entry": "entry: {event: signup}",
    "steps": "steps:\n  - {key: hello, mail: hello}",
}
"""A campaign that has all it needs. What an example says stands in the place of what this says."""


def _framed(block: Block) -> str:
    """A whole campaign around an example that shows some of its keys, or some of its steps."""
    if block.info == "yaml campaign":
        return block.body
    if block.info == "yaml steps":
        steps = "".join(f"  {line}" for line in block.body.splitlines(keepends=True))
        return "\n".join([*(text for key, text in _FRAME.items() if key != "steps"), "steps:", steps])
    said = re.findall(r"^(\w+):", block.body, re.MULTILINE)
    return "\n".join([*(text for key, text in _FRAME.items() if key not in said), block.body])


def _lay_out(folder: Path, shipped: list[str], files: Mapping[str, str]) -> Settings:
    """A working folder with some of what we ship and some files of its own."""
    for name in shipped:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, folder / name)
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "templates").mkdir(exist_ok=True)
    return Settings(folder=folder)


def _write_mails(settings: Settings) -> None:
    """A mail for every step that sends one, in every language, with the subjects and answers that the step names."""
    for draft in load_project(settings).drafts:
        for step in draft.campaign.walk():
            if isinstance(step.action, Mail):
                subjects = [name for name in (*step.action.variants, step.action.subject) if name and name != "plain"]
                head = "".join(f"subject.{name}: More\n" for name in subjects)
                offers = "".join(f'{{{{ answer("{key}", "Yes")}}}}\n\n' for key in step.action.answers)
                for language in ("", ".es"):
                    path = settings.templates_dir / f"{step.action.template}{language}.md"
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_text(f"---\nsubject: Hello\n{head}---\nHello.\n\n{offers}", encoding="utf-8")


_SHIPPED = ["campaigns/entities.yaml", "campaigns/fields.yaml", "campaigns/segments.yaml", "data/calendar.yaml"]
_LAYOUT = [f"templates/_layout.{ending}" for ending in ("html", "txt", "yaml", "es.yaml")]

_PLACES: Mapping[str, tuple[str, list[str]]] = {
    "yaml entities": ("campaigns/entities.yaml", []),
    "yaml segments": ("campaigns/segments.yaml", [name for name in _SHIPPED if "segments" not in name]),
    "yaml fields": ("campaigns/fields.yaml", ["campaigns/entities.yaml"]),
    "yaml calendar": ("data/calendar.yaml", ["campaigns/entities.yaml"]),
    "yaml defaults": ("campaigns/_defaults.yaml", [*_SHIPPED, *_LAYOUT]),
}


@pytest.mark.parametrize("block", YAML, ids=str)
def test_yaml_examples_pass_check(block: Block, tmp_path: Path) -> None:
    """`check` finds nothing in any example, neither an error nor a warning."""
    if block.info in _PLACES:
        name, shipped = _PLACES[block.info]
        settings = _lay_out(tmp_path, shipped, {name: block.body})
        if block.info == "yaml defaults":
            (tmp_path / "campaigns" / "example.yaml").write_text("\n".join(_FRAME.values()), encoding="utf-8")
    else:
        assert block.info in ("yaml campaign", "yaml keys", "yaml steps")
        settings = _lay_out(tmp_path, [*_SHIPPED, *_LAYOUT], {"campaigns/example.yaml": _framed(block)})
    _write_mails(settings)
    assert _said(check_project(load_project(settings))) == []


def _said(findings: tuple[Finding, ...]) -> list[str]:
    return [f"{finding.path}:{finding.line} {finding.message}" for finding in findings]


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.info == "markdown template"], ids=str)
def test_template_examples_pass_check(block: Block) -> None:
    """`check` finds nothing in an example of a template."""
    project = _project()
    files = {**{path: text for path, text in project.files.items() if path.startswith("_")}, "x/y.md": block.body}
    found = lint_mail(files, "x/y", calendar=project.content.calendars, custom=project.content.fields)
    assert _said(found) == []


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.info == "time"], ids=str)
def test_time_examples_parse(block: Block) -> None:
    """Every line of an example of times is a time."""
    names = time_names(_project().content)
    lines = block.body.splitlines()
    assert [bool(parse_time(line, names=names)) for line in lines] == [True] * len(lines)


def _vocabulary() -> Vocabulary:
    content = _project().content
    return Vocabulary(
        fields=content.fields,
        segments=content.segments,
        entities=content.entities,
        topics=content.topics,
        calendars=content.calendars,
        steps=("hello", "offices"),
        campaigns={"welcome": ("hello",), "id": (), "campaign": ("step",)},
        in_window=True,
        in_enrollment=True,
    )


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.info == "expression"], ids=str)
def test_condition_examples_parse(block: Block) -> None:
    """Every line of an example of conditions is a condition."""
    words = _vocabulary()
    lines = block.body.splitlines()
    assert [parse(line, words).text for line in lines] == lines


def _section(page: Path, title: str) -> str:
    """What stands under a heading of a page, up to the next of any level."""
    text = page.read_text(encoding="utf-8")
    match = re.search(rf"^#+ {re.escape(title)}\n(.*?)(?=^#+ |\Z)", text, re.MULTILINE | re.DOTALL)
    assert match is not None, f"{page.name} has no heading {title!r}"
    return match[1]


def _rows(section: str) -> list[list[str]]:
    """The cells of the tables in a section, without heads and rules."""
    lines = [line for line in section.splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    rules = {number for number, row in enumerate(rows) if set("".join(row)) <= set("-: ")}
    return [row for number, row in enumerate(rows) if number not in rules and number + 1 not in rules]


def test_errors_are_as_they_are_told() -> None:
    """What the reference says an error says, it says."""
    words = _vocabulary()
    wrong = []
    for written, answer in _rows(_section(REFERENCE, "What errors say")):
        with pytest.raises(ExpressionError) as raised:
            parse(written.strip("`"), words)
        if answer.strip("`") not in str(raised.value):
            wrong.append(f"{written}: {raised.value}")
    assert wrong == []


def test_every_key_is_in_the_reference() -> None:
    """The reference names every key that campaign files may have, and every name that conditions may use."""
    text = REFERENCE.read_text(encoding="utf-8")
    words = set(re.findall(r"[\w]+", text))
    tables = (
        keys.CAMPAIGN, keys.ENTRY, keys.SEND, keys.ALL_STEP, keys.ARM, keys.TASK, keys.SUPPRESS, keys.GOAL, keys.EXIT,
        ENTITY_KEYS, TOPIC_KEYS, FIELD_KEYS, CALENDAR_KEYS, OCCURRENCE_KEYS, SEGMENT_KEYS,
        PERSON_FIELDS, WINDOW_FIELDS, FUNCTIONS, FILTER_NAMES,
    )  # fmt: skip
    assert sorted({name for table in tables for name in table} - words) == []


def test_reference_names_no_key_that_is_not_there() -> None:
    """The first column of the reference's tables of keys holds keys of campaign files."""
    known = {*keys.CAMPAIGN, *keys.ENTRY, *keys.ALL_STEP}
    titles = ("A campaign", "Entry", "Steps", "A mail", "A wait", "A branch", "A change", "A task")
    named = {
        name
        for title in titles
        for row in _rows(_section(REFERENCE, title))
        if "{" not in row[0]
        for name in re.findall(r"`(\w+)`", row[0])
    }
    assert named - known - set(keys.TASK) == set()
