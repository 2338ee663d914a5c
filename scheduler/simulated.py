"""A clock that people may move, for databases in which nothing is real: time passes as it does in the tests.

Every moment at which something falls due is stopped at, so that each thing happens at its own time.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock

from sqlalchemy import func, select

from pathway.errors import ClockWentBack
from persistence import models
from persistence.store import Store, table
from scheduler.jobs import run_settle

# An engine that is at work beats at least this often; a longer silence would count as an outage.
BEAT = timedelta(minutes=55)


class SimulatedClock:
    """What `running` says, and as much later as people have moved it: forward only.

    `begin`: the first instant, where that is later than what `running` says.
    """

    def __init__(self, running: Callable[[], datetime], begin: datetime | None = None) -> None:
        self._running = running
        self._ahead = max(timedelta(0), begin - running()) if begin is not None else timedelta(0)
        self.moving = Lock()

    def __call__(self) -> datetime:
        return self._running() + self._ahead

    def move_to(self, at: datetime) -> None:
        """Raises ClockWentBack."""
        now = self()
        if at < now:
            raise ClockWentBack(f"now {now.isoformat()}, asked for {at.isoformat()}")
        self._ahead += at - now


@dataclass(frozen=True, slots=True)
class Passed:
    """How much fired on the way, and which episodes could not go on, with the reason."""

    since: datetime
    until: datetime
    fired: int
    set_aside: dict[str, str]


def let_time_pass(store: Store, clock: SimulatedClock, until: datetime) -> Passed:
    """Move the clock to `until` and settle at everything due on the way; raises ClockWentBack."""
    with clock.moving:
        since, fired = clock(), 0
        aside: dict[str, str] = {}
        while True:
            done = run_settle(store, clock())
            fired += done.fired
            aside |= done.set_aside
            now = clock()
            if now >= until:
                return Passed(since, until, fired, aside)
            clock.move_to(min(_next_wake(store, now) or until, now + BEAT, until))


def _next_wake(store: Store, after: datetime) -> datetime | None:
    """An episode that was set aside stays due; it must not hold the clock where it is."""
    wakes = table(models.Episode).c.next_wake_at
    with store.database.reading() as connection:
        return connection.scalar(select(func.min(wakes)).where(wakes > after))
