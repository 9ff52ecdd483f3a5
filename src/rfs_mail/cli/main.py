"""
`rfs-mail`: the root of all commands.

Each noun lives in a file of its own, which is imported when one of its commands is run; `--help` imports none of them.
"""

import errno
import sys
from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from rfs_mail import __version__
from rfs_mail.errors import NotFoundError, RfsMailError, SettingsError, UsageError

DIRECTORS, STAFF, MACHINE = "Campaigns as code", "People and mail", "This machine"


@dataclass(frozen=True, slots=True)
class Entry:
    """One word after `rfs-mail`: where its command or group is, and what `--help` says of it."""

    name: str
    file: str
    """The file of `rfs_mail.cli`; it has a Typer `app`, or a function called like the command."""
    panel: str
    about: str

    @property
    def module(self) -> str:
        """The full name of the file."""
        return f"rfs_mail.cli.{self.file}"

    @property
    def function(self) -> str:
        """What the command's function is called, where the file has one."""
        return self.name.replace("-", "_")


ENTRIES = (
    Entry("check", "check", DIRECTORS, "Find what is wrong in campaign files and templates."),
    Entry("plan", "plan", DIRECTORS, "What applying the files would do, in people."),
    Entry("apply", "apply", DIRECTORS, "Make the campaign files live."),
    Entry("rollback", "revisions", DIRECTORS, "Make an earlier release live again."),
    Entry("revisions", "revisions", DIRECTORS, "What was applied, and what changed."),
    Entry("test", "test", DIRECTORS, "Run the clock tests of the campaigns."),
    Entry("simulate", "simulate", DIRECTORS, "Let the coming days pass in a moment."),
    Entry("campaigns", "campaigns", DIRECTORS, "List, show, preview, pause and resume campaigns."),
    Entry("segments", "segments", DIRECTORS, "Named groups of people, and how many they are."),
    Entry("windows", "windows", DIRECTORS, "Filing windows: import, list, and who closes soon."),
    Entry("signups", "signups", STAFF, "Import sign-ups."),
    Entry("people", "people", STAFF, "Find people, show what they got, change, stop, export, erase."),
    Entry("explain", "explain", STAFF, "Why somebody got a mail, or did not."),
    Entry("deliveries", "deliveries", STAFF, "The send log."),
    Entry("suppressions", "suppressions", STAFF, "Addresses that must not be mailed."),
    Entry("relays", "relays", STAFF, "How the relays stand, and a rest for one of them."),
    Entry("tasks", "tasks", STAFF, "What campaigns ask of staff."),
    Entry("agenda", "agenda", STAFF, "What goes out, hour by hour."),
    Entry("status", "status", STAFF, "What is broken. Exit code 1 if anything is."),
    Entry("init", "init", MACHINE, "Make a working folder."),
    Entry("demo", "demo", MACHINE, "The whole product on sample data."),
    Entry("run", "run", MACHINE, "Run everything in one process, until stopped."),
    Entry("tick", "tick", MACHINE, "One pass of every verb."),
    Entry("worker", "worker", MACHINE, "Only send: one of many machines."),
    Entry("web", "web", MACHINE, "Only the pages of recipients."),
    Entry("doctor", "doctor", MACHINE, "Is this installation fit to send?"),
    Entry("dkim", "dkim", MACHINE, "Keys that sign mail, and the DNS records that belong to them."),
    Entry("db", "db", MACHINE, "The schema of the database."),
)


class _Shelf(MutableMapping[str, Any]):
    """The commands by name; one is imported when it is taken off the shelf."""

    def __init__(self, entries: tuple[Entry, ...]) -> None:
        self.entries = {entry.name: entry for entry in entries if find_spec(entry.module) is not None}
        self.loaded: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:
        if name not in self.loaded:
            self.loaded[name] = _load(self.entries[name])
        return self.loaded[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self.loaded[name] = command

    def __delitem__(self, name: str) -> None:
        del self.entries[name]

    def __contains__(self, name: object) -> bool:
        return name in self.entries or name in self.loaded

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)


def _load(entry: Entry) -> Any:
    """The command of an entry, from its file."""
    module = import_module(entry.module)
    function = getattr(module, entry.function, None)
    if callable(function):
        alone = typer.Typer(add_completion=False)
        alone.command(name=entry.name)(function)
        command = typer.main.get_command(alone)
    else:
        command = typer.main.get_command(module.app)
    command.name = entry.name
    command.rich_help_panel = entry.panel  # type: ignore[attr-defined]
    return command


class LazyGroup(TyperGroup):
    """A group that lists its commands without importing them, and tells every refusal in one sentence."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = _Shelf(ENTRIES)
        self._listing = False

    def list_commands(self, ctx: Any) -> list[str]:
        """The names, in the order of `ENTRIES`."""
        return list(self.commands)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command; while help is written, a label with its name and what it is for."""
        if self._listing:
            entry = self.commands.entries[cmd_name]  # type: ignore[attr-defined]
            return TyperCommand(name=entry.name, help=entry.about, rich_help_panel=entry.panel)
        return self.commands.get(cmd_name)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help of the root."""
        self._listing = True
        try:
            super().format_help(ctx, formatter)
        finally:
            self._listing = False

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """Complete the first word."""
        self._listing = True
        try:
            return super().shell_complete(ctx, incomplete)
        finally:
            self._listing = False

    def invoke(self, ctx: Any) -> Any:
        """Run a command. What it refuses is one sentence on stderr: exit code 2 if asked wrongly, else 1."""
        try:
            return super().invoke(ctx)
        except RfsMailError as error:
            typer.echo(str(error), err=True)
            asked_wrongly = isinstance(error, UsageError | SettingsError | NotFoundError)
            raise typer.Exit(2 if asked_wrongly else 1) from None
        except Exception as error:
            said = _database_trouble(error) or _file_trouble(error)
            if said is None:
                raise
            typer.echo(said, err=True)
            raise typer.Exit(1) from None


def _database_trouble(error: Exception) -> str | None:
    """A sentence for a database that is down, locked or full; None where it is something else."""
    if not type(error).__module__.startswith("sqlalchemy."):
        return None
    from sqlalchemy.exc import InterfaceError, OperationalError

    if not isinstance(error, OperationalError | InterfaceError):
        return None
    reason = " ".join(str(error.orig).split())[:300]
    if "readonly database" in reason:
        return (
            "The database cannot be written. Give yourself write rights on its file and on the folder it lies in "
            "(`ls -l` shows whose they are), or work as their owner; then run the command again."
        )
    return f"The database does not answer as it should: {reason}. Nothing is lost; see to it and run the command again."


def _file_trouble(error: Exception) -> str | None:
    """A sentence for a file or folder that cannot be used, or a full disk; None where it is something else."""
    if not isinstance(error, OSError) or error.errno is None:
        return None
    reason = error.strerror or str(error)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{reason}. Make room and run the command again."
    if error.filename is None:
        return None
    name = error.filename.decode(errors="replace") if isinstance(error.filename, bytes) else error.filename
    return f"{name} cannot be used: {reason}. See to it and run the command again."


app = typer.Typer(
    cls=LazyGroup,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # a traceback with local variables would show people's data
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"rfs-mail {__version__}")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    folder: Annotated[
        Path, typer.Option("-C", metavar="DIR", show_default=False, help="Work in this folder.")
    ] = Path(),
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Say which version this is.")
    ] = False,
) -> None:
    """Drip campaigns as code, for organisations that help people run for office."""
    from rfs_mail.cli.context import set_folder

    if not folder.is_dir():
        raise UsageError(f"There is no folder {folder}.")
    set_folder(context, folder.resolve())


def main() -> None:
    """The entry point."""
    app(prog_name="rfs-mail")
    sys.exit(0)
