"""The patient page as values: banner, where they are, what to do next and why, the past and what lies ahead."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import select

from coordinator.telling import Told, tell
from pathway.advice import Advice, advice
from pathway.calendar import show_date
from pathway.episode import Episode, Task
from pathway.guideline import Guideline
from pathway.preview import Expected, preview
from persistence import models
from persistence.history import case_as_of
from persistence.store import Store, table
from persistence.worklist import full_name

AHEAD = timedelta(days=400)


@dataclass(frozen=True, slots=True)
class Work:
    """An open task with its rule's words: what, by when, whose, on which sources."""

    task: Task
    title: str
    role: str
    closes: str
    cites: tuple[str, ...]
    engineering: bool
    days_overdue: int


@dataclass(frozen=True, slots=True)
class EpisodePage:
    episode: Episode
    state: str
    since: datetime | None
    today: date
    work: tuple[Work, ...]
    advice: tuple[Advice, ...]
    past: tuple[Told, ...]
    ahead: tuple[Expected, ...]


@dataclass(frozen=True, slots=True)
class PatientPage:
    patient: str
    name: str
    birth_date: date | None
    sex: str | None
    alike: int
    episodes: tuple[EpisodePage, ...]
    # The numbers of records that were merged into this one.
    formerly: tuple[str, ...] = ()

    @property
    def banner(self) -> str:
        """SURNAME, Given, born with age, gender and identifier; what is not known is said so."""
        born = show_date(self.birth_date)
        if self.birth_date is not None and self.episodes:
            born += f" ({_years(self.birth_date, self.episodes[-1].today)}y)"
        gender = {"F": "Female", "M": "Male", "other": "Other"}.get(self.sex or "", "Not known")
        return f"{self.name}  Born {born}  Gender {gender}  No. {self.patient}"


def _years(birth: date, today: date) -> int:
    return today.year - birth.year - ((today.month, today.day) < (birth.month, birth.day))


def patient_page(store: Store, patient: str, now: datetime, as_of: datetime | None = None) -> PatientPage:
    """Everything about one patient as known at `as_of` (or now); raises NoSuchPatient."""
    case = case_as_of(store, patient, as_of)
    people = table(models.Patient)
    with store.database.reading() as connection:
        person = connection.execute(select(people).where(people.c.id == case.patient)).one()
        same = select(people.c.id).where(people.c.surname == person.surname, people.c.given == person.given)
        same = same.where(people.c.merged_into.is_(None))
        alike = len(connection.execute(same).all()) - 1 if person.surname else 0
    at = as_of or now
    pages = tuple(_episode_page(store, episode, at) for episode in case.episodes)
    name, formerly = full_name(person.surname, person.given), tuple(store.numbers_of(case.patient)[1:])
    return PatientPage(case.patient, name, person.birth_date, person.sex, alike, pages, formerly)


def _episode_page(store: Store, episode: Episode, at: datetime) -> EpisodePage:
    engine = store.engine
    guideline, today = engine.guideline, episode.today(at)
    entries = store.journal(episode.id, at)
    moved = [e.recorded_at for e in entries for effect in e.effects if effect["event"] == "transition"]
    return EpisodePage(
        episode,
        guideline.states[episode.state].shown(episode.sub),
        moved[-1] if moved else None,
        today,
        tuple(_work(episode, guideline, today)),
        tuple(advice(episode, guideline, engine.profile(episode.profile), today)),
        tuple(tell(entries, guideline)),
        tuple(preview(engine, episode, at + AHEAD, at)),
    )


def _work(episode: Episode, guideline: Guideline, today: date) -> list[Work]:
    found = []
    for task in episode.tasks:
        rule = guideline.tasks[task.code]
        if task.status == "open":
            late = max(0, (today - task.overdue_after).days)
            found.append(Work(task, rule.title, rule.role, rule.closes, rule.cites, rule.engineering, late))
    return sorted(found, key=lambda work: (-work.days_overdue, work.task.due, work.task.code))
