"""The CDS service as an application of its own, mounted beside the screens under /cds."""

import json
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse, Response

from coordinator.api.limiting import Bounded, RateLimit
from coordinator.api.mounted import mounted_app
from coordinator.api.problems import MEDIA_TYPE, Problem, handle_problems
from coordinator.cds.callers import Callers
from coordinator.cds.calls import HOOK, Call, call_of, feedback_of
from coordinator.cds.cards import cards_of, doubtful
from coordinator.cds.people import Found, by_numbers, by_our_own_id
from coordinator.fhir.serving.app import PLACE as FHIR_PLACE
from coordinator.patient import patient_page
from coordinator.web.house import House
from persistence.accounts import Accounts
from persistence.cards import keep_feedback, note_shown

PLACE = "/cds"
SERVICE = "pathway-do-next"
# In the book of looks, where a person of ours has their role.
ROLE = "another system"

router = APIRouter()


def create_cds(house: House, limit: RateLimit) -> FastAPI:
    app = mounted_app(house, limit, title="CDS Hooks")
    app.state.callers = Callers(house.settings.cds_issuers)
    # What is possible at an address, for the answer to a method that is not.
    app.state.routers = (router,)
    app.include_router(router)
    app.add_middleware(Bounded)
    if house.settings.cds_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(house.settings.cds_origins),
            allow_methods=["GET", "POST"],
            allow_headers=["Authorization", "Content-Type"],
        )
    handle_problems(app)
    return app


@router.get("/cds-services")
def discovery(request: Request) -> Response:
    """What is offered. It names no patient, so it is open."""
    service = {
        "hook": HOOK,
        "id": SERVICE,
        "title": "Vertebral fracture pathway: what to do next",
        "description": "Work that is due for a patient with a vertebral compression fracture, each with its rule and "
        "sources. It supports care coordinators and does not replace clinical judgement.",
        "prefetch": {"patient": "Patient/{{context.patientId}}"},
        "usageRequirements": "A number of the patient must be known to both systems.",
    }
    return JSONResponse({"services": [service]})


async def _body(request: Request) -> Any:
    try:
        return json.loads(await request.body())
    except (ValueError, RecursionError) as error:
        raise Problem("malformed", f"The body is not JSON ({error}); nothing was shown or saved.") from error


Body = Annotated[Any, Depends(_body)]


@router.post(f"/cds-services/{SERVICE}")
def do_next(request: Request, body: Body) -> Response:
    caller, house = _caller(request, f"/cds-services/{SERVICE}"), _house(request)
    call = call_of(body)
    found = _patient(house, call, request)
    if found is None:
        return _not_sent_along()
    if found.doubt:
        return JSONResponse({"cards": [doubtful(found.doubt, _base(request))]})
    if not found.number:
        return JSONResponse({"cards": []})
    now = house.clock()
    page = patient_page(house.store, found.number, now)
    shown = cards_of(page, house.store.engine.guideline, _base(request))
    note_shown(house.store.database, [each.row for each in shown], now)
    who = f"{caller} {call.user}".strip()
    Accounts(house.store.database).note_view(who, ROLE, page.patient, f"cds {HOOK}", now)
    return JSONResponse({"cards": [each.card for each in shown]})


@router.post(f"/cds-services/{SERVICE}/feedback")
def feedback(request: Request, body: Body) -> Response:
    caller, house = _caller(request, f"/cds-services/{SERVICE}/feedback"), _house(request)
    rows = feedback_of(body, caller, house.clock())
    unknown = keep_feedback(house.store.database, rows)
    if unknown:
        raise Problem("not-found", f"Card {unknown[:60]} was never shown from here; nothing was saved.")
    return JSONResponse({})


def _house(request: Request) -> House:
    house: House = request.app.state.house
    return house


def _caller(request: Request, path: str) -> str:
    house = _house(request)
    callers: Callers = request.app.state.callers
    caller = callers.known(request, house, house.clock(), f"{_base(request)}{PLACE}{path}")
    limit: RateLimit = request.app.state.limit
    limit.heed(f"cds {caller}")
    return caller


def _patient(house: House, call: Call, request: Request) -> Found | None:
    """Whom it is about; None where the patient was not sent along and cannot be looked up."""
    if call.person is not None:
        return by_numbers(house.store, call.person, house.settings.cds_identifier, house.settings.zone)
    if call.server == f"{_base(request)}{FHIR_PLACE}":
        return by_our_own_id(house.store, call)
    return None


def _not_sent_along() -> Response:
    """412 is what CDS Hooks has for it: the service cannot get at the data that it needs."""
    detail = "The patient was not sent along; send prefetch.patient as the discovery asks. Nothing was shown."
    body = {"type": "about:blank", "title": "The patient is missing", "status": 412, "detail": detail}
    return JSONResponse(body, 412, media_type=MEDIA_TYPE)


def _base(request: Request) -> str:
    house = _house(request)
    return house.settings.web_url.rstrip("/") or f"{request.url.scheme}://{request.url.netloc}"
