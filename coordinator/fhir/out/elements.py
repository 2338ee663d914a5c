"""The small parts that every resource is made of."""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

from coordinator.fhir.out.names import address, patient_id, system

Json = dict[str, Any]

ENGINE = "Clinical pathway engine"
TAG = {"system": address("CodeSystem", "tag"), "code": "export", "display": "Written by the clinical pathway engine"}
UCUM = "http://unitsofmeasure.org"
E_MARK = " [E]"
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")


def resource(kind: str, name: str, /, *, updated: datetime | None = None, **parts: Any) -> Json:
    """A resource without what is not known: no empty list, text or object is ever written."""
    meta = {"lastUpdated": instant(updated), "tag": [TAG]}
    return pruned({"resourceType": kind, "id": name, "meta": meta, **parts})


def pruned(value: Mapping[str, Any]) -> Json:
    found = {}
    for name, part in value.items():
        kept = _kept(part)
        if kept is not None:
            found[name] = kept
    return found


def _kept(part: Any) -> Any:
    if isinstance(part, str):
        return said(part)
    if isinstance(part, dict):
        return pruned(part) or None
    if isinstance(part, list | tuple):
        return [kept for kept in map(_kept, part) if kept is not None] or None
    return part


def said(text: str) -> str | None:
    """Text as FHIR takes it: no control characters, nothing blank; None where nothing is left."""
    return CONTROL.sub(" ", text).strip() or None


def instant(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z") if at else None


def day(value: date | None) -> str | None:
    return value.isoformat() if value else None


def reference(kind: str, name: str, display: str = "") -> Json:
    return {"reference": f"{kind}/{name}", "display": display}


def subject(number: str) -> Json:
    return reference("Patient", patient_id(number))


def coding(vocabulary: str, code: str, display: str = "") -> Json:
    """A code of one of our own code systems."""
    return {"system": system(vocabulary), "code": code, "display": display}


def concept(vocabulary: str, code: str, text: str = "") -> Json:
    return {"coding": [coding(vocabulary, code)], "text": text or code}


def known(uri: str, code: str) -> Json:
    """A concept of a public code system."""
    return {"coding": [{"system": uri, "code": code}]}


def person(name: str, role: str = "") -> Json:
    """Who did or gets something, as far as the journal knows; the engine is a device."""
    if not name and role in ("system", ""):
        return {"type": "Device", "display": ENGINE}
    if "@" in name and " " not in name:
        mail = {"system": "urn:ietf:rfc:3986", "value": f"mailto:{name}"}
        return {"type": "Practitioner", "identifier": mail, "display": name}
    return {"type": "Practitioner", "display": name or role}


def marked(title: str, *, engineering: bool) -> str:
    """The title with its mark where it is an engineering choice that no source contains."""
    return title + E_MARK if engineering else title
