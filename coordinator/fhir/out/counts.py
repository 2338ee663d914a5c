"""The census as a Measure and its MeasureReport: counts only, in which no patient is named."""

from datetime import datetime

from sqlalchemy import func, select

from coordinator.fhir.out.elements import Json, coding, concept, instant, resource
from coordinator.fhir.out.names import address
from coordinator.fhir.out.terms import FIGURES
from pathway.guideline import Guideline
from persistence import models
from persistence.registry import table
from persistence.store import Store
from scheduler.census import Census, census

POPULATION = {
    "coding": [{"system": "http://terminology.hl7.org/CodeSystem/measure-population", "code": "initial-population"}]
}
URL = address("Measure", "census")
OVERDUE = "overdue-work"


def measure(guideline: Guideline) -> Json:
    groups = [*FIGURES.items(), (OVERDUE, "Episodes with open work after the end of its window, by the work")]
    return resource(
        "Measure",
        "pathway-census",
        url=URL,
        version=guideline.version,
        name="PathwayCensus",
        title="Census: the proof that nobody is lost",
        status="draft",
        description="Every episode is active, held or ended, has an owner and a next date; what is overdue, by work.",
        scoring={
            "coding": [{"system": "http://terminology.hl7.org/CodeSystem/measure-scoring", "code": "cohort"}],
        },
        group=[_measured(code, title) for code, title in groups],
    )


def _measured(code: str, title: str) -> Json:
    criteria = {"language": "text/fhirpath", "expression": f"%{code.replace('-', '_')}", "description": title}
    found = {"code": {"text": title}, "population": [{"code": POPULATION, "criteria": criteria}]}
    if code in ("enrolled", OVERDUE):
        by = "%state" if code == "enrolled" else "%task"
        found["stratifier"] = [{"criteria": {"language": "text/fhirpath", "expression": by}}]
    return found


def measure_report(store: Store, now: datetime) -> Json:
    found, guideline = census(store, now), store.engine.guideline
    return resource(
        "MeasureReport",
        "census",
        updated=now,
        status="complete",
        type="summary",
        measure=f"{URL}|{guideline.version}",
        date=instant(now),
        # A census counts what stands at one instant.
        period={"start": instant(now), "end": instant(now)},
        group=[*_groups(store, found), _overdue(store, now)],
    )


def _groups(store: Store, found: Census) -> list[Json]:
    groups = []
    for code in FIGURES:
        figure = getattr(found, code)
        count = figure if isinstance(figure, int) else len(figure)
        group = {
            "code": concept("census", code, FIGURES[code]),
            "population": [{"code": POPULATION, "count": count}],
        }
        if code == "enrolled":
            group["stratifier"] = [{"code": [{"text": "By state"}], "stratum": _by_state(store)}]
        groups.append(group)
    return groups


def _by_state(store: Store) -> list[Json]:
    episodes = table(models.Episode)
    query = select(episodes.c.state, episodes.c.sub, func.count().label("episodes"))
    with store.database.reading() as connection:
        rows = connection.execute(query.group_by(episodes.c.state, episodes.c.sub)).all()
    counts = {f"{row.state}.{row.sub}" if row.sub else row.state: row.episodes for row in rows}
    return [_stratum("state", path, count) for path, count in sorted(counts.items())]


def _overdue(store: Store, now: datetime) -> Json:
    """Open work whose window is over on the day of UTC; a site's own day may have come some hours earlier."""
    tasks = table(models.Task)
    late = (tasks.c.status == "open") & (tasks.c.overdue_after < now.date())
    each = select(tasks.c.code, func.count(func.distinct(tasks.c.episode_id)).label("episodes")).where(late)
    with store.database.reading() as connection:
        rows = connection.execute(each.group_by(tasks.c.code).order_by(tasks.c.code)).all()
        episodes = connection.scalar(select(func.count(func.distinct(tasks.c.episode_id))).where(late)) or 0
    strata = [_stratum("task", row.code, row.episodes) for row in rows]
    return {
        "code": {"text": "Episodes with overdue work"},
        "population": [{"code": POPULATION, "count": episodes}],
        "stratifier": [{"code": [{"text": "By work"}], "stratum": strata}],
    }


def _stratum(vocabulary: str, code: str, count: int) -> Json:
    value = {"coding": [coding(vocabulary, code)], "text": code}
    return {"value": value, "population": [{"code": POPULATION, "count": count}]}
