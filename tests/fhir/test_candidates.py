"""A person answers for a candidate: registers it, or dismisses it with a reason."""

from datetime import date, timedelta

import pytest

from coordinator.fhir.candidates import Acceptance, accept, dismiss, one, waiting
from persistence.verify import verify
from tests.fhir.exports import DROP, ICD, SNOMED, coded, condition, patient, state

NURSE = Acceptance("B. Sample", "coordinator", owner="Desk")
DOCTOR = Acceptance("Dr C. Sample", "clinician", owner="Desk")


def accepted(desk, who, *, name="", **known):
    (found,) = desk.waiting()
    changed = {field: getattr(who, field) for field in Acceptance.__dataclass_fields__} | known
    return accept(desk.store, name or found.id, desk.now, Acceptance(**changed), zone=desk.zone, profile="default")


def test_a_candidate_of_unknown_level_is_registered_by_who_knows_it(desk):
    desk.take(patient(), condition(code="M80.08XA"))
    assert "level is not known" in accepted(desk, NURSE).refusal.because
    assert accepted(desk, NURSE, level="L1").episode_id == "H1-1"
    (episode,) = desk.episodes()
    assert (episode.level, episode.onset, episode.owner) == ("L1", date(2026, 2, 2), "Desk")
    line = desk.store.journal("H1-1")[0]
    assert line.step.by.startswith("B. Sample (export.json")
    assert (desk.waiting(), desk.store.person("H1").surname) == ([], "Example")
    assert verify(desk.store).line() == "all 1 episodes agree"


def test_an_accepted_candidate_stays_what_it_became(desk):
    desk.take(patient(), condition(code="M80.08XA"))
    (found,) = desk.waiting()
    accepted(desk, NURSE, level="L1")
    again = accept(desk.store, found.id, desk.now, NURSE, zone=desk.zone, profile="default")
    assert "no candidate" in again.refusal.because
    report = desk.take(patient(), condition(code="M80.08XA"))
    assert (report.enrolled.known, len(desk.episodes()), desk.waiting()) == (1, 1, [])
    kept = one(desk.store, found.id)
    assert (kept.outcome, kept.closed_by, kept.episode_id) == ("accepted", "B. Sample", "H1-1")


def test_another_level_needs_a_clinician(desk):
    desk.take(patient(), condition(code="S32.030A"))
    refused = accepted(desk, NURSE)
    assert refused.refusal.because == "L3 is outside this pathway (L1 and L2); a clinician may give scope_override"
    assert len(desk.waiting()) == 1
    assert accepted(desk, DOCTOR).refusal is None
    assert desk.episodes()[0].level == "L3"


def test_the_date_may_be_known_better_than_the_source_knows_it(desk):
    desk.take(patient(), condition(code="M80.08XA", onsetDateTime=DROP, onsetString="last month"))
    accepted(desk, NURSE, level="L2", fracture_date=date(2026, 1, 28))
    assert desk.episodes()[0].onset == date(2026, 1, 28)


def test_the_dead_are_not_registered(desk):
    desk.take(patient(deceasedBoolean=True), condition())
    assert "the patient has died" in accepted(desk, DOCTOR).refusal.because
    assert desk.store.episodes() == []


def test_a_child_is_refused_by_the_engine_and_goes_on_waiting(desk):
    desk.take(patient(birthDate="2012-01-01"), condition())
    assert accepted(desk, DOCTOR).refusal.code == "OUT_OF_RANGE"
    assert len(desk.waiting()) == 1


def test_a_candidate_of_nobody_needs_the_number(desk):
    desk.take(condition())
    assert "--patient" in accepted(desk, NURSE).refusal.because
    assert accepted(desk, NURSE, patient="H9").episode_id == "H9-1"


def test_a_second_fracture_of_a_patient_is_a_further_episode(desk):
    later = condition("c2", "M48.56XA", onsetDateTime="2026-03-05")
    desk.take(patient(), condition(), later)
    assert accepted(desk, NURSE, level="L2").episode_id == "H1-2"


def test_a_name_is_needed(desk):
    desk.take(patient(), condition(code="M80.08XA"))
    (found,) = desk.waiting()
    assert accepted(desk, NURSE, level="L1", by=" ").refusal.code == "REASON_REQUIRED"
    assert dismiss(desk.store, found.id, desk.now, "", "why").code == "REASON_REQUIRED"
    assert dismiss(desk.store, found.id, desk.now, "B. Sample", " ").code == "REASON_REQUIRED"


def test_dismissing_keeps_who_and_why(desk):
    desk.take(patient(), condition(code="M80.08XA"))
    (found,) = desk.waiting()
    assert dismiss(desk.store, found.id, desk.now, "B. Sample", "an old fracture") is None
    kept = one(desk.store, found.id)
    assert (kept.outcome, kept.closed_by, kept.closed_because) == ("dismissed", "B. Sample", "an old fracture")
    assert dismiss(desk.store, found.id, desk.now, "B. Sample", "again").code == "STATE"
    assert dismiss(desk.store, "nothing", desk.now, "B. Sample", "again").code == "STATE"


def test_the_list_is_as_things_stood_then(desk):
    desk.take(patient(), condition(code="M80.08XA"))
    (found,) = desk.waiting()
    dismiss(desk.store, found.id, desk.now + timedelta(hours=1), "B. Sample", "an old fracture")
    assert [len(waiting(desk.store, desk.now + timedelta(hours=h))) for h in (-1, 0, 1, 2)] == [0, 1, 0, 0]


@pytest.mark.parametrize("kinds", [("spine",), ("osteoporotic",), ("elsewhere",)])
def test_the_most_likely_come_first_and_kinds_can_be_chosen(desk, kinds):
    desk.take(
        patient(),
        condition("c1", "33737001", system=SNOMED, onsetDateTime="2025-01-01"),
        condition("c2", "443165006", system=SNOMED, onsetDateTime="2025-03-01"),
        condition(
            "c3", coded(ICD, "M80.08XA"), clinicalStatus=state("clinical", "resolved"), onsetDateTime="2025-05-01"
        ),
    )
    assert [found.kind for found in desk.waiting()] == ["spine", "osteoporotic", "elsewhere"]
    assert [found.kind for found in waiting(desk.store, desk.now, kinds=kinds)] == list(kinds)
    assert len(waiting(desk.store, desk.now, patient="H1")) == 3
    assert waiting(desk.store, desk.now, patient="H2") == []


def test_the_date_is_shown_as_far_as_it_is_known(desk):
    for name, onset in (("c1", "2025-03-04"), ("c2", "2024-03"), ("c3", "2023")):
        desk.take(patient(), condition(name, "M80.08XA", onsetDateTime=onset))
    assert {found.when for found in desk.waiting()} == {"04-Mar-2025", "Mar-2024", "Not known"}
