"""What is recommended now, and why: one predicate for each recommendation of the guideline.

A predicate answers with the evidence that shows the recommendation (a list of sentences, possibly empty), or
None where it is not shown. No dose beyond the recorded floor, no probability, no ranking, no uncited advice.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta

from pathway import assessments
from pathway.calendar import show_date
from pathway.episode import Episode
from pathway.guideline import Guideline, Profile, Recommendation
from pathway.turn import offset_by


@dataclass(frozen=True, slots=True)
class Patient:
    """What a predicate may look at: one episode, the profile that it runs under, and the local day."""

    episode: Episode
    profile: Profile
    today: date


@dataclass(frozen=True, slots=True)
class Advice:
    """A recommendation that is shown now, with the evidence and what is missing for a firmer word."""

    rule: Recommendation
    because: tuple[str, ...]
    missing: tuple[str, ...] = ()


Shown = list[str] | None
Predicate = Callable[[Patient], Shown]


def advice(episode: Episode, guideline: Guideline, profile: Profile, today: date) -> list[Advice]:
    """The recommendations to show, in the order of the guideline; none on a closed episode."""
    if guideline.is_terminal(episode.state):
        return []
    patient, found = Patient(episode, profile, today), []
    for rule in guideline.recommendations.values():
        if rule.states != ("*",) and episode.state not in rule.states:
            continue
        because = PREDICATES[rule.predicate](patient)
        if because is not None:
            found.append(Advice(rule, tuple(because), missing_for(patient, rule.id)))
    return found


def missing_for(patient: Patient, code: str) -> tuple[str, ...]:
    """The data that would let this recommendation say more; unknown is named, never taken for normal."""
    if code == "R-RISK":
        return assessments.failure_risk(patient.episode, patient.profile).unknown
    if code == "R-MRI-BASE" and _contraindicated(patient) is None:
        return ("whether MRI is contraindicated",)
    if code == "R-CALCITONIN":
        known = patient.episode.latest("malignancy_features")
        return () if known else ("cancer history and weight loss",)
    return ()


def _if(holds: bool | None, *because: str) -> Shown:
    return list(because) if holds else None


def _contraindicated(p: Patient) -> bool | None:
    for name in ("contraindicated", "mri_contraindicated"):
        value = p.episode.value("mri_safety", name)
        if value is not None:
            return bool(value)
    return None


def _no_scan(p: Patient) -> bool:
    return not p.episode.cross_sectional()


def r_mri_base(p: Patient) -> Shown:
    return _if(_no_scan(p) and not _contraindicated(p), "no MRI or CT is on file")


def r_ct_alt(p: Patient) -> Shown:
    return _if(_no_scan(p) and _contraindicated(p), "no MRI or CT is on file", "MRI is contraindicated")


def r_age_fracture(p: Patient) -> Shown:
    words = {
        "identification_fallback": "the fracture date is not known; identification stands in for it",
        "month_earliest": "only the month of the fracture is known; its first day stands in",
    }
    said = words.get(p.episode.onset_source)
    return [said] if said else None


def r_signs(p: Patient) -> Shown:
    scanned = any(o.data.get("modality") == "MRI" for o in p.episode.facts("imaging"))
    signs = p.episode.latest("bedside_signs")
    return _if(signs is not None and not scanned, "a bedside sign is recorded and there is no MRI")


def r_multi_note(p: Patient) -> Shown:
    for image in reversed(list(p.episode.facts("imaging"))):
        levels = sorted(set(image.data.get("fracture_levels", ())))
        if len(levels) >= 2:
            return [f"imaging of {show_date(image.effective)} names {', '.join(levels)}"]
    return None


def _malignancy_feature(p: Patient) -> bool:
    return any(
        o.data.get(name)
        for o in p.episode.facts("malignancy_features")
        for name in ("cancer_history", "weight_loss", "failure_to_improve")
    )


def r_calcitonin(p: Patient) -> Shown:
    window = p.episode.identification + timedelta(days=p.profile["calcitonin.stop_days"])
    started = any(o.data.get("action") == "start" for o in p.episode.facts("calcitonin"))
    open_question = p.episode.malignancy in ("suspected", "confirmed") or _malignancy_feature(p)
    off = p.profile["calcitonin.mode"] == "off"
    shown = not off and p.today < window and not started and not open_question
    return _if(shown, f"within the window that ends on {show_date(window)}", "not started")


def r_analgesia(_p: Patient) -> Shown:
    return []


def r_opioid(p: Patient) -> Shown:
    taken = p.episode.value("analgesia", "opioid") or p.episode.value("analgesia", "parenteral_opioid")
    return _if(taken, "an opioid is recorded")


def r_bedrest(_p: Patient) -> Shown:
    return []


def r_mobilise(_p: Patient) -> Shown:
    return []


def r_brace(_p: Patient) -> Shown:
    return []


def r_pt(p: Patient) -> Shown:
    if p.episode.value("physiotherapy", "referred") or p.episode.value("physiotherapy", "supervised"):
        return None
    if p.profile["pt_after"] == "immediate":
        return ["the profile asks for it at once"]
    status = assessments.fresh_symptoms(p.episode, p.profile, p.today)
    nrs = status.data.get("nrs") if status else None
    if nrs is not None and nrs <= p.profile["mild_nrs"]:
        return [f"pain was {nrs:g}/10"]
    reached = any(t.code == "REASSESS" and t.status == "fired" for t in p.episode.timers)
    return _if(reached, "the first reassessment has been reached")


def _lasting_pain(p: Patient) -> bool:
    found = assessments.symptom_class(p.episode, p.profile, p.today).value
    taken = p.episode.latest("analgesia")
    names = ("paracetamol", "nsaid", "opioid", "parenteral_opioid")
    return found in ("persistent", "failing") and taken is not None and any(map(taken.data.get, names))


def r_painclinic(p: Patient) -> Shown:
    return _if(_lasting_pain(p), "pain persists with an analgesic")


def r_nrb(p: Patient) -> Shown:
    return _if(p.profile["nerve_block"] == "text" and _lasting_pain(p), "pain persists with an analgesic")


def _task(code: str) -> Predicate:
    def shown(p: Patient) -> Shown:
        task = p.episode.open_task(code)
        return [f"due {show_date(task.due)}"] if task else None

    return shown


def ci_strontium(p: Patient) -> Shown:
    agent = str(p.episode.value("osteoporosis_rx", "agent") or "").strip().lower()
    return _if(agent in p.profile["oprx_blocklist"], f"{agent} is recorded")


def r_refracture(p: Patient) -> Shown:
    return _if(p.episode.state == "SURVEILLANCE", "the patient is under surveillance")


def r_risk(p: Patient) -> Shown:
    if p.profile["failure_risk.action"] == "off":
        return None
    met = assessments.failure_risk(p.episode, p.profile).met
    return [f"met: {', '.join(met).replace('_', ' ')}"] if met else None


def r_early_aug(p: Patient) -> Shown:
    found = assessments.early_indications(p.episode, p.profile)
    return [", ".join(found).replace("_", " ")] if found else None


def r_aug_consider(p: Patient) -> Shown:
    if p.episode.state == "AUGMENTATION_REFERRAL":
        return ["an augmentation referral is open"]
    reached = p.episode.owed("FAILURE_REVIEW") is not None
    failing = assessments.care_failing(p.episode, p.profile, p.today)
    return _if(reached and failing, "conservative care has failed at the three-month review")


def r_vp_warn(p: Patient) -> Shown:
    return _if(p.profile["vertebroplasty"] == "warn", "the sources disagree about vertebroplasty")


def _three_months_on(p: Patient) -> bool:
    start = p.episode.care_start
    return start is not None and p.today >= offset_by(start, {"months": 3})


def r_surg_consider(p: Patient) -> Shown:
    status = assessments.fresh_symptoms(p.episode, p.profile, p.today)
    if status is None or not _three_months_on(p):
        return None
    nrs = status.data.get("nrs")
    severe = nrs is not None and nrs >= p.profile["severe_nrs"]
    return _if(severe and status.data.get("trend") == "worsening", "pain is severe and worsening")


def r_delayed_referral(p: Patient) -> Shown:
    delayed = p.profile["rf.deformity"] == "delayed" and assessments.has_deformity(p.episode)
    return _if(delayed and _three_months_on(p), "deformity, which this profile refers after three months")


def r_mri_changed(p: Patient) -> Shown:
    newest = p.episode.latest("symptoms")
    if newest is not None and newest.data.get("changed"):
        return [f"symptoms changed on {show_date(newest.effective)}"]
    acting = p.episode.state == "AUGMENTATION_REFERRAL" or p.episode.owed("FAILURE_REVIEW") is not None
    stale = not assessments.imaging_current(p.episode, p.profile, p.today)
    return _if(acting and stale, "the newest MRI or CT is more than three months old")


def r_malig_note(p: Patient) -> Shown:
    if p.episode.malignancy is not None:
        return None
    because = []
    if p.profile["malignancy.age50_first"] == "note" and assessments.over_fifty_first_fracture(p.episode):
        because.append("over 50 with a first fracture")
    weak = p.episode.value("malignancy_features", "failure_to_improve")
    if weak and p.profile["malignancy.failure_to_improve"] == "note":
        because.append("failure to improve")
    return because or None


def r_malig_workup(p: Patient) -> Shown:
    return _if(p.episode.malignancy == "suspected", "malignancy is suspected and not excluded")


PREDICATES: dict[str, Predicate] = {
    predicate.__name__: predicate
    for predicate in (
        r_mri_base,
        r_ct_alt,
        r_age_fracture,
        r_signs,
        r_multi_note,
        r_calcitonin,
        r_analgesia,
        r_opioid,
        r_bedrest,
        r_mobilise,
        r_brace,
        r_pt,
        r_painclinic,
        r_nrb,
        ci_strontium,
        r_refracture,
        r_risk,
        r_early_aug,
        r_aug_consider,
        r_vp_warn,
        r_surg_consider,
        r_delayed_referral,
        r_mri_changed,
        r_malig_note,
        r_malig_workup,
    )
} | {
    "r_oprx": _task("K-OPRX"),
    "r_cavitd": _task("K-CAVITD"),
    "r_dxa": _task("K-DXA"),
    "r_boneref": _task("K-BONEREF"),
}
