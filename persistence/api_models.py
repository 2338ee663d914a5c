"""The tables of programs that call: their tokens, writes they may repeat, and addresses that are called back."""

from datetime import datetime

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from persistence.columns import instant, long_text


class Token(SQLModel, table=True):
    """What a program shows to act for a colleague. Only the hash of its secret is kept; `prefix` is how people know it.

    `scopes`: what it was made for, with spaces between; it never allows more than the role of `email` does.
    """

    __tablename__ = "token"
    id: str = Field(primary_key=True)
    email: str = Field(foreign_key="user.email", index=True)
    name: str
    secret_hash: str = Field(unique=True)
    prefix: str
    scopes: str
    created_at: datetime = Field(sa_column=instant())
    created_by: str
    expires_at: datetime = Field(sa_column=instant())
    last_used_at: datetime | None = Field(default=None, sa_column=instant(null=True))
    revoked_at: datetime | None = Field(default=None, sa_column=instant(null=True))
    revoked_by: str = ""


class IdempotentWrite(SQLModel, table=True):
    """A write that happened, under the key of its caller, with what was answered: asked again, that is the answer.

    `fingerprint` is of the request, so that a key cannot be used for another one.
    """

    __tablename__ = "idempotent_write"
    token_id: str = Field(primary_key=True, foreign_key="token.id")
    key: str = Field(primary_key=True)
    fingerprint: str
    status: int
    headers: str = Field(sa_column=long_text())
    answer: str = Field(sa_column=long_text())
    at: datetime = Field(sa_column=instant(index=True))


class WebhookEndpoint(SQLModel, table=True):
    """An address that is called when something happens. The secret signs, so it is kept as it is.

    `failures` in a row, and from `try_at` on it may be called again.
    """

    __tablename__ = "webhook"
    id: str = Field(primary_key=True)
    url: str
    secret: str
    events: str
    email: str = Field(foreign_key="user.email")
    created_at: datetime = Field(sa_column=instant())
    stopped_at: datetime | None = Field(default=None, sa_column=instant(null=True))
    stopped_by: str = ""
    failures: int = 0
    try_at: datetime = Field(sa_column=instant())


class WebhookDelivery(SQLModel, table=True):
    """One thing that one address must be told, written with the thing itself: neither is there without the other.

    outcome: waiting; delivered; failed (given up, and people were told); stopped (nobody wants to know any more).
    `detail` holds what is told only where the site says so. `id` is what a receiver knows a repetition by.
    """

    __tablename__ = "webhook_delivery"
    __table_args__ = (Index("ix_webhook_delivery_waiting", "outcome", "webhook_id", "try_at"),)
    id: str = Field(primary_key=True)
    webhook_id: str = Field(foreign_key="webhook.id", index=True)
    event: str
    episode_id: str = Field(foreign_key="episode.id")
    patient_id: str
    seq: int
    number: int
    detail: str = Field(sa_column=long_text())
    happened_at: datetime = Field(sa_column=instant())
    outcome: str = "waiting"
    because: str = ""
    attempts: int = 0
    try_at: datetime = Field(sa_column=instant())
    settled_at: datetime | None = Field(default=None, sa_column=instant(null=True))
