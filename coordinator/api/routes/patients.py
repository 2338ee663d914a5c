"""Patients: who they are, and where their episodes stand."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter

from coordinator.api.asking import PatientPath, Typed
from coordinator.api.door import EVERYBODY, Caller, needs
from coordinator.api.paging import USUAL, Cursor, Limit, Page, opened, paged, sealed, text
from coordinator.api.recording import person_of, standing_of
from coordinator.api.shapes import PatientShape, Standing
from coordinator.web.access import May
from persistence.listing import episodes_of, patients_after
from persistence.names import full_name

router = APIRouter(tags=["patients"])


@router.get("/patients")
def list_patients(
    q: Typed = "",
    limit: Limit = USUAL,
    cursor: Cursor = None,
    caller: Caller = needs(May.SEE_PATIENTS),
) -> Page[PatientShape]:
    """Patients in the order of their numbers, with where each episode stands. A merged record is found by the other."""
    after = opened(cursor, text)
    caller.note_view(EVERYBODY, "patients")
    rows = patients_after(caller.store, after[0] if after else None, limit + 1, q)
    standings = _standings(caller, [row.id for row in rows[:limit]])
    return paged(rows, limit, lambda row: _shape(row, standings[row.id]), lambda row: sealed(row.id))


@router.get("/patients/{patient}")
def get_patient(patient: PatientPath, caller: Caller = needs(May.SEE_PATIENTS)) -> PatientShape:
    """One patient; where two records were merged, by either number, and the answer has the one in use.

    The view is noted, as on the screens.
    """
    row = person_of(caller.store, patient)
    caller.note_view(row.id, "patient")
    former = caller.store.numbers_of(row.id)[1:]
    return _shape(row, _standings(caller, [row.id])[row.id], former)


def _standings(caller: Caller, patients: list[str]) -> dict[str, list[Standing]]:
    found: dict[str, list[Standing]] = defaultdict(list)
    for row in episodes_of(caller.store, patients):
        found[row.patient_id].append(standing_of(row, caller.store.engine.guideline))
    return found


def _shape(row: Any, episodes: list[Standing], former: Sequence[str] = ()) -> PatientShape:
    return PatientShape(
        patient=row.id,
        name=full_name(row.surname, row.given),
        surname=row.surname,
        given=row.given,
        birth_date=row.birth_date,
        sex=row.sex,
        zone=row.zone,
        former_numbers=list(former),
        episodes=episodes,
    )
