"""Figures of a large house that are kept for some minutes, and indexes for its lists of messages and its census"""

import sqlalchemy as sa
from alembic import op

from persistence.utc import UtcDateTime

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

ENDED = sa.text("settled_at IS NOT NULL")
IN_A_STATE = ["state", "sub", "since", "owner", "id"]


def upgrade() -> None:
    op.create_table(
        "reckoning",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("as_of", UtcDateTime(), nullable=False),
        sa.Column("begun_at", UtcDateTime(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    # Every message with an outcome says when it got it, also those of versions that did not note it.
    op.execute("UPDATE reminder SET settled_at = fired_at WHERE outcome <> 'waiting' AND settled_at IS NULL")
    settled = ["outcome", "settled_at", "key"]
    op.create_index("ix_reminder_settled", "reminder", settled, sqlite_where=ENDED, postgresql_where=ENDED)
    op.drop_index("ix_episode_state", table_name="episode")
    op.create_index("ix_episode_state", "episode", [*IN_A_STATE, "held"])


def downgrade() -> None:
    op.drop_index("ix_episode_state", table_name="episode")
    op.create_index("ix_episode_state", "episode", IN_A_STATE)
    op.drop_index("ix_reminder_settled", table_name="reminder")
    op.drop_table("reckoning")
