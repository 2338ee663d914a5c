"""What goes wrong, as RFC 9457 has it: what was wrong, what was expected, and what was not saved."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.routing import Match

from pathway.errors import NoSuchPatient, Outrun, Overtaken, PathwayError, StoreError
from pathway.journal import Entry
from persistence.database import PerhapsSaved

MEDIA_TYPE = "application/problem+json"
WHERE = "/api/v1/problems"
SOON = "5"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of problem: its status, its title, and what a caller does about it."""

    code: str
    status: int
    title: str
    remedy: str

    @property
    def type(self) -> str:
        return f"{WHERE}#{self.code}"


KINDS: Mapping[str, Kind] = {
    kind.code: kind
    for kind in (
        Kind("no-token", 401, "Nobody is known by this call", "Send Authorization: Bearer with a standing token."),
        Kind("not-allowed", 403, "The role or the token does not allow this", "Use a token that does."),
        Kind("not-found", 404, "There is no such thing", "Look the identifier up."),
        Kind("no-such-method", 405, "This address cannot do that", "See the OpenAPI document."),
        Kind("refused", 409, "The pathway refuses this", "Read why; the refusal is in the journal."),
        Kind("exists", 409, "It is there already", "Use what is there."),
        Kind("outrun", 409, "Somebody else was first", "Read again, then decide whether to send it again."),
        Kind("overtaken", 412, "The record has changed since it was read", "Read again, look at what was saved since."),
        Kind("too-large", 413, "The request is too large", "Send less at once."),
        Kind("not-json", 415, "The request is not JSON", "Send Content-Type: application/json."),
        Kind("malformed", 422, "The request cannot be understood", "Correct the places that are named."),
        Kind("bad-value", 422, "A value cannot be taken", "Correct the value; the refusal is in the journal."),
        Kind("key-used", 422, "The key was used for another request", "Use a new Idempotency-Key."),
        Kind("condition-missing", 428, "The version that was read must be named", "Send If-Match with the ETag."),
        Kind("too-many", 429, "Too many requests", "Wait as long as Retry-After says."),
        Kind("broken", 500, "Something went wrong on our side", "Send it again with the same Idempotency-Key."),
        Kind("away", 503, "The database cannot be used now", "Send it again later, with the same Idempotency-Key."),
        Kind("perhaps-saved", 503, "It may be saved or not", "Send it again with the same Idempotency-Key."),
    )
}


class SavedSince(BaseModel):
    """A line of the journal that came first."""

    seq: int
    recorded_at: str
    kind: str
    who: str


class Fault(BaseModel):
    """One place of the request that is wrong."""

    place: str = Field(description="Where: body.data.nrs, query.limit, header.If-Match")
    found: str = Field(description="What is wrong with it")


class ProblemBody(BaseModel):
    """application/problem+json (RFC 9457)."""

    type: str = Field(description="The kind of problem, as a reference to the list of them")
    title: str
    status: int
    detail: str = Field(description="What was wrong, what was expected, what was not saved")
    code: str | None = Field(default=None, description="The engine's own code, where the pathway refused")
    missing: list[str] | None = Field(default=None, description="What the record lacks")
    faults: list[Fault] | None = None
    saved_since: list[SavedSince] | None = Field(default=None, description="Who saved what since the version named")


class Problem(Exception):
    """An answer that is a problem. `more` are further members of its body, `headers` of the answer."""

    def __init__(self, kind: str, detail: str, /, *, headers: Mapping[str, str] | None = None, **more: Any) -> None:
        self.kind, self.detail, self.more, self.headers = KINDS[kind], detail, more, dict(headers or {})
        super().__init__(detail)

    def body(self) -> dict[str, Any]:
        kind = self.kind
        return {"type": kind.type, "title": kind.title, "status": kind.status, "detail": self.detail, **self.more}

    def response(self) -> JSONResponse:
        return JSONResponse(self.body(), self.kind.status, self.headers, MEDIA_TYPE)


def handle_problems(app: FastAPI) -> None:
    app.exception_handler(Problem)(_problem)
    app.exception_handler(PathwayError)(_refused)
    app.exception_handler(RequestValidationError)(_malformed)
    app.exception_handler(HTTPException)(_http)
    app.exception_handler(Exception)(_broken)


async def _problem(request: Request, error: Problem) -> Response:
    return error.response()


async def _refused(request: Request, error: PathwayError) -> Response:
    return problem_of(error).response()


def problem_of(error: PathwayError) -> Problem:
    """What the store and the engine raise, as an answer."""
    if isinstance(error, NoSuchPatient):
        return Problem("not-found", f"{error}; nothing was saved.")
    if isinstance(error, Overtaken):
        return Problem("overtaken", f"{error}.", saved_since=[saved_since(entry) for entry in error.entries])
    if isinstance(error, Outrun):
        return Problem("outrun", f"{error}.")
    if isinstance(error, PerhapsSaved):
        return Problem("perhaps-saved", str(error), headers={"Retry-After": SOON})
    if isinstance(error, StoreError):
        # Its words name the database and what the driver said: for those who run it, not for a caller.
        away = "The database cannot be used now; nothing was saved. Try again later."
        return Problem("away", away, headers={"Retry-After": SOON})
    return Problem("refused", str(error))


def saved_since(entry: Entry) -> dict[str, Any]:
    what = (entry.step.kind or entry.step.event).replace("_", " ")
    who = entry.step.by or ("the engine" if entry.actor == "system" else f"a {entry.actor}")
    return {"seq": entry.seq, "recorded_at": entry.recorded_at.isoformat(), "kind": what, "who": who}


async def _malformed(request: Request, error: RequestValidationError) -> Response:
    faults = [
        {"place": ".".join(str(part) for part in fault["loc"]), "found": str(fault["msg"])} for fault in error.errors()
    ]
    first = faults[0]
    detail = f"{first['place']}: {first['found']}; nothing was saved."
    return Problem("malformed", detail, faults=faults).response()


async def _http(request: Request, error: HTTPException) -> Response:
    return http_problem(request, error).response()


def http_problem(request: Request, error: HTTPException) -> Problem:
    """What the framework answers by itself, as a problem."""
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        allowed = ", ".join(_allowed(request))
        detail = f"{request.method} is not possible here; expected {allowed}. Nothing was saved."
        return Problem("no-such-method", detail, headers={"Allow": allowed})
    if error.status_code == HTTPStatus.NOT_FOUND:
        detail = "There is nothing at this address; the OpenAPI document names what there is. Nothing was saved."
        return Problem("not-found", detail)
    return Problem("malformed", f"{error.detail}; nothing was saved.")


def _allowed(request: Request) -> list[str]:
    """What is possible at the address, of all its routes: the framework names those of the first one only."""
    routes = (route for router in request.app.state.routers for route in router.routes)
    there = (route for route in routes if route.matches(request.scope)[0] is not Match.NONE)
    return sorted({method for route in there for method in route.methods} or {"GET"})


async def _broken(request: Request, error: Exception) -> Response:
    """A fault of ours. The server logs its trace; the caller is told what it means for them."""
    return Problem("broken", "Something went wrong on our side. If this was a write, nothing was saved.").response()
