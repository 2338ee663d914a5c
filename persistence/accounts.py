"""Accounts, signed-in browsers and attempts to sign in, as rows. Secrets come in hashed; no clock is read here.

What somebody does about an account is written down in the same transaction in which it is done.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from pathway.errors import StoreError
from persistence import models
from persistence.bulk import upsert
from persistence.database import Database, in_turn
from persistence.registry import table

ADMINISTRATOR = "administrator"


class LastAdministrator(StoreError):
    """Somebody must be able to manage accounts: this is the last active administrator, so nothing was saved."""


class AccountExists(StoreError):
    """There is an account of that address already, so nothing was saved."""


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

    def find_subject(self, subject: str) -> Row | None:
        """The account that the hospital's sign-in knows by that subject."""
        accounts = table(models.Account)
        with self.database.reading() as connection:
            email = connection.scalar(select(accounts.c.email).where(accounts.c.subject == subject))
        return self.find(email) if email is not None else None

    def all(self) -> Sequence[Row]:
        """Every colleague, with their account where they have one, and when they last used it."""
        accounts, people, browsers = table(models.Account), table(models.User), table(models.SignIn)
        last = select(func.max(browsers.c.seen_at)).where(browsers.c.email == people.c.email).scalar_subquery()
        columns = [accounts.c[name] for name in ("subject", "must_change", "password_hash")]
        query = (
            select(people, accounts.c.email.label("account"), *columns, last.label("last_use"))
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

    # ---------------------------------------------------------------- what administrators do

    def add(self, row: dict[str, Any], *, name: str, role: str, first: bool = False) -> None:
        """A new account: the columns of `account`. A colleague who is told things already keeps their telephone.

        `first`: only while there is none at all. Raises AccountExists.
        """
        accounts, email = table(models.Account), row["email"]
        with self.database.writing() as connection:
            in_turn(connection, "accounts")
            known = select(accounts.c.email).where(accounts.c.email == email) if not first else select(accounts.c.email)
            if connection.scalar(known.limit(1)) is not None:
                raise AccountExists(email)
            upsert(connection, models.User, [{"email": email, "name": name, "role": role, "active": True}])
            connection.execute(insert(accounts).values(**row))
            note_change(connection, row["made_at"], row["made_by"], email, "account made", became=role)

    def set_role(self, email: str, role: str, *, at: datetime, by: str) -> None:
        """Raises LastAdministrator."""
        people = table(models.User)
        with self.database.writing() as connection:
            was = _colleague(connection, email)
            if was.role != role:
                _keep_one_administrator(connection, was)
                connection.execute(update(people).where(people.c.email == email).values(role=role))
                note_change(connection, at, by, email, "role", was.role, role)

    def set_active(self, email: str, *, active: bool, at: datetime, by: str) -> None:
        """Whoever is no longer active is signed out everywhere at once, and their tokens end for good.

        Raises LastAdministrator.
        """
        people = table(models.User)
        with self.database.writing() as connection:
            was = _colleague(connection, email)
            if was.active == active:
                return
            if not active:
                _keep_one_administrator(connection, was)
                _end(connection, at, "the account was closed", email)
                _revoke_tokens(connection, at, by, email)
            connection.execute(update(people).where(people.c.email == email).values(active=active))
            note_change(connection, at, by, email, "account opened again" if active else "account closed")

    def set_password(self, email: str, password_hash: str, *, must_change: bool, at: datetime, by: str) -> None:
        """A new password; every browser of that colleague is signed out."""
        accounts = table(models.Account)
        values = {"password_hash": password_hash, "must_change": must_change}
        with self.database.writing() as connection:
            connection.execute(update(accounts).where(accounts.c.email == email).values(**values))
            _end(connection, at, "the password was changed", email)
            note_change(connection, at, by, email, "password reset" if must_change else "password changed")

    def bind(self, email: str, subject: str, at: datetime) -> None:
        """From now on the hospital's sign-in knows this colleague by that subject."""
        accounts = table(models.Account)
        with self.database.writing() as connection:
            connection.execute(update(accounts).where(accounts.c.email == email).values(subject=subject))
            note_change(connection, at, email, email, "hospital sign-in bound", became=subject)

    def account_changes(self, *, limit: int = 50, offset: int = 0, email: str | None = None) -> Sequence[Row]:
        """What was done about accounts, the latest first."""
        notes = table(models.AccountChange)
        query = select(notes).order_by(notes.c.at.desc(), notes.c.id.desc()).limit(limit).offset(offset)
        if email is not None:
            query = query.where(notes.c.email == email)
        with self.database.reading() as connection:
            return connection.execute(query).all()

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

    def end(
        self, at: datetime, because: str, *, email: str, secret_hash: str | None = None, but: str | None = None
    ) -> int:
        """End one browser of somebody, all of them, or all but one; how many that were."""
        with self.database.writing() as connection:
            return _end(connection, at, because, email, secret_hash=secret_hash, but=but)

    def end_browser(self, secret_hash: str, at: datetime, because: str) -> None:
        """End one browser, whoever is signed in there."""
        browsers = table(models.SignIn)
        still = (browsers.c.secret_hash == secret_hash) & browsers.c.ended_at.is_(None)
        with self.database.writing() as connection:
            connection.execute(update(browsers).where(still).values(ended_at=at, ended_because=because))

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
        self.note_views(email, role, [patient], page, at)

    def note_views(self, email: str, role: str, patients: Sequence[str], page: str, at: datetime) -> None:
        """One page, or one file, that shows several patients."""
        rows = [{"email": email, "role": role, "patient_id": p, "page": page, "at": at} for p in patients]
        if rows:
            with self.database.writing() as connection:
                connection.execute(insert(table(models.Viewing)), rows)


def _colleague(connection: Connection, email: str) -> Row:
    """The colleague as they are; until this transaction ends nobody else changes accounts."""
    in_turn(connection, "accounts")
    people = table(models.User)
    return connection.execute(select(people).where(people.c.email == email)).one()


def _keep_one_administrator(connection: Connection, was: Row) -> None:
    """Somebody with an account must remain who may manage accounts."""
    if was.role != ADMINISTRATOR or not was.active:
        return
    people, accounts = table(models.User), table(models.Account)
    others = select(func.count()).select_from(people.join(accounts, accounts.c.email == people.c.email))
    others = others.where(people.c.role == ADMINISTRATOR, people.c.active, people.c.email != was.email)
    if not connection.scalar(others):
        raise LastAdministrator(was.email)


def note_change(
    connection: Connection, at: datetime, by: str, email: str, what: str, was: str = "", became: str = ""
) -> None:
    row = {"at": at, "by": by, "email": email, "what": what, "was": was, "became": became}
    connection.execute(insert(table(models.AccountChange)).values(**row))


def _revoke_tokens(connection: Connection, at: datetime, by: str, email: str) -> None:
    """An account that is opened again later gets new ones."""
    tokens = table(models.Token)
    standing = (tokens.c.email == email) & tokens.c.revoked_at.is_(None)
    connection.execute(update(tokens).where(standing).values(revoked_at=at, revoked_by=by))


def _end(
    connection: Connection,
    at: datetime,
    because: str,
    email: str,
    *,
    secret_hash: str | None = None,
    but: str | None = None,
) -> int:
    browsers = table(models.SignIn)
    those = (browsers.c.email == email) & browsers.c.ended_at.is_(None)
    if secret_hash is not None:
        those &= browsers.c.secret_hash == secret_hash
    if but is not None:
        those &= browsers.c.secret_hash != but
    return connection.execute(update(browsers).where(those).values(ended_at=at, ended_because=because)).rowcount
