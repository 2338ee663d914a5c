"""The one way in which the API records anything: the same Store.record as the screens and the command line.

A program acts in the role and under the name of its colleague; the journal names the token beside them.
"""

from collections.abc import Mapping
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse, Response
from sqlalchemy import Connection, Row, select

from coordinator.api.asked import Asked, Registration
from coordinator.api.door import Caller
from coordinator.api.headers import etag, version_seen
from coordinator.api.problems import Problem
from coordinator.api.shapes import Foreseen, Happened, Recorded, Standing
from coordinator.api.writing import Answer, once
from coordinator.consequences import consequences, preview_of
from coordinator.telling import Told, tell
from pathway.engine import Case, Outcome
from pathway.errors import NoSuchPatient
from pathway.guideline import Guideline
from pathway.journal import Refusal, Step
from persistence import models
from persistence.registry import Person, table
from persistence.store import Store

PEOPLE, EPISODES, ENTRIES = table(models.Patient), table(models.Episode), table(models.Entry)
# Refusals that are about a value, as against where the patient stands.
VALUES = ("OUT_OF_RANGE", "FUTURE_DATE", "DATE_ORDER", "CONTRADICTION", "REASON_REQUIRED")
ROLE = "ROLE"


def step_of(caller: Caller, key: str, event: str, kind: str, data: Mapping[str, Any], event_id: str | None) -> Step:
    """The step as the journal keeps it. Without an id of the sender's, the token and the key are one."""
    known = {name: value for name, value in data.items() if value is not None}
    by = f"{caller.name} ({caller.token_name})"
    return Step(event, kind, known, caller.role.acts_as or "", by, event_id or f"api:{caller.token}:{key}")


def record_on(
    caller: Caller,
    request: Request,
    key: str,
    asked: Asked,
    episode: Row,
    step: Step,
    if_match: str | None,
    *,
    dry_run: bool,
) -> Response:
    """One step on an episode that was read before."""
    seen = version_seen(if_match)
    if dry_run:
        return _foreseen(caller, caller.store.case(episode.patient_id), step, episode.n)

    def write(connection: Connection) -> Answer:
        _refuse_unknown_version(connection, episode.id, seen)
        outcome = caller.store.record_within(
            connection, episode.patient_id, step, caller.now, episode_n=episode.n, seen=seen
        )
        return _answer(caller, outcome, step, episode.id)

    return once(caller, request, key, asked, write)


def register(caller: Caller, request: Request, key: str, asked: Registration, step: Step, *, dry_run: bool) -> Response:
    """A new patient with a first fracture; one who is known is never registered again."""
    settings = caller.house.settings
    person = Person(asked.patient, settings.zone, settings.profile, asked.surname.strip(), asked.given.strip())
    if dry_run:
        if caller.store.person(person.id) is not None:
            raise _known_already(person.id)
        return _foreseen(caller, Case(person.id, person.zone, person.profile), step, None)

    def write(connection: Connection) -> Answer:
        _refuse_known(connection, person.id, step)
        outcome = caller.store.record_within(connection, person, step, caller.now)
        if outcome.refusal is None:
            caller.store.name_within(connection, person)
        return _answer(caller, outcome, step, None)

    return once(caller, request, key, asked, write)


def register_further(
    caller: Caller, request: Request, key: str, asked: Asked, patient: str, step: Step, *, dry_run: bool
) -> Response:
    """A further fracture of somebody who is known."""
    if dry_run:
        return _foreseen(caller, caller.store.case(patient), step, None)

    def write(connection: Connection) -> Answer:
        outcome = caller.store.record_within(connection, patient, step, caller.now)
        return _answer(caller, outcome, step, None)

    return once(caller, request, key, asked, write)


# ---------------------------------------------------------------- what is refused before


def _refuse_unknown_version(connection: Connection, episode: str, seen: int) -> None:
    """A version that is not there yet was seen by nobody."""
    version = connection.scalar(select(EPISODES.c.version).where(EPISODES.c.id == episode))
    if version is None or seen > version:
        detail = f"The episode is at version {version or 0}, and {seen} is none that it ever had. Nothing was saved."
        raise Problem("overtaken", detail, saved_since=[])


def _refuse_known(connection: Connection, patient: str, step: Step) -> None:
    """The same message again is let through: the engine answers that it came before."""
    if connection.scalar(select(PEOPLE.c.id).where(PEOPLE.c.id == patient)) is None:
        return
    mine = (ENTRIES.c.patient_id == patient) & (ENTRIES.c.event_id == step.event_id)
    if connection.scalar(select(ENTRIES.c.seq).where(mine).limit(1)) is None:
        raise _known_already(patient)


def _known_already(patient: str) -> Problem:
    further = f"record a further fracture by POST /patients/{patient}/episodes"
    return Problem(
        "exists", f"A patient with the number {patient} is registered already; {further}. Nothing was saved."
    )


# ---------------------------------------------------------------- what is answered


def _answer(caller: Caller, outcome: Outcome, step: Step, episode: str | None) -> Answer:
    if outcome.refusal is not None:
        return _refused(outcome, outcome.refusal, episode)
    guideline = caller.store.engine.guideline
    changed = {change.episode.id: change for change in outcome.changes}
    # Where a new episode was opened, that one is what the caller wants to go on with.
    subject = changed.get(episode or "") or next(reversed(changed.values()))
    mine = [entry for entry in subject.entries if entry.actor != "system" or entry.kind == "duplicate"]
    entries = [f"/api/v1/episodes/{subject.episode.id}/entries/{entry.seq}" for entry in mine]
    body = Recorded(
        saved=not outcome.duplicate,
        duplicate=outcome.duplicate,
        episode=subject.episode.id,
        version=subject.episode.seq,
        entries=entries,
        observation=_observed(mine),
        standings=[_standing(change.episode, guideline) for change in outcome.changes],
        happened=[_happened(told) for change in outcome.changes for told in tell(list(change.entries), guideline)],
    )
    opened = step.event in ("register", "new_fracture")
    place = f"/api/v1/episodes/{subject.episode.id}" if opened else entries[-1]
    headers = {"ETag": etag(subject.episode.seq), "Location": place}
    return Answer(200 if outcome.duplicate else 201, body.model_dump(mode="json"), headers)


def _refused(outcome: Outcome, refusal: Refusal, episode: str | None) -> Answer:
    """The refusal is a journal line, so it is saved, and so is this answer."""
    problem = Problem(
        _kind_of(refusal),
        f"{refusal.because}. The refusal is in the journal, nothing else was saved.",
        code=refusal.code,
        missing=list(refusal.missing),
    )
    versions = {change.episode.id: change.episode.seq for change in outcome.changes}
    headers = {"ETag": etag(versions[episode])} if episode is not None and episode in versions else {}
    return Answer(problem.kind.status, problem.body(), headers)


def _kind_of(refusal: Refusal) -> str:
    if refusal.code == ROLE:
        return "not-allowed"
    return "bad-value" if refusal.code in VALUES else "refused"


def _foreseen(caller: Caller, case: Case, step: Step, episode_n: int | None) -> Response:
    engine = caller.store.engine
    outcome = preview_of(engine, case, step, caller.now, episode_n)
    refusal = outcome.refusal
    ahead = consequences(outcome, engine.guideline)
    body = Foreseen(
        saved=False,
        accepted=refusal is None,
        code=refusal.code if refusal else None,
        because=refusal.because if refusal else None,
        missing=list(refusal.missing) if refusal else [],
        would_happen=[
            Happened(what=c.words, mark=c.mark, rule=c.rule, because=list(c.because), cites=list(c.cites))
            for c in ahead
        ],
    )
    return JSONResponse(body.model_dump(mode="json"))


def _observed(entries: list[Any]) -> str | None:
    found = [effect["id"] for entry in entries for effect in entry.effects if effect["event"] == "observation"]
    return found[-1] if found else None


def _happened(told: Told) -> Happened:
    return Happened(what=told.what, mark=told.mark, rule=told.rule, because=list(told.because), cites=list(told.cites))


def _standing(episode: Any, guideline: Guideline) -> Standing:
    title = guideline.states[episode.state].shown(episode.sub)
    return Standing(
        episode=episode.id, n=episode.n, state=episode.state, sub=episode.sub, title=title, owner=episode.owner
    )


def standing_of(row: Row, guideline: Guideline) -> Standing:
    """From a row of the episode table."""
    return _standing(row, guideline)


def person_of(store: Store, patient: str) -> Any:
    """The identity row, of a record that was merged into another that one; raises NoSuchPatient."""
    found = store.person(store.current_number(patient))
    if found is None:
        raise NoSuchPatient(patient)
    return found
