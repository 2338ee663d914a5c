"""Suspected malignancy: a work-up that nothing drops and only an exclusion ends."""

import pytest

from tests.journeys.people import WHY, decided, examined, observed, outcome, pain, scanned
from tests.machine.places import (
    ACTIVE,
    PLACES,
    assessed,
    in_care,
    in_imaging_review,
    in_malignancy_work_up,
    with_augmentation_sent,
    with_red_flag,
)

SUSPECTED = observed("malignancy", status="suspected")
EXCLUDED = observed("malignancy", status="excluded")
OVERRULE = decided("overrule_red_flag", **WHY)
ELSEWHERE = [p for p in ACTIVE if not p.startswith(("SURGICAL", "IMAGING"))]
CLOSE_REVIEW = decided("review_imaging", outcome="continue", no_new_imaging_reason="whole spine seen")


@pytest.mark.parametrize("path", ELSEWHERE)
def test_suspicion_moves_a_patient_to_the_work_up_from_wherever_they_are(path):
    clinic = PLACES[path]().tell(SUSPECTED)
    assert clinic.place == "IMAGING_REVIEW.malignancy"
    assert "K-MALIG" in clinic.open_tasks
    assert clinic.alerts[-1] == "MALIGNANCY_SUSPECTED"


@pytest.mark.parametrize("path", ["IMAGING_REVIEW", "SURGICAL_REFERRAL.pending_ack", "SURGICAL_REFERRAL.sent"])
def test_in_imaging_or_with_the_surgeons_it_is_work_and_an_alert_but_no_move(path):
    clinic = PLACES[path]().tell(SUSPECTED)
    assert clinic.place == path
    assert "K-MALIG" in clinic.open_tasks
    assert clinic.alerts[-1] == "MALIGNANCY_SUSPECTED"


@pytest.mark.parametrize(
    ("step", "suspected"),
    [
        (observed("malignancy_features", cancer_history=True), True),
        (observed("malignancy_features", weight_loss=True), True),
        (observed("malignancy_features", failure_to_improve=True), False),
        (observed("malignancy_features", cancer_history=False), False),
        (scanned(pathologic="suspected"), True),
        (SUSPECTED, True),
        (EXCLUDED, False),
    ],
)
def test_what_raises_suspicion_by_the_default_profile(step, suspected):
    assert (in_care().tell(step).episode.malignancy == "suspected") is suspected


@pytest.mark.parametrize("step", [CLOSE_REVIEW, decided("review_imaging", outcome="reassess", **WHY)])
def test_the_work_up_cannot_be_left_until_malignancy_is_excluded(step):
    clinic = in_malignancy_work_up().tell(scanned(contrast=True, region="whole spine"))
    assert clinic.refused(step) == "MALIGNANCY_OPEN"
    assert clinic.tell(EXCLUDED, step).place in ("CONSERVATIVE_CARE", "REASSESSMENT")


def test_after_the_exclusion_somebody_whose_care_had_not_begun_goes_back_to_assessment():
    clinic = assessed().tell(SUSPECTED, scanned(), EXCLUDED)
    assert clinic.place == "IMAGING_REVIEW.malignancy"
    assert "K-IMGREV" in clinic.open_tasks
    assert "K-MALIG" not in clinic.open_tasks
    assert clinic.tell(CLOSE_REVIEW).place == "ACUTE_ASSESSMENT"


def test_after_the_exclusion_a_held_augmentation_is_decided_again():
    clinic = with_augmentation_sent().tell(SUSPECTED)
    assert clinic.referrals == [("augmentation", "on_hold")]
    clinic.tell(EXCLUDED, CLOSE_REVIEW)
    assert (clinic.place, clinic.referrals) == ("REASSESSMENT", [("augmentation", "on_hold")])
    clinic.tell(pain(8), decided("refer_augmentation"))
    assert clinic.referrals == [("augmentation", "sent")]


def test_carrying_on_with_care_withdraws_the_held_augmentation():
    clinic = with_augmentation_sent().tell(SUSPECTED, EXCLUDED, CLOSE_REVIEW, pain(2, "improving"))
    clinic.tell(decided("complete_reassessment", outcome="continue"))
    assert (clinic.place, clinic.referrals) == ("CONSERVATIVE_CARE", [("augmentation", "withdrawn")])


def test_an_exclusion_older_than_the_suspicion_excludes_nothing():
    clinic = in_malignancy_work_up().tell(observed("malignancy", status="excluded", effective="2026-01-19"))
    assert clinic.episode.malignancy == "suspected"
    assert "K-MALIG" in clinic.open_tasks
    assert clinic.heard("older_exclusion_kept_open")


def test_a_confirmed_malignancy_is_a_red_flag():
    clinic = in_malignancy_work_up().tell(observed("malignancy", status="confirmed"))
    assert clinic.place == "SURGICAL_REFERRAL.pending_ack"
    assert clinic.episode.malignancy == "confirmed"


def test_one_report_with_both_findings_goes_to_surgery_and_keeps_the_work_up():
    clinic = assessed().tell(scanned(cord_compression=True, pathologic="suspected"))
    assert clinic.place == "SURGICAL_REFERRAL.pending_ack"
    assert {"K-MALIG", "K-SURG-ACK"} <= clinic.open_tasks
    assert clinic.alerts == ["RED_FLAG", "MALIGNANCY_SUSPECTED"]


def test_overruling_the_flag_of_that_report_leaves_the_suspicion():
    clinic = assessed().tell(scanned(cord_compression=True, pathologic="suspected"), OVERRULE)
    assert clinic.place == "IMAGING_REVIEW.malignancy"
    assert "K-MALIG" in clinic.open_tasks
    assert clinic.tell(EXCLUDED, CLOSE_REVIEW).place == "ACUTE_ASSESSMENT"


def test_suspicion_that_arises_behind_a_flag_is_met_when_the_flag_is_overruled():
    clinic = with_red_flag().tell(SUSPECTED, OVERRULE)
    assert clinic.place == "IMAGING_REVIEW.malignancy"
    assert clinic.tell(EXCLUDED, CLOSE_REVIEW).place == "CONSERVATIVE_CARE"


def test_suspicion_that_was_excluded_behind_a_flag_is_gone():
    clinic = with_red_flag().tell(SUSPECTED, EXCLUDED, OVERRULE)
    assert clinic.place == "CONSERVATIVE_CARE"


def test_surgeons_who_advise_waiting_do_not_end_a_suspicion():
    clinic = with_red_flag().tell(SUSPECTED, decided("acknowledge_red_flag"))
    clinic.tell(outcome("surgery", "conservative_advised"))
    assert clinic.place == "IMAGING_REVIEW.malignancy"
    assert "K-MALIG" in clinic.open_tasks


def test_a_flag_during_the_work_up_and_its_overruling_lead_back_to_the_work_up():
    clinic = in_malignancy_work_up().tell(examined(motor_deficit=True))
    assert "K-MALIG" in clinic.open_tasks
    assert clinic.tell(OVERRULE).place == "IMAGING_REVIEW.malignancy"


def test_suspicion_in_a_plain_imaging_review_keeps_that_review_open_as_well():
    clinic = in_imaging_review().tell(scanned(pathologic="suspected"))
    assert clinic.refused(CLOSE_REVIEW) == "MALIGNANCY_OPEN"
    assert clinic.tell(EXCLUDED, CLOSE_REVIEW).place == "CONSERVATIVE_CARE"


def test_the_work_up_is_chased_from_the_fourth_day_every_three_days():
    clinic = in_malignancy_work_up().at("2026-02-01 09:00")
    assert clinic.reminders("K-MALIG", "overdue") == ["2026-01-24 08:00"]
    assert clinic.reminders("K-MALIG", "repeat") == ["2026-01-27 08:00", "2026-01-30 08:00"]


def test_suspicion_told_twice_alerts_once():
    clinic = in_care().tell(SUSPECTED, SUSPECTED)
    assert clinic.alerts == ["MALIGNANCY_SUSPECTED"]
    assert clinic.tell(EXCLUDED, SUSPECTED).alerts == ["MALIGNANCY_SUSPECTED"] * 2
