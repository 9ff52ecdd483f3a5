"""
Sign-ups into people: a batch of checked rows merged in one transaction, with a fixed number of statements.

What is known of the rows is loaded, `core.merging` decides, and the rows it names are written. The signup's key is the
idempotence. Everyone who changed is touched.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import repeat
from typing import Any

from sqlalchemy import Connection, and_, exists, select

from rfs_mail.core.merging import SIGNED_UP, Decision, Draft, Known, Outcome, Standing, decide, standing
from rfs_mail.core.operators import operator
from rfs_mail.core.signups import EVERY, Signup
from rfs_mail.core.zones import zone_of
from rfs_mail.store.dialect import among, insert_many, instants, json_text, new_ids, update_many
from rfs_mail.store.interests import add_many
from rfs_mail.store.tables import TABLES

_person, _signup = TABLES["person"], TABLES["signup"]
_consent, _suppression, _identifier = TABLES["consent"], TABLES["suppression"], TABLES["identifier"]
_event, _tag, _touched = TABLES["event"], TABLES["person_tag"], TABLES["touched"]

_FIELDS = (
    "given_name", "family_name", "state", "county", "zip", "lang", "birth_year", "runs_before", "endorsement",
    "endorsable", "source",
)  # fmt: skip
_CHANGING = (*_FIELDS, "zone", "signed_up_at", "stage", "stage_at", "custom", "provenance", "updated_at")
_NEW = ("id", "address", "mailbox", "address_hash", "operator", "created_at", *_CHANGING)


@dataclass(frozen=True, slots=True)
class Merged:
    """What became of a batch: an outcome a row, in the rows' order, and who may mail the people of its rows."""

    outcomes: Sequence[Outcome]
    standings: Mapping[str, tuple[int, Standing]]
    """Identity key of a row's address -> the person's id and her standing; rejected rows have none."""


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
    known = _look_up(connection, batch, source, lock=not dry_run)
    ids: Iterator[int] = repeat(0)
    if not dry_run:
        new = {signup.address.key for signup in batch if signup.key not in known.keys} - known.people.keys()
        ids = iter(new_ids(connection, _person, len(new)))
    decision = decide(batch, known, source=source, entity=entity, ids=ids)
    if not dry_run:
        changed = [draft for draft in known.people.values() if draft.changed]
        _write(connection, decision, changed, source=source, entity=entity, now=now, import_id=import_id)
    standings = {key: (draft.id, standing(draft, entity, known.shut)) for key, draft in decision.drafts.items()}
    return Merged(decision.outcomes, standings)


# -- what is known already ---------------------------------------------------------------------------------------------

_KNOWN = (
    *(_person.c[name] for name in ("id", "address", "address_hash", "stopped_at")),
    *(_person.c[name] for name in ("stage", "stage_at", "signed_up_at", "zone", "custom", "provenance", *_FIELDS)),
)


def _look_up(connection: Connection, batch: Sequence[Signup], source: str, *, lock: bool) -> Known:
    # Who is about to change is read whole; of those whose row is known already, only who may mail them.
    keys = _keys(connection, source, batch)
    by_id = _bystanders(connection, set(keys.values()))
    keys = {key: person_id for key, person_id in keys.items() if person_id in by_id}  # without those who were erased
    changing = {signup.address.key for signup in batch if signup.key not in keys or signup.external_id is not None}
    people = _people(connection, changing, lock=lock)
    by_id |= {draft.id: draft for draft in people.values()}
    _add_consents(connection, by_id)
    hashes = {signup.hash for signup in batch} | {draft.hash for draft in by_id.values()}
    return Known(keys, people, by_id, _owners(connection, source, batch), _suppressed(connection, hashes))


def _keys(connection: Connection, source: str, batch: Sequence[Signup]) -> dict[str, int]:
    """Key -> person, of the rows that were signed up before."""
    keys = [signup.key for signup in batch]
    statement = select(_signup.c.key, _signup.c.person_id).where(
        _signup.c.source == source, among(connection, _signup.c.key, keys)
    )
    return {row.key: row.person_id for row in connection.execute(statement)}


def _people(connection: Connection, addresses: set[str], *, lock: bool) -> dict[str, Draft]:
    """The people of these addresses; held against other writers until the transaction ends."""
    if not addresses:
        return {}
    statement = select(*_KNOWN).where(among(connection, _person.c.address, list(addresses))).order_by(_person.c.id)
    people = {}
    for row in connection.execute(statement.with_for_update() if lock else statement):
        person_id, address, hashed, stopped_at, stage, stage_at, signed_up_at, zone, custom, provenance, *said = row
        people[address] = Draft(
            id=person_id,
            hash=hashed,
            stage=stage,
            stage_at=stage_at,
            signed_up_at=signed_up_at,
            stopped=stopped_at is not None,
            zone=zone,
            fields=dict(zip(_FIELDS, said, strict=True)),
            custom=dict(custom),
            provenance=dict(provenance),
        )
    return people


def _bystanders(connection: Connection, ids: set[int]) -> dict[int, Draft]:
    """People whose rows are known already and change nothing, by id: only as much as their standing needs."""
    if not ids:
        return {}
    statement = select(_person.c.id, _person.c.address_hash, _person.c.stopped_at)
    found = connection.execute(statement.where(among(connection, _person.c.id, sorted(ids))))
    return {
        person_id: Draft(id=person_id, hash=hashed, stopped=stopped_at is not None, fields={})
        for person_id, hashed, stopped_at in found
    }


def _add_consents(connection: Connection, by_id: dict[int, Draft]) -> None:
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
    decision: Decision,
    changed: Sequence[Draft],
    *,
    source: str,
    entity: str,
    now: datetime,
    import_id: int | None,
) -> None:
    at = instants(connection)
    received = at(now)
    created = [_new_row(draft, source, at, received) for draft in decision.created]
    insert_many(connection, _person, _NEW, created)
    update_many(
        connection, _person, _CHANGING, [(*_changing_row(draft, source, at, received), draft.id) for draft in changed]
    )
    insert_many(
        connection,
        _signup,
        ("person_id", "entity_id", "source", "key", "consent_text", "at", "received_at", "import_id"),
        [
            (draft.id, entity, source, row.key, row.consent_text, at(row.at), received, import_id)
            for draft, row in decision.signups
        ],
        again="ignore",
    )
    known_as = [(source, row.external_id, draft.id) for draft, row in decision.signups if row.external_id is not None]
    insert_many(connection, _identifier, ("system", "external_id", "person_id"), known_as, again="ignore")
    insert_many(
        connection,
        _consent,
        ("person_id", "entity_id", "basis", "text", "source", "granted_at"),
        [(draft.id, entity, "opt_in", row.consent_text, source, at(row.at)) for draft, row in decision.consents],
    )
    insert_many(
        connection,
        _event,
        ("person_id", "name", "value", "active", "at", "received_at", "detail"),
        [(draft.id, "stage", SIGNED_UP, False, at(row.at), received, "{}") for draft, row in decision.stages],
    )
    tags = [(draft.id, tag, at(row.at)) for draft, row in decision.signups if row.tags for tag in row.tags]
    insert_many(connection, _tag, ("person_id", "tag", "at"), tags, again="ignore")
    wanted = [(draft.id, one, row.at) for draft, row in decision.interests for one in row.interests]
    add_many(connection, wanted, newcomers={draft.id for draft in decision.created} if wanted else ())
    insert_many(connection, _touched, ("person_id",), [(draft.id,) for draft in decision.touched])


def _new_row(draft: Draft, source: str, at: Callable[[datetime | None], Any], received: Any) -> tuple[Any, ...]:
    """A new person, in the order of `_NEW`."""
    first = draft.first
    assert first is not None
    key, mailbox, domain = first.address
    if draft.fields is not None:  # more than one row spoke of her
        changing = _changing_row(draft, source, at, received)
        return (draft.id, key, mailbox, draft.hash, operator(domain), received, *changing)
    get = first.fields.get
    state, county, code = get("state"), get("county"), get("zip")
    when = at(first.at)
    return (
        draft.id, key, mailbox, draft.hash, operator(domain), received,
        get("given_name"), get("family_name"), state, county, code, get("lang"), get("birth_year"),
        get("runs_before"), get("endorsement"), get("endorsable"), get("source") or source,
        zone_of(state, county, code),
        when if draft.signed_up_at is not None else None, draft.stage, when,
        _custom_text(first.custom) if first.custom else "{}", f'{{"{EVERY}":"{first.at.isoformat()}"}}', received,
    )  # fmt: skip


def _custom_text(custom: Mapping[str, Any]) -> str:
    """`json_text`, remembered: on a list most people say one of a few things."""
    return _encoded(tuple(custom.items()), tuple(map(type, custom.values())))


@lru_cache(maxsize=4096)
def _encoded(items: tuple[tuple[str, Any], ...], _types: tuple[type, ...]) -> str:
    """With the types in the key, since 1, 1.0 and True are equal and not the same."""
    return json_text(dict(items))


def _changing_row(draft: Draft, source: str, at: Callable[[datetime | None], Any], updated: Any) -> tuple[Any, ...]:
    """The columns of a person that change, in the order of `_CHANGING`."""
    return (
        *map(draft.opened(source).get, _FIELDS),
        draft.zone,
        at(draft.signed_up_at),
        draft.stage,
        at(draft.stage_at),
        json_text(draft.custom),
        json_text(draft.provenance),
        updated,
    )
