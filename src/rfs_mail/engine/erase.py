"""Give a person what we know of her; forget her."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rfs_mail.engine import naming
from rfs_mail.errors import UsageError
from rfs_mail.store import dossier, erasure
from rfs_mail.store.database import Store


@dataclass(frozen=True, slots=True)
class Erased:
    """What went, by table."""

    address: str
    rows: Mapping[str, int]

    @property
    def total(self) -> int:
        """All rows."""
        return sum(self.rows.values())


def export(store: Store, address: str) -> dict[str, list[dict[str, Any]]]:
    """Every row about a person, by table. Raises NotFoundError."""
    with store.read() as connection:
        person = naming.find_person(connection, address)
        rows = dossier.everything(connection, person.id)
    return {name: [dict(row) for row in found] for name, found in rows.items() if found}


def erase(store: Store, address: str, *, by: str, now: datetime) -> Erased:
    """
    Forget a person: every row about her goes, and her address is suppressed by its keyed hash.

    Doing it again finds nobody. Raises NotFoundError, and UsageError while a mail to her is at the wire.
    """
    with store.begin() as connection:
        person = naming.find_person(connection, address)
        if erasure.in_flight(connection, person.id):
            raise UsageError(f"A mail to {person.address} is at the wire at this moment. Try again in a minute.")
        return Erased(person.address, erasure.forget(connection, person.id, source=f"erased by {by}", now=now))
