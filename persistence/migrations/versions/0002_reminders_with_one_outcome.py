"""Reminders with one outcome each: windows, cover, consent, receipts, breakers, calendars"""

import sqlalchemy as sa
from alembic import op

from persistence.utc import UtcDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

DUE = sa.text("next_wake_at IS NOT NULL")


def upgrade() -> None:
    _approval()
    _breaker()
    _calendar_entry()
    _consent()
    _cover()
    _contact()
    _columns()
    _index_of_the_sweep()


def _index_of_the_sweep() -> None:
    """Only what has a next moment is in it, on PostgreSQL as on SQLite."""
    op.drop_index("ix_episode_due", table_name="episode")
    op.create_index("ix_episode_due", "episode", ["next_wake_at", "id"], sqlite_where=DUE, postgresql_where=DUE)


def _approval() -> None:
    op.create_table(
        "approval",
        sa.Column("template", sa.String(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("version", sa.String(), nullable=False),
        sa.Column("approved_by", sa.String(), nullable=False),
        sa.Column("approved_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("template", "fingerprint"),
    )


def _breaker() -> None:
    op.create_table(
        "breaker",
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("since", UtcDateTime(), nullable=False),
        sa.Column("open_until", UtcDateTime(), nullable=False),
        sa.Column("because", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("channel"),
    )


def _calendar_entry() -> None:
    op.create_table(
        "calendar_entry",
        sa.Column("uid", sa.String(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("changed_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("uid"),
    )


def _consent() -> None:
    op.create_table(
        "consent",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("patient_id", sa.String(), nullable=False),
        sa.Column("channel", sa.String(), nullable=False),
        sa.Column("address", sa.String(), nullable=False),
        sa.Column("given_on", sa.Date(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("noted_at", UtcDateTime(), nullable=False),
        sa.Column("noted_by", sa.String(), nullable=False),
        sa.Column("withdrawn_on", sa.Date(), nullable=True),
        sa.Column("withdrawn_source", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["patient_id"],
            ["patient.id"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_consent_patient_id"), "consent", ["patient_id"], unique=False)


def _cover() -> None:
    op.create_table(
        "cover",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("absent", sa.String(), nullable=False),
        sa.Column("stand_in", sa.String(), nullable=False),
        sa.Column("first_day", sa.Date(), nullable=False),
        sa.Column("last_day", sa.Date(), nullable=False),
        sa.Column("noted_at", UtcDateTime(), nullable=False),
        sa.Column("noted_by", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["absent"],
            ["user.email"],
        ),
        sa.ForeignKeyConstraint(
            ["stand_in"],
            ["user.email"],
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_cover_absent"), "cover", ["absent"], unique=False)


def _contact() -> None:
    op.create_table(
        "contact",
        sa.Column("episode_id", sa.String(), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("patient_id", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("happened_at", UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["episode_id"],
            ["episode.id"],
        ),
        sa.PrimaryKeyConstraint("episode_id", "seq"),
    )
    op.create_index(op.f("ix_contact_happened_at"), "contact", ["happened_at"], unique=False)
    op.create_index(op.f("ix_contact_patient_id"), "contact", ["patient_id"], unique=False)


def _columns() -> None:
    op.add_column("delivery", sa.Column("message_id", sa.String(), nullable=True))
    op.create_index(op.f("ix_delivery_message_id"), "delivery", ["message_id"], unique=False)
    op.add_column("reminder", sa.Column("channel", sa.String(), nullable=True))
    op.add_column("reminder", sa.Column("due_at", UtcDateTime(), nullable=True))
    op.create_index(op.f("ix_reminder_due_at"), "reminder", ["due_at"], unique=False)
    op.add_column("user", sa.Column("phone", sa.String(), nullable=True))


def downgrade() -> None:
    op.drop_column("user", "phone")
    op.drop_index(op.f("ix_reminder_due_at"), table_name="reminder")
    op.drop_column("reminder", "due_at")
    op.drop_column("reminder", "channel")
    op.drop_index(op.f("ix_delivery_message_id"), table_name="delivery")
    op.drop_column("delivery", "message_id")
    op.drop_index(op.f("ix_contact_patient_id"), table_name="contact")
    op.drop_index(op.f("ix_contact_happened_at"), table_name="contact")
    op.drop_table("contact")
    op.drop_index(op.f("ix_cover_absent"), table_name="cover")
    op.drop_table("cover")
    op.drop_index(op.f("ix_consent_patient_id"), table_name="consent")
    op.drop_table("consent")
    op.drop_table("calendar_entry")
    op.drop_table("breaker")
    op.drop_table("approval")
