"""Findings of these tests: what the engine does not do yet, each by its shortest story.

An expected failure is a promise of the specification that is not kept; when it is, the mark goes. The stories below
them keep what the specification leaves open, so that nobody changes it unawares.
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


# ---------------------------------------------------------------- promises that are not kept


@pytest.mark.xfail(strict=True, reason="INV-24: a strong feature made immediate neither alerts nor opens a work-up")
def test_a_cancer_history_made_immediate_is_at_least_as_loud_as_a_work_up():
    clinic = under({"malignancy": {"strong_feature": "immediate"}})
    clinic.tell(observed("malignancy_features", cancer_history=True))
    assert clinic.alerts


@pytest.mark.xfail(strict=True, reason="HZ-09: the exclusion is taken back, the exclusion stands")
def test_taking_back_an_exclusion_brings_the_suspicion_back():
    clinic = in_care().tell(SUSPECTED, EXCLUDED, corrected("observation", obs_id="exclusion", reason="wrong patient"))
    assert clinic.episode.malignancy == "suspected"
    assert "K-MALIG" in clinic.open_tasks


@pytest.mark.xfail(strict=True, reason="HZ-12: any stop closes the stop reminder, even one from before the start")
def test_an_older_stop_does_not_end_the_reminder_of_a_newer_start():
    clinic = clinic_in_memory().tell(registered()).at("2026-01-15 10:00")
    clinic.tell(observed("calcitonin", action="start"), observed("calcitonin", action="stop", date="2026-01-10"))
    assert "K-CALC-STOP" in clinic.open_tasks


@pytest.mark.xfail(strict=True, reason="HZ-04: a milestone re-dated and dated back is owed, and nothing asks for it")
def test_a_review_that_was_dated_anew_and_back_is_satisfied_or_asked_for():
    clinic = in_reassessment().tell(decided("complete_reassessment", outcome="continue"))
    clinic.tell(corrected("care_start", "2026-01-20"), corrected("care_start", "2026-01-06"))
    settled = "REASSESS" in clinic.episode.satisfied
    assert settled or clinic.state == "REASSESSMENT" or clinic.episode.waiting_timer("REASSESS")


@pytest.mark.xfail(
    strict=True, reason="INV-22: the id of a refused registration is not kept, so it acts when sent again"
)
def test_a_registration_that_was_refused_has_no_effect_when_it_is_delivered_again():
    clinic = clinic_in_memory().tell(registered())
    message = replace(registered("2026-01-04", level="L2"), event_id="adt-1")
    assert clinic.refused(message) == "USE_NEW_FRACTURE"
    clinic.tell(happened("withdraw", **WHY))
    clinic.ask(message)
    assert len(clinic.episodes()) == 1


@pytest.mark.xfail(strict=True, reason="DE-05: a corrected fracture date may come to lie after the start of care")
@pytest.mark.parametrize(
    ("fracture", "correction"),
    [("2025-11-20", corrected("fracture_date", "2026-01-01")), (None, corrected("identification_date", "2026-01-20"))],
)
def test_care_does_not_come_to_begin_before_the_fracture(fracture, correction):
    clinic = clinic_in_memory().tell(registered(fracture), examined(), scanned())
    earlier = {"care_start": "2025-12-01"} if fracture else {}
    clinic.tell(decided("start_conservative", **earlier)).at("2026-01-20 10:00")
    assert clinic.refused(correction) == "DATE_ORDER"


@pytest.mark.xfail(strict=True, raises=TypeError, reason="a date with a time is a date to the checks and then not one")
def test_a_date_given_with_its_time_is_a_date_or_refused():
    in_care().ask(pain(3, effective=datetime(2026, 1, 6, 9, 0)))  # noqa: DTZ001 as a form might send it


# ---------------------------------------------------------------- left open by the specification


def test_a_held_augmentation_stays_on_hold_when_pain_has_resolved():
    """TR-14 names no end for it (TR-14b withdraws it): nobody is asked, and it is still open under surveillance."""
    clinic = with_augmentation_sent().tell(SUSPECTED, EXCLUDED, painless(), decided("resolved"))
    assert (clinic.place, clinic.referrals) == ("SURVEILLANCE", [("augmentation", "on_hold")])


def test_a_referral_that_is_out_is_not_named_at_a_discharge():
    """TR-25 tells staff of an open referral, TR-24 does not."""
    clinic = in_care().tell(decided("refer_surgery", **WHY), decided("discharge", outcome="not_vcf", **WHY))
    assert clinic.referrals == [("surgery", "sent")]
    assert clinic.heard("notice") == []


def test_nobody_is_asked_what_became_of_a_referral_that_outlived_its_episode():
    """After reopening it is still out, in whatever state the patient is, and its outcome task is closed."""
    clinic = in_care().tell(decided("refer_surgery", **WHY), happened("withdraw", **WHY), decided("reopen", **WHY))
    assert (clinic.place, clinic.referrals) == ("REASSESSMENT", [("surgery", "sent")])
    assert "K-SURG-OUTCOME" not in clinic.open_tasks


def test_review_is_a_value_that_does_nothing():
    """C-03 and C-20 name it, no rule says what it opens: even a confirmed malignancy raises nothing."""
    clinic = under({"rf": {"pathologic_confirmed": "review"}}).tell(scanned(pathologic="confirmed"))
    assert (clinic.place, clinic.alerts) == ("ACUTE_ASSESSMENT", [])


def test_the_work_up_of_a_confirmed_malignancy_never_closes():
    """K-MALIG closes when malignancy is excluded (3.5); confirmed and operated, it reminds for ever."""
    clinic = in_care().tell(SUSPECTED, observed("malignancy", status="confirmed"), decided("acknowledge_red_flag"))
    assert "K-MALIG" in clinic.tell(outcome("surgery", "operated")).open_tasks


def test_a_fracture_of_a_closed_episode_cannot_be_registered_again():
    """TR-01 speaks of an open episode, 3.6 of any: entered in error, it has to be reopened."""
    clinic = clinic_in_memory().tell(registered(), happened("withdraw", reason="entered in error"))
    assert clinic.refused(registered()) == "DUPLICATE_EPISODE"


def test_of_two_observations_with_one_name_the_second_cannot_be_taken_back():
    clinic = in_care().tell(pain(5, obs_id="x"), pain(6, obs_id="x"), corrected("observation", obs_id="x"))
    assert clinic.refused(corrected("observation", obs_id="x")) == "STATE"


def test_an_examination_is_complete_when_it_says_so():
    """DE-08 wants motor, sensory, reflexes and bladder answered; the scenarios leave reflexes out."""
    clinic = clinic_in_memory().tell(registered(), observed("neuro_exam", complete=True), scanned())
    assert clinic.tell(decided("start_conservative")).place == "CONSERVATIVE_CARE"
