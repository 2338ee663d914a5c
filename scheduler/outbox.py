"""Telling people: what the engine put into the outbox goes out once, if it is still so.

Every row ends in exactly one outcome. What is refused for good, comes too late or concerns nobody on the staff
becomes a task for a person before its row is closed.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import func, select

from persistence import models
from persistence.store import Store, table
from scheduler.channels import Channel
from scheduler.clock import uptime
from scheduler.patients import plan_messages
from scheduler.round import LEASE, NOBODY, Round
from scheduler.settle import never
from scheduler.site import ALWAYS_OPEN, Site
from scheduler.words import Words

# Leases are counted from the instant of the round. What a slow server leaves is for a round of a later instant: else
# the lease of a row would be over before its letter has left, and another worker would send it as well.
LONGEST_ROUND = LEASE / 2


@dataclass
class Delivered:
    """What one run did, in outbox rows. `waiting`: all that wait now; `nobody`: those of them, by role, for
    which there is nobody to tell."""

    sent: int = 0
    delivered: int = 0
    suppressed: int = 0
    too_late: int = 0
    failed: int = 0
    waiting: int = 0
    nobody: dict[str, int] = field(default_factory=dict)

    @property
    def ended(self) -> int:
        """Rows that got their outcome."""
        return self.sent + self.delivered + self.suppressed + self.too_late + self.failed

    def counts(self) -> dict[str, Any]:
        return asdict(self)

    def line(self) -> str:
        counts = f"{self.sent} sent, {self.suppressed} suppressed, {self.failed} failed, {self.waiting} waiting"
        more = {"delivered": self.delivered, "too late": self.too_late}
        extra = "".join(f", {count} {name}" for name, count in more.items() if count)
        unheard = ", ".join(f"{role} {count}" for role, count in sorted(self.nobody.items()))
        return f"{counts}{extra}; {NOBODY}: {unheard}" if unheard else f"{counts}{extra}"


def deliver(
    store: Store,
    channels: Sequence[Channel],
    now: datetime,
    *,
    limit: int = 100,
    stop: Callable[[], bool] = never,
    site: Site = ALWAYS_OPEN,
    words: Words | None = None,
) -> Delivered:
    """Send what is waiting and still true at `now`: alerts first, then by the rank of their kind."""
    began = uptime()
    plan_messages(store, now, site)
    done, turn = Delivered(), Round(store, channels, now, site, words)
    for key in _keys(turn, limit):
        if stop() or uptime() - began > LONGEST_ROUND:
            break
        outcome = turn.deliver_one(key)
        if outcome in done.counts() and outcome != "waiting":
            setattr(done, outcome, getattr(done, outcome) + 1)
    done.nobody = turn.unheard()
    done.waiting = _count_waiting(store)
    return done


def _keys(turn: Round, limit: int) -> Iterator[str]:
    """What is ready. From the moment at which the last channel goes down, only what is too late: that needs none."""
    for key in turn.ready(limit):
        if turn.cut_off:
            break
        yield key
    if turn.cut_off:
        yield from turn.ready(limit)


def _count_waiting(store: Store) -> int:
    rows = table(models.Reminder)
    with store.database.reading() as connection:
        return connection.scalar(select(func.count()).where(rows.c.outcome == "waiting")) or 0
