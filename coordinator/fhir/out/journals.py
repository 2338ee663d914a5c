"""A patient's journals, whole and unchanged, in a DocumentReference: what an empty database can be filled from.

The attachment is NDJSON. Its first line says who it is about and where each journal ends; then comes every line of
every episode as the database has it, with its hash; then the messages of the outbox and the attempts to deliver them.
"""

import base64
import hashlib
from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any

from coordinator.fhir.out.elements import Json, concept, instant, reference, resource, subject
from coordinator.fhir.out.names import episode_name, patient_id
from pathway.guideline import Guideline
from persistence.charts import Chart
from persistence.journal import dumps

FORM = "clinical-pathway-journal/1"
CONTENT_TYPE = "application/x-ndjson"
LINE = (
    "episode_id",
    "seq",
    "kind",
    "occurred_at",
    "recorded_at",
    "actor",
    "event_id",
    "step",
    "effects",
    "previous_hash",
    "hash",
)


def journal_document(chart: Chart, guideline: Guideline, now: datetime) -> Json:
    text = "".join(f"{dumps(line)}\n" for line in _lines(chart, guideline)).encode()
    return resource(
        "DocumentReference",
        patient_id(chart.patient.id),
        updated=max((kept.row.updated_at for kept in chart.episodes), default=now),
        status="current",
        type=concept("document", "journal", "Journal of the clinical pathway"),
        subject=subject(chart.patient.id),
        date=instant(now),
        description="The journals of this patient with their hash chains; read by the import of another engine.",
        content=[
            {
                "attachment": {
                    "contentType": CONTENT_TYPE,
                    "data": base64.b64encode(text).decode(),
                    "size": len(text),
                    # R4 asks for SHA-1 here; the chain inside is SHA-256.
                    "hash": base64.b64encode(hashlib.sha1(text, usedforsecurity=False).digest()).decode(),
                    "title": "journal.ndjson",
                }
            }
        ],
        context={"related": [reference("CarePlan", episode_name(kept.row.id)) for kept in chart.episodes]},
    )


def _lines(chart: Chart, guideline: Guideline) -> Iterator[Json]:
    people = [chart.patient, *chart.retired]
    yield {
        "form": FORM,
        "guideline": f"{guideline.id}/{guideline.version}",
        "patient": chart.patient.id,
        "people": [_all(row._mapping) for row in people],
        "merges": [_all(row._mapping) for row in chart.merges],
        "moved": [_all(row._mapping) for row in chart.moved],
        "episodes": [
            {"id": kept.row.id, "lines": kept.row.version, "last_hash": kept.row.last_hash} for kept in chart.episodes
        ],
    }
    for kept in chart.episodes:
        for line in kept.lines:
            yield {"entry": {name: _plain(getattr(line, name)) for name in LINE}}
    for message in chart.messages:
        yield {"message": _all(message._mapping)}
    for sent in chart.deliveries:
        yield {"delivery": {name: value for name, value in _all(sent._mapping).items() if name != "id"}}


def _all(row: Mapping[str, Any]) -> Json:
    return {name: _plain(value) for name, value in row.items()}


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime | date) else value
