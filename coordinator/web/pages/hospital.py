"""Signing in with the hospital's account: there, and back with an answer."""

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from coordinator.web import signing_in
from coordinator.web.access import ROLES
from coordinator.web.desk import local_path
from coordinator.web.doors import anybody
from coordinator.web.hospital import Hospital, NotProven, Person
from coordinator.web.house import House
from coordinator.web.pages.sign_in import keep_signed_in
from coordinator.web.text import _
from persistence.accounts import Accounts

router = APIRouter()
COOKIE = "pathway_hospital"
BACK = "/sign-in/hospital/back"


@router.get("/sign-in/hospital")
def there(request: Request, next: str = "/", house: House = anybody()) -> Response:
    if house.hospital is None:
        return RedirectResponse("/sign-in", 303)
    try:
        address, kept = house.hospital.question(_back(request, house), local_path(next), house.clock())
    except NotProven as error:
        return _refused(house, house.hospital, str(error), 503)
    answer = RedirectResponse(address, 303)
    # Lax, not strict: the provider sends the browser back from its own site.
    answer.set_cookie(COOKIE, kept, 600, httponly=True, secure=house.secure, samesite="lax", path="/sign-in/hospital")
    return answer


@router.get(BACK)
def back(request: Request, house: House = anybody()) -> Response:
    hospital, now = house.hospital, house.clock()
    if hospital is None:
        return RedirectResponse("/sign-in", 303)
    try:
        asked = hospital.kept(request.cookies.get(COOKIE, ""), now)
        person = hospital.person(request.query_params, asked, _back(request, house), now)
        email = _colleague(house, hospital, person, request)
    except NotProven as error:
        return _refused(house, hospital, str(error), 401)
    account = Accounts(house.store.database).find(email)
    assert account is not None
    path = asked.wanted if asked.wanted != "/" else ROLES[account.role].home
    # A page of our own goes on: a strict cookie is not sent along on a way that began at another site.
    page = house.templates.get_template("hospital_back.html").render(me=None, desk=None, path=path)
    answer = HTMLResponse(page)
    keep_signed_in(answer, request, house, email)
    answer.delete_cookie(COOKIE, path="/sign-in/hospital")
    return answer


def _colleague(house: House, hospital: Hospital, person: Person, request: Request) -> str:
    """The active colleague with that subject; on the first use the one with the verified address, bound from then on.
    Raises NotProven."""
    accounts, now = Accounts(house.store.database), house.clock()
    found = accounts.find_subject(person.subject)
    if found is None and person.email is not None:
        found = accounts.find(person.email)
        if found is not None and found.subject is not None:
            found = None
    address = signing_in.address_of(request)
    if found is None or not found.active or found.role not in ROLES:
        accounts.note_attempt(person.email or person.subject, address, now, ok=False)
        said = _("%(name)s knows you, but you have no account here: ask an administrator for one.", name=hospital.name)
        raise NotProven(said)
    if found.subject is None:
        accounts.bind(found.email, person.subject, now)
    accounts.note_attempt(found.email, address, now, ok=True)
    return str(found.email)


def _back(request: Request, house: House) -> str:
    """The address to which the provider sends the browser back, as the provider was told it."""
    ours = house.settings.web_url.rstrip("/") or f"{request.url.scheme}://{request.url.netloc}"
    return f"{ours}{BACK}"


def _refused(house: House, hospital: Hospital, said: str, status: int) -> Response:
    template = house.templates.get_template("hospital_refused.html")
    return HTMLResponse(template.render(me=None, desk=None, said=said, hospital=hospital), status)
