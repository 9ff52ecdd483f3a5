"""What the documentation says is so: its examples pass `check`, its commands exist, its links lead somewhere."""

import asyncio
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
from pydantic import BaseModel, SecretStr
from typer.main import get_command
from typer.testing import CliRunner

from rfs_mail.app import open_app
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
from rfs_mail.core.campaign import Mail
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
from rfs_mail.settings import Caps, Dkim, Operator, Relay, Settings, WarmUp
from rfs_mail.web import create_web

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


# -- commands ----------------------------------------------------------------------------------------------------------


def _tree() -> Any:
    return get_command(command_line)


def _commands(command: Any, path: str = "rfs-mail") -> Iterator[tuple[str, Any]]:
    """Every command that can be run, by what is typed."""
    below = getattr(command, "commands", None)
    if below is None:
        yield path, command
        return
    for name in below:
        yield from _commands(below[name], f"{path} {name}")


def _options(command: Any) -> set[str]:
    """The long options of a command; a short one where there is no long one."""
    return {
        next((name for name in option.opts if name.startswith("--")), option.opts[0])
        for option in command.params
        if option.param_type_name == "option"
    } - {"--help"}


COMMANDS = dict(_commands(_tree()))


def _sections(page: Path) -> dict[str, str]:
    """Heading -> what stands under it, to the next heading."""
    pieces = re.split(r"^#+ (.*)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(pieces[1::2], pieces[2::2], strict=True))


def test_commands_page_has_every_command() -> None:
    """docs/commands.md has a section for every command, and for none that does not exist."""
    headed = {title for title in _sections(DOCS / "commands.md") if title.startswith("rfs-mail ")}
    groups = {path.rpartition(" ")[0] for path in COMMANDS if path.count(" ") > 1}
    assert headed - groups == set(COMMANDS)


@pytest.mark.parametrize("path", COMMANDS)
def test_commands_page_has_every_option(path: str) -> None:
    """The section of a command has every option of it in a table, and none that it does not have."""
    rows = _rows(_sections(DOCS / "commands.md")[path])
    named = {name for row in rows for name in re.findall(r"`(--[\w-]+)`", row[0])}
    assert named == _options(COMMANDS[path])


def _said_to_type(page: Path) -> Iterator[str]:
    """Every command line on a page: after `$` in a block, and in backticks in the text."""
    for block in _blocks(page):
        if block.info.startswith("console"):
            joined = block.body.replace("\\\n", " ")
            yield from re.findall(r"^(?:\$|>) +(.*)$", joined, re.MULTILINE)
    yield from (" ".join(code.split()) for code in re.findall(r"`([^`]+)`", _prose(page)))


_WORD = re.compile(r"[a-z][a-z-]*\Z")


def _wrong_with(line: str) -> str:
    """What is wrong with a line that names a command of ours; empty where nothing is, or where it names none."""
    groups = _tree().commands
    words = re.split(r"\s*(?:#|\||>|;|&&|\)).*", re.sub(r"'[^']*'|\"[^\"]*\"", "TEXT", line))[0].split()
    words = words[words.index("rfs-mail") :] if "rfs-mail" in words else words
    ours = words[:1] == ["rfs-mail"]
    words = words[1:] if ours else words
    if words[:1] == ["-C"]:
        words = words[2:]
    if not words or not _WORD.match(words[0]) or not (ours or (words[0] in groups and len(words) > 1)):
        return ""
    if words[0] not in groups:
        return f"no command {words[0]}"
    command = groups[words[0]]
    below = getattr(command, "commands", None)
    rest = words[1:]
    if below is not None:
        if not rest or rest[0] not in below:
            return f"{words[0]} has no {rest[0]}" if rest and _WORD.match(rest[0]) else ""
        command, rest = below[rest[0]], rest[1:]
    known = {name for option in command.params for name in option.opts} | {"--help"}
    strangers = [word for word in rest if word.startswith("--") and word.split("=")[0] not in known]
    return f"{words[0]} has no option {strangers[0]}" if strangers else ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_pages_name_commands_that_exist(page: Path) -> None:
    """Every command and option that a page tells people to type, exists."""
    lines = list(_said_to_type(page))
    assert [f"{line}: {wrong}" for line in lines if (wrong := _wrong_with(line))] == []


def test_a_command_that_is_not_there_is_found() -> None:
    """The judge of the pages knows commands, groups and options that do not exist."""
    lines = ("rfs-mail chekc", "rfs-mail people shwo X", "rfs-mail tick --att 3", "people shwo X", "rfs-mail -C x foo")
    assert [line for line in lines if not _wrong_with(line)] == []


# -- settings, reasons -------------------------------------------------------------------------------------------------

_TABLES: Mapping[str, type[BaseModel]] = {
    "relay.": Relay, "caps.": Caps, "dkim.": Dkim, "operators.": Operator, "warm_up.": WarmUp,
}  # fmt: skip
_NONE = ("*none*", "required", "")


def _default(model: type[BaseModel], name: str) -> str:
    """A default as the page shows it."""
    field = model.model_fields[name]
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    value = value.get_secret_value() if isinstance(value, SecretStr) else value
    if isinstance(value, BaseModel):
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value}`" if value not in ("", None, (), {}) else "*none*"


def test_settings_page_has_every_key() -> None:
    """docs/settings.md has every key with its default and its variable, and none that does not exist."""
    rows = [row for section in _sections(DOCS / "settings.md").values() for row in _rows(section)]
    said = {row[0].strip("`"): row[1] for row in rows if re.fullmatch(r"`[a-z_0-9.]+`", row[0])}
    wanted = {name: _default(Settings, name) for name in Settings.model_fields if name != "folder"}
    for prefix, model in _TABLES.items():
        wanted |= {prefix + name: _default(model, name) for name in model.model_fields}
    assert said == wanted


def test_settings_page_has_every_variable() -> None:
    """Beside each key stands the variable that sets it."""
    rows = [row for section in _sections(DOCS / "settings.md").values() for row in _rows(section)]
    said = {row[0].strip("`"): row[2].strip("`") for row in rows if len(row) > 2 and "RFS_MAIL_" in row[2]}
    names = [name for name in Settings.model_fields if name not in ("folder", "caps", "dkim", "operators", "warm_up")]
    names += [f"{table}.{name}" for table, model in (("caps", Caps), ("dkim", Dkim)) for name in model.model_fields]
    assert said == {name: f"RFS_MAIL_{name.upper().replace('.', '_')}" for name in names}


def test_reasons_page_has_every_reason() -> None:
    """docs/reasons.md has every reason there is, once."""
    rows = [row for section in _sections(DOCS / "reasons.md").values() for row in _rows(section)]
    assert sorted(row[0].strip("`") for row in rows) == sorted(reason.value for reason in Reason)


# -- links -------------------------------------------------------------------------------------------------------------


def _anchors(page: Path) -> set[str]:
    """What links to headings of a page are called, as GitHub makes them."""
    titles = re.findall(r"^#+ (.*)$", _prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    """Every link inside the project leads to a file that exists, and to a heading that it has."""
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", _prose(page)):
        if "://" in target or target.startswith("mailto:"):
            continue
        name, _, anchor = unquote(target).partition("#")
        there = (page.parent / name).resolve() if name else page
        if not there.exists() or (anchor and anchor not in _anchors(there)):
            broken.append(target)
    assert broken == []


def test_every_page_can_be_found() -> None:
    """Every page of docs/ is linked from another."""
    linked = {
        (page.parent / unquote(target).partition("#")[0]).resolve()
        for page in PAGES
        for target in re.findall(r"\]\(([^)\s#:]+)[^)]*\)", _prose(page))
    }
    assert [page.name for page in DOCS.rglob("*.md") if page not in linked and page.name != "README.md"] == []


# -- the quickstart ----------------------------------------------------------------------------------------------------

WHEN = datetime(2026, 11, 23, 11, 18, tzinfo=UTC)
"""When the quickstart was run."""

_RUN = [block for block in BLOCKS if block.info == "console run"]


def _told(block: Block) -> Iterator[tuple[str, list[str]]]:
    """The commands of a block, each with what it prints."""
    for piece in re.split(r"^\$ ", block.body, flags=re.MULTILINE)[1:]:
        command, *printed = piece.rstrip("\n").split("\n")
        yield command, [line for line in printed if line or len(printed) > 1]


def _masked(line: str) -> str:
    """A line without what differs from run to run: the minute, and the links."""
    line = re.sub(r"\d\d:\d\d\b|T\d{6}Z", "TIME", line)
    return re.sub(r"/[uvpc]/\w+", "/LINK", line).rstrip()


def _matches(told: list[str], printed: list[str]) -> bool:
    """Whether lines are as told; `...` alone stands for any number of lines, at a line's end for the rest of it."""
    pattern = ""
    for line in told:
        rest = ".*" if line.endswith("...") else ""
        pattern += r"(?:.*\n)*" if line == "..." else re.escape(_masked(line.removesuffix("..."))) + rest + r"\n"
    return re.fullmatch(pattern, "".join(f"{_masked(line)}\n" for line in printed)) is not None


def _press(folder: Path) -> str:
    """Press the button of a mail program on the mail to Maya; what it is told."""
    mail = next(path.read_text(encoding="utf-8") for path in (folder / "inbox").iterdir() if "maya" in path.name)
    link = re.search(r"http://\S+/u/\w+", mail)
    assert link is not None
    app = open_app(folder, environ={}, civil_clock=lambda: WHEN)

    async def post() -> str:
        transport = httpx.ASGITransport(create_web(app))
        async with httpx.AsyncClient(transport=transport) as client:
            return (await client.post(link[0], data={"List-Unsubscribe": "One-Click"})).text

    try:
        return asyncio.run(post())
    finally:
        app.close()


def _type(command: str, folder: Path) -> list[str]:
    """Run a command of the quickstart in a folder; the lines it prints."""
    words = shlex.split(command)
    if words[0] == "rfs-mail":
        result = CliRunner().invoke(command_line, ["-C", str(folder), *words[1:]])
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result.output.splitlines()
    if words[0] == "curl":
        return _press(folder).splitlines()
    done = subprocess.run(command, shell=True, cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_quickstart_runs_as_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command of the quickstart prints what the page says, one after the other in one folder."""
    monkeypatch.setattr("rfs_mail.cli.context.open_app", partial(open_app, environ={}, civil_clock=lambda: WHEN))
    folder, wrong = tmp_path, []
    for block in _RUN:
        for command, told in _told(block):
            if command.startswith("cd "):
                folder = folder / command.removeprefix("cd ")
                monkeypatch.chdir(folder)
                continue
            if command.startswith("rfs-mail init "):
                monkeypatch.chdir(folder)
            printed = _type(command, folder)
            if not _matches(told, printed):
                wrong.append("\n".join([f"{block}: {command}", *printed]))
    assert wrong == []
