"""What the applications for programs have in common: no pages of the framework's own, one house, one rate limit."""

from typing import Any

from fastapi import FastAPI

from coordinator.api.limiting import RateLimit
from coordinator.web.house import House


def mounted_app(house: House, limit: RateLimit, **described: Any) -> FastAPI:
    """An application to be mounted beside the screens; it describes itself only where `described` says so."""
    usual = {"docs_url": None, "redoc_url": None, "openapi_url": None}
    app = FastAPI(**{**usual, "root_path_in_servers": False, "redirect_slashes": False, **described})
    app.state.house, app.state.limit = house, limit
    return app
