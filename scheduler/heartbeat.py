"""APScheduler knocks, the database knows what is due. A missed knock loses nothing, a double one does nothing."""

import logging
import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from apscheduler.schedulers.background import BackgroundScheduler

from pathway.calendar import zone_named
from pathway.errors import ClockWentBack
from persistence.store import CLOCK_TOLERANCE, Store
from scheduler.channels import Channel
from scheduler.clock import utcnow
from scheduler.digest import ROLES
from scheduler.job_runs import last_finished
from scheduler.jobs import Interrupted, nightly_census, nightly_verify, run_deliver, run_digest, run_settle
from scheduler.one_process import alone_on

# How often, in seconds, to look whether a daily job's time has come.
DAILY_LOOK = 30
SIGNALS = {signal.SIGTERM, signal.SIGINT}

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How often, in seconds; the times of the daily jobs as hh:mm on the wall of `zone`."""

    settle_seconds: float = 60
    deliver_seconds: float = 60
    digest_time: str = "07:15"
    nightly_time: str = "02:30"
    zone: str = "Europe/London"
    digest_roles: tuple[str, ...] = ROLES
    batch: int = 200
    limit: int = 100


class Heartbeat:
    """Knocks until it is told to stop. Every beat reads the clock once and refuses one that went back."""

    def __init__(
        self, store: Store, channels: Sequence[Channel], rhythm: Rhythm, clock: Callable[[], datetime] = utcnow
    ) -> None:
        self.store, self.channels, self.rhythm, self.clock = store, channels, rhythm, clock
        self._stopping, self._news, self._delivering = threading.Event(), threading.Event(), threading.Lock()
        self._scheduler = BackgroundScheduler(timezone=UTC)

    # ---------------------------------------------------------------- running

    def run(self) -> None:
        """Beat until SIGTERM or SIGINT, then finish what is in hand. Call it from the main thread.

        Raises AlreadyRunning and ClockWentBack before anything is done.
        """
        with alone_on(self.store.database):
            # Blocked in every thread and waited for here: no handler can interrupt a transaction.
            before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
            try:
                self.start()
                asked = signal.sigwait(SIGNALS)
                log.info("%s: finishing what is in hand", signal.Signals(asked).name)
                self.stop()
            finally:
                for number in signal.sigpending() & SIGNALS:
                    signal.sigwait({number})
                signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def start(self) -> None:
        """Begin to beat, at once, in threads of the background; raises ClockWentBack."""
        refuse_older_clock(self.store, self.clock())
        self._knock("settle", self.settle_beat, self.rhythm.settle_seconds)
        self._knock("deliver", self.deliver_beat, self.rhythm.deliver_seconds)
        self._knock("digest", self.digest_beat, DAILY_LOOK)
        self._knock("nightly", self.nightly_beat, DAILY_LOOK)
        self._scheduler.start()

    def stop(self) -> None:
        """Finish the batch in hand and return when every beat has ended."""
        self._stopping.set()
        self._scheduler.shutdown(wait=True)

    def _knock(self, name: str, beat: Callable[[], None], seconds: float) -> None:
        self._scheduler.add_job(
            beat,
            "interval",
            id=name,
            seconds=seconds,
            next_run_time=utcnow(),
            coalesce=True,
            misfire_grace_time=None,
            max_instances=1,
        )

    # ---------------------------------------------------------------- beats

    def settle_beat(self) -> None:
        now = self._now()
        if now is not None:
            found = run_settle(self.store, now, batch=self.rhythm.batch, stop=self._stopping.is_set)
            # Not by way of the scheduler: a job that asks it for anything while it shuts down waits for ever.
            if found.fired or found.set_aside:
                self.deliver_beat()

    def deliver_beat(self) -> None:
        """One thread delivers; whoever comes meanwhile leaves word, and that thread looks again."""
        self._news.set()
        while self._news.is_set() and not self._stopping.is_set() and self._delivering.acquire(blocking=False):
            try:
                self._news.clear()
                self._deliver()
            finally:
                self._delivering.release()

    def _deliver(self) -> None:
        now = self._now()
        if now is not None:
            limit, stop = self.rhythm.limit, self._stopping.is_set
            run_deliver(self.store, self.channels, now, limit=limit, stop=stop)

    def digest_beat(self) -> None:
        """The digests of today once their time has passed and they are not sent: a late start misses none."""
        now = self._now()
        if now is not None and self.channels and self._passed(self.rhythm.digest_time, now):
            run_digest(self.store, self.channels, now, zone=self.rhythm.zone, roles=self.rhythm.digest_roles)

    def nightly_beat(self) -> None:
        """The census and the verification of today, likewise."""
        now = self._now()
        if now is None or not self._passed(self.rhythm.nightly_time, now):
            return
        nightly_census(self.store, now, zone=self.rhythm.zone)
        try:
            nightly_verify(self.store, now, zone=self.rhythm.zone, stop=self._stopping.is_set)
        except Interrupted:
            log.info("the nightly verification was asked to stop; the next start begins it again")

    def _passed(self, wall: str, now: datetime) -> bool:
        return f"{now.astimezone(zone_named(self.rhythm.zone)):%H:%M}" >= wall

    def _now(self) -> datetime | None:
        """The instant of this beat; None, with an error in the log, when the clock went back."""
        now = self.clock()
        try:
            refuse_older_clock(self.store, now)
        except ClockWentBack as error:
            log.error("%s", error)
            return None
        return now


def refuse_older_clock(store: Store, now: datetime) -> None:
    """Raises ClockWentBack when `now` lies before what is recorded already, small differences apart."""
    with store.database.reading() as connection:
        known = [store.last_recorded(connection), last_finished(store)]
    last = max((instant for instant in known if instant is not None), default=None)
    if last is not None and now < last - CLOCK_TOLERANCE:
        raise ClockWentBack(f"now {now.isoformat()}, last recorded {last.isoformat()}")
