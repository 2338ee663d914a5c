"""Our own code systems, made from the guideline and the data elements, and the public codes that go with them.

A public code stands beside ours only where it was looked up (status V in coordinator/data/fhir_codes.toml).
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from coordinator.fhir.codes import TABLE
from coordinator.fhir.out.elements import Json, marked, resource
from coordinator.fhir.out.names import address, system
from pathway.facts import FIELDS, LEVELS
from pathway.guideline import Guideline
from pathway.referral_loop import STEPS

LOINC, SNOMED = "http://loinc.org", "http://snomed.info/sct"
# What UCUM calls the units of the data elements.
UNITS = {
    "% of expected height": "%",
    "degrees": "deg",
    "on the pain scale": "{score}",
    "SD": "{SD}",
    "cm": "cm",
    "kg": "kg",
    "kg/m2": "kg/m2",
    "mg a day, elemental": "mg/d",
    "IU a day": "[iU]/d",
    "days": "d",
}
SERVICES = {"augmentation": "Vertebral augmentation", "surgery": "Spine surgery"}
TASK_STATES = {
    "open": "Open",
    "suspended": "Suspended while a red flag is dealt with",
    "data": "Closed: what it asked for was recorded",
    "decided": "Closed: decided",
    "acknowledged": "Closed: acknowledged",
    "judged": "Closed: judged",
    "confirmed": "Closed: confirmed",
    "done": "Closed by a person: done",
    "declined": "Closed by a clinician: declined",
    "not_applicable": "Closed by a clinician: not applicable",
    "left_state": "Closed: the patient left the state",
    "episode_closed": "Closed: the episode ended",
    "closed_while_suspended": "Closed: the episode ended while it was suspended",
}
FIGURES = {
    "enrolled": "Episodes",
    "active": "Active",
    "held": "Held: open, with a milestone that waits until its state lets it speak",
    "closed": "Ended",
    "unowned": "Open without an owner",
    "without_next_date": "Open without a next date",
    "unknown_state": "In a state that the guideline does not know",
}
Concepts = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """A code system of ours: its short name, what it is for, and its codes with their words."""

    name: str
    title: str
    concepts: Concepts


def vocabularies(guideline: Guideline) -> Iterator[Vocabulary]:
    yield Vocabulary("tag", "Marks of exported resources", {"export": "Written by the clinical pathway engine"})
    yield Vocabulary("document", "Documents", {"journal": "Journal of a patient, one line an entry"})
    yield Vocabulary("state", "States of the pathway", dict(_states(guideline)))
    yield Vocabulary("task", "Work of the pathway", {t.code: _marked(t) for t in guideline.tasks.values()})
    yield Vocabulary("task-status", "How work stands", TASK_STATES)
    yield Vocabulary("timer", "Clocks of the pathway", {t.code: _marked(t) for t in guideline.timers.values()})
    yield Vocabulary("rule", "Transition rules", {t.id: _marked(t) for t in reversed(guideline.transitions)})
    yield Vocabulary("source", "Lines of the sources, in our words", {s.id: s.says for s in guideline.sources.values()})
    yield Vocabulary("observation", "What can be recorded", dict(_elements()))
    yield Vocabulary("level", "Vertebrae", {level: f"Vertebra {level}" for level in LEVELS})
    yield Vocabulary("fracture", "Fractures", {"vertebral-compression": "Vertebral compression fracture"})
    yield Vocabulary("service", "Services referred to", SERVICES)
    yield Vocabulary("referral-step", "What came back of a referral", {step: step.capitalize() for step in STEPS})
    yield Vocabulary("message", "Kinds of messages", {r.kind: _marked(r) for r in guideline.reminders.values()})
    yield Vocabulary("census", "Figures of the census", FIGURES)


def _marked(rule: Any) -> str:
    return marked(rule.title, engineering=rule.engineering)


def _states(guideline: Guideline) -> Iterator[tuple[str, str]]:
    for state in guideline.states.values():
        yield state.id, state.title
        yield from ((f"{state.id}.{sub}", state.shown(sub)) for sub in state.subs)


def _elements() -> Iterator[tuple[str, str]]:
    for kind, fields in FIELDS.items():
        yield kind, words(kind)
        for name, field in fields.items():
            yield f"{kind}.{name}", f"{words(kind)}: {words(name)}"
            if field.shape == "one_of":
                yield from ((f"{kind}.{name}.{choice}", words(choice)) for choice in field.choices)


def words(name: str) -> str:
    spoken = name.replace("_", " ")
    return spoken if spoken.isupper() else spoken[:1].upper() + spoken[1:]


def code_system(vocabulary: Vocabulary, guideline: Guideline) -> Json:
    concepts = [{"code": code, "display": text} for code, text in vocabulary.concepts.items()]
    return resource(
        "CodeSystem",
        f"pathway-{vocabulary.name}",
        url=system(vocabulary.name),
        version=guideline.version,
        name=f"Pathway{_camel(vocabulary.name)}",
        title=vocabulary.title,
        status="draft",
        caseSensitive=True,
        content="complete",
        count=len(concepts),
        valueSet=address("ValueSet", vocabulary.name),
        concept=concepts,
    )


def value_set(vocabulary: Vocabulary, guideline: Guideline) -> Json:
    """All codes of one code system."""
    return resource(
        "ValueSet",
        f"pathway-{vocabulary.name}",
        url=address("ValueSet", vocabulary.name),
        version=guideline.version,
        name=f"Pathway{_camel(vocabulary.name)}Codes",
        title=vocabulary.title,
        status="draft",
        compose={"include": [{"system": system(vocabulary.name)}]},
    )


def _camel(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("-"))


# ---------------------------------------------------------------- public codes


@lru_cache(maxsize=1)
def _table() -> dict[str, Any]:
    return tomllib.loads(TABLE.read_text(encoding="utf-8"))


@lru_cache(maxsize=1)
def body_sites() -> dict[str, str]:
    """SNOMED CT codes of single vertebrae, by level, as far as they were looked up."""
    return {
        level: code for row in _table()["body_site"] if row["status"] == "V" for code, level in row["codes"].items()
    }


@lru_cache(maxsize=1)
def measurements() -> dict[tuple[str, str], str]:
    """LOINC codes by data element and site; the site is empty where the code names none."""
    rows = [row for row in _table()["measurement"] if row["status"] == "V"]
    return {(row["field"], row.get("site", "")): row["codes"][0] for row in rows}


# The one public code of the fracture itself: corroborated (status C), because nothing more specific was looked up.
COMPRESSION_FRACTURE = "42942008"
