"""What can be searched by: for each type its parameters, of which kind they are, and where in a resource they look.

The names and kinds are those of R4; a parameter is here only where the whole of what it means is looked at.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from coordinator.fhir.out.elements import Json

Path = tuple[str, ...]
TOKEN, REFERENCE, DATE, URI, STRING = "token", "reference", "date", "uri", "string"


@dataclass(frozen=True, slots=True)
class Parameter:
    name: str
    kind: str
    path: Path
    # For a reference: the type that a bare id stands for.
    target: str = ""


def _patient(*path: str) -> tuple[Parameter, ...]:
    return tuple(Parameter(name, REFERENCE, path, "Patient") for name in ("patient", "subject"))


COMMON = (Parameter("_id", TOKEN, ("id",)), Parameter("_lastUpdated", DATE, ("meta", "lastUpdated")))
STATUS = Parameter("status", TOKEN, ("status",))
CODE = Parameter("code", TOKEN, ("code",))
CATEGORY = Parameter("category", TOKEN, ("category",))
BASED_ON = Parameter("based-on", REFERENCE, ("basedOn",), "CarePlan")
AUTHORED = Parameter("authored", DATE, ("authoredOn",))
DEFINITION = (
    Parameter("url", URI, ("url",)),
    Parameter("version", TOKEN, ("version",)),
    Parameter("name", STRING, ("name",)),
    Parameter("title", STRING, ("title",)),
    STATUS,
)
PARAMETERS: Mapping[str, tuple[Parameter, ...]] = {
    "Patient": (
        Parameter("identifier", TOKEN, ("identifier",)),
        Parameter("family", STRING, ("name", "family")),
        Parameter("given", STRING, ("name", "given")),
        Parameter("birthdate", DATE, ("birthDate",)),
        Parameter("gender", TOKEN, ("gender",)),
        Parameter("active", TOKEN, ("active",)),
    ),
    "Condition": (
        *_patient("subject"),
        CODE,
        Parameter("clinical-status", TOKEN, ("clinicalStatus",)),
        Parameter("verification-status", TOKEN, ("verificationStatus",)),
        Parameter("body-site", TOKEN, ("bodySite",)),
        Parameter("recorded-date", DATE, ("recordedDate",)),
    ),
    "CarePlan": (
        *_patient("subject"),
        STATUS,
        CATEGORY,
        Parameter("intent", TOKEN, ("intent",)),
        Parameter("instantiates-canonical", URI, ("instantiatesCanonical",)),
    ),
    "Task": (
        *_patient("for"),
        STATUS,
        CODE,
        BASED_ON,
        Parameter("business-status", TOKEN, ("businessStatus",)),
        Parameter("intent", TOKEN, ("intent",)),
        Parameter("priority", TOKEN, ("priority",)),
        Parameter("authored-on", DATE, ("authoredOn",)),
        Parameter("modified", DATE, ("lastModified",)),
    ),
    "ServiceRequest": (
        *_patient("subject"),
        STATUS,
        CODE,
        BASED_ON,
        AUTHORED,
        Parameter("intent", TOKEN, ("intent",)),
        Parameter("priority", TOKEN, ("priority",)),
    ),
    "Observation": (
        *_patient("subject"),
        STATUS,
        CODE,
        CATEGORY,
        BASED_ON,
        Parameter("date", DATE, ("effectiveDateTime",)),
        Parameter("has-member", REFERENCE, ("hasMember",), "Observation"),
    ),
    "Provenance": (
        Parameter("target", REFERENCE, ("target",), "CarePlan"),
        Parameter("recorded", DATE, ("recorded",)),
    ),
    "CommunicationRequest": (*_patient("subject"), STATUS, CATEGORY, BASED_ON, AUTHORED),
    "Communication": (
        *_patient("subject"),
        STATUS,
        CATEGORY,
        Parameter("based-on", REFERENCE, ("basedOn",), "CommunicationRequest"),
        Parameter("sent", DATE, ("sent",)),
    ),
    "AuditEvent": (
        Parameter("patient", REFERENCE, ("entity", "what"), "Patient"),
        Parameter("date", DATE, ("recorded",)),
        Parameter("action", TOKEN, ("action",)),
    ),
    "DocumentReference": (*_patient("subject"), STATUS, Parameter("type", TOKEN, ("type",))),
    "PlanDefinition": DEFINITION,
    "CodeSystem": DEFINITION,
    "ValueSet": DEFINITION,
    "Measure": DEFINITION,
    "MeasureReport": (STATUS, Parameter("measure", URI, ("measure",))),
}


def known(kind: str) -> dict[str, Parameter]:
    return {each.name: each for each in (*COMMON, *PARAMETERS[kind])}


def values(resource: Json, path: Path) -> Iterator[Any]:
    """Everything that stands at a path, lists spread out."""
    found: list[Any] = [resource]
    for name in path:
        found = [part for each in found if isinstance(each, dict) for part in _spread(each.get(name))]
    yield from found


def _spread(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
