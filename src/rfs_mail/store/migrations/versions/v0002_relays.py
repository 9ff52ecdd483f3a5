"""
How each relay stands: its breaker, a rest that staff ordered, and its figures of the day.

Pauses of relays move from `relay_state` to `relay`. None of them was longer than five minutes, so they are not taken
along: what a relay refuses is learnt again from one mail.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

INSTANT = sa.BigInteger().with_variant(sa.DateTime(timezone=True), "postgresql")


def upgrade() -> None:
    """Create the table; forget the pauses of whole relays."""
    op.create_table(
        "relay",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="closed", nullable=False),
        sa.Column("rests", sa.Integer(), nullable=False),
        sa.Column("until", INSTANT, nullable=True),
        sa.Column("because", sa.Text(), server_default="", nullable=False),
        sa.Column("silent", sa.Boolean(), nullable=False),
        sa.Column("since", INSTANT, nullable=True),
        sa.Column("kept_until", INSTANT, nullable=True),
        sa.Column("kept_because", sa.String(), nullable=True),
        sa.Column("kept_by", sa.String(), nullable=True),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("sent", sa.Integer(), nullable=False),
        sa.Column("deferred", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("uncertain", sa.Integer(), nullable=False),
        sa.Column("said_at", INSTANT, nullable=True),
        sa.Column("said_code", sa.Integer(), nullable=True),
        sa.Column("said", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("name"),
    )
    op.execute("UPDATE relay_state SET paused_until = NULL, because = NULL WHERE operator = ''")
