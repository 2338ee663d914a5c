"""One's own tokens: what a program shows to act in one's name."""

from fastapi import APIRouter, Form
from fastapi.responses import Response

from coordinator.tokens import CALENDAR, LONGEST_DAYS, LONGEST_NAME, USUAL_DAYS, TokenRefused, make_token
from coordinator.web.access import May
from coordinator.web.desk import Desk
from coordinator.web.doors import needs
from coordinator.web.pages.account import account_page
from coordinator.web.text import _
from persistence.tokens import Tokens

router = APIRouter()


@router.post("/account/tokens")
def make(
    desk: Desk = needs(May.OWN_ACCOUNT),
    name: str = Form(""),
    scope: list[str] = Form([]),
    days: str = Form(str(USUAL_DAYS)),
) -> Response:
    """A new token; its secret is shown once, on this answer and nowhere else."""
    if not days.isdigit():
        return account_page(desk, 422, token_fault=_("Say for how many days, as a number; no token was made."))
    try:
        made = make_token(desk.store, desk.me.email, name, scope, days=int(days), at=desk.now, by=desk.me.email)
    except TokenRefused as error:
        return account_page(desk, 422, token_fault=str(error))
    return account_page(desk, made=made)


@router.post("/account/calendar")
def make_calendar(desk: Desk = needs(May.SEE_WORK)) -> Response:
    """The address of a calendar feed, which is shown once and holds for a year."""
    name = _("Calendar of %(name)s", name=desk.me.name)
    try:
        made = make_token(
            desk.store, desk.me.email, name[:LONGEST_NAME], [CALENDAR], days=LONGEST_DAYS, at=desk.now, by=desk.me.email
        )
    except TokenRefused as error:
        return account_page(desk, 422, token_fault=str(error))
    return account_page(desk, address=made)


@router.post("/account/tokens/revoke")
def revoke(desk: Desk = needs(May.OWN_ACCOUNT), token: str = Form("")) -> Response:
    """End one of one's own; that of somebody else stands."""
    if not Tokens(desk.store.database).revoke(token, desk.now, desk.me.email, email=desk.me.email):
        return account_page(desk, 404, token_fault=_("You have no such token that still stands; nothing was changed."))
    return desk.go("/account", _("The token opens nothing any more."))
