"""The first account of all: an administrator, made by whoever can read what the program printed when it started."""

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from coordinator.web.doors import anybody
from coordinator.web.house import House
from coordinator.web.pages.sign_in import enter
from coordinator.web.passwords import hash_password, password_fault
from coordinator.web.text import _
from persistence.accounts import ADMINISTRATOR, AccountExists, Accounts

router = APIRouter()


@router.get("/first-run")
def first_run(house: House = anybody()) -> Response:
    return _form(house)


@router.post("/first-run")
def make_the_first(
    request: Request,
    code: str = Form(""),
    name: str = Form(""),
    email: str = Form(""),
    password: str = Form(""),
    house: House = anybody(),
) -> Response:
    typed = {"name": name.strip(), "email": email.strip().lower()}
    if house.first_code is None or Accounts(house.store.database).any():
        return _form(house)
    if not house.first_code.fits(code):
        return _form(house, said=_wrong(house), status=401, **typed)
    fault = _fault(typed["name"], typed["email"], password)
    if fault:
        return _form(house, said=fault, status=422, **typed)
    row = {
        "email": typed["email"],
        "password_hash": hash_password(password),
        "must_change": False,
        "shortcuts": True,
        "made_at": house.clock(),
        "made_by": "first run",
    }
    try:
        Accounts(house.store.database).add(row, name=typed["name"], role=ADMINISTRATOR, first=True)
    except AccountExists:
        return _form(house)
    return enter(request, house, typed["email"], "/")


def _wrong(house: House) -> str:
    assert house.first_code is not None
    if house.first_code.used_up:
        return _("That code was wrong too often, so it opens nothing any more: start the program again for a new one.")
    return _("That is not the code which the program printed when it started; nothing was saved.")


def _fault(name: str, email: str, password: str) -> str | None:
    if not name:
        return _("Say your name, as journals and pages will have it; nothing was saved.")
    if "@" not in email.strip("@"):
        return _("“%(email)s” is not an e-mail address; nothing was saved.", email=email)
    return password_fault(password, email)


def _form(house: House, *, said: str = "", status: int = 200, name: str = "", email: str = "") -> Response:
    """Gone as soon as anybody has an account."""
    if Accounts(house.store.database).any():
        return RedirectResponse("/sign-in", 303)
    template = house.templates.get_template("first_run.html")
    shown = {"said": said, "name": name, "email": email, "possible": house.first_code is not None}
    return HTMLResponse(template.render(me=None, desk=None, **shown), status)
