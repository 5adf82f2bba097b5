"""Remember which run one undoes, for that must not be forgotten; and find the events that came to nothing."""

import json

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0013", "0012"


def upgrade() -> None:
    """Add the column, filled from the texts of the runs that undo, and the indexes."""
    op.add_column("runs", sa.Column("undoes", sa.BigInteger, nullable=True))
    runs = sa.table("runs", sa.column("id"), sa.column("text"), sa.column("undoes"))
    connection = op.get_bind()
    undoing = sa.select(runs.c.id, runs.c.text).where(runs.c.text.contains('"restore_files"'))
    for row in connection.execute(undoing).all():
        first = (json.loads(row.text).get("steps") or [{}])[0]
        if first.get("do") == "restore_files":
            number = (first.get("with") or {}).get("run")
            connection.execute(sa.update(runs).where(runs.c.id == row.id).values(undoes=number))
    some = sa.text("undoes is not null")
    op.create_index("runs_that_undo", "runs", ["undoes"], sqlite_where=some, postgresql_where=some)
    failed = sa.text("state = 'failed'")
    op.create_index("events_failed", "events", ["received_at"], sqlite_where=failed, postgresql_where=failed)
