"""The tables of accounts: how colleagues sign in, where they are signed in, and what they looked at."""

from datetime import datetime

from sqlalchemy import Index
from sqlmodel import Field, SQLModel

from persistence.columns import instant


class Account(SQLModel, table=True):
    """How a colleague signs in: a password (argon2), or the subject by which the hospital's sign-in knows them."""

    __tablename__ = "account"
    email: str = Field(primary_key=True, foreign_key="user.email")
    password_hash: str | None = None
    subject: str | None = Field(default=None, unique=True)
    must_change: bool = False
    shortcuts: bool = True
    made_at: datetime = Field(sa_column=instant())
    made_by: str


class SignIn(SQLModel, table=True):
    """One signed-in browser. Only the hash of its secret is kept; `ended_because` says why it is over."""

    __tablename__ = "sign_in"
    secret_hash: str = Field(primary_key=True)
    email: str = Field(foreign_key="user.email", index=True)
    began_at: datetime = Field(sa_column=instant())
    seen_at: datetime = Field(sa_column=instant())
    locked: bool = False
    browser: str = ""
    address: str = ""
    ended_at: datetime | None = Field(default=None, sa_column=instant(null=True))
    ended_because: str = ""


class Attempt(SQLModel, table=True):
    """Somebody tried to sign in: what throttling counts and auditors read."""

    __tablename__ = "attempt"
    __table_args__ = (Index("ix_attempt_email", "email", "at"), Index("ix_attempt_address", "address", "at"))
    id: int | None = Field(default=None, primary_key=True)
    email: str
    address: str
    at: datetime = Field(sa_column=instant())
    ok: bool


class AccountChange(SQLModel, table=True):
    """What was done about an account, by whom; rows are only ever added."""

    __tablename__ = "account_change"
    id: int | None = Field(default=None, primary_key=True)
    at: datetime = Field(sa_column=instant(index=True))
    by: str
    email: str = Field(index=True)
    what: str
    was: str = ""
    became: str = ""


class Viewing(SQLModel, table=True):
    """Somebody looked at a patient: who, in which role, which page, when."""

    __tablename__ = "viewing"
    __table_args__ = (Index("ix_viewing_patient", "patient_id", "at"), Index("ix_viewing_email", "email", "at"))
    id: int | None = Field(default=None, primary_key=True)
    at: datetime = Field(sa_column=instant())
    email: str
    role: str
    patient_id: str
    page: str
