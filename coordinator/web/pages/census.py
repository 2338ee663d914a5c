"""The census: that nobody is lost, and whether the machinery is well."""

from fastapi import APIRouter
from fastapi.responses import Response

from coordinator.web.access import May
from coordinator.web.census_page import census_page
from coordinator.web.desk import Desk
from coordinator.web.doors import needs
from coordinator.web.text import _

router = APIRouter()


@router.get("/census")
def census(desk: Desk = needs(May.SEE_HEALTH)) -> Response:
    words = {"ok": _("Well"), "degraded": _("Somebody must look"), "down": _("Down")}
    symbols = {"ok": "●", "degraded": "▲", "down": "✖"}
    return desk.page("census.html", page=census_page(desk), words=words, symbols=symbols)
