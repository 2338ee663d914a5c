"""Scenarios against the real engine, the real store and the real scheduler's settle, in virtual time."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from pathway.engine import Engine
from pathway.episode import Episode
from pathway.errors import NoSuchPatient
from pathway.guideline import Guideline, Profile
from pathway.journal import Refusal, Step
from pathway.scenario import Audit, Scenario, Walk, trace
from pathway.scenario_checks import Failure, run
from persistence import models
from persistence.database import Database
from persistence.journal import INTAKE
from persistence.store import Person, Store, table

BATCH = 200


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
    """An in-memory database that is emptied between scenarios: real, and quick."""

    database: Database
    guideline: Guideline

    def walk(self, scenario: Scenario) -> Walk:
        profile = self.guideline.profile(scenario.profile)
        if scenario.profile_overrides:
            profile = profile.overridden(scenario.profile_overrides)
        self._clear()
        store = Store(self.database, _engine(self.guideline, profile))
        world = StoreWorld(store, scenario.timezone, profile.id)
        return Walk(scenario, world, self.guideline, profile)

    def _clear(self) -> None:
        with self.database.writing() as connection:
            for found in reversed(models.SQLModel.metadata.sorted_tables):
                connection.execute(found.delete())


def _engine(guideline: Guideline, profile: Profile) -> Engine:
    return Engine(guideline, {profile.id: profile})


def stage(guideline: Guideline) -> Stage:
    database = Database("sqlite://")
    database.upgrade()
    return Stage(database, guideline)


def run_all(found: Stage, scenarios: Sequence[Scenario]) -> Iterator[tuple[Scenario, list[Failure]]]:
    for scenario in scenarios:
        yield scenario, run(found.walk(scenario))


def trace_all(found: Stage, scenarios: Sequence[Scenario]) -> Iterator[dict[str, Any]]:
    for scenario in scenarios:
        yield from trace(found.walk(scenario))
