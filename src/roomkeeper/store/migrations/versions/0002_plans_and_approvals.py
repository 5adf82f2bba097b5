"""Plans that steps record, and approvals that they ask for."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the columns."""
    for column in (
        sa.Column("plan", sa.Text()),
        sa.Column("ask_until", sa.Double()),
        sa.Column("approved_at", sa.Double()),
        sa.Column("approved_by", sa.Text()),
    ):
        op.add_column("steps", column)
