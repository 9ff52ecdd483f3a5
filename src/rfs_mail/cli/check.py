"""`rfs-mail check`: what is wrong in campaign files and templates, by file, line and column. Needs no database."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from rfs_mail.campaign_files.load import Project, load_project
from rfs_mail.cli.context import current_folder
from rfs_mail.cli.output import AsJson, count, print_json
from rfs_mail.core.findings import Finding
from rfs_mail.engine.check import check_project, extent, fix_project
from rfs_mail.engine.compiling import compile_project
from rfs_mail.errors import UsageError
from rfs_mail.settings import Settings, load_settings


def check(
    paths: Annotated[list[Path] | None, typer.Argument(help="Only these files or folders; by default all.")] = None,
    fix: Annotated[bool, typer.Option("--fix", help="Write the corrections that cannot change a meaning.")] = False,
    as_json: AsJson = False,
) -> None:
    """Find what is wrong in campaign files and templates. Exit code 1 where something must be mended."""
    settings = load_settings(current_folder())
    project = load_project(settings)
    wanted = [_name(settings, path) for path in paths or ()]
    if fix:
        fixed = fix_project(project, settings)
        project = load_project(settings)
        for one in fixed if not as_json else ():
            typer.echo(f"{one.path}:{one.line}:{one.column}  fixed: {_line(one.old)}  ->  {_line(one.new)}")
    compiled = compile_project(project)
    findings = check_project(project, compiled=compiled, caps=settings.caps)
    shown = [finding for finding in findings if not wanted or any(_inside(finding.path, name) for name in wanted)]
    errors = sum(finding.severity == "error" for finding in shown)
    if as_json:
        print_json({"findings": [asdict(finding) for finding in shown], "errors": errors})
    else:
        for finding in shown:
            typer.echo(say_finding(finding))
        if errors and not fix:
            _offer_fix(project)
        typer.echo(f"{extent(project, compiled)}: {summary(shown)}")
    if errors:
        raise typer.Exit(1)


def say_finding(finding: Finding) -> str:
    """One line; what may stay as it is says so."""
    mark = "warning: " if finding.severity == "warning" else ""
    return f"{finding.path}:{finding.line}:{finding.column}  {mark}{finding.message}"


def summary(findings: list[Finding]) -> str:
    """`2 errors, 1 warning`, or `no findings`."""
    errors = sum(finding.severity == "error" for finding in findings)
    warnings = len(findings) - errors
    parts = [count(number, noun) for number, noun in ((errors, "error"), (warnings, "warning")) if number]
    return ", ".join(parts) or "no findings"


def _offer_fix(project: Project) -> None:
    from rfs_mail.engine.check import fixable

    number = fixable(project)
    if number:
        typer.echo(f"`rfs-mail check --fix` mends {number} of these.")


def _name(settings: Settings, path: Path) -> str:
    """What findings call a path that was asked for. Raises UsageError where there is no such file."""
    inside = settings.folder.resolve()
    found = [whole for base in (inside, Path.cwd()) if (whole := (base / path).resolve()).exists()]
    if not found:
        raise UsageError(f"There is no file or folder {path}.")
    for whole in found:
        if whole.is_relative_to(inside):
            return whole.relative_to(inside).as_posix()
    raise UsageError(f"{path} is not inside {inside}.")


def _inside(path: str, name: str) -> bool:
    return name in (".", path) or path.startswith(f"{name}/")


def _line(text: str) -> str:
    return " ".join(text.split())
