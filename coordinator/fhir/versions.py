"""Telling R4 from the other releases of FHIR by what a resource looks like, for none of them says it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Json = Mapping[str, Any]

DSTU2, STU3, R4, R5 = "DSTU2", "STU3", "R4", "R5"
# Resources that only one release, or only those before R4, have.
ONLY = {
    **dict.fromkeys(("MedicationOrder", "DiagnosticOrder", "Conformance", "DeviceUseRequest"), DSTU2),
    **dict.fromkeys(("ProcedureRequest", "ReferralRequest", "EligibilityRequest", "ProcessRequest"), STU3),
    **dict.fromkeys(("DataElement", "ServiceDefinition", "BodySite", "Sequence"), STU3),
    **dict.fromkeys(("ServiceRequest", "CoverageEligibilityRequest", "BodyStructure", "MolecularSequence"), R4),
    **dict.fromkeys(("ActorDefinition", "ArtifactAssessment", "ConditionDefinition", "DeviceUsage"), R5),
    **dict.fromkeys(("EncounterHistory", "GenomicStudy", "ImagingSelection", "InventoryReport", "Transport"), R5),
}
# Of these STU3 says context where R4 says encounter; others have a context in R4 as well.
WITHOUT_CONTEXT = ("Condition", "Observation", "Procedure", "MedicationRequest", "DiagnosticReport", "ImagingStudy")


@dataclass(frozen=True, slots=True)
class Sign:
    """What gave a release away, in words that follow the resource's name."""

    release: str
    because: str


def sign_of(resource: Json) -> Sign | None:
    """The release that this resource shows itself to be of; None where it could be of several."""
    kind = str(resource["resourceType"])
    stated = _stated(resource)
    if stated is not None:
        return stated
    special = _SHAPES.get(kind, _nothing)(resource)
    if special is not None:
        return special
    if kind in ONLY and ONLY[kind] != R4:
        return Sign(ONLY[kind], f"R4 has no {kind}")
    if kind in WITHOUT_CONTEXT and isinstance(resource.get("context"), dict):
        return Sign(STU3, "it names its encounter as context, which R4 calls encounter")
    return Sign(R4, "") if kind in ONLY else None


def _stated(resource: Json) -> Sign | None:
    """The release where it is written down: a profile's address or version."""
    meta = resource.get("meta")
    profiles = meta.get("profile") if isinstance(meta, dict) else None
    version = resource.get("fhirVersion")
    for release, marks in _MARKS.items():
        for text in [*(profiles if isinstance(profiles, list) else []), *([version] if version else [])]:
            if isinstance(text, str) and text.startswith(marks):
                return Sign(release, f"it says {text[:80]}")
    return None


_MARKS = {
    DSTU2: ("1.0.", "http://hl7.org/fhir/1.0/", "http://hl7.org/fhir/DSTU2/"),
    STU3: ("3.0.", "http://hl7.org/fhir/3.0/", "http://hl7.org/fhir/STU3/"),
    R5: ("5.0.", "http://hl7.org/fhir/5.0/", "http://hl7.org/fhir/R5/"),
}


def _nothing(_resource: Json) -> Sign | None:
    return None


def _condition(resource: Json) -> Sign | None:
    if isinstance(resource.get("clinicalStatus"), str) or isinstance(resource.get("verificationStatus"), str):
        older = "patient" in resource or "dateRecorded" in resource
        return Sign(DSTU2 if older else STU3, "its clinicalStatus is a word, in R4 it is a CodeableConcept")
    if "participant" in resource:
        return Sign(R5, "it has a participant")
    return _dated(resource, "assertedDate", STU3) or _concept(resource, "clinicalStatus")


def _observation(resource: Json) -> Sign | None:
    if isinstance(resource.get("category"), dict):
        return Sign(DSTU2, "its category is one, in R4 it is a list")
    if isinstance(resource.get("interpretation"), dict):
        return Sign(STU3, "its interpretation is one, in R4 it is a list")
    if "triggeredBy" in resource or "bodyStructure" in resource:
        return Sign(R5, "it has triggeredBy or bodyStructure")
    if "related" in resource or "comment" in resource:
        return Sign(STU3, "it has related or comment")
    return Sign(R4, "") if "encounter" in resource and isinstance(resource.get("category"), list) else None


def _medication_request(resource: Json) -> Sign | None:
    if isinstance(resource.get("medication"), dict):
        return Sign(R5, "its medication is a CodeableReference")
    requester = resource.get("requester")
    if isinstance(requester, dict) and "agent" in requester:
        return Sign(STU3, "its requester has an agent")
    if "taken" in resource:
        return Sign(STU3, "it says taken")
    return Sign(R4, "") if "intent" in resource and "encounter" in resource else None


def _procedure(resource: Json) -> Sign | None:
    if any(name.startswith("occurrence") for name in resource):
        return Sign(R5, "it has an occurrence, which R4 calls performed")
    if "notDone" in resource or "notPerformed" in resource:
        return Sign(STU3 if "notDone" in resource else DSTU2, "it has notDone or notPerformed")
    performed = any(name.startswith("performed") for name in resource)
    return Sign(R4, "") if performed and "encounter" in resource else None


def _imaging_study(resource: Json) -> Sign | None:
    if "patient" in resource or "availability" in resource:
        return Sign(STU3, "it has patient or availability")
    series = resource.get("series")
    first = series[0] if isinstance(series, list) and series else None
    modality = first.get("modality") if isinstance(first, dict) else None
    if isinstance(modality, dict) and "coding" in modality:
        return Sign(R5, "the modality of its series is a CodeableConcept")
    return Sign(R4, "") if "status" in resource and "subject" in resource else None


def _service_request(resource: Json) -> Sign | None:
    code = resource.get("code")
    if isinstance(code, dict) and ("concept" in code or "reference" in code):
        return Sign(R5, "its code is a CodeableReference")
    return None


def _encounter(resource: Json) -> Sign | None:
    if isinstance(resource.get("class"), list):
        return Sign(R5, "its class is a list")
    if isinstance(resource.get("class"), str):
        return Sign(DSTU2, "its class is a word")
    return Sign(R4, "") if isinstance(resource.get("class"), dict) and "system" in resource["class"] else None


def _patient(resource: Json) -> Sign | None:
    names = resource.get("name")
    first = names[0] if isinstance(names, list) and names else None
    if isinstance(first, dict) and isinstance(first.get("family"), list):
        return Sign(DSTU2, "its family name is a list")
    return None


def _concept(resource: Json, name: str) -> Sign | None:
    return Sign(R4, "") if isinstance(resource.get(name), dict) else None


def _dated(resource: Json, name: str, release: str) -> Sign | None:
    return Sign(release, f"it has {name}") if name in resource else None


_SHAPES: Mapping[str, Callable[[Json], Sign | None]] = {
    "Condition": _condition,
    "Observation": _observation,
    "MedicationRequest": _medication_request,
    "MedicationStatement": _medication_request,
    "Procedure": _procedure,
    "ImagingStudy": _imaging_study,
    "ServiceRequest": _service_request,
    "Encounter": _encounter,
    "Patient": _patient,
}
