"""The record of jobs that ran. For a daily job it is also what makes it happen once, whoever asks."""

import json
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import Connection, delete, func, select, update

from persistence import models
from persistence.journal import dumps
from persistence.store import Store, table
from scheduler.outage import note_silence
from scheduler.rows import insert_once

T = TypeVar("T")

# A daily job that was begun and not finished by then was killed; somebody else may begin it again.
ABANDONED = timedelta(hours=1)
SETTLE = "settle"
# Beats come every minute; what they did stays for this long.
KEPT = timedelta(days=2)


def note_beat(store: Store, job: str, now: datetime, report: Mapping[str, Any]) -> None:
    """Record a job that runs many times a day, under its instant; old ones are dropped."""
    runs = table(models.JobRun)
    old = (runs.c.job == job) & (runs.c.slot < (now - KEPT).isoformat())
    row = _row(job, now.isoformat(), now, finished=now, report=report)
    with store.database.writing() as connection:
        if job == SETTLE:
            note_silence(connection, last_beat(connection, job), now)
        connection.execute(delete(runs).where(old))
        insert_once(connection, models.JobRun, row)


def last_beat(connection: Connection, job: str) -> datetime | None:
    runs = table(models.JobRun)
    return connection.scalar(select(func.max(runs.c.finished_at)).where(runs.c.job == job))


def once_a_day(
    store: Store, job: str, day: date, now: datetime, work: Callable[[], T], told: Callable[[T], Mapping[str, Any]]
) -> T | None:
    """Do the work if nobody has done it on that local day; None if somebody has, or is at it.

    Work that raises leaves the day free, so that the next asker tries again.
    """
    if not _begin(store, job, day, now):
        return None
    try:
        found = work()
    except BaseException:
        _set(store, job, day, started_at=now - ABANDONED)
        raise
    _set(store, job, day, finished_at=now, report=dumps({**report_of(store, job, day), **told(found)}))
    return found


def done_on(store: Store, job: str, day: date) -> bool:
    runs = table(models.JobRun)
    query = select(runs.c.finished_at).where(runs.c.job == job, runs.c.slot == day.isoformat())
    with store.database.reading() as connection:
        return connection.scalar(query) is not None


def report_of(store: Store, job: str, day: date) -> dict[str, Any]:
    """What a daily job has reported so far; empty before its first word."""
    runs = table(models.JobRun)
    query = select(runs.c.report).where(runs.c.job == job, runs.c.slot == day.isoformat())
    with store.database.reading() as connection:
        return json.loads(connection.scalar(query) or "{}")


def keep_report(store: Store, job: str, day: date, report: Mapping[str, Any]) -> None:
    """Progress of a daily job, so that whoever begins it again goes on where it stopped."""
    _set(store, job, day, report=dumps(report))


def last_finished(store: Store) -> datetime | None:
    runs = table(models.JobRun)
    with store.database.reading() as connection:
        return connection.scalar(select(func.max(runs.c.finished_at)))


def _begin(store: Store, job: str, day: date, now: datetime) -> bool:
    runs = table(models.JobRun)
    if done_on(store, job, day):
        return False
    with store.database.writing() as connection:
        if insert_once(connection, models.JobRun, _row(job, day.isoformat(), now)):
            return True
        left = (runs.c.finished_at.is_(None)) & (runs.c.started_at <= now - ABANDONED)
        mine = (runs.c.job == job) & (runs.c.slot == day.isoformat())
        return connection.execute(update(runs).where(mine, left).values(started_at=now)).rowcount == 1


def _set(store: Store, job: str, day: date, **values: Any) -> None:
    runs = table(models.JobRun)
    with store.database.writing() as connection:
        mine = (runs.c.job == job) & (runs.c.slot == day.isoformat())
        connection.execute(update(runs).where(mine).values(**values))


def _row(
    job: str,
    slot: str,
    now: datetime,
    *,
    finished: datetime | None = None,
    report: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    return {
        "job": job,
        "slot": slot,
        "started_at": now,
        "finished_at": finished,
        "report": dumps(dict(report or {})),
    }
