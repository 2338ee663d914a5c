"""Merged records, until that is taken back; HL7 v2 messages as they came"""

import sqlalchemy as sa
from alembic import op

from persistence.utc import UtcDateTime

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

STANDS = sa.text("undone_at IS NULL")


def upgrade() -> None:
    _merges()
    _messages()


def _merges() -> None:
    op.add_column("patient", sa.Column("merged_into", sa.String(), nullable=True))
    op.create_index("ix_patient_merged_into", "patient", ["merged_into"])
    op.create_table(
        "record_merge",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("retired", sa.String(), nullable=False),
        sa.Column("surviving", sa.String(), nullable=False),
        sa.Column("merged_at", UtcDateTime(), nullable=False),
        sa.Column("merged_by", sa.String(), nullable=False),
        sa.Column("because", sa.Text(), nullable=False),
        sa.Column("rested", sa.Text(), nullable=False),
        sa.Column("undone_at", UtcDateTime(), nullable=True),
        sa.Column("undone_by", sa.String(), nullable=False),
        sa.Column("undone_because", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["retired"], ["patient.id"]),
        sa.ForeignKeyConstraint(["surviving"], ["patient.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_record_merge_surviving", "record_merge", ["surviving"])
    op.create_index(
        "ux_record_merge_retired",
        "record_merge",
        ["retired"],
        unique=True,
        sqlite_where=STANDS,
        postgresql_where=STANDS,
    )
    op.create_table(
        "moved_episode",
        sa.Column("merge_id", sa.Integer(), nullable=False),
        sa.Column("episode_id", sa.String(), nullable=False),
        sa.Column("was_patient", sa.String(), nullable=False),
        sa.Column("was_n", sa.Integer(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["merge_id"], ["record_merge.id"]),
        sa.ForeignKeyConstraint(["episode_id"], ["episode.id"]),
        sa.PrimaryKeyConstraint("merge_id", "episode_id"),
    )
    op.create_index(op.f("ix_moved_episode_episode_id"), "moved_episode", ["episode_id"])


def _messages() -> None:
    op.create_table(
        "hl7_message",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("sender", sa.String(), nullable=False),
        sa.Column("control_id", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("patient_id", sa.String(), nullable=False),
        sa.Column("place", sa.String(), nullable=False),
        sa.Column("received_at", UtcDateTime(), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("because", sa.Text(), nullable=False),
        sa.Column("taken_at", UtcDateTime(), nullable=True),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.Column("last_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ux_hl7_message", "hl7_message", ["sender", "control_id", "digest"], unique=True)
    op.create_index("ix_hl7_message_outcome", "hl7_message", ["outcome", "id"])
    op.create_index(op.f("ix_hl7_message_patient_id"), "hl7_message", ["patient_id"])


def downgrade() -> None:
    op.drop_table("hl7_message")
    op.drop_table("moved_episode")
    op.drop_table("record_merge")
    op.drop_index("ix_patient_merged_into", "patient")
    op.drop_column("patient", "merged_into")
