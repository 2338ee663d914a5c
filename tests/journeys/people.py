"""What is told about the people of these tests: steps of the engine with clinical defaults that raise no flag."""

from typing import Any

from pathway.checking import load_guideline
from pathway.engine import Engine
from pathway.journal import Step

GUIDELINE = load_guideline()
ENGINE = Engine(GUIDELINE)
PROFILES = tuple(GUIDELINE.profiles)
ZONES = ("Europe/London", "America/New_York", "Pacific/Auckland", "Australia/Lord_Howe", "Asia/Kolkata")
BONE_TASKS = ("K-CAVITD", "K-OPRX", "K-DXA", "K-BONEREF")

WELL = {
    "complete": True,
    "motor_deficit": False,
    "sensory_deficit": False,
    "reflex_abnormal": False,
    "bowel_bladder": False,
    "radicular": False,
}
STABLE = {
    "modality": "MRI",
    "collapse_pct": 8.0,
    "kyphosis": 5.0,
    "scoliosis": 2.0,
    "retropulsion": False,
    "posterior_column": False,
    "alignment_abnormal": False,
    "cord_compression": False,
    "pathologic": "none",
    "fracture_levels": ["L1"],
    "acute_levels": ["L1"],
}
WHY = {"reason": "seen in clinic"}


def registered(fracture: str | None = "2026-01-02", **more: Any) -> Step:
    data = {"birth_date": "1950-06-01", "sex": "F", "level": "L1", "mechanism": "low_energy", **more}
    return Step("register", data={**data, "fracture_date": fracture} if fracture else data)


def fractured_again(fracture: str, **more: Any) -> Step:
    return Step("new_fracture", data={"level": "L2", "fracture_date": fracture, **more})


def observed(kind: str, **data: Any) -> Step:
    """A fact; `obs_id` and `event_id` name the observation and the message."""
    names = {name: data.pop(name) for name in ("obs_id", "event_id") if name in data}
    return Step("observe", kind, data, **names)


def examined(**found: Any) -> Step:
    """A complete examination: normal but for what is named."""
    names = {name: found.pop(name) for name in ("obs_id", "event_id") if name in found}
    return observed("neuro_exam", **{**WELL, **found}, **names)


def scanned(performed: str | None = None, **found: Any) -> Step:
    """A stable MRI but for what is named; performed today unless a date is given."""
    names = {name: found.pop(name) for name in ("obs_id", "event_id") if name in found}
    dated = {"performed": performed} if performed else {}
    return observed("imaging", **{**STABLE, **dated, **found}, **names)


def pain(nrs: int, trend: str = "unchanged", **more: Any) -> Step:
    return observed("symptoms", nrs=nrs, trend=trend, **more)


def painless(**more: Any) -> Step:
    return observed("symptoms", nrs=0, trend="improving", resolved=True, **more)


def decided(kind: str, *, actor: str = "clinician", **data: Any) -> Step:
    return Step("decide", kind, data, actor)


def outcome(service: str, result: str, **data: Any) -> Step:
    return decided("referral_outcome", actor="coordinator", service=service, outcome=result, **data)


def happened(kind: str, *, actor: str = "clinician", **data: Any) -> Step:
    """An administrative event: a death, a withdrawal, a move to another site."""
    return Step("admin", kind, data, actor)


def corrected(what: str, value: Any = None, *, actor: str = "clinician", **more: Any) -> Step:
    data = {**more, "value": value} if value is not None else more
    return Step("correct", what, data, actor)


def closed(code: str, how: str = "done", *, actor: str = "clinician", **data: Any) -> Step:
    return Step("task", code, {"code": code, "how": how, **data}, actor)
