from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from coordinator.fhir.candidates import Candidate, waiting
from coordinator.fhir.records import Intake
from coordinator.fhir.taking import Report, take_in
from pathway.episode import Episode, Observation
from persistence.store import Store
from tests.fhir import exports
from tests.persistence.shelf import store_on

NOW = datetime(2026, 3, 16, 9, 0, tzinfo=UTC)


@dataclass
class Desk:
    """A service that takes exports in."""

    store: Store
    folder: Path
    zone: str = "Europe/London"
    now: datetime = NOW

    def take(self, *resources: Any, kind: str = "transaction", **options: Any) -> Report:
        """One Bundle of these resources."""
        return self.file(exports.write(self.folder, *resources, kind=kind), **options)

    def file(self, path: Path, *, system: str = "", **options: Any) -> Report:
        return take_in(self.intake(**options), path, system=system)

    def intake(self, **options: Any) -> Intake:
        return Intake(self.store, self.now, self.zone, "default", "Desk", **options)

    def episodes(self, number: str = "H1") -> list[Episode]:
        return self.store.case(number).episodes

    def facts(self, kind: str, number: str = "H1") -> list[Observation]:
        return list(self.episodes(number)[-1].facts(kind))

    def lines(self) -> int:
        return sum(len(self.store.journal(episode.id)) for episode in self.store.episodes())

    def waiting(self) -> list[Candidate]:
        return waiting(self.store, self.now)

    def reasons(self) -> list[tuple[str, ...]]:
        return [found.reasons for found in self.waiting()]


@pytest.fixture
def desk(url: str, tmp_path: Path) -> Iterator[Desk]:
    """On SQLite and on PostgreSQL."""
    with store_on(url) as store:
        yield Desk(store, tmp_path)


@pytest.fixture
def small_desk(file: Path, tmp_path: Path) -> Iterator[Desk]:
    """On SQLite only: for what is about files and not about the database."""
    with store_on(f"sqlite:///{file}") as store:
        yield Desk(store, tmp_path)
