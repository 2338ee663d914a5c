"""The segments of a message in the shape of the resources that an import of FHIR understands: no rule is told twice."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from coordinator.fhir.findings import Place
from coordinator.fhir.people import NHS
from coordinator.fhir.relevance import is_wanted
from coordinator.fhir.sorting import Item
from coordinator.fhir.values import when
from coordinator.hl7.message import Message, Parts, Segment

Json = dict[str, Any]

ICD = "http://hl7.org/fhir/sid/icd-10-cm"
SYSTEMS = {
    "LN": "http://loinc.org",
    "SCT": "http://snomed.info/sct",
    "SNM": "http://snomed.info/sct",
    "C4": "http://www.ama-assn.org/go/cpt",
    **dict.fromkeys(("I10", "I10C", "ICD10", "ICD10CM", "ICD-10-CM", "ICD-10", "I10CM"), ICD),
}
SEXES = {"F": "female", "M": "male", "O": "other", "A": "other", "N": "other"}
# Diagnosis type (table 0052): only a final diagnosis is sure.
SURENESS = {"F": "confirmed", "W": "provisional", "A": "provisional"}
# Result status of an observation (table 0085) and of an order (0123): what counts, what is taken back.
OF_RESULT = {"F": "final", "C": "corrected", "D": "entered-in-error", "W": "entered-in-error", "X": "cancelled"}
OF_ORDER = {"F": "final", "C": "corrected", "X": "cancelled"}
NOT_YET = "preliminary"
NUMBER = re.compile(r"[+-]?(\d{1,9}(\.\d{0,9})?|\.\d{1,9})")
TEXTS = ("TX", "FT", "ST", "CWE", "CE", "")
STAMP = "%Y%m%dT%H%M%S%f"


@dataclass
class Order:
    """An order with its results: OBR and the OBX that follow it."""

    request: Segment | None
    results: list[Segment] = field(default_factory=list)


@dataclass
class Group:
    """Everything of one patient in a message."""

    patient: Segment
    diagnoses: list[Segment] = field(default_factory=list)
    accident: Segment | None = None
    visit: Segment | None = None
    orders: list[Order] = field(default_factory=list)
    merged: list[Segment] = field(default_factory=list)


def groups(message: Message) -> list[Group]:
    """The patients of a message, each with the segments that follow."""
    found: list[Group] = []
    for segment in message.segments:
        if segment.name == "PID":
            found.append(Group(segment))
        elif found:
            _into(found[-1], segment)
    return found


def _into(group: Group, segment: Segment) -> None:
    if segment.name == "DG1":
        group.diagnoses.append(segment)
    elif segment.name == "ACC":
        group.accident = segment
    elif segment.name == "PV1":
        group.visit = segment
    elif segment.name == "MRG":
        group.merged.append(segment)
    elif segment.name == "OBR":
        group.orders.append(Order(segment))
    elif segment.name == "OBX":
        if not group.orders:
            group.orders.append(Order(None))
        group.orders[-1].results.append(segment)


# ---------------------------------------------------------------- the person


def patient_of(pid: Segment) -> Json:
    """PID as a Patient."""
    name = next((n for n in pid.repetitions(5) if n.text(7) in ("L", "")), pid.first(5))
    given = [part for part in (name.text(2), name.text(3)) if part]
    patient: Json = {
        "resourceType": "Patient",
        "identifier": [identifier_of(number) for number in pid.repetitions(3)],
        "name": [{"use": "official", "family": name.text(1), "given": given}],
        "birthDate": date_of(pid.text(7))[:10],
        "gender": SEXES.get(pid.text(8).upper(), "unknown"),
    }
    died = date_of(pid.text(29))
    if died:
        patient["deceasedDateTime"] = died
    elif pid.text(30).upper() == "Y":
        patient["deceasedBoolean"] = True
    return patient


def identifier_of(number: Parts) -> Json:
    """CX: the number, who assigned it, and what kind of number it is."""
    authority, kind = number.text(4), number.text(5)
    system = NHS if "NHS" in (authority, kind) or kind == "NH" else authority
    return {"value": number.text(1), "system": system, "type": {"coding": [{"code": kind}]}}


# ---------------------------------------------------------------- what is said of them


def items_of(message: Message, group: Group) -> list[Item]:
    """The diagnoses, results and reports that are of use here."""
    resources = [*_diagnoses(group), *(each for order in group.orders for each in _order(order))]
    stamp = _stamp(message)
    return [
        _item(message, segment, ref, resource, stamp) for segment, ref, resource in resources if is_wanted(resource)
    ]


def _item(message: Message, segment: Segment, ref: str, resource: Json, stamp: str) -> Item:
    return Item(resource, ref, stamp, place_of(message, segment), whole=True)


def place_of(message: Message, segment: Segment | None = None) -> Place:
    """Where it stands: the message by its control id and sender, and the segment."""
    header = message.header
    name = f"HL7 {header.kind} {header.control_id or 'without control id'} from {header.sender or 'nobody'}"
    return Place(name, segment.number if segment else 0, segment.name if segment else "")


def _stamp(message: Message) -> str:
    """When it was sent, as text that sorts: an older message changes nothing back."""
    sent = when(date_of(message.header.sent_at), "UTC")
    return f"{sent.instant:{STAMP}}" if sent and sent.instant else ""


def _diagnoses(group: Group) -> Iterator[tuple[Segment, str, Json]]:
    visit = group.visit.text(19) if group.visit else ""
    onset = date_of(group.accident.text(1)) if group.accident else ""
    for segment in group.diagnoses:
        code = segment.first(3)
        names = [segment.text(20)] if segment.text(20) else [visit or segment.text(5), code.text(1)]
        gone = segment.text(21) == "D"
        sure = "entered-in-error" if gone else SURENESS.get(segment.text(6), "unconfirmed")
        resource: Json = {
            "resourceType": "Condition",
            "clinicalStatus": _status("active"),
            "verificationStatus": _status(sure),
            "code": concept_of(code, segment.text(4)),
            "recordedDate": date_of(segment.text(5)),
        }
        if onset:
            resource["onsetDateTime"] = onset
        yield segment, _ref("Condition", *names), resource


def _status(code: str) -> Json:
    return {"coding": [{"code": code}]}


def concept_of(code: Parts, otherwise: str = "") -> Json:
    """CWE as a CodeableConcept: the code and its alternative, each in its system."""
    codings = [
        {"system": SYSTEMS.get(system.upper(), f"urn:hl7:{system}"), "code": value, "display": text}
        for value, text, system in (
            (code.text(1), code.text(2), code.text(3)),
            (code.text(4), code.text(5), code.text(6)),
        )
        if value
    ]
    words = code.text(2) or code.text(9) or otherwise
    return {"coding": codings, **({"text": words} if words else {})}


# ---------------------------------------------------------------- results


def _order(order: Order) -> Iterator[tuple[Segment, str, Json]]:
    request = order.request
    names = _names(request) if request else []
    for segment in order.results:
        code = segment.first(3)
        about = names or [segment.text(14)]
        yield segment, _ref("Observation", *about, code.text(1), segment.text(4)), _observation(request, segment)
    if request is not None:
        yield request, _ref("DiagnosticReport", *names), _report(request, order.results)


def _names(request: Segment) -> list[str]:
    """What makes an order the same one in a later message: the number of who filled it, else of who placed it."""
    number = request.text(3) or request.text(2)
    return [number, request.text(4)] if number else [request.text(4), request.text(7)]


def _ref(kind: str, *names: str) -> str:
    known = "|".join(names)
    return f"{kind}/{hashlib.sha256(known.encode()).hexdigest()[:24]}"


def _observation(request: Segment | None, segment: Segment) -> Json:
    order = OF_ORDER.get(request.text(25), "") if request else ""
    status = OF_RESULT.get(segment.text(11), NOT_YET)
    resource: Json = {
        "resourceType": "Observation",
        "status": "cancelled" if order == "cancelled" else status,
        "code": concept_of(segment.first(3)),
        "effectiveDateTime": date_of(segment.text(14)) or (date_of(request.text(7)) if request else ""),
    }
    quantity = _quantity(segment)
    return {**resource, "valueQuantity": quantity} if quantity else resource


def _quantity(segment: Segment) -> Json:
    value, comparator = segment.first(5), ""
    text = value.text(1)
    if segment.text(2) == "SN":
        comparator, text = value.text(1).replace("=", ""), value.text(2)
        if value.text(3) or value.text(4):
            return {}
    elif segment.text(2) not in ("NM", "ST"):
        return {}
    if not NUMBER.fullmatch(text):
        return {}
    unit = segment.text(6)
    found = {"value": float(text), "unit": unit, "code": unit}
    return {**found, "comparator": comparator} if comparator else found


def _report(request: Segment, results: list[Segment]) -> Json:
    """The order as a report, its texts as the conclusion. Where the order does not say that it is final, its results
    say it together."""
    stands = [segment for segment in results if OF_RESULT.get(segment.text(11)) in ("final", "corrected")]
    given = request.text(25)
    status = OF_ORDER.get(given, NOT_YET) if given else ("final" if stands and len(stands) == len(results) else NOT_YET)
    words = [segment.all_text(5) for segment in stands if segment.text(2) in TEXTS]
    return {
        "resourceType": "DiagnosticReport",
        "status": status,
        "code": concept_of(request.first(4)),
        "effectiveDateTime": date_of(request.text(7)),
        # One line: a phrase that a sender broke over two must not be missed.
        "conclusion": " ".join(" ".join(words).split()),
    }


def date_of(text: str) -> str:
    """An HL7 time as FHIR writes it, as far as it is known: 2026, 2026-03, 2026-03-16, 2026-03-16T09:30:00+01:00."""
    found = _TIME.fullmatch(text)
    if found is None:
        return ""
    year, month, day, hour, minute, second, offset = found.groups()
    date = "-".join(part for part in (year, month, day) if part)
    if not (day and hour):
        return date
    zone = f"{offset[:3]}:{offset[3:]}" if offset else ""
    return f"{date}T{hour}:{minute or '00'}:{second or '00'}{zone}"


_TIME = re.compile(r"(\d{4})(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:\.\d{1,6})?)?)?)?)?)?([+-]\d{4})?")
