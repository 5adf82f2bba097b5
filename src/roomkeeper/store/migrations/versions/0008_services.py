"""Know which services run on this store, and which text of the configuration each runs."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0008", "0007"


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "services",
        sa.Column("name", sa.Text, primary_key=True),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("role", "text", "trouble")),
        *(sa.Column(name, sa.Double, nullable=False) for name in ("loaded_at", "seen_at", "ordered_at", "settled_at")),
    )
