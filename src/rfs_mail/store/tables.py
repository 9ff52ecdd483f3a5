"""
The tables: columns, keys and constraints. No behaviour.

They read in the order of the story: people and what they allowed, campaigns as released, enrollments, deliveries,
what happened, and what the machine needs to know about itself. Every id is 64 bits; every instant is of `Instant`.
States and reasons are the words of `core.lifecycle` and `core.reasons`.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import Boolean, Column, Index, LargeBinary, Text, UniqueConstraint, false, text
from sqlmodel import Field, SQLModel

from rfs_mail.store.types import BigId, Instant, Json

METADATA = SQLModel.metadata


def _id() -> Any:
    return Field(default=None, sa_column=Column(BigId, primary_key=True, autoincrement=True))


def _ref(*, index: bool = False, null: bool = False, primary: bool = False) -> Any:
    """A 64-bit reference. Foreign keys are left out on the hot tables: they are append-mostly and pruned in order."""
    return Field(
        default=None if null else ...,
        sa_column=Column(BigId, nullable=null, index=index, primary_key=primary, autoincrement=False),
    )


def _instant(*, null: bool = False) -> Any:
    return Field(default=None if null else ..., sa_column=Column(Instant, nullable=null))


def _text(default: str = "") -> Any:
    return Field(default=default, sa_column=Column(Text, nullable=False, server_default=default))


def _json() -> Any:
    return Field(default_factory=dict, sa_column=Column(Json, nullable=False))


_NEVER_AGAIN = {"sqlite_autoincrement": True}
"""
For tables whose ids live on outside the row, in links, stubs and the hands of a process that sleeps: without it SQLite
gives the highest id again once its row is deleted. PostgreSQL never does.
"""

# -- people ------------------------------------------------------------------------------------------------------------


class Person(SQLModel, table=True):
    """Someone with an e-mail address. `id` is the identity; the address may change."""

    __tablename__ = "person"
    __table_args__ = (
        Index("ix_person_address_hash", "address_hash"),
        Index("ix_person_stage", "stage"),
        _NEVER_AGAIN,
    )

    id: int | None = _id()
    address: str = Field(sa_column=Column(Text, nullable=False, unique=True))
    """The identity key: NFC, case-folded local part, A-label domain."""
    mailbox: str = _text()
    """The address as it is mailed: local part as typed, domain as A-label."""
    address_hash: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    """Keyed hash of the suppression form of the address; what `suppression` is joined by."""
    operator: str = _text("other")
    """Who receives for this domain: google, microsoft, yahoo, apple ... other."""
    given_name: str | None = None
    family_name: str | None = None
    state: str | None = None
    county: str | None = None
    zip: str | None = None
    lang: str | None = None
    birth_year: int | None = None
    runs_before: int | None = None
    endorsement: str | None = None
    endorsable: bool | None = None
    source: str | None = None
    zone: str = _text("America/New_York")
    """IANA zone of the person's clock; never empty."""
    signed_up_at: datetime | None = _instant(null=True)
    stage: str = _text("prospect")
    stage_at: datetime | None = _instant(null=True)
    custom: dict[str, Any] = _json()
    stopped_at: datetime | None = _instant(null=True)
    """Staff stopped all mail to this person (`people stop`)."""
    stopped_because: str | None = None
    paused_until: datetime | None = _instant(null=True)
    """The person asked for a pause on the preferences page."""
    provenance: dict[str, Any] = _json()
    """Field -> ISO instant of the value's own row, so that an older row never overwrites a newer value."""
    created_at: datetime = _instant()
    updated_at: datetime = _instant()


class PersonTag(SQLModel, table=True):
    """A word that staff or a campaign put on a person."""

    __tablename__ = "person_tag"
    person_id: int = _ref(primary=True)
    tag: str = Field(sa_column=Column(Text, primary_key=True))
    at: datetime = _instant()


class PersonRole(SQLModel, table=True):
    """What a person is to the organisation besides: volunteer, donor ..."""

    __tablename__ = "person_role"
    person_id: int = _ref(primary=True)
    role: str = Field(sa_column=Column(Text, primary_key=True))


class Identifier(SQLModel, table=True):
    """A person's key in another system."""

    __tablename__ = "identifier"
    system: str = Field(sa_column=Column(Text, primary_key=True))
    external_id: str = Field(sa_column=Column(Text, primary_key=True))
    person_id: int = _ref(index=True)


class Signup(SQLModel, table=True):
    """A form submission or an import row that created or updated a person."""

    __tablename__ = "signup"
    __table_args__ = (
        UniqueConstraint("source", "key", name="uq_signup_source_key"),
        Index("ix_signup_person", "person_id", "at"),
    )

    id: int | None = _id()
    person_id: int = _ref()
    entity_id: str = _text()
    source: str = _text()
    key: str = _text()
    """External id of the row where it has one, else the digest of its mapped values."""
    consent_text: str | None = None
    """What the person agreed to, word for word; null when the row carries no consent."""
    at: datetime = _instant()
    """When the person signed up, by the row's own date."""
    received_at: datetime = _instant()
    import_id: int | None = _ref(null=True)


class SignupImport(SQLModel, table=True):
    """One `signups import`: its figures add up."""

    __tablename__ = "signup_import"
    id: int | None = _id()
    file: str = _text()
    source: str = _text()
    entity_id: str = _text()
    started_at: datetime = _instant()
    finished_at: datetime | None = _instant(null=True)
    rows: int = 0
    created: int = 0
    merged: int = 0
    unchanged: int = 0
    rejected: int = 0
    rejected_file: str | None = None


class Consent(SQLModel, table=True):
    """Whether an entity may mail a person. Withdrawn is a state, not a deletion."""

    __tablename__ = "consent"
    person_id: int = _ref(primary=True)
    entity_id: str = Field(sa_column=Column(Text, primary_key=True))
    basis: str = _text("opt_in")
    text: str = _text()
    source: str = _text()
    granted_at: datetime = _instant()
    withdrawn_at: datetime | None = _instant(null=True)


class TopicLeft(SQLModel, table=True):
    """A topic a person left without leaving everything. No row means the topic is wanted."""

    __tablename__ = "topic_left"
    person_id: int = _ref(primary=True)
    topic: str = Field(sa_column=Column(Text, primary_key=True))
    at: datetime = _instant()


class Suppression(SQLModel, table=True):
    """
    An address that must not be mailed. Keyed by hash, so that it outlives the person and a re-import stays blocked.

    Lifted rows stay: `lifted_at` is set and they no longer count.
    """

    __tablename__ = "suppression"
    __table_args__ = (
        Index("ix_suppression_hash", "address_hash"),
        Index(
            "uq_suppression_live",
            "address_hash",
            "scope",
            "scope_id",
            "reason",
            unique=True,
            sqlite_where=text("lifted_at IS NULL"),
            postgresql_where=text("lifted_at IS NULL"),
        ),
    )

    id: int | None = _id()
    address_hash: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    scope: str = _text("all")
    """all, entity or topic."""
    scope_id: str = _text()
    """The entity or topic; empty for all."""
    except_topics: str = _text()
    """Topics that stay allowed, as `|deadlines|other|`; empty for none."""
    reason: str = _text()
    """unsubscribed, complained, hard_bounce, inactive, staff, imported, erased."""
    source: str = _text()
    note: str | None = None
    delivery_id: int | None = _ref(null=True)
    at: datetime = _instant()
    lifted_at: datetime | None = _instant(null=True)
    lifted_because: str | None = None


class Touched(SQLModel, table=True):
    """People whose facts changed and whose goals, exits, waits and entries have not been asked again yet."""

    __tablename__ = "touched"
    __table_args__ = (Index("ix_touched_person", "person_id"),)
    id: int | None = _id()
    person_id: int = _ref()


# -- windows and calendar ----------------------------------------------------------------------------------------------


class FilingWindow(SQLModel, table=True):
    """When filing opens and closes for an office level, somewhere, once. A blank opening is unknown, not open."""

    __tablename__ = "filing_window"
    __table_args__ = (Index("ix_filing_window_state", "state", "closes_on"),)
    id: str = Field(sa_column=Column(Text, primary_key=True))
    jurisdiction: str = _text()
    state: str = _text()
    division: str | None = None
    office_level: str = _text()
    office: str = _text()
    election_on: str = _text()
    party_path: str | None = None
    incumbency: str | None = None
    opens_on: str | None = None
    opens_time: str | None = None
    closes_on: str = _text()
    closes_time: str | None = None
    zone: str = _text()
    status: str = _text("confirmed")
    confidence: str = _text("unknown")
    source: str = _text()
    as_of: str | None = None
    notes: str = _text()
    version: int = 1
    updated_at: datetime = _instant()


class FilingWindowVersion(SQLModel, table=True):
    """What a filing window said, each time it said something else. Never changed, never deleted."""

    __tablename__ = "filing_window_version"
    __table_args__ = (Index("ix_filing_window_version", "window_id", "id"),)
    id: int | None = _id()
    window_id: str = _text()
    version: int = 1
    """Grows where a fact changed that mail hangs on; a new source or note is another row of the same version."""
    facts: dict[str, Any] = _json()
    """`core.filing_windows.FilingWindow` as JSON."""
    file: str = _text()
    by: str = _text()
    at: datetime = _instant()


class CandidateMatch(SQLModel, table=True):
    """Somebody of an official candidate list who may be one of ours. Nothing follows before a person says yes."""

    __tablename__ = "candidate_match"
    __table_args__ = (UniqueConstraint("person_id", "window_id", "key", name="uq_candidate_match"),)
    id: int | None = _id()
    person_id: int = _ref()
    window_id: str = _text()
    key: str = _text()
    """What the list says of the candidate, digested: the same line again asks nobody again."""
    name: str = _text()
    """The candidate's name as the list writes it."""
    listed: str = _text()
    """What else the list says of her: office, division, party, status."""
    file: str = _text()
    line: int = 0
    score: int = 0
    """0 to 100."""
    why: str = _text()
    state: str = _text("open")
    """open, accepted, declined, or moot: another match of that person and window was accepted."""
    at: datetime = _instant()
    decided_at: datetime | None = _instant(null=True)
    decided_by: str | None = None


class Milestone(SQLModel, table=True):
    """A date of a filing window besides its opening and closing: petition_due ..."""

    __tablename__ = "milestone"
    window_id: str = Field(sa_column=Column(Text, primary_key=True))
    name: str = Field(sa_column=Column(Text, primary_key=True))
    on: str = _text()
    time: str | None = None


class Interest(SQLModel, table=True):
    """What a person wants to run for. Empty columns mean "any"."""

    __tablename__ = "interest"
    id: int | None = _id()
    person_id: int = _ref(index=True)
    office_level: str = _text()
    state: str = _text()
    division: str = _text()
    election_year: int | None = None
    party_path: str = _text()
    incumbent: bool = Field(default=False, sa_column=Column(Boolean, nullable=False, server_default=false()))
    at: datetime = _instant()


class Candidacy(SQLModel, table=True):
    """A person and a window, with evidence."""

    __tablename__ = "candidacy"
    person_id: int = _ref(primary=True)
    window_id: str = Field(sa_column=Column(Text, primary_key=True))
    status: str = _text("planned")
    evidence: str | None = None
    at: datetime = _instant()


class Occurrence(SQLModel, table=True):
    """One date of a calendar name (`nrfod-2026`). The key is its identity, never the date."""

    __tablename__ = "occurrence"
    calendar: str = Field(sa_column=Column(Text, primary_key=True))
    key: str = Field(sa_column=Column(Text, primary_key=True))
    on: str = _text()
    time: str | None = None
    zone: str = _text()
    starts_at: datetime = _instant()
    """Start of the day in its zone where no time is given."""
    version: int = 1


# -- campaigns as released ---------------------------------------------------------------------------------------------


class Release(SQLModel, table=True):
    """One atomic `apply`: all that is live together. `content` holds entities, topics, segments, fields, calendar."""

    __tablename__ = "release"
    id: int | None = _id()
    digest: str = _text()
    applied_at: datetime = _instant()
    applied_by: str = _text()
    content: dict[str, Any] = _json()
    revisions: dict[str, Any] = _json()
    """campaign id -> revision id."""


class Revision(SQLModel, table=True):
    """One applied, immutable version of a campaign."""

    __tablename__ = "revision"
    __table_args__ = (UniqueConstraint("campaign_id", "digest", name="uq_revision_digest"),)
    id: int | None = _id()
    campaign_id: str = _text()
    number: int = 1
    digest: str = _text()
    created_at: datetime = _instant()
    definition: dict[str, Any] = _json()
    """`core.campaign.Campaign` as JSON."""
    mails: dict[str, Any] = _json()
    """template name -> "en" or "en.variant" -> `core.mail.MailSource` as JSON."""
    context: dict[str, Any] = _json()
    """The segments, fields, entity and topics this revision names, as they were."""


class CampaignRow(SQLModel, table=True):
    """What is true of a campaign now, beyond its revision."""

    __tablename__ = "campaign"
    id: str = Field(sa_column=Column(Text, primary_key=True))
    revision_id: int = _ref()
    state: str = _text("running")
    """running, paused or removed."""
    state_at: datetime = _instant()
    state_by: str = _text()
    state_because: str | None = None
    first_applied_at: datetime = _instant()


class Sweep(SQLModel, table=True):
    """A chunked walk over all people for one campaign: who already qualifies, an occurrence, the daily look."""

    __tablename__ = "sweep"
    campaign_id: str = Field(sa_column=Column(Text, primary_key=True))
    key: str = Field(sa_column=Column(Text, primary_key=True))
    """`existing`, `daily:2026-11-23`, `occasion:calendar:nrfod-2026`."""
    after_person_id: int = Field(default=0, sa_column=Column(BigId, nullable=False))
    entered: int = 0
    day: str = _text()
    """The civil UTC day that `entered_today` counts."""
    entered_today: int = 0
    started_at: datetime = _instant()
    done_at: datetime | None = _instant(null=True)


# -- enrollments -------------------------------------------------------------------------------------------------------


class Enrollment(SQLModel, table=True):
    """One person's way through one campaign, once an occasion."""

    __tablename__ = "enrollment"
    __table_args__ = (
        UniqueConstraint("campaign_id", "person_id", "occasion", name="uq_enrollment_occasion"),
        Index("ix_enrollment_person", "person_id"),
        Index(
            "ix_enrollment_due",
            "due_at",
            sqlite_where=text("state = 'active' AND due_at IS NOT NULL"),
            postgresql_where=text("state = 'active' AND due_at IS NOT NULL"),
        ),
        Index("ix_enrollment_campaign_state", "campaign_id", "state", "step_key"),
    )

    id: int | None = _id()
    campaign_id: str = _text()
    person_id: int = _ref()
    occasion: str = _text()
    state: str = _text("active")
    """active, finished, exited or holdout; passed_over where `existing: skip` leaves her out."""
    revision_id: int = _ref()
    """The revision entered; what `on_edit: pin` finishes on."""
    entered_at: datetime = _instant()
    """Civil time of entry: the anchor `entry` and `since=entry`."""
    window_id: str | None = None
    window_version: int | None = None
    occurrence_key: str | None = None
    """The occurrence this enrollment is about, for campaigns per calendar name."""
    anchors: dict[str, Any] = _json()
    """Calendar name -> occurrence key, fixed when a step first needed it."""
    step_key: str = _text()
    """The next step to take; empty at the end."""
    due_at: datetime | None = _instant(null=True)
    """When `advance` looks again; null while a delivery is awaited or the end is reached."""
    planned: bool = False
    """`due_at` is the step's own time; false: `advance` has to compute it first."""
    previous_at: datetime | None = _instant(null=True)
    """When the step above was sent, done, skipped or timed out: what `+3d` counts from."""
    waiting_on: int | None = _ref(null=True)
    """The unsettled delivery this enrollment waits for."""
    waiting_since: datetime | None = _instant(null=True)
    """Set while a `wait_for` waits; facts count from here."""
    ended_at: datetime | None = _instant(null=True)
    ended_because: str | None = None
    ended_detail: dict[str, Any] = _json()


class StepDone(SQLModel, table=True):
    """A step was taken. Its key is what makes `advance` safe to repeat."""

    __tablename__ = "step_done"
    enrollment_id: int = _ref(primary=True)
    step_key: str = Field(sa_column=Column(Text, primary_key=True))
    at: datetime = _instant()
    planned_at: datetime | None = _instant(null=True)
    outcome: str = _text("done")
    """queued, done, skipped, timed_out, arm (branch)."""
    reason: str | None = None
    detail: dict[str, Any] = _json()


# -- the outbox --------------------------------------------------------------------------------------------------------

_IN_FLIGHT = text("state IN ('claimed', 'sending')")
_QUEUED = text("state = 'queued'")
_UNCERTAIN = text("state = 'uncertain'")
_FAILED = text("state = 'failed'")


class Delivery(SQLModel, table=True):
    """One outbox row: one mail step to one person. Only `store.outbox` moves its state."""

    __tablename__ = "delivery"
    __table_args__ = (
        Index("ix_delivery_next", "campaign_id", "deadline", "next_at", sqlite_where=_QUEUED, postgresql_where=_QUEUED),
        Index("ix_delivery_queued_person", "person_id", sqlite_where=_QUEUED, postgresql_where=_QUEUED),
        Index("uq_delivery_in_flight", "person_id", unique=True, sqlite_where=_IN_FLIGHT, postgresql_where=_IN_FLIGHT),
        Index("ix_delivery_batch", "batch_id", sqlite_where=_IN_FLIGHT, postgresql_where=_IN_FLIGHT),
        Index("ix_delivery_person_settled", "person_id", "settled_at"),
        Index("ix_delivery_enrollment", "enrollment_id"),
        Index("ix_delivery_campaign", "campaign_id", "step_key", "state", "id"),
        Index("ix_delivery_settled", "settled_at"),
        Index("ix_delivery_uncertain", "settled_at", sqlite_where=_UNCERTAIN, postgresql_where=_UNCERTAIN),
        Index("ix_delivery_failed", "settled_at", sqlite_where=_FAILED, postgresql_where=_FAILED),
        _NEVER_AGAIN,
    )

    id: int | None = _id()
    enrollment_id: int = _ref()
    campaign_id: str = _text()
    person_id: int = _ref()
    step_key: str = _text()
    revision_id: int = _ref()
    """The revision it was queued by; the mark fixes the one it is sent by."""
    entity_id: str = _text()
    topic: str = _text()
    variant: str = _text()
    deadline: bool = False
    """`priority: deadline`."""
    cap: str = _text("count")
    """count or exempt."""
    any_hour: bool = False
    """The step lifted the campaign's hours or days; `eligibility` reads the revision for the rest."""
    operator: str = _text("other")
    window_id: str | None = None
    window_version: int | None = None
    state: str = _text("queued")
    reason: str | None = None
    detail: dict[str, Any] | None = Field(default=None, sa_column=Column(Json, nullable=True))
    """The values behind the reason, at that moment."""
    queued_at: datetime = _instant()
    due_at: datetime = _instant()
    """The plan. Only `advance` and `replan` write it."""
    not_before: datetime | None = _instant(null=True)
    """A hold or a back-off. Only delivery writes it."""
    next_at: datetime = _instant()
    """The later of `due_at` and `not_before`; what dispatch reads."""
    not_after: datetime = _instant()
    attempt: int = 0
    first_attempt_at: datetime | None = _instant(null=True)
    rescues: int = 0
    resends: int = 0
    """How often it was sent again after an uncertain end; at most once without a person's word."""
    batch_id: int | None = _ref(null=True)
    epoch: int = 0
    sending_at: datetime | None = _instant(null=True)
    settled_at: datetime | None = _instant(null=True)
    """When it became sent, failed, skipped, expired or uncertain, by the civil clock."""
    local_day: int | None = None
    """The recipient's calendar day (proleptic ordinal) of the send, for the daily cap."""
    message_id: str | None = None
    relay: str | None = None
    code: int | None = None
    reply: str | None = None
    made: dict[str, Any] | None = Field(default=None, sa_column=Column(Json, nullable=True))
    """What the message was made from: language, Date, variables, build id, SHA-256 of the bytes."""


class Batch(SQLModel, table=True):
    """Deliveries of one relay and one receiving operator, given to one holder under a lease of machine time."""

    __tablename__ = "batch"
    __table_args__ = _NEVER_AGAIN
    id: int | None = _id()
    epoch: int = 1
    state: str = _text("live")
    """live (given out), open (being worked on), done or dead."""
    relay: str = _text()
    operator: str = _text()
    holder: str | None = None
    lease_until: datetime = _instant()
    size: int = 0


class KeptMessage(SQLModel, table=True):
    """The compressed bytes that went out, kept for `keep_messages`."""

    __tablename__ = "kept_message"
    delivery_id: int = _ref(primary=True)
    message: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    at: datetime = _instant()


class DeliveryStub(SQLModel, table=True):
    """What stays of a pruned delivery, so that its links work for ever."""

    __tablename__ = "delivery_stub"
    delivery_id: int = _ref(primary=True)
    person_id: int | None = _ref(null=True)
    entity_id: str = _text()
    topic: str = _text()
    campaign_id: str = _text()
    address_hash: bytes | None = Field(default=None, sa_column=Column(LargeBinary, nullable=True))


# -- what happened -----------------------------------------------------------------------------------------------------


class Event(SQLModel, table=True):
    """
    An append-only fact about a person: bounced, complained, unsubscribed, clicked, answered, replied, registered,
    attended, missed, stage (value: the new stage), and any name a webhook or staff give.
    """

    __tablename__ = "event"
    __table_args__ = (
        Index("ix_event_person", "person_id", "name", "at"),
        Index("ix_event_delivery", "delivery_id"),
        Index("ix_event_name", "name", "at"),
        UniqueConstraint("key", name="uq_event_key"),
    )

    id: int | None = _id()
    person_id: int | None = _ref(null=True)
    name: str = _text()
    ref: str = _text()
    """What it is about: a calendar name (registered), a step key (clicked, answered), a link number ..."""
    value: str = _text()
    """What was said: the answer, the new stage, human | machine | unknown for a click."""
    active: bool = False
    """The person did something (a click of a person, a form, a reply): what `active(within=...)` counts."""
    at: datetime = _instant()
    received_at: datetime = _instant()
    campaign_id: str | None = None
    enrollment_id: int | None = _ref(null=True)
    delivery_id: int | None = _ref(null=True)
    window_id: str | None = None
    key: str | None = Field(default=None, sa_column=Column(Text, nullable=True))
    """Unique where given, so that a webhook delivered twice is one fact."""
    detail: dict[str, Any] = _json()


class Task(SQLModel, table=True):
    """Something for a person of the staff."""

    __tablename__ = "task"
    __table_args__ = (
        UniqueConstraint("key", name="uq_task_key"),
        Index("ix_task_state", "state", "due_at"),
    )
    id: int | None = _id()
    key: str = _text()
    """enrollment and step, answer and delivery, or window and version: one task an occasion."""
    person_id: int = _ref(index=True)
    """0 where it is about a filing window and nobody in particular."""
    campaign_id: str | None = None
    enrollment_id: int | None = _ref(null=True)
    title: str = _text()
    for_: str = Field(default="", sa_column=Column("for", Text, nullable=False, server_default=""))
    due_at: datetime | None = _instant(null=True)
    state: str = _text("open")
    """open, done or dropped."""
    created_at: datetime = _instant()
    closed_at: datetime | None = _instant(null=True)
    closed_by: str | None = None
    note: str | None = None


# -- the machine -------------------------------------------------------------------------------------------------------


class Tick(SQLModel, table=True):
    """One row a verb: when it last ran, by both clocks."""

    __tablename__ = "tick"
    name: str = Field(sa_column=Column(Text, primary_key=True))
    civil_at: datetime | None = _instant(null=True)
    machine_at: datetime | None = _instant(null=True)
    note: str | None = None


class Holder(SQLModel, table=True):
    """A process that sends, and its last sign of life by the database's clock."""

    __tablename__ = "holder"
    id: str = Field(sa_column=Column(Text, primary_key=True))
    host: str = _text()
    pid: int = 0
    started_at: datetime = _instant()
    seen_at: datetime = _instant()


class Relay(SQLModel, table=True):
    """How a relay stands, for all processes: its breaker, a rest that staff ordered, and what it said today."""

    __tablename__ = "relay"
    name: str = Field(sa_column=Column(Text, primary_key=True))
    state: str = _text("closed")
    """A `core.breaker.State`."""
    rests: int = 0
    until: datetime | None = _instant(null=True)
    because: str = _text()
    silent: bool = False
    since: datetime | None = _instant(null=True)
    """When `state` became what it is."""
    kept_until: datetime | None = _instant(null=True)
    """Staff let it rest until then."""
    kept_because: str | None = None
    kept_by: str | None = None
    day: int = 0
    """The calendar day in UTC (proleptic ordinal) that the four figures are of."""
    sent: int = 0
    deferred: int = 0
    failed: int = 0
    uncertain: int = 0
    said_at: datetime | None = _instant(null=True)
    """When it last said anything about a mail: `said_code` and `said`."""
    said_code: int | None = None
    said: str | None = None


class RelayState(SQLModel, table=True):
    """What was learnt about a relay and a receiving operator; survives a restart."""

    __tablename__ = "relay_state"
    relay: str = Field(sa_column=Column(Text, primary_key=True))
    operator: str = Field(sa_column=Column(Text, primary_key=True))
    paused_until: datetime | None = _instant(null=True)
    because: str | None = None
    tokens: float = 0.0
    tokens_at: datetime | None = _instant(null=True)
    detail: dict[str, Any] = _json()


class Pace(SQLModel, table=True):
    """
    One relay and one receiving operator: what may still go, and what the operator taught us. Survives a restart.

    Dispatch writes the bucket and the flow, whoever heard an operator complain the rest: neither waits for the other.
    """

    __tablename__ = "pace"
    relay: str = Field(sa_column=Column(Text, primary_key=True))
    operator: str = Field(sa_column=Column(Text, primary_key=True))
    tokens: float | None = None
    """What the bucket held at `tokens_at`."""
    tokens_at: datetime | None = _instant(null=True)
    booked_until: datetime | None = _instant(null=True)
    """The last turn that was given to one that had to wait."""
    flow_at: datetime | None = _instant(null=True)
    """The minute that `flow` counts."""
    flow: int = 0
    """Given out in that minute."""
    flow_before: int = 0
    """Given out in the minute before."""
    rate: float | None = None
    """Learnt: deliveries a second from `rests_until` on; null where nothing was learnt."""
    ceiling: float | None = None
    rests_until: datetime | None = _instant(null=True)
    strikes: int = 0
    because: str | None = None


class Ramp(SQLModel, table=True):
    """The warm-up of one From domain at one receiving operator, as of one day. Days are proleptic ordinals, in UTC."""

    __tablename__ = "ramp"
    domain: str = Field(sa_column=Column(Text, primary_key=True))
    operator: str = Field(sa_column=Column(Text, primary_key=True))
    started: int = 0
    on_day: int = 0
    last_on: int = 0
    day: int = 1
    cap: int | None = None
    """Null: warm."""
    used: int = 0
    sent: int = 0
    hard: int = 0
    deferred: int = 0
    complained: int = 0
    because: str = _text()


class MailDomain(SQLModel, table=True):
    """Who receives mail for a domain, as its MX records say. Only domains that the static table does not know."""

    __tablename__ = "mail_domain"
    __table_args__ = (Index("ix_mail_domain_wanted", "wanted", "good_until"),)
    domain: str = Field(sa_column=Column(Text, primary_key=True))
    operator: str | None = None
    """Null: never answered yet."""
    good_until: datetime = _instant()
    """Until then nobody asks again."""
    wanted: bool = False
    """Mail for it was due after `good_until`: the name servers are to be asked."""


class CampaignBreaker(SQLModel, table=True):
    """How a campaign's mails were answered since it began or was resumed: the block that fills, and the one before."""

    __tablename__ = "campaign_breaker"
    campaign_id: str = Field(sa_column=Column(Text, primary_key=True))
    since: datetime = _instant()
    tried: int = 0
    hard: int = 0
    tried_before: int = 0
    hard_before: int = 0


class Problem(SQLModel, table=True):
    """Something staff should see in `status`: a failing template, a paused campaign, a spool that could not be read."""

    __tablename__ = "problem"
    id: int | None = _id()
    kind: str = _text()
    ref: str = _text()
    message: str = _text()
    count: int = 1
    first_at: datetime = _instant()
    last_at: datetime = _instant()
    cleared_at: datetime | None = _instant(null=True)


TABLES = {table.name: table for table in METADATA.sorted_tables}
"""Name -> table, for Core statements."""
