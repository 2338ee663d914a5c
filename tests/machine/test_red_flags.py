"""Red flags: at once, from everywhere, and off the table only when a clinician says why."""

import pytest

from tests.journeys.clinic import clinic_in_memory
from tests.journeys.people import (
    GUIDELINE,
    WHY,
    corrected,
    decided,
    examined,
    fractured_again,
    happened,
    observed,
    outcome,
    pain,
    registered,
    scanned,
)
from tests.machine.places import (
    ACTIVE,
    PLACES,
    assessed,
    deceased,
    discharged,
    in_care,
    in_imaging_review,
    in_reassessment,
    transferred,
    with_augmentation_sent,
    with_red_flag,
    with_surgeons,
    withdrawn,
)

ACKNOWLEDGE = decided("acknowledge_red_flag")
OVERRULE = decided("overrule_red_flag", reason="examined again, no deficit")
ELSEWHERE = [path for path in ACTIVE if not path.startswith("SURGICAL")]
DEFICIT = examined(motor_deficit=True)


# ---------------------------------------------------------------- the move


@pytest.mark.parametrize("path", ELSEWHERE)
def test_a_deficit_moves_a_patient_at_once_from_wherever_they_are(path):
    clinic = PLACES[path]()
    alerts = len(clinic.alerts)
    clinic.tell(DEFICIT)
    assert clinic.place == "SURGICAL_REFERRAL.pending_ack"
    assert clinic.alerts[alerts:] == ["RED_FLAG"]
    assert clinic.referrals[-1] == ("surgery", "draft")
    assert "K-SURG-ACK" in clinic.open_tasks


@pytest.mark.parametrize("path", ELSEWHERE)
def test_the_work_of_the_former_state_waits_and_bone_health_does_not(path):
    clinic = PLACES[path]()
    own = set(GUIDELINE.states[clinic.state].tasks) & clinic.open_tasks
    bone = {code for code in clinic.open_tasks if GUIDELINE.tasks[code].bone}
    clinic.tell(DEFICIT)
    assert {task.code for task in clinic.episode.tasks if task.status == "suspended"} >= own
    assert bone <= clinic.open_tasks


@pytest.mark.parametrize("path", ELSEWHERE)
def test_overruling_leads_back_to_where_the_patient_was(path):
    clinic = PLACES[path]()
    before, referrals = clinic.open_tasks, clinic.referrals
    clinic.forward(minutes=1).tell(DEFICIT).forward(minutes=30).tell(OVERRULE)
    assert clinic.place == path
    assert clinic.open_tasks == before
    assert clinic.referrals == [*referrals, ("surgery", "cancelled")]


@pytest.mark.parametrize("path", ELSEWHERE)
def test_acknowledging_sends_one_referral_and_ends_the_ladder(path):
    clinic = PLACES[path]()
    clinic.forward(minutes=1).tell(DEFICIT).tell(ACKNOWLEDGE)
    assert clinic.place == "SURGICAL_REFERRAL.sent"
    assert clinic.referrals.count(("surgery", "sent")) == 1
    ladder = len(clinic.reminders("K-SURG-ACK"))
    clinic.forward(days=3)
    assert len(clinic.reminders("K-SURG-ACK")) == ladder


def test_an_augmentation_referral_that_is_out_is_put_on_hold():
    clinic = with_augmentation_sent().tell(DEFICIT)
    assert clinic.referrals == [("augmentation", "on_hold"), ("surgery", "draft")]
    assert clinic.tell(OVERRULE).referrals[0] == ("augmentation", "sent")


# ---------------------------------------------------------------- the ladder


def test_staff_are_called_after_one_four_and_twenty_four_hours_then_daily():
    clinic = with_red_flag().forward(days=3)
    assert clinic.reminders("K-SURG-ACK", "escalation") == [
        "2026-01-20 11:00",
        "2026-01-20 14:00",
        "2026-01-21 10:00",
        "2026-01-22 10:00",
        "2026-01-23 10:00",
    ]


def test_the_ladder_counts_hours_and_not_the_clock_on_the_wall():
    clinic = assessed().at("2026-03-28 10:00").tell(DEFICIT).at("2026-03-30 12:00")
    assert clinic.reminders("K-SURG-ACK", "escalation") == [
        "2026-03-28 11:00",
        "2026-03-28 14:00",
        "2026-03-29 11:00",
        "2026-03-30 11:00",
    ]


def test_a_further_flag_alerts_again_but_drafts_nothing_twice():
    clinic = with_red_flag().forward(minutes=90).tell(scanned(cord_compression=True))
    assert clinic.alerts == ["RED_FLAG", "RED_FLAG"]
    assert clinic.referrals == [("surgery", "draft")]
    assert clinic.task("K-SURG-ACK").n == 1
    assert {flag.code for flag in clinic.episode.open_flags()} == {"neuro", "cord"}


def test_a_further_flag_after_the_acknowledgement_needs_another_one():
    clinic = with_surgeons().forward(hours=2).tell(examined(bowel_bladder=True))
    assert clinic.place == "SURGICAL_REFERRAL.pending_ack"
    assert clinic.referrals == [("surgery", "sent")]
    assert clinic.forward(hours=1).reminders("K-SURG-ACK", "escalation") == ["2026-01-20 13:00"]
    assert clinic.tell(ACKNOWLEDGE).referrals == [("surgery", "sent")]


def test_overruling_a_further_flag_leaves_the_patient_with_the_surgeons():
    clinic = with_surgeons().tell(examined(bowel_bladder=True), OVERRULE)
    assert (clinic.place, clinic.referrals) == ("SURGICAL_REFERRAL.sent", [("surgery", "sent")])


# ---------------------------------------------------------------- who may stand it down


@pytest.mark.parametrize(
    ("step", "code"),
    [
        (decided("overrule_red_flag", actor="coordinator", **WHY), "ROLE"),
        (decided("overrule_red_flag", actor="system", **WHY), "ROLE"),
        (decided("acknowledge_red_flag", actor="coordinator"), "ROLE"),
        (decided("overrule_red_flag"), "REASON_REQUIRED"),
    ],
)
def test_only_a_clinician_with_a_reason_stands_a_flag_down(step, code):
    clinic = with_red_flag()
    assert clinic.refused(step) == code
    assert clinic.place == "SURGICAL_REFERRAL.pending_ack"
    assert [audit.event["code"] for audit in clinic.heard("rejected")] == [code]


@pytest.mark.parametrize(
    "step", [examined(), scanned(), pain(1, "improving"), observed("malignancy", status="excluded")]
)
def test_good_news_does_not_stand_a_flag_down(step):
    clinic = with_red_flag().forward(days=1).tell(step)
    assert clinic.place == "SURGICAL_REFERRAL.pending_ack"
    assert clinic.episode.open_flags()


def test_time_does_not_stand_a_flag_down():
    clinic = with_red_flag().forward(days=400)
    assert clinic.place == "SURGICAL_REFERRAL.pending_ack"
    assert not clinic.milestones


def test_taking_back_the_examination_opens_a_review_and_moves_nobody():
    clinic = with_red_flag().tell(corrected("observation", obs_id="flag", reason="wrong patient"))
    assert clinic.place == "SURGICAL_REFERRAL.pending_ack"
    assert {"K-RF-REVIEW", "K-SURG-ACK"} <= clinic.open_tasks
    clinic.tell(OVERRULE)
    assert clinic.place == "CONSERVATIVE_CARE"
    assert not {"K-RF-REVIEW", "K-SURG-ACK"} & clinic.open_tasks


def test_an_overruled_finding_does_not_bar_care_but_a_new_one_does():
    clinic = assessed().tell(examined(radicular=True), OVERRULE, decided("start_conservative"))
    assert clinic.place == "CONSERVATIVE_CARE"
    assert clinic.tell(examined(radicular=True)).place == "SURGICAL_REFERRAL.pending_ack"


# ---------------------------------------------------------------- never swallowed


@pytest.mark.parametrize(
    "step",
    [
        examined(motor_deficit=True, shoe_size=43),
        examined(motor_deficit=True, radicular="maybe"),
        examined(motor_deficit=True, effective="2026-02-30"),
        examined(motor_deficit=True, effective="1949-01-01"),
        scanned(cord_compression=True, kyphosis=500),
        scanned(cord_compression=True, modality="PET"),
        scanned("2026-12-24", cord_compression=True),
        scanned(collapse_pct=50.1, scoliosis=-1),
        observed("malignancy", status="confirmed", effective="2027-01-01"),
    ],
    ids=lambda step: str(dict(step.data))[-60:],
)
def test_a_red_flag_in_a_message_with_bad_values_is_kept_and_a_person_checks_the_rest(step):
    clinic = in_care().tell(step)
    assert clinic.place == "SURGICAL_REFERRAL.pending_ack"
    assert "K-DATAQ" in clinic.open_tasks
    assert clinic.heard("values_refused")


def test_a_positive_examination_dated_in_the_future_is_taken_as_of_now():
    clinic = in_care().tell(examined(motor_deficit=True, effective="2026-03-01"))
    assert clinic.place == "SURGICAL_REFERRAL.pending_ack"
    assert clinic.episode.latest("neuro_exam").effective.isoformat() == "2026-01-06"
    assert "K-DATAQ" in clinic.open_tasks


def test_a_normal_examination_dated_in_the_future_is_refused():
    clinic = in_care()
    assert clinic.refused(examined(effective="2026-03-01")) == "FUTURE_DATE"
    assert "K-DATAQ" in clinic.open_tasks


@pytest.mark.parametrize("effective", ["2026-01-05", "2025-12-01"])
def test_a_deficit_found_before_a_normal_examination_still_counts(effective):
    clinic = in_care().tell(examined(motor_deficit=True, effective=effective))
    assert clinic.place == "SURGICAL_REFERRAL.pending_ack"


@pytest.mark.parametrize(("order"), [(True, False), (False, True)])
def test_contradicting_examinations_of_one_day_count_with_the_worse_in_either_order(order):
    clinic = assessed().tell(*(examined(motor_deficit=found) for found in order))
    assert clinic.place == "SURGICAL_REFERRAL.pending_ack"


def test_a_flag_does_not_wait_for_a_scheduler_that_is_down():
    clinic = in_care()
    clinic.scheduler_stops()
    clinic.at("2026-01-20 09:30").tell(DEFICIT)
    assert clinic.place == "SURGICAL_REFERRAL.pending_ack"
    clinic.at("2026-01-20 12:00").scheduler_returns()
    assert clinic.reminders("K-SURG-ACK", "escalation") == ["2026-01-20 12:00"]
    assert clinic.at("2026-01-20 13:30").reminders("K-SURG-ACK")[-1] == "2026-01-20 13:30"


def test_the_same_message_twice_is_one_flag():
    message = examined(motor_deficit=True, event_id="lab-1")
    clinic = in_care().tell(message, message)
    assert (clinic.alerts, clinic.referrals) == (["RED_FLAG"], [("surgery", "draft")])
    assert [audit.event["id"] for audit in clinic.heard("duplicate_event_ignored")] == ["lab-1"]


# ---------------------------------------------------------------- after the end


@pytest.mark.parametrize("story", [discharged, transferred, withdrawn])
def test_a_critical_result_after_the_end_is_work_but_moves_nobody(story):
    clinic = story()
    place = clinic.place
    clinic.forward(days=5).tell(scanned(cord_compression=True))
    assert (clinic.place, clinic.alerts, clinic.open_tasks) == (place, ["LATE_RED_FLAG"], {"K-LATE-RESULT"})
    clinic.forward(days=2)
    assert clinic.reminders("K-LATE-RESULT")


@pytest.mark.parametrize("story", [discharged, transferred, withdrawn])
def test_reopening_with_an_unjudged_flag_leads_straight_to_surgery(story):
    clinic = story().tell(scanned(cord_compression=True)).forward(days=1).tell(decided("reopen", **WHY))
    assert clinic.place == "SURGICAL_REFERRAL.pending_ack"
    assert clinic.alerts == ["LATE_RED_FLAG", "RED_FLAG"]


def test_a_late_suspicion_of_malignancy_is_work_too():
    clinic = withdrawn().tell(scanned(pathologic="suspected"))
    assert (clinic.alerts, clinic.open_tasks) == (["LATE_RED_FLAG"], {"K-LATE-RESULT"})
    assert clinic.tell(decided("reopen", **WHY)).place == "IMAGING_REVIEW.malignancy"


def test_nobody_is_alarmed_about_the_dead_but_nothing_is_lost():
    clinic = deceased().tell(scanned(cord_compression=True))
    assert (clinic.place, clinic.alerts, clinic.open_tasks) == ("DECEASED", [], set())
    assert clinic.tell(happened("death_correction")).place == "SURGICAL_REFERRAL.pending_ack"


# ---------------------------------------------------------------- what the surgeons say


@pytest.mark.parametrize(
    ("result", "place"),
    [
        ("operated", "POST_PROCEDURE"),
        ("augmented", "POST_PROCEDURE"),
        ("conservative_advised", "CONSERVATIVE_CARE"),
        ("transferred", "TRANSFERRED_OUT"),
    ],
)
def test_the_surgeons_answer_leads_on_and_settles_the_flag(result, place):
    clinic = with_surgeons().at("2026-01-22 10:00").tell(outcome("surgery", result))
    assert clinic.place == place
    assert not clinic.episode.open_flags()
    assert clinic.referrals == [("surgery", "completed")]


def test_no_answer_counts_before_a_clinician_has_seen_the_flag():
    assert with_red_flag().refused(outcome("surgery", "conservative_advised")) == "ACK_REQUIRED"


def test_advice_to_wait_starts_care_for_somebody_whose_care_had_not_begun():
    clinic = assessed().tell(DEFICIT, ACKNOWLEDGE).at("2026-01-12 10:00")
    clinic.tell(outcome("surgery", "conservative_advised"))
    assert clinic.episode.care_start.isoformat() == "2026-01-12"
    assert clinic.timer("REASSESS").due.isoformat() == "2026-02-09"


def test_an_answer_is_chased_daily_after_a_flag_and_fortnightly_after_an_elective_referral():
    urgent = with_surgeons().at("2026-01-23 09:00")
    assert urgent.reminders("K-SURG-OUTCOME") == ["2026-01-21 08:00", "2026-01-22 08:00", "2026-01-23 08:00"]
    elective = in_care().at("2026-01-20 10:00").tell(decided("refer_surgery", **WHY)).at("2026-03-01 09:00")
    assert elective.alerts == []
    assert elective.reminders("K-SURG-OUTCOME", "overdue") == ["2026-02-04 08:00"]
    assert elective.reminders("K-SURG-OUTCOME", "repeat") == ["2026-02-18 08:00"]


def test_an_elective_referral_withdraws_augmentation_and_tells_staff():
    clinic = with_augmentation_sent().tell(decided("refer_surgery", reason="patient prefers it"))
    assert clinic.referrals == [("augmentation", "withdrawn"), ("surgery", "sent")]
    assert [audit.event["code"] for audit in clinic.heard("notice")] == ["REFERRAL_WITHDRAWN"]


# ---------------------------------------------------------------- a flag in the way of a milestone


def test_a_milestone_missed_behind_a_flag_fires_when_the_flag_is_overruled():
    clinic = with_red_flag().at("2026-02-10 09:00")
    assert not clinic.milestones
    clinic.tell(OVERRULE)
    assert clinic.milestones == [("2026-02-10 09:00", "REASSESS")]
    task = clinic.task("K-REASSESS")
    assert (clinic.place, task.due.isoformat(), task.overdue_after.isoformat()) == (
        "REASSESSMENT",
        "2026-02-03",
        "2026-02-17",
    )


def test_a_flag_at_the_moment_a_milestone_falls_due_wins():
    clinic = in_care().at("2026-02-03 07:59")
    clinic.calendar.now = clinic.calendar.instant("2026-02-03 08:00")
    clinic.tell(DEFICIT)
    assert (clinic.place, clinic.milestones) == ("SURGICAL_REFERRAL.pending_ack", [])
    assert clinic.timer("REASSESS").status == "held"
    assert clinic.at("2026-02-04 09:00").tell(OVERRULE).place == "REASSESSMENT"


def test_a_review_interrupted_by_a_flag_keeps_its_purposes():
    clinic = in_reassessment().at("2026-02-27 09:00")
    purposes = clinic.episode.place.purposes
    assert purposes == ("4w", "8w")
    clinic.tell(DEFICIT, OVERRULE)
    assert clinic.episode.place.purposes == purposes


def test_a_three_month_decision_waits_behind_a_flag_and_comes_back():
    clinic = in_care().at("2026-04-07 10:00").tell(DEFICIT)
    assert clinic.task("K-3M-DECISION").status == "suspended"
    assert clinic.at("2026-05-07 10:00").reminders("K-3M-DECISION") == []
    clinic.tell(OVERRULE)
    assert (clinic.place, clinic.task("K-3M-DECISION").status) == ("REASSESSMENT", "open")


def test_an_imaging_review_interrupted_by_a_flag_keeps_its_task():
    clinic = in_imaging_review().tell(scanned(cord_compression=True))
    assert clinic.task("K-IMGREV").status == "suspended"
    assert clinic.tell(OVERRULE).place == "IMAGING_REVIEW"
    assert clinic.task("K-IMGREV").status == "open"


# ---------------------------------------------------------------- two fractures


def test_a_flag_moves_the_episode_that_is_named_and_only_that():
    clinic = clinic_in_memory().tell(registered()).at("2026-01-08 09:00").tell(fractured_again("2026-01-07"))
    clinic.tell(DEFICIT, n=1)
    assert [e.path for e in clinic.episodes()] == ["SURGICAL_REFERRAL.pending_ack", "ACUTE_ASSESSMENT"]
    clinic.tell(scanned(cord_compression=True))
    assert [e.path for e in clinic.episodes()] == ["SURGICAL_REFERRAL.pending_ack"] * 2
