"""The FHIR service as an application of its own, mounted beside the screens under /fhir/R4."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import Response

from coordinator.api.door import Caller, needs
from coordinator.api.limiting import RateLimit
from coordinator.api.mounted import mounted_app
from coordinator.fhir.out.elements import TAG, Json, instant
from coordinator.fhir.out.record import TYPES, resources
from coordinator.fhir.serving.asking import Asked, read_search
from coordinator.fhir.serving.capability import capability_statement
from coordinator.fhir.serving.finding import Page, chart_of, find, search, versioned
from coordinator.fhir.serving.outcomes import FhirProblem, answer, handle_problems, issue, outcome
from coordinator.fhir.serving.parameters import PARAMETERS
from coordinator.web.access import May, refusal
from coordinator.web.house import House
from persistence.accounts import Accounts

PLACE = "/fhir/R4"
FORM = "application/x-www-form-urlencoded"
# What a type needs beside a token that reads; everything else is about patients.
NEEDS: Mapping[str, May] = {
    "AuditEvent": May.AUDIT,
    "DocumentReference": May.AUDIT,
    "CommunicationRequest": May.SEE_MESSAGES,
    "Communication": May.SEE_MESSAGES,
    "MeasureReport": May.SEE_COUNTS,
    **dict.fromkeys(("PlanDefinition", "CodeSystem", "ValueSet", "Measure"), May.SEE_RULES),
}
JSON_TYPES = ("application/fhir+json", "application/json", "application/*", "*/*", "text/json", "json")

router = APIRouter()


def create_fhir(house: House, limit: RateLimit) -> FastAPI:
    """Over the same store, settings, clock and rate limit as the API."""
    app = mounted_app(house, limit, title="FHIR R4")
    app.include_router(router)
    handle_problems(app)
    return app


# ---------------------------------------------------------------- routes


@router.get("/metadata")
def metadata(request: Request) -> Response:
    _require_json(request)
    house: House = request.app.state.house
    return answer(capability_statement(base_of(request), house.clock()))


@router.get("/Patient/{name}/$everything")
def everything(request: Request, name: str, caller: Caller = needs(May.SEE_PATIENTS)) -> Response:
    """All that the role may see of one patient, on one page; _type and _since narrow it."""
    _require_json(request)
    whole = chart_of(caller.store, name)
    if whole is None:
        raise _nothing("Patient", name)
    wanted = request.query_params.get("_type")
    types = [kind for kind in TYPES if not refusal(caller.role.id, _permission(kind))]
    types = [kind for kind in types if wanted is None or kind in wanted.split(",")]
    made = resources(whole, caller.store.engine.guideline, caller.now, types)
    found = [each for each in made if _is_since(each, request.query_params.get("_since"))]
    caller.note_view(whole.patient.id, "fhir $everything")
    base = base_of(request)
    narrowed = [pair for pair in request.query_params.multi_items() if pair[0] in ("_type", "_since")]
    address = f"{base}/Patient/{name}/$everything" + (f"?{urlencode(narrowed)}" if narrowed else "")
    ignored = [key for key in request.query_params if key not in ("_type", "_since", "_format", "_count")]
    made_of = _bundle(found, base, caller.now, [{"relation": "self", "url": address}], total=len(found))
    return answer(_with_note(made_of, ignored))


def _is_since(resource: Json, since: str | None) -> bool:
    if since is None:
        return True
    asked = read_search(resource["resourceType"], [("_lastUpdated", f"ge{since}")], "", strict=True)
    return asked.fits(resource)


@router.get("/{kind}/{name}")
def read(request: Request, kind: str, name: str, caller: Caller = needs(May.SEE_RULES)) -> Response:
    _require(request, kind, caller)
    found = find(caller.store, kind, name, caller.now)
    if found is None:
        raise _nothing(kind, name)
    resource, patient = versioned(found[0]), found[1]
    if patient:
        caller.note_view(patient, f"fhir {kind}")
    headers = _headers(resource)
    if headers["ETag"] in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers=headers)
    return answer(resource, headers=headers)


@router.get("/{kind}")
def search_type(request: Request, kind: str, caller: Caller = needs(May.SEE_RULES)) -> Response:
    return _searched(request, kind, caller, request.query_params.multi_items())


@router.post("/{kind}/_search")
async def search_by_post(request: Request, kind: str, caller: Caller = needs(May.SEE_RULES)) -> Response:
    """A search whose parameters should not stand in logs."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        raise FhirProblem(415, f"The parameters of _search must be sent as {FORM}.")
    body = (await request.body()).decode("utf-8", errors="replace")
    return _searched(request, kind, caller, [*request.query_params.multi_items(), *parse_qsl(body)])


# ---------------------------------------------------------------- searching


def _searched(request: Request, kind: str, caller: Caller, sent: Sequence[tuple[str, str]]) -> Response:
    _require(request, kind, caller)
    base = base_of(request)
    strict = "handling=strict" in request.headers.get("prefer", "").replace(" ", "")
    asked = read_search(kind, sent, base, strict=strict)
    page = search(caller.store, asked, caller.now)
    Accounts(caller.store.database).note_views(
        caller.email, caller.role.id, page.patients, f"api fhir {kind}", caller.now
    )
    return answer(_searchset(page, asked, base, caller.now))


def _searchset(page: Page, asked: Asked, base: str, now: datetime) -> Json:
    used = [*asked.used, ("_count", str(asked.count))]
    here = f"{base}/{asked.kind}"
    link = [{"relation": "self", "url": f"{here}?{urlencode(_with_cursor(used, asked.cursor))}"}]
    if page.next is not None:
        link.append({"relation": "next", "url": f"{here}?{urlencode(_with_cursor(used, page.next))}"})
    whole = asked.cursor is None and page.next is None
    made = _bundle(page.found, base, now, link, total=len(page.found) if whole else None)
    return _with_note(made, asked.unknown)


def _with_note(made: Json, ignored: Sequence[str]) -> Json:
    """What was not understood is named in the answer."""
    if not ignored:
        return made
    said = f"{', '.join(ignored)}: no parameter here, so it was left out of account."
    note = {"resource": outcome(issue(said, "not-supported", "warning")), "search": {"mode": "outcome"}}
    return {**made, "entry": [*made.get("entry", ()), note]}


def _with_cursor(used: list[tuple[str, str]], cursor: str | None) -> list[tuple[str, str]]:
    return [*used, ("_cursor", cursor)] if cursor else used


def _bundle(found: list[Json], base: str, now: datetime, link: list[Json], *, total: int | None) -> Json:
    entries: list[Any] = [
        {
            "fullUrl": f"{base}/{each['resourceType']}/{each['id']}",
            "resource": versioned(each),
            "search": {"mode": "match"},
        }
        for each in found
    ]
    made: Json = {"resourceType": "Bundle", "type": "searchset", "timestamp": instant(now), "link": link}
    made["meta"] = {"lastUpdated": instant(now), "tag": [TAG]}
    return {**made, **({"total": total} if total is not None else {}), **({"entry": entries} if entries else {})}


# ---------------------------------------------------------------- what every request needs


def base_of(request: Request) -> str:
    house: House = request.app.state.house
    return (house.settings.web_url.rstrip("/") or f"{request.url.scheme}://{request.url.netloc}") + PLACE


def _require(request: Request, kind: str, caller: Caller) -> None:
    _require_json(request)
    if kind not in PARAMETERS:
        raise FhirProblem(404, f"There is no {kind[:60]} here; /fhir/R4/metadata says what there is.", "not-supported")
    because = refusal(caller.role.id, _permission(kind))
    if because:
        raise FhirProblem(403, because)


def _permission(kind: str) -> May:
    return NEEDS.get(kind, May.SEE_PATIENTS)


def _require_json(request: Request) -> None:
    """_format weighs more than Accept; only JSON is spoken."""
    wanted = request.query_params.get("_format") or request.headers.get("accept") or "*/*"
    offered = [part.partition(";")[0].strip().lower() for part in wanted.split(",")]
    if not any(each in JSON_TYPES for each in offered):
        raise FhirProblem(406, f"Only application/fhir+json is spoken here; {wanted[:80]} was asked for.")


def _headers(resource: Json) -> dict[str, str]:
    meta = resource["meta"]
    headers = {"ETag": f'W/"{meta["versionId"]}"'}
    if "lastUpdated" in meta:
        changed = datetime.fromisoformat(meta["lastUpdated"].replace("Z", "+00:00"))
        headers["Last-Modified"] = format_datetime(changed, usegmt=True)
    return headers


def _nothing(kind: str, name: str) -> FhirProblem:
    return FhirProblem(404, f"There is no {kind} {name[:64]} here.")
