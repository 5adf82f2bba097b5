"""Remember what each item of a step that goes through a list came to."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0010", "0009"


def upgrade() -> None:
    """Add the table."""
    op.create_table(
        "step_items",
        sa.Column("run_id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("result", sa.Text),
        sa.Column("at", sa.Double, nullable=False),
    )
