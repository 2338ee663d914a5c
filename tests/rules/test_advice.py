"""Every recommendation in one story where it is shown and one where it is not, with sources and without a dose."""

import re

import pytest

from pathway.advice import advice
from tests.journeys.clinic import Clinic, clinic_in_memory
from tests.journeys.people import (
    ENGINE,
    GUIDELINE,
    closed,
    decided,
    examined,
    happened,
    observed,
    pain,
    painless,
    registered,
    scanned,
)
from tests.machine.places import (
    assessed,
    in_care,
    in_reassessment,
    under_surveillance,
    with_augmentation_proposed,
    with_augmentation_sent,
)


def new(*steps, **registration) -> Clinic:
    return clinic_in_memory().tell(registered(**registration), *steps)


def shown(clinic: Clinic) -> dict[str, object]:
    profile = ENGINE.profile(clinic.episode.profile)
    return {item.rule.id: item for item in advice(clinic.episode, GUIDELINE, profile, clinic.calendar.today)}


def reviewed(*facts) -> Clinic:
    return in_reassessment().tell(*facts)


def three_months(*facts) -> Clinic:
    return in_care().at("2026-04-07 10:00").tell(*facts)


UNSURE = observed("mri_safety", contraindicated=True)
TABLETS = observed("analgesia", nsaid=True)
NOT_NOW = {"actor": "clinician", "reason": "not wanted"}
# code, a story in which it is shown, one in which it is not
STORIES = {
    "R-MRI-BASE": (new, lambda: new(scanned())),
    "R-CT-ALT": (lambda: new(UNSURE), new),
    "R-AGE-FRACTURE": (lambda: clinic_in_memory().tell(registered(None)), new),
    "R-SIGNS": (lambda: new(observed("bedside_signs", percussion=True)), new),
    "R-MULTI-NOTE": (lambda: new(scanned(fracture_levels=["T12", "L1"])), lambda: new(scanned())),
    "R-CALCITONIN": (lambda: new().at("2026-02-01 23:00"), lambda: new().at("2026-02-02 00:00")),
    "R-ANALGESIA": (new, under_surveillance),
    "R-OPIOID": (lambda: new(observed("analgesia", opioid=True)), lambda: new(TABLETS)),
    "R-BEDREST": (in_care, in_reassessment),
    "R-MOBILISE": (in_care, in_reassessment),
    "R-BRACE": (in_care, in_reassessment),
    "R-PT": (lambda: new(pain(3)), lambda: new(pain(4))),
    "R-PAINCLINIC": (lambda: reviewed(TABLETS), reviewed),
    "R-NRB": (lambda: reviewed(TABLETS), lambda: reviewed(TABLETS, painless())),
    "R-OPRX": (new, lambda: new(closed("K-OPRX", "declined", **NOT_NOW))),
    "CI-STRONTIUM": (
        lambda: new(observed("osteoporosis_rx", agent=" Strontium ")),
        lambda: new(observed("osteoporosis_rx", agent="ibandronate")),
    ),
    "R-CAVITD": (new, lambda: new(closed("K-CAVITD", "not_applicable", **NOT_NOW))),
    "R-DXA": (new, lambda: new(observed("dxa", t_score=-1.0))),
    "R-BONEREF": (new, lambda: new(observed("bone_referral", service="endocrinology"))),
    "R-REFRACTURE": (under_surveillance, in_reassessment),
    "R-RISK": (lambda: new(scanned(collapse_pct=28.6)), lambda: new(scanned(collapse_pct=28.5))),
    "R-EARLY-AUG": (lambda: new(observed("pulmonary", dysfunction=True)), new),
    "R-AUG-CONSIDER": (with_augmentation_sent, in_care),
    "R-VP-WARN": (with_augmentation_proposed, in_care),
    "R-SURG-CONSIDER": (lambda: three_months(pain(7, "worsening")), lambda: three_months(pain(7))),
    "R-DELAYED-REFERRAL": (
        lambda: in_care(profile="seed-s3").tell(scanned(progressive_kyphosis=True)).at("2026-04-07 10:00"),
        lambda: in_care(profile="seed-s3").at("2026-04-07 10:00"),
    ),
    "R-MRI-CHANGED": (lambda: in_care().tell(pain(5, changed=True)), in_care),
    "R-MALIG-NOTE": (lambda: new(first_fracture=True), lambda: new(first_fracture=False)),
    "R-MALIG-WORKUP": (lambda: new(observed("malignancy", status="suspected")), new),
}


@pytest.mark.parametrize("code", STORIES)
def test_a_recommendation_is_shown_where_it_belongs_with_its_sources(code):
    item = shown(STORIES[code][0]())[code]
    assert item.rule.cites
    assert all(GUIDELINE.sources[cite].citable for cite in item.rule.cites)


@pytest.mark.parametrize("code", STORIES)
def test_a_recommendation_is_not_shown_where_it_does_not(code):
    assert code not in shown(STORIES[code][1]())


def test_every_recommendation_has_its_two_stories():
    assert set(STORIES) == set(GUIDELINE.recommendations)


@pytest.mark.parametrize(
    "step",
    [
        observed("calcitonin", action="start"),
        observed("malignancy_features", cancer_history=True),
        observed("malignancy_features", failure_to_improve=True),
        observed("malignancy", status="suspected"),
    ],
)
def test_calcitonin_is_not_considered_once_started_or_with_malignancy_in_question(step):
    assert "R-CALCITONIN" in shown(new())
    assert "R-CALCITONIN" not in shown(new(step))


def test_unknown_history_is_named_beside_the_advice():
    assert shown(new())["R-CALCITONIN"].missing == ("cancer history and weight loss",)
    asked = new(observed("malignancy_features", cancer_history=False, weight_loss=False))
    assert shown(asked)["R-CALCITONIN"].missing == ()
    assert shown(new())["R-MRI-BASE"].missing == ("whether MRI is contraindicated",)
    assert "t_score" in shown(new(scanned(collapse_pct=30)))["R-RISK"].missing


def test_nothing_is_recommended_about_a_closed_episode():
    assert shown(in_care().tell(happened("withdraw", reason="moved"))) == {}


def test_old_images_are_pointed_out_where_pain_is_about_to_be_acted_on():
    assert "R-MRI-CHANGED" not in shown(three_months(pain(8)).tell(scanned()))
    assert "R-MRI-CHANGED" in shown(three_months())


def test_a_positive_sign_moves_nobody_and_a_scan_is_still_recommended():
    clinic = new(observed("bedside_signs", percussion=True, supine=True))
    assert clinic.place == "ACUTE_ASSESSMENT"
    assert {"R-SIGNS", "R-MRI-BASE"} <= set(shown(clinic))


def test_physiotherapy_is_asked_for_once():
    clinic = in_reassessment()
    assert "R-PT" in shown(clinic)
    assert "R-PT" not in shown(clinic.tell(observed("physiotherapy", referred=True)))


DOSES = re.compile(r"\b\d+(?:[.,]\d+)?\s*(?:mg|mcg|µg|ug|g|iu|ml|tablets?)\b", re.IGNORECASE)
FLOORS = {"1000 mg", "800 IU"}


@pytest.mark.parametrize("code", sorted(GUIDELINE.recommendations))
def test_no_recommendation_states_a_dose_beyond_the_recorded_floors_or_a_probability(code):
    rule = GUIDELINE.recommendations[code]
    assert set(DOSES.findall(f"{rule.title} {rule.text}")) <= FLOORS
    assert not re.search(r"probability of|risk of failure is|\bscore of\b", rule.text)


def test_the_guideline_has_the_recommendations_of_the_specification():
    assert {"R-MRI-BASE", "R-RISK", "R-OPRX", "R-VP-WARN", "R-MALIG-WORKUP"} <= set(GUIDELINE.recommendations)
    assert len(GUIDELINE.recommendations) == 29


def test_a_predictor_moves_nobody_by_default():
    clinic = assessed().tell(examined(), decided("start_conservative"), observed("dxa", t_score=-3.0))
    assert clinic.place == "CONSERVATIVE_CARE"
    assert "R-RISK" in shown(clinic)
