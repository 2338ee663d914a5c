"""Who looked at a patient, as AuditEvents."""

from collections.abc import Iterator

from coordinator.fhir.out.elements import ENGINE, Json, instant, person, resource, subject
from coordinator.fhir.out.names import patient_id
from persistence.charts import Chart

RECORD = {"system": "http://dicom.nema.org/resources/ontology/DCM", "code": "110110", "display": "Patient Record"}


def audit_events(chart: Chart) -> Iterator[Json]:
    for row in chart.viewings:
        yield resource(
            "AuditEvent",
            f"{patient_id(chart.patient.id)}.v{row.id}",
            updated=row.at,
            type=RECORD,
            action="R",
            recorded=instant(row.at),
            outcome="0",
            agent=[{"role": [{"text": row.role}], "who": person(row.email), "requestor": True}],
            source={"observer": {"type": "Device", "display": ENGINE}},
            entity=[{"what": subject(chart.patient.id), "description": row.page}],
        )
