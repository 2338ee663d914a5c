"""Calls of the API for the tests: every write with a body that is accepted, and every route with an address."""

import re
from dataclasses import dataclass, field
from typing import Any

from fastapi.testclient import TestClient
from httpx import Response

from coordinator.api.document import operations
from coordinator.api.door import Door, doors_of
from tests.api.conftest import FIRST

EPISODE = f"{FIRST}-1"
VALUES = {
    "patient": FIRST,
    "episode": EPISODE,
    "seq": "1",
    "code": "K-DXA",
    "webhook": "0a1b2c3d4e5f",
    "delivery": "6e0f4f9a8f0b5b0f9a3c0b1d2e3f4a5b",
}
FRACTURE = {"level": "L1", "fracture_date": "2026-03-10", "fracture_date_precision": "day", "mechanism": "low_energy"}


@dataclass(frozen=True, slots=True)
class Write:
    """A write that is accepted for the patient in care, by the role that may do it."""

    path: str
    body: dict[str, Any]
    role: str = "coordinator"
    versioned: bool = True
    patient: str = FIRST
    status: int = 201
    also: dict[str, str] = field(default_factory=dict)


NEW = "9990000034"
WRITES = {
    "register": Write("/patients", {"patient": NEW, "surname": "Sample", **FRACTURE}, versioned=False, patient=NEW),
    "further": Write(f"/patients/{FIRST}/episodes", {**FRACTURE, "level": "L2"}, versioned=False),
    "observe": Write(f"/episodes/{EPISODE}/observations", {"kind": "symptoms", "data": {"nrs": 5}}),
    "decide": Write(f"/episodes/{EPISODE}/decisions", {"kind": "refer_surgery", "reason": "worse"}, role="clinician"),
    "close": Write(
        f"/episodes/{EPISODE}/tasks/K-OPRX/close", {"how": "declined", "reason": "declines"}, role="clinician"
    ),
    "correct": Write(f"/episodes/{EPISODE}/corrections", {"what": "fracture_date", "value": "2026-02-22"}),
    "administer": Write(f"/episodes/{EPISODE}/administration", {"kind": "contact", "data": {"outcome": "reached"}}),
}


@dataclass(frozen=True, slots=True)
class Route:
    """One way in, with an address and what its door asks for; None: anybody may."""

    method: str
    path: str
    template: str
    door: Door | None
    doors: int


def routes() -> list[Route]:
    found = []
    for method, template, route in operations():
        doors = list(doors_of(route.dependant))
        path = re.sub(r"{(\w+)}", lambda name: VALUES[name[1]], template)
        found.append(Route(method, path, template, doors[0] if doors else None, len(doors)))
    assert found
    return found


def send(client: TestClient, write: Write, key: str, seen: int | None, **more: Any) -> Response:
    headers = {"Idempotency-Key": key}
    if write.versioned and seen is not None:
        headers["If-Match"] = f'"{seen}"'
    return client.post(write.path, json=write.body, headers=headers, **more)
