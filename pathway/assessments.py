"""Clinical judgements that are plain arithmetic over known facts, three-valued, with reasons and missing data.

Sources: stability S0-04 and S3-43; predictors of failure S0-17; bedside signs S2-25; symptom class and the age
of imaging: data dictionary and S1-46. Missing data is named and never counts as normal.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from pathway.calendar import add_months
from pathway.episode import Episode, Observation
from pathway.guideline import Profile

DEFICITS = (
    "motor_deficit",
    "sensory_deficit",
    "reflex_abnormal",
    "bowel_bladder",
    "reduced_rectal_tone",
    "radicular",
)


@dataclass(frozen=True, slots=True)
class Stability:
    """STABLE, UNSTABLE or INDETERMINATE, the fields that speak against stable, and those not known."""

    value: str
    reasons: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FailureRisk:
    """Which predictors of failing conservative care are met. A list, not a score: no weights exist."""

    met: tuple[str, ...]
    not_met: tuple[str, ...]
    unknown: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NeuroStatus:
    """complete: an examination answered everything; positive: findings on the latest examination day."""

    complete: bool
    positive: tuple[str, ...]


def neuro_status(episode: Episode) -> NeuroStatus:
    """Worst case of all examinations on the latest day, without those a clinician has judged."""
    exams = list(episode.facts("neuro_exam"))
    complete = any(exam.data.get("complete") for exam in exams)
    standing = [exam for exam in exams if not exam.adjudicated]
    if not standing:
        return NeuroStatus(complete, ())
    day = standing[-1].effective
    that_day = [exam for exam in standing if exam.effective == day]
    positive = tuple(name for name in DEFICITS if any(exam.data.get(name) for exam in that_day))
    return NeuroStatus(complete, positive)


def stability(episode: Episode, profile: Profile) -> Stability:
    """S0-04 and S3-43: strict limits, all five known for stable, any one sign for unstable."""
    neuro = neuro_status(episode)
    images = episode.cross_sectional()
    image: Mapping[str, Any] = images[-1].data if images else {}
    judged = bool(images) and images[-1].adjudicated
    unstable = list(neuro.positive)
    if not judged:
        unstable += _unstable_image(image, profile)
    if unstable:
        return Stability("UNSTABLE", tuple(unstable))
    reasons, missing = _against_stable(image, profile)
    if judged:
        reasons = (*reasons, "overruled_finding")
    if not neuro.complete:
        missing = ("neuro_exam", *missing)
    return Stability("INDETERMINATE" if reasons or missing else "STABLE", reasons, missing)


def _unstable_image(image: Mapping[str, Any], profile: Profile) -> list[str]:
    signs = [s for s in ("posterior_column", "alignment_abnormal", "cord_compression") if image.get(s)]
    collapse = image.get("collapse_pct")
    if collapse is not None and collapse > profile["collapse_unstable_pct"]:
        signs.append("collapse_pct")
    return signs


def _against_stable(image: Mapping[str, Any], profile: Profile) -> tuple[tuple[str, ...], tuple[str, ...]]:
    limits = {
        "collapse_pct": profile["stable.height_loss_pct"],
        "kyphosis": profile["stable.kyphosis"],
        "scoliosis": profile["stable.scoliosis"],
    }
    reasons = [n for n, limit in limits.items() if image.get(n) is not None and image[n] >= limit]
    if image.get("retropulsion"):
        reasons.append("retropulsion")
    missing = [name for name in (*limits, "retropulsion") if image.get(name) is None]
    return tuple(reasons), tuple(missing)


def collapse_band(collapse: float | None, profile: Profile) -> str:
    """minimal, intermediate, predictor of failure or unstable (S0-04, S0-17, S3-43); unknown if not measured."""
    if collapse is None:
        return "unknown"
    if collapse < profile["stable.height_loss_pct"]:
        return "minimal"
    if collapse <= profile["failure_risk.collapse_pct"]:
        return "intermediate"
    return "predictor of failure" if collapse <= profile["collapse_unstable_pct"] else "unstable"


def failure_risk(episode: Episode, profile: Profile) -> FailureRisk:
    """S0-17, strict inequalities; equality never counts, unknown stays unknown."""
    images = [image for image in episode.cross_sectional() if "collapse_pct" in image.data]
    known: dict[str, bool | None] = {
        "age": _older_than(episode.birth_date, profile["failure_risk.age_months"], episode.onset),
        "bmi": _above(body_mass_index(episode), profile["failure_risk.bmi"]),
        "collapse": _above(images[-1].data["collapse_pct"] if images else None, profile["failure_risk.collapse_pct"]),
        "t_score": _above(profile["failure_risk.t_score"], episode.value("dxa", "t_score")),
    }
    return FailureRisk(
        tuple(name for name, met in known.items() if met),
        tuple(name for name, met in known.items() if met is False),
        tuple(name for name, met in known.items() if met is None),
    )


def _older_than(birth: date | None, months: int, on: date) -> bool | None:
    return None if birth is None else on > add_months(birth, months)


def _above(value: float | None, limit: float | None) -> bool | None:
    return None if value is None or limit is None else value > limit


def body_mass_index(episode: Episode) -> float | None:
    """kg/m2 as recorded, else from the newest height and weight; None when either is unknown."""
    recorded = episode.value("anthropometry", "bmi")
    height = episode.value("anthropometry", "height_cm")
    weight = episode.value("anthropometry", "weight_kg")
    if recorded is not None:
        return float(recorded)
    return weight / (height / 100) ** 2 if height and weight else None


def over_fifty_first_fracture(episode: Episode) -> bool | None:
    """S3-29: the fracture came after, not on, the fiftieth birthday, and is the first; None if unknown."""
    older = _older_than(episode.birth_date, 600, episode.onset)
    if older is False or episode.first_fracture is False:
        return False
    return True if older and episode.first_fracture else None


@dataclass(frozen=True, slots=True)
class SymptomClass:
    """resolved, failing, mild_improving, persistent or unknown; the observation it was read from."""

    value: str
    status: Observation | None = None
    missing: tuple[str, ...] = ()


def fresh_symptoms(episode: Episode, profile: Profile, today: date) -> Observation | None:
    """The newest symptom status, if it is no older than the profile allows (14 days [E])."""
    status = episode.latest("symptoms")
    oldest = today - timedelta(days=profile["symptom_fresh_days"])
    return status if status and status.effective >= oldest else None


def symptom_class(episode: Episode, profile: Profile, today: date) -> SymptomClass:
    status = fresh_symptoms(episode, profile, today)
    if status is None:
        return SymptomClass("unknown", None, ("symptom status of the last 14 days",))
    nrs, trend = status.data.get("nrs"), status.data.get("trend")
    missing = tuple(name for name, value in (("nrs", nrs), ("trend", trend)) if value is None)
    if status.data.get("resolved"):
        return SymptomClass("resolved", status, missing)
    if trend == "worsening" or (nrs is not None and nrs >= profile["severe_nrs"]):
        return SymptomClass("failing", status, missing)
    if trend == "improving" and nrs is not None and nrs <= profile["mild_nrs"]:
        return SymptomClass("mild_improving", status, missing)
    return SymptomClass("persistent", status, missing)


def care_failing(episode: Episode, profile: Profile, today: date) -> bool | None:
    """Whether conservative care has failed as the profile defines it (conflict C-02); None if not known."""
    found = symptom_class(episode, profile, today)
    if found.value == "unknown" or found.status is None:
        return None
    definition = profile["failure_definition"]
    if definition == "persistent":
        return found.value in ("persistent", "failing")
    if found.value != "failing":
        return False
    nrs = found.status.data.get("nrs")
    if definition == "severe":
        return None if nrs is None else nrs >= profile["severe_nrs"]
    return True


def imaging_current(episode: Episode, profile: Profile, today: date) -> bool:
    """The latest MRI or CT is not more than three calendar months old; exactly three is current (S1-46)."""
    images = episode.cross_sectional()
    months = profile["imaging_max_age_months"]
    return bool(images) and today <= add_months(images[-1].effective, months)


def eight_week_imaging(episode: Episode, profile: Profile) -> Observation | None:
    """An MRI or CT late enough after onset to answer the eight-week question."""
    credited = profile["imaging8w_days"] - profile["imaging8w_credit_days"]
    earliest = episode.onset + timedelta(days=credited)
    return next((image for image in episode.cross_sectional() if image.effective >= earliest), None)


def early_indications(episode: Episode, profile: Profile) -> tuple[str, ...]:
    """Reasons to consider augmentation before three months (S1-27 to S1-31, S0-15, S0-16, S2-18; C-30)."""
    newest = episode.latest("symptoms")
    found = [
        ("worsening", newest is not None and newest.data.get("trend") == "worsening"),
        ("pulmonary_dysfunction", episode.value("pulmonary", "dysfunction")),
        ("parenteral_opioid", episode.value("analgesia", "parenteral_opioid")),
        ("hospitalised_for_pain", episode.value("analgesia", "hospitalised_for_pain")),
        ("analgesics_contraindicated", episode.value("analgesia", "contraindicated")),
        ("deformity", profile["rf.deformity"] == "early_indication" and has_deformity(episode)),
        (
            "failure_predictor",
            profile["failure_risk.action"] == "early_indication" and bool(failure_risk(episode, profile).met),
        ),
    ]
    return tuple(name for name, holds in found if holds)


def has_deformity(episode: Episode) -> bool:
    return any(
        image.data.get("significant_deformity") or image.data.get("progressive_kyphosis")
        for image in episode.facts("imaging")
    )


@dataclass(frozen=True, slots=True)
class BedsideSign:
    """Sensitivity and specificity of one sign (S2-25), and what follows by Bayes' rule."""

    name: str
    sensitivity: float
    specificity: float

    def likelihood_ratio(self, *, positive: bool) -> float:
        if positive:
            return self.sensitivity / (1 - self.specificity)
        return (1 - self.sensitivity) / self.specificity

    def posttest(self, pretest: float, *, positive: bool) -> float:
        """Probability after the sign. A person must give the probability before it; signs are not multiplied."""
        odds = pretest / (1 - pretest) * self.likelihood_ratio(positive=positive)
        return odds / (1 + odds)


SIGNS = {
    "percussion": BedsideSign("percussion", 0.875, 0.90),
    "supine": BedsideSign("supine", 0.8125, 0.9333),
}


def flags_in(kind: str, data: Mapping[str, Any], profile: Profile) -> tuple[str, ...]:
    """The red flags that one observation or registration states, whatever the profile makes of them."""
    return tuple(code for code, holds in _FLAG_TESTS.get(kind, _nothing)(data, profile) if holds)


def immediate_flags(kind: str, data: Mapping[str, Any], profile: Profile, levels: Mapping[str, str]) -> tuple[str, ...]:
    """Those of them that the profile calls immediate; `levels` names the parameter of each flag."""
    return tuple(sorted(code for code in flags_in(kind, data, profile) if profile[levels[code]] == "immediate"))


def _nothing(_data: Mapping[str, Any], _profile: Profile) -> list[tuple[str, bool]]:
    return []


def _neuro_flags(data: Mapping[str, Any], _profile: Profile) -> list[tuple[str, bool]]:
    deficit = any(data.get(name) for name in DEFICITS if name != "radicular")
    return [("neuro", deficit), ("radicular", bool(data.get("radicular")))]


def _imaging_flags(data: Mapping[str, Any], profile: Profile) -> list[tuple[str, bool]]:
    collapse = data.get("collapse_pct")
    deformity = data.get("significant_deformity") or data.get("progressive_kyphosis")
    unstable = (
        data.get("posterior_column")
        or data.get("alignment_abnormal")
        or (collapse is not None and collapse > profile["collapse_unstable_pct"])
    )
    return [
        ("cord", bool(data.get("cord_compression"))),
        ("instability", bool(unstable)),
        ("deformity", bool(deformity)),
        ("pathologic_confirmed", data.get("pathologic") == "confirmed"),
        ("malignancy_suspected", data.get("pathologic") == "suspected"),
        ("multilevel_acute", len(set(data.get("acute_levels", ()))) >= 2),
        ("multilevel_any", len(set(data.get("fracture_levels", ()))) >= 2),
    ]


def _malignancy_flags(data: Mapping[str, Any], _profile: Profile) -> list[tuple[str, bool]]:
    return [
        ("pathologic_confirmed", data.get("status") == "confirmed"),
        ("malignancy_suspected", data.get("status") == "suspected"),
    ]


def _register_flags(data: Mapping[str, Any], _profile: Profile) -> list[tuple[str, bool]]:
    return [("high_energy", data.get("mechanism") == "high_energy")]


def _feature_flags(data: Mapping[str, Any], _profile: Profile) -> list[tuple[str, bool]]:
    return [("malignancy_feature", bool(data.get("cancer_history") or data.get("weight_loss")))]


_FLAG_TESTS = {
    "malignancy_features": _feature_flags,
    "neuro_exam": _neuro_flags,
    "imaging": _imaging_flags,
    "malignancy": _malignancy_flags,
    "register": _register_flags,
}
