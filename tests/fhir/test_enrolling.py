"""Who is enrolled without a person, and why everybody else waits for one."""

import json
from datetime import date
from pathlib import Path

import pytest

from coordinator.fhir.candidates import dismiss
from tests.fhir.exports import (
    DROP,
    ICD,
    L1,
    L2,
    SNOMED,
    T12,
    at_level,
    coded,
    condition,
    lines,
    number,
    patient,
    state,
    write,
)

DATA = Path(__file__).parents[1] / "data" / "fhir"


def test_an_open_l1_fracture_of_a_living_adult_is_enrolled(desk):
    report = desk.take(patient(), condition())
    assert [(who, level) for who, level, _ in report.enrolled.registered] == [("H1", "L1")]
    (episode,) = desk.episodes()
    assert (episode.level, episode.onset, episode.precision) == ("L1", date(2026, 2, 2), "day")
    assert (episode.identification, episode.birth_date, episode.owner) == (date(2026, 2, 3), date(1950, 6, 1), "Desk")
    (line, *_) = desk.store.journal(episode.id)
    assert line.step.by.startswith("export.json, line 1, Condition/c1")
    assert desk.store.person("H1").surname == "Example"
    assert desk.waiting() == []


@pytest.mark.parametrize(
    ("code", "site", "level"),
    [
        ("S32.010A", None, "L1"),
        ("S32010D", None, "L1"),
        ("S32.020G", None, "L2"),
        ("S32.011A", None, "L1"),
        ("M80.08XA", L1, "L1"),
        ("M48.56XA", L2, "L2"),
    ],
)
def test_a_code_or_a_body_site_tells_the_level(small_desk, code, site, level):
    small_desk.take(patient(), condition(code=code, **({"bodySite": at_level(site)} if site else {})))
    assert [episode.level for episode in small_desk.episodes()] == [level]


@pytest.mark.parametrize("code", ["443165006", "15724005", "42942008", "311890007"])
def test_with_a_level_in_the_body_site_any_fracture_code_will_do(small_desk, code):
    small_desk.take(patient(), condition(code=code, system=SNOMED, bodySite=at_level(L1)))
    assert [episode.level for episode in small_desk.episodes()] == ["L1"]


@pytest.mark.parametrize("kind", ["transaction", "collection", "searchset", "batch"])
def test_every_kind_of_bundle_is_read(small_desk, kind):
    report = small_desk.take(patient(), condition(), kind=kind)
    assert len(report.enrolled.registered) == 1


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        ({"code": coded(ICD, "M80.08XA")}, "level unknown"),
        ({"code": coded(ICD, "M48.56XA")}, "level unknown (lumbar)"),
        ({"code": coded(SNOMED, "15724005", "Fracture of L1, old")}, "level unknown (the words say L1)"),
        ({"code": coded(ICD, "S32.030A")}, "outside the scope L1 and L2 (L3)"),
        ({"code": coded(ICD, "S22.081A")}, "level unknown (T11 or T12)"),
        ({"code": coded(ICD, "M80.08XA"), "bodySite": at_level(T12)}, "outside the scope L1 and L2 (T12)"),
        ({"code": coded(ICD, "S32.010A"), "bodySite": at_level(L2)}, "level unknown (the condition says L1 and L2)"),
        ({"clinicalStatus": state("clinical", "resolved")}, "resolved"),
        ({"clinicalStatus": state("clinical", "inactive")}, "inactive"),
        ({"clinicalStatus": DROP}, "not said to be active"),
        ({"abatementDateTime": "2026-03-01"}, "ended on 01-Mar-2026"),
        ({"verificationStatus": state("ver-status", "provisional")}, "provisional"),
        ({"code": coded(ICD, "S32.010S")}, "a late stage, no new fracture (sequela)"),
        ({"code": coded(ICD, "S32.010K")}, "a late stage, no new fracture (nonunion)"),
        ({"onsetDateTime": "2026-04-01"}, "its onset lies in the future"),
    ],
)
def test_a_fracture_that_is_not_sure_waits_with_its_reason(small_desk, parts, reason):
    report = small_desk.take(patient(), condition(**parts))
    assert report.enrolled.registered == []
    assert small_desk.reasons() == [(reason,)]
    assert small_desk.store.episodes() == []


@pytest.mark.parametrize(
    ("who", "reason"),
    [
        ({"deceasedBoolean": True}, "deceased"),
        ({"deceasedDateTime": "2026-03-01T23:30:00-05:00"}, "deceased on 02-Mar-2026"),
        ({"birthDate": "2012-01-01"}, "a child"),
        ({"birthDate": DROP}, "date of birth unknown"),
        ({"birthDate": "1950"}, "date of birth only known as year"),
        ({"active": False}, "the patient's record is not active"),
    ],
)
def test_a_patient_who_may_not_be_one_waits_with_the_reason(small_desk, who, reason):
    small_desk.take(patient(**who), condition())
    assert small_desk.reasons() == [(reason,)]
    assert small_desk.store.episodes() == []


def test_an_osteoporotic_fracture_elsewhere_names_the_site(desk):
    """As Synthea has it: two conditions of one event, minutes apart, neither of them of the spine."""
    wrist = condition("c1", "263102004", system=SNOMED, onsetDateTime="2026-02-02T23:58:00+00:00")
    brittle = condition("c2", "443165006", system=SNOMED, onsetDateTime="2026-02-03T00:01:00+00:00")
    desk.take(patient(), wrist, brittle)
    assert desk.reasons() == [("osteoporotic fracture but the site is the wrist", "two conditions of one event")]
    (found,) = desk.waiting()
    assert (found.kind, found.level) == ("osteoporotic", None)


def test_an_osteoporotic_fracture_of_no_site_enrols_nobody(desk):
    desk.take(patient(), condition(code="443165006", system=SNOMED))
    assert desk.reasons() == [("osteoporotic fracture, site not said",)]


def test_a_fracture_that_is_only_named_in_words_waits(desk):
    words = {"text": "Compression fracture of L1"}
    desk.take(patient(), condition() | {"code": words})
    (found,) = desk.waiting()
    assert found.kind == "elsewhere"
    assert found.text == "Compression fracture of L1"


@pytest.mark.parametrize(
    "text", ["Osteoporosis without current pathological fracture", "History of fracture", "Ejection fraction low"]
)
def test_what_denies_a_fracture_is_no_candidate(small_desk, text):
    small_desk.take(patient(), condition() | {"code": {"text": text}})
    assert small_desk.waiting() == []


def test_two_conditions_of_one_event_enrol_once(desk):
    again = condition("c2", onsetDateTime="2026-02-02T09:04:00+00:00")
    vague = condition("c3", "443165006", system=SNOMED)
    report = desk.take(patient(), condition(), again, vague)
    assert len(report.enrolled.registered) == 1
    assert len(desk.episodes()) == 1
    assert desk.waiting() == []


def test_of_two_levels_the_second_is_for_a_person(desk):
    desk.take(patient(), condition("c1", "S32.020A"), condition("c2", "S32.010A"))
    assert [episode.level for episode in desk.episodes()] == ["L1"]
    assert desk.reasons() == [("two conditions of one event (L2, L1)",)]


def test_another_fracture_later_is_a_further_episode(desk):
    later = condition("c2", "S32.020A", onsetDateTime="2026-03-01", recordedDate="2026-03-02")
    desk.take(patient(), condition(), later)
    assert [episode.level for episode in desk.episodes()] == ["L1", "L2"]


def test_the_same_level_with_another_date_is_asked_about(desk):
    desk.take(patient(), condition())
    desk.take(patient(), condition("c9", onsetDateTime="2026-03-01"))
    assert desk.reasons() == [("L1 is followed already, as a fracture of 02-Feb-2026: the same, or another?",)]


@pytest.mark.parametrize("status", ["entered-in-error", "refuted"])
def test_what_nobody_stands_by_is_neither_enrolled_nor_asked_about(small_desk, status):
    report = small_desk.take(patient(), condition(verificationStatus=state("ver-status", status), clinicalStatus=DROP))
    assert (report.enrolled.registered, small_desk.waiting(), report.findings.refused) == ([], [], 0)


# Dates


@pytest.mark.parametrize(
    ("onset", "day", "precision"),
    [
        ("2026-02-02", date(2026, 2, 2), "day"),
        ("2026-02", date(2026, 2, 1), "month"),
        ("2026", date(2026, 2, 3), "unknown"),
        ("2026-02-02T23:30:00-05:00", date(2026, 2, 3), "day"),
        ("2026-02-02T00:30:00+05:00", date(2026, 2, 1), "day"),
    ],
)
def test_the_onset_is_as_precise_as_the_source_and_local_to_the_site(small_desk, onset, day, precision):
    small_desk.take(patient(), condition(onsetDateTime=onset))
    (episode,) = small_desk.episodes()
    assert (episode.onset, episode.precision) == (day, precision)


def test_an_onset_that_is_an_age_or_a_text_leaves_the_day_unknown(desk):
    desk.take(patient(), condition(onsetDateTime=DROP, onsetString="before Christmas"))
    (episode,) = desk.episodes()
    assert (episode.fracture_date, episode.onset_source) == (None, "identification_fallback")


def test_a_zone_far_away_has_its_own_dates(desk):
    desk.zone = "Pacific/Auckland"
    desk.take(patient(), condition(onsetDateTime="2026-02-02T12:30:00+00:00"))
    assert desk.episodes()[0].onset == date(2026, 2, 3)


# Who is who


def test_the_patients_number_is_the_one_that_is_known_here(desk):
    desk.take(patient(), condition())
    both = patient(identifier=[number("NEW", use="official"), number("H1")])
    report = desk.take(both, condition())
    assert (report.enrolled.registered, report.enrolled.known) == ([], 1)


def test_numbers_of_different_patients_here_are_not_mixed(small_desk):
    for mrn in ("H1", "H2"):
        small_desk.take(patient("p1", mrn), condition())
    both = patient(identifier=[number("NEW"), number("H1"), number("H2")])
    report = small_desk.take(both, condition())
    assert "its numbers belong to different patients here (H1, H2)" in report.findings.faults[0].sentence()


def test_a_social_security_number_is_nobodys_number(small_desk):
    private = {"system": "http://hl7.org/fhir/sid/us-ssn", "value": "999-98-3841"}
    small_desk.take(patient(identifier=[private, number("H7")]), condition())
    small_desk.take(patient("only-id", identifier=[private]), condition(of="only-id"))
    assert small_desk.store.patients() == ["H7", "only-id"]


def test_a_system_may_be_named_whose_identifiers_are_ours(desk):
    ours = patient(identifier=[number("A"), {"system": "urn:ours", "value": "9 99"}])
    desk.take(ours, condition(), system="urn:ours")
    assert [episode.patient for episode in desk.store.episodes()] == ["999"]
    report = desk.take(patient("p2", "X"), condition(of="p2"), system="urn:ours")
    assert "Patient/p2: it has no identifier of urn:ours" in report.findings.faults[0].sentence()


def test_a_number_of_two_people_takes_in_neither(desk):
    other = patient("p2", birthDate="1961-01-01", name=[{"family": "Other"}])
    report = desk.take(patient(), other, condition())
    assert desk.store.episodes() == []
    assert "number H1 is also the number of somebody else" in report.findings.faults[0].sentence()


def test_one_person_in_two_records_is_one_person(desk):
    report = desk.take(patient("p1"), patient("p2"), condition("c1"), condition("c2", of="p2"))
    assert (report.people, len(desk.episodes())) == (1, 1)


def test_a_number_that_is_somebody_elses_here_takes_in_nothing(desk):
    desk.take(patient(), condition())
    report = desk.take(patient(name=[{"family": "Stranger"}]), condition("c2", "S32.020A"))
    assert len(desk.episodes()) == 1
    assert "belongs here to somebody else" in report.findings.faults[0].sentence()


def test_two_files_may_use_one_id_for_two_people(desk, tmp_path):
    folder = tmp_path / "export"
    folder.mkdir()
    write(folder, patient("p1", "H1"), condition(), name="a.json")
    write(folder, patient("p1", "H2", name=[{"family": "Other"}]), condition(code="S32.020A"), name="b.json")
    desk.file(folder)
    assert [(e.patient, e.level) for e in desk.store.episodes()] == [("H1", "L1"), ("H2", "L2")]


def test_a_bulk_export_keeps_each_type_in_a_file_of_its_own(desk, tmp_path):
    folder = tmp_path / "bulk"
    folder.mkdir()
    lines(folder, condition(), name="Condition.ndjson")
    lines(folder, patient(), name="Patient.ndjson")
    desk.file(folder)
    assert len(desk.episodes()) == 1


def test_a_fracture_of_a_patient_in_no_file_waits_and_is_told(desk):
    report = desk.take(condition())
    assert [fault.because for fault in report.findings.faults] == [
        "its patient Patient/p1 is in none of the files; not taken in"
    ]
    assert desk.reasons() == [("its patient Patient/p1 is in none of the files",)]


# Again, and corrected


def test_the_same_export_again_adds_no_line(desk):
    desk.take(patient(), condition(), condition("c2", "M80.08XA", onsetDateTime="2020-01-01"))
    before = desk.lines(), desk.waiting()
    report = desk.take(patient(), condition(), condition("c2", "M80.08XA", onsetDateTime="2020-01-01"))
    assert (desk.lines(), desk.waiting()) == before
    assert (report.enrolled.known, [found.what for found in report.enrolled.candidates]) == (1, ["known"])


def test_a_fracture_known_from_a_spreadsheet_is_not_registered_twice(desk):
    desk.take(patient(), condition())
    report = desk.take(patient(), condition("another-id"))
    assert (len(desk.episodes()), report.enrolled.known) == (1, 1)


def test_a_corrected_onset_corrects_the_episode(desk):
    desk.take(patient(), condition())
    report = desk.take(patient(), condition(onsetDateTime="2026-01-30"))
    assert report.enrolled.corrected == 1
    assert desk.episodes()[0].onset == date(2026, 1, 30)
    lines_now = desk.lines()
    desk.take(patient(), condition(onsetDateTime="2026-01-30"))
    assert desk.lines() == lines_now


def test_a_corrected_level_is_for_a_person(desk):
    desk.take(patient(), condition())
    desk.take(patient(), condition(code="S32.020A"))
    (episode,) = desk.episodes()
    assert (episode.level, episode.open_task("K-DATAQ") is not None) == ("L1", True)


def test_an_enrolled_condition_that_was_an_error_is_for_a_person(desk):
    desk.take(patient(), condition())
    wrong = condition(verificationStatus=state("ver-status", "entered-in-error"), clinicalStatus=DROP)
    for _ in range(2):
        desk.take(patient(), wrong)
        (episode,) = desk.episodes()
        assert (episode.state, episode.open_task("K-DATAQ") is not None) == ("ACUTE_ASSESSMENT", True)
    alerts = [e for line in desk.store.journal(episode.id) for e in line.effects if e["event"] == "alert"]
    assert len(alerts) == 1


def test_a_candidate_that_the_source_takes_back_waits_no_more(desk):
    desk.take(patient(), condition(code="M80.08XA"))
    desk.take(patient(), condition(code="M80.08XA", verificationStatus=state("ver-status", "refuted")))
    assert desk.waiting() == []


def test_a_candidate_whose_level_comes_to_light_is_enrolled(desk):
    desk.take(patient(), condition(code="M80.08XA"))
    desk.take(patient(), condition(code="M80.08XA", bodySite=at_level(L1)))
    assert (len(desk.episodes()), desk.waiting()) == (1, [])


def test_a_dismissed_candidate_comes_back_only_when_the_source_changes(desk):
    desk.take(patient(), condition(code="M80.08XA"))
    (found,) = desk.waiting()
    assert dismiss(desk.store, found.id, desk.now, "B. Sample", "an old one") is None
    desk.take(patient(), condition(code="M80.08XA"))
    assert desk.waiting() == []
    desk.take(patient(), condition(code="M80.08XA", onsetDateTime="2026-03-10"))
    assert desk.reasons() == [("level unknown", "changed in the source since a person looked at it")]


def test_a_file_that_ends_too_soon_enrols_nobody_by_itself(desk, tmp_path):
    whole = json.dumps({"resourceType": "Bundle", "type": "collection", "entry": []})
    entries = ",".join(json.dumps({"resource": found}) for found in (patient(), condition()))
    file = tmp_path / "cut.json"
    file.write_text(whole.replace("[]}", f'[{entries},{{"resou'), encoding="utf-8")
    report = desk.file(file)
    assert desk.reasons() == [("the file could not be read to the end",)]
    assert "cut off" in report.findings.faults[0].because


def test_a_rehearsal_writes_nothing(desk):
    resources = (patient(), condition(), condition("c2", "M80.08XA", onsetDateTime="2020-01-01"))
    report = desk.take(*resources, dry_run=True)
    assert (len(report.enrolled.registered), [c.what for c in report.enrolled.candidates]) == (1, ["new"])
    assert (desk.store.episodes(), desk.waiting(), desk.store.patients()) == ([], [], [])


CASES = {
    "l1-deceased.json": [],
    "l1-wedge.json": ["L1"],
    "l2-by-body-site.json": ["L2"],
    "level-unknown.json": [],
    "t12.json": [],
}


def test_the_cases_in_the_repository_are_ours_and_do_what_they_say(desk):
    """Public data hold no fracture with its level, so these are made up and say so."""
    assert sorted(CASES) == sorted(file.name for file in DATA.glob("*.json"))
    for name, levels in CASES.items():
        document = json.loads((DATA / name).read_text(encoding="utf-8"))
        tags = [entry["resource"]["meta"]["tag"][0]["code"] for entry in document["entry"]]
        assert {document["meta"]["tag"][0]["code"], *tags} == {"made-up"}
        report = desk.file(DATA / name)
        assert [level for _, level, _ in report.enrolled.registered] == levels, name
