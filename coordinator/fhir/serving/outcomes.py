"""Every answer of the service: resources as application/fhir+json, and what goes wrong as an OperationOutcome."""

import json
from collections.abc import Mapping
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from coordinator.api.problems import Problem, problem_of
from coordinator.fhir.out.elements import Json
from pathway.errors import PathwayError

MEDIA_TYPE = "application/fhir+json"
# The codes that R4 has for kinds of issues (a required value set), by the status of the answer.
ISSUES = {
    400: "invalid",
    401: "login",
    403: "forbidden",
    404: "not-found",
    405: "not-supported",
    406: "not-supported",
    410: "deleted",
    413: "too-long",
    415: "not-supported",
    422: "invalid",
    429: "throttled",
    500: "exception",
    503: "transient",
}


class FhirProblem(Exception):
    """What is wrong with a request, in a sentence; `issue`: the code of R4, where the status does not say it."""

    def __init__(self, status: int, because: str, issue: str = "") -> None:
        self.status, self.because, self.issue = status, because, issue
        super().__init__(because)


def answer(found: Json, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(json.dumps(found, ensure_ascii=False), status, headers, f"{MEDIA_TYPE}; charset=utf-8")


def outcome(*issues: Json) -> Json:
    return {"resourceType": "OperationOutcome", "issue": list(issues)}


def issue(because: str, code: str, severity: str = "error") -> Json:
    return {"severity": severity, "code": code, "diagnostics": because, "details": {"text": because}}


def handle_problems(app: FastAPI) -> None:
    app.exception_handler(FhirProblem)(_fhir)
    app.exception_handler(Problem)(_problem)
    app.exception_handler(PathwayError)(_refused)
    app.exception_handler(RequestValidationError)(_malformed)
    app.exception_handler(HTTPException)(_http)
    app.exception_handler(Exception)(_broken)


def _said(status: int, because: str, code: str = "", headers: Mapping[str, str] | None = None) -> Response:
    return answer(outcome(issue(because, code or ISSUES.get(status, "processing"))), status, headers)


async def _fhir(_request: Request, error: FhirProblem) -> Response:
    return _said(error.status, error.because, error.issue)


async def _problem(_request: Request, error: Problem) -> Response:
    return _said(error.kind.status, error.detail, headers=error.headers)


async def _refused(_request: Request, error: PathwayError) -> Response:
    found = problem_of(error)
    return _said(found.kind.status, found.detail, headers=found.headers)


async def _malformed(_request: Request, error: RequestValidationError) -> Response:
    first = error.errors()[0]
    return _said(400, f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}.")


async def _http(request: Request, error: HTTPException) -> Response:
    known: dict[int, str] = {
        HTTPStatus.NOT_FOUND: "There is nothing at this address; /fhir/R4/metadata says what there is.",
        HTTPStatus.METHOD_NOT_ALLOWED: f"{request.method} is not possible here: this service reads and searches.",
    }
    return _said(error.status_code, known.get(error.status_code, str(error.detail)), headers=error.headers)


async def _broken(_request: Request, _error: Exception) -> Response:
    """A fault of ours. The server logs its trace; the caller is told what it means for them."""
    return _said(500, "Something went wrong on our side. Nothing was changed.")
