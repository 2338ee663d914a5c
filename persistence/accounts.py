"""Accounts, signed-in browsers and attempts to sign in, as rows. Secrets come in hashed; no clock is read here."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, insert, select, update

from persistence import models
from persistence.database import Database
from persistence.registry import table, upsert


class Accounts:
    def __init__(self, database: Database) -> None:
        self.database = database

    # ---------------------------------------------------------------- accounts

    def any(self) -> bool:
        with self.database.reading() as connection:
            return connection.scalar(select(table(models.Account).c.email).limit(1)) is not None

    def find(self, email: str) -> Row | None:
        """The account with the colleague's name, role and whether they are active; None if there is none."""
        accounts, people = table(models.Account), table(models.User)
        query = (
            select(accounts, people.c.name, people.c.role, people.c.active)
            .join(people, people.c.email == accounts.c.email)
            .where(accounts.c.email == email)
        )
        with self.database.reading() as connection:
            return connection.execute(query).first()

    def all(self) -> Sequence[Row]:
        accounts, people = table(models.Account), table(models.User)
        query = (
            select(people, accounts.c.email.label("account"), accounts.c.subject, accounts.c.must_change)
            .outerjoin(accounts, people.c.email == accounts.c.email)
            .order_by(people.c.role, people.c.email)
        )
        with self.database.reading() as connection:
            return connection.execute(query).all()

    def keep(self, row: dict[str, Any]) -> None:
        """Add or change an account: the columns of `account`."""
        with self.database.writing() as connection:
            upsert(connection, models.Account, [row])

    def change(self, email: str, **values: Any) -> None:
        accounts = table(models.Account)
        with self.database.writing() as connection:
            connection.execute(update(accounts).where(accounts.c.email == email).values(**values))

    # ---------------------------------------------------------------- signed-in browsers

    def begin(self, row: dict[str, Any]) -> None:
        with self.database.writing() as connection:
            connection.execute(insert(table(models.SignIn)).values(**row))

    def signed_in(self, secret_hash: str) -> Row | None:
        """The browser with its colleague, if it is still signed in."""
        browsers, people, accounts = table(models.SignIn), table(models.User), table(models.Account)
        query = (
            select(browsers, people.c.name, people.c.role, accounts.c.shortcuts, accounts.c.must_change)
            .join(people, people.c.email == browsers.c.email)
            .join(accounts, accounts.c.email == browsers.c.email)
            .where(browsers.c.secret_hash == secret_hash, browsers.c.ended_at.is_(None), people.c.active)
        )
        with self.database.reading() as connection:
            return connection.execute(query).first()

    def browsers(self, email: str) -> Sequence[Row]:
        """Every browser in which somebody is signed in, the latest first."""
        browsers = table(models.SignIn)
        still = (browsers.c.email == email) & browsers.c.ended_at.is_(None)
        with self.database.reading() as connection:
            return connection.execute(select(browsers).where(still).order_by(browsers.c.seen_at.desc())).all()

    def touch(self, secret_hash: str, **values: Any) -> None:
        browsers = table(models.SignIn)
        with self.database.writing() as connection:
            connection.execute(update(browsers).where(browsers.c.secret_hash == secret_hash).values(**values))

    def end(self, at: datetime, because: str, *, email: str, secret_hash: str | None = None) -> int:
        """End one browser of somebody, or all of them; how many that were."""
        browsers = table(models.SignIn)
        those = (browsers.c.email == email) & browsers.c.ended_at.is_(None)
        if secret_hash is not None:
            those &= browsers.c.secret_hash == secret_hash
        with self.database.writing() as connection:
            done = connection.execute(update(browsers).where(those).values(ended_at=at, ended_because=because))
            return done.rowcount

    # ---------------------------------------------------------------- attempts and views

    def note_attempt(self, email: str, address: str, at: datetime, *, ok: bool) -> None:
        row = {"email": email, "address": address, "at": at, "ok": ok}
        with self.database.writing() as connection:
            connection.execute(insert(table(models.Attempt)).values(**row))

    def failures(self, since: datetime, *, email: str, address: str) -> tuple[int, int]:
        """Failed attempts since then: for that account after its last success, and from that address."""
        attempts = table(models.Attempt)
        last_success = select(func.max(attempts.c.at)).where(attempts.c.email == email, attempts.c.ok).scalar_subquery()
        for_account = select(func.count()).where(
            attempts.c.email == email,
            ~attempts.c.ok,
            attempts.c.at > since,
            attempts.c.at > func.coalesce(last_success, since),
        )
        from_address = select(func.count()).where(attempts.c.address == address, ~attempts.c.ok, attempts.c.at > since)
        with self.database.reading() as connection:
            return connection.scalar(for_account) or 0, connection.scalar(from_address) or 0

    def note_view(self, email: str, role: str, patient: str, page: str, at: datetime) -> None:
        row = {"email": email, "role": role, "patient_id": patient, "page": page, "at": at}
        with self.database.writing() as connection:
            connection.execute(insert(table(models.Viewing)).values(**row))
