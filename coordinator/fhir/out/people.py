"""The patient: only what is known here."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from coordinator.fhir.out.elements import Json, day, resource, subject
from coordinator.fhir.out.names import patient_id, system
from persistence.charts import Chart

GENDERS = {"F": "female", "M": "male", "other": "other"}
NUMBER = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}]}


def patients(chart: Chart) -> Iterator[Json]:
    """The patient, and each record that went on in this one, which says where."""
    row = chart.patient
    changed = max((kept.row.updated_at for kept in chart.episodes), default=row.created_at)
    died = any(kept.episode.state == "DECEASED" for kept in chart.episodes)
    replaced = [_link(each, "replaces") for each in chart.retired]
    yield _patient(row, changed, deceasedBoolean=True if died else None, link=replaced)
    for each in chart.retired:
        merged_at = max((m.merged_at for m in chart.merges if m.retired == each.id), default=each.created_at)
        yield _patient(each, merged_at, active=False, link=[_link(row, "replaced-by")])


def _patient(row: Any, updated: datetime, **more: Any) -> Json:
    return resource(
        "Patient",
        patient_id(row.id),
        updated=updated,
        identifier=[{"use": "usual", "type": NUMBER, "system": system("patient-number"), "value": row.id}],
        name=[{"use": "official", "family": row.surname, "given": [row.given]}] if row.surname or row.given else None,
        birthDate=day(row.birth_date),
        gender=GENDERS.get(row.sex or ""),
        **more,
    )


def _link(row: Any, kind: str) -> Json:
    return {"other": subject(row.id), "type": kind}
