"""Rows of an episode and of its parts, as the bulk statements take them."""

import json
from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

from pathway.engine import Change
from pathway.episode import Episode, Referral, Task, Timer, from_document, registered_as, to_document
from pathway.guideline import Guideline
from pathway.journal import Entry
from persistence.journal import dumps

# Lines that changed nothing by themselves: what fell due, and messages that came twice.
FIRINGS = ("timer", "reminder", "duplicate")
MOVED = "transition"


def episode_row(change: Change, next_wake: Any, last_hash: str) -> dict[str, Any]:
    episode = change.episode
    return {
        "id": episode.id,
        "patient_id": episode.patient,
        "n": episode.n,
        "state": episode.state,
        "sub": episode.sub,
        "since": _since(change),
        "level": episode.level,
        "onset": episode.onset,
        "identification": episode.identification,
        "care_start": episode.care_start,
        "zone": episode.zone,
        "guideline": episode.guideline,
        "profile": episode.profile,
        "owner": episode.owner,
        "version": episode.seq,
        "next_wake_at": next_wake,
        "held": any(timer.status == "held" for timer in episode.timers),
        "last_hash": last_hash,
        "document": dumps(_as_registered(episode)),
        "updated_at": change.entries[-1].recorded_at,
    }


def _as_registered(episode: Episode) -> dict[str, Any]:
    """The document is what the journal makes of it, and no journal tells of a merge."""
    patient, n = registered_as(episode.id)
    return {**to_document(episode), "patient": patient, "n": n}


def episode_of(row: Any) -> Episode:
    """The episode of a row with `document`, `patient_id` and `n`: as the journal has it, in the record it is in now."""
    found = from_document(json.loads(row.document))
    found.patient, found.n = row.patient_id, row.n
    return found


def _since(change: Change) -> datetime | None:
    """When the episode came to where it is; None where these lines did not move it."""
    moved = [entry.recorded_at for entry in change.entries for effect in entry.effects if effect["event"] == MOVED]
    return moved[-1] if moved else None


def timer_row(episode: Episode, timer: Timer) -> dict[str, Any]:
    return {
        "episode_id": episode.id,
        "code": timer.code,
        "due": timer.due,
        "status": timer.status,
        "outcome": timer.outcome,
        "fired_at": timer.fired_at,
    }


def task_row(episode: Episode, task: Task, guideline: Guideline) -> dict[str, Any]:
    return {
        "episode_id": episode.id,
        "code": task.code,
        "n": task.n,
        "role": guideline.tasks[task.code].role,
        "rank": 0 if guideline.tasks[task.code].red_flag else 1,
        "status": task.status,
        "due": task.due,
        "overdue_after": task.overdue_after,
        "opened_at": task.opened_at,
        "closed_at": task.closed_at,
        "closed_how": task.closed_how,
        "why": task.why,
    }


def referral_row(episode: Episode, referral: Referral) -> dict[str, Any]:
    return {
        "episode_id": episode.id,
        "service": referral.service,
        "n": referral.n,
        "status": referral.status,
        "technique": referral.technique,
        "opened_at": referral.opened_at,
        "changed_at": referral.changed_at,
    }


def changed(before: Iterable[Any], now: list[Any]) -> list[Any]:
    """The parts that are new or different; parts are never removed."""
    known = set(before)
    return [part for part in now if part not in known]


def announcements(episode: Episode, entry: Entry) -> list[dict[str, Any]]:
    """Alert rows of a journal line: alerts and notices, numbered within the line."""
    found = [effect for effect in entry.effects if effect["event"] in ("alert", "notice")]
    return [
        {
            "episode_id": episode.id,
            "seq": entry.seq,
            "number": number,
            "kind": effect["event"],
            "code": effect["code"],
            "detail": dumps(effect),
            "raised_at": entry.recorded_at,
        }
        for number, effect in enumerate(found)
    ]


def moves(episode: Episode, entry: Entry) -> list[dict[str, Any]]:
    """A row for each transition of a journal line, numbered within it; the first of an episode comes from nowhere."""
    found = [effect for effect in entry.effects if effect["event"] == MOVED]
    return [
        {
            "episode_id": episode.id,
            "seq": entry.seq,
            "number": number,
            "moved_at": entry.recorded_at,
            "from_state": effect.get("from"),
            "from_sub": effect.get("from_sub"),
            "to_state": effect["to"],
            "to_sub": effect.get("to_sub"),
            "rule": effect["rule"],
            "actor": effect["actor"],
        }
        for number, effect in enumerate(found)
    ]


def contacts(episode: Episode, entry: Entry) -> list[dict[str, Any]]:
    """A row for each talk with the patient that a journal line tells of, taken back or not as the episode knows."""
    taken_back = {contact.seq for contact in episode.contacts if contact.retracted}
    return [
        {
            "episode_id": episode.id,
            "seq": entry.seq,
            "patient_id": episode.patient,
            "outcome": effect["outcome"],
            "happened_at": entry.occurred_at,
            "retracted": entry.seq in taken_back,
        }
        for effect in entry.effects
        if effect["event"] == "contact"
    ]


def taken_back_contacts(episode: Episode, entry: Entry) -> list[dict[str, Any]]:
    """The rows of talks that a journal line takes back, each by its episode and the line that told of it."""
    return [
        {"of_episode": episode.id, "of_line": effect["seq"]}
        for effect in entry.effects
        if effect["event"] == "correction" and effect["target"] == "contact"
    ]


def looks_again(episode: Episode, entries: Iterable[Entry]) -> list[dict[str, Any]]:
    """A row for each piece of work that was set aside. The last word counts; taken back, its day is that very day."""
    rows = {}
    for entry in entries:
        for effect in entry.effects:
            if effect["event"] == "look_again":
                rows[effect["code"], effect["n"]] = {
                    "episode_id": episode.id,
                    "code": effect["code"],
                    "n": effect["n"],
                    "until": date.fromisoformat(effect["until"]),
                    "because": effect["because"],
                    "noted_by": effect.get("by") or entry.actor,
                    "noted_at": entry.recorded_at,
                }
    return list(rows.values())


def told(episode: Episode, entries: Iterable[Entry]) -> list[dict[str, Any]]:
    """Outbox rows of journal lines: every reminder, alert and notice, each with its own key.

    What fell due only because of a step (a late registration, say) is due since that step.
    """
    rows: list[dict[str, Any]] = []
    since = None
    for entry in entries:
        if entry.kind not in FIRINGS:
            since = entry.recorded_at
        caused = since == entry.recorded_at
        rows += [{**row, "due_at": entry.recorded_at} if caused else row for row in _messages(episode, entry)]
    return rows


def _messages(episode: Episode, entry: Entry) -> list[dict[str, Any]]:
    rows = []
    for number, effect in enumerate(entry.effects):
        if effect["event"] == "reminder":
            rows.append(_message(episode, entry, effect, effect["kind"], effect["key"], effect["role"]))
        elif effect["event"] in ("alert", "notice"):
            key = f"{episode.id}:{effect['event']}:{entry.seq}:{number}"
            role = "clinician" if effect["event"] == "alert" else "coordinator"
            rows.append(_message(episode, entry, effect, effect["event"], key, role))
    return rows


def _message(episode: Episode, entry: Entry, effect: Any, kind: str, key: str, role: str) -> dict[str, Any]:
    fell_due = effect.get("fell_due")
    return {
        "key": key,
        "episode_id": episode.id,
        "patient_id": episode.patient,
        "kind": kind,
        "code": effect["code"],
        "role": role,
        "task_n": effect.get("task_n"),
        "detail": dumps(effect),
        "due_at": datetime.fromisoformat(fell_due) if fell_due else entry.recorded_at,
        "fired_at": entry.recorded_at,
        "try_at": entry.recorded_at,
        "outcome": "waiting",
        "because": "",
        "attempts": 0,
    }
