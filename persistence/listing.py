"""Lists that are read on from a key: what comes in meanwhile neither repeats nor hides what was there."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, select, tuple_

from persistence import models
from persistence.registry import table
from persistence.search import fitting
from persistence.store import Store

PEOPLE, EPISODES, TASKS = table(models.Patient), table(models.Episode), table(models.Task)
ENTRIES, OUTBOX = table(models.Entry), table(models.Reminder)


@dataclass(frozen=True, slots=True)
class EpisodesAsked:
    """Which episodes: of a patient, in a state, of an owner; still open ones of all states."""

    patient: str | None = None
    state: str | None = None
    owner: str | None = None
    states: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class TasksAsked:
    """Which tasks: open, suspended or closed; of a role; of an episode; due up to a local day."""

    status: str | None = "open"
    role: str | None = None
    episode: str | None = None
    due_until: date | None = None


@dataclass(frozen=True, slots=True)
class MessagesAsked:
    """Which rows of the outbox."""

    outcome: str | None = None
    kind: str | None = None
    patient: str | None = None


def patients_after(store: Store, after: str | None, size: int, q: str = "") -> Sequence[Row]:
    """The identity rows in the order of their numbers, each person once; `q`: as people are searched."""
    where = [PEOPLE.c.merged_into.is_(None)]
    where += [PEOPLE.c.id > after] if after is not None else []
    where += [fitting(q)] if q.strip() else []
    return _read(store, select(PEOPLE).where(*where).order_by(PEOPLE.c.id).limit(size))


def episodes_of(store: Store, patients: Sequence[str]) -> Sequence[Row]:
    return _read(store, _episodes().where(EPISODES.c.patient_id.in_(patients)).order_by(EPISODES.c.n))


def episodes_after(store: Store, asked: EpisodesAsked, after: str | None, size: int) -> Sequence[Row]:
    """Episodes without their documents, in the order of their ids."""
    where = _equal(EPISODES, patient_id=asked.patient, state=asked.state, owner=asked.owner)
    where += [EPISODES.c.state.in_(asked.states)] if asked.states is not None else []
    where += [EPISODES.c.id > after] if after is not None else []
    return _read(store, _episodes().where(*where).order_by(EPISODES.c.id).limit(size))


def episode_named(store: Store, episode: str) -> Row | None:
    """An episode without its document, or None."""
    return next(iter(_read(store, _episodes().where(EPISODES.c.id == episode))), None)


def tasks_after(store: Store, asked: TasksAsked, after: tuple[str, str, int] | None, size: int) -> Sequence[Row]:
    """Tasks with whose they are, in the order of episode, code and number."""
    key = tuple_(TASKS.c.episode_id, TASKS.c.code, TASKS.c.n)
    where = _equal(TASKS, status=asked.status, role=asked.role, episode_id=asked.episode)
    where += [TASKS.c.due <= asked.due_until] if asked.due_until is not None else []
    where += [key > after] if after is not None else []
    source = select(TASKS, EPISODES.c.patient_id).join(EPISODES, EPISODES.c.id == TASKS.c.episode_id)
    return _read(store, source.where(*where).order_by(TASKS.c.episode_id, TASKS.c.code, TASKS.c.n).limit(size))


def entries_after(store: Store, episode: str, after: int, size: int, until: datetime | None = None) -> Sequence[Row]:
    """Journal rows of one episode, oldest first, after a line; as known at `until`."""
    where = [ENTRIES.c.episode_id == episode, ENTRIES.c.seq > after]
    where += [ENTRIES.c.recorded_at <= until] if until is not None else []
    return _read(store, select(ENTRIES).where(*where).order_by(ENTRIES.c.seq).limit(size))


def messages_after(store: Store, asked: MessagesAsked, after: tuple[datetime, str] | None, size: int) -> Sequence[Row]:
    """Rows of the outbox, the oldest first."""
    where = _equal(OUTBOX, outcome=asked.outcome, kind=asked.kind, patient_id=asked.patient)
    where += [tuple_(OUTBOX.c.fired_at, OUTBOX.c.key) > after] if after is not None else []
    return _read(store, select(OUTBOX).where(*where).order_by(OUTBOX.c.fired_at, OUTBOX.c.key).limit(size))


def _episodes() -> Any:
    return select(*(column for column in EPISODES.c if column.name not in ("document", "failed_because")))


def _equal(target: Any, **wanted: Any) -> list[ColumnElement[bool]]:
    return [target.c[name] == value for name, value in wanted.items() if value is not None]


def _read(store: Store, query: Any) -> Sequence[Row]:
    with store.database.reading() as connection:
        found: Sequence[Row] = connection.execute(query).all()
        return found
