"""The arithmetic of the rules at its edges (clinical specification 1.2): strict limits, and unknown is not normal."""

from datetime import date, timedelta

import pytest

from pathway import assessments
from pathway.episode import Episode
from tests.journeys.clinic import Clinic, clinic_in_memory
from tests.journeys.people import (
    GUIDELINE,
    STABLE,
    WELL,
    examined,
    observed,
    pain,
    painless,
    registered,
    scanned,
)

DEFAULT = GUIDELINE.profile("default")


def with_facts(*steps, fracture="2026-01-02", **registration) -> Episode:
    return clinic_in_memory().tell(registered(fracture, **registration), *steps).episode


def without(*names: str) -> dict:
    return {name: value for name, value in STABLE.items() if name not in names}


# ---------------------------------------------------------------- stability (S0-04, S3-43)


@pytest.mark.parametrize(
    ("found", "stability"),
    [
        ({}, "STABLE"),
        ({"collapse_pct": 9.9, "kyphosis": 14.9, "scoliosis": 9.9}, "STABLE"),
        ({"collapse_pct": 10.0}, "INDETERMINATE"),
        ({"collapse_pct": 50.0}, "INDETERMINATE"),
        ({"collapse_pct": 50.1}, "UNSTABLE"),
        ({"kyphosis": 15.0}, "INDETERMINATE"),
        ({"kyphosis": -20.0}, "STABLE"),
        ({"scoliosis": 10.0}, "INDETERMINATE"),
        ({"retropulsion": True}, "INDETERMINATE"),
        ({"posterior_column": True}, "UNSTABLE"),
        ({"alignment_abnormal": True}, "UNSTABLE"),
        ({"cord_compression": True}, "UNSTABLE"),
        ({"modality": "CT"}, "STABLE"),
        ({"modality": "XR"}, "INDETERMINATE"),
    ],
)
def test_a_fracture_is_stable_only_strictly_inside_all_limits(found, stability):
    episode = with_facts(examined(), scanned(**found))
    assert assessments.stability(episode, DEFAULT).value == stability


@pytest.mark.parametrize("deficit", assessments.DEFICITS)
def test_any_deficit_makes_it_unstable(deficit):
    found = assessments.stability(with_facts(scanned(), examined(**{deficit: True})), DEFAULT)
    assert (found.value, found.reasons) == ("UNSTABLE", (deficit,))


@pytest.mark.parametrize("name", ["collapse_pct", "kyphosis", "scoliosis", "retropulsion"])
def test_what_is_not_measured_is_missing_and_not_normal(name):
    episode = with_facts(examined(), observed("imaging", **without(name)))
    assert assessments.stability(episode, DEFAULT) == assessments.Stability("INDETERMINATE", (), (name,))


def test_without_an_examination_nothing_is_stable():
    found = assessments.stability(with_facts(scanned()), DEFAULT)
    assert (found.value, found.missing) == ("INDETERMINATE", ("neuro_exam",))
    incomplete = with_facts(scanned(), observed("neuro_exam", **{**WELL, "complete": False}))
    assert assessments.stability(incomplete, DEFAULT).missing == ("neuro_exam",)


def test_without_a_scan_everything_is_missing():
    found = assessments.stability(with_facts(examined()), DEFAULT)
    assert found.missing == ("collapse_pct", "kyphosis", "scoliosis", "retropulsion")


def test_the_latest_scan_counts_by_the_day_it_was_performed():
    episode = with_facts(examined(), scanned("2026-01-04", collapse_pct=30), scanned("2026-01-03"))
    assert assessments.stability(episode, DEFAULT).reasons == ("collapse_pct",)


def test_two_examinations_of_one_day_count_with_the_worse():
    either = [examined(effective="2026-01-04"), examined(effective="2026-01-04", reflex_abnormal=True)]
    for order in (either, either[::-1]):
        assert assessments.neuro_status(with_facts(*order)).positive == ("reflex_abnormal",)
    later = with_facts(*either, examined(effective="2026-01-05"))
    assert assessments.neuro_status(later).positive == ()


# ---------------------------------------------------------------- collapse


@pytest.mark.parametrize(
    ("collapse", "band"),
    [
        (0, "minimal"),
        (9.9, "minimal"),
        (10.0, "intermediate"),
        (28.5, "intermediate"),
        (28.6, "predictor of failure"),
        (50.0, "predictor of failure"),
        (50.1, "unstable"),
        (100, "unstable"),
        (None, "unknown"),
    ],
)
def test_collapse_has_four_bands(collapse, band):
    assert assessments.collapse_band(collapse, DEFAULT) == band


# ---------------------------------------------------------------- predictors of failure (S0-17)


@pytest.mark.parametrize(
    ("name", "step", "met"),
    [
        ("t_score", observed("dxa", t_score=-2.95), False),
        ("t_score", observed("dxa", t_score=-2.96), True),
        ("bmi", observed("anthropometry", bmi=25.5), False),
        ("bmi", observed("anthropometry", bmi=25.6), True),
        ("bmi", observed("anthropometry", height_cm=160, weight_kg=65.28), False),
        ("bmi", observed("anthropometry", height_cm=160, weight_kg=65.6), True),
        ("collapse", scanned(collapse_pct=28.5), False),
        ("collapse", scanned(collapse_pct=28.6), True),
    ],
)
def test_a_predictor_is_met_only_beyond_its_limit(name, step, met):
    risk = assessments.failure_risk(with_facts(step), DEFAULT)
    assert (name in risk.met, name in risk.not_met) == (met, not met)


@pytest.mark.parametrize(
    ("birth", "met"),
    [
        ("1947-07-02", False),  # 78 years and 6 months on the day of the fracture
        ("1947-07-01", True),
        ("1947-07-03", False),
    ],
)
def test_age_counts_from_the_day_after_seventy_eight_and_a_half(birth, met):
    risk = assessments.failure_risk(with_facts(birth_date=birth), DEFAULT)
    assert ("age" in risk.met) == met


def test_what_is_not_known_is_listed_as_unknown():
    clinic = clinic_in_memory().tell(registered(birth_date=None))
    risk = assessments.failure_risk(clinic.episode, DEFAULT)
    assert (risk.met, risk.not_met) == ((), ())
    assert risk.unknown == ("age", "bmi", "collapse", "t_score")


def test_a_height_without_a_weight_gives_no_index():
    assert assessments.body_mass_index(with_facts(observed("anthropometry", height_cm=160))) is None


@pytest.mark.parametrize(
    ("birth", "first", "note"),
    [
        ("1976-01-01", True, True),
        ("1976-01-02", True, None),  # fifty on the day itself
        ("1976-01-03", True, None),
        ("1950-06-01", False, None),
        ("1950-06-01", None, None),
        (None, True, None),
    ],
)
def test_over_fifty_starts_the_day_after_the_birthday(birth, first, note):
    found = assessments.over_fifty_first_fracture(with_facts(birth_date=birth, first_fracture=first))
    assert (found or None) == note


# ---------------------------------------------------------------- bedside signs (S2-25)


@pytest.mark.parametrize(
    ("sign", "positive", "ratio"),
    [
        ("percussion", True, 8.75),
        ("percussion", False, 0.14),
        ("supine", True, 12.18),
        ("supine", False, 0.20),
    ],
)
def test_likelihood_ratios_of_the_bedside_signs(sign, positive, ratio):
    assert round(assessments.SIGNS[sign].likelihood_ratio(positive=positive), 2) == ratio


@pytest.mark.parametrize(
    ("sign", "before", "positive", "after"),
    [("percussion", 0.5, True, 0.897), ("percussion", 0.5, False, 0.122), ("supine", 0.2, True, 0.753)],
)
def test_a_probability_before_the_sign_gives_one_after_it(sign, before, positive, after):
    assert round(assessments.SIGNS[sign].posttest(before, positive=positive), 3) == after


# ---------------------------------------------------------------- the class of symptoms


@pytest.mark.parametrize(
    ("status", "found"),
    [
        (painless(), "resolved"),
        (pain(3, "improving"), "mild_improving"),
        (pain(4, "improving"), "persistent"),
        (pain(6), "persistent"),
        (pain(7), "failing"),
        (pain(7, "improving"), "failing"),
        (pain(0, "worsening"), "failing"),
        (pain(3), "persistent"),
        (observed("symptoms", trend="worsening"), "failing"),
        (observed("symptoms", trend="improving"), "persistent"),
        (observed("symptoms", nrs=2), "persistent"),
        (observed("symptoms", changed=False), "persistent"),
        (observed("symptoms", nrs=3, resolved=True), "resolved"),
    ],
)
def test_pain_has_a_class(status, found):
    episode = with_facts(status)
    assert assessments.symptom_class(episode, DEFAULT, date(2026, 1, 5)).value == found


@pytest.mark.parametrize(("days", "known"), [(0, True), (14, True), (15, False)])
def test_a_status_counts_for_fourteen_days(days, known):
    today = date(2026, 1, 5) + timedelta(days=days)
    found = assessments.symptom_class(with_facts(pain(5)), DEFAULT, today)
    assert found.value == ("persistent" if known else "unknown")
    assert bool(found.missing) is not known


def test_the_newest_status_counts_whenever_it_was_told():
    episode = with_facts(pain(8, effective="2026-01-05"), pain(2, "improving", effective="2026-01-04"))
    assert assessments.symptom_class(episode, DEFAULT, date(2026, 1, 5)).value == "failing"


def test_a_class_names_what_was_not_asked():
    found = assessments.symptom_class(with_facts(observed("symptoms", nrs=2)), DEFAULT, date(2026, 1, 5))
    assert found.missing == ("trend",)


@pytest.mark.parametrize(
    ("definition", "status", "failing"),
    [
        ("severe_or_worsening", pain(7), True),
        ("severe_or_worsening", pain(3, "worsening"), True),
        ("severe_or_worsening", pain(6), False),
        ("severe", pain(7), True),
        ("severe", pain(6, "worsening"), False),
        ("severe", observed("symptoms", trend="worsening"), None),
        ("persistent", pain(4, "improving"), True),
        ("persistent", pain(3, "improving"), False),
        ("persistent", painless(), False),
    ],
)
def test_each_profile_says_what_failing_means(definition, status, failing):
    profile = DEFAULT.overridden({"failure_definition": definition})
    assert assessments.care_failing(with_facts(status), profile, date(2026, 1, 5)) is failing
    assert assessments.care_failing(with_facts(), profile, date(2026, 1, 5)) is None


# ---------------------------------------------------------------- the age of imaging


@pytest.mark.parametrize(
    ("performed", "today", "current"),
    [
        ("2026-01-06", "2026-04-06", True),
        ("2026-01-06", "2026-04-07", False),
        ("2025-11-30", "2026-02-28", True),
        ("2025-11-30", "2026-03-01", False),
        ("2025-12-31", "2026-03-31", True),
    ],
)
def test_a_scan_exactly_three_months_old_is_current(performed, today, current):
    clinic = clinic_in_memory(now="2026-01-07 09:00").tell(registered("2025-11-01"), scanned(performed))
    assert assessments.imaging_current(clinic.episode, DEFAULT, date.fromisoformat(today)) is current


def test_a_plain_film_is_no_current_scan():
    assert not assessments.imaging_current(with_facts(scanned(modality="XR")), DEFAULT, date(2026, 1, 5))


def scanned_on_day(number: int) -> Clinic:
    day = date(2026, 1, 2) + timedelta(days=number)
    return clinic_in_memory().tell(registered()).at(f"{day} 10:00").tell(scanned(day.isoformat()))


@pytest.mark.parametrize(("number", "credited"), [(41, False), (42, True), (56, True)])
def test_a_scan_from_day_forty_two_answers_the_eight_week_question(number, credited):
    found = assessments.eight_week_imaging(scanned_on_day(number).episode, DEFAULT)
    assert bool(found) is credited


# ---------------------------------------------------------------- early indications (S1-27 to S1-31, S0-15, S0-16)


@pytest.mark.parametrize(
    ("step", "found"),
    [
        (pain(5, "worsening"), ("worsening",)),
        (observed("pulmonary", dysfunction=True), ("pulmonary_dysfunction",)),
        (observed("analgesia", parenteral_opioid=True), ("parenteral_opioid",)),
        (observed("analgesia", hospitalised_for_pain=True), ("hospitalised_for_pain",)),
        (observed("analgesia", contraindicated=True), ("analgesics_contraindicated",)),
        (observed("analgesia", opioid=True), ()),
        (observed("pulmonary", dysfunction=False), ()),
        (pain(9), ()),
    ],
)
def test_early_indications_by_the_default_profile(step, found):
    assert assessments.early_indications(with_facts(step), DEFAULT) == found


def test_a_predictor_is_an_early_indication_only_where_the_profile_says_so():
    episode = with_facts(scanned(collapse_pct=30.0))
    assert assessments.early_indications(episode, DEFAULT) == ()
    literal = GUIDELINE.profile("seed-s0")
    assert assessments.early_indications(episode, literal) == ("failure_predictor",)


# ---------------------------------------------------------------- red flags


@pytest.mark.parametrize(
    ("kind", "data", "flags"),
    [
        *(("neuro_exam", {name: True}, ("neuro",)) for name in assessments.DEFICITS if name != "radicular"),
        ("neuro_exam", {"radicular": True}, ("radicular",)),
        ("neuro_exam", WELL, ()),
        ("imaging", STABLE, ()),
        ("imaging", {"collapse_pct": 50.0}, ()),
        ("imaging", {"collapse_pct": 50.1}, ("instability",)),
        ("imaging", {"posterior_column": True}, ("instability",)),
        ("imaging", {"alignment_abnormal": True}, ("instability",)),
        ("imaging", {"cord_compression": True}, ("cord",)),
        ("imaging", {"significant_deformity": True}, ("deformity",)),
        ("imaging", {"progressive_kyphosis": True}, ("deformity",)),
        ("imaging", {"pathologic": "confirmed"}, ("pathologic_confirmed",)),
        ("imaging", {"pathologic": "suspected"}, ()),
        ("imaging", {"acute_levels": ["L1", "L2"]}, ("multilevel_acute",)),
        ("imaging", {"acute_levels": ["L1", "L1"]}, ()),
        ("imaging", {"acute_levels": ["L1"], "fracture_levels": ["T12", "L1"]}, ()),
        ("imaging", {"modality": "XR", "cord_compression": True}, ("cord",)),
        ("malignancy", {"status": "confirmed"}, ("pathologic_confirmed",)),
        ("register", {"mechanism": "high_energy"}, ("high_energy",)),
        ("register", {"mechanism": "low_energy"}, ()),
        ("symptoms", {"nrs": 10, "trend": "worsening"}, ()),
    ],
)
def test_red_flags_of_the_default_profile(kind, data, flags):
    levels = {rule.code: rule.parameter for rule in GUIDELINE.red_flags.values()}
    assert assessments.immediate_flags(kind, data, DEFAULT, levels) == flags
