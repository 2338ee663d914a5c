"""The table of HL7 v2 messages: each is stored as it came, before anything is made of it."""

from datetime import datetime

from sqlalchemy import Column, Index, LargeBinary
from sqlmodel import Field, SQLModel

from persistence.columns import instant, long_text


class Hl7Message(SQLModel, table=True):
    """One message. `digest` is of all but its first segment: the same message sent again is this one, counted.

    outcome: stored (not looked at yet); taken (something was recorded, or known already); noted (nothing to record);
    refused (`because` says why); unknown (a kind that is not understood here); unreadable; question (a person must
    say). `sender` is application and facility as the message names them.
    """

    __tablename__ = "hl7_message"
    __table_args__ = (
        Index("ux_hl7_message", "sender", "control_id", "digest", unique=True),
        Index("ix_hl7_message_outcome", "outcome", "id"),
    )
    id: int | None = Field(default=None, primary_key=True)
    sender: str
    control_id: str
    digest: str
    kind: str
    patient_id: str = Field(default="", index=True)
    place: str
    received_at: datetime = Field(sa_column=instant())
    raw: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    outcome: str = "stored"
    because: str = Field(default="", sa_column=long_text())
    taken_at: datetime | None = Field(default=None, sa_column=instant(null=True))
    times: int = 1
    last_at: datetime = Field(sa_column=instant())
