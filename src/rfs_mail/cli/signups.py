"""`rfs-mail signups`: sign-ups in."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from rfs_mail.app import App
from rfs_mail.campaign_files.load import load_project
from rfs_mail.cli.context import current_app
from rfs_mail.cli.output import AsJson, count, plain, print_fields, print_json
from rfs_mail.core.campaign import ReleaseContent
from rfs_mail.core.person_fields import MAX_NAME, Refused, read_instant
from rfs_mail.engine.import_signups import ImportReport, Progress, import_signups
from rfs_mail.errors import UsageError

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Sign-ups in: files of people who raised their hand."
)

FORMATS = ("csv",)

_WHY_NOT = {
    "no_consent": "for want of consent",
    "unsubscribed": "unsubscribed",
    "suppressed": "suppressed (bounced, complained, kept out by staff or by a list)",
    "stopped": "stopped by staff",
}
_LINES_EVERY = 50_000


@app.callback()
def _group() -> None:
    """Sign-ups in: files of people who raised their hand."""


@app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A CSV file with a header line.", show_default=False)],
    source: Annotated[
        str, typer.Option(help="Where these people signed up, e.g. tabling-madison.", show_default=False)
    ],
    entity: Annotated[str, typer.Option(help="Whom they signed up with: an id of entities.yaml.", show_default=False)],
    consent: Annotated[
        str | None, typer.Option(help="What they agreed to, word for word as the form said it.", show_default=False)
    ] = None,
    no_consent: Annotated[
        bool, typer.Option("--no-consent", help="They did not agree to mail: store them, mail nobody.")
    ] = False,
    format_: Annotated[str, typer.Option("--format", help=f"How the file is laid out: {', '.join(FORMATS)}.")] = "csv",
    map_: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="FIELD=COLUMN", help="Which column a field is in; #3 is the third. Repeatable."),
    ] = None,
    signed_up_at: Annotated[
        str | None,
        typer.Option(metavar="WHEN", help="When they signed up, for rows that do not say so: 2026-11-03."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would happen; write nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """
    Import sign-ups from a CSV file. The same file again changes nothing.

    Columns are matched by field name or a usual alias; the report says how. Rejected rows are written beside the file.
    Exit code 1 where rows were rejected.
    """
    if format_ not in FORMATS:
        raise UsageError(f"There is no format {format_!r}. Formats: {', '.join(FORMATS)}.")
    if no_consent == (consent is not None):
        raise UsageError(
            "Say what these people agreed to: --consent TEXT, word for word as the form said it. "
            "If they agreed to nothing: --no-consent."
        )
    if consent is not None and not consent.strip():
        raise UsageError("--consent is empty. Write what the form said, or say --no-consent.")
    source = source.strip()
    if not 0 < len(source) <= MAX_NAME or not source.isprintable():
        raise UsageError("--source names where these people signed up, in at most 200 characters: tabling-madison.")
    opened = current_app()
    now = opened.now()
    content, warning = _content(opened, entity)
    with _progress(quiet=as_json) as progress:
        report = import_signups(
            opened.store,
            file,
            source=source,
            entity=entity,
            consent_text=consent.strip() if consent is not None else None,
            secret=opened.suppression_key,
            fields=content.fields,
            now=now,
            mapping=_mapping(map_ or []),
            signed_up_at=_instant(signed_up_at, now),
            dry_run=dry_run,
            progress=progress,
        )
    if as_json:
        said = report.model_dump(mode="json")
        print_json({**said, "warnings": [*said["warnings"], *([warning] if warning else [])]})
    else:
        _print(report, content, warning)
    if report.rejected:
        raise typer.Exit(1)


def _content(opened: App, entity: str) -> tuple[ReleaseContent, str]:
    """Entities and fields that are live, or of the files where nothing was applied yet; and a warning about that."""
    content, warning = opened.release(), ""
    if content is None:
        content = load_project(opened.settings).content
        warning = (
            "Nothing was applied yet, so entities and fields are those of the files. A campaign that begins with a "
            "sign-up takes in those who sign up after its first `apply`, by the date of their rows."
        )
    if entity not in content.entities:
        known = ", ".join(content.entities) or "none; is this the working folder?"
        raise UsageError(f"There is no entity {entity!r}. Entities: {known}.")
    return content, warning


def _mapping(pairs: list[str]) -> dict[str, str]:
    mapping: dict[str, str] = {}
    for pair in pairs:
        field, equals, column = pair.partition("=")
        if not equals or not field.strip() or not column.strip():
            raise UsageError(f"--map {pair}: write FIELD=COLUMN, e.g. --map email='E-mail Address'.")
        mapping[field.strip()] = column.strip()
    return mapping


def _instant(text: str | None, now: datetime) -> datetime | None:
    if text is None:
        return None
    found = read_instant(text.strip(), now=now)
    if isinstance(found, Refused):
        raise UsageError(f"--signed-up-at {text}: {found.reason}.")
    return found


# -- while it runs -----------------------------------------------------------------------------------------------------


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Progress]:
    """A bar on a terminal, a line now and then elsewhere; on stderr, so that the report can be piped."""
    if quiet or not sys.stderr.isatty():
        said = 0

        def line(done: int, total: int, rows: int) -> None:
            nonlocal said
            if not quiet and rows - said >= _LINES_EVERY:
                said = rows
                share = f" ({done * 100 // total} %)" if total else ""
                typer.echo(f"{count(rows, 'row')}{share}", err=True)

        yield line
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    with Bar(
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%  {task.fields[rows]:,} rows"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as bar:
        task = bar.add_task("", total=None, rows=0)
        yield lambda done, total, rows: bar.update(task, completed=done, total=total or None, rows=rows)


# -- the report --------------------------------------------------------------------------------------------------------


def _print(report: ImportReport, content: ReleaseContent, warning: str) -> None:
    typer.echo(_sum(report))
    for words in (*report.warnings, *([warning] if warning else [])):
        typer.echo(f"! {plain(words)}")
    _print_standing(report, content)
    _print_columns(report)
    _print_notes(report)
    _print_rejected(report)
    if report.would_start is not None:
        typer.echo("\nWhat would start, before a campaign's audience is asked:")
        if report.would_start:
            print_fields(
                ((name, f"at most {count(people, 'person', 'people')}") for name, people in report.would_start.items()),
                indent=2,
            )
        else:
            typer.echo("  nothing: no running campaign begins with a sign-up")
        typer.echo("\nNothing was written.")


def _sum(report: ImportReport) -> str:
    would = "would be " if report.dry_run else ""
    return (
        f"{plain(report.file)}: {count(report.rows, 'row')} read\n"
        f"  {report.created:,} {would}created + {report.merged:,} merged + {report.unchanged:,} unchanged "
        f"+ {report.rejected:,} rejected = {report.rows:,}"
    )


def _print_standing(report: ImportReport, content: ReleaseContent) -> None:
    typer.echo(f"\n{count(report.people, 'person', 'people')} in this file. May be mailed by")

    def name(entity: str) -> str:
        known = content.entities.get(entity)
        return f"{known.name} ({entity})" if known is not None else entity

    entities = {report.entity: 0, **report.may_be_mailed_by}
    print_fields(((name(entity), f"{number:,}") for entity, number in entities.items()), indent=2)
    if report.may_not_be_mailed:
        typer.echo(f"Not by {name(report.entity)}:")
        reasons = (
            (f"{report.may_not_be_mailed[word]:,}", _WHY_NOT[word])
            for word in _WHY_NOT
            if word in report.may_not_be_mailed
        )
        print_fields(reasons, indent=2)


def _print_columns(report: ImportReport) -> None:
    typer.echo(f"\nColumns ({report.encoding}, {report.delimiter}s between them)")
    print_fields(((field, column) for field, column in report.columns.items()), indent=2)
    if report.unused_columns:
        typer.echo(plain(f"  not used: {', '.join(report.unused_columns)}"))
    for used, *others in report.similar_columns:
        typer.echo(plain(f"  look alike: {', '.join([used, *others])}. Say which with --map FIELD=COLUMN."))


def _print_notes(report: ImportReport) -> None:
    titles = {
        "dropped": "Values that did not fit and were left out; their rows went on",
        "doubtful": "Addresses to look at; they were taken as they are",
        "mended": "Values that were put right",
    }
    for kind, title in titles.items():
        notes = [note for note in report.notes if note.kind == kind]
        if notes:
            typer.echo(f"\n{title}")
            for note in notes[:10]:
                typer.echo(
                    plain(f"  {note.count:>7,}  {note.field}: {note.reason} (line {note.line:,}: {note.value!r})")
                )
            if len(notes) > 10:
                typer.echo(f"           and {len(notes) - 10:,} more kinds")
    if report.dropped_file:
        typer.echo(f"All values left out: {plain(report.dropped_file)}")


def _print_rejected(report: ImportReport) -> None:
    if not report.rejected:
        return
    typer.echo("\nRejected")
    for reason, number in list(report.rejected_because.items())[:10]:
        typer.echo(plain(f"  {number:>7,}  {reason}"))
    for row in report.first_rejected[:5]:
        typer.echo(plain(f"  line {row.line:,}: {row.field} {row.value!r}: {row.reason}"))
    if report.rejected_file:
        typer.echo(f"All rejected rows: {plain(report.rejected_file)}. Mended, that file can be imported as it is.")
