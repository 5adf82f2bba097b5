"""Remember where something was moved before its event was decided upon."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0011", "0010"


def upgrade() -> None:
    """Add the column."""
    op.add_column("events", sa.Column("moved_to", sa.Text, nullable=False, server_default=""))
