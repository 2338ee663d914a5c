"""The doors of the site. Each route has exactly one, and it asks for one permission: nothing else lets anybody in."""

from datetime import timedelta
from typing import Any

from fastapi import Depends, Request
from fastapi.responses import RedirectResponse

from coordinator.web.access import May, refusal
from coordinator.web.desk import Desk
from coordinator.web.house import House
from coordinator.web.signing_in import browser_of, note_use
from persistence.accounts import Accounts

# Pages that work while the password must be changed, or they could not be reached at all.
ALWAYS = ("/account", "/account/password", "/sign-out")


class Elsewhere(Exception):
    """The answer is at another address: sign in first, or change the password."""

    def __init__(self, response: RedirectResponse) -> None:
        self.response = response


class Locked(Elsewhere):
    """The browser was idle for too long. What a form brought is kept until the password was shown again."""


class Forbidden(Exception):
    """The role may not; the argument is the sentence."""


class Door:
    """A dependency that gives the desk of a request, or sends whoever may not be there away.

    `quiet`: asking here is no sign of a person, so that a page that polls does not keep a browser unlocked.
    `even_locked`: only for signing out.
    """

    def __init__(self, permission: May, *, quiet: bool = False, even_locked: bool = False) -> None:
        self.permission, self.quiet, self.even_locked = permission, quiet, even_locked

    def __call__(self, request: Request) -> Desk:
        house = house_of(request)
        now, accounts = house.clock(), Accounts(house.store.database)
        browser = browser_of(accounts, request, now, timedelta(minutes=house.settings.idle_minutes))
        if browser is None:
            raise Elsewhere(_asked_first("/sign-in", request))
        if browser.locked and not self.even_locked:
            raise Locked(_asked_first("/locked", request))
        me = browser.colleague
        if me.must_change and request.url.path not in ALWAYS:
            raise Elsewhere(RedirectResponse("/account", 303))
        because = refusal(me.role.id, self.permission)
        if because:
            raise Forbidden(because)
        if not self.quiet:
            note_use(accounts, browser, now)
        return Desk(request, house, now, me)


def needs(permission: May, *, quiet: bool = False, even_locked: bool = False) -> Any:
    """The door as a parameter's default: `desk: Desk = needs(May.SEE_WORK)`."""
    return Depends(Door(permission, quiet=quiet, even_locked=even_locked))


class Open:
    """The door of the few pages that anybody may see: signing in, and what the browser needs for it."""

    def __call__(self, request: Request) -> House:
        return house_of(request)


def anybody() -> Any:
    return Depends(Open())


def house_of(request: Request) -> House:
    found: House = request.app.state.house
    return found


def _asked_first(path: str, request: Request) -> RedirectResponse:
    back = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    wanted = back if request.method == "GET" and back != "/" else None
    url = request.url.replace(path=path, query="").include_query_params(**({"next": wanted} if wanted else {}))
    return RedirectResponse(f"{url.path}?{url.query}" if url.query else url.path, 303)
