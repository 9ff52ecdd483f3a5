"""Who receives mail for a domain, as its MX records say."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

INSTANT = sa.BigInteger().with_variant(sa.DateTime(timezone=True), "postgresql")


def upgrade() -> None:
    """Create the table `mail_domain`."""
    op.create_table(
        "mail_domain",
        sa.Column("domain", sa.Text(), nullable=False),
        sa.Column("operator", sa.String(), nullable=True),
        sa.Column("good_until", INSTANT, nullable=False),
        sa.Column("wanted", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("domain"),
    )
    op.create_index("ix_mail_domain_wanted", "mail_domain", ["wanted", "good_until"])
