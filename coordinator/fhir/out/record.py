"""All that is written of one patient, type by type."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from datetime import datetime

from coordinator.fhir.out.audits import audit_events
from coordinator.fhir.out.conditions import condition
from coordinator.fhir.out.elements import Json
from coordinator.fhir.out.journals import journal_document
from coordinator.fhir.out.messages import communications, requests
from coordinator.fhir.out.moves import provenances
from coordinator.fhir.out.observations import observations
from coordinator.fhir.out.people import patients
from coordinator.fhir.out.plans import care_plan
from coordinator.fhir.out.referrals import service_request
from coordinator.fhir.out.tasks import tasks
from pathway.calendar import local_date
from pathway.guideline import Guideline
from persistence.charts import LINES, MESSAGES, VIEWINGS, Chart, Kept

Builder = Callable[[Chart, Guideline, datetime], Iterable[Json]]


def _each(build: Callable[[Kept, Guideline, datetime], Iterable[Json]]) -> Builder:
    """The same for every episode of a patient."""

    def all_of(chart: Chart, guideline: Guideline, now: datetime) -> Iterator[Json]:
        for kept in chart.episodes:
            yield from build(kept, guideline, now)

    return all_of


# What is referred to comes before what refers to it, as far as that goes.
BUILDERS: Mapping[str, Builder] = {
    "Patient": lambda chart, _guideline, _now: patients(chart),
    "Condition": _each(lambda kept, guideline, _now: [condition(kept, guideline)]),
    "CarePlan": _each(lambda kept, guideline, _now: [care_plan(kept, guideline)]),
    "Task": _each(lambda kept, guideline, now: tasks(kept, guideline, local_date(now, kept.episode.zone))),
    "ServiceRequest": _each(lambda kept, _guideline, _now: (service_request(kept, r) for r in kept.episode.referrals)),
    "Observation": _each(lambda kept, _guideline, _now: observations(kept)),
    "Provenance": _each(lambda kept, guideline, _now: provenances(kept, guideline)),
    "CommunicationRequest": lambda chart, guideline, _now: requests(chart, guideline),
    "Communication": lambda chart, guideline, _now: communications(chart, guideline),
    "AuditEvent": lambda chart, _guideline, _now: audit_events(chart),
    "DocumentReference": lambda chart, guideline, now: [journal_document(chart, guideline, now)],
}
TYPES = tuple(BUILDERS)
# The parts of a chart that a type is made of; the others are made of the episodes as they stand.
PARTS: Mapping[str, Set[str]] = {
    **dict.fromkeys(("Condition", "CarePlan", "ServiceRequest", "Observation", "Provenance"), {LINES}),
    **dict.fromkeys(("CommunicationRequest", "Communication"), {MESSAGES}),
    "AuditEvent": {VIEWINGS},
    "DocumentReference": {LINES, MESSAGES},
}


def parts_of(kind: str) -> Set[str]:
    """What of a chart must be read for a type."""
    return PARTS.get(kind, frozenset())


def resources(chart: Chart, guideline: Guideline, now: datetime, types: Iterable[str] = TYPES) -> Iterator[Json]:
    """Everything of these types, in the order in which they are written at every export."""
    for kind in types:
        yield from BUILDERS[kind](chart, guideline, now)
