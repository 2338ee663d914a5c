"""What fell due while something was down, and what became of it: a report that adds up."""

import json
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, select

from pathway.calendar import show_instant
from persistence import models
from persistence.store import Store, table
from scheduler.breaker import OUTAGE, note_outage

ENGINE = "engine"
# Beats come every minute, or every few minutes from cron. An hour without one is an outage.
SILENCE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Outage:
    """What was down (the engine, or a channel by name), from when to when, and why as far as is known."""

    what: str
    since: datetime
    until: datetime
    because: str = ""


@dataclass(frozen=True, slots=True)
class OutageReport:
    """Messages that fell due in the time. `failed`: of the house itself, so there is no patient to make a task of.
    `folded`: earlier moments of one task that one message stands for."""

    since: datetime
    until: datetime
    due: int
    sent: int
    not_needed: int
    tasks: int
    failed: int
    waiting: int
    folded: int
    outages: tuple[Outage, ...] = ()

    @property
    def adds_up(self) -> bool:
        return self.due == self.sent + self.not_needed + self.tasks + self.failed + self.waiting

    def line(self) -> str:
        parts = [
            f"{self.sent} sent",
            f"{self.not_needed} no longer needed",
            f"{self.tasks} became tasks",
            *([f"{self.failed} failed"] if self.failed else []),
            *([f"{self.waiting} still waiting"] if self.waiting else []),
        ]
        folded = f" ({self.folded} earlier moments of the same tasks are told with them)" if self.folded else ""
        return f"{self.due} due while down: {', '.join(parts)}{folded}"

    def text(self, zone: str) -> str:
        """The line, under each outage with its times on the site's wall."""
        told = [
            f"{outage.what} was down from {show_instant(outage.since, zone)} to {show_instant(outage.until, zone)}"
            + (f": {outage.because}" if outage.because else "")
            for outage in self.outages
        ]
        return "\n".join([*told, self.line()])

    def as_json(self) -> dict[str, Any]:
        outages = [
            {"what": o.what, "since": o.since.isoformat(), "until": o.until.isoformat(), "because": o.because}
            for o in self.outages
        ]
        counts = {
            name: getattr(self, name) for name in ("due", "sent", "not_needed", "tasks", "failed", "waiting", "folded")
        }
        times = {"since": self.since.isoformat(), "until": self.until.isoformat()}
        return {**times, **counts, "line": self.line(), "adds_up": self.adds_up, "outages": outages}


def outage_report(store: Store, since: datetime, until: datetime) -> OutageReport:
    """What fell due after `since` and no later than `until`, by what has become of it."""
    rows = table(models.Reminder)
    within = (rows.c.due_at > since) & (rows.c.due_at <= until)
    with store.database.reading() as connection:
        found = connection.execute(select(rows.c.outcome, rows.c.detail, rows.c.episode_id).where(within)).all()
        over = tuple(o for o in outages(connection) if o.since < until and o.until > since)
    counts = Counter(_became(row) for row in found)
    return OutageReport(
        since,
        until,
        due=len(found),
        sent=counts["sent"] + counts["delivered"],
        not_needed=counts["suppressed"],
        tasks=counts["task"],
        failed=counts["failed"],
        waiting=counts["waiting"],
        folded=sum(json.loads(row.detail).get("folded", 0) for row in found),
        outages=over,
    )


def _became(row: Any) -> str:
    """The outcome; what was not sent became a task wherever there is a patient."""
    return "task" if row.outcome in ("too_late", "failed") and row.episode_id else str(row.outcome)


def outages(connection: Connection) -> list[Outage]:
    """Every outage that is over, the oldest first."""
    runs = table(models.JobRun)
    query = select(runs).where(runs.c.job.startswith(f"{OUTAGE}:")).order_by(runs.c.started_at, runs.c.job)
    return [
        Outage(row.job.partition(":")[2], row.started_at, row.finished_at, json.loads(row.report).get("because", ""))
        for row in connection.execute(query)
    ]


def latest(store: Store) -> tuple[datetime, datetime] | None:
    """The time of the latest outage, with those that overlap it; None when there was none."""
    with store.database.reading() as connection:
        known = outages(connection)
    if not known:
        return None
    since, until = known[-1].since, max(outage.until for outage in known)
    for outage in reversed(known):
        if outage.until >= since:
            since = min(since, outage.since)
    return since, until


def note_silence(connection: Connection, last_beat: datetime | None, now: datetime) -> None:
    """Note that the engine itself was down, when nothing was settled for so long."""
    if last_beat is not None and now - last_beat > SILENCE:
        note_outage(connection, ENGINE, last_beat, now, "nothing was settled")
