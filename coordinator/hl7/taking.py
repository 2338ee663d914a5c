"""What one message does: people, diagnoses and results by the rules of a FHIR import, merges, what is only noted."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from coordinator.fhir.enrolling import Desk, raise_concern
from coordinator.fhir.people import Numbering, Who, who_of
from coordinator.fhir.records import Intake, Record, digest
from coordinator.fhir.sorting import Person
from coordinator.fhir.taking import Report, take_person
from coordinator.hl7 import merging
from coordinator.hl7.demographics import update_name
from coordinator.hl7.message import Message
from coordinator.hl7.shapes import Group, groups, items_of, patient_of, place_of
from persistence.hl7_messages import NOTED, QUESTION, REFUSED, TAKEN, UNKNOWN

ADMISSIONS = ("A01", "A04", "A08", "A03")
DISCHARGE, UPDATE, MERGE = "A03", "A08", "A40"
RESULTS = "R01"


@dataclass
class Done:
    """What became of a message: its outcome, what was done in words, and whom it was about."""

    outcome: str = NOTED
    said: list[str] = field(default_factory=list)
    patient: str = ""
    report: Report = field(default_factory=Report)

    @property
    def because(self) -> str:
        return "; ".join(self.said)


def take(intake: Intake, message: Message, numbering: Numbering) -> Done:
    """Everything that a message says, or why it says nothing here."""
    kind, _mark, event = message.header.kind.partition("^")
    if (kind, event) == ("ADT", MERGE):
        return _merges(intake, message, numbering)
    wanted = (kind == "ADT" and event in ADMISSIONS) or (kind == "ORU" and event == RESULTS)
    if not wanted:
        name = message.header.kind or "without a kind"
        return Done(UNKNOWN, [f"messages {name} are not used here; it is kept as it came"])
    found = groups(message)
    if not found:
        return Done(REFUSED, ["it names no patient (PID)"])
    done = Done()
    for group in found:
        _take_group(intake, message, group, numbering, done)
    return done


def _take_group(intake: Intake, message: Message, group: Group, numbering: Numbering, done: Done) -> None:
    patient = patient_of(group.patient)
    number, because = numbering.choose(patient)
    if because:
        _refuse(done, because)
        return
    done.patient = done.patient or number
    who, place = who_of(patient, number, intake.zone), place_of(message, group.patient)
    event = message.header.kind.partition("^")[2]
    if event == UPDATE:
        _update(intake, message, who, done)
    items = tuple(items_of(message, group))
    report = Report()
    take_person(intake, report, Person(number, who, place, items), lambda _reference: None)
    _tell(done, report)
    if event == DISCHARGE:
        done.said.append("the discharge is noted, nobody moves by it")


def _refuse(done: Done, because: str) -> None:
    done.outcome = REFUSED
    done.said.append(because)


def _tell(done: Done, report: Report) -> None:
    """What was done, in words. A fault anywhere is told as one, whatever else went in."""
    words = [f"{count} {word}" for word, count in _counts(report).items() if count]
    done.said += words
    done.report = report
    if words and done.outcome == NOTED:
        done.outcome = TAKEN
    for fault in report.findings.faults:
        _refuse(done, f"{fault.place.resource or 'message'}: {fault.because}")


def _counts(report: Report) -> Mapping[str, int]:
    enrolled, observed = report.enrolled, report.observed
    return {
        "enrolled": len(enrolled.registered),
        "followed already": enrolled.known,
        "candidate for a person": len(enrolled.candidates),
        "recorded": observed.recorded,
        "known": observed.known,
        "corrected": observed.corrected + enrolled.corrected,
        "retracted": observed.retracted,
        "candidate withdrawn": enrolled.withdrawn,
        "for a person": enrolled.concerns,
    }


# ---------------------------------------------------------------- who somebody is


def _update(intake: Intake, message: Message, who: Who, done: Done) -> None:
    """A08: a changed name of somebody with the same date of birth is taken over; anything else is for a person."""
    said, question = update_name(intake, who, str(place_of(message)))
    done.said += [said] if said else []
    if said:
        done.outcome = TAKEN
    if question:
        _ask(intake, message, who.number, question, done)


def _ask(intake: Intake, message: Message, number: str, question: str, done: Done) -> None:
    """Put a question on the worklist of whom it is about; where nobody is followed, the message itself waits."""
    report = Report()
    record = Record(intake, number, None)
    name = f"hl7-question:{digest(intake.source, question)}"
    if record.open_episodes:
        desk = Desk(intake, report.findings, report.enrolled)
        raise_concern(desk, record, record.open_episodes[-1], name, "other_free_text", question, place_of(message))
        done.outcome = TAKEN if done.outcome == NOTED else done.outcome
        done.said.append(f"for a person: {question}")
    else:
        done.outcome = QUESTION
        done.said.append(question)


# ---------------------------------------------------------------- A40


def _merges(intake: Intake, message: Message, numbering: Numbering) -> Done:
    done, found = Done(), groups(message)
    pairs = [(group, merged) for group in found for merged in group.merged]
    if not pairs:
        return Done(REFUSED, ["it does not say which record is merged into which (PID and MRG)"])
    for group, merged in pairs:
        _merge(intake, message, numbering, (patient_of(group.patient), merged), done)
    return done


def _merge(
    intake: Intake, message: Message, numbering: Numbering, pair: tuple[Mapping[str, Any], Any], done: Done
) -> None:
    patient, merged = pair
    surviving, because = numbering.choose(patient)
    retired, other = numbering.choose(merging.retired_of(merged))
    if because or other:
        _refuse(done, f"the {'surviving' if because else 'merged'} record: {because or other}")
        return
    done.patient = done.patient or surviving
    answer = merging.merge_by_message(intake, surviving, retired, who_of(patient, surviving, intake.zone), message)
    if answer.question:
        known = surviving if intake.store.person(surviving) is not None else retired
        _ask(intake, message, known, answer.question, done)
        return
    done.said.append(answer.said)
    if answer.merged and done.outcome == NOTED:
        done.outcome = TAKEN
