"""Every decision in every place, as a coordinator and as a clinician: what may happen, and that nothing else does.

Whether a decision means anything in a place, and whose it is, is read from the guideline; what a clinician may do
who supplies every reason is written down below, from the transition table of the specification (3.3).
"""

from datetime import datetime
from functools import cache
from typing import Any

import pytest

from pathway.deciding import BELONGS_TO, OUTCOMES, RANK, TRIGGERS, role_needed
from pathway.engine import Change
from pathway.episode import Episode, to_document
from pathway.journal import Refusal, Step
from tests.journeys.people import ENGINE, GUIDELINE, pain
from tests.machine.places import PLACES

REASONS: dict[str, Any] = {
    "reason": "stated",
    "override_reason": "stated",
    "imaging_pending_reason": "stated",
    "imaging_waived_reason": "stated",
    "no_new_imaging_reason": "stated",
    "stability_confirmed": True,
}
ADMINISTRATIVE = ("death", "death_correction", "withdraw", "transfer_out")
GUARD_CODES = {
    "STATE",
    "NEURO_MISSING",
    "IMAGING_MISSING",
    "IMAGING_STALE",
    "IMAGING_8W_DUE",
    "RED_FLAG_ACTIVE",
    "STABILITY_UNCONFIRMED",
    "MALIGNANCY_OPEN",
    "SYMPTOMS_STALE",
    "CONTRADICTION",
    "TOO_EARLY",
    "REASON_REQUIRED",
    "HANDOVER_REQUIRED",
    "ACK_REQUIRED",
    "OPEN_TASKS",
}


def steps(actor: str, *, supplied: bool) -> dict[str, tuple[str, Step]]:
    """Every decision by its name in words: the trigger it pulls, and the step."""
    data = REASONS if supplied else {}
    found: dict[str, tuple[str, Step]] = {}
    for (kind, result), trigger in TRIGGERS.items():
        name = f"{kind} {result}".strip()
        found[name] = (trigger, Step("decide", kind, {**data, "outcome": result}, actor))
    for (service, result), trigger in OUTCOMES.items():
        told = {**data, "service": service, "outcome": result}
        found[f"{service} {result}"] = (trigger, Step("decide", "referral_outcome", told, actor))
    for kind in ADMINISTRATIVE:
        found[kind] = (kind, Step("admin", kind, {**data, "handover_confirmed": supplied}, actor))
    return found


@cache
def patient(path: str) -> tuple[Episode, datetime]:
    """Somebody in that place, whom deciding does not change: the engine works on a copy."""
    clinic = PLACES[path]()
    if path in ("POST_PROCEDURE", "IMAGING_REVIEW"):
        clinic.tell(pain(5))
    assert clinic.place == path
    return clinic.episode, clinic.calendar.now


def taken(path: str, step: Step) -> tuple[Episode, Change, Refusal | None]:
    episode, now = patient(path)
    change, refusal = ENGINE.take(episode, step, now)
    return episode, change, refusal


def means_something(path: str, trigger: str) -> bool:
    """Whether a rule of the guideline leaves that place, or the state that it lies in, by that trigger."""
    rules = [rule for rule in GUIDELINE.transitions if rule.trigger == trigger]
    sources = {state for rule in rules for state in GUIDELINE.expanded(rule.sources)}
    return path in sources or path.partition(".")[0] in sources


def foreseen(path: str, step: Step, trigger: str) -> set[str]:
    """The codes with which the guideline lets this step end, "" for accepted."""
    if RANK[step.actor] < RANK[role_needed(GUIDELINE, trigger)]:
        return {"ROLE"}
    if not means_something(path, trigger):
        return {"TERMINAL"} if GUIDELINE.is_terminal(path.partition(".")[0]) else {"STATE"}
    if BELONGS_TO.get(step.kind, path.partition(".")[0]) != path.partition(".")[0]:
        return {"STATE"}
    return {"", *GUARD_CODES}


@pytest.mark.parametrize("supplied", [False, True], ids=["bare", "with every reason"])
@pytest.mark.parametrize("actor", ["coordinator", "clinician", "system"])
@pytest.mark.parametrize("path", PLACES)
def test_every_decision_in_every_place_ends_as_the_guideline_foresees(path, actor, supplied):
    surprises = []
    for name, (trigger, step) in steps(actor, supplied=supplied).items():
        _, change, refusal = taken(path, step)
        code = refusal.code if refusal else ""
        if code not in foreseen(path, step, trigger):
            surprises.append((name, code, change.episode.path))
    assert not surprises


@pytest.mark.parametrize("actor", ["coordinator", "clinician"])
@pytest.mark.parametrize("path", PLACES)
def test_a_refused_decision_is_journalled_with_its_reason_and_changes_nothing_else(path, actor):
    for _, step in steps(actor, supplied=False).values():
        before, change, refusal = taken(path, step)
        if refusal is not None:
            (line,) = change.entries
            (effect,) = line.effects
            assert (effect["event"], effect["code"], effect["because"]) == ("rejected", refusal.code, refusal.because)
            assert refusal.because
            assert {**to_document(change.episode), "seq": before.seq} == to_document(before)


@pytest.mark.parametrize("path", PLACES)
def test_an_accepted_decision_moves_to_where_its_rule_leads(path):
    for trigger, step in steps("clinician", supplied=True).values():
        before, change, refusal = taken(path, step)
        if refusal is None:
            moves = [effect for effect in change.entries[0].effects if effect["event"] == "transition"]
            rules = {rule.id for rule in GUIDELINE.transitions if rule.trigger == trigger}
            assert moves[0]["rule"] in rules
            assert moves[0]["from"] == before.state
            assert moves[-1]["to"] == change.episode.state


@pytest.mark.parametrize("path", PLACES)
def test_no_decision_is_open_to_the_system(path):
    assert not [name for name, (_, step) in steps("system", supplied=True).items() if taken(path, step)[2] is None]


REFER = {"refer_surgery", "discharge not_vcf"}
LEAVE = {"death", "withdraw", "transfer_out"}
# What a clinician may do who supplies every reason, with pain 5/10 and unchanged where it was asked about.
ACCEPTED = {
    "ACUTE_ASSESSMENT": {"start_conservative", *REFER, *LEAVE},
    "CONSERVATIVE_CARE": {*REFER, *LEAVE},
    "REASSESSMENT": {
        "complete_reassessment continue",
        "complete_reassessment image",
        "complete_reassessment imaging",
        "complete_reassessment refer_augmentation",
        "complete_reassessment refer_surgery",
        "refer_augmentation",
        *REFER,
        *LEAVE,
    },
    "IMAGING_REVIEW": {
        "review_imaging continue",
        "review_imaging reassess",
        "review_imaging refer_augmentation",
        "review_imaging refer_surgery",
        "refer_augmentation",
        *REFER,
        *LEAVE,
    },
    # Until malignancy is excluded the only ways out lead to surgery, or out of the pathway.
    "IMAGING_REVIEW.malignancy": {"review_imaging refer_surgery", "refer_surgery", *LEAVE},
    "AUGMENTATION_REFERRAL.proposed": {
        "confirm_augmentation",
        "decline_augmentation",
        "augmentation declined",
        *REFER,
        *LEAVE,
    },
    "AUGMENTATION_REFERRAL.sent": {
        "decline_augmentation",
        "augmentation performed",
        "augmentation declined",
        *REFER,
        *LEAVE,
    },
    "SURGICAL_REFERRAL.pending_ack": {"acknowledge_red_flag", "overrule_red_flag", *LEAVE},
    "SURGICAL_REFERRAL.sent": {
        "surgery operated",
        "surgery augmented",
        "surgery performed",
        "surgery conservative_advised",
        "surgery transferred",
        "surgery transferred_out",
        *LEAVE,
    },
    "POST_PROCEDURE": {
        "complete_post_procedure persistent",
        "complete_post_procedure refer_surgery",
        *REFER,
        *LEAVE,
    },
    "SURVEILLANCE": {"discharge", "discharge not_vcf", *LEAVE},
    "DISCHARGED": {"reopen", "death"},
    "TRANSFERRED_OUT": {"reopen", "death"},
    "WITHDRAWN": {"reopen", "death"},
    "DECEASED": {"death_correction"},
}


@pytest.mark.parametrize("path", PLACES)
def test_what_a_clinician_may_do_is_what_the_transition_table_says(path):
    asked = steps("clinician", supplied=True)
    accepted = {name for name, (_, step) in asked.items() if taken(path, step)[2] is None}
    assert accepted == ACCEPTED[path]


def test_a_decision_that_does_not_exist_is_refused_with_what_is_expected():
    _, _, refusal = taken("REASSESSMENT", Step("decide", "complete_reassessment", {"outcome": "wait"}, "clinician"))
    assert refusal.code == "OUT_OF_RANGE"
    assert "expected one of continue, image" in refusal.because


def test_every_place_of_the_guideline_has_its_story_here():
    bare = {path for path in GUIDELINE.paths() if f"{path}.sent" not in GUIDELINE.paths()}
    assert set(PLACES) == bare
