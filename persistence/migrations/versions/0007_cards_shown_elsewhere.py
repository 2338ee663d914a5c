"""Cards that other systems show, and what people there made of them"""

import sqlalchemy as sa
from alembic import op

from persistence.utc import UtcDateTime

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "card",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("patient_id", sa.String(), nullable=False),
        sa.Column("episode_id", sa.String(), nullable=True),
        sa.Column("rule", sa.String(), nullable=False),
        sa.Column("summary", sa.String(), nullable=False),
        sa.Column("first_shown_at", UtcDateTime(), nullable=False),
        sa.Column("last_shown_at", UtcDateTime(), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["episode_id"], ["episode.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_card_patient_id"), "card", ["patient_id"])
    op.create_index(op.f("ix_card_episode_id"), "card", ["episode_id"])
    op.create_table(
        "card_feedback",
        sa.Column("card_id", sa.String(), nullable=False),
        sa.Column("outcome_at", UtcDateTime(), nullable=False),
        sa.Column("told_by", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=False),
        sa.Column("told_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(["card_id"], ["card.id"]),
        sa.PrimaryKeyConstraint("card_id", "outcome_at", "told_by"),
    )


def downgrade() -> None:
    op.drop_table("card_feedback")
    op.drop_table("card")
