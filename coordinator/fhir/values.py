"""Reading the parts of a resource that the models have accepted: codes, references, dates in the site's zone."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from coordinator.fhir.codes import Codes, Coding, spelled
from pathway.calendar import local_date, zone_named

Json = Mapping[str, Any]

# Nobody who lives was born before, and every system that writes 0001 or 1753 means that it does not know.
EARLIEST = 1880
_LEVEL = re.compile(r"\b(T1[0-2]|T[1-9]|L[1-5])\b")
_VERSION = re.compile(r"/_history/[^/]*$")


@dataclass(frozen=True, slots=True)
class When:
    """A date as far as it is known: day, month or year; `instant` where the source gave the time as well."""

    day: date
    precision: str = "day"
    instant: datetime | None = None


def listed(value: Any, name: str) -> list[Any]:
    """A part of a resource that should be a list; empty where it is none. For what no model has looked at yet."""
    found = value.get(name) if isinstance(value, Mapping) else None
    return found if isinstance(found, list) else []


def codings(concept: Any, codes: Codes) -> Iterator[Coding]:
    """The codes of a CodeableConcept in systems that we know."""
    for coding in listed(concept, "coding"):
        found = coding_of(coding, codes)
        if found is not None:
            yield found


def coding_of(coding: Any, codes: Codes) -> Coding | None:
    if not isinstance(coding, Mapping):
        return None
    system, code = coding.get("system"), coding.get("code")
    if not isinstance(system, str) or not isinstance(code, str):
        return None
    name = codes.system(system)
    return (name, spelled(name, code)) if name else None


def words_of(concept: Any) -> str:
    """What a CodeableConcept says in words: its text, else the first display."""
    if not isinstance(concept, Mapping):
        return ""
    displays = [c.get("display") for c in listed(concept, "coding") if isinstance(c, Mapping)]
    return next((text for text in (concept.get("text"), *displays) if isinstance(text, str) and text.strip()), "")


def all_words(concept: Any) -> str:
    if not isinstance(concept, Mapping):
        return ""
    displays = [c.get("display") for c in listed(concept, "coding") if isinstance(c, Mapping)]
    return " | ".join(text for text in (concept.get("text"), *displays) if isinstance(text, str))


def status_of(concept: Any) -> str:
    """The code of a status that is a CodeableConcept with one coding."""
    for coding in listed(concept, "coding"):
        if isinstance(coding, Mapping) and isinstance(coding.get("code"), str):
            return str(coding["code"])
    return ""


def levels_said(text: str) -> tuple[str, ...]:
    """Vertebrae named in words; for a person to weigh, never a reason to enrol."""
    return tuple(dict.fromkeys(_LEVEL.findall(text)))


def reference_of(value: Any) -> str:
    """A reference in one spelling: Type/id where it has one, else as it stands (urn:uuid:…)."""
    text = value.get("reference") if isinstance(value, Mapping) else None
    if not isinstance(text, str):
        return ""
    parts = _VERSION.sub("", text).rstrip("/").split("/")
    return "/".join(parts[-2:]) if len(parts) >= 2 and parts[-2][:1].isupper() else text


def when(text: Any, zone: str) -> When | None:
    """A FHIR date or dateTime as the site's wall shows it; None where it is none, or stands for none (0001-01-01)."""
    if not isinstance(text, str):
        return None
    found = _when(text, zone)
    return found if found is not None and found.day.year >= EARLIEST else None


def _when(text: str, zone: str) -> When | None:
    try:
        if "T" in text:
            found = datetime.fromisoformat(text)
            instant = (found if found.tzinfo else found.replace(tzinfo=zone_named(zone))).astimezone(UTC)
            return When(local_date(instant, zone), "day", instant)
        if len(text) == 4:
            return When(date(int(text), 1, 1), "year")
        if len(text) == 7:
            return When(date.fromisoformat(f"{text}-01"), "month")
        return When(date.fromisoformat(text))
    except (ValueError, OverflowError):
        return None


def first_when(resource: Json, zone: str, *names: str) -> When | None:
    """The first of these elements that holds a time; of a Period its start."""
    for name in names:
        value = resource.get(name)
        if isinstance(value, Mapping):
            value = value.get("start")
        found = when(value, zone)
        if found is not None:
            return found
    return None


def stamp_of(resource: Json) -> str:
    """When the source last changed it, as text that sorts; empty where it does not say."""
    meta = resource.get("meta")
    changed = when(meta.get("lastUpdated"), "UTC") if isinstance(meta, Mapping) else None
    return f"{changed.instant:%Y%m%dT%H%M%S%f}" if changed and changed.instant else ""


def number_of(value: Any) -> float | int | None:
    """A JSON number, a whole one as such; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if isinstance(value, float) and value.is_integer() else value
