"""What is and was in the outbox: every message with its outcome, its reason and each attempt to deliver it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from persistence import models
from persistence.store import Store, table

OUTCOMES = ("waiting", "sent", "delivered", "suppressed", "too_late", "failed")


@dataclass(frozen=True, slots=True)
class Attempt:
    channel: str
    recipient: str
    at: datetime
    answer: str
    message_id: str | None


@dataclass(frozen=True, slots=True)
class Sent:
    """One row of the outbox. `try_at` counts while it waits, `settled_at` is when it got its outcome."""

    key: str
    patient: str | None
    kind: str
    code: str
    role: str
    due_at: datetime | None
    outcome: str
    because: str
    try_at: datetime
    settled_at: datetime | None
    attempts: tuple[Attempt, ...]


def messages(store: Store, *, patient: str | None = None, outcome: str | None = None, limit: int = 50) -> list[Sent]:
    """Messages, the latest first, of one patient or with one outcome; at most `limit`, or all where it is 0."""
    rows = table(models.Reminder)
    query = select(rows).order_by(rows.c.fired_at.desc(), rows.c.key)
    if patient is not None:
        query = query.where(rows.c.patient_id == patient)
    if outcome is not None:
        query = query.where(rows.c.outcome == outcome)
    if limit:
        query = query.limit(limit)
    with store.database.reading() as connection:
        found = connection.execute(query).all()
        tried = _attempts(connection, [row.key for row in found])
    return [_sent(row, tried.get(row.key, [])) for row in found]


def _attempts(connection: Any, keys: list[str]) -> dict[str, list[Attempt]]:
    rows = table(models.Delivery)
    found: dict[str, list[Attempt]] = {}
    for row in connection.execute(select(rows).where(rows.c.reminder_key.in_(keys)).order_by(rows.c.id)):
        attempt = Attempt(row.channel, row.recipient, row.attempted_at, row.answer, row.message_id)
        found.setdefault(row.reminder_key, []).append(attempt)
    return found


def _sent(row: Any, attempts: list[Attempt]) -> Sent:
    return Sent(
        row.key,
        row.patient_id,
        row.kind,
        row.code,
        row.role,
        row.due_at,
        row.outcome,
        row.because,
        row.try_at,
        row.settled_at,
        tuple(attempts),
    )
