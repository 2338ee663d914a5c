"""People's choices: decisions, tasks closed by hand, and administrative events.

Who may do what comes from the transition and task rules. A refused decision changes nothing and says why.
"""

from datetime import date, timedelta
from typing import Any

from pathway import assessments
from pathway.calendar import show_date, zone_named
from pathway.episode import Contact
from pathway.errors import UnknownZone
from pathway.facts import as_date
from pathway.guideline import Guideline
from pathway.journal import Refusal
from pathway.machine import Machine
from pathway.moving import move
from pathway.referral_loop import referral_progress
from pathway.setting_aside import look_again
from pathway.turn import Turn

RANK = {"system": 0, "coordinator": 1, "clinician": 2}

# (kind, outcome) as people say it -> the trigger of the transition rules.
CONTACT_OUTCOMES = ("reached", "no_answer", "left_message", "wrong_number", "declined")
TRIGGERS = {
    ("start_conservative", ""): "start_conservative",
    ("complete_reassessment", "continue"): "continue",
    ("complete_reassessment", "image"): "image",
    ("complete_reassessment", "imaging"): "image",
    ("complete_reassessment", "resolved"): "resolved",
    ("complete_reassessment", "refer_augmentation"): "refer_augmentation",
    ("complete_reassessment", "refer_surgery"): "refer_surgery",
    ("review_imaging", "continue"): "imaging_continue",
    ("review_imaging", "reassess"): "imaging_reassess",
    ("review_imaging", "resolved"): "resolved",
    ("review_imaging", "refer_augmentation"): "refer_augmentation",
    ("review_imaging", "refer_surgery"): "refer_surgery",
    ("complete_post_procedure", "resolved"): "post_resolved",
    ("complete_post_procedure", "persistent"): "post_persistent",
    ("complete_post_procedure", "refer_surgery"): "refer_surgery",
    ("resolved", ""): "resolved",
    ("refer_surgery", ""): "refer_surgery",
    ("refer_augmentation", ""): "refer_augmentation",
    ("confirm_augmentation", ""): "confirm_augmentation",
    ("decline_augmentation", ""): "decline_augmentation",
    ("acknowledge_red_flag", ""): "acknowledge_red_flag",
    ("overrule_red_flag", ""): "overrule_red_flag",
    ("discharge", ""): "discharge",
    ("discharge", "not_vcf"): "discharge_not_vcf",
    ("reopen", ""): "reopen",
}
OUTCOMES = {
    ("augmentation", "performed"): "augmentation_performed",
    ("augmentation", "declined"): "decline_augmentation",
    ("surgery", "operated"): "surgery_performed",
    ("surgery", "augmented"): "surgery_performed",
    ("surgery", "performed"): "surgery_performed",
    ("surgery", "conservative_advised"): "surgery_conservative_advised",
    ("surgery", "transferred"): "surgery_transferred",
    ("surgery", "transferred_out"): "surgery_transferred",
}
BELONGS_TO = {
    "complete_reassessment": "REASSESSMENT",
    "review_imaging": "IMAGING_REVIEW",
    "complete_post_procedure": "POST_PROCEDURE",
}
DECISION_KINDS = tuple(dict.fromkeys([*(kind for kind, _ in TRIGGERS), "referral_outcome"]))
EIGHT_WEEK = frozenset({"continue", "resolved", "imaging_continue", "imaging_reassess"})
# Decisions about the course of care: each settles a three-month review that has fallen due.
THREE_MONTH = frozenset(
    {
        "continue",
        "image",
        "imaging_continue",
        "imaging_reassess",
        "resolved",
        "refer_surgery",
        "confirm_augmentation",
        "decline_augmentation",
    }
)


def decide(turn: Turn, machine: Machine) -> Refusal | None:
    trigger = _trigger(turn)
    if isinstance(trigger, Refusal):
        return trigger
    refusal = _may(turn, trigger) or _not_here(turn, machine, trigger)
    if refusal:
        return refusal
    turn.note("decision", kind=turn.step.kind, data=dict(turn.data), actor=turn.step.actor)
    _settle_milestones(turn, trigger)
    refusal = move(turn, machine, trigger)
    if refusal is None and trigger == "reopen":
        _reopened(turn, machine)
    referred = trigger == "refer_augmentation" and turn.episode.state == "AUGMENTATION_REFERRAL"
    if refusal is None and referred:
        # Asked for, but first sent to imaging (TR-09), the three-month decision stays owed.
        _settle_three_months(turn)
    return refusal


def _trigger(turn: Turn) -> str | Refusal:
    kind, outcome = turn.step.kind, str(turn.data.get("outcome") or "")
    if kind == "referral_outcome":
        service = str(turn.data.get("service") or "")
        found = OUTCOMES.get((service, outcome))
        choices = sorted(f"{s} {o}" for s, o in OUTCOMES)
    else:
        if kind == "discharge" and (turn.data.get("not_vcf") or turn.data.get("reason") == "not_vcf"):
            outcome = "not_vcf"
        found = TRIGGERS.get((kind, outcome)) or (TRIGGERS.get((kind, "")) if not outcome else None)
        choices = sorted({o for k, o in TRIGGERS if k == kind and o}) or list(DECISION_KINDS)
    if found is None:
        asked = f"{kind} {turn.data.get('service') or ''} {outcome}".replace("  ", " ").strip()
        because = f"{asked!r} is not a decision of this pathway; expected one of {', '.join(choices)}"
        return Refusal("OUT_OF_RANGE", because)
    return found


def _may(turn: Turn, trigger: str) -> Refusal | None:
    needed = role_needed(turn.guideline, trigger)
    if RANK.get(turn.step.actor, 0) >= RANK[needed]:
        return None
    because = f"{trigger.replace('_', ' ')} needs a {needed}; {turn.step.actor} may not"
    return Refusal("ROLE", because)


def role_needed(guideline: Guideline, trigger: str) -> str:
    """The least role that the transition rules ask of somebody who pulls this trigger."""
    return next(rule.actor for rule in guideline.transitions if rule.trigger == trigger)


def _not_here(turn: Turn, machine: Machine, trigger: str) -> Refusal | None:
    state = turn.guideline.states[turn.episode.state]
    if state.terminal and not machine.handles(turn.episode.path, trigger):
        return Refusal("TERMINAL", f"the episode is closed ({state.title}); a clinician may reopen it")
    owner = BELONGS_TO.get(turn.step.kind, turn.episode.state)
    if owner != turn.episode.state:
        expected = turn.guideline.states[owner].title
        because = f"{turn.step.kind.replace('_', ' ')} is possible in {expected}, not in {state.title}"
        return Refusal("STATE", because)
    return None


def _settle_milestones(turn: Turn, trigger: str) -> None:
    """What this decision finishes, should it be accepted (a refused turn is dropped whole)."""
    if turn.step.kind == "complete_reassessment":
        _settle_reassessment(turn)
    if trigger in EIGHT_WEEK and turn.episode.care_start:
        _settle_eight_weeks(turn)
    if trigger in THREE_MONTH:
        _settle_three_months(turn)


def _settle_reassessment(turn: Turn) -> None:
    start = turn.episode.care_start
    if start is None:
        return
    early = turn.profile["reassess_early_credit_days"]
    counts_from = start + timedelta(days=turn.profile["reassess_due_days"] - early)
    if turn.today >= counts_from:
        turn.satisfy("REASSESS", "reassessment completed")


def _settle_eight_weeks(turn: Turn) -> None:
    due = turn.episode.onset + timedelta(days=turn.profile["imaging8w_days"])
    live = any(t.code == "IMAGING_8W" and t.status in ("pending", "held", "fired") for t in turn.episode.timers)
    if turn.today < due or not live or "IMAGING_8W" in turn.episode.satisfied:
        return
    found = assessments.symptom_class(turn.episode, turn.profile, turn.today).value
    if assessments.eight_week_imaging(turn.episode, turn.profile):
        turn.satisfy("IMAGING_8W", "imaging")
    elif found in ("mild_improving", "resolved"):
        turn.satisfy("IMAGING_8W", f"clinician's decision on a {found.replace('_', ' ')} status")
    elif str(turn.data.get("imaging_waived_reason") or "").strip():
        turn.satisfy("IMAGING_8W", f"waived: {turn.data['imaging_waived_reason']}")


def _settle_three_months(turn: Turn) -> None:
    timers = [t for t in turn.episode.timers if t.code == "FAILURE_REVIEW" and t.status in _LIVE]
    if timers and timers[-1].due <= turn.today:
        turn.satisfy("FAILURE_REVIEW", "decided")


_LIVE = ("pending", "held", "fired")


def _reopened(turn: Turn, machine: Machine) -> None:
    """An undecided red flag goes straight back to surgical referral, an open suspicion to imaging."""
    flags = tuple(sorted({flag.code for flag in turn.episode.open_flags()}))
    if flags and turn.episode.state != "SURGICAL_REFERRAL":
        turn.alert("RED_FLAG", flags=list(flags), source="reopened")
        _must(move(turn, machine, "red_flag"))
    if turn.episode.malignancy == "suspected":
        turn.open_task("K-MALIG")
        if machine.handles(turn.episode.path, "malignancy_suspected"):
            _must(move(turn, machine, "malignancy_suspected"))


def _must(refusal: Refusal | None) -> None:
    assert refusal is None, refusal


# ---------------------------------------------------------------- tasks closed by hand

HOWS = ("done", "declined", "not_applicable")


def close_by_hand(turn: Turn, _machine: Machine) -> Refusal | None:
    """A person closes a task: done, or (a clinician, with a reason) declined or not applicable."""
    code, how = str(turn.data.get("code") or turn.step.kind), str(turn.data.get("how") or "done")
    rule = turn.guideline.tasks.get(code)
    if rule is None or how not in HOWS:
        expected = f"a task of the pathway closed as {', '.join(HOWS)}"
        return Refusal("OUT_OF_RANGE", f"{code!r} as {how!r} is not known; expected {expected}")
    if turn.episode.open_task(code) is None:
        return Refusal("TERMINAL" if _closed(turn) else "STATE", f"{code} is not open")
    role = "clinician" if how != "done" else rule.person_role
    if RANK.get(turn.step.actor, 0) < RANK[role]:
        return Refusal("ROLE", f"closing {code} as {how.replace('_', ' ')} needs a {role}")
    if "person" not in rule.closed_by:
        return Refusal("STATE", f"{code} closes only when {rule.closes}; it cannot be ticked off")
    if how != "done" and not str(turn.data.get("reason") or "").strip():
        return Refusal("REASON_REQUIRED", f"closing {code} as {how.replace('_', ' ')} needs a reason")
    turn.close_task(code, how, str(turn.data.get("reason") or ""))
    return None


# ---------------------------------------------------------------- administration


def administer(turn: Turn, machine: Machine) -> Refusal | None:
    kind = turn.step.kind
    if kind == "move_site":
        return _move_site(turn)
    if kind == "assign":
        return _assign(turn)
    if kind == "concern":
        return _concern(turn)
    if kind == "contact":
        return _contact(turn)
    if kind == "unreached":
        return _unreached(turn)
    if kind == "look_again":
        return look_again(turn)
    if kind == "referral_progress":
        return referral_progress(turn)
    if kind not in ("death", "death_correction", "withdraw", "transfer_out"):
        return Refusal("OUT_OF_RANGE", f"{kind!r} is not an administrative event; nothing was saved")
    refusal = _may(turn, kind) or _not_here(turn, machine, kind) or _date_of(turn)
    if refusal:
        return refusal
    refusal = move(turn, machine, kind)
    if refusal is None and kind == "death_correction" and not _closed(turn):
        _reopened(turn, machine)
    return refusal


def _closed(turn: Turn) -> bool:
    return turn.guideline.is_terminal(turn.episode.state)


def _date_of(turn: Turn) -> Refusal | None:
    day: Any = as_date(turn.data.get("date"))
    if day is None:
        return None
    if not isinstance(day, date):
        return Refusal("OUT_OF_RANGE", f"{day!r} is not a date; nothing was saved")
    if day > turn.today:
        return Refusal("FUTURE_DATE", f"{show_date(day)} lies in the future; nothing was saved")
    return None


def _assign(turn: Turn) -> Refusal | None:
    """Nobody is unowned: an episode passes from one named person to another, never to nobody."""
    owner = str(turn.data.get("owner") or "").strip()
    if not owner:
        return Refusal("REASON_REQUIRED", "an episode must have an owner; name who takes it over")
    expected = turn.data.get("instead_of")
    if expected is not None and expected != turn.episode.owner:
        because = f"{turn.episode.owner or 'nobody'} looks after the patient by now, not {expected}; nothing was saved"
        return Refusal("STATE", because)
    turn.note("assigned", was=turn.episode.owner, owner=owner)
    turn.episode.owner = owner
    return None


def _concern(turn: Turn) -> Refusal | None:
    """Free text that looks critical is never interpreted: a person must read it."""
    looks_like, text = str(turn.data.get("looks_like") or ""), str(turn.data.get("text") or "").strip()
    if not text:
        return Refusal("REASON_REQUIRED", "a concern needs the text that a person should read")
    turn.alert("FREE_TEXT_CONCERN", looks_like=looks_like, text=text, place=turn.data.get("place"))
    if not _closed(turn):
        turn.open_task("K-FREETEXT" if looks_like in ("red_flag", "death") else "K-DATAQ")
    return None


def _contact(turn: Turn) -> Refusal | None:
    """A call or a talk with the patient. It silences machines, it decides nothing."""
    outcome = str(turn.data.get("outcome") or "")
    if outcome not in CONTACT_OUTCOMES:
        because = f"a contact ended in {outcome!r}; expected one of {', '.join(CONTACT_OUTCOMES)}; nothing was saved"
        return Refusal("OUT_OF_RANGE", because)
    refusal = _date_of(turn)
    if refusal is None:
        turn.episode.contacts.append(Contact(turn.episode.seq, outcome))
        turn.note("contact", outcome=outcome, note=turn.data.get("note"))
    return refusal


def _unreached(turn: Turn) -> Refusal | None:
    """A message was refused for good, or its time was over: the work is a person's now."""
    because = str(turn.data.get("because") or "").strip()
    if not because:
        return Refusal("REASON_REQUIRED", "a message that reached nobody needs the reason why")
    turn.note("unreached", message=turn.data.get("message"), because=because)
    if not _closed(turn):
        turn.open_task("K-REACH")
    return None


def _move_site(turn: Turn) -> Refusal | None:
    """Due dates stay; only the wall clock of what has not fired yet changes."""
    zone = str(turn.data.get("timezone") or "")
    try:
        zone_named(zone)
    except UnknownZone as error:
        return Refusal("OUT_OF_RANGE", str(error))
    turn.note("site_moved", was=turn.episode.zone, now=zone)
    turn.episode.zone = zone
    return None
