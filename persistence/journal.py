"""The journal as rows: one line to and from the database, and the chain of hashes that binds an episode's lines."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement

from pathway.journal import Entry, Refusal, Step, plain
from persistence import models
from persistence.registry import table

FIRST = "0" * 64
INTAKE = "intake"


# One spelling for one value: the hash depends on it.
dumps = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode


def step_document(step: Step) -> dict[str, Any]:
    values = {
        "event": step.event,
        "kind": step.kind,
        "data": plain(step.data),
        "actor": step.actor,
        "by": step.by,
        "event_id": step.event_id,
        "obs_id": step.obs_id,
        "number": step.number,
    }
    return {name: value for name, value in values.items() if value not in (None, "")}


def by_person(name: str) -> ColumnElement[bool]:
    """Whether a line says that this person recorded it."""
    return table(models.Entry).c.step.contains(f'"by":{dumps(name)},', autoescape=True)


def row_of(entry: Entry, episode_id: str, patient: str, previous: str, event_id: str | None) -> dict[str, Any]:
    """The database row of a journal line, its hash made from the line before it."""
    refusal = entry.refusal
    effects: dict[str, Any] = {"effects": list(entry.effects)}
    if refusal is not None:
        effects["refusal"] = [refusal.code, refusal.because, list(refusal.missing)]
    row = {
        "episode_id": episode_id,
        "seq": entry.seq,
        "patient_id": patient,
        "kind": entry.kind,
        "occurred_at": entry.occurred_at,
        "recorded_at": entry.recorded_at,
        "actor": entry.actor,
        "event_id": event_id,
        "refusal": refusal.code if refusal else None,
        "step": dumps(step_document(entry.step)),
        "effects": dumps(effects),
        "previous_hash": previous,
    }
    return {**row, "hash": line_hash(row)}


def line_hash(row: Mapping[str, Any]) -> str:
    """sha256 over the line and the hash before it; any later edit of either shows."""
    bound = (
        row["previous_hash"],
        row["episode_id"],
        str(row["seq"]),
        row["kind"],
        row["occurred_at"].isoformat(),
        row["recorded_at"].isoformat(),
        row["actor"],
        row["event_id"] or "",
        row["step"],
        row["effects"],
    )
    return hashlib.sha256("\x1f".join(bound).encode()).hexdigest()


def entry_of(row: Any) -> Entry:
    """The journal line of a database row."""
    effects = json.loads(row.effects)
    refusal = effects.get("refusal")
    return Entry(
        row.seq,
        row.kind,
        row.occurred_at,
        row.recorded_at,
        row.actor,
        Step(**json.loads(row.step)),
        tuple(effects["effects"]),
        Refusal(refusal[0], refusal[1], tuple(refusal[2])) if refusal else None,
    )
