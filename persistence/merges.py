"""What is on record of merges: which stand, which episodes they moved, and whether the records say the same."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, or_, select

from pathway.episode import registered_as
from persistence import models
from persistence.database import Database
from persistence.registry import table
from persistence.store import Store

MERGES, MOVED = table(models.RecordMerge), table(models.MovedEpisode)
STANDS = MERGES.c.undone_at.is_(None)


@dataclass(frozen=True, slots=True)
class Merged:
    """Two records that were made one. `rested`: the episodes put to rest because another one goes on.

    `undone_at` is None while it stands.
    """

    id: int
    retired: str
    surviving: str
    at: datetime
    by: str
    because: str
    rested: tuple[str, ...]
    undone_at: datetime | None
    undone_by: str
    undone_because: str


def merged(row: Any) -> Merged:
    return Merged(
        row.id,
        row.retired,
        row.surviving,
        row.merged_at,
        row.merged_by,
        row.because,
        tuple(json.loads(row.rested)),
        row.undone_at,
        row.undone_by,
        row.undone_because,
    )


def merges_of(database: Database, numbers: Sequence[str]) -> list[Merged]:
    """Every merge of these numbers, undone ones too, the newest first."""
    mine = or_(MERGES.c.retired.in_(numbers), MERGES.c.surviving.in_(numbers))
    with database.reading() as connection:
        return [merged(row) for row in connection.execute(select(MERGES).where(mine).order_by(MERGES.c.id.desc()))]


def merge_named(connection: Connection, number: int) -> Merged | None:
    row = connection.execute(select(MERGES).where(MERGES.c.id == number)).first()
    return merged(row) if row else None


def standing_merge(connection: Connection, retired: str) -> Merged | None:
    row = connection.execute(select(MERGES).where(MERGES.c.retired == retired, STANDS)).first()
    return merged(row) if row else None


def moved_by(connection: Connection, number: int) -> Sequence[Any]:
    return connection.execute(select(MOVED).where(MOVED.c.merge_id == number).order_by(MOVED.c.n)).all()


def places_of(connection: Connection, episodes: Sequence[str]) -> dict[str, tuple[str, int]]:
    """Whose each episode is and as which number: as registered, or where the last standing merge took it."""
    found = {name: registered_as(name) for name in episodes}
    query = (
        select(MOVED.c.episode_id, MOVED.c.n, MERGES.c.surviving)
        .join(MERGES, MERGES.c.id == MOVED.c.merge_id)
        .where(STANDS, MOVED.c.episode_id.in_(episodes))
        .order_by(MERGES.c.id)
    )
    return found | {row.episode_id: (row.surviving, row.n) for row in connection.execute(query)}


def goes_on(connection: Connection) -> dict[str, str]:
    """For every number that was merged away, the one under which its record goes on: the end of the chain."""
    rows = connection.execute(select(MERGES.c.retired, MERGES.c.surviving).where(STANDS))
    steps = {row.retired: row.surviving for row in rows}
    ends = {}
    for number in steps:
        end = number
        while end in steps:
            end = steps[end]
        ends[number] = end
    return ends


def astray(store: Store) -> list[str]:
    """Numbers of which the table of patients says otherwise than the merges do."""
    people = table(models.Patient)
    with store.database.snapshot() as connection:
        expected = goes_on(connection)
        said = {
            row.id: row.merged_into
            for row in connection.execute(
                select(people.c.id, people.c.merged_into).where(people.c.merged_into.is_not(None))
            )
        }
    return [
        f"number {number}: the patient says {said.get(number)!r}, the merges {expected.get(number)!r}"
        for number in sorted({*expected, *said})
        if said.get(number) != expected.get(number)
    ]
