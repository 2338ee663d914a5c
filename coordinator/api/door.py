"""The door of every route of the API: a token, a scope and a permission. A cookie opens nothing here."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated, Any

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from coordinator.api.limiting import RateLimit
from coordinator.api.problems import Problem
from coordinator.tokens import READ, NoToken, standing_token
from coordinator.web.access import ROLES, May, Role, refusal
from coordinator.web.house import House
from coordinator.web.showing import local
from persistence.accounts import Accounts
from persistence.store import Store
from persistence.tokens import Tokens

# How stale the time of last use may be in the database: a call that reads need not write.
TOUCHED = timedelta(minutes=1)
# Stands in the viewing audit for a list of everybody.
EVERYBODY = "*"
REALM = 'Bearer realm="pathway"'

bearer = HTTPBearer(auto_error=False, description="A token of `pathway token add` or of the account page.")


@dataclass(frozen=True, slots=True)
class Caller:
    """A program that acts for a colleague. The clock was read once: every line of the answer is about `now`."""

    house: House
    now: datetime
    token: str
    token_name: str
    email: str
    name: str
    role: Role
    scopes: tuple[str, ...]
    expires_at: datetime

    @property
    def store(self) -> Store:
        return self.house.store

    @property
    def zone(self) -> str:
        return self.house.settings.zone

    @property
    def today(self) -> date:
        return local(self.now, self.zone)

    def note_view(self, patient: str, page: str) -> None:
        """Who looked at whom: the same book as for the screens."""
        Accounts(self.store.database).note_view(self.email, self.role.id, patient, f"api {page}", self.now)

    def require(self, permission: May) -> None:
        """Raises Problem (403) where the role may not."""
        because = refusal(self.role.id, permission)
        if because:
            raise Problem("not-allowed", f"{because} Nothing was saved.")


class Door:
    """A dependency that gives the caller of a request; raises Problem (401, 403, 429)."""

    def __init__(self, permission: May, scope: str = READ) -> None:
        self.permission, self.scope = permission, scope

    def __call__(
        self, request: Request, shown: Annotated[HTTPAuthorizationCredentials | None, Security(bearer)]
    ) -> Caller:
        house: House = request.app.state.house
        caller = _caller(house, house.clock(), shown)
        limit: RateLimit = request.app.state.limit
        limit.heed(caller.token)
        if self.scope not in caller.scopes:
            detail = f"This needs the scope {self.scope}; the token has {', '.join(caller.scopes)}. Nothing was saved."
            header = f'{REALM}, error="insufficient_scope", scope="{self.scope}"'
            raise Problem("not-allowed", detail, headers={"WWW-Authenticate": header})
        caller.require(self.permission)
        return caller


def needs(permission: May, scope: str = READ) -> Any:
    """The door as a parameter's default: `caller: Caller = needs(May.SEE_WORK)`."""
    return Depends(Door(permission, scope))


def doors_of(dependant: Any) -> Iterator[Door]:
    """Every door on the way to a route."""
    for inner in dependant.dependencies:
        if isinstance(inner.call, Door):
            yield inner.call
        yield from doors_of(inner)


def _caller(house: House, now: datetime, shown: HTTPAuthorizationCredentials | None) -> Caller:
    if shown is None or not shown.credentials:
        detail = "Send a token as Authorization: Bearer TOKEN; `pathway token add` makes one. Nothing was saved."
        raise Problem("no-token", detail, headers={"WWW-Authenticate": REALM})
    try:
        found = standing_token(house.store, shown.credentials, now)
    except NoToken as error:
        header = f'{REALM}, error="invalid_token"'
        raise Problem("no-token", f"{error}. Nothing was saved.", headers={"WWW-Authenticate": header}) from error
    if found.last_used_at is None or now - found.last_used_at > TOUCHED:
        Tokens(house.store.database).touch(found.id, now)
    return Caller(
        house,
        now,
        found.id,
        found.name,
        found.email,
        found.colleague,
        ROLES[found.role],
        tuple(found.scopes.split()),
        found.expires_at,
    )
