"""The rules of the house that no linter knows: what is documented, who owns what, and what must not be in the tree."""

import ast
import contextlib
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "rfs_mail"
MODULES = {path.relative_to(SOURCE).as_posix(): path for path in sorted(SOURCE.rglob("*.py"))}
TESTS = {path.relative_to(ROOT).as_posix(): path for path in sorted((ROOT / "tests").rglob("test_*.py"))}

OWNERS = {
    "aiosmtplib": ["transport/smtp.py"],
    "alembic": ["store/schema.py", "store/migrations/"],
    "apscheduler": ["scheduler.py"],
    "cryptography": ["core/dkim.py", "cli/dkim.py"],
    "css_inline": ["render/"],
    "dns": ["network/dns.py"],
    "email_validator": ["core/"],
    "fastapi": ["web/"],
    "holidays": ["core/office_days.py"],
    "jinja2": ["render/", "core/expression"],
    "markdown_it": ["render/"],
    "markupsafe": ["render/"],
    "mdurl": ["render/"],
    "procrastinate": ["handoff/procrastinate.py"],
    "psycopg": ["store/", "handoff/procrastinate.py"],
    "pydantic": [""],
    "rich": ["cli/"],
    "sqlalchemy": ["store/"],
    "sqlmodel": ["store/"],
    "starlette": ["web/"],
    "typer": ["cli/"],
    "uvicorn": ["web/", "cli/"],
    "uvloop": ["cli/", "web/"],
    "yaml": ["campaign_files/"],
}
"""Outside library -> the files that may import it. A library that is not listed has no owner yet and needs one."""

PASSED_ON = {"sqlalchemy": {"Connection", "sqlalchemy.exc"}}
"""What others may name: the verbs take a transaction and hand it to the store, and outlive a database that is away."""


def _text_files() -> Iterator[tuple[str, str]]:
    """Every file of the tree that people write, as (path, text); not what commands make."""
    made = {"__pycache__", "build", "dist", "out", "inbox", "node_modules"}
    for folder, below, files in os.walk(ROOT):
        below[:] = sorted(
            name
            for name in below
            if (not name.startswith(".") or name in (".ci", ".github"))
            and name not in made
            and not (Path(folder) / name / "pyvenv.cfg").exists()
        )
        for name in sorted(files):
            path = Path(folder) / name
            with contextlib.suppress(UnicodeDecodeError):
                yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def _imports(path: Path) -> Iterator[tuple[str, set[str], int]]:
    """(top-level package, names taken from it, line) of every absolute import of a file."""
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name.split(".")[0], set(), node.lineno
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = {alias.name for alias in node.names} if "." not in node.module else {node.module}
            yield node.module.split(".")[0], names, node.lineno


def test_public_names_say_what_they_are() -> None:
    """Every module with code, and every public function and class in it, has a docstring."""
    silent = []
    for name, path in MODULES.items():
        tree = _tree(path)
        if tree.body and not ast.get_docstring(tree):
            silent.append(name)
        silent += [
            f"{name}:{node.lineno} {node.name}"
            for node in tree.body
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            and not node.name.startswith("_")
            and not ast.get_docstring(node)
        ]
    assert silent == []


def test_every_test_says_what_it_holds() -> None:
    """Every test has a docstring: the behaviour it holds."""
    silent = [
        f"{name}:{node.lineno} {node.name}"
        for name, path in TESTS.items()
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and not ast.get_docstring(node)
    ]
    assert silent == []


def test_outside_libraries_have_one_owner() -> None:
    """An outside library is imported by its owner only, so that there is one place to change when it changes."""
    strangers = [
        f"{name}:{line} imports {library}"
        for name, path in MODULES.items()
        for library, names, line in _imports(path)
        if library not in sys.stdlib_module_names
        and library != "rfs_mail"
        and not (names and names <= PASSED_ON.get(library, set()))
        and not any(name.startswith(owner) for owner in OWNERS.get(library, []))
    ]
    assert strangers == []


def test_public_is_what_has_no_underscore() -> None:
    """`__all__` is for a module that passes on names of others; where all are its own, the underscore says enough."""
    idle = []
    for name, path in MODULES.items():
        body = _tree(path).body
        defined = {node.name for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
        for node in body:
            if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["__all__"]:
                idle += [name] if set(ast.literal_eval(node.value)) <= defined else []
    assert idle == []


def test_nothing_points_outside_the_tree() -> None:
    """No file names a folder of the machine it was written on."""
    places = ("/wo" + r"rk\b", "/ro" + "ot/", "/ho" + r"me/\w", "sha" + "red/[a-zA-Z]")
    elsewhere = re.compile("|".join(places))
    found = [
        f"{name}:{number}: {line.strip()[:100]}"
        for name, text in _text_files()
        for number, line in enumerate(text.splitlines(), 1)
        if elsewhere.search(line) and not re.search(r"https?://\S*" + elsewhere.pattern, line)
    ]
    assert found == []


def test_sample_people_live_nowhere() -> None:
    """What we ship mails nobody by accident: every address in it is in a domain that is reserved for examples."""
    address = re.compile(r"[\w.+-]+@([\w-]+(?:\.[\w-]+)+)")
    # example.con is a slip of the finger, which an import has to catch
    reserved = re.compile(r"(^|\.)(example\.(org|com|net|con)|test|example|invalid|localhost)$", re.IGNORECASE)
    shipped = ("campaigns/", "templates/", "data/", "docs/", "README.md", "CONTRIBUTING.md", "CHANGELOG.md")
    found = [
        f"{name}: {match[0]}"
        for name, text in _text_files()
        if name.startswith(shipped)
        for match in address.finditer(text)
        if not reserved.search(match[1])
    ]
    assert found == []


def _requirements() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    lists = [project["project"]["dependencies"], *project["project"]["optional-dependencies"].values()]
    return [Requirement(line) for lines in lists for line in lines if not line.startswith("rfs-mail[")]


def _pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return {canonicalize_name(line.split("==")[0]): line.split("==")[1] for line in lines}


def test_dependencies_are_bounded() -> None:
    """Every dependency has a lower and an upper bound; time zone data has no upper one, because only new is right."""
    loose = [
        str(requirement)
        for requirement in _requirements()
        if not any(part.operator == ">=" for part in requirement.specifier)
        or not (any(part.operator == "<" for part in requirement.specifier) or requirement.name == "tzdata")
    ]
    assert loose == []


def test_dependencies_are_pinned() -> None:
    """constraints.txt has nothing but `name==version` lines, and a version that fits for every dependency."""
    text = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    assert [line for line in text.splitlines() if not re.fullmatch(r"[\w.-]+==[\w.]+", line)] == []
    pins = _pins()
    unfit = [
        str(requirement)
        for requirement in _requirements()
        if not requirement.specifier.contains(pins.get(canonicalize_name(requirement.name), "0"))
    ]
    assert unfit == []


def test_no_registry_is_named() -> None:
    """Where packages come from is the machine's business, not the project's."""
    named = re.compile("--(extra-)?index" + "-url|--find" + "-links|files.python" + "hosted|://[^ ]*" + "py" + r"pi\.")
    found = [name for name, text in _text_files() if named.search(text)]
    assert found == []


def test_every_command_is_documented() -> None:
    """README.md or docs/ mention every command, spelt as it is typed."""
    import rfs_mail.cli

    app = getattr(rfs_mail.cli, "app", None)
    if app is None:
        pytest.skip("rfs_mail.cli has no commands")
    from typer.main import get_command

    text = "\n".join(text for name, text in _text_files() if name == "README.md" or name.startswith("docs/"))
    words = " ".join(text.split())
    missing = [command for command in _commands(get_command(app), "rfs-mail") if command not in words]
    assert missing == []


def _commands(command: object, path: str) -> Iterator[str]:
    below = getattr(command, "commands", None)
    if below is None:
        yield path
        return
    for name, one in sorted(below.items()):
        if not one.hidden:
            yield from _commands(one, f"{path} {name}")


def test_the_readmes_make_targets_exist() -> None:
    """What README.md and CONTRIBUTING.md tell people to `make`, make knows."""
    told = {
        target
        for name in ("README.md", "CONTRIBUTING.md")
        if (ROOT / name).exists()
        for target in re.findall(r"^\s*(?:\$ )?make ([a-z]+)", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE)
    }
    known = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert told - known == set()


def test_help_of_make_names_every_target() -> None:
    """`make` alone lists every target there is."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    known = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE)) - {"help"}
    said = subprocess.run(["make", "-C", str(ROOT), "help"], capture_output=True, text=True, check=True).stdout
    assert {target for target in known if f"make {target}" not in said} == set()
