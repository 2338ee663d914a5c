"""Fractures into episodes, conservatively: registered, corrected, or kept as a candidate for a person."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from coordinator.fhir.findings import Findings, Place
from coordinator.fhir.fractures import REFUTED, Event, Fracture
from coordinator.fhir.judging import is_fracture_of, reasons_against
from coordinator.fhir.people import Who
from coordinator.fhir.records import Intake, Record, digest, resource_name, said
from coordinator.fhir.relevance import is_withdrawn
from coordinator.fhir.sorting import Item
from coordinator.fhir.values import status_of
from pathway.calendar import show_date
from pathway.episode import Episode
from pathway.journal import Refusal, Step
from persistence.candidates import WITHDRAWN, candidate_of, close_candidate, keep_candidate, waiting_with

CASE = "fhir-case"


@dataclass(frozen=True, slots=True)
class Waiting:
    """A candidate of this import, and whether it is new, changed or known."""

    id: str
    patient: str
    kind: str
    level: str
    reasons: tuple[str, ...]
    place: Place
    what: str


@dataclass
class Enrolled:
    """What became of the fractures."""

    registered: list[tuple[str, str, Place]] = field(default_factory=list)
    known: int = 0
    corrected: int = 0
    concerns: int = 0
    candidates: list[Waiting] = field(default_factory=list)
    candidates_more: int = 0
    withdrawn: int = 0


@dataclass(frozen=True, slots=True)
class Desk:
    """What every room of this import writes on."""

    intake: Intake
    findings: Findings
    enrolled: Enrolled
    longest: int = 10_000


def enrol(desk: Desk, record: Record, who: Who | None, event: Event) -> None:
    """One event: known, corrected, registered, or a candidate with every reason against."""
    followed = _registered_from(desk.intake, record, event)
    if followed is not None:
        _compare(desk, record, event, followed)
        return
    if any(is_fracture_of(event.first, episode) for episode in record.episodes):
        desk.enrolled.known += 1
        return
    intake = desk.intake
    guideline = intake.store.engine.guideline
    reasons = reasons_against(event, who, record.episodes, guideline, intake.today)
    if not reasons and who is not None:
        refusal = _register(desk, record, who, event)
        if refusal is None:
            return
        reasons = [f"refused by the engine: {refusal.because}"]
    keep(desk, record.number, who, event, reasons)


def _names(intake: Intake, record: Record, refs: Sequence[str]) -> tuple[str, ...]:
    """What registrations from these resources are called, under every number that the person has or had."""
    return tuple(f"{CASE}:{resource_name(intake, number, ref)}:" for number in record.numbers for ref in refs)


def _registered_from(intake: Intake, record: Record, event: Event) -> Episode | None:
    names = _names(intake, record, event.refs)
    for episode in record.episodes:
        if any(event_id.startswith(names) for event_id in episode.event_ids):
            return episode
    return None


def case_id(intake: Intake, number: str, fracture: Fracture) -> str:
    """The identity of a registration: the resource and what it says of level and date."""
    day, precision = dated(fracture)
    about = said({"level": fracture.level, "day": day, "precision": precision})
    return f"{CASE}:{resource_name(intake, number, fracture.item.ref)}:{about}:{fracture.item.stamp}"


def dated(fracture: Fracture) -> tuple[date | None, str]:
    """The date of the fracture as the engine takes it; of a year alone the day is unknown."""
    if fracture.onset is None or fracture.onset.precision == "year":
        return None, "unknown"
    return fracture.onset.day, fracture.onset.precision


def identified(fracture: Fracture, today: date) -> date | None:
    """When it was found: as recorded, though never before it happened; None leaves it to the day of registration."""
    day, _ = dated(fracture)
    recorded = fracture.recorded
    if recorded is None or recorded.precision != "day" or recorded.day > today:
        return None
    return max(recorded.day, day) if day else recorded.day


# ---------------------------------------------------------------- registration


def _register(desk: Desk, record: Record, who: Who, event: Event) -> Refusal | None:
    intake, first = desk.intake, event.first
    day, precision = dated(first)
    data: dict[str, Any] = {
        "level": event.level,
        "fracture_date_precision": precision,
        "owner": intake.owner,
    }
    known = {
        "fracture_date": day,
        "identification_date": identified(first, intake.today),
        "birth_date": who.birth.day if who.birth else None,
        "sex": who.sex,
    }
    data |= {name: value for name, value in known.items() if value is not None}
    kind = "new_fracture" if record.episodes else "register"
    step = Step(kind, "", data, "coordinator", str(first.item.place), case_id(intake, record.number, first))
    refusal = record.record(step).refusal
    if refusal is None:
        desk.enrolled.registered.append((record.number, event.level, first.item.place))
        _no_longer_waiting(desk, record.number, event.refs, first.item.place, "enrolled: nothing speaks against it now")
    return refusal


# ---------------------------------------------------------------- what is followed already


def _compare(desk: Desk, record: Record, event: Event, episode: Episode) -> None:
    """A Condition that was enrolled says something else now: its date is corrected, its level is for a person."""
    name = case_id(desk.intake, record.number, event.first)
    cases = (case_id(desk.intake, number, event.first) for number in record.numbers)
    about = tuple(case.rpartition(":")[0] + ":" for case in cases)
    if any(event_id.startswith(about) for event_id in episode.event_ids):
        desk.enrolled.known += 1
        return
    place = event.first.item.place
    if event.level and event.level != episode.level:
        text = f"The source now says {event.level} where this episode was opened for {episode.level}."
        raise_concern(desk, record, episode, name, "other_free_text", text, place)
        return
    day, precision = dated(event.first)
    if day is None or (day, precision) == (episode.fracture_date, episode.precision):
        desk.enrolled.known += 1
        return
    data = {"value": day, "precision": precision, "reason": "corrected in the source"}
    step = Step("correct", "fracture_date", data, "coordinator", str(place), name)
    refusal = record.record(step, episode_n=episode.n).refusal
    if refusal is None:
        desk.enrolled.corrected += 1
    else:
        desk.findings.refuse(place, f"the date of the fracture could not be corrected: {refusal.because}")


def take_back(desk: Desk, record: Record, item: Item) -> None:
    """A Condition that nobody stands by any more: its candidate goes, its episode is for a person to close."""
    why = "entered in error" if is_withdrawn(item.resource) else REFUTED
    _no_longer_waiting(desk, record.number, (item.ref,), item.place, f"{why} in the source")
    name = f"{CASE}:{resource_name(desk.intake, record.number, item.ref)}:"
    names = _names(desk.intake, record, (item.ref,))
    for episode in record.open_episodes:
        if any(event_id.startswith(names) for event_id in episode.event_ids):
            text = (
                f"The condition from which this episode was opened is {why} in the source: withdraw it, or say why not."
            )
            raise_concern(desk, record, episode, f"{name}{why}:{item.stamp}", "other_free_text", text, item.place)


def is_gone(item: Item) -> bool:
    return is_withdrawn(item.resource) or status_of(item.resource.get("verificationStatus")) == REFUTED


def _no_longer_waiting(desk: Desk, number: str, refs: Sequence[str], place: Place, because: str) -> None:
    intake = desk.intake
    for ref in refs:
        for name in waiting_with(intake.store.database, number, ref):
            desk.enrolled.withdrawn += 1
            if not intake.dry_run:
                close_candidate(intake.store.database, name, WITHDRAWN, intake.now, str(place), because)


def raise_concern(
    desk: Desk, record: Record, episode: Episode, event_id: str, looks_like: str, text: str, place: Place
) -> None:
    """Something that only a person may decide, on the worklist of the episode; said once."""
    if event_id in episode.event_ids:
        return
    data = {"looks_like": looks_like, "text": text, "place": str(place)}
    step = Step("admin", "concern", data, "coordinator", str(place), event_id)
    if record.record(step, episode_n=episode.n).refusal is None:
        desk.enrolled.concerns += 1


# ---------------------------------------------------------------- candidates


def keep(desk: Desk, number: str, who: Who | None, event: Event, reasons: list[str], subject: str = "") -> None:
    """Keep a candidate, or, in a rehearsal, say what would become of it."""
    intake, first = desk.intake, event.first
    day, precision = dated(first)
    name = digest(intake.source, number or subject, event.refs[0])[:10]
    row = {
        "id": name,
        "patient_id": number,
        "surname": who.surname if who else "",
        "given": who.given if who else "",
        "birth_date": who.birth.day if who and who.birth and who.birth.precision == "day" else None,
        "sex": who.sex if who else None,
        "kind": event.kind,
        "level": event.level or None,
        "onset": day,
        "precision": precision,
        "identification": identified(first, intake.today),
        "text": " + ".join(dict.fromkeys(f.text for f in event.conditions if f.text)),
        "reasons": reasons,
        "refs": list(event.refs),
        "place": str(first.item.place),
        "event_id": case_id(intake, number, first),
        "fingerprint": _fingerprint(event),
        "found_at": intake.now,
    }
    database = intake.store.database
    what = candidate_of(database, row) if intake.dry_run else keep_candidate(database, row)
    waiting = Waiting(name, number, event.kind, event.level, tuple(reasons), first.item.place, what)
    if len(desk.enrolled.candidates) < desk.longest:
        desk.enrolled.candidates.append(waiting)
    else:
        desk.enrolled.candidates_more += 1


def _fingerprint(event: Event) -> str:
    """Changes when the source says something else of the fracture, and with nothing else."""
    first = event.first
    day, precision = dated(first)
    ended = show_date(first.ended.day) if first.ended else ""
    return digest(event.kind, event.level, day, precision, first.site, first.clinical, first.verification, ended)
