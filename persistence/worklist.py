"""The worklist: every open task with its patient, red flags first, then the most overdue."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import select

from pathway.episode import Episode
from persistence import models
from persistence.history import episodes_as_of
from persistence.names import full_name
from persistence.store import Store, table
from persistence.work_item import WorkItem, work_item
from persistence.work_page import View, work_items

__all__ = ["WorkItem", "full_name", "people_names", "worklist"]


def worklist(
    store: Store,
    at: datetime,
    *,
    as_of: datetime | None = None,
    role: str | None = None,
    owner: str | None = None,
) -> list[WorkItem]:
    """Open work as it stands at `at`, or as it stood at `as_of`, most urgent first."""
    if as_of is None:
        return list(work_items(store, at, View("all", role=role, owners=(owner,) if owner is not None else ())))
    wanted = (i for i in _then(store, as_of) if role in (None, i.role) and owner in (None, i.owner))
    return sorted(wanted, key=lambda item: item.urgency)


def _then(store: Store, instant: datetime) -> Iterator[WorkItem]:
    names = people_names(store)
    for episode in episodes_as_of(store, instant):
        for found in _open_work(episode, names.get(episode.patient, "")):
            yield work_item(store.engine.guideline, found, episode.today(instant))


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


def people_names(store: Store) -> dict[str, str]:
    people = table(models.Patient)
    query = select(people.c.id, people.c.surname, people.c.given)
    with store.database.reading() as connection:
        return {row.id: full_name(row.surname, row.given) for row in connection.execute(query)}
