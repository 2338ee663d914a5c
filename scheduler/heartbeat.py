"""APScheduler knocks, the database knows what is due. A missed knock loses nothing, a double one does nothing."""

import logging
import signal
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from apscheduler.schedulers.background import BackgroundScheduler
from sqlalchemy.exc import InterfaceError, OperationalError

from pathway.errors import PathwayError
from persistence.store import Store
from scheduler.channels import Channel
from scheduler.chores import Chores, Rhythm
from scheduler.clock import uptime, utcnow
from scheduler.clock_checks import Watch
from scheduler.one_process import alone_on

# How often, in seconds, to look whether a daily job's time has come.
DAILY_LOOK = 30
# How often, in seconds, to look whether figures that pages show have to be reckoned anew.
FIGURES_LOOK = 60
SIGNALS = {signal.SIGTERM, signal.SIGINT}

log = logging.getLogger(__name__)


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
        self.store, self.rhythm, self.chores = store, rhythm, Chores(store, channels, rhythm)
        self.watch = Watch(store, clock, passed)
        self._stopping, self._news = self.chores.stopping, threading.Event()
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
        self._knock("webhooks", self.webhooks_beat, self.rhythm.deliver_seconds)
        self._knock("figures", self.figures_beat, FIGURES_LOOK)
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
        self._beat("delivering", self.chores.deliver)

    def webhooks_beat(self) -> None:
        self._beat("the webhooks", self.chores.webhooks)

    def figures_beat(self) -> None:
        self._beat("the figures of the pages", self.chores.figures)

    def digest_beat(self) -> None:
        self._beat("the digests", self.chores.digest)

    def nightly_beat(self) -> None:
        self._beat("the nightly checks", self.chores.nightly)

    def _settle(self, now: datetime) -> None:
        found = self.chores.settle(now)
        if found.fired or found.set_aside:
            self._news.set()

    def _beat(self, what: str, work: Callable[[datetime], object]) -> None:
        try:
            work(self.watch.now())
        except (PathwayError, OperationalError, InterfaceError) as error:
            log.error("a beat must wait: %s", error, extra={"job": what})

    def _tell_people(self) -> None:
        """The thread that delivers: whenever there is news, until the end."""
        while self._news.wait() and not self._stopping.is_set():
            self._news.clear()
            try:
                self.deliver_beat()
            except Exception:
                # Nobody would begin this thread again, and nobody be told any more.
                log.exception("delivering failed; the next knock tries again")
