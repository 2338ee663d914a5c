"""Every refusal code of the vocabulary, by the shortest story that ends in it; a refusal is an answer in words."""

from pathlib import Path

import pytest
import yaml

from pathway.engine import Engine
from tests.journeys.clinic import clinic_in_memory
from tests.journeys.people import (
    GUIDELINE,
    WHY,
    closed,
    corrected,
    decided,
    examined,
    fractured_again,
    happened,
    observed,
    outcome,
    pain,
    painless,
    registered,
    scanned,
)
from tests.machine.places import (
    after_procedure,
    assessed,
    discharged,
    in_care,
    in_imaging_review,
    in_malignancy_work_up,
    in_reassessment,
    under_surveillance,
    with_augmentation_proposed,
    with_red_flag,
    withdrawn,
)

SCENARIOS = Path(__file__).parents[1] / "data" / "scenarios.yaml"
START = decided("start_conservative")
CONTINUE = decided("complete_reassessment", outcome="continue")
REFER = decided("refer_augmentation", override_reason="pain at night")


def registered_only():
    return clinic_in_memory().tell(registered())


def eight_weeks_on():
    """Day 60 after the fracture, reviewed for persisting pain, only the first MRI on file."""
    return in_reassessment().tell(CONTINUE).at("2026-02-25 10:00").tell(pain(5)).at("2026-03-03 10:00")


def twelve_months_on():
    return under_surveillance().at("2027-01-02 10:00")


REFUSED = [
    ("ROLE", assessed, decided("start_conservative", actor="coordinator")),
    ("ROLE", with_red_flag, decided("overrule_red_flag", actor="coordinator", **WHY)),
    ("ROLE", with_red_flag, happened("transfer_out", actor="coordinator", **WHY)),
    ("ROLE", registered_only, closed("K-OPRX", "declined", actor="coordinator", **WHY)),
    ("STATE", in_care, decided("confirm_augmentation")),
    ("STATE", in_care, decided("review_imaging", outcome="continue")),
    ("STATE", in_care, closed("K-DATAQ")),
    ("STATE", in_care, closed("K-REASSESS")),
    ("STATE", registered_only, closed("K-NEURO")),
    ("STATE", registered_only, corrected("care_start", "2026-01-05")),
    ("STATE", registered_only, corrected("observation", obs_id="nothing")),
    ("TERMINAL", discharged, decided("start_conservative")),
    ("TERMINAL", withdrawn, happened("withdraw", **WHY)),
    ("NEURO_MISSING", lambda: registered_only().tell(scanned()), START),
    ("NEURO_MISSING", lambda: registered_only().tell(scanned(), observed("neuro_exam", motor_deficit=False)), START),
    ("IMAGING_MISSING", lambda: registered_only().tell(examined()), START),
    ("IMAGING_MISSING", lambda: registered_only().tell(examined(), scanned(modality="XR")), START),
    ("IMAGING_MISSING", in_imaging_review, decided("review_imaging", outcome="continue")),
    ("IMAGING_STALE", lambda: in_imaging_review().at("2026-04-07 10:00"), REFER),
    ("IMAGING_8W_DUE", eight_weeks_on, decided("review_imaging", outcome="continue", no_new_imaging_reason="x")),
    ("RED_FLAG_ACTIVE", with_red_flag, decided("discharge", outcome="not_vcf", **WHY)),
    ("STABILITY_UNCONFIRMED", lambda: registered_only().tell(examined(), scanned(collapse_pct=25)), START),
    ("MALIGNANCY_OPEN", lambda: in_malignancy_work_up().tell(scanned()), decided("review_imaging", outcome="continue")),
    ("MALIGNANCY_OPEN", in_malignancy_work_up, decided("discharge", outcome="not_vcf", **WHY)),
    ("SYMPTOMS_STALE", lambda: in_reassessment().at("2026-02-18 10:00"), CONTINUE),
    ("CONTRADICTION", in_reassessment, decided("complete_reassessment", outcome="resolved")),
    ("CONTRADICTION", in_care, observed("symptoms", nrs=8, resolved=True)),
    ("TOO_EARLY", in_reassessment, decided("refer_augmentation")),
    ("TOO_EARLY", lambda: under_surveillance().at("2027-01-01 10:00"), decided("discharge")),
    ("REASON_REQUIRED", with_red_flag, decided("overrule_red_flag")),
    ("REASON_REQUIRED", with_red_flag, decided("overrule_red_flag", reason="   ")),
    ("REASON_REQUIRED", in_care, decided("refer_surgery")),
    ("REASON_REQUIRED", with_augmentation_proposed, decided("decline_augmentation")),
    ("REASON_REQUIRED", discharged, decided("reopen")),
    ("REASON_REQUIRED", in_care, happened("withdraw")),
    ("REASON_REQUIRED", registered_only, closed("K-OPRX", "not_applicable")),
    ("HANDOVER_REQUIRED", with_red_flag, happened("transfer_out", **WHY)),
    ("HANDOVER_REQUIRED", with_red_flag, happened("withdraw", actor="coordinator", **WHY)),
    ("ACK_REQUIRED", with_red_flag, outcome("surgery", "operated")),
    ("OPEN_TASKS", twelve_months_on, decided("discharge")),
    (
        "VERTEBROPLASTY_BLOCKED",
        lambda: with_augmentation_proposed(profile="seed-s3"),
        decided("confirm_augmentation", technique="vertebroplasty"),
    ),
    ("OUT_OF_RANGE", in_care, pain(11)),
    ("OUT_OF_RANGE", in_care, decided("start_antibiotics")),
    ("OUT_OF_RANGE", in_care, happened("marriage")),
    ("OUT_OF_RANGE", in_care, happened("move_site", timezone="Mars/Base")),
    ("OUT_OF_RANGE", in_care, corrected("birth_date", "1950-06-02")),
    ("OUT_OF_RANGE", in_care, closed("K-UNKNOWN")),
    ("FUTURE_DATE", in_care, scanned("2026-01-07")),
    ("FUTURE_DATE", assessed, decided("start_conservative", care_start="2026-01-07")),
    ("FUTURE_DATE", in_care, corrected("fracture_date", "2026-01-07")),
    ("FUTURE_DATE", in_care, happened("death", date="2026-01-07")),
    ("DATE_ORDER", assessed, decided("start_conservative", care_start="2026-01-01")),
    ("DATE_ORDER", in_care, scanned("1950-05-31")),
    ("DATE_ORDER", in_care, corrected("fracture_date", "2026-01-06")),
    ("DATE_ORDER", in_care, corrected("care_start", "2026-01-01")),
    ("DATE_ORDER", in_care, observed("calcitonin", action="start", date="2026-01-04")),
    ("DUPLICATE_EPISODE", in_care, registered()),
    ("DUPLICATE_EPISODE", in_care, fractured_again("2026-01-02", level="L1")),
    ("USE_NEW_FRACTURE", in_care, registered("2026-01-04", level="L2")),
]


@pytest.mark.parametrize(("code", "story", "step"), REFUSED, ids=lambda value: value if isinstance(value, str) else "")
def test_a_refusal_has_a_code_and_a_sentence(code, story, step):
    clinic = story()
    place = clinic.place
    refusal = clinic.ask(step)
    assert refusal is not None
    assert (refusal.code, clinic.place) == (code, place)
    assert len(refusal.because.split()) > 3


def test_care_does_not_start_on_a_finding_that_the_profile_leaves_to_review():
    profile = GUIDELINE.profile("default").overridden({"rf": {"radicular": "review"}})
    clinic = clinic_in_memory(profile=profile.id, engine=Engine(GUIDELINE, {profile.id: profile}))
    clinic.tell(registered(), examined(radicular=True), scanned())
    assert clinic.refused(START) == "RED_FLAG_ACTIVE"


def test_what_is_missing_is_named():
    refusal = registered_only().ask(START)
    assert (refusal.code, refusal.missing) == ("NEURO_MISSING", ("neuro_exam",))
    refusal = registered_only().tell(examined(), scanned(kyphosis=None)).ask(START)
    assert (refusal.code, refusal.missing) == ("STABILITY_UNCONFIRMED", ("kyphosis",))


def test_a_refused_value_is_work_for_a_person_once():
    clinic = in_care()
    assert clinic.refused(pain(11)) == "OUT_OF_RANGE"
    assert clinic.refused(observed("dxa", t_score=-29.5)) == "OUT_OF_RANGE"
    assert [task.code for task in clinic.episode.tasks].count("K-DATAQ") == 1
    assert clinic.episode.latest("dxa") is None


def test_a_refused_decision_is_no_work_for_anybody():
    clinic = in_care()
    before = clinic.open_tasks
    clinic.refused(decided("confirm_augmentation"))
    assert clinic.open_tasks == before


def test_a_step_of_somebody_unknown_is_refused_at_the_door():
    clinic = clinic_in_memory()
    assert clinic.refused(pain(5)) == "STATE"
    assert clinic.episodes() == []
    assert [audit.event["code"] for audit in clinic.heard("rejected")] == ["STATE"]


def test_an_episode_that_does_not_exist_is_refused():
    assert in_care().refused(pain(5), n=7) == "STATE"


def test_every_code_of_the_vocabulary_has_a_story():
    head = SCENARIOS.read_text(encoding="utf-8").split("\nprofile_defaults:")[0]
    assert {code for code, _, _ in REFUSED} == set(yaml.safe_load(head)["vocabulary"]["rejection_codes"])


@pytest.mark.parametrize(
    ("story", "step"),
    [
        (after_procedure, decided("complete_post_procedure", outcome="resolved")),
        (under_surveillance, decided("discharge", outcome="not_vcf")),
        (in_care, decided("resolved")),
    ],
)
def test_nobody_leaves_on_a_status_that_does_not_say_so(story, step):
    clinic = story()
    place = clinic.place
    assert clinic.refused(step) in ("CONTRADICTION", "SYMPTOMS_STALE", "REASON_REQUIRED")
    assert clinic.place == place


def test_the_same_step_is_accepted_once_what_was_missing_is_there():
    clinic = registered_only()
    for code, step in [
        ("NEURO_MISSING", examined()),
        ("IMAGING_MISSING", scanned(collapse_pct=25)),
        ("STABILITY_UNCONFIRMED", None),
    ]:
        assert clinic.refused(START) == code
        clinic.tell(*([step] if step else []))
    clinic.tell(decided("start_conservative", stability_confirmed=True))
    assert clinic.place == "CONSERVATIVE_CARE"
    clinic.tell(painless(), decided("resolved"))
    assert clinic.place == "SURVEILLANCE"
