"""Every window of the default pathway, swept day by day against its table (clinical specification 3.4 and 3.5).

A task speaks on the day it is due (if it was there before), on the first day after its window, and then at its
interval for as long as nobody acts. It never falls silent, expires or completes itself.
"""

from dataclasses import dataclass
from datetime import date, timedelta

import pytest

from tests.journeys.clinic import Clinic, clinic_in_memory
from tests.journeys.people import WHY, corrected, decided, observed, pain, registered, scanned
from tests.machine.places import (
    after_procedure,
    assessed,
    in_care,
    in_imaging_review,
    in_malignancy_work_up,
    under_surveillance,
    with_augmentation_proposed,
    with_augmentation_sent,
    with_red_flag,
    with_surgeons,
    withdrawn,
)


@dataclass(frozen=True)
class Window:
    """A task's calendar: the day it was opened, due, the last day in time, and the days between repeats."""

    code: str
    opened: str
    due: str
    last: str
    every: int

    def spoken(self, day: date) -> str | None:
        """What staff hear about it on that day at eight."""
        due, late = date.fromisoformat(self.due), date.fromisoformat(self.last) + timedelta(days=1)
        if day == due and date.fromisoformat(self.opened) < due:
            return "due"
        if day < late:
            return None
        if day == late:
            return "overdue"
        return "repeat" if (day - late).days % self.every == 0 else None


def a_bad_value():
    clinic = in_care()
    clinic.refused(pain(11))
    return clinic


def with_calcitonin():
    return clinic_in_memory().tell(registered()).at("2026-01-15 10:00").tell(observed("calcitonin", action="start"))


def three_months_unclear():
    return in_care().at("2026-04-06 09:00")


def new_pain_while_waiting():
    return with_augmentation_sent().tell(pain(8, changed=True))


def flag_taken_back():
    return with_red_flag().tell(corrected("observation", obs_id="flag"))


def result_after_the_end():
    return withdrawn().at("2026-02-01 10:00").tell(scanned(cord_compression=True))


def elective():
    return in_care().tell(decided("refer_surgery", **WHY))


def registered_on_the_fifth():
    return clinic_in_memory().tell(registered())


WINDOWS = [
    (registered_on_the_fifth, Window("K-NEURO", "2026-01-05", "2026-01-05", "2026-01-05", 1)),
    (registered_on_the_fifth, Window("K-IMG", "2026-01-05", "2026-01-12", "2026-01-19", 7)),
    (registered_on_the_fifth, Window("K-START", "2026-01-05", "2026-01-19", "2026-01-19", 7)),
    (registered_on_the_fifth, Window("K-CAVITD", "2026-01-05", "2026-01-05", "2026-01-12", 7)),
    (registered_on_the_fifth, Window("K-OPRX", "2026-01-05", "2026-01-05", "2026-01-12", 7)),
    (registered_on_the_fifth, Window("K-DXA", "2026-01-05", "2026-02-02", "2026-02-16", 7)),
    (registered_on_the_fifth, Window("K-BONEREF", "2026-01-05", "2026-02-02", "2026-02-16", 7)),
    (in_care, Window("K-DXA", "2026-01-05", "2026-02-02", "2026-02-16", 7)),
    (in_care, Window("K-REASSESS", "2026-02-03", "2026-02-03", "2026-02-17", 7)),
    (in_care, Window("K-3M-DECISION", "2026-04-06", "2026-04-06", "2026-04-20", 7)),
    (in_imaging_review, Window("K-IMGREV", "2026-01-20", "2026-01-27", "2026-02-03", 7)),
    (in_malignancy_work_up, Window("K-MALIG", "2026-01-20", "2026-01-20", "2026-01-23", 3)),
    (three_months_unclear, Window("K-3M-DECISION", "2026-04-06", "2026-04-06", "2026-04-20", 7)),
    (with_augmentation_proposed, Window("K-AUG-CONFIRM", "2026-04-06", "2026-04-13", "2026-04-13", 7)),
    (with_augmentation_sent, Window("K-AUG-OUTCOME", "2026-04-06", "2026-04-20", "2026-04-20", 14)),
    (new_pain_while_waiting, Window("K-IMG-PREPROC", "2026-04-06", "2026-04-06", "2026-04-06", 7)),
    (with_surgeons, Window("K-SURG-OUTCOME", "2026-01-20", "2026-01-21", "2026-01-21", 1)),
    (elective, Window("K-SURG-OUTCOME", "2026-01-06", "2026-01-20", "2026-01-20", 14)),
    (after_procedure, Window("K-POSTREV", "2026-05-26", "2026-05-26", "2026-06-09", 7)),
    (under_surveillance, Window("K-SURV", "2026-07-02", "2026-07-02", "2026-07-30", 28)),
    (under_surveillance, Window("K-12M", "2027-01-02", "2027-01-02", "2027-01-30", 28)),
    (with_calcitonin, Window("K-CALC-STOP", "2026-01-15", "2026-02-02", "2026-02-02", 7)),
    (a_bad_value, Window("K-DATAQ", "2026-01-06", "2026-01-06", "2026-01-06", 7)),
    (flag_taken_back, Window("K-RF-REVIEW", "2026-01-20", "2026-01-20", "2026-01-20", 1)),
    (result_after_the_end, Window("K-LATE-RESULT", "2026-02-01", "2026-02-01", "2026-02-01", 1)),
]


@pytest.mark.parametrize(("story", "window"), WINDOWS, ids=[f"{w.code}-{s.__name__}" for s, w in WINDOWS])
def test_a_window_speaks_on_its_days_and_on_no_other(story, window):
    clinic: Clinic = story()
    day = clinic.calendar.today + timedelta(days=1)
    last = date.fromisoformat(window.last) + timedelta(days=2 * window.every + 9)
    while day <= last:
        clinic.at(f"{day} 20:00")
        said = [a for a in clinic.heard("reminder", code=window.code) if clinic.shown(a.at)[:10] == str(day)]
        expected = window.spoken(day)
        assert [str(a.event["kind"]) for a in said] == ([expected] if expected else []), day
        assert all(clinic.shown(a.at).endswith("08:00") for a in said)
        day += timedelta(days=1)
    task = clinic.task(window.code)
    assert (str(task.due), str(task.overdue_after), task.status) == (window.due, window.last, "open")


# ---------------------------------------------------------------- milestones


MILESTONES = {
    "2026-02-03": "REASSESS",
    "2026-02-27": "IMAGING_8W",
    "2026-04-06": "FAILURE_REVIEW",
}


def test_the_milestones_of_a_patient_nobody_looks_after_come_each_on_its_day():
    clinic = in_care()
    for number in range(1, 200):
        day = date(2026, 1, 6) + timedelta(days=number)
        heard = len(clinic.milestones)
        clinic.at(f"{day} 07:59")
        assert len(clinic.milestones) == heard, f"something fired before eight on {day}"
        clinic.at(f"{day} 20:00")
        new = clinic.milestones[heard:]
        assert new == ([(f"{day} 08:00", MILESTONES[str(day)])] if str(day) in MILESTONES else [])


@pytest.mark.parametrize(
    ("story", "code", "due"),
    [
        (in_care, "REASSESS", "2026-02-03"),
        (in_care, "IMAGING_8W", "2026-02-27"),
        (in_care, "FAILURE_REVIEW", "2026-04-06"),
        (after_procedure, "POST_PROC_REVIEW", "2026-05-26"),
        (under_surveillance, "SURV_6M", "2026-07-02"),
        (under_surveillance, "SURV_12M", "2027-01-02"),
    ],
)
def test_a_timer_stands_on_its_anchor(story, code, due):
    timer = story().timer(code)
    assert (timer.due.isoformat(), timer.status) == (due, "pending")


def test_an_interval_review_comes_four_weeks_after_care_goes_on_without_a_clock():
    clinic = with_augmentation_proposed().at("2026-04-08 10:00")
    clinic.tell(decided("decline_augmentation", reason="does not want it"))
    assert clinic.timer("INTERVAL_REVIEW").due.isoformat() == "2026-05-06"
    assert clinic.at("2026-05-06 09:00").place == "REASSESSMENT"
    assert [code for _, code in clinic.milestones].count("FAILURE_REVIEW") == 1


@pytest.mark.parametrize(
    ("care_start", "reassess", "three_months"),
    [
        ("2026-11-30", "2026-12-28", "2027-02-28"),
        ("2027-01-31", "2027-02-28", "2027-04-30"),
        ("2026-06-15", "2026-07-13", "2026-09-15"),
        ("2028-02-01", "2028-02-29", "2028-05-01"),
        ("2027-11-30", "2027-12-28", "2028-02-29"),
        ("2028-02-29", "2028-03-28", "2028-05-29"),
        ("2026-12-31", "2027-01-28", "2027-03-31"),
    ],
)
def test_care_that_starts_on_an_awkward_day(care_start, reassess, three_months):
    clinic = clinic_in_memory(now=f"{care_start} 09:00").tell(registered(care_start))
    clinic.tell(observed("neuro_exam", complete=True), scanned(), decided("start_conservative"))
    assert clinic.timer("REASSESS").due.isoformat() == reassess
    assert clinic.timer("FAILURE_REVIEW").due.isoformat() == three_months
    clinic.at(f"{three_months} 07:59")
    assert "FAILURE_REVIEW" not in [code for _, code in clinic.milestones]
    assert (f"{three_months} 08:00", "FAILURE_REVIEW") in clinic.at(f"{three_months} 08:00").milestones


def together(profile: str, fracture: str, care_start: str, today: str) -> Clinic:
    """Somebody in care whose pain lasts, with milestones that fall due on one day."""
    clinic = clinic_in_memory(profile=profile, now=f"{care_start} 09:00").tell(registered(fracture), scanned())
    clinic.tell(observed("neuro_exam", complete=True), decided("start_conservative"))
    yesterday = date.fromisoformat(today) - timedelta(days=1)
    return clinic.at(f"{yesterday} 10:00").tell(pain(5)).at(f"{today} 09:00")


def test_of_two_milestones_due_on_one_day_the_eight_weeks_speak_before_the_four():
    clinic = together("default", "2025-12-09", "2026-01-06", "2026-02-03")
    assert clinic.milestones == [("2026-02-03 08:00", "IMAGING_8W")]
    assert (clinic.place, clinic.timer("REASSESS").status) == ("IMAGING_REVIEW", "held")


def test_of_two_milestones_due_on_one_day_failing_care_speaks_before_the_eight_weeks():
    clinic = together("seed-s0", "2025-12-02", "2026-01-06", "2026-01-27")
    assert clinic.milestones == [("2026-01-27 08:00", "FAILURE_REVIEW")]
    assert (clinic.place, clinic.timer("IMAGING_8W").status) == ("AUGMENTATION_REFERRAL.proposed", "held")


@pytest.mark.parametrize(
    ("step", "place"),
    [(pain(6, changed=True), "IMAGING_REVIEW"), (observed("pulmonary", dysfunction=True), "REASSESSMENT")],
)
def test_an_interval_review_ends_with_the_interval(step, place):
    clinic = with_augmentation_proposed().at("2026-04-08 10:00")
    clinic.tell(decided("decline_augmentation", reason="does not want it"), step)
    assert (clinic.place, clinic.timer("INTERVAL_REVIEW").status) == (place, "cancelled")
    assert clinic.at("2026-06-01 09:00").reminders("INTERVAL_REVIEW") == []


def test_the_checks_of_surveillance_rest_while_the_patient_is_elsewhere():
    clinic = under_surveillance().at("2026-03-01 10:00").tell(pain(6))
    assert {clinic.timer(code).status for code in ("SURV_6M", "SURV_12M")} == {"cancelled"}
    assert clinic.at("2026-08-01 10:00").reminders("K-SURV") == []


# ---------------------------------------------------------------- late comers


def test_somebody_registered_on_day_fifty_six_before_eight_is_still_asked_in_time():
    clinic = clinic_in_memory(now="2026-02-27 07:30").tell(registered("2026-01-02"))
    assert clinic.timer("IMAGING_8W").status == "pending"
    assert clinic.at("2026-02-27 08:00").timer("IMAGING_8W").status == "held"


@pytest.mark.parametrize(("performed", "place"), [("2026-02-12", "REASSESSMENT"), ("2026-02-13", "CONSERVATIVE_CARE")])
def test_somebody_who_comes_on_day_fifty_seven_is_asked_when_care_starts(performed, place):
    clinic = clinic_in_memory(now="2026-02-28 10:00").tell(registered("2026-01-02"))
    assert clinic.timer("IMAGING_8W").status == "held"
    clinic.tell(observed("neuro_exam", complete=True), scanned(performed), decided("start_conservative"))
    assert clinic.place == place
    assert clinic.timer("IMAGING_8W").due.isoformat() == "2026-02-27"


def test_care_that_began_elsewhere_counts_and_what_is_past_fires_in_order():
    clinic = clinic_in_memory(now="2026-02-02 10:00").tell(registered("2025-11-28"), scanned())
    clinic.tell(observed("neuro_exam", complete=True), decided("start_conservative", care_start="2025-12-01"))
    assert [code for _, code in clinic.milestones] == ["REASSESS", "IMAGING_8W"]
    assert clinic.timer("FAILURE_REVIEW").due.isoformat() == "2026-03-01"
    assert clinic.task("K-REASSESS").due.isoformat() == "2025-12-29"


def test_care_that_began_exactly_four_weeks_ago_is_reviewed_today():
    clinic = clinic_in_memory(now="2026-02-02 10:00").tell(registered("2026-01-02"), scanned())
    clinic.tell(observed("neuro_exam", complete=True), decided("start_conservative", care_start="2026-01-05"))
    assert (clinic.place, clinic.milestones) == ("REASSESSMENT", [("2026-02-02 10:00", "REASSESS")])


def test_work_overdue_for_four_hundred_days_is_still_open_and_still_heard():
    clinic = assessed().forward(days=400)
    assert clinic.place == "ACUTE_ASSESSMENT"
    assert clinic.task("K-OPRX").status == "open"
    last = date.fromisoformat(clinic.reminders("K-OPRX", "repeat")[-1][:10])
    assert clinic.calendar.today - last < timedelta(days=7)
