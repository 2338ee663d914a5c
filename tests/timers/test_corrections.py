"""Learnt late, taken back, dated anew: nothing is edited, and what was owed is owed on the right day."""

from datetime import date, timedelta

import pytest

from tests.journeys.clinic import Clinic, clinic_in_memory
from tests.journeys.people import (
    corrected,
    decided,
    examined,
    happened,
    observed,
    pain,
    registered,
    scanned,
)
from tests.machine.places import in_care, in_reassessment, under_surveillance

CONTINUE = decided("complete_reassessment", outcome="continue")


def due(clinic: Clinic) -> dict[str, str]:
    """The due date of each timer that still counts."""
    live = (t for t in clinic.episode.timers if t.status in ("pending", "held", "fired"))
    return {t.code: t.due.isoformat() for t in live}


def shifted(day: str, days: int) -> str:
    return (date.fromisoformat(day) + timedelta(days=days)).isoformat()


# ---------------------------------------------------------------- entered late


def test_a_scan_of_day_twenty_seven_entered_on_day_seventy_five_is_dated_then_and_known_now():
    clinic = in_care().at("2026-03-18 10:00")
    told = len(clinic.heard("reminder"))
    clinic.tell(scanned("2026-01-29"))
    line = clinic.world.journals["P1-1"][-1]
    assert (clinic.shown(line.occurred_at), clinic.shown(line.recorded_at)) == ("2026-01-29 08:00", "2026-03-18 10:00")
    assert len(clinic.heard("reminder")) == told
    assert clinic.place == "REASSESSMENT"


def test_a_status_of_day_twenty_seven_entered_on_day_seventy_five_completes_no_review():
    clinic = in_care().at("2026-03-18 10:00").tell(pain(2, "improving", effective="2026-02-02"))
    assert clinic.refused(CONTINUE) == "SYMPTOMS_STALE"
    assert "REASSESS" not in clinic.episode.satisfied


def test_bone_work_done_in_time_and_entered_late_closes_with_its_own_date():
    clinic = in_care().at("2026-03-01 10:00")
    assert clinic.reminders("K-DXA", "overdue") == ["2026-02-17 08:00"]
    clinic.tell(observed("dxa", t_score=-2.0, date="2026-01-30")).at("2026-06-01 10:00")
    assert clinic.task("K-DXA").status == "closed"
    assert clinic.reminders("K-DXA")[-1] < "2026-03-01 10:00"
    assert clinic.episode.latest("dxa").effective.isoformat() == "2026-01-30"


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_reports_in_whatever_order_they_arrive_leave_the_same_newest_status(order):
    reports = [
        pain(8, effective="2026-01-10"),
        pain(5, effective="2026-01-12"),
        pain(2, "improving", effective="2026-01-14"),
    ]
    clinic = in_care().at("2026-01-15 10:00").tell(*(reports[n] for n in order))
    assert (clinic.place, clinic.episode.value("symptoms", "nrs")) == ("CONSERVATIVE_CARE", 2)


# ---------------------------------------------------------------- taken back


def answered_by_a_scan() -> Clinic:
    clinic = in_reassessment().tell(CONTINUE).at("2026-02-20 10:00").tell(scanned("2026-02-20", obs_id="mri"))
    return clinic.at("2026-02-25 10:00").tell(pain(5)).at("2026-03-02 10:00")


def test_taking_back_the_scan_that_answered_the_eight_week_question_asks_it_again():
    clinic = answered_by_a_scan()
    assert (clinic.place, clinic.episode.satisfied["IMAGING_8W"]) == ("CONSERVATIVE_CARE", "imaging")
    clinic.tell(corrected("observation", obs_id="mri", reason="another patient's"))
    assert clinic.place == "IMAGING_REVIEW"
    assert "IMAGING_8W" not in clinic.episode.satisfied
    assert [code for _, code in clinic.milestones].count("IMAGING_8W") == 1


def test_taking_back_another_scan_asks_nothing():
    clinic = answered_by_a_scan().tell(scanned("2026-02-26"))
    assert clinic.tell(corrected("observation", obs_id="mri")).place == "CONSERVATIVE_CARE"


@pytest.mark.parametrize(
    ("code", "step"),
    [
        ("K-DXA", observed("dxa", t_score=-2.0, obs_id="x")),
        ("K-OPRX", observed("osteoporosis_rx", agent="alendronate", obs_id="x")),
        ("K-CAVITD", observed("supplements", calcium_mg=1000, vitamin_d_iu=800, obs_id="x")),
        ("K-BONEREF", observed("bone_referral", service="endocrinology", obs_id="x")),
        ("K-NEURO", examined(obs_id="x")),
        ("K-IMG", scanned(obs_id="x")),
    ],
)
def test_taking_back_what_closed_a_task_opens_it_with_its_old_dates(code, step):
    clinic = clinic_in_memory().tell(registered())
    before = clinic.task(code)
    clinic.at("2026-01-06 10:00").tell(step)
    assert clinic.task(code).status == "closed"
    clinic.at("2026-01-07 10:00").tell(corrected("observation", obs_id="x"))
    after = clinic.task(code)
    assert (after.status, after.n, after.due, after.overdue_after) == ("open", 1, before.due, before.overdue_after)


def test_an_observation_is_taken_back_once():
    clinic = in_care().tell(pain(5, obs_id="x"), corrected("observation", obs_id="x"))
    assert clinic.refused(corrected("observation", obs_id="x")) == "STATE"
    assert clinic.episode.latest("symptoms") is None
    assert [o.retracted for o in clinic.episode.observations if o.id == "x"] == [True]


def test_taking_back_bad_news_moves_nobody_back():
    clinic = in_care().at("2026-01-20 10:00").tell(observed("pulmonary", dysfunction=True, obs_id="x"))
    assert clinic.place == "REASSESSMENT"
    assert clinic.tell(corrected("observation", obs_id="x")).place == "REASSESSMENT"


# ---------------------------------------------------------------- the day of the fracture


def long_identified() -> Clinic:
    """Fractured on 20 November, identified on 5 January, care from the 6th."""
    clinic = clinic_in_memory().tell(registered("2025-11-20"), examined()).at("2026-01-06 15:00")
    return clinic.tell(scanned(), decided("start_conservative")).at("2026-01-08 10:00")


def test_a_fracture_thirty_days_earlier_asks_the_eight_week_question_earlier():
    clinic = clinic_in_memory().tell(registered("2026-01-02"), examined(), scanned(), decided("start_conservative"))
    clinic.at("2026-01-20 10:00").tell(corrected("fracture_date", "2025-12-03"))
    assert due(clinic) == {"IMAGING_8W": "2026-01-28", "REASSESS": "2026-02-02", "FAILURE_REVIEW": "2026-04-05"}
    statuses = {(t.due.isoformat(), t.status) for t in clinic.episode.timers if t.code == "IMAGING_8W"}
    assert statuses == {("2026-02-27", "superseded"), ("2026-01-28", "pending")}


def test_a_fracture_so_much_earlier_that_the_day_has_passed_fires_now_with_its_own_date():
    clinic = clinic_in_memory(now="2026-02-20 09:00").tell(registered("2026-02-20"), examined())
    clinic.at("2026-02-21 10:00").tell(scanned(), decided("start_conservative"))
    clinic.at("2026-03-19 10:00").tell(pain(6)).at("2026-03-20 10:00")
    clinic.tell(corrected("fracture_date", "2026-01-15"))
    assert (clinic.place, clinic.milestones) == ("IMAGING_REVIEW", [("2026-03-20 10:00", "IMAGING_8W")])
    assert due(clinic)["IMAGING_8W"] == "2026-03-12"
    assert due(clinic)["REASSESS"] == "2026-03-21"


def test_a_fracture_thirty_days_later_asks_again_on_the_later_day():
    clinic = long_identified().at("2026-01-16 10:00")
    assert clinic.milestones == [("2026-01-15 08:00", "IMAGING_8W")]
    place = clinic.place
    clinic.tell(corrected("fracture_date", "2025-12-20"))
    assert (clinic.place, due(clinic)["IMAGING_8W"]) == (place, "2026-02-14")
    clinic.at("2026-02-15 10:00")
    assert [code for _, code in clinic.milestones].count("IMAGING_8W") == 2
    keys = [str(audit.event["key"]) for audit in clinic.heard("reminder", kind="milestone")]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("days", [-30, 4])
def test_moving_the_day_of_the_fracture_moves_every_window_that_hangs_on_it_and_no_other(days):
    clinic = under_surveillance().tell(corrected("identification_date", "2026-02-03"))
    before = due(clinic)
    clinic.tell(corrected("fracture_date", shifted("2026-01-02", days)))
    after = due(clinic)
    assert {code for code in after if after[code] != before.get(code)} == {"SURV_6M", "SURV_12M"}
    assert after["SURV_6M"] == {-30: "2026-06-03", 4: "2026-07-06"}[days]


@pytest.mark.parametrize("days", [-7, 7, 21])
def test_there_and_back_before_anything_fired_leaves_every_date_where_it_was(days):
    clinic = in_care().at("2026-01-30 10:00")
    before = due(clinic)
    for value in (shifted("2026-01-06", min(days, 20)), "2026-01-06"):
        if value >= "2026-01-02":
            clinic.tell(corrected("care_start", value))
    assert due(clinic) == before
    assert clinic.at("2026-02-03 09:00").milestones == [("2026-02-03 08:00", "REASSESS")]


def test_an_unknown_day_falls_back_to_the_identification_and_says_so():
    clinic = in_care().tell(corrected("fracture_date"))
    anchors = clinic.episode.anchors()
    assert (anchors["onset"].isoformat(), anchors["onset_source"]) == ("2026-01-05", "identification_fallback")
    assert due(clinic)["IMAGING_8W"] == "2026-03-02"
    clinic.tell(corrected("fracture_date", "2026-01-03", precision="month"))
    assert clinic.episode.anchors()["onset_source"] == "month_earliest"
    assert due(clinic)["IMAGING_8W"] == "2026-02-26"


# ---------------------------------------------------------------- the day of identification


@pytest.mark.parametrize("days", [-2, 30])
def test_moving_the_day_of_identification_moves_bone_health_and_no_clock_of_care(days):
    clinic = in_care().at("2026-02-04 10:00")
    before, value = due(clinic), shifted("2026-01-05", days)
    clinic.tell(corrected("identification_date", value))
    assert due(clinic) == before
    for code, after in [("K-DXA", 28), ("K-BONEREF", 28), ("K-OPRX", 0), ("K-CAVITD", 0)]:
        task = clinic.task(code)
        assert (str(task.due), task.status) == (shifted(value, after), "open")
    assert str(clinic.task("K-DXA").overdue_after) == shifted(value, 42)


def test_reminders_that_were_sent_stay_sent_and_the_new_dates_speak_for_themselves():
    clinic = in_care().at("2026-01-20 10:00")
    sent = ["2026-01-13 08:00", "2026-01-20 08:00"]
    assert clinic.reminders("K-OPRX") == sent
    clinic.tell(corrected("identification_date", "2026-01-18")).at("2026-02-02 10:00")
    assert clinic.reminders("K-OPRX", "due") == ["2026-01-20 10:00"]
    assert clinic.reminders("K-OPRX") == [*sent, "2026-01-20 10:00", "2026-01-26 08:00", "2026-02-02 08:00"]
    keys = [str(audit.event["key"]) for audit in clinic.heard("reminder")]
    assert len(keys) == len(set(keys))


# ---------------------------------------------------------------- the day care began


def test_care_that_began_later_than_thought_is_reviewed_later():
    clinic = in_care().at("2026-01-30 10:00").tell(corrected("care_start", "2026-01-20"))
    assert due(clinic) == {"IMAGING_8W": "2026-02-27", "REASSESS": "2026-02-17", "FAILURE_REVIEW": "2026-04-20"}
    assert not clinic.at("2026-02-17 07:59").milestones


def test_a_review_that_came_too_early_by_the_new_date_stays_open_and_waits_for_it():
    clinic = in_reassessment().tell(corrected("care_start", "2026-01-20"))
    assert (clinic.place, str(clinic.task("K-REASSESS").due)) == ("REASSESSMENT", "2026-02-17")
    assert str(clinic.task("K-REASSESS").overdue_after) == "2026-03-03"
    clinic.at("2026-02-17 09:00")
    assert clinic.milestones == [("2026-02-03 08:00", "REASSESS"), ("2026-02-17 08:00", "REASSESS")]


def test_a_review_completed_by_the_old_date_is_owed_again_by_the_new_one():
    clinic = in_reassessment().tell(CONTINUE).at("2026-02-04 10:00").tell(corrected("care_start", "2026-01-20"))
    assert clinic.place == "CONSERVATIVE_CARE"
    assert clinic.at("2026-02-17 09:00").place == "REASSESSMENT"


def test_care_that_began_earlier_than_thought_is_reviewed_at_once_where_that_day_has_passed():
    clinic = clinic_in_memory().tell(registered("2025-12-01"), examined(), scanned(), decided("start_conservative"))
    clinic.at("2026-01-20 10:00").tell(corrected("care_start", "2025-12-10"))
    assert clinic.milestones == [("2026-01-20 10:00", "REASSESS")]
    assert str(clinic.task("K-REASSESS").due) == "2026-01-07"


def test_a_correction_says_what_it_was_and_what_it_is():
    clinic = in_care().tell(corrected("care_start", "2026-01-05"))
    (said,) = clinic.heard("correction")
    assert (said.event["target"], said.event["was"], said.event["now"]) == ("care_start", "2026-01-06", "2026-01-05")


def test_nothing_is_dated_anew_for_the_dead():
    clinic = in_care().tell(happened("death"))
    assert clinic.refused(corrected("care_start", "2026-01-05")) == "TERMINAL"
