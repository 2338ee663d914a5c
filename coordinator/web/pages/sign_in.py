"""Signing in and out."""

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from coordinator.web import signing_in
from coordinator.web.access import ROLES, May
from coordinator.web.desk import Desk, local_path
from coordinator.web.doors import anybody, needs
from coordinator.web.house import House
from coordinator.web.text import _
from persistence.accounts import Accounts

router = APIRouter()
LOOPBACK = ("127.0.0.1", "::1")


@router.get("/sign-in")
def sign_in_page(request: Request, next: str = "/", house: House = anybody()) -> HTMLResponse:
    return _form(request, house, next)


@router.post("/sign-in")
def sign_in(
    request: Request,
    email: str = Form(""),
    password: str = Form(""),
    next: str = Form("/"),
    house: House = anybody(),
) -> Response:
    accounts, now, email = Accounts(house.store.database), house.clock(), email.strip().lower()
    address = signing_in.address_of(request)
    if signing_in.must_wait(accounts, email, address, now):
        said = _("Too many attempts: wait a quarter of an hour, or ask an administrator.")
        return _form(request, house, next, said=said, email=email, status=429)
    fits = signing_in.check_password(accounts, email, password)
    accounts.note_attempt(email, address, now, ok=fits)
    if not fits:
        said = _("This address and password do not fit together; nobody was signed in.")
        return _form(request, house, next, said=said, email=email, status=401)
    return enter(request, house, email, next)


@router.post("/demo-sign-in")
def demo_sign_in(request: Request, email: str = Form(""), next: str = Form("/"), house: House = anybody()) -> Response:
    """Without a password: only in a demo, whose people are made up, and only from this machine."""
    accounts = Accounts(house.store.database)
    allowed = house.demo and house.simulation and signing_in.address_of(request) in LOOPBACK
    found = accounts.find(email) if allowed else None
    if found is None or found.role not in ROLES:
        return _form(request, house, next, said=_("Only a demo on this machine has accounts like that."), status=403)
    return enter(request, house, email, next)


@router.post("/sign-out")
def sign_out(request: Request, desk: Desk = needs(May.OWN_ACCOUNT, quiet=True)) -> Response:
    secret = request.cookies[signing_in.COOKIE]
    accounts = Accounts(desk.store.database)
    accounts.end(desk.now, "signed out", email=desk.me.email, secret_hash=signing_in.hashed(secret))
    answer = RedirectResponse("/sign-in", 303)
    answer.delete_cookie(signing_in.COOKIE)
    return answer


def enter(request: Request, house: House, email: str, wanted: str) -> Response:
    """Signed in: to the page that was asked for, or where the role begins its day."""
    accounts = Accounts(house.store.database)
    found = accounts.find(email)
    assert found is not None
    secret = signing_in.begin(accounts, email, request, house.clock())
    path = local_path(wanted)
    answer = RedirectResponse(path if path != "/" else ROLES[found.role].home, 303)
    answer.set_cookie(signing_in.COOKIE, secret, httponly=True, secure=house.secure, samesite="strict", path="/")
    return answer


def _form(
    request: Request, house: House, wanted: str, *, said: str = "", email: str = "", status: int = 200
) -> HTMLResponse:
    template = house.templates.get_template("sign_in.html")
    accounts = Accounts(house.store.database)
    shown = {
        "next": local_path(wanted),
        "said": said,
        "email": email,
        "demo_people": accounts.all() if house.demo else (),
        "me": None,
        "desk": None,
    }
    return HTMLResponse(template.render(shown), status)
