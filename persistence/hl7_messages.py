"""HL7 v2 messages as rows: stored before anything else is done with them, each once, with what became of it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from persistence.database import Database, in_turn
from persistence.hl7_models import Hl7Message
from persistence.registry import table

STORED, TAKEN, NOTED, REFUSED, UNKNOWN, UNREADABLE, QUESTION, CLOSED = (
    "stored", "taken", "noted", "refused", "unknown", "unreadable", "question", "closed",
)  # fmt: skip
OUTCOMES = (STORED, TAKEN, NOTED, REFUSED, UNKNOWN, UNREADABLE, QUESTION, CLOSED)
# What a person has to look at; what is unknown was only ever of use elsewhere.
WAITING = (STORED, REFUSED, UNREADABLE, QUESTION)
DONE_WITH = (TAKEN, NOTED, UNKNOWN, CLOSED)
# What is done again when it comes again: whatever stood in its way may be gone.
TRIED_AGAIN = (STORED, REFUSED)

MESSAGES = table(Hl7Message)


@dataclass(frozen=True, slots=True)
class Kept:
    """A stored message; `done`: what it asked for was done when it came before."""

    id: int
    outcome: str
    because: str
    done: bool


@dataclass(frozen=True, slots=True)
class Listed:
    """A message as lists show it; `raw` is what came."""

    id: int
    kind: str
    control_id: str
    sender: str
    patient: str
    place: str
    received_at: datetime
    outcome: str
    because: str
    times: int
    raw: bytes


def keep_message(database: Database, row: dict[str, Any]) -> Kept:
    """Store a message in a transaction of its own; one that came before is counted and not stored again.

    `row`: sender, control_id, digest, kind, place, received_at, raw. Raises StoreError.
    """
    same = (
        (MESSAGES.c.sender == row["sender"])
        & (MESSAGES.c.control_id == row["control_id"])
        & (MESSAGES.c.digest == row["digest"])
    )
    with database.writing() as connection:
        in_turn(connection, f"hl7 {row['sender']} {row['control_id']}")
        known = connection.execute(select(MESSAGES).where(same)).first()
        if known is None:
            new = {**row, "outcome": STORED, "because": "", "patient_id": "", "times": 1, "last_at": row["received_at"]}
            number = connection.execute(insert(MESSAGES).values(**new)).inserted_primary_key
            assert number is not None
            return Kept(number[0], STORED, "", done=False)
        again = {"times": known.times + 1, "last_at": row["received_at"]}
        connection.execute(update(MESSAGES).where(MESSAGES.c.id == known.id).values(**again))
        return Kept(known.id, known.outcome, known.because, known.outcome not in TRIED_AGAIN)


def set_outcome(
    database: Database, number: int, outcome: str, because: str, at: datetime, patient: str | None = None
) -> None:
    values = {"outcome": outcome, "because": because, "taken_at": at}
    if patient is not None:
        values["patient_id"] = patient
    with database.writing() as connection:
        connection.execute(update(MESSAGES).where(MESSAGES.c.id == number).values(**values))


def messages(
    database: Database, *, outcomes: Iterable[str] = OUTCOMES, patients: Iterable[str] = (), limit: int | None = None
) -> list[Listed]:
    """The messages of those outcomes, the newest first; of those patients only, where any are named."""
    query = select(MESSAGES).where(MESSAGES.c.outcome.in_(list(outcomes))).order_by(MESSAGES.c.id.desc()).limit(limit)
    numbers = list(patients)
    if numbers:
        query = query.where(MESSAGES.c.patient_id.in_(numbers))
    with database.reading() as connection:
        return [_listed(row) for row in connection.execute(query)]


def message(database: Database, number: int) -> Listed | None:
    with database.reading() as connection:
        row = connection.execute(select(MESSAGES).where(MESSAGES.c.id == number)).first()
        return _listed(row) if row else None


def to_try_again(database: Database) -> list[int]:
    """Messages that were stored and not done, the oldest first: in the order in which they came."""
    return _numbers(database, TRIED_AGAIN)


def only_stored(database: Database) -> list[int]:
    """Those of them that nobody has looked at yet: a machine died in between."""
    return _numbers(database, (STORED,))


def _numbers(database: Database, outcomes: Iterable[str]) -> list[int]:
    query = select(MESSAGES.c.id).where(MESSAGES.c.outcome.in_(list(outcomes))).order_by(MESSAGES.c.id)
    with database.reading() as connection:
        return list(connection.scalars(query))


def close_message(database: Database, number: int, at: datetime, by: str, because: str) -> bool:
    """A person has seen to a message that waited; False where none of that number waits."""
    waiting = (MESSAGES.c.id == number) & MESSAGES.c.outcome.in_(WAITING)
    said = f"closed by {by}: {because}"
    with database.writing() as connection:
        before = connection.execute(select(MESSAGES.c.because).where(waiting)).first()
        if before is None:
            return False
        whole = f"{before.because}; {said}" if before.because else said
        values = {"outcome": CLOSED, "because": whole, "taken_at": at}
        connection.execute(update(MESSAGES).where(waiting).values(**values))
        return True


def forget(database: Database, before: datetime) -> int:
    """Empty the bytes of messages that were done with before that instant; that they came, and why, stays on record.

    Most messages of a hospital are about people whom nobody follows here. What waits for a person is kept.
    """
    over = MESSAGES.c.outcome.in_(DONE_WITH) & (MESSAGES.c.last_at < before) & (func.length(MESSAGES.c.raw) > 0)
    with database.writing() as connection:
        return connection.execute(update(MESSAGES).where(over).values(raw=b"")).rowcount


def counts(database: Database) -> dict[str, int]:
    """How many messages of each outcome there are."""
    query = select(MESSAGES.c.outcome, func.count()).group_by(MESSAGES.c.outcome)
    with database.reading() as connection:
        return {row[0]: row[1] for row in connection.execute(query)}


def waiting_messages(connection: Connection, since: datetime) -> int:
    """How many wait for a person; one that is only stored counts when it has been so since that instant."""
    stuck = (MESSAGES.c.outcome == STORED) & (MESSAGES.c.last_at <= since)
    wanted = MESSAGES.c.outcome.in_([each for each in WAITING if each != STORED]) | stuck
    return connection.scalar(select(func.count()).select_from(MESSAGES).where(wanted)) or 0


def _listed(row: Any) -> Listed:
    return Listed(
        row.id,
        row.kind,
        row.control_id,
        row.sender,
        row.patient_id,
        row.place,
        row.received_at,
        row.outcome,
        row.because,
        row.times,
        row.raw,
    )
