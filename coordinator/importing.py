"""Taking a cohort file into the store: each good row becomes journal lines, each step recognised if it comes again."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from coordinator.cohort_file import CohortFile, CohortRow, Concern, same_person
from pathway.engine import Case, Outcome
from pathway.errors import NoSuchPatient
from pathway.journal import Refusal, Step
from persistence.store import Person, Store
from scheduler.freshness import IMPORT

CLINICIANS_ACT = ("decide",)


@dataclass(frozen=True, slots=True)
class RowReport:
    """What became of one row: recorded, already known, or refused, and the steps that the engine refused."""

    line: int
    identifier: str
    name: str
    what: str
    recorded: int = 0
    repeated: int = 0
    refusals: tuple[tuple[str, Refusal], ...] = ()
    state: str = ""


@dataclass
class ImportReport:
    rows: list[RowReport] = field(default_factory=list)
    concerns: int = 0

    def count(self, what: str) -> int:
        return sum(row.what == what for row in self.rows)


@dataclass(frozen=True, slots=True)
class Intake:
    """Where and when a file is taken in. A dry run asks the engine and writes nothing."""

    store: Store
    now: datetime
    zone: str
    profile: str
    owner: str
    file: str
    dry_run: bool = False


def take_in(intake: Intake, cohort: CohortFile, on_row: Callable[[], None] = lambda: None) -> ImportReport:
    report = ImportReport()
    for row in cohort.people:
        report.rows.append(_take_row(intake, row))
        on_row()
    for concern in cohort.concerns:
        report.concerns += _take_concern(intake, concern)
    if not intake.dry_run:
        # So that every page can say how old its patients are.
        intake.store.mark_job(IMPORT, intake.now.isoformat(), intake.now)
    return report


def _take_row(intake: Intake, row: CohortRow) -> RowReport:
    report = RowReport(row.line, row.identifier, row.name, "recorded")
    clash = _somebody_else(intake.store, row)
    if clash is not None:
        return replace(report, what="refused", refusals=(("register", clash),))
    scene = _Scene(intake, row)
    known = scene.known_events()
    for number, step in enumerate(_steps(intake, row)):
        # What is known already is not even asked: the same file twice leaves no line behind.
        if step.event_id in known:
            report = replace(report, repeated=report.repeated + 1)
            continue
        outcome = scene.record(step)
        if outcome.refusal is None:
            report = replace(report, recorded=report.recorded + 1)
        else:
            report = replace(report, refusals=(*report.refusals, (step.kind or step.event, outcome.refusal)))
            if number == 0:
                return replace(report, what="refused")
    what = "recorded" if report.recorded else "already known"
    return replace(report, what=what, state=scene.state())


def _somebody_else(store: Store, row: CohortRow) -> Refusal | None:
    known = store.person(row.identifier)
    if known is None or same_person(row.surname, row.birth_date, known.surname, known.birth_date):
        return None
    because = f"number {row.identifier} already belongs to somebody else with another name or date of birth"
    return Refusal("DUPLICATE_EPISODE", f"{because}; nothing in this row was saved")


def _steps(intake: Intake, row: CohortRow) -> Iterator[Step]:
    by = f"{intake.file}, line {row.line}"
    for found in row.steps:
        data: dict[str, Any] = dict(found.data)
        if found.event in ("register", "new_fracture"):
            data["owner"] = row.owner or intake.owner
        if found.kind == "start_conservative":
            data["documented"] = True
        actor = "clinician" if found.event in CLINICIANS_ACT else "coordinator"
        yield Step(found.event, found.kind, data, actor, by, found.event_id)


class _Scene:
    """One row's patient: in the store, or, for a dry run, in memory only."""

    def __init__(self, intake: Intake, row: CohortRow) -> None:
        self._intake, self._row = intake, row
        found = _known_case(intake, row)
        self._known = {name for episode in found.episodes for name in episode.event_ids}
        self._case = found if intake.dry_run else None
        self._person = Person(row.identifier, intake.zone, intake.profile, row.surname, row.given)

    def known_events(self) -> set[str]:
        """The identities of everything that was recorded of this patient before."""
        return self._known

    def record(self, step: Step) -> Outcome:
        if self._case is None:
            outcome = self._intake.store.record(self._person, step, self._intake.now)
            if step.event == "register" and outcome.refusal is None:
                self._intake.store.name_person(self._person)
            return outcome
        outcome = self._intake.store.engine.record(self._case, step, self._intake.now)
        changed = {change.episode.id: change.episode for change in outcome.changes}
        kept = [changed.pop(episode.id, episode) for episode in self._case.episodes]
        self._case = replace(self._case, episodes=[*kept, *changed.values()])
        return outcome

    def state(self) -> str:
        case = self._case or self._intake.store.case(self._row.identifier)
        return case.episodes[-1].path if case.episodes else ""


def _known_case(intake: Intake, row: CohortRow) -> Case:
    try:
        return intake.store.case(row.identifier)
    except NoSuchPatient:
        return Case(row.identifier, intake.zone, intake.profile)


# ---------------------------------------------------------------- free text for a person


def _take_concern(intake: Intake, concern: Concern) -> int:
    """Raise text that only a person may read: on the patient's episode, or on a list where there is none."""
    if concern.looks_like == "formula" or intake.dry_run:
        return 1
    place = f"{intake.file}, line {concern.line}, {concern.column}"
    name = hashlib.sha256(f"{concern.identifier}|{concern.column}|{concern.text}".encode()).hexdigest()[:24]
    data = {"looks_like": concern.looks_like, "text": concern.text, "place": place}
    step = Step("admin", "concern", data, "coordinator", place, f"concern:{name}")
    if concern.identifier and intake.store.person(concern.identifier) is not None:
        if not _raised_before(intake.store, concern.identifier, step):
            intake.store.record(concern.identifier, step, intake.now)
        return 1
    row = {
        "id": name,
        "patient_id": concern.identifier,
        "looks_like": concern.looks_like,
        "place": place,
        "text": concern.text,
        "raised_at": intake.now,
        "closed_by": "",
        "closed_because": "",
    }
    intake.store.keep_concern(row)
    return 1


def _raised_before(store: Store, patient: str, step: Step) -> bool:
    return any(step.event_id in episode.event_ids for episode in store.case(patient).episodes)
