"""What this service can do, as a CapabilityStatement made from the very tables that it works by."""

from collections.abc import Iterator
from datetime import datetime
from importlib.metadata import version

from coordinator.fhir.out.elements import ENGINE, Json, instant, pruned
from coordinator.fhir.serving.parameters import PARAMETERS, known

EVERYTHING = "http://hl7.org/fhir/OperationDefinition/Patient-everything"
SECURITY = "A bearer token of `pathway token add` with the scope read; it opens what the role of its colleague may see."


def capability_statement(base: str, now: datetime) -> Json:
    return pruned(
        {
            "resourceType": "CapabilityStatement",
            "id": "pathway",
            "name": "ClinicalPathwayEngine",
            "title": f"{ENGINE}: what is known of patients on the pathway",
            "status": "active",
            "date": instant(now),
            "kind": "instance",
            "description": "Reads and searches; nothing can be written here.",
            "software": {"name": ENGINE, "version": version("clinical-pathway-engine")},
            "implementation": {"description": ENGINE, "url": base},
            "fhirVersion": "4.0.1",
            "format": ["application/fhir+json", "json"],
            "rest": [
                {"mode": "server", "security": {"description": SECURITY}, "resource": [*_resources()]},
            ],
        }
    )


def _resources() -> Iterator[Json]:
    for kind in sorted(PARAMETERS):
        yield {
            "type": kind,
            "interaction": [{"code": "read"}, {"code": "search-type"}],
            "versioning": "versioned",
            "conditionalRead": "not-match",
            "referencePolicy": ["literal", "local"],
            "searchParam": [{"name": each.name, "type": each.kind} for each in known(kind).values()],
            "operation": [{"name": "everything", "definition": EVERYTHING}] if kind == "Patient" else None,
        }
