"""Out and back: an export taken into an empty database gives the same states, the same due dates and the same work."""

import base64
import json
import shutil
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given
from sqlalchemy import func, select, update

from coordinator.fhir.out.bundles import bundle
from coordinator.fhir.out.files import patient_bundle
from coordinator.fhir.out.journals import journal_document
from coordinator.fhir.out.names import full_url
from coordinator.fhir.out.record import resources
from coordinator.fhir.records import Intake
from coordinator.fhir.taking import take_in
from persistence import models
from persistence.charts import chart
from persistence.journal import line_hash
from persistence.merges import Merged
from persistence.merging import Asked, Undoing, merge, unmerge
from persistence.store import Person, table
from persistence.verify import verify, verify_episode
from persistence.worklist import worklist
from scheduler.channels.logfile import LogFile
from scheduler.outbox import deliver
from tests.fhir import exports, r4
from tests.journeys import repeatable
from tests.journeys.histories import histories
from tests.journeys.people import decided, examined, fractured_again, pain, registered, scanned
from tests.persistence.shelf import OPENED, counts, documents, rows, store_on, tell, tell_history

repeatable.load()

LATER = datetime(2030, 1, 1, tzinfo=UTC)
CARE = (registered(), examined(), scanned("2026-01-05"), decided("start_conservative"))
PARTS = (models.Timer, models.Task, models.Referral, models.Alert, models.Contact, models.LookAgain, models.Move)


@pytest.fixture(scope="module")
def two_houses(new_url):
    with store_on(new_url()) as ours, store_on(new_url()) as theirs:
        yield ours, theirs


@pytest.fixture
def ours(url):
    with store_on(url) as store:
        yield store


@pytest.fixture
def theirs(empty_file, tmp_path):
    """The other house is on SQLite: whoever reads a journal cannot see where it was written."""
    with store_on(f"sqlite:///{shutil.copy(empty_file, tmp_path / 'theirs.db')}") as store:
        yield store


@pytest.fixture
def sent(file):
    """A house on SQLite, for what is about the journal and not about the database."""
    with store_on(f"sqlite:///{file}") as store:
        yield store


def take(store, folder: Path, *found, now=LATER, **options):
    path = folder / "export.ndjson"
    path.write_text("".join(f"{json.dumps(each)}\n" for each in found), encoding="utf-8")
    return take_in(Intake(store, now, "Europe/London", "default", "Desk", **options), path)


def journal_of(store, patient):
    return journal_document(chart(store, patient), store.engine.guideline, LATER)


def parts(store, patient):
    """Every row that is made of the journals of a patient."""
    found = {}
    for episode in store.case(patient).episodes:
        for model in PARTS:
            found[episode.id, model.__tablename__] = sorted(
                rows(store, model, episode_id=episode.id), key=lambda row: repr(tuple(row))
            )
    return found


# ---------------------------------------------------------------- the same again

numbers = count()


@given(history=histories())
def test_any_history_comes_back_the_same(two_houses, tmp_path_factory, history):
    ours, theirs = two_houses
    patient = f"H{next(numbers)}"
    for _ in tell_history(ours, history, patient):
        pass
    written = list(resources(chart(ours, patient), ours.engine.guideline, LATER))
    assert [fault for each in written for fault in r4.faults(each)] == []
    there = {f"{each['resourceType']}/{each['id']}" for each in written}
    assert len(there) == len(written)
    assert {target for each in written for target in r4.references(each)} <= there
    report = take(theirs, tmp_path_factory.mktemp("export"), written[-1])
    assert report.findings.faults == []
    assert report.restored.patients == [patient]
    assert documents(theirs, patient) == documents(ours, patient)
    assert parts(theirs, patient) == parts(ours, patient)
    for episode in theirs.case(patient).episodes:
        assert verify_episode(theirs, episode.id).problems == []
    hashes = [[row.last_hash for row in rows(store, models.Episode, patient_id=patient)] for store in (ours, theirs)]
    assert hashes[0] == hashes[1]


def test_the_next_thing_that_falls_due_is_the_same(ours, theirs, tmp_path):
    tell(ours, *CARE)
    take(theirs, tmp_path, journal_of(ours, "P1"))
    for store in (ours, theirs):
        store.settle(OPENED + timedelta(days=200))
    assert documents(theirs, "P1") == documents(ours, "P1")
    seen = [worklist(store, OPENED + timedelta(days=200)) for store in (ours, theirs)]
    assert seen[0] == seen[1] != []


def test_a_bundle_of_one_patient_comes_back_as_well(ours, theirs, tmp_path):
    tell(ours, *CARE)
    whole = patient_bundle(ours, "P1", LATER)
    report = take(theirs, tmp_path, whole)
    assert (report.restored.patients, report.findings.faults) == (["P1"], [])
    assert documents(theirs, "P1") == documents(ours, "P1")


def test_name_zone_and_profile_come_with_the_journal(ours, theirs, tmp_path):
    person = Person("P1", "Pacific/Auckland", "seed-s3", "Example", "Ann")
    ours.record(person, registered(), OPENED)
    take(theirs, tmp_path, journal_of(ours, "P1"))
    (there,), (here,) = rows(theirs, models.Patient), rows(ours, models.Patient)
    assert tuple(there) == tuple(here)


def test_messages_keep_their_outcome_and_nobody_is_told_twice(ours, theirs, tmp_path):
    tell(ours, *CARE, examined(motor_deficit=True))
    ours.keep_user("clinic@example.org", "Clinic", "clinician", active=True)
    theirs.keep_user("clinic@example.org", "Clinic", "clinician", active=True)
    deliver(ours, [LogFile(tmp_path / "ours.log")], OPENED + timedelta(minutes=1))
    take(theirs, tmp_path, journal_of(ours, "P1"))
    outcomes = [Counter(row.outcome for row in rows(store, models.Reminder)) for store in (ours, theirs)]
    assert outcomes[0] == outcomes[1]
    assert outcomes[0]["sent"] > 0
    assert len(rows(theirs, models.Delivery)) == len(rows(ours, models.Delivery)) > 0
    deliver(theirs, [LogFile(tmp_path / "theirs.log")], OPENED + timedelta(minutes=2))
    assert len(rows(theirs, models.Delivery)) == len(rows(ours, models.Delivery))


def test_a_patient_with_two_fractures_comes_back_with_both(ours, theirs, tmp_path):
    tell(ours, *CARE)
    tell(ours, fractured_again("2026-02-01"), at=OPENED + timedelta(days=30))
    take(theirs, tmp_path, journal_of(ours, "P1"))
    assert documents(theirs, "P1") == documents(ours, "P1")
    assert len(documents(theirs, "P1")) == 2


def test_merged_records_come_back_as_one_and_can_still_be_parted(ours, theirs, tmp_path):
    tell(ours, *CARE)
    tell(ours, registered(level="L2", fracture_date="2025-12-30"), patient="P2")
    made = merge(ours, Asked("P1", "P2", "one person", "D. Sample"), OPENED + timedelta(days=1))
    assert isinstance(made, Merged), made
    tell(ours, pain(5), at=OPENED + timedelta(days=2))
    report = take(theirs, tmp_path, journal_of(ours, "P2"))
    assert report.findings.faults == []
    assert documents(theirs, "P1") == documents(ours, "P1")
    assert documents(theirs, "P2") == documents(ours, "P2")
    assert len(documents(theirs, "P1")) == 2
    assert verify(theirs).problems == []
    (standing,) = rows(theirs, models.RecordMerge)
    parted = unmerge(theirs, Undoing(standing.id, "two people", "D. Sample"), OPENED + timedelta(days=3))
    assert isinstance(parted, Merged), parted
    assert [len(documents(theirs, patient)) for patient in ("P1", "P2")] == [1, 1]
    assert verify(theirs).problems == []


# ---------------------------------------------------------------- again, and what is here already


def test_again_changes_nothing_even_when_life_has_gone_on(ours, theirs, tmp_path):
    tell(ours, *CARE)
    exported = journal_of(ours, "P1")
    take(theirs, tmp_path, exported)
    tell(theirs, pain(7, "worsening"), at=OPENED + timedelta(days=9))
    before = counts(theirs), documents(theirs, "P1")
    report = take(theirs, tmp_path, exported)
    assert (report.restored.known, report.restored.patients, report.findings.faults) == (1, [], [])
    assert (counts(theirs), documents(theirs, "P1")) == before


def test_a_patient_who_is_followed_here_otherwise_is_left_alone(ours, theirs, tmp_path):
    tell(ours, *CARE)
    tell(theirs, registered())
    before = counts(theirs)
    report = take(theirs, tmp_path, journal_of(ours, "P1"))
    (fault,) = report.findings.faults
    assert fault.sentence() == (
        "export.ndjson, line 1, DocumentReference/P1: patient P1 is followed here already, and not by this journal; "
        "an export is taken in where its patients are not known yet; nothing of this patient was taken in."
    )
    assert counts(theirs) == before


def test_a_newer_export_of_what_is_here_is_left_alone(ours, theirs, tmp_path):
    tell(ours, *CARE)
    take(theirs, tmp_path, journal_of(ours, "P1"))
    tell(ours, pain(7, "worsening"), at=OPENED + timedelta(days=9))
    before = counts(theirs)
    report = take(theirs, tmp_path, journal_of(ours, "P1"))
    assert "followed here already" in report.findings.faults[0].because
    assert counts(theirs) == before


def test_a_rehearsal_checks_everything_and_writes_nothing(ours, theirs, tmp_path):
    tell(ours, *CARE)
    before = counts(theirs)
    report = take(theirs, tmp_path, journal_of(ours, "P1"), dry_run=True)
    assert report.restored.patients == ["P1"]
    assert counts(theirs) == before


# ---------------------------------------------------------------- what is not believed


def opened(document):
    text = base64.b64decode(document["content"][0]["attachment"]["data"]).decode()
    return [json.loads(line) for line in text.splitlines()]


def closed(document, lines):
    text = "".join(f"{json.dumps(line)}\n" for line in lines).encode()
    attachment = {**document["content"][0]["attachment"], "data": base64.b64encode(text).decode(), "size": len(text)}
    return {**document, "content": [{"attachment": attachment}]}


def edited(lines):
    step = json.loads(lines[2]["entry"]["step"])
    step["data"]["motor_deficit"] = True
    lines[2]["entry"]["step"] = json.dumps(step)


def edited_with_its_hashes(lines):
    """By somebody who knows how the chain is made, so that only the replay can tell."""
    edited(lines)
    previous = "0" * 64
    entries = [line["entry"] for line in lines if "entry" in line]
    for entry in entries:
        times = {name: datetime.fromisoformat(entry[name]) for name in ("occurred_at", "recorded_at")}
        entry["previous_hash"] = previous
        previous = entry["hash"] = line_hash({**entry, **times})
    lines[0]["episodes"][0]["last_hash"] = previous


def a_line_taken_out(lines):
    del lines[2]


def the_end_cut_off(lines):
    lines.remove([line for line in lines if "entry" in line][-1])


def of_another_guideline(lines):
    lines[0]["guideline"] = "hip/7"


def of_another_profile(lines):
    entry = lines[1]["entry"]
    entry["step"] = entry["step"].replace('"profile":"default"', '"profile":"theirs"')
    edited_with_its_hashes(lines)


def a_message_of_nobody(lines):
    (message, *_) = [line["message"] for line in lines if "message" in line]
    message["key"] = "made up"


def a_message_left_out(lines):
    lines.remove([line for line in lines if "message" in line][0])


def of_another_form(lines):
    lines[0]["form"] = "other/9"


def of_somebody_else(lines):
    lines[0]["patient"] = "P2"


def with_a_strange_column(lines):
    lines[0]["people"][0]["surprise"] = 1


SPOILT = {
    edited: "P1-1 line 2 (observe): the line was changed after it was written",
    edited_with_its_hashes: "this engine makes something else of it",
    a_line_taken_out: "P1-1 line 2: the line is missing, or does not follow the one before it",
    the_end_cut_off: "its heading speaks of",
    of_another_guideline: "it was written under the guideline hip/7, and this engine has vcf/1",
    of_another_profile: "this engine cannot replay it",
    a_message_of_nobody: "no journal in it tells of its message made up",
    a_message_left_out: "its journals tell of a message that is not in it",
    of_another_form: "its journal is not of the form clinical-pathway-journal/1",
    of_somebody_else: "its heading does not say who P2 is",
    with_a_strange_column: "a row of patient has no surprise",
}


@pytest.mark.parametrize("spoil", SPOILT, ids=lambda spoil: spoil.__name__)
def test_what_was_tampered_with_is_refused_in_one_sentence_and_the_others_go_in(sent, theirs, tmp_path, spoil):
    for patient in ("P1", "P3"):
        tell(sent, *CARE, patient=patient)
    tell(sent, examined(motor_deficit=True), at=OPENED + timedelta(hours=1))
    document = journal_of(sent, "P1")
    lines = opened(document)
    spoil(lines)
    report = take(theirs, tmp_path, closed(document, lines), journal_of(sent, "P3"))
    (fault,) = report.findings.faults
    assert SPOILT[spoil] in fault.because
    assert fault.because.endswith("nothing of this patient was taken in")
    assert (fault.place.line, fault.place.resource) == (1, "DocumentReference/P1")
    assert theirs.patients() == ["P3"]
    assert verify(theirs).problems == []


def broken_text(document):
    document["content"][0]["attachment"]["data"] = "§"


def no_attachment(document):
    document["content"] = []


def shorter(document):
    document["content"][0]["attachment"]["size"] += 1


@pytest.mark.parametrize("spoil", [broken_text, no_attachment, shorter], ids=lambda spoil: spoil.__name__)
def test_a_journal_that_cannot_be_read_is_refused(sent, theirs, tmp_path, spoil):
    tell(sent, *CARE)
    document = journal_of(sent, "P1")
    spoil(document)
    report = take(theirs, tmp_path, document)
    assert len(report.findings.faults) == 1
    assert theirs.patients() == []


def test_a_journal_from_the_future_is_refused(sent, theirs, tmp_path):
    tell(sent, *CARE)
    report = take(theirs, tmp_path, journal_of(sent, "P1"), now=OPENED - timedelta(days=1))
    assert "ahead of the clock of this machine" in report.findings.faults[0].because
    assert theirs.patients() == []


# ---------------------------------------------------------------- beside the way in for others


def test_nothing_of_ours_enrols_anybody_by_itself(sent, theirs, tmp_path):
    tell(sent, *CARE)
    found = list(resources(chart(sent, "P1"), sent.engine.guideline, LATER))
    without = [each for each in found if each["resourceType"] != "DocumentReference"]
    report = take(theirs, tmp_path, *without)
    assert theirs.patients() == []
    assert report.enrolled.registered == report.enrolled.candidates == []
    assert "its journals are not with them" in report.findings.notes[-1]


def test_an_export_of_ours_and_one_of_a_hospital_go_in_side_by_side(sent, theirs, tmp_path):
    tell(sent, *CARE)
    report = take(theirs, tmp_path, journal_of(sent, "P1"), exports.patient(), exports.condition())
    assert report.restored.patients == ["P1"]
    assert [number for number, _, _ in report.enrolled.registered] == ["H1"]
    assert sorted(theirs.patients()) == ["H1", "P1"]


def test_a_bundle_of_ours_says_whose_journal_it_is(sent):
    tell(sent, *CARE)
    whole = bundle(resources(chart(sent, "P1"), sent.engine.guideline, LATER), LATER)
    (document,) = [e["resource"] for e in whole["entry"] if e["resource"]["resourceType"] == "DocumentReference"]
    assert document["subject"]["reference"] == full_url("Patient/P1")


def test_a_whole_patient_goes_in_or_nothing_of_them(sent, theirs, tmp_path):
    tell(sent, *CARE)
    with sent.database.writing() as connection:
        entries = table(models.Entry)
        last = connection.scalar(select(func.max(entries.c.seq)))
        connection.execute(update(entries).where(entries.c.seq == last).values(hash="f" * 64))
    report = take(theirs, tmp_path, journal_of(sent, "P1"))
    assert len(report.findings.faults) == 1
    assert sum(counts(theirs).values()) == 0
