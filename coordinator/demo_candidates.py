"""What an import of the demo's hospital would have left for a person: fractures that were not sure enough to enrol."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

from persistence.store import Person

FILE = "demo-export.ndjson, line"
# Name, number, born, kind, level, what the source calls it, days since, and why it waits.
FRACTURES = (
    ("KNAPWEED", "Demo Hilda", "9996580101", date(1941, 6, 2), "spine", None,
     "Compression fracture of vertebral column", 9, ("level unknown",)),
    ("TORMENTIL", "Demo Ivor", "9996580136", date(1948, 11, 23), "spine", "T12",
     "Wedge compression fracture of T12", 16, ("outside the scope L1 and L2 (T12)",)),
    ("BURNET", "Demo Nora", "9996580160", date(1944, 2, 14), "osteoporotic", None,
     "Pathological fracture due to osteoporosis", 30, ("osteoporotic fracture but the site is the wrist",)),
)  # fmt: skip


def demo_candidates(now: datetime, known: Person) -> Iterator[dict[str, Any]]:
    """Three people who are not followed, and a second fracture of `known`, who is."""
    for line, (surname, given, number, born, kind, level, text, days, reasons) in enumerate(FRACTURES, 3):
        yield _row(line, now, (number, surname, given, born), kind, level, text, days, reasons)
    who = (known.id, known.surname, known.given, None)
    yield _row(8, now, who, "spine", "L1", "Fracture of lumbar spine", 2, ("a fracture of this level is followed",))


def _row(
    line: int,
    now: datetime,
    who: tuple[str, str, str, date | None],
    kind: str,
    level: str | None,
    text: str,
    days: int,
    reasons: tuple[str, ...],
) -> dict[str, Any]:
    number, surname, given, born = who
    onset = (now - timedelta(days=days)).date()
    return {
        "id": f"demo{line}-{number}",
        "patient_id": number,
        "surname": surname,
        "given": given,
        "birth_date": born,
        "sex": None,
        "kind": kind,
        "level": level,
        "onset": onset,
        "precision": "day",
        "identification": onset,
        "text": text,
        "reasons": list(reasons),
        "refs": [f"Condition/demo-{line}"],
        "place": f"{FILE} {line}, Condition/demo-{line}",
        "event_id": f"demo-case:{line}",
        "fingerprint": f"demo {line}",
        "found_at": now - timedelta(days=1),
    }
