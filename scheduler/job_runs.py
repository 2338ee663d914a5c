"""The record of jobs that ran. For a daily job it is also what makes it happen once, whoever asks."""

import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Update, delete, func, select, update

from pathway.errors import StoreError
from persistence import models
from persistence.journal import dumps
from persistence.store import Store, table
from scheduler.outage import note_silence
from scheduler.rows import insert_once

T = TypeVar("T")

# The process that began a daily job and did not finish it by then was killed; somebody else may begin it again.
ABANDONED = timedelta(hours=1)
SETTLE = "settle"
# Beats come every minute; what they did stays for this long.
KEPT = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class _Claim:
    """A daily job in the hands of one process; `since` tells it from whoever begins it later."""

    job: str
    day: date
    since: datetime

    @property
    def slot(self) -> str:
        return self.day.isoformat()


# Claims of this process that are of no use any more and that its database, away just then, still shows.
_to_give_back: WeakKeyDictionary[Store, set[_Claim]] = WeakKeyDictionary()


def note_beat(store: Store, job: str, now: datetime, report: Mapping[str, Any]) -> None:
    """Record a job that runs many times a day, under its instant; old ones are dropped."""
    _give_back(store)
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

    Work that raises leaves the day free, so that the next asker tries again. Where the database is away then, this
    process says so as soon as it is back: with its next beat, or when it is asked for a daily job again.
    """
    _give_back(store)
    claim = _Claim(job, day, now)
    try:
        if not _begin(store, claim):
            return None
        found = work()
        _set(store, job, day, finished_at=now, report=dumps({**report_of(store, job, day), **told(found)}))
    except BaseException:
        _to_give_back.setdefault(store, set()).add(claim)
        with suppress(StoreError):
            _give_back(store)
        raise
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


@dataclass(frozen=True, slots=True)
class Run:
    """A job that happened: when it ended (None: it has not), and what it reported."""

    job: str
    started_at: datetime
    finished_at: datetime | None
    report: Mapping[str, Any]


def latest_runs(store: Store, jobs: Iterable[str], limit: int = 20) -> list[Run]:
    """The last runs of those jobs, the newest first."""
    runs = table(models.JobRun)
    query = select(runs).where(runs.c.job.in_(list(jobs))).order_by(runs.c.started_at.desc(), runs.c.job).limit(limit)
    with store.database.reading() as connection:
        return [
            Run(row.job, row.started_at, row.finished_at, json.loads(row.report)) for row in connection.execute(query)
        ]


def last_finished(store: Store) -> datetime | None:
    runs = table(models.JobRun)
    with store.database.reading() as connection:
        return connection.scalar(select(func.max(runs.c.finished_at)))


def _begin(store: Store, claim: _Claim) -> bool:
    """Whether the job is ours now; one that is finished is nobody's."""
    if done_on(store, claim.job, claim.day):
        return False
    runs = table(models.JobRun)
    with store.database.writing() as connection:
        if insert_once(connection, models.JobRun, _row(claim.job, claim.slot, claim.since)):
            return True
        left = runs.c.started_at <= claim.since - ABANDONED
        return connection.execute(_unfinished(claim).where(left).values(started_at=claim.since)).rowcount == 1


def _give_back(store: Store) -> None:
    """Raises StoreError while the database is away; then they are given back the next time."""
    claims = _to_give_back.get(store, set())
    for claim in tuple(claims):
        ours = table(models.JobRun).c.started_at == claim.since
        with store.database.writing() as connection:
            connection.execute(_unfinished(claim).where(ours).values(started_at=claim.since - ABANDONED))
        claims.discard(claim)


def _unfinished(claim: _Claim) -> Update:
    runs = table(models.JobRun)
    return update(runs).where(runs.c.job == claim.job, runs.c.slot == claim.slot, runs.c.finished_at.is_(None))


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
