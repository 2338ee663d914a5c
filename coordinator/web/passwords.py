"""Passwords: hashed with argon2, long rather than composed, and as slow to check for nobody as for somebody."""

import secrets
from functools import cache

from pwdlib import PasswordHash

from coordinator.web.access import ROLES
from coordinator.web.text import _
from persistence.accounts import Accounts

SHORTEST = 12


@cache
def _hashing() -> PasswordHash:
    return PasswordHash.recommended()


@cache
def _nobody() -> str:
    """Checked in place of a missing account's hash: the answer takes as long, so it tells nobody who has an account."""
    return _hashing().hash(secrets.token_urlsafe())


def hash_password(password: str) -> str:
    return _hashing().hash(password)


def password_fault(password: str, email: str) -> str | None:
    """Why it may not be used, in one sentence; None when it may. Length counts, composition does not."""
    if len(password) < SHORTEST:
        return _("A password needs at least %(count)s characters; nothing was saved.", count=SHORTEST)
    if password.casefold() in (email.casefold(), email.partition("@")[0].casefold() * 2):
        return _("A password may not be the address; nothing was saved.")
    return None


def check_password(accounts: Accounts, email: str, password: str) -> bool:
    """Whether that is the password of an active account."""
    found = accounts.find(email)
    known = found.password_hash if found is not None else None
    fits, stronger = _hashing().verify_and_update(password, known or _nobody())
    if not (fits and found is not None and known and found.active and found.role in ROLES):
        return False
    if stronger:
        accounts.change(email, password_hash=stronger)
    return True


def one_time_password() -> str:
    """Made to be read out once and changed at once."""
    return "-".join(secrets.token_hex(2) for _part in range(4))
