"""Exports as a hospital's system writes them, made here: what a test says of a resource is all that is unusual."""

import json
from pathlib import Path
from typing import Any

SNOMED, LOINC, ICD = "http://snomed.info/sct", "http://loinc.org", "http://hl7.org/fhir/sid/icd-10-cm"
RXNORM, CPT = "http://www.nlm.nih.gov/research/umls/rxnorm", "http://www.ama-assn.org/go/cpt"
LABEL = {"tag": [{"system": "urn:clinical-pathway-engine", "code": "made-up"}]}
DROP = object()


def resource(kind: str, name: str, /, **parts: Any) -> dict[str, Any]:
    whole = {"resourceType": kind, "id": name, "meta": LABEL, **parts}
    return {key: value for key, value in whole.items() if value is not DROP}


def coded(system: str, code: str, text: str = "") -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}], **({"text": text} if text else {})}


def state(kind: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": f"http://terminology.hl7.org/CodeSystem/condition-{kind}", "code": code}]}


def number(value: str, **parts: Any) -> dict[str, Any]:
    kind = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}]}
    return {"type": kind, "system": "http://hospital.example.org/mrn", "value": value, **parts}


def patient(name: str = "p1", mrn: str = "H1", /, **parts: Any) -> dict[str, Any]:
    known = {
        "identifier": [number(mrn)],
        "name": [{"use": "official", "family": "Example", "given": ["Ann"]}],
        "birthDate": "1950-06-01",
        "gender": "female",
    }
    return resource("Patient", name, **(known | parts))


def condition(name: str = "c1", code: Any = "S32.010A", *, of: str = "p1", system: str = ICD, **parts: Any):
    known = {
        "clinicalStatus": state("clinical", "active"),
        "verificationStatus": state("ver-status", "confirmed"),
        "code": code if isinstance(code, dict) else coded(system, code),
        "subject": {"reference": f"Patient/{of}"},
        "onsetDateTime": "2026-02-02T09:00:00+00:00",
        "recordedDate": "2026-02-03T10:00:00+00:00",
    }
    return resource("Condition", name, **(known | parts))


def at_level(code: str) -> list[dict[str, Any]]:
    return [coded(SNOMED, code)]


L1, L2, T12 = "66794005", "14293000", "23215003"


def observation(name: str, loinc: str, value: Any, on: str, unit: str = "{score}", *, of: str = "p1", **parts: Any):
    known = {
        "status": "final",
        "code": coded(LOINC, loinc),
        "subject": {"reference": f"Patient/{of}"},
        "effectiveDateTime": on,
        "valueQuantity": {"value": value, "unit": unit, "code": unit, "system": "http://unitsofmeasure.org"},
    }
    return resource("Observation", name, **(known | parts))


def pain(name: str, value: Any, on: str = "2026-02-20T09:00:00+00:00", **parts: Any) -> dict[str, Any]:
    return observation(name, "72514-3", value, on, **parts)


def about(kind: str, name: str, /, *, of: str = "p1", **parts: Any) -> dict[str, Any]:
    return resource(kind, name, subject={"reference": f"Patient/{of}"}, **parts)


def bundle(*resources: dict[str, Any], kind: str = "transaction") -> dict[str, Any]:
    entries = [_entry(found, kind) for found in resources]
    return {"resourceType": "Bundle", "type": kind, "meta": LABEL, "entry": entries}


def _entry(found: dict[str, Any], kind: str) -> dict[str, Any]:
    entry: dict[str, Any] = {"resource": found}
    if kind in ("transaction", "batch"):
        entry["request"] = {"method": "POST", "url": found.get("resourceType", "")}
    if kind == "searchset":
        entry["search"] = {"mode": "match"}
    return entry


def write(folder: Path, *resources: dict[str, Any], name: str = "export.json", kind: str = "transaction") -> Path:
    file = folder / name
    file.write_text(json.dumps(bundle(*resources, kind=kind)), encoding="utf-8")
    return file


def lines(folder: Path, *resources: Any, name: str = "export.ndjson") -> Path:
    """NDJSON; a text stands as it is."""
    file = folder / name
    texts = [found if isinstance(found, str) else json.dumps(found) for found in resources]
    file.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    return file
