"""What is written out, one record at a time: memory stays flat however many there are."""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select

from coordinator.export.tables import CohortRecord, JournalRecord
from coordinator.telling import tell
from pathway.guideline import Guideline
from persistence.audit import Asked, JournalLine, journal_lines
from persistence.every_episode import every_episode
from persistence.store import Store
from persistence.work_item import WorkItem
from persistence.work_page import View, work_items
from persistence.worklist import worklist


def work(store: Store, at: datetime, *, as_of: datetime | None = None, view: View | None = None) -> Iterator[WorkItem]:
    """Open work as it stands, under the filters of a view; or all of it as it stood at `as_of`."""
    if as_of is not None:
        # The journals are read one episode after the other, and the list has an order of its own.
        yield from worklist(store, at, as_of=as_of)
        return
    yield from work_items(store, at, view or View("all"))


def cohort(
    store: Store, at: datetime, *, as_of: datetime | None = None, ids: Select[Any] | None = None
) -> Iterator[CohortRecord]:
    for followed in every_episode(store, at, as_of=as_of, ids=ids):
        yield CohortRecord(followed, store.engine.guideline)


def journal(store: Store, *, as_of: datetime | None = None) -> Iterator[JournalRecord]:
    """Every line that had been recorded by `as_of`, that instant included."""
    until = as_of + timedelta(microseconds=1) if as_of else None
    yield from in_words(journal_lines(store, Asked(until=until)), store.engine.guideline)


def in_words(lines: Iterable[JournalLine], guideline: Guideline) -> Iterator[JournalRecord]:
    for line in lines:
        yield JournalRecord(line, tuple(tell([line.entry], guideline)))
