"""Signing in: the cookie of a browser, the idle lock, and what slows down guessing."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from fastapi import Request

from coordinator.web.access import ROLES
from coordinator.web.desk import Colleague
from coordinator.web.passwords import check_password
from coordinator.web.text import _
from persistence.accounts import Accounts

COOKIE = "pathway_session"
LONGEST = timedelta(hours=12)
# How stale the time of last use may be in the database: a page view need not be a write.
TOUCHED = timedelta(seconds=30)
WINDOW = timedelta(minutes=15)
PER_ACCOUNT, PER_ADDRESS = 5, 30


@dataclass(frozen=True, slots=True)
class Browser:
    """A signed-in browser. `locked`: it was idle for too long and must show the password again."""

    secret_hash: str
    colleague: Colleague
    began_at: datetime
    seen_at: datetime
    locked: bool


def hashed(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def tried(accounts: Accounts, email: str, password: str, request: Request, now: datetime) -> bool:
    """One try to sign in: noted, and after too many of them refused whatever the password is.

    A refused one takes as long and is told in the same words, so nobody learns from it what is locked and what wrong.
    It is not counted, or whoever goes on trying would keep the colleague out for ever.
    """
    address = address_of(request)
    waiting = must_wait(accounts, email, address, now)
    fits = check_password(accounts, email, password) and not waiting
    if not waiting:
        accounts.note_attempt(email, address, now, ok=fits)
    return fits


def not_signed_in() -> str:
    minutes = int(WINDOW.total_seconds() // 60)
    return _(
        "Address and password do not fit together, or there were too many attempts: after %(tries)s wrong ones wait "
        "%(minutes)s minutes, or ask an administrator.",
        tries=PER_ACCOUNT,
        minutes=minutes,
    )


def must_wait(accounts: Accounts, email: str, address: str, now: datetime) -> bool:
    """Too many failures of late, for the account or from the address."""
    for_account, from_address = accounts.failures(now - WINDOW, email=email, address=address)
    return for_account >= PER_ACCOUNT or from_address >= PER_ADDRESS


def begin(accounts: Accounts, email: str, request: Request, now: datetime) -> str:
    """A new signed-in browser; the secret for its cookie."""
    secret = secrets.token_urlsafe(32)
    browser = request.headers.get("user-agent", "")[:200]
    row = {
        "secret_hash": hashed(secret),
        "email": email,
        "began_at": now,
        "seen_at": now,
        "locked": False,
        "browser": browser,
        "address": address_of(request),
        "ended_because": "",
    }
    accounts.begin(row)
    return secret


def browser_of(accounts: Accounts, request: Request, now: datetime, idle: timedelta) -> Browser | None:
    """The signed-in browser of a request; None when there is none, or it is over."""
    secret = request.cookies.get(COOKIE)
    row = accounts.signed_in(hashed(secret)) if secret else None
    if row is None or row.role not in ROLES:
        return None
    if now - row.began_at > LONGEST:
        accounts.end(now, "twelve hours are over", email=row.email, secret_hash=row.secret_hash)
        return None
    me = Colleague(row.email, row.name, ROLES[row.role], row.shortcuts, row.must_change)
    locked = row.locked or now - row.seen_at > idle
    if locked and not row.locked:
        accounts.touch(row.secret_hash, locked=True)
    return Browser(row.secret_hash, me, row.began_at, row.seen_at, locked)


def note_use(accounts: Accounts, browser: Browser, now: datetime) -> None:
    if now - browser.seen_at > TOUCHED:
        accounts.touch(browser.secret_hash, seen_at=now)


def address_of(request: Request) -> str:
    return request.client.host if request.client else ""
