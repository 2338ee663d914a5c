"""The whole way of an export: files are read and sorted, then each patient's resources are taken in."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from coordinator.fhir.codes import known_codes
from coordinator.fhir.enrolling import Desk, Enrolled, enrol, is_gone, keep, raise_concern, take_back
from coordinator.fhir.findings import Findings
from coordinator.fhir.fractures import SPINE, Event, Fracture, events_of, fracture_of
from coordinator.fhir.observing import Observed, observe
from coordinator.fhir.openings import Named, files_of
from coordinator.fhir.people import Numbering
from coordinator.fhir.reading import Reading
from coordinator.fhir.records import Intake, Record, digest
from coordinator.fhir.restoring import Restored, restore_all
from coordinator.fhir.sorting import Item, Person, Sorting, Tally, sorting
from coordinator.fhir.stating import Medication, Reader
from pathway.calendar import show_date

OnProgress = Callable[[str, int, int], None]


@dataclass
class Report:
    """What an import did, or, in a rehearsal, would do."""

    tally: Tally = field(default_factory=Tally)
    findings: Findings = field(default_factory=Findings)
    enrolled: Enrolled = field(default_factory=Enrolled)
    observed: Observed = field(default_factory=Observed)
    restored: Restored = field(default_factory=Restored)
    people: int = 0


def take_in(
    intake: Intake, path: Path, *, system: str = "", on_progress: OnProgress = lambda what, done, of: None
) -> Report:
    """Take in a file or a folder. `system` names the identifiers that are this service's own numbers."""
    report = Report()
    files, others = files_of(path)
    if others:
        shown = ", ".join(others[:5]) + (" …" if len(others) > 5 else "")
        report.findings.note(f"Left alone, for their names: {shown}.")
    if not files:
        report.findings.note(f"{path.name}: there is no JSON or NDJSON file in it.")
    numbering = Numbering(frozenset(intake.store.numbers()), system)
    with sorting(report.findings, numbering, intake.zone) as sorted_:
        report.tally = sorted_.tally
        _read(files, sorted_, report, on_progress)
        sorted_.settle()
        report.restored = restore_all(intake, report.findings, sorted_.journals())
        if report.tally.ours and not (report.restored.patients or report.restored.known or report.findings.refused):
            report.findings.note("These resources are of an export of this engine, and its journals are not with them.")
        _people(intake, sorted_, report, on_progress)
        _orphans(Desk(intake, report.findings, report.enrolled), sorted_, intake.zone)
    return report


def _read(files: list[Named], sorted_: Sorting, report: Report, on_progress: OnProgress) -> None:
    size = sum(named.size for named in files)
    before = 0
    for named in files:
        for consumed in sorted_.file(Reading(named, report.findings)):
            on_progress("Reading", before + consumed, size)
        before += named.size


def _people(intake: Intake, sorted_: Sorting, report: Report, on_progress: OnProgress) -> None:
    of = sorted_.count_people()
    for done, number in enumerate(sorted_.people()):
        person = sorted_.person(number)
        if person is not None:
            report.people += 1
            take_person(intake, report, person, sorted_.medication)
        on_progress("Taking in", done + 1, of)


def take_person(intake: Intake, report: Report, person: Person, medication: Medication) -> None:
    """Everything that was read of one patient, from whichever source it came in this shape."""
    desk = Desk(intake, report.findings, report.enrolled)
    record = Record(intake, person.number, person.who)
    if record.belongs_to_somebody_else(person.who):
        because = f"number {person.number} belongs here to somebody else with another name or date of birth"
        report.findings.refuse(person.place, f"{because}; nothing of this patient was taken in")
        return
    _death(desk, record, person)
    conditions = [item for item in person.items if item.resource["resourceType"] == "Condition"]
    for item in conditions:
        if is_gone(item):
            take_back(desk, record, item)
    for event in events_of(_fractures(conditions, intake.zone)):
        enrol(desk, record, person.who, event)
    if record.episodes:
        reader = Reader(known_codes(), intake.zone, medication)
        observe(desk, report.observed, record, person.items, reader)


def _fractures(conditions: list[Item], zone: str) -> list[Fracture]:
    found = (fracture_of(item, known_codes(), zone) for item in conditions)
    return [fracture for fracture in found if fracture is not None]


def _death(desk: Desk, record: Record, person: Person) -> None:
    """A death in a file closes nothing: a person records it."""
    who = person.who
    if who is None or not who.deceased or not record.open_episodes:
        return
    on = f" on {show_date(who.died.day)}" if who.died else ""
    event_id = f"fhir-death:{digest(desk.intake.source, record.number, on)}"
    text = f"The source says that the patient died{on}: record the death, or say why not."
    raise_concern(desk, record, record.open_episodes[-1], event_id, "death", text, person.place)


def _orphans(desk: Desk, sorted_: Sorting, zone: str) -> None:
    """Resources of nobody: refused one by one; a fracture of the spine is kept for a person all the same."""
    for item, because in sorted_.orphans():
        desk.findings.refuse(item.place, f"{because}; not taken in")
        fracture = fracture_of(item, known_codes(), zone) if item.resource["resourceType"] == "Condition" else None
        if fracture is not None and fracture.spine:
            subject = str(item.resource.get("subject", {}).get("reference", ""))
            keep(desk, "", None, Event((fracture,), SPINE, fracture.level), [because], subject)
