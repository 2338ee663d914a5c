"""All that is written of one patient, in an order in which what is referred to comes first where it can."""

from collections.abc import Iterator
from datetime import date, datetime

from coordinator.fhir.out.audits import audit_events
from coordinator.fhir.out.conditions import condition
from coordinator.fhir.out.elements import Json
from coordinator.fhir.out.journals import journal_document
from coordinator.fhir.out.messages import communications
from coordinator.fhir.out.moves import provenances
from coordinator.fhir.out.observations import observations
from coordinator.fhir.out.people import patients
from coordinator.fhir.out.plans import care_plan
from coordinator.fhir.out.referrals import service_request
from coordinator.fhir.out.tasks import task
from pathway.calendar import local_date
from pathway.guideline import Guideline
from persistence.charts import Chart, Kept

TYPES = (
    "Patient",
    "Condition",
    "CarePlan",
    "Task",
    "ServiceRequest",
    "Observation",
    "Provenance",
    "CommunicationRequest",
    "Communication",
    "AuditEvent",
    "DocumentReference",
)


def resources(chart: Chart, guideline: Guideline, now: datetime) -> Iterator[Json]:
    yield from patients(chart)
    for kept in chart.episodes:
        yield from _episode(kept, guideline, local_date(now, kept.episode.zone))
    yield from communications(chart, guideline)
    yield from audit_events(chart)
    yield journal_document(chart, guideline, now)


def _episode(kept: Kept, guideline: Guideline, today: date) -> Iterator[Json]:
    yield condition(kept, guideline)
    yield care_plan(kept, guideline)
    for found in kept.episode.tasks:
        yield task(kept, found, guideline, today)
    for referral in kept.episode.referrals:
        yield service_request(kept, referral)
    yield from observations(kept)
    yield from provenances(kept, guideline)
