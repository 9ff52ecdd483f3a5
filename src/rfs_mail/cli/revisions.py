"""`rfs-mail revisions` and `rfs-mail rollback`: what was applied, what changed, and back to an earlier release."""

import sys
from typing import Annotated

import typer

from rfs_mail.cli.apply import changes
from rfs_mail.cli.context import current_app
from rfs_mail.cli.output import AsCsv, AsJson, Column, plain, print_fields, print_json, print_list, say_time
from rfs_mail.engine import apply as engine
from rfs_mail.engine.revisions import as_lines, diff_revisions, list_revisions, release_of, show_revision
from rfs_mail.errors import UsageError

app = typer.Typer(no_args_is_help=True, add_completion=False, help="What was applied, and what changed.")

_COLUMNS = (
    Column("id", "ID", right=True),
    Column("campaign", "CAMPAIGN"),
    Column("number", "NO.", right=True),
    Column("created_at", "APPLIED"),
    Column("by", "BY"),
    Column("release", "RELEASE", right=True),
    Column("live", "LIVE"),
)


@app.command("list")
def list_(
    campaign: Annotated[str | None, typer.Argument(help="Only this campaign.")] = None,
    as_json: AsJson = False,
    as_csv: AsCsv = False,
) -> None:
    """Every version of every campaign, newest first."""
    rows = [
        {
            "id": row.id,
            "campaign": row.campaign_id,
            "number": row.number,
            "created_at": row.created_at,
            "by": row.applied_by,
            "release": row.release_id,
            "live": row.live,
        }
        for row in list_revisions(current_app().store, campaign)
    ]
    empty = "Nothing was applied yet. Run: rfs-mail apply"
    print_list(rows, _COLUMNS, as_json=as_json, as_csv=as_csv, empty=empty)


@app.command()
def show(
    revision_id: Annotated[int, typer.Argument(metavar="ID", help="As in `revisions list`.")],
    as_json: AsJson = False,
) -> None:
    """One version of a campaign: its steps, what it names, and the text of its mails."""
    revision = show_revision(current_app().store, revision_id)
    if as_json:
        print_json(
            {
                "id": revision.id,
                "campaign": revision.campaign_id,
                "number": revision.number,
                "digest": revision.digest,
                "created_at": revision.created_at,
                "definition": revision.definition.model_dump(mode="json", by_alias=True),
                "context": revision.content.model_dump(mode="json"),
                "mails": {
                    template: {key: source.model_dump(mode="json") for key, source in sources.items()}
                    for template, sources in revision.mails.items()
                },
            }
        )
        return
    print_fields(
        [
            ("revision", f"{revision.id}"),
            ("campaign", f"{revision.campaign_id}, number {revision.number}"),
            ("applied", say_time(revision.created_at)),
            ("digest", revision.digest),
        ]
    )
    typer.echo("")
    for line in as_lines(revision):
        typer.echo(plain(line))


@app.command()
def diff(
    old: Annotated[int, typer.Argument(metavar="A", help="The earlier version.")],
    new: Annotated[int, typer.Argument(metavar="B", help="The later version.")],
    as_json: AsJson = False,
) -> None:
    """What changed from one version to another."""
    lines = diff_revisions(current_app().store, old, new)
    if as_json:
        print_json({"old": old, "new": new, "diff": lines})
        return
    for line in lines or ["The two are the same."]:
        typer.echo(plain(line))


def rollback(
    revision_id: Annotated[
        int | None, typer.Argument(metavar="[REVISION]", help="Back to the release in which this was last live.")
    ] = None,
    release: Annotated[int | None, typer.Option("--release", help="Back to this release.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make an earlier release live again: all its campaigns together. The files stay as they are."""
    opened = current_app()
    if (revision_id is None) == (release is None):
        raise UsageError("Name one: a revision of `revisions list`, or --release with the number of a release.")
    wanted = release if release is not None else release_of(opened.store, revision_id or 0)
    ahead = engine.preview_rollback(opened.store, wanted)
    if not as_json:
        for line in changes(ahead):
            typer.echo(line)
    if not yes:
        if not sys.stdin.isatty():
            raise UsageError("Nobody is there to be asked. Say `rollback --yes`.")
        typer.confirm(f"Make release {wanted} live again?", abort=True)
    result = engine.rollback(opened.store, wanted, now=opened.now(), by=opened.whoami)
    if as_json:
        print_json({"applied": not result.nothing, "release": result.release_id, "from": wanted})
    elif result.nothing:
        typer.echo(f"Nothing to do: release {wanted} is what is live.")
    else:
        typer.echo(f"Release {result.release_id} is live: what release {wanted} was. The files still say otherwise.")
