"""
Everything the first version keeps.

The tables are written out instead of being made from `store.tables`, so that this step stays what it was.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = sa.BigInteger().with_variant(sa.DateTime(timezone=True), "postgresql")
JSON = sa.JSON().with_variant(JSONB(), "postgresql")


def where(condition: str) -> dict[str, Any]:
    """The rows of a partial index, said to both databases."""
    return {"sqlite_where": sa.text(condition), "postgresql_where": sa.text(condition)}


def upgrade() -> None:
    """Create all tables and indexes."""
    op.create_table(
        "person",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("mailbox", sa.Text(), server_default="", nullable=False),
        sa.Column("address_hash", sa.LargeBinary(), nullable=False),
        sa.Column("operator", sa.Text(), server_default="other", nullable=False),
        sa.Column("given_name", sa.String(), nullable=True),
        sa.Column("family_name", sa.String(), nullable=True),
        sa.Column("state", sa.String(), nullable=True),
        sa.Column("county", sa.String(), nullable=True),
        sa.Column("zip", sa.String(), nullable=True),
        sa.Column("lang", sa.String(), nullable=True),
        sa.Column("birth_year", sa.Integer(), nullable=True),
        sa.Column("runs_before", sa.Integer(), nullable=True),
        sa.Column("endorsement", sa.String(), nullable=True),
        sa.Column("endorsable", sa.Boolean(), nullable=True),
        sa.Column("source", sa.String(), nullable=True),
        sa.Column("zone", sa.Text(), server_default="America/New_York", nullable=False),
        sa.Column("signed_up_at", INSTANT, nullable=True),
        sa.Column("stage", sa.Text(), server_default="prospect", nullable=False),
        sa.Column("stage_at", INSTANT, nullable=True),
        sa.Column("custom", JSON, nullable=False),
        sa.Column("stopped_at", INSTANT, nullable=True),
        sa.Column("stopped_because", sa.String(), nullable=True),
        sa.Column("paused_until", INSTANT, nullable=True),
        sa.Column("provenance", JSON, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("address"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_person_address_hash", "person", ["address_hash"])
    op.create_index("ix_person_stage", "person", ["stage"])
    op.create_table(
        "person_tag",
        sa.Column("person_id", BIG, autoincrement=False, nullable=False),
        sa.Column("tag", sa.Text(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("person_id", "tag"),
    )
    op.create_table(
        "person_role",
        sa.Column("person_id", BIG, autoincrement=False, nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("person_id", "role"),
    )
    op.create_table(
        "identifier",
        sa.Column("system", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("person_id", BIG, autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("system", "external_id"),
    )
    op.create_index("ix_identifier_person_id", "identifier", ["person_id"])
    op.create_table(
        "signup",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("person_id", BIG, autoincrement=False, nullable=False),
        sa.Column("entity_id", sa.Text(), server_default="", nullable=False),
        sa.Column("source", sa.Text(), server_default="", nullable=False),
        sa.Column("key", sa.Text(), server_default="", nullable=False),
        sa.Column("consent_text", sa.String(), nullable=True),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("received_at", INSTANT, nullable=False),
        sa.Column("import_id", BIG, autoincrement=False, nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("source", "key", name="uq_signup_source_key"),
    )
    op.create_index("ix_signup_person", "signup", ["person_id", "at"])
    op.create_table(
        "signup_import",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("file", sa.Text(), server_default="", nullable=False),
        sa.Column("source", sa.Text(), server_default="", nullable=False),
        sa.Column("entity_id", sa.Text(), server_default="", nullable=False),
        sa.Column("started_at", INSTANT, nullable=False),
        sa.Column("finished_at", INSTANT, nullable=True),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("created", sa.Integer(), nullable=False),
        sa.Column("merged", sa.Integer(), nullable=False),
        sa.Column("unchanged", sa.Integer(), nullable=False),
        sa.Column("rejected", sa.Integer(), nullable=False),
        sa.Column("rejected_file", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "consent",
        sa.Column("person_id", BIG, autoincrement=False, nullable=False),
        sa.Column("entity_id", sa.Text(), nullable=False),
        sa.Column("basis", sa.Text(), server_default="opt_in", nullable=False),
        sa.Column("text", sa.Text(), server_default="", nullable=False),
        sa.Column("source", sa.Text(), server_default="", nullable=False),
        sa.Column("granted_at", INSTANT, nullable=False),
        sa.Column("withdrawn_at", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("person_id", "entity_id"),
    )
    op.create_table(
        "topic_left",
        sa.Column("person_id", BIG, autoincrement=False, nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("person_id", "topic"),
    )
    op.create_table(
        "suppression",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("address_hash", sa.LargeBinary(), nullable=False),
        sa.Column("scope", sa.Text(), server_default="all", nullable=False),
        sa.Column("scope_id", sa.Text(), server_default="", nullable=False),
        sa.Column("except_topics", sa.Text(), server_default="", nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("source", sa.Text(), server_default="", nullable=False),
        sa.Column("note", sa.String(), nullable=True),
        sa.Column("delivery_id", BIG, autoincrement=False, nullable=True),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("lifted_at", INSTANT, nullable=True),
        sa.Column("lifted_because", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_suppression_hash", "suppression", ["address_hash"])
    op.create_index(
        "uq_suppression_live",
        "suppression",
        ["address_hash", "scope", "scope_id", "reason"],
        unique=True,
        **where("lifted_at IS NULL"),
    )
    op.create_table(
        "touched",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("person_id", BIG, autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_touched_person", "touched", ["person_id"])
    op.create_table(
        "filing_window",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("jurisdiction", sa.Text(), server_default="", nullable=False),
        sa.Column("state", sa.Text(), server_default="", nullable=False),
        sa.Column("division", sa.String(), nullable=True),
        sa.Column("office_level", sa.Text(), server_default="", nullable=False),
        sa.Column("office", sa.Text(), server_default="", nullable=False),
        sa.Column("election_on", sa.Text(), server_default="", nullable=False),
        sa.Column("party_path", sa.String(), nullable=True),
        sa.Column("incumbency", sa.String(), nullable=True),
        sa.Column("opens_on", sa.String(), nullable=True),
        sa.Column("opens_time", sa.String(), nullable=True),
        sa.Column("closes_on", sa.Text(), server_default="", nullable=False),
        sa.Column("closes_time", sa.String(), nullable=True),
        sa.Column("zone", sa.Text(), server_default="", nullable=False),
        sa.Column("status", sa.Text(), server_default="confirmed", nullable=False),
        sa.Column("confidence", sa.Text(), server_default="unknown", nullable=False),
        sa.Column("source", sa.Text(), server_default="", nullable=False),
        sa.Column("as_of", sa.String(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "milestone",
        sa.Column("window_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("on", sa.Text(), server_default="", nullable=False),
        sa.Column("time", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("window_id", "name"),
    )
    op.create_table(
        "interest",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("person_id", BIG, autoincrement=False, nullable=False),
        sa.Column("office_level", sa.Text(), server_default="", nullable=False),
        sa.Column("state", sa.Text(), server_default="", nullable=False),
        sa.Column("division", sa.Text(), server_default="", nullable=False),
        sa.Column("election_year", sa.Integer(), nullable=True),
        sa.Column("at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_interest_person_id", "interest", ["person_id"])
    op.create_table(
        "candidacy",
        sa.Column("person_id", BIG, autoincrement=False, nullable=False),
        sa.Column("window_id", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), server_default="planned", nullable=False),
        sa.Column("evidence", sa.String(), nullable=True),
        sa.Column("at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("person_id", "window_id"),
    )
    op.create_table(
        "occurrence",
        sa.Column("calendar", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("on", sa.Text(), server_default="", nullable=False),
        sa.Column("time", sa.String(), nullable=True),
        sa.Column("zone", sa.Text(), server_default="", nullable=False),
        sa.Column("starts_at", INSTANT, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("calendar", "key"),
    )
    op.create_table(
        "release",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("digest", sa.Text(), server_default="", nullable=False),
        sa.Column("applied_at", INSTANT, nullable=False),
        sa.Column("applied_by", sa.Text(), server_default="", nullable=False),
        sa.Column("content", JSON, nullable=False),
        sa.Column("revisions", JSON, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "revision",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("campaign_id", sa.Text(), server_default="", nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("digest", sa.Text(), server_default="", nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("definition", JSON, nullable=False),
        sa.Column("mails", JSON, nullable=False),
        sa.Column("context", JSON, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("campaign_id", "digest", name="uq_revision_digest"),
    )
    op.create_table(
        "campaign",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("revision_id", BIG, autoincrement=False, nullable=False),
        sa.Column("state", sa.Text(), server_default="running", nullable=False),
        sa.Column("state_at", INSTANT, nullable=False),
        sa.Column("state_by", sa.Text(), server_default="", nullable=False),
        sa.Column("state_because", sa.String(), nullable=True),
        sa.Column("first_applied_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "sweep",
        sa.Column("campaign_id", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("after_person_id", BIG, nullable=False),
        sa.Column("entered", sa.Integer(), nullable=False),
        sa.Column("day", sa.Text(), server_default="", nullable=False),
        sa.Column("entered_today", sa.Integer(), nullable=False),
        sa.Column("started_at", INSTANT, nullable=False),
        sa.Column("done_at", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("campaign_id", "key"),
    )
    op.create_table(
        "enrollment",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("campaign_id", sa.Text(), server_default="", nullable=False),
        sa.Column("person_id", BIG, autoincrement=False, nullable=False),
        sa.Column("occasion", sa.Text(), server_default="", nullable=False),
        sa.Column("state", sa.Text(), server_default="active", nullable=False),
        sa.Column("revision_id", BIG, autoincrement=False, nullable=False),
        sa.Column("entered_at", INSTANT, nullable=False),
        sa.Column("window_id", sa.String(), nullable=True),
        sa.Column("window_version", sa.Integer(), nullable=True),
        sa.Column("occurrence_key", sa.String(), nullable=True),
        sa.Column("anchors", JSON, nullable=False),
        sa.Column("step_key", sa.Text(), server_default="", nullable=False),
        sa.Column("due_at", INSTANT, nullable=True),
        sa.Column("planned", sa.Boolean(), nullable=False),
        sa.Column("previous_at", INSTANT, nullable=True),
        sa.Column("waiting_on", BIG, autoincrement=False, nullable=True),
        sa.Column("waiting_since", INSTANT, nullable=True),
        sa.Column("ended_at", INSTANT, nullable=True),
        sa.Column("ended_because", sa.String(), nullable=True),
        sa.Column("ended_detail", JSON, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("campaign_id", "person_id", "occasion", name="uq_enrollment_occasion"),
    )
    op.create_index("ix_enrollment_campaign_state", "enrollment", ["campaign_id", "state", "step_key"])
    op.create_index("ix_enrollment_due", "enrollment", ["due_at"], **where("state = 'active' AND due_at IS NOT NULL"))
    op.create_index("ix_enrollment_person", "enrollment", ["person_id"])
    op.create_table(
        "step_done",
        sa.Column("enrollment_id", BIG, autoincrement=False, nullable=False),
        sa.Column("step_key", sa.Text(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("planned_at", INSTANT, nullable=True),
        sa.Column("outcome", sa.Text(), server_default="done", nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("detail", JSON, nullable=False),
        sa.PrimaryKeyConstraint("enrollment_id", "step_key"),
    )
    op.create_table(
        "delivery",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("enrollment_id", BIG, autoincrement=False, nullable=False),
        sa.Column("campaign_id", sa.Text(), server_default="", nullable=False),
        sa.Column("person_id", BIG, autoincrement=False, nullable=False),
        sa.Column("step_key", sa.Text(), server_default="", nullable=False),
        sa.Column("revision_id", BIG, autoincrement=False, nullable=False),
        sa.Column("entity_id", sa.Text(), server_default="", nullable=False),
        sa.Column("topic", sa.Text(), server_default="", nullable=False),
        sa.Column("variant", sa.Text(), server_default="", nullable=False),
        sa.Column("deadline", sa.Boolean(), nullable=False),
        sa.Column("cap", sa.Text(), server_default="count", nullable=False),
        sa.Column("any_hour", sa.Boolean(), nullable=False),
        sa.Column("operator", sa.Text(), server_default="other", nullable=False),
        sa.Column("window_id", sa.String(), nullable=True),
        sa.Column("window_version", sa.Integer(), nullable=True),
        sa.Column("state", sa.Text(), server_default="queued", nullable=False),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column("detail", JSON, nullable=True),
        sa.Column("queued_at", INSTANT, nullable=False),
        sa.Column("due_at", INSTANT, nullable=False),
        sa.Column("not_before", INSTANT, nullable=True),
        sa.Column("next_at", INSTANT, nullable=False),
        sa.Column("not_after", INSTANT, nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("first_attempt_at", INSTANT, nullable=True),
        sa.Column("rescues", sa.Integer(), nullable=False),
        sa.Column("resends", sa.Integer(), nullable=False),
        sa.Column("batch_id", BIG, autoincrement=False, nullable=True),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("sending_at", INSTANT, nullable=True),
        sa.Column("settled_at", INSTANT, nullable=True),
        sa.Column("local_day", sa.Integer(), nullable=True),
        sa.Column("message_id", sa.String(), nullable=True),
        sa.Column("relay", sa.String(), nullable=True),
        sa.Column("code", sa.Integer(), nullable=True),
        sa.Column("reply", sa.String(), nullable=True),
        sa.Column("made", JSON, nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_delivery_batch", "delivery", ["batch_id"], **where("state IN ('claimed', 'sending')"))
    op.create_index("ix_delivery_campaign", "delivery", ["campaign_id", "step_key", "state", "id"])
    op.create_index("ix_delivery_enrollment", "delivery", ["enrollment_id"])
    op.create_index("ix_delivery_failed", "delivery", ["settled_at"], **where("state = 'failed'"))
    op.create_index("ix_delivery_next", "delivery", ["campaign_id", "deadline", "next_at"], **where("state = 'queued'"))
    op.create_index("ix_delivery_person_settled", "delivery", ["person_id", "settled_at"])
    op.create_index("ix_delivery_queued_person", "delivery", ["person_id"], **where("state = 'queued'"))
    op.create_index("ix_delivery_settled", "delivery", ["settled_at"])
    op.create_index("ix_delivery_uncertain", "delivery", ["settled_at"], **where("state = 'uncertain'"))
    op.create_index(
        "uq_delivery_in_flight", "delivery", ["person_id"], unique=True, **where("state IN ('claimed', 'sending')")
    )
    op.create_table(
        "batch",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), server_default="live", nullable=False),
        sa.Column("relay", sa.Text(), server_default="", nullable=False),
        sa.Column("operator", sa.Text(), server_default="", nullable=False),
        sa.Column("holder", sa.String(), nullable=True),
        sa.Column("lease_until", INSTANT, nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "kept_message",
        sa.Column("delivery_id", BIG, autoincrement=False, nullable=False),
        sa.Column("message", sa.LargeBinary(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("delivery_id"),
    )
    op.create_table(
        "delivery_stub",
        sa.Column("delivery_id", BIG, autoincrement=False, nullable=False),
        sa.Column("person_id", BIG, autoincrement=False, nullable=True),
        sa.Column("entity_id", sa.Text(), server_default="", nullable=False),
        sa.Column("topic", sa.Text(), server_default="", nullable=False),
        sa.Column("campaign_id", sa.Text(), server_default="", nullable=False),
        sa.Column("address_hash", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("delivery_id"),
    )
    op.create_table(
        "event",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("person_id", BIG, autoincrement=False, nullable=True),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("ref", sa.Text(), server_default="", nullable=False),
        sa.Column("value", sa.Text(), server_default="", nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("received_at", INSTANT, nullable=False),
        sa.Column("campaign_id", sa.String(), nullable=True),
        sa.Column("enrollment_id", BIG, autoincrement=False, nullable=True),
        sa.Column("delivery_id", BIG, autoincrement=False, nullable=True),
        sa.Column("window_id", sa.String(), nullable=True),
        sa.Column("key", sa.Text(), nullable=True),
        sa.Column("detail", JSON, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("key", name="uq_event_key"),
    )
    op.create_index("ix_event_delivery", "event", ["delivery_id"])
    op.create_index("ix_event_name", "event", ["name", "at"])
    op.create_index("ix_event_person", "event", ["person_id", "name", "at"])
    op.create_table(
        "task",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("key", sa.Text(), server_default="", nullable=False),
        sa.Column("person_id", BIG, autoincrement=False, nullable=False),
        sa.Column("campaign_id", sa.String(), nullable=True),
        sa.Column("enrollment_id", BIG, autoincrement=False, nullable=True),
        sa.Column("title", sa.Text(), server_default="", nullable=False),
        sa.Column("for", sa.Text(), server_default="", nullable=False),
        sa.Column("due_at", INSTANT, nullable=True),
        sa.Column("state", sa.Text(), server_default="open", nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("closed_at", INSTANT, nullable=True),
        sa.Column("closed_by", sa.String(), nullable=True),
        sa.Column("note", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("key", name="uq_task_key"),
    )
    op.create_index("ix_task_person_id", "task", ["person_id"])
    op.create_index("ix_task_state", "task", ["state", "due_at"])
    op.create_table(
        "tick",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("civil_at", INSTANT, nullable=True),
        sa.Column("machine_at", INSTANT, nullable=True),
        sa.Column("note", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "holder",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("host", sa.Text(), server_default="", nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("started_at", INSTANT, nullable=False),
        sa.Column("seen_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table(
        "relay_state",
        sa.Column("relay", sa.Text(), nullable=False),
        sa.Column("operator", sa.Text(), nullable=False),
        sa.Column("paused_until", INSTANT, nullable=True),
        sa.Column("because", sa.String(), nullable=True),
        sa.Column("tokens", sa.Float(), nullable=False),
        sa.Column("tokens_at", INSTANT, nullable=True),
        sa.Column("detail", JSON, nullable=False),
        sa.PrimaryKeyConstraint("relay", "operator"),
    )
    op.create_table(
        "problem",
        sa.Column("id", BIG, autoincrement=True, nullable=False),
        sa.Column("kind", sa.Text(), server_default="", nullable=False),
        sa.Column("ref", sa.Text(), server_default="", nullable=False),
        sa.Column("message", sa.Text(), server_default="", nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("first_at", INSTANT, nullable=False),
        sa.Column("last_at", INSTANT, nullable=False),
        sa.Column("cleared_at", INSTANT, nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
