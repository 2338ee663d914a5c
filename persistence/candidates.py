"""Keeping candidates: found again they are the same one, changed in the source they wait again."""

import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, case, func, insert, or_, select, update

from persistence.candidate_models import Candidate
from persistence.database import Database, in_turn
from persistence.models import Patient
from persistence.registry import table

WAITING, ACCEPTED, DISMISSED, WITHDRAWN = "waiting", "accepted", "dismissed", "withdrawn"
# What stays as it was when it was first found.
LASTING = ("id", "patient_id", "place", "found_at", "changed_at")
# The most likely first.
KINDS = ("spine", "osteoporotic", "elsewhere")
CHANGED = "changed in the source since a person looked at it"

Row = Mapping[str, Any]


def keep_candidate(database: Database, row: Row) -> str:
    """Add what was found: "new", "changed" or "known". The same content twice writes nothing."""
    with database.writing() as connection:
        in_turn(connection, f"candidates of {row['patient_id']}")
        known = _same(connection, row)
        if known is None:
            connection.execute(insert(table(Candidate)), [_written(row)])
            return "new"
        return _told_again(connection, known, row)


def candidate_of(database: Database, row: Row) -> str:
    """What keep_candidate would answer, without writing."""
    with database.reading() as connection:
        known = _same(connection, row)
    return "new" if known is None else "changed" if _changes(known, row) else "known"


def _told_again(connection: Connection, known: Row, row: Row) -> str:
    changes = _changes(known, row)
    if not changes:
        return "known"
    changes["changed_at"] = row["found_at"]
    connection.execute(update(table(Candidate)).where(table(Candidate).c.id == known["id"]).values(**changes))
    return "changed"


def _changes(known: Row, row: Row) -> dict[str, Any]:
    """What has to be written over; nothing where a person has closed it and the source says what it said then."""
    changed = known["fingerprint"] != row["fingerprint"]
    if known["outcome"] == ACCEPTED or (known["outcome"] == DISMISSED and not changed):
        return {}
    reasons = list(row["reasons"])
    if known["outcome"] == DISMISSED or CHANGED in json.loads(known["reasons"]):
        reasons.append(CHANGED)
    refs = sorted({*json.loads(known["refs"]), *row["refs"]})
    new = _written({**row, "reasons": reasons, "refs": refs})
    return {name: value for name, value in new.items() if name not in LASTING and known[name] != value}


def _written(row: Row) -> dict[str, Any]:
    texts = {name: json.dumps(list(row[name]), ensure_ascii=False) for name in ("reasons", "refs")}
    closed = {"outcome": WAITING, "closed_at": None, "closed_by": "", "closed_because": "", "episode_id": None}
    return {**closed, **row, **texts, "changed_at": row["found_at"]}


def _same(connection: Connection, row: Row) -> Row | None:
    """The candidate of the same patient that one of the same resources tells of."""
    candidates = table(Candidate)
    query = select(candidates).where(candidates.c.patient_id == row["patient_id"]).order_by(candidates.c.id)
    if not row["patient_id"]:
        query = query.where(candidates.c.id == row["id"])
    for known in connection.execute(query).mappings():
        if set(json.loads(known["refs"])) & set(row["refs"]):
            return dict(known)
    return None


def candidates(
    database: Database, at: datetime, *, patient: str | None = None, kinds: Iterable[str] = KINDS
) -> list[dict[str, Any]]:
    """Every candidate that stood open at that instant, the most likely kind first, then the oldest.

    Of one patient: of records that were merged into theirs as well.
    """
    found = table(Candidate)
    still_open = found.c.closed_at.is_(None) | (found.c.closed_at > at)
    order = case({kind: place for place, kind in enumerate(KINDS)}, value=found.c.kind, else_=len(KINDS))
    query = select(found).where(found.c.found_at <= at, still_open, found.c.kind.in_(list(kinds)))
    if patient is not None:
        query = query.where(_of(patient))
    with database.reading() as connection:
        rows = connection.execute(query.order_by(order, found.c.found_at, found.c.id)).mappings()
        return [_read(dict(row)) for row in rows]


def _of(patient: str) -> ColumnElement[bool]:
    found, people = table(Candidate), table(Patient)
    former = select(people.c.id).where(people.c.merged_into == patient)
    return or_(found.c.patient_id == patient, found.c.patient_id.in_(former))


def waiting_counts(database: Database, patient: str | None = None) -> dict[str, int]:
    """How many wait now, by kind; of one patient, where one is named."""
    found = table(Candidate)
    query = select(found.c.kind, func.count()).where(found.c.outcome == WAITING).group_by(found.c.kind)
    if patient is not None:
        query = query.where(_of(patient))
    with database.reading() as connection:
        return dict.fromkeys(KINDS, 0) | {row.kind: row[1] for row in connection.execute(query)}


def waiting_page(database: Database, kind: str, *, page: int, size: int) -> list[dict[str, Any]]:
    """One page of what waits of a kind, the oldest first."""
    found = table(Candidate)
    query = select(found).where(found.c.outcome == WAITING, found.c.kind == kind)
    query = query.order_by(found.c.found_at, found.c.id).limit(size).offset((page - 1) * size)
    with database.reading() as connection:
        return [_read(dict(row)) for row in connection.execute(query).mappings()]


def candidate(database: Database, name: str) -> dict[str, Any] | None:
    found = table(Candidate)
    with database.reading() as connection:
        row = connection.execute(select(found).where(found.c.id == name)).mappings().first()
        return _read(dict(row)) if row else None


def _read(row: Row) -> dict[str, Any]:
    return {**row, "reasons": json.loads(row["reasons"]), "refs": json.loads(row["refs"])}


def close_candidate(
    database: Database, name: str, outcome: str, at: datetime, by: str, because: str, episode: str | None = None
) -> bool:
    """Close a waiting candidate with who and why; False when there is no waiting one of that id."""
    found = table(Candidate)
    values = {
        "outcome": outcome,
        "closed_at": at,
        "closed_by": by,
        "closed_because": because,
        "episode_id": episode,
    }
    with database.writing() as connection:
        waiting = (found.c.id == name) & (found.c.outcome == WAITING)
        return connection.execute(update(found).where(waiting).values(**values)).rowcount == 1


def waiting_with(database: Database, patient: str, ref: str) -> list[str]:
    """The waiting candidates of a patient that this resource tells of."""
    found = table(Candidate)
    query = select(found.c.id, found.c.refs).where(found.c.patient_id == patient, found.c.outcome == WAITING)
    with database.reading() as connection:
        return [row.id for row in connection.execute(query) if ref in json.loads(row.refs)]
