"""What came back later: a mail server that took a message may still say that it arrived, or that it never will."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, update

from pathway.errors import PathwayError
from persistence import models
from persistence.store import Store, table
from scheduler import deliveries
from scheduler.deliveries import DELIVERED, FOR_GOOD
from scheduler.handover import hand_over

OVER = ("sent", "delivered")


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
        outcome = deliveries.outcome_of(deliveries.settled(connection, row.key).values())
        if row.outcome not in OVER or outcome == row.outcome:
            return str(row.outcome)
        if outcome != "failed":
            return _set(connection, row.key, outcome, row.because)
        episode = _episode(connection, row)
    return _failed(store, row, episode, refused, now)


def _failed(store: Store, row: Any, episode: Any, refused: str, now: datetime) -> str:
    because = FOR_GOOD + refused
    if episode is not None:
        because = hand_over(store, row, episode, because, now) or because
    with store.database.writing() as connection:
        return _set(connection, row.key, "failed", because)


def _set(connection: Connection, key: str, outcome: str, because: str) -> str:
    rows = table(models.Reminder)
    connection.execute(update(rows).where(rows.c.key == key).values(outcome=outcome, because=because))
    return outcome


def _row(connection: Connection, key: str) -> Any:
    rows = table(models.Reminder)
    return connection.execute(select(rows).where(rows.c.key == key).with_for_update()).one()


def _episode(connection: Connection, row: Any) -> Any:
    episodes = table(models.Episode)
    return connection.execute(select(episodes).where(episodes.c.id == row.episode_id)).first()
