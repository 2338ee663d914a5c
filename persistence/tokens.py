"""Tokens of programs, as rows. Secrets come in hashed; what is done about a token is noted with the account."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, insert, select, update

from persistence import models
from persistence.accounts import note_change
from persistence.database import Database
from persistence.registry import table

TOKENS, PEOPLE, ACCOUNTS = table(models.Token), table(models.User), table(models.Account)


class Tokens:
    def __init__(self, database: Database) -> None:
        self.database = database

    def add(self, row: dict[str, Any]) -> None:
        """A new token: the columns of `token`."""
        with self.database.writing() as connection:
            connection.execute(insert(TOKENS).values(**row))
            said = f"{row['name']}: {row['scopes']}"
            note_change(connection, row["created_at"], row["created_by"], row["email"], "token made", became=said)

    def of_secret(self, secret_hash: str) -> Row | None:
        """The token with its colleague as they are now: their name, role and whether they may sign in at all."""
        query = (
            select(TOKENS, PEOPLE.c.name.label("colleague"), PEOPLE.c.role, PEOPLE.c.active)
            .join(PEOPLE, PEOPLE.c.email == TOKENS.c.email)
            .join(ACCOUNTS, ACCOUNTS.c.email == TOKENS.c.email)
            .where(TOKENS.c.secret_hash == secret_hash)
        )
        with self.database.reading() as connection:
            return connection.execute(query).first()

    def all(self, email: str | None = None) -> Sequence[Row]:
        """Every token (of one account), the newest first; those that are over too."""
        query = select(TOKENS).order_by(TOKENS.c.created_at.desc(), TOKENS.c.id)
        if email is not None:
            query = query.where(TOKENS.c.email == email)
        with self.database.reading() as connection:
            return connection.execute(query).all()

    def revoke(self, token: str, at: datetime, by: str, *, email: str | None = None) -> bool:
        """End a token for good (of that account only, if named); False where there is no standing one of that id."""
        standing = (TOKENS.c.id == token) & TOKENS.c.revoked_at.is_(None)
        if email is not None:
            standing &= TOKENS.c.email == email
        with self.database.writing() as connection:
            found = connection.execute(select(TOKENS).where(standing).with_for_update()).first()
            if found is None:
                return False
            connection.execute(update(TOKENS).where(TOKENS.c.id == token).values(revoked_at=at, revoked_by=by))
            note_change(connection, at, by, found.email, "token revoked", was=found.name)
            return True

    def touch(self, token: str, at: datetime) -> None:
        with self.database.writing() as connection:
            connection.execute(update(TOKENS).where(TOKENS.c.id == token).values(last_used_at=at))
