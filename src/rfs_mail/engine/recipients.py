"""
Whom the link of a mail was made for, and what her page may show. Only reads.

Works for every delivery we ever made: of a pruned one a stub is left, of an erased person the hash of her address.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from rfs_mail.core.campaign import Entity, ReleaseContent, Topic
from rfs_mail.core.person import Person
from rfs_mail.engine.compose import Material
from rfs_mail.engine.live import Live, look
from rfs_mail.store import outbox, people, releases, suppressions
from rfs_mail.store.outbox import Addressee
from rfs_mail.store.types import AnyRow


@dataclass(frozen=True, slots=True)
class Recipient:
    """One addressee with the words around her."""

    addressee: Addressee
    entity: Entity
    """Who wrote the mail."""
    topic: Topic | None
    person: Person | None
    """None where she was erased."""
    language: str
    """Of the mail; where that is not known any more, hers, else the entity's own."""
    content: ReleaseContent
    left: frozenset[str] = frozenset()
    """Entities she has unsubscribed from."""
    left_here: frozenset[str] = frozenset()
    """Those of them she left by a link of this very mail."""
    topics_left: frozenset[str] = frozenset()
    agreed: frozenset[str] = frozenset()
    """Entities that she agreed to hear from at some time, whether she left them since or not."""
    barred: bool = False
    """Nothing is sent to her, and no opt-in of hers changes that: a complaint, or staff's word."""

    @property
    def entity_left(self) -> bool:
        """Has she unsubscribed from the entity of this mail?"""
        return self.entity.id in self.left

    @property
    def partners(self) -> tuple[Entity, ...]:
        """The partner organisations of the entity."""
        known = self.content.entities
        return tuple(known[name] for name in self.entity.partners if name in known and name != self.entity.id)

    @property
    def other_topics(self) -> tuple[Topic, ...]:
        """What else the entity writes about."""
        return tuple(
            one for one in topics_of(self.content, self.entity.id) if self.topic is not None and one.id != self.topic.id
        )

    @property
    def sections(self) -> tuple[Entity, ...]:
        """Whose topics the preferences show: the entity's, and those of partners she agreed to and has not left."""
        return (
            self.entity,
            *(one for one in self.partners if one.id in self.agreed and one.id not in self.left),
        )

    @property
    def returns_to(self) -> tuple[Entity, ...]:
        """
        Whom "undo" opts in to again: the entity, and partners that she left by this mail and had agreed to before.

        Empty where there is nothing to undo, or nothing that she herself could.
        """
        if self.person is None or self.barred or not self.entity_left:
            return ()
        back = self.left_here & self.agreed
        return (self.entity, *(one for one in self.partners if one.id in back))


def find_recipient(connection: Connection, delivery_id: int) -> Recipient | None:
    """The recipient of a delivery; None where we made no such delivery, or nothing was ever applied."""
    addressee = outbox.addressee(connection, delivery_id)
    live = look(connection) if addressee is not None else None
    if addressee is None or live is None:
        return None
    row = outbox.get(connection, delivery_id)
    content = live.content
    person = people.get_person(connection, addressee.person_id) if addressee.person_id is not None else None
    entity = _entity(connection, content, addressee, row)
    made_in = row.made["lang"] if row is not None and row.made else None
    language = made_in or (person.lang if person else None) or entity.languages[0]
    address_hash = person.address_hash if person is not None else addressee.address_hash
    live_rows = suppressions.live(connection, address_hash) if address_hash is not None else []
    left = [row for row in live_rows if row.scope == "entity" and row.reason == "unsubscribed"]
    return Recipient(
        addressee,
        entity,
        content.topics.get(addressee.topic),
        person,
        language,
        content,
        left=frozenset(row.scope_id for row in left),
        left_here=frozenset(row.scope_id for row in left if row.delivery_id == delivery_id),
        topics_left=frozenset(suppressions.topics_left(connection, person.id)) if person else frozenset(),
        agreed=frozenset(
            row.entity_id for row in suppressions.consents_of(connection, person.id) if row.basis != "none"
        )
        if person
        else frozenset(),
        barred=(person is not None and person.stopped_at is not None)
        or any(row.reason not in suppressions.LIFTED_BY_OPT_IN for row in live_rows),
    )


def topics_of(content: ReleaseContent, entity_id: str) -> tuple[Topic, ...]:
    """The topics of an entity, in the order of the file."""
    return tuple(topic for topic in content.topics.values() if topic.entity == entity_id)


def find_own(content: ReleaseContent) -> tuple[Entity, ...]:
    """The entities a stranger may be sent to for help: all that speak through this installation."""
    return tuple(content.entities.values())


@dataclass(frozen=True, slots=True)
class Sent:
    """A mail as it was sent: what it takes to render it, or a part of it, again."""

    row: AnyRow
    made: Mapping[str, Any]
    material: Material
    live: Live


def find_sent(connection: Connection, delivery_id: int) -> Sent | None:
    """What a delivery was made from; None where it was never made, or was pruned."""
    row = outbox.get(connection, delivery_id)
    live = look(connection)
    if row is None or live is None or not row.made:
        return None
    revision = releases.load_revision(connection, row.revision_id)
    return Sent(row, row.made, Material(revision.definition, revision.mails, revision.content), live)


def _entity(connection: Connection, content: ReleaseContent, addressee: Addressee, row: AnyRow | None) -> Entity:
    """The entity as it is now, else as it was in the revision of the mail, else what its id says."""
    found = content.entities.get(addressee.entity_id)
    if found is None and row is not None:
        found = releases.load_revision(connection, row.revision_id).content.entities.get(addressee.entity_id)
    return found or Entity(
        id=addressee.entity_id, name=addressee.entity_id, from_name=addressee.entity_id, from_address="",
        list_domain="", bounce_domain="", postal_address="",
    )  # fmt: skip
