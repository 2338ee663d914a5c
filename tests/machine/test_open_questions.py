"""What was found by trying: promises that were once broken, and readings where the specification leaves room.

Each is the shortest story that shows it, kept so that nobody changes it unawares.
"""

from dataclasses import replace
from datetime import datetime

import pytest

from pathway.engine import Engine
from tests.journeys.clinic import Clinic, clinic_in_memory
from tests.journeys.people import (
    GUIDELINE,
    WHY,
    corrected,
    decided,
    examined,
    happened,
    observed,
    outcome,
    pain,
    painless,
    registered,
    scanned,
)
from tests.machine.places import in_care, in_reassessment, with_augmentation_sent

SUSPECTED = observed("malignancy", status="suspected")
EXCLUDED = observed("malignancy", status="excluded", obs_id="exclusion")


def under(overrides) -> Clinic:
    profile = GUIDELINE.profile("default").overridden(overrides)
    return clinic_in_memory(profile=profile.id, engine=Engine(GUIDELINE, {profile.id: profile})).tell(registered())


# ---------------------------------------------------------------- promises that were once broken


def test_a_cancer_history_made_immediate_is_at_least_as_loud_as_a_work_up():
    clinic = under({"malignancy": {"strong_feature": "immediate"}})
    clinic.tell(observed("malignancy_features", cancer_history=True))
    assert clinic.alerts


def test_taking_back_an_exclusion_brings_the_suspicion_back():
    clinic = in_care().tell(SUSPECTED, EXCLUDED, corrected("observation", obs_id="exclusion", reason="wrong patient"))
    assert clinic.episode.malignancy == "suspected"
    assert "K-MALIG" in clinic.open_tasks


def test_an_older_stop_does_not_end_the_reminder_of_a_newer_start():
    clinic = clinic_in_memory().tell(registered()).at("2026-01-15 10:00")
    clinic.tell(observed("calcitonin", action="start"), observed("calcitonin", action="stop", date="2026-01-10"))
    assert "K-CALC-STOP" in clinic.open_tasks


def test_a_review_that_was_dated_anew_and_back_is_satisfied_or_asked_for():
    clinic = in_reassessment().tell(decided("complete_reassessment", outcome="continue"))
    clinic.tell(corrected("care_start", "2026-01-20"), corrected("care_start", "2026-01-06"))
    settled = "REASSESS" in clinic.episode.satisfied
    assert settled or clinic.state == "REASSESSMENT" or clinic.episode.waiting_timer("REASSESS")


def test_a_registration_that_was_refused_has_no_effect_when_it_is_delivered_again():
    clinic = clinic_in_memory().tell(registered())
    message = replace(registered("2026-01-04", level="L2"), event_id="adt-1")
    assert clinic.refused(message) == "USE_NEW_FRACTURE"
    clinic.tell(happened("withdraw", **WHY))
    clinic.ask(message)
    assert len(clinic.episodes()) == 1


@pytest.mark.parametrize(
    ("fracture", "correction"),
    [("2025-11-20", corrected("fracture_date", "2026-01-01")), (None, corrected("identification_date", "2026-01-20"))],
)
def test_care_does_not_come_to_begin_before_the_fracture(fracture, correction):
    clinic = clinic_in_memory().tell(registered(fracture), examined(), scanned())
    earlier = {"care_start": "2025-12-01"} if fracture else {}
    clinic.tell(decided("start_conservative", **earlier)).at("2026-01-20 10:00")
    assert clinic.refused(correction) == "DATE_ORDER"


def test_a_date_given_with_its_time_is_a_date_or_refused():
    in_care().ask(pain(3, effective=datetime(2026, 1, 6, 9, 0)))  # noqa: DTZ001 as a form might send it


TAKEN_BACK = corrected("observation", obs_id="exclusion", reason="another patient's")


def test_taking_back_an_exclusion_of_what_nobody_suspected_alarms_nobody():
    clinic = in_care().tell(EXCLUDED, TAKEN_BACK)
    assert (clinic.place, clinic.alerts) == ("CONSERVATIVE_CARE", [])


def test_an_exclusion_taken_back_while_the_episode_was_closed_counts_when_it_is_reopened():
    clinic = in_care().tell(SUSPECTED, EXCLUDED, happened("withdraw", **WHY), TAKEN_BACK, decided("reopen", **WHY))
    assert clinic.place == "IMAGING_REVIEW.malignancy"


def test_bone_work_whose_answer_was_taken_back_while_closed_is_owed_when_reopened():
    clinic = in_care().tell(observed("dxa", t_score=-2.0, obs_id="dxa"), happened("withdraw", **WHY))
    clinic.tell(corrected("observation", obs_id="dxa"), decided("reopen", **WHY))
    assert "K-DXA" in clinic.open_tasks


# ---------------------------------------------------------------- left open by the specification


def test_a_held_augmentation_is_withdrawn_when_pain_has_resolved():
    """TR-14 names no end for it; we withdraw it, as TR-14b does."""
    clinic = with_augmentation_sent().tell(SUSPECTED, EXCLUDED, painless(), decided("resolved"))
    assert (clinic.place, clinic.referrals) == ("SURVEILLANCE", [("augmentation", "withdrawn")])


def test_a_referral_that_is_out_is_named_at_a_discharge():
    clinic = in_care().tell(decided("refer_surgery", **WHY), decided("discharge", outcome="not_vcf", **WHY))
    assert clinic.referrals == [("surgery", "sent")]
    assert [notice.event["code"] for notice in clinic.heard("notice")] == ["REFERRAL_STILL_OPEN"]


def test_nobody_is_asked_what_became_of_a_referral_that_outlived_its_episode():
    """After reopening it is still out; staff are told so, and its outcome task stays closed with its state."""
    clinic = in_care().tell(decided("refer_surgery", **WHY), happened("withdraw", **WHY), decided("reopen", **WHY))
    assert (clinic.place, clinic.referrals) == ("REASSESSMENT", [("surgery", "sent")])
    assert "K-SURG-OUTCOME" not in clinic.open_tasks


def test_a_flag_left_to_review_is_work_for_a_clinician():
    """C-03 and C-20 name the value `review`; no rule says what it opens, so we ask a clinician to judge."""
    clinic = under({"rf": {"pathologic_confirmed": "review"}}).tell(scanned(pathologic="confirmed"))
    assert (clinic.place, clinic.alerts) == ("ACUTE_ASSESSMENT", [])
    assert "K-RF-REVIEW" in clinic.open_tasks


def test_the_work_up_of_a_confirmed_malignancy_closes_when_surgery_has_judged_it():
    """K-MALIG closes when malignancy is excluded (3.5); confirmed and operated, there is nothing left to work up."""
    clinic = in_care().tell(SUSPECTED, observed("malignancy", status="confirmed"), decided("acknowledge_red_flag"))
    assert "K-MALIG" not in clinic.tell(outcome("surgery", "operated")).open_tasks


def test_a_fracture_of_a_closed_episode_cannot_be_registered_again():
    """TR-01 speaks of an open episode, 3.6 of any: entered in error, it has to be reopened."""
    clinic = clinic_in_memory().tell(registered(), happened("withdraw", reason="entered in error"))
    assert clinic.refused(registered()) == "DUPLICATE_EPISODE"


def test_of_two_observations_with_one_name_each_can_be_taken_back():
    clinic = in_care().tell(pain(5, obs_id="x"), pain(6, obs_id="x"), corrected("observation", obs_id="x"))
    second = next(o.id for o in clinic.episode.observations if o.id.startswith("x#"))
    assert clinic.tell(corrected("observation", obs_id=second)).episode.latest("symptoms") is None


def test_an_examination_is_complete_when_it_says_so():
    """DE-08 wants motor, sensory, reflexes and bladder answered; the scenarios leave reflexes out."""
    clinic = clinic_in_memory().tell(registered(), observed("neuro_exam", complete=True), scanned())
    assert clinic.tell(decided("start_conservative")).place == "CONSERVATIVE_CARE"
