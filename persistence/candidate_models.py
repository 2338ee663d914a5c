"""The table of candidates: fractures found in an import that wait for a person."""

from datetime import date, datetime

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from persistence.columns import instant, long_text


class Candidate(SQLModel, table=True):
    """A fracture that an import did not enrol by itself, with the reasons, until a person accepts or dismisses it.

    outcome: waiting; accepted (`episode_id` says as which episode); dismissed; withdrawn (the source took it back).
    `patient_id` is the service's own number, of somebody who may not be a patient here, and empty where the source
    did not tell. `refs` are the resources that tell of it; `fingerprint` changes when what they say does.
    """

    __tablename__ = "candidate"
    __table_args__ = (Index("ix_candidate_open", "outcome", "kind", "found_at"),)
    id: str = Field(primary_key=True)
    patient_id: str = Field(index=True)
    surname: str = ""
    given: str = ""
    birth_date: date | None = None
    sex: str | None = None
    kind: str
    level: str | None = None
    onset: date | None = None
    precision: str = "unknown"
    identification: date | None = None
    text: str = Field(sa_column=long_text())
    reasons: str = Field(sa_column=long_text())
    refs: str = Field(sa_column=long_text())
    place: str
    event_id: str
    fingerprint: str
    found_at: datetime = Field(sa_column=instant())
    changed_at: datetime = Field(sa_column=instant())
    outcome: str = "waiting"
    closed_at: datetime | None = Field(default=None, sa_column=instant(null=True))
    closed_by: str = ""
    closed_because: str = ""
    episode_id: str | None = None
