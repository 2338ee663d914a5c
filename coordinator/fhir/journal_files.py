"""Reading the journals of one patient out of an export of an engine like this one, and believing nothing of it
before its hashes have been computed again and every line has been replayed."""

import base64
import binascii
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from types import SimpleNamespace
from typing import Any

from coordinator.fhir.out.elements import TAG
from coordinator.fhir.out.journals import CONTENT_TYPE, FORM
from coordinator.fhir.out.names import system
from pathway.engine import Change, Engine
from pathway.episode import Episode
from pathway.errors import JournalBroken, PathwayError
from pathway.journal import Entry
from persistence import models
from persistence.journal import FIRST, entry_of, line_hash
from persistence.restoring import Row, Taken, typed
from persistence.rows import told
from persistence.verify import OF_THE_HOUSE

Json = Mapping[str, Any]


class NotBelieved(Exception):
    """Why a journal is not taken in, in words that follow the name of what it was read from."""


def is_ours(resource: Json) -> bool:
    """Whether an engine like this one wrote it."""
    meta = resource.get("meta")
    tags = meta.get("tag") if isinstance(meta, Mapping) else None
    return isinstance(tags, list) and any(
        isinstance(tag, Mapping) and (tag.get("system"), tag.get("code")) == (TAG["system"], TAG["code"])
        for tag in tags
    )


def is_journal(resource: Json) -> bool:
    kind = resource.get("type")
    codings = kind.get("coding") if isinstance(kind, Mapping) else None
    return resource.get("resourceType") == "DocumentReference" and any(
        isinstance(coding, Mapping) and (coding.get("system"), coding.get("code")) == (system("document"), "journal")
        for coding in (codings if isinstance(codings, list) else ())
    )


def taken_from(resource: Json, engine: Engine) -> Taken:
    """What a journal document holds, checked; raises NotBelieved."""
    head, *lines = _lines(_text(resource))
    if not isinstance(head, Mapping) or head.get("form") != FORM:
        raise NotBelieved(f"its journal is not of the form {FORM}")
    ours = f"{engine.guideline.id}/{engine.guideline.version}"
    if head.get("guideline") != ours:
        raise NotBelieved(f"it was written under the guideline {head.get('guideline')}, and this engine has {ours}")
    try:
        return _taken(head, lines, engine)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise NotBelieved(f"its journal cannot be read ({type(error).__name__}: {error})") from error


def _text(resource: Json) -> bytes:
    try:
        (content,) = resource["content"]
        attachment = content["attachment"]
        data = base64.b64decode(attachment["data"], validate=True)
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise NotBelieved("it has no journal attached that could be read") from error
    if attachment.get("contentType") != CONTENT_TYPE or attachment.get("size") != len(data):
        raise NotBelieved("its journal is not as long as it says; it was cut off or changed")
    return data


def _lines(data: bytes) -> list[Any]:
    try:
        found = [json.loads(line) for line in data.decode().splitlines()]
    except ValueError as error:
        raise NotBelieved(f"its journal is not NDJSON ({error})") from error
    if not found:
        raise NotBelieved("its journal is empty")
    return found


def _taken(head: Json, lines: Sequence[Json], engine: Engine) -> Taken:
    ends = {row["id"]: (row["lines"], row["last_hash"]) for row in head["episodes"]}
    rows = [_row(line["entry"]) for line in lines if "entry" in line]
    changes = _changes(rows, ends, engine)
    patient, people = head["patient"], list(head["people"])
    _require_people(patient, people, changes, ends)
    messages = [line["message"] for line in lines if "message" in line]
    deliveries = [line["delivery"] for line in lines if "delivery" in line]
    _require_messages(messages, deliveries, changes)
    return Taken(
        patient=patient,
        people=people,
        changes=changes,
        last_hashes={name: last for name, (_, last) in ends.items()},
        messages=messages,
        deliveries=deliveries,
        merges=list(head["merges"]),
        moved=list(head["moved"]),
    )


def _row(line: Json) -> SimpleNamespace:
    known = {name: value for name, value in line.items() if name not in ("occurred_at", "recorded_at")}
    times = {name: datetime.fromisoformat(line[name]) for name in ("occurred_at", "recorded_at")}
    return SimpleNamespace(**known, **times)


# ---------------------------------------------------------------- the journals


def _changes(rows: Sequence[Any], ends: Mapping[str, tuple[int, str]], engine: Engine) -> list[Change]:
    by_episode = {name: list(lines) for name, lines in groupby(rows, key=lambda row: row.episode_id)}
    strangers = sorted(by_episode.keys() ^ ends.keys())
    if strangers:
        raise NotBelieved(f"its journal and its heading do not agree about the episode {strangers[0]}")
    changes = []
    for name, (count, last) in ends.items():
        _require_chain(name, by_episode[name], count, last)
        entries = [entry_of(row) for row in by_episode[name]]
        changes.append(Change(_replayed(name, entries, engine), tuple(entries)))
    return changes


def _require_chain(name: str, rows: Iterable[Any], count: int, last: str) -> None:
    """Every line is there, unedited, and bound to the one before; the journal ends where its heading says."""
    seq, previous = 0, FIRST
    for row in rows:
        if row.seq != seq + 1 or row.previous_hash != previous:
            raise NotBelieved(f"{name} line {seq + 1}: the line is missing, or does not follow the one before it")
        if line_hash(vars(row)) != row.hash:
            raise NotBelieved(f"{name} line {row.seq} ({row.kind}): the line was changed after it was written")
        seq, previous = row.seq, row.hash
    if (seq, previous) != (count, last):
        raise NotBelieved(f"{name}: the journal ends at line {seq}, its heading speaks of {count} lines")


def _replayed(name: str, entries: Sequence[Entry], engine: Engine) -> Episode:
    try:
        engine.profile(str(entries[0].step.data["profile"]))
        episode = engine.replay(entries)
    except JournalBroken as error:
        raise NotBelieved(f"this engine makes something else of it ({error})") from error
    except (PathwayError, AssertionError, StopIteration) as error:
        raise NotBelieved(f"{name}: this engine cannot replay it ({error})") from error
    if episode.id != name:
        raise NotBelieved(f"the journal of {name} is that of {episode.id}")
    return episode


# ---------------------------------------------------------------- what goes with them


def _require_people(patient: str, people: Sequence[Row], changes: Sequence[Change], ends: Any) -> None:
    known = {row["id"]: row for row in people}
    for row in people:
        typed(models.Patient, row)
    if patient not in known or known[patient].get("merged_into"):
        raise NotBelieved(f"its heading does not say who {patient} is")
    owners = {change.episode.patient for change in changes}
    if not owners <= known.keys() or not ends:
        raise NotBelieved("it holds the journal of somebody whom its heading does not name")


def _require_messages(messages: Sequence[Row], deliveries: Sequence[Row], changes: Sequence[Change]) -> None:
    """A message is one that the journals tell of, or one of the house or to the patient about one of the episodes."""
    said = {row["key"] for change in changes for row in told(change.episode, change.entries)}
    episodes = {change.episode.id for change in changes}
    for row in messages:
        typed(models.Reminder, row)
        beside = row["kind"] == "patient" or row["code"] in OF_THE_HOUSE
        if row["episode_id"] not in episodes or not (row["key"] in said or beside):
            raise NotBelieved(f"no journal in it tells of its message {row['key']}")
    keys = {row["key"] for row in messages}
    missing = sorted(said - keys)
    if missing:
        raise NotBelieved(f"its journals tell of a message that is not in it ({missing[0]})")
    for row in deliveries:
        typed(models.Delivery, row)
        if row["reminder_key"] not in keys:
            raise NotBelieved(f"it tells of the delivery of a message that is not in it ({row['reminder_key']})")


def last_recorded(taken: Taken) -> datetime:
    return max(change.entries[-1].recorded_at for change in taken.changes)
