"""Runs take turns in this store, not in queues of the engine's: what is in those is handed over anew."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0005", "0004"


def upgrade() -> None:
    """Rename the mark of what the engine has, and find the runs of a key at once."""
    op.execute("alter table runs rename column enqueued to handed_over")
    op.execute(
        "update runs set state = 'waiting', handed_over = false, attempt = attempt + 1"
        " where state in ('waiting', 'running') and handed_over"
    )
    open_runs = sa.text("state in ('waiting', 'running')")
    op.create_index(
        "runs_in_turn", "runs", ["automation", "key", "id"], sqlite_where=open_runs, postgresql_where=open_runs
    )
