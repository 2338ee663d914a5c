"""What a worker's jobs do: look at the database, do one portion, and ask for another look if there was something."""

import logging
from collections.abc import Callable, Sequence
from datetime import datetime

from pathway.errors import ClockAhead, ClockJumped, ClockWentBack
from persistence.store import Store
from scheduler.channels import Channel
from scheduler.chores import Chores, Rhythm
from scheduler.clock_checks import Watch

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
        self.chores, self.rhythm, self.again = Chores(store, channels, rhythm), rhythm, again
        self.watch, self.stopping = Watch(store, clock), self.chores.stopping

    def settle(self, lane: int = 0, timestamp: int = 0) -> None:
        """Fire one batch. While there is something the lane goes on; while batches are full, one more joins in."""
        now = self._now()
        if now is None:
            return
        found = self.chores.settle_a_batch(now)
        self._go_on("settle", lane, found.episodes, self.rhythm.batch)
        if found.fired or found.set_aside:
            self.again("deliver", 0)

    def deliver(self, lane: int = 0, timestamp: int = 0) -> None:
        """Send one slice of the outbox, and go on likewise."""
        now = self._now()
        if now is not None:
            self._go_on("deliver", lane, self.chores.deliver(now).ended, self.rhythm.limit)

    def webhooks(self, lane: int = 0, timestamp: int = 0) -> None:
        """Tell other systems a slice of what waits for them, and go on likewise."""
        now = self._now()
        if now is not None:
            self._go_on("webhooks", lane, self.chores.webhooks(now).delivered, self.rhythm.limit)

    def figures(self, timestamp: int = 0) -> None:
        now = self._now()
        if now is not None:
            self.chores.figures(now)

    def digest(self, timestamp: int = 0) -> None:
        now = self._now()
        if now is not None:
            self.chores.digest(now)

    def nightly(self, timestamp: int = 0) -> None:
        now = self._now()
        if now is not None:
            self.chores.nightly(now)

    def _go_on(self, name: str, lane: int, done: int, full: int) -> None:
        if done:
            self.again(name, lane)
        if done >= full and lane + 1 < LANES:
            self.again(name, lane + 1)

    def _now(self) -> datetime | None:
        """The instant of this job; None, with an error in the log, when the clock is wrong."""
        try:
            return self.watch.now()
        except (ClockAhead, ClockJumped, ClockWentBack) as error:
            log.error("%s", error)
            return None
