"""What can be recorded: the data elements with their units and valid ranges.

Ranges are those of the data dictionary (clinical specification 1.0). A value outside them is refused and
recorded as refused; it is never clipped, scaled or defaulted. A field that is absent is unknown.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

LEVELS = tuple([f"T{n}" for n in range(1, 13)] + [f"L{n}" for n in range(1, 6)] + ["S1"])
MECHANISMS = ("atraumatic", "low_energy", "high_energy", "unknown")
CROSS_SECTIONAL = ("MRI", "CT")


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a value was refused: a code of the refusal vocabulary and one sentence."""

    code: str
    field: str
    message: str


@dataclass(frozen=True, slots=True)
class Field:
    """One data element: what a value must look like, in words and as a check; `shape` is how a form asks for it."""

    expected: str
    fits: Callable[[Any], bool]
    unit: str = ""
    shape: str = "text"
    choices: tuple[str, ...] = ()

    @property
    def is_date(self) -> bool:
        return self.shape == "date"


def _number(low: float, high: float, unit: str = "", *, whole: bool = False) -> Field:
    def fits(value: Any) -> bool:
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        return low <= value <= high and not (whole and value != int(value))

    kind = "a whole number" if whole else "a number"
    return Field(f"{kind} from {low:g} to {high:g}{' ' + unit if unit else ''}", fits, unit, "number")


def _one_of(*choices: str) -> Field:
    return Field(f"one of {', '.join(choices)}", lambda value: value in choices, shape="one_of", choices=choices)


def _levels(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(level in LEVELS for level in value)


YES_NO = Field("yes or no", lambda value: isinstance(value, bool), shape="yes_no")
TEXT = Field("text", lambda value: isinstance(value, str))
DATE = Field("a date", lambda value: isinstance(value, date), shape="date")
LEVEL_LIST = Field("a list of vertebral levels", _levels, shape="levels", choices=LEVELS)

FIELDS: Mapping[str, Mapping[str, Field]] = {
    "neuro_exam": {
        "complete": YES_NO,
        "motor_deficit": YES_NO,
        "sensory_deficit": YES_NO,
        "reflex_abnormal": YES_NO,
        "bowel_bladder": YES_NO,
        "reduced_rectal_tone": YES_NO,
        "radicular": YES_NO,
    },
    "imaging": {
        "modality": _one_of("XR", "MRI", "CT", "BONE_SCAN", "SPECT_CT"),
        "contrast": YES_NO,
        "region": TEXT,
        "performed": DATE,
        "collapse_pct": _number(0, 100, "% of expected height"),
        "kyphosis": _number(-60, 120, "degrees"),
        "scoliosis": _number(0, 120, "degrees"),
        "retropulsion": YES_NO,
        "posterior_column": YES_NO,
        "alignment_abnormal": YES_NO,
        "cord_compression": YES_NO,
        "cleft": YES_NO,
        "acute_levels": LEVEL_LIST,
        "fracture_levels": LEVEL_LIST,
        "progression": YES_NO,
        "new_fracture": YES_NO,
        "pathologic": _one_of("none", "suspected", "confirmed"),
        "significant_deformity": YES_NO,
        "progressive_kyphosis": YES_NO,
    },
    "symptoms": {
        "nrs": _number(0, 10, "on the pain scale", whole=True),
        "trend": _one_of("improving", "unchanged", "worsening"),
        "changed": YES_NO,
        "resolved": YES_NO,
    },
    "malignancy_features": {
        "cancer_history": YES_NO,
        "weight_loss": YES_NO,
        "failure_to_improve": YES_NO,
    },
    "malignancy": {"status": _one_of("suspected", "confirmed", "excluded")},
    "analgesia": {
        "paracetamol": YES_NO,
        "nsaid": YES_NO,
        "opioid": YES_NO,
        "parenteral_opioid": YES_NO,
        "contraindicated": YES_NO,
        "hospitalised_for_pain": YES_NO,
    },
    "pulmonary": {"dysfunction": YES_NO},
    "dxa": {"t_score": _number(-8, 5, "SD"), "site": TEXT, "date": DATE, "secondary_workup": YES_NO},
    "anthropometry": {
        "height_cm": _number(100, 220, "cm"),
        "weight_kg": _number(25, 300, "kg"),
        "bmi": _number(10, 80, "kg/m2"),
    },
    "supplements": {
        "calcium_mg": _number(0, 5000, "mg a day, elemental"),
        "vitamin_d_iu": _number(0, 20000, "IU a day"),
    },
    "osteoporosis_rx": {"agent": TEXT, "start": DATE, "adherence": TEXT},
    "bone_referral": {"service": TEXT, "date": DATE},
    "calcitonin": {"action": _one_of("start", "stop"), "date": DATE, "route": TEXT},
    "bedside_signs": {"percussion": YES_NO, "supine": YES_NO},
    "mri_safety": {"contraindicated": YES_NO, "mri_contraindicated": YES_NO},
    "mobility": {"bed_rest_days": _number(0, 365, "days", whole=True), "brace": TEXT},
    "physiotherapy": {"referred": YES_NO, "supervised": YES_NO, "date": DATE},
    "function": {"scale": TEXT, "trend": _one_of("improving", "unchanged", "worsening")},
}

# The date that says when the observation was true, where the kind carries one of its own.
OWN_DATE = {"imaging": "performed", "dxa": "date", "bone_referral": "date", "calcitonin": "date"}


def as_date(value: Any) -> Any:
    """An ISO date text or a date with a time as a date; everything else unchanged, for the checks to refuse."""
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, str) and len(value) >= 10:
        try:
            return date.fromisoformat(value[:10])
        except ValueError:
            return value
    return value


def parsed(kind: str, data: Mapping[str, Any]) -> tuple[dict[str, Any], list[Fault]]:
    """The values that fit, and a fault for each that does not. None and absence are unknown.

    Args hold what was sent: `data` may also carry `effective`, the clinical date of the observation.
    """
    fields = {**FIELDS[kind], "note": TEXT}
    good: dict[str, Any] = {}
    faults: list[Fault] = []
    for name, raw in data.items():
        if raw is None or name == "effective":
            continue
        spec = fields.get(name)
        value = as_date(raw) if spec and spec.is_date else raw
        if spec is None:
            faults.append(Fault("OUT_OF_RANGE", name, f"{kind} has no field {name}; not saved"))
        elif spec.fits(value):
            good[name] = value
        else:
            message = f"{name} was {raw!r}; expected {spec.expected}; not saved"
            faults.append(Fault("OUT_OF_RANGE", name, message))
    return good, faults


def dated(kind: str, good: dict[str, Any], effective: Any, today: date, birth: date | None) -> tuple[date, list[Fault]]:
    """The clinical date of an observation, and the faults of its dates (future, before birth)."""
    when = as_date(effective) if effective is not None else good.get(OWN_DATE.get(kind, ""), today)
    if not isinstance(when, date):
        return today, [Fault("OUT_OF_RANGE", "effective", f"{effective!r} is not a date; not saved")]
    faults = []
    for name, day in [("effective", when), *((n, v) for n, v in good.items() if isinstance(v, date))]:
        if day > today:
            faults.append(Fault("FUTURE_DATE", name, f"{name} {day} lies in the future; not saved"))
        elif birth is not None and day < birth:
            faults.append(Fault("DATE_ORDER", name, f"{name} {day} is before birth; not saved"))
    return when, faults
