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
    accounts, email = Accounts(house.store.database), email.strip().lower()
    if not signing_in.tried(accounts, email, password, request, house.clock()):
        said = _("Nobody was signed in. %(why)s", why=signing_in.not_signed_in())
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
def sign_out(request: Request, desk: Desk = needs(May.OWN_ACCOUNT, quiet=True, even_locked=True)) -> Response:
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
    answer = RedirectResponse(local_path(wanted) if local_path(wanted) != "/" else ROLES[found.role].home, 303)
    keep_signed_in(answer, request, house, email)
    return answer


def keep_signed_in(answer: Response, request: Request, house: House, email: str) -> None:
    """A new secret for the browser; whoever was signed in there before no longer is."""
    accounts, now = Accounts(house.store.database), house.clock()
    before = request.cookies.get(signing_in.COOKIE)
    if before:
        accounts.end_browser(signing_in.hashed(before), now, "signed in anew")
    secret = signing_in.begin(accounts, email, request, now)
    answer.set_cookie(signing_in.COOKIE, secret, httponly=True, secure=house.secure, samesite="strict", path="/")


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
        "hospital": house.hospital,
        "nobody_yet": not accounts.any(),
        "me": None,
        "desk": None,
    }
    return HTMLResponse(template.render(shown), status)
