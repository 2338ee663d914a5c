"""Circuit breakers: a channel that is down is left alone for a while, by every machine."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, select

from persistence import models
from persistence.bulk import upsert
from persistence.journal import dumps
from persistence.store import table
from scheduler.backoff import pause
from scheduler.rows import insert_once

OUTAGE = "outage"


def breakers(connection: Connection, names: Iterable[str]) -> dict[str, Any]:
    """The rows of those channels that failed when last asked, by name."""
    rows = table(models.Breaker)
    found = connection.execute(select(rows).where(rows.c.channel.in_(list(names))))
    return {row.channel: row for row in found}


def trip(connection: Connection, channel: str, because: str, now: datetime) -> None:
    """Leave the channel alone, each time for longer. Afterwards one message tries it first."""
    known = breakers(connection, [channel]).get(channel)
    failures = known.failures + 1 if known else 1
    row = {
        "channel": channel,
        "failures": failures,
        "since": known.since if known else now,
        "open_until": now + pause(channel, failures),
        "because": because,
    }
    upsert(connection, models.Breaker, [row])


def mend(connection: Connection, channel: str, now: datetime) -> None:
    """It works again; how long it did not is kept for the outage report."""
    rows = table(models.Breaker)
    known = breakers(connection, [channel]).get(channel)
    if known is None:
        return
    connection.execute(delete(rows).where(rows.c.channel == channel))
    note_outage(connection, channel, known.since, now, known.because)


def note_outage(connection: Connection, what: str, since: datetime, until: datetime, because: str) -> None:
    row = {
        "job": f"{OUTAGE}:{what}",
        "slot": since.isoformat(),
        "started_at": since,
        "finished_at": until,
        "report": dumps({"because": because}),
    }
    insert_once(connection, models.JobRun, row)
