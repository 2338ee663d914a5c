"""One's own account: the password, the keyboard, and the browsers one is signed in with."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse, Response

from coordinator.tokens import CALENDAR, LONGEST_DAYS, READ, RECORD, SCOPES, USUAL_DAYS, WEBHOOKS, Made, state_of
from coordinator.web import signing_in
from coordinator.web.access import May
from coordinator.web.desk import Desk
from coordinator.web.doors import needs
from coordinator.web.pages.sign_in import keep_signed_in
from coordinator.web.passwords import hash_password, password_fault
from coordinator.web.said_once import say_next
from coordinator.web.text import _, counted
from persistence.accounts import Accounts
from persistence.tokens import Tokens

router = APIRouter()
SHOWN = 16
# The first that fits: nearly every browser also claims to be the ones after it.
PROGRAMS = (("Edg/", "Edge"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari"))
SYSTEMS = (
    ("Windows", "Windows"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Mac OS", "macOS"),
    ("Linux", "Linux"),
)


@dataclass(frozen=True, slots=True)
class Browser:
    """A browser in which one is signed in. `id`: the first signs of its hash, which opens nothing."""

    id: str
    what: str
    address: str
    began_at: datetime
    seen_at: datetime
    this_one: bool


@router.get("/account")
def account(desk: Desk = needs(May.OWN_ACCOUNT)) -> Response:
    return account_page(desk)


@router.post("/account/password")
def change_password(
    request: Request,
    desk: Desk = needs(May.OWN_ACCOUNT),
    old_password: str = Form(""),
    new_password: str = Form(""),
    again_password: str = Form(""),
) -> Response:
    accounts, email = Accounts(desk.store.database), desk.me.email
    if not signing_in.tried(accounts, email, old_password, request, desk.now):
        return account_page(desk, 401, _("The old password does not fit; the password is as it was."))
    fault = password_fault(new_password, email)
    if new_password != again_password:
        fault = _("The new password was typed in two ways; the password is as it was.")
    if new_password == old_password:
        fault = _("That is the old password again; nothing was saved.")
    if fault:
        return account_page(desk, 422, fault)
    known = hash_password(new_password)
    accounts.set_password(email, known, must_change=False, at=desk.now, by=email)
    answer = desk.go("/account")
    keep_signed_in(answer, request, desk.house, email)
    said = _("The password was changed; every other browser was signed out.")
    say_next(answer, said, secure=desk.house.secure)
    return answer


@router.post("/account/shortcuts")
def shortcuts(desk: Desk = needs(May.OWN_ACCOUNT), on: str = Form("")) -> Response:
    Accounts(desk.store.database).change(desk.me.email, shortcuts=on == "1")
    said = _("Keyboard shortcuts are on.") if on == "1" else _("Keyboard shortcuts are off.")
    return desk.go("/account", said)


@router.post("/account/browsers")
def end_browsers(desk: Desk = needs(May.OWN_ACCOUNT), which: str = Form("")) -> Response:
    """One of one's own browsers, or all but this one."""
    accounts, email, mine = Accounts(desk.store.database), desk.me.email, _this_one(desk)
    if which == "others":
        ended = accounts.end(desk.now, "ended from another browser", email=email, but=mine)
    else:
        meant = [row.secret_hash for row in accounts.browsers(email) if row.secret_hash[:SHOWN] == which]
        ended = sum(accounts.end(desk.now, "ended by hand", email=email, secret_hash=name) for name in meant)
        if mine in meant:
            return RedirectResponse("/sign-in", 303)
    return desk.go("/account", counted("%(num)s browser was signed out.", "%(num)s browsers were signed out.", ended))


def account_page(
    desk: Desk,
    status: int = 200,
    fault: str = "",
    *,
    made: Made | None = None,
    address: Made | None = None,
    token_fault: str = "",
) -> Response:
    """`made`: a token whose secret is shown on this answer and nowhere else; `address`: one of a calendar feed."""
    accounts = Accounts(desk.store.database)
    found = accounts.find(desk.me.email)
    assert found is not None
    return desk.page(
        "account.html",
        status,
        fault=fault,
        by_password=found.password_hash is not None,
        by_hospital=found.subject is not None,
        hospital=desk.house.hospital,
        browsers=_browsers(desk, accounts),
        tokens=[(row, state_of(row, desk.now)) for row in Tokens(desk.store.database).all(desk.me.email)],
        scope_words=scope_words(desk),
        calendar=CALENDAR,
        calendar_word=_("Calendar address"),
        reached_at=desk.house.settings.web_url or str(desk.request.base_url).rstrip("/"),
        owner=desk.me.name,
        made=made,
        address=address,
        token_fault=token_fault,
        usual_days=USUAL_DAYS,
        longest_days=LONGEST_DAYS,
    )


def scope_words(desk: Desk) -> dict[str, str]:
    """The scopes that are of use to one's role, in words."""
    words = {
        READ: _("Read what I may see"),
        RECORD: _("Record in my name"),
        WEBHOOKS: _("Set up webhooks"),
    }
    return {scope: words[scope] for scope, needed in SCOPES.items() if needed is None or desk.me.may(needed)}


def _browsers(desk: Desk, accounts: Accounts) -> Sequence[Browser]:
    mine = _this_one(desk)
    return [
        Browser(
            row.secret_hash[:SHOWN],
            browser_name(row.browser),
            row.address or _("Not known"),
            row.began_at,
            row.seen_at,
            row.secret_hash == mine,
        )
        for row in accounts.browsers(desk.me.email)
        if desk.now - row.began_at <= signing_in.LONGEST
    ]


def browser_name(agent: str) -> str:
    """What a browser calls itself, cut down to the two words by which its owner knows it."""
    program = next((word for sign, word in PROGRAMS if sign in agent), "")
    system = next((word for sign, word in SYSTEMS if sign in agent), "")
    if program and system:
        return _("%(program)s on %(system)s", program=program, system=system)
    return program or system or agent or _("Not known")


def _this_one(desk: Desk) -> str:
    return signing_in.hashed(desk.request.cookies[signing_in.COOKIE])
