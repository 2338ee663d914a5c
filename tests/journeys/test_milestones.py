"""One patient, one milestone, one story on a calendar, on a real database: the day, the rule, and where it led."""

import pytest

from pathway.advice import advice
from persistence.verify import verify
from tests.journeys.clinic import Clinic, clinic_with_store
from tests.journeys.people import (
    BONE_TASKS,
    ENGINE,
    WHY,
    closed,
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
from tests.persistence.shelf import store_in

CONTINUE = decided("complete_reassessment", outcome="continue")
TO_CARE = [
    ("2026-01-05", "TR-01", "ACUTE_ASSESSMENT"),
    ("2026-01-06", "TR-02", "CONSERVATIVE_CARE"),
]


@pytest.fixture
def clinic(tmp_path):
    with store_in(tmp_path / "pathway.db") as store:
        yield clinic_with_store(store)
        assert verify(store).problems == []


@pytest.fixture
def ann(clinic) -> Clinic:
    """Ann broke L1 on 2 January 2026, came on the 5th, and is in conservative care from the 6th at four."""
    clinic.tell(registered("2026-01-02"), examined()).at("2026-01-06 15:00").tell(scanned("2026-01-06"))
    clinic.at("2026-01-06 16:00").tell(decided("start_conservative"))
    assert clinic.story == TO_CARE
    return clinic


def recommended(clinic: Clinic) -> set[str]:
    episode, today = clinic.episode, clinic.calendar.today
    return {item.rule.id for item in advice(episode, ENGINE.guideline, ENGINE.profile("default"), today)}


# ---------------------------------------------------------------- four weeks


def test_after_four_weeks_a_person_looks_again(ann):
    ann.at("2026-02-04 09:00")
    assert ann.story == [*TO_CARE, ("2026-02-03", "TR-05", "REASSESSMENT")]
    assert ann.milestones == [("2026-02-03 08:00", "REASSESS")]
    assert "K-REASSESS" in ann.open_tasks


def test_a_patient_who_is_better_at_four_weeks_is_watched_for_a_year(ann):
    ann.at("2026-02-10 10:00").tell(painless(), decided("resolved")).at("2027-01-03 09:00")
    assert ann.story[2:] == [("2026-02-03", "TR-05", "REASSESSMENT"), ("2026-02-10", "TR-14", "SURVEILLANCE")]
    assert ann.milestones[1:] == [("2026-07-02 08:00", "SURV_6M"), ("2027-01-02 08:00", "SURV_12M")]
    cancelled = {audit.event["code"] for audit in ann.heard("timer_cancelled")}
    assert cancelled == {"IMAGING_8W", "FAILURE_REVIEW"}


def test_a_patient_who_goes_on_with_care_is_asked_again_at_eight_weeks(ann):
    ann.at("2026-02-17 17:00").tell(pain(5), CONTINUE).at("2026-02-28 09:00")
    assert ann.story[2:] == [
        ("2026-02-03", "TR-05", "REASSESSMENT"),
        ("2026-02-17", "TR-14b", "CONSERVATIVE_CARE"),
        ("2026-02-27", "TR-06", "IMAGING_REVIEW"),
    ]
    assert ann.reminders("K-REASSESS", "overdue") == []


def test_a_review_nobody_does_stays_open_is_overdue_on_day_forty_three_and_never_ends_by_itself(ann):
    ann.at("2026-12-31 09:00")
    assert ann.state == "REASSESSMENT"
    assert ann.reminders("K-REASSESS")[:3] == ["2026-02-18 08:00", "2026-02-25 08:00", "2026-03-04 08:00"]
    assert [code for _, code in ann.milestones] == ["REASSESS", "IMAGING_8W", "FAILURE_REVIEW"]
    assert "K-3M-DECISION" in ann.open_tasks


BETTER = observed("pulmonary", dysfunction=False)


def brought_forward(ann: Clinic, wall: str) -> Clinic:
    """Breathless on 20 January, so reviewed early: better by the time shown, and care goes on."""
    ann.at("2026-01-20 10:00").tell(observed("pulmonary", dysfunction=True))
    return ann.at(wall).tell(pain(4, "improving"), BETTER, CONTINUE)


def test_a_review_before_day_twenty_eight_does_not_stand_for_the_one_on_it(ann):
    brought_forward(ann, "2026-02-02 17:00").at("2026-02-03 09:00")
    assert ann.story[-2:] == [("2026-02-02", "TR-14b", "CONSERVATIVE_CARE"), ("2026-02-03", "TR-05", "REASSESSMENT")]


def test_a_review_early_on_day_twenty_eight_does(ann):
    brought_forward(ann, "2026-02-03 07:30").at("2026-02-04 09:00")
    assert (ann.state, ann.timer("REASSESS").status) == ("CONSERVATIVE_CARE", "cancelled")
    assert ann.milestones == []


def test_work_that_is_asked_for_twice_is_open_once_with_the_earlier_dates(ann):
    ann.at("2026-01-26 10:00").tell(happened("withdraw", **WHY)).at("2026-03-02 10:00").tell(decided("reopen", **WHY))
    reviews = [task for task in ann.episode.tasks if task.code == "K-REASSESS"]
    assert [(str(t.due), str(t.overdue_after)) for t in reviews] == [("2026-02-03", "2026-02-17")]


# ---------------------------------------------------------------- eight weeks


def at_eight_weeks(ann: Clinic, *facts) -> Clinic:
    ann.at("2026-02-03 10:00").tell(pain(5), CONTINUE).at("2026-02-24 10:00").tell(*facts)
    return ann.at("2026-02-27 09:00")


@pytest.mark.parametrize(
    ("facts", "rule", "place"),
    [
        ((pain(5),), "TR-06", "IMAGING_REVIEW"),
        ((pain(4, "improving"),), "TR-06", "IMAGING_REVIEW"),
        ((pain(3, "improving"),), "TR-07", "REASSESSMENT"),
        ((painless(),), "TR-07", "REASSESSMENT"),
        ((), "TR-07", "REASSESSMENT"),
        ((pain(5, effective="2026-02-12"),), "TR-07", "REASSESSMENT"),
        ((pain(5, effective="2026-02-13"),), "TR-06", "IMAGING_REVIEW"),
    ],
)
def test_at_eight_weeks_lasting_pain_goes_to_imaging_and_anything_else_to_a_person(ann, facts, rule, place):
    at_eight_weeks(ann, *facts)
    assert ann.story[-1] == ("2026-02-27", rule, place)
    assert ann.milestones[-1] == ("2026-02-27 08:00", "IMAGING_8W")


def test_a_scan_from_day_forty_two_answers_the_question_before_it_is_asked(ann):
    at_eight_weeks(ann, scanned("2026-02-13"), pain(5))
    assert (ann.state, ann.episode.satisfied["IMAGING_8W"]) == ("CONSERVATIVE_CARE", "imaging")
    assert ann.timer("IMAGING_8W").outcome == "satisfied_by_imaging"
    assert ann.milestones[-1] == ("2026-02-27 08:00", "IMAGING_8W")


def test_imaging_that_shows_nothing_new_leads_back_to_care(ann):
    at_eight_weeks(ann, pain(5)).at("2026-03-03 10:00").tell(scanned("2026-03-02"))
    ann.tell(decided("review_imaging", outcome="continue")).at("2026-04-05 10:00")
    assert ann.story[-2:] == [("2026-02-27", "TR-06", "IMAGING_REVIEW"), ("2026-03-03", "TR-18", "CONSERVATIVE_CARE")]
    assert "IMAGING_8W" in ann.episode.satisfied


def test_imaging_may_be_waived_but_only_with_a_reason(ann):
    at_eight_weeks(ann, pain(5)).at("2026-03-03 10:00")
    go_on = {"outcome": "continue", "no_new_imaging_reason": "scanner broken"}
    assert ann.refused(decided("review_imaging", **go_on)) == "IMAGING_8W_DUE"
    ann.tell(decided("review_imaging", **go_on, imaging_waived_reason="patient declines another scan"))
    assert ann.episode.satisfied["IMAGING_8W"] == "waived: patient declines another scan"


def test_a_review_that_owes_imaging_cannot_go_on_without_it(ann):
    ann.at("2026-03-01 10:00").tell(pain(5), CONTINUE)
    assert ann.story[-1] == ("2026-03-01", "TR-15", "IMAGING_REVIEW")


def test_a_review_interrupted_by_new_symptoms_is_still_owed(ann):
    ann.at("2026-02-05 10:00").tell(pain(6, changed=True)).at("2026-02-10 10:00").tell(scanned("2026-02-09"))
    ann.tell(decided("review_imaging", outcome="continue"))
    assert ann.story[2:] == [
        ("2026-02-03", "TR-05", "REASSESSMENT"),
        ("2026-02-05", "TR-13", "IMAGING_REVIEW"),
        ("2026-02-10", "TR-18", "CONSERVATIVE_CARE"),
        ("2026-02-10", "TR-05", "REASSESSMENT"),
    ]
    assert len(ann.milestones) == 1


# ---------------------------------------------------------------- three months


def at_three_months(ann: Clinic, *facts, scan: str | None = "2026-02-20") -> Clinic:
    ann.at("2026-02-03 10:00").tell(pain(5), CONTINUE)
    if scan:
        ann.at(f"{scan} 10:00").tell(scanned(scan))
    return ann.at("2026-03-30 10:00").tell(*facts).at("2026-04-06 09:00")


@pytest.mark.parametrize(
    ("facts", "rule", "place"),
    [
        ((pain(8),), "TR-08", "AUGMENTATION_REFERRAL.proposed"),
        ((pain(7),), "TR-08", "AUGMENTATION_REFERRAL.proposed"),
        ((pain(6),), "TR-10", "REASSESSMENT"),
        ((pain(2, "improving"),), "TR-10", "REASSESSMENT"),
        ((), "TR-10", "REASSESSMENT"),
    ],
)
def test_after_three_months_failing_care_is_proposed_for_augmentation_and_the_rest_decided_by_a_person(
    ann, facts, rule, place
):
    at_three_months(ann, *facts)
    assert ann.story[-1] == ("2026-04-06", rule, place)
    assert ("augmentation", "sent") not in ann.referrals
    assert ann.milestones[-1] == ("2026-04-06 08:00", "FAILURE_REVIEW")


def test_worsening_pain_goes_to_a_person_before_three_months_are_over(ann):
    at_three_months(ann, pain(5, "worsening"))
    assert ann.story[-1] == ("2026-03-30", "TR-12", "REASSESSMENT")
    assert "K-3M-DECISION" in ann.open_tasks


def test_failing_care_with_old_images_is_imaged_first(ann):
    """The only scan is of 6 January; the eight-week question was answered by a mild status."""
    ann.at("2026-02-24 10:00").tell(pain(2, "improving")).at("2026-02-27 10:00").tell(CONTINUE)
    ann.tell(observed("analgesia", paracetamol=True)).at("2026-03-30 10:00").tell(pain(8))
    ann.at("2026-04-06 09:00")
    assert ann.story[-1] == ("2026-04-06", "TR-08", "AUGMENTATION_REFERRAL.proposed")
    ann.tell(decided("decline_augmentation", reason="wants to wait")).at("2026-05-06 10:00").tell(pain(8))
    ann.tell(decided("refer_augmentation"))
    assert ann.story[-1] == ("2026-05-06", "TR-09", "IMAGING_REVIEW")
    assert ("augmentation", "sent") not in ann.referrals


def test_a_person_may_go_on_after_three_months_and_is_asked_again_four_weeks_later(ann):
    at_three_months(ann, pain(5)).tell(CONTINUE).at("2026-05-05 09:00")
    assert ann.story[-3:] == [
        ("2026-04-06", "TR-10", "REASSESSMENT"),
        ("2026-04-06", "TR-14b", "CONSERVATIVE_CARE"),
        ("2026-05-04", "TR-11", "REASSESSMENT"),
    ]
    assert ann.task("K-3M-DECISION").status == "closed"


def test_an_early_indication_may_be_referred_before_three_months_and_nothing_else(ann):
    ann.at("2026-02-04 10:00").tell(pain(8))
    assert ann.refused(decided("refer_augmentation")) == "TOO_EARLY"
    assert "R-EARLY-AUG" in recommended(ann.tell(observed("pulmonary", dysfunction=True)))
    ann.tell(decided("refer_augmentation"))
    assert ann.story[-1] == ("2026-02-04", "TR-17", "AUGMENTATION_REFERRAL.sent")


@pytest.mark.parametrize(
    "fact",
    [
        pain(6, "worsening"),
        observed("pulmonary", dysfunction=True),
        observed("analgesia", parenteral_opioid=True),
        observed("analgesia", hospitalised_for_pain=True),
        observed("analgesia", contraindicated=True),
    ],
    ids=lambda step: str(dict(step.data)),
)
def test_an_early_indication_during_care_brings_the_review_forward(ann, fact):
    ann.at("2026-01-20 10:00").tell(fact)
    assert ann.story[-1] == ("2026-01-20", "TR-12", "REASSESSMENT")
    assert "R-EARLY-AUG" in recommended(ann)


# ---------------------------------------------------------------- the whole way


def test_the_whole_way_from_failure_to_discharge(ann):
    at_three_months(ann, pain(8)).at("2026-04-07 10:00").tell(decided("confirm_augmentation", technique="kyphoplasty"))
    ann.at("2026-04-28 15:00").tell(outcome("augmentation", "performed", procedure_date="2026-04-28"))
    ann.at("2026-05-27 10:00").tell(painless(), decided("complete_post_procedure", outcome="resolved"))
    ann.at("2026-07-03 10:00").tell(closed("K-SURV", actor="coordinator"))
    ann.tell(*(closed(code, "not_applicable", **WHY) for code in BONE_TASKS))
    ann.at("2027-01-05 10:00").tell(decided("discharge"))
    assert ann.story[2:] == [
        ("2026-02-03", "TR-05", "REASSESSMENT"),
        ("2026-02-03", "TR-14b", "CONSERVATIVE_CARE"),
        ("2026-04-06", "TR-08", "AUGMENTATION_REFERRAL.proposed"),
        ("2026-04-07", "TR-17'", "AUGMENTATION_REFERRAL.sent"),
        ("2026-04-28", "TR-19b", "POST_PROCEDURE"),
        ("2026-05-27", "TR-23", "SURVEILLANCE"),
        ("2027-01-05", "TR-24", "DISCHARGED"),
    ]
    assert ann.milestones == [
        ("2026-02-03 08:00", "REASSESS"),
        ("2026-02-27 08:00", "IMAGING_8W"),
        ("2026-04-06 08:00", "FAILURE_REVIEW"),
        ("2026-05-26 08:00", "POST_PROC_REVIEW"),
        ("2026-07-02 08:00", "SURV_6M"),
        ("2027-01-02 08:00", "SURV_12M"),
    ]
    heard = len(ann.heard("reminder"))
    assert len(ann.at("2028-01-05 10:00").heard("reminder")) == heard


def test_pain_that_lasts_after_the_procedure_is_imaged(ann):
    at_three_months(ann, pain(8)).tell(decided("confirm_augmentation")).at("2026-04-28 10:00")
    ann.tell(outcome("augmentation", "performed")).at("2026-05-27 10:00").tell(pain(6))
    ann.tell(decided("complete_post_procedure", outcome="persistent"), scanned("2026-05-27"))
    ann.tell(decided("review_imaging", outcome="continue"))
    assert ann.story[-3:] == [
        ("2026-04-28", "TR-19b", "POST_PROCEDURE"),
        ("2026-05-27", "TR-23b", "IMAGING_REVIEW"),
        ("2026-05-27", "TR-18", "POST_PROCEDURE"),
    ]
    assert "K-POSTREV" in ann.open_tasks


@pytest.mark.parametrize(
    ("status", "place"),
    [
        (pain(6, "worsening"), "IMAGING_REVIEW"),
        (pain(6, changed=True), "IMAGING_REVIEW"),
        (pain(6), "POST_PROCEDURE"),
        (painless(), "POST_PROCEDURE"),
    ],
)
def test_after_a_procedure_new_or_worse_pain_is_imaged_at_once(ann, status, place):
    at_three_months(ann, pain(8)).tell(decided("confirm_augmentation")).at("2026-04-28 10:00")
    assert ann.tell(outcome("augmentation", "performed"), status).place == place


def test_pain_that_returns_is_not_assumed_to_be_the_old_fracture(ann):
    ann.at("2026-02-10 10:00").tell(painless(), decided("resolved")).at("2026-06-01 10:00").tell(pain(6))
    ann.at("2026-06-04 10:00").tell(scanned("2026-06-03"), decided("review_imaging", outcome="continue"))
    assert ann.story[-2:] == [("2026-06-01", "TR-13", "IMAGING_REVIEW"), ("2026-06-04", "TR-18", "SURVEILLANCE")]
    assert ann.at("2026-07-03 09:00").milestones[-1] == ("2026-07-02 08:00", "SURV_6M")


def test_a_check_that_fell_due_during_an_excursion_fires_on_the_way_back(ann):
    ann.at("2026-02-10 10:00").tell(painless(), decided("resolved")).at("2026-06-28 10:00").tell(pain(6))
    ann.at("2026-07-10 10:00").tell(scanned("2026-07-09"), decided("review_imaging", outcome="continue"))
    assert ann.milestones[-1] == ("2026-07-10 10:00", "SURV_6M")
    assert ann.task("K-SURV").due.isoformat() == "2026-07-02"


def test_calcitonin_is_stopped_four_weeks_after_the_identification_however_late_it_began(ann):
    ann.at("2026-01-15 10:00").tell(observed("calcitonin", action="start")).at("2026-02-04 09:00")
    assert ann.reminders("K-CALC-STOP") == ["2026-02-02 08:00", "2026-02-03 08:00"]
    ann.tell(observed("calcitonin", action="stop")).at("2026-06-01 09:00")
    assert len(ann.reminders("K-CALC-STOP")) == 2
    assert "CALCITONIN_OUTSIDE_WINDOW" not in ann.alerts


@pytest.mark.parametrize(("day", "warned"), [("2026-02-01", False), ("2026-02-02", True)])
def test_calcitonin_started_outside_its_window_is_warned_of(ann, day, warned):
    ann.at(f"{day} 10:00").tell(observed("calcitonin", action="start"))
    assert ("CALCITONIN_OUTSIDE_WINDOW" in ann.alerts) is warned


@pytest.mark.parametrize(
    ("calcium", "vitamin", "enough"), [(1000, 799, False), (999, 800, False), (1000, 800, True), (5000, None, False)]
)
def test_supplements_need_both_floors(ann, calcium, vitamin, enough):
    ann.tell(observed("supplements", calcium_mg=calcium, vitamin_d_iu=vitamin))
    assert ("K-CAVITD" not in ann.open_tasks) is enough


def test_strontium_starts_no_treatment_and_is_warned_of(ann):
    ann.tell(observed("osteoporosis_rx", agent="Strontium"))
    assert "K-OPRX" in ann.open_tasks
    assert ann.alerts == ["CI-STRONTIUM"]
    ann.tell(observed("osteoporosis_rx", agent="alendronate"))
    assert "K-OPRX" not in ann.open_tasks
