"""Every address of the site, from its own table of routes, with example values for what stands in braces.

A route that is not covered here fails the tests that walk, so a new page cannot be forgotten.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from sqlalchemy import select
from starlette.routing import BaseRoute

from coordinator.web.access import ROLES, May
from coordinator.web.doors import Door, Open
from persistence import models
from persistence.store import Store, table

# Answers that are no page: files, parts for programs. By the path as the route writes it, with the reason.
NO_PAGE: dict[str, str] = {
    "/changes": "a number for the script of a list that stands open",
    "/sign-in/hospital": "sends the browser to the hospital's own site",
    "/sign-in/hospital/back": "the way back from there",
    "/cohort/chart/{name}.svg": "a picture, which the page shows",
    "/calendar/{secret}.ics": "a calendar, for the program whose address it is",
    "/audit/export.csv": "a file",
    "/audit/export.ndjson": "a file",
    "/audit/export.parquet": "a file",
    "/patient/{patient}/unmerge/{merge}": "only of merged records, which the cohort has none of: test_merging looks",
    "/export/worklist.{kind}": "a file",
    "/export/cohort.{kind}": "a file",
}
# Values of a query without which a page has nothing to show.
QUERIES: dict[str, str] = {
    "/find": "q=a",
    "/work/why-not": "who=a",
    "/ahead/leave": "first=%2B1&last=%2B30",
    "/cohort/list": "state=SURVEILLANCE",
}
# Where one example does not show what there is: the names in braces, each time.
VARIANTS: dict[str, list[dict[str, str]]] = {
    "/patient/{patient}/record/{event}/{kind}": [
        {"event": "observe", "kind": "neuro_exam"},
        {"event": "observe", "kind": "imaging"},
        {"event": "decide", "kind": "refer_surgery"},
        {"event": "admin", "kind": "contact"},
        {"event": "correct", "kind": "fracture_date"},
    ],
}


@dataclass(frozen=True, slots=True)
class Route:
    """One way in: its path as written, its methods, and what its door asks for; None: anybody may."""

    path: str
    methods: tuple[str, ...]
    asks: May | None
    doors: int


def routes(app: FastAPI) -> list[Route]:
    found = []
    for route in flat(app.routes):
        if isinstance(route, APIRoute):
            doors = list(_doors(route.dependant))
            asks = next((door.permission for door in doors if isinstance(door, Door)), None)
            found.append(Route(route.path, tuple(sorted(route.methods)), asks, len(doors)))
    assert found, "no route was found, so nothing would be tried"
    return found


def flat(those: Sequence[BaseRoute]) -> Iterator[BaseRoute]:
    """The framework keeps an included router as one route; what it holds is what people ask for."""
    for route in those:
        inner = getattr(route, "original_router", None)
        if inner is None:
            yield route
        else:
            yield from flat(inner.routes)


def _doors(dependant: Dependant) -> Iterator[Door | Open]:
    for inner in dependant.dependencies:
        if isinstance(inner.call, Door | Open):
            yield inner.call
        yield from _doors(inner)


def examples(store: Store) -> dict[str, str]:
    """What stands for each name in braces: one patient who has a bit of everything."""
    episodes, people, rows = table(models.Episode), table(models.User), table(models.Reminder)
    tasks, fractures = table(models.Task), table(models.Candidate)
    with store.database.reading() as connection:
        query = select(episodes.c.patient_id, episodes.c.id, episodes.c.n, tasks.c.code, tasks.c.n.label("task_n"))
        query = query.join(tasks, tasks.c.episode_id == episodes.c.id)
        busy = connection.execute(query.where(tasks.c.status == "open").order_by(tasks.c.rank, episodes.c.id)).first()
        email = connection.scalar(select(people.c.email).order_by(people.c.email))
        key = connection.scalar(select(rows.c.key).where(rows.c.outcome == "waiting").order_by(rows.c.key))
        candidate = connection.scalar(select(fractures.c.id).order_by(fractures.c.id))
    assert busy is not None
    return {
        "patient": busy.patient_id,
        "patient_id": busy.patient_id,
        "episode": busy.id,
        "n": str(busy.n),
        "code": busy.code,
        "task_n": str(busy.task_n),
        "email": str(email),
        "key": str(key),
        "event": "observe",
        "kind": "symptoms",
        "seq": "1",
        "secret": "nothing",
        "candidate": str(candidate),
    }


def pages(app: FastAPI, store: Store) -> list[tuple[str, May | None]]:
    """The address of every page, with what its door asks for."""
    known, found = examples(store), []
    for route in routes(app):
        if "GET" not in route.methods or route.path in NO_PAGE:
            continue
        query = QUERIES.get(route.path)
        for variant in VARIANTS.get(route.path, [{}]):
            path = _filled(route.path, {**known, **variant})
            found.append((f"{path}?{query}" if query else path, route.asks))
    return found


def _filled(path: str, values: dict[str, str]) -> str:
    names = re.findall(r"{(\w+)(?::path)?}", path)
    missing = [name for name in names if name not in values]
    assert not missing, f"{path}: tests/web/every_page.py has no example for {', '.join(missing)}"
    return re.sub(r"{(\w+)(?::path)?}", lambda name: quote(values[name[1]], safe=""), path)


def who_may(asks: May | None) -> list[str | None]:
    """The roles that come in; nobody (None) where anybody may."""
    return [None] if asks is None else [role.id for role in ROLES.values() if asks in role.may]
