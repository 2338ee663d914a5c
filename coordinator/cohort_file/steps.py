"""What a row says, as journal entries with their clinical dates and an identity of their own."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from coordinator.cohort_file.readings import Readings
from pathway.calendar import show_date
from pathway.journal import plain

Data = dict[str, Any]


@dataclass(frozen=True)
class Step:
    """One journal entry to be made.

    `occurred` is its clinical date, None when the file gives none. `event_id` depends only on who it is
    about and on what it says, so that the same fact read again is recognised and a changed one is new.
    """

    event: str
    kind: str
    data: Mapping[str, Any]
    occurred: date | None
    event_id: str
    text: str


@dataclass(frozen=True)
class _Said:
    event: str
    kind: str
    data: Data
    occurred: date | None
    text: str


def _same_names(names: str) -> dict[str, str]:
    return {name: name for name in names.split()}


_PERSON = _same_names("birth_date sex")
_FRACTURE = _same_names("level mechanism first_fracture identification_date")
_NEURO_ITEMS = _same_names("motor_deficit sensory_deficit reflex_abnormal bowel_bladder reduced_rectal_tone radicular")
# Rectal tone is examined only when indicated, so "normal" does not say that it was.
_NORMAL_NEURO = dict.fromkeys(
    ("motor_deficit", "sensory_deficit", "reflex_abnormal", "bowel_bladder", "radicular"), False
)
_ANSWERED_WHEN_COMPLETE = {"motor_deficit", "sensory_deficit", "reflex_abnormal", "bowel_bladder"}
_IMAGING_DATES = {"mri_date": "MRI", "ct_date": "CT", "xray_date": "XR"}
_IMAGING_FINDINGS = _same_names(
    "collapse_pct kyphosis scoliosis retropulsion posterior_column alignment_abnormal cord_compression cleft"
    " progression progressive_kyphosis significant_deformity pathologic acute_levels"
)
_SYMPTOMS = {"nrs": "nrs", "symptoms_changed": "changed", "symptoms_resolved": "resolved"}
_UNDATED = {
    "supplements": {"calcium": "calcium_mg", "vitamin_d": "vitamin_d_iu"},
    "anthropometry": {"height": "height_cm", "weight": "weight_kg", "bmi": "bmi"},
    "malignancy_features": _same_names("cancer_history weight_loss failure_to_improve"),
    "analgesia": {
        **_same_names("paracetamol nsaid opioid parenteral_opioid hospitalised_for_pain"),
        "analgesia_contraindicated": "contraindicated",
    },
    "pulmonary": {"pulmonary_dysfunction": "dysfunction"},
    "bedside_signs": _same_names("percussion supine"),
    "mri_safety": _same_names("mri_contraindicated"),
}
# What the decision to start care rests on; it is recorded first even when it is dated later.
_BEFORE_THE_DECISION = {"neuro_exam", "imaging"}


def steps_of(row: Readings, identifier: str, further: str = "") -> tuple[Step, ...]:
    """The journal entries of one row, in clinical order.

    `further` is empty for a person's first fracture in the file and names any later one, so that the same
    finding on the same day can belong to both.
    """
    said = [_register(row, further), *_observations(row), *_decision(row)]
    care_start = row.day("care_start")
    ordered = sorted(said, key=lambda each: (_rank(each, care_start), each.occurred or date.max))
    return tuple(_identified(each, row, identifier, further) for each in ordered)


def _rank(said: _Said, care_start: date | None) -> int:
    if said.event in ("register", "new_fracture"):
        return 0
    if said.event == "decide":
        return 2
    later = care_start is not None and said.occurred is not None and said.occurred > care_start
    return 3 if later and said.kind not in _BEFORE_THE_DECISION else 1


def _identified(said: _Said, row: Readings, identifier: str, further: str) -> Step:
    # A fracture keeps its identity whether it is met as a person's first in a file or as a later one.
    about = _registration(row) if said.event == "new_fracture" else said.data
    kind = said.kind or "register"
    whose = [identifier] if kind == "register" else [identifier, further]
    text = json.dumps([*whose, kind, plain(about)], sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return Step(said.event, said.kind, plain(said.data), said.occurred, f"import:{digest[:32]}", said.text)


def _register(row: Readings, further: str) -> _Said:
    data = _registration(row)
    event = "register"
    if further:
        event = "new_fracture"
        data = {key: value for key, value in data.items() if key not in _PERSON}
    return _Said(event, "", data, row.day("identification_date"), _register_text(row))


def _registration(row: Readings) -> Data:
    data = {
        "mechanism": "unknown",
        **row.among(_PERSON | _FRACTURE),
        "fracture_date_precision": row.precision,
    }
    if row.precision != "unknown":
        data["fracture_date"] = row.day("fracture_date")
    if "previous_fracture" in row.values and "first_fracture" not in data:
        data["first_fracture"] = not row.values["previous_fracture"]
    return data


def _register_text(row: Readings) -> str:
    when = {"day": "of", "month": "in the month of", "unknown": "of unknown date"}[row.precision]
    fractured = f" {show_date(row.day('fracture_date'))}" if row.precision != "unknown" else ""
    seen = row.day("identification_date")
    identified = f", identified {show_date(seen)}" if seen else ""
    return f"{row.text('level')} fracture {when}{fractured}{identified}"


def _observations(row: Readings) -> Iterator[_Said]:
    yield from _neuro_exam(row)
    yield from _imaging(row)
    yield from _dxa(row)
    yield from _symptoms(row)
    yield from _drug(row)
    for kind, names in _UNDATED.items():
        if data := row.among(names):
            yield _observed(kind, data, None)
    yield from _calcitonin(row)
    if service := row.text("bone_referral"):
        day = row.day("bone_referral_date")
        yield _observed("bone_referral", _with({"service": service}, "date", day), day)


def _observed(kind: str, data: Data, occurred: date | None) -> _Said:
    shown = ", ".join(f"{key.replace('_', ' ')} {_shown(value)}" for key, value in data.items() if key != "effective")
    dated = f" on {show_date(occurred)}" if occurred else ""
    return _Said("observe", kind, data, occurred, f"{kind.replace('_', ' ')}{dated}: {shown}")


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, date):
        return show_date(value)
    return ", ".join(value) if isinstance(value, tuple) else str(value)


def _with(data: Data, key: str, value: date | None) -> Data:
    return data if value is None else {**data, key: value}


def _neuro_exam(row: Readings) -> Iterator[_Said]:
    normal = row.text("neuro_exam") == "normal"
    items = (_NORMAL_NEURO if normal else {}) | row.among(_NEURO_ITEMS)
    if items:
        complete = normal or set(items) >= _ANSWERED_WHEN_COMPLETE
        day = row.day("neuro_date") or row.day("identification_date")
        yield _observed("neuro_exam", _with({"complete": complete, **items}, "effective", day), day)


def _imaging(row: Readings) -> Iterator[_Said]:
    scans = imaging_of(row)
    for modality, performed in scans:
        findings = imaging_findings(row) if len(scans) == 1 else {}
        yield _observed("imaging", {"modality": modality, "performed": performed, **findings}, performed)


def imaging_of(row: Readings) -> list[tuple[str, date]]:
    """Each scan in the row of which both the kind and the day are known."""
    dated = [(modality, row.day(name)) for name, modality in _IMAGING_DATES.items()]
    if modality := row.text("imaging_modality"):
        dated.append((modality, row.day("imaging_date")))
    return list(dict.fromkeys((modality, day) for modality, day in dated if day))


def imaging_findings(row: Readings) -> Data:
    findings = row.among(_IMAGING_FINDINGS)
    further = row.values.get("further_levels")
    if isinstance(further, tuple):
        findings["fracture_levels"] = tuple(dict.fromkeys((row.text("level"), *further)))
    return findings


def _dxa(row: Readings) -> Iterator[_Said]:
    if "t_score" in row.values:
        day = row.day("dxa_date")
        yield _observed("dxa", _with(row.among({"t_score": "t_score"}), "date", day), day)


def symptoms_data(row: Readings) -> Data:
    """The pain score and what goes with it, as the journal keeps them, without their date."""
    data = row.among(_SYMPTOMS)
    trend = row.text("trend")
    if trend == "resolved":
        return {"resolved": True, **data}
    return {**data, "trend": trend} if trend else data


def _symptoms(row: Readings) -> Iterator[_Said]:
    # A pain score is judged by its age; without a date it would pass for today's, so it is not recorded.
    day = row.day("symptoms_date")
    if day and (data := symptoms_data(row)):
        yield _observed("symptoms", {**data, "effective": day}, day)


def _drug(row: Readings) -> Iterator[_Said]:
    if agent := row.text("osteoporosis_drug"):
        day = row.day("drug_start")
        data = _with(_with({"agent": agent}, "start", day), "effective", day)
        yield _observed("osteoporosis_rx", data, day)


def _calcitonin(row: Readings) -> Iterator[_Said]:
    for action in ("start", "stop"):
        if day := row.day(f"calcitonin_{action}"):
            yield _observed("calcitonin", {"action": action, "date": day}, day)


def _decision(row: Readings) -> Iterator[_Said]:
    if day := row.day("care_start"):
        text = f"conservative care started on {show_date(day)}"
        yield _Said("decide", "start_conservative", {"care_start": day}, day, text)
