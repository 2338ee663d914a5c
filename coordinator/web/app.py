"""The application: its routes, what every answer carries, and how what goes wrong is said."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from time import perf_counter

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware

from coordinator.api.app import PLACE, create_api
from coordinator.api.problems import http_problem
from coordinator.cds.app import PLACE as CDS_PLACE
from coordinator.cds.app import create_cds
from coordinator.fhir.serving.app import PLACE as FHIR_PLACE
from coordinator.fhir.serving.app import create_fhir
from coordinator.web import layout, text
from coordinator.web.doors import Elsewhere, Forbidden, Locked, house_of
from coordinator.web.house import STATIC, House
from coordinator.web.kept import kept_of
from coordinator.web.pages import ROUTERS
from coordinator.web.pages.locked import lock_page
from coordinator.web.text import _
from pathway.errors import PathwayError

SAFE = ("GET", "HEAD", "OPTIONS")
YEAR = "public, max-age=31536000, immutable"
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

Next = Callable[[Request], Awaitable[Response]]


def create_app(house: House) -> FastAPI:
    """The whole site over one store. Nothing is read from the environment or the clock here."""
    text.speak(house.settings.language)
    house.templates.globals.update(layout.GLOBALS)
    app = FastAPI(title="Clinical pathway engine", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.house = house
    for router in ROUTERS:
        app.include_router(router)
    api = create_api(house)
    app.mount(PLACE, api, name="api")
    app.mount(FHIR_PLACE, create_fhir(house, api.state.limit), name="fhir")
    app.mount(CDS_PLACE, create_cds(house, api.state.limit), name="cds")
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    app.middleware("http")(_guarded)
    app.add_middleware(GZipMiddleware, minimum_size=1000)
    app.exception_handler(Locked)(_locked)
    app.exception_handler(Elsewhere)(_elsewhere)
    app.exception_handler(Forbidden)(_forbidden)
    app.exception_handler(PathwayError)(_refused)
    app.exception_handler(RequestValidationError)(_unreadable)
    app.exception_handler(HTTPException)(_http)
    app.exception_handler(Exception)(_broken)
    return app


async def _guarded(request: Request, call_next: Next) -> Response:
    """A write must come from one of our own pages; every answer is ours alone and is kept by nobody."""
    if request.method not in SAFE and not (_by_token(request) or _from_our_own_page(request)):
        said = _("This did not come from a page of this site, so nothing was saved.")
        return _plain(request, said, 403)
    began = perf_counter()
    response = await call_next(request)
    response.headers.update(HEADERS)
    response.headers["Server-Timing"] = f"app;dur={(perf_counter() - began) * 1000:.1f}"
    static = request.url.path.startswith("/static/") and "v" in request.query_params
    response.headers["Cache-Control"] = YEAR if static else "no-store"
    if house_of(request).secure:
        response.headers["Strict-Transport-Security"] = "max-age=31536000"
    return response


def _for_programs(request: Request) -> bool:
    return request.url.path.startswith(f"{PLACE}/")


def _by_token(request: Request) -> bool:
    """There a token opens the doors and never a cookie, so no page of another site can make a browser write."""
    return request.url.path.startswith((f"{PLACE}/", f"{FHIR_PLACE}/", f"{CDS_PLACE}/"))


def _from_our_own_page(request: Request) -> bool:
    """By the Origin that every browser sends with a form; without one, by what it says of the site."""
    origin = request.headers.get("origin")
    if origin is not None:
        ours = {f"{request.url.scheme}://{request.url.netloc}", house_of(request).settings.web_url.rstrip("/")}
        return origin in ours - {""}
    return request.headers.get("sec-fetch-site") == "same-origin"


def _plain(request: Request, said: str, status: int) -> HTMLResponse:
    template = house_of(request).templates.get_template("trouble.html")
    page = HTMLResponse(template.render(said=said, status=status, me=None, desk=None), status)
    page.headers.update(HEADERS)
    return page


async def _elsewhere(request: Request, error: Elsewhere) -> Response:
    return error.response


async def _locked(request: Request, error: Locked) -> Response:
    """A form that met the lock is not lost: its fields wait on the page that asks for the password."""
    if request.method in SAFE:
        return error.response
    meant_for = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return lock_page(request, house_of(request), kept_of(meant_for, await request.form()))


async def _forbidden(request: Request, error: Forbidden) -> Response:
    return _plain(request, str(error), 403)


async def _refused(request: Request, error: PathwayError) -> Response:
    return _plain(request, str(error), 409)


async def _unreadable(request: Request, error: RequestValidationError) -> Response:
    first = error.errors()[0]
    place = str(first["loc"][-1])
    return _plain(request, _("%(field)s: %(fault)s; nothing was saved.", field=place, fault=first["msg"]), 422)


async def _http(request: Request, error: HTTPException) -> Response:
    if _for_programs(request):
        # An address with a line break in it is under no mount; a program is answered as one all the same.
        return http_problem(request, error).response()
    known = {404: _("There is no such page."), 405: _("This page cannot do that; nothing was saved.")}
    ours = error.detail != HTTPStatus(error.status_code).phrase
    said = str(error.detail) if ours else known.get(error.status_code, str(error.detail))
    return _plain(request, said, error.status_code)


async def _broken(request: Request, error: Exception) -> Response:
    """A fault of ours. The server logs its trace; the person is told what it means for them."""
    return _plain(request, _("Something went wrong on our side. If you were saving, nothing was saved."), 500)
