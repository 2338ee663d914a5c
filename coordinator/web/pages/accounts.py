"""Accounts of colleagues: who may sign in, in which role, and what was done about it."""

from typing import Any

from fastapi import APIRouter, Form
from fastapi.responses import Response

from coordinator.web.access import ROLES, May
from coordinator.web.account_words import account_change_words, roles_in_words
from coordinator.web.desk import Desk
from coordinator.web.doors import needs
from coordinator.web.passwords import hash_password, one_time_password
from coordinator.web.text import _
from pathway.errors import StoreError
from persistence.accounts import Accounts

router = APIRouter()
CHANGES = 20


@router.get("/accounts")
def accounts(desk: Desk = needs(May.MANAGE_ACCOUNTS)) -> Response:
    return _page(desk)


@router.post("/accounts/add")
def add(
    desk: Desk = needs(May.MANAGE_ACCOUNTS),
    name: str = Form(""),
    email: str = Form(""),
    role: str = Form(""),
    how: str = Form("password"),
) -> Response:
    """A new account; its one-time password is shown once, on this answer and nowhere else."""
    typed = {"name": name.strip(), "email": email.strip().lower(), "role": role, "how": how}
    fault = _fault(desk, typed)
    if fault:
        return _page(desk, 422, fault=fault, typed=typed)
    password = one_time_password() if how == "password" else ""
    row = {
        "email": typed["email"],
        "password_hash": hash_password(password) if password else None,
        "must_change": bool(password),
        "shortcuts": True,
        "made_at": desk.now,
        "made_by": desk.me.email,
    }
    try:
        Accounts(desk.store.database).add(row, name=typed["name"], role=role)
    except StoreError as error:
        return _page(desk, 409, fault=str(error), typed=typed)
    said = _("%(name)s has an account now.", name=typed["name"])
    return _shown_once(desk, typed["email"], password, said) if password else desk.go("/accounts", said)


@router.post("/accounts/change")
def change(
    desk: Desk = needs(May.MANAGE_ACCOUNTS),
    email: str = Form(""),
    do: str = Form(""),
    role: str = Form(""),
) -> Response:
    held = Accounts(desk.store.database)
    found = held.find(email)
    if found is None:
        return _page(desk, 404, fault=_("There is no account of that address; nothing was saved."))
    try:
        if do == "role" and role in ROLES:
            held.set_role(email, role, at=desk.now, by=desk.me.email)
            said = _("%(name)s is now: %(role)s.", name=found.name, role=ROLES[role].title)
            return desk.go("/accounts", said)
        if do in ("close", "open"):
            held.set_active(email, active=do == "open", at=desk.now, by=desk.me.email)
            closed = _("%(name)s can no longer sign in and was signed out everywhere.", name=found.name)
            return desk.go("/accounts", _("%(name)s can sign in again.", name=found.name) if do == "open" else closed)
    except StoreError as error:
        return _page(desk, 409, fault=str(error))
    if do == "password":
        password = one_time_password()
        held.set_password(email, hash_password(password), must_change=True, at=desk.now, by=desk.me.email)
        return _shown_once(desk, email, password, _("%(name)s has a new password.", name=found.name))
    return _page(desk, 422, fault=_("It was not said what to change; nothing was saved."))


def _fault(desk: Desk, typed: dict[str, str]) -> str:
    if not typed["name"]:
        return _("Say the name, as journals and pages will have it; nothing was saved.")
    if "@" not in typed["email"].strip("@"):
        return _("“%(email)s” is not an e-mail address; nothing was saved.", email=typed["email"])
    if typed["role"] not in ROLES:
        return _("Choose a role; nothing was saved.")
    if typed["how"] == "hospital" and desk.house.hospital is None:
        return _("There is no hospital sign-in here, so a password is needed; nothing was saved.")
    return ""


def _shown_once(desk: Desk, email: str, password: str, said: str) -> Response:
    return _page(desk, password={"email": email, "password": password, "said": said})


def _page(desk: Desk, status: int = 200, **more: Any) -> Response:
    held = Accounts(desk.store.database)
    nothing: dict[str, Any] = {"fault": "", "password": None, "typed": {"name": "", "email": "", "role": "", "how": ""}}
    people = held.all()
    return desk.page(
        "accounts.html",
        status,
        **{**nothing, **more},
        people=[person for person in people if person.account],
        without=[person for person in people if not person.account],
        changes=held.account_changes(limit=CHANGES),
        hospital=desk.house.hospital,
        account_change_words=account_change_words,
        roles_in_words=roles_in_words,
    )
