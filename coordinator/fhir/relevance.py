"""Which resources are wanted at all: decided by type and code, before a model looks at them."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from coordinator.fhir.codes import Codes, Coding, Row, known_codes
from coordinator.fhir.values import all_words, coding_of, codings, listed, status_of

Json = Mapping[str, Any]

CONCEPTS = ("code", "medicationCodeableConcept")
WITHDRAWN = ("entered-in-error", "cancelled")
_FRACTURE = re.compile(r"fra[ck]tur|frattura|collapsed vertebra|vertebral collapse|collapse of \w+ vertebra", re.I)
_NO_FRACTURE = re.compile(
    r"\b(?:without|no|not|denies)\b[^|]{0,30}fra[ck]tur|history of|fracture risk|risk of fracture|healed|screening",
    re.I,
)


def speaks_of_fracture(concept: Any) -> bool:
    """In words only: enough to ask a person, never enough to enrol."""
    text = all_words(concept)
    return bool(_FRACTURE.search(text)) and not _NO_FRACTURE.search(text)


def medicines_in(concept: Any, codes: Codes) -> Iterator[Row]:
    """The medicines that a concept names by code or, failing that, by the name of a substance in its words."""
    found = set(codings(concept, codes))
    words = all_words(concept).lower()
    for row in codes.medicines:
        coded = any((system, code) in found for system, many in row.get("codes", {}).items() for code in many)
        if coded or any(word in words for word in row["words"]):
            yield row


def imaging_of(resource: Json, codes: Codes) -> str:
    """The modality of a scan of the lumbar spine; empty for any other scan, or one of which the part is not said."""
    concepts = [resource.get("code"), *listed(resource, "procedureCode")]
    for concept in concepts:
        row = codes.first("imaging", codings(concept, codes))
        if row is not None:
            return str(row["modality"])
    for series in listed(resource, "series"):
        if not isinstance(series, Mapping):
            continue
        modality = series.get("modality")
        name = codes.modalities.get(str(modality.get("code"))) if isinstance(modality, Mapping) else None
        if name and is_lumbar(coding_of(series.get("bodySite"), codes), codes):
            return name
    return ""


def is_lumbar(coding: Coding | None, codes: Codes) -> bool:
    if coding is None:
        return False
    return codes.body_sites.get(coding, "").startswith("L") or codes.row("lumbar_spine", coding) is not None


def _condition(resource: Json, codes: Codes) -> bool:
    found = list(codings(resource.get("code"), codes))
    coded = codes.first("fracture", found) or codes.first("condition", found)
    return coded is not None or speaks_of_fracture(resource.get("code"))


def _observation(resource: Json, codes: Codes) -> bool:
    return codes.first("measurement", codings(resource.get("code"), codes)) is not None


def _medication(resource: Json, codes: Codes) -> bool:
    if isinstance(resource.get("medicationReference"), Mapping):
        return True
    return any(True for _ in medicines_in(resource.get("medicationCodeableConcept"), codes))


def _substance(resource: Json, codes: Codes) -> bool:
    return any(True for _ in medicines_in(resource.get("code"), codes))


def _procedure(resource: Json, codes: Codes) -> bool:
    done = codes.first("procedure", codings(resource.get("code"), codes))
    return done is not None or bool(imaging_of(resource, codes))


def _imaging(resource: Json, codes: Codes) -> bool:
    return bool(imaging_of(resource, codes))


WANTED: Mapping[str, Callable[[Json, Codes], bool]] = {
    "Condition": _condition,
    "Observation": _observation,
    "MedicationRequest": _medication,
    "MedicationStatement": _medication,
    "Medication": _substance,
    "Procedure": _procedure,
    "ImagingStudy": _imaging,
    "DiagnosticReport": _imaging,
    "ServiceRequest": _imaging,
}


def is_wanted(resource: Json) -> bool:
    """A resource that was withdrawn is wanted whatever it says: what came of it may have to be taken back.

    So is one whose code cannot be read: it may be of use, and somebody must be told that it is damaged.
    """
    kind = str(resource["resourceType"])
    if kind not in WANTED:
        return False
    damaged = any(not _is_concept(resource[name]) for name in CONCEPTS if name in resource)
    return damaged or is_withdrawn(resource) or WANTED[kind](resource, known_codes())


def _is_concept(value: Any) -> bool:
    if not isinstance(value, Mapping):
        return False
    found = value.get("coding", [])
    return isinstance(found, list) and all(isinstance(coding, Mapping) for coding in found)


def is_withdrawn(resource: Json) -> bool:
    status = resource.get("status")
    return (isinstance(status, str) and status in WITHDRAWN) or status_of(
        resource.get("verificationStatus")
    ) in WITHDRAWN
