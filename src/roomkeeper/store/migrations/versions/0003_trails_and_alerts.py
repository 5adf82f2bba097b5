"""What is found in trails, how far they were searched, and what is wrong just now."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0003", "0002"


def upgrade() -> None:
    """Add the columns and tables."""
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    for name in ("occurrence", "witness", "found"):
        op.add_column("events", sa.Column(name, sa.Text, nullable=False, server_default=""))
    accepted = sa.text("status = 'accepted' and occurrence <> ''")
    op.create_index(
        "events_by_occurrence",
        "events",
        ["connection", "occurrence", "at"],
        sqlite_where=accepted,
        postgresql_where=accepted,
    )
    searched = sa.text("found <> ''")
    op.create_index(
        "events_found", "events", ["connection", "delivery"], sqlite_where=searched, postgresql_where=searched
    )
    seen = sa.text("witness <> ''")
    op.create_index("events_by_witness", "events", ["connection", "witness"], sqlite_where=seen, postgresql_where=seen)
    op.create_table(
        "trails",
        sa.Column("connection", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("began_at", sa.Double, nullable=False),
        sa.Column("claimed_at", sa.Double, nullable=False),
        sa.Column("searched_at", sa.Double),
        sa.Column("position", sa.Text, nullable=False),
        sa.Column("starts", sa.Text, nullable=False),
        sa.Column("trouble", sa.Text, nullable=False),
    )
    op.create_table(
        "hooks",
        sa.Column("connection", sa.Text, primary_key=True),
        sa.Column("url", sa.Text, nullable=False),
        sa.Column("claimed_at", sa.Double, nullable=False),
        sa.Column("mark", number, nullable=False),
        sa.Column("marked_at", sa.Double, nullable=False),
    )
    op.create_table(
        "proofs",
        sa.Column("automation", sa.Text, primary_key=True),
        sa.Column("day", sa.Text, primary_key=True),
        sa.Column("made_at", sa.Double, nullable=False),
        sa.Column("counts", sa.Text, nullable=False),
        sa.Column("digest", sa.Text, nullable=False),
        sa.Column("complete", sa.Boolean, nullable=False),
    )
    op.create_table(
        "alerts",
        sa.Column("id", number, primary_key=True, autoincrement=True),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("what", sa.Text, nullable=False),
        sa.Column("remedy", sa.Text, nullable=False),
        sa.Column("opened_at", sa.Double, nullable=False),
        sa.Column("closed_at", sa.Double),
        sqlite_autoincrement=True,
    )
    still = sa.text("closed_at is null")
    op.create_index("one_alert", "alerts", ["key"], unique=True, sqlite_where=still, postgresql_where=still)
