"""The record of attempts: who was told by which channel, and what it answered."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from persistence import models
from persistence.store import table

UNANSWERED, ACCEPTED, DELIVERED = "unanswered", "accepted", "delivered"
FOR_GOOD = "refused for good: "
TAKEN = (ACCEPTED, DELIVERED)
# A file in the house is a copy: it tells nobody where another channel carries the message.
COPIES = ("logfile",)


def is_settled(answer: str) -> bool:
    """Whether asking this channel again for this recipient is needless."""
    return answer in TAKEN or answer.startswith(FOR_GOOD)


def begin(connection: Connection, key: str, channel: str, recipient: str, message_id: str, now: datetime) -> int:
    """Note that somebody is about to be told; the id of the row."""
    row = {
        "reminder_key": key,
        "channel": channel,
        "recipient": recipient,
        "attempted_at": now,
        "ok": False,
        "answer": UNANSWERED,
        "message_id": message_id,
    }
    done = connection.execute(insert(table(models.Delivery)).values(**row))
    assert done.inserted_primary_key is not None
    return int(done.inserted_primary_key[0])


def note(connection: Connection, answers: Mapping[int, str]) -> None:
    rows = table(models.Delivery)
    for delivery, answer in answers.items():
        found = {"ok": answer in TAKEN, "answer": answer}
        connection.execute(update(rows).where(rows.c.id == delivery).values(**found))


def settled(connection: Connection, key: str) -> dict[tuple[str, str], str]:
    """(channel, recipient) -> the answer that settles it: accepted, delivered, or refused for good."""
    rows = table(models.Delivery)
    query = select(rows.c.channel, rows.c.recipient, rows.c.answer).where(rows.c.reminder_key == key)
    found = connection.execute(query.order_by(rows.c.id))
    return {(channel, person): answer for channel, person, answer in found if is_settled(answer)}


def last_answer(connection: Connection, key: str) -> str:
    """What was last said against it; empty when nothing was."""
    rows = table(models.Delivery)
    query = select(rows.c.answer).where(rows.c.reminder_key == key, ~rows.c.ok).order_by(rows.c.id.desc())
    return connection.scalar(query.limit(1)) or ""


def perhaps_told(connection: Connection, key: str) -> list[str]:
    """Whom a channel was given it for without its answer being written down: they have it, or they do not."""
    rows = table(models.Delivery)
    query = select(rows.c.recipient).where(rows.c.reminder_key == key, rows.c.answer == UNANSWERED).distinct()
    return list(connection.scalars(query.order_by(rows.c.recipient)))


def told_since(connection: Connection, recipients: Iterable[str], since: datetime, key: str) -> dict[str, int]:
    """How many other messages each recipient was sent since then; what is on its way counts."""
    rows = table(models.Delivery)
    sent = rows.c.ok | (rows.c.answer == UNANSWERED)
    mine = rows.c.recipient.in_(list(recipients)) & (rows.c.attempted_at >= since) & (rows.c.reminder_key != key)
    counted = select(rows.c.recipient, func.count(rows.c.reminder_key.distinct())).where(mine, sent)
    return {row.recipient: row[1] for row in connection.execute(counted.group_by(rows.c.recipient))}


def telling(answers: Mapping[tuple[str, str], str], channels: Iterable[str]) -> list[str]:
    """Of answers by channel and recipient those that say whether people were told, where these channels carry it."""
    real = {*channels} - {*COPIES}
    return [answer for (channel, _), answer in answers.items() if channel in real or not real]


def outcome_of(answers: Iterable[str]) -> str:
    """One outcome of all answers: delivered when every far end that took it says so; failed when none took it."""
    taken = [answer for answer in answers if answer in TAKEN]
    if not taken:
        return "failed"
    return "delivered" if all(answer == DELIVERED for answer in taken) else "sent"


def attempts_of(connection: Connection, message_id: str) -> list[Any]:
    """The attempts that a receipt of that id may mean, the likeliest first: the latest, and copies last."""
    rows = table(models.Delivery)
    query = select(rows).where(rows.c.message_id == message_id)
    return list(connection.execute(query.order_by(rows.c.channel.in_(COPIES), rows.c.id.desc())))
