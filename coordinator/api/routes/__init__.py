"""The routes of the API, a router for each kind of thing."""

from coordinator.api.routes.episodes import router as episodes
from coordinator.api.routes.guideline import router as guideline
from coordinator.api.routes.house import router as house
from coordinator.api.routes.patients import router as patients
from coordinator.api.routes.scenarios import router as scenarios
from coordinator.api.routes.webhooks import router as webhooks
from coordinator.api.routes.work import router as work
from coordinator.api.routes.writes import router as writes

ROUTERS = (patients, episodes, writes, work, guideline, scenarios, house, webhooks)
