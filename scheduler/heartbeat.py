"""APScheduler knocks, the database knows what is due. A missed knock loses nothing, a double one does nothing."""

import logging
import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from apscheduler.schedulers.background import BackgroundScheduler

from pathway.calendar import zone_named
from pathway.errors import PathwayError
from persistence.store import Store
from scheduler.channels import Channel
from scheduler.clock import uptime, utcnow
from scheduler.clock_checks import Watch
from scheduler.digest_mail import ROLES
from scheduler.jobs import Interrupted, nightly_census, nightly_verify, run_deliver, run_digest, run_settle
from scheduler.one_process import alone_on
from scheduler.site import ALWAYS_OPEN, Site
from scheduler.words import Words

# How often, in seconds, to look whether a daily job's time has come.
DAILY_LOOK = 30
SIGNALS = {signal.SIGTERM, signal.SIGINT}

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How often, in seconds; the times of the daily jobs as hh:mm on the wall of `zone`. `site`: its hours
    and caps; `words`: its wordings, those built in where there are none."""

    settle_seconds: float = 60
    deliver_seconds: float = 60
    digest_time: str = "07:15"
    nightly_time: str = "02:30"
    zone: str = "Europe/London"
    digest_roles: tuple[str, ...] = ROLES
    batch: int = 200
    limit: int = 100
    site: Site = ALWAYS_OPEN
    words: Words | None = None


class Heartbeat:
    """Knocks until it is told to stop. Every beat reads the clock once and refuses one that cannot be right.

    Telling people has a thread of its own, so that a slow channel never holds up what is due. A beat that meets a
    database that is down, locked or full says so in one sentence, and the next one tries again.
    """

    def __init__(
        self,
        store: Store,
        channels: Sequence[Channel],
        rhythm: Rhythm,
        clock: Callable[[], datetime] = utcnow,
        passed: Callable[[], timedelta] = uptime,
    ) -> None:
        self.store, self.channels, self.rhythm = store, channels, rhythm
        self.watch = Watch(store, clock, passed)
        self._stopping, self._news = threading.Event(), threading.Event()
        self._scheduler = BackgroundScheduler(timezone=UTC)
        self._postman = threading.Thread(target=self._tell_people, name="outbox")

    # ---------------------------------------------------------------- running

    def run(self) -> None:
        """Beat until SIGTERM or SIGINT, then finish what is in hand. Call it from the main thread.

        Raises AlreadyRunning, ClockWentBack and ClockAhead before anything is done.
        """
        with alone_on(self.store.database):
            # Blocked in every thread and waited for here: no handler can interrupt a transaction.
            before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
            try:
                self.start()
                asked = signal.sigwait(SIGNALS)
                log.info("finishing what is in hand", extra={"signal": signal.Signals(asked).name})
                self.stop()
            finally:
                for number in signal.sigpending() & SIGNALS:
                    signal.sigwait({number})
                signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def start(self) -> None:
        """Begin to beat, at once, in threads of the background; raises ClockWentBack and ClockAhead."""
        self.watch.now()
        self._knock("settle", self.settle_beat, self.rhythm.settle_seconds)
        self._knock("deliver", self._news.set, self.rhythm.deliver_seconds)
        self._knock("digest", self.digest_beat, DAILY_LOOK)
        self._knock("nightly", self.nightly_beat, DAILY_LOOK)
        self._scheduler.start()
        self._postman.start()

    def stop(self) -> None:
        """Finish the batch in hand and return when every beat has ended."""
        self._stopping.set()
        self._news.set()
        self._scheduler.shutdown(wait=True)
        self._postman.join()

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
        self._beat("settling", self._settle)

    def deliver_beat(self) -> None:
        self._beat("delivering", self._deliver)

    def digest_beat(self) -> None:
        """The digests of today once their time has passed and they are not sent: a late start misses none."""
        self._beat("the digests", self._digest)

    def nightly_beat(self) -> None:
        """The census and the verification of today, likewise."""
        self._beat("the nightly checks", self._nightly)

    def _beat(self, what: str, work: Callable[[datetime], None]) -> None:
        try:
            work(self.watch.now())
        except PathwayError as error:
            log.error("a beat must wait: %s", error, extra={"job": what})

    def _settle(self, now: datetime) -> None:
        found = run_settle(self.store, now, batch=self.rhythm.batch, stop=self._stopping.is_set)
        if found.fired or found.set_aside:
            self._news.set()

    def _deliver(self, now: datetime) -> None:
        rhythm, stop = self.rhythm, self._stopping.is_set
        run_deliver(self.store, self.channels, now, limit=rhythm.limit, stop=stop, site=rhythm.site, words=rhythm.words)

    def _digest(self, now: datetime) -> None:
        if self.channels and self._passed(self.rhythm.digest_time, now):
            rhythm = self.rhythm
            run_digest(self.store, self.channels, now, site=rhythm.site, roles=rhythm.digest_roles, words=rhythm.words)

    def _nightly(self, now: datetime) -> None:
        if not self._passed(self.rhythm.nightly_time, now):
            return
        nightly_census(self.store, now, zone=self.rhythm.zone)
        try:
            nightly_verify(self.store, now, zone=self.rhythm.zone, stop=self._stopping.is_set)
        except Interrupted:
            log.info("the nightly verification was asked to stop; the next start begins it again")

    def _passed(self, wall: str, now: datetime) -> bool:
        return f"{now.astimezone(zone_named(self.rhythm.zone)):%H:%M}" >= wall

    def _tell_people(self) -> None:
        """The thread that delivers: whenever there is news, until the end."""
        while self._news.wait() and not self._stopping.is_set():
            self._news.clear()
            self.deliver_beat()
