"""
Working folders to measure in: settings, the measured campaigns applied, a database with people.

Filling takes longer than most measurements, so small databases are kept in `benchmarks/out`, by what they were made
from: schema, campaigns, the code that fills them, and their size. Each measurement gets a copy, or the original where
it promises to leave it as it was. Big ones are removed at the end, unless they are asked for.
"""

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path

from benchmarks.report import say
from rfs_mail.campaign_files.load import load_project
from rfs_mail.cli.init import make_folder
from rfs_mail.engine.apply import apply
from rfs_mail.settings import load_settings
from rfs_mail.store import schema
from rfs_mail.store.database import Store

HERE = Path(__file__).resolve().parent
PROJECT = HERE / "project"
OUT = HERE / "out"
DATABASE = "rfs-mail.db"

NOW = datetime(2026, 11, 10, 15, 0, tzinfo=UTC)
"""The civil time of all measurements: 10:00 on the clocks of New York."""

APPLIED = NOW - timedelta(days=400)
"""When the campaigns were applied: every sign-up of the list came after that."""

BIG = 200_000
"""A database of more people than this is not kept."""

UNLIMITED = "\n" + "".join(
    f'[operators.{name}]\nrate = "none"\noutstanding = 0\n' for name in ("google", "microsoft", "yahoo", "apple")
)
"""Operators are given no more than they are known to take; measured is what the product could send."""

Fill = Callable[[sqlite3.Connection], None]
"""Puts people, and whatever else, into a fresh database."""


@contextmanager
def prepared(
    name: str, size: int, campaigns: Sequence[str], fill: Fill, *, keep: bool = False, pristine: bool = False
) -> Iterator[Path]:
    """
    A working folder with these campaigns applied and filled; gone at the end.

    `pristine`: the measurement leaves the database as it was, so it need not be copied.
    """
    _clear_leftovers()
    kept = OUT / f"{name}-{size}-{_made_from(campaigns)}"
    if not (kept / "ready").exists():
        say(f"{name}: filling a database for {size:,} ...")
        for outdated in OUT.glob(f"{name}-{size}-*"):
            shutil.rmtree(outdated, ignore_errors=True)
        make(kept, campaigns, fill)
        (kept / "ready").touch()
    stays = keep or size <= BIG
    work = kept
    try:
        if stays and not pristine:
            work = OUT / f"work-{os.getpid()}-{name}"
            shutil.rmtree(work, ignore_errors=True)
            shutil.copytree(kept, work)
        yield work
    finally:
        if work is not kept or not stays:
            shutil.rmtree(work, ignore_errors=True)


def make(folder: Path, campaigns: Sequence[str], fill: Fill) -> None:
    """Lay a working folder down, apply its campaigns and fill its database."""
    make_folder(folder, examples=False)
    with (folder / "rfs-mail.toml").open("a", encoding="utf-8") as toml:
        toml.write(UNLIMITED)
    for part in ("campaigns", "templates", "data"):
        (folder / part).mkdir(exist_ok=True)
    for path in (PROJECT / "campaigns").glob("*.yaml"):
        if path.stem in campaigns or path.stem in ("_defaults", "entities", "fields", "segments"):
            shutil.copyfile(path, folder / "campaigns" / path.name)
    for path in (PROJECT / "templates").iterdir():
        if path.is_file():
            shutil.copyfile(path, folder / "templates" / path.name)
        elif path.name in campaigns:
            shutil.copytree(path, folder / "templates" / path.name)
    calendar = (PROJECT / "data" / "calendar.yaml").read_text(encoding="utf-8")
    (folder / "data" / "calendar.yaml").write_text(
        calendar + (_drills() if "drill" in campaigns else ""), encoding="utf-8"
    )
    settings = load_settings(folder, {})
    store = Store(settings.database_url, base=settings.folder)
    try:
        apply(store, load_project(settings), now=APPLIED, by="benchmarks")
    finally:
        store.close()
    with closing(raw(folder / DATABASE)) as connection:
        with connection:
            fill(connection)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def raw(database: Path) -> sqlite3.Connection:
    """The bare database, as durable as the product has it."""
    connection = sqlite3.connect(database, timeout=60)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA cache_size=-65536")
    connection.execute("PRAGMA temp_store=MEMORY")
    return connection


def _drills() -> str:
    """Two hundred dates, each the beginning of a walk over everybody."""
    first = date(2027, 1, 1)
    rows = [f"    - {{key: drill-{n:03}, date: {first + timedelta(days=n)}}}\n" for n in range(200)]
    head = "drill:\n  about: Each begins a walk.\n  zone: America/New_York\n  occurrences:\n"
    return head + "".join(rows)


def _made_from(campaigns: Sequence[str]) -> str:
    """A digest of everything that decides what a filled database looks like."""
    sources = [*sorted(PROJECT.rglob("*.*")), HERE / "people.py", HERE / "folders.py"]
    sources += sorted((Path(schema.__file__).with_name("migrations") / "versions").glob("*.py"))
    digest = sha256(f"{schema.head()} {sorted(campaigns)}".encode())
    for path in sources:
        if path.is_file():
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def _clear_leftovers() -> None:
    """Copies of measurements that were killed."""
    for path in OUT.glob("work-*"):
        number = path.name.split("-")[1]
        if number.isdigit() and not Path(f"/proc/{number}").exists():
            shutil.rmtree(path, ignore_errors=True)
