"""Which journals agreed with all that was made of them, so that they are not replayed until something changes"""

import sqlalchemy as sa
from alembic import op

from persistence.utc import UtcDateTime

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "seal",
        sa.Column("episode_id", sa.String(), nullable=False),
        sa.Column("digest", sa.String(), nullable=False),
        sa.Column("agreed_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("episode_id"),
    )


def downgrade() -> None:
    op.drop_table("seal")
