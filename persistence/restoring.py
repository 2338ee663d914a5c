"""Putting whole journals, taken out elsewhere, into a database that does not know their patients."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, DateTime, insert, select, update
from sqlalchemy.types import Date
from sqlmodel import SQLModel

from pathway.engine import Change
from pathway.errors import StoreError
from persistence import models
from persistence.names import full_name, name_key
from persistence.registry import table, upsert
from persistence.store import Store
from persistence.utc import UtcDateTime

Row = dict[str, Any]


class NotTheSame(StoreError):
    """What would be stored is not what the journal says; nothing was saved."""


@dataclass(frozen=True, slots=True)
class Taken:
    """One patient as taken out: people (records that were merged into this one as well), episodes with the hash of
    their last line, messages with their outcome, attempts to deliver them, and the merges that stand."""

    patient: str
    people: Sequence[Row]
    changes: Sequence[Change]
    last_hashes: Mapping[str, str]
    messages: Sequence[Row]
    deliveries: Sequence[Row]
    merges: Sequence[Row]
    moved: Sequence[Row]


def known_lines(store: Store, ends: Mapping[str, int]) -> dict[str, str]:
    """The hash of that line of each of those episodes, where the database has it."""
    entries = table(models.Entry)
    found = {}
    with store.database.reading() as connection:
        for name, seq in ends.items():
            query = select(entries.c.hash).where(entries.c.episode_id == name, entries.c.seq == seq)
            line = connection.scalar(query)
            if line is not None:
                found[name] = line
    return found


def known_people(store: Store, numbers: Sequence[str]) -> list[str]:
    people = table(models.Patient)
    with store.database.reading() as connection:
        return list(connection.scalars(select(people.c.id).where(people.c.id.in_(numbers)).order_by(people.c.id)))


def restore(store: Store, taken: Taken) -> None:
    """All of it in one transaction. Raises NotTheSame, and StoreError where it cannot be written."""
    with store.database.writing() as connection:
        upsert(connection, models.Patient, [_person(row) for row in taken.people], keep=True)
        store.write_changes(connection, taken.changes, {})
        _require_the_same(connection, taken.last_hashes)
        upsert(connection, models.Reminder, [typed(models.Reminder, row) for row in taken.messages])
        if taken.deliveries:
            connection.execute(
                insert(table(models.Delivery)), [typed(models.Delivery, row) for row in taken.deliveries]
            )
        _merge(connection, taken)


def _person(row: Row) -> Row:
    known = typed(models.Patient, row)
    # Which record it goes on in is written when that one is there.
    return {**known, "name_key": name_key(full_name(known["surname"], known["given"])), "merged_into": None}


def _require_the_same(connection: Connection, last_hashes: Mapping[str, str]) -> None:
    """The lines were written anew; their hashes say whether they are the same ones."""
    episodes = table(models.Episode)
    query = select(episodes.c.id, episodes.c.last_hash).where(episodes.c.id.in_(list(last_hashes)))
    stored = {row.id: row.last_hash for row in connection.execute(query)}
    for name, expected in last_hashes.items():
        if stored.get(name) != expected:
            raise NotTheSame(name)


def _merge(connection: Connection, taken: Taken) -> None:
    """Merges as they stand: the records and in which of them each episode is followed."""
    numbers = {}
    for row in taken.merges:
        values = {name: value for name, value in typed(models.RecordMerge, row).items() if name != "id"}
        made = connection.execute(insert(table(models.RecordMerge)).values(**values)).inserted_primary_key
        assert made is not None
        numbers[row["id"]] = made[0]
    episodes, people = table(models.Episode), table(models.Patient)
    for row in taken.moved:
        values = {**typed(models.MovedEpisode, row), "merge_id": numbers[row["merge_id"]]}
        connection.execute(insert(table(models.MovedEpisode)).values(**values))
        # Every merge of the chain ends in this patient; the last one says the number.
        place = {"patient_id": taken.patient, "n": row["n"]}
        connection.execute(update(episodes).where(episodes.c.id == row["episode_id"]).values(**place))
        for model in (models.Contact, models.Reminder):
            rows = table(model)
            own = rows.c.episode_id == row["episode_id"]
            connection.execute(update(rows).where(own).values(patient_id=taken.patient))
    for row in taken.people:
        if row.get("merged_into"):
            values = {"merged_into": row["merged_into"]}
            connection.execute(update(people).where(people.c.id == row["id"]).values(**values))


def typed(model: type[SQLModel], row: Mapping[str, Any]) -> Row:
    """A row that was written as JSON, as the database takes it; raises ValueError where it is no such row."""
    columns = {column.name: column for column in table(model).columns}
    unknown = sorted(set(row) - set(columns))
    if unknown:
        raise ValueError(f"a row of {model.__tablename__} has no {', '.join(unknown)}")
    return {name: _value(columns[name].type, value) for name, value in row.items()}


def _value(kind: Any, value: Any) -> Any:
    if value is None or not isinstance(value, str):
        return value
    if isinstance(kind, UtcDateTime | DateTime):
        return datetime.fromisoformat(value)
    return datetime.fromisoformat(value).date() if isinstance(kind, Date) else value
