"""The board: how many patients are where, who is late, and how long they have been there."""

from fastapi import APIRouter
from fastapi.responses import Response

from coordinator.web import rule_words
from coordinator.web.access import May
from coordinator.web.desk import Desk
from coordinator.web.doors import needs
from persistence.board import house_board

router = APIRouter()


@router.get("/board")
def board_page(desk: Desk = needs(May.SEE_COUNTS)) -> Response:
    found = house_board(desk.store, desk.now)
    total = sum(place.episodes for phase in found.phases for place in phase.places)
    return desk.page("board.html", board=found, total=total, words=rule_words)
