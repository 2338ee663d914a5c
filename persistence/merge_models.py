"""The tables of records that were merged: two records of one person, and which episodes went where."""

from datetime import datetime

from sqlalchemy import Index, text
from sqlmodel import Field, SQLModel

from persistence.columns import instant, long_text

STANDS = "undone_at IS NULL"


class RecordMerge(SQLModel, table=True):
    """The record under one number went on in another, until a person takes that back.

    `rested`: the episodes that were put to rest because another of the same fracture goes on, as JSON.
    """

    __tablename__ = "record_merge"
    __table_args__ = (
        # A record goes on in one other at a time.
        Index(
            "ux_record_merge_retired",
            "retired",
            unique=True,
            sqlite_where=text(STANDS),
            postgresql_where=text(STANDS),
        ),
        Index("ix_record_merge_surviving", "surviving"),
    )
    id: int | None = Field(default=None, primary_key=True)
    retired: str = Field(foreign_key="patient.id")
    surviving: str = Field(foreign_key="patient.id")
    merged_at: datetime = Field(sa_column=instant())
    merged_by: str
    because: str = Field(sa_column=long_text())
    rested: str = Field(sa_column=long_text())
    undone_at: datetime | None = Field(default=None, sa_column=instant(null=True))
    undone_by: str = ""
    undone_because: str = Field(default="", sa_column=long_text())


class MovedEpisode(SQLModel, table=True):
    """An episode that a merge moved: whose it was and its number there, and its number in the surviving record."""

    __tablename__ = "moved_episode"
    merge_id: int = Field(primary_key=True, foreign_key="record_merge.id")
    episode_id: str = Field(primary_key=True, foreign_key="episode.id", index=True)
    was_patient: str
    was_n: int
    n: int
