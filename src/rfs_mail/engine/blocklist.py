"""Addresses that must not be mailed, as staff keep them: look, add, lift what may be lifted, take over a list."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection

from rfs_mail.core.csv_rows import BadRow
from rfs_mail.core.person import address_hash, identity_key, parse_address
from rfs_mail.core.signup_columns import ALIASES
from rfs_mail.engine import feedback, naming
from rfs_mail.engine.signup_file import open_signup_file
from rfs_mail.errors import AddressError, NotFoundError, UsageError
from rfs_mail.store import blocklist, events, people, suppressions
from rfs_mail.store.database import Store
from rfs_mail.store.types import AnyRow

REASONS = ("unsubscribed", "complained", "hard_bounce", "inactive", "staff", "imported", "erased")

WHY_NOT = {
    "complained": "the person reported our mail as spam, and nothing lifts that",
    "unsubscribed": "the person unsubscribed, and only a fresh opt-in by herself lifts that",
}
"""What staff cannot lift, and why."""

_CHUNK = 500
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Lifted:
    """How many suppressions were lifted, and which stay: (reason, why)."""

    number: int
    staying: tuple[tuple[str, str], ...]


@dataclass(slots=True)
class Imported:
    """What an import of a list did: new + known + rejected = rows. `first` are the first rejected: line, text, why."""

    rows: int = 0
    new: int = 0
    known: int = 0
    rejected: int = 0
    skipped: int = 0
    """Deliveries that waited and now never go."""
    first: list[tuple[int, str, str]] = field(default_factory=list)


def search(
    store: Store, *, address: str | None, reason: str | None, lifted: bool, limit: int, key: bytes
) -> list[AnyRow]:
    """Suppressions, the newest first. Raises UsageError for an address or a reason that is none."""
    if reason is not None and reason not in REASONS:
        raise UsageError(
            f"Nothing is suppressed as {reason}.{naming.hint(reason, REASONS)} Reasons: {', '.join(REASONS)}."
        )
    with store.read() as connection:
        hashed = _hash(connection, address, key) if address is not None else None
        return blocklist.search(connection, address_hash=hashed, reason=reason, lifted=lifted, limit=limit)


def add(store: Store, address: str, *, because: str | None, by: str, key: bytes, now: datetime) -> tuple[bool, bool]:
    """
    Never mail this address again, whoever speaks.

    Returns whether that is new, and whether somebody here has the address. Raises UsageError for what is no address.
    """
    with store.begin() as connection:
        hashed = _hash(connection, address, key)
        person = people.find_person(connection, address)
        new = feedback.suppress_everywhere(
            connection, person.id if person is not None else None, hashed, reason="staff",
            source=f"staff ({by})", now=now, note=because,
        )  # fmt: skip
    return new, person is not None


def remove(store: Store, address: str, *, because: str, key: bytes, now: datetime) -> Lifted:
    """
    Lift what may be lifted; a complaint and an unsubscribe stay, whatever staff say.

    Raises NotFoundError where the address is not suppressed, UsageError without a reason.
    """
    if not because.strip():
        raise UsageError("Say why: --because TEXT. It is kept with the suppression.")
    with store.begin() as connection:
        hashed = _hash(connection, address, key)
        live = suppressions.live(connection, hashed)
        if not live:
            raise NotFoundError(f"{address} is not suppressed. `explain {address}` says what else may keep mail back.")
        liftable = tuple({row.reason for row in live} - set(WHY_NOT))
        number = suppressions.lift(connection, hashed, reasons=liftable, because=because.strip(), now=now)
        person = people.find_person(connection, address)
        if person is not None and number:
            events.touch(connection, [person.id])
    staying = sorted({row.reason for row in live if row.reason in WHY_NOT})
    return Lifted(number, tuple((reason, WHY_NOT[reason]) for reason in staying))


def import_list(store: Store, path: Path, *, key: bytes, now: datetime) -> Imported:
    """
    Suppress every address of a file: one a line, or a CSV file with a column of addresses.

    The same file again changes nothing. Raises UsageError where the file cannot be read or has no addresses.
    """
    done = Imported()
    hashes: list[bytes] = []
    source = f"list {path.name}"

    def write() -> None:
        with store.begin() as connection:
            new, skipped = blocklist.suppress_many(connection, hashes, reason="imported", source=source, now=now)
        done.new += new
        done.known += len(hashes) - new
        done.skipped += skipped
        hashes.clear()

    for line, text, problem in _addresses(path):
        done.rows += 1
        try:
            if problem:
                raise AddressError(problem)
            hashes.append(address_hash(key, parse_address(text).key))
        except AddressError as error:
            done.rejected += 1
            if len(done.first) < _SHOWN:
                done.first.append((line, text, str(error)))
            continue
        if len(hashes) >= _CHUNK:
            write()
    write()
    return done


def _addresses(path: Path) -> Iterator[tuple[int, str, str]]:
    """Line number and text of each address, or what is wrong with the row; blank lines are passed over."""
    with open_signup_file(path) as opened:
        column, is_header = _column(path, opened.header)
        if not is_header:
            yield opened.header_line, opened.header[column].strip(), ""
        for row in opened:
            if isinstance(row, BadRow):
                yield row.line, "", row.reason
            else:
                yield row.line, row.cells[column].strip() if column < len(row.cells) else "", ""


def _column(path: Path, first: list[str]) -> tuple[int, bool]:
    """Which column has the addresses, and whether this row is a header."""
    for place, cell in enumerate(first):
        if "".join(letter for letter in cell.casefold() if letter.isalnum()) in ALIASES["email"]:
            return place, True
    for place, cell in enumerate(first):
        if identity_key(cell) is not None:
            return place, False
    if len(first) == 1:
        return 0, False
    raise UsageError(f"{path} has no column of addresses. Its first line should name one, such as email.")


def _hash(connection: Connection, address: str, key: bytes) -> bytes:
    """What an address is suppressed by: the hash of whoever has it, else its own. Raises UsageError for no address."""
    person = people.find_person(connection, address)
    if person is not None:
        return person.address_hash
    try:
        return address_hash(key, parse_address(address).key)
    except AddressError as error:
        raise UsageError(f"{address!r}: {error}") from error
