"""The patient: only what is known here."""

from coordinator.fhir.out.elements import Json, day, resource
from coordinator.fhir.out.names import patient_id, system
from persistence.charts import Chart

GENDERS = {"F": "female", "M": "male", "other": "other"}
NUMBER = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}]}


def patient(chart: Chart) -> Json:
    row = chart.patient
    died = [kept for kept in chart.episodes if kept.episode.state == "DECEASED"]
    return resource(
        "Patient",
        patient_id(row.id),
        updated=max((kept.row.updated_at for kept in chart.episodes), default=row.created_at),
        identifier=[{"use": "usual", "type": NUMBER, "system": system("patient-number"), "value": row.id}],
        name=[{"use": "official", "family": row.surname, "given": [row.given]}] if row.surname or row.given else None,
        birthDate=day(row.birth_date),
        gender=GENDERS.get(row.sex or ""),
        deceasedBoolean=True if died else None,
    )
