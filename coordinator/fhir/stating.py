"""What one resource states of a patient who is followed: facts, words for a person, and what cannot be used."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from coordinator.cohort_file.concerns import looks_like
from coordinator.fhir.codes import Codes, Row
from coordinator.fhir.fractures import OPEN
from coordinator.fhir.relevance import imaging_of, medicines_in
from coordinator.fhir.sorting import Item
from coordinator.fhir.values import (
    When,
    codings,
    first_when,
    listed,
    number_of,
    reference_of,
    status_of,
    when,
    words_of,
)
from pathway.calendar import show_date

Data = dict[str, Any]
Medication = Callable[[str], Mapping[str, Any] | None]

DONE = ("final", "amended", "corrected", "appended")
TAKEN = ("active", "completed", "stopped")
ORDERED = ("order", "original-order", "filler-order", "instance-order", "reflex-order")
ANALGESICS = ("paracetamol", "nsaid", "opioid")

# A code names a diagnosis where the journal asks for a finding: the worst that it can mean stands until a clinician
# has judged it (clinical specification 3.6), and the note says so.
NEUROLOGY: Mapping[str, tuple[str, Data]] = {
    "deficit": ("neuro_exam", {"motor_deficit": True, "note": "coded as neurological deficit, its kind is not said"}),
    "cauda_equina": ("neuro_exam", {"bowel_bladder": True, "note": "coded as cauda equina syndrome"}),
    "paralysis": ("neuro_exam", {"motor_deficit": True, "note": "coded as paralysis from a lesion of the spinal cord"}),
    "radiculopathy": ("neuro_exam", {"radicular": True, "note": "coded as lumbar radiculopathy"}),
    "cord_injury": (
        "neuro_exam",
        {"motor_deficit": True, "note": "coded as a fracture with spinal cord injury, its kind is not said"},
    ),
    "cord_compression": ("imaging", {"cord_compression": True, "note": "coded as cord compression; no image was read"}),
    "unstable_burst": ("imaging", {"posterior_column": True, "note": "coded as unstable burst fracture"}),
}


@dataclass(frozen=True, slots=True)
class Fact:
    """Something measured, found or done. `part` tells the facts of one resource apart.

    `standing`: true of the patient whenever the fracture was; `danger`: never to be swallowed.
    """

    item: Item
    kind: str
    data: Data
    day: date
    part: str = ""
    standing: bool = False
    danger: bool = False


@dataclass(frozen=True, slots=True)
class Word:
    """Something that only a person may act on."""

    item: Item
    looks_like: str
    text: str
    day: date | None = None


@dataclass(frozen=True, slots=True)
class Unusable:
    item: Item
    because: str


Statement = Fact | Word | Unusable


@dataclass(frozen=True, slots=True)
class Reader:
    """What it takes to understand a resource: the codes, the site's zone, and the Medications that were read."""

    codes: Codes
    zone: str
    medication: Medication

    def statements(self, item: Item) -> Iterator[Statement]:
        yield from _READ[str(item.resource["resourceType"])](self, item)


def _dated(reader: Reader, item: Item, *names: str) -> When | Unusable:
    found = first_when(item.resource, reader.zone, *names)
    if found is None:
        return Unusable(item, "it has no date that can be read; not recorded")
    if found.precision != "day":
        return Unusable(item, f"its date is only known as a {found.precision}; not recorded")
    return found


# ---------------------------------------------------------------- measurements


def _observation(reader: Reader, item: Item) -> Iterator[Statement]:
    resource = item.resource
    row = reader.codes.first("measurement", codings(resource.get("code"), reader.codes))
    if row is None or resource.get("status") not in DONE or "dataAbsentReason" in resource:
        return
    known = _dated(reader, item, "effectiveDateTime", "effectivePeriod", "effectiveInstant")
    value = _value(item, row)
    if isinstance(known, Unusable):
        yield known
        return
    if isinstance(value, Unusable):
        yield value
        return
    kind, name = row["field"].split(".")
    data = {**value, name: value[name]}
    if kind == "dxa":
        data |= {"site": row["site"], "date": known.day}
    else:
        data["effective"] = known.day
    yield Fact(item, kind, data, known.day, name, standing=kind in ("dxa", "anthropometry"))


def _value(item: Item, row: Row) -> Data | Unusable:
    """The number with its unit as the journal wants it; converted only by exact factors, never rounded."""
    resource, name = item.resource, row["field"].split(".")[1]
    quantity = resource.get("valueQuantity")
    if isinstance(quantity, Mapping):
        value, unit = number_of(quantity.get("value")), str(quantity.get("code") or quantity.get("unit") or "")
        if quantity.get("comparator"):
            return Unusable(item, f"its value is {quantity['comparator']} {value}, no measured value; not recorded")
    else:
        value, unit = number_of(resource.get("valueInteger")), ""
    if value is None:
        return Unusable(item, "it has no number; not recorded")
    if unit in row.get("factors", {}):
        return {name: value * row["factors"][unit], "note": f"{value:g} {unit}"}
    if "units" in row and unit not in row["units"]:
        return Unusable(item, f"its unit is {unit!r}, expected {row['units'][0]!r}; not recorded")
    return {name: value}


# ---------------------------------------------------------------- conditions


def _condition(reader: Reader, item: Item) -> Iterator[Statement]:
    resource = item.resource
    found = list(codings(resource.get("code"), reader.codes))
    known = first_when(resource, reader.zone, "onsetDateTime", "onsetPeriod", "recordedDate")
    names = [row["finding"] for c in found if (row := reader.codes.row("condition", c)) is not None]
    names += [row["finding"] for c in found if "finding" in (row := reader.codes.row("fracture", c) or {})]
    names += ["unstable_burst" for c in found if reader.codes.row("burst", c) is not None]
    is_open = status_of(resource.get("clinicalStatus")) in (*OPEN, "") and not any(
        name in resource for name in ("abatementDateTime", "abatementPeriod")
    )
    sure = status_of(resource.get("verificationStatus")) != "differential"
    for name in dict.fromkeys(names):
        yield from _diagnosis(item, name, known, words_of(resource.get("code")), acute=is_open and sure)


def _diagnosis(item: Item, name: str, known: When | None, text: str, *, acute: bool) -> Iterator[Statement]:
    if known is None or known.precision == "year":
        yield Word(item, "red_flag", f"{text or name}: coded without a date")
        return
    day = known.day
    if name == "cancer" or (name == "bone_metastasis" and not acute):
        yield Fact(item, "malignancy_features", {"cancer_history": True, "effective": day}, day, name, standing=True)
    elif name == "bone_metastasis":
        note = "coded diagnosis; a clinician confirms or excludes it"
        data = {"status": "suspected", "effective": day, "note": note}
        yield Fact(item, "malignancy", data, day, name, standing=True, danger=True)
    elif acute:
        kind, data = NEUROLOGY[name]
        date_of = {"performed": day} if kind == "imaging" else {"effective": day}
        yield Fact(item, kind, {**data, **date_of}, day, name, danger=True)
    else:
        yield Word(item, "red_flag", f"{text or name}: coded, but not as present and sure", day)


# ---------------------------------------------------------------- imaging


def _scan(reader: Reader, item: Item, *names: str) -> Iterator[Statement]:
    modality = imaging_of(item.resource, reader.codes)
    if not modality:
        return
    known = _dated(reader, item, *names)
    if isinstance(known, Unusable):
        yield known
        return
    data = {"modality": modality, "region": "lumbar spine", "performed": known.day}
    yield Fact(item, "imaging", data, known.day, "scan")


def _imaging_study(reader: Reader, item: Item) -> Iterator[Statement]:
    if item.resource.get("status") == "available":
        yield from _scan(reader, item, "started")


def _report(reader: Reader, item: Item) -> Iterator[Statement]:
    resource = item.resource
    if resource.get("status") not in DONE:
        return
    yield from _scan(reader, item, "effectiveDateTime", "effectivePeriod")
    known = first_when(resource, reader.zone, "effectiveDateTime", "effectivePeriod", "issued")
    text = resource.get("conclusion")
    if isinstance(text, str) and "red_flag" in looks_like(text):
        yield Word(item, "red_flag", text, known.day if known else None)
    for concept in listed(resource, "conclusionCode"):
        for coding in codings(concept, reader.codes):
            row = reader.codes.row("condition", coding)
            if row is not None:
                yield from _diagnosis(item, row["finding"], known, words_of(concept), acute=True)


def _request(reader: Reader, item: Item) -> Iterator[Statement]:
    """An order is no scan; only one that is said to be completed, with the day, tells of one."""
    if item.resource.get("status") == "completed" and item.resource.get("doNotPerform") is not True:
        yield from _scan(reader, item, "occurrenceDateTime", "occurrencePeriod")


# ---------------------------------------------------------------- procedures


def _procedure(reader: Reader, item: Item) -> Iterator[Statement]:
    resource = item.resource
    if resource.get("status") != "completed":
        return
    yield from _scan(reader, item, "performedDateTime", "performedPeriod")
    row = reader.codes.first("procedure", codings(resource.get("code"), reader.codes))
    if row is None:
        return
    known = _dated(reader, item, "performedDateTime", "performedPeriod")
    if row["what"] == "augmentation":
        # Where the patient goes next is decided with the outcome of the referral, and that is a person's.
        done = f" on {show_date(known.day)}" if isinstance(known, When) else ""
        text = f"Augmentation was done{done} ({words_of(resource.get('code')) or 'by its code'}): record its outcome"
        yield Word(item, "other_free_text", text, known.day if isinstance(known, When) else None)
    elif isinstance(known, Unusable):
        yield known
    elif row["what"] == "physiotherapy":
        data = {"referred": True, "date": known.day, "effective": known.day}
        yield Fact(item, "physiotherapy", data, known.day, "physiotherapy")
    else:
        yield Fact(item, "mobility", {"brace": "back brace", "effective": known.day}, known.day, "brace")


# ---------------------------------------------------------------- medicines


def _medicine(reader: Reader, item: Item) -> Iterator[Statement]:
    resource = item.resource
    status = str(resource.get("status"))
    asked = resource["resourceType"] == "MedicationRequest"
    if status not in TAKEN or resource.get("doNotPerform") is True:
        return
    if asked and resource.get("intent") not in ORDERED:
        return
    names = [row["what"] for row in medicines_in(_concept(reader, item), reader.codes)]
    if not names:
        return
    known = _dated(reader, item, *(("authoredOn",) if asked else ("effectiveDateTime", "effectivePeriod")))
    if isinstance(known, Unusable):
        yield known
        return
    analgesics = {name: True for name in names if name in ANALGESICS}
    if analgesics:
        yield Fact(item, "analgesia", {**analgesics, "effective": known.day}, known.day, "analgesia")
    for name in names:
        if name == "calcitonin":
            yield from _calcitonin(reader, item, known.day)
        elif name not in ANALGESICS and status != "stopped":
            data = {"agent": name, "start": known.day, "effective": known.day}
            yield Fact(item, "osteoporosis_rx", data, known.day, name, standing=status == "active")


def _calcitonin(reader: Reader, item: Item, day: date) -> Iterator[Statement]:
    yield Fact(item, "calcitonin", {"action": "start", "date": day}, day, "calcitonin start")
    period = item.resource.get("effectivePeriod")
    end = when(period.get("end"), reader.zone) if isinstance(period, Mapping) else None
    if end is not None and end.precision == "day":
        yield Fact(item, "calcitonin", {"action": "stop", "date": end.day}, end.day, "calcitonin stop")


def _concept(reader: Reader, item: Item) -> Any:
    """The medicine itself: named here, contained here, or a Medication of its own."""
    resource = item.resource
    if "medicationCodeableConcept" in resource:
        return resource["medicationCodeableConcept"]
    reference = reference_of(resource.get("medicationReference"))
    if reference.startswith("#"):
        inside = [c for c in listed(resource, "contained") if isinstance(c, Mapping)]
        return next((c.get("code") for c in inside if f"#{c.get('id')}" == reference), None)
    found = reader.medication(reference) if reference else None
    return found.get("code") if found else None


_READ: Mapping[str, Callable[[Reader, Item], Iterator[Statement]]] = {
    "Condition": _condition,
    "Observation": _observation,
    "ImagingStudy": _imaging_study,
    "DiagnosticReport": _report,
    "ServiceRequest": _request,
    "Procedure": _procedure,
    "MedicationRequest": _medicine,
    "MedicationStatement": _medicine,
}
