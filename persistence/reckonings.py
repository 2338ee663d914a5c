"""Figures of the whole house that take long to reckon: the last reckoning is shown for a while, with its instant.

Where it takes no time worth mentioning nothing is kept, and every look reckons. Kept figures are never older than some
minutes by the house's clock, nor from after it, since a rehearsal may turn its clock back; the running engine reckons
them anew before that, so that hardly anybody waits. A figure is what JSON holds, so that it comes back as it went.
"""

import json
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from time import perf_counter
from typing import Any

from sqlalchemy import Connection, delete, select, update

from pathway.errors import StoreError
from persistence import models
from persistence.bulk import upsert
from persistence.journal import dumps
from persistence.registry import table
from persistence.store import Store

ROWS, EPISODES = table(models.Reckoning), table(models.Episode)
# Seconds that a reckoning takes, and episodes that a house has, from which on it is kept.
WORTH_KEEPING, LARGE = 0.05, 5_000
OLDEST = timedelta(minutes=5)
# The engine reckons anew that often, but has at least so many times the length of a reckoning between two of them.
EVERY, REST, AT_LATEST = timedelta(seconds=45), 10, timedelta(minutes=3)

Reckon = Callable[[Store, datetime], Any]
# Of those who look at the same figures at once, one reckons.
_one_at_a_time: defaultdict[str, Lock] = defaultdict(Lock)


@dataclass(frozen=True, slots=True)
class Reckoned:
    """Figures, and the instant that they are of."""

    at: datetime
    figures: Any


def reckoned(store: Store, at: datetime, name: str, reckon: Reckon) -> Reckoned:
    """What was kept under a name, or as of now."""
    found = _kept(store, at, name)
    if found is not None:
        return found
    if not _is_large(store):
        return Reckoned(at, reckon(store, at))
    with _one_at_a_time[name]:
        return _kept(store, at, name) or _anew(store, at, name, reckon)


def refresh(
    store: Store, now: datetime, known: Callable[[str], Reckon | None], stop: Callable[[], bool] = lambda: False
) -> list[str]:
    """Reckon anew what was kept and is no longer fresh, each by one process only; their names. `known` says how a name
    is reckoned: None for one of another version, which is left to it. `stop` ends it between two of them."""
    done: list[str] = []
    for row in _all(store):
        reckon = known(row.name)
        if stop():
            break
        if reckon is not None and _rested(row, now) and _claimed(store, row, now):
            _anew(store, now, row.name, reckon)
            done.append(row.name)
    return done


def instants(connection: Connection, at: datetime) -> tuple[tuple[str, datetime], ...]:
    """Which figures may be shown at that instant, and of when they are."""
    query = select(ROWS.c.name, ROWS.c.as_of).where(*_usable(at)).order_by(ROWS.c.name)
    return tuple((row.name, row.as_of) for row in connection.execute(query))


def _usable(at: datetime) -> tuple[Any, Any]:
    return ROWS.c.as_of <= at, ROWS.c.as_of >= at - OLDEST


def _kept(store: Store, at: datetime, name: str) -> Reckoned | None:
    query = select(ROWS.c.as_of, ROWS.c.document).where(ROWS.c.name == name, *_usable(at))
    with store.database.reading() as connection:
        row = connection.execute(query).first()
    return Reckoned(row.as_of, json.loads(row.document)) if row is not None else None


def _is_large(store: Store) -> bool:
    query = select(EPISODES.c.id).order_by(EPISODES.c.id).limit(1).offset(LARGE)
    with store.database.reading() as connection:
        return connection.scalar(query) is not None


def _anew(store: Store, at: datetime, name: str, reckon: Reckon) -> Reckoned:
    """Figures as of now, kept if they took long. A database that cannot be written just now shows them all the same."""
    begun = perf_counter()
    figures = reckon(store, at)
    seconds = perf_counter() - begun
    with suppress(StoreError):
        if seconds >= WORTH_KEEPING:
            row = {"name": name, "as_of": at, "begun_at": at, "seconds": seconds, "document": dumps(figures)}
            with store.database.writing() as connection:
                upsert(connection, models.Reckoning, [row])
        elif any(row.name == name for row in _all(store)):
            with store.database.writing() as connection:
                connection.execute(delete(ROWS).where(ROWS.c.name == name))
    return Reckoned(at, figures)


def _all(store: Store) -> list[Any]:
    with store.database.reading() as connection:
        return list(connection.execute(select(ROWS.c.name, ROWS.c.begun_at, ROWS.c.seconds).order_by(ROWS.c.name)))


def _rested(row: Any, now: datetime) -> bool:
    pause = min(max(EVERY, timedelta(seconds=REST * row.seconds)), AT_LATEST)
    return not row.begun_at <= now < row.begun_at + pause


def _claimed(store: Store, row: Any, now: datetime) -> bool:
    """Whether it is ours to reckon: nobody else has set out since it was looked at."""
    mine = (ROWS.c.name == row.name) & (ROWS.c.begun_at == row.begun_at)
    with store.database.writing() as connection:
        return bool(connection.execute(update(ROWS).where(mine).values(begun_at=now)).rowcount == 1)
