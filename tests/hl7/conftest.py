from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from coordinator.fhir.candidates import waiting
from coordinator.hl7.receiving import Received, Site, receive
from persistence.hl7_messages import Listed, messages
from persistence.store import Store
from tests.persistence.shelf import store_on

NOW = datetime(2026, 3, 16, 9, 0, tzinfo=UTC)


@dataclass
class Desk:
    """A service that takes messages in."""

    store: Store
    now: datetime = NOW

    @property
    def site(self) -> Site:
        return Site(self.store, "Europe/London", "default", "Desk")

    def take(self, data: bytes) -> Received:
        return receive(self.site, data, "a test", self.now)

    def taken(self, data: bytes) -> Received:
        found = self.take(data)
        assert (found.code, found.outcome) == ("AA", "taken"), found.because
        return found

    def episodes(self, number: str = "H1"):
        return self.store.case(number).episodes

    def facts(self, kind: str, number: str = "H1"):
        return list(self.episodes(number)[-1].facts(kind))

    def waiting(self):
        return waiting(self.store, self.now)

    def stored(self) -> list[Listed]:
        return messages(self.store.database)

    def lines(self) -> int:
        return sum(len(self.store.journal(episode.id)) for episode in self.store.episodes())


@pytest.fixture
def desk(url: str) -> Iterator[Desk]:
    """On SQLite and on PostgreSQL."""
    with store_on(url) as store:
        yield Desk(store)


@pytest.fixture
def small_desk(file) -> Iterator[Desk]:
    """On SQLite only: for what is about messages and not about the database."""
    with store_on(f"sqlite:///{file}") as store:
        yield Desk(store)
