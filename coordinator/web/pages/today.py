"""Today: who needs what, most urgent first."""

from fastapi import APIRouter
from fastapi.responses import Response

from coordinator.web.access import May
from coordinator.web.desk import Desk
from coordinator.web.doors import needs

router = APIRouter()


@router.get("/")
def today(desk: Desk = needs(May.SEE_WORK)) -> Response:
    return desk.page("today.html")
