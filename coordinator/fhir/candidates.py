"""Candidates, for whichever door a person comes through: read, accept (which registers), or dismiss with a reason.

Opens none of the rooms that read FHIR, so a screen may use it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from pathway.calendar import show_date
from pathway.engine import Outcome
from pathway.errors import NoSuchPatient
from pathway.journal import Refusal, Step
from persistence.candidates import (
    ACCEPTED,
    DISMISSED,
    KINDS,
    WAITING,
    candidate,
    candidates,
    close_candidate,
    waiting_counts,
    waiting_page,
)
from persistence.store import Person, Store

__all__ = [
    "KINDS",
    "Acceptance",
    "Accepted",
    "Candidate",
    "accept",
    "counts",
    "dismiss",
    "one",
    "page_of",
    "registration",
    "waiting",
]
# Said at the time of the import, and not to be got round by accepting.
DECEASED = "deceased"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A fracture in a file that was not enrolled, why not, and where it stands."""

    id: str
    patient: str
    surname: str
    given: str
    birth_date: date | None
    sex: str | None
    kind: str
    level: str | None
    onset: date | None
    precision: str
    identification: date | None
    text: str
    reasons: tuple[str, ...]
    place: str
    event_id: str
    found_at: datetime
    outcome: str
    closed_by: str
    closed_because: str
    episode_id: str | None

    @property
    def name(self) -> str:
        return ", ".join(part for part in (self.surname, self.given) if part)

    @property
    def when(self) -> str:
        """The date of the fracture as far as it is known."""
        if self.onset is None:
            return "Not known"
        return show_date(self.onset) if self.precision == "day" else show_date(self.onset)[3:]


@dataclass(frozen=True, slots=True)
class Accepted:
    """What accepting did: the engine's answer, or the refusal before the engine was asked."""

    outcome: Outcome | None = None
    refusal: Refusal | None = None
    episode_id: str | None = None


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Who accepts, and what they know that the file did not say."""

    by: str
    actor: str
    level: str | None = None
    fracture_date: date | None = None
    patient: str = ""
    owner: str = ""


def waiting(store: Store, at: datetime, *, patient: str | None = None, kinds: Iterable[str] = KINDS) -> list[Candidate]:
    """The candidates that stood open at that instant, the most likely kind first, then the oldest."""
    return [_candidate(row) for row in candidates(store.database, at, patient=patient, kinds=kinds)]


def counts(store: Store, patient: str | None = None) -> dict[str, int]:
    """How many wait now, by kind, the most likely kind first."""
    return waiting_counts(store.database, patient)


def page_of(store: Store, kind: str, *, page: int, size: int) -> list[Candidate]:
    return [_candidate(row) for row in waiting_page(store.database, kind, page=page, size=size)]


def one(store: Store, name: str) -> Candidate | None:
    row = candidate(store.database, name)
    return _candidate(row) if row else None


def _candidate(row: dict[str, Any]) -> Candidate:
    renamed = {**row, "patient": row["patient_id"], "reasons": tuple(row["reasons"])}
    return Candidate(**{name: renamed[name] for name in Candidate.__dataclass_fields__})


def dismiss(store: Store, name: str, at: datetime, by: str, because: str) -> Refusal | None:
    """It is no fracture for this pathway: kept with who and why, and not asked again unless the source changes."""
    if not because.strip() or not by.strip():
        return Refusal("REASON_REQUIRED", "dismissing a candidate needs a reason and a name; nothing was saved")
    if not close_candidate(store.database, name, DISMISSED, at, by.strip(), because.strip()):
        return _not_waiting(name)
    return None


def accept(store: Store, name: str, at: datetime, acceptance: Acceptance, *, zone: str, profile: str) -> Accepted:
    """Register the fracture, as the role in which the person acts; the engine says whether it may be."""
    found = one(store, name)
    if found is None or found.outcome != WAITING:
        return Accepted(refusal=_not_waiting(name))
    ready = registration(store, found, acceptance)
    if isinstance(ready, Refusal):
        return Accepted(refusal=ready)
    number, step = ready
    person = Person(number, zone, profile, found.surname, found.given)
    outcome = store.record(person, step, at)
    if outcome.refusal is not None:
        return Accepted(outcome, outcome.refusal)
    store.name_person(person)
    episode = outcome.changes[-1].episode.id
    close_candidate(store.database, name, ACCEPTED, at, acceptance.by, f"accepted as {step.data['level']}", episode)
    return Accepted(outcome, None, episode)


def _not_waiting(name: str) -> Refusal:
    return Refusal("STATE", f"there is no candidate {name!r} waiting; nothing was saved")


def _not_ready(found: Candidate, acceptance: Acceptance) -> Refusal | None:
    if not acceptance.by.strip():
        return Refusal("REASON_REQUIRED", "accepting a candidate needs the name of who accepts it; nothing was saved")
    if not (found.level or acceptance.level):
        return Refusal("OUT_OF_RANGE", "its level is not known; give it with --level; nothing was saved")
    if not (found.patient or acceptance.patient):
        return Refusal("OUT_OF_RANGE", "its patient is not known; give the number with --patient; nothing was saved")
    if any(reason.startswith(DECEASED) for reason in found.reasons):
        because = "the source says that the patient has died; have it corrected there, or dismiss the candidate"
        return Refusal("TERMINAL", f"{because}; nothing was saved")
    return None


def _is_known(store: Store, number: str) -> bool:
    try:
        return bool(store.case(number).episodes)
    except NoSuchPatient:
        return False


def registration(store: Store, found: Candidate, acceptance: Acceptance) -> tuple[str, Step] | Refusal:
    """The patient's number and the step that accepting would record; or why there is none."""
    refusal = _not_ready(found, acceptance)
    if refusal is not None:
        return refusal
    number = found.patient or acceptance.patient
    level = acceptance.level or found.level
    day = acceptance.fracture_date or found.onset
    precision = "day" if acceptance.fracture_date else found.precision
    data: dict[str, Any] = {
        "level": level,
        "fracture_date_precision": precision,
        "owner": acceptance.owner,
    }
    identified = max(found.identification, day) if found.identification and day else found.identification
    known = {
        "fracture_date": day,
        "identification_date": identified,
        "birth_date": found.birth_date,
        "sex": found.sex,
    }
    data |= {name: value for name, value in known.items() if value is not None}
    if acceptance.actor == "clinician" and level not in store.engine.guideline.scope_levels:
        # A clinician who names the level has looked at it: that is what the override asks for.
        data["scope_override"] = True
    by = f"{acceptance.by} ({found.place})"
    event = "new_fracture" if _is_known(store, number) else "register"
    return number, Step(event, "", data, acceptance.actor, by, found.event_id)
