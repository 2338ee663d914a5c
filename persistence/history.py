"""As things stood then: episodes made again from the lines that had been recorded by an instant."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import select

from pathway.engine import Case
from pathway.episode import Episode
from pathway.errors import NoSuchPatient
from persistence import models
from persistence.journal import entry_of
from persistence.store import Store, table


def episodes_as_of(store: Store, instant: datetime, patient: str | None = None) -> Iterator[Episode]:
    """Every episode (of one patient, if named) as it was known at `instant`."""
    entries, episodes = table(models.Entry), table(models.Episode)
    query = (
        select(entries, episodes.c.patient_id.label("whose"), episodes.c.n)
        .join(episodes, episodes.c.id == entries.c.episode_id)
        .where(entries.c.recorded_at <= instant)
        .order_by(entries.c.episode_id, entries.c.seq)
    )
    if patient is not None:
        query = query.where(episodes.c.patient_id == patient)
    with (
        store.database.reading() as connection,
        # Closed here: whoever asks for the first few leaves the rest unread.
        connection.execution_options(yield_per=2000).execute(query) as rows,
    ):
        for _, lines in groupby(rows, key=lambda row: row.episode_id):
            yield _in_its_record(store, list(lines))


def _in_its_record(store: Store, lines: list[Any]) -> Episode:
    """Of records that were merged since, each journal is told as it was then, in the record that it is in now."""
    found = store.engine.replay(entry_of(row) for row in without_gap(lines))
    found.patient, found.n = lines[0].whose, lines[0].n
    return found


def without_gap(lines: Iterable[Any]) -> Iterator[Any]:
    """The lines from the first up to a gap: clocks of one network differ, so a later line may be dated earlier."""
    for expected, row in enumerate(lines, 1):
        if row.seq != expected:
            return
        yield row


def case_as_of(store: Store, patient: str, instant: datetime | None) -> Case:
    """A patient as known at `instant`, or now when it is None; raises NoSuchPatient."""
    case = store.case(patient)
    if instant is None:
        return case
    found = sorted(episodes_as_of(store, instant, case.patient), key=lambda episode: episode.n)
    if not found:
        raise NoSuchPatient(f"{patient} was not known at {instant.isoformat()}")
    return Case(case.patient, found[-1].zone, case.profile, found)
