"""What an export says of patients who are followed: into their journals once, and corrected as the source is."""

from datetime import date

import pytest

from pathway.journal import Step
from persistence.verify import verify
from tests.fhir.exports import (
    CPT,
    DROP,
    ICD,
    L1,
    LOINC,
    RXNORM,
    SNOMED,
    about,
    at_level,
    coded,
    condition,
    lines,
    observation,
    pain,
    patient,
    state,
)

AN = (patient(), condition())


def told(desk, *resources, **options):
    """Of Ann Example, who has been followed since her L1 fracture of 2 February."""
    return desk.take(*AN, *resources, **options)


def alerts(desk) -> list[str]:
    lines_ = desk.store.journal(desk.episodes()[-1].id)
    return [effect["code"] for line in lines_ for effect in line.effects if effect["event"] == "alert"]


def test_a_pain_score_is_recorded_with_its_day_and_where_it_came_from(desk):
    told(desk, pain("o1", 7, "2026-02-20T23:30:00-05:00"))
    (score,) = desk.facts("symptoms")
    assert (score.data["nrs"], score.effective) == (7, date(2026, 2, 21))
    line = desk.store.journal(desk.episodes()[0].id)[-1]
    assert line.step.by == "export.json, line 1, Observation/o1"
    assert line.actor == "coordinator"


def test_the_site_of_a_t_score_comes_from_its_code(small_desk):
    sites = {"38267-1": "lumbar spine", "38263-0": "femur", "38264-8": "hip", "38265-5": "radius and ulna"}
    scores = [observation(f"o{n}", code, -2.6, f"2026-02-1{n}", "{T-score}") for n, code in enumerate(sites, start=1)]
    told(small_desk, *scores)
    assert [fact.data["site"] for fact in small_desk.facts("dxa")] == list(sites.values())


@pytest.mark.parametrize(
    ("code", "value", "unit", "field", "expected"),
    [
        ("39156-5", 26.4, "kg/m2", "bmi", 26.4),
        ("8302-2", 162.0, "cm", "height_cm", 162),
        ("8302-2", 1.62, "m", "height_cm", 162.0),
        ("29463-7", 61, "kg", "weight_kg", 61),
        ("29463-7", 100, "[lb_av]", "weight_kg", 45.359237),
    ],
)
def test_body_measures_keep_their_units(small_desk, code, value, unit, field, expected):
    told(small_desk, observation("o1", code, value, "2026-02-20", unit))
    (fact,) = small_desk.facts("anthropometry")
    assert fact.data[field] == expected


def test_a_decimal_where_a_whole_number_belongs_is_refused_and_never_rounded(desk):
    """Clinical specification 1.0: refused and kept as refused, and somebody checks the data."""
    report = told(desk, pain("o1", 2.6188757746569062), pain("o2", 6.0, "2026-02-21"))
    assert [fact.data["nrs"] for fact in desk.facts("symptoms")] == [6]
    (fault,) = report.findings.faults
    assert "Observation/o1: nrs was 2.6188757746569062; expected a whole number" in fault.sentence()
    assert desk.episodes()[0].open_task("K-DATAQ") is not None
    before = desk.lines()
    assert told(desk, pain("o1", 2.6188757746569062)).findings.refused == 0
    assert desk.lines() == before


@pytest.mark.parametrize(
    ("parts", "because"),
    [
        ({"effectiveDateTime": "2026-02"}, "its date is only known as a month; not recorded"),
        ({"effectiveDateTime": DROP}, "it has no date that can be read; not recorded"),
        ({"valueQuantity": {"value": 60, "unit": "mm", "code": "mm"}}, "its unit is 'mm', expected '{score}'"),
        ({"valueQuantity": {"value": 7, "comparator": ">"}}, "its value is > 7, no measured value"),
        ({"valueQuantity": DROP, "valueString": "seven"}, "it has no number; not recorded"),
    ],
)
def test_what_cannot_be_used_is_said_in_one_sentence(small_desk, parts, because):
    report = told(small_desk, pain("o1", 7, **parts))
    assert small_desk.facts("symptoms") == []
    (fault,) = report.findings.faults
    assert because in fault.sentence()


@pytest.mark.parametrize("status", ["registered", "preliminary", "unknown"])
def test_what_is_not_final_is_not_recorded(small_desk, status):
    assert told(small_desk, pain("o1", 7, status=status)).observed.recorded == 0


def test_pain_from_before_the_fracture_is_not_of_this_fracture(desk):
    report = told(desk, pain("o1", 9, "2025-12-01"), pain("o2", 5))
    assert [fact.data["nrs"] for fact in desk.facts("symptoms")] == [5]
    assert report.observed.before == 1


def test_of_bone_density_from_before_the_newest_counts(small_desk):
    old = [observation(f"o{year}", "38267-1", -2.0, f"{year}-05-05", "{T-score}") for year in (2015, 2020, 2024)]
    told(small_desk, *old)
    assert [fact.effective.year for fact in small_desk.facts("dxa")] == [2024]


# Again, corrected, withdrawn


def test_the_same_export_again_adds_no_line(desk):
    everything = (pain("o1", 7), observation("o2", "38267-1", -3, "2026-02-10", "{T-score}"), *scans(), *drugs())
    told(desk, *everything)
    before = desk.lines()
    report = told(desk, *everything)
    assert desk.lines() == before
    assert (report.observed.recorded, report.observed.known > 0) == (0, True)


def test_only_the_spelling_of_a_resource_changes_nothing(desk):
    told(desk, pain("o1", 7))
    before = desk.lines()
    again = pain("o1", 7.0, meta={"lastUpdated": "2026-03-01T00:00:00Z"}, code=coded(LOINC, "72514-3", "Pain"))
    told(desk, again)
    assert desk.lines() == before


def test_a_changed_value_retracts_the_old_one_and_records_the_new(desk):
    told(desk, pain("o1", 7))
    report = told(desk, pain("o1", 4))
    assert (report.observed.recorded, report.observed.corrected) == (1, 1)
    assert [fact.data["nrs"] for fact in desk.facts("symptoms")] == [4]
    old = [o for o in desk.episodes()[0].observations if o.retracted]
    assert [o.data["nrs"] for o in old] == [7]
    assert verify(desk.store).line() == "all 1 episodes agree"


def test_an_older_export_after_a_newer_one_changes_nothing_back(desk):
    early, late = {"lastUpdated": "2026-02-21T10:00:00Z"}, {"lastUpdated": "2026-02-25T10:00:00Z"}
    told(desk, pain("o1", 4, meta=late))
    before = desk.lines()
    told(desk, pain("o1", 7, meta=early))
    assert desk.lines() == before


def test_a_value_that_is_changed_and_changed_back_is_followed(desk):
    for day, value in (("21", 7), ("22", 4), ("23", 7)):
        told(desk, pain("o1", value, meta={"lastUpdated": f"2026-02-{day}T10:00:00Z"}))
    assert [fact.data["nrs"] for fact in desk.facts("symptoms")] == [7]


def test_of_two_versions_in_one_export_the_newest_counts(desk):
    early, late = {"lastUpdated": "2026-02-21T10:00:00Z"}, {"lastUpdated": "2026-02-25T10:00:00Z"}
    told(desk, pain("o1", 4, meta=late), pain("o1", 7, meta=early))
    assert [(o.data["nrs"], o.retracted) for o in desk.episodes()[0].observations] == [(4, False)]


@pytest.mark.parametrize("status", ["entered-in-error", "cancelled"])
def test_what_was_entered_in_error_is_retracted_once(desk, status):
    told(desk, pain("o1", 7))
    report = told(desk, pain("o1", 7, status=status))
    assert (report.observed.retracted, desk.facts("symptoms")) == (1, [])
    before = desk.lines()
    told(desk, pain("o1", 7, status=status))
    assert desk.lines() == before


def test_what_a_person_took_back_here_does_not_come_again(desk):
    told(desk, pain("o1", 7))
    (score,) = desk.facts("symptoms")
    desk.store.record("H1", Step("correct", "observation", {"obs_id": score.id, "reason": "other patient"}), desk.now)
    told(desk, pain("o1", 7))
    assert desk.facts("symptoms") == []


def test_a_deletion_in_the_source_is_told_and_left_to_a_person(desk):
    told(desk, pain("o1", 7))
    file = lines(
        desk.folder,
        {
            "resourceType": "Bundle",
            "type": "transaction",
            "entry": [{"request": {"method": "DELETE", "url": "Observation/o1"}}],
        },
    )
    report = desk.file(file)
    assert "Observation/o1: it was deleted in the source" in report.findings.faults[0].sentence()
    assert len(desk.facts("symptoms")) == 1


# Scans, drugs, procedures


def scans():
    mri = coded(LOINC, "24968-0")
    on = "2026-02-10T10:00:00+00:00"
    series = [{"uid": "1.2.3", "modality": {"code": "MR"}, "bodySite": {"system": SNOMED, "code": L1}}]
    return (
        about("DiagnosticReport", "r1", status="final", code=mri, effectiveDateTime=on),
        about("ImagingStudy", "i1", status="available", started=on, series=series),
        about("Procedure", "x1", status="completed", code=mri, performedDateTime=on),
        about("ServiceRequest", "s1", status="completed", intent="order", code=mri, occurrenceDateTime=on),
    )


def drugs():
    def ordered(name, code, text, **parts):
        known = {"status": "active", "intent": "order", "authoredOn": "2026-02-10", **parts}
        return about("MedicationRequest", name, medicationCodeableConcept=coded(RXNORM, code, text), **known)

    return (
        ordered("m1", "857005", "Acetaminophen 325 MG / HYDROcodone Bitartrate 7.5 MG Oral Tablet"),
        ordered("m2", "904419", "Alendronic acid 10 MG Oral Tablet"),
        ordered("m3", "0", "salmon calcitonin nasal spray"),
        ordered("m4", "0", "Amoxicillin 250 MG"),
    )


@pytest.mark.parametrize("which", range(4))
def test_a_scan_is_told_of_by_any_of_its_resources(small_desk, which):
    told(small_desk, scans()[which])
    (scan,) = small_desk.facts("imaging")
    assert (scan.data["modality"], scan.effective) == ("MRI", date(2026, 2, 10))
    assert small_desk.episodes()[0].open_task("K-IMG") is None


def test_one_scan_in_four_resources_is_one_scan(desk):
    told(desk, *scans())
    assert len(desk.facts("imaging")) == 1


def test_an_order_or_a_scan_of_another_part_is_no_scan(small_desk):
    order = about(
        "ServiceRequest",
        "s1",
        status="active",
        intent="order",
        code=coded(LOINC, "24968-0"),
        occurrenceDateTime="2026-02-10",
    )
    series = [{"uid": "1.2.3", "modality": {"code": "MR"}, "bodySite": {"system": SNOMED, "code": "51185008"}}]
    chest = about("ImagingStudy", "i1", status="available", started="2026-02-10T10:00:00+00:00", series=series)
    old = about("Procedure", "x1", status="completed", code=coded(LOINC, "24968-0"), performedDateTime="2019-01-01")
    told(small_desk, order, chest, old)
    assert small_desk.facts("imaging") == []


def test_drugs_are_told_by_code_or_by_their_words(desk):
    told(desk, *drugs())
    (analgesia,) = desk.facts("analgesia")
    assert {name for name, given in analgesia.data.items() if given is True} == {"paracetamol", "opioid"}
    assert [fact.data["agent"] for fact in desk.facts("osteoporosis_rx")] == ["alendronate"]
    assert [fact.data["action"] for fact in desk.facts("calcitonin")] == ["start"]


def test_a_drug_may_stand_in_a_medication_of_its_own(small_desk):
    medication = {"resourceType": "Medication", "id": "med1", "code": coded(RXNORM, "904419")}
    inside = {**medication, "id": "in"}
    order = {"status": "active", "intent": "order", "authoredOn": "2026-02-10"}
    told(
        small_desk,
        medication,
        about("MedicationRequest", "m1", medicationReference={"reference": "Medication/med1"}, **order),
        about("MedicationRequest", "m2", medicationReference={"reference": "#in"}, contained=[inside], **order),
    )
    assert len(small_desk.facts("osteoporosis_rx")) == 2


def test_a_course_of_calcitonin_that_ended_was_stopped(small_desk):
    period = {"start": "2026-02-05", "end": "2026-03-01"}
    drug = {"text": "Calcitonin (salmon) 200 IU"}
    told(
        small_desk,
        about("MedicationStatement", "m1", status="completed", medicationCodeableConcept=drug, effectivePeriod=period),
    )
    assert [fact.data["action"] for fact in small_desk.facts("calcitonin")] == ["start", "stop"]


def test_an_augmentation_moves_nobody_and_is_put_before_a_person(desk):
    done = about("Procedure", "x1", status="completed", code=coded(CPT, "22514"), performedDateTime="2026-03-01")
    for _ in range(2):
        told(desk, done)
    (episode,) = desk.episodes()
    assert (episode.state, episode.open_task("K-DATAQ") is not None) == ("ACUTE_ASSESSMENT", True)
    assert alerts(desk) == ["FREE_TEXT_CONCERN"]


# What must never be swallowed


@pytest.mark.parametrize(
    ("system", "code"),
    [(SNOMED, "264552009"), (SNOMED, "192970008"), (ICD, "G83.4"), (ICD, "G95.20"), (SNOMED, "698754002")],
)
def test_a_coded_neurological_diagnosis_is_a_red_flag(small_desk, system, code):
    told(small_desk, condition("n1", code, system=system, onsetDateTime="2026-02-20"))
    assert small_desk.episodes()[0].path == "SURGICAL_REFERRAL.pending_ack"
    assert "RED_FLAG" in alerts(small_desk)


def test_a_red_flag_moves_on_either_database_and_its_retraction_moves_nobody_back(desk):
    deficit = condition("n1", "G83.4", onsetDateTime="2026-02-20")
    told(desk, deficit)
    told(
        desk, condition("n1", "G83.4", verificationStatus=state("ver-status", "entered-in-error"), clinicalStatus=DROP)
    )
    (episode,) = desk.episodes()
    assert (episode.path, episode.open_task("K-RF-REVIEW") is not None) == ("SURGICAL_REFERRAL.pending_ack", True)


def test_a_fracture_with_cord_injury_is_enrolled_and_flagged(small_desk):
    small_desk.take(patient(), condition(code="1734006", system=SNOMED, bodySite=at_level(L1)))
    assert small_desk.episodes()[0].path == "SURGICAL_REFERRAL.pending_ack"


def test_an_unstable_burst_fracture_is_enrolled_and_flagged(small_desk):
    small_desk.take(patient(), condition(code="S32.012A"))
    assert small_desk.episodes()[0].path == "SURGICAL_REFERRAL.pending_ack"


def test_a_deficit_from_before_the_fracture_is_put_before_a_person(small_desk):
    told(small_desk, condition("n1", "264552009", system=SNOMED, onsetDateTime="2019-01-01"))
    (episode,) = small_desk.episodes()
    assert (episode.state, episode.open_task("K-FREETEXT") is not None) == ("ACUTE_ASSESSMENT", True)


def test_a_bone_metastasis_makes_malignancy_suspected(small_desk):
    told(small_desk, condition("n1", "C79.51", onsetDateTime="2024-01-01"))
    (episode,) = small_desk.episodes()
    assert (episode.malignancy, episode.path) == ("suspected", "IMAGING_REVIEW.malignancy")


def test_a_cancer_in_the_history_is_a_feature(small_desk):
    told(
        small_desk, condition("n1", "C50.911", onsetDateTime="2015-01-01", clinicalStatus=state("clinical", "resolved"))
    )
    (fact,) = small_desk.facts("malignancy_features")
    assert fact.data["cancer_history"] is True


def test_words_of_a_report_that_look_like_a_red_flag_are_put_before_a_person(small_desk):
    report = about(
        "DiagnosticReport",
        "r1",
        status="final",
        code=coded(LOINC, "24968-0"),
        effectiveDateTime="2026-02-10",
        conclusion="Acute L1 fracture with canal stenosis. No cord signal change.",
    )
    told(small_desk, report)
    assert small_desk.episodes()[0].open_task("K-FREETEXT") is not None
    assert len(small_desk.facts("imaging")) == 1


def test_a_death_in_the_source_closes_nothing_and_is_put_before_a_person(desk):
    told(desk)
    for _ in range(2):
        desk.take(patient(deceasedDateTime="2026-03-10"))
    (episode,) = desk.episodes()
    assert (episode.state, episode.open_task("K-FREETEXT") is not None) == ("ACUTE_ASSESSMENT", True)
    assert alerts(desk) == ["FREE_TEXT_CONCERN"]


def test_a_dangerous_finding_on_a_closed_episode_is_a_late_result(desk):
    told(desk)
    desk.store.record("H1", Step("admin", "withdraw", {"reason": "moved away"}), desk.now)
    told(desk, condition("n1", "G83.4", onsetDateTime="2026-02-20"), pain("o1", 3))
    (episode,) = desk.episodes()
    assert (episode.state, alerts(desk), desk.facts("symptoms")) == ("WITHDRAWN", ["LATE_RED_FLAG"], [])


def test_each_open_episode_is_told(small_desk):
    second = condition("c2", "S32.020A", onsetDateTime="2026-02-25", recordedDate="2026-02-25")
    small_desk.take(patient(), condition(), second, pain("o1", 5, "2026-02-20"), pain("o2", 6, "2026-03-01"))
    scores = [[fact.data["nrs"] for fact in episode.facts("symptoms")] for episode in small_desk.episodes()]
    assert scores == [[5, 6], [6]]


def test_a_modifier_extension_is_refused(small_desk):
    turned = pain("o1", 7, modifierExtension=[{"url": "http://example.org/not-done", "valueBoolean": True}])
    report = told(small_desk, turned)
    assert "a person must read it" in report.findings.faults[0].sentence()
    assert small_desk.facts("symptoms") == []


def test_two_systems_may_use_one_id(small_desk):
    told(small_desk, pain("o1", 7), source="A")
    told(small_desk, pain("o1", 5, "2026-02-21"), source="B")
    assert [fact.data["nrs"] for fact in small_desk.facts("symptoms")] == [7, 5]
