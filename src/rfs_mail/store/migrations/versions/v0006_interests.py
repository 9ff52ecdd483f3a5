"""Which way onto the ballot somebody goes, whether she holds the office already, and the windows of her state."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add two columns to `interest`, and an index of windows."""
    op.add_column("interest", sa.Column("party_path", sa.Text(), nullable=False, server_default=""))
    op.create_index("ix_filing_window_state", "filing_window", ["state", "closes_on"])
    op.add_column("interest", sa.Column("incumbent", sa.Boolean(), nullable=False, server_default=sa.false()))
