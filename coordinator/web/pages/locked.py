"""The idle lock: the password once more, and on to where somebody was, with what they had typed."""

from datetime import timedelta

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from coordinator.web import signing_in
from coordinator.web.desk import local_path
from coordinator.web.doors import anybody
from coordinator.web.house import House
from coordinator.web.kept import Kept, read_kept
from coordinator.web.signing_in import Browser
from coordinator.web.text import _
from persistence.accounts import Accounts

router = APIRouter()


@router.get("/locked")
def locked(request: Request, next: str = "/", house: House = anybody()) -> Response:
    browser = _browser(request, house)
    if browser is None:
        return RedirectResponse("/sign-in", 303)
    if not browser.locked:
        return RedirectResponse(local_path(next), 303)
    return lock_page(request, house, None, wanted=next, status=200)


@router.post("/locked")
def unlock(
    request: Request,
    who: str = Form(""),
    password: str = Form(""),
    next: str = Form("/"),
    kept: str = Form(""),
    house: House = anybody(),
) -> Response:
    """A browser that was unlocked meanwhile, in another window say, needs no password; somebody else's does."""
    browser, found = _browser(request, house), read_kept(kept)
    if browser is None:
        return RedirectResponse("/sign-in", 303)
    if who != browser.colleague.email:
        said = _("Another colleague has signed in here meanwhile, so nothing of what %(who)s typed was saved.", who=who)
        return _page(request, house, "locked_over.html", 409, said=said)
    if browser.locked:
        said = _refused(request, house, browser, password)
        if said:
            return lock_page(request, house, found, wanted=next, said=said)
        values = {"locked": False, "seen_at": house.clock()}
        Accounts(house.store.database).touch(browser.secret_hash, **values)
    if found is None:
        return RedirectResponse(local_path(next), 303)
    return _page(request, house, "locked_over.html", 200, kept=found, who=browser.colleague)


def lock_page(
    request: Request, house: House, kept: Kept | None, *, wanted: str = "/", said: str = "", status: int = 401
) -> Response:
    """The page that asks for the password, with what a form brought waiting on it."""
    browser = _browser(request, house)
    if browser is None:
        return RedirectResponse("/sign-in", 303)
    account = Accounts(house.store.database).find(browser.colleague.email)
    assert account is not None
    shown = {
        "who": browser.colleague,
        "kept": kept,
        "next": local_path(wanted),
        "said": said,
        "by_password": account.password_hash is not None,
        "hospital": house.hospital,
    }
    return _page(request, house, "locked.html", status, **shown)


def _refused(request: Request, house: House, browser: Browser, password: str) -> str:
    fits = signing_in.tried(Accounts(house.store.database), browser.colleague.email, password, request, house.clock())
    return "" if fits else _("It stays locked, and nothing was saved. %(why)s", why=signing_in.not_signed_in())


def _browser(request: Request, house: House) -> Browser | None:
    idle = timedelta(minutes=house.settings.idle_minutes)
    return signing_in.browser_of(Accounts(house.store.database), request, house.clock(), idle)


def _page(request: Request, house: House, template: str, status: int, **shown: object) -> HTMLResponse:
    values = {"said": "", "kept": None, "who": None, **shown}
    return HTMLResponse(house.templates.get_template(template).render(me=None, desk=None, **values), status)
