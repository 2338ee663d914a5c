"""Tokens: what a program shows to act for a colleague. The secret is shown once, when it is made, and kept by nobody.

A token has an end, and scopes that say what it was made for. It never allows more than the role that its colleague
has at that moment, and it opens nothing once their account is closed.
"""

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Row

from coordinator.web.access import ROLES, May, refusal
from pathway.errors import PathwayError
from persistence.accounts import Accounts
from persistence.store import Store
from persistence.tokens import Tokens

READ, RECORD, WEBHOOKS = "read", "record", "webhooks"
# What each was made for, and the permission without which it is of no use to a role; "" of none.
SCOPES: Mapping[str, May | None] = {READ: None, RECORD: May.RECORD, WEBHOOKS: May.CONNECT}
# Stands in the address of a calendar feed, where servers note it down: it opens no more than that feed.
CALENDAR = "calendar"
USUAL_DAYS, LONGEST_DAYS = 90, 366
LONGEST_NAME = 80
SIGN = "pathway_"
SHOWN = len(SIGN) + 6


class TokenRefused(PathwayError):
    """No token was made."""


class NoToken(PathwayError):
    """The token opens nothing."""


@dataclass(frozen=True, slots=True)
class Made:
    """A new token. `secret` is the only time that it is seen."""

    id: str
    secret: str
    prefix: str
    expires_at: datetime


def hashed(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def make_token(store: Store, email: str, name: str, scopes: Sequence[str], *, days: int, at: datetime, by: str) -> Made:
    """Raises TokenRefused: nobody of that address, a scope that is none or that the role cannot use, a wrong end."""
    wanted = _checked(store, email, name.strip(), scopes, days)
    secret = SIGN + secrets.token_urlsafe(32)
    made = Made(secrets.token_hex(6), secret, secret[:SHOWN], at + timedelta(days=days))
    row = {
        "id": made.id,
        "email": email,
        "name": name.strip(),
        "secret_hash": hashed(secret),
        "prefix": made.prefix,
        "scopes": " ".join(wanted),
        "created_at": at,
        "created_by": by,
        "expires_at": made.expires_at,
        "revoked_by": "",
    }
    Tokens(store.database).add(row)
    return made


def _checked(store: Store, email: str, name: str, scopes: Sequence[str], days: int) -> list[str]:
    account = Accounts(store.database).find(email)
    if account is None or not account.active:
        raise TokenRefused(f"{email!r} has no open account; a token belongs to one")
    if not 0 < len(name) <= LONGEST_NAME:
        raise TokenRefused(f"say what the token is for, in up to {LONGEST_NAME} signs")
    if not 1 <= days <= LONGEST_DAYS:
        raise TokenRefused(f"a token lasts from 1 to {LONGEST_DAYS} days, not {days}")
    if list(scopes) == [CALENDAR]:
        because = refusal(account.role, May.SEE_WORK)
        if because:
            raise TokenRefused(f"a calendar: {because}")
        return [CALENDAR]
    unknown = [scope for scope in scopes if scope not in SCOPES]
    if unknown or not scopes:
        found = f"{unknown[0]!r} is no scope" if unknown else "no scope was named"
        raise TokenRefused(f"{found}; expected some of {', '.join(SCOPES)}")
    for scope in scopes:
        needed = SCOPES[scope]
        because = refusal(account.role, needed) if needed else None
        if because:
            raise TokenRefused(f"scope {scope}: {because}")
    return [scope for scope in SCOPES if scope in scopes]


def standing_token(store: Store, secret: str, now: datetime) -> Row:
    """The token of that secret with its colleague; raises NoToken, which says why it opens nothing any more."""
    found = Tokens(store.database).of_secret(hashed(secret))
    if found is None:
        raise NoToken("nobody has made it")
    if found.revoked_at is not None:
        raise NoToken("it was revoked")
    if found.expires_at <= now:
        raise NoToken("its time is over; make another")
    if not found.active or found.role not in ROLES:
        raise NoToken("the account that it belongs to is closed")
    return found


def state_of(row: Row, now: datetime) -> str:
    """standing, revoked or expired."""
    if row.revoked_at is not None:
        return "revoked"
    return "expired" if row.expires_at <= now else "standing"
