"""What is known of receiving operators, of warm-up and of campaigns that go wrong."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

INSTANT = sa.BigInteger().with_variant(sa.DateTime(timezone=True), "postgresql")


def upgrade() -> None:
    """Create the tables `pace`, `ramp` and `campaign_breaker`."""
    op.create_table(
        "pace",
        sa.Column("relay", sa.Text(), nullable=False),
        sa.Column("operator", sa.Text(), nullable=False),
        sa.Column("tokens", sa.Float(), nullable=True),
        sa.Column("tokens_at", INSTANT, nullable=True),
        sa.Column("booked_until", INSTANT, nullable=True),
        sa.Column("flow_at", INSTANT, nullable=True),
        sa.Column("flow", sa.Integer(), nullable=False),
        sa.Column("flow_before", sa.Integer(), nullable=False),
        sa.Column("rate", sa.Float(), nullable=True),
        sa.Column("ceiling", sa.Float(), nullable=True),
        sa.Column("rests_until", INSTANT, nullable=True),
        sa.Column("strikes", sa.Integer(), nullable=False),
        sa.Column("because", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("relay", "operator"),
    )
    op.create_table(
        "ramp",
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("operator", sa.Text(), nullable=False),
        sa.Column("started", sa.Integer(), nullable=False),
        sa.Column("on_day", sa.Integer(), nullable=False),
        sa.Column("last_on", sa.Integer(), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("cap", sa.Integer(), nullable=True),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.Column("sent", sa.Integer(), nullable=False),
        sa.Column("hard", sa.Integer(), nullable=False),
        sa.Column("deferred", sa.Integer(), nullable=False),
        sa.Column("complained", sa.Integer(), nullable=False),
        sa.Column("because", sa.Text(), server_default="", nullable=False),
        sa.PrimaryKeyConstraint("domain", "operator"),
    )
    op.create_table(
        "campaign_breaker",
        sa.Column("campaign_id", sa.Text(), nullable=False),
        sa.Column("since", INSTANT, nullable=False),
        sa.Column("tried", sa.Integer(), nullable=False),
        sa.Column("hard", sa.Integer(), nullable=False),
        sa.Column("tried_before", sa.Integer(), nullable=False),
        sa.Column("hard_before", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("campaign_id"),
    )
