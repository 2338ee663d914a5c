"""Taking in an export of an engine like this one: the journals are replayed, nobody is enrolled anew.

Each patient goes in whole or not at all. What is here already stays as it is, however far it has gone on since.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from coordinator.fhir.findings import Findings, Place
from coordinator.fhir.journal_files import Json, NotBelieved, last_recorded, taken_from
from coordinator.fhir.records import Intake
from pathway.calendar import show_instant
from pathway.errors import StoreError
from persistence.restoring import Taken, known_lines, known_people, restore

# Clocks of two machines differ a little.
TOLERANCE = timedelta(minutes=5)


@dataclass
class Restored:
    """The patients whose journals went in (or, in a rehearsal, would), how many episodes, and who was here already."""

    patients: list[str] = field(default_factory=list)
    episodes: int = 0
    known: int = 0


def restore_all(
    intake: Intake, findings: Findings, journals: Iterable[tuple[Json, Place]], on_patient: Any = lambda: None
) -> Restored:
    restored = Restored()
    for resource, place in journals:
        try:
            _restore(intake, restored, taken_from(resource, intake.store.engine))
        except (NotBelieved, StoreError) as refusal:
            findings.refuse(place, f"{str(refusal).rstrip('.')}; nothing of this patient was taken in")
        on_patient()
    return restored


def _restore(intake: Intake, restored: Restored, taken: Taken) -> None:
    ends = {change.episode.id: change.entries[-1].seq for change in taken.changes}
    if known_lines(intake.store, ends) == taken.last_hashes:
        restored.known += 1
        return
    here = known_people(intake.store, [row["id"] for row in taken.people])
    if here:
        because = f"patient {here[0]} is followed here already, and not by this journal"
        raise NotBelieved(f"{because}; an export is taken in where its patients are not known yet")
    last = last_recorded(taken)
    if last > intake.now + TOLERANCE:
        shown = show_instant(last, intake.zone)
        raise NotBelieved(f"its last line was recorded on {shown}, which is ahead of the clock of this machine")
    if not intake.dry_run:
        restore(intake.store, taken)
    restored.patients.append(taken.patient)
    restored.episodes += len(taken.changes)
