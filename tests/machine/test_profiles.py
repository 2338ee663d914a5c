"""What each profile makes of the same patient: the default, and one for each seed taken at its word."""

import pytest

from pathway.advice import advice
from tests.journeys.clinic import clinic_in_memory
from tests.journeys.people import ENGINE, PROFILES, decided, examined, observed, pain, registered, scanned
from tests.machine.places import in_care, in_reassessment, with_augmentation_proposed

SURGERY, WORK_UP = "SURGICAL_REFERRAL.pending_ack", "IMAGING_REVIEW.malignancy"
CARE, REVIEW = "CONSERVATIVE_CARE", "REASSESSMENT"
FINDINGS = {
    "deficit": examined(motor_deficit=True),
    "radicular": examined(radicular=True),
    "cord": scanned(cord_compression=True),
    "collapse over 50": scanned(collapse_pct=50.1),
    "kyphosis progresses": scanned(progressive_kyphosis=True),
    "two acute levels": scanned(acute_levels=["L1", "L2"]),
    "one old level": scanned(fracture_levels=["T12", "L1"]),
    "suspicious scan": scanned(pathologic="suspected"),
    "malignancy confirmed": scanned(pathologic="confirmed"),
    "cancer history": observed("malignancy_features", cancer_history=True),
    "no improvement": observed("malignancy_features", failure_to_improve=True),
    "T-score -3": observed("dxa", t_score=-3.0),
    "lungs": observed("pulmonary", dysfunction=True),
}
# Where a finding leads somebody in conservative care; what a row does not name is as in the default.
DEFAULT = {
    "deficit": SURGERY,
    "radicular": SURGERY,
    "cord": SURGERY,
    "collapse over 50": SURGERY,
    "kyphosis progresses": SURGERY,
    "two acute levels": SURGERY,
    "one old level": CARE,
    "suspicious scan": WORK_UP,
    "malignancy confirmed": SURGERY,
    "cancer history": WORK_UP,
    "no improvement": CARE,
    "T-score -3": CARE,
    "lungs": REVIEW,
}
DIFFERENT = {
    "default": {},
    "seed-s0": {"kyphosis progresses": REVIEW, "two acute levels": CARE, "T-score -3": REVIEW},
    "seed-s1": {"two acute levels": CARE},
    "seed-s2": {"two acute levels": CARE},
    "seed-s3": {
        "kyphosis progresses": CARE,
        "one old level": SURGERY,
        "suspicious scan": SURGERY,
        "no improvement": WORK_UP,
    },
    "seed-s4": {"kyphosis progresses": REVIEW, "two acute levels": CARE},
}


@pytest.mark.parametrize("finding", FINDINGS)
@pytest.mark.parametrize("profile", PROFILES)
def test_where_a_finding_leads(profile, finding):
    clinic = in_care(profile=profile).at("2026-01-07 09:00").tell(FINDINGS[finding])
    assert clinic.place == {**DEFAULT, **DIFFERENT[profile]}[finding]


@pytest.mark.parametrize(
    ("profile", "place"),
    [
        ("default", SURGERY),
        ("seed-s0", "ACUTE_ASSESSMENT"),
        ("seed-s1", "ACUTE_ASSESSMENT"),
        ("seed-s2", "ACUTE_ASSESSMENT"),
        ("seed-s3", SURGERY),
        ("seed-s4", "ACUTE_ASSESSMENT"),
    ],
)
def test_high_energy_trauma_at_registration(profile, place):
    clinic = clinic_in_memory(profile=profile).tell(registered(mechanism="high_energy"))
    assert clinic.place == place


@pytest.mark.parametrize("profile", PROFILES)
def test_over_fifty_with_a_first_fracture_is_a_work_up_only_in_seed_3(profile):
    clinic = clinic_in_memory(profile=profile).tell(registered(first_fracture=True))
    assert clinic.place == (WORK_UP if profile == "seed-s3" else "ACUTE_ASSESSMENT")


PROPOSED, PERSON = "AUGMENTATION_REFERRAL.proposed", "REASSESSMENT"


@pytest.mark.parametrize(
    ("profile", "status", "place"),
    [
        ("default", pain(8), PROPOSED),
        ("default", pain(5), PERSON),
        ("default", pain(2, "improving"), PERSON),
        ("seed-s1", pain(8), PROPOSED),
        ("seed-s1", pain(5), PERSON),
        ("seed-s2", pain(5), PROPOSED),
        ("seed-s2", pain(2, "improving"), PERSON),
        ("seed-s3", pain(5), PROPOSED),
        ("seed-s4", pain(5), PROPOSED),
    ],
)
def test_what_three_months_of_care_lead_to(profile, status, place):
    clinic = in_reassessment(profile=profile).tell(decided("complete_reassessment", outcome="continue"))
    clinic.at("2026-02-20 10:00").tell(scanned()).at("2026-03-30 10:00").tell(status).at("2026-04-06 08:00")
    assert clinic.place == place
    assert ("augmentation", "sent") not in clinic.referrals


@pytest.mark.parametrize(("day", "place"), [("2026-01-27 07:59", CARE), ("2026-01-27 08:00", PROPOSED)])
def test_seed_0_judges_failure_after_three_weeks(day, place):
    clinic = in_care(profile="seed-s0").at("2026-01-20 10:00").tell(pain(4)).at(day)
    assert clinic.place == place


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("technique", ["kyphoplasty", "vertebroplasty"])
def test_vertebroplasty_is_refused_only_by_seed_3(profile, technique):
    if profile == "seed-s0":
        clinic = in_care(profile=profile).at("2026-01-20 10:00").tell(pain(8)).at("2026-01-27 09:00")
    else:
        clinic = with_augmentation_proposed(profile=profile)
    refusal = clinic.ask(decided("confirm_augmentation", technique=technique))
    blocked = profile == "seed-s3" and technique == "vertebroplasty"
    assert (refusal.code if refusal else "") == ("VERTEBROPLASTY_BLOCKED" if blocked else "")


@pytest.mark.parametrize(
    ("profile", "shown"),
    [
        ("default", {"R-CALCITONIN", "R-RISK"}),
        ("seed-s0", {"R-RISK"}),
        ("seed-s1", {"R-CALCITONIN"}),
        ("seed-s2", {"R-CALCITONIN"}),
        ("seed-s3", {"R-CALCITONIN"}),
        ("seed-s4", {"R-CALCITONIN"}),
    ],
)
def test_what_is_recommended_of_what_the_seeds_disagree_on(profile, shown):
    clinic = clinic_in_memory(profile=profile).tell(registered(), scanned(collapse_pct=30))
    found = advice(clinic.episode, ENGINE.guideline, ENGINE.profile(profile), clinic.calendar.today)
    assert {item.rule.id for item in found} & {"R-CALCITONIN", "R-RISK"} == shown


def test_the_warning_about_vertebroplasty_is_the_default_profile_s():
    def warned(profile):
        clinic = with_augmentation_proposed(profile=profile)
        found = advice(clinic.episode, ENGINE.guideline, ENGINE.profile(profile), clinic.calendar.today)
        return "R-VP-WARN" in {item.rule.id for item in found}

    assert [profile for profile in PROFILES if profile != "seed-s0" and warned(profile)] == ["default"]


def test_seed_3_refers_deformity_after_three_months():
    clinic = in_care(profile="seed-s3").tell(scanned(progressive_kyphosis=True))

    def shown():
        found = advice(clinic.episode, ENGINE.guideline, ENGINE.profile("seed-s3"), clinic.calendar.today)
        return "R-DELAYED-REFERRAL" in {item.rule.id for item in found}

    clinic.at("2026-04-05 10:00")
    assert not shown()
    clinic.at("2026-04-06 10:00")
    assert shown()


def test_an_episode_keeps_its_profile_and_so_does_the_next_fracture():
    clinic = in_care(profile="seed-s4")
    assert (clinic.episode.profile, clinic.episode.guideline) == ("seed-s4", "vcf/1")
