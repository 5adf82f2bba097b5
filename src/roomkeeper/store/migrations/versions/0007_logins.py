"""Count attempts to log in for all processes together."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0007", "0006"


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "logins",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("network", sa.Text, primary_key=True),
        sa.Column("failed", sa.Integer, nullable=False),
        sa.Column("at", sa.Double, nullable=False),
    )
