"""The API as an application of its own, mounted beside the screens under /api/v1."""

from typing import Any

from fastapi import FastAPI

from coordinator.api.document import document
from coordinator.api.limiting import Bounded, RateLimit
from coordinator.api.mounted import mounted_app
from coordinator.api.problems import handle_problems
from coordinator.api.routes import ROUTERS
from coordinator.web.house import House

PLACE = "/api/v1"


def create_api(house: House) -> FastAPI:
    """Over the same store, settings and clock as the screens."""
    limit = RateLimit(house.settings.api_per_minute)
    app = mounted_app(house, limit, title="Clinical pathway engine", openapi_url="/openapi.json")
    app.state.routers = ROUTERS
    for router in ROUTERS:
        app.include_router(router)
    app.add_middleware(Bounded)
    handle_problems(app)
    known: dict[str, Any] = {}

    def described() -> dict[str, Any]:
        if not known:
            known.update(document(app, PLACE))
        return known

    app.openapi = described  # type: ignore[method-assign]  # as FastAPI says it is extended
    return app
