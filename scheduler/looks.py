"""What a worker's jobs do: look at the database, do one portion, and ask for another look if there was something."""

import logging
import threading
from collections.abc import Callable, Sequence
from datetime import datetime

from pathway.calendar import zone_named
from pathway.errors import ClockAhead, ClockJumped, ClockWentBack
from persistence.store import Settled, Store
from scheduler.channels import Channel
from scheduler.clock_checks import Watch
from scheduler.heartbeat import Rhythm
from scheduler.jobs import Interrupted, nightly_census, nightly_verify, run_deliver, run_digest, run_settle
from scheduler.outbox import Delivered

# How many jobs of one kind may wait at once, and so how many workers can be busy with it.
LANES = 64

log = logging.getLogger(__name__)


class Looks:
    """The jobs. `again` puts one more of a kind into a lane, unless one waits there already.

    `stopping` ends what takes long: letters that are not begun wait, the nightly verification is begun again. The
    `timestamp` is that of the knock; the job engine insists on saying it, and nobody heeds it.
    """

    def __init__(
        self,
        store: Store,
        channels: Sequence[Channel],
        rhythm: Rhythm,
        clock: Callable[[], datetime],
        again: Callable[[str, int], None],
    ) -> None:
        self.store, self.channels, self.rhythm, self.again = store, channels, rhythm, again
        self.watch, self.stopping = Watch(store, clock), threading.Event()

    def settle(self, lane: int = 0, timestamp: int = 0) -> None:
        """Fire one batch. While there is something the lane goes on; while batches are full, one more joins in."""
        now = self._now()
        if now is None:
            return
        batches: list[Settled] = []
        size = self.rhythm.batch
        found = run_settle(self.store, now, batch=size, on_batch=batches.append, stop=lambda: bool(batches))
        self._go_on("settle", lane, found.episodes, size)
        if found.fired or found.set_aside:
            self.again("deliver", 0)

    def deliver(self, lane: int = 0, timestamp: int = 0) -> None:
        """Send one slice of the outbox, and go on likewise."""
        now = self._now()
        if now is None:
            return
        found = self._slice(now)
        ended = found.sent + found.delivered + found.suppressed + found.too_late + found.failed
        self._go_on("deliver", lane, ended, self.rhythm.limit)

    def _slice(self, now: datetime) -> Delivered:
        rhythm, stop = self.rhythm, self.stopping.is_set
        return run_deliver(
            self.store, self.channels, now, limit=rhythm.limit, stop=stop, site=rhythm.site, words=rhythm.words
        )

    def _go_on(self, name: str, lane: int, done: int, full: int) -> None:
        if done:
            self.again(name, lane)
        if done >= full and lane + 1 < LANES:
            self.again(name, lane + 1)

    def digest(self, timestamp: int = 0) -> None:
        """The digests of today, once their time has passed."""
        now = self._now()
        if now is not None and self.channels and self._passed(self.rhythm.digest_time, now):
            site, roles, words = self.rhythm.site, self.rhythm.digest_roles, self.rhythm.words
            run_digest(self.store, self.channels, now, site=site, roles=roles, words=words)

    def nightly(self, timestamp: int = 0) -> None:
        """The census and the verification of today, likewise."""
        now = self._now()
        if now is None or not self._passed(self.rhythm.nightly_time, now):
            return
        nightly_census(self.store, now, zone=self.rhythm.zone)
        try:
            nightly_verify(self.store, now, zone=self.rhythm.zone, stop=self.stopping.is_set)
        except Interrupted:
            log.info("the nightly verification was asked to stop; the next look begins it again")

    def _passed(self, wall: str, now: datetime) -> bool:
        return f"{now.astimezone(zone_named(self.rhythm.zone)):%H:%M}" >= wall

    def _now(self) -> datetime | None:
        """The instant of this job; None, with an error in the log, when the clock is wrong."""
        try:
            return self.watch.now()
        except (ClockAhead, ClockJumped, ClockWentBack) as error:
            log.error("%s", error)
            return None
