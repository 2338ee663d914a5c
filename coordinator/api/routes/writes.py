"""Writes: a patient, a fracture, an observation, a decision, work closed by hand, a correction, administration."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response

from coordinator.api.asked import (
    Administration,
    Asked,
    Closing,
    Correction,
    Decision,
    Fracture,
    Observation,
    Registration,
)
from coordinator.api.asking import NO_NUL, DryRun, EpisodePath, PatientPath
from coordinator.api.door import Caller, needs
from coordinator.api.headers import IfMatch, Key
from coordinator.api.recording import person_of, record_on, register, register_further, step_of
from coordinator.api.routes.episodes import episode_row
from coordinator.api.shapes import Foreseen, Recorded
from coordinator.tokens import RECORD
from coordinator.web.access import May

router = APIRouter(tags=["writes"], responses={200: {"model": Recorded | Foreseen}})
MADE: dict[str, Any] = {"status_code": 201, "response_model": Recorded}
IDENTITY = {"patient", "surname", "given", "event_id"}
TaskCode = Annotated[str, Path(max_length=80, pattern=NO_NUL, examples=["K-DXA"])]


@router.post("/patients", **MADE)
def register_patient(
    request: Request,
    asked: Registration,
    key: Key,
    dry_run: DryRun = False,
    caller: Caller = needs(May.RECORD, RECORD),
) -> Response:
    """Register a patient with the first fracture that is followed. Location is the new episode."""
    data = _fracture(caller, asked)
    step = step_of(caller, key, "register", "", data, asked.event_id)
    return register(caller, request, key, asked, step, dry_run=dry_run)


@router.post("/patients/{patient}/episodes", **MADE)
def register_fracture(
    request: Request,
    patient: PatientPath,
    asked: Fracture,
    key: Key,
    dry_run: DryRun = False,
    caller: Caller = needs(May.RECORD, RECORD),
) -> Response:
    """Register a further fracture of a known patient: an episode of its own; surveillance of an earlier one ends."""
    person_of(caller.store, patient)
    step = step_of(caller, key, "new_fracture", "", _fracture(caller, asked), asked.event_id)
    return register_further(caller, request, key, asked, patient, step, dry_run=dry_run)


@router.post("/episodes/{episode}/observations", **MADE)
def record_observation(
    request: Request,
    episode: EpisodePath,
    asked: Observation,
    key: Key,
    if_match: IfMatch = None,
    dry_run: DryRun = False,
    caller: Caller = needs(May.RECORD, RECORD),
) -> Response:
    """Record a measured fact. A red flag acts at once, whoever was first; this program calls nobody."""
    data = {**asked.data, "effective": asked.effective}
    return _on(caller, request, key, episode, asked, "observe", asked.kind, data, if_match, dry_run=dry_run)


@router.post("/episodes/{episode}/decisions", **MADE)
def record_decision(
    request: Request,
    episode: EpisodePath,
    asked: Decision,
    key: Key,
    if_match: IfMatch = None,
    dry_run: DryRun = False,
    caller: Caller = needs(May.RECORD, RECORD),
) -> Response:
    """Record what a person has decided. Who may decide it comes from the guideline."""
    data = {**asked.data, "outcome": asked.outcome, "service": asked.service, "reason": asked.reason}
    return _on(caller, request, key, episode, asked, "decide", asked.kind, data, if_match, dry_run=dry_run)


@router.post("/episodes/{episode}/tasks/{code}/close", **MADE)
def close_task(
    request: Request,
    episode: EpisodePath,
    code: TaskCode,
    asked: Closing,
    key: Key,
    if_match: IfMatch = None,
    dry_run: DryRun = False,
    caller: Caller = needs(May.RECORD, RECORD),
) -> Response:
    """Close work by hand, where the guideline allows that; what waits for data closes when the data comes."""
    data = {"code": code, "how": asked.how, "reason": asked.reason}
    return _on(caller, request, key, episode, asked, "task", code, data, if_match, dry_run=dry_run)


@router.post("/episodes/{episode}/corrections", **MADE)
def record_correction(
    request: Request,
    episode: EpisodePath,
    asked: Correction,
    key: Key,
    if_match: IfMatch = None,
    dry_run: DryRun = False,
    caller: Caller = needs(May.RECORD, RECORD),
) -> Response:
    """Put a date right, or take an observation, a closing or a contact back. Nothing is erased."""
    data = asked.model_dump(exclude={"what", "event_id"})
    return _on(caller, request, key, episode, asked, "correct", asked.what, data, if_match, dry_run=dry_run)


@router.post("/episodes/{episode}/administration", **MADE)
def record_administration(
    request: Request,
    episode: EpisodePath,
    asked: Administration,
    key: Key,
    if_match: IfMatch = None,
    dry_run: DryRun = False,
    caller: Caller = needs(May.RECORD, RECORD),
) -> Response:
    """A contact, a new owner, work to be looked at again, a death, a withdrawal, a transfer, a move of site."""
    if asked.kind == "assign":
        caller.require(May.ASSIGN)
    data = {**asked.data, "date": asked.date, "reason": asked.reason}
    return _on(caller, request, key, episode, asked, "admin", asked.kind, data, if_match, dry_run=dry_run)


def _on(
    caller: Caller,
    request: Request,
    key: str,
    episode: str,
    asked: Asked,
    event: str,
    kind: str,
    data: dict[str, Any],
    if_match: str | None,
    *,
    dry_run: bool,
) -> Response:
    row = episode_row(caller.store, episode)
    step = step_of(caller, key, event, kind, data, getattr(asked, "event_id", None))
    return record_on(caller, request, key, asked, row, step, if_match, dry_run=dry_run)


def _fracture(caller: Caller, asked: Fracture) -> dict[str, Any]:
    """As the command line has it: a date that is not given is not known, and somebody looks after the patient."""
    data = asked.model_dump(exclude=IDENTITY, exclude_none=True)
    if asked.fracture_date is None:
        data["fracture_date_precision"] = "unknown"
    data.setdefault("owner", caller.name)
    return data
