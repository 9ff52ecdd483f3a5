"""
What a batch of sign-ups makes of the people it is about: decided here, loaded and written by `store.signups`.

A row whose key is known changes nothing. A row grants consent where none was ever given; it never renews one that was
withdrawn, and brings none to an address that is suppressed. Fields are weighed one by one by the rows' own dates.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, Literal, NamedTuple

from rfs_mail.core.interest import WANTS
from rfs_mail.core.signups import EVERY, Signup, weigh
from rfs_mail.core.values import Stage
from rfs_mail.core.zones import zone_of

PROSPECT: Final = Stage.PROSPECT.value
SIGNED_UP: Final = Stage.SIGNED_UP.value
_PLACE: Final = frozenset({"state", "county", "zip"})
_NOBODY: Final[frozenset[str]] = frozenset()

Shut = Mapping[bytes, Mapping[str, str]]
"""Address hash -> entity (empty: all of them) -> reason, of the suppressions that are live."""


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


@dataclass(slots=True)
class Draft:
    """A person while a batch is merged. A new one that one row made keeps only that row, until another is merged."""

    id: int
    hash: bytes
    first: Signup | None = None
    """The row that made a new person; None for people who were known."""
    stage: str = PROSPECT
    stage_at: datetime | None = None
    signed_up_at: datetime | None = None
    entities: frozenset[str] = _NOBODY
    """Entities with a consent that was not withdrawn."""
    withdrawn: frozenset[str] = _NOBODY
    stopped: bool = False
    zone: str = ""
    fields: dict[str, Any] | None = None
    custom: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, str] = field(default_factory=dict)
    changed: bool = False
    touched: bool = False

    def merge(self, signup: Signup, source: str) -> None:
        """Weigh what a row says against what is held."""
        fields = self.opened(source)
        stamp = signup.at.isoformat()
        changes, dated = weigh(fields, self.provenance, signup.fields, signup.at)
        fields.update(changes)
        if _PLACE & changes.keys():
            self.zone = zone_of(fields.get("state"), fields.get("county"), fields.get("zip"))
        if signup.custom:
            held = {f"custom.{slug}": value for slug, value in self.custom.items()}
            said = {f"custom.{slug}": value for slug, value in signup.custom.items()}
            changes, more = weigh(held, self.provenance, said, signup.at)
            for name, value in changes.items():
                self.custom[name.removeprefix("custom.")] = value
            dated = (*dated, *more)
        if dated:
            self.provenance.update(dict.fromkeys(dated, stamp))
            self.changed = True
        if fields.get("source") is None:
            fields["source"] = source
            self.changed = True

    def opened(self, source: str) -> dict[str, Any]:
        """The fields, of a new person too: those of her first row."""
        if self.fields is None:
            assert self.first is not None
            said = self.first.fields
            self.fields = {"source": source, **said}
            self.custom = dict(self.first.custom)
            self.provenance = {EVERY: self.first.at.isoformat()}
            self.zone = zone_of(said.get("state"), said.get("county"), said.get("zip"))
        return self.fields


@dataclass(slots=True)
class Decision:
    """What a batch comes to. The lists name the rows to write, and the person of each."""

    outcomes: list[Outcome] = field(default_factory=list)
    """One a row, in the rows' order."""
    drafts: dict[str, Draft] = field(default_factory=dict)
    """Identity key of a row's address -> the person of the row; none for rejected rows."""
    created: list[Draft] = field(default_factory=list)
    signups: list[tuple[Draft, Signup]] = field(default_factory=list)
    consents: list[tuple[Draft, Signup]] = field(default_factory=list)
    stages: list[tuple[Draft, Signup]] = field(default_factory=list)
    """Prospects who have now signed up, by this row."""
    interests: list[tuple[Draft, Signup]] = field(default_factory=list)
    """Rows that say what somebody wants to run for, but for those from before she or staff said it all anew."""
    touched: list[Draft] = field(default_factory=list)
    """Everyone with a row that was not known, once."""


@dataclass(frozen=True, slots=True)
class Known:
    """What the store knows of a batch before it is merged."""

    keys: Mapping[str, int]
    """Key of a row that was signed up before -> the person's id."""
    people: Mapping[str, Draft]
    """Identity key -> the person, for every row that is not known."""
    by_id: Mapping[int, Draft]
    """The same people, and those of the known rows."""
    owners: Mapping[str, int]
    """External id -> the id of the person it belongs to in this source."""
    shut: Shut


def decide(batch: Sequence[Signup], known: Known, *, source: str, entity: str, ids: Iterator[int]) -> Decision:
    """Merge the rows in their order. `ids` gives each new person an id; the people of `known` are changed in place."""
    decision = Decision()
    people = dict(known.people)
    seen: dict[str, Draft] = {}
    owned: dict[str, Draft] = {}
    keys, by_id, drafts, outcomes = known.keys, known.by_id, decision.drafts, decision.outcomes
    for signup in batch:
        address = signup.address.key
        draft = people.get(address)
        external_id = signup.external_id
        if external_id is not None:
            owner = owned.get(external_id) or by_id.get(known.owners.get(external_id, 0))
            if owner is not draft if owner is not None else external_id in known.owners:
                outcomes.append(Outcome("rejected", 0, _taken(external_id)))
                continue
        key = signup.key
        holder = seen.get(key) or (by_id.get(keys[key]) if key in keys else None)
        if holder is not None:
            drafts[address] = holder
            outcomes.append(Outcome("unchanged", holder.id))
            continue
        if draft is None:
            draft = Draft(next(ids), signup.hash, signup, PROSPECT, signup.at)
            people[address] = draft
            decision.created.append(draft)
            outcomes.append(Outcome("created", draft.id))
        else:
            draft.merge(signup, source)
            outcomes.append(Outcome("merged", draft.id))
        if signup.consent_text is not None:
            _agree(draft, signup, entity, known.shut, decision)
        seen[key] = draft
        if external_id is not None:
            owned[external_id] = draft
        decision.signups.append((draft, signup))
        if signup.interests and draft.provenance.get(WANTS, "") <= signup.at.isoformat():
            decision.interests.append((draft, signup))
        if not draft.touched:
            draft.touched = True
            decision.touched.append(draft)
        drafts[address] = draft
    return decision


def _agree(draft: Draft, signup: Signup, entity: str, shut: Shut, decision: Decision) -> None:
    """The consent of a row, and the stage it brings: a prospect who agreed has signed up."""
    if draft.signed_up_at is None or signup.at < draft.signed_up_at:
        draft.signed_up_at = signup.at
        draft.changed = True
    if entity not in draft.entities:
        blocked = shut.get(draft.hash)
        if entity in draft.withdrawn or (blocked and ("" in blocked or entity in blocked)):
            return
        draft.entities = _with(draft.entities, entity)
        decision.consents.append((draft, signup))
    if draft.stage == PROSPECT:
        draft.stage, draft.stage_at = SIGNED_UP, signup.at
        draft.changed = True
        decision.stages.append((draft, signup))


def _taken(external_id: str) -> str:
    shown = external_id if len(external_id) <= 40 else f"{external_id[:39]}…"
    return (
        f"the id {shown!r} is already somebody else's. If her address changed, change it on the person; "
        "if two people share the id, mend it in the file"
    )


@lru_cache(maxsize=1024)
def _with(entities: frozenset[str], entity: str) -> frozenset[str]:
    return entities | {entity}


@lru_cache(maxsize=1024)
def _open_to(entities: frozenset[str]) -> Standing:
    return Standing(entities, "")


def standing(draft: Draft, entity: str, shut: Shut) -> Standing:
    """Who may mail a person, and why `entity` may not."""
    blocked = shut.get(draft.hash)
    if blocked is None:
        if entity in draft.entities and not draft.stopped:
            return _open_to(draft.entities)
        blocked = {}
    if draft.stopped:
        return Standing(_NOBODY, "stopped")
    entities = _NOBODY if "" in blocked else draft.entities.difference(blocked)
    if entity in entities:
        return Standing(entities, "")
    reason = blocked.get(entity) or blocked.get("")
    if reason == "unsubscribed" or (reason is None and entity in draft.withdrawn):
        return Standing(entities, "unsubscribed")
    return Standing(entities, "no_consent" if reason is None else "suppressed")
