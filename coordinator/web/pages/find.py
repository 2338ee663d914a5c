"""Finding a patient by parts of the name, the number or the date of birth. Nobody is opened without a click."""

from fastapi import APIRouter
from fastapi.responses import Response

from coordinator.web.access import May
from coordinator.web.desk import Desk
from coordinator.web.doors import needs
from persistence.search import COUNTED, search

router = APIRouter()
LONGEST = 200


@router.get("/find")
def find(q: str = "", desk: Desk = needs(May.SEE_PATIENTS)) -> Response:
    typed = q[:LONGEST].strip()
    return desk.page("find.html", typed=typed, found=search(desk.store, typed) if typed else None, counted=COUNTED)
