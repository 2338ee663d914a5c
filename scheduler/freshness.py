"""How fresh a page is, for the foot of every one of them: when the engine last ran, and what it has not got to."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select

from persistence import models
from persistence.store import Store, table

# Work that fell due so long ago should have been settled; the health page waits no less before it calls it late.
GRACE = timedelta(minutes=5)
IMPORT = "import"


@dataclass(frozen=True, slots=True)
class Freshness:
    """`due_late`: episodes with something that fell due more than five minutes ago and has not fired, those that
    cannot be settled among them. None where there has been no such thing."""

    last_settle: datetime | None
    last_import: datetime | None
    due_late: int

    def late(self, at: datetime, settle_seconds: float = 60) -> bool:
        """Whether a page should say loudly that the engine is behind."""
        limit = max(GRACE, timedelta(seconds=5 * settle_seconds))
        return self.last_settle is None or at - self.last_settle > limit or self.due_late > 0


def freshness(store: Store, at: datetime) -> Freshness:
    """One statement, three steps into indexes."""
    episodes = table(models.Episode)
    due = select(func.count()).where(episodes.c.next_wake_at <= at - GRACE).select_from(episodes)
    query = select(_last("settle"), _last(IMPORT), due.scalar_subquery())
    with store.database.reading() as connection:
        return Freshness(*connection.execute(query).one())


def _last(job: str):
    """Slots of such jobs are instants, so that the last of them is the end of the index."""
    runs = table(models.JobRun)
    newest = select(runs.c.finished_at).where(runs.c.job == job).order_by(runs.c.slot.desc()).limit(1)
    return newest.scalar_subquery()
