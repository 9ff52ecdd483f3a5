"""Which way onto the ballot somebody goes, and whether she holds the office already."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add two columns to `interest`."""
    op.add_column("interest", sa.Column("party_path", sa.Text(), nullable=False, server_default=""))
    op.add_column("interest", sa.Column("incumbent", sa.Boolean(), nullable=False, server_default=sa.false()))
