"""Stores on real databases, and a way to put patients and random histories on them."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import event, func, select

from pathway.engine import Case, Change, Engine
from pathway.episode import Episode, to_document
from pathway.journal import Entry, Step
from persistence import models
from persistence.database import Database
from persistence.store import Person, Store, table
from tests.journeys.histories import History
from tests.journeys.people import ENGINE, decided, examined, registered, scanned

ZONE = "Europe/London"
OPENED = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
CARE = (registered(), examined(), scanned("2026-01-05"), decided("start_conservative"))


@contextmanager
def store_on(url: str, engine: Engine = ENGINE) -> Iterator[Store]:
    """On a database that has its tables."""
    database = Database(url)
    yield Store(database, engine)
    database.close()


@contextmanager
def store_in(file: Path, engine: Engine = ENGINE) -> Iterator[Store]:
    """In a new SQLite file."""
    database = Database(f"sqlite:///{file}")
    database.upgrade()
    yield Store(database, engine)
    database.close()


def tell(store: Store, *steps: Step, at: datetime = OPENED, patient: str = "P1") -> None:
    for step in steps:
        refusal = store.record(Person(patient, ZONE), step, at).refusal
        assert refusal is None, refusal


def tell_history(store: Store, history: History, patient: str) -> Iterator[tuple[datetime, list[dict[str, Any]]]]:
    """Record a random history; after each step, the instant and what is stored by then."""
    person = Person(patient, history.zone, history.profile)
    for told in history.told:
        store.record(person, told.step, told.at, episode_n=told.n, catch_up=told.up)
        yield told.at, documents(store, patient)


def documents(store: Store, patient: str) -> list[dict[str, Any]]:
    return [to_document(episode) for episode in store.case(patient).episodes]


def many_in_care(store: Store, count: int, prefix: str = "N") -> None:
    """That many patients in conservative care since OPENED, put on the shelf in one go."""
    people, changes = {}, []
    for number in range(count):
        name = f"{prefix}{number:04d}"
        people[name] = Person(name, ZONE)
        changes.append(in_care(name))
    store.add_histories(people, changes)


def in_care(patient: str) -> Change:
    case, lines = Case(patient, ZONE), list[Entry]()
    for step in CARE:
        (change,) = ENGINE.record(case, step, OPENED).changes
        case.episodes = [change.episode]
        lines += change.entries
    return Change(case.episodes[0], tuple(lines))


def episode(store: Store, patient: str = "P1") -> Episode:
    return store.case(patient).episodes[-1]


def counts(store: Store) -> dict[str, int]:
    """How many rows every table has."""
    with store.database.reading() as connection:
        tables = models.SQLModel.metadata.sorted_tables
        return {t.name: connection.scalar(select(func.count()).select_from(t)) for t in tables}


def rows(store: Store, model: Any, **match: Any) -> list[Any]:
    """In the order of their keys: a server gives what was not ordered as it likes."""
    found = table(model)
    query = select(found).where(*(found.c[name] == value for name, value in match.items()))
    query = query.order_by(*found.primary_key.columns)
    with store.database.reading() as connection:
        return list(connection.execute(query))


@contextmanager
def statements(store: Store) -> Iterator[list[str]]:
    """The statements that reach the database meanwhile; one for many rows counts once."""
    heard: list[str] = []

    def listen(_connection, _cursor, statement, _parameters, _context, _many) -> None:
        heard.append(" ".join(statement.split())[:60])

    event.listen(store.database.engine, "before_cursor_execute", listen)
    try:
        yield heard
    finally:
        event.remove(store.database.engine, "before_cursor_execute", listen)
