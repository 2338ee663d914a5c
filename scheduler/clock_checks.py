"""Whether the machine's clock can be believed. Nothing may fire early, and a journal is in the order of its times."""

from collections.abc import Callable
from datetime import datetime, timedelta

from pathway.errors import ClockAhead, ClockJumped, ClockWentBack
from persistence.store import CLOCK_TOLERANCE, Store
from scheduler.clock import uptime
from scheduler.job_runs import last_finished

# A clock that gains more than this on the time that truly passed was set, not corrected.
LONGEST_JUMP = timedelta(days=1)


class Watch:
    """The clock of a program that goes on running: read by `clock`, believed after three checks."""

    def __init__(self, store: Store, clock: Callable[[], datetime], passed: Callable[[], timedelta] = uptime) -> None:
        self.store, self.clock, self.passed = store, clock, passed
        self.wall, self.began = clock(), passed()

    def now(self) -> datetime:
        """The instant; raises ClockJumped, ClockWentBack or ClockAhead."""
        now = self.clock()
        gained = (now - self.wall) - (self.passed() - self.began)
        if gained > LONGEST_JUMP:
            raise ClockJumped(f"it says {now.isoformat()}, {gained.days} days more than have passed")
        check_clock(self.store, now)
        return now


def check_clock(store: Store, now: datetime) -> None:
    """Raises ClockWentBack and ClockAhead; small differences apart."""
    refuse_older_clock(store, now)
    theirs = store.database.clock()
    if theirs is not None and now > theirs + CLOCK_TOLERANCE:
        raise ClockAhead(f"machine {now.isoformat()}, database {theirs.isoformat()}")


def refuse_older_clock(store: Store, now: datetime, *, rehearsal: bool = False) -> None:
    """Raises ClockWentBack when `now` lies before what is recorded already, small differences apart.

    In a rehearsal only the journals count: the database itself was made by another clock.
    """
    with store.database.reading() as connection:
        known = [store.last_recorded(connection), None if rehearsal else last_finished(store)]
    last = max((instant for instant in known if instant is not None), default=None)
    if last is not None and now < last - CLOCK_TOLERANCE:
        raise ClockWentBack(f"now {now.isoformat()}, last recorded {last.isoformat()}")
