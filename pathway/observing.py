"""Taking in an observation: what it closes, and the moves it causes at once, scheduler or no scheduler."""

from datetime import date
from typing import Any

from pathway import assessments
from pathway.episode import Episode, Observation
from pathway.facts import CROSS_SECTIONAL, FIELDS, Fault, dated, parsed
from pathway.journal import Refusal
from pathway.machine import Machine
from pathway.moving import move
from pathway.turn import Turn

# Which early indications (assessments.early_indications) each kind of observation can state.
INDICATIONS = {
    "symptoms": ("worsening",),
    "pulmonary": ("pulmonary_dysfunction",),
    "analgesia": ("parenteral_opioid", "hospitalised_for_pain", "analgesics_contraindicated"),
    "imaging": ("deformity", "failure_predictor"),
    "dxa": ("failure_predictor",),
    "anthropometry": ("failure_predictor",),
}


def observe(turn: Turn, machine: Machine) -> Refusal | None:
    """Record a measured fact. A bad value refuses the message, but never a red flag that came with it."""
    kind = turn.step.kind
    if kind not in FIELDS:
        return Refusal("OUT_OF_RANGE", f"{kind!r} is not a kind of observation; nothing was saved")
    good, faults = parsed(kind, turn.data)
    effective, date_faults = dated(kind, good, turn.data.get("effective"), turn.today, turn.episode.birth_date)
    faults = [*faults, *date_faults, *_contradictions(turn, kind, good, effective)]
    if faults and not _immediate(turn, kind, good):
        return Refusal(faults[0].code, "; ".join(fault.message for fault in faults))
    if faults:
        effective = _salvage(turn, good, faults, effective)
    known_predictors = assessments.failure_risk(turn.episode, turn.profile).met
    observation = _keep(turn, kind, good, effective)
    if turn.guideline.is_terminal(turn.episode.state):
        _late_result(turn, observation)
    else:
        _react(turn, machine, observation, known_predictors)
    return None


def _immediate(turn: Turn, kind: str, data: dict[str, Any]) -> tuple[str, ...]:
    levels = {rule.code: rule.parameter for rule in turn.guideline.red_flags.values()}
    return assessments.immediate_flags(kind, data, turn.profile, levels)


def _contradictions(turn: Turn, kind: str, good: dict[str, Any], effective: date) -> list[Fault]:
    nrs = good.get("nrs")
    if kind == "symptoms" and good.get("resolved") and nrs is not None and nrs > turn.profile["mild_nrs"]:
        message = f"pain is said to be resolved but scored {nrs:g}/10; not saved"
        return [Fault("CONTRADICTION", "resolved", message)]
    started = kind == "calcitonin" and good.get("action") == "start"
    if started and effective < turn.episode.identification:
        message = "calcitonin cannot start before the fracture was identified; not saved"
        return [Fault("DATE_ORDER", "date", message)]
    return []


def _salvage(turn: Turn, good: dict[str, Any], faults: list[Fault], effective: date) -> date:
    """A red flag in a message with bad values is kept as of now, and a person checks the rest."""
    for fault in faults:
        good.pop(fault.field, None)
    turn.note("values_refused", fields=[f.field for f in faults], because=[f.message for f in faults])
    if not turn.guideline.is_terminal(turn.episode.state):
        turn.open_task("K-DATAQ")
    impossible = any(fault.code in ("FUTURE_DATE", "DATE_ORDER") for fault in faults)
    return turn.today if impossible else effective


def _keep(turn: Turn, kind: str, data: dict[str, Any], effective: date) -> Observation:
    step, seq = turn.step, turn.episode.seq
    name = step.obs_id or step.event_id or f"{turn.episode.id}:{seq}"
    if any(known.id == name for known in turn.episode.observations):
        name = f"{name}#{seq}"
    observation = Observation(name, kind, data, effective, turn.at, seq)
    turn.episode.observations.append(observation)
    turn.note("observation", kind=kind, id=name, effective=effective, data=data)
    return observation


def _late_result(turn: Turn, observation: Observation) -> None:
    """A critical result on a closed episode moves nothing and is never dropped."""
    flags = _immediate(turn, observation.kind, dict(observation.data))
    suspect = suspicion(turn, observation.kind, observation.data)
    if suspect:
        turn.episode.malignancy = "suspected"
    turn.raise_flags(flags, observation.id)
    if (flags or suspect) and turn.episode.state != "DECEASED":
        turn.alert("LATE_RED_FLAG", flags=list(flags), suspicion=suspect or None, source=observation.id)
        turn.open_task("K-LATE-RESULT")


def _react(turn: Turn, machine: Machine, observation: Observation, known_predictors: tuple[str, ...]) -> None:
    """Precedence at one instant: red flag, suspected malignancy, changed symptoms, early indication."""
    close_data_tasks(turn, observation)
    flags = _immediate(turn, observation.kind, dict(observation.data))
    if flags:
        red_flag(turn, machine, flags, observation.id)
    if _left_to_review(turn, observation):
        turn.open_task("K-RF-REVIEW")
    _judge_malignancy(turn, machine, observation)
    if observation.kind == "symptoms":
        _changed_symptoms(turn, machine, observation)
    _early_indication(turn, machine, observation, known_predictors)


def _left_to_review(turn: Turn, observation: Observation) -> bool:
    stated = assessments.flags_in(observation.kind, observation.data, turn.profile)
    return any(turn.profile[turn.guideline.red_flags[code].parameter] == "review" for code in stated)


def red_flag(turn: Turn, machine: Machine, flags: tuple[str, ...], source: str) -> None:
    turn.raise_flags(flags, source)
    cites = sorted({cite for code in flags for cite in turn.guideline.red_flags[code].cites})
    turn.alert("RED_FLAG", flags=list(flags), source=source, cites=cites)
    refusal = move(turn, machine, "red_flag")
    assert refusal is None, refusal


# ---------------------------------------------------------------- malignancy


def suspicion(turn: Turn, kind: str, data: Any) -> str:
    """Why this observation makes malignancy suspected under the profile; empty when it does not."""
    profile = turn.profile
    if kind == "imaging" and data.get("pathologic") == "suspected":
        return "imaging"
    if kind == "malignancy" and data.get("status") == "suspected":
        return "clinician"
    if kind != "malignancy_features":
        return ""
    if profile["malignancy.strong_feature"] in ("workup", "immediate"):
        strong = [name for name in ("cancer_history", "weight_loss") if data.get(name)]
        if strong:
            return strong[0]
    weak = data.get("failure_to_improve") and profile["malignancy.failure_to_improve"] == "workup"
    return "failure_to_improve" if weak else ""


def _judge_malignancy(turn: Turn, machine: Machine, observation: Observation) -> None:
    why = suspicion(turn, observation.kind, observation.data)
    if why:
        suspect_malignancy(turn, machine, why)
    confirmed = observation.data.get("pathologic") == "confirmed"
    status = "confirmed" if confirmed else observation.data.get("status")
    if status == "confirmed":
        turn.episode.malignancy = "confirmed"
    if observation.kind == "malignancy" and status == "excluded":
        _exclude_malignancy(turn, observation)


def suspect_malignancy(turn: Turn, machine: Machine, why: str) -> None:
    already = turn.episode.malignancy == "suspected"
    turn.episode.malignancy = "suspected"
    turn.open_task("K-MALIG")
    if not already:
        turn.alert("MALIGNANCY_SUSPECTED", why=why, cites=["S1-47", "S2-23", "S3-71"])
    if machine.handles(turn.episode.path, "malignancy_suspected"):
        refusal = move(turn, machine, "malignancy_suspected")
        assert refusal is None, refusal


def _exclude_malignancy(turn: Turn, observation: Observation) -> None:
    """Only an exclusion that is no older than the suspicion closes it; the review itself stays a person's."""
    if observation.effective < _suspected_on(turn, observation):
        turn.note("older_exclusion_kept_open", id=observation.id)
        return
    turn.episode.malignancy = "excluded"
    turn.close_task("K-MALIG", "data")
    if turn.episode.state == "IMAGING_REVIEW":
        turn.open_task("K-IMGREV")


def _suspected_on(turn: Turn, exclusion: Observation) -> date:
    suspicious = [o.effective for o in turn.episode.observations if suspicion(turn, o.kind, o.data)]
    return max(suspicious, default=exclusion.effective)


# ---------------------------------------------------------------- symptoms and early indications


def _changed_symptoms(turn: Turn, machine: Machine, observation: Observation) -> None:
    newest = turn.episode.latest("symptoms")
    if newest is not observation or observation.data.get("resolved"):
        return
    changed = bool(observation.data.get("changed"))
    worse = observation.data.get("trend") == "worsening"
    moves = {
        "CONSERVATIVE_CARE": changed,
        "REASSESSMENT": changed,
        "POST_PROCEDURE": changed or worse,
        "SURVEILLANCE": True,
    }
    if moves.get(turn.episode.state):
        refusal = move(turn, machine, "changed_symptoms")
        assert refusal is None, refusal
    elif changed and turn.episode.state == "AUGMENTATION_REFERRAL":
        turn.open_task("K-IMG-PREPROC")


def _early_indication(
    turn: Turn, machine: Machine, observation: Observation, known_predictors: tuple[str, ...]
) -> None:
    if turn.episode.state != "CONSERVATIVE_CARE":
        return
    stated = _states_indication(turn.episode, observation)
    if set(assessments.failure_risk(turn.episode, turn.profile).met) - set(known_predictors):
        stated.add("failure_predictor")
    current = assessments.early_indications(turn.episode, turn.profile)
    if any(name in current for name in INDICATIONS.get(observation.kind, ()) if name in stated):
        refusal = move(turn, machine, "early_indication")
        assert refusal is None, refusal


def _states_indication(episode: Episode, observation: Observation) -> set[str]:
    """What this one observation says, whether or not newer data says otherwise."""
    data = observation.data
    newest = episode.latest(observation.kind) is observation
    stated = {
        "worsening": newest and data.get("trend") == "worsening",
        "pulmonary_dysfunction": data.get("dysfunction"),
        "parenteral_opioid": data.get("parenteral_opioid"),
        "hospitalised_for_pain": data.get("hospitalised_for_pain"),
        "analgesics_contraindicated": data.get("contraindicated"),
        "deformity": data.get("significant_deformity") or data.get("progressive_kyphosis"),
    }
    return {name for name, holds in stated.items() if holds}


# ---------------------------------------------------------------- tasks that data closes


def close_data_tasks(turn: Turn, observation: Observation) -> None:
    for code in tasks_closed_by(turn, observation):
        turn.close_task(code, "data")
    if turn.episode.owed("IMAGING_8W") and assessments.eight_week_imaging(turn.episode, turn.profile):
        turn.satisfy("IMAGING_8W", "imaging")
    if observation.kind == "calcitonin" and observation.data.get("action") == "start":
        _calcitonin_started(turn, observation)
    agent = str(observation.data.get("agent", "")).lower()
    if observation.kind == "osteoporosis_rx" and agent in turn.profile["oprx_blocklist"]:
        turn.alert("CI-STRONTIUM", agent=agent, source=observation.id)


def tasks_closed_by(turn: Turn, observation: Observation) -> tuple[str, ...]:
    """The tasks whose question this observation answers."""
    data, profile = observation.data, turn.profile
    agent = str(data.get("agent", "")).strip().lower()
    both_floors = (
        data.get("calcium_mg", 0) >= profile["calcium_mg"] and data.get("vitamin_d_iu", 0) >= profile["vitamin_d_iu"]
    )
    answers = {
        "neuro_exam": ("K-NEURO", data.get("complete")),
        "imaging": ("K-IMG", data.get("modality") in CROSS_SECTIONAL),
        "supplements": ("K-CAVITD", both_floors),
        "osteoporosis_rx": ("K-OPRX", agent and agent not in profile["oprx_blocklist"]),
        "dxa": ("K-DXA", "t_score" in data),
        "bone_referral": ("K-BONEREF", True),
        "calcitonin": ("K-CALC-STOP", data.get("action") == "stop" and not _started_after(turn, observation)),
    }
    code, answered = answers.get(observation.kind, ("", False))
    return (code,) if answered else ()


def _started_after(turn: Turn, stop: Observation) -> bool:
    starts = (o for o in turn.episode.facts("calcitonin") if o.data.get("action") == "start")
    return any(start.effective > stop.effective for start in starts)


def _calcitonin_started(turn: Turn, observation: Observation) -> None:
    turn.open_task("K-CALC-STOP")
    window = turn.profile["calcitonin.stop_days"]
    late = (observation.effective - turn.episode.identification).days >= window
    if late:
        turn.alert("CALCITONIN_OUTSIDE_WINDOW", source=observation.id, cites=["S1-08", "S4-10"])
