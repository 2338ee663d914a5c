"""The tables of cards: advice that was shown in another system, and what people there made of it."""

from datetime import datetime

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from persistence.columns import instant, long_text


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
    __table_args__ = (Index("ux_card_feedback", "card_id", "outcome_at", "told_by", unique=True),)
    id: int | None = Field(default=None, primary_key=True)
    card_id: str = Field(foreign_key="card.id")
    outcome_at: datetime = Field(sa_column=instant())
    told_by: str
    outcome: str
    reason: str = ""
    comment: str = Field(default="", sa_column=long_text())
    told_at: datetime = Field(sa_column=instant())
