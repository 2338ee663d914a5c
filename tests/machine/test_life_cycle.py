"""Death, withdrawal, transfer and their corrections; further fractures; a patient between two sites."""

import pytest

from tests.journeys.clinic import Clinic, clinic_in_memory
from tests.journeys.people import (
    BONE_TASKS,
    WHY,
    closed,
    decided,
    examined,
    fractured_again,
    happened,
    observed,
    painless,
    registered,
    scanned,
)
from tests.machine.places import (
    ACTIVE,
    PLACES,
    discharged,
    in_care,
    in_reassessment,
    under_surveillance,
    with_augmentation_sent,
    with_red_flag,
    with_surgeons,
    withdrawn,
)

DEATH = happened("death", actor="coordinator")
REOPEN = decided("reopen", reason="came back")


def two_fractures() -> Clinic:
    clinic = in_care().at("2026-01-20 09:00")
    return clinic.tell(fractured_again("2026-01-19"))


def reminders_since(clinic: Clinic, wall: str) -> list[str]:
    since = clinic.calendar.instant(wall)
    return [str(audit.event["code"]) for audit in clinic.heard("reminder") if audit.at > since]


# ---------------------------------------------------------------- death


@pytest.mark.parametrize("path", ACTIVE)
def test_death_silences_everything_from_everywhere(path):
    clinic = PLACES[path]().forward(minutes=1).tell(DEATH)
    died = clinic.shown(clinic.calendar.now)
    assert clinic.place == "DECEASED"
    assert not clinic.open_tasks
    assert not [timer for timer in clinic.episode.timers if timer.waiting]
    assert not [referral for referral in clinic.episode.referrals if referral.open]
    assert not reminders_since(clinic.forward(days=400), died)


def test_death_acts_on_every_episode_and_tells_staff_once_for_each_with_a_referral():
    clinic = two_fractures()
    clinic.tell(examined(motor_deficit=True), n=2)
    clinic.tell(DEATH)
    assert [e.path for e in clinic.episodes()] == ["DECEASED", "DECEASED"]
    assert [audit.event["code"] for audit in clinic.heard("notice")] == ["REFERRALS_CANCELLED"]


def test_death_reaches_episodes_that_were_closed_before():
    clinic = withdrawn().at("2026-02-01 09:00").tell(fractured_again("2026-01-31"), DEATH)
    assert [e.path for e in clinic.episodes()] == ["DECEASED", "DECEASED"]


def test_a_death_one_minute_before_a_reminder_stops_it():
    clinic = in_care().at("2026-02-03 07:59").tell(DEATH).at("2027-02-03 09:00")
    assert not reminders_since(clinic, "2026-02-03 07:59")
    cancelled = {audit.event["code"] for audit in clinic.heard("timer_cancelled")}
    assert cancelled == {"REASSESS", "IMAGING_8W", "FAILURE_REVIEW"}


@pytest.mark.parametrize("path", ACTIVE)
def test_a_death_entered_in_error_gives_the_patient_back_as_they_were(path):
    clinic = PLACES[path]()
    tasks = clinic.open_tasks
    timers = {(t.code, t.due) for t in clinic.episode.timers if t.waiting}
    clinic.tell(DEATH, happened("death_correction"))
    assert clinic.place == path
    assert clinic.open_tasks >= tasks
    assert {(t.code, t.due) for t in clinic.episode.timers if t.waiting} == timers


def test_only_a_clinician_undoes_a_death():
    clinic = in_care().tell(DEATH)
    assert clinic.refused(happened("death_correction", actor="coordinator")) == "ROLE"
    assert clinic.refused(REOPEN) == "TERMINAL"
    assert clinic.refused(DEATH) == "TERMINAL"


def test_what_was_missed_while_a_patient_was_held_for_dead_fires_at_once_and_once():
    clinic = in_care().at("2026-01-20 10:00").tell(DEATH).at("2026-02-20 10:00")
    clinic.tell(happened("death_correction"))
    assert clinic.milestones == [("2026-02-20 10:00", "REASSESS")]
    assert clinic.place == "REASSESSMENT"
    assert reminders_since(clinic, "2026-01-20 10:00").count("K-REASSESS") == 1


def test_a_correction_gives_back_each_episode_to_its_own_place():
    clinic = two_fractures().tell(DEATH).forward(days=1).tell(happened("death_correction"))
    assert [e.path for e in clinic.episodes()] == ["CONSERVATIVE_CARE", "ACUTE_ASSESSMENT"]


def test_a_patient_who_had_left_before_the_death_has_left_after_the_correction():
    clinic = withdrawn().tell(DEATH, happened("death_correction"))
    assert (clinic.place, clinic.open_tasks) == ("WITHDRAWN", set())
    assert clinic.tell(REOPEN).place == "REASSESSMENT"


@pytest.mark.parametrize("step", [registered("2026-01-05", level="L2"), fractured_again("2026-01-05")])
def test_no_fracture_is_registered_for_the_dead(step):
    clinic = in_care().tell(DEATH)
    assert clinic.refused(step) == "TERMINAL"
    assert clinic.tell(happened("death_correction")).place == "CONSERVATIVE_CARE"


# ---------------------------------------------------------------- withdrawal and transfer


@pytest.mark.parametrize("path", ACTIVE)
@pytest.mark.parametrize(("kind", "end"), [("withdraw", "WITHDRAWN"), ("transfer_out", "TRANSFERRED_OUT")])
def test_leaving_silences_everything(path, kind, end):
    clinic = PLACES[path]().forward(minutes=1).tell(happened(kind, handover_confirmed=True, **WHY))
    left = clinic.shown(clinic.calendar.now)
    assert (clinic.place, clinic.open_tasks) == (end, set())
    assert not reminders_since(clinic.forward(days=200), left)


@pytest.mark.parametrize("kind", ["withdraw", "transfer_out"])
def test_a_patient_with_an_unseen_red_flag_is_handed_over_before_leaving(kind):
    clinic = with_red_flag()
    assert clinic.refused(happened(kind, **WHY)) == "HANDOVER_REQUIRED"
    assert clinic.refused(happened(kind, handover_confirmed="yes", **WHY)) == "HANDOVER_REQUIRED"
    clinic.tell(happened(kind, handover_confirmed=True, **WHY))
    assert clinic.state in ("WITHDRAWN", "TRANSFERRED_OUT")


def test_once_seen_a_flag_does_not_hold_a_patient_back():
    assert with_surgeons().tell(happened("transfer_out", **WHY)).place == "TRANSFERRED_OUT"


@pytest.mark.parametrize("kind", ["withdraw", "transfer_out"])
def test_a_referral_that_is_out_is_named_when_the_patient_leaves(kind):
    clinic = with_augmentation_sent().tell(happened(kind, **WHY))
    (notice,) = clinic.heard("notice")
    assert (notice.event["code"], notice.event["services"]) == ("REFERRAL_STILL_OPEN", ["augmentation"])
    assert clinic.referrals == [("augmentation", "sent")]


def test_a_coordinator_may_withdraw_but_not_transfer():
    clinic = in_care()
    assert clinic.refused(happened("transfer_out", actor="coordinator", **WHY)) == "ROLE"
    clinic.tell(happened("withdraw", actor="coordinator", **WHY))


def test_reopening_owes_what_was_missed_and_restores_bone_work():
    clinic = in_care().at("2026-01-26 10:00").tell(happened("withdraw", **WHY)).at("2026-03-02 10:00")
    assert not reminders_since(clinic, "2026-01-26 10:00")
    clinic.tell(REOPEN)
    assert clinic.place == "REASSESSMENT"
    assert clinic.milestones == [("2026-03-02 10:00", "REASSESS"), ("2026-03-02 10:00", "IMAGING_8W")]
    assert clinic.open_tasks >= set(BONE_TASKS)


def test_reopening_somebody_whose_care_never_began_leads_to_assessment():
    clinic = clinic_in_memory().tell(registered(), happened("withdraw", **WHY)).forward(days=3).tell(REOPEN)
    assert clinic.place == "ACUTE_ASSESSMENT"
    assert {"K-START", "K-NEURO", "K-IMG"} <= clinic.open_tasks


@pytest.mark.parametrize("story", [discharged, withdrawn])
def test_only_a_clinician_with_a_reason_reopens(story):
    clinic = story()
    assert clinic.refused(decided("reopen", actor="coordinator", **WHY)) == "ROLE"
    assert clinic.refused(decided("reopen")) == "REASON_REQUIRED"


def test_leaving_with_the_flag_unjudged_and_coming_back_leads_to_surgery():
    clinic = with_red_flag().tell(happened("withdraw", handover_confirmed=True, **WHY)).forward(days=7)
    assert clinic.tell(REOPEN).place == "SURGICAL_REFERRAL.pending_ack"
    assert clinic.alerts == ["RED_FLAG", "RED_FLAG"]


# ---------------------------------------------------------------- discharge


def test_discharge_waits_for_twelve_months_and_for_bone_health():
    clinic = under_surveillance().at("2027-01-01 10:00")
    assert clinic.refused(decided("discharge")) == "TOO_EARLY"
    clinic.at("2027-01-02 10:00")
    refusal = clinic.ask(decided("discharge"))
    assert (refusal.code, set(refusal.missing)) == ("OPEN_TASKS", set(BONE_TASKS))
    clinic.tell(*(closed(code, "not_applicable", **WHY) for code in BONE_TASKS), decided("discharge"))
    assert clinic.place == "DISCHARGED"


def test_what_was_no_fracture_is_discharged_from_anywhere_with_a_reason():
    no_fracture = decided("discharge", outcome="not_vcf", reason="old compression, oedema absent")
    assert clinic_in_memory().tell(registered(), no_fracture).place == "DISCHARGED"
    assert in_reassessment().tell(no_fracture).place == "DISCHARGED"
    assert with_red_flag().refused(no_fracture) == "RED_FLAG_ACTIVE"


# ---------------------------------------------------------------- a further fracture


def test_a_further_fracture_during_surveillance_ends_the_first_episode():
    clinic = under_surveillance().at("2026-09-01 09:00").tell(fractured_again("2026-08-30"))
    assert [e.path for e in clinic.episodes()] == ["DISCHARGED", "ACUTE_ASSESSMENT"]
    (noted,) = clinic.heard("refracture")
    assert (noted.event["of"], noted.event["days"], noted.event["within_12m"]) == (1, 240, True)
    assert clinic.timer("IMAGING_8W").due.isoformat() == "2026-10-25"


@pytest.mark.parametrize(("day", "within"), [("2027-01-02", True), ("2027-01-03", False)])
def test_within_twelve_months_includes_the_day(day, within):
    clinic = under_surveillance().at(f"{day} 09:00").tell(fractured_again(day))
    assert clinic.heard("refracture")[0].event["within_12m"] is within


def test_a_further_fracture_during_care_runs_beside_the_first_on_its_own_clock():
    clinic = two_fractures()
    assert [e.path for e in clinic.episodes()] == ["CONSERVATIVE_CARE", "ACUTE_ASSESSMENT"]
    clinic.tell(scanned(), n=2).tell(examined(), n=2).tell(decided("start_conservative"), n=2)
    due = [{t.code: t.due.isoformat() for t in e.timers} for e in clinic.episodes()]
    assert [found["REASSESS"] for found in due] == ["2026-02-03", "2026-02-17"]
    assert [found["IMAGING_8W"] for found in due] == ["2026-02-27", "2026-03-16"]


def test_an_observation_without_an_episode_goes_to_the_newest_open_one():
    clinic = two_fractures().tell(observed("pulmonary", dysfunction=False))
    assert [len(list(e.facts("pulmonary"))) for e in clinic.episodes()] == [0, 1]
    clinic.tell(happened("withdraw", **WHY), n=2).tell(painless())
    assert [len(list(e.facts("symptoms"))) for e in clinic.episodes()] == [1, 0]


def test_one_level_may_break_twice_but_not_on_one_day():
    clinic = in_care().at("2026-02-01 09:00")
    assert clinic.refused(fractured_again("2026-01-02", level="L1")) == "DUPLICATE_EPISODE"
    clinic.tell(fractured_again("2026-01-30", level="L1"))
    assert len(clinic.episodes()) == 2


def test_a_further_fracture_needs_a_first_one():
    assert clinic_in_memory().refused(fractured_again("2026-01-02")) == "STATE"


def test_a_further_fracture_by_high_energy_is_a_flag_of_its_own():
    clinic = in_care().at("2026-01-20 09:00").tell(fractured_again("2026-01-19", mechanism="high_energy"))
    assert [e.path for e in clinic.episodes()] == ["CONSERVATIVE_CARE", "SURGICAL_REFERRAL.pending_ack"]


# ---------------------------------------------------------------- two sites


def test_moving_changes_the_clock_on_the_wall_and_no_date():
    clinic = in_care()
    before = [(t.code, t.due) for t in clinic.episode.timers]
    clinic.at("2026-01-10 09:00").tell(happened("move_site", timezone="America/New_York"))
    assert [(t.code, t.due) for t in clinic.episode.timers] == before
    clinic.at("2026-02-03 12:59")
    assert clinic.place == "CONSERVATIVE_CARE"
    assert clinic.at("2026-02-03 13:00").place == "REASSESSMENT"


def test_moving_there_and_back_leaves_one_reminder_on_the_last_wall():
    clinic = in_care()
    for day, zone in [("2026-01-10", "America/New_York"), ("2026-01-30", "Europe/London")]:
        clinic.at(f"{day} 09:00").tell(happened("move_site", timezone=zone))
    assert clinic.at("2026-02-04 09:00").milestones == [("2026-02-03 08:00", "REASSESS")]


def test_moving_acts_on_all_episodes_of_the_patient():
    clinic = two_fractures().tell(happened("move_site", timezone="Asia/Kolkata"))
    assert {e.zone for e in clinic.episodes()} == {"Asia/Kolkata"}
    clinic.tell(fractured_again("2026-01-18", level="L1"))
    assert clinic.episode.zone == "Asia/Kolkata"


def test_two_patients_at_two_sites_each_live_by_their_own_clock():
    clinic = in_care()
    clinic.tell(registered(), examined(), scanned(), decided("start_conservative"), patient="P2")
    clinic.tell(happened("move_site", timezone="Pacific/Auckland"), patient="P2")
    clinic.at("2026-02-02 19:00")
    states = {name: clinic.episodes(name)[0].state for name in ("P1", "P2")}
    assert states == {"P1": "CONSERVATIVE_CARE", "P2": "REASSESSMENT"}
    assert clinic.at("2026-02-03 08:00").state == "REASSESSMENT"


def test_an_episode_passes_from_one_person_to_another_and_never_to_nobody():
    clinic = in_care().tell(happened("assign", owner="a.nurse"))
    assert clinic.refused(happened("assign", owner=" ")) == "REASON_REQUIRED"
    assert clinic.episode.owner == "a.nurse"
