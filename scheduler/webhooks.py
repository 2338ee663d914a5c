"""Calling the webhooks: what was noted with each state change is told to its address, signed, until it answers.

At least once: a receiver knows a repetition by its Idempotency-Key. An address that does not answer is left alone,
each time for longer, and keeps neither the others nor the settling waiting. After three days without an answer what
waits is given up, and staff are told.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, select, update

from pathway.calendar import local_date
from persistence.journal import dumps
from persistence.store import Store
from persistence.webhooks import DELIVERIES, HOOKS, STANDING
from scheduler.backoff import pause
from scheduler.channels import ChannelError
from scheduler.channels.webhook import Webhook
from scheduler.clock import uptime
from scheduler.rows import tell_staff
from scheduler.settle import never

GIVEN_UP = timedelta(days=3)
# A worker that took one up and died leaves it to the others after so long; a call takes less.
LEASE = timedelta(minutes=2)
CODE = "WEBHOOK"


@dataclass
class Called:
    """What one run did, in deliveries."""

    delivered: int = 0
    refused: int = 0
    given_up: int = 0

    @property
    def tried(self) -> int:
        return self.delivered + self.refused

    def line(self) -> str:
        return f"{self.delivered} calls answered, {self.refused} not, {self.given_up} given up"


def call_webhooks(
    store: Store,
    now: datetime,
    *,
    detail: bool = False,
    zone: str = "UTC",
    limit: int = 100,
    stop: Callable[[], bool] = never,
) -> Called:
    """Tell every address what waits for it, the oldest first, `limit` each; see the module.

    `detail`: say as well from where to where the patient moved and by which rule; else ids only.
    """
    done, began = Called(), uptime()
    _close_stopped(store, now)
    for hook in _ready(store, now):
        for _ in range(limit):
            # Leases are counted from the instant of the run, so a long one ends before its leases are over.
            over = stop() or uptime() - began > LEASE / 2
            delivery = None if over else take_up(store, hook.id, now)
            if delivery is None or not _told(store, hook, delivery, now, done, detail=detail, zone=zone):
                break
    return done


def _told(store: Store, hook: Row, delivery: Row, now: datetime, done: Called, *, detail: bool, zone: str) -> bool:
    """Whether the address may be called again at once."""
    try:
        called = Webhook(hook.url, hook.secret, name=CODE.lower())
        called.call(body_of(delivery, detail=detail), delivery.id, now)
    except (ChannelError, ValueError) as error:
        with store.database.writing() as connection:
            return _refused(connection, hook, delivery, error, now, done, zone)
    with store.database.writing() as connection:
        _settle(connection, delivery.id, "delivered", "", now)
        connection.execute(update(HOOKS).where(HOOKS.c.id == hook.id).values(failures=0))
    done.delivered += 1
    return True


def body_of(delivery: Any, *, detail: bool) -> bytes:
    """What an address is told: the same however often, so that the same bytes are signed anew."""
    said = {
        "id": delivery.id,
        "event": delivery.event,
        "at": delivery.happened_at.isoformat(),
        "patient": delivery.patient_id,
        "episode": delivery.episode_id,
        "version": delivery.seq,
    }
    return dumps({**said, **json.loads(delivery.detail)} if detail else said).encode()


def _refused(
    connection: Connection, hook: Row, delivery: Row, error: Exception, now: datetime, done: Called, zone: str
) -> bool:
    """Of this one for good: the next may fare better. Else the address rests, and what is too old is given up."""
    because = str(error)
    done.refused += 1
    if isinstance(error, ChannelError) and error.permanent:
        _settle(connection, delivery.id, "failed", because, now)
        done.given_up += 1
        _tell(connection, hook, because, now, zone)
        return True
    failures = connection.scalar(select(HOOKS.c.failures).where(HOOKS.c.id == hook.id)) or 0
    rest = now + pause(hook.id, failures + 1)
    connection.execute(update(HOOKS).where(HOOKS.c.id == hook.id).values(failures=failures + 1, try_at=rest))
    connection.execute(update(DELIVERIES).where(DELIVERIES.c.id == delivery.id).values(try_at=rest, because=because))
    old = (DELIVERIES.c.webhook_id == hook.id) & (DELIVERIES.c.outcome == "waiting")
    old &= DELIVERIES.c.happened_at <= now - GIVEN_UP
    values = {"outcome": "failed", "because": because, "settled_at": now}
    gone = connection.execute(update(DELIVERIES).where(old).values(**values)).rowcount
    done.given_up += gone
    if gone:
        _tell(connection, hook, because, now, zone)
    return False


def _tell(connection: Connection, hook: Row, because: str, now: datetime, zone: str) -> None:
    """Once a local day for each address; which one, by its id: the address may hold a token."""
    key = f"webhook:{hook.id}:{local_date(now, zone).isoformat()}"
    said = f"the webhook {hook.id} of {hook.email} was not told of state changes: {because}"
    tell_staff(connection, key, CODE, said, now)


def _ready(store: Store, now: datetime) -> list[Row]:
    """The standing webhooks that may be called and for which something waits."""
    waits = select(DELIVERIES.c.webhook_id).where(DELIVERIES.c.outcome == "waiting", DELIVERIES.c.try_at <= now)
    query = select(HOOKS).where(STANDING, HOOKS.c.try_at <= now, HOOKS.c.id.in_(waits)).order_by(HOOKS.c.id)
    with store.database.reading() as connection:
        return list(connection.execute(query))


def take_up(store: Store, hook: str, now: datetime) -> Row | None:
    """The oldest that waits for an address, left alone by others meanwhile."""
    ready = (DELIVERIES.c.webhook_id == hook) & (DELIVERIES.c.outcome == "waiting") & (DELIVERIES.c.try_at <= now)
    query = select(DELIVERIES).where(ready).order_by(DELIVERIES.c.happened_at, DELIVERIES.c.seq, DELIVERIES.c.id)
    with store.database.writing() as connection:
        found = connection.execute(query.limit(1).with_for_update(skip_locked=True)).first()
        if found is not None:
            values = {"try_at": now + LEASE, "attempts": found.attempts + 1}
            connection.execute(update(DELIVERIES).where(DELIVERIES.c.id == found.id).values(**values))
        return found


def _settle(connection: Connection, delivery: str, outcome: str, because: str, now: datetime) -> None:
    values = {"outcome": outcome, "because": because, "settled_at": now}
    connection.execute(update(DELIVERIES).where(DELIVERIES.c.id == delivery).values(**values))


def _close_stopped(store: Store, now: datetime) -> None:
    """What was noted while its webhook was being stopped."""
    stopped = select(HOOKS.c.id).where(~STANDING)
    waiting = (DELIVERIES.c.outcome == "waiting") & DELIVERIES.c.webhook_id.in_(stopped)
    with store.database.reading() as connection:
        found = list(connection.scalars(select(DELIVERIES.c.id).where(waiting)))
    if found:
        with store.database.writing() as connection:
            for delivery in found:
                _settle(connection, delivery, "stopped", "the webhook was stopped", now)
