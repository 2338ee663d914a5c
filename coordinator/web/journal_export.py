"""The journal as a file: one row for each line, written as it is read, however long the journals are."""

import json
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from coordinator.export import csv_file
from coordinator.export.columns import Value
from coordinator.export.sources import in_words
from coordinator.export.tables import JOURNAL, JournalRecord
from pathway.guideline import Guideline
from persistence.audit import JournalLine
from persistence.journal import step_document

# In JSON these stand as what they are, not as text.
WHOLE = ("step", "effects")


def as_csv(lines: Iterable[JournalLine], guideline: Guideline) -> Iterator[str]:
    yield from csv_file.as_csv(JOURNAL, in_words(lines, guideline))


def as_ndjson(lines: Iterable[JournalLine], guideline: Guideline) -> Iterator[str]:
    """One JSON object to a line, with the step and its effects as they were recorded."""
    for record in in_words(lines, guideline):
        yield json.dumps(_object(record), ensure_ascii=False) + "\n"


def _object(record: JournalRecord) -> dict[str, Any]:
    flat = {column.name: _plain(column.value(record)) for column in JOURNAL.columns if column.name not in WHOLE}
    entry = record.line.entry
    return {**flat, "step": step_document(entry.step), "effects": list(entry.effects)}


def _plain(value: Value) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value
