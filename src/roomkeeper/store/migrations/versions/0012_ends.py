"""Find the runs that ended long ago without looking at those that did not."""

from alembic import op

revision, down_revision = "0012", "0011"


def upgrade() -> None:
    """Add the index."""
    op.create_index("runs_by_end", "runs", ["state", "ended_at"])
