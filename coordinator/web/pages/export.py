"""The lists of the screens as files. Whoever takes one away is on record for every patient in it."""

from fastapi import APIRouter, HTTPException
from fastapi.responses import Response

from coordinator.export import sources
from coordinator.export.tables import COHORT, WORKLIST
from coordinator.web.access import May
from coordinator.web.desk import Desk
from coordinator.web.doors import needs
from coordinator.web.files import on_record, require_kind, table_file
from coordinator.web.pages.cohort import which_of
from coordinator.web.work_filters import filters_of
from persistence.episodes_where import ids_where

router = APIRouter()


@router.get("/export/worklist.{kind}")
def worklist(kind: str, desk: Desk = needs(May.SEE_WORK)) -> Response:
    """The whole list under the filters of the address, not only the page that is shown."""
    require_kind(kind)
    asked = filters_of(desk.request.query_params, desk.store.engine.guideline)
    if asked.odd:
        # Left out on a screen, where it is seen to be; a file would only be longer than it was meant to be.
        raise HTTPException(422, " ".join(asked.odd))
    items = on_record(desk, sources.work(desk.store, desk.now, view=asked.view), lambda item: item.patient)
    return table_file(WORKLIST, items, kind, f"worklist.{kind}")


@router.get("/export/cohort.{kind}")
def cohort(kind: str, desk: Desk = needs(May.SEE_PATIENTS)) -> Response:
    """Every episode, or those of a list of the cohort."""
    require_kind(kind)
    which = which_of(dict(desk.request.query_params))
    found = sources.cohort(desk.store, desk.now, ids=ids_where(desk.store, desk.now, which))
    return table_file(COHORT, on_record(desk, found, lambda r: r.followed.patient), kind, f"cohort.{kind}")
