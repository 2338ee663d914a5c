"""The table of figures of the whole house that take long to reckon."""

from datetime import datetime

from sqlmodel import Field, SQLModel

from persistence.columns import instant, long_text


class Reckoning(SQLModel, table=True):
    """Figures as they were reckoned last, in a house so large that it took long; of no use any more after some minutes.

    `as_of`: the instant that they are of; `begun_at`: when somebody last set out to reckon them anew, by which two
    processes do not do it both; `seconds`: how long it took; `document`: the figures as JSON.
    """

    __tablename__ = "reckoning"
    name: str = Field(primary_key=True)
    as_of: datetime = Field(sa_column=instant())
    begun_at: datetime = Field(sa_column=instant())
    seconds: float
    document: str = Field(sa_column=long_text())
