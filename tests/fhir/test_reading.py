"""Files as they come: folders, NDJSON, gzip; cut off, huge, of another release; and every fault in one sentence."""

import gzip
import io
import json
import tracemalloc

import pytest

from coordinator.fhir import openings
from coordinator.fhir.findings import Findings
from coordinator.fhir.json_text import NotJson, Window
from coordinator.fhir.openings import files_of
from coordinator.fhir.reading import Reading
from coordinator.fhir.taking import take_in
from tests.fhir.exports import DROP, about, bundle, condition, lines, pain, patient, write


def packed(file):
    target = file.with_name(f"{file.name}.gz")
    target.write_bytes(gzip.compress(file.read_bytes()))
    file.unlink()
    return target


def sentences(report):
    return [fault.sentence() for fault in report.findings.faults]


# Forms


def test_ndjson_is_read_line_by_line(small_desk, tmp_path):
    report = small_desk.file(lines(tmp_path, patient(), "", condition()))
    assert (len(report.enrolled.registered), report.tally.resources) == (1, 2)
    assert str(report.enrolled.registered[0][2]) == "export.ndjson, line 3, Condition/c1"


def test_ndjson_under_another_name_is_known_by_its_lines(small_desk, tmp_path):
    report = small_desk.file(lines(tmp_path, patient(), condition(), name="export.json"))
    assert len(report.enrolled.registered) == 1


@pytest.mark.parametrize("maker", [write, lines])
def test_gzip_of_either_is_unpacked(small_desk, tmp_path, maker):
    report = small_desk.file(packed(maker(tmp_path, patient(), condition())))
    assert len(report.enrolled.registered) == 1


def test_a_folder_is_read_whole_and_other_files_are_left_alone(small_desk, tmp_path):
    folder = tmp_path / "export"
    (folder / "deeper").mkdir(parents=True)
    write(folder, patient(), condition())
    packed(lines(folder / "deeper", pain("o1", 7)))
    (folder / "README.md").write_text("Exported on Monday.")
    report = small_desk.file(folder)
    assert (report.tally.files, report.observed.recorded) == (2, 1)
    assert report.findings.notes == ["Left alone, for their names: README.md."]


def test_a_single_resource_and_a_bundle_in_a_line_are_read(small_desk, tmp_path):
    (tmp_path / "one.json").write_text(json.dumps(patient()))
    report = small_desk.file(tmp_path / "one.json")
    assert report.tally.resources == 1
    report = small_desk.file(lines(tmp_path, bundle(patient(), condition())))
    assert len(report.enrolled.registered) == 1


def test_a_bundle_may_name_its_type_last_and_be_laid_out_over_lines(small_desk, tmp_path):
    whole = bundle(patient(), condition())
    turned = {"entry": whole["entry"], "type": whole["type"], "resourceType": "Bundle"}
    (tmp_path / "turned.json").write_text("\ufeff" + json.dumps(turned, indent=2), encoding="utf-8")
    report = small_desk.file(tmp_path / "turned.json")
    place = report.enrolled.registered[0][2]
    assert (place.resource, 20 < place.line < 60) == ("Condition/c1", True)


def test_unknown_types_are_counted_and_skipped(small_desk):
    report = small_desk.take(patient(), {"resourceType": "Spaceship", "id": "x"}, {"resourceType": "Claim", "id": "y"})
    assert (report.tally.kinds["Spaceship"], report.tally.wanted, report.findings.refused) == (1, 1, 0)


def test_a_bundle_without_a_patient_says_so_for_each_resource_of_use(small_desk):
    report = small_desk.take(pain("o1", 7), {"resourceType": "Claim", "id": "y"})
    assert sentences(report) == [
        "export.json, line 1, Observation/o1: its patient Patient/p1 is in none of the files; not taken in."
    ]


# Faults


def test_lines_that_are_no_resources_are_told_once(small_desk, tmp_path):
    log = ['{"exportId": 1, "eventId": "kickoff"}', '{"exportId": 1, "eventId": "status"}']
    report = small_desk.file(lines(tmp_path, *log, patient(), condition()))
    assert report.findings.notes == [
        "export.ndjson: 2 lines are no FHIR resource (no resourceType), the first on line 1; left alone."
    ]
    assert (report.findings.refused, len(report.enrolled.registered)) == (0, 1)


@pytest.mark.parametrize(
    ("line", "because"),
    [
        ('{"resourceType": "Observation", "id": "o', "the line is not JSON"),
        ("[1, 2]", "the line holds no JSON object"),
        ('{"id": "x", "subject": {"reference": "Patient/p1"}}', "the line has no resourceType"),
        ("[" * 100_000, "nested too deeply"),
        ('{"resourceType": "Patient", "a": NaN}', "NaN is no number"),
        ('{"resourceType": "Patient", "a": ' + "9" * 5000 + "}", "a number of absurd length"),
        (
            '{"resourceType": "Patient", "id": "p2", "name": [{"family": "\\ud800"}], "birthDate": "1950-01-01"}',
            "no text",
        ),
        ('{"resourceType": "Patient", "id": "p2", "name": [{"family": "A\\u0000B"}]}', "no text"),
    ],
)
def test_a_bad_line_is_one_sentence_and_the_others_are_taken_in(small_desk, tmp_path, line, because):
    report = small_desk.file(lines(tmp_path, patient(), line, condition()))
    (said,) = sentences(report)
    assert said.startswith("export.ndjson, line 2")
    assert because in said
    assert len(report.enrolled.registered) == 1


def test_the_last_line_may_be_cut_off(small_desk, tmp_path):
    file = lines(tmp_path, patient(), condition(), pain("o1", 7))
    file.write_bytes(file.read_bytes()[:-40])
    report = small_desk.file(file)
    assert "it is the last line, and may have been cut off" in sentences(report)[0]
    assert len(report.enrolled.registered) == 1


def test_a_bundle_that_is_cut_off_keeps_what_stands_before(small_desk, tmp_path):
    file = write(tmp_path, patient(), condition(), pain("o1", 7))
    file.write_bytes(file.read_bytes()[:-60])
    report = small_desk.file(file)
    assert (
        "the file is cut off (it ends in the middle of a value); the 2 entries before it were read"
        in sentences(report)[0]
    )
    assert small_desk.reasons() == [("the file could not be read to the end",)]


@pytest.mark.parametrize(
    ("content", "because"),
    [
        (b"<Bundle/>", "is XML; expected JSON or NDJSON"),
        (b"PK\x03\x04...", "is a zip archive; unpack it"),
        (b'{"resourceType": "Bundle", "entry": 3}', "its entry is no list"),
        (b'{"resourceType": "Bundle", "entry": [3]}', "the entry is no JSON object"),
        (b'{"resourceType": "Bundle", "entry": [{"resource": []}]}', "entry 1 holds no JSON object"),
        (b"\xff\xfe{\x00}\x00", "the text is not UTF-8"),
        (b'{"resourceType": "Bundle", "entry": [{}] }}', "something follows the end"),
        (b"\x1f\x8bnot really", "is damaged"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_sentence(small_desk, tmp_path, content, because):
    (tmp_path / "bad.json").write_bytes(content)
    (said,) = sentences(small_desk.file(tmp_path / "bad.json"))
    assert said.startswith("bad.json")
    assert because in said


def test_an_empty_file_is_told(small_desk, tmp_path):
    (tmp_path / "empty.json").write_bytes(b"")
    assert small_desk.file(tmp_path / "empty.json").findings.notes == ["empty.json: the file is empty."]


@pytest.mark.parametrize(
    ("wrong", "because"),
    [
        (pain("o1", 7, status="done-and-dusted", foo=1), "foo: Extra inputs are not permitted"),
        (pain("o1", 7, status=DROP), "status: Value for the field 'status' is required"),
        (pain("o1", 7, effectiveDateTime="2026-13-40"), "effectiveDateTime"),
        (pain("o1", 7, valueInteger=7), "Any of one field value"),
        (condition("c2", onsetDateTime=["2026"]), "onsetDateTime"),
        (patient("p2", "H2", birthDate="soon"), "birthDate"),
        (patient("p2", identifier="H2"), "identifier"),
    ],
)
def test_a_resource_that_is_not_valid_is_refused_with_the_reason_and_the_rest_is_kept(small_desk, wrong, because):
    report = small_desk.take(patient(), condition(), wrong)
    (said,) = sentences(report)
    assert f"{wrong['resourceType']}/{wrong['id']}: it is not valid FHIR R4" in said
    assert because in said
    assert len(report.enrolled.registered) == 1


def test_what_belongs_to_a_refused_patient_is_not_told_again(small_desk):
    report = small_desk.take(patient(birthDate="soon"), condition(), pain("o1", 7))
    assert len(sentences(report)) == 1


# Other releases


@pytest.mark.parametrize(
    ("resources", "release", "gave_away"),
    [
        ([condition(clinicalStatus="active", verificationStatus="confirmed")], "STU3", "its clinicalStatus is a word"),
        (
            [condition(clinicalStatus="active", verificationStatus="confirmed", patient={"reference": "Patient/p1"})],
            "DSTU2",
            "its clinicalStatus is a word",
        ),
        ([pain("o1", 7, context={"reference": "Encounter/1"})], "STU3", "context"),
        ([{"resourceType": "MedicationOrder", "id": "m"}], "DSTU2", "R4 has no MedicationOrder"),
        ([{"resourceType": "ProcedureRequest", "id": "m"}], "STU3", "R4 has no ProcedureRequest"),
        ([about("Procedure", "x", status="completed", occurrenceDateTime="2026-02-10")], "R5", "an occurrence"),
        (
            [about("MedicationRequest", "m", status="active", intent="order", medication={"concept": {"text": "x"}})],
            "R5",
            "CodeableReference",
        ),
        (
            [about("ImagingStudy", "i", status="available", series=[{"uid": "1", "modality": {"coding": []}}])],
            "R5",
            "CodeableConcept",
        ),
        (
            [pain("o1", 7, meta={"profile": ["http://hl7.org/fhir/3.0/StructureDefinition/Observation"]})],
            "STU3",
            "it says",
        ),
    ],
)
def test_a_file_of_another_release_is_refused_by_name(small_desk, resources, release, gave_away):
    report = small_desk.take(patient(), *resources, condition("c9", clinicalStatus=DROP, verificationStatus=DROP))
    (said,) = sentences(report)
    assert f"the file is FHIR {release}, not R4" in said
    assert gave_away in said
    assert (report.tally.refused_files, small_desk.waiting()) == (["export.json"], [])


def test_one_resource_of_another_shape_does_not_condemn_a_file(small_desk):
    odd = condition("c2", "M80.08XA", clinicalStatus="active")
    report = small_desk.take(patient(), condition(), condition("c3", "S32.020A", onsetDateTime="2026-03-01"), odd)
    (said,) = sentences(report)
    assert "Condition/c2: it looks like FHIR STU3, not R4" in said
    assert len(report.enrolled.registered) == 2


def test_other_files_of_a_folder_are_taken_in_beside_one_of_another_release(small_desk, tmp_path):
    folder = tmp_path / "mixed"
    folder.mkdir()
    write(folder, patient(), condition(), name="r4.json")
    write(folder, patient("p2", "H2"), condition("c2", of="p2", clinicalStatus="active"), name="stu3.json")
    report = small_desk.file(folder)
    assert (len(report.enrolled.registered), report.tally.refused_files) == (1, ["stu3.json"])


# Size


def test_a_bomb_is_not_unpacked(small_desk, tmp_path, monkeypatch):
    monkeypatch.setattr(openings, "RATIO_FROM", 4 << 20)
    bomb = tmp_path / "bomb.ndjson.gz"
    with gzip.open(bomb, "wb") as stream:
        for _ in range(64):
            stream.write(b" " * (1 << 20) + b"\n")
    (said,) = sentences(small_desk.file(bomb))
    assert "unpacks to more than 200 times its size" in said


def test_packed_data_that_end_too_soon_are_told_and_the_lines_before_kept(small_desk, tmp_path):
    file = packed(lines(tmp_path, patient(), condition(), *(pain(f"o{n}", 5) for n in range(200))))
    file.write_bytes(file.read_bytes()[:-30])
    report = small_desk.file(file)
    assert any("ends in the middle of its compressed data" in said for said in sentences(report))


def resources_of(file) -> int:
    (named,), _ = files_of(file)
    return sum(1 for _ in Reading(named, Findings()).resources())


def peak(call, *arguments) -> int:
    tracemalloc.start()
    try:
        call(*arguments)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("ending", ["json", "ndjson"])
def test_memory_does_not_grow_with_the_file(tmp_path, ending):
    """One Bundle of 1 MB and one of 16 MB: a gigabyte is only more of the same."""
    filler = {"resourceType": "Claim", "id": "x", "note": "n" * 3000}
    peaks = []
    for count in (300, 5000):
        file = tmp_path / f"{count}.{ending}"
        texts = [json.dumps(filler if ending == "ndjson" else {"resource": filler})] * count
        whole = (
            "\n".join(texts) if ending == "ndjson" else '{"resourceType": "Bundle", "entry": [' + ",".join(texts) + "]}"
        )
        file.write_text(whole, encoding="utf-8")
        assert resources_of(file) == count
        peaks.append(peak(resources_of, file))
    small, large = peaks
    assert large < small * 1.5 + 200_000, peaks


def test_what_is_sorted_goes_to_disk_and_not_into_memory(small_desk, tmp_path):
    """Six times the patients and resources of use, each looked at by a model: the sorting table takes them."""
    intake = small_desk.intake(dry_run=True)
    take_in(intake, _spread(tmp_path, 20))
    small, large = (peak(take_in, intake, _spread(tmp_path, count)) for count in (60, 360))
    assert large < small * 2 + 300_000, (small, large)


def _spread(folder, count):
    people = [patient(f"p{n}", f"H{n}") for n in range(count // 10)]
    scores = [pain(f"o{n}", 5, of=f"p{n // 10}") for n in range(count)]
    return lines(folder, *people, *scores, name=f"spread-{count}.ndjson")


# The window on a long text


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
def test_a_text_may_be_cut_anywhere(size):
    text = '{"total": 1234, "ok": true, "no": null, "e": [1.5e3, "\\u00e4\\n", {"deep": [[]]}], "ü": "ß"}'
    source = io.BytesIO(text.encode())
    window = Window(lambda _wanted: source.read(size))
    assert window.value() == json.loads(text)


def test_a_long_text_that_is_no_json_is_not_read_to_its_end():
    source = io.BytesIO(b'{"a": nonsense' + b" " * 50_000_000)
    window = Window(source.read)
    with pytest.raises(NotJson):
        window.value()
    assert source.tell() < 1 << 20
