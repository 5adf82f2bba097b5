"""What pages need: how a delivery came, what events and runs are about, who did what, who is logged in."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "0004", "0003"


def upgrade() -> None:
    """Add the columns and tables."""
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    for name in ("head", "trace"):
        op.add_column("events", sa.Column(name, sa.Text, nullable=False, server_default=""))
    op.add_column("steps", sa.Column("inputs", sa.Text))
    op.create_index("events_by_kind", "events", ["connection", "type", "status", "id"])
    repeats = sa.text("duplicate_of is not null")
    op.create_index("events_repeated", "events", ["duplicate_of"], sqlite_where=repeats, postgresql_where=repeats)
    op.drop_index("runs_by_state", "runs")
    op.create_index("runs_by_state", "runs", ["state", "id"])
    op.create_index("runs_by_automation", "runs", ["automation", "state", "id"])
    op.create_table(
        "notices",
        sa.Column("alert_id", number, primary_key=True),
        sa.Column("messenger", sa.Text, primary_key=True),
        sa.Column("opening_told_at", sa.Double),
        sa.Column("closing_told_at", sa.Double),
    )
    op.create_table(
        "messengers",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("claimed_at", sa.Double, nullable=False),
    )
    op.create_table(
        "subjects",
        sa.Column("id", number, primary_key=True, autoincrement=True),
        sa.Column("connection", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("number", sa.Text, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("sought", sa.Text, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("one_subject", "subjects", ["connection", "kind", "number"], unique=True)
    op.create_index("subjects_by_number", "subjects", ["number"])
    for name in ("event", "run"):
        op.create_table(
            f"{name}s_about",
            sa.Column("subject_id", number, primary_key=True),
            sa.Column(f"{name}_id", number, primary_key=True),
        )
        op.create_index(f"about_of_{name}", f"{name}s_about", [f"{name}_id"])
    op.create_table(
        "pauses",
        sa.Column("automation", sa.Text, primary_key=True),
        sa.Column("since", sa.Double, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
    )
    op.create_table(
        "actions",
        sa.Column("id", number, primary_key=True, autoincrement=True),
        sa.Column("at", sa.Double, nullable=False),
        sa.Column("by", sa.Text, nullable=False),
        sa.Column("did", sa.Text, nullable=False),
        sa.Column("run_id", number),
        sa.Column("event_id", number),
        sa.Column("automation", sa.Text),
        sqlite_autoincrement=True,
    )
    op.create_index("actions_by_run", "actions", ["run_id"])
    op.create_table(
        "sessions",
        sa.Column("digest", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("origin", sa.Text, nullable=False),
        sa.Column("began_at", sa.Double, nullable=False),
        sa.Column("ends_at", sa.Double, nullable=False),
    )
