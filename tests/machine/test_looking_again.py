"""Work set aside until a day: it leaves the view of today, and nothing else about it changes."""

import pytest

from coordinator.telling import tell
from pathway.journal import Step
from pathway.undoing import no_undo_because, undo_of
from tests.journeys.clinic import Clinic
from tests.journeys.people import GUIDELINE, WHY, closed, corrected, examined, happened, observed
from tests.machine.places import in_care, in_malignancy_work_up, with_red_flag, withdrawn

TUESDAY = "2026-01-13 10:00"


def aside(code: str = "K-DXA", until: str | None = "2026-01-20", **more: object) -> Step:
    data = {"code": code, "until": until, "reason": "the scan is booked", **more}
    return happened("look_again", actor="coordinator", **data)


def clinic_on_tuesday() -> Clinic:
    return in_care().at(TUESDAY)


def waits(clinic: Clinic, code: str = "K-DXA") -> str | None:
    found = clinic.episode.aside(clinic.task(code))
    return found.until.isoformat() if found else None


def test_work_waits_until_its_day_and_is_otherwise_as_it_was():
    clinic = clinic_on_tuesday()
    before = clinic.task("K-DXA")
    clinic.tell(aside())
    assert waits(clinic) == "2026-01-20"
    assert clinic.task("K-DXA") == before


def test_reminders_go_on_meanwhile():
    beside = clinic_on_tuesday().at("2026-05-01 10:00")
    clinic = clinic_on_tuesday()
    for day in ("2026-01-20", "2026-02-03", "2026-02-17"):
        clinic.tell(aside(until=day)).at(f"{day} 10:00")
    assert clinic.at("2026-05-01 10:00").reminders("K-DXA") == beside.reminders("K-DXA")


def test_the_last_word_counts():
    clinic = clinic_on_tuesday().tell(aside(until="2026-01-14"), aside(until="2026-01-27"))
    assert waits(clinic) == "2026-01-27"
    assert len(clinic.episode.set_aside) == 1


def test_it_is_noted_with_who_until_when_and_why():
    clinic = clinic_on_tuesday()
    clinic.tell(Step("admin", "look_again", dict(aside().data), by="A. Nurse"))
    (heard,) = clinic.heard("look_again")
    assert heard.event == {
        "event": "look_again",
        "code": "K-DXA",
        "n": 1,
        "until": "2026-01-20",
        "because": "the scan is booked",
        "by": "A. Nurse",
    }


def test_it_is_told_in_words():
    clinic = clinic_on_tuesday().tell(aside(), aside(until=None))
    told = [line for line in tell(clinic.world.journals["P1-1"], GUIDELINE) if line.mark == "look_again"]
    assert [line.what for line in told] == [
        "Look again on 20-Jan-2026: Obtain bone densitometry [K-DXA]",
        "No longer set aside: Obtain bone densitometry [K-DXA]",
    ]
    assert told[0].because == ("the scan is booked",)


# ---------------------------------------------------------------- taken back


def test_it_is_taken_back_with_a_reason():
    clinic = clinic_on_tuesday().tell(aside(), aside(until=None, reason="the scan is off"))
    assert waits(clinic) is None
    assert clinic.heard("look_again")[-1].event["taken_back"] is True


def test_what_is_not_set_aside_cannot_be_taken_back():
    assert clinic_on_tuesday().refused(aside(until=None)) == "STATE"


def test_one_click_undoes_it_once():
    clinic = clinic_on_tuesday().tell(aside())
    entry = clinic.world.journals["P1-1"][-1]
    step = undo_of(entry, clinic.episode)
    assert step is not None
    clinic.tell(step)
    assert waits(clinic) is None
    assert clinic.refused(step) == "STATE"
    assert no_undo_because(entry, clinic.episode).startswith("this has been taken back already")
    assert undo_of(clinic.world.journals["P1-1"][-2], clinic.episode) is None


def test_an_earlier_day_is_not_undone_in_the_place_of_a_later_word():
    clinic = clinic_on_tuesday().tell(aside())
    entry = clinic.world.journals["P1-1"][-1]
    assert undo_of(entry, clinic.tell(aside(until="2026-01-14")).episode) is None


def test_closed_work_has_nothing_to_undo():
    clinic = clinic_on_tuesday().tell(aside())
    entry = clinic.world.journals["P1-1"][-1]
    assert undo_of(entry, clinic.tell(closed("K-DXA")).episode) is None


# ---------------------------------------------------------------- refused


@pytest.mark.parametrize("day", ["2026-01-13", "2026-01-12", "2025-12-31"])
def test_a_day_that_is_not_after_today_is_refused(day):
    assert clinic_on_tuesday().refused(aside(until=day)) == "DATE_ORDER"


def test_today_is_that_of_the_site():
    clinic = in_care(zone="Pacific/Auckland").at("2026-01-13 00:30")
    assert clinic.refused(aside(until="2026-01-13")) == "DATE_ORDER"
    clinic.tell(aside(until="2026-01-14"))


def test_work_waits_fourteen_days_at_most():
    clinic = clinic_on_tuesday()
    refusal = clinic.ask(aside(until="2026-01-28"))
    assert refusal is not None
    assert (refusal.code, refusal.because) == (
        "OUT_OF_RANGE",
        "work waits 14 days at most, until 27-Jan-2026, not 28-Jan-2026; nothing was saved",
    )
    clinic.tell(aside(until="2026-01-27"))


def test_the_longest_wait_is_a_marked_engineering_choice():
    parameter = GUIDELINE.profile("default").parameters["look_again_max_days"]
    assert (parameter.value, parameter.engineering, parameter.cites) == (14, True, ())


@pytest.mark.parametrize("reason", ["", "  ", None])
@pytest.mark.parametrize("until", ["2026-01-20", None])
def test_without_a_reason_nothing_is_set_aside_or_taken_back(reason, until):
    clinic = clinic_on_tuesday()
    if until is None:
        clinic.tell(aside())
    assert clinic.refused(aside(until=until, reason=reason)) == "REASON_REQUIRED"


@pytest.mark.parametrize("until", ["soon", 3, "2026-02-31"])
def test_what_is_no_date_is_refused(until):
    assert clinic_on_tuesday().refused(aside(until=until)) == "OUT_OF_RANGE"


@pytest.mark.parametrize("code", ["K-NEURO", "K-REASSESS", "K-POLISH", "", None])
def test_work_that_is_not_open_cannot_wait(code):
    assert clinic_on_tuesday().refused(aside(code)) == "STATE"


def test_suspended_work_waits_for_the_surgeons_already():
    clinic = in_care().at("2026-02-03 10:00").tell(examined(motor_deficit=True))
    assert clinic.task("K-REASSESS").status == "suspended"
    assert clinic.refused(aside("K-REASSESS", "2026-02-04")) == "STATE"


@pytest.mark.parametrize(
    ("place", "code", "day"),
    [
        (with_red_flag, "K-SURG-ACK", "2026-01-21"),
        (lambda: with_red_flag().tell(corrected("observation", obs_id="flag")), "K-RF-REVIEW", "2026-01-21"),
        (lambda: withdrawn().tell(examined(motor_deficit=True)), "K-LATE-RESULT", "2026-01-08"),
        (
            lambda: in_care().tell(happened("concern", text="cannot feel her feet", looks_like="red_flag")),
            "K-FREETEXT",
            "2026-01-08",
        ),
    ],
    ids=["acknowledge", "judge", "late result", "free text"],
)
def test_red_flag_work_is_never_set_aside(place, code, day):
    clinic = place()
    assert GUIDELINE.tasks[code].red_flag
    assert clinic.refused(aside(code, day)) == "RED_FLAG_ACTIVE"


def test_every_red_flag_task_is_known_as_such():
    marked = {task.code for task in GUIDELINE.tasks.values() if task.red_flag}
    assert marked == {"K-SURG-ACK", "K-RF-REVIEW", "K-LATE-RESULT", "K-FREETEXT"}


def test_a_work_up_for_malignancy_may_wait_for_a_day_and_goes_on_reminding():
    clinic = in_malignancy_work_up().tell(aside("K-MALIG", "2026-01-27")).at("2026-01-27 10:00")
    assert clinic.reminders("K-MALIG", "overdue") == ["2026-01-24 08:00"]


# ---------------------------------------------------------------- afterwards


def test_a_later_task_of_the_same_kind_does_not_wait():
    clinic = clinic_on_tuesday()
    clinic.refused(observed("dxa", t_score=99))
    clinic.tell(aside("K-DATAQ"), closed("K-DATAQ"))
    clinic.refused(observed("dxa", t_score=99))
    assert (clinic.task("K-DATAQ").n, waits(clinic, "K-DATAQ")) == (2, None)


def test_a_patient_who_comes_back_finds_the_work_waiting_as_before():
    clinic = clinic_on_tuesday().tell(aside()).tell(happened("death"), happened("death_correction", **WHY))
    assert waits(clinic) == "2026-01-20"
