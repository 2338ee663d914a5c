"""What a step would do is told before it is saved, in words, and is what it does when it is saved."""

from dataclasses import replace

import pytest

from coordinator.consequences import Consequence, consequences, preview_of
from pathway.engine import Case
from pathway.episode import to_document
from pathway.journal import Step
from tests.journeys.clinic import Clinic
from tests.journeys.people import (
    ENGINE,
    GUIDELINE,
    WHY,
    closed,
    corrected,
    decided,
    examined,
    fractured_again,
    happened,
    observed,
    pain,
)
from tests.machine.places import PLACES, in_care, in_reassessment, with_red_flag


def case_of(clinic: Clinic) -> Case:
    return Case("P1", clinic.calendar.zone, clinic.episode.profile, list(clinic.episodes()))


def before_saving(clinic: Clinic, step: Step, n: int | None = None) -> list[Consequence]:
    outcome = preview_of(ENGINE, case_of(clinic), step, clinic.calendar.now, n)
    assert outcome.refusal is None, outcome.refusal
    return consequences(outcome, GUIDELINE)


def words(found: list[Consequence]) -> list[str]:
    return [consequence.words for consequence in found]


def test_a_red_flag_says_what_it_will_set_going():
    found = before_saving(in_reassessment(), examined(motor_deficit=True))
    assert words(found) == [
        "ALERT Red flag: Neurological deficit; a clinician is told at once",
        "Moves to Surgical referral (red flag, waiting for a clinician, nothing sent) (rule TR-03)",
        "Suspends work: Reassess the patient [K-REASSESS]",
        "Referral to surgery: draft",
        "Opens work: Red flag: a clinician must act now [K-SURG-ACK], due 03-Feb-2026",
    ]
    assert [c.urgent for c in found] == [True, False, False, False, False]
    assert found[1].cites
    assert found[1].rule == "TR-03"


def test_a_death_says_what_it_ends():
    found = words(before_saving(with_red_flag(), happened("death")))
    assert "Moves to Deceased (rule TR-22)" in found
    assert any(line.startswith("Closes work: Red flag: a clinician must act now") for line in found)
    assert "Referral to surgery: cancelled" in found
    assert "Notice: referrals cancelled surgery; the coordinators are told at once" in found


def test_a_death_concerns_every_fracture():
    clinic = in_care().tell(fractured_again("2026-01-05"))
    assert {c.episode_n for c in before_saving(clinic, happened("death"))} == {1, 2}


def test_routine_work_says_what_it_closes_and_no_more():
    assert words(before_saving(in_care(), closed("K-DXA"))) == [
        "Closes work: Obtain bone densitometry [K-DXA] (done)",
    ]


@pytest.mark.parametrize("step", [pain(2, "improving"), observed("function", scale="walks to the shop")])
def test_a_finding_that_changes_nothing_else_has_no_consequence(step):
    assert before_saving(in_care(), step) == []


def test_what_falls_due_because_of_a_correction_is_told():
    clinic = in_care().at("2026-02-02 10:00")
    found = words(before_saving(clinic, corrected("fracture_date", "2025-12-05")))
    assert any(line.startswith("Falls due at once: Eight-week imaging question") for line in found)
    assert any(line.startswith("Moves to Reassessment") for line in found)
    assert any(line.startswith("Reminder (milestone) to the coordinator") for line in found)


def test_what_was_due_anyway_is_no_consequence():
    clinic = in_care()
    clinic.scheduler_stops()
    clinic.at("2026-02-03 10:00")
    assert before_saving(clinic, closed("K-DXA")) == before_saving(in_care().at("2026-02-03 10:00"), closed("K-DXA"))


def test_what_is_refused_has_its_reason_and_no_consequence():
    clinic = in_care()
    outcome = preview_of(ENGINE, case_of(clinic), decided("resolved"), clinic.calendar.now)
    assert outcome.refusal is not None
    assert outcome.refusal.code == "SYMPTOMS_STALE"
    assert consequences(outcome, GUIDELINE) == []


def test_looking_ahead_saves_nothing_and_spends_no_message():
    clinic = in_care()
    case, step = case_of(clinic), replace(happened("death"), event_id="form-1")
    before = [to_document(episode) for episode in case.episodes]
    preview_of(ENGINE, case, step, clinic.calendar.now)
    assert [to_document(episode) for episode in case.episodes] == before
    clinic.tell(step)
    assert not preview_of(ENGINE, case_of(clinic), step, clinic.calendar.now).duplicate


@pytest.mark.parametrize("place", [name for name in PLACES if name != "DECEASED"])
def test_a_death_can_be_looked_at_from_every_place(place):
    found = before_saving(PLACES[place](), happened("death"))
    assert found[0].words == "Moves to Deceased (rule TR-22)"


def test_a_withdrawal_names_the_referral_that_stays_out():
    clinic = in_care().tell(decided("refer_surgery", **WHY))
    found = words(before_saving(clinic, happened("withdraw", **WHY)))
    assert "Notice: referral still open surgery; the coordinators are told at once" in found
