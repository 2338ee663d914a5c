"""Rows that may be written by several processes at once and must exist once."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import SQLModel

from persistence import models
from persistence.journal import dumps
from persistence.store import table

STAFF = "coordinator"


def insert_once(connection: Connection, model: type[SQLModel], row: dict[str, Any]) -> bool:
    """Whether the row is new; one with the same key stays as it is."""
    target = table(model)
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    statement = dialect.insert(target).values(**row).on_conflict_do_nothing()
    # Asked for the key that was written: the row count of such an insert is not the same on every database.
    return connection.execute(statement.returning(*target.primary_key.columns)).first() is not None


def tell_staff(
    connection: Connection,
    key: str,
    code: str,
    because: str,
    now: datetime,
    *,
    episode: str | None = None,
    patient: str | None = None,
) -> bool:
    """Put an alert of the house itself into the outbox, once for its key; whether it is new."""
    row = {
        "key": key,
        "episode_id": episode,
        "patient_id": patient,
        "kind": "alert",
        "code": code,
        "role": STAFF,
        "task_n": None,
        "detail": dumps({"event": "alert", "code": code, "because": because}),
        "due_at": now,
        "fired_at": now,
        "try_at": now,
        "outcome": "waiting",
        "because": "",
        "attempts": 0,
    }
    return insert_once(connection, models.Reminder, row)
