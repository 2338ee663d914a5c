"""The journal as a file: one row for each line, written as it is read, however long the journals are."""

import csv
import io
import json
from collections.abc import Iterable, Iterator

from coordinator.telling import tell
from pathway.guideline import Guideline
from persistence.audit import JournalLine
from persistence.journal import step_document

COLUMNS = (
    "recorded_at", "occurred_at", "patient", "episode", "seq", "kind", "actor", "by", "refused", "because", "what",
    "rules", "previous_hash", "hash",
)  # fmt: skip
# What a spreadsheet would take for a formula.
DANGEROUS = ("=", "+", "-", "@", "\t", "\r")


def as_csv(lines: Iterable[JournalLine], guideline: Guideline) -> Iterator[str]:
    yield _row(COLUMNS)
    for line in lines:
        found = _fields(line, guideline)
        yield _row([_harmless(found[column]) for column in COLUMNS])


def as_ndjson(lines: Iterable[JournalLine], guideline: Guideline) -> Iterator[str]:
    """One JSON object to a line, with the step and its effects as they were recorded."""
    for line in lines:
        whole = {**_fields(line, guideline), "seq": line.entry.seq, "step": step_document(line.entry.step)}
        yield json.dumps({**whole, "effects": list(line.entry.effects)}, ensure_ascii=False) + "\n"


def _fields(line: JournalLine, guideline: Guideline) -> dict[str, str]:
    entry = line.entry
    told = list(tell([entry], guideline))
    return {
        "recorded_at": entry.recorded_at.isoformat(),
        "occurred_at": entry.occurred_at.isoformat(),
        "patient": line.patient,
        "episode": line.episode,
        "seq": str(entry.seq),
        "kind": entry.kind,
        "actor": entry.actor,
        "by": entry.step.by,
        "refused": entry.refusal.code if entry.refusal else "",
        "because": entry.refusal.because if entry.refusal else "",
        "what": "; ".join(one.what for one in told),
        "rules": " ".join(dict.fromkeys(one.rule for one in told if one.rule)),
        "previous_hash": line.previous_hash,
        "hash": line.hash,
    }


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(DANGEROUS) else cell


def _row(cells: Iterable[str]) -> str:
    written = io.StringIO()
    csv.writer(written).writerow(cells)
    return written.getvalue()
