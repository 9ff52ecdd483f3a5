"""`rfs-mail init`: a working folder with settings, database and example campaigns; then it says what to do next."""

import secrets
import shutil
from pathlib import Path
from typing import Annotated

import typer

from rfs_mail.cli.context import current_folder
from rfs_mail.cli.starter_files import FOLDERS, starter_root
from rfs_mail.errors import UsageError
from rfs_mail.settings import FILE_NAME

_SETTINGS = """\
# rfs-mail: all settings. Every key can be set as RFS_MAIL_<KEY> in the environment too.

database_url = "sqlite:///rfs-mail.db"

# Where the pages of recipients live. Every mail links to it; a real sender needs https and its own name here.
base_url = "http://127.0.0.1:8025"

# Links are sealed with the first, suppressed addresses hashed with the second. Keep both; never change the second.
secret_key = "{secret_key}"
suppression_key = "{suppression_key}"

# Until a relay is set, mail is written into the folder `inbox` as files and reaches nobody.
# [[relay]]
# url = "smtp://user:password@smtp.example.org:587?tls=starttls"
# connections = 20

# Only these addresses get mail while you try things out. Empty: everybody.
# only_to = ["@example.org"]

[caps]
per_day = 1      # mails a person and day, over all entities
per_week = 2     # and in seven days; deadline mail may break this one
"""


def init(
    folder: Annotated[Path, typer.Argument(help="The folder to make; by default this one.")] = Path(),
    bare: Annotated[bool, typer.Option("--bare", help="No example campaigns.")] = False,
) -> None:
    """Make a working folder: settings, database, example campaigns. Changes nothing that is there already."""
    folder = (current_folder() / folder).resolve()
    settings = folder / FILE_NAME
    if settings.exists():
        raise UsageError(
            f"{settings} exists already. Nothing was changed; `rfs-mail -C {folder} check` goes on from there."
        )
    make_folder(folder, examples=not bare)
    typer.echo(f"Made {folder}: {FILE_NAME}, the database" + ("" if bare else ", campaigns/, templates/, data/") + ".")
    typer.echo("Next:")
    if folder != Path.cwd():
        typer.echo(f"  cd {folder}")
    for command, why in (
        ("check", "look the campaigns over"),
        ("apply", "make the campaigns live: who signs up from now on is welcomed"),
        ("windows import data/filing_deadlines.csv", "when filing opens and closes, to be counted down to"),
        ('signups import data/signups_example.csv --source example --entity rfs --consent "I want to hear from you"',
         "a few sample people"),
        ("tick", "one pass: enroll, render, send into the folder inbox/"),
        ("deliveries list", "who got what, and why the others did not"),
    ):  # fmt: skip
        typer.echo(f"  rfs-mail {command:<16}  # {why}")


def make_folder(folder: Path, *, examples: bool) -> None:
    """Write the settings (readable by their owner alone), the examples, and an up-to-date empty database."""
    from rfs_mail.app import open_app

    folder.mkdir(parents=True, exist_ok=True)
    text = _SETTINGS.format(secret_key=secrets.token_urlsafe(32), suppression_key=secrets.token_urlsafe(32))
    settings = folder / FILE_NAME
    settings.touch(mode=0o600)
    settings.write_text(text, encoding="utf-8")
    if examples:
        root = starter_root()
        for name in FOLDERS:
            _lay_down(root / name, folder / name)
    app = open_app(folder, environ={}, check_schema=False)
    try:
        app.store.upgrade()
        if app.store.path is not None:
            app.store.path.chmod(0o600)  # it holds people's data
    finally:
        app.close()


def _lay_down(source: Path, target: Path) -> None:
    """Copy what is not there yet; a file of the director's is never overwritten."""
    for path in sorted(source.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            copy = target / path.relative_to(source)
            if not copy.exists():
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, copy)
