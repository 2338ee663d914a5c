"""The list behind a number: the episodes that were counted, with who they are about, by the page."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Select, func, select

from persistence import models
from persistence.names import full_name
from persistence.registry import table
from persistence.store import Store

EPISODES, PEOPLE = table(models.Episode), table(models.Patient)


@dataclass(frozen=True, slots=True)
class Line:
    episode: str
    n: int
    patient: str
    name: str
    birth_date: date | None
    state: str
    sub: str | None
    since: datetime
    owner: str | None


@dataclass(frozen=True, slots=True)
class Lines:
    """One page of them by name, and how many there are in all."""

    rows: tuple[Line, ...]
    total: int


def listed(store: Store, ids: Select[Any], page: int, size: int) -> Lines:
    """The episodes whose ids a statement selects; pages count from 1."""
    columns = [EPISODES.c[name] for name in ("id", "n", "patient_id", "state", "sub", "since", "owner")]
    people = [PEOPLE.c[name] for name in ("surname", "given", "birth_date")]
    wanted = EPISODES.c.id.in_(ids)
    query = (
        select(*columns, *people)
        .join_from(EPISODES, PEOPLE, PEOPLE.c.id == EPISODES.c.patient_id)
        .where(wanted)
        .order_by(PEOPLE.c.name_key, PEOPLE.c.id, EPISODES.c.n)
        .limit(size)
        .offset((page - 1) * size)
    )
    with store.database.snapshot() as connection:
        total = connection.scalar(select(func.count()).select_from(EPISODES).where(wanted)) or 0
        return Lines(tuple(_line(row) for row in connection.execute(query)), total)


def _line(row: Any) -> Line:
    name = full_name(row.surname, row.given)
    return Line(row.id, row.n, row.patient_id, name, row.birth_date, row.state, row.sub, row.since, row.owner)
