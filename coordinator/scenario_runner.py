"""Scenarios against the real engine, the real store and the real scheduler's settle, in virtual time.

In memory, or on any empty database that is named: SQLite or PostgreSQL.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import inspect, select

from pathway.engine import Engine
from pathway.episode import Episode
from pathway.errors import NoSuchPatient, StoreError
from pathway.guideline import Guideline, Profile
from pathway.journal import Refusal, Step
from pathway.scenario import Audit, Scenario, Walk, trace
from pathway.scenario_checks import Failure, run
from persistence import models
from persistence.database import Database
from persistence.journal import INTAKE
from persistence.store import Person, Store, table

BATCH = 200
IN_MEMORY = "sqlite://"


class StoreWorld:
    """A world on a database of its own."""

    def __init__(self, store: Store, zone: str, profile: str) -> None:
        self.store, self.zone, self.profile = store, zone, profile
        self._audits: list[Audit] = []
        self._read: set[tuple[str, int]] = set()

    def record(
        self, patient: str, step: Step, at: datetime, *, episode_n: int | None, catch_up: bool
    ) -> Refusal | None:
        person = Person(patient, self.zone, self.profile)
        return self.store.record(person, step, at, episode_n=episode_n, catch_up=catch_up).refusal

    def settle(self, at: datetime) -> None:
        # One pass fires all that an episode owes; another is needed only when the batch was full.
        while self.store.settle(at, BATCH).episodes == BATCH:
            pass

    def next_wake(self) -> datetime | None:
        return self.store.next_wake()

    def episodes(self, patient: str) -> Sequence[Episode]:
        try:
            return self.store.case(patient).episodes
        except NoSuchPatient:
            return []

    def patients(self) -> Sequence[str]:
        return self.store.patients()

    def audits(self) -> Sequence[Audit]:
        """Every audit event so far; only what is new since the last call is read."""
        entries = table(models.Entry)
        query = select(entries).order_by(entries.c.recorded_at, entries.c.episode_id, entries.c.seq)
        if self._audits:
            query = query.where(entries.c.recorded_at >= self._audits[-1].at)
        with self.store.database.reading() as connection:
            rows = connection.execute(query).all()
        for row in rows:
            if (row.episode_id, row.seq) not in self._read:
                self._read.add((row.episode_id, row.seq))
                self._audits += [
                    Audit(row.patient_id, _number(row.episode_id), row.recorded_at, effect)
                    for effect in json.loads(row.effects)["effects"]
                ]
        return self._audits


def _number(episode_id: str) -> int | None:
    return None if episode_id == INTAKE else int(episode_id.rpartition("-")[2])


@dataclass(frozen=True, slots=True)
class Stage:
    """A database that is emptied before each scenario; see `stage`."""

    database: Database
    guideline: Guideline

    def walk(self, scenario: Scenario) -> Walk:
        profile = self.guideline.profile(scenario.profile)
        if scenario.profile_overrides:
            profile = profile.overridden(scenario.profile_overrides)
        self.clear()
        store = Store(self.database, _engine(self.guideline, profile))
        world = StoreWorld(store, scenario.timezone, profile.id)
        return Walk(scenario, world, self.guideline, profile)

    def clear(self) -> None:
        with self.database.writing() as connection:
            for found in reversed(models.SQLModel.metadata.sorted_tables):
                connection.execute(found.delete())

    def close(self) -> None:
        """Leave the database as it was found: with its tables and no rows."""
        self.clear()
        self.database.close()


def _engine(guideline: Guideline, profile: Profile) -> Engine:
    return Engine(guideline, {profile.id: profile})


def stage(guideline: Guideline, url: str = IN_MEMORY) -> Stage:
    """A stage in memory: real, and quick; or on a database that holds nothing. Close it afterwards.

    Raises StoreNotReady for a database of another version, StoreError for one with so much as a single row.
    """
    database = Database(url)
    try:
        _require_nothing(database)
    except BaseException:
        database.close()
        raise
    return Stage(database, guideline)


def _require_nothing(database: Database) -> None:
    """Tables are made where there are none; a row is somebody's work."""
    with database.reading() as connection:
        blank = not inspect(connection).get_table_names()
    if blank:
        database.upgrade()
    database.require_ready()
    with database.reading() as connection:
        tables = models.SQLModel.metadata.sorted_tables
        filled = [found.name for found in tables if connection.execute(select(found).limit(1)).first()]
    if filled:
        because = "expected an empty database, because each scenario begins by emptying it; nothing was run"
        raise StoreError(f"{database.name} has rows in {', '.join(filled)}; {because}")


def run_all(found: Stage, scenarios: Sequence[Scenario]) -> Iterator[tuple[Scenario, list[Failure]]]:
    for scenario in scenarios:
        yield scenario, run(found.walk(scenario))


def trace_all(found: Stage, scenarios: Sequence[Scenario]) -> Iterator[dict[str, Any]]:
    for scenario in scenarios:
        yield from trace(found.walk(scenario))
