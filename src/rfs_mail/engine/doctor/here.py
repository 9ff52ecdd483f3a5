"""What lies on this machine: settings, files and their modes, secrets, the database, the disk, the last pass."""

import asyncio
import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from rfs_mail.core.campaign import ReleaseContent
from rfs_mail.core.checkup import Check, fail, ok, skipped, warn
from rfs_mail.core.dkim import Signers
from rfs_mail.engine.live import look
from rfs_mail.engine.status import SILENT
from rfs_mail.errors import StoreError
from rfs_mail.network import in_background
from rfs_mail.settings import FILE_NAME, Settings
from rfs_mail.store import ticks
from rfs_mail.store.database import Store, machine_now

SHORTEST_SECRET = 16
"""Characters; `init` makes 43."""

LITTLE, TOO_LITTLE = 2 * 1024**3, 200 * 1024**2
"""Free octets of a disk: a warning, a failure."""

LARGE_WAL = 256 * 1024**2
"""Octets of a write-ahead log that something keeps from being taken up."""


async def files(settings: Settings, signers: Signers, signing: str) -> Sequence[Check]:
    """Settings, secrets, signing keys and folders."""
    return [*_settings(settings), *_secrets(settings), *_keys(signers, signing), _campaigns(settings)]


def _settings(settings: Settings) -> Iterator[Check]:
    path = settings.folder / FILE_NAME
    if not path.exists():
        yield warn("settings", f"there is no {path}; defaults and RFS_MAIL_* count alone", "`rfs-mail init` makes one.")
        return
    mode = stat.S_IMODE(path.stat().st_mode)
    if os.name == "posix" and mode & 0o077:
        yield fail(
            "settings", f"{path} can be read by others (mode {mode:04o}), and its secrets with it", f"chmod 600 {path}"
        )
    else:
        yield ok("settings", f"{path}, mode {mode:04o}")


def _secrets(settings: Settings) -> Iterator[Check]:
    for name, secret, use in (
        ("secret_key", settings.secret_key, "seals every link"),
        ("suppression_key", settings.suppression_key, "hashes suppressed addresses"),
    ):
        length = len(secret.get_secret_value())
        if not length:
            yield fail(name, f"it is empty, and it {use}", f"`rfs-mail init`, or set RFS_MAIL_{name.upper()}")
        elif length < SHORTEST_SECRET:
            yield fail(name, f"it has {length} characters and can be guessed", "Take 32 random ones; keep the old one.")
        else:
            yield ok(name, f"{length} characters")
    if settings.old_secret_keys:
        yield ok("old_secret_keys", f"{len(settings.old_secret_keys)}, so that older links go on working")


def _keys(signers: Signers, trouble: str) -> Iterator[Check]:
    if trouble:
        yield fail("DKIM keys", trouble.rstrip("."), "Until then nothing is sent.")
    for domain, found in signers.by_domain.items():
        said = ", ".join(f"{one.selector} ({one.algorithm.key_type}, {one.bits} bits)" for one in found)
        yield ok(f"DKIM key {domain}", said)


def _campaigns(settings: Settings) -> Check:
    missing = [path for path in (settings.campaigns_dir, settings.templates_dir) if not path.is_dir()]
    if missing:
        return warn("files", f"there is no folder {missing[0]}", "Set `campaigns` and `templates`, or -C DIR.")
    return ok("files", f"{settings.campaigns_dir} and {settings.templates_dir}")


# -- the database ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Found:
    """What the database said."""

    schema: str
    content: ReleaseContent | None
    release: int | None
    last: datetime | None
    machine: datetime
    alive: int


async def database(
    store: Store, settings: Settings, now: datetime, *, seconds: float
) -> tuple[list[Check], ReleaseContent | None]:
    """The checks of the database and of what it says, and what is live; None where it cannot be read."""
    where = str(store.path) if store.path is not None else store.url.render_as_string()
    checks = [_disk(store, settings)]
    try:
        async with asyncio.timeout(seconds):
            found = await in_background(lambda: _read(store))
    except TimeoutError:
        return [fail("database", f"{where} does not answer within {seconds:.0f} seconds", _IS_UP), *checks], None
    except (StoreError, DBAPIError) as error:
        said = str(error.orig) if isinstance(error, DBAPIError) else str(error)
        return [fail("database", " ".join(said.split())[:300].rstrip("."), _IS_UP), *checks], None
    checks.insert(0, ok("database", f"{where} answers"))
    checks.insert(1, ok("schema", f"version {found.schema}, which is the one this program needs"))
    checks += [*_wal(store), _release(found), _pass(found)]
    return checks, found.content


_IS_UP = "See that it runs and that database_url is right; `rfs-mail db upgrade` brings an old schema up."


def _read(store: Store) -> _Found:
    store.check_schema()
    _, schema = store.schema_state()
    with store.read() as connection:
        live = look(connection)
        machine = machine_now(connection)
        last = max((row.machine_at for row in ticks.all_ticks(connection) if row.machine_at is not None), default=None)
        alive = sum(machine - row.seen_at < SILENT for row in ticks.holders(connection))
    if live is None:
        return _Found(schema, None, None, last, machine, alive)
    return _Found(schema, live.content, live.release.id, last, machine, alive)


def _disk(store: Store, settings: Settings) -> Check:
    folder = store.path.parent if store.path is not None else settings.folder
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    said = f"{_size(free)} free for {folder}"
    if free < TOO_LITTLE:
        return fail("disk", said, "Make room now: what cannot be written down is not sent.")
    if free < LITTLE:
        return warn("disk", said, "Make room soon.")
    return ok("disk", said)


def _wal(store: Store) -> Iterator[Check]:
    if store.path is None:
        return
    if os.name == "posix" and store.path.exists():
        mode = stat.S_IMODE(store.path.stat().st_mode)
        if mode & 0o007:
            yield warn("database file", f"anybody here can read it (mode {mode:04o})", f"chmod 640 {store.path}")
    wal = Path(f"{store.path}-wal")
    size = wal.stat().st_size if wal.exists() else 0
    if size > LARGE_WAL:
        yield warn("write-ahead log", f"{_size(size)}", "Something reads for hours: end it, and the log shrinks.")
    else:
        yield ok("write-ahead log", f"{_size(size)}")


def _release(found: _Found) -> Check:
    if found.release is None:
        return warn("release", "no campaign was applied yet", "rfs-mail apply")
    return ok("release", f"release {found.release} is live")


def _pass(found: _Found) -> Check:
    if found.last is None:
        return skipped("last pass", "nothing has run yet", "`rfs-mail run` runs for good, `rfs-mail tick` once.")
    said = f"{found.last.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    if found.machine - found.last > SILENT:
        return warn("last pass", f"nothing has run since {said}", "Start `rfs-mail run`, or see why it ended.")
    running = f", {found.alive} {'process' if found.alive == 1 else 'processes'} sending" if found.alive else ""
    return ok("last pass", f"{said}{running}")


def _size(octets: int) -> str:
    for unit in ("B", "kB", "MB"):
        if octets < 1024:
            return f"{octets} {unit}"
        octets //= 1024
    return f"{octets:,} GB"
