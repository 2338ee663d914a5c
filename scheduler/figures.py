"""What the database says about the machinery: counts and instants, in which no patient is named."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, case, exists, func, select

from persistence import models
from persistence.hl7_messages import waiting_messages
from persistence.store import Store, table
from persistence.webhooks import untold

OUTCOMES = ("sent", "delivered", "suppressed", "too_late", "failed")
BEATS = ("settle", "deliver")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Outage:
    """A channel that failed when it was last asked, and since when."""

    channel: str
    failures: int
    since: datetime
    open_until: datetime


@dataclass(frozen=True, slots=True)
class Check:
    """The last run of a nightly check, and whether it was content."""

    at: datetime
    content: bool


@dataclass(frozen=True, slots=True)
class Work:
    """What a beat did in the last hour: how often, for how many seconds, and how much fired (settling only)."""

    job: str
    runs: int
    seconds: float
    fired: int


@dataclass(frozen=True, slots=True)
class Figures:
    """What the database says. Instants are aware UTC; None where there is no such thing.

    due: episodes with work that fell due and is not done, set aside ones not counted. untried: messages that were
    to go out more than an hour ago and were not taken up. retried: those that were refused more than an hour ago
    and still wait. outcomes: of the last 24 hours. skew: how many seconds the database's clock is ahead of the
    machine's; None on SQLite, which has no clock of its own.
    """

    last_settle: datetime | None
    first_settle: datetime | None
    last_work: datetime | None
    due: int
    oldest_due: datetime | None
    set_aside: int
    set_aside_tries: int
    waiting: int
    oldest_waiting: datetime | None
    untried: int
    retried: int
    outcomes: Mapping[str, int]
    outages: tuple[Outage, ...]
    census: Check | None
    verify: Check | None
    work: tuple[Work, ...]
    skew: float | None
    # HL7 v2 messages that a person has to look at: refused, unreadable, a question, or stored and not done for an hour.
    hl7_waiting: int = 0
    # State changes of which a webhook was not told within an hour, or not at all: given up in the last 24 hours.
    webhooks_untold: int = 0


def read_figures(store: Store, connection: Connection, now: datetime, skew: float | None) -> Figures:
    """All of them, with the difference of the clocks as the caller has measured it."""
    return Figures(
        last_settle=_settled(connection, first=False),
        first_settle=_settled(connection, first=True),
        last_work=_last_work(store, connection),
        **_episodes(connection, now),
        **_outbox(connection, now),
        outcomes=_outcomes(connection, now),
        outages=_outages(connection),
        census=_check(connection, "census"),
        verify=_check(connection, "verify"),
        work=tuple(_work(connection, job, now) for job in BEATS),
        skew=skew,
        hl7_waiting=waiting_messages(connection, now - HOUR),
        webhooks_untold=untold(connection, now - HOUR, now - DAY),
    )


def _settled(connection: Connection, *, first: bool) -> datetime | None:
    """The last settling on record, or the first of those that are kept."""
    runs = table(models.JobRun)
    order = runs.c.slot.asc() if first else runs.c.slot.desc()
    return connection.scalar(select(runs.c.finished_at).where(runs.c.job == "settle").order_by(order).limit(1))


def _last_work(store: Store, connection: Connection) -> datetime | None:
    finished = connection.scalar(select(func.max(table(models.JobRun).c.finished_at)))
    known = [store.last_recorded(connection), finished]
    return max((instant for instant in known if instant is not None), default=None)


def are_due(now: datetime) -> Any:
    """Only episodes that are due can be set aside: a small part of them, with an index of its own."""
    return table(models.Episode).c.next_wake_at <= now


def _episodes(connection: Connection, now: datetime) -> dict[str, Any]:
    episodes = table(models.Episode)
    works = episodes.c.failures == 0
    query = select(
        func.count(case((works, 1))).label("due"),
        func.min(case((works, episodes.c.next_wake_at))).label("oldest_due"),
        func.count(case((~works, 1))).label("set_aside"),
        func.coalesce(func.max(episodes.c.failures), 0).label("set_aside_tries"),
    )
    return dict(connection.execute(query.where(are_due(now))).mappings().one())


def _outbox(connection: Connection, now: datetime) -> dict[str, Any]:
    """Each figure from the index that tells it: very many may wait, and few of them were tried."""
    rows, tries = table(models.Reminder), table(models.Delivery)
    waits, long_ago = rows.c.outcome == "waiting", rows.c.try_at <= now - HOUR
    refused = exists().where(tries.c.reminder_key == rows.c.key, ~tries.c.ok, tries.c.attempted_at <= now - HOUR)
    parts = {
        "waiting": select(func.count()).select_from(rows).where(waits),
        "oldest_waiting": select(rows.c.fired_at).where(waits).order_by(rows.c.fired_at).limit(1),
        "untried": select(func.count()).select_from(rows).where(waits, long_ago),
        "retried": select(func.count()).select_from(rows).where(waits, ~long_ago, refused),
    }
    query = select(*(part.scalar_subquery().label(name) for name, part in parts.items()))
    return dict(connection.execute(query).mappings().one())


def _outcomes(connection: Connection, now: datetime) -> dict[str, int]:
    rows = table(models.Reminder)
    query = (
        select(rows.c.outcome, func.count().label("messages"))
        .where(rows.c.outcome.in_(OUTCOMES), rows.c.settled_at > now - DAY)
        .group_by(rows.c.outcome)
    )
    found = {row.outcome: row.messages for row in connection.execute(query)}
    return {outcome: found.get(outcome, 0) for outcome in OUTCOMES}


def _outages(connection: Connection) -> tuple[Outage, ...]:
    rows = table(models.Breaker)
    query = select(rows.c.channel, rows.c.failures, rows.c.since, rows.c.open_until).order_by(rows.c.channel)
    return tuple(Outage(*row) for row in connection.execute(query))


def _check(connection: Connection, job: str) -> Check | None:
    """The last of those by night and those that somebody asked for."""
    runs = table(models.JobRun)
    done = (runs.c.job.in_((job, f"nightly:{job}"))) & runs.c.finished_at.is_not(None)
    query = select(runs.c.finished_at, runs.c.report).where(done).order_by(runs.c.finished_at.desc()).limit(1)
    row = connection.execute(query).first()
    if row is None:
        return None
    report = json.loads(row.report)
    return Check(row.finished_at, report.get("adds_up", not report.get("problems")))


def _work(connection: Connection, job: str, now: datetime) -> Work:
    runs = table(models.JobRun)
    recent = (runs.c.job == job) & (runs.c.slot > (now - HOUR).isoformat())
    reports = [json.loads(report) for report in connection.scalars(select(runs.c.report).where(recent))]
    seconds = sum(report.get("seconds", 0) for report in reports)
    return Work(job, len(reports), round(seconds, 3), sum(report.get("fired", 0) for report in reports))
