"""Find runs by when they were made or ended, and by whose turn they are, without looking at all that there are."""

from alembic import op

revision, down_revision = "0012", "0011"


def upgrade() -> None:
    """Add the indexes."""
    op.create_index("runs_by_end", "runs", ["state", "ended_at"])
    op.create_index("runs_by_age", "runs", ["made_at"])
    op.create_index("runs_by_key", "runs", ["automation", "key", "state", "id"])
