"""What auditors read: lines of the journals, views of patients and attempts to sign in, the newest first.

A page goes on after the last line of the page before it, so that the hundredth costs what the first does.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, or_, select, tuple_

from pathway.journal import Entry
from persistence import models
from persistence.journal import by_person, entry_of
from persistence.registry import table
from persistence.store import Store

ENTRIES, VIEWINGS, ATTEMPTS = table(models.Entry), table(models.Viewing), table(models.Attempt)
EPISODES = table(models.Episode)
AT_A_TIME = 500

# Where a page of the journal ended: when the line was recorded, of which episode, its number.
Place = tuple[datetime, str, int]


@dataclass(frozen=True, slots=True)
class Asked:
    """Which lines: of a patient or an episode, of a kind, by a role or a person, refused ones, from and before."""

    patient: str | None = None
    episode: str | None = None
    kind: str | None = None
    actor: str | None = None
    by: str | None = None
    refused: bool = False
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class JournalLine:
    episode: str
    patient: str
    entry: Entry
    previous_hash: str
    hash: str

    @property
    def place(self) -> Place:
        return self.entry.recorded_at, self.episode, self.entry.seq


@dataclass(frozen=True, slots=True)
class JournalPage:
    """`after`: where the next page begins; None on the last."""

    lines: tuple[JournalLine, ...]
    after: Place | None


@dataclass(frozen=True, slots=True)
class Looked:
    """Somebody looked at a patient."""

    id: int
    at: datetime
    email: str
    role: str
    patient: str
    page: str


@dataclass(frozen=True, slots=True)
class Tried:
    """Somebody tried to sign in."""

    id: int
    at: datetime
    email: str
    address: str
    ok: bool


def journal_page(store: Store, asked: Asked, *, after: Place | None = None, size: int = 50) -> JournalPage:
    query = _lines(asked)
    if after is not None:
        query = query.where(tuple_(*_ORDER) < after)
    with store.database.reading() as connection:
        rows = connection.execute(query.limit(size + 1)).all()
    lines = tuple(_line(row) for row in rows[:size])
    return JournalPage(lines, lines[-1].place if len(rows) > size else None)


def journal_lines(store: Store, asked: Asked) -> Iterator[JournalLine]:
    """All of them, read a few hundred at a time: for a file, however long the journals are."""
    with (
        store.database.snapshot() as connection,
        # Closed here: whoever stops early leaves the rest unread.
        connection.execution_options(yield_per=AT_A_TIME).execute(_lines(asked)) as rows,
    ):
        for row in rows:
            yield _line(row)


def viewings(
    store: Store,
    *,
    patient: str | None = None,
    email: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    after: int | None = None,
    size: int = 50,
) -> list[Looked]:
    """Views of patients; `after`: the id of the last one seen."""
    query = _newest(VIEWINGS, email, since, until, after)
    if patient is not None:
        query = query.where(VIEWINGS.c.patient_id == patient)
    with store.database.reading() as connection:
        rows = connection.execute(query.limit(size))
        return [Looked(row.id, row.at, row.email, row.role, row.patient_id, row.page) for row in rows]


def sign_in_attempts(
    store: Store,
    *,
    email: str | None = None,
    failed: bool = False,
    since: datetime | None = None,
    until: datetime | None = None,
    after: int | None = None,
    size: int = 50,
) -> list[Tried]:
    """Attempts to sign in, those that failed only if so asked; `after`: the id of the last one seen."""
    query = _newest(ATTEMPTS, email, since, until, after)
    if failed:
        query = query.where(~ATTEMPTS.c.ok)
    with store.database.reading() as connection:
        rows = connection.execute(query.limit(size))
        return [Tried(row.id, row.at, row.email, row.address, row.ok) for row in rows]


_ORDER = ENTRIES.c.recorded_at, ENTRIES.c.episode_id, ENTRIES.c.seq


def _lines(asked: Asked) -> Select[Any]:
    conditions: list[ColumnElement[bool]] = [
        column == value
        for column, value in (
            (ENTRIES.c.episode_id, asked.episode),
            (ENTRIES.c.kind, asked.kind),
            (ENTRIES.c.actor, asked.actor),
        )
        if value is not None
    ]
    conditions += [_of(asked.patient)] if asked.patient else []
    conditions += [by_person(asked.by)] if asked.by else []
    conditions += [ENTRIES.c.refusal.is_not(None)] if asked.refused else []
    conditions += _during(ENTRIES.c.recorded_at, asked.since, asked.until)
    return select(ENTRIES).where(*conditions).order_by(*(column.desc() for column in _ORDER))


def _of(patient: str) -> ColumnElement[bool]:
    """What was recorded under that number, and all that is in the record which has it now."""
    now = select(EPISODES.c.id).where(EPISODES.c.patient_id == patient)
    return or_(ENTRIES.c.patient_id == patient, ENTRIES.c.episode_id.in_(now))


def _newest(
    target: Any, email: str | None, since: datetime | None, until: datetime | None, after: int | None
) -> Select[Any]:
    """Rows of these tables are numbered as they happen."""
    query = select(target).where(*_during(target.c.at, since, until)).order_by(target.c.id.desc())
    if email is not None:
        query = query.where(target.c.email == email)
    return query.where(target.c.id < after) if after is not None else query


def _during(column: Any, since: datetime | None, until: datetime | None) -> list[ColumnElement[bool]]:
    return ([column >= since] if since else []) + ([column < until] if until else [])


def _line(row: Any) -> JournalLine:
    return JournalLine(row.episode_id, row.patient_id, entry_of(row), row.previous_hash, row.hash)
