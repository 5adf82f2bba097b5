"""Find at once what was told of a subject, what was refused, and what could not be used."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0006", "0005"


def upgrade() -> None:
    """Add the indexes."""
    op.create_index("events_by_lane", "events", ["connection", "lane", "id"])
    for status in ("refused", "unusable"):
        these = sa.text(f"status = '{status}'")
        op.create_index(f"events_{status}", "events", ["id"], sqlite_where=these, postgresql_where=these)
