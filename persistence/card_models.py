"""The tables of cards: advice that was shown in another system, and what people there made of it."""

from datetime import datetime

from sqlalchemy import Column
from sqlmodel import Field, SQLModel

from persistence.columns import instant, long_text
from persistence.utc import UtcDateTime


class Card(SQLModel, table=True):
    """A card that was shown. `id` is the same for the same matter of the same episode, so a card is one row."""

    __tablename__ = "card"
    id: str = Field(primary_key=True)
    patient_id: str = Field(index=True)
    episode_id: str | None = Field(default=None, foreign_key="episode.id", index=True)
    rule: str
    summary: str
    first_shown_at: datetime = Field(sa_column=instant())
    last_shown_at: datetime = Field(sa_column=instant())
    times: int = 1


class CardFeedback(SQLModel, table=True):
    """What somebody did with a card, as their system tells: rows are only ever added, the same word once."""

    __tablename__ = "card_feedback"
    card_id: str = Field(primary_key=True, foreign_key="card.id")
    outcome_at: datetime = Field(sa_column=Column(UtcDateTime, primary_key=True))
    told_by: str = Field(primary_key=True)
    outcome: str
    reason: str = ""
    comment: str = Field(default="", sa_column=long_text())
    told_at: datetime = Field(sa_column=instant())
