"""Addresses that are called when something happens, and what each must be told, as rows.

What is to be told is written in the transaction of the thing itself: there is no moment at which one is saved and the
other not, whoever else writes meanwhile and in whatever order they finish.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from sqlalchemy import Connection, Row, func, insert, select, update

from persistence import models
from persistence.bulk import upsert
from persistence.database import Database
from persistence.journal import dumps
from persistence.registry import table

HOOKS, DELIVERIES = table(models.WebhookEndpoint), table(models.WebhookDelivery)
TRANSITION = "transition"
EVENTS = (TRANSITION,)
STANDING = HOOKS.c.stopped_at.is_(None)
DETAIL = ("from_state", "from_sub", "to_state", "to_sub", "rule", "actor")


def announce(connection: Connection, moves: Sequence[dict[str, Any]], patients: dict[str, str]) -> None:
    """Note for every standing webhook that these moves happened. `patients`: whose each episode is."""
    if not moves:
        return
    hooks = connection.execute(select(HOOKS.c.id, HOOKS.c.events).where(STANDING)).all()
    wanting = [hook.id for hook in hooks if TRANSITION in hook.events.split()]
    rows = [_delivery(hook, move, patients[move["episode_id"]]) for hook in wanting for move in moves]
    upsert(connection, models.WebhookDelivery, rows, keep=True)


def _delivery(hook: str, move: dict[str, Any], patient: str) -> dict[str, Any]:
    place = f"{hook}:{move['episode_id']}:{move['seq']}:{move['number']}"
    return {
        # The same for the same thing and address: whoever hears it twice knows it by that.
        "id": uuid5(NAMESPACE_URL, f"pathway:{place}").hex,
        "webhook_id": hook,
        "event": TRANSITION,
        "episode_id": move["episode_id"],
        "patient_id": patient,
        "seq": move["seq"],
        "number": move["number"],
        "detail": dumps({name: move[name] for name in DETAIL}),
        "happened_at": move["moved_at"],
        "outcome": "waiting",
        "because": "",
        "attempts": 0,
        "try_at": move["moved_at"],
    }


def untold(connection: Connection, before: datetime, given_up_since: datetime) -> int:
    """Deliveries to standing webhooks that wait since before an instant, or were given up since another."""
    late = (DELIVERIES.c.outcome == "waiting") & (DELIVERIES.c.happened_at <= before)
    given_up = (DELIVERIES.c.outcome == "failed") & (DELIVERIES.c.settled_at > given_up_since)
    query = select(func.count()).select_from(DELIVERIES.join(HOOKS, HOOKS.c.id == DELIVERIES.c.webhook_id))
    return connection.scalar(query.where(STANDING, late | given_up)) or 0


class Webhooks:
    def __init__(self, database: Database) -> None:
        self.database = database

    def all(self) -> Sequence[Row]:
        """Every webhook, the newest first; stopped ones too."""
        with self.database.reading() as connection:
            return connection.execute(select(HOOKS).order_by(HOOKS.c.created_at.desc(), HOOKS.c.id)).all()

    def find(self, webhook: str) -> Row | None:
        with self.database.reading() as connection:
            return connection.execute(select(HOOKS).where(HOOKS.c.id == webhook)).first()

    def counts(self, webhook: str) -> dict[str, int]:
        """How many deliveries have each outcome."""
        query = select(DELIVERIES.c.outcome, func.count()).where(DELIVERIES.c.webhook_id == webhook)
        with self.database.reading() as connection:
            return {row[0]: row[1] for row in connection.execute(query.group_by(DELIVERIES.c.outcome))}

    def deliveries_after(self, webhook: str, outcome: str | None, after: str | None, size: int) -> Sequence[Row]:
        """What one address must be or was told, in the order of the ids."""
        query = select(DELIVERIES).where(DELIVERIES.c.webhook_id == webhook)
        query = query.where(DELIVERIES.c.outcome == outcome) if outcome is not None else query
        query = query.where(DELIVERIES.c.id > after) if after is not None else query
        with self.database.reading() as connection:
            return connection.execute(query.order_by(DELIVERIES.c.id).limit(size)).all()

    def add(self, row: dict[str, Any]) -> None:
        with self.database.writing() as connection:
            add_webhook(connection, row)

    def stop(self, webhook: str, at: datetime, by: str) -> bool:
        with self.database.writing() as connection:
            return stop_webhook(connection, webhook, at, by)


def add_webhook(connection: Connection, row: dict[str, Any]) -> None:
    """A new one: id, url, secret, events, email, created_at, try_at."""
    connection.execute(insert(HOOKS).values(**row, stopped_by="", failures=0))


def stop_webhook(connection: Connection, webhook: str, at: datetime, by: str) -> bool:
    """Tell it nothing more; what waits is closed. False where there is no standing one of that id."""
    standing = (HOOKS.c.id == webhook) & STANDING
    if connection.execute(update(HOOKS).where(standing).values(stopped_at=at, stopped_by=by)).rowcount != 1:
        return False
    waiting = (DELIVERIES.c.webhook_id == webhook) & (DELIVERIES.c.outcome == "waiting")
    values = {"outcome": "stopped", "because": "the webhook was stopped", "settled_at": at}
    connection.execute(update(DELIVERIES).where(waiting).values(**values))
    return True


def tell_again(connection: Connection, delivery: str, at: datetime) -> bool:
    """What was given up is tried once more, its count begun anew. False where it was not given up."""
    given_up = (DELIVERIES.c.id == delivery) & (DELIVERIES.c.outcome == "failed")
    of_standing = DELIVERIES.c.webhook_id.in_(select(HOOKS.c.id).where(STANDING))
    values = {"outcome": "waiting", "because": "", "attempts": 0, "try_at": at, "settled_at": None}
    return connection.execute(update(DELIVERIES).where(given_up & of_standing).values(**values)).rowcount == 1


def patients_of(changes: Iterable[Any]) -> dict[str, str]:
    return {change.episode.id: change.episode.patient for change in changes}
