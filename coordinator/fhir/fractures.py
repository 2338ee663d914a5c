"""What a Condition says of a fracture, and which Conditions tell of one event."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from coordinator.fhir.codes import Codes, Coding
from coordinator.fhir.relevance import is_withdrawn, speaks_of_fracture
from coordinator.fhir.sorting import Item
from coordinator.fhir.values import When, all_words, codings, first_when, levels_said, listed, status_of, words_of

INDEX_LEVELS = ("L1", "L2")
OPEN = ("active", "recurrence", "relapse")
SURE = ("", "confirmed")
REFUTED = "refuted"
# Two conditions of one event are minutes apart, or on either side of a midnight.
ONE_EVENT = timedelta(days=1)
SPINE, OSTEOPOROTIC, ELSEWHERE = "spine", "osteoporotic", "elsewhere"
_OF = re.compile(r"fracture(?: subluxation)?(?: of| -|:)?(?: bone of| the)?\s+([a-z][a-z ]{2,40})", re.I)
_SEVENTH = 7


@dataclass(frozen=True, slots=True)
class Fracture:
    """One Condition, as far as it speaks of a fracture."""

    item: Item
    spine: bool
    osteoporotic: bool
    levels: tuple[str, ...]
    region: str
    site: str
    text: str
    said: tuple[str, ...]
    clinical: str
    verification: str
    onset: When | None
    recorded: When | None
    ended: When | None
    late_stage: str
    findings: tuple[str, ...]

    @property
    def open(self) -> bool:
        return self.clinical in OPEN

    @property
    def level(self) -> str:
        return self.levels[0] if len(self.levels) == 1 else ""

    @property
    def day(self) -> date | None:
        """When it happened as far as that is known, for telling events apart."""
        known = self.onset or self.recorded
        return known.day if known else None


@dataclass(frozen=True, slots=True)
class Event:
    """One fracture of one patient, of which one or more Conditions tell; the first of them says most."""

    conditions: tuple[Fracture, ...]
    kind: str
    level: str
    # Whether another level, or another site, broke in the same event.
    beside: tuple[str, ...] = ()

    @property
    def first(self) -> Fracture:
        return self.conditions[0]

    @property
    def refs(self) -> tuple[str, ...]:
        return tuple(sorted(fracture.item.ref for fracture in self.conditions))

    @property
    def findings(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for fracture in self.conditions for name in fracture.findings))


def fracture_of(item: Item, codes: Codes, zone: str) -> Fracture | None:
    """The fracture in a Condition; None where it speaks of none, or nobody stands by it any more."""
    resource = item.resource
    concept = resource.get("code")
    found = list(codings(concept, codes))
    rows = [row for coding in found if (row := codes.row("fracture", coding)) is not None]
    withdrawn = is_withdrawn(resource) or status_of(resource.get("verificationStatus")) == REFUTED
    if withdrawn or not (rows or speaks_of_fracture(concept)):
        return None
    sites = [*_body_sites(resource, codes)]
    levels = [*(row["level"] for row in rows if "level" in row), *(level for level, _ in sites if level)]
    regions = [row["region"] for row in rows if "region" in row]
    elsewhere = [row["site"] for row in rows if "site" in row]
    spine = bool(levels or regions)
    words = [word for level, word in sites if not level and word]
    return Fracture(
        item=item,
        spine=spine,
        osteoporotic=any(row.get("osteoporotic") for row in rows),
        levels=tuple(dict.fromkeys(levels)),
        region=regions[0] if regions else "",
        site="" if spine else next(iter([*elsewhere, *words, *_site_in_words(concept)]), ""),
        text=words_of(concept),
        said=levels_said(all_words(concept)),
        clinical=status_of(resource.get("clinicalStatus")),
        verification=status_of(resource.get("verificationStatus")),
        onset=first_when(resource, zone, "onsetDateTime", "onsetPeriod"),
        recorded=first_when(resource, zone, "recordedDate"),
        ended=first_when(resource, zone, "abatementDateTime", "abatementPeriod"),
        late_stage=_late_stage(found, codes),
        findings=tuple(_coded_findings(found, codes)),
    )


def _body_sites(resource: Any, codes: Codes) -> Iterator[tuple[str, str]]:
    """Level and words of each bodySite."""
    for concept in listed(resource, "bodySite"):
        level = next((codes.body_sites[c] for c in codings(concept, codes) if c in codes.body_sites), "")
        yield level, words_of(concept).lower()


def _site_in_words(concept: Any) -> Iterator[str]:
    found = _OF.search(all_words(concept))
    if found:
        yield found.group(1).strip().lower()


def _late_stage(found: Iterable[Coding], codes: Codes) -> str:
    for system, code in found:
        if system == "icd10cm" and len(code) == _SEVENTH and code[-1] in codes.late_stages:
            return codes.late_stages[code[-1]]
    return ""


def _coded_findings(found: Iterable[Coding], codes: Codes) -> Iterator[str]:
    """What the code of the fracture itself says beside where it is."""
    for coding in found:
        row = codes.row("fracture", coding)
        if row is not None and "finding" in row:
            yield row["finding"]
        if codes.row("burst", coding) is not None:
            yield "unstable_burst"


# ---------------------------------------------------------------- events


def events_of(fractures: Iterable[Fracture]) -> list[Event]:
    """The events that a patient's Conditions tell of, oldest first."""
    ordered = sorted(fractures, key=lambda f: (f.day or date.max, f.item.ref))
    events: list[Event] = []
    while ordered:
        first = ordered[0]
        together = [f for f in ordered if f is first or _same_time(first, f)]
        ordered = [f for f in ordered if f not in together]
        events += _told(together)
    return events


def _same_time(one: Fracture, other: Fracture) -> bool:
    return one.day is not None and other.day is not None and abs(other.day - one.day) <= ONE_EVENT


def _told(together: Sequence[Fracture]) -> Iterator[Event]:
    """What happened at one time: spine levels, and other sites; a condition that names no place joins what does."""
    spine = [f for f in together if f.spine]
    placed = [f for f in together if not f.spine and f.site]
    vague = [f for f in together if not f.spine and not f.site]
    levels = _levels_in_turn(spine)
    if spine:
        yield from _spine_events(spine, levels, vague)
    sites = list(dict.fromkeys(f.site for f in placed))
    for number, site in enumerate(sites):
        joined = [f for f in placed if f.site == site]
        if not spine and number == 0:
            joined += vague
        others = tuple(s for s in (*sites, *levels) if s != site)
        kind = OSTEOPOROTIC if any(f.osteoporotic for f in joined) else ELSEWHERE
        yield Event(_best_first(joined), kind, "", others)
    if vague and not spine and not placed:
        yield Event(_best_first(vague), OSTEOPOROTIC if any(f.osteoporotic for f in vague) else ELSEWHERE, "")


def _spine_events(spine: list[Fracture], levels: list[str], vague: list[Fracture]) -> Iterator[Event]:
    unplaced = [f for f in spine if not f.level] + vague
    if not levels:
        yield Event(_best_first(unplaced), SPINE, "")
        return
    for number, level in enumerate(levels):
        joined = [f for f in spine if f.level == level] + (unplaced if number == 0 else [])
        # The first is the index fracture; whether the others are fractures of their own is for a person.
        yield Event(_best_first(joined), SPINE, level, tuple(levels[:1]) if number else ())


def _levels_in_turn(spine: list[Fracture]) -> list[str]:
    """Open fractures before others, the levels of the pathway before others, then as they are called."""
    ready = {f.level for f in spine if f.level and f.open}
    levels = {f.level for f in spine if f.level}
    return sorted(levels, key=lambda level: (level not in ready, level not in INDEX_LEVELS, level))


def _best_first(fractures: Iterable[Fracture]) -> tuple[Fracture, ...]:
    """The one that says most first: an open one with its level before all others."""
    return tuple(sorted(fractures, key=lambda f: (not (f.open and f.level), not f.level, not f.spine, f.item.ref)))
