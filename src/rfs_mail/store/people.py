"""
People: finding one, and changing one. Every change leaves the person touched.

A change made here is somebody's word of this moment (staff, an answer, a step), so it always wins over what is stored;
rows of an import are weighed by their own dates in `store.signups`.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, RowMapping, delete, select, update

from rfs_mail.core.person import Person, identity_key
from rfs_mail.core.values import Stage
from rfs_mail.core.zones import zone_of
from rfs_mail.errors import NotFoundError, UsageError
from rfs_mail.store.dialect import insert
from rfs_mail.store.events import add_event, touch
from rfs_mail.store.tables import TABLES

_person, _tag, _role, _identifier = (TABLES[name] for name in ("person", "person_tag", "person_role", "identifier"))

FIELDS = (
    "given_name",
    "family_name",
    "state",
    "county",
    "zip",
    "lang",
    "birth_year",
    "runs_before",
    "endorsement",
    "endorsable",
    "source",
)
"""The built-in fields that may be set by name; `stage` has `set_stage`, custom ones are written `custom.slug`."""

_PLACE = frozenset({"state", "county", "zip"})


def find_person(connection: Connection, address: str) -> Person | None:
    """The person with this address, in any spelling of it; None where there is none, or where it is no address."""
    key = identity_key(address)
    if key is None:
        return None
    row = connection.execute(select(_person).where(_person.c.address == key)).mappings().one_or_none()
    return None if row is None else _read(connection, row)


def get_person(connection: Connection, person_id: int) -> Person | None:
    """The person with this id, or None."""
    row = connection.execute(select(_person).where(_person.c.id == person_id)).mappings().one_or_none()
    return None if row is None else _read(connection, row)


def _read(connection: Connection, row: RowMapping) -> Person:
    tags = connection.execute(select(_tag.c.tag).where(_tag.c.person_id == row["id"]).order_by(_tag.c.tag)).scalars()
    roles = connection.execute(select(_role.c.role).where(_role.c.person_id == row["id"]).order_by(_role.c.role))
    return Person(**row, tags=tuple(tags), roles=tuple(roles.scalars()))


def find_by_identifier(connection: Connection, system: str, external_id: str) -> int | None:
    """The id of the person whom another system knows by this key."""
    return connection.execute(
        select(_identifier.c.person_id).where(_identifier.c.system == system, _identifier.c.external_id == external_id)
    ).scalar_one_or_none()


def set_fields(
    connection: Connection, person_id: int, changes: Mapping[str, object], *, now: datetime, source: str
) -> tuple[str, ...]:
    """
    Set fields of a person; returns the names of those that changed.

    Keys are built-in fields, `stage`, or `custom.SLUG`; a value of None clears the field. Values are stored as they
    are: checking them is the caller's (`core.person_fields.read_value`). The zone follows the place. `source` says who
    set it and is kept with a stage event. Raises NotFoundError for no such person, UsageError for no such field.
    """
    row = _locked(connection, person_id)
    custom = dict(row["custom"])
    provenance = dict(row["provenance"])
    values: dict[str, Any] = {}
    changed: list[str] = []
    for name, value in changes.items():
        if name == "stage":
            if set_stage(connection, person_id, str(value), now=now, detail={"source": source}) is not None:
                changed.append(name)
            continue
        if name.startswith("custom."):
            slug = name.removeprefix("custom.")
            if custom.get(slug) == value:
                continue
            custom[slug] = value
            if value is None:
                del custom[slug]
            values["custom"] = custom
        elif name in FIELDS:
            if row[name] == value:
                continue
            values[name] = value
        else:
            raise UsageError(f"A person has no field {name!r}. Fields: {', '.join(FIELDS)}, stage, custom.NAME.")
        provenance[name] = now.isoformat()
        changed.append(name)
    if values:
        if _PLACE & values.keys():
            place = {**row, **values}
            values["zone"] = zone_of(place["state"], place["county"], place["zip"])
        connection.execute(
            update(_person).where(_person.c.id == person_id).values(provenance=provenance, updated_at=now, **values)
        )
        touch(connection, [person_id])
    return tuple(changed)


def date_field(connection: Connection, person_id: int, name: str, *, now: datetime) -> None:
    """
    Note in a person's provenance that something of hers was said now; her row is held until the transaction ends.

    Raises NotFoundError for no such person.
    """
    provenance = {**_locked(connection, person_id)["provenance"], name: now.isoformat()}
    connection.execute(update(_person).where(_person.c.id == person_id).values(provenance=provenance))


def set_stage(
    connection: Connection,
    person_id: int,
    stage: str,
    *,
    now: datetime,
    at: datetime | None = None,
    active: bool = False,
    campaign_id: str | None = None,
    enrollment_id: int | None = None,
    delivery_id: int | None = None,
    window_id: str | None = None,
    detail: Mapping[str, Any] | None = None,
) -> int | None:
    """
    Move a person to a stage and record it: an event named `stage` whose value is the new one.

    Returns the event's id, or None where that is the stage already. `at` is when it happened, `now` unless given.
    Raises NotFoundError for no such person, UsageError for no such stage.
    """
    if stage not in Stage.__members__.values():
        raise UsageError(f"There is no stage {stage!r}. Stages: {', '.join(Stage)}.")
    if _locked(connection, person_id)["stage"] == stage:
        return None
    at = at or now
    connection.execute(
        update(_person).where(_person.c.id == person_id).values(stage=stage, stage_at=at, updated_at=now)
    )
    return add_event(
        connection,
        person_id,
        "stage",
        value=stage,
        at=at,
        now=now,
        active=active,
        campaign_id=campaign_id,
        enrollment_id=enrollment_id,
        delivery_id=delivery_id,
        window_id=window_id,
        detail=detail,
    )


def add_tag(connection: Connection, person_id: int, tag: str, *, now: datetime) -> bool:
    """Give a person a tag; False where she has it already."""
    statement = insert(connection, _tag).values(person_id=person_id, tag=tag, at=now).on_conflict_do_nothing()
    if connection.execute(statement).rowcount != 1:
        return False
    touch(connection, [person_id])
    return True


def remove_tag(connection: Connection, person_id: int, tag: str) -> bool:
    """Take a tag off a person; False where she has none of it."""
    statement = delete(_tag).where(_tag.c.person_id == person_id, _tag.c.tag == tag)
    if connection.execute(statement).rowcount != 1:
        return False
    touch(connection, [person_id])
    return True


def _locked(connection: Connection, person_id: int) -> RowMapping:
    """The person's row, held against other writers until the transaction ends."""
    statement = select(_person).where(_person.c.id == person_id).with_for_update()
    row = connection.execute(statement).mappings().one_or_none()
    if row is None:
        raise NotFoundError(f"There is no person with the id {person_id}.")
    return row


def tags_of(connection: Connection, person_ids: Sequence[int]) -> dict[int, tuple[str, ...]]:
    """The tags of several people, sorted; who has none is absent."""
    found: dict[int, list[str]] = {}
    rows = connection.execute(
        select(_tag.c.person_id, _tag.c.tag).where(_tag.c.person_id.in_(person_ids)).order_by(_tag.c.tag)
    )
    for person_id, tag in rows:
        found.setdefault(person_id, []).append(tag)
    return {person_id: tuple(tags) for person_id, tags in found.items()}
