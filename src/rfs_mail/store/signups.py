"""
Sign-ups into people: a batch of checked rows merged in one transaction, with a fixed number of statements.

The signup's key is the idempotence: a row whose key is known changes nothing. An import grants consent where none was
ever given; it never renews one that was withdrawn and never lifts a suppression. Everyone who changed is touched.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, NamedTuple

from sqlalchemy import Connection, and_, exists, select, text

from rfs_mail.core.person import Address, operator
from rfs_mail.core.signups import EVERY, Signup, weigh
from rfs_mail.core.values import Stage
from rfs_mail.core.zones import zone_of
from rfs_mail.store.dialect import among, insert_many, instants, json_text, update_many
from rfs_mail.store.tables import TABLES

_person, _signup = TABLES["person"], TABLES["signup"]
_consent, _suppression, _identifier = TABLES["consent"], TABLES["suppression"], TABLES["identifier"]
_event, _tag, _touched = TABLES["event"], TABLES["person_tag"], TABLES["touched"]

_FIELDS = (
    "given_name", "family_name", "state", "county", "zip", "lang", "birth_year", "runs_before", "endorsement",
    "endorsable", "source",
)  # fmt: skip
_PROSPECT, _SIGNED_UP = Stage.PROSPECT.value, Stage.SIGNED_UP.value
_NOBODY: frozenset[str] = frozenset()
_PLACE = frozenset({"state", "county", "zip"})
_CHANGING = (*_FIELDS, "zone", "signed_up_at", "stage", "stage_at", "custom", "provenance", "updated_at")
_NEW = ("id", "address", "mailbox", "address_hash", "operator", "created_at", *_CHANGING)


# -- outcomes ----------------------------------------------------------------------------------------------------------


class Outcome(NamedTuple):
    """What became of one row."""

    kind: Literal["created", "merged", "unchanged", "rejected"]
    person_id: int
    """0 where the row was rejected, and for new people of a trial."""
    reason: str = ""
    """Why it was rejected."""


class Standing(NamedTuple):
    """Who may mail a person."""

    entities: frozenset[str]
    """The entities that may, on any topic at all."""
    why_not: Literal["", "no_consent", "unsubscribed", "suppressed", "stopped"]
    """Why the entity of the import may not; empty where it may."""


@dataclass(frozen=True, slots=True)
class Merged:
    """What became of a batch: an outcome a row, in the rows' order, and the standing of every person it knows."""

    outcomes: tuple[Outcome, ...]
    standings: dict[str, Standing]
    """Identity key of the row's address -> standing; rejected rows have none."""


@dataclass(slots=True)
class _Draft:
    """A person while a batch is merged."""

    id: int
    hash: bytes
    fields: dict[str, Any]
    custom: dict[str, Any]
    provenance: dict[str, str]
    stage: str
    stage_at: datetime | None
    signed_up_at: datetime | None
    zone: str
    entities: frozenset[str]
    """Entities with a consent that was not withdrawn."""
    withdrawn: frozenset[str] = frozenset()
    stopped: bool = False
    address: Address | None = None
    """Of new people only."""
    changed: bool = False
    touched: bool = False


@dataclass(slots=True)
class _Rows:
    """What a batch writes beside the people, before new people have ids."""

    signups: list[tuple[_Draft, Signup]] = field(default_factory=list)
    consents: list[tuple[_Draft, Signup]] = field(default_factory=list)
    stages: list[tuple[_Draft, Signup]] = field(default_factory=list)
    touched: list[_Draft] = field(default_factory=list)


# -- merging a batch ---------------------------------------------------------------------------------------------------


def merge_signups(
    connection: Connection,
    batch: Sequence[Signup],
    *,
    source: str,
    entity: str,
    now: datetime,
    import_id: int | None = None,
    dry_run: bool = False,
) -> Merged:
    """
    Merge sign-ups of one source and entity into people, in the order given. Part of the caller's transaction.

    With `dry_run` nothing is written and the outcomes are what would become of the rows; a read transaction is enough
    then. At most a few thousand rows at once: a transaction holds up every other writer of SQLite.
    """
    known = _known(connection, source, batch)
    # Who is about to change is read whole; of those whose row is known already, only who may mail them.
    changing = {signup.address.key for signup in batch if signup.key not in known or signup.external_id is not None}
    drafts = _people(connection, changing, lock=not dry_run)
    owners = _owners(connection, source, batch)
    by_id = {draft.id: draft for draft in drafts.values()}
    by_id |= _bystanders(connection, set(known.values()) - by_id.keys())
    _add_consents(connection, by_id)
    shut = _suppressed(connection, {signup.hash for signup in batch} | {draft.hash for draft in by_id.values()})

    outcomes: list[Outcome | tuple[Literal["created", "merged", "unchanged"], _Draft]] = []
    standings: dict[str, _Draft] = {}
    seen: dict[str, _Draft] = {}
    owned: dict[str, _Draft] = {}
    rows = _Rows()
    new: list[_Draft] = []
    for signup in batch:
        address = signup.address
        draft = drafts.get(address.key)
        if signup.external_id is not None:
            owner = owned.get(signup.external_id) or by_id.get(owners.get(signup.external_id, 0))
            taken = owners.get(signup.external_id) if owner is None else None
            if taken is not None or (owner is not None and owner is not draft):
                outcomes.append(Outcome("rejected", 0, _taken(signup.external_id)))
                continue
        holder = seen.get(signup.key) or by_id.get(known.get(signup.key, 0))
        if holder is not None:
            standings[address.key] = holder
            outcomes.append(("unchanged", holder))
            continue
        if draft is None:
            draft = _create(signup, source)
            drafts[address.key] = draft
            new.append(draft)
            outcomes.append(("created", draft))
        else:
            _merge(draft, signup, source)
            outcomes.append(("merged", draft))
        _agree(draft, signup, entity, shut, rows)
        seen[signup.key] = draft
        if signup.external_id is not None:
            owned[signup.external_id] = draft
        rows.signups.append((draft, signup))
        if not draft.touched:
            draft.touched = True
            rows.touched.append(draft)
        standings[address.key] = draft
    if not dry_run:
        _write(connection, new, list(drafts.values()), rows, source=source, entity=entity, now=now, import_id=import_id)
    return Merged(
        tuple(outcome if isinstance(outcome, Outcome) else Outcome(outcome[0], outcome[1].id) for outcome in outcomes),
        {address: _standing(draft, entity, shut) for address, draft in standings.items()},
    )


def _create(signup: Signup, source: str) -> _Draft:
    fields = {"source": source, **signup.fields}
    return _Draft(
        0,
        signup.hash,
        fields,
        {**signup.custom},
        {EVERY: signup.at.isoformat()},
        _PROSPECT,
        signup.at,
        None,
        zone_of(fields.get("state"), fields.get("county"), fields.get("zip")),
        _NOBODY,
        address=signup.address,
    )


def _merge(draft: _Draft, signup: Signup, source: str) -> None:
    stamp = signup.at.isoformat()
    if signup.fields:
        changes, dated = weigh(draft.fields, draft.provenance, signup.fields, signup.at)
        if changes:
            draft.fields.update(changes)
            if _PLACE & changes.keys():
                place = draft.fields
                draft.zone = zone_of(place.get("state"), place.get("county"), place.get("zip"))
        if dated:
            draft.provenance.update(dict.fromkeys(dated, stamp))
            draft.changed = True
    if signup.custom:
        prefixed = {f"custom.{slug}": value for slug, value in signup.custom.items()}
        held = {f"custom.{slug}": value for slug, value in draft.custom.items()}
        changes, dated = weigh(held, draft.provenance, prefixed, signup.at)
        for name, value in changes.items():
            draft.custom[name.removeprefix("custom.")] = value
        if dated:
            draft.provenance.update(dict.fromkeys(dated, stamp))
            draft.changed = True
    if draft.fields.get("source") is None:
        draft.fields["source"] = source
        draft.changed = True


def _agree(draft: _Draft, signup: Signup, entity: str, shut: dict[bytes, dict[str, str]], rows: _Rows) -> None:
    """The consent of a row, and the stage it brings: a prospect who agreed has signed up."""
    if signup.consent_text is None:
        return
    if draft.signed_up_at is None or signup.at < draft.signed_up_at:
        draft.signed_up_at = signup.at
        draft.changed = True
    if entity not in draft.entities:
        blocked = shut.get(draft.hash, {})
        if entity in draft.withdrawn or "" in blocked or entity in blocked:
            return
        draft.entities |= {entity}
        rows.consents.append((draft, signup))
    if draft.stage == _PROSPECT:
        draft.stage, draft.stage_at = _SIGNED_UP, signup.at
        draft.changed = True
        rows.stages.append((draft, signup))


def _taken(external_id: str) -> str:
    shown = external_id if len(external_id) <= 40 else f"{external_id[:39]}…"
    return (
        f"the id {shown!r} is already somebody else's. If her address changed, change it on the person; "
        "if two people share the id, mend it in the file"
    )


def _standing(draft: _Draft, entity: str, shut: dict[bytes, dict[str, str]]) -> Standing:
    blocked = shut.get(draft.hash)
    if blocked is None and not draft.stopped:
        entities = draft.entities
    elif draft.stopped or "" in (blocked or {}):
        entities = _NOBODY
    else:
        entities = draft.entities - (blocked or {}).keys()
    if entity in entities:
        return Standing(entities, "")
    if draft.stopped:
        return Standing(entities, "stopped")
    reason = (blocked or {}).get(entity) or (blocked or {}).get("")
    if reason == "unsubscribed" or (reason is None and entity in draft.withdrawn):
        return Standing(entities, "unsubscribed")
    return Standing(entities, "no_consent" if reason is None else "suppressed")


# -- what is known already ---------------------------------------------------------------------------------------------


def _known(connection: Connection, source: str, batch: Sequence[Signup]) -> dict[str, int]:
    """Key -> person, of the rows that were signed up before."""
    keys = [signup.key for signup in batch]
    statement = select(_signup.c.key, _signup.c.person_id).where(
        _signup.c.source == source, among(connection, _signup.c.key, keys)
    )
    return {row.key: row.person_id for row in connection.execute(statement)}


_KNOWN = (
    *(_person.c[name] for name in ("id", "address", "address_hash", "stopped_at")),
    *(_person.c[name] for name in ("stage", "stage_at", "signed_up_at", "zone", "custom", "provenance", *_FIELDS)),
)


def _people(connection: Connection, addresses: set[str], *, lock: bool) -> dict[str, _Draft]:
    """The people of these addresses; held against other writers until the transaction ends."""
    if not addresses:
        return {}
    statement = select(*_KNOWN).where(among(connection, _person.c.address, list(addresses))).order_by(_person.c.id)
    drafts = {}
    for row in connection.execute(statement.with_for_update() if lock else statement):
        person_id, address, hashed, stopped_at, stage, stage_at, signed_up_at, zone, custom, provenance, *said = row
        drafts[address] = _Draft(
            person_id,
            hashed,
            dict(zip(_FIELDS, said, strict=True)),
            dict(custom),
            dict(provenance),
            stage,
            stage_at,
            signed_up_at,
            zone,
            _NOBODY,
            stopped=stopped_at is not None,
        )
    return drafts


def _bystanders(connection: Connection, ids: set[int]) -> dict[int, _Draft]:
    """People whose rows are known already and change nothing, by id: only as much as their standing needs."""
    if not ids:
        return {}
    statement = select(_person.c.id, _person.c.address_hash, _person.c.stopped_at)
    found = connection.execute(statement.where(among(connection, _person.c.id, sorted(ids))))
    return {
        person_id: _Draft(person_id, hashed, {}, {}, {}, "", None, None, "", _NOBODY, stopped=stopped_at is not None)
        for person_id, hashed, stopped_at in found
    }


def _add_consents(connection: Connection, by_id: dict[int, _Draft]) -> None:
    if not by_id:
        return
    statement = select(_consent.c.person_id, _consent.c.entity_id, _consent.c.withdrawn_at)
    for person_id, entity, withdrawn_at in connection.execute(
        statement.where(among(connection, _consent.c.person_id, sorted(by_id)))
    ):
        draft = by_id[person_id]
        if withdrawn_at is None:
            draft.entities |= {entity}
        else:
            draft.withdrawn |= {entity}


def _owners(connection: Connection, source: str, batch: Sequence[Signup]) -> dict[str, int]:
    """External id -> the person it is known for in this source."""
    external = list({signup.external_id for signup in batch if signup.external_id is not None})
    if not external:
        return {}
    statement = select(_identifier.c.external_id, _identifier.c.person_id).where(
        _identifier.c.system == source, among(connection, _identifier.c.external_id, external)
    )
    return {row.external_id: row.person_id for row in connection.execute(statement)}


def _suppressed(connection: Connection, hashes: set[bytes]) -> dict[bytes, dict[str, str]]:
    """Address hash -> entity (empty: all) -> reason, of the live suppressions; those of a single topic do not count."""
    live = and_(_suppression.c.lifted_at.is_(None), _suppression.c.scope.in_(("all", "entity")))
    if not connection.execute(select(exists().select_from(_suppression).where(live))).scalar_one():
        return {}
    shut: dict[bytes, dict[str, str]] = {}
    listed = list(hashes)
    for start in range(0, len(listed), 500):
        statement = select(
            _suppression.c.address_hash, _suppression.c.scope, _suppression.c.scope_id, _suppression.c.reason
        ).where(live, _suppression.c.address_hash.in_(listed[start : start + 500]))
        for hashed, scope, scope_id, reason in connection.execute(statement):
            shut.setdefault(hashed, {})["" if scope == "all" else scope_id] = reason
    return shut


# -- writing -----------------------------------------------------------------------------------------------------------


def _write(
    connection: Connection,
    new: list[_Draft],
    old: list[_Draft],
    rows: _Rows,
    *,
    source: str,
    entity: str,
    now: datetime,
    import_id: int | None,
) -> None:
    at = instants(connection)
    received = at(now)
    for draft, person_id in zip(new, _new_ids(connection, len(new)), strict=True):
        draft.id = person_id
    people = [(draft, draft.address) for draft in new if draft.address is not None]
    insert_many(
        connection,
        _person,
        _NEW,
        [
            (draft.id, key, mailbox, draft.hash, operator(domain), received, *_values(draft, at, received))
            for draft, (key, mailbox, domain) in people
        ],
    )
    changed = [(*_values(draft, at, received), draft.id) for draft in old if draft.changed and draft.address is None]
    update_many(connection, _person, _CHANGING, changed)
    insert_many(
        connection,
        _signup,
        ("person_id", "entity_id", "source", "key", "consent_text", "at", "received_at", "import_id"),
        [
            (draft.id, entity, source, signup.key, signup.consent_text, at(signup.at), received, import_id)
            for draft, signup in rows.signups
        ],
        again="ignore",
    )
    known_as = [(source, row.external_id, draft.id) for draft, row in rows.signups if row.external_id is not None]
    insert_many(connection, _identifier, ("system", "external_id", "person_id"), known_as, again="ignore")
    insert_many(
        connection,
        _consent,
        ("person_id", "entity_id", "basis", "text", "source", "granted_at"),
        [(draft.id, entity, "opt_in", row.consent_text, source, at(row.at)) for draft, row in rows.consents],
    )
    insert_many(
        connection,
        _event,
        ("person_id", "name", "value", "active", "at", "received_at", "detail"),
        [(draft.id, "stage", _SIGNED_UP, False, at(row.at), received, "{}") for draft, row in rows.stages],
    )
    tags = [(draft.id, tag, at(row.at)) for draft, row in rows.signups if row.tags for tag in row.tags]
    insert_many(connection, _tag, ("person_id", "tag", "at"), tags, again="ignore")
    insert_many(connection, _touched, ("person_id",), [(draft.id,) for draft in rows.touched])


def _values(draft: _Draft, at: Callable[[datetime | None], Any], updated: Any) -> tuple[Any, ...]:
    """The changing columns of a person, in the order of `_CHANGING`."""
    return (
        *map(draft.fields.get, _FIELDS),
        draft.zone,
        at(draft.signed_up_at),
        draft.stage,
        at(draft.stage_at),
        json_text(draft.custom),
        json_text(draft.provenance),
        updated,
    )


def _new_ids(connection: Connection, count: int) -> list[int]:
    """Ids for new people: nobody else gets them, since SQLite has one writer and PostgreSQL a sequence."""
    if not count:
        return []
    if connection.dialect.name == "postgresql":
        drawn = text("SELECT nextval(pg_get_serial_sequence('person', 'id')) FROM generate_series(1, :count)")
        return list(connection.execute(drawn, {"count": count}).scalars())
    given = text("SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'person'), 0)")  # deleted ones too
    last = connection.execute(given).scalar_one()
    return list(range(last + 1, last + 1 + count))
