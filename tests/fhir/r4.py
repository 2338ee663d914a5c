"""What R4 (4.0.1) asks of the resources that we write, as small checks of our own, written from the specification.

No model of a library is asked here: those do not look at required bindings, references or check digits.
"""

import re
from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]

REQUEST = {"draft", "active", "on-hold", "revoked", "completed", "entered-in-error", "unknown"}
INTENT = {
    *("proposal", "plan", "directive", "order", "original-order", "reflex-order", "filler-order", "instance-order"),
    "option",
}
EVENT = {
    *("preparation", "in-progress", "not-done", "on-hold", "stopped", "completed", "entered-in-error", "unknown"),
}
PUBLICATION = {"draft", "active", "retired", "unknown"}
PRIORITY = {"routine", "urgent", "asap", "stat"}
RELATED = {
    *("documentation", "justification", "citation", "predecessor", "successor", "derived-from", "depends-on"),
    "composed-of",
}
# Required bindings, by the path of the element; a path that ends in * is that of every element of that name.
REQUIRED: dict[str, set[str]] = {
    "Patient.gender": {"male", "female", "other", "unknown"},
    "Patient.identifier.use": {"usual", "official", "temp", "secondary", "old"},
    "Patient.name.use": {"usual", "official", "temp", "nickname", "anonymous", "old", "maiden"},
    "CarePlan.status": REQUEST,
    "CarePlan.intent": {"proposal", "plan", "order", "option"},
    "CarePlan.activity.detail.status": {
        *("not-started", "scheduled", "in-progress", "on-hold", "completed", "cancelled", "stopped", "unknown"),
        "entered-in-error",
    },
    "CarePlan.activity.detail.kind": {
        *("Appointment", "CommunicationRequest", "DeviceRequest", "MedicationRequest", "NutritionOrder", "Task"),
        *("ServiceRequest", "VisionPrescription"),
    },
    "Task.status": {
        *("draft", "requested", "received", "accepted", "rejected", "ready", "cancelled", "in-progress", "on-hold"),
        *("failed", "completed", "entered-in-error"),
    },
    "Task.intent": {"unknown", *INTENT} - {"directive"},
    "Task.priority": PRIORITY,
    "ServiceRequest.status": REQUEST,
    "ServiceRequest.intent": INTENT,
    "ServiceRequest.priority": PRIORITY,
    "Observation.status": {
        *("registered", "preliminary", "final", "amended", "corrected", "cancelled", "entered-in-error", "unknown"),
    },
    "CommunicationRequest.status": REQUEST,
    "CommunicationRequest.priority": PRIORITY,
    "Communication.status": EVENT,
    "Provenance.entity.role": {"derivation", "revision", "quotation", "source", "removal"},
    "AuditEvent.action": {"C", "R", "U", "D", "E"},
    "AuditEvent.outcome": {"0", "4", "8", "12"},
    "DocumentReference.status": {"current", "superseded", "entered-in-error"},
    "PlanDefinition.status": PUBLICATION,
    "PlanDefinition.relatedArtifact.type": RELATED,
    "PlanDefinition.action.documentation.type": RELATED,
    "PlanDefinition.action.priority": PRIORITY,
    "PlanDefinition.action.condition.kind": {"applicability", "start", "stop"},
    "PlanDefinition.action.participant.type": {"patient", "practitioner", "related-person", "device"},
    "PlanDefinition.action.relatedAction.relationship": {
        *("before-start", "before", "before-end", "concurrent-with-start", "concurrent", "concurrent-with-end"),
        *("after-start", "after", "after-end"),
    },
    "PlanDefinition.action.trigger.type": {
        *("named-event", "periodic", "data-changed", "data-added", "data-modified", "data-removed", "data-accessed"),
        "data-access-ended",
    },
    "CodeSystem.status": PUBLICATION,
    "CodeSystem.content": {"not-present", "example", "fragment", "complete", "supplement"},
    "ValueSet.status": PUBLICATION,
    "Measure.status": PUBLICATION,
    "MeasureReport.status": {"complete", "pending", "error"},
    "MeasureReport.type": {"individual", "subject-list", "summary", "data-collection"},
    "Bundle.type": {
        *("document", "message", "transaction", "transaction-response", "batch", "batch-response", "history"),
        *("searchset", "collection"),
    },
}
REQUIRED_CONCEPTS = {
    "Condition.clinicalStatus": {"active", "recurrence", "relapse", "inactive", "remission", "resolved"},
    "Condition.verificationStatus": {
        *("unconfirmed", "provisional", "differential", "confirmed", "refuted", "entered-in-error"),
    },
}
MANDATORY = {
    "Condition": ("subject",),
    "CarePlan": ("status", "intent", "subject"),
    "Task": ("status", "intent"),
    "ServiceRequest": ("status", "intent", "subject"),
    "Observation": ("status", "code"),
    "CommunicationRequest": ("status",),
    "Communication": ("status",),
    "Provenance": ("target", "recorded", "agent"),
    "AuditEvent": ("type", "recorded", "agent", "source"),
    "DocumentReference": ("status", "content"),
    "PlanDefinition": ("status",),
    "CodeSystem": ("status", "content"),
    "ValueSet": ("status",),
    "Measure": ("status",),
    "MeasureReport": ("status", "type", "measure", "period"),
}
ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
DATE = r"([0-9]{4})(-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01])"
TIME = r"(T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]+)?(Z|[+-](0[0-9]|1[0-4]):[0-5][0-9]))"
INSTANT = re.compile(rf"{DATE}){TIME})")
DATE_TIME = re.compile(rf"{DATE}{TIME}?)?)?")
INSTANTS = ("lastUpdated", "issued", "recorded", "timestamp")
DATE_TIMES = (
    *("authoredOn", "lastModified", "occurredDateTime", "onsetDateTime", "effectiveDateTime", "start", "end", "sent"),
    *("created", "recordedDate", "date", "occurrenceDateTime", "valueDateTime"),
)
NAME = re.compile(r"[A-Z]([A-Za-z0-9_]){0,254}")


def faults(resource: Json) -> Iterator[str]:
    kind = resource["resourceType"]
    where = f"{kind}/{resource.get('id')}"
    if not ID.fullmatch(resource.get("id", "")):
        yield f"{where}: the id"
    for name in MANDATORY.get(kind, ()):
        if name not in resource:
            yield f"{where}: {name} is missing"
    for path, name, value in walked(resource, kind):
        yield from (f"{where}: {path}: {fault}" for fault in _value_faults(path, name, value))
    yield from (f"{where}: {fault}" for fault in INVARIANTS.get(kind, _no_faults)(resource))


def walked(value: Any, path: str) -> Iterator[tuple[str, str, Any]]:
    if isinstance(value, dict):
        for name, part in value.items():
            yield f"{path}.{name}", name, part
            yield from walked(part, f"{path}.{name}")
    elif isinstance(value, list):
        for part in value:
            yield from walked(part, path)


def _value_faults(path: str, name: str, value: Any) -> Iterator[str]:
    if value in ([], {}, "", None):
        yield "nothing is written, not even an empty list"
    if isinstance(value, str) and value != value.strip():
        yield "white space around"
    path = path.replace("PlanDefinition.action.action", "PlanDefinition.action")
    if path in REQUIRED and value not in REQUIRED[path]:
        yield f"{value} is not in the required value set"
    if path in REQUIRED_CONCEPTS and {c["code"] for c in value["coding"]} - REQUIRED_CONCEPTS[path]:
        yield "not in the required value set"
    if name in INSTANTS and isinstance(value, str) and not INSTANT.fullmatch(value):
        yield f"{value} is no instant"
    if name in DATE_TIMES and isinstance(value, str) and not DATE_TIME.fullmatch(value):
        yield f"{value} is no dateTime"
    if isinstance(value, dict) and "start" in value and "end" in value and value["start"] > value["end"]:
        yield "per-1: a period ends before it begins"
    if name == "system" and isinstance(value, str) and " " in value:
        yield f"{value!r} is no uri"


# ---------------------------------------------------------------- invariants, by their names in the specification


def _no_faults(_resource: Json) -> Iterator[str]:
    return iter(())


def _care_plan(plan: Json) -> Iterator[str]:
    if any("detail" in each and "reference" in each for each in plan.get("activity", ())):
        yield "cpl-3"


def _task(task: Json) -> Iterator[str]:
    if task["lastModified"] < task["authoredOn"]:
        yield "inv-1"


def _condition(condition: Json) -> Iterator[str]:
    sure = condition.get("verificationStatus", {}).get("coding", [{}])[0].get("code")
    listed = any(c["code"] == "problem-list-item" for part in condition["category"] for c in part["coding"])
    if "clinicalStatus" not in condition and sure != "entered-in-error" and listed:
        yield "con-3"
    if any(name.startswith("abatement") for name in condition):
        yield "con-4"
    if "clinicalStatus" in condition and sure == "entered-in-error":
        yield "con-5"


def _observation(observation: Json) -> Iterator[str]:
    valued = any(name.startswith("value") for name in observation)
    if valued and "dataAbsentReason" in observation:
        yield "obs-6"
    own = {(c.get("system"), c["code"]) for c in observation["code"].get("coding", ())}
    parts = observation.get("component", ())
    if valued and any(own & {(c.get("system"), c["code"]) for c in p["code"].get("coding", ())} for p in parts):
        yield "obs-7"
    for part in parts:
        if sum(name.startswith("value") for name in part) != 1:
            yield "a component has one value"
    vital = any(c["code"] == "vital-signs" for each in observation.get("category", ()) for c in each["coding"])
    if vital and "effectiveDateTime" not in observation:
        yield "vs-1"


def _definition(found: Json) -> Iterator[str]:
    if not NAME.fullmatch(found["name"]):
        yield "the name is none that a program could use (pdf-0, csd-0, vsd-0, mea-0)"
    if not found["url"].startswith("urn:uuid:") or "version" not in found:
        yield "the canonical: url and version"


def _plan(plan: Json) -> Iterator[str]:
    yield from _definition(plan)
    ids = [action["id"] for action in _actions(plan["action"])]
    if len(ids) != len(set(ids)):
        yield "two actions of one id"
    for action in _actions(plan["action"]):
        if not ID.fullmatch(action["id"]):
            yield f"the id of an action: {action['id']}"
        for related in action.get("relatedAction", ()):
            if related["actionId"] not in ids:
                yield f"an action that is not there: {related['actionId']}"
            yield from _range_faults(related.get("offsetRange", {}))
        if any("expression" not in c["expression"] for c in action.get("condition", ())):
            yield "exp-1"
        if any("name" not in t for t in action.get("trigger", ())):
            yield "trd-3"


def _actions(actions: list[Json]) -> Iterator[Json]:
    for action in actions:
        yield action
        yield from _actions(action.get("action", []))


def _range_faults(found: Json) -> Iterator[str]:
    low, high = found.get("low"), found.get("high")
    if low and high and (low["code"] != high["code"] or low["value"] > high["value"]):
        yield "rng-2"


def _code_system(system: Json) -> Iterator[str]:
    yield from _definition(system)
    codes = [concept["code"] for concept in system["concept"]]
    if len(codes) != len(set(codes)) or len(codes) != system["count"]:
        yield "csd-1"


INVARIANTS = {
    "CarePlan": _care_plan,
    "Task": _task,
    "Condition": _condition,
    "Observation": _observation,
    "PlanDefinition": _plan,
    "CodeSystem": _code_system,
    "ValueSet": _definition,
    "Measure": _definition,
}


# ---------------------------------------------------------------- references and codes


def references(value: Any) -> Iterator[str]:
    for _, name, part in walked(value, ""):
        if name == "reference" and isinstance(part, str):
            yield part


def codings(value: Any) -> Iterator[tuple[str, str]]:
    for _, _, part in walked(value, ""):
        for each in part if isinstance(part, list) else [part]:
            if isinstance(each, dict) and isinstance(each.get("code"), str) and isinstance(each.get("system"), str):
                yield each["system"], each["code"]


def loinc_digit_is_right(code: str) -> bool:
    """The last digit is that of Luhn over the rest."""
    body, _, digit = code.partition("-")
    total = 0
    for place, figure in enumerate(reversed(body)):
        doubled = int(figure) * (2 if place % 2 == 0 else 1)
        total += doubled - 9 if doubled > 9 else doubled
    return str(-total % 10) == digit


_TURNED = (1, 5, 7, 6, 2, 8, 3, 0, 9, 4)


def snomed_digit_is_right(code: str) -> bool:
    """Verhoeff's check over the dihedral group of ten."""
    check = 0
    for place, figure in enumerate(reversed(code)):
        turned = int(figure)
        for _ in range(place % 8):
            turned = _TURNED[turned]
        check = _dihedral(check, turned)
    return check == 0


def _dihedral(a: int, b: int) -> int:
    if a < 5:
        return (a + b) % 5 if b < 5 else 5 + (a + b - 5) % 5
    return 5 + (a - b - 5) % 5 if b < 5 else (a - b) % 5
