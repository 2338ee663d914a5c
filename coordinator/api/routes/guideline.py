"""The guideline as data: states, rules, clocks, work, recommendations and the lines of the sources they rest on."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query

from coordinator.api.asked import ADMINISTRATIVE, CORRECTED
from coordinator.api.asking import NO_NUL
from coordinator.api.door import Caller, needs
from coordinator.api.house_shapes import GuidelineShape, Rows, Vocabulary
from coordinator.api.problems import Problem
from coordinator.web.access import May
from pathway.deciding import DECISION_KINDS
from pathway.facts import FIELDS, LEVELS
from pathway.journal import plain

router = APIRouter(tags=["guideline"])
Name = Annotated[
    str | None, Query(max_length=80, pattern=NO_NUL, description="Profile; that of new episodes if left out")
]


@router.get("/guideline")
def get_guideline(caller: Caller = needs(May.SEE_RULES)) -> GuidelineShape:
    """What is followed here: version, scope, states and profiles, with who has signed them off."""
    guideline = caller.store.engine.guideline
    names = ("id", "title", "means", "phase", "terminal", "subs", "cites")
    profiles = [
        {"id": p.id, "version": p.version, "title": p.title, "sign_off": p.sign_off, "note": p.note}
        for p in guideline.profiles.values()
    ]
    return GuidelineShape(
        **{name: getattr(guideline, name) for name in ("id", "version", "title", "disclaimer", "clinical_review")},
        scope_levels=list(guideline.scope_levels),
        states=[plain({name: getattr(state, name) for name in names}) for state in guideline.states.values()],
        profiles=profiles,
        active_profile=caller.house.settings.profile,
    )


@router.get("/guideline/rules")
def list_rules(caller: Caller = needs(May.SEE_RULES)) -> Rows:
    """Every rule that moves somebody: from where, to where, on which guards, by whom, on which source lines."""
    return _rows(caller.store.engine.guideline.transitions)


@router.get("/guideline/timers")
def list_timers(profile: Name = None, caller: Caller = needs(May.SEE_RULES)) -> Rows:
    """Every clock, with its value under a profile."""
    guideline = caller.store.engine.guideline
    name = profile or caller.house.settings.profile
    if name not in guideline.profiles:
        known = ", ".join(guideline.profiles)
        raise Problem("not-found", f"There is no profile {name!r}; there are {known}.")
    values = guideline.profiles[name].parameters
    rows = _rows(guideline.timers.values()).items
    for row in rows:
        found = values[row["parameter"]]
        row.update(value=plain(found.value), unit=found.unit, value_engineering=found.engineering)
    return Rows(items=rows)


@router.get("/guideline/tasks")
def list_task_rules(caller: Caller = needs(May.SEE_RULES)) -> Rows:
    """Every kind of work: for whom, when due and overdue, and what closes it."""
    return _rows(caller.store.engine.guideline.tasks.values())


@router.get("/guideline/recommendations")
def list_recommendations(caller: Caller = needs(May.SEE_RULES)) -> Rows:
    """Every recommendation, with when it is shown."""
    return _rows(caller.store.engine.guideline.recommendations.values())


@router.get("/guideline/sources")
def list_sources(caller: Caller = needs(May.SEE_RULES)) -> Rows:
    """The lines of the sources, in our words."""
    return _rows(caller.store.engine.guideline.sources.values())


@router.get("/vocabulary")
def get_vocabulary(caller: Caller = needs(May.SEE_RULES)) -> Vocabulary:
    """What can be recorded, with units and ranges. What is left out of an observation is not known."""
    fields = {
        kind: {name: {"expected": field.expected, "unit": field.unit} for name, field in spec.items()}
        for kind, spec in FIELDS.items()
    }
    return Vocabulary(
        observations=fields,
        decisions=list(DECISION_KINDS),
        administration=list(ADMINISTRATIVE),
        corrections=list(CORRECTED),
        levels=list(LEVELS),
    )


def _rows(rules: Iterable[Any]) -> Rows:
    return Rows(items=[_row(rule) for rule in rules])


def _row(rule: Any) -> dict[str, Any]:
    found: dict[str, Any] = plain(asdict(rule))
    return found
