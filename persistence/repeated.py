"""Writes that a program may send twice: kept under its key, in the transaction that made them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, insert, select

from persistence import models
from persistence.database import in_turn
from persistence.journal import dumps
from persistence.registry import table
from persistence.store import Store

WRITES = table(models.IdempotentWrite)
# A sender that still repeats itself after so long has another trouble than a lost answer.
KEPT = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Answered:
    """What was answered to a write, and the fingerprint of what was asked."""

    fingerprint: str
    status: int
    headers: Mapping[str, str]
    body: Any


def answered(connection: Connection, token: str, key: str) -> Answered | None:
    """What that key was answered before. Until this transaction ends nobody else writes under it."""
    in_turn(connection, f"key {token} {key}")
    query = select(WRITES).where(WRITES.c.token_id == token, WRITES.c.key == key)
    row = connection.execute(query).first()
    if row is None:
        return None
    return Answered(row.fingerprint, row.status, json.loads(row.headers), json.loads(row.answer))


def keep_answer(connection: Connection, token: str, key: str, answer: Answered, at: datetime) -> None:
    row = {
        "token_id": token,
        "key": key,
        "fingerprint": answer.fingerprint,
        "status": answer.status,
        "headers": dumps(dict(answer.headers)),
        "answer": dumps(answer.body),
        "at": at,
    }
    connection.execute(insert(WRITES).values(**row))


def forget_old_answers(store: Store, now: datetime) -> int:
    """Answers hold what was said of patients, so they are kept no longer than they are of use; how many went."""
    with store.database.writing() as connection:
        return connection.execute(delete(WRITES).where(WRITES.c.at < now - KEPT)).rowcount
