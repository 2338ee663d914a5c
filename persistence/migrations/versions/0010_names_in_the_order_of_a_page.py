"""An index of names that tells all that a search asks of a patient, in the order of its page"""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.drop_index(op.f("ix_patient_name_key"), table_name="patient")
    op.create_index("ix_patient_name", "patient", ["name_key", "id", "merged_into"])


def downgrade() -> None:
    op.drop_index("ix_patient_name", table_name="patient")
    op.create_index(op.f("ix_patient_name_key"), "patient", ["name_key"])
