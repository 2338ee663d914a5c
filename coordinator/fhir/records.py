"""One patient's record during an import: in the store, or, in a rehearsal, in memory only."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from coordinator.cohort_file import same_person
from coordinator.fhir.people import Who
from pathway.calendar import local_date
from pathway.engine import Case, Outcome
from pathway.episode import Episode
from pathway.errors import NoSuchPatient
from pathway.journal import Step, plain
from persistence.store import Person, Store


@dataclass(frozen=True, slots=True)
class Intake:
    """Where and when files are taken in, and which system they come from. A rehearsal writes nothing."""

    store: Store
    now: datetime
    zone: str
    profile: str
    owner: str
    source: str = ""
    dry_run: bool = False

    @property
    def today(self) -> date:
        return local_date(self.now, self.zone)


class Record:
    """Found by any number that the person has or had: what comes under one that was merged away lands here too."""

    def __init__(self, intake: Intake, number: str, who: Who | None) -> None:
        self._intake = intake
        try:
            self._case = intake.store.case(number)
        except NoSuchPatient:
            self._case = Case(number, intake.zone, intake.profile)
        self._person = Person(
            self._case.patient, intake.zone, intake.profile, who.surname if who else "", who.given if who else ""
        )
        # The number of the source first: by it what was recorded is known again.
        self.numbers = tuple(dict.fromkeys((number, *intake.store.numbers_of(number))))

    @property
    def number(self) -> str:
        """The number by which the source knows the person."""
        return self.numbers[0]

    @property
    def episodes(self) -> list[Episode]:
        return self._case.episodes

    @property
    def open_episodes(self) -> list[Episode]:
        guideline = self._intake.store.engine.guideline
        return [episode for episode in self.episodes if not guideline.is_terminal(episode.state)]

    def belongs_to_somebody_else(self, who: Who | None) -> bool:
        """The number is known here, under another name or date of birth; of merged records one that fits is enough."""
        found = [known for number in self.numbers if (known := self._intake.store.person(number)) is not None]
        if not found or who is None:
            return False
        birth = who.birth.day if who.birth and who.birth.precision == "day" else None
        return not any(same_person(who.surname, birth, known.surname, known.birth_date) for known in found)

    def knows(self, event_id: str) -> bool:
        return any(event_id in episode.event_ids for episode in self.episodes)

    def record(self, step: Step, *, episode_n: int | None = None) -> Outcome:
        intake = self._intake
        if intake.dry_run:
            outcome = intake.store.engine.record(self._case, step, intake.now, episode_n=episode_n)
        else:
            outcome = intake.store.record(self._person, step, intake.now, episode_n=episode_n)
            if step.event == "register" and outcome.refusal is None:
                intake.store.name_person(self._person)
        changed = {change.episode.id: change.episode for change in outcome.changes}
        kept = [changed.pop(episode.id, episode) for episode in self.episodes]
        self._case = replace(self._case, episodes=[*kept, *changed.values()])
        return outcome


def digest(*parts: Any) -> str:
    """A short name for exactly these values."""
    text = json.dumps(plain(list(parts)), sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def resource_name(intake: Intake, number: str, ref: str) -> str:
    """The same resource of the same system and patient has the same name for ever, whatever it says."""
    return digest(intake.source, number, ref)


def said(data: Mapping[str, Any]) -> str:
    """The same content has the same name, however it is spelled in the file."""
    return digest(data)
