"""Calendar feeds by an address that cannot be guessed: calendar programs know no other way to prove whose they are."""

from datetime import timedelta

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse, Response

from coordinator.tokens import CALENDAR, NoToken, standing_token
from coordinator.web.access import May, refusal
from coordinator.web.doors import anybody
from coordinator.web.house import House
from persistence.tokens import Tokens
from scheduler.calendar_feed import NoSuchFeed, calendar_feed

router = APIRouter()
# A calendar asks each hour or so; its last use need not be exact.
TOUCHED = timedelta(hours=1)


@router.get("/calendar/{secret}.ics")
def feed(
    secret: str,
    role: str | None = None,
    owner: str | None = None,
    worklist: str | None = None,
    titles: bool = False,
    house: House = anybody(),
) -> Response:
    """The feed that `pathway calendar` writes to a file, for the token that stands in the address."""
    now = house.clock()
    try:
        token = standing_token(house.store, secret, now)
    except NoToken as error:
        return _refused(str(error), 404)
    because = refusal(token.role, May.SEE_WORK)
    if token.scopes != CALENDAR or because:
        return _refused(because or "this token was not made for a calendar, and is no secret any more: revoke it", 403)
    if token.last_used_at is None or now - token.last_used_at > TOUCHED:
        Tokens(house.store.database).touch(token.id, now)
    try:
        found = calendar_feed(house.store, now, role=role, owner=owner, worklist=worklist, titles=titles)
    except NoSuchFeed as error:
        return _refused(str(error), 404)
    return Response(found, media_type="text/calendar; charset=utf-8")


def _refused(because: str, status: int) -> Response:
    return PlainTextResponse(f"{because}\n", status)
