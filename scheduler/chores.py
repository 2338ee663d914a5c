"""What is done by itself, with the measure and the hours of the site: the same for every heartbeat."""

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pathway.calendar import zone_named
from persistence.repeated import forget_old_answers
from persistence.store import Settled, Store
from scheduler.channels import Channel
from scheduler.digest_mail import ROLES
from scheduler.house_figures import keep_fresh
from scheduler.jobs import (
    Interrupted,
    nightly_census,
    nightly_verify,
    run_deliver,
    run_digest,
    run_settle,
    run_webhooks,
)
from scheduler.outbox import Delivered
from scheduler.site import ALWAYS_OPEN, Site
from scheduler.webhooks import Called
from scheduler.words import Words

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How often, in seconds; the times of the daily jobs as hh:mm on the wall of `zone`. `site`: its hours
    and caps; `words`: its wordings, those built in where there are none; `event_detail`: webhooks are told from
    where to where a patient moved, and by which rule."""

    settle_seconds: float = 60
    deliver_seconds: float = 60
    digest_time: str = "07:15"
    nightly_time: str = "02:30"
    zone: str = "Europe/London"
    digest_roles: tuple[str, ...] = ROLES
    batch: int = 200
    limit: int = 100
    event_detail: bool = False
    site: Site = ALWAYS_OPEN
    words: Words | None = None


class Chores:
    """Each is given the instant. `stopping` ends what takes long: between two batches, two letters, two journals."""

    def __init__(self, store: Store, channels: Sequence[Channel], rhythm: Rhythm) -> None:
        self.store, self.channels, self.rhythm, self.stopping = store, channels, rhythm, threading.Event()

    def settle(self, now: datetime) -> Settled:
        """All that is due."""
        return run_settle(self.store, now, batch=self.rhythm.batch, stop=self.stopping.is_set)

    def settle_a_batch(self, now: datetime) -> Settled:
        batches: list[Settled] = []
        size = self.rhythm.batch
        return run_settle(self.store, now, batch=size, on_batch=batches.append, stop=lambda: bool(batches))

    def deliver(self, now: datetime) -> Delivered:
        """A slice of the outbox."""
        rhythm, stop = self.rhythm, self.stopping.is_set
        return run_deliver(
            self.store, self.channels, now, limit=rhythm.limit, stop=stop, site=rhythm.site, words=rhythm.words
        )

    def webhooks(self, now: datetime) -> Called:
        """A slice of what other systems must be told."""
        rhythm, stop = self.rhythm, self.stopping.is_set
        return run_webhooks(
            self.store, now, detail=rhythm.event_detail, zone=rhythm.zone, limit=rhythm.limit, stop=stop
        )

    def figures(self, now: datetime) -> list[str]:
        """The figures that a large house keeps for its pages, before they are too old."""
        return keep_fresh(self.store, now, zone=self.rhythm.zone, stop=self.stopping.is_set)

    def digest(self, now: datetime) -> None:
        """The digests of today once their time has passed and they are not sent: a late start misses none."""
        rhythm = self.rhythm
        if self.channels and self._passed(rhythm.digest_time, now):
            run_digest(self.store, self.channels, now, site=rhythm.site, roles=rhythm.digest_roles, words=rhythm.words)

    def nightly(self, now: datetime) -> None:
        """The census and the verification of today, likewise."""
        if not self._passed(self.rhythm.nightly_time, now):
            return
        if nightly_census(self.store, now, zone=self.rhythm.zone) is not None:
            forget_old_answers(self.store, now)
        try:
            nightly_verify(self.store, now, zone=self.rhythm.zone, stop=self.stopping.is_set)
        except Interrupted:
            log.info("the nightly verification was asked to stop; the next look begins it again")

    def _passed(self, wall: str, now: datetime) -> bool:
        return f"{now.astimezone(zone_named(self.rhythm.zone)):%H:%M}" >= wall
