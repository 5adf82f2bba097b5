"""Count how often a webhook's secret was set right: the portal may write the former one back once."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0014", "0013"


def upgrade() -> None:
    """Add the column."""
    op.add_column("hooks", sa.Column("marked", sa.Integer, nullable=False, server_default="0"))
