"""Cards that were shown in another system, and what people there made of them, as rows."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import select, update

from persistence import models
from persistence.bulk import upsert
from persistence.database import Database
from persistence.registry import table

CARDS = table(models.Card)


def note_shown(database: Database, rows: Sequence[dict[str, Any]], at: datetime) -> None:
    """The columns of `card` but the times; one that was shown before is shown once more."""
    if not rows:
        return
    with database.writing() as connection:
        ids = [row["id"] for row in rows]
        known = set(connection.scalars(select(CARDS.c.id).where(CARDS.c.id.in_(ids))))
        seen = {"last_shown_at": at, "times": CARDS.c.times + 1}
        connection.execute(update(CARDS).where(CARDS.c.id.in_(sorted(known))).values(**seen))
        new = [{**row, "first_shown_at": at, "last_shown_at": at, "times": 1} for row in rows if row["id"] not in known]
        upsert(connection, models.Card, new, keep=True)


def keep_feedback(database: Database, rows: Sequence[dict[str, Any]]) -> str:
    """All of it, the same word once; or nothing, and the id of a card that was never shown."""
    with database.writing() as connection:
        ids = sorted({row["card_id"] for row in rows})
        known = set(connection.scalars(select(CARDS.c.id).where(CARDS.c.id.in_(ids))))
        unknown = [name for name in ids if name not in known]
        if unknown:
            return unknown[0]
        upsert(connection, models.CardFeedback, list(rows), keep=True)
    return ""
