"""Is the work on the lists the work that the journals tell of? Added up from their words, page by page."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, select

from pathway.owed import STANDS, TELLS, Standing, Thing, owed
from persistence import models
from persistence.collector import paused_collector
from persistence.registry import table
from persistence.store import Store

EPISODES, ENTRIES = table(models.Episode), table(models.Entry)
TASKS, TIMERS = table(models.Task), table(models.Timer)
PAGE = 500
Work = Mapping[Thing, Standing]


def other_work(store: Store) -> tuple[str, ...]:
    """The episodes whose open work or running clocks are other than what the lines of their journal add up to."""
    return tuple(name for name, told, there in _each(store) if told != there)


def _each(store: Store) -> Iterator[tuple[str, Work, Work]]:
    """Every episode with what its journal tells and what the tables have, in pages, each as of one moment."""
    last = ""
    while True:
        with store.database.snapshot() as connection, paused_collector():
            query = select(EPISODES.c.id).where(EPISODES.c.id > last).order_by(EPISODES.c.id).limit(PAGE)
            ids = connection.scalars(query).all()
            told, there = _told(connection, ids), _there(connection, ids)
        if not ids:
            return
        yield from ((name, told.get(name, {}), there.get(name, {})) for name in ids)
        last = ids[-1]


def _told(connection: Connection, ids: Sequence[str]) -> Mapping[str, Work]:
    lines = defaultdict[str, list[str]](list)
    query = select(ENTRIES.c.episode_id, ENTRIES.c.effects).where(ENTRIES.c.episode_id.in_(ids))
    for name, text in connection.execute(query.order_by(ENTRIES.c.episode_id, ENTRIES.c.seq)):
        # Half of the lines tell of neither, and parsing is most of the work.
        if any(tells in text for tells in TELLS):
            lines[name].append(text)
    return {name: owed(_effects(mine)) for name, mine in lines.items()}


def _effects(lines: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    return (effect for line in json.loads(f"[{','.join(lines)}]") for effect in line["effects"])


def _there(connection: Connection, ids: Sequence[str]) -> Mapping[str, Work]:
    found = defaultdict[str, dict[Thing, Standing]](dict)
    tasks = select(TASKS).where(TASKS.c.episode_id.in_(ids), TASKS.c.status.in_(STANDS["task"]))
    for row in connection.execute(tasks):
        standing = row.status, row.due.isoformat(), row.overdue_after.isoformat()
        found[row.episode_id]["task", row.code, row.n] = standing
    timers = select(TIMERS).where(TIMERS.c.episode_id.in_(ids), TIMERS.c.status.in_(STANDS["timer"]))
    for row in connection.execute(timers):
        found[row.episode_id]["timer", row.code, row.due.isoformat()] = (row.status,)
    return found
