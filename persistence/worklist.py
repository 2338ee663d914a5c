"""The worklist: every open task with its patient, red flags first, then the most overdue.

One definition of overdue for screens, digests and counts: the window is over when the local day is after
`overdue_after`.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import select

from pathway.calendar import local_date
from pathway.episode import Episode
from pathway.guideline import Guideline
from persistence import models
from persistence.history import episodes_as_of
from persistence.store import Store, table


@dataclass(frozen=True, slots=True)
class WorkItem:
    """One open task of one patient. Dates are local to the site; `today` is the day it was looked at."""

    patient: str
    name: str
    birth_date: date | None
    episode: str
    n: int
    state: str
    sub: str | None
    level: str | None
    code: str
    title: str
    role: str
    due: date
    overdue_after: date
    opened_at: datetime
    owner: str | None
    red_flag: bool
    engineering: bool
    cites: tuple[str, ...]
    zone: str
    today: date

    @property
    def days_overdue(self) -> int:
        """Days since the window closed; 0 while it is open."""
        return max(0, (self.today - self.overdue_after).days)

    @property
    def when(self) -> str:
        if self.days_overdue:
            return "overdue"
        return "due" if self.due <= self.today else "upcoming"

    @property
    def urgency(self) -> tuple[Any, ...]:
        return (not self.red_flag, -self.days_overdue, self.due, self.name, self.episode, self.code)


def worklist(
    store: Store,
    at: datetime,
    *,
    as_of: datetime | None = None,
    role: str | None = None,
    owner: str | None = None,
) -> list[WorkItem]:
    """Open work as it stands at `at`, or as it stood at `as_of`, most urgent first."""
    found = _then(store, as_of) if as_of else _now(store, at)
    wanted = (i for i in found if role in (None, i.role) and owner in (None, i.owner))
    return sorted(wanted, key=lambda item: item.urgency)


def _now(store: Store, at: datetime) -> Iterator[WorkItem]:
    tasks, episodes, people = table(models.Task), table(models.Episode), table(models.Patient)
    query = (
        select(tasks, episodes, people.c.surname, people.c.given, people.c.birth_date)
        .join_from(tasks, episodes, tasks.c.episode_id == episodes.c.id)
        .join(people, people.c.id == episodes.c.patient_id)
        .where(tasks.c.status == "open")
    )
    guideline = store.engine.guideline
    with store.database.reading() as connection:
        for row in connection.execute(query).mappings():
            yield _item(guideline, _of_row(row), local_date(at, row[episodes.c.zone]))


def _of_row(row: Mapping[Any, Any]) -> dict[str, Any]:
    tasks, episodes, people = table(models.Task), table(models.Episode), table(models.Patient)
    return {
        "patient": row[episodes.c.patient_id],
        "name": full_name(row[people.c.surname], row[people.c.given]),
        "birth_date": row[people.c.birth_date],
        "episode": row[episodes.c.id],
        "n": row[episodes.c.n],
        "state": row[episodes.c.state],
        "sub": row[episodes.c.sub],
        "level": row[episodes.c.level],
        "owner": row[episodes.c.owner],
        "zone": row[episodes.c.zone],
        "code": row[tasks.c.code],
        "due": row[tasks.c.due],
        "overdue_after": row[tasks.c.overdue_after],
        "opened_at": row[tasks.c.opened_at],
    }


def _then(store: Store, instant: datetime) -> Iterator[WorkItem]:
    names = people_names(store)
    for episode in episodes_as_of(store, instant):
        for found in _open_work(episode, names.get(episode.patient, "")):
            yield _item(store.engine.guideline, found, episode.today(instant))


def _open_work(episode: Episode, name: str) -> Iterable[dict[str, Any]]:
    for task in episode.tasks:
        if task.status == "open":
            yield {
                "patient": episode.patient,
                "name": name,
                "birth_date": episode.birth_date,
                "episode": episode.id,
                "n": episode.n,
                "state": episode.state,
                "sub": episode.sub,
                "level": episode.level,
                "owner": episode.owner,
                "zone": episode.zone,
                "code": task.code,
                "due": task.due,
                "overdue_after": task.overdue_after,
                "opened_at": task.opened_at,
            }


def _item(guideline: Guideline, found: dict[str, Any], today: date) -> WorkItem:
    rule = guideline.tasks[found["code"]]
    return WorkItem(
        **found,
        title=rule.title,
        role=rule.role,
        red_flag=rule.red_flag,
        engineering=rule.engineering,
        cites=rule.cites,
        today=today,
    )


def people_names(store: Store) -> dict[str, str]:
    people = table(models.Patient)
    query = select(people.c.id, people.c.surname, people.c.given)
    with store.database.reading() as connection:
        return {row.id: full_name(row.surname, row.given) for row in connection.execute(query)}


def full_name(surname: str, given: str) -> str:
    """SURNAME, Given: as a banner shows it; Not known rather than a blank."""
    if not surname:
        return given or "Not known"
    return f"{surname.upper()}, {given}" if given else surname.upper()
