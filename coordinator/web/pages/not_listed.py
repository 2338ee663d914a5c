"""Why is this patient not on my list? Every open task of whoever fits what was typed, on the list or why not."""

from dataclasses import dataclass

from fastapi import APIRouter
from fastapi.responses import Response

from coordinator.web.access import May
from coordinator.web.desk import Desk
from coordinator.web.doors import needs
from coordinator.web.work_filters import filters_of, tab_words
from persistence.search import COUNTED, Found, search
from persistence.why_listed import WhyEpisode, why_listed

router = APIRouter()
MOST = 10


@dataclass(frozen=True, slots=True)
class Asked:
    """One patient who fits, with every episode and what became of its work in that view."""

    person: Found
    episodes: tuple[WhyEpisode, ...]


@router.get("/work/why-not")
def why_not(desk: Desk = needs(May.SEE_WORK), who: str = "") -> Response:
    asked = filters_of(desk.request.query_params, desk.store.engine.guideline)
    found = search(desk.store, who, MOST)
    people = [Asked(each, why_listed(desk.store, each.patient, desk.now, asked.view)) for each in found.people]
    word = tab_words()[asked.due]
    counts = {"total": found.total, "counted": COUNTED}
    return desk.page("not_listed.html", asked=asked, who=who.strip(), people=people, list_word=word, **counts)
