"""The routes of the API, a router for each kind of thing."""

from coordinator.api.routes import episodes, guideline, house, patients, scenarios, webhooks, work, writes

ROUTERS = (
    patients.router,
    episodes.router,
    writes.router,
    work.router,
    guideline.router,
    scenarios.router,
    house.router,
    webhooks.router,
)
