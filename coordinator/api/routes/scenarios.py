"""Scenarios: a local pathway tried in virtual time. Each runs in memory, on a database that is gone afterwards."""

from contextlib import closing
from dataclasses import asdict
from datetime import timedelta
from threading import Lock

from fastapi import APIRouter

from coordinator.api.asked import ScenarioAsked
from coordinator.api.door import Caller, needs
from coordinator.api.house_shapes import ScenarioResult
from coordinator.api.problems import Problem
from coordinator.scenario_runner import run_all, stage, trace_all
from coordinator.web.access import May
from pathway.errors import PathwayError
from pathway.guideline import Guideline
from pathway.scenario import Scenario, scenario_faults

router = APIRouter(tags=["scenarios"])
LONGEST = timedelta(days=5 * 366)
# One at a time: each makes its tables anew, and a busy machine has patients to look after.
_TURN = Lock()
# What a guard or a check stumbles over where a scenario gives it a value of another kind.
UNFIT = (TypeError, ValueError, KeyError, AttributeError, IndexError, OverflowError, AssertionError)


@router.post("/scenarios/run")
def run_scenario(asked: ScenarioAsked, caller: Caller = needs(May.SEE_RULES)) -> ScenarioResult:
    """Run a scenario: what failed of what it expects, and the world after each step. No patient is touched."""
    guideline = caller.store.engine.guideline
    scenario = _checked(asked, guideline)
    try:
        with _TURN, closing(stage(guideline)) as found:
            ((_scenario, failures),) = run_all(found, [scenario])
            trace = list(trace_all(found, [scenario]))
    except PathwayError as error:
        raise Problem("malformed", f"{error}; nothing was saved.") from error
    except UNFIT as error:
        said = f"The scenario cannot be run: {type(error).__name__}: {error}"
        raise Problem("malformed", f"{said}; expected values as docs/scenarios.md has them.") from error
    shown = [asdict(failure) for failure in failures]
    return ScenarioResult(id=scenario.id, passed=not failures, failures=shown, trace=trace)


def _checked(asked: ScenarioAsked, guideline: Guideline) -> Scenario:
    scenario = Scenario.model_validate(asked.model_dump())
    faults = list(scenario_faults(scenario, guideline))
    if faults:
        named = [{"place": "body", "found": fault} for fault in faults]
        raise Problem("malformed", f"{faults[0]}; nothing was run.", faults=named)
    moments = [scenario.instant(at) for at in (*(s.at for s in scenario.steps), *(e.at for e in scenario.expect))]
    if max(moments) - min(moments) > LONGEST:
        raise Problem("malformed", f"A scenario spans at most {LONGEST.days} days; nothing was run.")
    return scenario
