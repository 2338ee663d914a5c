"""What came back later: a mail server that took a message may still say that it arrived, or that it never will."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, update

from pathway.errors import PathwayError
from persistence import models
from persistence.store import Store, table
from scheduler import deliveries
from scheduler.backoff import pause
from scheduler.deliveries import DELIVERED, FOR_GOOD
from scheduler.handover import hand_over
from scheduler.patients import PATIENT
from scheduler.reasons import TOLD
from scheduler.rows import tell_staff


class NoSuchMessage(PathwayError):
    """No message of this id was ever sent; nothing was saved."""


def keep_receipt(store: Store, message_id: str, now: datetime, *, refused: str = "") -> str:
    """Note that a message arrived, or why it never will; the outcome of its row. Twice is once.

    The id may carry the angle brackets and the domain of a Message-ID. When nobody is left who was told, the work
    becomes a person's. Raises NoSuchMessage.
    """
    name = message_id.strip().strip("<>").partition("@")[0]
    with store.database.writing() as connection:
        attempts = deliveries.attempts_of(connection, name)
        if not attempts:
            raise NoSuchMessage(message_id)
        deliveries.note(connection, {attempts[0].id: FOR_GOOD + refused if refused else DELIVERED})
        row = _row(connection, attempts[0].reminder_key)
        if refused and row.role != PATIENT:
            _tell_of_address(connection, attempts[0].recipient, refused, now)
        answers = deliveries.settled(connection, row.key)
        outcome = deliveries.outcome_of(deliveries.telling(answers, [channel for channel, _ in answers]))
        if row.outcome not in TOLD or outcome == row.outcome:
            return str(row.outcome)
        if outcome != "failed":
            return _set(connection, row.key, outcome=outcome)
        episode = _episode(connection, row)
    return _failed(store, row, episode, refused, now)


def _tell_of_address(connection: Connection, person: str, refused: str, now: datetime) -> None:
    """Others may have been told, so nobody else would notice; once a day is enough."""
    key = f"address:{person}:{now.date().isoformat()}"
    tell_staff(connection, key, "ADDRESS_REFUSED", f"{person}: {FOR_GOOD}{refused}", now)


def _failed(store: Store, row: Any, episode: Any, refused: str, now: datetime) -> str:
    """Where the task cannot be opened at this moment the row waits, and the next rounds of the outbox see to it."""
    because = FOR_GOOD + refused
    trouble = hand_over(store, row, episode, because, now) if episode is not None else ""
    with store.database.writing() as connection:
        if trouble:
            again = now + pause(row.key, row.attempts)
            return _set(connection, row.key, outcome="waiting", because=trouble, try_at=again, settled_at=None)
        return _set(connection, row.key, outcome="failed", because=because)


def _set(connection: Connection, key: str, *, outcome: str, **more: Any) -> str:
    rows = table(models.Reminder)
    connection.execute(update(rows).where(rows.c.key == key).values(outcome=outcome, **more))
    return outcome


def _row(connection: Connection, key: str) -> Any:
    rows = table(models.Reminder)
    return connection.execute(select(rows).where(rows.c.key == key).with_for_update()).one()


def _episode(connection: Connection, row: Any) -> Any:
    episodes = table(models.Episode)
    return connection.execute(select(episodes).where(episodes.c.id == row.episode_id)).first()
