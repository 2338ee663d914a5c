"""What was recorded: one Observation for each time something was, with a component for each answer.

An answer for which a public code was looked up is an Observation of its own beside it, because other systems look
for that code there. What was never answered is not written: it is not known.
"""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from coordinator.fhir.out.elements import UCUM, Json, coding, concept, day, instant, person, reference, resource
from coordinator.fhir.out.elements import subject as about
from coordinator.fhir.out.names import episode_name, spelled
from coordinator.fhir.out.terms import LOINC, UNITS, measurements, words
from pathway.episode import Observation
from pathway.facts import FIELDS, Field
from pathway.journal import Entry
from persistence.charts import Kept

CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
CATEGORIES = {
    "anthropometry": "vital-signs",
    "imaging": "imaging",
    "dxa": "imaging",
    "neuro_exam": "exam",
    "bedside_signs": "exam",
    "symptoms": "survey",
    "function": "survey",
    "physiotherapy": "therapy",
}


def observations(kept: Kept) -> Iterator[Json]:
    told = {entry.seq: entry for entry in kept.entries}
    for found in kept.episode.observations:
        if found.kind in FIELDS:
            yield from _observation(kept, found, told.get(found.seq))


def _observation(kept: Kept, found: Observation, entry: Entry | None) -> Iterator[Json]:
    episode = kept.episode
    name = f"{episode_name(episode.id)}.{found.seq}"
    fields = FIELDS[found.kind]
    answers = {field: value for field, value in found.data.items() if field in fields and value is not None}
    own = dict(_with_own_code(found, answers))
    shared = {
        "updated": kept.row.updated_at,
        "basedOn": [reference("CarePlan", episode_name(episode.id))],
        "status": "entered-in-error" if found.retracted else "final",
        "category": [{"coding": [{"system": CATEGORY, "code": CATEGORIES[found.kind]}]}]
        if found.kind in CATEGORIES
        else None,
        "subject": about(episode.patient),
        "effectiveDateTime": day(found.effective),
        "issued": instant(found.recorded_at),
        "performer": [person(entry.step.by, entry.actor)] if entry else None,
    }
    for field, code in own.items():
        value = _quantity(answers[field], fields[field])
        both = {"coding": [{"system": LOINC, "code": code}, coding("observation", f"{found.kind}.{field}")]}
        text = words(field)
        yield resource(
            "Observation", f"{name}.{spelled(field)}", **shared, code={**both, "text": text}, valueQuantity=value
        )
    note = found.data.get("note")
    components = [
        part for field, value in answers.items() if field not in own for part in _components(found.kind, field, value)
    ]
    yield resource(
        "Observation",
        name,
        **shared,
        code=concept("observation", found.kind, words(found.kind)),
        component=components,
        hasMember=[reference("Observation", f"{name}.{spelled(field)}") for field in own],
        note=[{"text": str(note)}] if note else None,
        # Recorded without any answer that we know: then that is what is said.
        dataAbsentReason=None if components or own else {"text": "No answer was recorded"},
    )


def _with_own_code(found: Observation, answers: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for field in answers:
        site = str(found.data.get("site", "")) if found.kind == "dxa" else ""
        code = measurements().get((f"{found.kind}.{field}", site))
        if code is not None:
            yield field, code


def _components(kind: str, name: str, value: Any) -> Iterator[Json]:
    field, code = FIELDS[kind][name], concept("observation", f"{kind}.{name}", words(name))
    if field.shape == "levels":
        listed = value or ["none"]
        yield from ({"code": code, **_level(level)} for level in listed)
        return
    yield {"code": code, **_value(kind, name, field, value)}


def _level(level: str) -> Json:
    return {"valueString": "none"} if level == "none" else {"valueCodeableConcept": concept("level", level)}


def _value(kind: str, name: str, field: Field, value: Any) -> Json:
    if isinstance(value, bool):
        return {"valueBoolean": value}
    if isinstance(value, date):
        return {"valueDateTime": day(value)}
    if isinstance(value, int | float):
        return {"valueQuantity": _quantity(value, field)}
    if field.shape == "one_of":
        return {"valueCodeableConcept": concept("observation", f"{kind}.{name}.{value}", words(str(value)))}
    return {"valueString": str(value)}


def _quantity(value: Any, field: Field) -> Json:
    unit = UNITS.get(field.unit)
    return {"value": value, **({"unit": unit, "system": UCUM, "code": unit} if unit else {})}
