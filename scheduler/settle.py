"""Firing everything that is due, batch after batch."""

from collections.abc import Callable, Mapping
from datetime import datetime

from sqlalchemy import select

from persistence import models
from persistence.store import Settled, Store, table
from scheduler.rows import tell_staff


def never() -> bool:
    return False


def settle_all(
    store: Store,
    now: datetime,
    *,
    batch: int = 200,
    on_batch: Callable[[Settled], None] | None = None,
    stop: Callable[[], bool] = never,
) -> Settled:
    """Fire what is due at `now` until nothing is, or until `stop` says so between two batches.

    An episode that fails is set aside with its error, staff are told once, and the others go on. `on_batch` is
    given what each batch did.
    """
    total = Settled()
    while not stop():
        done = store.settle(now, batch)
        if not done.episodes:
            break
        _tell_of(store, done.set_aside, now)
        total.episodes += done.episodes
        total.fired += done.fired
        total.set_aside |= done.set_aside
        if on_batch:
            on_batch(done)
    return total


def _tell_of(store: Store, set_aside: Mapping[str, str], now: datetime) -> None:
    """The version stays while an episode fails, so one trouble is one alert, and the next trouble another."""
    if not set_aside:
        return
    episodes = table(models.Episode)
    query = select(episodes.c.id, episodes.c.patient_id, episodes.c.version).where(episodes.c.id.in_(set_aside))
    with store.database.writing() as connection:
        for row in connection.execute(query).all():
            key = f"{row.id}:set-aside:{row.version}"
            because = set_aside[row.id]
            tell_staff(connection, key, "SET_ASIDE", because, now, episode=row.id, patient=row.patient_id)
